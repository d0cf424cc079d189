/* message_repeat.c - is this message a repeat? A client_id that was decided is found, pending or durable, sealed or not, and confirmed on the event itself (I5).
 *
 * Thread: the core's. */
#include "broker/core/messages/message.h"
#include "broker/mutant.h"
#include "proto/hex.h"

static uint64_t digest_value(call_t *call, uint64_t digest, const cccc_value_t *v)
{
    cccc_buf_t *out = &call->core->scratch;
    out->size = 0;
    cccc_pack_value(out, v);
    return cccc_hash64(digest, (cccc_str_t){out->data, out->size});
}

/* The digest of what was asked, as it was asked: a repeat is the same even when roles have changed in between. Each argument counts with its
 * place; those that were left out count nothing. */
static void digest_make(call_t *call, struct cccc_message *m)
{
    const cccc_str_t texts[] = {cccc_str(m->verb), m->text,         m->priority,     m->path,
                                m->reply_to,       m->src_group_id, m->src_event_id, m->dst_group_id};
    const cccc_value_t *const lists[] = {m->to, m->attachments, m->dst_to};
    uint64_t digest = m->reply_required + 2 * m->due_seconds + (m->expires_seconds << 32), place = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++, place += 2)
        if (texts[i].len > 0)
            digest = cccc_hash64(digest + place, texts[i]);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++, place += 2)
        if (lists[i])
            digest = digest_value(call, digest + place, lists[i]);
    if (m->cause.len > 0)
        digest = cccc_hash64(digest + place, m->cause);
    cccc_put_hex8(cccc_put_hex8(m->digest, (uint32_t)(digest >> 32)), (uint32_t)digest);
}

static bool is_same_client_id(const struct cccc_message *m, const struct cccc_event *event)
{
    return cccc_str_eq(event->by, m->by) && cccc_str_eq(cccc_get_str(&event->data, "client_id"), m->client_id);
}

/* `event` has this message's client_id: is it this message? Events without a digest are from before there was one. */
static bool repeat_agrees(call_t *call, struct cccc_message *m, const struct cccc_event *event)
{
    cccc_str_t digest = cccc_get_str(&event->data, "client_digest");
    m->duplicate = digest.len == 0 || cccc_str_is(digest, m->digest);
    if (m->duplicate)
        return true;
    message_refuse(call, m, CCCC_E_CLIENT_ID_CONFLICT,
                   "client_id %.*s was used by %.*s for another message (event %.*s); a new message needs a new client_id",
                   CCCC_STR_FMT(m->client_id), CCCC_STR_FMT(m->by), CCCC_STR_FMT(event->id));
    message_refuse_detail(call, m, "event_id", cccc_string(cccc_arena_str(call->arena, event->id)));
    return false;
}

/* Keep the event that is repeated: this call may live longer than the other one, and than a read. */
static void take_wire(call_t *call, struct cccc_message *m, const char *bytes, size_t len)
{
    struct cccc_errmsg why;
    m->repeated_wire = cccc_arena_str(call->arena, (cccc_str_t){bytes, len});
    m->repeated = cccc_arena_alloc(call->arena, sizeof *m->repeated);
    cccc_err_t err = cccc_event_unpack(m->repeated_wire.ptr, len, call->arena, m->repeated, &why);
    CCCC_ASSERT(err == CCCC_OK, "(an event of ours: %s)", why.text);
}

/* The acknowledgement that a reply implies is decided right behind it. */
static bool is_implied_ack(const struct cccc_message *m, const struct cccc_event *event)
{
    return cccc_kind_find(event->kind) == CCCC_KIND_CHAT_ACK && event->seq == m->repeated->seq + 1 && cccc_str_eq(event->by, m->by) &&
           cccc_str_eq(cccc_get_str(&event->data, "event_id"), m->reply_to);
}

/* The repeat of a reply is answered with the acknowledgement of the first one, too: here when that is not durable yet. */
static void take_pending_ack(call_t *call, struct cccc_message *m)
{
    struct cccc_pending *p = m->reply_to.len > 0 ? group_pending(m->group, m->repeated->seq + 1) : NULL;
    if (!p || !is_implied_ack(m, &p->event))
        return;
    m->ack = p;
    m->repeated_ack = cccc_arena_str(call->arena, (cccc_str_t){p->wire->data, p->wire->len});
}

#define REPEAT_CANDIDATES_MAX 8

/* Put `seq` into its place of a rising list without doubles. */
static uint32_t add_rising(uint64_t *list, uint32_t count, uint64_t seq)
{
    uint32_t at = count;
    while (at > 0 && list[at - 1] > seq)
        at--;
    if (at > 0 && list[at - 1] == seq)
        return count;
    memmove(list + at + 1, list + at, (count - at) * sizeof *list);
    list[at] = seq;
    return count + 1;
}

/* Look for the client_id in sealed segments. What was sealed stays as it is, so nothing is asked twice. */
static enum cccc_message_step find_sealed_repeat(call_t *call, struct cccc_message *m, call_next_fn next)
{
    const struct cccc_sealed *sealed = &m->group->sealed;
    uint64_t *firsts = NULL;
    if (sealed->count == 0 || m->sealed_read_through >= sealed->last || CCCC_MUTANT_IS(SEALED_IDS_FORGOTTEN))
        return CCCC_MESSAGE_READY;
    uint32_t count = sealed_may_have(sealed, m->client_hash, m->sealed_read_through, call->arena, &firsts);
    m->sealed_read_through = sealed->last;
    if (count == 0)
        return CCCC_MESSAGE_READY;
    m->repeats_read_head = m->group->head_seq;
    m->awaits = CCCC_AWAITS_REPEAT;
    struct cccc_read_query query = {.mode = CCCC_READ_ID,
                                    .hash = m->client_hash,
                                    .seqs = firsts,
                                    .seq_count = count,
                                    .behind = m->reply_to.len > 0,
                                    .limit = 2 * CCCC_READ_ID_MATCHES_MAX,
                                    .bytes_max = CCCC_LEDGER_READ_BYTES_MAX};
    call_read(call, m->group, &query, next);
    return CCCC_MESSAGE_PARKED;
}

void message_expect(struct cccc_message *m)
{
    if (m->client_id.len == 0)
        return;
    m->client_hash = dedupe_hash(m->by, m->client_id);
    dedupe_prepare(m->group->dedupe, m->client_hash);
}

enum cccc_message_step message_find_repeat(call_t *call, struct cccc_message *m, call_next_fn next)
{
    if (m->client_id.len == 0)
        return CCCC_MESSAGE_READY;
    if (m->client_hash == 0)
        message_expect(m);
    if (m->digest[0] == '\0')
        digest_make(call, m);
    uint64_t seqs[REPEAT_CANDIDATES_MAX];
    uint32_t count = dedupe_find(m->group->dedupe, m->client_hash, seqs, REPEAT_CANDIDATES_MAX), to_read = 0;
    uint64_t *rising = NULL, through = m->repeats_read_through;
    for (uint32_t i = 0; i < count; i++) {
        struct cccc_pending *p = seqs[i] > m->group->head_seq ? group_pending(m->group, seqs[i]) : NULL;
        if (p && is_same_client_id(m, &p->event)) {
            if (repeat_agrees(call, m, &p->event)) {
                m->pending = p;
                take_wire(call, m, p->wire->data, p->wire->len);
                take_pending_ack(call, m);
            }
            return CCCC_MESSAGE_ENDED;
        }
        if (p || seqs[i] <= m->repeats_read_through)
            continue;
        if (!rising)
            rising = cccc_arena_alloc(call->arena, 2 * REPEAT_CANDIDATES_MAX * sizeof *rising);
        to_read = add_rising(rising, to_read, seqs[i]);
        if (m->reply_to.len > 0 && seqs[i] < m->group->head_seq)
            to_read = add_rising(rising, to_read, seqs[i] + 1);
        if (seqs[i] > through)
            through = seqs[i];
    }
    if (to_read == 0)
        return find_sealed_repeat(call, m, next);
    m->repeats_read_through = through;
    m->repeats_read_head = m->group->head_seq;
    m->awaits = CCCC_AWAITS_REPEAT;
    struct cccc_read_query query = {
        .mode = CCCC_READ_SEQS, .seqs = rising, .seq_count = to_read, .limit = to_read, .bytes_max = CCCC_LEDGER_READ_BYTES_MAX};
    call_read(call, m->group, &query, next);
    return CCCC_MESSAGE_PARKED;
}

static cccc_str_t read_wire(const call_t *call, uint32_t index)
{
    uint32_t start = index ? call->read->event_ends[index - 1] : 0;
    return (cccc_str_t){call->read->events + start, call->read->event_ends[index] - start};
}

void message_take_repeat(call_t *call, struct cccc_message *m)
{
    if (call->read->err) {
        message_refuse(call, m, call->read->err, "the ledger could not be read to look for client_id %.*s: %s", CCCC_STR_FMT(m->client_id),
                       call->read->message.text);
        return;
    }
    struct cccc_event event;
    for (uint32_t i = 0; call_read_event(call, i, &event); i++) {
        if (!is_same_client_id(m, &event))
            continue;
        if (m->reply_to.len > 0 && event.seq == m->repeats_read_head && event.seq < m->group->head_seq) {
            m->repeats_read_through = event.seq - 1; /* what stands behind it was not durable then and is now: read both */
            return;
        }
        if (repeat_agrees(call, m, &event)) {
            cccc_str_t wire = read_wire(call, i);
            take_wire(call, m, wire.ptr, wire.len);
            if (call_read_event(call, i + 1, &event) && is_implied_ack(m, &event))
                m->repeated_ack = cccc_arena_str(call->arena, read_wire(call, i + 1));
            else
                take_pending_ack(call, m);
        }
        return;
    }
}

bool message_is_repeat(call_t *call, struct cccc_message *m)
{
    enum cccc_message_step step = message_find_repeat(call, m, NULL);
    CCCC_ASSERT(step != CCCC_MESSAGE_PARKED, "client_id %.*s was looked up in this input", CCCC_STR_FMT(m->client_id));
    return step == CCCC_MESSAGE_ENDED;
}
