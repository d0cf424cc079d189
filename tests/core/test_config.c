/* The document and its fold: what a hand may write, what an event changes, and that replaying gives the same. */
#include "broker/core/change.h"
#include "tests/core/expect.h"

/* A group outside any core, for looking at config.c alone. */
struct lone {
    struct cccc_group group;
    bench_t *b;
    uint64_t seq;
};

static struct lone lone_new(const char *document)
{
    struct lone lone = {.group = {.id = G}, .b = bench_new(1)};
    if (document != NULL) {
        cccc_value_t doc = bench_json(lone.b, "%s", document);
        config_set_document(&lone.group, &doc);
    }
    return lone;
}

static void lone_free(struct lone *lone)
{
    cccc_arena_destroy(&lone->group.document_arena);
    cccc_arena_destroy(&lone->group.config_arena);
    bench_free(&lone->b);
}

static bool lone_apply(struct lone *lone, uint64_t seq, const char *kind, const char *scope_key, const char *data)
{
    struct cccc_event event = {.seq = seq,
                               .ts = CCCC_STR("2026-01-01T00:00:01.000000Z"),
                               .kind = cccc_str(kind),
                               .group_id = CCCC_STR(G),
                               .scope_key = cccc_str(scope_key),
                               .data = bench_json(lone->b, "%s", data)};
    return config_apply(&lone->group, &event);
}

static void expect_document(struct lone *lone, const char *path, const char *json)
{
    expect_json(lone->b, &lone->group.document, path, json);
}

/* ---- deriving ---- */

/* Reference 13: 2. The lenient booleans decide who is enabled, and with it who is foreman. */
static void written_booleans_are_read_leniently(void **state)
{
    (void)state;
    struct lone lone = lone_new(
        "{'running': 'yes', 'actors': [{'id': 'a', 'enabled': 'false'}, {'id': 'b', 'enabled': 0}, {'id': 'c', 'enabled': 'what'}, "
        "{'id': 'd', 'enabled': 'on'}]}");
    assert_true(lone.group.config.running);
    assert_true(cccc_str_is(config_foreman(&lone.group)->id, "c"));
    assert_false(config_actor(&lone.group, CCCC_STR("a"))->enabled);
    assert_false(config_actor(&lone.group, CCCC_STR("b"))->enabled);
    assert_true(config_actor(&lone.group, CCCC_STR("d"))->enabled);
    assert_false(config_actor(&lone.group, CCCC_STR("d"))->foreman);
    lone_free(&lone);
}

static void anything_a_hand_wrote_is_survived(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "{}",
        "{'title': 7, 'topic': [], 'state': {}, 'running': [], 'active_scope_key': 7, 'scopes': 'x', 'actors': {}}",
        "{'actors': [7, null, [], 'x', {}, {'id': 7}, {'id': ''}, {'id': '../x'}, {'id': 'user'}], 'scopes': [7, {}, {'scope_key': ''}]}",
        "{'messaging': 7, 'automation': [], 'delivery': 'x', 'state': 'asleep', 'active_scope_key': 's_nowhere'}",
    };
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct lone lone = lone_new(documents[i]);
        assert_int_equal(lone.group.config.actor_count, 0);
        assert_int_equal(lone.group.config.scope_count, 0);
        assert_int_equal(lone.group.config.state, CCCC_GROUP_ACTIVE);
        assert_int_equal(lone.group.config.active_scope_key.len, 0);
        assert_null(config_foreman(&lone.group));
        assert_false(lone.group.config.broadcast_by_default);
        assert_true(lone_apply(&lone, 5, "actor.add", "", "{'actor': {'id': 'lead', 'role': 'foreman'}}"));
        assert_true(lone_apply(&lone, 6, "group.attach", "s_1", "{'url': '/p', 'label': 'p', 'git_remote': ''}"));
        assert_int_equal(lone.group.config.actor_count, 1);
        assert_true(cccc_str_is(lone.group.config.active_scope_key, "s_1"));
        lone_free(&lone);
    }
}

static void the_derived_form_says_what_the_document_says(void **state)
{
    (void)state;
    struct lone lone = lone_new(
        "{'title': 'T', 'topic': 't', 'state': 'paused', 'created_at': 'c', 'updated_at': 'u', 'active_scope_key': 's_2', 'scopes': "
        "[{'scope_key': 's_1', 'url': '/1', 'label': 'one', 'git_remote': 'r'}, {'scope_key': 's_2'}], 'messaging': {'default_send_to': "
        "'broadcast'}, 'actors': [{'id': 'a', 'title': 'A', 'runner': 'headless', 'runtime': 'amp'}, {'id': 'a'}, {'id': 'b', 'runner': "
        "'x'}]}");
    const struct cccc_config *c = &lone.group.config;
    assert_true(cccc_str_is(c->title, "T") && cccc_str_is(c->topic, "t") && cccc_str_is(c->created_at, "c") &&
                cccc_str_is(c->updated_at, "u"));
    assert_int_equal(c->state, CCCC_GROUP_PAUSED);
    assert_true(c->broadcast_by_default);
    assert_true(cccc_str_is(c->active_scope_key, "s_2"));
    assert_int_equal(c->scope_count, 2);
    assert_true(cccc_str_is(config_scope(&lone.group, CCCC_STR("s_1"))->git_remote, "r"));
    assert_int_equal(c->actor_count, 2);
    assert_true(cccc_str_is(c->actors[0].runner, "headless") && cccc_str_is(c->actors[0].runtime, "amp") &&
                cccc_str_is(c->actors[0].title, "A"));
    assert_true(cccc_str_is(c->actors[1].runner, "pty") && cccc_str_is(c->actors[1].runtime, "codex"));
    lone_free(&lone);
}

/* ---- applying ---- */

static void only_configuration_kinds_change_the_document(void **state)
{
    (void)state;
    struct lone lone = lone_new("{'title': 'T'}");
    assert_false(lone_apply(&lone, 5, "chat.message", "", "{'text': 'x'}"));
    assert_false(lone_apply(&lone, 5, "never.heard", "", "{}"));
    expect_document(&lone, "", "{'title': 'T'}");
    lone_free(&lone);
}

/* Events whose data is not what this version writes change what they can, and nothing else. */
static void strange_data_is_survived(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *data;
    } events[] = {
        {"group.update", "{}"},
        {"group.update", "{'patch': 7}"},
        {"group.update", "{'patch': {'title': 7, 'topic': null}}"},
        {"group.attach", "{}"},
        {"group.detach_scope", "{'scope_key': 7}"},
        {"group.set_state", "{}"},
        {"group.settings_update", "{'patch': {'min_interval_seconds': 'x', 'unknown': 1}}"},
        {"group.settings_update", "{}"},
        {"group.edit", "{'document': 7}"},
        {"actor.add", "{}"},
        {"actor.add", "{'actor': {'id': ''}}"},
        {"actor.update", "{}"},
        {"actor.update", "{'actor_id': 'ghost', 'patch': {'title': 'x'}}"},
        {"actor.update", "{'actor_id': 'lead'}"},
        {"actor.remove", "{}"},
        {"actor.remove", "{'actor_id': 'ghost'}"},
    };
    struct lone lone = lone_new("{'title': 'T', 'actors': [{'id': 'lead'}], 'mine': [1]}");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        assert_true(lone_apply(&lone, i + 1, events[i].kind, "", events[i].data));
    expect_document(&lone, "title", "'T'");
    expect_document(&lone, "mine", "[1]");
    assert_int_equal(lone.group.config.actor_count, 1);
    lone_free(&lone);
}

/* Lines of CCCC 0.4.0 carry no after-image: the patch is applied to the entry, null meaning untouched. */
static void older_actor_updates_are_patches(void **state)
{
    (void)state;
    struct lone lone = lone_new("{'actors': [{'id': 'lead', 'title': 'A', 'env': {'X': '1'}}, {'id': 'dev'}]}");
    assert_true(lone_apply(&lone, 1, "actor.update", "",
                           "{'actor_id': 'lead', 'patch': {'role': 'peer', 'title': 'B', 'env': null, 'enabled': false}}"));
    expect_document(&lone, "actors", "[{'id': 'lead', 'title': 'B', 'env': {'X': '1'}, 'enabled': false}, {'id': 'dev'}]");
    lone_free(&lone);
}

/* A lost group.yaml is made again from the events, also in a group that has no group.create (0.4.0 attached without one). */
static void a_lost_document_is_made_again(void **state)
{
    (void)state;
    struct lone lone = lone_new(NULL);
    lone.group.folding = true;
    assert_true(lone_apply(&lone, 1, "group.attach", "s_1", "{'url': '/p', 'label': 'p', 'git_remote': ''}"));
    assert_true(lone_apply(&lone, 2, "actor.add", "", "{'actor': {'id': 'lead'}}"));
    expect_document(&lone, "group_id", "'" G "'");
    expect_document(&lone, "title", "'working-group'");
    expect_document(&lone, "ledger_seq", "2");
    assert_true(lone.group.unstored);
    assert_int_equal(lone.group.config.actor_count, 1);
    lone_free(&lone);
}

/* While folding, what the document has already is not applied again; afterwards everything is. */
static void the_fold_skips_what_the_document_has(void **state)
{
    (void)state;
    struct lone lone = lone_new("{'title': 'T', 'ledger_seq': 5}");
    assert_int_equal(lone.group.document_seq, 5);
    lone.group.folding = true;
    assert_true(lone_apply(&lone, 5, "group.update", "", "{'patch': {'title': 'old'}}"));
    expect_document(&lone, "title", "'T'");
    assert_true(lone_apply(&lone, 6, "group.update", "", "{'patch': {'title': 'new'}}"));
    expect_document(&lone, "title", "'new'");
    expect_document(&lone, "updated_at", "'2026-01-01T00:00:01.000000Z'");
    lone_free(&lone);
}

static void unknown_keys_survive_every_change(void **state)
{
    (void)state;
    struct lone lone =
        lone_new("{'mine': {'a': [1, 2]}, 'title': 'T', 'scopes': [{'scope_key': 's_1', 'url': '/1', 'colour': 'red'}, 'odd'], 'actors': "
                 "[{'id': 'lead', 'mine': 1}], 'delivery': {'mine': 2}}");
    assert_true(lone_apply(&lone, 1, "group.update", "", "{'patch': {'title': 'x', 'topic': 'y'}}"));
    assert_true(lone_apply(&lone, 2, "group.settings_update", "", "{'patch': {'min_interval_seconds': 4}}"));
    assert_true(lone_apply(&lone, 3, "group.attach", "s_2", "{'url': '/2', 'label': '', 'git_remote': ''}"));
    assert_true(lone_apply(&lone, 4, "group.detach_scope", "s_2", "{'scope_key': 's_2'}"));
    assert_true(lone_apply(&lone, 5, "actor.add", "", "{'actor': {'id': 'dev'}}"));
    assert_true(lone_apply(&lone, 6, "group.start", "", "{'started': []}"));
    expect_document(&lone, "mine", "{'a': [1, 2]}");
    expect_document(&lone, "delivery", "{'mine': 2, 'min_interval_seconds': 4}");
    expect_document(&lone, "scopes", "[{'scope_key': 's_1', 'url': '/1', 'colour': 'red'}, 'odd']");
    expect_document(&lone, "actors", "[{'id': 'lead', 'mine': 1}, {'id': 'dev'}]");
    lone_free(&lone);
}

/* ---- hands ---- */

/* A file that is not as cccc wrote it is taken over by an event, whole, but for which group it is and since when. */
static void a_hand_edit_is_recorded_and_taken_over(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const char *created = bench_str_at(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.created_at");
    bench_hand(b, id,
               "{'v': 1, 'group_id': 'g_ffffffffffff', 'title': 'By hand', 'note': 'mine', 'actors': [{'id': 'dev', 'enabled': 'yes'}], "
               "'ledger_seq': 4}");
    bench_restart(b);
    bench_settle(b);
    struct cccc_event event;
    assert_true(bench_event(b, id, 5, &event));
    assert_true(cccc_str_is(event.kind, "group.edit"));
    assert_true(cccc_str_is(event.by, "user"));
    const cccc_value_t *shown = bench_do(b, "group_show", "{'group_id': '%s'}", id);
    expect_text(b, shown, "group.title", "By hand");
    expect_text(b, shown, "group.note", "mine");
    expect_text(b, shown, "group.group_id", id);
    expect_text(b, shown, "group.created_at", created);
    bench_pass(b, 1);
    bench_settle(b);
    cccc_value_t stored = bench_document(b, id);
    expect_json(b, &stored, "ledger_seq", "5");
    cccc_value_t fold = bench_refolded(b, id, false), live = bench_dump(b, id);
    assert_string_equal(bench_text(b, bench_at(&fold, "document")), bench_text(b, bench_at(&live, "document")));
    bench_restart(b);
    assert_int_equal(bench_durable(b, id), 5); /* once */
}

/* A hand edit is based on what it saw; what happened after that is applied to it. */
static void what_an_edit_did_not_see_is_kept(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_request(b, 1, "actor_add", "{'group_id': '%s', 'actor_id': 'late'}", id);
    assert_int_equal(bench_sync(b, NULL, 1), 1);
    bench_hand(b, id, "{'v': 1, 'group_id': 'x', 'title': 'By hand', 'actors': [{'id': 'dev'}], 'ledger_seq': 4}");
    bench_restart(b);
    bench_settle(b);
    const cccc_value_t *actors = bench_at(bench_do(b, "actor_list", "{'group_id': '%s'}", id), "actors");
    assert_int_equal(actors->via.array.size, 2);
    expect_text(b, &actors->via.array.ptr[1], "id", "late");
}

/* Each edit is an event, not the first one only; and the newest edit wins over those it was not based on. */
static void every_hand_edit_is_recorded(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    static const struct {
        const char *title;
        int ledger_seq;
    } edits[] = {{"First", 4}, {"Second", 5}, {"Restored", 4}};
    for (unsigned i = 0; i < sizeof edits / sizeof *edits; i++) {
        cccc_value_t document = bench_json(b, "{'v': 1, 'group_id': '%s', 'title': '%s', 'actors': [{'id': 'dev'}], 'ledger_seq': %d}", id,
                                           edits[i].title, edits[i].ledger_seq);
        bench_hand(b, id, bench_text(b, &document));
        bench_restart(b);
        bench_settle(b);
        struct cccc_event event;
        assert_true(bench_event(b, id, 5 + i, &event));
        assert_true(cccc_str_is(event.kind, "group.edit"));
        assert_true(cccc_str_is(cccc_get_str(cccc_get(&event.data, "document"), "title"), edits[i].title));
        expect_text(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.title", edits[i].title);
    }
}

/* A crash between the event of an edit and the rewrite of the file does not record the edit a second time. */
static void an_edit_is_recorded_once_across_a_crash(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    cccc_value_t document = bench_json(b, "{'v': 1, 'group_id': '%s', 'title': 'By hand', 'actors': [{'id': 'dev'}], 'ledger_seq': 4}", id);
    for (int i = 0; i < 2; i++) {
        bench_hand(b, id, bench_text(b, &document));
        bench_restart(b);
        bench_settle(b);
        assert_int_equal(bench_durable(b, id), 5);
    }
}

/* A home of CCCC 0.4.0: group.yaml is current, its lines are not applied again, and later changes survive a crash at any moment. */
static void a_home_of_an_older_version_is_taken_over(void **state)
{
    bench_t *b = *state;
    bench_group(b, G, "A", NULL);
    bench_line(b, G,
               "{'id': '00000000000000000000000000000001', 'ts': '2026-01-01T00:00:00Z', 'kind': 'group.create', 'scope_key': '', 'by': "
               "'cli', 'data': "
               "{'title': 'Old', 'topic': ''}}");
    bench_hand(b, G, "{'v': 1, 'group_id': '" G "', 'title': 'Renamed', 'actors': [{'id': 'lead'}], 'created_at': 'then'}");
    bench_restart(b);
    bench_settle(b);
    expect_text(b, bench_do(b, "group_show", "{'group_id': '" G "'}"), "group.title", "Renamed");
    bench_request(b, 1, "group_update", "{'group_id': '" G "', 'patch': {'title': 'New'}}");
    assert_int_equal(bench_sync(b, NULL, 1), 1);
    bench_restart(b);
    expect_text(b, bench_do(b, "group_show", "{'group_id': '" G "'}"), "group.title", "New");
}

/* The same when the store does not call it an edit, and the first rewrite of the file never happened. */
static void a_take_over_holds_without_the_file(void **state)
{
    bench_t *b = *state;
    bench_group(b, G, "A", "{'v': 1, 'group_id': '" G "', 'title': 'Old', 'actors': [{'id': 'lead'}]}");
    assert_int_equal(bench_sync(b, G, 1), 1);
    struct cccc_event event;
    assert_true(bench_event(b, G, 1, &event));
    assert_true(cccc_str_is(event.kind, "group.edit"));
    bench_request(b, 1, "group_update", "{'group_id': '" G "', 'patch': {'title': 'New'}}");
    assert_int_equal(bench_sync(b, G, 1), 1);
    bench_restart(b);
    expect_text(b, bench_do(b, "group_show", "{'group_id': '" G "'}"), "group.title", "New");
}

static void an_edit_too_large_for_an_event_is_served_and_said(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    static char text[300001];
    memset(text, 'x', sizeof text - 1);
    cccc_value_t document = bench_json(b, "{'v': 1, 'title': 'Large', 'note': '%s', 'actors': [{'id': 'dev'}], 'ledger_seq': 4}", text);
    bench_hand(b, id, bench_text(b, &document));
    bench_trace(b);
    bench_restart(b);
    assert_non_null(strstr(bench_trace(b), "GROUP-EDIT-NOT-RECORDED"));
    expect_text(b, bench_do(b, "group_show", "{'group_id': '%s'}", id), "group.title", "Large");
}

/* ---- replay ---- */

struct walk {
    bench_t *b;
    const char *id;
    uint64_t random;
};

static uint32_t walk_next(struct walk *w, uint32_t below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->random >> 33) % below;
}

static void walk_step(struct walk *w, uint64_t conn)
{
    static const char *const states[] = {"active", "idle", "paused"};
    static const char *const booleans[] = {"true", "false"};
    uint32_t a = walk_next(w, 6), n = walk_next(w, 100);
    switch (walk_next(w, 11)) {
    case 0:
        bench_request(w->b, conn, "group_update", "{'group_id': '%s', 'patch': {'title': 't%u', 'topic': 'u%u'}}", w->id, n, a);
        break;
    case 1:
        bench_request(w->b, conn, "group_set_state", "{'group_id': '%s', 'state': '%s'}", w->id, states[n % 3]);
        break;
    case 2:
        bench_request(w->b, conn, "attach", "{'group_id': '%s', 'path': '/p%u'}", w->id, a);
        break;
    case 3:
        bench_request(w->b, conn, "group_use", "{'group_id': '%s', 'path': '/p%u'}", w->id, a);
        break;
    case 4:
        bench_request(w->b, conn, "group_settings_update",
                      "{'group_id': '%s', 'patch': {'keepalive_delay_seconds': %u, 'default_send_to': 'broadcast'}}", w->id, n);
        break;
    case 5:
    case 6:
        bench_request(w->b, conn, "actor_add", "{'group_id': '%s', 'actor_id': 'a%u', 'title': '%u'}", w->id, a, n);
        break;
    case 7:
        bench_request(w->b, conn, "actor_update", "{'group_id': '%s', 'actor_id': 'a%u', 'patch': {'enabled': %s, 'env': {'N': %u}}}",
                      w->id, a, booleans[n % 2], n);
        break;
    case 8:
        bench_request(w->b, conn, "actor_remove", "{'group_id': '%s', 'actor_id': 'a%u'}", w->id, a);
        break;
    case 9:
        bench_request(w->b, conn, n % 2 ? "group_start" : "group_stop", "{'group_id': '%s'}", w->id);
        break;
    default:
        bench_pass(w->b, 1);
        break;
    }
}

static void expect_same_fold(struct walk *w, bool documents, uint64_t seed)
{
    cccc_value_t fold = bench_refolded(w->b, w->id, documents), live = bench_dump(w->b, w->id);
    if (strcmp(bench_text(w->b, &fold), bench_text(w->b, &live)) != 0)
        fail_msg("seed %llu: fold %s\nlive %s", (unsigned long long)seed, bench_text(w->b, &fold), bench_text(w->b, &live));
}

/* I11: whatever was asked, in whatever interleaving of disk and files, the fold of the ledger is the live state; with group.yaml and without. */
static void the_fold_is_the_live_state(void **state)
{
    (void)state;
    uint64_t base = getenv("CCCC_SEED") ? strtoull(getenv("CCCC_SEED"), NULL, 10) : 1;
    for (uint64_t seed = base; seed < base + 12; seed++) {
        struct walk w = {.b = bench_new(seed), .random = seed};
        w.id = bench_str_at(w.b, bench_do(w.b, "group_create", "{'title': ''}"), "group_id");
        for (uint64_t step = 0; step < 60; step++) {
            walk_step(&w, step + 1);
            for (uint32_t n = walk_next(&w, 3); n > 0; n--)
                bench_sync(w.b, NULL, 1 + walk_next(&w, 3));
            for (uint32_t n = walk_next(&w, 3); n > 0; n--)
                bench_finish_store(w.b);
            if (walk_next(&w, 20) == 0)
                bench_restart(w.b);
            if (walk_next(&w, 20) == 0)
                bench_fail(w.b, w.id, CCCC_E_STORAGE, true, walk_next(&w, 2), true);
            bench_refold(w.b);
        }
        bench_settle(w.b);
        expect_same_fold(&w, false, seed);
        expect_same_fold(&w, true, seed);
        bench_pass(w.b, 1);
        bench_settle(w.b);
        cccc_value_t stored = bench_document(w.b, w.id), live = bench_dump(w.b, w.id);
        assert_string_equal(bench_text(w.b, &stored), bench_text(w.b, bench_at(&live, "document")));
        bench_free(&w.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_booleans_are_read_leniently),
        cmocka_unit_test(anything_a_hand_wrote_is_survived),
        cmocka_unit_test(the_derived_form_says_what_the_document_says),
        cmocka_unit_test(only_configuration_kinds_change_the_document),
        cmocka_unit_test(strange_data_is_survived),
        cmocka_unit_test(older_actor_updates_are_patches),
        cmocka_unit_test(a_lost_document_is_made_again),
        cmocka_unit_test(the_fold_skips_what_the_document_has),
        cmocka_unit_test(unknown_keys_survive_every_change),
        T(a_hand_edit_is_recorded_and_taken_over),
        T(what_an_edit_did_not_see_is_kept),
        T(every_hand_edit_is_recorded),
        T(an_edit_is_recorded_once_across_a_crash),
        T(a_home_of_an_older_version_is_taken_over),
        T(a_take_over_holds_without_the_file),
        T(an_edit_too_large_for_an_event_is_served_and_said),
        cmocka_unit_test(the_fold_is_the_live_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
