/* event.h - the event, and the one codec for its two forms: a msgpack map on the wire and a JSON line in the ledger.
 *
 * Wire form, keys in this order: v, id, ts, seq, kind, group_id, scope_key, by, attest, data, then unknown members (of later versions) as found.
 * Line form: the same, then epoch, dur, prev, crc, and a newline. Compact JSON, UTF-8 unescaped. `prev` and `crc` are 8 lower-case
 * hex digits. `crc` is CRC32C of every byte of the line before `,"crc":`. The seal's members have no place in the wire form: ignored there.
 * Thread: none; pure. */
#pragma once

#include "proto/err.h"
#include "proto/value.h"

#define CCCC_EVENT_VERSION 1

struct cccc_event {
    cccc_str_t id;   /* 32 lower-case hex; see cccc_event_id_make */
    cccc_str_t ts;   /* UTC, YYYY-MM-DDTHH:MM:SS.ffffffZ */
    uint64_t seq;    /* 1.. per group; 0 = a line of an older format that has none */
    cccc_str_t kind; /* kinds.def, or unknown and kept */
    cccc_str_t group_id;
    cccc_str_t scope_key; /* "" where the kind has none */
    cccc_str_t by;        /* the principal, as the broker knows it */
    cccc_value_t attest;  /* how the broker knows it (map), or nil */
    cccc_value_t data;    /* map */
    cccc_value_t extra;   /* map of unknown members, or nil; kept and covered by crc */
};

/* What a line carries for the ledger itself. */
struct cccc_seal {
    uint64_t epoch; /* instance epoch of the writer */
    uint64_t dur;   /* highest seq known durable when the line was written */
    uint32_t prev;  /* crc of the previous line; 0 for the first */
    uint32_t crc;   /* of this line */
};

/* Append the wire form to `out`. Borrows. */
void cccc_event_pack(const struct cccc_event *event, cccc_buf_t *out);
/* Decode the wire form. Strings borrow `bytes`; the rest lives in `arena`. CCCC_E_INVALID_REQUEST with a reason in *m. */
cccc_err_t cccc_event_unpack(const char *bytes, size_t len, cccc_arena_t *arena, struct cccc_event *event, struct cccc_errmsg *m);
/* The same from an already decoded value. */
cccc_err_t cccc_event_from_value(const cccc_value_t *v, cccc_arena_t *arena, struct cccc_event *event, struct cccc_errmsg *m);

/* Append the line form with its newline; sets seal->crc from the bytes written. */
void cccc_line_write(const struct cccc_event *event, struct cccc_seal *seal, cccc_buf_t *out);
/* Decode one line without its newline. `seal` all zero and event->seq 0 for a line of an older format (no seq, no crc): that is not
 * an error. Does not check the checksum: cccc_line_inspect does. CCCC_E_BAD_LINE with a reason in *m. */
cccc_err_t cccc_line_read(const char *bytes, size_t len, cccc_arena_t *arena, struct cccc_event *event, struct cccc_seal *seal,
                          struct cccc_errmsg *m);

enum cccc_line_state {
    CCCC_LINE_SOUND,  /* our format, checksum holds */
    CCCC_LINE_LEGACY, /* a JSON object without seq and crc, as CCCC 0.4.0 writes */
    CCCC_LINE_BROKEN  /* anything else */
};

/* Judge one line (no newline) without decoding its data: finds seq at the head and epoch, dur, prev, crc at the tail by the fixed
 * order of fields, and checks the checksum. For whole-file scans; at least 500 MB/s. `*seq` is set for sound lines only. */
enum cccc_line_state cccc_line_inspect(const char *bytes, size_t len, uint64_t *seq, struct cccc_seal *seal);

/* Event ids are opaque to clients. Ours are 12 hex of Unix milliseconds, 10 hex of seq and 10 hex of randomness, so that an id finds its
 * line without an index. `out` gets 32 characters and a NUL. */
void cccc_event_id_make(char out[33], uint64_t unix_ms, uint64_t seq, uint64_t random);
/* The seq an id of ours names, or 0 when `id` is not 32 lower-case hex. A foreign id may yield any number: compare the line's id. */
uint64_t cccc_event_id_seq(cccc_str_t id);

/* `out` gets "YYYY-MM-DDTHH:MM:SS.ffffffZ" and a NUL (28 bytes). */
void cccc_ts_format(char out[28], int64_t unix_us);
/* Microseconds since 1970; accepts what reference 0.1 accepts. False for anything else. */
bool cccc_ts_parse(cccc_str_t ts, int64_t *unix_us);
/* Days since 1970-01-01 to a date of the Gregorian calendar, and back. Months and days from 1. */
void cccc_civil_from_days(int64_t days, int *year, int *month, int *day);
int64_t cccc_days_from_civil(int year, int month, int day);

/* CRC32C (Castagnoli), as in RFC 3720 appendix B.4. Start with crc 0; chain by passing the previous result. */
uint32_t cccc_crc32c(uint32_t crc, const void *bytes, size_t len);
