/* unread.c - the unread seqs of one lane of one reader: a posting list of varint differences.
 *
 * Pushed at the end, dropped from the front: a cursor never moves back. Only a recall takes one out of the middle. About one byte an event, so that an inbox nobody reads costs
 * little, and counting and listing do not depend on the ledger's length.
 * Thread: the core's. */
#include "broker/core/snapshot.h"

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

/* How many bytes it took, at most 10. */
static uint32_t varint_write(unsigned char *bytes, uint64_t value)
{
    uint32_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    return n;
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
        u->end += varint_write(u->bytes + u->end, seq - u->last);
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

/* Make one difference out of the two at [at, middle) and [middle, end): the shorter side of the list gives way. The new one never needs more bytes. */
static void join_differences(struct cccc_unread *u, uint32_t at, uint32_t middle, uint32_t end)
{
    uint32_t i = at, j = middle;
    unsigned char joined[10];
    uint64_t difference = varint_read(u->bytes, &i);
    difference += varint_read(u->bytes, &j);
    uint32_t len = varint_write(joined, difference), spare = end - at - len;
    if (at - u->start < u->end - end) {
        memmove(u->bytes + u->start + spare, u->bytes + u->start, at - u->start);
        u->start += spare;
        memcpy(u->bytes + end - len, joined, len);
    } else {
        memmove(u->bytes + at + len, u->bytes + end, u->end - end);
        u->end -= spare;
        memcpy(u->bytes + at, joined, len);
    }
}

void unread_remove(struct cccc_unread *u, uint64_t seq)
{
    uint64_t before = u->first, each = u->first;
    uint32_t at = u->start, middle = u->start;
    if (u->count == 0 || seq < u->first || seq > u->last)
        return;
    if (seq == u->first) {
        unread_drop_through(u, seq);
        return;
    }
    while (each < seq) {
        before = each;
        at = middle;
        each += varint_read(u->bytes, &middle);
    }
    if (each != seq)
        return;
    if (seq == u->last) {
        u->last = before;
        u->end = at;
    } else {
        uint32_t end = middle;
        varint_read(u->bytes, &end);
        join_differences(u, at, middle, end);
    }
    u->count--;
}

void unread_fini(struct cccc_unread *u)
{
    free(u->bytes);
    *u = (struct cccc_unread){0};
}

/* ---- the snapshot ---- */

void unread_save(const struct cccc_unread *u, cccc_buf_t *out)
{
    cccc_pack_array(out, 4);
    cccc_pack_uint(out, u->count);
    cccc_pack_uint(out, u->first);
    cccc_pack_uint(out, u->last);
    cccc_pack_bin(out, u->bytes ? (const char *)u->bytes + u->start : "", u->end - u->start);
}

/* Do the bytes hold `count` - 1 differences, as unread_push writes them, that lead from `first` to `last`? */
static bool is_sound(const unsigned char *bytes, size_t len, uint64_t count, uint64_t first, uint64_t last)
{
    uint64_t seq = first, n = 1;
    for (size_t at = 0; at < len; n++) {
        uint64_t difference = 0;
        unsigned shift = 0;
        do {
            difference |= (uint64_t)(bytes[at] & 0x7f) << shift;
            shift += 7;
        } while (bytes[at++] & 0x80 && at < len && shift < 63);
        if (bytes[at - 1] & 0x80 || difference == 0 || difference > last - seq)
            return false;
        seq += difference;
    }
    return n == count && seq == last;
}

bool unread_load(struct cccc_unread *u, const cccc_value_t *v, uint64_t head)
{
    const cccc_value_t *row = snapshot_row(v, 4);
    uint64_t count, first, last;
    if (!row || !cccc_as_uint(&row[0], &count) || !cccc_as_uint(&row[1], &first) || !cccc_as_uint(&row[2], &last) ||
        row[3].type != MSGPACK_OBJECT_BIN)
        return false;
    const unsigned char *bytes = (const unsigned char *)row[3].via.bin.ptr;
    uint32_t len = row[3].via.bin.size;
    if (count == 0)
        return first == 0 && last == 0 && len == 0;
    if (first == 0 || last < first || last > head || len >= UINT32_MAX / 2 || !is_sound(bytes, len, count, first, last))
        return false;
    *u = (struct cccc_unread){.end = len, .capacity = len, .count = count, .first = first, .last = last};
    u->bytes = len > 0 ? malloc(len) : NULL;
    CCCC_ASSERT(u->bytes || len == 0, "(out of memory)");
    if (len > 0)
        memcpy(u->bytes, bytes, len);
    return true;
}
