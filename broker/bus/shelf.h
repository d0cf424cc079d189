/* shelf.h - one ledger's place in the executor: what of it is away, and what waits for it. For ledgers.c and sealing.c.
 *
 * Thread: the loop's. */
#pragma once

#include "broker/bus/ledgers.h"
#include "broker/ledger/retire.h"
#include "broker/ledger/seal.h"
#include "broker/ledger/snapshot.h"

/* What happens to a ledger once everything of it is back. OPENING: it is being read again. */
enum leaving { STAYS, TO_REFOLD, TO_TRASH, OPENING };

struct commit_job {
    struct cccc_work work;
    struct cccc_shelf *shelf;
    cccc_batch_t *batch; /* NULL: none is out */
};

struct mark_job {
    struct cccc_work work;
    struct cccc_shelf *shelf;
    cccc_mark_t *mark; /* NULL: none is out */
};

struct read_job {
    struct cccc_work work;
    struct cccc_shelf *shelf;
    cccc_read_t *read;
    cccc_ticket_t ticket;
    struct cccc_read_query query;
    cccc_arena_t *arena;
    struct cccc_link held;
};

struct open_job {
    struct cccc_work work;
    struct cccc_shelf *shelf;
    struct cccc_folding *folding; /* NULL: none is out */
};

/* A seal's stages, one after the other (seal.h). */
struct sealing {
    struct cccc_work work;
    struct cccc_shelf *shelf;
    cccc_sealing_t *seal; /* NULL: none is under way */
    bool waits;           /* for a moment when no batch and no mark is out */
    unsigned rounds;      /* of catching up */
    cccc_ticket_t ticket; /* of the call that asked for it; 0 = nobody did */
    uint64_t look_at;     /* bytes of ledger.jsonl at which it is worth asking whether to seal */
    uint64_t looked_us;   /* when it was asked last */
};

/* A retirement's stages (retire.h). */
struct retiring {
    struct cccc_work work;
    struct cccc_shelf *shelf;
    cccc_retiring_t *retirement; /* NULL: none is under way */
    struct cccc_snapshot of;
    cccc_buf_t state; /* that will stand for what goes; of `of` */
    uint64_t at;      /* seconds since 1970 */
    bool waits;       /* for reads that need the files */
    bool asked;       /* by somebody who takes it that the loop is held up */
    bool held;        /* the state was too large last time, and the log says so */
    uint64_t look_us; /* when the tick looks at the group again */
};

/* The state that was saved last (snapshots.h). */
struct snapshotting {
    uint64_t seq;   /* it is of; also when it could not be written */
    uint64_t bytes; /* of the file */
    bool out;       /* one is being written */
    bool failed;    /* and the last one could not be */
};

struct cccc_shelf {
    cccc_slot_t slot;
    char group_id[16];
    cccc_ledger_t *ledger; /* NULL: the group is offline, or gone */
    struct commit_job commit;
    struct mark_job mark;
    struct open_job open;
    struct sealing sealing;
    struct retiring retiring;
    struct snapshotting snapshot;
    uint32_t reads_out;
    struct cccc_list held; /* reads wanted while the ledger is leaving */
    enum leaving leaving;
    struct cccc_work *then;
    struct cccc_link dirty, quiet, broken;
    struct cccc_list *dirty_in; /* the list `dirty` is in, or was in last */
    uint64_t quiet_since_us;
    struct cccc_errmsg why_broken;
    char offline[256]; /* "" or why the ledger is not open */
    bool unborn;       /* begun for a new group, and nothing of it is durable yet: its folder may be missing */
    bool again;        /* opening it is tried again: it is offline, or takes no appends for a reason that may pass */
    char refused[640]; /* "" or why an edit of group.yaml does not count */
    uint64_t retry_at_us, retry_after_us;
};

/* It has lines to commit. */
void cccc_shelf_become_dirty(struct cccc_bus *bus, struct cccc_shelf *shelf);
/* Something of it has come back: whatever waited for that happens now. */
void cccc_shelf_settle(struct cccc_bus *bus, struct cccc_shelf *shelf);

/* ---- sealing.c ---- */

/* The ledger has grown: seal it if it is time. */
void cccc_sealing_look(struct cccc_bus *bus, struct cccc_shelf *shelf);
/* Nothing was appended for a while: a good moment for a seal that waited for one. */
void cccc_sealing_rest(struct cccc_bus *bus, struct cccc_shelf *shelf);
/* Seal now, `force` although it is small; the call with that ticket is told what came of it. None is under way. */
void cccc_sealing_now(struct cccc_bus *bus, struct cccc_shelf *shelf, cccc_ticket_t ticket, bool force);
/* Take the next step of a seal that waited. */
void cccc_sealing_go_on(struct cccc_bus *bus, struct cccc_shelf *shelf);
