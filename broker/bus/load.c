/* load.c - from the home's files to a core that knows them: registry, active group, then each group's configuration and ledger.
 *
 * A group that cannot be served does not stop the others: it is offline and says why. Only the vfs is touched, so the simulation runs this file
 * as it is. */
#include "broker/bus/bus.h"
#include "broker/bus/log.h"

#include <errno.h>
#include <inttypes.h>

struct folding {
    struct cccc_bus *bus;
    cccc_slot_t slot;
};

static void fold_event(void *arg, const struct cccc_event *event)
{
    struct folding *folding = arg;
    cccc_core_fold(folding->bus->core, folding->slot, event);
}

static void fold_gap(void *arg, const struct cccc_gap *gap)
{
    struct folding *folding = arg;
    cccc_core_fold_gap(folding->bus->core, folding->slot, gap);
}

static void log_recovery(const char *group_id, const struct cccc_recovery *report)
{
    if (report->note[0])
        cccc_log(LOG_WARNING, "LEDGER-RECOVERED", "%s group=%s head_seq=%" PRIu64 " torn_bytes=%" PRIu64 " gaps=%u", report->note, group_id,
                 report->head_seq, report->torn_bytes, report->gap_count);
}

static void log_files(const char *group_id, const struct cccc_group_files *files)
{
    if (files->note[0])
        cccc_log(LOG_WARNING, files->refused ? "GROUP-EDIT-REFUSED" : "GROUP-FILE", "%s group=%s", files->note, group_id);
    if (files->kept[0])
        cccc_log(LOG_NOTICE, "GROUP-FILE-ENTRIES", "group.yaml: %s group=%s", files->kept, group_id);
}

/* For status and doctor: the log is not where anybody looks first. */
static void note_refusal(struct cccc_bus *bus, cccc_slot_t slot, const struct cccc_group_files *files)
{
    char why[sizeof files->note + 96];
    snprintf(why, sizeof why, "%s; the edit does not count, and is kept as group.yaml.edited", files->note);
    cccc_ledgers_refused(bus, slot, why);
}

/* A group that CCCC 0.4.0 wrote last: copies of what will be written over are kept, and its cursors handed to the fold. NULL, or why it takes no
 * writes. */
static const char *begin_legacy(struct cccc_bus *bus, cccc_slot_t slot, const char *group_id, const cccc_value_t *document,
                                cccc_arena_t *arena, struct cccc_errmsg *m)
{
    if (!cccc_is_map(document) || cccc_get(document, "ledger_seq"))
        return NULL;
    cccc_value_t cursors = cccc_legacy_cursors(bus->vfs, &bus->home, cccc_str(group_id), arena);
    cccc_core_fold_cursors(bus->core, slot, &cursors);
    return cccc_legacy_keep_group(bus->vfs, &bus->home, cccc_str(group_id), m) == CCCC_OK ? NULL : m->text;
}

static bool is_gone(const struct cccc_bus *bus, const char *dir)
{
    struct cccc_stat st;
    return bus->vfs->stat(bus->vfs->ctx, dir, &st) == -ENOENT;
}

static void lose_group(struct cccc_bus *bus, cccc_slot_t slot, const char *dir, struct cccc_errmsg *m)
{
    cccc_core_fold_missing(bus->core, slot);
    cccc_fail(m, CCCC_E_STORAGE, "somebody removed %s; put it back (cccc backup list), or forget the group: cccc groups --forget-missing",
              dir);
}

void cccc_bus_fold_group(struct cccc_bus *bus, cccc_str_t id)
{
    char group_id[16], dir[sizeof bus->home.root + 64];
    snprintf(group_id, sizeof group_id, "%.*s", CCCC_STR_FMT(id));
    snprintf(dir, sizeof dir, "%s/groups/%s", bus->home.root, group_id);
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_group_files files = {0};
    cccc_group_files_read(bus->vfs, &bus->home, cccc_str(group_id), arena, &files);
    struct folding folding = {bus, cccc_core_fold_begin(bus->core, cccc_str(group_id), &files.document, files.edited)};
    log_files(group_id, &files);
    if (files.refused)
        cccc_core_fold_rewrite(bus->core, folding.slot);
    struct cccc_ledger_options options = {.vfs = bus->vfs,
                                          .group_dir = dir,
                                          .group_id = group_id,
                                          .epoch = bus->epoch,
                                          .create = cccc_ledgers_is_unborn(&bus->ledgers, folding.slot),
                                          .fold = fold_event,
                                          .fold_gap = fold_gap,
                                          .arg = &folding};
    cccc_ledger_t *ledger = NULL;
    struct cccc_recovery report = {0};
    struct cccc_errmsg m = {""}, not_kept;
    const char *read_only = begin_legacy(bus, folding.slot, group_id, &files.document, arena, &not_kept);
    cccc_err_t err = files.unreachable ? cccc_fail(&m, CCCC_E_STORAGE, "%s", files.note) : cccc_ledger_open(&options, &ledger, &report, &m);
    if (err != CCCC_OK && !options.create && is_gone(bus, dir))
        lose_group(bus, folding.slot, dir, &m);
    if (err != CCCC_OK)
        cccc_log(LOG_ERR, "GROUP-OFFLINE", "%s group=%s", m.text, group_id);
    else
        log_recovery(group_id, &report);
    bool again = err != CCCC_OK || read_only || report.may_pass;
    cccc_ledgers_put(bus, folding.slot, group_id, ledger, err != CCCC_OK ? m.text : NULL, again);
    if (files.refused)
        note_refusal(bus, folding.slot, &files);
    if (err == CCCC_OK && report.read_only)
        read_only = report.note;
    cccc_core_fold_end(bus->core, cccc_bus_moment(bus), folding.slot, err != CCCC_OK ? m.text : NULL, err != CCCC_OK ? NULL : read_only);
    cccc_arena_destroy(&arena);
}

static cccc_value_t read_document(struct cccc_bus *bus, const char *name, cccc_arena_t *arena)
{
    char path[sizeof bus->home.root + 32];
    snprintf(path, sizeof path, "%s/%s", bus->home.root, name);
    struct cccc_errmsg m = {""};
    struct cccc_stat st;
    enum cccc_written by;
    cccc_value_t document = cccc_json_document(bus->vfs, path, arena, &by, &m);
    if (cccc_is_nil(&document) && bus->vfs->stat(bus->vfs->ctx, path, &st) == 0)
        cccc_log(LOG_WARNING, "DOCUMENT", "%s; it is made anew from the group folders", m.text);
    else if (by == CCCC_WRITTEN_CHANGED)
        cccc_log(LOG_WARNING, "DOCUMENT", "%s was changed since cccc last wrote it; it counts as it is", path);
    return document;
}

cccc_err_t cccc_bus_load(struct cccc_bus *bus, struct cccc_errmsg *m)
{
    cccc_arena_t *arena = cccc_arena_new(16 * 1024);
    cccc_value_t registry = read_document(bus, "registry.json", arena);
    cccc_value_t active = read_document(bus, "active.json", arena);
    cccc_core_load_home(bus->core, &registry, &active);
    cccc_value_t groups;
    cccc_err_t err = cccc_groups_scan(bus->vfs, &bus->home, arena, &groups, m);
    for (uint32_t i = 0; !err && i < groups.via.array.size; i++) {
        cccc_str_t id;
        if (cccc_as_str(&groups.via.array.ptr[i], &id))
            cccc_bus_fold_group(bus, id);
    }
    cccc_arena_destroy(&arena);
    return err;
}
