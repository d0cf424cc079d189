/* test_follow.c - the follow proof: every event once, in order, or a gap that says what is missing, whatever happens to the stream and the daemon.
 *
 * CCCC_TEST_SEED repeats a random run; CCCC_TEST_EVENTS makes it longer. */
#include "clients/lib/include/cccc.h"
#include "proto/err.h"
#include "tests/clients/fake_broker.h"
#include "tests/clients/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

struct bed {
    char home[256];
    fake_broker_t *fake;
    cccc_t *client;
};

/* A follower and what it has handed out so far. */
struct reader {
    fake_broker_t *fake;
    cccc_follow_t *follow;
    struct cccc_filter filter;
    const char *kind;
    uint64_t last;
    uint64_t gap_items, live_items, reset_items;
};

static uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void bed_open(struct bed *bed, const struct fake_options *options)
{
    struct cccc_error err;
    scratch_make(bed->home);
    bed->fake = fake_start(bed->home, options);
    struct cccc_options client = {.home = bed->home};
    if (cccc_open(&bed->client, &client, &err) != 0)
        fail_msg("%s: %s", err.code, err.message);
}

static void bed_close(struct bed *bed)
{
    struct fake_counts counts;
    fake_counts(bed->fake, &counts);
    assert_int_equal(counts.invalid, 0);
    cccc_close(&bed->client);
    fake_stop(&bed->fake);
    scratch_remove(bed->home);
}

static void reader_open(struct reader *reader, struct bed *bed, struct cccc_filter filter, const char *kind)
{
    struct cccc_error err;
    *reader = (struct reader){.fake = bed->fake, .filter = filter, .kind = kind, .last = filter.from_seq ? filter.after_seq : 0};
    filter.group_id = FAKE_GROUP;
    filter.kinds = &kind;
    filter.kind_count = kind ? 1 : 0;
    if (cccc_follow_open(bed->client, &filter, &reader->follow, &err) != 0)
        fail_msg("%s: %s", err.code, err.message);
}

static bool is_wanted(const struct reader *reader, uint64_t seq)
{
    return !fake_is_damaged(reader->fake, seq) &&
           fake_matches(reader->fake, seq, reader->filter.recipient, reader->kind, reader->filter.by);
}

/* The next event the follower owes, or 0. */
static uint64_t next_owed(const struct reader *reader, uint64_t head)
{
    for (uint64_t seq = reader->last + 1; seq <= head; seq++)
        if (is_wanted(reader, seq))
            return seq;
    return 0;
}

static void check_event(struct reader *reader, const struct cccc_item *item)
{
    size_t len;
    const char *bytes = fake_event(reader->fake, item->seq, &len);
    if (item->seq != next_owed(reader, item->seq))
        fail_msg("after %llu came %llu, owed was %llu", (unsigned long long)reader->last, (unsigned long long)item->seq,
                 (unsigned long long)next_owed(reader, item->seq));
    assert_int_equal(item->len, len);
    assert_memory_equal(item->bytes, bytes, len);
    assert_int_equal(cccc_field_uint(cccc_item_event(item), "seq", 0), item->seq);
    reader->last = item->seq;
}

static void check_gap(struct reader *reader, const struct cccc_item *item)
{
    assert_true(item->from_seq > reader->last && item->to_seq >= item->from_seq);
    for (uint64_t seq = item->from_seq; seq <= item->to_seq; seq++)
        assert_true(fake_is_damaged(reader->fake, seq));
    assert_string_equal(item->reason, "damaged");
    reader->gap_items++;
}

/* One item, checked; its type, or -1 when there was none in time. */
static int reader_next(struct reader *reader, int timeout_ms)
{
    struct cccc_item item;
    struct cccc_error err;
    int got = cccc_follow_next(reader->follow, &item, timeout_ms, &err);
    if (got < 0)
        fail_msg("%s: %s", err.code, err.message);
    if (got == 0)
        return -1;
    if (item.type == CCCC_ITEM_EVENT)
        check_event(reader, &item);
    else if (item.type == CCCC_ITEM_GAP)
        check_gap(reader, &item);
    reader->live_items += item.type == CCCC_ITEM_LIVE;
    reader->reset_items += item.type == CCCC_ITEM_RESET;
    return (int)item.type;
}

static void read_until(struct reader *reader, enum cccc_item_type type)
{
    int got;
    while ((got = reader_next(reader, PATIENCE_MS)) != (int)type)
        if (got < 0)
            fail_msg("nothing for %d ms after %llu", PATIENCE_MS, (unsigned long long)reader->last);
}

/* Until nothing is owed of what there is. Meanwhile heads are sent as ccccd does, only every `head_ms` (0: never). */
static void read_to_head_with(struct reader *reader, int head_ms)
{
    int waited = 0;
    while (next_owed(reader, fake_head(reader->fake))) {
        if (reader_next(reader, head_ms ? head_ms : PATIENCE_MS) >= 0) {
            waited = 0;
            continue;
        }
        waited += head_ms ? head_ms : PATIENCE_MS;
        if (waited >= PATIENCE_MS)
            fail_msg("nothing for %d ms, owed is %llu", PATIENCE_MS, (unsigned long long)next_owed(reader, fake_head(reader->fake)));
        fake_send_head(reader->fake);
    }
}

static void read_to_head(struct reader *reader)
{
    read_to_head_with(reader, 0);
}

static struct cccc_follow_stats stats_of(const struct reader *reader)
{
    struct cccc_follow_stats stats;
    cccc_follow_stats(reader->follow, &stats);
    return stats;
}

/* ---- the proof ---- */

static const struct fake_faults all_faults = {.drop = 60, .repeat = 300, .stall = 5, .die = 60, .lose_reply = 100};

/* Four followers with different filters, read in turns of random length, so that each is ahead and behind at times. */
static void prove(uint64_t seed, uint64_t events, const struct fake_faults *faults)
{
    struct bed bed;
    bed_open(&bed, &(struct fake_options){.seed = seed, .history = 500, .damage = true, .page_max = 64, .send_hwm = 200});
    cccc_set_follow_hwm(bed.client, seed % 2 ? 50 : 5000);
    struct reader readers[4];
    reader_open(&readers[0], &bed, (struct cccc_filter){.from_seq = true}, NULL);
    reader_open(&readers[1], &bed, (struct cccc_filter){.from_seq = true, .recipient = "peer-1"}, NULL);
    reader_open(&readers[2], &bed, (struct cccc_filter){.from_seq = true}, "chat.read");
    reader_open(&readers[3], &bed, (struct cccc_filter){.from_seq = true, .recipient = "user", .by = "peer-2"}, NULL);
    uint64_t goal = fake_head(bed.fake) + events;
    fake_run(bed.fake, events, faults);
    unsigned int random = (unsigned int)seed;
    while (fake_head(bed.fake) < goal)
        for (int turns = rand_r(&random) % 100, i = rand_r(&random) % 4; turns > 0; turns--)
            reader_next(&readers[i], 0);
    struct cccc_follow_stats sum = {0};
    for (int i = 0; i < 4; i++) {
        read_to_head_with(&readers[i], 50);
        struct cccc_follow_stats stats = stats_of(&readers[i]);
        sum.live += stats.live;
        sum.losses += stats.losses;
        sum.repaired += stats.repaired;
        sum.restarts += stats.restarts;
        cccc_follow_close(&readers[i].follow);
    }
    struct fake_counts counts;
    fake_counts(bed.fake, &counts);
    print_message("seed %llu: drops %llu, repeats %llu, starts %llu; live %llu, losses %llu, repaired %llu, restarts %llu\n",
                  (unsigned long long)seed, (unsigned long long)counts.drops, (unsigned long long)counts.repeats,
                  (unsigned long long)counts.starts, (unsigned long long)sum.live, (unsigned long long)sum.losses,
                  (unsigned long long)sum.repaired, (unsigned long long)sum.restarts);
    assert_true(counts.drops > 0 && sum.losses > 0 && sum.repaired > 0 && sum.live > 0);
    if (faults->die)
        assert_true(sum.restarts > 0);
    bed_close(&bed);
}

/* Dropped, repeated and stalled publications, lost answers and restarts: nothing is missing, nothing comes twice, order holds. */
static void every_event_once_in_order_whatever_happens(void **state)
{
    (void)state;
    uint64_t fixed = env_number("CCCC_TEST_SEED", 0);
    uint64_t seed = fixed ? fixed : (uint64_t)time(NULL);
    for (uint64_t i = 0; i < (fixed ? 1 : 3); i++)
        prove(seed + i, env_number("CCCC_TEST_EVENTS", 6000), &all_faults);
}

/* Without restarts nothing but the topics' numbers can show a loss. */
static void losses_alone_are_found_and_repaired(void **state)
{
    (void)state;
    struct fake_faults faults = {.drop = 60, .repeat = 300, .stall = 10, .no_heads = true};
    prove(env_number("CCCC_TEST_SEED", (uint64_t)time(NULL)), env_number("CCCC_TEST_EVENTS", 6000), &faults);
}

/* A follower that is slower than the stream: ZeroMQ drops at the high-water marks, and every drop is repaired. */
static void a_slow_follower_loses_frames_but_no_events(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 7, .send_hwm = 10});
    cccc_set_follow_hwm(bed.client, 10);
    reader_open(&reader, &bed, (struct cccc_filter){.from_seq = true}, NULL);
    read_until(&reader, CCCC_ITEM_LIVE);
    for (int round = 0; round < 50; round++) {
        fake_append(bed.fake, 500, true);
        read_to_head_with(&reader, 10);
    }
    struct cccc_follow_stats stats = stats_of(&reader);
    print_message("live %llu, losses %llu, repaired %llu\n", (unsigned long long)stats.live, (unsigned long long)stats.losses,
                  (unsigned long long)stats.repaired);
    assert_int_equal(stats.events, 25000);
    assert_true(stats.losses > 0 && stats.repaired > 0);
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

/* ---- beginning ---- */

/* `last` counts matching events, also when they are many pages back, and LIVE comes behind them. */
static void begins_with_the_last_matching_events(void **state)
{
    (void)state;
    struct bed bed;
    bed_open(&bed, &(struct fake_options){.seed = 3, .history = 3000, .page_max = 50});
    for (uint32_t last = 0; last < 400; last = last * 3 + 1) {
        struct reader reader;
        reader_open(&reader, &bed, (struct cccc_filter){.recipient = "peer-1", .last = last}, "chat.message");
        uint32_t left = last;
        for (reader.last = 3000; left > 0 || !is_wanted(&reader, reader.last); reader.last--)
            if (left == 0)
                break;
            else
                left -= is_wanted(&reader, reader.last);
        read_until(&reader, CCCC_ITEM_LIVE);
        assert_int_equal(stats_of(&reader).events, last);
        cccc_follow_close(&reader.follow);
    }
    bed_close(&bed);
}

/* Fewer than wanted: all there are. */
static void begins_with_all_when_there_are_fewer(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 4, .history = 30, .page_max = 7});
    reader_open(&reader, &bed, (struct cccc_filter){.last = 1000}, NULL);
    read_until(&reader, CCCC_ITEM_LIVE);
    assert_int_equal(stats_of(&reader).events, 30);
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

/* An empty ledger is history that is done at once. */
static void an_empty_group_is_live_at_once(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 5});
    reader_open(&reader, &bed, (struct cccc_filter){.last = 10}, NULL);
    assert_int_equal(reader_next(&reader, PATIENCE_MS), CCCC_ITEM_LIVE);
    fake_append(bed.fake, 3, true);
    read_to_head(&reader);
    assert_int_equal(stats_of(&reader).events, 3);
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

/* What cannot be read is named where it is missing, once. */
/* The next page is asked for while one is handed out, and has often come before that ends. */
static void a_page_that_came_early_is_not_waited_for(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 6, .history = 200, .page_max = 10});
    reader_open(&reader, &bed, (struct cccc_filter){.from_seq = true}, NULL);
    for (uint64_t seq = 1; seq <= 200; seq++) {
        time_t began = time(NULL);
        assert_int_equal(reader_next(&reader, PATIENCE_MS), CCCC_ITEM_EVENT);
        assert_true(time(NULL) - began < PATIENCE_MS / 2000);
        if (seq % 10 == 5)
            nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL); /* longer than the client goes without a turn */
    }
    assert_int_equal(reader_next(&reader, PATIENCE_MS), CCCC_ITEM_LIVE);
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

static void damage_is_a_gap_item_in_its_place(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 6, .history = 970, .damage = true, .page_max = 20});
    reader_open(&reader, &bed, (struct cccc_filter){.from_seq = true}, NULL);
    read_until(&reader, CCCC_ITEM_LIVE);
    assert_int_equal(stats_of(&reader).events, 970 - 30);
    assert_int_equal(reader.last, 970);
    assert_true(reader.gap_items >= 10 && reader.gap_items <= 20); /* a page may end inside one */
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

/* ---- the end of the stream ---- */

/* The last event's frame is lost and nothing follows it: a head frame shows it. */
static void a_lost_last_frame_shows_in_the_head(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 8, .history = 10});
    reader_open(&reader, &bed, (struct cccc_filter){.from_seq = true}, NULL);
    read_until(&reader, CCCC_ITEM_LIVE);
    fake_append(bed.fake, 1, true);
    read_to_head(&reader);
    fake_append(bed.fake, 1, false);
    fake_send_head(bed.fake);
    read_to_head(&reader);
    assert_int_equal(stats_of(&reader).losses, 1);
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

/* The same without any head, right after the start, as when the subscription came too late. */
static void a_lost_last_frame_is_found_in_silence(void **state)
{
    (void)state;
    struct bed bed;
    struct reader readers[2];
    bed_open(&bed, &(struct fake_options){.seed = 9, .history = 10});
    reader_open(&readers[0], &bed, (struct cccc_filter){.from_seq = true}, NULL);
    reader_open(&readers[1], &bed, (struct cccc_filter){.from_seq = true, .recipient = "user"}, NULL);
    for (int i = 0; i < 2; i++)
        read_until(&readers[i], CCCC_ITEM_LIVE);
    fake_append(bed.fake, 20, false);
    for (int i = 0; i < 2; i++) {
        read_to_head(&readers[i]);
        assert_true(stats_of(&readers[i]).repaired > 0);
        cccc_follow_close(&readers[i].follow);
    }
    bed_close(&bed);
}

/* A daemon that is away is waited for; LIVE is said again afterwards. */
static void a_daemon_that_is_away_is_waited_for(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 10, .history = 10});
    reader_open(&reader, &bed, (struct cccc_filter){.from_seq = true}, NULL);
    read_until(&reader, CCCC_ITEM_LIVE);
    fake_leave(bed.fake);
    assert_int_equal(reader_next(&reader, 150), -1);
    fake_append(bed.fake, 5, false);
    fake_return(bed.fake);
    read_until(&reader, CCCC_ITEM_LIVE);
    assert_int_equal(reader.last, 15);
    assert_int_equal(reader.live_items, 2);
    assert_int_equal(stats_of(&reader).restarts, 1);
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

/* ---- another ledger ---- */

/* A backup put in place while the daemon was away: said once, then on from its head. `seq`: where it parts from the old one. */
static void restored(const char *recipient, uint64_t seq, uint64_t events)
{
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 11, .history = 100});
    reader_open(&reader, &bed, (struct cccc_filter){.from_seq = true, .recipient = recipient}, NULL);
    read_until(&reader, CCCC_ITEM_LIVE);
    read_to_head(&reader);
    fake_restore(bed.fake, seq, events);
    read_until(&reader, CCCC_ITEM_RESET);
    reader.last = fake_head(bed.fake);
    read_until(&reader, CCCC_ITEM_LIVE);
    fake_append(bed.fake, 20, true);
    read_to_head(&reader);
    assert_int_equal(reader.reset_items, 1);
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

static void a_shorter_restored_ledger_is_a_reset(void **state)
{
    (void)state;
    restored(NULL, 50, 0);
    restored("peer-1", 50, 0);
}

static void a_longer_restored_ledger_is_a_reset(void **state)
{
    (void)state;
    restored(NULL, 50, 200);
    restored("peer-1", 50, 200);
}

/* The same ledger plus new events is no reset. */
static void a_longer_ledger_of_the_same_line_is_no_reset(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 12, .history = 100});
    reader_open(&reader, &bed, (struct cccc_filter){.from_seq = true, .recipient = "peer-2"}, NULL);
    read_until(&reader, CCCC_ITEM_LIVE);
    fake_restore(bed.fake, 100, 50);
    read_until(&reader, CCCC_ITEM_LIVE);
    read_to_head(&reader);
    assert_int_equal(reader.reset_items, 0);
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

/* A position that names another event than the ledger has, or one it does not have yet. */
static void a_foreign_position_is_a_reset(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    bed_open(&bed, &(struct fake_options){.seed = 13, .history = 100});
    struct cccc_filter filters[] = {{.from_seq = true, .after_seq = 10, .after_id = "00000000000000000000000000000000"},
                                    {.from_seq = true, .after_seq = 1000}};
    for (int i = 0; i < 2; i++) {
        reader_open(&reader, &bed, filters[i], NULL);
        assert_int_equal(reader_next(&reader, PATIENCE_MS), CCCC_ITEM_RESET);
        assert_int_equal(reader_next(&reader, PATIENCE_MS), CCCC_ITEM_LIVE);
        cccc_follow_close(&reader.follow);
    }
    bed_close(&bed);
}

/* A deleted group ends its followers, and the error stays. */
static void a_deleted_group_ends_the_follower(void **state)
{
    (void)state;
    struct bed bed;
    struct reader reader;
    struct cccc_item item;
    struct cccc_error err;
    bed_open(&bed, &(struct fake_options){.seed = 14, .history = 10});
    reader_open(&reader, &bed, (struct cccc_filter){.from_seq = true}, NULL);
    read_until(&reader, CCCC_ITEM_LIVE);
    fake_delete_group(bed.fake);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cccc_follow_next(reader.follow, &item, PATIENCE_MS, &err), -1);
        assert_string_equal(err.code, "group_not_found");
        assert_int_equal(err.exit_status, 3);
    }
    cccc_follow_close(&reader.follow);
    bed_close(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_the_last_matching_events),
        cmocka_unit_test(begins_with_all_when_there_are_fewer),
        cmocka_unit_test(an_empty_group_is_live_at_once),
        cmocka_unit_test(a_page_that_came_early_is_not_waited_for),
        cmocka_unit_test(damage_is_a_gap_item_in_its_place),
        cmocka_unit_test(a_lost_last_frame_shows_in_the_head),
        cmocka_unit_test(a_lost_last_frame_is_found_in_silence),
        cmocka_unit_test(a_daemon_that_is_away_is_waited_for),
        cmocka_unit_test(a_shorter_restored_ledger_is_a_reset),
        cmocka_unit_test(a_longer_restored_ledger_is_a_reset),
        cmocka_unit_test(a_longer_ledger_of_the_same_line_is_no_reset),
        cmocka_unit_test(a_foreign_position_is_a_reset),
        cmocka_unit_test(a_deleted_group_ends_the_follower),
        cmocka_unit_test(a_slow_follower_loses_frames_but_no_events),
        cmocka_unit_test(losses_alone_are_found_and_repaired),
        cmocka_unit_test(every_event_once_in_order_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
