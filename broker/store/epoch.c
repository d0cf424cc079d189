/* epoch.c - the number of this start of this home.
 *
 * Owns daemon/epoch: a decimal number, a space, its CRC32C in 8 hex digits, and a newline (versions before had no checksum). Invariant: never the same number twice in one home. When the file is missing or damaged in
 * a home that has groups, the seconds since 1970 take over: more than any count of starts, and more than the seconds of any earlier such loss.
 * Thread: start-up's. */
#include "broker/store/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TEXT_MAX = 48 };

static size_t format(uint64_t epoch, char out[TEXT_MAX])
{
    int digits = snprintf(out, TEXT_MAX, "%" PRIu64, epoch);
    return (size_t)digits + (size_t)snprintf(out + digits, TEXT_MAX - (size_t)digits, " %08x\n", cccc_crc32c(0, out, (size_t)digits));
}

static bool parse(const char *text, uint64_t *epoch)
{
    char *end, again[TEXT_MAX];
    if (text[0] < '1' || text[0] > '9')
        return false;
    errno = 0;
    *epoch = strtoull(text, &end, 10);
    if (errno != 0 || *epoch == UINT64_MAX)
        return false;
    format(*epoch, again);
    return strcmp(end, "\n") == 0 || strcmp(text, again) == 0;
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
    char next[TEXT_MAX];
    rc = cccc_vfs_replace(vfs, path.z, next, format(last + 1, next), false);
    if (rc < 0)
        return cccc_file_fail(m, rc, "write", path.z);
    *epoch = last + 1;
    return CCCC_OK;
}
