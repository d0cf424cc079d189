"""Who speaks: what the kernel says about a process decides, and nothing it says of itself. One test for each way to speak as another."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from actorutil import Team, is_alive
from busclient import descriptor
from home import BIN, Home

HERE = pathlib.Path(__file__).parent


@pytest.fixture
def team(served, tmp_path):
    made = Team(served, tmp_path)
    yield made
    made.end()


def say(team, text, *more, by=None):
    """A shell command that sends `text` to user, with everything named that the environment would."""
    words = [str(BIN / "cccc"), "send", text, "--to", "user", "--home", str(team.home.path), "--group", team.group, *(["--by", by] if by else []), *more]
    return " ".join(f"'{word}'" for word in words)


def in_actor(team, script, actor="lead"):
    """Run it below an actor; what it printed once it said `end`."""
    out = team.home.path / f"out-{actor}"
    team.start(actor, "bash", "-c", f"({script}) >>{out} 2>&1; echo end >>{out}; exec sleep 1000")
    team.until(lambda: out.exists() and "end\n" in out.read_text())
    return out.read_text()


def messages(team):
    return [(e["by"], e["data"]["text"], e["attest"]["as"]) for e in team.events("chat.message")]


# What is the user's stays the user's: a group that an actor makes does not become the active one, and the smoke test, whose group an actor may not remove, makes none.
def test_an_actor_leaves_the_active_group_alone(team):
    cccc = f"{BIN}/cccc --home {team.home.path}"
    before = team.home.cli("active").stdout
    said = in_actor(team, f"{cccc} group create Mine; {cccc} use {team.group}; {cccc} smoke")
    assert "active group stays what it is" in said and said.count("permission denied") == 1 and "nothing was made" in said
    assert team.home.cli("active").stdout == before
    assert len(team.ask("groups")["groups"]) == 2


# A field in the body is a claim: below an actor only its own name is accepted, for any client.
@pytest.mark.parametrize("by", ["user", "other", "system", "svc:bot"])
def test_a_field_in_the_body(team, by):
    team.add("other", "cat")
    raw = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
import busclient
bus = busclient.Bus({str(team.home.path)!r})
try:
    bus.ask('send', group_id={team.group!r}, text='raw', to=['user'], by={by!r})
except busclient.BusError as error:
    print('refused', error.code)
"""
    (team.home.path / "raw.py").write_text(raw)
    said = in_actor(team, f"{say(team, 'claimed', by=by)}; /usr/bin/python3 -B {team.home.path / 'raw.py'}; {say(team, 'own')}")
    assert said.count("permission_denied") + said.count("permission denied") >= 2, said
    assert messages(team) == [("lead", "own", "actor")]


# Forked twice, in a session of its own, without an environment: still below its holder.
@pytest.mark.parametrize("wrapper", ["", "setsid -f", "env -i", "setsid -f env -i", "nohup setsid -f"], ids=["plain", "setsid", "env", "setsid-env", "nohup"])
def test_what_an_actor_starts_in_whatever_way_speaks_as_it(team, wrapper):
    in_actor(team, f"{wrapper} {say(team, 'it is me')}; ({wrapper} {say(team, 'twice')} &)")
    team.until(lambda: len(messages(team)) == 2)
    assert sorted(messages(team)) == [("lead", "it is me", "actor"), ("lead", "twice", "actor")]


# Names of an actor in the environment, without its holder above: unknown, and refused. An operator's shell with a group's id in it is no such thing.
def test_an_environment_without_a_holder_is_nobody(team):
    team.start("lead", "cat")
    program = f"/proc/{team.actor('lead')['pid']}/environ"
    stolen = dict(item.split("=", 1) for item in pathlib.Path(program).read_text().split("\0") if "=" in item)
    done = subprocess.run(["bash", "-c", say(team, "stolen")], env=stolen, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and ("sender_unknown" in done.stderr + done.stdout or "who" in done.stderr), done
    own = {**team.home.environment(), "CCCC_GROUP_ID": team.group, "CCCC_ACTOR_ID": "lead"}
    assert subprocess.run(["bash", "-c", say(team, "operator")], env=own, check=False).returncode == 0
    assert messages(team) == [("user", "operator", "operator")]


# A process that is gone before anybody could look at what is above it is nobody: its id may be another's by then. The daemon has taken its message and stored nothing; the same one from the
# living is stored.
def test_a_message_from_a_process_already_dead(team):
    code = f"""
import sys, time; sys.path.insert(0, {str(HERE)!r})
import msgpack, rawclient
raw = rawclient.dealer({descriptor(team.home.path)['bus']!r})
print('connected', flush=True)
for line in sys.stdin:
    raw.sendall(rawclient.frame(msgpack.packb({{'v': 1, 'id': 2, 'op': 'send', 'args': {{'group_id': {team.group!r}, 'text': line.strip(), 'to': ['user']}}}})))
    print('sent', flush=True)
"""

    def say_and_die(text, dies):
        """Its message is in the daemon's socket when `sent` is read; the daemon takes it when the process is gone, or while it lives."""
        process = subprocess.Popen(["/usr/bin/python3", "-B", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "connected\n"
        asked, before = 0, team.bus.ask("status")["requests"]
        os.kill(team.home.process.pid, signal.SIGSTOP)
        print(text, file=process.stdin, flush=True)
        assert process.stdout.readline() == "sent\n"
        if dies:
            process.kill()
            process.wait()
        os.kill(team.home.process.pid, signal.SIGCONT)
        while team.bus.ask("status")["requests"] < before + asked + 2:  # its own questions, and one more
            asked += 1
            assert asked < 5000, "the daemon did not take the message"
        process.kill()
        process.wait()

    say_and_die("from the living", False)
    say_and_die("from beyond", True)
    assert [text for _, text, _ in messages(team)] == ["from the living"]


# When a holder is killed, whoever it held speaks for nobody from then on: processes that carry its mark are ended, and what they ask meanwhile is refused.
def test_the_orphans_of_a_killed_holder(team):
    shout = f"while :; do {say(team, 'orphan')}; done"
    team.start("lead", "bash", "-c", f"(setsid -f bash -c \"{shout.replace(chr(34), chr(92) + chr(34))}\" >/dev/null 2>&1); exec sleep 1000")
    team.until(lambda: messages(team))
    holder = team.record("lead")["hold_pid"]
    orphans = [pid for pid in carrying(f"CCCC_HOLD={team.group}/lead/{team.record('lead')['generation']}:{os.path.realpath(team.home.path)}") if pid != holder]
    assert orphans
    os.kill(holder, signal.SIGKILL)
    team.until(lambda: team.events("runtime.exited"))
    team.ask("actor_stop", actor_id="lead")
    team.until(lambda: not [pid for pid in orphans if is_alive(pid)])
    assert {by for by, _, _ in messages(team)} == {"lead"}


def carrying(variable):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


# Another user of the machine is refused, even where the files let it in.
def test_another_uid(team, tmp_path):
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("NOT PROVEN HERE: only root can be somebody else")
    endpoint = descriptor(team.home.path)["bus"]
    path = pathlib.Path(endpoint.removeprefix("ipc://"))
    for folder in (path, *path.parents):
        if folder.is_relative_to(team.home.path):
            folder.chmod(0o777)
    code = f"""
import msgpack, zmq
socket = zmq.Context().socket(zmq.DEALER); socket.setsockopt(zmq.LINGER, 0); socket.connect({endpoint!r})
socket.send(msgpack.packb({{'v': 1, 'id': 1, 'op': 'send', 'args': {{'group_id': {team.group!r}, 'text': 'from another uid', 'to': ['user']}}}}))
print(socket.poll(3000) and msgpack.unpackb(socket.recv()))
"""
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-B", "-c", code], capture_output=True, text=True, check=False)
    assert "permission_denied" in done.stdout and "65534" in done.stdout, done
    assert messages(team) == []


# An actor that was restarted: a connection of its last life is nobody's in the next one.
def test_a_connection_of_a_life_before(team):
    raw = f"""
import sys, time; sys.path.insert(0, {str(HERE)!r})
import busclient
bus = busclient.Bus({str(team.home.path)!r}, timeout_s=5)
bus.ask('send', group_id={team.group!r}, text='first', to=['user'])
"""
    (team.home.path / "raw.py").write_text(raw)
    in_actor(team, f"/usr/bin/python3 -B {team.home.path / 'raw.py'}")
    before = team.record("lead")["generation"]
    team.ask("actor_restart", actor_id="lead")
    assert team.record("lead")["generation"] > before
    team.until(lambda: len(messages(team)) == 2)
    assert {by for by, _, _ in messages(team)} == {"lead"}


# Only a holder speaks as a holder: neither the actor in it nor an operator can say that it registered, exited, or typed something.
def test_nobody_registers_but_the_holder(team):
    team.start("lead", "cat")
    record = team.record("lead")
    for args in ({"pid": 1, "socket": "/tmp/x"}, {"pid": 1, "socket": "/tmp/x", "exited": {"code": 0}}):
        with pytest.raises(Exception) as refused:
            team.ask("hold_register", actor_id="lead", generation=record["generation"], **args)
        assert refused.value.code == "permission_denied"
    assert team.actor("lead")["running"] and not team.events("runtime.exited")


# Who asks another home than the one it is an actor of is nobody's actor there: the operator, whatever its environment says of its own home; and what that names counts for nothing.
def test_an_actor_of_one_home_is_a_user_of_another(team, tmp_path):
    with Home() as other:
        other.start()
        (tmp_path / "other").mkdir()
        other.cli("attach", str(tmp_path / "other"))
        group, cccc = other.bus().ask("active_get")["active_group_id"], f"CCCC_HOME={os.path.realpath(other.path)} {BIN}/cccc"
        said = in_actor(team, f"{cccc} send one --to user; {cccc} send two --to user --group {group}; CCCC_GROUP_ID={group} {cccc} send three --to user; "
                              f"{cccc} inbox; {BIN}/cccc send home --to user")
        spoken = [(e["by"], e["data"]["text"], e["attest"]["as"]) for e in other.ledger(group) if e["kind"] == "chat.message"]
        assert spoken == [("user", text, "operator") for text in ("one", "two", "three")], said
        assert messages(team) == [("lead", "home", "actor")]
        assert said.count("CCCC_GROUP_ID does not count here: it names what is of ") == 1 and "CCCC_ACTOR_ID does not count here" in said
