/* The filter of publications: it may send too much, never too little. */
#include "tests/bus/cmocka_all.h"

#include "broker/bus/subscriptions.h"

#include <stdio.h>
#include <string.h>

static bool take(struct cccc_subscriptions *subs, char what, const char *prefix)
{
    char frame[512];
    frame[0] = what;
    memcpy(frame + 1, prefix, strlen(prefix));
    return cccc_subscriptions_take(subs, frame, strlen(prefix) + 1);
}

static bool match(const struct cccc_subscriptions *subs, const char *topic)
{
    return cccc_subscriptions_match(subs, topic, strlen(topic));
}

/* Only topics that begin with a subscribed prefix match, and no longer once it is unsubscribed. */
static void prefixes_match_until_unsubscribed(void **state)
{
    (void)state;
    struct cccc_subscriptions subs = {0};
    assert_false(match(&subs, "e/g_1/chat.message/5/4"));
    assert_true(take(&subs, 1, "e/g_1/"));
    assert_true(take(&subs, 1, "i/g_1/user/"));
    assert_true(match(&subs, "e/g_1/chat.message/5/4"));
    assert_true(match(&subs, "i/g_1/user/5/4"));
    assert_false(match(&subs, "i/g_1/lead/5/4"));
    assert_false(match(&subs, "e/g_2/chat.message/5/4"));
    assert_false(match(&subs, "e/g_1"));
    take(&subs, 0, "e/g_1/");
    assert_false(match(&subs, "e/g_1/chat.message/6/5"));
    assert_true(match(&subs, "i/g_1/user/6/5"));
    take(&subs, 0, "i/g_1/user/");
    assert_int_equal(subs.count, 0);
    assert_int_equal(subs.longest, 0);
    cccc_subscriptions_fini(&subs);
}

/* The empty prefix asks for everything. */
static void empty_prefix_matches_everything(void **state)
{
    (void)state;
    struct cccc_subscriptions subs = {0};
    take(&subs, 1, "");
    assert_true(match(&subs, "d/1/0"));
    assert_true(match(&subs, ""));
    take(&subs, 0, "");
    assert_false(match(&subs, "d/1/0"));
    cccc_subscriptions_fini(&subs);
}

/* A letter is wanted while a prefix begins with it, while somebody wants everything, and when nothing is filtered any more. */
static void letters_are_wanted_while_a_prefix_needs_them(void **state)
{
    (void)state;
    struct cccc_subscriptions subs = {0};
    assert_false(cccc_subscriptions_any(&subs, 'e'));
    take(&subs, 1, "e/g_1/");
    take(&subs, 1, "e/g_2/");
    assert_true(cccc_subscriptions_any(&subs, 'e'));
    assert_false(cccc_subscriptions_any(&subs, 'i'));
    take(&subs, 0, "e/g_1/");
    assert_true(cccc_subscriptions_any(&subs, 'e'));
    take(&subs, 0, "e/g_2/");
    assert_false(cccc_subscriptions_any(&subs, 'e'));
    take(&subs, 1, "");
    assert_true(cccc_subscriptions_any(&subs, 'e') && cccc_subscriptions_any(&subs, 'i'));
    take(&subs, 0, "");
    assert_false(cccc_subscriptions_any(&subs, 'i'));
    subs.overflowed = true;
    assert_true(cccc_subscriptions_any(&subs, 'i'));
    cccc_subscriptions_fini(&subs);
}

/* Messages that are not subscriptions, prefixes longer than any topic and unknown unsubscriptions change nothing. */
static void foreign_messages_are_ignored(void **state)
{
    (void)state;
    struct cccc_subscriptions subs = {0};
    char longer[CCCC_TOPIC_BYTES_MAX + 2];
    memset(longer, 'e', sizeof longer);
    longer[0] = 1;
    assert_true(cccc_subscriptions_take(&subs, longer, sizeof longer));
    assert_true(cccc_subscriptions_take(&subs, "", 0));
    assert_true(cccc_subscriptions_take(&subs, "hello", 5));
    assert_true(take(&subs, 0, "never/"));
    assert_int_equal(subs.count, 0);
    cccc_subscriptions_fini(&subs);
}

/* Over the cap the newcomer is named, and everything is published from then on: nobody loses an event by a cap. */
static void over_the_cap_nothing_is_filtered(void **state)
{
    (void)state;
    struct cccc_subscriptions subs = {0};
    char prefix[32];
    for (unsigned i = 0; i < CCCC_SUBSCRIPTIONS_MAX; i++) {
        snprintf(prefix, sizeof prefix, "e/%u/", i);
        assert_true(take(&subs, 1, prefix));
    }
    assert_false(match(&subs, "i/g/user/"));
    assert_true(take(&subs, 1, "e/0/"));
    assert_false(take(&subs, 1, "i/g/lead/"));
    assert_true(match(&subs, "i/g/lead/"));
    assert_true(match(&subs, "i/g/user/"));
    assert_int_equal(subs.count, CCCC_SUBSCRIPTIONS_MAX);
    cccc_subscriptions_fini(&subs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_match_until_unsubscribed), cmocka_unit_test(empty_prefix_matches_everything),
        cmocka_unit_test(foreign_messages_are_ignored),      cmocka_unit_test(letters_are_wanted_while_a_prefix_needs_them),
        cmocka_unit_test(over_the_cap_nothing_is_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
