"""Starting: one daemon per home, private files, a descriptor that is true, and one line for whoever is refused."""

import os
import pathlib
import re
import signal
import stat
import subprocess
import time

import busclient
from home import BIN, Home, until

CCCCD = str(BIN / "ccccd")


def run(home, *args, timeout=20):
    return subprocess.run([CCCCD, *args], env=home.environment(), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)


def test_usage_is_answered_without_a_home(home):
    assert run(home, "--version").stdout.startswith("ccccd ")
    assert "usage:" in run(home, "--help").stdout
    for wrong in ["--nonsense"], ["--home"], ["argument"]:
        done = run(home, *wrong)
        assert done.returncode == 2 and "--help" in done.stderr
    assert list(home.path.iterdir()) == []


def test_descriptor_names_sockets_that_are_private(served):
    found = busclient.descriptor(served.path)
    assert found["pid"] == served.process.pid and found["protocol"] == 1 and found["epoch"] == 1
    assert found["path"].endswith("/ccccd.sock")
    for key in "bus", "events":
        file = pathlib.Path(found[key].removeprefix("ipc://"))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    for file in served.path.rglob("*"):
        assert stat.S_IMODE(file.lstat().st_mode) & 0o077 == 0, file
    with served.bus() as bus:
        pong = bus.ask("ping")
    assert (pong["pid"], pong["epoch"]) == (found["pid"], found["epoch"])


def test_second_daemon_names_the_first_and_leaves_at_once(served):
    began = time.monotonic()
    done = run(served)
    assert time.monotonic() - began < 1
    assert done.returncode == 1
    assert f"served by pid {served.process.pid}" in done.stderr and done.stderr.count("\n") == 1
    with served.bus() as bus:
        assert bus.ask("ping")["pid"] == served.process.pid


def test_twenty_started_at_once_leave_one(home):
    started = [
        subprocess.Popen([CCCCD], env=home.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    try:
        until(lambda: sum(p.poll() is not None for p in started) == 19, what="19 of 20 leave")
        [winner] = [p for p in started if p.poll() is None]
        until(lambda: home.stamp() is not None, what="the winner serves")
        assert busclient.descriptor(home.path)["pid"] == winner.pid
        for process in started:
            if process is not winner:
                assert process.returncode == 1
                assert f"served by pid {winner.pid}" in process.stderr.read()
        with home.bus() as bus:
            assert bus.ask("ping")["pid"] == winner.pid
        winner.terminate()
        assert winner.wait(10) == 0
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()
            process.stderr.close()


def test_daemon_returns_once_it_serves_and_leads_its_own_session(home):
    done = run(home, "--daemon")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = busclient.descriptor(home.path)["pid"]
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == str(home.path)
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert os.readlink(f"/proc/{pid}/fd/2") == str(home.path / "daemon/ccccd.log")
    with home.bus() as bus:
        assert bus.ask("ping")["pid"] == pid
        bus.ask("shutdown")
    until(lambda: not os.path.exists(f"/proc/{pid}/fd/0"), what="it ends")
    assert not (home.path / "daemon/ccccd.addr.json").exists()


def test_daemon_that_cannot_serve_says_why(served):
    done = run(served, "--daemon")
    assert done.returncode == 1 and f"served by pid {served.process.pid}" in done.stderr


def test_home_others_can_write_is_refused_in_one_line(home):
    os.chmod(home.path, 0o777)
    done = run(home)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert str(home.path) in done.stderr and "chmod" in done.stderr


def test_killed_daemon_is_followed_by_another(served):
    first = busclient.descriptor(served.path)
    assert served.kill() == -signal.SIGKILL
    served.start()
    second = busclient.descriptor(served.path)
    assert second["epoch"] > first["epoch"] and second["bus"] == first["bus"]
    with served.bus() as bus:
        assert bus.ask("ping")["pid"] == second["pid"]


def test_home_can_be_named_on_the_command_line(home):
    with Home() as other:
        process = subprocess.Popen([CCCCD, "--home", str(home.path)], env=other.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        line = process.stdout.readline().decode()
        assert re.fullmatch(rf"ccccd \S+ serves {home.path} \(pid {process.pid}\)\n", line)
        assert list(other.path.iterdir()) == []
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


def test_hangup_opens_the_log_again(served):
    log = served.path / "daemon/ccccd.log"
    log.rename(log.with_suffix(".moved"))
    served.process.send_signal(signal.SIGHUP)
    until(log.exists, what="a new log")
    with served.bus() as bus:
        bus.ask("ping")
    served.stop()
    assert "STOPPED" in log.read_text()


def test_group_that_cannot_be_opened_does_not_stop_the_others_and_comes_back(home):
    home.start()
    with home.bus() as bus:
        good = bus.ask("group_create", title="good")["group_id"]
        bad = bus.ask("group_create", title="bad")["group_id"]
    home.stop()
    ledger = home.path / "groups" / bad / "ledger.jsonl"
    ledger.rename(ledger.with_suffix(".kept"))
    ledger.mkdir()
    home.start()
    with home.bus() as bus:
        assert bus.ask("group_show", group_id=good)["group"]["title"] == "good"
        assert [row["group_id"] for row in bus.ask("status")["groups_degraded"]] == [bad]
        try:
            bus.ask("group_update", group_id=bad, patch={"title": "x"})
            assert False, "an offline group was changed"
        except busclient.BusError as error:
            assert error.code == "group_offline"
        ledger.rmdir()
        ledger.with_suffix(".kept").rename(ledger)
        until(lambda: bus.ask("status")["groups_degraded"] == [], what="it is tried again")
        assert bus.ask("group_update", group_id=bad, patch={"title": "x"})
    assert home.stop() == 0
