/* schema.c - the table of what a group's configuration may hold, and the walk along it.
 *
 * A row is a member of a map. What is null counts as not there. Members without a row are reported as unknown and never looked into: other
 * programs may keep theirs here. Sections with settings are also checked against the table of settings.c.
 * Thread: any; pure. */
#include "broker/core/groups/schema.h"

#include "broker/core/change.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ---- */

enum type { ANY, TEXT, BOOLEAN, VERSION, SEQ, WORD, GROUP_ID, ACTOR_ID, SCOPE_KEY, SCOPE_NAME, WORDS, ENVIRONMENT, COUNT, SECTION, LIST };

struct rule {
    const char *name; /* NULL ends a table */
    enum type type;
    bool required;
    uint32_t max; /* bytes of a text, items of a list, a count itself */
    const char *const *choices;
    const struct rule *members; /* of a section, or of each item of a list */
    const char *unique;         /* the member that tells the items of a list apart */
};

static const char *const runtimes[] = {
#define CCCC_RUNTIME(name, title, executable, command, primary, ready_ms, draws, shows, questions, dialogs) #name,
#include "proto/runtimes.def"
#undef CCCC_RUNTIME
    NULL};
static const char *const runners[] = {"pty", "headless", NULL};
static const char *const submits[] = {"enter", "newline", "none", NULL};
static const char *const states[] = {"active", "idle", "paused", NULL};

enum { STAMP_BYTES_MAX = 64 };

static const struct rule scope_rules[] = {
    {.name = "scope_key", .type = SCOPE_KEY, .required = true},
    {.name = "url", .type = TEXT, .max = CCCC_PATH_BYTES_MAX},
    {.name = "label", .type = TEXT, .max = CCCC_PATH_BYTES_MAX},
    {.name = "git_remote", .type = TEXT, .max = CCCC_PATH_BYTES_MAX},
    {0},
};

static const struct rule actor_rules[] = {
    {.name = "v", .type = VERSION},
    {.name = "id", .type = ACTOR_ID, .required = true},
    {.name = "title", .type = TEXT, .max = CCCC_TITLE_BYTES_MAX},
    {.name = "command", .type = WORDS},
    {.name = "env", .type = ENVIRONMENT, .max = CCCC_ENV_KEYS_MAX},
    {.name = "default_scope_key", .type = SCOPE_NAME},
    {.name = "submit", .type = WORD, .choices = submits},
    {.name = "enabled", .type = BOOLEAN},
    {.name = "left_stopped", .type = BOOLEAN},
    {.name = "runner", .type = WORD, .choices = runners},
    {.name = "runtime", .type = WORD, .choices = runtimes},
    {.name = "processes_max", .type = COUNT, .max = CCCC_ACTOR_PROCESSES_MAX},
    {.name = "memory_mib_max", .type = COUNT, .max = CCCC_ACTOR_MEMORY_MIB_MAX},
    {.name = "created_at", .type = TEXT, .max = STAMP_BYTES_MAX},
    {.name = "updated_at", .type = TEXT, .max = STAMP_BYTES_MAX},
    {0},
};

/* The settings among them are those of settings.c. */
static const struct rule automation_rules[] = {{.name = "version"}, {.name = "rules"}, {.name = "snippets"}, {0}};
static const struct rule ledger_rules[] = {{.name = "min_interval_seconds"}, {0}}; /* of CCCC 0.4.0; means nothing here */
static const struct rule only_settings[] = {{0}};

static const struct rule group_rules[] = {
    {.name = "v", .type = VERSION},
    {.name = "group_id", .type = GROUP_ID},
    {.name = "title", .type = TEXT, .max = CCCC_TITLE_BYTES_MAX},
    {.name = "topic", .type = TEXT, .max = CCCC_TOPIC_TEXT_BYTES_MAX},
    {.name = "created_at", .type = TEXT, .max = STAMP_BYTES_MAX},
    {.name = "updated_at", .type = TEXT, .max = STAMP_BYTES_MAX},
    {.name = "running", .type = BOOLEAN},
    {.name = "state", .type = WORD, .choices = states},
    {.name = "active_scope_key", .type = SCOPE_NAME},
    {.name = "scopes", .type = LIST, .max = CCCC_SCOPES_PER_GROUP_MAX, .members = scope_rules, .unique = "scope_key"},
    {.name = "actors", .type = LIST, .max = CCCC_ACTORS_PER_GROUP_MAX, .members = actor_rules, .unique = "id"},
    {.name = "automation", .type = SECTION, .members = automation_rules},
    {.name = "delivery", .type = SECTION, .members = only_settings},
    {.name = "guard", .type = SECTION, .members = only_settings},
    {.name = "messaging", .type = SECTION, .members = only_settings},
    {.name = "terminal_transcript", .type = SECTION, .members = only_settings},
    {.name = "ledger", .type = SECTION, .members = ledger_rules},
    {.name = "im"}, /* of CCCC 0.4.0, for what is not there yet */
    {.name = "ledger_seq", .type = SEQ},
    {0},
};

static const struct rule *rule_of(const struct rule *rules, cccc_str_t name)
{
    while (rules->name != NULL && !cccc_str_is(name, rules->name))
        rules++;
    return rules->name != NULL ? rules : NULL;
}

/* ---- values that contain no others ---- */

static bool has_nul(cccc_str_t s)
{
    return s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL;
}

static cccc_err_t check_text(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    cccc_str_t s;
    if (!cccc_as_str(v, &s))
        return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be text", rule->name);
    if (has_nul(s))
        return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be text without NUL", rule->name);
    if (rule->max > 0 && s.len > rule->max)
        return cccc_fail(m, CCCC_E_TOO_LARGE, "%s has %zu bytes; at most %u are kept", rule->name, s.len, rule->max);
    return CCCC_OK;
}

bool cccc_schema_integer(const cccc_value_t *v, int64_t *out)
{
    cccc_str_t s;
    if (cccc_as_int(v, out))
        return true;
    char text[24];
    if (!cccc_as_str(v, &s) || s.len == 0 || s.len >= sizeof text)
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || n == LLONG_MAX || n == LLONG_MIN || (text[0] != '-' && (text[0] < '0' || text[0] > '9')))
        return false;
    *out = n;
    return true;
}

bool cccc_schema_bool(const cccc_value_t *v, bool *out)
{
    *out = cccc_coerce_bool(v, false);
    return !cccc_is_nil(v) && *out == cccc_coerce_bool(v, true); /* what follows the caller's default is no answer */
}

static cccc_err_t check_boolean(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    bool on;
    return cccc_schema_bool(v, &on) ? CCCC_OK : cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be true or false", rule->name);
}

static cccc_err_t check_version(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    int64_t n;
    if (cccc_as_int(v, &n) && n == 1)
        return CCCC_OK;
    return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be 1, the one format this cccc knows", rule->name);
}

static cccc_err_t check_seq(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    int64_t n;
    if (cccc_as_int(v, &n) && n >= 0)
        return CCCC_OK;
    return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s is cccc's own: leave it as cccc wrote it", rule->name);
}

static cccc_err_t check_word(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    cccc_str_t s = CCCC_STR("");
    char all[300] = "";
    cccc_err_t err = check_text(rule, v, m);
    if (err != CCCC_OK)
        return err;
    cccc_as_str(v, &s);
    if (s.len == 0)
        return CCCC_OK; /* the default */
    for (const char *const *choice = rule->choices; *choice != NULL; choice++) {
        if (cccc_str_is(s, *choice))
            return CCCC_OK;
        size_t at = strlen(all);
        snprintf(all + at, sizeof all - at, "%s%s", at > 0 ? ", " : "", *choice);
    }
    return cccc_fail(m, CCCC_E_ACTOR_UPDATE_FAILED, "invalid %s: %.*s (there are: %s)", rule->name, (int)(s.len < 40 ? s.len : 40), s.ptr,
                     all);
}

static cccc_err_t check_actor_id(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    cccc_str_t s = {0};
    cccc_err_t err = check_text(rule, v, m);
    return err != CCCC_OK ? err : cccc_as_str(v, &s) && actor_id_valid(s, m) ? CCCC_OK : CCCC_E_INVALID_PATCH;
}

/* It names a folder (scopes/<key>/). */
static cccc_err_t check_scope_key(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    cccc_str_t s = {0};
    cccc_err_t err = check_text(rule, v, m);
    if (err != CCCC_OK)
        return err;
    cccc_as_str(v, &s);
    size_t i = 0;
    while (i < s.len && strchr(allowed, s.ptr[i]) != NULL)
        i++;
    if (s.len > 0 && s.len <= 64 && i == s.len && s.ptr[0] != '.')
        return CCCC_OK;
    return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be 1 to 64 of letters, digits, . _ and -, as `cccc attach` makes it", rule->name);
}

/* CCCC_E_INVALID_PATCH: of the wrong type. */
static cccc_err_t check_words(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    cccc_str_t word;
    if (!cccc_is_array(v))
        return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be a list of texts", rule->name);
    for (uint32_t i = 0; i < v->via.array.size; i++) {
        if (!cccc_as_str(&v->via.array.ptr[i], &word) || has_nul(word))
            return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be a list of texts without NUL", rule->name);
    }
    return CCCC_OK;
}

static bool is_env_name(cccc_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.len > 0;
}

static cccc_err_t check_environment(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    if (!cccc_is_map(v))
        return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be a map of names to texts", rule->name);
    if (v->via.map.size > rule->max)
        return cccc_fail(m, CCCC_E_ACTOR_UPDATE_FAILED, "%s has %u names; at most %u are kept", rule->name, v->via.map.size, rule->max);
    for (uint32_t i = 0; i < v->via.map.size; i++) {
        const msgpack_object_kv *kv = &v->via.map.ptr[i];
        cccc_str_t name = {0}, text;
        int64_t number;
        if (!cccc_as_str(&kv->key, &name) || !is_env_name(name))
            return cccc_fail(m, CCCC_E_ACTOR_UPDATE_FAILED, "%s: %.*s is no name of an environment variable", rule->name,
                             CCCC_STR_FMT(name));
        if (!cccc_as_int(&kv->val, &number) && (!cccc_as_str(&kv->val, &text) || has_nul(text)))
            return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s: the value of %.*s must be text without NUL", rule->name, CCCC_STR_FMT(name));
    }
    return CCCC_OK;
}

cccc_err_t cccc_schema_env_given(const cccc_value_t *env, cccc_err_t refused, struct cccc_errmsg *m)
{
    static const char *const own[] = {"CCCC_HOME", "CCCC_GROUP_ID", "CCCC_ACTOR_ID", "CCCC_HOLD"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (cccc_get(env, own[i]))
            return cccc_fail(
                m, refused,
                "%s is set by cccc for every actor, so that its commands know where they belong, and another value would not reach "
                "the program; leave it out, or use a name of your own",
                own[i]);
    return CCCC_OK;
}

static cccc_err_t check_count(const struct rule *rule, const cccc_value_t *v, struct cccc_errmsg *m)
{
    int64_t n;
    if (cccc_as_int(v, &n) && n >= 0 && n <= rule->max)
        return CCCC_OK;
    return cccc_fail(m, CCCC_E_INVALID_PATCH, "%s must be a number from 0 (no limit) to %u", rule->name, rule->max);
}

static cccc_err_t (*const checks[])(const struct rule *, const cccc_value_t *, struct cccc_errmsg *) = {
    [TEXT] = check_text,       [BOOLEAN] = check_boolean, [VERSION] = check_version,         [SEQ] = check_seq,
    [WORD] = check_word,       [GROUP_ID] = check_text,   [ACTOR_ID] = check_actor_id,       [SCOPE_KEY] = check_scope_key,
    [SCOPE_NAME] = check_text, [WORDS] = check_words,     [ENVIRONMENT] = check_environment, [COUNT] = check_count,
};

cccc_err_t cccc_schema_actor_field(const char *name, const cccc_value_t *v, struct cccc_errmsg *m)
{
    const struct rule *rule = rule_of(actor_rules, cccc_str(name));
    CCCC_ASSERT(rule != NULL && checks[rule->type] != NULL, "no field %s", name);
    return checks[rule->type](rule, v, m);
}

/* ---- the walk ---- */

struct walk {
    const cccc_value_t *document;
    cccc_str_t group_id;
    cccc_schema_report_fn report;
    void *arg;
    struct cccc_schema_step path[CCCC_SCHEMA_DEPTH_MAX];
    uint32_t depth;
    bool refused;
};

static void report(struct walk *walk, enum cccc_schema_verdict verdict, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void report(struct walk *walk, enum cccc_schema_verdict verdict, const char *fmt, ...)
{
    struct cccc_schema_finding f = {.verdict = verdict, .depth = walk->depth};
    size_t at = 0;
    va_list args;
    va_start(args, fmt);
    vsnprintf(f.why, sizeof f.why, fmt, args);
    va_end(args);
    memcpy(f.path, walk->path, sizeof f.path);
    for (uint32_t i = 0; i < walk->depth && at < sizeof f.where; i++) {
        const struct cccc_schema_step *step = &walk->path[i];
        int n = step->key.ptr == NULL ? snprintf(f.where + at, sizeof f.where - at, "[%u]", step->index)
                                      : snprintf(f.where + at, sizeof f.where - at, "%s%.*s", at > 0 ? "." : "",
                                                 (int)(step->key.len < 64 ? step->key.len : 64), step->key.ptr);
        at += (size_t)(n > 0 ? n : 0);
    }
    walk->refused |= verdict == CCCC_SCHEMA_REFUSED;
    walk->report(walk->arg, &f);
}

static void check_value(struct walk *walk, const struct rule *rule, const cccc_value_t *v);

static void down(struct walk *walk, cccc_str_t key, uint32_t index)
{
    CCCC_ASSERT(walk->depth < CCCC_SCHEMA_DEPTH_MAX, "(the table is deeper than it says)");
    walk->path[walk->depth++] = (struct cccc_schema_step){key, index};
}

/* A member of the document's section `rule` that a setting lives in. False: none does. */
static bool is_setting(struct walk *walk, const struct rule *rule, cccc_str_t key, const cccc_value_t *v)
{
    struct cccc_errmsg m;
    bool clamped;
    cccc_err_t err = setting_check(cccc_str(rule->name), key, v, &clamped, &m);
    if (err == CCCC_E_NOT_FOUND)
        return false;
    if (err != CCCC_OK || clamped)
        report(walk, err != CCCC_OK ? CCCC_SCHEMA_REFUSED : CCCC_SCHEMA_DIFFERS, "%s", m.text);
    return true;
}

static void check_member(struct walk *walk, const struct rule *owner, const struct rule *rules, const msgpack_object_kv *kv)
{
    cccc_str_t key = {0};
    cccc_as_str(&kv->key, &key);
    const struct rule *rule = rule_of(rules, key);
    down(walk, key.ptr != NULL ? key : CCCC_STR(""), 0);
    if (rule != NULL)
        check_value(walk, rule, &kv->val);
    else if (owner == NULL || owner->type != SECTION || !is_setting(walk, owner, key, &kv->val))
        report(walk, CCCC_SCHEMA_UNKNOWN, "%s", "");
    walk->depth--;
}

static void check_members(struct walk *walk, const struct rule *owner, const struct rule *rules, const cccc_value_t *map)
{
    for (uint32_t i = 0; i < map->via.map.size; i++)
        check_member(walk, owner, rules, &map->via.map.ptr[i]);
    for (const struct rule *rule = rules; rule->name != NULL; rule++) {
        const cccc_value_t *v = cccc_get(map, rule->name);
        if (rule->required && (v == NULL || cccc_is_nil(v)))
            report(walk, CCCC_SCHEMA_REFUSED, "%s is missing", rule->name);
    }
}

static bool is_there_before(const cccc_value_t *list, uint32_t end, const char *key)
{
    cccc_str_t mine = cccc_get_str(&list->via.array.ptr[end], key);
    for (uint32_t i = 0; i < end && mine.len > 0; i++) {
        if (cccc_str_eq(cccc_get_str(&list->via.array.ptr[i], key), mine))
            return true;
    }
    return false;
}

static void check_list(struct walk *walk, const struct rule *rule, const cccc_value_t *v)
{
    if (!cccc_is_array(v)) {
        report(walk, CCCC_SCHEMA_REFUSED, "must be a list");
        return;
    }
    if (v->via.array.size > rule->max) {
        report(walk, CCCC_SCHEMA_REFUSED, "has %u items; at most %u are kept", v->via.array.size, rule->max);
        return;
    }
    for (uint32_t i = 0; i < v->via.array.size; i++) {
        const cccc_value_t *item = &v->via.array.ptr[i];
        down(walk, (cccc_str_t){0}, i);
        if (!cccc_is_map(item))
            report(walk, CCCC_SCHEMA_REFUSED, "must be a map");
        else if (is_there_before(v, i, rule->unique))
            report(walk, CCCC_SCHEMA_REFUSED, "%s %.*s is there twice", rule->unique, CCCC_STR_FMT(cccc_get_str(item, rule->unique)));
        else
            check_members(walk, rule, rule->members, item);
        walk->depth--;
    }
}

static bool is_scope(const struct walk *walk, cccc_str_t key)
{
    const cccc_value_t *scopes = cccc_get(walk->document, "scopes");
    for (uint32_t i = 0; scopes != NULL && cccc_is_array(scopes) && i < scopes->via.array.size; i++) {
        if (cccc_str_eq(cccc_get_str(&scopes->via.array.ptr[i], "scope_key"), key))
            return true;
    }
    return false;
}

/* What is of the right form, but cannot be meant. */
static void check_meaning(struct walk *walk, const struct rule *rule, const cccc_value_t *v)
{
    cccc_str_t s = {0};
    cccc_as_str(v, &s);
    if (rule->type == GROUP_ID && !cccc_str_eq(s, walk->group_id))
        report(walk, CCCC_SCHEMA_REFUSED, "must be %.*s: a group cannot become another", CCCC_STR_FMT(walk->group_id));
    if (rule->type == SCOPE_NAME && s.len > 0 && !is_scope(walk, s))
        report(walk, CCCC_SCHEMA_DIFFERS, "%.*s is no scope of this group and counts as none", CCCC_STR_FMT(s));
}

static bool is_text(enum type type)
{
    return type == TEXT || type == WORD || type == GROUP_ID || type == ACTOR_ID || type == SCOPE_KEY || type == SCOPE_NAME;
}

static void check_plain(struct walk *walk, const struct rule *rule, const cccc_value_t *v)
{
    struct cccc_errmsg m;
    size_t name = strlen(rule->name);
    if (checks[rule->type](rule, v, &m) == CCCC_OK) {
        check_meaning(walk, rule, v);
        return;
    }
    /* A date or a number where text belongs is text that YAML took for something else. */
    bool unquoted = is_text(rule->type) && !cccc_is_array(v) && !cccc_is_map(v) && !cccc_as_str(v, &(cccc_str_t){0});
    bool named = strncmp(m.text, rule->name, name) == 0 && m.text[name] == ' '; /* the path says it already */
    report(walk, CCCC_SCHEMA_REFUSED, "%s%s", m.text + (named ? name + 1 : 0), unquoted ? ": put it in quotes" : "");
}

static void check_value(struct walk *walk, const struct rule *rule, const cccc_value_t *v)
{
    if (cccc_is_nil(v) || rule->type == ANY)
        return;
    if (rule->type == LIST)
        check_list(walk, rule, v);
    else if (rule->type != SECTION)
        check_plain(walk, rule, v);
    else if (!cccc_is_map(v))
        report(walk, CCCC_SCHEMA_REFUSED, "must be a map");
    else
        check_members(walk, rule, rule->members, v);
}

bool cccc_schema_check(const cccc_value_t *document, cccc_str_t group_id, cccc_schema_report_fn report_, void *arg)
{
    struct walk walk = {.document = document, .group_id = group_id, .report = report_, .arg = arg};
    check_members(&walk, NULL, group_rules, document);
    return !walk.refused;
}

bool cccc_schema_is_whole(const cccc_value_t *document, struct cccc_errmsg *m)
{
    static const char *const lists[] = {"scopes", "actors"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (cccc_get(document, lists[i]) != NULL)
            continue;
        cccc_fail(m, CCCC_E_BAD_YAML, "the list %s is missing, so the file seems to be cut off (none at all is written `%s: []`)", lists[i],
                  lists[i]);
        return false;
    }
    const cccc_value_t *end = cccc_get(document, "ledger_seq");
    if (end != NULL && !cccc_is_nil(end))
        return true;
    cccc_fail(m, CCCC_E_BAD_YAML, "ledger_seq, with which cccc ends the file, is missing, so it seems to be cut off");
    return false;
}

/* ---- two documents ---- */

static bool is_stamp(const char *key, uint32_t len)
{
    static const char *const stamps[] = {"ledger_seq", "created_at", "updated_at"};
    for (size_t i = 0; i < sizeof stamps / sizeof *stamps; i++)
        if (strlen(stamps[i]) == len && memcmp(stamps[i], key, len) == 0)
            return true;
    return false;
}

bool cccc_schema_same(const cccc_value_t *a, const cccc_value_t *b)
{
    uint32_t left = 0, right = 0;
    for (uint32_t i = 0; cccc_is_map(b) && i < b->via.map.size; i++)
        right += !is_stamp(b->via.map.ptr[i].key.via.str.ptr, b->via.map.ptr[i].key.via.str.size);
    for (uint32_t i = 0; cccc_is_map(a) && i < a->via.map.size; i++) {
        const msgpack_object_kv *kv = &a->via.map.ptr[i];
        if (is_stamp(kv->key.via.str.ptr, kv->key.via.str.size))
            continue;
        const cccc_value_t *other = NULL;
        for (uint32_t j = 0; cccc_is_map(b) && j < b->via.map.size && !other; j++)
            if (cccc_value_eq(&b->via.map.ptr[j].key, &kv->key))
                other = &b->via.map.ptr[j].val;
        if (!other || !cccc_value_eq(&kv->val, other))
            return false;
        left++;
    }
    return left == right;
}

/* cccc has no use for this member of a group, and never changes it. */
static bool is_foreign(const msgpack_object_kv *kv)
{
    cccc_str_t key = {0};
    cccc_as_str(&kv->key, &key);
    const struct rule *rule = rule_of(group_rules, key);
    return rule == NULL || rule->type == ANY;
}

static void add_members(cccc_builder_t *out, const cccc_value_t *map, bool foreign)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        if (is_foreign(kv) == foreign)
            cccc_map_add_key(out, (cccc_str_t){kv->key.via.str.ptr, kv->key.via.str.size}, kv->val);
    }
}

cccc_value_t cccc_schema_carry(cccc_arena_t *arena, const cccc_value_t *ours, const cccc_value_t *theirs)
{
    cccc_builder_t out = cccc_map_builder(arena, ours->via.map.size + theirs->via.map.size);
    add_members(&out, ours, false);
    add_members(&out, theirs, true);
    return out.value;
}
