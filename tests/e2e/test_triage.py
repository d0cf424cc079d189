"""`cccc triage` on homes that are sick in one way each: the cause is named first, with its evidence and a command that helps. The full disk is in
faults/test_real_disk.py, which has one."""

import json
import signal
import time

import pytest

from actorutil import Team
from cliutil import CCCC, answer, group_with, rows

CHECKS = ["daemon", "group", "actors", "obligations", "delivery"]


def triage(home, status=1):
    """The result; checked is that the text says the same."""
    done = home.cli("triage", check=False)
    result = answer_of(home)
    assert done.returncode == status, done.stdout
    printed = rows(done.stdout)
    cause = result["cause"]
    assert printed[0] == ["cause", f"{cause['check']}: {cause['found']}" if cause else "none: nothing is wrong"]
    assert [check["name"] for check in result["checks"]] == CHECKS
    if cause and cause["next"]:
        assert printed[1] == ["next", cause["next"]]
    return result


def answer_of(home, *options):
    done = home.cli("triage", "--json", *options, check=False)
    return json.loads(done.stdout)["result"]


def verdicts(result):
    return {check["name"]: check["verdict"] for check in result["checks"]}


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture
def team(served, tmp_path):
    """A group whose actors run in terminals."""
    team = Team(served, tmp_path)
    served.cli("use", team.group)
    yield team
    team.end()


def test_a_dead_daemon(served):
    """Killed: named as dead, with the end of its log; what only a daemon knows is said to be unknown, and the group is read from its files."""
    group_with(served, "lead")
    served.kill()
    result = triage(served)
    assert result["cause"]["check"] == "daemon" and "is dead" in result["cause"]["found"] and result["cause"]["next"] == "cccc daemon start"
    assert "its log ends: 20" in result["cause"]["evidence"]
    assert verdicts(result) == {"daemon": "wrong", "group": "ok", "actors": "unknown", "obligations": "unknown", "delivery": "unknown"}


def test_a_daemon_that_does_not_answer(served):
    group_with(served, "lead")
    served.process.send_signal(signal.SIGSTOP)
    result = answer_of(served, "--timeout", "1")
    assert "does not answer" in result["cause"]["found"] and result["cause"]["next"] == "cccc daemon restart"


def test_a_paused_group(team):
    """The pause comes first, with the event that began it; the messages that wait follow from it, and so does an answer that is late."""
    team.start("dev", "cat")
    team.ready("dev")
    event = team.ask("group_set_state", state="paused")["event"]
    team.ask("send", text="later", to=["dev"], reply_required=True, due_seconds=1)
    until(lambda: team.ask("obligations_list", overdue=True)["obligations"])
    result = triage(team.home)
    assert "is paused" in result["cause"]["found"] and f"event {event['seq']} " in result["cause"]["evidence"]
    assert verdicts(result) == {"daemon": "ok", "group": "wrong", "actors": "ok", "obligations": "follows", "delivery": "follows"}
    team.home.cli(*result["cause"]["next"].split()[1:])
    assert verdicts(until(lambda: (r := answer_of(team.home))["checks"][1]["verdict"] == "ok" and r))["group"] == "ok"


def test_a_crashed_actor(team):
    """Its exit is the cause, with the event and what it left with; what waits for it follows."""
    team.add("dev", "sh", "-c", "exit 7")
    team.bus.ask("group_start", group_id=team.group)
    exits = until(lambda: (found := team.events("runtime.exited"))[1:] and found)
    team.ask("send", text="are you there?", to=["dev"])
    result = triage(team.home)
    assert "dev crashed: code 7" in result["cause"]["found"] and f"event {exits[-1]['seq']} " in result["cause"]["evidence"]
    assert result["cause"]["next"] == f"cccc actor restart dev --group {team.group}"
    assert verdicts(result)["delivery"] == "follows"


def test_an_unanswered_ask(home):
    """Nothing else is wrong: who owes what since when is the cause."""
    group_with(home, "lead", "rev")
    sent = answer(home, "send", "Frozen?", "--to", "rev", "--reply-required", "--due", "1s")["event"]
    until(lambda: answer(home, "obligations", "--overdue")["obligations"])
    result = triage(home)
    assert result["cause"]["check"] == "obligations" and result["cause"]["found"].startswith("rev owes user an answer, and is late.")
    assert f"event {sent['seq']} of 20" in result["cause"]["evidence"] and result["cause"]["next"].startswith("cccc ")
    assert list(verdicts(result).values()) == ["ok", "ok", "ok", "wrong", "ok"]


def test_a_circle_of_actors_that_wait_for_each_other(home):
    """Each is late because the next one is: the circle is the cause, before the single answers."""
    group_with(home, "lead", "rev")
    home.cli("send", "Yours first", "--to", "rev", "--by", "lead", "--reply-required", "--due", "1s")
    home.cli("send", "No, yours", "--to", "lead", "--by", "rev", "--reply-required", "--due", "1s")
    until(lambda: len(answer(home, "obligations", "--overdue")["obligations"]) == 2)
    result = triage(home)
    assert "wait for each other in a circle: " in result["cause"]["found"] and result["cause"]["next"].startswith("cccc waits --group ")
    assert len(result["checks"][3]["findings"]) == 3


def test_a_throttled_delivery(team):
    """The group's own setting keeps a message back for an hour; the command that is named lets it go."""
    team.start("dev", "cat")
    team.ready("dev")
    team.told("dev", "first")
    team.home.cli("group", "settings", "min_interval_seconds=3600")
    seq = team.ask("send", text="second", to=["dev"])["event"]["seq"]
    result = triage(team.home)
    assert result["cause"]["check"] == "delivery" and "throttled (min_interval_seconds)" in result["cause"]["found"]
    assert f"event {seq} " in result["cause"]["evidence"]
    team.home.cli(*result["cause"]["next"].split()[1:])
    team.until(lambda: not team.actor("dev")["queued"])


def test_a_damaged_ledger(served):
    """A bit of a line in the middle flipped: the file, the line and the events, and a command that loses nothing unasked. The daemon serves on."""
    group = group_with(served, "lead", "rev")
    for number in range(5):
        served.cli("send", f"message {number}", "--to", "rev")
    path = served.path / "groups" / group / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    at = sum(map(len, lines[:4])) + 30
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    result = triage(served, status=9)
    assert result["cause"]["check"] == "group" and "the ledger is damaged: 1 of " in result["cause"]["found"]
    assert "ledger.jsonl line 5 " in result["cause"]["evidence"] and result["cause"]["next"] == f"cccc ledger repair --group {group}"


def test_a_stale_cursor(home):
    """Messages come, and the reader's cursor stands still: where it stands, and the oldest message behind it."""
    group = group_with(home, "lead", "rev")
    home.cli("group", "settings", "unread_nudge_after_seconds=1")
    read = answer(home, "send", "one", "--to", "rev")["event"]["seq"]
    home.cli("read", str(read), "--actor-id", "rev")
    oldest = answer(home, "send", "two", "--to", "rev")["event"]["seq"]
    home.cli("send", "three", "--to", "rev")
    until(lambda: answer_of(home)["cause"])
    result = triage(home)
    assert result["cause"]["check"] == "obligations" and "rev does not read: its cursor stands still" in result["cause"]["found"]
    assert f"cursor at event {read}, oldest unread event {oldest} " in result["cause"]["evidence"]
    assert result["cause"]["next"] == f"cccc inbox --actor-id rev --group {group}"


def test_a_healthy_home_has_no_cause_and_a_disabled_rule_is_one(team):
    """A terminal that runs and was typed to, a headless actor, something owed that is not late: five times ok. Then the rule that does not run is worth a look,
    with the event that disabled it; enabling it ends that."""
    team.start("dev", "cat")
    team.add("rev", runner="headless")
    team.ask("send", text="when you have time", to=["rev"], reply_required=True)
    team.ready("dev")
    team.told("dev", "hello")
    result = triage(team.home, status=0)
    assert result["cause"] is None and set(verdicts(result).values()) == {"ok"}, result
    team.home.cli("automation", "disable", "standup")
    changed = team.events("group.automation_update")[-1]["seq"]
    result = triage(team.home, status=0)
    assert result["cause"]["check"] == "delivery" and "the automation rule standup is disabled" in result["cause"]["found"]
    assert f"event {changed} " in result["cause"]["evidence"]
    team.home.cli(*result["cause"]["next"].split()[1:])
    assert triage(team.home, status=0)["cause"] is None


def test_a_storm_hold(team):
    """Two that write to each other without end: the hold is the cause, and says how much is kept back. The command that is named ends it."""
    team.start("dev", "cat")
    team.start("rev", "cat")
    team.ready("dev", "rev")
    team.home.cli("group", "settings", "guard_pair_max=1", "guard_hold_after=1")
    for number in range(4):
        team.ask("send", text=f"over to you {number}", to=["rev"], by="dev")
    hold = team.ask("holds_list")["holds"][0]
    result = triage(team.home)
    assert result["cause"]["check"] == "delivery" and "wrote to each other without end" in result["cause"]["found"], result
    assert "2 messages kept back" in result["cause"]["found"] and f"event {hold['seq']} " in result["cause"]["evidence"]
    team.home.cli(*result["cause"]["next"].split()[1:])
    until(lambda: not team.ask("holds_list")["holds"])


def test_an_actor_may_ask_and_what_it_may_not_see_is_no_trouble(team, tmp_path):
    """In an actor's terminal: what is another's to see is unknown, in one row that names who may not see what and who may; nothing is wrong, nor said to be well."""
    out = tmp_path / "out"
    team.start("lead", "cat")
    team.ready("lead")
    team.home.cli("group", "settings", "unread_nudge_after_seconds=1")
    for name in "rev", "revisor", "tester":
        team.add(name, runner="headless")
        team.ask("send", text="x", to=[name])
    command = f"{CCCC} triage --group {team.group}"
    team.start("dev", "sh", "-c", f"{command} >{out}.text; {command} --json >{out}.new; mv {out}.new {out}; exec cat")
    result = json.loads(until(lambda: out.exists() and out.read_text()))["result"]
    assert result["verdict"] == "unknown" and result["cause"] is None and result["checks"][0]["verdict"] == "ok", result
    assert [finding["found"] for finding in result["checks"][3]["findings"]] == [
        "dev may not see the inbox of rev, the inbox of revisor, the inbox of tester: what is wrong there, the foreman or the user finds with "
        f"`cccc triage --group {team.group}`"]
    text = (tmp_path / "out.text").read_text()
    assert rows(text)[0] == ["cause", "none is known, but not everything can be seen from here"]
    assert "permission_denied" not in text and text.count("may not see") == 1


def test_what_an_actor_may_not_see_stands_behind_the_cause_that_is_known(team, tmp_path):
    """Something is late, which everybody may see: that is the cause."""
    out = tmp_path / "out"
    team.add("lead", "cat")
    team.home.cli("group", "settings", "unread_nudge_after_seconds=1")
    for name in "rev", "tester":
        team.add(name, runner="headless")
    team.ask("send", text="Ready?", to=["rev"], reply_required=True, due_seconds=1)
    team.ask("send", text="x", to=["tester"])
    until(lambda: team.ask("obligations_list", overdue=True)["obligations"])
    team.start("dev", "sh", "-c", f"{CCCC} triage --json --group {team.group} >{out}.new; mv {out}.new {out}; exec cat")
    result = json.loads(until(lambda: out.exists() and out.read_text()))["result"]
    found = [(finding["verdict"], finding["found"]) for finding in result["checks"][3]["findings"]]
    assert result["cause"]["found"].startswith("rev owes user an answer, and is late") and len(found) == 2, result
    assert found[0][0] == "wrong" and found[1][0] == "unknown" and found[1][1].startswith("dev may not see the inbox of tester: ")


def test_without_a_group_or_a_home(home, tmp_path):
    """No group to look at is a note; no home is a cause. Nothing is started by either."""
    done = home.cli("triage", "--home", str(tmp_path / "none"), check=False)
    assert done.returncode == 1 and "there is no home" in done.stdout and not (tmp_path / "none").exists()
    result = answer_of(home)
    assert result["cause"]["check"] == "daemon" and "no daemon serves this home" in result["cause"]["found"]
    assert home.stamp() is None
    home.start()
    assert "no group was named" in triage(home, status=0)["cause"]["found"]
    assert home.cli("triage", "--group", "nobody", check=False).returncode == 3
