"""I1, I3: kill -9 at random moments under load loses nothing that was acknowledged and publishes nothing that is not there."""

import os
import random
import threading
import time

import msgpack
import pytest

import busclient
from home import Home

ROUNDS = int(os.environ.get("CCCC_KILLS", "15"))
SEED = int(os.environ.get("CCCC_SEED", str(random.SystemRandom().randrange(1 << 32))))


class Sender(threading.Thread):
    """Keeps 50 sends in flight until the daemon is gone; remembers what was acknowledged."""

    def __init__(self, home, group_id, name):
        super().__init__(daemon=True)
        self.home, self.group_id, self.name_ = home, group_id, name
        self.acked, self.count, self.stop = {}, 0, False

    def run(self):
        with self.home.bus() as bus:
            open_ = {}
            silent_since = time.monotonic()
            while not self.stop and time.monotonic() - silent_since < 5:
                while len(open_) < 50:
                    self.count += 1
                    text = f"{self.name_} {self.count}"
                    open_[bus.post("send", {"group_id": self.group_id, "text": text, "to": ["lead"], "client_id": text})] = text
                reply = bus.take(0.05)
                if reply is None:
                    continue
                silent_since = time.monotonic()
                text = open_.pop(reply["id"])
                if reply["ok"]:
                    self.acked[reply["result"]["event"]["id"]] = (text, reply["result"]["event"]["seq"])


class Listener(threading.Thread):
    """Takes every publication as it comes, repaired or not: nothing heard may be missing from the ledger later."""

    def __init__(self, home, group_id):
        super().__init__(daemon=True)
        self.home, self.group_id, self.heard, self.stop = home, group_id, {}, False

    def run(self):
        import zmq

        context = zmq.Context()
        sub = context.socket(zmq.SUB)
        sub.setsockopt(zmq.LINGER, 0)
        sub.subscribe(f"e/{self.group_id}/".encode())
        sub.connect(busclient.descriptor(self.home.path)["events"])
        while not self.stop:
            if sub.poll(50):
                event = msgpack.unpackb(sub.recv_multipart()[1])
                self.heard[event["id"]] = event["seq"]
        sub.close()
        context.term()


def test_acknowledged_events_survive_kill_9_and_nothing_published_is_absent():
    chance = random.Random(SEED)
    print("seed", SEED, "(CCCC_SEED)")
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group_id = bus.ask("group_create", title="load")["group_id"]
            bus.ask("actor_add", group_id=group_id, actor_id="lead")
        acked, heard = {}, {}
        for round_ in range(ROUNDS):
            senders = [Sender(home, group_id, f"s{round_}.{i}") for i in range(3)]
            listener = Listener(home, group_id)
            for thread in [listener, *senders]:
                thread.start()
            time.sleep(chance.uniform(0.02, 0.4))
            home.kill()
            for thread in [listener, *senders]:
                thread.stop = True
            for thread in [listener, *senders]:
                thread.join(20)
                assert not thread.is_alive()
            for sender in senders:
                acked.update(sender.acked)
            heard.update(listener.heard)
            home.start()
        assert acked and heard, "the load never got through"
        with home.bus() as bus:
            head = bus.ask("status", group_id=group_id)["as_of_seq"]
        follower = busclient.Follower(home.path, group_id)
        events = [follower.next(5) for _ in range(head)]
        follower.close()
        assert [e["seq"] for e in events] == list(range(1, head + 1))
        by_id = {e["id"]: e for e in events}
        assert len(by_id) == head
        for event_id, (text, seq) in acked.items():
            assert by_id[event_id]["seq"] == seq and by_id[event_id]["data"]["text"] == text
        for event_id, seq in heard.items():
            assert by_id[event_id]["seq"] == seq
        texts = [e["data"]["text"] for e in events if e["kind"] == "chat.message"]
        assert len(set(texts)) == len(texts), "a client_id was stored twice"
        assert home.stop() == 0
        assert home.cli("ledger", "verify", "--group", group_id).returncode == 0
