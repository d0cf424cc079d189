/* test_client_blobs.c - files of a group: they come back as they went, whole or not at all. With the real daemon. */
#include "clients/lib/include/cccc.h"
#include "tests/clients/daemon.h"
#include "tests/clients/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

struct reading {
    int fd;
    char got[8192];
    size_t len;
};

static void *read_pipe(void *arg)
{
    struct reading *self = arg;
    ssize_t n;
    while ((n = read(self->fd, self->got + self->len, sizeof self->got - self->len)) > 0)
        self->len += (size_t)n;
    return NULL;
}

/* A pipe gets the bytes and stays a pipe: what is no plain file is never replaced by one. */
static void a_pipe_is_written_through(void **state)
{
    (void)state;
    struct cccc_error err;
    struct reading reading = {0};
    pthread_t thread;
    char path[512];
    struct stat st;
    write_file(file_name("in"), 5000);
    assert_int_equal(cccc_blob_put_file(client, group_id, file_name("in"), path, &err), 0);
    assert_int_equal(mkfifo(file_name("fifo"), 0600), 0);
    reading.fd = open(file_name("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reading.fd >= 0 && fcntl(reading.fd, F_SETFL, 0) == 0);
    int rc = cccc_blob_get_file(client, group_id, path, file_name("fifo"), &err);
    assert_int_equal(pthread_create(&thread, NULL, read_pipe, &reading), 0);
    pthread_join(thread, NULL);
    close(reading.fd);
    assert_int_equal(rc, 0);
    assert_true(stat(file_name("fifo"), &st) == 0 && S_ISFIFO(st.st_mode));
    assert_int_equal(reading.len, 5000);
    assert_int_equal(count_entries("fifo"), 1);
}

/* A link stays a link, and what it leads to is replaced, keeping its mode; one that leads nowhere yet is filled. */
static void a_link_is_followed(void **state)
{
    (void)state;
    struct cccc_error err;
    char path[512];
    struct stat st;
    write_file(file_name("in"), 5000);
    assert_int_equal(cccc_blob_put_file(client, group_id, file_name("in"), path, &err), 0);
    write_file(file_name("aim"), 10);
    assert_int_equal(chmod(file_name("aim"), 0640), 0);
    assert_int_equal(symlink("aim", file_name("link")), 0);
    assert_int_equal(symlink("later", file_name("dangling")), 0);
    assert_int_equal(cccc_blob_get_file(client, group_id, path, file_name("link"), &err), 0);
    assert_int_equal(cccc_blob_get_file(client, group_id, path, file_name("dangling"), &err), 0);
    assert_true(lstat(file_name("link"), &st) == 0 && S_ISLNK(st.st_mode));
    assert_true(lstat(file_name("dangling"), &st) == 0 && S_ISLNK(st.st_mode));
    assert_same_files(file_name("in"), file_name("aim"));
    assert_same_files(file_name("in"), file_name("later"));
    assert_true(stat(file_name("aim"), &st) == 0 && (st.st_mode & 07777) == 0640);
    assert_int_equal(cccc_blob_get_file(client, group_id, path, home, &err), -1);
    assert_string_equal(err.code, "invalid_path");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_back_as_they_went), cmocka_unit_test(the_same_file_has_the_same_path),
        cmocka_unit_test(what_cannot_be_sent_is_said),  cmocka_unit_test(a_failed_get_leaves_no_file),
        cmocka_unit_test(a_pipe_is_written_through),    cmocka_unit_test(a_link_is_followed),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
