/* snapshot.h - state/ledger/snapshot: what a fold has yielded, with the position in the ledger it is of. A cache; FORMAT.md has the format.
 *
 * What the bytes mean is the caller's. Nothing is believed that is not whole, of this group, and of this version; whether the ledger still has the line of
 * that position is for cccc_ledger_open (known_seq, known_crc).
 * Thread: any; one write of a group at a time. */
#pragma once

#include "broker/ledger/archive.h"
#include "proto/value.h"

struct cccc_snapshot {
    char group_id[16];
    uint64_t seq, epoch; /* of the last event folded; of the instance that folded it */
    uint32_t crc;        /* of that event's line */
};

/* Replace the snapshot of the group in `group_dir` by `payload`. `sync`: durably; without, a power cut may lose it, which its checksum then tells. *bytes: the file's size. 0 or
 * -errno; -EFBIG: over SNAPSHOT_BYTES_MAX. */
int cccc_snapshot_write(const struct cccc_vfs *vfs, const char *group_dir, const struct cccc_snapshot *of, const cccc_buf_t *payload,
                        bool sync, uint64_t *bytes);
/* Read it: *file is malloc'd (the caller frees it), *payload points into it. -ENOENT: there is none; -EBADMSG: damaged, of another version, or not of group `group_id`; or
 * -errno. On an error nothing is set. */
int cccc_snapshot_read(const struct cccc_vfs *vfs, const char *group_dir, const char *group_id, struct cccc_snapshot *of, char **file,
                       cccc_str_t *payload);
/* There is none any more. */
void cccc_snapshot_remove(const struct cccc_vfs *vfs, const char *group_dir);

/* A base: the same file under a name of its own, durable, and named by the manifest: truth, not a cache (FORMAT.md, *Retired segments*). `state_dir` is state/ledger. As
 * above; group_id NULL: of any group. */
int cccc_base_write(const struct cccc_vfs *vfs, const char *state_dir, const struct cccc_snapshot *of, const cccc_buf_t *payload);
int cccc_base_read(const struct cccc_vfs *vfs, const char *state_dir, const struct cccc_base *base, const char *group_id,
                   struct cccc_snapshot *of, char **file, cccc_str_t *payload);
