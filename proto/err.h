/* err.h - every error there is, by one table (errors.def): an internal code, the word on the wire, what it means, the exit status.
 *
 * Thread: none; pure. */
#pragma once

#include <stddef.h>

typedef enum cccc_err {
    CCCC_OK = 0,
#define CCCC_ERROR(name, code, exit_status, meaning) CCCC_E_##name,
#include "proto/errors.def"
#undef CCCC_ERROR
    CCCC_E_COUNT
} cccc_err_t;

/* The word on the wire ("group_not_found"); "ok" for CCCC_OK. Static. */
const char *cccc_err_code(cccc_err_t err);
/* One sentence for documents and for messages that carry no better one. Static. */
const char *cccc_err_meaning(cccc_err_t err);
/* What the command line exits with for it. */
int cccc_err_exit_status(cccc_err_t err);
/* The error whose wire word is `code`, or CCCC_E_INTERNAL for an unknown one. */
cccc_err_t cccc_err_from_code(const char *code, size_t len);

/* A message that is wrapped on the way up: "open group: g_12ab: bad checksum at byte 8192". */
struct cccc_errmsg {
    char text[512];
};

/* printf into it; NULL `m` is ignored. Returns `err`, so that callers write `return cccc_fail(m, CCCC_E_IO, "...")`. */
cccc_err_t cccc_fail(struct cccc_errmsg *m, cccc_err_t err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " in front. Returns `err`. */
cccc_err_t cccc_wrap(struct cccc_errmsg *m, cccc_err_t err, const char *prefix);

/* A bug: prints file, line and the message to stderr and aborts. Always on. */
#define CCCC_ASSERT(cond, ...)                                                                                                             \
    do {                                                                                                                                   \
        if (__builtin_expect(!(cond), 0))                                                                                                  \
            cccc_assert_failed(__FILE__, __LINE__, #cond, " " __VA_ARGS__);                                                                \
    } while (0)
_Noreturn void cccc_assert_failed(const char *file, int line, const char *cond, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
