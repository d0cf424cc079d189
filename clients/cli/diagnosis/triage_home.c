/* triage_home.c - triage's first two checks: disk and daemon, then the group and its ledger. What needs no daemon is looked at without one.
 *
 * Thread: the program's one. */
#include "clients/cli/diagnosis/triage.h"
#include "clients/cli/offline.h"
#include "proto/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the daemon ---- */

/* True when there is a home. */
static bool is_home(struct triage *self)
{
    const char *root = self->cli->home.root;
    struct stat st;
    if (stat(root, &st) == 0 && S_ISDIR(st.st_mode))
        return true;
    triage_found(self, TRIAGE_WRONG, "cccc", NULL, "there is no home: %s: %s", root, errno ? strerror(errno) : "not a directory");
    return false;
}

static void look_at_disk(struct triage *self)
{
    static const enum triage_verdict verdicts[] = {
        [OFFLINE_ROOM_LOW] = TRIAGE_NOTE, [OFFLINE_ROOM_NONE] = TRIAGE_WRONG, [OFFLINE_ROOM_UNKNOWN] = TRIAGE_UNKNOWN};
    const char *text, *evidence;
    enum offline_room room = offline_disk(self->cli, &text);
    self->disk_full = room == OFFLINE_ROOM_NONE;
    if (room == OFFLINE_ROOM_ENOUGH)
        return;
    const char *next = offline_disk_advice(self->cli, &evidence);
    triage_found(self, verdicts[room], next, evidence, "the disk of %s: %s", self->cli->home.root, text);
}

/* What the daemon wrote last, as evidence. */
static const char *log_end(struct triage *self)
{
    struct cli *cli = self->cli;
    struct cccc_errmsg m;
    cccc_value_t record;
    cccc_str_t end;
    uint64_t before;
    if (cli_file_end(cli, cli_printf(cli, "%s/daemon/ccccd.log", cli->home.root), CCCC_LOG_LINE_BYTES_MAX, &end, &before) < 0)
        return "there is no log";
    while (end.len > 0 && end.ptr[end.len - 1] == '\n')
        end.len--;
    const char *line = end.len > 0 ? memrchr(end.ptr, '\n', end.len) : NULL;
    line = line ? line + 1 : end.ptr;
    if (cccc_json_read(line, (size_t)(end.ptr + end.len - line), cli->arena, &record, &m))
        return "its log ends in the middle of a record";
    return cli_printf(cli, "its log ends: %.*s %.*s %.*s", CCCC_STR_FMT(cccc_get_str(&record, "ts")),
                      CCCC_STR_FMT(cccc_get_str(&record, "id")), CCCC_STR_FMT(cccc_get_str(&record, "msg")));
}

static void daemon_is_gone(struct triage *self, int32_t pid)
{
    const char *start = "cccc daemon start";
    if (cli_is_stopped(self->cli))
        triage_found(self, TRIAGE_WRONG, start, log_end(self), "the daemon was stopped with `cccc daemon stop`");
    else if (pid > 0)
        triage_found(self, TRIAGE_WRONG, start, log_end(self), "the daemon (pid %d) is dead: it ended without an orderly stop", pid);
    else
        triage_found(self, TRIAGE_WRONG, start, log_end(self), "no daemon serves this home");
}

/* What it says is wrong with itself. */
static void look_at_degraded(struct triage *self, const cccc_value_t *status)
{
    cccc_str_t degraded = cccc_get_str(status, "degraded");
    const cccc_value_t *groups = cccc_get(status, "groups_degraded");
    if (degraded.len > 0)
        triage_found(self, self->disk_full ? TRIAGE_FOLLOWS : TRIAGE_WRONG, "cccc doctor", NULL, "the daemon says: %.*s",
                     CCCC_STR_FMT(degraded));
    for (uint32_t i = 0; i < cli_count(groups); i++) {
        const cccc_value_t *row = cli_item(groups, i);
        cccc_str_t id = cccc_get_str(row, "group_id");
        if (self->group && cccc_str_is(id, self->group))
            self->degraded = cccc_get_str(row, "reason");
        else
            triage_found(self, TRIAGE_NOTE, cli_printf(self->cli, "cccc triage --group %.*s", CCCC_STR_FMT(id)), NULL,
                         "another group is not well, %.*s: %.*s", CCCC_STR_FMT(id), CCCC_STR_FMT(cccc_get_str(row, "reason")));
    }
}

void triage_look_at_daemon(struct triage *self)
{
    struct cli *cli = self->cli;
    struct cccc_error error;
    const cccc_value_t *status;
    int32_t pid = 0;
    cccc_str_t version = {0};
    if (!is_home(self))
        return;
    look_at_disk(self);
    if (!cli_daemon(cli, &pid, &version)) {
        daemon_is_gone(self, pid);
        return;
    }
    self->alive = cli_try_connect(cli, &error) && cli_try(cli, "status", NULL, &status, &error);
    if (!self->alive) {
        triage_found(self, TRIAGE_WRONG, "cccc daemon restart", log_end(self), "the daemon (pid %d) does not answer: %s", pid,
                     error.message);
        return;
    }
    look_at_degraded(self, status);
    if (!cccc_str_is(version, CCCC_VERSION))
        triage_found(self, TRIAGE_NOTE, "cccc daemon restart", NULL, "the daemon is version %.*s, this program " CCCC_VERSION,
                     CCCC_STR_FMT(version));
    else
        triage_found(self, TRIAGE_OK, NULL, NULL, "running, pid %d, version %.*s, %s", pid, CCCC_STR_FMT(version),
                     triage_counted(self, cccc_get_uint(status, "group_count", 0), "group"));
}

/* ---- the group ---- */

/* Every line of its ledger, as `cccc ledger verify` judges it. */
static void look_at_ledger(struct triage *self)
{
    struct offline_ledger ledger;
    offline_judge(self->cli, self->group, &ledger);
    self->ledger = offline_value(&ledger);
    const cccc_value_t *findings = &ledger.findings.value;
    const char *repair = triage_command(self, "ledger repair");
    if (ledger.err != CCCC_OK) {
        triage_found(self, TRIAGE_DAMAGED, "cccc backup list", NULL, "the ledger cannot be read: %s", ledger.message.text);
        return;
    }
    if (!offline_is_damaged(&ledger))
        return;
    for (uint32_t i = 0; i < cli_count(findings); i++)
        if (offline_is_damage(cli_item(findings, i))) {
            triage_found(self, TRIAGE_DAMAGED, repair, offline_finding_text(self->cli, cli_item(findings, i)),
                         "the ledger is damaged: %" PRIu64 " of %" PRIu64 " lines", ledger.report.broken, ledger.report.lines);
            return;
        }
    triage_found(self, TRIAGE_DAMAGED, repair, NULL, "the ledger is damaged");
}

/* Has the check found something of this kind already? */
static bool has_found(const struct triage *self, enum triage_verdict least)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->findings[i].check == self->check && self->findings[i].verdict >= least)
            return true;
    return false;
}

/* It takes no events: because the disk is full, or the ledger damaged, or for a reason of its own. */
static void found_closed(struct triage *self, const char *what, cccc_str_t reason)
{
    bool follows = self->disk_full || has_found(self, TRIAGE_WRONG);
    self->waits = true;
    triage_found(self, follows ? TRIAGE_FOLLOWS : TRIAGE_WRONG, "cccc doctor", NULL, "%s is %s: %.*s", self->group, what,
                 CCCC_STR_FMT(reason));
}

static bool has_terminals(const cccc_value_t *actors)
{
    for (uint32_t i = 0; i < cli_count(actors); i++)
        if (cli_actor_has_terminal(cli_item(actors, i)) && cccc_get_bool(cli_item(actors, i), "enabled", false))
            return true;
    return false;
}

/* The event by which the group came into this state. */
static const char *by_which_event(struct triage *self)
{
    static const char *const kinds[] = {"group.set_state", "group.stop", "group.start"};
    const cccc_value_t *events = self->served ? triage_events(self, kinds, 3, 1) : NULL;
    return cli_count(events) > 0 ? triage_event_said(self, cli_item(events, 0)) : "";
}

/* `config`: its title, state, running and actors. */
static void look_at_state(struct triage *self, const cccc_value_t *config)
{
    cccc_str_t state = cccc_get_str(config, "state");
    const char *name = cli_printf(self->cli, "%s (%.*s)", self->group, CCCC_STR_FMT(cccc_get_str(config, "title")));
    if (!cccc_get_bool(config, "running", false) && has_terminals(cccc_get(config, "actors"))) {
        self->waits = true;
        triage_found(self, TRIAGE_WRONG, cli_printf(self->cli, "cccc group start %s", self->group), by_which_event(self),
                     "%s is stopped: its actors do not run", name);
    } else if (cccc_str_is(state, "paused")) {
        self->waits = true;
        triage_found(self, TRIAGE_WRONG, triage_command(self, "group set-state active"), by_which_event(self),
                     "%s is paused: nothing is typed, nobody is reminded", name);
    } else if (cccc_str_is(state, "idle")) {
        triage_found(self, TRIAGE_NOTE, triage_command(self, "group set-state active"), by_which_event(self),
                     "%s is idle: notices wait until a message wakes it", name);
    } else if (!has_found(self, TRIAGE_FOLLOWS)) {
        triage_found(self, TRIAGE_OK, NULL, NULL, "%s is %.*s%s", name, CCCC_STR_FMT(state),
                     cccc_get_bool(config, "running", false) ? "" : "; no actor of it has a terminal to run in");
    }
}

/* As the daemon has it. */
static void ask_for_group(struct triage *self)
{
    const cccc_value_t *status, *shown;
    struct cccc_error error;
    cccc_args_t *args = triage_args(self);
    if (!cli_try(self->cli, "status", &args, &status, &error)) {
        triage_found(self, TRIAGE_DAMAGED, "cccc backup list", NULL, "%s; %s", error.message, cli_lost_what(self->cli, self->group));
        return;
    }
    const cccc_value_t *row = cccc_get(status, "group");
    cccc_str_t offline = cccc_get_str(row, "offline"), read_only = cccc_get_str(row, "read_only");
    if (offline.len > 0) {
        found_closed(self, "offline", offline);
        return;
    }
    if (read_only.len > 0)
        found_closed(self, "read-only", read_only);
    else if (self->degraded.len > 0)
        found_closed(self, "not well", self->degraded);
    args = triage_args(self);
    self->served = triage_ask(self, "group_show", "the group", &args, &shown);
    if (!self->served)
        return;
    self->settings = cccc_get(shown, "settings");
    look_at_state(self, cccc_get(shown, "group"));
}

/* As its files have it. */
static void read_group(struct triage *self)
{
    struct cccc_group_files files;
    cccc_group_files_read(&cccc_vfs_posix, &self->cli->home, cccc_str(self->group), self->cli->arena, &files);
    if (cccc_is_nil(&files.document))
        triage_found(self, TRIAGE_DAMAGED, "cccc doctor", NULL, "group.yaml of %s cannot be read: %s", self->group, files.note);
    else
        look_at_state(self, &files.document);
}

void triage_look_at_group(struct triage *self)
{
    if (!self->group) {
        triage_found(self, TRIAGE_NOTE, "cccc groups", NULL, "no group was named and none is active; --group names one");
        return;
    }
    struct stat st;
    if (stat(cli_printf(self->cli, "%s/groups/%s", self->cli->home.root, self->group), &st) == 0)
        look_at_ledger(self);
    if (self->alive)
        ask_for_group(self);
    else
        read_group(self);
}
