/* test_inbox.c - unread, the two cursors, and the acknowledgement that reading gives. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *say(bench_t *b, const char *by, const char *to, const char *priority)
{
    const cccc_value_t *result =
        bench_do(b, "send", "{'group_id':'%s','text':'x','by':'%s','to':%s,'priority':'%s'}", TEAM, by, to, priority);
    return bench_str_at(b, result, "event.id");
}

static const cccc_value_t *mark(bench_t *b, const char *reader, const char *by, const char *event_id)
{
    return bench_ask(b, "inbox_mark_read", "{'group_id':'%s','actor_id':'%s','by':'%s','event_id':'%s'}", TEAM, reader, by, event_id);
}

static const cccc_value_t *mark_all(bench_t *b, const char *reader, const char *filter)
{
    return bench_do(b, "inbox_mark_all_read", "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", TEAM, reader, filter);
}

/* A notice as the broker will write them; here it comes with the ledger. */
static void notice(bench_t *b, const char *target)
{
    static int n;
    char line[512];
    snprintf(line, sizeof line,
             "{'id':'bbbbbbbbbbbb%010llxbbbbbbbb%02x','ts':'2026-01-01T00:00:00.000000Z','kind':'system.notify','by':'system',"
             "'data':{'kind':'info','priority':'normal','title':'t','message':'m','target_actor_id':%s,'context':{},'requires_ack':false,"
             "'related_event_id':null}}",
             (unsigned long long)bench_durable(b, TEAM) + 1, ++n & 0xff, target);
    bench_line(b, TEAM, line);
    bench_restart(b);
    bench_settle(b);
}

/* ---- listing ---- */

/* The inbox is what was sent to the reader, oldest first, with its cursor and what the list leaves out. */
static void list_is_oldest_first_and_says_what_is_left(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    for (int i = 0; i < 5; i++)
        say(b, "user", i % 2 ? "['lead']" : "['peer-1']", "normal");
    const cccc_value_t *result = bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'peer-1','limit':2}", TEAM);
    assert_int_equal(bench_uint_at(result, "messages.0.seq"), 1);
    assert_int_equal(bench_uint_at(result, "messages.1.seq"), 3);
    assert_null(bench_at(result, "messages.2"));
    assert_int_equal(bench_uint_at(result, "unread_total"), 3);
    assert_int_equal(bench_uint_at(result, "as_of_seq"), 5);
    assert_true(cccc_get_bool(result, "more", false));
    assert_json(b, cccc_get(result, "cursor"), "{'event_id':'','ts':'','updated_at':'','seq':0}");
    assert_false(cccc_get_bool(bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'peer-1'}", TEAM), "more", true));
    team_end(&b);
}

/* limit: 50 when not given, as many as fit for 0 and below, lowered to INBOX_LIST_MAX above. */
static void list_limit_has_a_default_and_a_maximum(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    for (int i = 0; i < 60; i++)
        say(b, "user", "['peer-1']", "normal");
    static const struct {
        const char *limit;
        uint32_t count;
    } cases[] = {{"", 50}, {",'limit':7", 7}, {",'limit':0", 60}, {",'limit':-3", 60}, {",'limit':'8'", 8}, {",'limit':1000000", 60}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *result = bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'peer-1'%s}", TEAM, cases[i].limit);
        assert_int_equal(cccc_get(result, "messages")->via.array.size, cases[i].count);
    }
    team_end(&b);
}

/* Long messages: the list is cut at the byte limit of a read, at a whole event, and says so. */
static void list_is_cut_at_a_whole_event(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    char *text = malloc(31001);
    assert_non_null(text);
    memset(text, 'x', 31000);
    text[31000] = '\0';
    for (int i = 0; i < 40; i++)
        bench_do(b, "send", "{'group_id':'%s','text':'%s','to':['peer-1']}", TEAM, text);
    free(text);
    const cccc_value_t *result = bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'peer-1','limit':0}", TEAM);
    uint32_t count = cccc_get(result, "messages")->via.array.size;
    assert_true(count >= 30 && count < 40);
    assert_true(cccc_get_bool(result, "more", false));
    assert_int_equal(bench_uint_at(result, "unread_total"), 40);
    team_end(&b);
}

/* Readers are the group's actors and user, and the permission table decides who may look. */
static void only_readers_have_an_inbox_and_only_some_may_look(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    static const struct {
        const char *reader, *by, *code;
    } cases[] = {
        {"peer-1", "user", "ok"},
        {"peer-1", "lead", "ok"},
        {"peer-1", "peer-1", "ok"},
        {"peer-1", "peer-2", "permission_denied"},
        {"user", "user", "ok"},
        {"user", "lead", "ok"},
        {"user", "peer-1", "permission_denied"},
        {"nobody", "user", "unknown_actor"},
        {"off", "user", "ok"},
        {"svc:mail", "user", "unknown_actor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *reply =
            bench_ask(b, "inbox_list", "{'group_id':'%s','actor_id':'%s','by':'%s'}", TEAM, cases[i].reader, cases[i].by);
        if (strcmp(bench_code(reply), cases[i].code) != 0)
            fail_msg("%s by %s: %s", cases[i].reader, cases[i].by, bench_text(b, reply));
        assert_string_equal(bench_code(bench_ask(b, "inbox_mark_all_read", "{'group_id':'%s','actor_id':'%s','by':'%s'}", TEAM,
                                                 cases[i].reader, cases[i].by)),
                            cases[i].code);
    }
    assert_string_equal(bench_code(bench_ask(b, "inbox_list", "{'group_id':'g_00000000ffff','actor_id':'user'}")), "group_not_found");
    team_end(&b);
}

/* A read of the ledger that fails fails the listing, with what the ledger said. */
static void damaged_ledger_is_said(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *id = say(b, "user", "['peer-1']", "normal");
    bench_request(b, 1, "inbox_list", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    assert_true(bench_fail_read(b, CCCC_E_STORAGE));
    assert_string_equal(bench_code(bench_reply(b, 1)), "storage_failed");
    bench_request(b, 1, "inbox_mark_read", "{'group_id':'%s','actor_id':'peer-1','event_id':'%s'}", TEAM, id);
    assert_true(bench_fail_read(b, CCCC_E_STORAGE));
    assert_string_equal(bench_code(bench_reply(b, 1)), "storage_failed");
    bench_request(b, 1, "inbox_list", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    assert_true(bench_lose_read(b));
    const cccc_value_t *result = cccc_get(bench_reply(b, 1), "result");
    assert_json(b, cccc_get(result, "gaps"), "[{'from_seq':1,'to_seq':1,'reason':'damaged'}]");
    assert_json(b, cccc_get(result, "messages"), "[]");
    bench_request(b, 1, "inbox_mark_all_read", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    assert_true(bench_lose_read(b));
    assert_string_equal(bench_code(bench_reply(b, 1)), "damaged");
    team_end(&b);
}

/* ---- cursors ---- */

/* Marking moves the cursor to the event, both lanes; nothing is written when nothing moves. */
static void mark_read_moves_forward_only_and_writes_once(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *one = say(b, "user", "['peer-1']", "normal"), *two = say(b, "user", "['peer-1']", "normal");
    say(b, "user", "['peer-1']", "normal");
    const cccc_value_t *reply = mark(b, "peer-1", "peer-1", two);
    assert_string_equal(bench_str_at(b, reply, "result.cursor.event_id"), two);
    assert_int_equal(bench_uint_at(reply, "result.event.seq"), 4);
    assert_string_equal(bench_str_at(b, reply, "result.event.kind"), "chat.read");
    assert_string_equal(bench_str_at(b, reply, "result.event.data.event_id"), two);
    assert_json(b, bench_at(reply, "result.event.data.lanes"), "['chat','notify']");
    assert_true(cccc_is_nil(bench_at(reply, "result.ack_event")));
    assert_string_equal(bench_str_at(b, reply, "result.cursor.updated_at"), bench_str_at(b, reply, "result.event.ts"));
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "all"), "3");
    for (int i = 0; i < 2; i++) {
        reply = mark(b, "peer-1", "peer-1", i ? two : one);
        assert_true(cccc_is_nil(bench_at(reply, "result.event")));
        assert_string_equal(bench_str_at(b, reply, "result.cursor.event_id"), two);
    }
    assert_int_equal(bench_durable(b, TEAM), 4);
    team_end(&b);
}

/* What cannot be marked: no such event, another kind, not addressed to the reader, one's own. */
static void mark_read_checks_the_event(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *mine = say(b, "user", "['peer-1']", "normal");
    const char *read = bench_str_at(b, mark(b, "peer-1", "peer-1", mine), "result.event.id");
    static const struct {
        const char *reader, *id, *code;
    } cases[] = {
        {"peer-1", "nonsense", "event_not_found"},
        {"peer-1", "018bcfe568030000000001ffffffffff", "event_not_found"},
        {"peer-1", "018bcfe568030000000099ffffffffff", "event_not_found"},
        {"peer-2", NULL, "event_not_for_actor"},
        {"user", NULL, "event_not_for_actor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *reply = mark(b, cases[i].reader, "user", cases[i].id ? cases[i].id : mine);
        if (strcmp(bench_code(reply), cases[i].code) != 0)
            fail_msg("case %zu: %s", i, bench_text(b, reply));
    }
    assert_string_equal(bench_code(mark(b, "peer-1", "user", read)), "invalid_event_kind");
    assert_string_equal(bench_code(mark(b, "peer-1", "peer-2", mine)), "permission_denied");
    team_end(&b);
}

/* Two lanes: reading all notices hides no message (15.1, 15), and the other way round. */
static void lanes_are_read_apart(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    say(b, "user", "['peer-1']", "normal");
    notice(b, "'peer-1'");
    say(b, "user", "['peer-1']", "normal");
    notice(b, "null");
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "all"), "1 2 3 4");
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "chat"), "1 3");
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "notify"), "2 4");
    assert_string_equal(inbox_seqs(b, TEAM, "lead", "all"), "4");
    const cccc_value_t *result = mark_all(b, "peer-1", "notify");
    assert_json(b, bench_at(result, "event.data.lanes"), "['notify']");
    assert_int_equal(bench_uint_at(result, "cursor.seq"), 4);
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "all"), "1 3");
    result = mark_all(b, "peer-1", "chat");
    assert_int_equal(bench_uint_at(result, "cursor.seq"), 3);
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "all"), "");
    assert_true(cccc_is_nil(cccc_get(mark_all(b, "peer-1", "all"), "event")));
    assert_null(cccc_get(result, "ack_event"));
    team_end(&b);
}

/* What arrives while the newest unread event is read stays unread. */
static void mark_all_reads_no_more_than_it_saw(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    say(b, "user", "['peer-1']", "normal");
    bench_request(b, 1, "inbox_mark_all_read", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    bench_request(b, 2, "send", "{'group_id':'%s','text':'late','to':['peer-1']}", TEAM);
    bench_settle(b);
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "all"), "2");
    team_end(&b);
}

/* Two marks of the same events on their way at once: the second moves nothing any more. */
static void marks_on_their_way_do_no_harm(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *one = say(b, "user", "['peer-1']", "attention"), *two = say(b, "user", "['peer-1']", "normal");
    bench_as_actor(b, TEAM, "peer-1");
    bench_request(b, 1, "inbox_mark_read", "{'group_id':'%s','actor_id':'peer-1','event_id':'%s'}", TEAM, two);
    bench_request(b, 2, "inbox_mark_read", "{'group_id':'%s','actor_id':'peer-1','event_id':'%s'}", TEAM, one);
    bench_request(b, 3, "inbox_mark_read", "{'group_id':'%s','actor_id':'peer-1','event_id':'%s'}", TEAM, one);
    bench_settle(b);
    bench_as_operator(b);
    const cccc_value_t *second = bench_reply(b, 2), *third = bench_reply(b, 3);
    assert_string_equal(bench_str_at(b, second, "result.ack_event.kind"), "chat.ack");
    assert_true(cccc_is_nil(bench_at(third, "result.ack_event")));
    assert_string_equal(bench_str_at(b, third, "result.cursor.event_id"), two);
    team_end(&b);
}

/* A new actor starts at its own joining and sees no history; one that comes back likewise. */
static void newcomer_sees_no_history(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    say(b, "user", "['@all']", "normal");
    bench_do(b, "actor_add", "{'group_id':'%s','actor_id':'new','runtime':'custom','runner':'headless','command':['cat']}", TEAM);
    assert_string_equal(inbox_seqs(b, TEAM, "new", "all"), "");
    say(b, "user", "['@all']", "normal");
    assert_string_equal(inbox_seqs(b, TEAM, "new", "all"), "3");
    bench_do(b, "actor_remove", "{'group_id':'%s','actor_id':'new'}", TEAM);
    assert_string_equal(bench_code(bench_ask(b, "inbox_list", "{'group_id':'%s','actor_id':'new'}", TEAM)), "unknown_actor");
    bench_do(b, "actor_add", "{'group_id':'%s','actor_id':'new','runtime':'custom','runner':'headless','command':['cat']}", TEAM);
    assert_string_equal(inbox_seqs(b, TEAM, "new", "all"), "");
    const cccc_value_t *result = bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'new'}", TEAM);
    assert_int_equal(bench_uint_at(result, "cursor.seq"), 5);
    team_end(&b);
}

/* Marks of an actor that is decided to leave, and messages to it on their way, leave nothing behind. */
static void leaving_actor_leaves_nothing(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *id = say(b, "user", "['peer-1']", "attention");
    bench_request(b, 1, "send", "{'group_id':'%s','text':'x','to':['peer-1']}", TEAM);
    bench_request(b, 2, "inbox_mark_read", "{'group_id':'%s','actor_id':'peer-1','event_id':'%s'}", TEAM, id);
    bench_request(b, 3, "actor_remove", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    bench_request(b, 4, "send", "{'group_id':'%s','text':'x','to':['peer-1']}", TEAM);
    bench_settle(b);
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    assert_string_equal(bench_code(bench_reply(b, 2)), "ok");
    assert_string_equal(bench_code(bench_reply(b, 4)), "invalid_recipient");
    team_end(&b);
}

/* ---- acknowledgements ---- */

static const struct {
    const char *what;
    const char *priority, *to, *reader, *by;
    bool acks;
} acks[] = {
    {"the reader itself", "attention", "['peer-1']", "peer-1", "peer-1", true},
    {"a normal message", "normal", "['peer-1']", "peer-1", "peer-1", false},
    {"somebody else for it", "attention", "['peer-1']", "peer-1", "user", false},
    {"the foreman for it", "attention", "['peer-1']", "peer-1", "lead", false},
    {"by @all", "attention", "['@all']", "peer-2", "peer-2", true},
    {"by @foreman", "attention", "['@foreman']", "lead", "lead", true},
    {"a disabled one", "attention", "['off']", "off", "off", true},
};

/* Reading acknowledges when the reader itself names an attention message, once; acknowledgement survives restarts. */
static void reading_acknowledges_when_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof acks / sizeof *acks; i++) {
        bench_t *b = team_new(i);
        const char *id = say(b, "user", acks[i].to, acks[i].priority);
        const cccc_value_t *reply = mark(b, acks[i].reader, acks[i].by, id);
        if (cccc_is_nil(bench_at(reply, "result.ack_event")) == acks[i].acks)
            fail_msg("%s: %s", acks[i].what, bench_text(b, reply));
        if (acks[i].acks) {
            assert_json(b, bench_at(reply, "result.ack_event.data"),
                        cccc_arena_printf(bench_arena(b), "{'actor_id':'%s','event_id':'%s'}", acks[i].reader, id).ptr);
            bench_restart(b);
            assert_true(cccc_is_nil(bench_at(mark(b, acks[i].reader, acks[i].by, id), "result.ack_event")));
        }
        team_end(&b);
    }
}

/* A cursor that passes over an attention message does not acknowledge it: naming it later still does. */
static void cursor_that_passes_over_acknowledges_nothing(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *attention = say(b, "user", "['peer-1']", "attention"), *later = say(b, "user", "['peer-1']", "normal");
    assert_true(cccc_is_nil(bench_at(mark(b, "peer-1", "peer-1", later), "result.ack_event")));
    const cccc_value_t *reply = mark(b, "peer-1", "peer-1", attention);
    assert_string_equal(bench_str_at(b, reply, "result.ack_event.kind"), "chat.ack");
    assert_true(cccc_is_nil(bench_at(reply, "result.event")));
    team_end(&b);
}

/* A reply to an attention message acknowledges it, once, and only by those it was for. */
static void reply_acknowledges_once(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *id = say(b, "user", "['peer-1']", "attention");
    const cccc_value_t *other = bench_do(b, "reply", "{'group_id':'%s','reply_to':'%s','text':'a','by':'peer-2'}", TEAM, id);
    assert_true(cccc_is_nil(cccc_get(other, "ack_event")));
    const cccc_value_t *first = bench_do(b, "reply", "{'group_id':'%s','reply_to':'%s','text':'a','by':'peer-1'}", TEAM, id);
    assert_string_equal(bench_str_at(b, first, "ack_event.data.actor_id"), "peer-1");
    const cccc_value_t *second = bench_do(b, "reply", "{'group_id':'%s','reply_to':'%s','text':'b','by':'peer-1'}", TEAM, id);
    assert_true(cccc_is_nil(cccc_get(second, "ack_event")));
    assert_string_equal(bench_str_at(b, second, "event.data.quote_text"), "x");
    team_end(&b);
}

/* ---- the export ---- */

/* read_cursors.json follows the cursors, at most every five seconds, and at the stop whatever is due. */
static void cursors_are_exported(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *id = say(b, "user", "['peer-1']", "normal");
    mark(b, "peer-1", "peer-1", id);
    bench_pass(b, 6);
    bench_settle(b);
    cccc_value_t document = bench_stored(b, CCCC_STORE_CURSORS);
    assert_string_equal(bench_str_at(b, &document, "peer-1.event_id"), id);
    assert_string_equal(bench_str_at(b, &document, "peer-1.notify.event_id"), id);
    assert_string_equal(bench_str_at(b, &document, "lead.event_id"), "");
    const char *next = say(b, "user", "['peer-1']", "normal");
    mark(b, "peer-1", "peer-1", next);
    cccc_core_stop(bench_core(b));
    bench_settle(b);
    document = bench_stored(b, CCCC_STORE_CURSORS);
    assert_string_equal(bench_str_at(b, &document, "peer-1.event_id"), next);
    team_end(&b);
}

static void request_reply(bench_t *b, uint64_t conn, const char *to)
{
    bench_request(b, conn, "reply", "{'group_id':'%s','reply_to':'%s','text':'a','by':'peer-1','client_id':'k'}", TEAM, to);
}

/* The repeat of a reply is answered like the first one, the acknowledgement included: when both are durable, when both are on their way, and when
 * the disk has the reply and not yet the acknowledgement. */
static void repeated_reply_has_the_same_acknowledgement(void **state)
{
    (void)state;
    for (uint32_t durable = 0; durable <= 2; durable++) {
        bench_t *b = team_new(1);
        const char *id = say(b, "user", "['peer-1']", "attention");
        request_reply(b, 1, id);
        assert_true(bench_finish_read(b));
        bench_sync(b, TEAM, durable);
        request_reply(b, 2, id);
        bench_settle(b);
        const cccc_value_t *first = bench_reply(b, 1), *again = bench_reply(b, 2);
        assert_string_equal(bench_code(again), "ok");
        assert_true(cccc_get_bool(cccc_get(again, "result"), "duplicate", false));
        assert_string_equal(bench_str_at(b, first, "result.ack_event.data.event_id"), id);
        assert_true(cccc_value_eq(bench_at(first, "result.event"), bench_at(again, "result.event")));
        assert_true(cccc_value_eq(bench_at(first, "result.ack_event"), bench_at(again, "result.ack_event")));
        assert_int_equal(bench_durable(b, TEAM), 3);
        team_end(&b);
    }
}

/* The repeat of a reply that implied nothing says so, also when another event stands behind it. */
static void repeated_reply_to_nothing_special_has_none(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *id = say(b, "user", "['peer-1']", "normal");
    for (uint64_t conn = 1; conn <= 2; conn++) {
        request_reply(b, conn, id);
        bench_settle(b);
        const cccc_value_t *reply = bench_reply(b, conn);
        assert_int_equal(bench_uint_at(reply, "result.event.seq"), 2);
        assert_true(cccc_is_nil(bench_at(reply, "result.ack_event")));
        say(b, "user", "['peer-1']", "attention");
    }
    team_end(&b);
}

/* A filter that is no word of ours is refused with the words that are, and marks nothing. */
static void unknown_filter_is_refused(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    say(b, "user", "['peer-1']", "normal");
    static const char *const ops[] = {"inbox_list", "inbox_mark_all_read"};
    for (size_t i = 0; i < 2; i++) {
        const cccc_value_t *reply = bench_ask(b, ops[i], "{'group_id':'%s','actor_id':'peer-1','kind_filter':'bogus'}", TEAM);
        assert_string_equal(bench_code(reply), "invalid_request");
        assert_string_equal(bench_str_at(b, reply, "error.details.expected"), "all, chat or notify");
        assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "\"bogus\""));
    }
    assert_int_equal(bench_uint_at(bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'peer-1'}", TEAM), "unread_total"), 1);
    team_end(&b);
}

/* ---- what cannot be read ---- */

static void lose(bench_t *b, uint64_t from, uint64_t to)
{
    cccc_slot_t slot;
    assert_true(cccc_core_slot(bench_core(b), CCCC_STR(TEAM), &slot));
    cccc_core_fold_gap(bench_core(b), slot, &(struct cccc_gap){.from_seq = from, .to_seq = to, .reason = "damaged"});
}

static const cccc_value_t *listed_gaps(bench_t *b, const char *reader, const char *more)
{
    return cccc_get(bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'%s'%s}", TEAM, reader, more), "gaps");
}

/* A line that the fold could not read is named to every reader, until its cursor is behind it; and whoever marks over it is told. */
static void lost_event_is_named_until_it_is_passed(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    for (int i = 0; i < 2; i++)
        say(b, "user", "['peer-1']", "normal");
    lose(b, 2, 2);
    say(b, "user", "['peer-1']", "normal");
    static const char one[] = "[{'from_seq':2,'to_seq':2,'reason':'damaged'}]";
    assert_json(b, listed_gaps(b, "peer-1", ""), one);
    assert_json(b, listed_gaps(b, "peer-1", ",'limit':3"), one);
    assert_null(listed_gaps(b, "peer-1", ",'limit':1"));
    assert_json(b, listed_gaps(b, "peer-1", ",'kind_filter':'notify'"), one);
    assert_json(b, listed_gaps(b, "peer-2", ""), one);
    assert_json(b, cccc_get(mark_all(b, "peer-1", "chat"), "gaps"), one);
    assert_null(listed_gaps(b, "peer-1", ""));
    assert_null(cccc_get(mark_all(b, "peer-1", "chat"), "gaps"));
    assert_json(b, listed_gaps(b, "peer-2", ""), one);
    lose(b, 4, 0);
    assert_json(b, listed_gaps(b, "peer-1", ""), "[{'from_seq':4,'to_seq':0,'reason':'damaged'}]");
    team_end(&b);
}

/* A snapshot has the gaps below it, which no later fold meets; what is lost behind the head is found anew each time. */
static void a_snapshot_keeps_the_gaps(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    cccc_slot_t slot;
    for (int i = 0; i < 3; i++)
        say(b, "user", "['peer-1']", "normal");
    lose(b, 2, 2);
    lose(b, 4, 9);
    assert_true(cccc_core_slot(bench_core(b), CCCC_STR(TEAM), &slot));
    cccc_buf_t first, second;
    cccc_buf_init(&first);
    cccc_buf_init(&second);
    cccc_core_snapshot(bench_core(b), slot, &first);
    cccc_core_t *core = cccc_core_new();
    cccc_value_t none = cccc_nil();
    slot = cccc_core_fold_begin(core, CCCC_STR(TEAM), &none, false);
    assert_true(cccc_core_fold_snapshot(core, slot, 3, first.data, first.size));
    cccc_core_snapshot(core, slot, &second);
    assert_true(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    static const char row[] = "\xa4gaps\x91\x93\x02\x02\xa7"
                              "damaged";
    assert_non_null(memmem(second.data, second.size, row, sizeof row - 1));
    cccc_core_destroy(&core);
    cccc_buf_fini(&first);
    cccc_buf_fini(&second);
    team_end(&b);
}

/* Gaps that overlap, in any order, name each event once, each part with the reason that was told first: those of the fold, and one that a list's own read meets. */
static void gaps_that_overlap_name_each_event_once(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    cccc_slot_t slot;
    assert_true(cccc_core_slot(bench_core(b), CCCC_STR(TEAM), &slot));
    static const struct cccc_gap told[] = {{5, 6, 0, 0, "damaged"},  {2, 8, 0, 0, "missing"},  {5, 5, 0, 0, "truncated"},
                                           {9, 9, 0, 0, "damaged"},  {1, 12, 0, 0, "missing"}, {20, 0, 0, 0, "truncated"},
                                           {11, 25, 0, 0, "damaged"}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        cccc_core_fold_gap(bench_core(b), slot, &told[i]);
        assert_true(cccc_core_gaps_are_sound(bench_core(b), slot));
    }
    assert_json(b, listed_gaps(b, "peer-1", ""),
                "[{'from_seq':1,'to_seq':1,'reason':'missing'},{'from_seq':2,'to_seq':4,'reason':'missing'},{'from_seq':5,'to_seq':6,'"
                "reason':'damaged'},"
                "{'from_seq':7,'to_seq':8,'reason':'missing'},{'from_seq':9,'to_seq':9,'reason':'damaged'},{'from_seq':10,'to_seq':12,'"
                "reason':'missing'},"
                "{'from_seq':13,'to_seq':19,'reason':'damaged'},{'from_seq':20,'to_seq':0,'reason':'truncated'}]");
    team_end(&b);
}

/* Random gaps against a table of what each event was told to be, first of all; more of them than are kept name more, never less. */
static void random_gaps_stay_in_order_and_hide_nothing(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int round = 0; round < 60; round++) {
        bench_t *b = team_new(1);
        cccc_slot_t slot;
        bool lost[2400] = {false};
        assert_true(cccc_core_slot(bench_core(b), CCCC_STR(TEAM), &slot));
        for (int i = 0; i < 40 + round * 10; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint64_t from = 1 + (seed >> 33) % 2300, to = from + (seed >> 20) % (1 + (unsigned)round % 20);
            lose(b, from, to);
            for (uint64_t seq = from; seq <= to; seq++)
                lost[seq] = true;
            assert_true(cccc_core_gaps_are_sound(bench_core(b), slot));
        }
        const cccc_value_t *gaps = listed_gaps(b, "peer-1", "");
        bool named[2400] = {false}, exact = gaps->via.array.size < CCCC_GROUP_GAPS_MAX;
        assert_true(gaps->via.array.size <= CCCC_GROUP_GAPS_MAX);
        for (uint32_t i = 0; i < gaps->via.array.size; i++)
            for (uint64_t seq = cccc_get_uint(&gaps->via.array.ptr[i], "from_seq", 0);
                 seq <= cccc_get_uint(&gaps->via.array.ptr[i], "to_seq", 0); seq++)
                named[seq] = true;
        for (size_t seq = 0; seq < sizeof lost / sizeof *lost; seq++)
            assert_true(exact ? named[seq] == lost[seq] : named[seq] || !lost[seq]);
        team_end(&b);
    }
}

/* More gaps than are kept: the last row reaches over the rest and says so. */
static void too_many_gaps_become_one_row(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    for (uint64_t i = 1; i <= CCCC_GROUP_GAPS_MAX + 3; i++)
        lose(b, 2 * i, 2 * i);
    const cccc_value_t *gaps = listed_gaps(b, "peer-1", "");
    assert_int_equal(gaps->via.array.size, CCCC_GROUP_GAPS_MAX);
    const cccc_value_t *last = &gaps->via.array.ptr[CCCC_GROUP_GAPS_MAX - 1];
    assert_int_equal(cccc_get_uint(last, "from_seq", 0), 2 * CCCC_GROUP_GAPS_MAX);
    assert_int_equal(cccc_get_uint(last, "to_seq", 0), 2 * (CCCC_GROUP_GAPS_MAX + 3));
    assert_string_equal(bench_str_at(b, last, "reason"), "damaged in parts");
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_oldest_first_and_says_what_is_left),
        cmocka_unit_test(list_limit_has_a_default_and_a_maximum),
        cmocka_unit_test(list_is_cut_at_a_whole_event),
        cmocka_unit_test(unknown_filter_is_refused),
        cmocka_unit_test(only_readers_have_an_inbox_and_only_some_may_look),
        cmocka_unit_test(damaged_ledger_is_said),
        cmocka_unit_test(lost_event_is_named_until_it_is_passed),
        cmocka_unit_test(gaps_that_overlap_name_each_event_once),
        cmocka_unit_test(random_gaps_stay_in_order_and_hide_nothing),
        cmocka_unit_test(too_many_gaps_become_one_row),
        cmocka_unit_test(a_snapshot_keeps_the_gaps),
        cmocka_unit_test(mark_read_moves_forward_only_and_writes_once),
        cmocka_unit_test(mark_read_checks_the_event),
        cmocka_unit_test(lanes_are_read_apart),
        cmocka_unit_test(mark_all_reads_no_more_than_it_saw),
        cmocka_unit_test(marks_on_their_way_do_no_harm),
        cmocka_unit_test(newcomer_sees_no_history),
        cmocka_unit_test(leaving_actor_leaves_nothing),
        cmocka_unit_test(reading_acknowledges_when_the_table_says),
        cmocka_unit_test(cursor_that_passes_over_acknowledges_nothing),
        cmocka_unit_test(reply_acknowledges_once),
        cmocka_unit_test(repeated_reply_has_the_same_acknowledgement),
        cmocka_unit_test(repeated_reply_to_nothing_special_has_none),
        cmocka_unit_test(cursors_are_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
