"""Retention in a real daemon: the oldest sealed events go when the operator's rule says so, never what somebody still has to see, and what is served stays the same when everything
that can be made anew is removed."""

import json
import os
import time

import pytest
from busclient import BusError
from home import Home
from test_sealing import make_group, sealed_last, send_batch

MIB = 1024 * 1024


def segments(home, group):
    return sorted(p.name for p in (home.path / "groups" / group / "state/ledger").glob("[0-9]*.jsonl.zst"))


def fill(home, bus, group, ids, count):
    """Send until `count` segments are there and ledger.jsonl is short again; little at a time while a seal is due, so that it overtakes us."""
    ledger = home.path / "groups" / group / "ledger.jsonl"
    while len(segments(home, group)) < count or ledger.stat().st_size > MIB:
        ids += send_batch(bus, group, len(ids), 5 if ledger.stat().st_size > MIB else 100)
        assert len(ids) < 20000


def ask_until_free(bus, op, **args):
    """The daemon does one such thing of a group after the other, and says so."""
    until = time.monotonic() + 60
    while True:
        try:
            return bus.ask(op, **args)
        except BusError as error:
            assert error.code == "busy" and time.monotonic() < until, error
            time.sleep(0.01)


def compact(bus, group):
    """Ask for a look at the rules, and wait until the sealing thread, which does one thing after the other, has chosen what goes."""
    answer = ask_until_free(bus, "ledger_compact", group_id=group)
    ask_until_free(bus, "ledger_snapshot", group_id=group)
    return answer


def wait_for(what):
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def gap(bus, group):
    return bus.ask("ledger_read", group_id=group, after_seq=0, limit=1)["gaps"]


def verified(home, group):
    return json.loads(home.cli("ledger", "verify", "--group", group, "--json").stdout)["result"]["ledgers"][0]


def kept(home, group):
    """What `cccc ledger stat` says of it: as members, and as text."""
    words = ["ledger", "stat", "--group", group]
    [ledger] = json.loads(home.cli(*words, "--json").stdout)["result"]["ledgers"]
    return ledger["keeping"], home.cli(*words).stdout


def served(bus, group):
    """What readers and programs see of the group's state."""
    inboxes = {}
    for reader in "user", "lead", "rev":
        box = bus.ask("inbox_list", group_id=group, actor_id=reader, limit=1000)
        inboxes[reader] = [[m["id"] for m in box["messages"]], box["unread_total"], box["cursor"], box.get("gaps")]
    actors = [{k: a.get(k) for k in ("id", "title", "enabled", "role", "unread_count")} for a in bus.ask("actor_list", group_id=group)["actors"]]
    settings = bus.ask("group_show", group_id=group)["group"]
    settings.pop("running", None)
    return {"inboxes": inboxes, "actors": actors, "group": settings}


def read_up_to(bus, group, event_id):
    bus.ask("inbox_mark_read", group_id=group, actor_id="rev", event_id=event_id)


def test_retention_keeps_what_is_unread_and_the_state_outlives_what_went(tmp_path):
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            fill(home, bus, group, ids, 3)
            names = segments(home, group)
            bus.ask("group_settings_update", group_id=group, patch={"retention_max_bytes": 1})
            compact(bus, group)
            assert segments(home, group) == names and gap(bus, group) == []  # rev has read nothing

            first_last = int(names[0][14:27])
            keeping, text = kept(home, group)
            assert [f"{s['first_seq']:013}-{s['last_seq']:013}.jsonl.zst" for s in keeping["segments"] if s["state"] == "sealed"] == names
            assert keeping["retention"] == {"max_age_s": 0, "max_bytes": 1} and keeping["safe_seq"] < first_last and keeping["safe_why"] == "rev has not read it"
            assert f"{group}\tholds\tevent {keeping['safe_seq']} and all behind it stay: rev has not read it\n" in text
            assert f"{group}\trule\tthe oldest sealed segments go while all of them take more than 1 B\n" in text
            in_second = next(e for e in bus.ask("ledger_read", group_id=group, after_seq=first_last + 5, limit=50)["events"] if e["id"] in ids)
            read_up_to(bus, group, in_second["id"])
            compact(bus, group)
            wait_for(lambda: segments(home, group) == names[1:])
            assert gap(bus, group) == [{"from_seq": 1, "to_seq": first_last, "reason": "retired"}]
            done = home.cli("why", "5", "--group", group, check=False)
            assert done.returncode == 3 and f"event 5 of {group} is retired" in done.stderr
            assert "RETIRED" in (home.path / "daemon/ccccd.log").read_text()
            report = verified(home, group)
            assert report["state"] == "sound" and report["retired"] == first_last and report["first_seq"] == first_last + 1
            keeping, text = kept(home, group)
            assert [s["state"] for s in keeping["segments"]] == ["retired"] + ["sealed"] * (len(names) - 1) and keeping["segments"][0]["retired_at"] <= time.time()
            assert keeping["safe_seq"] > first_last and keeping["safe_why"] == "rev has not read it"
            assert f"{group}\tretired\tevents 1 to {first_last}: " in text and "removed at 20" in text
            answer = compact(bus, group)
            assert answer["safe_seq"] == keeping["safe_seq"] and answer["safe_why"] == keeping["safe_why"]
            shown = bus.ask("inbox_list", group_id=group, actor_id="rev", limit=1)["messages"][0]
            assert shown["id"] == ids[ids.index(in_second["id"]) + 1]
            # A client id lives as long as its event.
            newest = len(ids) - 100
            assert send_batch(bus, group, newest, 1) == [ids[newest]]
            before_last = int(names[1][14:27])
            sealed = next(n for n, i in enumerate(ids) if i == in_second["id"])
            assert send_batch(bus, group, sealed, 1) == [ids[sealed]] and before_last > first_last
            assert send_batch(bus, group, 0, 1) != [ids[0]]
            state = served(bus, group)

        folder = home.path / "groups" / group / "state/ledger"
        assert len(list(folder.glob("*.base"))) == 1
        for stop in home.stop, home.kill:
            stop()
            (folder / "snapshot").unlink(missing_ok=True)
            for cache in folder.glob("*.ids"):
                cache.unlink()
            home.start()
            with home.bus() as bus:
                assert served(bus, group) == state
                assert send_batch(bus, group, newest, 1) == [ids[newest]] and send_batch(bus, group, sealed, 1) == [ids[sealed]]
                assert gap(bus, group) == [{"from_seq": 1, "to_seq": first_last, "reason": "retired"}]
        assert home.cli("doctor", check=False).returncode == 0

        home.cli("backup", "create", str(tmp_path / "copy"))
        home.cli("backup", "verify", "--drill", str(tmp_path / "copy"))
        home.stop()
        home.cli("restore", str(tmp_path / "copy"))
        home.start()
        with home.bus() as bus:
            assert served(bus, group) == state


def test_a_state_too_large_to_copy_unasked_holds_retention_up_and_says_so():
    """Nothing goes until somebody asks, the log and doctor say why, the log once; and `cccc ledger compact` does it."""
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            for number in range(70):  # tasks are state: more than 16 MiB of it
                bus.ask("context_sync", group_id=group, ops=[{"op": "task.create", "name": f"t{number}", "goal": "g" * 245_000}])
            bus.ask("ledger_snapshot", group_id=group)
            bus.ask("group_settings_update", group_id=group, patch={"retention_max_bytes": 1})
            for _ in range(2):
                fill(home, bus, group, ids, len(segments(home, group)) + 1)
                bus.ask("inbox_mark_all_read", group_id=group, actor_id="rev")
            wait_for(lambda: "RETIRE-HELD" in (home.path / "daemon/ccccd.log").read_text())
            assert gap(bus, group) == []
            assert f"`cccc ledger compact --group {group}`" in home.cli("doctor").stdout
            compact(bus, group)
            wait_for(lambda: gap(bus, group) and gap(bus, group)[0]["reason"] == "retired")
        log = (home.path / "daemon/ccccd.log").read_text()
        assert log.count("RETIRE-HELD") == 1 and "RETIRED" in log


def test_only_the_user_decides_that_events_go():
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group = make_group(bus)
            with pytest.raises(BusError, match="only the user") as refused:
                bus.ask("group_settings_update", group_id=group, by="lead", patch={"retention_max_age_s": 60})
            assert refused.value.details["cause"] == "permission_denied"
            bus.ask("group_settings_update", group_id=group, by="lead", patch={"ledger_keep_tail_lines": 60})
            bus.ask("group_settings_update", group_id=group, patch={"retention_max_age_s": 60})


def test_a_leftover_of_a_retirement_goes_at_the_next_start():
    with Home() as home:
        home.start()
        ids = []
        with home.bus() as bus:
            group = make_group(bus)
            fill(home, bus, group, ids, 2)
            names = segments(home, group)
            old = home.path / "groups" / group / "state/ledger" / names[0]
            kept = old.read_bytes()
            bus.ask("group_settings_update", group_id=group, patch={"retention_max_bytes": 1})
            bus.ask("inbox_mark_all_read", group_id=group, actor_id="rev")
            compact(bus, group)
            wait_for(lambda: segments(home, group) == [])
        home.kill()
        old.write_bytes(kept)
        os.utime(old)
        home.start()
        assert segments(home, group) == []
        with home.bus() as bus:
            assert gap(bus, group)[0]["reason"] == "retired"
            assert sealed_last(home, group) == 0
