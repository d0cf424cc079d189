/* actors.c - the actors of a group: list, add, change, remove (reference 3.8).
 *
 * An actor's entry is stored without its role: the first enabled actor is the foreman, computed anew from the list at each use. Here an actor is
 * configuration; what runs follows from it (runtime.c).
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/groups/schema.h"
#include "broker/core/runtime/runtime.h"
#include "proto/words.h"

#include <ctype.h>
#include <stdio.h>

/* ---- what an entry may hold ---- */

static const struct {
    const char *name, *command, *questions, *dialogs;
    uint32_t ready_ms;
    bool draws, shows;
} runtimes[] = {
#define CCCC_RUNTIME(name, title, executable, command, primary, ready_ms, draws, shows, questions, dialogs)                                \
    {#name, command, questions, dialogs, ready_ms, draws, shows},
#include "proto/runtimes.def"
#undef CCCC_RUNTIME
};

/* The fields of an entry that callers set, in its order. */
enum field { TITLE, COMMAND, ENV, SCOPE, SUBMIT, ENABLED, RUNNER, RUNTIME, PROCESSES, MEMORY, FIELDS };

/* What each may be is in the table of schema.c. */
static const struct {
    const char *name;
    const char *otherwise; /* of those that are text: the default */
    bool sparse;           /* kept only where it says something */
} fields[FIELDS] = {
    [TITLE] = {.name = "title", .otherwise = ""},
    [COMMAND] = {.name = "command"},
    [ENV] = {.name = "env"},
    [SCOPE] = {.name = "default_scope_key", .otherwise = ""},
    [SUBMIT] = {.name = "submit", .otherwise = "enter"},
    [ENABLED] = {.name = "enabled"},
    [RUNNER] = {.name = "runner", .otherwise = "pty"},
    [RUNTIME] = {.name = "runtime", .otherwise = "codex"},
    [PROCESSES] = {.name = "processes_max", .sparse = true},
    [MEMORY] = {.name = "memory_mib_max", .sparse = true},
};

/* Its place in the table, or that of custom, which is the last. */
static size_t runtime_row(cccc_str_t runtime)
{
    size_t i = 0;
    while (i < sizeof runtimes / sizeof *runtimes - 1 && !cccc_str_is(runtime, runtimes[i].name))
        i++;
    return i;
}

static cccc_value_t split(cccc_arena_t *arena, const char *at, const char *separator)
{
    cccc_builder_t b = cccc_array_builder(arena, 6);
    while (*at != '\0') {
        size_t n = strcspn(at, separator);
        cccc_array_add(&b, cccc_string((cccc_str_t){at, n}));
        at += n + (at[n] != '\0');
    }
    return b.value;
}

static cccc_value_t default_command(cccc_arena_t *arena, cccc_str_t runtime)
{
    return split(arena, runtimes[runtime_row(runtime)].command, " ");
}

bool actor_draws(const struct cccc_actor *actor)
{
    return runtimes[runtime_row(actor->runtime)].draws;
}

void actor_add_habits(cccc_builder_t *launch, const struct cccc_actor *actor)
{
    size_t row = runtime_row(actor->runtime);
    cccc_map_add(launch, "ready_ms", cccc_uint(runtimes[row].ready_ms));
    cccc_map_add(launch, "draws", cccc_bool(runtimes[row].draws));
    cccc_map_add(launch, "shows", cccc_bool(runtimes[row].shows));
    cccc_map_add(launch, "questions", split(launch->arena, runtimes[row].questions, "|"));
    cccc_map_add(launch, "dialogs", split(launch->arena, runtimes[row].dialogs, "|"));
}

cccc_value_t actor_command(cccc_arena_t *arena, const struct cccc_actor *actor)
{
    const cccc_value_t *own = cccc_get(actor->entry, "command");
    cccc_builder_t b = cccc_array_builder(arena, 8);
    cccc_str_t word;
    for (uint32_t i = 0; cccc_is_array(own) && i < own->via.array.size; i++)
        if (cccc_as_str(&own->via.array.ptr[i], &word) && word.len > 0)
            cccc_array_add(&b, cccc_string(word));
    return b.value.via.array.size > 0 ? b.value : default_command(arena, actor->runtime);
}

/* Every value a text: numbers as their decimals. */
static cccc_value_t env_value(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_builder_t b = cccc_map_builder(arena, v->via.map.size);
    for (uint32_t i = 0; i < v->via.map.size; i++) {
        const msgpack_object_kv *kv = &v->via.map.ptr[i];
        cccc_str_t name = {0}, text = {0};
        int64_t number;
        cccc_as_str(&kv->key, &name);
        if (cccc_as_int(&kv->val, &number))
            text = cccc_arena_printf(arena, "%lld", (long long)number);
        else
            cccc_as_str(&kv->val, &text);
        cccc_map_add_key(&b, name, cccc_string(text));
    }
    return b.value;
}

static cccc_value_t default_value(cccc_arena_t *arena, enum field field)
{
    if (field == COMMAND)
        return cccc_array_builder(arena, 0).value;
    if (field == ENV)
        return cccc_map_builder(arena, 0).value;
    if (fields[field].sparse)
        return cccc_nil();
    return field == ENABLED ? cccc_bool(true) : cccc_text(fields[field].otherwise);
}

/* What may stand for the type itself, as everywhere: a number for a text, a command line for its words. */
static cccc_err_t understand(cccc_arena_t *arena, enum field field, cccc_value_t *v, struct cccc_errmsg *m)
{
    cccc_str_t line;
    int64_t number;
    if (fields[field].otherwise && cccc_as_int(v, &number))
        *v = cccc_string(cccc_arena_printf(arena, "%lld", (long long)number));
    else if (field == COMMAND && cccc_as_str(v, &line) && !cccc_words_split(arena, line, v))
        return cccc_fail(m, CCCC_E_INVALID_PATCH, "a quote in its command is not closed");
    return CCCC_OK;
}

/* The canonical value of one field; nil resets it. CCCC_E_INVALID_PATCH: of the wrong type. CCCC_E_ACTOR_UPDATE_FAILED, CCCC_E_TOO_LARGE: a value that
 * is not allowed. */
static cccc_err_t field_value(cccc_arena_t *arena, enum field field, const cccc_value_t *given, cccc_value_t *out, struct cccc_errmsg *m)
{
    cccc_str_t s;
    int64_t n;
    bool on;
    cccc_value_t v = *given;
    *out = default_value(arena, field);
    if (cccc_is_nil(&v))
        return CCCC_OK;
    cccc_err_t err = understand(arena, field, &v, m);
    err = err ? err : cccc_schema_actor_field(fields[field].name, &v, m);
    if (err != CCCC_OK)
        return err;
    if (field == ENABLED)
        *out = cccc_bool(cccc_schema_bool(&v, &on) && on);
    else if (field == ENV)
        *out = env_value(arena, &v);
    else if (!fields[field].sparse && (!cccc_as_str(&v, &s) || s.len > 0)) /* empty text: the default */
        *out = v;
    else if (cccc_as_int(&v, &n) && n > 0) /* 0: no limit, which is the default */
        *out = cccc_int(n);
    return CCCC_OK;
}

/* The same of what somebody gives now, of whom more is wanted than of what is kept. */
static cccc_err_t given_value(cccc_arena_t *arena, enum field field, const cccc_value_t *v, cccc_value_t *out, struct cccc_errmsg *m)
{
    cccc_err_t err = field_value(arena, field, v, out, m);
    return err == CCCC_OK && field == ENV ? cccc_schema_env_given(v, CCCC_E_ACTOR_UPDATE_FAILED, m) : err;
}

/* The entry with the field's value in it; without it, where that says nothing. */
static cccc_value_t with_field(cccc_arena_t *arena, const cccc_value_t *entry, enum field field, cccc_value_t value)
{
    if (cccc_is_nil(&value))
        return cccc_map_without(arena, entry, cccc_str(fields[field].name));
    return cccc_map_with(arena, entry, cccc_str(fields[field].name), value);
}

/* ---- showing ---- */

cccc_value_t actor_shown(cccc_arena_t *arena, const struct cccc_actor *actor)
{
    cccc_value_t v = cccc_map_with(arena, actor->entry, CCCC_STR("enabled"), cccc_bool(actor->enabled));
    return cccc_map_with(arena, &v, CCCC_STR("role"), cccc_text(actor->foreman ? "foreman" : "peer"));
}

cccc_value_t actors_enabled(cccc_arena_t *arena, const struct cccc_group *group)
{
    cccc_builder_t b = cccc_array_builder(arena, group->config.actor_count);
    for (uint32_t i = 0; i < group->config.actor_count; i++) {
        if (group->config.actors[i].enabled)
            cccc_array_add(&b, cccc_string(cccc_arena_str(arena, group->config.actors[i].id)));
    }
    return b.value;
}

/* What is known of its program, behind what is configured. */
static cccc_value_t with_runtime(call_t *call, cccc_value_t shown, const struct cccc_runtime *runtime)
{
    cccc_builder_t row = cccc_map_builder(call->arena, shown.via.map.size + 12);
    for (uint32_t i = 0; i < shown.via.map.size; i++) {
        cccc_str_t key = {0};
        cccc_as_str(&shown.via.map.ptr[i].key, &key);
        cccc_map_add_key(&row, key, shown.via.map.ptr[i].val);
    }
    cccc_map_add(&row, "running", cccc_bool(runtime && runtime_runs(runtime)));
    if (runtime)
        runtime_show(call->core, &row, runtime);
    return row.value;
}

void op_actor_list(call_t *call)
{
    if (!call_group(call, CCCC_A_actor_list_group_id))
        return;
    const struct cccc_group *group = call->group;
    bool unread = cccc_arg_bool(&call->request.args, CCCC_A_actor_list_include_unread, false);
    cccc_builder_t list = cccc_array_builder(call->arena, group->config.actor_count), result = cccc_map_builder(call->arena, 2);
    for (uint32_t i = 0; i < group->config.actor_count; i++) {
        const struct cccc_actor *actor = &group->config.actors[i];
        cccc_value_t v = actor_shown(call->arena, actor);
        v = with_runtime(call, v, runtime_find(group, actor->id));
        if (unread) {
            v = cccc_map_with(call->arena, &v, CCCC_STR("unread_count"), cccc_uint(reader_unread(group, actor->id)));
            v = cccc_map_with(call->arena, &v, CCCC_STR("owes"), cccc_uint(reader_owes(group, actor->id)));
        }
        cccc_array_add(&list, v);
    }
    cccc_map_add(&result, "actors", list.value);
    cccc_map_add(&result, "as_of_seq", cccc_uint(group->head_seq));
    call_reply(call, &result.value);
}

/* ---- building an entry ---- */

/* An entry in the making: the values of its fields, and what it is checked against. */
struct draft {
    call_t *call;
    const struct cccc_group *ahead;
    cccc_str_t id;
    cccc_value_t values[FIELDS];
};

static cccc_str_t word(const struct draft *d, enum field field)
{
    cccc_str_t s = {0};
    cccc_as_str(&d->values[field], &s);
    return s;
}

static bool has_command(const struct draft *d)
{
    return cccc_is_array(&d->values[COMMAND]) && d->values[COMMAND].via.array.size > 0;
}

/* What only the fields together can be judged by. */
static cccc_err_t draft_check(struct draft *d, struct cccc_errmsg *m)
{
    cccc_str_t scope = word(d, SCOPE);
    if (scope.len > 0 && config_scope(d->ahead, scope) == NULL)
        return cccc_fail(m, CCCC_E_SCOPE_NOT_ATTACHED, "scope not attached: %.*s is no scope of group %s", CCCC_STR_FMT(scope),
                         d->ahead->id);
    if (has_command(d) || !cccc_str_is(word(d, RUNNER), "pty"))
        return CCCC_OK;
    d->values[COMMAND] = default_command(d->call->arena, word(d, RUNTIME));
    if (!has_command(d))
        return cccc_fail(m, CCCC_E_MISSING_COMMAND, "missing command: a pty actor with runtime custom needs one");
    return CCCC_OK;
}

/* ---- actor_add ---- */

static cccc_err_t add_arguments(struct draft *d, struct cccc_errmsg *m)
{
    static const enum cccc_arg_slot slots[FIELDS] = {
        [TITLE] = CCCC_A_actor_add_title,
        [COMMAND] = CCCC_A_actor_add_command,
        [ENV] = CCCC_A_actor_add_env,
        [SCOPE] = CCCC_A_actor_add_default_scope_key,
        [SUBMIT] = CCCC_A_actor_add_submit,
        [ENABLED] = CCCC_A_COUNT,
        [RUNNER] = CCCC_A_actor_add_runner,
        [RUNTIME] = CCCC_A_actor_add_runtime,
        [PROCESSES] = CCCC_A_actor_add_processes_max,
        [MEMORY] = CCCC_A_actor_add_memory_mib_max,
    };
    const cccc_value_t nil = cccc_nil();
    for (enum field f = TITLE; f < FIELDS; f++) {
        const cccc_value_t *given = slots[f] == CCCC_A_COUNT ? NULL : cccc_arg(&d->call->request.args, slots[f]);
        cccc_err_t err = given_value(d->call->arena, f, given != NULL ? given : &nil, &d->values[f], m);
        if (err != CCCC_OK)
            return err;
    }
    return CCCC_OK;
}

/* A foreman may only add copies of itself (reference 3.8): what it leaves open is copied, what it says must be the same. */
static cccc_err_t clone_rule(struct draft *d, struct cccc_errmsg *m)
{
    static const struct {
        enum field field;
        enum cccc_arg_slot slot;
    } same[] = {{RUNTIME, CCCC_A_actor_add_runtime},
                {RUNNER, CCCC_A_actor_add_runner},
                {COMMAND, CCCC_A_actor_add_command},
                {ENV, CCCC_A_actor_add_env}};
    const struct cccc_actor *foreman = config_actor(d->ahead, d->call->by);
    if (foreman == NULL)
        return CCCC_OK;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        enum field f = same[i].field;
        const cccc_value_t nil = cccc_nil(), *own = cccc_get(foreman->entry, fields[f].name);
        cccc_value_t copy;
        if (field_value(d->call->arena, f, own != NULL ? own : &nil, &copy, NULL) != CCCC_OK)
            field_value(d->call->arena, f, &nil, &copy, NULL);
        copy = cccc_value_copy(d->call->arena, &copy);
        const cccc_value_t *given = cccc_arg(&d->call->request.args, same[i].slot);
        bool open =
            given == NULL || (cccc_is_array(given) && given->via.array.size == 0) || (cccc_is_map(given) && given->via.map.size == 0);
        if (!open && !cccc_value_eq(&d->values[f], &copy))
            return cccc_fail(m, CCCC_E_PERMISSION_DENIED,
                             "permission denied: a foreman adds actors like itself, and %s differs; leave it out, or ask the user",
                             fields[f].name);
        d->values[f] = copy;
    }
    return CCCC_OK;
}

/* <runtime>-1, -2, ... the first that is free. */
static cccc_str_t made_id(const struct draft *d)
{
    cccc_str_t runtime = word(d, RUNTIME);
    for (unsigned n = 1; n <= 999; n++) {
        cccc_str_t id = cccc_arena_printf(d->call->arena, "%.*s-%u", CCCC_STR_FMT(runtime), n);
        if (config_actor(d->ahead, id) == NULL)
            return id;
    }
    return cccc_arena_printf(d->call->arena, "%.*s-%08x", CCCC_STR_FMT(runtime), (unsigned)(core_random(d->call->core) >> 32));
}

static cccc_err_t add_id(struct draft *d, struct cccc_errmsg *m)
{
    d->id = cccc_arg_str(&d->call->request.args, CCCC_A_actor_add_actor_id);
    if (d->id.len == 0)
        d->id = made_id(d);
    if (!actor_id_valid(d->id, m))
        return CCCC_E_INVALID_ACTOR_ID;
    if (config_actor(d->ahead, d->id) != NULL)
        return cccc_fail(m, CCCC_E_EXISTS, "name already exists: there is an actor %.*s in group %s", CCCC_STR_FMT(d->id), d->ahead->id);
    if (d->ahead->config.actor_count >= CCCC_ACTORS_PER_GROUP_MAX)
        return cccc_fail(m, CCCC_E_TOO_LARGE, "group %s has %d actors, which is as many as it keeps; remove one first", d->ahead->id,
                         CCCC_ACTORS_PER_GROUP_MAX);
    return CCCC_OK;
}

/* The actor an event made or changed, as it is now. */
static void shown_finish(call_t *call, cccc_builder_t *result)
{
    const struct change *change = call->state;
    const struct cccc_actor *actor = config_actor(call->group, *(const cccc_str_t *)change->own);
    cccc_map_add(result, "actor", actor != NULL ? actor_shown(call->arena, actor) : *cccc_get(cccc_get(&change->event, "data"), "actor"));
    const struct cccc_runtime *runtime = actor ? runtime_find(call->group, actor->id) : NULL;
    cccc_map_add(result, "running", cccc_bool(runtime && runtime_runs(runtime)));
    if (runtime && runtime->failure[0])
        cccc_map_add(result, "start_error", cccc_string(cccc_arena_str(call->arena, cccc_str(runtime->failure))));
}

static cccc_value_t add_data(const struct draft *d)
{
    char ts[28];
    core_ts(d->call->core, ts);
    cccc_value_t now = cccc_string(cccc_arena_str(d->call->arena, cccc_str(ts)));
    cccc_builder_t entry = cccc_map_builder(d->call->arena, FIELDS + 5), data = cccc_map_builder(d->call->arena, 1);
    cccc_map_add(&entry, "v", cccc_uint(1));
    cccc_map_add(&entry, "id", cccc_string(d->id));
    for (enum field f = TITLE; f < FIELDS; f++)
        if (!cccc_is_nil(&d->values[f]))
            cccc_map_add(&entry, fields[f].name, d->values[f]);
    cccc_map_add(&entry, "created_at", now);
    cccc_map_add(&entry, "updated_at", now);
    cccc_map_add(&entry, "role", cccc_text(config_foreman(d->ahead) == NULL ? "foreman" : "peer"));
    cccc_map_add(&data, "actor", entry.value);
    return data.value;
}

/* In a running group a newcomer starts at once; the answer says whether it does. */
static void added_wait(call_t *call)
{
    const struct change *change = call->state;
    struct cccc_runtime *runtime = runtime_find(call->group, *(const cccc_str_t *)change->own);
    if (runtime)
        runtime_encourage(runtime, RUNTIME_ADDED);
    runtimes_reconcile(call->core, call->group);
    if (runtime && runtime_lives(runtime))
        runtime_await(call, runtime, false, change_reply);
    else
        change_reply(call);
}

void op_actor_add(call_t *call)
{
    if (!call_group(call, CCCC_A_actor_add_group_id))
        return;
    struct draft *d = cccc_arena_alloc(call->arena, sizeof *d);
    *d = (struct draft){.call = call, .ahead = config_ahead(call, call->group)};
    if (!permit_by(call, (struct cccc_group *)d->ahead, cccc_arg_str(&call->request.args, CCCC_A_actor_add_by), "user"))
        return;
    struct cccc_errmsg m;
    cccc_err_t err = permit_in(d->ahead, call->by, CCCC_MAY_ACTOR_ADD, CCCC_STR(""), &m) ? CCCC_OK : CCCC_E_PERMISSION_DENIED;
    err = err ? err : add_arguments(d, &m);
    err = err ? err : clone_rule(d, &m);
    err = err ? err : add_id(d, &m);
    err = err ? err : draft_check(d, &m);
    if (err != CCCC_OK)
        call_fail_cause(call, CCCC_E_ACTOR_ADD_FAILED, err, "%s; nothing was added", m.text);
    else
        change_begin_then(call, CCCC_KIND_ACTOR_ADD, add_data(d), shown_finish, &d->id, added_wait);
}

/* ---- actor_update ---- */

static cccc_value_t update_data(struct draft *d, const struct cccc_actor *actor, const cccc_value_t *patch)
{
    cccc_arena_t *arena = d->call->arena;
    char ts[28];
    core_ts(d->call->core, ts);
    cccc_value_t entry = *actor->entry;
    cccc_builder_t touched = cccc_map_builder(arena, FIELDS), data = cccc_map_builder(arena, 3);
    for (enum field f = TITLE; f < FIELDS; f++) {
        if (cccc_get(patch, fields[f].name) != NULL)
            cccc_map_add(&touched, fields[f].name, d->values[f]);
        entry = with_field(arena, &entry, f, d->values[f]);
    }
    if (cccc_get(patch, fields[ENABLED].name)) /* it was said whether it takes part */
        entry = cccc_map_without(arena, &entry, CCCC_STR("left_stopped"));
    entry = cccc_map_with(arena, &entry, CCCC_STR("updated_at"), cccc_string(cccc_arena_str(arena, cccc_str(ts))));
    cccc_map_add(&data, "actor_id", cccc_string(d->id));
    cccc_map_add(&data, "patch", touched.value);
    cccc_map_add(&data, "actor", entry);
    return cccc_value_copy(arena, &data.value); /* nothing may be borrowed from the document, which may be gone when the event is applied */
}

/* Every field of the entry as it will be: from the patch, else as it is, else (there is none yet, or a hand wrote nonsense) its default. */
static cccc_err_t patched(struct draft *d, const struct cccc_actor *actor, const cccc_value_t *patch, struct cccc_errmsg *m)
{
    const cccc_value_t nil = cccc_nil();
    for (enum field f = TITLE; f < FIELDS; f++) {
        const cccc_value_t *given = cccc_get(patch, fields[f].name), *stored = actor ? cccc_get(actor->entry, fields[f].name) : NULL;
        if (given == NULL) {
            if (field_value(d->call->arena, f, stored != NULL ? stored : &nil, &d->values[f], NULL) != CCCC_OK)
                field_value(d->call->arena, f, &nil, &d->values[f], NULL);
            continue;
        }
        cccc_err_t err = given_value(d->call->arena, f, given, &d->values[f], m);
        if (err != CCCC_OK)
            return err;
    }
    return draft_check(d, m);
}

cccc_err_t actor_made(call_t *call, const struct cccc_group *ahead, cccc_str_t id, const cccc_value_t *fields_, cccc_value_t *data,
                      struct cccc_errmsg *m)
{
    struct draft d = {.call = call, .ahead = ahead, .id = id};
    const struct cccc_actor *actor = config_actor(ahead, id);
    cccc_err_t err = patched(&d, actor, fields_, m);
    if (err == CCCC_OK)
        *data = actor ? update_data(&d, actor, fields_) : add_data(&d);
    return err;
}

/* Whether it takes part was said: its program follows, and the answer waits for that. */
static void updated_wait(call_t *call)
{
    const struct change *change = call->state;
    cccc_str_t id = *(const cccc_str_t *)change->own;
    const struct cccc_actor *actor = config_actor(call->group, id);
    struct cccc_runtime *runtime = runtime_find(call->group, id);
    bool starts = actor && actor->enabled && call->group->config.running;
    if (runtime && starts)
        runtime_encourage(runtime, RUNTIME_ASKED);
    runtimes_reconcile(call->core, call->group);
    if (runtime && runtime_lives(runtime))
        runtime_await(call, runtime, !starts, change_reply);
    else
        change_reply(call);
}

void op_actor_update(call_t *call)
{
    static const char *const known[] = {"role",    "title",  "command", "env",           "default_scope_key", "submit",
                                        "enabled", "runner", "runtime", "processes_max", "memory_mib_max",    NULL};
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_actor_update_group_id))
        return;
    struct cccc_group *ahead = config_ahead(call, call->group);
    if (!permit_by(call, ahead, cccc_arg_str(args, CCCC_A_actor_update_by), "user"))
        return;
    struct draft *d = cccc_arena_alloc(call->arena, sizeof *d);
    *d = (struct draft){.call = call, .ahead = ahead, .id = cccc_arg_str(args, CCCC_A_actor_update_actor_id)};
    const cccc_value_t *patch = cccc_arg(args, CCCC_A_actor_update_patch);
    const struct cccc_actor *actor = config_actor(ahead, d->id);
    struct cccc_errmsg m;
    if (!permit_in(ahead, call->by, CCCC_MAY_ACTOR_UPDATE, d->id, &m)) {
        call_fail_cause(call, CCCC_E_ACTOR_UPDATE_FAILED, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return;
    }
    if (actor == NULL) {
        call_fail_cause(call, CCCC_E_ACTOR_UPDATE_FAILED, CCCC_E_ACTOR_NOT_FOUND, "actor not found: %.*s is not in group %s",
                        CCCC_STR_FMT(d->id), ahead->id);
        return;
    }
    if (!patch_checked(call, patch, known))
        return;
    cccc_err_t err = patched(d, actor, patch, &m);
    if (err == CCCC_E_SCOPE_NOT_ATTACHED || err == CCCC_E_MISSING_COMMAND)
        call_fail_cause(call, CCCC_E_ACTOR_UPDATE_FAILED, err, "%s; nothing was changed", m.text);
    else if (err != CCCC_OK)
        call_fail(call, err, "%s; nothing was changed", m.text);
    else
        change_begin_then(call, CCCC_KIND_ACTOR_UPDATE, update_data(d, actor, patch), shown_finish, &d->id,
                          cccc_get(patch, fields[ENABLED].name) ? updated_wait : NULL);
}

/* ---- actor_remove ---- */

static void remove_finish(call_t *call, cccc_builder_t *result)
{
    cccc_map_add(result, "actor_id", cccc_string(cccc_arg_str(&call->request.args, CCCC_A_actor_remove_actor_id)));
}

void actor_forget_secrets(call_t *call, cccc_str_t id, call_next_fn next)
{
    struct cccc_store store = {.kind = CCCC_STORE_SECRETS, .arena = cccc_arena_new(512)};
    cccc_builder_t drop = cccc_map_builder(store.arena, 1);
    cccc_map_add(&drop, "drop", cccc_bool(true));
    store.group_id = cccc_arena_str(store.arena, cccc_str(call->group->id));
    store.name = cccc_arena_str(store.arena, id);
    store.document = drop.value;
    call_store(call, &store, next);
}

/* The program ends, then its secrets go. */
static void removed_ended(call_t *call)
{
    actor_forget_secrets(call, cccc_arg_str(&call->request.args, CCCC_A_actor_remove_actor_id), change_reply);
}

static void removed_wait(call_t *call)
{
    struct cccc_runtime *runtime = runtime_find(call->group, cccc_arg_str(&call->request.args, CCCC_A_actor_remove_actor_id));
    runtimes_reconcile(call->core, call->group);
    if (runtime && runtime_lives(runtime))
        runtime_await(call, runtime, true, removed_ended);
    else
        removed_ended(call);
}

void op_actor_remove(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_actor_remove_group_id))
        return;
    struct cccc_group *ahead = config_ahead(call, call->group);
    if (!permit_by(call, ahead, cccc_arg_str(args, CCCC_A_actor_remove_by), "user"))
        return;
    cccc_str_t id = cccc_arg_str(args, CCCC_A_actor_remove_actor_id);
    struct cccc_errmsg m;
    if (!permit_in(ahead, call->by, CCCC_MAY_ACTOR_REMOVE, id, &m)) {
        call_fail_cause(call, CCCC_E_ACTOR_REMOVE_FAILED, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return;
    }
    if (config_actor(ahead, id) == NULL) {
        call_fail_cause(call, CCCC_E_ACTOR_REMOVE_FAILED, CCCC_E_ACTOR_NOT_FOUND, "actor not found: %.*s is not in group %s",
                        CCCC_STR_FMT(id), ahead->id);
        return;
    }
    cccc_builder_t data = cccc_map_builder(call->arena, 3);
    cccc_map_add(&data, "actor_id", cccc_string(id));
    cccc_map_add(&data, "runner", cccc_nil());
    cccc_map_add(&data, "runner_effective", cccc_nil());
    change_begin_then(call, CCCC_KIND_ACTOR_REMOVE, data.value, remove_finish, NULL, removed_wait);
}
