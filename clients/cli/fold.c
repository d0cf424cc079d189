/* fold.c - escaped text in a column of a terminal: folded at blanks, so that it stays in its column.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/utf8.h"

#include <stdio.h>
#include <string.h>

/* Narrower columns are not worth folding for. */
enum { ROOM_MIN = 16 };

/* How many bytes of `text`, which has no line feed, go on a line of `room` columns: up to the last blank behind a word. A word that is longer goes over
 * the edge as a whole (a path can then be copied), or is cut when `hard` (the rest of it cannot look like a line of ours). */
static size_t line_bytes(cccc_str_t text, size_t room, bool hard)
{
    size_t width = 0, blank = 0;
    bool in_text = false;
    for (size_t at = 0; at < text.len;) {
        uint32_t code;
        size_t length;
        cccc_utf8_decode((cccc_str_t){text.ptr + at, text.len - at}, &code, &length);
        if (code == ' ' && in_text && (width <= room || blank == 0))
            blank = at;
        in_text |= code != ' ';
        width += escape_width((cccc_str_t){text.ptr + at, length});
        if (width > room && blank > 0)
            return blank;
        if (width > room && hard)
            return at > 0 ? at : length;
        at += length;
    }
    return text.len;
}

/* `used` columns of the first line's room are taken. */
static void print_line(struct cli *cli, cccc_str_t line, size_t column, size_t used, bool hard)
{
    size_t room = (size_t)cli->width > column + ROOM_MIN ? (size_t)cli->width - column : SIZE_MAX;
    while (line.len > 0) {
        size_t n = used < room ? line_bytes(line, room - used, hard) : 0;
        if (used > 0 && n < line.len && line.ptr[n] != ' ')
            n = 0; /* a word is cut only where a whole line is too short for it */
        fwrite(line.ptr, 1, n, stdout);
        if (n > 0 && n < line.len && line.ptr[n] == ' ')
            n++;
        line = (cccc_str_t){line.ptr + n, line.len - n};
        if (line.len > 0)
            printf("\n%*s", (int)column, "");
        used = 0;
    }
}

void cli_print_folded(struct cli *cli, cccc_str_t text, size_t column, size_t used, const char *gutter, bool hard)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t length = end ? (size_t)(end - text.ptr) : text.len;
        print_line(cli, (cccc_str_t){text.ptr, length}, column, used, hard);
        if (end)
            printf("\n%*s%s%s%s", (int)(column - strlen(gutter)), "", cli_style(cli, STYLE_DIM), gutter, cli_plain(cli));
        text.ptr += length + (end != NULL);
        text.len -= length + (end != NULL);
        used = 0;
    }
}
