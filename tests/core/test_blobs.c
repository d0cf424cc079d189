/* test_blobs.c - uploads in pieces, attachments, and text too long for an event. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHA "00000000000000000000000000000000000000000000000000000000000000aa"

static cccc_value_t put_args(bench_t *b, uint64_t total, uint64_t offset, const char *data)
{
    cccc_builder_t args = cccc_map_builder(bench_arena(b), 8);
    cccc_map_add(&args, "group_id", cccc_text(TEAM));
    cccc_map_add(&args, "sha256", cccc_text(SHA));
    cccc_map_add(&args, "name", cccc_text("../../my notes.txt"));
    cccc_map_add(&args, "total_bytes", cccc_uint(total));
    cccc_map_add(&args, "offset", cccc_uint(offset));
    if (data) {
        cccc_value_t bin = {.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)strlen(data), data}};
        cccc_map_add(&args, "data", bin);
    }
    return args.value;
}

static const cccc_value_t *put(bench_t *b, uint64_t total, uint64_t offset, const char *data)
{
    bench_request_value(b, 7, "blob_put", put_args(b, total, offset, data));
    bench_settle(b);
    return bench_reply(b, 7);
}

/* Pieces in order make a blob with a safe name; a repeated piece is answered again; the finished file is known at once. */
static void pieces_make_a_blob(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *reply = put(b, 10, 0, "hello");
    assert_json(b, cccc_get(reply, "result"), "{'received':5,'total':10,'done':false}");
    assert_json(b, cccc_get(put(b, 10, 0, "hello"), "result"), "{'received':5,'total':10,'done':false}");
    assert_json(b, cccc_get(put(b, 10, 0, NULL), "result"), "{'received':5,'total':10,'done':false}");
    reply = put(b, 10, 5, "world");
    assert_json(b, cccc_get(reply, "result"),
                "{'received':10,'total':10,'done':true,'path':'state/blobs/" SHA "_my_notes.txt','attachment':{'kind':'file',"
                "'path':'state/blobs/" SHA "_my_notes.txt','title':'my_notes.txt','mime_type':'text/plain','bytes':10,'sha256':'" SHA
                "'}}");
    bench_trace(b);
    assert_json(b, bench_at(put(b, 10, 0, "hello"), "result.done"), "true");
    assert_trace(b, "> 7 blob_put\n"
                    "store blob_stat " SHA "_my_notes.txt\n"
                    "reply 7 ok\n");
    const cccc_value_t *got =
        bench_do(b, "blob_get", "{'group_id':'%s','path':'state/blobs/%s_my_notes.txt','offset':3,'limit':4}", TEAM, SHA);
    assert_int_equal(bench_uint_at(got, "bytes"), 10);
    assert_memory_equal(cccc_get(got, "data")->via.bin.ptr, "lowo", 4);
    assert_json(b, cccc_get(got, "more"), "true");
    got = bench_do(b, "blob_get", "{'group_id':'%s','path':'state/blobs/%s_my_notes.txt','offset':10}", TEAM, SHA);
    assert_json(b, cccc_get(got, "more"), "false");
    assert_int_equal(bench_uint_at(bench_do(b, "blob_stat", "{'group_id':'%s','path':'state/blobs/%s_my_notes.txt'}", TEAM, SHA), "bytes"),
                     10);
    team_end(&b);
}

/* An empty file is a file. */
static void empty_file_is_one_piece(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    assert_json(b, bench_at(put(b, 0, 0, NULL), "result.done"), "true");
    team_end(&b);
}

/* Pieces that do not fit are refused with how far the upload is. */
static void pieces_that_do_not_fit_are_conflicts(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    const cccc_value_t *reply = put(b, 10, 5, "world");
    assert_string_equal(bench_code(reply), "blob_conflict");
    assert_int_equal(bench_uint_at(reply, "error.details.received"), 0);
    put(b, 10, 0, "hello");
    static const struct {
        uint64_t total, offset;
        const char *data;
    } cases[] = {{10, 7, "x"}, {10, 3, "xxxx"}, {11, 5, "world"}, {10, 5, "worldly"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply = put(b, cases[i].total, cases[i].offset, cases[i].data);
        assert_string_equal(bench_code(reply), "blob_conflict");
        assert_int_equal(bench_uint_at(reply, "error.details.received"), 5);
    }
    assert_json(b, bench_at(put(b, 10, 5, "world"), "result.done"), "true");
    const cccc_value_t *bad = bench_ask(b, "blob_put", "{'group_id':'%s','sha256':'abc','total_bytes':1}", TEAM);
    assert_string_equal(bench_code(bad), "invalid_request");
    team_end(&b);
}

/* A disk that fails says so; a whole with another hash begins anew. */
static void failing_store_is_answered(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request_value(b, 7, "blob_put", put_args(b, 5, 0, "hello"));
    bench_fail_store(b, CCCC_E_STORAGE);
    const cccc_value_t *reply = bench_reply(b, 7);
    assert_string_equal(bench_code(reply), "storage_failed");
    bench_request_value(b, 7, "blob_put", put_args(b, 5, 0, "hello"));
    bench_finish_store(b);
    bench_fail_store(b, CCCC_E_NO_SPACE);
    reply = bench_reply(b, 7);
    assert_string_equal(bench_code(reply), "no_space");
    assert_string_equal(bench_str_at(b, reply, "error.details.outcome"), "not_stored");
    bench_settle(b);
    bench_request_value(b, 7, "blob_put", put_args(b, 5, 0, "hello"));
    bench_finish_store(b);
    bench_finish_store(b);
    bench_trace(b);
    bench_fail_store(b, CCCC_E_BLOB_CONFLICT);
    assert_string_equal(bench_code(bench_reply(b, 7)), "blob_conflict");
    assert_trace(
        b, "store blob_drop " SHA "\n"
           "reply 7 blob_conflict the file could not be completed; send it again from the start: the pieces do not fit together, or the "
           "hash is another\n");
    assert_json(b, bench_at(put(b, 5, 0, "hello"), "result.done"), "true");
    team_end(&b);
}

/* One piece of a file at a time; a connection that goes while its piece is stored leaves the upload usable. */
static void concurrent_pieces_are_busy(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    put(b, 10, 0, "hel");
    bench_request_value(b, 1, "blob_put", put_args(b, 10, 3, "lo"));
    bench_request_value(b, 2, "blob_put", put_args(b, 10, 3, "lo"));
    assert_string_equal(bench_code(bench_reply(b, 2)), "busy");
    bench_gone(b, 1);
    bench_settle(b);
    assert_json(b, bench_at(put(b, 10, 3, "lo"), "result.received"), "5");
    bench_request_value(b, 1, "blob_put", put_args(b, 10, 5, "world"));
    bench_finish_store(b);
    bench_gone(b, 1);
    bench_settle(b);
    assert_json(b, bench_at(put(b, 10, 5, "world"), "result.done"), "true");
    team_end(&b);
}

static cccc_value_t piece_of(bench_t *b, const char *group_id, int file, uint64_t total, const char *data)
{
    cccc_builder_t args = cccc_map_builder(bench_arena(b), 4);
    cccc_value_t bin = {.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)strlen(data), data}};
    cccc_map_add(&args, "group_id", cccc_text(group_id));
    cccc_map_add(&args, "sha256", cccc_string(cccc_arena_printf(bench_arena(b), "%064d", file)));
    cccc_map_add(&args, "total_bytes", cccc_uint(total));
    cccc_map_add(&args, "data", bin);
    return args.value;
}

static const cccc_value_t *put_piece(bench_t *b, const char *group_id, int file, uint64_t total, const char *data)
{
    bench_request_value(b, 8, "blob_put", piece_of(b, group_id, file, total, data));
    bench_settle(b);
    return bench_reply(b, 8);
}

/* Uploads are bounded in number and in idleness: one group cannot keep another from uploading, and the refusal says how long it can last. */
static void uploads_are_bounded(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    for (int i = 0; i < CCCC_BLOB_UPLOADS_PER_GROUP_MAX; i++)
        assert_string_equal(bench_code(put_piece(b, TEAM, i, 5, "hel")), "ok");
    const cccc_value_t *refused = put(b, 5, 0, "hel");
    assert_string_equal(bench_code(refused), "busy");
    assert_non_null(strstr(bench_str_at(b, refused, "error.message"), "dropped after 600 seconds"));
    assert_string_equal(bench_code(put_piece(b, OTHER, 1, 5, "hel")), "ok");
    bench_pass(b, CCCC_BLOB_UPLOAD_IDLE_S + 1);
    bench_settle(b);
    assert_string_equal(bench_code(put(b, 5, 0, "hel")), "ok");
    team_end(&b);
}

/* What is refused, or only asks how far an upload is, begins none: neither does it take a place, nor does its size hold against the true one. */
static void refused_piece_begins_no_upload(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    for (int i = 0; i <= CCCC_BLOB_UPLOADS_MAX; i++) {
        assert_string_equal(bench_code(put_piece(b, TEAM, i, 3, "hello")), "blob_conflict");
        assert_string_equal(bench_code(put_piece(b, TEAM, i, 3, "")), "ok");
    }
    assert_string_equal(bench_code(put(b, 3, 0, "hello")), "blob_conflict");
    assert_json(b, bench_at(put(b, 5, 0, "hello"), "result.done"), "true");
    team_end(&b);
}

/* A first piece that the disk refused, or whose connection went, leaves nothing that another size could not replace. */
static void nothing_received_is_announced_anew(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    bench_request_value(b, 1, "blob_put", put_args(b, 9, 0, "hel"));
    bench_finish_store(b);
    bench_fail_store(b, CCCC_E_STORAGE);
    assert_string_equal(bench_code(bench_reply(b, 1)), "storage_failed");
    bench_settle(b);
    bench_request_value(b, 1, "blob_put", put_args(b, 10, 0, "hel"));
    bench_finish_store(b);
    bench_request_value(b, 3, "blob_put", put_args(b, 11, 0, "hello"));
    assert_string_equal(bench_code(bench_reply(b, 3)), "blob_conflict");
    bench_settle(b);
    assert_string_equal(bench_code(bench_reply(b, 1)), "ok");
    bench_request_value(b, 2, "blob_put", piece_of(b, TEAM, 1, 10, "hel"));
    bench_finish_store(b);
    bench_gone(b, 2);
    bench_settle(b);
    assert_json(b, bench_at(put_piece(b, TEAM, 1, 5, "hello"), "result.done"), "true");
    team_end(&b);
}

static const struct {
    const char *name, *clean;
} names[] = {
    {"a.txt", "a.txt"},
    {"a b.txt", "a_b.txt"},
    {"a  b.txt", "a_b.txt"},
    {"dir/a.txt", "a.txt"},
    {"c:\\dir\\a.txt", "a.txt"},
    {"../../etc/passwd", "passwd"},
    {"", "file"},
    {"...", "file"},
    {"___", "file"},
    {"-.txt", "file.txt"},
    {".txt", ".txt"},
    {"日本.png", "file.png"},
    {"日本", "file"},
    {"résumé.pdf", "r_sum_.pdf"},
    {"a/", "file"},
    {"a\nb", "a_b"},
};

/* Names are made safe as the reference says. */
static void names_are_cleaned(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cccc_builder_t args = cccc_map_builder(bench_arena(b), 4);
        char sha256[65];
        snprintf(sha256, sizeof sha256, "%064zu", i);
        cccc_map_add(&args, "group_id", cccc_text(TEAM));
        cccc_map_add(&args, "sha256", cccc_text(sha256));
        cccc_map_add(&args, "name", cccc_text(names[i].name));
        cccc_map_add(&args, "total_bytes", cccc_uint(0));
        bench_request_value(b, 7, "blob_put", args.value);
        bench_settle(b);
        const cccc_value_t *reply = bench_reply(b, 7);
        assert_string_equal(bench_str_at(b, reply, "result.attachment.title"), names[i].clean);
    }
    team_end(&b);
}

/* Only flat names under state/blobs/ are paths of blobs. */
static void blob_paths_cannot_leave_the_folder(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    static const char *const bad[] = {
        "/etc/passwd", "state/blobs/", "state/blobs/../x", "state/blobs/a/b", "state/blobs/.upload-x", "state/ledger/x", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_string_equal(bench_code(bench_ask(b, "blob_get", "{'group_id':'%s','path':'%s'}", TEAM, bad[i])), "invalid_blob_path");
        assert_string_equal(bench_code(bench_ask(b, "blob_stat", "{'group_id':'%s','path':'%s'}", TEAM, bad[i])), "invalid_blob_path");
        assert_string_equal(
            bench_code(bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['lead'],'attachments':[{'path':'%s'}]}", TEAM, bad[i])),
            "invalid_attachments");
    }
    assert_string_equal(bench_code(bench_ask(b, "blob_get", "{'group_id':'%s','path':'state/blobs/none'}", TEAM)), "blob_not_found");
    bench_request(b, 1, "blob_stat", "{'group_id':'%s','path':'state/blobs/none'}", TEAM);
    bench_fail_store(b, CCCC_E_STORAGE);
    assert_string_equal(bench_code(bench_reply(b, 1)), "storage_failed");
    team_end(&b);
}

/* An attachment names a blob that is there; its size is the disk's, its kind follows from the type. */
static void attachments_are_looked_up(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    put(b, 5, 0, "hello");
    const cccc_value_t *result =
        bench_do(b, "send",
                 "{'group_id':'%s','text':'','to':['lead'],'attachments':[{'path':'state/blobs/%s_my_notes.txt','title':'Notes',"
                 "'bytes':999},{'path':'state/blobs/%s_my_notes.txt','mime_type':'image/png'}]}",
                 TEAM, SHA, SHA);
    assert_json(b, bench_at(result, "event.data.attachments"),
                "[{'kind':'file','path':'state/blobs/" SHA
                "_my_notes.txt','title':'Notes','mime_type':'text/plain','bytes':5,'sha256':'" SHA "'},"
                "{'kind':'image','path':'state/blobs/" SHA
                "_my_notes.txt','title':'my_notes.txt','mime_type':'image/png','bytes':5,'sha256':'" SHA "'}]");
    const cccc_value_t *missing =
        bench_ask(b, "send", "{'group_id':'%s','text':'x','to':['lead'],'attachments':[{'path':'state/blobs/none'}]}", TEAM);
    assert_string_equal(bench_code(missing), "invalid_attachments");
    assert_string_equal(bench_code(bench_ask(b, "send", "{'group_id':'%s','text':' \\n ','to':['lead']}", TEAM)), "empty_message");
    bench_request(b, 1, "send", "{'group_id':'%s','text':'x','to':['lead'],'attachments':[{'path':'state/blobs/%s_my_notes.txt'}]}", TEAM,
                  SHA);
    bench_fail_store(b, CCCC_E_STORAGE);
    assert_string_equal(bench_code(bench_reply(b, 1)), "storage_failed");
    team_end(&b);
}

/* A long text is on the disk before the event that names it, and can be read back whole. */
static void long_text_is_spilled_first(void **state)
{
    (void)state;
    bench_t *b = team_new(1);
    char *text = malloc(32002);
    assert_non_null(text);
    memset(text, 'z', 32001);
    text[32001] = '\0';
    bench_request(b, 1, "send", "{'group_id':'%s','text':'%.32000s','to':['lead']}", TEAM, text);
    bench_trace(b);
    bench_request(b, 1, "send", "{'group_id':'%s','text':'%s','to':['lead']}", TEAM, text);
    assert_non_null(strstr(bench_trace(b), "store blob_text"));
    bench_finish_store(b);
    bench_settle(b);
    bench_reply(b, 1);
    const cccc_value_t *reply = bench_reply(b, 1);
    const char *path = bench_str_at(b, reply, "result.event.data.attachments.0.path");
    assert_string_equal(bench_str_at(b, reply, "result.event.data.attachments.0.kind"), "text");
    assert_string_equal(bench_str_at(b, reply, "result.event.data.text"),
                        cccc_arena_printf(bench_arena(b), "[long text of 32001 bytes: %s]", path).ptr);
    const cccc_value_t *got = bench_do(b, "blob_get", "{'group_id':'%s','path':'%s'}", TEAM, path);
    assert_int_equal(cccc_get(got, "data")->via.bin.size, 32001);
    bench_request(b, 2, "send", "{'group_id':'%s','text':'%s!','to':['lead']}", TEAM, text);
    bench_fail_store(b, CCCC_E_NO_SPACE);
    const cccc_value_t *refused = bench_reply(b, 2);
    assert_string_equal(bench_code(refused), "no_space");
    assert_string_equal(bench_str_at(b, refused, "error.details.outcome"), "not_stored");
    free(text);
    team_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_make_a_blob),
        cmocka_unit_test(empty_file_is_one_piece),
        cmocka_unit_test(pieces_that_do_not_fit_are_conflicts),
        cmocka_unit_test(failing_store_is_answered),
        cmocka_unit_test(concurrent_pieces_are_busy),
        cmocka_unit_test(uploads_are_bounded),
        cmocka_unit_test(refused_piece_begins_no_upload),
        cmocka_unit_test(nothing_received_is_announced_anew),
        cmocka_unit_test(names_are_cleaned),
        cmocka_unit_test(blob_paths_cannot_leave_the_folder),
        cmocka_unit_test(attachments_are_looked_up),
        cmocka_unit_test(long_text_is_spilled_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
