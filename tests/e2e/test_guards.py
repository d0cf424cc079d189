"""Agents that answer each other for ever, in real terminals: what they cause to be typed ends, then they are held, and nobody else notices. And asks that would wait
for each other."""

import subprocess

import pytest

from actorutil import Team, standin
from cliutil import answer, group_with, rows
from home import BIN

CCCC = str(BIN / "cccc")


@pytest.fixture
def team(served, tmp_path):
    made = Team(served, tmp_path)
    yield made
    made.end()


def verdicts(team, *pair):
    """What was decided for the messages between the two, in order."""
    said = [e["data"]["guard"].get(other) for e in team.events("chat.message") if "guard" in e["data"] and e["by"] in pair for other in pair if other != e["by"]]
    return [verdict for verdict in said if verdict]


def holds(team):
    return team.ask("holds_list")["holds"]


def test_two_that_answer_each_other_for_ever_end_held(team):
    """Six messages are typed, three wait in inboxes that both agents read without being told to, the next is held; the user hears of it once, another pair goes on,
    a killed daemon knows it still, and a release lets them speak again."""
    home = team.home
    team.ask("group_settings_update", patch={"guard_pair_max": 6, "guard_hold_after": 3})
    for actor, other in (("ann", "bob"), ("bob", "ann")):
        team.start(actor, *standin("--answers", other, "--cccc", CCCC))
    for actor in ("cleo", "dave"):
        team.start(actor, *standin())
    team.ready("ann", "bob", "cleo", "dave")
    team.ask("send", by="bob", text="and you?", to=["ann"])
    team.until(lambda: holds(team) and holds(team)[0]["messages"])
    assert verdicts(team, "ann", "bob") == ["typed"] * 6 + ["inbox"] * 3 + ["held"]
    told = [e for e in team.events("system.notify") if "hold" in e["data"]["context"]]
    assert [e["data"]["target_actor_id"] for e in told] == ["user"] and told[0]["data"]["context"]["hold"] == ["ann", "bob"]

    seq = team.ask("send", by="cleo", text="a third matter", to=["dave"])["event"]["seq"]
    team.until(lambda: any(seq in d["data"]["seqs"] and team.outcome(d) == "accepted" for d in team.deliveries("dave", "claimed")))
    assert verdicts(team, "cleo", "dave") == ["typed"]

    team.kill_daemon()
    assert home.cli("holds", "--group", team.group).stdout.startswith("held\tann and bob: 1 messages, since 20")
    assert "ann and bob" in home.cli("status").stdout
    held = next(e for e in team.events("chat.message") if "held" in e["data"].get("guard", {}).values())
    why = answer(home, "why", str(held["seq"]), "--group", team.group)["recipients"][0]
    assert why["state"] == "held"
    asked = home.cli("ask", "bob", "still there?", "--by", "ann", "--group", team.group, "--wait", "60s", check=False)
    assert asked.returncode == 10 and "bob will not reply: the message is held" in asked.stderr
    home.cli(*why["next"].split()[1:], "--drop")
    assert not holds(team)
    typed = {seq for actor in ("ann", "bob") for d in team.deliveries(actor, "claimed") for seq in d["data"]["seqs"]}
    between = {e["seq"] for e in team.events("chat.message") if e["by"] in ("ann", "bob")}
    assert len(typed & between) <= 6
    assert team.ask("send", by="ann", text="calmly", to=["bob"])["event"]["data"]["guard"] == {"bob": "typed"}


def test_asks_that_would_wait_for_each_other(home):
    """An ask waits and does nothing else: the one that would close the circle is refused with the way out; a plain question back is taken and told."""
    group_with(home, "lead", "peer-1")
    asking = subprocess.Popen([CCCC, "ask", "peer-1", "Frozen?", "--by", "lead", "--wait", "60s"], env=home.environment(), stdout=subprocess.PIPE)
    try:
        while not (edges := answer(home, "waits")["edges"]):
            assert asking.poll() is None
        assert edges[0]["actor_id"] == "lead" and edges[0]["waits_until"]
        refused = answer(home, "ask", "lead", "Which one?", "--by", "peer-1", status=6)
        assert "cccc waits" in refused["hint"]
        assert refused["code"] == "would_deadlock" and "peer-1 -> lead -> peer-1" in refused["message"]
        done = home.cli("send", "Which one?", "--to", "lead", "--reply-required", "--by", "peer-1")
        assert "peer-1 -> lead -> peer-1" in done.stderr
        assert ["circle", "lead -> peer-1 -> lead"] in rows(home.cli("waits").stdout)
        home.cli("reply", str(edges[0]["seq"]), "yes", "--by", "peer-1")
        assert asking.wait(30) == 0
    finally:
        asking.kill()
        asking.wait()
        asking.stdout.close()
    assert answer(home, "waits")["cycles"] == []


def test_a_knot_of_waits_says_that_it_has_other_circles(home):
    """One circle of each knot is shown; that there are others is said, and the help says the same."""
    group_with(home, "lead", "peer-1", "peer-2")
    for by, to in (("lead", "peer-1"), ("peer-1", "lead"), ("peer-1", "peer-2"), ("peer-2", "lead")):
        home.cli("send", "Which one?", "--to", to, "--reply-required", "--by", by)
    shown = home.cli("waits")
    assert ["circle", "lead -> peer-1 -> lead (one of several in this knot)"] in rows(shown.stdout)
    assert sum(row[0] == "circle" for row in rows(shown.stdout)) == 1
    assert "one of each knot" in shown.stderr and "one circle of the knot is shown" in " ".join(home.cli("waits", "--help").stdout.split())


def test_cause_counts_hops(home):
    """A message that names what it follows from says how far it is from the last word of a person."""
    group_with(home, "lead", "peer-1")
    last = rows(home.cli("send", "begin", "--to", "lead").stdout)[0][1]
    for by, to in (("lead", "peer-1"), ("peer-1", "lead"), ("lead", "peer-1")):
        sent = answer(home, "send", "go on", "--to", to, "--by", by, "--cause", last)["event"]
        last = str(sent["seq"])
    assert sent["data"]["hops"] == 3 and sent["data"]["cause"]
    assert "hops" not in answer(home, "send", "new", "--to", "lead", "--cause", last)["event"]["data"]
