/* apply.c - the only way visible state changes: one durable event at a time, in order, live and in the fold alike.
 *
 * Owns the readers (cursors, unread, published), the table of client ids and the head of each group. Configuration is config.c's, relays are
 * cross.c's, what is owed is obligations.c's.
 * Invariants: I9 (a cursor only moves forward), I11 (applying a ledger from its start gives the live state). Nothing here depends on
 * time, chance or what is pending.
 * Thread: the core's. */
#include "broker/core/automation/automation.h"
#include "broker/core/context/context.h"
#include "broker/core/context/headless.h"
#include "broker/core/guards/guards.h"
#include "broker/core/messages/expiries.h"
#include "broker/core/obligations/obligations.h"
#include "broker/core/runtime/runtime.h"
#include "broker/core/snapshot.h"
#include "broker/mutant.h"

#include <stdlib.h>

/* ---- readers ---- */

static void copy_text(char *out, size_t size, cccc_str_t s)
{
    size_t len = s.len < size ? s.len : size - 1;
    memcpy(out, s.ptr, len);
    out[len] = '\0';
}

struct cccc_reader *reader_find(const struct cccc_group *group, cccc_str_t id)
{
    struct cccc_reader *reader = NULL;
    HASH_FIND(hh, group->readers, id.ptr, id.len, reader);
    return reader;
}

static void reader_link(struct cccc_group *group, struct cccc_reader *reader, size_t id_len)
{
    HASH_ADD_KEYPTR(hh, group->readers, reader->id, id_len, reader);
}

static struct cccc_reader *reader_make(struct cccc_group *group, cccc_str_t id)
{
    struct cccc_reader *reader = reader_find(group, id);
    if (reader)
        return reader;
    reader = calloc(1, sizeof *reader);
    char *text = malloc(id.len + 1);
    CCCC_ASSERT(reader && text, "(out of memory)");
    copy_text(text, id.len + 1, id);
    reader->id = text;
    reader->runtime = runtime_entry(group, id);
    reader_link(group, reader, id.len);
    return reader;
}

/* The actor an event names. In a fold what introduces it may still come, with the document; live, one without a reader has left. */
static struct cccc_reader *reader_of_actor(struct cccc_group *group, cccc_str_t id)
{
    if (id.len == 0 || id.len > CCCC_PRINCIPAL_BYTES_MAX || !principal_is_actor(id))
        return NULL;
    return group->folding ? reader_make(group, id) : reader_find(group, id);
}

static void reader_free(struct cccc_reader *reader)
{
    for (int lane = 0; lane < CCCC_LANES; lane++)
        unread_fini(&reader->unread[lane]);
    free(reader->id);
    free(reader);
}

static void reader_drop(struct cccc_group *group, struct cccc_reader *reader)
{
    obligations_forget_debtor(group, reader);
    expiries_left(group, cccc_str(reader->id));
    guards_forget(group, cccc_str(reader->id));
    runtime_reset(group, cccc_str(reader->id));
    HASH_DELETE(hh, group->readers, reader); /* NOLINT(clang-analyzer-unix.Malloc): the table goes with its last entry only */
    reader_free(reader);
}

static void cursor_move(struct cccc_group *group, struct cccc_reader *reader, enum cccc_lane lane, uint64_t seq, cccc_str_t event_id,
                        cccc_str_t ts, cccc_str_t updated_at)
{
    struct cccc_cursor *cursor = &reader->cursor[lane];
    if (seq <= cursor->seq && !CCCC_MUTANT_IS(CURSOR_BACK))
        return;
    cursor->seq = seq;
    copy_text(cursor->event_id, sizeof cursor->event_id, event_id);
    copy_text(cursor->ts, sizeof cursor->ts, ts);
    copy_text(cursor->updated_at, sizeof cursor->updated_at, updated_at);
    unread_drop_through(&reader->unread[lane], seq);
    if (lane == CCCC_LANE_CHAT)
        reminders_unread(group, reader, updated_at);
    if (CCCC_MUTANT_IS(READING_CLOSES))
        obligations_forget_debtor(group, reader);
    if (reader->runtime)
        unread_drop_through(&reader->runtime->queue[lane], seq); /* what was read need not be typed */
}

/* A newcomer starts at the event that brought it: it sees no history (reference 5.2). */
static void reader_join(struct cccc_group *group, cccc_str_t id, const struct cccc_event *event)
{
    struct cccc_reader *reader = reader_find(group, id);
    if (reader)
        reader_drop(group, reader);
    runtime_reset(group, id);
    reader = reader_make(group, id);
    /* An actor that was here before has followers still: for them nothing was published between this event and the next one addressed to it, but
     * something may have been before. */
    reader->published = event->seq;
    nudges_joined(group, reader, event->ts);
    for (int lane = 0; lane < CCCC_LANES; lane++)
        cursor_move(group, reader, (enum cccc_lane)lane, event->seq, event->id, event->ts, event->ts);
    group->cursors_dirty = true;
}

static bool actors_name(const cccc_value_t *actors, cccc_str_t id)
{
    for (uint32_t i = 0; cccc_is_array(actors) && i < actors->via.array.size; i++) {
        if (cccc_str_eq(cccc_get_str(&actors->via.array.ptr[i], "id"), id))
            return true;
    }
    return false;
}

/* Make the readers those of `actors`, and user; newcomers join at `event`, or see all history when it is NULL. */
static void readers_become(struct cccc_group *group, const cccc_value_t *actors, const struct cccc_event *event)
{
    struct cccc_reader *reader, *next;
    HASH_ITER(hh, group->readers, reader, next)
    {
        if (strcmp(reader->id, "user") != 0 && !actors_name(actors, cccc_str(reader->id)))
            reader_drop(group, reader);
    }
    obligations_keep_askers(group, actors);
    for (uint32_t i = 0; cccc_is_array(actors) && i < actors->via.array.size; i++) {
        cccc_str_t id = cccc_get_str(&actors->via.array.ptr[i], "id");
        if (id.len == 0 || reader_find(group, id))
            continue;
        if (event)
            reader_join(group, id, event);
        else
            reader_make(group, id);
    }
}

void readers_sync(struct cccc_group *group)
{
    readers_become(group, cccc_get(&group->document, "actors"), NULL);
}

/* ---- ids ---- */

uint64_t group_event_seq(const struct cccc_group *group, cccc_str_t event_id)
{
    uint64_t seq;
    if (event_id.len == 0 || event_id.len > 64)
        return 0;
    if (dedupe_count(group->foreign_ids) && dedupe_find(group->foreign_ids, dedupe_hash(event_id, CCCC_STR("")), &seq, 1) == 1)
        return seq;
    return cccc_event_id_seq(event_id);
}

/* ---- one function per kind ---- */

typedef void (*apply_fn)(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind);

static void apply_config(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    bool started = kind == CCCC_KIND_GROUP_START;
    bool resumed = kind == CCCC_KIND_GROUP_SET_STATE && cccc_str_is(cccc_get_str(&event->data, "new_state"), "active") &&
                   !cccc_str_is(cccc_get_str(&event->data, "old_state"), "active");
    config_apply(group, event);
    runtimes_sync(group);
    if (started || resumed) {
        reminders_resume(group, event);
        automation_resumed(group, event);
    }
    if (kind == CCCC_KIND_GROUP_SETTINGS_UPDATE)
        nudges_look(group);
    automation_ran(group, cccc_get(&event->data, "rule"), event);
    group->reconcile = true;
}

static void apply_group_create(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    apply_config(group, event, kind);
    automation_begin(group, &event->data, event);
}

static void apply_automation_update(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    (void)kind;
    config_apply(group, event);
    automation_apply(group, event);
}

static void apply_actor_add(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    apply_config(group, event, kind);
    cccc_str_t id = cccc_get_str(cccc_get(&event->data, "actor"), "id");
    if (id.len > 0)
        reader_join(group, id, event);
}

static void apply_actor_remove(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    apply_config(group, event, kind);
    cccc_str_t id = cccc_get_str(&event->data, "actor_id");
    struct cccc_reader *reader = reader_find(group, id);
    if (reader && strcmp(reader->id, "user") != 0)
        reader_drop(group, reader);
    obligations_forget_asker(group, id);
    group->cursors_dirty = true;
}

static void apply_group_edit(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    bool recorded = config_edit_is_recorded(group, event);
    apply_config(group, event, kind);
    group->edited = group->edited && !recorded;
    readers_become(group, cccc_get(cccc_get(&event->data, "document"), "actors"), event);
    automation_begin(group, cccc_get(&event->data, "document"), event);
    reminders_resume(group, event); /* what a home of CCCC 0.4.0 brought along is not reminded of at once */
}

/* `typed`: it is for a terminal, too, when the reader has one. */
static struct cccc_reader *unread_add(struct cccc_group *group, cccc_str_t id, enum cccc_lane lane, const struct cccc_event *event,
                                      bool typed)
{
    /* A reader that nothing introduced belongs to a ledger whose beginning is gone: it sees what is left. */
    struct cccc_reader *reader = reader_make(group, id);
    uint64_t seq = event->seq;
    if (seq > reader->cursor[lane].seq && seq > reader->unread[lane].last) {
        if (lane == CCCC_LANE_CHAT && reader->unread[lane].count == 0)
            reminders_unread(group, reader, event->ts);
        unread_push(&reader->unread[lane], seq);
        reader->nudges.heard += lane == CCCC_LANE_CHAT;
        if (typed && reader->runtime && seq > reader->runtime->queue[lane].last)
            unread_push(&reader->runtime->queue[lane], seq);
    }
    if (group->folding)
        reader->published = seq;
    return reader;
}

/* `guard`: what was decided for some of the copies; NULL: nothing was. */
static void apply_to_audience(struct cccc_group *group, const struct cccc_event *event, enum cccc_lane lane, bool typed,
                              const cccc_value_t *guard, unsigned owes)
{
    const cccc_value_t *audience = message_field(&event->data, MESSAGE_AUDIENCE);
    cccc_arena_t *arena = NULL;
    cccc_value_t made;
    if (!cccc_is_array(audience)) {
        arena = cccc_arena_new(1024);
        made = recipients_legacy_audience(arena, group, event);
        audience = &made;
    }
    struct cccc_ask *ask = owes ? obligations_begin(event, audience->via.array.size) : NULL;
    for (uint32_t i = 0; i < audience->via.array.size; i++) {
        cccc_str_t id;
        if (!cccc_as_str(&audience->via.array.ptr[i], &id) || id.len == 0 || id.len > CCCC_PRINCIPAL_BYTES_MAX)
            continue;
        struct cccc_reader *reader = unread_add(group, id, lane, event, typed && !(guard && guard_verdict_in(guard, id) == GUARD_INBOX));
        if (group->legacy)
            legacy_event_for(group, id, event);
        if (ask && obligations_asks(event, id))
            obligations_owe(group, ask, reader, owes);
    }
    if (ask)
        obligations_end(group, ask);
    cccc_arena_destroy(&arena);
}

static cccc_str_t field_str(const struct cccc_event *event, enum cccc_message_field field)
{
    cccc_str_t s = CCCC_STR("");
    cccc_as_str(message_field(&event->data, field), &s);
    return s;
}

static void apply_message(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    /* Live, the table has the client_id since the event was decided. */
    cccc_str_t client_id = group->folding ? field_str(event, MESSAGE_CLIENT_ID) : CCCC_STR("");
    bool forgotten = CCCC_MUTANT_IS(DEDUPE_FORGOTTEN) && group->folding;
    if (!forgotten && event->seq > group->sealed.last && client_id.len > 0 && client_id.len <= CCCC_CLIENT_ID_BYTES_MAX &&
        event->by.len <= CCCC_PRINCIPAL_BYTES_MAX)
        dedupe_add(group->dedupe, dedupe_hash(event->by, client_id), event->seq);
    bool source_record = field_str(event, MESSAGE_DST_GROUP_ID).len > 0;
    cccc_str_t reply_to = field_str(event, MESSAGE_REPLY_TO);
    bool extras = event->data.via.map.size > MESSAGE_AUDIENCE + 1u + (field_str(event, MESSAGE_CLIENT_ID).len > 0); /* with its digest */
    const cccc_value_t *guard = extras ? message_extra(&event->data, MESSAGE_GUARD) : NULL;
    apply_to_audience(group, event, CCCC_LANE_CHAT, true, guard, obligations_asked(event, kind));
    if (reply_to.len > 0)
        obligations_replied(group, event->by, reply_to);
    expiries_answered(group, event);
    if (extras && message_extra(&event->data, MESSAGE_EXPIRES_TS))
        expiry_apply(group, event);
    if (guard)
        guards_apply(group, event, kind);
    if (source_record && !(CCCC_MUTANT_IS(RELAY_FORGOTTEN) && group->folding))
        relay_apply(group, event, kind);
}

static void apply_notify(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    cccc_str_t priority = cccc_get_str(&event->data, "priority");
    /* What somebody only wants to be known waits in the inbox; what the broker reminds of is typed (reference 3.10, 7.1). */
    bool typed = cccc_str_is(event->by, "system") || cccc_str_is(priority, "high") || cccc_str_is(priority, "urgent");
    apply_to_audience(group, event, CCCC_LANE_NOTIFY, typed, NULL, obligations_asked(event, kind));
    if (!cccc_str_is(event->by, "system"))
        return;
    if (cccc_get(cccc_get(&event->data, "context"), "hold"))
        guards_apply(group, event, kind);
    if (cccc_str_is(cccc_get_str(&event->data, "kind"), "nudge"))
        reminder_apply(group, event);
    else if (cccc_str_is(cccc_get_str(&event->data, "kind"), "automation"))
        automation_ran(group, cccc_get(&event->data, "context"), event);
    else
        nudge_apply(group, event);
}

/* A new program has just been told how things are done here. */
static void apply_started(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    struct cccc_reader *reader = reader_of_actor(group, cccc_get_str(&event->data, "actor_id"));
    runtime_apply(group, event, kind);
    if (reader)
        nudges_helped(group, reader, event->ts);
}

static void apply_delivery(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    runtime_apply(group, event, kind);
    expiries_claimed(group, event);
}

static bool lane_named(const cccc_value_t *lanes, const char *word)
{
    if (!cccc_is_array(lanes))
        return true; /* CCCC 0.4.0 has one cursor for both */
    for (uint32_t i = 0; i < lanes->via.array.size; i++) {
        cccc_str_t lane;
        if (cccc_as_str(&lanes->via.array.ptr[i], &lane) && cccc_str_is(lane, word))
            return true;
    }
    return false;
}

const char *const lane_words[CCCC_LANES] = {[CCCC_LANE_CHAT] = "chat", [CCCC_LANE_NOTIFY] = "notify"};

static void apply_read(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    (void)kind;
    cccc_str_t event_id = cccc_get_str(&event->data, "event_id"), ts = cccc_get_str(&event->data, "ts");
    struct cccc_reader *reader = reader_find(group, cccc_get_str(&event->data, "actor_id"));
    uint64_t seq = cccc_get_uint(&event->data, "seq", 0);
    if (seq == 0)
        seq = group_event_seq(group, event_id);
    /* A cursor past the event that moves it would hide what comes later. */
    if (!reader || seq == 0 || seq >= event->seq)
        return;
    for (int lane = 0; lane < CCCC_LANES; lane++) {
        if (lane_named(cccc_get(&event->data, "lanes"), lane_words[lane]))
            cursor_move(group, reader, (enum cccc_lane)lane, seq, event_id, ts.len ? ts : event->ts, event->ts);
    }
    group->cursors_dirty = true;
}

static void apply_ack(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    bool notice = kind == CCCC_KIND_SYSTEM_NOTIFY_ACK;
    cccc_str_t event_id = cccc_get_str(&event->data, notice ? "notify_event_id" : "event_id");
    obligations_acked(group, cccc_get_str(&event->data, "actor_id"), event_id, notice ? CCCC_OWED_NOTICE : CCCC_OWED_ACK);
    if (!notice)
        expiries_acked(group, event);
}

static void apply_recall(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    (void)kind;
    recall_apply(group, event);
}

static void apply_cancel(struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    (void)kind;
    obligations_cancelled(group, &event->data);
}

static const apply_fn appliers[CCCC_KIND_COUNT] = {
    [CCCC_KIND_GROUP_CREATE] = apply_group_create,
    [CCCC_KIND_GROUP_UPDATE] = apply_config,
    [CCCC_KIND_GROUP_ATTACH] = apply_config,
    [CCCC_KIND_GROUP_DETACH_SCOPE] = apply_config,
    [CCCC_KIND_GROUP_SET_ACTIVE_SCOPE] = apply_config,
    [CCCC_KIND_GROUP_START] = apply_config,
    [CCCC_KIND_GROUP_STOP] = apply_config,
    [CCCC_KIND_GROUP_SET_STATE] = apply_config,
    [CCCC_KIND_GROUP_SETTINGS_UPDATE] = apply_config,
    [CCCC_KIND_GROUP_AUTOMATION_UPDATE] = apply_automation_update,
    [CCCC_KIND_GROUP_EDIT] = apply_group_edit,
    [CCCC_KIND_ACTOR_ADD] = apply_actor_add,
    [CCCC_KIND_ACTOR_UPDATE] = apply_config,
    [CCCC_KIND_ACTOR_REMOVE] = apply_actor_remove,
    [CCCC_KIND_ACTOR_START] = apply_config,
    [CCCC_KIND_ACTOR_STOP] = apply_config,
    [CCCC_KIND_ACTOR_RESTART] = apply_config,
    [CCCC_KIND_RUNTIME_STARTED] = apply_started,
    [CCCC_KIND_RUNTIME_EXITED] = runtime_apply,
    [CCCC_KIND_RUNTIME_DELIVERY] = apply_delivery,
    [CCCC_KIND_CONTEXT_SYNC] = context_apply,
    [CCCC_KIND_CHAT_MESSAGE] = apply_message,
    [CCCC_KIND_CHAT_READ] = apply_read,
    [CCCC_KIND_CHAT_ACK] = apply_ack,
    [CCCC_KIND_CHAT_RECALL] = apply_recall,
    [CCCC_KIND_CHAT_CANCEL] = apply_cancel,
    [CCCC_KIND_CHAT_RELAY_REFUSED] = relay_apply,
    [CCCC_KIND_CHAT_RELAYED] = relay_apply,
    [CCCC_KIND_GUARD_RELEASE] = guards_apply,
    [CCCC_KIND_LEDGER_REPAIR] = gaps_apply,
    [CCCC_KIND_SYSTEM_NOTIFY] = apply_notify,
    [CCCC_KIND_SYSTEM_NOTIFY_ACK] = apply_ack,
};

bool kind_is_config(cccc_kind_t kind)
{
    return kind >= CCCC_KIND_GROUP_CREATE && kind <= CCCC_KIND_ACTOR_RESTART;
}

void apply_event(struct cccc_core *core, struct cccc_group *group, const struct cccc_event *event, cccc_kind_t kind)
{
    CCCC_ASSERT(event->seq > group->head_seq, "(%s: %llu after %llu)", group->id, (unsigned long long)event->seq,
                (unsigned long long)group->head_seq);
    if (group->head_seq == 0)
        group->first_seq = event->seq;
    group->head_seq = event->seq;
    copy_text(group->head_id, sizeof group->head_id, event->id);
    copy_text(group->head_ts, sizeof group->head_ts, event->ts);
    if (!group->folding)
        group->changed_mono_us = core->now->mono_us;
    /* What this daemon decides has ids that carry their seq. */
    if (group->folding && event->id.len <= 64 && cccc_event_id_seq(event->id) != event->seq)
        dedupe_add(group->foreign_ids, dedupe_hash(event->id, CCCC_STR("")), event->seq);
    if (!cccc_str_is(event->by, "system"))
        nudges_heard_from(group, reader_of_actor(group, event->by), event, kind);
    if (appliers[kind])
        appliers[kind](group, event, kind);
    core->to_reconcile |= group->reconcile;
}

/* ---- whole groups ---- */

void group_fini(struct cccc_group *group)
{
    struct cccc_reader *reader = group->readers;
    HASH_CLEAR(hh, group->readers);
    while (reader) {
        struct cccc_reader *next = reader->hh.next;
        reader_free(reader);
        reader = next;
    }
    dedupe_destroy(&group->dedupe);
    obligations_destroy(&group->obligations);
    expiries_fini(group);
    automation_fini(group);
    guards_fini(group);
    dedupe_destroy(&group->foreign_ids);
    sealed_fini(&group->sealed);
    runtimes_forget_ledger(group);
    relays_fini(group);
    legacy_fini(group);
    context_fini(group);
    headless_fini(group);
    gaps_fini(group);
    cccc_arena_destroy(&group->document_arena);
    cccc_arena_destroy(&group->config_arena);
    free(group->offline);
    free(group->read_only);
    group->offline = group->read_only = NULL;
}

void group_reset(struct cccc_group *group)
{
    group_fini(group);
    group->document = cccc_nil();
    group->document_seq = 0;
    memset(&group->config, 0, sizeof group->config);
    group->first_seq = group->head_seq = 0;
    group->resumed = (struct cccc_when){0};
    group->alive = (struct cccc_sign){0};
    group->silence = (struct cccc_row){0};
    group->head_id[0] = group->head_ts[0] = group->created_ts[0] = '\0';
    group->edited = group->missing = false;
    group->dedupe = dedupe_new();
    group->obligations = obligations_new();
    group->foreign_ids = dedupe_new();
    reader_make(group, CCCC_STR("user"));
}

/* ---- the snapshot ---- */

void head_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, 4);
    cccc_pack_uint(out, group->first_seq);
    cccc_pack_uint(out, group->head_seq);
    cccc_pack_text(out, group->head_id);
    cccc_pack_text(out, group->head_ts);
}

bool head_load(struct cccc_group *group, const cccc_value_t *v)
{
    const cccc_value_t *row = snapshot_row(v, 4);
    return row && cccc_as_uint(&row[0], &group->first_seq) && cccc_as_uint(&row[1], &group->head_seq) && group->first_seq > 0 &&
           group->first_seq <= group->head_seq && snapshot_text(&row[2], group->head_id, sizeof group->head_id) &&
           snapshot_text(&row[3], group->head_ts, sizeof group->head_ts);
}

static void cursor_save(const struct cccc_cursor *cursor, cccc_buf_t *out)
{
    cccc_pack_array(out, 4);
    cccc_pack_uint(out, cursor->seq);
    cccc_pack_text(out, cursor->event_id);
    cccc_pack_text(out, cursor->ts);
    cccc_pack_text(out, cursor->updated_at);
}

static bool cursor_load(struct cccc_cursor *cursor, const cccc_value_t *v, uint64_t head)
{
    const cccc_value_t *row = snapshot_row(v, 4);
    return row && cccc_as_uint(&row[0], &cursor->seq) && cursor->seq <= head &&
           snapshot_text(&row[1], cursor->event_id, sizeof cursor->event_id) && snapshot_text(&row[2], cursor->ts, sizeof cursor->ts) &&
           snapshot_text(&row[3], cursor->updated_at, sizeof cursor->updated_at);
}

void readers_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, HASH_COUNT(group->readers));
    for (const struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        cccc_pack_array(out, 2 + 2 * CCCC_LANES);
        cccc_pack_str(out, (cccc_str_t){reader->id, reader->hh.keylen});
        cccc_pack_uint(out, reader->published);
        for (int lane = 0; lane < CCCC_LANES; lane++) {
            cursor_save(&reader->cursor[lane], out);
            unread_save(&reader->unread[lane], out);
        }
    }
}

static bool reader_load(struct cccc_group *group, const cccc_value_t *row)
{
    cccc_str_t id;
    if (!row || !cccc_as_str(&row[0], &id) || id.len == 0 || id.len > CCCC_PRINCIPAL_BYTES_MAX)
        return false;
    struct cccc_reader *reader = reader_make(group, id);
    bool good = cccc_as_uint(&row[1], &reader->published) && reader->published <= group->head_seq;
    for (int lane = 0; good && lane < CCCC_LANES; lane++) {
        unread_fini(&reader->unread[lane]);
        good = cursor_load(&reader->cursor[lane], &row[2 + 2 * lane], group->head_seq) &&
               unread_load(&reader->unread[lane], &row[3 + 2 * lane], group->head_seq);
    }
    return good;
}

bool readers_load(struct cccc_group *group, const cccc_value_t *v)
{
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++)
        if (!reader_load(group, snapshot_row(&v->via.array.ptr[i], 2 + 2 * CCCC_LANES)))
            return false;
    return cccc_is_array(v);
}

void tables_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, 3);
    cccc_pack_uint(out, group->sealed.last);
    dedupe_save(group->dedupe, group->head_seq, out);
    dedupe_save(group->foreign_ids, group->head_seq, out);
}

bool tables_load(struct cccc_group *group, const cccc_value_t *v)
{
    const cccc_value_t *row = snapshot_row(v, 3);
    return row && cccc_as_uint(&row[0], &group->sealed.last) && group->sealed.last < group->head_seq &&
           dedupe_load(group->dedupe, &row[1], group->head_seq) && dedupe_load(group->foreign_ids, &row[2], group->head_seq);
}

/* ---- the whole as a value ---- */

static cccc_value_t dump_lane(cccc_arena_t *arena, const struct cccc_reader *reader, enum cccc_lane lane)
{
    const struct cccc_cursor *cursor = &reader->cursor[lane];
    const struct cccc_unread *unread = &reader->unread[lane];
    uint64_t *seqs = cccc_arena_alloc(arena, (unread->count + 1) * sizeof *seqs);
    uint32_t n = unread_peek(unread, seqs, (uint32_t)unread->count);
    cccc_builder_t list = cccc_array_builder(arena, n);
    for (uint32_t i = 0; i < n; i++)
        cccc_array_add(&list, cccc_uint(seqs[i]));
    cccc_builder_t map = cccc_map_builder(arena, 5);
    cccc_map_add(&map, "seq", cccc_uint(cursor->seq));
    cccc_map_add(&map, "event_id", cccc_string(cccc_arena_str(arena, cccc_str(cursor->event_id))));
    cccc_map_add(&map, "ts", cccc_string(cccc_arena_str(arena, cccc_str(cursor->ts))));
    cccc_map_add(&map, "updated_at", cccc_string(cccc_arena_str(arena, cccc_str(cursor->updated_at))));
    cccc_map_add(&map, "unread", list.value);
    return map.value;
}

static int by_id(const struct cccc_reader *a, const struct cccc_reader *b)
{
    return strcmp(a->id, b->id);
}

static cccc_value_t dump_readers(const struct cccc_group *group, cccc_arena_t *arena)
{
    uint32_t count = HASH_COUNT(group->readers), n = 0;
    const struct cccc_reader **sorted = cccc_arena_alloc(arena, (count + 1) * sizeof(void *));
    for (const struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        uint32_t at = n++;
        for (; at > 0 && by_id(sorted[at - 1], reader) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = reader;
    }
    cccc_builder_t map = cccc_map_builder(arena, n);
    for (uint32_t i = 0; i < n; i++) {
        cccc_builder_t lanes = cccc_map_builder(arena, 5);
        for (int lane = 0; lane < CCCC_LANES; lane++)
            cccc_map_add(&lanes, lane_words[lane], dump_lane(arena, sorted[i], (enum cccc_lane)lane));
        cccc_map_add(&lanes, "published", cccc_uint(sorted[i]->published));
        cccc_map_add(&lanes, "reminders", reminder_dump(sorted[i], arena));
        cccc_map_add(&lanes, "turns", obligations_dump_turns(sorted[i], arena));
        cccc_map_add(&lanes, "nudges", nudges_dump(sorted[i], arena));
        cccc_map_add_key(&map, cccc_arena_str(arena, cccc_str(sorted[i]->id)), lanes.value);
    }
    return map.value;
}

cccc_value_t cccc_core_dump_group(const cccc_core_t *self, cccc_slot_t slot, cccc_arena_t *arena)
{
    const struct cccc_group *group = self->groups[slot];
    cccc_builder_t map = cccc_map_builder(arena, 16);
    cccc_map_add(&map, "group_id", cccc_string(cccc_arena_str(arena, cccc_str(group->id))));
    cccc_map_add(&map, "head_seq", cccc_uint(group->head_seq));
    cccc_map_add(&map, "head_id", cccc_string(cccc_arena_str(arena, cccc_str(group->head_id))));
    cccc_map_add(&map, "head_ts", cccc_string(cccc_arena_str(arena, cccc_str(group->head_ts))));
    cccc_map_add(&map, "document", cccc_value_copy(arena, &group->document));
    cccc_map_add(&map, "readers", dump_readers(group, arena));
    cccc_map_add(&map, "silence", silence_dump(group, arena));
    cccc_map_add(&map, "client_ids", cccc_uint(dedupe_count(group->dedupe)));
    cccc_map_add(&map, "obligations", obligations_dump(group, arena));
    cccc_map_add(&map, "expiring", expiries_dump(group, arena));
    cccc_map_add(&map, "expiring_for", expiries_dump_open(group, arena));
    cccc_map_add(&map, "automation", automation_dump(group, arena));
    cccc_map_add(&map, "guards", guards_dump(group, arena));
    cccc_map_add(&map, "relays", relays_dump(group, arena));
    cccc_map_add(&map, "runtimes", runtimes_dump(group, arena));
    cccc_map_add(&map, "context", group->context ? cccc_value_copy(arena, &group->context->state) : cccc_nil());
    return map.value;
}
