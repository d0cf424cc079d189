"""Homes in odd places and odd states: long paths, links, folders of others, what dead processes left, folders where files should be, a home that is
removed while it is served, many homes at once. Each is served, or refused in one line that says what to do; nothing of anybody else's is touched."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import busclient
from faults import BIN, Home, Stage

CCCCD = str(BIN / "ccccd")


def start_at(path, environment, **options):
    """(process, the line it said) once it serves or has ended."""
    env = {**environment, "CCCC_HOME": str(path)}
    process = subprocess.Popen([CCCCD], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return process, process.stdout.readline()


def end(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


def refused(path, environment, **options):
    process, line = start_at(path, environment, **options)
    if process.poll() is None and line.startswith("ccccd 0"):
        process.kill()
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(30) == 1 and line.startswith("ccccd: ") and rest == "", (line, rest)
    return line


def make_group(bus, title="place"):
    group = bus.ask("group_create", title=title)["group_id"]
    bus.ask("actor_add", group_id=group, actor_id="lead")
    return group


def use(path):
    with busclient.Bus(path) as bus:
        group = make_group(bus)
        bus.ask("send", group_id=group, text="x", to=["lead"])
        return group


def long_path(root, total):
    """A folder below `root` whose path has `total` bytes."""
    path = str(root)
    while total - len(path) > 1:
        path += "/" + "d" * min(200, total - len(path) - 1)
        if total - len(path) == 1:
            path += "d"
    return path


def test_path_lengths_around_each_limit(home):
    """A socket's path has at most 107 bytes: a home whose would be longer has its sockets in a short folder elsewhere. A home's has at most 3800."""
    for length in (79, 80, 81, 87, 88, 89, 100, 107, 108, 109, 200, 1000, 3700, 3800):
        path = long_path(home.path, length)
        assert len(path) == length
        process, line = start_at(path, home.environment())
        assert "serves" in line, (length, line)
        found = busclient.descriptor(path)
        for key in "bus", "events":
            file = found[key].removeprefix("ipc://")
            assert len(file) <= 107 and os.stat(os.path.dirname(file)).st_mode & 0o077 == 0
        group = use(path)
        done = subprocess.run([str(BIN / "cccc"), "ledger", "verify", "--group", group], env={**home.environment(), "CCCC_HOME": path})
        assert done.returncode == 0
        # Another daemon finds it served, whatever way it looks.
        assert f"served by pid {process.pid}" in refused(path, home.environment())
        end(process)
        inside = os.path.dirname(file) == path + "/daemon"
        assert os.path.exists(os.path.dirname(file)) == inside, "a clean stop leaves nothing outside of the home"
    for length in (3801, 4095, 5000):
        said = refused(long_path(home.path, length), home.environment())
        assert "longer than 3800 bytes" in said or "too long" in said.lower(), said


def test_home_by_another_name_is_the_same_home(home):
    real, link, above = home.path / "real", home.path / "link", home.path / "above"
    real.mkdir(mode=0o700)
    link.symlink_to(real)
    above.symlink_to(home.path)
    process, line = start_at(link, home.environment())
    assert f"serves {real} " in line
    for name in real, link, above / "real", above / "link" / ".." / "link":
        assert f"served by pid {process.pid}" in refused(name, home.environment())
    group = use(link)
    end(process)
    assert (real / "groups" / group / "ledger.jsonl").exists()
    link.unlink()
    link.symlink_to(link)
    assert "symbolic link" in refused(link, home.environment())


def test_links_inside_a_home_are_not_followed(home):
    """A link where a file of ours should be could make us write to anybody's file."""
    victim = home.path / "victim"
    victim.write_text("precious\n")
    place = home.path / "home"
    for name in "daemon/ccccd.lock", "daemon/ccccd.log", "daemon/epoch.tmp", "daemon/ccccd.pid.tmp", "daemon/ccccd.addr.json.tmp":
        shutil.rmtree(place, ignore_errors=True)
        (place / "daemon").mkdir(mode=0o700, parents=True)
        os.chmod(place, 0o700)
        (place / name).symlink_to(victim)
        said = refused(place, home.environment())
        assert name.removesuffix(".tmp") in said and "link" in said, (name, said)
        assert victim.read_text() == "precious\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT PROVEN HERE: only root can give a folder away")
@pytest.mark.parametrize("folder", ["", "daemon", "groups", "trash"])
def test_folder_of_somebody_else_is_refused(home, folder):
    process, _ = start_at(home.path, home.environment())
    end(process)
    os.chown(home.path / folder, 65534, 65534)
    said = refused(home.path, home.environment())
    assert "belongs to uid 65534" in said and str(home.path / folder).rstrip("/") in said
    os.chown(home.path / folder, 0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT PROVEN HERE: only root can become somebody who may not write")
def test_home_that_may_not_be_written_is_refused(home):
    os.chown(home.path, 65534, 65534)
    os.chmod(home.path, 0o500)
    said = refused(home.path, home.environment(), user=65534, group=65534, extra_groups=[])
    assert "Permission denied" in said and "daemon" in said
    os.chmod(home.path, 0o700)
    process, line = start_at(home.path, home.environment(), user=65534, group=65534, extra_groups=[])
    assert "serves" in line
    end(process)
    (home.path / "daemon/ccccd.lock").chmod(0)
    assert "Permission denied" in refused(home.path, home.environment(), user=65534, group=65534, extra_groups=[])


def test_what_dead_processes_left_does_not_count(home):
    """Old sockets, a pid and a descriptor of a living stranger, a lock file with its pid, drafts of files cut short, and an upload nobody ends."""
    process, _ = start_at(home.path, home.environment())
    group = use(home.path)
    process.kill()
    process.wait()
    process.stdout.close()
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        for name in "ccccd.pid", "ccccd.lock":
            (home.path / "daemon" / name).write_text(f"{stranger.pid}\n")
        descriptor = home.path / "daemon/ccccd.addr.json"
        descriptor.write_text(json.dumps({**json.loads(descriptor.read_text()), "pid": stranger.pid}))
        old = socket.socket(socket.AF_UNIX)
        (home.path / "daemon/ccccd.sock").unlink(missing_ok=True)
        old.bind(str(home.path / "daemon/ccccd.sock"))
        old.close()
        drafts = ["registry.json.tmp", "active.json.tmp", "daemon/epoch.tmp", "daemon/ccccd.addr.json.tmp", f"groups/{group}/group.yaml.tmp",
                  f"groups/{group}/group.yaml.prev.tmp", f"groups/{group}/state/group.sum.tmp", f"groups/{group}/state/read_cursors.json.tmp"]
        for draft in drafts:
            (home.path / draft).write_text("cut sho")
        process, line = start_at(home.path, home.environment())
        assert "serves" in line
        with busclient.Bus(home.path) as bus:
            assert bus.ask("group_show", group_id=group)["group"]["title"] == "place"
            bus.ask("group_update", group_id=group, patch={"title": "new"})
            bus.ask("active_set", group_id=group)
        assert json.loads((home.path / "registry.json").read_text())["groups"][group]["title"] == "new"
        end(process)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_folders_where_files_should_be(home):
    """Refused in one line that names it, or, where the file is only a copy of what is known, served without it."""
    process, _ = start_at(home.path, home.environment())
    group = use(home.path)
    end(process)
    needed = ["daemon/ccccd.lock", "daemon/ccccd.pid", "daemon/ccccd.log", "daemon/epoch", "daemon/ccccd.addr.json", "daemon/ccccd.bus", "daemon/ccccd.events"]
    for name in needed:
        file = home.path / name
        aside = file.with_suffix(".aside")
        if file.exists():
            file.rename(aside)
        (file / "inside").mkdir(parents=True)
        said = refused(home.path, home.environment())
        assert str(home.path / "daemon") in said, (name, said)
        shutil.rmtree(file)
        if aside.exists():
            aside.rename(file)
    for name in "registry.json", "active.json", f"groups/{group}/state/read_cursors.json", f"groups/{group}/group.yaml.prev":
        file = home.path / name
        file.unlink(missing_ok=True)
        (file / "inside").mkdir(parents=True)
        process, line = start_at(home.path, home.environment())
        assert "serves" in line, (name, line)
        with busclient.Bus(home.path) as bus:
            bus.ask("send", group_id=group, text=f"beside {name}", to=["lead"])
        end(process)
        assert (file / "inside").is_dir(), "a folder of somebody's was removed"
        shutil.rmtree(file)


def test_home_that_is_removed_while_it_is_served():
    """Nothing is acknowledged into nowhere, the folder is not made again behind its owner's back, and the daemon ends when told to."""
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group = make_group(bus)
            bus.ask("send", group_id=group, text="kept", to=["lead"])
            moved = home.path.with_name(home.path.name + ".moved")
            home.path.rename(moved)
            try:
                for _ in range(3):
                    with pytest.raises(busclient.BusError) as error:
                        bus.ask("send", group_id=group, text="into nowhere", to=["lead"])
                    assert error.value.code in ("damaged", "busy", "group_offline", "storage_failed"), error.value
                for op, args in ("active_set", {"group_id": group}), ("registry_reconcile", {}):
                    try:
                        bus.ask(op, **args)
                    except busclient.BusError as said:
                        assert said.code in ("storage_failed", "not_found", "group_offline"), (op, said)
                assert bus.ask("ping")["pid"] == home.process.pid
                home.process.send_signal(signal.SIGTERM)
                assert home.process.wait(30) == 0
                home.process.stdout.close()
                assert not (home.path / "groups" / group).exists()
            finally:
                shutil.rmtree(home.path, ignore_errors=True)
                moved.rename(home.path)
        home.start()
        with home.bus() as bus:
            events = bus.ask("ledger_read", group_id=group, after_seq=0, kinds=["chat.message"])["events"]
            assert [event["data"]["text"] for event in events] == ["kept"]
        assert home.stop() == 0


def test_folder_of_a_group_that_is_removed_while_it_is_served(stage):
    with stage.bus() as bus:
        gone, other = make_group(bus, "gone"), make_group(bus, "other")
        shutil.move(stage.path / "groups" / gone, stage.path / "aside")
        with pytest.raises(busclient.BusError) as error:
            bus.ask("send", group_id=gone, text="x", to=["lead"])
        assert error.value.code == "damaged" and error.value.details["outcome"] == "not_stored"
        bus.ask("send", group_id=other, text="x", to=["lead"])
        deadline = time.monotonic() + 30
        while [row["group_id"] for row in bus.ask("status")["groups_degraded"]] != [gone]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert gone in [row["group_id"] for row in bus.ask("groups")["groups"]] + [gone]
        shutil.move(stage.path / "aside", stage.path / "groups" / gone)
        while bus.ask("status")["groups_degraded"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        bus.ask("send", group_id=gone, text="back", to=["lead"])
    assert stage.stop() == 0


def test_many_homes_at_once_do_not_mix():
    """Twenty daemons, half of them in homes too long for their sockets, which are all in one place then."""
    with Home() as parent:
        paths = [parent.path / f"h{number}" if number % 2 else long_path(parent.path, 150 + number) for number in range(20)]
        started = [start_at(path, parent.environment()) for path in paths]
        try:
            assert all("serves" in line for _, line in started)
            sockets = [busclient.descriptor(path)["bus"] for path in paths]
            assert len(set(sockets)) == len(paths)
            groups = [use(path) for path in paths]
            for path, group, (process, _) in zip(paths, groups, started):
                with busclient.Bus(path) as bus:
                    assert [row["group_id"] for row in bus.ask("groups")["groups"]] == [group]
                    assert bus.ask("ping")["pid"] == process.pid
        finally:
            for process, _ in started:
                if process.poll() is None:
                    end(process)
            for file in sockets:
                folder = os.path.dirname(file.removeprefix("ipc://"))
                if not folder.startswith(str(parent.path)):
                    shutil.rmtree(folder, ignore_errors=True)
