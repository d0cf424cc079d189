"""What both clients share that has sockets: the context, where the daemon listens, and that nothing works after close."""

from __future__ import annotations

import os
from typing import Any, Generic, Optional, TypeVar

import zmq

from . import _protocol as protocol
from ._protocol import Closed

Socket = TypeVar("Socket", bound="zmq.Socket[Any]")


class Connection(Generic[Socket]):
    """A context with one socket for requests, and those that followers ask for."""

    def __init__(self, context: "zmq.Context[Socket]", home: Optional[os.PathLike[str] | str], timeout_s: float):
        self.home, self.timeout_s = protocol.find_home(home), timeout_s
        self._context, self._number = context, 0
        self._socket: Optional[Socket] = None
        self._endpoint = ""

    def _check_open(self) -> None:
        if self._context.closed:
            raise Closed("client")

    def _make(self, kind: int, endpoint: str) -> Socket:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        socket.connect(endpoint)
        return socket

    def _connect(self) -> None:
        """Connect, anew when the daemon listens elsewhere by now."""
        self._check_open()
        endpoint = protocol.descriptor(self.home)["bus"]
        if self._socket is None or endpoint != self._endpoint:
            self._disconnect()
            self._socket, self._endpoint = self._make(zmq.DEALER, endpoint), endpoint
            self._connected(self._socket)

    def _connected(self, socket: Socket) -> None:
        """There is a new socket: what a client begins with it."""

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def _for_requests(self) -> Socket:
        if self._socket is None:
            self._connect()
        assert self._socket is not None
        return self._socket

    def _subscribe(self, position: protocol.Position) -> Socket:
        """A follower's socket."""
        self._check_open()
        socket = self._make(zmq.SUB, protocol.descriptor(self.home)["events"])
        for topic in position.topics():
            socket.setsockopt(zmq.SUBSCRIBE, topic)
        return socket

    def _destroy(self) -> None:
        """Close what is open; followers' sockets, too."""
        self._disconnect()
        self._context.destroy(linger=0)


def usable(socket: Optional[Socket]) -> Socket:
    """A follower's socket; raises Closed when it, or its client, is closed."""
    if socket is None or socket.closed:
        raise Closed("follower")
    return socket
