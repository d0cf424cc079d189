/* test_recipients.c - who a message is for, as data: each row of cases is a send and what must come of it.
 *
 * The team: lead "Chief" (the foreman), peer-1 (no title), peer-2 "Reviewer", off "Asleep" (disabled). Twin rows have two actors titled "Twin". */
#include "tests/core/team.h"

#include <stdio.h>
#include <string.h>

struct row {
    const char *policy; /* default_send_to */
    const char *by;
    const char *to; /* JSON with single quotes; NULL: not given */
    const char *text;
    const char *tokens; /* the event's `to`, or an error code */
    const char *audience;
};

#define F "foreman"
#define B "broadcast"

static const struct row rows[] = {
    /* explicit ids and user */
    {F, "user", "['peer-1']", "x", "['peer-1']", "['peer-1']"},
    {F, "user", "['@peer-1']", "x", "['peer-1']", "['peer-1']"},
    {F, "user", "['peer-1','peer-2']", "x", "['peer-1','peer-2']", "['peer-1','peer-2']"},
    {F, "user", "['peer-2','peer-1']", "x", "['peer-2','peer-1']", "['peer-1','peer-2']"},
    {F, "user", "['peer-1','peer-1','@peer-1']", "x", "['peer-1']", "['peer-1']"},
    {F, "user", "'peer-1'", "x", "['peer-1']", "['peer-1']"},
    {F, "user", "['  peer-1  ']", "x", "['peer-1']", "['peer-1']"},
    {F, "user", "['Peer-1']", "x", "invalid_recipient", NULL},
    {F, "user", "['peer-9']", "x", "invalid_recipient", NULL},
    {F, "user", "['peer-1','peer-9']", "x", "invalid_recipient", NULL},
    {F, "lead", "['user']", "x", "['user']", "['user']"},
    {F, "lead", "['@user']", "x", "['user']", "['user']"},
    {F, "lead", "['USER']", "x", "invalid_recipient", NULL},
    {F, "lead", "['user','peer-1']", "x", "['user','peer-1']", "['peer-1','user']"},
    {F, "user", "['user']", "x", "['user']", "[]"},
    {F, "user", "['user','peer-1']", "x", "['user','peer-1']", "['peer-1']"},
    {F, "svc:mail", "['user']", "x", "['user']", "['user']"},
    {F, "svc:mail", "['lead']", "x", "['lead']", "['lead']"},
    /* titles */
    {F, "user", "['Reviewer']", "x", "['peer-2']", "['peer-2']"},
    {F, "user", "['@reviewer']", "x", "['peer-2']", "['peer-2']"},
    {F, "user", "['REVIEWER','peer-2']", "x", "['peer-2']", "['peer-2']"},
    {F, "user", "['Chief']", "x", "['lead']", "['lead']"},
    {F, "user", "['Asleep']", "x", "['off']", "['off']"},
    {F, "user", "['Twin']", "x", "invalid_recipient", NULL},
    {F, "user", "['twin-1']", "x", "['twin-1']", "['twin-1']"},
    /* selectors */
    {F, "user", "['@all']", "x", "['@all']", "['lead','peer-1','peer-2','off','twin-1','twin-2']"},
    {F, "user", "['@ALL']", "x", "invalid_recipient", NULL},
    {F, "user", "['all']", "x", "invalid_recipient", NULL},
    {F, "user", "['@peers']", "x", "['@peers']", "['peer-1','peer-2','off','twin-1','twin-2']"},
    {F, "user", "['@foreman']", "x", "['@foreman']", "['lead']"},
    {F, "user", "['@foreman','@peers']", "x", "['@foreman','@peers']", "['lead','peer-1','peer-2','off','twin-1','twin-2']"},
    {F, "user", "['@foreman','peer-1']", "x", "['@foreman','peer-1']", "['lead','peer-1']"},
    {F, "user", "['lead','@foreman']", "x", "['lead','@foreman']", "['lead']"},
    {F, "lead", "['@all']", "x", "['@all']", "['peer-1','peer-2','off','twin-1','twin-2','user']"},
    {F, "lead", "['@peers']", "x", "['@peers']", "['peer-1','peer-2','off','twin-1','twin-2']"},
    {F, "lead", "['@foreman']", "x", "no_enabled_recipients", NULL},
    {F, "lead", "['@foreman','user']", "x", "no_enabled_recipients", NULL},
    {F, "lead", "['lead']", "x", "no_enabled_recipients", NULL},
    {F, "lead", "['lead','user']", "x", "no_enabled_recipients", NULL},
    {F, "peer-1", "['@all']", "x", "['@all']", "['lead','peer-2','off','twin-1','twin-2','user']"},
    {F, "peer-1", "['@peers']", "x", "['@peers']", "['peer-2','off','twin-1','twin-2']"},
    {F, "peer-1", "['@foreman']", "x", "['@foreman']", "['lead']"},
    {F, "peer-1", "['peer-1','lead']", "x", "['peer-1','lead']", "['lead']"},
    {F, "svc:mail", "['@all']", "x", "['@all']", "['lead','peer-1','peer-2','off','twin-1','twin-2','user']"},
    /* disabled ones */
    {F, "user", "['off']", "x", "['off']", "['off']"},
    {F, "user", "['off','lead']", "x", "['off','lead']", "['lead','off']"},
    {F, "lead", "['user','off']", "x", "['user','off']", "['off','user']"},
    {F, "off", "['off']", "x", "no_enabled_recipients", NULL},
    {F, "off", "['lead']", "x", "['lead']", "['lead']"},
    /* nothing but an @ counts as nobody named */
    {F, "user", "['@']", "x", "['@foreman']", "['lead']"},
    {F, "user", "['@','peer-1']", "x", "['peer-1']", "['peer-1']"},
    {F, "user", "['']", "x", "['@foreman']", "['lead']"},
    /* the policy */
    {F, "user", NULL, "hello", "['@foreman']", "['lead']"},
    {F, "user", "[]", "hello", "['@foreman']", "['lead']"},
    {F, "peer-1", NULL, "hello", "['@foreman']", "['lead']"},
    {F, "lead", NULL, "hello", "no_enabled_recipients", NULL},
    {F, "svc:mail", NULL, "hello", "['@foreman']", "['lead']"},
    {B, "user", NULL, "hello", "[]", "['lead','peer-1','peer-2','off','twin-1','twin-2']"},
    {B, "lead", NULL, "hello", "[]", "['peer-1','peer-2','off','twin-1','twin-2','user']"},
    {B, "peer-1", "[]", "hello", "[]", "['lead','peer-2','off','twin-1','twin-2','user']"},
    {B, "svc:mail", NULL, "hello", "[]", "['lead','peer-1','peer-2','off','twin-1','twin-2','user']"},
    /* mentions, only where nobody is named */
    {F, "user", NULL, "@peer-1 please", "['peer-1']", "['peer-1']"},
    {F, "user", NULL, "please @peer-1", "['peer-1']", "['peer-1']"},
    {F, "user", NULL, "please (@peer-1)", "['peer-1']", "['peer-1']"},
    {F, "user", NULL, "both,@peer-1,@peer-2", "['peer-1','peer-2']", "['peer-1','peer-2']"},
    {F, "user", NULL, "line\\n@peer-2: look", "['peer-2']", "['peer-2']"},
    {F, "user", NULL, "tab\\t@peer-2", "['peer-2']", "['peer-2']"},
    {F, "user", NULL, "@peer-1 and @peer-1 again", "['peer-1']", "['peer-1']"},
    {F, "user", NULL, "@peer-1.", "['peer-1']", "['peer-1']"},
    {F, "user", NULL, "@peer-1, @peer-2!", "['peer-1','peer-2']", "['peer-1','peer-2']"},
    {F, "user", NULL, "@all hands", "['@all']", "['lead','peer-1','peer-2','off','twin-1','twin-2']"},
    {F, "user", NULL, "@peers look", "['@peers']", "['peer-1','peer-2','off','twin-1','twin-2']"},
    {F, "peer-1", NULL, "@foreman look", "['@foreman']", "['lead']"},
    {F, "peer-1", NULL, "@lead look", "['lead']", "['lead']"},
    {F, "lead", NULL, "@user look", "no_enabled_recipients", NULL},
    {F, "user", NULL, "@Reviewer look", "['@foreman']", "['lead']"},
    {F, "user", NULL, "@peer-11 look", "['@foreman']", "['lead']"},
    {F, "user", NULL, "@Peers look", "['@foreman']", "['lead']"},
    {F, "user", NULL, "bob@peer-1 wrote", "['@foreman']", "['lead']"},
    {F, "user", NULL, "mail bob@foreman.org", "['@foreman']", "['lead']"},
    {F, "user", NULL, "mail @peer-1.example.org", "['@foreman']", "['lead']"},
    {F, "user", NULL, "see @peer-1/readme", "['@foreman']", "['lead']"},
    {F, "user", NULL, "see @peer-1@host", "['@foreman']", "['lead']"},
    {F, "user", NULL, "x/@peer-1", "['@foreman']", "['lead']"},
    {F, "user", NULL, "`@peer-1` is code", "['@foreman']", "['lead']"},
    {F, "user", NULL, "`see @peer-1` is code", "['@foreman']", "['lead']"},
    {F, "user", NULL, "`code` then @peer-1", "['peer-1']", "['peer-1']"},
    {F, "user", NULL, "```\\nif x: @peer-1\\n```\\n@peer-2", "['peer-2']", "['peer-2']"},
    {F, "user", NULL, "``a ` @peer-1`` @peer-2", "['peer-2']", "['peer-2']"},
    {F, "user", NULL, "`never closed @peer-1", "['@foreman']", "['lead']"},
    {F, "user", NULL, "@ peer-1", "['@foreman']", "['lead']"},
    {F, "user", NULL, "@-peer-1", "['@foreman']", "['lead']"},
    {F, "user", NULL, "@", "['@foreman']", "['lead']"},
    {F, "user", NULL, "你好，@peer-1，请看", "['peer-1']", "['peer-1']"},
    {F, "user", NULL, "你好@peer-1", "['@foreman']", "['lead']"},
    {F, "user", NULL, "（@peer-2）", "['peer-2']", "['peer-2']"},
    {F, "user", NULL, "@peer-2。", "['peer-2']", "['peer-2']"},
    {F, "user", "['peer-2']", "@peer-1", "['peer-2']", "['peer-2']"},
    {B, "user", NULL, "@peer-1 please", "['peer-1']", "['peer-1']"},
    {B, "user", NULL, "bob@peer-1", "[]", "['lead','peer-1','peer-2','off','twin-1','twin-2']"},
    {F, "lead", NULL, "@foreman", "no_enabled_recipients", NULL},
    {F, "lead", NULL, "@off wake up", "['off']", "['off']"},
};

static void add_twins(bench_t *b)
{
    for (int i = 1; i <= 2; i++)
        bench_do(b, "actor_add",
                 "{'group_id':'%s','actor_id':'twin-%d','title':'Twin','runtime':'custom','runner':'headless','command':['cat']}", TEAM, i);
}

static void check(bench_t *b, const struct row *row)
{
    cccc_builder_t args = cccc_map_builder(bench_arena(b), 4);
    cccc_map_add(&args, "group_id", cccc_text(TEAM));
    cccc_map_add(&args, "by", cccc_text(row->by));
    cccc_value_t text = bench_json(b, "'%s'", row->text);
    cccc_map_add(&args, "text", text);
    if (row->to)
        cccc_map_add(&args, "to", bench_json(b, "%s", row->to));
    uint64_t before = bench_durable(b, TEAM);
    bench_request_value(b, 9, "send", args.value);
    bench_settle(b);
    const cccc_value_t *reply = bench_reply(b, 9);
    if (!row->audience) {
        if (strcmp(bench_code(reply), row->tokens) != 0)
            fail_msg("by %s to %s \"%s\": expected %s, have %s", row->by, row->to, row->text, row->tokens, bench_text(b, reply));
        assert_int_equal(bench_durable(b, TEAM), before);
        return;
    }
    cccc_value_t tokens = bench_json(b, "%s", row->tokens), audience = bench_json(b, "%s", row->audience);
    const cccc_value_t *to = bench_at(reply, "result.event.data.to"), *got = bench_at(reply, "result.event.data.audience");
    if (!to || !cccc_value_eq(to, &tokens) || !got || !cccc_value_eq(got, &audience))
        fail_msg("by %s to %s \"%s\": expected %s for %s, have %s for %s: %s", row->by, row->to, row->text, row->tokens, row->audience,
                 bench_text(b, to), bench_text(b, got), bench_text(b, reply));
    /* What the audience says, the inboxes have: the event is the newest unread of exactly these readers. */
    uint64_t seq = bench_uint_at(reply, "result.event.seq");
    cccc_value_t dump = bench_dump(b, TEAM);
    const cccc_value_t *readers = cccc_get(&dump, "readers");
    for (uint32_t i = 0; i < readers->via.map.size; i++) {
        cccc_str_t id = {readers->via.map.ptr[i].key.via.str.ptr, readers->via.map.ptr[i].key.via.str.size};
        const cccc_value_t *unread = bench_at(&readers->via.map.ptr[i].val, "chat.unread");
        bool has = unread->via.array.size > 0 && unread->via.array.ptr[unread->via.array.size - 1].via.u64 == seq, is_for = false;
        for (uint32_t j = 0; j < audience.via.array.size; j++)
            is_for |= cccc_str_eq(id, (cccc_str_t){audience.via.array.ptr[j].via.str.ptr, audience.via.array.ptr[j].via.str.size});
        if (has != is_for)
            fail_msg("event for %s: %.*s %s it", row->audience, CCCC_STR_FMT(id), has ? "has" : "has not");
    }
}

/* Every row of the table, under its policy. */
static void messages_reach_whom_the_table_says(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    add_twins(b);
    const char *policy = F;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].policy, policy) != 0) {
            policy = rows[i].policy;
            bench_do(b, "group_settings_update", "{'group_id':'%s','patch':{'default_send_to':'%s'}}", TEAM, policy);
        }
        check(b, &rows[i]);
    }
    assert_true(sizeof rows / sizeof *rows >= 80);
    team_end(&b);
}

/* ---- replies without recipients ---- */

static const struct {
    const char *sender, *to, *replier;
    const char *tokens, *audience; /* or an error */
} replies[] = {
    {"user", "['peer-1']", "peer-1", "['user']", "['user']"},
    {"peer-1", "['lead']", "lead", "['peer-1']", "['peer-1']"},
    {"peer-1", "['lead']", "peer-2", "['peer-1']", "['peer-1']"},
    {"peer-1", "['lead','peer-2']", "peer-1", "['lead','peer-2']", "['lead','peer-2']"},
    {"user", "['@all']", "user", "['@all']", "['lead','peer-1','peer-2','off']"},
    {"user", "['@foreman']", "lead", "['user']", "['user']"},
    {"lead", "['user']", "user", "['lead']", "['lead']"},
    {"lead", "['user']", "lead", "['user']", "['user']"},
    {"off", "['lead']", "lead", "['off']", "['off']"},
    {"svc:mail", "['lead']", "lead", "invalid_recipient", NULL},
};

/* A reply goes to the sender; to one's own message, to where that went. */
static void reply_without_recipients_goes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        bench_t *b = team_new(i);
        const cccc_value_t *sent =
            bench_do(b, "send", "{'group_id':'%s','text':'q','by':'%s','to':%s}", TEAM, replies[i].sender, replies[i].to);
        const cccc_value_t *reply = bench_ask(b, "reply", "{'group_id':'%s','reply_to':'%s','text':'a','by':'%s'}", TEAM,
                                              bench_str_at(b, sent, "event.id"), replies[i].replier);
        if (!replies[i].audience) {
            assert_string_equal(bench_code(reply), replies[i].tokens);
        } else {
            assert_json(b, bench_at(reply, "result.event.data.to"), replies[i].tokens);
            assert_json(b, bench_at(reply, "result.event.data.audience"), replies[i].audience);
        }
        team_end(&b);
    }
}

/* A reply to a removed actor says who cannot be answered and what to do. */
static void reply_to_a_removed_actor_is_refused_with_advice(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *sent = bench_do(b, "send", "{'group_id':'%s','text':'q','by':'peer-1','to':['lead']}", TEAM);
    bench_do(b, "actor_remove", "{'group_id':'%s','actor_id':'peer-1'}", TEAM);
    const cccc_value_t *reply =
        bench_ask(b, "reply", "{'group_id':'%s','reply_to':'%s','text':'a','by':'lead'}", TEAM, bench_str_at(b, sent, "event.id"));
    assert_string_equal(bench_code(reply), "invalid_recipient");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "peer-1"));
    bench_do(b, "reply", "{'group_id':'%s','reply_to':'%s','text':'a','by':'lead','to':['user']}", TEAM, bench_str_at(b, sent, "event.id"));
    team_end(&b);
}

/* Nobody enabled: the whole group asleep refuses selectors, and takes what names an actor. */
static void sleeping_group_takes_only_named_recipients(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    static const char *const all[] = {"lead", "peer-1", "peer-2"};
    for (size_t i = 0; i < 3; i++)
        bench_do(b, "actor_update", "{'group_id':'%s','actor_id':'%s','patch':{'enabled':false}}", TEAM, all[i]);
    static const char *const refused[] = {"['@all']", "['@peers']", "['@foreman']", "[]"};
    for (size_t i = 0; i < 4; i++) {
        const cccc_value_t *reply = bench_ask(b, "send", "{'group_id':'%s','text':'x','to':%s}", TEAM, refused[i]);
        assert_string_equal(bench_code(reply), "no_enabled_recipients");
    }
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM)), "ok");
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_reach_whom_the_table_says),
        cmocka_unit_test(reply_without_recipients_goes_back),
        cmocka_unit_test(reply_to_a_removed_actor_is_refused_with_advice),
        cmocka_unit_test(sleeping_group_takes_only_named_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
