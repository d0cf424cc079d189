/* safe_text.c - see safe_text.h. */
#include "broker/hold/safe_text.h"

#include "proto/utf8.h"

static cccc_str_t without_end(cccc_str_t text)
{
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    return text;
}

void safe_text(cccc_buf_t *out, cccc_str_t text, bool lines)
{
    text = without_end(text);
    while (text.len > 0) {
        uint32_t code;
        size_t length;
        bool valid = cccc_utf8_decode(text, &code, &length);
        if (code == '\r' && text.len > 1 && text.ptr[1] == '\n')
            length = 2;
        if (!valid)
            cccc_buf_str(out, "\xef\xbf\xbd");
        else if (code == '\n' || code == '\r')
            cccc_buf_str(out, lines ? "\n" : " ");
        else if (code == '\t')
            cccc_buf_str(out, "\t");
        else if (!cccc_is_unsafe_to_show(code))
            cccc_buf_put(out, text.ptr, length);
        text.ptr += length;
        text.len -= length;
    }
}
