/* yaml_line.c - where in a YAML text a value stands.
 *
 * Values do not carry their places, because only those that are refused need one: the text is then parsed once more, following the path to the value and
 * skipping all else.
 * Thread: none; pure. */
#include "broker/store/store.h"

#include <yaml.h>

/* A parser and the event it stands at. */
struct finder {
    yaml_parser_t parser;
    yaml_event_t event;
    bool ok;
};

static yaml_event_type_t next(struct finder *f)
{
    if (f->ok) {
        yaml_event_delete(&f->event);
        f->ok = yaml_parser_parse(&f->parser, &f->event) == 1;
    }
    return f->ok ? f->event.type : YAML_NO_EVENT;
}

static bool ends(yaml_event_type_t type)
{
    return type == YAML_NO_EVENT || type == YAML_STREAM_END_EVENT;
}

/* Past the value that begins at the current event. */
static void skip(struct finder *f)
{
    uint32_t depth = 0;
    do {
        yaml_event_type_t type = f->event.type;
        depth += type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
        depth -= type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
    } while (!ends(next(f)) && depth > 0);
}

static bool is_key(const struct finder *f, cccc_str_t key)
{
    cccc_str_t name = {(const char *)f->event.data.scalar.value, f->event.data.scalar.length};
    return f->event.type == YAML_SCALAR_EVENT && cccc_str_eq(name, key);
}

/* From the map or list at the current event to the member or item that `step` names; its line, or 0. */
static size_t enter(struct finder *f, const struct cccc_schema_step *step)
{
    bool is_map = f->event.type == YAML_MAPPING_START_EVENT;
    if (is_map != (step->key.ptr != NULL) || (!is_map && f->event.type != YAML_SEQUENCE_START_EVENT))
        return 0;
    yaml_event_type_t type = next(f);
    for (uint32_t i = 0; !ends(type) && type != YAML_MAPPING_END_EVENT && type != YAML_SEQUENCE_END_EVENT; i++, type = f->event.type) {
        size_t line = f->event.start_mark.line + 1;
        bool found = is_map ? is_key(f, step->key) : i == step->index;
        if (is_map)
            next(f);
        if (found)
            return line;
        skip(f);
        if (!f->ok)
            break;
    }
    return 0;
}

size_t cccc_yaml_line(const char *text, size_t len, const struct cccc_schema_step *path, uint32_t depth)
{
    struct finder f = {.ok = true};
    size_t line = 1;
    CCCC_ASSERT(yaml_parser_initialize(&f.parser), "out of memory for a YAML parser");
    yaml_parser_set_encoding(&f.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&f.parser, (const unsigned char *)text, len);
    yaml_event_type_t type = next(&f);
    while (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT)
        type = next(&f);
    for (uint32_t i = 0; i < depth && line > 0; i++)
        line = f.ok ? enter(&f, &path[i]) : 0;
    if (f.ok)
        yaml_event_delete(&f.event);
    yaml_parser_delete(&f.parser);
    return line;
}
