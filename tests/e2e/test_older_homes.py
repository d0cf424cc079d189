"""Homes of older versions open, show what they held, go on, and lose nothing: tests/homes has them, expected.json says what they show."""

import json
import os
import pathlib
import shutil

import pytest
from home import Home

HOMES = pathlib.Path(__file__).resolve().parents[1] / "homes"
EXPECTED = json.loads((HOMES / "expected.json").read_text())
GROUPS = [(name, group) for name in EXPECTED for group in EXPECTED[name]["groups"]]


@pytest.fixture
def opened():
    """A function that gives a private copy of a home of the corpus, without a daemon."""
    made = []

    def open_copy(name):
        scratch = Home()
        made.append(scratch)
        scratch.path.rmdir()
        shutil.copytree(HOMES / name, scratch.path)
        for path in [scratch.path, *scratch.path.rglob("*")]:
            os.chmod(path, 0o755 if path.is_dir() else 0o600)  # as CCCC 0.4.0 and a checkout leave folders
        return scratch

    yield open_copy
    for scratch in made:
        scratch.end()


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and not p.is_symlink()}


def events_of(bus, group):
    """(events by seq, gaps) of the whole ledger."""
    events, gaps, after = {}, [], 0
    while True:
        page = bus.ask("ledger_read", group_id=group, after_seq=after, limit=3)
        events.update((e["seq"], e) for e in page["events"])
        gaps += [[gap["from_seq"], gap["to_seq"]] for gap in page["gaps"]]
        after = page["checked_seq"]
        if not page["more"]:
            return events, gaps


def unread(bus, group, reader):
    return [m["id"] for m in bus.ask("inbox_list", group_id=group, actor_id=reader, limit=1000)["messages"] if m["kind"] == "chat.message"]


def check_shown(bus, group, wanted, more=None):
    events, gaps = events_of(bus, group)
    assert {str(seq): e["id"] for seq, e in events.items() if str(seq) in wanted["ids"]} == wanted["ids"]
    assert gaps == wanted["gaps"]
    shown = bus.ask("group_show", group_id=group)["group"]
    assert shown["title"] == wanted["title"]
    actors = bus.ask("actor_list", group_id=group)["actors"]
    assert {a["id"]: a["enabled"] for a in actors} == wanted["actors"]
    assert "".join(a["id"] for a in actors if a["role"] == "foreman") == wanted["foreman"]
    for reader, ids in wanted["unread"].items():
        assert unread(bus, group, reader) == ids + (more or {}).get(reader, []), reader
    for reader, count in wanted.get("owes", {}).items():
        assert bus.ask("inbox_list", group_id=group, actor_id=reader)["owes"] == count, reader
    return events


def lost(wanted):
    """The seqs of a group's gaps."""
    return {seq for first, last in wanted["gaps"] for seq in range(first, last + 1)}


@pytest.mark.parametrize("name,group", GROUPS)
def test_older_group_is_served_as_it_was(opened, name, group):
    home, wanted = opened(name), EXPECTED[name]["groups"][group]
    home.start()
    with home.bus() as bus:
        events = check_shown(bus, group, wanted)
        assert sorted(events) == [seq for seq in range(1, max(events, default=0) + 1) if seq not in lost(wanted)]
        added = {e["kind"] for seq, e in events.items() if seq > wanted["events"] + len(lost(wanted))}
        assert added <= {"group.edit", "chat.read"}, "opening adds nothing but what it takes over"
    home.stop()


@pytest.mark.parametrize("name,group", [(n, g) for n, g in GROUPS if EXPECTED[n]["groups"][g]["actors"]])
def test_older_group_goes_on_with_sealed_events_across_restarts(opened, name, group):
    home, wanted = opened(name), EXPECTED[name]["groups"][group]
    first = next(iter(wanted["actors"]))
    home.start()
    with home.bus() as bus:
        before = max(events_of(bus, group)[0])
    sent = json.loads(home.cli("send", "new", "--to", first, "--group", group, "--json").stdout)["result"]["event"]
    assert sent["seq"] > before, "behind what was there; a message to an idle group also wakes it"
    with home.bus() as bus:
        old = next(e for e in events_of(bus, group)[0].values() if e["kind"] == "chat.message" and e["by"] == "user")
    answer = json.loads(home.cli("reply", old["id"], "an answer", "--by", first, "--group", group, "--json").stdout)["result"]["event"]
    assert answer["seq"] > sent["seq"] and answer["data"]["reply_to"] == old["id"]
    assert sent["id"] in home.cli("inbox", "--actor-id", first, "--group", group, "--json").stdout
    assert answer["id"] in home.cli("tail", "-n", "5", "--group", group, "--json").stdout
    with home.bus() as bus:
        bus.ask("group_update", group_id=group, patch={"topic": "another"})
        after = events_of(bus, group)
        inboxes = {reader: unread(bus, group, reader) for reader in wanted["unread"]}
    for stop in home.stop, home.kill:
        stop()
        home.start()
        with home.bus() as bus:
            assert events_of(bus, group) == after, "a restart adds nothing"
            assert {reader: unread(bus, group, reader) for reader in inboxes} == inboxes
    lines = (home.path / "groups" / group / "ledger.jsonl").read_bytes().splitlines()
    assert all(b'"crc":"' in line for line in lines[-3:]), "what is new is sealed"
    home.stop()


@pytest.mark.parametrize("name", EXPECTED)
def test_older_home_is_judged_without_being_called_damaged(opened, name):
    home = opened(name)
    before = files(home.path)
    for _ in range(2):
        done = home.cli("ledger", "verify", "--all", "--json", check=False)
        assert done.returncode == EXPECTED[name]["verify"], done.stdout
        for ledger in json.loads(done.stdout)["result"]["ledgers"]:
            wanted = EXPECTED[name]["groups"].get(ledger["group_id"])
            if not wanted:
                assert "is registered, but" in ledger["error"], "only a group that is registered and lost is not among those expected"
                continue
            assert ledger["legacy"] == (wanted["events"] if name.startswith("cccc-0.4.0") else 0)
        doctor = home.cli("doctor", check=False)
        assert doctor.returncode == EXPECTED[name]["verify"], doctor.stdout
        if EXPECTED[name].get("archived"):
            assert f"{EXPECTED[name]['archived']} events" in doctor.stdout and "archive" in doctor.stdout
        if home.process is None:
            assert files(home.path) == before, "checking changes nothing"
            home.start()
            home.stop()


# Nothing of an older home is lost: every file is there with its bytes, or has a copy beside it, or was only appended to.
@pytest.mark.parametrize("name", [n for n in EXPECTED if n.startswith("cccc-0.4.0")])
def test_older_home_keeps_every_byte(opened, name):
    home = opened(name)
    before = files(home.path)
    for _ in range(2):
        home.start()
        with home.bus() as bus:
            for group, wanted in EXPECTED[name]["groups"].items():
                bus.ask("group_update", group_id=group, patch={"title": "renamed"})
                for actor in wanted["actors"]:
                    bus.ask("inbox_mark_all_read", group_id=group, actor_id=actor)
        home.stop()
    after = files(home.path)
    for path, data in before.items():
        if path.endswith("/ledger.jsonl"):
            kept = b"".join(after[p] for p in sorted(after) if p.startswith(path.replace("ledger.jsonl", "state/ledger/torn/")) and not p.endswith(".note"))
            assert after[path].startswith(data[: len(data) - len(kept)]) and data.endswith(kept)
        elif path.split("/")[0] != "locks" and not path.endswith(".lock"):
            assert after.get(path) == data or after.get(path + ".0.4.0") == data, path
    assert "x_of_another_program" not in before.get("groups/g_a3610964d661/group.yaml", b"").decode() or (
        "x_of_another_program" in after["groups/g_a3610964d661/group.yaml"].decode()
    )


# Cursors are taken over once, as events, so that the ledger stays the truth; also when the first opening was cut short.
def test_cursors_of_an_older_home_become_events_once(opened):
    name, group = "cccc-0.4.0-compacted", "g_00c0ffee0001"
    home, wanted = opened(name), EXPECTED["cccc-0.4.0-compacted"]["groups"]["g_00c0ffee0001"]
    home.start()
    with home.bus() as bus:
        events, _ = events_of(bus, group)
        taken = {e["data"]["actor_id"]: e["data"]["event_id"] for e in events.values() if e["kind"] == "chat.read"}
        assert taken == {"alpha": wanted["ids"]["1"], "beta": wanted["ids"]["2"]}
    home.kill()
    ledger = home.path / "groups" / group / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    edit = next(i for i, line in enumerate(lines) if b'"kind":"group.edit"' in line)
    assert all(b'"kind":"chat.read"' in line for line in lines[4:edit]), "in front of the event that ends the older time"
    for kept in range(4, edit + 1):  # the opening stopped after so many lines
        again = opened(name)
        (again.path / "groups" / group / "ledger.jsonl").write_bytes(b"".join(lines[:kept]))
        again.start()
        with again.bus() as bus:
            check_shown(bus, group, wanted)
            reads = [e for e in events_of(bus, group)[0].values() if e["kind"] == "chat.read"]
            assert len(reads) == 2
        again.stop()


# A backup of an older home that nobody has opened yet passes its drill too.
@pytest.mark.parametrize("name", EXPECTED)
def test_older_home_can_be_backed_up_and_restored(opened, name, tmp_path):
    home = opened(name)
    damaged = EXPECTED[name]["verify"]
    assert home.cli("backup", "create", str(tmp_path / "b"), check=False).returncode == damaged
    assert home.cli("backup", "verify", str(tmp_path / "b"), "--drill", check=False).returncode == damaged
    shutil.rmtree(home.path)
    home.cli("restore", str(tmp_path / "b"), *(["--accept-damage"] if damaged else []))
    home.start()
    with home.bus() as bus:
        for group, wanted in EXPECTED[name]["groups"].items():
            check_shown(bus, group, wanted)
    home.stop()
