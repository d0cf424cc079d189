/* triage_work.c - triage's last three checks: who runs, who owes and does not read, what is not handed over and why.
 *
 * A message that its recipient does not have yet is owed no answer: what keeps it is the cause, and the debt follows from that. `why` says which.
 * Thread: the program's one. */
#include "broker/store/store.h"
#include "clients/cli/diagnosis/triage.h"
#include "proto/event.h"

#include <inttypes.h>
#include <string.h>

/* So many late obligations are looked into one by one. */
#define OBLIGATIONS_SHOWN 8
/* An actor that exits so often in so short a time keeps exiting. */
#define EXITS_MANY        3
#define EXITS_WINDOW_S    600
#define EXITS_LOOKED_AT   100
#define CHANGES_LOOKED_AT 100
/* Who has not read for so long does not read, when the group has no delay of its own for that. */
#define STALE_S 900
/* What waits longer than this for the group's throttle, or has been typed for so long, is worth mending. */
#define THROTTLE_S_MAX 60
#define TYPING_S_MAX   60

static const char *text_of(const struct triage *self, const cccc_value_t *map, const char *key)
{
    return cccc_arena_str(self->cli->arena, cccc_get_str(map, key)).ptr;
}

/* Seconds since a time of the protocol; 0 when it is none. */
static int64_t age_s(const struct triage *self, cccc_str_t ts)
{
    int64_t then;
    return cccc_ts_parse(ts, &then) && then < self->cli->now_us ? (self->cli->now_us - then) / 1000000 : 0;
}

/* Nothing more can be known: says so. */
static bool is_out_of_sight(struct triage *self)
{
    if (self->served)
        return false;
    triage_found(self, TRIAGE_UNKNOWN, NULL, NULL, "%s",
                 !self->group   ? "there is no group to look at"
                 : !self->alive ? "only a daemon knows"
                                : "the group is not served");
    return true;
}

static void all_well(struct triage *self, size_t before, const char *text)
{
    if (self->count == before && !self->unseen)
        triage_found(self, TRIAGE_OK, NULL, NULL, "%s", text);
}

/* ---- actors ---- */

static void note_holder(void *arg, const cccc_value_t *record, bool lives)
{
    struct triage *self = arg;
    if (lives)
        triage_found(self, TRIAGE_NOTE, NULL, NULL, "%s goes on without the daemon, in its holder", text_of(self, record, "actor_id"));
}

static bool is_exit_of(const cccc_value_t *event, const char *id)
{
    const cccc_value_t *data = cccc_get(event, "data");
    return cccc_str_is(cccc_get_str(data, "actor_id"), id) && !cccc_get_bool(data, "asked", false);
}

/* Its last exit that nobody asked for; *recent: how many there were lately. */
static const cccc_value_t *last_exit(const struct triage *self, const cccc_value_t *exits, const char *id, uint32_t *recent)
{
    const cccc_value_t *last = NULL;
    *recent = 0;
    for (uint32_t i = 0; i < cli_count(exits); i++) {
        const cccc_value_t *event = cli_item(exits, i);
        if (!is_exit_of(event, id))
            continue;
        last = event;
        *recent += age_s(self, cccc_get_str(event, "ts")) < EXITS_WINDOW_S;
    }
    return last;
}

/* What waits for it: to be typed, or to be read and answered. */
static uint64_t waiting(const cccc_value_t *actor)
{
    uint64_t queued = cccc_get_uint(actor, "queued", 0);
    return queued > 0 ? queued : cccc_get_uint(actor, "unread_count", 0) + cccc_get_uint(actor, "owes", 0);
}

static const char *waits_said(const struct triage *self, uint64_t count)
{
    return cli_printf(self->cli, "%s %s", triage_counted(self, count, "message"), count == 1 ? "waits" : "wait");
}

/* Enabled, in a terminal, and not running. */
static void look_at_absent(struct triage *self, const cccc_value_t *actor, const char *id, const cccc_value_t *exit_event)
{
    const cccc_value_t *exit = cccc_get(actor, "exit");
    const char *error = text_of(self, actor, "start_error"), *start = triage_command(self, "actor start %s", id);
    const char *said = triage_event_said(self, exit_event);
    if (cccc_is_map(exit) && !cccc_get_bool(exit, "asked", false))
        triage_found(self, TRIAGE_WRONG, triage_command(self, "actor restart %s", id), said, "%s crashed: %s%s%s", id,
                     cli_actor_exit(self->cli, exit), *error ? "; " : "", error);
    else if (*error)
        triage_found(self, TRIAGE_WRONG, start, said, "%s does not start: %s", id, error);
    else if (!self->waits)
        triage_found(self, TRIAGE_NOTE, start, NULL, "%s does not run", id);
}

static void look_at_running(struct triage *self, const cccc_value_t *actor, const char *id, const cccc_value_t *exit_event, uint32_t recent)
{
    if (recent >= EXITS_MANY)
        triage_found(self, TRIAGE_WRONG, triage_command(self, "actor show %s", id), triage_event_said(self, exit_event),
                     "%s keeps exiting: %" PRIu32 " times in ten minutes", id, recent);
    else if (!cccc_get_bool(actor, "ready", true) && cccc_get_uint(actor, "queued", 0) > 0)
        triage_found(self, TRIAGE_WRONG, triage_command(self, "actor attach %s", id), NULL,
                     "%s runs, but has not shown that it takes input; for it %s", id, waits_said(self, cccc_get_uint(actor, "queued", 0)));
    else if (cccc_get(actor, "obstacle"))
        triage_found(self, TRIAGE_WRONG, triage_command(self, "actor attach %s", id), NULL,
                     "%s runs, but nothing can be typed to it: %s; for it %s", id, text_of(self, actor, "obstacle"),
                     waits_said(self, cccc_get_uint(actor, "queued", 0)));
}

static void look_at_actor(struct triage *self, const cccc_value_t *actor, const cccc_value_t *exits)
{
    const char *id = text_of(self, actor, "id");
    cccc_str_t state = cccc_get_str(actor, "runtime_state");
    uint32_t recent;
    const cccc_value_t *exit_event = last_exit(self, exits, id, &recent);
    if (!cccc_get_bool(actor, "enabled", false)) {
        if (waiting(actor) > 0)
            triage_found(self, TRIAGE_NOTE,
                         cli_actor_has_terminal(actor) ? triage_command(self, "actor start %s", id)
                                                       : triage_command(self, "actor update %s --enabled 1", id),
                         NULL, "%s is disabled, and %s for it", id, waits_said(self, waiting(actor)));
    } else if (!cli_actor_has_terminal(actor) || state.len == 0) {
        return;
    } else if (cccc_str_is(state, "running")) {
        look_at_running(self, actor, id, exit_event, recent);
    } else if (cccc_str_is(state, "unreachable")) {
        triage_found(self, TRIAGE_WRONG, triage_command(self, "actor restart %s", id), NULL,
                     "%s is out of reach: its holder lives and does not answer", id);
    } else if (cccc_str_is(state, "starting") || cccc_str_is(state, "stopping") || cccc_str_is(state, "reconnecting")) {
        triage_found(self, TRIAGE_NOTE, NULL, NULL, "%s is %s", id, cli_actor_state(self->cli, actor));
    } else {
        look_at_absent(self, actor, id, exit_event);
    }
}

void triage_look_at_actors(struct triage *self)
{
    static const char *const kinds[] = {"runtime.exited"};
    const cccc_value_t *result;
    size_t before = self->count;
    if (self->group && !self->alive)
        cccc_holders_find(&cccc_vfs_posix, &self->cli->home, cccc_str(self->group), self->cli->arena, note_holder, self);
    if (is_out_of_sight(self))
        return;
    cccc_args_t *args = triage_args(self);
    cccc_args_bool(args, "include_unread", true);
    if (!triage_ask(self, "actor_list", "the actors", &args, &result))
        return;
    self->actors = cccc_get(result, "actors");
    const cccc_value_t *exits = triage_events(self, kinds, 1, EXITS_LOOKED_AT);
    for (uint32_t i = 0; i < cli_count(self->actors); i++)
        look_at_actor(self, cli_item(self->actors, i), exits);
    all_well(self, before, cli_printf(self->cli, "%s, and what should run does", triage_counted(self, cli_count(self->actors), "actor")));
}

/* ---- obligations ---- */

/* What became of a message for one recipient. */
struct fate {
    const char *sentence, *next;
    bool kept; /* it has not got it, for a reason that another check names */
};

static bool fate_of(struct triage *self, const char *event_id, const char *actor, struct fate *out)
{
    const cccc_value_t *result;
    struct cccc_error error;
    cccc_args_t *args = triage_args(self);
    cccc_args_str(args, "event_id", event_id);
    cccc_args_str(args, "actor_id", actor);
    if (!cli_try(self->cli, "why", &args, &result, &error) || cli_count(cccc_get(result, "recipients")) == 0)
        return false;
    const cccc_value_t *row = cli_item(cccc_get(result, "recipients"), 0);
    cccc_str_t state = cccc_get_str(row, "state");
    out->sentence = text_of(self, row, "sentence");
    out->next = text_of(self, row, "next");
    out->kept = cccc_str_is(state, "queued") || cccc_str_is(state, "failed") || cccc_str_is(state, "held");
    return true;
}

static void found_late(struct triage *self, const cccc_value_t *row)
{
    const char *actor = text_of(self, row, "actor_id"), *event_id = text_of(self, row, "event_id");
    uint64_t seq = cccc_get_uint(row, "seq", 0);
    struct fate fate = {.sentence = "", .next = ""};
    bool known = fate_of(self, event_id, actor, &fate);
    triage_found(self, known && fate.kept ? TRIAGE_FOLLOWS : TRIAGE_WRONG,
                 *fate.next ? fate.next : triage_command(self, "why %" PRIu64 " %s", seq, actor),
                 cli_printf(self->cli, "event %" PRIu64 " of %s", seq, text_of(self, row, "since")),
                 "%s owes %s an answer, and is late. %s", actor, text_of(self, row, "to"), fate.sentence);
}

/* Has this actor been found late already? Then that it does not read is no news. */
static bool is_late(const struct triage *self, const cccc_value_t *late, const char *actor)
{
    for (uint32_t i = 0; i < cli_count(late); i++)
        if (strcmp(text_of(self, cli_item(late, i), "actor_id"), actor) == 0)
            return true;
    return false;
}

/* The oldest message it has not read, and where its cursor stands; NULL: there is none. */
static const cccc_value_t *oldest_unread(struct triage *self, const char *actor, const cccc_value_t **cursor)
{
    const cccc_value_t *result;
    cccc_args_t *args = triage_args(self);
    cccc_args_str(args, "actor_id", actor);
    cccc_args_str(args, "kind_filter", "chat");
    cccc_args_int(args, "limit", 1);
    if (!triage_ask(self, "inbox_list", cli_printf(self->cli, "the inbox of %s", actor), &args, &result))
        return NULL;
    *cursor = cccc_get(result, "cursor");
    const cccc_value_t *messages = cccc_get(result, "messages");
    return cli_count(messages) > 0 ? cli_item(messages, 0) : NULL;
}

/* A read cursor that stands still while messages come. */
static void look_at_cursor(struct triage *self, const cccc_value_t *actor, const char *id)
{
    const cccc_value_t *cursor = NULL, *oldest = oldest_unread(self, id, &cursor);
    uint64_t patience = cccc_get_uint(self->settings, "unread_nudge_after_seconds", 0);
    struct fate fate = {.sentence = "", .next = ""};
    if (!oldest || age_s(self, cccc_get_str(oldest, "ts")) < (int64_t)(patience ? patience : STALE_S))
        return;
    bool known = fate_of(self, text_of(self, oldest, "id"), id, &fate);
    triage_found(self, known && fate.kept ? TRIAGE_FOLLOWS : TRIAGE_WRONG,
                 cli_actor_has_terminal(actor) ? triage_command(self, "actor attach %s", id)
                                               : triage_command(self, "inbox --actor-id %s", id),
                 cli_printf(self->cli, "cursor at event %" PRIu64 ", oldest unread %s", cccc_get_uint(cursor, "seq", 0),
                            triage_event_said(self, oldest)),
                 "%s does not read: its cursor stands still, unread: %s. %s", id,
                 triage_counted(self, cccc_get_uint(actor, "unread_count", 0), "event"), fate.sentence);
}

/* Actors that wait for each other in a circle: once their answers are late, nobody in it will begin. */
static void look_at_circles(struct triage *self, bool late)
{
    const cccc_value_t *result;
    cccc_args_t *args = triage_args(self);
    if (!triage_ask(self, "waits", "who waits for whom", &args, &result))
        return;
    const cccc_value_t *cycles = cccc_get(result, "cycles");
    for (uint32_t i = 0; i < cli_count(cycles); i++) {
        const cccc_value_t *actors = cccc_get(cli_item(cycles, i), "actors");
        bool blocked = cccc_get_bool(cli_item(cycles, i), "blocked", false);
        const char *circle = "";
        for (uint32_t j = 0; j < cli_count(actors); j++) {
            cccc_str_t id = {0};
            cccc_as_str(cli_item(actors, j), &id);
            circle = cli_printf(self->cli, "%s%s%.*s", circle, j > 0 ? " for " : "", CCCC_STR_FMT(id));
        }
        triage_found(self, late || blocked ? TRIAGE_WRONG : TRIAGE_NOTE, triage_command(self, "waits"), NULL,
                     "actors wait for each other in a circle: %s", circle);
    }
}

void triage_look_at_obligations(struct triage *self)
{
    const cccc_value_t *result;
    size_t before = self->count;
    if (is_out_of_sight(self))
        return;
    cccc_args_t *args = triage_args(self);
    cccc_args_bool(args, "overdue", true);
    if (!triage_ask(self, "obligations_list", "what is owed", &args, &result))
        return;
    const cccc_value_t *late = cccc_get(result, "obligations");
    uint32_t count = cli_count(late), shown = count < OBLIGATIONS_SHOWN ? count : OBLIGATIONS_SHOWN;
    look_at_circles(self, count > 0);
    for (uint32_t i = 0; i < shown; i++)
        found_late(self, cli_item(late, i));
    if (count > shown)
        triage_found(self, TRIAGE_NOTE, triage_command(self, "obligations --overdue"), NULL, "late, too: %s",
                     triage_counted(self, count - shown, "answer"));
    for (uint32_t i = 0; i < cli_count(self->actors); i++) {
        const cccc_value_t *actor = cli_item(self->actors, i);
        const char *id = text_of(self, actor, "id");
        if (cccc_get_bool(actor, "enabled", false) && cccc_get_uint(actor, "unread_count", 0) > 0 && !is_late(self, late, id))
            look_at_cursor(self, actor, id);
    }
    all_well(self, before, cli_printf(self->cli, "owed: %s, none late", triage_counted(self, cccc_get_uint(result, "open", 0), "answer")));
}

/* ---- delivery and automation ---- */

/* The newest message for it, which waits if anything does. */
static const cccc_value_t *newest_for(struct triage *self, const char *actor)
{
    static const char *const kinds[] = {"chat.message", "system.notify"};
    const cccc_value_t *result;
    struct cccc_error error;
    cccc_args_t *args = triage_args(self);
    cccc_args_strs(args, "kinds", kinds, 2);
    cccc_args_str(args, "recipient", actor);
    cccc_args_int(args, "before_seq", 0);
    cccc_args_int(args, "limit", 1);
    if (!cli_try(self->cli, "ledger_read", &args, &result, &error) || cli_count(cccc_get(result, "events")) == 0)
        return NULL;
    return cli_item(cccc_get(result, "events"), 0);
}

/* Seconds until the group's throttle lets the next delivery go; 0: it does now. */
static int64_t throttled_s(const struct triage *self, const cccc_value_t *delivery)
{
    int64_t interval = (int64_t)cccc_get_uint(self->settings, "min_interval_seconds", 0);
    int64_t age = age_s(self, cccc_get_str(delivery, "ts"));
    return cccc_is_map(delivery) && interval > age ? interval - age : 0;
}

/* It runs and takes input, and messages wait all the same. */
static void look_at_queue(struct triage *self, const cccc_value_t *actor, const char *id)
{
    const cccc_value_t *delivery = cccc_get(actor, "delivery"), *newest = newest_for(self, id);
    const char *attach = triage_command(self, "actor attach %s", id), *evidence = triage_event_said(self, newest);
    const char *waits = waits_said(self, cccc_get_uint(actor, "queued", 0));
    cccc_str_t state = cccc_get_str(delivery, "state");
    int64_t seconds = throttled_s(self, delivery), age = age_s(self, cccc_get_str(delivery, "ts"));
    if (cccc_str_is(state, "failed"))
        triage_found(self, TRIAGE_WRONG, attach, evidence, "%s for %s: typing failed (%s), and is tried again", waits, id,
                     text_of(self, delivery, "reason"));
    else if (cccc_str_is(state, "claimed"))
        triage_found(self, age > TYPING_S_MAX ? TRIAGE_WRONG : TRIAGE_NOTE, attach, evidence,
                     "%s for %s, which is being typed to for %" PRId64 " s", waits, id, age);
    else if (seconds > 0)
        triage_found(self, seconds > THROTTLE_S_MAX ? TRIAGE_WRONG : TRIAGE_NOTE,
                     triage_command(self, "group settings min_interval_seconds=0"), evidence,
                     "%s for %s: delivery is throttled (min_interval_seconds), the next one is in %" PRId64 " s", waits, id, seconds);
    else
        triage_found(self, TRIAGE_NOTE, newest ? triage_command(self, "why %" PRIu64 " %s", cccc_get_uint(newest, "seq", 0), id) : attach,
                     evidence, "%s for %s", waits, id);
}

static void look_at_delivery(struct triage *self, const cccc_value_t *actor)
{
    const char *id = text_of(self, actor, "id");
    const cccc_value_t *delivery = cccc_get(actor, "delivery");
    uint64_t queued = cccc_get_uint(actor, "queued", 0);
    bool running = cccc_str_is(cccc_get_str(actor, "runtime_state"), "running");
    if (cccc_str_is(cccc_get_str(delivery, "state"), "ambiguous"))
        triage_found(self, TRIAGE_WRONG, triage_command(self, "actor attach %s", id),
                     cli_printf(self->cli, "delivery %s", text_of(self, delivery, "delivery_id")),
                     "the last delivery to %s may not have arrived, and is not repeated", id);
    if (queued == 0 || !cccc_get_bool(actor, "enabled", false))
        return;
    if (self->waits || !running || !cccc_get_bool(actor, "ready", true))
        triage_found(self, TRIAGE_FOLLOWS, NULL, NULL, "%s to be typed to %s", waits_said(self, queued), id);
    else
        look_at_queue(self, actor, id);
}

/* The event by which the rule came to be disabled, among the last changes. */
static const cccc_value_t *disabling_event(const cccc_value_t *changes, cccc_str_t rule)
{
    for (uint32_t i = cli_count(changes); i-- > 0;) {
        const cccc_value_t *put = cccc_get(cccc_get(cli_item(changes, i), "data"), "put");
        for (uint32_t j = 0; j < cli_count(put); j++)
            if (cccc_str_eq(cccc_get_str(cli_item(put, j), "id"), rule) && !cccc_get_bool(cli_item(put, j), "enabled", true))
                return cli_item(changes, i);
    }
    return NULL;
}

/* A rule that does not run: because it is disabled, or because it could not when it last should have. One-time rules that have run are done. */
static void look_at_rule(struct triage *self, const cccc_value_t *rule, const cccc_value_t *status, const cccc_value_t *changes)
{
    cccc_str_t id = cccc_get_str(rule, "id"), error = cccc_get_str(status, "last_error");
    if (!cccc_get_bool(rule, "enabled", true) && !cccc_get_bool(status, "completed", false))
        triage_found(self, TRIAGE_NOTE, triage_command(self, "automation enable %.*s", CCCC_STR_FMT(id)),
                     triage_event_said(self, disabling_event(changes, id)), "the automation rule %.*s is disabled: it does not run",
                     CCCC_STR_FMT(id));
    else if (error.len > 0)
        triage_found(self, self->waits ? TRIAGE_FOLLOWS : TRIAGE_NOTE, triage_command(self, "automation show %.*s", CCCC_STR_FMT(id)),
                     cli_printf(self->cli, "at %s", text_of(self, status, "last_error_at")), "the automation rule %.*s did not run: %.*s",
                     CCCC_STR_FMT(id), CCCC_STR_FMT(error));
}

static void look_at_rules(struct triage *self)
{
    static const char *const kinds[] = {"group.automation_update"};
    const cccc_value_t *result;
    cccc_args_t *args = triage_args(self);
    if (!triage_ask(self, "group_automation_state", "the automation rules", &args, &result))
        return;
    const cccc_value_t *rules = cccc_get(cccc_get(result, "ruleset"), "rules"), *changes = triage_events(self, kinds, 1, CHANGES_LOOKED_AT);
    for (uint32_t i = 0; i < cli_count(rules); i++) {
        const cccc_value_t *rule = cli_item(rules, i);
        look_at_rule(self, rule, cccc_get_key(cccc_get(result, "status"), cccc_get_str(rule, "id")), changes);
    }
}

/* Two that wrote to each other without end: nothing of theirs is handed on until the user says so. */
static void look_at_holds(struct triage *self)
{
    const cccc_value_t *result;
    cccc_args_t *args = triage_args(self);
    if (!triage_ask(self, "holds_list", "the pairs that are held", &args, &result))
        return;
    const cccc_value_t *holds = cccc_get(result, "holds");
    for (uint32_t i = 0; i < cli_count(holds); i++) {
        const cccc_value_t *hold = cli_item(holds, i), *between = cccc_get(hold, "between");
        cccc_str_t one = {0}, other = {0};
        if (cli_count(between) != 2 || !cccc_as_str(cli_item(between, 0), &one) || !cccc_as_str(cli_item(between, 1), &other))
            continue;
        triage_found(self, cccc_str_is(cccc_get_str(hold, "state"), "held") ? TRIAGE_WRONG : TRIAGE_NOTE,
                     triage_command(self, "release %.*s %.*s", CCCC_STR_FMT(one), CCCC_STR_FMT(other)),
                     cli_printf(self->cli, "event %" PRIu64 " of %s", cccc_get_uint(hold, "seq", 0), text_of(self, hold, "since")),
                     "%.*s and %.*s wrote to each other without end, and are held: %s kept back", CCCC_STR_FMT(one), CCCC_STR_FMT(other),
                     triage_counted(self, cccc_get_uint(hold, "messages", 0), "message"));
    }
}

void triage_look_at_delivery(struct triage *self)
{
    size_t before = self->count;
    if (is_out_of_sight(self))
        return;
    for (uint32_t i = 0; i < cli_count(self->actors); i++)
        look_at_delivery(self, cli_item(self->actors, i));
    look_at_holds(self);
    look_at_rules(self);
    all_well(self, before, "nothing waits to be typed, and all rules run");
}
