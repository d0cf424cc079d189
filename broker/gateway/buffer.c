/* buffer.c - see buffer.h. */
#include "broker/gateway/buffer.h"

#include "proto/err.h"

#include <stdlib.h>
#include <string.h>

/* Not worth giving back. */
enum { SLACK_BYTES = 1024 };

size_t buffer_size(const struct buffer *b)
{
    return b->end - b->start;
}

static void resize(struct buffer *b, size_t *sum, size_t capacity)
{
    if (b->start > 0)
        memmove(b->data, b->data + b->start, buffer_size(b));
    b->end -= b->start;
    b->start = 0;
    *sum = *sum - b->capacity + capacity;
    b->capacity = capacity;
    if (capacity == 0) {
        free(b->data);
        b->data = NULL;
        return;
    }
    b->data = realloc(b->data, capacity);
    CCCC_ASSERT(b->data, "out of memory");
}

void buffer_add(struct buffer *b, size_t *sum, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    if (b->end + len > b->capacity) {
        size_t wanted = buffer_size(b) + len;
        resize(b, sum, wanted > b->capacity ? wanted + wanted / 2 : b->capacity);
    }
    CCCC_ASSERT(b->data && b->capacity - b->end >= len, "no room for %zu bytes", len);
    memcpy(b->data + b->end, bytes, len);
    b->end += len;
}

void buffer_trim(struct buffer *b, size_t *sum)
{
    size_t size = buffer_size(b);
    if (b->capacity > 2 * size + SLACK_BYTES || (size == 0 && b->capacity > 0))
        resize(b, sum, size);
}

void buffer_clear(struct buffer *b, size_t *sum)
{
    b->end = b->start;
    buffer_trim(b, sum);
}
