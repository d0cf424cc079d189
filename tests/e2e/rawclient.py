"""Connections to the bus that misbehave: they speak ZMTP 3.0 by hand, as far as the test wants."""

import socket
import struct

GREETING = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"


def connect(endpoint):
    """A connected Unix socket that has said nothing."""
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    raw.settimeout(20)
    raw.connect(endpoint.removeprefix("ipc://"))
    return raw


def receive_exactly(raw, count):
    data = b""
    while len(data) < count:
        piece = raw.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def dealer(endpoint):
    """A connection that has shaken hands as a DEALER. It reads nothing more by itself."""
    raw = connect(endpoint)
    raw.sendall(GREETING + bytes([4, len(READY)]) + READY)
    receive_exactly(raw, len(GREETING))
    length = receive_exactly(raw, 2)[1]
    receive_exactly(raw, length)
    return raw


def frame(body, more=False):
    if len(body) < 256:
        return bytes([1 if more else 0, len(body)]) + body
    return bytes([3 if more else 2]) + struct.pack(">Q", len(body)) + body


def ended(raw):
    """Read until the other side closes."""
    try:
        while raw.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True
