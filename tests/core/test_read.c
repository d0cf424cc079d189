/* test_read.c - ledger_read: ranges, filters, single events, and a ledger that is another one. */
#include "tests/core/team.h"

#include <string.h>

static const char *id_of(bench_t *b, uint64_t seq)
{
    struct cccc_event event;
    assert_true(bench_event(b, TEAM, seq, &event));
    return cccc_arena_str(bench_arena(b), event.id).ptr;
}

static bench_t *with_messages(uint32_t count)
{
    bench_t *b = team_new(1);
    for (uint32_t i = 0; i < count; i++)
        bench_do(b, "send", "{'group_id':'%s','text':'m','to':['%s'],'by':'%s'}", TEAM, i % 2 ? "lead" : "peer-1",
                 i % 3 ? "user" : "peer-2");
    return b;
}

static const struct {
    const char *args;
    const char *seqs;
    uint64_t checked;
    bool more;
} cases[] = {
    {"", "1 2 3 4 5 6 7 8", 1, false},
    {",'after_seq':0", "1 2 3 4 5 6 7 8", 8, false},
    {",'after_seq':6", "7 8", 8, false},
    {",'after_seq':8", "", 8, false},
    {",'after_seq':99", "", 8, false},
    {",'after_seq':2,'limit':3", "3 4 5", 5, true},
    {",'before_seq':0,'limit':2", "7 8", 7, true},
    {",'before_seq':4,'limit':2", "2 3", 2, true},
    {",'before_seq':4", "1 2 3", 1, false},
    {",'before_seq':1", "", 1, false},
    {",'after_seq':0,'limit':0", "1 2 3 4 5 6 7 8", 8, false},
    {",'after_seq':0,'limit':1000000", "1 2 3 4 5 6 7 8", 8, false},
    {",'after_seq':0,'by':'peer-2'", "1 4 7", 8, false},
    {",'after_seq':0,'recipient':'lead'", "2 4 6 8", 8, false},
    {",'after_seq':0,'recipient':'lead','by':'user'", "2 6 8", 8, false},
    {",'after_seq':0,'kinds':['chat.read']", "", 8, false},
    {",'after_seq':0,'kinds':['chat.read','chat.message'],'limit':1", "1", 1, true},
    {",'after_seq':0,'kinds':[]", "1 2 3 4 5 6 7 8", 8, false},
};

/* Ranges and filters, as the table says. */
static void ranges_and_filters(void **state)
{
    (void)state;
    bench_t *b = with_messages(8);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *result = bench_do(b, "ledger_read", "{'group_id':'%s'%s}", TEAM, cases[i].args);
        const cccc_value_t *events = cccc_get(result, "events");
        cccc_str_t seqs = CCCC_STR("");
        for (uint32_t j = 0; j < events->via.array.size; j++)
            seqs = cccc_arena_printf(bench_arena(b), "%.*s%s%llu", CCCC_STR_FMT(seqs), j ? " " : "",
                                     (unsigned long long)cccc_get_uint(&events->via.array.ptr[j], "seq", 0));
        if (!cccc_str_is(seqs, cases[i].seqs) || bench_uint_at(result, "checked_seq") != cases[i].checked ||
            cccc_get_bool(result, "more", false) != cases[i].more)
            fail_msg("%s: %s", cases[i].args, bench_text(b, result));
        assert_int_equal(bench_uint_at(result, "head_seq"), 8);
        assert_int_equal(bench_uint_at(result, "first_seq"), 1);
    }
    assert_string_equal(bench_code(bench_ask(b, "ledger_read", "{'group_id':'%s','after_seq':1,'before_seq':2}", TEAM)), "invalid_request");
    assert_string_equal(bench_code(bench_ask(b, "ledger_read", "{'group_id':'%s','after_id':'%s'}", TEAM, id_of(b, 1))), "invalid_request");
    team_end(&b);
}

/* One event by its id; an id that is not there, or is another's, is not found. */
static void one_event_by_id(void **state)
{
    (void)state;
    bench_t *b = with_messages(3);
    const cccc_value_t *result = bench_do(b, "ledger_read", "{'group_id':'%s','event_id':'%s'}", TEAM, id_of(b, 2));
    assert_int_equal(bench_uint_at(result, "events.0.seq"), 2);
    assert_null(bench_at(result, "events.1"));
    static const char *const none[] = {"x", "018bcfe568030000000002ffffffffff", "018bcfe568030000000055ffffffffff"};
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(bench_code(bench_ask(b, "ledger_read", "{'group_id':'%s','event_id':'%s'}", TEAM, none[i])), "event_not_found");
    team_end(&b);
}

/* A reader that names the event it had last learns when the ledger is not the one it followed. */
static void restored_ledger_is_noticed(void **state)
{
    (void)state;
    bench_t *b = with_messages(4);
    static const struct {
        uint64_t after;
        uint64_t id_of; /* 0: a foreign id */
        const char *code;
    } lineages[] = {{2, 2, "ok"},
                    {4, 4, "ok"},
                    {0, 0, "ok"},
                    {2, 3, "lineage_changed"},
                    {4, 3, "lineage_changed"},
                    {9, 4, "lineage_changed"},
                    {2, 0, "lineage_changed"}};
    for (size_t i = 0; i < sizeof lineages / sizeof *lineages; i++) {
        const char *id = lineages[i].id_of ? id_of(b, lineages[i].id_of) : "018bcfe568030000000002ffffffffff";
        const cccc_value_t *reply = bench_ask(b, "ledger_read", "{'group_id':'%s','after_seq':%llu,'after_id':'%s'}", TEAM,
                                              (unsigned long long)lineages[i].after, id);
        if (strcmp(bench_code(reply), lineages[i].code) != 0)
            fail_msg("after %llu: %s", (unsigned long long)lineages[i].after, bench_text(b, reply));
        if (strcmp(lineages[i].code, "ok") != 0)
            assert_int_equal(bench_uint_at(reply, "error.details.head_seq"), 4);
    }
    team_end(&b);
}

/* A reader whose last event is damaged goes on; what is missing is named, and a ledger that cannot be read is an error. */
static void damage_is_named(void **state)
{
    (void)state;
    bench_t *b = with_messages(4);
    bench_request(b, 1, "ledger_read", "{'group_id':'%s','after_seq':2,'after_id':'%s'}", TEAM, id_of(b, 2));
    bench_lose_read(b);
    bench_lose_read(b);
    assert_json(b, bench_at(bench_reply(b, 1), "result.gaps"), "[{'from_seq':3,'to_seq':3,'reason':'damaged'}]");
    for (int i = 0; i < 3; i++) {
        bench_request(b, 1, "ledger_read", "{'group_id':'%s'%s%s%s}", TEAM, i == 0 ? ",'event_id':'" : ",'after_seq':2",
                      i == 0 ? id_of(b, 1) : (i == 1 ? ",'after_id':'018bcfe568030000000002ffffffffff" : ""), i < 2 ? "'" : "");
        assert_true(bench_fail_read(b, CCCC_E_STORAGE));
        assert_string_equal(bench_code(bench_reply(b, 1)), "storage_failed");
    }
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_and_filters),
        cmocka_unit_test(one_event_by_id),
        cmocka_unit_test(restored_ledger_is_noticed),
        cmocka_unit_test(damage_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
