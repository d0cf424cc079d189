/* Actors: adding, changing, removing, roles, the clone rule, every refusal. */
#include "tests/core/expect.h"

/* ---- actor_add ---- */

static void an_actor_is_added_with_every_field(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    const char *scope = bench_str_at(b, bench_do(b, "attach", "{'path': '/p', 'group_id': '%s'}", id), "scope_key");
    const cccc_value_t *result = bench_do(
        b, "actor_add",
        "{'group_id': '%s', 'actor_id': ' lead ', 'title': 'Chief', 'runtime': 'custom', 'runner': 'pty', 'submit': 'newline', 'command': "
        "['bash', '-c', 'cat'], 'env': {'A': '1', 'B_2': 3}, 'default_scope_key': '%s', 'enabled': false}",
        id, scope);
    expect_json(b, result, "running", "false");
    expect_text(b, result, "actor.role", "foreman");
    expect_text(b, result, "event.kind", "actor.add");
    expect_text(b, result, "event.data.actor.role", "foreman");
    expect_json(b, result, "ignored", "['enabled']");
    const cccc_value_t *entry = &bench_at(bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.actors")->via.array.ptr[0];
    assert_null(cccc_get(entry, "role"));
    expect_text(b, entry, "id", "lead");
    expect_text(b, entry, "title", "Chief");
    expect_json(b, entry, "command", "['bash', '-c', 'cat']");
    expect_json(b, entry, "env", "{'A': '1', 'B_2': '3'}");
    expect_text(b, entry, "default_scope_key", scope);
    expect_text(b, entry, "submit", "newline");
    expect_json(b, entry, "enabled", "true");
    expect_text(b, entry, "created_at", bench_str_at(b, result, "event.ts"));
}

static void what_is_left_open_gets_its_default(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const cccc_value_t *result = bench_do(b, "actor_add", "{'group_id': '%s', 'title': '', 'submit': '', 'runner': ''}", id);
    expect_text(b, result, "actor.id", "codex-1");
    expect_text(b, result, "actor.runner", "pty");
    expect_text(b, result, "actor.submit", "enter");
    expect_text(b, result, "actor.role", "peer");
    expect_json(b, result, "actor.command",
                "['codex', '-c', 'shell_environment_policy.inherit=all', '--dangerously-bypass-approvals-and-sandbox', '--search']");
    expect_text(b, bench_do(b, "actor_add", "{'group_id': '%s', 'actor_id': ''}", id), "actor.id", "codex-2");
    const cccc_value_t *headless =
        bench_do(b, "actor_add", "{'group_id': '%s', 'actor_id': 'h', 'runner': 'headless', 'runtime': 'custom'}", id);
    expect_json(b, headless, "actor.command", "[]");
}

static void every_known_runtime_has_a_command(void **state)
{
    bench_t *b = *state;
    static const char *const names[] = {"amp",      "auggie",  "claude",      "codex", "cursor", "droid", "gemini", "kilocode", "neovate",
                                        "opencode", "copilot", "antigravity", "cline", "devin",  "grok",  "hermes", "kimi",     "kiro"};
    const char *id = team(b);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cccc_value_t *result = bench_do(b, "actor_add", "{'group_id': '%s', 'runtime': '%s'}", id, names[i]);
        assert_true(bench_at(result, "actor.command")->via.array.size > 0);
    }
}

static void refused_actors_change_nothing(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    static const struct {
        const char *args, *why;
    } cases[] = {
        {"'actor_id': 'lead'", "already exists"},
        {"'actor_id': '-x'", "begin"},
        {"'actor_id': 'user'", "reserved"},
        {"'actor_id': 'a/b'", "/"},
        {"'actor_id': 'x', 'runtime': 'hal9000'", "invalid runtime: hal9000 (there are: claude, codex, droid"},
        {"'actor_id': 'x', 'runner': 'ssh'", "invalid runner: ssh (there are: pty"},
        {"'actor_id': 'x', 'submit': 'maybe'", "invalid submit: maybe (there are: enter"},
        {"'actor_id': 'x', 'runtime': 'custom'", "needs one"},
        {"'actor_id': 'x', 'default_scope_key': 's_000000000000'", "scope not attached"},
        {"'actor_id': 'x', 'env': {'1A': 'x'}", "environment"},
        {"'actor_id': 'x', 'env': {'': 'x'}", "environment"},
        {"'actor_id': 'x', 'env': {'A-B': 'x'}", "environment"},
        {"'actor_id': 'x', 'env': {'A': null}", "text"},
        {"'actor_id': 'x', 'env': {'A': []}", "text"},
        {"'actor_id': 'x', 'env': {'A': 'a\\u0000b'}", "NUL"},
        {"'actor_id': 'x', 'env': {'A': 'b', 'CCCC_HOME': '/tmp'}", "CCCC_HOME is set by cccc for every actor"},
        {"'actor_id': 'x', 'env': {'CCCC_GROUP_ID': ''}", "leave it out"},
        {"'actor_id': 'x', 'env': {'CCCC_ACTOR_ID': 'y'}", "CCCC_ACTOR_ID"},
        {"'actor_id': 'x', 'env': {'CCCC_HOLD': 7}", "CCCC_HOLD"},
        {"'actor_id': 'x', 'command': ['a\\u0000b']", "NUL"},
    };
    uint64_t before = bench_durable(b, id);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *reply = bench_ask(b, "actor_add", "{'group_id': '%s', %s}", id, cases[i].args);
        expect_code(b, reply, "actor_add_failed");
        if (strstr(bench_str_at(b, reply, "error.message"), cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].args, bench_text(b, reply));
    }
    EXPECT(b, "group_not_found", "actor_add", "{'group_id': 'g_00000000000f'}");
    EXPECT(b, "unknown_actor", "actor_add", "{'group_id': '%s', 'by': 'nobody'}", id);
    assert_int_equal(bench_durable(b, id), before);
}

/* An integer is text wherever text is wanted, when an actor is added and when it is changed. */
static void a_number_is_a_title(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    expect_text(b, bench_do(b, "actor_add", "{'group_id': '%s', 'actor_id': 'x', 'title': 7}", id), "actor.title", "7");
    expect_text(b, bench_do(b, "actor_update", "{'group_id': '%s', 'actor_id': 'x', 'patch': {'title': 8}}", id), "actor.title", "8");
    expect_text(b, bench_do(b, "group_update", "{'group_id': '%s', 'patch': {'title': 9}}", id), "group.title", "9");
}

/* What makes an addition fail is told from what else has that code. */
static void a_failed_addition_names_its_cause(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    static const struct {
        const char *args, *cause;
    } cases[] = {{"'actor_id': 'lead'", "exists"},
                 {"'actor_id': 'a b'", "invalid_actor_id"},
                 {"'actor_id': 'x', 'by': 'dev'", "permission_denied"},
                 {"'actor_id': 'x', 'default_scope_key': 's_000000000000'", "scope_not_attached"},
                 {"'actor_id': 'x', 'runtime': 'custom'", "missing_command"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cccc_value_t *reply = bench_ask(b, "actor_add", "{'group_id': '%s', %s}", id, cases[i].args);
        expect_code(b, reply, "actor_add_failed");
        expect_text(b, reply, "error.details.cause", cases[i].cause);
    }
}

static void environments_are_bounded(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    for (int more = 0; more < 2; more++) {
        cccc_builder_t env = cccc_map_builder(bench_arena(b), 300), args = cccc_map_builder(bench_arena(b), 3);
        for (int i = 0; i < CCCC_ENV_KEYS_MAX + more; i++)
            cccc_map_add_key(&env, cccc_arena_printf(bench_arena(b), "K%d", i), cccc_text("v"));
        cccc_map_add(&args, "group_id", cccc_text(id));
        cccc_map_add(&args, "env", env.value);
        bench_request_value(b, 1, "actor_add", args.value);
        bench_settle(b);
        expect_code(b, bench_reply(b, 1), more ? "actor_add_failed" : "ok");
    }
}

static void a_group_has_a_bounded_number_of_actors(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    for (int i = 0; i < CCCC_ACTORS_PER_GROUP_MAX; i++)
        bench_do(b, "actor_add", "{'group_id': '%s', 'runtime': 'amp'}", id);
    const cccc_value_t *reply = bench_ask(b, "actor_add", "{'group_id': '%s'}", id);
    expect_code(b, reply, "actor_add_failed");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "256"));
}

/* group.yaml must stay small enough to be read again. */
static void a_configuration_that_would_grow_too_large_is_refused(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    static char text[40001];
    memset(text, 'x', sizeof text - 1);
    int added = 0;
    const cccc_value_t *reply = NULL;
    for (; added < 20; added++) {
        reply = bench_ask(b, "actor_add", "{'group_id': '%s', 'env': {'A': '%s'}}", id, text);
        if (strcmp(bench_code(reply), "ok") != 0)
            break;
    }
    expect_code(b, reply, "too_large");
    assert_int_equal(added, 4);
}

/* Requests that arrive together are judged one after the other: what is decided counts, durable or not. */
static void what_is_decided_counts_for_the_next_decision(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    bench_request(b, 1, "actor_add", "{'group_id': '%s', 'actor_id': 'lead'}", id);
    bench_request(b, 2, "actor_add", "{'group_id': '%s', 'actor_id': 'lead'}", id);
    bench_request(b, 3, "actor_add", "{'group_id': '%s', 'actor_id': 'dev'}", id);
    bench_request(b, 4, "actor_update", "{'group_id': '%s', 'actor_id': 'lead', 'patch': {'enabled': false}}", id);
    bench_request(b, 5, "actor_add", "{'group_id': '%s', 'by': 'dev'}", id);
    bench_request(b, 6, "actor_remove", "{'group_id': '%s', 'actor_id': 'lead'}", id);
    bench_request(b, 7, "actor_update", "{'group_id': '%s', 'actor_id': 'lead', 'patch': {'title': 'x'}}", id);
    bench_settle(b);
    static const char *const codes[] = {"", "ok", "actor_add_failed", "ok", "ok", "ok", "ok", "actor_update_failed"};
    for (uint64_t conn = 1; conn <= 7; conn++)
        expect_code(b, bench_reply(b, conn), codes[conn]);
    const cccc_value_t *list = bench_do(b, "actor_list", "{'group_id': '%s'}", id);
    assert_int_equal(bench_at(list, "actors")->via.array.size, 2);
    expect_text(b, &bench_at(list, "actors")->via.array.ptr[0], "role", "foreman");
}

/* ---- the clone rule ---- */

static void a_foreman_adds_copies_of_itself(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    bench_do(
        b, "actor_add",
        "{'group_id': '%s', 'actor_id': 'lead', 'runtime': 'custom', 'runner': 'headless', 'command': ['run', 'me'], 'env': {'A': '1'}}",
        id);
    bench_as_actor(b, id, "lead");
    const cccc_value_t *result = bench_do(b, "actor_add", "{'group_id': '%s'}", id);
    expect_text(b, result, "actor.id", "custom-1");
    expect_text(b, result, "actor.runner", "headless");
    expect_json(b, result, "actor.command", "['run', 'me']");
    expect_json(b, result, "actor.env", "{'A': '1'}");
    expect_text(b, result, "event.by", "lead");
    EXPECT(b, "ok", "actor_add",
           "{'group_id': '%s', 'actor_id': 'x', 'runtime': 'custom', 'runner': 'headless', 'command': ['run', 'me'], 'env': {'A': '1'}, "
           "'title': 'X'}",
           id);
    EXPECT(b, "ok", "actor_add", "{'group_id': '%s', 'actor_id': 'y', 'command': [], 'env': {}}", id);
    static const char *const differences[] = {"'runtime': 'codex'", "'runner': 'pty'", "'command': ['run']", "'env': {'A': '2'}"};
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        const cccc_value_t *reply = bench_ask(b, "actor_add", "{'group_id': '%s', 'actor_id': 'z', %s}", id, differences[i]);
        expect_code(b, reply, "actor_add_failed");
        assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "permission denied"));
    }
}

/* ---- actor_update ---- */

static void a_patch_changes_what_it_names(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const cccc_value_t *result = bench_do(
        b, "actor_update",
        "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'role': 'foreman', 'title': 'Dev', 'env': {'A': 'b'}, 'enabled': 'no'}}", id);
    expect_text(b, result, "actor.title", "Dev");
    expect_json(b, result, "actor.enabled", "false");
    expect_text(b, result, "actor.role", "peer");
    expect_json(b, result, "event.data.patch", "{'title': 'Dev', 'env': {'A': 'b'}, 'enabled': false}");
    expect_text(b, result, "event.data.actor_id", "dev");
    expect_text(b, result, "event.data.actor.title", "Dev");
    expect_text(b, result, "event.data.actor.updated_at", bench_str_at(b, result, "event.ts"));
    result = bench_do(
        b, "actor_update",
        "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'title': null, 'env': null, 'enabled': null, 'submit': null, 'runner': null, "
        "'runtime': null, 'command': null, 'default_scope_key': null}}",
        id);
    expect_text(b, result, "actor.title", "");
    expect_json(b, result, "actor.env", "{}");
    expect_json(b, result, "actor.enabled", "true");
    expect_text(b, result, "actor.runtime", "codex");
    expect_text(b, &bench_at(result, "actor.command")->via.array.ptr[0], "", "codex");
}

/* Names that cccc sets itself are refused when somebody gives them. Where they stand already (older versions took them) a change of something else leaves everything as it is. */
static void a_name_of_cccc_is_refused_and_an_old_one_kept(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    EXPECT(b, "actor_update_failed", "actor_update", "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'env': {'CCCC_HOME': '/x'}}}", id);
    EXPECT(b, "ok", "actor_update", "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'env': {'CCCC_LANG': 'x'}}}", id);
    cccc_value_t document = bench_document(b, id);
    char text[4096], *name;
    snprintf(text, sizeof text, "%s", bench_text(b, &document));
    name = strstr(text, "CCCC_LANG");
    assert_non_null(name);
    memcpy(name, "CCCC_HOLD", 9);
    bench_hand(b, id, text);
    bench_restart(b);
    bench_settle(b);
    const cccc_value_t *result = bench_do(b, "actor_update", "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'title': 'Dev'}}", id);
    expect_json(b, result, "actor.env", "{'CCCC_HOLD': 'x'}");
}

static void refused_patches_change_nothing(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    static const struct {
        const char *patch, *code;
    } cases[] = {
        {"{}", "invalid_patch"},
        {"{'name': 'x'}", "invalid_patch"},
        {"{'title': [7]}", "invalid_patch"},
        {"{'command': 'x \\\"y'}", "invalid_patch"},
        {"{'command': 7}", "invalid_patch"},
        {"{'command': [7]}", "invalid_patch"},
        {"{'env': []}", "invalid_patch"},
        {"{'enabled': 'maybe'}", "invalid_patch"},
        {"{'runtime': 'hal9000'}", "actor_update_failed"},
        {"{'runner': 'ssh'}", "actor_update_failed"},
        {"{'submit': 'x'}", "actor_update_failed"},
        {"{'env': {'a b': 'c'}}", "actor_update_failed"},
        {"{'default_scope_key': 's_000000000000'}", "actor_update_failed"},
        {"{'runtime': 'custom', 'command': []}", "actor_update_failed"},
    };
    uint64_t before = bench_durable(b, id);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        EXPECT(b, cases[i].code, "actor_update", "{'group_id': '%s', 'actor_id': 'dev', 'patch': %s}", id, cases[i].patch);
    EXPECT(b, "actor_update_failed", "actor_update", "{'group_id': '%s', 'actor_id': 'nobody', 'patch': {'title': 'x'}}", id);
    EXPECT(b, "missing_actor_id", "actor_update", "{'group_id': '%s', 'patch': {'title': 'x'}}", id);
    EXPECT(b, "invalid_patch", "actor_update", "{'group_id': '%s', 'actor_id': 'dev'}", id);
    static char longer[CCCC_TITLE_BYTES_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    EXPECT(b, "too_large", "actor_update", "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'title': '%s'}}", id, longer);
    assert_int_equal(bench_durable(b, id), before);
}

/* What a hand wrote in one field does not stand in the way of changing another. */
static void nonsense_in_other_fields_reads_as_default(void **state)
{
    bench_t *b = *state;
    bench_group(b, G, "A",
                "{'v': 1, 'group_id': '" G
                "', 'ledger_seq': 0, 'actors': [{'id': 'lead', 'submit': 7, 'env': 'x', 'runtime': 'hal', 'command': ['x'], 'mine': 1}]}");
    const cccc_value_t *result = bench_do(b, "actor_update", "{'group_id': '" G "', 'actor_id': 'lead', 'patch': {'title': 'T'}}");
    expect_text(b, result, "actor.submit", "enter");
    expect_json(b, result, "actor.env", "{}");
    expect_text(b, result, "actor.runtime", "codex");
    expect_json(b, result, "actor.mine", "1");
    expect_json(b, result, "actor.command", "['x']");
}

/* ---- roles ---- */

static void the_foreman_is_the_first_enabled_actor(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_do(b, "group_start", "{'group_id': '%s'}", id);
    bench_do(b, "actor_update", "{'group_id': '%s', 'actor_id': 'lead', 'patch': {'enabled': false}}", id);
    const cccc_value_t *actors = bench_at(bench_do(b, "actor_list", "{'group_id': '%s'}", id), "actors");
    expect_text(b, &actors->via.array.ptr[0], "role", "peer");
    expect_text(b, &actors->via.array.ptr[1], "role", "foreman");
    expect_json(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.running", "true");
    bench_do(b, "actor_update", "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'enabled': false}}", id);
    expect_json(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.running", "false");
    actors = bench_at(bench_do(b, "actor_list", "{'group_id': '%s'}", id), "actors");
    expect_text(b, &actors->via.array.ptr[1], "role", "peer");
    bench_do(b, "actor_update", "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'enabled': true}}", id);
    expect_json(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.running", "false");
}

static void removing_the_last_actor_stops_the_group(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_do(b, "group_start", "{'group_id': '%s'}", id);
    const cccc_value_t *result = bench_do(b, "actor_remove", "{'group_id': '%s', 'actor_id': 'lead'}", id);
    expect_text(b, result, "actor_id", "lead");
    expect_json(b, result, "event.data", "{'actor_id': 'lead', 'runner': null, 'runner_effective': null}");
    expect_json(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.running", "true");
    bench_as_actor(b, id, "dev");
    bench_do(b, "actor_remove", "{'group_id': '%s', 'actor_id': 'dev'}", id);
    EXPECT(b, "unknown_actor", "actor_remove", "{'group_id': '%s', 'actor_id': 'dev'}", id);
    bench_as_operator(b);
    expect_json(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.running", "false");
    EXPECT(b, "actor_remove_failed", "actor_remove", "{'group_id': '%s', 'actor_id': 'dev'}", id);
    EXPECT(b, "missing_actor_id", "actor_remove", "{'group_id': '%s'}", id);
}

/* ---- actor_list ---- */

static void the_list_counts_unread_when_asked(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const cccc_value_t *plain = bench_do(b, "actor_list", "{'group_id': '%s'}", id);
    assert_null(cccc_get(&bench_at(plain, "actors")->via.array.ptr[0], "unread_count"));
    expect_json(b, &bench_at(plain, "actors")->via.array.ptr[0], "running", "false");
    assert_int_equal(bench_uint_at(plain, "as_of_seq"), bench_durable(b, id));
    const cccc_value_t *counted = bench_do(b, "actor_list", "{'group_id': '%s', 'include_unread': 'yes'}", id);
    expect_json(b, &bench_at(counted, "actors")->via.array.ptr[1], "unread_count", "0");
    EXPECT(b, "missing_group_id", "actor_list", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_actor_is_added_with_every_field),
        T(what_is_left_open_gets_its_default),
        T(every_known_runtime_has_a_command),
        T(refused_actors_change_nothing),
        T(environments_are_bounded),
        T(a_number_is_a_title),
        T(a_failed_addition_names_its_cause),
        T(a_group_has_a_bounded_number_of_actors),
        T(a_configuration_that_would_grow_too_large_is_refused),
        T(what_is_decided_counts_for_the_next_decision),
        T(a_foreman_adds_copies_of_itself),
        T(a_patch_changes_what_it_names),
        T(a_name_of_cccc_is_refused_and_an_old_one_kept),
        T(refused_patches_change_nothing),
        T(nonsense_in_other_fields_reads_as_default),
        T(the_foreman_is_the_first_enabled_actor),
        T(removing_the_last_actor_stops_the_group),
        T(the_list_counts_unread_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
