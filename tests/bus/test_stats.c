/* The histogram's promise: no percentile is off by more than one part in sixteen. */
#include "tests/bus/cmocka_all.h"

#include "broker/bus/stats.h"

/* Every value lies in a bucket whose largest value is at most a sixteenth above it. */
static void buckets_are_within_a_sixteenth(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 100000000; us += 1 + us / 37) {
        uint64_t top = cccc_histogram_value(cccc_histogram_bucket(us));
        assert_true(top >= us);
        assert_true(top - us <= us / 16);
    }
    assert_int_equal(cccc_histogram_bucket(UINT64_MAX), CCCC_HISTOGRAM_BUCKETS - 1);
}

/* Percentiles cover this minute and the last; older ones are forgotten, the maximum is not. */
static void percentiles_forget_after_two_minutes(void **state)
{
    (void)state;
    struct cccc_stats stats = {0};
    const uint64_t minute = 60000000;
    for (int i = 0; i < 99; i++)
        cccc_stats_sync(&stats, 100, 2, minute);
    cccc_stats_sync(&stats, 9000, 2, minute);
    assert_int_equal(stats.syncs, 100);
    assert_int_equal(stats.acked, 200);
    assert_in_range(cccc_stats_sync_percentile(&stats, 500), 100, 106);
    assert_in_range(cccc_stats_sync_percentile(&stats, 990), 100, 106);
    assert_int_equal(cccc_stats_sync_percentile(&stats, 1000), 9000);
    cccc_stats_sync(&stats, 50, 1, 2 * minute);
    assert_int_equal(cccc_stats_sync_percentile(&stats, 1000), 9000);
    cccc_stats_sync(&stats, 50, 1, 3 * minute);
    assert_in_range(cccc_stats_sync_percentile(&stats, 1000), 50, 53);
    assert_int_equal(stats.sync_max_us, 9000);
    cccc_stats_fini(&stats);
}

/* Without a sync there is nothing to say. */
static void no_sync_is_zero(void **state)
{
    (void)state;
    struct cccc_stats stats = {0};
    cccc_stats_sync(&stats, 0, 5, 1);
    assert_int_equal(stats.syncs, 0);
    assert_int_equal(cccc_stats_sync_percentile(&stats, 990), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_within_a_sixteenth),
        cmocka_unit_test(percentiles_forget_after_two_minutes),
        cmocka_unit_test(no_sync_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
