/* What leaves a home as evidence: secrets of many kinds are cut from texts and values, and what an operator needs stays readable. */
#include "clients/cli/diagnosis/redact.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static char *redacted(struct redactor *redactor, const char *text)
{
    cccc_buf_t out;
    cccc_buf_init(&out);
    redact_text(redactor, cccc_str(text), &out);
    cccc_buf_put(&out, "", 1);
    char *result = strdup(out.data);
    cccc_buf_fini(&out);
    return result;
}

static void becomes(struct redactor *redactor, const char *text, const char *expected)
{
    char *got = redacted(redactor, text);
    assert_string_equal(got, expected);
    free(got);
}

/* Each form alone, in the middle of a sentence, in quotes, and inside a line of JSON: the secret is gone, and what is around it stays. */
static void secrets_are_cut_wherever_they_stand(void **state)
{
    (void)state;
    static const char *const secrets[][2] = {
        {"Authorization: Bearer ", "abcdef123456"},
        {"Proxy-Authorization: Basic ", "dXNlcjpodW50ZXIy"},
        {"x-api-key: ", "hunter2hunter2"},
        {"Cookie: ", "sid=31d4d96e407aad42"},
        {"bearer ", "mF_9.B5f-4.1JqM"},
        {"postgres://app:", "pa55word@db:5432/x"},
        {"https://", "0123456789abcdef0123@example.org/repo"},
        {"https://", "tok3nuser@github.com/x"},
        {"https://", "tok3n:@github.com/x"},
        {"HTTP://", "tok3n:x-oauth-basic@github.com/x"},
        {"https://hooks.slack.com/services/", "T000/B000/XXXXXXXX"},
        {"", "sk-test-0123456789abcdefghij"},
        {"", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"},
        {"", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"},
        {"", "github_pat_11ABCDEFG0123456789_abcdef"},
        {"", "glpat-ABCdef123456ghiJKL78"},
        {"", "xoxb-1234567890-abcdefghij"},
        {"", "AKIAIOSFODNN7EXAMPLE"},
        {"", "AIzaSyA1234567890abcdefghijklmnopqrstu"},
        {"", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N"},
        {"", "npm_abcdefghijklmnopqrstuvwxyz0123456789"},
        {"", "hf_abcdefghijklmnopqrst"},
        {"", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"},
        {"password=", "hunter2"},
        {"\"api_key\": \"", "k3y"},
        {"DB_PASSWORD: ", "letmein"},
        {"the password is ", "swordfish"},
        {"password=[redacted:", "imitated"},
        {"run --access-token ", "opensesame"},
        {"machine h login me password ", "xyzzy"},
        {"", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"},
        {"", "8f14e45fceea167a5a36dedd4bea2543b2c0a1f9e4d7"},
        {"", "9a0364b9e99bb480dd25e1f0284c8555"},
    };
    static const char *const around[][2] = {
        {"", ""}, {"look: ", " (end)"}, {"{\"msg\":\"", "\",\"pid\":1}"}, {"{\"msg\":\"see\\n", "\\nbelow\"}"}};
    struct redactor *redactor = redact_new(true);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        for (size_t j = 0; j < sizeof around / sizeof *around; j++) {
            char text[512];
            snprintf(text, sizeof text, "%s%s%s%s", around[j][0], secrets[i][0], secrets[i][1], around[j][1]);
            char *got = redacted(redactor, text);
            if (strstr(got, secrets[i][1]) || strncmp(got, around[j][0], strlen(around[j][0])) != 0 || !strstr(got, "[redacted:"))
                fail_msg("%s became %s", text, got);
            free(got);
        }
    redact_free(&redactor);
}

/* A private key goes from its first to its last line; without a last one to the end. Public ones stay. */
static void private_keys_go_whole(void **state)
{
    (void)state;
    struct redactor *redactor = redact_new(true);
    becomes(redactor, "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nb", "a\n[redacted:key]\nb");
    becomes(redactor, "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Bl", "[redacted:key]");
    becomes(redactor, "-----BEGIN PUBLIC KEY-----\nshort\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nshort\n-----END PUBLIC KEY-----");
    redact_free(&redactor);
}

/* What an operator reads: ids, times, paths, words. */
static void what_is_no_secret_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0198f2a4b1c2000000000fabcdef0123",
        "g_bd7b6e503d39 2026-01-01T12:34:56.123456Z event 12",
        "/home/me/Project2024/MyApp/Source/Main.java",
        "state/blobs/9a0364b9e99bb480dd25e1f0284c85559a0364b9e99bb480dd25e1f0284c8555_notes.txt",
        "the group's ledger is damaged at offset 8192 of groups/g_bd7b6e503d39/ledger.jsonl",
        "task-management-and-planning-of-the-release",
        "https://example.org/repo?page=2",
        "https://example.org/repo, write to me@example.org",
        "ssh://git@example.org/repo",
        "",
    };
    struct redactor *redactor = redact_new(true);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        becomes(redactor, texts[i], texts[i]);
    redact_free(&redactor);
}

/* A value that was learned goes wherever it stands: plain, as JSON escapes it, line by line; short ones only as a word of their own. */
static void what_was_learned_is_cut(void **state)
{
    (void)state;
    struct redactor *redactor = redact_new(true);
    redact_learn(redactor, CCCC_STR("correct horse battery"));
    redact_learn(redactor, CCCC_STR("a\"quoted\" one"));
    redact_learn(redactor, CCCC_STR("first of two\nsecond of two"));
    redact_learn(redactor, CCCC_STR("4711"));
    redact_learn(redactor, CCCC_STR("on"));
    becomes(redactor, "say correct horse battery twice: correct horse battery", "say [redacted:known] twice: [redacted:known]");
    becomes(redactor, "{\"x\":\"a\\\"quoted\\\" one\"}", "{\"x\":\"[redacted:known]\"}");
    becomes(redactor, "it ends in second of two", "it ends in [redacted:known]");
    becomes(redactor, "4711 and 147110 on time", "[redacted:known] and 147110 on time");
    becomes(redactor, "{\"x\":\"pin:\\n4711\\n\"}", "{\"x\":\"pin:\\n[redacted:known]\\n\"}");
    assert_int_equal(redact_count(redactor, REDACT_KNOWN), 6);
    redact_free(&redactor);
}

static void value_becomes(bool bodies, const char *json, const char *expected)
{
    struct redactor *redactor = redact_new(bodies);
    cccc_arena_t *arena = cccc_arena_new(4096);
    cccc_value_t value;
    struct cccc_errmsg m;
    cccc_buf_t out;
    assert_int_equal(cccc_json_read(json, strlen(json), arena, &value, &m), CCCC_OK);
    value = redact_value(redactor, arena, &value);
    cccc_buf_init(&out);
    cccc_json_write(&value, &out);
    cccc_buf_put(&out, "", 1);
    assert_string_equal(out.data, expected);
    cccc_buf_fini(&out);
    cccc_arena_destroy(&arena);
    redact_free(&redactor);
}

/* Ids, numbers and words of the protocol stay; texts are a length, unless bodies are wanted, and then without their secrets. */
static void values_keep_ids_and_lose_texts(void **state)
{
    (void)state;
    static const char event[] =
        "{\"id\":\"0198f2a4b1c2000000000fabcdef0123\",\"seq\":7,\"data\":{\"text\":\"my password is swordfish\",\"to\":[\"lead\"],"
        "\"reason\":\"typing failed\",\"unthought_of\":\"words\",\"refs\":[]}}";
    value_becomes(false, event,
                  "{\"id\":\"0198f2a4b1c2000000000fabcdef0123\",\"seq\":7,\"data\":{\"text\":\"[24 bytes left out]\",\"to\":[\"lead\"],"
                  "\"reason\":\"typing failed\",\"unthought_of\":\"[5 bytes left out]\",\"refs\":[]}}");
    value_becomes(
        true, event,
        "{\"id\":\"0198f2a4b1c2000000000fabcdef0123\",\"seq\":7,\"data\":{\"text\":\"my password is [redacted:named]\",\"to\":[\"lead\"],"
        "\"reason\":\"typing failed\",\"unthought_of\":\"words\",\"refs\":[]}}");
    value_becomes(false, "{\"guard\":{\"rev\":\"held\"},\"context\":{\"rev\":\"held\"}}",
                  "{\"guard\":{\"rev\":\"held\"},\"context\":{\"rev\":\"[4 bytes left out]\"}}");
    value_becomes(false, "{\"actors\":[{\"id\":\"rev\",\"title\":\"The one\"}]}",
                  "{\"actors\":[{\"id\":\"rev\",\"title\":\"[7 bytes left out]\"}]}");
    value_becomes(
        false, "{\"op\":\"task.create\",\"name\":\"Buy them\",\"steps\":[{\"id\":\"S1\",\"name\":\"Ask Ann\"}]}",
        "{\"op\":\"[11 bytes left out]\",\"name\":\"[8 bytes left out]\",\"steps\":[{\"id\":\"S1\",\"name\":\"[7 bytes left out]\"}]}");
    value_becomes(false, "{\"checks\":[{\"name\":\"daemon\",\"verdict\":\"sound\"}]}",
                  "{\"checks\":[{\"name\":\"daemon\",\"verdict\":\"sound\"}]}");
    value_becomes(false, "{\"actor_ids\":[\"a\"],\"reason\":\"he said so\"}", "{\"actor_ids\":[\"a\"],\"reason\":\"[10 bytes left out]\"}");
}

/* Whatever is asked for: environments, arguments of commands, members named like a secret, and names that are secrets. */
static void values_never_keep_environments_and_secrets(void **state)
{
    (void)state;
    static const char json[] =
        "{\"env\":{\"PATH\":\"/bin\",\"N\":\"1\"},\"command\":[\"claude\",\"--key\",\"abc\"],\"web_token\":\"t\",\"api_key\":{\"a\":1},"
        "\"token\":null,\"AKIAIOSFODNN7EXAMPLE\":1,\"screen\":\"$ \"}";
    static const char expected[] =
        "{\"env\":{\"PATH\":\"[redacted:environment]\",\"N\":\"[redacted:environment]\"},\"command\":[\"claude\",\"[2 arguments left "
        "out]\"],"
        "\"web_token\":\"[redacted:named]\",\"api_key\":\"[redacted:named]\",\"token\":null,\"[redacted:form] 5\":1,\"screen\":\"[2 bytes "
        "of a terminal left out]\"}";
    value_becomes(false, json, expected);
    value_becomes(true, json, expected);
}

/* Whatever stands around them, and in whatever order: of texts made of pieces at random, no secret is left. */
static void random_texts_keep_no_secret(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "correct horse", "swordfish-77", "token=", "\"", "'",       "\\",         "\\n", "\n", " ", "-----BEGIN RSA PRIVATE KEY-----",
        "-----END ",     "-----",        "://u:",  "@",  "Bearer ", "[redacted:", "]",   "/",  "=", "x"};
    const char *given = getenv("CCCC_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL), at = seed;
    struct redactor *redactor = redact_new(true);
    print_message("CCCC_SEED=%u\n", seed);
    redact_learn(redactor, cccc_str(pieces[0]));
    redact_learn(redactor, cccc_str(pieces[1]));
    for (int round = 0; round < 2000; round++) {
        char text[2048] = "";
        for (int i = rand_r(&at) % 30; i > 0; i--) {
            size_t len = strlen(text);
            snprintf(text + len, sizeof text - len, "%s", pieces[(size_t)rand_r(&at) % (sizeof pieces / sizeof *pieces)]);
        }
        char *got = redacted(redactor, text);
        if (strstr(got, pieces[0]) || strstr(got, pieces[1]))
            fail_msg("%s became %s", text, got);
        free(got);
    }
    redact_free(&redactor);
}

/* A long text without blanks costs no more than its length. */
static void a_long_text_is_no_trap(void **state)
{
    (void)state;
    size_t size = 1000000;
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    struct redactor *redactor = redact_new(true);
    clock_t began = clock();
    becomes(redactor, text, text);
    assert_true((clock() - began) / CLOCKS_PER_SEC < 10);
    redact_free(&redactor);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_cut_wherever_they_stand),
        cmocka_unit_test(private_keys_go_whole),
        cmocka_unit_test(what_is_no_secret_stays),
        cmocka_unit_test(what_was_learned_is_cut),
        cmocka_unit_test(values_keep_ids_and_lose_texts),
        cmocka_unit_test(values_never_keep_environments_and_secrets),
        cmocka_unit_test(random_texts_keep_no_secret),
        cmocka_unit_test(a_long_text_is_no_trap),
    };
    return cmocka_run_group_tests_name("cli_redact", tests, NULL, NULL);
}
