/* tables.c - proto_tables: the tables of PROTOCOL.md, printed from the .def files.
 *
 *   proto_tables check FILE   exit 0 when every table in FILE is as it would be printed and none is missing
 *   proto_tables write FILE   bring the tables in FILE up to date
 *
 * A table stands between the lines `<!-- begin NAME -->` and `<!-- end NAME -->`; NAME is ops, errors, kinds, limits, or op OP for the arguments of
 * one operation. */
#include "proto/err.h"
#include "proto/kinds.h"
#include "proto/limits.h"
#include "proto/ops.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void put(cccc_buf_t *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(cccc_buf_t *out, const char *fmt, ...)
{
    char line[2048];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    CCCC_ASSERT(len >= 0 && (size_t)len < sizeof line);
    cccc_buf_put(out, line, (size_t)len);
}

/* ---- the tables ---- */

static void put_ops(cccc_buf_t *out)
{
    put(out, "| op | what it does |\n|---|---|\n");
    for (unsigned i = 0; i < CCCC_OP_COUNT; i++) {
        const struct cccc_op_def *def = cccc_op_def((cccc_op_t)i);
        put(out, "| [`%s`](#%s) | %s |\n", def->name, def->name, def->summary);
    }
}

static void put_errors(cccc_buf_t *out)
{
    put(out, "| code | exit | meaning |\n|---|---|---|\n");
    for (unsigned i = CCCC_OK + 1; i < CCCC_E_COUNT; i++)
        put(out, "| `%s` | %d | %s |\n", cccc_err_code((cccc_err_t)i), cccc_err_exit_status((cccc_err_t)i),
            cccc_err_meaning((cccc_err_t)i));
}

static void put_kinds(cccc_buf_t *out)
{
    put(out, "| kind | written when |\n|---|---|\n");
    for (unsigned i = CCCC_KIND_UNKNOWN + 1; i < CCCC_KIND_COUNT; i++)
        put(out, "| `%s` | %s |\n", cccc_kind_word((cccc_kind_t)i), cccc_kind_meaning((cccc_kind_t)i));
}

static void put_limits(cccc_buf_t *out)
{
    static const struct {
        const char *name;
        int64_t value;
        const char *unit, *meaning;
    } rows[] = {
#define CCCC_LIMIT(name, value, unit, meaning) {#name, (value), unit, meaning},
#include "proto/limits.def"
#undef CCCC_LIMIT
    };
    put(out, "| limit | value | at the limit |\n|---|---|---|\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        put(out, "| `%s` | %" PRId64 " %s | %s |\n", rows[i].name, rows[i].value, rows[i].unit, rows[i].meaning);
}

static const char *type_word(cccc_arg_type_t type)
{
    static const char *const words[] = {
        [CCCC_ARG_PRIORITY] = "priority", [CCCC_ARG_STR] = "string",        [CCCC_ARG_TEXT] = "text",    [CCCC_ARG_GROUP_ID] = "group id",
        [CCCC_ARG_ACTOR_ID] = "actor id", [CCCC_ARG_EVENT_ID] = "event id", [CCCC_ARG_BOOL] = "boolean", [CCCC_ARG_UINT] = "unsigned",
        [CCCC_ARG_INT] = "integer",       [CCCC_ARG_STRS] = "strings",      [CCCC_ARG_MAP] = "map",      [CCCC_ARG_MAPS] = "maps",
        [CCCC_ARG_ANY] = "any",           [CCCC_ARG_BIN] = "bytes",         [CCCC_ARG_WORDS] = "words",
    };
    return words[type];
}

static void put_max(cccc_buf_t *out, const struct cccc_arg_def *arg)
{
    switch (arg->type) {
    case CCCC_ARG_GROUP_ID:
    case CCCC_ARG_BOOL:
    case CCCC_ARG_MAP:
        put(out, "–");
        break;
    case CCCC_ARG_UINT:
    case CCCC_ARG_INT:
        put(out, "%" PRIu64, arg->max);
        break;
    case CCCC_ARG_STRS:
    case CCCC_ARG_WORDS:
    case CCCC_ARG_MAPS:
        put(out, "%" PRIu64 " items", arg->max);
        break;
    default:
        put(out, "%" PRIu64 " bytes", arg->max);
    }
}

static void put_arguments(cccc_buf_t *out, const struct cccc_op_def *def)
{
    if (def->arg_count == 0) {
        put(out, "No arguments.\n");
        return;
    }
    put(out, "| argument | type | at most | |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < def->arg_count; i++) {
        const struct cccc_arg_def *arg = &def->args[i];
        put(out, "| `%s` | %s | ", arg->name, type_word(arg->type));
        put_max(out, arg);
        if (arg->need == CCCC_REQUIRED)
            put(out, " | **required** (`%s`): %s |\n", cccc_err_code(arg->missing), arg->summary);
        else
            put(out, " | %s |\n", arg->summary);
    }
}

/* Append the table called `name`; false when there is none. */
static bool put_table(cccc_buf_t *out, cccc_str_t name)
{
    static const struct {
        const char *name;
        void (*put)(cccc_buf_t *out);
    } tables[] = {{"ops", put_ops}, {"errors", put_errors}, {"kinds", put_kinds}, {"limits", put_limits}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (cccc_str_is(name, tables[i].name)) {
            tables[i].put(out);
            return true;
        }
    cccc_op_t op;
    if (name.len <= 3 || memcmp(name.ptr, "op ", 3) != 0 || !cccc_op_find((cccc_str_t){name.ptr + 3, name.len - 3}, &op))
        return false;
    put_arguments(out, cccc_op_def(op));
    return true;
}

/* ---- the document ---- */

/* The name in a line `<!-- begin NAME -->`, or "" when it is another line. */
static cccc_str_t begins_table(cccc_str_t line)
{
    static const char head[] = "<!-- begin ", tail[] = " -->";
    size_t around = sizeof head - 1 + sizeof tail - 1;
    if (line.len <= around || memcmp(line.ptr, head, sizeof head - 1) != 0)
        return CCCC_STR("");
    return (cccc_str_t){line.ptr + sizeof head - 1, line.len - around};
}

static cccc_str_t next_line(const char **at, const char *end)
{
    const char *start = *at, *newline = memchr(start, '\n', (size_t)(end - start));
    *at = newline != NULL ? newline + 1 : end;
    return (cccc_str_t){start, (size_t)((newline != NULL ? newline : end) - start)};
}

/* Move *at behind the line `<!-- end NAME -->`. */
static bool skip_table(const char **at, const char *end, cccc_str_t name)
{
    char last[128];
    snprintf(last, sizeof last, "<!-- end %.*s -->", CCCC_STR_FMT(name));
    while (*at < end)
        if (cccc_str_is(next_line(at, end), last))
            return true;
    return false;
}

/* Copy the document with its tables made anew; counts them by op in `seen`. */
static bool renew(const cccc_buf_t *in, cccc_buf_t *out, unsigned *seen)
{
    const char *at = in->data, *end = in->data + in->size;
    while (at < end) {
        cccc_str_t line = next_line(&at, end), name = begins_table(line);
        cccc_buf_put(out, line.ptr, line.len);
        cccc_buf_str(out, "\n");
        if (name.len == 0)
            continue;
        if (!put_table(out, name) || !skip_table(&at, end, name)) {
            fprintf(stderr, "proto_tables: no such table, or it does not end: %.*s\n", CCCC_STR_FMT(name));
            return false;
        }
        put(out, "<!-- end %.*s -->\n", CCCC_STR_FMT(name));
        ++*seen;
    }
    return true;
}

static bool read_file(const char *path, cccc_buf_t *out)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    for (size_t got = 1; got > 0; out->size += got)
        got = fread(cccc_buf_reserve(out, 65536), 1, 65536, f);
    fclose(f);
    return true;
}

static bool write_file(const char *path, const cccc_buf_t *in)
{
    FILE *f = fopen(path, "wb");
    return f != NULL && fwrite(in->data, 1, in->size, f) == in->size && fclose(f) == 0;
}

/* Show the first line that differs. */
static void show_difference(const cccc_buf_t *is, const cccc_buf_t *should)
{
    const char *a = is->data, *b = should->data;
    for (unsigned line = 1; a < is->data + is->size || b < should->data + should->size; line++) {
        cccc_str_t x = next_line(&a, is->data + is->size), y = next_line(&b, should->data + should->size);
        if (!cccc_str_eq(x, y)) {
            fprintf(stderr, "line %u\n is      %.*s\n should be %.*s\nrun: proto_tables write PROTOCOL.md\n", line, CCCC_STR_FMT(x),
                    CCCC_STR_FMT(y));
            return;
        }
    }
}

int main(int argc, char **argv)
{
    bool write = argc == 3 && strcmp(argv[1], "write") == 0, check = argc == 3 && strcmp(argv[1], "check") == 0;
    cccc_buf_t in, out;
    unsigned seen = 0;
    int status = 0;
    cccc_buf_init(&in);
    cccc_buf_init(&out);
    if (!write && !check) {
        fputs("usage: proto_tables check|write FILE\n", stderr);
        status = 2;
    } else if (!read_file(argv[2], &in) || !renew(&in, &out, &seen)) {
        fprintf(stderr, "proto_tables: cannot use %s\n", argv[2]);
        status = 1;
    } else if (write && !write_file(argv[2], &out)) {
        perror(argv[2]);
        status = 1;
    } else if (check && (in.size != out.size || memcmp(in.data, out.data, in.size) != 0)) {
        show_difference(&in, &out);
        status = 1;
    } else if (seen != CCCC_OP_COUNT + 4) {
        fprintf(stderr, "proto_tables: %u tables, expected one per op and 4 more, %d\n", seen, CCCC_OP_COUNT + 4);
        status = 1;
    }
    cccc_buf_fini(&in);
    cccc_buf_fini(&out);
    return status;
}
