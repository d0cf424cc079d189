/* run.c - the store's dispatch: each kind of effect, who carries it out, and whether it needs a group. Thread: the store thread. */
#include "broker/store/files.h"

static const struct {
    cccc_err_t (*run)(const struct cccc_store_call *call);
    bool needs_group;
} handlers[] = {
    [CCCC_STORE_GROUP] = {cccc_store_group, true},
    [CCCC_STORE_SCOPE] = {cccc_store_scope, true},
    [CCCC_STORE_REGISTRY] = {cccc_store_registry, false},
    [CCCC_STORE_ACTIVE] = {cccc_store_active, false},
    [CCCC_STORE_CURSORS] = {cccc_store_cursors, true},
    [CCCC_STORE_TRASH] = {cccc_store_trash, true},
    [CCCC_STORE_SCAN] = {cccc_store_scan, false},
    [CCCC_STORE_GIT] = {cccc_store_git, false},
    [CCCC_STORE_BLOB_PIECE] = {cccc_store_blob_piece, true},
    [CCCC_STORE_BLOB_END] = {cccc_store_blob_end, true},
    [CCCC_STORE_BLOB_DROP] = {cccc_store_blob_drop, true},
    [CCCC_STORE_BLOB_STAT] = {cccc_store_blob_stat, true},
    [CCCC_STORE_BLOB_READ] = {cccc_store_blob_read, true},
    [CCCC_STORE_BLOB_TEXT] = {cccc_store_blob_text, true},
    [CCCC_STORE_HOLDER_START] = {cccc_store_holder_start, true},
    [CCCC_STORE_HOLDER_CHECK] = {cccc_store_holder_check, true},
    [CCCC_STORE_HOLDER_FORGET] = {cccc_store_holder_forget, true},
    [CCCC_STORE_HOLDER_KILL] = {cccc_store_holder_kill, true},
    [CCCC_STORE_PROMPT] = {cccc_store_prompt, true},
    [CCCC_STORE_PROMPTS] = {cccc_store_prompts, true},
    [CCCC_STORE_TEMPLATE] = {cccc_store_template, false},
    [CCCC_STORE_CONTEXT] = {cccc_store_context, true},
    [CCCC_STORE_LOG_TAIL] = {cccc_store_log_tail, false},
    [CCCC_STORE_SETTINGS] = {cccc_store_settings, false},
    [CCCC_STORE_ZONE] = {cccc_store_zone, false},
    [CCCC_STORE_SECRETS] = {cccc_store_secrets, true},
};

cccc_err_t cccc_store_run(const struct cccc_vfs *vfs, const struct cccc_home *home, const struct cccc_store *store, cccc_arena_t *arena,
                          cccc_value_t *value, struct cccc_errmsg *m)
{
    CCCC_ASSERT((size_t)store->kind < sizeof handlers / sizeof *handlers, "store effect %d", (int)store->kind);
    if (handlers[store->kind].needs_group && !cccc_is_group_id(store->group_id))
        return cccc_fail(m, CCCC_E_INVALID_GROUP_ID, "not a group id: \"%.*s\"", CCCC_STR_FMT(store->group_id));
    *value = cccc_nil();
    struct cccc_store_call call = {vfs, home, store, arena, value, m};
    return handlers[store->kind].run(&call);
}
