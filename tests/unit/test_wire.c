/* test_wire.c - envelopes both ways, the op table, typed access to arguments. */
#include "proto/json.h"
#include "proto/wire.h"
#include "tests/unit/support.h"

#define GROUP_ID "g_0123456789ab"

/* A request as libcccc writes it reads back with its id, op and arguments. */
static void a_written_request_reads_back(void **state)
{
    struct table *t = *state;
    cccc_buf_t args;
    cccc_buf_init(&args);
    cccc_pack_map(&args, 3);
    cccc_pack_text(&args, "group_id");
    cccc_pack_text(&args, GROUP_ID);
    cccc_pack_text(&args, "limit");
    cccc_pack_uint(&args, 7);
    cccc_pack_text(&args, "actor_id");
    cccc_pack_text(&args, "lead");
    cccc_request_write(&t->buf, 42, "inbox_list", args.data, args.size);
    struct cccc_request req;
    struct cccc_refusal refusal;
    assert_int_equal(cccc_request_read(t->buf.data, t->buf.size, t->arena, &req, &refusal), CCCC_OK);
    assert_int_equal(req.op, CCCC_OP_inbox_list);
    assert_int_equal(req.id.len, 1);
    assert_int_equal(req.id.packed[0], 42);
    assert_text(cccc_arg_str(&req.args, CCCC_A_inbox_list_group_id), GROUP_ID);
    assert_int_equal(cccc_arg_int(&req.args, CCCC_A_inbox_list_limit, 50), 7);
    assert_text(cccc_arg_str(&req.args, CCCC_A_inbox_list_by), "");
    assert_false(cccc_arg_given(&req.args, CCCC_A_inbox_list_by));
    assert_true(cccc_is_nil(&req.args.ignored));
    cccc_buf_fini(&args);
}

/* An error reply has v, id, ok, result and error, in this order, and details are always a map. */
static void an_error_reply_has_all_its_members_in_order(void **state)
{
    struct table *t = *state;
    struct cccc_request_id id = {1, {7}};
    cccc_reply_error(&t->buf, &id, CCCC_E_GROUP_NOT_FOUND, "no such group", NULL);
    static const char expected[] = "\x85\xa1v\x01\xa2id\x07\xa2ok\xc2\xa6result\x80\xa5"
                                   "error\x83\xa4"
                                   "code\xafgroup_not_found\xa7message\xadno such group\xa7"
                                   "details\x80";
    assert_int_equal(t->buf.size, sizeof expected - 1);
    assert_memory_equal(t->buf.data, expected, t->buf.size);
    cccc_builder_t details = cccc_map_builder(t->arena, 1);
    cccc_map_add(&details, "argument", cccc_text("to"));
    cccc_value_t reply;
    t->buf.size = 0;
    cccc_reply_error(&t->buf, NULL, CCCC_E_TOO_LARGE, "too many", &details.value);
    assert_int_equal(cccc_msgpack_read(t->buf.data, t->buf.size, 1000, t->arena, &reply, NULL), CCCC_OK);
    assert_null(cccc_get(&reply, "id"));
    assert_text(cccc_get_str(cccc_get(cccc_get(&reply, "error"), "details"), "argument"), "to");
}

/* A message that is not UTF-8, cut or from a file, becomes text that every client can decode. */
static void a_message_that_is_not_utf8_still_decodes(void **state)
{
    struct table *t = *state;
    cccc_value_t reply;
    cccc_reply_error(&t->buf, NULL, CCCC_E_INTERNAL, "cut: \xe2\x82", NULL);
    assert_int_equal(cccc_msgpack_read(t->buf.data, t->buf.size, 1000, t->arena, &reply, NULL), CCCC_OK);
    assert_text(cccc_get_str(cccc_get(&reply, "error"), "message"), "cut: ??");
}

/* A good reply is v, id, ok, result; the caller packs the result behind it. */
static void a_good_reply_begins_up_to_its_result(void **state)
{
    struct table *t = *state;
    struct cccc_request_id none = {0};
    cccc_reply_begin(&t->buf, &none);
    cccc_pack_map(&t->buf, 0);
    static const char expected[] = "\x83\xa1v\x01\xa2ok\xc3\xa6result\x80";
    assert_int_equal(t->buf.size, sizeof expected - 1);
    assert_memory_equal(t->buf.data, expected, t->buf.size);
}

/* An id is echoed byte for byte in its shortest form, whatever kind it is. */
static void ids_are_echoed(void **state)
{
    struct table *t = *state;
    cccc_value_t ids[] = {cccc_uint(0),
                          cccc_uint(UINT64_MAX),
                          cccc_int(INT64_MIN),
                          cccc_int(-1),
                          cccc_text(""),
                          cccc_text("a"),
                          cccc_text("0123456789012345678901234567890123456789012345678901234567890123")};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        cccc_builder_t envelope = cccc_map_builder(t->arena, 2);
        cccc_map_add(&envelope, "op", cccc_text("ping"));
        cccc_map_add(&envelope, "id", ids[i]);
        struct cccc_request req;
        struct cccc_refusal refusal;
        cccc_value_t reply;
        assert_int_equal(cccc_request_from_value(&envelope.value, t->arena, &req, &refusal), CCCC_OK);
        t->buf.size = 0;
        cccc_reply_error(&t->buf, &req.id, CCCC_E_BUSY, "later", NULL);
        assert_int_equal(cccc_msgpack_read(t->buf.data, t->buf.size, 1000, t->arena, &reply, NULL), CCCC_OK);
        assert_true(cccc_value_eq(cccc_get(&reply, "id"), &ids[i]));
    }
}

/* Every op is found by its name, its arguments are consecutive, and none has more than fit. */
static void the_op_table_is_whole(void **state)
{
    (void)state;
    uint32_t slot = 0;
    for (unsigned i = 0; i < CCCC_OP_COUNT; i++) {
        const struct cccc_op_def *def = cccc_op_def((cccc_op_t)i);
        cccc_op_t found;
        assert_true(cccc_op_find(cccc_str(def->name), &found) && found == (cccc_op_t)i);
        assert_int_equal(def->first_slot, slot);
        assert_true(def->arg_count <= CCCC_OP_ARGS_MAX);
        for (uint32_t j = 0; j < def->arg_count; j++) {
            assert_int_equal(def->args[j].op, i);
            assert_int_equal(def->args[j].name_len, strlen(def->args[j].name));
            assert_non_null(cccc_arg_type_name(def->args[j].type));
            assert_true(def->args[j].need == CCCC_OPTIONAL || cccc_err_exit_status(def->args[j].missing) == 2);
        }
        slot += def->arg_count;
    }
    assert_int_equal(slot, CCCC_A_COUNT);
    cccc_op_t none;
    assert_false(cccc_op_find(CCCC_STR("nope"), &none));
}

/* Typed access gives the value or the caller's default. */
static void typed_access_has_defaults(void **state)
{
    struct table *t = *state;
    struct cccc_args args;
    struct cccc_refusal refusal;
    assert_int_equal(cccc_args_check(CCCC_OP_registry_reconcile, NULL, t->arena, &args, &refusal), CCCC_OK);
    assert_true(cccc_arg_bool(&args, CCCC_A_registry_reconcile_remove_missing, true));
    cccc_builder_t map = cccc_map_builder(t->arena, 2);
    cccc_map_add(&map, "remove_missing", cccc_text("off"));
    assert_int_equal(cccc_args_check(CCCC_OP_registry_reconcile, &map.value, t->arena, &args, &refusal), CCCC_OK);
    assert_false(cccc_arg_bool(&args, CCCC_A_registry_reconcile_remove_missing, true));
    map = cccc_map_builder(t->arena, 2);
    cccc_map_add(&map, "group_id", cccc_text(GROUP_ID));
    cccc_map_add(&map, "limit", cccc_text("12"));
    assert_int_equal(cccc_args_check(CCCC_OP_ledger_read, &map.value, t->arena, &args, &refusal), CCCC_OK);
    assert_int_equal(cccc_arg_uint(&args, CCCC_A_ledger_read_limit, 100), 12);
    assert_int_equal(cccc_arg_uint(&args, CCCC_A_ledger_read_after_seq, 100), 100);
}

/* A refusal's message stays UTF-8 and short whatever it quotes. */
static void refusals_quote_little_and_whole_characters(void **state)
{
    struct table *t = *state;
    for (size_t len = 30; len < 60; len++) {
        cccc_buf_t text;
        cccc_buf_init(&text);
        for (size_t i = 0; i < len; i++)
            cccc_buf_str(&text, i < 3 ? "x" : "\xe2\x82\xac");
        cccc_builder_t map = cccc_map_builder(t->arena, 2);
        cccc_map_add(&map, "group_id", cccc_string(buf_text(&text)));
        struct cccc_args args;
        struct cccc_refusal refusal;
        assert_int_equal(cccc_args_check(CCCC_OP_group_show, &map.value, t->arena, &args, &refusal), CCCC_E_INVALID_GROUP_ID);
        assert_true(cccc_utf8_valid(cccc_str(refusal.message.text)) && strlen(refusal.message.text) < 160);
        assert_non_null(strstr(refusal.message.text, "..."));
        cccc_buf_fini(&text);
    }
}

/* Random bytes and random damage to good frames: always an answer, never more memory than the frame is worth, and what is accepted packs again. */
static void damaged_frames_get_an_answer(void **state)
{
    struct table *t = *state;
    for (int i = 0; i < 20000; i++) {
        cccc_arena_t *arena = cccc_arena_new(1024);
        cccc_value_t v = random_value(arena, 4, false), back;
        t->buf.size = 0;
        cccc_pack_value(&t->buf, &v);
        for (uint64_t n = chance(4); n > 0; n--)
            t->buf.data[chance(t->buf.size)] = (char)chance(256);
        size_t len = t->buf.size - (chance(4) == 0 ? chance(t->buf.size) : 0);
        struct cccc_errmsg m;
        cccc_err_t err = cccc_msgpack_read(t->buf.data, len, 1u << 22, arena, &back, &m);
        if (err == CCCC_OK) {
            cccc_buf_t again;
            cccc_value_t twice;
            cccc_buf_init(&again);
            cccc_pack_value(&again, &back);
            assert_int_equal(cccc_msgpack_read(again.data, again.size, 1u << 22, arena, &twice, NULL), CCCC_OK);
            assert_true(cccc_value_eq(&back, &twice));
            cccc_buf_fini(&again);
        }
        cccc_arena_destroy(&arena);
    }
}

int main(int argc, char **argv)
{
    seed_chance(argc, argv);
    const struct CMUnitTest tests[] = {
        TEST(a_written_request_reads_back),
        TEST(an_error_reply_has_all_its_members_in_order),
        TEST(a_message_that_is_not_utf8_still_decodes),
        TEST(a_good_reply_begins_up_to_its_result),
        TEST(ids_are_echoed),
        TEST(the_op_table_is_whole),
        TEST(typed_access_has_defaults),
        TEST(refusals_quote_little_and_whole_characters),
        TEST(damaged_frames_get_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
