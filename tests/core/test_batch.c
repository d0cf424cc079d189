/* test_batch.c - send_batch: independent items, decided in order, answered together. */
#include "tests/core/team.h"

#include <stdio.h>
#include <string.h>

static const cccc_value_t *batch(bench_t *b, const char *messages)
{
    const cccc_value_t *result = bench_do(b, "send_batch", "{'group_id':'%s','messages':%s}", TEAM, messages);
    return cccc_get(result, "results");
}

/* Each item is judged by itself; the good ones are stored in order, and the answer waits for the last. */
static void items_are_independent_and_in_order(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(
        b, 1, "send_batch",
        "{'group_id':'%s','by':'lead','messages':[{'text':'a','to':['peer-1']},{'text':'b','to':['nobody']},{'text':''},"
        "{'text':'c','to':['peer-2'],'priority':'attention'},{'to':7},{'text':'d'},{'text':'e','to':['user'],'odd':1,'by':'lead'},"
        "{'text':'f','by':'user'}]}",
        TEAM);
    bench_sync(b, TEAM, 2);
    assert_null(bench_reply(b, 1));
    bench_sync(b, TEAM, 1);
    assert_trace(b, "> 1 send_batch\n"
                    "append A #1 chat.message by lead\n"
                    "append A #2 chat.message by lead\n"
                    "append A #3 chat.message by lead\n"
                    "durable A #2\n"
                    "publish e/A/chat.message/1/0\n"
                    "publish i/A/peer-1/1/0\n"
                    "publish e/A/chat.message/2/1\n"
                    "publish i/A/peer-2/2/0\n"
                    "durable A #3\n"
                    "publish e/A/chat.message/3/2\n"
                    "publish i/A/user/3/0\n"
                    "reply 1 ok\n");
    const cccc_value_t *results = bench_at(bench_reply(b, 1), "result.results");
    static const char *const codes[] = {"", "invalid_recipient", "no_enabled_recipients", "", "invalid_request", "no_enabled_recipients",
                                        "", "invalid_request"};
    uint64_t seq = 0;
    for (uint32_t i = 0; i < 8; i++) {
        const cccc_value_t *item = &results->via.array.ptr[i];
        if (codes[i][0] == '\0') {
            assert_int_equal(bench_uint_at(item, "seq"), ++seq);
            struct cccc_event event;
            bench_event(b, TEAM, seq, &event);
            assert_string_equal(bench_str_at(b, item, "event_id"), cccc_arena_str(bench_arena(b), event.id).ptr);
        } else if (strcmp(bench_str_at(b, item, "error.code"), codes[i]) != 0) {
            fail_msg("item %u: %s", i, bench_text(b, item));
        }
    }
    team_end(&b);
}

/* A misspelled argument of an item shows, and an item cannot be meant for another group than the one it would go to. */
static void items_with_strange_arguments_show(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *results = batch(b, "[{'text':'a','too':['peer-1']},{'text':'b','group_id':'g_ffffffffffff'},"
                                           "{'text':'c','group_id':'" TEAM "'},{'text':'d','group_id':null}]");
    assert_json(b, bench_at(&results->via.array.ptr[0], "ignored"), "['too']");
    assert_string_equal(bench_str_at(b, &results->via.array.ptr[1], "error.code"), "invalid_request");
    for (uint32_t i = 2; i < 4; i++) {
        assert_int_equal(bench_uint_at(&results->via.array.ptr[i], "seq"), i);
        assert_null(bench_at(&results->via.array.ptr[i], "ignored"));
    }
    team_end(&b);
}

/* While one item is looked up the speaker may leave: then the others are not its messages any more either, though they waited for nothing themselves. */
static void an_item_of_who_has_left_meanwhile_is_refused(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'first','to':['user']}", TEAM);
    struct cccc_event first, none;
    bench_event(b, TEAM, 1, &first);
    bench_request(b, 1, "send_batch",
                  "{'group_id':'%s','by':'peer-1','messages':[{'text':'a','to':['user']},{'text':'b','to':['user'],'cause':'%.*s'}]}", TEAM,
                  CCCC_STR_FMT(first.id));
    bench_request(b, 2, "actor_remove", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    bench_sync(b, TEAM, 1);
    bench_settle(b);
    const cccc_value_t *results = bench_at(bench_reply(b, 1), "result.results");
    for (uint32_t i = 0; i < 2; i++)
        assert_string_equal(bench_str_at(b, &results->via.array.ptr[i], "error.code"), "unknown_actor");
    assert_false(bench_event(b, TEAM, 3, &none));
    team_end(&b);
}

/* Nothing good in it, or nothing at all: answered at once. */
static void batch_without_a_good_item_is_answered_at_once(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send_batch", "{'group_id':'%s','messages':[{'text':''}]}", TEAM);
    bench_request(b, 2, "send_batch", "{'group_id':'%s','messages':[]}", TEAM);
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    const cccc_value_t *none = bench_reply(b, 2);
    if (strcmp(bench_code(none), "ok") == 0)
        assert_json(b, bench_at(none, "result.results"), "[]");
    team_end(&b);
}

/* Client ids: a repeat inside the batch, of something pending, of something durable, and a conflict. */
static void repeats_in_a_batch_are_the_same_events(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'old','to':['lead'],'client_id':'old'}", TEAM);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'pending','to':['lead'],'client_id':'pending'}", TEAM);
    bench_request(b, 2, "send_batch",
                  "{'group_id':'%s','messages':[{'text':'old','to':['lead'],'client_id':'old'},{'text':'pending','to':['lead'],'client_id':"
                  "'pending'},"
                  "{'text':'new','to':['lead'],'client_id':'new'},{'text':'new','to':['lead'],'client_id':'new'},"
                  "{'text':'other','to':['lead'],'client_id':'new'},{'text':'other','to':['lead'],'client_id':'old'}]}",
                  TEAM);
    bench_settle(b);
    const cccc_value_t *results = bench_at(bench_reply(b, 2), "result.results");
    static const struct {
        uint64_t seq;
        bool duplicate;
    } expected[] = {{1, true}, {2, true}, {3, false}, {3, true}, {0, false}, {0, false}};
    for (uint32_t i = 0; i < 6; i++) {
        const cccc_value_t *item = &results->via.array.ptr[i];
        if (expected[i].seq == 0) {
            assert_string_equal(bench_str_at(b, item, "error.code"), "client_id_conflict");
            assert_non_null(bench_at(item, "error.details.event_id"));
            continue;
        }
        assert_int_equal(bench_uint_at(item, "seq"), expected[i].seq);
        assert_int_equal(cccc_get_bool(item, "duplicate", false), expected[i].duplicate);
    }
    assert_int_equal(bench_durable(b, TEAM), 3);
    team_end(&b);
}

/* Items that need file work hold back the whole batch, so that the order stays; what was checked before is checked again. */
static void lookups_come_before_the_first_decision(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "blob_put", "{'group_id':'%s','sha256':'%064d','total_bytes':0,'name':'a.txt'}", TEAM, 1);
    bench_request(b, 1, "send_batch",
                  "{'group_id':'%s','messages':[{'text':'one','to':['peer-1']},{'text':'two','to':['lead'],'attachments':[{'path':'state/"
                  "blobs/%064d_a.txt'}]},"
                  "{'text':'three','to':['lead']}]}",
                  TEAM, 1);
    bench_do(b, "actor_remove", "{'group_id':'%s','actor_id':'peer-2'}", TEAM);
    bench_settle(b);
    const cccc_value_t *results = bench_at(bench_reply(b, 1), "result.results");
    for (uint32_t i = 0; i < 3; i++)
        assert_true(cccc_get_bool(&results->via.array.ptr[i], "ok", false));
    bench_trace(b);
    bench_request(b, 1, "send_batch",
                  "{'group_id':'%s','messages':[{'text':'one','to':['peer-1']},{'text':'two','to':['lead'],'attachments':[{'path':'state/"
                  "blobs/%064d_a.txt'}]}]}",
                  TEAM, 1);
    bench_request(b, 2, "actor_remove", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    bench_finish_store(b);
    bench_settle(b);
    results = bench_at(bench_reply(b, 1), "result.results");
    assert_string_equal(bench_str_at(b, results, "0.error.code"), "invalid_recipient");
    assert_true(cccc_get_bool(&results->via.array.ptr[1], "ok", false));
    team_end(&b);
}

/* More than the pending list takes: the rest is busy, item by item, and nothing that was taken is lost. */
static void full_pending_list_is_busy_for_the_rest(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    cccc_builder_t items = cccc_array_builder(bench_arena(b), 1000), args = cccc_map_builder(bench_arena(b), 2);
    cccc_value_t item = bench_json(b, "{'text':'x','to':['lead']}");
    for (int i = 0; i < CCCC_BATCH_MESSAGES_MAX; i++)
        cccc_array_add(&items, item);
    cccc_map_add(&args, "group_id", cccc_text(TEAM));
    cccc_map_add(&args, "messages", items.value);
    static const char *const quiet[] = {"append", "publish", NULL};
    bench_quiet(b, quiet);
    for (uint64_t conn = 1; conn <= 17; conn++)
        bench_request_value(b, conn, "send_batch", args.value);
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", OTHER)), "ok");
    bench_settle(b);
    const cccc_value_t *results = bench_at(bench_reply(b, 17), "result.results");
    uint32_t left = CCCC_PENDING_EVENTS_MAX - 16 * CCCC_BATCH_MESSAGES_MAX;
    assert_true(cccc_get_bool(&results->via.array.ptr[left - 1], "ok", false));
    assert_string_equal(bench_str_at(b, &results->via.array.ptr[left], "error.code"), "busy");
    assert_int_equal(bench_durable(b, TEAM), CCCC_PENDING_EVENTS_MAX);
    bench_free(&b);
}

/* A write that fails answers the whole batch as unknown. */
static void failed_write_is_unknown_for_the_whole(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send_batch",
                  "{'group_id':'%s','messages':[{'text':'a','to':['lead']},{'text':'b','to':['lead']},{'text':'c','to':['lead']}]}", TEAM);
    bench_sync(b, TEAM, 1);
    bench_fail(b, TEAM, CCCC_E_STORAGE, true, 1, true);
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_str_at(b, reply, "error.details.outcome"), "unknown");
    bench_settle(b);
    assert_int_equal(bench_durable(b, TEAM), 2);
    team_end(&b);
}

/* An idle group is woken once, by the first item that is taken. */
static void batch_wakes_once(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "group_set_state", "{'group_id':'%s','state':'idle'}", TEAM);
    const cccc_value_t *results = batch(b, "[{'text':''},{'text':'a','to':['lead']},{'text':'b','to':['lead']}]");
    assert_int_equal(bench_uint_at(results, "1.seq"), 3);
    assert_int_equal(bench_uint_at(results, "2.seq"), 4);
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_independent_and_in_order),
        cmocka_unit_test(items_with_strange_arguments_show),
        cmocka_unit_test(an_item_of_who_has_left_meanwhile_is_refused),
        cmocka_unit_test(batch_without_a_good_item_is_answered_at_once),
        cmocka_unit_test(repeats_in_a_batch_are_the_same_events),
        cmocka_unit_test(lookups_come_before_the_first_decision),
        cmocka_unit_test(full_pending_list_is_busy_for_the_rest),
        cmocka_unit_test(failed_write_is_unknown_for_the_whole),
        cmocka_unit_test(batch_wakes_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
