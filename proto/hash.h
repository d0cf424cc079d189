/* hash.h - 64 bits out of some bytes, in about an instruction a byte: for tables in memory, and to tell one request from another.
 *
 * Not for secrets, and not against whoever looks for collisions: those who choose what is hashed here only meet themselves.
 * A digest of it is in the ledger (client_digest), and hashes of client ids are in files beside it, so the same bytes give the same number on every machine and in every version.
 * Thread: none; pure. */
#pragma once

#include "proto/err.h"
#include "proto/str.h"

#include <stdint.h>

/* Chain pieces by passing the previous result as `seed`; lengths count, so ("ab", "c") is not ("a", "bc"). */
uint64_t cccc_hash64(uint64_t seed, cccc_str_t bytes);

/* Of two pieces, and never 0: what a client id of a speaker is known by. */
static inline uint64_t cccc_hash64_pair(cccc_str_t first, cccc_str_t second)
{
    uint64_t hash = cccc_hash64(cccc_hash64(0, first), second);
    return hash ? hash : 1;
}

/* What uthash hashes keys with in every file that includes this: its own hash is a page of code wherever a table is touched. */
#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)cccc_hash64(0, (cccc_str_t){(const char *)(key), (len)}))
/* Its own way is to exit without a word. */
#define uthash_fatal(what) CCCC_ASSERT(false, "uthash: %s", what)
#include <uthash.h>
