"""Giving up what is lost: `cccc ledger repair` shows first, keeps every byte, names what is gone, and the group goes on."""

import json
import os
import re
import shutil

import pytest

from cliutil import answer, group_with
from home import Home

MESSAGES = 8


@pytest.fixture
def home():
    with Home() as made:
        yield made


def ledger_file(home, group):
    return home.path / "groups" / group / "ledger.jsonl"


def talked(home, title):
    """A group with an actor and some messages, and its ledger's bytes. The daemon has stopped."""
    group = group_with(home, "lead", title=title)
    for i in range(MESSAGES):
        home.cli("send", f"{title} {i}", "--to", "lead", "--group", group)
    return group


def stopped_pair(home):
    hurt, other = talked(home, "hurt"), talked(home, "other")
    home.cli("daemon", "stop")
    return hurt, other


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)


def flip_last_line(home, group):
    path = ledger_file(home, group)
    flip(path, path.read_bytes().rindex(b'"text"') + 2)


def states(done):
    return [line.split("\t")[:2] for line in done.stdout.splitlines()]


# A damaged head stops the group's messages and nobody else's; the dry run changes nothing; the repair keeps the bytes, and the group goes on behind the lost seq.
def test_a_damaged_head_is_given_up(home):
    group, other = stopped_pair(home)
    path = ledger_file(home, group)
    last = home.ledger(group)[-1]
    head = last["seq"]
    flip_last_line(home, group)
    hurt = path.read_bytes()
    home.cli("daemon", "start")
    refused = home.cli("send", "no", "--to", "lead", "--group", group, check=False)
    assert refused.returncode != 0 and f"`cccc ledger repair --group {group}`" in refused.stderr
    home.cli("send", "yes", "--to", "lead", "--group", other)
    served = home.cli("ledger", "repair", "--group", group, "--accept-loss", check=False)
    assert served.returncode == 6 and "daemon stop" in served.stderr and path.read_bytes() == hurt
    home.cli("daemon", "stop")

    plan = home.cli("ledger", "repair", "--group", group, check=False)
    assert plan.returncode == 9 and f"line {head} " in plan.stdout and "nothing was changed" in plan.stderr
    assert path.read_bytes() == hurt and not (path.parent / "state/ledger/torn").exists()
    assert home.cli("doctor", check=False).returncode == 9

    done = answer(home, "ledger", "repair", "--group", group, "--accept-loss")
    assert done["given_up"] == 1 and not done["dry_run"] and done["head_seq"] == head + 1
    kept = path.read_bytes()
    cut = len(hurt) - done["bytes_aside"]
    (aside,) = (path.parent / "state/ledger/torn").glob("damaged.*")
    assert kept[:cut] == hurt[:cut] and aside.read_bytes() == hurt[cut:]
    repair = home.ledger(group)[-1]
    assert (repair["kind"], repair["by"], repair["seq"], repair["dur"]) == ("ledger.repair", "user", head + 1, head)
    assert repair["data"]["from_seq"] == repair["data"]["to_seq"] == head
    assert repair["data"]["command"] == "cccc ledger repair" and repair["data"]["copy"] == f"state/ledger/torn/{aside.name}"

    again = answer(home, "ledger", "repair", "--group", group, "--accept-loss")
    assert again["given_up"] == 0 and path.read_bytes() == kept
    verdict = home.cli("ledger", "verify", "--group", group)
    assert f"given up (events {head}..{head}) at {repair['ts']} by user with `cccc ledger repair`; what was cut is kept as state/ledger/torn/{aside.name}\n" in verdict.stdout
    assert str(aside) in home.cli("ledger", "stat", "--group", group).stdout and str(aside) in home.cli("doctor").stdout
    home.cli("daemon", "start")
    home.cli("send", "again", "--to", "lead", "--group", group)
    lost = f"event {head} of group {group}, which would be {last['id']}, is lost: it was damaged, and the user gave it up at {repair['ts']} with `cccc ledger repair`"
    for start in range(2):  # the second one knows it from the saved state
        for words in (["reply", last["id"], "to what?"], ["why", last["id"]]):
            done = home.cli(*words, "--group", group, check=False)
            assert done.returncode == 3 and lost in done.stderr, done.stderr
        home.cli("daemon", "restart")
    said = home.cli("tail", "--group", group, "-n", "50").stdout
    assert f"events {head}..{head} missing" in said and "again" in said
    doctor = home.cli("doctor")
    assert [f"ledger {group}", "note"] in states(doctor) and [f"ledger {group}", "damaged"] not in states(doctor)


# A ledger that was cut below what was durable, and one that is gone, are given up the same way: no seq is used twice.
@pytest.mark.parametrize("left", [0, 700, None])
def test_a_truncated_or_missing_ledger_is_given_up(home, left):
    group, other = stopped_pair(home)
    path = ledger_file(home, group)
    head = home.ledger(group)[-1]["seq"]
    if left is None:
        path.unlink()
    else:
        os.truncate(path, left)
    assert home.cli("doctor", check=False).returncode == 9
    assert home.cli("ledger", "verify", "--group", group, check=False).returncode == 9
    done = answer(home, "ledger", "repair", "--group", group, "--accept-loss")
    assert done["given_up"] == 1 and done["head_seq"] == head + 1
    home.cli("daemon", "start")
    home.cli("send", "again", "--to", "lead", "--group", group)
    assert home.ledger(group)[-1]["seq"] == head + 2
    assert home.cli("doctor").returncode == 0
    assert home.cli("ledger", "verify", "--group", other).returncode == 0


# Damage in the middle stops nothing; giving it up moves no byte, and doctor takes it as known from then on.
def test_damage_in_the_middle_is_acknowledged_in_place(home):
    group, _ = stopped_pair(home)
    path = ledger_file(home, group)
    lines = path.read_bytes().splitlines(keepends=True)
    flip(path, sum(map(len, lines[:3])) + 50)
    hurt = path.read_bytes()
    assert home.cli("doctor", check=False).returncode == 9
    done = answer(home, "ledger", "repair", "--group", group, "--accept-loss")
    assert done["given_up"] == 1 and done["bytes_aside"] == 0 and done["stretches"][0]["line"] == 4
    assert path.read_bytes()[: len(hurt)] == hurt
    home.cli("daemon", "start")
    home.cli("send", "again", "--to", "lead", "--group", group)
    assert home.cli("doctor").returncode == 0


def sealed(home, title):
    """A group with sealed events, all of them read by lead; the daemon serves."""
    group = talked(home, title)
    home.cli("group", "settings", "--group", group, "ledger_keep_tail_lines=1")
    with home.bus() as bus:
        bus.ask("inbox_mark_all_read", group_id=group, actor_id="lead")
        bus.ask("ledger_compact", group_id=group, force=True)
    return group


# What the plan says will be moved is what is moved, also when older events are sealed: they are in other files.
def test_the_plan_for_a_sealed_ledger_counts_the_damaged_bytes(home):
    group = sealed(home, "sealed")
    home.cli("send", "last", "--to", "lead", "--group", group)
    home.cli("daemon", "stop")
    flip_last_line(home, group)
    plan = home.cli("ledger", "repair", "--group", group, check=False)
    done = answer(home, "ledger", "repair", "--group", group, "--accept-loss")
    assert done["given_up"] == 1 and f"\t{done['bytes_aside']} bytes from offset" in plan.stdout


# The state that stands for retired events cannot be given up: no other file says who had read how far. The repair says so and changes nothing.
def test_a_damaged_base_is_named_and_not_given_up(home, tmp_path):
    group = sealed(home, "forgets")
    home.cli("group", "settings", "--group", group, "retention_max_bytes=1")
    folder = ledger_file(home, group).parent / "state/ledger"
    while list(folder.glob("*.jsonl.zst")):
        home.cli("ledger", "compact", "--group", group, check=False)  # busy while a retirement is under way
    home.cli("daemon", "stop")
    (base,) = folder.glob("*.base")
    flip(base, base.stat().st_size // 2)
    hurt = base.read_bytes()
    refused = home.cli("ledger", "repair", "--group", group, "--accept-loss", check=False)
    assert refused.returncode == 9 and base.name in refused.stderr and "backup" in refused.stderr and base.read_bytes() == hurt
    verdict = json.loads(home.cli("ledger", "verify", "--group", group, "--json", check=False).stdout)["result"]["ledgers"][0]
    assert [finding["state"] for finding in verdict["findings"]] == ["base"] and verdict["state"] == "damaged"
    shutil.copytree(home.path, tmp_path / "copy")
    named = home.cli("backup", "verify", str(tmp_path / "copy"), check=False)
    assert named.returncode == 9 and f"groups/{group}/state/ledger/{base.name}" in named.stdout + named.stderr


# A home that was put back from an older copy: what it lacks is said by doctor and ledger stat as long as the note lies there, through every start.
def test_what_a_copy_lacks_is_named_until_somebody_removes_the_note(home):
    group = group_with(home, "lead")
    home.cli("send", "kept", "--to", "lead")
    older = ledger_file(home, group).read_bytes()
    for number in range(3):
        home.cli("send", f"lost {number}", "--to", "lead")
    home.cli("daemon", "stop")
    head = home.ledger(group)[-1]["seq"]
    path = ledger_file(home, group)
    path.rename(path.with_suffix(".away"))
    path.write_bytes(older + b'{"v":1,"id":"')
    said = f"events {head - 2} to {head} were stored once and are missing"
    assert said not in home.cli("doctor", check=False).stdout  # not gone on without yet: that is damage, and verify names it
    for start in range(2):
        home.cli("daemon", "start")
        home.cli("send", "again", "--to", "lead")
        for command in ["doctor"], ["ledger", "stat", "--group", group]:
            [line] = [line for line in home.cli(*command).stdout.splitlines() if said in line]
            assert re.search(r"gone on with at 20..-..-..T..:..:..Z by ccccd \(epoch \d+\)", line), line
            [copy] = (path.parent / "state/ledger/torn").glob("torn.*")
            assert f"The 13 bytes at its end, which were no whole event, are kept as {copy}." in line and copy.read_bytes() == b'{"v":1,"id":"'
        [ledger] = answer(home, "ledger", "stat", "--group", group)["ledgers"]
        [loss] = [loss for loss in ledger["keeping"]["losses"] if loss["what"] == "missing"]
        assert (loss["from_seq"], loss["to_seq"], loss["by"], loss["copy"]) == (head - 2, head, "ccccd", copy.name)
        home.cli("daemon", "stop")
    [note] = (path.parent / "state/ledger/torn").glob("missing.*")
    note.write_bytes(note.read_bytes().replace(b"to=", b"tO="))
    assert f"{note} notes that events are missing at the end of a copy, and cannot be read" in home.cli("doctor").stdout
    note.unlink()
    assert "missing" not in home.cli("doctor").stdout
