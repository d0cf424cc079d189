/* backup.c - `cccc backup create|verify|list`.
 *
 * create copies a home while its daemon serves. Why the result is a state the home could be started from, for each group:
 *   1. Only the ledger is the truth, and a prefix of it that ends with a whole line is a state the group was in. It is copied up to the size it had
 *      when it was looked at, and what follows the last whole line is cut.
 *   2. group.yaml names the last event in it (ledger_seq) and is written after that event is durable. So it is copied before the ledger is looked
 *      at: the copy of the ledger holds that event, and the fold brings newer ones. The same for read_cursors.json and all that is derived.
 *      group.sum has to fit group.yaml: both are copied again until group.sum was the same before and after.
 *   3. A blob is durable before the event that names it, and nothing removes blobs. So they are copied after the ledger: each that an event of the
 *      copy names was there by then.
 *   4. Sealed segments and their manifest come after ledger.jsonl was opened. Those with lines below its first one were durable before that file was made. A
 *      seal that replaces it later takes nothing from the open one, which is copied; segments that begin at or behind its first line do not count
 *      (FORMAT.md), whether they are in the copy or only named by the manifest. So seals may go on all the time. A file that was replaced
 *      between the look and the opening is looked at anew, as opened. Only a file that was cut meanwhile is copied again, and a group with a new base: segments
 *      were retired, and the copy of the ledger may not reach what took their place.
 * All ledgers are looked at in one go, so groups differ by an instant, not by the time it takes to copy; of a message between groups it is still possible
 * that the copy has only one side.
 * The folder gets its name once all of it is synced: a folder without ".partial" is a whole backup. Thread: the program's one. */
#include "clients/cli/backup/backup.h"

#include "broker/ledger/archive.h"
#include "broker/store/store.h"
#include "proto/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFIG_TRIES = 20, GROUP_TRIES = 5 };

/* A group's ledger when it was looked at. */
struct pin {
    const char *group;
    bool there;
    uint64_t inode, birth_ns, bytes; /* an inode's number is given to the next file soon */
    uint64_t base;                   /* of the segments' manifest before that: the last event of what was retired; 0: nothing was */
};

struct making {
    struct cli *cli;
    const char *to;      /* final name */
    const char *partial; /* where it is made */
    struct cli_progress progress;
    struct backup_files files;
    uint64_t secrets;
    cccc_builder_t skipped; /* paths of links, sockets and the like */
    const char *at;         /* the file being copied, for the error */
};

/* ---- copying ---- */

static int copy(struct making *self, const char *path, uint64_t bytes)
{
    self->at = path;
    int rc = cli_signal() ? -EINTR : backup_copy_file(self->cli->home.root, self->partial, path, bytes, &self->progress);
    return rc == -ENOENT ? 0 : rc; /* removed meanwhile */
}

static const char *group_file(struct making *self, const char *group, const char *name)
{
    return cli_printf(self->cli, "groups/%s/%s", group, name);
}

static int sum(const char *root, const char *path, char out[BACKUP_SUM_HEX + 1])
{
    struct cli_progress none = {0};
    uint64_t bytes;
    int rc = backup_sum_file(root, path, out, &bytes, &none);
    if (rc == -ENOENT)
        out[0] = '\0';
    return rc == -ENOENT ? 0 : rc;
}

/* group.yaml and the sum of what cccc last wrote there, so that they fit: see (2). After too many tries they stay as they are; the start then takes
 * group.yaml for an operator's edit, which costs one event and loses nothing. */
static int copy_config(struct making *self, const char *group)
{
    const char *yaml = group_file(self, group, "group.yaml"), *sums = group_file(self, group, "state/group.sum");
    char before[BACKUP_SUM_HEX + 1], copied[BACKUP_SUM_HEX + 1];
    int rc = 0;
    for (int i = 0; i < CONFIG_TRIES && rc == 0; i++) {
        rc = sum(self->cli->home.root, sums, before);
        if (rc == 0)
            rc = copy(self, yaml, UINT64_MAX);
        if (rc == 0)
            rc = copy(self, sums, UINT64_MAX);
        if (rc == 0)
            rc = sum(self->partial, sums, copied);
        if (rc == 0 && strcmp(before, copied) == 0)
            break;
    }
    return rc;
}

static int copy_stage(struct making *self, const struct backup_files *files, enum backup_stage stage)
{
    int rc = 0;
    for (size_t i = 0; i < files->count && rc == 0; i++)
        if (files->items[i].stage == stage)
            rc = copy(self, files->items[i].path, UINT64_MAX);
    return rc;
}

static const char *ledger_path(struct making *self, const struct pin *pin)
{
    return cli_printf(self->cli, "%s/groups/%s/ledger.jsonl", self->cli->home.root, pin->group);
}

static void note_pin(struct pin *pin, bool there, const struct cccc_stat *st)
{
    pin->there = there;
    pin->inode = there ? st->inode : 0;
    pin->birth_ns = there ? st->birth_ns : 0;
    pin->bytes = there ? st->size : 0;
}

/* Of the manifest that is in the home, or in the copy of it. 0 or -errno. */
static int base_of(struct making *self, const char *root, const char *group, uint64_t *base)
{
    char ignored[256] = "";
    struct cccc_archive *archive;
    int rc = cccc_archive_load(&cccc_vfs_posix, cli_printf(self->cli, "%s/groups/%s/state/ledger", root, group), &archive, ignored,
                               sizeof ignored);
    if (rc < 0)
        return rc;
    *base = archive->base.seq;
    cccc_archive_release(&archive);
    return 0;
}

static int look_at(struct making *self, struct pin *pin)
{
    struct cccc_stat st;
    int rc = base_of(self, self->cli->home.root, pin->group, &pin->base);
    note_pin(pin, rc == 0 && cccc_vfs_posix.stat(NULL, ledger_path(self, pin), &st) == 0, &st);
    return rc;
}

/* True when what is open is what was looked at, and no shorter. -ENOENT is no ledger. */
static bool is_as_pinned(const struct pin *pin, int ledger)
{
    struct cccc_stat st;
    if (ledger < 0)
        return !pin->there;
    bool same = pin->there && cccc_vfs_posix.fstat(NULL, ledger, &st) == 0 && st.inode == pin->inode && st.birth_ns == pin->birth_ns;
    return same && st.size >= pin->bytes;
}

static int copy_ledger(struct making *self, const struct pin *pin, int ledger)
{
    struct backup_files files = {0};
    const char *dir = cli_printf(self->cli, "groups/%s", pin->group);
    self->at = group_file(self, pin->group, "ledger.jsonl");
    int rc = cli_signal() ? -EINTR : 0;
    if (rc == 0 && ledger >= 0)
        rc = backup_copy_open(ledger, self->partial, self->at, pin->bytes, &self->progress);
    if (rc == 0)
        rc = backup_list(self->cli, self->cli->home.root, dir, &files);
    return rc < 0 ? rc : copy_stage(self, &files, BACKUP_LAST);
}

/* The group moved to the trash while it was copied. */
static bool forget_if_gone(struct making *self, const char *group)
{
    if (access(cli_printf(self->cli, "%s/groups/%s", self->cli->home.root, group), F_OK) == 0)
        return false;
    cli_remove_tree(cli_printf(self->cli, "%s/groups/%s", self->partial, group));
    return true;
}

/* What comes before the ledger once more, and the ledger as it is then. */
static int begin_group_again(struct making *self, struct pin *pin, int *ledger)
{
    struct backup_files files = {0};
    struct cccc_stat st;
    const char *dir = cli_printf(self->cli, "groups/%s", pin->group);
    cli_remove_tree(cli_printf(self->cli, "%s/%s", self->partial, dir));
    int rc = backup_list(self->cli, self->cli->home.root, dir, &files);
    if (rc == 0)
        rc = copy_stage(self, &files, BACKUP_FIRST);
    if (rc == 0)
        rc = copy_config(self, pin->group);
    if (rc == 0)
        rc = base_of(self, self->cli->home.root, pin->group, &pin->base);
    if (*ledger >= 0)
        cccc_vfs_posix.close(NULL, *ledger);
    *ledger = cccc_vfs_posix.open(NULL, ledger_path(self, pin), CCCC_O_READ);
    note_pin(pin, *ledger >= 0 && cccc_vfs_posix.fstat(NULL, *ledger, &st) == 0, &st);
    return rc;
}

static int copy_group(struct making *self, struct pin *pin)
{
    int ledger = cccc_vfs_posix.open(NULL, ledger_path(self, pin), CCCC_O_READ), rc = 0;
    bool whole = false, again = false;
    for (int i = 0; i < GROUP_TRIES && rc == 0 && !whole; i++) {
        uint64_t base = 0;
        if (again || !is_as_pinned(pin, ledger))
            rc = begin_group_again(self, pin, &ledger);
        if (rc == 0 && ledger < 0 && ledger != -ENOENT)
            rc = ledger;
        if (rc == 0)
            rc = copy_ledger(self, pin, ledger);
        if (rc == 0)
            rc = base_of(self, self->partial, pin->group, &base);
        whole = is_as_pinned(pin, ledger) && base == pin->base;
        again = true;
    }
    if (ledger >= 0)
        cccc_vfs_posix.close(NULL, ledger);
    if (forget_if_gone(self, pin->group))
        return 0;
    if (rc == 0 && !whole)
        self->at = group_file(self, pin->group, "ledger.jsonl");
    return rc == 0 && !whole ? -EBUSY : rc;
}

static int copy_home(struct making *self)
{
    struct cli *cli = self->cli;
    int rc = copy_stage(self, &self->files, BACKUP_FIRST);
    cccc_value_t ids = backup_groups(cli, cli->home.root);
    struct pin *pins = cccc_arena_alloc(cli->arena, (ids.via.array.size + 1) * sizeof *pins);
    uint32_t count = ids.via.array.size;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        cccc_str_t id = {0};
        cccc_as_str(&ids.via.array.ptr[i], &id);
        pins[i] = (struct pin){.group = cccc_arena_str(cli->arena, id).ptr};
        rc = copy_config(self, pins[i].group);
    }
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = look_at(self, &pins[i]);
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = copy_group(self, &pins[i]);
    return rc;
}

static void note_special(struct making *self)
{
    self->skipped = cccc_array_builder(self->cli->arena, 4);
    for (size_t i = 0; i < self->files.count; i++) {
        const struct backup_file *file = &self->files.items[i];
        self->secrets += strncmp(file->path, "state/secrets/", 14) == 0 && file->stage != BACKUP_LEFT_OUT;
        if (file->odd)
            cccc_array_add(&self->skipped, cccc_text(file->path));
    }
}

/* ---- where ---- */

/* Inside the home only backups/ is not itself copied. */
static bool is_inside_home(const struct cli *cli, const char *dir)
{
    size_t len = strlen(cli->home.root);
    return strncmp(dir, cli->home.root, len) == 0 && (dir[len] == '/' || dir[len] == '\0') && strncmp(dir + len, "/backups/", 9) != 0;
}

static int begin_at(struct making *self, const char *to)
{
    self->to = to;
    self->partial = cli_printf(self->cli, "%s.partial", to);
    if (access(to, F_OK) == 0)
        return -EEXIST;
    int rc = cccc_vfs_posix.mkdir(NULL, self->partial);
    return rc;
}

static int choose_place(struct making *self)
{
    struct cli *cli = self->cli;
    const char *given = cli_arg(cli, 0), *dir;
    if (given) {
        int status = backup_dir(cli, given, &dir);
        if (status)
            return status;
        if (is_inside_home(cli, dir))
            return cli_fail(cli, CCCC_E_INVALID_PATH, cli_printf(cli, "leave DIR out for a folder in %s/backups", cli->home.root),
                            "%s is inside the home, and would be part of the next backup", dir);
        int rc = begin_at(self, dir);
        if (rc == -EEXIST)
            return cli_fail(cli, CCCC_E_EXISTS, "name a folder that does not exist yet", "%s, or %s.partial, is there already", dir, dir);
        return rc < 0 ? cli_fail(cli, CCCC_E_STORAGE, NULL, "cannot make %s: %s", self->partial, strerror(-rc)) : 0;
    }
    int rc = cccc_vfs_make_dirs(&cccc_vfs_posix, cli_printf(cli, "%s/backups", cli->home.root));
    rc = rc == 0 ? -EEXIST : rc;
    for (unsigned n = 1; n <= CCCC_BACKUP_NAMES_MAX && rc == -EEXIST; n++)
        rc = begin_at(self, cli_printf(cli, "%s/backups/%s", cli->home.root, backup_name(cli, n)));
    if (rc == 0)
        return 0;
    if (rc == -EEXIST)
        return cli_fail(cli, CCCC_E_EXISTS, "try again in a second", "%d backups were made in this second (BACKUP_NAMES_MAX)",
                        CCCC_BACKUP_NAMES_MAX);
    return cli_fail(cli, CCCC_E_STORAGE, "name another folder", "cannot make a folder in %s/backups: %s", cli->home.root, strerror(-rc));
}

/* ---- create ---- */

static uint64_t sum_of_key(const cccc_value_t *list, const char *key)
{
    uint64_t all = 0;
    for (uint32_t i = 0; cccc_is_array(list) && i < list->via.array.size; i++)
        all += cccc_get_uint(&list->via.array.ptr[i], key, 0);
    return all;
}

static int report_created(struct making *self, const cccc_value_t *manifest)
{
    struct cli *cli = self->cli;
    const cccc_value_t *files = cccc_get(manifest, "files"), *groups = cccc_get(manifest, "groups");
    uint64_t bytes = sum_of_key(files, "bytes"), damaged = 0;
    char size[32];
    for (uint32_t i = 0; i < groups->via.array.size; i++)
        damaged += cccc_get_bool(&groups->via.array.ptr[i], "damaged", false);
    cli_size(size, sizeof size, bytes);
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 7);
        cccc_map_add(&result, "path", cccc_text(self->to));
        cccc_map_add(&result, "files", cccc_uint(files->via.array.size));
        cccc_map_add(&result, "bytes", cccc_uint(bytes));
        cccc_map_add(&result, "secrets", cccc_uint(self->secrets));
        cccc_map_add(&result, "skipped", self->skipped.value);
        cccc_map_add(&result, "damaged", cccc_bool(damaged > 0));
        cccc_map_add(&result, "groups", *groups);
        cli_result(cli, &result.value);
    } else {
        cli_fact(cli, "backup", "%s", self->to);
        cli_fact(cli, "groups", "%" PRIu32 ", %" PRIu64 " events", groups->via.array.size, sum_of_key(groups, "events"));
        cli_fact(cli, "files", "%" PRIu32 ", %s", files->via.array.size, size);
        if (self->secrets > 0)
            cli_fact(cli, "secrets", "%" PRIu64 " files of private environment variables are in it; only you can read them (mode 0600)",
                     self->secrets);
        for (uint32_t i = 0; i < self->skipped.value.via.array.size; i++)
            cli_fact(cli, "left out", "%s (a link or no plain file)", self->skipped.value.via.array.ptr[i].via.str.ptr);
    }
    for (uint32_t i = 0; damaged > 0 && i < groups->via.array.size; i++)
        if (cccc_get_bool(&groups->via.array.ptr[i], "damaged", false))
            cli_say(cli, "damaged: %.*s was damaged in the home, and is so in the backup; `cccc doctor` says how",
                    CCCC_STR_FMT(cccc_get_str(&groups->via.array.ptr[i], "group_id")));
    return damaged > 0 ? cccc_err_exit_status(CCCC_E_DAMAGED) : 0;
}

static int give_up(struct making *self, int rc)
{
    struct cli *cli = self->cli;
    if (cli_signal())
        return 128 + cli_signal();
    if (rc == -EFBIG)
        return cli_fail(cli, CCCC_E_TOO_LARGE, "`cp -a` of the home is a backup too", "the home has more than %d files (BACKUP_FILES_MAX)",
                        CCCC_BACKUP_FILES_MAX);
    if (rc == -EBUSY)
        return cli_fail(cli, CCCC_E_BUSY, "try again in a moment",
                        "%s was cut, or older events retired, again and again while it was copied", self->at);
    return cli_fail(cli, rc == -ENOSPC || rc == -EDQUOT ? CCCC_E_NO_SPACE : CCCC_E_STORAGE,
                    "nothing was left behind; try again, or elsewhere", "cannot back up %s: %s", self->at, strerror(-rc));
}

static int finish(struct making *self, cccc_value_t *manifest)
{
    struct cli *cli = self->cli;
    struct cccc_errmsg m = {""};
    cccc_err_t err = backup_manifest_write(cli, self->partial, manifest, &m);
    if (err)
        return cli_fail(cli, err, "nothing was left behind; try again, or elsewhere", "cannot finish the backup: %s", m.text);
    int rc = cccc_vfs_posix.rename(NULL, self->partial, self->to);
    if (rc == 0)
        rc = cccc_vfs_sync_parent(&cccc_vfs_posix, self->to);
    return rc < 0 ? cli_fail(cli, CCCC_E_STORAGE, NULL, "cannot name the backup %s: %s", self->to, strerror(-rc)) : 0;
}

int cmd_backup_create(struct cli *cli)
{
    struct making making = {.cli = cli, .at = "the home"};
    cccc_value_t manifest;
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    if (access(cli->home.root, F_OK) != 0)
        return cli_fail(cli, CCCC_E_NOT_FOUND, "set CCCC_HOME, or give --home DIR", "there is no home at %s", cli->home.root);
    status = choose_place(&making);
    if (status)
        return status;
    cli_defer_signals();
    int rc = backup_list(cli, cli->home.root, "", &making.files);
    if (rc == 0) {
        note_special(&making);
        cli_progress_start(cli, &making.progress, "copying", making.files.bytes);
        rc = copy_home(&making);
        cli_progress_end(&making.progress);
    }
    status = rc < 0 ? give_up(&making, rc) : finish(&making, &manifest);
    if (status) {
        cli_remove_tree(making.partial);
        return status;
    }
    return report_created(&making, &manifest);
}

/* ---- verify ---- */

int cmd_backup_verify(struct cli *cli)
{
    struct backup_findings findings;
    const char *dir;
    char size[32];
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    status = backup_dir(cli, cli_arg(cli, 0), &dir);
    if (status == 0)
        status = backup_check(cli, dir, &findings);
    bool drilled = status == 0 && cli_flag(cli, "drill") && findings.damage.value.via.array.size == 0;
    if (drilled)
        status = backup_drill(cli, dir, &findings);
    if (status)
        return status;
    bool damaged = findings.damage.value.via.array.size > 0;
    const char *state = damaged ? "damaged" : findings.partial ? "partial" : "sound";
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 7);
        cccc_map_add(&result, "path", cccc_text(dir));
        cccc_map_add(&result, "state", cccc_text(state));
        cccc_map_add(&result, "files", cccc_uint(findings.files));
        cccc_map_add(&result, "bytes", cccc_uint(findings.bytes));
        cccc_map_add(&result, "drilled", cccc_bool(drilled));
        cccc_map_add(&result, "damage", findings.damage.value);
        cccc_map_add(&result, "notes", findings.notes.value);
        cli_result(cli, &result.value);
    } else {
        cli_size(size, sizeof size, findings.bytes);
        backup_print_findings(cli, &findings);
        if (!damaged)
            cli_fact(cli, state, "%s: %" PRIu64 " files, %s%s%s", dir, findings.files, size,
                     drilled ? "; a daemon served a copy of it as the manifest says" : "",
                     findings.partial ? ", as far as that could be compared" : "");
    }
    return damaged ? cccc_err_exit_status(CCCC_E_DAMAGED) : 0;
}

/* ---- list ---- */

struct listing {
    struct cli *cli;
    const char *dir;
    cccc_builder_t names;
};

static void note_name(void *arg, const char *name)
{
    struct listing *self = arg;
    struct stat st;
    if (lstat(cli_printf(self->cli, "%s/%s", self->dir, name), &st) == 0 && S_ISDIR(st.st_mode))
        cccc_array_add(&self->names, cccc_string(cccc_arena_str(self->cli->arena, cccc_str(name))));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const cccc_value_t *)a)->via.str.ptr, ((const cccc_value_t *)b)->via.str.ptr);
}

/* A folder that is no backup, finished or not, is no row. */
static void list_row(struct listing *self, const char *name, cli_table_t *table, cccc_builder_t *rows)
{
    struct cli *cli = self->cli;
    struct cccc_errmsg m;
    cccc_value_t manifest;
    char size[32];
    size_t len = strlen(name);
    bool partial = len > 8 && strcmp(name + len - 8, ".partial") == 0;
    cccc_err_t err = backup_manifest_read(cli, cli_printf(cli, "%s/%s", self->dir, name), &manifest, &m);
    if (err == CCCC_E_NOT_FOUND && !partial)
        return;
    const cccc_value_t *groups = cccc_get(&manifest, "groups"), *files = cccc_get(&manifest, "files");
    const char *state = partial ? "unfinished" : err ? "damaged" : "whole";
    uint64_t bytes = sum_of_key(files, "bytes"), events = sum_of_key(groups, "events");
    cli_size(size, sizeof size, bytes);
    cli_cell(table, cccc_str(name), STYLE_BOLD);
    cli_cell(table, cccc_str(state), err ? STYLE_RED : STYLE_GREEN);
    cli_cell_time(table, cccc_get_str(&manifest, "created"));
    cli_cell_fmt(table, STYLE_NONE, "%" PRIu32, cccc_is_array(groups) ? groups->via.array.size : 0);
    cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, events);
    if (cli->tty)
        cli_cell(table, cccc_str(size), STYLE_NONE);
    else
        cli_cell_fmt(table, STYLE_NONE, "%" PRIu64, bytes);
    cccc_builder_t row = cccc_map_builder(cli->arena, 7);
    cccc_map_add(&row, "path", cccc_text(cli_printf(cli, "%s/%s", self->dir, name)));
    cccc_map_add(&row, "state", cccc_text(state));
    cccc_map_add(&row, "created", cccc_string(cccc_get_str(&manifest, "created")));
    cccc_map_add(&row, "cccc", cccc_string(cccc_get_str(&manifest, "cccc")));
    cccc_map_add(&row, "groups", cccc_uint(cccc_is_array(groups) ? groups->via.array.size : 0));
    cccc_map_add(&row, "events", cccc_uint(events));
    cccc_map_add(&row, "bytes", cccc_uint(bytes));
    cccc_array_add(rows, row.value);
}

int cmd_backup_list(struct cli *cli)
{
    static const char *const headings[] = {"BACKUP", "STATE", "CREATED", "GROUPS", "EVENTS", "BYTES"};
    struct listing self = {.cli = cli, .names = cccc_array_builder(cli->arena, 16)};
    int status = 0;
    if (!cli_home(cli, &status))
        return status;
    self.dir = cli_printf(cli, "%s/backups", cli->home.root);
    if (cli_arg(cli, 0) && (status = backup_dir(cli, cli_arg(cli, 0), &self.dir)) != 0)
        return status;
    int rc = cccc_vfs_posix.list(NULL, self.dir, note_name, &self);
    if (rc < 0 && (rc != -ENOENT || cli_arg(cli, 0)))
        return cli_fail(cli, rc == -ENOENT ? CCCC_E_NOT_FOUND : CCCC_E_STORAGE, NULL, "cannot list %s: %s", self.dir, strerror(-rc));
    const msgpack_object_array *names = &self.names.value.via.array;
    cli_table_t *table = cli_table_new(cli, headings, 6);
    cccc_builder_t rows = cccc_array_builder(cli->arena, names->size);
    if (names->size > 0)
        qsort(names->ptr, names->size, sizeof *names->ptr, by_name);
    for (uint32_t i = 0; i < names->size; i++)
        list_row(&self, names->ptr[i].via.str.ptr, table, &rows);
    if (cli->json) {
        cccc_builder_t result = cccc_map_builder(cli->arena, 1);
        cccc_map_add(&result, "backups", rows.value);
        cli_result(cli, &result.value);
        cli_table_free(&table);
        return 0;
    }
    cli_table_print(&table);
    if (rows.value.via.array.size == 0)
        cli_say(cli, "no backups in %s; `cccc backup create` makes one", self.dir);
    return 0;
}
