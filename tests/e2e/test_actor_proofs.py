"""Actors under fire: daemons and holders that are killed while they work, programs that misbehave, many at once. Sizes are small here; `slow` runs
set CCCC_DAEMON_KILLS, CCCC_HOLDER_KILLS, CCCC_ACTORS and CCCC_LINE_MB to the full ones (tests/README.md)."""

import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from actorutil import SLOW_BUILD, Team, is_alive, memory_kib, standin, ticks
from busclient import Bus, BusError
from home import BIN, until

DAEMON_KILLS = int(os.environ.get("CCCC_DAEMON_KILLS", "3"))
HOLDER_KILLS = int(os.environ.get("CCCC_HOLDER_KILLS", "4"))
ACTORS = int(os.environ.get("CCCC_ACTORS", "20"))
LINE_MB = int(os.environ.get("CCCC_LINE_MB", "20"))


@pytest.fixture
def team(served, tmp_path):
    made = Team(served, tmp_path)
    yield made
    made.end()


@pytest.fixture
def dice():
    seed = int(os.environ.get("CCCC_SEED") or random.SystemRandom().randrange(10**9))
    print("CCCC_SEED", seed)
    return random.Random(seed)


def typed_counts(paths, sent):
    text = "".join(path.read_text() for path in paths if path.exists())
    return {n: text.count(f"message-{n:04}.") for n in range(sent)}


def settled(team, names):
    rows = {a["id"]: a for a in team.ask("actor_list")["actors"]}
    return all(rows[n]["running"] and rows[n]["queued"] == 0 and rows[n].get("delivery", {}).get("state") in ("accepted", "ambiguous") for n in names)


# kill -9 of the daemon, again and again, while ten actors work and messages are on their way: the same processes, each message typed exactly once, none ambiguous.
def test_programs_outlive_the_daemon(team, tmp_path, dice):
    names = [f"a{n}" for n in range(10)]
    for name in names:
        team.add(name, *standin("--busy", "0.3", str(tmp_path / name)))
    team.ask("group_start")
    team.ready(*names)
    pids = {name: team.actor(name)["pid"] for name in names}
    sent = 0
    for _ in range(DAEMON_KILLS):
        for name in names:
            team.ask("send", text=f"message-{sent:04}.", to=[name])
            sent += 1
        time.sleep(dice.random() * 1.5)
        team.kill_daemon()
    team.until(lambda: settled(team, names), 120)
    assert {name: team.actor(name)["pid"] for name in names} == pids
    assert [e["data"]["state"] for e in team.events("runtime.delivery")].count("ambiguous") == 0
    assert typed_counts([tmp_path / name for name in names], sent) == dict.fromkeys(range(sent), 1)
    assert collections.Counter(e["data"]["actor_id"] for e in team.events("runtime.started")) == dict.fromkeys(names, 1)
    for name in names:
        assert (tmp_path / name).read_text().count("You are ") == 1, "the preamble is typed once per start"


# An upgraded ccccd, at another path, takes over what the old one started.
def test_programs_outlive_an_upgrade_of_the_daemon(team, tmp_path):
    pid = team.start("lead", *standin(str(tmp_path / "got")))["pid"]
    team.ready("lead")
    other = tmp_path / "newer"
    other.mkdir()
    for program in ("ccccd", "cccc-hold"):
        shutil.copy(BIN / program, other / program)
    team.home.stop()
    team.home.start(program=other / "ccccd")
    team.again()
    team.told("lead", "from the new one")
    assert team.actor("lead")["pid"] == pid and "from the new one" in (tmp_path / "got").read_text()


# kill -9 of holders while messages are being typed: the daemon knows at once, nothing is typed twice, and exactly what was claimed and not reported is ambiguous.
def test_a_killed_holder_leaves_only_what_was_in_flight_ambiguous(team, tmp_path, dice):
    names = [f"a{n}" for n in range(4)]
    for name in names:
        team.add(name, *standin(str(tmp_path / name)))
    team.ask("group_start")
    team.ready(*names)
    sent = 0
    for kill in range(HOLDER_KILLS):
        victim = names[kill % len(names)]
        for name in names:
            team.ask("send", text=f"message-{sent:04}.", to=[name])
            sent += 1
        time.sleep(dice.random())
        os.kill(team.record(victim)["hold_pid"], signal.SIGKILL)
        exits = kill + 1
        team.until(lambda n=exits: len(team.events("runtime.exited")) >= n, 5)
        team.ask("actor_start", actor_id=victim)
        team.ready(*names)
    team.until(lambda: settled(team, names), 120)
    lost = {e["data"]["generation"] for e in team.events("runtime.exited") if e["data"]["holder_lost"]}
    assert len(lost) == HOLDER_KILLS
    typed = typed_counts([tmp_path / name for name in names], sent)
    number = {e["seq"]: int(e["data"]["text"][8:12]) for e in team.events("chat.message")}
    died = {e["data"]["generation"]: e["seq"] for e in team.events("runtime.exited")}
    settled_at = {e["data"]["delivery_id"]: e["seq"] for e in team.events("runtime.delivery") if e["data"]["state"] != "claimed"}
    for claim in [e for e in team.events("runtime.delivery") if e["data"]["state"] == "claimed"]:
        outcome = team.outcome(claim)
        in_flight = settled_at[claim["id"]] > died.get(claim["data"]["generation"], sys.maxsize)
        assert outcome == ("ambiguous" if in_flight else "accepted"), claim
        for seq in claim["data"]["seqs"]:
            assert typed[number[seq]] <= 1 and (outcome == "ambiguous" or typed[number[seq]] == 1), (seq, outcome)
    claimed = collections.Counter(seq for d in team.events("runtime.delivery") if d["data"]["state"] == "claimed" for seq in d["data"]["seqs"])
    assert claimed == dict.fromkeys(number, 1)


# ---- from inside an actor ----


# A daemon, a command that would start one, and a restart, tried from inside an actor's terminal: refused with the reason, also
# where nothing of the environment is left and the process is the holder's own child. The actor is killed then, and nobody else notices anything.
def test_a_daemon_is_not_started_from_inside_an_actor(team, tmp_path):
    out, gone = tmp_path / "out", tmp_path / "gone"
    script = f"""export CCCC_HOME={team.home.path}
try() {{ "$@" >>{out} 2>&1; echo "status $?" >>{out}; }}
try {BIN}/ccccd; try {BIN}/cccc daemon restart; try {BIN}/cccc daemon stop
echo first >>{out}; while [ ! -e {gone} ]; do sleep 0.05; done
try {BIN}/cccc send hello --to other --group {team.group}; try {BIN}/cccc daemon start; try {BIN}/ccccd
bare() {{ setsid -f env -i CCCC_HOME={team.home.path} PATH=/usr/bin:/bin bash -c 'until read -r _ _ _ p _ </proc/$$/stat && [ "$(cat /proc/$p/comm 2>/dev/null)" = cccc-hold ]; do :; done; exec "$@"' bash "$@" >>{out} 2>&1; }}
(bare {BIN}/ccccd; bare {BIN}/cccc send hello --to other --group {team.group}; setsid -f {BIN}/ccccd >>{out} 2>&1); echo second >>{out}; exec sleep 1000"""
    other = team.start("other", *standin())["pid"]
    team.ready("other")
    team.told("other", "before")
    screen = team.screen("other")
    daemon = team.home.process.pid
    team.start("inside", "bash", "-c", script)
    team.until(lambda: out.exists() and "first\n" in out.read_text())
    assert team.home.process.poll() is None and team.home.process.pid == daemon
    assert not (team.home.path / "daemon/stopped").exists(), "a stop that was refused leaves no mark: the next command would start no daemon"
    team.home.stop()
    (team.home.path / "daemon/stopped").unlink(missing_ok=True)  # or nobody would start one by itself
    gone.touch()
    refused = f"ccccd: this is the terminal of an actor of {team.home.path}; run ccccd outside of it"
    denied, not_started = ["cccc: permission denied: an actor cannot stop the daemon it runs under; ask the user", "status 4"], [f"cccc: the daemon did not start: {refused}", "status 5"]
    until(lambda: out.read_text().count(refused) == 7 and "second\n" in out.read_text(), what="it did not say all that was expected")
    said = [line for line in out.read_text().splitlines() if not line.startswith("  next: ")]
    assert said[:13] == [refused, "status 1", *denied, *denied, "first", *not_started, *not_started, refused, "status 1"]
    assert sorted(said[13:]) == sorted(["second", refused, refused, not_started[0]])  # in whatever order: the last ones run beside the shell
    team.home.start()
    team.again()
    team.ready("other")
    team.until(lambda: team.actor("inside")["running"])
    os.kill(team.actor("inside")["pid"], signal.SIGKILL)
    team.until(lambda: team.events("runtime.exited"))
    assert team.actor("other")["pid"] == other and team.screen("other") == screen
    assert {e["by"] for e in team.events("chat.message")} == {"user"} and team.home.process.poll() is None


# Another home is another home, however it is named: its daemon may be run inside an actor, and goes with it.
def test_a_daemon_of_another_home_is_started_from_inside_an_actor(team, tmp_path):
    other, out = tmp_path / "other", tmp_path / "out"
    other.mkdir(mode=0o700)
    out.touch()
    team.start("inside", "bash", "-c", f"CCCC_HOME={other} {BIN}/ccccd >{out} 2>&1 & wait; echo ended >>{out}; exec sleep 1000")
    team.until(lambda: (other / "daemon/ccccd.addr.json").exists() or "ended" in out.read_text())
    bus = Bus(str(other))
    pid = bus.ask("ping")["pid"]
    bus.close()
    assert pid != team.home.process.pid and is_alive(pid)
    team.ask("actor_stop", actor_id="inside")
    assert not is_alive(pid)


# ---- programs that misbehave: the others do not notice ----


@pytest.fixture
def bystander(team, tmp_path):
    """An actor that goes on getting messages at the usual pace, and a daemon that is not bothered: checked when the test ends."""
    team.start("bystander", *standin(str(tmp_path / "bystander")))
    team.ready("bystander")
    team.told("bystander", "before")
    pid, used = team.actor("bystander")["pid"], ticks(team.home.process.pid)
    begun = time.monotonic()
    yield team
    started = time.monotonic()
    team.told("bystander", "after", 20)
    assert time.monotonic() - started < 10 * SLOW_BUILD
    assert team.actor("bystander")["pid"] == pid
    share = (ticks(team.home.process.pid) - used) / (time.monotonic() - begun) / os.sysconf("SC_CLK_TCK")
    assert share < 0.2 * SLOW_BUILD, f"the daemon used {100 * share:.0f} % of a core"


# `yes`: nothing of it on the bus, no processor time of the daemon, and its holder's memory and reading rate are bounded.
def test_output_without_end_stays_in_its_holder(bystander, team):
    team.start("flood", "yes")
    holder = team.record("flood")["hold_pid"]
    time.sleep(1)
    head, daemon, used, begun = len(team.events()), ticks(team.home.process.pid), ticks(holder), time.monotonic()
    time.sleep(2)
    rate = (ticks(holder) - used) / (time.monotonic() - begun) / os.sysconf("SC_CLK_TCK")
    assert len(team.events()) == head
    assert ticks(team.home.process.pid) - daemon <= 10 * SLOW_BUILD
    assert memory_kib(holder) < (10 * 1024 + 1024 + 3 * 1024) * SLOW_BUILD, "the ring, the lines that scrolled off, and itself"
    assert rate < 0.5 * SLOW_BUILD, f"{rate:.2f} of a processor; 0.3 is allowed, and what one read is over it"
    assert "y" in team.screen("flood")
    team.ask("actor_stop", actor_id="flood")


def bytes_read(pid):
    return int(pathlib.Path(f"/proc/{pid}/io").read_text().split()[1])


# Bytes that cost the mirror nothing: 4 MiB a second of them are read, and no more.
def test_output_that_costs_nothing_is_bounded_in_bytes(bystander, team):
    team.start("zeros", "cat", "/dev/zero")
    holder = team.record("zeros")["hold_pid"]
    time.sleep(1)
    begun, before = time.monotonic(), bytes_read(holder)
    time.sleep(2)
    windows = (time.monotonic() - begun) / 0.1 + 2
    assert bytes_read(holder) - before < windows * (400 + 64) * 1024
    team.ask("actor_stop", actor_id="zeros")


# So much on one line that no terminal was made for it.
def test_a_line_that_never_ends_harms_nobody(bystander, team, tmp_path):
    code = f"import os\nfor _ in range({LINE_MB}): os.write(1, b'x' * 1000000)\nopen({str(tmp_path / 'done')!r}, 'w')\nimport time; time.sleep(1000)"
    team.start("line", sys.executable, "-c", code)
    team.until(lambda: (tmp_path / "done").exists(), (20 + LINE_MB) * SLOW_BUILD)
    if SLOW_BUILD == 1:  # what a sanitizer keeps says nothing about us
        assert memory_kib(team.record("line")["hold_pid"]) < 10 * 1024 + 1024 + 3 * 1024
    assert set(team.screen("line").replace("\n", "")) == {"x"}
    team.ask("actor_stop", actor_id="line")


# A stopped program is not typed at, and told so; it gets what waited once it goes on.
def test_a_stopped_program_waits_for_its_messages(bystander, team, tmp_path):
    pid = team.start("sleeper", *standin(str(tmp_path / "sleeper")))["pid"]
    team.ready("sleeper")
    team.told("sleeper", "first")
    os.kill(pid, signal.SIGSTOP)
    team.ask("send", text="while it sleeps", to=["sleeper"])
    team.until(lambda: "stopped" in team.actor("sleeper").get("obstacle", ""))
    os.kill(pid, signal.SIGCONT)
    team.until(lambda: not team.actor("sleeper")["queued"] and team.actor("sleeper")["delivery"]["state"] == "accepted")
    assert (tmp_path / "sleeper").read_text().count("while it sleeps") == 1


# A program that closes its terminal can be reached no more: it is ended, and what it was is told.
def test_a_program_that_closes_its_terminal_is_ended(bystander, team):
    pid = team.start("deaf", "sh", "-c", "sleep 1; exec <&- >&- 2>&-; exec sleep 1000")["pid"]
    team.until(lambda: any(e["data"]["actor_id"] == "deaf" for e in team.events("runtime.exited")))
    assert not is_alive(pid)
    exited = next(e["data"] for e in team.events("runtime.exited") if e["data"]["actor_id"] == "deaf")
    assert exited["terminal_closed"] and not exited["asked"]
    assert "exited: closed its terminal" in team.home.cli("status").stdout
    team.ask("actor_stop", actor_id="deaf")
    assert "closed its terminal; stopped on purpose" in team.home.cli("actor", "list", "--group", team.group).stdout


# A fork bomb under a limit: it has as many processes as it may, and all of them end with it.
def test_a_fork_bomb_stays_under_its_limit(bystander, team):
    if not pathlib.Path("/sys/fs/cgroup/pids").is_dir() and os.getuid() == 0:
        pytest.skip("NOT PROVEN HERE: no control group for processes, and setrlimit does not bind root")
    team.start("bomb", "bash", "-c", "bomb() { bomb | bomb & }; bomb; sleep 1000", processes_max=40)
    holder = team.record("bomb")["hold_pid"]
    team.until(lambda: len(below(holder)) >= 30)
    time.sleep(1)
    assert len(below(holder)) <= 41
    team.ask("actor_stop", actor_id="bomb")
    assert not [pid for pid in below(holder) if is_alive(pid)]
    team.until(lambda: not pathlib.Path(f"/sys/fs/cgroup/pids/cccc-hold-{holder}").exists())  # the holder's last act, behind its report


# A program that the kernel kills for its actor's memory limit: the exit says which limit it was, wherever it is shown.
def test_an_exit_names_the_limit_that_was_reached(team):
    team.start("glutton", "bash", "-c", "sleep 0.2; exec python3 -c 'b = bytearray(500 << 20); print(1); input()'", memory_mib_max=60)
    holder = team.record("glutton")["hold_pid"]
    if not any(path.name == f"cccc-hold-{holder}" for path in pathlib.Path("/sys/fs/cgroup").glob("memory/**/cccc-hold-*")):
        pytest.skip("NOT PROVEN HERE: no control group for memory")
    exited = team.until(lambda: team.events("runtime.exited"))[0]["data"]
    assert exited["signal"] == 9 and exited["limit"] == "memory" and not exited["asked"]
    team.ask("actor_stop", actor_id="glutton")
    assert "signal 9 (its limit of memory was reached)" in team.home.cli("actor", "list", "--group", team.group).stdout


def below(pid):
    found, parents = [], {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
            except OSError:
                pass
    todo = [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


# ---- many ----


# Many actors are started, told something and stopped in seconds; each holder has little memory of its own.
def test_many_actors_at_once(team):
    names = [f"a{n}" for n in range(ACTORS)]
    for name in names:
        team.add(name, "cat")
    began = time.monotonic()
    started = team.ask("group_start")
    assert not started.get("failed"), started["failed"]
    rows = team.ask("actor_list")["actors"]
    assert all(row["running"] for row in rows)
    up = time.monotonic()
    team.ask("send", text="hello everybody", to=["@all"])
    team.until(lambda: all(row.get("delivery", {}).get("state") == "accepted" for row in team.ask("actor_list")["actors"]), 60)
    told = time.monotonic()
    dirty = [memory_kib(team.record(name)["hold_pid"]) for name in names]
    team.ask("group_stop")
    down = time.monotonic()
    assert not [row["id"] for row in team.ask("actor_list")["actors"] if row["running"]]
    print(f"{ACTORS} actors: up in {up - began:.1f} s, told in {told - up:.1f} s, down in {down - told:.1f} s; private dirty at most {max(dirty)} KiB")
    assert max(dirty) <= 3 * 1024 * SLOW_BUILD
    assert down - began < 10 * SLOW_BUILD * int(os.environ.get("CCCC_PATIENCE", "1"))


# Their sockets are their own: who attaches to one sees that one.
def test_actors_that_start_together_have_terminals_of_their_own(team):
    names = ["one", "two", "three"]
    for name in names:
        team.add(name, "sh", "-c", f"echo I am {name}; exec cat")
    team.ask("group_start")
    ways = {name: team.ask("term_attach", actor_id=name)["socket"] for name in names}
    assert len(set(ways.values())) == 3 and all(pathlib.Path(way).is_socket() for way in ways.values())
    for name in names:
        team.until(lambda n=name: f"I am {n}" in team.screen(n))
