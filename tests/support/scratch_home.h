/* scratch_home.h - a home under the system's temporary folder, for tests of the store and the log; gone when the test ends. */
#pragma once

#include "broker/store/store.h"

struct scratch {
    char dir[64]; /* the temporary folder; the home is dir/home */
    struct cccc_home home;
    cccc_arena_t *arena;  /* lives as long as the scratch */
    struct cccc_errmsg m; /* of the last call through the scratch */
    cccc_value_t value;   /* what the last store effect yielded */
};

/* A prepared home. */
void scratch_open(struct scratch *s);
void scratch_close(struct scratch *s);
/* Run a store effect on `vfs`; the error, *s->m and s->value are its results. */
cccc_err_t scratch_store(struct scratch *s, const struct cccc_vfs *vfs, struct cccc_store store);
/* An absolute path inside the home, in the arena. */
const char *scratch_path(struct scratch *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Write and read whole files inside the home; folders are made. The text read is in the arena, NULL when there is no such file. */
void scratch_write(struct scratch *s, const char *name, const char *text);
const char *scratch_read(struct scratch *s, const char *name);
bool scratch_exists(struct scratch *s, const char *name);
/* A value written as JSON with single quotes for double ones. */
cccc_value_t scratch_json(struct scratch *s, const char *text);
