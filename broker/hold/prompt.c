/* prompt.c - see prompt.h. */
#include "broker/hold/prompt.h"

#include "broker/hold/composer.h"

#include <string.h>
#include <termios.h>

enum { BACK_MS = 100 }; /* shorter may be half of a redraw */

void prompt_init(struct prompt *self)
{
    *self = (struct prompt){0};
    cccc_buf_init(&self->left);
    cccc_buf_init(&self->right);
}

void prompt_fini(struct prompt *self)
{
    cccc_buf_fini(&self->left);
    cccc_buf_fini(&self->right);
}

/* True when the screen shows what is typed. */
static bool shows_keys(screen_t *screen, int fd, bool *edits_lines)
{
    struct termios modes;
    if (tcgetattr(fd, &modes) != 0 || !screen_shows_cursor(screen))
        return false;
    *edits_lines = modes.c_lflag & ICANON;
    return !*edits_lines || (modes.c_lflag & ECHO);
}

void prompt_remember(struct prompt *self, screen_t *screen, int fd)
{
    self->wanted = false;
    self->back_ms = 0;
    self->known = shows_keys(screen, fd, &self->edits_lines);
    self->left.size = self->right.size = 0;
    screen_cursor(screen, &self->col);
    screen_around_cursor(screen, &self->left, &self->right);
}

static bool same_bytes(const cccc_buf_t *a, const cccc_buf_t *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static bool compare(const struct prompt *self, screen_t *screen, bool *nothing_behind)
{
    cccc_buf_t left, right;
    struct composer_tail visible;
    cccc_buf_init(&left);
    cccc_buf_init(&right);
    screen_around_cursor(screen, &left, &right);
    composer_tail_of(&visible, (cccc_str_t){right.data, right.size});
    *nothing_behind = visible.len == 0 || (self->known && same_bytes(&right, &self->right));
    bool same = same_bytes(&left, &self->left);
    cccc_buf_fini(&left);
    cccc_buf_fini(&right);
    return same;
}

bool prompt_has_nothing_behind(const struct prompt *self, screen_t *screen)
{
    bool nothing_behind;
    compare(self, screen, &nothing_behind);
    return nothing_behind;
}

void prompt_look(struct prompt *self, screen_t *screen, int fd, const struct keys *keys, int64_t now_ms)
{
    bool edits_lines, nothing_behind;
    int col;
    screen_cursor(screen, &col);
    bool is_back = self->known && !self->wanted && col == self->col && (keys->letters == 0 || screen_changes(screen) != self->changes) &&
                   shows_keys(screen, fd, &edits_lines) && edits_lines == self->edits_lines && compare(self, screen, &nothing_behind) &&
                   nothing_behind;
    if (!is_back)
        self->back_ms = 0;
    else if (!self->back_ms)
        self->back_ms = now_ms;
}

bool prompt_is_back(const struct prompt *self, int64_t now_ms)
{
    return self->back_ms && now_ms - self->back_ms >= BACK_MS;
}
