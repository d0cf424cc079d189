"""Automation rules as the command line has them, against a real daemon: made, shown, run at their times, changed by two at once, and there again after a kill."""

import json

import pytest

from cliutil import answer, group_with, rows
from home import until


@pytest.fixture
def group(home):
    home.start()
    found = group_with(home, "lead", "peer-1", "peer-2")
    home.cli("attach", str(home.path), "--group", found)
    home.cli("group", "start")
    return found


def rule_rows(home):
    return {row[0]: row[1:] for row in rows(home.cli("automation", "list").stdout)}


def notices(home, actor):
    return [m["data"]["message"] for m in answer(home, "inbox", "--actor-id", actor, "--kind-filter", "notify")["messages"]]


def clock_ticks(home, count):
    """Wait until a rule of another group has run so often: what would have happened meanwhile has."""
    bus = home.bus()
    other = bus.ask("group_create", title="Clock")["group_id"]
    bus.ask("attach", path=str(home.path), group_id=other)
    bus.ask("actor_add", group_id=other, actor_id="lead", runtime="custom", runner="headless")
    bus.ask("group_start", group_id=other)
    tick = {"id": "tick", "trigger": {"kind": "interval", "every_seconds": 1}, "action": {"message": "tick"}}
    bus.ask("group_automation_update", group_id=other, ruleset={"rules": [tick]})
    until(lambda: len(bus.ask("inbox_list", group_id=other, actor_id="lead", limit=100)["messages"]) >= count)


def test_rules_are_made_shown_changed_and_removed(home, group):
    """Each command says what came of it; what is not named stays; mistakes are refused with what to do and the exit status of their cause."""
    assert rule_rows(home)["standup"][:3] == ["every 15m", "notify @foreman", "on"]
    added = home.cli("automation", "add", "night", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--to", "@peers", "--title", "Night", "Sleep?")
    told = rows(added.stdout)
    assert told[0] == ["added", "night"] and len(told) == 6
    nexts = rows(home.cli("automation", "next", "night").stdout)
    assert len(nexts) == 5 and "T02:30:00+0" in nexts[0][1]
    assert [row["local"] + " (" + row["at"] + ")" for row in answer(home, "automation", "next", "night")["night"]] == [row[1] for row in nexts]
    home.cli("automation", "update", "night", "--cron", "0 3 * * 1-5", "--requires-ack")
    shown = dict(row[:2] for row in rows(home.cli("automation", "show", "night").stdout) if row[0] != "next")
    assert shown["when"] == "0 3 * * 1-5 (Europe/Berlin)" and shown["what"] == "notify @peers" and shown["text"] == "Sleep?" and shown["title"] == "Night"
    rule = answer(home, "automation", "show", "night")["rule"]
    assert rule["action"]["requires_ack"] is True and rule["action"]["message"] == "Sleep?"
    home.cli("automation", "add", "later", "--at", "2h", "--control", "restart", "--to", "peer-1,peer-2")
    assert rule_rows(home)["later"][1] == "restart peer-1,peer-2"
    assert rows(home.cli("automation", "disable", "night").stdout) == [["disabled", "night"]]
    assert rule_rows(home)["night"][2] == "off" and rows(home.cli("automation", "next", "night").stdout) == [["night", "never"]]
    home.cli("automation", "enable", "night")
    home.cli("automation", "snippet", "hi", "Hello {{group_title}}")
    assert rows(home.cli("automation", "snippet", "hi").stdout) == [["hi", "Hello {{group_title}}"]]
    home.cli("automation", "snippet", "hi", "--remove")
    home.cli("automation", "remove", "night")
    assert set(rule_rows(home)) == {"standup", "later"}
    for args, status, word in ((("show", "nigth"), 3, "no rule"), (("add", "x", "text"), 2, "does not say when"), (("remove", "gone"), 3, "no rule gone"),
                               (("add", "x", "--cron", "61 * * * *", "text"), 2, "minute"), (("add", "x", "--cron", "* * * * *", "--timezone", "Europe/Nowhere", "t"), 2, "no time zone"),
                               (("add", "x", "--every", "1h", "--set-state", "paused"), 2, "trigger.kind must be at"), (("add", "standup", "--every", "1h", "t"), 6, "already"),
                               (("add", "x", "--every", "1h", "--at", "2h", "t"), 2, "one trigger"), (("remove", "later", "--by", "lead"), 4, "only the user"),
                               (("run", "later", "--by", "peer-1"), 4, "permission denied")):
        done = home.cli("automation", *args, check=False)
        assert done.returncode == status and word in done.stderr, (args, done)
    for args in (("add", "standup", "--every", "1h", "t"), ("remove", "gone")):
        assert "cccc automation list" in home.cli("automation", *args, check=False).stderr
    assert "rules, version" in home.cli("tail", "-n", "50").stdout


def test_a_rule_that_comes_to_nothing_is_told_at_once(home, group):
    """It is kept, as what it names may come later; what is missing, and the command that helps, are said when it is made. A sound rule is not talked about."""
    every = ("--every", "1h")
    for rule, args, words, helps in (("silent", (), "neither a text nor a title", "update silent TEXT"),
                                     ("quoting", ("--snippet", "nosuch"), "no snippet nosuch: the notice will have no text", "snippet nosuch TEXT"),
                                     ("both", ("--snippet", "nosuch", "hello"), "the rule's own text is taken", "snippet nosuch TEXT"),
                                     ("lost", ("--to", "nobody,lead", "hello"), "no actor nobody", "update lost --to WHO")):
        done = home.cli("automation", "add", rule, *every, *args)
        assert rows(done.stdout)[0] == ["added", rule] and words in done.stderr and f"cccc automation {helps}" in done.stderr, done
    assert "no actor nobody" in home.cli("automation", "add", "gone", "--at", "2h", "--control", "stop", "--to", "nobody").stderr
    assert home.cli("automation", "add", "sound", *every, "--to", "@all,lead", "hello").stderr == ""
    assert home.cli("automation", "add", "titled", *every, "--title", "Commit").stderr == ""
    assert home.cli("automation", "update", "silent", "hello").stderr == ""
    assert set(rule_rows(home)) == {"standup", "silent", "quoting", "both", "lost", "gone", "sound", "titled"}


def enabled(home, rule):
    """Its switch: the daemon's next tick turns it off when the rule is done."""
    rules = json.loads(home.cli("automation", "list", "--json").stdout)["result"]["ruleset"]["rules"]
    return next(r["enabled"] for r in rules if r["id"] == rule)


def test_rules_run_at_their_times(home, group):
    """Every second, once, and by hand; to those who are meant; also after the daemon was killed, without a run twice."""
    home.cli("automation", "add", "tick", "--every", "1s", "--to", "peer-1", "tick {{group_title}}")
    home.cli("automation", "add", "once", "--at", "1s", "--to", "peer-2", "once")
    until(lambda: len(notices(home, "peer-1")) >= 2 and notices(home, "peer-2") == ["once"])
    until(lambda: rule_rows(home)["once"][2] == "done" and not enabled(home, "once"))
    again = home.cli("automation", "enable", "once")
    assert rows(again.stdout) == [["enabled", "once"]] and "will not run again" in again.stderr and "cccc automation update once --at WHEN" in again.stderr
    home.kill()
    home.start()
    seen = len(notices(home, "peer-1"))
    until(lambda: len(notices(home, "peer-1")) >= seen + 2)
    assert notices(home, "peer-2") == ["once"]
    assert home.cli("automation", "run", "once").stdout == "ran\tonce: peer-2\n"
    assert notices(home, "peer-2") == ["once", "once"]
    home.cli("group", "set-state", "paused")
    seen = len(notices(home, "peer-1"))
    clock_ticks(home, 3)
    assert len(notices(home, "peer-1")) == seen
    marks = [e["data"]["context"]["due"] for e in home.bus().ask("ledger_read", group_id=group, after_seq=0, limit=1000)["events"]
             if e["kind"] == "system.notify" and e["data"]["context"]["rule_id"] == "tick"]
    assert len(marks) == len(set(marks))


def test_change_by_two_is_a_conflict(home, group):
    """An update that was worked out on older rules is refused, and the other change stays."""
    version = answer(home, "automation", "list")["version"]
    home.cli("automation", "add", "mine", "--every", "1h", "text")
    bus = home.bus()
    bus.post("group_automation_update", {"group_id": group, "ruleset": {}, "expected_version": version})
    reply = bus.take()
    assert reply["error"]["code"] == "version_conflict" and reply["error"]["details"]["current_version"] == version + 1
    assert "mine" in rule_rows(home)
