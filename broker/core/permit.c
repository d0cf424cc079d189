/* permit.c - who speaks, and what that principal may do (reference 3.3, design 6).
 *
 * `by` is what the broker knows: an actor's connection is that actor and nobody else; an operator is `user` unless it names another principal of
 * the group; a connection nobody could place is nobody. Roles are computed from the configuration at hand at each use.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "proto/keys.h"

#include <stdio.h>

static bool is_service(cccc_str_t name)
{
    if (name.len < 5 || name.len > 4 + 32 || memcmp(name.ptr, "svc:", 4) != 0)
        return false;
    for (size_t i = 4; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

bool principal_is_actor(cccc_str_t name)
{
    if (cccc_str_is(name, "user") || cccc_str_is(name, "system") || cccc_str_is(name, "cli"))
        return false;
    return name.len < 4 || memcmp(name.ptr, "svc:", 4) != 0;
}

static bool by_of_actor(call_t *call, const struct cccc_group *group, cccc_str_t claimed)
{
    cccc_str_t self = call->peer.actor_id;
    if (claimed.len > 0 && !cccc_str_eq(claimed, self)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED,
                  "permission denied: this connection belongs to actor %.*s and cannot speak as %.*s; leave `by` out", CCCC_STR_FMT(self),
                  CCCC_STR_FMT(claimed));
        return false;
    }
    if (group != NULL && !cccc_str_is(call->peer.group_id, group->id)) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: actor %.*s belongs to group %.*s, not to %s", CCCC_STR_FMT(self),
                  CCCC_STR_FMT(call->peer.group_id), group->id);
        return false;
    }
    if (group != NULL && config_actor(group, self) == NULL) {
        call_fail(call, CCCC_E_UNKNOWN_ACTOR, "actor %.*s is no longer in group %s", CCCC_STR_FMT(self), group->id);
        return false;
    }
    call->by = self;
    return true;
}

static bool by_of_operator(call_t *call, const struct cccc_group *group, cccc_str_t claimed, const char *otherwise)
{
    cccc_str_t name = claimed.len > 0 ? claimed : cccc_str(otherwise);
    if (cccc_str_is(name, "system")) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: only the broker itself speaks as system");
        return false;
    }
    bool known = cccc_str_is(name, "user") || cccc_str_is(name, otherwise) || is_service(name) ||
                 (group != NULL && config_actor(group, name) != NULL);
    if (!known) {
        call_fail(call, CCCC_E_UNKNOWN_ACTOR, "unknown actor: %.*s; use user, svc:<name> or an actor of the group", CCCC_STR_FMT(name));
        return false;
    }
    call->by = name;
    return true;
}

bool permit_by(call_t *call, struct cccc_group *group, cccc_str_t claimed, const char *otherwise)
{
    switch (call->peer.standing) {
    case CCCC_PEER_ACTOR:
        return by_of_actor(call, group, claimed);
    case CCCC_PEER_OPERATOR:
        return by_of_operator(call, group, claimed, otherwise);
    case CCCC_PEER_HOLDER:
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: a holder of a terminal speaks for nobody");
        return false;
    case CCCC_PEER_UNKNOWN:
        break;
    }
    call_fail(call, CCCC_E_SENDER_UNKNOWN,
              "the broker could not tell which program is calling, so it does nothing for it; connect again from a living process");
    return false;
}

/* ---- the decision table ---- */

enum may { NO, YES, SELF };

static const struct {
    enum cccc_action action;
    enum may user, foreman, peer;
    const char *who; /* for the refusal */
} rules[] = {
    {CCCC_MAY_ACTOR_ADD, YES, YES, NO, "the user or the foreman may add actors"},
    {CCCC_MAY_ACTOR_START, YES, YES, NO, "the user or the foreman may start actors"},
    {CCCC_MAY_ACTOR_STOP, YES, YES, SELF, "the user or the foreman may stop or restart any actor, a peer itself"},
    {CCCC_MAY_KEEP_SECRETS, YES, NO, NO, "only the user may see or change private environments"},
    {CCCC_MAY_RETIRE, YES, NO, NO, "only the user may say that events are removed (retention_*)"},
    {CCCC_MAY_SEE_TERMINAL, YES, YES, SELF, "the user and the foreman may see any terminal, a peer its own"},
    {CCCC_MAY_ACTOR_UPDATE, YES, NO, NO, "only the user may change actors"},
    {CCCC_MAY_ACTOR_REMOVE, YES, SELF, SELF, "the user may remove any actor, an actor only itself"},
    {CCCC_MAY_MANAGE_GROUP, YES, YES, NO, "the user or the foreman may manage the group"},
    {CCCC_MAY_READ_INBOX, YES, YES, SELF, "the user and the foreman may use any inbox, a peer its own"},
};

static enum may verdict(const struct cccc_group *group, cccc_str_t by, size_t row)
{
    if (cccc_str_is(by, "user"))
        return rules[row].user;
    const struct cccc_actor *actor = config_actor(group, by);
    if (actor == NULL)
        return NO; /* services and names nobody knows manage nothing */
    return actor->foreman ? rules[row].foreman : rules[row].peer;
}

bool permit_in(const struct cccc_group *group, cccc_str_t by, enum cccc_action action, cccc_str_t target, struct cccc_errmsg *why)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].action != action)
            continue;
        enum may may = verdict(group, by, i);
        if (may == YES || (may == SELF && cccc_str_eq(by, target)))
            return true;
        cccc_fail(why, CCCC_E_PERMISSION_DENIED, "permission denied: %s; %.*s may not", rules[i].who, CCCC_STR_FMT(by));
        return false;
    }
    CCCC_ASSERT(false, "action %d has no rule", (int)action);
    return false;
}

bool permit_action(const call_t *call, enum cccc_action action, cccc_str_t target, struct cccc_errmsg *why)
{
    return permit_in(call->group, call->by, action, target, why);
}

cccc_value_t permit_attest(const call_t *call)
{
    static const cccc_str_t words[] = {
        [CCCC_PEER_OPERATOR] = {"operator", 8}, [CCCC_PEER_ACTOR] = {"actor", 5}, [CCCC_PEER_HOLDER] = {"holder", 6}};
    const struct cccc_peer *peer = &call->peer;
    uint32_t size = 0;
    if (peer->standing == CCCC_PEER_UNKNOWN)
        return cccc_nil();
    msgpack_object_kv *kv = cccc_arena_alloc(call->arena, 5 * sizeof *kv);
    kv[size++] = (msgpack_object_kv){CCCC_KEY_VALUE(as), cccc_string(words[peer->standing])};
    kv[size++] = (msgpack_object_kv){CCCC_KEY_VALUE(uid), cccc_uint(peer->uid)};
    kv[size++] = (msgpack_object_kv){CCCC_KEY_VALUE(pid), cccc_int(peer->pid)};
    /* `by` names an actor of the event's group; elsewhere it must be said whose actor it is. */
    if (peer->standing == CCCC_PEER_ACTOR && (call->group == NULL || !cccc_str_is(peer->group_id, call->group->id))) {
        kv[size++] = (msgpack_object_kv){cccc_text("group_id"), cccc_string(peer->group_id)};
        kv[size++] = (msgpack_object_kv){cccc_text("actor_id"), cccc_string(peer->actor_id)};
    }
    return (cccc_value_t){.type = MSGPACK_OBJECT_MAP, .via.map = {size, kv}};
}
