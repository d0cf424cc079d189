/* subscriptions.h - what the followers on the XPUB asked for, so that nothing is sent that nobody can match.
 *
 * A set of topic prefixes, kept from the subscribe and unsubscribe messages of the XPUB (which reports a prefix when its first follower comes and
 * when its last one goes). Over SUBSCRIPTIONS_MAX the set stops filtering and everything is published: a cap may cost time, never an event.
 * Thread: the loop's. */
#pragma once

#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cccc_prefix;

struct cccc_subscriptions {
    struct cccc_prefix *prefixes; /* uthash */
    uint32_t count;
    uint32_t of_length[CCCC_TOPIC_BYTES_MAX + 1]; /* prefixes of each length */
    uint32_t longest;
    uint32_t of_first[256]; /* prefixes that begin with each byte */
    bool overflowed;        /* no longer filters */
};

/* Forget all. One of zeros is empty and needs no init. */
void cccc_subscriptions_fini(struct cccc_subscriptions *self);
/* Take in one message of the XPUB: byte 1 subscribes, byte 0 unsubscribes, anything else is ignored. False when it was a subscription over
 * the cap. */
bool cccc_subscriptions_take(struct cccc_subscriptions *self, const void *bytes, size_t len);
/* Could anybody want `topic`? */
bool cccc_subscriptions_match(const struct cccc_subscriptions *self, const char *topic, size_t len);
/* Could anybody want a topic that begins with `letter`? */
bool cccc_subscriptions_any(const struct cccc_subscriptions *self, char letter);
