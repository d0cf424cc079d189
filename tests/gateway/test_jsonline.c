/* test_jsonline.c - a line becomes the request it says, a reply the line it says, in ASCII, and no line is longer than its readers take. */
#include "broker/gateway/jsonline.h"

#include "proto/json.h"
#include "proto/limits.h"
#include "proto/wire.h"
#include "tests/bus/cmocka_all.h"

#include <string.h>

static cccc_arena_t *arena;

static int begin(void **state)
{
    (void)state;
    arena = cccc_arena_new(4096);
    return 0;
}

static int end(void **state)
{
    (void)state;
    cccc_arena_destroy(&arena);
    return 0;
}

/* The reply to a request with an id, with that result in JSON, as a line. */
static cccc_str_t line_of(const char *result, const char *id, const cccc_value_t **said)
{
    struct cccc_errmsg m;
    struct cccc_request_id request_id = {0};
    cccc_value_t v;
    cccc_buf_t reply, line;
    cccc_buf_init(&reply);
    cccc_buf_init(&line);
    assert_int_equal(cccc_json_read(result, strlen(result), arena, &v, &m), CCCC_OK);
    if (id) {
        request_id.packed[0] = (char)(0xa0 | strlen(id));
        memcpy(request_id.packed + 1, id, strlen(id));
        request_id.len = (unsigned char)(strlen(id) + 1);
    }
    cccc_reply_begin(&reply, &request_id);
    cccc_pack_value(&reply, &v);
    char *kept = cccc_arena_alloc(arena, reply.size);
    memcpy(kept, reply.data, reply.size);
    *said = cccc_jsonline_reply(kept, reply.size, arena, &line);
    cccc_str_t out = cccc_arena_str(arena, (cccc_str_t){line.data, line.size});
    cccc_buf_fini(&reply);
    cccc_buf_fini(&line);
    return out;
}

/* A good reply has v, id, ok, result and a null error, in this order, and ends with one newline. */
static void a_good_reply_has_all_its_keys(void **state)
{
    (void)state;
    const cccc_value_t *result;
    assert_string_equal(line_of("{\"a\":[1,-2,1.5,null,true]}", "x", &result).ptr,
                        "{\"v\":1,\"id\":\"x\",\"ok\":true,\"result\":{\"a\":[1,-2,1.5,null,true]},\"error\":null}\n");
    assert_int_equal(cccc_get(result, "a")->via.array.size, 5);
    assert_string_equal(line_of("{}", NULL, &result).ptr, "{\"v\":1,\"ok\":true,\"result\":{},\"error\":null}\n");
}

/* Every character outside of ASCII is escaped, in UTF-16 where it has to be, and reads back as itself. */
static void characters_are_escaped_and_come_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xc2\x80",         "\xdf\xbf",         "\xe0\xa0\x80", "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z"};
    static const char *const escaped[] = {"\\u0080", "\\u07ff", "\\u0800", "\\uffff", "\\ud800\\udc00", "\\udbff\\udfff", "a\\u00e9z"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char json[64], wanted[64];
        const cccc_value_t *result;
        cccc_value_t back;
        struct cccc_errmsg m;
        snprintf(json, sizeof json, "{\"t\":\"%s\"}", texts[i]);
        snprintf(wanted, sizeof wanted, "\"result\":{\"t\":\"%s\"}", escaped[i]);
        cccc_str_t line = line_of(json, NULL, &result);
        assert_non_null(strstr(line.ptr, wanted));
        assert_int_equal(cccc_json_read(line.ptr, line.len, arena, &back, &m), CCCC_OK);
        assert_true(cccc_str_is(cccc_get_str(cccc_get(&back, "result"), "t"), texts[i]));
    }
}

/* A reply whose line would be too long is an error that keeps the id; its result is not told. */
static void a_reply_too_long_is_refused(void **state)
{
    (void)state;
    size_t len = CCCC_GATEWAY_REPLY_BYTES_MAX / 6 + 1000;
    char *json = cccc_arena_alloc(arena, 6 * len + 64), *p = json + sprintf(json, "{\"t\":\"");
    for (size_t i = 0; i < len; i++)
        p += sprintf(p, "\\u0001");
    strcpy(p, "\"}");
    const cccc_value_t *result;
    cccc_str_t line = line_of(json, "n", &result);
    assert_null(result);
    assert_non_null(strstr(line.ptr, "\"id\":\"n\",\"ok\":false,\"result\":{},\"error\":{\"code\":\"too_large\""));
    assert_true(line.len < 512);
}

/* The frame is the request the line says, whatever it says, and the op is found. */
static void a_line_is_packed_as_it_is(void **state)
{
    (void)state;
    static const char text[] = "{\"op\":\"send\",\"args\":{\"n\":18446744073709551615,\"t\":\"\\ud83d\\ude00\"},\"x\":[]}";
    cccc_buf_t frame;
    cccc_str_t op;
    cccc_value_t a, b;
    struct cccc_errmsg m;
    cccc_buf_init(&frame);
    assert_int_equal(cccc_jsonline_request(CCCC_STR(text), arena, &frame, &op, &m), CCCC_OK);
    assert_true(cccc_str_is(op, "send"));
    assert_int_equal(cccc_msgpack_read(frame.data, frame.size, 4096, arena, &a, &m), CCCC_OK);
    assert_int_equal(cccc_json_read(text, sizeof text - 1, arena, &b, &m), CCCC_OK);
    assert_true(cccc_value_eq(&a, &b));
    cccc_buf_fini(&frame);
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " ", "7", "[]", "null", "\"op\"", "{", "{\"op\":}", "{} {}", "\xff", "{\"a\":NaN}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cccc_buf_t frame;
        cccc_str_t op;
        struct cccc_errmsg m;
        cccc_buf_init(&frame);
        assert_int_equal(cccc_jsonline_request(cccc_str(bad[i]), arena, &frame, &op, &m), CCCC_E_INVALID_REQUEST);
        assert_int_equal(frame.size, 0);
        cccc_buf_fini(&frame);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {T(a_good_reply_has_all_its_keys), T(characters_are_escaped_and_come_back),
                                       T(a_reply_too_long_is_refused), T(a_line_is_packed_as_it_is), T(what_is_no_object_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
