/* files.h - what the files of broker/store share: paths of the home, errno as errors, names that are safe. Internal.
 *
 * Thread: none; pure. */
#pragma once

#include "broker/store/store.h"

/* An absolute path, by value. Longer than the system allows is possible; the system then refuses it. */
struct cccc_path {
    char z[4608];
};

/* `home->root` followed by what `fmt` makes. */
struct cccc_path cccc_path(const struct cccc_home *home, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A path inside the folder of `group_id`, which must be a safe name (asserted). "" is the folder itself. */
struct cccc_path cccc_group_path(const struct cccc_home *home, cccc_str_t group_id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* `rc` (-errno) as an error: NO_SPACE, NOT_FOUND or STORAGE; "cannot <what> <path>: why". Returns the error. */
cccc_err_t cccc_file_fail(struct cccc_errmsg *m, int rc, const char *what, const char *path);

/* One component of a path: 1..255 of A-Z a-z 0-9 . _ -, not beginning with a point. */
bool cccc_is_safe_name(cccc_str_t name);
/* g_ and 12 lower-case hex digits. */
bool cccc_is_group_id(cccc_str_t id);
/* 64 lower-case hex digits. */
bool cccc_is_sha256(cccc_str_t name);

/* UTC, YYYYMMDDTHHMMSSZ. */
void cccc_stamp(char out[24]);

/* The repository `path` (absolute, normalised) lies in, asked from git(1): its top folder into *root and the URL of origin, as it is but for
 * user and password, into *remote; "" when there is none. Without git, without a repository, or when git takes longer than `timeout_ms`:
 * `path` itself and "". Strings live in `arena`, or are `path`. */
void cccc_git_detect(const char *path, int timeout_ms, cccc_arena_t *arena, cccc_str_t *root, cccc_str_t *remote);

/* One handler of each kind of store effect (run.c has the table). All have cccc_store_run's contract. */
struct cccc_store_call {
    const struct cccc_vfs *vfs;
    const struct cccc_home *home;
    const struct cccc_store *store;
    cccc_arena_t *arena;
    cccc_value_t *value;
    struct cccc_errmsg *m;
};
cccc_err_t cccc_store_group(const struct cccc_store_call *call);
cccc_err_t cccc_store_scope(const struct cccc_store_call *call);
cccc_err_t cccc_store_registry(const struct cccc_store_call *call);
cccc_err_t cccc_store_active(const struct cccc_store_call *call);
cccc_err_t cccc_store_cursors(const struct cccc_store_call *call);
cccc_err_t cccc_store_trash(const struct cccc_store_call *call);
cccc_err_t cccc_store_scan(const struct cccc_store_call *call);
cccc_err_t cccc_store_git(const struct cccc_store_call *call);
cccc_err_t cccc_store_blob_piece(const struct cccc_store_call *call);
cccc_err_t cccc_store_blob_end(const struct cccc_store_call *call);
cccc_err_t cccc_store_blob_drop(const struct cccc_store_call *call);
cccc_err_t cccc_store_blob_stat(const struct cccc_store_call *call);
cccc_err_t cccc_store_blob_read(const struct cccc_store_call *call);
cccc_err_t cccc_store_blob_text(const struct cccc_store_call *call);
cccc_err_t cccc_store_holder_start(const struct cccc_store_call *call);
cccc_err_t cccc_store_holder_check(const struct cccc_store_call *call);
cccc_err_t cccc_store_holder_forget(const struct cccc_store_call *call);
cccc_err_t cccc_store_holder_kill(const struct cccc_store_call *call);
/* The actor is gone: what it printed and its lock file go, unless a holder has them still. */
void cccc_holder_forget_files(const struct cccc_store_call *call);
/* The group is in the trash, as the folder `trashed`, which stays but for what its actors printed; and their private environments go. What cannot be removed stays. */
void cccc_holders_forget_group(const struct cccc_store_call *call, const char *trashed);
cccc_err_t cccc_store_prompt(const struct cccc_store_call *call);
cccc_err_t cccc_store_prompts(const struct cccc_store_call *call);
cccc_err_t cccc_store_template(const struct cccc_store_call *call);
cccc_err_t cccc_store_context(const struct cccc_store_call *call);
cccc_err_t cccc_store_log_tail(const struct cccc_store_call *call);
cccc_err_t cccc_store_settings(const struct cccc_store_call *call);
cccc_err_t cccc_store_zone(const struct cccc_store_call *call);
cccc_err_t cccc_store_secrets(const struct cccc_store_call *call);

/* The group's own words in prompts/<name>, in the arena; "" when there are none. prompt.c */
cccc_err_t cccc_prompt_read(const struct cccc_store_call *call, const char *name, cccc_str_t *out);
/* The private environments of a group's actors are gone. secrets.c */
void cccc_secrets_forget_group(const struct cccc_store_call *call);
/* The private environment of an actor: a map, maybe empty. secrets.c */
cccc_value_t cccc_secrets_read(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_str_t actor_id,
                               cccc_arena_t *arena);
