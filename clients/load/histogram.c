/* histogram.c - log-linear buckets: values below 128 have one each, every further power of two is cut into 128 of equal width. */
#include "clients/load/histogram.h"

#include <math.h>
#include <stddef.h>

#define VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)

static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB)
        return (size_t)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (size_t)(shift + 1) * HISTOGRAM_SUB + (size_t)(value >> shift) - HISTOGRAM_SUB;
}

/* The largest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_SUB) - 1;
    return ((bucket % HISTOGRAM_SUB + HISTOGRAM_SUB + 1) << shift) - 1;
}

void histogram_add(struct histogram *self, uint64_t value)
{
    self->count++;
    self->max = value > self->max ? value : self->max;
    self->buckets[bucket_of(value < VALUE_MAX ? value : VALUE_MAX)]++;
}

void histogram_merge(struct histogram *self, const struct histogram *from)
{
    self->count += from->count;
    self->max = from->max > self->max ? from->max : self->max;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        self->buckets[i] += from->buckets[i];
}

uint64_t histogram_quantile(const struct histogram *self, double part)
{
    uint64_t wanted = (uint64_t)ceil(part * (double)self->count), seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += self->buckets[i];
        if (seen > 0 && seen >= wanted)
            return i + 1 == HISTOGRAM_BUCKETS || bucket_end(i) > self->max ? self->max : bucket_end(i);
    }
    return 0;
}
