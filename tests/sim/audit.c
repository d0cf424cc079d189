/* audit.c - the ledgers as they lie on the disk, line by line, against everything that was witnessed.
 *
 * It reads the files itself and knows the promises of FORMAT.md, not how recovery keeps them. Every audit also folds each ledger into a core of its
 * own, from nothing but its lines, and compares that with the daemon's state (I11). */
#include "broker/core/core.h"
#include "proto/json.h"
#include "tests/sim/oracle.h"
#include "tests/support/ledger_bytes.h"

#include <stdlib.h>
#include <string.h>

/* Who was meant by an event, for checking deliveries. */
struct addressed {
    uint64_t seq;
    const cccc_value_t *audience;
};

struct audit {
    oracle_t *oracle;
    struct known_group *group;
    cccc_arena_t *arena;
    cccc_core_t *fold;
    cccc_slot_t slot;
    uint64_t head, epoch;
    uint64_t retired; /* up to here nothing but tombstones and the base are promised */
    uint32_t crc;
    bool crc_known;
    struct addressed *addressed;
    size_t addressed_count;
};

#define BROKEN(a, invariant, ...) sim_broken((a)->oracle->sim, invariant, __VA_ARGS__)

/* ---- finding the lines ---- */

bool oracle_ledger(const oracle_t *self, const struct known_group *group, const char **bytes, size_t *len, bool *in_trash)
{
    static cccc_buf_t lines; /* until the next call */
    char path[96];
    lines.size = 0;
    bool found = oracle_folder(self, group, path, in_trash) && ledger_bytes(self->sim->disk, path, &lines, NULL);
    *bytes = lines.size ? lines.data : "";
    *len = lines.size;
    return found;
}

/* ---- one line ---- */

/* The number a message's text begins with; false for other texts. */
static bool message_number(const struct cccc_event *event, unsigned *number)
{
    cccc_str_t text = cccc_get_str(&event->data, "text");
    char head[24];
    snprintf(head, sizeof head, "%.*s", (int)(text.len < 20 ? text.len : 20), text.len ? text.ptr : "");
    return cccc_str_is(event->kind, "chat.message") && sscanf(head, "m%u ", number) == 1;
}

static void count_message(struct audit *a, const struct cccc_event *event)
{
    unsigned number;
    bool copy = cccc_get_str(&event->data, "released_from").len > 0; /* of one that was held: holds.c's */
    if (copy || !message_number(event, &number))
        return;
    if (number >= a->oracle->message_count)
        BROKEN(a, "I1", "%s has m%u, which nobody sent", a->group->id, number);
    struct message *message = &a->oracle->messages[number];
    unsigned here = oracle_index(a->oracle, a->group);
    bool source = here == message->group;
    if (!source && !(message->verb == VERB_CROSS && here == message->dst))
        BROKEN(a, "I1", "%s has m%u, which was sent to another group", a->group->id, number);
    if (source)
        snprintf(message->source_id, sizeof message->source_id, "%.*s", CCCC_STR_FMT(event->id));
    unsigned *times = source ? &message->in_source : &message->in_destination;
    bool *retired = source ? &message->source_retired : &message->destination_retired;
    /* A repeat of one that was retired, or whose record in the source was damaged or retired, is another message. */
    bool known = *times > 0 && !*retired;
    *times += !(*times > 0 && *retired);
    *retired = event->seq <= a->retired;
    const struct known_group *from = &a->oracle->groups[message->group];
    if (known && (source || (from->flip_count == 0 && oracle_retired(a->oracle, from) == 0)))
        BROKEN(a, "I5", "%s has m%u (client_id %s) twice", a->group->id, number, message->client_id);
    if (!message->ok && !message->maybe && message->open == 0)
        BROKEN(a, "I1", "%s has m%u, whose sender was told that it was not stored", a->group->id, number);
    if (source && message->ok && !*retired && !oracle_lost(a->oracle, message) && !cccc_str_is(event->id, message->id))
        BROKEN(a, "I1", "m%u is event %.*s in %s, and was acknowledged as %s", number, CCCC_STR_FMT(event->id), a->group->id, message->id);
}

/* The end of a cross-group send's second step, in its source. */
static void note_relay(struct audit *a, const struct cccc_event *event)
{
    if (!cccc_str_is(event->kind, "chat.relayed") && !cccc_str_is(event->kind, "chat.relay_refused"))
        return;
    for (unsigned i = 0; i < a->oracle->message_count; i++)
        if (cccc_str_is(cccc_get_str(&event->data, "src_event_id"), a->oracle->messages[i].source_id))
            a->oracle->messages[i].relay_over = true;
}

static void compare_witnessed(struct audit *a, const struct cccc_event *event)
{
    struct known_group *group = a->group;
    const struct witnessed *line = event->seq < group->line_room ? &group->lines[event->seq] : NULL;
    if (!line || !line->bytes)
        return;
    cccc_buf_t wire;
    cccc_buf_init(&wire);
    cccc_event_pack(event, &wire);
    if (wire.size != line->len || memcmp(wire.data, line->bytes, line->len) != 0)
        BROKEN(a, "I1", "event %llu of %s is not the one that was acknowledged, published or listed (%s, now %.*s)",
               (unsigned long long)event->seq, group->id, line->id, CCCC_STR_FMT(event->id));
    cccc_buf_fini(&wire);
}

static void note_audience(struct audit *a, const struct cccc_event *event)
{
    if (!cccc_str_is(event->kind, "chat.message") && !cccc_str_is(event->kind, "system.notify"))
        return;
    size_t n = a->addressed_count++;
    if ((n & (n - 1)) == 0) {
        a->addressed = reallocarray(a->addressed, n ? 2 * n : 1, sizeof *a->addressed);
        CCCC_ASSERT(a->addressed, "out of memory");
    }
    a->addressed[n] = (struct addressed){event->seq, cccc_get(&event->data, "audience")};
}

static void audit_event(struct audit *a, const char *line, size_t len, const struct cccc_seal *sealed)
{
    struct cccc_event event;
    struct cccc_seal seal;
    struct cccc_errmsg m = {""};
    if (cccc_line_read(line, len, a->arena, &event, &seal, &m) != CCCC_OK)
        BROKEN(a, "I1", "line %llu of %s has a sound checksum and cannot be read: %s", (unsigned long long)a->head + 1, a->group->id,
               m.text);
    if (a->crc_known && sealed->prev != a->crc)
        BROKEN(a, "I2", "event %llu of %s does not continue the line before it", (unsigned long long)event.seq, a->group->id);
    if (sealed->dur >= event.seq)
        BROKEN(a, "I2", "event %llu of %s says that %llu is durable", (unsigned long long)event.seq, a->group->id,
               (unsigned long long)sealed->dur);
    if (sealed->epoch < a->epoch || sealed->epoch > a->oracle->epoch)
        BROKEN(a, "I2", "event %llu of %s has epoch %llu behind %llu", (unsigned long long)event.seq, a->group->id,
               (unsigned long long)sealed->epoch, (unsigned long long)a->epoch);
    a->epoch = sealed->epoch;
    a->oracle->events_audited++;
    compare_witnessed(a, &event);
    count_message(a, &event);
    note_relay(a, &event);
    note_audience(a, &event);
    cccc_core_fold(a->fold, a->slot, &event);
}

static void audit_line(struct audit *a, const char *line, size_t len)
{
    uint64_t seq = 0;
    struct cccc_seal seal = {0};
    enum cccc_line_state state = cccc_line_inspect(line, len, &seq, &seal);
    if (state != CCCC_LINE_SOUND) {
        if (!oracle_was_flipped(a->group, a->head + 1))
            BROKEN(a, "I1", "%s has a line that is not whole behind event %llu", a->group->id, (unsigned long long)a->head);
        a->head++;
        a->crc_known = false;
        return;
    }
    if (seq != a->head + 1)
        BROKEN(a, "I2", "%s has event %llu behind event %llu", a->group->id, (unsigned long long)seq, (unsigned long long)a->head);
    audit_event(a, line, len, &seal);
    a->head = seq;
    a->crc = seal.crc;
    a->crc_known = true;
}

/* ---- one ledger ---- */

static bool names(const cccc_value_t *audience, const char *reader)
{
    for (uint32_t i = 0; cccc_is_array(audience) && i < audience->via.array.size; i++) {
        cccc_str_t id;
        if (cccc_as_str(&audience->via.array.ptr[i], &id) && cccc_str_is(id, reader))
            return true;
    }
    return false;
}

/* Between `prev` and `seq` nothing was for the reader: who follows i/ would never know of it. */
static void audit_delivery(struct audit *a, const struct delivery *d)
{
    bool itself = false;
    for (size_t i = 0; i < a->addressed_count; i++) {
        const struct addressed *to = &a->addressed[i];
        if (to->seq == d->seq)
            itself = names(to->audience, d->reader);
        else if (to->seq > d->prev && to->seq < d->seq && names(to->audience, d->reader))
            BROKEN(a, "I4", "%s of %s was told that nothing lies between %llu and %llu, and there is event %llu", d->reader, a->group->id,
                   (unsigned long long)d->prev, (unsigned long long)d->seq, (unsigned long long)to->seq);
    }
    if (!itself && !oracle_was_flipped(a->group, d->seq))
        BROKEN(a, "I3", "event %llu of %s was delivered to %s, to whom it was not sent", (unsigned long long)d->seq, a->group->id,
               d->reader);
}

/* ---- what was retired ---- */

/* The event that an entry of the folded state is about: a seq, an id, or a row that has one. */
static bool is_about(const cccc_value_t *v, uint64_t *seq)
{
    cccc_str_t id;
    if (!cccc_as_str(v, &id))
        return cccc_as_uint(cccc_is_map(v) ? cccc_get(v, "seq") : v, seq);
    *seq = cccc_event_id_seq(id);
    return true;
}

/* Nothing of `v`, a list of what something is still open for, was retired. */
static void audit_open(struct audit *a, const cccc_value_t *v, const char *what)
{
    uint64_t seq;
    if (is_about(v, &seq)) {
        if (seq <= a->retired)
            BROKEN(a, "I1", "event %llu of %s was retired, and is %s", (unsigned long long)seq, a->group->id, what);
        return;
    }
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++)
        audit_open(a, &v->via.array.ptr[i], what);
}

static bool is_present(const cccc_value_t *state, cccc_str_t reader)
{
    const cccc_value_t *actors = cccc_get(cccc_get(state, "document"), "actors");
    for (uint32_t i = 0; cccc_is_array(actors) && i < actors->via.array.size; i++)
        if (cccc_str_eq(cccc_get_str(&actors->via.array.ptr[i], "id"), reader))
            return true;
    return cccc_str_is(reader, "user");
}

/* I1: what was retired, the operator wanted gone, and nobody had still to read or to answer. */
static void audit_retired(struct audit *a)
{
    if (a->retired == 0)
        return;
    if (!a->group->may_retire)
        BROKEN(a, "I1", "%s was retired up to event %llu, and nobody asked for it", a->group->id, (unsigned long long)a->retired);
    if (a->group->flip_count > 0)
        return; /* it may have been the event that closed something */
    cccc_value_t state = cccc_core_dump_group(a->fold, a->slot, a->arena);
    const cccc_value_t *readers = cccc_get(&state, "readers");
    for (uint32_t i = 0; cccc_is_map(readers) && i < readers->via.map.size; i++) {
        const msgpack_object_kv *reader = &readers->via.map.ptr[i];
        cccc_str_t id;
        if (!cccc_as_str(&reader->key, &id) || !is_present(&state, id))
            continue;
        audit_open(a, cccc_get(cccc_get(&reader->val, "chat"), "unread"), "unread");
        audit_open(a, cccc_get(cccc_get(&reader->val, "notify"), "unread"), "unread");
    }
    audit_open(a, cccc_get(&state, "obligations"), "not answered yet");
    audit_open(a, cccc_get(&state, "expiring"), "to expire");
    audit_open(a, cccc_get(&state, "relays"), "on its way to another group");
}

static void audit_settled(struct audit *a, const char *bytes, size_t len)
{
    struct known_group *group = a->group;
    if (len < group->settled_len || cccc_crc32c(0, bytes, group->settled_len) != group->settled_crc)
        BROKEN(a, "I1", "the first %zu bytes of %s are not what they were", group->settled_len, group->id);
    group->settled_len = len;
    group->settled_crc = cccc_crc32c(0, bytes, len);
}

static void audit_lines(struct audit *a, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        /* A last line that lacks nothing but its newline is whole; the next batch begins with it. */
        const char *newline = memchr(bytes + at, '\n', len - at);
        size_t line_len = newline ? (size_t)(newline - (bytes + at)) : len - at;
        audit_line(a, bytes + at, line_len);
        at += line_len + 1;
    }
    if (a->head < a->group->head)
        BROKEN(a, "I1", "%s ends at event %llu, and event %llu was acknowledged, published or listed", a->group->id,
               (unsigned long long)a->head, (unsigned long long)a->group->head);
}

/* The first member in which the maps differ; NULL when they are none, or differ in their keys. */
static const char *first_difference(const cccc_value_t **live, const cccc_value_t **fold, char key[64])
{
    for (uint32_t i = 0; cccc_is_map(*live) && i < (*live)->via.map.size; i++) {
        const msgpack_object_kv *kv = &(*live)->via.map.ptr[i];
        snprintf(key, 64, "%.*s", (int)kv->key.via.str.size, kv->key.via.str.ptr);
        const cccc_value_t *other = cccc_get(*fold, key);
        if (!other || cccc_value_eq(&kv->val, other))
            continue;
        *live = &kv->val;
        *fold = other;
        return key;
    }
    return NULL;
}

static void tell_difference(struct audit *a, const cccc_value_t *live, const cccc_value_t *fold)
{
    char key[64];
    cccc_buf_t text;
    cccc_buf_init(&text);
    while (first_difference(&live, &fold, key)) {
        cccc_buf_str(&text, " ");
        cccc_buf_str(&text, key);
    }
    cccc_buf_str(&text, "\n    ");
    cccc_json_write(live, &text);
    cccc_buf_str(&text, "\n  and the fold of its ledger\n    ");
    cccc_json_write(fold, &text);
    cccc_buf_put(&text, "", 1);
    BROKEN(a, "I11", "the state of %s has%s", a->group->id, text.data);
}

/* The live state, saved and loaded, is the fold as well, whenever it may be saved. */
static void compare_saved(struct audit *a, const cccc_core_t *live, cccc_slot_t slot, const cccc_value_t *want)
{
    uint64_t seq;
    if (!cccc_core_snapshot_due(live, slot, &seq))
        return;
    struct cccc_moment now = {.unix_us = a->oracle->sim->unix_us, .mono_us = a->oracle->sim->mono_us};
    cccc_core_t *core = cccc_core_new();
    cccc_value_t none = cccc_nil();
    cccc_buf_t saved;
    cccc_buf_init(&saved);
    cccc_core_snapshot(live, slot, &saved);
    cccc_slot_t there = cccc_core_fold_begin(core, cccc_str(a->group->id), &none, false);
    if (!cccc_core_fold_snapshot(core, there, seq, saved.data, saved.size))
        BROKEN(a, "I11", "the saved state of %s is refused", a->group->id);
    cccc_core_fold_end(core, &now, there, NULL, NULL);
    cccc_value_t have = cccc_core_dump_group(core, there, a->arena);
    if (!cccc_value_eq(&have, want))
        tell_difference(a, &have, want);
    cccc_core_destroy(&core);
    cccc_buf_fini(&saved);
}

static void compare_states(struct audit *a, cccc_core_t *live)
{
    cccc_slot_t slot;
    if (live && cccc_core_slot(live, cccc_str(a->group->id), &slot) && !cccc_core_gaps_are_sound(live, slot))
        BROKEN(a, "I4", "the gaps that inboxes of %s name are not in order, or name an event twice", a->group->id);
    if (a->group->flip_count > 0 || !live || !cccc_core_slot(live, cccc_str(a->group->id), &slot))
        return;
    cccc_value_t have = cccc_core_dump_group(live, slot, a->arena), want = cccc_core_dump_group(a->fold, a->slot, a->arena);
    if (!cccc_value_eq(&have, &want))
        tell_difference(a, &have, &want);
    compare_saved(a, live, slot, &want);
}

/* I6: what a manifest names is there, also what a seal that came to nothing has left. */
static void audit_named(struct audit *a, bool in_trash)
{
    char path[96], missing[256];
    bool there;
    if (!in_trash && oracle_folder(a->oracle, a->group, path, &there) && !ledger_named_are_there(a->oracle->sim->disk, path, missing))
        BROKEN(a, "I6", "%s is named by a manifest, and is not there as it was named", missing);
}

static void audit_group(oracle_t *oracle, struct known_group *group, cccc_core_t *live)
{
    struct audit a = {.oracle = oracle, .group = group, .crc_known = true};
    const char *bytes;
    size_t len;
    bool in_trash;
    if (!oracle_ledger(oracle, group, &bytes, &len, &in_trash)) {
        if (group->head > 0)
            BROKEN(&a, "I1", "the ledger of %s is gone", group->id);
        return;
    }
    if (in_trash && !oracle_may_be_deleted(group))
        BROKEN(&a, "I6", "%s is in the trash, and nobody was told that it was deleted", group->id);
    if (!in_trash && group->delete_acked)
        BROKEN(&a, "I1", "%s is there again after its deletion was acknowledged", group->id);
    audit_named(&a, in_trash);
    a.retired = oracle_retired(oracle, group);
    oracle->events_retired += a.retired;
    a.arena = cccc_arena_new(64 * 1024);
    a.fold = cccc_core_new();
    cccc_value_t none = cccc_nil();
    a.slot = cccc_core_fold_begin(a.fold, cccc_str(group->id), &none, false);
    cccc_slot_t slot;
    if (live && cccc_core_slot(live, cccc_str(group->id), &slot)) /* client ids of sealed events are not in the state */
        cccc_core_fold_sealed(a.fold, a.slot, cccc_core_sealed_last(live, slot));
    audit_lines(&a, bytes, len);
    struct cccc_moment now = {.unix_us = oracle->sim->unix_us, .mono_us = oracle->sim->mono_us};
    cccc_core_fold_end(a.fold, &now, a.slot, NULL, NULL);
    audit_settled(&a, bytes, len);
    for (size_t i = 0; i < group->delivery_count; i++)
        audit_delivery(&a, &group->deliveries[i]);
    group->delivery_count = 0;
    audit_retired(&a);
    compare_states(&a, in_trash ? NULL : live);
    cccc_core_destroy(&a.fold);
    cccc_arena_destroy(&a.arena);
    free(a.addressed);
}

/* ---- all ---- */

static void audit_message(oracle_t *self, unsigned number, bool at_peace)
{
    struct message *message = &self->messages[number];
    const struct known_group *source = &self->groups[message->group];
    bool cross = message->verb == VERB_CROSS, hurt = source->flip_count > 0 || (cross && self->groups[message->dst].flip_count > 0);
    if (message->ok && !hurt && message->in_source == 0)
        sim_broken(self->sim, "I1", "m%u was acknowledged as event %s of %s, and is not there", number, message->id, source->id);
    if (cross && message->ok && !hurt && message->in_destination == 0)
        sim_broken(self->sim, "I1", "m%u was acknowledged as sent to %s, and is not there", number, self->groups[message->dst].id);
    if (cross && !hurt && message->in_destination > 0 && message->in_source == 0)
        sim_broken(self->sim, "I1", "m%u is in %s, and %s, where it came from, has no record of it", number, self->groups[message->dst].id,
                   source->id);
    if (cross && at_peace && !hurt && message->in_source > 0 && !message->relay_over && !oracle_may_be_deleted(source))
        sim_broken(self->sim, "liveness", "m%u is on its way from %s to %s for ever", number, source->id, self->groups[message->dst].id);
}

void oracle_audit(oracle_t *self, cccc_core_t *live, bool at_peace)
{
    for (unsigned i = 0; i < self->message_count; i++) {
        self->messages[i].in_source = self->messages[i].in_destination = 0;
        self->messages[i].relay_over = self->messages[i].source_retired = self->messages[i].destination_retired = false;
    }
    for (unsigned i = 0; i < self->group_count; i++)
        audit_group(self, &self->groups[i], live);
    for (unsigned i = 0; i < self->message_count; i++)
        audit_message(self, i, at_peace);
}
