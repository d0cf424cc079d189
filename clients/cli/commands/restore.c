/* restore.c - `cccc restore DIR`: put a backup in the place of the home, which is kept aside.
 *
 * Order: the backup is verified; the daemon's lock is taken, so that none serves and none starts; the new home is made beside the old one, synced and summed;
 * the two change places in one step (renameat2), so that there is a whole home at every instant; the old one gets its name. The new home is locked
 * from its first instant too, and marked stopped: the operator starts it.
 * Left behind by the old home: daemon/ (so the instance epoch begins above any that was), trash/. backups/ moves to the new one.
 * Thread: the program's one. */
#include "broker/ledger/ledger.h"
#include "broker/store/store.h"
#include "clients/cli/backup/backup.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct restoring {
    struct cli *cli;
    const char *dir;   /* the backup */
    const char *fresh; /* where the new home is made */
    const char *aside; /* what the old one will be called */
    bool had_home, made_fresh;
    struct backup_findings findings;
    const char **paths; /* what is copied */
    size_t count;
    uint64_t bytes;
};

/* ---- what is restored ---- */

static void choose_named(struct restoring *self, const cccc_value_t *files)
{
    self->count = files->via.array.size;
    self->paths = cccc_arena_alloc(self->cli->arena, (self->count + 1) * sizeof *self->paths);
    for (size_t i = 0; i < self->count; i++) {
        const cccc_value_t *file = &files->via.array.ptr[i];
        self->paths[i] = cccc_arena_str(self->cli->arena, cccc_get_str(file, "path")).ptr;
        self->bytes += cccc_get_uint(file, "bytes", 0);
    }
}

/* A plain copy has no list: all that a backup would have. */
static int choose_found(struct restoring *self)
{
    struct backup_files files;
    int rc = backup_list(self->cli, self->dir, "", &files);
    if (rc < 0)
        return cli_fail(self->cli, CCCC_E_STORAGE, NULL, "cannot list %s: %s", self->dir, strerror(-rc));
    self->paths = cccc_arena_alloc(self->cli->arena, (files.count + 1) * sizeof *self->paths);
    for (size_t i = 0; i < files.count; i++)
        if (files.items[i].stage != BACKUP_LEFT_OUT)
            self->paths[self->count++] = files.items[i].path;
    self->bytes = files.bytes;
    return 0;
}

static int choose(struct restoring *self)
{
    struct cli *cli = self->cli;
    int status = backup_check(cli, self->dir, &self->findings);
    if (status)
        return status;
    if (self->findings.damage.value.via.array.size > 0 && !cli_flag(cli, "accept-damage")) {
        backup_print_findings(cli, &self->findings);
        return cli_fail(cli, CCCC_E_DAMAGED, "take another one (`cccc backup list`), or --accept-damage to restore it all the same",
                        "%s is damaged, so nothing was changed", self->dir);
    }
    if (cccc_is_nil(&self->findings.manifest))
        return choose_found(self);
    choose_named(self, cccc_get(&self->findings.manifest, "files"));
    return 0;
}

/* ---- what it means: each group now and then ---- */

static uint64_t head_in(struct cli *cli, const char *root, const char *group)
{
    struct cccc_verify_report report;
    struct cccc_errmsg m;
    const char *dir = cli_printf(cli, "%s/groups/%s", root, group);
    return cccc_ledger_verify(&cccc_vfs_posix, dir, NULL, NULL, NULL, &report, &m) == CCCC_OK ? report.head_seq : 0;
}

static void compare_group(struct restoring *self, cccc_str_t id, cli_table_t *table, cccc_builder_t *rows)
{
    struct cli *cli = self->cli;
    const char *group = cccc_arena_str(cli->arena, id).ptr;
    uint64_t now = head_in(cli, cli->home.root, group), then = head_in(cli, self->dir, group);
    cli_cell(table, id, STYLE_NONE);
    cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, now);
    cli_cell_fmt(table, then < now ? STYLE_YELLOW : STYLE_NONE, "%" PRIu64, then);
    cccc_builder_t row = cccc_map_builder(cli->arena, 3);
    cccc_map_add(&row, "group_id", cccc_string(id));
    cccc_map_add(&row, "head_seq_now", cccc_uint(now));
    cccc_map_add(&row, "head_seq_backup", cccc_uint(then));
    cccc_array_add(rows, row.value);
}

static bool holds(const cccc_value_t *ids, cccc_str_t id)
{
    for (uint32_t i = 0; i < ids->via.array.size; i++) {
        cccc_str_t other;
        if (cccc_as_str(&ids->via.array.ptr[i], &other) && cccc_str_eq(other, id))
            return true;
    }
    return false;
}

static cccc_value_t compare_groups(struct restoring *self, cli_table_t *table)
{
    cccc_value_t then = backup_groups(self->cli, self->dir), now = backup_groups(self->cli, self->cli->home.root);
    cccc_builder_t rows = cccc_array_builder(self->cli->arena, then.via.array.size + now.via.array.size);
    cccc_str_t id = {0};
    for (uint32_t i = 0; i < then.via.array.size; i++)
        if (cccc_as_str(&then.via.array.ptr[i], &id))
            compare_group(self, id, table, &rows);
    for (uint32_t i = 0; i < now.via.array.size; i++)
        if (cccc_as_str(&now.via.array.ptr[i], &id) && !holds(&then, id))
            compare_group(self, id, table, &rows);
    return rows.value;
}

/* ---- doing it ---- */

static int copy_files(struct restoring *self)
{
    struct cli *cli = self->cli;
    struct cli_progress progress;
    cli_progress_start(cli, &progress, "restoring", self->bytes);
    int rc = 0;
    size_t i = 0;
    for (; i < self->count && rc == 0; i++) {
        rc = cli_signal() ? -EINTR : backup_copy_file(self->dir, self->fresh, self->paths[i], UINT64_MAX, &progress);
        if (rc == -ENOENT && cli_flag(cli, "accept-damage"))
            rc = 0;
    }
    cli_progress_end(&progress);
    if (rc == 0)
        return 0;
    return cli_fail(cli, rc == -ENOSPC || rc == -EDQUOT ? CCCC_E_NO_SPACE : CCCC_E_STORAGE, "nothing was changed; try again",
                    "cannot copy %s: %s", self->paths[i - 1], strerror(-rc));
}

/* What was written is what was backed up: read it back. */
static int sum_files(struct restoring *self)
{
    const cccc_value_t *files = cccc_get(&self->findings.manifest, "files");
    struct cli_progress progress;
    bool same = true;
    if (!files || cli_flag(self->cli, "accept-damage"))
        return 0;
    cli_progress_start(self->cli, &progress, "checking", self->bytes);
    size_t i = 0;
    for (; i < self->count && same; i++) {
        char sum[BACKUP_SUM_HEX + 1] = "";
        uint64_t bytes;
        same = backup_sum_file(self->fresh, self->paths[i], sum, &bytes, &progress) == 0 &&
               cccc_str_is(cccc_get_str(&files->via.array.ptr[i], "blake2b"), sum);
    }
    cli_progress_end(&progress);
    return same ? 0
                : cli_fail(self->cli, CCCC_E_STORAGE, "nothing was changed; check the disk, then try again",
                           "%s was not written as it is in the backup", self->paths[i - 1]);
}

static int make_fresh(struct restoring *self)
{
    struct cli *cli = self->cli;
    struct cccc_home fresh = {0};
    struct backup_files files;
    int rc = cccc_vfs_posix.mkdir(NULL, self->fresh);
    if (rc < 0)
        return cli_fail(cli, CCCC_E_STORAGE, "the new home is made beside the old one: make that folder writable", "cannot make %s: %s",
                        self->fresh, strerror(-rc));
    self->made_fresh = true;
    int status = copy_files(self);
    if (status == 0)
        status = sum_files(self);
    if (status)
        return status;
    snprintf(fresh.root, sizeof fresh.root, "%s", self->fresh);
    status = cli_lock_home(cli, &fresh);
    if (status)
        return status;
    int fd = open(cli_printf(cli, "%s/daemon/stopped", self->fresh), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    rc = fd < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        rc = backup_list(cli, self->fresh, "", &files);
    if (rc == 0)
        rc = backup_sync_dirs(cli, self->fresh, &files);
    if (rc == 0)
        rc = cccc_vfs_sync_dir(&cccc_vfs_posix, cli_printf(cli, "%s/daemon", self->fresh));
    return rc < 0 ? cli_fail(cli, CCCC_E_STORAGE, "nothing was changed; try again", "cannot sync %s: %s", self->fresh, strerror(-rc)) : 0;
}

/* From here on the home is the restored one; what fails is only told. */
static void tidy(struct restoring *self)
{
    struct cli *cli = self->cli;
    const char *old = self->fresh;
    if (self->aside && renameat2(AT_FDCWD, old, AT_FDCWD, self->aside, RENAME_NOREPLACE) == 0)
        old = self->aside;
    else if (self->aside)
        self->aside = old;
    rename(cli_printf(cli, "%s/backups", old), cli_printf(cli, "%s/backups", cli->home.root));
    cccc_descriptor_remove(&cccc_vfs_posix, &cli->home);
    if (!self->had_home) {
        cli_remove_tree(old);
        self->aside = NULL;
    }
    cccc_vfs_sync_dir(&cccc_vfs_posix, cli->home.root);
    cccc_vfs_sync_parent(&cccc_vfs_posix, cli->home.root);
}

static int change_places(struct restoring *self)
{
    struct cli *cli = self->cli;
    if (renameat2(AT_FDCWD, self->fresh, AT_FDCWD, cli->home.root, RENAME_EXCHANGE) == 0)
        return 0;
    return cli_fail(
        cli, CCCC_E_STORAGE,
        cli_printf(cli, "the new home is ready in %s: move %s away and that one to its place by hand", self->fresh, cli->home.root),
        "%s cannot be exchanged (%s); nothing was changed", cli->home.root, strerror(errno));
}

static int carry_out(struct restoring *self)
{
    struct cli *cli = self->cli;
    self->had_home = access(cli->home.root, F_OK) == 0;
    int status = cli_lock_home(cli, &cli->home);
    if (status)
        return status;
    cli_defer_signals();
    status = make_fresh(self);
    if (status) {
        if (self->made_fresh)
            cli_remove_tree(self->fresh);
        return cli_signal() ? 128 + cli_signal() : status;
    }
    status = change_places(self);
    if (status == 0)
        tidy(self);
    return status;
}

/* ---- the command ---- */

/* The names beside the home that this restore uses: free ones, also when another restore was in the same second. 0 or the exit status. */
static int choose_names(struct restoring *self)
{
    struct cli *cli = self->cli;
    for (unsigned n = 1; n <= CCCC_BACKUP_NAMES_MAX; n++) {
        const char *name = backup_name(cli, n), *aside = cli_printf(cli, "%s.before-restore.%s", cli->home.root, name);
        self->fresh = cli_printf(cli, "%s.restoring.%s", cli->home.root, name);
        self->aside = access(cli->home.root, F_OK) == 0 ? aside : NULL;
        if (access(self->fresh, F_OK) != 0 && access(aside, F_OK) != 0)
            return 0;
    }
    return cli_fail(cli, CCCC_E_EXISTS, "try again in a second", "%d homes were kept aside in this second (BACKUP_NAMES_MAX)",
                    CCCC_BACKUP_NAMES_MAX);
}

static int report(struct restoring *self, bool dry, cli_table_t **table, const cccc_value_t *groups)
{
    struct cli *cli = self->cli;
    char size[32];
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 8);
        cccc_map_add(&result, "restored_from", cccc_text(self->dir));
        cccc_map_add(&result, "home", cccc_text(cli->home.root));
        cccc_map_add(&result, "dry_run", cccc_bool(dry));
        cccc_map_add(&result, "kept_aside", self->aside ? cccc_text(self->aside) : cccc_nil());
        cccc_map_add(&result, "files", cccc_uint(self->count));
        cccc_map_add(&result, "bytes", cccc_uint(self->bytes));
        cccc_map_add(&result, "groups", *groups);
        cccc_map_add(&result, "notes", self->findings.notes.value);
        cli_table_free(table);
        return cli_result(cli, &result.value);
    }
    cli_size(size, sizeof size, self->bytes);
    backup_print_findings(cli, &self->findings);
    cli_table_print(table);
    cli_fact(cli, dry ? "would restore" : "restored", "%s from %s: %zu files, %s", cli->home.root, self->dir, self->count, size);
    if (self->aside)
        cli_fact(cli, dry ? "would keep" : "kept", "the home as it was, in %s", self->aside);
    if (!dry)
        cli_say(cli, "next: cccc daemon start; cccc doctor");
    return 0;
}

int cmd_restore(struct cli *cli)
{
    static const char *const headings[] = {"GROUP", "EVENTS NOW", "IN THE BACKUP"};
    struct restoring self = {.cli = cli};
    bool dry = cli_flag(cli, "dry-run");
    int32_t pid;
    cccc_str_t version;
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    status = backup_dir(cli, cli_arg(cli, 0), &self.dir);
    if (status)
        return status;
    if (strcmp(self.dir, cli->home.root) == 0)
        return cli_fail(cli, CCCC_E_INVALID_PATH, "name the backup: `cccc backup list`", "%s is the home itself", self.dir);
    if (!dry && cli_daemon(cli, &pid, &version))
        return cli_refuse_served(cli, pid);
    status = choose_names(&self);
    if (status == 0)
        status = choose(&self);
    if (status)
        return status;
    cli_table_t *table = cli_table_new(cli, headings, 3);
    cccc_value_t groups = compare_groups(&self, table);
    if (!dry)
        status = carry_out(&self);
    if (status) {
        cli_table_free(&table);
        return status;
    }
    return report(&self, dry, &table, &groups);
}
