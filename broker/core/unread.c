/* unread.c - the unread seqs of one lane of one reader: a posting list of varint differences.
 *
 * Pushed at the end, dropped from the front: a cursor never moves back. Only a recall takes one out of the middle. About one byte an event, so that an inbox nobody reads costs
 * little, and counting and listing do not depend on the ledger's length.
 * Thread: the core's. */
#include "broker/core/call.h"

#include <stdlib.h>

static uint64_t varint_read(const unsigned char *bytes, uint32_t *at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    unsigned char byte;
    do {
        byte = bytes[(*at)++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

/* Room for one more varint: first by closing the gap in front, then by growing. */
static void make_room(struct cccc_unread *u)
{
    if (u->capacity - u->end >= 10)
        return;
    if (u->start > u->capacity / 2) {
        memmove(u->bytes, u->bytes + u->start, u->end - u->start);
        u->end -= u->start;
        u->start = 0;
    }
    if (u->capacity - u->end >= 10)
        return;
    CCCC_ASSERT(u->capacity < UINT32_MAX / 2, "(unread list of 2 GiB)");
    u->capacity = u->capacity ? u->capacity * 2 : 32;
    u->bytes = realloc(u->bytes, u->capacity);
    CCCC_ASSERT(u->bytes, "(out of memory)");
}

/* The list holds the differences after the first seq, which is kept apart. */
void unread_push(struct cccc_unread *u, uint64_t seq)
{
    CCCC_ASSERT(seq > u->last, "(%llu after %llu)", (unsigned long long)seq, (unsigned long long)u->last);
    if (u->count == 0) {
        u->first = seq;
    } else {
        make_room(u);
        uint64_t difference = seq - u->last;
        while (difference >= 0x80) {
            u->bytes[u->end++] = (unsigned char)(difference | 0x80);
            difference >>= 7;
        }
        u->bytes[u->end++] = (unsigned char)difference;
    }
    u->last = seq;
    u->count++;
}

void unread_drop_through(struct cccc_unread *u, uint64_t seq)
{
    if (u->count == 0 || seq < u->first)
        return;
    if (seq >= u->last) {
        unread_fini(u);
        return;
    }
    while (u->first <= seq) {
        u->first += varint_read(u->bytes, &u->start);
        u->count--;
    }
}

uint32_t unread_peek(const struct cccc_unread *u, uint64_t *seqs, uint32_t max)
{
    uint64_t seq = u->first;
    uint32_t at = u->start, n = 0;
    while (n < max && n < u->count) {
        seqs[n++] = seq;
        if (n < u->count)
            seq += varint_read(u->bytes, &at);
    }
    return n;
}

bool unread_has(const struct cccc_unread *u, uint64_t seq)
{
    uint64_t each = u->first;
    uint32_t at = u->start;
    if (u->count == 0 || seq < u->first || seq > u->last)
        return false;
    while (each < seq)
        each += varint_read(u->bytes, &at);
    return each == seq;
}

void unread_remove(struct cccc_unread *u, uint64_t seq)
{
    struct cccc_unread without = {0};
    uint64_t each = u->first;
    uint32_t at = u->start;
    if (!unread_has(u, seq))
        return;
    for (uint64_t i = 0; i < u->count; i++) {
        if (each != seq)
            unread_push(&without, each);
        if (i + 1 < u->count)
            each += varint_read(u->bytes, &at);
    }
    unread_fini(u);
    *u = without;
}

void unread_fini(struct cccc_unread *u)
{
    free(u->bytes);
    *u = (struct cccc_unread){0};
}
