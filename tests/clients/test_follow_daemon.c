/* test_follow_daemon.c - the follow proof with the real daemon: four senders, followers that started before and during, one that is slow, one kill -9.
 *
 * CCCC_TEST_SENDS is the number of messages (default 80,000). Senders are processes of their own: this program again, as `--sender`. */
#include "clients/lib/include/cccc.h"
#include "tests/clients/daemon.h"
#include "tests/clients/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SENDERS     4
#define IN_FLIGHT   125
#define PATIENCE_MS 60000
#define SEQS_MAX    400000

/* To whom the n-th message of a sender goes. */
static const char *recipient_of(unsigned long n)
{
    return n % 2 ? "peer-2" : "peer-1";
}

/* ---- a sender ---- */

struct tally {
    unsigned long stored, failed;
};

static void stored(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct tally *tally = arg;
    tally->stored += reply != NULL;
    tally->failed += err != NULL;
    if (err)
        fprintf(stderr, "sender: %s: %s\n", err->code, err->message);
}

static int send_one(cccc_t *client, const char *group_id, const char *sender, unsigned long n, struct tally *tally)
{
    char text[200];
    const char *to = recipient_of(n);
    snprintf(text, sizeof text, "%s %lu of a message that is about as long as many are when agents talk to each other about their work",
             sender, n);
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", group_id);
    cccc_args_str(args, "text", text);
    cccc_args_strs(args, "to", &to, 1);
    return cccc_request_async(client, "send", &args, stored, tally, NULL);
}

/* --sender HOME GROUP NUMBER FROM TO: 0 when every send was acknowledged. */
static int sender_main(char **argv)
{
    struct cccc_error err;
    struct tally tally = {0};
    cccc_t *client = NULL;
    unsigned long from = strtoul(argv[5], NULL, 10), to = strtoul(argv[6], NULL, 10);
    if (cccc_open(&client, &(struct cccc_options){.home = argv[2], .timeout_ms = PATIENCE_MS}, &err) != 0) {
        fprintf(stderr, "sender: %s\n", err.message);
        return 1;
    }
    for (unsigned long n = from; n < to || cccc_open_requests(client) > 0;) {
        if (n < to && cccc_open_requests(client) < IN_FLIGHT && send_one(client, argv[3], argv[4], n, &tally) == 0)
            n++;
        else
            cccc_pump(client, -1, NULL);
    }
    cccc_close(&client);
    return tally.stored == to - from ? 0 : 1;
}

/* ---- home, daemon, senders ---- */

struct bed {
    char home[256];
    char group_id[32];
    pid_t daemon;
    pid_t senders[SENDERS];
    cccc_t *client;
    uint64_t total;
    uint8_t *to_peer_2, *to_peer_1; /* [seq], as the follower of everything saw it */
    uint8_t *seen[SENDERS];         /* [n] */
};

static void bed_open(struct bed *bed, uint64_t total)
{
    struct cccc_error err;
    *bed = (struct bed){.total = total};
    scratch_make(bed->home);
    bed->to_peer_2 = calloc(SEQS_MAX, 1);
    bed->to_peer_1 = calloc(SEQS_MAX, 1);
    for (int i = 0; i < SENDERS; i++)
        bed->seen[i] = calloc(total / SENDERS, 1);
    bed->daemon = daemon_start(bed->home);
    if (cccc_open(&bed->client, &(struct cccc_options){.home = bed->home, .timeout_ms = PATIENCE_MS}, &err) != 0)
        fail_msg("%s", err.message);
    const char *const actors[] = {recipient_of(0), recipient_of(1)};
    daemon_make_group(bed->client, actors, 2, bed->group_id);
}

/* Each sender sends its messages of this half, 0 or 1. */
static void start_senders(struct bed *bed, int half)
{
    char from[32], to[32];
    unsigned long long share = bed->total / 2 / SENDERS;
    snprintf(from, sizeof from, "%llu", share * (unsigned)half);
    snprintf(to, sizeof to, "%llu", share * (unsigned)(half + 1));
    for (int i = 0; i < SENDERS; i++) {
        char number[4] = {(char)('0' + i)};
        const char *const argv[] = {"/proc/self/exe", "--sender", bed->home, bed->group_id, number, from, to, NULL};
        bed->senders[i] = daemon_spawn(argv, bed->home);
    }
}

/* All of them were acknowledged all they sent. */
static void end_senders(struct bed *bed)
{
    for (int i = 0; i < SENDERS; i++) {
        int status = 1;
        assert_int_equal(waitpid(bed->senders[i], &status, 0), bed->senders[i]);
        assert_int_equal(status, 0);
    }
}

static void bed_close(struct bed *bed)
{
    for (int i = 0; i < SENDERS; i++)
        free(bed->seen[i]);
    cccc_close(&bed->client);
    daemon_end(bed->daemon, SIGTERM, 0);
    free(bed->to_peer_1);
    free(bed->to_peer_2);
    scratch_remove(bed->home);
}

/* ---- followers ---- */

struct reader {
    cccc_follow_t *follow;
    const char *recipient;
    uint64_t first, last; /* seqs handed out; 0: none */
    uint64_t begin;       /* behind this seq everything is owed */
    uint64_t count, live_items;
    uint8_t *got; /* [seq] */
};

static void reader_open(struct bed *bed, struct reader *reader, struct cccc_filter filter, int hwm)
{
    struct cccc_error err;
    *reader = (struct reader){.recipient = filter.recipient, .got = calloc(SEQS_MAX, 1)};
    filter.group_id = bed->group_id;
    cccc_set_follow_hwm(bed->client, hwm);
    if (cccc_follow_open(bed->client, &filter, &reader->follow, &err) != 0)
        fail_msg("%s: %s", err.code, err.message);
}

/* One item; rising seqs are checked here, completeness at the end. False when there was none in time. */
static bool reader_next(struct reader *reader, struct cccc_item *item, int timeout_ms)
{
    struct cccc_error err;
    int got = cccc_follow_next(reader->follow, item, timeout_ms, &err);
    if (got < 0)
        fail_msg("%s: %s", err.code, err.message);
    if (got == 0)
        return false;
    assert_int_not_equal(item->type, CCCC_ITEM_GAP);
    assert_int_not_equal(item->type, CCCC_ITEM_RESET);
    if (item->type == CCCC_ITEM_LIVE && reader->live_items++ == 0 && reader->count == 0)
        reader->begin = item->seq;
    if (item->type != CCCC_ITEM_EVENT)
        return true;
    assert_true(item->seq > reader->last && item->seq < SEQS_MAX);
    if (reader->count++ == 0) {
        reader->first = item->seq;
        reader->begin = reader->begin ? reader->begin : item->seq - 1;
    }
    reader->last = item->seq;
    reader->got[item->seq] = 1;
    return true;
}

/* What the follower of everything learns: each message of each sender once, and to whom each seq went. */
static bool note(struct bed *bed, const struct cccc_item *item)
{
    const msgpack_object *data = cccc_field(cccc_item_event(item), "data");
    const char *kind, *text;
    size_t len;
    if (item->type != CCCC_ITEM_EVENT || !cccc_field_text(cccc_item_event(item), "kind", &kind, &len) || len != 12 ||
        memcmp(kind, "chat.message", 12) != 0)
        return false;
    assert_true(cccc_field_text(data, "text", &text, &len));
    int sender = text[0] - '0';
    unsigned long n = strtoul(text + 2, NULL, 10);
    assert_true(sender >= 0 && sender < SENDERS && n < bed->total / SENDERS);
    assert_int_equal(bed->seen[sender][n], 0);
    bed->seen[sender][n] = 1;
    (strcmp(recipient_of(n), "peer-2") == 0 ? bed->to_peer_2 : bed->to_peer_1)[item->seq] = 1;
    return true;
}

static bool is_owed(const struct bed *bed, const struct reader *reader, uint64_t seq)
{
    if (!reader->recipient)
        return true;
    return (strcmp(reader->recipient, "peer-2") == 0 ? bed->to_peer_2 : bed->to_peer_1)[seq];
}

/* Read up to `head`, then compare with what the follower of everything saw. */
static void reader_finish(struct bed *bed, struct reader *reader, uint64_t head, const char *name)
{
    struct cccc_item item;
    uint64_t last_owed = head;
    while (last_owed > reader->begin && !is_owed(bed, reader, last_owed))
        last_owed--;
    while (reader->last < last_owed)
        if (!reader_next(reader, &item, PATIENCE_MS))
            fail_msg("%s: nothing after %llu, owed up to %llu", name, (unsigned long long)reader->last, (unsigned long long)last_owed);
    for (uint64_t seq = reader->begin + 1; seq <= head; seq++)
        if (reader->got[seq] != is_owed(bed, reader, seq))
            fail_msg("%s: event %llu is %s", name, (unsigned long long)seq, reader->got[seq] ? "not for it" : "missing");
    struct cccc_follow_stats stats;
    cccc_follow_stats(reader->follow, &stats);
    print_message("%s: %llu events from %llu, live %llu, losses %llu, repaired %llu, restarts %llu\n", name,
                  (unsigned long long)reader->count, (unsigned long long)reader->first, (unsigned long long)stats.live,
                  (unsigned long long)stats.losses, (unsigned long long)stats.repaired, (unsigned long long)stats.restarts);
}

static void reader_close(struct reader *reader)
{
    cccc_follow_close(&reader->follow);
    free(reader->got);
}

/* ---- the test ---- */

enum { ALL, INBOX, LATE_ALL, LATE_INBOX, SLOW, READERS };
static const char *const names[READERS] = {"all", "inbox", "late, last 100", "late inbox", "slow"};

/* The first half of the sends: followers come in the middle, and the daemon is killed. */
static void first_half(struct bed *bed, struct reader *readers)
{
    struct cccc_item item;
    uint64_t messages = 0, half = bed->total / 2;
    start_senders(bed, 0);
    for (bool late = false, killed = false; messages < half;) {
        if (!reader_next(&readers[ALL], &item, PATIENCE_MS))
            fail_msg("nothing after %llu", (unsigned long long)readers[ALL].last);
        messages += note(bed, &item);
        reader_next(&readers[INBOX], &item, 0);
        for (int i = LATE_ALL; late && i <= LATE_INBOX; i++)
            reader_next(&readers[i], &item, 0);
        if (!late && messages > half / 4) {
            late = true;
            reader_open(bed, &readers[LATE_ALL], (struct cccc_filter){.last = 100}, 10000);
            reader_open(bed, &readers[LATE_INBOX], (struct cccc_filter){.recipient = "peer-2"}, 10000);
        }
        if (!killed && messages > half / 2) {
            killed = true;
            daemon_end(bed->daemon, SIGKILL, SIGKILL);
            bed->daemon = daemon_start(bed->home);
        }
    }
    end_senders(bed);
}

/* The second half: all read but the slow one, which was live before. */
static void second_half(struct bed *bed, struct reader *readers)
{
    struct cccc_item item;
    while (readers[SLOW].live_items < 2 || readers[SLOW].last < readers[ALL].last)
        assert_true(reader_next(&readers[SLOW], &item, PATIENCE_MS));
    start_senders(bed, 1);
    for (uint64_t messages = 0; messages < bed->total / 2;) {
        if (!reader_next(&readers[ALL], &item, PATIENCE_MS))
            fail_msg("nothing after %llu", (unsigned long long)readers[ALL].last);
        messages += note(bed, &item);
        for (int i = INBOX; i <= LATE_INBOX; i++)
            reader_next(&readers[i], &item, 0);
    }
    end_senders(bed);
}

/* Followers from before and during the sends, across a kill -9: everything once and in order. One that does not read for a while, with a small
 * high-water mark, loses frames and repairs them. */
static void followers_miss_nothing_across_a_kill(void **state)
{
    (void)state;
    const char *sends = getenv("CCCC_TEST_SENDS");
    struct bed bed;
    struct reader readers[READERS];
    struct cccc_item item;
    bed_open(&bed, sends ? strtoull(sends, NULL, 10) : 80000);
    reader_open(&bed, &readers[ALL], (struct cccc_filter){.from_seq = true}, 10000);
    reader_open(&bed, &readers[INBOX], (struct cccc_filter){.from_seq = true, .recipient = "peer-1"}, 10000);
    reader_open(&bed, &readers[SLOW], (struct cccc_filter){.last = 0}, 10);
    while (!readers[SLOW].live_items)
        assert_true(reader_next(&readers[SLOW], &item, PATIENCE_MS));
    first_half(&bed, readers);
    second_half(&bed, readers);
    for (int i = 0; i < READERS; i++)
        reader_finish(&bed, &readers[i], readers[ALL].last, names[i]);
    struct cccc_follow_stats slow, all;
    cccc_follow_stats(readers[SLOW].follow, &slow);
    cccc_follow_stats(readers[ALL].follow, &all);
    assert_true(slow.losses > 0 && slow.repaired > 0);
    assert_int_equal(all.restarts, 1);
    for (int i = 0; i < READERS; i++)
        reader_close(&readers[i]);
    bed_close(&bed);
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "--sender") == 0)
        return sender_main(argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(followers_miss_nothing_across_a_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
