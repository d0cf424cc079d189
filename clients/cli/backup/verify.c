/* verify.c - is a backup what its manifest says, and does a daemon serve it?
 *
 * Checking reads only. The drill works on a copy in a scratch home with a daemon of its own, and leaves nothing behind.
 * Thread: the program's one. */
#include "broker/ledger/ledger.h"
#include "clients/cli/backup/backup.h"
#include "proto/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int backup_dir(struct cli *cli, const char *dir, const char **out)
{
    char real[PATH_MAX];
    char *given = cli_printf(cli, "%s", dir);
    size_t len = strlen(given);
    while (len > 1 && given[len - 1] == '/')
        given[--len] = '\0';
    if (realpath(given, real)) {
        *out = cli_printf(cli, "%s", real);
        return 0;
    }
    char *slash = strrchr(given, '/');
    const char *name = slash ? slash + 1 : given;
    const char *parent = !slash ? "." : slash == given ? "/" : cli_printf(cli, "%.*s", (int)(slash - given), given);
    if (errno == ENOENT && *name && strcmp(name, "..") != 0 && realpath(parent, real)) {
        *out = cli_printf(cli, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
        return 0;
    }
    return cli_fail(cli, CCCC_E_INVALID_PATH, "name a folder inside one that exists", "%s: %s", dir, strerror(errno));
}

/* ---- findings ---- */

static void found(struct cli *cli, cccc_builder_t *list, const char *path, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void found(struct cli *cli, cccc_builder_t *list, const char *path, const char *fmt, ...)
{
    char what[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    cccc_builder_t map = cccc_map_builder(cli->arena, 2);
    cccc_map_add(&map, "path", cccc_string(cccc_arena_str(cli->arena, cccc_str(path))));
    cccc_map_add(&map, "what", cccc_string(cccc_arena_str(cli->arena, cccc_str(what))));
    cccc_array_add(list, map.value);
}

/* Something that the drill was to compare and could not: what it found is not all of it. */
static void not_compared(struct cli *cli, struct backup_findings *findings, const char *group, const char *why)
{
    found(cli, &findings->notes, group, "drill: %s", why);
    findings->partial = true;
}

static void print_list(struct cli *cli, const char *word, const cccc_value_t *list)
{
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const cccc_value_t *item = &list->via.array.ptr[i];
        cli_fact(cli, word, "%.*s: %.*s", CCCC_STR_FMT(cccc_get_str(item, "path")), CCCC_STR_FMT(cccc_get_str(item, "what")));
    }
}

void backup_print_findings(struct cli *cli, const struct backup_findings *findings)
{
    if (cli->json)
        return;
    print_list(cli, "damaged", &findings->damage.value);
    print_list(cli, "note", &findings->notes.value);
}

/* ---- files ---- */

static int compare_path(const void *key, const void *item)
{
    return strcmp(key, ((const struct backup_file *)item)->path);
}

static void check_file(struct cli *cli, const char *dir, const cccc_value_t *entry, struct cli_progress *progress,
                       struct backup_findings *out)
{
    const char *path = cccc_arena_str(cli->arena, cccc_get_str(entry, "path")).ptr;
    uint64_t bytes = 0, wanted = cccc_get_uint(entry, "bytes", 0);
    char sum[BACKUP_SUM_HEX + 1];
    int rc = backup_sum_file(dir, path, sum, &bytes, progress);
    if (rc == -ENOENT)
        found(cli, &out->damage, path, "missing");
    else if (rc < 0)
        found(cli, &out->damage, path, "cannot be read: %s", strerror(-rc));
    else if (bytes != wanted)
        found(cli, &out->damage, path, "has %" PRIu64 " bytes instead of %" PRIu64, bytes, wanted);
    else if (!cccc_str_is(cccc_get_str(entry, "blake2b"), sum))
        found(cli, &out->damage, path, "its bytes are not those that were backed up");
    out->files++;
    out->bytes += bytes;
}

static void note_extras(struct cli *cli, const struct backup_files *files, const cccc_value_t *entries, struct backup_findings *out)
{
    bool *named = cccc_arena_alloc(cli->arena, files->count + 1);
    memset(named, 0, files->count + 1);
    for (uint32_t i = 0; i < entries->via.array.size; i++) {
        const char *path = cccc_arena_str(cli->arena, cccc_get_str(&entries->via.array.ptr[i], "path")).ptr;
        const struct backup_file *file = files->count ? bsearch(path, files->items, files->count, sizeof *file, compare_path) : NULL;
        if (file)
            named[file - files->items] = true;
    }
    for (size_t i = 0; i < files->count; i++)
        if (!named[i] && (files->items[i].odd || files->items[i].stage != BACKUP_LEFT_OUT))
            found(cli, &out->notes, files->items[i].path, "extra: the manifest does not name it, and a restore leaves it out");
}

static void check_files(struct cli *cli, const char *dir, struct backup_findings *out)
{
    const cccc_value_t *entries = cccc_get(&out->manifest, "files");
    struct backup_files files;
    struct cli_progress progress;
    int rc = backup_list(cli, dir, "", &files);
    if (rc < 0) {
        found(cli, &out->damage, dir, "cannot be listed: %s", strerror(-rc));
        return;
    }
    cli_progress_start(cli, &progress, "verifying", files.bytes);
    for (uint32_t i = 0; i < entries->via.array.size; i++)
        check_file(cli, dir, &entries->via.array.ptr[i], &progress, out);
    cli_progress_end(&progress);
    note_extras(cli, &files, entries, out);
}

/* ---- ledgers ---- */

struct ledger_check {
    struct cli *cli;
    struct backup_findings *out;
    const char *dir;
    bool plain; /* a tail that was being written is no damage of a plain copy */
};

static void ledger_finding(void *arg, const struct cccc_verify_finding *finding)
{
    struct ledger_check *self = arg;
    bool harmless = finding->kind == CCCC_VERIFY_GIVEN_UP || finding->kind == CCCC_VERIFY_MARK || finding->kind == CCCC_VERIFY_MANIFEST ||
                    (finding->kind == CCCC_VERIFY_TORN && self->plain);
    const char *path = finding->file + strlen(self->dir);
    path += strspn(path, "/");
    cccc_builder_t *list = harmless ? &self->out->notes : &self->out->damage;
    if (finding->line == 0)
        found(self->cli, list, path, "%s", finding->what);
    else
        found(self->cli, list, path, "line %" PRIu64 " offset %" PRIu64 ": %s", finding->line, finding->gap.offset, finding->what);
}

static const cccc_value_t *group_entry(const cccc_value_t *manifest, const char *group)
{
    const cccc_value_t *groups = cccc_get(manifest, "groups");
    for (uint32_t i = 0; cccc_is_array(groups) && i < groups->via.array.size; i++)
        if (cccc_str_is(cccc_get_str(&groups->via.array.ptr[i], "group_id"), group))
            return &groups->via.array.ptr[i];
    return NULL;
}

static void check_ledger(struct cli *cli, const char *dir, const char *group, struct backup_findings *out)
{
    struct cccc_verify_report report;
    struct cccc_errmsg m;
    const char *path = cli_printf(cli, "groups/%s/ledger.jsonl", group);
    struct ledger_check check = {.cli = cli, .out = out, .dir = dir, .plain = cccc_is_nil(&out->manifest)};
    const cccc_value_t *entry = group_entry(&out->manifest, group);
    cccc_err_t err =
        cccc_ledger_verify(&cccc_vfs_posix, cli_printf(cli, "%s/groups/%s", dir, group), ledger_finding, NULL, &check, &report, &m);
    if (err == CCCC_E_NOT_FOUND && cccc_get_uint(entry, "head_seq", 0) == 0)
        return;
    if (err)
        found(cli, &out->damage, path, "%s", m.text);
    else if (entry &&
             (cccc_get_uint(entry, "head_seq", 0) != report.head_seq || !cccc_str_is(cccc_get_str(entry, "head_id"), report.head_id)))
        found(cli, &out->damage, path, "ends with event %" PRIu64 " (%s) instead of %" PRIu64, report.head_seq, report.head_id,
              cccc_get_uint(entry, "head_seq", 0));
    if (check.plain)
        out->bytes += report.bytes;
}

int backup_check(struct cli *cli, const char *dir, struct backup_findings *out)
{
    struct cccc_errmsg m;
    *out = (struct backup_findings){.damage = cccc_array_builder(cli->arena, 4), .notes = cccc_array_builder(cli->arena, 4)};
    cccc_err_t err = backup_manifest_read(cli, dir, &out->manifest, &m);
    if (err == CCCC_E_NOT_FOUND && access(cli_printf(cli, "%s/groups", dir), F_OK) != 0)
        return cli_fail(cli, err, "`cccc backup list` lists the backups",
                        "%s is no backup: neither " BACKUP_MANIFEST " nor groups/ is in it", dir);
    if (err == CCCC_E_NOT_FOUND)
        found(cli, &out->notes, BACKUP_MANIFEST, "missing: this is a plain copy of a home; its ledgers are checked, other files cannot be");
    else if (err)
        found(cli, &out->damage, BACKUP_MANIFEST, "%s", m.text);
    else
        check_files(cli, dir, out);
    cccc_value_t ids = backup_groups(cli, dir);
    for (uint32_t i = 0; i < ids.via.array.size; i++) {
        cccc_str_t id = {0};
        cccc_as_str(&ids.via.array.ptr[i], &id);
        check_ledger(cli, dir, cccc_arena_str(cli->arena, id).ptr, out);
    }
    return 0;
}

/* ---- the drill ---- */

enum { STOP_MS_MAX = 30000 };

struct drill {
    struct cli *cli;
    struct backup_findings *out;
    const char *group;
    uint64_t head_seq; /* that the daemon serves */
    bool owed_unsaid;  /* by the manifest */
};

static cccc_args_t *group_args(const struct drill *self)
{
    cccc_args_t *args = cli_group_args(self->group);
    return args;
}

static bool drill_ask(struct drill *self, const char *op, cccc_args_t **args, const cccc_value_t **result)
{
    struct cccc_error error;
    if (cli_try(self->cli, op, args, result, &error))
        return true;
    if (cli_signal() == 0 && strcmp(error.code, cccc_err_code(CCCC_E_UNKNOWN_ACTOR)) != 0)
        found(self->cli, &self->out->damage, self->group, "drill: %s: %s", op, error.message);
    return false;
}

/* The last event of the backup is the one the daemon serves under that seq. */
static void drill_head(struct drill *self, const cccc_value_t *entry)
{
    const cccc_value_t *result;
    uint64_t seq = cccc_get_uint(entry, "head_seq", 0);
    cccc_str_t id = cccc_get_str(entry, "head_id");
    cccc_args_t *args = group_args(self);
    cccc_args_uint(args, "after_seq", seq > 0 ? seq - 1 : 0);
    cccc_args_uint(args, "limit", 1);
    if (!drill_ask(self, "ledger_read", &args, &result))
        return;
    const cccc_value_t *events = cccc_get(result, "events");
    self->head_seq = cccc_get_uint(result, "head_seq", 0);
    bool same =
        seq == 0 || (cccc_is_array(events) && events->via.array.size == 1 && cccc_str_eq(cccc_get_str(events->via.array.ptr, "id"), id));
    if (!same || self->head_seq < seq)
        found(self->cli, &self->out->damage, self->group, "drill: the daemon does not serve event %" PRIu64 " (%.*s)", seq,
              CCCC_STR_FMT(id));
}

static void drill_lane(struct drill *self, const cccc_value_t *reader, const char *lane, const char *cursor_key, const char *unread_key)
{
    const cccc_value_t *result;
    cccc_str_t id = cccc_get_str(reader, "id");
    cccc_args_t *args = group_args(self);
    cccc_args_strn(args, "actor_id", id.ptr, id.len);
    cccc_args_str(args, "kind_filter", lane);
    cccc_args_uint(args, "limit", 1);
    if (!drill_ask(self, "inbox_list", &args, &result))
        return;
    uint64_t cursor = cccc_get_uint(cccc_get(result, "cursor"), "seq", 0), unread = cccc_get_uint(result, "unread_total", 0);
    if (cursor != cccc_get_uint(reader, cursor_key, 0) || unread != cccc_get_uint(reader, unread_key, 0))
        found(self->cli, &self->out->damage, self->group,
              "drill: %.*s (%s) has read up to %" PRIu64 " and %" PRIu64 " are unread; the manifest says %" PRIu64 " and %" PRIu64,
              CCCC_STR_FMT(id), lane, cursor, unread, cccc_get_uint(reader, cursor_key, 0), cccc_get_uint(reader, unread_key, 0));
}

/* What `id` owes as the daemon lists it. False: it does not say. */
static bool drill_ask_owed(struct drill *self, cccc_str_t id, struct backup_owed *out)
{
    const cccc_value_t *result, *list;
    uint64_t after = 0;
    backup_owed_start(out);
    do {
        cccc_args_t *args = group_args(self);
        cccc_args_strn(args, "actor_id", id.ptr, id.len);
        cccc_args_uint(args, "after_seq", after);
        cccc_args_uint(args, "limit", CCCC_OBLIGATIONS_LIST_MAX);
        if (!drill_ask(self, "obligations_list", &args, &result))
            return false;
        list = cccc_get(result, "obligations");
        for (uint32_t i = 0; i < cli_count(list); i++) {
            backup_owed_add(out, cli_item(list, i));
            after = cccc_get_uint(cli_item(list, i), "seq", 0);
        }
    } while (cli_count(list) > 0 && cccc_get_bool(result, "more", false));
    return true;
}

static void drill_owed(struct drill *self, const cccc_value_t *reader)
{
    struct backup_owed owed;
    char sum[BACKUP_SUM_HEX + 1];
    cccc_str_t id = cccc_get_str(reader, "id");
    uint64_t items = cccc_get_uint(reader, "owes", 0);
    if (!drill_ask_owed(self, id, &owed))
        return;
    backup_owed_end(&owed, sum);
    if (owed.items != items)
        found(self->cli, &self->out->damage, self->group,
              "drill: %.*s owes %" PRIu64 " replies and acknowledgements; the manifest says %" PRIu64, CCCC_STR_FMT(id), owed.items, items);
    else if (!cccc_str_is(cccc_get_str(reader, "owes_sum"), sum))
        found(self->cli, &self->out->damage, self->group,
              "drill: the %" PRIu64 " replies and acknowledgements %.*s owes are not those of the manifest", items, CCCC_STR_FMT(id));
}

/* Cursors, unread messages and obligations; older manifests say nothing of the last. */
static void drill_reader(struct drill *self, const cccc_value_t *reader)
{
    drill_lane(self, reader, "chat", "chat_seq", "chat_unread");
    drill_lane(self, reader, "notify", "notify_seq", "notify_unread");
    if (cccc_get(reader, "owes"))
        drill_owed(self, reader);
    else
        self->owed_unsaid = true;
}

static void drill_group(struct drill *self, const cccc_value_t *entry)
{
    const cccc_value_t *readers = cccc_get(entry, "readers");
    self->group = cccc_arena_str(self->cli->arena, cccc_get_str(entry, "group_id")).ptr;
    if (cccc_get_bool(entry, "damaged", false)) {
        not_compared(self->cli, self->out, self->group, "was damaged when it was backed up; not compared");
        return;
    }
    drill_head(self, entry);
    if (self->head_seq > cccc_get_uint(entry, "head_seq", 0)) {
        found(self->cli, &self->out->damage, self->group, "drill: the daemon has %" PRIu64 " events more than were backed up",
              self->head_seq - cccc_get_uint(entry, "head_seq", 0));
        return;
    }
    self->owed_unsaid = false;
    for (uint32_t i = 0; i < cli_count(readers); i++)
        drill_reader(self, cli_item(readers, i));
    if (self->owed_unsaid)
        not_compared(self->cli, self->out, self->group,
                     "the manifest, made by an older cccc, does not say who owes what; obligations are not compared");
}

static int copy_all(struct cli *cli, const char *dir, const char *to, const cccc_value_t *manifest)
{
    const cccc_value_t *files = cccc_get(manifest, "files");
    struct cli_progress progress;
    uint64_t all = 0;
    for (uint32_t i = 0; i < files->via.array.size; i++)
        all += cccc_get_uint(&files->via.array.ptr[i], "bytes", 0);
    cli_progress_start(cli, &progress, "copying", all);
    int rc = 0;
    for (uint32_t i = 0; i < files->via.array.size && rc == 0; i++)
        rc = cli_signal() ? -EINTR
                          : backup_copy_file(dir, to, cccc_arena_str(cli->arena, cccc_get_str(&files->via.array.ptr[i], "path")).ptr,
                                             UINT64_MAX, &progress);
    cli_progress_end(&progress);
    return rc;
}

/* False: it lives on. */
static bool drill_stop(struct cli *cli)
{
    const cccc_value_t *result;
    struct cccc_error error;
    int32_t pid = cli_locking_daemon(cli);
    if (pid > 0 && (!cli->client || !cli_try(cli, "shutdown", NULL, &result, &error)))
        kill(pid, SIGTERM);
    cccc_close(&cli->client);
    bool gone = cli_wait_gone(pid, STOP_MS_MAX);
    if (!gone)
        cli_say(cli, "the drill's daemon (pid %d) does not end; its home is %s", pid, cli->home.root);
    return gone;
}

static int drill_in(struct cli *cli, struct backup_findings *findings)
{
    const cccc_value_t *groups = cccc_get(&findings->manifest, "groups");
    struct drill drill = {.cli = cli, .out = findings};
    struct cccc_error error;
    bool started;
    int status = cli_daemon_start_serve_only(cli, &started);
    if (status)
        return status;
    if (!cli_try_connect(cli, &error))
        return cli_fail_with(cli, &error);
    for (uint32_t i = 0; i < groups->via.array.size && !cli_signal(); i++)
        drill_group(&drill, &groups->via.array.ptr[i]);
    return 0;
}

int backup_drill(struct cli *cli, const char *dir, struct backup_findings *findings)
{
    struct cccc_home home = cli->home;
    if (cccc_is_nil(&findings->manifest))
        return cli_fail(cli, CCCC_E_NOT_FOUND, "make one with `cccc backup create`",
                        "a drill needs a manifest to compare with, and %s has none", dir);
    const char *scratch = cli_scratch(cli, "cccc-drill");
    if (!scratch)
        return cli_fail(cli, CCCC_E_STORAGE, "set TMPDIR to a folder that can be written", "cannot make a scratch home in %s: %s",
                        cli_scratch_base(), strerror(errno));
    cli_defer_signals();
    int rc = copy_all(cli, dir, scratch, &findings->manifest), status = 0;
    if (rc < 0 && !cli_signal())
        status = cli_fail(cli, rc == -ENOSPC ? CCCC_E_NO_SPACE : CCCC_E_STORAGE, "set TMPDIR to a folder with room for it",
                          "cannot copy %s to %s: %s", dir, scratch, strerror(-rc));
    snprintf(cli->home.root, sizeof cli->home.root, "%s", scratch);
    if (rc == 0)
        status = drill_in(cli, findings);
    if (drill_stop(cli))
        cli_remove_tree(scratch);
    cli->home = home;
    return cli_signal() ? 128 + cli_signal() : status;
}
