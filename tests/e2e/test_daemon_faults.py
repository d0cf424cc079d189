"""A disk that refuses: who is told what, and that the daemon goes on. strace makes the system calls fail while it is attached."""

import shutil
import subprocess
import time

import pytest

import busclient

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


class Fault:
    """with Fault(home, path, "fdatasync:error=EIO"): these calls on the file fail in every thread of the daemon."""

    def __init__(self, home, path, what):
        self.command = ["strace", "-f", "-o", "/dev/null", "-P", str(path), "-e", "trace=" + what.split(":")[0], "-e", "inject=" + what]
        self.command += ["-p", str(home.process.pid)]

    def __enter__(self):
        self.strace = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        for line in self.strace.stderr:
            if "attached" in line:
                return self
        raise AssertionError("strace cannot attach")

    def __exit__(self, *_):
        self.strace.terminate()
        self.strace.wait(20)
        self.strace.stderr.close()


def make_group(home, title="faults"):
    with home.bus() as bus:
        group_id = bus.ask("group_create", title=title)["group_id"]
        bus.ask("actor_add", group_id=group_id, actor_id="lead")
    return group_id


def ledger_file(home, group_id):
    return home.path / "groups" / group_id / "ledger.jsonl"


def send(bus, group_id, text):
    return bus.ask("send", group_id=group_id, text=text, to=["lead"], client_id=text)


def send_until_served(bus, group_id, text):
    """A client's repeat with the same client_id, as the error's text asks for."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return send(bus, group_id, text)
        except busclient.BusError as error:
            assert error.code in ("busy", "storage_failed"), error
            assert time.monotonic() < deadline
            time.sleep(0.02)


def texts(home, group_id):
    return [row["data"]["text"] for row in home.ledger(group_id) if row["kind"] == "chat.message"]


def test_failed_sync_is_unknown_and_a_repeat_stores_once(served):
    group_id = make_group(served)
    with served.bus() as bus:
        send(bus, group_id, "good")
        with Fault(served, ledger_file(served, group_id), "fdatasync:error=EIO"):
            with pytest.raises(busclient.BusError) as failed:
                send(bus, group_id, "in doubt")
        assert failed.value.code == "storage_failed" and failed.value.details["outcome"] == "unknown"
        send_until_served(bus, group_id, "in doubt")
        send_until_served(bus, group_id, "after")
    assert served.stop() == 0
    assert texts(served, group_id) == ["good", "in doubt", "after"]
    seqs = [row["seq"] for row in served.ledger(group_id)]
    assert seqs == list(range(1, len(seqs) + 1))
    served.start()
    with served.bus() as bus:
        assert bus.ask("status", group_id=group_id)["as_of_seq"] == seqs[-1]


def test_full_disk_is_not_stored_and_writing_resumes(served):
    group_id = make_group(served)
    with served.bus() as bus:
        send(bus, group_id, "good")
        with Fault(served, ledger_file(served, group_id), "write:error=ENOSPC"):
            for _ in range(2):
                with pytest.raises(busclient.BusError) as failed:
                    send(bus, group_id, "no room")
                assert failed.value.code == "no_space" and failed.value.details["outcome"] == "not_stored"
        send(bus, group_id, "room again")
    assert served.stop() == 0
    assert texts(served, group_id) == ["good", "room again"]


def test_a_ledger_cut_while_in_use_is_not_begun_anew(served):
    """What the daemon knows durable outlives the fold, also when the mark on disk is older."""
    group_id = make_group(served)
    with served.bus() as bus:
        last = [send(bus, group_id, f"m{number}")["event"]["seq"] for number in range(5)][-1]
        with ledger_file(served, group_id).open("r+b") as ledger:
            ledger.truncate(100)
        with pytest.raises(busclient.BusError) as failed:
            send(bus, group_id, "after")
        assert failed.value.code == "damaged" and failed.value.details["outcome"] == "not_stored"
        code = "busy"
        while code == "busy":
            with pytest.raises(busclient.BusError) as refused:
                send(bus, group_id, "after")
            code = refused.value.code
        assert code == "group_read_only"
        answer = bus.ask("ledger_read", group_id=group_id, after_seq=0)
        assert answer["events"] == [] and answer["gaps"] == [{"from_seq": 1, "to_seq": last, "reason": "truncated"}]


def test_failure_of_one_group_leaves_the_others_alone(served):
    bad, good = make_group(served, "bad"), make_group(served, "good")
    with served.bus() as bus, Fault(served, ledger_file(served, bad), "fdatasync:error=EIO"):
        with pytest.raises(busclient.BusError):
            send(bus, bad, "lost")
        for number in range(20):
            send(bus, good, f"kept {number}")
        deadline = time.monotonic() + 20
        while [row["group_id"] for row in bus.ask("status")["groups_degraded"]] != [bad]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert served.stop() == 0
    assert len(texts(served, good)) == 20
