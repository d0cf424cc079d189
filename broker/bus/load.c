/* load.c - from the home's files to a core that knows them: registry, active group, then each group's configuration and ledger.
 *
 * A group that cannot be served does not stop the others: it is offline and says why. Only the vfs is touched, so the simulation runs this file
 * as it is. */
#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "broker/bus/snapshots.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct cccc_folding {
    const struct cccc_vfs *vfs;
    const struct cccc_home *home;
    uint64_t epoch;
    uint64_t at; /* seconds since 1970 */
    char group_id[16], dir[sizeof(((struct cccc_home *)0)->root) + 64];
    bool unborn;
    cccc_core_t *core; /* holds this one group */
    cccc_slot_t slot;  /* in it */
    cccc_arena_t *arena;
    struct cccc_group_files files;
    cccc_value_t context;       /* the files under context/ */
    struct cccc_snapshot known; /* the state that was loaded instead of folded; seq 0: none was */
    uint64_t known_bytes;
    bool edit_lost;      /* group.yaml was edited, and is older than events that were retired */
    const char *unknown; /* why a saved state is of no use; NULL: there is none, or it is */
    cccc_ledger_t *ledger;
    struct cccc_recovery report;
    cccc_err_t err;
    struct cccc_errmsg why, not_kept;
    const char *read_only;
};

static void fold_event(void *arg, const struct cccc_event *event)
{
    struct cccc_folding *self = arg;
    cccc_core_fold(self->core, self->slot, event);
}

static void fold_gap(void *arg, const struct cccc_gap *gap)
{
    struct cccc_folding *self = arg;
    cccc_core_fold_gap(self->core, self->slot, gap);
}

/* In a core of its own, which knows nothing yet and has said nothing. */
static void begin_fold(struct cccc_folding *self)
{
    cccc_core_destroy(&self->core);
    self->core = cccc_core_new();
    self->slot = cccc_core_fold_begin(self->core, cccc_str(self->group_id), &self->files.document, self->files.edited);
    cccc_core_fold_context(self->core, self->slot, &self->context);
    if (self->files.refused)
        cccc_core_fold_rewrite(self->core, self->slot);
}

/* The ledger does not have what the saved state is of. */
static void forget(void *arg)
{
    struct cccc_folding *self = arg;
    self->known = (struct cccc_snapshot){.seq = 0};
    self->unknown = "the ledger has another event at its place, or is sealed less far";
    begin_fold(self);
}

static bool fold_sealed(void *arg, uint64_t last)
{
    struct cccc_folding *self = arg;
    return cccc_core_fold_sealed(self->core, self->slot, last);
}

/* Older events were retired: the state that was saved then takes their place. */
static bool fold_base(void *arg, const struct cccc_snapshot *of, cccc_str_t state)
{
    struct cccc_folding *self = arg;
    self->known = *of;
    self->known_bytes = state.len;
    self->unknown = NULL;
    return cccc_core_fold_base(self->core, self->slot, of->seq, state.ptr, state.len, &self->edit_lost);
}

/* Go on from the state that was saved last, if there is one that this group can go on from. */
static void load_snapshot(struct cccc_folding *self)
{
    char *file;
    cccc_str_t payload;
    int rc = cccc_snapshot_read(self->vfs, self->dir, self->group_id, &self->known, &file, &payload);
    if (rc < 0) {
        self->unknown = rc == -EBADMSG ? "it is damaged, of another group, or of another version" : rc == -ENOENT ? NULL : strerror(-rc);
        return;
    }
    self->known_bytes = payload.len;
    bool loaded =
        self->known.epoch <= self->epoch && cccc_core_fold_snapshot(self->core, self->slot, self->known.seq, payload.ptr, payload.len);
    free(file);
    if (loaded)
        return;
    self->known = (struct cccc_snapshot){.seq = 0};
    self->unknown = "it is of another version, or of before an edit of group.yaml";
    begin_fold(self);
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
static const char *begin_legacy(struct cccc_folding *self)
{
    const cccc_value_t *document = &self->files.document;
    if (!cccc_is_map(document) || cccc_get(document, "ledger_seq"))
        return NULL;
    cccc_str_t id = cccc_str(self->group_id);
    cccc_value_t cursors = cccc_legacy_cursors(self->vfs, self->home, id, self->arena);
    cccc_core_fold_cursors(self->core, self->slot, &cursors);
    return cccc_legacy_keep_group(self->vfs, self->home, id, &self->not_kept) == CCCC_OK ? NULL : self->not_kept.text;
}

struct finding {
    struct cccc_bus *bus;
    cccc_slot_t slot;
    cccc_str_t group_id;
    bool offline;
};

static void found_holder(void *arg, const cccc_value_t *record, bool lives)
{
    struct finding *finding = arg;
    bool is_new = cccc_core_fold_holder(finding->bus->core, finding->slot, record, lives, finding->offline);
    if (lives && (is_new || finding->offline)) /* of a group that cannot be read, too, it is known who speaks */
        cccc_bus_watch_holder(finding->bus, finding->slot, finding->group_id, cccc_get_str(record, "actor_id"),
                              cccc_get_uint(record, "generation", 0), record);
}

static bool is_gone(const struct cccc_folding *self)
{
    struct cccc_stat st;
    return self->vfs->stat(self->vfs->ctx, self->dir, &st) == -ENOENT;
}

static void open_ledger(struct cccc_folding *self)
{
    struct cccc_ledger_options options = {.vfs = self->vfs,
                                          .group_dir = self->dir,
                                          .group_id = self->group_id,
                                          .epoch = self->epoch,
                                          .at = self->at,
                                          .by = "ccccd",
                                          .create = self->unborn,
                                          .fold = fold_event,
                                          .fold_gap = fold_gap,
                                          .arg = self,
                                          .known_seq = self->known.seq,
                                          .known_crc = self->known.crc,
                                          .forget = forget,
                                          .sealed = fold_sealed,
                                          .base = fold_base};
    if (self->files.unreachable)
        self->err = cccc_fail(&self->why, CCCC_E_STORAGE, "%s", self->files.note);
    else
        self->err = cccc_ledger_open(&options, &self->ledger, &self->report, &self->why);
    if (self->err != CCCC_OK && self->known.seq > 0)
        begin_fold(self);
    if (self->err != CCCC_OK && !self->unborn && is_gone(self)) {
        cccc_core_fold_missing(self->core, self->slot);
        cccc_fail(&self->why, CCCC_E_STORAGE,
                  "somebody removed %s; put it back (cccc backup list), or forget the group: cccc groups --forget-missing", self->dir);
    }
}

static void load_ids(struct cccc_folding *self)
{
    struct cccc_sealed_ids *rows;
    uint32_t count = cccc_ledger_sealed_ids(self->ledger, &rows);
    cccc_core_sealed(self->core, self->slot, rows, count);
    free(rows);
}

struct cccc_folding *cccc_folding_new(struct cccc_bus *bus, cccc_str_t group_id)
{
    struct cccc_folding *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "out of memory");
    self->vfs = bus->vfs;
    self->home = &bus->home;
    self->epoch = bus->epoch;
    self->at = bus->now.unix_us > 0 ? (uint64_t)bus->now.unix_us / 1000000 : 0;
    snprintf(self->group_id, sizeof self->group_id, "%.*s", CCCC_STR_FMT(group_id));
    snprintf(self->dir, sizeof self->dir, "%s/groups/%s", bus->home.root, self->group_id);
    cccc_slot_t slot;
    self->unborn = cccc_core_slot(bus->core, group_id, &slot) && cccc_ledgers_is_unborn(&bus->ledgers, slot);
    return self;
}

void cccc_folding_run(struct cccc_folding *self)
{
    self->arena = cccc_arena_new(4096);
    cccc_group_files_read(self->vfs, self->home, cccc_str(self->group_id), self->arena, &self->files);
    self->context = cccc_context_read(self->vfs, self->home, cccc_str(self->group_id), self->arena);
    begin_fold(self);
    load_snapshot(self);
    self->read_only = begin_legacy(self);
    open_ledger(self);
    if (self->ledger)
        load_ids(self);
}

void cccc_folding_drop(struct cccc_folding **self_p)
{
    struct cccc_folding *self = *self_p;
    *self_p = NULL;
    cccc_ledger_close(&self->ledger);
    cccc_core_destroy(&self->core);
    cccc_arena_destroy(&self->arena);
    free(self);
}

void cccc_folding_finish(struct cccc_bus *bus, struct cccc_folding **self_p)
{
    struct cccc_folding *self = *self_p;
    const char *offline = self->err != CCCC_OK ? self->why.text : NULL;
    log_files(self->group_id, &self->files);
    if (offline)
        cccc_log(LOG_ERR, "GROUP-OFFLINE", "%s group=%s", offline, self->group_id);
    else
        log_recovery(self->group_id, &self->report);
    if (self->unknown)
        cccc_log(LOG_NOTICE, "SNAPSHOT-NOT-USED", "the saved state is not used, and the ledger was folded instead: %s group=%s",
                 self->unknown, self->group_id);
    if (self->edit_lost)
        cccc_log(LOG_WARNING, "GROUP-EDIT-REFUSED",
                 "group.yaml was changed, and is older than events that were retired: it does not count, and is kept as group.yaml.edited "
                 "group=%s",
                 self->group_id);
    cccc_slot_t slot = cccc_core_fold_adopt(bus->core, &self->core);
    struct cccc_shelf *shelf =
        cccc_ledgers_put(bus, slot, self->group_id, self->ledger, offline, offline || self->read_only || self->report.may_pass);
    cccc_snapshots_loaded(shelf, self->known.seq, self->known_bytes);
    cccc_ledgers_make_ids(bus, slot);
    self->ledger = NULL;
    if (self->files.refused)
        note_refusal(bus, slot, &self->files);
    const char *read_only = !offline && self->report.read_only ? self->report.note : self->read_only;
    struct finding finding = {bus, slot, cccc_str(self->group_id), offline != NULL};
    if (!bus->serve_only) /* else nothing is to be said to them, and of those that are gone nothing is recorded */
        cccc_holders_find(bus->vfs, &bus->home, finding.group_id, self->arena, found_holder, &finding);
    cccc_core_fold_end(bus->core, cccc_bus_moment(bus), slot, offline, offline ? NULL : read_only);
    cccc_folding_drop(self_p);
}

static void fold_group(struct cccc_bus *bus, cccc_str_t group_id)
{
    struct cccc_folding *folding = cccc_folding_new(bus, group_id);
    cccc_folding_run(folding);
    cccc_folding_finish(bus, &folding);
}

/* `without` says what happens when it cannot be read. */
static cccc_value_t read_document(struct cccc_bus *bus, const char *name, const char *without, cccc_arena_t *arena)
{
    char path[sizeof bus->home.root + 32];
    snprintf(path, sizeof path, "%s/%s", bus->home.root, name);
    struct cccc_errmsg m = {""};
    struct cccc_stat st;
    enum cccc_written by;
    cccc_value_t document = cccc_json_document(bus->vfs, path, arena, &by, &m);
    if (cccc_is_nil(&document) && bus->vfs->stat(bus->vfs->ctx, path, &st) == 0)
        cccc_log(LOG_WARNING, "DOCUMENT", "%s; %s", m.text, without);
    else if (by == CCCC_WRITTEN_CHANGED)
        cccc_log(LOG_WARNING, "DOCUMENT", "%s was changed since cccc last wrote it; it counts as it is", path);
    return document;
}

static void forget_deleted(void *arg, cccc_str_t group_id)
{
    cccc_core_load_deleted(arg, group_id);
}

static void load_settings(struct cccc_bus *bus, cccc_arena_t *arena)
{
    struct cccc_errmsg m;
    cccc_value_t settings = cccc_settings_read(bus->vfs, &bus->home, arena, &m);
    if (m.text[0])
        cccc_log(LOG_WARNING, "SETTINGS", "settings.yaml: %s; it counts as empty", m.text);
    cccc_core_load_settings(bus->core, &settings);
    cccc_log_set_level(cccc_core_log_level(bus->core));
}

cccc_err_t cccc_bus_load(struct cccc_bus *bus, struct cccc_errmsg *m)
{
    cccc_arena_t *arena = cccc_arena_new(16 * 1024);
    cccc_value_t registry = read_document(bus, "registry.json", "it is made anew from the group folders", arena);
    cccc_value_t active = read_document(bus, "active.json", "no group is the active one until `cccc use` says which", arena);
    cccc_core_load_home(bus->core, &registry, &active);
    load_settings(bus, arena);
    cccc_trash_scan(bus->vfs, &bus->home, forget_deleted, bus->core);
    cccc_value_t groups;
    cccc_err_t err = cccc_groups_scan(bus->vfs, &bus->home, arena, &groups, m);
    for (uint32_t i = 0; !err && i < groups.via.array.size; i++) {
        cccc_str_t id;
        if (cccc_as_str(&groups.via.array.ptr[i], &id))
            fold_group(bus, id);
    }
    cccc_core_loaded(bus->core, cccc_bus_moment(bus));
    cccc_arena_destroy(&arena);
    return err;
}
