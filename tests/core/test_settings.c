/* Settings: defaults, ranges, what is stored, what is refused, and what garbage reads as. */
#include "broker/core/change.h"
#include "tests/core/expect.h"

/* name, value given, value stored and shown ("" = refused with `code`) */
static const struct {
    const char *name, *given, *stored, *code;
} values[] = {
    {"default_send_to", "'broadcast'", "'broadcast'", ""},
    {"default_send_to", "'foreman'", "'foreman'", ""},
    {"default_send_to", "'all'", "", "invalid_patch"},
    {"default_send_to", "null", "", "invalid_patch"},
    {"nudge_after_seconds", "0", "0", ""},
    {"nudge_after_seconds", "-5", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "'17'", "17", ""},
    {"nudge_after_seconds", "'-17'", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "2147483647", "2147483647", ""},
    {"nudge_after_seconds", "99999999999", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "1.5", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "'soon'", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "'12s'", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "' 12'", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "''", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "null", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "true", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "18446744073709551615", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "'9999999999999999999'", "", "group_settings_update_failed"},
    {"nudge_after_seconds", "'-99999999999999999999'", "", "group_settings_update_failed"},
    {"keepalive_max_per_actor", "4", "4", ""},
    {"min_interval_seconds", "30", "30", ""},
    {"min_interval_seconds", "-1", "", "group_settings_update_failed"},
    {"auto_mark_on_delivery", "true", "true", ""},
    {"auto_mark_on_delivery", "'on'", "true", ""},
    {"auto_mark_on_delivery", "0", "false", ""},
    {"auto_mark_on_delivery", "'maybe'", "", "invalid_patch"},
    {"auto_mark_on_delivery", "null", "", "invalid_patch"},
    {"terminal_transcript_visibility", "'all'", "'all'", ""},
    {"terminal_transcript_visibility", "'off'", "'off'", ""},
    {"terminal_transcript_visibility", "'some'", "", "invalid_patch"},
    {"terminal_transcript_notify_tail", "'false'", "false", ""},
    {"terminal_transcript_notify_lines", "80", "80", ""},
    {"terminal_transcript_notify_lines", "81", "", "group_settings_update_failed"},
    {"terminal_transcript_notify_lines", "0", "", "group_settings_update_failed"},
};

static void each_value_is_stored_in_canonical_form(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint64_t before = bench_durable(b, id);
        const cccc_value_t *reply =
            bench_ask(b, "group_settings_update", "{'group_id': '%s', 'patch': {'%s': %s}}", id, values[i].name, values[i].given);
        if (values[i].stored[0] == '\0') {
            expect_code(b, reply, values[i].code);
            assert_non_null(strstr(bench_str_at(b, reply, "error.message"), values[i].name));
            assert_int_equal(bench_durable(b, id), before);
            continue;
        }
        expect_code(b, reply, "ok");
        expect_json(b, bench_at(reply, "result.settings"), values[i].name, values[i].stored);
        expect_json(b, bench_at(reply, "result.event.data.patch"), values[i].name, values[i].stored);
        cccc_value_t fold = bench_refolded(b, id, false), live = bench_dump(b, id);
        assert_true(cccc_value_eq(bench_at(&fold, "document"), bench_at(&live, "document")));
    }
}

static void all_settings_have_their_defaults(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const cccc_value_t *result = bench_do(b, "group_settings_update", "{'group_id': '%s', 'patch': {'min_interval_seconds': 0}}", id);
    expect_text(b, result, "group_id", id);
    expect_json(
        b, result, "settings",
        "{'default_send_to': 'foreman', 'nudge_after_seconds': 300, 'reply_required_nudge_after_seconds': 300, "
        "'attention_ack_nudge_after_seconds': 600, 'unread_nudge_after_seconds': 900, 'nudge_digest_min_interval_seconds': 120, "
        "'nudge_max_repeats_per_obligation': 3, 'nudge_escalate_after_repeats': 2, 'actor_idle_timeout_seconds': 600, "
        "'keepalive_delay_seconds': 120, 'keepalive_max_per_actor': 3, 'silence_timeout_seconds': 600, 'help_nudge_interval_seconds': 600, "
        "'help_nudge_min_messages': 10, 'guard_pair_max': 40, 'guard_group_max': 400, 'guard_chain_max': 100, 'guard_hold_after': 20, "
        "'guard_window_seconds': 600, 'min_interval_seconds': 0, 'auto_mark_on_delivery': false, 'terminal_transcript_visibility': "
        "'foreman', "
        "'terminal_transcript_notify_tail': true, 'terminal_transcript_notify_lines': 20, 'ledger_max_active_bytes': 67108864, "
        "'ledger_keep_tail_lines': 2000, "
        "'retention_max_age_s': 0, 'retention_max_bytes': 0}");
    assert_int_equal(bench_at(result, "settings")->via.map.size, 28);
}

/* What is shown for a delay nobody set is what is used: a multiple of nudge_after_seconds. */
static void delays_follow_the_first_one(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    const cccc_value_t *result = bench_do(b, "group_settings_update", "{'group_id': '%s', 'patch': {'nudge_after_seconds': 10}}", id);
    expect_json(b, result, "settings.reply_required_nudge_after_seconds", "10");
    expect_json(b, result, "settings.attention_ack_nudge_after_seconds", "20");
    expect_json(b, result, "settings.unread_nudge_after_seconds", "30");
    result = bench_do(b, "group_settings_update",
                      "{'group_id': '%s', 'patch': {'nudge_after_seconds': 0, 'unread_nudge_after_seconds': 7}}", id);
    expect_json(b, result, "settings.reply_required_nudge_after_seconds", "0");
    expect_json(b, result, "settings.attention_ack_nudge_after_seconds", "1");
    expect_json(b, result, "settings.unread_nudge_after_seconds", "7");
}

static void settings_live_where_the_reference_says(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    bench_do(b, "group_settings_update",
             "{'group_id': '%s', 'patch': {'default_send_to': 'broadcast', 'keepalive_delay_seconds': 5, 'min_interval_seconds': 6, "
             "'terminal_transcript_visibility': 'all', 'terminal_transcript_notify_lines': 7}}",
             id);
    cccc_value_t stored = bench_document(b, id);
    expect_text(b, &stored, "messaging.default_send_to", "broadcast");
    expect_json(b, &stored, "automation.keepalive_delay_seconds", "5");
    expect_json(b, &stored, "automation.version", "1");
    expect_json(b, &stored, "delivery.min_interval_seconds", "6");
    expect_json(b, &stored, "terminal_transcript", "{'visibility': 'all', 'notify_lines': 7}");
}

static void patches_are_refused_whole(void **state)
{
    bench_t *b = *state;
    const char *id = team(b);
    uint64_t before = bench_durable(b, id);
    EXPECT(b, "invalid_patch", "group_settings_update", "{'group_id': '%s', 'patch': {}}", id);
    const cccc_value_t *reply =
        bench_ask(b, "group_settings_update", "{'group_id': '%s', 'patch': {'min_interval_seconds': 1, 'speed': 2}}", id);
    expect_code(b, reply, "invalid_patch");
    expect_json(b, reply, "error.details.unknown_keys", "['speed']");
    EXPECT(b, "invalid_patch", "group_settings_update", "{'group_id': '%s', 'patch': {'min_interval_seconds': 1, 'default_send_to': 'x'}}",
           id);
    EXPECT(b, "group_not_found", "group_settings_update", "{'group_id': 'g_00000000000f', 'patch': {'min_interval_seconds': 1}}");
    EXPECT(b, "unknown_actor", "group_settings_update", "{'group_id': '%s', 'by': 'x', 'patch': {'min_interval_seconds': 1}}", id);
    assert_int_equal(bench_durable(b, id), before);
}

/* Reference 13: 54. Garbage elsewhere breaks neither a read nor an update, and stays as it was written. */
static void garbage_reads_as_default_and_stays(void **state)
{
    bench_t *b = *state;
    bench_group(
        b, G, "A",
        "{'v': 1, 'group_id': '" G "', 'ledger_seq': 0, 'automation': {'keepalive_delay_seconds': 'often', 'nudge_after_seconds': []}, "
        "'delivery': 'no', 'messaging': {'default_send_to': 7}, 'terminal_transcript': {'visibility': 'everybody', 'notify_lines': 4000}}");
    const cccc_value_t *result = bench_do(b, "group_settings_update", "{'group_id': '" G "', 'patch': {'min_interval_seconds': 4}}");
    expect_json(b, result, "settings.keepalive_delay_seconds", "120");
    expect_json(b, result, "settings.nudge_after_seconds", "300");
    expect_text(b, result, "settings.default_send_to", "foreman");
    expect_text(b, result, "settings.terminal_transcript_visibility", "foreman");
    expect_json(b, result, "settings.terminal_transcript_notify_lines", "80");
    expect_json(b, result, "settings.min_interval_seconds", "4");
    const cccc_value_t *shown = bench_do(b, "group_show", "{'group_id': '" G "'}");
    expect_text(b, shown, "group.automation.keepalive_delay_seconds", "often");
    expect_json(b, shown, "group.delivery", "{'min_interval_seconds': 4}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_value_is_stored_in_canonical_form), T(all_settings_have_their_defaults), T(delays_follow_the_first_one),
        T(settings_live_where_the_reference_says), T(patches_are_refused_whole),        T(garbage_reads_as_default_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
