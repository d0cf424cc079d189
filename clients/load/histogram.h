/* histogram.h - how often which duration came: log-linear buckets, so that a percentile is true to one part in 128 from 1 ns to 18 minutes.
 *
 * Adding is a few instructions and takes no memory, so it may stand in the path that is measured. One writer; readers come when it has ended. */
#pragma once

#include <stdint.h>

#define HISTOGRAM_SUB_BITS   7
#define HISTOGRAM_SUB        (1 << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_VALUE_BITS 40 /* longer ones count as the longest */
#define HISTOGRAM_BUCKETS    ((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
    uint64_t count, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *self, uint64_t value);
void histogram_merge(struct histogram *self, const struct histogram *from);
/* The smallest value such that at least `part` (0..1) of all are not above it, rounded up to its bucket's end but never above max. 0 when empty. */
uint64_t histogram_quantile(const struct histogram *self, double part);
