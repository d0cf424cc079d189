/* typing.c - see typing.h. A state machine of five phases, one function each. */
#include "broker/hold/typing.h"

#include "broker/hold/child.h"
#include "broker/hold/safe_text.h"

#include <errno.h>
#include <termios.h>
#include <unistd.h>

/* Milliseconds. */
enum {
    STUCK_MAX = 10000,  /* the program reads nothing */
    SETTLE_QUIET = 100, /* the screen has taken the text in */
    SETTLE_MAX = 1500,
    SETTLE_SHOWN_MAX = 5000, /* ... of a program that shows it */
    WATCH_QUIET = 50,
    WATCH_MAX = 1500,
    LOOK_INTERVAL = 100, /* a screen that does not come to rest */
    ASKED_MAX = 20000,   /* a question came up between text and key */
    UNREAD_MAX = 20000,  /* the program is busy and reads nothing */
    UNREAD_INTERVAL = 200
};

enum { KEYS_MAX = 4, GONE_LOOKS = 3 };

static void enter(struct typing *self, const struct typing_terminal *terminal, enum typing_phase phase)
{
    self->phase = phase;
    self->since_ms = self->progress_ms = terminal->now_ms;
    self->changed = false;
    self->changes = screen_changes(terminal->screen);
    self->looked_ms = terminal->now_ms;
    self->gone = 0;
}

static void end(struct typing *self, enum typing_outcome outcome, const char *reason, const char *evidence)
{
    self->phase = TYPING_DONE;
    self->outcome = outcome;
    self->reason = reason;
    self->evidence = evidence;
}

void typing_init(struct typing *self)
{
    *self = (struct typing){.reason = "", .evidence = ""};
    cccc_buf_init(&self->bytes);
    composer_place_init(&self->before);
    composer_place_init(&self->stands);
}

void typing_fini(struct typing *self)
{
    cccc_buf_fini(&self->bytes);
    composer_place_fini(&self->before);
    composer_place_fini(&self->stands);
}

bool typing_fits(const struct typing_terminal *terminal, cccc_str_t text)
{
    enum { LINE_BYTES_MAX = 4095 - 16 }; /* n_tty(4)'s, and room for what a person left there */
    struct termios modes;
    bool edits_lines = tcgetattr(terminal->fd, &modes) == 0 && (modes.c_lflag & ICANON);
    return text.len <= LINE_BYTES_MAX || !edits_lines || screen_wants_brackets(terminal->screen);
}

/* What has to be seen before the text counts as taken as text. Programs that edit lines get it from the terminal; a paste on an ordinary screen is no keys. */
static void note_manners(struct typing *self, const struct typing_terminal *terminal, cccc_str_t safe, bool brackets)
{
    struct termios modes;
    int rows, cols;
    bool full_screen = screen_is_alternate(terminal->screen);
    bool raw = tcgetattr(terminal->fd, &modes) == 0 && !(modes.c_lflag & ICANON);
    screen_size(terminal->screen, &rows, &cols);
    self->takes_keys = raw && !terminal->is_agent && (full_screen || !brackets);
    self->head_matters = self->takes_keys && full_screen && !brackets && safe.len <= (size_t)rows * (size_t)cols / 2;
    self->head_seen = false;
    composer_head_of(&self->head, safe);
    self->heads_before = composer_count(terminal->screen, &self->head);
}

void typing_begin(struct typing *self, const struct typing_terminal *terminal, cccc_str_t text, enum typing_submit submit)
{
    bool brackets = screen_wants_brackets(terminal->screen);
    self->bytes.size = 0;
    self->written = 0;
    self->keys = 0;
    self->submit = submit;
    self->outcome = TYPING_OPEN;
    self->reason = self->evidence = "";
    if (brackets)
        cccc_buf_str(&self->bytes, "\x1b[200~");
    size_t start = self->bytes.size;
    safe_text(&self->bytes, text, brackets);
    cccc_str_t safe = {self->bytes.data + start, self->bytes.size - start};
    enter(self, terminal, TYPING_TEXT);
    if (safe.len == 0) {
        end(self, TYPING_FAILED, "there is nothing in it that can be typed", "");
        return;
    }
    note_manners(self, terminal, safe, brackets);
    composer_tail_of(&self->tail, safe);
    composer_find(&self->before, terminal->screen, &self->tail);
    self->stands.shown = false;
    if (brackets)
        cccc_buf_str(&self->bytes, "\x1b[201~");
    typing_step(self, terminal);
}

/* ---- the phases ---- */

static void write_text(struct typing *self, const struct typing_terminal *terminal)
{
    while (self->written < self->bytes.size) {
        ssize_t n = write(terminal->fd, self->bytes.data + self->written, self->bytes.size - self->written);
        if (n > 0) {
            self->written += (size_t)n;
            self->progress_ms = terminal->now_ms;
        } else if (n < 0 && errno == EAGAIN) {
            break;
        } else if (n < 0 && errno != EINTR) {
            typing_abandon(self, "the terminal is gone");
            return;
        }
    }
    if (self->written == self->bytes.size)
        enter(self, terminal, TYPING_SETTLE);
    else if (terminal->now_ms - self->progress_ms >= STUCK_MAX)
        typing_abandon(self, "the program reads nothing from its terminal");
}

static void note_change(struct typing *self, const struct typing_terminal *terminal)
{
    uint64_t changes = screen_changes(terminal->screen);
    if (changes != self->changes) {
        self->changed = true;
        self->changed_ms = terminal->now_ms;
    }
    self->changes = changes;
}

/* True once the screen changed and has been quiet for `quiet_ms`; else sees to it that it is asked again then, or at `max_ms`. */
static bool came_to_rest(struct typing *self, const struct typing_terminal *terminal, int64_t quiet_ms, int64_t max_ms)
{
    note_change(self, terminal);
    int64_t rest = self->changed_ms + quiet_ms, end_of_wait = self->since_ms + max_ms;
    if (self->changed && terminal->now_ms >= rest) {
        self->due_ms = end_of_wait;
        return true;
    }
    self->due_ms = self->changed && rest < end_of_wait ? rest : end_of_wait;
    return false;
}

/* True once a screen that does not come to rest is to be looked at again. */
static bool is_time_to_look(struct typing *self, const struct typing_terminal *terminal)
{
    int64_t due = self->looked_ms + LOOK_INTERVAL;
    if (terminal->now_ms >= due) {
        self->looked_ms = terminal->now_ms;
        return true;
    }
    if (self->due_ms <= terminal->now_ms || self->due_ms > due)
        self->due_ms = due;
    return false;
}

/* The text is shown where it was not before: a text of the same end may stand above it. */
static bool has_appeared(struct typing *self, const struct typing_terminal *terminal)
{
    composer_look_again(&self->stands, terminal->screen, &self->tail);
    self->head_seen |= composer_count(terminal->screen, &self->head) > self->heads_before;
    self->stands.shown = self->stands.shown && !composer_is_same(&self->stands, &self->before);
    return self->stands.shown;
}

static void settle(struct typing *self, const struct typing_terminal *terminal)
{
    int64_t max = terminal->shows_text ? SETTLE_SHOWN_MAX : SETTLE_MAX;
    bool rests = came_to_rest(self, terminal, SETTLE_QUIET, max), over = terminal->now_ms >= self->since_ms + max;
    if (!rests && !over && !is_time_to_look(self, terminal))
        return;
    bool shown = has_appeared(self, terminal);
    bool restless = terminal->now_ms >= self->since_ms + SETTLE_MAX;
    if (over && !rests && !self->stands.steady)
        self->stands.shown = false; /* perhaps half a redraw: it would seem to leave that place */
    if (over || (rests && (shown || !terminal->shows_text)) || (shown && self->stands.steady && restless))
        enter(self, terminal, TYPING_KEY);
}

static void send_key(struct typing *self, const struct typing_terminal *terminal)
{
    static const char keys[] = {[TYPING_ENTER] = '\r', [TYPING_NEWLINE] = '\n'};
    if (self->submit == TYPING_NO_KEY) {
        end(self, TYPING_ACCEPTED, "", "typed, not submitted");
        return;
    }
    self->due_ms = terminal->now_ms + UNREAD_INTERVAL;
    if (terminal->asks(terminal->arg)) { /* the key would be its answer */
        if (terminal->now_ms - self->since_ms >= ASKED_MAX)
            end(self, TYPING_AMBIGUOUS, "a dialog opened in the terminal before the text was submitted", "typed, not submitted");
        return;
    }
    ssize_t n = write(terminal->fd, &keys[self->submit], 1);
    if (n == 1) {
        self->keys++;
        enter(self, terminal, TYPING_WATCH);
    } else if (errno != EAGAIN && errno != EINTR) {
        typing_abandon(self, "the terminal is gone");
    } else if (terminal->now_ms - self->since_ms >= STUCK_MAX) {
        typing_abandon(self, "the program reads nothing from its terminal");
    }
}

static bool still_stands(const struct typing *self, screen_t *screen)
{
    struct composer_place now;
    composer_place_init(&now);
    composer_find(&now, screen, &self->tail);
    bool stands = composer_is_same(&self->stands, &now);
    composer_place_fini(&now);
    return stands;
}

bool typing_left_text(struct typing *self, screen_t *screen)
{
    if (self->phase == TYPING_DONE && self->outcome == TYPING_AMBIGUOUS && self->stands.shown && !still_stands(self, screen))
        self->stands.shown = false; /* somebody has seen to it */
    return self->phase == TYPING_DONE && self->outcome == TYPING_AMBIGUOUS && self->stands.shown;
}

/* Is it shown now, which it was not before: a program may show a text only once it was submitted. */
static bool is_shown_now(struct typing *self, const struct typing_terminal *terminal)
{
    struct composer_place now;
    composer_place_init(&now);
    composer_find(&now, terminal->screen, &self->tail);
    bool shown = now.shown && !composer_is_same(&now, &self->before);
    composer_place_fini(&now);
    self->head_seen |= composer_count(terminal->screen, &self->head) > self->heads_before;
    return shown;
}

/* What became of it, when it does not stand in the input line. */
static void judge(struct typing *self, const struct typing_terminal *terminal)
{
    bool shown_now = self->takes_keys && is_shown_now(self, terminal);
    if (self->head_matters && !self->head_seen && (self->stands.shown || shown_now))
        end(self, TYPING_AMBIGUOUS, "the program showed only the end of the text, so it may have taken the rest as keys", "partly shown");
    else if (self->stands.shown)
        end(self, TYPING_ACCEPTED, "", "the text left the input line");
    else if (shown_now)
        end(self, TYPING_ACCEPTED, "", "the program shows the text");
    else if (self->takes_keys)
        end(self, TYPING_AMBIGUOUS, "the program never showed the text, so it may have taken it as keys", "not shown");
    else if (terminal->shows_text)
        end(self, TYPING_AMBIGUOUS, "the program never showed the text, so it may be lost", "not shown");
    else
        end(self, TYPING_ACCEPTED, "", self->changed ? "the screen changed after the submit key" : "the screen did not change");
}

static void watch(struct typing *self, const struct typing_terminal *terminal)
{
    bool rests = came_to_rest(self, terminal, WATCH_QUIET, WATCH_MAX), over = terminal->now_ms >= self->since_ms + WATCH_MAX;
    bool ends = over && !self->stands.shown;
    if (!rests && !ends && !is_time_to_look(self, terminal))
        return;
    bool stands = self->stands.shown && still_stands(self, terminal->screen);
    self->gone = stands ? 0 : self->gone + 1;
    if ((rests || over) && child_unread(terminal->fd) > 0)
        enter(self, terminal, TYPING_UNREAD);
    else if (!stands && (rests || ends || self->gone >= GONE_LOOKS)) /* one look may have met half a redraw */
        judge(self, terminal);
    else if (stands && over && self->keys < KEYS_MAX)
        enter(self, terminal, TYPING_KEY);
    else if (stands && over)
        end(self, TYPING_AMBIGUOUS, "the text still stands in the input line after several submit keys",
            "not submitted as far as the screen shows");
}

/* Typed and submitted, and the program does something else: what it has not read was not delivered, whatever the terminal shows. */
static void await_reader(struct typing *self, const struct typing_terminal *terminal)
{
    self->due_ms = terminal->now_ms + UNREAD_INTERVAL;
    if (child_unread(terminal->fd) == 0)
        enter(self, terminal, TYPING_WATCH);
    else if (terminal->now_ms >= self->since_ms + UNREAD_MAX)
        end(self, TYPING_AMBIGUOUS, "typed, but the program is busy and has not read it", "it waits in the terminal");
}

void typing_step(struct typing *self, const struct typing_terminal *terminal)
{
    enum typing_phase before;
    do {
        before = self->phase;
        switch (self->phase) {
        case TYPING_TEXT:
            write_text(self, terminal);
            break;
        case TYPING_SETTLE:
            settle(self, terminal);
            break;
        case TYPING_KEY:
            send_key(self, terminal);
            break;
        case TYPING_WATCH:
            watch(self, terminal);
            break;
        case TYPING_UNREAD:
            await_reader(self, terminal);
            break;
        case TYPING_IDLE:
        case TYPING_DONE:
            break;
        }
    } while (self->phase != before && self->phase != TYPING_DONE);
}

void typing_abandon(struct typing *self, const char *reason)
{
    if (typing_is_busy(self))
        end(self, self->written > 0 ? TYPING_AMBIGUOUS : TYPING_FAILED, reason, "");
}

bool typing_is_busy(const struct typing *self)
{
    return self->phase != TYPING_IDLE && self->phase != TYPING_DONE;
}

bool typing_wants_keys_to_wait(const struct typing *self)
{
    return typing_is_busy(self) && self->phase != TYPING_UNREAD;
}

bool typing_wants_to_write(const struct typing *self)
{
    return self->phase == TYPING_TEXT;
}

int64_t typing_due(const struct typing *self)
{
    if (self->phase == TYPING_TEXT)
        return self->progress_ms + STUCK_MAX;
    return typing_is_busy(self) ? self->due_ms : INT64_MAX;
}
