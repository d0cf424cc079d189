"""A disk that refuses: status, doctor and the log say which group stopped, why, and what ends it; what can end by itself does."""

import contextlib
import json
import os
import pty
import re
import subprocess
import time

import pytest

import busclient
from faults import BIN, Home


def make_group(bus, title="faults"):
    group = bus.ask("group_create", title=title)["group_id"]
    bus.ask("actor_add", group_id=group, actor_id="lead")
    return group


def send(bus, group, text):
    return bus.ask("send", group_id=group, text=text, to=["lead"], client_id=text[:100])


def refused(bus, group, text):
    with pytest.raises(busclient.BusError) as error:
        send(bus, group, text)
    return error.value


def until(condition, what, seconds=60):
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return answer


def send_until_taken(bus, group, text):
    def taken():
        try:
            return send(bus, group, text)
        except busclient.BusError as error:
            assert error.code in ("busy", "group_offline", "group_read_only", "storage_failed", "no_space"), error
            return None

    return until(taken, "the group takes messages again")


def send_as_status_says(bus, group, text):
    """A group that status does not name takes messages, on a disk that does."""

    def taken():
        named = group in degraded(bus)
        try:
            return send(bus, group, text)
        except busclient.BusError as error:
            assert named, error
            return None

    return until(taken, "the group takes messages again")


def degraded(bus):
    return {row["group_id"]: row["reason"] for row in bus.ask("status")["groups_degraded"]}


def log(home):
    return [json.loads(line) for line in (home.path / "daemon/ccccd.log").read_text().splitlines()]


def doctor(home):
    done = home.cli("doctor", "--json", check=False)
    return done.returncode, json.loads(done.stdout)["result"]["checks"]


def texts(home, group):
    return [row["data"]["text"] for row in home.ledger(group) if row["kind"] == "chat.message"]


def ledger(home, group):
    return f"{home.path}/groups/{group}/ledger.jsonl"


def test_failed_sync_stops_its_group_and_no_other_and_everybody_says_so(stage):
    with stage.bus() as bus:
        bad, good = make_group(bus, "bad"), make_group(bus, "good")
        send(bus, bad, "first")
        with stage.files.on("sync", ledger(stage, bad), "EIO"):
            assert refused(bus, bad, "in doubt").details == {"outcome": "unknown"}
            assert "ledger.jsonl: Input/output error" in degraded(bus)[bad], "at once, and not with the next tick"
            until(lambda: "tries again by itself" in degraded(bus)[bad], "it could not be opened again, and is named all the time")
            assert refused(bus, bad, "refused").code == "group_offline"
            for number in range(20):
                send(bus, good, f"good {number}")
            reason = degraded(bus)[bad]
            assert "ledger.jsonl: Input/output error" in reason and list(degraded(bus)) == [bad]
            status, checks = doctor(stage)
            assert status == 1 and any(check["state"] == "failed" and bad in check["text"] and reason in check["text"] for check in checks)
            assert reason in stage.cli("status").stdout
            row = bus.ask("status", group_id=bad)["group"]
            assert "Input/output error" in row["offline"]
        records = {record["id"]: record for record in log(stage) if record.get("group") == bad}
        assert records["COMMIT-FAILED"]["outcome"] == "unknown" and records["GROUP-OFFLINE"]["level"] == "error"
        send_as_status_says(bus, bad, "in doubt")
        assert degraded(bus) == {}
        assert any(record["id"] == "GROUP-BACK" and record["group"] == bad for record in log(stage))
    assert stage.files.failed_syncs >= 2 and stage.files.repeated_syncs == 0
    assert texts(stage, bad) == ["first", "in doubt"]


def test_full_disk_is_told_and_ends_by_itself(stage):
    with stage.bus() as bus:
        group = make_group(bus)
        send(bus, group, "first")
        with stage.files.on("write", ledger(stage, group), "ENOSPC"):
            error = refused(bus, group, "no room")
            assert error.code == "no_space" and error.details == {"outcome": "not_stored"}
            assert "make room" in degraded(bus)[group], "at once, and not with the next tick"
            assert [event["data"]["text"] for event in bus.ask("ledger_read", group_id=group, kinds=["chat.message"])["events"]] == ["first"]
        send(bus, group, "no room")
        assert degraded(bus) == {}
    assert texts(stage, group) == ["first", "no room"]


def test_status_follows_a_disk_that_is_full_again_and_again(stage):
    """Both ways, with no tick between: what is refused is named in the next answer, what is taken is not."""
    with stage.bus() as bus:
        group = make_group(bus)
        for number in range(30):
            with stage.files.on("write", ledger(stage, group), "ENOSPC"):
                assert refused(bus, group, f"refused {number}").code == "no_space"
                assert list(degraded(bus)) == [group]
            send(bus, group, f"taken {number}")
            assert degraded(bus) == {}
    assert texts(stage, group) == [f"taken {number}" for number in range(30)]


def test_half_a_line_on_a_full_disk_is_cut_off(stage):
    """The disk takes a part of the batch before it is full."""
    with stage.bus() as bus:
        group = make_group(bus)
        before = (stage.path / "groups" / group / "ledger.jsonl").read_bytes()
        with stage.files.on("write", ledger(stage, group), short=40, count=1), stage.files.on("write", ledger(stage, group), "ENOSPC"):
            assert refused(bus, group, "half").code == "no_space"
            assert (stage.path / "groups" / group / "ledger.jsonl").read_bytes() == before
        send(bus, group, "whole")
    assert texts(stage, group) == ["whole"]


def test_full_disk_where_cutting_back_fails_too_is_unknown(stage):
    with stage.bus() as bus:
        group = make_group(bus)
        file = ledger(stage, group)
        with stage.files.on("write", file, short=40, count=1), stage.files.on("write", file, "ENOSPC"), stage.files.on("truncate", file, "EIO", count=1):
            error = refused(bus, group, "half")
            assert error.code == "storage_failed" and error.details == {"outcome": "unknown"}
        send_until_taken(bus, group, "half")
    assert texts(stage, group) == ["half"]
    assert list((stage.path / "groups" / group / "state/ledger/torn").iterdir()), "the cut bytes are kept"


def test_disk_too_full_to_recover_is_read_only_until_there_is_room(stage):
    """A torn tail has to be copied before it is cut: without room for the copy the group is served as it is, and taken up again later."""
    with stage.bus() as bus:
        group, unread = make_group(bus), "kept"
        send(bus, group, unread)
    stage.kill()
    with open(ledger(stage, group), "ab") as file:
        file.write(b'{"v":1,"id":"torn')
    with stage.files.on(["write", "mkdir"], f"{stage.path}/groups/*/state/ledger/*", "ENOSPC"):
        stage.start()
        with stage.bus() as bus:
            assert [event["data"]["text"] for event in bus.ask("ledger_read", group_id=group, kinds=["chat.message"])["events"]] == ["kept"]
            assert refused(bus, group, "later").code == "group_read_only"
            assert "too full" in degraded(bus)[group] and "tries again by itself" in degraded(bus)[group]
    with stage.bus() as bus:
        send_until_taken(bus, group, "later")
        until(lambda: degraded(bus) == {}, "status is well again")
    assert texts(stage, group) == ["kept", "later"]


def test_read_only_disk_is_served_without_appends_until_it_can_be_written(stage):
    with stage.bus() as bus:
        group = make_group(bus)
        send(bus, group, "kept")
    stage.kill()
    rule = stage.files.on(["open_to_write", "mkdir", "truncate", "rename", "unlink"], f"{stage.path}/groups/*", "EROFS")
    with rule:
        stage.start()
        with stage.bus() as bus:
            assert refused(bus, group, "later").code == "group_read_only"
            assert "read-only" in degraded(bus)[group]
            assert bus.ask("inbox_list", group_id=group, actor_id="lead")["messages"][0]["data"]["text"] == "kept"
            with pytest.raises(busclient.BusError) as error:
                bus.ask("group_create", title="new")
            assert error.value.details == {"outcome": "not_stored"} and "Read-only" in str(error.value)
    with stage.bus() as bus:
        send_until_taken(bus, group, "later")
    assert texts(stage, group) == ["kept", "later"]


def test_group_that_could_not_be_made_leaves_nothing_to_be_seen(stage):
    """Neither status nor doctor complain of a group that nobody has, and the same request makes it later."""
    with stage.bus() as bus:
        for calls, error in (["write"], "ENOSPC"), (["mkdir"], "EROFS"), (["open_to_write"], "EMFILE"):
            with stage.files.on(calls, f"{stage.path}/groups/*", error):
                with pytest.raises(busclient.BusError) as refused:
                    bus.ask("group_create", title=error, client_id=error)
                assert refused.value.details == {"outcome": "not_stored"}
        ticks = bus.ask("status")["uptime_s"]
        until(lambda: bus.ask("status")["uptime_s"] >= ticks + 2, "status has been gathered anew")
        assert degraded(bus) == {} and bus.ask("groups")["groups"] == []
        status, checks = doctor(stage)
        assert status == 0, [check for check in checks if check["state"] != "ok"]
        for error in "ENOSPC", "EROFS", "EMFILE":
            bus.ask("group_create", title=error, client_id=error)
        assert {row["title"] for row in bus.ask("groups")["groups"]} == {"ENOSPC", "EROFS", "EMFILE"}


def test_group_in_doubt_is_offline_until_the_disk_answers(stage):
    """Its first event may be on the disk; until that can be read, the same request is refused, and then finds it or makes it."""

    def made():
        try:
            return bus.ask("group_create", title="doubt", client_id="doubt")
        except busclient.BusError as error:
            assert error.code in ("group_offline", "busy", "storage_failed"), error
            return None

    with stage.bus() as bus:
        with stage.files.on("sync", f"{stage.path}/groups/*", "EIO"):
            assert made() is None
            [(group, reason)] = until(lambda: degraded(bus), "status names it").items()
            assert "Input/output error" in reason and made() is None
        assert until(made, "it is made")["group_id"] == group
        until(lambda: degraded(bus) == {}, "status is well again")
    assert [row["kind"] for row in stage.ledger(group)].count("group.create") == 1


def test_configuration_files_that_cannot_be_written_are_a_warning_and_written_later(stage):
    with stage.bus() as bus:
        group = make_group(bus)
        for file in "groups/*/group.yaml*", "groups/*/state/group.sum*", "registry.json*":
            with stage.files.on(["write", "rename"], f"{stage.path}/{file}", "ENOSPC") as rule:
                answer = bus.ask("group_update", group_id=group, patch={"title": f"title {file}"})
                assert "is tried again" in answer["warning"] and rule.struck
                until(lambda: rule.struck > 2, "it is tried again")
        yaml, registry = stage.path / "groups" / group / "group.yaml", stage.path / "registry.json"
        until(lambda: "title registry.json" in yaml.read_text() and "title registry.json" in registry.read_text(), "both are written")
        assert any(record["id"] == "CONFIG-STORE-FAILED" and group in str(record) for record in log(stage))


def test_log_on_a_full_disk_costs_records_and_says_how_many(stage):
    with stage.bus() as bus:
        group = make_group(bus)
        with stage.files.on("write", f"{stage.path}/daemon/ccccd.log", "ENOSPC") as rule, stage.files.on("write", ledger(stage, group), "ENOSPC"):
            for number in range(3):
                refused(bus, group, f"m{number}")
            assert rule.struck >= 3
        send(bus, group, "after")
    assert stage.stop() == 0
    [lost] = [record for record in log(stage) if record["id"] == "LOG-LOST"]
    assert lost["lost"] >= 3


def test_marks_and_exports_that_cannot_be_written_cost_nothing(stage):
    with stage.bus() as bus:
        group = make_group(bus)
        files = [stage.files.on(["open_to_write", "write", "sync"], f"{stage.path}/groups/*/state/{name}*", "EIO") for name in ("ledger/mark", "read_cursors.json")]
        with files[0], files[1]:
            event = send(bus, group, "read me")["event"]
            bus.ask("inbox_mark_read", group_id=group, actor_id="lead", event_id=event["id"])
            until(lambda: files[0].struck > 0 and files[1].struck > 0, "both were tried")
            assert send(bus, group, "go on")
        head = bus.ask("status", group_id=group)["as_of_seq"]
    stage.kill()
    stage.start()
    with stage.bus() as bus:
        assert bus.ask("status", group_id=group)["as_of_seq"] == head
        assert [m["data"]["text"] for m in bus.ask("inbox_list", group_id=group, actor_id="lead")["messages"]] == ["go on"]


@pytest.mark.parametrize("command", ["stop", "start", "restart"])
def test_a_daemon_that_is_ending_already_is_seen_to_end(stage, command):
    """It serves nobody any more and still holds the home: `stop` is not done yet, and who starts another waits for its end."""
    with stage.files.on("write", "*/daemon/ccccd.log", delay_s=0.5):
        stage.process.terminate()
        until(lambda: stage.stamp() is None, "it takes its descriptor back")
        done = stage.cli("daemon", command)
    assert stage.process.poll() == 0
    assert {"stop": "stopped", "start": "started", "restart": "started"}[command] in done.stdout
    assert (stage.stamp() is None) == (command == "stop")


@pytest.mark.parametrize("short", [1, 7])
def test_short_transfers_and_interrupted_calls_are_not_failures(stage, short):
    interrupted = ["open_to_read", "open_to_write", "read", "write", "truncate", "lock", "close"]
    with stage.files.on(["read", "write"], f"{stage.path}/*", short=short, first=2), stage.files.on(interrupted, f"{stage.path}/*", "EINTR", count=200):
        with stage.bus(timeout_s=60) as bus:
            group = make_group(bus)
            send(bus, group, "x" * 300)
            bus.ask("group_update", group_id=group, patch={"title": "short"})
            page = bus.ask("ledger_read", group_id=group, after_seq=0)
            assert page["events"][-2]["data"]["text"] == "x" * 300
        assert stage.stop() == 0
        stage.start()
        with stage.bus() as bus:
            assert bus.ask("group_show", group_id=group)["group"]["title"] == "short" and degraded(bus) == {}


def test_slow_disk_delays_its_group_and_nothing_else(stage):
    with stage.bus() as bus, stage.bus() as side:
        slow, quick = make_group(bus, "slow"), make_group(bus, "quick")
        with stage.files.on("sync", ledger(stage, slow), delay_s=2.0) as rule:
            posted = [bus.post("send", {"group_id": slow, "text": f"m{n}", "to": ["lead"]}) for n in range(500)]
            until(lambda: rule.struck, "the sync began")
            began = time.monotonic()
            for number in range(20):
                send(side, quick, f"q{number}")
                assert side.ask("status")["pending_events"] >= 1
            assert side.ask("ledger_read", group_id=slow, after_seq=0)["events"]
            assert time.monotonic() - began < 2.0, "others waited for the slow sync"
            assert sorted(bus.take(30)["id"] for _ in posted) == sorted(posted)
            assert rule.struck <= 20, "a batch is synced once"
        assert side.ask("status")["sync_max_us"] >= 2000000


def said_on_terminal(stage, *arguments):
    """What a command that succeeds writes to standard error when that is a terminal."""
    here, there = pty.openpty()
    environment = {**stage.environment(), **stage.files.environment()}
    command = subprocess.Popen([str(BIN / "cccc"), *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=there)
    os.close(there)
    said = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(here, 4096):
            said += piece
    os.close(here)
    assert command.wait(30) == 0
    return said.decode()


def test_verify_of_a_ledger_that_takes_long_shows_how_far_it_is(stage):
    """On a terminal, and only while it runs: a line that is gone in the end."""
    with stage.bus() as bus:
        group = make_group(bus, "large")
        for _ in range(20):
            bus.ask("send_batch", group_id=group, messages=[{"text": "x" * 1800, "to": ["lead"]} for _ in range(1000)])
    with stage.files.on("read", ledger(stage, group), delay_s=0.03):
        said = said_on_terminal(stage, "ledger", "verify", "--group", group)
    shown = re.findall(r"\r" + group + r"  \[(#* *)\] +(\d+) %  \d+ MiB/s", said)
    assert shown and all(0 < int(percent) <= 100 and 0 <= bar.count("#") * 100 / len(bar) - int(percent) + 4 <= 5 for bar, percent in shown) and said.endswith("\r\x1b[K")
    assert group not in stage.cli("ledger", "verify", "--group", group).stderr


# What a start needs, and what it says when the disk will not give it. The home is as it was, and the next start succeeds.
STARTS = {
    "mkdir home": ("mkdir", "{home}/groups", "ENOSPC", "groups"),
    "open lock": ("open_to_write", "{home}/daemon/ccccd.lock", "EROFS", "ccccd.lock"),
    "lock": ("lock", "{home}/daemon/ccccd.lock", "ENOLCK", "ccccd.lock"),
    "write lock": ("write", "{home}/daemon/ccccd.lock", "ENOSPC", "ccccd.lock"),
    "write pid": ("write", "{home}/daemon/ccccd.pid*", "EIO", "ccccd.pid"),
    "read epoch": ("read", "{home}/daemon/epoch", "EIO", "epoch"),
    "write epoch": ("write", "{home}/daemon/epoch*", "ENOSPC", "epoch"),
    "sync epoch": ("sync", "{home}/daemon/epoch*", "EIO", "epoch"),
    "rename epoch": ("rename", "{home}/daemon/epoch", "EIO", "epoch"),
    "sync daemon": ("sync_directory", "{home}/daemon", "EIO", "daemon"),
    "open log": ("open_to_write", "{home}/daemon/ccccd.log", "EACCES", "ccccd.log"),
    "list groups": ("open_to_read", "{home}/groups", "EIO", "groups"),
    "write descriptor": ("write", "{home}/daemon/ccccd.addr.json*", "ENOSPC", "ccccd.addr.json"),
    "rename descriptor": ("rename", "{home}/daemon/ccccd.addr.json", "EIO", "ccccd.addr.json"),
}


def test_start_on_a_disk_that_refuses_says_in_one_line_what_and_the_next_one_succeeds(stage):
    with stage.bus() as bus:
        group = make_group(bus)
        send(bus, group, "kept")
    stage.stop()
    for name, (call, pattern, error, named) in STARTS.items():
        if call == "mkdir":
            with Home() as fresh:
                status, said = start_refused(stage, fresh, stage.files.on(call, pattern.format(home=fresh.path), error))
        else:
            status, said = start_refused(stage, stage, stage.files.on(call, pattern.format(home=stage.path), error))
        assert status == 1 and said.count("\n") == 1 and said.startswith("ccccd: ") and named in said, (name, status, said)
        assert not (stage.path / "daemon/ccccd.addr.json").exists() or name.endswith("descriptor"), name
    stage.start()
    with stage.bus() as bus:
        assert degraded(bus) == {}
    assert texts(stage, group) == ["kept"]


def start_refused(stage, home, rule):
    import subprocess

    from faults import BIN

    with rule:
        done = subprocess.run([str(BIN / "ccccd")], env={**home.environment(), **stage.files.environment()}, capture_output=True, text=True, timeout=30)
        assert rule.struck, "the start did not meet the fault"
    return done.returncode, done.stderr


def test_unreadable_registry_is_made_anew_and_an_unreadable_group_waits(stage):
    with stage.bus() as bus:
        bad, good = make_group(bus, "bad"), make_group(bus, "good")
        send(bus, bad, "kept")
    stage.stop()
    for file in "group.yaml", "ledger.jsonl", "state/ledger/mark":
        with stage.files.on("read", f"{stage.path}/registry.json", "EIO"), stage.files.on("read", f"{stage.path}/groups/{bad}/{file}", "EIO"):
            stage.start()
            with stage.bus() as bus:
                assert list(degraded(bus)) == [bad], file
                send(bus, good, f"while {file} is unreadable")
                assert refused(bus, bad, "refused").code == "group_offline"
        with stage.bus() as bus:
            send_until_taken(bus, bad, f"after {file}")
            assert bus.ask("group_show", group_id=bad)["group"]["title"] == "bad"
        assert stage.stop() == 0
    assert texts(stage, bad) == ["kept"] + [f"after {file}" for file in ("group.yaml", "ledger.jsonl", "state/ledger/mark")]
