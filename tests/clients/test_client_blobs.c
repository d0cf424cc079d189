/* test_client_blobs.c - files of a group: they come back as they went, whole or not at all. With the real daemon. */
#include "clients/lib/include/cccc.h"
#include "tests/clients/daemon.h"
#include "tests/clients/scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char home[256];
static char group_id[15];
static pid_t daemon_pid;
static cccc_t *client;

static int open_all(void **state)
{
    (void)state;
    struct cccc_error err;
    scratch_make(home);
    daemon_pid = daemon_start(home);
    if (cccc_open(&client, &(struct cccc_options){.home = home}, &err) != 0)
        return -1;
    daemon_make_group(client, NULL, 0, group_id);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    cccc_close(&client);
    daemon_end(daemon_pid, SIGTERM, 0);
    scratch_remove(home);
    return 0;
}

static char *file_name(const char *name)
{
    static char path[2][400];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", home, name);
    return path[turn];
}

static void write_file(const char *path, size_t bytes)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    unsigned int random = (unsigned int)bytes;
    for (size_t i = 0; i < bytes; i++)
        fputc(rand_r(&random) & 0xff, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_same_files(const char *one, const char *other)
{
    FILE *a = fopen(one, "r"), *b = fopen(other, "r");
    assert_non_null(a);
    assert_non_null(b);
    int x, y;
    do {
        x = fgetc(a);
        y = fgetc(b);
        assert_int_equal(x, y);
    } while (x != EOF);
    fclose(a);
    fclose(b);
}

/* Nothing, one byte, exactly a piece, several pieces. */
static void files_come_back_as_they_went(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 1024 * 1024, 2 * 1024 * 1024 + 12345};
    struct cccc_error err;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char path[512];
        write_file(file_name("in"), sizes[i]);
        if (cccc_blob_put_file(client, group_id, file_name("in"), path, &err) != 0)
            fail_msg("%zu bytes: %s: %s", sizes[i], err.code, err.message);
        assert_memory_equal(path, "state/blobs/", 12);
        if (cccc_blob_get_file(client, group_id, path, file_name("out"), &err) != 0)
            fail_msg("%zu bytes: %s: %s", sizes[i], err.code, err.message);
        assert_same_files(file_name("in"), file_name("out"));
    }
}

/* The name of a blob is its content: the same file has the same path. */
static void the_same_file_has_the_same_path(void **state)
{
    (void)state;
    struct cccc_error err;
    char first[512], second[512];
    write_file(file_name("in"), 5000);
    assert_int_equal(cccc_blob_put_file(client, group_id, file_name("in"), first, &err), 0);
    assert_int_equal(cccc_blob_put_file(client, group_id, file_name("in"), second, &err), 0);
    assert_string_equal(first, second);
}

/* Too large, missing, a directory: refused here, with the file's name. */
static void what_cannot_be_sent_is_said(void **state)
{
    (void)state;
    struct cccc_error err;
    write_file(file_name("in"), 20 * 1024 * 1024 + 1);
    assert_int_equal(cccc_blob_put_file(client, group_id, file_name("in"), NULL, &err), -1);
    assert_string_equal(err.code, "too_large");
    assert_int_equal(cccc_blob_put_file(client, group_id, file_name("nothing"), NULL, &err), -1);
    assert_non_null(strstr(err.message, "nothing"));
    assert_int_equal(cccc_blob_put_file(client, group_id, home, NULL, &err), -1);
    assert_non_null(strstr(err.message, "not a plain file"));
}

static int count_entries(const char *prefix)
{
    DIR *dir = opendir(home);
    assert_non_null(dir);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(dir);
    return count;
}

/* A get that fails leaves nothing behind, and an old file as it was. */
static void a_failed_get_leaves_no_file(void **state)
{
    (void)state;
    struct cccc_error err;
    const char *missing = "state/blobs/0000000000000000000000000000000000000000000000000000000000000000_x";
    assert_int_equal(cccc_blob_get_file(client, group_id, missing, file_name("got"), &err), -1);
    assert_string_equal(err.code, "blob_not_found");
    assert_int_equal(count_entries("got"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_back_as_they_went),
        cmocka_unit_test(the_same_file_has_the_same_path),
        cmocka_unit_test(what_cannot_be_sent_is_said),
        cmocka_unit_test(a_failed_get_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
