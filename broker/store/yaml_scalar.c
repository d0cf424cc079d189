/* yaml_scalar.c - null, booleans and numbers among plain YAML scalars.
 *
 * Source of the patterns: YAML 1.1 types bool, int, float and null (yaml.org/type/), as narrowed by PyYAML 6's resolver: an exponent needs a
 * sign and a point before it, "y" and "n" are texts, 190:20:30 is a number of base 60. A scalar that fits no pattern is a text. */
#include "broker/store/yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

enum {
    NUMBER_CHARS_MAX = 400 /* longer ones are refused: no number of ours needs them */
};

static bool is_one_of(cccc_str_t s, const char *const *words)
{
    for (; *words; words++)
        if (cccc_str_is(s, *words))
            return true;
    return false;
}

static bool is_word(cccc_str_t s, cccc_value_t *out)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
    static const char *const no[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};
    if (is_one_of(s, nulls))
        *out = cccc_nil();
    else if (is_one_of(s, yes))
        *out = cccc_bool(true);
    else if (is_one_of(s, no))
        *out = cccc_bool(false);
    else
        return false;
    return true;
}

/* A cursor over the scalar: each step takes what it names and tells whether, or how much, there was. */
struct scan {
    const char *p, *end;
};

static bool at_end(const struct scan *s)
{
    return s->p == s->end;
}

static bool take(struct scan *s, const char *any_of)
{
    if (at_end(s) || !*s->p || !strchr(any_of, *s->p))
        return false;
    s->p++;
    return true;
}

static size_t take_all(struct scan *s, const char *any_of)
{
    const char *from = s->p;
    while (take(s, any_of))
        continue;
    return (size_t)(s->p - from);
}

/* One or more of ":" and a number below 60. */
static bool take_sixties(struct scan *s)
{
    bool some = false;
    while (take(s, ":")) {
        some = true;
        if (take(s, "012345"))
            take(s, "0123456789");
        else if (!take(s, "6789"))
            return false;
    }
    return some;
}

/* ---- integers ---- */

static bool add_digit(uint64_t *sum, unsigned base, unsigned digit)
{
    return !__builtin_mul_overflow(*sum, (uint64_t)base, sum) && !__builtin_add_overflow(*sum, (uint64_t)digit, sum);
}

static unsigned digit_of(char c)
{
    return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)(tolower((unsigned char)c) - 'a') + 10;
}

/* The number of base `base` in [p, end); underscores separate. False on overflow. */
static bool sum_digits(const char *p, const char *end, unsigned base, uint64_t *sum)
{
    for (*sum = 0; p < end; p++)
        if (*p != '_' && !add_digit(sum, base, digit_of(*p)))
            return false;
    return true;
}

/* 190:20:30 */
static bool sum_sixties(const char *p, const char *end, uint64_t *sum)
{
    uint64_t total = 0;
    while (p < end) {
        const char *colon = memchr(p, ':', (size_t)(end - p));
        const char *stop = colon ? colon : end;
        uint64_t part;
        if (!sum_digits(p, stop, 10, &part) || __builtin_mul_overflow(total, UINT64_C(60), &total) ||
            __builtin_add_overflow(total, part, &total))
            return false;
        p = colon ? colon + 1 : end;
    }
    *sum = total;
    return true;
}

static bool has_digit(const char *p, const char *end)
{
    for (; p < end; p++)
        if (*p != '_')
            return true;
    return false;
}

/* If `s` is an integer: its sign, base (60 for 1:30) and where its digits begin. */
static bool match_int(cccc_str_t s, bool *negative, unsigned *base, const char **digits)
{
    struct scan scan = {s.ptr, s.ptr + s.len};
    *negative = s.len && *s.ptr == '-';
    take(&scan, "-+");
    *digits = scan.p;
    if (take(&scan, "0")) {
        bool binary = take(&scan, "b");
        bool hex = !binary && take(&scan, "x");
        *base = binary ? 2 : hex ? 16 : 8;
        if (binary || hex)
            *digits = scan.p;
        take_all(&scan, binary ? "01_" : hex ? "0123456789abcdefABCDEF_" : "01234567_");
        return at_end(&scan) && has_digit(*digits, scan.end);
    }
    *base = 10;
    if (!take(&scan, "123456789"))
        return false;
    take_all(&scan, "0123456789_");
    if (at_end(&scan))
        return true;
    *base = 60;
    return take_sixties(&scan) && at_end(&scan);
}

static enum cccc_yaml_meaning resolve_int(cccc_str_t s, bool negative, unsigned base, const char *digits, cccc_value_t *out,
                                          const char **why)
{
    const char *end = s.ptr + s.len;
    uint64_t sum;
    bool fits = base == 60 ? sum_sixties(digits, end, &sum) : sum_digits(digits, end, base, &sum);
    if (!fits || (negative && sum > (uint64_t)INT64_MAX + 1)) {
        *why = "the number is too large; put it in quotes if it is meant as text";
        return CCCC_YAML_REFUSED;
    }
    if (!negative)
        *out = cccc_uint(sum);
    else
        *out = cccc_int(sum > INT64_MAX ? INT64_MIN : -(int64_t)sum);
    return CCCC_YAML_VALUE;
}

/* ---- fractions ---- */

static bool take_exponent(struct scan *s)
{
    if (!take(s, "eE"))
        return true;
    return take(s, "-+") && take_all(s, "0123456789") > 0;
}

static bool is_endless(cccc_str_t s)
{
    static const char *const words[] = {".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                        "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL};
    return is_one_of(s, words);
}

/* 1.5, -1_000.25e+3, .5, 1:30.5 */
static bool match_float(cccc_str_t s)
{
    struct scan scan = {s.ptr, s.ptr + s.len};
    if (take(&scan, "."))
        return take(&scan, "0123456789") && (take_all(&scan, "0123456789_"), take_exponent(&scan)) && at_end(&scan);
    take(&scan, "-+");
    if (!take(&scan, "0123456789"))
        return false;
    take_all(&scan, "0123456789_");
    bool sixties = !at_end(&scan) && *scan.p == ':';
    if ((sixties && !take_sixties(&scan)) || !take(&scan, "."))
        return false;
    take_all(&scan, "0123456789_");
    return (sixties || take_exponent(&scan)) && at_end(&scan);
}

static enum cccc_yaml_meaning resolve_float(cccc_str_t s, cccc_value_t *out, const char **why)
{
    char plain[NUMBER_CHARS_MAX + 1];
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '_')
            plain[len++] = s.ptr[i];
    plain[len] = '\0';
    bool negative = plain[0] == '-';
    double sum = 0;
    for (char *p = plain + (negative || plain[0] == '+'), *end; *p; p = *end == ':' ? end + 1 : end)
        sum = sum * 60 + strtod(p, &end);
    if (!isfinite(sum)) {
        *why = "the number is too large";
        return CCCC_YAML_REFUSED;
    }
    *out = (cccc_value_t){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = negative ? -sum : sum};
    return CCCC_YAML_VALUE;
}

enum cccc_yaml_meaning cccc_yaml_resolve(cccc_str_t s, cccc_value_t *out, const char **why)
{
    bool negative;
    unsigned base;
    const char *digits;
    if (is_word(s, out))
        return CCCC_YAML_VALUE;
    if (is_endless(s)) {
        *why = "infinity and not-a-number are no values; put the word in quotes if it is meant as text";
        return CCCC_YAML_REFUSED;
    }
    bool is_int = match_int(s, &negative, &base, &digits);
    if (!is_int && !match_float(s))
        return CCCC_YAML_TEXT;
    if (s.len > NUMBER_CHARS_MAX) {
        *why = "the number is too long; put it in quotes if it is meant as text";
        return CCCC_YAML_REFUSED;
    }
    return is_int ? resolve_int(s, negative, base, digits, out, why) : resolve_float(s, out, why);
}
