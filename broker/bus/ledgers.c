/* ledgers.c - the executor's side of every ledger, see ledgers.h. */
#include "broker/bus/ledgers.h"

#include "broker/bus/bus.h"
#include "broker/bus/log.h"
#include "broker/bus/retention.h"
#include "broker/bus/shelf.h"
#include "broker/bus/snapshots.h"
#include "broker/mutant.h"

#include <inttypes.h>
#include <stdlib.h>

/* A group whose ledger could not be opened, or only to be read because the disk was full or read-only, is tried again after RETRY_US, each time after
 * twice as long, at most RETRY_US_MAX. */
enum { QUIET_US = 1000000, RETRY_US = 1000000, RETRY_US_MAX = 256000000 };

/* How many groups' folders are looked for each second. */
enum { FOLDERS_PER_SECOND = 256 };

/* ---- shelves ---- */

static struct cccc_shelf *shelf_at(const struct cccc_ledgers *self, cccc_slot_t slot)
{
    return slot < self->count ? self->shelves[slot] : NULL;
}

static struct cccc_shelf *make_shelf(struct cccc_ledgers *self, cccc_slot_t slot)
{
    if (slot >= self->capacity) {
        uint32_t capacity = slot + 16 + slot / 2;
        self->shelves = realloc(self->shelves, capacity * sizeof *self->shelves);
        CCCC_ASSERT(self->shelves, "out of memory");
        memset(self->shelves + self->capacity, 0, (capacity - self->capacity) * sizeof *self->shelves);
        self->capacity = capacity;
    }
    if (slot >= self->count)
        self->count = slot + 1;
    struct cccc_shelf *shelf = calloc(1, sizeof *shelf);
    CCCC_ASSERT(shelf, "out of memory");
    shelf->slot = slot;
    shelf->commit.shelf = shelf->mark.shelf = shelf->open.shelf = shelf->sealing.shelf = shelf->retiring.shelf = shelf;
    self->shelves[slot] = shelf;
    return shelf;
}

struct cccc_shelf *cccc_ledgers_put(struct cccc_bus *bus, cccc_slot_t slot, const char *group_id, cccc_ledger_t *ledger, const char *why,
                                    bool again)
{
    struct cccc_shelf *shelf = shelf_at(&bus->ledgers, slot);
    if (!shelf)
        shelf = make_shelf(&bus->ledgers, slot);
    CCCC_ASSERT(!shelf->ledger, "slot %u has a ledger", slot);
    snprintf(shelf->group_id, sizeof shelf->group_id, "%s", group_id);
    shelf->ledger = ledger;
    shelf->unborn = shelf->unborn && !(ledger && cccc_ledger_durable(ledger) > 0);
    snprintf(shelf->offline, sizeof shelf->offline, "%s", why ? why : "");
    if (shelf->again && !again)
        cccc_log(LOG_NOTICE, "GROUP-BACK", "the group is served again group=%s", shelf->group_id);
    shelf->again = again;
    uint64_t after = shelf->retry_after_us ? 2 * shelf->retry_after_us : RETRY_US;
    shelf->retry_after_us = !again ? 0 : after < RETRY_US_MAX ? after : RETRY_US_MAX;
    shelf->retry_at_us = bus->now.mono_us + shelf->retry_after_us;
    return shelf;
}

void cccc_ledgers_refused(struct cccc_bus *bus, cccc_slot_t slot, const char *why)
{
    struct cccc_shelf *shelf = shelf_at(&bus->ledgers, slot);
    snprintf(shelf->refused, sizeof shelf->refused, "%s", why);
}

bool cccc_ledgers_is_unborn(const struct cccc_ledgers *self, cccc_slot_t slot)
{
    const struct cccc_shelf *shelf = shelf_at(self, slot);
    return shelf && shelf->unborn;
}

/* The group was deleted, or forgotten because its folder is gone. */
static bool is_forgotten(const struct cccc_bus *bus, const struct cccc_shelf *shelf)
{
    cccc_slot_t slot;
    return !cccc_core_slot(bus->core, cccc_str(shelf->group_id), &slot) || slot != shelf->slot;
}

/* Why a group is not written or read now, and what ends that; "" when all is well with it, or when it never came to be. */
static cccc_str_t ailment(const struct cccc_shelf *shelf, cccc_arena_t *arena)
{
    static const char *const remedies[] = {
        [CCCC_LEDGER_OK] = "",
        [CCCC_LEDGER_NO_SPACE] = "; make room, and the next message is taken",
        [CCCC_LEDGER_FAILED] = "; it is being opened again",
        [CCCC_LEDGER_READ_ONLY] = "",
    };
    cccc_ledger_health_t health = shelf->ledger ? cccc_ledger_health(shelf->ledger) : CCCC_LEDGER_OK;
    bool reopens = shelf->leaving == TO_REFOLD || shelf->leaving == OPENING;
    if ((shelf->unborn && !shelf->offline[0]) || shelf->leaving == TO_TRASH)
        return CCCC_STR("");
    if (health == CCCC_LEDGER_OK && !shelf->offline[0] && !reopens)
        return cccc_str(shelf->refused);
    const char *why = shelf->offline[0] ? shelf->offline : shelf->ledger ? cccc_ledger_note(shelf->ledger) : "";
    const char *remedy = shelf->again ? "; cccc tries again by itself" : remedies[reopens ? CCCC_LEDGER_FAILED : health];
    return cccc_arena_printf(arena, "%s%s", why[0] ? why : "its ledger was closed", remedy);
}

cccc_value_t cccc_ledgers_degraded(void *arg, cccc_arena_t *arena)
{
    const struct cccc_bus *bus = arg;
    cccc_builder_t list = cccc_array_builder(arena, 0);
    for (uint32_t i = 0; i < bus->ledgers.count; i++) {
        const struct cccc_shelf *shelf = bus->ledgers.shelves[i];
        cccc_str_t why = shelf ? ailment(shelf, arena) : CCCC_STR("");
        if (why.len == 0 || is_forgotten(bus, shelf))
            continue;
        cccc_builder_t group = cccc_map_builder(arena, 2);
        cccc_map_add(&group, "group_id", cccc_string(cccc_arena_str(arena, cccc_str(shelf->group_id))));
        cccc_map_add(&group, "reason", cccc_string(why));
        cccc_array_add(&list, group.value);
    }
    return list.value;
}

/* ---- append and commit ---- */

/* Between two commits of a busy ledger there is less, also when a thousand of them share the disk. */
enum { RESTED_US = 100000 };

void cccc_shelf_become_dirty(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    if (shelf->dirty.in_list || shelf->commit.batch)
        return;
    bool rested = bus->now.mono_us - shelf->quiet_since_us >= RESTED_US;
    shelf->dirty_in = rested ? &bus->ledgers.rested : &bus->ledgers.dirty;
    cccc_list_append(shelf->dirty_in, &shelf->dirty);
}

static void become_clean(struct cccc_shelf *shelf)
{
    if (shelf->dirty.in_list)
        cccc_list_remove(shelf->dirty_in, &shelf->dirty);
}

/* The next one to commit, which is clean from now on; NULL when none is dirty. */
static struct cccc_shelf *take_dirty(struct cccc_ledgers *self)
{
    self->rested_turn = self->rested.first && (!self->rested_turn || !self->dirty.first);
    struct cccc_shelf *shelf = CCCC_FIRST(self->rested_turn ? &self->rested : &self->dirty, struct cccc_shelf, dirty);
    if (shelf)
        become_clean(shelf);
    return shelf;
}

static void open_new(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    char dir[sizeof bus->home.root + 64];
    snprintf(dir, sizeof dir, "%s/groups/%s", bus->home.root, shelf->group_id);
    struct cccc_ledger_options options = {
        .vfs = bus->vfs, .group_dir = dir, .group_id = shelf->group_id, .epoch = bus->epoch, .create = true};
    struct cccc_recovery report;
    shelf->unborn = true;
    if (cccc_ledger_open(&options, &shelf->ledger, &report, &shelf->why_broken) != CCCC_OK)
        shelf->ledger = NULL;
}

void cccc_ledgers_append(struct cccc_bus *bus, cccc_slot_t slot, const struct cccc_event *event, cccc_str_t group_id, bool create)
{
    struct cccc_shelf *shelf = shelf_at(&bus->ledgers, slot);
    if (!shelf) {
        shelf = make_shelf(&bus->ledgers, slot);
        snprintf(shelf->group_id, sizeof shelf->group_id, "%.*s", CCCC_STR_FMT(group_id));
    }
    if (!shelf->ledger && create && !shelf->broken.in_list)
        open_new(bus, shelf);
    if (!shelf->ledger) {
        if (!shelf->why_broken.text[0])
            cccc_fail(&shelf->why_broken, CCCC_E_STORAGE, "the ledger of %s is not open; see cccc doctor", shelf->group_id);
        if (!shelf->broken.in_list)
            cccc_list_append(&bus->ledgers.broken, &shelf->broken);
        return;
    }
    cccc_ledger_append(shelf->ledger, event);
    cccc_shelf_become_dirty(bus, shelf);
}

void cccc_ledgers_report_broken(struct cccc_bus *bus)
{
    for (struct cccc_shelf *shelf; (shelf = CCCC_FIRST(&bus->ledgers.broken, struct cccc_shelf, broken));) {
        cccc_list_remove(&bus->ledgers.broken, &shelf->broken);
        cccc_log(LOG_ERR, "LEDGER-NOT-OPEN", "%s group=%s", shelf->why_broken.text, shelf->group_id);
        cccc_core_append_failed(bus->core, cccc_bus_moment(bus), shelf->slot, CCCC_E_STORAGE, false, shelf->why_broken.text, false);
        shelf->why_broken.text[0] = '\0';
    }
}

static void run_commit(struct cccc_work *work)
{
    cccc_batch_commit(((struct commit_job *)work)->batch);
}

static void become_quiet(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    cccc_list_remove(&bus->ledgers.quiet, &shelf->quiet);
    cccc_list_append(&bus->ledgers.quiet, &shelf->quiet);
    shelf->quiet_since_us = bus->now.mono_us;
}

static void take_failure(struct cccc_bus *bus, struct cccc_shelf *shelf, const struct cccc_commit *result)
{
    bool refold = cccc_ledger_health(shelf->ledger) == CCCC_LEDGER_FAILED;
    cccc_log(LOG_ERR, "COMMIT-FAILED", "%s group=%s outcome=%s", result->message.text, shelf->group_id,
             result->outcome_unknown ? "unknown" : "not_stored");
    bus->stats.commits_failed++;
    become_clean(shelf);
    cccc_core_append_failed(bus->core, cccc_bus_moment(bus), shelf->slot, result->err, result->outcome_unknown, result->message.text,
                            refold);
}

/* The last `lines` events up to `durable` are on the disk. */
static void tell_durable(struct cccc_bus *bus, cccc_slot_t slot, uint64_t durable, uint32_t lines)
{
    for (uint64_t seq = durable - lines; seq < durable;) {
        seq = durable - seq > CCCC_LOT_EVENTS ? seq + CCCC_LOT_EVENTS : durable;
        cccc_core_durable(bus->core, cccc_bus_moment(bus), slot, seq);
        cccc_bus_carry_out(bus);
    }
}

static void finish_commit(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct commit_job *job = (struct commit_job *)work;
    struct cccc_shelf *shelf = job->shelf;
    bus->ledgers.commits_out--;
    uint64_t sync_us = cccc_batch_sync_us(job->batch);
    uint32_t lines = cccc_batch_lines(job->batch);
    if (sync_us > 0)
        cccc_sync_times_add(&bus->stats.syncs, sync_us, bus->now.mono_us);
    struct cccc_commit result;
    cccc_ledger_done(shelf->ledger, &job->batch, &result);
    if (result.err == CCCC_OK) {
        bus->stats.durable += lines;
        shelf->unborn = false;
        become_quiet(bus, shelf);
        if (cccc_ledger_backlog(shelf->ledger) > 0)
            cccc_shelf_become_dirty(bus, shelf);
        cccc_sealing_look(bus, shelf);
        tell_durable(bus, shelf->slot, result.durable, lines);
        cccc_snapshots_look(bus, shelf);
    } else {
        take_failure(bus, shelf, &result);
    }
    cccc_shelf_settle(bus, shelf);
}

void cccc_ledgers_commit(struct cccc_bus *bus)
{
    struct cccc_ledgers *self = &bus->ledgers;
    for (struct cccc_shelf *shelf; self->commits_out < CCCC_POOL_THREADS_MAX && (shelf = take_dirty(self));) {
        shelf->commit.batch = cccc_ledger_take(shelf->ledger);
        if (!shelf->commit.batch)
            continue;
        if (CCCC_MUTANT_IS(ACK_BEFORE_COMMIT))
            cccc_core_durable(bus->core, cccc_bus_moment(bus), shelf->slot, cccc_ledger_head(shelf->ledger));
        shelf->commit.work.run = run_commit;
        shelf->commit.work.finish = finish_commit;
        self->commits_out++;
        cccc_pool_put(bus->committers, &shelf->commit.work);
    }
}

/* ---- marks ---- */

static void run_mark(struct cccc_work *work)
{
    cccc_mark_write(((struct mark_job *)work)->mark);
}

static void finish_mark(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct mark_job *job = (struct mark_job *)work;
    bus->ledgers.marks_out--;
    cccc_ledger_mark_done(job->shelf->ledger, &job->mark);
    cccc_shelf_settle(bus, job->shelf);
}

static void write_mark(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    if (!shelf->ledger || shelf->mark.mark)
        return;
    shelf->mark.mark = cccc_ledger_take_mark(shelf->ledger);
    if (!shelf->mark.mark)
        return;
    shelf->mark.work.run = run_mark;
    shelf->mark.work.finish = finish_mark;
    bus->ledgers.marks_out++;
    cccc_pool_put(bus->committers, &shelf->mark.work);
}

uint64_t cccc_ledgers_next_mark_us(const struct cccc_ledgers *self)
{
    const struct cccc_shelf *shelf = CCCC_FIRST(&self->quiet, struct cccc_shelf, quiet);
    return shelf ? shelf->quiet_since_us + QUIET_US : UINT64_MAX;
}

void cccc_ledgers_write_marks(struct cccc_bus *bus)
{
    struct cccc_ledgers *self = &bus->ledgers;
    while (cccc_ledgers_next_mark_us(self) <= bus->now.mono_us) {
        struct cccc_shelf *shelf = CCCC_FIRST(&self->quiet, struct cccc_shelf, quiet);
        cccc_list_remove(&self->quiet, &shelf->quiet);
        if (shelf->mark.mark)
            become_quiet(bus, shelf); /* one is being written; the newer one a second later */
        else
            write_mark(bus, shelf);
        cccc_snapshots_rest(bus, shelf);
        cccc_sealing_rest(bus, shelf);
    }
}

void cccc_ledgers_write_all_marks(struct cccc_bus *bus)
{
    for (uint32_t i = 0; i < bus->ledgers.count; i++)
        if (bus->ledgers.shelves[i])
            write_mark(bus, bus->ledgers.shelves[i]);
}

/* ---- reads ---- */

static void run_read(struct cccc_work *work)
{
    cccc_read_run(((struct read_job *)work)->read);
}

static void end_read(struct read_job *job)
{
    cccc_arena_destroy(&job->arena);
    free(job);
}

static void finish_read(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct read_job *job = (struct read_job *)work;
    struct cccc_shelf *shelf = job->shelf;
    shelf->reads_out--;
    bus->ledgers.reads_out--;
    for (struct cccc_id_filter *filter; (filter = cccc_read_take_filter(job->read));)
        cccc_core_id_filter(bus->core, shelf->slot, filter);
    cccc_core_read_done(bus->core, cccc_bus_moment(bus), job->ticket, cccc_read_result(job->read));
    cccc_read_destroy(&job->read);
    end_read(job);
    cccc_shelf_settle(bus, shelf);
}

/* The ledger is not there to be read: the core hears it as the result. */
static void run_nothing(struct cccc_work *work)
{
    (void)work;
}

static void finish_unread(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct read_job *job = (struct read_job *)work;
    bus->ledgers.reads_out--;
    struct cccc_read_result result = {.err = CCCC_E_GROUP_OFFLINE};
    cccc_fail(&result.message, result.err, "the ledger is not open; cccc doctor says why");
    cccc_core_read_done(bus->core, cccc_bus_moment(bus), job->ticket, &result);
    end_read(job);
}

static void start_read(struct cccc_bus *bus, struct cccc_shelf *shelf, struct read_job *job)
{
    bus->ledgers.reads_out++;
    if (shelf && shelf->ledger) {
        shelf->reads_out++;
        job->read = cccc_ledger_plan_read(shelf->ledger, &job->query);
        job->work.run = run_read;
        job->work.finish = finish_read;
    } else {
        job->work.run = run_nothing;
        job->work.finish = finish_unread;
    }
    cccc_pool_put(bus->readers, &job->work);
}

/* Keep a read until its ledger is open again. The call it belongs to may be gone by then, so nothing may stay borrowed from it. */
static void hold_read(struct cccc_shelf *shelf, struct read_job *job)
{
    struct cccc_read_query *query = &job->query;
    if (!job->arena)
        job->arena = cccc_arena_new(512);
    query->by = cccc_arena_str(job->arena, query->by);
    query->recipient = cccc_arena_str(job->arena, query->recipient);
    query->about = cccc_arena_str(job->arena, query->about);
    if (query->seq_count > 0) {
        size_t bytes = query->seq_count * sizeof *query->seqs;
        query->seqs = memcpy(cccc_arena_alloc(job->arena, bytes), query->seqs, bytes);
    }
    if (query->kinds) {
        cccc_value_t *kinds = cccc_arena_alloc(job->arena, sizeof *kinds);
        *kinds = cccc_value_copy(job->arena, query->kinds);
        query->kinds = kinds;
    }
    cccc_list_append(&shelf->held, &job->held);
}

void cccc_ledgers_read(struct cccc_bus *bus, cccc_slot_t slot, cccc_ticket_t ticket, const struct cccc_read_query *query,
                       cccc_arena_t *arena)
{
    struct cccc_shelf *shelf = shelf_at(&bus->ledgers, slot);
    struct read_job *job = calloc(1, sizeof *job);
    CCCC_ASSERT(job, "out of memory");
    job->shelf = shelf;
    job->ticket = ticket;
    job->query = *query;
    job->arena = arena;
    if (shelf && shelf->leaving != STAYS)
        hold_read(shelf, job);
    else
        start_read(bus, shelf, job);
}

void cccc_ledgers_make_ids(struct cccc_bus *bus, cccc_slot_t slot)
{
    struct cccc_read_query query = {.mode = CCCC_READ_ID};
    cccc_arena_t *arena = cccc_arena_new(1024);
    uint64_t *firsts;
    query.seq_count = cccc_core_unfiltered(bus->core, slot, arena, &firsts);
    query.seqs = firsts;
    if (query.seq_count > 0)
        cccc_ledgers_read(bus, slot, 0, &query, arena);
    else
        cccc_arena_destroy(&arena);
}

/* ---- on demand ---- */

void cccc_ledgers_snapshot(struct cccc_bus *bus, cccc_slot_t slot, cccc_ticket_t ticket)
{
    struct cccc_shelf *shelf = shelf_at(&bus->ledgers, slot);
    if (!shelf || !cccc_snapshots_save_now(bus, shelf, ticket))
        cccc_core_store_done(bus->core, cccc_bus_moment(bus), ticket, CCCC_E_BUSY,
                             "the group's state is being saved, or changes just now; try again in a moment", NULL);
}

void cccc_ledgers_seal(struct cccc_bus *bus, cccc_slot_t slot, cccc_ticket_t ticket, bool force)
{
    struct cccc_shelf *shelf = shelf_at(&bus->ledgers, slot);
    if (!shelf || !shelf->ledger || shelf->leaving != STAYS || shelf->sealing.seal || shelf->retiring.retirement)
        cccc_core_store_done(bus->core, cccc_bus_moment(bus), ticket, CCCC_E_BUSY,
                             "the ledger is being sealed already, or read again; try again in a moment", NULL);
    else
        cccc_sealing_now(bus, shelf, ticket, force);
}

/* ---- leaving ---- */

static void start_held(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    for (struct read_job *job; (job = CCCC_FIRST(&shelf->held, struct read_job, held));) {
        cccc_list_remove(&shelf->held, &job->held);
        start_read(bus, shelf, job);
    }
}

static void trash(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    cccc_pool_put(bus->filer, shelf->then);
    shelf->then = NULL;
}

static void run_open(struct cccc_work *work)
{
    cccc_folding_run(((struct open_job *)work)->folding);
}

static void finish_open(struct cccc_work *work, void *loop)
{
    struct cccc_bus *bus = loop;
    struct open_job *job = (struct open_job *)work;
    struct cccc_shelf *shelf = job->shelf;
    bus->ledgers.opens_out--;
    shelf->leaving = STAYS;
    if (shelf->then || is_forgotten(bus, shelf))
        cccc_folding_drop(&job->folding);
    else
        cccc_folding_finish(bus, &job->folding);
    if (shelf->then)
        trash(bus, shelf);
    start_held(bus, shelf);
}

/* Read the group again, on a thread of its own: that takes as long as its ledger is, and the others go on. */
static void begin_open(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    shelf->leaving = OPENING;
    shelf->open.folding = cccc_folding_new(bus, cccc_str(shelf->group_id));
    shelf->open.work.run = run_open;
    shelf->open.work.finish = finish_open;
    bus->ledgers.opens_out++;
    cccc_pool_put(bus->openers, &shelf->open.work);
}

static void leave(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    enum leaving how = shelf->leaving;
    become_clean(shelf);
    cccc_list_remove(&bus->ledgers.quiet, &shelf->quiet);
    if (how == TO_REFOLD && shelf->ledger && !shelf->unborn && !shelf->offline[0]) /* what is wrong with it is so until it is open again */
        snprintf(shelf->offline, sizeof shelf->offline, "%s", cccc_ledger_note(shelf->ledger));
    cccc_ledger_close(&shelf->ledger);
    if (how == TO_REFOLD) {
        begin_open(bus, shelf);
        return;
    }
    shelf->leaving = STAYS;
    trash(bus, shelf);
    start_held(bus, shelf);
}

/* Nothing that was taken from the ledger is with another thread: it may be closed. */
static bool ledger_is_whole(const struct cccc_shelf *shelf)
{
    return !shelf->commit.batch && !shelf->mark.mark && !shelf->sealing.seal && !shelf->retiring.retirement && shelf->reads_out == 0;
}

void cccc_shelf_settle(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    bool leaves = shelf->leaving == TO_REFOLD || shelf->leaving == TO_TRASH;
    cccc_sealing_go_on(bus, shelf);
    cccc_retention_go_on(bus, shelf);
    if (leaves && ledger_is_whole(shelf) && !shelf->snapshot.out)
        leave(bus, shelf);
}

void cccc_ledgers_refold(struct cccc_bus *bus, cccc_slot_t slot)
{
    struct cccc_shelf *shelf = shelf_at(&bus->ledgers, slot);
    CCCC_ASSERT(shelf, "refold of slot %u, which has no ledger", slot);
    write_mark(bus, shelf); /* what is known durable must outlive the fold: somebody may have cut the file below it */
    if (shelf->leaving == STAYS)
        shelf->leaving = TO_REFOLD;
    cccc_shelf_settle(bus, shelf);
}

void cccc_ledgers_close_group(struct cccc_bus *bus, cccc_str_t group_id, struct cccc_work *then)
{
    for (uint32_t i = 0; i < bus->ledgers.count; i++) {
        struct cccc_shelf *shelf = bus->ledgers.shelves[i];
        if (!shelf || !cccc_str_is(group_id, shelf->group_id))
            continue;
        shelf->offline[0] = '\0';
        shelf->again = false;
        if (!shelf->ledger && shelf->leaving != OPENING)
            continue;
        if (shelf->leaving != OPENING)
            shelf->leaving = TO_TRASH;
        shelf->then = then;
        cccc_shelf_settle(bus, shelf);
        return;
    }
    cccc_pool_put(bus->filer, then);
}

static void open_again(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    if (is_forgotten(bus, shelf)) {
        shelf->again = false;
        shelf->offline[0] = '\0';
        return;
    }
    shelf->leaving = TO_REFOLD;
    cccc_shelf_settle(bus, shelf);
}

void cccc_ledgers_retry_offline(struct cccc_bus *bus)
{
    for (uint32_t i = 0; i < bus->ledgers.count; i++) {
        struct cccc_shelf *shelf = bus->ledgers.shelves[i];
        if (shelf && shelf->again && shelf->leaving == STAYS && bus->now.mono_us >= shelf->retry_at_us)
            open_again(bus, shelf);
    }
}

void cccc_ledgers_cancel_seals(struct cccc_bus *bus)
{
    for (uint32_t i = 0; i < bus->ledgers.count; i++)
        if (bus->ledgers.shelves[i])
            cccc_shelf_settle(bus, bus->ledgers.shelves[i]);
}

/* Nothing of it is away, and nothing waits for the disk: then nothing of the group is pending either. */
static bool is_at_rest(const struct cccc_shelf *shelf)
{
    return shelf->ledger && !shelf->dirty.in_list && ledger_is_whole(shelf) && !shelf->snapshot.out && shelf->leaving == STAYS;
}

static bool folder_is_gone(const struct cccc_bus *bus, const struct cccc_shelf *shelf)
{
    char dir[sizeof bus->home.root + 64];
    struct cccc_stat st;
    snprintf(dir, sizeof dir, "%s/groups/%s", bus->home.root, shelf->group_id);
    return bus->vfs->stat(bus->vfs->ctx, dir, &st) == -ENOENT;
}

/* What is written next would be refused; who only reads would never learn that there is nothing behind the open file any more. */
static void look_for_folder(struct cccc_bus *bus, struct cccc_shelf *shelf)
{
    if (!is_at_rest(shelf) || shelf->unborn || !folder_is_gone(bus, shelf))
        return;
    if (is_forgotten(bus, shelf)) {
        cccc_ledger_close(&shelf->ledger);
        return;
    }
    cccc_log(LOG_ERR, "GROUP-FOLDER-GONE", "somebody removed the folder of a group while it was served group=%s", shelf->group_id);
    cccc_core_append_failed(bus->core, cccc_bus_moment(bus), shelf->slot, CCCC_E_STORAGE, false, "the folder of the group is gone", true);
    cccc_bus_carry_out(bus);
}

void cccc_ledgers_look_for_folders(struct cccc_bus *bus)
{
    struct cccc_ledgers *self = &bus->ledgers;
    for (uint32_t i = 0; i < self->count && i < FOLDERS_PER_SECOND; i++) {
        self->looked_at = (self->looked_at + 1) % self->count;
        struct cccc_shelf *shelf = self->shelves[self->looked_at];
        if (shelf)
            look_for_folder(bus, shelf);
    }
}

bool cccc_ledgers_are_settled(const struct cccc_ledgers *self)
{
    return !self->dirty.first && !self->rested.first && self->commits_out == 0 && self->reads_out == 0 && self->marks_out == 0 &&
           self->opens_out == 0 && self->seals_out == 0 && self->snapshots_out == 0;
}

void cccc_ledgers_close_all(struct cccc_ledgers *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        struct cccc_shelf *shelf = self->shelves[i];
        if (!shelf)
            continue;
        if (shelf->ledger && ledger_is_whole(shelf))
            cccc_ledger_close(&shelf->ledger);
        free(shelf);
    }
    free(self->shelves);
    *self = (struct cccc_ledgers){0};
}
