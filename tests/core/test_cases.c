/* test_cases.c - the table of cases in the folder cases: who gets a message, what is unread, what is owed, and what closes it.
 *
 * Each case begins with `case`, in a team of its own (team.h): lead, who is the foreman, peer-1, peer-2 titled Reviewer, and off, who is disabled. A line is a
 * verb, its words, and behind => what is answered (`ok` unless given). After each case the fold of the ledger, and a saved state with the
 * fold of the rest, are compared with the live state (I11).
 * The verbs are in the table below; cases/README.md describes them. `test_core_cases WORD` runs only the cases whose title contains WORD. */
#include "tests/core/team.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 24
#define NAMES_MAX 64

struct name {
    char word[32];
    const char *id;
};

/* One run through a file. */
struct run {
    bench_t *b;
    char path[512], title[512];
    unsigned line, cases, failures;
    struct name names[NAMES_MAX];
    uint32_t name_count;
    char *words[WORDS_MAX];
    int count;
    const char *expected;
};

static const char *only; /* cases whose title contains it; NULL: all */

static void wrong(struct run *run, const char *found)
{
    print_error("%s:%u: %s\n  expected %s\n  found    %s\n", run->path, run->line, run->title, run->expected, found);
    run->failures++;
}

static void compare(struct run *run, const char *found)
{
    if (strcmp(found, run->expected) != 0)
        wrong(run, found);
}

/* ---- words ---- */

static const char *word(const struct run *run, int i)
{
    return i < run->count ? run->words[i] : "";
}

/* Is `flag` among the words from the third on? */
static bool flag(const struct run *run, const char *name)
{
    for (int i = 2; i < run->count; i++)
        if (strcmp(run->words[i], name) == 0)
            return true;
    return false;
}

/* The value of name=value, or NULL. */
static const char *option(const struct run *run, const char *name)
{
    size_t len = strlen(name);
    for (int i = 1; i < run->count; i++)
        if (strncmp(run->words[i], name, len) == 0 && run->words[i][len] == '=')
            return run->words[i] + len + 1;
    return NULL;
}

static const char *option_or(const struct run *run, const char *name, const char *otherwise)
{
    const char *value = option(run, name);
    return value ? value : otherwise;
}

/* The id of the event that was called `name`; the word itself when none was. */
static const char *event(const struct run *run, const char *name)
{
    for (uint32_t i = 0; i < run->name_count; i++)
        if (strcmp(run->names[i].word, name) == 0)
            return run->names[i].id;
    return name;
}

static const char *name_of(const struct run *run, const char *id)
{
    for (uint32_t i = 0; i < run->name_count; i++)
        if (id && strcmp(run->names[i].id, id) == 0)
            return run->names[i].word;
    return "?";
}

static void call_it(struct run *run, const char *name, const char *id)
{
    if (!id || run->name_count == NAMES_MAX)
        return;
    struct name *entry = &run->names[run->name_count++];
    snprintf(entry->word, sizeof entry->word, "%s", name);
    entry->id = id;
}

/* "a,b" as a JSON list with single quotes; "-" as an empty one. */
static const char *list(struct run *run, const char *words)
{
    cccc_str_t json = CCCC_STR("[");
    for (const char *at = strcmp(words, "-") == 0 ? "" : words; *at;) {
        size_t len = strcspn(at, ",");
        json = cccc_arena_printf(bench_arena(run->b), "%.*s%s'%.*s'", CCCC_STR_FMT(json), json.len > 1 ? "," : "", (int)len, at);
        at += len + (at[len] == ',');
    }
    return cccc_arena_printf(bench_arena(run->b), "%.*s]", CCCC_STR_FMT(json)).ptr;
}

/* The ids of an array joined with commas; "-" when there are none. */
static const char *joined(struct run *run, const cccc_value_t *array)
{
    cccc_str_t text = CCCC_STR(""), item;
    for (uint32_t i = 0; cccc_is_array(array) && i < array->via.array.size; i++)
        if (cccc_as_str(&array->via.array.ptr[i], &item))
            text = cccc_arena_printf(bench_arena(run->b), "%.*s%s%.*s", CCCC_STR_FMT(text), i ? "," : "", CCCC_STR_FMT(item));
    return text.len ? text.ptr : "-";
}

/* ---- verbs that ask the broker ---- */

static void answered(struct run *run, const cccc_value_t *reply, const char *ok)
{
    const char *code = bench_code(reply);
    compare(run, strcmp(code, "ok") == 0 ? ok : code);
}

/* send NAME BY TO [attention] [reply] [due=S] [text=T] */
static void do_send(struct run *run)
{
    const char *due = option(run, "due"), *expires = option(run, "expires");
    const cccc_value_t *reply =
        bench_ask(run->b, "send", "{'group_id':'%s','by':'%s','to':%s,'priority':'%s','reply_required':%s,'text':'%s'%s%s%s%s}", TEAM,
                  word(run, 2), list(run, word(run, 3)), flag(run, "attention") ? "attention" : option_or(run, "priority", "normal"),
                  flag(run, "reply") ? "true" : "false", option_or(run, "text", "x"), due ? ",'due_seconds':" : "", due ? due : "",
                  expires ? ",'expires_seconds':" : "", expires ? expires : "");
    call_it(run, word(run, 1), bench_str_at(run->b, reply, "result.event.id"));
    answered(run, reply, "ok");
}

/* reply NAME BY ORIGINAL [to=..] [attention] [reply]: ok, or ok+ack when it acknowledged, too */
static void do_reply(struct run *run)
{
    const char *to = option(run, "to");
    const cccc_value_t *reply =
        bench_ask(run->b, "reply", "{'group_id':'%s','by':'%s','reply_to':'%s','text':'r','priority':'%s','reply_required':%s%s%s}", TEAM,
                  word(run, 2), event(run, word(run, 3)), flag(run, "attention") ? "attention" : "normal",
                  flag(run, "reply") ? "true" : "false", to ? ",'to':" : "", to ? list(run, to) : "");
    call_it(run, word(run, 1), bench_str_at(run->b, reply, "result.event.id"));
    const cccc_value_t *ack = bench_at(reply, "result.ack_event");
    answered(run, reply, ack && !cccc_is_nil(ack) ? "ok+ack" : "ok");
}

/* read ACTOR EVENT [by=..]: ok, ok+ack, or nothing when no cursor moved */
static void do_read(struct run *run)
{
    const char *actor = word(run, 1);
    const cccc_value_t *reply = bench_ask(run->b, "inbox_mark_read", "{'group_id':'%s','actor_id':'%s','event_id':'%s','by':'%s'}", TEAM,
                                          actor, event(run, word(run, 2)), option_or(run, "by", actor));
    const cccc_value_t *ack = bench_at(reply, "result.ack_event"), *moved = bench_at(reply, "result.event");
    bool acked = ack && !cccc_is_nil(ack);
    answered(run, reply, acked ? "ok+ack" : cccc_is_nil(moved) ? "nothing" : "ok");
}

/* readall ACTOR [kind=chat|notify] [by=..] */
static void do_readall(struct run *run)
{
    const cccc_value_t *reply = bench_ask(run->b, "inbox_mark_all_read", "{'group_id':'%s','actor_id':'%s','kind_filter':'%s','by':'%s'}",
                                          TEAM, word(run, 1), option_or(run, "kind", "all"), option_or(run, "by", word(run, 1)));
    answered(run, reply, cccc_is_nil(bench_at(reply, "result.event")) ? "nothing" : "ok");
}

/* ok, already, or why nothing is owed any more: then nothing in the answer may claim an acknowledgement. */
static void acknowledged(struct run *run, const cccc_value_t *reply)
{
    const cccc_value_t *result = cccc_get(reply, "result");
    bool acked = cccc_get_bool(result, "acked", false), already = cccc_get_bool(result, "already", false);
    bool silent = !acked && !already && cccc_is_nil(cccc_get(result, "event")) && !cccc_get_bool(result, "owed", true);
    const char *why = cccc_get(result, "why") ? bench_str_at(run->b, reply, "result.why") : NULL;
    answered(run, reply, why ? silent ? why : "a claim" : already ? "already" : acked ? "ok" : "no word");
}

/* ack ACTOR EVENT [by=..] */
static void do_ack(struct run *run)
{
    const cccc_value_t *reply = bench_ask(run->b, "chat_ack", "{'group_id':'%s','actor_id':'%s','event_id':'%s','by':'%s'}", TEAM,
                                          word(run, 1), event(run, word(run, 2)), option_or(run, "by", ""));
    acknowledged(run, reply);
}

/* nack ACTOR NOTICE [by=..] */
static void do_nack(struct run *run)
{
    const cccc_value_t *reply = bench_ask(run->b, "notify_ack", "{'group_id':'%s','actor_id':'%s','notify_event_id':'%s','by':'%s'}", TEAM,
                                          word(run, 1), event(run, word(run, 2)), option_or(run, "by", ""));
    acknowledged(run, reply);
}

/* cancel EVENT BY [of=..]: whose obligations ended */
static void do_cancel(struct run *run)
{
    const cccc_value_t *reply = bench_ask(run->b, "reply_cancel", "{'group_id':'%s','event_id':'%s','by':'%s','actor_ids':%s}", TEAM,
                                          event(run, word(run, 1)), word(run, 2), list(run, option_or(run, "of", "-")));
    answered(run, reply, joined(run, bench_at(reply, "result.cancelled")));
}

/* recall EVENT BY: whom it was withdrawn from */
static void do_recall(struct run *run)
{
    const cccc_value_t *reply =
        bench_ask(run->b, "recall", "{'group_id':'%s','event_id':'%s','by':'%s'}", TEAM, event(run, word(run, 1)), word(run, 2));
    answered(run, reply, joined(run, bench_at(reply, "result.recalled")));
}

/* line EVENT..: a delivery as a holder's terminal has them: deliver NAME ACTOR EVENT STATE; claimed, or of=NAME and an outcome */
static void do_deliver(struct run *run)
{
    char line[768], tail[256];
    const char *of = option(run, "of");
    uint64_t next = bench_durable(run->b, TEAM) + 1;
    if (of)
        snprintf(tail, sizeof tail, "'delivery_id':'%s','reason':'%s'", event(run, of), option_or(run, "reason", ""));
    else
        snprintf(tail, sizeof tail, "'seqs':[%llu],'through':{'chat':%llu}",
                 (unsigned long long)cccc_event_id_seq(cccc_str(event(run, word(run, 3)))),
                 (unsigned long long)cccc_event_id_seq(cccc_str(event(run, word(run, 3)))));
    snprintf(line, sizeof line,
             "{'id':'cccccccccccc%010llxcccccccccc','ts':'2026-01-01T00:00:00.000000Z','kind':'runtime.delivery','by':'system',"
             "'data':{'actor_id':'%s','generation':1,'state':'%s',%s}}",
             (unsigned long long)next, word(run, 2), word(run, 4), tail);
    bench_line(run->b, TEAM, line);
    call_it(run, word(run, 1), cccc_arena_printf(bench_arena(run->b), "cccccccccccc%010llxcccccccccc", (unsigned long long)next).ptr);
    bench_restart(run->b);
    bench_settle(run->b);
}

/* typed ACTOR EVENT: its cursor, as the broker moves it where typing counts as reading */
static void do_typed(struct run *run)
{
    const char *id = event(run, word(run, 2));
    unsigned long long next = bench_durable(run->b, TEAM) + 1, seq = cccc_event_id_seq(cccc_str(id));
    char line[768];
    snprintf(line, sizeof line,
             "{'id':'cccccccccccc%010llxcccccccccc','ts':'2026-01-01T00:00:00.000000Z','kind':'chat.read','by':'system',"
             "'data':{'actor_id':'%s','event_id':'%s','seq':%llu,'ts':'2026-01-01T00:00:00.000000Z','lanes':['chat']}}",
             next, word(run, 1), id, seq);
    bench_line(run->b, TEAM, line);
    bench_restart(run->b);
    bench_settle(run->b);
}

/* notify NAME BY TARGET [ack] [kind=..] [priority=..] */
static void do_notify(struct run *run)
{
    const char *target = word(run, 3);
    const cccc_value_t *reply =
        bench_ask(run->b, "system_notify",
                  "{'group_id':'%s','by':'%s','target_actor_id':'%s','kind':'%s','priority':'%s','title':'%s','requires_ack':%s}", TEAM,
                  word(run, 2), strcmp(target, "-") == 0 ? "" : target, option_or(run, "kind", "info"),
                  option_or(run, "priority", "normal"), option_or(run, "title", "t"), flag(run, "ack") ? "true" : "false");
    call_it(run, word(run, 1), bench_str_at(run->b, reply, "result.event.id"));
    answered(run, reply, "ok");
}

/* do OP JSON: any operation; {G} is the group */
static void do_op(struct run *run)
{
    answered(run, bench_ask(run->b, word(run, 1), "{'group_id':'%s'%s%s}", TEAM, run->count > 2 ? "," : "", word(run, 2)), "ok");
}

/* as ACTOR|operator|unknown: who is at the other end from now on */
static void do_as(struct run *run)
{
    if (strcmp(word(run, 1), "operator") == 0)
        bench_as_operator(run->b);
    else if (strcmp(word(run, 1), "unknown") == 0)
        bench_as_unknown(run->b);
    else
        bench_as_actor(run->b, TEAM, word(run, 1));
}

static void do_restart(struct run *run)
{
    bench_settle(run->b);
    bench_restart(run->b);
    bench_settle(run->b);
}

static void do_pass(struct run *run)
{
    bench_pass(run->b, (uint32_t)strtoul(word(run, 1), NULL, 10));
    bench_settle(run->b);
}

/* ---- verbs that look ---- */

/* unread ACTOR [kind=..] => names in order */
static void see_unread(struct run *run)
{
    const cccc_value_t *result = bench_do(run->b, "inbox_list", "{'group_id':'%s','actor_id':'%s','kind_filter':'%s','limit':0}", TEAM,
                                          word(run, 1), option_or(run, "kind", "all"));
    const cccc_value_t *messages = cccc_get(result, "messages");
    cccc_str_t text = CCCC_STR("");
    for (uint32_t i = 0; i < messages->via.array.size; i++)
        text = cccc_arena_printf(bench_arena(run->b), "%.*s%s%s", CCCC_STR_FMT(text), i ? "," : "",
                                 name_of(run, bench_str_at(run->b, &messages->via.array.ptr[i], "id")));
    compare(run, text.len ? text.ptr : "-");
}

/* owes ACTOR [overdue] => name:reply+ack,... in order */
static void see_owes(struct run *run)
{
    const cccc_value_t *result = bench_do(run->b, "obligations_list", "{'group_id':'%s','actor_id':'%s','overdue':%s,'to':'%s'}", TEAM,
                                          word(run, 1), flag(run, "overdue") ? "true" : "false", option_or(run, "to", ""));
    const cccc_value_t *rows = cccc_get(result, "obligations");
    cccc_str_t text = CCCC_STR("");
    for (uint32_t i = 0; i < rows->via.array.size; i++) {
        const cccc_value_t *owes = cccc_get(&rows->via.array.ptr[i], "owes");
        text = cccc_arena_printf(bench_arena(run->b), "%.*s%s%s:%s%s", CCCC_STR_FMT(text), i ? "," : "",
                                 name_of(run, bench_str_at(run->b, &rows->via.array.ptr[i], "event_id")), bench_str_at(run->b, owes, "0"),
                                 owes->via.array.size > 1 ? "+ack" : "");
    }
    compare(run, text.len ? text.ptr : "-");
}

/* why EVENT ACTOR => the state; with sentence or next as a third word, that */
static void see_why(struct run *run)
{
    const cccc_value_t *reply =
        bench_ask(run->b, "why", "{'group_id':'%s','event_id':'%s','actor_id':'%s'}", TEAM, event(run, word(run, 1)), word(run, 2));
    const char *member = run->count > 3 ? word(run, 3) : "state";
    const char *found = bench_str_at(run->b, reply, cccc_arena_printf(bench_arena(run->b), "result.recipients.0.%s", member).ptr);
    answered(run, reply, found ? found : "-");
}

/* steps EVENT ACTOR => every rung that was reached, in order */
static void see_steps(struct run *run)
{
    const cccc_value_t *reply =
        bench_ask(run->b, "why", "{'group_id':'%s','event_id':'%s','actor_id':'%s'}", TEAM, event(run, word(run, 1)), word(run, 2));
    const cccc_value_t *steps = bench_at(reply, "result.recipients.0.steps");
    cccc_str_t text = CCCC_STR("");
    for (uint32_t i = 0; cccc_is_array(steps) && i < steps->via.array.size; i++) {
        const cccc_value_t *step = &steps->via.array.ptr[i];
        bool evident = cccc_get_uint(step, "seq", 0) > 0 && cccc_get_str(step, "event_id").len > 0 && cccc_get_str(step, "ts").len > 0 &&
                       cccc_get_str(step, "by").len > 0;
        text = cccc_arena_printf(bench_arena(run->b), "%.*s%s%.*s%s", CCCC_STR_FMT(text), i ? "," : "",
                                 CCCC_STR_FMT(cccc_get_str(step, "step")),
                                 evident || cccc_str_is(cccc_get_str(step, "step"), "queued") ? "" : "!");
    }
    answered(run, reply, text.ptr);
}

/* Some member of the event's data as words. */
static void see_data(struct run *run)
{
    const cccc_value_t *result = bench_do(run->b, "ledger_read", "{'group_id':'%s','event_id':'%s'}", TEAM, event(run, word(run, 2)));
    const cccc_value_t *v = bench_at(cccc_get(result, "events"), cccc_arena_printf(bench_arena(run->b), "0.data.%s", word(run, 1)).ptr);
    cccc_str_t text;
    if (cccc_is_array(v))
        compare(run, joined(run, v));
    else if (cccc_as_str(v, &text))
        compare(run, cccc_arena_str(bench_arena(run->b), text).ptr);
    else
        compare(run, v ? bench_text(run->b, v) : "-");
}

/* to NAME, audience NAME => ids */
static void see_member(struct run *run)
{
    char *member = run->words[0];
    run->words[2] = run->words[1];
    run->words[1] = member;
    run->count = 3;
    see_data(run);
}

/* head => the seq of the last event: how many were written */
static void see_head(struct run *run)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)bench_durable(run->b, TEAM));
    compare(run, text);
}

/* count ACTOR => "unread N owes N" as actor_list has them */
static void see_count(struct run *run)
{
    const cccc_value_t *actors = cccc_get(bench_do(run->b, "actor_list", "{'group_id':'%s','include_unread':true}", TEAM), "actors");
    for (uint32_t i = 0; i < actors->via.array.size; i++) {
        const cccc_value_t *actor = &actors->via.array.ptr[i];
        if (cccc_str_is(cccc_get_str(actor, "id"), word(run, 1)))
            compare(run, cccc_arena_printf(bench_arena(run->b), "%llu/%llu", (unsigned long long)cccc_get_uint(actor, "unread_count", 99),
                                           (unsigned long long)cccc_get_uint(actor, "owes", 99))
                             .ptr);
    }
}

static const struct {
    const char *word;
    void (*run)(struct run *run);
} verbs[] = {
    {"send", do_send},        {"reply", do_reply},   {"read", do_read},      {"readall", do_readall}, {"ack", do_ack},
    {"nack", do_nack},        {"cancel", do_cancel}, {"notify", do_notify},  {"do", do_op},           {"as", do_as},
    {"restart", do_restart},  {"pass", do_pass},     {"unread", see_unread}, {"owes", see_owes},      {"to", see_member},
    {"audience", see_member}, {"data", see_data},    {"head", see_head},     {"recall", do_recall},   {"deliver", do_deliver},
    {"typed", do_typed},      {"why", see_why},      {"steps", see_steps},   {"count", see_count},
};

/* ---- files ---- */

static void end_case(struct run *run)
{
    if (run->b) {
        bench_as_operator(run->b);
        bench_settle(run->b);
        cccc_value_t live = bench_dump(run->b, TEAM), folded = bench_refolded(run->b, TEAM, true);
        const char *difference = dumps_differ(run->b, &live, &folded);
        run->expected = "the fold to be the live state";
        if (difference)
            wrong(run, difference);
        assert_saved_state_is_live(run->b, TEAM, true);
        bench_free(&run->b);
    }
    run->name_count = 0;
}

static void begin_case(struct run *run, const char *title)
{
    end_case(run);
    snprintf(run->title, sizeof run->title, "%s", title);
    if (only && !strstr(title, only))
        return;
    run->cases++;
    run->b = team_new(run->line);
}

/* Words are parted by blanks; "..." keeps blanks, {...} is one word. */
static void split(struct run *run, char *text)
{
    run->count = 0;
    for (char *at = text; *at && run->count < WORDS_MAX;) {
        while (*at == ' ')
            at++;
        if (*at == '\0')
            break;
        char *end = at;
        bool quoted = false;
        for (; *end && (quoted || *end != ' '); end++)
            if (*end == '"')
                quoted = !quoted;
        bool last = *end == '\0';
        *end = '\0';
        char *to = at;
        for (char *from = at; *from; from++)
            if (*from != '"')
                *to++ = *from;
        *to = '\0';
        run->words[run->count++] = at;
        at = last ? end : end + 1;
    }
}

static void run_line(struct run *run, char *text)
{
    char *arrow = strstr(text, "=>");
    run->expected = "ok";
    if (arrow) {
        *arrow = '\0';
        run->expected = arrow + 2 + strspn(arrow + 2, " ");
    }
    split(run, text);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].word, run->words[0]) == 0) {
            verbs[i].run(run);
            return;
        }
    }
    run->expected = "a verb of the table";
    wrong(run, run->words[0]);
}

static void run_file(struct run *run)
{
    char text[1024];
    FILE *file = fopen(run->path, "r");
    if (!file)
        fail_msg("cannot read %s", run->path);
    for (run->line = 1; fgets(text, sizeof text, file); run->line++) {
        text[strcspn(text, "\n")] = '\0';
        char *begin = text + strspn(text, " ");
        if (*begin == '\0' || *begin == '#')
            continue;
        if (strncmp(begin, "case ", 5) == 0)
            begin_case(run, begin + 5);
        else if (run->b)
            run_line(run, begin);
    }
    fclose(file);
    end_case(run);
}

/* Every case is as its lines say. There are at least 120 of them. */
static void every_case_is_as_its_lines_say(void **state)
{
    (void)state;
    struct run *run = calloc(1, sizeof *run);
    struct dirent **entries;
    int count = scandir(CASES_DIR, &entries, NULL, alphasort);
    assert_non_null(run);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        const char *dot = strrchr(entries[i]->d_name, '.');
        if (dot && strcmp(dot, ".cases") == 0) {
            snprintf(run->path, sizeof run->path, "%s/%s", CASES_DIR, entries[i]->d_name);
            run_file(run);
        }
        free(entries[i]);
    }
    free(entries);
    unsigned cases = run->cases, failures = run->failures;
    free(run);
    print_message("%u cases\n", cases);
    assert_int_equal(failures, 0);
    if (!only)
        assert_true(cases > 240); /* as tests/README.md says */
}

int main(int argc, char **argv)
{
    only = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_is_as_its_lines_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
