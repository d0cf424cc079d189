/* repair.c - `cccc ledger repair`: give up events of a ledger that are damaged or lost, so that its group goes on.
 *
 * Says what it would do unless --accept-loss is given. Then: the daemon's lock is taken, so that none serves and none starts; the ledger library does the
 * rest (cccc_ledger_repair), which may be stopped anywhere and run again.
 * Thread: the program's one. */
#include "broker/store/store.h"
#include "clients/cli/offline.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

struct repairing {
    struct cli *cli;
    const char *group;
    struct offline_ledger before;
    cccc_builder_t stretches; /* findings that would be given up */
    struct cccc_repair done;
    /* the event being described */
    char id[33], ts[28];
};

/* ---- what there is to give up ---- */

static bool is_wanted(const cccc_value_t *finding)
{
    cccc_str_t state = cccc_get_str(finding, "state");
    return cccc_str_is(state, "damaged") || cccc_str_is(state, "lost");
}

static bool is_lost(const cccc_value_t *finding)
{
    return cccc_str_is(cccc_get_str(finding, "state"), "lost");
}

/* What stands for retired events: without it the group is not served. */
static bool is_base(const cccc_value_t *finding)
{
    return cccc_str_is(cccc_get_str(finding, "state"), "base");
}

static int examine(struct repairing *self)
{
    struct cli *cli = self->cli;
    offline_judge(cli, self->group, &self->before);
    if (self->before.err != CCCC_OK)
        return cli_fail(cli, self->before.err, "restore a backup: `cccc backup list`", "%s", self->before.message.text);
    const cccc_value_t *findings = &self->before.findings.value;
    self->stretches = cccc_array_builder(cli->arena, 4);
    for (uint32_t i = 0; i < cli_count(findings); i++) {
        const cccc_value_t *finding = cli_item(findings, i);
        if (is_base(finding))
            return cli_fail(cli, CCCC_E_DAMAGED, "restore a backup: `cccc backup list`",
                            "%s; no other file says who had read how far, so it cannot be given up", offline_finding_text(cli, finding));
        if (is_wanted(finding))
            cccc_array_add(&self->stretches, *finding);
    }
    return 0;
}

/* ---- doing it ---- */

static void describe(void *arg, uint64_t seq, const struct cccc_gap *gap, struct cccc_event *out)
{
    struct repairing *self = arg;
    cccc_builder_t data = cccc_map_builder(self->cli->arena, 5);
    struct timespec now;
    uint64_t dice = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    if (getrandom(&dice, sizeof dice, 0) != sizeof dice)
        dice = (uint64_t)now.tv_nsec;
    cccc_event_id_make(self->id, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, seq, dice);
    cccc_ts_format(self->ts, now.tv_sec * 1000000 + now.tv_nsec / 1000);
    cccc_map_add(&data, "from_seq", cccc_uint(gap->from_seq));
    cccc_map_add(&data, "to_seq", cccc_uint(gap->to_seq));
    cccc_map_add(&data, "reason", cccc_text(gap->reason));
    cccc_map_add(&data, "command", cccc_text("cccc ledger repair"));
    if (self->done.copy[0] && self->done.head.from_seq == gap->from_seq)
        cccc_map_add(&data, "copy", cccc_text(cli_printf(self->cli, "state/ledger/torn/%s", self->done.copy)));
    *out = (struct cccc_event){.id = cccc_str(self->id),
                               .ts = cccc_str(self->ts),
                               .seq = seq,
                               .kind = CCCC_STR("ledger.repair"),
                               .group_id = cccc_str(self->group),
                               .scope_key = CCCC_STR(""),
                               .by = CCCC_STR("user"),
                               .attest = cccc_nil(),
                               .data = data.value,
                               .extra = cccc_nil()};
}

static int carry_out(struct repairing *self)
{
    struct cli *cli = self->cli;
    struct cccc_errmsg m;
    struct cccc_ledger_options options = {.vfs = &cccc_vfs_posix,
                                          .group_dir = cli_printf(cli, "%s/groups/%s", cli->home.root, self->group),
                                          .group_id = self->group,
                                          .at = (uint64_t)cli->now_us / 1000000,
                                          .by = "cccc ledger repair"};
    int status = cli_lock_home(cli, &cli->home);
    if (status)
        return status;
    cccc_err_t err = cccc_home_next_epoch(&cccc_vfs_posix, &cli->home, &options.epoch, &m);
    if (err == CCCC_OK)
        err = cccc_ledger_repair(&options, describe, self, &self->done, &m);
    cccc_descriptor_remove(&cccc_vfs_posix, &cli->home);
    return err ? cli_fail(cli, err, "mend that, then run it again: what was done already stays done", "%s", m.text) : 0;
}

/* ---- the command ---- */

static void print_plan(struct repairing *self, bool dry)
{
    struct cli *cli = self->cli;
    const cccc_value_t *list = &self->stretches.value;
    for (uint32_t i = 0; i < cli_count(list); i++) {
        const cccc_value_t *finding = cli_item(list, i);
        uint64_t offset = cccc_get_uint(finding, "offset", 0), bytes = cccc_get_uint(finding, "length", 0);
        cli_fact(cli, dry ? "would give up" : "gave up", "%s", offline_finding_text(cli, finding));
        if (is_lost(finding) && bytes > 0)
            cli_fact(cli, dry ? "would move" : "moved", "%" PRIu64 " bytes from offset %" PRIu64 " on to state/ledger/torn/%s", bytes,
                     offset, dry ? cli_printf(cli, "damaged.%" PRIu64 ".*", offset) : self->done.copy);
        else if (!is_lost(finding))
            cli_fact(cli, dry ? "would leave" : "left", "its bytes where they are: events behind them are sound");
    }
    if (cli_count(list) == 0)
        cli_say(cli, "%s: nothing to give up", self->group);
    else if (dry)
        cli_say(cli, "nothing was changed; `cccc ledger repair --group %s --accept-loss` does it", self->group);
    else
        cli_say(cli, "next: cccc daemon start; cccc doctor");
}

static int report(struct repairing *self, bool dry)
{
    struct cli *cli = self->cli;
    if (!cli->json) {
        print_plan(self, dry);
        return 0;
    }
    cccc_builder_t result = cccc_map_builder(cli->arena, 8);
    cccc_map_add(&result, "group_id", cccc_text(self->group));
    cccc_map_add(&result, "dry_run", cccc_bool(dry));
    cccc_map_add(&result, "stretches", self->stretches.value);
    cccc_map_add(&result, "given_up", cccc_uint(self->done.given_up));
    cccc_map_add(&result, "bytes_aside", cccc_uint(self->done.bytes_aside));
    cccc_map_add(&result, "head_seq", cccc_uint(dry ? self->before.report.head_seq : self->done.head_seq));
    return cli_result(cli, &result.value);
}

int cmd_ledger_repair(struct cli *cli)
{
    struct repairing self = {.cli = cli};
    bool dry = !cli_flag(cli, "accept-loss");
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    status = cli_group_offline(cli, cli_option(cli, "group"), &self.group);
    if (status == 0)
        status = examine(&self);
    bool nothing = status == 0 && cli_count(&self.stretches.value) == 0;
    if (status == 0 && !dry && !nothing)
        status = carry_out(&self);
    if (status == 0)
        status = report(&self, dry || nothing);
    return status == 0 && dry && !nothing ? cccc_err_exit_status(CCCC_E_DAMAGED) : status;
}
