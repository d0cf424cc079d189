/* clients.c - see clients.h. The first half asks, the second hears. */
#include "tests/sim/clients.h"

#include "proto/json.h"
#include "proto/wire.h"
#include "tests/sim/holds.h"

#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 4, CALLS_MAX = 24, BATCH_MAX = 6, ACTORS = 4, TEXT_MAX = 30000, READ_ALL_CONN = 1 };

/* What is asked of a group besides messages; answered or not, its events are witnessed. */
enum subject { ABOUT_MESSAGES, ABOUT_CURSOR, ABOUT_DELETION, ABOUT_LEDGER, ABOUT_TITLE, ABOUT_DUTY, ABOUT_OTHER };

struct call {
    uint64_t id; /* 0: free */
    enum subject subject;
    int group;         /* index, -1: none */
    char reader[40];   /* of a duty: whose; "" everybody's */
    char event_id[33]; /* what a duty is for */
    unsigned lane;
    unsigned messages[BATCH_MAX], message_count;
    bool is_batch, names_other; /* asks of a second group too */
};

struct client {
    uint64_t conn;
    struct cccc_peer peer;
    char group_id[16], actor_id[40]; /* when it is an actor's */
    struct call calls[CALLS_MAX];
};

struct clients {
    struct sim *sim;
    oracle_t *oracle;
    broker_t *broker;
    struct client clients[CLIENTS];
    uint64_t last_conn, last_id;
    unsigned groups_asked, titles;
    cccc_buf_t args;
    /* of clients_read_all */
    cccc_arena_t *reading;
    cccc_value_t answer;
    bool answered;
};

static const char *const actor_names[ACTORS] = {"ann", "bob", "cem", "dia"};

/* ---- connections ---- */

static void connect_as(clients_t *self, struct client *client)
{
    *client = (struct client){.conn = ++self->last_conn};
    client->peer = (struct cccc_peer){.standing = CCCC_PEER_OPERATOR, .uid = 1000, .gid = 1000, .pid = (int32_t)client->conn};
    if (self->oracle->group_count == 0 || !sim_once_in(self->sim, 3))
        return;
    const struct known_group *group = &self->oracle->groups[sim_roll(self->sim, self->oracle->group_count)];
    snprintf(client->group_id, sizeof client->group_id, "%s", group->id);
    snprintf(client->actor_id, sizeof client->actor_id, "%s", actor_names[sim_roll(self->sim, ACTORS)]);
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

/* ---- sending ---- */

static struct call *free_call(struct client *client)
{
    for (int i = 0; i < CALLS_MAX; i++)
        if (!client->calls[i].id)
            return &client->calls[i];
    return NULL;
}

/* Begin the arguments anew, or go on with them: JSON, with ' for ". */
__attribute__((format(printf, 2, 3))) static void say(clients_t *self, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    CCCC_ASSERT(n >= 0 && n < (int)sizeof text, "arguments of %d bytes", n);
    for (int i = 0; i < n; i++)
        if (text[i] == '\'')
            text[i] = '"';
    cccc_buf_put(&self->args, text, (size_t)n);
}

static void say_anew(clients_t *self)
{
    self->args.size = 0;
}

static void put_request(clients_t *self, uint64_t conn, const struct cccc_peer *peer, uint64_t id, const char *op)
{
    cccc_arena_t *arena = cccc_arena_new(8192);
    cccc_value_t args;
    struct cccc_errmsg m = {""};
    cccc_err_t err = cccc_json_read(self->args.data, self->args.size, arena, &args, &m);
    CCCC_ASSERT(err == CCCC_OK, "%s: %.*s", m.text, (int)self->args.size, self->args.data);
    cccc_buf_t packed, frame;
    cccc_buf_init(&packed);
    cccc_buf_init(&frame);
    cccc_pack_value(&packed, &args);
    cccc_request_write(&frame, id, op, packed.data, packed.size);
    sim_tell(self->sim, "%llu asks #%llu %s %.*s", (unsigned long long)conn, (unsigned long long)id, op,
             self->args.size < 300 ? (int)self->args.size : 300, self->args.data);
    broker_request(self->broker, conn, peer, frame.data, frame.size);
    cccc_buf_fini(&frame);
    cccc_buf_fini(&packed);
    cccc_arena_destroy(&arena);
}

/* Send what was said as `op`; `call` describes it. */
static void ask(clients_t *self, struct client *client, const char *op, const struct call *call)
{
    struct call *place = free_call(client);
    *place = *call;
    place->id = ++self->last_id;
    for (unsigned i = 0; i < call->message_count; i++)
        self->oracle->messages[call->messages[i]].open++;
    put_request(self, client->conn, &client->peer, place->id, op);
}

/* ---- choosing ---- */

static uint64_t roll(clients_t *self, uint64_t below)
{
    return sim_roll(self->sim, below);
}

/* A group that nobody has deleted as far as is known; NULL when there is none. An actor mostly speaks of its own. */
static struct known_group *some_group(clients_t *self, const struct client *client)
{
    struct known_group *groups = self->oracle->groups;
    unsigned count = self->oracle->group_count, first = count ? (unsigned)roll(self, count) : 0;
    for (unsigned i = 0; i < count; i++) {
        struct known_group *group = &groups[(first + i) % count];
        bool own = client->group_id[0] && strcmp(group->id, client->group_id) == 0;
        if (!group->delete_acked && group->head > 0 && (own || !client->group_id[0] || sim_once_in(self->sim, 20)))
            return group;
    }
    return NULL;
}

static const char *some_actor(clients_t *self)
{
    return actor_names[roll(self, ACTORS)];
}

static const char *some_reader(clients_t *self)
{
    return sim_once_in(self->sim, 3) ? "user" : some_actor(self);
}

/* The id of an event somebody has seen, newer ones rather; NULL when there is none. */
static const char *some_event(clients_t *self, const struct known_group *group, bool message)
{
    for (int attempt = 0; attempt < 8 && group->head > 0; attempt++) {
        uint64_t back = roll(self, 1 + roll(self, group->head));
        const struct witnessed *line = &group->lines[group->head - back];
        if (line->bytes && (line->is_message || !message))
            return line->id;
    }
    return NULL;
}

static const char *some_recipients(clients_t *self)
{
    static const char *const lists[] = {"", "", "'@all'", "'@all'", "'user'", "'ann'", "'bob','cem'", "'@peers'", "'@foreman'", "'dia'"};
    return lists[roll(self, sizeof lists / sizeof *lists)];
}

static const char *some_speaker(clients_t *self, const struct client *client)
{
    static const char *const names[] = {"user", "user", "user", "ann", "bob", "svc:ci"};
    return client->actor_id[0] ? client->actor_id : names[roll(self, 6)];
}

/* ---- messages ---- */

/* `  mN words`, of very different lengths: within a page, across pages, across many. */
static void say_text(clients_t *self, unsigned number)
{
    static const char words[] = "the quick brown fox jumps over the lazy dog and then it rests in the shade of a large tree ";
    uint64_t size = roll(self, 40);
    if (sim_once_in(self->sim, 4))
        size = roll(self, 3000);
    if (sim_once_in(self->sim, 60))
        size = roll(self, TEXT_MAX);
    say(self, "'text':'m%u ", number);
    for (uint64_t n = 0; n < size; n += sizeof words - 1)
        cccc_buf_put(&self->args, words, size - n < sizeof words - 1 ? (size_t)(size - n) : sizeof words - 1);
    say(self, ".'");
}

/* Text, recipients and the rest of a new message; its number. */
static unsigned say_message(clients_t *self, struct message *draft, const char *to_key)
{
    if (!sim_once_in(self->sim, 4))
        snprintf(draft->client_id, sizeof draft->client_id, "c%u", self->oracle->message_count);
    unsigned number = oracle_message(self->oracle, draft);
    say_text(self, number);
    say(self, ",'%s':[%s]", to_key, some_recipients(self));
    if (draft->client_id[0])
        say(self, ",'client_id':'%s'", draft->client_id);
    if (sim_once_in(self->sim, 5))
        say(self, ",'priority':'attention'");
    if (sim_once_in(self->sim, 8))
        say(self, ",'reply_required':true");
    if (sim_once_in(self->sim, 16))
        say(self, ",'due_seconds':%llu", (unsigned long long)roll(self, 20));
    if (sim_once_in(self->sim, 12))
        say(self, ",'expires_seconds':%llu", 1 + (unsigned long long)roll(self, 20));
    return number;
}

static void say_speaker(clients_t *self, const struct client *client, struct message *draft)
{
    snprintf(draft->by, sizeof draft->by, "%s", some_speaker(self, client));
    if (!client->actor_id[0])
        say(self, ",'by':'%s'", draft->by);
}

/* What was asked, kept for repeats. */
static void keep_args(clients_t *self, unsigned number)
{
    struct message *message = &self->oracle->messages[number];
    message->args = malloc(self->args.size + 1);
    CCCC_ASSERT(message->args, "out of memory");
    memcpy(message->args, self->args.data, self->args.size);
    message->args[self->args.size] = '\0';
}

static struct call about(const clients_t *self, enum subject subject, const struct known_group *group)
{
    return (struct call){.subject = subject, .group = group ? (int)oracle_index(self->oracle, group) : -1};
}

static void ask_one(clients_t *self, struct client *client, const char *op, struct known_group *group, unsigned number)
{
    struct call call = about(self, ABOUT_MESSAGES, group);
    call.names_other = self->oracle->messages[number].verb == VERB_CROSS;
    call.messages[call.message_count++] = number;
    ask(self, client, op, &call);
}

static void ask_send(clients_t *self, struct client *client, struct known_group *group)
{
    struct message draft = {.verb = VERB_SEND, .group = oracle_index(self->oracle, group)};
    say(self, "{'group_id':'%s'", group->id);
    say_speaker(self, client, &draft);
    say(self, ",");
    unsigned number = say_message(self, &draft, "to");
    say(self, "}");
    keep_args(self, number);
    ask_one(self, client, "send", group, number);
}

/* One goes on at another. */
static void ask_storm(clients_t *self, struct client *client, struct known_group *group)
{
    const char *to = some_actor(self), *by = sim_once_in(self->sim, 2) ? "svc:ci" : some_actor(self);
    for (uint64_t n = 3 + roll(self, 3); n > 0 && free_call(client); n--) {
        struct message draft = {.verb = VERB_SEND, .group = oracle_index(self->oracle, group)};
        snprintf(draft.by, sizeof draft.by, "%s", client->actor_id[0] ? client->actor_id : by);
        unsigned number = oracle_message(self->oracle, &draft);
        say_anew(self);
        say(self, "{'group_id':'%s','to':['%s'],'text':'m%u again'", group->id, to, number);
        if (!client->actor_id[0])
            say(self, ",'by':'%s'", by);
        say(self, "}");
        ask_one(self, client, "send", group, number);
    }
}

static void ask_reply(clients_t *self, struct client *client, struct known_group *group)
{
    const char *to = some_event(self, group, true);
    if (!to)
        return;
    struct message draft = {.verb = VERB_REPLY, .group = oracle_index(self->oracle, group)};
    say(self, "{'group_id':'%s','reply_to':'%s'", group->id, to);
    say_speaker(self, client, &draft);
    say(self, ",");
    unsigned number = say_message(self, &draft, "to");
    say(self, "}");
    keep_args(self, number);
    ask_one(self, client, "reply", group, number);
}

static void ask_cross(clients_t *self, struct client *client, struct known_group *group)
{
    unsigned here = oracle_index(self->oracle, group), there = (unsigned)roll(self, self->oracle->group_count);
    if (here == there)
        return;
    struct message draft = {.verb = VERB_CROSS, .group = here, .dst = there};
    say(self, "{'group_id':'%s','dst_group_id':'%s'", group->id, self->oracle->groups[there].id);
    say_speaker(self, client, &draft);
    say(self, ",");
    unsigned number = say_message(self, &draft, "to");
    say(self, "}");
    keep_args(self, number);
    ask_one(self, client, "send_cross_group", group, number);
}

static void ask_batch(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_MESSAGES, group);
    struct message draft = {.verb = VERB_SEND, .group = oracle_index(self->oracle, group)};
    call.is_batch = true;
    say(self, "{'group_id':'%s'", group->id);
    say_speaker(self, client, &draft);
    say(self, ",'messages':[");
    unsigned count = 1 + (unsigned)roll(self, BATCH_MAX);
    for (unsigned i = 0; i < count; i++) {
        draft.client_id[0] = '\0';
        say(self, i ? ",{" : "{");
        call.messages[call.message_count++] = say_message(self, &draft, "to");
        say(self, "}");
    }
    say(self, "]}");
    ask(self, client, "send_batch", &call);
}

/* What was asked before is asked again, word for word: as after a time-out, or by mistake. */
static void ask_again(clients_t *self, struct client *client, struct known_group *group)
{
    static const char *const verbs[] = {[VERB_SEND] = "send", [VERB_REPLY] = "reply", [VERB_CROSS] = "send_cross_group"};
    (void)group;
    for (int attempt = 0; attempt < 6 && self->oracle->message_count > 0; attempt++) {
        unsigned back = (unsigned)roll(self, 1 + roll(self, self->oracle->message_count));
        unsigned number = self->oracle->message_count - 1 - back;
        const struct message *message = &self->oracle->messages[number];
        bool own_voice = client->actor_id[0] == '\0' && strstr(message->args ? message->args : "", "\"by\"") != NULL;
        if (!message->args || !message->client_id[0] || !own_voice)
            continue;
        say(self, "%s", "");
        cccc_buf_str(&self->args, message->args);
        ask_one(self, client, verbs[message->verb], &self->oracle->groups[message->group], number);
        return;
    }
}

/* ---- reading ---- */

static void ask_mark_read(clients_t *self, struct client *client, struct known_group *group)
{
    const char *event = some_event(self, group, true);
    struct call call = about(self, ABOUT_CURSOR, group);
    if (!event)
        return;
    snprintf(call.reader, sizeof call.reader, "%s", client->actor_id[0] ? client->actor_id : some_reader(self));
    say(self, "{'group_id':'%s','actor_id':'%s','event_id':'%s'}", group->id, call.reader, event);
    ask(self, client, "inbox_mark_read", &call);
}

static const char *choose_lane(clients_t *self, struct call *call)
{
    static const char *const filters[] = {"all", "chat", "notify"};
    uint64_t n = roll(self, 3);
    call->lane = n == 2;
    return filters[n];
}

static void ask_mark_all(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_CURSOR, group);
    snprintf(call.reader, sizeof call.reader, "%s", client->actor_id[0] ? client->actor_id : some_reader(self));
    say(self, "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", group->id, call.reader, choose_lane(self, &call));
    ask(self, client, "inbox_mark_all_read", &call);
}

static void ask_inbox(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_CURSOR, group);
    snprintf(call.reader, sizeof call.reader, "%s", client->actor_id[0] ? client->actor_id : some_reader(self));
    say(self, "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", group->id, call.reader, choose_lane(self, &call));
    ask(self, client, "inbox_list", &call);
}

static void ask_ledger(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_LEDGER, group);
    say(self, "{'group_id':'%s','%s':%llu,'limit':%llu}", group->id, sim_once_in(self->sim, 2) ? "after_seq" : "before_seq",
        (unsigned long long)roll(self, group->head + 2), 1 + (unsigned long long)roll(self, 40));
    ask(self, client, "ledger_read", &call);
}

/* ---- what is owed ---- */

static void ask_ack(clients_t *self, struct client *client, struct known_group *group)
{
    const char *event = some_event(self, group, true);
    struct call call = about(self, ABOUT_DUTY, group);
    if (!event)
        return;
    snprintf(call.reader, sizeof call.reader, "%s", client->actor_id[0] ? client->actor_id : some_reader(self));
    snprintf(call.event_id, sizeof call.event_id, "%s", event);
    say(self, "{'group_id':'%s','actor_id':'%s','by':'%s','event_id':'%s'}", group->id, call.reader, call.reader, event);
    ask(self, client, "chat_ack", &call);
}

static void ask_cancel(clients_t *self, struct client *client, struct known_group *group)
{
    const char *event = some_event(self, group, true);
    struct call call = about(self, ABOUT_DUTY, group);
    if (!event)
        return;
    snprintf(call.event_id, sizeof call.event_id, "%s", event);
    say(self, "{'group_id':'%s','event_id':'%s'}", group->id, event);
    ask(self, client, "reply_cancel", &call);
}

static void ask_recall(clients_t *self, struct client *client, struct known_group *group)
{
    const char *event = some_event(self, group, true);
    struct call call = about(self, ABOUT_OTHER, group);
    if (!event)
        return;
    say(self, "{'group_id':'%s','event_id':'%s','reason':'no more'}", group->id, event);
    ask(self, client, "recall", &call);
}

/* Two that are held, as far as is known, go on; or two that may not be. */
static void ask_release(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    const struct known_hold *hold = &group->heard;
    if (group->hold_count && sim_once_in(self->sim, 2))
        hold = &group->holds[roll(self, group->hold_count)];
    if (!hold->a[0] && !sim_once_in(self->sim, 8))
        return;
    say(self, "{'group_id':'%s','between':['%s','%s'],'drop':%s}", group->id, hold->a[0] ? hold->a : some_actor(self),
        hold->b[0] ? hold->b : "svc:ci", sim_once_in(self->sim, 4) ? "true" : "false");
    ask(self, client, "hold_release", &call);
}

static void ask_owed(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    const char *event = sim_once_in(self->sim, 2) ? some_event(self, group, true) : NULL;
    if (event)
        say(self, "{'group_id':'%s','event_id':'%s'}", group->id, event);
    else
        say(self, "{'group_id':'%s'}", group->id);
    ask(self, client, event ? "why" : "obligations_list", &call);
}

/* ---- configuration ---- */

static void ask_actor_add(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    say(self, "{'group_id':'%s','actor_id':'%s','title':'T%u','runtime':'custom','command':['cat'],'runner':'%s'}", group->id,
        some_actor(self), self->titles++, sim_once_in(self->sim, 2) ? "pty" : "headless");
    ask(self, client, "actor_add", &call);
}

static void ask_actor_update(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    say(self, "{'group_id':'%s','actor_id':'%s','patch':{'enabled':%s}}", group->id, some_actor(self),
        sim_once_in(self->sim, 3) ? "false" : "true");
    ask(self, client, "actor_update", &call);
}

static void ask_actor_remove(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    say(self, "{'group_id':'%s','actor_id':'%s'}", group->id, some_actor(self));
    ask(self, client, "actor_remove", &call);
}

static void ask_group_update(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_TITLE, group);
    group->edited[0] = '\0';
    say(self, "{'group_id':'%s','patch':{'title':'title %u'}}", group->id, self->titles++);
    ask(self, client, "group_update", &call);
}

static void ask_settings(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    bool few = !sim_once_in(self->sim, 3); /* what agents may cause to be typed is soon used up */
    say(self, "{'group_id':'%s','patch':{'default_send_to':'%s','guard_pair_max':%d,'guard_hold_after':1}}", group->id,
        sim_once_in(self->sim, 2) ? "broadcast" : "foreman", few ? 1 : 40);
    ask(self, client, "group_settings_update", &call);
}

/* So that what was sealed may go, if it has been read. */
static void ask_retention(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    const char *rule = sim_once_in(self->sim, 2) ? "retention_max_bytes" : "retention_max_age_s";
    group->may_retire = true;
    if (sim_once_in(self->sim, 4))
        say(self, "{'group_id':'%s','patch':{'%s':null}}", group->id, rule);
    else
        say(self, "{'group_id':'%s','patch':{'%s':%llu}}", group->id, rule, 1 + (unsigned long long)roll(self, 30));
    ask(self, client, "group_settings_update", &call);
}

static void ask_state(clients_t *self, struct client *client, struct known_group *group)
{
    static const char *const states[] = {"active", "idle", "paused"};
    struct call call = about(self, ABOUT_OTHER, group);
    say(self, "{'group_id':'%s','state':'%s'}", group->id, states[roll(self, 3)]);
    ask(self, client, "group_set_state", &call);
}

static void ask_attach(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    say(self, "{'group_id':'%s','path':'/srv/p%llu'}", group->id, (unsigned long long)roll(self, 4));
    ask(self, client, "attach", &call);
}

static void ask_start_stop(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    say(self, "{'group_id':'%s'}", group->id);
    ask(self, client, sim_once_in(self->sim, 2) ? "group_start" : "group_stop", &call);
}

static void ask_session(clients_t *self, struct client *client, struct known_group *group)
{
    static const char *const ops[] = {"actor_start", "actor_start", "actor_stop", "actor_restart"};
    struct call call = about(self, ABOUT_OTHER, group);
    say(self, "{'group_id':'%s','actor_id':'%s'}", group->id, some_actor(self));
    ask(self, client, ops[roll(self, 4)], &call);
}

static void ask_create(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, NULL);
    (void)group;
    if (self->groups_asked++ >= GROUPS_MAX / 3)
        return;
    say(self, "{'title':'group %u'", self->groups_asked);
    if (sim_once_in(self->sim, 2))
        say(self, ",'client_id':'g%u'", self->groups_asked);
    say(self, "}");
    ask(self, client, "group_create", &call);
}

static void ask_delete(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_DELETION, group);
    group->deletes_open++;
    say(self, "{'group_id':'%s'}", group->id);
    ask(self, client, "group_delete", &call);
}

static void ask_active(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    say(self, "{'group_id':'%s'}", group->id);
    ask(self, client, "active_set", &call);
}

static void ask_show(clients_t *self, struct client *client, struct known_group *group)
{
    static const char *const ops[] = {"group_show", "actor_list", "groups", "status"};
    struct call call = about(self, ABOUT_OTHER, group);
    uint64_t n = roll(self, 4);
    say(self, n < 2 ? "{'group_id':'%s'}" : "{}", group->id);
    ask(self, client, ops[n], &call);
}

static void ask_housekeeping(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    bool seal = sim_once_in(self->sim, 2);
    say(self, seal ? "{'group_id':'%s','force':true}" : "{'group_id':'%s'}", group->id);
    ask(self, client, seal ? "ledger_compact" : "ledger_snapshot", &call);
}

/* Everybody has read everything, and what is owed for what was sent last is called off: what is sealed can be retired. */
static void ask_clearance(clients_t *self, struct client *client, struct known_group *group)
{
    for (int i = 0; i <= ACTORS && free_call(client); i++) {
        struct call call = about(self, ABOUT_CURSOR, group);
        const char *reader = i < ACTORS ? actor_names[i] : "user";
        snprintf(call.reader, sizeof call.reader, "%s", client->actor_id[0] ? client->actor_id : reader);
        say_anew(self);
        say(self, "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", group->id, call.reader, choose_lane(self, &call));
        ask(self, client, "inbox_mark_all_read", &call);
    }
    for (int i = 0; i < 4 && free_call(client); i++) {
        say_anew(self);
        ask_cancel(self, client, group);
    }
}

static const struct {
    unsigned weight;
    void (*ask)(clients_t *self, struct client *client, struct known_group *group);
} wishes[] = {
    {40, ask_send},        {10, ask_again},   {8, ask_reply},  {5, ask_batch},     {7, ask_cross},        {9, ask_mark_read},
    {3, ask_mark_all},     {7, ask_inbox},    {6, ask_ledger}, {4, ask_actor_add}, {2, ask_actor_update}, {1, ask_actor_remove},
    {2, ask_group_update}, {1, ask_settings}, {2, ask_state},  {1, ask_attach},    {1, ask_start_stop},   {3, ask_session},
    {1, ask_create},       {1, ask_delete},   {1, ask_active}, {2, ask_show},      {2, ask_housekeeping}, {3, ask_ack},
    {3, ask_cancel},       {2, ask_recall},   {2, ask_owed},   {2, ask_retention}, {2, ask_clearance},    {6, ask_release},
    {6, ask_storm},
};

void clients_ask(clients_t *self)
{
    struct client *client = &self->clients[roll(self, CLIENTS)];
    struct known_group *group = some_group(self, client);
    if (!group || !free_call(client))
        return;
    unsigned all = 0, at = 0;
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
        all += wishes[i].weight;
    unsigned pick = (unsigned)roll(self, all);
    while (pick >= wishes[at].weight)
        pick -= wishes[at++].weight;
    say_anew(self);
    wishes[at].ask(self, client, group);
}

void clients_set_up(clients_t *self)
{
    struct client *client = &self->clients[0];
    unsigned groups = 1 + (unsigned)roll(self, 3);
    for (unsigned i = 0; i < groups; i++) {
        say_anew(self);
        ask_create(self, client, NULL);
    }
    broker_settle(self->broker);
    for (unsigned i = 0; i < self->oracle->group_count; i++) {
        say_anew(self);
        ask_attach(self, client, &self->oracle->groups[i]);
        for (unsigned n = (unsigned)roll(self, 3) + 1; n > 0; n--) {
            say_anew(self);
            ask_actor_add(self, client, &self->oracle->groups[i]);
        }
        broker_settle(self->broker);
        if (sim_once_in(self->sim, 3)) {
            say_anew(self);
            ask_retention(self, client, &self->oracle->groups[i]);
        }
        if (sim_once_in(self->sim, 3)) {
            say_anew(self);
            ask_settings(self, client, &self->oracle->groups[i]);
        }
        if (sim_once_in(self->sim, 3))
            continue; /* nothing runs in it */
        say_anew(self);
        ask_start_stop(self, client, &self->oracle->groups[i]);
    }
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

/* ---- reading everything ---- */

/* The result of one request, of a daemon at rest; it must be good. Lives until the next. */
static const cccc_value_t *fetch(clients_t *self, const char *op)
{
    const struct cccc_peer peer = {.standing = CCCC_PEER_OPERATOR, .uid = 1000, .gid = 1000, .pid = 1};
    msgpack_zone_clear(self->reading);
    self->answered = false;
    put_request(self, READ_ALL_CONN, &peer, ++self->last_id, op);
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
    say_anew(self);
    say(self, "{'group_id':'%s','%s':%llu,'limit':%llu}", group->id, where, (unsigned long long)seq,
        sim_once_in(self->sim, 2) ? 1000ull : 1 + (unsigned long long)roll(self, 30));
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
        say_anew(self);
        say(self, "{'group_id':'%s','actor_id':'user','kind_filter':'%s'}", group->id, lane ? "notify" : "chat");
        const cccc_value_t *result = fetch(self, "inbox_list");
        oracle_cursor(self->oracle, group, "user", lane, cccc_get_uint(cccc_get(result, "cursor"), "seq", 0));
    }
    say_anew(self);
    say(self, "{'group_id':'%s'}", group->id);
    char actors[READERS_MAX][40];
    unsigned count = 0;
    const cccc_value_t *list = cccc_get(fetch(self, "actor_list"), "actors");
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size && count < READERS_MAX; i++)
        snprintf(actors[count++], sizeof actors[0], "%.*s", CCCC_STR_FMT(cccc_get_str(&list->via.array.ptr[i], "id")));
    for (unsigned i = 0; i < 2 * count; i++) {
        say_anew(self);
        say(self, "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", group->id, actors[i / 2], i % 2 ? "notify" : "chat");
        const cccc_value_t *result = fetch(self, "inbox_list");
        oracle_cursor(self->oracle, group, actors[i / 2], i % 2, cccc_get_uint(cccc_get(result, "cursor"), "seq", 0));
    }
}

/* I9: what was acknowledged, or called off, is not asked for again. */
static void read_obligations(clients_t *self, struct known_group *group)
{
    say_anew(self);
    say(self, "{'group_id':'%s','limit':1000}", group->id);
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
    say_anew(self);
    say(self, "{'group_id':'%s'}", group->id);
    holds_compare(self->oracle, group, cccc_get(fetch(self, "holds_list"), "holds"));
}

static void read_title(clients_t *self, struct known_group *group)
{
    say_anew(self);
    say(self, "{'group_id':'%s'}", group->id);
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
