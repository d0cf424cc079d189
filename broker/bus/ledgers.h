/* ledgers.h - the open ledgers by slot, and what of them is away: a batch, a mark, reads.
 *
 * Owns every cccc_ledger_t. A ledger is dirty from the first appended line until its batch is taken; dirty ledgers are served oldest first, at most
 * as many at once as there are commit threads, so that a busy disk fills batches instead of queues (group commit without a timer). Those that come from a
 * rest take turns with the others: a message now and then does not wait behind a thousand busy groups.
 * A ledger that is to be closed (refold, trash) is closed when everything of it that is away has come back; reads wanted meanwhile wait.
 * Thread: the loop's; runs in between are pool.h work. */
#pragma once

#include "broker/bus/list.h"
#include "broker/bus/pool.h"
#include "broker/core/core.h"
#include "broker/ledger/seal.h"

struct cccc_bus;
struct cccc_shelf; /* one ledger's place */

struct cccc_ledgers {
    struct cccc_shelf **shelves; /* by slot; NULL where the core has no ledger */
    uint32_t count, capacity;
    struct cccc_list dirty;  /* oldest first */
    struct cccc_list rested; /* the same, of those that had no commit for RESTED_US */
    bool rested_turn;        /* the last one taken was one of them */
    struct cccc_list quiet;  /* committed and not marked yet, longest quiet first */
    struct cccc_list broken; /* could not be opened: the core is told once its effects are carried out */
    uint32_t commits_out, marks_out, reads_out, opens_out, seals_out, snapshots_out;
    /* For tests: with seal_at, ledgers are sealed at that many bytes with these options, whatever their group's settings say. */
    uint64_t seal_at;
    struct cccc_seal_options seal_options;
    uint64_t snapshot_at;   /* for tests: a state is saved after that many events; 0: SNAPSHOT_EVENTS */
    uint32_t saved_at_stop; /* slots below this have had their state saved for the stop */
    uint32_t retention_at;  /* the slot whose retention rule was looked at last */
    uint32_t looked_at;     /* the slot whose folder was looked for last */
};

/* Put an opened ledger into `slot`. `ledger` may be NULL: the group is offline, and `why` is copied. `again`: opening it is to be tried again. */
struct cccc_shelf *cccc_ledgers_put(struct cccc_bus *bus, cccc_slot_t slot, const char *group_id, cccc_ledger_t *ledger, const char *why,
                                    bool again);
/* Say of a group, as long as the daemon runs, that an edit of its configuration was refused. `why` is copied. After put. */
void cccc_ledgers_refused(struct cccc_bus *bus, cccc_slot_t slot, const char *why);
/* The groups that cannot be written or read at this moment, or whose edited configuration was refused: an array of {group_id, reason} in the arena. For
 * cccc_daemon_facts; `bus` is a struct cccc_bus. */
cccc_value_t cccc_ledgers_degraded(void *bus, cccc_arena_t *arena);
/* Is the ledger in `slot` one of a new group, of which nothing has become durable yet? Then a missing folder is no loss: nothing was stored. */
bool cccc_ledgers_is_unborn(const struct cccc_ledgers *self, cccc_slot_t slot);

/* An APPEND: seal the event into its ledger, opened first when it is new. */
void cccc_ledgers_append(struct cccc_bus *bus, cccc_slot_t slot, const struct cccc_event *event, cccc_str_t group_id, bool create);
/* A READ. Takes `arena`. */
void cccc_ledgers_read(struct cccc_bus *bus, cccc_slot_t slot, cccc_ticket_t ticket, const struct cccc_read_query *query,
                       cccc_arena_t *arena);
/* Make the client ids of sealed segments anew where they are missing, before somebody waits for them. */
void cccc_ledgers_make_ids(struct cccc_bus *bus, cccc_slot_t slot);
/* A KEEP: save the group's state; seal what may be sealed. Each ends with cccc_core_store_done. */
void cccc_ledgers_snapshot(struct cccc_bus *bus, cccc_slot_t slot, cccc_ticket_t ticket);
void cccc_ledgers_seal(struct cccc_bus *bus, cccc_slot_t slot, cccc_ticket_t ticket, bool force);
/* A REFOLD: close, open and fold again. */
void cccc_ledgers_refold(struct cccc_bus *bus, cccc_slot_t slot);
/* Close the ledger of a group, then put `then` to the store thread (at once when the group has none open). */
void cccc_ledgers_close_group(struct cccc_bus *bus, cccc_str_t group_id, struct cccc_work *then);
/* Tell the core of ledgers that could not be opened. */
void cccc_ledgers_report_broken(struct cccc_bus *bus);
/* Hand batches of dirty ledgers to the commit threads. */
void cccc_ledgers_commit(struct cccc_bus *bus);
/* Write the marks of ledgers that have been quiet for a second; or of all. */
void cccc_ledgers_write_marks(struct cccc_bus *bus);
void cccc_ledgers_write_all_marks(struct cccc_bus *bus);
/* Open groups again that are offline, or take no appends for a reason that may pass, now and then. */
void cccc_ledgers_retry_offline(struct cccc_bus *bus);
/* Once a second: a group whose folder somebody removed goes offline, and everybody hears of it. */
void cccc_ledgers_look_for_folders(struct cccc_bus *bus);
/* When the next mark is due, in monotonic microseconds; UINT64_MAX: none. */
uint64_t cccc_ledgers_next_mark_us(const struct cccc_ledgers *self);
/* Give up the seals that are under way: the daemon stops. */
void cccc_ledgers_cancel_seals(struct cccc_bus *bus);
/* Nothing dirty, nothing away. */
bool cccc_ledgers_are_settled(const struct cccc_ledgers *self);
void cccc_ledgers_close_all(struct cccc_ledgers *self);
