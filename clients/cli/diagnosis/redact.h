/* redact.h - what may leave a home in a bundle of evidence: secrets never do, and what people and agents wrote only when it is asked for.
 *
 * Texts lose, in this order: what is known to be secret (values of environment variables), private keys, authorization headers and cookies,
 * users and passwords in URLs, tokens that are known by their form, what stands behind a name like `token=`, and strings that look random. A place that was
 * cut says so: [redacted:why]. It may cut too much; what matters is that it does not cut too little.
 * Values keep numbers, and the strings of members that hold ids, words of the protocol, times and places; all other strings are somebody's text.
 * Thread: one. */
#pragma once

#include "proto/value.h"

enum redact_kind {
    REDACT_KNOWN,
    REDACT_KEY,
    REDACT_HEADER,
    REDACT_URL,
    REDACT_FORM,
    REDACT_NAMED,
    REDACT_RANDOM,
    REDACT_ENVIRONMENT,
    REDACT_ARGUMENTS,
    REDACT_SCREEN,
    REDACT_BODY,
    REDACT_KINDS
};

struct redactor;

/* `bodies`: what people and agents wrote stays, but for the secrets in it. Freed by redact_free, which nulls. */
struct redactor *redact_new(bool bodies);
void redact_free(struct redactor **self);

/* From now on `secret` is cut wherever it stands, also as JSON would write it; of several lines each. Shorter than 4 bytes it is not looked for. */
void redact_learn(struct redactor *self, cccc_str_t secret);
/* Is this the name of something secret: API_TOKEN, password, authorization? */
bool redact_is_secret_name(cccc_str_t name);

/* Append `text` without secrets. */
void redact_text(struct redactor *self, cccc_str_t text, cccc_buf_t *out);
/* The same value without secrets: all members named like one, all values of `env`, all but the first word of `command`, all of
 * a terminal's `screen`; and without bodies. Lives in
 * `arena` and borrows from nothing. redact_value.c */
cccc_value_t redact_value(struct redactor *self, cccc_arena_t *arena, const cccc_value_t *value);

/* How often something of this kind was cut so far, and what it is. */
uint64_t redact_count(const struct redactor *self, enum redact_kind kind);
const char *redact_what(enum redact_kind kind);

/* For redact_value.c: the same for a text that is an id, where hex digits are no secret; counting; keeping bodies. */
void redact_id(struct redactor *self, cccc_str_t text, cccc_buf_t *out);
void redact_note(struct redactor *self, enum redact_kind kind);
bool redact_keeps_bodies(const struct redactor *self);
