/* team.c - see team.h. */
#include "tests/core/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *team_document(const char *group_id, const char *policy, const char *state)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "{'v':1,'group_id':'%s','title':'Team','topic':'','created_at':'2026-01-01T00:00:00.000000Z',"
             "'updated_at':'2026-01-01T00:00:00.000000Z','running':true,'state':'%s','active_scope_key':'s_aaaaaaaaaaaa',"
             "'scopes':[{'scope_key':'s_aaaaaaaaaaaa','url':'/src/app','label':'app','git_remote':''},"
             "{'scope_key':'s_bbbbbbbbbbbb','url':'/src/app/lib','label':'lib','git_remote':''}],"
             "'actors':[{'id':'lead','title':'Chief','enabled':true,'runner':'headless','runtime':'custom'},"
             "{'id':'peer-1','title':'','enabled':true,'runner':'headless','runtime':'custom'},"
             "{'id':'peer-2','title':'Reviewer','enabled':true,'runner':'headless','runtime':'custom'},"
             "{'id':'off','title':'Asleep','enabled':false,'runner':'headless','runtime':'custom'}],"
             "'messaging':{'default_send_to':'%s'},'ledger_seq':0}",
             group_id, state, policy);
    return text;
}

bench_t *team_new(uint64_t seed)
{
    bench_t *b = bench_new(seed);
    bench_group(b, TEAM, "A", team_document(TEAM, "foreman", "active"));
    bench_group(b, OTHER, "B", team_document(OTHER, "foreman", "active"));
    bench_settle(b);
    bench_trace(b);
    return b;
}

bench_t *team_new_quiet(void)
{
    static const char *const quiet[] = {"append", "publish", "reply", "durable", "read", "store", "log", ">", NULL};
    bench_t *b = team_new(1);
    bench_quiet(b, quiet);
    return b;
}

void team_pass(bench_t *b, uint32_t seconds)
{
    for (; seconds > 0; seconds -= seconds < 5 ? seconds : 5) {
        bench_pass(b, seconds < 5 ? seconds : 5);
        bench_settle(b);
    }
}

void team_options(int argc, char **argv, const char *const *names, uint64_t *const *values)
{
    for (int i = 1; i + 1 < argc; i += 2)
        for (size_t k = 0; names[k]; k++)
            if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, names[k]) == 0)
                *values[k] = strtoull(argv[i + 1], NULL, 0);
}

void assert_json(bench_t *b, const cccc_value_t *v, const char *expected)
{
    cccc_value_t want = bench_json(b, "%s", expected);
    if (!v || !cccc_value_eq(v, &want))
        fail_msg("expected %s\nhave     %s", bench_text(b, &want), bench_text(b, v));
}

void assert_trace(bench_t *b, const char *expected)
{
    const char *trace = bench_trace(b);
    if (strcmp(trace, expected) != 0)
        fail_msg("expected trace:\n%s\nhave:\n%s", expected, trace);
}

const char *dumps_differ(bench_t *b, const cccc_value_t *live, const cccc_value_t *folded)
{
    for (uint32_t i = 0; i < live->via.map.size; i++) {
        const cccc_value_t *mine = &live->via.map.ptr[i].val, *other = &folded->via.map.ptr[i].val;
        if (!cccc_value_eq(mine, other))
            return cccc_arena_printf(bench_arena(b), "%.*s\nlive   %s\nfolded %s", (int)live->via.map.ptr[i].key.via.str.size,
                                     live->via.map.ptr[i].key.via.str.ptr, bench_text(b, mine), bench_text(b, other))
                .ptr;
    }
    return NULL;
}

void assert_saved_state_is_live(bench_t *b, const char *group_id, bool documents)
{
    uint32_t all = (uint32_t)bench_durable(b, group_id);
    cccc_value_t live = bench_dump(b, group_id);
    for (uint32_t lines = all; lines > 0; lines /= 2) {
        cccc_value_t loaded = bench_reloaded(b, group_id, lines, documents);
        if (!cccc_value_eq(&live, &loaded))
            fail_msg("%s: what was saved after %u of %u lines is not the live state\nlive   %s\nloaded %s", group_id, lines, all,
                     bench_text(b, &live), bench_text(b, &loaded));
    }
}

void assert_fold_is_live(bench_t *b, const char *group_id)
{
    cccc_value_t live = bench_dump(b, group_id), folded = bench_refolded(b, group_id, true);
    const char *difference = dumps_differ(b, &live, &folded);
    if (difference)
        fail_msg("%s: the fold is not the live state: %s", group_id, difference);
    assert_saved_state_is_live(b, group_id, true);
}

void team_end(bench_t **b)
{
    bench_settle(*b);
    assert_fold_is_live(*b, TEAM);
    assert_fold_is_live(*b, OTHER);
    bench_free(b);
}

const char *inbox_seqs(bench_t *b, const char *group_id, const char *reader, const char *filter)
{
    const cccc_value_t *result =
        bench_do(b, "inbox_list", "{'group_id':'%s','actor_id':'%s','kind_filter':'%s','limit':0}", group_id, reader, filter);
    const cccc_value_t *messages = cccc_get(result, "messages");
    cccc_str_t text = CCCC_STR("");
    for (uint32_t i = 0; i < messages->via.array.size; i++)
        text = cccc_arena_printf(bench_arena(b), "%.*s%s%llu", CCCC_STR_FMT(text), i ? " " : "",
                                 (unsigned long long)cccc_get_uint(&messages->via.array.ptr[i], "seq", 0));
    return cccc_arena_str(bench_arena(b), text).ptr;
}
