/* doctor.c - `cccc doctor`: everything that can be checked from outside, in the order an operator needs it.
 *
 * Reads only, starts nothing. Each check says what is, and when that is wrong what to do.
 * Thread: the program's one. */
#include "clients/cli/offline.h"
#include "proto/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A daemon that takes longer to say how it is is not well. */
#define DAEMON_PATIENCE_S 5

enum state { WELL, NOTE, FAILED, DAMAGED };
static const char *const state_words[] = {"ok", "note", "failed", "damaged"};
static const enum cli_style state_styles[] = {STYLE_GREEN, STYLE_YELLOW, STYLE_RED, STYLE_RED};

struct doctor {
    struct cli *cli;
    cli_table_t *table;
    cccc_builder_t checks;
    enum state worst;
    bool running;
};

static void found(struct doctor *self, const char *name, enum state state, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void found(struct doctor *self, const char *name, enum state state, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cli_cell(self->table, cccc_str(name), STYLE_NONE);
    cli_cell(self->table, cccc_str(state_words[state]), state_styles[state]);
    cli_cell(self->table, cccc_str(text), STYLE_NONE);
    cccc_builder_t check = cccc_map_builder(self->cli->arena, 3);
    cccc_map_add(&check, "name", cccc_string(cccc_arena_str(self->cli->arena, cccc_str(name))));
    cccc_map_add(&check, "state", cccc_text(state_words[state]));
    cccc_map_add(&check, "text", cccc_string(cccc_arena_str(self->cli->arena, cccc_str(text))));
    cccc_array_add(&self->checks, check.value);
    self->worst = state > self->worst ? state : self->worst;
}

static void check_program(struct doctor *self)
{
    const char *program = cli_daemon_program(self->cli);
    if (program)
        found(self, "programs", WELL, "cccc " CCCC_VERSION ", daemon program %s", program);
    else
        found(self, "programs", FAILED, "cccc " CCCC_VERSION ", but no ccccd beside it or in PATH: install it");
}

static void check_runtimes(struct doctor *self)
{
    const char *names = cli_runtimes_found(self->cli);
    found(self, "runtimes", WELL, "%s", *names ? names : "no known agent program is in PATH; `cccc runtime list` has their names");
}

/* True when there is a home to look into. */
static bool check_home(struct doctor *self)
{
    const char *root = self->cli->home.root;
    struct stat st;
    if (stat(root, &st) != 0) {
        bool absent = errno == ENOENT;
        found(self, "home", absent ? NOTE : FAILED, "%s: %s%s", root, strerror(errno), absent ? "; `cccc` makes it" : "");
        return false;
    }
    if (!S_ISDIR(st.st_mode))
        found(self, "home", FAILED, "%s is not a directory; set CCCC_HOME to another", root);
    else if (st.st_uid != geteuid())
        found(self, "home", FAILED, "%s belongs to uid %u, not to you; use a home of your own", root, (unsigned)st.st_uid);
    else if (st.st_mode & 022)
        found(self, "home", FAILED, "%s can be written by others (mode %03o); chmod 700 %s", root, (unsigned)(st.st_mode & 0777), root);
    else if (st.st_mode & 055)
        found(self, "home", NOTE, "%s can be read by others (mode %03o); chmod 700 %s", root, (unsigned)(st.st_mode & 0777), root);
    else
        found(self, "home", WELL, "%s, yours alone", root);
    return S_ISDIR(st.st_mode);
}

static void check_disk(struct doctor *self)
{
    static const enum state states[] = {
        [OFFLINE_ROOM_ENOUGH] = WELL, [OFFLINE_ROOM_LOW] = NOTE, [OFFLINE_ROOM_NONE] = FAILED, [OFFLINE_ROOM_UNKNOWN] = FAILED};
    const char *text;
    enum offline_room room = offline_disk(self->cli, &text);
    found(self, "disk", states[room], "%s", text);
}

/* ---- the daemon ---- */

static void report_degraded(struct doctor *self, const cccc_value_t *result)
{
    cccc_str_t degraded = cccc_get_str(result, "degraded");
    const cccc_value_t *groups = cccc_get(result, "groups_degraded");
    if (degraded.len > 0)
        found(self, "daemon", FAILED, "%.*s", CCCC_STR_FMT(degraded));
    for (uint32_t i = 0; i < cli_count(groups); i++) {
        const cccc_value_t *item = cli_item(groups, i);
        found(self, "daemon", FAILED, "%.*s: %.*s", CCCC_STR_FMT(cccc_get_str(item, "group_id")),
              CCCC_STR_FMT(cccc_get_str(item, "reason")));
    }
}

static void check_daemon(struct doctor *self)
{
    struct cli *cli = self->cli;
    struct cccc_error error;
    const cccc_value_t *result;
    int32_t pid;
    cccc_str_t version;
    self->running = cli_daemon(cli, &pid, &version);
    if (!self->running) {
        found(self, "daemon", NOTE,
              cli_is_stopped(cli) ? "stopped on purpose; `cccc daemon start` starts it" : "not running; it is started when needed");
    } else if (!cli_try_connect(cli, &error) || !cli_try(cli, "status", NULL, &result, &error)) {
        found(self, "daemon", FAILED, "pid %d does not answer: %s", pid, error.message);
    } else {
        bool same = cccc_str_is(version, CCCC_VERSION);
        found(self, "daemon", same ? WELL : NOTE, "running, pid %d, version %.*s%s", pid, CCCC_STR_FMT(version),
              same ? "" : "; not this program's: `cccc daemon restart`");
        report_degraded(self, result);
    }
}

static void check_socket(struct doctor *self, const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        found(self, "sockets", FAILED, "%s: %s; `cccc daemon restart` makes it anew", path, strerror(errno));
    else if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        found(self, "sockets", FAILED, "%s is not a socket of yours; stop the daemon and remove it", path);
    else if (st.st_mode & 077)
        found(self, "sockets", FAILED, "%s is open to others (mode %03o); `cccc daemon restart`", path, (unsigned)(st.st_mode & 0777));
    else
        found(self, "sockets", WELL, "%s", path);
}

static void check_sockets(struct doctor *self)
{
    static const char *const keys[] = {"path", "bus", "events"};
    struct cli *cli = self->cli;
    struct cccc_errmsg m;
    cccc_value_t map = cccc_json_file(&cccc_vfs_posix, cli_printf(cli, "%s/daemon/ccccd.addr.json", cli->home.root), cli->arena, &m);
    for (size_t i = 0; self->running && i < sizeof keys / sizeof *keys; i++) {
        const char *endpoint = cccc_arena_str(cli->arena, cccc_get_str(&map, keys[i])).ptr;
        if (strncmp(endpoint, "ipc://", 6) == 0)
            endpoint += 6;
        if (i == 0 && access(endpoint, F_OK) != 0)
            continue; /* the socket of existing CCCC clients, where it is offered */
        if (*endpoint == '/')
            check_socket(self, endpoint);
        else
            found(self, "sockets", FAILED, "the descriptor daemon/ccccd.addr.json names no usable %s; `cccc daemon restart`", keys[i]);
    }
}

/* ---- groups ---- */

/* Is every group that is registered there? True when something was found. */
static bool check_registered(struct doctor *self, const cccc_value_t *registry)
{
    struct offline_lost *lost;
    uint32_t count = offline_lost_groups(self->cli, registry, &lost);
    for (uint32_t i = 0; i < count; i++) {
        if (lost[i].in_trash)
            found(self, "registry", NOTE, "group %s is in the trash but still registered; the daemon forgets it when it starts",
                  lost[i].group);
        else
            found(self, "registry", DAMAGED,
                  "group %s (%s) is registered, but %s. Put it back (`cccc backup list`) and `cccc daemon restart`, or "
                  "`cccc groups --forget-missing`",
                  lost[i].group, lost[i].title, lost[i].what);
    }
    return count > 0;
}

/* `without` says what follows when it cannot be read. */
static void check_document(struct doctor *self, const char *name, const char *without)
{
    static const char *const states[] = {
        [CCCC_WRITTEN_BY_US] = "",
        [CCCC_WRITTEN_CHANGED] = ", changed since cccc last wrote it; it counts as it is",
        [CCCC_WRITTEN_UNSUMMED] = ", without a checksum: CCCC 0.4.0 or another program wrote it",
    };
    struct cli *cli = self->cli;
    struct cccc_errmsg m = {""};
    enum cccc_written by;
    const char *path = cli_printf(cli, "%s/%s.json", cli->home.root, name);
    if (access(path, F_OK) != 0)
        return;
    cccc_value_t document = cccc_json_document(&cccc_vfs_posix, path, cli->arena, &by, &m);
    if (by == CCCC_WRITTEN_UNREADABLE)
        found(self, name, NOTE, "%s; %s", m.text, without);
    else if (!check_registered(self, &document) || by != CCCC_WRITTEN_BY_US)
        found(self, name, by == CCCC_WRITTEN_BY_US ? WELL : NOTE, "%s%s", path, states[by]);
}

static void check_ledger(struct doctor *self, const char *group)
{
    struct offline_ledger ledger;
    char size[32];
    const char *name = cli_printf(self->cli, "ledger %s", group);
    offline_judge(self->cli, group, &ledger);
    const struct cccc_verify_report *report = &ledger.report;
    const cccc_value_t *list = &ledger.findings.value;
    bool named = false;
    cli_size(size, sizeof size, report->bytes);
    for (uint32_t i = 0; i < cli_count(list); i++) {
        const cccc_value_t *item = cli_item(list, i);
        bool damage = offline_is_damage(item);
        found(self, name, damage ? DAMAGED : NOTE, "%s", offline_finding_text(self->cli, item));
        named |= damage;
    }
    if (named && ledger.err == CCCC_OK && offline_is_damaged(&ledger) && report->broken == 0)
        return; /* no line is broken, and all there is to say was said */
    if (ledger.err != CCCC_OK)
        found(self, name, DAMAGED, "%s", ledger.message.text);
    else if (offline_is_damaged(&ledger))
        found(self, name, DAMAGED,
              "%" PRIu64 " of %" PRIu64 " lines are damaged; the others are served; restore a backup, or `cccc ledger repair --group %s`",
              report->broken, report->lines, group);
    else if (report->torn_bytes > 0 && !self->running)
        found(self, name, NOTE, "%" PRIu64 " bytes at the end are no whole event; the next start keeps them aside", report->torn_bytes);
    else
        found(self, name, WELL, "%" PRIu64 " events, %s%s%s", report->sound + report->legacy, size,
              report->retired > 0 ? cli_printf(self->cli, "; %" PRIu64 " older ones were retired", report->retired) : "",
              report->legacy > 0 ? cli_printf(self->cli, "; the first %" PRIu64 " are of CCCC 0.4.0, without checksums", report->legacy)
                                 : "");
}

static void bad_blob(void *arg, const char *path, const char *why)
{
    found(arg, "blobs", DAMAGED, "%s: %s; restore it from a backup", path, why);
}

static void check_blobs(struct doctor *self, cccc_str_t group)
{
    uint64_t count;
    cccc_blobs_check(&cccc_vfs_posix, &self->cli->home, group, bad_blob, self, &count);
}

/* Events that CCCC 0.4.0 had moved out of a ledger before it became ours. */
static void check_archive(struct doctor *self, const char *group)
{
    struct offline_archive archive;
    offline_archive(self->cli, group, &archive);
    if (archive.files > 0)
        found(self, cli_printf(self->cli, "ledger %s", group), NOTE,
              "%" PRIu64 " events in %" PRIu64
              " files of CCCC 0.4.0's archive come before the first event; they are kept in %s and not served",
              archive.lines, archive.files, archive.dir);
}

/* What was taken out of the ledger, or is missing from it since it was copied. */
static void check_losses(struct doctor *self, const char *group)
{
    cccc_value_t losses = offline_losses(self->cli, group);
    for (uint32_t i = 0; i < cli_count(&losses); i++)
        found(self, cli_printf(self->cli, "ledger %s", group), NOTE, "%.*s", CCCC_STR_FMT(cccc_get_str(cli_item(&losses, i), "text")));
}

/* The rule needs the group's state, which the daemon copies unasked only up to a size. */
static void check_retention(struct doctor *self, const char *group, const cccc_value_t *document)
{
    struct cccc_ledger_policy policy;
    struct stat st;
    char size[32];
    cccc_ledger_policy_of(document, &policy);
    bool ruled = policy.retain_s > 0 || policy.retain_bytes > 0;
    if (!ruled || stat(cli_printf(self->cli, "%s/groups/%s/state/ledger/snapshot", self->cli->home.root, group), &st) != 0 ||
        st.st_size <= CCCC_SNAPSHOT_LIVE_BYTES_MAX)
        return;
    cli_size(size, sizeof size, (uint64_t)st.st_size);
    found(self, cli_printf(self->cli, "ledger %s", group), NOTE,
          "its retention rule waits: the saved state has %s, more than SNAPSHOT_LIVE_BYTES_MAX; `cccc ledger compact --group %s` retires "
          "what is due",
          size, group);
}

/* Neither group.yaml nor its previous version: the disk refused when the group was made, or a crash came between its first event and its first
 * group.yaml. Then the ledger has all that would stand there. False when it has not. */
static bool explain_no_configuration(struct doctor *self, const char *name, const char *group)
{
    const char *path = cli_printf(self->cli, "%s/groups/%s/group.yaml", self->cli->home.root, group);
    struct offline_ledger ledger;
    struct stat st;
    if (lstat(path, &st) == 0 || errno != ENOENT || lstat(cli_printf(self->cli, "%s.prev", path), &st) == 0 || errno != ENOENT)
        return false;
    offline_judge(self->cli, group, &ledger);
    if (ledger.err != CCCC_OK || offline_is_damaged(&ledger))
        return false;
    found(self, name, NOTE, "%s",
          ledger.report.sound + ledger.report.legacy > 0 ? "there is no group.yaml; the daemon writes it from the ledger when it starts"
                                                         : "it was never made, and nothing was stored; its folder may be removed");
    return true;
}

/* The group.edit events behind `after`, a page of them. False: the daemon does not say. */
static bool read_edits(struct doctor *self, const char *group, uint64_t after, const cccc_value_t **result)
{
    static const char *const kinds[] = {"group.edit"};
    struct cccc_error error;
    if (!self->cli->client)
        return false;
    cccc_args_t *args = cli_group_args(group);
    cccc_args_uint(args, "after_seq", after);
    cccc_args_strs(args, "kinds", kinds, 1);
    return cli_try(self->cli, "ledger_read", &args, result, &error);
}

/* Has the daemon that serves taken over what somebody made of group.yaml? Then a group.edit behind the event the file is of has this document. */
static bool is_taken_over(struct doctor *self, const char *group, const cccc_value_t *document)
{
    const cccc_value_t *page;
    uint64_t at = cccc_get_uint(document, "ledger_seq", 0);
    bool same = false;
    for (bool more = true; more && !same && read_edits(self, group, at, &page); at = cccc_get_uint(page, "checked_seq", at)) {
        const cccc_value_t *events = cccc_get(page, "events");
        for (uint32_t i = 0; i < cli_count(events); i++)
            same = same || cccc_schema_same(document, cccc_get(cccc_get(cli_item(events, i), "data"), "document"));
        more = cccc_get_bool(page, "more", false);
    }
    return same;
}

/* An edit that is kept: it was taken over, or there was a mistake in it, or a change came first. */
static void check_edit(struct doctor *self, cccc_str_t id, const char *name, const char *group)
{
    cccc_value_t document;
    char note[512];
    if (!cccc_group_edit_check(&cccc_vfs_posix, &self->cli->home, id, "group.yaml.edited", self->cli->arena, &document, note))
        return;
    if (cccc_is_nil(&document))
        found(self, name, NOTE,
              "group.yaml.edited is an edit that was refused: %s. Mend it, stop the daemon, put it into group.yaml, start; or remove it",
              note);
    else if (is_taken_over(self, group, &document))
        found(self, name, NOTE, "group.yaml.edited is an edit that was taken over, as it was written; it may be removed");
    else if (!self->cli->client)
        found(self, name, NOTE, "group.yaml.edited is an edit that is kept; with a daemon, doctor says whether it was taken over");
    else
        found(self, name, NOTE,
              "group.yaml.edited is an edit that does not count: it was refused, or a change was written over it. To take what it says: "
              "stop the daemon, put it into group.yaml, start. Then remove it");
}

/* A sound group.yaml: ours, or edited by hand. */
static void report_document(struct doctor *self, const char *name, const char *group, const struct cccc_group_files *files)
{
    cccc_str_t title = cccc_get_str(&files->document, "title");
    if (!files->edited)
        found(self, name, WELL, "%.*s", CCCC_STR_FMT(title));
    else if (is_taken_over(self, group, &files->document))
        found(self, name, WELL, "%.*s; group.yaml was changed by hand, and the daemon has taken the change over", CCCC_STR_FMT(title));
    else
        found(self, name, NOTE, "%.*s; group.yaml was changed since cccc last wrote it; the next start takes the change over",
              CCCC_STR_FMT(title));
}

static void check_group(struct doctor *self, cccc_str_t id)
{
    struct cli *cli = self->cli;
    struct cccc_group_files files;
    const char *group = cccc_arena_str(cli->arena, id).ptr, *name = cli_printf(cli, "group %s", group);
    cccc_group_files_read(&cccc_vfs_posix, &cli->home, id, cli->arena, &files);
    if (cccc_is_nil(&files.document)) {
        if (!explain_no_configuration(self, name, group))
            found(self, name, DAMAGED, "group.yaml cannot be read: %s; restore it from a backup", files.note);
    } else if (files.refused)
        found(self, name, FAILED, "%s. Mend group.yaml before the next start", files.note);
    else if (files.note[0])
        found(self, name, NOTE, "%s", files.note);
    else
        report_document(self, name, group, &files);
    if (files.kept[0])
        found(self, name, NOTE, "group.yaml: %s; kept as it is", files.kept);
    check_edit(self, id, name, group);
    check_ledger(self, group);
    check_archive(self, group);
    check_losses(self, group);
    check_retention(self, group, &files.document);
    check_blobs(self, id);
}

static void check_groups(struct doctor *self)
{
    struct cli *cli = self->cli;
    cccc_value_t ids;
    struct cccc_errmsg m = {""};
    if (cccc_groups_scan(&cccc_vfs_posix, &cli->home, cli->arena, &ids, &m))
        found(self, "groups", DAMAGED, "%s", m.text);
    for (uint32_t i = 0; i < cli_count(&ids); i++) {
        cccc_str_t id = {0};
        if (cccc_as_str(cli_item(&ids, i), &id))
            check_group(self, id);
    }
}

int cmd_doctor(struct cli *cli)
{
    static const char *const headings[] = {"CHECK", "STATE", "FOUND"};
    static const int exits[] = {0, 0, 1, 9};
    int status = 0;
    cli->patience_s = DAEMON_PATIENCE_S;
    if (!cli_home(cli, &status))
        return status;
    struct doctor self = {.cli = cli, .table = cli_table_new(cli, headings, 3), .checks = cccc_array_builder(cli->arena, 16)};
    check_program(&self);
    check_runtimes(&self);
    if (check_home(&self)) {
        check_disk(&self);
        check_daemon(&self);
        check_sockets(&self);
        check_document(&self, "registry", "the daemon makes it anew from the group folders when it starts");
        check_document(&self, "active", "no group is the active one until `cccc use GROUP` says which");
        check_groups(&self);
    }
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 2);
        cccc_map_add(&result, "state", cccc_text(state_words[self.worst]));
        cccc_map_add(&result, "checks", self.checks.value);
        cli_result(cli, &result.value);
        cli_table_free(&self.table);
    } else {
        cli_table_print(&self.table);
    }
    return exits[self.worst];
}
