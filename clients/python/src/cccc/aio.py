"""The asynchronous client: the same names, with await. Requests of one connection are pipelined. One event loop per client."""

from __future__ import annotations

import asyncio
import os
from typing import Any, AsyncIterator, Optional

import zmq
import zmq.asyncio

from . import _protocol as protocol
from ._connection import Connection, usable
from ._protocol import Closed, Error, Item, NotRunning, Timeout

__all__ = ["Client", "Follow", "open"]


def open(home: Optional[os.PathLike[str] | str] = None, timeout_s: float = 30.0) -> "Client":
    """A client of the daemon that serves `home`: async with cccc.aio.open() as bus."""
    return Client(home, timeout_s)


class Client(Connection[zmq.asyncio.Socket]):
    """One connection to the bus; any number of requests at a time."""

    def __init__(self, home: Optional[os.PathLike[str] | str] = None, timeout_s: float = 30.0):
        super().__init__(zmq.asyncio.Context(), home, timeout_s)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader: Optional[asyncio.Task[None]] = None

    async def __aenter__(self) -> "Client":
        try:
            self._connect()
        except Error:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Requests under way raise Closed: what became of them is not known."""
        self._destroy()
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(Closed("client"))

    def _connected(self, socket: zmq.asyncio.Socket) -> None:
        self._reader = asyncio.ensure_future(self._read(socket))

    def _disconnect(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        super()._disconnect()

    async def _read(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            reply = protocol.unpack(await socket.recv())
            waiting = self._open.get(reply.get("id"))
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)

    async def request(self, op: str, *, timeout_s: Optional[float] = None, **args: Any) -> dict[str, Any]:
        """The result of an operation; raises Error, or Timeout when it is not answered."""
        self._number += 1
        request = protocol.Request(self._number, op, args)
        patience = self.timeout_s if timeout_s is None else timeout_s
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[request.number] = waiting
        try:
            await self._send(request)
            return protocol.result_of(await self._wait(request, waiting, patience))
        finally:
            del self._open[request.number]

    async def _send(self, request: protocol.Request) -> None:
        try:
            await self._for_requests().send(request.frame)
        except asyncio.CancelledError:
            self._check_open()  # what close cancels was closed
            raise

    async def _wait(self, request: protocol.Request, waiting: "asyncio.Future[dict[str, Any]]", patience: float) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while (left := deadline - loop.time()) > 0:
            done, _ = await asyncio.wait([waiting], timeout=min(left, protocol.REPEAT_S))
            if done:
                return waiting.result()
            if request.repeatable:
                await self._again(request)
        raise Timeout(request.op, patience, request.client_id)

    async def _again(self, request: protocol.Request) -> None:
        try:
            self._connect()
        except NotRunning:
            return  # no daemon at the moment
        await self._send(request)

    async def ping(self) -> dict[str, Any]:
        return await self.request("ping")

    async def send(self, **args: Any) -> dict[str, Any]:
        """Send a message: group_id, text, to, by, ...; answered once it is durable."""
        return await self.request("send", **args)

    async def reply(self, **args: Any) -> dict[str, Any]:
        return await self.request("reply", **args)

    def follow(self, group_id: str, *, after_seq: Optional[int] = None, after_id: str = "", kinds: Optional[list[str]] = None,
               recipient: Optional[str] = None) -> "Follow":
        """As cccc.Client.follow: async for item in bus.follow(group)."""
        position = protocol.Position(group_id, after_seq if after_seq is not None else 0, after_id, kinds, recipient)
        return Follow(self, position, from_now=after_seq is None)


class Follow(AsyncIterator[Item]):
    """Events as they become durable. `position.seq` is where it is: give it as after_seq to go on later."""

    def __init__(self, client: Client, position: protocol.Position, from_now: bool = False):
        self.client, self.position = client, position
        self._ready: list[Item] = []
        self._socket: Optional[zmq.asyncio.Socket] = client._subscribe(position)
        self._frame: Optional[asyncio.Future[list[bytes]]] = None  # the next one; it outlives whoever gives up waiting for it
        self._head: Optional[asyncio.Task[dict[str, Any]]] = None  # where "now" is
        if from_now:
            self._head = asyncio.ensure_future(client.request("ledger_read", group_id=position.group_id, before_seq=0, limit=1))
            self._head.add_done_callback(lambda head: head.cancelled() or head.exception())  # nobody need ask

    def __aiter__(self) -> "Follow":
        return self

    async def __anext__(self) -> Item:
        if self._head is not None:
            await self._begin(self._head)
        while not self._ready:
            socket = usable(self._socket)
            if self.position.behind:
                await self._read()
            else:
                await self._hear(socket)
        return self._ready.pop(0)

    async def _begin(self, head: "asyncio.Task[dict[str, Any]]") -> None:
        await asyncio.wait([head])
        if head.cancelled():
            raise Closed("follower")
        self.position.seq = head.result()["head_seq"]
        self._head = None

    async def _hear(self, socket: zmq.asyncio.Socket) -> None:
        if self._frame is None:
            self._frame = asyncio.ensure_future(socket.recv_multipart())
        done, _ = await asyncio.wait([self._frame], timeout=protocol.QUIET_S)
        if not done:
            self.position.behind = True
            return
        frame, self._frame = self._frame, None
        if frame.cancelled():  # by close
            raise Closed("follower")
        topic, body = frame.result()
        self._ready += self.position.frame(topic, body)

    async def _read(self) -> None:
        try:
            self._ready += self.position.page(await self.client.request("ledger_read", **self.position.read()))
        except Error as error:
            if error.code != "lineage_changed":
                raise
            self._ready += self.position.restored(error.details["head_seq"])

    async def close(self) -> None:
        if self._head is not None:
            self._head.cancel()
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None
