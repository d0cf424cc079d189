/* keys.c - see keys.h. One byte at a time. */
#include "broker/hold/keys.h"

#include <string.h>

enum { INTERRUPT = 0x03, BELL = 0x07, BACKSPACE = 0x08, RETURN_CODE = 13, KILL_LINE = 0x15, ESCAPE = 0x1b, DELETE = 0x7f };
enum { KITTY_PRIVATE = 1000 }; /* kitty's numbers of keys that are no characters are above it */

void keys_forget_line(struct keys *self)
{
    self->letters = 0;
    self->last = 0;
    self->fetched = self->moved = false;
}

bool keys_line_is_open(const struct keys *self)
{
    return self->letters > 0 || self->fetched;
}

static void press(struct keys *self, int64_t now_ms)
{
    self->typed_ms = now_ms;
    self->last = 0;
    self->escaped = false;
}

/* A key other than a letter. Of those that `fetch` the line may have text now; the others leave an empty one empty. */
static void press_other(struct keys *self, bool fetches, int64_t now_ms)
{
    press(self, now_ms);
    self->moved = true;
    self->fetched |= fetches;
}

/* Backspace, and the deletion of all that is left of the cursor: that is the whole line only as long as nobody moved in it. */
static void delete_letters(struct keys *self, uint32_t count, int64_t now_ms)
{
    uint32_t least = self->moved && self->letters > 0;
    press(self, now_ms);
    self->letters = self->letters > least + count ? self->letters - count : least;
}

/* With control: these move in the line or delete of it (a, b, d to h, k, l, w), or are a signal; all others may fetch something. */
static bool is_harmless_control(unsigned char byte)
{
    return byte && strchr("\x01\x02\x04\x05\x06\x07\x0b\x0c\x17\x1a\x1c", byte);
}

static void take_letter(struct keys *self, unsigned char byte, int64_t now_ms)
{
    bool continues = (byte & 0xc0) == 0x80;
    unsigned char lead = byte >= 0xf0 ? 0x07 : byte >= 0xe0 ? 0x0f : byte >= 0xc0 ? 0x1f : 0x7f; /* the bits of a first byte that count */
    if (!keys_line_is_open(self))
        self->moved = self->escaped;
    press(self, now_ms);
    self->letters += !continues;
    self->building = continues ? self->building << 6 | (byte & 0x3f) : byte & lead;
    self->last = self->building;
}

static void take_plain(struct keys *self, unsigned char byte, int64_t now_ms)
{
    bool ends = !self->pasting && (byte == '\r' || byte == '\n');
    if (byte == ESCAPE) {
        self->state = KEYS_ESCAPE;
    } else if (ends || byte == INTERRUPT) {
        press(self, now_ms);
        keys_forget_line(self);
    } else if (byte == BACKSPACE || byte == DELETE) {
        delete_letters(self, 1, now_ms);
    } else if (byte == KILL_LINE) {
        delete_letters(self, self->letters, now_ms);
    } else if (byte >= ' ' || self->pasting) {
        take_letter(self, byte, now_ms);
    } else {
        press_other(self, !is_harmless_control(byte), now_ms);
    }
}

static void take_escape(struct keys *self, unsigned char byte, int64_t now_ms)
{
    self->first = '\0';
    self->number = 0;
    self->numbered = false;
    if (byte == '[') {
        self->state = KEYS_CONTROL;
    } else if (byte == 'O') {
        self->state = KEYS_LETTER;
    } else if (strchr("]P_^X", byte) && byte) {
        self->state = KEYS_STRING;
    } else if (byte == ESCAPE) {
        press_other(self, false, now_ms); /* and perhaps another key with alt */
    } else {
        self->state = KEYS_PLAIN;                                     /* with alt, or the escape key and then another */
        press_other(self, !byte || !strchr("bfd\x7f", byte), now_ms); /* those move by words, or delete them */
    }
}

/* Up and down, the same by pages, and any character with modifiers; not the escape key. */
static bool fetches(const struct keys *self, unsigned char byte)
{
    if (byte == 'u')
        return self->number != ESCAPE && self->number < KITTY_PRIVATE;
    return byte == 'A' || byte == 'B' || (byte == '~' && (self->number == 5 || self->number == 6));
}

/* The last byte of a control sequence: cursor and function keys, marks of a paste; else an answer or a report. */
static void take_control(struct keys *self, unsigned char byte, int64_t now_ms)
{
    self->state = KEYS_PLAIN;
    if (byte == 'M' && self->first == '\0') {
        self->state = KEYS_MOUSE;
        self->mouse = 3;
    } else if (byte == '~' && (self->number == 200 || self->number == 201)) {
        self->pasting = self->number == 200;
    } else if (byte == 'u' && (self->number == RETURN_CODE || self->number == 'c')) { /* with control */
        press(self, now_ms);
        keys_forget_line(self);
    } else if (byte == 'u' && self->number == 'u') {
        delete_letters(self, self->letters, now_ms);
    } else if (strchr("ABCDEFHPQSZ~u", byte) && (self->first == '\0' || (self->first >= '0' && self->first <= '9'))) {
        press_other(self, fetches(self, byte), now_ms);
    }
}

static void take_parameter(struct keys *self, unsigned char byte)
{
    if (self->first == '\0')
        self->first = (char)byte;
    self->numbered |= byte == ';' || byte == ':';
    if (!self->numbered && byte >= '0' && byte <= '9' && self->number < 1000)
        self->number = self->number * 10 + (byte - '0');
}

static void take_string(struct keys *self, unsigned char byte)
{
    if (byte == BELL || self->state == KEYS_STRING_ESCAPE)
        self->state = KEYS_PLAIN;
    else if (byte == ESCAPE)
        self->state = KEYS_STRING_ESCAPE;
}

static void take(struct keys *self, unsigned char byte, int64_t now_ms)
{
    switch (self->state) {
    case KEYS_PLAIN:
        take_plain(self, byte, now_ms);
        break;
    case KEYS_ESCAPE:
        take_escape(self, byte, now_ms);
        break;
    case KEYS_CONTROL:
        if (byte >= 0x40 && byte <= 0x7e)
            take_control(self, byte, now_ms);
        else
            take_parameter(self, byte);
        break;
    case KEYS_LETTER:
        self->state = KEYS_PLAIN;
        press_other(self, byte == 'A' || byte == 'B', now_ms);
        break;
    case KEYS_STRING:
    case KEYS_STRING_ESCAPE:
        take_string(self, byte);
        break;
    case KEYS_MOUSE:
        self->state = --self->mouse > 0 ? KEYS_MOUSE : KEYS_PLAIN;
        break;
    }
}

void keys_take(struct keys *self, const char *bytes, size_t len, int64_t now_ms)
{
    for (size_t i = 0; i < len; i++)
        take(self, (unsigned char)bytes[i], now_ms);
    if (self->state == KEYS_ESCAPE) { /* the key itself: what a terminal sends it sends in one piece */
        self->state = KEYS_PLAIN;
        press_other(self, false, now_ms);
        self->escaped = true;
    }
}
