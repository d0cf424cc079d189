/* backup.h - a backup: a folder shaped like a home, with a manifest of what it holds. What `backup` and `restore` share.
 *
 * A backup holds a home's registry, settings, secrets and groups; not daemon/, trash/, backups/, sockets, locks, drafts and marks, which say
 * something about one machine at one moment. manifest.json names each file with its size and BLAKE2b-256, and for each group the last event and
 * every reader's cursors, unread events and obligations, as a start from these files finds them.
 * Results live in the run's arena. Thread: the program's one. */
#pragma once

#include "clients/cli/progress.h"

#include <sodium.h>

#define BACKUP_FORMAT   1
#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_SUM_HEX  64

/* ---- the files of a home (files.c) ---- */

/* When a file is copied. Within a group the order is what makes the copy a state the group was in; commands/backup.c has the argument. */
enum backup_stage { BACKUP_LEFT_OUT, BACKUP_FIRST, BACKUP_LEDGER, BACKUP_LAST };

struct backup_file {
    const char *path; /* below the home */
    uint64_t bytes;
    enum backup_stage stage;
    bool odd; /* neither a file nor a directory: a link, a socket; never copied */
};

struct backup_files {
    struct backup_file *items; /* by path */
    size_t count, room;
    uint64_t bytes;
};

/* Every file below `root`/`under` ("" = all), by path; daemon/, trash/ and backups/ are not entered. What vanishes meanwhile is not there.
 * 0 or -errno; -EFBIG: more than BACKUP_FILES_MAX. */
int backup_list(struct cli *cli, const char *root, const char *under, struct backup_files *out);

/* The n-th name for something of this run's second: YYYYMMDDTHHMMSSZ, the same with -2, ... */
const char *backup_name(struct cli *cli, unsigned n);

/* Copy at most `bytes` of from_root/path to to_root/path, making folders (0700) and the file (0600), and sync it. 0 or -errno. */
int backup_copy_file(const char *from_root, const char *to_root, const char *path, uint64_t bytes, struct cli_progress *progress);
/* The same of a file that is open: what was opened, whatever has that name by now. */
int backup_copy_open(int from, const char *to_root, const char *path, uint64_t bytes, struct cli_progress *progress);
/* BLAKE2b-256 of a file in hex, and its size. 0 or -errno. */
int backup_sum_file(const char *root, const char *path, char out[BACKUP_SUM_HEX + 1], uint64_t *bytes, struct cli_progress *progress);
/* Sync every directory of `files` below `root`, and root. 0 or -errno. */
int backup_sync_dirs(struct cli *cli, const char *root, const struct backup_files *files);

/* ---- the manifest (manifest.c) ---- */

/* Read and check DIR's manifest. CCCC_E_NOT_FOUND: it has none: a plain copy. CCCC_E_DAMAGED, CCCC_E_BAD_JSON: *m says why. */
cccc_err_t backup_manifest_read(struct cli *cli, const char *dir, cccc_value_t *out, struct cccc_errmsg *m);
/* Sum every file of `dir`, read its groups, write the manifest durably. */
cccc_err_t backup_manifest_write(struct cli *cli, const char *dir, cccc_value_t *out, struct cccc_errmsg *m);

/* ---- groups (state.c) ---- */

/* What a start would find in dir/groups/<group>: {group_id, title, events, legacy, head_seq, head_id, head_crc, damaged, readers}. Opens the ledger,
 * which moves a torn tail aside: for copies only. */
cccc_err_t backup_state_of(struct cli *cli, const char *dir, const char *group, cccc_value_t *out, struct cccc_errmsg *m);
/* What one actor owes: how many items, and a sum over which they are, so that a manifest stays small however much is owed. */
struct backup_owed {
    uint64_t items;
    crypto_generichash_state state;
};
void backup_owed_start(struct backup_owed *self);
/* `row` as `obligations_list` has them, in its order. */
void backup_owed_add(struct backup_owed *self, const cccc_value_t *row);
void backup_owed_end(struct backup_owed *self, char sum[BACKUP_SUM_HEX + 1]);

/* The ids of the groups in `dir`. */
cccc_value_t backup_groups(struct cli *cli, const char *dir);

/* ---- checking (verify.c) ---- */

/* What is not as the manifest says; each an array of maps {what, path}. */
struct backup_findings {
    cccc_value_t manifest; /* nil: a plain copy */
    cccc_builder_t damage; /* a missing or changed file, a damaged ledger */
    cccc_builder_t notes;  /* an extra file; no manifest */
    bool partial;          /* a drill could not compare everything; the notes say what */
    uint64_t files, bytes;
};
/* Check every file and every ledger of `dir` without changing anything. 0, or the exit status of what was reported: it is no backup. */
int backup_check(struct cli *cli, const char *dir, struct backup_findings *out);
/* The findings on stdout, a line each; nothing with --json. */
void backup_print_findings(struct cli *cli, const struct backup_findings *findings);
/* `dir` (the caller's path) absolute with links resolved, without a slash at its end; it need not exist, its parent must. 0 or the exit status. */
int backup_dir(struct cli *cli, const char *dir, const char **out);
/* Start a scratch daemon on a copy of `dir` and compare what it says with the manifest. Adds to `findings`. 0, or the exit status of what was
 * reported: the drill could not be held. */
int backup_drill(struct cli *cli, const char *dir, struct backup_findings *findings);
