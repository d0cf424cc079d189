/* Times and sizes as people write and read them. */
#include "clients/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
/* 2026-11-23T16:30:00Z */
#define NOW (INT64_C(1795451400) * SECOND)

static void relative_times_use_one_unit(void **state)
{
    static const struct {
        int64_t ago;
        const char *text;
    } cases[] = {{0, "now"},       {1, "1s ago"},      {59, "59s ago"},   {60, "1m ago"},          {3599, "59m ago"},
                 {3600, "1h ago"}, {86399, "23h ago"}, {86400, "1d ago"}, {86400 * 40, "40d ago"}, {-30, "30s ahead"}};
    char text[32];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cli_relative_time(text, sizeof text, NOW - cases[i].ago * SECOND, NOW);
        assert_string_equal(text, cases[i].text);
    }
}

static void since_takes_durations_days_and_rfc_3339(void **state)
{
    static const struct {
        const char *text;
        int64_t expected;
    } cases[] = {
        {"90s", NOW - 90 * SECOND},
        {"10m", NOW - 600 * SECOND},
        {"1h30m", NOW - 5400 * SECOND},
        {"2d", NOW - 172800 * SECOND},
        {"1w", NOW - 604800 * SECOND},
        {"today", NOW - (16 * 3600 + 1800) * SECOND},
        {"yesterday", NOW - (40 * 3600 + 1800) * SECOND},
        {"2026-11-23", NOW - (16 * 3600 + 1800) * SECOND},
        {"2026-11-23T16:00:00Z", NOW - 1800 * SECOND},
        {"2026-11-23T17:00:00+01:00", NOW - 1800 * SECOND},
    };
    int64_t us;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(cli_since(cases[i].text, NOW, &us));
        assert_int_equal(us, cases[i].expected);
    }
}

static void since_refuses_what_it_does_not_know(void **state)
{
    static const char *const bad[] = {"", "10", "m", "10y", "-5m", "tomorrow", "2026-13-01", "2026-01-32", "10m ", "99999999999999999999s"};
    int64_t us = 42;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cli_since(bad[i], NOW, &us));
    assert_int_equal(us, 42);
}

static void seqs_are_numbers_with_or_without_a_hash(void **state)
{
    uint64_t seq = 0;
    (void)state;
    assert_true(cli_seq("1042", &seq));
    assert_int_equal(seq, 1042);
    assert_true(cli_seq("#7", &seq));
    assert_int_equal(seq, 7);
    assert_false(cli_seq("#", &seq));
    assert_false(cli_seq("7a", &seq));
    assert_false(cli_seq("-7", &seq));
    assert_false(cli_seq("1234567890123456789", &seq));
}

static void sizes_have_units(void **state)
{
    char text[32];
    (void)state;
    cli_size(text, sizeof text, 512);
    assert_string_equal(text, "512 B");
    cli_size(text, sizeof text, 1536);
    assert_string_equal(text, "1.5 KiB");
    cli_size(text, sizeof text, UINT64_C(5) << 30);
    assert_string_equal(text, "5.0 GiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relative_times_use_one_unit),
        cmocka_unit_test(since_takes_durations_days_and_rfc_3339),
        cmocka_unit_test(since_refuses_what_it_does_not_know),
        cmocka_unit_test(seqs_are_numbers_with_or_without_a_hash),
        cmocka_unit_test(sizes_have_units),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
