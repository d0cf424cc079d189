/* limits.h - every named maximum, from one table (limits.def). Over it is an error that carries the limit; nothing is cut silently. */
#pragma once

enum {
#define CCCC_LIMIT(name, value, unit, meaning) CCCC_##name = (value),
#include "proto/limits.def"
#undef CCCC_LIMIT
};
