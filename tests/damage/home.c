/* home.c - see home.h. */
#include "tests/damage/home.h"

#include "broker/ledger/mark.h"
#include "proto/json.h"
#include "proto/wire.h"

#include <stdlib.h>
#include <string.h>

const char *const file_kind_names[FILE_KINDS] = {"ledger", "sealed segments", "manifests", "bases", "group.yaml", "registry, active",
                                                 "blob",   "group.sum",       "caches"};

enum { OPERATOR_CONN = 1, RETIRED_GROUP = 2, LEGACY_GROUP = 4, UNOPENED_GROUP = 5 };

static const char *const actors[] = {"lead", "peer"};

/* ---- asking ---- */

struct talk {
    struct home *home;
    broker_t *broker;
    uint64_t last_id;
    cccc_arena_t *arena;
    cccc_value_t answer; /* the last reply, whole */
};

static void hear(void *arg, uint64_t conn, const char *bytes, size_t len)
{
    struct talk *talk = arg;
    (void)conn;
    struct cccc_errmsg m = {""};
    char *kept = cccc_arena_alloc(talk->arena, len);
    memcpy(kept, bytes, len);
    CCCC_ASSERT(cccc_msgpack_read(kept, len, CCCC_REPLY_BYTES_MAX, talk->arena, &talk->answer, &m) == CCCC_OK, "%s", m.text);
}

static void hear_nothing(void *arg, const char *topic, size_t topic_len, const char *bytes, size_t len)
{
    (void)arg;
    (void)topic;
    (void)topic_len;
    (void)bytes;
    (void)len;
}

/* Ask as the operator; `fmt` makes the arguments, JSON with ' for ". */
__attribute__((format(printf, 3, 4))) static const cccc_value_t *ask(struct talk *talk, const char *op, const char *fmt, ...)
{
    static char text[64 * 1024];
    static const struct cccc_peer peer = {.standing = CCCC_PEER_OPERATOR, .uid = 1000, .gid = 1000, .pid = 1};
    struct cccc_errmsg m = {""};
    cccc_value_t args;
    cccc_buf_t packed, frame;
    va_list list;
    va_start(list, fmt);
    int len = vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    for (char *quote = text; (quote = strchr(quote, '\''));)
        *quote = '"';
    CCCC_ASSERT(cccc_json_read(text, (size_t)len, talk->arena, &args, &m) == CCCC_OK, "%s: %s", m.text, text);
    cccc_buf_init(&packed);
    cccc_buf_init(&frame);
    cccc_pack_value(&packed, &args);
    cccc_request_write(&frame, ++talk->last_id, op, packed.data, packed.size);
    talk->answer = cccc_nil();
    broker_request(talk->broker, OPERATOR_CONN, &peer, frame.data, frame.size);
    broker_settle(talk->broker);
    cccc_buf_fini(&packed);
    cccc_buf_fini(&frame);
    CCCC_ASSERT(cccc_is_map(&talk->answer), "%s is not answered", op);
    return cccc_get(&talk->answer, "result");
}

/* The same when it must succeed. */
#define DO(talk, ...) must(talk, ask(talk, __VA_ARGS__))

static const cccc_value_t *must(struct talk *talk, const cccc_value_t *result)
{
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_json_write(&talk->answer, &text);
    CCCC_ASSERT(cccc_get_bool(&talk->answer, "ok", false), "refused: %.*s", (int)text.size, text.data);
    cccc_buf_fini(&text);
    return result;
}

static bool start(struct talk *talk, struct home *home)
{
    *talk = (struct talk){.home = home, .arena = cccc_arena_new(256 * 1024)};
    talk->broker = broker_start(&home->sim, &(struct broker_ears){.arg = talk, .reply = hear, .publication = hear_nothing});
    if (talk->broker)
        broker_settle(talk->broker);
    return talk->broker != NULL;
}

static void stop(struct talk *talk)
{
    if (talk->broker)
        broker_stop(&talk->broker);
    cccc_arena_destroy(&talk->arena);
}

/* ---- making it ---- */

static void say(struct talk *talk, int group, unsigned count, unsigned longest)
{
    char text[36 * 1024];
    const char *id = talk->home->groups[group];
    for (unsigned i = 0; i < count; i++) {
        size_t len = 1 + (i * 37) % longest;
        memset(text, 'a' + (int)(i % 26), len);
        text[len] = '\0';
        const cccc_value_t *result = DO(talk, "send", "{'group_id':'%s','text':'%s','to':['%s'],'client_id':'c%u'}", id, text,
                                        i % 4 ? actors[i % 2] : "@all", talk->home->said++);
        char event[33];
        cccc_str_t event_id = cccc_get_str(cccc_get(result, "event"), "id");
        snprintf(event, sizeof event, "%.*s", CCCC_STR_FMT(event_id));
        if (i % 5 == 4)
            DO(talk, "inbox_mark_read", "{'group_id':'%s','actor_id':'%s','event_id':'%s'}", id, i % 4 ? actors[i % 2] : "lead", event);
    }
}

static void make_group(struct talk *talk, int group, unsigned messages)
{
    char *id = talk->home->groups[group];
    const cccc_value_t *made = DO(talk, "group_create", "{'title':'team %d'}", group);
    snprintf(id, sizeof talk->home->groups[group], "%.*s", CCCC_STR_FMT(cccc_get_str(made, "group_id")));
    for (unsigned i = 0; i < sizeof actors / sizeof *actors; i++)
        DO(talk, "actor_add", "{'group_id':'%s','actor_id':'%s','runner':'headless','runtime':'custom'}", id, actors[i]);
    DO(talk, "attach", "{'path':'/src/p%d','group_id':'%s'}", group, id);
    DO(talk, "group_settings_update", "{'group_id':'%s','patch':{'nudge_after_seconds':%d}}", id, 100 + group);
    say(talk, group, messages, 300);
}

/* A text over TEXT_INLINE_BYTES_MAX becomes a blob. */
static void make_blob(struct talk *talk, int group)
{
    char text[CCCC_TEXT_INLINE_BYTES_MAX + 100];
    memset(text, 'b', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    DO(talk, "send", "{'group_id':'%s','text':'%s','to':['lead']}", talk->home->groups[group], text);
}

/* All lines but the last are in a segment. */
static void seal(struct talk *talk, int group)
{
    const char *id = talk->home->groups[group];
    DO(talk, "group_settings_update", "{'group_id':'%s','patch':{'ledger_keep_tail_lines':1}}", id);
    DO(talk, "ledger_compact", "{'group_id':'%s','force':true}", id);
}

/* What the group has was read by everybody, and goes by the operator's rule. */
static void retire(struct talk *talk, int group)
{
    static const char *const readers[] = {"lead", "peer", "user"};
    const char *id = talk->home->groups[group];
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        ask(talk, "inbox_mark_all_read", "{'group_id':'%s','actor_id':'%s'}", id, readers[i]);
    DO(talk, "group_settings_update", "{'group_id':'%s','patch':{'retention_max_bytes':1}}", id);
    seal(talk, group);
    say(talk, group, 3, 100);
}

/* Only the base knows what was retired. */
static void remove_snapshot(struct home *home, int group)
{
    const struct cccc_vfs *vfs = simdisk_vfs(home->sim.disk);
    char path[96];
    snprintf(path, sizeof path, "/home/groups/%s/state/ledger/snapshot", home->groups[group]);
    CCCC_ASSERT(vfs->unlink(vfs->ctx, path) == 0, "there is no snapshot");
}

/* As CCCC 0.4.0 writes: ", " and ": ", no seq, no checksum. */
static void put_legacy(struct home *home, int group, const char *id)
{
    char yaml[1024], ledger[4096], path[64];
    const struct cccc_vfs *vfs = simdisk_vfs(home->sim.disk);
    size_t len = 0;
    int yaml_len =
        snprintf(yaml, sizeof yaml,
                 "v: 1\ngroup_id: %s\ntitle: Older\ntopic: ''\ncreated_at: '2026-01-05T09:00:00.000001Z'\n"
                 "updated_at: '2026-01-05T09:00:00.000001Z'\nrunning: false\nstate: active\nactive_scope_key: ''\nscopes: []\n"
                 "actors:\n- id: lead\n  runner: headless\n  runtime: custom\n- id: peer\n  runner: headless\n  runtime: custom\n",
                 id);
    for (int i = 0; i < 10; i++)
        len += (size_t)snprintf(
            ledger + len, sizeof ledger - len,
            "{\"v\": 1, \"id\": \"fb5768d45acf8d4da53eecee7caacf1%x\", \"ts\": \"2026-01-05T09:00:%02d.000001Z\", \"kind\": "
            "\"chat.message\", \"group_id\": \"%s\", \"scope_key\": \"\", \"by\": \"user\", \"data\": {\"text\": "
            "\"message %d\", \"to\": [\"lead\"]}}\n",
            i, i, id, i);
    snprintf(home->groups[group], sizeof home->groups[group], "%s", id);
    snprintf(path, sizeof path, "/home/groups/%s", id);
    cccc_vfs_make_dirs(vfs, path);
    snprintf(path, sizeof path, "/home/groups/%s/group.yaml", id);
    simdisk_poke(home->sim.disk, path, yaml, (size_t)yaml_len);
    snprintf(path, sizeof path, "/home/groups/%s/ledger.jsonl", id);
    simdisk_poke(home->sim.disk, path, ledger, len);
}

/* ---- listing its files ---- */

static enum file_kind kind_of(const char *path)
{
    static const struct {
        const char *end;
        enum file_kind kind;
    } kinds[] = {
        {"/ledger.jsonl", FILE_LEDGER},  {"/group.yaml", FILE_CONFIG}, {"/registry.json", FILE_DOCUMENT},
        {"/active.json", FILE_DOCUMENT}, {"_chat.txt", FILE_BLOB},     {"/group.sum", FILE_SUM},
        {".jsonl.zst", FILE_SEGMENT},    {".base", FILE_BASE},         {"/ledger/manifest", FILE_MANIFEST},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len = strlen(path), end = strlen(kinds[i].end);
        if (len >= end && strcmp(path + len - end, kinds[i].end) == 0)
            return kinds[i].kind;
    }
    return FILE_CACHE;
}

static void measure_ledger(struct home *home, struct home_file *file)
{
    char mark_path[200];
    struct cccc_mark_value mark;
    unsigned slot;
    bool damaged;
    uint64_t seq = 0, floor = 0;
    struct cccc_seal seal;
    snprintf(mark_path, sizeof mark_path, "%.*sstate/ledger/mark", (int)(strlen(file->path) - strlen("ledger.jsonl")), file->path);
    cccc_mark_read(simdisk_vfs(home->sim.disk), mark_path, NULL, &mark, &slot, &damaged);
    floor = mark.seq;
    file->marked_end = mark.offset;
    for (int pass = 0; pass < 2; pass++)
        for (size_t at = 0; at < file->len;) {
            size_t line = (size_t)((char *)memchr(file->bytes + at, '\n', file->len - at) - (file->bytes + at));
            bool sound = cccc_line_inspect(file->bytes + at, line, &seq, &seal) == CCCC_LINE_SOUND;
            if (sound && seal.dur > floor)
                floor = seal.dur;
            at += line + 1;
            if (!sound)
                file->legacy_end = at;
            if (pass == 1 && (!sound || seq <= floor))
                file->vouched_end = at;
        }
}

static int group_of(const struct home *home, const char *path)
{
    for (int i = 0; i < HOME_GROUPS; i++)
        if (home->groups[i][0] && strstr(path, home->groups[i]))
            return i;
    return -1;
}

struct walk {
    struct home *home;
    const char *dir;
};

static void list_dir(struct home *home, const char *dir);

static void take_name(void *arg, const char *name)
{
    struct walk *walk = arg;
    struct home *home = walk->home;
    struct cccc_stat st;
    char path[160];
    const char *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", walk->dir, name);
    if (simdisk_vfs(home->sim.disk)->stat(simdisk_vfs(home->sim.disk)->ctx, path, &st) != 0)
        return;
    if (st.is_dir) {
        list_dir(home, path);
        return;
    }
    if (!simdisk_peek(home->sim.disk, path, &bytes, &len) || len == 0)
        return;
    CCCC_ASSERT(home->file_count < HOME_FILES_MAX, "too many files");
    struct home_file *file = &home->files[home->file_count++];
    *file = (struct home_file){.kind = kind_of(path), .group = group_of(home, path), .bytes = malloc(len), .len = len};
    CCCC_ASSERT(file->bytes, "out of memory");
    snprintf(file->path, sizeof file->path, "%s", path);
    memcpy(file->bytes, bytes, len);
    file->unsummed = file->group == UNOPENED_GROUP;
    if (file->kind == FILE_LEDGER)
        measure_ledger(home, file);
}

static void list_dir(struct home *home, const char *dir)
{
    const struct cccc_vfs *vfs = simdisk_vfs(home->sim.disk);
    vfs->list(vfs->ctx, dir, take_name, &(struct walk){home, dir});
}

/* ---- whole ---- */

void home_init(struct home *home)
{
    struct talk talk;
    *home = (struct home){.sim = {.seed = 7, .saves = true, .unix_us = 1767225600000000, .mono_us = 5000000}};
    home->sim.disk = simdisk_new(7);
    sim_own_the_clock(&home->sim);
    cccc_vfs_make_dirs(simdisk_vfs(home->sim.disk), "/home");
    put_legacy(home, LEGACY_GROUP, "g_a3610964d661");
    CCCC_ASSERT(start(&talk, home), "no start");
    make_group(&talk, 0, 40);
    make_group(&talk, 1, 12);
    make_group(&talk, 2, 6);
    make_group(&talk, 3, 6);
    make_blob(&talk, 0);
    seal(&talk, 1);
    say(&talk, 1, 5, 100);
    retire(&talk, RETIRED_GROUP);
    say(&talk, LEGACY_GROUP, 4, 40);
    DO(&talk, "active_set", "{'group_id':'%s'}", home->groups[1]);
    stop(&talk);
    /* The last second of a life that ends by kill -9: lines of group 3 behind its mark. */
    CCCC_ASSERT(start(&talk, home), "no second start");
    say(&talk, 3, 5, 100);
    broker_kill(&talk.broker);
    simdisk_kill(home->sim.disk);
    stop(&talk);
    remove_snapshot(home, RETIRED_GROUP);
    put_legacy(home, UNOPENED_GROUP, "g_a3610964d662");
    list_dir(home, "/home");
}

void home_fini(struct home *home)
{
    for (unsigned i = 0; i < home->file_count; i++)
        free(home->files[i].bytes);
    sim_own_the_clock(NULL);
    simdisk_destroy(&home->sim.disk);
}

/* ---- serving it ---- */

/* The last ten digits of an event's id are chance. */
static void mask_chance(char *text, size_t len)
{
    size_t digits = 0;
    for (size_t i = 0; i < len; i++) {
        digits = strchr("0123456789abcdef", text[i]) && text[i] ? digits + 1 : 0;
        if (digits == 32 && (i + 1 == len || text[i + 1] == '"'))
            memset(text + i - 9, 'x', 10);
    }
}

static void note_answer(struct talk *talk, char out[SERVED_TEXT_MAX])
{
    cccc_buf_t text;
    size_t used = strlen(out);
    cccc_buf_init(&text);
    cccc_json_write(&talk->answer, &text);
    mask_chance(text.data, text.size);
    CCCC_ASSERT(used + text.size + 2 < SERVED_TEXT_MAX, "too much is served");
    memcpy(out + used, text.data, text.size);
    memcpy(out + used + text.size, "\n", 2);
    cccc_buf_fini(&text);
}

static void serve_group(struct talk *talk, int group, char out[SERVED_TEXT_MAX])
{
    const char *id = talk->home->groups[group];
    cccc_slot_t slot;
    out[0] = '\0';
    talk->last_id = 100; /* replies repeat the request's id */
    static const char *const ops[] = {"group_show", "actor_list"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        ask(talk, ops[i], "{'group_id':'%s'}", id);
        note_answer(talk, out);
    }
    ask(talk, "ledger_read", "{'group_id':'%s','after_seq':0,'limit':1000}", id);
    note_answer(talk, out);
    for (size_t i = 0; i < sizeof actors / sizeof *actors; i++) {
        ask(talk, "inbox_list", "{'group_id':'%s','actor_id':'%s'}", id, actors[i]);
        note_answer(talk, out);
    }
    if (cccc_core_slot(broker_core(talk->broker), cccc_str(id), &slot)) {
        talk->answer = cccc_core_dump_group(broker_core(talk->broker), slot, talk->arena);
        note_answer(talk, out);
    }
}

void home_serve(struct home *home, struct served *out)
{
    struct talk talk;
    out->started = start(&talk, home);
    for (int i = 0; i <= HOME_GROUPS; i++)
        out->text[i][0] = '\0';
    if (!out->started) {
        stop(&talk);
        return;
    }
    for (int i = 0; i < HOME_GROUPS; i++)
        serve_group(&talk, i, out->text[i]);
    talk.last_id = 100;
    ask(&talk, "groups", "{}");
    note_answer(&talk, out->text[HOME_GROUPS]);
    ask(&talk, "active_get", "{}");
    note_answer(&talk, out->text[HOME_GROUPS]);
    stop(&talk);
}
