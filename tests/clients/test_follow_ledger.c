/* test_follow_ledger.c - what a follower says about a ledger that was damaged, restored or deleted. With the real daemon. */
#include "clients/lib/include/cccc.h"
#include "tests/clients/daemon.h"
#include "tests/clients/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 30000
#define MESSAGES    50

struct bed {
    char home[256];
    char group_id[15];
    char ledger[400];
    pid_t daemon;
    cccc_t *client;
    cccc_follow_t *follow;
};

static void bed_open(struct bed *bed)
{
    struct cccc_error err;
    scratch_make(bed->home);
    bed->daemon = daemon_start(bed->home);
    if (cccc_open(&bed->client, &(struct cccc_options){.home = bed->home}, &err) != 0)
        fail_msg("%s", err.message);
    daemon_make_group(bed->client, (const char *[]){"peer-1"}, 1, bed->group_id);
    snprintf(bed->ledger, sizeof bed->ledger, "%s/groups/%s/ledger.jsonl", bed->home, bed->group_id);
    if (cccc_follow_open(bed->client, &(struct cccc_filter){.group_id = bed->group_id, .from_seq = true}, &bed->follow, &err) != 0)
        fail_msg("%s", err.message);
}

static void bed_close(struct bed *bed)
{
    cccc_follow_close(&bed->follow);
    cccc_close(&bed->client);
    daemon_end(bed->daemon, SIGTERM, 0);
    scratch_remove(bed->home);
}

static uint64_t send_some(struct bed *bed, int count)
{
    struct cccc_error err;
    uint64_t seq = 0;
    for (int i = 0; i < count; i++)
        if (cccc_send(bed->client, bed->group_id, "something to be kept", (const char *[]){"peer-1"}, 1, NULL, &seq, &err) != 0)
            fail_msg("%s: %s", err.code, err.message);
    return seq;
}

/* The next item, of this type. */
static struct cccc_item expect(struct bed *bed, enum cccc_item_type type)
{
    struct cccc_item item;
    struct cccc_error err;
    int got = cccc_follow_next(bed->follow, &item, PATIENCE_MS, &err);
    if (got != 1)
        fail_msg("no item: %s", got < 0 ? err.message : "time is over");
    assert_int_equal(item.type, type);
    return item;
}

static void expect_events(struct bed *bed, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++)
        assert_int_equal(expect(bed, CCCC_ITEM_EVENT).seq, seq);
}

static char *read_ledger(const struct bed *bed, size_t *len)
{
    FILE *f = fopen(bed->ledger, "r");
    assert_non_null(f);
    char *bytes = malloc(1 << 20);
    *len = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

/* A new file in its place, as when a backup is put back. */
static void replace_ledger(const struct bed *bed, const char *bytes, size_t len)
{
    char part[420];
    snprintf(part, sizeof part, "%s.part", bed->ledger);
    FILE *f = fopen(part, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(part, bed->ledger), 0);
}

/* A byte that turned over while the daemon was away: what comes before and behind is there, and between them a gap with the reason. */
static void a_damaged_line_is_a_gap_with_its_reason(void **state)
{
    (void)state;
    struct bed bed;
    size_t len;
    bed_open(&bed);
    uint64_t head = send_some(&bed, MESSAGES);
    daemon_end(bed.daemon, SIGTERM, 0);
    char *bytes = read_ledger(&bed, &len);
    char *line = bytes;
    for (uint64_t seq = 1; seq < head / 2; seq++)
        line = strchr(line, '\n') + 1;
    strstr(line, "kept")[0] ^= 0x20;
    FILE *f = fopen(bed.ledger, "r+");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
    free(bytes);
    bed.daemon = daemon_start(bed.home);
    expect_events(&bed, 1, head / 2 - 1);
    struct cccc_item gap = expect(&bed, CCCC_ITEM_GAP);
    assert_int_equal(gap.from_seq, head / 2);
    assert_int_equal(gap.to_seq, head / 2);
    assert_string_equal(gap.reason, "damaged");
    expect_events(&bed, head / 2 + 1, head);
    expect(&bed, CCCC_ITEM_LIVE);
    bed_close(&bed);
}

/* A backup put back and written on: the follower says so instead of going on as if nothing had happened. */
static void a_restored_backup_is_a_reset(void **state)
{
    (void)state;
    struct bed bed;
    size_t len;
    bed_open(&bed);
    send_some(&bed, MESSAGES);
    char *backup = read_ledger(&bed, &len);
    uint64_t head = send_some(&bed, MESSAGES);
    expect_events(&bed, 1, head);
    expect(&bed, CCCC_ITEM_LIVE);
    daemon_end(bed.daemon, SIGTERM, 0);
    replace_ledger(&bed, backup, len);
    free(backup);
    bed.daemon = daemon_start(bed.home);
    uint64_t reset_at = expect(&bed, CCCC_ITEM_RESET).seq;
    assert_true(reset_at < head);
    expect(&bed, CCCC_ITEM_LIVE);
    bed_close(&bed);
}

/* Deleting a group ends its followers with an error. */
static void a_deleted_group_ends_its_followers(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    struct cccc_item item;
    bed_open(&bed);
    int got;
    do
        got = cccc_follow_next(bed.follow, &item, PATIENCE_MS, &err);
    while (got == 1 && item.type != CCCC_ITEM_LIVE);
    assert_int_equal(got, 1);
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", bed.group_id);
    cccc_args_str(args, "confirm", bed.group_id);
    if (cccc_request(bed.client, "group_delete", &args, NULL, &err) != 0)
        fail_msg("%s: %s", err.code, err.message);
    while ((got = cccc_follow_next(bed.follow, &item, PATIENCE_MS, &err)) == 1)
        continue;
    assert_int_equal(got, -1);
    assert_string_equal(err.code, "group_not_found");
    bed_close(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_line_is_a_gap_with_its_reason),
        cmocka_unit_test(a_restored_backup_is_a_reset),
        cmocka_unit_test(a_deleted_group_ends_its_followers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
