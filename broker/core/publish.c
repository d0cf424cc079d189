/* publish.c - what followers hear: events under e/ and i/, heads under h/.
 *
 * Topics: e/<gid>/<kind>/<seq>/<prev> with prev = seq - 1; i/<gid>/<reader>/<seq>/<prev> with the seq last published under that reader's prefix;
 * h/<gid>/. What nobody follows is numbered, not written. Invariant I3: only applied events get here.
 * Thread: the core's. */
#include "broker/core/messages/message.h"

/* Heads go out each second for a group that changed less than this long ago, and once in HEADS_ALL_S seconds for every group. */
#define HEADS_RECENT_US (10u * 1000000u)
#define HEADS_ALL_S     60u

/* Writes a topic without printf: this runs several times per message. */
struct topic {
    char *at, *end;
};

static void topic_str(struct topic *t, cccc_str_t s)
{
    CCCC_ASSERT((size_t)(t->end - t->at) >= s.len, "(a topic over TOPIC_BYTES_MAX)");
    memcpy(t->at, s.ptr, s.len);
    t->at += s.len;
}

static void topic_uint(struct topic *t, uint64_t u)
{
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    topic_str(t, (cccc_str_t){digits + n, sizeof digits - n});
}

static struct topic publish_begin(struct cccc_core *core, cccc_bytes_t *bytes, struct cccc_effect **effect)
{
    *effect = core_effect(core, CCCC_DO_PUBLISH);
    (*effect)->publish.bytes = cccc_bytes_keep(bytes);
    return (struct topic){(*effect)->publish.topic, (*effect)->publish.topic + sizeof(*effect)->publish.topic};
}

static void publish_end(struct cccc_effect *effect, const struct topic *t)
{
    effect->publish.topic_len = (uint32_t)(t->at - effect->publish.topic);
}

void publish_bytes(struct cccc_core *core, const char *topic, cccc_bytes_t *bytes)
{
    struct cccc_effect *effect;
    struct topic t = publish_begin(core, bytes, &effect);
    topic_str(&t, cccc_str(topic));
    publish_end(effect, &t);
}

/* <letter>/<gid>/<name>/<seq>/<prev> */
static void publish_numbered(struct cccc_core *core, const struct cccc_group *group, const char *letter, cccc_str_t name, uint64_t seq,
                             uint64_t prev, cccc_bytes_t *bytes)
{
    struct cccc_effect *effect;
    struct topic t = publish_begin(core, bytes, &effect);
    topic_str(&t, cccc_str(letter));
    topic_str(&t, cccc_str(group->id));
    topic_str(&t, CCCC_STR("/"));
    topic_str(&t, name);
    topic_str(&t, CCCC_STR("/"));
    topic_uint(&t, seq);
    topic_str(&t, CCCC_STR("/"));
    topic_uint(&t, prev);
    publish_end(effect, &t);
}

void publish_event(struct cccc_core *core, struct cccc_group *group, const struct cccc_pending *pending)
{
    const struct cccc_event *event = &pending->event;
    if (core->events_followed)
        publish_numbered(core, group, "e/", event->kind, event->seq, event->seq - 1, pending->wire);
    if (pending->kind != CCCC_KIND_CHAT_MESSAGE && pending->kind != CCCC_KIND_SYSTEM_NOTIFY)
        return;
    const cccc_value_t *audience = message_field(&event->data, MESSAGE_AUDIENCE);
    if (!cccc_is_array(audience))
        return;
    for (uint32_t i = 0; i < audience->via.array.size; i++) {
        cccc_str_t id;
        struct cccc_reader *reader = cccc_as_str(&audience->via.array.ptr[i], &id) ? reader_find(group, id) : NULL;
        if (!reader)
            continue;
        if (core->inboxes_followed)
            publish_numbered(core, group, "i/", id, event->seq, reader->published, pending->wire);
        reader->published = event->seq;
    }
}

static void publish_head_of(struct cccc_core *core, const struct cccc_group *group, bool deleted)
{
    char ts[28];
    core_ts(core, ts);
    cccc_buf_t *out = &core->scratch;
    out->size = 0;
    cccc_pack_map(out, deleted ? 6 : 5);
    cccc_pack_text(out, "group_id");
    cccc_pack_text(out, group->id);
    cccc_pack_text(out, "head_seq");
    cccc_pack_uint(out, group->head_seq);
    cccc_pack_text(out, "head_id");
    cccc_pack_text(out, group->head_id);
    cccc_pack_text(out, "epoch");
    cccc_pack_uint(out, core->facts ? core->facts->epoch : 0);
    cccc_pack_text(out, "ts");
    cccc_pack_text(out, ts);
    if (deleted) {
        cccc_pack_text(out, "deleted");
        cccc_pack_bool(out, true);
    }
    cccc_bytes_t *bytes = cccc_bytes_new(out->data, out->size);
    struct cccc_effect *effect;
    struct topic t = publish_begin(core, bytes, &effect);
    topic_str(&t, CCCC_STR("h/"));
    topic_str(&t, cccc_str(group->id));
    topic_str(&t, CCCC_STR("/"));
    publish_end(effect, &t);
    cccc_bytes_release(bytes);
}

void publish_heads(struct cccc_core *core)
{
    uint64_t now = core->now->mono_us;
    for (uint32_t i = 0; i < core->group_count; i++) {
        const struct cccc_group *group = core->groups[i];
        if (group->deleted || group->folding || group->offline || group->head_seq == 0)
            continue;
        /* Quiet groups take turns, so that ten thousand of them do not speak in the same second. */
        bool turn = (core->last_second + group->slot) % HEADS_ALL_S == 0;
        bool recent = group->changed_mono_us != 0 && now - group->changed_mono_us <= HEADS_RECENT_US;
        if (turn || recent)
            publish_head_of(core, group, false);
    }
}

void publish_deleted(struct cccc_core *core, const struct cccc_group *group)
{
    publish_head_of(core, group, true);
}
