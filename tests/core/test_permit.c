/* Who may do what: reference 3.3 as data, asked through the operations themselves, and who may speak as whom. */
#include "broker/core/change.h"
#include "tests/core/expect.h"

/* ---- the table ---- */

enum speaker { USER, FOREMAN, PEER, SERVICE, SPEAKERS };

static const char *const speakers[SPEAKERS] = {"user", "lead", "dev", "svc:ci"};

static const struct {
    const char *op, *args;
    bool may[SPEAKERS];
    const char *code; /* of a refusal */
} rows[] = {
    {"actor_add", "'actor_id': 'new'", {true, true, false, false}, "actor_add_failed"},
    {"actor_update", "'actor_id': 'dev', 'patch': {'title': 'x'}", {true, false, false, false}, "actor_update_failed"},
    {"actor_update", "'actor_id': 'lead', 'patch': {'title': 'x'}", {true, false, false, false}, "actor_update_failed"},
    {"actor_remove", "'actor_id': 'lead'", {true, true, false, false}, "actor_remove_failed"},
    {"actor_remove", "'actor_id': 'dev'", {true, false, true, false}, "actor_remove_failed"},
    {"group_update", "'patch': {'topic': 'x'}", {true, true, false, false}, "group_update_failed"},
    {"group_settings_update", "'patch': {'min_interval_seconds': 1}", {true, true, false, false}, "group_settings_update_failed"},
    {"group_set_state", "'state': 'idle'", {true, true, false, false}, "group_set_state_failed"},
    {"group_start", "'x': 1", {true, true, false, false}, "group_start_failed"},
    {"group_stop", "'x': 1", {true, true, false, false}, "group_stop_failed"},
    {"group_delete", "'x': 1", {true, true, false, false}, "group_delete_failed"},
    {"group_detach_scope", "'scope_key': '@scope'", {true, true, false, false}, "group_detach_scope_failed"},
    {"group_use", "'path': '/src/proj'", {true, true, true, true}, ""},
    {"attach", "'path': '/other'", {true, true, true, true}, ""},
    {"group_show", "'x': 1", {true, true, true, true}, ""},
    {"actor_list", "'x': 1", {true, true, true, true}, ""},
};

static void ask_row(size_t row, enum speaker speaker, bool as_actor)
{
    bench_t *b = bench_new(row);
    const char *id = team(b);
    const char *scope = bench_str_at(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.active_scope_key");
    uint64_t before = bench_durable(b, id);
    char args[256];
    const char *mark = strstr(rows[row].args, "@scope");
    snprintf(args, sizeof args, "%.*s%s%s", mark ? (int)(mark - rows[row].args) : (int)strlen(rows[row].args), rows[row].args,
             mark ? scope : "", mark ? mark + strlen("@scope") : "");
    if (as_actor)
        bench_as_actor(b, id, speakers[speaker]);
    const cccc_value_t *reply = as_actor ? bench_ask(b, rows[row].op, "{'group_id': '%s', %s}", id, args)
                                         : bench_ask(b, rows[row].op, "{'group_id': '%s', 'by': '%s', %s}", id, speakers[speaker], args);
    const char *code = rows[row].may[speaker] ? "ok" : rows[row].code;
    if (strcmp(bench_code(reply), code) != 0)
        fail_msg("%s {%s} by %s: expected %s: %s", rows[row].op, args, speakers[speaker], code, bench_text(b, reply));
    if (!rows[row].may[speaker]) {
        assert_memory_equal(bench_str_at(b, reply, "error.message"), "permission denied: ", 19);
        if (strcmp(code, "permission_denied") != 0) /* one code for several causes: which it was decides the exit status */
            assert_string_equal(bench_str_at(b, reply, "error.details.cause"), "permission_denied");
        assert_int_equal(bench_durable(b, id), before);
    }
    bench_free(&b);
}

/* Named by an operator or speaking for itself: the rights are those of the principal. */
static void rights_are_those_of_the_table(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        for (enum speaker speaker = USER; speaker < SPEAKERS; speaker++) {
            ask_row(row, speaker, false);
            if (speaker == FOREMAN || speaker == PEER)
                ask_row(row, speaker, true);
        }
    }
}

/* Rights follow the role of now, not the name. */
static void rights_move_with_the_role(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    EXPECT(b, "group_update_failed", "group_update", "{'group_id': '%s', 'by': 'dev', 'patch': {'topic': 'x'}}", id);
    bench_do(b, "actor_update", "{'group_id': '%s', 'actor_id': 'lead', 'patch': {'enabled': false}}", id);
    EXPECT(b, "ok", "group_update", "{'group_id': '%s', 'by': 'dev', 'patch': {'topic': 'x'}}", id);
    EXPECT(b, "group_update_failed", "group_update", "{'group_id': '%s', 'by': 'lead', 'patch': {'topic': 'x'}}", id);
}

/* Inboxes: the user and the foreman any, a peer its own, a service none. */
static void inboxes_are_for_their_readers(void **state)
{
    (void)state;
    static const char document[] = "{'actors': [{'id': 'lead'}, {'id': 'dev'}]}";
    bench_t *b = bench_new(1);
    struct cccc_group group = {.id = G};
    cccc_value_t doc = bench_json(b, "%s", document);
    config_set_document(&group, &doc);
    static const struct {
        const char *by, *target;
        bool may;
    } cases[] = {
        {"user", "user", true}, {"user", "dev", true},  {"lead", "dev", true},    {"lead", "user", true},      {"dev", "dev", true},
        {"dev", "lead", false}, {"dev", "user", false}, {"svc:ci", "dev", false}, {"svc:ci", "svc:ci", false}, {"gone", "gone", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        call_t call = {.group = &group, .by = cccc_str(cases[i].by)};
        struct cccc_errmsg why;
        if (permit_action(&call, CCCC_MAY_READ_INBOX, cccc_str(cases[i].target), &why) != cases[i].may)
            fail_msg("%s at the inbox of %s", cases[i].by, cases[i].target);
    }
    cccc_arena_destroy(&group.document_arena);
    cccc_arena_destroy(&group.config_arena);
    bench_free(&b);
}

/* ---- who speaks ---- */

static void an_operator_names_principals_of_the_group(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    static const struct {
        const char *by, *code, *recorded;
    } cases[] = {
        {"", "ok", "cli"},
        {"cli", "ok", "cli"},
        {"user", "ok", "user"},
        {"dev", "ok", "dev"},
        {"svc:ci-1_x", "ok", "svc:ci-1_x"},
        {"system", "permission_denied", ""},
        {"nobody", "unknown_actor", ""},
        {"svc:", "unknown_actor", ""},
        {"svc:Ci", "unknown_actor", ""},
        {"svc:a b", "unknown_actor", ""},
        {"svc:abcdefghijabcdefghijabcdefghijabc", "unknown_actor", ""},
        {"svc:abcdefghijabcdefghijabcdefghijab", "ok", "svc:abcdefghijabcdefghijabcdefghijab"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *reply = bench_ask(b, "group_use", "{'group_id': '%s', 'path': '/src/proj', 'by': '%s'}", id, cases[i].by);
        expect_code(b, reply, cases[i].code);
        if (cases[i].recorded[0] != '\0')
            expect_text(b, reply, "result.event.by", cases[i].recorded);
    }
    /* Elsewhere `cli` is nobody. */
    EXPECT(b, "unknown_actor", "group_update", "{'group_id': '%s', 'by': 'cli', 'patch': {'topic': 'x'}}", id);
    /* Without a group there are no actors to name. */
    EXPECT(b, "unknown_actor", "group_create", "{'by': 'dev'}");
}

static void an_actor_speaks_for_itself_in_its_group(void **state)
{
    bench_t *b = *state;
    const char *id = team(b), *other = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    bench_do(b, "actor_add", "{'group_id': '%s', 'actor_id': 'lead'}", other);
    bench_as_actor(b, id, "lead");
    static const char *const claims[] = {"user", "dev", "system", "svc:ci", "cli", "nobody"};
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
        EXPECT(b, "permission_denied", "group_update", "{'group_id': '%s', 'by': '%s', 'patch': {'topic': 'x'}}", id, claims[i]);
    EXPECT(b, "ok", "group_update", "{'group_id': '%s', 'by': 'lead', 'patch': {'topic': 'x'}}", id);
    /* The other group has an actor of that name; this one is not it. */
    EXPECT(b, "permission_denied", "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", other);
    /* The active group is the user's, for whatever group. */
    EXPECT(b, "permission_denied", "active_set", "{'group_id': '%s'}", id);
    const cccc_value_t *made = bench_do(b, "group_create", "{'title': ''}");
    expect_text(b, made, "event.by", "lead");
    expect_text(b, made, "event.attest.as", "actor");
    expect_text(b, made, "event.attest.group_id", id);
    bench_as_actor(b, id, "ghost");
    EXPECT(b, "unknown_actor", "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
}

static void the_unknown_may_only_ping(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_as_unknown(b);
    EXPECT(b, "ok", "ping", "{}");
    EXPECT(b, "sender_unknown", "groups", "{}");
    EXPECT(b, "sender_unknown", "status", "{}");
    EXPECT(b, "sender_unknown", "group_show", "{'group_id': '%s'}", id);
    EXPECT(b, "sender_unknown", "group_create", "{'title': ''}");
    EXPECT(b, "sender_unknown", "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    EXPECT(b, "sender_unknown", "group_update", "{'group_id': '%s', 'by': 'user', 'patch': {'topic': 'x'}}", id);
    EXPECT(b, "sender_unknown", "registry_reconcile", "{}");
    EXPECT(b, "sender_unknown", "active_set", "{}");
    EXPECT(b, "sender_unknown", "shutdown", "{}");
}

/* What the broker knows about the sender is in the event. */
static void events_carry_how_the_sender_is_known(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const cccc_value_t *by_user = bench_do(b, "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    expect_text(b, by_user, "event.by", "user");
    expect_text(b, by_user, "event.attest.as", "operator");
    assert_non_null(bench_at(by_user, "event.attest.pid"));
    assert_non_null(bench_at(by_user, "event.attest.uid"));
    bench_as_actor(b, id, "lead");
    const cccc_value_t *by_lead = bench_do(b, "group_update", "{'group_id': '%s', 'patch': {'topic': 'y'}}", id);
    expect_text(b, by_lead, "event.attest.as", "actor");
    assert_null(bench_at(by_lead, "event.attest.group_id"));
    call_t nobody = {.peer = {.standing = CCCC_PEER_UNKNOWN}};
    assert_true(cccc_is_nil(&(cccc_value_t){.type = permit_attest(&nobody).type}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rights_are_those_of_the_table), T(rights_move_with_the_role),
        cmocka_unit_test(inboxes_are_for_their_readers), T(an_operator_names_principals_of_the_group),
        T(an_actor_speaks_for_itself_in_its_group),      T(the_unknown_may_only_ping),
        T(events_carry_how_the_sender_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
