/* dedupe.c - a compact multimap from 64-bit hashes to seqs: open addressing, 12 bytes an entry.
 *
 * An entry keeps 56 bits of the hash and 40 bits of the seq (as many as an event id carries). A home slot is the hash scaled to the table's size, so entries
 * lie in the order of their hashes and a growing table is refilled front to back, at memory speed. Large tables grow by a
 * quarter, small ones double.
 * A hit is a candidate: 56 equal bits are not proof, the ledger's line is.
 * Thread: the core's. */
#include "broker/core/snapshot.h"

#include <endian.h>
#include <stdlib.h>

#define SLOTS_MIN         64u
#define SLOTS_DOUBLED_MAX 65536u
#define SEQ_MAX           ((1ull << 40) - 1)

struct entry {
    uint32_t words[3]; /* hash bits 63..32; hash bits 31..8 and seq bits 39..32; seq bits 31..0. seq 0: free */
};

struct cccc_dedupe {
    struct entry *entries;
    uint32_t slots;
    uint32_t used;
};

static struct entry entry_make(uint64_t hash, uint64_t seq)
{
    return (struct entry){{(uint32_t)(hash >> 32), (uint32_t)(hash & 0xffffff00u) | (uint32_t)(seq >> 32), (uint32_t)seq}};
}

static uint64_t entry_seq(const struct entry *e)
{
    return ((uint64_t)(e->words[1] & 0xff) << 32) | e->words[2];
}

static bool entry_is_free(const struct entry *e)
{
    return entry_seq(e) == 0;
}

static bool entry_has_hash(const struct entry *e, const struct entry *probe)
{
    return e->words[0] == probe->words[0] && (e->words[1] ^ probe->words[1]) < 0x100;
}

/* Lemire, "Fast random integer generation in an interval" (2019): the multiplication in place of a remainder keeps the order of hashes. */
static uint32_t entry_home(const struct cccc_dedupe *self, const struct entry *e)
{
    return (uint32_t)(((uint64_t)e->words[0] * self->slots) >> 32);
}

static uint32_t slot_after(const struct cccc_dedupe *self, uint32_t slot)
{
    return slot + 1 == self->slots ? 0 : slot + 1;
}

static void table_alloc(struct cccc_dedupe *self, uint32_t slots)
{
    self->entries = calloc(slots, sizeof *self->entries);
    CCCC_ASSERT(self->entries, "(out of memory)");
    self->slots = slots;
}

struct cccc_dedupe *dedupe_new(void)
{
    struct cccc_dedupe *self = calloc(1, sizeof *self);
    CCCC_ASSERT(self, "(out of memory)");
    return self;
}

void dedupe_destroy(struct cccc_dedupe **self)
{
    if (*self)
        free((*self)->entries);
    free(*self);
    *self = NULL;
}

uint64_t dedupe_hash(cccc_str_t by, cccc_str_t client_id)
{
    return cccc_hash64_pair(by, client_id);
}

/* Put an entry behind its home; the table has room. */
static void put(struct cccc_dedupe *self, struct entry e)
{
    uint32_t slot = entry_home(self, &e);
    while (!entry_is_free(&self->entries[slot]))
        slot = slot_after(self, slot);
    self->entries[slot] = e;
}

static void grow(struct cccc_dedupe *self)
{
    struct cccc_dedupe old = *self;
    CCCC_ASSERT(old.slots < UINT32_MAX / 2, "(2^31 client ids)");
    table_alloc(self, old.slots < SLOTS_DOUBLED_MAX ? old.slots * 2 : old.slots + old.slots / 4);
    for (uint32_t i = 0; i < old.slots; i++) {
        if (!entry_is_free(&old.entries[i]))
            put(self, old.entries[i]);
    }
    free(old.entries);
}

/* The slot that holds exactly this pair, or the free one where it would be put. There are slots. */
static uint32_t find_pair(const struct cccc_dedupe *self, const struct entry *e)
{
    uint32_t slot = entry_home(self, e);
    while (!entry_is_free(&self->entries[slot]) && memcmp(&self->entries[slot], e, sizeof *e) != 0)
        slot = slot_after(self, slot);
    return slot;
}

void dedupe_add(struct cccc_dedupe *self, uint64_t hash, uint64_t seq)
{
    CCCC_ASSERT(seq > 0 && seq <= SEQ_MAX, "(seq %llu)", (unsigned long long)seq);
    struct entry e = entry_make(hash, seq);
    if (self->slots == 0)
        table_alloc(self, SLOTS_MIN);
    uint32_t slot = find_pair(self, &e);
    if (!entry_is_free(&self->entries[slot]))
        return;
    self->entries[slot] = e;
    /* Linear probing stays short up to about 7/8 full. */
    if (++self->used > self->slots - self->slots / 8)
        grow(self);
}

void dedupe_drop_through(struct cccc_dedupe *self, uint64_t seq)
{
    struct cccc_dedupe old = *self;
    uint32_t left = 0;
    for (uint32_t i = 0; i < old.slots; i++)
        left += entry_seq(&old.entries[i]) > seq;
    if (left == old.used)
        return;
    *self = (struct cccc_dedupe){.used = left};
    if (left > 0)
        table_alloc(self, left + left / 4 + SLOTS_MIN);
    for (uint32_t i = 0; i < old.slots && left > 0; i++) {
        if (entry_seq(&old.entries[i]) > seq)
            put(self, old.entries[i]);
    }
    free(old.entries);
}

/* Knuth, The Art of Computer Programming, volume 3, 6.4, algorithm R: close the hole by moving back what may move. */
void dedupe_remove(struct cccc_dedupe *self, uint64_t hash, uint64_t seq)
{
    struct entry e = entry_make(hash, seq);
    if (self->used == 0)
        return;
    uint32_t hole = find_pair(self, &e);
    if (entry_is_free(&self->entries[hole]))
        return;
    for (uint32_t slot = slot_after(self, hole); !entry_is_free(&self->entries[slot]); slot = slot_after(self, slot)) {
        uint32_t home = entry_home(self, &self->entries[slot]);
        bool reachable = hole <= slot ? home > hole && home <= slot : home > hole || home <= slot;
        if (!reachable) {
            self->entries[hole] = self->entries[slot];
            hole = slot;
        }
    }
    self->entries[hole] = (struct entry){{0, 0, 0}};
    self->used--;
}

void dedupe_prepare(const struct cccc_dedupe *self, uint64_t hash)
{
    struct entry probe = entry_make(hash, 0);
    if (self->slots > 0)
        __builtin_prefetch(&self->entries[entry_home(self, &probe)], 1);
}

uint32_t dedupe_find(const struct cccc_dedupe *self, uint64_t hash, uint64_t *seqs, uint32_t max)
{
    uint32_t n = 0;
    struct entry probe = entry_make(hash, 0);
    if (self->slots == 0)
        return 0;
    for (uint32_t slot = entry_home(self, &probe); n < max && !entry_is_free(&self->entries[slot]); slot = slot_after(self, slot)) {
        if (entry_has_hash(&self->entries[slot], &probe))
            seqs[n++] = entry_seq(&self->entries[slot]);
    }
    return n;
}

uint64_t dedupe_count(const struct cccc_dedupe *self)
{
    return self->used;
}

/* ---- the snapshot: entries of 12 bytes, 56 bits of hash and 40 of seq, most significant byte first ---- */

static void put_word(unsigned char *at, uint32_t word)
{
    uint32_t there = htobe32(word);
    memcpy(at, &there, sizeof there);
}

static uint32_t word_at(const unsigned char *at)
{
    uint32_t there;
    memcpy(&there, at, sizeof there);
    return be32toh(there);
}

static uint32_t count_through(const struct cccc_dedupe *self, uint64_t head)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->slots; i++)
        count += !entry_is_free(&self->entries[i]) && entry_seq(&self->entries[i]) <= head;
    return count;
}

void dedupe_save(const struct cccc_dedupe *self, uint64_t head, cccc_buf_t *out)
{
    size_t len = (size_t)count_through(self, head) * sizeof(struct entry);
    CCCC_ASSERT(len <= UINT32_MAX, "(a table of %zu bytes)", len);
    cccc_pack_bin_head(out, len);
    unsigned char *at = (unsigned char *)cccc_buf_reserve(out, len);
    for (uint32_t i = 0; i < self->slots; i++) {
        const struct entry *e = &self->entries[i];
        if (entry_is_free(e) || entry_seq(e) > head)
            continue;
        for (int word = 0; word < 3; word++, at += 4)
            put_word(at, e->words[word]);
    }
    out->size += len;
}

bool dedupe_load(struct cccc_dedupe *self, const cccc_value_t *v, uint64_t head)
{
    if (v->type != MSGPACK_OBJECT_BIN || v->via.bin.size % sizeof(struct entry) != 0)
        return false;
    const unsigned char *at = (const unsigned char *)v->via.bin.ptr, *end = at + v->via.bin.size;
    uint32_t count = v->via.bin.size / (uint32_t)sizeof(struct entry);
    if (self->slots == 0 && count > 0)
        table_alloc(self, count + count / 4 + SLOTS_MIN);
    for (; at < end; at += sizeof(struct entry)) {
        struct entry e = {{word_at(at), word_at(at + 4), word_at(at + 8)}};
        if (entry_is_free(&e) || entry_seq(&e) > head)
            return false;
        dedupe_add(self, (uint64_t)e.words[0] << 32 | (e.words[1] & 0xffffff00u), entry_seq(&e));
    }
    return true;
}
