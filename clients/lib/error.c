/* error.c - filling struct cccc_error; time and chance for the other files. */
#include "clients/lib/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

int client_fail(struct cccc_error *err, cccc_err_t code, const char *outcome, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    snprintf(err->code, sizeof err->code, "%s", cccc_err_code(code));
    snprintf(err->outcome, sizeof err->outcome, "%s", outcome);
    err->cause[0] = '\0';
    err->exit_status = cccc_err_exit_status(code);
    return -1;
}

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint32_t random_below(uint32_t bound)
{
    uint32_t r = 0;
    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
        r = (uint32_t)now_ms();
    return bound ? r % bound : 0;
}
