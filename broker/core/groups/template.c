/* template.c - see template.h */
#include "broker/core/groups/template.h"

#include "broker/core/automation/rules.h"
#include "broker/core/groups/schema.h"
#include "proto/words.h"

#define TEMPLATE_KIND "cccc.group_template"

/* What a template says of an actor, and what holds where it is silent. */
static const struct {
    const char *name, *otherwise;
} texts[] = {{"title", ""}, {"runtime", "codex"}, {"runner", "pty"}, {"submit", "enter"}};
#define TEXTS (sizeof texts / sizeof *texts)

/* ---- a group as a template ---- */

static cccc_value_t text_or(const cccc_value_t *map, const char *key, const char *otherwise)
{
    cccc_str_t s = cccc_get_str(map, key);
    return s.len > 0 ? cccc_string(s) : cccc_text(otherwise);
}

static cccc_value_t actor_row(cccc_arena_t *arena, cccc_str_t id, const cccc_value_t *entry, cccc_value_t command, bool enabled)
{
    cccc_builder_t row = cccc_map_builder(arena, TEXTS + 3);
    cccc_map_add(&row, "id", cccc_string(id));
    for (size_t i = 0; i < TEXTS; i++)
        cccc_map_add(&row, texts[i].name, text_or(entry, texts[i].name, texts[i].otherwise));
    cccc_map_add(&row, "command", command);
    cccc_map_add(&row, "enabled", cccc_bool(enabled));
    return row.value;
}

static cccc_value_t command_of(cccc_arena_t *arena, const cccc_value_t *entry)
{
    const cccc_value_t *command = cccc_get(entry, "command");
    return cccc_is_array(command) ? *command : cccc_array_builder(arena, 0).value;
}

cccc_value_t template_of(call_t *call, const struct cccc_group *group)
{
    cccc_arena_t *arena = call->arena;
    const struct cccc_config *config = &group->config;
    cccc_builder_t t = cccc_map_builder(arena, 9), actors = cccc_array_builder(arena, config->actor_count),
                   automation = cccc_map_builder(arena, 2), rules = cccc_array_builder(arena, config->rule_count);
    const cccc_value_t *snippets = cccc_get(cccc_get(&group->document, "automation"), "snippets");
    char ts[28];
    core_ts(call->core, ts);
    for (uint32_t i = 0; i < config->actor_count; i++) {
        const struct cccc_actor *a = &config->actors[i];
        cccc_array_add(&actors, actor_row(arena, a->id, a->entry, command_of(arena, a->entry), a->enabled));
    }
    for (uint32_t i = 0; i < config->rule_count; i++)
        if (config->rules[i].broken.len == 0)
            cccc_array_add(&rules, config->rules[i].entry);
    cccc_map_add(&automation, "rules", rules.value);
    cccc_map_add(&automation, "snippets", snippets_check(snippets, NULL) == CCCC_OK ? *snippets : cccc_map_builder(arena, 0).value);
    cccc_map_add(&t, "kind", cccc_text(TEMPLATE_KIND));
    cccc_map_add(&t, "v", cccc_uint(1));
    cccc_map_add(&t, "title", cccc_string(config->title));
    cccc_map_add(&t, "topic", cccc_string(config->topic));
    cccc_map_add(&t, "exported_at", cccc_string(cccc_arena_str(arena, cccc_str(ts))));
    cccc_map_add(&t, "cccc_version", cccc_text(call->core->facts ? call->core->facts->version : ""));
    cccc_map_add(&t, "actors", actors.value);
    cccc_map_add(&t, "settings", settings_template(arena, &group->document));
    cccc_map_add(&t, "automation", automation.value);
    return t.value;
}

/* ---- reading one ---- */

#define FAIL(...) cccc_fail(m, CCCC_E_INVALID_TEMPLATE, __VA_ARGS__)

static bool is_absent(const cccc_value_t *v)
{
    return v == NULL || cccc_is_nil(v);
}

/* A list of words, or a line that a shell would split into them. Blank ones do not count. */
static cccc_err_t read_command(cccc_arena_t *arena, cccc_str_t id, const cccc_value_t *v, cccc_value_t *out, struct cccc_errmsg *m)
{
    cccc_builder_t words = cccc_array_builder(arena, 8);
    cccc_str_t line;
    cccc_value_t split = words.value;
    if (cccc_as_str(v, &line) && !cccc_words_split(arena, line, &split))
        return FAIL("actor %.*s: a quote in its command is not closed", CCCC_STR_FMT(id));
    if (!is_absent(v) && !cccc_is_array(v) && v->type != MSGPACK_OBJECT_STR)
        return FAIL("actor %.*s: command must be a list of texts, or one text", CCCC_STR_FMT(id));
    const cccc_value_t *list = cccc_is_array(v) ? v : &split;
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        cccc_str_t word;
        if (!cccc_as_str(&list->via.array.ptr[i], &word))
            return FAIL("actor %.*s: command must be a list of texts, or one text", CCCC_STR_FMT(id));
        if (word.len > 0)
            cccc_array_add(&words, list->via.array.ptr[i]);
    }
    *out = words.value;
    return CCCC_OK;
}

static cccc_err_t read_actor(cccc_arena_t *arena, const cccc_value_t *given, uint32_t i, cccc_value_t *out, struct cccc_errmsg *m)
{
    struct cccc_errmsg why;
    cccc_value_t command;
    bool enabled = true;
    cccc_str_t id = cccc_get_str(given, "id");
    const cccc_value_t *on = cccc_get(given, "enabled");
    if (!actor_id_valid(id, &why))
        return FAIL("actors[%u].id: %s", i, why.text);
    for (size_t t = 0; t < TEXTS; t++) {
        const cccc_value_t *v = cccc_get(given, texts[t].name);
        if (!is_absent(v) && cccc_schema_actor_field(texts[t].name, v, &why) != CCCC_OK)
            return FAIL("actor %.*s: %s", CCCC_STR_FMT(id), why.text);
    }
    if (!is_absent(on) && !cccc_schema_bool(on, &enabled))
        return FAIL("actor %.*s: enabled must be true or false", CCCC_STR_FMT(id));
    cccc_err_t err = read_command(arena, id, cccc_get(given, "command"), &command, m);
    if (err == CCCC_OK)
        *out = actor_row(arena, id, given, command, enabled);
    return err;
}

bool template_has_actor(const struct template *t, cccc_str_t id)
{
    for (uint32_t i = 0; i < t->actors.via.array.size; i++)
        if (cccc_str_eq(cccc_get_str(&t->actors.via.array.ptr[i], "id"), id))
            return true;
    return false;
}

static cccc_err_t read_actors(cccc_arena_t *arena, const cccc_value_t *list, struct template *t, struct cccc_errmsg *m)
{
    cccc_builder_t rows = cccc_array_builder(arena, 8);
    t->actors = rows.value;
    if (is_absent(list))
        return CCCC_OK;
    if (!cccc_is_array(list) || list->via.array.size > CCCC_ACTORS_PER_GROUP_MAX)
        return FAIL("actors must be a list of at most %d", CCCC_ACTORS_PER_GROUP_MAX);
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        cccc_value_t row = cccc_nil();
        cccc_err_t err = read_actor(arena, &list->via.array.ptr[i], i, &row, m);
        if (err != CCCC_OK)
            return err;
        if (template_has_actor(t, cccc_get_str(&row, "id")))
            return FAIL("duplicate actor id: %.*s", CCCC_STR_FMT(cccc_get_str(&row, "id")));
        cccc_array_add(&rows, row);
        t->actors = rows.value;
    }
    return CCCC_OK;
}

/* Null, missing and blank mean the built-in words. */
static cccc_err_t read_prompt(const cccc_value_t *prompts, const char *name, cccc_str_t *out, struct cccc_errmsg *m)
{
    const cccc_value_t *v = cccc_get(prompts, name);
    if (is_absent(v))
        return CCCC_OK;
    cccc_str_t s;
    if (!cccc_as_str(v, &s) || s.len > CCCC_PROMPT_BYTES_MAX)
        return FAIL("prompts.%s must be a text of at most %d bytes", name, CCCC_PROMPT_BYTES_MAX);
    if (!cccc_str_is_blank(s))
        *out = s;
    return CCCC_OK;
}

static cccc_err_t read_rules(cccc_arena_t *arena, const cccc_value_t *rules, struct template *t, struct cccc_errmsg *m)
{
    uint32_t count = cccc_is_array(rules) ? rules->via.array.size : 0;
    cccc_builder_t list = cccc_array_builder(arena, count);
    if (!is_absent(rules) && !cccc_is_array(rules))
        return FAIL("automation.rules must be a list");
    if (count > CCCC_AUTOMATION_RULES_MAX)
        return FAIL("automation.rules: a group keeps at most %d", CCCC_AUTOMATION_RULES_MAX);
    struct cccc_rule *known = cccc_arena_alloc(arena, (count + 1u) * sizeof *known);
    for (uint32_t i = 0; i < count; i++) {
        const char *where = cccc_arena_printf(arena, "automation.rules[%u]", i).ptr;
        struct cccc_errmsg why;
        known[i] = (struct cccc_rule){0};
        if (rule_read(arena, &rules->via.array.ptr[i], where, &known[i], &why) != CCCC_OK)
            return FAIL("%s", why.text);
        if (rule_find(known, i, known[i].id))
            return FAIL("%s: there is a rule %.*s already", where, CCCC_STR_FMT(known[i].id));
        cccc_array_add(&list, known[i].entry);
    }
    t->rules = list.value;
    return CCCC_OK;
}

static cccc_err_t read_snippets(cccc_arena_t *arena, const cccc_value_t *snippets, struct template *t, struct cccc_errmsg *m)
{
    struct cccc_errmsg why;
    t->snippets = is_absent(snippets) ? cccc_map_builder(arena, 0).value : *snippets;
    return snippets_check(&t->snippets, &why) == CCCC_OK ? CCCC_OK : FAIL("automation: %s", why.text);
}

/* A map, where it is given at all. */
static bool is_section(const cccc_value_t *v)
{
    return is_absent(v) || cccc_is_map(v);
}

cccc_err_t template_read(cccc_arena_t *arena, const cccc_value_t *document, struct template *out, struct cccc_errmsg *m)
{
    static const char *const sections[] = {"settings", "prompts", "automation"};
    struct template t = {.document = *document};
    if (!cccc_is_map(document))
        return FAIL("a template is a YAML map");
    const cccc_value_t *kind = cccc_get(document, "kind"), *v = cccc_get(document, "v"), *prompts = cccc_get(document, "prompts"),
                       *automation = cccc_get(document, "automation");
    if (!is_absent(kind) && !cccc_str_is(cccc_get_str(document, "kind"), TEMPLATE_KIND))
        return FAIL("kind must be %s", TEMPLATE_KIND);
    if (!is_absent(v) && cccc_get_uint(document, "v", 0) != 1)
        return FAIL("v must be 1, the one format this cccc knows");
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (!is_section(cccc_get(document, sections[i])))
            return FAIL("%s must be a map", sections[i]);
    cccc_err_t err = read_actors(arena, cccc_get(document, "actors"), &t, m);
    if (err == CCCC_OK)
        err = settings_of_template(arena, cccc_get(document, "settings"), &t.settings, m);
    if (err == CCCC_OK)
        err = read_prompt(prompts, "preamble", &t.preamble, m);
    if (err == CCCC_OK)
        err = read_prompt(prompts, "help", &t.help, m);
    if (err == CCCC_OK)
        err = read_rules(arena, cccc_get(automation, "rules"), &t, m);
    if (err == CCCC_OK)
        err = read_snippets(arena, cccc_get(automation, "snippets"), &t, m);
    if (err == CCCC_OK)
        *out = t;
    return err;
}

/* ---- showing one ---- */

static size_t chars(cccc_str_t s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* The first PREVIEW_CHARS characters. */
static cccc_str_t beginning(cccc_arena_t *arena, cccc_str_t s)
{
    enum { PREVIEW_CHARS = 2000 };
    size_t n = 0, at = 0;
    for (; at < s.len; at++) {
        bool starts = ((unsigned char)s.ptr[at] & 0xc0) != 0x80;
        if (starts && n++ == PREVIEW_CHARS)
            return cccc_arena_printf(arena, "%.*s\n\u2026", (int)at, s.ptr);
    }
    return s;
}

static cccc_value_t prompt_shown(cccc_arena_t *arena, cccc_str_t text)
{
    cccc_builder_t b = cccc_map_builder(arena, 3);
    cccc_map_add(&b, "source", cccc_text(text.len > 0 ? "home" : "builtin"));
    if (text.len > 0) {
        cccc_map_add(&b, "chars", cccc_uint(chars(text)));
        cccc_map_add(&b, "preview", cccc_string(beginning(arena, text)));
    }
    return b.value;
}

cccc_value_t template_shown(cccc_arena_t *arena, const struct template *t)
{
    static const char *const informational[] = {"title", "topic", "exported_at", "cccc_version"};
    cccc_builder_t b = cccc_map_builder(arena, 10), automation = cccc_map_builder(arena, 2), prompts = cccc_map_builder(arena, 2);
    cccc_map_add(&automation, "rules", cccc_uint(t->rules.via.array.size));
    cccc_map_add(&automation, "snippets", cccc_uint(t->snippets.via.map.size));
    cccc_map_add(&prompts, "preamble", prompt_shown(arena, t->preamble));
    cccc_map_add(&prompts, "help", prompt_shown(arena, t->help));
    cccc_map_add(&b, "kind", cccc_text(TEMPLATE_KIND));
    cccc_map_add(&b, "v", cccc_uint(1));
    for (size_t i = 0; i < sizeof informational / sizeof *informational; i++)
        cccc_map_add(&b, informational[i], text_or(&t->document, informational[i], ""));
    cccc_map_add(&b, "actors", t->actors);
    cccc_map_add(&b, "settings", t->settings);
    cccc_map_add(&b, "automation", automation.value);
    cccc_map_add(&b, "prompts", prompts.value);
    return b.value;
}

/* ---- what it would change ---- */

static bool actor_differs(cccc_arena_t *arena, const struct cccc_actor *actor, const cccc_value_t *row)
{
    cccc_value_t now = actor_row(arena, actor->id, actor->entry, command_of(arena, actor->entry), actor->enabled);
    return !cccc_value_eq(&now, row);
}

static void diff_actors(cccc_builder_t *diff, const struct cccc_group *ahead, const struct template *t)
{
    cccc_arena_t *arena = diff->arena;
    cccc_builder_t add = cccc_array_builder(arena, 4), update = cccc_array_builder(arena, 4), remove = cccc_array_builder(arena, 4);
    for (uint32_t i = 0; i < t->actors.via.array.size; i++) {
        const cccc_value_t *row = &t->actors.via.array.ptr[i];
        const struct cccc_actor *actor = config_actor(ahead, cccc_get_str(row, "id"));
        if (!actor)
            cccc_array_add(&add, *cccc_get(row, "id"));
        else if (actor_differs(arena, actor, row))
            cccc_array_add(&update, *cccc_get(row, "id"));
    }
    for (uint32_t i = 0; i < ahead->config.actor_count; i++)
        if (!template_has_actor(t, ahead->config.actors[i].id))
            cccc_array_add(&remove, cccc_string(ahead->config.actors[i].id));
    cccc_map_add(diff, "actors_add", add.value);
    cccc_map_add(diff, "actors_update", update.value);
    cccc_map_add(diff, "actors_remove", remove.value);
}

static cccc_value_t diff_settings(cccc_arena_t *arena, const struct cccc_group *ahead, const struct template *t)
{
    cccc_builder_t changed = cccc_map_builder(arena, 4);
    cccc_value_t now = settings_template(arena, &ahead->document);
    for (uint32_t i = 0; i < now.via.map.size; i++) { /* both have all of them, in the order of their table */
        const msgpack_object_kv *from = &now.via.map.ptr[i], *to = &t->settings.via.map.ptr[i];
        if (cccc_value_eq(&from->val, &to->val))
            continue;
        cccc_builder_t one = cccc_map_builder(arena, 2);
        cccc_str_t key = {0};
        cccc_as_str(&from->key, &key);
        cccc_map_add(&one, "from", from->val);
        cccc_map_add(&one, "to", to->val);
        cccc_map_add_key(&changed, key, one.value);
    }
    return changed.value;
}

static cccc_value_t diff_prompt(cccc_arena_t *arena, cccc_str_t now, cccc_str_t then)
{
    cccc_builder_t b = cccc_map_builder(arena, 5);
    cccc_map_add(&b, "changed", cccc_bool(!cccc_str_eq(now, then)));
    cccc_map_add(&b, "current_chars", cccc_uint(chars(now)));
    cccc_map_add(&b, "new_chars", cccc_uint(chars(then)));
    cccc_map_add(&b, "current_source", cccc_text(now.len > 0 ? "home" : "builtin"));
    cccc_map_add(&b, "new_source", cccc_text(then.len > 0 ? "home" : "builtin"));
    return b.value;
}

cccc_value_t template_diff(cccc_arena_t *arena, const struct cccc_group *ahead, const struct template *t, cccc_str_t preamble,
                           cccc_str_t help)
{
    cccc_builder_t diff = cccc_map_builder(arena, 5), prompts = cccc_map_builder(arena, 2);
    diff_actors(&diff, ahead, t);
    cccc_map_add(&diff, "settings_changed", diff_settings(arena, ahead, t));
    cccc_map_add(&prompts, "preamble", diff_prompt(arena, preamble, t->preamble));
    cccc_map_add(&prompts, "help", diff_prompt(arena, help, t->help));
    cccc_map_add(&diff, "prompts_changed", prompts.value);
    return diff.value;
}
