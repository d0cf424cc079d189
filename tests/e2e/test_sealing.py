"""Sealing in a real daemon: older events move into compressed segments under load, and every command still finds them; backups and plain copies hold all of them."""

import json
import shutil
import subprocess
import threading
import time

from home import Home, until

MIB = 1024 * 1024
KEEP = 50


def make_group(bus):
    group = bus.ask("group_create", title="demo")["group_id"]
    for actor in "lead", "rev":
        bus.ask("actor_add", group_id=group, actor_id=actor, runner="headless", runtime="custom")
    bus.ask("group_settings_update", group_id=group, patch={"ledger_max_active_bytes": MIB, "ledger_keep_tail_lines": KEEP})
    return group


def send_batch(bus, group, first, count=100):
    """`count` messages of about 1 KiB for rev, numbered from `first`; their events."""
    messages = [{"text": f"m{n} " + f"{n * 7919 % 1000003} " * 120, "to": ["rev"], "client_id": f"c{n}"} for n in range(first, first + count)]
    return [r["event_id"] for r in bus.ask("send_batch", group_id=group, messages=messages)["results"]]


def sealed_last(home, group):
    """The last sealed seq, from the manifest; 0 when nothing is sealed."""
    manifest = home.path / "groups" / group / "state/ledger/manifest"
    if not manifest.exists():
        return 0
    rows = [line.split() for line in manifest.read_text().splitlines() if line.startswith("segment ")]
    return int(rows[-1][2].removeprefix("last=")) if rows else 0


def fill(home, bus, group, ids, sealed):
    """Send until events up to `sealed` at least are sealed and ledger.jsonl is short again; little at a time once they are, so that a seal overtakes us."""
    ledger = home.path / "groups" / group / "ledger.jsonl"
    while sealed_last(home, group) < sealed or ledger.stat().st_size > MIB:
        ids += send_batch(bus, group, len(ids), 100 if sealed_last(home, group) < sealed else 5)
        assert len(ids) < 20000
        if len(ids) > 5000:
            time.sleep(0.1)  # our pace: a slow machine seals when a burst ends


def read_all(bus, group):
    events, after = [], 0
    while True:
        page = bus.ask("ledger_read", group_id=group, after_seq=after, limit=1000)
        assert page["gaps"] == []
        events += page["events"]
        after = page["checked_seq"]
        if not page["more"]:
            return events


def check_everything(home, bus, group, ids):
    """Every acknowledged message is read, found, listed, repeated and replied to as if nothing had been sealed."""
    events = read_all(bus, group)
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert [e["id"] for e in events if e["kind"] == "chat.message" and e["data"]["text"].startswith("m")] == ids
    assert bus.ask("ledger_read", group_id=group, event_id=ids[3])["events"][0]["id"] == ids[3]
    assert [e["id"] for e in bus.ask("ledger_read", group_id=group, before_seq=300, limit=250)["events"]] == [e["id"] for e in events[49:299]]
    assert bus.ask("inbox_list", group_id=group, actor_id="rev", limit=5)["messages"][0]["id"] == ids[0]
    repeated = send_batch(bus, group, 7, 1)
    assert repeated == [ids[7]]
    verified = json.loads(home.cli("ledger", "verify", "--group", group, "--json").stdout)["result"]["ledgers"][0]
    assert verified["state"] == "sound" and verified["head_seq"] == len(events)


def test_sealed_events_are_found_by_everything_also_after_kill_9():
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            fill(home, bus, group, ids, 2000)
            check_everything(home, bus, group, ids)
            lines = (home.path / "groups" / group / "ledger.jsonl").read_bytes().splitlines()
            assert len(lines) >= KEEP and json.loads(lines[0])["seq"] == sealed_last(home, group) + 1
            reply = bus.ask("reply", group_id=group, reply_to=ids[5], text="late", by="rev")["event"]
            assert reply["data"]["reply_to"] == ids[5]
        home.kill()
        home.start()
        with home.bus() as bus:
            check_everything(home, bus, group, ids)
            ids += send_batch(bus, group, len(ids))
            check_everything(home, bus, group, ids)
        assert home.cli("doctor", check=False).returncode == 0


def test_a_burst_is_sealed_when_the_group_rests():
    """Nobody sends again: the daemon does it by itself."""
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            for _ in range(2):
                ids += send_batch(bus, group, len(ids), 800)
            until(lambda: sealed_last(home, group) >= len(ids) - KEEP, 30)
            until(lambda: (home.path / "groups" / group / "ledger.jsonl").stat().st_size < MIB, 30)
            check_everything(home, bus, group, ids)


def test_zstdcat_puts_a_ledger_together_again():
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            fill(home, bus, group, ids, 2000)
            events = read_all(bus, group)
        home.stop()
        folder = home.path / "groups" / group
        segments = sorted((folder / "state/ledger").glob("[0-9]*.jsonl.zst"))
        assert len(segments) >= 1
        lines = subprocess.run(["zstdcat", *segments], capture_output=True, check=True).stdout + (folder / "ledger.jsonl").read_bytes()
        assert [json.loads(line)["id"] for line in lines.splitlines()] == [e["id"] for e in events]


class Load(threading.Thread):
    """Sends batches until told to stop, so that seals go on all the time."""

    def __init__(self, home, group, ids):
        super().__init__()
        self.home, self.group, self.ids, self.over = home, group, ids, threading.Event()

    def run(self):
        with self.home.bus() as bus:
            while not self.over.is_set() and len(self.ids) < 30000:
                self.ids += send_batch(bus, self.group, len(self.ids))


def test_a_backup_taken_while_ledgers_are_sealed_holds_all_of_them(tmp_path):
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            fill(home, bus, group, ids, 500)
        load = Load(home, group, ids)
        load.start()
        try:
            for number in range(3):
                acked = len(ids)
                home.cli("backup", "create", str(tmp_path / str(number)))
                home.cli("backup", "verify", str(tmp_path / str(number)))
        finally:
            load.over.set()
            load.join()
        home.stop()
        shutil.rmtree(home.path / "groups")
        shutil.copytree(tmp_path / "2" / "groups", home.path / "groups")
        home.start()
        with home.bus() as bus:
            kept = [e["id"] for e in read_all(bus, group) if e["kind"] == "chat.message"]
            assert kept == ids[: len(kept)] and len(kept) >= acked


def test_a_plain_copy_that_straddled_a_seal_names_the_missing_events():
    """The manifest as it was before a seal beside the ledger.jsonl from after it. Who asks about such an event, or answers it, is told that it is missing."""
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            fill(home, bus, group, ids, 500)
            before = sealed_last(home, group)
            state = home.path / "groups" / group / "state/ledger"
            older = (state / "manifest").read_bytes()
            fill(home, bus, group, ids, before + 500)
        home.stop()
        after = sealed_last(home, group)
        for segment in state.glob("[0-9]*.jsonl.zst"):
            if int(segment.name[:13]) > before:
                segment.unlink()
        (state / "manifest").write_bytes(older)
        (state / "manifest.prev").unlink()
        (state / "mark").unlink()
        home.start()
        log = (home.path / "daemon/ccccd.log").read_text()
        gap = next(record for record in map(json.loads, log.splitlines()) if record["id"] == "LEDGER-GAP")
        assert (int(gap["from_seq"]), int(gap["to_seq"]), gap["reason"]) == (before + 1, after, "missing")
        with home.bus() as bus:
            gaps = bus.ask("ledger_read", group_id=group, after_seq=before, limit=1)["gaps"]
            assert [(g["from_seq"], g["to_seq"], g["reason"]) for g in gaps] == [(before + 1, after, "missing")]
            lost = next(i for i in reversed(ids) if before < int(i[12:22], 16) <= after)
            seq = int(lost[12:22], 16)
            for args in ("why", str(seq)), ("reply", f"#{seq}", "late"):
                done = home.cli(*args, "--group", group, check=False)
                assert done.returncode == 3 and f"event {seq} of {group} is missing" in done.stderr, done.stderr
                done = home.cli(args[0], lost, *args[2:], "--group", group, check=False)
                assert done.returncode == 3 and f"event {seq} of group {group}, which would be {lost}, is missing" in done.stderr, done.stderr
            assert bus.ask("send", group_id=group, text="goes on", to=["rev"])["event"]["seq"] > after
        done = home.cli("ledger", "verify", "--group", group, "--json", check=False)
        findings = json.loads(done.stdout)["result"]["ledgers"][0]["findings"]
        assert done.returncode == 9 and [(f["from_seq"], f["to_seq"], f["reason"]) for f in findings] == [(before + 1, after, "missing")]


def test_compact_and_snapshot_on_demand():
    """`cccc ledger compact --force` seals at once and says what; nothing is hidden by it. `cccc ledger snapshot` writes the file that it names. Peers may do neither.
    A manifest that is damaged afterwards hides nothing, and verify and doctor name it, as no loss."""
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            for _ in range(3):
                ids += send_batch(bus, group, len(ids))
        skipped = json.loads(home.cli("ledger", "compact", "--group", group, "--json").stdout)["result"]
        assert skipped["skipped"] and skipped["reason"] == "below_threshold" and skipped["total_lines"] == 304
        done = json.loads(home.cli("ledger", "compact", "--group", group, "--force", "--json").stdout)["result"]
        assert not done["skipped"] and done["result"]["from_seq"] == 1 and done["result"]["reason"] == "manual"
        assert sealed_last(home, group) == done["result"]["to_seq"] == 304 - done["result"]["kept_lines"]
        assert "nothing_to_archive" in home.cli("ledger", "compact", "--group", group, "--force", "--json").stdout
        saved = json.loads(home.cli("ledger", "snapshot", "--group", group, "--json").stdout)["result"]["snapshot"]
        file = home.path / "groups" / group / "state/ledger/snapshot"
        assert str(file) == saved["snapshot_path"] and file.stat().st_size == saved["size_bytes"]
        assert saved["last_event"]["seq"] == 304 and saved["last_event"]["kind"] == "chat.message"
        assert home.cli("ledger", "snapshot", "--group", group, "--by", "rev", check=False).returncode == 1
        with home.bus() as bus:
            check_everything(home, bus, group, ids)
        home.kill()
        manifest = file.with_name("manifest")
        manifest.write_bytes(manifest.read_bytes().replace(b"crc=", b"crd=", 1))
        verdict = json.loads(home.cli("ledger", "verify", "--group", group, "--json").stdout)["result"]["ledgers"][0]
        assert verdict["state"] == "sound" and [f["state"] for f in verdict["findings"]] == ["unlisted"]
        home.start()
        assert str(manifest) in home.cli("doctor").stdout
        with home.bus() as bus:
            check_everything(home, bus, group, ids)
