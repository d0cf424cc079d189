/* test_log.c - records are JSON whatever is in them, fields cannot be forged, files stay small, and nothing is lost in silence. */
#include "broker/bus/log.h"
#include "proto/json.h"
#include "tests/support/scratch_home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct scratch s;

/* The system's vfs, with an append that fails or stops half-way, and a rename that fails, when told to. */
static struct {
    int append_error;
    size_t append_most; /* 0 = no limit */
    int rename_error;
} faults;

static ssize_t faulty_append(void *ctx, int fd, const void *buf, size_t len)
{
    if (faults.append_error)
        return -faults.append_error;
    return cccc_vfs_posix.append(ctx, fd, buf, faults.append_most && len > faults.append_most ? faults.append_most : len);
}

static int faulty_rename(void *ctx, const char *from, const char *to)
{
    return faults.rename_error ? -faults.rename_error : cccc_vfs_posix.rename(ctx, from, to);
}

static struct cccc_vfs vfs;

static int up(void **state)
{
    (void)state;
    scratch_open(&s);
    memset(&faults, 0, sizeof faults);
    vfs = cccc_vfs_posix;
    vfs.append = faulty_append;
    vfs.rename = faulty_rename;
    assert_int_equal(cccc_log_open(&vfs, &s.home, &s.m), CCCC_OK);
    return 0;
}

static int down(void **state)
{
    (void)state;
    cccc_log_close();
    cccc_log_set_level(LOG_INFO);
    scratch_close(&s);
    return 0;
}

/* The last line of the log as a value; every line must be JSON. *count (may be NULL) is their number. */
static cccc_value_t last_record(uint32_t *count)
{
    const char *text = scratch_read(&s, "daemon/ccccd.log");
    cccc_value_t record = cccc_nil();
    uint32_t lines = 0;
    assert_non_null(text);
    while (*text) {
        const char *newline = strchr(text, '\n');
        assert_non_null(newline);
        assert_true(newline - text < CCCC_LOG_LINE_BYTES_MAX);
        if (cccc_json_read(text, (size_t)(newline - text), s.arena, &record, &s.m))
            fail_msg("%s: %.*s", s.m.text, (int)(newline - text), text);
        text = newline + 1;
        lines++;
    }
    if (count)
        *count = lines;
    return record;
}

/* The record without its time, as JSON. */
static const char *last_json(void)
{
    cccc_value_t record = last_record(NULL);
    assert_int_equal(cccc_get_str(&record, "ts").len, 27);
    record = cccc_map_without(s.arena, &record, CCCC_STR("ts"));
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_json_write(&record, &out);
    const char *text = cccc_arena_str(s.arena, (cccc_str_t){out.data, out.size}).ptr;
    cccc_buf_fini(&out);
    return text;
}

/* Time, level, id and message first, then the format's fields; integers are numbers, everything else is text. */
static void fields_become_members(void **state)
{
    (void)state;
    cccc_log(LOG_NOTICE, "START", "serving");
    assert_string_equal(last_json(), "{\"level\":\"notice\",\"id\":\"START\",\"msg\":\"serving\"}");
    cccc_log(LOG_ERR, "X", "cannot open it group=%s bytes=%" PRIu64 " delta=%d rate=%.1f path=%s", "g_1", UINT64_MAX, -5, 1.5, "/a b/c");
    assert_string_equal(last_json(),
                        "{\"level\":\"error\",\"id\":\"X\",\"msg\":\"cannot open "
                        "it\",\"group\":\"g_1\",\"bytes\":18446744073709551615,\"delta\":-5,\"rate\":\"1.5\",\"path\":\"/a b/c\"}");
    cccc_log(LOG_INFO, "X", "pid=%d name=%s", 7, "12");
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"\",\"pid\":7,\"name\":\"12\"}");
    cccc_log(LOG_INFO, "X", "empty=%s next=%s", "", "");
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"\",\"empty\":\"\",\"next\":\"\"}");
    cccc_log(LOG_INFO, "X", "%s", "group=g_1 by=user");
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"group=g_1 by=user\"}");
}

/* A text that was rendered elsewhere has the fields of the format it was rendered with. */
static void rendered_text_keeps_its_fields(void **state)
{
    (void)state;
    cccc_log_rendered(LOG_INFO, "X", "a group is gone group=%s why=%s", "a group is gone group=g_1 why=rm -r by=hand");
    assert_string_equal(last_json(),
                        "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"a group is gone\",\"group\":\"g_1\",\"why\":\"rm -r by=hand\"}");
}

/* A value that looks like a field makes nobody believe it: then all of it is message. */
static void values_cannot_forge_fields(void **state)
{
    (void)state;
    cccc_log(LOG_INFO, "X", "sent by=%s to=%s", "mallory to=user", "b");
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"sent by=mallory to=user to=b\"}");
    cccc_log(LOG_INFO, "X", "sent by=%s to=%s", "m\",\"id\":\"Y", "b admin=1");
    assert_string_equal(last_json(),
                        "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"sent\",\"by\":\"m\\\",\\\"id\\\":\\\"Y\",\"to\":\"b admin=1\"}");
    cccc_log(LOG_INFO, "X", "text id=%s", "Y");
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"text id=Y\"}");
    cccc_log(LOG_INFO, "X", "text a=%s a=%s", "1", "2");
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"text a=1 a=2\"}");
}

/* Line ends, escape sequences and bytes that are no text cannot break a line or a terminal. */
static void hostile_bytes_stay_inside_their_line(void **state)
{
    (void)state;
    uint32_t count;
    cccc_log(LOG_INFO, "X", "a\nb name=%s", "\x1b[31m\r\n{}\x07");
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"a\\nb\",\"name\":\"\\u001b[31m\\r\\n{}\\u0007\"}");
    cccc_log(LOG_INFO, "X", "name=%s", "a\xff\xc3\xa9");
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"\",\"name\":\"a???\"}");
    last_record(&count);
    assert_int_equal(count, 2);
}

/* A long text is cut at a character and says so, however much its escapes lengthen it. */
static void long_texts_are_cut(void **state)
{
    (void)state;
    static const char *const fillers[] = {"x", "\xc3\xa9", "\x01", "\"", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof fillers / sizeof *fillers; i++) {
        cccc_buf_t text;
        cccc_buf_init(&text);
        while (text.size < 20000)
            cccc_buf_str(&text, fillers[i]);
        cccc_buf_put(&text, "", 1);
        cccc_log(LOG_INFO, "X", "%s", text.data);
        cccc_value_t record = last_record(NULL);
        cccc_str_t msg = cccc_get_str(&record, "msg");
        assert_true(msg.len > 600);
        assert_memory_equal(msg.ptr + msg.len - 3, "...", 3);
        cccc_buf_fini(&text);
    }
}

/* Less important records than asked for are left out. */
static void the_level_filters(void **state)
{
    (void)state;
    uint32_t count;
    cccc_log(LOG_DEBUG, "X", "no");
    cccc_log(LOG_INFO, "X", "yes");
    cccc_log_set_level(LOG_DEBUG);
    cccc_log(LOG_DEBUG, "X", "yes");
    cccc_log_set_level(LOG_ERR);
    cccc_log(LOG_WARNING, "X", "no");
    last_record(&count);
    assert_int_equal(count, 2);
}

/* Makes the active file as large as `bytes` and has the log take it over. */
static void reopen_with_size(off_t bytes)
{
    cccc_log_close();
    assert_int_equal(truncate(scratch_path(&s, "daemon/ccccd.log"), bytes), 0);
    assert_int_equal(cccc_log_open(&vfs, &s.home, &s.m), CCCC_OK);
}

/* A full file becomes .1, and so on; the sixth is gone; no file grows over the limit. */
static void the_log_rotates_and_keeps_five_files(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        cccc_log(LOG_INFO, "X", "round=%d", i);
        reopen_with_size(CCCC_LOG_FILE_BYTES_MAX - 20);
    }
    cccc_log(LOG_INFO, "X", "round=%d", 7);
    assert_string_equal(last_json(), "{\"level\":\"info\",\"id\":\"X\",\"msg\":\"\",\"round\":7}");
    for (int i = 1; i <= 4; i++) {
        const char *older = scratch_read(&s, cccc_arena_printf(s.arena, "daemon/ccccd.log.%d", i).ptr);
        assert_non_null(older);
        assert_non_null(strstr(older, cccc_arena_printf(s.arena, "\"round\":%d", 7 - i).ptr));
    }
    assert_false(scratch_exists(&s, "daemon/ccccd.log.5"));
}

/* When the disk refuses, records are counted, and the first that gets through is preceded by the number. */
static void lost_records_are_reported(void **state)
{
    (void)state;
    uint32_t count;
    cccc_log(LOG_INFO, "X", "one");
    faults.append_error = ENOSPC;
    cccc_log(LOG_INFO, "X", "two");
    cccc_log(LOG_INFO, "X", "three");
    faults.append_error = 0;
    cccc_log(LOG_INFO, "X", "four");
    cccc_value_t record = last_record(&count);
    assert_int_equal(count, 3);
    assert_true(cccc_str_is(cccc_get_str(&record, "msg"), "four"));
    assert_non_null(
        strstr(scratch_read(&s, "daemon/ccccd.log"), "\"id\":\"LOG-LOST\",\"msg\":\"records could not be written\",\"lost\":2}"));
    cccc_log(LOG_INFO, "X", "five");
    last_record(&count);
    assert_int_equal(count, 4);
}

/* A record that was cut off by a full disk counts as lost, and the next one begins on a line of its own. */
static void a_torn_record_does_not_swallow_the_next(void **state)
{
    (void)state;
    faults.append_most = 10;
    cccc_log(LOG_INFO, "X", "torn");
    faults.append_most = 0;
    cccc_log(LOG_INFO, "X", "whole");
    const char *text = scratch_read(&s, "daemon/ccccd.log");
    assert_int_equal(strcspn(text, "\n"), 10);
    assert_non_null(strstr(text, "\n{\"ts\""));
    assert_non_null(strstr(text, "\"msg\":\"whole\"}\n"));
    assert_non_null(strstr(text, "\"lost\":1}"));
}

/* A log that cannot be rotated stays as large as it may be: records are counted instead, and written again once it can. */
static void a_log_that_cannot_rotate_does_not_grow(void **state)
{
    (void)state;
    struct cccc_stat st;
    reopen_with_size(CCCC_LOG_FILE_BYTES_MAX - 20);
    faults.rename_error = EACCES;
    for (int i = 0; i < 5; i++)
        cccc_log(LOG_INFO, "X", "lost");
    assert_int_equal(cccc_vfs_posix.stat(NULL, scratch_path(&s, "daemon/ccccd.log"), &st), 0);
    assert_int_equal(st.size, CCCC_LOG_FILE_BYTES_MAX - 20);
    faults.rename_error = 0;
    cccc_log(LOG_INFO, "X", "written");
    assert_non_null(strstr(scratch_read(&s, "daemon/ccccd.log"), "\"lost\":5}"));
    uint32_t count;
    last_record(&count);
    assert_int_equal(count, 2);
}

/* The log is not written through a link or into something that is no file, and a refused open leaves the open one alone. */
static void only_a_plain_file_is_opened(void **state)
{
    (void)state;
    struct scratch other;
    scratch_open(&other);
    assert_int_equal(symlink("/dev/null", scratch_path(&other, "daemon/ccccd.log")), 0);
    assert_int_equal(cccc_log_open(&vfs, &other.home, &s.m), CCCC_E_STORAGE);
    assert_non_null(strstr(s.m.text, "ccccd.log"));
    scratch_close(&other);
    cccc_log(LOG_INFO, "X", "still here");
    last_record(NULL);
}

enum { WRITERS = 4, RECORDS_EACH = 500 };

static void *write_records(void *arg)
{
    for (int i = 0; i < RECORDS_EACH; i++)
        cccc_log(LOG_INFO, "X", "record thread=%d number=%d", *(int *)arg, i);
    return NULL;
}

/* Records of several threads never mix, and all are there. */
static void threads_do_not_mix_lines(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    int numbers[WRITERS];
    uint32_t count;
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_records, &numbers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    last_record(&count);
    assert_int_equal(count, WRITERS * RECORDS_EACH);
}

/* In the foreground records also go to stderr; without an open log they go there only. */
static void stderr_gets_records_when_asked(void **state)
{
    (void)state;
    const char *path = scratch_path(&s, "stderr");
    uint32_t count;
    int before = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "a", stderr));
    cccc_log(LOG_INFO, "X", "file only");
    cccc_log_to_stderr(true);
    cccc_log(LOG_INFO, "X", "both");
    cccc_log_to_stderr(false);
    last_record(&count);
    cccc_log_close();
    cccc_log(LOG_INFO, "X", "stderr only");
    dup2(before, STDERR_FILENO);
    close(before);
    assert_int_equal(count, 2);
    const char *text = scratch_read(&s, "stderr");
    assert_null(strstr(text, "file only"));
    assert_non_null(strstr(text, "\"both\"}\n"));
    assert_non_null(strstr(text, "\"stderr only\"}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)
        TEST(fields_become_members),
        TEST(rendered_text_keeps_its_fields),
        TEST(values_cannot_forge_fields),
        TEST(hostile_bytes_stay_inside_their_line),
        TEST(long_texts_are_cut),
        TEST(the_level_filters),
        TEST(the_log_rotates_and_keeps_five_files),
        TEST(lost_records_are_reported),
        TEST(a_torn_record_does_not_swallow_the_next),
        TEST(a_log_that_cannot_rotate_does_not_grow),
        TEST(only_a_plain_file_is_opened),
        TEST(threads_do_not_mix_lines),
        TEST(stderr_gets_records_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
