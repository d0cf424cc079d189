"""Actors that are real programs: shells, interpreters, editors, a full-screen program, and the manners of agents. Each gets a message in its terminal; what the ledger
says of it is what happened."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import sys
import time

import pytest

from actorutil import Team, is_alive, standin

CURSES = """
import curses
def main(screen):
    screen.addstr(0, 0, 'a full screen'); screen.refresh()
    line = ''
    while True:
        key = screen.getch()
        if key in (10, 13):
            screen.erase(); screen.addstr(0, 0, 'a full screen'); screen.addstr(2, 0, '> ' + line); line = ''
        elif key >= 32:
            line += chr(key & 0xff)
        screen.refresh()
curses.wrapper(main)
"""


@pytest.fixture
def team(served, tmp_path):
    made = Team(served, tmp_path)
    yield made
    made.end()


# A line editor, an interpreter and a program that only echoes: the message is in what they show, typed once.
@pytest.mark.parametrize("command", [["bash", "--norc"], [sys.executable, "-q"], ["cat"]], ids=["bash", "python", "cat"])
def test_a_program_with_a_prompt_gets_its_message(team, command, tmp_path):
    (tmp_path / "cccc").write_text(f"#!/bin/sh\necho \"$@\" >>{tmp_path}/ran")
    (tmp_path / "cccc").chmod(0o755)
    team.start("lead", *command, env={"PYTHON_HISTORY": "/dev/null", "TERM": "xterm", "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    team.told("lead", "hello-from-a-test")
    assert not (tmp_path / "ran").exists(), "what cccc itself says is no command of a shell"
    team.until(lambda: "hello-from-a-test" in team.screen("lead"))
    assert [d["data"]["state"] for d in team.events("runtime.delivery")] == ["claimed", "accepted"]
    if command == ["cat"]:
        assert team.screen("lead").count("hello-from-a-test") == 2, "once by the terminal, once by cat"


@contextlib.contextmanager
def person_at(team, actor_id):
    """Somebody attached to the terminal of an actor: call it with the keys that they press."""
    way = team.ask("term_attach", actor_id=actor_id)
    with socket.socket(socket.AF_UNIX) as person:
        person.connect(way["socket"])
        person.sendall(f"ticket {way['ticket']}\n".encode())
        yield lambda keys: person.sendall(b"d" + struct.pack(">I", len(keys)) + keys)


# A line that a person has fetched or searched for is theirs: nothing is typed behind it, and so nothing of it is run, until they have ended it or it is empty again.
@pytest.mark.parametrize("keys, waits, ending", [(b"\x1b[A", "$ echo RAN", b"\x03"), (b"\x12RA", "reverse-i-search", b"\r"), (b"touch abc\t" + b"\x7f" * 10, "$ touch", b"\x17\x17"),
                                                 (b"\x1b.", "ran.txt", b"\x15")], ids=["up", "search", "completed", "last-word"])
def test_a_line_that_was_fetched_is_not_typed_behind(team, tmp_path, keys, waits, ending):
    (tmp_path / "abcdefghij").touch()
    history = tmp_path / "history"
    history.write_text("echo RAN >> ran.txt\n")
    team.start("lead", "bash", "--norc", env={"PS1": "$ ", "HISTFILE": str(history), "INPUTRC": "/dev/null"})
    team.told("lead", ": first")
    with person_at(team, "lead") as press:
        press(b"\x0c\rhistory -c; history -r; PS1='$ '\r")
        team.until(lambda: team.screen("lead").rstrip().endswith("PS1='$ '\n$"))
        press(keys)
        team.until(lambda: waits in team.screen("lead"))
        seq = team.ask("send", text=": it came", to=["lead"])["event"]["seq"]
        team.until(lambda: team.actor("lead").get("obstacle") == "a person has typed half a line")
        time.sleep(1)  # it is not handed over meanwhile
        assert not (tmp_path / "ran.txt").exists() and "it came" not in team.screen("lead")
        press(ending)
        team.until(lambda: any(seq in d["data"]["seqs"] and team.outcome(d) == "accepted" for d in team.deliveries("lead", "claimed")))
    ran = (tmp_path / "ran.txt").read_text() if (tmp_path / "ran.txt").exists() else ""
    assert ran == ("RAN\n" if ending == b"\r" else "")
    assert team.screen("lead").count("it came") == 1


# A line is no obstacle once it is empty, however it was emptied.
@pytest.mark.parametrize("keys, shows, emptying", [(b"word", "$ word", b"\x17"), (b"two words", "two words", b"\x1b\x7f\x1b\x7f"), (b"\x1b[A", "$ : first", b"\x1b[B"), (b"\x12fir", "reverse-i-search", b"\x07")],
                         ids=["word", "words", "down", "given-up"])
def test_a_line_that_is_empty_again_is_no_obstacle(team, keys, shows, emptying):
    team.start("lead", "bash", "--norc", env={"PS1": "$ ", "INPUTRC": "/dev/null"})
    team.told("lead", ": first")
    with person_at(team, "lead") as press:
        press(b"\x0c\r: first\r")
        team.until(lambda: team.screen("lead").rstrip().endswith("$ : first\n$"))
        press(keys)
        team.until(lambda: shows in team.screen("lead").splitlines()[-1] or shows in team.screen("lead").splitlines()[-2])
        press(emptying)
    team.told("lead", ": it came")
    assert team.screen("lead").count("it came") == 1


# In an editor that takes text as it comes: the text is in the buffer as it was sent, without a key pressed too many.
@pytest.mark.skipif(not shutil.which("vim"), reason="NOT PROVEN HERE: vim is not installed")
def test_an_editor_gets_its_message_as_text(team, tmp_path):
    team.start("lead", "vim", "-u", "NONE", "-N", "+set paste", "+startinsert", str(tmp_path / "file"))
    team.told("lead", "dd:wq <- only letters here")
    team.until(lambda: "dd:wq <- only letters here" in team.screen("lead"))
    assert team.actor("lead")["running"]


# A full-screen program on the alternate screen that knows no pastes gets the message as one line.
def test_a_full_screen_program_gets_its_message_on_one_line(team):
    team.start("lead", sys.executable, "-c", CURSES, env={"TERM": "xterm"})
    team.until(lambda: "a full screen" in team.screen("lead"))
    team.told("lead", "first\nsecond")
    team.until(lambda: "first second" in team.screen("lead"))
    assert "a full screen" in team.screen("lead")


# ---- the manners of agents ----


def test_an_agent_on_the_alternate_screen_with_a_busy_indicator(team, tmp_path):
    team.start("lead", *standin("--alternate", "--busy", "2", str(tmp_path / "got")))
    for n in range(3):
        team.ask("send", text=f"message {n}.", to=["lead"])
    team.until(lambda: team.actor("lead")["queued"] == 0 and team.actor("lead").get("delivery", {}).get("state") == "accepted", 60)
    got = (tmp_path / "got").read_text()
    assert [got.count(f"message {n}.") for n in range(3)] == [1, 1, 1] and got.count("You are lead") == 1


# An agent that throws away what comes before it is ready loses nothing: nothing comes before.
def test_an_agent_that_starts_slowly_loses_nothing(team, tmp_path):
    team.start("lead", *standin("--slow", "3", str(tmp_path / "got")))
    team.told("lead", "not too early", 60)
    got = (tmp_path / "got").read_text()
    assert got.count("not too early") == 1 and got.count("You are lead") == 1


# A question of the agent's own is left alone: the message waits until it is gone, and no key of ours answers it.
def test_a_permission_dialog_is_not_answered_by_a_message(team, tmp_path):
    team.start("lead", *standin("--dialog", "4", str(tmp_path / "got")), runtime="claude")
    team.told("lead", "please-ask before you do it")
    team.until(lambda: "Do you want to proceed?" in team.screen("lead"))
    team.ask("send", text="an innocent message\nDo you want to be quoted?", to=["lead"])
    team.until(lambda: "dialog" in team.actor("lead").get("obstacle", ""))
    team.until(lambda: not team.actor("lead")["queued"] and team.actor("lead")["delivery"]["state"] == "accepted", 60)
    assert "answered by a key" not in team.screen("lead")
    assert (tmp_path / "got").read_text().count("an innocent message") == 1


# Where the terminal edits lines, a message longer than it takes is not typed to be cut in silence: a line says where it can be read.
def test_a_message_longer_than_a_line_takes_is_pointed_at(team, tmp_path):
    team.start("lead", "sh", "-c", f"cat >{tmp_path / 'got'}")
    team.told("lead", "a long story " * 1000)
    got = team.until(lambda: "cccc inbox" in (tmp_path / "got").read_text() and (tmp_path / "got").read_text())
    assert "longer than this terminal takes" in got and "a long story" not in got
    assert team.ask("inbox_list", actor_id="lead")["unread_total"] == 1


# Every byte and the sequences people try, as a program sees them: no control but newline and tab comes through, outside of our own brackets.
def test_no_control_reaches_a_program_through_a_message(team, tmp_path):
    got = tmp_path / "got"
    code = (f"import os, tty\ntty.setraw(0)\nos.write(1, b'\\x1b[?2004h> ')\nout = open({str(got)!r}, 'ab', 0)\n"
            "while data := os.read(0, 65536):\n    out.write(data)\n    os.write(1, b'.')\n")
    team.start("lead", sys.executable, "-c", code)
    every = "".join(chr(n) for n in range(1, 0xA0))
    sequences = ["\x1b[201~; rm -rf /\r", "\x1b[20\x1b[201~1~", "\x9b201~", "\x1b]52;c;aGk=\x07", "\x1b]0;title\x1b\\", "\x1bP+q\x1b\\", "\x03\x04\x1a\x1c", "\u202e\u2066\u200b"]
    team.told("lead", "begin " + every + " ".join(sequences) + " the end")
    team.until(lambda: b"the end" in got.read_bytes())
    seen = got.read_bytes()
    inside = b"".join(piece.partition(b"\x1b[201~")[0] for piece in seen.split(b"\x1b[200~")[1:])
    assert seen.count(b"\x1b[200~") == seen.count(b"\x1b[201~") == 2, "the preamble and the message"
    controls = {c for c in inside.decode() if (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0) and c not in "\n\t"}
    assert controls == set() and "\u202e" not in inside.decode()
    outside = seen.replace(b"\x1b[200~", b"").replace(b"\x1b[201~", b"").replace(inside, b"")
    assert set(outside.replace(b"\r", b"")) <= set(inside), outside


# ---- words of the group's own ----


def test_a_group_has_a_preamble_of_its_own(team, tmp_path):
    prompts = team.home.path / "groups" / team.group / "prompts"
    prompts.mkdir()
    (prompts / "CCCC_PREAMBLE.md").write_text("Speak only in verse.\n")
    team.start("lead", *standin(str(tmp_path / "got")))
    team.told("lead", "hello")
    first = (tmp_path / "got").read_text().splitlines()[0]
    assert "You are lead" in first and "Speak only in verse." in first and "cccc inbox" not in first


# ---- what comes back by itself ----


# What ran when everything ended runs again when a daemon starts: nobody asks for it, and who was stopped on purpose stays stopped.
def test_what_ran_comes_back_with_the_daemon(team):
    team.start("one", "cat")
    team.start("two", "cat")
    team.ask("actor_stop", actor_id="two")
    pid, holder = team.actor("one")["pid"], team.record("one")["hold_pid"]
    team.home.stop()
    os.kill(holder, signal.SIGKILL)
    while is_alive(holder):
        time.sleep(0.01)
    team.home.start()
    team.again()
    team.until(lambda: team.actor("one")["running"])
    assert team.actor("one")["pid"] != pid and team.events("runtime.started")[-1]["data"]["why"] == "boot"
    assert team.actor("two")["runtime_state"] == "exited"


# A message wakes who is named by its own id, and types it; a message to everybody wakes nobody.
def test_a_message_wakes_whom_it_names(team, tmp_path):
    team.start("one", "cat")
    team.start("two", *standin(str(tmp_path / "got")))
    team.ask("actor_stop", actor_id="two")
    team.ask("send", text="everybody", to=["@all"])
    assert team.actor("two")["runtime_state"] == "exited" and not team.actor("two")["enabled"]
    team.told("two", "you there")
    assert team.events("runtime.started")[-1]["data"]["why"] == "woken"
    got = (tmp_path / "got").read_text()
    assert "everybody" in got and "you there" in got
