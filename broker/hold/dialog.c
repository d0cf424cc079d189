/* dialog.c - see dialog.h. */
#include "broker/hold/dialog.h"

#include <ctype.h>
#include <string.h>

/* Rows that a dialog may have below its question or its chosen line: the other choices, a frame, a hint. Where more stands it was answered, and what followed is below. */
enum { BELOW_MAX = 10 };

/* A line without the frame and the marks in front of its first word. */
static cccc_str_t first_word_on(cccc_str_t line)
{
    while (line.len > 0 && !isalnum((unsigned char)*line.ptr)) {
        line.ptr++;
        line.len--;
    }
    return line;
}

static bool begins_with_one_of(const cccc_value_t *texts, cccc_str_t line)
{
    for (uint32_t i = 0; cccc_is_array(texts) && i < texts->via.array.size; i++) {
        cccc_str_t text;
        if (cccc_as_str(&texts->via.array.ptr[i], &text) && text.len > 0 && line.len >= text.len &&
            memcmp(line.ptr, text.ptr, text.len) == 0)
            return true;
    }
    return false;
}

/* "❯ 1. Yes", in whatever frame. */
static bool is_chosen(cccc_str_t line, cccc_str_t word)
{
    static const char *const marks[] = {"\xe2\x9d\xaf", "\xe2\x80\xba", "\xe2\x97\x8f",
                                        "\xe2\x96\xb8", "\xe2\x86\x92", ">"}; /* ❯ › ● ▸ → */
    bool marked = false;
    cccc_str_t front = {line.ptr, line.len - word.len};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        marked |= memmem(front.ptr, front.len, marks[i], strlen(marks[i])) != NULL;
    return marked && word.len >= 2 && isdigit((unsigned char)word.ptr[0]) && word.ptr[1] == '.';
}

/* What is known once the rows down to the last one were looked at. */
struct look {
    bool asked; /* a question stands above */
    int below;  /* rows with a word in them below what looked like a dialog; -1: nothing did */
};

static void look_at(struct look *look, cccc_str_t line, const cccc_value_t *questions, const cccc_value_t *dialogs)
{
    cccc_str_t word = first_word_on(line);
    if (begins_with_one_of(dialogs, word) || (look->asked && is_chosen(line, word)))
        look->below = 0;
    else if (look->below >= 0 && word.len > 0)
        look->below++;
    look->asked |= begins_with_one_of(questions, word);
}

bool dialog_is_open(screen_t *screen, const cccc_value_t *questions, const cccc_value_t *dialogs)
{
    struct look look = {.below = -1};
    cccc_buf_t shown;
    cccc_buf_init(&shown);
    screen_text(screen, 0, &shown);
    for (cccc_str_t rest = {shown.data, shown.size}; rest.len > 0;)
        look_at(&look, cccc_str_next(&rest, '\n'), questions, dialogs);
    cccc_buf_fini(&shown);
    return look.below >= 0 && look.below <= BELOW_MAX;
}
