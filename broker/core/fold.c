/* fold.c - from a ledger to a group: at start-up, and again whenever it is not known what the ledger holds.
 *
 * Owns the begin and the end of a fold; what an event does is apply.c's, what a saved state holds is snapshot.c's. A group may be folded in a core of its
 * own, on another thread, and then be adopted.
 * Invariant: between begin and end a group decides nothing and has nothing pending.
 * Thread: that of the core it is called with; cccc_core_fold_adopt is the loop's. */
#include "broker/core/call.h"
#include "broker/core/context/context.h"
#include "broker/core/runtime/runtime.h"

void cccc_core_load_home(cccc_core_t *self, const cccc_value_t *registry, const cccc_value_t *active)
{
    self->loading = true;
    registry_load(self, registry);
    active_load(self, active);
}

cccc_slot_t cccc_core_fold_begin(cccc_core_t *self, cccc_str_t group_id, const cccc_value_t *document, bool edited)
{
    struct cccc_group *group = core_group_make(self, group_id);
    CCCC_ASSERT(!group->pending, "(a fold with events pending)");
    if (cccc_is_map(&group->document))
        registry_remember(self, group);
    group_reset(group);
    group->folding = true;
    group->edited = edited;
    if (cccc_is_map(document))
        config_set_document(group, document);
    runtimes_sync(group);
    return group->slot;
}

/* Exchange what two groups of the same id are, but not which place in which core each has. */
static void group_exchange(struct cccc_group *a, struct cccc_group *b)
{
    struct cccc_group was = *a;
    CCCC_ASSERT(!a->pending && !b->pending && strcmp(a->id, b->id) == 0, "(%s and %s)", a->id, b->id);
    *a = *b;
    a->slot = was.slot;
    a->hh = was.hh;
    was.slot = b->slot;
    was.hh = b->hh;
    *b = was;
    a->pending_end = &a->pending;
    b->pending_end = &b->pending;
}

cccc_slot_t cccc_core_fold_adopt(cccc_core_t *self, cccc_core_t **from)
{
    CCCC_ASSERT((*from)->group_count == 1, "(%u groups)", (*from)->group_count);
    struct cccc_group *folded = (*from)->groups[0], *group = core_group_make(self, cccc_str(folded->id));
    if (cccc_is_map(&group->document))
        registry_remember(self, group);
    folded->unstored |= group->unstored;
    folded->store_failed = group->store_failed;
    folded->changed_mono_us = group->changed_mono_us;
    runtimes_carry(group, folded);
    group_exchange(group, folded);
    runtimes_sync(group);
    sealed_fit(self, group);
    for (size_t i = 0; i < (*from)->effect_count; i++) {
        CCCC_ASSERT((*from)->effects[i].kind == CCCC_DO_LOG, "(a fold wants effect %d)", (int)(*from)->effects[i].kind);
        *core_effect(self, CCCC_DO_LOG) = (*from)->effects[i];
    }
    cccc_core_destroy(from);
    return group->slot;
}

void cccc_core_fold_rewrite(cccc_core_t *self, cccc_slot_t slot)
{
    self->groups[slot]->unstored = true;
}

void cccc_core_fold_missing(cccc_core_t *self, cccc_slot_t slot)
{
    self->groups[slot]->missing = true;
}

void cccc_core_fold(cccc_core_t *self, cccc_slot_t slot, const struct cccc_event *event)
{
    struct cccc_group *group = self->groups[slot];
    apply_event(self, group, event, cccc_kind_find(event->kind));
}

void cccc_core_fold_gap(cccc_core_t *self, cccc_slot_t slot, const struct cccc_gap *gap)
{
    struct cccc_group *group = self->groups[slot];
    gaps_add(group, gap);
    core_log(self, 4, "LEDGER-GAP", "the ledger has a gap; cccc doctor says more group=%s from_seq=%llu to_seq=%llu reason=%s", group->id,
             (unsigned long long)gap->from_seq, (unsigned long long)gap->to_seq, gap->reason);
}

static char *text_kept(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    CCCC_ASSERT(copy || !text, "(out of memory)");
    return copy;
}

void cccc_core_fold_end(cccc_core_t *self, const struct cccc_moment *now, cccc_slot_t slot, const char *offline, const char *read_only)
{
    core_begin_input(self, now);
    struct cccc_group *group = self->groups[slot];
    group->folding = false;
    group->offline = text_kept(offline);
    if (self->serve_only && !offline && !read_only)
        read_only = SERVE_ONLY_WHY;
    group->read_only = text_kept(read_only);
    group->next_seq = group->head_seq + 1;
    group->created = group->head_seq > 0 || !cccc_is_nil(&group->document);
    /* A document that is taken over by a group.edit brings its readers with that event. */
    if (offline || read_only || !config_is_unrecorded(group))
        readers_sync(group);
    if (!offline && !read_only) {
        config_resume(self, group);
        context_resume(self, group);
    } else {
        legacy_fini(group);
    }
    runtimes_sync(group);
    runtimes_boot(group);
    runtimes_changed(self, group);
    group->cursors_dirty = false; /* the export is as old as the last stop or kill; the next move of a cursor renews it */
    core_end_input(self);
}

void cccc_core_loaded(cccc_core_t *self, const struct cccc_moment *now)
{
    core_begin_input(self, now);
    self->loading = false;
    core_end_input(self);
}
