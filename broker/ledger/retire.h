/* retire.h - removing the oldest sealed segments because the operator's rule says so. FORMAT.md has the order and why it may be interrupted.
 *
 * Stages, each an owned message: choose (what the rule wants gone), write (the base and the manifests), and, once no read needs the files any more, remove. As long as it is under
 * way no seal is, and the other way round.
 * Thread: the stages' work in any; the rest in the ledger's owner's. */
#pragma once

#include "broker/ledger/ledger.h"
#include "broker/ledger/snapshot.h"

typedef struct cccc_retiring cccc_retiring_t;

struct cccc_retire_rule {
    uint64_t max_bytes;     /* the files of sealed segments may take together; 0: any */
    int64_t before_unix_us; /* segments whose last event is older go; 0: none do */
    uint64_t safe_seq;      /* this event and all behind it stay */
};

/* NULL when the rule can want nothing, a seal or a retirement is under way, or the ledger is not well. */
cccc_retiring_t *cccc_ledger_take_retirement(cccc_ledger_t *self, const struct cccc_retire_rule *rule);
/* Any thread: which segments go. */
void cccc_retire_choose(cccc_retiring_t *self);
/* After choose: the last event that goes; 0: none does. */
uint64_t cccc_retire_through(const cccc_retiring_t *self);
/* Any thread: the base, which is `state` of the position `of` at or behind retire_through, then the manifests. `at`: seconds since 1970. */
void cccc_retire_write(cccc_retiring_t *self, const struct cccc_snapshot *of, const cccc_buf_t *state, uint64_t at);

struct cccc_retire_result {
    cccc_err_t err;
    struct cccc_errmsg message;
    uint64_t first_seq, last_seq; /* retired; 0: nothing */
    uint64_t bytes;               /* of files */
    uint32_t segments;
};
/* Owner, after write: reads that are planned from now on find gaps. After an error the ledger is as it was. */
void cccc_ledger_retire_done(cccc_ledger_t *self, cccc_retiring_t *done, struct cccc_retire_result *result);
/* Owner, after done: does no read need the files any more? */
bool cccc_retire_may_remove(const cccc_retiring_t *self);
/* Any thread. What stays for whatever reason, the next start removes. */
void cccc_retire_remove(cccc_retiring_t *self);
/* Owner, at any stage but while one runs. Takes and nulls. */
void cccc_ledger_retire_end(cccc_ledger_t *self, cccc_retiring_t **done);
