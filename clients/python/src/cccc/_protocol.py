"""What both clients share: finding the daemon, the form of requests and replies, and the position of a follower. No sockets here."""

from __future__ import annotations

import json
import os
import pathlib
import uuid
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Union

import msgpack

PAGE_EVENTS = 1000
REPEAT_S = 2.0
QUIET_S = 10.0  # a follower that heard nothing that long reads: the last frame may have been lost, or the group be gone
# Repeating these changes nothing.
READS = frozenset({"ping", "status", "groups", "group_show", "actor_list", "inbox_list", "ledger_read", "blob_get", "blob_stat", "context_get", "task_list",
                   "presence_get", "observability_get", "active_get", "headless_status"})
# Repeating these is safe with a client_id, which is made when there is none.
WITH_CLIENT_ID = frozenset({"send", "reply", "send_cross_group", "group_create"})


class Error(Exception):
    """The daemon refused: `code` for programs, `message` for people, `details` by code."""

    def __init__(self, code: str, message: str, details: Optional[Mapping[str, Any]] = None):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.details = code, message, dict(details or {})


class NotRunning(Error):
    """No daemon serves this home."""


class Closed(Error):
    """The client, or the follower, was closed before."""

    def __init__(self, what: str):
        super().__init__("closed", f"the {what} is closed; open another")


class Timeout(Error):
    """No answer came: the outcome is unknown. `client_id` (if the request had one) finds out: repeat it."""

    def __init__(self, op: str, seconds: float, client_id: Optional[str] = None):
        super().__init__("timeout", f"{op} was not answered within {seconds:g} s; the outcome is unknown", {"client_id": client_id})
        self.client_id = client_id


@dataclass(frozen=True)
class Event:
    """One event of a ledger; `raw` is the whole map as the daemon gives it."""

    id: str
    seq: int
    ts: str
    kind: str
    group_id: str
    by: str
    data: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Event":
        return cls(raw["id"], raw["seq"], raw["ts"], raw["kind"], raw["group_id"], raw["by"], raw["data"], raw)


@dataclass(frozen=True)
class Gap:
    """Events that the ledger cannot give. `lineage_changed`: it was restored; following goes on from its new head."""

    from_seq: int
    to_seq: int
    reason: str


Item = Union[Event, Gap]


def find_home(home: Optional[os.PathLike[str] | str]) -> pathlib.Path:
    return pathlib.Path(home or os.environ.get("CCCC_HOME") or "~/.cccc").expanduser()


def descriptor(home: pathlib.Path) -> Mapping[str, Any]:
    """daemon/ccccd.addr.json of a home of ours; a copy of a home has a copy of it, which leads to the original."""
    path = home / "daemon" / "ccccd.addr.json"
    try:
        if path.stat().st_uid != os.getuid():
            raise NotRunning("daemon_not_running", f"{path} belongs to somebody else")
        found = json.loads(path.read_text())
        folder = home.stat()
        if found.get("folder", here := f"{folder.st_dev}:{folder.st_ino}") != here:
            raise NotRunning("daemon_not_running", f"no daemon serves {home}: it is a copy of another home; start one: cccc daemon start")
        return {"bus": str(found["bus"]), "events": str(found["events"]), "epoch": int(found["epoch"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotRunning("daemon_not_running", f"no daemon serves {home} ({error}); start one: cccc daemon start") from error


class Request:
    """A request under way: its frame, and whether repeating it is safe."""

    def __init__(self, number: int, op: str, args: Mapping[str, Any]):
        wanted = {name: value for name, value in args.items() if value is not None}
        if op in WITH_CLIENT_ID:
            wanted.setdefault("client_id", uuid.uuid4().hex)
        self.number, self.op, self.client_id = number, op, wanted.get("client_id")
        self.repeatable = op in READS or self.client_id is not None
        try:
            self.frame: bytes = msgpack.packb({"v": 1, "id": number, "op": op, "args": wanted})
        except (TypeError, ValueError, OverflowError) as error:  # also text with half a surrogate pair
            raise Error("invalid_request", f"{op}: the arguments cannot be sent: {error}; nothing was sent") from error


def unpack(frame: bytes) -> Any:
    return msgpack.unpackb(frame, strict_map_key=False)


def result_of(reply: Mapping[str, Any]) -> dict[str, Any]:
    if reply["ok"]:
        return reply["result"]
    error = reply["error"]
    raise Error(error["code"], error["message"], error.get("details"))


class Position:
    """Where a follower is, and what is to be done next (PROTOCOL.md, Following without silent gaps)."""

    def __init__(self, group_id: str, after_seq: int, after_id: str, kinds: Optional[list[str]], recipient: Optional[str]):
        self.group_id, self.seq, self.id, self.kinds, self.recipient = group_id, after_seq, after_id, kinds, recipient
        self.epoch: Optional[int] = None
        self.behind = True  # the ledger has, or may have, more

    def topics(self) -> list[bytes]:
        events = f"i/{self.group_id}/{self.recipient}/" if self.recipient else f"e/{self.group_id}/"
        return [events.encode(), f"h/{self.group_id}/".encode()]

    def read(self) -> dict[str, Any]:
        return {"group_id": self.group_id, "after_seq": self.seq, "after_id": self.id or None, "limit": PAGE_EVENTS, "kinds": self.kinds,
                "recipient": self.recipient}

    def wants(self, event: Mapping[str, Any]) -> bool:
        return not self.kinds or event["kind"] in self.kinds

    def page(self, result: Mapping[str, Any]) -> list[Item]:
        """What a ledger_read gave, in order."""
        items: list[tuple[int, Item]] = [(e["seq"], Event.of(e)) for e in result["events"] if e["seq"] > self.seq]
        items += [(g["from_seq"], Gap(g["from_seq"], g["to_seq"], g["reason"])) for g in result["gaps"]]
        if result["checked_seq"] > self.seq:
            last = result["events"][-1] if result["events"] else {"seq": 0}
            self.seq = result["checked_seq"]
            self.id = last["id"] if last["seq"] == self.seq else ""
        self.behind = result["more"]
        return [item for _, item in sorted(items, key=lambda pair: pair[0])]

    def restored(self, head_seq: int) -> list[Item]:
        """The ledger is another one: say so, and go on from its head."""
        gap = Gap(min(head_seq + 1, self.seq), self.seq, "lineage_changed")
        self.seq, self.id, self.behind = head_seq, "", True
        return [gap]

    def frame(self, topic: bytes, body: bytes) -> list[Item]:
        """What was published: the next event, a reason to read, or nothing."""
        if topic.startswith(b"h/"):
            head = unpack(body)
            restarted = self.epoch is not None and self.epoch != head["epoch"]
            self.behind |= head["head_seq"] > self.seq or restarted or head.get("deleted", False)  # a read is refused with the reason
            self.epoch = head["epoch"]
            return []
        seq, before = (int(part) for part in topic.rsplit(b"/", 2)[1:])
        if seq <= self.seq:
            return []
        if before > self.seq or self.behind:
            self.behind = True
            return []
        event = unpack(body)
        self.seq, self.id = seq, event["id"]
        return [Event.of(event)] if self.wants(event) else []
