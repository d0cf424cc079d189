/* test_tables.c - errors, kinds, limits, and messages that are wrapped on the way up. */
#include "proto/err.h"
#include "proto/json.h"
#include "proto/kinds.h"
#include "proto/limits.h"
#include "tests/unit/support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every error has its own word, a meaning, an exit status of the documented range, and is found again by its word. */
static void every_error_is_found_by_its_word(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CCCC_E_COUNT; i++) {
        const char *code = cccc_err_code((cccc_err_t)i);
        assert_int_equal(cccc_err_from_code(code, strlen(code)), i);
        assert_true(strlen(cccc_err_meaning((cccc_err_t)i)) > 3);
        assert_in_range(cccc_err_exit_status((cccc_err_t)i), i == CCCC_OK ? 0 : 1, 9);
    }
    assert_int_equal(cccc_err_from_code("no_such_word", 12), CCCC_E_INTERNAL);
    assert_string_equal(cccc_err_code((cccc_err_t)-1), "internal_error");
}

/* Every kind is found by its word; an unknown word is the unknown kind and nothing else. */
static void every_kind_is_found_by_its_word(void **state)
{
    (void)state;
    for (unsigned i = CCCC_KIND_UNKNOWN + 1; i < CCCC_KIND_COUNT; i++) {
        assert_int_equal(cccc_kind_find(cccc_str(cccc_kind_word((cccc_kind_t)i))), i);
        assert_true(strlen(cccc_kind_meaning((cccc_kind_t)i)) > 3);
    }
    assert_int_equal(cccc_kind_find(CCCC_STR("chat.nonsense")), CCCC_KIND_UNKNOWN);
    assert_int_equal(cccc_kind_find(CCCC_STR("")), CCCC_KIND_UNKNOWN);
    assert_string_equal(cccc_kind_word((cccc_kind_t)999), "");
    assert_non_null(cccc_kind_meaning((cccc_kind_t)999));
}

/* A wrapped message reads from the outside in. */
static void a_wrapped_message_reads_from_the_outside_in(void **state)
{
    (void)state;
    struct cccc_errmsg m;
    assert_int_equal(cccc_fail(&m, CCCC_E_DAMAGED, "bad checksum at byte %d", 8192), CCCC_E_DAMAGED);
    assert_int_equal(cccc_wrap(&m, CCCC_E_DAMAGED, "g_12ab"), CCCC_E_DAMAGED);
    assert_int_equal(cccc_wrap(&m, CCCC_E_STORAGE, "replay"), CCCC_E_STORAGE);
    assert_string_equal(m.text, "replay: g_12ab: bad checksum at byte 8192");
    assert_int_equal(cccc_fail(NULL, CCCC_E_BUSY, "unused"), CCCC_E_BUSY);
    assert_int_equal(cccc_wrap(NULL, CCCC_E_BUSY, "unused"), CCCC_E_BUSY);
}

/* A message that is too long is cut between two characters, however often it is wrapped. */
static void a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    struct cccc_errmsg m;
    char text[900];
    for (size_t skip = 0; skip < 4; skip++) {
        memset(text, 'x', sizeof text);
        for (size_t i = skip; i + 4 < sizeof text; i += 4)
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        text[sizeof text - 1] = '\0';
        cccc_fail(&m, CCCC_E_STORAGE, "%s", text);
        assert_true(cccc_utf8_valid(cccc_str(m.text)));
        assert_true(strlen(m.text) > sizeof m.text - 8);
        cccc_wrap(&m, CCCC_E_STORAGE, text + skip);
        assert_true(cccc_utf8_valid(cccc_str(m.text)));
        cccc_wrap(&m, CCCC_E_STORAGE, "outer");
        assert_true(cccc_utf8_valid(cccc_str(m.text)));
    }
}

/* A broken assumption ends the process at once and says where and with what values. */
static void an_assertion_prints_and_aborts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        CCCC_ASSERT(1 % 2 == 0, "seq %d", 7);
        _exit(0);
    }
    close(ends[1]);
    char said[256] = "";
    size_t len = 0;
    for (ssize_t got; (got = read(ends[0], said + len, sizeof said - 1 - len)) > 0;)
        len += (size_t)got;
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(strstr(said, "1 % 2 == 0 seq 7") != NULL);
}

/* Limits that are only right together. */
static void the_limits_fit_together(void **state)
{
    (void)state;
    assert_true(CCCC_LINE_BYTES_MAX > 6 * CCCC_EVENT_BYTES_MAX);
    assert_true(CCCC_REPLY_BYTES_MAX <= CCCC_FRAME_BYTES_MAX && CCCC_REQUEST_BYTES_MAX <= CCCC_FRAME_BYTES_MAX);
    assert_true(CCCC_TEXT_BYTES_MAX < CCCC_REQUEST_BYTES_MAX && CCCC_BLOB_PIECE_BYTES_MAX < CCCC_REQUEST_BYTES_MAX);
    assert_true(CCCC_DECODE_DEPTH_MAX >= CCCC_VALUE_DEPTH_MAX + 3 && CCCC_DECODE_ITEMS_MAX >= CCCC_LEDGER_READ_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_is_found_by_its_word),
        cmocka_unit_test(every_kind_is_found_by_its_word),
        cmocka_unit_test(a_wrapped_message_reads_from_the_outside_in),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(an_assertion_prints_and_aborts),
        cmocka_unit_test(the_limits_fit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
