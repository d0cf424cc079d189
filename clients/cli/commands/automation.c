/* automation.c - `cccc automation ...`: what is done at certain times, and when that is.
 *
 * A rule is changed by what was read of it: with the version it had then, so that nobody's change is written over.
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/event.h"

#include <inttypes.h>

/* ---- reading ---- */

/* All that the daemon says of the rules. 0, or the exit status of the failure reported. */
static int read_state(struct cli *cli, const char **group, const cccc_value_t **state)
{
    int status = cli_group(cli, group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, *group);
    return cli_ask(cli, "group_automation_state", &args, state);
}

static const cccc_value_t *rules_of(const cccc_value_t *state)
{
    return cccc_get(cccc_get(state, "ruleset"), "rules");
}

/* NULL: there is none of that name. */
static const cccc_value_t *rule_named(const cccc_value_t *state, const char *id)
{
    const cccc_value_t *rules = rules_of(state);
    for (uint32_t i = 0; i < cli_count(rules); i++)
        if (cccc_str_is(cccc_get_str(cli_item(rules, i), "id"), id))
            return cli_item(rules, i);
    return NULL;
}

/* The rule that the first argument names. 0, or the exit status of the failure reported. */
static int find_rule(struct cli *cli, const cccc_value_t *state, const cccc_value_t **rule)
{
    const cccc_value_t *rules = rules_of(state);
    uint32_t count = cli_count(rules);
    const char **ids = cccc_arena_alloc(cli->arena, (count + 1) * sizeof *ids), *wanted = cli_arg(cli, 0);
    *rule = rule_named(state, wanted);
    if (*rule)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        ids[i] = cccc_arena_str(cli->arena, cccc_get_str(cli_item(rules, i), "id")).ptr;
    return cli_fail(cli, CCCC_E_RULE_NOT_FOUND, cli_did_you_mean(cli, wanted, ids, count, "`cccc automation list` shows the rules"),
                    "there is no rule %s", wanted);
}

static const cccc_value_t *status_of(const cccc_value_t *state, const cccc_value_t *rule)
{
    return cccc_get_key(cccc_get(state, "status"), cccc_get_str(rule, "id"));
}

/* ---- in words ---- */

static const char *length_text(struct cli *cli, uint64_t seconds)
{
    static const struct {
        uint64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    const char *text = "";
    for (size_t i = 0; i < sizeof units / sizeof *units; seconds %= units[i++].seconds)
        if (seconds >= units[i].seconds)
            text = cli_printf(cli, "%s%" PRIu64 "%c", text, seconds / units[i].seconds, units[i].unit);
    return text;
}

static const char *when_text(struct cli *cli, const cccc_value_t *rule)
{
    const cccc_value_t *trigger = cccc_get(rule, "trigger");
    cccc_str_t kind = cccc_get_str(trigger, "kind"), cron = cccc_get_str(trigger, "cron"), zone = cccc_get_str(trigger, "timezone");
    cccc_str_t at = cccc_get_str(trigger, "at");
    if (cccc_str_is(kind, "interval"))
        return cli_printf(cli, "every %s", length_text(cli, cccc_get_uint(trigger, "every_seconds", 0)));
    if (cccc_str_is(kind, "cron"))
        return cli_printf(cli, "%.*s (%.*s)", CCCC_STR_FMT(cron), CCCC_STR_FMT(zone));
    return at.len > 0 ? cli_printf(cli, "at %.*s", CCCC_STR_FMT(at)) : "-";
}

static const char *what_text(struct cli *cli, const cccc_value_t *rule)
{
    const cccc_value_t *action = cccc_get(rule, "action");
    cccc_str_t kind = cccc_get_str(action, "kind"), state = cccc_get_str(action, "state"), operation = cccc_get_str(action, "operation");
    if (cccc_str_is(kind, "group_state"))
        return cli_printf(cli, "set the group to %.*s", CCCC_STR_FMT(state));
    if (cccc_str_is(kind, "actor_control"))
        return cli_printf(cli, "%.*s %s", CCCC_STR_FMT(operation), cli_joined(cli, cccc_get(action, "targets"), ","));
    return cli_printf(cli, "notify %s", cli_joined(cli, cccc_get(rule, "to"), ","));
}

/* "on", "off", "done", "failed: why". */
static const char *state_text(struct cli *cli, const cccc_value_t *rule, const cccc_value_t *status, enum cli_style *style)
{
    cccc_str_t error = cccc_get_str(status, "last_error");
    *style = STYLE_DIM;
    if (cccc_get_bool(status, "completed", false))
        return "done";
    if (!cccc_get_bool(rule, "enabled", false) && error.len == 0)
        return "off";
    *style = error.len > 0 ? STYLE_RED : STYLE_GREEN;
    return error.len > 0 ? cli_printf(cli, "failed: %.*s", CCCC_STR_FMT(error)) : "on";
}

static void cell_time_or_dash(cli_table_t *table, const cccc_value_t *status, const char *key)
{
    cccc_str_t ts = cccc_get_str(status, key);
    if (ts.len > 0)
        cli_cell_time(table, ts);
    else
        cli_cell(table, CCCC_STR("-"), STYLE_NONE);
}

/* ---- list, show, next ---- */

int cmd_automation_list(struct cli *cli)
{
    static const char *const headings[] = {"RULE", "WHEN", "WHAT", "STATE", "LAST", "NEXT"};
    const char *group;
    const cccc_value_t *state;
    int status = read_state(cli, &group, &state);
    if (status || cli->json)
        return status ? status : cli_result(cli, state);
    const cccc_value_t *rules = rules_of(state);
    cli_table_t *table = cli_table_new(cli, headings, 6);
    for (uint32_t i = 0; i < cli_count(rules); i++) {
        enum cli_style style;
        const cccc_value_t *rule = cli_item(rules, i), *row = status_of(state, rule);
        cli_cell_of(table, rule, "id", STYLE_BOLD);
        cli_cell(table, cccc_str(when_text(cli, rule)), STYLE_NONE);
        cli_cell(table, cccc_str(what_text(cli, rule)), STYLE_NONE);
        const char *text = state_text(cli, rule, row, &style);
        cli_cell(table, cccc_str(text), style);
        cell_time_or_dash(table, row, "last_fired_at");
        cell_time_or_dash(table, row, "next_fire_at");
    }
    cli_table_print(&table);
    cli_say(cli, cli_count(rules) > 0 ? "next: cccc automation show RULE" : "no rules; next: cccc automation add RULE --every 1h TEXT");
    return 0;
}

static void print_next(struct cli *cli, const char *name, const cccc_value_t *status)
{
    const cccc_value_t *runs = cccc_get(status, "next_runs");
    for (uint32_t i = 0; i < cli_count(runs); i++) {
        cccc_str_t at = cccc_get_str(cli_item(runs, i), "at"), local = cccc_get_str(cli_item(runs, i), "local");
        cli_fact(cli, name, "%.*s (%.*s)", CCCC_STR_FMT(local), CCCC_STR_FMT(at));
    }
    if (cli_count(runs) == 0)
        cli_fact(cli, name, "never");
}

static void print_text(struct cli *cli, const cccc_value_t *state, const cccc_value_t *action)
{
    cccc_str_t title = cccc_get_str(action, "title"), message = cccc_get_str(action, "message"), name = cccc_get_str(action, "snippet_ref");
    cccc_str_t snippet = CCCC_STR("there is none of that name");
    if (title.len > 0)
        cli_fact(cli, "title", "%.*s", CCCC_STR_FMT(title));
    if (name.len > 0) {
        cccc_as_str(cccc_get_key(cccc_get(cccc_get(state, "ruleset"), "snippets"), name), &snippet);
        cli_fact(cli, "snippet", "%.*s: %.*s", CCCC_STR_FMT(name), CCCC_STR_FMT(snippet));
    }
    if (message.len > 0)
        cli_fact(cli, "text", "%.*s", CCCC_STR_FMT(message));
}

int cmd_automation_show(struct cli *cli)
{
    const char *group;
    const cccc_value_t *state, *rule;
    enum cli_style style;
    int status = read_state(cli, &group, &state);
    if (status == 0)
        status = find_rule(cli, state, &rule);
    if (status)
        return status;
    const cccc_value_t *row = status_of(state, rule);
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 3);
        cccc_map_add(&result, "rule", *rule);
        cccc_map_add(&result, "status", *row);
        cccc_map_add(&result, "version", cccc_uint(cccc_get_uint(state, "version", 0)));
        return cli_result(cli, &result.value);
    }
    cccc_str_t id = cccc_get_str(rule, "id"), owner = cccc_get_str(rule, "owner_actor_id"), last = cccc_get_str(row, "last_fired_at");
    cli_fact(cli, "rule", "%.*s", CCCC_STR_FMT(id));
    cli_fact(cli, "state", "%s", state_text(cli, rule, row, &style));
    if (owner.len > 0)
        cli_fact(cli, "owner", "%.*s", CCCC_STR_FMT(owner));
    cli_fact(cli, "when", "%s", when_text(cli, rule));
    cli_fact(cli, "what", "%s", what_text(cli, rule));
    print_text(cli, state, cccc_get(rule, "action"));
    cli_fact(cli, "last", "%.*s", CCCC_STR_FMT(last.len > 0 ? last : CCCC_STR("never")));
    print_next(cli, "next", row);
    return 0;
}

/* {rule: next_runs}, of the rule that is named or of all. */
static int print_next_json(struct cli *cli, const cccc_value_t *state, const cccc_value_t *only)
{
    const cccc_value_t *rules = rules_of(state);
    cccc_builder_t next = cccc_map_builder(cli->arena, 4);
    for (uint32_t i = 0; i < cli_count(rules); i++)
        if (!only || only == cli_item(rules, i))
            cccc_map_add_key(&next, cccc_get_str(cli_item(rules, i), "id"), *cccc_get(status_of(state, cli_item(rules, i)), "next_runs"));
    return cli_result(cli, &next.value);
}

int cmd_automation_next(struct cli *cli)
{
    const char *group;
    const cccc_value_t *state, *only = NULL;
    int status = read_state(cli, &group, &state);
    if (status == 0 && cli_arg(cli, 0))
        status = find_rule(cli, state, &only);
    if (status || cli->json)
        return status ? status : print_next_json(cli, state, only);
    const cccc_value_t *rules = rules_of(state);
    for (uint32_t i = 0; i < cli_count(rules); i++) {
        const cccc_value_t *rule = cli_item(rules, i);
        if (!only || only == rule)
            print_next(cli, cccc_arena_str(cli->arena, cccc_get_str(rule, "id")).ptr, status_of(state, rule));
    }
    if (cli_count(rules) == 0)
        cli_say(cli, "no rules; next: cccc automation add RULE --every 1h TEXT");
    return 0;
}

/* ---- changing ---- */

static cccc_value_t action_of(struct cli *cli, const char *type)
{
    cccc_builder_t action = cccc_map_builder(cli->arena, 3);
    cccc_map_add(&action, "type", cccc_text(type));
    return action.value;
}

/* Ask for one action; `version` (0: any) is what the rules were read with. */
static int manage(struct cli *cli, const char *group, uint64_t version, cccc_value_t action, const cccc_value_t **result)
{
    cccc_builder_t actions = cccc_array_builder(cli->arena, 1);
    cccc_args_t *args = cli_args(cli, group);
    cccc_array_add(&actions, action);
    cccc_args_value(args, "actions", &actions.value);
    if (version > 0)
        cccc_args_uint(args, "expected_version", version);
    return cli_ask(cli, "group_automation_manage", &args, result);
}

static int say_changed(struct cli *cli, const cccc_value_t *result, const char *done)
{
    if (cli->json)
        return cli_result(cli, result);
    cli_fact(cli, cccc_get_bool(result, "changed", true) ? done : "unchanged", "%s", cli_arg(cli, 0));
    return 0;
}

/* A rule may name what is not there yet; whoever has made a mistake learns of it now, and not when nothing comes. */
static void warn_of_words(struct cli *cli, const cccc_value_t *state, const cccc_value_t *rule)
{
    const cccc_value_t *action = cccc_get(rule, "action"), *snippets = cccc_get(cccc_get(state, "ruleset"), "snippets");
    cccc_str_t name = cccc_get_str(action, "snippet_ref");
    bool silent = cccc_get_str(action, "message").len == 0;
    if (name.len > 0 && !cccc_get_key(snippets, name))
        cli_warn(cli, cli_printf(cli, "cccc automation snippet %.*s TEXT", CCCC_STR_FMT(name)), "there is no snippet %.*s: %s",
                 CCCC_STR_FMT(name), silent ? "the notice will have no text" : "the rule's own text is taken");
    else if (name.len == 0 && silent && cccc_get_str(action, "title").len == 0)
        cli_warn(cli, cli_printf(cli, "cccc automation update %s TEXT", cli_arg(cli, 0)), "the notice has neither a text nor a title");
}

static bool is_one_of(const char *const *ids, cccc_str_t id)
{
    for (; *ids; ids++)
        if (cccc_str_is(id, *ids))
            return true;
    return false;
}

static int warn_of_targets(struct cli *cli, const char *group, const cccc_value_t *targets)
{
    const char *const *ids;
    size_t count;
    cccc_str_t id;
    int status = cli_actor_ids(cli, group, &ids, &count);
    if (status)
        return status;
    for (uint32_t i = 0; i < cli_count(targets); i++)
        if (cccc_as_str(cli_item(targets, i), &id) && id.len > 0 && *id.ptr != '@' && !is_one_of(ids, id))
            cli_warn(cli, cli_printf(cli, "cccc actor list; cccc automation update %s --to WHO", cli_arg(cli, 0)),
                     "there is no actor %.*s: nothing will be done for it", CCCC_STR_FMT(id));
    return 0;
}

/* What came of it: the rule as it is now, and why it will not do what was meant. */
static int say_rule(struct cli *cli, const char *group, const cccc_value_t *result, const char *done)
{
    const cccc_value_t *rule = rule_named(result, cli_arg(cli, 0)), *action = cccc_get(rule, "action");
    int status = say_changed(cli, result, done);
    if (status || cli->json || !rule)
        return status;
    const cccc_value_t *now = status_of(result, rule);
    cccc_str_t kind = cccc_get_str(action, "kind");
    bool controls = cccc_str_is(kind, "actor_control"), notifies = !controls && !cccc_str_is(kind, "group_state");
    if (cccc_get_str(now, "next_fire_at").len > 0)
        print_next(cli, "next", now);
    if (cccc_get_bool(now, "completed", false) && strcmp(done, "disabled") != 0) /* the daemon switches it off again at its next tick */
        cli_warn(cli, cli_printf(cli, "cccc automation update %s --at WHEN", cli_arg(cli, 0)),
                 "it was for once and has run: it will not run again before it has another time");
    if (notifies)
        warn_of_words(cli, result, rule);
    return notifies || controls ? warn_of_targets(cli, group, controls ? cccc_get(action, "targets") : cccc_get(rule, "to")) : 0;
}

static cccc_value_t list_value(struct cli *cli, const char *option)
{
    const char *const *items;
    size_t count = cli_list(cli, option, &items);
    cccc_builder_t list = cccc_array_builder(cli->arena, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        cccc_array_add(&list, cccc_text(items[i]));
    return list.value;
}

static void put(struct cli *cli, cccc_value_t *map, const char *key, cccc_value_t v)
{
    *map = cccc_map_with(cli->arena, map, cccc_str(key), v);
}

/* How many of the options were given. */
static size_t given(const struct cli *cli, const char *const *names)
{
    size_t count = 0;
    for (; *names; names++)
        count += cli_option(cli, *names) != NULL;
    return count;
}

/* A time, or a length of time from now, as the protocol has times. */
static int time_value(struct cli *cli, const char *text, cccc_value_t *out)
{
    int64_t us, seconds;
    char *ts = cccc_arena_alloc(cli->arena, 28);
    *out = cccc_text(text);
    if (cccc_ts_parse(cccc_str(text), &us))
        return 0;
    if (!cli_duration(text, &seconds))
        return cli_fail(cli, CCCC_E_USAGE, "write it as 10m, 2h or 2026-12-01T09:00:00+01:00", "%s is no time", text);
    cccc_ts_format(ts, cli->now_us + seconds * 1000000);
    *out = cccc_text(ts);
    return 0;
}

static int put_trigger(struct cli *cli, cccc_value_t *rule)
{
    static const char *const names[] = {"every", "cron", "at", NULL};
    const char *every = cli_option(cli, "every"), *cron = cli_option(cli, "cron"), *at = cli_option(cli, "at");
    const char *zone = cli_option(cli, "timezone");
    const cccc_value_t *old = cccc_get(rule, "trigger");
    cccc_value_t trigger = cccc_map_builder(cli->arena, 3).value, time = cccc_nil();
    int64_t seconds = 0;
    int status = 0;
    if (given(cli, names) > 1)
        return cli_fail(cli, CCCC_E_USAGE, "one of --every, --cron and --at", "a rule has one trigger");
    if (every && !cli_duration(every, &seconds))
        return cli_fail(cli, CCCC_E_USAGE, "write it as 90s, 10m or 1h30m", "--every %s is no length of time", every);
    if (zone && !cron && !cccc_str_is(cccc_get_str(old, "kind"), "cron"))
        return cli_fail(cli, CCCC_E_USAGE, "give --cron, too", "--timezone goes with --cron");
    if (given(cli, names) == 0 && !zone)
        return old ? 0 : cli_fail(cli, CCCC_E_USAGE, "give --every, --cron or --at", "the rule does not say when");
    if (every) {
        put(cli, &trigger, "kind", cccc_text("interval"));
        put(cli, &trigger, "every_seconds", cccc_int(seconds));
    } else if (at) {
        status = time_value(cli, at, &time);
        put(cli, &trigger, "kind", cccc_text("at"));
        put(cli, &trigger, "at", time);
    } else {
        put(cli, &trigger, "kind", cccc_text("cron"));
        put(cli, &trigger, "cron", cron ? cccc_text(cron) : *cccc_get(old, "cron"));
        if (zone || cccc_get(old, "timezone"))
            put(cli, &trigger, "timezone", zone ? cccc_text(zone) : *cccc_get(old, "timezone"));
    }
    put(cli, rule, "trigger", trigger);
    return status;
}

static void put_notice(struct cli *cli, cccc_value_t *action)
{
    static const char *const texts[][2] = {{"title", "title"}, {"snippet", "snippet_ref"}, {"priority", "priority"}};
    put(cli, action, "kind", cccc_text("notify"));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (cli_option(cli, texts[i][0]))
            put(cli, action, texts[i][1], cccc_text(cli_option(cli, texts[i][0])));
    if (cli_flag(cli, "requires-ack"))
        put(cli, action, "requires_ack", cccc_bool(true));
    if (cli_arg(cli, 1))
        put(cli, action, "message", cccc_text(cli_arg(cli, 1)));
}

static int put_action(struct cli *cli, cccc_value_t *rule)
{
    static const char *const others[] = {"set-state", "control", NULL}, *const notices[] = {"title", "snippet", "priority", NULL};
    const char *state = cli_option(cli, "set-state"), *control = cli_option(cli, "control");
    const cccc_value_t *old = cccc_get(rule, "action");
    cccc_value_t action = cccc_map_builder(cli->arena, 4).value;
    bool notifies = given(cli, notices) > 0 || cli_arg(cli, 1) || cli_flag(cli, "requires-ack");
    if (given(cli, others) + notifies > 1)
        return cli_fail(cli, CCCC_E_USAGE, "a text, or --set-state, or --control", "a rule does one thing");
    if (notifies || (!old && given(cli, others) == 0)) {
        action = old && cccc_str_is(cccc_get_str(old, "kind"), "notify") ? *old : action;
        put_notice(cli, &action);
    } else if (state) {
        put(cli, &action, "kind", cccc_text("group_state"));
        put(cli, &action, "state", cccc_text(state));
    } else if (control) {
        put(cli, &action, "kind", cccc_text("actor_control"));
        put(cli, &action, "operation", cccc_text(control));
        put(cli, &action, "targets", list_value(cli, "to"));
    } else {
        return 0;
    }
    put(cli, rule, "action", action);
    return 0;
}

static int put_options(struct cli *cli, cccc_value_t *rule)
{
    const char *owner = cli_option(cli, "personal");
    if (cli_option(cli, "to") && !cli_option(cli, "control"))
        put(cli, rule, "to", list_value(cli, "to"));
    if (owner) {
        cccc_builder_t one = cccc_array_builder(cli->arena, 1);
        cccc_array_add(&one, cccc_text(owner));
        put(cli, rule, "scope", cccc_text("personal"));
        put(cli, rule, "owner_actor_id", cccc_text(owner));
        put(cli, rule, "to", one.value);
    }
    int status = put_trigger(cli, rule);
    return status ? status : put_action(cli, rule);
}

int cmd_automation_add(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    cccc_value_t rule = cccc_map_builder(cli->arena, 8).value, action = action_of(cli, "create_rule");
    put(cli, &rule, "id", cccc_text(cli_arg(cli, 0)));
    put(cli, &rule, "enabled", cccc_bool(!cli_flag(cli, "disabled")));
    int status = put_options(cli, &rule);
    if (status == 0)
        status = cli_group(cli, &group);
    if (status)
        return status;
    put(cli, &action, "rule", rule);
    status = manage(cli, group, 0, action, &result);
    return status ? status : say_rule(cli, group, result, "added");
}

int cmd_automation_update(struct cli *cli)
{
    const char *group;
    const cccc_value_t *state, *old = NULL, *result;
    cccc_value_t rule, action = action_of(cli, "update_rule");
    int status = read_state(cli, &group, &state);
    if (status == 0)
        status = find_rule(cli, state, &old);
    if (status || !old)
        return status;
    rule = *old;
    status = put_options(cli, &rule);
    if (status)
        return status;
    put(cli, &action, "rule", rule);
    status = manage(cli, group, cccc_get_uint(state, "version", 0), action, &result);
    return status ? status : say_rule(cli, group, result, "updated");
}

/* enable, disable, remove: an action that needs no more than the rule's name. */
static int act(struct cli *cli, cccc_value_t action, const char *done)
{
    const char *group;
    const cccc_value_t *result;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    put(cli, &action, "rule_id", cccc_text(cli_arg(cli, 0)));
    status = manage(cli, group, 0, action, &result);
    return status ? status : say_rule(cli, group, result, done);
}

static int set_enabled(struct cli *cli, bool on)
{
    cccc_value_t action = action_of(cli, "set_rule_enabled");
    put(cli, &action, "enabled", cccc_bool(on));
    return act(cli, action, on ? "enabled" : "disabled");
}

int cmd_automation_enable(struct cli *cli)
{
    return set_enabled(cli, true);
}

int cmd_automation_disable(struct cli *cli)
{
    return set_enabled(cli, false);
}

int cmd_automation_remove(struct cli *cli)
{
    return act(cli, action_of(cli, "delete_rule"), "removed");
}

int cmd_automation_run(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    cccc_args_str(args, "rule_id", cli_arg(cli, 0));
    status = cli_ask(cli, "group_automation_run", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const char *who = cli_joined(cli, cccc_get(result, "actor_ids"), ",");
    cli_fact(cli, "ran", "%s%s%s", cli_arg(cli, 0), *who ? ": " : "", who);
    return 0;
}

/* ---- snippets ---- */

int cmd_automation_snippet(struct cli *cli)
{
    const char *group, *name = cli_arg(cli, 0), *text = cli_arg(cli, 1);
    const cccc_value_t *state, *result;
    int status = read_state(cli, &group, &state);
    if (status)
        return status;
    cccc_value_t ruleset = *cccc_get(state, "ruleset"), snippets = *cccc_get(&ruleset, "snippets");
    const cccc_value_t *old = cccc_get_key(&snippets, cccc_str(name));
    cccc_str_t said = {0};
    if (!old && !text)
        return cli_fail(cli, CCCC_E_NOT_FOUND, "`cccc automation list --json` has them all", "there is no snippet %s", name);
    if (cli_flag(cli, "remove")) {
        snippets = cccc_map_without(cli->arena, &snippets, cccc_str(name));
    } else if (text) {
        put(cli, &snippets, name, cccc_text(text));
    } else if (cccc_as_str(old, &said)) {
        cccc_builder_t one = cccc_map_builder(cli->arena, 1);
        cccc_map_add(&one, name, *old);
        if (cli->json)
            return cli_result(cli, &one.value);
        cli_fact(cli, name, "%.*s", CCCC_STR_FMT(said));
        return 0;
    }
    put(cli, &ruleset, "snippets", snippets);
    cccc_value_t action = action_of(cli, "replace_all_rules");
    put(cli, &action, "ruleset", ruleset);
    status = manage(cli, group, cccc_get_uint(state, "version", 0), action, &result);
    return status ? status : say_changed(cli, result, cli_flag(cli, "remove") ? "removed" : "set");
}
