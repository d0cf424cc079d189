/* unpack.h - the msgpack decoder with limits of the caller's choice. Internal to proto/; others use cccc_msgpack_read of wire.h. */
#pragma once

#include "proto/err.h"
#include "proto/value.h"

struct cccc_msgpack_limits {
    size_t bytes;       /* of the whole */
    uint32_t depth;     /* containers within containers */
    uint32_t items;     /* values, keys included */
    uint32_t key_bytes; /* of a map key */
};

/* As cccc_msgpack_read. */
cccc_err_t cccc_msgpack_read_limited(const char *bytes, size_t len, const struct cccc_msgpack_limits *limits, cccc_arena_t *arena,
                                     cccc_value_t *out, struct cccc_errmsg *m);
