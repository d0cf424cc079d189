/* rows.c - growing arrays of what a read has found. */
#include "broker/ledger/rows.h"

#include "broker/ledger/file.h"

#include <stdlib.h>

void cccc_rows_init(struct cccc_rows *self)
{
    *self = (struct cccc_rows){0};
    cccc_buf_init(&self->events);
}

void cccc_rows_fini(struct cccc_rows *self)
{
    cccc_buf_fini(&self->events);
    free(self->seqs);
    free(self->ends);
    free(self->gaps);
}

static void add_seq(struct cccc_rows *self, uint64_t seq)
{
    if (self->event_count == self->event_room) {
        self->event_room = self->event_room ? self->event_room * 2 : 64;
        self->seqs = cccc_room_again(self->seqs, self->event_room, sizeof *self->seqs);
        self->ends = cccc_room_again(self->ends, self->event_room, sizeof *self->ends);
    }
    self->seqs[self->event_count] = seq;
    self->ends[self->event_count++] = (uint32_t)self->events.size;
}

void cccc_rows_add_event(struct cccc_rows *self, const struct cccc_event *event)
{
    cccc_event_pack(event, &self->events);
    add_seq(self, event->seq);
}

void cccc_rows_drop_last(struct cccc_rows *self)
{
    self->event_count--;
    self->events.size = self->event_count ? self->ends[self->event_count - 1] : 0;
}

void cccc_rows_add_gap(struct cccc_rows *self, const struct cccc_gap *gap)
{
    if (self->gap_count == self->gap_room) {
        self->gap_room = self->gap_room ? self->gap_room * 2 : 8;
        self->gaps = cccc_room_again(self->gaps, self->gap_room, sizeof *self->gaps);
    }
    self->gaps[self->gap_count++] = *gap;
}

void cccc_rows_append(struct cccc_rows *self, const struct cccc_rows *from, uint32_t skip, uint64_t after_seq)
{
    for (uint32_t i = skip; i < from->event_count; i++) {
        uint32_t start = i ? from->ends[i - 1] : 0;
        cccc_buf_put(&self->events, from->events.data + start, from->ends[i] - start);
        add_seq(self, from->seqs[i]);
    }
    for (uint32_t i = 0; i < from->gap_count; i++)
        if (from->gaps[i].from_seq > after_seq)
            cccc_rows_add_gap(self, &from->gaps[i]);
}
