"""What is damaged or gone is named wherever somebody would look for it: in the inbox, by status, doctor and verify."""

import json
import shutil
import subprocess
import time

import pytest

from cliutil import CCCC, answer, group_with, rows
from home import Home


@pytest.fixture
def home():
    with Home() as made:
        yield made


def flip_line(home, group, number):
    path = home.path / "groups" / group / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    line = bytearray(lines[number - 1])
    line[len(line) // 2] ^= 1
    lines[number - 1] = bytes(line)
    path.write_bytes(b"".join(lines))


# A message that was damaged while no daemon ran is a row of the inbox, on every way to it, until something behind it was read; marking over it says so.
def test_a_damaged_message_is_a_gap_in_the_inbox_after_a_restart(home):
    group = group_with(home, "a")
    for i in range(1, 6):
        home.cli("send", f"m{i}", "--to", "a")
    home.cli("daemon", "stop")
    lost = [event["seq"] for event in home.ledger(group) if event["data"].get("text") == "m3"][0]
    flip_line(home, group, lost)
    home.cli("daemon", "start")
    row = f"--- events {lost}..{lost} missing: damaged ---"
    with home.bus() as bus:
        listed = bus.ask("inbox_list", group_id=group, actor_id="a")
    gap = {"from_seq": lost, "to_seq": lost, "reason": "damaged"}
    assert listed["gaps"] == [gap] and [m["data"]["text"] for m in listed["messages"]] == ["m1", "m2", "m4", "m5"]

    lines = home.cli("inbox", "-a", "a").stdout.splitlines()
    assert lines.index(row) == 2 and len(lines) == 5
    follower = subprocess.Popen([CCCC, "inbox", "-a", "a", "--follow"], env=home.environment(), stdout=subprocess.PIPE, text=True)
    assert [follower.stdout.readline().strip() for _ in range(5)] == lines
    follower.terminate()
    follower.wait(20)
    follower.stdout.close()

    assert row in home.cli("inbox", "-a", "a", "--limit", "4").stdout
    assert row in home.cli("read", "--all", "-a", "a").stdout
    assert row not in home.cli("inbox", "-a", "a").stdout
    assert answer(home, "read", "--all", "-a", "a").get("gaps") is None
    assert row in home.cli("inbox", "-a", "user").stdout


def lose(home, group, folder_too):
    path = home.path / "groups" / group
    if folder_too:
        shutil.rmtree(path)
    else:
        for name in ("group.yaml", "group.yaml.prev", "ledger.jsonl"):
            (path / name).unlink(missing_ok=True)


# A registered group of which the folder, or all that makes it a group, is gone: doctor and verify exit 9 and name it, status says which of the two it is.
@pytest.mark.parametrize("folder_too", [True, False])
def test_a_lost_group_is_damage(home, folder_too):
    kept, gone = group_with(home, title="Kept"), group_with(home, title="Gone")
    home.cli("daemon", "stop")
    assert home.cli("ledger", "verify", "--all").returncode == 0
    lose(home, gone, folder_too)
    what = f"{home.path}/groups/{gone} " + ("is gone" if folder_too else "holds neither group.yaml nor ledger.jsonl")
    done = home.cli("doctor", check=False)
    assert done.returncode == 9 and f"registry\tdamaged\tgroup {gone} (Gone) is registered, but {what}." in done.stdout
    done = home.cli("ledger", "verify", "--all", check=False)
    assert done.returncode == 9 and f"is registered, but {what};" in done.stdout
    assert [row[:2] for row in rows(done.stdout) if row[0] in (kept, gone)] == [[kept, "sound"], [gone, "damaged"]]
    ledgers = {ledger["group_id"]: ledger for ledger in json.loads(home.cli("ledger", "verify", "--all", "--json", check=False).stdout)["result"]["ledgers"]}
    assert ledgers[gone]["state"] == "damaged" and "is registered" in ledgers[gone]["error"]
    home.cli("daemon", "start")
    assert f"missing\t{gone} is registered, but {what}\n" in home.cli("status").stdout
    home.cli("groups", "--forget-missing")
    assert home.cli("ledger", "verify", "--all").returncode == home.cli("doctor").returncode == 0


# A group whose id follows from its directory is not made anew in place of one that is registered and lost, nor is another made beside it.
@pytest.mark.parametrize("made_by", ["attach", "create"])
def test_attach_does_not_replace_a_lost_group(home, tmp_path, made_by):
    if made_by == "attach":
        group = answer(home, "attach", str(tmp_path))["group_id"]
    else:
        group = group_with(home)
        home.cli("attach", str(tmp_path), "--group", group)
    home.cli("daemon", "stop")
    lose(home, group, True)
    home.cli("daemon", "start")
    refused = answer(home, "attach", str(tmp_path), status=9)
    assert refused["code"] == "group_offline" and group in refused["message"] and "--forget-missing" in refused["message"]
    assert not (home.path / "groups" / group).exists() and answer(home, "groups")["groups"] == []
    home.cli("groups", "--forget-missing")
    answer(home, "attach", str(tmp_path))


# Bytes that another program wrote into a ledger: the send that met them says so, and doctor shows where they are kept, as that advises; the group goes on.
def test_foreign_bytes_are_shown_by_doctor(home):
    group = group_with(home, "a")
    with open(home.path / "groups" / group / "ledger.jsonl", "a", encoding="ascii") as ledger:
        ledger.write("not ours\n")
    refused = answer(home, "send", "x", "--to", "a", status=9)
    assert refused["code"] == "damaged" and "repeat it" in refused["message"] and "cccc doctor" in refused["hint"]
    (kept,) = (home.path / "groups" / group / "state/ledger/torn").glob("foreign.*")
    deadline = time.monotonic() + 20
    while home.cli("send", "x", "--to", "a", check=False).returncode:  # it is being read again
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # Not before: as long as it is being read again, doctor says that, too, and that the daemon is not well.
    assert f"ledger {group}\tnote\tanother program wrote 9 bytes into the ledger; they were taken out and are kept as {kept}." in home.cli("doctor").stdout
    assert [event["data"].get("text") for event in home.ledger(group)][-1] == "x"


# An active.json that cannot be read is not made anew from anything: log and doctor say what follows.
def test_an_unreadable_active_json_means_no_active_group(home):
    group_with(home)
    home.cli("daemon", "stop")
    (home.path / "active.json").write_text("{not json")
    home.cli("daemon", "start")
    assert "active.json" in home.cli("daemon", "logs").stdout and "no group is the active one" in home.cli("daemon", "logs").stdout
    assert home.cli("active").stdout == "active\t-\n"
    (home.path / "active.json").write_text("{not json")
    said = [line for line in home.cli("doctor").stdout.splitlines() if line.startswith("active\t")]
    assert len(said) == 1 and "no group is the active one" in said[0] and "anew" not in said[0]


# The state that people are shown is what the group does, not only what it was set to: stopped, read-only. Programs get the members as they are.
def test_the_state_shown_is_what_the_group_does(home, tmp_path):
    group = group_with(home)

    def shown():
        (row,) = [row for row in rows(home.cli("groups").stdout) if row[0] == group]
        (fact,) = [line.split("\t")[1] for line in home.cli("group", "show").stdout.splitlines() if line.startswith("state\t")]
        assert row[2] == fact
        return fact

    assert shown() == "stopped" and answer(home, "groups")["groups"][0]["state"] == "active"
    home.cli("attach", str(tmp_path), "--group", group)
    home.cli("group", "start")
    assert shown() == "active"
    home.cli("group", "set-state", "paused")
    assert shown() == "paused"
    home.cli("group", "stop")
    assert shown() == "stopped" and answer(home, "groups")["groups"][0]["state"] == "paused"
    home.cli("daemon", "stop")
    ledger = home.path / "groups" / group / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-200])
    home.cli("daemon", "start")
    assert shown() == "read-only"
