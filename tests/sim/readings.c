/* readings.c - reading everything the way clients do, from a daemon at rest, and comparing it with what the oracle knows; see clients.h. */
#include "tests/sim/clients_private.h"
#include "tests/sim/holds.h"

#include <string.h>

/* The result of one request, of a daemon at rest; it must be good. Lives until the next. */
static const cccc_value_t *fetch(clients_t *self, const char *op)
{
    const struct cccc_peer peer = {.standing = CCCC_PEER_OPERATOR, .uid = 1000, .gid = 1000, .pid = 1};
    msgpack_zone_clear(self->reading);
    self->answered = false;
    clients_put(self, READ_ALL_CONN, &peer, ++self->last_id, op);
    broker_settle(self->broker);
    if (!self->answered)
        sim_broken(self->sim, "liveness", "%.*s is not answered", (int)self->args.size, self->args.data);
    const cccc_value_t *error = cccc_get(&self->answer, "error");
    if (!cccc_get_bool(&self->answer, "ok", false))
        sim_broken(self->sim, "I6", "%s %.*s is refused: %.*s", op, (int)self->args.size, self->args.data,
                   CCCC_STR_FMT(cccc_get_str(error, "message")));
    return cccc_get(&self->answer, "result");
}

/* The reason of the gap that `seq` lies in; "" when in none. */
static cccc_str_t gap_at(const cccc_value_t *gaps, uint64_t seq)
{
    for (uint32_t i = 0; cccc_is_array(gaps) && i < gaps->via.array.size; i++) {
        const cccc_value_t *gap = &gaps->via.array.ptr[i];
        if (seq >= cccc_get_uint(gap, "from_seq", 0) && seq <= cccc_get_uint(gap, "to_seq", 0))
            return cccc_get_str(gap, "reason");
    }
    return cccc_str("");
}

/* A page of the ledger: every seq from `from` to `to` is an event or lies in a row that says why not; and only what was damaged, or retired, does. */
static void check_page(clients_t *self, struct known_group *group, const cccc_value_t *page, uint64_t from, uint64_t to)
{
    const cccc_value_t *events = cccc_get(page, "events"), *gaps = cccc_get(page, "gaps");
    uint32_t at = 0;
    uint64_t retired = oracle_retired(self->oracle, group);
    for (uint64_t seq = from; seq <= to; seq++) {
        cccc_str_t why = gap_at(gaps, seq);
        bool there = at < events->via.array.size && cccc_get_uint(&events->via.array.ptr[at], "seq", 0) == seq;
        at += there;
        if (there == (why.len > 0))
            sim_broken(self->sim, "I4", "event %llu of %s is %s", (unsigned long long)seq, group->id,
                       there ? "listed, and in a gap" : "neither listed nor in a gap");
        if (!there && (cccc_str_is(why, "retired") ? seq > retired : !oracle_was_flipped(group, seq)))
            sim_broken(self->sim, "I1", "event %llu of %s is in a gap (%.*s), and nothing has done that", (unsigned long long)seq,
                       group->id, CCCC_STR_FMT(why));
    }
    if (at != events->via.array.size)
        sim_broken(self->sim, "I4", "%s lists an event that is not between %llu and %llu", group->id, (unsigned long long)from,
                   (unsigned long long)to);
}

static const cccc_value_t *read_page(clients_t *self, struct known_group *group, const char *where, uint64_t seq)
{
    clients_say_anew(self);
    clients_say(self, "{'group_id':'%s','%s':%llu,'limit':%llu}", group->id, where, (unsigned long long)seq,
                sim_once_in(self->sim, 2) ? 1000ull : 1 + (unsigned long long)sim_roll(self->sim, 30));
    return fetch(self, "ledger_read");
}

static void read_forwards(clients_t *self, struct known_group *group)
{
    for (uint64_t after = 0, head = 1; after < head;) {
        const cccc_value_t *page = read_page(self, group, "after_seq", after);
        uint64_t checked = cccc_get_uint(page, "checked_seq", 0);
        check_page(self, group, page, after + 1, checked);
        head = cccc_get_uint(page, "head_seq", 0);
        if (checked <= after && checked < head)
            sim_broken(self->sim, "I4", "reading %s behind event %llu does not come on", group->id, (unsigned long long)after);
        after = checked;
    }
}

static void read_backwards(clients_t *self, struct known_group *group)
{
    for (uint64_t before = 0; before != 1;) {
        const cccc_value_t *page = read_page(self, group, "before_seq", before);
        uint64_t checked = cccc_get_uint(page, "checked_seq", 0), head = cccc_get_uint(page, "head_seq", 0);
        uint64_t to = before ? before - 1 : head;
        if (to == 0)
            return;
        if (checked == 0 || checked > to)
            sim_broken(self->sim, "I4", "reading %s before event %llu does not come on", group->id, (unsigned long long)before);
        check_page(self, group, page, checked, to);
        before = checked;
    }
}

static void read_cursors(clients_t *self, struct known_group *group)
{
    for (unsigned lane = 0; lane < 2; lane++) {
        clients_say_anew(self);
        clients_say(self, "{'group_id':'%s','actor_id':'user','kind_filter':'%s'}", group->id, lane ? "notify" : "chat");
        const cccc_value_t *result = fetch(self, "inbox_list");
        oracle_cursor(self->oracle, group, "user", lane, cccc_get_uint(cccc_get(result, "cursor"), "seq", 0));
    }
    clients_say_anew(self);
    clients_say(self, "{'group_id':'%s'}", group->id);
    char actors[READERS_MAX][40];
    unsigned count = 0;
    const cccc_value_t *list = cccc_get(fetch(self, "actor_list"), "actors");
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size && count < READERS_MAX; i++)
        snprintf(actors[count++], sizeof actors[0], "%.*s", CCCC_STR_FMT(cccc_get_str(&list->via.array.ptr[i], "id")));
    for (unsigned i = 0; i < 2 * count; i++) {
        clients_say_anew(self);
        clients_say(self, "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", group->id, actors[i / 2], i % 2 ? "notify" : "chat");
        const cccc_value_t *result = fetch(self, "inbox_list");
        oracle_cursor(self->oracle, group, actors[i / 2], i % 2, cccc_get_uint(cccc_get(result, "cursor"), "seq", 0));
    }
}

/* I9: what was acknowledged, or called off, is not asked for again. */
static void read_obligations(clients_t *self, struct known_group *group)
{
    clients_say_anew(self);
    clients_say(self, "{'group_id':'%s','limit':1000}", group->id);
    const cccc_value_t *list = cccc_get(fetch(self, "obligations_list"), "obligations");
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size; i++) {
        const cccc_value_t *row = &list->via.array.ptr[i];
        const cccc_value_t *owes = cccc_get(row, "owes");
        bool ack = false;
        for (uint32_t n = 0; cccc_is_array(owes) && n < owes->via.array.size; n++) {
            cccc_str_t word;
            ack = ack || (cccc_as_str(&owes->via.array.ptr[n], &word) && cccc_str_is(word, "ack"));
        }
        oracle_owed(self->oracle, group, cccc_get_str(row, "event_id"), cccc_get_str(row, "actor_id"), ack);
    }
}

static void read_holds(clients_t *self, struct known_group *group)
{
    clients_say_anew(self);
    clients_say(self, "{'group_id':'%s'}", group->id);
    holds_compare(self->oracle, group, cccc_get(fetch(self, "holds_list"), "holds"));
}

static void read_title(clients_t *self, struct known_group *group)
{
    clients_say_anew(self);
    clients_say(self, "{'group_id':'%s'}", group->id);
    cccc_str_t title = cccc_get_str(cccc_get(fetch(self, "group_show"), "group"), "title");
    if (group->edited[0] && !cccc_str_is(title, group->edited))
        sim_broken(self->sim, "I6", "the title of %s was changed by hand to \"%s\", and is \"%.*s\"", group->id, group->edited,
                   CCCC_STR_FMT(title));
    group->edited[0] = '\0';
}

void clients_read_all(clients_t *self)
{
    self->reading = cccc_arena_new(64 * 1024);
    for (unsigned i = 0; i < self->oracle->group_count; i++) {
        struct known_group *group = &self->oracle->groups[i];
        const char *bytes;
        size_t len;
        bool in_trash;
        if (group->head == 0 || !oracle_ledger(self->oracle, group, &bytes, &len, &in_trash) || in_trash)
            continue;
        read_forwards(self, group);
        read_backwards(self, group);
        read_cursors(self, group);
        read_obligations(self, group);
        read_holds(self, group);
        read_title(self, group);
    }
    cccc_arena_destroy(&self->reading);
}
