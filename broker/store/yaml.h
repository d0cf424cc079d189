/* yaml.h - what a plain YAML scalar means, for the reader and the writer. Internal to broker/store.
 *
 * The rules are those of YAML 1.1 as PyYAML's safe loader applies them (CCCC 0.4.0 used it), but timestamps stay texts.
 * Thread: none; pure. */
#pragma once

#include "proto/value.h"

enum cccc_yaml_meaning {
    CCCC_YAML_TEXT,   /* a string, as it stands */
    CCCC_YAML_VALUE,  /* null, a boolean or a number */
    CCCC_YAML_REFUSED /* a number no value can hold */
};

/* The meaning of the plain scalar `s`. *out is set for VALUE only, *why for REFUSED only (static). */
enum cccc_yaml_meaning cccc_yaml_resolve(cccc_str_t s, cccc_value_t *out, const char **why);
