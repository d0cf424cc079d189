/* test_vectors.c - proto/vectors/ against the codec: every case of every file, all failures named. */
#include "proto/event.h"
#include "proto/json.h"
#include "proto/wire.h"
#include "tests/unit/support.h"

static unsigned failures, cases;

/* Count and print a failure of the case at hand. */
static void wrong(const cccc_value_t *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void wrong(const cccc_value_t *c, const char *fmt, ...)
{
    cccc_str_t name = cccc_get_str(c, "name");
    va_list args;
    va_start(args, fmt);
    printf("  %.*s: ", CCCC_STR_FMT(name));
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    failures++;
}

/* The cases of a file; they live in the arena. */
static const cccc_value_t *load(cccc_arena_t *arena, const char *file)
{
    cccc_str_t path = cccc_arena_printf(arena, "%s/%s", CCCC_VECTORS_DIR, file);
    FILE *f = fopen(path.ptr, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size_t len = (size_t)ftell(f);
    rewind(f);
    char *text = cccc_arena_alloc(arena, len);
    assert_int_equal(fread(text, 1, len, f), len);
    fclose(f);
    cccc_value_t *doc = cccc_arena_alloc(arena, sizeof *doc);
    struct cccc_errmsg m;
    if (cccc_json_read(text, len, arena, doc, &m) != CCCC_OK)
        fail_msg("%s: %s", file, m.text);
    const cccc_value_t *list = cccc_get(doc, "cases");
    assert_true(cccc_is_array(list) && list->via.array.size > 0);
    return list;
}

typedef void (*case_fn)(cccc_arena_t *arena, const cccc_value_t *c);

static void run_file(const char *file, case_fn run)
{
    cccc_arena_t *file_arena = cccc_arena_new(65536);
    const cccc_value_t *list = load(file_arena, file);
    failures = 0;
    for (uint32_t i = 0; i < list->via.array.size; i++, cases++) {
        cccc_arena_t *arena = cccc_arena_new(65536);
        run(arena, &list->via.array.ptr[i]);
        cccc_arena_destroy(&arena);
    }
    cccc_arena_destroy(&file_arena);
    if (failures > 0)
        fail_msg("%u cases of %s", failures, file);
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* "8101 00*12": hex words, each repeated when followed by *count. The result has exactly its size, so that a sanitizer sees a byte read too many. */
static cccc_str_t from_hex(cccc_arena_t *arena, cccc_str_t hex)
{
    cccc_buf_t b;
    cccc_buf_init(&b);
    size_t i = 0;
    while (i < hex.len) {
        size_t start = b.size;
        for (; i + 1 < hex.len && hex.ptr[i] != ' ' && hex.ptr[i] != '*'; i += 2) {
            char byte = (char)(hex_digit(hex.ptr[i]) << 4 | hex_digit(hex.ptr[i + 1]));
            cccc_buf_put(&b, &byte, 1);
        }
        size_t word = b.size - start;
        uint64_t times = 1;
        if (i < hex.len && hex.ptr[i] == '*')
            for (times = 0, i++; i < hex.len && hex.ptr[i] != ' '; i++)
                times = times * 10 + (uint64_t)(hex.ptr[i] - '0');
        cccc_buf_reserve(&b, word * times);
        for (uint64_t n = 1; n < times; n++)
            cccc_buf_put(&b, cccc_arena_str(arena, (cccc_str_t){b.data + start, word}).ptr, word);
        i++;
    }
    char *exact = malloc(b.size + (b.size == 0));
    if (b.size > 0)
        memcpy(exact, b.data, b.size);
    assert_true(msgpack_zone_push_finalizer(arena, free, exact));
    cccc_str_t out = {exact, b.size};
    cccc_buf_fini(&b);
    return out;
}

/* A text or hex member as bytes of their exact size. */
static cccc_str_t bytes_of(cccc_arena_t *arena, const cccc_value_t *c, const char *text_key, const char *hex_key)
{
    cccc_str_t text;
    if (!cccc_as_str(cccc_get(c, text_key), &text))
        return from_hex(arena, cccc_get_str(c, hex_key));
    char *exact = malloc(text.len + (text.len == 0));
    memcpy(exact, text.ptr, text.len);
    assert_true(msgpack_zone_push_finalizer(arena, free, exact));
    return (cccc_str_t){exact, text.len};
}

/* As JSON for a message, NUL-terminated. */
static const char *shown(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_buf_t b;
    cccc_buf_init(&b);
    cccc_json_write(v, &b);
    cccc_str_t s = cccc_arena_str(arena, buf_text(&b));
    cccc_buf_fini(&b);
    return s.ptr;
}

static void expect_message(const cccc_value_t *c, const char *message)
{
    cccc_str_t part = cccc_get_str(c, "says");
    if (part.len > 0 && memmem(message, strlen(message), part.ptr, part.len) == NULL)
        wrong(c, "\"%s\" does not say \"%.*s\"", message, CCCC_STR_FMT(part));
    if (!cccc_utf8_valid(cccc_str(message)))
        wrong(c, "the message is not UTF-8");
}

/* ---- requests and arguments ---- */

/* Checked arguments as one map, bytes as {"bin": hex}: comparable with what a vector expects. */
static cccc_value_t args_as_map(cccc_arena_t *arena, const struct cccc_args *args)
{
    cccc_builder_t b = cccc_map_builder(arena, args->def->arg_count);
    for (uint32_t i = 0; i < args->def->arg_count; i++) {
        if (args->values[i] == NULL)
            continue;
        cccc_value_t v = *args->values[i];
        if (v.type == MSGPACK_OBJECT_BIN) {
            char *hex = cccc_arena_alloc(arena, v.via.bin.size * 2 + 1);
            for (uint32_t j = 0; j < v.via.bin.size; j++)
                snprintf(hex + (size_t)j * 2, 3, "%02x", (unsigned char)v.via.bin.ptr[j]);
            cccc_builder_t bin = cccc_map_builder(arena, 1);
            cccc_map_add(&bin, "bin", cccc_string((cccc_str_t){hex, v.via.bin.size * 2}));
            v = bin.value;
        }
        cccc_map_add_key(&b, (cccc_str_t){args->def->args[i].name, args->def->args[i].name_len}, v);
    }
    return b.value;
}

/* Equal as sets of members: arguments arrive in the table's order. */
static bool same_members(const cccc_value_t *a, const cccc_value_t *b)
{
    if (a->via.map.size != b->via.map.size)
        return false;
    for (uint32_t i = 0; i < a->via.map.size; i++) {
        cccc_str_t key = {a->via.map.ptr[i].key.via.str.ptr, a->via.map.ptr[i].key.via.str.size};
        const cccc_value_t *other = NULL;
        for (uint32_t j = 0; j < b->via.map.size; j++)
            if (cccc_str_eq(key, (cccc_str_t){b->via.map.ptr[j].key.via.str.ptr, b->via.map.ptr[j].key.via.str.size}))
                other = &b->via.map.ptr[j].val;
        if (other == NULL || !cccc_value_eq(&a->via.map.ptr[i].val, other))
            return false;
    }
    return true;
}

static void expect_refusal(const cccc_value_t *c, cccc_err_t err, const struct cccc_refusal *refusal)
{
    cccc_str_t expected = cccc_get_str(c, "expect"), argument = cccc_get_str(c, "argument");
    uint64_t limit = cccc_get_uint(c, "limit", 0);
    if (refusal->err != err)
        wrong(c, "returned %s, refused with %s", cccc_err_code(err), cccc_err_code(refusal->err));
    if (!cccc_str_is(expected, cccc_err_code(err)))
        wrong(c, "got %s (%s), expected %.*s", cccc_err_code(err), refusal->message.text, CCCC_STR_FMT(expected));
    if (argument.len > 0 && !cccc_str_eq(cccc_get_str(&refusal->details, "argument"), argument))
        wrong(c, "details do not name %.*s", CCCC_STR_FMT(argument));
    if (argument.len > 0 && cccc_get_str(&refusal->details, "expected").len == 0)
        wrong(c, "details do not say what was expected");
    if (cccc_get_uint(&refusal->details, "limit", 0) != limit)
        wrong(c, "details.limit is %llu", (unsigned long long)cccc_get_uint(&refusal->details, "limit", 0));
    expect_message(c, refusal->message.text);
}

static void expect_args(cccc_arena_t *arena, const cccc_value_t *c, const cccc_value_t *expected, const struct cccc_args *args)
{
    cccc_value_t got = args_as_map(arena, args), none = cccc_nil();
    const cccc_value_t *ignored = cccc_get(c, "ignored");
    if (expected != NULL && !same_members(&got, expected))
        wrong(c, "got %s, expected %s", shown(arena, &got), shown(arena, expected));
    if (!cccc_value_eq(&args->ignored, ignored != NULL ? ignored : &none))
        wrong(c, "ignored %s", shown(arena, &args->ignored));
}

static void expect_id(cccc_arena_t *arena, const cccc_value_t *c, const struct cccc_request_id *id)
{
    const cccc_value_t *expected = cccc_get(c, "id");
    cccc_value_t got;
    if (expected == NULL ? id->len != 0 : id->len == 0) {
        if (cccc_str_is(cccc_get_str(c, "expect"), "ok") || expected != NULL)
            wrong(c, "the id was %s", id->len == 0 ? "lost" : "invented");
        return;
    }
    if (expected == NULL)
        return;
    assert_int_equal(cccc_msgpack_read(id->packed, id->len, sizeof id->packed, arena, &got, NULL), CCCC_OK);
    if (!cccc_value_eq(&got, expected))
        wrong(c, "the id became %s", shown(arena, &got));
}

static void run_request(cccc_arena_t *arena, const cccc_value_t *c)
{
    cccc_str_t frame = from_hex(arena, cccc_get_str(c, "frame"));
    struct cccc_request req;
    struct cccc_refusal refusal;
    cccc_err_t err = cccc_request_read(frame.ptr, frame.len, arena, &req, &refusal);
    expect_id(arena, c, &req.id);
    if (err != CCCC_OK || !cccc_str_is(cccc_get_str(c, "expect"), "ok")) {
        expect_refusal(c, err, &refusal);
        return;
    }
    if (!cccc_str_eq(req.op_name, cccc_get_str(c, "op")) || !cccc_str_is(req.op_name, cccc_op_def(req.op)->name))
        wrong(c, "the op became %s", cccc_op_def(req.op)->name);
    expect_args(arena, c, cccc_get(c, "args"), &req.args);
}

static void run_arguments(cccc_arena_t *arena, const cccc_value_t *c)
{
    cccc_op_t op;
    struct cccc_args args;
    struct cccc_refusal refusal = {.details = cccc_nil()};
    assert_true(cccc_op_find(cccc_get_str(c, "op"), &op));
    cccc_err_t err = cccc_args_check(op, cccc_get(c, "args"), arena, &args, &refusal);
    if (err != CCCC_OK || !cccc_str_is(cccc_get_str(c, "expect"), "ok"))
        expect_refusal(c, err, &refusal);
    else
        expect_args(arena, c, cccc_get(c, "canonical"), &args);
}

/* ---- JSON ---- */

static void run_json(cccc_arena_t *arena, const cccc_value_t *c)
{
    cccc_str_t text = bytes_of(arena, c, "text", "hex"), compact;
    cccc_value_t v;
    struct cccc_errmsg m = {"it was accepted"};
    cccc_err_t err = cccc_json_read(text.ptr, text.len, arena, &v, &m);
    if (!cccc_as_str(cccc_get(c, "compact"), &compact))
        expect_message(c, m.text);
    else if (err != CCCC_OK)
        wrong(c, "%s", m.text);
    else if (!cccc_str_is(compact, shown(arena, &v)))
        wrong(c, "became %s", shown(arena, &v));
}

/* ---- events and lines ---- */

/* The event as the map a vector shows. */
static cccc_value_t event_as_map(cccc_arena_t *arena, const struct cccc_event *event)
{
    cccc_buf_t b;
    cccc_value_t v;
    cccc_buf_init(&b);
    cccc_event_pack(event, &b);
    cccc_str_t packed = cccc_arena_str(arena, buf_text(&b));
    cccc_buf_fini(&b);
    assert_int_equal(cccc_msgpack_read(packed.ptr, packed.len, packed.len, arena, &v, NULL), CCCC_OK);
    return v;
}

static void expect_event(cccc_arena_t *arena, const cccc_value_t *c, const struct cccc_event *event)
{
    cccc_value_t got = event_as_map(arena, event);
    if (!same_members(&got, cccc_get(c, "event")))
        wrong(c, "became %s", shown(arena, &got));
}

static void run_event(cccc_arena_t *arena, const cccc_value_t *c)
{
    cccc_str_t frame = from_hex(arena, cccc_get_str(c, "frame"));
    struct cccc_event event;
    struct cccc_errmsg m = {"it was accepted"};
    cccc_err_t err = cccc_event_unpack(frame.ptr, frame.len, arena, &event, &m);
    if (cccc_get(c, "event") == NULL) {
        expect_message(c, m.text);
        return;
    }
    if (err != CCCC_OK) {
        wrong(c, "%s", m.text);
        return;
    }
    expect_event(arena, c, &event);
    cccc_buf_t b;
    cccc_buf_init(&b);
    cccc_event_pack(&event, &b);
    if (cccc_str_eq(buf_text(&b), frame) != cccc_get_bool(c, "canonical", true))
        wrong(c, "packing gives %s bytes", cccc_get_bool(c, "canonical", true) ? "other" : "the same");
    cccc_buf_fini(&b);
}

static enum cccc_line_state state_of(const cccc_value_t *c)
{
    cccc_str_t word = cccc_get_str(c, "state");
    return cccc_str_is(word, "sound") ? CCCC_LINE_SOUND : cccc_str_is(word, "legacy") ? CCCC_LINE_LEGACY : CCCC_LINE_BROKEN;
}

static void expect_seal(cccc_arena_t *arena, const cccc_value_t *c, uint64_t seq, const struct cccc_seal *seal)
{
    if (seq != cccc_get_uint(c, "seq", 0) || seal->epoch != cccc_get_uint(c, "epoch", 0) || seal->dur != cccc_get_uint(c, "dur", 0) ||
        !cccc_str_eq(cccc_arena_printf(arena, "%08x", seal->prev), cccc_get_str(c, "prev")) ||
        !cccc_str_eq(cccc_arena_printf(arena, "%08x", seal->crc), cccc_get_str(c, "crc")))
        wrong(c, "another seal");
}

static void run_sound_line(cccc_arena_t *arena, const cccc_value_t *c, cccc_str_t line)
{
    struct cccc_event event;
    struct cccc_seal seal, inspected;
    struct cccc_errmsg m;
    uint64_t seq = 0;
    cccc_line_inspect(line.ptr, line.len, &seq, &inspected);
    expect_seal(arena, c, seq, &inspected);
    if (cccc_line_read(line.ptr, line.len, arena, &event, &seal, &m) != CCCC_OK) {
        wrong(c, "%s", m.text);
        return;
    }
    expect_seal(arena, c, event.seq, &seal);
    expect_event(arena, c, &event);
    cccc_buf_t b;
    cccc_buf_init(&b);
    cccc_line_write(&event, &seal, &b);
    if (b.size != line.len + 1 || memcmp(b.data, line.ptr, line.len) != 0)
        wrong(c, "written as %.*s", (int)b.size, b.data);
    cccc_buf_fini(&b);
}

static void run_line(cccc_arena_t *arena, const cccc_value_t *c)
{
    cccc_str_t line = bytes_of(arena, c, "line", "hex");
    struct cccc_event event;
    struct cccc_seal seal;
    struct cccc_errmsg m = {"it was accepted"};
    uint64_t seq;
    enum cccc_line_state expected = state_of(c), got = cccc_line_inspect(line.ptr, line.len, &seq, &seal);
    if (got != expected) {
        wrong(c, "judged %d", got);
        return;
    }
    if (expected == CCCC_LINE_SOUND) {
        run_sound_line(arena, c, line);
        return;
    }
    cccc_err_t err = cccc_line_read(line.ptr, line.len, arena, &event, &seal, &m);
    if (expected == CCCC_LINE_LEGACY && err == CCCC_OK)
        expect_event(arena, c, &event);
    else if ((err == CCCC_OK) != cccc_get_bool(c, "reads", false))
        wrong(c, "reading: %s", m.text);
    else if (err != CCCC_OK)
        expect_message(c, m.text);
}

static void request_frames_are_decoded_or_refused_as_written(void **state)
{
    (void)state;
    run_file("requests.json", run_request);
}

static void arguments_are_normalised_or_refused_as_written(void **state)
{
    (void)state;
    run_file("arguments.json", run_arguments);
}

static void json_text_is_read_or_refused_as_written(void **state)
{
    (void)state;
    run_file("json.json", run_json);
}

static void event_frames_are_decoded_or_refused_as_written(void **state)
{
    (void)state;
    run_file("events.json", run_event);
}

static void ledger_lines_are_judged_and_read_as_written(void **state)
{
    (void)state;
    run_file("lines.json", run_line);
}

/* The files are all there and have not shrunk. */
static void there_are_at_least_two_hundred_cases(void **state)
{
    (void)state;
    assert_true(cases >= 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_frames_are_decoded_or_refused_as_written),
        cmocka_unit_test(arguments_are_normalised_or_refused_as_written),
        cmocka_unit_test(json_text_is_read_or_refused_as_written),
        cmocka_unit_test(event_frames_are_decoded_or_refused_as_written),
        cmocka_unit_test(ledger_lines_are_judged_and_read_as_written),
        cmocka_unit_test(there_are_at_least_two_hundred_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
