"""A group's context is files that 0.4.0's tools read, and a ledger that gives them back; a home of 0.4.0 keeps what it has."""

import shutil
import time

import yaml

from gateway import Line, call, team


def files(home, group):
    folder = home.path / "groups" / group / "context"
    return {str(p.relative_to(folder)): yaml.safe_load(p.read_text()) for p in sorted(folder.rglob("*.yaml"))}


def state(home, group):
    seen = call(home, "context_get", group_id=group)
    seen.pop("as_of_seq")
    return seen, call(home, "task_list", group_id=group)["tasks"], call(home, "presence_get", group_id=group)["agents"]


def fill(home, group):
    ops = [{"op": "vision.update", "vision": "ship\nit"}, {"op": "milestone.create", "name": "one", "status": "active"},
           {"op": "task.create", "name": "Parser", "milestone_id": "M1", "steps": [{"name": "write", "acceptance": "tests pass"}]},
           {"op": "note.add", "content": "yes: no, ~ #"}, {"op": "reference.add", "url": "https://x/", "note": "n"},
           {"op": "presence.update", "agent_id": "lead", "status": "at it"}]
    return call(home, "context_sync", group_id=group, ops=ops, by="system")


def test_files_are_as_0_4_0_has_them(served):
    group = team(served)
    assert fill(served, group)["version"] == call(served, "context_get", group_id=group)["version"]
    found = files(served, group)
    assert set(found) == {"context.yaml", "presence.yaml", "tasks/T001.yaml"}
    assert found["context.yaml"]["vision"] == "ship\nit" and found["context.yaml"]["notes"] == [{"id": "N001", "content": "yes: no, ~ #"}]
    assert found["tasks/T001.yaml"]["steps"] == [{"id": "S1", "name": "write", "acceptance": "tests pass", "status": "pending"}]
    assert found["presence.yaml"]["agents"][0]["id"] == "lead"


def test_the_context_survives_a_kill_and_the_loss_of_its_files(served):
    group = team(served)
    fill(served, group)
    before, written = state(served, group), files(served, group)
    served.kill()
    served.start()
    assert state(served, group) == before
    served.kill()
    shutil.rmtree(served.path / "groups" / group / "context")
    served.start()
    assert state(served, group) == before
    deadline = time.monotonic() + 10
    while files(served, group) != written and time.monotonic() < deadline:
        time.sleep(0.01)  # written behind the start
    assert files(served, group) == written
    assert call(served, "context_sync", group_id=group, ops=[{"op": "task.create", "name": "next"}])["changes"][0]["detail"] == "Created T002"


def test_a_context_of_0_4_0_is_kept_and_gone_on_from(home):
    group = "g_0123456789ab"
    folder = home.path / "groups" / group
    (folder / "context/tasks").mkdir(parents=True)
    (folder / "group.yaml").write_text(f"v: 1\ngroup_id: {group}\ntitle: old\nactors: []\n")
    (folder / "ledger.jsonl").write_text("")
    (folder / "context/context.yaml").write_text("vision: old\nmeta: {contract: {a: b}}\nmilestones:\n- {id: M3, name: m, status: active}\nnotes: []\n")
    (folder / "context/tasks/T007.yaml").write_text("id: T007\nname: old task\nstatus: planned\nsteps: []\n")
    (folder / "context/tasks/T009.yaml").write_text("{")
    (folder / "context/presence.yaml").write_text("agents:\n- {id: lead}\n")
    home.start()
    seen = call(home, "context_get", group_id=group)
    assert seen["vision"] == "old" and seen["presence"]["agents"] == [{"id": "lead", "status": ""}]
    assert [seen["milestones"][0][k] for k in ("started", "completed", "outcomes")] == [None] * 3  # its files leave out what is not there
    assert [call(home, "task_list", group_id=group, task_id="T007")["task"][k] for k in ("milestone", "assignee")] == [None] * 2
    changes = call(home, "context_sync", group_id=group, ops=[{"op": "task.create", "name": "new"}, {"op": "milestone.create", "name": "n"}])["changes"]
    assert [c["detail"] for c in changes] == ["Created T010", "Created M4"]
    home.kill()
    home.start()
    assert [t["id"] for t in call(home, "task_list", group_id=group)["tasks"]] == ["T007", "T009", "T010"]
    assert (folder / "context/tasks/T009.yaml").read_text() == "{"  # nobody touched what nobody could read
    assert yaml.safe_load((folder / "context/context.yaml").read_text())["meta"] == {"contract": {"a": "b"}}


def test_headless_actors_say_what_they_do(served):
    group = team(served)
    with Line(served) as line:
        assert line.ask("headless_status", group_id=group, actor_id="lead")["state"]["status"] == "idle"
        got = line.ask("headless_set_status", group_id=group, actor_id="lead", status="working", task_id="T001")["state"]
        assert got["status"] == "working" and got["current_task_id"] == "T001"
        assert line.ask("headless_ack_message", group_id=group, actor_id="lead", message_id="abc")["message_id"] == "abc"
        assert line.ask("headless_status", group_id=group, actor_id="lead")["state"]["last_message_id"] == "abc"
        assert line.reply("headless_set_status", group_id=group, actor_id="lead", status="x")["error"]["code"] == "invalid_status"
        assert line.reply("headless_status", group_id=group, actor_id="nobody")["error"]["code"] == "session_not_found"


def test_developers_see_the_logs_of_0_4_0s_own_programs(served):
    """Its web view and its IM bridges write theirs into this home."""
    group = team(served)
    (served.path / "daemon/cccc-web.log").write_text("of the web view\n")
    (served.path / f"groups/{group}/state/im_bridge.log").write_text("one\ntwo\n")
    with Line(served) as line:
        line.ask("observability_update", patch={"developer_mode": True})
        assert line.ask("debug_tail_logs", component="web")["lines"] == ["of the web view"]
        assert line.ask("debug_tail_logs", component="im", group_id=group, lines=1)["lines"] == ["two"]
        line.ask("debug_clear_logs", component="im", group_id=group)
        assert line.ask("debug_tail_logs", component="im", group_id=group)["lines"] == []


def test_developers_see_the_log_and_may_empty_it(served):
    with Line(served) as line:
        assert line.reply("debug_tail_logs", component="daemon")["error"]["code"] == "developer_mode_required"
        line.ask("observability_update", patch={"developer_mode": True})
        assert any("STARTED" in entry for entry in line.ask("debug_tail_logs", component="daemon")["lines"])
        assert len(line.ask("debug_tail_logs", component="ccccd", lines=1)["lines"]) == 1
        assert line.reply("debug_tail_logs", component="x")["error"]["details"] == {"component": "x"}
        assert line.ask("debug_clear_logs", component="daemon")["cleared"] is True
        assert not any("STARTED" in entry for entry in line.ask("debug_tail_logs", component="daemon")["lines"])
