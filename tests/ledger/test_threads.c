/* test_threads.c - the ledger as the broker uses it: one owner, a thread that commits and marks, a thread that reads, on a real disk.
 *
 * Built with the tsan preset it shows that what crosses threads is owned by one at a time. */
#include "broker/ledger/ledger.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS = 5000, BURST = 25 };

/* A place for one message, each way. */
struct desk {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    cccc_batch_t *batch, *batch_done;
    cccc_mark_t *mark, *mark_done;
    cccc_read_t *read, *read_done;
    bool over;
};

static struct desk desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Wait for `*slot` and take it, or NULL at the end. */
static void *take(void **slot, void **other)
{
    pthread_mutex_lock(&desk.lock);
    while (!*slot && !(other && *other) && !desk.over)
        pthread_cond_wait(&desk.changed, &desk.lock);
    void *message = *slot;
    *slot = NULL;
    pthread_mutex_unlock(&desk.lock);
    return message;
}

static void put(void **slot, void *message)
{
    pthread_mutex_lock(&desk.lock);
    *slot = message;
    pthread_cond_broadcast(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
}

static bool is_over(void)
{
    pthread_mutex_lock(&desk.lock);
    bool over = desk.over;
    pthread_mutex_unlock(&desk.lock);
    return over;
}

static void *committer(void *arg)
{
    (void)arg;
    for (;;) {
        cccc_batch_t *batch = take((void **)&desk.batch, (void **)&desk.mark);
        if (batch) {
            cccc_batch_commit(batch);
            put((void **)&desk.batch_done, batch);
            continue;
        }
        cccc_mark_t *mark = take((void **)&desk.mark, (void **)&desk.batch);
        if (mark) {
            cccc_mark_write(mark);
            put((void **)&desk.mark_done, mark);
        } else if (is_over()) {
            return NULL;
        }
    }
}

static void *reader(void *arg)
{
    (void)arg;
    cccc_read_t *read;
    while ((read = take((void **)&desk.read, NULL))) {
        cccc_read_run(read);
        put((void **)&desk.read_done, read);
    }
    return NULL;
}

static void append(cccc_ledger_t *ledger, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t seq = cccc_ledger_head(ledger) + 1;
        char id[33];
        cccc_event_id_make(id, 1700000000000u, seq, 1);
        msgpack_object_map none = {0};
        struct cccc_event event = {
            .id = cccc_str(id),
            .ts = CCCC_STR("2026-01-01T00:00:00.000000Z"),
            .seq = seq,
            .kind = CCCC_STR("chat.ack"),
            .group_id = CCCC_STR("g_000000000001"),
            .by = CCCC_STR("alice"),
            .attest = cccc_nil(),
            .data = {.type = MSGPACK_OBJECT_MAP, .via.map = none},
            .extra = cccc_nil(),
        };
        cccc_ledger_append(ledger, &event);
    }
}

/* What the owner keeps of the conversation. */
struct owner {
    cccc_ledger_t *ledger;
    bool batch_out, mark_out, read_out;
    uint64_t read_to;
};

/* Take in whatever has come back. */
static void take_in(struct owner *owner)
{
    pthread_mutex_lock(&desk.lock);
    cccc_batch_t *batch = desk.batch_done;
    cccc_mark_t *mark = desk.mark_done;
    cccc_read_t *read = desk.read_done;
    desk.batch_done = NULL;
    desk.mark_done = NULL;
    desk.read_done = NULL;
    pthread_mutex_unlock(&desk.lock);
    if (batch) {
        struct cccc_commit result;
        cccc_ledger_done(owner->ledger, &batch, &result);
        assert_int_equal(result.err, CCCC_OK);
        owner->batch_out = false;
    }
    if (mark) {
        cccc_ledger_mark_done(owner->ledger, &mark);
        owner->mark_out = false;
    }
    if (read) {
        const struct cccc_read_result *r = cccc_read_result(read);
        assert_int_equal(r->err, CCCC_OK);
        assert_int_equal(r->gap_count, 0);
        assert_int_equal(r->event_count, r->checked_seq - owner->read_to);
        owner->read_to = r->checked_seq;
        cccc_read_destroy(&read);
        owner->read_out = false;
    }
}

/* Give the threads whatever there is to do. */
static void hand_out(struct owner *owner)
{
    if (!owner->batch_out) {
        cccc_batch_t *batch = cccc_ledger_take(owner->ledger);
        owner->batch_out = batch != NULL;
        if (batch)
            put((void **)&desk.batch, batch);
    }
    if (!owner->mark_out) {
        cccc_mark_t *mark = cccc_ledger_take_mark(owner->ledger);
        owner->mark_out = mark != NULL;
        if (mark)
            put((void **)&desk.mark, mark);
    }
    if (!owner->read_out && owner->read_to < cccc_ledger_durable(owner->ledger)) {
        struct cccc_read_query q = {.mode = CCCC_READ_AFTER, .seq = owner->read_to, .limit = 300, .bytes_max = 1 << 20};
        owner->read_out = true;
        put((void **)&desk.read, cccc_ledger_plan_read(owner->ledger, &q));
    }
}

static void wait_for_anything(const struct owner *owner)
{
    pthread_mutex_lock(&desk.lock);
    while ((owner->batch_out || owner->mark_out || owner->read_out) && !desk.batch_done && !desk.mark_done && !desk.read_done)
        pthread_cond_wait(&desk.changed, &desk.lock);
    pthread_mutex_unlock(&desk.lock);
}

/* Every event appended by the owner is read back by another thread in order, while a third writes. */
static void owner_committer_and_reader_share_nothing(void **state)
{
    const char *home = *state;
    char group_dir[128];
    snprintf(group_dir, sizeof group_dir, "%s/g_000000000001", home);
    struct owner owner = {0};
    struct cccc_recovery report;
    struct cccc_errmsg m;
    pthread_t threads[2];
    assert_int_equal(
        cccc_ledger_open(&(struct cccc_ledger_options){.vfs = &cccc_vfs_posix, .group_dir = group_dir, .epoch = 1, .create = true},
                         &owner.ledger, &report, &m),
        CCCC_OK);
    assert_int_equal(pthread_create(&threads[0], NULL, committer, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, reader, NULL), 0);
    while (owner.read_to < EVENTS || owner.mark_out) {
        if (cccc_ledger_head(owner.ledger) < EVENTS)
            append(owner.ledger, BURST);
        hand_out(&owner);
        if (cccc_ledger_head(owner.ledger) >= EVENTS)
            wait_for_anything(&owner);
        take_in(&owner);
    }
    pthread_mutex_lock(&desk.lock);
    desk.over = true;
    pthread_cond_broadcast(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    cccc_ledger_close(&owner.ledger);
    struct cccc_verify_report verified;
    assert_int_equal(cccc_ledger_verify(&cccc_vfs_posix, group_dir, NULL, NULL, NULL, &verified, &m), CCCC_OK);
    assert_int_equal(verified.sound, EVENTS);
}

static int home_make(void **state)
{
    static char dir[64];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.40s/cccc-ledger-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int home_remove(void **state)
{
    static const char *const parts[] = {"/state/ledger/mark", "/state/ledger/ledger.lock", "/state/ledger", "/state", "/ledger.jsonl", ""};
    char path[128];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(path, sizeof path, "%s/g_000000000001%s", (const char *)*state, parts[i]);
        remove(path);
    }
    return remove(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(owner_committer_and_reader_share_nothing, home_make, home_remove),
    };
    return cmocka_run_group_tests_name("ledger threads", tests, NULL, NULL);
}
