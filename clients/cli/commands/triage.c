/* triage.c - `cccc triage`: the runbook's five checks in order, the cause first. triage.h has the contract.
 *
 * Thread: the program's one. */
#include "clients/cli/diagnosis/triage.h"
#include "broker/store/store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A daemon that takes longer to answer is not well. */
#define PATIENCE_S 5

static const struct {
    const char *name;
    void (*look)(struct triage *self);
} checks[] = {
    {"daemon", triage_look_at_daemon},           {"group", triage_look_at_group},       {"actors", triage_look_at_actors},
    {"obligations", triage_look_at_obligations}, {"delivery", triage_look_at_delivery},
};
#define CHECKS (sizeof checks / sizeof *checks)

static const char *const words[] = {
    [TRIAGE_OK] = "ok",           [TRIAGE_UNKNOWN] = "unknown", [TRIAGE_NOTE] = "note",
    [TRIAGE_FOLLOWS] = "follows", [TRIAGE_WRONG] = "wrong",     [TRIAGE_DAMAGED] = "damaged",
};
static const enum cli_style styles[] = {
    [TRIAGE_OK] = STYLE_GREEN,       [TRIAGE_UNKNOWN] = STYLE_YELLOW, [TRIAGE_NOTE] = STYLE_YELLOW,
    [TRIAGE_FOLLOWS] = STYLE_YELLOW, [TRIAGE_WRONG] = STYLE_RED,      [TRIAGE_DAMAGED] = STYLE_RED,
};

/* ---- for the checks ---- */

void triage_found(struct triage *self, enum triage_verdict verdict, const char *next, const char *evidence, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    if (self->count == TRIAGE_FINDINGS_MAX) {
        self->more++;
        return;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    self->findings[self->count++] = (struct triage_finding){.check = self->check,
                                                            .verdict = verdict,
                                                            .found = cli_printf(self->cli, "%s", text),
                                                            .evidence = evidence ? evidence : "",
                                                            .next = next ? next : ""};
}

cccc_args_t *triage_args(const struct triage *self)
{
    cccc_args_t *args = cli_group_args(self->group);
    return args;
}

bool triage_ask(struct triage *self, const char *op, const char *what, cccc_args_t **args, const cccc_value_t **result)
{
    struct cccc_error error;
    if (cli_try(self->cli, op, args, result, &error))
        return true;
    /* A daemon of before an upgrade does not know all questions. */
    bool unknown = strcmp(error.code, cccc_err_code(CCCC_E_UNKNOWN_OP)) == 0;
    if (strcmp(error.code, cccc_err_code(CCCC_E_PERMISSION_DENIED)) == 0)
        self->unseen = self->unseen ? cli_printf(self->cli, "%s, %s", self->unseen, what) : what;
    else
        triage_found(self, unknown ? TRIAGE_UNKNOWN : TRIAGE_WRONG, unknown ? NULL : "cccc daemon logs", NULL, "%s: %s", error.code,
                     error.message);
    return false;
}

const char *triage_command(const struct triage *self, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return cli_printf(self->cli, "cccc %s --group %s", text, self->group);
}

const cccc_value_t *triage_events(struct triage *self, const char *const *kinds, size_t count, int limit)
{
    const cccc_value_t *result;
    struct cccc_error error;
    cccc_args_t *args = triage_args(self);
    cccc_args_strs(args, "kinds", kinds, count);
    cccc_args_int(args, "before_seq", 0);
    cccc_args_int(args, "limit", limit);
    return cli_try(self->cli, "ledger_read", &args, &result, &error) ? cccc_get(result, "events") : NULL;
}

const char *triage_counted(const struct triage *self, uint64_t count, const char *what)
{
    return cli_printf(self->cli, "%" PRIu64 " %s%s", count, what, count == 1 ? "" : "s");
}

const char *triage_event_said(const struct triage *self, const cccc_value_t *event)
{
    if (!event)
        return "";
    return cli_printf(self->cli, "event %" PRIu64 " (%.*s by %.*s at %.*s)", cccc_get_uint(event, "seq", 0),
                      CCCC_STR_FMT(cccc_get_str(event, "kind")), CCCC_STR_FMT(cccc_get_str(event, "by")),
                      CCCC_STR_FMT(cccc_get_str(event, "ts")));
}

/* ---- running ---- */

int triage_group_chosen(struct cli *cli, const char **group)
{
    const char *word = cli_option(cli, "group");
    struct cccc_errmsg m;
    int status = 0;
    *group = NULL;
    if (!cli_home(cli, &status))
        return status;
    word = word ? word : cli_environment(cli, "CCCC_GROUP_ID");
    if (word)
        return cli_group_offline(cli, word, group);
    cccc_value_t active = cccc_json_file(&cccc_vfs_posix, cli_printf(cli, "%s/active.json", cli->home.root), cli->arena, &m);
    cccc_str_t id = cccc_get_str(&active, "active_group_id");
    if (id.len > 0)
        *group = cccc_arena_str(cli->arena, id).ptr;
    return 0;
}

/* An actor may not see everything: one finding of a check, behind all that is known. */
static void tell_unseen(struct triage *self)
{
    const char *who = cli_environment(self->cli, "CCCC_ACTOR_ID");
    if (self->unseen)
        triage_found(self, TRIAGE_UNKNOWN, NULL, NULL, "%s may not see %s: what is wrong there, the foreman or the user finds with `%s`",
                     who ? who : "whoever asks", self->unseen, triage_command(self, "triage"));
    self->unseen = NULL;
}

void triage_run(struct triage *self, struct cli *cli, const char *group)
{
    *self = (struct triage){.cli = cli, .group = group, .ledger = cccc_nil()};
    cli->patience_s = PATIENCE_S;
    for (self->check = 0; self->check < CHECKS; self->check++) {
        checks[self->check].look(self);
        tell_unseen(self);
    }
}

/* Wrong comes before what follows from it, and that before what is only worth a look; else the first one found. */
static int urgency(enum triage_verdict verdict)
{
    return verdict >= TRIAGE_WRONG ? 3 : verdict == TRIAGE_FOLLOWS ? 2 : verdict == TRIAGE_NOTE;
}

const struct triage_finding *triage_cause(const struct triage *self)
{
    const struct triage_finding *cause = NULL;
    for (size_t i = 0; i < self->count; i++) {
        const struct triage_finding *one = &self->findings[i];
        if (urgency(one->verdict) > (cause ? urgency(cause->verdict) : 0))
            cause = one;
    }
    return cause;
}

static enum triage_verdict worst(const struct triage *self, size_t check)
{
    enum triage_verdict verdict = TRIAGE_OK;
    for (size_t i = 0; i < self->count; i++)
        if ((check == CHECKS || self->findings[i].check == check) && self->findings[i].verdict > verdict)
            verdict = self->findings[i].verdict;
    return verdict;
}

static cccc_value_t finding_value(const struct triage *self, const struct triage_finding *finding)
{
    cccc_builder_t map = cccc_map_builder(self->cli->arena, 5);
    cccc_map_add(&map, "check", cccc_text(checks[finding->check].name));
    cccc_map_add(&map, "verdict", cccc_text(words[finding->verdict]));
    cccc_map_add(&map, "found", cccc_text(finding->found));
    cccc_map_add(&map, "evidence", cccc_text(finding->evidence));
    cccc_map_add(&map, "next", cccc_text(finding->next));
    return map.value;
}

static cccc_value_t check_value(const struct triage *self, size_t check)
{
    cccc_builder_t map = cccc_map_builder(self->cli->arena, 3), list = cccc_array_builder(self->cli->arena, 4);
    for (size_t i = 0; i < self->count; i++)
        if (self->findings[i].check == check)
            cccc_array_add(&list, finding_value(self, &self->findings[i]));
    cccc_map_add(&map, "name", cccc_text(checks[check].name));
    cccc_map_add(&map, "verdict", cccc_text(words[worst(self, check)]));
    cccc_map_add(&map, "findings", list.value);
    return map.value;
}

cccc_value_t triage_value(const struct triage *self)
{
    const struct triage_finding *cause = triage_cause(self);
    cccc_builder_t map = cccc_map_builder(self->cli->arena, 5), list = cccc_array_builder(self->cli->arena, CHECKS);
    for (size_t i = 0; i < CHECKS; i++)
        cccc_array_add(&list, check_value(self, i));
    cccc_map_add(&map, "group_id", self->group ? cccc_text(self->group) : cccc_nil());
    cccc_map_add(&map, "verdict", cccc_text(words[worst(self, CHECKS)]));
    cccc_map_add(&map, "cause", cause ? finding_value(self, cause) : cccc_nil());
    cccc_map_add(&map, "checks", list.value);
    cccc_map_add(&map, "more", cccc_uint(self->more));
    return map.value;
}

/* ---- the command ---- */

static void print_cause(const struct triage *self)
{
    const struct triage_finding *cause = triage_cause(self);
    if (!cause) {
        cli_fact(self->cli, "cause",
                 worst(self, CHECKS) == TRIAGE_UNKNOWN ? "none is known, but not everything can be seen from here"
                                                       : "none: nothing is wrong");
        return;
    }
    cli_fact(self->cli, "cause", "%s: %s", checks[cause->check].name, cause->found);
    if (*cause->next)
        cli_fact(self->cli, "next", "%s", cause->next);
}

static void print_cell(cli_table_t *table, const char *text)
{
    cli_cell(table, *text ? cccc_str(text) : CCCC_STR("-"), STYLE_NONE);
}

/* For people: what was found with all that belongs to it. */
static const char *whole(const struct triage *self, const struct triage_finding *finding)
{
    const char *text = finding->found;
    if (*finding->evidence)
        text = cli_printf(self->cli, "%s [%s]", text, finding->evidence);
    return *finding->next ? cli_printf(self->cli, "%s; next: %s", text, finding->next) : text;
}

static void print_findings(const struct triage *self)
{
    static const char *const headings[] = {"CHECK", "VERDICT", "FOUND", "EVIDENCE", "NEXT"};
    bool tty = self->cli->tty;
    cli_table_t *table = cli_table_new(self->cli, headings, tty ? 3 : 5);
    for (size_t i = 0; i < self->count; i++) {
        const struct triage_finding *finding = &self->findings[i];
        cli_cell(table, cccc_str(checks[finding->check].name), STYLE_BOLD);
        cli_cell(table, cccc_str(words[finding->verdict]), styles[finding->verdict]);
        print_cell(table, tty ? whole(self, finding) : finding->found);
        if (tty)
            continue;
        print_cell(table, finding->evidence);
        print_cell(table, finding->next);
    }
    cli_table_print(&table);
    if (self->more > 0)
        cli_say(self->cli, "%zu further findings are not shown", self->more);
}

int cmd_triage(struct cli *cli)
{
    struct triage self;
    const char *group;
    int status = triage_group_chosen(cli, &group);
    if (status)
        return status;
    triage_run(&self, cli, group);
    if (cli->json) {
        cccc_value_t value = triage_value(&self);
        cli_result(cli, &value);
    } else {
        print_cause(&self);
        print_findings(&self);
    }
    enum triage_verdict verdict = worst(&self, CHECKS);
    return verdict == TRIAGE_DAMAGED ? cccc_err_exit_status(CCCC_E_DAMAGED) : verdict >= TRIAGE_FOLLOWS;
}
