/* change.c - from a decided configuration event to its reply: event durable, applied, files handed to the disk, answer.
 *
 * The event is the truth; group.yaml and registry.json are what people and other tools read. A file that cannot be written is therefore a warning,
 * a log record and another try by the tick, never an error.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/messages/message.h"
#include "broker/mutant.h"

#define STORE_CHUNK_BYTES 8192

/* ---- group.yaml and registry.json ---- */

static struct cccc_store group_file(const struct cccc_group *group)
{
    struct cccc_store store = {.kind = CCCC_STORE_GROUP, .arena = cccc_arena_new(STORE_CHUNK_BYTES)};
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.document = cccc_value_copy(store.arena, &group->document);
    return store;
}

/* How the write of a file ended: the log hears of the first failure of a row, the caller of each. True when it was written. */
static bool file_written(call_t *call, const char *file, bool *failed)
{
    bool written = call->stored.err == CCCC_OK;
    if (!written) {
        if (!*failed)
            core_log(call->core, 4, "CONFIG-STORE-FAILED",
                     "a change is recorded, but a file could not be written; it is tried again every second group=%s file=%s why=%s",
                     call->group->id, file, call->stored.message);
        call->store_warning =
            cccc_arena_printf(call->arena, "the change is recorded, but %s could not be written yet (%s); it is tried again every second",
                              file, call->stored.message);
    }
    *failed = !written;
    return written;
}

static void files_done(call_t *call)
{
    call_next_fn next = call->after_store;
    call->after_store = NULL;
    next(call);
}

static void registry_file_done(call_t *call)
{
    if (!file_written(call, "registry.json", &call->core->registry_failed))
        call->core->registry_dirty = true;
    files_done(call);
}

static void registry_file(call_t *call)
{
    call->core->registry_dirty = true;
    if (!registry_due(call->core)) {
        files_done(call);
        return;
    }
    struct cccc_store store;
    registry_store(call->core, &store);
    call_store(call, &store, registry_file_done);
}

/* What the write found in place of what cccc last wrote. */
static void take_edit(call_t *call)
{
    const cccc_value_t *theirs = cccc_get(call->stored.value, "edited");
    struct cccc_group *group = call->group;
    if (!theirs || group->deleted || group->folding || !cccc_is_map(&group->document))
        return;
    core_log(call->core, 5, "GROUP-EDITED",
             "group.yaml was changed while cccc served the group: what is not cccc's is taken over, what is was written over; the file is "
             "kept as "
             "group.yaml.edited group=%s",
             group->id);
    config_take_foreign(group, theirs);
}

static void group_file_done(call_t *call)
{
    take_edit(call);
    if (!file_written(call, "group.yaml", &call->group->store_failed))
        call->group->unstored = true;
    registry_file(call);
}

void config_store(call_t *call, struct cccc_group *group, call_next_fn next)
{
    call->group = group;
    call->after_store = next;
    if (group->deleted || !cccc_is_map(&group->document) || (config_is_unrecorded(group) && !CCCC_MUTANT_IS(EDIT_OVERWRITTEN))) {
        files_done(call);
        return;
    }
    struct cccc_store store = group_file(group);
    group->unstored = false;
    call_store(call, &store, group_file_done);
}

void config_store_later(struct cccc_core *core, struct cccc_group *group)
{
    group->unstored = true;
    core->registry_dirty = true;
}

static void nobody_waits(call_t *call)
{
    cccc_builder_t nothing = cccc_map_builder(call->arena, 0);
    call_reply(call, &nothing.value);
}

void config_tick(struct cccc_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++) {
        struct cccc_group *group = core->groups[i];
        if (group->deleted || group->folding)
            continue;
        /* A file that holds what the ledger does not is not written over: it would look like ours, and the next fold would miss it. */
        bool unrecorded = config_is_unrecorded(group) && !CCCC_MUTANT_IS(EDIT_OVERWRITTEN);
        if (unrecorded && !group->pending && !group->offline && !group->read_only)
            config_resume(core, group); /* the event was lost to a full disk */
        else if (!unrecorded && group->unstored)
            config_store(core_call(core), group, nobody_waits);
    }
}

/* ---- a change ---- */

void change_reply(call_t *call)
{
    struct change *change = call->state;
    cccc_builder_t result = cccc_map_builder(call->arena, 8);
    change->finish(call, &result);
    cccc_map_add(&result, "event", change->event);
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    if (call->store_warning.len > 0)
        cccc_map_add(&result, "warning", cccc_string(call->store_warning));
    call_reply(call, &result.value);
}

static void change_stored(call_t *call)
{
    struct change *change = call->state;
    if (change->meanwhile)
        change->meanwhile(call);
    else
        change_reply(call);
}

void change_applied(call_t *call)
{
    struct change *change = call->state;
    const cccc_bytes_t *wire = call->appended->wire; /* lives as long as the call */
    struct cccc_errmsg m;
    CCCC_ASSERT(cccc_msgpack_read(wire->data, wire->len, wire->len, call->arena, &change->event, &m) == CCCC_OK, "(our own event: %s)",
                m.text);
    config_store(call, call->group, change_stored);
}

struct change *change_new(call_t *call, change_finish_fn finish, void *own)
{
    struct change *change = cccc_arena_alloc(call->arena, sizeof *change);
    *change = (struct change){.finish = finish, .event = cccc_nil(), .own = own};
    call->state = change;
    return change;
}

static void decide(call_t *call, cccc_kind_t kind, cccc_str_t scope_key, cccc_value_t data)
{
    struct cccc_errmsg m;
    cccc_err_t err = change_fits(config_ahead(call, call->group), &data, &m);
    if (err == CCCC_OK)
        err = call_append(call, call->group, kind, call->by, scope_key, data, change_applied, &m);
    if (err != CCCC_OK)
        call_fail(call, err, "%s", m.text);
}

void change_begin(call_t *call, cccc_kind_t kind, cccc_str_t scope_key, cccc_value_t data, change_finish_fn finish, void *own)
{
    change_new(call, finish, own);
    decide(call, kind, scope_key, data);
}

void change_begin_then(call_t *call, cccc_kind_t kind, cccc_value_t data, change_finish_fn finish, void *own, call_next_fn meanwhile)
{
    change_new(call, finish, own)->meanwhile = meanwhile;
    decide(call, kind, CCCC_STR(""), data);
}

/* ---- patches ---- */

static bool listed(cccc_str_t name, const char *const *names)
{
    while (*names != NULL && !cccc_str_is(name, *names))
        names++;
    return *names != NULL;
}

bool patch_checked(call_t *call, const cccc_value_t *patch, const char *const *known)
{
    cccc_builder_t unknown = cccc_array_builder(call->arena, 4);
    for (uint32_t i = 0; i < patch->via.map.size; i++) {
        cccc_str_t key = {0};
        if (cccc_as_str(&patch->via.map.ptr[i].key, &key) && !listed(key, known))
            cccc_array_add(&unknown, cccc_string(key));
    }
    if (patch->via.map.size == 0) {
        call_fail(call, CCCC_E_INVALID_PATCH, "the patch is empty; name at least one thing to change");
        return false;
    }
    if (unknown.value.via.array.size > 0) {
        cccc_str_t first = {0};
        cccc_as_str(unknown.value.via.array.ptr, &first);
        cccc_builder_t details = cccc_map_builder(call->arena, 1);
        cccc_map_add(&details, "unknown_keys", unknown.value);
        call_fail_details(call, CCCC_E_INVALID_PATCH, details.value,
                          "the patch has keys this operation does not know (%.*s); nothing was changed", CCCC_STR_FMT(first));
        return false;
    }
    return true;
}
