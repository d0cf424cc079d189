/* oracle.c - see oracle.h. */
#include "tests/sim/oracle.h"

#include "tests/support/ledger_bytes.h"

#include <stdlib.h>
#include <string.h>

oracle_t *oracle_new(struct sim *sim)
{
    oracle_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->sim = sim;
    return self;
}

void oracle_destroy(oracle_t **self)
{
    oracle_t *oracle = *self;
    *self = NULL;
    for (unsigned i = 0; i < oracle->group_count; i++) {
        struct known_group *group = &oracle->groups[i];
        for (uint64_t seq = 0; seq < group->line_room; seq++)
            free(group->lines[seq].bytes);
        free(group->lines);
        free(group->deliveries);
        free(group->closed);
    }
    for (unsigned i = 0; i < oracle->message_count; i++)
        free(oracle->messages[i].args);
    free(oracle->messages);
    free(oracle);
}

static void *more(void *old, size_t count, size_t size)
{
    void *p = reallocarray(old, count, size);
    CCCC_ASSERT(p, "out of memory");
    return p;
}

/* ---- groups ---- */

struct known_group *oracle_find(oracle_t *self, cccc_str_t id)
{
    for (unsigned i = 0; i < self->group_count; i++)
        if (cccc_str_is(id, self->groups[i].id))
            return &self->groups[i];
    return NULL;
}

struct known_group *oracle_group(oracle_t *self, cccc_str_t id)
{
    struct known_group *group = oracle_find(self, id);
    if (group || self->group_count == GROUPS_MAX)
        return group;
    group = &self->groups[self->group_count++];
    snprintf(group->id, sizeof group->id, "%.*s", CCCC_STR_FMT(id));
    return group;
}

unsigned oracle_index(const oracle_t *self, const struct known_group *group)
{
    return (unsigned)(group - self->groups);
}

bool oracle_may_be_deleted(const struct known_group *group)
{
    return group->delete_acked || group->delete_maybe || group->deletes_open > 0;
}

bool oracle_was_flipped(const struct known_group *group, uint64_t seq)
{
    for (unsigned i = 0; i < group->flip_count; i++)
        if (group->flips[i] == seq)
            return true;
    return false;
}

/* ---- witnessing ---- */

static struct witnessed *line_of(struct known_group *group, uint64_t seq)
{
    if (seq >= group->line_room) {
        uint64_t room = seq * 2 + 16;
        group->lines = more(group->lines, room, sizeof *group->lines);
        memset(group->lines + group->line_room, 0, (room - group->line_room) * sizeof *group->lines);
        group->line_room = room;
    }
    return &group->lines[seq];
}

/* Somebody was told that two are held. */
static void note_hold(struct known_group *group, const cccc_value_t *names)
{
    cccc_str_t a, b;
    if (!cccc_is_array(names) || names->via.array.size != 2 || !cccc_as_str(&names->via.array.ptr[0], &a) ||
        !cccc_as_str(&names->via.array.ptr[1], &b))
        return;
    snprintf(group->heard.a, sizeof group->heard.a, "%.*s", CCCC_STR_FMT(a));
    snprintf(group->heard.b, sizeof group->heard.b, "%.*s", CCCC_STR_FMT(b));
}

static void keep(oracle_t *self, struct known_group *group, const struct cccc_event *event, const cccc_buf_t *wire, const char *how)
{
    struct witnessed *line = line_of(group, event->seq);
    if (line->bytes) {
        if (line->len != wire->size || memcmp(line->bytes, wire->data, wire->size) != 0)
            sim_broken(self->sim, "I1", "%s: event %llu of %s is not what it was when it was witnessed first (%s then, %.*s now)", how,
                       (unsigned long long)event->seq, group->id, line->id, CCCC_STR_FMT(event->id));
        return;
    }
    line->bytes = more(NULL, wire->size, 1);
    memcpy(line->bytes, wire->data, wire->size);
    line->len = wire->size;
    line->is_message = cccc_str_is(event->kind, "chat.message");
    snprintf(line->id, sizeof line->id, "%.*s", CCCC_STR_FMT(event->id));
    note_hold(group, cccc_get(cccc_get(&event->data, "context"), "hold"));
    if (group->head < event->seq)
        group->head = event->seq;
}

static void witness(oracle_t *self, const cccc_value_t *v, const char *how)
{
    cccc_arena_t *arena = cccc_arena_new(2048);
    struct cccc_event event;
    struct cccc_errmsg m = {""};
    if (cccc_event_from_value(v, arena, &event, &m) != CCCC_OK)
        sim_broken(self->sim, "I1", "%s: an event cannot be read: %s", how, m.text);
    struct known_group *group = oracle_group(self, event.group_id);
    cccc_buf_t wire;
    cccc_buf_init(&wire);
    cccc_event_pack(&event, &wire);
    if (group)
        keep(self, group, &event, &wire, how);
    cccc_buf_fini(&wire);
    cccc_arena_destroy(&arena);
}

static bool is_event(const cccc_value_t *v)
{
    return cccc_get(v, "seq") && cccc_get(v, "kind") && cccc_get(v, "group_id") && cccc_get(v, "data");
}

void oracle_witness_all(oracle_t *self, const cccc_value_t *v, const char *how)
{
    if (cccc_is_map(v) && is_event(v)) {
        witness(self, v, how);
        return;
    }
    for (uint32_t i = 0; cccc_is_map(v) && i < v->via.map.size; i++)
        oracle_witness_all(self, &v->via.map.ptr[i].val, how);
    for (uint32_t i = 0; cccc_is_array(v) && i < v->via.array.size; i++)
        oracle_witness_all(self, &v->via.array.ptr[i], how);
}

/* ---- cursors ---- */

void oracle_cursor(oracle_t *self, struct known_group *group, const char *reader, unsigned lane, uint64_t seq)
{
    struct seen_reader *seen = NULL;
    for (unsigned i = 0; i < group->reader_count; i++)
        if (strcmp(group->readers[i].id, reader) == 0)
            seen = &group->readers[i];
    if (!seen) {
        CCCC_ASSERT(group->reader_count < READERS_MAX, "more readers than the simulation has names");
        seen = &group->readers[group->reader_count++];
        snprintf(seen->id, sizeof seen->id, "%s", reader);
    }
    if (seq < seen->cursor[lane] && group->flip_count == 0)
        sim_broken(self->sim, "I9", "the %s cursor of %s in %s went back from %llu to %llu", lane ? "notify" : "chat", reader, group->id,
                   (unsigned long long)seen->cursor[lane], (unsigned long long)seq);
    if (seen->cursor[lane] < seq)
        seen->cursor[lane] = seq;
}

/* ---- obligations ---- */

void oracle_closed(struct known_group *group, cccc_str_t event_id, const char *actor)
{
    size_t n = group->closed_count++;
    if ((n & (n - 1)) == 0)
        group->closed = more(group->closed, n ? 2 * n : 1, sizeof *group->closed);
    snprintf(group->closed[n].event_id, sizeof group->closed[n].event_id, "%.*s", CCCC_STR_FMT(event_id));
    snprintf(group->closed[n].actor, sizeof group->closed[n].actor, "%s", actor);
}

void oracle_owed(const oracle_t *self, const struct known_group *group, cccc_str_t event_id, cccc_str_t actor, bool ack)
{
    for (size_t i = 0; i < group->closed_count && group->flip_count == 0; i++) {
        const struct closed *closed = &group->closed[i];
        bool again = closed->actor[0] ? ack && cccc_str_is(actor, closed->actor) : true;
        if (again && cccc_str_is(event_id, closed->event_id))
            sim_broken(self->sim, "I9", "%.*s of %s owes something for %s again, which was closed", CCCC_STR_FMT(actor), group->id,
                       closed->event_id);
    }
}

/* ---- publications ---- */

static void delivered(struct known_group *group, cccc_str_t reader, uint64_t seq, uint64_t prev)
{
    size_t n = group->delivery_count++;
    if ((n & (n - 1)) == 0)
        group->deliveries = more(group->deliveries, n ? 2 * n : 1, sizeof *group->deliveries);
    group->deliveries[n] = (struct delivery){.seq = seq, .prev = prev};
    snprintf(group->deliveries[n].reader, sizeof group->deliveries[n].reader, "%.*s", CCCC_STR_FMT(reader));
}

/* Topics: <letter>/<group>/<kind or reader>/<seq>/<prev>. */
static bool split_topic(const char *topic, char *letter, cccc_str_t *group, cccc_str_t *name, unsigned long long *seq,
                        unsigned long long *prev)
{
    const char *slash[4];
    const char *at = topic;
    for (int i = 0; i < 4; i++) {
        slash[i] = strchr(at, '/');
        if (!slash[i])
            return false;
        at = slash[i] + 1;
    }
    *letter = topic[0];
    *group = (cccc_str_t){slash[0] + 1, (size_t)(slash[1] - slash[0] - 1)};
    *name = (cccc_str_t){slash[1] + 1, (size_t)(slash[2] - slash[1] - 1)};
    return sscanf(slash[2], "/%llu/%llu", seq, prev) == 2;
}

void oracle_published(oracle_t *self, const char *topic, size_t topic_len, const char *bytes, size_t len)
{
    char text[256], letter;
    cccc_str_t group_id, name;
    unsigned long long seq, prev;
    snprintf(text, sizeof text, "%.*s", (int)topic_len, topic);
    if (!split_topic(text, &letter, &group_id, &name, &seq, &prev) || (letter != 'e' && letter != 'i'))
        return;
    cccc_arena_t *arena = cccc_arena_new(2048);
    cccc_value_t v;
    struct cccc_errmsg m = {""};
    if (cccc_msgpack_read(bytes, len, CCCC_REPLY_BYTES_MAX, arena, &v, &m) != CCCC_OK)
        sim_broken(self->sim, "I3", "a publication cannot be read: %s", m.text);
    oracle_witness_all(self, &v, "published");
    struct known_group *group = oracle_find(self, group_id);
    if (group && letter == 'e') {
        if (seq <= group->published || prev != seq - 1)
            sim_broken(self->sim, "I2", "event %llu (after %llu) of %s was published behind event %llu", seq, prev, group->id,
                       (unsigned long long)group->published);
        group->published = seq;
    } else if (group) {
        delivered(group, name, seq, prev);
    }
    cccc_arena_destroy(&arena);
}

void oracle_started(oracle_t *self, uint64_t epoch)
{
    if (epoch <= self->epoch)
        sim_broken(self->sim, "I2", "epoch %llu after epoch %llu", (unsigned long long)epoch, (unsigned long long)self->epoch);
    self->epoch = epoch;
    for (unsigned i = 0; i < self->group_count; i++)
        self->groups[i].published = 0;
}

/* ---- messages ---- */

unsigned oracle_message(oracle_t *self, const struct message *draft)
{
    unsigned n = self->message_count++;
    if ((n & (n - 1)) == 0)
        self->messages = more(self->messages, n ? 2 * n : 1, sizeof *self->messages);
    self->messages[n] = *draft;
    return n;
}

struct search {
    const char *prefix;
    char found[96];
};

static void look(void *arg, const char *name)
{
    struct search *search = arg;
    size_t len = strlen(search->prefix);
    if (strncmp(name, search->prefix, len) == 0 && name[len] == '.')
        snprintf(search->found, sizeof search->found, "/home/trash/%s", name);
}

bool oracle_folder(const oracle_t *self, const struct known_group *group, char path[96], bool *in_trash)
{
    char file[128];
    const char *bytes;
    size_t len;
    const struct cccc_vfs *vfs = simdisk_vfs(self->sim->disk);
    struct search search = {.prefix = group->id};
    *in_trash = false;
    snprintf(path, 96, "/home/groups/%s", group->id);
    snprintf(file, sizeof file, "%s/ledger.jsonl", path);
    if (simdisk_peek(self->sim->disk, file, &bytes, &len))
        return true;
    vfs->list(vfs->ctx, "/home/trash", look, &search);
    *in_trash = search.found[0] != '\0';
    snprintf(path, 96, "%s", search.found);
    snprintf(file, sizeof file, "%s/ledger.jsonl", path);
    return *in_trash && simdisk_peek(self->sim->disk, file, &bytes, &len);
}

uint64_t oracle_retired(const oracle_t *self, const struct known_group *group)
{
    char path[96];
    bool in_trash;
    return oracle_folder(self, group, path, &in_trash) ? ledger_retired(self->sim->disk, path) : 0;
}

bool oracle_lost(const oracle_t *self, const struct message *message)
{
    const struct known_group *group = &self->groups[message->group];
    uint64_t seq = cccc_event_id_seq(cccc_str(message->id));
    return message->ok && (oracle_was_flipped(group, seq) || seq <= oracle_retired(self, group));
}

void oracle_acknowledged_as(oracle_t *self, unsigned number, cccc_str_t id)
{
    struct message *message = &self->messages[number];
    if (message->ok && !oracle_lost(self, message) && !cccc_str_is(id, message->id))
        sim_broken(self->sim, "I5", "message m%u (client_id %s) was event %s, and is now %.*s", number, message->client_id, message->id,
                   CCCC_STR_FMT(id));
    message->ok = true;
    snprintf(message->id, sizeof message->id, "%.*s", CCCC_STR_FMT(id));
}

void oracle_acknowledged(oracle_t *self, unsigned number, const cccc_value_t *event)
{
    char mark[24];
    cccc_str_t text = cccc_get_str(cccc_get(event, "data"), "text");
    int n = snprintf(mark, sizeof mark, "m%u ", number);
    if (text.len < (size_t)n || memcmp(text.ptr, mark, (size_t)n) != 0)
        sim_broken(self->sim, "I5", "message m%u was acknowledged with another text: %.*s", number, (int)(text.len < 20 ? text.len : 20),
                   text.len ? text.ptr : "");
    oracle_acknowledged_as(self, number, cccc_get_str(event, "id"));
}
