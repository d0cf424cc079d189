"""Backup and restore on disks that refuse: a backup that failed is not taken for one, the home stays as it was, the same command succeeds later."""

import json
import shutil

import pytest

import busclient
from faults import FailingFiles, Home

FAULTS = {
    "no space": (["write"], "ENOSPC"),
    "no inodes": (["open_to_write", "mkdir"], "ENOSPC"),
    "write error": (["write"], "EIO"),
    "sync error": (["sync"], "EIO"),
    "directory sync error": (["sync_directory"], "EIO"),
    "read-only": (["open_to_write", "mkdir", "rename", "truncate"], "EROFS"),
    "rename error": (["rename"], "EIO"),
}


@pytest.fixture
def filled(home):
    home.start()
    with home.bus() as bus:
        group = bus.ask("group_create", title="kept")["group_id"]
        bus.ask("actor_add", group_id=group, actor_id="lead")
        for number in range(20):
            bus.ask("send", group_id=group, text=f"m{number}", to=["lead"])
        bus.ask("send", group_id=group, text="x" * 50000, to=["lead"])
    home.group = group
    return home


def messages(home):
    with home.bus() as bus:
        return [event["id"] for event in bus.ask("ledger_read", group_id=home.group, after_seq=0, limit=1000)["events"]]


def cli(home, files, *args):
    return home.cli(*args, "--json", check=False, env=files.environment())


def refusal(done):
    """The command failed, said why, and did not die of it."""
    assert 0 < done.returncode < 10, (done.returncode, done.stdout, done.stderr)
    answer = json.loads(done.stdout)
    assert answer["ok"] is False and len(answer["error"]["message"]) > 20, answer
    return answer["error"]


@pytest.mark.parametrize("first", [1, 4])
def test_backup_that_fails_leaves_nothing_that_looks_like_one(filled, tmp_path, first):
    files, before, met = FailingFiles(), messages(filled), 0
    for name, (calls, error) in FAULTS.items():
        to = tmp_path / f"backup-{name.replace(' ', '-')}"
        with files.on(calls, f"{to}*", error, first=first) as rule:
            done = cli(filled, files, "backup", "create", str(to))
        if rule.struck == 0:
            assert done.returncode == 0, done.stdout
            continue
        met += 1
        refusal(done)
        assert not to.exists(), f"{name}: a failed backup has the name of a whole one"
        again = cli(filled, files, "backup", "create", str(to))
        assert again.returncode == 0, again.stdout + again.stderr
        assert cli(filled, files, "backup", "verify", str(to)).returncode == 0
    assert met >= 3 and messages(filled) == before
    assert filled.stop() == 0


@pytest.mark.parametrize("calls,error", [(["read"], "EIO"), (["open_to_read"], "EMFILE")])
def test_backup_of_what_cannot_be_read_fails(filled, tmp_path, calls, error):
    files = FailingFiles()
    for name in "ledger.jsonl", "group.yaml", "state/blobs/*":
        to = tmp_path / f"backup-{name.replace('/', '-').replace('*', 'all')}"
        with files.on(calls, f"{filled.path}/groups/{filled.group}/{name}", error) as rule:
            done = cli(filled, files, "backup", "create", str(to))
            assert rule.struck, name
        refusal(done)
        assert not to.exists()
    assert filled.stop() == 0


@pytest.mark.parametrize("first", [1, 4])
def test_restore_that_fails_leaves_the_home_that_was(filled, tmp_path, first):
    files, met = FailingFiles(), 0
    backup = tmp_path / "backup"
    assert cli(filled, files, "backup", "create", str(backup)).returncode == 0
    with filled.bus() as bus:
        bus.ask("send", group_id=filled.group, text="after the backup", to=["lead"])
    after = messages(filled)
    assert filled.stop() == 0
    for name, (calls, error) in FAULTS.items():
        with files.on(calls, f"{filled.path}.*", error, first=first) as rule:
            done = cli(filled, files, "restore", str(backup))
        if rule.struck == 0 or done.returncode == 0:
            # Restored: the old home is aside. Put it back for the next fault.
            assert done.returncode == 0, done.stdout
            aside = json.loads(done.stdout)["result"]["kept_aside"]
            shutil.rmtree(filled.path)
            shutil.move(aside, filled.path)
            continue
        met += 1
        refusal(done)
        filled.start()
        assert messages(filled) == after, name
        assert filled.stop() == 0
    assert met >= 2
    for left in filled.path.parent.glob(filled.path.name + ".*"):
        shutil.rmtree(left)
