/* test_git.c - which repository a directory belongs to: with git, without it, and with one that hangs, floods or lies. */
#include "broker/store/files.h"
#include "tests/support/scratch_home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct scratch s;
static char *path_before;

static int up(void **state)
{
    (void)state;
    scratch_open(&s);
    path_before = strdup(getenv("PATH"));
    return 0;
}

static int down(void **state)
{
    (void)state;
    setenv("PATH", path_before, 1);
    free(path_before);
    unsetenv("GIT_DIR");
    scratch_close(&s);
    return 0;
}

/* Runs the effect for `path` and compares what it yields. */
static void assert_detected(const char *path, const char *root, const char *remote)
{
    assert_int_equal(scratch_store(&s, &cccc_vfs_posix, (struct cccc_store){.kind = CCCC_STORE_GIT, .name = cccc_str(path)}), CCCC_OK);
    cccc_str_t got_root = cccc_get_str(&s.value, "root"), got_remote = cccc_get_str(&s.value, "git_remote");
    if (!cccc_str_is(got_root, root) || !cccc_str_is(got_remote, remote))
        fail_msg("%s: root %.*s, remote %.*s", path, CCCC_STR_FMT(got_root), CCCC_STR_FMT(got_remote));
}

/* Puts a script named git before everything else on PATH, for this test's process. */
static void fake_git(const char *script)
{
    scratch_write(&s, "bin/git", script);
    assert_int_equal(chmod(scratch_path(&s, "bin/git"), 0700), 0);
    setenv("PATH", cccc_arena_printf(s.arena, "%s:/usr/bin:/bin", scratch_path(&s, "bin")).ptr, 1);
}

static double elapsed_s(const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - since->tv_sec) + (double)(now.tv_nsec - since->tv_nsec) / 1e9;
}

/* A directory anywhere in a repository belongs to its top folder, whatever GIT_DIR says. */
static void a_repository_is_found_from_inside(void **state)
{
    (void)state;
    if (system("git --version >/dev/null 2>&1") != 0)
        skip();
    const char *top = scratch_path(&s, "repo"), *sub = scratch_path(&s, "repo/a/b");
    assert_int_equal(cccc_vfs_make_dirs(&cccc_vfs_posix, sub), 0);
    assert_int_equal(system(cccc_arena_printf(s.arena, "git -C '%s' init -q", top).ptr), 0);
    assert_detected(sub, top, "");
    assert_int_equal(system(cccc_arena_printf(s.arena, "git -C '%s' config remote.origin.url git@github.com:acme/widget.git", top).ptr), 0);
    setenv("GIT_DIR", "/nowhere", 1);
    assert_detected(sub, top, "git@github.com:acme/widget.git");
    assert_detected(cccc_arena_printf(s.arena, "%s/./../b//", sub).ptr, top, "git@github.com:acme/widget.git");
}

/* No repository, no directory, no git: the path itself, normalised. */
static void without_a_repository_the_path_is_the_root(void **state)
{
    (void)state;
    assert_detected(s.dir, s.dir, "");
    assert_detected("/nowhere/x/../y/./z/", "/nowhere/y/z", "");
    assert_detected("/../..", "/", "");
    assert_detected("//", "/", "");
    setenv("PATH", "/nowhere", 1);
    assert_detected(s.dir, s.dir, "");
}

/* Relative, empty and overlong paths are refused. */
static void bad_paths_are_refused(void **state)
{
    (void)state;
    char *deep = cccc_arena_alloc(s.arena, 5001);
    memset(deep, '/', 5000);
    const struct {
        cccc_str_t path;
        cccc_err_t err;
    } cases[] = {{CCCC_STR(""), CCCC_E_INVALID_PATH},
                 {CCCC_STR("a/b"), CCCC_E_INVALID_PATH},
                 {CCCC_STR("/a\0b"), CCCC_E_INVALID_PATH},
                 {{deep, 5000}, CCCC_E_TOO_LARGE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(scratch_store(&s, &cccc_vfs_posix, (struct cccc_store){.kind = CCCC_STORE_GIT, .name = cases[i].path}),
                         cases[i].err);
}

/* A git that hangs is ended, with what it started, when its time is up. */
static void a_hanging_git_is_ended(void **state)
{
    (void)state;
    static const char *const scripts[] = {"#!/bin/sh\necho $$ >\"$0.pid\"\nsleep 100\n",
                                          "#!/bin/sh\necho $$ >\"$0.pid\"\nexec >&-\nexec sleep 100\n"};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        cccc_str_t root, remote;
        struct timespec start;
        fake_git(scripts[i]);
        clock_gettime(CLOCK_MONOTONIC, &start);
        cccc_git_detect("/some/where", 300, s.arena, &root, &remote);
        assert_true(elapsed_s(&start) < 3);
        assert_true(cccc_str_is(root, "/some/where") && remote.len == 0);
        pid_t pid = atoi(scratch_read(&s, "bin/git.pid"));
        assert_true(pid > 0 && kill(pid, 0) < 0);
    }
}

/* A git that prints without end, no path, no text, or fails is no answer. */
static void a_lying_git_is_no_answer(void **state)
{
    (void)state;
    static const char *const scripts[] = {"#!/bin/sh\nexec yes /x\n",
                                          "#!/bin/sh\necho relative\n",
                                          "#!/bin/sh\nprintf '/\\377\\n'\n",
                                          "#!/bin/sh\necho /x\nexit 3\n",
                                          "#!/bin/sh\n",
                                          "#!/bin/sh\nkill -9 $$\n",
                                          "not a program"};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        fake_git(scripts[i]);
        assert_detected("/some/where", "/some/where", "");
    }
}

/* git gets no terminal, no GIT_*, default signals, and the path as one word. */
static void git_starts_clean(void **state)
{
    (void)state;
    setenv("GIT_DIR", "/nowhere", 1);
    fake_git("#!/bin/sh\ncase \"$4\" in --show-toplevel) echo \"/top-${GIT_DIR:-none}-$(cat | wc -c | tr -d ' ')-$3\";; *) echo "
             "https://x.org/y;; esac\n");
    assert_detected("/a b;c", "/top-none-0-rev-parse", "https://x.org/y");
}

/* What stands before the host of a remote may be a secret and is left out; the rest is git's. */
static void remotes_come_without_credentials(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"https://u:p@x.org/y.git", "https://x.org/y.git"},
        {"https://token@x.org:8443/@a", "https://x.org:8443/@a"},
        {"ssh://git@host/x", "ssh://host/x"},
        {"https://u:p@w@x.org", "https://x.org"},
        {"https://x.org/a@b", "https://x.org/a@b"},
        {"git@github.com:acme/widget.git", "git@github.com:acme/widget.git"},
        {"/srv/x.git", "/srv/x.git"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_git(
            cccc_arena_printf(s.arena, "#!/bin/sh\ncase \"$4\" in --show-toplevel) echo /top;; *) echo '%s';; esac\n", cases[i][0]).ptr);
        assert_detected("/some/where", "/top", cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)
        TEST(a_repository_is_found_from_inside),
        TEST(without_a_repository_the_path_is_the_root),
        TEST(bad_paths_are_refused),
        TEST(a_hanging_git_is_ended),
        TEST(a_lying_git_is_no_answer),
        TEST(git_starts_clean),
        TEST(remotes_come_without_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
