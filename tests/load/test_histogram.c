/* The histogram of durations, held against sorted lists of the same values. `--seed N` repeats a run. */
#include "clients/load/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define VALUES 20000

static uint64_t seed;
static const double parts[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static struct histogram *new_histogram(void)
{
    struct histogram *made = calloc(1, sizeof *made);
    assert_non_null(made);
    return made;
}

/* The value of which at least `part` of all are not above it. */
static uint64_t exact(const uint64_t *sorted, size_t count, double part)
{
    size_t wanted = (size_t)(part * (double)count);
    wanted += (double)wanted < part * (double)count;
    return sorted[wanted > 0 ? wanted - 1 : 0];
}

static void compare(const struct histogram *histogram, uint64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    assert_int_equal(histogram->count, count);
    assert_int_equal(histogram->max, values[count - 1]);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint64_t truth = exact(values, count, parts[i]), said = histogram_quantile(histogram, parts[i]);
        assert_true(said >= truth);
        assert_true(said - truth <= truth / HISTOGRAM_SUB);
    }
}

/* Percentiles are those of the sorted values, at most one part in 128 too large, whatever the values' size. */
static void percentiles_are_true_to_one_part_in_128(void **state)
{
    static uint64_t values[VALUES];
    (void)state;
    uint64_t random = seed;
    for (unsigned bits = 1; bits <= HISTOGRAM_VALUE_BITS; bits++) {
        struct histogram *histogram = new_histogram();
        for (size_t i = 0; i < VALUES; i++) {
            /* Small ones are more frequent, as durations are. */
            values[i] = next_random(&random) >> (64 - bits) >> (next_random(&random) % bits);
            histogram_add(histogram, values[i]);
        }
        compare(histogram, values, VALUES);
        free(histogram);
    }
}

/* Values below 128 have a bucket each: nothing is rounded. */
static void small_values_are_exact(void **state)
{
    (void)state;
    struct histogram *histogram = new_histogram();
    for (uint64_t value = 0; value < HISTOGRAM_SUB; value++)
        histogram_add(histogram, value);
    for (uint64_t value = 0; value < HISTOGRAM_SUB; value++)
        assert_int_equal(histogram_quantile(histogram, (double)(value + 1) / HISTOGRAM_SUB), value);
    free(histogram);
}

/* Merging the histograms of two is the histogram of all. */
static void merged_is_as_if_added_together(void **state)
{
    static uint64_t values[VALUES];
    (void)state;
    uint64_t random = seed + 1;
    struct histogram *one = new_histogram(), *two = new_histogram();
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = next_random(&random) % 5000000;
        histogram_add(i % 3 ? one : two, values[i]);
    }
    histogram_merge(one, two);
    compare(one, values, VALUES);
    free(one);
    free(two);
}

/* Nothing was added: zero. Longer than it can tell: as long as it can tell, and max says how long. */
static void the_ends_are_kept(void **state)
{
    (void)state;
    struct histogram *histogram = new_histogram();
    assert_int_equal(histogram_quantile(histogram, 0.5), 0);
    histogram_add(histogram, UINT64_MAX);
    assert_int_equal(histogram_quantile(histogram, 1), UINT64_MAX);
    free(histogram);
}

int main(int argc, char **argv)
{
    seed = argc == 3 && strcmp(argv[1], "--seed") == 0 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_true_to_one_part_in_128),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(merged_is_as_if_added_together),
        cmocka_unit_test(the_ends_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
