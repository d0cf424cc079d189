/* fuzz_event.c - any bytes as an event's wire form: refused with a reason, or the same bytes again once packed in canonical form. */
#include "proto/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_event event, again;
    struct cccc_errmsg m = {""};
    if (cccc_event_unpack((const char *)data, size, arena, &event, &m) == CCCC_OK) {
        cccc_buf_t once, twice;
        cccc_buf_init(&once);
        cccc_buf_init(&twice);
        cccc_event_pack(&event, &once);
        CCCC_ASSERT(cccc_event_unpack(once.data, once.size, arena, &again, &m) == CCCC_OK, "%s", m.text);
        cccc_event_pack(&again, &twice);
        CCCC_ASSERT(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
        cccc_buf_fini(&once);
        cccc_buf_fini(&twice);
    } else {
        CCCC_ASSERT(m.text[0] != '\0', "refused without a reason");
    }
    int64_t us;
    if (cccc_ts_parse((cccc_str_t){(const char *)data, size}, &us)) {
        char ts[28];
        int64_t back;
        /* An offset can carry a time out of the years that are written. */
        if (us >= INT64_C(-62135596800000000) && us < INT64_C(253402300800000000)) {
            cccc_ts_format(ts, us);
            CCCC_ASSERT(cccc_ts_parse(cccc_str(ts), &back) && back == us, "%s", ts);
        }
    }
    cccc_arena_destroy(&arena);
    return 0;
}
