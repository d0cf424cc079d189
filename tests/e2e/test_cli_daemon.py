"""The daemon's life as the command line manages it: who starts it, who stops it, and what is said when it is not there."""

import json
import os
import pathlib
import signal
import subprocess

import pytest
from busclient import descriptor
from cliutil import CCCC, answer, group_with, steady
from home import Home


def pid_of(home):
    return descriptor(home.path)["pid"]


def lives(pid):
    """True unless it is gone or only waits to be collected."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_cccc_alone_makes_the_daemon_run_and_says_what_to_type_next(home):
    done = home.cli()
    assert steady(done.stdout) == "home\tHOME\ndaemon\trunning, pid N, version 0.1.0\ngroups\t0\n"
    assert "cccc attach ." in done.stderr
    pid = pid_of(home)
    home.cli()
    assert pid_of(home) == pid


def test_start_succeeds_also_when_one_serves_already(home):
    assert answer(home, "daemon", "start")["state"] == "started"
    pid = pid_of(home)
    assert answer(home, "daemon", "start") == {"state": "running already", "pid": pid, "home": str(home.path)}


def test_start_passes_on_how_clients_of_0_4_0_want_to_come(home):
    home.cli("daemon", "start", env={"CCCC_DAEMON_TRANSPORT": "tcp", "CCCC_DAEMON_PORT": "0"})
    assert descriptor(home.path)["transport"] == "tcp"


def test_status_is_3_without_a_daemon_and_0_with_one(home):
    assert home.cli("daemon", "status", check=False).returncode == 3
    assert home.cli("status", check=False).returncode == 3
    assert answer(home, "status", status=3)["code"] == "daemon_not_running"
    assert not (home.path / "daemon" / "ccccd.addr.json").exists(), "status starts nothing"
    home.cli("daemon", "start")
    assert steady(home.cli("daemon", "status").stdout) == "daemon\trunning, pid N, version 0.1.0, home HOME\n"
    assert answer(home, "daemon", "status")["pid"] == pid_of(home)


def test_a_command_that_needs_a_daemon_starts_one(home):
    assert home.cli("groups").returncode == 0
    assert lives(pid_of(home))


def test_after_stop_nothing_but_start_and_cccc_alone_start_it(home):
    home.cli("daemon", "start")
    pid = pid_of(home)
    assert answer(home, "daemon", "stop") == {"state": "stopped", "pid": pid, "home": str(home.path)}
    assert not lives(pid) and (home.path / "daemon" / "stopped").exists()
    for command in (["groups"], ["active"], ["smoke"], ["send", "x", "--group", "g_000000000000"], ["tail", "--group", "Demo"]):
        done = home.cli(*command, check=False)
        assert done.returncode == 5 and "cccc daemon start" in done.stderr, (command, done)
    assert answer(home, "groups", status=5)["code"] == "daemon_not_running"
    assert home.cli("daemon", "status", check=False).stdout.startswith("daemon\tstopped")
    home.cli()
    assert lives(pid_of(home)) and not (home.path / "daemon" / "stopped").exists()
    home.cli("daemon", "stop")
    home.cli("daemon", "start")
    assert not (home.path / "daemon" / "stopped").exists()


def test_stop_without_a_daemon_is_no_error_and_is_remembered(home):
    home.cli("daemon", "start")
    home.cli("daemon", "stop")
    assert answer(home, "daemon", "stop")["state"] == "not running"
    assert home.cli("groups", check=False).returncode == 5


def test_restart_yields_another_process_and_keeps_the_groups(home):
    group_with(home, "lead")
    before = pid_of(home)
    assert answer(home, "daemon", "restart")["state"] == "restarted"
    assert pid_of(home) != before and not lives(before)
    assert [group["title"] for group in answer(home, "groups")["groups"]] == ["Demo"]


def test_a_killed_daemon_is_noticed_and_replaced(home):
    group = group_with(home, "lead")
    dead = pid_of(home)
    os.kill(dead, signal.SIGKILL)
    fd = os.pidfd_open(dead) if lives(dead) else None
    if fd is not None:
        import select

        select.select([fd], [], [], 10)
        os.close(fd)
    assert home.cli("daemon", "status", check=False).returncode == 3
    answer(home, "send", "after the crash", "--to", "lead")
    assert pid_of(home) != dead
    assert [line["data"].get("text") for line in home.ledger(group)][-1] == "after the crash"


def test_a_daemon_that_hangs_is_told_apart_and_stop_ends_it_all_the_same(home):
    home.cli("daemon", "start")
    pid = pid_of(home)
    os.kill(pid, signal.SIGSTOP)
    try:
        for command in (["status"], ["daemon", "status"]):
            error = answer(home, *command, "--timeout", "1", status=5)
            assert error["code"] == "daemon_unreachable" and "cccc daemon restart" in error["hint"], command
        done = home.cli("doctor", "--timeout", "1", check=False)
        assert done.returncode == 1 and "does not answer" in done.stdout
        home.cli("daemon", "stop", "--timeout", "1")
        assert not lives(pid)
    finally:
        if lives(pid):
            os.kill(pid, signal.SIGCONT)


# Somebody removed the socket: every way to ask says that the daemon lives and what makes it reachable again, and that does.
def test_a_daemon_whose_socket_is_gone_is_restarted(home):
    group_with(home, "lead")
    (home.path / "daemon" / "ccccd.bus").unlink()
    for command in (["status"], ["daemon", "status"], ["groups"], ["tail"]):
        error = answer(home, *command, status=5)
        assert error["code"] == "daemon_unreachable" and f"(pid {pid_of(home)}) lives" in error["message"], command
        assert "cccc daemon restart" in error["hint"]
    done = home.cli("doctor", check=False)
    assert done.returncode == 1 and "cccc daemon start`" not in done.stdout
    assert home.cli("daemon", "restart").returncode == home.cli("status").returncode == 0


# A copy of a home has the descriptor of the original's daemon: no command in the copy asks that one, stops it or waits for it, and the copy gets its own.
def test_a_copy_of_a_served_home_leaves_the_originals_daemon_alone(home, tmp_path):
    group = group_with(home, "lead")
    copy = str(tmp_path / "copy")
    subprocess.run(["cp", "-a", home.path, copy], check=True)
    original, before = pid_of(home), home.ledger(group)
    assert home.cli("daemon", "status", "--home", copy, check=False).returncode == 3
    assert answer(home, "daemon", "stop", "--home", copy)["state"] == "not running"
    assert answer(home, "daemon", "restart", "--home", copy)["state"] == "started"
    try:
        sent = answer(home, "send", "to the copy", "--to", "lead", "--home", copy)["event"]["id"]
        assert f'"{sent}"' in pathlib.Path(copy, "groups", group, "ledger.jsonl").read_text() and home.ledger(group) == before
    finally:
        stopped = answer(home, "daemon", "stop", "--home", copy)
    assert stopped["pid"] != original and lives(original) and not lives(stopped["pid"])


# The pid of a daemon that died is another home's daemon by now: that one is neither taken for ours nor signalled.
def test_a_pid_that_was_used_again_is_not_signalled(home):
    group_with(home, "lead")
    dead = descriptor(home.path)
    os.kill(dead["pid"], signal.SIGKILL)
    with Home() as other:
        other.cli("daemon", "start")
        theirs = pid_of(other)
        (home.path / "daemon/ccccd.addr.json").write_text(json.dumps(dead | {"pid": theirs}))
        (home.path / "daemon/ccccd.pid").write_text(f"{theirs}\n")
        assert home.cli("daemon", "status", check=False).returncode == 3
        assert answer(home, "daemon", "stop")["state"] == "not running"
        assert answer(home, "daemon", "restart")["state"] == "started"
        assert pid_of(home) != theirs and lives(theirs) and answer(other, "daemon", "status")["pid"] == theirs


# A daemon of a version that did not write them has a descriptor without these members: it is believed.
def test_a_descriptor_without_folder_and_start_time_is_believed(home):
    home.cli("daemon", "start")
    pid, found = pid_of(home), descriptor(home.path)
    del found["folder"], found["pid_started"]
    (home.path / "daemon/ccccd.addr.json").write_text(json.dumps(found))
    assert answer(home, "daemon", "status")["pid"] == pid
    assert answer(home, "daemon", "stop")["pid"] == pid and not lives(pid)


# A home that is a plain file is refused for what it is, by each command that would write into it.
def test_a_home_that_is_a_file_is_said_to_be_one(home, tmp_path):
    file = tmp_path / "home"
    file.write_text("x")
    for verb in ("start", "stop", "restart"):
        done = home.cli("daemon", verb, "--home", str(file), check=False)
        assert done.returncode == 2 and f"{file} is not a directory" in done.stderr, (verb, done)


def test_many_commands_at_once_start_one_daemon(home):
    running = [subprocess.Popen([CCCC, "groups", "--json"], env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(8)]
    for process in running:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and json.loads(output)["ok"], output
    assert lives(pid_of(home))


def test_the_daemon_gets_no_environment_of_ours_but_the_home(home):
    home.cli("daemon", "start", env={"CCCC_ACTOR_ID": "lead", "CCCC_GROUP_ID": "g_000000000000", "CCCC_ANYTHING": "1"})
    environment = pathlib.Path(f"/proc/{pid_of(home)}/environ").read_bytes().split(b"\0")
    assert [name for name in environment if name.startswith(b"CCCC_")] == [f"CCCC_HOME={home.path}".encode()]
    assert os.readlink(f"/proc/{pid_of(home)}/fd/0") == "/dev/null"


def test_logs_are_shown_whole_last_lines_first_chosen(home):
    home.cli("daemon", "start")
    everything = (home.path / "daemon" / "ccccd.log").read_text()
    assert home.cli("daemon", "logs", "-n", "1000").stdout == everything
    assert home.cli("daemon", "logs", "-n", "1").stdout == everything.splitlines(keepends=True)[-1]


def test_followed_logs_go_on_across_a_rotation(home):
    folder = home.path / "daemon"
    folder.mkdir(mode=0o700)
    log = folder / "ccccd.log"
    log.write_text("one\ntwo\n")
    process = subprocess.Popen([CCCC, "daemon", "logs", "-f", "-n", "1"], env=home.environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "two\n"
        with log.open("a") as file:
            file.write("three\nfo")
            file.flush()
            assert process.stdout.readline() == "three\n"
            file.write("ur\n")
        assert process.stdout.readline() == "four\n"
        log.rename(folder / "ccccd.log.1")
        log.write_text("five\n")
        assert process.stdout.readline() == "five\n"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == -signal.SIGINT
        process.stdout.close()


def test_logs_without_a_log_say_so(home):
    assert home.cli("daemon", "logs", check=False).returncode == 3


@pytest.mark.parametrize("option", [True, False])
def test_the_home_is_an_option_or_the_environment(home, tmp_path, option):
    other = tmp_path / "other"
    if option:
        assert answer(home, "daemon", "stop", "--home", str(other))["home"] == str(other)
    else:
        assert answer(home, "daemon", "stop", env={"CCCC_HOME": str(other)})["home"] == str(other)
    assert not other.exists(), "stop makes no home"


def test_a_home_open_to_others_is_refused_with_what_to_do(home):
    os.chmod(home.path, 0o777)
    done = home.cli("groups", check=False)
    assert done.returncode != 0 and "chmod" in done.stderr + home.cli("doctor", check=False).stdout
    os.chmod(home.path, 0o700)
