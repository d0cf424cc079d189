"""What is kept of an actor's terminal, and what is told when a message has to wait for it."""

import os
import signal
import socket
import struct
import time

import pytest

from actorutil import Team, standin


@pytest.fixture
def team(served, tmp_path):
    made = Team(served, tmp_path)
    yield made
    made.end()


# As much is kept as the daemon's settings say; with `persist` also in a file, bounded too, which outlives the holder: the program's last words are in it.
def test_the_scrollback_is_as_large_as_the_settings_say_and_on_disk_where_they_say_so(team):
    team.ask("observability_update", patch={"terminal_transcript": {"per_actor_bytes": 65536, "persist": True}})
    team.start("lead", "sh", "-c", "seq 1 30000; echo last words; exec cat")
    team.until(lambda: "last words" in team.screen("lead"))
    raw = team.ask("terminal_tail", actor_id="lead", strip_ansi=False, max_chars=200000)["text"]
    assert len(raw) <= 65536
    folder = team.home.path / "groups" / team.group / "state/runners/pty"
    kept = folder / "lead.scrollback"
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.stat().st_size <= 2 * 65536
    assert kept.read_bytes().endswith(b"30000\r\nlast words\r\n") and raw in kept.read_bytes()
    os.kill(team.record("lead")["hold_pid"], signal.SIGKILL)
    team.until(lambda: len(team.events("runtime.started")) == 2)
    assert (folder / "lead.scrollback.1").read_bytes().endswith(b"last words\r\n")
    team.until(lambda: team.actor("lead")["running"] and "last words" in team.screen("lead"))
    team.ask("terminal_clear", actor_id="lead")
    assert kept.read_bytes() == b""


# What a program printed goes with its actor, and with its group, of which the trash keeps the rest; private environments, too.
def test_what_was_printed_goes_with_the_actor_and_the_group(team):
    team.ask("observability_update", patch={"terminal_transcript": {"persist": True}})
    for name in ("lead", "dev"):
        team.start(name, "sh", "-c", f"echo a secret of {name}; exec cat")
        team.ask("actor_env_private_update", actor_id=name, set={"TOKEN": f"a secret of {name}"})
        team.until(lambda n=name: f"a secret of {n}" in team.screen(n))
        team.ask("actor_restart", actor_id=name)
        team.until(lambda n=name: f"a secret of {n}" in team.screen(n))

    def kept(actor):
        found = [path for path in team.home.path.rglob("*") if path.suffix in (".scrollback", ".1", ".json") and f"a secret of {actor}".encode() in path.read_bytes()]
        return sorted(path.suffix for path in found)

    assert kept("lead") == kept("dev") == [".1", ".json", ".scrollback"]
    team.ask("actor_remove", actor_id="lead")
    assert kept("lead") == [] and len(kept("dev")) == 3
    team.ask("group_delete")
    assert kept("dev") == []
    team.group = team.bus.ask("attach", path="/")["group_id"]


# The program's terminal is ours, whatever the daemon was started in; what the actor itself says about it counts.
def test_the_daemons_own_terminal_is_not_the_programs(home, tmp_path):
    home.start(extra_env={"TERM": "dumb", "COLUMNS": "7", "TMUX": "/tmp/x", "LANG": "C.UTF-8"})
    team = Team(home, tmp_path)
    for name, env in {"one": {}, "two": {"TERM": "vt100"}}.items():
        team.start(name, "sh", "-c", f"env >{tmp_path / name}; exec cat", env=env)
        team.until(lambda n=name: "CCCC_ACTOR_ID" in (tmp_path / n).read_text() if (tmp_path / n).exists() else False)
    one, two = ((tmp_path / name).read_text().splitlines() for name in ("one", "two"))
    assert "TERM=xterm-256color" in one and "LANG=C.UTF-8" in one and not [line for line in one if line.startswith(("COLUMNS=", "TMUX="))]
    assert "TERM=vt100" in two
    team.end()


# Without that setting nothing of a terminal is on the disk.
def test_no_scrollback_is_on_disk_otherwise(team):
    team.start("lead", "sh", "-c", "echo a secret on the screen; exec cat")
    team.until(lambda: "a secret on the screen" in team.screen("lead"))
    assert not [path for path in team.home.path.rglob("*") if path.is_file() and b"a secret on the screen\r" in path.read_bytes()]


# A message that waits because somebody left half a line says so wherever one looks, also when nothing was typed yet at all; it goes on by itself.
def test_what_a_message_waits_for_is_shown(team, tmp_path):
    team.start("lead", *standin(str(tmp_path / "got")))
    team.ready("lead")
    way = team.ask("term_attach", actor_id="lead")
    with socket.socket(socket.AF_UNIX) as person:
        person.connect(way["socket"])
        person.sendall(f"ticket {way['ticket']}\n".encode() + b"d" + struct.pack(">I", 4) + b"half")
        team.until(lambda: "half" in team.screen("lead"))
        time.sleep(2.1)  # the pause after a person's last key
        event = team.ask("send", text="hello", to=["lead"])["event"]
        team.until(lambda: "half a line" in team.actor("lead").get("obstacle", ""))
        for command in (["actor", "list"], ["actor", "show", "lead"], ["status"], ["why", event["id"]], ["triage"]):
            said = team.home.cli(*command, *([] if command == ["status"] else ["--group", team.group]), check=False).stdout
            assert "half a line" in said, (command, said)
        person.sendall(b"d" + struct.pack(">I", 1) + b"\r")
        team.until(lambda: team.deliveries("lead", "accepted"))
    assert not team.deliveries("lead", "failed")  # it was not tried meanwhile
    assert "obstacle" not in team.actor("lead")
    assert "hello" in (tmp_path / "got").read_text()
