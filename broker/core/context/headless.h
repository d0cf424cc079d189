/* headless.h - see headless.c. Internal to broker/core. */
#pragma once

#include "broker/core/call.h"

void headless_fini(struct cccc_group *group);
