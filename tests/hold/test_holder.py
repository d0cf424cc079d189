"""A holder and real programs in its terminal: typing, its outcomes, exits, restarts of the daemon."""

import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest


def test_a_shell_gets_what_is_typed_once_and_its_screen_is_told(daemon):
    daemon.start("bash", "--norc")
    daemon.until_ready()
    report = daemon.type("echo one-$((40+2))")
    assert report["outcome"] == "accepted"
    assert daemon.shows("one-42")
    assert daemon.screen().count("one-42") == 1


def test_an_exit_is_reported_with_code_and_last_screen(daemon):
    daemon.start("bash", "-c", "echo last words; exit 3")
    daemon.until(lambda: daemon.exited)
    assert daemon.exited["code"] == 3 and not daemon.exited["asked"]
    assert "last words" in daemon.exited["screen"]
    assert daemon.process.wait(10) == 0


def test_a_program_that_is_not_there_is_a_failed_start(daemon):
    daemon.start("no-such-program-here")
    assert "no-such-program-here" in daemon.registrations[0]["failed"]
    assert daemon.process.wait(10) == 1


def test_stop_ends_everything_below_also_what_detached_itself(daemon):
    daemon.start("bash", "-c", "trap '' HUP TERM; (setsid sleep 1000 & ); echo pid $BASHPID; sleep 1000 & wait; sleep 1000")
    daemon.until_ready()
    children = processes_below(daemon.process.pid)
    assert len(children) >= 3, children
    daemon.order("stop", grace_ms=200)
    daemon.until(lambda: daemon.exited)
    assert daemon.exited["asked"]
    assert daemon.process.wait(10) == 0
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]


def processes_below(pid):
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and int(open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[1]) == parent:
                    found.append(int(name))
                    todo.append(int(name))
            except OSError:
                pass
    return found


def test_the_agent_survives_a_daemon_that_goes_and_comes_and_nothing_is_typed_twice(daemon):
    daemon.start("bash", "--norc")
    daemon.until_ready()
    pid = daemon.registrations[0]["pid"]
    for round_number in range(5):
        daemon.order("type", text=f"echo round-{round_number}-$((1))", submit="enter")
        if round_number % 2:
            time.sleep(0.05 * round_number)
        daemon.close_bus()
        daemon.open_bus()
        daemon.until(lambda n=round_number: len(daemon.registrations) >= n + 2)
        daemon.until(lambda: set(daemon.orders) <= set(daemon.reports))
    assert {r["pid"] for r in daemon.registrations} == {pid}
    assert {r["outcome"] for r in daemon.reports.values()} == {"accepted"}
    screen = daemon.screen()
    assert [screen.count(f"round-{n}-1") for n in range(5)] == [1] * 5, screen


def test_a_superseded_holder_ends_its_agent(daemon):
    daemon.start("cat")
    daemon.until_ready()
    pid = daemon.registrations[0]["pid"]
    daemon.superseded = True
    daemon.order("clear")
    assert daemon.process.wait(20) == 0
    assert not os.path.exists(f"/proc/{pid}")


def test_a_stopped_program_is_not_typed_at(daemon):
    daemon.start("cat")
    daemon.until_ready()
    stop = daemon.registrations[0]["pid"]
    os.kill(stop, signal.SIGSTOP)
    daemon.until(lambda: daemon.facts["stopped"])  # said at once, not when something is to be typed
    report = daemon.type("hello")
    assert report["outcome"] == "failed" and "stopped" in report["reason"]
    os.kill(daemon.registrations[0]["pid"], signal.SIGCONT)
    daemon.until(lambda: not daemon.facts["stopped"])
    assert daemon.type("hello")["outcome"] == "accepted"


# A holder whose home was removed has nobody to hold for: within 3 s and the usual grace it ends what it holds, and itself. One that is away for a moment is no removed one.
def test_a_holder_does_not_outlive_its_home(daemon):
    daemon.start("bash", "-c", "trap '' HUP; (setsid sleep 1000 & ); sleep 1000 & wait")
    daemon.until_ready()
    below, away = processes_below(daemon.process.pid), daemon.home.with_name(daemon.home.name + "-away")
    assert len(below) >= 3, below
    daemon.home.rename(away)
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.process.wait(1.2)  # longer than between two looks
    away.rename(daemon.home)
    assert daemon.ask("tail")["outcome"] == "done"
    shutil.rmtree(daemon.home)
    begun = time.monotonic()
    assert daemon.process.wait(20) == 0 and time.monotonic() - begun > 1.5
    assert not [pid for pid in below if os.path.exists(f"/proc/{pid}")]


def test_an_open_dialog_is_not_answered(daemon):
    daemon.start("bash", "-c", "read -p 'Do you want to proceed? ' answer; echo answered; cat", dialogs=["Do you want to proceed?"])
    daemon.until_ready()
    report = daemon.type("yes, and the rest of a message")
    assert report["outcome"] == "failed" and "dialog" in report["reason"]
    assert "answered" not in daemon.screen()


def test_a_program_that_prints_without_end_is_slowed_down_and_bounded(daemon):
    daemon.start("yes", "0123456789" * 10)
    daemon.until(lambda: daemon.facts.get("rows"))
    time.sleep(2)
    status = open(f"/proc/{daemon.process.pid}/status").read()
    rss = int(status.split("VmRSS:")[1].split()[0])
    ticks = sum(map(int, open(f"/proc/{daemon.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]))
    assert rss < 40 * 1024 * int(os.environ.get("CCCC_SLOW_BUILD", "1")), rss
    assert ticks < 150 * int(os.environ.get("CCCC_SLOW_BUILD", "1")), ticks


def test_bracketed_paste_is_one_unit_and_its_end_mark_cannot_be_smuggled_in(daemon):
    program = ("import sys,tty,os\ntty.setraw(0)\nos.write(1,b'\\x1b[?2004hready\\r\\n')\n"
               "seen=b''\nwhile b'\\r' not in seen.replace(b'\\r\\n',b''):\n    seen+=os.read(0,65536)\n"
               "os.write(1,b'\\x1b[2J\\x1b[H'+repr(seen).encode()+b'\\r\\n')\nimport time\ntime.sleep(100)\n")
    daemon.start("python3", "-c", program)
    daemon.until_ready()
    report = daemon.type("line one\nline two\x1b[201~; rm -rf /\r\x9b201~\x07\x03")
    assert report["outcome"] == "accepted"
    assert daemon.shows(repr(b"\x1b[200~line one\nline two[201~; rm -rf /\n201~\x1b[201~\r").replace("b'", "b'", 1)[:60])


# ---- what the screen says about a text that was typed ----

STANDIN = [sys.executable, "-B", str(pathlib.Path(__file__).parents[1] / "e2e/standin.py")]


def agent(daemon, *options, **more):
    daemon.start(*STANDIN, *options, str(daemon.home / "got"), **{"draws": True, "shows": True, **more})
    daemon.until_ready()


def got(daemon):
    return (daemon.home / "got").read_text().splitlines() if (daemon.home / "got").exists() else []


# A submit key that the program took for something else is pressed again while the text stands in the input line, whatever moves elsewhere on the screen.
@pytest.mark.parametrize("options", [[], ["--spin"], ["--spin", "--pasted"]], ids=" ".join)
def test_a_text_that_was_not_submitted_is_submitted_again_and_not_typed_again(daemon, options):
    agent(daemon, "--swallow", "1", *options)
    report = daemon.type("first line\nsecond line")
    assert report["outcome"] == "accepted" and report["evidence"] == "the text left the input line"
    assert got(daemon) == ["got 1: first line|second line"]


# What still stands in the input line was not delivered, and nothing is typed behind it until somebody has seen to it.
def test_a_text_that_stays_in_the_input_line_is_not_called_delivered(daemon):
    agent(daemon, "--swallow", "100", "--spin")
    report = daemon.type("it stays")
    assert report["outcome"] == "ambiguous" and "input line" in report["reason"]
    report = daemon.type("another one")
    assert report["outcome"] == "failed" and "input line" in report["reason"]
    assert got(daemon) == []


# A program that shows what it is given, and did not, may have lost it: that something moves on its screen says nothing.
def test_a_text_that_was_never_shown_is_not_called_delivered(daemon):
    program = "import itertools, os, time, tty\ntty.setraw(0)\nos.write(1, b'\\x1b[?2004hready')\nfor n in itertools.count():\n    os.write(1, b'\\x1b7\\x1b[9;9H%d\\x1b8' % n)\n    time.sleep(.05)\n    if n % 4 == 0 and __import__('select').select([0], [], [], 0)[0]: os.read(0, 65536)\n"
    daemon.start(sys.executable, "-c", program, draws=True, shows=True)
    daemon.until_ready()
    report = daemon.type("is anybody there")
    assert report["outcome"] == "ambiguous" and "never showed" in report["reason"]


# A program that takes keys as commands has taken none of it as a message: that its screen changes says nothing, and neither does the end of the text alone.
KEYS = ("import os, tty\ntty.setraw(0)\nos.write(1, b'\\x1b[?1049h\\x1b[2J\\x1b[Hkeys')\nline, command = b'', True\nwhile key := os.read(0, 1):\n"
        "    if key == b'\\r': line, command = b'', True; os.write(1, b'\\x1b[2J\\x1b[Hkeys')\n    elif command: command = key != b'i'; os.write(1, b'\\x1b[9;9H' + key)\n"
        "    else: line += key; os.write(1, b'\\x1b[3;1H> ' + line)\n")


@pytest.mark.parametrize("command", [["less", __file__], ["top"], [sys.executable, "-c", KEYS]], ids=["less", "top", "editor"])
def test_a_text_that_was_taken_as_keys_is_not_called_delivered(daemon, command):
    if not shutil.which(command[0]):
        pytest.skip(f"NOT PROVEN HERE: {command[0]} is not installed")
    daemon.start(*command, environment={"LESSSECURE": "1"})
    daemon.until_ready()
    report = daemon.type("hand in the report about the weather of yesterday")
    assert report["outcome"] == "ambiguous" and "as keys" in report["reason"]
    assert command[-1] != KEYS or report["evidence"] == "partly shown"


# An agent that asks for pastes long before it listens is typed at once it has drawn something.
def test_nothing_is_typed_before_an_agent_has_drawn_its_screen(daemon):
    agent(daemon, "--early", "2")
    assert daemon.type("not too early")["outcome"] == "accepted"
    assert got(daemon) == ["got 1: not too early"]


# A question that comes up between the text and its submit key is not answered by the key.
def test_a_question_that_opens_meanwhile_is_not_answered_by_the_submit_key(daemon):
    program = ("import os, tty\ntty.setraw(0)\nos.write(1, b'\\x1b[?2004h> ')\nos.read(0, 65536)\nos.write(1, b'\\r\\nDo you want to go on?\\r\\n> 1. Yes\\r\\n')\n"
               "key = os.read(0, 1)\nos.write(1, b'answered with %r' % key)\nimport time; time.sleep(1000)\n")
    daemon.start(sys.executable, "-c", program, questions=["Do you want to"])
    daemon.until_ready()
    order = daemon.order("type", text="a message", submit="enter")
    assert daemon.shows("Do you want to go on?")
    time.sleep(3)  # longer than the screen is waited for
    assert "answered" not in daemon.screen() and order not in daemon.reports


# ---- a person at the terminal ----


def attach(daemon):
    ticket = daemon.ask("ticket")["result"]["ticket"]
    person = socket.socket(socket.AF_UNIX)
    person.settimeout(10)
    person.connect(str(daemon.home / "t.sock"))
    person.sendall(f"ticket {ticket}\n".encode())
    return person


def keys(person, text):
    person.sendall(b"d" + struct.pack(">I", len(text)) + text)


def shown(person, wanted):
    seen = b""
    while wanted not in seen:
        seen += person.recv(65536)
    return seen


# Somebody who looks is shown what was printed, without the questions that their terminal would answer; what is asked from then on is theirs to answer.
def test_a_replay_asks_nothing(daemon):
    daemon.start("sh", "-c", r"stty raw -echo; printf 'before\033[6n\033[cbehind'; read line; printf 'now\033[6nlive'; cat")
    daemon.until_ready()
    with attach(daemon) as person:
        assert b"beforebehind" in shown(person, b"behind")
        keys(person, b"\n")
        assert b"now\x1b[6nlive" in shown(person, b"live")


# Answers of a person's terminal, and keys that make no line, keep no message waiting; half a line does, until it is finished.
def test_only_half_a_line_keeps_a_message_waiting(daemon):
    agent(daemon)
    with attach(daemon) as person:
        keys(person, b"\x1b[?1;2c\x1b[12;1R\x1b[I\x1b[<35;1;1M")
        shown(person, b"ready")
        assert daemon.type("in front of a person who only looks")["outcome"] == "accepted"
        keys(person, b"half a li")
        shown(person, b"half a li")
        assert "half a line" in daemon.type("too early")["reason"] or time.sleep(2.5) or "half a line" in daemon.type("still")["reason"]
        keys(person, b"ne\r")
        shown(person, b"half a line")
        time.sleep(2.1)  # the pause after a person's last key
        assert daemon.type("now")["outcome"] == "accepted"
    assert [line.endswith(end) for line, end in zip(got(daemon), ["in front of a person who only looks", ": half a line", ": now"], strict=True)] == [True] * 3


# A key that a program took as a command, and did not put into a line, leaves no half line behind.
def test_a_key_that_was_a_command_is_no_half_line(daemon):
    program = "import os, tty\ntty.setraw(0)\nos.write(1, b'\\x1b[?2004hpress q> ')\nwhile data := os.read(0, 65536):\n    os.write(1, b'\\r\\n%d bytes> ' % len(data))\n"
    daemon.start(sys.executable, "-c", program)
    daemon.until_ready()
    with attach(daemon) as person:
        keys(person, b"q")
        shown(person, b"1 bytes")
    time.sleep(2.1)
    assert daemon.type("a message")["outcome"] == "accepted"


# The daemon need not try to find out: what keeps texts away is said as soon as it is there, and as soon as it is gone; a daemon that was not there is told, too.
def test_what_keeps_texts_away_is_said_at_once(daemon):
    daemon.start("bash", "-c", "read -p 'Do you want to proceed? ' answer; clear; cat", dialogs=["Do you want to proceed?"])
    def said(obstacle):
        daemon.until(lambda: daemon.facts.get("obstacle") == obstacle)

    said("a dialog is open in the terminal")
    with attach(daemon) as person:
        keys(person, b"y\r")
        said("a person is typing")
        said("")
        keys(person, b"half")
        said("a person has typed half a line")
        keys(person, b"\r")
        said("")
    os.kill(daemon.registrations[0]["pid"], signal.SIGSTOP)
    said("the agent's process is stopped")
    daemon.close_bus()
    daemon.facts.clear()
    daemon.open_bus()
    said("the agent's process is stopped")
    os.kill(daemon.registrations[0]["pid"], signal.SIGCONT)
    said("")
    assert daemon.type("hello")["outcome"] == "accepted"
    assert not daemon.exited


# Connections that show no ticket do not keep those out who have one.
def test_silent_connections_keep_nobody_out(daemon):
    daemon.start("cat")
    daemon.until_ready()
    silent = []
    for _ in range(40):
        silent.append(socket.socket(socket.AF_UNIX))
        silent[-1].connect(str(daemon.home / "t.sock"))
    with attach(daemon) as person:
        keys(person, b"hello\r")
        shown(person, b"hello")
        assert daemon.shows("hello\nhello")
    for one in silent:
        one.close()


# ---- limits where there are no control groups for us: setrlimit(2), which binds all but root ----


@pytest.fixture
def somebody():
    """The id of a user who has no processes and may make no control groups."""
    if os.getuid() != 0:
        pytest.skip("NOT PROVEN HERE: only root can be somebody else")
    return 64000 + os.getpid() % 1000


def test_a_fork_bomb_of_somebody_without_control_groups_stays_under_its_limit(daemon, somebody):
    daemon.start("bash", "-c", "bomb() { bomb | bomb & }; bomb; sleep 1000", processes_max=30, uid=somebody)
    deadline = time.monotonic() + 20
    while len(processes_below(daemon.process.pid)) < 20:
        assert time.monotonic() < deadline
    assert len(processes_below(daemon.process.pid)) <= 30
    daemon.order("stop", grace_ms=200)
    daemon.until(lambda: daemon.exited)
    assert not processes_below(daemon.process.pid)


@pytest.mark.skipif("CCCC_SLOW_BUILD" in os.environ, reason="a sanitizer's own memory is over any such limit")
def test_memory_of_somebody_without_control_groups_stays_under_its_limit(daemon, somebody):
    daemon.start("/usr/bin/python3", "-c", "print('start')\ntry: bytearray(500 << 20)\nexcept MemoryError: print('refused')\nimport time; time.sleep(1000)", memory_mib_max=200, uid=somebody)
    daemon.until_ready()
    assert daemon.shows("refused")
