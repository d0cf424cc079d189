"""Actors as programs in terminals: started, spoken to, stopped; they outlive the daemon, and nobody speaks as another."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from actorutil import Team, is_alive, standin
from home import BIN
from busclient import BusError


@pytest.fixture
def team(served, tmp_path):
    made = Team(served, tmp_path)
    yield made
    made.end()


# What is started runs, and its start is an event; what is stopped does not, and nothing of it is left.
def test_start_and_stop(team):
    started = team.start("lead", "cat")
    assert started["running"] and is_alive(started["pid"])
    assert team.actor("lead")["runtime_state"] == "running"
    assert [(e["data"]["why"], e["by"], e["attest"]["as"]) for e in team.events("runtime.started")] == [("asked", "system", "holder")]
    stopped = team.ask("actor_stop", actor_id="lead")
    assert not stopped["running"] and not is_alive(started["pid"])
    assert team.actor("lead")["runtime_state"] == "exited" and not team.actor("lead")["enabled"]
    assert team.events("runtime.exited")[0]["data"]["asked"]
    lock = team.home.path / "groups" / team.group / "state/runners/pty/lead.lock"
    assert lock.exists()
    team.ask("actor_remove", actor_id="lead")
    assert not lock.exists()


# A message is typed as one paste with its own submit key, once, and the ledger says so; the preamble comes first.
def test_a_message_reaches_the_program_once(team):
    team.start("lead", *standin())
    event = team.ask("send", text="first line\nsecond line", to=["lead"])["event"]
    team.until(lambda: team.deliveries("lead", "accepted"))
    assert [d["data"]["seqs"] for d in team.deliveries("lead", "claimed")] == [[event["seq"]]]
    screen = team.screen("lead")
    assert screen.count("got 1:") == 1 and "You are lead" in screen.split("got 1:")[1].split("got 2:")[0]
    assert screen.count("first line|second line") == 1 and "got 3:" not in screen


# What was typed is not read: only the reader reads.
def test_typing_marks_nothing_read(team):
    team.start("lead", *standin())
    team.ask("send", text="hello", to=["lead"])
    team.until(lambda: team.deliveries("lead", "accepted"))
    assert team.ask("inbox_list", actor_id="lead")["unread_total"] == 1


# A group whose ledger cannot be read for a while, at the start of a daemon, ends nobody's program: it goes on when the group is back, and meanwhile speaks for nobody.
def test_a_group_that_is_offline_keeps_its_programs(team):
    pid = team.start("lead", *standin())["pid"]
    team.ready("lead")
    team.home.stop()
    ledger = team.home.path / "groups" / team.group / "ledger.jsonl"
    away = ledger.with_name("away")
    ledger.rename(away)
    ledger.mkdir()
    team.home.start()
    team.again()
    row = team.bus.ask("groups")["groups"][0]
    assert row["offline"], row
    time.sleep(3)  # longer than a holder waits between two tries
    assert is_alive(pid)
    ledger.rmdir()
    away.rename(ledger)
    team.until(lambda: "offline" not in team.bus.ask("groups")["groups"][0])
    team.until(lambda: team.actor("lead")["runtime_state"] == "running")
    assert team.actor("lead")["pid"] == pid and is_alive(pid)
    team.told("lead", "still there?")


# A holder that is killed takes its program with it; the daemon knows at once, and what was being typed is ambiguous, not typed again.
def test_a_killed_holder_is_known_at_once(team):
    team.start("lead", "cat")
    record = json.loads((team.home.path / "groups" / team.group / "state/runners/pty/lead.json").read_text())
    program, socket = team.actor("lead")["pid"], team.home.path / f"daemon/t{record['generation']:x}.sock"
    assert socket.exists()
    os.kill(record["hold_pid"], signal.SIGKILL)
    exited = team.until(lambda: team.events("runtime.exited"))[0]
    assert exited["data"]["holder_lost"] and not exited["data"]["asked"]
    team.until(lambda: not is_alive(program))
    team.until(lambda: team.actor("lead")["running"])
    assert team.actor("lead")["pid"] != program and not socket.exists()


# An exit nobody asked for is an event with its code and the last screen, and the program is started again; one that keeps exiting is given up.
def test_exits_are_told_and_made_good_with_measure(team):
    with pytest.raises(BusError) as refused:
        team.start("lead", "no-such-program")
    assert refused.value.code == "actor_start_failed" and "no-such-program" in refused.value.message
    assert team.actor("lead")["runtime_state"] == "failed"
    team.ask("actor_update", actor_id="lead", patch={"command": ["sh", "-c", "echo last words; exit 7"]})
    try:
        team.ask("actor_start", actor_id="lead")
    except BusError as error:  # it may be gone before the answer
        assert error.code == "actor_start_failed"
    exits = team.until(lambda: len(team.events("runtime.exited")) >= 2 and team.events("runtime.exited"))
    assert {(e["data"]["code"], e["data"]["asked"]) for e in exits} == {(7, False)}
    assert "last words" in exits[0]["data"]["screen"]
    assert exits[0]["ts"] < exits[1]["ts"]
    team.ask("actor_stop", actor_id="lead")


# Nothing is ended for what would not start: a restart whose directory or program is not there is refused, by hand and by a rule, and the program runs on.
def test_a_restart_that_cannot_work_ends_nothing(team, tmp_path):
    folder, program = tmp_path / "bin", tmp_path / "bin" / "mycat"
    folder.mkdir()
    program.write_text("#!/bin/sh\nexec cat\n")
    program.chmod(0o755)
    pid = team.start("lead", "mycat", env={"PATH": f"{folder}:/usr/bin:/bin"})["pid"]

    def refused(what):
        with pytest.raises(BusError) as error:
            team.ask("actor_restart", actor_id="lead")
        assert error.value.code == "actor_restart_failed" and what in error.value.message and "runs on" in error.value.message
        assert team.actor("lead")["pid"] == pid and is_alive(pid)
        return error.value

    program.chmod(0o644)
    assert refused("no program mycat in the actor's PATH").details["cause"] == "not_found"
    done = team.home.cli("automation", "add", "again", "--at", "2h", "--control", "restart", "--to", "lead", "--group", team.group)
    assert done.returncode == 0, done.stderr
    team.ask("actor_start", actor_id="lead")
    assert "start_error" not in team.actor("lead")
    team.ask("group_automation_run", rule_id="again")
    team.until(lambda: "no program mycat" in team.actor("lead").get("start_error", ""))
    assert "was not restarted" in team.home.cli("status").stdout and team.actor("lead")["pid"] == pid
    program.chmod(0o755)
    away = tmp_path.with_name(tmp_path.name + "-away")
    tmp_path.rename(away)
    assert refused("is no directory").details["cause"] == "invalid_project_root"
    away.rename(tmp_path)
    assert team.ask("actor_restart", actor_id="lead")["pid"] != pid and not is_alive(pid)


# `by` is a fact: what runs below an actor is that actor, whatever it says, double-forked or with an empty environment; outside it is the operator.
@pytest.mark.parametrize("wrapper", [[], ["setsid", "-f"], ["env", "-i"]])
def test_what_runs_below_an_actor_speaks_as_it(team, wrapper, tmp_path):
    out = tmp_path / "out"
    command = [*wrapper, str(BIN / "cccc"), "send", "who am I", "--to", "user", "--json", "--home", str(team.home.path), "--group", team.group]
    team.start("lead", "sh", "-c", f"{' '.join(command)} >{out} 2>&1; sleep 1000".replace("who am I", "'who am I'"))
    message = team.until(lambda: team.events("chat.message") or (out.exists() and out.read_text().endswith("}\n") and [out.read_text()]))[0]
    assert isinstance(message, dict), message
    assert message["by"] == "lead" and message["attest"]["as"] == "actor"
    assert team.ask("send", text="outside", to=["lead"])["event"]["by"] == "user"


def test_an_actor_cannot_speak_as_another_nor_start_or_stop_a_daemon(team, tmp_path):
    out = tmp_path / "out"
    script = f"""export CCCC_HOME={team.home.path}
{BIN}/cccc send 'I am the user' --to lead --by user --group {team.group} >>{out} 2>&1; echo "status $?" >>{out}
{BIN}/cccc daemon stop >>{out} 2>&1; echo "status $?" >>{out}
{BIN}/ccccd >>{out} 2>&1; echo "status $?" >>{out}
echo end >>{out}; sleep 1000"""
    pid = team.home.process.pid
    team.start("lead", "sh", "-c", script)
    team.until(lambda: out.exists() and out.read_text().endswith("end\n"))
    said = out.read_text()
    assert said.count("status 0") == 0 and said.count("status") == 3, said
    assert team.home.process.poll() is None and team.home.process.pid == pid
    assert [e for e in team.events("chat.message")] == []


# Private values are in the program's environment and nowhere else.
def test_secrets_reach_the_program_and_nobody_else(team, tmp_path):
    team.add("lead", "sh", "-c", f"env >{tmp_path}/env; sleep 1000", env={"OPEN": "1"})
    keys = team.ask("actor_env_private_update", actor_id="lead", set={"TOKEN": "s3cr3t-value", "B": "x"})["keys"]
    assert keys == ["B", "TOKEN"]
    assert team.ask("actor_env_private_update", actor_id="lead", unset=["B"])["keys"] == ["TOKEN"]
    team.ask("actor_start", actor_id="lead")
    team.until(lambda: (tmp_path / "env").exists() and "TOKEN=" in (tmp_path / "env").read_text())
    env = (tmp_path / "env").read_text().splitlines()
    assert {"TOKEN=s3cr3t-value", "OPEN=1", f"CCCC_HOME={team.home.path}", f"CCCC_GROUP_ID={team.group}", "CCCC_ACTOR_ID=lead"} <= set(env)
    with_value = [path for path in team.home.path.rglob("*") if path.is_file() and b"s3cr3t-value" in path.read_bytes()]
    assert len(with_value) == 1 and "secrets" in str(with_value[0]) and with_value[0].stat().st_mode & 0o777 == 0o600
    assert "s3cr3t-value" not in json.dumps(team.ask("actor_list"))
    team.ask("actor_remove", actor_id="lead")
    assert not with_value[0].exists()


# A paused group keeps what is for its terminals; an idle one hands over what people write.
def test_a_paused_group_types_nothing(team):
    team.start("lead", *standin())
    team.until(lambda: team.actor("lead").get("ready"))
    team.ask("group_set_state", state="paused")
    team.ask("send", text="later", to=["lead"])
    time.sleep(1.5)
    assert team.actor("lead")["queued"] == 1 and not team.deliveries("lead", "claimed")
    team.ask("group_set_state", state="active")
    team.until(lambda: team.deliveries("lead", "accepted"))


# group_stop leaves `enabled` alone, so group_start brings back what was running and not what was stopped on purpose.
def test_a_group_stops_and_starts_what_ran(team):
    team.start("one", "cat")
    team.start("two", "cat")
    team.ask("actor_stop", actor_id="two")
    team.ask("group_stop")
    assert [a["runtime_state"] for a in team.ask("actor_list")["actors"]] == ["exited", "exited"]
    assert [a["enabled"] for a in team.ask("actor_list")["actors"]] == [True, False]
    team.ask("group_start")
    assert [a["running"] for a in team.ask("actor_list")["actors"]] == [True, False]


# A person at the terminal: everything shown before, then live; keys reach the program; what is typed for it waits meanwhile.
def test_a_ticket_opens_the_terminal_once(team):
    import socket
    import struct

    team.start("lead", "cat")
    way = team.ask("term_attach", actor_id="lead")

    def attach():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(way["socket"])
        s.sendall(f"ticket {way['ticket']}\n".encode())
        return s

    with attach() as person:
        person.sendall(b"d" + struct.pack(">I", 6) + b"hello\r")
        seen = b""
        while seen.count(b"hello") < 2:
            seen += person.recv(4096)
        with attach() as second:
            assert second.recv(1) == b""
    assert oct(os.stat(way["socket"]).st_mode & 0o777) == "0o600"
