/* test_housekeeping.c - ledger_snapshot and ledger_compact: who may, what is asked of the executor, and what is answered. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The answer names the file and the event it reaches, as the ledger has it. */
static void snapshot_names_its_last_event(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'one','to':['peer-1']}", TEAM);
    bench_trace(b);
    bench_request(b, 1, "ledger_snapshot", "{'group_id':'%s'}", TEAM);
    assert_trace(b, "> 1 ledger_snapshot\nsnapshot\n");
    bench_keep(b, CCCC_OK, "{'path':'/h/snapshot','size_bytes':77,'seq':1}");
    bench_settle(b);
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_str_at(b, reply, "result.snapshot.snapshot_path"), "/h/snapshot");
    assert_int_equal(bench_uint_at(reply, "result.snapshot.size_bytes"), 77);
    assert_int_equal(bench_uint_at(reply, "result.snapshot.last_event.seq"), 1);
    assert_string_equal(bench_str_at(b, reply, "result.snapshot.last_event.kind"), "chat.message");
    assert_string_equal(bench_str_at(b, reply, "result.snapshot.last_event.by"), "user");
    team_end(&b);
}

/* What was sealed is told with the reason given; what was skipped says why. */
static void compact_says_what_it_sealed_or_why_not(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "ledger_compact", "{'group_id':'%s','force':true,'reason':'tidy'}", TEAM);
    assert_trace(b, "> 1 ledger_compact\nseal by force\n");
    bench_keep(b, CCCC_OK, "{'from_seq':1,'to_seq':9,'archived_lines':9}");
    assert_json(
        b, cccc_get(bench_reply(b, 1), "result"),
        "{'ok':true,'skipped':false,'result':{'from_seq':1,'to_seq':9,'archived_lines':9,'reason':'tidy'},'safe_seq':1,'safe_why':''}");
    bench_request(b, 2, "ledger_compact", "{'group_id':'%s'}", TEAM);
    bench_keep(b, CCCC_OK, "{'skipped':'below_threshold','size_bytes':500,'total_lines':3}");
    assert_json(b, cccc_get(bench_reply(b, 2), "result"),
                "{'ok':true,'skipped':true,'reason':'below_threshold','size_bytes':500,'total_lines':3,'safe_seq':1,'safe_why':''}");
    team_end(&b);
}

/* A disk that refuses is the op's own error; a full one is no_space, one at a time is busy. */
static void failures_have_the_ops_own_codes(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        cccc_err_t met;
        const char *code;
    } cases[] = {
        {"ledger_snapshot", CCCC_E_STORAGE, "ledger_snapshot_failed"},
        {"ledger_snapshot", CCCC_E_BUSY, "busy"},
        {"ledger_compact", CCCC_E_STORAGE, "ledger_compact_failed"},
        {"ledger_compact", CCCC_E_NO_SPACE, "no_space"},
    };
    bench_t *b = team_new(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_request(b, 10 + i, cases[i].op, "{'group_id':'%s'}", TEAM);
        bench_keep(b, cases[i].met, NULL);
        assert_string_equal(bench_code(bench_reply(b, 10 + i)), cases[i].code);
    }
    team_end(&b);
}

/* The user and the foreman may, a peer may not. */
static void only_user_and_foreman_keep_house(void **state)
{
    (void)state;
    static const char *const ops[] = {"ledger_snapshot", "ledger_compact"};
    bench_t *b = team_new(1);
    for (uint64_t i = 0; i < 2; i++) {
        char code[40];
        snprintf(code, sizeof code, "%s_failed", ops[i]);
        assert_string_equal(bench_code(bench_ask(b, ops[i], "{'group_id':'%s','by':'peer-1'}", TEAM)), code);
        bench_trace(b);
        bench_request(b, 20 + i, ops[i], "{'group_id':'%s','by':'lead'}", TEAM);
        assert_non_null(strstr(bench_trace(b), i ? "seal" : "snapshot"));
        bench_keep(b, CCCC_E_BUSY, NULL);
    }
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_names_its_last_event),
        cmocka_unit_test(compact_says_what_it_sealed_or_why_not),
        cmocka_unit_test(failures_have_the_ops_own_codes),
        cmocka_unit_test(only_user_and_foreman_keep_house),
    };
    return cmocka_run_group_tests_name("core housekeeping", tests, NULL, NULL);
}
