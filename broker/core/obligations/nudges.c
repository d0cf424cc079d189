/* nudges.c - the built-in notices about what goes on, or does not: an actor is idle, has announced a next step, the group is silent, somebody may have forgotten
 * how to work here (reference 7.2; settings actor_idle_*, keepalive_*, silence_*, help_nudge_*). What is owed or unread is reminders.c's.
 *
 * Each is a system.notify by system whose context says the how-manieth in a row it is: the counts are a fold over those events, so a restart neither repeats nor
 * skips one. In a row they are few (NUDGES_IN_A_ROW_MAX, keepalive_max_per_actor); then there is silence until something else happens. Of whom, and
 * when, is as in reminders.c: who runs, in a group that runs and is active; all begins anew when it does again. What the broker itself writes is no sign of life.
 * A reader is looked at when its next time has come: a tick costs those, LOOKS_PER_TICK at most.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/runtime/runtime.h"
#include "broker/core/snapshot.h"
#include "broker/mutant.h"
#include "proto/utf8.h"

#include <stdio.h>
#include <strings.h>

#define SECOND         1000000LL
#define LOOKS_PER_TICK 64
/* Until a notice that was decided is durable, when nothing is foreseen, and while only the number of messages is too small. */
#define LOOK_AGAIN (3600 * SECOND)
#define LOOK_SOON  (10 * SECOND)

enum cccc_nudge { NUDGE_IDLE, NUDGE_KEEPALIVE, NUDGE_SILENCE, NUDGE_HELP };
static const char *const words[] = {
    [NUDGE_IDLE] = "actor_idle", [NUDGE_KEEPALIVE] = "keepalive", [NUDGE_SILENCE] = "silence_check", [NUDGE_HELP] = "help_nudge"};

/* ---- the fold ---- */

static void begin_row(struct cccc_row *row)
{
    *row = (struct cccc_row){0};
}

static void note_sign(const struct cccc_group *group, struct cccc_sign *sign, cccc_str_t ts)
{
    size_t len = ts.len < sizeof sign->ts ? ts.len : sizeof sign->ts - 1;
    memcpy(sign->ts, ts.ptr, len);
    sign->ts[len] = '\0';
    sign->mono_us = group->folding ? 0 : (int64_t)group->changed_mono_us;
}

static int64_t sign_mono(const struct cccc_core *core, struct cccc_sign *sign)
{
    struct cccc_when when = {.mono_us = sign->mono_us};
    if (sign->mono_us == 0)
        cccc_ts_parse(cccc_str(sign->ts), &when.us);
    return sign->mono_us = when_mono(core, &when);
}

/* The last line of a text that begins with "next:", in any case, without what is blank around it; "" when there is none. */
static cccc_str_t next_line(cccc_str_t text)
{
    static const char word[] = "next:";
    cccc_str_t found = CCCC_STR("");
    while (text.len > 0) {
        cccc_str_t line = cccc_str_trim(cccc_str_next(&text, '\n'));
        if (line.len >= sizeof word - 1 && strncasecmp(line.ptr, word, sizeof word - 1) == 0)
            found = line;
    }
    return found;
}

/* What an actor said last is what it announced, or that it announces nothing any more; the same line again goes on being the same. */
static void take_announcement(struct cccc_nudges *n, const struct cccc_event *event)
{
    cccc_str_t text = CCCC_STR("");
    cccc_as_str(message_field(&event->data, MESSAGE_TEXT), &text);
    cccc_str_t line = cccc_str_cut(next_line(text), CCCC_NEXT_LINE_BYTES_MAX);
    if (!cccc_str_is(line, n->next)) {
        begin_row(&n->keepalive);
        memcpy(n->next, line.ptr, line.len);
        n->next[line.len] = '\0';
    }
    n->next_seq = event->seq;
    n->announced = n->spoke;
}

void nudges_heard_from(struct cccc_group *group, struct cccc_reader *reader, const struct cccc_event *event, cccc_kind_t kind)
{
    note_sign(group, &group->alive, event->ts);
    begin_row(&group->silence);
    group->silence_look_us = 0;
    if (!reader)
        return;
    struct cccc_nudges *n = &reader->nudges;
    n->spoke = group->alive;
    begin_row(&n->idle);
    if (kind != CCCC_KIND_CHAT_MESSAGE)
        return;
    n->heard++;
    take_announcement(n, event);
    n->look_us = 0;
}

void nudges_joined(const struct cccc_group *group, struct cccc_reader *reader, cccc_str_t ts)
{
    note_sign(group, &reader->nudges.spoke, ts);
    when_note(group, &reader->nudges.helped, ts);
    reader->nudges.heard = 0;
    reader->nudges.look_us = 0;
}

void nudges_resume(struct cccc_group *group)
{
    begin_row(&group->silence);
    for (struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        begin_row(&reader->nudges.idle);
        begin_row(&reader->nudges.keepalive);
        reader->nudges.heard = 0;
    }
    nudges_look(group);
}

void nudges_look(struct cccc_group *group)
{
    group->silence_look_us = 0;
    for (struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next)
        reader->nudges.look_us = reader->reminders.look_us = 0;
}

static void note_row(const struct cccc_group *group, struct cccc_row *row, const struct cccc_event *event)
{
    uint64_t count = cccc_get_uint(cccc_get(&event->data, "context"), "in_a_row", 1);
    row->count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    when_note(group, &row->last, event->ts);
}

void nudge_apply(struct cccc_group *group, const struct cccc_event *event)
{
    cccc_str_t kind = cccc_get_str(&event->data, "kind");
    bool idle = cccc_str_is(kind, words[NUDGE_IDLE]); /* told to the foreman, about another */
    cccc_str_t id = idle ? cccc_get_str(cccc_get(&event->data, "context"), "actor_id") : cccc_get_str(&event->data, "target_actor_id");
    struct cccc_reader *reader = reader_find(group, id);
    if (cccc_str_is(kind, words[NUDGE_SILENCE])) {
        note_row(group, &group->silence, event);
        group->silence_look_us = 0;
    }
    if (!reader)
        return;
    reader->nudges.look_us = 0;
    if (idle)
        note_row(group, &reader->nudges.idle, event);
    else if (cccc_str_is(kind, words[NUDGE_KEEPALIVE]))
        note_row(group, &reader->nudges.keepalive, event);
    else if (cccc_str_is(kind, words[NUDGE_HELP]))
        nudges_helped(group, reader, event->ts);
}

void nudges_helped(const struct cccc_group *group, struct cccc_reader *reader, cccc_str_t ts)
{
    when_note(group, &reader->nudges.helped, ts);
    reader->nudges.heard = 0;
}

/* ---- what is due ---- */

/* A group, or a reader of it, being looked at. */
struct look {
    struct cccc_core *core;
    struct cccc_group *group;
    struct cccc_reader *reader;
    const struct cccc_actor *foreman; /* NULL: none that is there */
    cccc_arena_t *arena;
    cccc_value_t settings;
    int64_t now, resumed, next; /* next: when to look again */
};

static uint64_t setting(const struct look *l, const char *name)
{
    return cccc_get_uint(&l->settings, name, 0);
}

static int64_t delay(const struct look *l, const char *name)
{
    return (int64_t)setting(l, name) * SECOND;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void look_at_latest(struct look *l, int64_t at)
{
    if (at < l->next)
        l->next = at;
}

/* Has the delay passed since `since`, and since the group runs again? */
static bool is_due(struct look *l, int64_t since, int64_t wait)
{
    int64_t at = later(since, l->resumed) + wait;
    if (at <= l->now)
        return true;
    look_at_latest(l, at);
    return false;
}

/* The same for the next of a row, which waits as long after the one before. */
static bool row_is_due(struct look *l, struct cccc_row *row, int64_t since, int64_t wait)
{
    return is_due(l, row->count > 0 ? later(since, when_mono(l->core, &row->last)) : since, wait);
}

static void tell(struct look *l, enum cccc_nudge what, cccc_str_t target, cccc_str_t title, cccc_str_t message, cccc_value_t context)
{
    call_t *call = core_call(l->core);
    call->group = l->group;
    struct cccc_notice notice = {.kind = cccc_str(words[what]),
                                 .priority = CCCC_STR("normal"),
                                 .title = cccc_arena_str(call->arena, title),
                                 .message = cccc_arena_str(call->arena, message),
                                 .target = cccc_arena_str(call->arena, target)};
    cccc_value_t kept = cccc_value_copy(call->arena, &context);
    notice.context = &kept;
    reminder_send(call, l->group, &notice);
    if (call->appends_open == 0)
        call_finish(call);
    l->next = l->now + LOOK_AGAIN;
}

static cccc_builder_t row_context(const struct look *l, const struct cccc_row *row)
{
    cccc_builder_t context = cccc_map_builder(l->arena, 3);
    cccc_map_add(&context, "in_a_row", cccc_uint(row->count + 1));
    return context;
}

/* ---- the four ---- */

/* When it last did something: its terminal showed output, or without one it wrote an event. False: nobody knows. */
static bool last_sign(const struct look *l, int64_t *at)
{
    const struct cccc_actor *actor = config_actor(l->group, cccc_str(l->reader->id));
    const struct cccc_runtime *runtime = l->reader->runtime;
    if (runtime_has_terminal(actor)) {
        *at = runtime ? (int64_t)runtime->output_us : 0;
        return *at > 0;
    }
    *at = sign_mono(l->core, &l->reader->nudges.spoke);
    return l->reader->nudges.spoke.ts[0] != '\0';
}

/* Told to the foreman, about another. */
static void look_at_idle(struct look *l)
{
    struct cccc_row row = l->reader->nudges.idle;
    int64_t sign, wait = delay(l, "actor_idle_timeout_seconds");
    if (wait == 0 || !l->foreman || cccc_str_is(l->foreman->id, l->reader->id) || !last_sign(l, &sign))
        return;
    look_at_latest(l, l->now + wait); /* output is no event */
    if (row.count > 0 && sign > when_mono(l->core, &row.last))
        begin_row(&row);
    if ((row.count >= CCCC_NUDGES_IN_A_ROW_MAX && !CCCC_MUTANT_IS(IDLE_FOR_EVER)) || !row_is_due(l, &row, sign, wait))
        return;
    cccc_builder_t context = row_context(l, &row);
    cccc_map_add(&context, "actor_id", cccc_string(cccc_arena_str(l->arena, cccc_str(l->reader->id))));
    tell(l, NUDGE_IDLE, l->foreman->id, cccc_arena_printf(l->arena, "%s is idle", l->reader->id),
         cccc_arena_printf(l->arena, "nothing of %s for %lld seconds\nnext: cccc actor tail %s, or send it a message", l->reader->id,
                           (long long)((l->now - sign) / SECOND), l->reader->id),
         context.value);
}

static void look_at_announcement(struct look *l)
{
    struct cccc_nudges *n = &l->reader->nudges;
    int64_t wait = delay(l, "keepalive_delay_seconds");
    if (n->next[0] == '\0' || wait == 0 || n->keepalive.count >= setting(l, "keepalive_max_per_actor") ||
        !row_is_due(l, &n->keepalive, sign_mono(l->core, &n->announced), wait))
        return;
    cccc_builder_t context = row_context(l, &n->keepalive);
    cccc_map_add(&context, "seq", cccc_uint(n->next_seq));
    tell(l, NUDGE_KEEPALIVE, cccc_str(l->reader->id), CCCC_STR("Go on"),
         cccc_arena_printf(l->arena,
                           "You announced (event %llu): %s\nGo on with it. A message without such a line says that it is done, or that "
                           "it waits for somebody.",
                           (unsigned long long)n->next_seq, n->next),
         context.value);
}

static void look_at_help(struct look *l)
{
    struct cccc_nudges *n = &l->reader->nudges;
    uint64_t least = setting(l, "help_nudge_min_messages");
    int64_t wait = delay(l, "help_nudge_interval_seconds");
    if (wait == 0 || least == 0 || !is_due(l, n->helped.us ? when_mono(l->core, &n->helped) : l->resumed, wait))
        return;
    if (n->heard < least) {
        look_at_latest(l, l->now + LOOK_SOON);
        return;
    }
    cccc_builder_t context = cccc_map_builder(l->arena, 1);
    cccc_map_add(&context, "messages", cccc_uint(n->heard));
    tell(l, NUDGE_HELP, cccc_str(l->reader->id), CCCC_STR("How to work here"),
         CCCC_STR("Commands: cccc inbox shows what you have not read, cccc obligations what is owed, cccc send and cccc reply speak, "
                  "cccc --help has the rest. What you print reaches nobody."),
         context.value);
}

/* Told to the foreman, about the group. */
static void look_at_silence(struct look *l)
{
    struct cccc_group *group = l->group;
    int64_t wait = delay(l, "silence_timeout_seconds"), since = sign_mono(l->core, &group->alive);
    if (wait == 0 || !l->foreman || group->alive.ts[0] == '\0' || group->silence.count >= CCCC_NUDGES_IN_A_ROW_MAX ||
        !row_is_due(l, &group->silence, since, wait))
        return;
    tell(l, NUDGE_SILENCE, l->foreman->id, CCCC_STR("Silence"),
         cccc_arena_printf(l->arena, "nobody wrote anything in this group for %lld seconds\nnext: cccc obligations, cccc actor list",
                           (long long)((l->now - since) / SECOND)),
         row_context(l, &group->silence).value);
}

/* ---- time ---- */

static struct look look_new(struct cccc_core *core, struct cccc_group *group, struct cccc_reader *reader)
{
    const struct cccc_actor *foreman = config_foreman(group);
    struct cccc_reader *first = foreman ? reader_find(group, foreman->id) : NULL;
    struct look l = {.core = core, .group = group, .reader = reader, .arena = cccc_arena_new(2048), .now = (int64_t)core->now->mono_us};
    l.foreman = first && reminder_is_there(group, first) ? foreman : NULL;
    l.settings = settings_effective(l.arena, &group->document);
    l.resumed = group->resumed.us ? when_mono(core, &group->resumed) : INT64_MIN / 2;
    l.next = l.now + LOOK_AGAIN;
    return l;
}

static void look_at_reader(struct cccc_core *core, struct cccc_group *group, struct cccc_reader *reader)
{
    static void (*const looks[])(struct look *) = {look_at_idle, look_at_announcement, look_at_help};
    struct look l = look_new(core, group, reader);
    int64_t next = l.next;
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        looks[i](&l);
        next = l.next < next ? l.next : next;
    }
    reader->nudges.look_us = next;
    cccc_arena_destroy(&l.arena);
}

static void look_at_group(struct cccc_core *core, struct cccc_group *group, uint32_t *left)
{
    int64_t now = (int64_t)core->now->mono_us;
    if (now >= group->silence_look_us && *left > 0) {
        struct look l = look_new(core, group, NULL);
        look_at_silence(&l);
        group->silence_look_us = l.next;
        cccc_arena_destroy(&l.arena);
        (*left)--;
    }
    for (struct cccc_reader *reader = group->readers; reader && *left > 0; reader = reader->hh.next) {
        if (now < reader->nudges.look_us || !reminder_is_there(group, reader))
            continue;
        (*left)--;
        look_at_reader(core, group, reader);
    }
}

void nudges_tick(struct cccc_core *core)
{
    uint32_t left = LOOKS_PER_TICK;
    for (uint32_t i = 0; i < core->group_count; i++) {
        struct cccc_group *group = core->groups[(i + core->last_second) % core->group_count];
        if (core_is_at_work(core, group))
            look_at_group(core, group, &left);
    }
}

/* ---- the snapshot, and the whole as a value ---- */

#define ROW_MEMBERS 11

static void row_save(const struct cccc_row *row, cccc_buf_t *out)
{
    cccc_pack_uint(out, row->count);
    cccc_pack_uint(out, (uint64_t)row->last.us);
}

static bool row_load(struct cccc_row *row, const cccc_value_t *pair)
{
    uint64_t count;
    if (!cccc_as_uint(&pair[0], &count) || count > UINT32_MAX || !cccc_as_int(&pair[1], &row->last.us))
        return false;
    row->count = (uint32_t)count;
    return true;
}

/* [alive, silence (2), [id, spoke, idle (2), next, next_seq, announced, keepalive (2), helped, heard], ...] */
void nudges_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, 3 + HASH_COUNT(group->readers));
    cccc_pack_text(out, group->alive.ts);
    row_save(&group->silence, out);
    for (const struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next) {
        const struct cccc_nudges *n = &reader->nudges;
        cccc_pack_array(out, ROW_MEMBERS);
        cccc_pack_text(out, reader->id);
        cccc_pack_text(out, n->spoke.ts);
        row_save(&n->idle, out);
        cccc_pack_text(out, n->next);
        cccc_pack_uint(out, n->next_seq);
        cccc_pack_text(out, n->announced.ts);
        row_save(&n->keepalive, out);
        cccc_pack_uint(out, (uint64_t)n->helped.us);
        cccc_pack_uint(out, n->heard);
    }
}

static bool nudge_load(struct cccc_group *group, const cccc_value_t *row)
{
    cccc_str_t id;
    struct cccc_reader *reader = row && cccc_as_str(&row[0], &id) ? reader_find(group, id) : NULL;
    struct cccc_nudges *n = reader ? &reader->nudges : NULL;
    return n && snapshot_text(&row[1], n->spoke.ts, sizeof n->spoke.ts) && row_load(&n->idle, &row[2]) &&
           snapshot_text(&row[4], n->next, sizeof n->next) && cccc_as_uint(&row[5], &n->next_seq) &&
           snapshot_text(&row[6], n->announced.ts, sizeof n->announced.ts) && row_load(&n->keepalive, &row[7]) &&
           cccc_as_int(&row[9], &n->helped.us) && cccc_as_uint(&row[10], &n->heard);
}

bool nudges_load(struct cccc_group *group, const cccc_value_t *v)
{
    if (!cccc_is_array(v) || v->via.array.size < 3 || !snapshot_text(&v->via.array.ptr[0], group->alive.ts, sizeof group->alive.ts) ||
        !row_load(&group->silence, &v->via.array.ptr[1]))
        return false;
    for (uint32_t i = 3; i < v->via.array.size; i++)
        if (!nudge_load(group, snapshot_row(&v->via.array.ptr[i], ROW_MEMBERS)))
            return false;
    return true;
}

static void add_row(cccc_builder_t *list, const struct cccc_row *row)
{
    cccc_array_add(list, cccc_uint(row->count));
    cccc_array_add(list, cccc_int(row->last.us));
}

cccc_value_t nudges_dump(const struct cccc_reader *reader, cccc_arena_t *arena)
{
    const struct cccc_nudges *n = &reader->nudges;
    cccc_builder_t row = cccc_array_builder(arena, ROW_MEMBERS);
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(n->spoke.ts))));
    add_row(&row, &n->idle);
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(n->next))));
    cccc_array_add(&row, cccc_uint(n->next_seq));
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(n->announced.ts))));
    add_row(&row, &n->keepalive);
    cccc_array_add(&row, cccc_int(n->helped.us));
    cccc_array_add(&row, cccc_uint(n->heard));
    return row.value;
}

cccc_value_t silence_dump(const struct cccc_group *group, cccc_arena_t *arena)
{
    cccc_builder_t row = cccc_array_builder(arena, 3);
    cccc_array_add(&row, cccc_string(cccc_arena_str(arena, cccc_str(group->alive.ts))));
    add_row(&row, &group->silence);
    return row.value;
}
