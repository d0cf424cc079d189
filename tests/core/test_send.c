/* test_send.c - send, reply and send_batch: what is answered, when, and what is published. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- durability ---- */

/* Nobody hears of a message before it is on the disk: not the sender, not a follower, not an inbox. */
static void ack_is_held_until_record_is_durable(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'hello','to':['peer-1','lead']}", TEAM);
    assert_trace(b, "> 1 send\n"
                    "append A #1 chat.message by user\n");
    assert_null(bench_reply(b, 1));
    bench_request(b, 2, "inbox_list", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    assert_trace(b, "> 2 inbox_list\n"
                    "reply 2 ok\n");
    assert_int_equal(bench_uint_at(bench_reply(b, 2), "result.unread_total"), 0);
    bench_sync(b, TEAM, 1);
    assert_trace(b, "durable A #1\n"
                    "publish e/A/chat.message/1/0\n"
                    "publish i/A/lead/1/0\n"
                    "publish i/A/peer-1/1/0\n"
                    "reply 1 ok\n");
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "all"), "1");
    team_end(&b);
}

/* The event has every field of the reference in its order, then ours; the reply holds exactly what the ledger holds. */
static void event_has_every_field_in_order(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *result = bench_do(b, "send",
                                          "{'group_id':'%s','text':'look','to':['@reviewer','user'],'priority':'attention',"
                                          "'reply_required':true,'client_id':'k1','path':'/src/app/lib/x'}",
                                          TEAM);
    struct cccc_event event;
    assert_true(bench_event(b, TEAM, 1, &event));
    assert_string_equal(
        bench_text(b, cccc_get(result, "event")),
        cccc_arena_printf(bench_arena(b),
                          "{\"v\":1,\"id\":\"%.*s\",\"ts\":\"%.*s\",\"seq\":1,\"kind\":\"chat.message\",\"group_id\":\"%s\","
                          "\"scope_key\":\"s_bbbbbbbbbbbb\",\"by\":\"user\",\"attest\":{\"as\":\"operator\",\"uid\":1000,\"pid\":42},"
                          "\"data\":%s}",
                          CCCC_STR_FMT(event.id), CCCC_STR_FMT(event.ts), TEAM, bench_text(b, &event.data))
            .ptr);
    cccc_str_t digest = cccc_get_str(&event.data, "client_digest");
    assert_int_equal(digest.len, 16);
    assert_string_equal(bench_text(b, &event.data),
                        cccc_arena_printf(bench_arena(b),
                                          "{\"text\":\"look\",\"format\":\"plain\",\"priority\":\"attention\",\"reply_required\":true,"
                                          "\"to\":[\"peer-2\",\"user\"],\"reply_to\":null,\"quote_text\":null,\"src_group_id\":null,"
                                          "\"src_event_id\":null,\"dst_group_id\":null,\"dst_to\":null,\"refs\":[],\"attachments\":[],"
                                          "\"thread\":\"\",\"client_id\":\"k1\",\"audience\":[\"peer-2\"],\"client_digest\":\"%.*s\"}",
                                          CCCC_STR_FMT(digest))
                            .ptr);
    team_end(&b);
}

/* A write that failed is answered as unknown to everyone who waits, nothing of it shows, and what the refold finds is the truth. */
static void append_failure_answers_everything_unknown(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'zero','to':['peer-1']}", TEAM);
    bench_trace(b);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'one','to':['peer-1'],'client_id':'a'}", TEAM);
    bench_request(b, 2, "send", "{'group_id':'%s','text':'one','to':['peer-1'],'client_id':'a'}", TEAM);
    bench_request(b, 3, "send", "{'group_id':'%s','text':'two','to':['peer-1']}", TEAM);
    bench_fail(b, TEAM, CCCC_E_STORAGE, true, 1, true);
    assert_trace(b, "> 1 send\n"
                    "append A #2 chat.message by user\n"
                    "> 2 send\n"
                    "> 3 send\n"
                    "append A #3 chat.message by user\n"
                    "fail A storage_failed\n"
                    "reply 2 storage_failed the disk refused; details.outcome says what is known\n"
                    "reply 1 storage_failed the disk refused; details.outcome says what is known\n"
                    "reply 3 storage_failed the disk refused; details.outcome says what is known\n"
                    "refold\n");
    for (uint64_t conn = 1; conn <= 3; conn++)
        assert_string_equal(bench_str_at(b, bench_reply(b, conn), "error.details.outcome"), "unknown");
    bench_settle(b);
    /* The first one had reached the disk after all: the retry finds it. */
    const cccc_value_t *again = bench_do(b, "send", "{'group_id':'%s','text':'one','to':['peer-1'],'client_id':'a'}", TEAM);
    assert_true(cccc_get_bool(again, "duplicate", false));
    assert_int_equal(bench_uint_at(again, "event.seq"), 2);
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "all"), "1 2");
    team_end(&b);
}

/* While a group is being read again it takes no writes and says so. */
static void folding_group_is_busy(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'one','to':['peer-1']}", TEAM);
    bench_fail(b, TEAM, CCCC_E_STORAGE, true, 0, true);
    bench_request(b, 2, "send", "{'group_id':'%s','text':'two','to':['peer-1']}", TEAM);
    bench_request(b, 3, "inbox_list", "{'group_id':'%s','actor_id':'lead'}", TEAM);
    assert_string_equal(bench_code(bench_reply(b, 2)), "busy");
    assert_string_equal(bench_code(bench_reply(b, 3)), "busy");
    bench_refold(b);
    assert_int_equal(bench_uint_at(bench_do(b, "send", "{'group_id':'%s','text':'two','to':['peer-1']}", TEAM), "event.seq"), 1);
    team_end(&b);
}

/* A full disk loses nothing that was answered and needs no refold: the same seqs are given again. */
static void full_disk_is_not_stored_and_passes(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'one','to':['peer-1'],'client_id':'a'}", TEAM);
    bench_fail(b, TEAM, CCCC_E_NO_SPACE, false, 0, false);
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_code(reply), "no_space");
    assert_string_equal(bench_str_at(b, reply, "error.details.outcome"), "not_stored");
    const cccc_value_t *again = bench_do(b, "send", "{'group_id':'%s','text':'one','to':['peer-1'],'client_id':'a'}", TEAM);
    assert_null(cccc_get(again, "duplicate"));
    assert_int_equal(bench_uint_at(again, "event.seq"), 1);
    team_end(&b);
}

#define ONE_A "{'group_id':'%s','text':'one','to':['peer-1'],'client_id':'a'}"

/* A client_id of an event that was sealed is looked for in the segments, and nowhere when their filters say no; what is not sealed is found as ever. */
static void sealed_client_id_is_read_from_its_segment(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", ONE_A, TEAM);
    bench_do(b, "send", "{'group_id':'%s','text':'two','to':['peer-1'],'client_id':'b'}", TEAM);
    bench_do(b, "send", "{'group_id':'%s','text':'three','to':['peer-1'],'client_id':'c'}", TEAM);
    bench_seal(b, TEAM, 2, NULL);
    bench_trace(b);
    bench_request(b, 1, "send", ONE_A, TEAM);
    bench_settle(b);
    assert_trace(b, "> 1 send\n"
                    "read a client id in 1 segments\n"
                    "read done: 1 events\n"
                    "reply 1 ok\n");
    assert_int_equal(bench_uint_at(bench_reply(b, 1), "result.event.seq"), 1);
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'%s','text':'other','to':['peer-1'],'client_id':'b'}", TEAM)),
                        "client_id_conflict");
    const cccc_value_t *third = bench_do(b, "send", "{'group_id':'%s','text':'three','to':['peer-1'],'client_id':'c'}", TEAM);
    assert_int_equal(bench_uint_at(third, "event.seq"), 3);
    assert_int_equal(
        bench_uint_at(bench_do(b, "send", "{'group_id':'%s','text':'four','to':['peer-1'],'client_id':'d'}", TEAM), "event.seq"), 4);
    team_end(&b);
}

static void filter_that_says_no_asks_nobody(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    struct cccc_id_filter *empty = calloc(1, sizeof *empty + CCCC_ID_BLOCK_WORDS * sizeof empty->words[0]);
    assert_non_null(empty);
    *empty = (struct cccc_id_filter){.first = 1, .last = 1, .blocks = 1};
    bench_do(b, "send", "{'group_id':'%s','text':'one','to':['peer-1']}", TEAM);
    bench_do(b, "send", "{'group_id':'%s','text':'two','to':['peer-1']}", TEAM);
    bench_seal(b, TEAM, 1, empty);
    bench_trace(b);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'three','to':['peer-1'],'client_id':'a'}", TEAM);
    assert_trace(b, "> 1 send\n"
                    "append A #3 chat.message by user\n");
    bench_settle(b);
    team_end(&b);
}

/* While a segment is asked, the same client_id comes again: both are the one event. */
static void two_that_wait_for_a_segment_become_one_event(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'zero','to':['peer-1']}", TEAM);
    bench_do(b, "send", "{'group_id':'%s','text':'zero','to':['peer-1']}", TEAM);
    bench_seal(b, TEAM, 1, NULL);
    bench_request(b, 1, "send", ONE_A, TEAM);
    bench_request(b, 2, "send", ONE_A, TEAM);
    bench_settle(b);
    assert_int_equal(bench_uint_at(bench_reply(b, 1), "result.event.seq"), 3);
    assert_int_equal(bench_uint_at(bench_reply(b, 2), "result.event.seq"), 3);
    team_end(&b);
}

/* A batch of the disk may end between two events of one call: the answer waits for the last. */
static void answer_waits_for_every_event_of_the_call(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'look','to':['peer-1'],'priority':'attention'}", TEAM);
    struct cccc_event original;
    bench_event(b, TEAM, 1, &original);
    bench_request(b, 1, "reply", "{'group_id':'%s','reply_to':'%.*s','text':'done','by':'peer-1'}", TEAM, CCCC_STR_FMT(original.id));
    bench_finish_read(b);
    bench_trace(b);
    bench_sync(b, TEAM, 1);
    bench_sync(b, TEAM, 1);
    assert_trace(b, "durable A #2\n"
                    "publish e/A/chat.message/2/1\n"
                    "publish i/A/user/2/0\n"
                    "durable A #3\n"
                    "publish e/A/chat.ack/3/2\n"
                    "reply 1 ok\n");
    team_end(&b);
}

/* ---- order ---- */

/* Requests of one connection are decided in the order they came: while one waits for a read, those behind it wait too, and nobody else's do. */
static void parked_request_holds_back_its_own_connection_only(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'first','to':['peer-1']}", TEAM);
    struct cccc_event original;
    bench_event(b, TEAM, 1, &original);
    bench_trace(b);
    bench_request(b, 1, "reply", "{'group_id':'%s','reply_to':'%.*s','text':'a','by':'peer-1'}", TEAM, CCCC_STR_FMT(original.id));
    bench_request(b, 1, "send", "{'group_id':'%s','text':'b','to':['lead']}", TEAM);
    bench_request(b, 1, "ping", "{}");
    bench_request(b, 2, "send", "{'group_id':'%s','text':'c','to':['lead']}", TEAM);
    bench_finish_read(b);
    assert_trace(b, "> 1 reply\n"
                    "read 1 seqs from #1\n"
                    "> 1 send\n"
                    "> 1 ping\n"
                    "> 2 send\n"
                    "append A #2 chat.message by user\n"
                    "read done: 1 events\n"
                    "append A #3 chat.message by peer-1\n"
                    "append A #4 chat.message by user\n"
                    "reply 1 ok\n");
    assert_non_null(cccc_get(cccc_get(bench_reply(b, 1), "result"), "pid"));
    team_end(&b);
}

/* The queue behind a waiting request is bounded, and over it is an error with the limit in it. */
static void too_many_waiting_requests_are_busy(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'first','to':['peer-1']}", TEAM);
    struct cccc_event original;
    bench_event(b, TEAM, 1, &original);
    bench_request(b, 1, "reply", "{'group_id':'%s','reply_to':'%.*s','text':'a','by':'peer-1'}", TEAM, CCCC_STR_FMT(original.id));
    for (int i = 0; i < CCCC_PARKED_REQUESTS_MAX; i++)
        bench_request(b, 1, "ping", "{}");
    assert_null(bench_reply(b, 1));
    bench_request(b, 1, "ping", "{}");
    const cccc_value_t *reply = bench_reply(b, 1);
    assert_string_equal(bench_code(reply), "busy");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "10000"));
    bench_settle(b);
    assert_true(cccc_core_is_quiet(bench_core(b)));
    team_end(&b);
}

/* So are its bytes. */
static void too_many_bytes_of_waiting_requests_are_busy(void **state)
{
    (void)state;
    enum { TEXT = 30000 };
    static char text[TEXT + 1];
    bench_t *b = team_new(1);
    memset(text, 'x', TEXT);
    bench_do(b, "send", "{'group_id':'%s','text':'first','to':['peer-1']}", TEAM);
    struct cccc_event original;
    bench_event(b, TEAM, 1, &original);
    bench_request(b, 1, "reply", "{'group_id':'%s','reply_to':'%.*s','text':'a','by':'peer-1'}", TEAM, CCCC_STR_FMT(original.id));
    int sent = 0;
    const cccc_value_t *reply = NULL;
    while (!reply && sent++ < CCCC_PARKED_REQUEST_BYTES_MAX / TEXT) {
        bench_request(b, 1, "send", "{'group_id':'%s','text':'%s','to':['peer-1']}", TEAM, text);
        reply = bench_reply(b, 1);
    }
    assert_string_equal(bench_code(reply), "busy");
    assert_in_range(sent, CCCC_PARKED_REQUEST_BYTES_MAX / (TEXT + 500), CCCC_PARKED_REQUEST_BYTES_MAX / TEXT);
    team_end(&b);
}

/* What a vanished connection had not had decided is dropped; what was decided goes on. */
static void vanished_connection_drops_only_undecided_requests(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'first','to':['peer-1']}", TEAM);
    struct cccc_event original;
    bench_event(b, TEAM, 1, &original);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'decided','to':['peer-1']}", TEAM);
    bench_request(b, 1, "reply", "{'group_id':'%s','reply_to':'%.*s','text':'a','by':'peer-1'}", TEAM, CCCC_STR_FMT(original.id));
    bench_request(b, 1, "send", "{'group_id':'%s','text':'behind','to':['peer-1']}", TEAM);
    bench_gone(b, 1);
    bench_settle(b);
    assert_int_equal(bench_durable(b, TEAM), 2);
    assert_true(cccc_core_is_quiet(bench_core(b)));
    team_end(&b);
}

/* After cccc_core_stop requests are refused, and what was decided is still answered. */
static void stopping_answers_what_was_decided(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'one','to':['peer-1']}", TEAM);
    cccc_core_stop(bench_core(b));
    bench_request(b, 2, "send", "{'group_id':'%s','text':'two','to':['peer-1']}", TEAM);
    assert_string_equal(bench_code(bench_reply(b, 2)), "shutting_down");
    assert_false(cccc_core_is_quiet(bench_core(b)));
    bench_settle(b);
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    assert_true(cccc_core_is_quiet(bench_core(b)));
    team_end(&b);
}

/* ---- client ids ---- */

static const cccc_value_t *send_k(bench_t *b, const char *text, const char *client_id)
{
    return bench_ask(b, "send", "{'group_id':'%s','text':'%s','to':['peer-1'],'client_id':'%s'}", TEAM, text, client_id);
}

/* The same client_id with the same arguments is the same event, whatever happened to roles, files or the daemon in between. */
static void repeat_of_a_client_id_is_the_same_event(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *first = send_k(b, "hello", "k");
    bench_do(b, "actor_remove", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    for (int i = 0; i < 2; i++) {
        const cccc_value_t *again = send_k(b, "hello", "k");
        assert_true(cccc_get_bool(cccc_get(again, "result"), "duplicate", false));
        assert_true(cccc_value_eq(bench_at(first, "result.event"), bench_at(again, "result.event")));
        bench_restart(b);
    }
    assert_null(bench_at(first, "result.duplicate"));
    team_end(&b);
}

/* The same client_id with other arguments is refused and names the event that has it; another speaker's is another id. */
static void other_arguments_are_a_conflict(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *first = send_k(b, "hello", "k");
    const cccc_value_t *other = send_k(b, "goodbye", "k");
    assert_string_equal(bench_code(other), "client_id_conflict");
    assert_string_equal(bench_str_at(b, other, "error.details.event_id"), bench_str_at(b, first, "result.event.id"));
    const cccc_value_t *by_lead =
        bench_ask(b, "send", "{'group_id':'%s','text':'goodbye','to':['peer-1'],'client_id':'k','by':'lead'}", TEAM);
    assert_string_equal(bench_code(by_lead), "ok");
    const cccc_value_t *elsewhere = bench_ask(b, "send", "{'group_id':'%s','text':'goodbye','to':['peer-1'],'client_id':'k'}", OTHER);
    assert_string_equal(bench_code(elsewhere), "ok");
    team_end(&b);
}

/* A repeat of what is still on its way to the disk waits for the same durability and makes no second event. */
static void repeat_of_a_pending_client_id_waits_with_it(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    for (uint64_t conn = 1; conn <= 3; conn++)
        bench_request(b, conn, "send", "{'group_id':'%s','text':'%s','to':['peer-1'],'client_id':'k'}", TEAM, conn == 3 ? "other" : "same");
    assert_trace(b, "> 1 send\n"
                    "append A #1 chat.message by user\n"
                    "> 2 send\n"
                    "> 3 send\n"
                    "reply 3 client_id_conflict client_id k was used by user for another message (event "
                    "018bcfe568030000000001a8bf0ae412); a new message needs a new client_id\n");
    bench_sync(b, TEAM, 1);
    const cccc_value_t *one = bench_reply(b, 1), *two = bench_reply(b, 2);
    assert_true(cccc_value_eq(bench_at(one, "result.event"), bench_at(two, "result.event")));
    assert_true(cccc_get_bool(cccc_get(two, "result"), "duplicate", false));
    team_end(&b);
}

/* Two connections with the same client_id, the second parked while the first is decided and made durable: one event. */
static void client_id_decided_while_a_request_is_parked_is_found(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "blob_put", "{'group_id':'%s','sha256':'%064d','total_bytes':0,'name':'a.txt'}", TEAM, 1);
    cccc_value_t args = bench_json(b,
                                   "{'group_id':'%s','text':'x','to':['peer-1'],'client_id':'k',"
                                   "'attachments':[{'path':'state/blobs/%064d_a.txt'}]}",
                                   TEAM, 1);
    bench_request_value(b, 1, "send", args);
    bench_request_value(b, 2, "send", args);
    bench_finish_store(b);
    bench_sync(b, TEAM, 1);
    bench_finish_store(b);
    bench_settle(b);
    const cccc_value_t *one = bench_reply(b, 1), *two = bench_reply(b, 2);
    assert_true(cccc_value_eq(bench_at(one, "result.event"), bench_at(two, "result.event")));
    assert_int_equal(bench_durable(b, TEAM), 1);
    team_end(&b);
}

/* An event of an older ledger with a client_id and no digest counts as the same message. */
static void client_id_without_a_digest_agrees_with_everything(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_line(b, TEAM,
               "{'id':'aaaaaaaaaaaa0000000001aaaaaaaaaa','ts':'2026-01-01T00:00:00Z','kind':'chat.message','by':'user',"
               "'data':{'text':'old','to':['peer-1'],'audience':['peer-1'],'client_id':'k'}}");
    bench_restart(b);
    const cccc_value_t *again = send_k(b, "new", "k");
    assert_string_equal(bench_str_at(b, again, "result.event.data.text"), "old");
    team_end(&b);
}

/* ---- who gets it ---- */

/* A disabled actor named by its id gets its copy in the inbox, and the sender is told who is not there. */
static void disabled_recipient_is_kept_and_said(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *result = bench_do(b, "send", "{'group_id':'%s','text':'later','to':['off']}", TEAM);
    assert_json(b, cccc_get(result, "recipients"),
                "[{'id':'off','enabled':false,'state':'disabled','will':'inbox','why':'it is disabled','next':'cccc inbox --actor-id off "
                "--group g_0000000000a1'}]");
    assert_string_equal(inbox_seqs(b, TEAM, "off", "all"), "1");
    const cccc_value_t *all = bench_do(b, "send", "{'group_id':'%s','text':'all','to':['@all'],'by':'lead'}", TEAM);
    assert_string_equal(bench_str_at(b, all, "recipients.0.state"), "enabled");
    assert_string_equal(bench_str_at(b, all, "recipients.2.state"), "disabled");
    assert_string_equal(bench_str_at(b, all, "recipients.3.state"), "user");
    assert_null(cccc_get(bench_do(b, "send", "{'group_id':'%s','text':'x','to':['peer-1']}", TEAM), "recipients"));
    assert_non_null(cccc_get(bench_do(b, "send", "{'group_id':'%s','text':'x','to':['peer-1'],'outlook':true}", TEAM), "recipients"));
    team_end(&b);
}

/* A message that only its sender would get is a note, for nobody: the answer says so unasked, and nothing is owed for it. */
static void a_message_for_nobody_says_so(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
#define NOTE "{'group_id':'%s','text':'note','to':['%s'],'by':'%s','reply_required':true}"
    assert_json(b, cccc_get(bench_do(b, "send", NOTE, TEAM, "user", "user"), "recipients"), "[]");
    assert_null(cccc_get(bench_do(b, "send", NOTE, TEAM, "peer-1", "user"), "recipients"));
    assert_int_equal(bench_uint_at(bench_do(b, "obligations_list", "{'group_id':'%s'}", TEAM), "open"), 1);
    team_end(&b);
}

/* The foreman that names nobody is told what to do, and nothing is stored. */
static void foreman_without_recipients_is_told_what_to_do(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *reply = bench_ask(b, "send", "{'group_id':'%s','text':'hi','by':'lead'}", TEAM);
    assert_string_equal(bench_code(reply), "no_enabled_recipients");
    assert_json(b, bench_at(reply, "error.details.to"), "['@foreman']");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "name recipients"));
    assert_int_equal(bench_durable(b, TEAM), 0);
    team_end(&b);
}

/* Roles are those of the moment of sending, decided events included; later changes move nothing. */
static void audience_is_resolved_when_it_is_sent(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'to the foreman'}", TEAM);
    bench_request(b, 1, "actor_update", "{'group_id':'%s','actor_id':'lead','patch':{'enabled':false}}", TEAM);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'to the new foreman'}", TEAM);
    bench_settle(b);
    assert_string_equal(inbox_seqs(b, TEAM, "lead", "chat"), "1");
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "chat"), "3");
    team_end(&b);
}

/* ---- the wake ---- */

/* A person's message wakes an idle group, recorded as the system's event before it; an actor's does not. */
static void message_wakes_an_idle_group(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "group_set_state", "{'group_id':'%s','state':'idle'}", TEAM);
    bench_do(b, "send", "{'group_id':'%s','text':'mine','to':['lead'],'by':'peer-1'}", TEAM);
    bench_trace(b);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'up','to':['lead']}", TEAM);
    bench_request(b, 2, "send", "{'group_id':'%s','text':'and up','to':['lead']}", TEAM);
    assert_trace(b, "> 1 send\n"
                    "append A #3 group.set_state by system\n"
                    "append A #4 chat.message by user\n"
                    "> 2 send\n"
                    "append A #5 chat.message by user\n");
    bench_settle(b);
    bench_pass(b, 2);
    bench_settle(b);
    cccc_value_t document = bench_document(b, TEAM);
    assert_string_equal(bench_str_at(b, &document, "state"), "active");
    team_end(&b);
}

static cccc_value_t repeated(bench_t *b, char c, size_t count)
{
    char *text = cccc_arena_alloc(bench_arena(b), count);
    memset(text, c, count);
    return cccc_string((cccc_str_t){text, count});
}

/* A message whose line would be over EVENT_BYTES_MAX although each of its parts is allowed. */
static cccc_value_t oversized(bench_t *b)
{
    cccc_builder_t files = cccc_array_builder(bench_arena(b), 8), args = cccc_map_builder(bench_arena(b), 4);
    bench_do(b, "blob_put", "{'group_id':'%s','sha256':'%064d','total_bytes':0,'name':'a.txt'}", TEAM, 1);
    cccc_value_t file = bench_json(b, "{'path':'state/blobs/%064d_a.txt'}", 1);
    file = cccc_map_with(bench_arena(b), &file, CCCC_STR("title"), repeated(b, '"', CCCC_TITLE_BYTES_MAX));
    for (int i = 0; i < CCCC_ATTACHMENTS_MAX; i++)
        cccc_array_add(&files, file);
    cccc_map_add(&args, "group_id", cccc_text(TEAM));
    cccc_map_add(&args, "to", bench_json(b, "['lead']"));
    cccc_map_add(&args, "text", repeated(b, 1, CCCC_TEXT_INLINE_BYTES_MAX));
    cccc_map_add(&args, "attachments", files.value);
    return args.value;
}

/* A message that is refused wakes nobody and leaves nothing: not for its recipients, not for its size. */
static void refused_message_wakes_nobody(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "group_set_state", "{'group_id':'%s','state':'idle'}", TEAM);
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['nobody']}", TEAM)), "invalid_recipient");
    bench_request_value(b, 1, "send", oversized(b));
    bench_settle(b);
    assert_string_equal(bench_code(bench_reply(b, 1)), "too_large");
    assert_int_equal(bench_durable(b, TEAM), 1);
    assert_string_equal(bench_str_at(b, bench_do(b, "group_show", "{'group_id':'%s'}", TEAM), "group.state"), "idle");
    team_end(&b);
}

/* A priority that is none is what is said first, whatever else is wrong (reference 3.9). */
static void priority_is_looked_at_first(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    static const char *const ops[] = {"send", "reply", "send_cross_group"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        assert_string_equal(bench_code(bench_ask(b, ops[i], "{'text':'x','priority':'loud'}")), "invalid_priority");
        assert_string_equal(bench_code(bench_ask(b, ops[i], "{'text':'x','priority':'normal'}")), "missing_group_id");
        assert_string_equal(
            bench_code(bench_ask(b, ops[i],
                                 "{'group_id':'g_00000000ffff','dst_group_id':'" OTHER "','reply_to':'x','text':'x','priority':'loud'}")),
            "invalid_priority");
    }
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'%s','to':['lead'],'text':'x','priority':' '}", TEAM)), "ok");
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ack_is_held_until_record_is_durable),
        cmocka_unit_test(event_has_every_field_in_order),
        cmocka_unit_test(append_failure_answers_everything_unknown),
        cmocka_unit_test(folding_group_is_busy),
        cmocka_unit_test(full_disk_is_not_stored_and_passes),
        cmocka_unit_test(sealed_client_id_is_read_from_its_segment),
        cmocka_unit_test(filter_that_says_no_asks_nobody),
        cmocka_unit_test(two_that_wait_for_a_segment_become_one_event),
        cmocka_unit_test(answer_waits_for_every_event_of_the_call),
        cmocka_unit_test(parked_request_holds_back_its_own_connection_only),
        cmocka_unit_test(too_many_waiting_requests_are_busy),
        cmocka_unit_test(too_many_bytes_of_waiting_requests_are_busy),
        cmocka_unit_test(vanished_connection_drops_only_undecided_requests),
        cmocka_unit_test(stopping_answers_what_was_decided),
        cmocka_unit_test(repeat_of_a_client_id_is_the_same_event),
        cmocka_unit_test(other_arguments_are_a_conflict),
        cmocka_unit_test(repeat_of_a_pending_client_id_waits_with_it),
        cmocka_unit_test(client_id_decided_while_a_request_is_parked_is_found),
        cmocka_unit_test(client_id_without_a_digest_agrees_with_everything),
        cmocka_unit_test(disabled_recipient_is_kept_and_said),
        cmocka_unit_test(a_message_for_nobody_says_so),
        cmocka_unit_test(foreman_without_recipients_is_told_what_to_do),
        cmocka_unit_test(audience_is_resolved_when_it_is_sent),
        cmocka_unit_test(message_wakes_an_idle_group),
        cmocka_unit_test(refused_message_wakes_nobody),
        cmocka_unit_test(priority_is_looked_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
