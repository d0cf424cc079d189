"""What is recorded: a home from its first start, with everything that writes to it, by a client that knows what it was told.

The client asks one thing at a time where the answer has to be known exactly (configuration, cursors), and many at once where batches should form.
"""

import hashlib
import json
import pathlib
import random
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import busclient  # noqa: E402
import disk  # noqa: E402
import zmq  # noqa: E402
from daemon import Daemon  # noqa: E402

SYNC_US = 1500  # so long does a sync take at least, so that other things happen meanwhile


class Client:
    """A bus client that keeps what the oracle has to know beside what was sent to it."""

    def __init__(self, folder, home, chance):
        self.folder, self.home, self.chance = folder, home, chance
        self.timeless = {"shown": {}, "cursors": {}, "may_retire": {}, "deleting": []}
        self.bus = self.sub = None
        self.texts = 0

    def connect(self):
        self.bus = busclient.Bus(self.home)
        self.sub = self.bus.context.socket(zmq.SUB)
        self.sub.setsockopt(zmq.LINGER, 0)
        self.sub.setsockopt(zmq.RCVHWM, 0)
        self.sub.subscribe(b"e/")
        self.sub.subscribe(b"h/")
        self.sub.connect(busclient.descriptor(self.home)["events"])
        while self.bus.ask("status")["subscriptions"] < 2:
            pass

    def close(self):
        # A send is recorded after it was made: what the client has heard is in the log once it has heard one thing more, also when a kill follows.
        self.ask("ping")
        self.sub.close()
        self.bus.close()

    def ask(self, op, **args):
        return self.bus.ask(op, **args)

    def change(self, op, group_id, **args):
        """A change of the configuration; what is shown behind it is noted."""
        result = self.ask(op, group_id=group_id, **args)
        shown = self.ask("group_show", group_id=group_id)["group"]
        self.timeless["shown"].setdefault(group_id, []).append([result["event"]["id"], shown])
        return result

    def make_group(self, title):
        made = self.ask("group_create", title=title, client_id=title)
        group_id = made["group_id"]
        self.timeless["shown"][group_id] = [[made["event"]["id"], self.ask("group_show", group_id=group_id)["group"]]]
        self.change("actor_add", group_id, actor_id="lead")
        return group_id

    def mark_read(self, group_id, actor_id, event_id):
        result = self.ask("inbox_mark_read", group_id=group_id, actor_id=actor_id, event_id=event_id)
        cursors = self.timeless["cursors"].setdefault(group_id, {}).setdefault(actor_id, [])
        cursors.append([result["event"]["id"], result["cursor"]["seq"]])
        return result["event"]

    def read_everything(self, group_id):
        """lead has read all there is. Up to the event that says so, and no further, events may be retired."""
        last = self.ask("ledger_read", group_id=group_id, before_seq=0, limit=1, kinds=["chat.message"])["events"][-1]
        read = self.mark_read(group_id, "lead", last["id"])
        self.timeless["may_retire"].setdefault(group_id, []).append([read["id"], read["seq"]])

    def keep_house(self, op, **args):
        """Ask until what went before is over."""
        while True:
            try:
                return self.ask(op, **args)
            except busclient.BusError as error:
                if error.code != "busy":
                    raise

    def text(self, size):
        """Every sector of a text differs from every other one's."""
        self.texts += 1
        return "".join(f"[{self.texts}.{i}]" for i in range(size // 8 + 1))[: max(size, 8)]

    def burst(self, group_ids, count, size_max):
        """Sends that are all on their way at once."""
        for _ in range(count):
            text = self.text(self.chance.randint(1, size_max))
            self.bus.post("send", {"group_id": self.chance.choice(group_ids), "text": text, "to": ["lead"], "client_id": f"burst {self.texts}"})
        for _ in range(count):
            assert self.bus.take()["ok"]

    def delete(self, group_id):
        """Noted before it is asked: from then on the group may be gone."""
        self.timeless["deleting"].append([(self.folder / "log").stat().st_size, group_id])
        self.bus.last_id += 1
        wanted = f"delete {self.bus.last_id}"
        self.bus.socket.send(busclient.msgpack.packb({"v": 1, "id": wanted, "op": "group_delete", "args": {"group_id": group_id, "confirm": group_id}}))
        while self.bus.take()["id"] != wanted:
            pass


# ---- the parts of a workload ----


def configure(client):
    """A group, its actors, scopes and settings."""
    group_id = client.make_group(f"team {client.chance.random()}")
    client.ask("active_set", group_id=group_id)
    client.change("attach", group_id, path="/tmp")
    client.change("actor_add", group_id, actor_id="peer", runner="headless")
    client.change("actor_update", group_id, actor_id="peer", patch={"title": "Second"})
    client.change("group_settings_update", group_id, patch={"default_send_to": "broadcast"})
    client.change("group_update", group_id, patch={"topic": client.text(300)})
    client.change("actor_remove", group_id, actor_id="peer")
    return group_id


def converse(client, group_id):
    """Messages of all sizes, one by one and many at once, replies, cursors."""
    first = client.ask("send", group_id=group_id, text="hello", to=["lead"], priority="attention", client_id="first")["event"]
    client.burst([group_id], 12, 1500)
    client.ask("reply", group_id=group_id, reply_to=first["id"], text="well", to=["lead"])
    client.mark_read(group_id, "lead", first["id"])
    items = [{"text": client.text(client.chance.randint(1, 6000)), "to": ["lead"], "client_id": f"batch {i}"} for i in range(20)]
    results = client.ask("send_batch", group_id=group_id, messages=items)["results"]
    client.mark_read(group_id, "lead", results[10]["event_id"])
    client.burst([group_id], 4, 20000)


def attach_files(client, group_id):
    """A file in two pieces, a small one, and a text too long for a line."""
    for size in (300_000, 700):
        data = client.text(size).encode()
        sha256, half = hashlib.sha256(data).hexdigest(), len(data) // 2
        for begin, end in ((0, half), (half, len(data))):
            done = client.ask("blob_put", group_id=group_id, sha256=sha256, name="notes.txt", total_bytes=len(data), offset=begin, data=data[begin:end])
        client.ask("send", group_id=group_id, text="see file", to=["lead"], attachments=[{"path": done["path"]}])
    client.ask("send", group_id=group_id, text=client.text(90_000), to=["lead"])


def cross(client, group_id):
    """A second group, a message between the two, and its end."""
    other = client.make_group(f"other {client.chance.random()}")
    client.ask("send_cross_group", group_id=group_id, dst_group_id=other, text="over there", to=["lead"])
    client.burst([group_id, other], 10, 2000)
    client.delete(other)


def usual(client, daemon):
    """The first start, all kinds of work, an orderly stop, more work, a kill, and the recovery from it."""
    daemon.start()
    client.connect()
    group_id = configure(client)
    converse(client, group_id)
    attach_files(client, group_id)
    client.close()
    assert daemon.stop() == 0
    daemon.start()
    client.connect()
    cross(client, group_id)
    client.close()
    daemon.kill()
    daemon.start()
    client.connect()
    client.burst([group_id], 6, 3000)
    client.change("group_update", group_id, patch={"title": "the end"})
    client.close()
    assert daemon.stop() == 0


def sealing(client, daemon):
    """A ledger that grows until its older events are sealed, while others are sent; an end, and a start on it."""
    daemon.start()
    client.connect()
    group_id = client.make_group("grows")
    client.change("group_settings_update", group_id, patch={"ledger_max_active_bytes": 1 << 20, "ledger_keep_tail_lines": 20})
    folder = client.home / "groups" / group_id
    while not (folder / "state/ledger/manifest").exists():
        client.burst([group_id], 20, 16000)
    while (folder / "ledger.jsonl").stat().st_size > 1 << 20:
        client.burst([group_id], 1, 200)
    client.burst([group_id], 10, 2000)
    client.close()
    daemon.kill()
    daemon.start()
    client.connect()
    client.burst([group_id], 5, 2000)
    client.close()
    assert daemon.stop() == 0


def seal_now(client, group_id):
    """Everything but the last event, in a segment of its own; the last seq in it."""
    return client.keep_house("ledger_compact", group_id=group_id, force=True)["result"]["to_seq"]


def wait_for_retirement(client, group_id, through):
    """Until the files of the events up to `through` are gone: asking for a compaction has the rule looked at."""
    folder = client.home / "groups" / group_id / "state/ledger"
    while any(int(path.name[:13]) <= through for path in folder.glob("[0-9]*.jsonl.zst")):
        client.keep_house("ledger_compact", group_id=group_id)


def retiring(client, daemon):
    """Sealed events go by rule, twice, with others sent meanwhile: what lead has read, and nothing behind that."""
    daemon.start()
    client.connect()
    group_id = client.make_group("forgets")
    client.change("group_settings_update", group_id, patch={"retention_max_bytes": 1, "ledger_keep_tail_lines": 1})
    for again in range(2):
        client.burst([group_id], 8, 4000)
        client.read_everything(group_id)
        read = seal_now(client, group_id)
        client.burst([group_id], 6, 2000)
        seal_now(client, group_id)
        wait_for_retirement(client, group_id, read)
        client.burst([group_id], 4, 2000)
        if again == 0:
            client.close()
            daemon.kill()
            daemon.start()
            client.connect()
    client.change("group_update", group_id, patch={"title": "remembers"})
    client.close()
    assert daemon.stop() == 0


def recovery(client, daemon):
    """A start on what a power cut left, some work, and another end."""
    daemon.start()
    client.connect()
    group_ids = [row["group_id"] for row in client.ask("groups")["groups"]]
    for group_id in group_ids:
        client.ask("send", group_id=group_id, text=client.text(700), to=["user"], client_id="behind the recovery")
    client.close()
    if client.chance.random() < 0.5:
        assert daemon.stop() == 0
    else:
        daemon.kill()


def without_sockets(tree):
    """Nobody misses them, and they cannot be copied."""
    return {name: without_sockets(node) if isinstance(node, dict) else node for name, node in tree.items() if node is not None}


def record(folder, program, recorder, seed, work=usual, tree=None, expected=None):
    """Run `work` on a home of its own below `folder`, which begins as `tree` with what is `expected` of it. Leaves `log`, `base`, `home` (as it was at
    the end) and `client.json`."""
    folder = pathlib.Path(folder)
    home = folder / "home"
    folder.mkdir(parents=True)
    tree = without_sockets(tree or {})
    disk.write_tree(tree, home)
    shutil.copytree(home, folder / "base")
    daemon = Daemon(home, program, preload={"LD_PRELOAD": str(recorder), "CCCC_RECORD_HOME": str(home), "CCCC_RECORD_LOG": str(folder / "log"),
                                            "CCCC_RECORD_SYNC_US": str(SYNC_US)})
    client = Client(folder, home, random.Random(seed))
    known = {"before": [], "inodes": {path: (home / path).stat().st_ino for path, leaf in disk.leaves(tree) if leaf}}
    if expected:
        known["before"] = expected.facts()
        client.timeless.update(shown=expected.shown, cursors=expected.cursors, may_retire=expected.may_retire)
    try:
        work(client, daemon)
    finally:
        daemon.end()
    (folder / "client.json").write_text(json.dumps({**client.timeless, **known}))
