/* show.c - one event of a ledger, shown: what it says, to whom, and as a line of `tail`.
 *
 * Thread: the program's one. */
#include "clients/cli/cli.h"
#include "proto/event.h"
#include "proto/json.h"
#include "proto/kinds.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static void put_attachments(const cccc_value_t *data, cccc_str_t text, cccc_buf_t *out)
{
    const cccc_value_t *list = cccc_get(data, "attachments");
    for (uint32_t i = 0; i < cli_count(list); i++) {
        cccc_str_t path = cccc_get_str(cli_item(list, i), "path");
        if (path.len > 0 && memmem(text.ptr, text.len, path.ptr, path.len))
            continue;
        cccc_buf_str(out, " [file ");
        put_str(out, path);
        cccc_buf_str(out, "]");
    }
}

/* What a message asks of its readers, and where it comes from. */
static void put_flags(const cccc_value_t *data, cccc_buf_t *out)
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
}

/* A text that is kept as a file names that file itself. */
static void say_message(const cccc_value_t *data, cccc_buf_t *out)
{
    cccc_str_t text = cccc_get_str(data, "text");
    put_str(out, text);
    put_attachments(data, text, out);
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

/* The members of a patch, as they would be given to change them. */
static void say_patch(const cccc_value_t *data, cccc_buf_t *out)
{
    const cccc_value_t *patch = cccc_get(data, "patch");
    put_str(out, cccc_get_str(data, "actor_id"));
    for (uint32_t i = 0; patch && cccc_is_map(patch) && i < patch->via.map.size; i++) {
        cccc_str_t key = {0}, text = {0};
        cccc_as_str(&patch->via.map.ptr[i].key, &key);
        cccc_buf_str(out, out->size > 0 ? " " : "");
        put_str(out, key);
        cccc_buf_str(out, "=");
        if (cccc_as_str(&patch->via.map.ptr[i].val, &text))
            put_str(out, text);
        else
            cccc_json_write(&patch->via.map.ptr[i].val, out);
    }
}

static void say_scope(const cccc_value_t *data, cccc_buf_t *out)
{
    put_str(out, cccc_get_str(data, "scope_key"));
}

/* What was done; a ruleset that was replaced as a whole has no steps. */
static void say_automation(const cccc_value_t *data, cccc_buf_t *out)
{
    const cccc_value_t *actions = cccc_get(data, "actions");
    char text[64];
    snprintf(text, sizeof text, "rules, version %" PRIu64, cccc_get_uint(data, "version", 0));
    cccc_buf_str(out, text);
    if (cccc_str_is(cccc_get_str(data, "source"), "completed"))
        cccc_buf_str(out, ", because it has run");
    for (uint32_t i = 0; i < cli_count(actions); i++) {
        cccc_buf_str(out, i > 0 ? ", " : ": ");
        put_str(out, cccc_get_str(cli_item(actions, i), "type"));
        cccc_buf_str(out, " ");
        put_str(out, cccc_get_str(cli_item(actions, i), "rule_id"));
    }
}

static void say_edit(const cccc_value_t *data, cccc_buf_t *out)
{
    const cccc_value_t *document = cccc_get(data, "document");
    cccc_buf_str(out, "group.yaml was changed by hand and taken over");
    if (cccc_get_str(document, "title").len > 0) {
        cccc_buf_str(out, ": ");
        put_str(out, cccc_get_str(document, "title"));
    }
}

static void say_started(const cccc_value_t *data, cccc_buf_t *out)
{
    (void)data;
    cccc_buf_str(out, "the group was started");
}

static void say_stopped(const cccc_value_t *data, cccc_buf_t *out)
{
    (void)data;
    cccc_buf_str(out, "the group was stopped");
}

static void say_repair(const cccc_value_t *data, cccc_buf_t *out)
{
    char text[96];
    uint64_t from = cccc_get_uint(data, "from_seq", 0), to = cccc_get_uint(data, "to_seq", 0);
    snprintf(text, sizeof text, "events %" PRIu64 "..%" PRIu64 " were given up: ", from, to);
    cccc_buf_str(out, text);
    put_str(out, cccc_get_str(data, "reason"));
}

static const struct {
    cccc_kind_t kind;
    void (*say)(const cccc_value_t *data, cccc_buf_t *out);
} sayings[] = {
    {CCCC_KIND_CHAT_MESSAGE, say_message},
    {CCCC_KIND_SYSTEM_NOTIFY, say_notify},
    {CCCC_KIND_CHAT_READ, say_read},
    {CCCC_KIND_CHAT_ACK, say_ack},
    {CCCC_KIND_ACTOR_ADD, say_actor_add},
    {CCCC_KIND_ACTOR_REMOVE, say_actor_remove},
    {CCCC_KIND_GROUP_ATTACH, say_attach},
    {CCCC_KIND_GROUP_CREATE, say_create},
    {CCCC_KIND_GROUP_SET_STATE, say_state},
    {CCCC_KIND_GROUP_UPDATE, say_patch},
    {CCCC_KIND_GROUP_SETTINGS_UPDATE, say_patch},
    {CCCC_KIND_ACTOR_UPDATE, say_patch},
    {CCCC_KIND_GROUP_DETACH_SCOPE, say_scope},
    {CCCC_KIND_GROUP_SET_ACTIVE_SCOPE, say_scope},
    {CCCC_KIND_GROUP_AUTOMATION_UPDATE, say_automation},
    {CCCC_KIND_GROUP_EDIT, say_edit},
    {CCCC_KIND_GROUP_START, say_started},
    {CCCC_KIND_GROUP_STOP, say_stopped},
    {CCCC_KIND_LEDGER_REPAIR, say_repair},
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

static void put_flags_of(const cccc_value_t *event, cccc_buf_t *out)
{
    if (cccc_kind_find(cccc_get_str(event, "kind")) == CCCC_KIND_CHAT_MESSAGE)
        put_flags(cccc_get(event, "data"), out);
}

static void put_body(const cccc_value_t *event, cccc_buf_t *out)
{
    const cccc_value_t *data = cccc_get(event, "data");
    size_t i = saying_of(event);
    if (i < SAYINGS)
        sayings[i].say(data, out);
    else if (data)
        cccc_json_write(data, out);
}

void cli_event_text(const cccc_value_t *event, cccc_buf_t *out)
{
    put_flags_of(event, out);
    put_body(event, out);
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

/* Columns: time and number take 17, then who, then what. On narrow terminals what stands below who, and days are short. */
enum { WHO_COLUMN = 17, WHO_MIN = 12, WHO_MAX = 28, NARROW = 60, NARROW_COLUMN = 4 };

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
        strftime(text, sizeof text, cli->width < NARROW ? "%a %Y-%m-%d, times in %Z" : "%A %Y-%m-%d, times in %Z", &tm);
        printf("%s--- %s ---%s\n", cli_style(cli, STYLE_DIM), text, cli_plain(cli));
        shown_day = tm.tm_yday;
        shown_year = tm.tm_year;
    }
    strftime(text, sizeof text, "%H:%M:%S", &tm);
    printf("%s%s%s", cli_style(cli, STYLE_DIM), text, cli_plain(cli));
}

/* A name in its colour; the columns it takes. */
static size_t print_name(struct cli *cli, cccc_str_t name)
{
    cccc_buf_t safe;
    cccc_buf_init(&safe);
    escape_text(&safe, name, ESCAPE_ONE_LINE);
    size_t width = escape_width((cccc_str_t){safe.data, safe.size});
    printf("%s%.*s%s", cli_style(cli, cli_style_of(name)), (int)safe.size, safe.data ? safe.data : "", cli_plain(cli));
    cccc_buf_fini(&safe);
    return width;
}

/* "lead -> peer-1"; the columns it takes. */
static size_t print_who(struct cli *cli, const cccc_value_t *event)
{
    cccc_buf_t to;
    size_t width = print_name(cli, cccc_get_str(event, "by"));
    cccc_buf_init(&to);
    cli_event_to(event, &to);
    if (to.size > 0) {
        fputs(" -> ", stdout);
        width += 4 + print_name(cli, (cccc_str_t){to.data, to.size});
    }
    cccc_buf_fini(&to);
    return width;
}

/* From behind who, `width` columns of it, to the column of the text, which is returned. */
static size_t go_to_text(const struct cli *cli, size_t width)
{
    size_t room = (size_t)cli->width / 4;
    room = room < WHO_MIN ? WHO_MIN : room > WHO_MAX ? WHO_MAX : room;
    size_t column = cli->width < NARROW ? NARROW_COLUMN : WHO_COLUMN + room + 2;
    if (cli->width < NARROW || width > room)
        printf("\n%*s", (int)column, "");
    else
        printf("%*s", (int)(room - width + 2), "");
    return column;
}

/* What it says: what is asked in a colour of its own, which no text can imitate, then the text. No line of it begins left of its column, so that no
 * message can look like the next event. */
static void print_what(struct cli *cli, const cccc_value_t *event, size_t column)
{
    cccc_buf_t body, safe;
    bool is_message = cccc_kind_find(cccc_get_str(event, "kind")) == CCCC_KIND_CHAT_MESSAGE;
    cccc_str_t kind = cccc_get_str(event, "kind");
    cccc_buf_init(&body);
    cccc_buf_init(&safe);
    put_flags_of(event, &body);
    if (!is_message) {
        put_str(&body, kind);
        cccc_buf_str(&body, ": ");
    }
    escape_text(&safe, (cccc_str_t){body.data, body.size}, ESCAPE_ONE_LINE);
    size_t flags = escape_width((cccc_str_t){safe.data, safe.size});
    printf("%s%.*s%s", cli_style(cli, is_message ? STYLE_YELLOW : STYLE_DIM), (int)safe.size, safe.data ? safe.data : "", cli_plain(cli));
    msgpack_sbuffer_clear(&body);
    msgpack_sbuffer_clear(&safe);
    put_body(event, &body);
    escape_text(&safe, (cccc_str_t){body.data, body.size}, ESCAPE_KEEP_LINES);
    cli_print_folded(cli, (cccc_str_t){safe.data, safe.size}, column, flags, "| ", true);
    putchar('\n');
    cccc_buf_fini(&body);
    cccc_buf_fini(&safe);
}

static void print_for_people(struct cli *cli, const cccc_value_t *event)
{
    cli_look_at_width(cli);
    print_clock(cli, cccc_get_str(event, "ts"));
    printf(" %6" PRIu64 "  ", cccc_get_uint(event, "seq", 0));
    size_t width = print_who(cli, event);
    print_what(cli, event, go_to_text(cli, width));
}

void cli_print_event(struct cli *cli, const cccc_value_t *event, bool raw)
{
    cccc_buf_t said, to;
    if (cli->json) {
        cli_json_line(cli, event);
        return;
    }
    if (cli->tty) {
        print_for_people(cli, event);
        fflush(stdout);
        return;
    }
    cccc_buf_init(&said);
    cccc_buf_init(&to);
    cli_event_text(event, &said);
    cli_event_to(event, &to);
    print_columns(event, (cccc_str_t){to.data, to.size}, (cccc_str_t){said.data, said.size}, raw);
    cccc_buf_fini(&said);
    cccc_buf_fini(&to);
    fflush(stdout);
}

void cli_say_loud(struct cli *cli, const char *text)
{
    cli_look_at_width(cli);
    printf("%s%s!!! ", cli_style(cli, STYLE_BOLD), cli_style(cli, STYLE_RED));
    cli_print_folded(cli, cccc_str(text), 4, 0, "", false);
    printf("%s\n", cli_plain(cli));
    fflush(stdout);
}

void cli_print_gap(struct cli *cli, uint64_t from_seq, uint64_t to_seq, const char *reason)
{
    if (cli->tty && !cli->json)
        cli_say_loud(
            cli, to_seq > 0
                     ? cli_printf(cli, "events %" PRIu64 "..%" PRIu64 " are missing: %s; `cccc doctor` says more", from_seq, to_seq, reason)
                     : cli_printf(cli, "events from %" PRIu64 " on are missing: %s; `cccc doctor` says more", from_seq, reason));
    else if (cli->json)
        printf("{\"gap\":{\"from_seq\":%" PRIu64 ",\"to_seq\":%" PRIu64 ",\"reason\":\"%s\"}}\n", from_seq, to_seq, reason);
    else if (to_seq > 0)
        printf("--- events %" PRIu64 "..%" PRIu64 " missing: %s ---\n", from_seq, to_seq, reason);
    else
        printf("--- events from %" PRIu64 " on missing: %s ---\n", from_seq, reason);
    fflush(stdout);
}

/* ---- streams ---- */

/* How long a stream goes on for nobody. */
#define UNREAD_MS 500

bool cli_is_unread(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

int cli_follow_next(cccc_follow_t *follow, struct cccc_item *item, struct cccc_error *error)
{
    int n;
    do
        n = cccc_follow_next(follow, item, UNREAD_MS, error);
    while (n == 0 && !cli_is_unread());
    return n;
}
