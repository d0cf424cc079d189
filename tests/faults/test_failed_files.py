"""Each operation of the daemon that touches a file, on a disk that refuses: once, and for as long as the operation lasts.

What must hold in every cell: the daemon lives; what it answers is true (an effect that was acknowledged is there, one that was refused as not
stored is not); another group does not notice; when the disk is well again a repeat succeeds; afterwards the daemon's state is the fold of its ledgers; a
sync that failed is not tried again on the same descriptor."""

import hashlib
import shutil
import time

import pytest

import busclient
from faults import Home, Stage

# name: the calls that fail, and how.
FAULTS = {
    "no space": (["write"], "ENOSPC"),
    "no inodes": (["open_to_write", "mkdir"], "ENOSPC"),
    "over quota": (["write", "mkdir"], "EDQUOT"),
    "write error": (["write"], "EIO"),
    "sync error": (["sync"], "EIO"),
    "sync without space": (["sync"], "ENOSPC"),
    "directory sync error": (["sync_directory"], "EIO"),
    "rename error": (["rename"], "EIO"),
    "read error": (["read"], "EIO"),
    "look error": (["look"], "EIO"),
    "read-only": (["open_to_write", "truncate", "rename", "unlink", "mkdir"], "EROFS"),
    "no descriptors": (["open_to_read", "open_to_write"], "EMFILE"),
}


def sha(data):
    return hashlib.sha256(data).hexdigest()


def message_there(bus, group, text):
    page = bus.ask("ledger_read", group_id=group, after_seq=0, limit=1000)
    return any(event["data"].get("text", "").startswith(text) or event["data"].get("client_id") == text for event in page["events"])


class Send:
    """Recorded in the ledger: its lines, or what the commit looks at before it writes them."""

    files = ["groups/{group}/ledger.jsonl"]

    def run(self, bus, group, name):
        bus.ask("send", group_id=group, text=name, to=["lead"], client_id=name)

    def is_there(self, bus, group, name):
        return message_there(bus, group, name)


class SendLong(Send):
    """The text goes to a file of its own before the event that names it."""

    files = ["groups/{group}/state/blobs*"]

    def run(self, bus, group, name):
        bus.ask("send", group_id=group, text=name + " " + "x" * 40000, to=["lead"], client_id=name)


class CreateGroup:
    """Folders, lock, ledger, group.yaml, registry."""

    files = ["groups", "groups/{made}*", "registry.json*"]

    def id_of(self, name):
        return self.made

    def run(self, bus, group, name):
        bus.ask("group_create", title=name, client_id=name)

    def is_there(self, bus, group, name):
        return name in [row["title"] for row in bus.ask("groups")["groups"]]


class UpdateGroup:
    files = ["groups/{group}/group.yaml*", "groups/{group}/state/group.sum*"]

    def run(self, bus, group, name):
        bus.ask("group_update", group_id=group, patch={"title": name})

    def is_there(self, bus, group, name):
        return bus.ask("group_show", group_id=group)["group"]["title"] == name


class AddActor(UpdateGroup):
    files = ["registry.json*"]

    def run(self, bus, group, name):
        bus.ask("actor_add", group_id=group, actor_id="helper", title=name)

    def is_there(self, bus, group, name):
        return name in [actor["title"] for actor in bus.ask("actor_list", group_id=group)["actors"]]

    def refused_repeat(self, error):
        return error.code == "actor_add_failed" and "already" in str(error)


class Attach:
    files = ["groups/{group}/scopes*"]

    def run(self, bus, group, name):
        bus.ask("attach", group_id=group, path=f"/nowhere/{name}")

    def is_there(self, bus, group, name):
        return any(scope["url"].endswith(name) for scope in bus.ask("group_show", group_id=group)["group"]["scopes"])


class SetActive:
    files = ["active.json*"]

    def run(self, bus, group, name):
        bus.ask("active_set", group_id=group)

    def is_there(self, bus, group, name):
        return bus.ask("active_get")["active_group_id"] == group


class PutBlob:
    files = ["groups/{group}/state/blobs*"]

    def run(self, bus, group, name):
        data = name.encode() * 1000
        bus.ask("blob_put", group_id=group, sha256=sha(data), name=name, total_bytes=len(data), data=data)

    def is_there(self, bus, group, name):
        try:
            answer = bus.ask("blob_get", group_id=group, path=f"state/blobs/{sha(name.encode() * 1000)}_{name}")
        except busclient.BusError as error:
            assert error.code == "blob_not_found", error
            return False
        assert answer["data"] == name.encode() * 1000
        return None  # whole; whether that was acknowledged or not is all the same


class Reads:
    """Nothing to be seen afterwards: only that they answer or say why not, and answer again."""

    def is_there(self, bus, group, name):
        return None


class ReadLedger(Reads):
    files = ["groups/{group}/ledger.jsonl"]

    def run(self, bus, group, name):
        page = bus.ask("ledger_read", group_id=group, after_seq=0)
        assert not page["gaps"] and page["events"][0]["seq"] == 1


class ReadBlob(Reads):
    files = ["groups/{group}/state/blobs*"]

    def run(self, bus, group, name):
        assert bus.ask("blob_get", group_id=group, path=f"state/blobs/{sha(b'before')}_before")["data"] == b"before"


class Reconcile(Reads):
    files = ["groups*"]

    def run(self, bus, group, name):
        found = bus.ask("registry_reconcile", remove_missing=True)
        assert found["missing_group_ids"] == found["removed_group_ids"] == []


class Seal:
    """All but the last event are in a segment, and everything is read as before."""

    files = ["groups/{group}/state/ledger*", "groups/{group}/ledger.jsonl.tmp"]

    def prepare(self, bus, group):
        bus.ask("group_settings_update", group_id=group, patch={"ledger_keep_tail_lines": 1})

    def run(self, bus, group, name):
        bus.ask("ledger_compact", group_id=group, force=True)

    def is_there(self, bus, group, name):
        return None


class Retire(Seal):
    """The sealed events go by rule once the disk lets them; refused is nothing, because nobody waits for it."""

    def prepare(self, bus, group):
        super().prepare(bus, group)
        bus.ask("inbox_mark_all_read", group_id=group, actor_id="lead")
        bus.ask("ledger_compact", group_id=group, force=True)
        bus.ask("group_settings_update", group_id=group, patch={"retention_max_bytes": 1})

    def run(self, bus, group, name):
        bus.ask("ledger_compact", group_id=group)
        bus.ask("ledger_snapshot", group_id=group)  # behind it, on the same thread

    def finish(self, bus, group):
        deadline = time.monotonic() + PATIENCE_S
        while not bus.ask("ledger_read", group_id=group, after_seq=0, limit=1)["gaps"]:
            assert time.monotonic() < deadline, "the rule is not followed any more"
            attempt(self, bus, group, "")


class DeleteGroup:
    """What is deleted is in the trash, whole, or still served."""

    files = ["trash*", "groups"]

    def run(self, bus, group, name):
        bus.ask("group_delete", group_id=group)

    def is_there(self, bus, group, name):
        return group not in [row["group_id"] for row in bus.ask("groups")["groups"]]

    def refused_repeat(self, error):
        return error.code == "group_not_found"


OPERATIONS = [Send, SendLong, CreateGroup, UpdateGroup, AddActor, Attach, SetActive, PutBlob, ReadLedger, ReadBlob, Reconcile, Seal, Retire, DeleteGroup]

# Codes that may answer a disk that refuses; with those of the first line nothing was begun.
REFUSALS = {"busy", "group_offline", "group_read_only", "storage_failed", "no_space", "damaged", "group_delete_failed", "blob_not_found",
            "ledger_compact_failed", "ledger_snapshot_failed"}
PATIENCE_S = 60


def make_group(bus, title):
    group = bus.ask("group_create", title=title)["group_id"]
    bus.ask("actor_add", group_id=group, actor_id="lead")
    bus.ask("send", group_id=group, text="before", to=["lead"])
    bus.ask("blob_put", group_id=group, sha256=sha(b"before"), name="before", total_bytes=6, data=b"before")
    return group


def attempt(operation, bus, group, name):
    """None when it succeeded, else the error."""
    try:
        operation.run(bus, group, name)
        return None
    except busclient.BusError as error:
        assert error.code in REFUSALS, error
        assert error.code == "blob_not_found" or len(str(error)) > 30, error
        return error


def repeat_until_done(operation, bus, group, name):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            operation.run(bus, group, name)
            return
        except busclient.BusError as error:
            if operation.is_there(bus, group, name) and getattr(operation, "refused_repeat", lambda _: False)(error):
                return
            assert error.code in ("busy", "group_offline", "storage_failed", "blob_conflict"), error
            assert time.monotonic() < deadline, error
        time.sleep(0.01)


def judge(operation, bus, group, name, error):
    """What the client was told against what is to be seen, before anything is repeated."""
    there = operation.is_there(bus, group, name)
    if there is None:
        return
    if error is None:
        assert there, f"{name}: acknowledged, and not there"
    elif error.details.get("outcome") == "not_stored" or "outcome" not in error.details:
        assert not there, f"{name}: refused with {error}, and there"


def wait_for_group(bus, group):
    """A group that a failure made read its ledger again answers; it may be gone, too."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        row = [row for row in bus.ask("groups")["groups"] if row["group_id"] == group]
        if not row or ("offline" not in row[0] and "read_only" not in row[0]):
            return
        assert time.monotonic() < deadline, row
        time.sleep(0.02)


def cells(operation):
    for fault, (calls, error) in FAULTS.items():
        for count in (1, 0):
            yield f"{operation.__name__.lower()}-{fault.replace(' ', '-')}-{'once' if count else 'lasting'}", calls, error, count


def run_cell(home, bus, other, operation, name, calls, error, count):
    """One operation under one fault. Its group; the error it was answered with; whether the fault was met at all."""
    group = make_group(bus, f"group of {name}")
    if hasattr(operation, "prepare"):
        operation.prepare(bus, group)
    operation.made = "g_" if isinstance(operation, CreateGroup) else ""
    patterns = [f"{home.path}/{file.format(group=group, made=operation.made)}" for file in operation.files]
    rules = [home.files.on(calls, pattern, error, count=count) for pattern in patterns]
    for rule in rules:
        rule.__enter__()
    answer = attempt(operation, bus, group, name)
    if not isinstance(operation, (CreateGroup, Reconcile)):
        bus.ask("send", group_id=other, text=f"meanwhile {name}", to=["lead"])
    struck = sum(rule.struck for rule in rules)
    for rule in rules:
        rule.__exit__()
    return group, answer, struck


def view(bus):
    """What clients can see of this home, without what changes with the start of a daemon or with a write of the registry."""
    groups = sorted(row["group_id"] for row in bus.ask("groups")["groups"])
    seen = {"active": bus.ask("active_get")["active_group_id"]}
    for group in groups:
        shown = bus.ask("group_show", group_id=group)
        status = bus.ask("status", group_id=group)
        pages = bus.ask("ledger_read", group_id=group, after_seq=0, limit=1000)
        seen[group] = [shown["group"], status["as_of_seq"], status["group"], pages["events"], pages["gaps"]]
        retired = pages["gaps"][-1]["to_seq"] if pages["gaps"] else 0
        assert {gap["reason"] for gap in pages["gaps"]} <= {"retired"}
        assert [event["seq"] for event in pages["events"]] == list(range(retired + 1, status["as_of_seq"] + 1))
    return seen


def view_of_the_ledgers_alone(home):
    """The same from a copy of the home without any file that could be told anew from the ledgers."""
    with Home() as copy:
        shutil.copytree(home.path, copy.path, dirs_exist_ok=True, ignore=lambda at, names: [n for n in names if n.startswith("ccccd.")])
        for name in "registry.json", "groups/*/group.yaml*", "groups/*/state/group.sum*", "groups/*/state/read_cursors.json*", "groups/*/state/ledger/mark":
            for file in copy.path.glob(name):
                file.unlink()
        copy.start()
        with copy.bus() as bus:
            return view(bus)


def nothing_half_written(home):
    drafts = [path for pattern in ("**/*.tmp", "**/.upload-*") for path in home.path.glob(pattern)]
    assert drafts == []
    for blob in home.path.glob("groups/*/state/blobs/*_*"):
        if len(blob.name) > 65 and blob.name[64] == "_":
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name[:64]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_operation_on_a_disk_that_refuses(operation):
    operation = operation()
    with Stage() as home:
        home.start()
        with home.bus(timeout_s=60) as bus:
            other = make_group(bus, "other")
            met, todo = 0, []
            for name, calls, error, count in cells(type(operation)):
                group, answer, struck = run_cell(home, bus, other, operation, name, calls, error, count)
                print(f"{name}: struck {struck}, {answer or 'acknowledged'}")
                met += struck > 0
                todo.append((group, name, answer))
            assert met >= 2, "the faults hit nothing: the patterns are wrong"
            for group, name, answer in todo:
                wait_for_group(bus, group)
                if not isinstance(operation, SetActive):
                    judge(operation, bus, group, name, answer)
                repeat_until_done(operation, bus, group, name)
                assert operation.is_there(bus, group, name) in (True, None)
                if hasattr(operation, "finish"):
                    operation.finish(bus, group)
            assert home.files.repeated_syncs == 0
            assert bus.ask("status")["pid"] == home.process.pid
            before = view(bus)
        home.kill()
        nothing_half_written(home)
        assert view_of_the_ledgers_alone(home) == before
        home.start()
        with home.bus() as bus:
            assert view(bus) == before
        assert home.stop() == 0
        assert home.cli("doctor", check=False).returncode != 9
