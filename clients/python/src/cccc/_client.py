"""The synchronous client. One thread per client."""

from __future__ import annotations

import os
import time
from typing import Any, Iterator, Optional

import zmq

from . import _protocol as protocol
from ._connection import Connection, usable
from ._protocol import Error, Item, NotRunning, Timeout


def open(home: Optional[os.PathLike[str] | str] = None, timeout_s: float = 30.0) -> "Client":
    """A client of the daemon that serves `home` (default $CCCC_HOME, else ~/.cccc)."""
    return Client(home, timeout_s)


class Client(Connection["zmq.Socket[bytes]"]):
    """One connection to the bus."""

    def __init__(self, home: Optional[os.PathLike[str] | str] = None, timeout_s: float = 30.0):
        super().__init__(zmq.Context(), home, timeout_s)
        try:
            self._connect()
        except Error:
            self.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._destroy()

    def request(self, op: str, *, timeout_s: Optional[float] = None, **args: Any) -> dict[str, Any]:
        """The result of an operation; raises Error, or Timeout when it is not answered."""
        self._number += 1
        request = protocol.Request(self._number, op, args)
        patience = self.timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + patience
        self._send(request)
        while (left := deadline - time.monotonic()) > 0:
            reply = self._receive(request.number, min(left, protocol.REPEAT_S))
            if reply is not None:
                return protocol.result_of(reply)
            if request.repeatable:
                self._again(request)
        raise Timeout(op, patience, request.client_id)

    def _send(self, request: protocol.Request) -> None:
        self._for_requests().send(request.frame)

    def _again(self, request: protocol.Request) -> None:
        try:
            self._connect()
        except NotRunning:
            return  # no daemon at the moment
        self._send(request)

    def _receive(self, number: int, seconds: float) -> Optional[dict[str, Any]]:
        """The reply with that id; those of requests that were given up are dropped."""
        socket, deadline = self._for_requests(), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if socket.poll(int(left * 1000) + 1):
                reply = protocol.unpack(socket.recv())
                if reply.get("id") == number:
                    return reply
        return None

    def ping(self) -> dict[str, Any]:
        return self.request("ping")

    def send(self, **args: Any) -> dict[str, Any]:
        """Send a message: group_id, text, to, by, ...; answered once it is durable."""
        return self.request("send", **args)

    def reply(self, **args: Any) -> dict[str, Any]:
        return self.request("reply", **args)

    def follow(self, group_id: str, *, after_seq: Optional[int] = None, after_id: str = "", kinds: Optional[list[str]] = None,
               recipient: Optional[str] = None) -> "Follow":
        """An iterator over a group's events behind `after_seq` (default: from now on), each once and in order, with a Gap where the ledger has none."""
        if after_seq is None:
            page = self.request("ledger_read", group_id=group_id, before_seq=0, limit=1)
            after_seq = page["head_seq"]
        return Follow(self, protocol.Position(group_id, after_seq, after_id, kinds, recipient))


class Follow(Iterator[Item]):
    """Events as they become durable. `position.seq` is where it is: give it as after_seq to go on later."""

    def __init__(self, client: Client, position: protocol.Position):
        self.client, self.position = client, position
        self._ready: list[Item] = []
        self._heard = time.monotonic()
        self._socket: Optional["zmq.Socket[bytes]"] = client._subscribe(position)

    def __iter__(self) -> "Follow":
        return self

    def __next__(self) -> Item:
        while True:
            item = self.next(3600.0)
            if item is not None:
                return item

    def next(self, timeout_s: float) -> Optional[Item]:
        """The next item, or None when there is none in that time."""
        deadline = time.monotonic() + timeout_s
        while not self._ready:
            socket = usable(self._socket)
            if self.position.behind:
                self._read()
            elif not self._hear(socket, min(1.0, max(0.0, deadline - time.monotonic()))) and time.monotonic() >= deadline:
                return None
        return self._ready.pop(0)

    def _read(self) -> None:
        try:
            self._ready += self.position.page(self.client.request("ledger_read", **self.position.read()))
        except Error as error:
            if error.code != "lineage_changed":
                raise
            self._ready += self.position.restored(error.details["head_seq"])

    def _hear(self, socket: "zmq.Socket[bytes]", seconds: float) -> bool:
        if not socket.poll(int(seconds * 1000)):
            self._look_if_quiet()
            return False
        self._heard = time.monotonic()
        topic, body = socket.recv_multipart()
        self._ready += self.position.frame(topic, body)
        return True

    def _look_if_quiet(self) -> None:
        now = time.monotonic()
        if now - self._heard >= protocol.QUIET_S:
            self._heard, self.position.behind = now, True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None
