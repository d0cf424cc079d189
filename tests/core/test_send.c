/* test_send.c - send, reply and send_batch: what is answered, when, and what is published. */
#include "tests/core/team.h"

/* The promise: nobody hears of a message before it is on the disk. */
static void ack_is_held_until_record_is_durable(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'hello','to':['peer-1','lead']}", TEAM);
    assert_trace(b, "> 1 send\n"
                    "append A #1 chat.message by user\n");
    assert_null(bench_reply(b, 1));
    assert_string_equal(inbox_seqs(b, OTHER, "peer-1", "all"), "");
    bench_trace(b);
    bench_sync(b, TEAM, 1);
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ack_is_held_until_record_is_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
