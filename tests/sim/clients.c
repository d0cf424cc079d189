/* clients.c - who the clients are, and what they hear; see clients.h. */
#include "tests/sim/clients_private.h"

#include <stdlib.h>
#include <string.h>

const char *const clients_actor_names[ACTORS] = {"ann", "bob", "cem", "dia"};

/* ---- connections ---- */

static void connect_as(clients_t *self, struct client *client)
{
    *client = (struct client){.conn = ++self->last_conn};
    client->peer = (struct cccc_peer){.standing = CCCC_PEER_OPERATOR, .uid = 1000, .gid = 1000, .pid = (int32_t)client->conn};
    if (self->oracle->group_count == 0 || !sim_once_in(self->sim, 3))
        return;
    const struct known_group *group = &self->oracle->groups[sim_roll(self->sim, self->oracle->group_count)];
    snprintf(client->group_id, sizeof client->group_id, "%s", group->id);
    snprintf(client->actor_id, sizeof client->actor_id, "%s", clients_actor_names[sim_roll(self->sim, ACTORS)]);
    client->peer.standing = CCCC_PEER_ACTOR;
    client->peer.group_id = cccc_str(client->group_id);
    client->peer.actor_id = cccc_str(client->actor_id);
}

clients_t *clients_new(struct sim *sim, oracle_t *oracle)
{
    clients_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->sim = sim;
    self->oracle = oracle;
    self->last_conn = READ_ALL_CONN;
    cccc_buf_init(&self->args);
    for (int i = 0; i < CLIENTS; i++)
        connect_as(self, &self->clients[i]);
    return self;
}

void clients_destroy(clients_t **self)
{
    cccc_buf_fini(&(*self)->args);
    free(*self);
    *self = NULL;
}

/* The call will never be answered: what it asked for may have happened. */
static void give_up(clients_t *self, struct call *call)
{
    for (unsigned i = 0; i < call->message_count; i++) {
        struct message *message = &self->oracle->messages[call->messages[i]];
        message->open--;
        message->maybe = true;
    }
    if (call->subject == ABOUT_DELETION) {
        self->oracle->groups[call->group].deletes_open--;
        self->oracle->groups[call->group].delete_maybe = true;
    }
    call->id = 0;
}

static void give_up_all(clients_t *self, struct client *client)
{
    for (int i = 0; i < CALLS_MAX; i++)
        if (client->calls[i].id)
            give_up(self, &client->calls[i]);
}

void clients_meet(clients_t *self, broker_t *broker)
{
    self->broker = broker;
    for (int i = 0; i < CLIENTS; i++) {
        give_up_all(self, &self->clients[i]);
        connect_as(self, &self->clients[i]);
    }
}

void clients_leave(clients_t *self)
{
    struct client *client = &self->clients[sim_roll(self->sim, CLIENTS)];
    sim_tell(self->sim, "client %llu leaves", (unsigned long long)client->conn);
    give_up_all(self, client);
    broker_gone(self->broker, client->conn);
    connect_as(self, client);
}

/* ---- hearing ---- */

/* No cursor (0) is what is left of one whose actor was removed between question and answer; clients_read_all knows who is there, and asks again. */
static void hear_cursor(clients_t *self, const struct call *call, const cccc_value_t *result)
{
    uint64_t seq = cccc_get_uint(cccc_get(result, "cursor"), "seq", 0);
    if (seq > 0)
        oracle_cursor(self->oracle, &self->oracle->groups[call->group], call->reader, call->lane, seq);
}

/* An event in a reply to a message: of a cross-group send, the one of the source. */
static const cccc_value_t *event_of(const cccc_value_t *result)
{
    const cccc_value_t *event = cccc_get(result, "src_event");
    return event ? event : cccc_get(result, "event");
}

static void hear_item(clients_t *self, unsigned number, const cccc_value_t *item)
{
    if (cccc_get_bool(item, "ok", false))
        oracle_acknowledged_as(self->oracle, number, cccc_get_str(item, "event_id"));
}

static void hear_good(clients_t *self, struct call *call, const cccc_value_t *result)
{
    const cccc_value_t *items = cccc_get(result, "results");
    for (unsigned i = 0; i < call->message_count; i++) {
        self->oracle->messages[call->messages[i]].open--;
        if (call->is_batch)
            hear_item(self, call->messages[i], &items->via.array.ptr[i]);
        else
            oracle_acknowledged(self->oracle, call->messages[i], event_of(result));
    }
    if (call->subject == ABOUT_CURSOR)
        hear_cursor(self, call, result);
    if (call->subject == ABOUT_DUTY)
        oracle_closed(&self->oracle->groups[call->group], cccc_str(call->event_id), call->reader);
    if (call->subject == ABOUT_DELETION) {
        self->oracle->groups[call->group].deletes_open--;
        self->oracle->groups[call->group].delete_acked = true;
    }
}

/* True unless the reply says that nothing was done. */
static bool may_have_happened(const cccc_value_t *error)
{
    const cccc_value_t *details = cccc_get(error, "details");
    return cccc_str_is(cccc_get_str(details, "outcome"), "unknown") || cccc_get(details, "src_event_id");
}

static void hear_bad(clients_t *self, struct call *call, const cccc_value_t *error)
{
    cccc_str_t code = cccc_get_str(error, "code");
    bool maybe = may_have_happened(error);
    for (unsigned i = 0; i < call->message_count; i++) {
        struct message *message = &self->oracle->messages[call->messages[i]];
        message->open--;
        message->maybe |= maybe;
        if (cccc_str_is(code, "client_id_conflict"))
            sim_broken(self->sim, "I5", "m%u was repeated word for word, and refused as another message", call->messages[i]);
    }
    if (call->group < 0)
        return;
    struct known_group *group = &self->oracle->groups[call->group];
    if (call->subject == ABOUT_DELETION) {
        group->deletes_open--;
        group->delete_maybe |= maybe;
    }
    if (cccc_str_is(code, "group_not_found") && cccc_str_is(cccc_get_str(cccc_get(error, "details"), "outcome"), "") &&
        !oracle_may_be_deleted(group) && !call->names_other)
        sim_broken(self->sim, "I6", "%s is said not to be there, and nobody deleted it", group->id);
    if (cccc_str_is(code, "internal_error"))
        sim_broken(self->sim, "I6", "internal error: %.*s", CCCC_STR_FMT(cccc_get_str(error, "message")));
}

static struct call *call_of(clients_t *self, uint64_t conn, uint64_t id)
{
    for (int i = 0; i < CLIENTS; i++)
        for (int j = 0; j < CALLS_MAX && self->clients[i].conn == conn; j++)
            if (self->clients[i].calls[j].id == id)
                return &self->clients[i].calls[j];
    return NULL;
}

static void hear(clients_t *self, uint64_t conn, uint64_t id, const cccc_value_t *reply)
{
    const cccc_value_t *error = cccc_get(reply, "error"), *result = cccc_get(reply, "result");
    bool ok = cccc_get_bool(reply, "ok", false);
    struct call *call = call_of(self, conn, id);
    sim_tell(self->sim, "%llu hears #%llu %s%.*s", (unsigned long long)conn, (unsigned long long)id, ok ? "ok" : "",
             CCCC_STR_FMT(cccc_get_str(error, "message")));
    if (ok)
        oracle_witness_all(self->oracle, result, "replied");
    if (!call && conn == READ_ALL_CONN) {
        self->answer = cccc_value_copy(self->reading, reply);
        self->answered = true;
        return;
    }
    if (!call) {
        bool left = true;
        for (int i = 0; i < CLIENTS; i++)
            left &= self->clients[i].conn != conn;
        if (!left)
            sim_broken(self->sim, "I1", "request #%llu of %llu was answered twice", (unsigned long long)id, (unsigned long long)conn);
        return;
    }
    struct call heard = *call;
    call->id = 0;
    if (ok)
        hear_good(self, &heard, result);
    else
        hear_bad(self, &heard, error);
}

static void hear_reply(void *arg, uint64_t conn, const char *bytes, size_t len)
{
    clients_t *self = arg;
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t reply;
    struct cccc_errmsg m = {""};
    uint64_t id = 0;
    if (cccc_msgpack_read(bytes, len, CCCC_REPLY_BYTES_MAX, arena, &reply, &m) != CCCC_OK)
        sim_broken(self->sim, "I1", "a reply cannot be read: %s", m.text);
    cccc_as_uint(cccc_get(&reply, "id"), &id);
    hear(self, conn, id, &reply);
    cccc_arena_destroy(&arena);
}

static void hear_publication(void *arg, const char *topic, size_t topic_len, const char *bytes, size_t len)
{
    clients_t *self = arg;
    sim_tell(self->sim, "  published %.*s", (int)topic_len, topic);
    oracle_published(self->oracle, topic, topic_len, bytes, len);
}

struct broker_ears clients_ears(clients_t *self)
{
    return (struct broker_ears){.arg = self, .reply = hear_reply, .publication = hear_publication};
}
