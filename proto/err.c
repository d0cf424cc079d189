/* err.c - the error table's lookups, messages that are wrapped on the way up, and the assertion that is always on. */
#include "proto/err.h"

#include "proto/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct error_row {
    const char *code;
    const char *meaning;
    int exit_status;
};

static const struct error_row rows[CCCC_E_COUNT] = {
    [CCCC_OK] = {"ok", "it worked", 0},
#define CCCC_ERROR(name, code, exit_status, meaning) [CCCC_E_##name] = {code, meaning, exit_status},
#include "proto/errors.def"
#undef CCCC_ERROR
};

static const struct error_row *row(cccc_err_t err)
{
    return (unsigned)err < CCCC_E_COUNT ? &rows[err] : &rows[CCCC_E_INTERNAL];
}

const char *cccc_err_code(cccc_err_t err)
{
    return row(err)->code;
}

const char *cccc_err_meaning(cccc_err_t err)
{
    return row(err)->meaning;
}

int cccc_err_exit_status(cccc_err_t err)
{
    return row(err)->exit_status;
}

cccc_err_t cccc_err_from_code(const char *code, size_t len)
{
    for (unsigned i = 0; i < CCCC_E_COUNT; i++)
        if (strlen(rows[i].code) == len && memcmp(rows[i].code, code, len) == 0)
            return (cccc_err_t)i;
    return CCCC_E_INTERNAL;
}

cccc_err_t cccc_fail(struct cccc_errmsg *m, cccc_err_t err, const char *fmt, ...)
{
    if (m == NULL)
        return err;
    va_list args;
    va_start(args, fmt);
    char longer[sizeof m->text + 4];
    vsnprintf(longer, sizeof longer, fmt, args);
    va_end(args);
    cccc_str_t kept = cccc_str_cut(cccc_str(longer), sizeof m->text - 1);
    memcpy(m->text, kept.ptr, kept.len);
    m->text[kept.len] = '\0';
    return err;
}

cccc_err_t cccc_wrap(struct cccc_errmsg *m, cccc_err_t err, const char *prefix)
{
    if (m == NULL)
        return err;
    size_t room = sizeof m->text - 1;
    size_t front = cccc_str_cut(cccc_str(prefix), room / 2).len;
    size_t kept = cccc_str_cut(cccc_str(m->text), room - front - 2).len;
    memmove(m->text + front + 2, m->text, kept);
    memcpy(m->text, prefix, front);
    memcpy(m->text + front, ": ", 2);
    m->text[front + 2 + kept] = '\0';
    return err;
}

void cccc_assert_failed(const char *file, int line, const char *cond, const char *fmt, ...)
{
    fprintf(stderr, "cccc: %s:%d: this must hold and does not: %s", file, line, cond);
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}
