/* test_history.c - random histories of sends, replies, reads and configuration, with lost writes, refolds and restarts in between.
 *
 * After each history: the fold of the ledger, from nothing, is the live state (I11); unread is what a naive recomputation gives; no cursor ever moved
 * back (I9); what is owed is what a naive recomputation gives; a recall wins over nobody who had taken the message; a client_id stands for one event (I5); what was acknowledged is in the ledger (I1); every request was answered once.
 * `test_core_history --seed N [--histories N] [--steps N]` repeats or extends. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t first_seed = 1, histories = 60, steps = 150;

#define GROUPS    2
#define ACTORS    4
#define CLIENTS   6
#define ACKED_MAX 4096

struct acked {
    uint32_t group;
    uint64_t seq;
    const char *id;
};

struct world {
    bench_t *b;
    uint64_t seed, random;
    const char *groups[GROUPS];
    struct acked acked[ACKED_MAX];
    uint32_t acked_count;
    uint64_t next_conn, open[64]; /* connections with an unanswered request */
    uint32_t open_count;
    cccc_value_t cursors[GROUPS]; /* the readers when last looked at */
};

static const char *const speakers[] = {"user", "ann", "bob", "cleo", "svc:mail"};
static const char *const actors[ACTORS] = {"ann", "bob", "cleo", "dave"};
static const char *const lists[] = {"['@all']",       "['@peers']", "['@foreman']", "['ann']",   "['bob','user']",
                                    "['cleo','ann']", "[]",         "['dave']",     "['nobody']"};

static uint64_t roll(struct world *w, uint64_t sides)
{
    uint64_t z = (w->random += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % sides;
}

static const char *any_group(struct world *w)
{
    return w->groups[roll(w, GROUPS)];
}

/* ---- what is answered ---- */

static void note_event(struct world *w, const cccc_value_t *event)
{
    if (!cccc_is_map(event) || w->acked_count == ACKED_MAX)
        return;
    struct acked *acked = &w->acked[w->acked_count++];
    cccc_str_t group_id = cccc_get_str(event, "group_id");
    acked->group = cccc_str_is(group_id, w->groups[0]) ? 0 : 1;
    acked->seq = cccc_get_uint(event, "seq", 0);
    acked->id = bench_str_at(w->b, event, "id");
}

static void take_replies(struct world *w)
{
    for (uint32_t i = 0; i < w->open_count;) {
        const cccc_value_t *reply = bench_reply(w->b, w->open[i]);
        if (!reply) {
            i++;
            continue;
        }
        static const char *const members[] = {"event", "ack_event", "src_event", "dst_event"};
        for (size_t m = 0; m < 4; m++)
            note_event(w, cccc_get(cccc_get(reply, "result"), members[m]));
        if (bench_reply(w->b, w->open[i]))
            fail_msg("answered twice");
        w->open[i] = w->open[--w->open_count];
    }
}

static uint64_t conn(struct world *w)
{
    take_replies(w);
    if (w->open_count == 64)
        bench_settle(w->b);
    take_replies(w);
    assert_true(w->open_count < 64);
    w->open[w->open_count++] = ++w->next_conn;
    return w->next_conn;
}

/* ---- what happens ---- */

static const char *client_id(struct world *w)
{
    static char text[64];
    uint64_t n = roll(w, CLIENTS * 2);
    text[0] = '\0';
    if (n < CLIENTS)
        snprintf(text, sizeof text, ",'client_id':'k%llu'", (unsigned long long)n);
    return text;
}

static void do_send(struct world *w)
{
    const char *group = any_group(w), *by = speakers[roll(w, 5)], *to = lists[roll(w, 9)];
    bench_request(w->b, conn(w), "send", "{'group_id':'%s','text':'t%llu','by':'%s','to':%s,'priority':'%s','reply_required':%s%s}", group,
                  (unsigned long long)roll(w, 2), by, to, roll(w, 2) ? "normal" : "attention", roll(w, 2) ? "true" : "false", client_id(w));
}

static void do_batch(struct world *w)
{
    const char *first = cccc_arena_str(bench_arena(w->b), cccc_str(client_id(w))).ptr;
    bench_request(w->b, conn(w), "send_batch", "{'group_id':'%s','by':'%s','messages':[{'text':'t0','to':%s%s},{'text':'t1','to':%s%s}]}",
                  any_group(w), speakers[roll(w, 5)], lists[roll(w, 9)], first, lists[roll(w, 9)], client_id(w));
}

static void do_cross(struct world *w)
{
    uint64_t from = roll(w, GROUPS);
    bench_request(w->b, conn(w), "send_cross_group", "{'group_id':'%s','dst_group_id':'%s','text':'x','by':'%s','to':%s%s}",
                  w->groups[from], w->groups[1 - from], speakers[roll(w, 5)], lists[roll(w, 9)], client_id(w));
}

static const char *any_event(struct world *w, const char *group)
{
    struct cccc_event event;
    uint64_t head = bench_durable(w->b, group);
    if (head == 0 || !bench_event(w->b, group, 1 + roll(w, head), &event))
        return "018bcfe568030000000001ffffffffff";
    return cccc_arena_str(bench_arena(w->b), event.id).ptr;
}

static void do_reply(struct world *w)
{
    const char *group = any_group(w);
    bench_request(w->b, conn(w), "reply", "{'group_id':'%s','reply_to':'%s','text':'r','by':'%s'%s}", group, any_event(w, group),
                  speakers[roll(w, 5)], client_id(w));
}

static void do_ack(struct world *w)
{
    const char *group = any_group(w);
    bench_request(w->b, conn(w), "chat_ack", "{'group_id':'%s','actor_id':'%s','event_id':'%s'}", group, speakers[roll(w, 4)],
                  any_event(w, group));
}

static void do_cancel(struct world *w)
{
    const char *group = any_group(w);
    bench_request(w->b, conn(w), "reply_cancel", "{'group_id':'%s','event_id':'%s','by':'%s'%s}", group, any_event(w, group),
                  speakers[roll(w, 4)], roll(w, 2) ? "" : ",'actor_ids':['ann','user']");
}

static void do_recall(struct world *w)
{
    const char *group = any_group(w);
    bench_request(w->b, conn(w), "recall", "{'group_id':'%s','event_id':'%s','by':'%s'}", group, any_event(w, group),
                  roll(w, 2) ? "user" : speakers[roll(w, 4)]);
}

static void do_expiring(struct world *w)
{
    bench_request(w->b, conn(w), "send", "{'group_id':'%s','text':'e','to':%s,'reply_required':true,'expires_seconds':%u}", any_group(w),
                  lists[roll(w, 9)], 1 + (unsigned)roll(w, 20));
}

static void do_notify(struct world *w)
{
    bench_request(w->b, conn(w), "system_notify", "{'group_id':'%s','title':'n','requires_ack':%s,'target_actor_id':'%s'}", any_group(w),
                  roll(w, 2) ? "true" : "false", roll(w, 2) ? "" : actors[roll(w, ACTORS)]);
}

static void do_notify_ack(struct world *w)
{
    const char *group = any_group(w);
    bench_request(w->b, conn(w), "notify_ack", "{'group_id':'%s','actor_id':'%s','notify_event_id':'%s'}", group, actors[roll(w, ACTORS)],
                  any_event(w, group));
}

static void do_mark(struct world *w)
{
    /* Several at once, in any order: some move a cursor that another one, still on its way to the disk, has moved further. */
    const char *group = any_group(w), *reader = speakers[roll(w, 4)];
    for (uint64_t n = roll(w, 4); n > 0; n--) {
        bench_request(w->b, conn(w), "inbox_mark_read", "{'group_id':'%s','actor_id':'%s','by':'%s','event_id':'%s'}", group, reader,
                      roll(w, 2) ? reader : "user", any_event(w, group));
        bench_finish_read(w->b);
    }
}

static void do_mark_all(struct world *w)
{
    static const char *const filters[] = {"all", "chat", "notify"};
    bench_request(w->b, conn(w), "inbox_mark_all_read", "{'group_id':'%s','actor_id':'%s','kind_filter':'%s'}", any_group(w),
                  speakers[roll(w, 4)], filters[roll(w, 3)]);
}

static void do_actor(struct world *w)
{
    const char *group = any_group(w), *actor = actors[roll(w, ACTORS)];
    uint64_t what = roll(w, 4);
    if (what == 0)
        bench_request(w->b, conn(w), "actor_remove", "{'group_id':'%s','actor_id':'%s'}", group, actor);
    else if (what == 1)
        bench_request(w->b, conn(w), "actor_update", "{'group_id':'%s','actor_id':'%s','patch':{'enabled':%s}}", group, actor,
                      roll(w, 2) ? "true" : "false");
    else
        bench_request(w->b, conn(w), "actor_add",
                      "{'group_id':'%s','actor_id':'%s','runtime':'custom','runner':'headless','command':['cat']}", group, actor);
}

static void do_state(struct world *w)
{
    static const char *const states[] = {"idle", "idle", "active", "paused"};
    bench_request(w->b, conn(w), "group_set_state", "{'group_id':'%s','state':'%s'}", any_group(w), states[roll(w, 4)]);
}

static void do_sync(struct world *w)
{
    bench_sync(w->b, roll(w, 2) ? any_group(w) : NULL, (uint32_t)(1 + roll(w, 4)));
}

static void do_work(struct world *w)
{
    if (roll(w, 2))
        bench_finish_read(w->b);
    else
        bench_finish_store(w->b);
}

static void do_fail(struct world *w)
{
    if (roll(w, 3) == 0)
        bench_fail(w->b, any_group(w), CCCC_E_NO_SPACE, false, 0, false);
    else
        bench_fail(w->b, any_group(w), CCCC_E_STORAGE, true, (uint32_t)roll(w, 3), true);
    if (roll(w, 2))
        bench_refold(w->b);
}

static void do_gone(struct world *w)
{
    take_replies(w);
    if (w->open_count == 0)
        return;
    uint32_t at = (uint32_t)roll(w, w->open_count);
    bench_gone(w->b, w->open[at]);
    w->open[at] = w->open[--w->open_count];
}

static void do_restart(struct world *w)
{
    take_replies(w);
    w->open_count = 0;
    bench_restart(w->b);
}

static void do_pass(struct world *w)
{
    bench_pass(w->b, (uint32_t)(1 + roll(w, 12)));
}

typedef void (*happening)(struct world *w);
static const happening happenings[] = {
    do_send,  do_send,   do_send,   do_send,     do_batch, do_cross, do_reply, do_reply,  do_mark,   do_mark,       do_mark_all,
    do_actor, do_state,  do_sync,   do_sync,     do_sync,  do_work,  do_work,  do_work,   do_fail,   do_gone,       do_restart,
    do_pass,  do_recall, do_recall, do_expiring, do_ack,   do_ack,   do_ack,   do_cancel, do_notify, do_notify_ack, do_reply};

/* ---- what must hold ---- */

static bool names(const cccc_value_t *array, const char *word)
{
    for (uint32_t i = 0; cccc_is_array(array) && i < array->via.array.size; i++) {
        cccc_str_t s;
        if (cccc_as_str(&array->via.array.ptr[i], &s) && cccc_str_is(s, word))
            return true;
    }
    return false;
}

#define OWED_MAX 8192

/* What is owed, computed anew and naively: every (event, debtor) that was ever opened, and whether it is still. */
struct owed {
    const char *event_id, *asker, *debtor;
    bool reply, ack, notice;
};

struct owing {
    struct world *w;
    struct owed *owed;
    uint32_t count;
};

static const char *kept(struct owing *o, cccc_str_t s)
{
    return cccc_arena_str(bench_arena(o->w->b), s).ptr;
}

static void owing_open(struct owing *o, const struct cccc_event *event)
{
    const cccc_value_t *data = &event->data, *audience = cccc_get(data, "audience");
    bool notice = cccc_get_bool(data, "requires_ack", false), reply = cccc_get_bool(data, "reply_required", false);
    bool ack = cccc_str_is(cccc_get_str(data, "priority"), "attention") && !cccc_str_is(event->kind, "system.notify");
    if (cccc_get_str(data, "dst_group_id").len > 0 || !(notice || reply || ack))
        return;
    for (uint32_t i = 0; i < audience->via.array.size && o->count < OWED_MAX; i++) {
        cccc_str_t id = CCCC_STR("");
        cccc_as_str(&audience->via.array.ptr[i], &id);
        if (!cccc_str_is(id, "user") || names(cccc_get(data, "to"), "user"))
            o->owed[o->count++] = (struct owed){kept(o, event->id), kept(o, event->by), kept(o, id), reply, ack, notice};
    }
}

static void owing_close(struct owing *o, cccc_str_t debtor, cccc_str_t event_id, bool reply, bool ack, bool notice)
{
    for (uint32_t i = 0; i < o->count; i++) {
        struct owed *owed = &o->owed[i];
        if (!cccc_str_is(debtor, owed->debtor) || !cccc_str_is(event_id, owed->event_id))
            continue;
        owed->reply &= !reply;
        owed->ack &= !ack;
        owed->notice &= !notice;
    }
}

static void owing_leave(struct owing *o, cccc_str_t id)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (cccc_str_is(id, o->owed[i].debtor) || cccc_str_is(id, o->owed[i].asker))
            o->owed[i].reply = o->owed[i].ack = o->owed[i].notice = false;
}

static void owing_apply(struct owing *o, const struct cccc_event *event)
{
    const cccc_value_t *data = &event->data, *ids = cccc_get(data, "actor_ids");
    cccc_str_t actor = cccc_get_str(data, "actor_id"), id = cccc_get_str(data, "event_id");
    if (cccc_str_is(event->kind, "chat.message") || cccc_str_is(event->kind, "system.notify"))
        owing_open(o, event);
    if (cccc_str_is(event->kind, "chat.message"))
        owing_close(o, event->by, cccc_get_str(data, "reply_to"), true, true, true);
    if (cccc_str_is(event->kind, "chat.ack"))
        owing_close(o, actor, id, false, true, false);
    if (cccc_str_is(event->kind, "system.notify_ack"))
        owing_close(o, actor, cccc_get_str(data, "notify_event_id"), false, false, true);
    if (cccc_str_is(event->kind, "actor.remove"))
        owing_leave(o, actor);
    bool ends = cccc_str_is(event->kind, "chat.cancel") || cccc_str_is(event->kind, "chat.recall");
    for (uint32_t i = 0; ends && i < ids->via.array.size; i++)
        if (cccc_as_str(&ids->via.array.ptr[i], &actor))
            owing_close(o, actor, id, true, true, true);
}

static bool owing_has(const struct owing *o, const cccc_value_t *row)
{
    for (uint32_t i = 0; i < o->count; i++) {
        const struct owed *owed = &o->owed[i];
        const cccc_value_t *owes = cccc_get(row, "owes");
        if (cccc_str_is(cccc_get_str(row, "event_id"), owed->event_id) && cccc_str_is(cccc_get_str(row, "actor_id"), owed->debtor))
            return names(owes, "reply") == owed->reply && names(owes, "ack") == (owed->ack || owed->notice);
    }
    return false;
}

/* Obligations are opened and closed by events alone, as the naive count says: none is closed by reading, none opens again, none stays behind. */
static void check_owed(struct world *w, const char *group, const cccc_value_t *dump)
{
    struct owing o = {.w = w, .owed = calloc(OWED_MAX, sizeof *o.owed)};
    const cccc_value_t *rows = cccc_get(dump, "obligations");
    struct cccc_event event;
    uint32_t open = 0;
    assert_non_null(o.owed);
    for (uint64_t seq = 1; bench_event(w->b, group, seq, &event); seq++)
        owing_apply(&o, &event);
    for (uint32_t i = 0; i < o.count; i++)
        open += o.owed[i].reply || o.owed[i].ack || o.owed[i].notice;
    if (open != rows->via.array.size)
        fail_msg("%s: %u obligations are open, the naive count is %u", group, rows->via.array.size, open);
    for (uint32_t i = 0; i < rows->via.array.size; i++)
        if (!owing_has(&o, &rows->via.array.ptr[i]))
            fail_msg("%s: not owed by the naive count: %s", group, bench_text(w->b, &rows->via.array.ptr[i]));
    free(o.owed);
}

struct naive {
    char id[32];
    uint64_t cursor[2];
    bool here;
};

static struct naive *naive_find(struct naive *readers, cccc_str_t id)
{
    for (int i = 0; i < 8; i++) {
        if (readers[i].here && cccc_str_is(id, readers[i].id))
            return &readers[i];
    }
    return NULL;
}

static void naive_join(struct naive *readers, cccc_str_t id, uint64_t seq)
{
    struct naive *reader = naive_find(readers, id);
    for (int i = 0; i < 8 && !reader; i++) {
        if (!readers[i].here)
            reader = &readers[i];
    }
    assert_non_null(reader);
    snprintf(reader->id, sizeof reader->id, "%.*s", CCCC_STR_FMT(id));
    reader->here = true;
    reader->cursor[0] = reader->cursor[1] = seq;
}

static void naive_apply(struct naive *readers, const struct cccc_event *event)
{
    const cccc_value_t *data = &event->data;
    if (cccc_str_is(event->kind, "actor.add")) {
        naive_join(readers, cccc_get_str(cccc_get(data, "actor"), "id"), event->seq);
    } else if (cccc_str_is(event->kind, "actor.remove")) {
        struct naive *reader = naive_find(readers, cccc_get_str(data, "actor_id"));
        if (reader)
            reader->here = false;
    } else if (cccc_str_is(event->kind, "chat.read")) {
        struct naive *reader = naive_find(readers, cccc_get_str(data, "actor_id"));
        for (int lane = 0; reader && lane < 2; lane++) {
            uint64_t seq = cccc_get_uint(data, "seq", 0);
            if (names(cccc_get(data, "lanes"), lane ? "notify" : "chat") && seq > reader->cursor[lane])
                reader->cursor[lane] = seq;
        }
    }
}

/* Was the message withdrawn from the reader? */
static bool is_recalled(struct world *w, const char *group, uint64_t message, const char *reader)
{
    struct cccc_event event;
    for (uint64_t seq = message + 1; bench_event(w->b, group, seq, &event); seq++)
        if (cccc_str_is(event.kind, "chat.recall") && cccc_get_uint(&event.data, "seq", 0) == message &&
            names(cccc_get(&event.data, "actor_ids"), reader))
            return true;
    return false;
}

/* Has `reader` taken the message, or left, by what this event says? */
static bool takes(const struct cccc_event *event, const struct cccc_event *message, cccc_str_t reader)
{
    const cccc_value_t *data = &event->data;
    bool own = cccc_str_eq(cccc_get_str(data, "actor_id"), reader);
    if (cccc_str_is(event->kind, "chat.message"))
        return cccc_str_eq(event->by, reader) && cccc_str_eq(cccc_get_str(data, "reply_to"), message->id);
    if (cccc_str_is(event->kind, "chat.ack"))
        return own && cccc_str_eq(cccc_get_str(data, "event_id"), message->id);
    if (cccc_str_is(event->kind, "actor.remove"))
        return own; /* by leaving it has it no more */
    if (cccc_str_is(event->kind, "chat.read"))
        return own && names(cccc_get(data, "lanes"), "chat") && cccc_get_uint(data, "seq", 0) >= message->seq;
    return cccc_str_is(event->kind, "chat.recall") && cccc_str_eq(cccc_get_str(data, "event_id"), message->id) &&
           names(cccc_get(data, "actor_ids"), reader.ptr);
}

/* A recall and taking have one winner: of whom a recall names, nothing stands before it in the ledger. */
static void check_recalls(struct world *w, const char *group)
{
    struct cccc_event recall, message, event;
    for (uint64_t at = 1; bench_event(w->b, group, at, &recall); at++) {
        const cccc_value_t *ids = cccc_get(&recall.data, "actor_ids");
        if (!cccc_str_is(recall.kind, "chat.recall"))
            continue;
        assert_true(bench_event(w->b, group, cccc_get_uint(&recall.data, "seq", 0), &message));
        for (uint32_t i = 0; i < ids->via.array.size; i++) {
            cccc_str_t id;
            assert_true(cccc_as_str(&ids->via.array.ptr[i], &id));
            id = cccc_arena_str(bench_arena(w->b), id);
            for (uint64_t seq = message.seq + 1; seq < at && bench_event(w->b, group, seq, &event); seq++)
                if (takes(&event, &message, id))
                    fail_msg("seed %llu: event %llu took message %llu before recall %llu won over %s", (unsigned long long)w->seed,
                             (unsigned long long)seq, (unsigned long long)message.seq, (unsigned long long)at, id.ptr);
        }
    }
}

/* Unread of every reader, computed anew from the whole ledger. */
static void check_unread(struct world *w, const char *group, const cccc_value_t *dump)
{
    struct naive readers[8] = {{.id = "user", .here = true}};
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(w->b, group, seq, &event); seq++)
        naive_apply(readers, &event);
    for (int i = 0; i < 8; i++) {
        if (!readers[i].here)
            continue;
        const cccc_value_t *lane = bench_at(cccc_get(cccc_get(dump, "readers"), readers[i].id), "chat");
        if (!lane)
            fail_msg("%s: no reader %s in %s", group, readers[i].id, bench_text(w->b, dump));
        const cccc_value_t *unread = cccc_get(lane, "unread");
        uint32_t n = 0;
        for (uint64_t seq = readers[i].cursor[0] + 1; bench_event(w->b, group, seq, &event); seq++) {
            if (!cccc_str_is(event.kind, "chat.message") || !names(cccc_get(&event.data, "audience"), readers[i].id) ||
                is_recalled(w, group, seq, readers[i].id))
                continue;
            if (n >= unread->via.array.size || unread->via.array.ptr[n++].via.u64 != seq)
                fail_msg("%s: %s does not have event %llu: %s", group, readers[i].id, (unsigned long long)seq, bench_text(w->b, lane));
        }
        assert_int_equal(n, unread->via.array.size);
        assert_int_equal(cccc_get_uint(lane, "seq", 99), readers[i].cursor[0]);
    }
}

static void check_cursors(struct world *w, uint32_t group, const cccc_value_t *dump)
{
    const cccc_value_t *readers = cccc_get(dump, "readers");
    for (uint32_t i = 0; i < readers->via.map.size; i++) {
        cccc_str_t id = {readers->via.map.ptr[i].key.via.str.ptr, readers->via.map.ptr[i].key.via.str.size};
        char path[64];
        for (int lane = 0; lane < 2; lane++) {
            snprintf(path, sizeof path, "%.*s.%s.seq", CCCC_STR_FMT(id), lane ? "notify" : "chat");
            uint64_t now = bench_uint_at(readers, path), before = bench_uint_at(&w->cursors[group], path);
            if (before != UINT64_MAX && now < before)
                fail_msg("the cursor %s moved back from %llu to %llu", path, (unsigned long long)before, (unsigned long long)now);
        }
    }
    w->cursors[group] = *readers;
}

static void check_client_ids(struct world *w, const char *group)
{
    struct cccc_event event, other;
    for (uint64_t seq = 1; bench_event(w->b, group, seq, &event); seq++) {
        cccc_str_t id = cccc_get_str(&event.data, "client_id");
        for (uint64_t later = seq + 1; id.len && bench_event(w->b, group, later, &other); later++) {
            if (cccc_str_eq(id, cccc_get_str(&other.data, "client_id")) && cccc_str_eq(event.by, other.by))
                fail_msg("client_id %.*s of %.*s has events %llu and %llu", CCCC_STR_FMT(id), CCCC_STR_FMT(event.by),
                         (unsigned long long)seq, (unsigned long long)later);
        }
    }
}

static void check_acked(struct world *w)
{
    for (uint32_t i = 0; i < w->acked_count; i++) {
        struct cccc_event event;
        if (!bench_event(w->b, w->groups[w->acked[i].group], w->acked[i].seq, &event) || !cccc_str_is(event.id, w->acked[i].id))
            fail_msg("event %s (seq %llu) was acknowledged and is not there", w->acked[i].id, (unsigned long long)w->acked[i].seq);
    }
}

/* Relays that were cut short are finished within seconds; then nothing may be left to do. */
static void come_to_rest(struct world *w)
{
    bench_settle(w->b);
    bench_pass(w->b, 15);
    bench_settle(w->b);
    take_replies(w);
    if (w->open_count > 0)
        fail_msg("%u requests were never answered", w->open_count);
    assert_true(cccc_core_is_quiet(bench_core(w->b)));
}

static void check(struct world *w)
{
    come_to_rest(w);
    for (uint32_t i = 0; i < GROUPS; i++) {
        cccc_value_t dump = bench_dump(w->b, w->groups[i]), anew = bench_refolded(w->b, w->groups[i], false);
        const char *difference = dumps_differ(w->b, &dump, &anew);
        if (difference)
            fail_msg("seed %llu: the fold is not the live state: %s", (unsigned long long)w->seed, difference);
        assert_fold_is_live(w->b, w->groups[i]);
        assert_saved_state_is_live(w->b, w->groups[i], false);
        check_unread(w, w->groups[i], &dump);
        check_owed(w, w->groups[i], &dump);
        check_recalls(w, w->groups[i]);
        check_cursors(w, i, &dump);
        check_client_ids(w, w->groups[i]);
        assert_json(w->b, cccc_get(&dump, "relays"), "[]");
    }
    check_acked(w);
}

static void begin(struct world *w, uint64_t seed)
{
    static const char *const quiet[] = {"append", "publish", "reply", "store",  "read",    "durable",
                                        ">",      "log",     "fail",  "refold", "restart", NULL};
    *w = (struct world){.b = bench_new(seed), .seed = seed, .random = seed};
    bench_quiet(w->b, quiet);
    for (int i = 0; i < GROUPS; i++) {
        const cccc_value_t *made = bench_do(w->b, "group_create", "{'title':'G%d'}", i);
        w->groups[i] = bench_str_at(w->b, made, "group_id");
        for (int a = 0; a < 3; a++)
            bench_do(w->b, "actor_add", "{'group_id':'%s','actor_id':'%s','runtime':'custom','runner':'headless','command':['cat']}",
                     w->groups[i], actors[a]);
        w->cursors[i] = cccc_nil();
    }
}

/* The whole of it, for every seed. */
static void any_history_keeps_the_invariants(void **state)
{
    (void)state;
    print_message("seeds %llu..%llu\n", (unsigned long long)first_seed, (unsigned long long)(first_seed + histories - 1));
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (uint64_t seed = first_seed; seed < first_seed + histories; seed++) {
        begin(w, seed);
        for (uint32_t step = 0; step < steps; step++) {
            happenings[roll(w, sizeof happenings / sizeof *happenings)](w);
            take_replies(w);
            if (step % 50 == 49)
                check(w);
        }
        check(w);
        bench_free(&w->b);
    }
    free(w);
}

int main(int argc, char **argv)
{
    team_options(argc, argv, (const char *const[]){"seed", "histories", "steps", NULL},
                 (uint64_t *const[]){&first_seed, &histories, &steps});
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_history_keeps_the_invariants)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
