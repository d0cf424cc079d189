/* template_ops.c - group_template_export, _preview, _import_replace and group_create_from_template (reference 3.7).
 *
 * A template is checked whole before anything is decided; then an import is a row of ordinary events, which every follower knows: what is in the way goes, each actor
 * of the template is added or updated and takes its place, then settings and rules. The group's own words are files beside the ledger and are written when all of
 * it is durable. A running group is stopped by it: its programs were started by another configuration.
 * Thread: the core's. */
#include "broker/core/groups/template.h"

#include "broker/core/automation/rules.h"
#include "broker/core/messages/message.h"
#include "broker/core/runtime/runtime.h"

#include <ctype.h>

#define STORE_CHUNK_BYTES 8192

/* Ask for the YAML in `text`, or for `document` as YAML; with the prompts of `group`, when there is one. */
static void store_ask(call_t *call, const struct cccc_group *group, cccc_str_t text, const cccc_value_t *document, call_next_fn next)
{
    struct cccc_store store = {.kind = CCCC_STORE_TEMPLATE, .arena = cccc_arena_new(STORE_CHUNK_BYTES), .document = cccc_nil()};
    if (group)
        store.group_id = cccc_arena_str(store.arena, cccc_str(group->id));
    store.data = cccc_arena_str(store.arena, text);
    if (document)
        store.document = cccc_value_copy(store.arena, document);
    call_store(call, &store, next);
}

/* What it yielded, in the call's arena; read as a template. False: the call was failed. */
static bool store_template(call_t *call, struct template *t, cccc_value_t *stored)
{
    struct cccc_errmsg m;
    cccc_err_t err = call->stored.err;
    if (err == CCCC_OK) {
        *stored = cccc_value_copy(call->arena, call->stored.value);
        err = template_read(call->arena, cccc_get(stored, "template"), t, &m);
    } else {
        err = err == CCCC_E_BAD_YAML ? CCCC_E_INVALID_TEMPLATE : err;
        cccc_fail(&m, err, "%s", call->stored.message);
    }
    if (err != CCCC_OK)
        call_fail(call, err, "%s; nothing was changed", m.text);
    return err == CCCC_OK;
}

/* Group and speaker, who may manage it. NULL: the call was failed. */
static struct cccc_group *manage(call_t *call, enum cccc_arg_slot group_id, enum cccc_arg_slot by)
{
    struct cccc_errmsg m;
    if (!call_group(call, group_id))
        return NULL;
    struct cccc_group *ahead = config_ahead(call, call->group);
    if (!permit_by(call, ahead, cccc_arg_str(&call->request.args, by), "user"))
        return NULL;
    if (permit_in(ahead, call->by, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), &m))
        return ahead;
    call_fail(call, CCCC_E_PERMISSION_DENIED, "%s", m.text);
    return NULL;
}

/* ---- export ---- */

/* Letters and digits of a title in lower case, with dashes between. */
static cccc_str_t slug(cccc_arena_t *arena, cccc_str_t title)
{
    char *out = cccc_arena_alloc(arena, title.len + 1), *p = out;
    for (size_t i = 0; i < title.len; i++)
        if (isalnum((unsigned char)title.ptr[i]) && (unsigned char)title.ptr[i] < 0x80)
            *p++ = (char)tolower((unsigned char)title.ptr[i]);
        else if (p > out && p[-1] != '-')
            *p++ = '-';
    while (p > out && p[-1] == '-')
        p--;
    return p > out ? (cccc_str_t){out, (size_t)(p - out)} : CCCC_STR("group");
}

static void exported(call_t *call)
{
    if (call->stored.err != CCCC_OK) {
        call_fail_cause(call, CCCC_E_TEMPLATE_EXPORT_FAILED, call->stored.err, "%s", call->stored.message);
        return;
    }
    cccc_builder_t result = cccc_map_builder(call->arena, 3);
    cccc_map_add(&result, "template", cccc_value_copy(call->arena, cccc_get(call->stored.value, "text")));
    cccc_map_add(&result, "filename", *(const cccc_value_t *)call->state);
    call_reply(call, &result.value);
}

void op_group_template_export(call_t *call)
{
    if (!call_group(call, CCCC_A_group_template_export_group_id))
        return;
    cccc_value_t document = template_of(call, call->group), *name = cccc_arena_alloc(call->arena, sizeof *name);
    cccc_str_t title = slug(call->arena, call->group->config.title);
    *name = cccc_string(cccc_arena_printf(call->arena, "cccc-group-template--%.*s.yaml", CCCC_STR_FMT(title)));
    call->state = name;
    store_ask(call, call->group, CCCC_STR(""), &document, exported);
}

/* ---- preview ---- */

static void previewed(call_t *call)
{
    struct template t;
    cccc_value_t stored;
    struct cccc_group *ahead = manage(call, CCCC_A_group_template_preview_group_id, CCCC_A_group_template_preview_by);
    if (!ahead || !store_template(call, &t, &stored))
        return;
    cccc_builder_t result = cccc_map_builder(call->arena, 3);
    cccc_map_add(&result, "template", template_shown(call->arena, &t));
    cccc_map_add(&result, "diff", template_diff(call->arena, ahead, &t, cccc_get_str(&stored, "preamble"), cccc_get_str(&stored, "help")));
    cccc_map_add(&result, "as_of_seq", cccc_uint(call->group->head_seq));
    call_reply(call, &result.value);
}

void op_group_template_preview(call_t *call)
{
    if (manage(call, CCCC_A_group_template_preview_group_id, CCCC_A_group_template_preview_by))
        store_ask(call, call->group, cccc_arg_str(&call->request.args, CCCC_A_group_template_preview_template), NULL, previewed);
}

/* ---- the events of an import ---- */

struct step {
    cccc_kind_t kind;
    cccc_str_t scope_key;
    cccc_value_t data;
};

/* An import in the making; change->own. */
struct import {
    struct template t;
    struct place place; /* of a group that is made */
    struct step *steps;
    uint32_t step_count;
    cccc_builder_t removed, added, updated;
    cccc_value_t prompt_paths;
};

static void import_step(struct import *self, cccc_kind_t kind, cccc_str_t scope_key, cccc_value_t data)
{
    self->steps[self->step_count++] = (struct step){kind, scope_key, data};
}

static struct import *import_new(call_t *call, const struct template *t)
{
    enum { OTHERS = 5 }; /* the group's creation, its scope or stop, settings, rules */
    struct import *self = cccc_arena_alloc(call->arena, sizeof *self);
    *self = (struct import){.t = *t, .prompt_paths = cccc_array_builder(call->arena, 0).value};
    self->steps = cccc_arena_alloc(call->arena, (2 * CCCC_ACTORS_PER_GROUP_MAX + OTHERS) * sizeof *self->steps);
    self->removed = cccc_array_builder(call->arena, 4);
    self->added = cccc_array_builder(call->arena, 4);
    self->updated = cccc_array_builder(call->arena, 4);
    return self;
}

static void import_removals(call_t *call, struct import *self, const struct cccc_group *ahead)
{
    for (uint32_t i = 0; i < ahead->config.actor_count; i++) {
        cccc_str_t id = ahead->config.actors[i].id;
        if (template_has_actor(&self->t, id))
            continue;
        cccc_value_t kept = cccc_string(cccc_arena_str(call->arena, id));
        cccc_builder_t data = cccc_map_builder(call->arena, 3);
        cccc_map_add(&data, "actor_id", kept);
        cccc_map_add(&data, "runner", cccc_text(""));
        cccc_map_add(&data, "runner_effective", cccc_nil());
        import_step(self, CCCC_KIND_ACTOR_REMOVE, CCCC_STR(""), data.value);
        cccc_array_add(&self->removed, kept);
    }
}

/* False: one of them cannot be, and the call was failed. */
static bool import_actors(call_t *call, struct import *self, const struct cccc_group *ahead)
{
    for (uint32_t i = 0; i < self->t.actors.via.array.size; i++) {
        const cccc_value_t *row = &self->t.actors.via.array.ptr[i], *id = cccc_get(row, "id");
        cccc_value_t data, fields = cccc_map_without(call->arena, row, CCCC_STR("id"));
        struct cccc_errmsg m;
        bool there = config_actor(ahead, cccc_get_str(row, "id")) != NULL;
        cccc_err_t err = actor_made(call, ahead, cccc_get_str(row, "id"), &fields, &data, &m);
        if (err != CCCC_OK) {
            cccc_builder_t details = cccc_map_builder(call->arena, 2);
            cccc_map_add(&details, "actor_id", *id);
            cccc_map_add(&details, "cause", cccc_text(cccc_err_code(err)));
            call_fail_details(call, CCCC_E_TEMPLATE_APPLY_FAILED, details.value, "actor %.*s: %s; nothing was changed",
                              CCCC_STR_FMT(cccc_get_str(row, "id")), m.text);
            return false;
        }
        data = cccc_map_with(call->arena, &data, CCCC_STR("place"), cccc_uint(i));
        import_step(self, there ? CCCC_KIND_ACTOR_UPDATE : CCCC_KIND_ACTOR_ADD, CCCC_STR(""), data);
        cccc_array_add(there ? &self->updated : &self->added, *id);
    }
    return true;
}

static cccc_value_t names_of(cccc_arena_t *arena, const struct template *t, bool snippets)
{
    cccc_builder_t names = cccc_array_builder(arena, 4);
    for (uint32_t i = 0; snippets && i < t->snippets.via.map.size; i++)
        cccc_array_add(&names, t->snippets.via.map.ptr[i].key);
    for (uint32_t i = 0; !snippets && i < t->rules.via.array.size; i++)
        cccc_array_add(&names, *cccc_get(&t->rules.via.array.ptr[i], "id"));
    return names.value;
}

/* Every rule and snippet is new: none of what they did before counts. */
static cccc_value_t automation_data(cccc_arena_t *arena, const struct import *self, uint64_t version)
{
    cccc_builder_t data = cccc_map_builder(arena, 8);
    cccc_map_add(&data, "rules", names_of(arena, &self->t, false));
    cccc_map_add(&data, "snippets", names_of(arena, &self->t, true));
    cccc_map_add(&data, "version", cccc_uint(version));
    cccc_map_add(&data, "actions", cccc_array_builder(arena, 0).value);
    cccc_map_add(&data, "source", cccc_text("template"));
    cccc_map_add(&data, "put", self->t.rules);
    cccc_map_add(&data, "put_snippets", self->t.snippets);
    cccc_map_add(&data, "armed", names_of(arena, &self->t, false));
    return data.value;
}

static void import_configuration(call_t *call, struct import *self, const struct cccc_group *ahead)
{
    cccc_builder_t settings = cccc_map_builder(call->arena, 1);
    uint64_t version = cccc_get_uint(cccc_get(&ahead->document, "automation"), "version", 1);
    cccc_map_add(&settings, "patch", self->t.settings);
    import_step(self, CCCC_KIND_GROUP_SETTINGS_UPDATE, CCCC_STR(""), settings.value);
    import_step(self, CCCC_KIND_GROUP_AUTOMATION_UPDATE, CCCC_STR(""), automation_data(call->arena, self, (version ? version : 1) + 1));
}

/* Every step will be taken, or none: what could refuse one is asked before the first. */
static cccc_err_t import_check(call_t *call, const struct import *self, const struct cccc_group *ahead, struct cccc_errmsg *m)
{
    cccc_err_t err = change_fits(ahead, &self->t.document, m);
    for (uint32_t i = 0; err == CCCC_OK && i < self->step_count; i++) {
        const struct step *s = &self->steps[i];
        err = call_append_check(call, call->group, s->kind, call->by, s->scope_key, s->data, self->step_count, m);
    }
    return err;
}

/* ---- when it is durable ---- */

static void import_prompts_written(call_t *call)
{
    struct import *self = ((struct change *)call->state)->own;
    if (call->stored.err == CCCC_OK)
        self->prompt_paths = cccc_value_copy(call->arena, cccc_get(call->stored.value, "paths"));
    else
        call->store_warning = cccc_arena_printf(
            call->arena, "all but the group's own words (prompts/) is imported; they could not be written: %s", call->stored.message);
    change_reply(call);
}

static cccc_value_t prompt_or_nil(cccc_arena_t *arena, cccc_str_t text)
{
    return text.len > 0 ? cccc_string(cccc_arena_str(arena, text)) : cccc_nil();
}

static void import_prompts(call_t *call)
{
    const struct import *self = ((struct change *)call->state)->own;
    struct cccc_store store = {.kind = CCCC_STORE_PROMPTS, .arena = cccc_arena_new(STORE_CHUNK_BYTES)};
    cccc_builder_t prompts = cccc_map_builder(store.arena, 2);
    cccc_map_add(&prompts, "CCCC_PREAMBLE.md", prompt_or_nil(store.arena, self->t.preamble));
    cccc_map_add(&prompts, "CCCC_HELP.md", prompt_or_nil(store.arena, self->t.help));
    store.group_id = cccc_arena_str(store.arena, cccc_str(call->group->id));
    store.document = prompts.value;
    call_store(call, &store, import_prompts_written);
}

/* Wait for one program after the other to be gone. */
static void import_wait(call_t *call)
{
    for (struct cccc_runtime *runtime = call->group->runtimes; runtime; runtime = runtime->hh.next)
        if (runtime_lives(runtime) && !runtime_is_overdue(call->core, runtime)) {
            runtime_await(call, runtime, true, import_wait);
            return;
        }
    import_prompts(call);
}

static void import_stored(call_t *call)
{
    const struct import *self = ((struct change *)call->state)->own;
    for (uint32_t i = 0; i < self->removed.value.via.array.size; i++) {
        cccc_str_t id = {0};
        cccc_as_str(&self->removed.value.via.array.ptr[i], &id);
        actor_forget_secrets(call, id, NULL);
    }
    runtimes_reconcile(call->core, call->group);
    import_wait(call);
}

static void import_applied(call_t *call)
{
    struct change *change = call->state;
    const struct import *self = change->own;
    if (self->place.key[0])
        scope_attached(call, cccc_str(self->place.key));
    change->meanwhile = import_stored;
    change_applied(call);
}

/* Decide all of its events and finish the call when they are durable. */
static void import_begin(call_t *call, struct import *self, const struct cccc_group *ahead, change_finish_fn finish)
{
    struct cccc_errmsg m;
    cccc_err_t err = import_check(call, self, ahead, &m);
    if (err != CCCC_OK) {
        call_fail(call, err, "%s; nothing was changed", m.text);
        return;
    }
    change_new(call, finish, self);
    for (uint32_t i = 0; err == CCCC_OK && i < self->step_count; i++) {
        const struct step *s = &self->steps[i];
        err =
            call_append(call, call->group, s->kind, call->by, s->scope_key, s->data, i + 1 < self->step_count ? NULL : import_applied, &m);
    }
    if (err != CCCC_OK)
        call_fail(call, err, "%s", m.text);
}

/* ---- import_replace ---- */

static const cccc_value_t *rule_of(const struct template *t, cccc_str_t id)
{
    for (uint32_t i = 0; i < t->rules.via.array.size; i++)
        if (cccc_str_eq(cccc_get_str(&t->rules.via.array.ptr[i], "id"), id))
            return &t->rules.via.array.ptr[i];
    return NULL;
}

static bool only_notifies(const cccc_value_t *rule)
{
    return cccc_str_is(cccc_get_str(cccc_get(rule, "action"), "kind"), "notify");
}

/* Rules that do more than notify are the user's: whoever else imports leaves them as they are (as in automation_ops.c). False: the call was failed. */
static bool rules_permitted(call_t *call, const struct template *t, const struct cccc_group *ahead)
{
    const struct cccc_config *config = &ahead->config;
    cccc_str_t refused = CCCC_STR("");
    if (cccc_str_is(call->by, "user"))
        return true;
    for (uint32_t i = 0; i < t->rules.via.array.size; i++) {
        const cccc_value_t *rule = &t->rules.via.array.ptr[i];
        const struct cccc_rule *there = rule_find(config->rules, config->rule_count, cccc_get_str(rule, "id"));
        if (!only_notifies(rule) && !(there && cccc_value_eq(&there->entry, rule)))
            refused = cccc_get_str(rule, "id");
    }
    for (uint32_t i = 0; i < config->rule_count; i++) {
        const struct cccc_rule *rule = &config->rules[i];
        const cccc_value_t *kept = rule_of(t, rule->id);
        if (rule->action != RULE_NOTIFY && !(kept && cccc_value_eq(&rule->entry, kept)))
            refused = rule->id;
    }
    if (refused.len > 0)
        call_fail(call, CCCC_E_PERMISSION_DENIED,
                  "permission denied: rule %.*s does more than notify; only the user may add, change or remove it. Nothing was changed",
                  CCCC_STR_FMT(refused));
    return refused.len == 0;
}

static void import_finish(call_t *call, cccc_builder_t *result)
{
    const struct import *self = ((struct change *)call->state)->own;
    cccc_builder_t automation = cccc_map_builder(call->arena, 2);
    cccc_map_add(&automation, "rule_ids", names_of(call->arena, &self->t, false));
    cccc_map_add(&automation, "snippet_ids", names_of(call->arena, &self->t, true));
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, "applied", cccc_bool(true));
    cccc_map_add(result, "removed", self->removed.value);
    cccc_map_add(result, "added", self->added.value);
    cccc_map_add(result, "updated", self->updated.value);
    cccc_map_add(result, "settings_patch", self->t.settings);
    cccc_map_add(result, "prompt_paths", self->prompt_paths);
    cccc_map_add(result, "automation", automation.value);
}

static void import_parsed(call_t *call)
{
    struct template t;
    cccc_value_t stored;
    struct cccc_group *ahead = manage(call, CCCC_A_group_template_import_replace_group_id, CCCC_A_group_template_import_replace_by);
    if (!ahead || !store_template(call, &t, &stored) || !rules_permitted(call, &t, ahead))
        return;
    struct import *self = import_new(call, &t);
    if (ahead->config.running) {
        cccc_builder_t stop = cccc_map_builder(call->arena, 1);
        cccc_map_add(&stop, "stopped", actors_enabled(call->arena, ahead));
        import_step(self, CCCC_KIND_GROUP_STOP, CCCC_STR(""), stop.value);
    }
    import_removals(call, self, ahead);
    if (!import_actors(call, self, ahead))
        return;
    import_configuration(call, self, ahead);
    import_begin(call, self, ahead, import_finish);
}

void op_group_template_import_replace(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_group_template_import_replace_group_id))
        return;
    if (!cccc_str_is(cccc_arg_str(args, CCCC_A_group_template_import_replace_confirm), call->group->id)) {
        call_fail(call, CCCC_E_CONFIRMATION_REQUIRED, "confirm must be %s, exactly; nothing was changed", call->group->id);
        return;
    }
    if (manage(call, CCCC_A_group_template_import_replace_group_id, CCCC_A_group_template_import_replace_by))
        store_ask(call, call->group, cccc_arg_str(args, CCCC_A_group_template_import_replace_template), NULL, import_parsed);
}

/* ---- group_create_from_template ---- */

static void created_finish(call_t *call, cccc_builder_t *result)
{
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, "applied", cccc_bool(true));
}

/* A directory is one group's own. False: it has one, and the call was failed. */
static bool is_free(call_t *call, const struct place *place)
{
    const struct cccc_group *group = registry_default(call->core, cccc_str(place->key));
    cccc_str_t id = group ? cccc_str(group->id) : registry_lost_default(call->core, cccc_str(place->key));
    if (id.len == 0)
        return true;
    cccc_builder_t details = cccc_map_builder(call->arena, 2);
    cccc_map_add(&details, "group_id", cccc_string(cccc_arena_str(call->arena, id)));
    cccc_map_add(&details, "path", cccc_string(place->root));
    call_fail_details(call, CCCC_E_SCOPE_ALREADY_ATTACHED, details.value,
                      "%.*s has a group already, %.*s; import the template there, or take another directory", CCCC_STR_FMT(place->root),
                      CCCC_STR_FMT(id));
    return false;
}

static cccc_value_t created_data(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    cccc_str_t title = cccc_arg_str(args, CCCC_A_group_create_from_template_title);
    return group_create_data(call->arena, title.len > 0 ? title : CCCC_STR("working-group"),
                             cccc_arg_str(args, CCCC_A_group_create_from_template_topic));
}

static void create_parsed(call_t *call)
{
    static const struct cccc_group nobody = {.id = "the new one"}; /* what the import is checked against */
    const struct place *place = call->state;
    struct template t;
    cccc_value_t stored;
    char id[15];
    if (!store_template(call, &t, &stored) || !is_free(call, place))
        return;
    struct import *self = import_new(call, &t);
    self->place = *place;
    import_step(self, CCCC_KIND_GROUP_CREATE, CCCC_STR(""), created_data(call));
    import_step(self, CCCC_KIND_GROUP_ATTACH, cccc_str(self->place.key), attach_data(call, place));
    if (!import_actors(call, self, &nobody))
        return;
    import_configuration(call, self, &nobody);
    group_new_id(call->core, id);
    call->group = group_place(call, cccc_str(id));
    if (call->group)
        import_begin(call, self, &nobody, created_finish);
}

static void create_placed(call_t *call)
{
    struct place *place = cccc_arena_alloc(call->arena, sizeof *place);
    *place = place_answer(call);
    if (!place->directory) {
        call_fail(call, CCCC_E_INVALID_PATH, "%.*s is no directory; nothing was made", CCCC_STR_FMT(*(const cccc_str_t *)call->state));
        return;
    }
    call->state = place;
    store_ask(call, NULL, cccc_arg_str(&call->request.args, CCCC_A_group_create_from_template_template), NULL, create_parsed);
}

void op_group_create_from_template(call_t *call)
{
    cccc_str_t path;
    if (permit_by(call, NULL, cccc_arg_str(&call->request.args, CCCC_A_group_create_from_template_by), "user") &&
        path_argument(call, CCCC_A_group_create_from_template_path, &path))
        place_ask(call, path, create_placed);
}
