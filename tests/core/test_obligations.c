/* test_obligations.c - what is owed, beyond the table of cases: pages of the list, races, limits, and what a hundred thousand of them cost. */
#include "tests/core/expect.h"
#include "tests/core/ticks.h"

#include <string.h>

#define TEAM_G "g_0000000000a1"

/* A group of `actors` headless actors, a0 the foreman. */
static void crowd(bench_t *b, uint32_t actors)
{
    cccc_str_t list = CCCC_STR("");
    for (uint32_t i = 0; i < actors; i++)
        list = cccc_arena_printf(bench_arena(b), "%.*s%s{'id':'a%u','title':'','enabled':true,'runner':'headless','runtime':'custom'}",
                                 CCCC_STR_FMT(list), i ? "," : "", i);
    bench_group(b, TEAM_G, "A",
                cccc_arena_printf(bench_arena(b),
                                  "{'v':1,'group_id':'" TEAM_G
                                  "','title':'T','running':true,'state':'active','actors':[%.*s],'ledger_seq':0}",
                                  CCCC_STR_FMT(list))
                    .ptr);
    bench_settle(b);
}

static const cccc_value_t *ask_all(bench_t *b)
{
    return bench_do(b, "send", "{'group_id':'%s','text':'well?','to':['@all'],'reply_required':true}", TEAM_G);
}

/* Pages end behind an event, name where to go on, and together have every obligation once. */
static void pages_have_every_obligation_once(void **state)
{
    bench_t *b = *state;
    crowd(b, 7);
    for (int i = 0; i < 5; i++)
        ask_all(b);
    uint64_t after = 0, rows = 0, pages = 0;
    bool more = true;
    while (more && pages++ < 20) {
        const cccc_value_t *result =
            bench_do(b, "obligations_list", "{'group_id':'%s','after_seq':%llu,'limit':15}", TEAM_G, (unsigned long long)after);
        const cccc_value_t *list = cccc_get(result, "obligations");
        assert_int_equal(list->via.array.size % 7, 0);
        assert_int_equal(bench_uint_at(result, "open"), 35);
        rows += list->via.array.size;
        after = cccc_get_uint(&list->via.array.ptr[list->via.array.size - 1], "seq", 0);
        more = cccc_get_bool(result, "more", false);
    }
    assert_int_equal(rows, 35);
    assert_int_equal(pages, 3);
}

/* Two acknowledgements on their way at once: one event, and the other one waits for the same durability. */
static void acknowledgements_on_their_way_are_one(void **state)
{
    bench_t *b = *state;
    crowd(b, 2);
    const char *id =
        bench_str_at(b, bench_do(b, "send", "{'group_id':'%s','text':'x','to':['a1'],'priority':'attention'}", TEAM_G), "event.id");
    for (uint64_t conn = 1; conn <= 2; conn++)
        bench_request(b, conn, "chat_ack", "{'group_id':'%s','actor_id':'a1','event_id':'%s'}", TEAM_G, id);
    while (bench_finish_read(b))
        ;
    assert_null(bench_reply(b, 1));
    assert_null(bench_reply(b, 2));
    bench_settle(b);
    expect_json(b, bench_reply(b, 1), "result.already", "false");
    expect_json(b, bench_reply(b, 2), "result.already", "true");
    assert_int_equal(bench_durable(b, TEAM_G), 2);
}

/* An acknowledgement that the disk refused leaves the obligation open, and may be given again. */
static void lost_acknowledgement_closes_nothing(void **state)
{
    bench_t *b = *state;
    crowd(b, 2);
    const char *id =
        bench_str_at(b, bench_do(b, "send", "{'group_id':'%s','text':'x','to':['a1'],'priority':'attention'}", TEAM_G), "event.id");
    bench_request(b, 1, "chat_ack", "{'group_id':'%s','actor_id':'a1','event_id':'%s'}", TEAM_G, id);
    bench_finish_read(b);
    bench_fail(b, TEAM_G, CCCC_E_NO_SPACE, false, 0, false);
    expect_code(b, bench_reply(b, 1), "no_space");
    assert_int_equal(bench_uint_at(bench_do(b, "obligations_list", "{'group_id':'%s'}", TEAM_G), "open"), 1);
    bench_do(b, "chat_ack", "{'group_id':'%s','actor_id':'a1','event_id':'%s'}", TEAM_G, id);
    assert_int_equal(bench_uint_at(bench_do(b, "obligations_list", "{'group_id':'%s'}", TEAM_G), "open"), 0);
}

/* An actor that is decided to leave cannot ask any more, also when its request was there before it left. */
static void who_leaves_asks_no_more(void **state)
{
    bench_t *b = *state;
    crowd(b, 3);
    bench_request(b, 1, "actor_remove", "{'group_id':'%s','actor_id':'a2'}", TEAM_G);
    bench_request(b, 2, "send", "{'group_id':'%s','by':'a2','text':'x','to':['a1'],'reply_required':true}", TEAM_G);
    bench_settle(b);
    expect_code(b, bench_reply(b, 2), "unknown_actor");
    assert_int_equal(bench_uint_at(bench_do(b, "obligations_list", "{'group_id':'%s'}", TEAM_G), "open"), 0);
}

/* What is owed is told where it is looked for: in the list of actors, in the inbox, in status and in the list of groups. */
static void counts_are_where_one_looks(void **state)
{
    bench_t *b = *state;
    crowd(b, 2);
    bench_do(b, "send", "{'group_id':'%s','text':'x\\ny','to':['a1'],'reply_required':true,'priority':'attention'}", TEAM_G);
    bench_do(b, "send", "{'group_id':'%s','text':'x','to':['user'],'by':'a1','priority':'attention'}", TEAM_G);
    expect_json(b, bench_do(b, "actor_list", "{'group_id':'%s','include_unread':true}", TEAM_G), "actors.1.owes", "1");
    const cccc_value_t *inbox = bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'a1'}", TEAM_G);
    expect_json(b, inbox, "obligations.0.owes", "['reply','ack']");
    expect_json(b, inbox, "obligations.0.subject", "'x'");
    expect_json(b, inbox, "owes", "1");
    expect_json(b, bench_do(b, "status", "{'group_id':'%s'}", TEAM_G), "group.obligation_count", "2");
    expect_json(b, bench_do(b, "groups", "{}"), "groups.0.owed_by_user", "1");
}

/* With 100,000 open obligations a list takes less than 20 ms of a processor and a tick less than 1 ms. */
static void a_hundred_thousand_are_cheap(void **state)
{
    bench_t *b = *state;
    static const char *const quiet[] = {"append", "publish", "reply", "durable", NULL};
    bench_quiet(b, quiet);
    crowd(b, 250);
    for (int i = 0; i < 400; i++)
        ask_all(b);
    double begin = cpu_ms();
    const cccc_value_t *result = bench_do(b, "obligations_list", "{'group_id':'%s','limit':1000}", TEAM_G);
    double list = cpu_ms() - begin;
    assert_int_equal(bench_uint_at(result, "open"), 100000);
    begin = cpu_ms();
    bench_do(b, "obligations_list", "{'group_id':'%s','overdue':true,'limit':1000}", TEAM_G);
    double none = cpu_ms() - begin;
    double tick = median_tick_ms(b);
    print_message("list %.2f ms, all looked at and none listed %.2f ms, tick %.3f ms\n", list, none, tick);
    const char *slow = getenv("CCCC_SLOW_BUILD");
    double patience = slow ? 4 * atof(slow) : 1; /* of a build that is watched */
    assert_true(list < 20 * patience && none < 20 * patience);
    assert_true(tick < 1 * patience);
}

static void send_expiring(bench_t *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bench_do(b, "send", "{'group_id':'%s','text':'x','to':['a1'],'expires_seconds':3600}", TEAM_G);
}

/* Messages that expire are bounded, and those on their way to the disk count: of five that are sent at once when there is room for three, two are refused. */
static void messages_that_expire_are_bounded(void **state)
{
    bench_t *b = *state;
    static const char *const quiet[] = {"append", "publish", "reply", "durable", NULL};
    uint32_t refused = 0;
    bench_quiet(b, quiet);
    crowd(b, 2);
    send_expiring(b, CCCC_EXPIRING_PER_GROUP_MAX - 3);
    for (uint64_t conn = 1; conn <= 5; conn++)
        bench_request(b, conn, "send", "{'group_id':'%s','text':'x','to':['a1'],'expires_seconds':3600}", TEAM_G);
    bench_settle(b);
    for (uint64_t conn = 1; conn <= 5; conn++)
        refused += strcmp(bench_code(bench_reply(b, conn)), "busy") == 0;
    assert_int_equal(refused, 2);
}

/* Of as many as may expire together a few are withdrawn at a time, without a second's wait between them and without a look into the ledger: in the end all, each once, in well under a second. */
static void messages_that_expire_together_take_turns(void **state)
{
    bench_t *b = *state;
    static const char *const quiet[] = {"append", "publish", "reply", "durable", "read", ">", NULL};
    const uint32_t many = CCCC_EXPIRING_PER_GROUP_MAX;
    bench_quiet(b, quiet);
    crowd(b, 10);
    bench_do(b, "group_set_state", "{'group_id':'%s','state':'idle'}", TEAM_G); /* of anything else the broker writes nothing */
    for (uint32_t i = 0; i < many; i++)
        bench_do(b, "send", "{'group_id':'%s','by':'a0','text':'x','to':['@peers'],'expires_seconds':3600}", TEAM_G);
    bench_turn_clock(b, 3600);
    uint64_t before = bench_durable(b, TEAM_G), turns = 0;
    double begin = cpu_ms(), longest = 0;
    bench_pass(b, 1);
    for (uint64_t done = before; done < before + many; turns++) {
        double at = cpu_ms();
        bench_sync(b, NULL, UINT32_MAX);
        double took = cpu_ms() - at;
        longest = took > longest ? took : longest;
        assert_int_equal(bench_open_reads(b), 0);
        assert_in_range(bench_durable(b, TEAM_G) - done, 1, CCCC_EXPIRING_AT_A_TIME);
        done = bench_durable(b, TEAM_G);
    }
    double all = cpu_ms() - begin;
    bench_pass(b, 61);
    bench_settle(b);
    print_message("%u messages to 9 readers expired in %llu turns and %.0f ms, the longest turn took %.1f ms\n", many,
                  (unsigned long long)turns, all, longest);
    assert_int_equal(bench_durable(b, TEAM_G), before + many);
    assert_int_equal(bench_uint_at(bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'a1'}", TEAM_G), "unread_total"), 0);
    const char *slow = getenv("CCCC_SLOW_BUILD");
    assert_true(all < 1000 * (slow ? 4 * atof(slow) : 1));
}

/* What could not be withdrawn, because the disk refused the event, is tried again a minute later, and stands behind nobody. */
static void expiry_that_failed_is_tried_again(void **state)
{
    bench_t *b = *state;
    crowd(b, 2);
    bench_do(b, "send", "{'group_id':'%s','text':'x','to':['a1'],'expires_seconds':10}", TEAM_G);
    bench_pass(b, 11);
    bench_fail(b, TEAM_G, CCCC_E_STORAGE, false, 0, false);
    bench_pass(b, 30);
    bench_settle(b);
    assert_int_equal(bench_durable(b, TEAM_G), 1);
    bench_pass(b, 31);
    bench_settle(b);
    assert_int_equal(bench_durable(b, TEAM_G), 2);
}

/* Whom the last recall names, as "a1 a2". */
static const char *recalled(bench_t *b)
{
    struct cccc_event event;
    cccc_str_t id;
    char *out = cccc_arena_alloc(bench_arena(b), 256);
    size_t n = 0;
    out[0] = '\0';
    uint64_t at = bench_durable(b, TEAM_G);
    while (at > 0 && (!bench_event(b, TEAM_G, at, &event) || !cccc_str_is(event.kind, "chat.recall")))
        at--;
    assert_true(at > 0);
    const cccc_value_t *ids = cccc_get(&event.data, "actor_ids");
    for (uint32_t i = 0; cccc_is_array(ids) && i < ids->via.array.size; i++)
        if (cccc_as_str(&ids->via.array.ptr[i], &id))
            n += (size_t)snprintf(out + n, 256 - n, "%s%.*s", n ? " " : "", CCCC_STR_FMT(id));
    return out;
}

/* What is on its way to the disk when a message expires counts: who read, acknowledged or answered it in that very moment is not named. */
static void what_is_on_its_way_is_not_withdrawn(void **state)
{
    bench_t *b = *state;
    crowd(b, 6);
    const char *id = bench_str_at(
        b, bench_do(b, "send", "{'group_id':'%s','text':'x','to':['@all'],'priority':'attention','expires_seconds':10}", TEAM_G),
        "event.id");
    bench_request(b, 1, "inbox_mark_read", "{'group_id':'%s','actor_id':'a1','event_id':'%s'}", TEAM_G, id);
    bench_request(b, 2, "chat_ack", "{'group_id':'%s','actor_id':'a2','by':'a2','event_id':'%s'}", TEAM_G, id);
    bench_request(b, 3, "reply", "{'group_id':'%s','by':'a3','reply_to':'%s','text':'y'}", TEAM_G, id);
    while (bench_finish_read(b))
        ;
    bench_pass(b, 11);
    bench_settle(b);
    assert_string_equal(recalled(b), "a0 a4 a5");
}

/* The same of what was durable when the state was saved and loaded; and an actor that left, or came anew, is not named. */
static void who_took_it_is_remembered(void **state)
{
    bench_t *b = *state;
    crowd(b, 7);
    const char *id = bench_str_at(
        b, bench_do(b, "send", "{'group_id':'%s','text':'x','to':['@all'],'priority':'attention','expires_seconds':10}", TEAM_G),
        "event.id");
    bench_do(b, "inbox_mark_read", "{'group_id':'%s','actor_id':'a1','event_id':'%s'}", TEAM_G, id);
    bench_do(b, "chat_ack", "{'group_id':'%s','actor_id':'a2','by':'a2','event_id':'%s'}", TEAM_G, id);
    bench_do(b, "reply", "{'group_id':'%s','by':'a3','reply_to':'%s','text':'y'}", TEAM_G, id);
    bench_do(b, "actor_remove", "{'group_id':'%s','actor_id':'a4'}", TEAM_G);
    bench_do(b, "actor_remove", "{'group_id':'%s','actor_id':'a5'}", TEAM_G);
    bench_do(b, "actor_add", "{'group_id':'%s','actor_id':'a5','runner':'headless'}", TEAM_G);
    uint32_t lines = (uint32_t)bench_durable(b, TEAM_G);
    cccc_value_t state_then = bench_reloaded(b, TEAM_G, lines, false);
    expect_json(b, &state_then, "expiring_for", "[['a0','a1','a6']]"); /* that a1 has read it says its cursor */
    bench_restart(b);
    bench_pass(b, 11);
    bench_settle(b);
    assert_string_equal(recalled(b), "a0 a6");
}

/* The state of a group that owes as much as a group may: OBLIGATIONS_PER_GROUP_MAX messages that ask one actor each. */
static void owe_all(cccc_core_t *core, cccc_slot_t slot, const cccc_value_t *data)
{
    for (uint64_t seq = 1; seq <= CCCC_OBLIGATIONS_PER_GROUP_MAX; seq++) {
        char id[33];
        snprintf(id, sizeof id, "019b76daa800%010llxc55e1f0900", (unsigned long long)seq);
        cccc_core_fold(core, slot,
                       &(struct cccc_event){.id = cccc_str(id),
                                            .ts = CCCC_STR("2026-01-01T00:00:00.000000Z"),
                                            .seq = seq,
                                            .kind = CCCC_STR("chat.message"),
                                            .group_id = CCCC_STR(TEAM_G),
                                            .by = CCCC_STR("user"),
                                            .data = *data});
    }
}

/* A state with as many obligations as there may be is saved in bytes that load: what could not be loaded would be lost with a base, and folded anew without. */
static void as_many_as_may_be_are_saved_and_loaded(void **state)
{
    bench_t *b = *state;
    cccc_value_t document = bench_json(b, "{'v':1,'group_id':'" TEAM_G "','actors':[{'id':'a0','runner':'headless'}],'ledger_seq':0}");
    cccc_value_t data = bench_json(b, "{'text':'well?','to':['a0'],'reply_required':true,'audience':['a0']}");
    cccc_buf_t saved, again;
    cccc_buf_init(&saved);
    cccc_buf_init(&again);
    cccc_core_t *core = cccc_core_new();
    cccc_slot_t slot = cccc_core_fold_begin(core, CCCC_STR(TEAM_G), &document, false);
    owe_all(core, slot, &data);
    cccc_core_snapshot(core, slot, &saved);
    cccc_core_destroy(&core);
    core = cccc_core_new();
    slot = cccc_core_fold_begin(core, CCCC_STR(TEAM_G), &document, false);
    assert_true(cccc_core_fold_snapshot(core, slot, CCCC_OBLIGATIONS_PER_GROUP_MAX, saved.data, saved.size));
    cccc_core_snapshot(core, slot, &again);
    assert_true(saved.size == again.size && memcmp(saved.data, again.data, saved.size) == 0);
    cccc_value_t dump = cccc_core_dump_group(core, slot, bench_arena(b));
    assert_int_equal(cccc_get(&dump, "obligations")->via.array.size, CCCC_OBLIGATIONS_PER_GROUP_MAX);
    cccc_core_destroy(&core);
    cccc_buf_fini(&saved);
    cccc_buf_fini(&again);
}

/* Cut the rows of a saved state's messages that expire down to what versions before this one wrote: seq, time and id. */
static void cut_rows(cccc_value_t *payload, cccc_buf_t *out)
{
    for (uint32_t i = 0; i < payload->via.map.size; i++) {
        msgpack_object_kv *part = &payload->via.map.ptr[i];
        cccc_str_t name = CCCC_STR("");
        cccc_as_str(&part->key, &name);
        for (uint32_t n = 0; cccc_str_is(name, "expiring") && n < part->val.via.array.size; n++)
            part->val.via.array.ptr[n].via.array.size = 3;
    }
    out->size = 0;
    cccc_pack_value(out, payload);
}

/* A state of a version that did not keep who has taken a message that expires is not believed, so the ledger is folded; a base, behind which there is nothing to fold, is. */
static void older_state_is_folded_anew_and_an_older_base_loads(void **state)
{
    bench_t *b = *state;
    struct cccc_errmsg m;
    cccc_buf_t saved, older;
    cccc_buf_init(&saved);
    cccc_buf_init(&older);
    crowd(b, 2);
    send_expiring(b, 2);
    cccc_value_t document = bench_document(b, TEAM_G), payload;
    cccc_core_snapshot(bench_core(b), 0, &saved);
    assert_int_equal(cccc_msgpack_read(saved.data, saved.size, CCCC_REPLY_BYTES_MAX, bench_arena(b), &payload, &m), CCCC_OK);
    for (int as_base = 0; as_base < 2; as_base++) {
        bool lost, good;
        cut_rows(&payload, &older);
        cccc_core_t *core = cccc_core_new();
        cccc_slot_t slot = cccc_core_fold_begin(core, CCCC_STR(TEAM_G), &document, false);
        good = as_base ? cccc_core_fold_base(core, slot, 2, older.data, older.size, &lost)
                       : cccc_core_fold_snapshot(core, slot, 2, older.data, older.size);
        assert_int_equal(good, as_base);
        cccc_core_destroy(&core);
    }
    cccc_buf_fini(&saved);
    cccc_buf_fini(&older);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(pages_have_every_obligation_once),
        T(acknowledgements_on_their_way_are_one),
        T(lost_acknowledgement_closes_nothing),
        T(who_leaves_asks_no_more),
        T(counts_are_where_one_looks),
        T(a_hundred_thousand_are_cheap),
        T(messages_that_expire_are_bounded),
        T(messages_that_expire_together_take_turns),
        T(expiry_that_failed_is_tried_again),
        T(what_is_on_its_way_is_not_withdrawn),
        T(who_took_it_is_remembered),
        T(as_many_as_may_be_are_saved_and_loaded),
        T(older_state_is_folded_anew_and_an_older_base_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
