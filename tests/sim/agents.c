/* agents.c - see agents.h. The first half is the holder's side of the conversation, the second what broker/store/holder.c would do. */
#include "tests/sim/agents.h"

#include "broker/bus/bus.h"
#include "broker/store/files.h"
#include "proto/json.h"
#include "proto/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AGENTS_MAX = 256, OUTCOMES_MAX = 64, FIRST_CONN = 1000000 };

enum outcome_state { OUTCOME_OPEN, OUTCOME_KNOWN, OUTCOME_SENT, OUTCOME_HEARD };

struct outcome {
    char order_id[65];
    enum outcome_state state;
    const char *word; /* "" while it is being carried out */
    bool typing;
};

struct agent {
    char group_id[16], actor_id[40];
    uint64_t generation, conn, request; /* request: the one on its way, 0 = none */
    cccc_slot_t slot;
    bool alive, launched, watched, registered, asking_exit;
    bool exited, asked, exit_heard, superseded;
    uint64_t typed;
    struct outcome outcomes[OUTCOMES_MAX];
    unsigned outcome_count;
};

struct agents {
    struct sim *sim;
    oracle_t *oracle;
    broker_t *broker;
    struct agent *all[AGENTS_MAX];
    unsigned count;
    uint64_t last_conn, last_id;
};

/* The store's functions are not told whose machine they run on. */
static agents_t *machine;

agents_t *agents_new(struct sim *sim, oracle_t *oracle)
{
    agents_t *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    *self = (struct agents){.sim = sim, .oracle = oracle, .last_conn = FIRST_CONN};
    machine = self;
    return self;
}

void agents_destroy(agents_t **self)
{
    for (unsigned i = 0; i < (*self)->count; i++)
        free((*self)->all[i]);
    free(*self);
    *self = NULL;
    machine = NULL;
}

static uint64_t roll(agents_t *self, uint64_t below)
{
    return sim_roll(self->sim, below);
}

/* ---- life and death ---- */

static void tell(const agents_t *self, const struct agent *agent, const char *what)
{
    sim_tell(self->sim, "  holder of %s/%s (%llu) %s", agent->group_id, agent->actor_id, (unsigned long long)agent->generation, what);
}

static void die(agents_t *self, struct agent *agent, const char *how)
{
    if (!agent->alive)
        return;
    tell(self, agent, how);
    agent->alive = false;
    agent->request = 0;
    if (self->broker && agent->watched)
        broker_holder_gone(self->broker, agent->slot, cccc_str(agent->actor_id), agent->generation);
}

/* What was on its way may have been heard, or not: it is said again. */
static void hang_up(struct agent *agent)
{
    agent->registered = agent->asking_exit = false;
    agent->request = 0;
    for (unsigned i = 0; i < agent->outcome_count; i++)
        if (agent->outcomes[i].state == OUTCOME_SENT)
            agent->outcomes[i].state = OUTCOME_KNOWN;
}

void agents_meet(agents_t *self, broker_t *broker)
{
    self->broker = broker;
    for (unsigned i = 0; i < self->count && !broker; i++) {
        hang_up(self->all[i]);
        self->all[i]->watched = false;
        if (!self->all[i]->launched)
            self->all[i]->alive = false; /* the pipe ended before the document came */
    }
}

void agents_power_cut(agents_t *self)
{
    for (unsigned i = 0; i < self->count; i++)
        self->all[i]->alive = false;
}

/* ---- saying ---- */

static void add_reports(cccc_builder_t *args, struct agent *agent)
{
    cccc_builder_t list = cccc_array_builder(args->arena, 4);
    for (unsigned i = 0; i < agent->outcome_count; i++) {
        struct outcome *outcome = &agent->outcomes[i];
        if (outcome->state != OUTCOME_KNOWN)
            continue;
        cccc_builder_t one = cccc_map_builder(args->arena, 2);
        cccc_map_add(&one, "order_id", cccc_text(outcome->order_id));
        cccc_map_add(&one, "outcome", cccc_text(outcome->word));
        cccc_array_add(&list, one.value);
        outcome->state = OUTCOME_SENT;
    }
    cccc_map_add(args, "reports", list.value);
}

static void add_exit(cccc_builder_t *args, struct agent *agent)
{
    cccc_builder_t map = cccc_map_builder(args->arena, 3);
    cccc_map_add(&map, "code", cccc_int(3));
    cccc_map_add(&map, "asked", cccc_bool(agent->asked));
    cccc_map_add(&map, "screen", cccc_text("last words"));
    cccc_map_add(args, "exited", map.value);
    agent->asking_exit = true;
}

static void add_facts(cccc_builder_t *args, const struct agent *agent)
{
    cccc_builder_t map = cccc_map_builder(args->arena, 3);
    cccc_map_add(&map, "ready", cccc_bool(true));
    cccc_map_add(&map, "idle_ms", cccc_uint(5));
    cccc_map_add(&map, "typed", cccc_uint(agent->typed));
    cccc_map_add(args, "facts", map.value);
}

static void ask(agents_t *self, struct agent *agent, const char *op, const cccc_value_t *args)
{
    struct cccc_peer peer = {.standing = agent->watched ? CCCC_PEER_HOLDER : CCCC_PEER_UNKNOWN,
                             .uid = 1000,
                             .gid = 1000,
                             .pid = (int32_t)agent->conn,
                             .group_id = cccc_str(agent->group_id),
                             .actor_id = cccc_str(agent->actor_id),
                             .generation = agent->generation};
    cccc_buf_t packed, frame;
    cccc_buf_init(&packed);
    cccc_buf_init(&frame);
    cccc_pack_value(&packed, args);
    agent->request = ++self->last_id;
    cccc_request_write(&frame, agent->request, op, packed.data, packed.size);
    tell(self, agent, op);
    broker_request(self->broker, agent->conn, &peer, frame.data, frame.size);
    cccc_buf_fini(&frame);
    cccc_buf_fini(&packed);
}

static void talk(agents_t *self, struct agent *agent)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_builder_t args = cccc_map_builder(arena, 8);
    cccc_map_add(&args, "group_id", cccc_text(agent->group_id));
    cccc_map_add(&args, "actor_id", cccc_text(agent->actor_id));
    cccc_map_add(&args, "generation", cccc_uint(agent->generation));
    add_reports(&args, agent);
    if (agent->exited)
        add_exit(&args, agent);
    if (agent->registered) {
        add_facts(&args, agent);
        ask(self, agent, "hold_wait", &args.value);
    } else {
        agent->conn = ++self->last_conn;
        cccc_map_add(&args, "pid", cccc_uint(agent->conn));
        cccc_map_add(&args, "socket", cccc_text("/s"));
        ask(self, agent, "hold_register", &args.value);
    }
    cccc_arena_destroy(&arena);
}

/* ---- carrying out ---- */

static struct outcome *outcome_of(struct agent *agent, cccc_str_t order_id)
{
    for (unsigned i = 0; i < agent->outcome_count; i++)
        if (cccc_str_is(order_id, agent->outcomes[i].order_id))
            return &agent->outcomes[i];
    return NULL;
}

/* Nobody is told of a claim that a crash could take back (I3): it has been published, as everything durable is, or found when the ledger was read again. */
static void check_claim(agents_t *self, const struct agent *agent, cccc_str_t order_id)
{
    const struct known_group *group = oracle_find(self->oracle, cccc_str(agent->group_id));
    uint64_t seq = cccc_event_id_seq(order_id);
    const struct witnessed *line = group && seq > 0 && seq < group->line_room ? &group->lines[seq] : NULL;
    bool published = line && line->bytes && cccc_str_is(order_id, line->id);
    if (!published && !simdisk_is_durable(self->sim->disk, order_id))
        sim_broken(self->sim, "I3", "%s/%s is to type %.*s, which is not durable", agent->group_id, agent->actor_id,
                   CCCC_STR_FMT(order_id));
    for (unsigned i = 0; i < self->count; i++)
        if (self->all[i] != agent && outcome_of(self->all[i], order_id))
            sim_broken(self->sim, "delivery", "%.*s is to be typed by a second holder", CCCC_STR_FMT(order_id));
}

static void take_order(agents_t *self, struct agent *agent, const cccc_value_t *order)
{
    cccc_str_t id = cccc_get_str(order, "order_id"), what = cccc_get_str(order, "order");
    struct outcome *known = outcome_of(agent, id);
    if (known) { /* a repeat: what became of it is said again */
        if (known->state == OUTCOME_HEARD)
            known->state = OUTCOME_KNOWN;
        return;
    }
    if (cccc_str_is(what, "stop")) {
        agent->exited = agent->asked = true;
        return;
    }
    bool typing = cccc_str_is(what, "type");
    if (typing && id.ptr[0] != 'p')
        check_claim(self, agent, id);
    CCCC_ASSERT(agent->outcome_count < OUTCOMES_MAX, "(more orders than a history has)");
    struct outcome *outcome = &agent->outcomes[agent->outcome_count++];
    *outcome = (struct outcome){.state = OUTCOME_OPEN, .word = "", .typing = typing};
    snprintf(outcome->order_id, sizeof outcome->order_id, "%.*s", CCCC_STR_FMT(id));
}

/* Something that is being done is done. */
static void carry_out(agents_t *self, struct agent *agent)
{
    static const char *const words[] = {"accepted", "accepted", "accepted", "failed", "ambiguous"};
    for (unsigned i = 0; i < agent->outcome_count; i++) {
        struct outcome *outcome = &agent->outcomes[i];
        if (outcome->state != OUTCOME_OPEN)
            continue;
        outcome->word = outcome->typing ? words[roll(self, 5)] : "done";
        outcome->state = OUTCOME_KNOWN;
        agent->typed += outcome->typing && strcmp(outcome->word, "failed") != 0;
        return;
    }
}

static bool has_open(const struct agent *agent)
{
    for (unsigned i = 0; i < agent->outcome_count; i++)
        if (agent->outcomes[i].state == OUTCOME_OPEN)
            return true;
    return false;
}

static bool has_news(const struct agent *agent)
{
    for (unsigned i = 0; i < agent->outcome_count; i++)
        if (agent->outcomes[i].state == OUTCOME_KNOWN)
            return true;
    return agent->exited && !agent->asking_exit;
}

/* ---- hearing ---- */

static void heard(struct agent *agent)
{
    for (unsigned i = 0; i < agent->outcome_count; i++)
        if (agent->outcomes[i].state == OUTCOME_SENT)
            agent->outcomes[i].state = OUTCOME_HEARD;
}

static void hear(agents_t *self, struct agent *agent, const cccc_value_t *reply)
{
    const cccc_value_t *result = cccc_get(reply, "result"), *orders = cccc_get(result, "orders");
    cccc_str_t code = cccc_get_str(cccc_get(reply, "error"), "code");
    agent->request = 0;
    if (!cccc_get_bool(reply, "ok", false)) {
        agent->superseded |= cccc_str_is(code, "superseded") || cccc_str_is(code, "group_not_found");
        hang_up(agent);
        return;
    }
    heard(agent);
    agent->exit_heard = agent->asking_exit;
    agent->registered = true;
    for (uint32_t i = 0; cccc_is_array(orders) && i < orders->via.array.size; i++)
        take_order(self, agent, &orders->via.array.ptr[i]);
}

bool agents_hear(agents_t *self, uint64_t conn, const char *bytes, size_t len)
{
    if (conn < FIRST_CONN)
        return false;
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t reply;
    struct cccc_errmsg m = {""};
    uint64_t id = 0;
    if (cccc_msgpack_read(bytes, len, CCCC_REPLY_BYTES_MAX, arena, &reply, &m) != CCCC_OK)
        sim_broken(self->sim, "I1", "a reply cannot be read: %s", m.text);
    cccc_as_uint(cccc_get(&reply, "id"), &id);
    for (unsigned i = 0; i < self->count; i++)
        if (self->all[i]->alive && self->all[i]->conn == conn && self->all[i]->request == id)
            hear(self, self->all[i], &reply);
    cccc_arena_destroy(&arena);
    return true;
}

const char *agents_outcome(const agents_t *self, cccc_str_t order_id, bool *was_heard)
{
    for (unsigned i = 0; i < self->count; i++) {
        const struct outcome *outcome = outcome_of(self->all[i], order_id);
        if (!outcome)
            continue;
        *was_heard = outcome->state == OUTCOME_HEARD;
        return outcome->word;
    }
    *was_heard = false;
    return "";
}

/* ---- what they do ---- */

static void act(agents_t *self, struct agent *agent)
{
    if (agent->superseded || agent->exit_heard)
        die(self, agent, "goes");
    else if (agent->request == 0)
        talk(self, agent);
    else if (has_news(agent) && agent->registered && !agent->asking_exit)
        talk(self, agent); /* does not wait for its parked request; what that one carried is answered with it */
    else if (has_open(agent))
        carry_out(self, agent);
}

static bool can_act(const struct agent *agent)
{
    return agent->alive && agent->launched;
}

void agents_step(agents_t *self)
{
    struct agent *agent = self->count ? self->all[roll(self, self->count)] : NULL;
    if (!agent || !self->broker || !can_act(agent))
        return;
    uint64_t how = roll(self, 60);
    if (how == 0)
        die(self, agent, "is killed");
    else if (how == 1)
        agent->exited = true;
    else if (how == 2)
        hang_up(agent); /* it lost its patience, or its connection */
    else
        act(self, agent);
}

void agents_work(agents_t *self)
{
    for (unsigned i = 0; i < self->count && self->broker; i++)
        if (can_act(self->all[i]))
            act(self, self->all[i]);
}

/* ---- broker/store/holder.c ---- */

static struct agent *agent_living(cccc_str_t group_id, cccc_str_t actor_id)
{
    for (unsigned i = 0; machine && i < machine->count; i++) {
        struct agent *agent = machine->all[i];
        if (agent->alive && cccc_str_is(group_id, agent->group_id) && cccc_str_is(actor_id, agent->actor_id))
            return agent;
    }
    return NULL;
}

static struct cccc_path record_path(const struct cccc_home *home, cccc_str_t group_id, cccc_str_t actor_id)
{
    return cccc_group_path(home, group_id, "/state/runners/pty/%.*s.json", CCCC_STR_FMT(actor_id));
}

static struct agent *agent_new(const struct cccc_store *store)
{
    CCCC_ASSERT(machine->count < AGENTS_MAX, "(more starts than a history has)");
    struct agent *agent = calloc(1, sizeof *agent);
    CCCC_ASSERT(agent, "out of memory");
    agent->generation = cccc_get_uint(&store->document, "generation", 0);
    snprintf(agent->group_id, sizeof agent->group_id, "%.*s", CCCC_STR_FMT(store->group_id));
    snprintf(agent->actor_id, sizeof agent->actor_id, "%.*s", CCCC_STR_FMT(store->name));
    for (unsigned i = 0; i < machine->count; i++)
        if (machine->all[i]->alive && machine->all[i]->generation == agent->generation)
            sim_broken(machine->sim, "start", "two living holders have the generation %llu", (unsigned long long)agent->generation);
    machine->all[machine->count++] = agent;
    return agent;
}

static cccc_value_t record_of(cccc_arena_t *arena, const struct agent *agent)
{
    cccc_builder_t record = cccc_map_builder(arena, 8);
    cccc_map_add(&record, "v", cccc_uint(1));
    cccc_map_add(&record, "actor_id", cccc_text(agent->actor_id));
    cccc_map_add(&record, "generation", cccc_uint(agent->generation));
    cccc_map_add(&record, "hold_pid", cccc_uint(agent->generation % 100000 + 2));
    cccc_map_add(&record, "hold_started", cccc_uint(agent->generation));
    return record.value;
}

cccc_err_t cccc_store_holder_start(const struct cccc_store_call *call)
{
    const struct cccc_store *store = call->store;
    struct cccc_path folder = cccc_group_path(call->home, store->group_id, "/state/runners/pty");
    struct cccc_path path = record_path(call->home, store->group_id, store->name);
    if (!machine)
        return cccc_fail(call->m, CCCC_E_NOT_FOUND, "there is no cccc-hold");
    if (agent_living(store->group_id, store->name))
        return cccc_fail(call->m, CCCC_E_LOCKED, "a holder of this actor lives already");
    int rc = cccc_vfs_make_dirs(call->vfs, folder.z);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "create", folder.z);
    struct agent *agent = agent_new(store);
    cccc_value_t record = record_of(call->arena, agent);
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write(&record, &text);
    rc = cccc_vfs_replace(call->vfs, path.z, text.data, text.size, false);
    cccc_buf_fini(&text);
    if (rc < 0)
        return cccc_file_fail(call->m, rc, "write", path.z);
    agent->alive = true;
    cccc_builder_t launch = cccc_map_builder(call->arena, 1);
    *call->value = cccc_map_with(call->arena, &record, CCCC_STR("launch_fd"), cccc_uint(machine->count - 1));
    *call->value = cccc_map_with(call->arena, call->value, CCCC_STR("launch"), launch.value);
    return CCCC_OK;
}

/* The simulation has no programs to look for. */
cccc_err_t cccc_store_holder_check(const struct cccc_store_call *call)
{
    (void)call;
    return CCCC_OK;
}

cccc_err_t cccc_holder_launch(int fd, const cccc_value_t *document, struct cccc_errmsg *m)
{
    (void)document;
    struct agent *agent = machine->all[fd];
    if (!agent->alive)
        return cccc_fail(m, CCCC_E_STORAGE, "the holder ended before it could be told what to run");
    agent->launched = true;
    return CCCC_OK;
}

cccc_err_t cccc_store_holder_forget(const struct cccc_store_call *call)
{
    const struct cccc_store *store = call->store;
    struct cccc_path path = record_path(call->home, store->group_id, store->name);
    struct cccc_errmsg m;
    struct agent *agent = agent_living(store->group_id, store->name);
    cccc_value_t record = cccc_json_file(call->vfs, path.z, call->arena, &m);
    if (agent && agent->generation == store->total)
        agent->alive = agent->watched = false; /* it has said its last word */
    if (cccc_get_uint(&record, "generation", 0) != store->total)
        return CCCC_OK;
    int rc = call->vfs->unlink(call->vfs->ctx, path.z);
    return rc == 0 || rc == -ENOENT ? CCCC_OK : cccc_file_fail(call->m, rc, "remove", path.z);
}

void cccc_holder_forget_files(const struct cccc_store_call *call)
{
    (void)call; /* holders here have no locks: they are told to be alive */
}

void cccc_holders_forget_group(const struct cccc_store_call *call, const char *trashed)
{
    (void)call; /* nothing is printed */
    (void)trashed;
}

cccc_err_t cccc_store_holder_kill(const struct cccc_store_call *call)
{
    struct agent *agent = agent_living(call->store->group_id, call->store->name);
    if (!agent || agent->generation != call->store->offset)
        return CCCC_OK;
    if (cccc_get_bool(&call->store->document, "hard", false))
        agent->superseded = true; /* gone as soon as anybody looks */
    else
        agent->exited = agent->asked = true;
    return CCCC_OK;
}

struct listing {
    const struct cccc_vfs *vfs;
    const struct cccc_home *home;
    cccc_str_t group_id;
    cccc_arena_t *arena;
    cccc_holder_found_fn found;
    void *arg;
};

static void look_at(void *arg, const char *name)
{
    struct listing *l = arg;
    struct cccc_errmsg m;
    size_t len = strlen(name);
    if (len < 6 || strcmp(name + len - 5, ".json") != 0)
        return;
    cccc_str_t actor_id = {name, len - 5};
    cccc_value_t record = cccc_json_file(l->vfs, record_path(l->home, l->group_id, actor_id).z, l->arena, &m);
    if (cccc_is_map(&record))
        l->found(l->arg, &record, agent_living(l->group_id, actor_id) != NULL);
}

void cccc_holders_find(const struct cccc_vfs *vfs, const struct cccc_home *home, cccc_str_t group_id, cccc_arena_t *arena,
                       cccc_holder_found_fn found, void *arg)
{
    struct listing listing = {vfs, home, group_id, arena, found, arg};
    vfs->list(vfs->ctx, cccc_group_path(home, group_id, "/state/runners/pty").z, look_at, &listing);
}

/* ---- broker/bus/holders.c ---- */

void cccc_bus_watch_holder(struct cccc_bus *bus, cccc_slot_t slot, cccc_str_t group_id, cccc_str_t actor_id, uint64_t generation,
                           const cccc_value_t *record)
{
    (void)bus, (void)record;
    struct agent *agent = agent_living(group_id, actor_id);
    if (!agent || agent->generation != generation)
        return;
    agent->watched = true;
    agent->slot = slot;
}
