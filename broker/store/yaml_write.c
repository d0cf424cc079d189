/* yaml_write.c - values to YAML text: block style, insertion order, as CCCC 0.4.0 laid its files out.
 *
 * A text is written plain only where every YAML 1.1 reader takes it for the same text, as a literal block when it has several ordinary
 * lines, and in quotes otherwise. Invariant: cccc_yaml_read of what is written gives the same value, within the reader's limits.
 * Thread: none; pure. */
#include "broker/store/store.h"
#include "broker/store/yaml.h"
#include "proto/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SIMPLE_KEY_BYTES_MAX = 1000 /* a key with more is written after "? "; YAML 1.1 allows 1,024 characters before the colon */
};

static void write_node(cccc_buf_t *out, const cccc_value_t *v, size_t indent);

/* ---- characters ---- */

/* The code point at *p, which is moved behind it; `p` is in valid UTF-8. */
static uint32_t next_char(const char **p)
{
    const unsigned char *u = (const unsigned char *)*p;
    int more = u[0] < 0x80 ? 0 : u[0] < 0xe0 ? 1 : u[0] < 0xf0 ? 2 : 3;
    uint32_t c = more ? u[0] & (0x3fu >> more) : u[0];
    for (int i = 1; i <= more; i++)
        c = c << 6 | (u[i] & 0x3fu);
    *p += more + 1;
    return c;
}

/* Printable on one line, for YAML: not a control, not one of its further line breaks (U+0085, U+2028, U+2029), no byte order mark. */
static bool is_printable(uint32_t c)
{
    if (c < 0xa0)
        return c >= 0x20 && c < 0x7f;
    return c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

static bool is_printable_line(const char *p, const char *end)
{
    while (p < end)
        if (!is_printable(next_char(&p)))
            return false;
    return true;
}

/* ---- scalars ---- */

/* Conservative: more is quoted than must be, and also what only other readers take for a boolean (y, n). */
static bool is_plain(cccc_str_t s)
{
    cccc_value_t value;
    const char *why;
    if (s.len == 0 || s.len > 200 || (s.len == 1 && strchr("yYnN", s.ptr[0])) || !is_printable_line(s.ptr, s.ptr + s.len))
        return false;
    unsigned char first = (unsigned char)s.ptr[0];
    if (!isalpha(first) && first != '_' && first != '/' && first < 0x80)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i], next = i + 1 < s.len ? (unsigned char)s.ptr[i + 1] : ' ';
        bool fine = c >= 0x80 || isalnum(c) || strchr("_-./@+=,;()", c) || ((c == ' ' || c == ':') && next != ' ' && next != ':');
        if (!fine)
            return false;
    }
    return cccc_yaml_resolve(s, &value, &why) == CCCC_YAML_TEXT;
}

static void write_single_quoted(cccc_buf_t *out, cccc_str_t s)
{
    cccc_buf_put(out, "'", 1);
    for (size_t i = 0; i < s.len; i++)
        cccc_buf_put(out, s.ptr[i] == '\'' ? "''" : s.ptr + i, s.ptr[i] == '\'' ? 2 : 1);
    cccc_buf_put(out, "'", 1);
}

static void write_double_quoted(cccc_buf_t *out, cccc_str_t s)
{
    cccc_buf_put(out, "\"", 1);
    for (const char *p = s.ptr, *end = s.ptr + s.len; p < end;) {
        const char *from = p;
        uint32_t c = next_char(&p);
        char escape[12];
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", (int)c);
        else if (c == '\n' || c == '\t' || c == '\r')
            snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else if (!is_printable(c))
            snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02X" : "\\u%04X", (unsigned)c);
        else {
            cccc_buf_put(out, from, (size_t)(p - from));
            continue;
        }
        cccc_buf_str(out, escape);
    }
    cccc_buf_put(out, "\"", 1);
}

/* Several lines of ordinary text with at most one newline at the end: a literal block gives them back byte for byte. Blanks at the start, at
 * the end of a line or on an empty one would need an indentation indicator or get lost in an editor. */
static bool is_literal(cccc_str_t s)
{
    const char *p = s.ptr, *end = s.ptr + s.len;
    if (!memchr(s.ptr, '\n', s.len) || isspace((unsigned char)s.ptr[0]))
        return false;
    if (s.len > 1 && end[-1] == '\n' && end[-2] == '\n')
        return false;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        if (!is_printable_line(p, stop) || (stop > p && stop[-1] == ' '))
            return false;
        p = stop + 1;
    }
    return true;
}

static void write_indent(cccc_buf_t *out, size_t indent)
{
    for (size_t i = 0; i < indent; i++)
        cccc_buf_put(out, " ", 1);
}

/* "|" or "|-" and the lines, each with its newline but the last. */
static void write_literal(cccc_buf_t *out, cccc_str_t s, size_t indent)
{
    bool ends = s.ptr[s.len - 1] == '\n';
    cccc_buf_str(out, ends ? "|" : "|-");
    for (const char *p = s.ptr, *end = s.ptr + s.len - ends; p <= end;) {
        const char *newline = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        const char *stop = newline ? newline : end;
        cccc_buf_put(out, "\n", 1);
        if (stop > p) {
            write_indent(out, indent);
            cccc_buf_put(out, p, (size_t)(stop - p));
        }
        p = stop + 1;
    }
}

static void write_line_text(cccc_buf_t *out, cccc_str_t s)
{
    if (is_plain(s))
        cccc_buf_put(out, s.ptr, s.len);
    else if (is_printable_line(s.ptr, s.ptr + s.len))
        write_single_quoted(out, s);
    else
        write_double_quoted(out, s);
}

/* The shortest digits that read back as the same number, with the point and the signed exponent YAML 1.1 asks for. */
static void write_double(cccc_buf_t *out, double d)
{
    char digits[40];
    CCCC_ASSERT(isfinite(d), "a number that is none: %f", d);
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, d);
        if (strtod(digits, NULL) == d)
            break;
    }
    size_t mantissa = strcspn(digits, "e");
    cccc_buf_put(out, digits, mantissa);
    if (!memchr(digits, '.', mantissa))
        cccc_buf_str(out, ".0");
    cccc_buf_str(out, digits + mantissa);
}

/* A value without members, on the rest of the line; a literal goes on below at `indent`. */
static void write_scalar(cccc_buf_t *out, const cccc_value_t *v, size_t indent)
{
    char number[24];
    cccc_str_t s;
    switch (v->type) {
    case MSGPACK_OBJECT_NIL:
        cccc_buf_str(out, "null");
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        cccc_buf_str(out, v->via.boolean ? "true" : "false");
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        snprintf(number, sizeof number, "%" PRIu64, v->via.u64);
        cccc_buf_str(out, number);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        snprintf(number, sizeof number, "%" PRId64, v->via.i64);
        cccc_buf_str(out, number);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        write_double(out, v->via.f64);
        break;
    case MSGPACK_OBJECT_MAP:
        cccc_buf_str(out, "{}");
        break;
    case MSGPACK_OBJECT_ARRAY:
        cccc_buf_str(out, "[]");
        break;
    default:
        CCCC_ASSERT(cccc_as_str(v, &s), "a value of type %d cannot be YAML", (int)v->type);
        if (is_literal(s))
            write_literal(out, s, indent);
        else
            write_line_text(out, s);
    }
}

/* ---- maps and arrays ---- */

static bool has_members(const cccc_value_t *v)
{
    return (cccc_is_map(v) && v->via.map.size) || (cccc_is_array(v) && v->via.array.size);
}

/* "key:", or "? key" and ":" below it. */
static void write_key(cccc_buf_t *out, const cccc_value_t *key, size_t indent)
{
    size_t before = out->size;
    write_line_text(out, (cccc_str_t){key->via.str.ptr, key->via.str.size});
    if (out->size - before > SIMPLE_KEY_BYTES_MAX) {
        out->size = before;
        cccc_buf_str(out, "? ");
        write_line_text(out, (cccc_str_t){key->via.str.ptr, key->via.str.size});
        cccc_buf_str(out, "\n");
        write_indent(out, indent);
    }
    cccc_buf_str(out, ":");
}

/* The first member goes on where the line is, the others begin lines of their own at `indent`. */
static void write_map(cccc_buf_t *out, const cccc_value_t *map, size_t indent)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const cccc_value_t *value = &map->via.map.ptr[i].val;
        if (i)
            write_indent(out, indent);
        write_key(out, &map->via.map.ptr[i].key, indent);
        if (!has_members(value)) {
            cccc_buf_str(out, " ");
            write_scalar(out, value, indent + 2);
            cccc_buf_str(out, "\n");
            continue;
        }
        size_t below = cccc_is_array(value) ? indent : indent + 2;
        cccc_buf_str(out, "\n");
        write_indent(out, below);
        write_node(out, value, below);
    }
}

static void write_array(cccc_buf_t *out, const cccc_value_t *array, size_t indent)
{
    for (uint32_t i = 0; i < array->via.array.size; i++) {
        if (i)
            write_indent(out, indent);
        cccc_buf_str(out, "- ");
        write_node(out, &array->via.array.ptr[i], indent + 2);
    }
}

/* `v` from the current column on, to the end of a line. */
static void write_node(cccc_buf_t *out, const cccc_value_t *v, size_t indent)
{
    if (!has_members(v)) {
        write_scalar(out, v, indent ? indent : 2);
        cccc_buf_str(out, "\n");
    } else if (cccc_is_map(v)) {
        write_map(out, v, indent);
    } else {
        write_array(out, v, indent);
    }
}

void cccc_yaml_write(const cccc_value_t *v, cccc_buf_t *out)
{
    write_node(out, v, 0);
}
