/* recipients.c - from the words of a `to` list to the principals a message is for (reference 4).
 *
 * The audience is resolved once, when the message is decided, and stored in the event: later changes of roles change nothing about who got what.
 * Thread: the core's. */
#include "broker/core/messages/message.h"

#include <strings.h>

/* ---- words to tokens ---- */

static bool has_item(const cccc_value_t *array, cccc_str_t s)
{
    for (uint32_t i = 0; cccc_is_array(array) && i < array->via.array.size; i++) {
        cccc_str_t item;
        if (cccc_as_str(&array->via.array.ptr[i], &item) && cccc_str_eq(item, s))
            return true;
    }
    return false;
}

static void add_once(cccc_builder_t *list, cccc_str_t token)
{
    if (!has_item(&list->value, token))
        cccc_array_add(list, cccc_string(token));
}

static bool is_selector(cccc_str_t s)
{
    return cccc_str_is(s, "@all") || cccc_str_is(s, "@peers") || cccc_str_is(s, "@foreman");
}

/* Letters beyond ASCII compare as they are written. */
static bool same_title(cccc_str_t a, cccc_str_t b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* `given` is `name` as the caller wrote it, with its @. */
static cccc_err_t resolve_title(cccc_arena_t *arena, const struct cccc_group *group, cccc_str_t name, cccc_str_t given, cccc_str_t *id,
                                struct cccc_errmsg *m)
{
    const struct cccc_actor *found = NULL;
    for (uint32_t i = 0; i < group->config.actor_count; i++) {
        const struct cccc_actor *actor = &group->config.actors[i];
        if (actor->title.len == 0 || !same_title(actor->title, name))
            continue;
        if (found)
            return cccc_fail(m, CCCC_E_INVALID_RECIPIENT, "ambiguous recipient title: %.*s (%.*s and %.*s have it); use an actor id",
                             CCCC_STR_FMT(name), CCCC_STR_FMT(found->id), CCCC_STR_FMT(actor->id));
        found = actor;
    }
    if (!found)
        return cccc_fail(m, CCCC_E_INVALID_RECIPIENT, "unknown recipient: %.*s; use an actor id, @all, @peers, @foreman or user",
                         (int)(given.len < 100 ? given.len : 100), given.ptr);
    *id = cccc_arena_str(arena, found->id);
    return CCCC_OK;
}

static cccc_err_t resolve_word(cccc_builder_t *list, const struct cccc_group *group, cccc_str_t word, struct cccc_errmsg *m)
{
    if (is_selector(word)) {
        add_once(list, word);
        return CCCC_OK;
    }
    cccc_str_t name = word;
    if (name.len > 0 && name.ptr[0] == '@') {
        name.ptr++;
        name.len--;
    }
    if (name.len == 0)
        return CCCC_OK;
    cccc_str_t id = CCCC_STR("user");
    if (!cccc_str_is(name, "user")) {
        const struct cccc_actor *actor = config_actor(group, name);
        if (actor) {
            id = cccc_arena_str(list->arena, actor->id);
        } else {
            cccc_err_t err = resolve_title(list->arena, group, name, word, &id, m);
            if (err)
                return err;
        }
    }
    add_once(list, id);
    return CCCC_OK;
}

cccc_err_t recipients_resolve(call_t *call, struct cccc_group *group, const cccc_value_t *to, cccc_value_t *out, struct cccc_errmsg *m)
{
    uint32_t count = cccc_is_array(to) ? to->via.array.size : 0;
    cccc_builder_t list = cccc_array_builder(call->arena, count);
    for (uint32_t i = 0; i < count; i++) {
        cccc_str_t word;
        if (!cccc_as_str(&to->via.array.ptr[i], &word))
            continue;
        cccc_err_t err = resolve_word(&list, group, word, m);
        if (err)
            return err;
    }
    *out = list.value;
    return CCCC_OK;
}

/* ---- mentions in the text ---- */

/* The ideographic space and the full-width punctuation, which end a word in Chinese and Japanese text. */
static bool is_wide_punctuation(const char *p, const char *end)
{
    if (end - p < 3)
        return false;
    unsigned char a = (unsigned char)p[0], b = (unsigned char)p[1], c = (unsigned char)p[2];
    if (a == 0xe3 && b == 0x80)
        return true; /* U+3000..U+303F */
    return a == 0xef && b == 0xbc && (c <= 0x8f || (c >= 0x9a && c <= 0xa0) || c >= 0xbb);
}

static bool is_word(const char *p, const char *end)
{
    unsigned char c = (unsigned char)*p;
    if (c >= 0x80)
        return !is_wide_punctuation(p, end);
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* May a mention begin at `p`: at the start, after white space, an opening parenthesis, a comma or wide punctuation. */
static bool at_boundary(const char *start, const char *p, const char *end)
{
    if (p == start)
        return true;
    char c = p[-1];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '(' || c == ',')
        return true;
    return p - start >= 3 && is_wide_punctuation(p - 3, end);
}

/* What follows a name says that it is an address or a path: @org/name, @host.domain, @a@b. */
static bool is_address(const char *p, const char *end)
{
    if (p == end)
        return false;
    return *p == '@' || *p == '/' || (*p == '.' && p + 1 < end && is_word(p + 1, end));
}

/* Past the code span or fence whose backticks begin at `p`: as many backticks end it; without them the rest is code. */
static const char *skip_code(const char *p, const char *end)
{
    const char *open = p;
    while (p < end && *p == '`')
        p++;
    ptrdiff_t ticks = p - open;
    while (p < end) {
        if (*p != '`') {
            p++;
            continue;
        }
        const char *run = p;
        while (p < end && *p == '`')
            p++;
        if (p - run == ticks)
            return p;
    }
    return end;
}

static void mention(cccc_builder_t *list, const struct cccc_group *group, const char *at, const char *end)
{
    cccc_str_t with_at = {at, (size_t)(end - at)}, name = {at + 1, (size_t)(end - at - 1)};
    const struct cccc_actor *actor = config_actor(group, name);
    if (actor)
        add_once(list, cccc_arena_str(list->arena, actor->id));
    else if (is_selector(with_at))
        add_once(list, with_at);
}

cccc_value_t recipients_mentioned(call_t *call, const struct cccc_group *group, cccc_str_t text)
{
    cccc_builder_t list = cccc_array_builder(call->arena, 0);
    const char *start = text.ptr, *end = text.ptr + text.len;
    for (const char *p = start; p < end;) {
        if (*p == '`') {
            p = skip_code(p, end);
        } else if (*p == '@' && at_boundary(start, p, end) && p + 1 < end && is_word(p + 1, end)) {
            const char *name_end = p + 1;
            while (name_end < end && (is_word(name_end, end) || *name_end == '-'))
                name_end++;
            if (!is_address(name_end, end) && list.value.via.array.size < CCCC_RECIPIENTS_MAX)
                mention(&list, group, p, name_end);
            p = name_end;
        } else {
            p++;
        }
    }
    return list.value;
}

/* ---- tokens to principals ---- */

/* What a list of tokens says, taken apart once. */
struct meant {
    bool all, peers, foreman, user;
    uint32_t ids; /* tokens that are ids of actors */
};

static struct meant meant_by(const cccc_value_t *to)
{
    uint32_t count = to && cccc_is_array(to) ? to->via.array.size : 0;
    struct meant meant = {.all = count == 0};
    for (uint32_t i = 0; i < count; i++) {
        cccc_str_t token = CCCC_STR("");
        cccc_as_str(&to->via.array.ptr[i], &token);
        bool selector = token.len > 0 && token.ptr[0] == '@';
        if (selector && cccc_str_eq(token, CCCC_STR("@all")))
            meant.all = true;
        else if (selector && cccc_str_eq(token, CCCC_STR("@peers")))
            meant.peers = true;
        else if (selector && cccc_str_eq(token, CCCC_STR("@foreman")))
            meant.foreman = true;
        else if (cccc_str_eq(token, CCCC_STR("user")))
            meant.user = true;
        else
            meant.ids++;
    }
    return meant;
}

static cccc_value_t audience(cccc_arena_t *arena, const struct cccc_group *group, const cccc_value_t *to, cccc_str_t sender,
                             struct cccc_reach *reach)
{
    const struct cccc_config *config = &group->config;
    struct meant meant = meant_by(to);
    bool many = meant.all || meant.peers;
    cccc_builder_t list = cccc_array_builder(arena, many ? config->actor_count + 1 : meant.ids + 2);
    for (uint32_t i = 0; i < config->actor_count; i++) {
        const struct cccc_actor *actor = &config->actors[i];
        bool by_id = meant.ids > 0 && has_item(to, actor->id);
        if (!(by_id || meant.all || (actor->foreman ? meant.foreman : meant.peers)) || cccc_str_eq(actor->id, sender))
            continue;
        /* Copied: the configuration may be another by the time the event is applied. */
        cccc_array_add(&list, cccc_string(cccc_arena_str(arena, actor->id)));
        if (actor->enabled && !(by_id && actor->left_stopped))
            reach->enabled++;
        else if (by_id)
            reach->disabled_by_id++;
        else
            reach->disabled++;
    }
    if ((meant.all || meant.user) && !cccc_str_eq(sender, CCCC_STR("user")))
        cccc_array_add(&list, cccc_text("user"));
    return list.value;
}

cccc_value_t recipients_reach(call_t *call, const struct cccc_group *group, const cccc_value_t *to, cccc_str_t sender,
                              struct cccc_reach *reach)
{
    *reach = (struct cccc_reach){0};
    return audience(call->arena, group, to, sender, reach);
}

bool recipients_address_agents(const cccc_value_t *to)
{
    uint32_t count = cccc_is_array(to) ? to->via.array.size : 0;
    for (uint32_t i = 0; i < count; i++) {
        cccc_str_t token;
        if (cccc_as_str(&to->via.array.ptr[i], &token) && !cccc_str_is(token, "user"))
            return true;
    }
    return count == 0;
}

cccc_value_t recipients_everyone(cccc_arena_t *arena, const struct cccc_group *group)
{
    struct cccc_reach reach = {0};
    return audience(arena, group, NULL, CCCC_STR("user"), &reach);
}

bool event_is_for(call_t *call, const struct cccc_event *event, cccc_str_t reader)
{
    const cccc_value_t *audience = cccc_get(&event->data, "audience");
    cccc_value_t made;
    if (!cccc_is_array(audience)) {
        made = recipients_legacy_audience(call->arena, call->group, event);
        audience = &made;
    }
    return has_item(audience, reader);
}

bool recipients_name(const cccc_value_t *to, cccc_str_t id)
{
    return has_item(to, id);
}

cccc_value_t recipients_legacy_audience(cccc_arena_t *arena, const struct cccc_group *group, const struct cccc_event *event)
{
    struct cccc_reach reach = {0};
    if (cccc_kind_find(event->kind) != CCCC_KIND_SYSTEM_NOTIFY)
        return audience(arena, group, cccc_get(&event->data, "to"), event->by, &reach);
    cccc_str_t target = cccc_get_str(&event->data, "target_actor_id");
    if (target.len == 0)
        return recipients_everyone(arena, group);
    cccc_builder_t one = cccc_array_builder(arena, 1);
    cccc_array_add(&one, cccc_string(target));
    return one.value;
}
