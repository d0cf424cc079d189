/* test_cross.c - send_cross_group: both records, every interruption between them, and repeats. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CROSS "{'group_id':'" TEAM "','dst_group_id':'" OTHER "','text':'over there','to':['peer-1'],'by':'lead'"

/* The last event of a group. */
static struct cccc_event last(bench_t *b, const char *group_id)
{
    struct cccc_event event;
    assert_true(bench_event(b, group_id, bench_durable(b, group_id), &event));
    return event;
}

static const char *kinds(bench_t *b, const char *group_id)
{
    cccc_str_t text = CCCC_STR("");
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(b, group_id, seq, &event); seq++)
        text = cccc_arena_printf(bench_arena(b), "%.*s%s%.*s", CCCC_STR_FMT(text), seq > 1 ? " " : "", CCCC_STR_FMT(event.kind));
    return cccc_arena_str(bench_arena(b), text).ptr;
}

/* Source record durable first, then the destination, then the answer; chat.relayed closes it. */
static void message_crosses_in_order(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send_cross_group", CROSS ",'priority':'attention','reply_required':true}");
    assert_trace(b, "> 1 send_cross_group\n"
                    "append A #1 chat.message by lead\n");
    bench_sync(b, TEAM, 1);
    assert_trace(b, "durable A #1\n"
                    "publish e/A/chat.message/1/0\n"
                    "publish i/A/user/1/0\n"
                    "append B #1 chat.message by svc:A/lead\n");
    bench_sync(b, OTHER, 1);
    assert_trace(b, "durable B #1\n"
                    "publish e/B/chat.message/1/0\n"
                    "publish i/B/peer-1/1/0\n"
                    "append A #2 chat.relayed by system\n"
                    "reply 1 ok\n");
    const cccc_value_t *result = cccc_get(bench_reply(b, 1), "result");
    const char *src = bench_str_at(b, result, "src_event.id"), *dst = bench_str_at(b, result, "dst_event.id");
    assert_json(b, bench_at(result, "src_event.data.to"), "['user']");
    assert_json(b, bench_at(result, "src_event.data.dst_to"), "['peer-1']");
    assert_string_equal(bench_str_at(b, result, "src_event.data.dst_group_id"), OTHER);
    assert_string_equal(bench_str_at(b, result, "dst_event.data.src_event_id"), src);
    assert_string_equal(bench_str_at(b, result, "dst_event.data.src_group_id"), TEAM);
    assert_string_equal(bench_str_at(b, result, "dst_event.data.priority"), "attention");
    assert_json(b, bench_at(result, "dst_event.data.reply_required"), "true");
    bench_settle(b);
    struct cccc_event relayed = last(b, TEAM);
    assert_string_equal(
        bench_text(b, &relayed.data),
        cccc_arena_printf(bench_arena(b), "{\"src_event_id\":\"%s\",\"dst_group_id\":\"%s\",\"dst_event_id\":\"%s\"}", src, OTHER, dst)
            .ptr);
    team_end(&b);
}

/* The sender in the destination is nobody's id there: user stays user, a service itself, an actor is said with its group. */
static void relayed_sender_collides_with_nobody(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    static const struct {
        const char *by, *there;
    } cases[] = {{"user", "user"}, {"svc:mail", "svc:mail"}, {"peer-1", "svc:" TEAM "/peer-1"}};
    for (size_t i = 0; i < 3; i++) {
        const cccc_value_t *result = bench_do(
            b, "send_cross_group", "{'group_id':'%s','dst_group_id':'%s','text':'x','to':['peer-1'],'by':'%s'}", TEAM, OTHER, cases[i].by);
        assert_string_equal(bench_str_at(b, result, "dst_event.by"), cases[i].there);
        assert_json(b, bench_at(result, "dst_event.data.audience"), "['peer-1']");
    }
    team_end(&b);
}

/* What is refused before anything is written, in the order of the reference. */
static void wrong_requests_write_nothing(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    static const struct {
        const char *args, *code;
    } cases[] = {
        {"'dst_group_id':'" OTHER "','text':'x','attachments':[{'path':'p'}],'to':['peer-1']", "attachments_not_supported"},
        {"'dst_group_id':'" TEAM "','text':'x','to':['peer-1']", "invalid_dst_group_id"},
        {"'dst_group_id':'g_00000000ffff','text':'x','to':['peer-1']", "group_not_found"},
        {"'text':'x','to':['peer-1']", "missing_dst_group_id"},
        {"'dst_group_id':'" OTHER "','text':'x','to':['peer-1'],'priority':'loud'", "invalid_priority"},
        {"'dst_group_id':'" OTHER "','text':'x','to':['nobody']", "invalid_recipient"},
        {"'dst_group_id':'" OTHER "','text':'  ','to':['peer-1']", "empty_message"},
        {"'dst_group_id':'" OTHER "','text':'x','to':['peer-1'],'by':'nobody'", "unknown_actor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *reply = bench_ask(b, "send_cross_group", "{'group_id':'%s',%s}", TEAM, cases[i].args);
        if (strcmp(bench_code(reply), cases[i].code) != 0)
            fail_msg("%s: %s", cases[i].args, bench_text(b, reply));
    }
    assert_int_equal(bench_durable(b, TEAM) + bench_durable(b, OTHER), 0);
    team_end(&b);
}

/* The destination changes its mind between the steps: the refusal is an event of the source group, and the error names the source event. */
static void refusal_of_the_second_step_is_recorded(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send_cross_group", CROSS ",'client_id':'k'}");
    bench_request(b, 2, "actor_remove", "{'group_id':'%s','actor_id':'peer-1'}", OTHER);
    bench_sync(b, OTHER, 1);
    bench_settle(b);
    const cccc_value_t *reply = bench_reply(b, 1);
    if (strcmp(bench_code(reply), "ok") == 0)
        fail_msg("the removal came too late: %s", bench_text(b, reply));
    assert_string_equal(bench_code(reply), "invalid_recipient");
    struct cccc_event refused = last(b, TEAM);
    assert_true(cccc_str_is(refused.kind, "chat.relay_refused"));
    assert_string_equal(bench_str_at(b, reply, "error.details.src_event_id"), bench_str_at(b, &refused.data, "src_event_id"));
    assert_string_equal(bench_str_at(b, &refused.data, "code"), "invalid_recipient");
    /* A repeat is answered with the same refusal and writes nothing more. */
    for (int i = 0; i < 2; i++) {
        const cccc_value_t *again = bench_ask(b, "send_cross_group", CROSS ",'client_id':'k'}");
        assert_string_equal(bench_code(again), "invalid_recipient");
        bench_restart(b);
        bench_pass(b, 30);
        bench_settle(b);
    }
    assert_string_equal(kinds(b, TEAM), "chat.message chat.relay_refused");
    team_end(&b);
}

/* Killed after each step, the daemon finishes what it promised, once. */
static void interrupted_relay_is_finished_after_a_restart(void **state)
{
    (void)state;
    for (int steps = 1; steps <= 3; steps++) {
        bench_t *b = team_new((uint64_t)steps);
        bench_request(b, 1, "send_cross_group", CROSS "}");
        for (int i = 0; i < steps; i++)
            bench_sync(b, i == 1 ? OTHER : TEAM, 1);
        bench_restart(b);
        bench_pass(b, 2);
        bench_settle(b);
        assert_string_equal(kinds(b, TEAM), "chat.message chat.relayed");
        assert_string_equal(kinds(b, OTHER), "chat.message");
        struct cccc_event dst = last(b, OTHER);
        assert_true(cccc_str_is(dst.by, "svc:" TEAM "/lead"));
        bench_pass(b, 30);
        bench_settle(b);
        assert_int_equal(bench_durable(b, TEAM), 2);
        team_end(&b);
    }
}

/* A text too long for the event crosses whole, also when the daemon was killed in between. */
static void long_text_crosses_whole(void **state)
{
    (void)state;
    char *text = malloc(50001);
    assert_non_null(text);
    memset(text, 'y', 50000);
    text[50000] = '\0';
    for (int kill = 0; kill < 2; kill++) {
        bench_t *b = team_new(1);
        bench_request(b, 1, "send_cross_group", "{'group_id':'%s','dst_group_id':'%s','text':'%s','to':['peer-1']}", TEAM, OTHER, text);
        bench_finish_store(b);
        bench_sync(b, TEAM, 1);
        if (kill) {
            bench_restart(b);
            bench_pass(b, 2);
        }
        bench_settle(b);
        struct cccc_event dst = last(b, OTHER);
        assert_int_equal(bench_uint_at(&dst.data, "attachments.0.bytes"), 50000);
        const cccc_value_t *blob =
            bench_do(b, "blob_get", "{'group_id':'%s','path':'%s','limit':10}", OTHER, bench_str_at(b, &dst.data, "attachments.0.path"));
        assert_int_equal(bench_uint_at(blob, "bytes"), 50000);
        assert_string_equal(kinds(b, TEAM), "chat.message chat.relayed");
        team_end(&b);
    }
    free(text);
}

/* The destination's disk is full: the relay stays open, the sender learns that, and the tick brings it over later. */
static void full_destination_is_tried_again(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send_cross_group", CROSS "}");
    bench_sync(b, TEAM, 1);
    bench_fail(b, OTHER, CCCC_E_NO_SPACE, false, 0, false);
    assert_string_equal(bench_code(bench_reply(b, 1)), "no_space");
    bench_settle(b);
    assert_string_equal(kinds(b, TEAM), "chat.message");
    bench_pass(b, 12);
    bench_settle(b);
    assert_string_equal(kinds(b, TEAM), "chat.message chat.relayed");
    assert_string_equal(kinds(b, OTHER), "chat.message");
    team_end(&b);
}

/* The destination is being read again: passing, not a refusal. */
static void busy_destination_is_tried_again(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 2, "send", "{'group_id':'%s','text':'x','to':['lead']}", OTHER);
    bench_request(b, 1, "send_cross_group", CROSS "}");
    bench_fail(b, OTHER, CCCC_E_STORAGE, true, 0, true);
    bench_sync(b, TEAM, 1);
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_code(reply), "busy");
    assert_string_equal(bench_str_at(b, reply, "error.details.outcome"), "unknown");
    bench_settle(b);
    bench_pass(b, 12);
    bench_settle(b);
    assert_string_equal(kinds(b, TEAM), "chat.message chat.relayed");
    team_end(&b);
}

/* The destination is gone when the second step is resumed: refused, and said so. */
static void deleted_destination_is_a_refusal(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send_cross_group", CROSS "}");
    bench_sync(b, TEAM, 1);
    bench_restart(b);
    bench_do(b, "group_delete", "{'group_id':'%s'}", OTHER);
    bench_pass(b, 2);
    bench_settle(b);
    struct cccc_event refused = last(b, TEAM);
    assert_true(cccc_str_is(refused.kind, "chat.relay_refused"));
    assert_string_equal(bench_str_at(b, &refused.data, "code"), "group_not_found");
    assert_fold_is_live(b, TEAM);
    bench_free(&b);
}

/* The same client_id crosses once, whenever it is repeated: pending, durable, relayed, after a restart. */
static void repeat_crosses_once(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send_cross_group", CROSS ",'client_id':'k'}");
    bench_request(b, 2, "send_cross_group", CROSS ",'client_id':'k'}");
    bench_sync(b, TEAM, 1);
    bench_request(b, 3, "send_cross_group", CROSS ",'client_id':'k'}");
    bench_settle(b);
    bench_request(b, 4, "send_cross_group", CROSS ",'client_id':'k'}");
    bench_settle(b);
    bench_restart(b);
    bench_request(b, 5, "send_cross_group", CROSS ",'client_id':'k'}");
    bench_settle(b);
    const cccc_value_t *first = bench_reply(b, 1);
    for (uint64_t conn = 2; conn <= 5; conn++) {
        const cccc_value_t *reply = bench_reply(b, conn);
        if (strcmp(bench_code(reply), "ok") != 0 ||
            !cccc_value_eq(bench_at(first, "result.src_event"), bench_at(reply, "result.src_event")) ||
            !cccc_value_eq(bench_at(first, "result.dst_event"), bench_at(reply, "result.dst_event")))
            fail_msg("%llu: %s", (unsigned long long)conn, bench_text(b, reply));
        assert_true(cccc_get_bool(cccc_get(reply, "result"), "duplicate", false));
    }
    assert_string_equal(kinds(b, OTHER), "chat.message");
    assert_string_equal(
        bench_code(bench_ask(b, "send_cross_group",
                             "{'group_id':'%s','dst_group_id':'%s','text':'other','to':['peer-1'],'by':'lead','client_id':'k'}", TEAM,
                             OTHER)),
        "client_id_conflict");
    team_end(&b);
}

/* Source records of CCCC 0.4.0, and of clients that relay themselves, are not this broker's to finish. */
static void foreign_source_records_are_left_alone(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'x','to':['user'],'by':'lead','dst_group_id':'%s','dst_to':['peer-1']}", TEAM, OTHER);
    bench_restart(b);
    bench_pass(b, 30);
    bench_settle(b);
    assert_int_equal(bench_durable(b, OTHER), 0);
    assert_int_equal(bench_durable(b, TEAM), 1);
    team_end(&b);
}

/* An idle destination is woken by what comes from outside. */
static void relayed_message_wakes_the_destination(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "group_set_state", "{'group_id':'%s','state':'idle'}", OTHER);
    bench_do(b, "send_cross_group", CROSS "}");
    assert_string_equal(kinds(b, OTHER), "group.set_state group.set_state chat.message");
    team_end(&b);
}

/* Without recipients the destination's policy decides; its broadcast is everyone there. */
static void destination_policy_decides(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *result =
        bench_do(b, "send_cross_group", "{'group_id':'%s','dst_group_id':'%s','text':'x','by':'lead'}", TEAM, OTHER);
    assert_json(b, bench_at(result, "dst_event.data.audience"), "['lead']");
    bench_do(b, "group_settings_update", "{'group_id':'%s','patch':{'default_send_to':'broadcast'}}", OTHER);
    result = bench_do(b, "send_cross_group", "{'group_id':'%s','dst_group_id':'%s','text':'x','by':'lead'}", TEAM, OTHER);
    assert_json(b, bench_at(result, "dst_event.data.audience"), "['lead','peer-1','peer-2','off','user']");
    assert_json(b, bench_at(result, "dst_event.data.to"), "[]");
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_crosses_in_order),
        cmocka_unit_test(relayed_sender_collides_with_nobody),
        cmocka_unit_test(wrong_requests_write_nothing),
        cmocka_unit_test(refusal_of_the_second_step_is_recorded),
        cmocka_unit_test(interrupted_relay_is_finished_after_a_restart),
        cmocka_unit_test(long_text_crosses_whole),
        cmocka_unit_test(full_destination_is_tried_again),
        cmocka_unit_test(busy_destination_is_tried_again),
        cmocka_unit_test(deleted_destination_is_a_refusal),
        cmocka_unit_test(repeat_crosses_once),
        cmocka_unit_test(foreign_source_records_are_left_alone),
        cmocka_unit_test(relayed_message_wakes_the_destination),
        cmocka_unit_test(destination_policy_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
