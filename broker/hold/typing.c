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
    WATCH_QUIET = 50,
    WATCH_MAX = 1500,
    UNREAD_MAX = 20000, /* the program is busy and reads nothing */
    UNREAD_INTERVAL = 200
};

static void enter(struct typing *self, const struct typing_terminal *terminal, enum typing_phase phase)
{
    self->phase = phase;
    self->since_ms = self->progress_ms = terminal->now_ms;
    self->changed = false;
    self->changes = screen_changes(terminal->screen);
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
    cccc_buf_init(&self->last_line);
}

void typing_fini(struct typing *self)
{
    cccc_buf_fini(&self->bytes);
    cccc_buf_fini(&self->last_line);
}

/* The end of the text as it would stand on the screen: enough to find it, short enough not to be wrapped. */
static void note_last_line(struct typing *self, cccc_str_t safe)
{
    enum { SEEN_BYTES = 24 };
    self->last_line.size = 0;
    size_t start = safe.len > SEEN_BYTES ? safe.len - SEEN_BYTES : 0;
    for (size_t i = safe.len; i > start; i--)
        if (safe.ptr[i - 1] == '\n')
            start = i;
    while (start < safe.len && ((unsigned char)safe.ptr[start] & 0xC0) == 0x80)
        start++;
    cccc_buf_put(&self->last_line, safe.ptr + start, safe.len - start);
}

bool typing_fits(const struct typing_terminal *terminal, cccc_str_t text)
{
    enum { LINE_BYTES_MAX = 4095 - 16 }; /* n_tty(4)'s, and room for what a person left there */
    struct termios modes;
    bool edits_lines = tcgetattr(terminal->fd, &modes) == 0 && (modes.c_lflag & ICANON);
    return text.len <= LINE_BYTES_MAX || !edits_lines || screen_wants_brackets(terminal->screen);
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
    note_last_line(self, safe);
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

static void settle(struct typing *self, const struct typing_terminal *terminal)
{
    if (came_to_rest(self, terminal, SETTLE_QUIET, SETTLE_MAX) || terminal->now_ms >= self->since_ms + SETTLE_MAX)
        enter(self, terminal, TYPING_KEY);
}

static void send_key(struct typing *self, const struct typing_terminal *terminal)
{
    static const char keys[] = {[TYPING_ENTER] = '\r', [TYPING_NEWLINE] = '\n'};
    if (self->submit == TYPING_NO_KEY) {
        end(self, TYPING_ACCEPTED, "", "typed, not submitted");
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

/* Does the end of the text still stand in the line the cursor is in? */
static bool stands_in_composer(struct typing *self, screen_t *screen)
{
    cccc_buf_t shown;
    cccc_buf_init(&shown);
    int row = screen_cursor_row(screen);
    screen_text(screen, row, &shown);
    const char *line_end = memchr(shown.data, '\n', shown.size);
    size_t len = line_end ? (size_t)(line_end - shown.data) : shown.size;
    bool stands = self->last_line.size > 0 && len >= self->last_line.size &&
                  memcmp(shown.data + len - self->last_line.size, self->last_line.data, self->last_line.size) == 0;
    cccc_buf_fini(&shown);
    return stands;
}

static void watch(struct typing *self, const struct typing_terminal *terminal)
{
    bool at_rest = came_to_rest(self, terminal, WATCH_QUIET, WATCH_MAX);
    bool over = terminal->now_ms >= self->since_ms + WATCH_MAX;
    if (!at_rest && !over)
        return;
    if (child_unread(terminal->fd) > 0) {
        enter(self, terminal, TYPING_UNREAD);
        return;
    }
    bool stands = stands_in_composer(self, terminal->screen);
    if (!stands)
        end(self, TYPING_ACCEPTED, "", self->changed ? "the screen changed after the submit key" : "the screen did not change");
    else if (over && self->keys < 2)
        enter(self, terminal, TYPING_KEY);
    else if (over)
        end(self, TYPING_AMBIGUOUS, "the text still stands in the input line after two submit keys",
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
    return self->phase == TYPING_TEXT || self->phase == TYPING_KEY;
}

int64_t typing_due(const struct typing *self)
{
    if (typing_wants_to_write(self))
        return self->progress_ms + STUCK_MAX;
    return typing_is_busy(self) ? self->due_ms : INT64_MAX;
}
