/* What a pipe gets: events as lines of columns, tables with tabs, gaps as rows. */
#include "clients/cli/progress.h"
#include "proto/event.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct cli cli;
static char output[8192];

static FILE *lent;
static int kept, taken;

static void capture_of(int fd)
{
    fflush(NULL);
    lent = tmpfile();
    assert_non_null(lent);
    taken = fd;
    kept = dup(fd);
    dup2(fileno(lent), fd);
}

static void capture(void)
{
    capture_of(STDOUT_FILENO);
}

static const char *captured(void)
{
    fflush(NULL);
    dup2(kept, taken);
    close(kept);
    rewind(lent);
    output[fread(output, 1, sizeof output - 1, lent)] = '\0';
    fclose(lent);
    return output;
}

static cccc_value_t event(const char *json)
{
    cccc_value_t value;
    struct cccc_errmsg m;
    if (cccc_json_read(json, strlen(json), cli.arena, &value, &m) != CCCC_OK)
        fail_msg("%s", m.text);
    return value;
}

static void prints(const char *json, const char *line)
{
    cccc_value_t value = event(json);
    capture();
    cli_print_event(&cli, &value, false);
    assert_string_equal(captured(), line);
}

#define EVENT(kind, data)                                                                                                                  \
    "{\"v\":1,\"id\":\"x\",\"ts\":\"2026-11-23T16:15:06.893379Z\",\"seq\":12,\"kind\":\"" kind "\",\"by\":\"lead\",\"data\":" data "}"
#define BEFORE(kind, to) "2026-11-23T16:15:06.893379Z\t12\t" kind "\tlead\t" to "\t"

static void messages_are_one_line_of_columns(void **state)
{
    (void)state;
    prints(
        EVENT(
            "chat.message",
            "{\"text\":\"two\\nlines\\tand \\u001b[31m\",\"to\":[\"peer-1\",\"user\"],\"priority\":\"attention\",\"reply_required\":true}"),
        BEFORE("chat.message", "peer-1,user") "[attention] [reply required] two\\nlines\\tand \\x1b[31m\n");
    prints(EVENT("chat.message", "{\"text\":\"hi\",\"to\":[],\"attachments\":[{\"path\":\"state/blobs/ab_x\"}]}"),
           BEFORE("chat.message", "@all") "hi [file state/blobs/ab_x]\n");
}

/* A reply names what it replies to by the number people see. */
static void replies_name_the_number_of_the_original(void **state)
{
    char id[33], json[512];
    (void)state;
    cccc_event_id_make(id, 1795451400000, 7, 1);
    snprintf(json, sizeof json, EVENT("chat.message", "{\"text\":\"yes\",\"to\":[\"a\"],\"reply_to\":\"%s\"}"), id);
    prints(json, BEFORE("chat.message", "a") "[re 7] yes\n");
    snprintf(json, sizeof json, EVENT("chat.read", "{\"actor_id\":\"a\",\"event_id\":\"%s\"}"), id);
    prints(json, BEFORE("chat.read", "") "a has read up to 7\n");
}

static void unknown_kinds_show_their_data(void **state)
{
    (void)state;
    prints(EVENT("weather.report", "{\"rain\":true}"), BEFORE("weather.report", "") "{\"rain\":true}\n");
}

static void streams_of_json_are_bare_events(void **state)
{
    cccc_value_t value = event("{\"seq\":1,\"data\":{\"text\":\"a\\u009bb\"}}");
    (void)state;
    cli.json = true;
    capture();
    cli_print_event(&cli, &value, false);
    cli_print_gap(&cli, 12, 15, "damaged");
    cli.json = false;
    assert_string_equal(captured(), "{\"seq\":1,\"data\":{\"text\":\"a\xC2\x9B"
                                    "b\"}}\n{\"gap\":{\"from_seq\":12,\"to_seq\":15,\"reason\":\"damaged\"}}\n");
}

static void gaps_are_rows(void **state)
{
    (void)state;
    capture();
    cli_print_gap(&cli, 12, 15, "damaged");
    assert_string_equal(captured(), "--- events 12..15 missing: damaged ---\n");
}

/* Wide characters count twice, combining ones nothing; only a hard fold cuts words; what stands behind a line feed has the gutter. */
static void text_is_folded_at_blanks_in_its_column(void **state)
{
    static const struct {
        const char *text;
        size_t used;
        bool hard;
        const char *folded;
    } cases[] = {
        {"", 0, true, ""},
        {"one two three four five six", 0, true, "one two three four\n     five six"},
        {"one two", 18, true, "\n     one two"},
        {"abcdefghijklmnopqrstuvwxyz", 0, true, "abcdefghijklmnopqrst\n     uvwxyz"},
        {"abcdefghijklmnopqrstuvwxyz and", 0, false, "abcdefghijklmnopqrstuvwxyz\n     and"},
        {"\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc"
         "\xa2",
         0, true,
         "\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\n     "
         "\xe6\xbc\xa2"},
        {"aaaaaaaaaaaaaaaaaaae\xcc\x81 b", 0, true, "aaaaaaaaaaaaaaaaaaae\xcc\x81\n     b"},
        {"a\n\n  b\n", 0, true, "a\n   | \n   |   b\n   | "},
    };
    (void)state;
    cli.width = 25;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        capture();
        cli_print_folded(&cli, cccc_str(cases[i].text), 5, cases[i].used, "| ", cases[i].hard);
        assert_string_equal(captured(), cases[i].folded);
    }
    cli.width = 80;
}

static void tables_have_tabs_in_a_pipe_and_columns_on_a_terminal(void **state)
{
    static const char *const headings[] = {"ID", "TITLE"};
    (void)state;
    for (int tty = 0; tty < 2; tty++) {
        cli.tty = tty;
        capture();
        cli_table_t *table = cli_table_new(&cli, headings, 2);
        cli_cell(table, CCCC_STR("a"), STYLE_NONE);
        cli_cell(table, CCCC_STR("tab\there"), STYLE_NONE);
        cli_cell(table, CCCC_STR("\xE6\xBC\xA2\xE5\xAD\x97"), STYLE_RED);
        cli_cell(table, CCCC_STR("\033[0m"), STYLE_NONE);
        cli_table_print(&table);
        assert_string_equal(captured(), tty ? "ID    TITLE\na     tab\\there\n\xE6\xBC\xA2\xE5\xAD\x97  \\x1b[0m\n"
                                            : "a\ttab\\there\n\xE6\xBC\xA2\xE5\xAD\x97\t\\x1b[0m\n");
    }
    cli.tty = false;
}

/* What does not fit a terminal loses the columns that say nothing in any row, but the first; only what does not fit then is shown in blocks. */
static void columns_that_say_nothing_give_way(void **state)
{
    static const char *const headings[] = {"ID", "COUNT", "STATE", "EXIT", "TITLE"};
    static const struct {
        int width;
        const char *shown;
    } cases[] = {{40, "ID  COUNT  STATE    EXIT  TITLE\na   0      running  -     -\n0   2      running  -     -\n"},
                 {21, "ID  COUNT  STATE\na   0      running\n0   2      running\n"},
                 {15, "ID     a\nCOUNT  0\nSTATE  running\n\nID     0\nCOUNT  2\nSTATE  running\n"}};
    (void)state;
    cli.tty = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cli.width = cases[i].width;
        capture();
        cli_table_t *table = cli_table_new(&cli, headings, 5);
        for (int row = 0; row < 2; row++) {
            cli_cell(table, row ? CCCC_STR("0") : CCCC_STR("a"), STYLE_NONE);
            cli_cell(table, row ? CCCC_STR("2") : CCCC_STR("0"), STYLE_NONE);
            cli_cell(table, CCCC_STR("running"), STYLE_NONE);
            cli_cell(table, CCCC_STR("-"), STYLE_DIM);
            cli_cell(table, CCCC_STR("-"), STYLE_DIM);
        }
        cli_table_print(&table);
        assert_string_equal(captured(), cases[i].shown);
    }
    cli.tty = false;
    cli.width = 80;
}

static void an_event_concerns_its_sender_recipients_and_subject(void **state)
{
    cccc_value_t message = event(EVENT("chat.message", "{\"to\":[\"@peers\"],\"audience\":[\"peer-1\",\"peer-2\"]}"));
    cccc_value_t read = event(EVENT("chat.read", "{\"actor_id\":\"peer-3\"}"));
    (void)state;
    assert_true(cli_event_concerns(&message, CCCC_STR("lead")));
    assert_true(cli_event_concerns(&message, CCCC_STR("peer-2")));
    assert_false(cli_event_concerns(&message, CCCC_STR("peer-3")));
    assert_true(cli_event_concerns(&read, CCCC_STR("peer-3")));
}

static int begin(void **state)
{
    (void)state;
    cli.arena = cccc_arena_new(4096);
    cli.width = 80;
    return 0;
}

static int end(void **state)
{
    (void)state;
    cccc_arena_destroy(&cli.arena);
    return 0;
}

/* What the operator did is a sentence; a text that was kept as a file names that file once. */
static void events_of_the_operator_are_sentences(void **state)
{
    (void)state;
    prints(EVENT("group.start", "{\"started\":[\"a\"]}"), BEFORE("group.start", "") "the group was started\n");
    prints(EVENT("group.stop", "{\"stopped\":[]}"), BEFORE("group.stop", "") "the group was stopped\n");
    prints(EVENT("group.edit", "{\"document\":{\"title\":\"Demo\",\"actors\":[]}}"),
           BEFORE("group.edit", "") "group.yaml was changed by hand and taken over: Demo\n");
    prints(EVENT("ledger.repair", "{\"from_seq\":5,\"to_seq\":7,\"reason\":\"damaged\"}"),
           BEFORE("ledger.repair", "") "events 5..7 were given up: damaged\n");
    prints(EVENT("chat.message", "{\"text\":\"[long text of 9 bytes: state/blobs/1_chat.txt]\",\"to\":[\"a\"],\"attachments\":[{\"path\":"
                                 "\"state/blobs/1_chat.txt\"},{\"path\":\"state/blobs/2_x\"}]}"),
           BEFORE("chat.message", "a") "[long text of 9 bytes: state/blobs/1_chat.txt] [file state/blobs/2_x]\n");
}

/* A bar says how much of all is done, and how fast; it is drawn on a terminal, in place, once it takes a while, and taken away again. */
static void progress_is_a_bar_on_a_terminal_only(void **state)
{
    (void)state;
    static const char bar[] = "\rg_1  [######################        ]  75 %";
    char line[CLI_PROGRESS_LINE];
    struct cli_progress progress;
    cli_progress_line(line, "g_1", 100 << 20, 400 << 20, 500);
    assert_string_equal(line, "g_1  [#######                       ]  25 %  200 MiB/s ");
    cli_progress_line(line, "copying", 9, 4, 1000);
    assert_string_equal(line, "copying  [##############################] 100 %  0 MiB/s ");
    for (int terminal = 0; terminal < 2; terminal++) {
        capture_of(STDERR_FILENO);
        cli_progress_start(&cli, &progress, "g_1", 0);
        assert_false(progress.wanted);
        progress.wanted = terminal;
        cli_progress_set(&progress, 3, 4);
        assert_false(progress.shown); /* not yet */
        progress.started_ms -= 1000;
        cli_progress_set(&progress, 3, 4);
        cli_progress_end(&progress);
        const char *drawn = captured();
        assert_int_equal(strlen(drawn) > 0, terminal);
        assert_true(!terminal || (strncmp(drawn, bar, sizeof bar - 1) == 0 && strstr(drawn, "\r\033[K")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_folded_at_blanks_in_its_column),
        cmocka_unit_test(messages_are_one_line_of_columns),
        cmocka_unit_test(replies_name_the_number_of_the_original),
        cmocka_unit_test(unknown_kinds_show_their_data),
        cmocka_unit_test(events_of_the_operator_are_sentences),
        cmocka_unit_test(streams_of_json_are_bare_events),
        cmocka_unit_test(gaps_are_rows),
        cmocka_unit_test(progress_is_a_bar_on_a_terminal_only),
        cmocka_unit_test(columns_that_say_nothing_give_way),
        cmocka_unit_test(tables_have_tabs_in_a_pipe_and_columns_on_a_terminal),
        cmocka_unit_test(an_event_concerns_its_sender_recipients_and_subject),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
