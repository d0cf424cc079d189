/* test_client.c - requests: found daemon, answers, pipelines, what is repeated and what is not when the daemon goes away. */
#include "clients/lib/include/cccc.h"
#include "proto/err.h"
#include "tests/clients/fake_broker.h"
#include "tests/clients/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct bed {
    char home[256];
    fake_broker_t *fake;
    cccc_t *client;
};

static void bed_open(struct bed *bed, int timeout_ms, const char *by)
{
    struct cccc_error err;
    scratch_make(bed->home);
    bed->fake = fake_start(bed->home, &(struct fake_options){.seed = 1});
    struct cccc_options options = {.home = bed->home, .timeout_ms = timeout_ms, .by = by};
    if (cccc_open(&bed->client, &options, &err) != 0)
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

static cccc_args_t *send_args(const char *text)
{
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", FAKE_GROUP);
    cccc_args_str(args, "text", text);
    return args;
}

static void assert_text(const msgpack_object *map, const char *key, const char *expected)
{
    const char *text = "";
    size_t len = 0;
    assert_true(cccc_field_text(map, key, &text, &len));
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
}

/* ---- finding the daemon ---- */

static void write_descriptor(const char *home, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/daemon", home);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/daemon/ccccd.addr.json", home);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Opening `home` fails with this code, and the message says what to do. */
static void assert_open_fails(const char *home, const char *code, const char *advice)
{
    struct cccc_error err;
    cccc_t *client = NULL;
    assert_int_equal(cccc_open(&client, &(struct cccc_options){.home = home}, &err), -1);
    assert_null(client);
    assert_string_equal(err.code, code);
    assert_int_equal(err.exit_status, 5);
    assert_string_equal(err.outcome, "not_stored");
    if (!strstr(err.message, advice))
        fail_msg("\"%s\" does not say %s", err.message, advice);
}

/* No descriptor, a stale one, one of the home this is a copy of, one of another kind: each says what is wrong and what to do. */
static void a_missing_daemon_is_said_with_what_to_do(void **state)
{
    (void)state;
    char home[256], text[700];
    scratch_make(home);
    assert_open_fails(home, "daemon_not_running", "cccc daemon start");
    snprintf(text, sizeof text, "{\"pid\":1,\"epoch\":1,\"bus\":\"ipc://%s/bus\",\"events\":\"ipc://%s/events\"}", home, home);
    write_descriptor(home, text);
    assert_open_fails(home, "daemon_not_running", "cccc daemon start");
    snprintf(text, sizeof text, "{\"pid\":1,\"epoch\":1,\"folder\":\"1:1\",\"bus\":\"ipc://%s/bus\",\"events\":\"ipc://%s/events\"}", home,
             home);
    write_descriptor(home, text);
    assert_open_fails(home, "daemon_not_running", "it is a copy");
    write_descriptor(home, "{\"v\":1,\"transport\":\"unix\",\"path\":\"/x\"}");
    assert_open_fails(home, "daemon_unreachable", "cccc daemon restart");
    write_descriptor(home, "not json");
    assert_open_fails(home, "daemon_unreachable", "cccc daemon restart");
    scratch_remove(home);
}

static bool is_called(pid_t pid, const char *name)
{
    char path[64], found[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "r");
    bool good = file && fgets(found, sizeof found, file) && strcmp(found, name) == 0;
    if (file)
        fclose(file);
    return good;
}

/* A process that is called like a daemon, listens nowhere, and is killed after `ms`; 0: it lives on. */
static pid_t start_deaf(int ms)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct itimerval timer = {.it_value = {ms / 1000, ms % 1000 * 1000L}};
    prctl(PR_SET_NAME, "ccccd");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (;;)
        pause();
}

/* A daemon that was killed, and is not quite gone, is not taken for one that lives without its socket: that is said of one that is still there a second later. */
static void a_daemon_that_is_dying_is_no_daemon(void **state)
{
    (void)state;
    char home[256], text[700];
    scratch_make(home);
    for (int lives = 0; lives < 2; lives++) {
        pid_t pid = start_deaf(lives ? 0 : 200);
        snprintf(text, sizeof text, "{\"pid\":%d,\"epoch\":1,\"bus\":\"ipc://%s/bus\",\"events\":\"ipc://%s/events\"}", (int)pid, home,
                 home);
        write_descriptor(home, text);
        while (!is_called(pid, "ccccd\n"))
            continue;
        assert_open_fails(home, lives ? "daemon_unreachable" : "daemon_not_running",
                          lives ? "its socket was removed" : "cccc daemon start");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    scratch_remove(home);
}

/* The home comes from the option, CCCC_HOME or ~/.cccc, in this order. */
static void the_home_is_option_then_variable_then_default(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    cccc_t *other = NULL;
    bed_open(&bed, 0, NULL);
    assert_string_equal(cccc_home(bed.client), bed.home);
    setenv("CCCC_HOME", bed.home, 1);
    assert_int_equal(cccc_open(&other, NULL, &err), 0);
    assert_string_equal(cccc_home(other), bed.home);
    cccc_close(&other);
    unsetenv("CCCC_HOME");
    char *home = strdup(getenv("HOME") ? getenv("HOME") : "/");
    setenv("HOME", bed.home, 1);
    assert_int_equal(cccc_open(&other, NULL, &err), -1);
    char expected[300];
    snprintf(expected, sizeof expected, "%s/.cccc", bed.home);
    assert_non_null(strstr(err.message, expected));
    setenv("HOME", home, 1);
    free(home);
    bed_close(&bed);
}

/* ---- asking ---- */

/* The other side sees exactly the arguments given, of every type, and the option's speaker. */
static void arguments_arrive_as_given(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    cccc_reply_t *reply = NULL;
    bed_open(&bed, 0, "foreman");
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", FAKE_GROUP);
    cccc_args_str(args, "actor_id", "peer-1");
    cccc_args_int(args, "limit", -5);
    cccc_args_str(args, "kind_filter", NULL);
    assert_int_equal(cccc_request(bed.client, "inbox_list", &args, &reply, &err), 0);
    assert_null(args);
    const msgpack_object *result = cccc_reply_result(reply);
    assert_text(result, "actor_id", "peer-1");
    assert_text(result, "by", "foreman");
    assert_null(cccc_field(result, "kind_filter"));
    assert_int_equal(cccc_field(result, "limit")->via.i64, -5);
    cccc_reply_free(&reply);
    assert_null(reply);
    bed_close(&bed);
}

/* Text that is not UTF-8, wherever it stands, is refused at once and by name: nothing is sent, nobody waits for an answer that cannot come. */
static void text_that_is_not_utf8_is_refused_at_once(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    struct fake_counts before, after;
    bed_open(&bed, 600000, NULL);
    fake_counts(bed.fake, &before);
    static const char *const bad[] = {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const list[] = {"lead", bad[i]};
        msgpack_object inner = {.type = MSGPACK_OBJECT_STR, .via.str = {.size = (uint32_t)strlen(bad[i]), .ptr = bad[i]}};
        msgpack_object outer = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = 1, .ptr = &inner}};
        for (int way = 0; way < 4; way++) {
            cccc_args_t *args = send_args(way == 0 ? bad[i] : "fine");
            if (way == 1)
                cccc_args_strs(args, "to", list, 2);
            if (way == 2)
                cccc_args_value(args, "refs", &outer);
            if (way == 3)
                cccc_args_str(args, bad[i], "fine");
            static const char *const names[] = {" text ", " to ", " refs ", " ? "};
            assert_int_equal(cccc_request(bed.client, "send", &args, NULL, &err), -1);
            assert_string_equal(err.code, "invalid_request");
            assert_string_equal(err.outcome, "not_stored");
            assert_non_null(strstr(err.message, names[way]));
            assert_non_null(strstr(err.message, "UTF-8"));
        }
        struct cccc_filter filter = {.group_id = FAKE_GROUP, .by = bad[i]};
        cccc_follow_t *follower = NULL;
        assert_int_equal(cccc_follow_open(bed.client, &filter, &follower, &err), -1);
        assert_non_null(strstr(err.message, "UTF-8"));
    }
    fake_counts(bed.fake, &after);
    assert_int_equal(after.requests, before.requests);
    assert_int_equal(cccc_open_requests(bed.client), 0);
    bed_close(&bed);
}

/* In ledger_read `by` filters: the option's speaker must not narrow what is read. */
static void the_speaker_is_no_filter(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    cccc_reply_t *reply = NULL;
    bed_open(&bed, 0, "peer-2");
    fake_append(bed.fake, 50, false);
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", FAKE_GROUP);
    cccc_args_uint(args, "after_seq", 0);
    assert_int_equal(cccc_request(bed.client, "ledger_read", &args, &reply, &err), 0);
    assert_int_equal(cccc_field(cccc_reply_result(reply), "events")->via.array.size, 50);
    cccc_reply_free(&reply);
    bed_close(&bed);
}

/* An error of the daemon keeps its word, message and exit status. */
static void an_error_keeps_its_word(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    bed_open(&bed, 0, NULL);
    fake_delete_group(bed.fake);
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", FAKE_GROUP);
    assert_int_equal(cccc_request(bed.client, "ledger_read", &args, NULL, &err), -1);
    assert_string_equal(err.code, "group_not_found");
    assert_string_equal(err.message, "the fake broker says so");
    assert_int_equal(err.exit_status, 3);
    bed_close(&bed);
}

/* Every message of a batch that has no client_id gets one of its own; given ones stay. */
static void batch_items_get_client_ids(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    cccc_reply_t *reply = NULL;
    bed_open(&bed, 0, NULL);
    msgpack_object_kv pairs[] = {
        {.key = {.type = MSGPACK_OBJECT_STR, .via.str = {4, "text"}}, .val = {.type = MSGPACK_OBJECT_STR, .via.str = {2, "hi"}}},
        {.key = {.type = MSGPACK_OBJECT_STR, .via.str = {9, "client_id"}}, .val = {.type = MSGPACK_OBJECT_STR, .via.str = {4, "mine"}}}};
    msgpack_object items[3];
    for (int i = 0; i < 3; i++)
        items[i] = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {i == 1 ? 2 : 1, pairs}};
    msgpack_object messages = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {3, items}};
    cccc_args_t *args = cccc_args_new();
    cccc_args_value(args, "messages", &messages);
    cccc_args_str(args, "group_id", FAKE_GROUP);
    assert_int_equal(cccc_request(bed.client, "send_batch", &args, &reply, &err), 0);
    const msgpack_object *sent = cccc_field(cccc_reply_result(reply), "messages");
    assert_int_equal(sent->via.array.size, 3);
    assert_text(&sent->via.array.ptr[1], "client_id", "mine");
    const msgpack_object *first = cccc_field(&sent->via.array.ptr[0], "client_id");
    const msgpack_object *third = cccc_field(&sent->via.array.ptr[2], "client_id");
    assert_non_null(first);
    assert_non_null(third);
    assert_false(msgpack_object_equal(*first, *third));
    cccc_reply_free(&reply);
    bed_close(&bed);
}

static void send_returns_id_and_seq(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    char id[33];
    uint64_t seq;
    bed_open(&bed, 0, NULL);
    assert_int_equal(cccc_send(bed.client, FAKE_GROUP, "hello", (const char *[]){"user", "peer-1"}, 2, id, &seq, &err), 0);
    assert_int_equal(seq, 1);
    assert_int_equal(strlen(id), 32);
    bed_close(&bed);
}

/* ---- pipelines ---- */

struct tally {
    cccc_t *client;
    uint32_t good, bad, nested;
    struct cccc_error last;
};

static void count_done(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct tally *tally = arg;
    assert_true((reply == NULL) != (err == NULL));
    tally->good += reply != NULL;
    tally->bad += err != NULL;
    if (err)
        tally->last = *err;
}

static void send_many(cccc_t *client, uint32_t count, struct tally *tally)
{
    struct cccc_error err;
    for (uint32_t i = 0; i < count; i++) {
        cccc_args_t *args = send_args("many");
        if (cccc_request_async(client, "send", &args, count_done, tally, &err) != 0)
            fail_msg("%s: %s", err.code, err.message);
    }
}

static void pump_all(cccc_t *client)
{
    while (cccc_open_requests(client) > 0)
        cccc_pump(client, -1, NULL);
}

/* The daemon dies between storing and answering, again and again: every send is answered, and is in the ledger once. */
static void a_send_is_stored_once_though_the_daemon_dies(void **state)
{
    (void)state;
    struct bed bed;
    struct tally tally = {0};
    bed_open(&bed, 0, NULL);
    for (uint32_t round = 0; round < 5; round++) {
        fake_die_after_send(bed.fake, 30 + round * 17);
        send_many(bed.client, 200, &tally);
        pump_all(bed.client);
    }
    assert_int_equal(tally.good, 1000);
    assert_int_equal(fake_head(bed.fake), 1000);
    struct fake_counts counts;
    fake_counts(bed.fake, &counts);
    assert_int_equal(counts.starts, 6);
    assert_true(counts.duplicates > 0);
    bed_close(&bed);
}

/* The 10,001st open request is refused, before anything is sent. */
static void open_requests_are_bounded(void **state)
{
    (void)state;
    struct bed bed;
    struct tally tally = {0};
    struct cccc_error err;
    bed_open(&bed, 0, NULL);
    fake_ignore(bed.fake, NULL);
    send_many(bed.client, 10000, &tally);
    cccc_args_t *args = send_args("one more");
    assert_int_equal(cccc_request_async(bed.client, "send", &args, count_done, &tally, &err), -1);
    assert_null(args);
    assert_string_equal(err.code, "busy");
    assert_string_equal(err.outcome, "not_stored");
    assert_int_equal(cccc_open_requests(bed.client), 10000);
    assert_int_equal(cccc_pump(bed.client, 0, NULL), 0);
    bed_close(&bed);
}

static void too_large_is_refused_here(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    bed_open(&bed, 0, NULL);
    size_t len = 3 * 1024 * 1024;
    char *text = calloc(1, len + 1);
    memset(text, 'x', len);
    cccc_args_t *args = send_args(text);
    free(text);
    assert_int_equal(cccc_request(bed.client, "send", &args, NULL, &err), -1);
    assert_string_equal(err.code, "too_large");
    assert_non_null(strstr(err.message, "blob_put"));
    bed_close(&bed);
}

static void ask_further(void *arg, const cccc_reply_t *reply, const struct cccc_error *err)
{
    struct tally *tally = arg;
    assert_non_null(reply);
    assert_null(err);
    struct cccc_error inner;
    if (cccc_request(tally->client, "ping", NULL, NULL, &inner) != 0)
        fail_msg("%s: %s", inner.code, inner.message);
    if (++tally->nested < 50) {
        cccc_args_t *args = send_args("further");
        assert_int_equal(cccc_request_async(tally->client, "send", &args, ask_further, tally, &inner), 0);
    }
}

/* A function called for an answer may itself ask, and wait, also while the daemon restarts. */
static void callbacks_may_ask_further(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    bed_open(&bed, 0, NULL);
    struct tally tally = {.client = bed.client};
    fake_die_after_send(bed.fake, 25);
    for (int i = 0; i < 4; i++) {
        cccc_args_t *args = send_args("first");
        assert_int_equal(cccc_request_async(bed.client, "send", &args, ask_further, &tally, &err), 0);
    }
    pump_all(bed.client);
    assert_true(tally.nested >= 50);
    bed_close(&bed);
}

/* ---- a daemon that goes away ---- */

/* What must not be done twice is not sent twice: the caller is told that nobody knows. */
static void an_unrepeatable_request_ends_unknown(void **state)
{
    (void)state;
    struct bed bed;
    struct tally tally = {0};
    struct cccc_error err;
    bed_open(&bed, 0, NULL);
    fake_ignore(bed.fake, "group_stop");
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", FAKE_GROUP);
    assert_int_equal(cccc_request_async(bed.client, "group_stop", &args, count_done, &tally, &err), 0);
    assert_int_equal(cccc_request(bed.client, "ping", NULL, NULL, &err), 0);
    fake_restart(bed.fake);
    pump_all(bed.client);
    assert_int_equal(tally.bad, 1);
    assert_string_equal(tally.last.code, "daemon_unreachable");
    assert_string_equal(tally.last.outcome, "unknown");
    assert_int_equal(cccc_request(bed.client, "ping", NULL, NULL, &err), 0);
    bed_close(&bed);
}

/* Asked while nobody is there: answered when the daemon is back, and also for what may not be repeated, since nothing was sent yet. */
static void a_request_waits_for_the_daemon(void **state)
{
    (void)state;
    struct bed bed;
    struct tally tally = {0};
    struct cccc_error err;
    bed_open(&bed, 0, NULL);
    fake_leave(bed.fake);
    send_many(bed.client, 10, &tally);
    cccc_pump(bed.client, 50, NULL); /* notices */
    cccc_args_t *args = cccc_args_new();
    cccc_args_str(args, "group_id", FAKE_GROUP);
    assert_int_equal(cccc_request_async(bed.client, "group_stop", &args, count_done, &tally, &err), 0);
    fake_return(bed.fake);
    pump_all(bed.client);
    assert_int_equal(tally.good, 11);
    bed_close(&bed);
}

/* A daemon that does not come back: said when the time is over, with what is known of the outcome. */
static void waiting_for_the_daemon_ends_with_the_time_out(void **state)
{
    (void)state;
    struct bed bed;
    struct tally tally = {0};
    struct cccc_error err;
    bed_open(&bed, 400, NULL);
    fake_ignore(bed.fake, "send");
    send_many(bed.client, 1, &tally);
    assert_int_equal(cccc_request(bed.client, "ping", NULL, NULL, &err), 0);
    fake_leave(bed.fake);
    pump_all(bed.client);
    assert_string_equal(tally.last.code, "daemon_unreachable");
    assert_string_equal(tally.last.outcome, "unknown");
    assert_int_equal(cccc_request(bed.client, "ping", NULL, NULL, &err), -1);
    assert_string_equal(err.code, "daemon_unreachable");
    assert_string_equal(err.outcome, "not_stored");
    fake_return(bed.fake);
    bed_close(&bed);
}

/* No answer from a daemon that is there: time-out, outcome unknown, and a late answer to it disturbs nobody. */
static void no_answer_is_a_time_out_with_unknown_outcome(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    bed_open(&bed, 200, NULL);
    fake_ignore(bed.fake, "send");
    cccc_args_t *args = send_args("into the void");
    assert_int_equal(cccc_request(bed.client, "send", &args, NULL, &err), -1);
    assert_string_equal(err.code, "timeout");
    assert_string_equal(err.outcome, "unknown");
    assert_int_equal(err.exit_status, 7);
    assert_int_equal(cccc_request(bed.client, "ping", NULL, NULL, &err), 0);
    bed_close(&bed);
}

/* The old daemon is still connected but silent, and the descriptor names another: the request goes there. */
static void a_silent_daemon_that_was_replaced_is_left(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    char other_home[256], from[400], to[400];
    bed_open(&bed, 0, NULL);
    fake_ignore(bed.fake, NULL);
    scratch_make(other_home);
    fake_broker_t *other = fake_start(other_home, &(struct fake_options){.seed = 2});
    snprintf(from, sizeof from, "%s/daemon/ccccd.addr.json", other_home);
    snprintf(to, sizeof to, "%s/daemon/ccccd.addr.json", bed.home);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(cccc_request(bed.client, "ping", NULL, NULL, &err), 0);
    fake_stop(&other);
    scratch_remove(other_home);
    bed_close(&bed);
}

static void noticed(int signal)
{
    (void)signal;
}

/* A signal handler ends the waiting of pump and next, so that programs can look at their flags; requests go on. */
static void a_signal_ends_waiting_but_no_request(void **state)
{
    (void)state;
    struct bed bed;
    struct cccc_error err;
    struct tally tally = {0};
    struct cccc_item item;
    cccc_follow_t *follow = NULL;
    bed_open(&bed, 1000, NULL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = noticed}, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 50000}, .it_interval = {.tv_usec = 50000}}, NULL);
    assert_int_equal(cccc_follow_open(bed.client, &(struct cccc_filter){.group_id = FAKE_GROUP}, &follow, &err), 0);
    while (cccc_follow_next(follow, &item, -1, &err) == 1)
        continue;
    cccc_follow_close(&follow);
    fake_ignore(bed.fake, "send");
    send_many(bed.client, 1, &tally);
    assert_int_equal(cccc_pump(bed.client, -1, NULL), 0);
    cccc_args_t *args = send_args("slow");
    assert_int_equal(cccc_request(bed.client, "send", &args, NULL, &err), -1);
    assert_string_equal(err.code, "timeout");
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    bed_close(&bed);
}

/* ---- values ---- */

static void json_of_bytes_is_base64(void **state)
{
    (void)state;
    msgpack_object_kv pair = {.key = {.type = MSGPACK_OBJECT_STR, .via.str = {4, "data"}},
                              .val = {.type = MSGPACK_OBJECT_BIN, .via.bin = {3, "\x01\x02\xff"}}};
    msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    char *json = cccc_to_json(&map);
    assert_string_equal(json, "{\"data\":\"AQL/\"}");
    free(json);
}

int main(void)
{
    unsetenv("CCCC_HOME");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_daemon_is_said_with_what_to_do),
        cmocka_unit_test(a_daemon_that_is_dying_is_no_daemon),
        cmocka_unit_test(the_home_is_option_then_variable_then_default),
        cmocka_unit_test(arguments_arrive_as_given),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_at_once),
        cmocka_unit_test(the_speaker_is_no_filter),
        cmocka_unit_test(an_error_keeps_its_word),
        cmocka_unit_test(batch_items_get_client_ids),
        cmocka_unit_test(send_returns_id_and_seq),
        cmocka_unit_test(a_send_is_stored_once_though_the_daemon_dies),
        cmocka_unit_test(open_requests_are_bounded),
        cmocka_unit_test(too_large_is_refused_here),
        cmocka_unit_test(callbacks_may_ask_further),
        cmocka_unit_test(an_unrepeatable_request_ends_unknown),
        cmocka_unit_test(a_request_waits_for_the_daemon),
        cmocka_unit_test(waiting_for_the_daemon_ends_with_the_time_out),
        cmocka_unit_test(no_answer_is_a_time_out_with_unknown_outcome),
        cmocka_unit_test(a_silent_daemon_that_was_replaced_is_left),
        cmocka_unit_test(a_signal_ends_waiting_but_no_request),
        cmocka_unit_test(json_of_bytes_is_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
