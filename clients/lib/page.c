/* page.c - one answer of ledger_read, handed out row by row. */
#include "clients/lib/page.h"

static const msgpack_object no_rows = {.type = MSGPACK_OBJECT_ARRAY};

static const msgpack_object *rows_of(const msgpack_object *result, const char *key)
{
    const msgpack_object *rows = cccc_get(result, key);
    return cccc_is_array(rows) ? rows : &no_rows;
}

void page_open(struct page *self, cccc_reply_t **reply)
{
    const msgpack_object *result = (*reply)->result;
    *self = (struct page){
        .reply = *reply,
        .events = rows_of(result, "events"),
        .gaps = rows_of(result, "gaps"),
        .checked_seq = cccc_get_uint(result, "checked_seq", 0),
        .head_seq = cccc_get_uint(result, "head_seq", 0),
        .more = cccc_get_bool(result, "more", false),
    };
    *reply = NULL;
}

void page_close(cccc_t *client, struct page *self)
{
    reply_recycle(client, &self->reply);
    *self = (struct page){0};
}

uint32_t page_event_count(const struct page *self)
{
    return self->events->via.array.size;
}

const msgpack_object *page_event(const struct page *self, uint32_t i)
{
    return &self->events->via.array.ptr[i];
}

enum page_row page_peek(const struct page *self, const msgpack_object **row)
{
    const msgpack_object *event = self->event_next < self->events->via.array.size ? page_event(self, self->event_next) : NULL;
    const msgpack_object *gap = self->gap_next < self->gaps->via.array.size ? &self->gaps->via.array.ptr[self->gap_next] : NULL;
    if (event && gap && cccc_get_uint(gap, "from_seq", 0) < cccc_get_uint(event, "seq", 0))
        event = NULL;
    *row = event ? event : gap;
    if (event)
        return PAGE_EVENT;
    return gap ? PAGE_GAP : PAGE_END;
}

void page_pass(struct page *self, enum page_row row)
{
    self->event_next += row == PAGE_EVENT;
    self->gap_next += row == PAGE_GAP;
}
