/* test_context.c - a batch changes what a group works on wholly or not at all; ids are never given twice; the ledger alone gives the state back. */
#include "tests/core/team.h"

static int begin(void **state)
{
    *state = team_new(1);
    return 0;
}

/* Checks that the fold of the ledger is the live state (I11), the context included. */
static int end(void **state)
{
    bench_t *b = *state;
    team_end(&b);
    return 0;
}

static const cccc_value_t *sync(bench_t *b, const char *ops)
{
    return bench_do(b, "context_sync", "{'group_id': '%s', 'ops': %s}", TEAM, ops);
}

static void refused(bench_t *b, const char *code, const char *ops)
{
    const cccc_value_t *reply = bench_ask(b, "context_sync", "{'group_id': '%s', 'ops': %s}", TEAM, ops);
    assert_string_equal(bench_code(reply), code);
}

static const cccc_value_t *seen(bench_t *b)
{
    return bench_do(b, "context_get", "{'group_id': '%s'}", TEAM);
}

static const cccc_value_t *task(bench_t *b, const char *id)
{
    return bench_at(bench_do(b, "task_list", "{'group_id': '%s', 'task_id': '%s'}", TEAM, id), "task");
}

/* Each op of a batch sees what the ones before it did: 0.4.0 gave two new tasks the same id. */
static void ids_of_one_batch_differ(void **state)
{
    bench_t *b = *state;
    const cccc_value_t *result =
        sync(b, "[{'op':'task.create','name':'a'},{'op':'task.create','name':'b'},{'op':'note.add','content':'n'},"
                "{'op':'note.add','content':'m'},{'op':'milestone.create','name':'one'},{'op':'reference.add','url':'u'}]");
    assert_json(b, bench_at(result, "changes.1.detail"), "'Created T002'");
    assert_json(b, bench_at(result, "changes.3.detail"), "'Added N002'");
    assert_json(b, bench_at(task(b, "T002"), "name"), "'b'");
}

/* The first op that is not possible undoes the ones before it. */
static void a_batch_is_taken_whole_or_not_at_all(void **state)
{
    bench_t *b = *state;
    static const char *const bad[] = {"{'op':'nope'}",
                                      "7",
                                      "{'op':'task.update','task_id':'T009'}",
                                      "{'op':'task.update','task_id':'T001','status':'x'}",
                                      "{'op':'milestone.complete','milestone_id':'M9'}",
                                      "{'op':'task.create'}",
                                      "{'op':'note.remove','note_id':'N009'}",
                                      "{'op':'task.restore','task_id':'T001'}",
                                      "{'op':'task.create','name':'x','milestone_id':'M9'}",
                                      "{'op':'task.update','task_id':'T001','step_id':'S9','step_status':'done'}",
                                      "{'op':'presence.update'}",
                                      "{'op':'vision.update'}",
                                      "{'op':'reference.add'}"};
    sync(b, "[{'op':'task.create','name':'t'}]");
    const char *before = bench_text(b, seen(b));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char ops[256];
        snprintf(ops, sizeof ops, "[{'op':'note.add','content':'n'},%s]", bad[i]);
        refused(b, "context_sync_error", ops);
        assert_string_equal(bench_text(b, seen(b)), before);
    }
    refused(b, "invalid_ops", "'note.add'");
    refused(b, "invalid_ops", "{'op':'note.add'}");
    assert_int_equal(bench_durable(b, TEAM), 1);
}

/* A task goes through its steps; archiving remembers, restoring returns. */
static void tasks_move_and_come_back(void **state)
{
    bench_t *b = *state;
    sync(b, "[{'op':'milestone.create','name':'m','status':'active'},{'op':'task.create','name':'t','milestone_id':'M1','assignee':'lead',"
            "'steps':[{'name':'one','acceptance':'x'},{'name':'two'}]}]");
    assert_json(b, bench_at(task(b, "T001"), "current_step"), "'S1'");
    sync(b, "[{'op':'task.update','task_id':'T001','status':'active','step_id':'S1','step_status':'done'}]");
    assert_json(b, bench_at(task(b, "T001"), "progress"), "0.5");
    assert_json(b, bench_at(task(b, "T001"), "current_step"), "'S2'");
    assert_json(b, bench_at(seen(b), "active_task.id"), "'T001'");
    sync(b, "[{'op':'task.update','task_id':'T001','status':'archived','assignee':'','milestone':''}]");
    assert_json(b, bench_at(task(b, "T001"), "archived_from"), "'active'");
    assert_json(b, bench_at(task(b, "T001"), "assignee"), "null");
    sync(b, "[{'op':'task.restore','task_id':'T001'},{'op':'milestone.update','milestone_id':'M1','status':'archived'},"
            "{'op':'milestone.restore','milestone_id':'M1'}]");
    assert_json(b, bench_at(task(b, "T001"), "status"), "'active'");
    assert_json(b, bench_at(seen(b), "milestones.0.status"), "'active'");
    sync(b, "[{'op':'milestone.complete','milestone_id':'M1','outcomes':'done it'}]");
    assert_json(b, bench_at(seen(b), "milestones.0.outcomes"), "'done it'");
}

/* What came of a milestone is gone when it is still to come again, and stays while it is done, also out of the archive. */
static void a_milestone_that_is_not_done_has_no_outcome(void **state)
{
    bench_t *b = *state;
    sync(b, "[{'op':'milestone.create','name':'m'},{'op':'milestone.complete','milestone_id':'M1','outcomes':'done it'},"
            "{'op':'milestone.update','milestone_id':'M1','status':'archived'},{'op':'milestone.restore','milestone_id':'M1'}]");
    assert_json(b, bench_at(seen(b), "milestones.0.outcomes"), "'done it'");
    sync(b, "[{'op':'milestone.update','milestone_id':'M1','status':'pending'}]");
    assert_json(b, bench_at(seen(b), "milestones.0.status"), "'planned'");
    assert_json(b, bench_at(seen(b), "milestones.0.outcomes"), "null");
    assert_json(b, bench_at(seen(b), "milestones.0.completed"), "null");
}

/* Two changes on their way to the disk build on each other; the version is that of the state they leave. */
static void changes_in_flight_build_on_each_other(void **state)
{
    bench_t *b = *state;
    for (uint64_t conn = 1; conn <= 3; conn++)
        bench_request(b, conn, "context_sync", "{'group_id': '%s', 'ops': [{'op':'task.create','name':'t%d'}]}", TEAM, (int)conn);
    assert_json(b, bench_at(seen(b), "tasks_summary.total"), "0"); /* nothing is durable yet */
    bench_settle(b);
    assert_json(b, bench_at(seen(b), "tasks_summary.total"), "3");
    assert_json(b, bench_at(task(b, "T003"), "name"), "'t3'");
    const cccc_value_t *last = sync(b, "[{'op':'note.add','content':'n'}]");
    assert_true(cccc_value_eq(bench_at(last, "version"), bench_at(seen(b), "version")));
}

static void a_dry_run_and_an_empty_batch_change_nothing(void **state)
{
    bench_t *b = *state;
    const cccc_value_t *result =
        bench_do(b, "context_sync", "{'group_id': '%s', 'dry_run': 'yes', 'ops': [{'op':'task.create','name':'t'}]}", TEAM);
    assert_json(b, bench_at(result, "changes.0.detail"), "'Created T001'");
    assert_json(b, bench_at(bench_do(b, "context_sync", "{'group_id': '%s'}", TEAM), "changes"), "[]");
    assert_int_equal(bench_durable(b, TEAM), 0);
    assert_string_equal(bench_code(bench_ask(b, "task_list", "{'group_id': '%s', 'task_id': 'T001'}", TEAM)), "task_not_found");
}

/* What an actor calls itself stays; other names are written as 0.4.0 writes them. */
static void presence_is_by_agent(void **state)
{
    bench_t *b = *state;
    sync(
        b,
        "[{'op':'presence.update','agent_id':'peer-1','status':' at  it '},{'op':'presence.update','agent_id':'myHelper_two','status':'x'},"
        "{'op':'presence.clear','agent_id':'peer-1'}]");
    const cccc_value_t *result = bench_do(b, "presence_get", "{'group_id': '%s'}", TEAM);
    assert_json(b, bench_at(result, "agents.0.id"), "'peer-1'");
    assert_json(b, bench_at(result, "agents.0.status"), "''");
    assert_json(b, bench_at(result, "agents.1.id"), "'my-helper-two'");
}

/* 0.4.0's clients say that the system does it; nobody else may be the system. */
static void system_counts_as_left_out(void **state)
{
    bench_t *b = *state;
    struct cccc_event event;
    bench_do(b, "context_sync", "{'group_id': '%s', 'by': 'system', 'ops': [{'op':'note.add','content':'n'}]}", TEAM);
    assert_true(bench_event(b, TEAM, 1, &event));
    assert_true(cccc_str_is(event.by, "user"));
    bench_as_actor(b, TEAM, "peer-1");
    bench_do(b, "context_sync", "{'group_id': '%s', 'by': 'system', 'ops': [{'op':'note.add','content':'n'}]}", TEAM);
    assert_true(bench_event(b, TEAM, 2, &event));
    assert_true(cccc_str_is(event.by, "peer-1"));
    bench_as_operator(b);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {T(ids_of_one_batch_differ),
                                       T(a_batch_is_taken_whole_or_not_at_all),
                                       T(tasks_move_and_come_back),
                                       T(a_milestone_that_is_not_done_has_no_outcome),
                                       T(changes_in_flight_build_on_each_other),
                                       T(a_dry_run_and_an_empty_batch_change_nothing),
                                       T(presence_is_by_agent),
                                       T(system_counts_as_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
