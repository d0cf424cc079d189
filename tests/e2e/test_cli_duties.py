"""What is owed, what became of a message, and waiting for replies, as the command line has them, against a real daemon."""

import json
import signal
import subprocess
import time

import pytest

from actorutil import Team
from cliutil import answer, group_with, rows
from home import BIN, until


@pytest.fixture
def group(home):
    return group_with(home, "lead", "peer-1", "peer-2")


def seq(home, *args):
    """Send by the command line; the number of the message."""
    return rows(home.cli("send", *args).stdout)[0][1]


def test_what_is_owed_is_listed_and_ends(home, group):
    """From a question to its end: listed for whom it is owed by, named in the inbox, closed by ack, reply and cancel, each told in one line."""
    one = seq(home, "Ready?", "--to", "peer-1,peer-2", "--reply-required", "--due", "1h")
    two = seq(home, "Look at this", "--to", "peer-1", "--priority", "attention")
    listed = rows(home.cli("obligations").stdout)
    assert [row[:4] for row in listed] == [[one, "peer-1", "reply", "user"], [one, "peer-2", "reply", "user"], [two, "peer-1", "ack", "user"]]
    assert listed[0][6] == "Ready?" and listed[0][5].startswith("20")
    assert [row[0] for row in rows(home.cli("obligations", "--actor", "peer-1").stdout)] == [one, two]
    assert "nothing is late" in home.cli("obligations", "--overdue").stderr
    proposed = home.cli("inbox", "--actor-id", "peer-1").stderr
    assert f"cccc reply {one} TEXT --by peer-1  #" in proposed and f"cccc ack {two} --actor-id peer-1  #" in proposed
    assert f"cccc reply {one} TEXT  #" in home.cli("inbox", env={"CCCC_ACTOR_ID": "peer-1"}).stderr
    assert home.cli("ack", two, "--actor-id", "peer-1").stdout.startswith("acknowledged\t")
    assert "already" in home.cli("ack", two, "--actor-id", "peer-1").stdout
    home.cli("reply", one, "yes", "--by", "peer-1")
    assert [row[:3] for row in rows(home.cli("obligations").stdout)] == [[one, "peer-2", "reply"]]
    typo = home.cli("cancel-reply", one, "--actor", "nosuch", check=False)
    assert typo.returncode == 3 and typo.stdout == "" and "no actor nosuch" in typo.stderr
    assert "peer-2 owes nothing" in home.cli("cancel-reply", one, "--reason", "one answer is enough").stdout
    assert "nothing was owed" in home.cli("cancel-reply", one).stderr


def test_what_is_owed_no_more_is_not_therefore_acknowledged(home, group):
    """No answer claims an acknowledgement that is not in the ledger: it says what ended it, and by which event, and exits 6."""
    def ended(number, why):
        done = home.cli("ack", number, "--actor-id", "peer-1", check=False)
        same = home.cli("ack", number, "--actor-id", "peer-1", "--json", check=False)
        told = json.loads(same.stdout)["result"]
        assert same.returncode == 6
        assert done.returncode == 6 and done.stdout == "" and f"{why} (event {told['ended_seq']}); nothing was written" in done.stderr
        return {key: told[key] for key in ("acked", "already", "event", "owed", "why")}

    nothing = {"acked": False, "already": False, "event": None, "owed": False}
    cancelled = seq(home, "Look", "--to", "peer-1", "--priority", "attention")
    recalled = seq(home, "Look", "--to", "peer-1", "--priority", "attention")
    home.cli("cancel-reply", cancelled)
    home.cli("recall", recalled)
    assert ended(cancelled, "it was cancelled") == nothing | {"why": "cancelled"}
    assert ended(recalled, "the message was withdrawn") == nothing | {"why": "recalled"}
    assert "chat.ack" not in home.cli("tail", "-n", "100").stdout


def test_acknowledging_for_another_is_refused(home, group):
    one = seq(home, "Look", "--to", "peer-1", "--priority", "attention")
    done = home.cli("ack", one, "--actor-id", "peer-2", check=False)
    assert done.returncode == 2 and "not addressed" in done.stderr


def test_why_says_one_sentence_and_what_next(home, group):
    """Each recipient has its own, with the events that prove it."""
    one = seq(home, "Ready?", "--to", "peer-1,peer-2", "--reply-required")
    home.cli("reply", one, "yes", "--by", "peer-1")
    told = rows(home.cli("why", one).stdout)
    assert told[0][0] == "peer-1" and " replied at " in told[0][1] and "[stored " in told[0][1]
    assert told[1][0] == "peer-2" and "waits in the inbox; the reply is still owed." in told[1][1]
    assert [row["state"] for row in answer(home, "why", one)["recipients"]] == ["replied", "stored"]
    assert len(rows(home.cli("why", one, "peer-2").stdout)) == 1
    assert home.cli("why", one, "lead", check=False).returncode == 2


def test_a_message_for_nobody_says_that_it_is(home, group):
    """A person's question to themselves is stored and asks nobody: the answer says so, also where no outlook was asked for."""
    done = home.cli("send", "Ready?", "--to", "user", "--reply-required")
    assert "recipients: none" in done.stderr and "nobody owes a reply" in done.stderr
    assert "recipients: none" in home.cli("send", "A note", "--to", "user").stderr
    assert "recipients: none" not in home.cli("send", "Ready?", "--to", "peer-1", "--reply-required").stderr
    assert answer(home, "send", "Ready?", "--to", "user", "--reply-required")["recipients"] == []
    assert [row[1] for row in rows(home.cli("obligations").stdout)] == ["peer-1"]


def test_who_left_and_one_of_that_name_who_came_later(home, group):
    """The one of today was never sent it: `why` says when the other left, and a recall names neither."""
    one = seq(home, "Look", "--to", "peer-1", "--priority", "attention")
    home.cli("actor", "remove", "peer-1")
    home.cli("actor", "add", "peer-1", "--runner", "headless", "--runtime", "custom", "--command", "cat")
    row = answer(home, "why", one)["recipients"][0]
    left = row["steps"][-1]
    assert row["state"] == "left" and f"left the group at {left['ts']} (event {left['seq']}); the one of today joined later" in row["sentence"]
    done = home.cli("recall", one)
    assert done.stdout == "" and "nobody has it to be withdrawn from; nothing was written" in done.stderr
    done = home.cli("ack", one, "--actor-id", "peer-1", check=False)
    assert done.returncode == 6 and f"it left the group; an actor that came later under that name was not asked (event {left['seq']})" in done.stderr


def test_recall_wins_only_over_who_has_not_taken_it(home, group):
    one = seq(home, "Stop", "--to", "peer-1,peer-2")
    home.cli("read", one, "--actor-id", "peer-1")
    done = home.cli("recall", one, check=False)
    assert done.returncode == 8
    assert rows(done.stdout)[0] == ["recalled", "peer-2: not handed, not marked read"] and rows(done.stdout)[1][0] == "too late"
    assert home.cli("inbox", "--actor-id", "peer-2").stdout == ""


def test_a_message_expires_by_itself(home, group):
    """Also when the daemon was down at that time: nobody is told to do what is over."""
    seq(home, "Right now", "--to", "peer-1", "--expires", "1s")
    home.cli("daemon", "stop")
    time.sleep(1.1)
    home.cli("daemon", "start")
    until(lambda: not home.cli("inbox", "--actor-id", "peer-1").stdout)
    assert home.cli("inbox", "--actor-id", "peer-1").stdout == ""


def test_ask_prints_the_reply_when_it_comes(home, group):
    asking = subprocess.Popen([str(BIN / "cccc"), "ask", "peer-1", "Frozen?", "--wait", "60s", "--json"], env=home.environment(), stdout=subprocess.PIPE, text=True)
    owed = until(lambda: rows(home.cli("obligations").stdout))
    home.cli("reply", owed[0][0], "yes, since noon", "--by", "peer-1")
    out, _ = asking.communicate(timeout=30)
    assert asking.returncode == 0
    result = json.loads(out)["result"]
    assert [reply["data"]["text"] for reply in result["replies"]] == ["yes, since noon"] and result["missing"] == []


def asking(home, *args):
    """Ask in the background; the number of the question once it is owed, and the program."""
    before = {row[0] for row in rows(home.cli("obligations").stdout)}
    program = subprocess.Popen([str(BIN / "cccc"), "ask", *args], env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return until(lambda: {row[0] for row in rows(home.cli("obligations").stdout)} - before).pop(), program


def test_ask_waits_for_those_who_owe_a_reply(home, group):
    """An actor that asks everybody waits for the other actors, and not for the user, who owes nothing unless named."""
    number, program = asking(home, "@all", "Ready?", "--by", "lead", "--wait", "60s")
    for actor in ("peer-1", "peer-2"):
        home.cli("reply", number, f"{actor} is", "--by", actor)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 0 and "peer-1 is" in out and "peer-2 is" in out, err
    number, program = asking(home, "user,peer-1", "May I?", "--by", "lead", "--wait", "60s")
    home.cli("reply", number, "soon", "--by", "peer-1")
    home.cli("reply", number, "yes")
    out, _ = program.communicate(timeout=30)
    assert program.returncode == 0 and "soon" in out and "yes" in out


def test_ask_ends_when_who_asked_is_removed(home, group):
    """Nothing is owed to who left, so no reply is waited for either."""
    _, program = asking(home, "peer-1", "Ready?", "--by", "peer-2", "--wait", "60s")
    home.cli("actor", "remove", "peer-2")
    _, err = program.communicate(timeout=30)
    assert program.returncode == 10 and "peer-1 need not reply any more: who asked left the group" in err


def test_ask_ends_when_its_group_is_deleted_or_the_daemon_is_stopped_for_good(home, group):
    """Nobody waits its time out for replies that cannot come; a restart of the daemon changes nothing."""
    _, program = asking(home, "peer-1", "Ready?", "--wait", "600s")
    home.cli("daemon", "restart")
    number, second = asking(home, "peer-1", "And now?", "--wait", "600s")
    assert program.poll() is None
    home.cli("reply", number, "yes", "--by", "peer-1")
    second.communicate(timeout=60)
    assert second.returncode == 0
    home.cli("daemon", "stop")
    _, err = program.communicate(timeout=60)
    assert program.returncode == 10 and "peer-1 cannot reply: the daemon was stopped" in err and "cccc daemon start" in err
    home.cli("daemon", "start")
    _, program = asking(home, "peer-1", "Ready?", "--wait", "600s")
    home.cli("group", "delete", group, "--confirm", group)
    _, err = program.communicate(timeout=60)
    assert program.returncode == 3 and f"no group {group}" in err


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ask_that_was_interrupted_blocks_nobody(home, group, end):
    """Who was asked may ask back and wait: at once when the program could say so, else when it has said nothing for a while."""
    _, program = asking(home, "peer-2", "Ready?", "--by", "peer-1", "--wait", "600s")
    refused = home.cli("ask", "peer-1", "And you?", "--by", "peer-2", "--wait", "600s", check=False)
    assert refused.returncode == 6 and "each would do nothing but wait for the next" in refused.stderr
    program.send_signal(end)
    _, err = program.communicate(timeout=60)
    assert program.returncode in (128 + end, -end)
    if end != signal.SIGKILL:
        assert program.returncode == 128 + end and "interrupted; what was asked stays" in err
        done = home.cli("ask", "peer-1", "And you?", "--by", "peer-2", "--wait", "1s", check=False)
        assert done.returncode == 10, done.stderr
    else:
        until(lambda: home.cli("ask", "peer-1", "And you?", "--by", "peer-2", "--wait", "1s", check=False).returncode == 10, seconds=60)


def test_an_inbox_marked_as_it_was_shown_acknowledges_nothing(home, group):
    """--mark-read moves the cursor past what was shown; who names a message acknowledges it, by whichever of its names the option is called."""
    home.cli("send", "Note this", "--to", "peer-1", "--priority", "attention")
    assert "Note this" in home.cli("inbox", "--actor", "peer-1", "--mark-read").stdout
    owed = rows(home.cli("obligations", "--actor-id", "peer-1").stdout)
    assert len(owed) == 1 and home.cli("inbox", "--actor-id", "peer-1").stdout == ""
    home.cli("ack", owed[0][0], "--by", "peer-1")
    assert not rows(home.cli("obligations", "--actor", "peer-1").stdout)


def test_who_reads_in_its_own_name_acknowledges_and_who_reads_for_another_is_told_that_it_does_not(home, group):
    """CCCC_ACTOR_ID names who speaks, for `read` as for `ack`; --actor-id names whose inbox it is, and then the user is who marks."""
    one = answer(home, "send", "Note this", "--to", "peer-1", "--priority", "attention")["event"]["seq"]
    printed = rows(home.cli("read", str(one), "--actor-id", "peer-1").stdout)
    assert printed[1] == ["not acknowledged", f"marked by user for peer-1; next: cccc ack {one} --actor-id peer-1"]
    assert len(rows(home.cli("obligations", "--actor", "peer-1").stdout)) == 1
    printed = rows(home.cli("read", str(one), "--actor-id", "peer-1").stdout)
    assert printed[1][1].startswith("peer-1 acknowledges for itself; next: "), "nothing moved"
    assert len(rows(home.cli("read", str(one), "--actor-id", "peer-1", "--by", "peer-1").stdout)) == 1
    assert not rows(home.cli("obligations", "--actor", "peer-1").stdout)
    two = answer(home, "send", "And this", "--to", "peer-1", "--priority", "attention")["event"]["seq"]
    assert len(rows(home.cli("read", str(two), env={"CCCC_ACTOR_ID": "peer-1"}).stdout)) == 1
    assert not rows(home.cli("obligations", "--actor", "peer-1").stdout)
    by = [(event["kind"], event["by"]) for event in home.ledger(answer(home, "active")["active_group_id"]) if event["seq"] > two]
    assert by == [("chat.read", "peer-1"), ("chat.ack", "peer-1")]


def test_the_foreman_is_told_commands_that_it_may_type(served, tmp_path):
    """Of an actor in a terminal that does not answer: look at it, write to it, and, as it asked itself, end what is owed; each of them works."""
    team = Team(served, tmp_path)
    team.add("lead", runner="headless")
    team.start("dev", "cat")
    team.ready("dev")
    team.ask("group_settings_update", patch={"reply_required_nudge_after_seconds": 1, "nudge_escalate_after_repeats": 1})
    seq = team.ask("send", text="Ready?", to=["dev"], reply_required=True, by="lead")["event"]["seq"]
    told = team.until(lambda: [e["data"] for e in team.events("system.notify") if "escalates" in e["data"]["context"]])[0]
    assert told["target_actor_id"] == "lead"
    assert told["message"].splitlines()[-2:] == ["next: cccc actor tail dev, then cccc send TEXT --to dev",
                                                 f"you may end what is owed: cccc cancel-reply {seq} --actor dev"]
    for words in ("actor", "tail", "dev"), ("send", "TEXT", "--to", "dev", "--by", "lead"), ("cancel-reply", str(seq), "--actor", "dev", "--by", "lead"):
        served.cli(*words, "--group", team.group)
    assert not team.ask("obligations_list", actor_id="dev")["obligations"]
    team.end()


def test_ask_has_an_exit_code_of_its_own_when_nobody_replies(home, group):
    """10 and why, and at once when no reply can come any more: too late, cancelled, expired, or asked of nobody but oneself."""
    done = home.cli("ask", "peer-1", "Anybody?", "--wait", "1s", check=False)
    assert done.returncode == 10 and "no reply from peer-1 in time" in done.stderr
    assert rows(home.cli("obligations").stdout)[0][1] == "peer-1"
    assert home.cli("send", "x", "--to", "peer-1", "--wait", "soon", check=False).returncode == 2
    number, program = asking(home, "peer-1,peer-2", "Ready?", "--wait", "60s")
    home.cli("reply", number, "yes", "--by", "peer-1")
    home.cli("cancel-reply", number)
    _, err = program.communicate(timeout=30)
    assert program.returncode == 10 and "peer-2 need not reply any more: it was cancelled" in err
    done = home.cli("ask", "peer-1", "Now?", "--expires", "1s", "--wait", "60s", "--json", check=False)
    result = json.loads(done.stdout)["result"]
    assert done.returncode == 10 and result["missing"] == ["peer-1"] and "expired" in result["reasons"]["peer-1"]
    done = home.cli("ask", "user", "Am I here?", "--wait", "60s", check=False)
    assert done.returncode == 10 and "nobody but its sender" in done.stderr


# ---- an actor in a terminal: what is queued, typed, withdrawn ----


@pytest.fixture
def terminal(served, tmp_path):
    """A group with `dev`, whose terminal shows what is typed into it."""
    served.cli("attach", str(tmp_path))
    served.cli("actor", "add", "dev", "--runtime", "custom", "--command", "cat")
    served.cli("actor", "start", "dev")
    yield served
    served.cli("group", "stop")


def state(home, number):
    return answer(home, "why", number, "dev")["recipients"][0]


def test_the_ladder_of_a_typed_message(terminal):
    """From the send, which says that it is typed, to handed, with the claim and its outcome as evidence; handed is not read."""
    sent = answer(terminal, "send", "hello", "--to", "dev")
    number = str(sent["event"]["seq"])
    assert sent["recipients"][0]["state"] == "running" and sent["recipients"][0]["will"] in ("typed", "waits")
    until(lambda: state(terminal, number)["state"] == "handed")
    steps = {step["step"]: step for step in state(terminal, number)["steps"]}
    assert list(steps) == ["stored", "claimed", "handed"] and all(step["event_id"] and step["ts"] for step in steps.values())
    assert "nothing says yet that it was read" in state(terminal, number)["sentence"]
    assert rows(terminal.cli("recall", number, check=False).stdout)[0][1].startswith("dev: handed at ")


def test_what_waits_says_for_what_and_how_to_end_it(terminal):
    """Paused group, stopped group, stopped actor: the send says so, why says so, and the command that is named ends it."""
    terminal.cli("group", "set-state", "paused")
    sent = answer(terminal, "send", "later", "--to", "dev")["recipients"][0]
    assert sent["will"] == "waits" and sent["why"] == "the group is paused"
    number = rows(terminal.cli("send", "and later", "--to", "dev").stdout)[0][1]
    told = state(terminal, number)
    assert told["state"] == "queued" and "the group is paused" in told["sentence"] and told["next"] == sent["next"]
    terminal.cli(*told["next"].split()[1:])
    until(lambda: state(terminal, number)["state"] == "handed")
    terminal.cli("group", "stop")
    number = rows(terminal.cli("send", "third", "--to", "dev").stdout)[0][1]
    assert "the group is stopped" in state(terminal, number)["sentence"]
    terminal.cli(*state(terminal, number)["next"].split()[1:])
    until(lambda: state(terminal, number)["state"] == "handed")
    terminal.cli("actor", "add", "bus", "--runtime", "custom", "--runner", "headless")  # without it the group would stop with dev
    terminal.cli("actor", "stop", "dev")
    woken = terminal.cli("send", "fourth", "--to", "dev")
    assert "it is woken: it was stopped, and a message that names it starts its program" in woken.stderr
    until(lambda: state(terminal, rows(woken.stdout)[0][1])["state"] == "handed")


def test_what_was_recalled_or_expired_is_never_typed(terminal):
    """Both while it waits; what stands around it is typed."""
    terminal.cli("group", "set-state", "paused")
    terminal.cli("send", "before", "--to", "dev")
    number = rows(terminal.cli("send", "recalled", "--to", "dev").stdout)[0][1]
    expiring = rows(terminal.cli("send", "expired", "--to", "dev", "--expires", "1s").stdout)[0][1]
    last = rows(terminal.cli("send", "after", "--to", "dev").stdout)[0][1]
    assert terminal.cli("recall", number).stdout == "recalled\tdev: not handed, not marked read\n"
    until(lambda: state(terminal, expiring)["state"] == "recalled")
    terminal.cli("group", "set-state", "active")
    until(lambda: state(terminal, last)["state"] == "handed")
    shown = terminal.cli("actor", "tail", "dev").stdout
    assert "before" in shown and "after" in shown and "expired" not in shown and ": recalled" not in shown
