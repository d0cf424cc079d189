"""Backup and restore: what is in a backup is a state the home was in, damage in it is named, and what followed an older state is told."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import threading
import time

import busclient
import pytest
from actorutil import Team, is_alive, standin
from home import BIN, Home, until


def make_group(bus, title="demo"):
    group = bus.ask("group_create", title=title)["group_id"]
    for actor in "lead", "rev":
        bus.ask("actor_add", group_id=group, actor_id=actor, runner="headless", runtime="custom")
    return group


def send(bus, group, text, to="rev"):
    return bus.ask("send", group_id=group, text=text, to=[to], by="user")["event"]


def ledger_events(bus, group):
    events, after = [], 0
    while True:
        page = bus.ask("ledger_read", group_id=group, after_seq=after, limit=1000)
        assert page["gaps"] == []
        events += page["events"]
        after = page["checked_seq"]
        if not page["more"]:
            return events


def state(bus, group):
    """All a client can see of a group: its events and what is unread for whom."""
    unread = {}
    for actor in "lead", "rev", "user":
        listed = bus.ask("inbox_list", group_id=group, actor_id=actor, limit=1000)
        unread[actor] = (listed["cursor"]["seq"], [m["seq"] for m in listed["messages"]])
    return ledger_events(bus, group), unread, bus.ask("group_show", group_id=group)["group"]["actors"]


def result(done):
    answer = json.loads(done.stdout)
    assert answer["ok"], answer
    return answer["result"]


class Load:
    """Sends to a group from a thread of its own until told to stop; knows what was acknowledged."""

    def __init__(self, home, group):
        self.home, self.group, self.acked, self.over = home, group, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with self.home.bus() as bus:
            while not self.over.is_set():
                ids = [bus.post("send", {"group_id": self.group, "text": "x" * 300, "to": ["rev"], "by": "user"}) for _ in range(50)]
                for _ in ids:
                    reply = bus.take()
                    assert reply["ok"], reply
                    self.acked.append(reply["result"]["event"])

    def __enter__(self):
        self.thread.start()
        while len(self.acked) < 200:
            time.sleep(0.001)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.fixture
def elsewhere(tmp_path):
    return tmp_path / "monday"


# What a backup holds comes back exactly: events, cursors, unread messages, actors, blobs; and the home before it is kept.
def test_restored_home_is_the_one_that_was_backed_up(served, elsewhere):
    with served.bus() as bus:
        group = make_group(bus)
        first = send(bus, group, "one")
        send(bus, group, "long " * 20000)
        bus.ask("inbox_mark_read", group_id=group, actor_id="rev", event_id=first["id"], by="rev")
        before = state(bus, group)
    blob = next((served.path / "groups" / group / "state/blobs").iterdir())
    created = result(served.cli("backup", "create", str(elsewhere), "--json"))
    assert created["groups"][0]["head_seq"] == before[0][-1]["seq"] and created["path"] == str(elsewhere)
    with served.bus() as bus:
        send(bus, group, "after")
    served.cli("daemon", "stop")
    done = served.cli("restore", str(elsewhere))
    assert "next: cccc daemon start; cccc doctor" in done.stderr
    [aside] = served.path.parent.glob(served.path.name + ".before-restore.*")
    try:
        assert "after" in (aside / "groups" / group / "ledger.jsonl").read_text()
        assert served.cli("status", check=False).returncode == 3, "the daemon stays stopped until it is started"
        served.cli("daemon", "start")
        served.cli("doctor")
        assert not list(served.path.glob("*.0.4.0")), "the documents are our own: nothing of CCCC 0.4.0 is to be kept"
        with served.bus() as bus:
            assert state(bus, group) == before
            assert bus.ask("blob_stat", group_id=group, path="state/blobs/" + blob.name)["bytes"] == blob.stat().st_size
            send(bus, group, "goes on")
        served.cli("daemon", "stop")
    finally:
        shutil.rmtree(aside)


# A backup needs no quiet: made under load it is a prefix with everything acknowledged before it began, and it passes its own drill.
def test_backup_under_load_is_a_prefix_and_passes_the_drill(served, elsewhere):
    with served.bus() as bus:
        group = make_group(bus)
    with Load(served, group) as load:
        known = len(load.acked)
        created = result(served.cli("backup", "create", str(elsewhere), "--json"))
    original = {e["seq"]: e for e in load.acked}
    assert created["groups"][0]["head_seq"] >= load.acked[known - 1]["seq"]
    lines = [json.loads(line) for line in (elsewhere / "groups" / group / "ledger.jsonl").read_bytes().splitlines()]
    for line in lines[3:]:
        assert line["id"] == original[line["seq"]]["id"]
    checked = result(served.cli("backup", "verify", str(elsewhere), "--drill", "--json"))
    assert checked["state"] == "sound" and checked["drilled"] and checked["notes"] == []


def drill_of(home, backup):
    """What its manifest says of the readers of its first group, by id; and a drill of it after a change of that: exit status and result."""
    path = backup / "manifest.json"
    manifest = json.loads(path.read_text())

    def drill(change):
        change()
        del manifest["sum"]
        text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False)
        manifest["sum"] = hashlib.blake2b(text.encode(), digest_size=32).hexdigest()
        path.write_text(json.dumps(manifest))
        done = home.cli("backup", "verify", str(backup), "--drill", "--json", check=False)
        return done.returncode, json.loads(done.stdout)["result"]

    return {reader["id"]: reader for reader in manifest["groups"][0]["readers"]}, drill


# The drill compares who owes what: how much, and which; and it says when a manifest of an older cccc has nothing to compare with.
def test_the_drill_compares_obligations(served, elsewhere):
    with served.bus() as bus:
        group = make_group(bus)
        for number in range(3):
            bus.ask("send", group_id=group, text=f"answer {number}", to=["rev"], by="user", reply_required=True)
        answered = bus.ask("send", group_id=group, text="seen?", to=["rev", "lead"], by="user", priority="attention")["event"]
        bus.ask("chat_ack", group_id=group, actor_id="lead", event_id=answered["id"], by="lead")
    served.cli("backup", "create", str(elsewhere))
    readers, drill = drill_of(served, elsewhere)
    assert readers["rev"]["owes"] == 4 and readers["lead"]["owes"] == 0
    status, told = drill(lambda: None)
    assert status == 0 and told["state"] == "sound" and told["notes"] == []
    status, told = drill(lambda: readers["rev"].update(owes=5))
    assert status == 9 and [row["what"] for row in told["damage"]] == [
        "drill: rev owes 4 replies and acknowledgements; the manifest says 5"
    ]
    status, told = drill(lambda: readers["rev"].update(owes=4, owes_sum=readers["lead"]["owes_sum"]))
    assert status == 9 and "are not those of the manifest" in told["damage"][0]["what"]
    status, told = drill(lambda: [reader.pop("owes") for reader in readers.values()])
    assert status == 0 and told["state"] == "partial" and "obligations are not compared" in told["notes"][0]["what"]


@pytest.fixture
def team(served, tmp_path):
    """A program `lead` that runs, has got a message, and owes a reply; what it got is in the file `seen`."""
    made = Team(served, tmp_path)
    made.seen = tmp_path / "seen"
    made.start("lead", *standin(str(made.seen)))
    made.ready("lead")
    made.told("lead", "before")
    made.ask("send", text="answer this", to=["lead"], by="user", reply_required=True)
    made.until(lambda: "answer this" in made.seen.read_text())
    made.until(lambda: all(made.outcome(d) == "accepted" for d in made.deliveries("lead", "claimed")))
    yield made
    made.end()


def same(team):
    """What nobody but the home's own daemon may change: the program's process, what it was told, the home's events."""
    return team.actor("lead")["pid"], team.seen.read_text(), team.events()


# A drill starts no program, types nothing and ends nobody's, while it compares cursors and obligations of an actor that runs.
def test_the_drill_leaves_a_running_actor_alone_and_compares_it(team, elsewhere):
    before = same(team)
    team.home.cli("backup", "create", str(elsewhere))
    assert list((elsewhere / "groups").rglob("state/runners/pty/lead.json")), "the copy has the record of a holder that lives"
    readers, drill = drill_of(team.home, elsewhere)
    status, told = drill(lambda: None)
    assert status == 0 and told["state"] == "sound" and told["notes"] == []
    assert readers["lead"]["owes"] == 1
    for change in {"chat_seq": 1}, {"owes": 2}:
        was = {name: readers["lead"][name] for name in change}
        status, told = drill(lambda: readers["lead"].update({name: was[name] + more for name, more in change.items()}))
        assert status == 9 and told["state"] == "damaged" and "drill: lead" in told["damage"][0]["what"], told
        readers["lead"].update(was)
    assert same(team) == before and is_alive(before[0])


# A copy of a home is another home: its daemon ends none of the original's programs. With --serve-only it starts none either, and takes nothing;
# without, the copy's actors are programs of the copy.
# What would run or remove something, or write a file, of the home as a whole, of a group or of an actor.
REFUSED_ON_A_COPY = {
    "group_create": {"title": "new"},
    "group_create_from_template": {"title": "new", "path": "/tmp", "template": "v: 1"},
    "attach": {"path": "/tmp"},
    "group_start": {"group_id": "GROUP"},
    "group_stop": {"group_id": "GROUP"},
    "group_set_state": {"group_id": "GROUP", "state": "paused"},
    "actor_add": {"group_id": "GROUP", "actor_id": "new", "runner": "headless"},
    "actor_stop": {"group_id": "GROUP", "actor_id": "lead"},
    "actor_restart": {"group_id": "GROUP", "actor_id": "lead"},
    "actor_remove": {"group_id": "GROUP", "actor_id": "lead"},
    "group_automation_run": {"group_id": "GROUP", "rule_id": "standup"},
    "group_automation_manage": {"group_id": "GROUP", "actions": [{"type": "delete_rule", "rule_id": "standup"}]},
    "group_automation_reset_baseline": {"group_id": "GROUP"},
    "active_set": {"group_id": "GROUP"},
    "observability_update": {"patch": {"log_level": "debug"}},
    "actor_env_private_update": {"group_id": "GROUP", "actor_id": "lead", "set": {"A": "1"}},
    "blob_put": {"group_id": "GROUP", "sha256": hashlib.sha256(b"hello").hexdigest(), "name": "h", "total_bytes": 5, "data": b"hello"},
    "ledger_snapshot": {"group_id": "GROUP"},
    "ledger_compact": {"group_id": "GROUP", "force": True},
    "debug_clear_logs": {"component": "daemon"},
    "registry_reconcile": {"remove_missing": True},
}


def shown_files(home):
    """What is in the home, but for its daemon's own files."""
    return {str(p.relative_to(home.path)): p.read_bytes() for p in home.path.rglob("*") if p.is_file() and p.parent.name != "daemon"}


def test_a_daemon_on_a_copy_leaves_the_actors_of_the_original_alone(team):
    before = same(team)
    with Home() as copy:
        subprocess.run(["cp", "-a", f"{team.home.path}/.", str(copy.path)], check=True)
        ledger = copy.ledger(team.group)
        copy.start("sh", "-c", 'exec "$0" --serve-only')
        with copy.bus() as bus:
            [row] = bus.ask("actor_list", group_id=team.group)["actors"]
            assert not row["running"] and bus.ask("inbox_list", group_id=team.group, actor_id="lead")["messages"]
            for op, args in (("send", {"text": "x", "to": ["lead"]}), ("actor_start", {"actor_id": "lead"}), ("group_delete", {})):
                with pytest.raises(busclient.BusError) as refused:
                    bus.ask(op, group_id=team.group, by="user", **args)
                assert refused.value.code == "group_read_only"
            files = shown_files(copy)
            for op, args in REFUSED_ON_A_COPY.items():
                with pytest.raises(busclient.BusError) as refused:
                    bus.ask(op, **{name: team.group if value == "GROUP" else value for name, value in args.items()})
                assert refused.value.code == "group_read_only", op
            assert shown_files(copy) == files
        assert copy.stop() == 0 and copy.ledger(team.group) == ledger
        assert same(team) == before and is_alive(before[0])
        copy.start()
        with copy.bus() as bus:
            own = until(lambda: next((e for e in copy.ledger(team.group)[len(ledger) :] if e["kind"] == "runtime.started"), None))
            assert own["data"]["pid"] != before[0]
            bus.ask("group_stop", group_id=team.group)
        assert is_alive(before[0]) and (same(team)[0], same(team)[2]) == (before[0], before[2])


# A restore is another home at the same place: it says which actors of the replaced one run, and they end, though no daemon tells them to.
def test_a_restore_names_the_actors_that_run_and_they_end(team, elsewhere):
    pid, record = team.actor("lead")["pid"], team.record("lead")
    team.home.cli("backup", "create", str(elsewhere))
    team.home.cli("daemon", "stop")
    assert "would end\tlead of " + team.group in team.home.cli("restore", str(elsewhere), "--dry-run").stdout
    told = result(team.home.cli("restore", str(elsewhere), "--json"))
    try:
        assert told["running"] == [{"group_id": team.group, "actor_id": "lead", "hold_pid": record["hold_pid"]}]
        until(lambda: not is_alive(pid) and not is_alive(record["hold_pid"]))
    finally:
        shutil.rmtree(told["kept_aside"])


# Also when its terminal goes away, a drill leaves neither a daemon nor a folder behind, and says by its status what ended it.
@pytest.mark.parametrize("sign", [signal.SIGHUP, signal.SIGTERM])
def test_a_drill_that_is_ended_leaves_nothing_behind(served, elsewhere, tmp_path, sign):
    with served.bus() as bus:
        make_group(bus)
    served.cli("backup", "create", str(elsewhere))
    scratch = tmp_path / "scratch"
    scratch.mkdir(mode=0o700)
    for _ in range(50):  # until a signal met one that had its daemon; most are over sooner than we see it
        ended, pid = interrupted_drill(served, elsewhere, scratch, sign)
        assert not list(scratch.iterdir()) and (pid is None or not is_alive(pid))
        if ended == 128 + sign and pid:
            return
        assert ended in (0, 128 + sign)
    raise AssertionError("no drill was met while its daemon ran")


def interrupted_drill(served, backup, scratch, sign):
    """Its status, and the pid of its daemon, None when that was not seen."""
    pid = None
    with subprocess.Popen([str(BIN / "cccc"), "backup", "verify", "--drill", str(backup)], env={**served.environment(), "TMPDIR": str(scratch)}) as drill:
        while pid is None and drill.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                pid = next((int(path.read_text()) for path in scratch.glob("cccc-drill*/daemon/ccccd.pid")), None)
        drill.send_signal(sign)
        return drill.wait(30), pid


# The copy of a ledger that ends within a line ends before that line, also when older events are sealed; and nothing else in it changes.
def test_copy_of_a_torn_ledger_with_sealed_events_ends_before_the_torn_line(home, elsewhere):
    home.start()
    with home.bus() as bus:
        group = make_group(bus)
        for number in range(20):
            send(bus, group, f"event {number} " * 50)
        bus.ask("group_settings_update", group_id=group, patch={"ledger_keep_tail_lines": 3})
        bus.ask("ledger_compact", group_id=group, force=True)
    home.kill()
    ledger = home.path / "groups" / group / "ledger.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"v":1,"id":"019b76daa80')
    home.cli("backup", "create", str(elsewhere))
    copy = elsewhere / "groups" / group
    assert (copy / "ledger.jsonl").read_bytes() == whole and not (copy / "state/ledger/torn").exists()
    home.cli("backup", "verify", "--drill", str(elsewhere))


# Several groups change their configuration while they are copied: every copy opens, and none has a configuration newer than its ledger.
def test_configuration_never_runs_ahead_of_the_ledger(served, elsewhere):
    with served.bus() as bus:
        groups = [make_group(bus, f"g{i}") for i in range(3)]
    over = threading.Event()

    def change():
        with served.bus() as bus:
            n = 0
            while not over.is_set():
                n += 1
                for group in groups:
                    bus.ask("group_update", group_id=group, patch={"title": f"title {n}"})

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for i in range(5):
            target = f"{elsewhere}-{i}"
            heads = {g["group_id"]: g["head_seq"] for g in result(served.cli("backup", "create", target, "--json"))["groups"]}
            for group in groups:
                text = (pathlib.Path(target) / "groups" / group / "group.yaml").read_text()
                [seq] = [int(line.split(":")[1]) for line in text.splitlines() if line.startswith("ledger_seq:")]
                assert seq <= heads[group]
            checked = result(served.cli("backup", "verify", target, "--drill", "--json"))
            assert checked["notes"] == [], "nothing looks edited by hand"
    finally:
        over.set()
        thread.join()


# Nobody else may read a backup, and it has none of what belongs to the running daemon.
def test_backup_is_private_and_leaves_out_the_daemons_own_files(served, elsewhere):
    secret = served.path / "state/secrets/actors/g_000000000000/lead.json"
    secret.parent.mkdir(parents=True)
    secret.write_text("{}")
    os.chmod(secret, 0o644)
    (served.path / "odd").symlink_to("/etc/passwd")
    with served.bus() as bus:
        group = make_group(bus)
        send(bus, group, "x")
    created = result(served.cli("backup", "create", str(elsewhere), "--json"))
    assert created["secrets"] == 1 and created["skipped"] == ["odd"]
    assert "private environment" in served.cli("backup", "create", str(elsewhere) + "2").stdout
    for path in elsewhere.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_IMODE(mode) & 0o077 == 0 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)), path
    names = {str(p.relative_to(elsewhere)) for p in elsewhere.rglob("*")}
    assert "state/secrets/actors/g_000000000000/lead.json" in names
    assert not names & {"daemon", "trash", "backups", "odd", f"groups/{group}/state/ledger/ledger.lock", f"groups/{group}/state/ledger/mark"}


# Each kind of damage is named with its file, and the exit status says so; an extra file is only a note.
def test_damage_in_a_backup_is_named(served, elsewhere):
    with served.bus() as bus:
        group = make_group(bus)
        for i in range(20):
            send(bus, group, f"message {i}")
    served.cli("backup", "create", str(elsewhere))
    ledger = f"groups/{group}/ledger.jsonl"

    def flip(path):
        data = bytearray((elsewhere / path).read_bytes())
        data[len(data) // 2] ^= 1
        (elsewhere / path).write_bytes(data)

    damages = [
        (lambda: flip(ledger), ledger),
        (lambda: flip(f"groups/{group}/group.yaml"), f"groups/{group}/group.yaml"),
        (lambda: (elsewhere / "registry.json").unlink(), "registry.json"),
        (lambda: os.truncate(elsewhere / ledger, 100), ledger),
        (lambda: flip("manifest.json"), "manifest.json"),
    ]
    for damage, named in damages:
        kept = elsewhere.with_name("kept")
        shutil.copytree(elsewhere, kept)
        damage()
        done = served.cli("backup", "verify", str(elsewhere), check=False)
        assert done.returncode == 9 and named in done.stdout, (named, done.stdout)
        served.cli("daemon", "stop")
        done = served.cli("restore", str(elsewhere), check=False)
        assert done.returncode == 9 and "nothing was changed" in done.stderr
        shutil.rmtree(elsewhere)
        kept.rename(elsewhere)
    (elsewhere / "groups/extra").write_text("?")
    done = served.cli("backup", "verify", str(elsewhere))
    assert "groups/extra" in done.stdout and done.returncode == 0


# However fast restores follow each other, each keeps the home it replaced: none takes, or removes, a name that another one used.
def test_restores_in_one_second_keep_every_home(served, elsewhere):
    served.cli("backup", "create", str(elsewhere))
    served.cli("daemon", "stop")
    kept = []
    try:
        for mark in "abcd":
            (served.path / "mark").write_text(mark)
            kept.append(pathlib.Path(result(served.cli("restore", str(elsewhere), "--json"))["kept_aside"]))
        assert [(aside / "mark").read_text() for aside in kept] == list("abcd")
        assert sorted(kept) == sorted(served.path.parent.glob(served.path.name + ".*"))
        assert all(aside.name.startswith(served.path.name + ".before-restore.") for aside in kept)
    finally:
        for aside in kept:
            shutil.rmtree(aside, ignore_errors=True)


# Names of one second are not looked for without end: when all are taken, it says so and changes nothing.
def test_the_names_of_a_second_have_an_end(served, elsewhere):
    served.cli("backup", "create", str(elsewhere))
    served.cli("daemon", "stop")
    (served.path / "backups").mkdir()
    taken = []
    try:
        for second in range(int(time.time()), int(time.time()) + 6):
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            for name in [stamp] + [f"{stamp}-{n}" for n in range(2, 101)]:
                taken += [served.path.with_name(f"{served.path.name}.before-restore.{name}"), served.path / "backups" / name]
        for path in taken:
            path.touch()
        for args in ("restore", str(elsewhere)), ("backup", "create"):
            done = served.cli(*args, check=False)
            assert done.returncode == 6 and "BACKUP_NAMES_MAX" in done.stderr, done.stderr
        assert not list(served.path.parent.glob(served.path.name + ".restoring.*"))
    finally:
        for path in taken:
            path.unlink(missing_ok=True)


def test_restore_refuses_while_a_daemon_serves(served, elsewhere):
    served.cli("backup", "create", str(elsewhere))
    done = served.cli("restore", str(elsewhere), check=False)
    assert done.returncode == 6 and f"pid {served.process.pid}" in done.stderr
    assert not list(served.path.parent.glob(served.path.name + ".*"))


def test_dry_run_goes_beside_a_daemon_too(served, elsewhere):
    with served.bus() as bus:
        group = make_group(bus)
        send(bus, group, "one")
        served.cli("backup", "create", str(elsewhere))
        send(bus, group, "two")
    told = result(served.cli("restore", str(elsewhere), "--dry-run", "--json"))
    assert told["groups"] == [{"group_id": group, "head_seq_now": 5, "head_seq_backup": 4}]
    assert "pid" in result(served.cli("daemon", "status", "--json"))


def test_dry_run_says_what_would_change_and_changes_nothing(served, elsewhere):
    with served.bus() as bus:
        group = make_group(bus)
        send(bus, group, "one")
        served.cli("backup", "create", str(elsewhere))
        send(bus, group, "two")
    served.cli("daemon", "stop")
    before = {p: p.stat().st_mtime_ns for p in served.path.rglob("*")}
    told = result(served.cli("restore", str(elsewhere), "--dry-run", "--json"))
    assert told["groups"] == [{"group_id": group, "head_seq_now": 5, "head_seq_backup": 4}]
    assert before == {p: p.stat().st_mtime_ns for p in served.path.rglob("*")}
    assert not list(served.path.parent.glob(served.path.name + ".*"))


def test_backups_are_listed_and_stay_with_the_home(served):
    with served.bus() as bus:
        group = make_group(bus)
        send(bus, group, "one")
    one, two = (result(served.cli("backup", "create", "--json"))["path"] for _ in range(2))
    assert one != two and pathlib.Path(one).parent == served.path / "backups"
    rows = result(served.cli("backup", "list", "--json"))["backups"]
    assert [row["path"] for row in rows] == sorted([one, two]) and {row["state"] for row in rows} == {"whole"}
    served.cli("daemon", "stop")
    served.cli("restore", two)
    [aside] = served.path.parent.glob(served.path.name + ".before-restore.*")
    shutil.rmtree(aside)
    assert len(result(served.cli("backup", "list", "--json"))["backups"]) == 2
    served.cli("backup", "verify", one, "--drill")


def test_a_home_that_is_gone_is_restored(served, elsewhere):
    with served.bus() as bus:
        group = make_group(bus)
        send(bus, group, "one")
        before = state(bus, group)
    served.cli("backup", "create", str(elsewhere))
    served.stop()
    shutil.rmtree(served.path)
    served.cli("restore", str(elsewhere))
    assert not list(served.path.parent.glob(served.path.name + ".*"))
    served.cli("daemon", "start")
    with served.bus() as bus:
        assert state(bus, group) == before
    served.cli("daemon", "stop")


def test_wrong_places_are_refused(served, elsewhere):
    elsewhere.mkdir()
    for args, status in [
        (("backup", "create", str(elsewhere)), 6),
        (("backup", "create", str(served.path / "groups/x")), 2),
        (("backup", "verify", str(elsewhere)), 3),
        (("backup", "create", "/nonexistent/a/b"), 2),
        (("restore", str(served.path)), 2),
        (("backup", "verify"), 2),
    ]:
        done = served.cli(*args, check=False)
        assert done.returncode == status and done.stderr, (args, done)


# The runbook's plain copy, taken from a home that is being written to, opens as a prefix of what was, and new events go on from there.
@pytest.mark.parametrize("in_place", [False, True])
def test_plain_copy_of_a_live_home_is_a_valid_prefix(in_place, elsewhere):
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group = make_group(bus)
        with Load(home, group) as load:
            known = len(load.acked)
            subprocess.run(["cp", "-a", home.path, elsewhere], check=False, capture_output=True)
        home.kill()
        original = {e["seq"]: e["id"] for e in load.acked}
        if in_place: # as the runbook says: stop, put the folder back, start; new files may get the old ones' inode numbers
            shutil.rmtree(home.path)
            subprocess.run(["cp", "-a", elsewhere, home.path], check=True)
            restored = home
        else:
            restored = Home()
            restored.path.rmdir()
            elsewhere.rename(restored.path)
        with restored:
            restored.start()
            with restored.bus() as bus:
                events = ledger_events(bus, group)
                assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
                sent = [e for e in events if e["kind"] == "chat.message"]
                assert len(sent) >= known and all(original[e["seq"]] == e["id"] for e in sent)
                added = send(bus, group, "goes on")
                assert added["seq"] == events[-1]["seq"] + 1
            restored.stop()
            restored.cli("doctor")


# A configuration file that a plain copy caught later than the ledger is taken over by an event, and stays what it was after restarts.
def test_damage_at_the_end_of_a_plain_copy_is_not_taken_for_a_torn_write(served, elsewhere):
    """The copy's mark is about the file it was made from; what that one had and the copy lacks is named before the first start, and by it."""
    with served.bus() as bus:
        group = make_group(bus)
        for number in range(5):
            send(bus, group, f"m{number}")
    served.stop()
    copy = elsewhere
    shutil.copytree(served.path, copy, symlinks=True)
    assert served.cli("ledger", "verify", "--group", group, "--home", str(copy)).returncode == 0
    ledger = copy / "groups" / group / "ledger.jsonl"
    damaged = bytearray(ledger.read_bytes())
    damaged[-100] ^= 4
    ledger.write_bytes(damaged)
    for command in ("ledger", "verify", "--group", group), ("doctor",), ("backup", "verify", str(copy)):
        done = served.cli(*command, "--home", str(copy), check=False)
        assert done.returncode == 9 and "are not in this copy" in done.stdout, (command, done)


def test_plain_copy_with_a_configuration_newer_than_its_ledger(home):
    home.start()
    with home.bus() as bus:
        group = make_group(bus)
    home.stop()
    folder = home.path / "groups" / group
    older = (folder / "ledger.jsonl").read_bytes()
    home.start()
    with home.bus() as bus:
        for i in range(10):
            bus.ask("group_update", group_id=group, patch={"title": f"title {i}"})
        bus.ask("actor_add", group_id=group, actor_id="late", runner="headless", runtime="custom")
    home.stop()
    with open(folder / "copy", "wb") as copy: # another inode, as a restored copy has
        copy.write(older)
    os.chmod(folder / "copy", 0o600)
    (folder / "copy").rename(folder / "ledger.jsonl")
    for round in range(3):
        home.start()
        with home.bus() as bus:
            shown = bus.ask("group_show", group_id=group)["group"]
            assert shown["title"] == (f"new {round - 1}" if round else "title 9")
            assert [a["id"] for a in shown["actors"]] == ["lead", "rev", "late"]
            send(bus, group, "hello", to="late")
            bus.ask("group_update", group_id=group, patch={"title": f"new {round}"})
            assert bus.ask("inbox_list", group_id=group, actor_id="late")["unread_total"] == round + 1
        home.kill()


def follow(home, group, *args):
    return subprocess.Popen([str(BIN / "cccc"), "tail", "-f", "--json", "--group", group, *args], env=home.environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def rows_until(process, wanted, seconds=30):
    """The rows up to the one that is wanted; a follower that stays silent is ended, which fails the test."""
    rows, silence = [], threading.Timer(seconds, process.kill)
    silence.start()
    while True:
        line = process.stdout.readline()
        assert line, ("no more rows", rows, process.stderr.read())
        rows.append(json.loads(line))
        if wanted(rows[-1]):
            silence.cancel()
            return rows


# Who followed a ledger that is older now is told so, and then gets what is stored from then on: never silence.
@pytest.mark.parametrize("more", [0, 3, 30])
def test_follower_of_a_restored_ledger_is_told_and_goes_on(served, elsewhere, more):
    with served.bus() as bus:
        group = make_group(bus)
        send(bus, group, "one")
    process = follow(served, group)
    aside = []
    try:
        rows_until(process, lambda row: row.get("data", {}).get("text") == "one")
        served.cli("backup", "create", str(elsewhere))
        with served.bus() as bus:
            for i in range(10):
                send(bus, group, f"lost {i}")
        rows_until(process, lambda row: row.get("data", {}).get("text") == "lost 9")
        served.cli("daemon", "stop")
        served.cli("restore", str(elsewhere))
        aside = list(served.path.parent.glob(served.path.name + ".before-restore.*"))
        served.cli("daemon", "start")
        with served.bus() as bus:
            for i in range(more):
                send(bus, group, f"other {i}")
        rows = rows_until(process, lambda row: "reset" in row)
        assert not any(row.get("data", {}).get("text", "").startswith("other") for row in rows[:-1]), "nothing of the new ledger before the reset"
        with served.bus() as bus:
            send(bus, group, "goes on")
            head = bus.ask("ledger_read", group_id=group, before_seq=0, limit=1)["head_seq"]
            with pytest.raises(busclient.BusError) as caught:
                bus.ask("ledger_read", group_id=group, after_seq=5, after_id="0" * 32)
            assert caught.value.code == "lineage_changed" and caught.value.details["head_seq"] == head
        rows_until(process, lambda row: row.get("data", {}).get("text") == "goes on")
    finally:
        process.kill()
        process.wait()
        served.cli("daemon", "stop")
        for path in aside:
            shutil.rmtree(path)


# A home that is removed and copied back can get the same inode numbers: a mark that the copy caught later than its ledger must not pass the
# restored ledger off as one that lost its end.
def test_copy_put_back_under_the_same_inode_number_is_a_copy(home):
    home.start()
    with home.bus() as bus:
        group = make_group(bus)
        folder = home.path / "groups" / group
        older = (folder / "ledger.jsonl").read_bytes()
        for i in range(5):
            send(bus, group, f"lost {i}")
    home.stop()
    ledger = folder / "ledger.jsonl"
    inode, spare = ledger.stat().st_ino, []
    ledger.unlink()
    for i in range(1000):  # until the number comes round again
        path = folder / f"spare{i}"
        path.write_bytes(older)
        if path.stat().st_ino == inode:
            break
        spare.append(path)
    else:
        pytest.skip("this file system does not use inode numbers again soon")
    os.chmod(path, 0o600)
    path.rename(ledger)
    for path in spare:
        path.unlink()
    home.start()
    with home.bus() as bus:
        assert send(bus, group, "goes on")["seq"] == 4
    log = (home.path / "daemon/ccccd.log").read_text()
    assert "events 4 to 8 were stored once and are not in it" in log
    home.stop()
