"""A daemon that does not run for a while (SIGSTOP: a debugger, a suspended machine, a throttled container), under load: nobody is told anything wrong,
nothing is lost, everything goes on."""

import os
import signal
import threading
import time

import busclient
from faults import Home, Stage

STOPPED_S = float(os.environ.get("CCCC_STOPPED_S", "2"))


class Sender(threading.Thread):
    """Keeps 50 sends in flight until told to end, and takes every answer."""

    def __init__(self, home, group, name):
        super().__init__(daemon=True)
        self.home, self.group, self.name_ = home, group, name
        self.acked, self.refused, self.over = {}, [], threading.Event()

    def run(self):
        with self.home.bus() as bus:
            open_, number = {}, 0
            while open_ or not self.over.is_set():
                while len(open_) < 50 and not self.over.is_set():
                    number += 1
                    text = f"{self.name_} {number}"
                    open_[bus.post("send", {"group_id": self.group, "text": text, "to": ["lead"], "client_id": text})] = text
                reply = bus.take(0.1)
                if reply:
                    text = open_.pop(reply["id"])
                    if reply["ok"]:
                        self.acked[reply["result"]["event"]["id"]] = text
                    else:
                        self.refused.append(reply["error"])


def make_group(bus):
    group = bus.ask("group_create", title="stopped")["group_id"]
    bus.ask("actor_add", group_id=group, actor_id="lead")
    return group


def test_stopped_under_load_and_continued():
    with Home() as home:
        home.start()
        pid = home.process.pid
        with home.bus(timeout_s=60) as bus:
            group = make_group(bus)
            follower = busclient.Follower(home.path, group)
            senders = [Sender(home, group, f"s{number}") for number in range(3)]
            for sender in senders:
                sender.start()
            for _ in range(2):
                answered = sum(len(sender.acked) for sender in senders)
                while sum(len(sender.acked) for sender in senders) < answered + 200:
                    time.sleep(0.005)
                os.kill(pid, signal.SIGSTOP)
                time.sleep(STOPPED_S)  # what is tested is that this time passes
                os.kill(pid, signal.SIGCONT)
            for sender in senders:
                sender.over.set()
            for sender in senders:
                sender.join(60)
                assert not sender.is_alive() and sender.refused == []
            acked = {event_id for sender in senders for event_id in sender.acked}
            head = bus.ask("status", group_id=group)["as_of_seq"]
            status = bus.ask("status")
            assert status["dropped_peers"] == status["shed_connections"] == 0 and status["groups_degraded"] == []
            seqs, ids = [], set()
            while not seqs or seqs[-1] < head:
                event = follower.next(30)
                seqs.append(event["seq"])
                ids.add(event["id"])
            assert seqs == list(range(1, head + 1)) and acked <= ids
            follower.close()
        assert home.stop() == 0
        assert home.cli("ledger", "verify", "--group", group).returncode == 0


def test_stopped_daemon_is_named_by_doctor_and_a_second_one_does_not_take_its_place():
    with Home() as home:
        home.start()
        pid = home.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            done = home.cli("doctor", check=False)
            assert done.returncode == 1 and f"pid {pid} does not answer" in done.stdout
            try:
                other = Home.start(SameHome(home))
                raise AssertionError(f"a second daemon serves: {other}")
            except AssertionError as refused:
                assert f"served by pid {pid}" in str(refused), refused
        finally:
            os.kill(pid, signal.SIGCONT)
        with home.bus() as bus:
            assert bus.ask("ping")["pid"] == pid
        assert home.stop() == 0


class SameHome(Home):
    """Another view of the same folder: it starts a daemon of its own, and removes nothing."""

    def __init__(self, home):
        self.path, self.process, self.keep = home.path, None, True


def test_term_while_stopped_ends_it_in_order_once_it_runs():
    with Stage() as home:
        home.start()
        with home.bus() as bus:
            group = make_group(bus)
            with home.files.on("sync", f"{home.path}/groups/{group}/ledger.jsonl", delay_s=0.2) as rule:
                posted = [bus.post("send", {"group_id": group, "text": f"m{n}", "to": ["lead"]}) for n in range(20)]
                while rule.struck == 0:
                    time.sleep(0.001)
                os.kill(home.process.pid, signal.SIGSTOP)
                os.kill(home.process.pid, signal.SIGTERM)
                os.kill(home.process.pid, signal.SIGCONT)
                replies = [bus.take(20) for _ in posted]
        assert home.process.wait(20) == 0
        home.process.stdout.close()
        acked = {reply["result"]["event"]["id"] for reply in replies if reply and reply["ok"]}
        assert all(reply and (reply["ok"] or reply["error"]["code"] == "shutting_down") for reply in replies) and acked
        assert acked <= {row["id"] for row in home.ledger(group)}
