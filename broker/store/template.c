/* template.c - a group's template as text (reference 3.7): YAML, with the words of prompts/ in it. What may be in one is core/groups/template.c's.
 *
 * Thread: the store's. */
#include "broker/store/files.h"

static void add_prompt(cccc_builder_t *map, const char *name, cccc_str_t text)
{
    if (text.len > 0)
        cccc_map_add(map, name, cccc_string(text));
}

static cccc_value_t as_text(const struct cccc_store_call *call, const cccc_value_t *prompts)
{
    cccc_value_t document = call->store->document;
    if (prompts->via.map.size > 0)
        document = cccc_map_with(call->arena, &document, CCCC_STR("prompts"), *prompts);
    cccc_buf_t text;
    cccc_buf_init(&text);
    cccc_yaml_write(&document, &text);
    cccc_str_t kept = cccc_arena_str(call->arena, (cccc_str_t){text.data, text.size});
    cccc_buf_fini(&text);
    return cccc_string(kept);
}

cccc_err_t cccc_store_template(const struct cccc_store_call *call)
{
    const struct cccc_store *store = call->store;
    cccc_str_t preamble = {0}, help = {0};
    cccc_err_t err = CCCC_OK;
    if (cccc_is_group_id(store->group_id))
        err = cccc_prompt_read(call, "CCCC_PREAMBLE.md", &preamble);
    if (err == CCCC_OK && cccc_is_group_id(store->group_id))
        err = cccc_prompt_read(call, "CCCC_HELP.md", &help);
    if (err != CCCC_OK)
        return err;
    cccc_builder_t prompts = cccc_map_builder(call->arena, 2), map = cccc_map_builder(call->arena, 3);
    add_prompt(&prompts, "preamble", preamble);
    add_prompt(&prompts, "help", help);
    add_prompt(&map, "preamble", preamble);
    add_prompt(&map, "help", help);
    if (store->data.len == 0) {
        cccc_map_add(&map, "text", as_text(call, &prompts.value));
    } else {
        cccc_value_t parsed;
        err = cccc_yaml_read(store->data.ptr, store->data.len, call->arena, &parsed, call->m);
        if (err == CCCC_OK)
            cccc_map_add(&map, "template", parsed);
    }
    *call->value = map.value;
    return err;
}
