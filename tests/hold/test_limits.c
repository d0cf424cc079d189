/* Where a control group is made, in either version of their hierarchies; folders that look like those stand in for the kernel's, so that both are tested everywhere. */
#include "broker/hold/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64], own[96];

static const char *at(const char *path)
{
    static char full[4][512];
    static unsigned turn;
    char *out = full[turn++ % 4];
    snprintf(out, sizeof full[0], "%s/%s", root, path);
    return out;
}

static void write_at(const char *path, const char *text)
{
    FILE *file = fopen(at(path), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void reads(const char *path, const char *expected)
{
    char text[64] = "";
    FILE *file = fopen(at(path), "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, expected);
}

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/cccc-test-limits-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(own, sizeof own, "%s/own", root);
    return 0;
}

static int end(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* A group that the kernel would make with its files in it. */
static const char *group_in(const char *folder, const char *file)
{
    static char path[128];
    char name[256];
    snprintf(path, sizeof path, "%s/cccc-hold-%d", folder, (int)getpid());
    mkdir(at(path), 0700);
    snprintf(name, sizeof name, "%s/%s", path, file);
    write_at(name, "");
    snprintf(name, sizeof name, "%s/cgroup.procs", path);
    write_at(name, "");
    return path;
}

static struct limits *limits_for(const char *where, uint64_t processes, uint64_t bytes)
{
    static struct limits limits;
    struct limits_places places = {root, own};
    write_at("own", where);
    limits_init(&limits, &places, processes, bytes);
    return &limits;
}

/* Version 2: beside the group we are in, where the one above gives its children the controller; what enters is written there, and the door is closed with a 0. */
static void version_2_has_its_group_beside_ours(void **state)
{
    char file[300];
    (void)state;
    mkdir(at("user.slice"), 0700);
    write_at("user.slice/cgroup.subtree_control", "cpu memory pids\n");
    const char *group = group_in("user.slice", "pids.max");
    struct limits *limits = limits_for("0::/user.slice/a.service\n", 40, 0);
    assert_string_equal(limits->group[LIMITED_PROCESSES], at(group));
    snprintf(file, sizeof file, "%s/pids.max", group);
    reads(file, "40");
    assert_true(limits_enter(limits));
    snprintf(file, sizeof file, "%s/cgroup.procs", group);
    reads(file, "0");
    limits_close_door(limits);
    snprintf(file, sizeof file, "%s/pids.max", group);
    reads(file, "00"); /* a plain file keeps the rest of what was in it */
}

static void version_2_without_the_controller_has_no_group(void **state)
{
    (void)state;
    mkdir(at("user.slice"), 0700);
    write_at("user.slice/cgroup.subtree_control", "cpu\n");
    group_in("user.slice", "memory.max");
    assert_string_equal(limits_for("0::/user.slice/a.service\n", 0, 1 << 20)->group[LIMITED_MEMORY], "");
    assert_string_equal(limits_for("0::/\n", 40, 0)->group[LIMITED_PROCESSES], "");
}

/* Version 1: below ours, in the controller's own hierarchy, found among all the lines. */
static void version_1_has_its_group_below_ours(void **state)
{
    char file[300];
    (void)state;
    mkdir(at("memory"), 0700);
    mkdir(at("memory/a"), 0700);
    const char *group = group_in("memory/a", "memory.limit_in_bytes");
    struct limits *limits = limits_for("9:pids:/\n4:cpu,memory:/b\n3:memory:/a\n0::/\n", 0, 1 << 20);
    assert_string_equal(limits->group[LIMITED_MEMORY], "");
    limits = limits_for("9:cpu:/\n3:memory:/a\n0::/\n", 0, 1 << 20);
    assert_string_equal(limits->group[LIMITED_MEMORY], at(group));
    snprintf(file, sizeof file, "%s/memory.limit_in_bytes", group);
    reads(file, "1048576");
}

/* Groups of holders that are no more are removed, those of the living stay. */
static void leftovers_are_removed(void **state)
{
    char dead[64], alive[64];
    (void)state;
    mkdir(at("pids"), 0700);
    snprintf(dead, sizeof dead, "pids/cccc-hold-%d", 1 << 29); /* above any pid */
    snprintf(alive, sizeof alive, "pids/cccc-hold-%d", (int)getppid());
    mkdir(at(dead), 0700);
    mkdir(at(alive), 0700);
    limits_for("8:pids:/\n", 40, 0);
    assert_int_not_equal(access(at(dead), F_OK), 0);
    assert_int_equal(access(at(alive), F_OK), 0);
}

static const char *in(const char *folder, const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* What a control group has counted names the limit that was reached, in either version; counts of 0, of other things, and groups that say nothing name none. */
static void a_limit_that_was_reached_is_named(void **state)
{
    (void)state;
    mkdir(at("user.slice"), 0700);
    mkdir(at("memory"), 0700);
    write_at("user.slice/cgroup.subtree_control", "cpu memory pids\n");
    const char *group = group_in("user.slice", "memory.max");
    write_at(in(group, "pids.max"), "");
    struct limits *limits = limits_for("0::/user.slice/a.service\n", 40, 1 << 20);
    assert_string_equal(limits_reached(limits), "");
    write_at(in(group, "memory.events"), "low 3\nhigh 0\nmax 7\noom 1\noom_kill 0\n");
    write_at(in(group, "pids.events"), "max 0\n");
    assert_string_equal(limits_reached(limits), "");
    write_at(in(group, "pids.events"), "max 12\n");
    assert_string_equal(limits_reached(limits), "processes");
    write_at(in(group, "memory.events"), "oom 1\noom_kill 2\n");
    assert_string_equal(limits_reached(limits), "memory");
    group = group_in("memory", "memory.limit_in_bytes");
    limits = limits_for("3:memory:/\n", 0, 1 << 20);
    write_at(in(group, "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    assert_string_equal(limits_reached(limits), "");
    write_at(in(group, "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    assert_string_equal(limits_reached(limits), "memory");
    assert_string_equal(limits_reached(limits_for("9:cpu:/\n", 0, 1 << 20)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_2_has_its_group_beside_ours, begin, end),
        cmocka_unit_test_setup_teardown(version_2_without_the_controller_has_no_group, begin, end),
        cmocka_unit_test_setup_teardown(version_1_has_its_group_below_ours, begin, end),
        cmocka_unit_test_setup_teardown(leftovers_are_removed, begin, end),
        cmocka_unit_test_setup_teardown(a_limit_that_was_reached_is_named, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
