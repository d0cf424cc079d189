/* show.c - one event of a ledger, shown: what it says, to whom, and as a line of `tail`.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/event.h"
#include "proto/json.h"
#include "proto/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what an event says ---- */

static void put_str(cccc_buf_t *out, cccc_str_t text)
{
    cccc_buf_put(out, text.ptr, text.len);
}

static void put_seq(cccc_buf_t *out, cccc_str_t event_id)
{
    char number[24];
    uint64_t seq = cccc_event_id_seq(event_id);
    if (seq == 0) {
        put_str(out, event_id);
        return;
    }
    snprintf(number, sizeof number, "%" PRIu64, seq);
    cccc_buf_str(out, number);
}

static void put_attachments(const cccc_value_t *data, cccc_buf_t *out)
{
    const cccc_value_t *list = cccc_get(data, "attachments");
    for (uint32_t i = 0; i < cli_count(list); i++) {
        cccc_buf_str(out, " [file ");
        put_str(out, cccc_get_str(cli_item(list, i), "path"));
        cccc_buf_str(out, "]");
    }
}

static void say_message(const cccc_value_t *data, cccc_buf_t *out)
{
    if (cccc_str_is(cccc_get_str(data, "priority"), "attention"))
        cccc_buf_str(out, "[attention] ");
    if (cccc_get_bool(data, "reply_required", false))
        cccc_buf_str(out, "[reply required] ");
    if (cccc_get_str(data, "reply_to").len > 0) {
        cccc_buf_str(out, "[re ");
        put_seq(out, cccc_get_str(data, "reply_to"));
        cccc_buf_str(out, "] ");
    }
    if (cccc_get_str(data, "src_group_id").len > 0) {
        cccc_buf_str(out, "[from ");
        put_str(out, cccc_get_str(data, "src_group_id"));
        cccc_buf_str(out, "] ");
    }
    if (cccc_get_str(data, "dst_group_id").len > 0) {
        cccc_buf_str(out, "[for ");
        put_str(out, cccc_get_str(data, "dst_group_id"));
        cccc_buf_str(out, "] ");
    }
    put_str(out, cccc_get_str(data, "text"));
    put_attachments(data, out);
}

static void say_notify(const cccc_value_t *data, cccc_buf_t *out)
{
    cccc_str_t title = cccc_get_str(data, "title"), message = cccc_get_str(data, "message");
    put_str(out, title);
    if (title.len > 0 && message.len > 0)
        cccc_buf_str(out, ": ");
    put_str(out, message);
}

static void say_read(const cccc_value_t *data, cccc_buf_t *out)
{
    put_str(out, cccc_get_str(data, "actor_id"));
    cccc_buf_str(out, " has read up to ");
    put_seq(out, cccc_get_str(data, "event_id"));
}

static void say_ack(const cccc_value_t *data, cccc_buf_t *out)
{
    put_str(out, cccc_get_str(data, "actor_id"));
    cccc_buf_str(out, " acknowledged ");
    put_seq(out, cccc_get_str(data, "event_id"));
}

static void say_actor_add(const cccc_value_t *data, cccc_buf_t *out)
{
    const cccc_value_t *actor = cccc_get(data, "actor");
    put_str(out, cccc_get_str(actor, "id"));
    cccc_buf_str(out, " joined (");
    put_str(out, cccc_get_str(actor, "runtime"));
    cccc_buf_str(out, ", ");
    put_str(out, cccc_get_str(actor, "runner"));
    cccc_buf_str(out, ")");
}

static void say_actor_remove(const cccc_value_t *data, cccc_buf_t *out)
{
    put_str(out, cccc_get_str(data, "actor_id"));
    cccc_buf_str(out, " left");
}

static void say_attach(const cccc_value_t *data, cccc_buf_t *out)
{
    put_str(out, cccc_get_str(data, "url"));
}

static void say_create(const cccc_value_t *data, cccc_buf_t *out)
{
    put_str(out, cccc_get_str(data, "title"));
}

static void say_state(const cccc_value_t *data, cccc_buf_t *out)
{
    put_str(out, cccc_get_str(data, "old_state"));
    cccc_buf_str(out, " to ");
    put_str(out, cccc_get_str(data, "new_state"));
}

static const struct {
    cccc_kind_t kind;
    const char *word; /* short form on a terminal */
    void (*say)(const cccc_value_t *data, cccc_buf_t *out);
} sayings[] = {
    {CCCC_KIND_CHAT_MESSAGE, "message", say_message}, {CCCC_KIND_SYSTEM_NOTIFY, "notice", say_notify},
    {CCCC_KIND_CHAT_READ, "read", say_read},          {CCCC_KIND_CHAT_ACK, "ack", say_ack},
    {CCCC_KIND_ACTOR_ADD, NULL, say_actor_add},       {CCCC_KIND_ACTOR_REMOVE, NULL, say_actor_remove},
    {CCCC_KIND_GROUP_ATTACH, NULL, say_attach},       {CCCC_KIND_GROUP_CREATE, NULL, say_create},
    {CCCC_KIND_GROUP_SET_STATE, NULL, say_state},
};
#define SAYINGS (sizeof sayings / sizeof *sayings)

static size_t saying_of(const cccc_value_t *event)
{
    cccc_kind_t kind = cccc_kind_find(cccc_get_str(event, "kind"));
    size_t i = 0;
    while (i < SAYINGS && sayings[i].kind != kind)
        i++;
    return i;
}

void cli_event_text(const cccc_value_t *event, cccc_buf_t *out)
{
    const cccc_value_t *data = cccc_get(event, "data");
    size_t i = saying_of(event);
    if (i < SAYINGS)
        sayings[i].say(data, out);
    else if (data)
        cccc_json_write(data, out);
}

/* ---- to whom ---- */

static void put_joined(const cccc_value_t *list, cccc_buf_t *out)
{
    for (uint32_t i = 0; i < cli_count(list); i++) {
        cccc_str_t item = {0};
        cccc_as_str(cli_item(list, i), &item);
        if (i > 0)
            cccc_buf_str(out, ",");
        put_str(out, item);
    }
}

void cli_event_to(const cccc_value_t *event, cccc_buf_t *out)
{
    const cccc_value_t *data = cccc_get(event, "data"), *to = cccc_get(data, "to");
    cccc_str_t target = cccc_get_str(data, "target_actor_id");
    cccc_kind_t kind = cccc_kind_find(cccc_get_str(event, "kind"));
    if (kind == CCCC_KIND_SYSTEM_NOTIFY && target.len > 0)
        put_str(out, target);
    else if (kind == CCCC_KIND_CHAT_MESSAGE && cli_count(to) > 0)
        put_joined(to, out);
    else if (kind == CCCC_KIND_CHAT_MESSAGE || kind == CCCC_KIND_SYSTEM_NOTIFY)
        cccc_buf_str(out, "@all");
}

static bool names(const cccc_value_t *list, cccc_str_t actor)
{
    cccc_str_t item;
    for (uint32_t i = 0; i < cli_count(list); i++)
        if (cccc_as_str(cli_item(list, i), &item) && cccc_str_eq(item, actor))
            return true;
    return false;
}

bool cli_event_concerns(const cccc_value_t *event, cccc_str_t actor)
{
    const cccc_value_t *data = cccc_get(event, "data");
    return cccc_str_eq(cccc_get_str(event, "by"), actor) || names(cccc_get(data, "audience"), actor) ||
           names(cccc_get(data, "to"), actor) || cccc_str_eq(cccc_get_str(data, "target_actor_id"), actor) ||
           cccc_str_eq(cccc_get_str(data, "actor_id"), actor) || cccc_str_eq(cccc_get_str(cccc_get(data, "actor"), "id"), actor);
}

/* ---- a line of a stream ---- */

static void print_escaped(cccc_str_t text, enum escape_lines lines, bool raw)
{
    cccc_buf_t safe;
    if (text.len == 0)
        return;
    if (raw) {
        fwrite(text.ptr, 1, text.len, stdout);
        return;
    }
    cccc_buf_init(&safe);
    escape_text(&safe, text, lines);
    fwrite(safe.data, 1, safe.size, stdout);
    cccc_buf_fini(&safe);
}

static void print_columns(const cccc_value_t *event, cccc_str_t to, cccc_str_t text, bool raw)
{
    print_escaped(cccc_get_str(event, "ts"), ESCAPE_ONE_LINE, false);
    printf("\t%" PRIu64 "\t", cccc_get_uint(event, "seq", 0));
    print_escaped(cccc_get_str(event, "kind"), ESCAPE_ONE_LINE, false);
    putchar('\t');
    print_escaped(cccc_get_str(event, "by"), ESCAPE_ONE_LINE, false);
    putchar('\t');
    print_escaped(to, ESCAPE_ONE_LINE, false);
    putchar('\t');
    print_escaped(text, ESCAPE_ONE_LINE, raw);
    putchar('\n');
}

/* Local time of day; a line with the date comes first whenever the day is another than the line before. */
static void print_clock(struct cli *cli, cccc_str_t ts)
{
    static int shown_year, shown_day = -1;
    int64_t us;
    struct tm tm;
    char text[64];
    if (!cccc_ts_parse(ts, &us)) {
        printf("%-8s", "?");
        return;
    }
    time_t seconds = (time_t)(us / 1000000);
    localtime_r(&seconds, &tm);
    if (tm.tm_yday != shown_day || tm.tm_year != shown_year) {
        strftime(text, sizeof text, "%A %Y-%m-%d, times in %Z", &tm);
        printf("%s--- %s ---%s\n", cli_style(cli, STYLE_DIM), text, cli_plain(cli));
        shown_day = tm.tm_yday;
        shown_year = tm.tm_year;
    }
    strftime(text, sizeof text, "%H:%M:%S", &tm);
    printf("%s%s%s", cli_style(cli, STYLE_DIM), text, cli_plain(cli));
}

static void print_name(struct cli *cli, cccc_str_t name)
{
    fputs(cli_style(cli, cli_style_of(name)), stdout);
    print_escaped(name, ESCAPE_ONE_LINE, false);
    fputs(cli_plain(cli), stdout);
}

/* Lines of a text after the first stand behind a gutter, so that no message can look like the next event. */
static void print_text(cccc_str_t text)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t length = end ? (size_t)(end - text.ptr) : text.len;
        print_escaped((cccc_str_t){text.ptr, length}, ESCAPE_KEEP_LINES, false);
        if (end)
            fputs("\n                 | ", stdout);
        text.ptr += length + (end != NULL);
        text.len -= length + (end != NULL);
    }
    putchar('\n');
}

static void print_for_people(struct cli *cli, const cccc_value_t *event, cccc_str_t to, cccc_str_t text)
{
    size_t i = saying_of(event);
    cccc_str_t kind = i < SAYINGS && sayings[i].word ? cccc_str(sayings[i].word) : cccc_get_str(event, "kind");
    print_clock(cli, cccc_get_str(event, "ts"));
    printf(" %6" PRIu64 "  ", cccc_get_uint(event, "seq", 0));
    print_escaped(kind, ESCAPE_ONE_LINE, false);
    printf("%*s ", kind.len < 8 ? (int)(8 - kind.len) : 0, "");
    print_name(cli, cccc_get_str(event, "by"));
    if (to.len > 0) {
        fputs(" -> ", stdout);
        print_name(cli, to);
    }
    fputs("  ", stdout);
    print_text(text);
}

void cli_print_event(struct cli *cli, const cccc_value_t *event, bool raw)
{
    cccc_buf_t said, to;
    if (cli->json) {
        cli_json_line(cli, event);
        return;
    }
    cccc_buf_init(&said);
    cccc_buf_init(&to);
    cli_event_text(event, &said);
    cli_event_to(event, &to);
    if (cli->tty)
        print_for_people(cli, event, (cccc_str_t){to.data, to.size}, (cccc_str_t){said.data, said.size});
    else
        print_columns(event, (cccc_str_t){to.data, to.size}, (cccc_str_t){said.data, said.size}, raw);
    cccc_buf_fini(&said);
    cccc_buf_fini(&to);
    fflush(stdout);
}

void cli_print_gap(struct cli *cli, uint64_t from_seq, uint64_t to_seq, const char *reason)
{
    const char *red = cli_style(cli, STYLE_RED), *plain = cli_plain(cli);
    if (cli->json)
        printf("{\"gap\":{\"from_seq\":%" PRIu64 ",\"to_seq\":%" PRIu64 ",\"reason\":\"%s\"}}\n", from_seq, to_seq, reason);
    else if (to_seq > 0)
        printf("%s--- events %" PRIu64 "..%" PRIu64 " missing: %s ---%s\n", red, from_seq, to_seq, reason, plain);
    else
        printf("%s--- events from %" PRIu64 " on missing: %s ---%s\n", red, from_seq, reason, plain);
    fflush(stdout);
}
