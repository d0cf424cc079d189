/* The home: registry.json, active.json, and the daemon about itself. */
#include "broker/core/change.h"
#include "tests/core/expect.h"

/* ---- registry.json ---- */

/* Reference 13: 20. Whatever the root, groups or defaults are, the registry stays usable; keys nobody knows stay. */
static void a_malformed_registry_is_normalised(void **state)
{
    (void)state;
    static const char *const documents[] = {
        NULL,
        "[]",
        "7",
        "{}",
        "{'groups': [], 'defaults': 7}",
        "{'v': 'x', 'created_at': 7, 'groups': {'" G "': 7}, 'defaults': {'s_1': 7}, 'mine': 1}",
    };
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        bench_t *b = bench_new(i);
        bench_home(b, documents[i], NULL);
        const char *id = team(b);
        cccc_value_t registry = bench_stored(b, CCCC_STORE_REGISTRY);
        expect_json(b, &registry, "v", "1");
        const char *created = bench_str_at(b, &registry, "created_at");
        assert_true(strlen(created) > 0);
        bench_do(b, "group_create", "{'title': ''}");
        registry = bench_stored(b, CCCC_STORE_REGISTRY);
        expect_text(b, &registry, "created_at", created);
        expect_text(b, bench_at(bench_at(&registry, "groups"), id), "group_id", id);
        if (documents[i] != NULL && strstr(documents[i], "mine") != NULL)
            expect_json(b, &registry, "mine", "1");
        bench_free(&b);
    }
}

static void an_entry_mirrors_its_group(void **state)
{
    bench_t *b = *state;
    struct cccc_daemon_facts facts = {.version = "0.1.0", .home = "/home/me/.cccc"};
    bench_set_facts(b, &facts);
    bench_pass(b, 1);
    const char *id = team(b);
    bench_do(b, "group_update", "{'group_id': '%s', 'patch': {'title': 'T', 'topic': 't'}}", id);
    cccc_value_t registry = bench_stored(b, CCCC_STORE_REGISTRY);
    const cccc_value_t *entry = bench_at(bench_at(&registry, "groups"), id), *shown = bench_do(b, "group_show", "{'group_id': '%s'}", id);
    expect_text(b, entry, "title", "T");
    expect_text(b, entry, "topic", "t");
    expect_text(b, entry, "path", cccc_arena_printf(bench_arena(b), "/home/me/.cccc/groups/%s", id).ptr);
    expect_text(b, entry, "default_scope_key", bench_str_at(b, shown, "group.active_scope_key"));
    expect_text(b, entry, "created_at", bench_str_at(b, shown, "group.created_at"));
    expect_text(b, entry, "updated_at", bench_str_at(b, shown, "group.updated_at"));
    expect_text(b, bench_at(&registry, "defaults"), bench_str_at(b, shown, "group.active_scope_key"), id);
}

/* Keys that others put into an entry stay. */
static void entries_keep_what_others_wrote(void **state)
{
    bench_t *b = *state;
    bench_home(b, "{'groups': {'" G "': {'group_id': '" G "', 'colour': 'red', 'title': 'stale'}}}", NULL);
    bench_group(b, G, "A", "{'v': 1, 'group_id': '" G "', 'title': 'T', 'ledger_seq': 0}");
    bench_do(b, "group_update", "{'group_id': '" G "', 'patch': {'topic': 't'}}");
    cccc_value_t registry = bench_stored(b, CCCC_STORE_REGISTRY);
    expect_text(b, bench_at(&registry, "groups." G), "colour", "red");
    expect_text(b, bench_at(&registry, "groups." G), "title", "T");
}

/* Reference 13: 18, 19. Listing changes nothing; reconciling removes only what is missing, and only when asked. */
static void missing_groups_are_named_and_removed_when_asked(void **state)
{
    bench_t *b = *state;
    bench_home(b,
               "{'v': 1, 'created_at': 'x', 'updated_at': 'x', 'groups': {'g_00000000000b': {}, 'g_00000000000a': {}}, 'defaults': {'s_2': "
               "'g_00000000000a', "
               "'s_1': 'g_00000000000a', 's_3': '" G "'}}",
               NULL);
    bench_group(b, G, "A", "{'v': 1, 'group_id': '" G "', 'title': 'T', 'ledger_seq': 0}");
    const cccc_value_t *list = bench_do(b, "groups", "{}");
    assert_int_equal(bench_at(list, "groups")->via.array.size, 1);
    expect_json(b, list, "registry_health.missing_group_ids", "['g_00000000000a', 'g_00000000000b']");
    expect_json(
        b, bench_do(b, "registry_reconcile", "{}"), "",
        "{'dry_run': true, 'scanned_groups': 3, 'missing_group_ids': ['g_00000000000a', 'g_00000000000b'], 'corrupt_group_ids': [], "
        "'removed_group_ids': [], 'removed_default_scope_keys': []}");
    const cccc_value_t *removed = bench_do(b, "registry_reconcile", "{'remove_missing': true}");
    expect_json(b, removed, "dry_run", "false");
    expect_json(b, removed, "removed_group_ids", "['g_00000000000a', 'g_00000000000b']");
    expect_json(b, removed, "removed_default_scope_keys", "['s_1', 's_2']");
    cccc_value_t registry = bench_stored(b, CCCC_STORE_REGISTRY);
    expect_json(b, &registry, "defaults", "{'s_3': '" G "'}");
    assert_int_equal(bench_at(&registry, "groups")->via.map.size, 1);
    expect_json(b, bench_do(b, "registry_reconcile", "{}"), "missing_group_ids", "[]");
}

/* The folder of a loaded group was taken away under the daemon. */
static void a_lost_folder_is_missing_too(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_do(b, "active_set", "{'group_id': '%s'}", id);
    bench_pass(b, 1);
    bench_lose_folder(b, id);
    assert_int_equal(bench_at(bench_do(b, "registry_reconcile", "{}"), "missing_group_ids")->via.array.size, 1);
    EXPECT(b, "ok", "group_show", "{'group_id': '%s'}", id);
    bench_do(b, "registry_reconcile", "{'remove_missing': 1}");
    EXPECT(b, "group_not_found", "group_show", "{'group_id': '%s'}", id);
    expect_text(b, bench_do(b, "active_get", "{}"), "active_group_id", "");
}

/* A group made while the folders were being listed is not missing. */
static void a_group_made_during_the_scan_is_kept(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_lose_folder(b, id);
    bench_pass(b, 1);
    bench_request(b, 1, "registry_reconcile", "{'remove_missing': true}");
    bench_request(b, 2, "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    bench_sync(b, NULL, 1);
    bench_settle(b);
    expect_json(b, bench_reply(b, 1), "result.missing_group_ids", "[]");
    EXPECT(b, "ok", "group_show", "{'group_id': '%s'}", id);
}

static void reconciling_reports_a_disk_that_does_not_answer(void **state)
{
    bench_t *b = *state;
    bench_request(b, 1, "registry_reconcile", "{}");
    assert_true(bench_fail_store(b, CCCC_E_STORAGE));
    expect_code(b, bench_reply(b, 1), "storage_failed");
    EXPECT(b, "unknown_actor", "registry_reconcile", "{'by': 'dev'}");
    /* The entries are gone from memory; the file follows at the next second. */
    bench_home(b, "{'v': 1, 'created_at': 'x', 'updated_at': 'x', 'groups': {'g_00000000000a': {}}, 'defaults': {}}", NULL);
    bench_request(b, 1, "registry_reconcile", "{'remove_missing': true}");
    assert_true(bench_finish_store(b));
    assert_true(bench_fail_store(b, CCCC_E_STORAGE));
    expect_code(b, bench_reply(b, 1), "ok");
    bench_pass(b, 1);
    assert_true(bench_fail_store(b, CCCC_E_STORAGE));
    bench_pass(b, 1);
    bench_settle(b);
    cccc_value_t registry = bench_stored(b, CCCC_STORE_REGISTRY);
    expect_json(b, &registry, "groups", "{}");
}

/* A folder whose configuration cannot be read is corrupt: named, not listed, never removed. */
static void corrupt_groups_are_named_and_kept(void **state)
{
    bench_t *b = *state;
    struct cccc_moment now = {.unix_us = 1700000000000000, .mono_us = 1, .random = {1, 2}};
    cccc_value_t nothing = cccc_nil(), document = bench_json(b, "{'title': 'Broken ledger', 'ledger_seq': 0}");
    cccc_slot_t slot = cccc_core_fold_begin(bench_core(b), CCCC_STR("g_00000000000c"), &nothing, false);
    cccc_core_fold_end(bench_core(b), &now, slot, "group.yaml cannot be read", NULL);
    slot = cccc_core_fold_begin(bench_core(b), CCCC_STR("g_00000000000d"), &document, false);
    cccc_core_fold_end(bench_core(b), &now, slot, "its ledger cannot be opened", NULL);
    slot = cccc_core_fold_begin(bench_core(b), CCCC_STR("g_00000000000e"), &document, false);
    cccc_core_fold_end(bench_core(b), &now, slot, NULL, "truncated");
    const cccc_value_t *list = bench_do(b, "groups", "{}");
    expect_json(b, list, "registry_health.corrupt_group_ids", "['g_00000000000c']");
    assert_int_equal(bench_at(list, "groups")->via.array.size, 2);
    expect_text(b, &bench_at(list, "groups")->via.array.ptr[0], "registry_health", "offline");
    expect_text(b, &bench_at(list, "groups")->via.array.ptr[0], "offline", "its ledger cannot be opened");
    expect_text(b, &bench_at(list, "groups")->via.array.ptr[1], "read_only", "truncated");
    EXPECT(b, "group_offline", "group_show", "{'group_id': 'g_00000000000c'}");
    EXPECT(b, "group_offline", "group_show", "{'group_id': 'g_00000000000d'}");
    EXPECT(b, "group_read_only", "group_update", "{'group_id': 'g_00000000000e', 'patch': {'topic': 'x'}}");
    expect_text(b, bench_do(b, "status", "{'group_id': 'g_00000000000c'}"), "group.offline", "group.yaml cannot be read");
}

/* An id that attaching would make may belong to a group that cannot be opened: it is not made over. */
static void an_offline_group_is_not_made_again(void **state)
{
    bench_t *b = *state;
    char id[15];
    struct cccc_moment now = {.unix_us = 1700000000000000, .mono_us = 1, .random = {1, 2}};
    cccc_value_t nothing = cccc_nil();
    scope_hash_id(id, 'g', CCCC_STR("/p"));
    cccc_slot_t slot = cccc_core_fold_begin(bench_core(b), cccc_str(id), &nothing, false);
    EXPECT(b, "busy", "attach", "{'path': '/p'}");
    cccc_core_fold_end(bench_core(b), &now, slot, "its ledger cannot be opened", NULL);
    EXPECT(b, "group_offline", "attach", "{'path': '/p'}");
}

/* Messages do not touch the registry; its times follow within half a minute, and at stop. */
static void activity_reaches_the_file_slowly(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_pass(b, 1);
    bench_settle(b);
    bench_do(b, "group_update", "{'group_id': '%s', 'patch': {'topic': 'x'}}", id);
    bench_pass(b, 40);
    bench_settle(b);
    bench_trace(b);
    bench_pass(b, 40);
    assert_null(strstr(bench_trace(b), "store registry")); /* nothing happened, nothing is written */
    cccc_core_stop(bench_core(b));
    bench_settle(b);
    EXPECT(b, "shutting_down", "groups", "{}");
}

/* The file grows with the home: beyond 512 groups it is written once a second, not with every change. */
static void a_huge_home_writes_its_registry_once_a_second(void **state)
{
    bench_t *b = *state;
    struct cccc_moment now = {.unix_us = 1700000000000000, .mono_us = 1, .random = {1, 2}};
    cccc_value_t document = bench_json(b, "{'title': 'T', 'ledger_seq': 0}");
    for (unsigned i = 0; i < 600; i++) {
        cccc_str_t id = cccc_arena_printf(bench_arena(b), "g_%012x", i + 1);
        cccc_slot_t slot = cccc_core_fold_begin(bench_core(b), id, &document, false);
        cccc_core_fold_end(bench_core(b), &now, slot, NULL, NULL);
    }
    bench_do(b, "group_create", "{'title': ''}");
    bench_trace(b);
    for (int i = 0; i < 5; i++)
        bench_do(b, "group_create", "{'title': ''}");
    assert_null(strstr(bench_trace(b), "store registry"));
    bench_pass(b, 2);
    bench_settle(b);
    assert_non_null(strstr(bench_trace(b), "store registry"));
    cccc_value_t registry = bench_stored(b, CCCC_STORE_REGISTRY);
    assert_int_equal(bench_at(&registry, "groups")->via.map.size, 606);
}

/* A home holds so many groups and no more; and a list of them fits a reply. */
static void homes_are_bounded(void **state)
{
    bench_t *b = *state;
    struct cccc_moment now = {.unix_us = 1700000000000000, .mono_us = 1, .random = {1, 2}};
    static char topic[501];
    memset(topic, 't', sizeof topic - 1);
    cccc_value_t document = bench_json(b, "{'title': 'T', 'topic': '%s', 'ledger_seq': 0}", topic);
    for (unsigned i = 0; i < CCCC_GROUPS_MAX; i++) {
        cccc_str_t id = cccc_arena_printf(bench_arena(b), "g_%012x", i + 1);
        cccc_slot_t slot = cccc_core_fold_begin(bench_core(b), id, &document, false);
        cccc_core_fold_end(bench_core(b), &now, slot, NULL, NULL);
    }
    EXPECT(b, "busy", "group_create", "{'title': ''}");
    EXPECT(b, "busy", "attach", "{'path': '/p'}");
    const cccc_value_t *list = bench_do(b, "groups", "{}");
    expect_json(b, list, "more", "true");
    assert_in_range(bench_at(list, "groups")->via.array.size, 1000, CCCC_GROUPS_MAX - 1);
    assert_non_null(bench_at(bench_do(b, "status", "{}"), "groups"));
}

/* ---- active.json ---- */

static void the_active_group_is_set_and_cleared(void **state)
{
    bench_t *b = *state;
    expect_json(b, bench_do(b, "active_get", "{}"), "", "{'active_group_id': '', 'updated_at': ''}");
    const char *id = team(b);
    expect_text(b, bench_do(b, "active_set", "{'group_id': '%s'}", id), "active_group_id", id);
    cccc_value_t active = bench_stored(b, CCCC_STORE_ACTIVE);
    expect_json(b, &active, "v", "1");
    expect_text(b, &active, "active_group_id", id);
    bench_restart(b);
    expect_text(b, bench_do(b, "active_get", "{}"), "active_group_id", id);
    expect_text(b, bench_do(b, "active_set", "{'group_id': ''}"), "active_group_id", "");
    expect_text(b, bench_do(b, "active_set", "{}"), "active_group_id", "");
    EXPECT(b, "group_not_found", "active_set", "{'group_id': 'g_00000000000f'}");
    EXPECT(b, "invalid_group_id", "active_set", "{'group_id': '../x'}");
}

/* Reference 13: 21. */
static void a_malformed_active_file_reads_as_none(void **state)
{
    bench_t *b = *state;
    static const char *const documents[] = {"[]", "{'active_group_id': 7}", "{'active_group_id': '../x', 'updated_at': 7}",
                                            "{'updated_at': 'a time that is much longer than a time can be'}"};
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        bench_home(b, NULL, documents[i]);
        expect_json(b, bench_do(b, "active_get", "{}"), "", "{'active_group_id': '', 'updated_at': ''}");
    }
}

static void the_active_group_stays_when_the_file_cannot_be_written(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_request(b, 1, "active_set", "{'group_id': '%s'}", id);
    assert_true(bench_fail_store(b, CCCC_E_NO_SPACE));
    expect_code(b, bench_reply(b, 1), "no_space");
    expect_text(b, bench_do(b, "active_get", "{}"), "active_group_id", "");
    bench_request(b, 1, "active_set", "{'group_id': '%s'}", id);
    bench_request(b, 2, "registry_reconcile", "{}");
    bench_request(b, 3, "group_delete", "{'group_id': '%s'}", id);
    bench_settle(b);
    expect_code(b, bench_reply(b, 1), "ok");
    expect_text(b, bench_do(b, "active_get", "{}"), "active_group_id", "");
}

/* ---- the daemon ---- */

static void ping_says_who_answers(void **state)
{
    bench_t *b = *state;
    bench_pass(b, 1);
    const cccc_value_t *result = bench_do(b, "ping", "{}");
    expect_text(b, result, "version", "0.1.0");
    expect_json(b, result, "pid", "1");
    expect_json(b, result, "ipc_v", "1");
    expect_json(b, result, "protocol", "1");
    expect_json(b, result, "epoch", "7");
    expect_json(b, result, "capabilities", "{'events_stream': true, 'xpub': true}");
    assert_int_equal(strlen(bench_str_at(b, result, "ts")), 27);
}

static cccc_value_t copy_of(void *degraded, cccc_arena_t *arena)
{
    return cccc_value_copy(arena, degraded);
}

static void status_shows_figures_and_groups(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    cccc_value_t degraded = bench_json(b, "[{'group_id': '%s', 'reason': 'x'}]", id);
    struct cccc_daemon_facts facts = {.version = "9",
                                      .home = "/h",
                                      .pid = 5,
                                      .started_mono_us = 5000000,
                                      .requests = 7,
                                      .durable = 6,
                                      .syncs = 4,
                                      .rss_bytes = 1 << 20,
                                      .groups_degraded = copy_of,
                                      .groups_arg = &degraded,
                                      .degraded = CCCC_STR("disk full")};
    bench_set_facts(b, &facts);
    bench_pass(b, 10);
    const cccc_value_t *result = bench_do(b, "status", "{}");
    expect_text(b, result, "home", "/h");
    expect_json(b, result, "requests", "7");
    expect_json(b, result, "durable", "6");
    assert_int_equal(bench_uint_at(result, "acked"), bench_durable(b, id));
    expect_json(b, result, "rss_bytes", "1048576");
    expect_json(b, result, "pending_events", "0");
    expect_json(b, result, "group_count", "1");
    expect_text(b, result, "degraded", "disk full");
    expect_text(b, &bench_at(result, "groups_degraded")->via.array.ptr[0], "reason", "x");
    degraded = bench_json(b, "[]"); /* asked each time, not kept from the last tick */
    expect_json(b, bench_do(b, "status", "{}"), "groups_degraded", "[]");
    result = bench_do(b, "status", "{}");
    assert_true(bench_uint_at(result, "uptime_s") >= 10);
    const cccc_value_t *row = &bench_at(result, "groups")->via.array.ptr[0];
    expect_text(b, row, "group_id", id);
    expect_text(b, row, "title", "Team");
    expect_json(b, row, "actor_count", "2");
    expect_json(b, row, "pending", "0");
    const cccc_value_t *one = bench_do(b, "status", "{'group_id': '%s'}", id);
    assert_int_equal(bench_uint_at(one, "as_of_seq"), bench_durable(b, id));
    assert_int_equal(bench_at(one, "group.readers")->via.array.size, 3);
    EXPECT(b, "group_not_found", "status", "{'group_id': 'g_00000000000f'}");
    EXPECT(b, "invalid_group_id", "status", "{'group_id': 'x'}");
}

static void counters_are_published_each_second(void **state)
{
    bench_t *b = *state;
    team(b);
    bench_trace(b);
    bench_pass(b, 3);
    unsigned seen = 0;
    for (const char *at = bench_trace(b); (at = strstr(at, "publish d/")) != NULL; at++)
        seen++;
    assert_int_equal(seen, 3);
}

static void shutdown_is_for_people(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_as_actor(b, id, "lead");
    EXPECT(b, "permission_denied", "shutdown", "{}");
    assert_null(strstr(bench_trace(b), "SHUTDOWN-ASKED"));
    bench_as_operator(b);
    assert_non_null(bench_at(bench_do(b, "shutdown", "{}"), "message"));
    const char *trace = bench_trace(b);
    assert_non_null(strstr(trace, "SHUTDOWN-ASKED"));
    assert_non_null(strstr(trace, "\nshutdown\n")); /* the effect, after the reply */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_registry_is_normalised),
        T(an_entry_mirrors_its_group),
        T(entries_keep_what_others_wrote),
        T(missing_groups_are_named_and_removed_when_asked),
        T(a_lost_folder_is_missing_too),
        T(a_group_made_during_the_scan_is_kept),
        T(reconciling_reports_a_disk_that_does_not_answer),
        T(corrupt_groups_are_named_and_kept),
        T(an_offline_group_is_not_made_again),
        T(activity_reaches_the_file_slowly),
        T(a_huge_home_writes_its_registry_once_a_second),
        T(homes_are_bounded),
        T(the_active_group_is_set_and_cleared),
        T(a_malformed_active_file_reads_as_none),
        T(the_active_group_stays_when_the_file_cannot_be_written),
        T(ping_says_who_answers),
        T(status_shows_figures_and_groups),
        T(counters_are_published_each_second),
        T(shutdown_is_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
