/* settings.c - group_settings_update, and the settings of a group: where each lives in group.yaml, its default, its range.
 *
 * Reading is lenient (whatever a hand wrote reads as the default or is clamped), writing is strict: a patch with a value out of its range is refused whole, and
 * events and files carry canonical values only. Reference 1.4, 3.7, 7.2.
 * Thread: the core's. */
#include "broker/core/change.h"
#include "broker/core/groups/schema.h"

#include <stdio.h>

#define SECONDS_MAX INT32_MAX

enum setting_type { SETTING_INT, SETTING_BOOL, SETTING_CHOICE };

struct setting {
    const char *name;    /* in patches and results */
    const char *section; /* of group.yaml */
    const char *key;     /* in the section */
    enum setting_type type;
    int64_t otherwise, min, max;
    const char *choices[4]; /* the first is the default */
    bool removes;           /* events: the user's alone */
    int64_t times_nudge;    /* absent: this many times nudge_after_seconds, at least 1 */
};

#define NUDGE_AFTER "nudge_after_seconds"
#define SECONDS(name_, otherwise_)                                                                                                         \
    {                                                                                                                                      \
        .name = name_, .section = "automation", .key = name_, .type = SETTING_INT, .otherwise = otherwise_, .max = SECONDS_MAX             \
    }
#define NUDGES(name_, times_)                                                                                                              \
    {                                                                                                                                      \
        .name = name_, .section = "automation", .key = name_, .type = SETTING_INT, .otherwise = 300 * (times_), .max = SECONDS_MAX,        \
        .times_nudge = times_                                                                                                              \
    }

#define GUARD(name_, key_, otherwise_, max_)                                                                                               \
    {                                                                                                                                      \
        .name = name_, .section = "guard", .key = key_, .type = SETTING_INT, .otherwise = otherwise_, .max = max_                          \
    }

static const struct setting settings[] = {
    {.name = "default_send_to",
     .section = "messaging",
     .key = "default_send_to",
     .type = SETTING_CHOICE,
     .choices = {"foreman", "broadcast"}},
    SECONDS(NUDGE_AFTER, 300),
    NUDGES("reply_required_nudge_after_seconds", 1),
    NUDGES("attention_ack_nudge_after_seconds", 2),
    NUDGES("unread_nudge_after_seconds", 3),
    SECONDS("nudge_digest_min_interval_seconds", 120),
    SECONDS("nudge_max_repeats_per_obligation", 3),
    SECONDS("nudge_escalate_after_repeats", 2),
    SECONDS("actor_idle_timeout_seconds", 600),
    SECONDS("keepalive_delay_seconds", 120),
    SECONDS("keepalive_max_per_actor", 3),
    SECONDS("silence_timeout_seconds", 600),
    SECONDS("help_nudge_interval_seconds", 600),
    SECONDS("help_nudge_min_messages", 10),
    GUARD("guard_pair_max", "pair_max", 40, CCCC_GUARD_TIMES_MAX),
    GUARD("guard_group_max", "group_max", 400, CCCC_GUARD_GROUP_TIMES_MAX),
    GUARD("guard_chain_max", "chain_max", 100, SECONDS_MAX),
    GUARD("guard_hold_after", "hold_after", 20, SECONDS_MAX),
    GUARD("guard_window_seconds", "window_seconds", 600, SECONDS_MAX),
    {.name = "min_interval_seconds", .section = "delivery", .key = "min_interval_seconds", .type = SETTING_INT, .max = SECONDS_MAX},
    {.name = "auto_mark_on_delivery", .section = "delivery", .key = "auto_mark_on_delivery", .type = SETTING_BOOL},
    {.name = "terminal_transcript_visibility",
     .section = "terminal_transcript",
     .key = "visibility",
     .type = SETTING_CHOICE,
     .choices = {"foreman", "off", "all"}},
    {.name = "terminal_transcript_notify_tail",
     .section = "terminal_transcript",
     .key = "notify_tail",
     .type = SETTING_BOOL,
     .otherwise = 1},
    {.name = "terminal_transcript_notify_lines",
     .section = "terminal_transcript",
     .key = "notify_lines",
     .type = SETTING_INT,
     .otherwise = 20,
     .min = 1,
     .max = 80},
    {.name = "ledger_max_active_bytes",
     .section = "ledger",
     .key = "max_active_bytes",
     .type = SETTING_INT,
     .otherwise = CCCC_SEGMENT_BYTES,
     .min = 1024 * 1024,
     .max = 1ll << 40},
    {.name = "ledger_keep_tail_lines",
     .section = "ledger",
     .key = "keep_tail_lines",
     .type = SETTING_INT,
     .otherwise = 2000,
     .min = 1,
     .max = 1000000},
    {.name = "retention_max_age_s",
     .section = "ledger",
     .key = "retention_max_age_s",
     .type = SETTING_INT,
     .max = 1ll << 40,
     .removes = true},
    {.name = "retention_max_bytes",
     .section = "ledger",
     .key = "retention_max_bytes",
     .type = SETTING_INT,
     .max = 1ll << 60,
     .removes = true},
};
#define SETTING_COUNT (sizeof settings / sizeof *settings)

const char *cccc_core_setting_name(size_t i)
{
    return i < SETTING_COUNT ? settings[i].name : NULL;
}

/* ---- one value ---- */

static int64_t clamp(const struct setting *s, int64_t n)
{
    return n < s->min ? s->min : n > s->max ? s->max : n;
}

static bool is_out_of_range(const struct setting *s, const cccc_value_t *v)
{
    int64_t n;
    return s->type == SETTING_INT && cccc_schema_integer(v, &n) && n != clamp(s, n);
}

static const char *as_choice(const struct setting *s, const cccc_value_t *v)
{
    cccc_str_t word;
    for (size_t i = 0; cccc_as_str(v, &word) && s->choices[i] != NULL; i++) {
        if (cccc_str_is(word, s->choices[i]))
            return s->choices[i];
    }
    return NULL;
}

/* The canonical form of a value; false when it is none. */
static bool canonical(const struct setting *s, const cccc_value_t *v, cccc_value_t *out)
{
    int64_t n;
    bool b;
    const char *word;
    switch (s->type) {
    case SETTING_INT:
        if (!cccc_schema_integer(v, &n))
            return false;
        *out = cccc_int(clamp(s, n));
        return true;
    case SETTING_BOOL:
        if (!cccc_schema_bool(v, &b))
            return false;
        *out = cccc_bool(b);
        return true;
    case SETTING_CHOICE:
        word = as_choice(s, v);
        if (word == NULL)
            return false;
        *out = cccc_text(word);
        return true;
    }
    return false;
}

static const struct setting *setting_find(cccc_str_t name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (cccc_str_is(name, settings[i].name))
            return &settings[i];
    }
    return NULL;
}

static cccc_value_t effective(const struct setting *s, const cccc_value_t *document);

static cccc_value_t default_of(const struct setting *s, const cccc_value_t *document)
{
    if (s->type == SETTING_CHOICE)
        return cccc_text(s->choices[0]);
    if (s->type == SETTING_BOOL)
        return cccc_bool(s->otherwise != 0);
    if (s->times_nudge == 0)
        return cccc_int(s->otherwise);
    cccc_value_t nudge = effective(setting_find(CCCC_STR(NUDGE_AFTER)), document);
    int64_t n = 0;
    cccc_as_int(&nudge, &n);
    n *= s->times_nudge;
    return cccc_int(clamp(s, n > 0 || s->times_nudge == 1 ? n : 1));
}

static cccc_value_t effective(const struct setting *s, const cccc_value_t *document)
{
    const cccc_value_t *stored = cccc_get(cccc_get(document, s->section), s->key);
    cccc_value_t v;
    if (stored != NULL && canonical(s, stored, &v))
        return v;
    return default_of(s, document);
}

static const char *wanted(const struct setting *s, char *text, size_t size)
{
    if (s->type == SETTING_BOOL)
        return "true or false";
    if (s->type == SETTING_INT) {
        snprintf(text, size, "a whole number from %lld to %lld", (long long)s->min, (long long)s->max);
        return text;
    }
    size_t at = 0;
    for (size_t i = 0; s->choices[i] != NULL && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? " or " : "", s->choices[i]);
    return text;
}

/* ---- a file's ---- */

cccc_err_t setting_check(cccc_str_t section, cccc_str_t key, const cccc_value_t *v, bool *clamped, struct cccc_errmsg *m)
{
    const struct setting *s = settings, *end = settings + SETTING_COUNT;
    while (s < end && !(cccc_str_is(section, s->section) && cccc_str_is(key, s->key)))
        s++;
    *clamped = false;
    if (s == end)
        return CCCC_E_NOT_FOUND;
    cccc_value_t canon;
    char text[96];
    int64_t n, kept;
    if (cccc_is_nil(v))
        return CCCC_OK;
    if (!canonical(s, v, &canon))
        return cccc_fail(m, CCCC_E_INVALID_PATCH, "must be %s", wanted(s, text, sizeof text));
    *clamped = is_out_of_range(s, v);
    if (*clamped && cccc_schema_integer(v, &n) && cccc_as_int(&canon, &kept))
        cccc_fail(m, CCCC_OK, "%lld counts as %lld: it must be %s", (long long)n, (long long)kept, wanted(s, text, sizeof text));
    return CCCC_OK;
}

uint64_t setting_number(const char *name, const cccc_value_t *document)
{
    cccc_value_t v = effective(setting_find(cccc_str(name)), document);
    uint64_t n = 0;
    cccc_as_uint(&v, &n);
    return n;
}

void cccc_core_ledger_policy(const cccc_core_t *self, cccc_slot_t slot, struct cccc_ledger_policy *out)
{
    cccc_ledger_policy_of(&self->groups[slot]->document, out);
}

void cccc_ledger_policy_of(const cccc_value_t *document, struct cccc_ledger_policy *out)
{
    *out = (struct cccc_ledger_policy){.max_active_bytes = setting_number("ledger_max_active_bytes", document),
                                       .keep_tail_lines = setting_number("ledger_keep_tail_lines", document),
                                       .retain_s = setting_number("retention_max_age_s", document),
                                       .retain_bytes = setting_number("retention_max_bytes", document)};
}

/* ---- all of them ---- */

cccc_value_t settings_effective(cccc_arena_t *arena, const cccc_value_t *document)
{
    cccc_builder_t b = cccc_map_builder(arena, SETTING_COUNT);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        cccc_map_add(&b, settings[i].name, effective(&settings[i], document));
    return b.value;
}

cccc_value_t settings_set(cccc_arena_t *arena, const cccc_value_t *document)
{
    cccc_builder_t b = cccc_array_builder(arena, SETTING_COUNT);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const cccc_value_t *stored = cccc_get(cccc_get(document, settings[i].section), settings[i].key);
        cccc_value_t v;
        if (stored != NULL && canonical(&settings[i], stored, &v))
            cccc_array_add(&b, cccc_text(settings[i].name));
    }
    return b.value;
}

cccc_value_t settings_merge(cccc_arena_t *arena, const cccc_value_t *document, const cccc_value_t *patch)
{
    cccc_value_t doc = *document;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &settings[i];
        const cccc_value_t *given = cccc_get(patch, s->name);
        cccc_value_t v;
        if (given == NULL || !canonical(s, given, &v))
            continue;
        cccc_value_t empty = cccc_map_builder(arena, 1).value;
        const cccc_value_t *section = cccc_get(&doc, s->section);
        v = cccc_map_with(arena, cccc_is_map(section) ? section : &empty, cccc_str(s->key), v);
        doc = cccc_map_with(arena, &doc, cccc_str(s->section), v);
    }
    return doc;
}

/* ---- in a template ---- */

/* How a ledger is kept is a matter of the disk it is on. */
static bool travels(const struct setting *s)
{
    return strcmp(s->section, "ledger") != 0;
}

cccc_value_t settings_template(cccc_arena_t *arena, const cccc_value_t *document)
{
    cccc_builder_t b = cccc_map_builder(arena, SETTING_COUNT);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (travels(&settings[i]))
            cccc_map_add(&b, settings[i].name, effective(&settings[i], document));
    return b.value;
}

cccc_err_t settings_of_template(cccc_arena_t *arena, const cccc_value_t *given, cccc_value_t *out, struct cccc_errmsg *m)
{
    cccc_builder_t b = cccc_map_builder(arena, SETTING_COUNT);
    char text[96];
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &settings[i];
        const cccc_value_t *stated = travels(s) ? cccc_get(given, s->name) : NULL;
        cccc_value_t v = default_of(s, NULL);
        if (stated && (!canonical(s, stated, &v) || is_out_of_range(s, stated)))
            return cccc_fail(m, CCCC_E_INVALID_TEMPLATE, "settings.%s must be %s", s->name, wanted(s, text, sizeof text));
        if (travels(s))
            cccc_map_add(&b, s->name, v);
    }
    *out = b.value;
    return CCCC_OK;
}

/* ---- group_settings_update ---- */

/* The patch in canonical values, or the call failed. */
static bool canonical_patch(call_t *call, const cccc_value_t *patch, cccc_value_t *out)
{
    cccc_builder_t b = cccc_map_builder(call->arena, patch->via.map.size);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &settings[i];
        const cccc_value_t *given = cccc_get(patch, s->name);
        cccc_value_t v;
        if (given == NULL)
            continue;
        if (!canonical(s, given, &v) || is_out_of_range(s, given)) {
            char text[96];
            cccc_err_t err = s->type == SETTING_INT ? CCCC_E_GROUP_SETTINGS_UPDATE_FAILED : CCCC_E_INVALID_PATCH;
            call_fail_cause(call, err, CCCC_E_INVALID_PATCH, "%s must be %s; nothing was changed", s->name, wanted(s, text, sizeof text));
            return false;
        }
        cccc_map_add(&b, s->name, v);
    }
    *out = b.value;
    return true;
}

/* What removes events is not for agents to decide. */
static bool may_remove(call_t *call, const struct cccc_group *group, const cccc_value_t *patch)
{
    struct cccc_errmsg m;
    bool removes = false;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        removes = removes || (settings[i].removes && cccc_get(patch, settings[i].name));
    if (!removes || permit_in(group, call->by, CCCC_MAY_RETIRE, CCCC_STR(""), &m))
        return true;
    call_fail_cause(call, CCCC_E_GROUP_SETTINGS_UPDATE_FAILED, CCCC_E_PERMISSION_DENIED, "%s", m.text);
    return false;
}

static void settings_finish(call_t *call, cccc_builder_t *result)
{
    cccc_map_add(result, "group_id", cccc_text(call->group->id));
    cccc_map_add(result, "settings", settings_effective(call->arena, &call->group->document));
}

void op_group_settings_update(call_t *call)
{
    const struct cccc_args *args = &call->request.args;
    if (!call_group(call, CCCC_A_group_settings_update_group_id))
        return;
    struct cccc_group *ahead = config_ahead(call, call->group);
    if (!permit_by(call, ahead, cccc_arg_str(args, CCCC_A_group_settings_update_by), "user"))
        return;
    struct cccc_errmsg m;
    if (!permit_in(ahead, call->by, CCCC_MAY_MANAGE_GROUP, CCCC_STR(""), &m)) {
        call_fail_cause(call, CCCC_E_GROUP_SETTINGS_UPDATE_FAILED, CCCC_E_PERMISSION_DENIED, "%s", m.text);
        return;
    }
    const char *known[SETTING_COUNT + 1] = {NULL};
    for (size_t i = 0; i < SETTING_COUNT; i++)
        known[i] = settings[i].name;
    const cccc_value_t *patch = cccc_arg(args, CCCC_A_group_settings_update_patch);
    cccc_builder_t data = cccc_map_builder(call->arena, 1);
    cccc_value_t canon;
    if (!patch_checked(call, patch, known) || !canonical_patch(call, patch, &canon) || !may_remove(call, ahead, &canon))
        return;
    cccc_map_add(&data, "patch", canon);
    change_begin(call, CCCC_KIND_GROUP_SETTINGS_UPDATE, CCCC_STR(""), data.value, settings_finish, NULL);
}
