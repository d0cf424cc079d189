/* fuzz_line.c - any bytes as a ledger line: judging and reading agree, and what reads is written back as a sound line of the same event. */
#include "proto/event.h"
#include "proto/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The event written anew reads as itself. */
static void check_rewrite(cccc_arena_t *arena, struct cccc_event event, struct cccc_seal seal)
{
    cccc_buf_t line;
    struct cccc_event again;
    struct cccc_seal read, inspected;
    struct cccc_errmsg m = {""};
    uint64_t seq = 0;
    event.seq = event.seq > 0 ? event.seq : 1;
    cccc_buf_init(&line);
    cccc_line_write(&event, &seal, &line);
    if (line.size - 1 <= CCCC_LINE_BYTES_MAX) {
        CCCC_ASSERT(cccc_line_inspect(line.data, line.size - 1, &seq, &inspected) == CCCC_LINE_SOUND && seq == event.seq);
        CCCC_ASSERT(cccc_line_read(line.data, line.size - 1, arena, &again, &read, &m) == CCCC_OK, "%s", m.text);
        CCCC_ASSERT(cccc_value_eq(&again.data, &event.data) && cccc_value_eq(&again.extra, &event.extra));
        CCCC_ASSERT(cccc_str_eq(again.id, event.id) && cccc_str_eq(again.by, event.by) && read.crc == seal.crc);
    }
    cccc_buf_fini(&line);
}

/* The wire form of the event unpacks to itself. */
static void check_wire(cccc_arena_t *arena, const struct cccc_event *event)
{
    cccc_buf_t packed;
    struct cccc_event again;
    struct cccc_errmsg m = {""};
    cccc_buf_init(&packed);
    cccc_event_pack(event, &packed);
    CCCC_ASSERT(cccc_event_unpack(packed.data, packed.size, arena, &again, &m) == CCCC_OK, "%s", m.text);
    CCCC_ASSERT(cccc_value_eq(&again.data, &event->data) && again.seq == event->seq);
    cccc_buf_fini(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cccc_arena_t *arena = cccc_arena_new(4096);
    struct cccc_event event;
    struct cccc_seal seal, inspected;
    struct cccc_errmsg m = {""};
    uint64_t seq;
    enum cccc_line_state state = cccc_line_inspect((const char *)data, size, &seq, &inspected);
    cccc_err_t err = cccc_line_read((const char *)data, size, arena, &event, &seal, &m);
    CCCC_ASSERT(state != CCCC_LINE_LEGACY || (err == CCCC_OK && event.seq == 0));
    if (err == CCCC_OK) {
        check_rewrite(arena, event, seal);
        check_wire(arena, &event);
    }
    cccc_arena_destroy(&arena);
    return 0;
}
