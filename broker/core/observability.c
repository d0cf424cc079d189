/* observability.c - the daemon's own settings: developer mode, log level, what is kept of terminals (reference 1.10).
 *
 * The document is settings.yaml as it was found; what is effective is computed from it. A change counts at once, and is answered when it is on the disk.
 * Thread: the core's. */
#include "broker/core/change.h"

#include <ctype.h>
#include <syslog.h>

enum { SCROLLBACK_LINES = 8000, SCROLLBACK_MIN = 1000, SCROLLBACK_MAX = 200000 };

static const struct {
    const char *word;
    int level;
} levels[] = {{"DEBUG", LOG_DEBUG}, {"INFO", LOG_INFO}, {"WARNING", LOG_WARNING}, {"ERROR", LOG_ERR}};

/* ---- what is in effect ---- */

static const cccc_value_t *observability(const struct cccc_core *core)
{
    return cccc_get(&core->settings, "observability");
}

static cccc_value_t upper(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_str_t s = CCCC_STR("INFO");
    cccc_as_str(v, &s);
    char *word = cccc_arena_alloc(arena, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        word[i] = (char)toupper((unsigned char)s.ptr[i]);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (cccc_str_is((cccc_str_t){word, s.len}, levels[i].word))
            return cccc_text(levels[i].word);
    return cccc_text("INFO");
}

static cccc_value_t components(cccc_arena_t *arena, const cccc_value_t *v)
{
    static const char *const all[] = {"daemon", "web", "delivery", "im", "pty", "mcp"};
    if (cccc_is_array(v))
        return *v;
    cccc_builder_t list = cccc_array_builder(arena, 6);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cccc_array_add(&list, cccc_text(all[i]));
    return list.value;
}

static cccc_value_t transcript(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_builder_t map = cccc_map_builder(arena, 4);
    uint64_t bytes = cccc_get_uint(v, "per_actor_bytes", 0);
    cccc_map_add(&map, "enabled", cccc_bool(cccc_coerce_bool(cccc_get(v, "enabled"), false)));
    cccc_map_add(&map, "per_actor_bytes", cccc_uint(bytes ? bytes : CCCC_SCROLLBACK_BYTES));
    cccc_map_add(&map, "persist", cccc_bool(cccc_coerce_bool(cccc_get(v, "persist"), false)));
    cccc_map_add(&map, "strip_ansi", cccc_bool(cccc_coerce_bool(cccc_get(v, "strip_ansi"), true)));
    return map.value;
}

static cccc_value_t terminal_ui(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_builder_t map = cccc_map_builder(arena, 1);
    uint64_t lines = cccc_get_uint(v, "scrollback_lines", SCROLLBACK_LINES);
    lines = lines < SCROLLBACK_MIN ? SCROLLBACK_MIN : lines > SCROLLBACK_MAX ? SCROLLBACK_MAX : lines;
    cccc_map_add(&map, "scrollback_lines", cccc_uint(lines));
    return map.value;
}

cccc_value_t observability_effective(cccc_arena_t *arena, const struct cccc_core *core)
{
    const cccc_value_t *set = observability(core);
    cccc_builder_t map = cccc_map_builder(arena, 5);
    cccc_map_add(&map, "developer_mode", cccc_bool(cccc_coerce_bool(cccc_get(set, "developer_mode"), false)));
    cccc_map_add(&map, "log_level", upper(arena, cccc_get(set, "log_level")));
    cccc_map_add(&map, "components", components(arena, cccc_get(set, "components")));
    cccc_map_add(&map, "terminal_transcript", transcript(arena, cccc_get(set, "terminal_transcript")));
    cccc_map_add(&map, "terminal_ui", terminal_ui(arena, cccc_get(set, "terminal_ui")));
    return map.value;
}

bool observability_developer(call_t *call)
{
    if (cccc_coerce_bool(cccc_get(observability(call->core), "developer_mode"), false))
        return true;
    call_fail(call, CCCC_E_DEVELOPER_MODE_REQUIRED,
              "debug operations are for developers; switch them on with observability_update {patch: {developer_mode: true}}");
    return false;
}

int cccc_core_log_level(const cccc_core_t *self)
{
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_value_t all = observability_effective(arena, self);
    cccc_str_t word = cccc_get_str(&all, "log_level");
    int level = LOG_INFO;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (cccc_str_is(word, levels[i].word))
            level = levels[i].level;
    if (level == LOG_INFO && cccc_get_bool(&all, "developer_mode", false))
        level = LOG_DEBUG;
    cccc_arena_destroy(&arena);
    return level;
}

/* ---- reading and changing ---- */

void cccc_core_load_settings(cccc_core_t *self, const cccc_value_t *settings)
{
    cccc_arena_t *arena = cccc_arena_new(1024);
    cccc_value_t copy = cccc_is_map(settings) ? cccc_value_copy(arena, settings) : cccc_map_builder(arena, 1).value;
    cccc_arena_destroy(&self->settings_arena);
    self->settings_arena = arena;
    self->settings = copy;
}

static void answer(call_t *call)
{
    cccc_builder_t result = cccc_map_builder(call->arena, 1);
    cccc_map_add(&result, "observability", observability_effective(call->arena, call->core));
    call_reply(call, &result.value);
}

void op_observability_get(call_t *call)
{
    answer(call);
}

/* `under` with the members of `patch` that are among `names` (a NULL-terminated list) in their place. */
static cccc_value_t merged(cccc_arena_t *arena, const cccc_value_t *under, const cccc_value_t *patch, const char *const *names)
{
    cccc_value_t out = cccc_is_map(under) ? *under : cccc_map_builder(arena, 4).value;
    for (; *names; names++)
        if (cccc_get(patch, *names))
            out = cccc_map_with(arena, &out, cccc_str(*names), *cccc_get(patch, *names));
    return out;
}

static cccc_value_t with_patch(call_t *call, const cccc_value_t *patch)
{
    static const char *const plain[] = {"developer_mode", "log_level", "components", NULL};
    static const char *const of_transcript[] = {"enabled", "per_actor_bytes", "persist", "strip_ansi", NULL};
    static const char *const of_ui[] = {"scrollback_lines", NULL};
    const cccc_value_t *set = observability(call->core);
    cccc_value_t out = merged(call->arena, set, patch, plain);
    if (cccc_is_map(cccc_get(patch, "terminal_transcript")))
        out =
            cccc_map_with(call->arena, &out, CCCC_STR("terminal_transcript"),
                          merged(call->arena, cccc_get(set, "terminal_transcript"), cccc_get(patch, "terminal_transcript"), of_transcript));
    if (cccc_is_map(cccc_get(patch, "terminal_ui")))
        out = cccc_map_with(call->arena, &out, CCCC_STR("terminal_ui"),
                            merged(call->arena, cccc_get(set, "terminal_ui"), cccc_get(patch, "terminal_ui"), of_ui));
    cccc_value_t document = cccc_is_map(&call->core->settings) ? call->core->settings : cccc_map_builder(call->arena, 1).value;
    return cccc_map_with(call->arena, &document, CCCC_STR("observability"), out);
}

static void updated(call_t *call)
{
    if (call->stored.err == CCCC_OK)
        answer(call);
    else
        call_fail(call, CCCC_E_OBSERVABILITY_UPDATE_FAILED,
                  "settings.yaml could not be written: %s; the new settings count until the daemon stops", call->stored.message);
}

void op_observability_update(call_t *call)
{
    const cccc_value_t *patch = cccc_arg(&call->request.args, CCCC_A_observability_update_patch);
    cccc_str_t claimed = cccc_arg_str(&call->request.args, CCCC_A_observability_update_by);
    bool other = claimed.len > 0 && !cccc_str_is(claimed, "user"); /* whoever that is: there is no group to know it by */
    if (!other && !permit_by(call, NULL, claimed, "user"))
        return;
    if (other || !cccc_str_is(call->by, "user")) {
        call_fail(call, CCCC_E_PERMISSION_DENIED, "permission denied: only the user may change the daemon's settings");
        return;
    }
    if (!patch || patch->via.map.size == 0) {
        answer(call);
        return;
    }
    cccc_value_t document = with_patch(call, patch);
    cccc_core_load_settings(call->core, &document);
    struct cccc_store store = {.kind = CCCC_STORE_SETTINGS, .arena = cccc_arena_new(1024)};
    store.document = cccc_value_copy(store.arena, &call->core->settings);
    store.total = (uint64_t)cccc_core_log_level(call->core);
    call->committed = true;
    call_store(call, &store, updated);
}
