/* guard_verdicts.c - what becomes of each copy of a message that is about to be taken, by the budgets there are; and what was decided, in words.
 *
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/guards/guard_pairs.h"
#include "broker/core/runtime/runtime.h"

#define SECOND 1000000LL

static const char *const verdict_words[] = {[GUARD_TYPED] = "typed", [GUARD_INBOX] = "inbox", [GUARD_HELD] = "held"};

enum guard_verdict guard_verdict_said(const cccc_value_t *v)
{
    cccc_str_t word = CCCC_STR("");
    enum guard_verdict verdict = GUARD_HELD;
    cccc_as_str(v, &word);
    while (verdict > GUARD_NONE && !cccc_str_is(word, verdict_words[verdict]))
        verdict--;
    return verdict;
}

struct budget {
    uint64_t pair, group, chain, hold_after;
    int64_t window_us, now_us;
};

static struct budget budget_of(const struct cccc_core *core, const struct cccc_group *group)
{
    return (struct budget){.pair = setting_number("guard_pair_max", &group->document),
                           .group = setting_number("guard_group_max", &group->document),
                           .chain = setting_number("guard_chain_max", &group->document),
                           .hold_after = setting_number("guard_hold_after", &group->document),
                           .window_us = (int64_t)setting_number("guard_window_seconds", &group->document) * SECOND,
                           .now_us = core->now->unix_us};
}

uint64_t guard_hops(const struct cccc_event *event)
{
    uint64_t hops = 0;
    if (!cccc_str_is(event->kind, "chat.message") || cccc_str_is(event->by, "user"))
        return 0;
    return cccc_as_uint(message_extra(&event->data, MESSAGE_HOPS), &hops) ? hops : 1;
}

/* Was the group's budget used up by `more` copies of this message and what came before? */
static bool group_is_full(const struct cccc_group *group, const struct budget *budget, uint32_t more)
{
    const struct cccc_guards *guards = group->guards_ahead ? group->guards_ahead : group->guards;
    if (budget->group == 0 || more >= budget->group)
        return budget->group > 0;
    return guards && ring_is_full(&guards->typed, budget->group - more, budget->window_us, budget->now_us);
}

static enum guard_verdict judge(const struct cccc_group *group, const struct pair *pair, const struct budget *budget, uint64_t hops,
                                uint32_t more, bool *new_hold)
{
    bool runaway = (pair && ring_is_full(&pair->typed, budget->pair, budget->window_us, budget->now_us)) ||
                   (budget->chain > 0 && hops > budget->chain);
    if (pair && pair->hold_seq > 0)
        return GUARD_HELD;
    if (!runaway)
        return group_is_full(group, budget, more) ? GUARD_INBOX : GUARD_TYPED;
    *new_hold = budget->hold_after > 0 && pair && pair->over >= budget->hold_after;
    return *new_hold ? GUARD_HELD : GUARD_INBOX;
}

static bool is_guarded(const struct cccc_group *view, const struct cccc_message *m, cccc_str_t id)
{
    const struct cccc_actor *actor = config_actor(view, id);
    return actor && runtime_has_terminal(actor) && !cccc_str_eq(id, m->by);
}

/* Verdicts in the making. */
struct judging {
    call_t *call;
    struct cccc_message *m;
    const struct cccc_group *view;
    struct budget budget;
    cccc_builder_t map, holds, audience;
    uint32_t typed; /* copies so far */
    bool full;      /* more would be held than may be */
};

static void judge_copy(struct judging *j, const cccc_value_t *name)
{
    cccc_str_t id = CCCC_STR("");
    cccc_as_str(name, &id);
    enum guard_verdict verdict = GUARD_NONE;
    if (is_guarded(j->view, j->m, id)) {
        bool new_hold = false;
        const struct pair *pair = pair_find(j->m->group, j->m->by, id);
        verdict = judge(j->m->group, pair, &j->budget, j->m->hops, j->typed, &new_hold);
        j->typed += verdict == GUARD_TYPED;
        j->full |= verdict == GUARD_HELD && pair && pair->held_count >= CCCC_GUARD_HELD_MAX;
        cccc_map_add_key(&j->map, id, cccc_text(verdict_words[verdict]));
        if (new_hold)
            cccc_array_add(&j->holds, pair_both(j->call->arena, pair));
    }
    if (verdict != GUARD_HELD)
        cccc_array_add(&j->audience, *name);
}

bool guards_judge(call_t *call, struct cccc_message *m)
{
    const struct cccc_group *view = group_view(call, m->group);
    m->guard = m->new_holds = cccc_nil();
    if (!view->config.terminals || cccc_str_is(m->by, "user"))
        return true;
    struct judging j = {.call = call, .m = m, .view = view, .budget = budget_of(call->core, view)};
    j.map = cccc_map_builder(call->arena, 4);
    j.holds = cccc_array_builder(call->arena, 1);
    j.audience = cccc_array_builder(call->arena, m->audience.via.array.size);
    for (uint32_t i = 0; i < m->audience.via.array.size; i++)
        judge_copy(&j, &m->audience.via.array.ptr[i]);
    if (j.full) {
        message_refuse(call, m, CCCC_E_STORM_HELD,
                       "messages between %.*s and a recipient are held, and %d wait already; stop writing: the user releases them (`cccc "
                       "release`)",
                       CCCC_STR_FMT(m->by), CCCC_GUARD_HELD_MAX);
        return false;
    }
    m->audience = j.audience.value;
    m->new_holds = j.holds.value;
    if (j.map.value.via.map.size > 0)
        m->guard = j.map.value;
    return true;
}

cccc_err_t guards_announce(call_t *call, const struct cccc_message *m, struct cccc_errmsg *why)
{
    cccc_err_t err = CCCC_OK;
    for (uint32_t i = 0; err == CCCC_OK && cccc_is_array(&m->new_holds) && i < m->new_holds.via.array.size; i++) {
        cccc_str_t one = CCCC_STR(""), other = CCCC_STR("");
        pair_names_said(&m->new_holds.via.array.ptr[i], &one, &other);
        cccc_builder_t context = cccc_map_builder(call->arena, 2);
        cccc_map_add(&context, "hold", m->new_holds.via.array.ptr[i]);
        cccc_map_add(&context, "hops", cccc_uint(m->hops));
        struct cccc_notice notice = {
            .kind = CCCC_STR("error"),
            .priority = CCCC_STR("high"),
            .title = cccc_arena_printf(call->arena, "%.*s and %.*s are held", CCCC_STR_FMT(one), CCCC_STR_FMT(other)),
            .message = cccc_arena_printf(call->arena,
                                         "they wrote to each other without end; what they write now is kept back\nnext: cccc holds; cccc "
                                         "release %.*s %.*s",
                                         CCCC_STR_FMT(one), CCCC_STR_FMT(other)),
            .target = CCCC_STR("user"),
            .context = &context.value};
        cccc_value_t data = notice_data(call->arena, m->group, &notice);
        err = call_append(call, m->group, CCCC_KIND_SYSTEM_NOTIFY, CCCC_STR("system"), CCCC_STR(""), data, NULL, why);
        if (err == CCCC_OK)
            guards_decided(m->group, call->appended);
    }
    return err;
}

/* ---- what was decided, in words ---- */

enum guard_verdict guard_verdict_in(const cccc_value_t *guard, cccc_str_t id)
{
    return guard_verdict_said(cccc_is_map(guard) ? cccc_get_key(guard, id) : NULL);
}

enum guard_verdict guard_verdict_of(const struct cccc_event *event, cccc_str_t id)
{
    return guard_verdict_in(message_extra(&event->data, MESSAGE_GUARD), id);
}

cccc_str_t guard_reason(call_t *call, const struct cccc_group *group, cccc_str_t by, cccc_str_t id, enum guard_verdict verdict)
{
    if (verdict == GUARD_HELD)
        return cccc_arena_printf(call->arena, "what %.*s and %.*s write to each other is held until the user releases it", CCCC_STR_FMT(by),
                                 CCCC_STR_FMT(id));
    return cccc_arena_printf(call->arena, "it was not typed: what agents may cause to be typed was used up (guard_* settings of %s)",
                             group->id);
}

cccc_str_t guard_next(call_t *call, const struct cccc_group *group, cccc_str_t by, cccc_str_t id)
{
    return cccc_arena_printf(call->arena, "cccc release %.*s %.*s --group %s", CCCC_STR_FMT(by), CCCC_STR_FMT(id), group->id);
}

enum guard_verdict guards_judge_released(const struct cccc_core *core, const struct cccc_group *group, cccc_str_t by, cccc_str_t id)
{
    struct budget budget = budget_of(core, group);
    const struct pair *pair = pair_find(group, by, id);
    bool full = pair && ring_is_full(&pair->typed, budget.pair, budget.window_us, budget.now_us);
    return full || group_is_full(group, &budget, 0) ? GUARD_INBOX : GUARD_TYPED;
}

const char *guard_word(enum guard_verdict verdict)
{
    return verdict_words[verdict];
}
