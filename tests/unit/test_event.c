/* test_event.c - the event in both forms, checksums, ids and times. */
#include "proto/crc32c.h"
#include "proto/event.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/wire.h"
#include "tests/unit/support.h"

static struct cccc_event random_event(cccc_arena_t *arena)
{
    cccc_value_t data = random_value(arena, 4, true), attest = random_value(arena, 2, true);
    cccc_builder_t empty = cccc_map_builder(arena, 0), extra = cccc_map_builder(arena, 1);
    cccc_map_add(&extra, "later_version", data);
    return (struct cccc_event){
        .id = random_text(arena),
        .ts = CCCC_STR("2026-01-01T12:34:56.123456Z"),
        .seq = 1 + chance(UINT64_C(1) << 40),
        .kind = random_text(arena),
        .group_id = CCCC_STR("g_0123456789ab"),
        .scope_key = random_text(arena),
        .by = random_text(arena),
        .attest = cccc_is_map(&attest) ? attest : cccc_nil(),
        .data = cccc_is_map(&data) ? data : empty.value,
        .extra = chance(4) == 0 ? extra.value : cccc_nil(),
    };
}

static void assert_same_event(const struct cccc_event *a, const struct cccc_event *b)
{
    assert_true(cccc_str_eq(a->id, b->id) && cccc_str_eq(a->ts, b->ts) && cccc_str_eq(a->kind, b->kind));
    assert_true(cccc_str_eq(a->group_id, b->group_id) && cccc_str_eq(a->scope_key, b->scope_key) && cccc_str_eq(a->by, b->by));
    assert_true(a->seq == b->seq && cccc_value_eq(&a->attest, &b->attest) && cccc_value_eq(&a->data, &b->data));
    assert_true(cccc_value_eq(&a->extra, &b->extra));
}

static struct cccc_event plain_event(cccc_arena_t *arena)
{
    cccc_builder_t data = cccc_map_builder(arena, 1);
    cccc_map_add(&data, "text", cccc_text("hello"));
    return (struct cccc_event){
        .id = CCCC_STR("0198f2a4b1c2000000000fabcdef0123"),
        .ts = CCCC_STR("2026-01-01T12:34:56.123456Z"),
        .seq = 15,
        .kind = CCCC_STR("chat.message"),
        .group_id = CCCC_STR("g_0123456789ab"),
        .by = CCCC_STR("user"),
        .data = data.value,
    };
}

/* Packing and unpacking gives the same event, unknown members included. */
static void what_is_packed_unpacks(void **state)
{
    struct table *t = *state;
    for (int i = 0; i < 500; i++) {
        struct cccc_event event = random_event(t->arena), back;
        t->buf.size = 0;
        cccc_event_pack(&event, &t->buf);
        assert_int_equal(cccc_event_unpack(t->buf.data, t->buf.size, t->arena, &back, NULL), CCCC_OK);
        assert_same_event(&event, &back);
    }
}

/* A line reads back as the same event and seal, and its checksum holds. */
static void what_is_written_reads_and_inspects(void **state)
{
    struct table *t = *state;
    for (int i = 0; i < 500; i++) {
        struct cccc_event event = random_event(t->arena), back;
        struct cccc_seal seal = {.epoch = chance(1u << 20), .dur = chance(UINT64_C(1) << 40), .prev = (uint32_t)chance(UINT32_MAX)}, read,
                         inspected;
        uint64_t seq = 0;
        t->buf.size = 0;
        cccc_line_write(&event, &seal, &t->buf);
        size_t len = t->buf.size - 1;
        assert_int_equal(t->buf.data[len], '\n');
        assert_null(memchr(t->buf.data, '\n', len));
        assert_int_equal(cccc_line_read(t->buf.data, len, t->arena, &back, &read, NULL), CCCC_OK);
        assert_same_event(&event, &back);
        assert_int_equal(cccc_line_inspect(t->buf.data, len, &seq, &inspected), CCCC_LINE_SOUND);
        assert_true(seq == event.seq);
        assert_memory_equal(&seal, &read, sizeof seal);
        assert_memory_equal(&seal, &inspected, sizeof seal);
    }
}

/* Appending to a buffer that holds something leaves that alone and seals only the new line. */
static void a_line_is_appended_behind_others(void **state)
{
    struct table *t = *state;
    struct cccc_event event = plain_event(t->arena);
    struct cccc_seal first = {.epoch = 1}, second = {.epoch = 1};
    cccc_line_write(&event, &first, &t->buf);
    size_t len = t->buf.size;
    cccc_line_write(&event, &second, &t->buf);
    assert_int_equal(first.crc, second.crc);
    assert_int_equal(t->buf.size, 2 * len);
    assert_memory_equal(t->buf.data, t->buf.data + len, len);
}

/* Every single changed byte, and every cut, is noticed. */
static void every_changed_byte_is_noticed(void **state)
{
    struct table *t = *state;
    struct cccc_event event = plain_event(t->arena);
    struct cccc_seal seal = {.epoch = 3, .dur = 14, .prev = 0xdeadbeef}, got;
    uint64_t seq;
    cccc_line_write(&event, &seal, &t->buf);
    size_t len = t->buf.size - 1;
    for (size_t at = 0; at < len; at++)
        for (int bit = 0; bit < 8; bit++) {
            t->buf.data[at] ^= (char)(1 << bit);
            if (cccc_line_inspect(t->buf.data, len, &seq, &got) != CCCC_LINE_BROKEN)
                fail_msg("bit %d of byte %zu", bit, at);
            t->buf.data[at] ^= (char)(1 << bit);
        }
    for (size_t cut = 0; cut < len; cut++) {
        char *exact = malloc(cut + (cut == 0));
        memcpy(exact, t->buf.data, cut);
        assert_int_equal(cccc_line_inspect(exact, cut, &seq, &got), CCCC_LINE_BROKEN);
        free(exact);
    }
    assert_int_equal(cccc_line_inspect(t->buf.data, len, &seq, &got), CCCC_LINE_SOUND);
}

static enum cccc_line_state inspect_text(const char *line)
{
    uint64_t seq;
    struct cccc_seal seal;
    return cccc_line_inspect(line, strlen(line), &seq, &seal);
}

/* A sound checksum is not enough: the ends must be as we write them. */
static void a_checksum_over_nonsense_is_not_sound(void **state)
{
    struct table *t = *state;
    static const char *const bodies[] = {
        "",
        "{}",
        "{\"v\":1,\"id\":\"a\",\"ts\":\"b\",\"seq\":0,\"kind\":\"k\",\"epoch\":1,\"dur\":1,\"prev\":\"00000000\"",
        "{\"v\":1,\"id\":\"a\",\"ts\":\"b\",\"seq\":01,\"kind\":\"k\",\"epoch\":1,\"dur\":1,\"prev\":\"00000000\"",
        "{\"v\":1,\"id\":\"a\",\"ts\":\"b\",\"seq\":99999999999999999999,\"kind\":\"k\",\"epoch\":1,\"dur\":1,\"prev\":\"00000000\"",
        "{\"v\":1,\"id\":\"a\",\"ts\":\"b\",\"seq\":1,\"kind\":\"k\",\"epoch\":1,\"dur\":1,\"prev\":\"0000000G\"",
        "{\"v\":1,\"id\":\"a\",\"ts\":\"b\",\"seq\":1,\"kind\":\"k\",\"epoch\":1,\"dur\":,\"prev\":\"00000000\"",
        "{\"v\":1,\"id\":\"a\",\"ts\":\"b\",\"seq\":1,\"kind\":\"k\",\"epoch\":,\"dur\":1,\"prev\":\"00000000\"",
        "{\"v\":1,\"id\":\"a\",\"ts\":\"b\",\"seq\":1,\"kind\":\"k\",\"epoc\":1,\"dur\":1,\"prev\":\"00000000\"",
        "{\"v\":1,\"id\":\"a\",\"ts\":\"b\",\"seq\":1,\"kind\":\"k\",\"epoch\":1,\"du\":1,\"prev\":\"00000000\"",
        "{\"v\":2,\"id\":\"a\",\"ts\":\"b\",\"seq\":1,\"kind\":\"k\",\"epoch\":1,\"dur\":1,\"prev\":\"00000000\"",
        "{\"v\":1,\"id\":\"a\n\",\"ts\":\"b\",\"seq\":1,\"kind\":\"k\",\"epoch\":1,\"dur\":1,\"prev\":\"00000000\"",
        "{\"v\":1,\"id\":\"a",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        t->buf.size = 0;
        cccc_buf_str(&t->buf, bodies[i]);
        cccc_str_t tail = cccc_arena_printf(t->arena, ",\"crc\":\"%08x\"}", cccc_crc32c(0, t->buf.data, t->buf.size));
        cccc_buf_put(&t->buf, tail.ptr, tail.len + 1);
        if (inspect_text(t->buf.data) != CCCC_LINE_BROKEN)
            fail_msg("%s", t->buf.data);
    }
}

/* A line as CCCC 0.4.0 writes it is legacy; anything that is no such object, or has part of our seal, is broken. */
static void older_lines_are_told_from_broken_ones(void **state)
{
    (void)state;
    assert_int_equal(inspect_text("{\"v\": 1, \"id\": \"a\", \"kind\": \"x.y\", \"data\": {}}"), CCCC_LINE_LEGACY);
    assert_int_equal(inspect_text("{}"), CCCC_LINE_LEGACY);
    assert_int_equal(inspect_text("{\"v\": 1, \"seq\": 4}"), CCCC_LINE_BROKEN);
    assert_int_equal(inspect_text("{\"v\": 1, \"crc\": \"00000000\"}"), CCCC_LINE_BROKEN);
    static const char *const broken[] = {"", " ", "[]", "{", "{\"v\": 1", "null", "{\"v\": NaN}", "{} {}", "\x01"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_int_equal(inspect_text(broken[i]), CCCC_LINE_BROKEN);
}

/* Older lines read with what they have: no seq, no seal, data always a map. */
static void older_lines_read_with_what_they_have(void **state)
{
    struct table *t = *state;
    struct cccc_event event;
    struct cccc_seal seal, none = {0};
    static const char line[] = "{\"v\": 1, \"id\": \"ab\", \"kind\": \"chat.ack\", \"by\": 5, \"data\": [1], \"more\": true}";
    assert_int_equal(cccc_line_read(line, sizeof line - 1, t->arena, &event, &seal, NULL), CCCC_OK);
    assert_text(event.id, "ab");
    assert_text(event.by, "");
    assert_int_equal(event.seq, 0);
    assert_memory_equal(&seal, &none, sizeof none);
    assert_true(cccc_is_array(cccc_get(&event.data, "value")) && cccc_get_bool(&event.extra, "more", false));
    assert_int_equal(cccc_line_read("{}", 2, t->arena, &event, &seal, NULL), CCCC_OK);
    assert_true(cccc_is_map(&event.data) && event.data.via.map.size == 0);
}

/* Each way a line can be wrong is refused with words that name it, and changes nothing. */
static void bad_lines_are_refused_by_name(void **state)
{
    struct table *t = *state;
    static const char *const rows[][2] = {
        {"[1]", "no JSON object"},
        {"{\"v\":1,\"seq\":\"5\"}", "id"},
        {"{\"v\":2,\"seq\":5}", "v"},
        {"{\"v\":1,\"id\":\"a\",\"ts\":\"\",\"seq\":-1,\"kind\":\"\",\"group_id\":\"\",\"scope_key\":\"\",\"by\":\"\",\"data\":{}}", "seq"},
        {"{\"v\":1,\"id\":\"a\",\"ts\":\"\",\"seq\":1,\"kind\":\"\",\"group_id\":\"\",\"scope_key\":\"\",\"by\":\"\",\"data\":[]}", "data"},
        {"{\"v\":1,\"id\":\"a\",\"ts\":\"\",\"seq\":1,\"kind\":\"\",\"group_id\":\"\",\"scope_key\":\"\",\"by\":\"\",\"attest\":1,\"data\":"
         "{}}",
         "attest"},
        {"{\"v\":1,\"id\":\"a\",\"ts\":\"\",\"seq\":0,\"kind\":\"\",\"group_id\":\"\",\"scope_key\":\"\",\"by\":\"\",\"data\":{}}",
         "seq is 0"},
        {"{\"v\":1,\"id\":\"a\",\"ts\":\"\",\"seq\":1,\"kind\":\"\",\"group_id\":\"\",\"scope_key\":\"\",\"by\":\"\",\"data\":{}}",
         "epoch"},
        {"{\"v\":1,\"id\":\"a\",\"ts\":\"\",\"seq\":1,\"kind\":\"\",\"group_id\":\"\",\"scope_key\":\"\",\"by\":\"\",\"data\":{},\"epoch\":"
         "1,\"dur\":0,"
         "\"prev\":\"0000000g\",\"crc\":\"00000000\"}",
         "prev"},
        {"{\"crc\":\"00000000\"}", "v"},
        {"{\"v\":1,", "byte 7"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cccc_event event = {.seq = 77};
        struct cccc_seal seal = {.crc = 77};
        struct cccc_errmsg m;
        assert_int_equal(cccc_line_read(rows[i][0], strlen(rows[i][0]), t->arena, &event, &seal, &m), CCCC_E_BAD_LINE);
        if (strstr(m.text, rows[i][1]) == NULL)
            fail_msg("\"%s\" does not name %s", m.text, rows[i][1]);
        assert_true(event.seq == 77 && seal.crc == 77);
    }
    char *longer = calloc(1, CCCC_LINE_BYTES_MAX + 1);
    struct cccc_event event;
    struct cccc_seal seal;
    assert_int_equal(cccc_line_read(longer, CCCC_LINE_BYTES_MAX + 1, t->arena, &event, &seal, NULL), CCCC_E_BAD_LINE);
    free(longer);
}

/* The wire form is refused when a member is missing or of another type. */
static void bad_wire_events_are_refused(void **state)
{
    struct table *t = *state;
    struct cccc_event event = plain_event(t->arena), back;
    cccc_value_t v, nil = cccc_nil();
    struct cccc_errmsg m;
    static const char *const members[] = {"v", "id", "ts", "seq", "kind", "group_id", "scope_key", "by", "data"};
    cccc_event_pack(&event, &t->buf);
    assert_int_equal(cccc_msgpack_read(t->buf.data, t->buf.size, 1000, t->arena, &v, NULL), CCCC_OK);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        cccc_value_t without = cccc_map_without(t->arena, &v, cccc_str(members[i]));
        assert_int_equal(cccc_event_from_value(&without, t->arena, &back, &m), CCCC_E_INVALID_REQUEST);
        assert_non_null(strstr(m.text, members[i]));
    }
    assert_int_equal(cccc_event_from_value(&nil, t->arena, &back, &m), CCCC_E_INVALID_REQUEST);
    assert_int_equal(cccc_event_unpack("\xc1", 1, t->arena, &back, &m), CCCC_E_INVALID_REQUEST);
}

/* RFC 3720 B.4's vectors, by the instruction and by the table, and the two agree everywhere. */
static void checksums_are_those_of_rfc_3720(void **state)
{
    (void)state;
    unsigned char bytes[1300];
    static const struct {
        unsigned char first;
        signed char step;
        uint32_t crc;
    } rows[] = {{0, 0, 0x8a9136aa}, {0xff, 0, 0x62a8ab43}, {0, 1, 0x46dd794e}, {31, -1, 0x113fdb5c}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int j = 0; j < 32; j++)
            bytes[j] = (unsigned char)(rows[i].first + j * rows[i].step);
        assert_int_equal(cccc_crc32c(0, bytes, 32), rows[i].crc);
        assert_int_equal(cccc_crc32c_table(0, bytes, 32), rows[i].crc);
    }
    assert_int_equal(cccc_crc32c(0, "123456789", 9), 0xe3069283);
    for (size_t len = 0; len < sizeof bytes; len++) {
        for (size_t j = 0; j < len; j++)
            bytes[j] = (unsigned char)chance(256);
        uint32_t crc = cccc_crc32c(0, bytes, len);
        assert_int_equal(cccc_crc32c_table(0, bytes, len), crc);
        assert_int_equal(cccc_crc32c(cccc_crc32c(0, bytes, len / 3), bytes + len / 3, len - len / 3), crc);
    }
}

/* An id names its seq, and ids of others never crash. */
static void an_id_names_its_seq(void **state)
{
    (void)state;
    char id[33];
    cccc_event_id_make(id, UINT64_C(0x198f2a4b1c2), UINT64_C(0xfedcba9876), UINT64_C(0x0123456789));
    assert_string_equal(id, "0198f2a4b1c2fedcba98760123456789");
    assert_true(cccc_event_id_seq(cccc_str(id)) == UINT64_C(0xfedcba9876));
    assert_true(cccc_event_id_seq(CCCC_STR("")) == 0);
    assert_true(cccc_event_id_seq(CCCC_STR("0198f2a4b1c2fedcba987601234567890")) == 0);
    assert_true(cccc_event_id_seq(CCCC_STR("0198F2a4b1c2fedcba98760123456789")) == 0);
    assert_true(cccc_event_id_seq((cccc_str_t){"0198f2a4b1c2fedcba987601234567\0", 32}) == 0);
}

/* Times are written to the microsecond and read back, over four thousand years. */
static void times_read_back(void **state)
{
    (void)state;
    char text[28];
    int64_t back;
    for (int i = 0; i < 20000; i++) {
        int64_t us = (int64_t)chance(UINT64_C(300000000000000000)) - INT64_C(60000000000000000);
        cccc_ts_format(text, us);
        assert_true(cccc_ts_parse(cccc_str(text), &back) && back == us);
    }
    cccc_ts_format(text, 951782400000000);
    assert_string_equal(text, "2000-02-29T00:00:00.000000Z");
    cccc_ts_format(text, -1);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

/* What reference 0.1 accepts is accepted; everything else is no time. */
static void times_are_read_leniently_but_not_wildly(void **state)
{
    (void)state;
    int64_t us;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"2026-11-23T16:13:08Z", 1795450388000000},
                {"2026-11-23T16:13:08", 1795450388000000},
                {"2026-11-23T18:13:08+02:00", 1795450388000000},
                {"2026-11-23T10:43:08.5-05:30", 1795450388500000},
                {"2026-11-23T16:13:08.123456789Z", 1795450388123456}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!cccc_ts_parse(cccc_str(good[i].text), &us) || us != good[i].us)
            fail_msg("%s is %lld", good[i].text, (long long)us);
    }
    static const char *const bad[] = {"",
                                      "now",
                                      "2026",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-04-31T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:61Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00.1234567890Z",
                                      "2026-01-01T00:00:00ZZ",
                                      "2026-01-01T00:00:00+2",
                                      "2026-01-01T00:00:00+02:60",
                                      "2026-01-01T00:00:00+24:00",
                                      "2026-01-01 00:00:00Z",
                                      "2026-1-01T00:00:00Z",
                                      "2026-01-00T00:00:00Z",
                                      "2026-01-01T00:00:00x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (cccc_ts_parse(cccc_str(bad[i]), &us))
            fail_msg("%s was accepted", bad[i]);
}

int main(int argc, char **argv)
{
    seed_chance(argc, argv);
    const struct CMUnitTest tests[] = {
        TEST(what_is_packed_unpacks),
        TEST(what_is_written_reads_and_inspects),
        TEST(a_line_is_appended_behind_others),
        TEST(every_changed_byte_is_noticed),
        TEST(a_checksum_over_nonsense_is_not_sound),
        TEST(older_lines_are_told_from_broken_ones),
        TEST(older_lines_read_with_what_they_have),
        TEST(bad_lines_are_refused_by_name),
        TEST(bad_wire_events_are_refused),
        TEST(checksums_are_those_of_rfc_3720),
        TEST(an_id_names_its_seq),
        TEST(times_read_back),
        TEST(times_are_read_leniently_but_not_wildly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
