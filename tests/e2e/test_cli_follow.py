"""`tail -n 100 -f` and `inbox --follow`, started before and during a load of four clients, across one kill -9: every event once, in order.

CCCC_SENDS says how many sends (default 8,000; the full proof is 200,000)."""

import json
import os
import pathlib
import subprocess
import sys
import time

from cliutil import CCCC

SENDS = int(os.environ.get("CCCC_SENDS", "8000"))
SENDER = str(pathlib.Path(__file__).with_name("loadsender.py"))


class Follower:
    """A following command whose output goes to a file."""

    def __init__(self, home, folder, name, *args):
        self.path = folder / name
        with self.path.open("wb") as out:
            self.process = subprocess.Popen([CCCC, *args, "--json"], env=home.environment(), stdout=out, stderr=subprocess.PIPE)

    def lines(self):
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]

    def begins(self):
        """It follows: from now on it outlives a daemon."""
        deadline = time.monotonic() + 120
        while not self.path.stat().st_size:
            assert self.process.poll() is None and time.monotonic() < deadline, self.process.stderr.read()
            time.sleep(0.005)

    def wait_for(self, event_id):
        """Until the event is the last line, whole."""
        deadline = time.monotonic() + 120
        wanted = event_id.encode()
        while True:
            assert self.process.poll() is None, self.process.stderr.read()
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - 4096))
                tail = file.read()
            if wanted in tail and tail.endswith(b"\n"):
                return
            assert time.monotonic() < deadline, f"{self.path.name} ends with {tail[-200:]}"
            time.sleep(0.01)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def followers(home, folder, group_id, when):
    return (Follower(home, folder, f"tail-{when}", "tail", "--group", group_id, "-n", "100", "-f"),
            Follower(home, folder, f"inbox-{when}", "inbox", "--group", group_id, "--actor-id", "lead", "--follow", "--limit", "0"))


def wait_for_head(home, group_id, seq):
    deadline = time.monotonic() + 120
    with home.bus() as bus:
        while bus.ask("status", group_id=group_id)["group"]["head_seq"] < seq:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def check(home, group_id, all_followers, acked):
    """What the followers saw is what the ledger holds, which holds what was acknowledged."""
    ledger = home.ledger(group_id)
    seqs, messages = [line["seq"] for line in ledger], [line["id"] for line in ledger if line["kind"] == "chat.message"]
    assert seqs == list(range(1, len(ledger) + 1))
    assert sorted(messages) == sorted(acked.values()) and len(set(messages)) == SENDS
    for tail, inbox in all_followers:
        seen = tail.lines()
        assert [event["seq"] for event in seen] == seqs[seen[0]["seq"] - 1:], f"{tail.path.name}: once and in order"
        assert [event["id"] for event in seen] == [line["id"] for line in ledger[seen[0]["seq"] - 1:]]
        assert [event["id"] for event in inbox.lines()] == messages, f"{inbox.path.name}: every message, once and in order"
    assert all_followers[0][0].lines()[0]["seq"] == 1 and all_followers[1][0].lines()[0]["seq"] > 100


def test_followers_see_every_event_once_and_in_order_across_a_kill(home, tmp_path):
    home.start()
    with home.bus() as bus:
        group_id = bus.ask("group_create", title="load")["group_id"]
        bus.ask("actor_add", group_id=group_id, actor_id="lead", runtime="custom", runner="headless")
    pairs = [followers(home, tmp_path, group_id, "before")]
    pairs[0][0].wait_for('"actor.add"')
    senders = [subprocess.Popen([sys.executable, "-B", SENDER, str(home.path), group_id, f"s{i}", str(SENDS // 4)], stdout=subprocess.PIPE)
               for i in range(4)]
    try:
        wait_for_head(home, group_id, SENDS // 4)
        pairs.append(followers(home, tmp_path, group_id, "during"))
        for follower in pairs[1]:
            follower.begins()
        wait_for_head(home, group_id, SENDS // 2)
        home.kill()
        home.start()
        acked = {}
        for sender in senders:
            acked.update(json.loads(sender.communicate(timeout=400)[0]))
            assert sender.returncode == 0
        with home.bus() as bus:
            last = bus.ask("ledger_read", group_id=group_id, before_seq=0, limit=1)["events"][0]["id"]
        for follower in [follower for pair in pairs for follower in pair]:
            follower.wait_for(last)
    finally:
        for process in senders:
            process.kill()
            process.wait()
            process.stdout.close()
        for follower in [follower for pair in pairs for follower in pair]:
            follower.end()
    check(home, group_id, pairs, acked)
