"""Disks that really fail: a small file system that is full, one without inodes, an ext4 whose device loses writes and which the kernel then makes
read-only, a mount that is read-only, a limit on the size of files. What the kernel will not let us make here is skipped, and said to be."""

import ctypes
import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

import pytest

import busclient
from faults import Home

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
NOT_PROVEN = "NOT PROVEN HERE: "


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def mounts():
    """Mounts of our own that nobody else sees and that end with this process."""
    libc, uid, gid = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNS) != 0:
        if libc.unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0:
            pytest.skip(NOT_PROVEN + "no mount namespace: " + os.strerror(ctypes.get_errno()))
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    if (done := run("mount", "--make-rprivate", "/")).returncode != 0:
        pytest.skip(NOT_PROVEN + done.stderr)


@pytest.fixture
def place(mounts, tmp_path):
    """mount(*arguments) mounts there and gives the directory; unmounted afterwards."""
    mounted = []

    def mount(name, *arguments):
        at = tmp_path / name
        at.mkdir()
        if (done := run("mount", *arguments, str(at))).returncode != 0:
            pytest.skip(NOT_PROVEN + done.stderr.strip())
        mounted.append(at)
        return at

    yield mount
    for at in reversed(mounted):
        run("umount", "-l", str(at))


class HomeAt(Home):
    """A home below `parent`."""

    def __init__(self, parent):
        before, tempfile.tempdir = tempfile.tempdir, str(parent)
        try:
            super().__init__()
        finally:
            tempfile.tempdir = before


def make_group(bus, title="real"):
    group = bus.ask("group_create", title=title)["group_id"]
    bus.ask("actor_add", group_id=group, actor_id="lead")
    return group


def send(bus, group, text, client_id=None):
    return bus.ask("send", group_id=group, text=text, to=["lead"], client_id=client_id or text)


def send_until_refused(bus, group, count=100000):
    """Sends of 20,000 bytes each until one is refused: the client ids that were acknowledged, the one that was not, and how."""
    acked = []
    for number in range(count):
        try:
            send(bus, group, f"m{number}" + "x" * 20000, f"m{number}")
        except busclient.BusError as error:
            return acked, f"m{number}", error
        acked.append(f"m{number}")
    raise AssertionError("the disk does not fill up")


def send_until_taken(bus, group, text, client_id=None, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return send(bus, group, text, client_id)
        except busclient.BusError as error:
            assert error.code in ("busy", "no_space", "storage_failed", "group_offline", "group_read_only"), error
            assert time.monotonic() < deadline, error
        time.sleep(0.02)


def wait_until_degraded(bus, group):
    deadline = time.monotonic() + 20
    while [row["group_id"] for row in bus.ask("status")["groups_degraded"]] != [group]:
        assert time.monotonic() < deadline, "status does not name the group"
        time.sleep(0.02)


def client_ids(home, group):
    return [row["data"]["client_id"] for row in home.ledger(group) if row["kind"] == "chat.message"]


def check_whole(home, group):
    lines = (home.path / "groups" / group / "ledger.jsonl").read_bytes()
    assert lines.endswith(b"\n")
    seqs = [row["seq"] for row in home.ledger(group)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert home.cli("ledger", "verify", "--group", group, check=False).returncode == 0


def test_full_file_system(place):
    """T07, T08: everything of the home is on it, so logs, marks and configuration meet it, too."""
    disk = place("full", "-t", "tmpfs", "-o", "size=2m,mode=700", "none")
    with HomeAt(disk) as home:
        home.start()
        with home.bus() as bus:
            group = make_group(bus)
            acked, open_, error = send_until_refused(bus, group)
            assert error.code == "no_space" and error.details == {"outcome": "not_stored"}
            for _ in range(3):
                with pytest.raises(busclient.BusError) as again:
                    send(bus, group, open_ + "x" * 20000, open_)
                assert again.value.code == "no_space"
            # Configuration is refused or recorded with a warning; reading goes on.
            try:
                assert "warning" in bus.ask("group_update", group_id=group, patch={"title": "t" * 900})
            except busclient.BusError as refused:
                assert refused.code == "no_space"
            with pytest.raises(busclient.BusError) as refused:
                bus.ask("blob_put", group_id=group, sha256="0" * 64, name="b", total_bytes=1 << 20, data=bytes(1 << 20))
            assert refused.value.code == "no_space"
            assert bus.ask("ledger_read", group_id=group, after_seq=0, limit=5)["events"][0]["seq"] == 1
            wait_until_degraded(bus, group)
            home.kill()
        # A start needs a few small files. Where there is no room for them either, it says so in one line, and succeeds later.
        done = subprocess.run([str(home_bin())], env=home.environment(), capture_output=True, text=True, timeout=30) if fill_up(disk) else None
        assert done.returncode == 1 and "the disk is full" in done.stderr and done.stderr.count("\n") == 1
        assert run("mount", "-o", "remount,size=8m", str(disk)).returncode == 0
        home.start()
        with home.bus() as bus:
            send_until_taken(bus, group, open_ + "x" * 20000, open_)
            bus.ask("group_update", group_id=group, patch={"title": "room again"})
        assert home.stop() == 0
        assert client_ids(home, group) == acked + [open_]
        check_whole(home, group)


def test_triage_names_the_full_disk_first(place):
    """A home on a disk without room: the disk is the cause, before the group that takes no events because of it; nothing is damaged. What the disk is full of is said as far as it is
    known, and the command that is named shows it; once there is something in the trash, it is that which can go, and then the home takes messages again."""
    disk = place("triage", "-t", "tmpfs", "-o", "size=2m,mode=700", "none")
    with HomeAt(disk) as home:
        home.start()
        with home.bus() as bus:
            group = bus.ask("group_create", title="triage")["group_id"]
            bus.ask("actor_add", group_id=group, actor_id="lead", runtime="custom", runner="headless")
            bus.ask("active_set", group_id=group)
            send_until_refused(bus, group)
            wait_until_degraded(bus, group)
        done = home.cli("triage", "--json", check=False)
        result = json.loads(done.stdout)["result"]
        assert done.returncode == 1 and result["cause"]["check"] == "daemon", result
        assert result["cause"]["found"].startswith(f"the disk of {home.path}: ") and result["cause"]["next"] == f"du -x -d 2 {disk} | sort -n | tail"
        assert "of the 2.0 MiB there are" in result["cause"]["evidence"] and "nothing of this home can go without loss" in result["cause"]["evidence"]
        assert f"{home.path}/groups" in subprocess.run(["sh", "-c", result["cause"]["next"]], capture_output=True, text=True).stdout
        verdicts = {check["name"]: {finding["verdict"] for finding in check["findings"]} for check in result["checks"]}
        assert "follows" in verdicts["group"] and "wrong" not in verdicts["group"] | verdicts["obligations"] | verdicts["delivery"], result
        with home.bus() as bus:
            bus.ask("group_delete", group_id=group, confirm=group)
            cause = json.loads(home.cli("triage", "--json", check=False).stdout)["result"]["cause"]
            assert "1 deleted group is still in the trash" in cause["evidence"] and cause["next"] == f"find {home.path}/trash -mindepth 1 -delete"
            assert subprocess.run(["sh", "-c", cause["next"]]).returncode == 0
            assert send(bus, make_group(bus), "there is room again")["event"]["seq"]
        assert home.stop() == 0


def home_bin():
    from faults import BIN

    return BIN / "ccccd"


def fill_up(disk):
    """Take what room is left, to the last page."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return True


def ext4(place, tmp_path, megabytes, *options):
    """A file system in a file on another one of `megabytes`, which may be less than it believes it has."""
    backing = place("backing", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "none")
    image = backing / "image"
    with image.open("wb") as file:
        file.truncate(200 << 20)
    done = run("mkfs.ext4", "-q", "-F", "-J", "size=4", "-E", "nodiscard", *options, str(image))
    if done.returncode != 0:
        pytest.skip(NOT_PROVEN + done.stderr.strip())
    return place("ext4", "-o", "loop", str(image)), backing


def test_ext4_whose_device_loses_writes(place, tmp_path):
    """T10, T11 (fsyncgate): the device takes fewer bytes than the file system believes. The first failed sync stops the group; ext4 aborts its journal
    and becomes read-only; nothing that only the page cache holds is acknowledged, then or after a new start; on a well device all acknowledged is there."""
    disk, backing = ext4(place, tmp_path, 28)
    with HomeAt(disk) as home:
        home.start()
        with home.bus(timeout_s=120) as bus:
            group = make_group(bus)
            text = "x" * 31000
            acked, error = [], None
            while error is None:
                ids = [f"m{len(acked) + number}" for number in range(100)]
                posted = {bus.post("send", {"group_id": group, "text": i + text, "to": ["lead"], "client_id": i}): i for i in ids}
                for _ in ids:
                    reply = bus.take()
                    if reply["ok"]:
                        acked.append(posted[reply["id"]])
                    else:
                        error = error or reply["error"]
                assert len(acked) < 5000, "the device does not fail"
            assert error["code"] in ("storage_failed", "no_space"), error
            refused = None
            for _ in range(50):
                with pytest.raises(busclient.BusError) as again:
                    send(bus, group, "after")
                refused = again.value
                assert refused.code in ("storage_failed", "no_space", "group_offline", "group_read_only", "busy"), refused
                time.sleep(0.02)
            wait_until_degraded(bus, group)
            assert bus.ask("ping")["pid"] == home.process.pid
        assert home.kill()
        # The device is well again: room for all of it, and what was lost is lost.
        assert run("mount", "-o", "remount,size=300m", str(backing)).returncode == 0
        at = disk
        run("umount", str(at))
        run("sync", str(backing / "image"))
        check = run("e2fsck", "-f", "-y", str(backing / "image"))
        assert check.returncode in (0, 1, 2), check.stdout
        assert run("mount", "-o", "loop", str(backing / "image"), str(at)).returncode == 0
        home.start()
        with home.bus(timeout_s=120) as bus:
            send_until_taken(bus, group, "after")
        assert home.stop() == 0
        stored = client_ids(home, group)
        assert [i for i in acked if i not in set(stored)] == [], "acknowledged, and lost"
        assert len(set(stored)) == len(stored) and stored[-1] == "after"
        check_whole(home, group)


def test_file_system_without_inodes(place):
    """No new file can be made: existing groups take messages, a new one is refused and leaves nothing, blobs are refused."""
    disk = place("inodes", "-t", "tmpfs", "-o", "size=8m,nr_inodes=60,mode=700", "none")
    with HomeAt(disk) as home:
        home.start()
        with home.bus() as bus:
            group, made = make_group(bus), []
            with pytest.raises(busclient.BusError) as error:
                for number in range(30):
                    made.append(bus.ask("group_create", title=f"g{number}", client_id=f"g{number}")["group_id"])
            assert error.value.code == "no_space" and error.value.details == {"outcome": "not_stored"}
            fill = [disk / f"fill{number}" for number in range(60)]
            for path in fill:
                try:
                    path.touch()
                except OSError:
                    break
            send(bus, group, "still taken")
            assert "warning" in bus.ask("group_update", group_id=group, patch={"title": "recorded"})
            with pytest.raises(busclient.BusError) as refused:
                bus.ask("blob_put", group_id=group, sha256="0" * 64, name="b", total_bytes=4, data=b"1234")
            assert refused.value.code == "no_space"
            assert run("mount", "-o", "remount,nr_inodes=1000", str(disk)).returncode == 0
            bus.ask("group_create", title=f"g{len(made)}", client_id=f"g{len(made)}")
            yaml = home.path / "groups" / group / "group.yaml"
            deadline = time.monotonic() + 20
            while "recorded" not in yaml.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert home.stop() == 0
        check_whole(home, group)


def test_read_only_mount(place):
    """T11, T31: while it serves, a disk that turns read-only stops appends and nothing else; a start on one is refused in one line."""
    disk = place("ro", "-t", "tmpfs", "-o", "size=8m,mode=700", "none")
    with HomeAt(disk) as home:
        home.start()
        with home.bus() as bus:
            group = make_group(bus)
            send(bus, group, "kept")
        assert home.stop() == 0
        assert run("mount", "-o", "remount,ro", str(disk)).returncode == 0
        done = subprocess.run([str(home_bin())], env=home.environment(), capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and "Read-only file system" in done.stderr and done.stderr.count("\n") == 1
        assert home.cli("ledger", "verify", "--group", group).returncode == 0
        doctor = home.cli("doctor", check=False)
        assert doctor.returncode == 1 and "mounted read-only" in doctor.stdout
        assert run("mount", "-o", "remount,rw", str(disk)).returncode == 0
        home.start()
        with home.bus() as bus:
            send(bus, group, "after")
        assert home.stop() == 0
        assert client_ids(home, group) == ["kept", "after"]


def test_limit_on_the_size_of_files():
    """EFBIG with a part of the batch written: the half line is kept aside, and the group goes on when the limit is gone."""
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group = make_group(bus)
            send(bus, group, "before")
            size = (home.path / "groups" / group / "ledger.jsonl").stat().st_size
            before = resource.prlimit(home.process.pid, resource.RLIMIT_FSIZE, (size + 200, resource.RLIM_INFINITY))
            with pytest.raises(busclient.BusError) as error:
                send(bus, group, "over the limit")
            assert error.value.code == "storage_failed" and error.value.details == {"outcome": "unknown"} and "File too large" in str(error.value)
            resource.prlimit(home.process.pid, resource.RLIMIT_FSIZE, before)
            send_until_taken(bus, group, "over the limit")
        assert home.stop() == 0
        assert client_ids(home, group) == ["before", "over the limit"]
        check_whole(home, group)
