"""A disk that refuses: who is told what, and that the daemon goes on. strace makes the system calls fail while it is attached."""

import json
import shutil
import subprocess
import time

import pytest

import busclient
from home import until

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
        until(lambda: [row["group_id"] for row in bus.ask("status")["groups_degraded"]] == [bad])
    assert served.stop() == 0
    assert len(texts(served, good)) == 20


def registered(home):
    return json.loads((home.path / "registry.json").read_text())["groups"]


def log_records(home, record_id):
    lines = (home.path / "daemon/ccccd.log").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["id"] == record_id]


def test_removed_folder_is_noticed_named_and_never_leaves_the_registry_by_itself(served):
    """Nobody touches the group: the daemon looks by itself. The folder comes back: so does the group. It is forgotten when asked only."""
    gone, kept = make_group(served, "gone"), make_group(served, "kept")
    folder, elsewhere = served.path / "groups" / gone, served.path / "elsewhere"
    with served.bus() as bus:
        send(bus, gone, "before")
        folder.rename(elsewhere)
        until(lambda: bus.ask("groups")["registry_health"] == {"missing_group_ids": [gone], "corrupt_group_ids": []})
        [record] = log_records(served, "GROUP-FOLDER-GONE")
        assert record["group"] == gone and record["level"] == "error"
        until(lambda: [row["group_id"] for row in bus.ask("status")["groups_degraded"]] == [gone])
        assert "somebody removed" in bus.ask("status")["groups_degraded"][0]["reason"]
        with pytest.raises(busclient.BusError) as refused:
            send(bus, gone, "meanwhile")
        assert refused.value.code == "group_offline" and "--forget-missing" in str(refused.value)
        bus.ask("group_update", group_id=kept, patch={"title": "kept on"})
        assert registered(served)[gone]["title"] == "gone" and registered(served)[kept]["title"] == "kept on"
        assert bus.ask("registry_reconcile")["missing_group_ids"] == [gone]
        assert not folder.exists(), "nothing made it anew"
        elsewhere.rename(folder)
        send_until_back(bus, gone, "after")
        assert bus.ask("groups")["registry_health"] == {"missing_group_ids": [], "corrupt_group_ids": []}
        folder.rename(elsewhere)
        until(lambda: bus.ask("groups")["registry_health"]["missing_group_ids"] == [gone])
        assert bus.ask("registry_reconcile", remove_missing=True)["removed_group_ids"] == [gone]
        assert list(registered(served)) == [kept]
        until(lambda: bus.ask("status")["groups_degraded"] == [])
        elsewhere.rename(folder)
    assert served.stop() == 0
    assert texts(served, gone) == ["before", "after"]
    served.start()
    with served.bus() as bus:
        assert sorted(row["group_id"] for row in bus.ask("groups")["groups"]) == sorted([gone, kept])


def send_until_back(bus, group_id, text):
    deadline = time.monotonic() + 30
    while True:
        try:
            return send(bus, group_id, text)
        except busclient.BusError as error:
            assert error.code in ("group_offline", "busy"), error
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_deletion_is_logged_with_its_group(served):
    group_id = make_group(served)
    with served.bus() as bus:
        bus.ask("group_delete", group_id=group_id)
    [record] = log_records(served, "GROUP-DELETED")
    assert (record["group"], record["by"]) == (group_id, "user") and "=" not in record["msg"]


def test_what_a_command_has_done_before_it_failed_is_said(served, tmp_path):
    """attach and group create have two steps; when the second one fails, the first one stays."""
    (served.path / "active.json").mkdir()
    done = served.cli("attach", str(tmp_path), check=False)
    with served.bus() as bus:
        [group] = bus.ask("groups")["groups"]
        assert [row["kind"] for row in served.ledger(group["group_id"])] == ["group.create", "group.attach"]
        assert done.returncode != 0 and f"{tmp_path} is attached to group {group['group_id']}, and that is recorded" in done.stderr
        assert f"cccc use {group['group_id']}" in done.stderr and "nothing was stored" not in done.stderr
        with pytest.raises(busclient.BusError) as failed:
            bus.ask("active_set", group_id=group["group_id"])
        assert failed.value.code == "storage_failed" and failed.value.details["outcome"] == "not_stored"
        done = served.cli("group", "create", "Second", check=False)
        made = next(row["group_id"] for row in bus.ask("groups")["groups"] if row["title"] == "Second")
        assert done.returncode != 0 and f"made group {made}, and that is recorded" in done.stderr
        (served.path / "active.json").rmdir()
        assert made in served.cli("use", made).stdout
