/* delivery.c - messages on their way into an actor's terminal: when, which, and what became of them (HOLD.md, Delivery; reference 6).
 *
 * The queue is a fold: messages and notifications put seqs in, a claim takes them out, a failure lets them be claimed again. A claim is durable before the holder
 * hears of it, and is settled once by its outcome; what cannot be known is ambiguous and never typed again by itself.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/runtime/runtime.h"
#include "broker/core/snapshot.h"
#include "broker/mutant.h"

#include <stdio.h>
#include <stdlib.h>

/* Microseconds. */
#define SECOND        1000000ULL
#define HANDOVER_MAX  (5 * SECOND)
#define RETRY_FIRST_S 5
/* An agent that was told its first words draws another view, and some lose what comes meanwhile (reference 6.3). */
#define PREAMBLE_PAUSE (2 * SECOND)

static const char *const state_words[] = {
    [DELIVERY_CLAIMED] = "claimed", [DELIVERY_ACCEPTED] = "accepted", [DELIVERY_FAILED] = "failed", [DELIVERY_AMBIGUOUS] = "ambiguous"};

/* ---- the fold ---- */

static void note_seqs(struct cccc_delivery *d, const cccc_value_t *seqs)
{
    uint32_t count = cccc_is_array(seqs) ? seqs->via.array.size : 0;
    count = count < CCCC_DELIVERY_EVENTS_MAX ? count : CCCC_DELIVERY_EVENTS_MAX;
    free(d->seqs);
    d->seqs = calloc(count + 1, sizeof *d->seqs);
    CCCC_ASSERT(d->seqs, "(out of memory)");
    d->count = 0;
    for (uint32_t i = 0; i < count; i++)
        d->count += cccc_as_uint(&seqs->via.array.ptr[i], &d->seqs[d->count]);
}

static void apply_claim(struct cccc_runtime *runtime, const struct cccc_event *event)
{
    struct cccc_delivery *d = &runtime->delivery;
    const cccc_value_t *through = cccc_get(&event->data, "through");
    bool again = cccc_get_bool(&event->data, "again", false);
    note_seqs(d, cccc_get(&event->data, "seqs"));
    d->failures = again ? d->failures : 0;
    d->state = DELIVERY_CLAIMED;
    d->generation = cccc_get_uint(&event->data, "generation", 0);
    snprintf(d->id, sizeof d->id, "%.*s", CCCC_STR_FMT(event->id));
    for (int lane = 0; lane < CCCC_LANES; lane++)
        unread_drop_through(&runtime->queue[lane], cccc_get_uint(through, lane_words[lane], 0));
}

void delivery_apply(struct cccc_group *group, struct cccc_runtime *runtime, const struct cccc_event *event)
{
    (void)group;
    struct cccc_delivery *d = &runtime->delivery;
    cccc_str_t state = cccc_get_str(&event->data, "state");
    cccc_str_t reason = cccc_get_str(&event->data, "reason");
    if (cccc_str_is(state, "claimed")) {
        apply_claim(runtime, event);
    } else if (cccc_str_is(cccc_get_str(&event->data, "delivery_id"), d->id)) {
        for (int s = DELIVERY_ACCEPTED; s <= DELIVERY_AMBIGUOUS; s++)
            if (cccc_str_is(state, state_words[s]))
                d->state = (enum delivery_state)s;
        d->failures = d->state == DELIVERY_FAILED ? d->failures + 1 : 0;
    }
    snprintf(d->ts, sizeof d->ts, "%.*s", CCCC_STR_FMT(event->ts));
    snprintf(d->reason, sizeof d->reason, "%.*s", CCCC_STR_FMT(reason));
}

/* ---- the snapshot ---- */

void delivery_save(const struct cccc_delivery *d, cccc_buf_t *out)
{
    cccc_pack_array(out, 7);
    cccc_pack_uint(out, d->state);
    cccc_pack_text(out, d->id);
    cccc_pack_uint(out, d->generation);
    cccc_pack_uint(out, d->failures);
    cccc_pack_text(out, d->ts);
    cccc_pack_text(out, d->reason);
    cccc_pack_array(out, d->count);
    for (uint32_t i = 0; i < d->count; i++)
        cccc_pack_uint(out, d->seqs[i]);
}

bool delivery_load(struct cccc_delivery *d, const cccc_value_t *v)
{
    const cccc_value_t *row = snapshot_row(v, 7);
    uint64_t state, failures;
    if (!row || !cccc_as_uint(&row[0], &state) || state > DELIVERY_AMBIGUOUS || !snapshot_text(&row[1], d->id, sizeof d->id) ||
        !cccc_as_uint(&row[2], &d->generation) || !cccc_as_uint(&row[3], &failures) || failures > UINT32_MAX ||
        !snapshot_text(&row[4], d->ts, sizeof d->ts) || !snapshot_text(&row[5], d->reason, sizeof d->reason) || !cccc_is_array(&row[6]))
        return false;
    d->state = (enum delivery_state)state;
    d->failures = (uint32_t)failures;
    if (d->state != DELIVERY_NONE)
        note_seqs(d, &row[6]);
    return true;
}

/* ---- when ---- */

uint64_t delivery_throttled_until_us(const struct cccc_group *group, const struct cccc_runtime *runtime)
{
    return runtime->delivered_us ? runtime->delivered_us + setting_number("min_interval_seconds", &group->document) * SECOND : 0;
}

static uint64_t retry_us(uint32_t failures)
{
    uint64_t seconds = RETRY_FIRST_S;
    while (failures-- > 0 && seconds < CCCC_DELIVERY_RETRY_S_MAX)
        seconds *= 2;
    return (seconds < CCCC_DELIVERY_RETRY_S_MAX ? seconds : CCCC_DELIVERY_RETRY_S_MAX) * SECOND;
}

/* The pending runtime.delivery with that seq, NULL when it is durable or was lost. */
static struct cccc_pending *pending_step(const struct cccc_group *group, uint64_t seq)
{
    struct cccc_pending *p = seq > group->head_seq ? group_pending(group, seq) : NULL;
    return p && p->kind == CCCC_KIND_RUNTIME_DELIVERY ? p : NULL;
}

/* May what was claimed be claimed again? */
static bool is_owed(const struct cccc_delivery *d)
{
    return d->state == DELIVERY_FAILED || (CCCC_MUTANT_IS(AMBIGUOUS_RETRIED) && d->state == DELIVERY_AMBIGUOUS);
}

static bool is_due(const struct cccc_core *core, const struct cccc_group *group, const struct cccc_runtime *runtime)
{
    const struct cccc_delivery *d = &runtime->delivery;
    bool waiting = is_owed(d) || runtime->queue[CCCC_LANE_CHAT].count > 0 ||
                   (runtime->queue[CCCC_LANE_NOTIFY].count > 0 && group->config.state == CCCC_GROUP_ACTIVE);
    return waiting && runtime->phase == RUNTIME_RUNNING && runtime->ready && !runtime->obstacle[0] && d->state != DELIVERY_CLAIMED &&
           group->config.running && group->config.state != CCCC_GROUP_PAUSED && !group->read_only && !group->offline && !core->stopping &&
           core->now->mono_us >= runtime->handover_us && core->now->mono_us >= runtime->next_delivery_us &&
           !pending_step(group, runtime->claim_seq) && core->now->mono_us >= delivery_throttled_until_us(group, runtime);
}

/* ---- from queue to order ---- */

struct handover {
    cccc_str_t actor_id;
    uint64_t generation;
    bool again, resumed;
    uint64_t seqs[CCCC_DELIVERY_EVENTS_MAX];
    uint32_t count;
    uint64_t through[CCCC_LANES];
    struct cccc_event events[CCCC_DELIVERY_EVENTS_MAX];
    char id[33];
};

static struct cccc_runtime *still_wanted(call_t *call)
{
    const struct handover *h = call->state;
    struct cccc_group *group = call->group;
    struct cccc_runtime *runtime = group->deleted || group->folding ? NULL : runtime_find(group, h->actor_id);
    return runtime && runtime->current == h->generation && runtime->phase == RUNTIME_RUNNING ? runtime : NULL;
}

/* `brief`: what is typed instead where the text is longer than a line the terminal takes; "" = nothing is. */
static void order_typing(call_t *call, struct cccc_runtime *runtime, const char *id, cccc_str_t text, cccc_str_t brief)
{
    const struct cccc_actor *actor = config_actor(call->group, cccc_str(runtime->id));
    cccc_arena_t *arena = cccc_arena_new(text.len + 1024);
    cccc_builder_t map = cccc_map_builder(arena, 5);
    cccc_str_t submit = actor ? cccc_get_str(actor->entry, "submit") : CCCC_STR("");
    cccc_map_add(&map, "order", cccc_text("type"));
    cccc_map_add(&map, "text", cccc_string(cccc_arena_str(arena, text)));
    if (brief.len > 0)
        cccc_map_add(&map, "brief", cccc_string(cccc_arena_str(arena, brief)));
    cccc_map_add(&map, "submit", submit.len ? cccc_string(cccc_arena_str(arena, submit)) : cccc_text("enter"));
    holder_order(call->core, runtime, id, arena, &map, NULL);
}

static void hand_over(call_t *call)
{
    const struct handover *h = call->state;
    struct cccc_runtime *runtime = still_wanted(call);
    if (runtime && cccc_str_is(cccc_str(h->id), runtime->delivery.id))
        order_typing(call, runtime, h->id, render_delivery(call->arena, h->events, h->count),
                     render_brief(call->arena, h->events, h->count));
    call_finish(call);
}

static void claimed(call_t *call)
{
    struct handover *h = call->state;
    snprintf(h->id, sizeof h->id, "%.*s", CCCC_STR_FMT(call->appended->event.id));
    hand_over(call);
}

static void claim(call_t *call, struct cccc_runtime *runtime)
{
    const struct handover *h = call->state;
    struct cccc_errmsg m;
    cccc_builder_t data = cccc_map_builder(call->arena, 6), seqs = cccc_array_builder(call->arena, h->count),
                   through = cccc_map_builder(call->arena, 2);
    for (uint32_t i = 0; i < h->count; i++)
        cccc_array_add(&seqs, cccc_uint(h->seqs[i]));
    for (int lane = 0; lane < CCCC_LANES; lane++)
        if (h->through[lane] > 0)
            cccc_map_add(&through, lane_words[lane], cccc_uint(h->through[lane]));
    cccc_map_add(&data, "actor_id", cccc_string(h->actor_id));
    cccc_map_add(&data, "generation", cccc_uint(h->generation));
    cccc_map_add(&data, "state", cccc_text("claimed"));
    cccc_map_add(&data, "seqs", seqs.value);
    cccc_map_add(&data, "through", through.value);
    if (h->again)
        cccc_map_add(&data, "again", cccc_bool(true));
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_RUNTIME_DELIVERY, CCCC_STR("system"), CCCC_STR(""), data.value, claimed, &m);
    if (err == CCCC_OK)
        runtime->claim_seq = call->appended->event.seq;
    if (err == CCCC_OK && CCCC_MUTANT_IS(CLAIM_TOLD_EARLY)) {
        char id[33];
        snprintf(id, sizeof id, "%.*s", CCCC_STR_FMT(call->appended->event.id));
        order_typing(call, runtime, id, CCCC_STR("early"), CCCC_STR(""));
    }
    if (err != CCCC_OK)
        call_finish(call); /* the tick tries again */
}

/* What was read is what is claimed: as much as fits in one piece. */
static void read_for_handover(call_t *call)
{
    struct handover *h = call->state;
    struct cccc_runtime *runtime = still_wanted(call);
    uint32_t wanted = h->count, read = 0;
    if (!runtime || call->read->err != CCCC_OK) {
        call_finish(call);
        return;
    }
    while (read < wanted && call_read_event(call, read, &h->events[read]))
        read++;
    if (h->resumed) {
        h->count = read;
        hand_over(call);
        return;
    }
    bool complete = read == wanted || (call->read->more && !h->again && read > 0);
    if (!complete && call->read->gap_count == 0) {
        call_finish(call);
        return;
    }
    if (call->read->more && !h->again) { /* the rest waits for the next one */
        uint64_t last = h->events[read - 1].seq;
        for (int lane = 0; lane < CCCC_LANES; lane++)
            h->through[lane] = h->through[lane] < last ? h->through[lane] : last;
        while (h->count > 0 && h->seqs[h->count - 1] > last)
            h->count--;
    }
    if (!h->again && recall_holds(call->core, call->group, runtime->queue, h->seqs, h->count)) {
        runtime->handover_us = 0; /* what is left is chosen anew */
        call_finish(call);
    } else if (runtime->delivery.state == DELIVERY_CLAIMED || pending_step(call->group, runtime->claim_seq)) {
        call_finish(call);
    } else {
        claim(call, runtime);
    }
}

static void read_seqs(call_t *call, call_next_fn next)
{
    const struct handover *h = call->state;
    struct cccc_read_query query = {
        .mode = CCCC_READ_SEQS, .seqs = h->seqs, .seq_count = h->count, .limit = h->count, .bytes_max = CCCC_DELIVERY_BYTES_MAX};
    call_read(call, call->group, &query, next);
}

static call_t *handover_call(struct cccc_core *core, struct cccc_group *group, const struct cccc_runtime *runtime)
{
    call_t *call = core_call(core);
    struct handover *h = cccc_arena_alloc(call->arena, sizeof *h);
    memset(h, 0, sizeof *h);
    h->actor_id = cccc_arena_str(call->arena, cccc_str(runtime->id));
    h->generation = runtime->current;
    call->group = group;
    call->state = h;
    return call;
}

/* The oldest of the lanes that may be handed over, merged; through[] says how far each goes. */
static void choose(const struct cccc_group *group, const struct cccc_runtime *runtime, struct handover *h)
{
    uint64_t lanes[CCCC_LANES][CCCC_DELIVERY_EVENTS_MAX];
    uint32_t counts[CCCC_LANES], at[CCCC_LANES] = {0};
    for (int lane = 0; lane < CCCC_LANES; lane++)
        counts[lane] = unread_peek(&runtime->queue[lane], lanes[lane], CCCC_DELIVERY_EVENTS_MAX);
    if (group->config.state != CCCC_GROUP_ACTIVE)
        counts[CCCC_LANE_NOTIFY] = 0;
    while (h->count < CCCC_DELIVERY_EVENTS_MAX) {
        int next = -1;
        for (int lane = 0; lane < CCCC_LANES; lane++)
            if (at[lane] < counts[lane] && (next < 0 || lanes[lane][at[lane]] < lanes[next][at[next]]))
                next = lane;
        if (next < 0)
            break;
        h->through[next] = lanes[next][at[next]++];
        h->seqs[h->count++] = h->through[next];
    }
}

/* ---- the preamble: once per generation, as an order of its own ---- */

/* A try that failed was not typed; the next one is another order, for an order is carried out once. */
static void order_preamble(call_t *call)
{
    struct cccc_runtime *runtime = still_wanted(call);
    const struct cccc_actor *actor = runtime ? config_actor(call->group, cccc_str(runtime->id)) : NULL;
    const cccc_value_t *own = call->stored.err == CCCC_OK ? cccc_get(call->stored.value, "text") : NULL;
    cccc_str_t words = CCCC_STR("");
    char id[33];
    cccc_as_str(own, &words);
    if (call->stored.err != CCCC_OK)
        core_log(call->core, 4, "PREAMBLE-NOT-READ", "a group's own preamble could not be read; the built-in one is typed group=%s why=%s",
                 call->group->id, call->stored.message);
    if (actor) {
        snprintf(id, sizeof id, "p%llu.%u", (unsigned long long)runtime->current, runtime->preamble_tries);
        order_typing(call, runtime, id, render_preamble(call->arena, call->group, actor, words), CCCC_STR(""));
    }
    call_finish(call);
}

/* True when the messages have to wait for it. */
static bool preamble_first(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime)
{
    if (runtime->preamble == PREAMBLE_DONE)
        return false;
    if (runtime->preamble == PREAMBLE_ASKED)
        return true;
    runtime->preamble = PREAMBLE_ASKED;
    call_t *call = handover_call(core, group, runtime);
    struct cccc_store store = {.kind = CCCC_STORE_PROMPT, .arena = cccc_arena_new(512), .name = CCCC_STR("CCCC_PREAMBLE.md")};
    store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.document = cccc_nil();
    call_store(call, &store, order_preamble);
    return true;
}

/* What kept the holder from typing, until it does. */
static void note_refusal(struct cccc_runtime *runtime, const cccc_value_t *report)
{
    bool failed = cccc_str_is(cccc_get_str(report, "outcome"), state_words[DELIVERY_FAILED]);
    cccc_str_t reason = failed ? cccc_get_str(report, "reason") : CCCC_STR("");
    snprintf(runtime->refusal, sizeof runtime->refusal, "%.*s", CCCC_STR_FMT(reason));
}

void delivery_preamble(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, const cccc_value_t *report)
{
    const struct cccc_actor *actor = config_actor(group, cccc_str(runtime->id));
    bool again = cccc_str_is(cccc_get_str(report, "outcome"), state_words[DELIVERY_FAILED]);
    runtime->preamble = again ? PREAMBLE_OWED : PREAMBLE_DONE;
    note_refusal(runtime, report);
    if (cccc_str_is(cccc_get_str(report, "outcome"), state_words[DELIVERY_AMBIGUOUS]))
        core_log(core, 4, "PREAMBLE-AMBIGUOUS",
                 "an agent may not have got its first words, and is not told them again group=%s actor=%s why=%.*s", group->id, runtime->id,
                 CCCC_STR_FMT(cccc_get_str(report, "reason")));
    if (again)
        runtime->next_delivery_us = core->now->mono_us + retry_us(runtime->preamble_tries++);
    else if (actor && actor_draws(actor))
        runtime->next_delivery_us = core->now->mono_us + PREAMBLE_PAUSE;
}

/* ---- beginning ---- */

/* Claimed for a program that is no more: a claim that became durable after its end. */
static bool is_orphaned(const struct cccc_runtime *runtime)
{
    return runtime->delivery.state == DELIVERY_CLAIMED && runtime->phase != RUNTIME_UNREGISTERED &&
           (runtime->phase == RUNTIME_ABSENT || runtime->delivery.generation != runtime->current);
}

/* Claimed for the program that runs, and nobody is at it: its outcome came while the group took no events. The holder still knows, and is asked by the same order. */
static bool is_unsettled(const struct cccc_core *core, const struct cccc_group *group, const struct cccc_runtime *runtime)
{
    const struct cccc_delivery *d = &runtime->delivery;
    return d->state == DELIVERY_CLAIMED && d->generation == runtime->current && runtime->phase == RUNTIME_RUNNING && !group->read_only &&
           !group->offline && !core->stopping && core->now->mono_us >= runtime->handover_us && !pending_step(group, runtime->settle_seq);
}

void delivery_step(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime)
{
    if (is_orphaned(runtime) && !group->read_only && !group->offline)
        delivery_lost(core, group, runtime, "the program ended before anything more was heard of it");
    if (is_unsettled(core, group, runtime))
        delivery_resume(core, group, runtime);
    if (!is_due(core, group, runtime) || preamble_first(core, group, runtime))
        return;
    call_t *call = handover_call(core, group, runtime);
    struct handover *h = call->state;
    if (is_owed(&runtime->delivery)) {
        h->again = true;
        h->count = runtime->delivery.count;
        memcpy(h->seqs, runtime->delivery.seqs, h->count * sizeof *h->seqs);
    } else {
        choose(group, runtime, h);
    }
    runtime->handover_us = core->now->mono_us + HANDOVER_MAX;
    read_seqs(call, read_for_handover);
}

/* What the daemon before this one knew of when this program was last typed to, and when it may be again, is known from the ledger. */
void delivery_keep_pace(const struct cccc_core *core, struct cccc_runtime *runtime)
{
    const struct cccc_delivery *d = &runtime->delivery;
    int64_t then = 0, now = (int64_t)core->now->mono_us;
    if (d->generation != runtime->current || runtime->delivered_us || runtime->next_delivery_us || !cccc_ts_parse(cccc_str(d->ts), &then))
        return;
    int64_t age = core->now->unix_us - then;
    then = now - (age > 0 ? age : 0);
    if (then <= 0)
        return;
    if (d->state == DELIVERY_FAILED)
        runtime->next_delivery_us = (uint64_t)then + retry_us(d->failures - 1);
    else if (d->state == DELIVERY_ACCEPTED || d->state == DELIVERY_AMBIGUOUS)
        runtime->delivered_us = (uint64_t)then;
}

void delivery_resume(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime)
{
    const struct cccc_delivery *d = &runtime->delivery;
    bool ordered = false;
    for (const struct runtime_order *order = runtime->orders; order; order = order->next)
        ordered |= strcmp(order->id, d->id) == 0;
    if (d->state != DELIVERY_CLAIMED || d->generation != runtime->current || ordered)
        return;
    call_t *call = handover_call(core, group, runtime);
    struct handover *h = call->state;
    h->resumed = true;
    runtime->handover_us = core->now->mono_us + HANDOVER_MAX;
    h->count = d->count;
    memcpy(h->seqs, d->seqs, d->count * sizeof *d->seqs);
    memcpy(h->id, d->id, sizeof h->id);
    read_seqs(call, read_for_handover);
}

/* ---- what became of it ---- */

static cccc_value_t outcome_data(cccc_arena_t *arena, const struct cccc_runtime *runtime, const char *state, cccc_str_t reason,
                                 cccc_str_t evidence)
{
    cccc_builder_t data = cccc_map_builder(arena, 6);
    cccc_map_add(&data, "actor_id", cccc_string(cccc_arena_str(arena, cccc_str(runtime->id))));
    cccc_map_add(&data, "delivery_id", cccc_string(cccc_arena_str(arena, cccc_str(runtime->delivery.id))));
    cccc_map_add(&data, "generation", cccc_uint(runtime->delivery.generation));
    cccc_map_add(&data, "state", cccc_text(state));
    if (reason.len > 0)
        cccc_map_add(&data, "reason", cccc_string(cccc_arena_str(arena, reason)));
    if (evidence.len > 0)
        cccc_map_add(&data, "evidence", cccc_string(cccc_arena_str(arena, evidence)));
    return data.value;
}

/* ---- auto_mark_on_delivery: what was typed counts as read, because the group's settings say so ---- */

static void mark_lane(call_t *call, const struct handover *h, enum cccc_lane lane)
{
    const char *kind = lane == CCCC_LANE_CHAT ? "chat.message" : "system.notify";
    const struct cccc_event *last = NULL;
    struct cccc_errmsg m;
    for (uint32_t i = 0; i < h->count; i++)
        last = cccc_str_is(h->events[i].kind, kind) ? &h->events[i] : last;
    if (!last)
        return;
    cccc_builder_t lanes = cccc_array_builder(call->arena, 1), data = cccc_map_builder(call->arena, 5);
    cccc_array_add(&lanes, cccc_text(lane_words[lane]));
    cccc_map_add(&data, "actor_id", cccc_string(h->actor_id));
    cccc_map_add(&data, "event_id", cccc_string(last->id));
    cccc_map_add(&data, "seq", cccc_uint(last->seq));
    cccc_map_add(&data, "ts", cccc_string(last->ts));
    cccc_map_add(&data, "lanes", lanes.value);
    if (call_append(call, call->group, CCCC_KIND_CHAT_READ, CCCC_STR("system"), CCCC_STR(""), data.value, call_finish, &m) != CCCC_OK)
        core_log(call->core, 4, "NOT-MARKED-READ", "what was typed could not be marked as read group=%s actor=%.*s why=%s", call->group->id,
                 CCCC_STR_FMT(h->actor_id), m.text);
}

static void mark_read(call_t *call)
{
    struct handover *h = call->state;
    uint32_t read = 0;
    while (call->read->err == CCCC_OK && !call->group->deleted && read < h->count && call_read_event(call, read, &h->events[read]))
        read++;
    h->count = read;
    mark_lane(call, h, CCCC_LANE_CHAT);
    mark_lane(call, h, CCCC_LANE_NOTIFY);
    if (call->appends_open == 0)
        call_finish(call);
}

static void mark_delivered(struct cccc_core *core, struct cccc_group *group, const struct cccc_runtime *runtime)
{
    call_t *call = handover_call(core, group, runtime);
    cccc_value_t settings = settings_effective(call->arena, &group->document);
    struct handover *h = call->state;
    if (!cccc_get_bool(&settings, "auto_mark_on_delivery", false)) {
        call_finish(call);
        return;
    }
    h->count = runtime->delivery.count;
    memcpy(h->seqs, runtime->delivery.seqs, h->count * sizeof *h->seqs);
    read_seqs(call, mark_read);
}

bool delivery_report(call_t *call, struct cccc_runtime *runtime, const cccc_value_t *report, call_next_fn next)
{
    struct cccc_errmsg m;
    const struct cccc_delivery *d = &runtime->delivery;
    cccc_str_t outcome = cccc_get_str(report, "outcome");
    if (d->state != DELIVERY_CLAIMED || !cccc_str_is(cccc_get_str(report, "order_id"), d->id))
        return false;
    struct cccc_pending *told_already = pending_step(call->group, runtime->settle_seq);
    if (told_already) {
        call_wait(call, told_already, next);
        return true;
    }
    enum delivery_state state = DELIVERY_AMBIGUOUS;
    for (int s = DELIVERY_ACCEPTED; s <= DELIVERY_AMBIGUOUS; s++)
        if (cccc_str_is(outcome, state_words[s]))
            state = (enum delivery_state)s;
    cccc_value_t data =
        outcome_data(call->arena, runtime, state_words[state], cccc_get_str(report, "reason"), cccc_get_str(report, "evidence"));
    if (call_append(call, call->group, CCCC_KIND_RUNTIME_DELIVERY, CCCC_STR("system"), CCCC_STR(""), data, next, &m) != CCCC_OK)
        return false;
    runtime->settle_seq = call->appended->event.seq;
    note_refusal(runtime, report);
    if (state == DELIVERY_ACCEPTED)
        mark_delivered(call->core, call->group, runtime);
    runtime->handover_us = 0;
    if (state == DELIVERY_FAILED)
        runtime->next_delivery_us = call->core->now->mono_us + retry_us(d->failures);
    else
        runtime->delivered_us = call->core->now->mono_us;
    return true;
}

void delivery_lost(struct cccc_core *core, struct cccc_group *group, struct cccc_runtime *runtime, const char *why)
{
    struct cccc_errmsg m;
    if (runtime->delivery.state != DELIVERY_CLAIMED || group->deleted || pending_step(group, runtime->settle_seq))
        return;
    runtime->settle_seq = group->next_seq;
    cccc_arena_t *arena = cccc_arena_new(512);
    cccc_value_t data = outcome_data(arena, runtime, "ambiguous", cccc_str(why), CCCC_STR(""));
    if (core_append(core, group, CCCC_KIND_RUNTIME_DELIVERY, CCCC_STR("system"), CCCC_STR(""), data, &arena, &m) != CCCC_OK)
        core_log(core, 4, "DELIVERY-NOT-RECORDED", "the outcome of a delivery could not be recorded group=%s actor=%s why=%s", group->id,
                 runtime->id, m.text);
    cccc_arena_destroy(&arena);
}
