/* test_vfs.c - whole-file operations over any vfs, and the operating system's vfs on a scratch folder. */
#include "broker/ledger/vfs.h"
#include "tests/support/simdisk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- replacing a file ---- */

static void check_text(simdisk_t *disk, const char *path, const char *first, const char *second)
{
    const char *bytes;
    size_t len;
    assert_true(simdisk_peek(disk, path, &bytes, &len));
    assert_true((len == strlen(first) && memcmp(bytes, first, len) == 0) || (len == strlen(second) && memcmp(bytes, second, len) == 0));
}

/* Crash or fail at every call of a replacement: the file is the old one or the new one, and .prev, once there, is an old one whole. */
static void replacing_a_file_leaves_the_old_or_the_new(void **state)
{
    (void)state;
    for (int kind = SIMDISK_FAIL; kind <= SIMDISK_CRASH; kind++) {
        bool fired = true;
        for (uint64_t n = 1; fired; n++) {
            simdisk_t *disk = simdisk_new(n);
            const struct cccc_vfs *vfs = simdisk_vfs(disk);
            assert_int_equal(cccc_vfs_make_dirs(vfs, "/etc/cccc"), 0);
            assert_int_equal(cccc_vfs_replace(vfs, "/etc/cccc/a", "older", 5, true), 0);
            assert_int_equal(cccc_vfs_replace(vfs, "/etc/cccc/a", "old", 3, true), 0);
            simdisk_arm(disk, &(struct simdisk_fault){.kind = (enum simdisk_fault_kind)kind, .at = n, .error = EIO});
            int rc = cccc_vfs_replace(vfs, "/etc/cccc/a", "newest", 6, true);
            fired = simdisk_fired(disk);
            simdisk_power_cut(disk, SIMDISK_DICE);
            check_text(disk, "/etc/cccc/a", rc == 0 ? "newest" : "old", "newest");
            check_text(disk, "/etc/cccc/a.prev", rc == 0 ? "old" : "older", "old");
            simdisk_destroy(&disk);
        }
    }
}

/* Folders that were reported made survive a power cut; files on the way are refused. */
static void made_folders_are_durable(void **state)
{
    (void)state;
    simdisk_t *disk = simdisk_new(1);
    const struct cccc_vfs *vfs = simdisk_vfs(disk);
    struct cccc_stat st;
    assert_int_equal(cccc_vfs_make_dirs(vfs, "/a/b/c/d"), 0);
    assert_int_equal(cccc_vfs_make_dirs(vfs, "/a/b/c/d"), 0);
    simdisk_power_cut(disk, SIMDISK_LOSE_ALL);
    assert_int_equal(vfs->stat(vfs->ctx, "/a/b/c/d", &st), 0);
    assert_int_equal(cccc_vfs_replace(vfs, "/a/file", "", 0, false), 0);
    assert_int_equal(cccc_vfs_make_dirs(vfs, "/a/file"), -ENOTDIR);
    assert_int_equal(cccc_vfs_make_dirs(vfs, "relative/path"), -EINVAL);
    simdisk_destroy(&disk);
}

/* A path that leaves no room for the names made from it is refused before anything is done. */
static void overlong_paths_are_refused(void **state)
{
    (void)state;
    static char path[5000];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    simdisk_t *disk = simdisk_new(1);
    const struct cccc_vfs *vfs = simdisk_vfs(disk);
    assert_int_equal(cccc_vfs_replace(vfs, path, "", 0, false), -ENAMETOOLONG);
    path[4990] = '/';
    assert_int_equal(cccc_vfs_sync_parent(vfs, path), -ENAMETOOLONG);
    simdisk_destroy(&disk);
}

/* ---- the operating system ---- */

struct scratch {
    char dir[64], file[96], other[96], link[96];
    const struct cccc_vfs *vfs;
};

static int scratch_make(void **state)
{
    static struct scratch s;
    const char *tmp = getenv("TMPDIR");
    snprintf(s.dir, sizeof s.dir, "%.40s/cccc-vfs-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(s.dir));
    snprintf(s.file, sizeof s.file, "%s/file", s.dir);
    snprintf(s.other, sizeof s.other, "%s/other", s.dir);
    snprintf(s.link, sizeof s.link, "%s/link", s.dir);
    s.vfs = &cccc_vfs_posix;
    *state = &s;
    return 0;
}

static int scratch_remove(void **state)
{
    struct scratch *s = *state;
    unlink(s->file);
    unlink(s->other);
    unlink(s->link);
    return rmdir(s->dir);
}

/* Bytes written come back; files are private, sizes and kinds are told. */
static void bytes_written_come_back(void **state)
{
    struct scratch *s = *state;
    const struct cccc_vfs *vfs = s->vfs;
    struct cccc_stat st;
    char *text;
    size_t len;
    int fd = vfs->open(vfs->ctx, s->file, CCCC_O_READ | CCCC_O_WRITE | CCCC_O_APPEND | CCCC_O_CREATE | CCCC_O_EXCL);
    assert_true(fd >= 0);
    assert_int_equal(cccc_vfs_write_all(vfs, fd, "hello world", 11), 0);
    assert_int_equal(vfs->sync(vfs->ctx, fd), 0);
    assert_int_equal(vfs->truncate(vfs->ctx, fd, 5), 0);
    assert_int_equal(vfs->drop_cache(vfs->ctx, fd), 0);
    assert_int_equal(vfs->fstat(vfs->ctx, fd, &st), 0);
    assert_true(st.size == 5 && st.is_regular && !st.is_dir && st.mode == 0600 && st.uid == getuid() && st.inode > 0);
    assert_int_equal(vfs->close(vfs->ctx, fd), 0);
    fd = vfs->open(vfs->ctx, s->file, CCCC_O_WRITE);
    assert_int_equal(cccc_vfs_pwrite_all(vfs, fd, "J", 1, 0), 0);
    assert_int_equal(vfs->close(vfs->ctx, fd), 0);
    assert_int_equal(cccc_vfs_slurp(vfs, s->file, 100, &text, &len), 0);
    assert_string_equal(text, "Jello");
    free(text);
    assert_int_equal(cccc_vfs_slurp(vfs, s->file, 4, &text, &len), -EFBIG);
    assert_int_equal(cccc_vfs_slurp(vfs, s->dir, 4, &text, &len), -EINVAL);
    assert_int_equal(cccc_vfs_sync_dir(vfs, s->dir), 0);
    assert_int_equal(vfs->unlink(vfs->ctx, s->file), 0);
}

/* Every refusal is -errno; links are not followed. */
static void refusals_are_errnos_and_links_are_not_followed(void **state)
{
    struct scratch *s = *state;
    const struct cccc_vfs *vfs = s->vfs;
    struct cccc_stat st;
    char byte;
    assert_int_equal(vfs->open(vfs->ctx, s->file, CCCC_O_READ), -ENOENT);
    assert_int_equal(vfs->stat(vfs->ctx, s->file, &st), -ENOENT);
    assert_int_equal(vfs->unlink(vfs->ctx, s->file), -ENOENT);
    assert_int_equal(vfs->rename(vfs->ctx, s->file, s->other), -ENOENT);
    assert_int_equal(vfs->mkdir(vfs->ctx, s->dir), -EEXIST);
    assert_int_equal(vfs->list(vfs->ctx, s->file, NULL, NULL), -ENOENT);
    assert_int_equal(vfs->pread(vfs->ctx, -1, &byte, 1, 0), -EBADF);
    assert_int_equal(vfs->pwrite(vfs->ctx, -1, &byte, 1, 0), -EBADF);
    assert_int_equal(vfs->append(vfs->ctx, -1, &byte, 1), -EBADF);
    assert_int_equal(vfs->sync(vfs->ctx, -1), -EBADF);
    assert_int_equal(vfs->fstat(vfs->ctx, -1, &st), -EBADF);
    assert_int_equal(vfs->truncate(vfs->ctx, -1, 0), -EBADF);
    assert_int_equal(vfs->lock(vfs->ctx, -1), -EBADF);
    assert_int_equal(vfs->close(vfs->ctx, -1), -EBADF);
    assert_int_equal(vfs->drop_cache(vfs->ctx, -1), -EBADF);
    assert_int_equal(symlink("/etc/passwd", s->link), 0);
    assert_int_equal(vfs->open(vfs->ctx, s->link, CCCC_O_READ), -ELOOP);
    assert_int_equal(vfs->stat(vfs->ctx, s->link, &st), 0);
    assert_false(st.is_regular || st.is_dir);
    assert_int_equal(vfs->unlink(vfs->ctx, s->link), 0);
}

/* Whatever lies where a file should be, opening it does not wait for anybody. */
static void a_named_pipe_holds_nobody_up(void **state)
{
    struct scratch *s = *state;
    const struct cccc_vfs *vfs = s->vfs;
    char byte;
    assert_int_equal(mkfifo(s->file, 0600), 0);
    int fd = vfs->open(vfs->ctx, s->file, CCCC_O_READ);
    assert_true(fd >= 0);
    assert_int_equal(vfs->pread(vfs->ctx, fd, &byte, 1, 0), -ESPIPE);
    assert_int_equal(vfs->close(vfs->ctx, fd), 0);
    assert_int_equal(vfs->open(vfs->ctx, s->file, CCCC_O_WRITE), -ENXIO);
    assert_int_equal(vfs->unlink(vfs->ctx, s->file), 0);
}

/* A lock has one holder, and goes with its descriptor. */
static void a_lock_has_one_holder(void **state)
{
    struct scratch *s = *state;
    const struct cccc_vfs *vfs = s->vfs;
    int one = vfs->open(vfs->ctx, s->file, CCCC_O_WRITE | CCCC_O_CREATE);
    int two = vfs->open(vfs->ctx, s->file, CCCC_O_READ);
    assert_int_equal(vfs->lock(vfs->ctx, one), 0);
    assert_int_equal(vfs->lock(vfs->ctx, two), -EWOULDBLOCK);
    vfs->close(vfs->ctx, one);
    assert_int_equal(vfs->lock(vfs->ctx, two), 0);
    vfs->close(vfs->ctx, two);
    vfs->unlink(vfs->ctx, s->file);
}

static void count_name(void *arg, const char *name)
{
    unsigned *count = arg;
    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    ++*count;
}

/* Names are listed without . and .., and a replaced file keeps its predecessor. */
static void names_are_listed(void **state)
{
    struct scratch *s = *state;
    const struct cccc_vfs *vfs = s->vfs;
    unsigned count = 0;
    assert_int_equal(cccc_vfs_replace(vfs, s->file, "1", 1, true), 0);
    assert_int_equal(cccc_vfs_replace(vfs, s->file, "2", 1, true), 0);
    assert_int_equal(vfs->list(vfs->ctx, s->dir, count_name, &count), 0);
    assert_int_equal(count, 2);
    char prev[128];
    snprintf(prev, sizeof prev, "%s.prev", s->file);
    assert_int_equal(vfs->rename(vfs->ctx, prev, s->other), 0);
    assert_int_equal(vfs->unlink(vfs->ctx, s->other), 0);
    assert_int_equal(vfs->unlink(vfs->ctx, s->file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replacing_a_file_leaves_the_old_or_the_new),
        cmocka_unit_test(made_folders_are_durable),
        cmocka_unit_test(overlong_paths_are_refused),
        cmocka_unit_test_setup_teardown(bytes_written_come_back, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(refusals_are_errnos_and_links_are_not_followed, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(a_named_pipe_holds_nobody_up, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(a_lock_has_one_holder, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(names_are_listed, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests_name("vfs", tests, NULL, NULL);
}
