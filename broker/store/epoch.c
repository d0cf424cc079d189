/* epoch.c - the number of this start of this home.
 *
 * Owns daemon/epoch: a decimal number and a newline. Invariant: never the same number twice in one home. When the file is missing or damaged in
 * a home that has groups, the seconds since 1970 take over: more than any count of starts, and more than the seconds of any earlier such loss.
 * Thread: start-up's. */
#include "broker/store/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool parse(const char *text, uint64_t *epoch)
{
    char *end;
    if (text[0] < '1' || text[0] > '9')
        return false;
    errno = 0;
    *epoch = strtoull(text, &end, 10);
    return errno == 0 && *epoch < UINT64_MAX && strcmp(end, "\n") == 0;
}

static bool has_groups(const struct cccc_vfs *vfs, const struct cccc_home *home)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t groups;
    bool some = cccc_groups_scan(vfs, home, arena, &groups, NULL) != CCCC_OK || groups.via.array.size > 0;
    cccc_arena_destroy(&arena);
    return some;
}

cccc_err_t cccc_home_next_epoch(const struct cccc_vfs *vfs, const struct cccc_home *home, uint64_t *epoch, struct cccc_errmsg *m)
{
    struct cccc_path path = cccc_path(home, "/daemon/epoch");
    char *text = NULL;
    size_t len;
    uint64_t last = 0;
    int rc = cccc_vfs_slurp(vfs, path.z, 64, &text, &len);
    if (rc < 0 && rc != -ENOENT && rc != -EFBIG)
        return cccc_file_fail(m, rc, "read", path.z);
    if ((rc < 0 || !parse(text, &last)) && has_groups(vfs, home))
        last = (uint64_t)time(NULL);
    free(text);
    char next[32];
    int next_len = snprintf(next, sizeof next, "%" PRIu64 "\n", last + 1);
    rc = cccc_vfs_replace(vfs, path.z, next, (size_t)next_len, false);
    if (rc < 0)
        return cccc_file_fail(m, rc, "write", path.z);
    *epoch = last + 1;
    return CCCC_OK;
}
