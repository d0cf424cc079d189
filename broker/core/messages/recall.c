/* recall.c - op recall: a message is withdrawn from those who have not taken it.
 *
 * The rule: it wins over a recipient iff no claimed delivery, read, acknowledgement or reply of theirs precedes it in the ledger. The chat.recall event names
 * those it won over; for them the message is unread no more, is not typed, and asks for nothing. Over the others it changes nothing.
 * Who left the group has it no more to be withdrawn from, and an actor that came later under its name never had it: neither is named.
 * What is decided and not durable yet counts as preceding; and while a recall is on its way to the disk, nothing is claimed (recall_holds).
 * Messages that expire are recalled by the broker, by the same rule (expiries.c).
 * Thread: the core's. */
#include "broker/core/guards/guards.h"
#include "broker/core/messages/expiries.h"
#include "broker/mutant.h"

/* ---- the fold ---- */

void recall_apply(struct cccc_group *group, const struct cccc_event *event)
{
    const cccc_value_t *ids = cccc_get(&event->data, "actor_ids");
    cccc_str_t event_id = cccc_get_str(&event->data, "event_id"), id;
    uint64_t seq = cccc_get_uint(&event->data, "seq", 0);
    for (uint32_t i = 0; cccc_is_array(ids) && i < ids->via.array.size; i++) {
        struct cccc_reader *reader = cccc_as_str(&ids->via.array.ptr[i], &id) ? reader_find(group, id) : NULL;
        if (!reader)
            continue;
        guards_recalled(group, id, seq);
        unread_remove(&reader->unread[CCCC_LANE_CHAT], seq);
        if (reader->runtime)
            unread_remove(&reader->runtime->queue[CCCC_LANE_CHAT], seq);
        obligations_replied(group, id, event_id);
    }
    expiry_recalled(group, seq);
}

/* ---- deciding ---- */

struct recall {
    cccc_str_t reason;
    bool expired; /* the broker recalls it */
    cccc_builder_t won, lost;
    uint64_t lost_seq; /* the newest event by which it was lost, or by which somebody left */
    struct cccc_pending *decided;
};

static const char *const deliveries[] = {
    [DELIVERY_CLAIMED] = "claimed", [DELIVERY_ACCEPTED] = "handed", [DELIVERY_FAILED] = "failed", [DELIVERY_AMBIGUOUS] = "ambiguous"};

/* What of theirs precedes the recall; NULL: nothing. */
static const char *taken_by(const struct cccc_ladder *l, const struct cccc_rung **rung)
{
    const struct {
        const char *step;
        const struct cccc_rung *rung;
    } steps[] = {{"replied", &l->replied},   {"acknowledged", &l->acked},
                 {"read", &l->read},         {deliveries[l->delivery], l->outcome.seq ? &l->outcome : &l->claimed},
                 {"recalled", &l->recalled}, {"released", &l->released}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        *rung = steps[i].rung;
        if (steps[i].rung->seq > 0)
            return steps[i].step;
    }
    return NULL;
}

static void judge(call_t *call, const struct cccc_ladders *all, struct recall *r)
{
    r->won = cccc_array_builder(call->arena, all->count);
    r->lost = cccc_array_builder(call->arena, all->count);
    for (uint32_t i = 0; i < all->count; i++) {
        const struct cccc_rung *rung;
        const char *step = taken_by(&all->of[i], &rung);
        if (!step && all->of[i].left.seq > 0) {
            r->lost_seq = all->of[i].left.seq > r->lost_seq ? all->of[i].left.seq : r->lost_seq;
            continue;
        }
        if (!step) {
            cccc_array_add(&r->won, cccc_string(all->of[i].actor_id));
            continue;
        }
        r->lost_seq = rung->seq > r->lost_seq ? rung->seq : r->lost_seq;
        cccc_builder_t row = cccc_map_builder(call->arena, 4);
        cccc_map_add(&row, "actor_id", cccc_string(all->of[i].actor_id));
        cccc_map_add(&row, "step", cccc_text(step));
        cccc_map_add(&row, "ts", cccc_string(rung->ts));
        cccc_map_add(&row, "event_id", cccc_string(rung->event_id));
        cccc_array_add(&r->lost, row.value);
    }
}

static void recall_answer(call_t *call)
{
    const struct cccc_ladders *all = call->state;
    const struct recall *r = all->own;
    if (call->conn == 0) {
        call_finish(call);
        return;
    }
    cccc_buf_t *out = call_reply_begin(call, 4);
    cccc_pack_text(out, "recalled");
    cccc_pack_value(out, &r->won.value);
    cccc_pack_text(out, "lost");
    cccc_pack_value(out, &r->lost.value);
    cccc_pack_text(out, "event");
    if (r->decided)
        cccc_buf_put(out, r->decided->wire->data, r->decided->wire->len);
    else
        cccc_pack_nil(out);
    cccc_pack_text(out, "as_of_seq");
    cccc_pack_uint(out, call->group->head_seq);
    call_reply_end(call, out);
}

static void give_up(call_t *call, cccc_err_t err, const char *why)
{
    if (call->conn == 0)
        call_finish(call); /* the broker tries again */
    else
        call_fail(call, err, "%s", why);
}

static void recall_ended(call_t *call)
{
    const struct cccc_ladders *all = call->state;
    expiry_ended(call->core, call->group, all->event.seq);
}

static cccc_err_t recall_write(call_t *call, const struct cccc_ladders *all, struct recall *r)
{
    struct cccc_errmsg why;
    cccc_builder_t data = cccc_map_builder(call->arena, 5);
    cccc_map_add(&data, "event_id", cccc_string(all->event.id));
    cccc_map_add(&data, "seq", cccc_uint(all->event.seq));
    cccc_map_add(&data, "actor_ids", r->won.value);
    cccc_map_add(&data, "reason", cccc_string(r->reason));
    cccc_map_add(&data, "expired", cccc_bool(r->expired));
    cccc_str_t by = r->expired ? CCCC_STR("system") : call->by;
    cccc_err_t err = call_append(call, call->group, CCCC_KIND_CHAT_RECALL, by, CCCC_STR(""), data.value, recall_answer, &why);
    if (err) {
        give_up(call, err, why.text);
        return err;
    }
    r->decided = call->appended;
    expiry_decided(call->group, all->event.seq);
    call->ended = recall_ended;
    for (uint32_t i = 0; i < r->won.value.via.array.size; i++) {
        cccc_str_t id = CCCC_STR("");
        cccc_as_str(&r->won.value.via.array.ptr[i], &id);
        guards_recalls(call->group, all->event.by, id, all->event.seq, r->decided->event.seq);
    }
    return CCCC_OK;
}

cccc_err_t recall_expired(call_t *call, struct cccc_ladders *all)
{
    struct recall *r = cccc_arena_alloc(call->arena, sizeof *r);
    *r = (struct recall){.reason = CCCC_STR("it expired"), .expired = true};
    all->own = r;
    call->state = all;
    ladders_take_pending(call, all);
    judge(call, all, r);
    return recall_write(call, all, r);
}

static void recall_climbed(call_t *call)
{
    struct cccc_ladders *all = call->state;
    struct recall *r = all->own;
    if (all->gaps || all->partial) {
        give_up(call, CCCC_E_DAMAGED,
                "a part of the ledger behind the message cannot be read, so nobody knows who has taken it; nothing was recalled");
        return;
    }
    if (!CCCC_MUTANT_IS(RECALL_BLIND))
        ladders_take_pending(call, all);
    judge(call, all, r);
    struct cccc_pending *pending = r->lost_seq > call->group->head_seq ? group_pending(call->group, r->lost_seq) : NULL;
    if (r->won.value.via.array.size > 0)
        recall_write(call, all, r);
    else if (pending)
        call_wait(call, pending, recall_answer); /* what the answer names is durable, or the answer is that nobody knows */
    else
        recall_answer(call);
}

static void recall_found(call_t *call)
{
    const struct cccc_ladders *all = call->state;
    if (all->kind != CCCC_KIND_CHAT_MESSAGE)
        call_fail(call, CCCC_E_INVALID_EVENT_KIND, "event %.*s is a notice; only messages are recalled", CCCC_STR_FMT(all->climb.event_id));
    else if (!cccc_str_is(call->by, "user") && !cccc_str_eq(call->by, all->event.by))
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: only its sender %.*s or the user recalls message %.*s",
                  CCCC_STR_FMT(all->event.by), CCCC_STR_FMT(all->climb.event_id));
    else
        recall_climbed(call);
}

void op_recall(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_recall_group_id) || !permit_by(call, call->group, cccc_arg_str(args, CCCC_A_recall_by), "user"))
        return;
    struct recall *r = cccc_arena_alloc(call->arena, sizeof *r);
    *r = (struct recall){.reason = cccc_arg_str(args, CCCC_A_recall_reason)};
    ladders_begin(call, (struct cccc_climb){.event_id = cccc_arg_str(args, CCCC_A_recall_event_id), .then = recall_found}, r);
}

/* ---- time ---- */

static bool recall_is_pending(const struct cccc_group *group)
{
    for (const struct cccc_pending *p = group->pending; p; p = p->next)
        if (p->kind == CCCC_KIND_CHAT_RECALL)
            return true;
    return false;
}

bool recall_holds(const struct cccc_core *core, const struct cccc_group *group, const struct cccc_unread *queue, const uint64_t *seqs,
                  uint32_t count)
{
    if (recall_is_pending(group))
        return true;
    for (uint32_t i = 0; i < count; i++) {
        bool waiting = false;
        for (int lane = 0; lane < CCCC_LANES; lane++)
            waiting |= unread_has(&queue[lane], seqs[i]);
        if (!waiting)
            return true;
        if (expiry_is_due(core, group, seqs[i]))
            return true;
    }
    return false;
}
