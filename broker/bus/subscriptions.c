/* subscriptions.c - a set of prefixes, asked by length: followers use few different lengths, so a match is a few hash lookups. */
#include "broker/bus/subscriptions.h"

#include "proto/err.h"
#include "proto/hash.h"

#include <stdlib.h>
#include <string.h>

struct cccc_prefix {
    UT_hash_handle hh;
    char bytes[];
};

static struct cccc_prefix *find(const struct cccc_subscriptions *self, const void *bytes, size_t len)
{
    struct cccc_prefix *p;
    HASH_FIND(hh, self->prefixes, bytes, len, p);
    return p;
}

static bool add(struct cccc_subscriptions *self, const void *bytes, size_t len)
{
    if (len > CCCC_TOPIC_BYTES_MAX || find(self, bytes, len))
        return true; /* longer than any topic: never matches */
    if (self->count >= CCCC_SUBSCRIPTIONS_MAX) {
        self->overflowed = true;
        return false;
    }
    struct cccc_prefix *p = malloc(sizeof *p + len);
    CCCC_ASSERT(p, "out of memory");
    memcpy(p->bytes, bytes, len);
    HASH_ADD_KEYPTR(hh, self->prefixes, p->bytes, len, p);
    self->count++;
    self->of_length[len]++;
    if (len > 0)
        self->of_first[(unsigned char)p->bytes[0]]++;
    if (len > self->longest)
        self->longest = (uint32_t)len;
    return true;
}

static void drop(struct cccc_subscriptions *self, struct cccc_prefix *p, size_t len)
{
    HASH_DEL(self->prefixes, p);
    if (len > 0)
        self->of_first[(unsigned char)p->bytes[0]]--;
    free(p);
    self->count--;
    self->of_length[len]--;
    while (self->longest > 0 && self->of_length[self->longest] == 0)
        self->longest--;
}

bool cccc_subscriptions_take(struct cccc_subscriptions *self, const void *bytes, size_t len)
{
    const char *p = bytes;
    if (len == 0 || (p[0] != 0 && p[0] != 1))
        return true;
    if (p[0] == 1)
        return add(self, p + 1, len - 1);
    struct cccc_prefix *known = find(self, p + 1, len - 1);
    if (known)
        drop(self, known, len - 1);
    return true;
}

bool cccc_subscriptions_match(const struct cccc_subscriptions *self, const char *topic, size_t len)
{
    if (self->overflowed)
        return true;
    for (size_t n = 0; n <= self->longest && n <= len; n++)
        if (self->of_length[n] && (n == 0 || find(self, topic, n)))
            return true;
    return false;
}

bool cccc_subscriptions_any(const struct cccc_subscriptions *self, char letter)
{
    return self->overflowed || self->of_length[0] > 0 || self->of_first[(unsigned char)letter] > 0;
}

void cccc_subscriptions_fini(struct cccc_subscriptions *self)
{
    struct cccc_prefix *p = self->prefixes;
    HASH_CLEAR(hh, self->prefixes);
    for (struct cccc_prefix *next; p; p = next) {
        next = p->hh.next;
        free(p);
    }
    *self = (struct cccc_subscriptions){0};
}
