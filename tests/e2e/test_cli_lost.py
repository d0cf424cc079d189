"""What is damaged or gone is named wherever somebody would look for it: in the inbox, by status, doctor and verify."""

import subprocess

import pytest

from cliutil import CCCC, answer, group_with
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
