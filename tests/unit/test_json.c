/* test_json.c - the JSON reader and writers, alone and against jansson as an independent judge. */
#include "proto/event.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "tests/unit/support.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>

static cccc_err_t read_text(struct table *t, const char *text, cccc_value_t *out)
{
    /* Copied to its exact size, so that a sanitizer sees a byte read too many. */
    size_t len = strlen(text);
    char *exact = malloc(len + (len == 0));
    memcpy(exact, text, len);
    cccc_str_t kept = cccc_arena_str(t->arena, (cccc_str_t){exact, len});
    struct cccc_errmsg m;
    cccc_value_t dropped;
    cccc_err_t err = cccc_json_read(exact, len, t->arena, &dropped, &m);
    free(exact);
    assert_int_equal(cccc_json_read(kept.ptr, kept.len, t->arena, out, &m), err);
    return err;
}

/* What is written reads back as the same value, compact and pretty. */
static void what_is_written_reads_back(void **state)
{
    struct table *t = *state;
    for (int i = 0; i < 2000; i++) {
        cccc_value_t v = random_value(t->arena, 5, true), back;
        for (int pretty = 0; pretty <= 1; pretty++) {
            t->buf.size = 0;
            (pretty ? cccc_json_write_pretty : cccc_json_write)(&v, &t->buf);
            struct cccc_errmsg m;
            if (cccc_json_read(t->buf.data, t->buf.size, t->arena, &back, &m) != CCCC_OK)
                fail_msg("%s: %.*s", m.text, (int)t->buf.size, t->buf.data);
            assert_true(cccc_value_eq(&v, &back));
        }
    }
}

static bool same_as_jansson(const cccc_value_t *v, const json_t *j);

static bool same_map(const cccc_value_t *v, const json_t *j)
{
    if (!json_is_object(j) || json_object_size(j) != v->via.map.size)
        return false;
    for (uint32_t i = 0; i < v->via.map.size; i++) {
        const msgpack_object_kv *kv = &v->via.map.ptr[i];
        json_t *member = json_object_getn(j, kv->key.via.str.ptr, kv->key.via.str.size);
        if (member == NULL || !same_as_jansson(&kv->val, member))
            return false;
    }
    return true;
}

static bool same_array(const cccc_value_t *v, const json_t *j)
{
    if (!json_is_array(j) || json_array_size(j) != v->via.array.size)
        return false;
    for (uint32_t i = 0; i < v->via.array.size; i++)
        if (!same_as_jansson(&v->via.array.ptr[i], json_array_get(j, i)))
            return false;
    return true;
}

static bool same_as_jansson(const cccc_value_t *v, const json_t *j)
{
    int64_t i;
    switch (v->type) {
    case MSGPACK_OBJECT_NIL:
        return json_is_null(j);
    case MSGPACK_OBJECT_BOOLEAN:
        return json_is_boolean(j) && json_is_true(j) == v->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_is_integer(j) && cccc_as_int(v, &i) && json_integer_value(j) == i;
    case MSGPACK_OBJECT_FLOAT64: {
        double d = json_real_value(j);
        return json_is_real(j) && memcmp(&d, &v->via.f64, sizeof d) == 0;
    }
    case MSGPACK_OBJECT_STR:
        return json_is_string(j) &&
               cccc_str_eq((cccc_str_t){v->via.str.ptr, v->via.str.size}, (cccc_str_t){json_string_value(j), json_string_length(j)});
    case MSGPACK_OBJECT_ARRAY:
        return same_array(v, j);
    default:
        return same_map(v, j);
    }
}

static json_t *jansson_read(const char *text, size_t len)
{
    return json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* jansson reads what we write as the same value. */
static void jansson_reads_what_we_write(void **state)
{
    struct table *t = *state;
    for (int i = 0; i < 2000; i++) {
        cccc_value_t v = random_value(t->arena, 5, true);
        t->buf.size = 0;
        cccc_json_write(&v, &t->buf);
        json_t *j = jansson_read(t->buf.data, t->buf.size);
        assert_non_null(j);
        assert_true(same_as_jansson(&v, j));
        json_decref(j);
    }
}

/* We read what jansson writes, escapes and all, as the same value. */
static void we_read_what_jansson_writes(void **state)
{
    struct table *t = *state;
    for (int i = 0; i < 1000; i++) {
        cccc_value_t v = random_value(t->arena, 5, true), back;
        t->buf.size = 0;
        cccc_json_write(&v, &t->buf);
        json_t *j = jansson_read(t->buf.data, t->buf.size);
        char *text = json_dumps(j, JSON_ENSURE_ASCII | JSON_INDENT(chance(4)) | JSON_ENCODE_ANY | JSON_ESCAPE_SLASH);
        assert_int_equal(cccc_json_read(text, strlen(text), t->arena, &back, NULL), CCCC_OK);
        assert_true(same_as_jansson(&back, j));
        free(text);
        json_decref(j);
    }
}

/* An integer beyond int64 or a NUL in a key. */
static bool is_beyond_jansson(const cccc_value_t *v)
{
    if (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return v->via.u64 > INT64_MAX;
    for (uint32_t i = 0; v->type == MSGPACK_OBJECT_ARRAY && i < v->via.array.size; i++)
        if (is_beyond_jansson(&v->via.array.ptr[i]))
            return true;
    for (uint32_t i = 0; v->type == MSGPACK_OBJECT_MAP && i < v->via.map.size; i++)
        if (memchr(v->via.map.ptr[i].key.via.str.ptr, '\0', v->via.map.ptr[i].key.via.str.size) != NULL ||
            is_beyond_jansson(&v->via.map.ptr[i].val))
            return true;
    return false;
}

/* On damaged text both readers agree: the same verdict, and the same value when there is one. */
static void on_damaged_text_both_readers_agree(void **state)
{
    struct table *t = *state;
    static const char bytes[] = "{}[]\",:\\ue019.-+tfn \n\x01\x80\xc3\xff";
    for (int i = 0; i < 20000; i++) {
        cccc_value_t v = random_value(t->arena, 3, true), back;
        t->buf.size = 0;
        cccc_json_write(&v, &t->buf);
        for (uint64_t n = 1 + chance(3); n > 0; n--)
            t->buf.data[chance(t->buf.size)] = bytes[chance(sizeof bytes - 1)];
        t->buf.size -= chance(8) == 0 ? chance(t->buf.size) : 0;
        json_t *j = jansson_read(t->buf.data, t->buf.size);
        bool ok = cccc_json_read(t->buf.data, t->buf.size, t->arena, &back, NULL) == CCCC_OK;
        if (ok ? (j == NULL || !same_as_jansson(&back, j)) && !is_beyond_jansson(&back) : j != NULL)
            fail_msg("we say %s, jansson says %s: %.*s", ok ? "good" : "bad", j != NULL ? "good" : "bad", (int)t->buf.size, t->buf.data);
        json_decref(j);
        if (i % 100 == 0) {
            cccc_arena_destroy(&t->arena);
            t->arena = cccc_arena_new(65536);
        }
    }
}

/* The least and the largest number of each count of digits are written as printf writes them. */
static void integers_of_every_length_are_written(void **state)
{
    struct table *t = *state;
    uint64_t power = 1;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        const uint64_t numbers[] = {power - 1, power, power + 1, power / 10 * 99 / 10};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            char expected[24];
            cccc_value_t v = cccc_uint(numbers[i]);
            snprintf(expected, sizeof expected, "%llu", (unsigned long long)numbers[i]);
            t->buf.size = 0;
            cccc_json_write(&v, &t->buf);
            assert_int_equal(t->buf.size, strlen(expected));
            assert_memory_equal(t->buf.data, expected, t->buf.size);
        }
    }
}

/* Integers are exact over the whole 64 bits; one more in either direction is refused, not rounded. */
static void integers_are_exact_or_refused(void **state)
{
    struct table *t = *state;
    cccc_value_t v;
    assert_int_equal(read_text(t, "18446744073709551615", &v), CCCC_OK);
    assert_true(v.via.u64 == UINT64_MAX);
    assert_int_equal(read_text(t, "-9223372036854775808", &v), CCCC_OK);
    assert_true(v.via.i64 == INT64_MIN);
    assert_int_equal(read_text(t, "18446744073709551616", &v), CCCC_E_BAD_JSON);
    assert_int_equal(read_text(t, "-9223372036854775809", &v), CCCC_E_BAD_JSON);
    assert_int_equal(read_text(t, "-0", &v), CCCC_OK);
    assert_int_equal(v.type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_int_equal(read_text(t, "1e400", &v), CCCC_E_BAD_JSON);
    assert_int_equal(read_text(t, "1.0", &v), CCCC_OK);
    assert_int_equal(v.type, MSGPACK_OBJECT_FLOAT64);
}

/* Depth, item and digit limits hold exactly. */
static void limits_hold_exactly(void **state)
{
    struct table *t = *state;
    for (int over = 0; over <= 1; over++) {
        cccc_value_t v;
        t->buf.size = 0;
        for (int i = 0; i < CCCC_DECODE_DEPTH_MAX + over; i++)
            cccc_buf_str(&t->buf, "[");
        for (int i = 0; i < CCCC_DECODE_DEPTH_MAX + over; i++)
            cccc_buf_str(&t->buf, "]");
        assert_int_equal(cccc_json_read(t->buf.data, t->buf.size, t->arena, &v, NULL), over ? CCCC_E_BAD_JSON : CCCC_OK);
        t->buf.size = 0;
        cccc_buf_str(&t->buf, "[0");
        for (int i = 1; i < CCCC_DECODE_ITEMS_MAX - 1 + over; i++)
            cccc_buf_str(&t->buf, ",0");
        cccc_buf_str(&t->buf, "]");
        assert_int_equal(cccc_json_read(t->buf.data, t->buf.size, t->arena, &v, NULL), over ? CCCC_E_BAD_JSON : CCCC_OK);
        t->buf.size = 0;
        cccc_buf_str(&t->buf, "0.");
        for (int i = 2; i < CCCC_NUMBER_BYTES_MAX + over; i++)
            cccc_buf_str(&t->buf, "1");
        assert_int_equal(cccc_json_read(t->buf.data, t->buf.size, t->arena, &v, NULL), over ? CCCC_E_BAD_JSON : CCCC_OK);
    }
}

/* The pretty form is what CCCC 0.4.0 writes: two spaces, raw UTF-8, a newline at the end. */
static void the_pretty_form_is_that_of_state_files(void **state)
{
    struct table *t = *state;
    cccc_value_t v;
    assert_int_equal(read_text(t, "{\"v\":1,\"name\":\"\\u00e9\",\"list\":[1,{\"a\":[]}],\"none\":{}}", &v), CCCC_OK);
    cccc_json_write_pretty(&v, &t->buf);
    assert_text(
        buf_text(&t->buf),
        "{\n  \"v\": 1,\n  \"name\": \"\xc3\xa9\",\n  \"list\": [\n    1,\n    {\n      \"a\": []\n    }\n  ],\n  \"none\": {}\n}\n");
}

/* Numbers do not depend on the program's locale. */
static void numbers_do_not_depend_on_the_locale(void **state)
{
    struct table *t = *state;
    cccc_value_t v;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* harmless where it is not installed */
    assert_int_equal(read_text(t, "1.5", &v), CCCC_OK);
    cccc_json_write(&v, &t->buf);
    setlocale(LC_ALL, "C");
    assert_text(buf_text(&t->buf), "1.5");
    assert_true(v.via.f64 > 1.4 && v.via.f64 < 1.6);
}

/* UTF-8 is judged right for every sequence of up to three bytes and all borders of four. */
static void utf8_is_judged_by_its_definition(void **state)
{
    (void)state;
    char s[4];
    for (unsigned cp = 0; cp < 0x110000; cp++) {
        size_t n = 0;
        if (cp < 0x80) {
            s[n++] = (char)cp;
        } else if (cp < 0x800) {
            s[n++] = (char)(0xc0 | cp >> 6);
            s[n++] = (char)(0x80 | (cp & 63));
        } else if (cp < 0x10000) {
            s[n++] = (char)(0xe0 | cp >> 12);
            s[n++] = (char)(0x80 | (cp >> 6 & 63));
            s[n++] = (char)(0x80 | (cp & 63));
        } else {
            s[n++] = (char)(0xf0 | cp >> 18);
            s[n++] = (char)(0x80 | (cp >> 12 & 63));
            s[n++] = (char)(0x80 | (cp >> 6 & 63));
            s[n++] = (char)(0x80 | (cp & 63));
        }
        bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
        if (cccc_utf8_valid((cccc_str_t){s, n}) == surrogate)
            fail_msg("U+%04X", cp);
        if (n > 1 && cccc_utf8_valid((cccc_str_t){s, n - 1}))
            fail_msg("U+%04X cut short", cp);
    }
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xc3(",
                                      "\xe2\x82(",
                                      "\xf0\x9f\x98(",
                                      "eight ascii bytes then \xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cccc_utf8_valid(cccc_str(bad[i])));
}

/* Every length and place of a byte to escape takes every path of the run copy. */
static void escapes_are_found_at_every_place(void **state)
{
    struct table *t = *state;
    static const char specials[] = {'"', '\\', '\n', '\x1f', '\0'};
    char text[70];
    for (size_t len = 1; len < sizeof text; len++)
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', len);
            text[at] = specials[(len + at) % sizeof specials];
            cccc_value_t v = cccc_string((cccc_str_t){text, len}), back;
            t->buf.size = 0;
            cccc_json_write(&v, &t->buf);
            assert_int_equal(cccc_json_read(t->buf.data, t->buf.size, t->arena, &back, NULL), CCCC_OK);
            assert_true(cccc_value_eq(&v, &back));
        }
}

int main(int argc, char **argv)
{
    seed_chance(argc, argv);
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_reads_back),
        TEST(jansson_reads_what_we_write),
        TEST(we_read_what_jansson_writes),
        TEST(on_damaged_text_both_readers_agree),
        TEST(integers_of_every_length_are_written),
        TEST(integers_are_exact_or_refused),
        TEST(limits_hold_exactly),
        TEST(the_pretty_form_is_that_of_state_files),
        TEST(numbers_do_not_depend_on_the_locale),
        TEST(utf8_is_judged_by_its_definition),
        TEST(escapes_are_found_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
