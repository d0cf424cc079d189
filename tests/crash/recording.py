"""What the recorder (record.c) wrote down: the calls of a daemon in the order in which they took effect, and what it told whom at which point.

Beside the recorder's log a recording has facts of the client that drove it (workload.py), which hold whatever the moment: the configuration as it was shown
behind an event, the cursor behind an event; and the points at which a deletion was asked for.
"""

import collections
import json
import pathlib
import struct

import disk
import msgpack

OPS = ["START", "OPEN", "CLOSE", "WRITE", "TRUNCATE", "SYNC_BEGIN", "SYNC_END", "RENAME", "UNLINK", "MKDIR", "RMDIR", "BIND", "SEND", "CHMOD"]
HEAD = struct.Struct("<IIiIQQII")

Record = collections.namedtuple("Record", "op fd thread a b path other data")


def read_log(path):
    """All records of a log. A last one that is not whole (the daemon was killed while it wrote) counts as not written."""
    raw, at, records = pathlib.Path(path).read_bytes(), 0, []
    while at + HEAD.size <= len(raw):
        size, op, fd, thread, a, b, path_len, other_len = HEAD.unpack_from(raw, at)
        if at + size > len(raw):
            break
        names = at + HEAD.size
        data = names + path_len + other_len
        records.append(Record(OPS[op], fd, thread, a, b, raw[names : names + path_len].decode(), raw[names + path_len : data].decode(),
                              raw[data : at + size]))
        at += size
    return records


class Stream:
    """The bytes of one connection as ZMTP 3: takes pieces, yields whole messages (lists of frames)."""

    GREETING = 64

    def __init__(self):
        self.bytes, self.greeted, self.frames = bytearray(), False, []

    def feed(self, data):
        self.bytes += data
        if not self.greeted and len(self.bytes) >= self.GREETING:
            self.greeted = True
            del self.bytes[: self.GREETING]
        while self.greeted and len(self.bytes) >= 2:
            flags = self.bytes[0]
            long = flags & 2
            head = 9 if long else 2
            if len(self.bytes) < head:
                return
            size = int.from_bytes(self.bytes[1:head], "big")
            if len(self.bytes) < head + size:
                return
            frame = bytes(self.bytes[head : head + size])
            del self.bytes[: head + size]
            if flags & 4:
                continue
            self.frames.append(frame)
            if not flags & 1:
                yield self.frames
                self.frames = []


EVENT_KEYS = {"id", "ts", "seq", "kind", "group_id", "by", "data"}


def told_in(value):
    """What a decoded reply or publication says is stored: events, ids of events, blobs."""
    if isinstance(value, list):
        for item in value:
            yield from told_in(item)
    if not isinstance(value, dict):
        return
    if EVENT_KEYS <= value.keys():
        yield "event", value
        return
    if value.get("ok") is True and "event_id" in value:
        yield "id", value["event_id"]
    for item in value.values():
        yield from told_in(item)


def told_by(frames):
    """The facts in one message that the daemon sent."""
    body = msgpack.unpackb(frames[-1], strict_map_key=False)
    if len(frames) == 2 and frames[0][:2] in (b"e/", b"i/"):
        yield "event", body
    elif len(frames) == 2 and frames[0].startswith(b"h/"):
        yield "head", (body["group_id"], body["head_seq"])
    elif len(frames) == 1 and body.get("ok"):
        result = body["result"]
        yield from told_in(result)
        if str(body.get("id", "")).startswith("delete"):
            yield "deleted", result["group_id"]
        if result.get("done") and "path" in result:
            yield "blob", (result["attachment"]["sha256"], result["path"])


def facts_of(records):
    """[(index of the record with which it was told, what, value)] in order."""
    streams, facts = {}, []
    for index, record in enumerate(records):
        if record.op in ("CLOSE", "START"):
            if record.op == "START":
                streams.clear()
            streams.pop(record.fd, None)
        if record.op != "SEND":
            continue
        stream = streams.setdefault(record.fd, Stream())
        for frames in stream.feed(record.data):
            facts += [(index, what, value) for what, value in told_by(frames)]
    return facts


NOTHING = {"shown": {}, "cursors": {}, "may_retire": {}}


class Expected:
    """What must hold at one point of a recording: `facts` up to there, and what is true whenever it is there at all."""

    def __init__(self, timeless):
        self.events, self.ids, self.heads, self.blobs = {}, set(), {}, {}
        self.deleted, self.deleting = set(), set()
        self.shown = timeless["shown"]  # {group: [[event id, configuration as shown behind it]]}
        self.cursors = timeless["cursors"]  # {group: {actor: [[event id, seq of the cursor behind it]]}}
        self.may_retire = timeless["may_retire"]  # {group: [[event id, the last seq that a retention rule may remove behind it]]}

    def add(self, what, value):
        if what == "event":
            self.events[value["id"]] = value
        elif what == "id":
            self.ids.add(value)
        elif what == "head":
            self.heads[value[0]] = max(value[1], self.heads.get(value[0], 0))
        elif what == "deleted":
            self.deleted.add(value)
        elif what == "deleting":
            self.deleting.add(value)
        elif what == "blob":
            self.blobs[value[1]] = value[0]

    def facts(self):
        """All that was added, as [what, value], to begin another recording with."""
        facts = [["event", event] for event in self.events.values()] + [["id", event_id] for event_id in self.ids]
        facts += [["head", head] for head in self.heads.items()] + [["blob", [sha256, path]] for path, sha256 in self.blobs.items()]
        return facts + [["deleted", group_id] for group_id in self.deleted] + [["deleting", group_id] for group_id in self.deleting]

    def groups(self):
        return {event["group_id"] for event in self.events.values()}


class Recording:
    """A folder with `log`, `base` (a copy of the home as it was before) and `client.json`: what the client knows, what was told `before`, and the
    `inodes` that the files of the base had in the home."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.records = read_log(self.folder / "log")
        self.facts = facts_of(self.records)
        self.client = json.loads((self.folder / "client.json").read_text())
        # A deletion counts as asked for from the first record behind the bytes that the log had then.
        ends, at = [], 0
        for record in self.records:
            at += HEAD.size + len(record.path.encode()) + len(record.other.encode()) + len(record.data)
            ends.append(at)
        for size, group_id in self.client["deleting"]:
            self.facts.append((sum(end <= size for end in ends), "deleting", group_id))
        self.facts += [(-1, what, value) for what, value in self.client["before"]]
        self.facts.sort(key=lambda fact: fact[0])

    def model(self):
        """The disk as it was when the recording began."""
        return disk.Disk.from_folder(self.folder / "base", self.client["inodes"])

    def expected(self, cut):
        """What must hold after the first `cut` records."""
        expected = Expected(self.client)
        for index, what, value in self.facts:
            if index < cut:
                expected.add(what, value)
        return expected
