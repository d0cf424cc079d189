"""A holder and real programs in its terminal: typing, its outcomes, exits, restarts of the daemon."""

import os
import signal
import time


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
    while open(f"/proc/{stop}/stat").read().rsplit(")", 1)[1].split()[0] != "T":
        pass
    report = daemon.type("hello")
    assert report["outcome"] == "failed" and "stopped" in report["reason"]
    os.kill(daemon.registrations[0]["pid"], signal.SIGCONT)
    assert daemon.type("hello")["outcome"] == "accepted"


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
