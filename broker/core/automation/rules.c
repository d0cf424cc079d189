/* rules.c - see rules.h: the table of members, and the walk along it.
 *
 * Thread: the core's. */
#include "broker/core/automation/rules.h"

#include "broker/core/groups/schema.h"

#include <stdio.h>

/* ---- the table ---- */

enum type { NAME, FLAG, WORD, TEXT, OWNER, WORDS, SECONDS, TIME, CRON, PART };

struct member {
    const char *name; /* NULL ends a list */
    enum type type;
    const char *const *words; /* of a WORD; the first is the default */
    const char *otherwise;    /* of a TEXT or of WORDS */
    uint32_t max;             /* bytes */
    bool required;
};

static const char *const scopes[] = {"group", "personal", NULL};
static const char *const priorities[] = {"normal", "low", "high", "urgent", NULL};
static const char *const states[] = {"paused", "active", "idle", "stopped", NULL};
static const char *const operations[] = {"restart", "start", "stop", NULL};

static const struct member rule_members[] = {
    {.name = "id", .type = NAME, .required = true},
    {.name = "enabled", .type = FLAG},
    {.name = "scope", .type = WORD, .words = scopes},
    {.name = "owner_actor_id", .type = OWNER},
    {.name = "to", .type = WORDS, .otherwise = "@foreman"},
    {.name = "trigger", .type = PART, .required = true},
    {.name = "action", .type = PART},
    {0},
};
static const struct member interval_members[] = {{.name = "every_seconds", .type = SECONDS, .required = true}, {0}};
static const struct member cron_members[] = {
    {.name = "cron", .type = CRON, .max = CCCC_AUTOMATION_CRON_BYTES_MAX, .required = true},
    {.name = "timezone", .type = TEXT, .otherwise = "UTC", .max = CCCC_AUTOMATION_NAME_BYTES_MAX},
    {0},
};
static const struct member at_members[] = {{.name = "at", .type = TIME, .max = CCCC_AUTOMATION_NAME_BYTES_MAX, .required = true}, {0}};
static const struct member notify_members[] = {
    {.name = "title", .type = TEXT, .otherwise = "", .max = CCCC_TITLE_BYTES_MAX},
    {.name = "snippet_ref", .type = OWNER},
    {.name = "message", .type = TEXT, .otherwise = "", .max = CCCC_NOTICE_BYTES_MAX},
    {.name = "priority", .type = WORD, .words = priorities},
    {.name = "requires_ack", .type = FLAG},
    {0},
};
static const struct member state_members[] = {{.name = "state", .type = WORD, .words = states}, {0}};
static const struct member control_members[] = {
    {.name = "operation", .type = WORD, .words = operations},
    {.name = "targets", .type = WORDS, .otherwise = "@all"},
    {0},
};

/* The members of a part by its kind. */
struct kind {
    const char *name;
    const struct member *members;
};
static const struct kind triggers[] = {
    [RULE_INTERVAL] = {"interval", interval_members}, [RULE_CRON] = {"cron", cron_members}, [RULE_AT] = {"at", at_members}, {0}};
static const struct kind actions[] = {[RULE_NOTIFY] = {"notify", notify_members},
                                      [RULE_GROUP_STATE] = {"group_state", state_members},
                                      [RULE_ACTOR_CONTROL] = {"actor_control", control_members},
                                      {0}};

/* Members of rules as they once were. */
static const struct {
    const char *part, *name, *now;
} older[] = {
    {"", "name", "id"},
    {"", "actions", "action"},
    {"", "schedule", "trigger"},
    {"", "every_minutes", "trigger.every_seconds"},
    {"trigger", "every_minutes", "every_seconds"},
    {"action", "type", "kind"},
    {"action", "message_template", "message"},
};

/* ---- one member ---- */

/* What is being read. */
struct reading {
    cccc_arena_t *arena;
    const char *where, *part; /* "rules[0]"; "trigger", "action", or "" */
    struct cccc_rule *rule;
    struct cccc_errmsg *m;
};

static cccc_err_t refuse(const struct reading *r, const char *member, const char *what)
{
    return cccc_fail(r->m, CCCC_E_INVALID_RULE, "%s%s%s.%s %s", r->where, r->part[0] ? "." : "", r->part, member, what);
}

static cccc_err_t text_of(const struct reading *r, const struct member *member, const cccc_value_t *v, size_t max, cccc_str_t *out)
{
    char what[64];
    if (!cccc_as_str(v, out) || (out->len > 0 && memchr(out->ptr, '\0', out->len)))
        return refuse(r, member->name, "must be text");
    snprintf(what, sizeof what, "has more than %zu bytes", max);
    return out->len <= max ? CCCC_OK : refuse(r, member->name, what);
}

static cccc_err_t read_name(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    cccc_err_t err = text_of(r, member, v, CCCC_AUTOMATION_NAME_BYTES_MAX, &r->rule->id);
    for (size_t i = 0; !err && i < r->rule->id.len; i++)
        if ((unsigned char)r->rule->id.ptr[i] < ' ')
            err = refuse(r, member->name, "must have no control characters");
    if (!err && r->rule->id.len == 0)
        err = refuse(r, member->name, "must not be empty");
    *out = cccc_string(r->rule->id);
    return err;
}

static cccc_err_t read_flag(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    bool on = cccc_coerce_bool(v, false);
    if (v && on != cccc_coerce_bool(v, true))
        return refuse(r, member->name, "must be true or false");
    on = v ? on : cccc_str_is(cccc_str(member->name), "enabled");
    if (cccc_str_is(cccc_str(member->name), "enabled"))
        r->rule->enabled = on;
    *out = cccc_bool(on);
    return CCCC_OK;
}

static cccc_err_t read_word(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    cccc_str_t s = cccc_str(member->words[0]);
    char all[64] = "must be one of:";
    if (v && !cccc_as_str(v, &s))
        return refuse(r, member->name, "must be text");
    for (const char *const *word = member->words; *word; word++) {
        if (cccc_str_is(s, *word)) {
            *out = cccc_text(*word);
            return CCCC_OK;
        }
        size_t at = strlen(all);
        snprintf(all + at, sizeof all - at, " %s", *word);
    }
    return refuse(r, member->name, all);
}

static cccc_err_t read_text(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    cccc_str_t s = cccc_str(member->otherwise);
    cccc_err_t err = v ? text_of(r, member, v, member->max, &s) : CCCC_OK;
    *out = cccc_string(s);
    return err;
}

/* A name, or null for none. */
static cccc_err_t read_owner(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    cccc_str_t s = CCCC_STR("");
    cccc_err_t err = v ? text_of(r, member, v, CCCC_PRINCIPAL_BYTES_MAX, &s) : CCCC_OK;
    *out = s.len > 0 ? cccc_string(s) : cccc_nil();
    return err;
}

static cccc_err_t read_words(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    cccc_builder_t list = cccc_array_builder(r->arena, 1);
    if (v && !cccc_is_array(v))
        return refuse(r, member->name, "must be a list");
    if (v && v->via.array.size > CCCC_RECIPIENTS_MAX)
        return refuse(r, member->name, "has too many items");
    for (uint32_t i = 0; v && i < v->via.array.size; i++) {
        cccc_str_t s = CCCC_STR("");
        cccc_err_t err = text_of(r, member, &v->via.array.ptr[i], CCCC_PRINCIPAL_BYTES_MAX, &s);
        if (err)
            return err;
        if (s.len == 0)
            return refuse(r, member->name, "has an empty item");
        cccc_array_add(&list, cccc_string(s));
    }
    if (list.value.via.array.size == 0)
        cccc_array_add(&list, cccc_text(member->otherwise));
    *out = list.value;
    return CCCC_OK;
}

static cccc_err_t read_seconds(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    int64_t n;
    char what[64];
    snprintf(what, sizeof what, "must be a whole number from 1 to %d", CCCC_AUTOMATION_EVERY_S_MAX);
    if (!cccc_schema_integer(v, &n) || n < 1 || n > CCCC_AUTOMATION_EVERY_S_MAX)
        return refuse(r, member->name, what);
    r->rule->every_us = n * 1000000;
    *out = cccc_int(n);
    return CCCC_OK;
}

static cccc_err_t read_time(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    cccc_str_t s = CCCC_STR("");
    cccc_err_t err = text_of(r, member, v, member->max, &s);
    if (err)
        return err;
    *out = cccc_string(s);
    return cccc_ts_parse(s, &r->rule->at_us) ? CCCC_OK : refuse(r, member->name, "must be a time such as 2026-12-01T09:00:00+01:00");
}

static cccc_err_t read_cron(struct reading *r, const struct member *member, const cccc_value_t *v, cccc_value_t *out)
{
    cccc_str_t s = CCCC_STR("");
    struct cccc_errmsg why;
    cccc_err_t err = text_of(r, member, v, member->max, &s);
    if (err)
        return err;
    *out = cccc_string(s);
    return cron_parse(s, &r->rule->cron, &why) == CCCC_OK ? CCCC_OK : refuse(r, member->name, why.text);
}

static cccc_err_t (*const readers[])(struct reading *, const struct member *, const cccc_value_t *, cccc_value_t *) = {
    [NAME] = read_name,   [FLAG] = read_flag,       [WORD] = read_word, [TEXT] = read_text, [OWNER] = read_owner,
    [WORDS] = read_words, [SECONDS] = read_seconds, [TIME] = read_time, [CRON] = read_cron,
};

/* ---- members together ---- */

static const struct member *member_find(const struct member *members, cccc_str_t name)
{
    while (members->name && !cccc_str_is(name, members->name))
        members++;
    return members->name ? members : NULL;
}

static cccc_err_t check_known(const struct reading *r, const struct member *members, const cccc_value_t *map)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        cccc_str_t name = CCCC_STR("");
        cccc_as_str(&map->via.map.ptr[i].key, &name);
        if ((r->part[0] && cccc_str_is(name, "kind")) || member_find(members, name))
            continue;
        const char *shown = cccc_arena_str(r->arena, name).ptr;
        for (size_t o = 0; o < sizeof older / sizeof *older; o++)
            if (strcmp(older[o].part, r->part) == 0 && cccc_str_is(name, older[o].name))
                return refuse(r, shown, cccc_arena_printf(r->arena, "is of an older form; it is %s now", older[o].now).ptr);
        return refuse(r, shown, "is not known");
    }
    return CCCC_OK;
}

/* The value of a member; NULL when it is missing or null. */
static const cccc_value_t *given(const cccc_value_t *map, const char *name)
{
    const cccc_value_t *v = cccc_get(map, name);
    return cccc_is_nil(v) ? NULL : v;
}

static cccc_err_t read_members(struct reading *r, const struct member *members, const cccc_value_t *map, cccc_builder_t *out)
{
    cccc_err_t err = check_known(r, members, map);
    for (const struct member *member = members; !err && member->name; member++) {
        const cccc_value_t *v = given(map, member->name);
        cccc_value_t value;
        if (!v && member->required)
            err = refuse(r, member->name, "is missing");
        else if (member->type != PART && (err = readers[member->type](r, member, v, &value)) == CCCC_OK)
            cccc_map_add(out, member->name, value);
    }
    return err;
}

/* A trigger or an action: `kinds` by its kind, of which *index is the one it has. */
static cccc_err_t read_part(struct reading *r, const char *part, const cccc_value_t *rule, const struct kind *kinds, unsigned *index,
                            cccc_value_t *out)
{
    cccc_value_t none = cccc_map_builder(r->arena, 0).value;
    const cccc_value_t *map = given(rule, part);
    cccc_str_t kind = cccc_str(kinds[0].name);
    r->part = part;
    if (map && !cccc_is_map(map))
        return cccc_fail(r->m, CCCC_E_INVALID_RULE, "%s.%s must be a map", r->where, part);
    map = map ? map : &none;
    if (given(map, "kind") && !cccc_as_str(given(map, "kind"), &kind))
        return refuse(r, "kind", "must be text");
    bool unsaid = !given(map, "kind") && kinds == triggers;
    for (*index = 0; kinds[*index].name && !cccc_str_is(kind, kinds[*index].name);)
        ++*index;
    if (unsaid || !kinds[*index].name) {
        cccc_err_t err =
            unsaid ? check_known(r, kinds[0].members, map) : CCCC_OK; /* names of older forms are worth more than a missing kind */
        return err ? err
                   : refuse(r, "kind",
                            cccc_arena_printf(r->arena, "must be one of: %s %s %s", kinds[0].name, kinds[1].name, kinds[2].name).ptr);
    }
    cccc_builder_t entry = cccc_map_builder(r->arena, 6);
    cccc_map_add(&entry, "kind", cccc_text(kinds[*index].name));
    cccc_err_t err = read_members(r, kinds[*index].members, map, &entry);
    *out = entry.value;
    return err;
}

/* What only the whole tells. */
static cccc_err_t check_whole(struct reading *r, cccc_value_t *entry)
{
    struct cccc_rule *rule = r->rule;
    bool personal = cccc_str_is(cccc_get_str(entry, "scope"), "personal");
    rule->owner = personal ? cccc_get_str(entry, "owner_actor_id") : CCCC_STR("");
    r->part = "";
    if (personal && rule->owner.len == 0)
        return refuse(r, "owner_actor_id", "is missing: a personal rule has an owner");
    if (!personal)
        *entry = cccc_map_with(r->arena, entry, CCCC_STR("owner_actor_id"), cccc_nil());
    if (rule->action != RULE_NOTIFY && rule->trigger != RULE_AT)
        return cccc_fail(r->m, CCCC_E_INVALID_RULE, "%s.trigger.kind must be at: what is done to groups and actors is done once", r->where);
    return CCCC_OK;
}

cccc_err_t rule_read(cccc_arena_t *arena, const cccc_value_t *v, const char *where, struct cccc_rule *out, struct cccc_errmsg *m)
{
    struct cccc_rule rule = {.entry = *v};
    struct reading r = {.arena = arena, .where = where, .part = "", .rule = &rule, .m = m};
    unsigned trigger = 0, action = 0;
    cccc_value_t trigger_entry = cccc_nil(), action_entry = cccc_nil();
    if (!cccc_is_map(v))
        return cccc_fail(m, CCCC_E_INVALID_RULE, "%s must be a map", where);
    cccc_builder_t entry = cccc_map_builder(arena, 7);
    cccc_err_t err = read_members(&r, rule_members, v, &entry);
    err = err ? err : read_part(&r, "trigger", v, triggers, &trigger, &trigger_entry);
    err = err ? err : read_part(&r, "action", v, actions, &action, &action_entry);
    if (err)
        return err;
    cccc_map_add(&entry, "trigger", trigger_entry);
    cccc_map_add(&entry, "action", action_entry);
    rule.trigger = (enum rule_trigger)trigger;
    rule.action = (enum rule_action)action;
    rule.zone = cccc_get_str(&trigger_entry, "timezone");
    rule.entry = entry.value;
    err = check_whole(&r, &rule.entry);
    if (err == CCCC_OK)
        *out = rule;
    return err;
}

/* ---- a document's ---- */

const struct cccc_rule *rule_find(const struct cccc_rule *rules, uint32_t count, cccc_str_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (cccc_str_eq(rules[i].id, id))
            return &rules[i];
    return NULL;
}

struct cccc_rule *rules_read(cccc_arena_t *arena, const cccc_value_t *document, uint32_t *count)
{
    const cccc_value_t *list = cccc_get(cccc_get(document, "automation"), "rules");
    uint32_t size = cccc_is_array(list) ? list->via.array.size : 0;
    size = size < CCCC_AUTOMATION_RULES_MAX ? size : CCCC_AUTOMATION_RULES_MAX;
    struct cccc_rule *rules = cccc_arena_alloc(arena, (size + 1) * sizeof *rules);
    *count = 0;
    for (uint32_t i = 0; i < size; i++) {
        const cccc_value_t *v = &list->via.array.ptr[i];
        struct cccc_rule *rule = &rules[*count];
        struct cccc_errmsg why;
        *rule = (struct cccc_rule){.id = cccc_get_str(v, "id"), .entry = *v};
        if (rule->id.len == 0 || rule_find(rules, *count, rule->id))
            continue;
        if (rule_read(arena, v, "the rule", rule, &why) != CCCC_OK)
            rule->broken = cccc_arena_str(arena, cccc_str(why.text));
        ++*count;
    }
    return rules;
}

cccc_err_t snippets_check(const cccc_value_t *v, struct cccc_errmsg *m)
{
    if (!cccc_is_map(v))
        return cccc_fail(m, CCCC_E_INVALID_RULE, "snippets must be a map of names to texts");
    if (v->via.map.size > CCCC_AUTOMATION_SNIPPETS_MAX)
        return cccc_fail(m, CCCC_E_TOO_LARGE, "there are %u snippets; at most %d are kept", v->via.map.size, CCCC_AUTOMATION_SNIPPETS_MAX);
    for (uint32_t i = 0; i < v->via.map.size; i++) {
        cccc_str_t name = CCCC_STR(""), text;
        cccc_as_str(&v->via.map.ptr[i].key, &name);
        if (name.len == 0 || name.len > CCCC_AUTOMATION_NAME_BYTES_MAX)
            return cccc_fail(m, CCCC_E_INVALID_RULE, "a snippet's name has 1 to %d bytes", CCCC_AUTOMATION_NAME_BYTES_MAX);
        if (!cccc_as_str(&v->via.map.ptr[i].val, &text) || text.len > CCCC_NOTICE_BYTES_MAX)
            return cccc_fail(m, CCCC_E_INVALID_RULE, "snippets.%.*s must be text of at most %d bytes", CCCC_STR_FMT(name),
                             CCCC_NOTICE_BYTES_MAX);
    }
    return CCCC_OK;
}

/* ---- what a new group has (reference 1.4) ---- */

cccc_value_t rules_baseline(cccc_arena_t *arena)
{
    cccc_builder_t trigger = cccc_map_builder(arena, 2), action = cccc_map_builder(arena, 6), rule = cccc_map_builder(arena, 7);
    cccc_builder_t to = cccc_array_builder(arena, 1), rules = cccc_array_builder(arena, 1), snippets = cccc_map_builder(arena, 1);
    cccc_map_add(&trigger, "kind", cccc_text("interval"));
    cccc_map_add(&trigger, "every_seconds", cccc_uint(900));
    cccc_map_add(&action, "kind", cccc_text("notify"));
    cccc_map_add(&action, "priority", cccc_text("normal"));
    cccc_map_add(&action, "requires_ack", cccc_bool(false));
    cccc_map_add(&action, "title", cccc_text("Stand-up"));
    cccc_map_add(&action, "snippet_ref", cccc_text("standup"));
    cccc_map_add(&action, "message", cccc_text(""));
    cccc_array_add(&to, cccc_text("@foreman"));
    cccc_map_add(&rule, "id", cccc_text("standup"));
    cccc_map_add(&rule, "enabled", cccc_bool(true));
    cccc_map_add(&rule, "scope", cccc_text("group"));
    cccc_map_add(&rule, "owner_actor_id", cccc_nil());
    cccc_map_add(&rule, "to", to.value);
    cccc_map_add(&rule, "trigger", trigger.value);
    cccc_map_add(&rule, "action", action.value);
    cccc_array_add(&rules, rule.value);
    cccc_map_add(
        &snippets, "standup",
        cccc_text("{{interval_minutes}} minutes have passed. Ask each peer for what is done, what is next and what blocks it; unblock, "
                  "then tell the user in three lines."));
    cccc_builder_t automation = cccc_map_builder(arena, 3);
    cccc_map_add(&automation, "version", cccc_uint(1));
    cccc_map_add(&automation, "rules", rules.value);
    cccc_map_add(&automation, "snippets", snippets.value);
    return automation.value;
}
