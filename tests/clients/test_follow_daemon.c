/* test_follow_daemon.c - the follow proof with the real daemon: four senders, followers that started before and during, one that is slow, one kill -9.
 *
 * CCCC_TEST_SENDS is the number of messages (default 80,000). Senders are processes of their own: this program again, as `--sender`. */
#include "clients/lib/include/cccc.h"
#include "proto/err.h"
#include "tests/clients/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

/* --sender HOME GROUP NUMBER COUNT: 0 when every send was acknowledged. */
static int sender_main(char **argv)
{
    struct cccc_error err;
    struct tally tally = {0};
    cccc_t *client = NULL;
    unsigned long count = strtoul(argv[5], NULL, 10);
    if (cccc_open(&client, &(struct cccc_options){.home = argv[2], .timeout_ms = PATIENCE_MS}, &err) != 0) {
        fprintf(stderr, "sender: %s\n", err.message);
        return 1;
    }
    for (unsigned long n = 0; n < count || cccc_open_requests(client) > 0;) {
        if (n < count && cccc_open_requests(client) < IN_FLIGHT && send_one(client, argv[3], argv[4], n, &tally) == 0)
            n++;
        else
            cccc_pump(client, -1, NULL);
    }
    cccc_close(&client);
    return tally.stored == count ? 0 : 1;
}

/* ---- the daemon ---- */

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

static pid_t spawn(const char *const *argv, const char *home)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("CCCC_HOME", home, 1);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    return pid;
}

/* Start it, and wait until a client gets in. */
static void daemon_start(struct bed *bed)
{
    const char *const argv[] = {CCCCD_PATH, NULL};
    bed->daemon = spawn(argv, bed->home);
    struct cccc_error err;
    cccc_t *probe = NULL;
    for (int i = 0; cccc_open(&probe, &(struct cccc_options){.home = bed->home}, &err) != 0; i++) {
        assert_int_equal(waitpid(bed->daemon, NULL, WNOHANG), 0);
        if (i > 1000)
            fail_msg("the daemon does not come up: %s", err.message);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* the descriptor is a file: looked at again, not waited for */
    }
    cccc_close(&probe);
}

static void daemon_end(struct bed *bed, int signal, int status_wanted)
{
    int status = 0;
    assert_int_equal(kill(bed->daemon, signal), 0);
    assert_int_equal(waitpid(bed->daemon, &status, 0), bed->daemon);
    assert_int_equal(status, status_wanted);
}

static void ask(struct bed *bed, const char *op, cccc_args_t *args, cccc_reply_t **reply)
{
    struct cccc_error err;
    if (cccc_request(bed->client, op, &args, reply, &err) != 0)
        fail_msg("%s: %s: %s", op, err.code, err.message);
}

static void make_group(struct bed *bed)
{
    cccc_reply_t *reply = NULL;
    const char *text;
    size_t len;
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "title", "follow");
    ask(bed, "group_create", args, &reply);
    assert_true(cccc_field_text(cccc_reply_result(reply), "group_id", &text, &len));
    snprintf(bed->group_id, sizeof bed->group_id, "%.*s", (int)len, text);
    cccc_reply_free(&reply);
    for (unsigned long n = 0; n < 2; n++) {
        args = cccc_args_new();
        cccc_args_str(args, "group_id", bed->group_id);
        cccc_args_str(args, "actor_id", recipient_of(n));
        cccc_args_str(args, "runner", "headless");
        ask(bed, "actor_add", args, NULL);
    }
}

static void bed_open(struct bed *bed, uint64_t total)
{
    struct cccc_error err;
    *bed = (struct bed){.total = total};
    scratch_make(bed->home);
    bed->to_peer_2 = calloc(SEQS_MAX, 1);
    bed->to_peer_1 = calloc(SEQS_MAX, 1);
    for (int i = 0; i < SENDERS; i++)
        bed->seen[i] = calloc(total / SENDERS, 1);
    daemon_start(bed);
    if (cccc_open(&bed->client, &(struct cccc_options){.home = bed->home, .timeout_ms = PATIENCE_MS}, &err) != 0)
        fail_msg("%s", err.message);
    make_group(bed);
}

static void start_senders(struct bed *bed)
{
    char count[32];
    snprintf(count, sizeof count, "%llu", (unsigned long long)bed->total / SENDERS);
    for (int i = 0; i < SENDERS; i++) {
        char number[4] = {(char)('0' + i)};
        const char *const argv[] = {"/proc/self/exe", "--sender", bed->home, bed->group_id, number, count, NULL};
        bed->senders[i] = spawn(argv, bed->home);
    }
}

static void bed_close(struct bed *bed)
{
    for (int i = 0; i < SENDERS; i++) {
        int status = 1;
        assert_int_equal(waitpid(bed->senders[i], &status, 0), bed->senders[i]);
        assert_int_equal(status, 0);
        free(bed->seen[i]);
    }
    cccc_close(&bed->client);
    daemon_end(bed, SIGTERM, 0);
    free(bed->to_peer_2);
    free(bed->to_peer_1);
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
    const msgpack_object *data = cccc_field(&item->event, "data");
    const char *kind, *text;
    size_t len;
    if (item->type != CCCC_ITEM_EVENT || !cccc_field_text(&item->event, "kind", &kind, &len) || len != 12 ||
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

/* Followers from before and during the sends, across a kill -9: everything once and in order. One that does not read for a while, with a small high-water
 * mark, loses frames and repairs them. */
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
    start_senders(&bed);
    uint64_t messages = 0;
    for (bool late = false, killed = false; messages < bed.total;) {
        if (!reader_next(&readers[ALL], &item, PATIENCE_MS))
            fail_msg("nothing after %llu", (unsigned long long)readers[ALL].last);
        messages += note(&bed, &item);
        reader_next(&readers[INBOX], &item, 0);
        if (late)
            for (int i = LATE_ALL; i <= LATE_INBOX; i++)
                reader_next(&readers[i], &item, 0);
        if (!late && messages > bed.total / 4) {
            late = true;
            reader_open(&bed, &readers[LATE_ALL], (struct cccc_filter){.last = 100}, 10000);
            reader_open(&bed, &readers[LATE_INBOX], (struct cccc_filter){.recipient = "peer-2"}, 10000);
        }
        if (!killed && messages > bed.total / 2) {
            killed = true;
            daemon_end(&bed, SIGKILL, SIGKILL);
            daemon_start(&bed);
        }
        /* The slow one catches up after the restart, and then does not read at all. */
        while (killed && readers[SLOW].live_items < 2)
            assert_true(reader_next(&readers[SLOW], &item, PATIENCE_MS));
    }
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
    if (argc == 6 && strcmp(argv[1], "--sender") == 0)
        return sender_main(argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(followers_miss_nothing_across_a_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
