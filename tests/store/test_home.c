/* test_home.c - finding the home, refusing one that others could change, one daemon per home, epochs and the descriptor. */
#include "broker/ledger/vfs.h"
#include "tests/support/scratch_home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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
    unsetenv("CCCC_HOME");
    scratch_close(&s);
    return 0;
}

/* ---- finding ---- */

static void assert_root(const char *given, const char *expected)
{
    struct cccc_home home;
    if (cccc_home_find(given, &home, &s.m))
        fail_msg("%s: %s", given, s.m.text);
    assert_string_equal(home.root, expected);
}

/* An option goes before CCCC_HOME, CCCC_HOME before ~/.cccc; empty ones count as not given. */
static void the_home_is_the_option_or_the_variable_or_the_default(void **state)
{
    (void)state;
    assert_int_equal(setenv("HOME", s.dir, 1), 0);
    unsetenv("CCCC_HOME");
    assert_root(NULL, cccc_arena_printf(s.arena, "%s/.cccc", s.dir).ptr);
    assert_root("", cccc_arena_printf(s.arena, "%s/.cccc", s.dir).ptr);
    setenv("CCCC_HOME", "", 1);
    assert_root(NULL, cccc_arena_printf(s.arena, "%s/.cccc", s.dir).ptr);
    setenv("CCCC_HOME", "~/other", 1);
    assert_root(NULL, cccc_arena_printf(s.arena, "%s/other", s.dir).ptr);
    assert_root("~", s.dir);
    assert_root("/nowhere/at/all", "/nowhere/at/all");
    assert_root("/", "/");
}

/* Two names of one folder are one home: links and dots are resolved as far as the path exists. */
static void names_of_one_folder_find_one_home(void **state)
{
    (void)state;
    const char *link = cccc_arena_printf(s.arena, "%s/link", s.dir).ptr, *loop = cccc_arena_printf(s.arena, "%s/loop", s.dir).ptr;
    assert_int_equal(symlink(s.home.root, link), 0);
    assert_int_equal(symlink(loop, loop), 0);
    assert_root(link, s.home.root);
    assert_root(cccc_arena_printf(s.arena, "%s/", link).ptr, s.home.root);
    assert_root(cccc_arena_printf(s.arena, "%s/daemon/../../link//.", link).ptr, s.home.root);
    assert_root(cccc_arena_printf(s.arena, "%s/new/./er/", link).ptr, cccc_arena_printf(s.arena, "%s/new/er", s.home.root).ptr);
    struct cccc_home home;
    assert_int_equal(cccc_home_find(loop, &home, &s.m), CCCC_E_INVALID_PATH);
    assert_int_equal(cccc_home_find(cccc_arena_printf(s.arena, "%s/new/../x", s.dir).ptr, &home, &s.m), CCCC_E_INVALID_PATH);
    assert_int_equal(cccc_home_find("~nobody/x", &home, &s.m), CCCC_E_INVALID_PATH);
    char *deep = cccc_arena_alloc(s.arena, 5000);
    memset(deep, 'a', 4999);
    for (int i = 0; i < 4999; i += 100)
        deep[i] = '/';
    deep[4999] = '\0';
    assert_int_equal(cccc_home_find(deep, &home, &s.m), CCCC_E_INVALID_PATH);
    assert_non_null(strstr(s.m.text, "CCCC_HOME"));
}

/* A relative home is the caller's, wherever the daemon goes later. */
static void a_relative_home_becomes_absolute(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(s.dir), 0);
    assert_root("home", s.home.root);
    assert_root("newer", cccc_arena_printf(s.arena, "%s/newer", s.dir).ptr);
    assert_int_equal(chdir(before), 0);
}

/* ---- preparing ---- */

static uint32_t mode_of(const char *path)
{
    struct cccc_stat st;
    assert_int_equal(cccc_vfs_posix.stat(NULL, path, &st), 0);
    return st.mode & 0777;
}

/* What is made is for the owner alone, and making it again changes nothing. */
static void a_new_home_is_private(void **state)
{
    (void)state;
    static const char *const folders[] = {"", "daemon", "groups", "trash"};
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_OK);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_int_equal(mode_of(scratch_path(&s, "%s", folders[i])), 0700);
    assert_string_equal(s.home.sock_dir, scratch_path(&s, "daemon"));
}

/* A home that others can write to is refused with the command that closes it, and is not changed. */
static void a_home_others_can_write_is_refused(void **state)
{
    (void)state;
    assert_int_equal(chmod(s.home.root, 0775), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_E_PERMISSION_DENIED);
    assert_non_null(strstr(s.m.text, cccc_arena_printf(s.arena, "chmod 700 '%s'", s.home.root).ptr));
    assert_int_equal(mode_of(s.home.root), 0775);
    assert_int_equal(chmod(s.home.root, 0755), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_OK);
    assert_int_equal(chmod(scratch_path(&s, "groups"), 0777), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_E_PERMISSION_DENIED);
    assert_non_null(strstr(s.m.text, "groups"));
    assert_int_equal(chmod(s.home.root, 0700), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_OK);
}

/* A home, or a folder of it, that belongs to somebody else is refused. Only root can give a folder away, so only root runs this. */
static void a_home_of_somebody_else_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(s.home.root, 12345, 0), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_E_PERMISSION_DENIED);
    assert_non_null(strstr(s.m.text, "uid 12345"));
    assert_int_equal(chown(s.home.root, 0, 0), 0);
    assert_int_equal(chown(scratch_path(&s, "daemon"), 12345, 0), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_E_PERMISSION_DENIED);
    assert_non_null(strstr(s.m.text, "daemon"));
}

/* A file or a link where a folder of the home should be is refused, not followed. */
static void a_link_instead_of_a_folder_is_refused(void **state)
{
    (void)state;
    assert_int_equal(rename(scratch_path(&s, "groups"), scratch_path(&s, "elsewhere")), 0);
    assert_int_equal(symlink("elsewhere", scratch_path(&s, "groups")), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_E_PERMISSION_DENIED);
    assert_int_equal(unlink(scratch_path(&s, "groups")), 0);
    scratch_write(&s, "groups", "");
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &s.home, &s.m), CCCC_E_PERMISSION_DENIED);
    assert_non_null(strstr(s.m.text, "not a directory"));
}

/* A home whose path is too long for a socket gets a short private directory that depends on nothing but its path. */
static void a_long_home_gets_a_short_socket_directory(void **state)
{
    (void)state;
    struct cccc_home home, again;
    const char *path = scratch_path(&s, "%0120d", 7);
    assert_int_equal(cccc_home_find(path, &home, &s.m), CCCC_OK);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &home, &s.m), CCCC_OK);
    assert_int_equal(cccc_home_find(path, &again, &s.m), CCCC_OK);
    assert_string_equal(home.sock_dir, again.sock_dir);
    assert_true(strlen(home.sock_dir) < 80);
    assert_null(strstr(home.sock_dir, home.root));
    assert_int_equal(mode_of(home.sock_dir), 0700);
    assert_int_equal(chmod(home.sock_dir, 0755), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &home, &s.m), CCCC_E_PERMISSION_DENIED);
    assert_non_null(strstr(s.m.text, home.sock_dir));
    assert_int_equal(rmdir(home.sock_dir), 0);
    assert_int_equal(symlink(s.home.root, home.sock_dir), 0);
    assert_int_equal(cccc_home_prepare(&cccc_vfs_posix, &home, &s.m), CCCC_E_PERMISSION_DENIED);
    assert_int_equal(unlink(home.sock_dir), 0);
}

/* ---- the lock ---- */

enum { RACERS = 20 };

/* What a racer tells its parent. */
struct outcome {
    int32_t self, pid;
    int err;
    int64_t took_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for the start, tries for the lock, reports, and (holding it, if it won) lives until the parent closes `stop`. */
static _Noreturn void race(int start, int report, int stop)
{
    char byte;
    int fd = -1;
    struct outcome outcome = {.self = getpid()};
    struct cccc_errmsg m;
    if (read(start, &byte, 1) < 0)
        _exit(1);
    int64_t before = now_ms();
    outcome.err = (int)cccc_home_lock(&cccc_vfs_posix, &s.home, &fd, &outcome.pid, &m);
    outcome.took_ms = now_ms() - before;
    if (write(report, &outcome, sizeof outcome) != sizeof outcome || read(stop, &byte, 1) < 0)
        _exit(1);
    _exit(0);
}

/* Starts the racers and gathers what they report. */
static void run_race(struct outcome outcomes[RACERS])
{
    int start[2], report[2], stop[2];
    assert_true(pipe(start) == 0 && pipe(report) == 0 && pipe(stop) == 0);
    pid_t pids[RACERS];
    for (int i = 0; i < RACERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            close(start[1]), close(stop[1]), close(report[0]);
            race(start[0], report[1], stop[0]);
        }
    }
    close(start[0]), close(start[1]), close(stop[0]), close(report[1]);
    for (int i = 0; i < RACERS; i++)
        assert_int_equal(read(report[0], &outcomes[i], sizeof outcomes[i]), sizeof outcomes[i]);
    close(stop[1]), close(report[0]);
    for (int i = 0; i < RACERS; i++)
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
}

/* Of twenty daemons started at once on one home exactly one wins, and the others learn its pid within half a second; also when a dead
 * daemon's pid still stands in the file, or CCCC 0.4.0's one byte. */
static void of_twenty_racers_one_wins_and_all_know_who(void **state)
{
    (void)state;
    static const char *const before[] = {NULL, "2147483646\n", "x"};
    for (size_t round = 0; round < sizeof before / sizeof *before; round++) {
        struct outcome outcomes[RACERS];
        int32_t winner = 0;
        if (before[round])
            scratch_write(&s, "daemon/ccccd.lock", before[round]);
        run_race(outcomes);
        for (int i = 0; i < RACERS; i++)
            if (outcomes[i].err == CCCC_OK) {
                assert_int_equal(winner, 0);
                winner = outcomes[i].self;
            }
        assert_true(winner > 0);
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(outcomes[i].pid, winner);
            assert_true(outcomes[i].err == CCCC_OK || outcomes[i].err == CCCC_E_LOCKED);
            assert_true(outcomes[i].took_ms <= 600);
        }
        assert_string_equal(scratch_read(&s, "daemon/ccccd.pid"), cccc_arena_printf(s.arena, "%d\n", winner).ptr);
    }
}

/* A loser that finds no pid says so after half a second instead of waiting for ever. */
static void an_owner_that_writes_no_pid_is_reported_in_time(void **state)
{
    (void)state;
    int32_t pid = -1;
    int fd = -1;
    int other = cccc_vfs_posix.open(NULL, scratch_path(&s, "daemon/ccccd.lock"), CCCC_O_READ | CCCC_O_WRITE | CCCC_O_CREATE);
    assert_int_equal(cccc_vfs_posix.lock(NULL, other), 0);
    int64_t before = now_ms();
    assert_int_equal(cccc_home_lock(&cccc_vfs_posix, &s.home, &fd, &pid, &s.m), CCCC_E_LOCKED);
    int64_t took = now_ms() - before;
    assert_true(took >= 450 && took < 1500);
    assert_int_equal(pid, 0);
    assert_int_equal(fd, -1);
    close(other);
    assert_int_equal(cccc_home_lock(&cccc_vfs_posix, &s.home, &fd, &pid, &s.m), CCCC_OK);
    assert_int_equal(pid, getpid());
    close(fd);
}

/* A lock file that cannot be used is an error, not a lock. */
static void a_lock_file_that_is_a_link_is_refused(void **state)
{
    (void)state;
    int fd = -1;
    int32_t pid = 0;
    assert_int_equal(symlink("/dev/null", scratch_path(&s, "daemon/ccccd.lock")), 0);
    assert_int_equal(cccc_home_lock(&cccc_vfs_posix, &s.home, &fd, &pid, &s.m), CCCC_E_STORAGE);
    assert_non_null(strstr(s.m.text, "symbolic link"));
}

/* ---- epoch ---- */

/* Each start has a number of its own. A lost or damaged file does not bring an old one back once there are groups. */
static void the_epoch_only_rises(void **state)
{
    (void)state;
    uint64_t epoch = 0, last = 0;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(cccc_home_next_epoch(&cccc_vfs_posix, &s.home, &epoch, &s.m), CCCC_OK);
        assert_int_equal(epoch, i);
    }
    scratch_write(&s, "groups/g_0123456789ab/ledger.jsonl", "");
    static const char *const damaged[] = {NULL,
                                          "",
                                          "0\n",
                                          "12",
                                          "-5\n",
                                          "99999999999999999999\n",
                                          "18446744073709551615\n",
                                          "7x\n",
                                          "7 00000000\n",
                                          "8 3a7b5a6b\n",
                                          "1234567890123456789012345678901234567890123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        if (damaged[i])
            scratch_write(&s, "daemon/epoch", damaged[i]);
        else
            assert_int_equal(unlink(scratch_path(&s, "daemon/epoch")), 0);
        assert_int_equal(cccc_home_next_epoch(&cccc_vfs_posix, &s.home, &epoch, &s.m), CCCC_OK);
        assert_true(epoch >= (uint64_t)time(NULL) && epoch <= (uint64_t)time(NULL) + 1);
        last = epoch;
    }
    assert_int_equal(cccc_home_next_epoch(&cccc_vfs_posix, &s.home, &epoch, &s.m), CCCC_OK);
    assert_int_equal(epoch, last + 1);
    assert_int_equal(unlink(scratch_path(&s, "daemon/epoch")), 0);
    assert_int_equal(mkdir(scratch_path(&s, "daemon/epoch"), 0700), 0);
    assert_int_not_equal(cccc_home_next_epoch(&cccc_vfs_posix, &s.home, &epoch, &s.m), CCCC_OK);
    assert_int_equal(epoch, last + 1);
}

/* ---- descriptor ---- */

/* The descriptor has the members CCCC 0.4.0 clients read, then ours; removing it also takes the pid away. */
static void the_descriptor_says_where_everything_is(void **state)
{
    (void)state;
    struct cccc_descriptor d = {
        .pid = 77, .version = "0.1.0", .path = "/h/daemon/ccccd.sock", .bus = "ipc:///h/bus", .events = "ipc:///h/events", .epoch = 9};
    d.pid_started = 12;
    snprintf(d.folder, sizeof d.folder, "7:18446744073709551615");
    scratch_write(&s, "daemon/ccccd.pid", "77\n");
    assert_int_equal(cccc_descriptor_write(&cccc_vfs_posix, &s.home, &d, "2026-11-23T16:14:40.339670Z", &s.m), CCCC_OK);
    assert_string_equal(
        scratch_read(&s, "daemon/ccccd.addr.json"),
        "{\n  \"v\": 1,\n  \"transport\": \"unix\",\n  \"path\": \"/h/daemon/ccccd.sock\",\n  \"host\": \"\",\n  \"port\": 0,\n"
        "  \"pid\": 77,\n  \"version\": \"0.4.0\",\n  \"ts\": \"2026-11-23T16:14:40.339670Z\",\n"
        "  \"implementation\": {\n    \"name\": \"cccc\",\n    \"version\": \"0.1.0\"\n  },\n  \"bus\": \"ipc:///h/bus\",\n"
        "  \"events\": \"ipc:///h/events\",\n  \"protocol\": 1,\n  \"epoch\": 9,\n"
        "  \"folder\": \"7:18446744073709551615\",\n  \"pid_started\": 12\n}\n");
    d.port = 4711;
    assert_int_equal(cccc_descriptor_write(&cccc_vfs_posix, &s.home, &d, "2026-11-23T16:14:40.339670Z", &s.m), CCCC_OK);
    assert_non_null(strstr(scratch_read(&s, "daemon/ccccd.addr.json"),
                           "\"transport\": \"tcp\",\n  \"path\": \"\",\n  \"host\": \"127.0.0.1\",\n  \"port\": 4711,\n"));
    cccc_descriptor_remove(&cccc_vfs_posix, &s.home);
    assert_false(scratch_exists(&s, "daemon/ccccd.addr.json"));
    assert_false(scratch_exists(&s, "daemon/ccccd.pid"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)
        TEST(the_home_is_the_option_or_the_variable_or_the_default),
        TEST(names_of_one_folder_find_one_home),
        TEST(a_relative_home_becomes_absolute),
        TEST(a_new_home_is_private),
        TEST(a_home_others_can_write_is_refused),
        TEST(a_home_of_somebody_else_is_refused),
        TEST(a_link_instead_of_a_folder_is_refused),
        TEST(a_long_home_gets_a_short_socket_directory),
        TEST(of_twenty_racers_one_wins_and_all_know_who),
        TEST(an_owner_that_writes_no_pid_is_reported_in_time),
        TEST(a_lock_file_that_is_a_link_is_refused),
        TEST(the_epoch_only_rises),
        TEST(the_descriptor_says_where_everything_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
