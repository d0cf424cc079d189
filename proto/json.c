/* json.c - strict JSON text to values and back.
 *
 * The reader is one recursive pass: items of an open container wait on a stack and move to the arena, exactly fitting, when it closes.
 * Invariants: recursion is at most CCCC_DECODE_DEPTH_MAX deep; every item is counted against CCCC_DECODE_ITEMS_MAX before memory is taken for it. */
#include "proto/json.h"

#include "proto/keys.h"
#include "proto/limits.h"
#include "proto/text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- UTF-8 ---- */

/* Length of the well-formed character at `p`, or 0. The Unicode Standard 15.0, table 3-7. */
static size_t utf8_char(const unsigned char *p, size_t left)
{
    unsigned char c = p[0], low = 0x80, high = 0xbf;
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (len <= 1 || len > left)
        return len > left ? 0 : len;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool cccc_utf8_valid(cccc_str_t s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    if (scan_is_ascii(s.ptr, s.len))
        return true;
    while (i < s.len) {
        uint64_t w;
        while (i + 8 <= s.len && (memcpy(&w, p + i, 8), (w & SCAN_HIGHS) == 0))
            i += 8;
        for (size_t stop = i + 8; i < s.len && i < stop;) {
            size_t len = utf8_char(p + i, s.len - i);
            if (len == 0)
                return false;
            i += len;
        }
    }
    return true;
}

/* ---- reading ---- */

#define STACK_AT_FIRST 96

struct reader {
    const char *start, *at, *end;
    cccc_arena_t *arena;
    struct cccc_errmsg *message;
    cccc_value_t *stack; /* items of the open containers */
    uint32_t top, room;
    uint32_t items;
    unsigned depth;
    cccc_value_t first[STACK_AT_FIRST];
};

static bool read_value(struct reader *r, cccc_value_t *out);

static bool refuse(struct reader *r, const char *at, const char *what)
{
    cccc_fail(r->message, CCCC_E_BAD_JSON, "byte %td: %s", at - r->start, what);
    return false;
}

static void push(struct reader *r, cccc_value_t v)
{
    if (__builtin_expect(r->top == r->room, 0)) {
        size_t bytes = r->room * sizeof v;
        cccc_value_t *bigger = realloc(r->stack == r->first ? NULL : r->stack, bytes * 2);
        CCCC_ASSERT(bigger != NULL, "out of memory for %u open items", r->room * 2);
        if (r->stack == r->first)
            memcpy(bigger, r->first, bytes);
        r->stack = bigger;
        r->room *= 2;
    }
    r->stack[r->top++] = v;
}

/* Move the items above `base` into the arena. */
static void *pop_items(struct reader *r, uint32_t base)
{
    size_t bytes = (r->top - base) * sizeof(cccc_value_t);
    void *items = cccc_arena_alloc(r->arena, bytes);
    memcpy(items, r->stack + base, bytes);
    r->top = base;
    return items;
}

static inline void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

static inline bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool read_hex4(struct reader *r, uint32_t *out)
{
    if (r->end - r->at < 4)
        return refuse(r, r->at, "the text ends in an escape");
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        char c = *r->at++;
        uint32_t digit = c >= '0' && c <= '9'                 ? (uint32_t)(c - '0')
                         : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)((c | 32) - 'a' + 10)
                                                              : 16;
        if (digit == 16)
            return refuse(r, r->at - 1, "an escape needs four hex digits");
        code = code << 4 | digit;
    }
    *out = code;
    return true;
}

/* The code point of \uXXXX, or of a pair of them. */
static bool read_unicode_escape(struct reader *r, uint32_t *out)
{
    const char *at = r->at;
    uint32_t code, low;
    if (!read_hex4(r, &code))
        return false;
    if (code >= 0xdc00 && code <= 0xdfff)
        return refuse(r, at, "half of a surrogate pair");
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!take(r, '\\') || !take(r, 'u'))
            return refuse(r, at, "half of a surrogate pair");
        if (!read_hex4(r, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(r, at, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = code;
    return true;
}

static char *put_utf8(char *p, uint32_t code)
{
    if (code < 0x80) {
        *p++ = (char)code;
    } else if (code < 0x800) {
        *p++ = (char)(0xc0 | code >> 6);
        *p++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *p++ = (char)(0xe0 | code >> 12);
        *p++ = (char)(0x80 | (code >> 6 & 63));
        *p++ = (char)(0x80 | (code & 63));
    } else {
        *p++ = (char)(0xf0 | code >> 18);
        *p++ = (char)(0x80 | (code >> 12 & 63));
        *p++ = (char)(0x80 | (code >> 6 & 63));
        *p++ = (char)(0x80 | (code & 63));
    }
    return p;
}

static bool read_escape(struct reader *r, char **to)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *at = r->at++;
    if (r->at == r->end)
        return refuse(r, at, "the text ends in a string");
    char c = *r->at++;
    if (c == 'u') {
        uint32_t code;
        if (!read_unicode_escape(r, &code))
            return false;
        *to = put_utf8(*to, code);
        return true;
    }
    const char *name = c != '\0' ? strchr(names, c) : NULL;
    if (name == NULL)
        return refuse(r, at, "there is no such escape");
    *(*to)++ = bytes[name - names];
    return true;
}

/* Where the string that starts at `p` ends (its quote), or NULL: an upper bound for what its escapes decode to. */
static const char *closing_quote(const char *p, const char *end)
{
    while (p < end && *p != '"')
        p += *p == '\\' ? 2 : 1;
    return p < end ? p : NULL;
}

/* A string with escapes: r->at is at the first backslash, `begin` where the string begins. */
static bool read_escaped(struct reader *r, const char *begin, cccc_str_t *out)
{
    const char *quote = closing_quote(r->at, r->end);
    if (quote == NULL)
        return refuse(r, begin, "the text ends in a string");
    char *text = cccc_arena_alloc(r->arena, (size_t)(quote - begin)), *to = text;
    memcpy(to, begin, (size_t)(r->at - begin));
    to += r->at - begin;
    while (r->at < quote) {
        bool high = false;
        size_t plain = scan_plain(r->at, (size_t)(quote - r->at), &high);
        memcpy(to, r->at, plain);
        to += plain;
        r->at += plain;
        if (r->at == quote)
            break;
        if (*r->at != '\\')
            return refuse(r, r->at, "a control character in a string");
        if (!read_escape(r, &to))
            return false;
    }
    r->at++;
    *out = (cccc_str_t){text, (size_t)(to - text)};
    if (!cccc_utf8_valid(*out))
        return refuse(r, begin, "a string that is not UTF-8");
    return true;
}

/* The opening quote is behind r->at. */
static bool read_string(struct reader *r, cccc_str_t *out)
{
    const char *begin = r->at;
    bool high = false;
    r->at += scan_plain(begin, (size_t)(r->end - begin), &high);
    if (r->at == r->end)
        return refuse(r, begin, "the text ends in a string");
    if (*r->at == '\\')
        return read_escaped(r, begin, out);
    if (*r->at != '"')
        return refuse(r, r->at, "a control character in a string");
    *out = (cccc_str_t){begin, (size_t)(r->at++ - begin)};
    if (high && !cccc_utf8_valid(*out))
        return refuse(r, begin, "a string that is not UTF-8");
    return true;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* The end of the number at r->at by the grammar of RFC 8259 section 6, or NULL. *whole: it has neither fraction nor exponent. */
static const char *number_end(const struct reader *r, bool *whole)
{
    const char *p = r->at + (*r->at == '-'), *digits = p;
    p = skip_digits(p, r->end);
    if (p == digits || (*digits == '0' && p > digits + 1))
        return NULL;
    *whole = true;
    if (p < r->end && *p == '.') {
        *whole = false;
        digits = ++p;
        p = skip_digits(p, r->end);
        if (p == digits)
            return NULL;
    }
    if (p < r->end && (*p | 32) == 'e') {
        *whole = false;
        p++;
        p += p < r->end && (*p == '+' || *p == '-');
        digits = p;
        p = skip_digits(p, r->end);
        if (p == digits)
            return NULL;
    }
    return p;
}

static bool read_integer(struct reader *r, const char *end, cccc_value_t *out)
{
    bool negative = *r->at == '-';
    uint64_t u = 0;
    for (const char *p = r->at + negative; p < end; p++)
        if (__builtin_mul_overflow(u, 10, &u) || __builtin_add_overflow(u, (uint64_t)(*p - '0'), &u))
            return refuse(r, r->at, "an integer beyond 64 bits");
    if (negative && u > (uint64_t)INT64_MAX + 1)
        return refuse(r, r->at, "an integer beyond 64 bits");
    *out = negative ? cccc_int((int64_t)(0 - u)) : cccc_uint(u);
    r->at = end;
    return true;
}

/* strtod in the C locale whatever the program's is; glibc's "C" locale object is static, so this allocates nothing. */
static double parse_double(const char *text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(c);
    double d = strtod(text, NULL);
    uselocale(before);
    freelocale(c);
    return d;
}

static bool read_number(struct reader *r, cccc_value_t *out)
{
    bool whole = false;
    const char *end = number_end(r, &whole);
    if (end == NULL)
        return refuse(r, r->at, "not a number");
    if (end - r->at > CCCC_NUMBER_BYTES_MAX)
        return refuse(r, r->at, "a number with too many digits");
    if (whole)
        return read_integer(r, end, out);
    char text[CCCC_NUMBER_BYTES_MAX + 1];
    memcpy(text, r->at, (size_t)(end - r->at));
    text[end - r->at] = '\0';
    double d = parse_double(text);
    if (!isfinite(d))
        return refuse(r, r->at, "a number beyond what a double holds");
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = d};
    r->at = end;
    return true;
}

static bool read_array(struct reader *r, cccc_value_t *out)
{
    uint32_t base = r->top;
    skip_space(r);
    while (!take(r, ']')) {
        cccc_value_t item;
        if (r->top > base && !take(r, ','))
            return refuse(r, r->at, r->at == r->end ? "the text ends in an array" : "expected , or ] here");
        skip_space(r);
        if (!read_value(r, &item))
            return false;
        push(r, item);
        skip_space(r);
    }
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_ARRAY, .via.array.size = r->top - base};
    out->via.array.ptr = pop_items(r, base);
    return true;
}

static bool read_object(struct reader *r, cccc_value_t *out)
{
    const char *begin = r->at - 1;
    uint32_t base = r->top;
    skip_space(r);
    while (!take(r, '}')) {
        cccc_str_t key;
        cccc_value_t item;
        if (r->top > base && !take(r, ','))
            return refuse(r, r->at, r->at == r->end ? "the text ends in an object" : "expected , or } here");
        skip_space(r);
        if (!take(r, '"'))
            return refuse(r, r->at, "expected a key in quotes here");
        if (!read_string(r, &key))
            return false;
        skip_space(r);
        if (!take(r, ':'))
            return refuse(r, r->at, "expected : here");
        skip_space(r);
        if (!read_value(r, &item))
            return false;
        push(r, cccc_string(key));
        push(r, item);
        skip_space(r);
    }
    _Static_assert(sizeof(msgpack_object_kv) == 2 * sizeof(cccc_value_t), "pairs are made of two items");
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_MAP, .via.map.size = (r->top - base) / 2};
    out->via.map.ptr = pop_items(r, base);
    if (!cccc_keys_unique(out))
        return refuse(r, begin, "an object with the same key twice");
    return true;
}

static bool read_word(struct reader *r, const char *word, size_t len, cccc_value_t v, cccc_value_t *out)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return refuse(r, r->at, "not a JSON value");
    r->at += len;
    *out = v;
    return true;
}

static bool read_container(struct reader *r, cccc_value_t *out)
{
    if (r->depth == CCCC_DECODE_DEPTH_MAX)
        return refuse(r, r->at, "nested too deeply");
    r->depth++;
    bool ok = *r->at++ == '[' ? read_array(r, out) : read_object(r, out);
    r->depth--;
    return ok;
}

static bool read_value(struct reader *r, cccc_value_t *out)
{
    if (r->at == r->end)
        return refuse(r, r->at, "the text ends where a value should be");
    if (++r->items > CCCC_DECODE_ITEMS_MAX)
        return refuse(r, r->at, "too many values");
    cccc_str_t s;
    switch (*r->at) {
    case '"':
        r->at++;
        if (!read_string(r, &s))
            return false;
        *out = cccc_string(s);
        return true;
    case '{':
    case '[':
        return read_container(r, out);
    case 't':
        return read_word(r, "true", 4, cccc_bool(true), out);
    case 'f':
        return read_word(r, "false", 5, cccc_bool(false), out);
    case 'n':
        return read_word(r, "null", 4, cccc_nil(), out);
    default:
        return read_number(r, out);
    }
}

cccc_err_t cccc_json_read(const char *text, size_t len, cccc_arena_t *arena, cccc_value_t *out, struct cccc_errmsg *m)
{
    if (len > UINT32_MAX)
        return cccc_fail(m, CCCC_E_BAD_JSON, "the text is longer than 4 GiB");
    struct reader r = {.start = text, .at = text, .end = text + len, .arena = arena, .message = m, .room = STACK_AT_FIRST};
    r.stack = r.first;
    cccc_value_t value;
    skip_space(&r);
    bool ok = read_value(&r, &value);
    skip_space(&r);
    if (ok && r.at < r.end)
        ok = refuse(&r, r.at, "more text behind the value");
    if (r.stack != r.first)
        free(r.stack);
    if (!ok)
        return CCCC_E_BAD_JSON;
    *out = value;
    return CCCC_OK;
}

/* ---- writing ---- */

static char *put_escape(char *p, unsigned char c)
{
    static const char short_names[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    static const char hex[] = "0123456789abcdef";
    *p++ = '\\';
    if (c >= 0x20) {
        *p++ = (char)c;
    } else if (short_names[c] != '\0') {
        *p++ = short_names[c];
    } else {
        p = PUT_LITERAL(p, "u00");
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }
    return p;
}

char *cccc_text_escape(cccc_buf_t *b, char *p, const char *s, size_t len)
{
    while (len > 0) {
        p = put_escape(room(b, p, len + 6), (unsigned char)*s++);
        size_t plain = scan_copy_plain(p, s, --len);
        p += plain;
        s += plain;
        len -= plain;
    }
    return p;
}

static unsigned digits_of(uint64_t u)
{
    unsigned digits = 1;
    for (uint64_t power = 10; u >= power && digits < 20; power *= 10)
        digits++;
    return digits;
}

static const char digit_pairs[] = //
    "0001020304050607080910111213141516171819"
    "2021222324252627282930313233343536373839"
    "4041424344454647484950515253545556575859"
    "6061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

char *cccc_text_uint(cccc_buf_t *b, char *p, uint64_t u)
{
    p = room(b, p, 20 + 12);
    char *end = p + digits_of(u), *at = end;
    for (; u >= 100; u /= 100)
        memcpy(at -= 2, digit_pairs + 2 * (u % 100), 2);
    if (u >= 10)
        memcpy(at - 2, digit_pairs + 2 * u, 2);
    else
        at[-1] = (char)('0' + u);
    return end;
}

/* The shortest of 15 to 17 digits that reads back as the same double, always with a point or an exponent. Kept out of its callers: its array
 * would put a stack guard around each value written. */
__attribute__((noinline)) static char *write_double(cccc_buf_t *b, char *p, double d)
{
    CCCC_ASSERT(isfinite(d), "JSON has no %f", d);
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(c);
    char text[40];
    int len = 0, digits = 14;
    do
        len = snprintf(text, sizeof text - 2, "%.*g", ++digits, d);
    while (digits < 17 && strtod(text, NULL) != d);
    uselocale(before);
    freelocale(c);
    p = put_bytes(room(b, p, sizeof text + 8), text, (size_t)len);
    return strpbrk(text, ".e") != NULL ? p : PUT_LITERAL(p, ".0");
}

/* Arrays and objects are kept out of cccc_text_value, so that the many values that are neither cost it no stack frame. */
__attribute__((noinline)) static char *write_array(cccc_buf_t *b, char *p, const msgpack_object_array *array)
{
    p = room(b, p, 8);
    *p++ = '[';
    for (uint32_t i = 0; i < array->size; i++) {
        if (i > 0)
            *p++ = ',';
        p = cccc_text_value(b, p, &array->ptr[i]);
    }
    *p++ = ']';
    return room(b, p, 8);
}

/* `"name":` */
static char *write_key(cccc_buf_t *b, char *p, const msgpack_object_str *key)
{
    if (cccc_key_is_dressed(key->ptr)) {
        p = room(b, p, sizeof *cccc_keys + 16);
        memcpy(p, key->ptr - 1, sizeof *cccc_keys);
        return p + key->size + 3;
    }
    p = text_string(b, p, key->ptr, key->size);
    *p++ = ':';
    return p;
}

__attribute__((noinline)) static char *write_object(cccc_buf_t *b, char *p, const msgpack_object_map *map)
{
    p = room(b, p, 8);
    *p++ = '{';
    for (uint32_t i = 0; i < map->size; i++) {
        if (i > 0)
            *p++ = ',';
        p = write_key(b, p, &map->ptr[i].key.via.str);
        p = cccc_text_value(b, p, &map->ptr[i].val);
    }
    *p++ = '}';
    return room(b, p, 8);
}

char *cccc_text_value(cccc_buf_t *b, char *p, const cccc_value_t *v)
{
    switch (v->type) {
    case MSGPACK_OBJECT_NIL:
        return PUT_LITERAL(room(b, p, 16), "null");
    case MSGPACK_OBJECT_BOOLEAN:
        p = room(b, p, 16);
        return v->via.boolean ? PUT_LITERAL(p, "true") : PUT_LITERAL(p, "false");
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return cccc_text_uint(b, p, v->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        p = room(b, p, 1);
        *p++ = '-';
        return cccc_text_uint(b, p, 0 - v->via.u64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return write_double(b, p, v->via.f64);
    case MSGPACK_OBJECT_STR:
        return text_string(b, p, v->via.str.ptr, v->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        return write_array(b, p, &v->via.array);
    case MSGPACK_OBJECT_MAP:
        return write_object(b, p, &v->via.map);
    default:
        cccc_assert_failed(__FILE__, __LINE__, "a value JSON has a form for", " type %d", (int)v->type);
    }
}

void cccc_json_write(const cccc_value_t *v, cccc_buf_t *out)
{
    cursor_end(out, cccc_text_value(out, cursor_begin(out), v));
}

/* ---- writing for people ---- */

static void write_pretty(cccc_buf_t *out, const cccc_value_t *v, int level);

static void write_break(cccc_buf_t *out, int level)
{
    char *p = cccc_buf_reserve(out, (size_t)level * 2 + 1);
    p[0] = '\n';
    memset(p + 1, ' ', (size_t)level * 2);
    out->size += (size_t)level * 2 + 1;
}

static void write_pretty_member(cccc_buf_t *out, const cccc_value_t *v, uint32_t i, int level)
{
    if (v->type == MSGPACK_OBJECT_MAP) {
        cccc_json_write(&v->via.map.ptr[i].key, out);
        cccc_buf_str(out, ": ");
        write_pretty(out, &v->via.map.ptr[i].val, level);
    } else {
        write_pretty(out, &v->via.array.ptr[i], level);
    }
}

static void write_pretty(cccc_buf_t *out, const cccc_value_t *v, int level)
{
    bool is_map = v->type == MSGPACK_OBJECT_MAP, is_array = v->type == MSGPACK_OBJECT_ARRAY;
    uint32_t size = is_map ? v->via.map.size : is_array ? v->via.array.size : 0;
    if (size == 0) {
        cccc_json_write(v, out);
        return;
    }
    cccc_buf_str(out, is_map ? "{" : "[");
    for (uint32_t i = 0; i < size; i++) {
        if (i > 0)
            cccc_buf_str(out, ",");
        write_break(out, level + 1);
        write_pretty_member(out, v, i, level + 1);
    }
    write_break(out, level);
    cccc_buf_str(out, is_map ? "}" : "]");
}

void cccc_json_write_pretty(const cccc_value_t *v, cccc_buf_t *out)
{
    write_pretty(out, v, 0);
    cccc_buf_str(out, "\n");
}
