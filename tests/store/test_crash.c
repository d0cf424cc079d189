/* test_crash.c - the home's files on a disk that stops, fails, tears and forgets at every call in turn.
 *
 * Each property is tried with a fault at the first call, the second, ... until an operation ends without meeting it. Usage: [--seed N]. */
#include "broker/store/store.h"
#include "proto/json.h"
#include "tests/support/simdisk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GROUP  "g_0123456789ab"
#define FOLDER "/home/groups/" GROUP

static uint64_t seed;

/* A disk with an empty prepared home, and what calls need. */
struct world {
    simdisk_t *disk;
    const struct cccc_vfs *vfs;
    struct cccc_home home;
    cccc_arena_t *arena;
    struct cccc_errmsg m;
    cccc_value_t value;
};

static struct world world_new(uint64_t number)
{
    struct world w = {
        .disk = simdisk_new(seed + number), .arena = cccc_arena_new(16384), .home = {.root = "/home", .sock_dir = "/home/daemon"}};
    static const char *const folders[] = {"/home/daemon", "/home/groups", "/home/trash", FOLDER};
    w.vfs = simdisk_vfs(w.disk);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_int_equal(cccc_vfs_make_dirs(w.vfs, folders[i]), 0);
    return w;
}

static void world_end(struct world *w)
{
    assert_int_equal(simdisk_open_files(w->disk), 0);
    simdisk_destroy(&w->disk);
    cccc_arena_destroy(&w->arena);
}

static cccc_err_t store(struct world *w, struct cccc_store effect)
{
    effect.group_id = CCCC_STR(GROUP);
    return cccc_store_run(w->vfs, &w->home, &effect, w->arena, &w->value, &w->m);
}

/* Stores a group whose title is `title`. */
static cccc_err_t store_title(struct world *w, const char *title)
{
    cccc_builder_t map = cccc_map_builder(w->arena, 2);
    cccc_map_add(&map, "v", cccc_uint(1));
    cccc_map_add(&map, "title", cccc_text(title));
    return store(w, (struct cccc_store){.kind = CCCC_STORE_GROUP, .document = map.value});
}

static struct cccc_group_files read_group(struct world *w)
{
    struct cccc_group_files files;
    cccc_group_files_read(w->vfs, &w->home, CCCC_STR(GROUP), w->arena, &files);
    return files;
}

static bool has_title(const struct cccc_group_files *files, const char *title)
{
    return cccc_str_is(cccc_get_str(&files->document, "title"), title);
}

/* Arms the fault number `n` of round `round` and tells how the machine goes down after a crash. */
static enum simdisk_loss arm(struct world *w, uint64_t n, int round)
{
    static const struct {
        enum simdisk_fault_kind kind;
        enum simdisk_loss loss;
        int error;
    } rounds[] = {
        {SIMDISK_CRASH, SIMDISK_LOSE_ALL, 0}, {SIMDISK_CRASH, SIMDISK_KEEP_ALL, 0}, {SIMDISK_CRASH, SIMDISK_DICE, 0},
        {SIMDISK_FAIL, SIMDISK_DICE, EIO},    {SIMDISK_FAIL, SIMDISK_DICE, ENOSPC}, {SIMDISK_SHORT, SIMDISK_DICE, 0},
    };
    simdisk_arm(w->disk, &(struct simdisk_fault){.kind = rounds[round].kind, .at = n, .error = rounds[round].error});
    return rounds[round].loss;
}

enum { ROUNDS = 6, CALLS_MAX = 500 };

/* Runs `once` (which returns false when the fault was not met) for every call of every kind of fault. */
static void at_every_call(bool (*once)(uint64_t n, int round))
{
    printf("seed %" PRIu64 "\n", seed);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t n = 1;
        while (once(n, round))
            if (++n > CALLS_MAX)
                fail_msg("the fault is still met at call %" PRIu64, n);
        assert_true(n > 3);
    }
}

/* ---- group.yaml ---- */

static bool change_survives(uint64_t n, int round)
{
    struct world w = world_new(n * ROUNDS + (uint64_t)round);
    assert_int_equal(store_title(&w, "old"), CCCC_OK);
    enum simdisk_loss loss = arm(&w, n, round);
    cccc_err_t err = store_title(&w, "new");
    bool met = simdisk_fired(w.disk);
    simdisk_arm(w.disk, NULL);
    simdisk_power_cut(w.disk, loss);
    struct cccc_group_files files = read_group(&w);
    if (!has_title(&files, "new") && (err == CCCC_OK || !has_title(&files, "old")))
        fail_msg("call %" PRIu64 ", round %d: error %d, then %s", n, round, (int)err, files.note);
    assert_false(files.edited);
    assert_false(files.from_prev);
    assert_int_equal(store_title(&w, "newest"), CCCC_OK);
    files = read_group(&w);
    assert_true(has_title(&files, "newest") && !files.edited);
    world_end(&w);
    return met;
}

/* Wherever a change of group.yaml stops, the old or the new file is there, whole, and not taken for an edit; the new one if it was reported. */
static void a_change_leaves_the_old_or_the_new_group(void **state)
{
    (void)state;
    at_every_call(change_survives);
}

static bool edit_survives(uint64_t n, int round)
{
    static const char edit[] = "title: by hand\nscopes: []\nactors: []\nledger_seq: 1\n";
    struct world w = world_new(n * ROUNDS + (uint64_t)round);
    assert_int_equal(store_title(&w, "old"), CCCC_OK);
    simdisk_poke(w.disk, FOLDER "/group.yaml", edit, sizeof edit - 1);
    enum simdisk_loss loss = arm(&w, n, round);
    store_title(&w, "new");
    bool met = simdisk_fired(w.disk);
    simdisk_arm(w.disk, NULL);
    simdisk_power_cut(w.disk, loss);
    struct cccc_group_files files = read_group(&w);
    if (has_title(&files, "by hand")) {
        assert_true(files.edited);
    } else {
        const char *copy;
        size_t len;
        assert_true(has_title(&files, "new") && !files.edited);
        assert_true(simdisk_peek(w.disk, FOLDER "/group.yaml.edited", &copy, &len));
        assert_true(len == sizeof edit - 1 && memcmp(copy, edit, len) == 0);
    }
    world_end(&w);
    return met;
}

/* An edit by hand that a change overwrites is still an edit, or has a durable copy. */
static void an_edit_is_never_lost(void **state)
{
    (void)state;
    at_every_call(edit_survives);
}

static bool first_file_survives(uint64_t n, int round)
{
    struct world w = world_new(n * ROUNDS + (uint64_t)round);
    enum simdisk_loss loss = arm(&w, n, round);
    cccc_err_t err = store_title(&w, "first");
    bool met = simdisk_fired(w.disk);
    simdisk_arm(w.disk, NULL);
    simdisk_power_cut(w.disk, loss);
    struct cccc_group_files files = read_group(&w);
    assert_false(files.edited);
    assert_true(has_title(&files, "first") || (err != CCCC_OK && cccc_is_nil(&files.document)));
    world_end(&w);
    return met;
}

/* The first group.yaml is there or not, never half, never an edit. */
static void a_new_group_is_there_or_not(void **state)
{
    (void)state;
    at_every_call(first_file_survives);
}

/* ---- blobs ---- */

static const char *sha256_of(struct world *w, cccc_str_t data)
{
    unsigned char hash[32];
    char *hex = cccc_arena_alloc(w->arena, 65);
    crypto_hash_sha256(hash, (const unsigned char *)data.ptr, data.len);
    return sodium_bin2hex(hex, 65, hash, sizeof hash);
}

/* Uploads `data` in two pieces under the name <sha>_x. */
static cccc_err_t upload(struct world *w, cccc_str_t data, const char *sha)
{
    size_t half = data.len / 2;
    cccc_builder_t map = cccc_map_builder(w->arena, 1);
    cccc_map_add(&map, "file", cccc_string(cccc_arena_printf(w->arena, "%s_x", sha)));
    struct cccc_store effect = {
        .kind = CCCC_STORE_BLOB_PIECE, .name = cccc_str(sha), .data = {data.ptr, half}, .total = data.len, .document = map.value};
    cccc_err_t err = store(w, effect);
    effect.data = (cccc_str_t){data.ptr + half, data.len - half};
    effect.offset = half;
    if (!err)
        err = store(w, effect);
    effect.kind = CCCC_STORE_BLOB_END;
    return err ? err : store(w, effect);
}

static cccc_err_t read_blob(struct world *w, const char *name, cccc_str_t *data)
{
    cccc_err_t err = store(w, (struct cccc_store){.kind = CCCC_STORE_BLOB_READ, .name = cccc_str(name), .total = 1 << 20});
    const cccc_value_t *bytes = err ? NULL : cccc_get(&w->value, "data");
    if (bytes)
        *data = (cccc_str_t){bytes->via.bin.ptr, bytes->via.bin.size};
    return err;
}

static bool upload_survives(uint64_t n, int round)
{
    struct world w = world_new(n * ROUNDS + (uint64_t)round);
    char bytes[20000];
    cccc_str_t data = {bytes, sizeof bytes}, back;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i ^ (i >> 8));
    const char *sha = sha256_of(&w, data), *name = cccc_arena_printf(w.arena, "%s_x", sha).ptr;
    enum simdisk_loss loss = arm(&w, n, round);
    cccc_err_t err = upload(&w, data, sha);
    bool met = simdisk_fired(w.disk);
    simdisk_arm(w.disk, NULL);
    simdisk_power_cut(w.disk, loss);
    cccc_err_t found = read_blob(&w, name, &back);
    assert_true(found == CCCC_OK ? cccc_str_eq(data, back) : found == CCCC_E_BLOB_NOT_FOUND && err != CCCC_OK);
    assert_int_equal(upload(&w, data, sha), CCCC_OK);
    assert_int_equal(read_blob(&w, name, &back), CCCC_OK);
    assert_true(cccc_str_eq(data, back));
    world_end(&w);
    return met;
}

/* A blob has its name only with all its bytes, durably once reported, and an upload that was cut off can be made again. */
static void a_blob_is_whole_or_not_there(void **state)
{
    (void)state;
    at_every_call(upload_survives);
}

static bool text_survives(uint64_t n, int round)
{
    struct world w = world_new(n * ROUNDS + (uint64_t)round);
    cccc_str_t data = CCCC_STR("a long text"), back;
    enum simdisk_loss loss = arm(&w, n, round);
    cccc_err_t err = store(&w, (struct cccc_store){.kind = CCCC_STORE_BLOB_TEXT, .name = CCCC_STR("t.txt"), .data = data});
    bool met = simdisk_fired(w.disk);
    simdisk_arm(w.disk, NULL);
    simdisk_power_cut(w.disk, loss);
    cccc_err_t found = read_blob(&w, "t.txt", &back);
    assert_true(found == CCCC_OK ? cccc_str_eq(data, back) : found == CCCC_E_BLOB_NOT_FOUND && err != CCCC_OK);
    world_end(&w);
    return met;
}

/* The same of a spilled text. */
static void a_text_is_whole_or_not_there(void **state)
{
    (void)state;
    at_every_call(text_survives);
}

/* ---- epoch and JSON ---- */

static bool epoch_survives(uint64_t n, int round)
{
    struct world w = world_new(n * ROUNDS + (uint64_t)round);
    uint64_t first = 0, second = 0, third = 0;
    assert_int_equal(cccc_home_next_epoch(w.vfs, &w.home, &first, &w.m), CCCC_OK);
    enum simdisk_loss loss = arm(&w, n, round);
    cccc_err_t err = cccc_home_next_epoch(w.vfs, &w.home, &second, &w.m);
    bool met = simdisk_fired(w.disk);
    simdisk_arm(w.disk, NULL);
    simdisk_power_cut(w.disk, loss);
    assert_int_equal(cccc_home_next_epoch(w.vfs, &w.home, &third, &w.m), CCCC_OK);
    assert_true(third > first && (err != CCCC_OK || third > second));
    world_end(&w);
    return met;
}

/* No epoch is ever given twice. */
static void epochs_rise_across_crashes(void **state)
{
    (void)state;
    at_every_call(epoch_survives);
}

static bool registry_survives(uint64_t n, int round)
{
    struct world w = world_new(n * ROUNDS + (uint64_t)round);
    cccc_builder_t old = cccc_map_builder(w.arena, 1), new = cccc_map_builder(w.arena, 1);
    cccc_map_add(&old, "v", cccc_uint(1));
    cccc_map_add(&new, "v", cccc_uint(2));
    assert_int_equal(store(&w, (struct cccc_store){.kind = CCCC_STORE_REGISTRY, .document = old.value}), CCCC_OK);
    enum simdisk_loss loss = arm(&w, n, round);
    cccc_err_t err = store(&w, (struct cccc_store){.kind = CCCC_STORE_REGISTRY, .document = new.value});
    bool met = simdisk_fired(w.disk);
    simdisk_arm(w.disk, NULL);
    simdisk_power_cut(w.disk, loss);
    enum cccc_written by;
    cccc_value_t back = cccc_json_document(w.vfs, "/home/registry.json", w.arena, &by, &w.m);
    assert_int_equal(by, CCCC_WRITTEN_BY_US);
    assert_true(cccc_value_eq(&back, &new.value) || (err != CCCC_OK && cccc_value_eq(&back, &old.value)));
    world_end(&w);
    return met;
}

/* registry.json is the old or the new one. */
static void a_registry_is_the_old_or_the_new(void **state)
{
    (void)state;
    at_every_call(registry_survives);
}

int main(int argc, char **argv)
{
    seed = argc == 3 && strcmp(argv[1], "--seed") == 0 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_leaves_the_old_or_the_new_group),
        cmocka_unit_test(an_edit_is_never_lost),
        cmocka_unit_test(a_new_group_is_there_or_not),
        cmocka_unit_test(a_blob_is_whole_or_not_there),
        cmocka_unit_test(a_text_is_whole_or_not_there),
        cmocka_unit_test(epochs_rise_across_crashes),
        cmocka_unit_test(a_registry_is_the_old_or_the_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
