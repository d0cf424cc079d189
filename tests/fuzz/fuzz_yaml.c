/* fuzz_yaml.c - any bytes as a configuration file: refused or a value, and a value survives being written and read again. */
#include "broker/store/store.h"
#include "proto/limits.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t value, again;
    struct cccc_errmsg m = {""};
    if (cccc_yaml_read((const char *)data, size, arena, &value, &m) == CCCC_OK) {
        cccc_buf_t text;
        cccc_buf_init(&text);
        cccc_yaml_write(&value, &text);
        /* Block style can be longer than flow style, and then over the limit. */
        if (text.size <= CCCC_CONFIG_BYTES_MAX) {
            cccc_err_t err = cccc_yaml_read(text.data, text.size, arena, &again, &m);
            CCCC_ASSERT(err == CCCC_OK && cccc_value_eq(&value, &again), "%s\n%.*s", m.text, (int)text.size, text.data);
        }
        cccc_buf_fini(&text);
    } else {
        CCCC_ASSERT(m.text[0], "refused without a reason");
    }
    cccc_arena_destroy(&arena);
    return 0;
}
