/* Ids: what is refused and why, and what follows from a remote or a path. */
#include "broker/core/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Each rule of reference 1.3 has its own message, and the first that fails speaks. */
static void actor_ids_are_judged_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *id, *why; /* NULL: fine */
    } cases[] = {
        {"lead", NULL},
        {"peer-1", NULL},
        {"a_b", NULL},
        {"9lives", NULL},
        {"研究员", NULL},
        {"かな", NULL},
        {"한국어", NULL},
        {"Ünïcode", NULL},
        {"हिन्दी", NULL},
        {"ⅷ", NULL},
        {"", "empty"},
        {"-lead", "begin with"},
        {"_lead", "begin with"},
        {"-.", "begin with"},
        {"a b.c", "white space"},
        {"a\tb", "white space"},
        {"a\nb", "white space"},
        {"a.b@", "dot"},
        {"..", "dot"},
        {"a@/", "@"},
        {"@all", "@"},
        {"a/b", "/"},
        {"a\\b", "\\"},
        {"a:b", "letters"},
        {"svc:x", "letters"},
        {"a\x01", "letters"},
        {"a\r", "letters"},
        {"\xe2\x80\x8b", "letters"},     /* zero width space */
        {"a\xe2\x80\xae", "letters"},    /* right-to-left override */
        {"\xf0\x9f\x98\x80", "letters"}, /* emoji */
        {"\xff", "letters"},             /* not UTF-8 */
        {"user", "reserved"},
        {"USER", "reserved"},
        {"All", "reserved"},
        {"system", "reserved"},
        {"foreman", "reserved"},
        {"peers", "reserved"},
        {"admin", "reserved"},
        {"root", "reserved"},
        {"cccc", "reserved"},
        {"users", NULL},
        {"12345678901234567890123456789012", NULL},
        {"123456789012345678901234567890123", "32"},
        {"一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二", NULL},
        {"一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三", "32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cccc_errmsg why = {{0}};
        bool valid = actor_id_valid(cccc_str(cases[i].id), &why);
        if (valid != (cases[i].why == NULL) || (cases[i].why != NULL && strstr(why.text, cases[i].why) == NULL))
            fail_msg("\"%s\": %d \"%s\"", cases[i].id, valid, why.text);
    }
    assert_false(actor_id_valid((cccc_str_t){"a\0b", 3}, NULL));
}

static void group_ids_are_exact(void **state)
{
    (void)state;
    assert_true(group_id_valid(CCCC_STR("g_0123456789ab")));
    static const char *const bad[] = {"",
                                      "g_",
                                      "g_0123456789a",
                                      "g_0123456789abc",
                                      "g_0123456789aB",
                                      "s_0123456789ab",
                                      "g-0123456789ab",
                                      "../g_0123456789",
                                      "g_01234567/9ab"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(group_id_valid(cccc_str(bad[i])));
}

/* The known SHA-256 of "abc". */
static void hash_ids_are_twelve_hex_of_sha256(void **state)
{
    (void)state;
    char id[15];
    scope_hash_id(id, 's', CCCC_STR("abc"));
    assert_string_equal(id, "s_ba7816bf8f01");
    scope_hash_id(id, 'g', CCCC_STR(""));
    assert_string_equal(id, "g_e3b0c44298fc");
}

static void remotes_become_one_form_without_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"git@github.com:acme/widget.git", "https://github.com/acme/widget"},
        {"git@github.com:acme/widget", "https://github.com/acme/widget"},
        {"ssh://git@github.com/acme/widget.git", "https://github.com/acme/widget"},
        {"ssh://github.com/acme/widget", "https://github.com/acme/widget"},
        {"https://github.com/acme/widget.git", "https://github.com/acme/widget"},
        {"http://example.org/w.git", "http://example.org/w"},
        {"https://user:token@github.com/acme/widget.git", "https://github.com/acme/widget"},
        {"https://token@host:8443/a/b.git", "https://host:8443/a/b"},
        {"https://host/a@b/c", "https://host/a@b/c"},
        {"/srv/git/widget.git", "/srv/git/widget.git"},
        {"file:///srv/git/widget.git", "file:///srv/git/widget.git"},
        {"git@github.com:", "git@github.com:"},
        {"a@b/c:d", "a@b/c:d"},
    };
    cccc_arena_t *arena = cccc_arena_new(4096);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cccc_str_t out = git_remote_normalise(arena, cccc_str(cases[i].in));
        if (!cccc_str_is(out, cases[i].out))
            fail_msg("%s -> %.*s", cases[i].in, CCCC_STR_FMT(out));
    }
    cccc_arena_destroy(&arena);
}

static void paths_are_cleaned_in_form_only(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* NULL: refused */
    } cases[] = {
        {"/a/b", "/a/b"}, {"/a//b/", "/a/b"},         {"/a/./b/../c", "/a/c"}, {"/", "/"},  {"//", "/"}, {"/..", "/"},  {"/../../a", "/a"},
        {"/a/..", "/"},   {"/a..b/...", "/a..b/..."}, {"a/b", NULL},           {".", NULL}, {"", NULL},  {"~/x", NULL},
    };
    cccc_arena_t *arena = cccc_arena_new(4096);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cccc_str_t out = {0};
        bool good = path_clean(arena, cccc_str(cases[i].in), &out);
        if (good != (cases[i].out != NULL) || (good && !cccc_str_is(out, cases[i].out)))
            fail_msg("%s -> %d %.*s", cases[i].in, good, CCCC_STR_FMT(out));
    }
    cccc_str_t out;
    assert_false(path_clean(arena, (cccc_str_t){"/a\0b", 4}, &out));
    cccc_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actor_ids_are_judged_in_order),     cmocka_unit_test(group_ids_are_exact),
        cmocka_unit_test(hash_ids_are_twelve_hex_of_sha256), cmocka_unit_test(remotes_become_one_form_without_credentials),
        cmocka_unit_test(paths_are_cleaned_in_form_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
