/* ledger.c - `cccc ledger verify|stat`: judge ledgers on disk, without a daemon and without changing a byte; and `snapshot|compact`, which the daemon does. commands/repair.c has the one that changes some.
 *
 * A daemon may be appending meanwhile: an unfinished last line is then no finding.
 * Thread: the program's one. */
#include "clients/cli/offline.h"
#include "clients/cli/progress.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- judging ---- */

/* Both callbacks of cccc_ledger_verify get this. */
struct judging {
    struct cli_progress progress;
    struct offline_ledger *ledger;
};

static void show_progress(void *arg, uint64_t done, uint64_t all)
{
    cli_progress_set(&((struct judging *)arg)->progress, done, all);
}

static const char *const finding_states[] = {
    [CCCC_VERIFY_DAMAGED] = "damaged", [CCCC_VERIFY_LOST] = "lost",         [CCCC_VERIFY_GIVEN_UP] = "given_up",
    [CCCC_VERIFY_STRAY] = "stray",     [CCCC_VERIFY_FORKED] = "forked",     [CCCC_VERIFY_BASE] = "base",
    [CCCC_VERIFY_MARK] = "unmarked",   [CCCC_VERIFY_MANIFEST] = "unlisted",
};

static void note_finding(void *arg, const struct cccc_verify_finding *found)
{
    struct offline_ledger *ledger = ((struct judging *)arg)->ledger;
    if (found->kind == CCCC_VERIFY_TORN) /* never acknowledged: the next start keeps it aside, and torn_bytes tells of it */
        return;
    cccc_arena_t *arena = ledger->cli->arena;
    cccc_builder_t finding = cccc_map_builder(arena, 10);
    cccc_map_add(&finding, "state", cccc_text(finding_states[found->kind]));
    cccc_map_add(&finding, "what", cccc_text(found->what));
    cccc_map_add(&finding, "file", cccc_string(cccc_arena_str(arena, cccc_str(found->file))));
    cccc_map_add(&finding, "line", cccc_uint(found->line));
    cccc_map_add(&finding, "offset", cccc_uint(found->gap.offset));
    cccc_map_add(&finding, "length", cccc_uint(found->gap.length));
    cccc_map_add(&finding, "from_seq", cccc_uint(found->gap.from_seq));
    cccc_map_add(&finding, "to_seq", cccc_uint(found->gap.to_seq));
    cccc_map_add(&finding, "reason", cccc_text(found->gap.reason));
    if (found->more[0])
        cccc_map_add(&finding, "more", cccc_string(cccc_arena_str(arena, cccc_str(found->more))));
    cccc_array_add(&ledger->findings, finding.value);
}

void offline_judge(struct cli *cli, const char *group, struct offline_ledger *out)
{
    struct judging both = {.ledger = out};
    *out = (struct offline_ledger){.cli = cli, .group = group, .findings = cccc_array_builder(cli->arena, 4)};
    cli_progress_start(cli, &both.progress, group, 0);
    out->err = cccc_ledger_verify(&cccc_vfs_posix, cli_printf(cli, "%s/groups/%s", cli->home.root, group), note_finding, show_progress,
                                  &both, &out->report, &out->message);
    cli_progress_end(&both.progress);
}

bool offline_is_damaged(const struct offline_ledger *ledger)
{
    return ledger->err != CCCC_OK || ledger->report.damaged > 0;
}

bool offline_is_damage(const cccc_value_t *finding)
{
    cccc_str_t state = cccc_get_str(finding, "state");
    return !cccc_str_is(state, "given_up") && !cccc_str_is(state, "unmarked") && !cccc_str_is(state, "unlisted");
}

const char *offline_finding_text(struct cli *cli, const cccc_value_t *finding)
{
    uint64_t line = cccc_get_uint(finding, "line", 0); /* 0: it is about the file as a whole */
    const char *where = line == 0 ? "" : cli_printf(cli, " line %" PRIu64 " offset %" PRIu64, line, cccc_get_uint(finding, "offset", 0));
    const char *place =
        cli_printf(cli, "%.*s%s: %.*s", CCCC_STR_FMT(cccc_get_str(finding, "file")), where, CCCC_STR_FMT(cccc_get_str(finding, "what")));
    uint64_t from = cccc_get_uint(finding, "from_seq", 0), to = cccc_get_uint(finding, "to_seq", 0);
    cccc_str_t more = cccc_get_str(finding, "more");
    if (from == 0)
        return place;
    return cli_printf(cli, "%s (events %" PRIu64 "..%" PRIu64 ")%s%.*s", place, from, to, more.len ? " " : "", CCCC_STR_FMT(more));
}

cccc_value_t offline_value(const struct offline_ledger *ledger)
{
    const struct cccc_verify_report *report = &ledger->report;
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"bytes", report->bytes},           {"lines", report->lines},           {"sound", report->sound},
        {"legacy", report->legacy},         {"broken", report->broken},         {"first_seq", report->first_seq},
        {"head_seq", report->head_seq},     {"torn_bytes", report->torn_bytes}, {"chain_breaks", report->chain_breaks},
        {"seq_breaks", report->seq_breaks}, {"retired", report->retired},
    };
    cccc_builder_t map = cccc_map_builder(ledger->cli->arena, 17);
    cccc_map_add(&map, "group_id", cccc_text(ledger->group));
    cccc_map_add(&map, "state", cccc_text(offline_is_damaged(ledger) ? "damaged" : "sound"));
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        cccc_map_add(&map, figures[i].name, cccc_uint(figures[i].value));
    cccc_map_add(&map, "head_id", cccc_string(cccc_arena_str(ledger->cli->arena, cccc_str(report->head_id))));
    if (ledger->err != CCCC_OK)
        cccc_map_add(&map, "error", cccc_string(cccc_arena_str(ledger->cli->arena, cccc_str(ledger->message.text))));
    cccc_map_add(&map, "findings", ledger->findings.value);
    return map.value;
}

void offline_print_findings(const struct offline_ledger *ledger)
{
    const cccc_value_t *list = &ledger->findings.value;
    if (ledger->err != CCCC_OK)
        cli_fact(ledger->cli, "damaged", "%s: %s", ledger->group, ledger->message.text);
    for (uint32_t i = 0; i < cli_count(list); i++) {
        const cccc_value_t *finding = cli_item(list, i);
        cli_fact(ledger->cli, offline_is_damage(finding) ? "damaged" : "note", "%s", offline_finding_text(ledger->cli, finding));
    }
    if (ledger->report.retired > 0)
        cli_fact(ledger->cli, "retired", "%s: %" PRIu64 " events were removed by the group's retention rule", ledger->group,
                 ledger->report.retired);
    if (ledger->report.legacy > 0)
        cli_fact(ledger->cli, "legacy", "%s: %" PRIu64 " events of CCCC 0.4.0 have no checksums; a change in them may not show",
                 ledger->group, ledger->report.legacy);
}

/* ---- the archive of CCCC 0.4.0 ---- */

struct archive_walk {
    struct cli *cli;
    struct offline_archive *out;
};

static void count_archive(void *arg, const char *name)
{
    struct archive_walk *walk = arg;
    if (fnmatch("ledger.[0-9]*.jsonl", name, 0) != 0)
        return;
    FILE *file = fopen(cli_printf(walk->cli, "%s/%s", walk->out->dir, name), "re");
    if (!file)
        return;
    walk->out->files++;
    for (int c; (c = getc_unlocked(file)) != EOF;)
        walk->out->lines += c == '\n';
    fclose(file);
}

void offline_archive(struct cli *cli, const char *group, struct offline_archive *out)
{
    *out = (struct offline_archive){.dir = cli_printf(cli, "%s/groups/%s/state/ledger/archive", cli->home.root, group)};
    cccc_vfs_posix.list(NULL, out->dir, count_archive, &(struct archive_walk){cli, out});
}

/* ---- the commands ---- */

static void add_row(cli_table_t *table, const struct offline_ledger *ledger)
{
    const struct cccc_verify_report *report = &ledger->report;
    char size[32];
    bool damaged = offline_is_damaged(ledger);
    cli_size(size, sizeof size, report->bytes);
    cli_cell(table, cccc_str(ledger->group), STYLE_NONE);
    cli_cell(table, damaged ? CCCC_STR("damaged") : CCCC_STR("sound"), damaged ? STYLE_RED : STYLE_GREEN);
    cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, report->sound + report->legacy);
    cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, report->first_seq);
    cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, report->head_seq);
    if (ledger->cli->tty)
        cli_cell(table, cccc_str(size), STYLE_NONE);
    else
        cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, report->bytes);
    cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, report->broken);
}

/* A group of which nothing is left to judge. */
static void judge_lost(struct cli *cli, const struct offline_lost *lost, struct offline_ledger *out)
{
    *out = (struct offline_ledger){.cli = cli, .group = lost->group, .findings = cccc_array_builder(cli->arena, 0)};
    out->err =
        cccc_fail(&out->message, CCCC_E_DAMAGED, "(%s) is registered, but %s; restore it from a backup, or `cccc groups --forget-missing`",
                  lost->title, lost->what);
}

/* Judge what there is, then what is registered and not there (with --all). `stat` says what is kept, `verify` what it found. */
struct judgement {
    struct cli *cli;
    cli_table_t *table, *keeping;
    cccc_builder_t ledgers;
    bool with_findings, damaged;
};

static void take_in(struct judgement *self, const struct offline_ledger *ledger, bool there)
{
    cccc_value_t value = offline_value(ledger);
    self->damaged = self->damaged || offline_is_damaged(ledger);
    add_row(self->table, ledger);
    if (!self->with_findings && there) {
        cccc_value_t keeping = offline_keeping(self->cli, ledger->group);
        value = cccc_map_with(self->cli->arena, &value, CCCC_STR("keeping"), keeping);
        offline_add_keeping(self->cli, self->keeping, ledger->group, &keeping);
    } else if (self->with_findings && !self->cli->json) {
        offline_print_findings(ledger);
    }
    cccc_array_add(&self->ledgers, value);
}

static void judge_registered(struct judgement *self)
{
    struct cli *cli = self->cli;
    struct cccc_errmsg m;
    struct offline_lost *lost;
    cccc_value_t registry = cccc_json_file(&cccc_vfs_posix, cli_printf(cli, "%s/registry.json", cli->home.root), cli->arena, &m);
    uint32_t count = offline_lost_groups(cli, &registry, &lost);
    for (uint32_t i = 0; i < count; i++) {
        struct offline_ledger ledger;
        if (lost[i].in_trash)
            continue;
        judge_lost(cli, &lost[i], &ledger);
        take_in(self, &ledger, false);
    }
}

/* The ids to judge: one group's, or all. */
static int chosen_groups(struct cli *cli, cccc_value_t *ids)
{
    const char *group;
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    if (cli_flag(cli, "all")) {
        struct cccc_errmsg m = {""};
        if (cccc_groups_scan(&cccc_vfs_posix, &cli->home, cli->arena, ids, &m))
            return cli_fail(cli, CCCC_E_STORAGE, "cccc doctor checks the home", "%s", m.text);
        return cli_option(cli, "group") ? cli_fail(cli, CCCC_E_USAGE, "give one of them", "--all and --group were both given") : 0;
    }
    status = cli_group_offline(cli, cli_option(cli, "group"), &group);
    if (status)
        return status;
    if (access(cli_printf(cli, "%s/groups/%s", cli->home.root, group), F_OK) != 0)
        return cli_fail(cli, CCCC_E_GROUP_NOT_FOUND, "`cccc ledger stat --all` lists them", "there is no group %s in %s", group,
                        cli->home.root);
    cccc_builder_t one = cccc_array_builder(cli->arena, 1);
    cccc_array_add(&one, cccc_text(group));
    *ids = one.value;
    return 0;
}

static int judge_chosen(struct cli *cli, bool with_findings)
{
    static const char *const headings[] = {"GROUP", "LEDGER", "EVENTS", "FIRST", "LAST", "BYTES", "BROKEN"};
    static const char *const kept[] = {"GROUP", "KEEPING", ""};
    cccc_value_t ids = cccc_nil();
    int status = chosen_groups(cli, &ids);
    if (status)
        return status;
    struct judgement self = {.cli = cli,
                             .table = cli_table_new(cli, headings, 7),
                             .keeping = cli_table_new(cli, kept, 3),
                             .ledgers = cccc_array_builder(cli->arena, cli_count(&ids)),
                             .with_findings = with_findings};
    for (uint32_t i = 0; i < cli_count(&ids); i++) {
        struct offline_ledger ledger;
        cccc_str_t id = {0};
        cccc_as_str(cli_item(&ids, i), &id);
        offline_judge(cli, cccc_arena_str(cli->arena, id).ptr, &ledger);
        take_in(&self, &ledger, true);
    }
    if (cli_flag(cli, "all"))
        judge_registered(&self);
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 2);
        cccc_map_add(&result, "ledgers", self.ledgers.value);
        cli_result(cli, &result.value);
        cli_table_free(&self.table);
    } else {
        cli_table_print(&self.table);
    }
    if (cli->json || with_findings)
        cli_table_free(&self.keeping);
    else
        cli_table_print(&self.keeping);
    return with_findings && self.damaged ? cccc_err_exit_status(CCCC_E_DAMAGED) : 0;
}

int cmd_ledger_verify(struct cli *cli)
{
    return judge_chosen(cli, true);
}

int cmd_ledger_stat(struct cli *cli)
{
    return judge_chosen(cli, false);
}

/* ---- what the daemon does ---- */

static void add_reason(struct cli *cli, cccc_args_t *args)
{
    const char *reason = cli_option(cli, "reason");
    cccc_args_str(args, "reason", reason ? reason : "manual");
}

int cmd_ledger_snapshot(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    char size[32];
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    add_reason(cli, args);
    status = cli_ask(cli, "ledger_snapshot", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    const cccc_value_t *snapshot = cccc_get(result, "snapshot");
    cli_size(size, sizeof size, cccc_get_uint(snapshot, "size_bytes", 0));
    cli_fact(cli, "saved", "%s up to event %" PRIu64 " (%s)", group, cccc_get_uint(cccc_get(snapshot, "last_event"), "seq", 0), size);
    return 0;
}

static void print_skipped(struct cli *cli, const char *group, const cccc_value_t *result)
{
    cccc_str_t reason = cccc_get_str(result, "reason");
    char size[32];
    cli_size(size, sizeof size, cccc_get_uint(result, "size_bytes", 0));
    if (cccc_str_is(reason, "below_threshold"))
        cli_fact(cli, "skipped", "%s: ledger.jsonl has %s, less than ledger_max_active_bytes; --force seals it all the same", group, size);
    else if (cccc_str_is(reason, "nothing_to_archive"))
        cli_fact(cli, "skipped", "%s: all of the %" PRIu64 " events in ledger.jsonl stay there (ledger_keep_tail_lines)", group,
                 cccc_get_uint(result, "total_lines", 0));
    else
        cli_fact(cli, "skipped", "%s: %.*s", group, CCCC_STR_FMT(reason));
}

int cmd_ledger_compact(struct cli *cli)
{
    const char *group;
    const cccc_value_t *result;
    char bytes[32], sealed[32];
    int status = cli_group(cli, &group);
    if (status)
        return status;
    cccc_args_t *args = cli_args(cli, group);
    add_reason(cli, args);
    if (cli_flag(cli, "force"))
        cccc_args_bool(args, "force", true);
    status = cli_ask(cli, "ledger_compact", &args, &result);
    if (status || cli->json)
        return status ? status : cli_result(cli, result);
    if (cccc_get_bool(result, "skipped", false)) {
        print_skipped(cli, group, result);
        return 0;
    }
    const cccc_value_t *done = cccc_get(result, "result");
    cli_size(bytes, sizeof bytes, cccc_get_uint(done, "bytes", 0));
    cli_size(sealed, sizeof sealed, cccc_get_uint(done, "sealed_bytes", 0));
    cli_fact(cli, "sealed", "%s: events %" PRIu64 " to %" PRIu64 ", %s, now %s", group, cccc_get_uint(done, "from_seq", 0),
             cccc_get_uint(done, "to_seq", 0), bytes, sealed);
    return 0;
}
