/* daemon.c - the daemon about itself: ping, status, shutdown, and the counters under d/ each second.
 *
 * Figures of sockets, threads and files come from the executor (struct cccc_daemon_facts); here they are only shown.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/messages/message.h"

static const char *text_or_empty(const char *z)
{
    return z != NULL ? z : "";
}

static const struct cccc_daemon_facts *facts_of(const struct cccc_core *core)
{
    static const struct cccc_daemon_facts none = {.version = CCCC_VERSION};
    return core->facts != NULL ? core->facts : &none;
}

/* What ping, status and the counters begin with. */
static void add_identity(cccc_builder_t *b, struct cccc_core *core, const char *version)
{
    const struct cccc_daemon_facts *facts = facts_of(core);
    char ts[28];
    core_ts(core, ts);
    cccc_map_add(b, "version", cccc_text(text_or_empty(version)));
    cccc_map_add(b, "pid", cccc_int(facts->pid));
    cccc_map_add(b, "ts", cccc_string(cccc_arena_str(b->arena, cccc_str(ts))));
    cccc_map_add(b, "epoch", cccc_uint(facts->epoch));
}

static uint64_t groups_alive(const struct cccc_core *core)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < core->group_count; i++)
        n += !core->groups[i]->deleted && cccc_is_map(&core->groups[i]->document);
    return n;
}

static void add_figures(cccc_builder_t *b, const struct cccc_core *core)
{
    const struct cccc_daemon_facts *facts = facts_of(core);
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"requests", facts->requests},
        {"acked", core->acked_count},
        {"durable", facts->durable},
        {"events_published", facts->events_published},
        {"syncs", facts->syncs},
        {"sync_p50_us", facts->sync_p50_us},
        {"sync_p99_us", facts->sync_p99_us},
        {"sync_max_us", facts->sync_max_us},
        {"queued_replies", facts->queued_replies},
        {"dropped_peers", facts->dropped_peers},
        {"shed_connections", facts->shed_connections},
        {"subscriptions", facts->subscriptions},
        {"publication_bytes", facts->publication_bytes},
        {"withheld_publications", facts->withheld_publications},
        {"dropped_followers", facts->dropped_followers},
        {"gateway_connections", facts->gateway_connections},
        {"gateway_streams", facts->gateway_streams},
        {"gateway_requests", facts->gateway_requests},
        {"gateway_shed", facts->gateway_shed},
        {"fds", facts->fds},
        {"rss_bytes", facts->rss_bytes},
        {"pending_events", core->pending_count},
        {"pending_bytes", core->pending_bytes},
        {"group_count", groups_alive(core)},
    };
    cccc_map_add(b, "uptime_s", cccc_uint((core->now->mono_us - facts->started_mono_us) / 1000000));
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        cccc_map_add(b, figures[i].name, cccc_uint(figures[i].value));
    cccc_map_add(b, "degraded", cccc_string(facts->degraded));
    cccc_map_add(b, "groups_degraded",
                 facts->groups_degraded ? facts->groups_degraded(facts->groups_arg, b->arena) : cccc_array_builder(b->arena, 0).value);
}

/* ---- ping ---- */

void op_ping(call_t *call)
{
    cccc_builder_t result = cccc_map_builder(call->arena, 12), capabilities = cccc_map_builder(call->arena, 2);
    cccc_builder_t implementation = cccc_map_builder(call->arena, 2);
    const char *version = facts_of(call->core)->version;
    cccc_map_add(&implementation, "name", cccc_text("cccc"));
    cccc_map_add(&implementation, "version", cccc_text(text_or_empty(version)));
    add_identity(&result, call->core, call->gateway ? CCCC_IPC_VERSION : version);
    cccc_map_add(&result, "implementation", implementation.value);
    cccc_map_add(&capabilities, "events_stream", cccc_bool(true));
    cccc_map_add(&capabilities, "xpub", cccc_bool(true));
    cccc_map_add(&result, "ipc_v", cccc_uint(1));
    cccc_map_add(&result, "protocol", cccc_uint(CCCC_WIRE_VERSION));
    cccc_map_add(&result, "capabilities", capabilities.value);
    call_reply(call, &result.value);
}

/* ---- status ---- */

static cccc_value_t readers_value(cccc_arena_t *arena, const struct cccc_group *group)
{
    cccc_builder_t list = cccc_array_builder(arena, group->config.actor_count + 1);
    for (const struct cccc_reader *reader = group->readers; reader != NULL; reader = reader->hh.next) {
        cccc_builder_t row = cccc_map_builder(arena, 5);
        cccc_map_add(&row, "actor_id", cccc_text(reader->id));
        cccc_map_add(&row, "unread_count", cccc_uint(reader_unread(group, cccc_str(reader->id))));
        cccc_map_add(&row, "chat", cccc_uint(reader->unread[CCCC_LANE_CHAT].count));
        cccc_map_add(&row, "notify", cccc_uint(reader->unread[CCCC_LANE_NOTIFY].count));
        cccc_map_add(&row, "owes", cccc_uint(reader->owes.count));
        cccc_array_add(&list, row.value);
    }
    return list.value;
}

static cccc_builder_t status_row(call_t *call, struct cccc_group *group)
{
    cccc_builder_t row = cccc_map_builder(call->arena, 15);
    cccc_map_add(&row, "group_id", cccc_text(group->id));
    cccc_map_add(&row, "title", cccc_string(group->config.title));
    group_row(call->core, &row, group);
    cccc_map_add(&row, "pending", cccc_uint(group->pending_count));
    return row;
}

static cccc_value_t status_value(call_t *call, struct cccc_group *group)
{
    return status_row(call, group).value;
}

/* One group, also one that call_group refuses: that it is offline is what is asked for. */
static void status_of_group(call_t *call)
{
    cccc_str_t id = cccc_arg_str(&call->request.args, CCCC_A_status_group_id);
    struct cccc_group *group = core_group(call->core, id);
    if (group == NULL) {
        call_fail(call, CCCC_E_GROUP_NOT_FOUND, "no group %.*s in this home; `cccc groups` lists them", CCCC_STR_FMT(id));
        return;
    }
    cccc_builder_t result = cccc_map_builder(call->arena, 8), row = status_row(call, group);
    add_identity(&result, call->core, facts_of(call->core)->version);
    cccc_map_add(&row, "readers", readers_value(call->arena, group));
    group_add_safe(group, &row);
    cccc_map_add(&result, "group", row.value);
    cccc_map_add(&result, "as_of_seq", cccc_uint(group->head_seq));
    call_reply(call, &result.value);
}

void op_status(call_t *call)
{
    if (cccc_arg_given(&call->request.args, CCCC_A_status_group_id)) {
        status_of_group(call);
        return;
    }
    bool more;
    cccc_builder_t result = cccc_map_builder(call->arena, 32);
    add_identity(&result, call->core, facts_of(call->core)->version);
    cccc_map_add(&result, "home", cccc_text(text_or_empty(facts_of(call->core)->home)));
    add_figures(&result, call->core);
    cccc_map_add(&result, "groups", groups_array(call, status_value, &more));
    if (more)
        cccc_map_add(&result, "more", cccc_bool(true));
    call_reply(call, &result.value);
}

/* ---- shutdown ---- */

void op_shutdown(call_t *call)
{
    if (call->peer.standing == CCCC_PEER_ACTOR) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: an actor cannot stop the daemon it runs under; ask the user");
        return;
    }
    struct cccc_core *core = call->core;
    if (!permit_by(call, NULL, cccc_arg_str(&call->request.args, CCCC_A_shutdown_by), "user"))
        return;
    core_log(core, 5, "SHUTDOWN-ASKED", "a client asked the daemon to stop by=%.*s pid=%d", CCCC_STR_FMT(call->by), (int)call->peer.pid);
    cccc_builder_t result = cccc_map_builder(call->arena, 1);
    cccc_map_add(&result, "message", cccc_text("the daemon stops once what it has accepted is on disk and answered"));
    call_reply(call, &result.value);
    core_effect(core, CCCC_DO_SHUTDOWN);
}

/* ---- each second ---- */

void daemon_tick(struct cccc_core *core)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_builder_t b = cccc_map_builder(arena, 32);
    cccc_buf_t packed;
    add_identity(&b, core, facts_of(core)->version);
    add_figures(&b, core);
    cccc_buf_init(&packed);
    cccc_pack_value(&packed, &b.value);
    cccc_bytes_t *bytes = cccc_bytes_new(packed.data, packed.size);
    publish_bytes(core, "d/", bytes);
    cccc_bytes_release(bytes);
    cccc_buf_fini(&packed);
    cccc_arena_destroy(&arena);
}
