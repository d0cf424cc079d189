/* test_blobs.c - uploads in pieces, blobs by name, spilled texts. */
#include "tests/support/scratch_home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP "g_0123456789ab"
#define BLOBS "groups/" GROUP "/state/blobs/"

static struct scratch s;

static int up(void **state)
{
    (void)state;
    scratch_open(&s);
    return 0;
}

static int down(void **state)
{
    (void)state;
    scratch_close(&s);
    return 0;
}

static const char *sha256_of(cccc_str_t data)
{
    unsigned char hash[32];
    char *hex = cccc_arena_alloc(s.arena, 65);
    crypto_hash_sha256(hash, (const unsigned char *)data.ptr, data.len);
    return sodium_bin2hex(hex, 65, hash, sizeof hash);
}

static cccc_err_t put_piece(const char *name, cccc_str_t data, uint64_t offset, uint64_t total)
{
    return scratch_store(&s, &cccc_vfs_posix,
                         (struct cccc_store){.kind = CCCC_STORE_BLOB_PIECE,
                                             .group_id = CCCC_STR(GROUP),
                                             .name = cccc_str(name),
                                             .data = data,
                                             .offset = offset,
                                             .total = total});
}

static cccc_err_t end_upload(const char *name, const char *file, uint64_t total)
{
    cccc_builder_t map = cccc_map_builder(s.arena, 1);
    cccc_map_add(&map, "file", cccc_text(file));
    return scratch_store(
        &s, &cccc_vfs_posix,
        (struct cccc_store){
            .kind = CCCC_STORE_BLOB_END, .group_id = CCCC_STR(GROUP), .name = cccc_str(name), .document = map.value, .total = total});
}

static cccc_err_t read_blob(const char *name, uint64_t offset, uint64_t most)
{
    return scratch_store(
        &s, &cccc_vfs_posix,
        (struct cccc_store){
            .kind = CCCC_STORE_BLOB_READ, .group_id = CCCC_STR(GROUP), .name = cccc_str(name), .offset = offset, .total = most});
}

static cccc_err_t stat_blob(const char *name)
{
    return scratch_store(&s, &cccc_vfs_posix,
                         (struct cccc_store){.kind = CCCC_STORE_BLOB_STAT, .group_id = CCCC_STR(GROUP), .name = cccc_str(name)});
}

static const char *file_name(const char *sha, const char *name)
{
    return cccc_arena_printf(s.arena, "%s_%s", sha, name).ptr;
}

static cccc_str_t yielded_data(void)
{
    const cccc_value_t *data = cccc_get(&s.value, "data");
    assert_true(data && data->type == MSGPACK_OBJECT_BIN);
    return (cccc_str_t){data->via.bin.ptr, data->via.bin.size};
}

/* Three mebibytes in four pieces come back byte for byte, and the upload leaves nothing else behind. */
static void pieces_become_a_blob(void **state)
{
    (void)state;
    const size_t total = 3 * 1024 * 1024 + 5, piece = 1024 * 1024;
    char *bytes = cccc_arena_alloc(s.arena, total);
    for (size_t i = 0; i < total; i++)
        bytes[i] = (char)(i * 7 + i / 4096);
    const char *sha = sha256_of((cccc_str_t){bytes, total}), *file = file_name(sha, "data.bin");
    for (size_t at = 0; at < total; at += piece)
        assert_int_equal(put_piece(sha, (cccc_str_t){bytes + at, total - at < piece ? total - at : piece}, at, total), CCCC_OK);
    assert_int_equal(stat_blob(file), CCCC_E_BLOB_NOT_FOUND);
    assert_int_equal(end_upload(sha, file, total), CCCC_OK);
    assert_int_equal(cccc_get_uint(&s.value, "bytes", 0), total);
    assert_int_equal(stat_blob(file), CCCC_OK);
    assert_int_equal(cccc_get_uint(&s.value, "bytes", 0), total);
    assert_false(scratch_exists(&s, cccc_arena_printf(s.arena, BLOBS ".upload-%s", sha).ptr));
    for (size_t at = 0; at < total; at += piece) {
        assert_int_equal(read_blob(file, at, 1u << 30), CCCC_OK);
        cccc_str_t data = yielded_data();
        assert_int_equal(data.len, total - at < piece ? total - at : piece);
        assert_memory_equal(data.ptr, bytes + at, data.len);
        assert_int_equal(cccc_get_uint(&s.value, "bytes", 0), total);
    }
    assert_int_equal(read_blob(file, 10, 3), CCCC_OK);
    assert_true(cccc_str_eq(yielded_data(), (cccc_str_t){bytes + 10, 3}));
    assert_int_equal(read_blob(file, total + 9, 3), CCCC_OK);
    assert_int_equal(yielded_data().len, 0);
}

/* An empty blob is a blob, with or without an empty piece before it. */
static void nothing_can_be_stored(void **state)
{
    (void)state;
    for (int pieces = 0; pieces < 2; pieces++) {
        const char *sha = sha256_of(CCCC_STR("")), *file = file_name(sha, "empty");
        if (pieces)
            assert_int_equal(put_piece(sha, CCCC_STR(""), 0, 0), CCCC_OK);
        assert_int_equal(end_upload(sha, file, 0), CCCC_OK);
        assert_int_equal(read_blob(file, 0, 10), CCCC_OK);
        assert_int_equal(yielded_data().len, 0);
    }
    const char *other = sha256_of(CCCC_STR("x"));
    assert_int_equal(end_upload(other, file_name(other, "empty"), 0), CCCC_E_BLOB_CONFLICT);
}

/* Repeats are harmless: of a piece, of a whole upload, and of an end whose answer was lost. */
static void repeats_give_the_same_blob(void **state)
{
    (void)state;
    const char *sha = sha256_of(CCCC_STR("hello world")), *file = file_name(sha, "a.txt");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(put_piece(sha, CCCC_STR("hello "), 0, 11), CCCC_OK);
        assert_int_equal(put_piece(sha, CCCC_STR("world"), 6, 11), CCCC_OK);
        assert_int_equal(put_piece(sha, CCCC_STR("world"), 6, 11), CCCC_OK);
        assert_int_equal(end_upload(sha, file, 11), CCCC_OK);
    }
    assert_int_equal(end_upload(sha, file, 11), CCCC_OK);
    assert_int_equal(end_upload(sha, file, 12), CCCC_E_BLOB_CONFLICT);
    assert_string_equal(scratch_read(&s, cccc_arena_printf(s.arena, BLOBS "%s", file).ptr), "hello world");
}

/* An abandoned longer upload does not leak into the next one. */
static void a_new_upload_starts_empty(void **state)
{
    (void)state;
    const char *sha = sha256_of(CCCC_STR("short"));
    assert_int_equal(put_piece(sha, CCCC_STR("something much longer"), 0, 100), CCCC_OK);
    assert_int_equal(put_piece(sha, CCCC_STR("short"), 0, 5), CCCC_OK);
    assert_int_equal(end_upload(sha, file_name(sha, "x"), 5), CCCC_OK);
}

/* Pieces that do not fit together, and bytes that are not what was announced, never get a name. */
static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const char *sha = sha256_of(CCCC_STR("hello")), *file = file_name(sha, "x"),
               *upload = cccc_arena_printf(s.arena, BLOBS ".upload-%s", sha).ptr;
    assert_int_equal(put_piece(sha, CCCC_STR("lo"), 3, 5), CCCC_E_BLOB_CONFLICT);
    assert_int_equal(end_upload(sha, file, 5), CCCC_E_BLOB_CONFLICT);
    assert_int_equal(put_piece(sha, CCCC_STR("he"), 0, 5), CCCC_OK);
    assert_int_equal(put_piece(sha, CCCC_STR("lo"), 3, 5), CCCC_E_BLOB_CONFLICT);
    assert_non_null(strstr(s.m.text, "has 2 bytes"));
    assert_int_equal(put_piece(sha, CCCC_STR("llooo"), 2, 5), CCCC_E_BLOB_CONFLICT);
    assert_int_equal(put_piece(sha, CCCC_STR("x"), UINT64_MAX, 5), CCCC_E_BLOB_CONFLICT);
    assert_int_equal(end_upload(sha, file, 5), CCCC_E_BLOB_CONFLICT);
    assert_false(scratch_exists(&s, upload));
    assert_int_equal(put_piece(sha, CCCC_STR("hallo"), 0, 5), CCCC_OK);
    assert_int_equal(end_upload(sha, file, 5), CCCC_E_BLOB_CONFLICT);
    assert_non_null(strstr(s.m.text, sha256_of(CCCC_STR("hallo"))));
    assert_int_equal(stat_blob(file), CCCC_E_BLOB_NOT_FOUND);
}

/* The limits are named in the refusal. */
static void sizes_are_limited(void **state)
{
    (void)state;
    const char *sha = sha256_of(CCCC_STR(""));
    char *bytes = cccc_arena_alloc(s.arena, CCCC_BLOB_PIECE_BYTES_MAX + 1);
    memset(bytes, 0, CCCC_BLOB_PIECE_BYTES_MAX + 1);
    assert_int_equal(put_piece(sha, (cccc_str_t){bytes, CCCC_BLOB_PIECE_BYTES_MAX + 1}, 0, CCCC_BLOB_BYTES_MAX), CCCC_E_TOO_LARGE);
    assert_non_null(strstr(s.m.text, "BLOB_PIECE_BYTES_MAX"));
    assert_int_equal(put_piece(sha, CCCC_STR("x"), 0, CCCC_BLOB_BYTES_MAX + 1ull), CCCC_E_TOO_LARGE);
    assert_non_null(strstr(s.m.text, "BLOB_BYTES_MAX"));
}

/* A dropped upload is gone; dropping nothing is fine. */
static void dropping_forgets(void **state)
{
    (void)state;
    const char *sha = sha256_of(CCCC_STR("hello"));
    struct cccc_store drop = {.kind = CCCC_STORE_BLOB_DROP, .group_id = CCCC_STR(GROUP), .name = cccc_str(sha)};
    assert_int_equal(put_piece(sha, CCCC_STR("hello"), 0, 5), CCCC_OK);
    assert_int_equal(scratch_store(&s, &cccc_vfs_posix, drop), CCCC_OK);
    assert_int_equal(scratch_store(&s, &cccc_vfs_posix, drop), CCCC_OK);
    assert_int_equal(end_upload(sha, file_name(sha, "x"), 5), CCCC_E_BLOB_CONFLICT);
}

/* No name leads out of the folder, to an upload under way, or over a link. */
static void names_cannot_leave_the_folder(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", "../../group.yaml", "a/b", "/etc/passwd", ".upload-x", "a b", "a\nb", "\xc3\xa9"};
    const char *sha = sha256_of(CCCC_STR("x"));
    assert_int_equal(put_piece(sha, CCCC_STR("x"), 0, 1), CCCC_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(stat_blob(bad[i]), CCCC_E_INVALID_BLOB_PATH);
        assert_int_equal(read_blob(bad[i], 0, 1), CCCC_E_INVALID_BLOB_PATH);
        assert_int_equal(end_upload(sha, bad[i], 1), CCCC_E_INVALID_BLOB_PATH);
        assert_int_equal(put_piece(bad[i], CCCC_STR("x"), 0, 1), CCCC_E_INVALID_BLOB_PATH);
        assert_int_equal(end_upload(bad[i], file_name(sha, "x"), 1), CCCC_E_INVALID_BLOB_PATH);
        struct cccc_store text = {
            .kind = CCCC_STORE_BLOB_TEXT, .group_id = CCCC_STR(GROUP), .name = cccc_str(bad[i]), .data = CCCC_STR("x")};
        assert_int_equal(scratch_store(&s, &cccc_vfs_posix, text), CCCC_E_INVALID_BLOB_PATH);
        struct cccc_store drop = {.kind = CCCC_STORE_BLOB_DROP, .group_id = CCCC_STR(GROUP), .name = cccc_str(bad[i])};
        assert_int_equal(scratch_store(&s, &cccc_vfs_posix, drop), CCCC_E_INVALID_BLOB_PATH);
    }
    assert_int_equal(end_upload(sha, "plain-name", 1), CCCC_E_INVALID_BLOB_PATH);
    assert_int_equal(end_upload(sha, file_name(sha256_of(CCCC_STR("y")), "x"), 1), CCCC_E_INVALID_BLOB_PATH);
    scratch_write(&s, "secret", "secret");
    assert_int_equal(symlink(scratch_path(&s, "secret"), scratch_path(&s, BLOBS "link")), 0);
    assert_int_equal(stat_blob("link"), CCCC_E_BLOB_NOT_FOUND);
    assert_int_equal(read_blob("link", 0, 10), CCCC_E_BLOB_NOT_FOUND);
    assert_int_equal(unlink(scratch_path(&s, BLOBS ".upload-%s", sha)), 0);
    assert_int_equal(symlink(scratch_path(&s, "secret"), scratch_path(&s, BLOBS ".upload-%s", sha)), 0);
    assert_int_equal(put_piece(sha, CCCC_STR("x"), 0, 1), CCCC_E_STORAGE);
    assert_int_equal(end_upload(sha, file_name(sha, "x"), 1), CCCC_E_STORAGE);
    assert_string_equal(scratch_read(&s, "secret"), "secret");
}

/* Effects for a group must name one; the id cannot be a path. */
static void group_ids_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "..", "g_0123456789AB", "g_0123456789abc", "g_../../../ab", "s_0123456789ab"};
    for (int kind = CCCC_STORE_GROUP; kind <= CCCC_STORE_BLOB_TEXT; kind++) {
        if (kind == CCCC_STORE_REGISTRY || kind == CCCC_STORE_ACTIVE || kind == CCCC_STORE_SCAN || kind == CCCC_STORE_GIT)
            continue;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            assert_int_equal(
                scratch_store(&s, &cccc_vfs_posix, (struct cccc_store){.kind = (enum cccc_store_kind)kind, .group_id = cccc_str(bad[i])}),
                CCCC_E_INVALID_GROUP_ID);
    }
}

/* A spilled text is stored whole and can be stored again. */
static void texts_are_stored_whole(void **state)
{
    (void)state;
    struct cccc_store text = {
        .kind = CCCC_STORE_BLOB_TEXT, .group_id = CCCC_STR(GROUP), .name = CCCC_STR("chat.0123.txt"), .data = CCCC_STR("long text\n")};
    assert_int_equal(scratch_store(&s, &cccc_vfs_posix, text), CCCC_OK);
    assert_int_equal(scratch_store(&s, &cccc_vfs_posix, text), CCCC_OK);
    assert_int_equal(read_blob("chat.0123.txt", 5, 100), CCCC_OK);
    assert_true(cccc_str_is(yielded_data(), "text\n"));
}

struct bad_blobs {
    unsigned count;
    char last[512];
};

static void note_bad(void *arg, const char *path, const char *why)
{
    struct bad_blobs *bad = arg;
    bad->count++;
    assert_true(why[0]);
    snprintf(bad->last, sizeof bad->last, "%s", path);
}

/* A blob whose bytes are not those of its name is named; whole ones, uploads under way and files of others are not. */
static void a_damaged_blob_is_named(void **state)
{
    (void)state;
    cccc_str_t data = CCCC_STR("hello");
    const char *sha = sha256_of(data);
    const char *name = cccc_arena_printf(s.arena, "%s_a.txt", sha).ptr;
    uint64_t count;
    struct bad_blobs bad = {0};
    assert_int_equal(put_piece(sha, data, 0, 5), CCCC_OK);
    assert_int_equal(end_upload(sha, name, 5), CCCC_OK);
    scratch_write(&s, BLOBS ".upload-x", "half");
    scratch_write(&s, BLOBS "chat.1.txt", "of 0.4.0");
    cccc_blobs_check(&cccc_vfs_posix, &s.home, CCCC_STR(GROUP), note_bad, &bad, &count);
    assert_int_equal(count, 1);
    assert_int_equal(bad.count, 0);
    scratch_write(&s, cccc_arena_printf(s.arena, BLOBS "%s", name).ptr, "hellp");
    cccc_blobs_check(&cccc_vfs_posix, &s.home, CCCC_STR(GROUP), note_bad, &bad, &count);
    assert_int_equal(bad.count, 1);
    assert_non_null(strstr(bad.last, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)
        TEST(pieces_become_a_blob),      TEST(nothing_can_be_stored),         TEST(repeats_give_the_same_blob),
        TEST(a_new_upload_starts_empty), TEST(what_does_not_fit_is_refused),  TEST(sizes_are_limited),
        TEST(dropping_forgets),          TEST(names_cannot_leave_the_folder), TEST(group_ids_are_checked),
        TEST(texts_are_stored_whole),    TEST(a_damaged_blob_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
