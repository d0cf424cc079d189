/* snapshot.c - see snapshot.h. */
#include "broker/ledger/snapshot.h"

#include "broker/ledger/ledger_private.h"
#include "broker/mutant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_MAX = 160, END_BYTES = 13 };

static char *path_in(const char *group_dir)
{
    return cccc_path_join(group_dir, "state/ledger/snapshot");
}

/* ---- writing ---- */

/* The line in front of the payload; its length. */
static size_t format_head(const struct cccc_snapshot *of, size_t payload_bytes, char out[HEAD_MAX])
{
    int len = snprintf(out, HEAD_MAX, "cccc-snapshot 1 group=%s seq=%llu crc=%08x epoch=%llu bytes=%zu\n", of->group_id,
                       (unsigned long long)of->seq, of->crc, (unsigned long long)of->epoch, payload_bytes);
    return (size_t)len;
}

static void format_end(uint32_t crc, char out[END_BYTES + 1])
{
    snprintf(out, END_BYTES + 1, "crc=%08x\n", crc);
}

static int write_parts(const struct cccc_vfs *vfs, const char *draft, const cccc_str_t *parts, unsigned count, bool sync)
{
    int fd = vfs->open(vfs->ctx, draft, CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE | CCCC_O_TRUNC);
    if (fd < 0)
        return fd;
    int rc = 0;
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = cccc_vfs_write_all(vfs, fd, parts[i].ptr, parts[i].len);
    if (rc == 0 && sync)
        rc = vfs->sync(vfs->ctx, fd);
    vfs->close(vfs->ctx, fd);
    return rc;
}

/* To `path`, by way of a draft beside it. */
static int write_to(const struct cccc_vfs *vfs, const char *path, const struct cccc_snapshot *of, const cccc_buf_t *payload, bool sync,
                    uint64_t *bytes)
{
    char head[HEAD_MAX], end[END_BYTES + 1];
    size_t head_len = format_head(of, payload->size, head);
    if (payload->size > CCCC_SNAPSHOT_BYTES_MAX - sizeof head - sizeof end)
        return -EFBIG;
    format_end(cccc_crc32c(cccc_crc32c(0, head, head_len), payload->data, payload->size), end);
    const cccc_str_t parts[] = {{head, head_len}, {payload->data, payload->size}, {end, END_BYTES}};
    size_t room = strlen(path) + sizeof ".tmp";
    char *draft = cccc_room(room);
    snprintf(draft, room, "%s.tmp", path);
    int rc = write_parts(vfs, draft, parts, sizeof parts / sizeof *parts, sync);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, draft, path);
    if (rc < 0)
        vfs->unlink(vfs->ctx, draft);
    else if (sync && !CCCC_MUTANT_IS(BASE_NO_DIR_SYNC))
        rc = cccc_vfs_sync_parent(vfs, path);
    *bytes = head_len + payload->size + END_BYTES;
    free(draft);
    return rc;
}

int cccc_snapshot_write(const struct cccc_vfs *vfs, const char *group_dir, const struct cccc_snapshot *of, const cccc_buf_t *payload,
                        bool sync, uint64_t *bytes)
{
    char *path = path_in(group_dir);
    int rc = write_to(vfs, path, of, payload, sync, bytes);
    free(path);
    return rc;
}

static char *base_path(const char *state_dir, uint64_t seq)
{
    char name[CCCC_PART_NAME_ROOM];
    cccc_base_name(seq, name);
    return cccc_path_join(state_dir, name);
}

int cccc_base_write(const struct cccc_vfs *vfs, const char *state_dir, const struct cccc_snapshot *of, const cccc_buf_t *payload)
{
    uint64_t bytes;
    char *path = base_path(state_dir, of->seq);
    int rc = write_to(vfs, path, of, payload, !CCCC_MUTANT_IS(BASE_NO_SYNC), &bytes);
    free(path);
    return rc;
}

void cccc_snapshot_remove(const struct cccc_vfs *vfs, const char *group_dir)
{
    char *path = path_in(group_dir);
    vfs->unlink(vfs->ctx, path);
    free(path);
}

/* ---- reading ---- */

/* False unless `file` begins with exactly what format_head would have written for *of and the payload behind it. */
static bool parse_head(const char *file, size_t len, struct cccc_snapshot *of, cccc_str_t *payload)
{
    unsigned long long seq, epoch;
    unsigned crc;
    size_t bytes;
    char text[HEAD_MAX] = "", again[HEAD_MAX];
    memcpy(text, file, len < sizeof text - 1 ? len : sizeof text - 1);
    /* NOLINTNEXTLINE(cert-err34-c): what it makes of a number that is too large is not what the text says, which is compared below. */
    if (sscanf(text, "cccc-snapshot 1 group=%15s seq=%llu crc=%8x epoch=%llu bytes=%zu\n", of->group_id, &seq, &crc, &epoch, &bytes) != 5)
        return false;
    of->seq = seq;
    of->crc = crc;
    of->epoch = epoch;
    size_t head_len = format_head(of, bytes, again);
    if (head_len + END_BYTES > len || memcmp(file, again, head_len) != 0 || bytes != len - head_len - END_BYTES)
        return false;
    *payload = (cccc_str_t){file + head_len, bytes};
    return true;
}

static bool is_whole(const char *file, size_t len)
{
    char end[END_BYTES + 1];
    format_end(cccc_crc32c(0, file, len - END_BYTES), end);
    return CCCC_MUTANT_IS(SNAPSHOT_UNCHECKED) || memcmp(file + len - END_BYTES, end, END_BYTES) == 0;
}

static bool is_of(const struct cccc_snapshot *of, const char *group_id)
{
    return CCCC_MUTANT_IS(SNAPSHOT_ANY_GROUP) || strcmp(of->group_id, group_id) == 0;
}

static int read_from(const struct cccc_vfs *vfs, const char *path, const char *group_id, struct cccc_snapshot *of, char **file,
                     cccc_str_t *payload)
{
    char *bytes = NULL;
    size_t len = 0;
    struct cccc_snapshot found = {.seq = 0};
    cccc_str_t inside;
    int rc = cccc_vfs_slurp(vfs, path, CCCC_SNAPSHOT_BYTES_MAX, &bytes, &len);
    if (rc == 0 &&
        !(parse_head(bytes, len, &found, &inside) && is_whole(bytes, len) && (!group_id || is_of(&found, group_id)) && found.seq > 0))
        rc = -EBADMSG;
    if (rc < 0) {
        free(bytes);
        return rc;
    }
    *of = found;
    *file = bytes;
    *payload = inside;
    return 0;
}

int cccc_snapshot_read(const struct cccc_vfs *vfs, const char *group_dir, const char *group_id, struct cccc_snapshot *of, char **file,
                       cccc_str_t *payload)
{
    char *path = path_in(group_dir);
    int rc = read_from(vfs, path, group_id, of, file, payload);
    free(path);
    return rc;
}

int cccc_base_read(const struct cccc_vfs *vfs, const char *state_dir, const struct cccc_base *base, const char *group_id,
                   struct cccc_snapshot *of, char **file, cccc_str_t *payload)
{
    char *path = base_path(state_dir, base->seq);
    int rc = read_from(vfs, path, group_id, of, file, payload);
    free(path);
    if (rc == 0 && (of->seq != base->seq || of->crc != base->crc)) {
        free(*file);
        rc = -EBADMSG;
    }
    return rc;
}
