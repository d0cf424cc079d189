/* asks.c - what the clients ask for, by chance: messages, cursors, duties, configuration; see clients.h. */
#include "proto/json.h"
#include "proto/wire.h"
#include "tests/sim/clients_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- sending ---- */

static struct call *free_call(struct client *client)
{
    for (int i = 0; i < CALLS_MAX; i++)
        if (!client->calls[i].id)
            return &client->calls[i];
    return NULL;
}

void clients_say(clients_t *self, const char *fmt, ...)
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

void clients_say_anew(clients_t *self)
{
    self->args.size = 0;
}

void clients_put(clients_t *self, uint64_t conn, const struct cccc_peer *peer, uint64_t id, const char *op)
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
    clients_put(self, client->conn, &client->peer, place->id, op);
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
    return clients_actor_names[roll(self, ACTORS)];
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
    clients_say(self, "'text':'m%u ", number);
    for (uint64_t n = 0; n < size; n += sizeof words - 1)
        cccc_buf_put(&self->args, words, size - n < sizeof words - 1 ? (size_t)(size - n) : sizeof words - 1);
    clients_say(self, ".'");
}

/* Text, recipients and the rest of a new message; its number. */
static unsigned say_message(clients_t *self, struct message *draft, const char *to_key)
{
    if (!sim_once_in(self->sim, 4))
        snprintf(draft->client_id, sizeof draft->client_id, "c%u", self->oracle->message_count);
    unsigned number = oracle_message(self->oracle, draft);
    say_text(self, number);
    clients_say(self, ",'%s':[%s]", to_key, some_recipients(self));
    if (draft->client_id[0])
        clients_say(self, ",'client_id':'%s'", draft->client_id);
    if (sim_once_in(self->sim, 5))
        clients_say(self, ",'priority':'attention'");
    if (sim_once_in(self->sim, 8))
        clients_say(self, ",'reply_required':true");
    if (sim_once_in(self->sim, 16))
        clients_say(self, ",'due_seconds':%llu", (unsigned long long)roll(self, 20));
    if (sim_once_in(self->sim, 12))
        clients_say(self, ",'expires_seconds':%llu", 1 + (unsigned long long)roll(self, 20));
    return number;
}

static void say_speaker(clients_t *self, const struct client *client, struct message *draft)
{
    snprintf(draft->by, sizeof draft->by, "%s", some_speaker(self, client));
    if (!client->actor_id[0])
        clients_say(self, ",'by':'%s'", draft->by);
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
    clients_say(self, "{'group_id':'%s'", group->id);
    say_speaker(self, client, &draft);
    clients_say(self, ",");
    unsigned number = say_message(self, &draft, "to");
    clients_say(self, "}");
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
        clients_say_anew(self);
        clients_say(self, "{'group_id':'%s','to':['%s'],'text':'m%u again'", group->id, to, number);
        if (!client->actor_id[0])
            clients_say(self, ",'by':'%s'", by);
        clients_say(self, "}");
        ask_one(self, client, "send", group, number);
    }
}

static void ask_reply(clients_t *self, struct client *client, struct known_group *group)
{
    const char *to = some_event(self, group, true);
    if (!to)
        return;
    struct message draft = {.verb = VERB_REPLY, .group = oracle_index(self->oracle, group)};
    clients_say(self, "{'group_id':'%s','reply_to':'%s'", group->id, to);
    say_speaker(self, client, &draft);
    clients_say(self, ",");
    unsigned number = say_message(self, &draft, "to");
    clients_say(self, "}");
    keep_args(self, number);
    ask_one(self, client, "reply", group, number);
}

static void ask_cross(clients_t *self, struct client *client, struct known_group *group)
{
    unsigned here = oracle_index(self->oracle, group), there = (unsigned)roll(self, self->oracle->group_count);
    if (here == there)
        return;
    struct message draft = {.verb = VERB_CROSS, .group = here, .dst = there};
    clients_say(self, "{'group_id':'%s','dst_group_id':'%s'", group->id, self->oracle->groups[there].id);
    say_speaker(self, client, &draft);
    clients_say(self, ",");
    unsigned number = say_message(self, &draft, "to");
    clients_say(self, "}");
    keep_args(self, number);
    ask_one(self, client, "send_cross_group", group, number);
}

static void ask_batch(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_MESSAGES, group);
    struct message draft = {.verb = VERB_SEND, .group = oracle_index(self->oracle, group)};
    call.is_batch = true;
    clients_say(self, "{'group_id':'%s'", group->id);
    say_speaker(self, client, &draft);
    clients_say(self, ",'messages':[");
    unsigned count = 1 + (unsigned)roll(self, BATCH_MAX);
    for (unsigned i = 0; i < count; i++) {
        draft.client_id[0] = '\0';
        clients_say(self, i ? ",{" : "{");
        call.messages[call.message_count++] = say_message(self, &draft, "to");
        clients_say(self, "}");
    }
    clients_say(self, "]}");
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
        clients_say(self, "%s", "");
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
    clients_say(self, "{'group_id':'%s','actor_id':'%s','event_id':'%s'}", group->id, call.reader, event);
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
    clients_say(self, "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", group->id, call.reader, choose_lane(self, &call));
    ask(self, client, "inbox_mark_all_read", &call);
}

static void ask_inbox(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_CURSOR, group);
    snprintf(call.reader, sizeof call.reader, "%s", client->actor_id[0] ? client->actor_id : some_reader(self));
    clients_say(self, "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", group->id, call.reader, choose_lane(self, &call));
    ask(self, client, "inbox_list", &call);
}

static void ask_ledger(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_LEDGER, group);
    clients_say(self, "{'group_id':'%s','%s':%llu,'limit':%llu}", group->id, sim_once_in(self->sim, 2) ? "after_seq" : "before_seq",
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
    clients_say(self, "{'group_id':'%s','actor_id':'%s','by':'%s','event_id':'%s'}", group->id, call.reader, call.reader, event);
    ask(self, client, "chat_ack", &call);
}

static void ask_cancel(clients_t *self, struct client *client, struct known_group *group)
{
    const char *event = some_event(self, group, true);
    struct call call = about(self, ABOUT_DUTY, group);
    if (!event)
        return;
    snprintf(call.event_id, sizeof call.event_id, "%s", event);
    clients_say(self, "{'group_id':'%s','event_id':'%s'}", group->id, event);
    ask(self, client, "reply_cancel", &call);
}

static void ask_recall(clients_t *self, struct client *client, struct known_group *group)
{
    const char *event = some_event(self, group, true);
    struct call call = about(self, ABOUT_OTHER, group);
    if (!event)
        return;
    clients_say(self, "{'group_id':'%s','event_id':'%s','reason':'no more'}", group->id, event);
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
    clients_say(self, "{'group_id':'%s','between':['%s','%s'],'drop':%s}", group->id, hold->a[0] ? hold->a : some_actor(self),
                hold->b[0] ? hold->b : "svc:ci", sim_once_in(self->sim, 4) ? "true" : "false");
    ask(self, client, "hold_release", &call);
}

static void ask_owed(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    const char *event = sim_once_in(self->sim, 2) ? some_event(self, group, true) : NULL;
    if (event)
        clients_say(self, "{'group_id':'%s','event_id':'%s'}", group->id, event);
    else
        clients_say(self, "{'group_id':'%s'}", group->id);
    ask(self, client, event ? "why" : "obligations_list", &call);
}

/* ---- configuration ---- */

static void ask_actor_add(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    clients_say(self, "{'group_id':'%s','actor_id':'%s','title':'T%u','runtime':'custom','command':['cat'],'runner':'%s'}", group->id,
                some_actor(self), self->titles++, sim_once_in(self->sim, 2) ? "pty" : "headless");
    ask(self, client, "actor_add", &call);
}

static void ask_actor_update(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    clients_say(self, "{'group_id':'%s','actor_id':'%s','patch':{'enabled':%s}}", group->id, some_actor(self),
                sim_once_in(self->sim, 3) ? "false" : "true");
    ask(self, client, "actor_update", &call);
}

static void ask_actor_remove(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    clients_say(self, "{'group_id':'%s','actor_id':'%s'}", group->id, some_actor(self));
    ask(self, client, "actor_remove", &call);
}

static void ask_group_update(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_TITLE, group);
    group->edited[0] = '\0';
    clients_say(self, "{'group_id':'%s','patch':{'title':'title %u'}}", group->id, self->titles++);
    ask(self, client, "group_update", &call);
}

static void ask_settings(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    bool few = !sim_once_in(self->sim, 3); /* what agents may cause to be typed is soon used up */
    clients_say(self, "{'group_id':'%s','patch':{'default_send_to':'%s','guard_pair_max':%d,'guard_hold_after':1}}", group->id,
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
        clients_say(self, "{'group_id':'%s','patch':{'%s':null}}", group->id, rule);
    else
        clients_say(self, "{'group_id':'%s','patch':{'%s':%llu}}", group->id, rule, 1 + (unsigned long long)roll(self, 30));
    ask(self, client, "group_settings_update", &call);
}

static void ask_state(clients_t *self, struct client *client, struct known_group *group)
{
    static const char *const states[] = {"active", "idle", "paused"};
    struct call call = about(self, ABOUT_OTHER, group);
    clients_say(self, "{'group_id':'%s','state':'%s'}", group->id, states[roll(self, 3)]);
    ask(self, client, "group_set_state", &call);
}

static void ask_attach(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    clients_say(self, "{'group_id':'%s','path':'/srv/p%llu'}", group->id, (unsigned long long)roll(self, 4));
    ask(self, client, "attach", &call);
}

static void ask_start_stop(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    clients_say(self, "{'group_id':'%s'}", group->id);
    ask(self, client, sim_once_in(self->sim, 2) ? "group_start" : "group_stop", &call);
}

static void ask_session(clients_t *self, struct client *client, struct known_group *group)
{
    static const char *const ops[] = {"actor_start", "actor_start", "actor_stop", "actor_restart"};
    struct call call = about(self, ABOUT_OTHER, group);
    clients_say(self, "{'group_id':'%s','actor_id':'%s'}", group->id, some_actor(self));
    ask(self, client, ops[roll(self, 4)], &call);
}

static void ask_create(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, NULL);
    (void)group;
    if (self->groups_asked++ >= GROUPS_MAX / 3)
        return;
    clients_say(self, "{'title':'group %u'", self->groups_asked);
    if (sim_once_in(self->sim, 2))
        clients_say(self, ",'client_id':'g%u'", self->groups_asked);
    clients_say(self, "}");
    ask(self, client, "group_create", &call);
}

static void ask_delete(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_DELETION, group);
    group->deletes_open++;
    clients_say(self, "{'group_id':'%s'}", group->id);
    ask(self, client, "group_delete", &call);
}

static void ask_active(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    clients_say(self, "{'group_id':'%s'}", group->id);
    ask(self, client, "active_set", &call);
}

static void ask_show(clients_t *self, struct client *client, struct known_group *group)
{
    static const char *const ops[] = {"group_show", "actor_list", "groups", "status"};
    struct call call = about(self, ABOUT_OTHER, group);
    uint64_t n = roll(self, 4);
    clients_say(self, n < 2 ? "{'group_id':'%s'}" : "{}", group->id);
    ask(self, client, ops[n], &call);
}

static void ask_housekeeping(clients_t *self, struct client *client, struct known_group *group)
{
    struct call call = about(self, ABOUT_OTHER, group);
    bool seal = sim_once_in(self->sim, 2);
    clients_say(self, seal ? "{'group_id':'%s','force':true}" : "{'group_id':'%s'}", group->id);
    ask(self, client, seal ? "ledger_compact" : "ledger_snapshot", &call);
}

/* Everybody has read everything, and what is owed for what was sent last is called off: what is sealed can be retired. */
static void ask_clearance(clients_t *self, struct client *client, struct known_group *group)
{
    for (int i = 0; i <= ACTORS && free_call(client); i++) {
        struct call call = about(self, ABOUT_CURSOR, group);
        const char *reader = i < ACTORS ? clients_actor_names[i] : "user";
        snprintf(call.reader, sizeof call.reader, "%s", client->actor_id[0] ? client->actor_id : reader);
        clients_say_anew(self);
        clients_say(self, "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", group->id, call.reader, choose_lane(self, &call));
        ask(self, client, "inbox_mark_all_read", &call);
    }
    for (int i = 0; i < 4 && free_call(client); i++) {
        clients_say_anew(self);
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
    clients_say_anew(self);
    wishes[at].ask(self, client, group);
}

void clients_set_up(clients_t *self)
{
    struct client *client = &self->clients[0];
    unsigned groups = 1 + (unsigned)roll(self, 3);
    for (unsigned i = 0; i < groups; i++) {
        clients_say_anew(self);
        ask_create(self, client, NULL);
    }
    broker_settle(self->broker);
    for (unsigned i = 0; i < self->oracle->group_count; i++) {
        clients_say_anew(self);
        ask_attach(self, client, &self->oracle->groups[i]);
        for (unsigned n = (unsigned)roll(self, 3) + 1; n > 0; n--) {
            clients_say_anew(self);
            ask_actor_add(self, client, &self->oracle->groups[i]);
        }
        broker_settle(self->broker);
        if (sim_once_in(self->sim, 3)) {
            clients_say_anew(self);
            ask_retention(self, client, &self->oracle->groups[i]);
        }
        if (sim_once_in(self->sim, 3)) {
            clients_say_anew(self);
            ask_settings(self, client, &self->oracle->groups[i]);
        }
        if (sim_once_in(self->sim, 3))
            continue; /* nothing runs in it */
        clients_say_anew(self);
        ask_start_stop(self, client, &self->oracle->groups[i]);
    }
}
