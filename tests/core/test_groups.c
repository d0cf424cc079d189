/* Groups and scopes: every operation done right, every error, and what the disk may do to it. */
#include "broker/core/change.h"
#include "tests/core/expect.h"

/* ---- group_create ---- */

static void a_group_begins_with_its_create_event(void **state)
{
    bench_t *b = *state;
    const cccc_value_t *result = bench_do(b, "group_create", "{'title': 'Demo', 'topic': 't1'}");
    const char *id = bench_str_at(b, result, "group_id");
    expect_text(b, result, "title", "Demo");
    expect_text(b, result, "event.kind", "group.create");
    expect_text(b, result, "event.by", "cli");
    expect_text(b, result, "event.group_id", id);
    assert_int_equal(bench_uint_at(result, "event.seq"), 1);
    assert_int_equal(bench_uint_at(result, "as_of_seq"), 1);
    const cccc_value_t *shown = bench_do(b, "group_show", "{'group_id': '%s'}", id);
    expect_text(b, shown, "group.title", "Demo");
    expect_text(b, shown, "group.topic", "t1");
    expect_text(b, shown, "group.state", "active");
    expect_json(b, shown, "group.running", "false");
    expect_json(b, shown, "group.actors", "[]");
    expect_text(b, shown, "group.automation.snippets.standup",
                "{{interval_minutes}} minutes have passed. Ask each peer for what is done, what is next and what blocks it; unblock, then "
                "tell the user "
                "in three lines.");
    cccc_value_t stored = bench_document(b, id);
    assert_true(cccc_value_eq(&stored, bench_at(shown, "group")));
}

/* Without any argument it is a question whether there is such an operation. */
static void a_group_without_a_title_is_a_working_group(void **state)
{
    bench_t *b = *state;
    EXPECT(b, "missing_argument", "group_create", "{}");
    expect_text(b, bench_do(b, "group_create", "{'title': ''}"), "title", "working-group");
    assert_string_not_equal(bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id"),
                            bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id"));
}

/* A repeat with the same client_id finds the group, also after a restart; another title is another request. */
static void a_client_id_makes_one_group(void **state)
{
    bench_t *b = *state;
    const char *first = bench_str_at(b, bench_do(b, "group_create", "{'title': 'A', 'client_id': 'c1'}"), "event.id");
    for (int round = 0; round < 2; round++) {
        const cccc_value_t *again = bench_do(b, "group_create", "{'title': 'A', 'client_id': 'c1'}");
        expect_text(b, again, "event.id", first);
        expect_json(b, again, "duplicate", "true");
        EXPECT(b, "client_id_conflict", "group_create", "{'title': 'B', 'client_id': 'c1'}");
        EXPECT(b, "client_id_conflict", "group_create", "{'title': 'A', 'topic': 'x', 'client_id': 'c1'}");
        bench_restart(b);
    }
    bench_do(b, "group_create", "{'title': 'A', 'client_id': 'c2'}");
    assert_int_equal(bench_at(bench_do(b, "groups", "{}"), "groups")->via.array.size, 2);
}

/* A repeat that arrives while the first is on its way to the disk waits for it, and for its failure. */
static void a_repeat_waits_for_the_same_durability(void **state)
{
    bench_t *b = *state;
    bench_request(b, 1, "group_create", "{'title': 'A', 'client_id': 'c1'}");
    bench_request(b, 2, "group_create", "{'title': 'A', 'client_id': 'c1'}");
    assert_null(bench_reply(b, 1));
    assert_null(bench_reply(b, 2));
    assert_int_equal(bench_at(bench_do(b, "groups", "{}"), "groups")->via.array.size, 0); /* decided, and seen by nobody */
    const cccc_value_t *one = bench_reply(b, 1), *two = bench_reply(b, 2);
    expect_text(b, two, "result.event.id", bench_str_at(b, one, "result.event.id"));
}

static void a_group_that_did_not_reach_the_disk_does_not_exist(void **state)
{
    bench_t *b = *state;
    char id[15];
    scope_hash_id(id, 'g', CCCC_STR("client_id:c1"));
    bench_request(b, 1, "group_create", "{'client_id': 'c1'}");
    bench_request(b, 2, "group_create", "{'client_id': 'c1'}");
    bench_fail(b, id, CCCC_E_STORAGE, true, 0, true);
    bench_refold(b);
    expect_code(b, bench_reply(b, 1), "storage_failed");
    expect_code(b, bench_reply(b, 2), "storage_failed");
    assert_int_equal(bench_at(bench_do(b, "groups", "{}"), "groups")->via.array.size, 0);
    EXPECT(b, "group_not_found", "group_show", "{'group_id': '%s'}", id);
    expect_text(b, bench_do(b, "group_create", "{'client_id': 'c1'}"), "group_id", id);
    assert_int_equal(bench_durable(b, id), 1);
}

/* ---- attach ---- */

/* Attaching a path twice finds the same group; the id follows from the remote, else from the path. */
static void attaching_a_path_makes_its_group_once(void **state)
{
    bench_t *b = *state;
    const cccc_value_t *one = bench_do(b, "attach", "{'path': '/src//proj/.'}");
    const char *id = bench_str_at(b, one, "group_id");
    expect_text(b, one, "title", "proj");
    expect_text(b, one, "event.kind", "group.attach");
    assert_int_equal(bench_uint_at(one, "event.seq"), 2);
    assert_memory_equal(id + 2, bench_str_at(b, one, "scope_key") + 2, 12);
    expect_text(b, bench_do(b, "attach", "{'path': '/src/proj'}"), "group_id", id);
    assert_int_equal(bench_durable(b, id), 3);
    bench_restart(b);
    expect_text(b, bench_do(b, "attach", "{'path': '/src/proj'}"), "group_id", id);
    const cccc_value_t *shown = bench_do(b, "group_show", "{'group_id': '%s'}", id);
    assert_int_equal(bench_at(shown, "group.scopes")->via.array.size, 1);
    expect_text(b, shown, "group.active_scope_key", bench_str_at(b, one, "scope_key"));
    cccc_value_t scope = bench_stored(b, CCCC_STORE_SCOPE);
    expect_text(b, &scope, "url", "/src/proj");
}

static void two_clones_of_one_remote_are_one_scope(void **state)
{
    bench_t *b = *state;
    bench_repository(b, "/home/a/widget", "git@github.com:acme/widget.git");
    const cccc_value_t *one = bench_do(b, "attach", "{'path': '/home/a/widget/src'}");
    bench_repository(b, "/home/b/clone", "https://token@github.com/acme/widget.git");
    const cccc_value_t *two = bench_do(b, "attach", "{'path': '/home/b/clone'}");
    expect_text(b, two, "group_id", bench_str_at(b, one, "group_id"));
    const cccc_value_t *shown = bench_do(b, "group_show", "{'group_id': '%s'}", bench_str_at(b, one, "group_id"));
    assert_int_equal(bench_at(shown, "group.scopes")->via.array.size, 1);
    expect_text(b, &bench_at(shown, "group.scopes")->via.array.ptr[0], "url", "/home/b/clone");
    expect_text(b, &bench_at(shown, "group.scopes")->via.array.ptr[0], "git_remote", "https://github.com/acme/widget");
}

/* The scope's default is the group it was attached to last. */
static void attaching_follows_the_default_of_the_scope(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    bench_do(b, "attach", "{'path': '/p', 'group_id': '%s'}", id);
    expect_text(b, bench_do(b, "attach", "{'path': '/p'}"), "group_id", id);
    bench_restart(b);
    expect_text(b, bench_do(b, "attach", "{'path': '/p'}"), "group_id", id);
    bench_home(b, NULL, NULL); /* registry.json lost: a group that has the scope will do */
    expect_text(b, bench_do(b, "attach", "{'path': '/p'}"), "group_id", id);
    bench_do(b, "group_detach_scope", "{'group_id': '%s', 'scope_key': '%s'}", id,
             bench_str_at(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.active_scope_key"));
    assert_string_not_equal(bench_str_at(b, bench_do(b, "attach", "{'path': '/p'}"), "group_id"), id);
}

/* Two clients attach the same new path at once: one group, two attach events. */
static void attaching_at_once_makes_one_group(void **state)
{
    bench_t *b = *state;
    bench_request(b, 1, "attach", "{'path': '/p'}");
    bench_request(b, 2, "attach", "{'path': '/p'}");
    assert_true(bench_finish_store(b));
    assert_true(bench_finish_store(b));
    bench_settle(b);
    const cccc_value_t *one = bench_reply(b, 1), *two = bench_reply(b, 2);
    expect_text(b, two, "result.group_id", bench_str_at(b, one, "result.group_id"));
    assert_int_equal(bench_durable(b, bench_str_at(b, one, "result.group_id")), 3);
}

static void attach_refuses_what_it_cannot_place(void **state)
{
    bench_t *b = *state;
    EXPECT(b, "missing_path", "attach", "{}");
    EXPECT(b, "missing_path", "attach", "{'path': ' '}");
    EXPECT(b, "invalid_path", "attach", "{'path': 'src/proj'}");
    EXPECT(b, "invalid_path", "attach", "{'path': '~'}");
    EXPECT(b, "group_not_found", "attach", "{'path': '/p', 'group_id': '" G "'}");
    EXPECT(b, "invalid_group_id", "attach", "{'path': '/p', 'group_id': '../" G "'}");
    EXPECT(b, "unknown_actor", "attach", "{'path': '/p', 'by': 'nobody'}");
    EXPECT(b, "permission_denied", "attach", "{'path': '/p', 'by': 'system'}");
    const char *id = team(b);
    bench_as_actor(b, id, "lead");
    EXPECT(b, "permission_denied", "attach", "{'path': '/p', 'by': 'dev'}");
    expect_text(b, bench_do(b, "attach", "{'path': '/src/proj'}"), "event.by", "lead");
    bench_do(b, "attach", "{'path': '/mine'}");
    assert_int_equal(bench_at(bench_do(b, "groups", "{}"), "groups")->via.array.size, 2);
    EXPECT(b, "permission_denied", "attach", "{'path': '/mine'}"); /* by now the group of others */
    bench_as_unknown(b);
    EXPECT(b, "sender_unknown", "attach", "{'path': '/p'}");
}

/* The directory could not be looked at: it is its own root. */
static void a_path_nobody_can_read_is_its_own_root(void **state)
{
    bench_t *b = *state;
    bench_request(b, 1, "attach", "{'path': '/gone/x'}");
    assert_true(bench_fail_store(b, CCCC_E_STORAGE));
    bench_settle(b);
    expect_text(b, bench_reply(b, 1), "result.title", "x");
    bench_request(b, 1, "attach", "{'path': '/'}");
    bench_settle(b);
    expect_text(b, bench_reply(b, 1), "result.title", "scope");
}

static void a_group_deleted_while_the_path_is_looked_at_is_not_attached_to(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_request(b, 1, "attach", "{'path': '/p', 'group_id': '%s'}", id);
    bench_request(b, 2, "group_delete", "{'group_id': '%s'}", id);
    bench_settle(b);
    /* The scan of the path came first, so its continuation finds the group being moved away. */
    expect_code(b, bench_reply(b, 1), "busy");
    expect_code(b, bench_reply(b, 2), "ok");
}

static void scopes_are_bounded(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    for (int i = 0; i < CCCC_SCOPES_PER_GROUP_MAX; i++)
        bench_do(b, "attach", "{'path': '/p%d', 'group_id': '%s'}", i, id);
    EXPECT(b, "too_large", "attach", "{'path': '/more', 'group_id': '%s'}", id);
    EXPECT(b, "ok", "attach", "{'path': '/p7', 'group_id': '%s'}", id);
}

/* ---- group_use, group_detach_scope ---- */

static void the_innermost_scope_of_a_path_is_used(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    const char *outer = bench_str_at(b, bench_do(b, "attach", "{'path': '/src', 'group_id': '%s'}", id), "scope_key");
    const char *inner = bench_str_at(b, bench_do(b, "attach", "{'path': '/src/lib', 'group_id': '%s'}", id), "scope_key");
    const cccc_value_t *used = bench_do(b, "group_use", "{'group_id': '%s', 'path': '/src/library'}", id);
    expect_text(b, used, "active_scope_key", outer);
    expect_text(b, used, "event.scope_key", outer);
    expect_text(b, used, "event.data.path", "/src");
    expect_text(b, used, "event.by", "cli");
    expect_text(b, bench_do(b, "group_use", "{'group_id': '%s', 'path': '/src/lib/a/b'}", id), "active_scope_key", inner);
    const cccc_value_t *refused = bench_ask(b, "group_use", "{'group_id': '%s', 'path': '/elsewhere'}", id);
    expect_code(b, refused, "scope_not_attached");
    assert_non_null(strstr(bench_str_at(b, refused, "error.details.hint"), "cccc attach /elsewhere"));
    EXPECT(b, "invalid_path", "group_use", "{'group_id': '%s', 'path': '.'}", id);
    EXPECT(b, "missing_path", "group_use", "{'group_id': '%s'}", id);
    EXPECT(b, "unknown_actor", "group_use", "{'group_id': '%s', 'path': '/src', 'by': 'x'}", id);
}

static void another_clone_of_a_scope_is_that_scope(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    bench_repository(b, "/a", "https://host/w");
    const char *key = bench_str_at(b, bench_do(b, "attach", "{'path': '/a', 'group_id': '%s'}", id), "scope_key");
    bench_repository(b, "/b", "https://host/w");
    expect_text(b, bench_do(b, "group_use", "{'group_id': '%s', 'path': '/b/sub'}", id), "active_scope_key", key);
    bench_request(b, 1, "group_use", "{'group_id': '%s', 'path': '/c'}", id);
    bench_request(b, 2, "group_delete", "{'group_id': '%s'}", id);
    bench_settle(b);
    expect_code(b, bench_reply(b, 1), "busy");
}

static void detaching_moves_the_active_scope(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    const char *one = bench_str_at(b, bench_do(b, "attach", "{'path': '/1', 'group_id': '%s'}", id), "scope_key");
    const char *two = bench_str_at(b, bench_do(b, "attach", "{'path': '/2', 'group_id': '%s'}", id), "scope_key");
    const cccc_value_t *result = bench_do(b, "group_detach_scope", "{'group_id': '%s', 'scope_key': '%s'}", id, two);
    expect_text(b, result, "event.kind", "group.detach_scope");
    expect_text(b, result, "event.scope_key", two);
    expect_text(b, result, "event.data.scope_key", two);
    expect_text(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.active_scope_key", one);
    cccc_value_t registry = bench_stored(b, CCCC_STORE_REGISTRY), scope = bench_stored(b, CCCC_STORE_SCOPE);
    assert_null(cccc_get(bench_at(&registry, "defaults"), two));
    expect_text(b, bench_at(&registry, "defaults"), one, id);
    assert_true(cccc_is_nil(&scope));
    bench_do(b, "group_detach_scope", "{'group_id': '%s', 'scope_key': '%s'}", id, one);
    expect_text(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.active_scope_key", "");
    EXPECT(b, "group_detach_scope_failed", "group_detach_scope", "{'group_id': '%s', 'scope_key': '%s'}", id, one);
    EXPECT(b, "missing_scope_key", "group_detach_scope", "{'group_id': '%s'}", id);
    EXPECT(b, "unknown_actor", "group_detach_scope", "{'group_id': '%s', 'scope_key': '%s', 'by': 'cli'}", id, one);
}

/* ---- group_show, group_update ---- */

/* Inline credentials are left out at every level; names of variables and public environments stay. */
static void showing_a_group_hides_its_secrets(void **state)
{
    bench_t *b = *state;
    bench_group(b, G, "A",
                "{'v': 1, 'group_id': '" G
                "', 'title': 'T', 'future': {'x': 1}, 'im': {'platform': 'slack', 'token': 's1', 'bot_token': 's2', "
                "'bot_token_env': 'BOT', 'feishu_app_secret': 's3', 'dingtalk_app_key': 's4', 'deep': {'app_token': 's5', 'ok': 1}}, "
                "'ledger_seq': 0, "
                "'actors': [{'id': 'lead', 'env': {'A_TOKEN': 'public'}}]}");
    const cccc_value_t *shown = bench_do(b, "group_show", "{'group_id': '" G "'}");
    expect_json(b, shown, "group.im", "{'platform': 'slack', 'bot_token_env': 'BOT', 'deep': {'ok': 1}}");
    expect_json(b, shown, "group.future", "{'x': 1}");
    assert_non_null(strstr(bench_text(b, shown), "A_TOKEN"));
    EXPECT(b, "group_not_found", "group_show", "{'group_id': 'g_00000000000f'}");
    EXPECT(b, "missing_group_id", "group_show", "{}");
    EXPECT(b, "invalid_group_id", "group_show", "{'group_id': '../x'}");
}

static void title_and_topic_change(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const cccc_value_t *result = bench_do(b, "group_update", "{'group_id': '%s', 'patch': {'title': ' New ', 'topic': ''}}", id);
    expect_text(b, result, "group.title", "New");
    expect_text(b, result, "group_id", id);
    expect_json(b, result, "event.data.patch", "{'title': 'New', 'topic': ''}");
    expect_json(b, bench_do(b, "group_update", "{'group_id': '%s', 'patch': {'title': '', 'topic': 'x'}}", id), "event.data.patch",
                "{'title': null, 'topic': 'x'}");
    const cccc_value_t *refused = bench_ask(b, "group_update", "{'group_id': '%s', 'patch': {'title': 'x', 'colour': 1, 'size': 2}}", id);
    expect_code(b, refused, "invalid_patch");
    expect_json(b, refused, "error.details.unknown_keys", "['colour', 'size']");
    uint64_t before = bench_durable(b, id);
    EXPECT(b, "invalid_patch", "group_update", "{'group_id': '%s', 'patch': {}}", id);
    EXPECT(b, "invalid_patch", "group_update", "{'group_id': '%s', 'patch': {'title': ' '}}", id);
    EXPECT(b, "invalid_patch", "group_update", "{'group_id': '%s', 'patch': {'title': null}}", id);
    EXPECT(b, "invalid_patch", "group_update", "{'group_id': '%s', 'patch': {'title': [7]}}", id);
    EXPECT(b, "invalid_patch", "group_update", "{'group_id': '%s', 'patch': {'title': 'x', 'topic': []}}", id);
    EXPECT(b, "invalid_patch", "group_update", "{'group_id': '%s'}", id);
    char longer[CCCC_TITLE_BYTES_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    EXPECT(b, "too_large", "group_update", "{'group_id': '%s', 'patch': {'title': '%s'}}", id, longer);
    assert_int_equal(bench_durable(b, id), before);
}

/* ---- state, start, stop ---- */

static void states_are_set_in_any_case(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const cccc_value_t *result = bench_do(b, "group_set_state", "{'group_id': '%s', 'state': 'Idle'}", id);
    expect_text(b, result, "state", "idle");
    expect_json(b, result, "event.data", "{'old_state': 'active', 'new_state': 'idle'}");
    expect_json(b, bench_do(b, "group_set_state", "{'group_id': '%s', 'state': 'idle'}", id), "event.data",
                "{'old_state': 'idle', 'new_state': 'idle'}");
    expect_text(b, bench_do(b, "group_set_state", "{'group_id': '%s', 'state': 'PAUSED'}", id), "state", "paused");
    EXPECT(b, "group_set_state_failed", "group_set_state", "{'group_id': '%s', 'state': 'stopped'}", id);
    EXPECT(b, "group_set_state_failed", "group_set_state", "{'group_id': '%s', 'state': 'asleep'}", id);
    EXPECT(b, "missing_state", "group_set_state", "{'group_id': '%s'}", id);
}

/* Starting needs a scope before it needs a permission; stopping leaves `enabled` alone. */
static void starting_and_stopping_keep_who_is_enabled(void **state)
{
    bench_t *b = *state;
    const char *bare = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    EXPECT(b, "missing_project_root", "group_start", "{'group_id': '%s', 'by': 'nobody'}", bare);
    const char *id = team(b);
    bench_do(b, "actor_update", "{'group_id': '%s', 'actor_id': 'dev', 'patch': {'enabled': false}}", id);
    const cccc_value_t *started = bench_do(b, "group_start", "{'group_id': '%s'}", id);
    expect_json(b, started, "started", "['lead']");
    expect_json(b, started, "event.data", "{'started': ['lead'], 'forced_headless': []}");
    expect_json(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.running", "true");
    expect_json(b, bench_do(b, "group_stop", "{'group_id': '%s'}", id), "stopped", "['lead']");
    const cccc_value_t *shown = bench_do(b, "group_show", "{'group_id': '%s'}", id);
    expect_json(b, shown, "group.running", "false");
    expect_json(b, &bench_at(shown, "group.actors")->via.array.ptr[0], "enabled", "true");
    expect_json(b, bench_do(b, "group_stop", "{'group_id': '%s'}", id), "stopped", "[]");
    EXPECT(b, "unknown_actor", "group_stop", "{'group_id': '%s', 'by': 'nobody'}", id);
}

/* ---- group_delete ---- */

static void deleting_leaves_nothing_behind_but_the_trash(void **state)
{
    bench_t *b = *state;
    const char *id = team(b), *other = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    bench_do(b, "active_set", "{'group_id': '%s'}", id);
    EXPECT(b, "confirmation_required", "group_delete", "{'group_id': '%s', 'confirm': 'yes'}", id);
    EXPECT(b, "confirmation_required", "group_delete", "{'group_id': '%s', 'confirm': '%s'}", id, other);
    expect_text(b, bench_do(b, "group_delete", "{'group_id': '%s', 'confirm': '%s'}", id, id), "group_id", id);
    EXPECT(b, "group_not_found", "group_show", "{'group_id': '%s'}", id);
    expect_text(b, bench_do(b, "active_get", "{}"), "active_group_id", "");
    cccc_value_t registry = bench_stored(b, CCCC_STORE_REGISTRY), active = bench_stored(b, CCCC_STORE_ACTIVE);
    assert_null(cccc_get(bench_at(&registry, "groups"), id));
    assert_non_null(cccc_get(bench_at(&registry, "groups"), other));
    expect_json(b, &registry, "defaults", "{}");
    expect_text(b, &active, "active_group_id", "");
    EXPECT(b, "ok", "attach", "{'path': '/src/proj'}");
}

static void a_group_made_for_a_client_id_can_be_made_again_after_its_deletion(void **state)
{
    bench_t *b = *state;
    const char *id = bench_str_at(b, bench_do(b, "group_create", "{'client_id': 'c1'}"), "group_id");
    bench_do(b, "group_delete", "{'group_id': '%s'}", id);
    const cccc_value_t *again = bench_do(b, "group_create", "{'client_id': 'c1', 'title': 'other'}");
    expect_text(b, again, "group_id", id);
    assert_null(cccc_get(again, "duplicate"));
    assert_int_equal(bench_uint_at(again, "event.seq"), 1);
}

static void deleting_waits_for_a_quiet_group(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_request(b, 1, "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    bench_request(b, 2, "group_delete", "{'group_id': '%s'}", id);
    expect_code(b, bench_reply(b, 2), "busy");
    bench_settle(b);
    bench_request(b, 1, "group_delete", "{'group_id': '%s'}", id);
    bench_request(b, 2, "group_show", "{'group_id': '%s'}", id);
    expect_code(b, bench_reply(b, 2), "busy");
}

/* Who asked may leave before the folder is moved: the deletion comes to its end all the same, and so does the choice of an active group. */
static void a_deletion_does_not_need_its_connection(void **state)
{
    bench_t *b = *state;
    const char *id = team(b), *other = bench_str_at(b, bench_do(b, "group_create", "{'title': ''}"), "group_id");
    bench_request(b, 1, "group_delete", "{'group_id': '%s'}", id);
    bench_gone(b, 1);
    bench_request(b, 2, "active_set", "{'group_id': '%s'}", other);
    bench_gone(b, 2);
    bench_settle(b);
    EXPECT(b, "group_not_found", "group_show", "{'group_id': '%s'}", id);
    expect_text(b, bench_do(b, "active_get", "{}"), "active_group_id", other);
}

/* The folder could not be moved: the ledger, which was closed for it, is read again and the group goes on. */
static void a_group_that_cannot_be_moved_goes_on(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_request(b, 1, "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    bench_settle(b);
    bench_request(b, 2, "group_delete", "{'group_id': '%s'}", id);
    assert_true(bench_fail_store(b, CCCC_E_STORAGE));
    bench_settle(b);
    expect_code(b, bench_reply(b, 2), "group_delete_failed");
    expect_text(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.topic", "x");
    EXPECT(b, "ok", "group_update", "{'group_id': '%s', 'patch': {'topic': 'y'}}", id);
}

/* ---- the disk ---- */

/* The event is durable, so the change is done: a file that cannot be written is a warning, and the next second tries again. */
static void a_file_that_cannot_be_written_is_a_warning(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_request(b, 1, "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    assert_int_equal(bench_sync(b, NULL, 1), 1);
    assert_true(bench_fail_store(b, CCCC_E_NO_SPACE));
    assert_true(bench_fail_store(b, CCCC_E_NO_SPACE));
    const cccc_value_t *reply = bench_reply(b, 1);
    expect_code(b, reply, "ok");
    assert_non_null(strstr(bench_str_at(b, reply, "result.warning"), "registry.json"));
    cccc_value_t stored = bench_document(b, id);
    expect_text(b, &stored, "topic", "");
    assert_non_null(strstr(bench_trace(b), "CONFIG-STORE-FAILED"));
    bench_pass(b, 1);
    assert_true(bench_fail_store(b, CCCC_E_NO_SPACE));
    assert_null(strstr(bench_trace(b), "CONFIG-STORE-FAILED")); /* said once */
    bench_pass(b, 1);
    bench_settle(b);
    stored = bench_document(b, id);
    expect_text(b, &stored, "topic", "x");
    expect_json(b, &stored, "ledger_seq", "5");
}

/* A crash between the durable event and group.yaml: the fold brings the change, and the file is written again. */
static void a_document_behind_its_ledger_is_brought_up(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_request(b, 1, "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    assert_int_equal(bench_sync(b, NULL, 1), 1);
    bench_restart(b);
    expect_text(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.topic", "x");
    bench_pass(b, 1);
    bench_settle(b);
    cccc_value_t stored = bench_document(b, id);
    expect_text(b, &stored, "topic", "x");
}

static void a_full_disk_changes_nothing(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_request(b, 1, "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    bench_fail(b, id, CCCC_E_NO_SPACE, false, 0, false);
    const cccc_value_t *reply = bench_reply(b, 1);
    expect_code(b, reply, "no_space");
    expect_text(b, reply, "error.details.outcome", "not_stored");
    expect_text(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.topic", "");
}

/* ---- groups ---- */

static void groups_are_listed_by_activity(void **state)
{
    bench_t *b = *state;
    const char *one = bench_str_at(b, bench_do(b, "group_create", "{'title': 'one'}"), "group_id");
    bench_pass(b, 1);
    const char *two = bench_str_at(b, bench_do(b, "group_create", "{'title': 'two'}"), "group_id");
    const cccc_value_t *list = bench_do(b, "groups", "{}");
    expect_text(b, &bench_at(list, "groups")->via.array.ptr[0], "group_id", two);
    bench_pass(b, 1);
    bench_do(b, "actor_add", "{'group_id': '%s', 'actor_id': 'lead'}", one);
    list = bench_do(b, "groups", "{}");
    const cccc_value_t *first = &bench_at(list, "groups")->via.array.ptr[0];
    expect_text(b, first, "group_id", one);
    expect_text(b, first, "title", "one");
    expect_text(b, first, "registry_health", "ok");
    expect_text(b, first, "state", "active");
    expect_json(b, first, "running", "false");
    expect_json(b, first, "head_seq", "2");
    expect_json(b, first, "actor_count", "1");
    expect_json(b, first, "unread_count", "0");
    expect_json(b, list, "registry_health", "{'missing_group_ids': [], 'corrupt_group_ids': []}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_group_begins_with_its_create_event),
        T(a_group_without_a_title_is_a_working_group),
        T(a_client_id_makes_one_group),
        T(a_repeat_waits_for_the_same_durability),
        T(a_group_that_did_not_reach_the_disk_does_not_exist),
        T(attaching_a_path_makes_its_group_once),
        T(two_clones_of_one_remote_are_one_scope),
        T(attaching_follows_the_default_of_the_scope),
        T(attaching_at_once_makes_one_group),
        T(attach_refuses_what_it_cannot_place),
        T(a_path_nobody_can_read_is_its_own_root),
        T(a_group_deleted_while_the_path_is_looked_at_is_not_attached_to),
        T(scopes_are_bounded),
        T(the_innermost_scope_of_a_path_is_used),
        T(another_clone_of_a_scope_is_that_scope),
        T(detaching_moves_the_active_scope),
        T(showing_a_group_hides_its_secrets),
        T(title_and_topic_change),
        T(states_are_set_in_any_case),
        T(starting_and_stopping_keep_who_is_enabled),
        T(deleting_leaves_nothing_behind_but_the_trash),
        T(a_group_made_for_a_client_id_can_be_made_again_after_its_deletion),
        T(deleting_waits_for_a_quiet_group),
        T(a_deletion_does_not_need_its_connection),
        T(a_group_that_cannot_be_moved_goes_on),
        T(a_file_that_cannot_be_written_is_a_warning),
        T(a_document_behind_its_ledger_is_brought_up),
        T(a_full_disk_changes_nothing),
        T(groups_are_listed_by_activity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
