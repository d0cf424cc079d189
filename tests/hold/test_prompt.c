/* Whether a prompt stands again as it stood before a person's keys, of a real terminal's modes and a mirror of its screen. */
#include "broker/hold/prompt.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
    int fd;
    screen_t *screen;
    struct prompt prompt;
    struct keys keys;
};

static void set_modes(int fd, tcflag_t modes)
{
    struct termios termios;
    assert_int_equal(tcgetattr(fd, &termios), 0);
    termios.c_lflag = (termios.c_lflag & ~(tcflag_t)(ICANON | ECHO)) | modes;
    assert_int_equal(tcsetattr(fd, TCSANOW, &termios), 0);
}

static void feed(struct scene *scene, const char *bytes)
{
    screen_feed(scene->screen, bytes, strlen(bytes));
}

/* The program's prompt is shown, and then a person presses keys. */
static void begin(struct scene *scene, tcflag_t modes, const char *prompt, const char *keys)
{
    *scene = (struct scene){.fd = posix_openpt(O_RDWR | O_NOCTTY), .screen = screen_new(24, 80)};
    assert_true(scene->fd >= 0);
    set_modes(scene->fd, modes);
    prompt_init(&scene->prompt);
    feed(scene, prompt);
    prompt_remember(&scene->prompt, scene->screen, scene->fd);
    keys_take(&scene->keys, keys, strlen(keys), 1000);
    scene->prompt.changes = screen_changes(scene->screen);
}

static void end(struct scene *scene)
{
    prompt_fini(&scene->prompt);
    screen_destroy(&scene->screen);
    close(scene->fd);
}

static bool is_back(struct scene *scene)
{
    prompt_look(&scene->prompt, scene->screen, scene->fd, &scene->keys, 2000);
    assert_false(prompt_is_back(&scene->prompt, 2000)); /* it may be half of a redraw */
    prompt_look(&scene->prompt, scene->screen, scene->fd, &scene->keys, 2500);
    return prompt_is_back(&scene->prompt, 2500);
}

static void after(const char *prompt, const char *keys, const char *output, bool expected)
{
    struct scene scene;
    begin(&scene, 0, prompt, keys);
    feed(&scene, output);
    if (is_back(&scene) != expected)
        fail_msg("after %s the prompt is %s", output, expected ? "not back" : "back");
    end(&scene);
}

static void only_the_same_with_nothing_behind_it_is_back(void **state)
{
    (void)state;
    after("$ ", "\x1b[A", "echo ran", false);
    after("$ ", "\x1b[A", "echo ran\r\x1b[2C", false); /* the cursor is at the line's beginning */
    after("$ ", "\x1b[A", "echo ran\r\x1b[K$ ", true);
    after("$ ", "\022ec", "\r(reverse-i-search)`ec': echo ran\b\b\b", false);
    after("$ ", "touch abc\t", "touch abcdef\b\b\b\b\b\b\x1b[K", false);
    after("$ ", "word\x17", "word\b\b\b\b\x1b[K", true);
    after("$ ", "word", "", false); /* not shown yet */
    after("> a hint\r\x1b[2C", "word", "word  \r\x1b[2Ca hint\r\x1b[2C", true);
    after("> a hint\r\x1b[2C", "\x1b[A", "earlier\r\x1b[2C", false);
    after("\x1b[?25l> ", "\x1b[A", "", false);
}

/* Where the terminal shows nothing of what is typed, or the keys came before the program had its prompt, the screen says nothing. */
static void what_a_screen_cannot_tell_is_not_told(void **state)
{
    struct scene scene;
    (void)state;
    begin(&scene, ICANON, "Password: ", "secret");
    feed(&scene, "\a\x1b[1G\x1b[11G");
    assert_false(is_back(&scene));
    end(&scene);
    begin(&scene, ICANON | ECHO, "", "word");
    feed(&scene, "word\b\b\b\b\x1b[K");
    set_modes(scene.fd, 0);
    assert_false(is_back(&scene));
    set_modes(scene.fd, ICANON | ECHO);
    assert_true(is_back(&scene));
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_same_with_nothing_behind_it_is_back),
        cmocka_unit_test(what_a_screen_cannot_tell_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
