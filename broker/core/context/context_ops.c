/* context_ops.c - the changes that context_sync knows (reference 12.1): each takes the state as it is and leaves the state as it should be.
 *
 * All of a batch are applied in memory, one after the other; the first that is not possible refuses the whole batch, and nothing is changed.
 * Thread: the core's. */
#include "broker/core/context/context_ops.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

typedef bool (*change_fn)(struct sync *s, const cccc_value_t *op);

static bool refused(cccc_err_t err)
{
    return err == CCCC_OK;
}

/* False, with the reason kept; `fmt` shows one word of the request. */
#define FAIL(s, fmt, word) refused(cccc_fail(&(s)->why, CCCC_E_CONTEXT_SYNC, fmt, CCCC_STR_FMT(cccc_str_cut(word, 64))))

static bool done(struct sync *s, const char *what, cccc_str_t id)
{
    s->detail = id.len > 0 ? cccc_arena_printf(s->arena, "%s %.*s", what, CCCC_STR_FMT(id)) : cccc_str(what);
    return true;
}

/* ---- reading an op ---- */

/* A field as text: numbers as their digits, "" when it is not there. */
static cccc_str_t text(struct sync *s, const cccc_value_t *op, const char *name)
{
    const cccc_value_t *v = cccc_get(op, name);
    int64_t i;
    cccc_str_t out = CCCC_STR("");
    if (!cccc_as_str(v, &out) && cccc_as_int(v, &i))
        out = cccc_arena_printf(s->arena, "%lld", (long long)i);
    return out;
}

static bool given(const cccc_value_t *op, const char *name)
{
    const cccc_value_t *v = cccc_get(op, name);
    return v && !cccc_is_nil(v);
}

static bool is_one_of(cccc_str_t word, const char *const *words)
{
    while (*words && !cccc_str_is(word, *words))
        words++;
    return *words;
}

/* A status of milestones and tasks; "pending" counts as planned, "" gives `otherwise`. False: it is none. */
static bool status_of(struct sync *s, cccc_str_t word, const char *otherwise, cccc_str_t *out)
{
    static const char *const statuses[] = {"planned", "active", "done", "archived", NULL};
    *out = word.len == 0 ? cccc_str(otherwise) : cccc_str_is(word, "pending") ? CCCC_STR("planned") : word;
    return is_one_of(*out, statuses) || FAIL(s, "\"%.*s\" is no status; use planned, active, done or archived", word);
}

/* ---- changing values ---- */

static cccc_value_t set(struct sync *s, const cccc_value_t *map, const char *name, cccc_str_t value)
{
    return cccc_map_with(s->arena, map, cccc_str(name), cccc_string(value));
}

/* `map` with the text field when the op has it. */
static cccc_value_t set_given(struct sync *s, cccc_value_t map, const cccc_value_t *op, const char *name)
{
    return given(op, name) ? set(s, &map, name, text(s, op, name)) : map;
}

static cccc_value_t list_in(struct sync *s, const cccc_value_t *map, const char *name)
{
    const cccc_value_t *list = cccc_get(map, name);
    return cccc_is_array(list) ? *list : cccc_array_builder(s->arena, 0).value;
}

/* A copy of `list` with `item` at place `at` (its end: appended), or without it (NULL). */
static cccc_value_t list_with(struct sync *s, const cccc_value_t *list, int64_t at, const cccc_value_t *item)
{
    cccc_builder_t out = cccc_array_builder(s->arena, list->via.array.size + 1);
    for (uint32_t i = 0; i < list->via.array.size; i++)
        if (i != at)
            cccc_array_add(&out, list->via.array.ptr[i]);
        else if (item)
            cccc_array_add(&out, *item);
    if (at == list->via.array.size && item)
        cccc_array_add(&out, *item);
    return out.value;
}

static void put_list(struct sync *s, const char *name, cccc_value_t list)
{
    s->context = cccc_map_with(s->arena, &s->context, cccc_str(name), list);
    s->context_changed = true;
}

static uint64_t number_of(cccc_str_t id)
{
    uint64_t n = 0;
    for (size_t i = 1; i < id.len && i < 10 && isdigit((unsigned char)id.ptr[i]); i++)
        n = n * 10 + (uint64_t)(id.ptr[i] - '0');
    return n;
}

/* The next id of a kind: the highest number there is and one. */
static cccc_str_t next_in_list(struct sync *s, const cccc_value_t *list, char kind, int width)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        uint64_t n = number_of(cccc_get_str(&list->via.array.ptr[i], "id"));
        highest = n > highest ? n : highest;
    }
    return cccc_arena_printf(s->arena, "%c%0*llu", kind, width, (unsigned long long)highest + 1);
}

/* ---- vision and sketch ---- */

static bool set_text(struct sync *s, const cccc_value_t *op, const char *name)
{
    if (!given(op, name))
        return FAIL(s, "%.*s is missing", cccc_str(name));
    s->context = set_given(s, s->context, op, name);
    s->context_changed = true;
    return true;
}

static bool vision_update(struct sync *s, const cccc_value_t *op)
{
    return set_text(s, op, "vision") && done(s, "Updated vision", CCCC_STR(""));
}

static bool sketch_update(struct sync *s, const cccc_value_t *op)
{
    return set_text(s, op, "sketch") && done(s, "Updated sketch", CCCC_STR(""));
}

/* ---- milestones ---- */

static cccc_value_t stamped(struct sync *s, cccc_value_t item)
{
    return set(s, &item, "updated_at", s->ts);
}

/* Its status becomes `status`, with what follows from that. */
static cccc_value_t milestone_turned(struct sync *s, cccc_value_t item, cccc_str_t status)
{
    cccc_str_t before = cccc_get_str(&item, "status");
    if (cccc_str_is(status, "archived") && !cccc_str_is(before, "archived"))
        item = set(s, &item, "archived_from", before);
    if (cccc_str_is(status, "active") && cccc_get_str(&item, "started").len == 0)
        item = set(s, &item, "started", s->today);
    if (cccc_str_is(status, "active") || cccc_str_is(status, "planned")) { /* it is still to come, whatever came of it before */
        item = cccc_map_without(s->arena, &item, CCCC_STR("completed"));
        item = cccc_map_without(s->arena, &item, CCCC_STR("outcomes"));
    }
    return set(s, &item, "status", status);
}

static bool milestone_create(struct sync *s, const cccc_value_t *op)
{
    cccc_str_t status;
    if (text(s, op, "name").len == 0)
        return FAIL(s, "a milestone needs a %.*s", CCCC_STR("name"));
    if (!status_of(s, text(s, op, "status"), "planned", &status))
        return false;
    cccc_value_t list = list_in(s, &s->context, "milestones");
    cccc_str_t id = next_in_list(s, &list, 'M', 1);
    cccc_builder_t item = cccc_map_builder(s->arena, 6);
    cccc_map_add(&item, "id", cccc_string(id));
    cccc_map_add(&item, "name", cccc_string(text(s, op, "name")));
    cccc_map_add(&item, "description", cccc_string(text(s, op, "description")));
    cccc_value_t made = stamped(s, milestone_turned(s, item.value, status));
    put_list(s, "milestones", list_with(s, &list, list.via.array.size, &made));
    return done(s, "Created", id);
}

/* The item that `op` names under `key` in the list `name`; its place in *at. False: there is none. */
static bool named(struct sync *s, const cccc_value_t *op, const char *key, const char *name, cccc_value_t *list, int64_t *at)
{
    cccc_str_t id = text(s, op, key);
    *list = list_in(s, &s->context, name);
    *at = context_find(list, id);
    return *at >= 0 || FAIL(s, "there is no \"%.*s\"", id);
}

static void put_item(struct sync *s, const char *name, const cccc_value_t *list, int64_t at, cccc_value_t item)
{
    put_list(s, name, list_with(s, list, at, &item));
}

static bool milestone_update(struct sync *s, const cccc_value_t *op)
{
    cccc_value_t list;
    cccc_str_t status = CCCC_STR("");
    int64_t at;
    if (!named(s, op, "milestone_id", "milestones", &list, &at))
        return false;
    cccc_value_t item = set_given(s, set_given(s, list.via.array.ptr[at], op, "name"), op, "description");
    if (given(op, "status") && !status_of(s, text(s, op, "status"), "planned", &status))
        return false;
    if (given(op, "status"))
        item = milestone_turned(s, item, status);
    put_item(s, "milestones", &list, at, stamped(s, item));
    return done(s, "Updated", text(s, op, "milestone_id"));
}

static bool milestone_complete(struct sync *s, const cccc_value_t *op)
{
    cccc_value_t list;
    int64_t at;
    if (!named(s, op, "milestone_id", "milestones", &list, &at))
        return false;
    cccc_value_t item = set(s, &list.via.array.ptr[at], "status", CCCC_STR("done"));
    item = set(s, &item, "completed", s->today);
    put_item(s, "milestones", &list, at, stamped(s, set(s, &item, "outcomes", text(s, op, "outcomes"))));
    return done(s, "Completed", text(s, op, "milestone_id"));
}

/* An archived item goes back to what it was. */
static bool restored(struct sync *s, cccc_value_t *item, cccc_str_t id)
{
    if (!cccc_str_is(cccc_get_str(item, "status"), "archived"))
        return FAIL(s, "%.*s is not archived", id);
    cccc_str_t before = cccc_get_str(item, "archived_from");
    *item = set(s, item, "status", before.len > 0 ? before : CCCC_STR("planned"));
    *item = stamped(s, cccc_map_without(s->arena, item, CCCC_STR("archived_from")));
    return done(s, "Restored", id);
}

static bool milestone_restore(struct sync *s, const cccc_value_t *op)
{
    cccc_value_t list;
    int64_t at;
    if (!named(s, op, "milestone_id", "milestones", &list, &at))
        return false;
    cccc_value_t item = list.via.array.ptr[at];
    if (!restored(s, &item, text(s, op, "milestone_id")))
        return false;
    put_item(s, "milestones", &list, at, item);
    return true;
}

/* ---- tasks ---- */

static void put_task(struct sync *s, cccc_str_t id, cccc_value_t task)
{
    s->tasks = cccc_map_with(s->arena, &s->tasks, id, task);
    s->tasks_changed = cccc_map_with(s->arena, &s->tasks_changed, id, task);
}

static cccc_str_t next_task(struct sync *s)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < s->tasks.via.map.size; i++) {
        const msgpack_object_str *key = &s->tasks.via.map.ptr[i].key.via.str;
        uint64_t n = number_of((cccc_str_t){key->ptr, key->size});
        highest = n > highest ? n : highest;
    }
    return cccc_arena_printf(s->arena, "T%03llu", (unsigned long long)highest + 1);
}

/* False: one of them is no step. */
static bool steps_of(struct sync *s, const cccc_value_t *op, cccc_value_t *out)
{
    const cccc_value_t *asked = cccc_get(op, "steps");
    cccc_builder_t steps = cccc_array_builder(s->arena, 8);
    for (uint32_t i = 0; cccc_is_array(asked) && i < asked->via.array.size; i++) {
        if (cccc_str_trim(text(s, &asked->via.array.ptr[i], "name")).len == 0)
            return FAIL(s, "step %.*s is no map with a name", cccc_arena_printf(s->arena, "%u", i + 1));
        cccc_builder_t step = cccc_map_builder(s->arena, 4);
        cccc_map_add(&step, "id", cccc_string(cccc_arena_printf(s->arena, "S%u", i + 1)));
        cccc_map_add(&step, "name", cccc_string(text(s, &asked->via.array.ptr[i], "name")));
        cccc_map_add(&step, "acceptance", cccc_string(text(s, &asked->via.array.ptr[i], "acceptance")));
        cccc_map_add(&step, "status", cccc_text("pending"));
        cccc_array_add(&steps, step.value);
    }
    *out = steps.value;
    return true;
}

/* The milestone an op names; false: it names one there is not. */
static bool milestone_of(struct sync *s, const cccc_value_t *op, cccc_str_t *out)
{
    cccc_value_t list = list_in(s, &s->context, "milestones");
    *out = text(s, op, given(op, "milestone_id") ? "milestone_id" : "milestone");
    return out->len == 0 || context_find(&list, *out) >= 0 || FAIL(s, "there is no milestone \"%.*s\"", *out);
}

/* Nil for "": the field is cleared. */
static cccc_value_t or_nil(cccc_str_t value)
{
    return value.len > 0 ? cccc_string(value) : cccc_nil();
}

static bool task_create(struct sync *s, const cccc_value_t *op)
{
    cccc_value_t steps = cccc_nil();
    cccc_str_t milestone, id = next_task(s);
    if (text(s, op, "name").len == 0)
        return FAIL(s, "a task needs a %.*s", CCCC_STR("name"));
    if (!milestone_of(s, op, &milestone) || !steps_of(s, op, &steps))
        return false;
    if (s->tasks.via.map.size >= CCCC_CONTEXT_TASKS_MAX)
        return FAIL(s, "there are as many tasks as there may be (%.*s)", CCCC_STR("CONTEXT_TASKS_MAX"));
    cccc_builder_t task = cccc_map_builder(s->arena, 10);
    cccc_map_add(&task, "id", cccc_string(id));
    cccc_map_add(&task, "name", cccc_string(text(s, op, "name")));
    cccc_map_add(&task, "goal", cccc_string(text(s, op, "goal")));
    cccc_map_add(&task, "status", cccc_text("planned"));
    cccc_map_add(&task, "milestone", or_nil(milestone));
    cccc_map_add(&task, "assignee", or_nil(text(s, op, "assignee")));
    cccc_map_add(&task, "created_at", cccc_string(s->ts));
    cccc_map_add(&task, "updated_at", cccc_string(s->ts));
    cccc_map_add(&task, "steps", steps);
    put_task(s, id, task.value);
    return done(s, "Created", id);
}

static const cccc_value_t *task_named(struct sync *s, const cccc_value_t *op)
{
    cccc_str_t id = text(s, op, "task_id");
    const cccc_value_t *task = cccc_get_key(&s->tasks, id);
    if (!task)
        FAIL(s, "there is no task \"%.*s\"", id);
    return task;
}

static bool step_turned(struct sync *s, const cccc_value_t *op, cccc_value_t *task)
{
    static const char *const statuses[] = {"pending", "in_progress", "done", NULL};
    cccc_str_t id = text(s, op, "step_id"), status = text(s, op, "step_status");
    cccc_value_t steps = list_in(s, task, "steps");
    int64_t at = context_find(&steps, id);
    if (at < 0)
        return FAIL(s, "the task has no step \"%.*s\"", id);
    if (!is_one_of(status, statuses))
        return FAIL(s, "\"%.*s\" is no status of a step; use pending, in_progress or done", status);
    cccc_value_t step = set(s, &steps.via.array.ptr[at], "status", status);
    *task = cccc_map_with(s->arena, task, CCCC_STR("steps"), list_with(s, &steps, at, &step));
    return true;
}

static bool task_turned(struct sync *s, const cccc_value_t *op, cccc_value_t *task)
{
    cccc_str_t status, before = cccc_get_str(task, "status");
    if (!status_of(s, text(s, op, "status"), "planned", &status))
        return false;
    if (cccc_str_is(status, "archived") && !cccc_str_is(before, "archived"))
        *task = set(s, task, "archived_from", before);
    *task = set(s, task, "status", status);
    return true;
}

static bool task_update(struct sync *s, const cccc_value_t *op)
{
    cccc_str_t milestone;
    const cccc_value_t *found = task_named(s, op);
    if (!found || !milestone_of(s, op, &milestone))
        return false;
    cccc_value_t task = set_given(s, set_given(s, *found, op, "name"), op, "goal");
    if (given(op, "status") && !task_turned(s, op, &task))
        return false;
    if (given(op, "assignee"))
        task = cccc_map_with(s->arena, &task, CCCC_STR("assignee"), or_nil(text(s, op, "assignee")));
    if (given(op, "milestone_id") || given(op, "milestone"))
        task = cccc_map_with(s->arena, &task, CCCC_STR("milestone"), or_nil(milestone));
    if (given(op, "step_id") && given(op, "step_status") && !step_turned(s, op, &task))
        return false;
    put_task(s, text(s, op, "task_id"), stamped(s, task));
    return done(s, "Updated", text(s, op, "task_id"));
}

static bool task_restore(struct sync *s, const cccc_value_t *op)
{
    const cccc_value_t *found = task_named(s, op);
    if (!found)
        return false;
    cccc_value_t task = *found;
    if (!restored(s, &task, text(s, op, "task_id")))
        return false;
    put_task(s, text(s, op, "task_id"), task);
    return true;
}

/* ---- notes and references ---- */

static bool note_add(struct sync *s, const cccc_value_t *op)
{
    cccc_value_t list = list_in(s, &s->context, "notes");
    cccc_str_t id = next_in_list(s, &list, 'N', 3);
    cccc_builder_t note = cccc_map_builder(s->arena, 2);
    if (text(s, op, "content").len == 0)
        return FAIL(s, "a note needs %.*s", CCCC_STR("content"));
    cccc_map_add(&note, "id", cccc_string(id));
    cccc_map_add(&note, "content", cccc_string(text(s, op, "content")));
    put_list(s, "notes", list_with(s, &list, list.via.array.size, &note.value));
    return done(s, "Added", id);
}

static bool note_update(struct sync *s, const cccc_value_t *op)
{
    cccc_value_t list;
    int64_t at;
    if (!named(s, op, "note_id", "notes", &list, &at))
        return false;
    put_item(s, "notes", &list, at, set_given(s, list.via.array.ptr[at], op, "content"));
    return done(s, "Updated", text(s, op, "note_id"));
}

static bool removed(struct sync *s, const cccc_value_t *op, const char *key, const char *name)
{
    cccc_value_t list;
    int64_t at;
    if (!named(s, op, key, name, &list, &at))
        return false;
    put_list(s, name, list_with(s, &list, at, NULL));
    return done(s, "Removed", text(s, op, key));
}

static bool note_remove(struct sync *s, const cccc_value_t *op)
{
    return removed(s, op, "note_id", "notes");
}

static bool reference_add(struct sync *s, const cccc_value_t *op)
{
    cccc_value_t list = list_in(s, &s->context, "references");
    cccc_str_t id = next_in_list(s, &list, 'R', 3);
    cccc_builder_t reference = cccc_map_builder(s->arena, 3);
    if (text(s, op, "url").len == 0)
        return FAIL(s, "a reference needs a %.*s", CCCC_STR("url"));
    cccc_map_add(&reference, "id", cccc_string(id));
    cccc_map_add(&reference, "url", cccc_string(text(s, op, "url")));
    cccc_map_add(&reference, "note", cccc_string(text(s, op, "note")));
    put_list(s, "references", list_with(s, &list, list.via.array.size, &reference.value));
    return done(s, "Added", id);
}

static bool reference_update(struct sync *s, const cccc_value_t *op)
{
    cccc_value_t list;
    int64_t at;
    if (!named(s, op, "reference_id", "references", &list, &at))
        return false;
    put_item(s, "references", &list, at, set_given(s, set_given(s, list.via.array.ptr[at], op, "url"), op, "note"));
    return done(s, "Updated", text(s, op, "reference_id"));
}

static bool reference_remove(struct sync *s, const cccc_value_t *op)
{
    return removed(s, op, "reference_id", "references");
}

/* ---- presence ---- */

/* An actor of the group by its id as it is; other names as 0.4.0 writes them: camelCase, blanks and underscores become dashes, in lower case. */
static cccc_str_t agent_id(struct sync *s, cccc_str_t name)
{
    if (config_actor(s->group, name))
        return name;
    char *out = cccc_arena_alloc(s->arena, 2 * name.len + 1), *p = out;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool breaks = c == '_' || c == '-' || isspace((unsigned char)c);
        bool hump = i > 0 && isupper((unsigned char)c) && islower((unsigned char)name.ptr[i - 1]);
        if ((breaks || hump) && p > out && p[-1] != '-')
            *p++ = '-';
        if (!breaks)
            *p++ = (char)tolower((unsigned char)c);
    }
    while (p > out && p[-1] == '-')
        p--;
    return (cccc_str_t){out, (size_t)(p - out)};
}

static cccc_str_t one_line(struct sync *s, cccc_str_t words)
{
    char *out = cccc_arena_alloc(s->arena, words.len + 1), *p = out;
    for (size_t i = 0; i < words.len; i++)
        if (!isspace((unsigned char)words.ptr[i]))
            *p++ = words.ptr[i];
        else if (p > out && p[-1] != ' ')
            *p++ = ' ';
    while (p > out && p[-1] == ' ')
        p--;
    return (cccc_str_t){out, (size_t)(p - out)};
}

static bool put_presence(struct sync *s, const cccc_value_t *op, cccc_str_t status, const char *what)
{
    cccc_str_t id = agent_id(s, text(s, op, "agent_id"));
    if (id.len == 0)
        return FAIL(s, "%.*s is missing", CCCC_STR("agent_id"));
    cccc_value_t agents = list_in(s, &s->presence, "agents");
    int64_t at = context_find(&agents, id);
    cccc_builder_t entry = cccc_map_builder(s->arena, 3);
    cccc_map_add(&entry, "id", cccc_string(id));
    cccc_map_add(&entry, "status", cccc_string(status));
    cccc_map_add(&entry, "updated_at", cccc_string(s->ts));
    cccc_value_t list = list_with(s, &agents, at < 0 ? (int64_t)agents.via.array.size : at, &entry.value);
    s->presence = cccc_map_with(s->arena, &s->presence, CCCC_STR("agents"), list);
    s->presence_changed = true;
    return done(s, what, id);
}

static bool presence_update(struct sync *s, const cccc_value_t *op)
{
    return put_presence(s, op, one_line(s, text(s, op, "status")), "Updated presence of");
}

static bool presence_clear(struct sync *s, const cccc_value_t *op)
{
    return put_presence(s, op, CCCC_STR(""), "Cleared presence of");
}

/* ---- the table ---- */

static const struct {
    const char *name;
    change_fn run;
} changes[] = {
    {"vision.update", vision_update},
    {"sketch.update", sketch_update},
    {"milestone.create", milestone_create},
    {"milestone.update", milestone_update},
    {"milestone.complete", milestone_complete},
    {"milestone.restore", milestone_restore},
    {"task.create", task_create},
    {"task.update", task_update},
    {"task.restore", task_restore},
    {"note.add", note_add},
    {"note.update", note_update},
    {"note.remove", note_remove},
    {"reference.add", reference_add},
    {"reference.update", reference_update},
    {"reference.remove", reference_remove},
    {"presence.update", presence_update},
    {"presence.clear", presence_clear},
};

bool context_change(struct sync *s, const cccc_value_t *op)
{
    if (!cccc_is_map(op))
        return FAIL(s, "an op is a map%.*s", CCCC_STR(""));
    cccc_str_t name = cccc_get_str(op, "op");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (cccc_str_is(name, changes[i].name))
            return changes[i].run(s, op);
    return FAIL(s, "there is no op \"%.*s\"", name);
}
