/* reports.h - what became of orders: each is carried out at most once, and its outcome is told until the daemon has heard it.
 *
 * Thread: the holder's one. */
#pragma once

#include "proto/limits.h"
#include "proto/value.h"

enum { ORDER_ID_BYTES_MAX = 64 };

enum report_state {
    REPORT_FREE,
    REPORT_OPEN,    /* being carried out */
    REPORT_PENDING, /* known to us, not to the daemon */
    REPORT_HEARD
};

struct report {
    char order_id[ORDER_ID_BYTES_MAX + 1];
    enum report_state state;
    uint64_t sent_in;  /* the request that carries it, 0 = none */
    cccc_buf_t packed; /* the map as sent; given back once heard */
};

struct reports {
    struct report all[CCCC_HOLD_OUTCOMES_KEPT];
    uint32_t next; /* the place to use next: the oldest */
};

/* None; and free what is kept. */
void reports_init(struct reports *self);
void reports_fini(struct reports *self);
/* A new order: true, carry it out. False: it is being carried out, or was, and what became of it is (again) pending; or the id is not one. */
bool reports_begin(struct reports *self, cccc_str_t order_id);
/* What became of it; texts may be "". `result` may be NULL, else a map. */
void reports_end(struct reports *self, const char *order_id, const char *outcome, const char *reason, const char *evidence,
                 const cccc_value_t *result);
/* Is anything pending that no request carries? */
bool reports_waiting(const struct reports *self);
/* An array of what is pending and not under way, at most HOLD_ORDERS_MAX, from now on under way in request `serial`. Lives in `arena`. */
cccc_value_t reports_take(struct reports *self, uint64_t serial, cccc_arena_t *arena);
/* That request was answered, or was not. */
void reports_heard(struct reports *self, uint64_t serial, bool heard);
