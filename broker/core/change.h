/* change.h - how a group's configuration is changed, and what the configuration ops share. Internal to broker/core.
 *
 * The one way: check against what is already decided (config_ahead), then change_begin: event -> durable -> applied -> group.yaml and registry.json
 * handed to the disk -> reply. The event carries what the change leaves behind, so that replaying it needs nothing else.
 * Thread: the core's. */
#pragma once

#include "broker/core/call.h"

/* The group with its decided but not yet durable configuration events applied: what checks and permissions of the next change must be made
 * against. The group itself when nothing of configuration is pending (the usual case); else a view that lives as long as the call. */
struct cccc_group *config_ahead(call_t *call, struct cccc_group *group);

/* permit_action for a view. */
bool permit_in(const struct cccc_group *group, cccc_str_t by, enum cccc_action action, cccc_str_t target, struct cccc_errmsg *why);

/* Adds the op's own members to the result of a change, after it was applied. */
typedef void (*change_finish_fn)(call_t *call, cccc_builder_t *result);

/* What a change keeps between its steps; call->state points at it. */
struct change {
    change_finish_fn finish;
    cccc_value_t event;     /* as applied */
    call_next_fn meanwhile; /* runs before the answer, which it gives by change_reply; NULL: nothing does */
    void *own;              /* the op's */
};

/* Decide the event and finish the call when it is durable: result {<finish>, event, as_of_seq, warning?}. Consumes the call in every case.
 * `own` is handed to finish through call->state. */
void change_begin(call_t *call, cccc_kind_t kind, cccc_str_t scope_key, cccc_value_t data, change_finish_fn finish, void *own);
/* The same without a scope, with something to wait for before the answer: `meanwhile`, which ends with change_reply. */
void change_begin_then(call_t *call, cccc_kind_t kind, cccc_value_t data, change_finish_fn finish, void *own, call_next_fn meanwhile);
/* The same in parts, for a call that decides several events: change_new, call_append for each with change_applied behind the last. */
struct change *change_new(call_t *call, change_finish_fn finish, void *own);
void change_applied(call_t *call);
/* The answer of a change: what change->meanwhile ends with. */
void change_reply(call_t *call);
/* Would the document still be small enough with `data` in it? CCCC_E_TOO_LARGE with a message otherwise. */
cccc_err_t change_fits(const struct cccc_group *group, const cccc_value_t *data, struct cccc_errmsg *m);

/* Refuse an empty patch or one with keys that are not in the NULL-terminated list (invalid_patch). False: the call was failed. */
bool patch_checked(call_t *call, const cccc_value_t *patch, const char *const *known);

/* Write every group.yaml that is behind. */
void config_tick(struct cccc_core *core);

/* ---- settings.c ---- */

/* All effective settings of a document, defaults filled in and values clamped; a map in the arena. */
cccc_value_t settings_effective(cccc_arena_t *arena, const cccc_value_t *document);
/* One that is a number. */
uint64_t setting_number(const char *name, const cccc_value_t *document);
/* The names of those that the document sets; the others have their defaults. */
cccc_value_t settings_set(cccc_arena_t *arena, const cccc_value_t *document);
/* `document` with every acceptable setting of `patch` put in its place. */
cccc_value_t settings_merge(cccc_arena_t *arena, const cccc_value_t *document, const cccc_value_t *patch);

/* What of them a template of the group holds. */
cccc_value_t settings_template(cccc_arena_t *arena, const cccc_value_t *document);
/* All that a template says of them, which is their defaults where `given` (a map, or NULL) is silent. CCCC_E_INVALID_TEMPLATE: a value that is not allowed. */
cccc_err_t settings_of_template(cccc_arena_t *arena, const cccc_value_t *given, cccc_value_t *out, struct cccc_errmsg *m);

/* May the setting kept under `key` in `section` of a document be `v`? *clamped: yes, but it counts as another, as *m says. CCCC_E_INVALID_PATCH: no.
 * CCCC_E_NOT_FOUND: no setting is kept there. */
cccc_err_t setting_check(cccc_str_t section, cccc_str_t key, const cccc_value_t *v, bool *clamped, struct cccc_errmsg *m);

/* ---- observability.c ---- */

/* All of them, defaults filled in; a map in the arena. */
cccc_value_t observability_effective(cccc_arena_t *arena, const struct cccc_core *core);
/* False: the call was failed. */
bool observability_developer(call_t *call);

/* ---- groups.c ---- */

/* The data of a group.create, with the automation every new group starts with (reference 1.4). */
cccc_value_t group_create_data(cccc_arena_t *arena, cccc_str_t title, cccc_str_t topic);
/* The group of that id, or a new empty place for it. NULL: the call was failed (too many groups, offline, being read,
 * or registered and gone: another group of that id would take its place). */
struct cccc_group *group_place(call_t *call, cccc_str_t id);

/* The id of a group that is to be: one that no group has. */
void group_new_id(struct cccc_core *core, char id[15]);

/* ---- scopes.c ---- */

/* What is at a path, as far as the executor could say. */
struct place {
    cccc_str_t root, git_remote, label;
    char key[15], group_id[15];
    bool directory;
};

/* Ask what is at a clean path; call->state is its until `next` has called place_answer. */
void place_ask(call_t *call, cccc_str_t path, call_next_fn next);
struct place place_answer(call_t *call);
/* The data of a group.attach. */
cccc_value_t attach_data(call_t *call, const struct place *place);
/* The scope is attached and durable: it opens this group from now on, and its scope.yaml is written. */
void scope_attached(call_t *call, cccc_str_t key);
/* An absolute path of the arguments, clean. False: the call was failed. */
bool path_argument(call_t *call, enum cccc_arg_slot slot, cccc_str_t *out);

/* A path made absolute in form only: no double slashes, no dots; false when it does not begin with a slash or holds a NUL. */
bool path_clean(cccc_arena_t *arena, cccc_str_t path, cccc_str_t *out);
/* The scopes of a group in words, for errors about paths in none of them. */
cccc_str_t scopes_said(cccc_arena_t *arena, const struct cccc_group *group);

/* ---- groups.c: lists ---- */

/* Everything a `groups` row and a `status` row have in common goes into `row`. */
void group_row(const struct cccc_core *core, cccc_builder_t *row, const struct cccc_group *group);
/* Unread events of a reader: both lanes; 0 when nobody reads under that id. */
uint64_t reader_unread(const struct cccc_group *group, cccc_str_t id);
/* What a reader owes: open obligations. */
uint64_t reader_owes(const struct cccc_group *group, cccc_str_t id);
/* All groups that are neither deleted nor still being created, newest activity first; *count of them, in the call's arena. */
struct cccc_group **groups_sorted(call_t *call, uint32_t *count);
/* An array of what `make` says of each group, cut where the reply would grow too large; *more then. */
cccc_value_t groups_array(call_t *call, cccc_value_t (*make)(call_t *call, struct cccc_group *group), bool *more);
/* When anything last happened in it. */
cccc_str_t group_activity(const struct cccc_group *group);

/* ---- actors.c ---- */

/* The data of the event that makes actor `id` what `fields` says: an actor.update if the group has it, else an actor.add. CCCC_E_*: no actor can be like that. */
cccc_err_t actor_made(call_t *call, const struct cccc_group *ahead, cccc_str_t id, const cccc_value_t *fields, cccc_value_t *data,
                      struct cccc_errmsg *m);
/* Its program has ended, or will: its private environment goes. `next` NULL: nobody waits. */
void actor_forget_secrets(call_t *call, cccc_str_t id, call_next_fn next);
/* An actor as replies show it: its entry, with `enabled` and `role` made plain. */
cccc_value_t actor_shown(cccc_arena_t *arena, const struct cccc_actor *actor);
/* The command to run: the entry's, or its runtime's; array in the arena, empty when there is none. */
cccc_value_t actor_command(cccc_arena_t *arena, const struct cccc_actor *actor);
/* Add to a launch document what its runtime is like: when it may be typed at, and how lines of its own questions begin. */
void actor_add_habits(cccc_builder_t *launch, const struct cccc_actor *actor);
/* Is it an agent with a screen of its own, which moves to another view once it was told something? */
bool actor_draws(const struct cccc_actor *actor);
/* Ids of the enabled actors; array in the arena. */
cccc_value_t actors_enabled(cccc_arena_t *arena, const struct cccc_group *group);

/* ---- registry.c, active.c ---- */

/* The group a scope opens by default, NULL when there is none. */
struct cccc_group *registry_default(struct cccc_core *core, cccc_str_t scope_key);
void registry_set_default(struct cccc_core *core, cccc_str_t scope_key, cccc_str_t group_id);
/* Forget the default of one scope, if it names this group. */
void registry_drop_default(struct cccc_core *core, cccc_str_t scope_key, const struct cccc_group *group);
/* Does registry.json have an entry of that id, whether or not the group is there? */
bool registry_has(const struct cccc_core *core, cccc_str_t group_id);
/* The scope's default, when that is registered and not there; "" otherwise. */
cccc_str_t registry_lost_default(struct cccc_core *core, cccc_str_t scope_key);
/* Forget the group's entry and every default that names it. */
void registry_forget(struct cccc_core *core, cccc_str_t group_id);
/* registry.json as it should be now, in the arena. */
cccc_value_t registry_document(struct cccc_core *core, cccc_arena_t *arena);
/* What an entry of it says of a group, added to `meta`; and what others wrote into it, as far as `meta` has no such key. */
void registry_meta(const struct cccc_core *core, cccc_builder_t *meta, const struct cccc_group *group);
void registry_kept(const struct cccc_core *core, cccc_builder_t *meta, const struct cccc_group *group);
/* Whether a change may write registry.json now: always in a home of ordinary size, once a second in a huge one. */
bool registry_due(const struct cccc_core *core);
/* A STORE of it; notes the time. */
void registry_store(struct cccc_core *core, struct cccc_store *store);
/* Entries whose group was not found at start-up, and groups whose configuration cannot be read: two sorted arrays in the arena. */
void registry_health(struct cccc_core *core, cccc_arena_t *arena, cccc_value_t *missing, cccc_value_t *corrupt);
/* Clear the active group if it is this one, and have the file written. */
void active_forget(struct cccc_core *core, cccc_str_t group_id);
/* The group's place becomes empty: nobody finds it again. */
void group_forget(struct cccc_core *core, struct cccc_group *group);
