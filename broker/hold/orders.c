/* orders.c - what the daemon wants of a holder: one table, one function per order. */
#include "broker/hold/dialog.h"
#include "broker/hold/hold.h"

#include <string.h>
#include <termios.h>

/* Milliseconds. */
enum {
    PERSON_PAUSE = 2000, /* since a person's last key: nothing is typed for them */
    OBSTACLE_INTERVAL = 200
};

static void done(struct hold *self, const char *id, const cccc_value_t *result)
{
    reports_end(&self->reports, id, "done", "", "", result);
}

static void failed(struct hold *self, const char *id, const char *reason)
{
    reports_end(&self->reports, id, "failed", reason, "", NULL);
}

/* ---- type ---- */

bool hold_is_asked(struct hold *self)
{
    return dialog_is_open(self->screen, self->launch.questions, self->launch.dialogs);
}

/* Keys that were none of a line. Where the program takes them as they come and shows the cursor, it is seen: a letter that is not left of the cursor was a command, unless
 * a key before it, or text behind the cursor, says that a line was fetched. What fills the screen and takes no pastes (less, top) has no line to be fetched. */
static bool were_commands(struct hold *self)
{
    struct termios modes;
    const struct keys *person = &self->person;
    uint32_t left = screen_left_of_cursor(self->screen);
    bool full_screen = screen_is_alternate(self->screen);
    bool takes_keys = tcgetattr(self->child.terminal, &modes) == 0 && !(modes.c_lflag & ICANON);
    bool fetched = person->fetched && (!full_screen || self->launch.draws || screen_wants_brackets(self->screen));
    if (!takes_keys || fetched)
        return false;
    if (person->letters == 0)
        return true;
    bool unseen = left && person->last && left != person->last;
    return unseen && (full_screen || (!person->moved && prompt_has_nothing_behind(&self->prompt, self->screen)));
}

/* Has a person a line open that is not empty? */
static bool has_half_a_line(struct hold *self)
{
    if (!keys_line_is_open(&self->person))
        return false;
    prompt_look(&self->prompt, self->screen, self->child.terminal, &self->person, self->now_ms);
    if (prompt_is_back(&self->prompt, self->now_ms) || were_commands(self))
        keys_forget_line(&self->person);
    return keys_line_is_open(&self->person);
}

static bool has_unread(struct hold *self)
{
    self->maybe_unread = self->maybe_unread && child_unread(self->child.terminal) > 0;
    return self->maybe_unread;
}

/* The same as hold_is_asked, of a screen that was looked at before: what it was. */
static bool is_still_asked(struct hold *self)
{
    uint64_t changes = screen_changes(self->screen);
    if (changes != self->asked_at_change || !self->obstacle_ms)
        self->asked = hold_is_asked(self);
    self->asked_at_change = changes;
    return self->asked;
}

/* Why nothing may be typed now; "" when it may. */
static const char *obstacle(struct hold *self)
{
    if (hold_agent_is_gone(self) || self->child.exited)
        return "the agent has exited";
    if (self->stopping)
        return "the agent is being stopped";
    if (self->hung_up_ms)
        return "the program has closed its terminal";
    if (self->stopped)
        return "the agent's process is stopped";
    if (self->person.typed_ms && self->now_ms - self->person.typed_ms < PERSON_PAUSE)
        return "a person is typing";
    if (self->keys.size > 0 || has_half_a_line(self))
        return "a person has typed half a line";
    if (has_unread(self))
        return "the program has not read yet what was typed before";
    if (typing_left_text(&self->typing, self->screen))
        return "a text typed before still stands in the input line";
    return is_still_asked(self) ? "a dialog is open in the terminal" : "";
}

/* Without output and keys only what was typed passes by itself: it is read, and a person has paused. */
int64_t hold_obstacle_due(const struct hold *self)
{
    bool pauses = self->person.typed_ms && self->obstacle_ms - self->person.typed_ms < PERSON_PAUSE;
    bool may_change =
        pauses || self->maybe_unread || self->output_ms > self->obstacle_ms || (self->prompt.back_ms && keys_line_is_open(&self->person));
    return !hold_agent_is_gone(self) && may_change && !typing_is_busy(&self->typing) ? self->obstacle_ms + OBSTACLE_INTERVAL : INT64_MAX;
}

void hold_note_obstacle(struct hold *self)
{
    if (typing_is_busy(&self->typing) || self->now_ms - self->obstacle_ms < OBSTACLE_INTERVAL)
        return;
    self->obstacle = obstacle(self);
    self->obstacle_ms = self->now_ms;
}

static void order_type(struct hold *self, const char *id, const cccc_value_t *order)
{
    cccc_str_t submit = cccc_get_str(order, "submit");
    self->stopped = child_is_stopped(&self->child);
    const char *why_not = typing_is_busy(&self->typing) ? "another text is being typed" : obstacle(self);
    if (*why_not) {
        failed(self, id, why_not);
        return;
    }
    snprintf(self->typing_order, sizeof self->typing_order, "%s", id);
    struct typing_terminal terminal = hold_typing_terminal(self);
    cccc_str_t text = cccc_get_str(order, "text"), brief = cccc_get_str(order, "brief");
    typing_begin(&self->typing, &terminal, brief.len > 0 && !typing_fits(&terminal, text) ? brief : text,
                 cccc_str_is(submit, "newline") ? TYPING_NEWLINE
                 : cccc_str_is(submit, "none")  ? TYPING_NO_KEY
                                                : TYPING_ENTER);
    hold_typing_done(self);
}

void hold_typing_done(struct hold *self)
{
    static const char *const outcomes[] = {[TYPING_ACCEPTED] = "accepted", [TYPING_FAILED] = "failed", [TYPING_AMBIGUOUS] = "ambiguous"};
    if (self->typing.phase != TYPING_DONE || !self->typing_order[0])
        return;
    self->typed += self->typing.outcome != TYPING_FAILED;
    self->maybe_unread = true;
    reports_end(&self->reports, self->typing_order, outcomes[self->typing.outcome], self->typing.reason, self->typing.evidence, NULL);
    self->typing_order[0] = '\0';
}

/* ---- the others ---- */

static void order_stop(struct hold *self, const char *id, const cccc_value_t *order)
{
    (void)id; /* reported by the exit */
    self->stop_asked = true;
    hold_stop(self, (int64_t)cccc_get_uint(order, "grace_ms", CCCC_HOLD_STOP_GRACE_MS));
}

/* At most `max` bytes of the end, from the beginning of a line or at least of a character on. */
static cccc_str_t end_of(const cccc_buf_t *text, size_t max)
{
    cccc_str_t s = {text->data, text->size};
    if (s.len <= max)
        return s;
    s.ptr += s.len - max;
    s.len = max;
    const char *line = memchr(s.ptr, '\n', s.len);
    size_t skip = line ? (size_t)(line - s.ptr) + 1 : 0;
    while (!line && skip < s.len && ((unsigned char)s.ptr[skip] & 0xC0) == 0x80)
        skip++;
    return (cccc_str_t){s.ptr + skip, s.len - skip};
}

/* Empty lines become one. */
static void compact(cccc_buf_t *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < text->size; i++) {
        bool third = kept >= 2 && text->data[i] == '\n' && text->data[kept - 1] == '\n' && text->data[kept - 2] == '\n';
        if (!third)
            text->data[kept++] = text->data[i];
    }
    text->size = kept;
}

static void put_raw(const struct ring *ring, cccc_buf_t *out)
{
    const char *piece;
    size_t n;
    for (uint64_t position = ring->start; (n = ring_peek(ring, &position, &piece)) > 0; position += n)
        cccc_buf_put(out, piece, n);
}

static void order_tail(struct hold *self, const char *id, const cccc_value_t *order)
{
    cccc_buf_t text;
    cccc_arena_t *arena = cccc_arena_new(1024);
    bool plain = cccc_get_bool(order, "strip_ansi", true);
    cccc_buf_init(&text);
    if (plain)
        screen_history(self->screen, &text);
    else
        put_raw(&self->ring, &text);
    if (plain && cccc_get_bool(order, "compact", true))
        compact(&text);
    cccc_str_t end = end_of(&text, cccc_get_uint(order, "max_chars", 8000));
    cccc_value_t shown = plain ? cccc_string(end) : (cccc_value_t){.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)end.len, end.ptr}};
    cccc_builder_t result = cccc_map_builder(arena, 2);
    cccc_map_add(&result, "text", shown);
    cccc_map_add(&result, "alternate_screen", cccc_bool(screen_is_alternate(self->screen)));
    done(self, id, &result.value);
    cccc_arena_destroy(&arena);
    cccc_buf_fini(&text);
}

static void order_clear(struct hold *self, const char *id, const cccc_value_t *order)
{
    (void)order;
    ring_clear(&self->ring);
    scrollback_clear(&self->scrollback);
    screen_forget_history(self->screen);
    done(self, id, NULL);
}

static void order_resize(struct hold *self, const char *id, const cccc_value_t *order)
{
    uint64_t rows = cccc_get_uint(order, "rows", 0), cols = cccc_get_uint(order, "cols", 0);
    if (rows >= 1 && rows <= 1000 && cols >= 1 && cols <= 1000)
        hold_resize(self, (uint16_t)rows, (uint16_t)cols);
    done(self, id, NULL);
}

static void order_ticket(struct hold *self, const char *id, const cccc_value_t *order)
{
    char hex[2 * TERMINAL_TICKET_BYTES + 1];
    cccc_arena_t *arena = cccc_arena_new(512);
    cccc_builder_t result = cccc_map_builder(arena, 2);
    terminal_ticket(&self->terminal, cccc_get_bool(order, "read_only", false), self->now_ms, hex);
    cccc_map_add(&result, "socket", cccc_text(self->launch.socket));
    cccc_map_add(&result, "ticket", cccc_text(hex));
    done(self, id, &result.value);
    cccc_arena_destroy(&arena);
}

static const struct {
    const char *name;
    void (*carry_out)(struct hold *self, const char *id, const cccc_value_t *order);
} orders[] = {
    {"type", order_type},   {"stop", order_stop},     {"tail", order_tail},
    {"clear", order_clear}, {"resize", order_resize}, {"ticket", order_ticket},
};

void hold_carry_out(struct hold *self, const cccc_value_t *order)
{
    char id[ORDER_ID_BYTES_MAX + 1];
    cccc_str_t order_id = cccc_get_str(order, "order_id"), name = cccc_get_str(order, "order");
    if (!reports_begin(&self->reports, order_id))
        return;
    snprintf(id, sizeof id, "%.*s", CCCC_STR_FMT(order_id));
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (cccc_str_is(name, orders[i].name)) {
            orders[i].carry_out(self, id, order);
            return;
        }
    failed(self, id, "this holder does not know the order; it is older than the daemon: restart the actor");
}
