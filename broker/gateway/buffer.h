/* buffer.h - bytes that wait, in one direction of one connection.
 *
 * What all buffers of a direction have allocated is summed in `sum`, the gateway's, so that all of them together can be bounded. An empty buffer has no
 * memory: ten thousand idle connections cost their places only.
 * Thread: the gateway's. */
#pragma once

#include <stddef.h>

struct buffer {
    char *data;
    size_t start, end, capacity; /* what is in it: [start, end) */
};

size_t buffer_size(const struct buffer *b);
void buffer_add(struct buffer *b, size_t *sum, const void *bytes, size_t len);
/* Give memory back that is not needed for what is in it. */
void buffer_trim(struct buffer *b, size_t *sum);
void buffer_clear(struct buffer *b, size_t *sum);
