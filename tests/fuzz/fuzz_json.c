/* fuzz_json.c - any bytes as JSON text: refused with a reason, or a value that survives being written and read again, compact and pretty. */
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(cccc_arena_t *arena, const cccc_value_t *value, void (*write)(const cccc_value_t *, cccc_buf_t *))
{
    cccc_buf_t text;
    cccc_value_t again;
    struct cccc_errmsg m = {""};
    cccc_buf_init(&text);
    write(value, &text);
    cccc_err_t err = cccc_json_read(text.data, text.size, arena, &again, &m);
    CCCC_ASSERT(err == CCCC_OK && cccc_value_eq(value, &again), "%s\n%.*s", m.text, (int)text.size, text.data);
    cccc_buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t value;
    struct cccc_errmsg m = {""};
    if (cccc_json_read((const char *)data, size, arena, &value, &m) == CCCC_OK) {
        check_form(arena, &value, cccc_json_write);
        check_form(arena, &value, cccc_json_write_pretty);
    } else {
        CCCC_ASSERT(m.text[0] != '\0' && cccc_utf8_valid(cccc_str(m.text)), "refused without a reason");
    }
    cccc_arena_destroy(&arena);
    return 0;
}
