/* test_snapshot.c - a saved state is what was written, or it is refused: no flipped bit, no cut, no other group's file, no half-done write is ever taken for it. */
#include "broker/ledger/snapshot.h"
#include "proto/limits.h"
#include "tests/ledger/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILE_PATH WORLD_GROUP "/state/ledger/snapshot"
#define GROUP     "g_000000000001"

static const struct cccc_snapshot position = {.group_id = GROUP, .seq = 77, .epoch = 5, .crc = 0xdeadbeef};

static int save(simdisk_t *disk, const char *payload, bool sync)
{
    cccc_buf_t buf;
    uint64_t bytes = 0;
    cccc_buf_init(&buf);
    cccc_buf_str(&buf, payload);
    int rc = cccc_snapshot_write(simdisk_vfs(disk), WORLD_GROUP, &position, &buf, sync, &bytes);
    cccc_buf_fini(&buf);
    return rc;
}

static simdisk_t *disk_with(const char *payload)
{
    simdisk_t *disk = simdisk_new(1);
    cccc_vfs_make_dirs(simdisk_vfs(disk), WORLD_GROUP "/state/ledger");
    if (payload)
        assert_int_equal(save(disk, payload, true), 0);
    return disk;
}

/* 0 and the payload is one of the two; or the error. */
static int load(simdisk_t *disk, const char *group_id, const char *one, const char *other)
{
    struct cccc_snapshot found;
    char *file;
    cccc_str_t payload;
    int rc = cccc_snapshot_read(simdisk_vfs(disk), WORLD_GROUP, group_id, &found, &file, &payload);
    if (rc < 0)
        return rc;
    assert_true(cccc_str_is(payload, one) || cccc_str_is(payload, other));
    assert_true(found.seq == position.seq && found.crc == position.crc && found.epoch == position.epoch);
    assert_string_equal(found.group_id, GROUP);
    free(file);
    return 0;
}

/* What was saved is found again, with its position; where nothing was saved, nothing is. */
static void a_saved_state_is_found_again(void **state)
{
    (void)state;
    simdisk_t *disk = disk_with(NULL);
    assert_int_equal(load(disk, GROUP, "", ""), -ENOENT);
    assert_int_equal(save(disk, "the state", false), 0);
    assert_int_equal(load(disk, GROUP, "the state", ""), 0);
    assert_int_equal(save(disk, "", true), 0);
    assert_int_equal(load(disk, GROUP, "", ""), 0);
    cccc_snapshot_remove(simdisk_vfs(disk), WORLD_GROUP);
    assert_int_equal(load(disk, GROUP, "", ""), -ENOENT);
    simdisk_destroy(&disk);
}

/* Every flip of a bit and every cut is noticed. */
static void a_damaged_state_is_refused(void **state)
{
    (void)state;
    simdisk_t *disk = disk_with("sixteen bytes...");
    const char *bytes;
    size_t len;
    assert_true(simdisk_peek(disk, FILE_PATH, &bytes, &len));
    char *sound = malloc(len + 1), *hurt = malloc(len + 1);
    assert_true(sound && hurt);
    memcpy(sound, bytes, len);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        memcpy(hurt, sound, len);
        hurt[bit / 8] = (char)(hurt[bit / 8] ^ (1 << bit % 8));
        simdisk_poke(disk, FILE_PATH, hurt, len);
        assert_int_equal(load(disk, GROUP, "", ""), -EBADMSG);
    }
    for (size_t cut = 0; cut < len; cut++) {
        simdisk_poke(disk, FILE_PATH, sound, cut);
        assert_int_equal(load(disk, GROUP, "", ""), -EBADMSG);
    }
    memcpy(hurt, sound, len);
    hurt[len] = '\n';
    simdisk_poke(disk, FILE_PATH, hurt, len + 1);
    assert_int_equal(load(disk, GROUP, "", ""), -EBADMSG);
    free(sound);
    free(hurt);
    simdisk_destroy(&disk);
}

/* A file that somebody copied from another group is not believed. */
static void the_state_of_another_group_is_refused(void **state)
{
    (void)state;
    simdisk_t *disk = disk_with("the state");
    assert_int_equal(load(disk, "g_000000000002", "", ""), -EBADMSG);
    simdisk_destroy(&disk);
}

static void write_with_fault(enum simdisk_fault_kind kind, uint64_t at, bool sync, const enum simdisk_loss *loss, bool *done)
{
    simdisk_t *disk = disk_with("the old state");
    simdisk_arm(disk, &(struct simdisk_fault){.kind = kind, .at = at, .error = EIO});
    int rc = save(disk, "the new state, longer", sync);
    *done = !simdisk_fired(disk);
    simdisk_arm(disk, NULL);
    if (loss)
        simdisk_power_cut(disk, *loss);
    int found = load(disk, GROUP, "the old state", "the new state, longer");
    assert_true(found == 0 || (!sync && loss && found == -EBADMSG) || (!sync && loss && found == -ENOENT));
    if (rc == 0 && sync)
        assert_int_equal(load(disk, GROUP, "the new state, longer", "the new state, longer"), 0);
    if (!loss)
        assert_int_equal(found, 0);
    simdisk_destroy(&disk);
}

/* A write that fails, or is interrupted, at any call leaves the old state, the new one, or (unsynced, after a power cut) one that is refused. */
static void a_write_stopped_anywhere_leaves_one_or_the_other(void **state)
{
    (void)state;
    static const enum simdisk_loss losses[] = {SIMDISK_LOSE_ALL, SIMDISK_KEEP_ALL, SIMDISK_DICE};
    for (int sync = 0; sync < 2; sync++) {
        bool done = false;
        for (uint64_t at = 1; !done; at++)
            write_with_fault(SIMDISK_FAIL, at, sync, NULL, &done);
        for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
            done = false;
            for (uint64_t at = 1; !done; at++)
                write_with_fault(SIMDISK_CRASH, at, sync, &losses[i], &done);
        }
    }
}

/* More than SNAPSHOT_BYTES_MAX is neither written nor read. */
static void a_state_has_a_maximum(void **state)
{
    (void)state;
    simdisk_t *disk = disk_with("the old state");
    char byte = 0;
    cccc_buf_t huge = {.size = CCCC_SNAPSHOT_BYTES_MAX, .data = &byte, .alloc = CCCC_SNAPSHOT_BYTES_MAX};
    uint64_t bytes;
    assert_int_equal(cccc_snapshot_write(simdisk_vfs(disk), WORLD_GROUP, &position, &huge, true, &bytes), -EFBIG);
    assert_int_equal(load(disk, GROUP, "the old state", "the old state"), 0);
    simdisk_destroy(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_state_is_found_again),
        cmocka_unit_test(a_damaged_state_is_refused),
        cmocka_unit_test(the_state_of_another_group_is_refused),
        cmocka_unit_test(a_write_stopped_anywhere_leaves_one_or_the_other),
        cmocka_unit_test(a_state_has_a_maximum),
    };
    return cmocka_run_group_tests_name("ledger snapshot", tests, NULL, NULL);
}
