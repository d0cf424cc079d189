"""Actors in terminals from the command line: started, watched, spoken to, attached to, stopped."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
from cliutil import CCCC, Terminal, answer, on_terminal, rows
from home import until

AGENT = [sys.executable, "-B", str(pathlib.Path(__file__).with_name("standin.py"))]


@pytest.fixture
def team(served, tmp_path):
    """A served home whose active group works in a directory; what it starts is stopped behind the test."""
    served.cli("attach", str(tmp_path))
    yield served
    if served.process.poll() is not None:
        served.start()
    served.cli("group", "stop")


def add(home, actor, *command, **options):
    home.cli("actor", "add", actor, "--runtime", "custom", "--command", shlex.join(command), *(f"--{k}={v}" for k, v in options.items()))


def start(home, actor, *command):
    """Its pid."""
    add(home, actor, *command)
    return answer(home, "actor", "start", actor)["pid"]


def shown(home, actor):
    return answer(home, "actor", "show", actor)["actor"]


def state(home, actor):
    return next(row[2] for row in rows(home.cli("actor", "list").stdout) if row[0] == actor)


# ---- start and stop ----


def test_start_says_the_pid_and_stop_that_it_is_gone(team):
    add(team, "lead", "cat")
    done = team.cli("actor", "start", "lead")
    pid = int(re.fullmatch(r"actor\tlead runs, pid (\d+)\n", done.stdout)[1])
    assert "next: cccc actor attach lead" in done.stderr and pathlib.Path(f"/proc/{pid}").exists()
    assert state(team, "lead") == "running" and f"pid\t{pid}\n" in team.cli("actor", "show", "lead").stdout
    anew = team.cli("actor", "restart", "lead").stdout
    assert re.fullmatch(r"actor\tlead runs anew, pid \d+\n", anew) and str(pid) not in anew
    assert team.cli("actor", "stop", "lead").stdout == "actor\tlead is stopped\n"
    assert state(team, "lead") == "stopped on purpose" and not pathlib.Path(f"/proc/{pid}").exists()


def test_a_restart_in_a_stopped_group_says_why_nothing_runs(team):
    start(team, "lead", "cat")
    team.cli("group", "stop")
    assert "its group does not run (`cccc group start`)" in team.cli("actor", "restart", "lead").stdout


# One of a stopped group is one: the others are named, are shown as left, and come back with their group.
def test_a_start_in_a_stopped_group_leaves_the_others(team):
    pids = [start(team, name, "cat") for name in ("one", "two")]
    team.cli("group", "stop")
    done = team.cli("actor", "start", "two")
    assert done.stdout.splitlines()[1:] == ["group\tdid not run, and runs now with this actor alone", "left\tone stays as it is"]
    assert "next: cccc group start" in done.stderr
    assert state(team, "one") == "left stopped" and state(team, "two") == "running"
    team.kill()
    team.start()
    until(lambda: state(team, "two") == "running")
    assert state(team, "one") == "left stopped"
    team.cli("group", "start")
    assert state(team, "one") == state(team, "two") == "running" and shown(team, "one")["pid"] not in pids


def test_what_cannot_start_says_why_and_what_to_do(team):
    add(team, "lead", "no-such-program")
    done = team.cli("actor", "start", "lead", check=False)
    assert done.returncode == 1 and done.stdout == "" and "no-such-program" in done.stderr and "next: `cccc actor show lead`" in done.stderr
    assert state(team, "lead").startswith("failed: ") and "no-such-program" in state(team, "lead") and "no-such-program" in shown(team, "lead")["start_error"]
    home = pathlib.Path(answer(team, "group", "show")["group"]["scopes"][0]["url"])
    home.rename(home.with_name("away"))
    assert "cccc attach PATH" in team.cli("actor", "start", "lead", check=False).stderr
    home.with_name("away").rename(home)
    team.cli("actor", "start", "lead", check=False)
    status = team.cli("status")
    assert "\nactor\tlead of g_" in status.stdout and "no-such-program" in status.stdout and "next: cccc actor show lead --group g_" in status.stderr
    assert answer(team, "actor", "start", "laed", status=3)["code"] == "actor_not_found"


def test_an_exit_is_shown_with_its_last_screen_and_nothing_of_it_is_obeyed(team):
    add(team, "lead", "sh", "-c", r"printf '\033]0;stolen\007last\033[31m words\n'; exit 7")
    team.cli("actor", "start", "lead", check=False)  # it may be gone before the answer
    said = until(lambda: "last_exit" in (text := team.cli("actor", "show", "lead").stdout) and text)
    assert "\nlast_exit\tcode 7, by itself, at " in said and "\nlast_screen\tlast words\n" in said
    until(lambda: "last_exit" in (text := on_terminal(team, "actor", "show", "lead", env={"NO_COLOR": "1"})[1]) and "\x1b" not in text)


# How a program ended, and when, stands in the list and in `status`, beside who runs; asked for or not.
def test_lists_say_how_and_when_a_program_ended(team):
    group = answer(team, "active")["active_group_id"]
    start(team, "one", "cat")
    start(team, "two", "sh", "-c", "trap 'exit 3' TERM; trap '' HUP; while :; do sleep 0.05; done")
    running = rows(team.cli("actor", "list").stdout)
    assert [row[8:10] for row in running] == [["-", "-"], ["-", "-"]]
    team.cli("actor", "stop", "two")
    exit = shown(team, "two")["exit"]
    assert exit["code"] == 3 and exit["asked"] is True
    assert rows(team.cli("actor", "list").stdout)[1][8:10] == ["code 3", exit["ts"]]
    listed = [row for row in rows(team.cli("status").stdout) if row[0] == group and row[1] in ("one", "two")]
    assert re.fullmatch(r"\d+[smh]", listed[0].pop(6))
    assert listed == [[group, "one", "running", "0", "0", "0", "-", "-", "-"], [group, "two", "stopped on purpose", "0", "0", "0", "-", "-", "code 3", exit["ts"]]]
    actors = answer(team, "status")["actors"]
    assert [(a["group_id"], a["id"], a["running"], a.get("exit")) for a in actors] == [(group, "one", True, None), (group, "two", False, exit)]


def test_a_group_starts_and_says_who_failed(team):
    add(team, "good", "cat")
    add(team, "bad", "no-such-program")
    add(team, "bus", "cat", runner="headless")
    done = team.cli("group", "start", check=False)
    facts = rows(done.stdout)
    assert done.returncode == 8 and facts[0][1].endswith(" is started") and "next: cccc actor show bad" in done.stderr
    assert [row[0] for row in facts[1:]] == ["running", "failed"]
    assert facts[1][1].startswith("good, pid ") and facts[2][1].startswith("bad: ") and "no-such-program" in facts[2][1]
    assert rows(team.cli("group", "set-state", "active").stdout)[1] == ["actors", "1 of 2 in terminals run"]
    stopped = rows(team.cli("group", "stop").stdout)
    assert stopped[0][1].endswith(" is stopped") and stopped[1:] == [["stopped", "good"], ["stopped", "bad"]]
    active = team.cli("group", "set-state", "active")
    assert rows(active.stdout)[1] == ["actors", "0 of 2 in terminals run; the group is stopped, and this starts none"] and "next: cccc group start g_" in active.stderr


# ---- what waits ----


def test_the_list_shows_what_waits_for_a_terminal(team):
    start(team, "lead", *AGENT)
    until(lambda: shown(team, "lead").get("ready"))
    team.cli("group", "set-state", "paused")
    team.cli("send", "later", "--to", "lead")
    row = rows(team.cli("actor", "list").stdout)[0]
    assert row[:6] == ["lead", "foreman", "running", "1", "0", "1"] and re.fullmatch(r"\d+[smh]", row[6]) and row[7] == "-"
    team.cli("group", "set-state", "active")
    until(lambda: shown(team, "lead").get("delivery", {}).get("state") == "accepted")
    assert [row[5:8:2] for row in rows(team.cli("actor", "list").stdout)] == [["0", "accepted"]]
    assert "\taccepted\t" in team.cli("status").stdout
    assert "last_delivery\taccepted: event " in team.cli("actor", "show", "lead").stdout


# ---- secrets ----


def test_secrets_come_from_input_or_a_file_and_only_names_are_shown(team, tmp_path):
    out, file = tmp_path / "env", tmp_path / "token"
    file.write_text("s3cr3t file\n")
    add(team, "lead", "sh", "-c", f"env >{out}; exec cat")
    assert team.cli("actor", "secrets", "lead", "--set", "ONE", text="s3cr3t input\n").stdout == "secret\tONE\n"
    assert team.cli("actor", "secrets", "lead", "--set", "TWO", "--from-file", str(file)).stdout == "secret\tONE\nsecret\tTWO\n"
    assert answer(team, "actor", "secrets", "lead")["keys"] == ["ONE", "TWO"]
    team.cli("actor", "start", "lead")
    until(lambda: out.exists() and "TWO=" in out.read_text())
    assert {"ONE=s3cr3t input", "TWO=s3cr3t file"} <= set(out.read_text().splitlines())
    assert team.cli("actor", "secrets", "lead", "--unset", "ONE").stdout == "secret\tTWO\n"
    assert team.cli("actor", "secrets", "lead", "--clear").stdout == "" and answer(team, "actor", "secrets", "lead", "--keys")["keys"] == []


@pytest.mark.parametrize("args", [["--set", "A=value"], ["--from-file", "x"], ["--set", "A", "--keys"], ["--set", "A", "--from-file", "/nonexistent"], ["--set", "A"]],
                         ids=" ".join)
def test_secrets_refuse_what_they_do_not_take(team, args):
    add(team, "lead", "cat")
    done = team.cli("actor", "secrets", "lead", *args, check=False, text="")
    assert done.returncode == 2 and "next: " in done.stderr and "A=value" not in done.stderr
    assert answer(team, "actor", "secrets", "lead")["keys"] == []


def test_a_secret_typed_at_a_terminal_is_not_shown(team):
    add(team, "lead", "cat")
    terminal = Terminal(team, "actor", "secrets", "lead", "--set", "TOKEN")
    terminal.read_until(b"(not shown): ")
    terminal.type(b"s3cr3t\n")
    status, text = terminal.finish()
    assert status == 0 and "s3cr3t" not in text and "TOKEN" in text


# ---- the terminal's text ----


def test_tail_shows_the_last_lines_and_clear_forgets_them(team):
    start(team, "lead", "sh", "-c", "seq 1 60; exec cat")
    until(lambda: "60" in team.cli("actor", "tail", "lead").stdout.split())
    assert team.cli("actor", "tail", "lead", "-n", "3").stdout.split() == ["58", "59", "60"]
    assert len(team.cli("actor", "tail", "lead").stdout.splitlines()) == 40
    assert "60" in answer(team, "actor", "tail", "lead")["text"]
    assert team.cli("actor", "tail", "lead", "--raw").stdout.startswith("1\n2\n")
    assert on_terminal(team, "actor", "tail", "lead", "--raw")[0] == 2
    assert "forgotten" in team.cli("actor", "clear", "lead").stdout
    assert team.cli("actor", "tail", "lead", "--raw").stdout == ""
    team.cli("actor", "stop", "lead")
    assert answer(team, "actor", "tail", "lead", status=6)["code"] == "actor_not_running"


# ---- attach ----


def attached(home, *args):
    terminal = Terminal(home, "actor", "attach", "lead", *args, env={"NO_COLOR": "1"})
    terminal.read_until(b"attached to lead")
    return terminal


def test_attach_types_shows_and_detaches_and_the_program_goes_on(team):
    pid = start(team, "lead", "bash", "--norc")
    terminal = attached(team)
    terminal.type(b"echo $((6*7)) $(stty size)\r")
    terminal.read_until(b"42 40 100")
    terminal.type(b"echo this too\x1decho not this\r")
    status, text = terminal.finish()
    assert status == 0 and "detached from lead; it goes on running" in text
    assert shown(team, "lead")["pid"] == pid and "not this" not in team.cli("actor", "tail", "lead").stdout


@pytest.mark.parametrize("keys, options", [(b"\x01", ["--detach-key", "^A"]), (b"\x1b[93;5u", []), (b"\x1b[27;5;93~", [])], ids=["own", "kitty", "xterm"])
def test_the_detach_key_is_known_however_it_is_sent(team, keys, options):
    start(team, "lead", "cat")
    terminal = attached(team, *options)
    terminal.type(keys)
    status, text = terminal.finish()
    assert status == 0 and "detached from lead" in text


def test_who_only_watches_types_nothing(team):
    start(team, "lead", "cat")
    first = attached(team)
    second = attached(team)
    second.read_until(b"somebody else types here")
    second.type(b"from the second\r\x1d")
    second.finish()
    third = attached(team, "--read-only")
    third.type(b"from the third\r\x1d")
    third.finish()
    first.type(b"from the first\r")
    first.read_until(b"from the first\r\nfrom the first")
    first.type(b"\x1d")
    text = first.finish()[1]
    assert "second" not in text and "third" not in text


def test_who_watched_types_once_the_one_who_typed_has_left(team):
    start(team, "lead", "cat")
    first, second = attached(team), attached(team)
    second.read_until(b"somebody else types here")
    reader = attached(team, "--read-only")
    first.type(b"\x1d")
    first.finish()
    second.read_until(b"nobody else types here now; you do")
    second.type(b"from the second\r")
    second.read_until(b"from the second\r\nfrom the second")
    for terminal in (second, reader):
        terminal.type(b"\x1d")
        terminal.finish()


def test_attach_ends_with_the_program(team):
    start(team, "lead", "cat")
    terminal = attached(team)
    team.cli("actor", "stop", "lead")
    status, text = terminal.finish()
    assert status == 0 and "lead exited\n" in text and "detached" not in text


# Each way out leaves the terminal's modes as they were; the shell around it prints them before and behind.
@pytest.mark.parametrize("way", ["key", "TERM", "HUP", "exit", "ABRT"])
def test_every_way_out_restores_the_terminal(team, way):
    start(team, "lead", "cat")
    terminal = Terminal(team, "--norc", "-i", "-c", f"stty -g; {CCCC} actor attach lead; echo; stty -g; echo the end", program="/bin/bash")
    terminal.read_until(b"attached to lead")
    terminal.type(b"raw already?\r")
    terminal.read_until(b"raw already?\r\nraw already?")
    if way == "key":
        terminal.type(b"\x1d")
    elif way == "exit":
        team.cli("actor", "stop", "lead")
    else:
        [pid] = [int(p) for p in pathlib.Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children").read_text().split()]
        os.kill(pid, getattr(signal, f"SIG{way}"))
    text = terminal.finish()[1]
    modes = [line for line in text.splitlines() if re.fullmatch(r"[0-9a-f:]{60,}", line)]
    assert len(modes) == 2 and modes[0] == modes[1] and "the end" in text
    assert "\x1b[?2004l" in text and "\x1b[?25h" in text


def test_attach_without_a_terminal_is_refused(team):
    start(team, "lead", "cat")
    error = answer(team, "actor", "attach", "lead", status=2)
    done = team.cli("actor", "attach", "lead", check=False, text="")
    assert error["code"] == "usage" and done.returncode == 2 and "next: cccc actor tail lead" in done.stderr
    assert on_terminal(team, "actor", "attach", "lead", "--detach-key", "x")[0] == 2
    assert on_terminal(team, "actor", "attach", "nobody")[0] == 3


@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_in_tmux_one_types_follows_the_size_detaches_and_it_goes_on(team, tmp_path):
    pid = start(team, "lead", "bash", "--norc")
    tmux = ["tmux", "-S", str(tmp_path / "s"), "-f", "/dev/null"]

    def run(*args):
        return subprocess.run([*tmux, *args], capture_output=True, text=True, check=True, env=team.environment()).stdout

    def screen(words):
        return until(lambda: re.search(words, text := run("capture-pane", "-p")) and text)

    run("new-session", "-d", "-x", "100", "-y", "20", "sh")
    try:
        run("send-keys", f"{CCCC} actor attach lead", "Enter")
        screen("attached to lead")
        run("send-keys", "stty size", "Enter")
        screen(r"(?m)^20 100$")
        run("resize-window", "-x", "90", "-y", "25")
        until(lambda: run("send-keys", "stty size", "Enter") or re.search(r"(?m)^25 90$", run("capture-pane", "-p")))
        run("send-keys", "C-]")
        screen("detached from lead; it goes on running")
        run("send-keys", "echo back $((40+2))", "Enter")
        screen("back 42")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    assert shown(team, "lead")["pid"] == pid and shown(team, "lead")["running"]


# ---- runtimes ----


def test_runtimes_are_listed_and_found_in_path(home, tmp_path):
    program = tmp_path / "bin/codex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo codex 1.2.3")
    program.chmod(0o755)
    env = {"PATH": f"{program.parent}:/usr/bin:/bin"}
    primary = rows(home.cli("runtime", "list", env=env).stdout)
    assert [row[0] for row in primary] == ["claude", "codex", "droid", "amp", "auggie", "neovate", "gemini"]
    assert primary[1][:4] == ["codex", "Codex CLI", "codex", str(program)] and primary[1][4].startswith("codex -c ")
    every = json.loads(home.cli("runtime", "list", "--all", "--json", env=env).stdout)["result"]["runtimes"]
    assert len(every) == 19 and [r["name"] for r in every if r["available"]] == ["codex"]
    assert ["runtimes", "ok", "codex (codex 1.2.3)"] in rows(home.cli("doctor", env=env).stdout)
    program.write_text("#!/bin/sh\nsleep 1000")
    assert ["runtimes", "ok", "codex"] in rows(home.cli("doctor", env=env).stdout)
