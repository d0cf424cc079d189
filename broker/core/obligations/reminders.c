/* reminders.c - the nudge digest: who owes an answer, or has not read for long, is reminded, a few times, then the foreman hears of it, then nobody
 * (reference 7.2; settings nudge_* and *_nudge_after_seconds).
 *
 * A reminder is a system.notify of kind nudge by system, and its context names what it reminds of: the counts are a fold over those events, so a restart
 * neither repeats nor skips one. Nothing is sent in a group that is stopped, paused or idle, nor to an actor that does not run; when the group becomes active again, or
 * is started, or its configuration was changed by hand, all counts begin anew from then.
 * Ages are monotonic: what was seen live counts from when it was seen, what was read from the ledger from its time once.
 * A reader is looked at when something changed for it, or is due: a tick costs those, READERS_PER_TICK at most.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/obligations/obligations.h"
#include "broker/core/runtime/runtime.h"
#include "broker/core/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND           1000000LL
#define READERS_PER_TICK 16
#define LINES_MAX        5
/* So many of those that are named no more are met in one look, which is behind a start or a change of the settings. */
#define SPENT_PER_LOOK 1024
/* Until a reminder that was decided is durable, and when nothing is foreseen. */
#define LOOK_AGAIN (3600 * SECOND)

/* ---- the fold ---- */

void when_note(const struct cccc_group *group, struct cccc_when *when, cccc_str_t ts)
{
    cccc_ts_parse(ts, &when->us);
    when->mono_us = group->folding ? 0 : (int64_t)group->changed_mono_us;
}

void reminder_apply(struct cccc_group *group, const struct cccc_event *event)
{
    const cccc_value_t *items = cccc_get(cccc_get(&event->data, "context"), "items");
    struct cccc_reader *reader = reader_find(group, cccc_get_str(&event->data, "target_actor_id"));
    if (!reader || !cccc_is_array(items))
        return;
    when_note(group, &reader->reminders.last, event->ts);
    reader->reminders.look_us = 0;
    for (uint32_t i = 0; i < items->via.array.size; i++) {
        cccc_str_t item = CCCC_STR("");
        cccc_as_str(&items->via.array.ptr[i], &item);
        const char *colon = item.len > 0 ? memchr(item.ptr, ':', item.len) : NULL;
        if (colon)
            obligations_reminded(group, cccc_str(reader->id), (cccc_str_t){colon + 1, item.len - (size_t)(colon + 1 - item.ptr)});
        else
            reader->reminders.unread_count++;
    }
}

/* The group runs again: no reminder of what was due meanwhile. */
void reminders_resume(struct cccc_group *group, const struct cccc_event *event)
{
    when_note(group, &group->resumed, event->ts);
    for (struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        reader->reminders.unread_count = 0;
        reader->reminders.look_us = 0;
    }
    obligations_forget_reminders(group);
    nudges_resume(group);
}

void reminders_unread(const struct cccc_group *group, struct cccc_reader *reader, cccc_str_t ts)
{
    struct cccc_reminders *r = &reader->reminders;
    when_note(group, &r->unread, ts);
    r->unread_count = 0;
    r->look_us = 0;
}

/* ---- what is due ---- */

struct delays {
    int64_t reply, ack, unread, interval;
    uint64_t repeats, escalate;
};

static struct delays delays_of(cccc_arena_t *arena, const struct cccc_group *group)
{
    cccc_value_t s = settings_effective(arena, &group->document);
    return (struct delays){.reply = (int64_t)cccc_get_uint(&s, "reply_required_nudge_after_seconds", 0) * SECOND,
                           .ack = (int64_t)cccc_get_uint(&s, "attention_ack_nudge_after_seconds", 0) * SECOND,
                           .unread = (int64_t)cccc_get_uint(&s, "unread_nudge_after_seconds", 0) * SECOND,
                           .interval = (int64_t)cccc_get_uint(&s, "nudge_digest_min_interval_seconds", 0) * SECOND,
                           .repeats = cccc_get_uint(&s, "nudge_max_repeats_per_obligation", 0),
                           .escalate = cccc_get_uint(&s, "nudge_escalate_after_repeats", 0)};
}

static bool is_off(cccc_arena_t *arena, const struct cccc_group *group, const struct delays *d)
{
    cccc_value_t s = settings_effective(arena, &group->document);
    return d->reply == 0 && d->ack == 0 && d->unread == 0 && cccc_get_uint(&s, "nudge_after_seconds", 0) == 0;
}

int64_t when_mono(const struct cccc_core *core, struct cccc_when *when)
{
    if (when->mono_us == 0) {
        int64_t age = core->now->unix_us - when->us;
        when->mono_us = (int64_t)core->now->mono_us - (age > 0 ? age : 0);
    }
    return when->mono_us;
}

/* A digest in the making. */
struct digest {
    call_t *call;
    struct cccc_group *group;
    struct cccc_reader *reader;
    struct delays delays;
    int64_t now, resumed, next;       /* next: when something more will be due */
    uint32_t due, replies, acks;      /* items, and how many of them are owed replies and acknowledgements */
    uint32_t left;                    /* of SPENT_PER_LOOK */
    bool unread, full;                /* unread: one item is that; full: it lists as many as it may, and more is due */
    const struct cccc_ask *escalates; /* the first answer that the foreman is to hear of; NULL: none */
    cccc_builder_t items;
    cccc_str_t lines;
};

/* Is something due that waits since `since`, for `delay`, and was reminded of `count` times? */
static bool is_due(struct digest *d, int64_t since, int64_t delay, uint64_t count)
{
    if (d->delays.repeats > 0 && count >= d->delays.repeats)
        return false;
    int64_t at = (since > d->resumed ? since : d->resumed) + delay;
    if (at <= d->now)
        return true;
    d->next = at < d->next ? at : d->next;
    return false;
}

/* False: there is no room. */
static bool add_line(struct digest *d, cccc_str_t item, cccc_str_t line)
{
    d->full = d->due == CCCC_DIGEST_ITEMS_MAX;
    if (d->full)
        return false;
    cccc_array_add(&d->items, cccc_string(item));
    if (d->due++ < LINES_MAX)
        d->lines = cccc_arena_printf(d->call->arena, "%.*s%s%.*s", CCCC_STR_FMT(d->lines), d->lines.len ? "\n" : "", CCCC_STR_FMT(line));
    return true;
}

static void look_at_duty(struct digest *d, struct cccc_duty *duty)
{
    struct cccc_ask *ask = duty->ask;
    bool reply = duty->owes & CCCC_OWED_REPLY;
    char since[28];
    int64_t seen = when_mono(d->call->core, &ask->since), delay = reply ? d->delays.reply : d->delays.ack;
    int64_t until = ask->due_us ? ask->due_us - ask->since.us : delay;
    if (!is_due(d, seen, until < delay && until > 0 ? until : delay, duty->reminded))
        return;
    cccc_ts_format(since, ask->since.us);
    if (!add_line(d, cccc_arena_printf(d->call->arena, "%s:%s", reply ? "reply_required" : "attention_ack", ask->id),
                  cccc_arena_printf(d->call->arena, "- %s %s since %s: event %llu (%s) \"%s\", next: cccc %s %llu",
                                    reply ? "reply owed to" : "acknowledgement owed to", ask->by, since, (unsigned long long)ask->seq,
                                    ask->id, ask->subject, reply ? "reply" : "ack", (unsigned long long)ask->seq)))
        return;
    d->replies += reply;
    d->acks += !reply;
    if (!d->escalates && reply && duty->reminded + 1 >= (d->delays.escalate > 1 ? d->delays.escalate : 1))
        d->escalates = ask;
}

static void look_at_unread(struct digest *d)
{
    struct cccc_reminders *r = &d->reader->reminders;
    uint64_t count = d->reader->unread[CCCC_LANE_CHAT].count;
    if (count == 0)
        return;
    if (is_due(d, when_mono(d->call->core, &r->unread), d->delays.unread, r->unread_count))
        d->unread = add_line(d, CCCC_STR("unread_backlog"),
                             cccc_arena_printf(d->call->arena, "- %llu unread messages, see cccc inbox --actor-id %s",
                                               (unsigned long long)count, d->reader->id));
}

/* ---- sending ---- */

void reminder_send(call_t *call, struct cccc_group *group, const struct cccc_notice *notice)
{
    struct cccc_errmsg why;
    cccc_value_t data = notice_data(call->arena, group, notice);
    if (call_append(call, group, CCCC_KIND_SYSTEM_NOTIFY, CCCC_STR("system"), CCCC_STR(""), data, call_finish, &why) != CCCC_OK)
        core_log(call->core, 4, "NOT-REMINDED", "a reminder could not be written group=%s actor=%.*s why=%s", group->id,
                 CCCC_STR_FMT(notice->target), why.text);
}

static void notify(struct digest *d, const char *target, cccc_str_t title, cccc_str_t message, const char *key)
{
    cccc_builder_t context = cccc_map_builder(d->call->arena, 2);
    cccc_map_add(&context, key, d->items.value);
    if (strcmp(target, d->reader->id) != 0)
        cccc_map_add(&context, "actor_id", cccc_string(cccc_arena_str(d->call->arena, cccc_str(d->reader->id))));
    struct cccc_notice notice = {.kind = CCCC_STR("nudge"),
                                 .priority = CCCC_STR("normal"),
                                 .title = title,
                                 .message = message,
                                 .target = cccc_arena_str(d->call->arena, cccc_str(target)),
                                 .context = &context.value};
    reminder_send(d->call, d->group, &notice);
}

/* What its lines name; what waits and is named no more is not counted. */
static cccc_str_t title_of(const struct digest *d)
{
    cccc_arena_t *arena = d->call->arena;
    cccc_str_t parts = CCCC_STR("");
    if (d->replies > 0)
        parts = cccc_arena_printf(arena, "reply_required=%u", d->replies);
    if (d->acks > 0)
        parts = cccc_arena_printf(arena, "%.*s%sattention_ack=%u", CCCC_STR_FMT(parts), parts.len ? ", " : "", d->acks);
    if (d->unread)
        parts = cccc_arena_printf(arena, "%.*s%sunread>0", CCCC_STR_FMT(parts), parts.len ? ", " : "");
    return cccc_arena_printf(arena, "Waiting for you (%.*s)", CCCC_STR_FMT(parts));
}

/* What the foreman can do about it: look where there is a terminal, and write. Only who asked, or the user, ends what is owed. */
static cccc_str_t what_helps(const struct digest *d, const struct cccc_actor *foreman)
{
    cccc_arena_t *arena = d->call->arena;
    const char *id = d->reader->id, *by = d->escalates->by;
    const struct cccc_actor *actor = config_actor(d->group, cccc_str(id));
    bool own = cccc_str_is(foreman->id, by), user = strcmp(by, "user") == 0;
    cccc_str_t look = actor && runtime_has_terminal(actor) ? cccc_arena_printf(arena, "cccc actor tail %s, then ", id) : CCCC_STR("");
    const char *who = own ? "you" : cccc_arena_printf(arena, "only %s%s", by, user ? "" : " or user").ptr;
    return cccc_arena_printf(arena, "next: %.*scccc send TEXT --to %s\n%s may end what is owed: cccc cancel-reply %llu --actor %s",
                             CCCC_STR_FMT(look), id, who, (unsigned long long)d->escalates->seq, id);
}

static void send_digest(struct digest *d)
{
    const struct cccc_actor *foreman = config_foreman(d->group);
    cccc_arena_t *arena = d->call->arena;
    if (d->due > LINES_MAX)
        d->lines = cccc_arena_printf(arena, "%.*s\n- and %s%u more, see cccc obligations --actor %s", CCCC_STR_FMT(d->lines),
                                     d->full ? "at least " : "", d->due - LINES_MAX, d->reader->id);
    notify(d, d->reader->id, title_of(d), d->lines, "items");
    if (!d->escalates || !foreman || cccc_str_is(foreman->id, d->reader->id))
        return;
    const char *id = cccc_arena_str(arena, foreman->id).ptr;
    notify(d, id, cccc_arena_printf(arena, "%s does not answer", d->reader->id),
           cccc_arena_printf(arena, "%s was reminded and still owes:\n%.*s\n%.*s", d->reader->id, CCCC_STR_FMT(d->lines),
                             CCCC_STR_FMT(what_helps(d, foreman))),
           "escalates");
}

static struct cccc_duty *turn(struct digest *d, const struct cccc_duty *duty)
{
    return obligations_turn(&d->reader->owes, duty, d->delays.repeats, &d->left);
}

static void remind(struct cccc_core *core, struct cccc_group *group, struct cccc_reader *reader)
{
    struct digest d = {
        .call = core_call(core), .group = group, .reader = reader, .now = (int64_t)core->now->mono_us, .left = SPENT_PER_LOOK};
    struct cccc_reminders *r = &reader->reminders;
    d.call->group = group;
    d.delays = delays_of(d.call->arena, group);
    d.items = cccc_array_builder(d.call->arena, 8);
    d.next = d.now + LOOK_AGAIN;
    d.resumed = group->resumed.us ? when_mono(core, &group->resumed) : INT64_MIN / 2;
    int64_t quiet = r->last.us ? when_mono(core, &r->last) : INT64_MIN / 2;
    quiet = (quiet > d.resumed ? quiet : d.resumed) + d.delays.interval;
    if (quiet > d.now) {
        d.next = quiet;
    } else if (!is_off(d.call->arena, group, &d.delays)) {
        for (struct cccc_duty *duty = turn(&d, NULL); duty && !d.full; duty = turn(&d, duty))
            look_at_duty(&d, duty);
        if (!d.full)
            look_at_unread(&d);
    }
    r->look_us = d.due > 0 ? d.now + LOOK_AGAIN : d.left > 0 ? d.next : d.now; /* what is sent makes it look again when it is durable */
    if (d.due > 0)
        send_digest(&d);
    if (d.call->appends_open == 0)
        call_finish(d.call);
}

/* ---- time ---- */

bool reminder_is_there(const struct cccc_group *group, const struct cccc_reader *reader)
{
    const struct cccc_actor *actor = config_actor(group, cccc_str(reader->id));
    return actor && runtime_is_there(group, actor);
}

static void remind_group(struct cccc_core *core, struct cccc_group *group, uint32_t *left)
{
    for (struct cccc_reader *reader = group->readers; reader && *left > 0; reader = reader->hh.next) {
        bool waits = reader->owes.count > 0 || reader->unread[CCCC_LANE_CHAT].count > 0;
        if (!waits || (int64_t)core->now->mono_us < reader->reminders.look_us || !reminder_is_there(group, reader))
            continue;
        (*left)--;
        remind(core, group, reader);
    }
}

void reminders_tick(struct cccc_core *core)
{
    uint32_t left = READERS_PER_TICK;
    for (uint32_t i = 0; i < core->group_count; i++) {
        struct cccc_group *group = core->groups[(i + core->last_second) % core->group_count];
        if (core_is_at_work(core, group))
            remind_group(core, group, &left);
    }
}

/* ---- the snapshot, and the whole as a value ---- */

void reminders_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, 1 + HASH_COUNT(group->readers));
    cccc_pack_uint(out, (uint64_t)group->resumed.us);
    for (const struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        cccc_pack_array(out, 4);
        cccc_pack_text(out, reader->id);
        cccc_pack_uint(out, (uint64_t)reader->reminders.last.us);
        cccc_pack_uint(out, (uint64_t)reader->reminders.unread.us);
        cccc_pack_uint(out, reader->reminders.unread_count);
    }
}

static bool reminder_load(struct cccc_group *group, const cccc_value_t *row)
{
    cccc_str_t id;
    uint64_t count;
    struct cccc_reader *reader = row && cccc_as_str(&row[0], &id) ? reader_find(group, id) : NULL;
    if (!reader || !cccc_as_int(&row[1], &reader->reminders.last.us) || !cccc_as_int(&row[2], &reader->reminders.unread.us) ||
        !cccc_as_uint(&row[3], &count) || count > UINT32_MAX)
        return false;
    reader->reminders.unread_count = (uint32_t)count;
    return true;
}

bool reminders_load(struct cccc_group *group, const cccc_value_t *v)
{
    if (!cccc_is_array(v) || v->via.array.size == 0 || !cccc_as_int(&v->via.array.ptr[0], &group->resumed.us))
        return false;
    for (uint32_t i = 1; i < v->via.array.size; i++)
        if (!reminder_load(group, snapshot_row(&v->via.array.ptr[i], 4)))
            return false;
    return true;
}

cccc_value_t reminder_dump(const struct cccc_reader *reader, cccc_arena_t *arena)
{
    cccc_builder_t row = cccc_array_builder(arena, 3);
    cccc_array_add(&row, cccc_int(reader->reminders.last.us));
    cccc_array_add(&row, cccc_int(reader->reminders.unread.us));
    cccc_array_add(&row, cccc_uint(reader->reminders.unread_count));
    return row.value;
}
