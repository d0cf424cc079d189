/* keys.c - see keys.h. One byte at a time. */
#include "broker/hold/keys.h"

#include <string.h>

enum { INTERRUPT = 0x03, BELL = 0x07, BACKSPACE = 0x08, RETURN_CODE = 13, KILL_LINE = 0x15, ESCAPE = 0x1b, DELETE = 0x7f };

void keys_forget_line(struct keys *self)
{
    self->letters = 0;
    self->last = 0;
}

bool keys_line_is_open(const struct keys *self)
{
    return self->letters > 0;
}

static void press(struct keys *self, int64_t now_ms)
{
    self->typed_ms = now_ms;
    self->last = 0;
}

static void take_letter(struct keys *self, unsigned char byte, int64_t now_ms)
{
    bool continues = (byte & 0xc0) == 0x80;
    unsigned char lead = byte >= 0xf0 ? 0x07 : byte >= 0xe0 ? 0x0f : byte >= 0xc0 ? 0x1f : 0x7f; /* the bits of a first byte that count */
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
    } else if (ends || byte == INTERRUPT || byte == KILL_LINE) {
        press(self, now_ms);
        keys_forget_line(self);
    } else if (byte == BACKSPACE || byte == DELETE) {
        press(self, now_ms);
        self->letters -= self->letters > 0;
    } else if (byte >= ' ' || byte == '\t' || self->pasting) {
        take_letter(self, byte, now_ms);
    } else {
        press(self, now_ms);
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
    } else {
        self->state = KEYS_PLAIN; /* with alt, or the escape key and then another */
        press(self, now_ms);
    }
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
    } else if (byte == 'u' && (self->number == RETURN_CODE || self->number == 'c' || self->number == 'u')) { /* with control */
        press(self, now_ms);
        keys_forget_line(self);
    } else if (strchr("ABCDEFHPQSZ~u", byte) && (self->first == '\0' || (self->first >= '0' && self->first <= '9'))) {
        press(self, now_ms);
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
        press(self, now_ms);
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
        press(self, now_ms);
    }
}
