/* The mirror of a terminal: what it shows, what the program asked for, what it answers; and the ring of what was printed. */
#include "broker/hold/ring.h"
#include "broker/hold/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void feed(screen_t *screen, const char *text)
{
    screen_feed(screen, text, strlen(text));
}

static void shows(screen_t *screen, const char *expected)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    screen_history(screen, &out);
    cccc_buf_put(&out, "", 1);
    assert_string_equal(out.data, expected);
    cccc_buf_fini(&out);
}

static void text_is_what_a_person_would_see(void **state)
{
    (void)state;
    screen_t *screen = screen_new(3, 20);
    feed(screen, "one\r\n\x1b[31mtwo\x1b[0m  \r\nbla\bck\r\n\xe4\xbd\xa0\xe5\xa5\xbd\x1b]0;title\x07");
    shows(screen, "one\ntwo\nblck\n\xe4\xbd\xa0\xe5\xa5\xbd\n");
    screen_forget_history(screen);
    shows(screen, "two\nblck\n\xe4\xbd\xa0\xe5\xa5\xbd\n");
    screen_destroy(&screen);
}

static void modes_are_known_also_when_cut_in_pieces(void **state)
{
    (void)state;
    screen_t *screen = screen_new(24, 80);
    assert_false(screen_wants_brackets(screen));
    for (const char *p = "\x1b[?1049h\x1b[?2004h"; *p; p++)
        screen_feed(screen, p, 1);
    assert_true(screen_wants_brackets(screen));
    assert_true(screen_is_alternate(screen));
    feed(screen, "\x1b[?2004l\x1b[?1049l");
    assert_false(screen_wants_brackets(screen));
    assert_false(screen_is_alternate(screen));
    screen_destroy(&screen);
}

static void questions_are_answered_once(void **state)
{
    (void)state;
    screen_t *screen = screen_new(24, 80);
    feed(screen, "ab\x1b[6n");
    cccc_str_t answer = screen_answers(screen);
    assert_true(cccc_str_is(answer, "\x1b[1;3R"));
    assert_int_equal(screen_answers(screen).len, 0);
    screen_destroy(&screen);
}

static void only_changes_count_as_changes(void **state)
{
    (void)state;
    screen_t *screen = screen_new(24, 80);
    uint64_t before = screen_changes(screen);
    feed(screen, "\x1b[31m");
    assert_int_equal(screen_changes(screen), before);
    feed(screen, "x");
    assert_true(screen_changes(screen) > before);
    screen_destroy(&screen);
}

static void a_flood_is_bounded(void **state)
{
    (void)state;
    screen_t *screen = screen_new(24, 80);
    cccc_buf_t out;
    for (int i = 0; i < 100000; i++)
        feed(screen, "a line that scrolls off, again and again\r\n");
    cccc_buf_init(&out);
    screen_history(screen, &out);
    assert_true(out.size > 400000 && out.size < 1200000);
    cccc_buf_fini(&out);
    screen_destroy(&screen);
}

/* Whatever is put in, a reader sees the last bytes, in order, from wherever it was. */
static void the_ring_keeps_the_end(void **state)
{
    (void)state;
    struct ring ring;
    unsigned seed = 12345;
    uint64_t position = 0, total = 0;
    ring_init(&ring, 100000);
    for (int i = 0; i < 2000; i++) {
        char bytes[3000];
        size_t len = (size_t)rand_r(&seed) % sizeof bytes;
        for (size_t k = 0; k < len; k++)
            bytes[k] = (char)((total + k) % 251);
        ring_put(&ring, bytes, len);
        total += len;
        const char *piece;
        for (size_t n; rand_r(&seed) % 3 && (n = ring_peek(&ring, &position, &piece)) > 0; position += n)
            for (size_t k = 0; k < n; k++)
                assert_int_equal((unsigned char)piece[k], (position + k) % 251);
    }
    assert_int_equal(ring.end, total);
    assert_int_equal(ring.end - ring.start, 100000);
    ring_clear(&ring);
    const char *piece;
    assert_int_equal(ring_peek(&ring, &position, &piece), 0);
    ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_what_a_person_would_see),
        cmocka_unit_test(modes_are_known_also_when_cut_in_pieces),
        cmocka_unit_test(questions_are_answered_once),
        cmocka_unit_test(only_changes_count_as_changes),
        cmocka_unit_test(a_flood_is_bounded),
        cmocka_unit_test(the_ring_keeps_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
