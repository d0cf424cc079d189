/* engine_file.c - the engine contract on one file per group. */
#include "broker/ledger/engine.h"

const struct cccc_engine cccc_engine_file = {
    .name = "file",
    .lead = cccc_ledger_open,
    .append = cccc_ledger_append,
    .take = cccc_ledger_take,
    .commit = cccc_batch_commit,
    .done = cccc_ledger_done,
    .plan_read = cccc_ledger_plan_read,
    .run_read = cccc_read_run,
    .resign = cccc_ledger_close,
};
