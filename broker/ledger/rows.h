/* rows.h - what a read has found: packed events back to back, and gaps. Thread: the read's. */
#pragma once

#include "broker/ledger/ledger.h"

struct cccc_rows {
    cccc_buf_t events;
    uint64_t *seqs; /* event_count of them */
    uint32_t *ends; /* event i is events[ends[i-1]..ends[i]) */
    uint32_t event_count, event_room;
    struct cccc_gap *gaps;
    uint32_t gap_count, gap_room;
};

/* Without rows; and free them. */
void cccc_rows_init(struct cccc_rows *self);
void cccc_rows_fini(struct cccc_rows *self);
/* Pack `event` behind the others. */
void cccc_rows_add_event(struct cccc_rows *self, const struct cccc_event *event);
/* Take the last event back. */
void cccc_rows_drop_last(struct cccc_rows *self);
void cccc_rows_add_gap(struct cccc_rows *self, const struct cccc_gap *gap);
/* Copy `from`'s events from the `skip`-th on, and its gaps above `after_seq`, behind ours. */
void cccc_rows_append(struct cccc_rows *self, const struct cccc_rows *from, uint32_t skip, uint64_t after_seq);
