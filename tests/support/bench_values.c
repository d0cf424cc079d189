/* bench_values.c - JSON in and out, and the trace; see bench_core.h. */
#include "tests/support/bench_private.h"

#include "proto/hash.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- values ---- */

cccc_value_t bench_json_of(bench_t *self, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert_true(n >= 0);
    char *text = cccc_arena_alloc(self->arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, args);
    for (char *c = text; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    cccc_value_t v = cccc_nil();
    struct cccc_errmsg m = {""};
    if (cccc_json_read(text, (size_t)n, self->arena, &v, &m) != CCCC_OK)
        fail_msg("bad JSON in a test: %s: %s", m.text, text);
    return v;
}

cccc_value_t bench_json(bench_t *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cccc_value_t v = bench_json_of(self, format, args);
    va_end(args);
    return v;
}

const char *bench_text(bench_t *self, const cccc_value_t *v)
{
    if (!v)
        return "(missing)";
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_json_write(v, &out);
    cccc_str_t text = cccc_arena_str(self->arena, (cccc_str_t){out.data, out.size});
    cccc_buf_fini(&out);
    return text.ptr;
}

const cccc_value_t *bench_at(const cccc_value_t *v, const char *path)
{
    char key[64];
    while (v && *path) {
        size_t n = strcspn(path, ".");
        assert_true(n < sizeof key);
        memcpy(key, path, n);
        key[n] = '\0';
        path += n + (path[n] == '.');
        if (cccc_is_array(v)) {
            uint32_t i = (uint32_t)atoi(key);
            v = i < v->via.array.size ? &v->via.array.ptr[i] : NULL;
        } else {
            v = cccc_get(v, key);
        }
    }
    return v;
}

const char *bench_str_at(bench_t *self, const cccc_value_t *v, const char *path)
{
    cccc_str_t s;
    if (!cccc_as_str(bench_at(v, path), &s))
        return "(missing)";
    return cccc_arena_str(self->arena, s).ptr;
}

uint64_t bench_uint_at(const cccc_value_t *v, const char *path)
{
    uint64_t u = UINT64_MAX;
    cccc_as_uint(bench_at(v, path), &u);
    return u;
}

const char *bench_code(const cccc_value_t *reply)
{
    cccc_str_t code = cccc_get_str(cccc_get(reply, "error"), "code");
    return code.len ? cccc_err_code(cccc_err_from_code(code.ptr, code.len)) : "ok";
}

/* ---- the trace ---- */

void bench_narrate(bench_t *self, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (const char *const *word = self->quiet; word && *word; word++) {
        if (strncmp(text, *word, strlen(*word)) == 0)
            return;
    }
    /* Group ids are shown as their aliases. */
    for (const char *c = text; *c;) {
        const struct ledger *found = NULL;
        for (uint32_t i = 0; i < self->ledger_count && !found; i++) {
            if (strncmp(c, self->ledgers[i]->id, strlen(self->ledgers[i]->id)) == 0)
                found = self->ledgers[i];
        }
        if (found)
            cccc_buf_str(&self->trace, found->alias);
        else
            cccc_buf_put(&self->trace, c, 1);
        c += found ? strlen(found->id) : 1;
    }
    cccc_buf_str(&self->trace, "\n");
}

const char *bench_trace(bench_t *self)
{
    self->shown.size = 0;
    cccc_buf_put(&self->shown, self->trace.data, self->trace.size);
    cccc_buf_put(&self->shown, "", 1);
    self->trace.size = 0;
    return self->shown.data;
}

void bench_quiet(bench_t *self, const char *const *words)
{
    self->quiet = words;
}
