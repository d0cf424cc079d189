/* engine.h - what the broker needs of any storage engine. The file engine (ledger.h) is the only one for now.
 *
 * lead: an instance takes a group and gets an epoch higher than any before it; append: records that continue (prev_seq, prev_id) become durable
 * in order, or the answer is FENCED (another leads), CONFLICT (the head is another) or UNKNOWN (ask again with the same client_id);
 * read and follow: by seq. For the file engine: lead is the ledger lock plus the instance epoch, an append's continuity is asserted by seq and
 * the chain, CONFLICT is foreign bytes in the file, UNKNOWN is a failed sync.
 * Thread: as ledger.h. */
#pragma once

#include "broker/ledger/ledger.h"

struct cccc_engine {
    const char *name;
    cccc_err_t (*lead)(const struct cccc_ledger_options *options, cccc_ledger_t **out, struct cccc_recovery *report, struct cccc_errmsg *m);
    void (*append)(cccc_ledger_t *self, const struct cccc_event *event);
    cccc_batch_t *(*take)(cccc_ledger_t *self);
    void (*commit)(cccc_batch_t *batch);
    void (*done)(cccc_ledger_t *self, cccc_batch_t **batch, struct cccc_commit *result);
    cccc_read_t *(*plan_read)(cccc_ledger_t *self, const struct cccc_read_query *query);
    void (*run_read)(cccc_read_t *self);
    void (*resign)(cccc_ledger_t **self);
};

extern const struct cccc_engine cccc_engine_file;
