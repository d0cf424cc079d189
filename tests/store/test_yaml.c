/* test_yaml.c - YAML as CCCC 0.4.0 wrote and read it, and YAML as an attacker would write it. */
#include "broker/store/store.h"
#include "broker/store/yaml.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t seed;

static int arena_up(void **state)
{
    *state = cccc_arena_new(16384);
    return 0;
}

static int arena_down(void **state)
{
    cccc_arena_t *arena = *state;
    cccc_arena_destroy(&arena);
    return 0;
}

static cccc_value_t read_good(cccc_arena_t *arena, const char *text)
{
    cccc_value_t value;
    struct cccc_errmsg m = {""};
    if (cccc_yaml_read(text, strlen(text), arena, &value, &m))
        fail_msg("%s in: %s", m.text, text);
    return value;
}

static const char *as_json(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_json_write(v, &out);
    const char *text = cccc_arena_str(arena, (cccc_str_t){out.data, out.size}).ptr;
    cccc_buf_fini(&out);
    return text;
}

static const char *as_yaml(cccc_arena_t *arena, const cccc_value_t *v)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    cccc_yaml_write(v, &out);
    const char *text = cccc_arena_str(arena, (cccc_str_t){out.data, out.size}).ptr;
    cccc_buf_fini(&out);
    return text;
}

/* ---- reading ---- */

/* A plain scalar as YAML, and what PyYAML's safe loader makes of it, as JSON. */
struct scalar {
    const char *yaml, *json;
};

static bool reads_as(const cccc_value_t *v, const char *json, const char *wanted)
{
    char *end_a, *end_b;
    return v->type == MSGPACK_OBJECT_FLOAT64 ? strtod(json, &end_a) == strtod(wanted, &end_b) : strcmp(json, wanted) == 0;
}

static void assert_scalars(cccc_arena_t *arena, const struct scalar *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cccc_value_t map = read_good(arena, cccc_arena_printf(arena, "k: %s\n", cases[i].yaml).ptr), one = *cccc_get(&map, "k");
        const char *json = as_json(arena, &one);
        if (!reads_as(&one, json, cases[i].json))
            fail_msg("%s reads as %s, not as %s", cases[i].yaml, json, cases[i].json);
    }
}

/* Words for nothing, yes and no, in the spellings that count. */
static void words_mean_what_pyyaml_says(void **state)
{
    static const struct scalar cases[] = {{"null", "null"}, {"~", "null"},    {"Null", "null"},  {"yes", "true"},
                                          {"Yes", "true"},  {"YES", "true"},  {"no", "false"},   {"on", "true"},
                                          {"Off", "false"}, {"true", "true"}, {"FALSE", "false"}};
    assert_scalars(*state, cases, sizeof cases / sizeof *cases);
}

/* Integers, with signs, underscores, and to the bases there are. */
static void integers_mean_what_pyyaml_says(void **state)
{
    static const struct scalar cases[] = {{"0", "0"},
                                          {"-0", "0"},
                                          {"12", "12"},
                                          {"+12", "12"},
                                          {"-12", "-12"},
                                          {"1_000", "1000"},
                                          {"0123", "83"},
                                          {"-017", "-15"},
                                          {"0_7", "7"},
                                          {"0_", "0"},
                                          {"0x1F", "31"},
                                          {"-0xff", "-255"},
                                          {"0b101", "5"},
                                          {"190:20:30", "685230"},
                                          {"1:30", "90"},
                                          {"-1:30", "-90"},
                                          {"1:5", "65"},
                                          {"18446744073709551615", "18446744073709551615"},
                                          {"-9223372036854775808", "-9223372036854775808"}};
    assert_scalars(*state, cases, sizeof cases / sizeof *cases);
}

/* Fractions need a point, and an exponent its sign. */
static void fractions_mean_what_pyyaml_says(void **state)
{
    static const struct scalar cases[] = {{"1.5", "1.5"},         {"-1.5", "-1.5"},     {".5", "0.5"},     {"1.", "1.0"},
                                          {"1.0e+5", "100000.0"}, {"1_0.2_5", "10.25"}, {"1:30.5", "90.5"}};
    assert_scalars(*state, cases, sizeof cases / sizeof *cases);
}

/* Whatever looks like one of these and is not is a text; so are timestamps. */
static void other_scalars_are_texts(void **state)
{
    static const struct scalar cases[] = {{"nULL", "\"nULL\""},
                                          {"yEs", "\"yEs\""},
                                          {"y", "\"y\""},
                                          {"n", "\"n\""},
                                          {"12a", "\"12a\""},
                                          {"08", "\"08\""},
                                          {"0o17", "\"0o17\""},
                                          {"0x", "\"0x\""},
                                          {"0x_", "\"0x_\""},
                                          {"0b2", "\"0b2\""},
                                          {"12:60", "\"12:60\""},
                                          {"01:30", "\"01:30\""},
                                          {"'1:'", "\"1:\""},
                                          {"-.5", "\"-.5\""},
                                          {"1e5", "\"1e5\""},
                                          {"1.0e5", "\"1.0e5\""},
                                          {"1.2.3", "\"1.2.3\""},
                                          {"._1", "\"._1\""},
                                          {"1.5e", "\"1.5e\""},
                                          {"1.5e+", "\"1.5e+\""},
                                          {"'-'", "\"-\""},
                                          {"+", "\"+\""},
                                          {".", "\".\""},
                                          {"2026-01-01", "\"2026-01-01\""},
                                          {"2026-11-23T16:13:08.928599Z", "\"2026-11-23T16:13:08.928599Z\""},
                                          {"=", "\"=\""},
                                          {"'yes'", "\"yes\""},
                                          {"\"12\"", "\"12\""},
                                          {"''", "\"\""},
                                          {"g_a3610964d661", "\"g_a3610964d661\""},
                                          {"https://x.org/a:b", "\"https://x.org/a:b\""},
                                          {"a b", "\"a b\""}};
    assert_scalars(*state, cases, sizeof cases / sizeof *cases);
}

/* The empty file is nothing, an empty value is null, and other keys than texts become their text. */
static void odd_documents_read_as_stated(void **state)
{
    static const char *const cases[][2] = {
        {"", "null"},
        {"# only a comment\n", "null"},
        {"---\n", "null"},
        {"a:\n", "{\"a\":null}"},
        {"1: x\nyes: y\n~: z\n", "{\"1\":\"x\",\"yes\":\"y\",\"~\":\"z\"}"},
        {"\xef\xbb\xbf"
         "a: 1\n",
         "{\"a\":1}"},
        {"%YAML 1.1\n---\na: 1\n...\n", "{\"a\":1}"},
        {"? a\n: 1\n", "{\"a\":1}"},
        {"{a: [1, {b: 2}], c: }", "{\"a\":[1,{\"b\":2}],\"c\":null}"},
        {"'<<': 1\n", "{\"<<\":1}"},
        {"a: |\n  one\n  two\nb: >-\n  three\n  four\n", "{\"a\":\"one\\ntwo\\n\",\"b\":\"three four\"}"},
        {"\"\\0\": \"\\u263a\"\n", "{\"\\u0000\":\"\xe2\x98\xba\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cccc_value_t value = read_good(*state, cases[i][0]);
        assert_string_equal(as_json(*state, &value), cases[i][1]);
    }
}

/* A group.yaml as CCCC 0.4.0 wrote it reads completely. */
static void a_group_of_cccc_040_reads(void **state)
{
    cccc_value_t group = read_good(
        *state, "v: 1\ngroup_id: g_a3610964d661\ntitle: Demo\ntopic: ''\n"
                "created_at: '2026-11-23T16:13:08.928599Z'\nrunning: true\nstate: active\n"
                "scopes:\n- scope_key: s_c3b177f21e90\n  url: /src/proj\n  label: proj\n  git_remote: https://github.com/acme/widget\n"
                "actors:\n- {v: 1, id: lead, command: [bash, -c, 'cat'], env: {}, enabled: true}\n"
                "automation:\n  version: 1\n  rules: []\n  snippets: {standup: \"one\\ntwo\"}\n  nudge_after_seconds: 300\n");
    assert_string_equal(
        as_json(*state, &group),
        "{\"v\":1,\"group_id\":\"g_a3610964d661\",\"title\":\"Demo\",\"topic\":\"\",\"created_at\":\"2026-11-23T16:13:08.928599Z\","
        "\"running\":true,\"state\":\"active\",\"scopes\":[{\"scope_key\":\"s_c3b177f21e90\",\"url\":\"/src/proj\",\"label\":\"proj\","
        "\"git_remote\":\"https://github.com/acme/widget\"}],\"actors\":[{\"v\":1,\"id\":\"lead\",\"command\":[\"bash\",\"-c\",\"cat\"],"
        "\"env\":{},\"enabled\":true}],\"automation\":{\"version\":1,\"rules\":[],\"snippets\":{\"standup\":\"one\\ntwo\"},"
        "\"nudge_after_seconds\":300}}");
}

/* ---- refusing ---- */

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Refused with a message that holds `says`, the value untouched, within 50 ms of processor time (more where sanitizers slow everything). */
static void assert_refused(cccc_arena_t *arena, const char *text, size_t len, const char *says)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    const double ms_max = 500;
#else
    const double ms_max = 50;
#endif
    cccc_value_t value = cccc_text("untouched");
    struct cccc_errmsg m = {""};
    double before = cpu_ms();
    cccc_err_t err = cccc_yaml_read(text, len, arena, &value, &m);
    double took = cpu_ms() - before;
    cccc_str_t kept = {"", 0};
    if (err != CCCC_E_BAD_YAML || !strstr(m.text, says))
        fail_msg("%.60s...: error %d, \"%s\" does not say \"%s\"", text, (int)err, m.text, says);
    assert_true(cccc_as_str(&value, &kept) && cccc_str_is(kept, "untouched"));
    if (took > ms_max)
        fail_msg("%.60s...: refused after %.1f ms", text, took);
}

/* Small wrong documents: each error says what is wrong, and where. */
static void wrong_documents_are_refused_with_their_place(void **state)
{
    static const char *const cases[][2] = {
        {"a: &x 1\n", "line 1, column 4: anchors"},
        {"a: *x\n", "line 1, column 4: aliases"},
        {"a: !!str 1\n", "anchors (&) and tags"},
        {"a: !x [1]\n", "tags"},
        {"- &x {a: 1}\n", "anchors"},
        {"! a\n", "tags"},
        {"a: 1\nb: 2\na: 3\n", "line 1, column 1: the key \"a\" is there twice"},
        {"x:\n  {b: 1, 'b': 2}\n", "line 2, column 3: the key \"b\""},
        {"1: a\n'1': b\n", "is there twice"},
        {"<<: {a: 1}\n", "merge keys"},
        {"[a]: 1\n", "a key must be"},
        {"? {a: 1}\n: 2\n", "a key must be"},
        {"a: 1\n---\nb: 2\n", "second document"},
        {"a: 18446744073709551616\n", "too large"},
        {"a: -9223372036854775809\n", "too large"},
        {"a: 1.0e+999\n", "too large"},
        {"a: .inf\n", "infinity"},
        {"a: -.INF\n", "infinity"},
        {"a: .NaN\n", "infinity"},
        {"a: 99999999999999999999:59\n", "too large"},
        {"a:\n\tb: 1\n", "line 2"},
        {"a: [1\n", "line"},
        {"a: 'x\n", "line"},
        {"}", "line 1"},
        {"a: b: c\n", "line 1"},
        {"a: \x07\n", "control"},
        {"a: \xff\n", "UTF-8"},
        {"a: \xc0\x80\n", "UTF-8"},
        {"a: \xed\xa0\x80\n", "UTF-8"},
        {"a: \"\\ud800\"\n", "line 1"},
        {"%TAG ! x:\n---\na: !b 1\n", "tags"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(*state, cases[i][0], strlen(cases[i][0]), cases[i][1]);
    assert_refused(*state, "a: \0", 4, "control");
}

/* `count` times what `fmt` makes of the number, between `head` and `tail`. */
static cccc_str_t repeat(cccc_arena_t *arena, const char *head, const char *fmt, int count, const char *tail)
{
    cccc_buf_t out;
    char part[128];
    cccc_buf_init(&out);
    cccc_buf_str(&out, head);
    for (int i = 0; i < count; i++) {
        const char *number = strstr(fmt, "#");
        if (number)
            snprintf(part, sizeof part, "%.*s%d%s", (int)(number - fmt), fmt, i, number + 1);
        cccc_buf_str(&out, number ? part : fmt);
    }
    cccc_buf_str(&out, tail);
    cccc_str_t text = cccc_arena_str(arena, (cccc_str_t){out.data, out.size});
    cccc_buf_fini(&out);
    return text;
}

/* Documents made to cost: each is refused before it does. */
static void bombs_are_refused_at_once(void **state)
{
    static const struct {
        const char *head, *part;
        int count;
        const char *tail, *says;
    } bombs[] = {
        {"", "[", 65536, "", "deeper than 16"},
        {"", "{", 65536, "", "a key must be"},
        {"", "{a: ", 32768, "", "deeper than 16"},
        {"", "[\n", 32768, "", "deeper than 16"},
        {"", "[[[[[[[[[[[[[[[[", 16000, "", "deeper than 16"},
        {"", "- ", 65536, "", "deeper than 16"},
        {"", "? ", 65536, "", "a key must be"},
        {"a: ", "[", 17, "", "deeper than 16"},
        {"", "&a# x\n", 10000, "", "anchors"},
        {"", "- &a# 1\n", 10000, "", "anchors"},
        {"", "*a# , ", 10000, "", "aliases"},
        {"a: &a [x,x,x,x]\nb: &b [", "*a,", 1000, "]\n", "anchors"},
        {"", "%TAG !a#! x\n", 10000, "--- a\n", "begin with %"},
        {"a\n...\n", "%TAG !a#! x\n", 10000, "--- a\n", "begin with %"},
        {"", "- x\n", 20000, "", "20000 items"},
        {"[", "x,", 60000, "]", "20000 items"},
        {"", "k#: 1\n", 9990, "k0: 2\n", "is there twice"},
        {"k: '", "x", 65537, "'\n", "65536 bytes"},
        {"", "x", 300, ": 1\n", "256 bytes"},
        {"", "k", 262144, ": 1\n", "CONFIG_BYTES_MAX"},
        {"", "\t", 60000, "a: 1\n", "line"},
        {"k: ", "9", 60000, "\n", "too long"},
        {"k: 1:", "30:", 300, "30\n", "too l"},
        {"", "\"\n", 60000, "", "line"},
        {"k: |\n", " \n", 60000, "\t x\n[", "line"},
        {"k: |9\n", " \n", 60000, "!", "line"},
        {"", "!", 60000, "", "line"},
        {"", "---\n", 20000, "", "second document"},
    };
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        cccc_str_t text = repeat(*state, bombs[i].head, bombs[i].part, bombs[i].count, bombs[i].tail);
        assert_refused(*state, text.ptr, text.len, bombs[i].says);
    }
}

/* Indentation that grows by one per line is depth, too. */
static void deep_indentation_is_refused(void **state)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    for (int i = 0; i < 500; i++) {
        for (int j = 0; j < i; j++)
            cccc_buf_str(&out, " ");
        cccc_buf_str(&out, "a:\n");
    }
    assert_refused(*state, out.data, out.size, "deeper than 16");
    cccc_buf_fini(&out);
}

/* The limits themselves are allowed: 16 levels, 20,000 events, 64 KiB in one text, and costly but legal shapes in bounded time. */
static void documents_at_the_limits_are_read(void **state)
{
    static const struct {
        const char *head, *part;
        int count;
        const char *tail;
    } good[] = {
        {"", "[", 16, "]]]]]]]]]]]]]]]]"}, {"", "- x\n", 19994, ""},   {"", "k#: 1\n", 9997, ""},
        {"k: '", "x", 65536, "'\n"},       {"", "x", 256, ": 1\n"},    {"# ", "[", 200000, "\n"},
        {"k: '", "[", 60000, "'\n"},       {"k: '", "\n%", 10, "'\n"}, {"", "\n", 260000, ""},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cccc_str_t text = repeat(*state, good[i].head, good[i].part, good[i].count, good[i].tail);
        double before = cpu_ms();
        read_good(*state, text.ptr);
        assert_true(cpu_ms() - before < 1000);
    }
}

/* ---- writing ---- */

/* The layout is the one of CCCC 0.4.0: block style, insertion order, lists at the indent of their key. */
static void the_layout_is_for_people(void **state)
{
    const char *text = "v: 1\n"
                       "title: Demo group\n"
                       "topic: ''\n"
                       "created_at: '2026-11-23T16:13:08.928599Z'\n"
                       "ok: true\n"
                       "none: null\n"
                       "ratio: 0.5\n"
                       "scopes:\n"
                       "- scope_key: s_c3b177f21e90\n"
                       "  url: /src/proj\n"
                       "  git_remote: https://github.com/acme/widget\n"
                       "matrix:\n"
                       "- - 1\n"
                       "  - 2\n"
                       "- []\n"
                       "- {}\n"
                       "automation:\n"
                       "  snippets:\n"
                       "    standup: |\n"
                       "      What is done?\n"
                       "\n"
                       "        What is next: # and who?\n"
                       "    short: |-\n"
                       "      one\n"
                       "      two\n"
                       "notes:\n"
                       "- |-\n"
                       "  a\n"
                       "  b\n";
    cccc_value_t value = read_good(*state, text);
    assert_string_equal(as_yaml(*state, &value), text);
}

/* A text that a reader would take for something else is quoted. */
static void ambiguous_texts_are_quoted(void **state)
{
    static const char *const quoted[] = {"yes", "NO",   "on",  "y",          "N",     "null", "~",   "",    " a",   "a ",   "0123",
                                         "12",  "1.5",  "1e5", "2026-01-01", "12:30", "=",    "<<",  "-",   "- a",  "? a",  "a: b",
                                         "a:",  "a #b", "#a",  "&a",         "*a",    "!a",   "|",   ">",   "@a",   "`a",   "%a",
                                         "'a",  "{a",   "[a",  ".inf",       ".5",    "a  b", "---", "...", "true", "x\"y", "\xc2\xa0"};
    static const char *const doubled[] = {"\n",           "\t",           "a\tb",         "\r",          "a\r\nb", " \n",
                                          "a \nb",        "\na",          "a\n\n",        "\x01",        "\x7f",   "\xc2\x85",
                                          "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xef\xbf\xbe"};
    static const char *const plain[] = {"working-group",
                                        "a b c",
                                        "/src/x.y",
                                        "g_12",
                                        "https://github.com/acme/widget",
                                        "\xc3\xa4hre",
                                        "\xe6\x97\xa5\xe6\x9c\xac",
                                        "_x",
                                        "a@b",
                                        "Yes, we can",
                                        "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++) {
        cccc_value_t v = cccc_text(quoted[i]);
        const char *yaml = as_yaml(*state, &v);
        if (yaml[0] != '\'' && strcmp(quoted[i], "\xc2\xa0") != 0)
            fail_msg("%s is written %s", quoted[i], yaml);
    }
    for (size_t i = 0; i < sizeof doubled / sizeof *doubled; i++) {
        cccc_value_t v = cccc_text(doubled[i]);
        assert_int_equal(as_yaml(*state, &v)[0], '"');
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        cccc_value_t v = cccc_text(plain[i]);
        assert_string_equal(as_yaml(*state, &v), cccc_arena_printf(*state, "%s\n", plain[i]).ptr);
    }
}

/* ---- round trips ---- */

static uint64_t next_random(void)
{
    uint64_t z = (seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(next_random() % n);
}

/* What trips YAML up. */
static const char *const parts[] = {"a",
                                    "yes",
                                    "no",
                                    "null",
                                    " ",
                                    "  ",
                                    "\n",
                                    "\n\n",
                                    "\t",
                                    "\r",
                                    ":",
                                    ": ",
                                    " #",
                                    "#",
                                    "-",
                                    "- ",
                                    "---",
                                    "...",
                                    "'",
                                    "\"",
                                    "\\",
                                    "{",
                                    "}",
                                    "[",
                                    "]",
                                    ",",
                                    "&",
                                    "*",
                                    "!",
                                    "|",
                                    ">",
                                    "%",
                                    "@",
                                    "`",
                                    "~",
                                    "0",
                                    "1",
                                    "12",
                                    "0x",
                                    "0b1",
                                    ".",
                                    "e+",
                                    "_",
                                    "=",
                                    "<<",
                                    "?",
                                    "? ",
                                    "\x01",
                                    "\x7f",
                                    "\xc2\x85",
                                    "\xc2\x9f",
                                    "\xe2\x80\xa8",
                                    "\xe2\x80\xa9",
                                    "\xef\xbb\xbf",
                                    "\xef\xbf\xbf",
                                    "\xc3\xa9",
                                    "\xf0\x9f\x98\x80",
                                    "word",
                                    "2026-01-01",
                                    "12:30",
                                    "\xef\xb7\x90"};

/* Texts made of that, and of NUL. */
static cccc_str_t random_text(cccc_arena_t *arena, uint32_t parts_max)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    for (uint32_t n = below(parts_max + 1); n; n--) {
        uint32_t i = below(sizeof parts / sizeof *parts + 1);
        if (i < sizeof parts / sizeof *parts)
            cccc_buf_str(&out, parts[i]);
        else
            cccc_buf_put(&out, "\0", 1);
    }
    cccc_str_t text = cccc_arena_str(arena, (cccc_str_t){out.data, out.size});
    cccc_buf_fini(&out);
    return text;
}

static cccc_value_t random_number(void)
{
    union {
        uint64_t bits;
        double d;
    } any = {next_random()};
    switch (below(4)) {
    case 0:
        return cccc_uint(next_random() >> below(64));
    case 1:
        return cccc_int((int64_t)next_random() >> below(64));
    case 2:
        return (cccc_value_t){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = isfinite(any.d) ? any.d : 0.1};
    default:
        return (cccc_value_t){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = (double)(int64_t)below(2000) - 1000};
    }
}

static cccc_value_t random_value(cccc_arena_t *arena, int levels);

static cccc_value_t random_map(cccc_arena_t *arena, int levels)
{
    cccc_builder_t map = cccc_map_builder(arena, 0);
    for (uint32_t n = below(6); n; n--) {
        cccc_str_t key = random_text(arena, 4);
        const cccc_value_t taken = map.value;
        bool twice = key.len > CCCC_MAP_KEY_BYTES_MAX;
        for (uint32_t i = 0; i < taken.via.map.size; i++)
            twice = twice || cccc_str_eq(key, (cccc_str_t){taken.via.map.ptr[i].key.via.str.ptr, taken.via.map.ptr[i].key.via.str.size});
        if (!twice)
            cccc_map_add_key(&map, key, random_value(arena, levels - 1));
    }
    return map.value;
}

static cccc_value_t random_value(cccc_arena_t *arena, int levels)
{
    switch (below(levels > 0 ? 8 : 5)) {
    case 0:
        return cccc_nil();
    case 1:
        return cccc_bool(below(2));
    case 2:
        return random_number();
    case 3:
    case 4:
        return cccc_string(random_text(arena, 12));
    case 5: {
        cccc_builder_t array = cccc_array_builder(arena, 0);
        for (uint32_t n = below(6); n; n--)
            cccc_array_add(&array, random_value(arena, levels - 1));
        return array.value;
    }
    default:
        return random_map(arena, levels);
    }
}

/* What is written reads back as the same value, whatever the texts are. */
static void writing_then_reading_gives_the_same_value(void **state)
{
    (void)state;
    printf("seed %" PRIu64 "\n", seed);
    for (int i = 0; i < 3000; i++) {
        uint64_t before = seed;
        cccc_arena_t *arena = cccc_arena_new(65536);
        cccc_value_t value = random_value(arena, 6), back = cccc_nil();
        const char *text = as_yaml(arena, &value);
        struct cccc_errmsg m = {""};
        cccc_err_t err = cccc_yaml_read(text, strlen(text), arena, &back, &m);
        if (err || !cccc_value_eq(&value, &back))
            fail_msg("--seed %" PRIu64 ": %s\n%s", before, m.text, text);
        cccc_arena_destroy(&arena);
    }
}

/* The longest keys there are, also when every byte needs an escape. */
static void long_keys_survive(void **state)
{
    char key[CCCC_MAP_KEY_BYTES_MAX + 1];
    for (int c = 1; c < 3; c++) {
        memset(key, c == 1 ? 'k' : c, sizeof key - 1);
        key[sizeof key - 1] = '\0';
        cccc_builder_t inner = cccc_map_builder(*state, 1), map = cccc_map_builder(*state, 2);
        cccc_map_add(&inner, key, cccc_text("v"));
        cccc_map_add(&map, key, inner.value);
        cccc_map_add(&map, "next", cccc_uint(1));
        cccc_value_t back = read_good(*state, as_yaml(*state, &map.value));
        assert_true(cccc_value_eq(&back, &map.value));
    }
}

/* Random bytes, and good documents with a byte changed: never a crash, and what is accepted is a value that can be written and read again. */
static void mangled_documents_are_handled(void **state)
{
    (void)state;
    printf("seed %" PRIu64 "\n", seed);
    for (int i = 0; i < 3000; i++) {
        cccc_arena_t *arena = cccc_arena_new(65536);
        cccc_value_t value = random_value(arena, 4), back, again;
        struct cccc_errmsg m;
        char *text = (char *)(uintptr_t)as_yaml(arena, &value);
        size_t len = strlen(text);
        for (uint32_t n = 1 + below(3); n && len; n--)
            text[below((uint32_t)len)] = "[]{}:-?#&*!|>'\"%@ \n\t,\\a0\x80"[below(25)];
        if (cccc_yaml_read(text, len, arena, &back, &m) == CCCC_OK) {
            const char *second = as_yaml(arena, &back);
            if (cccc_yaml_read(second, strlen(second), arena, &again, &m) || !cccc_value_eq(&back, &again))
                fail_msg("%s\n%s\n%s", m.text, text, second);
        }
        cccc_arena_destroy(&arena);
    }
}

int main(int argc, char **argv)
{
    seed = argc == 3 && strcmp(argv[1], "--seed") == 0 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, arena_up, arena_down)
        TEST(words_mean_what_pyyaml_says),
        TEST(integers_mean_what_pyyaml_says),
        TEST(fractions_mean_what_pyyaml_says),
        TEST(other_scalars_are_texts),
        TEST(odd_documents_read_as_stated),
        TEST(a_group_of_cccc_040_reads),
        TEST(wrong_documents_are_refused_with_their_place),
        TEST(bombs_are_refused_at_once),
        TEST(deep_indentation_is_refused),
        TEST(documents_at_the_limits_are_read),
        TEST(the_layout_is_for_people),
        TEST(ambiguous_texts_are_quoted),
        TEST(writing_then_reading_gives_the_same_value),
        TEST(long_keys_survive),
        TEST(mangled_documents_are_handled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
