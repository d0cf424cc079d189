/* yaml_read.c - YAML text to values, through libyaml's events, under limits.
 *
 * libyaml 0.2.5 limits nothing. Its scanner looks at most 1,024 characters ahead of the event it gives, so limits checked at each event keep the
 * quadratic parts (simple keys per flow level) small; directives are the exception, and are limited before the parser sees them.
 * Invariants: (1) no anchor, alias or tag gets through, so the value is as large as the text. (2) map keys are strings and unique.
 * Thread: none; pure. */
#include "broker/store/store.h"
#include "broker/store/yaml.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <yaml.h>

enum { DIRECTIVES_MAX = 16 };

/* A map or array being read. A map's keys and values alternate in `items` until it ends. */
struct frame {
    cccc_builder_t items;
    bool is_map;
    yaml_mark_t start;
};

struct reader {
    yaml_parser_t parser;
    cccc_arena_t *arena;
    struct cccc_errmsg *m;
    struct frame stack[CCCC_YAML_DEPTH_MAX];
    uint32_t depth;
    uint32_t events;
    uint32_t documents;
    cccc_value_t root;
};

static cccc_err_t refuse(struct reader *r, yaml_mark_t at, const char *why)
{
    return cccc_fail(r->m, CCCC_E_BAD_YAML, "line %zu, column %zu: %s", at.line + 1, at.column + 1, why);
}

/* What libyaml said, as ours. */
static cccc_err_t refuse_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "out of memory";
    if (p->error == YAML_READER_ERROR)
        return cccc_fail(r->m, CCCC_E_BAD_YAML, "byte %zu: %s", p->problem_offset, problem);
    char why[256];
    if (p->context)
        snprintf(why, sizeof why, "%s (%s at line %zu)", problem, p->context, p->context_mark.line + 1);
    else
        snprintf(why, sizeof why, "%s", problem);
    return refuse(r, p->problem_mark, why);
}

/* ---- building ---- */

static bool at_key(const struct reader *r)
{
    const struct frame *top = r->depth ? &r->stack[r->depth - 1] : NULL;
    return top && top->is_map && top->items.value.via.array.size % 2 == 0;
}

static void put(struct reader *r, cccc_value_t v)
{
    if (r->depth)
        cccc_array_add(&r->stack[r->depth - 1].items, v);
    else
        r->root = v;
}

static cccc_err_t open_frame(struct reader *r, const yaml_event_t *event, bool is_map)
{
    if (at_key(r))
        return refuse(r, event->start_mark, "a key must be a plain or quoted text, not a list or a map");
    if (r->depth == CCCC_YAML_DEPTH_MAX)
        return refuse(r, event->start_mark, "nested deeper than 16 levels (YAML_DEPTH_MAX)");
    r->stack[r->depth++] = (struct frame){cccc_array_builder(r->arena, 0), is_map, event->start_mark};
    return CCCC_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const cccc_value_t *x = a, *y = b;
    if (x->via.str.size != y->via.str.size)
        return x->via.str.size < y->via.str.size ? -1 : 1;
    return x->via.str.size ? memcmp(x->via.str.ptr, y->via.str.ptr, x->via.str.size) : 0;
}

/* Sorting finds a key that is there twice in n log n, whatever the keys are. */
static cccc_err_t check_unique(struct reader *r, const struct frame *map)
{
    const msgpack_object_array *items = &map->items.value.via.array;
    uint32_t count = items->size / 2;
    cccc_value_t *keys = cccc_arena_alloc(r->arena, (count + 1) * sizeof *keys);
    for (uint32_t i = 0; i < count; i++)
        keys[i] = items->ptr[2 * (size_t)i];
    qsort(keys, count, sizeof *keys, compare_keys);
    for (uint32_t i = 1; i < count; i++) {
        if (compare_keys(&keys[i - 1], &keys[i]) != 0)
            continue;
        char why[128 + CCCC_MAP_KEY_BYTES_MAX];
        snprintf(why, sizeof why, "the key \"%.*s\" is there twice in the map that begins here", (int)keys[i].via.str.size,
                 keys[i].via.str.ptr);
        return refuse(r, map->start, why);
    }
    return CCCC_OK;
}

static cccc_err_t close_frame(struct reader *r)
{
    const struct frame *top = &r->stack[r->depth - 1];
    cccc_value_t done = top->items.value;
    if (top->is_map) {
        cccc_err_t err = check_unique(r, top);
        if (err)
            return err;
        const msgpack_object_array *items = &top->items.value.via.array;
        cccc_builder_t map = cccc_map_builder(r->arena, items->size / 2);
        for (uint32_t i = 0; i + 1 < items->size; i += 2)
            cccc_map_add_key(&map, (cccc_str_t){items->ptr[i].via.str.ptr, items->ptr[i].via.str.size}, items->ptr[i + 1]);
        done = map.value;
    }
    r->depth--;
    put(r, done);
    return CCCC_OK;
}

/* ---- events ---- */

static cccc_err_t on_key(struct reader *r, const yaml_event_t *event, cccc_str_t text, bool plain)
{
    if (text.len > CCCC_MAP_KEY_BYTES_MAX)
        return refuse(r, event->start_mark, "a key longer than 256 bytes (MAP_KEY_BYTES_MAX)");
    if (plain && cccc_str_is(text, "<<"))
        return refuse(r, event->start_mark, "merge keys (<<) are not allowed; write the members out");
    put(r, cccc_string(cccc_arena_str(r->arena, text)));
    return CCCC_OK;
}

static cccc_err_t on_scalar(struct reader *r, const yaml_event_t *event)
{
    cccc_str_t text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return refuse(r, event->start_mark, "anchors (&) and tags (!) are not allowed");
    if (text.len > CCCC_YAML_SCALAR_BYTES_MAX)
        return refuse(r, event->start_mark, "a text longer than 65536 bytes (YAML_SCALAR_BYTES_MAX)");
    if (at_key(r))
        return on_key(r, event, text, plain);
    cccc_value_t value;
    const char *why;
    enum cccc_yaml_meaning meaning = plain ? cccc_yaml_resolve(text, &value, &why) : CCCC_YAML_TEXT;
    if (meaning == CCCC_YAML_REFUSED)
        return refuse(r, event->start_mark, why);
    put(r, meaning == CCCC_YAML_VALUE ? value : cccc_string(cccc_arena_str(r->arena, text)));
    return CCCC_OK;
}

static cccc_err_t on_sequence_start(struct reader *r, const yaml_event_t *event)
{
    if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
        return refuse(r, event->start_mark, "anchors (&) and tags (!) are not allowed");
    return open_frame(r, event, false);
}

static cccc_err_t on_mapping_start(struct reader *r, const yaml_event_t *event)
{
    if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
        return refuse(r, event->start_mark, "anchors (&) and tags (!) are not allowed");
    return open_frame(r, event, true);
}

static cccc_err_t on_end(struct reader *r, const yaml_event_t *event)
{
    (void)event;
    return close_frame(r);
}

static cccc_err_t on_alias(struct reader *r, const yaml_event_t *event)
{
    return refuse(r, event->start_mark, "aliases (*) are not allowed");
}

static cccc_err_t on_document(struct reader *r, const yaml_event_t *event)
{
    return r->documents++ ? refuse(r, event->start_mark, "a second document begins here; only one is allowed") : CCCC_OK;
}

static cccc_err_t on_event(struct reader *r, const yaml_event_t *event)
{
    static cccc_err_t (*const handlers[])(struct reader *, const yaml_event_t *) = {
        [YAML_DOCUMENT_START_EVENT] = on_document, [YAML_ALIAS_EVENT] = on_alias,
        [YAML_SCALAR_EVENT] = on_scalar,           [YAML_SEQUENCE_START_EVENT] = on_sequence_start,
        [YAML_SEQUENCE_END_EVENT] = on_end,        [YAML_MAPPING_START_EVENT] = on_mapping_start,
        [YAML_MAPPING_END_EVENT] = on_end,
    };
    if (++r->events > CCCC_YAML_EVENTS_MAX)
        return refuse(r, event->start_mark, "more than 20000 items (YAML_EVENTS_MAX)");
    return (size_t)event->type < sizeof handlers / sizeof *handlers && handlers[event->type] ? handlers[event->type](r, event) : CCCC_OK;
}

/* libyaml compares each %TAG with all before it. Lines that begin with % and are no directives only occur in texts that go on at column one. */
static bool has_many_directives(const char *text, size_t len)
{
    int count = 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '%' && (i == 0 || text[i - 1] == '\n' || text[i - 1] == '\r') && ++count > DIRECTIVES_MAX)
            return true;
    return false;
}

static cccc_err_t check_text(const char *text, size_t len, struct cccc_errmsg *m)
{
    if (len > CCCC_CONFIG_BYTES_MAX)
        return cccc_fail(m, CCCC_E_BAD_YAML, "%zu bytes are more than %d (CONFIG_BYTES_MAX)", len, CCCC_CONFIG_BYTES_MAX);
    if (!cccc_utf8_valid((cccc_str_t){text, len}))
        return cccc_fail(m, CCCC_E_BAD_YAML, "not UTF-8");
    if (has_many_directives(text, len))
        return cccc_fail(m, CCCC_E_BAD_YAML, "more than %d lines begin with %%", DIRECTIVES_MAX);
    return CCCC_OK;
}

cccc_err_t cccc_yaml_read(const char *text, size_t len, cccc_arena_t *arena, cccc_value_t *out, struct cccc_errmsg *m)
{
    cccc_err_t err = check_text(text, len, m);
    if (err)
        return err;
    struct reader r = {.arena = arena, .m = m, .root = cccc_nil()};
    CCCC_ASSERT(yaml_parser_initialize(&r.parser), "out of memory for a YAML parser");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    for (bool done = false; !err && !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r.parser, &event)) {
            err = refuse_syntax(&r);
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        err = on_event(&r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&r.parser);
    if (!err)
        *out = r.root;
    return err;
}
