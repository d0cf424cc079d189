/* state.c - what a start would find in a group's files: its last event, who has read how far, what is unread, who owes what.
 *
 * The broker's own fold is used, so that a manifest says what the daemon would say. Opening a ledger recovers it (a torn tail is moved aside),
 * which is right for a copy and never done to a home. Thread: the program's one. */
#include "broker/core/core.h"
#include "broker/ledger/snapshot.h"
#include "broker/store/store.h"
#include "clients/cli/backup/backup.h"
#include "proto/json.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct state_fold {
    cccc_core_t *core;
    cccc_slot_t slot;
};

static void fold_event(void *arg, const struct cccc_event *event)
{
    struct state_fold *fold = arg;
    cccc_core_fold(fold->core, fold->slot, event);
}

static bool fold_base(void *arg, const struct cccc_snapshot *of, cccc_str_t state)
{
    struct state_fold *fold = arg;
    bool edit_lost;
    return cccc_core_fold_base(fold->core, fold->slot, of->seq, state.ptr, state.len, &edit_lost);
}

/* ---- who owes what ---- */

void backup_owed_start(struct backup_owed *self)
{
    self->items = 0;
    crypto_generichash_init(&self->state, NULL, 0, BACKUP_SUM_HEX / 2);
}

/* What time changes (reminders, being overdue) is no part of it. */
void backup_owed_add(struct backup_owed *self, const cccc_value_t *row)
{
    static const char *const names[] = {"event_id", "owes", "due"};
    const cccc_value_t nothing = cccc_nil();
    cccc_buf_t text;
    cccc_buf_init(&text);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cccc_value_t *value = cccc_get(row, names[i]);
        cccc_json_write(value ? value : &nothing, &text);
        cccc_buf_put(&text, "\n", 1);
    }
    crypto_generichash_update(&self->state, (const unsigned char *)text.data, text.size);
    cccc_buf_fini(&text);
    self->items++;
}

void backup_owed_end(struct backup_owed *self, char sum[BACKUP_SUM_HEX + 1])
{
    unsigned char hash[BACKUP_SUM_HEX / 2];
    crypto_generichash_final(&self->state, hash, sizeof hash);
    sodium_bin2hex(sum, BACKUP_SUM_HEX + 1, hash, sizeof hash);
}

static void add_owed(struct cli *cli, cccc_builder_t *reader, cccc_str_t id, const cccc_value_t *obligations)
{
    struct backup_owed owed;
    char *sum = cccc_arena_alloc(cli->arena, BACKUP_SUM_HEX + 1);
    backup_owed_start(&owed);
    for (uint32_t i = 0; i < cli_count(obligations); i++)
        if (cccc_str_eq(cccc_get_str(cli_item(obligations, i), "actor_id"), id))
            backup_owed_add(&owed, cli_item(obligations, i));
    backup_owed_end(&owed, sum);
    cccc_map_add(reader, "owes", cccc_uint(owed.items));
    cccc_map_add(reader, "owes_sum", cccc_text(sum));
}

/* ---- describing a group ---- */

/* {id, chat_seq, chat_unread, notify_seq, notify_unread, owes, owes_sum} of each reader of a dumped group. */
static cccc_value_t readers_of(struct cli *cli, const cccc_value_t *dump)
{
    static const char *const names[][3] = {{"chat", "chat_seq", "chat_unread"}, {"notify", "notify_seq", "notify_unread"}};
    const cccc_value_t *readers = cccc_get(dump, "readers");
    uint32_t count = cccc_is_map(readers) ? readers->via.map.size : 0;
    cccc_builder_t list = cccc_array_builder(cli->arena, count);
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object_kv *entry = &readers->via.map.ptr[i];
        cccc_str_t id = {0};
        cccc_as_str(&entry->key, &id);
        cccc_builder_t map = cccc_map_builder(cli->arena, 7);
        cccc_map_add(&map, "id", entry->key);
        for (size_t lane = 0; lane < 2; lane++) {
            const cccc_value_t *state = cccc_get(&entry->val, names[lane][0]);
            const cccc_value_t *unread = cccc_get(state, "unread");
            cccc_map_add(&map, names[lane][1], cccc_uint(cccc_get_uint(state, "seq", 0)));
            cccc_map_add(&map, names[lane][2], cccc_uint(cccc_is_array(unread) ? unread->via.array.size : 0));
        }
        add_owed(cli, &map, id, cccc_get(dump, "obligations"));
        cccc_array_add(&list, map.value);
    }
    return list.value;
}

static cccc_value_t describe(struct cli *cli, const char *group, const struct cccc_group_files *files, const struct cccc_recovery *report,
                             const struct cccc_verify_report *lines, const cccc_value_t *dump)
{
    cccc_builder_t map = cccc_map_builder(cli->arena, 11);
    cccc_map_add(&map, "group_id", cccc_text(group));
    cccc_map_add(&map, "title", cccc_string(cccc_get_str(&files->document, "title")));
    cccc_map_add(&map, "events", cccc_uint(report->events));
    cccc_map_add(&map, "legacy", cccc_uint(report->legacy));
    cccc_map_add(&map, "head_seq", cccc_uint(report->head_seq));
    cccc_map_add(&map, "head_id", cccc_string(cccc_get_str(dump, "head_id")));
    cccc_map_add(&map, "head_crc", cccc_text(cli_printf(cli, "%08" PRIx32, lines->head_crc)));
    bool damaged = report->gap_count > 0 || report->read_only || cccc_is_nil(&files->document);
    cccc_map_add(&map, "damaged", cccc_bool(damaged));
    cccc_map_add(&map, "note", cccc_string(cccc_arena_str(cli->arena, cccc_str(files->note[0] ? files->note : report->note))));
    cccc_map_add(&map, "readers", readers_of(cli, dump));
    return map.value;
}

/* The copy's last line may be half of one that was being written: it was acknowledged to nobody, and the copy ends before it. */
static cccc_err_t cut_tail(struct cli *cli, const char *group_dir, struct cccc_verify_report *lines, struct cccc_errmsg *m)
{
    const struct cccc_vfs *vfs = &cccc_vfs_posix;
    cccc_err_t err = cccc_ledger_verify(vfs, group_dir, NULL, NULL, NULL, lines, m);
    if (err == CCCC_E_NOT_FOUND)
        return CCCC_OK; /* a group whose ledger is still to come */
    if (err || lines->torn_bytes == 0)
        return err;
    struct cccc_stat st;
    int fd = vfs->open(NULL, cli_printf(cli, "%s/ledger.jsonl", group_dir), CCCC_O_WRITE);
    int rc = fd < 0 ? fd : vfs->fstat(NULL, fd, &st);
    if (rc == 0)
        rc = vfs->truncate(NULL, fd, st.size - lines->torn_bytes);
    if (rc == 0)
        rc = vfs->sync(NULL, fd);
    if (fd >= 0)
        vfs->close(NULL, fd);
    return rc < 0 ? cccc_fail(m, CCCC_E_STORAGE, "cannot cut %s/ledger.jsonl: %s", group_dir, strerror(-rc)) : CCCC_OK;
}

cccc_err_t backup_state_of(struct cli *cli, const char *dir, const char *group, cccc_value_t *out, struct cccc_errmsg *m)
{
    struct cccc_home home = {0};
    struct cccc_group_files files = {0};
    struct cccc_recovery report;
    struct cccc_moment now = {.unix_us = cli->now_us};
    struct state_fold fold = {.core = cccc_core_new()};
    cccc_ledger_t *ledger = NULL;
    const cccc_value_t nothing = cccc_nil();
    snprintf(home.root, sizeof home.root, "%s", dir);
    cccc_group_files_read(&cccc_vfs_posix, &home, cccc_str(group), cli->arena, &files);
    cccc_core_load_home(fold.core, &nothing, &nothing);
    fold.slot = cccc_core_fold_begin(fold.core, cccc_str(group), &files.document, files.edited);
    const char *group_dir = cli_printf(cli, "%s/groups/%s", dir, group);
    struct cccc_ledger_options options = {
        .vfs = &cccc_vfs_posix, .group_dir = group_dir, .group_id = group, .epoch = 1, .fold = fold_event, .base = fold_base, .arg = &fold};
    struct cccc_verify_report lines = {0};
    cccc_err_t err = cut_tail(cli, group_dir, &lines, m);
    if (err == CCCC_OK)
        err = cccc_ledger_open(&options, &ledger, &report, m);
    cccc_core_fold_end(fold.core, &now, fold.slot, err ? m->text : NULL, "a backup");
    if (err == CCCC_OK) {
        cccc_value_t dump = cccc_core_dump_group(fold.core, fold.slot, cli->arena);
        *out = describe(cli, group, &files, &report, &lines, &dump);
    }
    cccc_ledger_close(&ledger);
    unlink(cli_printf(cli, "%s/state/ledger/ledger.lock", group_dir));
    cccc_core_destroy(&fold.core);
    return err;
}

cccc_value_t backup_groups(struct cli *cli, const char *dir)
{
    struct cccc_home home = {0};
    snprintf(home.root, sizeof home.root, "%s", dir);
    cccc_value_t ids;
    cccc_groups_scan(&cccc_vfs_posix, &home, cli->arena, &ids, NULL); /* a folder that cannot be listed fails where its files are copied */
    return ids;
}
