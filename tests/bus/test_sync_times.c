/* The histogram's promise: no percentile is off by more than one part in sixteen. */
#include "tests/bus/cmocka_all.h"

#include "broker/bus/sync_times.h"

/* Every value lies in a bucket whose largest value is at most a sixteenth above it. */
static void buckets_are_within_a_sixteenth(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 100000000; us += 1 + us / 37) {
        uint64_t top = cccc_sync_bucket_top(cccc_sync_bucket(us));
        assert_true(top >= us);
        assert_true(top - us <= us / 16);
    }
    assert_int_equal(cccc_sync_bucket(UINT64_MAX), CCCC_SYNC_BUCKETS - 1);
}

/* Percentiles cover this minute and the last; older ones are forgotten, the maximum is not. */
static void percentiles_forget_after_two_minutes(void **state)
{
    (void)state;
    struct cccc_sync_times times = {0};
    const uint64_t minute = 60000000;
    for (int i = 0; i < 99; i++)
        cccc_sync_times_add(&times, 100, minute);
    cccc_sync_times_add(&times, 9000, minute);
    assert_int_equal(times.count, 100);
    assert_in_range(cccc_sync_times_percentile(&times, 500, minute), 100, 106);
    assert_in_range(cccc_sync_times_percentile(&times, 990, minute), 100, 106);
    assert_int_equal(cccc_sync_times_percentile(&times, 1000, minute), 9000);
    cccc_sync_times_add(&times, 50, 2 * minute);
    assert_int_equal(cccc_sync_times_percentile(&times, 1000, 2 * minute), 9000);
    cccc_sync_times_add(&times, 50, 3 * minute);
    assert_in_range(cccc_sync_times_percentile(&times, 1000, 3 * minute), 50, 53);
    assert_int_equal(times.max_us, 9000);
}

/* Without a sync in the last two minutes there is nothing to say. */
static void silence_is_zero(void **state)
{
    (void)state;
    struct cccc_sync_times times = {0};
    assert_int_equal(cccc_sync_times_percentile(&times, 990, 1), 0);
    cccc_sync_times_add(&times, 50, 1);
    assert_int_equal(cccc_sync_times_percentile(&times, 990, 200000000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_within_a_sixteenth),
        cmocka_unit_test(percentiles_forget_after_two_minutes),
        cmocka_unit_test(silence_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
