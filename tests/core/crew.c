/* crew.c - see crew.h. */
#include "tests/core/crew.h"

#include <stdio.h>
#include <string.h>

const char *crew_document(const char *running, const char *state)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "{'v':1,'group_id':'" TEAM "','title':'Crew','topic':'','created_at':'2026-01-01T00:00:00.000000Z',"
             "'updated_at':'2026-01-01T00:00:00.000000Z','running':%s,'state':'%s','active_scope_key':'s_aaaaaaaaaaaa',"
             "'scopes':[{'scope_key':'s_aaaaaaaaaaaa','url':'/src/app','label':'app','git_remote':''}],"
             "'actors':[{'id':'lead','enabled':true,'runner':'pty','runtime':'custom','command':['cat']},"
             "{'id':'dev','enabled':true,'runner':'pty','runtime':'claude','processes_max':50,'memory_mib_max':200},"
             "{'id':'off','enabled':false,'runner':'pty','runtime':'custom','command':['cat']},"
             "{'id':'bus','enabled':false,'runner':'headless','runtime':'custom'}],'ledger_seq':0}",
             running, state);
    return text;
}

bench_t *crew_new(const char *running, const char *state)
{
    static const char *const quiet[] = {"publish", "log", "reply", "store group", "store registry", "read", NULL};
    bench_t *b = bench_new(1);
    bench_can_hold(b);
    bench_quiet(b, quiet);
    bench_group(b, TEAM, "A", crew_document(running, state));
    bench_settle(b);
    bench_trace(b);
    return b;
}

void crew_end(bench_t **b)
{
    bench_settle(*b);
    assert_fold_is_live(*b, TEAM);
    bench_free(b);
}

const char *crew_id(bench_t *b, const char *actor, uint64_t generation)
{
    return cccc_arena_printf(bench_arena(b), "'group_id':'" TEAM "','actor_id':'%s','generation':%llu", actor,
                             (unsigned long long)generation)
        .ptr;
}

void crew_hello(bench_t *b, const char *actor)
{
    uint64_t generation = bench_generation(b, TEAM, actor);
    bench_as_holder(b, TEAM, actor);
    bench_do(b, "hold_register", "{%s,'pid':77,'socket':'/s'}", crew_id(b, actor, generation));
    bench_as_operator(b);
}

const cccc_value_t *crew_wait(bench_t *b, const char *actor, const char *reports, int typed)
{
    static uint64_t conn = 5000, parked[256];
    uint64_t *earlier = &parked[(unsigned char)actor[0]];
    bench_as_holder(b, TEAM, actor);
    bench_request(b, ++conn, "hold_wait", "{%s,'reports':[%s],'facts':{'ready':true,'idle_ms':5,'typed':%d}}",
                  crew_id(b, actor, bench_generation(b, TEAM, actor)), reports, typed);
    bench_as_operator(b);
    bench_settle(b);
    const cccc_value_t *before = bench_at(bench_reply(b, *earlier), "result.orders"),
                       *now = bench_at(bench_reply(b, conn), "result.orders");
    *earlier = conn;
    return before && before->via.array.size > 0 ? before : now;
}

const char *crew_order(bench_t *b, const char *actor, const char *reports, int typed)
{
    const cccc_value_t *orders = crew_wait(b, actor, reports, typed);
    if (!orders || orders->via.array.size != 1 || strcmp(bench_str_at(b, orders, "0.order"), "type") != 0)
        fail_msg("expected one order to type: %s", bench_text(b, orders));
    return bench_str_at(b, orders, "0.order_id");
}

const char *crew_report(bench_t *b, const char *order_id, const char *outcome)
{
    return cccc_arena_printf(bench_arena(b), "{'order_id':'%s','outcome':'%s'}", order_id, outcome).ptr;
}

void crew_ready(bench_t *b, const char *actor)
{
    crew_hello(b, actor);
    crew_wait(b, actor, "", 1);
}

void crew_exits(bench_t *b, const char *actor, const char *how)
{
    bench_as_holder(b, TEAM, actor);
    bench_do(b, "hold_wait", "{%s,'exited':%s}", crew_id(b, actor, bench_generation(b, TEAM, actor)), how);
    bench_as_operator(b);
    bench_settle(b);
}

const cccc_value_t *crew_row(bench_t *b, const char *actor)
{
    const cccc_value_t *rows = bench_at(bench_do(b, "actor_list", "{'group_id':'" TEAM "'}"), "actors");
    for (uint32_t i = 0; i < rows->via.array.size; i++)
        if (cccc_str_is(cccc_get_str(&rows->via.array.ptr[i], "id"), actor))
            return &rows->via.array.ptr[i];
    fail_msg("no actor %s", actor);
    return NULL;
}

const char *crew_state(bench_t *b, const char *actor)
{
    return bench_str_at(b, crew_row(b, actor), "runtime_state");
}

void crew_send(bench_t *b, const char *who, const char *text)
{
    bench_do(b, "send", "{'group_id':'" TEAM "','to':['%s'],'text':'%s'}", who, text);
}

int crew_count(bench_t *b, const char *kind, const char *key, const char *value)
{
    int n = 0;
    struct cccc_event event;
    for (uint64_t seq = 1; bench_event(b, TEAM, seq, &event); seq++)
        n += cccc_str_is(event.kind, kind) && cccc_str_is(cccc_get_str(&event.data, key), value);
    return n;
}
