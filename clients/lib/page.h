/* page.h - one answer of ledger_read, handed out row by row: its events and gaps merged by seq. */
#pragma once

#include "clients/lib/internal.h"

struct page {
    cccc_reply_t *reply; /* NULL: no page */
    const msgpack_object *events, *gaps;
    uint32_t event_next, gap_next;
    uint64_t checked_seq; /* everything up to here is in this page or does not match */
    uint64_t head_seq;
    bool more;
};

enum page_row { PAGE_EVENT, PAGE_GAP, PAGE_END };

/* Take a good reply of ledger_read. */
void page_open(struct page *self, cccc_reply_t **reply);
void page_close(cccc_t *client, struct page *self);
uint32_t page_event_count(const struct page *self);
/* The i-th event. */
const msgpack_object *page_event(const struct page *self, uint32_t i);
/* What comes next, without passing it. */
enum page_row page_peek(const struct page *self, const msgpack_object **row);
void page_pass(struct page *self, enum page_row row);
