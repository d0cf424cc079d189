/* message_check.c - what a message has to be before it is taken: recipients somebody stands behind, a scope, attachments, a text, and what it may ask.
 *
 * Checked against the group as it will be once what is decided is durable (group_view), and again after each park. Nothing is changed here.
 * Order of evaluation: reference 3.9.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/messages/message.h"
#include "broker/core/obligations/obligations.h"

/* ---- recipients ---- */

/* The list a reply without one goes to; NULL: the policy decides. */
static const cccc_value_t *reply_recipients(call_t *call, const struct cccc_message *m)
{
    if (cccc_str_eq(m->original->by, m->by))
        return cccc_get(&m->original->data, "to");
    cccc_builder_t one = cccc_array_builder(call->arena, 1);
    cccc_array_add(&one, cccc_string(m->original->by));
    cccc_value_t *list = cccc_arena_alloc(call->arena, sizeof *list);
    *list = one.value;
    return list;
}

static bool is_empty(const cccc_value_t *list)
{
    return !cccc_is_array(list) || list->via.array.size == 0;
}

static cccc_err_t resolve(call_t *call, struct cccc_message *m, struct cccc_group *view, struct cccc_errmsg *why)
{
    cccc_err_t err = recipients_resolve(call, view, m->to, &m->tokens, why);
    if (err || !is_empty(&m->tokens))
        return err;
    if (m->original) {
        err = recipients_resolve(call, view, reply_recipients(call, m), &m->tokens, why);
        if (err) {
            cccc_fail(why, err, "the original is by %.*s, who cannot be answered in this group; name the recipients (`to`)",
                      CCCC_STR_FMT(m->original->by));
            return err;
        }
    } else if (m->reply_to.len == 0) {
        m->tokens = recipients_mentioned(call, view, m->text);
    }
    if (is_empty(&m->tokens) && !view->config.broadcast_by_default) {
        cccc_builder_t foreman = cccc_array_builder(call->arena, 1);
        cccc_array_add(&foreman, cccc_text("@foreman"));
        m->tokens = foreman.value;
    }
    return CCCC_OK;
}

static void refuse_nobody(call_t *call, struct cccc_message *m, const struct cccc_group *view)
{
    const struct cccc_actor *foreman = config_foreman(view);
    if (foreman && cccc_str_eq(foreman->id, m->by) && is_empty(m->to))
        message_refuse(call, m, CCCC_E_NO_ENABLED_RECIPIENTS,
                       "nobody would get this: without recipients a message goes to the foreman, and that is the sender; name recipients "
                       "(`to`: an actor id, @peers, @all or user)");
    else if (m->reach.disabled > 0)
        message_refuse(
            call, m, CCCC_E_NO_ENABLED_RECIPIENTS,
            "nobody would get this: %u actors are meant and all are disabled; enable one, or name one by its id to leave the message "
            "in its inbox",
            m->reach.disabled);
    else
        message_refuse(call, m, CCCC_E_NO_ENABLED_RECIPIENTS,
                       "nobody would get this: no enabled actor of group %s but the sender is meant; `cccc actor list` shows who is there",
                       view->id);
    message_refuse_detail(call, m, "to", m->tokens);
}

static bool check_recipients(call_t *call, struct cccc_message *m, struct cccc_group *view)
{
    struct cccc_errmsg why;
    cccc_err_t err = resolve(call, m, view, &why);
    if (err) {
        message_refuse(call, m, err, "%s", why.text);
        return false;
    }
    m->audience = recipients_reach(call, view, &m->tokens, m->by, &m->reach);
    if (recipients_address_agents(&m->tokens) && m->reach.enabled + m->reach.disabled_by_id == 0) {
        refuse_nobody(call, m, view);
        return false;
    }
    return true;
}

struct cccc_group *group_view(call_t *call, struct cccc_group *group)
{
    return group->pending_config > 0 ? config_ahead(call, group) : group;
}

bool message_check_recipients(call_t *call, struct cccc_message *m)
{
    return check_recipients(call, m, group_view(call, m->group));
}

/* ---- scope, attachments, text ---- */

static bool is_inside(cccc_str_t path, cccc_str_t root)
{
    return root.len > 0 && path.len >= root.len && memcmp(path.ptr, root.ptr, root.len) == 0 &&
           (path.len == root.len || path.ptr[root.len] == '/' || root.ptr[root.len - 1] == '/');
}

static bool check_scope(call_t *call, struct cccc_message *m, const struct cccc_group *view)
{
    if (m->path.len == 0) {
        m->scope_key = cccc_arena_str(call->arena, view->config.active_scope_key);
        return true;
    }
    const struct cccc_scope *best = NULL;
    for (uint32_t i = 0; i < view->config.scope_count; i++) {
        const struct cccc_scope *scope = &view->config.scopes[i];
        if (is_inside(m->path, scope->url) && (!best || scope->url.len > best->url.len))
            best = scope;
    }
    if (!best) {
        message_refuse(call, m, CCCC_E_SCOPE_NOT_ATTACHED, "%.*s is in no scope of group %s (%.*s)", CCCC_STR_FMT(m->path), view->id,
                       CCCC_STR_FMT(scopes_said(call->arena, view)));
        message_refuse_detail(call, m, "hint",
                              cccc_string(cccc_arena_printf(call->arena, "cccc attach %.*s --group %s", CCCC_STR_FMT(m->path), view->id)));
        return false;
    }
    m->scope_key = cccc_arena_str(call->arena, best->key);
    return true;
}

static bool check_attachments(call_t *call, struct cccc_message *m)
{
    for (uint32_t i = 0; !is_empty(m->attachments) && i < m->attachments->via.array.size; i++) {
        cccc_str_t path = cccc_get_str(&m->attachments->via.array.ptr[i], "path");
        if (blob_file(path).len > 0)
            continue;
        message_refuse(call, m, CCCC_E_INVALID_ATTACHMENTS,
                       "attachment %u: \"%.*s\" is not a blob path of a group (state/blobs/<name>); store the file with blob_put first",
                       i + 1, (int)(path.len < 200 ? path.len : 200), path.ptr ? path.ptr : "");
        return false;
    }
    return true;
}

static bool check_text(call_t *call, struct cccc_message *m)
{
    if (!cccc_str_is_blank(m->text) || !is_empty(m->attachments))
        return true;
    message_refuse(call, m, CCCC_E_EMPTY_MESSAGE, "the message has neither text nor attachments");
    return false;
}

bool message_check_priority(call_t *call, struct cccc_message *m)
{
    if (m->priority.len == 0)
        m->priority = CCCC_STR("normal");
    if (cccc_str_eq(m->priority, CCCC_STR("normal")) || cccc_str_eq(m->priority, CCCC_STR("attention")))
        return true;
    message_refuse(call, m, CCCC_E_INVALID_PRIORITY, "priority is normal or attention, not \"%.*s\"", CCCC_STR_FMT(m->priority));
    return false;
}

/* What the message asks of its recipients, and whether that may be asked. */
static bool check_asking(call_t *call, struct cccc_message *m)
{
    bool asks = m->reply_required || cccc_str_eq(m->priority, CCCC_STR("attention"));
    if (m->wait_seconds > 0 && !m->reply_required)
        message_refuse(call, m, CCCC_E_INVALID_REQUEST,
                       "wait_seconds is for a message with reply_required; nobody would reply to this one");
    else if (m->due_seconds > 0 && !asks)
        message_refuse(call, m, CCCC_E_INVALID_REQUEST,
                       "a deadline (due_seconds) is for a message with reply_required or priority attention; this one asks for nothing");
    else if (asks && m->group->obligations->open + m->audience.via.array.size > CCCC_OBLIGATIONS_PER_GROUP_MAX)
        message_refuse(call, m, CCCC_E_BUSY,
                       "%llu obligations of group %s are open already (OBLIGATIONS_PER_GROUP_MAX is %d); answer or cancel some: `cccc "
                       "obligations` lists them",
                       (unsigned long long)m->group->obligations->open, m->group->id, CCCC_OBLIGATIONS_PER_GROUP_MAX);
    else if (m->expires_seconds > 0 && m->group->expiry_count + m->group->pending_expiries >= CCCC_EXPIRING_PER_GROUP_MAX)
        message_refuse(call, m, CCCC_E_BUSY, "%u messages of group %s expire already (EXPIRING_PER_GROUP_MAX); send this one without",
                       m->group->expiry_count + m->group->pending_expiries, m->group->id);
    return m->refusal == NULL;
}

/* Who spoke when the request came may have left since; nobody could ever answer it. */
static bool check_speaker(call_t *call, struct cccc_message *m, const struct cccc_group *view)
{
    bool changed = m->parked || view != m->group;
    if (!changed || !principal_is_actor(m->by) || config_actor(view, m->by))
        return true;
    message_refuse(call, m, CCCC_E_UNKNOWN_ACTOR, "actor %.*s is no longer in group %s", CCCC_STR_FMT(m->by), view->id);
    return false;
}

static bool check_source(call_t *call, struct cccc_message *m)
{
    if ((m->src_group_id.len > 0) == (m->src_event_id.len > 0))
        return true;
    message_refuse(call, m, CCCC_E_INVALID_REQUEST, "src_group_id and src_event_id go together; only one was given");
    return false;
}

bool message_check(call_t *call, struct cccc_message *m)
{
    struct cccc_group *view = group_view(call, m->group);
    return check_speaker(call, m, view) && check_recipients(call, m, view) && check_asking(call, m) && waits_check(call, m, view) &&
           check_scope(call, m, view) && check_attachments(call, m) && check_text(call, m) && check_source(call, m);
}
