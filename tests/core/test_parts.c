/* test_parts.c - the posting list, the table of client ids and shared bytes against naive models; heads; ledgers of CCCC 0.4.0.
 *
 * Random tests print their seed; `test_core_parts --seed N` repeats one. */
#include "broker/core/call.h"
#include "tests/core/team.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 1;

static uint64_t next(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* ---- unread.c ---- */

/* Any order of pushes, removals and drops gives what an array gives; of a removal, too, where there is nothing to remove. */
static void unread_is_what_an_array_would_be(void **state)
{
    (void)state;
    enum { N = 4000 };
    uint64_t s = seed, *model = calloc(N, sizeof *model), *got = calloc(N, sizeof *got), seq = 0;
    assert_true(model && got);
    print_message("seed %llu\n", (unsigned long long)seed);
    uint32_t first = 0, end = 0;
    struct cccc_unread u = {0};
    for (int step = 0; step < N; step++) {
        uint64_t r = next(&s);
        if (r % 10 == 7 && end > first) {
            uint32_t at = first + (uint32_t)((r >> 8) % (end - first));
            uint64_t gone = model[at] + (r >> 40) % 2;
            unread_remove(&u, gone);
            if (gone == model[at])
                memmove(model + at, model + at + 1, (--end - at) * sizeof *model);
            else if (at + 1 < end && gone == model[at + 1])
                memmove(model + at + 1, model + at + 2, (--end - at - 1) * sizeof *model);
        } else if (r % 10 < 8) {
            seq += 1 + (r >> 8) % (r % 7 == 0 ? 5000000000ull : 3);
            unread_push(&u, seq);
            model[end++] = seq;
        } else {
            uint64_t through = r % 10 == 8 && end > first ? model[first + (r >> 8) % (end - first)] : seq;
            through += (r >> 40) % 3;
            through = through > seq ? seq : through;
            unread_drop_through(&u, r % 10 == 9 && r % 97 ? through - through % 5 : through);
            through = r % 10 == 9 && r % 97 ? through - through % 5 : through;
            while (first < end && model[first] <= through)
                first++;
        }
        assert_int_equal(u.count, end - first);
        uint32_t n = unread_peek(&u, got, N);
        assert_int_equal(n, end - first);
        assert_memory_equal(got, model + first, n * sizeof *got);
        if (n > 0) {
            assert_int_equal(u.first, got[0]);
            assert_int_equal(u.last, got[n - 1]);
            assert_int_equal(unread_peek(&u, got, 1), 1);
        }
    }
    unread_fini(&u);
    free(model);
    free(got);
}

/* A long inbox costs about one byte an event. */
static void unread_costs_a_byte_an_event(void **state)
{
    (void)state;
    struct cccc_unread u = {0};
    for (uint64_t seq = 1; seq <= 100000; seq++)
        unread_push(&u, seq * 5);
    assert_true(u.capacity <= 2 * 100000 + 64);
    unread_drop_through(&u, 250000);
    assert_int_equal(u.count, 50000);
    unread_fini(&u);
}

/* ---- dedupe.c ---- */

struct pair {
    uint64_t hash, seq;
};

static uint32_t model_find(const struct pair *pairs, uint32_t count, uint64_t hash, uint64_t seq)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pairs[i].hash == hash && pairs[i].seq == seq)
            return i;
    }
    return count;
}

/* Adding, adding again and removing pairs, with few hashes so that runs are long and wrap around, gives what a list gives. */
static void dedupe_is_what_a_list_would_be(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct pair *pairs = calloc(N, sizeof *pairs);
    assert_non_null(pairs);
    struct cccc_dedupe *d = dedupe_new();
    uint64_t s = seed, found[64];
    uint32_t count = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int step = 0; step < N; step++) {
        uint64_t r = next(&s);
        struct pair p = {.hash = (r % 3 ? 0xffffffff00000000ull - ((r >> 8) % 40 << 32) : (r >> 8) % 40 << 56) | 0x100,
                         .seq = 1 + (r >> 50) % 9};
        uint32_t at = model_find(pairs, count, p.hash, p.seq);
        if (r % 5 < 3) {
            dedupe_add(d, p.hash, p.seq);
            if (at == count)
                pairs[count++] = p;
        } else {
            dedupe_remove(d, p.hash, p.seq);
            if (at < count)
                pairs[at] = pairs[--count];
        }
        assert_int_equal(dedupe_count(d), count);
        uint32_t expected = 0, n = dedupe_find(d, p.hash, found, 64);
        for (uint32_t i = 0; i < count; i++)
            expected += pairs[i].hash == p.hash;
        assert_int_equal(n, expected);
        for (uint32_t i = 0; i < n; i++)
            assert_true(model_find(pairs, count, p.hash, found[i]) < count);
    }
    dedupe_destroy(&d);
    free(pairs);
}

/* A hundred thousand ids are found, the largest seq too, and strangers are not. */
static void dedupe_finds_every_client_id(void **state)
{
    (void)state;
    struct cccc_dedupe *d = dedupe_new();
    uint64_t seqs[4];
    char id[32];
    assert_int_equal(dedupe_find(d, 1, seqs, 4), 0);
    dedupe_remove(d, 1, 1);
    for (uint64_t i = 1; i <= 100000; i++) {
        int n = snprintf(id, sizeof id, "c-%llu", (unsigned long long)i);
        dedupe_add(d, dedupe_hash(CCCC_STR("user"), (cccc_str_t){id, (size_t)n}), i);
    }
    for (uint64_t i = 1; i <= 100000; i += 7) {
        int n = snprintf(id, sizeof id, "c-%llu", (unsigned long long)i);
        assert_int_equal(dedupe_find(d, dedupe_hash(CCCC_STR("user"), (cccc_str_t){id, (size_t)n}), seqs, 4), 1);
        assert_int_equal(seqs[0], i);
        assert_int_equal(dedupe_find(d, dedupe_hash(CCCC_STR("lead"), (cccc_str_t){id, (size_t)n}), seqs, 4), 0);
    }
    dedupe_add(d, 77ull << 32, (1ull << 40) - 1);
    assert_int_equal(dedupe_find(d, 77ull << 32, seqs, 4), 1);
    assert_int_equal(seqs[0], (1ull << 40) - 1);
    dedupe_destroy(&d);
}

/* The words of two ids cannot run into one another. */
static void hashes_keep_speaker_and_id_apart(void **state)
{
    (void)state;
    assert_true(dedupe_hash(CCCC_STR("ab"), CCCC_STR("c")) != dedupe_hash(CCCC_STR("a"), CCCC_STR("bc")));
    assert_true(dedupe_hash(CCCC_STR("a"), CCCC_STR("b")) == dedupe_hash(CCCC_STR("a"), CCCC_STR("b")));
}

/* ---- bytes.c ---- */

/* Shared bytes live until their last holder lets go. */
static void bytes_live_as_long_as_they_are_held(void **state)
{
    (void)state;
    cccc_bytes_t *bytes = cccc_bytes_new("abc", 3);
    assert_ptr_equal(cccc_bytes_keep(bytes), bytes);
    cccc_bytes_release(bytes);
    assert_memory_equal(bytes->data, "abc", 3);
    cccc_bytes_release(bytes);
    cccc_bytes_release(NULL);
}

enum { GIVERS = 2, ROUNDS = 200, HELD = 50 };

struct giver {
    pthread_t thread;
    cccc_bytes_t *held[HELD];
};

static void *give_back(void *arg)
{
    struct giver *giver = arg;
    for (int i = 0; i < HELD; i++)
        cccc_bytes_release(giver->held[i]);
    return NULL;
}

/* Bytes that several threads give back are used again, of any size, with more given back than is kept: nobody finds another's content in them. */
static void bytes_given_back_by_other_threads_are_used_again(void **state)
{
    (void)state;
    static struct giver givers[GIVERS];
    char content[2000];
    cccc_bytes_keep_spare(GIVERS * HELD / 2);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < GIVERS * HELD; i++) {
            size_t len = (i * 97 + round * 31) % sizeof content;
            memset(content, (int)(i + round), len);
            givers[i % GIVERS].held[i / GIVERS] = cccc_bytes_new(content, len);
        }
        for (unsigned i = 0; i < GIVERS * HELD; i++) {
            const cccc_bytes_t *bytes = givers[i % GIVERS].held[i / GIVERS];
            assert_int_equal(bytes->len, (i * 97 + round * 31) % sizeof content);
            memset(content, (int)(i + round), bytes->len);
            assert_memory_equal(bytes->data, content, bytes->len);
        }
        for (unsigned i = 0; i < GIVERS; i++)
            assert_int_equal(pthread_create(&givers[i].thread, NULL, give_back, &givers[i]), 0);
        for (unsigned i = 0; i < GIVERS; i++)
            pthread_join(givers[i].thread, NULL);
    }
    cccc_bytes_keep_spare(0);
}

/* ---- heads ---- */

/* A group that changed is announced each second for ten seconds; a quiet one once a minute. */
static void heads_follow_changes(void **state)
{
    (void)state;
    static const char *const quiet[] = {"publish d/", "store", NULL};
    bench_t *b = team_new(1);
    bench_quiet(b, quiet);
    bench_do(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM);
    bench_trace(b);
    uint32_t heads = 0;
    bench_pass(b, 30);
    for (const char *at = bench_trace(b); (at = strstr(at, "publish h/A/\n")) != NULL; at++)
        heads++;
    assert_in_range(heads, 9, 12);
    heads = 0;
    bench_pass(b, 600);
    for (const char *at = bench_trace(b); (at = strstr(at, "publish h/A/\n")) != NULL; at++)
        heads++;
    assert_in_range(heads, 9, 11);
    team_end(&b);
}

/* ---- ledgers of CCCC 0.4.0 ---- */

static void legacy(bench_t *b, uint32_t n, const char *kind, const char *by, const char *data)
{
    char line[1024];
    snprintf(line, sizeof line,
             "{'id':'9d8214ae30f64e0891c5a6789a06%04x','ts':'2026-01-01T00:00:%02u.000000Z','kind':'%s','by':'%s','data':%s}", n, n, kind,
             by, data);
    bench_line(b, TEAM, line);
}

/* Lines without audience, seq or our ids: recipients by the roles of the document, one cursor for both lanes, acknowledgements by id. */
static void legacy_ledger_is_read_as_it_was_meant(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    legacy(b, 1, "chat.message", "user", "{'text':'all','to':[]}");
    legacy(b, 2, "chat.message", "lead", "{'text':'peers','to':['@peers']}");
    legacy(b, 3, "chat.message", "user", "{'text':'look','to':['peer-1'],'priority':'attention'}");
    legacy(b, 4, "system.notify", "system", "{'kind':'info','title':'t','target_actor_id':'peer-1'}");
    legacy(b, 5, "system.notify", "system", "{'kind':'info','title':'t','target_actor_id':null}");
    legacy(b, 6, "chat.read", "peer-2", "{'actor_id':'peer-2','event_id':'9d8214ae30f64e0891c5a6789a060002'}");
    legacy(b, 7, "chat.message", "user", "{'text':'ack me','to':['@foreman'],'priority':'attention'}");
    legacy(b, 8, "chat.ack", "lead", "{'actor_id':'lead','event_id':'9d8214ae30f64e0891c5a6789a060007'}");
    legacy(b, 9, "something.new", "user", "{'value':1}");
    legacy(b, 10, "chat.read", "ghost", "{'actor_id':'ghost','event_id':'9d8214ae30f64e0891c5a6789a060002'}");
    legacy(b, 11, "chat.read", "lead", "{'actor_id':'lead','event_id':'gone'}");
    bench_restart(b);
    bench_settle(b);
    assert_string_equal(inbox_seqs(b, TEAM, "lead", "all"), "1 5 7");
    assert_string_equal(inbox_seqs(b, TEAM, "peer-1", "all"), "1 2 3 4 5");
    assert_string_equal(inbox_seqs(b, TEAM, "peer-2", "all"), "5");
    assert_string_equal(inbox_seqs(b, TEAM, "off", "chat"), "1 2");
    assert_string_equal(inbox_seqs(b, TEAM, "user", "all"), "");
    const cccc_value_t *mark = bench_do(
        b, "inbox_mark_read", "{'group_id':'%s','actor_id':'lead','by':'lead','event_id':'9d8214ae30f64e0891c5a6789a060007'}", TEAM);
    assert_true(cccc_is_nil(cccc_get(mark, "ack_event")));
    const cccc_value_t *reply =
        bench_do(b, "reply", "{'group_id':'%s','reply_to':'9d8214ae30f64e0891c5a6789a060003','text':'ok','by':'peer-1'}", TEAM);
    assert_string_equal(bench_str_at(b, reply, "ack_event.data.event_id"), "9d8214ae30f64e0891c5a6789a060003");
    const cccc_value_t *one = bench_do(b, "ledger_read", "{'group_id':'%s','event_id':'9d8214ae30f64e0891c5a6789a060009'}", TEAM);
    assert_string_equal(bench_str_at(b, one, "events.0.kind"), "something.new");
    team_end(&b);
}

/* ---- the whole home ---- */

/* A deleted group answers nobody's questions any more, those under way included. */
static void deleted_group_is_gone_for_everybody(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM);
    bench_request(b, 1, "inbox_list", "{'group_id':'%s','actor_id':'lead'}", TEAM);
    bench_request(b, 2, "inbox_mark_all_read", "{'group_id':'%s','actor_id':'lead'}", TEAM);
    bench_request(b, 3, "group_delete", "{'group_id':'%s'}", TEAM);
    bench_finish_store(b);
    bench_settle(b);
    assert_string_equal(bench_code(bench_reply(b, 3)), "ok");
    assert_string_equal(bench_code(bench_reply(b, 1)), "group_not_found");
    assert_string_equal(bench_code(bench_reply(b, 2)), "group_not_found");
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM)), "group_not_found");
    bench_pass(b, 20);
    assert_true(cccc_core_is_quiet(bench_core(b)));
    bench_free(&b);
}

/* An offline group says why, a read-only one is read and takes nothing. */
static void offline_and_read_only_groups_say_why(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM);
    bench_reopen(b, TEAM, NULL, "its ledger is shorter than what was synced");
    const cccc_value_t *reply = bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM);
    assert_string_equal(bench_code(reply), "group_read_only");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "shorter"));
    assert_string_equal(inbox_seqs(b, TEAM, "lead", "all"), "1");
    assert_string_equal(
        bench_code(bench_ask(b, "send_cross_group", "{'group_id':'%s','dst_group_id':'%s','text':'x','to':['lead']}", OTHER, TEAM)),
        "group_read_only");
    bench_reopen(b, TEAM, "its ledger is locked", NULL);
    reply = bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM);
    assert_string_equal(bench_code(reply), "group_offline");
    assert_non_null(strstr(bench_str_at(b, reply, "error.message"), "locked"));
    bench_free(&b);
}

/* A connection nobody could place may only ask whether somebody is there. */
static void unknown_callers_may_only_ping(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_as_unknown(b);
    assert_string_equal(bench_code(bench_ask(b, "ping", "{}")), "ok");
    assert_string_equal(bench_code(bench_ask(b, "ledger_read", "{'group_id':'%s'}", TEAM)), "sender_unknown");
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM)), "sender_unknown");
    bench_as_operator(b);
    team_end(&b);
}

/* A core may be thrown away in the middle of everything. */
static void core_can_end_in_the_middle(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_do(b, "send", "{'group_id':'%s','text':'x','to':['lead']}", TEAM);
    bench_request(b, 1, "inbox_list", "{'group_id':'%s','actor_id':'lead'}", TEAM);
    bench_request(b, 1, "ping", "{}");
    bench_request(b, 2, "send", "{'group_id':'%s','text':'x','to':['lead'],'client_id':'k'}", TEAM);
    bench_request(b, 3, "send", "{'group_id':'%s','text':'x','to':['lead'],'client_id':'k'}", TEAM);
    bench_request(b, 4, "blob_put", "{'group_id':'%s','sha256':'%064d','total_bytes':5,'data':'aGVs'}", TEAM, 1);
    bench_request(b, 5, "group_update", "{'group_id':'%s','patch':{'title':'T'}}", TEAM);
    bench_free(&b);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        seed = strtoull(argv[2], NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unread_is_what_an_array_would_be),
        cmocka_unit_test(unread_costs_a_byte_an_event),
        cmocka_unit_test(dedupe_is_what_a_list_would_be),
        cmocka_unit_test(dedupe_finds_every_client_id),
        cmocka_unit_test(hashes_keep_speaker_and_id_apart),
        cmocka_unit_test(bytes_live_as_long_as_they_are_held),
        cmocka_unit_test(bytes_given_back_by_other_threads_are_used_again),
        cmocka_unit_test(heads_follow_changes),
        cmocka_unit_test(legacy_ledger_is_read_as_it_was_meant),
        cmocka_unit_test(deleted_group_is_gone_for_everybody),
        cmocka_unit_test(offline_and_read_only_groups_say_why),
        cmocka_unit_test(unknown_callers_may_only_ping),
        cmocka_unit_test(core_can_end_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
