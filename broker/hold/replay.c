/* replay.c - see replay.h. A sequence is held until it is known what it is: one of at most REPLAY_HELD_BYTES_MAX bytes could be a question. */
#include "broker/hold/replay.h"

#include <stdlib.h>
#include <string.h>

enum { BELL = 0x07, ENQUIRY = 0x05, ESCAPE = 0x1b };

static void hold_back(struct replay *self, cccc_buf_t *out, char byte)
{
    if (self->held_len < sizeof self->held) {
        self->held[self->held_len++] = byte;
        return;
    }
    replay_end(self, out);
    cccc_buf_put(out, &byte, 1);
}

void replay_end(struct replay *self, cccc_buf_t *out)
{
    cccc_buf_put(out, self->held, self->held_len);
    self->held_len = 0;
    self->state = REPLAY_TEXT;
}

/* Is a report on the window asked for? The other numbers change it. */
static bool asks_for_window(const char *parameters)
{
    long n = strtol(parameters, NULL, 10);
    return n >= 11 && n <= 21;
}

/* CSI: `body` is what stands between it and its last byte, `last`. */
static bool control_asks(const char *body, char last)
{
    switch (last) {
    case 'n': /* status, cursor position */
        return body[0] != '>';
    case 'c': /* device attributes; the reply to it has a '?' */
        return body[0] != '?';
    case 'q': /* name and version */
        return body[0] == '>';
    case 'u': /* keyboard protocol */
    case 'm': /* key modifiers */
    case 'S': /* graphics */
        return body[0] == '?';
    case 'p': /* a mode */
    case 'w': /* presentation state */
        return strchr(body, '$') != NULL;
    case 'y': /* checksum of a rectangle */
        return strchr(body, '*') != NULL;
    case 't':
        return asks_for_window(body);
    case 'x': /* terminal parameters */
        return strpbrk(body, "$*") == NULL;
    default:
        return false;
    }
}

/* OSC, DCS, APC: `body` is what stands between introducer and terminator. */
static bool string_asks(char introducer, const char *body)
{
    if (introducer == ']') /* colours, clipboard, capabilities */
        return strstr(body, ";?") || strstr(body, "p=?") || strstr(body, "Capabilities");
    if (introducer == 'P') /* capabilities, settings */
        return strncmp(body, "+q", 2) == 0 || strncmp(body, "$q", 2) == 0;
    return introducer == '_' && body[0] == 'G' && strstr(body, "a=q") != NULL;
}

/* The held sequence has ended; its terminator takes `tail` bytes. */
static void judge(struct replay *self, cccc_buf_t *out, size_t tail)
{
    char body[REPLAY_HELD_BYTES_MAX + 1];
    size_t len = self->held_len - 2 - tail;
    memcpy(body, self->held + 2, len);
    body[len] = '\0';
    bool asks = self->held[1] == '[' ? control_asks(body, self->held[self->held_len - 1]) : string_asks(self->held[1], body);
    if (asks)
        self->held_len = 0;
    replay_end(self, out);
}

static void in_escape(struct replay *self, cccc_buf_t *out, char byte)
{
    hold_back(self, out, byte);
    if (byte == '[')
        self->state = REPLAY_CONTROL;
    else if (strchr("]P_", byte) && byte)
        self->state = REPLAY_STRING;
    else
        replay_end(self, out);
}

static void in_string(struct replay *self, cccc_buf_t *out, char byte)
{
    hold_back(self, out, byte);
    if (self->held_len == 0)
        return; /* too long to be a question: its rest is text to us */
    if (byte == BELL)
        judge(self, out, 1);
    else if (self->state == REPLAY_STRING_ESCAPE)
        judge(self, out, 2);
    else if (byte == ESCAPE)
        self->state = REPLAY_STRING_ESCAPE;
}

static void take(struct replay *self, cccc_buf_t *out, char byte)
{
    switch (self->state) {
    case REPLAY_TEXT:
        if (byte == ESCAPE) {
            hold_back(self, out, byte);
            self->state = REPLAY_ESCAPE;
        } else if (byte != ENQUIRY) {
            cccc_buf_put(out, &byte, 1);
        }
        break;
    case REPLAY_ESCAPE:
        in_escape(self, out, byte);
        break;
    case REPLAY_CONTROL:
        hold_back(self, out, byte);
        if (self->held_len > 0 && byte >= 0x40 && byte <= 0x7e)
            judge(self, out, 1);
        break;
    case REPLAY_STRING:
    case REPLAY_STRING_ESCAPE:
        in_string(self, out, byte);
        break;
    }
}

void replay_put(struct replay *self, cccc_buf_t *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        take(self, out, bytes[i]);
}
