"""Folders that power cuts could leave, rebuilt from a recording of the real daemon: the model, and a few hundred of them. More: explore.py."""

import os
import shutil

import pytest

import disk
import explore
import recording
import workload

ASKED = explore.options(["--build", os.environ["CCCC_BUILD"]] if "CCCC_BUILD" in os.environ else [])


@pytest.fixture(scope="module")
def taken():
    place = explore.scratch()
    workload.record(place / "recording", ASKED.daemon, ASKED.recorder, 1)
    yield recording.Recording(place / "recording")
    shutil.rmtree(place, ignore_errors=True)


def test_replaying_a_recording_gives_the_home_byte_for_byte(taken):
    explore.check_complete(taken)


def test_a_recording_knows_what_was_told(taken):
    """Replies, publications, files and the deletion; nothing before the first send, all at the end."""
    assert not taken.expected(1).events
    expected = taken.expected(len(taken.records))
    assert len(expected.events) > 60 and len(expected.ids) == 20 and len(expected.blobs) == 2 and len(expected.deleted) == 1
    assert len(expected.groups()) == 2


def test_200_folders_that_power_cuts_could_leave_are_sound():
    assert explore.main(["--states", "200", "--build", str(ASKED.build)]) == 0


# ---- the model ----


def record_of(op, fd=0, thread=1, a=0, path="", other="", data=b""):
    return recording.Record(op, fd, thread, a, 0, path, other, data)


def replayed(*records):
    model = disk.Disk()
    for record in records:
        model.replay(record)
    return model


CREATE = record_of("OPEN", fd=3, a=os.O_WRONLY | os.O_CREAT, path="file")
WRITE = record_of("WRITE", fd=3, data=b"x" * 2000)
SYNC_FILE = (record_of("SYNC_BEGIN", fd=3), record_of("SYNC_END", fd=3, a=1))
OPEN_ROOT = record_of("OPEN", fd=4, path="")
SYNC_ROOT = (record_of("SYNC_BEGIN", fd=4), record_of("SYNC_END", fd=4, a=1))


def contents(model, seeds=range(200)):
    """Every different folder in 200 tries, as {path: bytes}."""
    found = {}
    for seed in seeds:
        tree = model.crash(seed)
        found[disk.digest(tree)] = {path: leaf and leaf.content for path, leaf in disk.leaves(tree)}
    return list(found.values())


def test_a_synced_file_without_its_name_may_be_gone():
    assert {} in contents(replayed(CREATE, WRITE, *SYNC_FILE))


def test_a_name_without_its_bytes_may_be_empty_torn_or_zeros():
    found = [folder["file"] for folder in contents(replayed(CREATE, OPEN_ROOT, *SYNC_ROOT, WRITE))]
    assert b"" in found and b"x" * 2000 in found and bytes(2000) in found and b"x" * 512 in found
    assert any(content.startswith(bytes(512)) and b"x" in content for content in found), "sectors out of order"


def test_what_was_synced_stays():
    model = replayed(CREATE, WRITE, *SYNC_FILE, OPEN_ROOT, *SYNC_ROOT, record_of("WRITE", fd=3, a=2000, data=b"y" * 3000))
    assert all(folder["file"][:2000] == b"x" * 2000 for folder in contents(model))


def test_what_was_written_while_a_sync_ran_is_not_certain():
    begin, end = SYNC_FILE
    model = replayed(CREATE, OPEN_ROOT, *SYNC_ROOT, begin, WRITE, end)
    assert {"file": b""} in contents(model)


def test_a_rename_happens_whole_or_not_at_all():
    model = replayed(CREATE, WRITE, *SYNC_FILE, OPEN_ROOT, *SYNC_ROOT, record_of("MKDIR", path="to"), *SYNC_ROOT,
                     record_of("RENAME", path="file", other="to/file"))
    assert sorted(sorted(folder) for folder in contents(model)) == [["file", "to/"], ["to/file"]]


def test_a_sync_of_a_directory_keeps_its_names_but_not_its_own():
    model = replayed(record_of("MKDIR", path="new"), record_of("OPEN", fd=3, a=os.O_CREAT, path="new/file"), record_of("OPEN", fd=4, path="new"),
                     *SYNC_ROOT)
    assert sorted(sorted(folder) for folder in contents(model)) == [[], ["new/file"]]


def test_a_mark_names_the_ledger_it_stands_beside():
    text = b"cccc-mark 1 turn=7 device=2049 inode=131 seq=1204 offset=611880 birth=1767604500000000000"
    mark = (text + b" crc=%08x\n" % disk.crc32c(text)).ljust(4095) + b"\n"
    new = disk.marked_anew(mark + b"torn", 131, 9)
    assert len(new) == len(mark) + 4 and new.endswith(b"\ntorn")
    line = new.split(b"\n")[0]
    assert line.startswith(b"cccc-mark 1 turn=7 device=2049 inode=9 seq=1204 offset=611880 crc=")
    assert int(line[-8:], 16) == disk.crc32c(line[: line.index(b" crc=")])
    assert disk.marked_anew(mark, 132, 9) == mark
