/* reports.c - see reports.h. A ring of places: an id is looked for from the youngest back, which is where repeats are. */
#include "broker/hold/reports.h"

#include "proto/wire.h"

#include <stdlib.h>
#include <string.h>

/* A heard report larger than this is forgotten: only orders to show something have such, and showing it again is harmless. */
enum { KEPT_BYTES_MAX = 1024 };

void reports_init(struct reports *self)
{
    *self = (struct reports){0};
}

static void forget(struct report *report)
{
    if (report->packed.data)
        cccc_buf_fini(&report->packed);
    *report = (struct report){0};
}

void reports_fini(struct reports *self)
{
    for (uint32_t i = 0; i < CCCC_HOLD_OUTCOMES_KEPT; i++)
        forget(&self->all[i]);
}

static struct report *find(struct reports *self, cccc_str_t order_id)
{
    for (uint32_t i = 1; i <= CCCC_HOLD_OUTCOMES_KEPT; i++) {
        struct report *r = &self->all[(self->next + CCCC_HOLD_OUTCOMES_KEPT - i) % CCCC_HOLD_OUTCOMES_KEPT];
        if (r->state != REPORT_FREE && cccc_str_is(order_id, r->order_id))
            return r;
    }
    return NULL;
}

bool reports_begin(struct reports *self, cccc_str_t order_id)
{
    if (order_id.len == 0 || order_id.len > ORDER_ID_BYTES_MAX)
        return false;
    struct report *known = find(self, order_id);
    if (known) {
        if (known->state == REPORT_HEARD)
            known->state = REPORT_PENDING;
        return false;
    }
    struct report *r = &self->all[self->next];
    self->next = (self->next + 1) % CCCC_HOLD_OUTCOMES_KEPT;
    forget(r);
    r->state = REPORT_OPEN;
    memcpy(r->order_id, order_id.ptr, order_id.len);
    return true;
}

void reports_end(struct reports *self, const char *order_id, const char *outcome, const char *reason, const char *evidence,
                 const cccc_value_t *result)
{
    struct report *r = find(self, cccc_str(order_id));
    CCCC_ASSERT(r && r->state == REPORT_OPEN, "(an order ends once)");
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_builder_t map = cccc_map_builder(arena, 5);
    cccc_map_add(&map, "order_id", cccc_text(r->order_id));
    cccc_map_add(&map, "outcome", cccc_text(outcome));
    if (*reason)
        cccc_map_add(&map, "reason", cccc_text(reason));
    if (*evidence)
        cccc_map_add(&map, "evidence", cccc_text(evidence));
    if (result)
        cccc_map_add(&map, "result", *result);
    cccc_buf_init(&r->packed);
    cccc_pack_value(&r->packed, &map.value);
    cccc_arena_destroy(&arena);
    r->state = REPORT_PENDING;
}

bool reports_waiting(const struct reports *self)
{
    for (uint32_t i = 0; i < CCCC_HOLD_OUTCOMES_KEPT; i++)
        if (self->all[i].state == REPORT_PENDING && self->all[i].sent_in == 0)
            return true;
    return false;
}

cccc_value_t reports_take(struct reports *self, uint64_t serial, cccc_arena_t *arena)
{
    cccc_builder_t list = cccc_array_builder(arena, 4);
    for (uint32_t i = 0; i < CCCC_HOLD_OUTCOMES_KEPT && list.value.via.array.size < CCCC_HOLD_ORDERS_MAX; i++) {
        struct report *r = &self->all[(self->next + i) % CCCC_HOLD_OUTCOMES_KEPT];
        cccc_value_t one;
        if (r->state != REPORT_PENDING || r->sent_in != 0)
            continue;
        if (cccc_msgpack_read(r->packed.data, r->packed.size, CCCC_FRAME_BYTES_MAX, arena, &one, NULL) == CCCC_OK)
            cccc_array_add(&list, one);
        r->sent_in = serial;
    }
    return list.value;
}

void reports_heard(struct reports *self, uint64_t serial, bool heard)
{
    for (uint32_t i = 0; i < CCCC_HOLD_OUTCOMES_KEPT; i++) {
        struct report *r = &self->all[i];
        if (r->state != REPORT_PENDING || r->sent_in != serial)
            continue;
        r->sent_in = 0;
        r->state = heard ? REPORT_HEARD : REPORT_PENDING;
        if (heard && r->packed.size > KEPT_BYTES_MAX)
            forget(r);
    }
}
