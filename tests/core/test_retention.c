/* test_retention.c - how far a ledger may be retired: up to what somebody still has to see or do, and what a base stands for. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t safe(bench_t *b)
{
    cccc_slot_t slot;
    assert_true(cccc_core_slot(bench_core(b), CCCC_STR(TEAM), &slot));
    return cccc_core_safe_seq(bench_core(b), slot);
}

/* What status says holds it. */
static const char *why(bench_t *b)
{
    const cccc_value_t *row = bench_at(bench_do(b, "status", "{'group_id':'%s'}", TEAM), "group");
    assert_int_equal(bench_uint_at(row, "safe_seq"), safe(b));
    return bench_str_at(b, row, "safe_why");
}

static const char *say(bench_t *b, const char *to, const char *priority)
{
    const cccc_value_t *result =
        bench_do(b, "send", "{'group_id':'%s','text':'x','by':'user','to':['%s'],'priority':'%s'}", TEAM, to, priority);
    return bench_str_at(b, result, "event.id");
}

static void mark_all(bench_t *b, const char *reader)
{
    bench_do(b, "inbox_mark_all_read", "{'group_id':'%s','actor_id':'%s'}", TEAM, reader);
}

/* With nothing open all of it may go. */
static void nothing_open_holds_nothing(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    say(b, "peer-1", "normal");
    mark_all(b, "peer-1");
    assert_int_equal(safe(b), bench_durable(b, TEAM) + 1);
    assert_string_equal(why(b), "");
    team_end(&b);
}

/* The oldest unread event of any present reader holds, of a disabled one too; of a removed one it does not. */
static void what_a_present_reader_has_not_read_stays(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    say(b, "peer-2", "normal");
    say(b, "off", "normal");
    say(b, "peer-1", "normal");
    assert_int_equal(safe(b), 1);
    assert_string_equal(why(b), "peer-2 has not read it");
    mark_all(b, "peer-2");
    assert_int_equal(safe(b), 2);
    assert_string_equal(why(b), "off has not read it");
    bench_do(b, "actor_remove", "{'group_id':'%s','actor_id':'off'}", TEAM);
    assert_int_equal(safe(b), 3);
    mark_all(b, "peer-1");
    assert_int_equal(safe(b), bench_durable(b, TEAM) + 1);
    bench_restart(b);
    bench_settle(b);
    assert_int_equal(safe(b), bench_durable(b, TEAM) + 1);
    team_end(&b);
}

/* Attention holds until it is acknowledged, although a later cursor has passed it. */
static void attention_stays_until_it_is_acknowledged(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const char *first = say(b, "peer-1", "attention");
    const char *second = say(b, "peer-1", "normal");
    bench_do(b, "inbox_mark_read", "{'group_id':'%s','actor_id':'peer-1','by':'peer-1','event_id':'%s'}", TEAM, second);
    assert_int_equal(safe(b), 1);
    assert_string_equal(why(b), "peer-1 owes a reply or an acknowledgement for it");
    bench_do(b, "inbox_mark_read", "{'group_id':'%s','actor_id':'peer-1','by':'peer-1','event_id':'%s'}", TEAM, first);
    assert_int_equal(safe(b), bench_durable(b, TEAM) + 1);
    team_end(&b);
}

static void line(bench_t *b, const char *kind, const char *data)
{
    char text[512];
    snprintf(text, sizeof text,
             "{'id':'bbbbbbbbbbbb%010llxbbbbbbbbbb','ts':'2026-01-01T00:00:00.000000Z','kind':'%s','by':'user','data':%s}",
             (unsigned long long)bench_durable(b, TEAM) + 1, kind, data);
    bench_line(b, TEAM, text);
}

/* A message on its way to another group holds until that is recorded as over. */
static void an_open_relay_stays(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    say(b, "peer-1", "normal");
    mark_all(b, "peer-1");
    bench_request(b, 1, "send_cross_group", "{'group_id':'%s','dst_group_id':'%s','text':'x','to':['lead'],'by':'user'}", TEAM, OTHER);
    bench_sync(b, TEAM, 1);
    assert_int_equal(safe(b), 3);
    bench_settle(b);
    assert_int_equal(safe(b), bench_durable(b, TEAM) + 1);
    team_end(&b);
}

/* What was claimed for a terminal holds until it is known what became of it, although it counts as read. */
static void a_delivery_under_way_stays(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    say(b, "peer-1", "normal");
    line(b, "runtime.delivery", "{'actor_id':'peer-1','state':'claimed','generation':1,'seqs':[1],'through':{'chat':1}}");
    line(b, "chat.read", "{'actor_id':'peer-1','event_id':'','seq':1,'ts':'2026-01-01T00:00:00.000000Z','lanes':['chat','notify']}");
    bench_restart(b);
    assert_int_equal(safe(b), 1);
    assert_string_equal(why(b), "it is still to be delivered into a terminal");
    line(b, "runtime.delivery", "{'actor_id':'peer-1','state':'accepted','delivery_id':'bbbbbbbbbbbb0000000002bbbbbbbbbb'}");
    bench_restart(b);
    assert_int_equal(safe(b), bench_durable(b, TEAM) + 1);
    bench_free(&b);
}

/* Segments that were retired are not asked for client ids any more. */
static void client_ids_of_what_was_retired_are_forgotten(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    cccc_slot_t slot;
    uint64_t *firsts;
    for (int i = 0; i < 4; i++)
        say(b, "peer-1", "normal");
    assert_true(cccc_core_slot(bench_core(b), CCCC_STR(TEAM), &slot));
    cccc_core_sealed(bench_core(b), slot, (const struct cccc_sealed_ids[]){{1, 2, NULL}, {3, 3, NULL}}, 2);
    assert_int_equal(cccc_core_unfiltered(bench_core(b), slot, bench_arena(b), &firsts), 2);
    cccc_core_retired(bench_core(b), slot, 2);
    assert_int_equal(cccc_core_unfiltered(bench_core(b), slot, bench_arena(b), &firsts), 1);
    assert_int_equal(firsts[0], 3);
    assert_int_equal(cccc_core_sealed_last(bench_core(b), slot), 3);
    team_end(&b);
}

/* A base is all there is: it is taken although group.yaml was edited before events that are gone, and says that the edit does not count. A snapshot is not. */
static void a_base_counts_for_more_than_an_older_edit(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    cccc_slot_t slot;
    cccc_buf_t saved, again;
    cccc_buf_init(&saved);
    cccc_buf_init(&again);
    bench_do(b, "group_update", "{'group_id':'%s','patch':{'title':'Later'}}", TEAM);
    say(b, "peer-1", "normal");
    assert_true(cccc_core_slot(bench_core(b), CCCC_STR(TEAM), &slot));
    cccc_core_snapshot(bench_core(b), slot, &saved);
    cccc_value_t older = bench_json(b, "%s", team_document(TEAM, "broadcast", "active"));
    for (int edited = 0; edited < 2; edited++) {
        bool edit_lost = false;
        cccc_core_t *core = cccc_core_new();
        slot = cccc_core_fold_begin(core, CCCC_STR(TEAM), &older, edited);
        if (edited) {
            assert_false(cccc_core_fold_snapshot(core, slot, 2, saved.data, saved.size));
            cccc_core_destroy(&core);
            core = cccc_core_new();
            slot = cccc_core_fold_begin(core, CCCC_STR(TEAM), &older, edited);
        }
        assert_true(cccc_core_fold_base(core, slot, 2, saved.data, saved.size, &edit_lost));
        assert_int_equal(edit_lost, edited);
        again.size = 0;
        cccc_core_snapshot(core, slot, &again);
        assert_true(saved.size == again.size && memcmp(saved.data, again.data, saved.size) == 0);
        cccc_core_destroy(&core);
    }
    cccc_buf_fini(&saved);
    cccc_buf_fini(&again);
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_open_holds_nothing),
        cmocka_unit_test(what_a_present_reader_has_not_read_stays),
        cmocka_unit_test(attention_stays_until_it_is_acknowledged),
        cmocka_unit_test(an_open_relay_stays),
        cmocka_unit_test(a_delivery_under_way_stays),
        cmocka_unit_test(client_ids_of_what_was_retired_are_forgotten),
        cmocka_unit_test(a_base_counts_for_more_than_an_older_edit),
    };
    return cmocka_run_group_tests_name("core retention", tests, NULL, NULL);
}
