"""What a daemon must make of any folder that a crash left, judged as its clients and operators see it.

Given what was told up to the crash (recording.Expected): it serves every group, has each event it told of once and unchanged, shows the state that belongs
to the last event it has, keeps a copy of what it cut, changes nothing more when it is started again, takes messages, and keeps those.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import busclient  # noqa: E402
from daemon import Daemon, Refused  # noqa: E402


class Violation(Exception):
    """A promise that was not kept, in one sentence."""


def require(holds, *words):
    if not holds:
        raise Violation(" ".join(str(word) for word in words))


# ---- what clients see ----


class Ledger:
    """The `events` of a group; those up to `retired` are gone by the operator's rule."""

    def __init__(self, events, retired=0):
        self.events, self.retired = events, retired
        self.ids = {event["id"] for event in events}
        self.head = events[-1]["seq"] if events else retired

    def has(self, event_id):
        return event_id in self.ids or int(event_id[12:22], 16) <= self.retired


def retired_in(gaps, group_id):
    """How far the gaps of a page reach: segments that were retired, one behind the other from the first event on, and no other gap."""
    retired = 0
    for gap in gaps:
        require(gap["from_seq"] == retired + 1 and gap["reason"] == "retired", "a power cut left a gap:", group_id, gaps)
        retired = gap["to_seq"]
    return retired


def read_all(bus, group_id):
    """All events of a group, which must be seq 1, 2, 3, ... without a gap, but for what was retired."""
    events, seq, retired = [], 0, 0
    while True:
        page = bus.ask("ledger_read", group_id=group_id, after_seq=seq, limit=1000)
        retired = max(retired, retired_in(page["gaps"], group_id))
        events += page["events"]
        seq = page["checked_seq"]
        if not page["more"]:
            break
    require([event["seq"] for event in events] == list(range(retired + 1, retired + 1 + len(events))), "seqs are not contiguous in", group_id)
    return Ledger(events, retired)


def last_of(states, ledger):
    """The state behind the last event of `states` ([[event id, state]]) that is there, or was retired; None when none is."""
    return next((state for event_id, state in reversed(states) if ledger.has(event_id)), None)


def trashed(home, group_id):
    """The events of a deleted group, from its folder in trash/."""
    folders = list((home / "trash").glob(group_id + ".*"))
    require(len(folders) == 1, "the deleted group", group_id, "is in trash/", len(folders), "times")
    lines = (folders[0] / "ledger.jsonl").read_bytes().splitlines()
    return Ledger([{key: value for key, value in json.loads(line).items() if key not in ("epoch", "dur", "prev", "crc")} for line in lines])


def check_events(home, bus, expected, listed):
    """{group: Ledger} as found; I1 to I3: what was told is there, once, as it was told, unless it could be retired."""
    found = {group_id: read_all(bus, group_id) for group_id in listed}
    for group_id in expected.groups() | expected.deleted:
        if group_id in expected.deleted:
            require(group_id not in found, "the group", group_id, "is back although its deletion was acknowledged")
        if group_id not in found:
            require(group_id in expected.deleting | expected.deleted, "the group", group_id, "is gone")
            found[group_id] = trashed(home, group_id)
    for group_id, ledger in found.items():
        allowed = last_of(expected.may_retire.get(group_id, []), ledger) or 0
        require(ledger.retired <= allowed, "events of", group_id, "were retired up to", ledger.retired, "instead of at most", allowed)
    by_id = {event["id"]: event for ledger in found.values() for event in ledger.events}
    require(len(by_id) == sum(len(ledger.events) for ledger in found.values()), "an event is there twice")
    for event_id, event in expected.events.items():
        if event["seq"] <= found[event["group_id"]].retired:
            continue
        require(event_id in by_id, "lost:", json.dumps(event)[:300])
        require(by_id[event_id] == event, "changed:", json.dumps(event)[:300], "is now", json.dumps(by_id[event_id])[:300])
    for event_id in expected.ids:
        require(any(ledger.has(event_id) for ledger in found.values()), "lost: event", event_id)
    for group_id, head in expected.heads.items():
        require(group_id in found and found[group_id].head >= head, "the head", head, "of", group_id, "was published and is not there")
    return found


def check_no_invention(expected, found):
    """Nobody edited a file by hand, and no client id was used twice."""
    for group_id, ledger in found.items():
        require(not any(event["kind"] == "group.edit" for event in ledger.events), group_id, "was edited by nobody")
        ids = [event["data"]["client_id"] for event in ledger.events if event["kind"] == "chat.message" and event["data"]["client_id"]]
        require(len(ids) == len(set(ids)), "a client_id was stored twice in", group_id)


def without_times(shown):
    """A configuration without what depends on later events and on the daemon at hand."""
    return {key: value for key, value in shown.items() if key not in ("updated_at", "ledger_seq", "running")}


def check_state(bus, expected, found, listed):
    """I9, I11: configuration and cursors are those that belong to the head."""
    for group_id in listed:
        wanted = last_of(expected.shown.get(group_id, []), found[group_id])
        if wanted:
            shown, wanted = without_times(bus.ask("group_show", group_id=group_id)["group"]), without_times(wanted)
            differing = {key: (shown.get(key), wanted.get(key)) for key in shown.keys() | wanted.keys() if shown.get(key) != wanted.get(key)}
            require(not differing, "the configuration of", group_id, "differs from that of its last event (is, should be):", differing)
        for actor_id, states in expected.cursors.get(group_id, {}).items():
            wanted = last_of(states, found[group_id])
            cursor = wanted and bus.ask("inbox_list", group_id=group_id, actor_id=actor_id, limit=1)["cursor"]["seq"]
            require(cursor == wanted, "the cursor of", actor_id, "is", cursor, "and should be", wanted)


def check_files(home, expected, found, listed):
    """Every blob that an event names, or that was acknowledged, is there with its bytes."""
    for group_id in listed:
        wanted = {item["path"]: item["sha256"] for event in found[group_id].events if event["kind"] == "chat.message" for item in event["data"]["attachments"]}
        for path, sha256 in wanted.items():
            file = home / "groups" / group_id / path
            require(file.is_file(), "event names a file that is gone:", path)
            require(hashlib.sha256(file.read_bytes()).hexdigest() == sha256, "a file has other bytes:", path)
    for path, sha256 in expected.blobs.items():
        files = [home / "groups" / group_id / path for group_id in listed]
        good = [file for file in files if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256]
        require(good or expected.deleting, "an acknowledged file is gone or changed:", path)


def check_all(home, expected):
    """Everything a client can see. {group: its Ledger} of the groups that are listed."""
    with busclient.Bus(home, timeout_s=30) as bus:
        rows = bus.ask("groups")["groups"]
        for row in rows:
            require("offline" not in row and "read_only" not in row, row["group_id"], "does not serve:", row)
        require(not bus.ask("status")["degraded"], "degraded:", bus.ask("status")["degraded"])
        listed = sorted(row["group_id"] for row in rows)
        found = check_events(home, bus, expected, listed)
        check_no_invention(expected, found)
        check_state(bus, expected, found, listed)
        check_files(home, expected, found, listed)
        return {group_id: found[group_id] for group_id in listed}


def goes_on(later, before):
    """The same events and others behind them, but for what was retired since."""
    kept = [event for event in before.events if event["seq"] > later.retired]
    return later.retired >= before.retired and later.events[: len(kept)] == kept


def send_once(home, expected, listed):
    """A message to each group, and again: stored once. From now on it is expected like the others."""
    with busclient.Bus(home, timeout_s=30) as bus:
        for group_id in listed:
            args = {"group_id": group_id, "text": "after the crash", "to": ["user"], "client_id": "after the crash"}
            event = bus.ask("send", **args)["event"]
            again = bus.ask("send", **args)
            require(again["event"] == event and again.get("duplicate"), "a repeated send was stored again:", again)
            expected.add("event", event)


# ---- what operators see ----


def content(home):
    """{path: bytes} of the groups' files: what a second recovery must not change. Not marks, locks, exports and drafts, and not what follows from the ledger
    and is written behind the start: group.yaml and its company (their state is compared as it is shown)."""
    written_behind = ("mark", "ledger.lock", "read_cursors.json", "group.yaml", "group.sum", "scope.yaml")
    files = {}
    for top in ("groups", "trash"):
        for folder, _, names in os.walk(home / top):
            for name in names:
                if not name.startswith(written_behind) and not name.endswith(".tmp"):
                    files[os.path.relpath(os.path.join(folder, name), home)] = pathlib.Path(folder, name).read_bytes()
    return files


def folder_of(path):
    """groups/<group id> of a file in it."""
    return "/".join(path.split("/")[:2])


def sealed_between(before, after):
    """The folders of groups whose older events were sealed, or whose seal began anew, in the meantime: their ledger.jsonl is another file then."""
    names = (".jsonl.zst", "/manifest", "/manifest.prev")
    return {folder_of(path) for path in before.keys() | after.keys() if path.endswith(names) and before.get(path) != after.get(path)}


def check_nothing_erased(before, after):
    """I6: a ledger is as it was, or its end is in torn/."""
    for path, ledger in before.items():
        if not path.endswith("/ledger.jsonl") or not ledger or folder_of(path) in sealed_between(before, after):
            continue
        group_id = path.split("/")[1].split(".")[0]  # trash/ has <group id>.<when>/
        there = next((name for name in after if name.endswith("/ledger.jsonl") and name.split("/")[1].split(".")[0] == group_id), None)
        require(there, path, "is gone")
        now = after[there]
        copies = [data for name, data in after.items() if name.startswith(os.path.dirname(there) + "/state/ledger/torn/")]
        require(now.startswith(ledger) or any(now.startswith(ledger[: -len(copy)]) and ledger.endswith(copy) for copy in copies if copy),
                "bytes of", path, "are gone without a copy")


def check_removed(home, listed):
    """What is said to be retired takes no room any more, at the latest when the daemon has removed it."""
    until = time.monotonic() + 20
    for group_id, ledger in listed.items():
        folder = home / "groups" / group_id / "state/ledger"
        while any(int(path.name[14:27]) <= ledger.retired for path in folder.glob("[0-9]*.jsonl.zst")):
            require(time.monotonic() < until, "the files of retired events of", group_id, "stay")
            time.sleep(0.001)


def run_cli(home, program, *arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CCCC_")}
    return subprocess.run([str(pathlib.Path(program).parent / "cccc"), *arguments], env={**environment, "CCCC_HOME": str(home)}, capture_output=True,
                          text=True, timeout=60)


def check_tools(home, cli, listed):
    """`ledger verify` and `doctor` find nothing wrong."""
    done = run_cli(home, cli, "ledger", "verify", "--all")
    require(done.returncode == 0, "cccc ledger verify:", done.stdout, done.stderr)
    require(all(group_id in done.stdout for group_id in listed), "cccc ledger verify does not name each group:", done.stdout)
    done = run_cli(home, cli, "doctor")
    require(done.returncode == 0, "cccc doctor:", done.stdout, done.stderr)


def judge(home, program, cli, expected, before=None):
    """Start `program` on `home`, three times, and raise Violation unless all of the above holds. `expected` is used up. `before`: what content()
    found there, when it was earlier."""
    home, daemon = pathlib.Path(home), Daemon(home, program)
    try:
        before = before or content(home)
        daemon.start()
        listed = check_all(home, expected)
        daemon.kill()
        recovered = content(home)
        check_nothing_erased(before, recovered)
        daemon.start()
        again = content(home)
        differing = {path for path in recovered.keys() | again.keys() if recovered.get(path) != again.get(path)}
        differing -= {path for path in differing if folder_of(path) in sealed_between(recovered, again)}
        require(not differing, "a second recovery changed", sorted(differing))
        send_once(home, expected, listed)
        require(daemon.stop() == 0, "a stop in order did not end with status 0")
        daemon.start()
        later = check_all(home, expected)
        require(later.keys() == listed.keys(), "the groups are others after a restart")
        require(all(goes_on(later[group_id], ledger) for group_id, ledger in listed.items()), "events are others after a restart")
        check_removed(home, later)
        daemon.kill()
        check_tools(home, cli, listed)
    except Refused as refusal:
        raise Violation(f"it does not serve: {refusal}") from refusal
    except (busclient.BusError, TimeoutError, OSError, KeyError, ValueError) as error:
        raise Violation(f"{type(error).__name__}: {error}") from error
    finally:
        daemon.end()
