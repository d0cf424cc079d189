/* obligations.c - see obligations.h: the fold, and what is asked of it.
 *
 * One allocation per event somebody owes for, with its debtors inside; each debtor's duties are a list, oldest first. Opening and closing cost the event's own
 * audience, counts nothing.
 * Thread: the core's. */
#include "broker/core/obligations/obligations.h"

#include "broker/core/change.h"
#include "broker/core/messages/message.h"
#include "broker/core/snapshot.h"
#include "broker/mutant.h"
#include "proto/utf8.h"

#include <stdlib.h>
#include <utlist.h>

struct cccc_obligations *obligations_new(void)
{
    struct cccc_obligations *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    return self;
}

void obligations_destroy(struct cccc_obligations **self)
{
    struct cccc_ask *ask = *self ? (*self)->asks : NULL;
    if (ask)
        HASH_CLEAR(hh, (*self)->asks);
    while (ask) {
        struct cccc_ask *next = ask->hh.next;
        free(ask);
        ask = next;
    }
    free(*self);
    *self = NULL;
}

/* ---- opening ---- */

static bool is_true(const cccc_value_t *v)
{
    bool b = false;
    return cccc_as_bool(v, &b) && b;
}

static bool is_word(const cccc_value_t *v, cccc_str_t word)
{
    cccc_str_t s;
    return cccc_as_str(v, &s) && cccc_str_eq(s, word);
}

unsigned obligations_asked(const struct cccc_event *event, cccc_kind_t kind)
{
    const cccc_value_t *data = &event->data;
    if (kind == CCCC_KIND_SYSTEM_NOTIFY)
        return is_true(cccc_get(data, "requires_ack")) ? CCCC_OWED_NOTICE : 0;
    unsigned owes = is_true(message_field(data, MESSAGE_REPLY_REQUIRED)) ? CCCC_OWED_REPLY : 0;
    owes |= is_word(message_field(data, MESSAGE_PRIORITY), CCCC_STR("attention")) ? CCCC_OWED_ACK : 0;
    /* The source record of a cross-group send is a note: what it asks is asked in the destination. */
    cccc_str_t destination;
    return owes && cccc_as_str(message_field(data, MESSAGE_DST_GROUP_ID), &destination) && destination.len > 0 ? 0 : owes;
}

bool obligations_asks(const struct cccc_event *event, cccc_str_t id)
{
    if (!cccc_str_is(id, "user"))
        return true;
    const cccc_value_t *to = cccc_get(&event->data, "to");
    for (uint32_t i = 0; cccc_is_array(to) && i < to->via.array.size; i++)
        if (is_word(&to->via.array.ptr[i], CCCC_STR("user")))
            return true;
    return is_word(cccc_get(&event->data, "target_actor_id"), CCCC_STR("user"));
}

/* The first line of a text, at most OBLIGATION_SUBJECT_BYTES_MAX of it, cut at a character. */
static cccc_str_t subject_of(const struct cccc_event *event)
{
    cccc_str_t text = cccc_get_str(&event->data, "text");
    if (text.len == 0)
        text = cccc_get_str(&event->data, "title");
    const char *end = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
    text.len = end ? (size_t)(end - text.ptr) : text.len;
    return cccc_str_cut(text, CCCC_OBLIGATION_SUBJECT_BYTES_MAX);
}

/* Copies `s` behind what was copied before, with a NUL; moves *at. */
static const char *keep(char **at, cccc_str_t s)
{
    const char *kept = *at;
    if (s.len > 0)
        memcpy(*at, s.ptr, s.len);
    (*at)[s.len] = '\0';
    *at += s.len + 1;
    return kept;
}

static struct cccc_ask *ask_new(uint64_t seq, cccc_str_t id, cccc_str_t by, cccc_str_t subject, uint32_t debtors_max)
{
    size_t duties = debtors_max * sizeof(struct cccc_duty);
    struct cccc_ask *ask = calloc(1, sizeof *ask + duties + id.len + by.len + subject.len + 3);
    CCCC_ASSERT(ask, "(out of memory)");
    char *texts = (char *)ask + sizeof *ask + duties;
    ask->seq = seq;
    ask->id = keep(&texts, id);
    ask->by = keep(&texts, by);
    ask->subject = keep(&texts, subject);
    return ask;
}

struct cccc_ask *obligations_begin(const struct cccc_event *event, uint32_t debtors_max)
{
    struct cccc_ask *ask = ask_new(event->seq, event->id, event->by, subject_of(event), debtors_max);
    cccc_ts_parse(event->ts, &ask->since.us);
    cccc_str_t ts;
    if (cccc_as_str(message_extra(&event->data, MESSAGE_DUE_TS), &ts))
        cccc_ts_parse(ts, &ask->due_us);
    if (cccc_as_str(message_extra(&event->data, MESSAGE_WAITS_UNTIL), &ts))
        cccc_ts_parse(ts, &ask->blocked_until_us);
    return ask;
}

/* ---- turns ---- */

static bool has_turns(unsigned owes)
{
    return (owes & (CCCC_OWED_REPLY | CCCC_OWED_ACK)) != 0;
}

static void leave_turns(struct cccc_duty *duty)
{
    struct cccc_duties *list = &duty->debtor->owes;
    if (duty->is_spent)
        DL_DELETE(list->spent, duty);
    else
        DL_DELETE(list->waiting, duty);
}

static void take_last_turn(struct cccc_obligations *self, struct cccc_duty *duty)
{
    duty->is_spent = false;
    duty->turn = ++self->turns;
    DL_APPEND(duty->debtor->owes.waiting, duty);
}

static void spend(struct cccc_duty *duty)
{
    leave_turns(duty);
    duty->is_spent = true;
    DL_APPEND(duty->debtor->owes.spent, duty);
}

static int by_turn(const struct cccc_duty *a, const struct cccc_duty *b)
{
    return a->turn != b->turn ? (a->turn > b->turn) - (a->turn < b->turn) : (a->ask->seq > b->ask->seq) - (a->ask->seq < b->ask->seq);
}

/* Take the first one out of a list. */
static struct cccc_duty *shift(struct cccc_duty **list)
{
    struct cccc_duty *first = *list;
    if (first)
        DL_DELETE(*list, first);
    return first;
}

/* All have turns again, where they would be if none had been without: both lists are in that order. */
static void respend(struct cccc_duties *list, uint64_t repeats)
{
    struct cccc_duty *merged = NULL;
    list->spent_at = repeats;
    if (!list->spent)
        return;
    while (list->waiting && list->spent) {
        struct cccc_duty *next = shift(by_turn(list->waiting, list->spent) < 0 ? &list->waiting : &list->spent);
        DL_APPEND(merged, next);
    }
    DL_CONCAT(merged, list->waiting);
    DL_CONCAT(merged, list->spent);
    for (struct cccc_duty *duty = merged; duty; duty = duty->next)
        duty->is_spent = false;
    list->waiting = merged;
    list->spent = NULL;
}

struct cccc_duty *obligations_turn(struct cccc_duties *list, const struct cccc_duty *duty, uint64_t repeats, uint32_t *left)
{
    if (list->spent_at != repeats)
        respend(list, repeats);
    struct cccc_duty *next = duty ? duty->next : list->waiting;
    while (next && repeats > 0 && next->reminded >= repeats && *left > 0) {
        struct cccc_duty *spent = next;
        next = next->next;
        spend(spent);
        --*left;
    }
    return *left > 0 ? next : NULL;
}

/* ---- owing ---- */

static void count_owed(struct cccc_duties *list, unsigned owes, uint32_t one)
{
    list->replies += owes & CCCC_OWED_REPLY ? one : 0;
    list->acks += (owes & (CCCC_OWED_REPLY | CCCC_OWED_ACK)) == CCCC_OWED_ACK ? one : 0;
}

void obligations_owe(struct cccc_group *group, struct cccc_ask *ask, struct cccc_reader *debtor, unsigned owes)
{
    struct cccc_duties *list = &debtor->owes;
    if (list->last && list->last->ask == ask)
        return; /* a ledger of another hand that names somebody twice */
    struct cccc_duty *duty = &ask->duties[ask->count++];
    *duty = (struct cccc_duty){.ask = ask, .debtor = debtor, .before = list->last, .owes = owes};
    if (list->last)
        list->last->after = duty;
    else
        list->first = duty;
    list->last = duty;
    list->count++;
    count_owed(list, owes, 1);
    if (has_turns(owes))
        take_last_turn(group->obligations, duty);
    ask->open++;
    ask->since.mono_us = group->folding ? 0 : (int64_t)group->changed_mono_us;
    debtor->reminders.look_us = 0;
    group->obligations->open++;
}

void obligations_end(struct cccc_group *group, struct cccc_ask *ask)
{
    if (ask->open == 0)
        free(ask);
    else
        HASH_ADD(hh, group->obligations->asks, seq, sizeof ask->seq, ask);
}

/* ---- closing ---- */

static void unlink_duty(struct cccc_duty *duty)
{
    struct cccc_duties *list = &duty->debtor->owes;
    if (duty->before)
        duty->before->after = duty->after;
    else
        list->first = duty->after;
    if (duty->after)
        duty->after->before = duty->before;
    else
        list->last = duty->before;
    list->count--;
}

/* It owes this from now on. */
static void set_owed(struct cccc_duty *duty, unsigned owes)
{
    count_owed(&duty->debtor->owes, duty->owes, -1u);
    count_owed(&duty->debtor->owes, owes, 1);
    if (has_turns(duty->owes) && !has_turns(owes))
        leave_turns(duty);
    duty->owes = owes;
}

/* Close these bits of a duty. The ask may be gone afterwards. */
static void close_duty(struct cccc_group *group, struct cccc_duty *duty, unsigned owes)
{
    struct cccc_obligations *self = group->obligations;
    struct cccc_ask *ask = duty->ask;
    if (duty->owes == 0)
        return;
    set_owed(duty, duty->owes & ~owes);
    if (duty->owes != 0)
        return;
    unlink_duty(duty);
    self->open--;
    if (--ask->open > 0)
        return;
    HASH_DELETE(hh, self->asks, ask); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
    free(ask);
}

struct cccc_ask *obligations_find(const struct cccc_group *group, cccc_str_t event_id)
{
    struct cccc_ask *ask = NULL;
    uint64_t seq = group->obligations->asks ? group_event_seq(group, event_id) : 0;
    if (seq > 0)
        HASH_FIND(hh, group->obligations->asks, &seq, sizeof seq, ask);
    return ask && cccc_str_is(event_id, ask->id) ? ask : NULL;
}

static const struct cccc_duty *duty_find(const struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id)
{
    const struct cccc_ask *ask = obligations_find(group, event_id);
    for (uint32_t i = 0; ask && i < ask->count; i++)
        if (ask->duties[i].owes && cccc_str_is(debtor, ask->duties[i].debtor->id))
            return &ask->duties[i];
    return NULL;
}

static void close_owed(struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id, unsigned owes)
{
    const struct cccc_duty *found = duty_find(group, debtor, event_id);
    if (found)
        close_duty(group, &found->ask->duties[found - found->ask->duties], owes);
}

void obligations_replied(struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id)
{
    close_owed(group, debtor, event_id, CCCC_OWED_REPLY | CCCC_OWED_ACK | CCCC_OWED_NOTICE);
}

void obligations_acked(struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id, enum cccc_owed what)
{
    if (CCCC_MUTANT_IS(ACK_CLOSES_ALL))
        obligations_replied(group, debtor, event_id);
    else
        close_owed(group, debtor, event_id, what);
}

void obligations_cancelled(struct cccc_group *group, const cccc_value_t *data)
{
    const cccc_value_t *ids = cccc_get(data, "actor_ids");
    for (uint32_t i = 0; cccc_is_array(ids) && i < ids->via.array.size; i++) {
        cccc_str_t id;
        if (cccc_as_str(&ids->via.array.ptr[i], &id))
            obligations_replied(group, id, cccc_get_str(data, "event_id"));
    }
}

void obligations_forget_debtor(struct cccc_group *group, struct cccc_reader *reader)
{
    while (reader->owes.first)
        close_duty(group, reader->owes.first, ~0u);
}

static void close_ask(struct cccc_group *group, struct cccc_ask *ask)
{
    uint32_t open = ask->open;
    for (uint32_t i = 0; open > 0; i++) {
        open -= ask->duties[i].owes != 0;
        close_duty(group, &ask->duties[i], ~0u); /* the last one that is open frees the ask */
    }
}

void obligations_forget_asker(struct cccc_group *group, cccc_str_t id)
{
    struct cccc_ask *ask, *next;
    HASH_ITER(hh, group->obligations->asks, ask, next)
    {
        if (cccc_str_is(id, ask->by) && !CCCC_MUTANT_IS(ASKER_OWED_FOR_EVER))
            close_ask(group, ask);
    }
}

static bool is_actor_of(const cccc_value_t *actors, const char *id)
{
    for (uint32_t i = 0; cccc_is_array(actors) && i < actors->via.array.size; i++)
        if (cccc_str_is(cccc_get_str(&actors->via.array.ptr[i], "id"), id))
            return true;
    return false;
}

void obligations_keep_askers(struct cccc_group *group, const cccc_value_t *actors)
{
    struct cccc_ask *ask, *next;
    HASH_ITER(hh, group->obligations->asks, ask, next)
    {
        if (principal_is_actor(cccc_str(ask->by)) && !is_actor_of(actors, ask->by))
            close_ask(group, ask);
    }
}

void obligations_reminded(struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id)
{
    const struct cccc_duty *found = duty_find(group, debtor, event_id);
    struct cccc_duty *duty = found ? &found->ask->duties[found - found->ask->duties] : NULL;
    if (!duty)
        return;
    duty->reminded++;
    if (has_turns(duty->owes)) {
        leave_turns(duty);
        take_last_turn(group->obligations, duty);
    }
}

void obligations_forget_reminders(struct cccc_group *group)
{
    for (struct cccc_ask *ask = group->obligations->asks; ask; ask = ask->hh.next)
        for (uint32_t i = 0; i < ask->count; i++)
            ask->duties[i].reminded = 0;
    for (struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next)
        respend(&reader->owes, 0);
}

/* ---- asking ---- */

unsigned obligations_owed(const struct cccc_group *group, cccc_str_t debtor, cccc_str_t event_id)
{
    const struct cccc_duty *duty = duty_find(group, debtor, event_id);
    return duty ? duty->owes : 0;
}

cccc_value_t obligations_words(cccc_arena_t *arena, unsigned owes)
{
    cccc_builder_t words = cccc_array_builder(arena, 2);
    if (owes & CCCC_OWED_REPLY)
        cccc_array_add(&words, cccc_text("reply"));
    if (owes & (CCCC_OWED_ACK | CCCC_OWED_NOTICE))
        cccc_array_add(&words, cccc_text("ack"));
    return words.value;
}

static cccc_value_t ts_value(cccc_arena_t *arena, int64_t us)
{
    char ts[28];
    cccc_ts_format(ts, us);
    return cccc_string(cccc_arena_str(arena, cccc_str(ts)));
}

int64_t obligations_blocked_until(const struct cccc_ask *ask)
{
    return ask->renewed_until_us ? ask->renewed_until_us : ask->blocked_until_us;
}

static cccc_value_t row_of(cccc_arena_t *arena, const struct cccc_duty *duty, bool overdue, int64_t blocked_until_us)
{
    const struct cccc_ask *ask = duty->ask;
    cccc_builder_t row = cccc_map_builder(arena, 12);
    cccc_map_add(&row, "event_id", cccc_text(ask->id));
    cccc_map_add(&row, "seq", cccc_uint(ask->seq));
    cccc_map_add(&row, "kind", cccc_text(duty->owes & CCCC_OWED_NOTICE ? "system.notify" : "chat.message"));
    cccc_map_add(&row, "actor_id", cccc_text(duty->debtor->id));
    cccc_map_add(&row, "owes", obligations_words(arena, duty->owes));
    cccc_map_add(&row, "to", cccc_text(ask->by));
    cccc_map_add(&row, "since", ts_value(arena, ask->since.us));
    cccc_map_add(&row, "due", ask->due_us ? ts_value(arena, ask->due_us) : cccc_nil());
    cccc_map_add(&row, "waits_until", blocked_until_us ? ts_value(arena, blocked_until_us) : cccc_nil());
    cccc_map_add(&row, "overdue", cccc_bool(overdue));
    cccc_map_add(&row, "reminders", cccc_uint(duty->reminded));
    cccc_map_add(&row, "subject", cccc_text(ask->subject));
    return row.value;
}

cccc_value_t obligation_row(cccc_arena_t *arena, const struct cccc_duty *duty, bool overdue)
{
    return row_of(arena, duty, overdue, obligations_blocked_until(duty->ask));
}

struct cccc_patience obligations_patience(cccc_arena_t *arena, const struct cccc_group *group)
{
    cccc_value_t settings = settings_effective(arena, &group->document);
    return (struct cccc_patience){
        .reply_us = (int64_t)cccc_get_uint(&settings, "reply_required_nudge_after_seconds", 0) * 1000000,
        .ack_us = (int64_t)cccc_get_uint(&settings, "attention_ack_nudge_after_seconds", 0) * 1000000,
    };
}

bool obligation_is_overdue(const struct cccc_duty *duty, const struct cccc_patience *patience, int64_t now_us)
{
    const struct cccc_ask *ask = duty->ask;
    if (ask->due_us)
        return now_us > ask->due_us;
    return now_us - ask->since.us > (duty->owes & CCCC_OWED_REPLY ? patience->reply_us : patience->ack_us);
}

/* ---- the snapshot ---- */

#define ROW_HEAD  7
#define OWES_BITS 3

static uint64_t not_negative(int64_t us)
{
    return us > 0 ? (uint64_t)us : 0;
}

/* [seq, since, due, blocked_until, id, by, subject, debtor, [owes, turn], debtor, [owes, turn], ...] for each event; `owes` has the reminders above its bits. */
void obligations_save(const struct cccc_group *group, cccc_buf_t *out)
{
    cccc_pack_array(out, HASH_COUNT(group->obligations->asks));
    for (const struct cccc_ask *ask = group->obligations->asks; ask; ask = ask->hh.next) {
        cccc_pack_array(out, ROW_HEAD + 2 * ask->open);
        cccc_pack_uint(out, ask->seq);
        cccc_pack_uint(out, not_negative(ask->since.us));
        cccc_pack_uint(out, not_negative(ask->due_us));
        cccc_pack_uint(out, not_negative(ask->blocked_until_us));
        cccc_pack_text(out, ask->id);
        cccc_pack_text(out, ask->by);
        cccc_pack_text(out, ask->subject);
        for (uint32_t i = 0; i < ask->count; i++) {
            if (ask->duties[i].owes == 0)
                continue;
            cccc_pack_text(out, ask->duties[i].debtor->id);
            cccc_pack_array(out, 2);
            cccc_pack_uint(out, ask->duties[i].owes | (uint64_t)ask->duties[i].reminded << OWES_BITS);
            cccc_pack_uint(out, ask->duties[i].turn);
        }
    }
}

/* A base of before says nothing of turns: what was named comes behind what was not. A snapshot of before is not believed, for the ledger knows. */
static bool owes_load(const struct cccc_group *group, const cccc_value_t *v, uint64_t *owes, uint64_t *turn)
{
    const cccc_value_t *pair = snapshot_row(v, 2);
    if (pair)
        return cccc_as_uint(&pair[0], owes) && cccc_as_uint(&pair[1], turn);
    bool known = group->from_base && cccc_as_uint(v, owes);
    *turn = known && *owes >> OWES_BITS ? 1 : 0;
    return known;
}

static bool duty_load(struct cccc_group *group, struct cccc_ask *ask, const cccc_value_t *pair, uint64_t *turns)
{
    cccc_str_t id;
    uint64_t owes, turn;
    struct cccc_reader *debtor = cccc_as_str(&pair[0], &id) ? reader_find(group, id) : NULL;
    const uint64_t bits = (1u << OWES_BITS) - 1;
    if (!debtor || !owes_load(group, &pair[1], &owes, &turn) || (owes & bits) == 0 || owes >> OWES_BITS > UINT32_MAX || turn == UINT64_MAX)
        return false;
    obligations_owe(group, ask, debtor, (unsigned)(owes & bits));
    struct cccc_duty *duty = &ask->duties[ask->count - 1];
    duty->reminded = (uint32_t)(owes >> OWES_BITS);
    duty->turn = turn;
    *turns = turn > *turns ? turn : *turns;
    return true;
}

static bool ask_load(struct cccc_group *group, const cccc_value_t *v, uint64_t *last, uint64_t *turns)
{
    uint64_t seq, since, due, blocked;
    cccc_str_t id, by, subject;
    uint32_t size = cccc_is_array(v) ? v->via.array.size : 0;
    const cccc_value_t *row = size > ROW_HEAD && (size - ROW_HEAD) % 2 == 0 ? v->via.array.ptr : NULL;
    if (!row || !cccc_as_uint(&row[0], &seq) || seq <= *last || seq > group->head_seq || !cccc_as_uint(&row[1], &since) ||
        since > INT64_MAX || !cccc_as_uint(&row[2], &due) || due > INT64_MAX || !cccc_as_uint(&row[3], &blocked) || blocked > INT64_MAX ||
        !cccc_as_str(&row[4], &id) || !cccc_as_str(&row[5], &by) || !cccc_as_str(&row[6], &subject))
        return false;
    struct cccc_ask *ask = ask_new(seq, id, by, subject, (size - ROW_HEAD) / 2);
    ask->since.us = (int64_t)since;
    ask->due_us = (int64_t)due;
    ask->blocked_until_us = (int64_t)blocked;
    bool good = true;
    for (uint32_t i = ROW_HEAD; good && i < size; i += 2)
        good = duty_load(group, ask, &row[i], turns);
    *last = seq;
    obligations_end(group, ask);
    return good;
}

bool obligations_load(struct cccc_group *group, const cccc_value_t *v)
{
    uint64_t last = 0, turns = 0;
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++)
        if (!ask_load(group, &v->via.array.ptr[i], &last, &turns))
            return false;
    for (struct cccc_reader *reader = group->readers; reader; reader = reader->hh.next)
        DL_SORT(reader->owes.waiting, by_turn);
    group->obligations->turns = turns;
    return cccc_is_array(v);
}

cccc_value_t obligations_dump_turns(const struct cccc_reader *reader, cccc_arena_t *arena)
{
    const struct cccc_duty *waiting = reader->owes.waiting, *spent = reader->owes.spent;
    cccc_builder_t list = cccc_array_builder(arena, reader->owes.count);
    while (waiting || spent) {
        const struct cccc_duty **next = !spent || (waiting && by_turn(waiting, spent) < 0) ? &waiting : &spent;
        cccc_array_add(&list, cccc_uint((*next)->ask->seq));
        *next = (*next)->next;
    }
    return list.value;
}

cccc_value_t obligations_dump(const struct cccc_group *group, cccc_arena_t *arena)
{
    cccc_builder_t list = cccc_array_builder(arena, (uint32_t)group->obligations->open);
    for (const struct cccc_ask *ask = group->obligations->asks; ask; ask = ask->hh.next)
        for (uint32_t i = 0; i < ask->count; i++)
            if (ask->duties[i].owes)
                cccc_array_add(&list, row_of(arena, &ask->duties[i], false, ask->blocked_until_us));
    return cccc_value_copy(arena, &list.value);
}
