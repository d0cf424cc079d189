/* why.c - op why: per recipient of a message one sentence, its evidence, and the next command to type.
 *
 * It says what is known and no more: typed is not read, marked as read is not understood.
 * Thread: the core's. */
#include "broker/core/messages/ladder.h"

/* 64 pieces of 8 MiB; further on the answer is partial. */
#define READS_MAX 64

/* One recipient, being described. */
struct telling {
    call_t *call;
    const struct cccc_ladders *all;
    const struct cccc_ladder *ladder;
    unsigned owes;
    cccc_builder_t steps;
    const char *state;
    cccc_str_t sentence, next;
};

static void step(struct telling *t, const char *name, const struct cccc_rung *rung, cccc_str_t why)
{
    cccc_builder_t map = cccc_map_builder(t->call->arena, 6);
    if (!rung || rung->seq > 0)
        cccc_map_add(&map, "step", cccc_text(name));
    else
        return;
    if (rung) {
        cccc_map_add(&map, "ts", cccc_string(rung->ts));
        cccc_map_add(&map, "event_id", cccc_string(rung->event_id));
        cccc_map_add(&map, "seq", cccc_uint(rung->seq));
        cccc_map_add(&map, "by", cccc_string(rung->by));
    }
    if (why.len > 0)
        cccc_map_add(&map, "why", cccc_string(why));
    cccc_array_add(&t->steps, map.value);
    t->state = name;
}

static cccc_str_t command(const struct telling *t, const char *words)
{
    return cccc_arena_printf(t->call->arena, "cccc %s %.*s --group %s", words, CCCC_STR_FMT(t->ladder->actor_id), t->call->group->id);
}

/* What ends what the user owes. */
static cccc_str_t user_answers(const struct telling *t)
{
    bool reply = t->owes & CCCC_OWED_REPLY;
    return cccc_arena_printf(t->call->arena, "cccc %s %llu%s --group %s", reply ? "reply" : "ack", (unsigned long long)t->all->event.seq,
                             reply ? " TEXT" : " --actor-id user", t->call->group->id);
}

/* Where to see what the recipient is doing. */
static cccc_str_t look_at_it(const struct telling *t)
{
    const struct cccc_runtime *runtime = runtime_find(t->call->group, t->ladder->actor_id);
    if (cccc_str_is(t->ladder->actor_id, "user"))
        return user_answers(t);
    if (runtime && runtime->phase == RUNTIME_RUNNING)
        return command(t, "actor attach");
    const struct cccc_actor *actor = config_actor(t->call->group, t->ladder->actor_id);
    if (runtime && runtime_lives(runtime))
        return command(t, "actor show");
    return actor && runtime_has_terminal(actor) ? command(t, "actor start") : command(t, "obligations --actor");
}

/* What it still owes, as the end of a sentence. */
static const char *still_owed(const struct telling *t)
{
    return t->owes & CCCC_OWED_REPLY ? "; the reply is still owed" : t->owes ? "; the acknowledgement is still owed" : "";
}

static void tell_that(struct telling *t, cccc_str_t next, cccc_str_t what, const struct cccc_rung *rung)
{
    t->next = next;
    t->sentence = cccc_arena_printf(t->call->arena, "%.*s at %.*s (event %llu)%s.", CCCC_STR_FMT(what), CCCC_STR_FMT(rung->ts),
                                    (unsigned long long)rung->seq, still_owed(t));
}

/* The recipient is the subject of the sentence. */
static void tell(struct telling *t, cccc_str_t next, const char *what, const struct cccc_rung *rung)
{
    tell_that(t, next, cccc_arena_printf(t->call->arena, "%.*s %s", CCCC_STR_FMT(t->ladder->actor_id), what), rung);
}

/* Others may move a cursor: the broker, where typing counts as reading and when it takes over what CCCC 0.4.0 had, and whoever may see the inbox. */
static void tell_read(struct telling *t, cccc_str_t next)
{
    const struct cccc_ladder *l = t->ladder;
    cccc_str_t what;
    if (cccc_str_eq(l->read.by, l->actor_id))
        what = cccc_arena_printf(t->call->arena, "%.*s marked it as read", CCCC_STR_FMT(l->actor_id));
    else if (!cccc_str_is(l->read.by, "system"))
        what = cccc_arena_printf(t->call->arena, "%.*s marked it as read for %.*s", CCCC_STR_FMT(l->read.by), CCCC_STR_FMT(l->actor_id));
    else if (l->claimed.seq)
        what = cccc_arena_printf(t->call->arena, "for %.*s it counts as read since it was typed (auto_mark_on_delivery),",
                                 CCCC_STR_FMT(l->actor_id));
    else
        what = cccc_arena_printf(t->call->arena, "%.*s had read it in CCCC 0.4.0, whose cursor was taken over", CCCC_STR_FMT(l->actor_id));
    tell_that(t, next, what, &l->read);
}

/* It left, and another of that name may be there: no command of today's tells anything about it. */
static void tell_left(struct telling *t)
{
    const struct cccc_rung *left = &t->ladder->left;
    bool again = config_actor(t->call->group, t->ladder->actor_id) != NULL;
    step(t, "left", left, CCCC_STR(""));
    t->next = CCCC_STR("");
    t->sentence = cccc_arena_printf(t->call->arena, "%.*s had not marked it as read when it left the group at %.*s (event %llu)%s.",
                                    CCCC_STR_FMT(t->ladder->actor_id), CCCC_STR_FMT(left->ts), (unsigned long long)left->seq,
                                    again ? "; the one of today joined later and does not get it" : "");
}

/* It was claimed for an actor that left since, and perhaps came anew: nobody will ever say what came of it. */
static bool is_abandoned(const struct telling *t)
{
    const struct cccc_runtime *runtime = runtime_entry(t->call->group, t->ladder->actor_id);
    bool whole = !t->all->partial && !t->all->gaps;
    return whole && t->ladder->delivery == DELIVERY_CLAIMED && !(runtime && cccc_str_is(t->ladder->delivery_id, runtime->delivery.id));
}

static void tell_delivery(struct telling *t)
{
    const struct cccc_ladder *l = t->ladder;
    const struct cccc_rung *rung = l->outcome.seq ? &l->outcome : &l->claimed;
    if (is_abandoned(t)) {
        tell(t, CCCC_STR(""), "left the group while it was being typed, and may have got it or a part of it: it was claimed", rung);
        return;
    }
    static const char *const sentences[] = {
        [DELIVERY_CLAIMED] = "is having it typed into its terminal: it was claimed",
        [DELIVERY_ACCEPTED] = "had it typed into its terminal, and nothing says yet that it was read,",
        [DELIVERY_FAILED] = "did not get it typed, and it is tried again: typing failed",
        [DELIVERY_AMBIGUOUS] = "may have got it or a part of it, and it is not typed again by itself: nobody knows since",
    };
    bool gave_up = l->left.seq && l->delivery == DELIVERY_FAILED;
    tell(t, l->left.seq ? CCCC_STR("") : look_at_it(t),
         gave_up ? "did not get it typed before it left the group: typing failed" : sentences[l->delivery], rung);
    if (l->reason.len > 0 && l->delivery != DELIVERY_ACCEPTED)
        t->sentence = cccc_arena_printf(t->call->arena, "%.*s The reason: %.*s.", CCCC_STR_FMT(t->sentence), CCCC_STR_FMT(l->reason));
}

/* Nobody took it yet: what will happen. */
static void tell_outlook(struct telling *t)
{
    call_t *call = t->call;
    const struct cccc_event *event = &t->all->event;
    struct cccc_outlook out;
    bool notice = t->all->kind == CCCC_KIND_SYSTEM_NOTIFY;
    enum cccc_lane lane = notice ? CCCC_LANE_NOTIFY : CCCC_LANE_CHAT;
    const struct cccc_runtime *runtime = runtime_find(call->group, t->ladder->actor_id);
    const struct cccc_actor *actor = config_actor(call->group, t->ladder->actor_id);
    const struct cccc_reader *reader = reader_find(call->group, t->ladder->actor_id);
    bool queued = actor && runtime && runtime_has_terminal(actor) && unread_has(&runtime->queue[lane], event->seq);
    outlook_of(call, call->group, t->ladder->actor_id, lane, queued, &out);
    outlook_guarded(call, call->group, event->by, t->ladder->actor_id, t->ladder->guard, &out);
    if (t->ladder->guard == GUARD_HELD) {
        step(t, "held", NULL, out.why);
        t->next = out.next;
        t->sentence =
            cccc_arena_printf(call->arena, "%.*s does not get it: %.*s.", CCCC_STR_FMT(t->ladder->actor_id), CCCC_STR_FMT(out.why));
        return;
    }
    if (queued)
        step(t, "queued", NULL, out.why);
    t->next = t->owes && cccc_str_is(t->ladder->actor_id, "user") ? user_answers(t) : out.next;
    bool unread = reader && unread_has(&reader->unread[lane], event->seq);
    const char *place = queued || !unread ? "" : " and it waits in the inbox";
    t->sentence = cccc_arena_printf(call->arena, "%.*s has not read it: %.*s%s%s.", CCCC_STR_FMT(t->ladder->actor_id),
                                    CCCC_STR_FMT(out.why), place, still_owed(t));
}

/* The highest rung decides the sentence; all that were reached are steps, in their order. */
static void tell_all(struct telling *t)
{
    static const char *const outcomes[] = {
        [DELIVERY_ACCEPTED] = "handed", [DELIVERY_FAILED] = "failed", [DELIVERY_AMBIGUOUS] = "ambiguous"};
    const struct cccc_ladder *l = t->ladder;
    const struct cccc_event *event = &t->all->event;
    const struct cccc_rung stored = {event->seq, event->id, event->ts, event->by};
    cccc_str_t none = CCCC_STR("");
    step(t, "stored", &stored, none);
    bool taken = l->claimed.seq || l->read.seq || l->acked.seq || l->replied.seq || l->recalled.seq || l->released.seq;
    if (!taken && l->left.seq)
        tell_left(t);
    else if (!taken)
        tell_outlook(t);
    if (l->claimed.seq)
        tell_delivery(t);
    if (l->read.seq)
        tell_read(t, t->owes ? look_at_it(t) : none);
    if (l->cancelled.seq)
        tell(t, none, "owes nothing for it since what it asked was cancelled", &l->cancelled);
    if (l->recalled.seq)
        tell(t, none, "was never handed it, and had not marked it as read, when it was withdrawn", &l->recalled);
    if (l->released.seq)
        tell(t,
             cccc_arena_printf(t->call->arena, "cccc why %llu %.*s --group %s", (unsigned long long)l->released.seq,
                               CCCC_STR_FMT(l->actor_id), t->call->group->id),
             "did not get it until the user released it, as a copy,", &l->released);
    if (l->acked.seq)
        tell(t, t->owes ? look_at_it(t) : none, "acknowledged it", &l->acked);
    if (l->replied.seq)
        tell(t,
             cccc_arena_printf(t->call->arena, "cccc tail --from %llu -n 1 --group %s", (unsigned long long)l->replied.seq,
                               t->call->group->id),
             "replied", &l->replied);
    step(t, "claimed", &l->claimed, none);
    step(t, outcomes[l->outcome.seq ? l->delivery : DELIVERY_ACCEPTED], &l->outcome, l->reason);
    step(t, "read", &l->read, none);
    step(t, "cancelled", &l->cancelled, none);
    step(t, "recalled", &l->recalled, none);
    step(t, "released", &l->released, none);
    step(t, "acknowledged", &l->acked, none);
    step(t, "replied", &l->replied, none);
}

static cccc_value_t recipient_row(call_t *call, const struct cccc_ladders *all, const struct cccc_ladder *ladder)
{
    struct telling t = {.call = call, .all = all, .ladder = ladder, .steps = cccc_array_builder(call->arena, 6)};
    t.owes = obligations_owed(call->group, ladder->actor_id, all->event.id);
    tell_all(&t);
    cccc_builder_t row = cccc_map_builder(call->arena, 6);
    cccc_map_add(&row, "actor_id", cccc_string(ladder->actor_id));
    cccc_map_add(&row, "state", cccc_text(t.state));
    cccc_map_add(&row, "sentence", cccc_string(t.sentence));
    cccc_map_add(&row, "next", cccc_string(t.next));
    cccc_map_add(&row, "owes", obligations_words(call->arena, t.owes));
    cccc_map_add(&row, "steps", t.steps.value);
    return row.value;
}

static void why_answer(call_t *call)
{
    const struct cccc_ladders *all = call->state;
    cccc_builder_t result = cccc_map_builder(call->arena, 8), rows = cccc_array_builder(call->arena, all->count);
    for (uint32_t i = 0; i < all->count; i++)
        cccc_array_add(&rows, recipient_row(call, all, &all->of[i]));
    cccc_map_add(&result, "event_id", cccc_string(all->event.id));
    cccc_map_add(&result, "seq", cccc_uint(all->event.seq));
    cccc_map_add(&result, "ts", cccc_string(all->event.ts));
    cccc_map_add(&result, "by", cccc_string(all->event.by));
    cccc_map_add(&result, "recipients", rows.value);
    cccc_map_add(&result, "partial", cccc_bool(all->partial || all->gaps));
    cccc_map_add(&result, "checked_seq", cccc_uint(all->checked_seq));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

void op_why(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    struct cccc_climb climb = {.event_id = cccc_arg_str(args, CCCC_A_why_event_id),
                               .only = cccc_arg_str(args, CCCC_A_why_actor_id),
                               .reads_max = READS_MAX,
                               .then = why_answer};
    if (call_group(call, CCCC_A_why_group_id))
        ladders_begin(call, climb, NULL);
}
