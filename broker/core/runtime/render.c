/* render.c - the words typed into a terminal for messages, and what a new session is told first (reference 6.3, 6.4).
 *
 * Plain text; the holder makes it safe to type. A shell as an actor executes what it is told, so our own words have nothing in them that one would do: no backticks, quotes, $, redirections or
 * separators of commands, and no line that begins with one. What people and agents write stays as it is. Who wrote what stands in a line that begins with [cccc], and a message's own lines never do: such a beginning gets
 * a blank in front, so that nobody can write what looks like another message.
 * Thread: the core's. */
#include "broker/core/runtime/runtime.h"

#include <stdio.h>

#define MARK "[cccc]"

struct text {
    cccc_buf_t out;
};

static void put(struct text *t, const char *words)
{
    cccc_buf_str(&t->out, words);
}

static void put_str(struct text *t, cccc_str_t s)
{
    cccc_buf_put(&t->out, s.ptr, s.len);
}

static cccc_str_t taken(struct text *t, cccc_arena_t *arena)
{
    cccc_str_t s = cccc_arena_str(arena, (cccc_str_t){t->out.data, t->out.size});
    cccc_buf_fini(&t->out);
    return s;
}

/* What somebody wrote: a line of it that begins like one of ours is moved a blank to the right. */
static void put_body(struct text *t, cccc_str_t body)
{
    while (body.len > 0) {
        const char *end = memchr(body.ptr, '\n', body.len);
        size_t len = end ? (size_t)(end - body.ptr) + 1 : body.len;
        if (len >= sizeof MARK - 1 && memcmp(body.ptr, MARK, sizeof MARK - 1) == 0)
            put(t, " ");
        cccc_buf_put(&t->out, body.ptr, len);
        body.ptr += len;
        body.len -= len;
    }
}

static cccc_str_t field(const struct cccc_event *event, enum cccc_message_field which)
{
    cccc_str_t s = CCCC_STR("");
    cccc_as_str(message_field(&event->data, which), &s);
    return s;
}

/* ---- one message ---- */

static void put_recipients(struct text *t, const struct cccc_event *event)
{
    const cccc_value_t *to = message_field(&event->data, MESSAGE_TO);
    uint32_t count = cccc_is_array(to) ? to->via.array.size : 0;
    if (count == 0)
        put(t, "@all");
    for (uint32_t i = 0; i < count; i++) {
        cccc_str_t one = CCCC_STR("");
        cccc_as_str(&to->via.array.ptr[i], &one);
        put(t, i ? ", " : "");
        put_str(t, one);
    }
}

/* At most 80 characters on one line. */
static void put_quote(struct text *t, cccc_str_t quote)
{
    size_t chars = 0, at = 0;
    put(t, "\n> \"");
    for (; at < quote.len && chars < 80; at++) {
        chars += ((unsigned char)quote.ptr[at] & 0xC0) != 0x80;
        cccc_buf_put(&t->out, quote.ptr[at] == '\n' ? " " : quote.ptr + at, 1);
    }
    while (at < quote.len && ((unsigned char)quote.ptr[at] & 0xC0) == 0x80)
        cccc_buf_put(&t->out, quote.ptr + at++, 1);
    put(t, at < quote.len ? "...\"" : "\"");
}

static void put_marks(struct text *t, const struct cccc_event *event)
{
    bool reply_required = false;
    cccc_as_bool(message_field(&event->data, MESSAGE_REPLY_REQUIRED), &reply_required);
    if (cccc_str_is(field(event, MESSAGE_PRIORITY), "attention")) {
        put(t, MARK " IMPORTANT (event_id=");
        put_str(t, event->id);
        put(t, "):\n");
    }
    if (reply_required) {
        put(t, MARK " REPLY REQUIRED (event_id=");
        put_str(t, event->id);
        put(t, "): answer with cccc reply ");
        put_str(t, event->id);
        put(t, " TEXT\n");
    }
    if (field(event, MESSAGE_SRC_GROUP_ID).len > 0) {
        put(t, MARK " RELAYED FROM (group_id=");
        put_str(t, field(event, MESSAGE_SRC_GROUP_ID));
        put(t, ", event_id=");
        put_str(t, field(event, MESSAGE_SRC_EVENT_ID));
        put(t, "):\n");
    }
}

static void put_attachments(struct text *t, const struct cccc_event *event)
{
    enum { SHOWN_MAX = 8 };
    const cccc_value_t *list = message_field(&event->data, MESSAGE_ATTACHMENTS);
    uint32_t count = cccc_is_array(list) ? list->via.array.size : 0;
    if (count > 0)
        put(t, "\n\n" MARK " Attachments:");
    for (uint32_t i = 0; i < count && i < SHOWN_MAX; i++) {
        const cccc_value_t *one = &list->via.array.ptr[i];
        char bytes[40];
        cccc_str_t title = cccc_get_str(one, "title"), path = cccc_get_str(one, "path");
        snprintf(bytes, sizeof bytes, " (%llu bytes) [", (unsigned long long)cccc_get_uint(one, "bytes", 0));
        put(t, "\n- ");
        put_str(t, title.len ? title : path);
        put(t, bytes);
        put_str(t, path);
        put(t, "]");
    }
    if (count > SHOWN_MAX) {
        char more[32];
        snprintf(more, sizeof more, "\n- ... (%u more)", count - SHOWN_MAX);
        put(t, more);
    }
}

static void put_chat(struct text *t, const struct cccc_event *event)
{
    cccc_str_t text = field(event, MESSAGE_TEXT), reply_to = field(event, MESSAGE_REPLY_TO), quote = field(event, MESSAGE_QUOTE_TEXT);
    struct text body = {0};
    cccc_buf_init(&body.out);
    put_marks(&body, event);
    put_body(&body, text);
    put(t, MARK " ");
    put_str(t, event->by);
    put(t, " \xe2\x86\x92 ");
    put_recipients(t, event);
    if (reply_to.len > 0) {
        put(t, " (reply:");
        put_str(t, (cccc_str_t){reply_to.ptr, reply_to.len < 8 ? reply_to.len : 8});
        put(t, ")");
    }
    if (quote.len > 0)
        put_quote(t, quote);
    put(t, body.out.size && memchr(body.out.data, '\n', body.out.size) ? ":\n" : ": ");
    cccc_buf_put(&t->out, body.out.data, body.out.size);
    put_attachments(t, event);
    cccc_buf_fini(&body.out);
}

static void put_notify(struct text *t, const struct cccc_event *event)
{
    put(t, MARK " SYSTEM (");
    put_str(t, cccc_get_str(&event->data, "kind"));
    put(t, "): ");
    put_str(t, cccc_get_str(&event->data, "title"));
    put(t, "\n");
    put_body(t, cccc_get_str(&event->data, "message"));
}

cccc_str_t render_brief(cccc_arena_t *arena, const struct cccc_event *events, uint32_t count)
{
    struct text t = {0};
    char head[160];
    cccc_buf_init(&t.out);
    snprintf(head, sizeof head,
             MARK " %u new message%s, longer than this terminal takes in one line. Read %s with cccc inbox, the first is ", count,
             count == 1 ? "" : "s", count == 1 ? "it" : "them");
    put(&t, head);
    put_str(&t, count > 0 ? events[0].id : CCCC_STR("-"));
    return taken(&t, arena);
}

cccc_str_t render_delivery(cccc_arena_t *arena, const struct cccc_event *events, uint32_t count)
{
    struct text t = {0};
    char head[48];
    bool chat = false;
    cccc_buf_init(&t.out);
    snprintf(head, sizeof head, MARK " %u new messages:\n\n", count);
    put(&t, count > 1 ? head : "");
    for (uint32_t i = 0; i < count; i++) {
        bool is_chat = cccc_str_is(events[i].kind, "chat.message");
        put(&t, i ? "\n\n" : "");
        if (is_chat)
            put_chat(&t, &events[i]);
        else
            put_notify(&t, &events[i]);
        chat |= is_chat;
    }
    if (chat)
        put(&t, "\n\n" MARK " Answer with cccc send TEXT --to NAME or cccc reply EVENT_ID TEXT. What you print here reaches nobody.");
    return taken(&t, arena);
}

/* ---- the preamble ---- */

static void put_line(struct text *t, const char *name, cccc_str_t value)
{
    if (value.len == 0)
        return;
    put(t, name);
    put_str(t, value);
    put(t, "\n");
}

static void put_team(struct text *t, const struct cccc_group *group)
{
    enum { SHOWN_MAX = 8 };
    uint32_t enabled = 0;
    char count[32];
    for (uint32_t i = 0; i < group->config.actor_count; i++)
        enabled += group->config.actors[i].enabled;
    snprintf(count, sizeof count, "team: %u (", enabled);
    put(t, enabled > 1 ? count : "team: solo\n");
    for (uint32_t i = 0, shown = 0; enabled > 1 && i < group->config.actor_count && shown <= SHOWN_MAX; i++) {
        if (!group->config.actors[i].enabled)
            continue;
        put(t, shown ? ", " : "");
        if (shown++ < SHOWN_MAX)
            put_str(t, group->config.actors[i].id);
        else
            put(t, "...");
    }
    put(t, enabled > 1 ? ")\n" : "");
}

static void put_scopes(struct text *t, const struct cccc_group *group)
{
    if (group->config.scope_count > 0)
        put(t, "\nscopes:\n");
    for (uint32_t i = 0; i < group->config.scope_count; i++) {
        const struct cccc_scope *s = &group->config.scopes[i];
        put_str(t, s->label.len ? s->label : s->key);
        put(t, ": ");
        put_str(t, s->url);
        put(t, cccc_str_eq(s->key, group->config.active_scope_key) ? " *\n" : "\n");
    }
}

cccc_str_t render_preamble(cccc_arena_t *arena, const struct cccc_group *group, const struct cccc_actor *actor, cccc_str_t words)
{
    static const char built_in[] = "Commands, which know who you are from CCCC_GROUP_ID and CCCC_ACTOR_ID:\n"
                                   "- cccc inbox: what you have not read\n"
                                   "- cccc read EVENT_ID: mark it read up to there\n"
                                   "- cccc ack EVENT_ID: acknowledge what is marked IMPORTANT\n"
                                   "- cccc --help: the rest\n";
    struct text t = {0};
    const struct cccc_actor *foreman = config_foreman(group);
    cccc_buf_init(&t.out);
    put(&t, "You are ");
    put_str(&t, actor->id);
    put(&t, actor->foreman ? ", the foreman of the group " : ", a peer in the group ");
    put_str(&t, group->config.title.len ? group->config.title : cccc_str(group->id));
    put(&t, ".\n");
    put_line(&t, "group_id: ", cccc_str(group->id));
    put_line(&t, "runtime: ", actor->runtime);
    put_line(&t, "topic: ", group->config.topic);
    put_team(&t, group);
    if (foreman)
        put_line(&t, "foreman: ", foreman->id);
    put_scopes(&t, group);
    put(&t, "\n---\n"
            "- Messages of others are typed here in lines that begin with " MARK ".\n"
            "- What you print in this terminal reaches nobody. Send with cccc send TEXT --to NAME, answer with cccc reply EVENT_ID TEXT.\n"
            "- Say only what you know, ask when you do not.\n"
            "\n");
    put_str(&t, cccc_str_is_blank(words) ? cccc_str(built_in) : words);
    return taken(&t, arena);
}
