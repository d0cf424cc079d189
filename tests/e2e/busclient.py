"""A complete client of the bus in Python, with pyzmq and msgpack alone: requests, and following without silent gaps.

Written from proto/PROTOCOL.md; the end-to-end tests use it as their oracle, so it shares no code with libcccc.
"""

import json
import pathlib
import time

import msgpack
import zmq


class BusError(Exception):
    """An error reply: its code, message and details."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message, self.details = error["code"], error["message"], error.get("details") or {}


def descriptor(home):
    return json.loads((pathlib.Path(home) / "daemon/ccccd.addr.json").read_text())


class Bus:
    """One DEALER connection. `ask` waits for the reply; `post` and `take` pipeline."""

    def __init__(self, home, timeout_s=20.0):
        self.home, self.timeout_s = home, timeout_s
        self.context = zmq.Context()
        self.last_id = 0
        self.connect()

    def connect(self):
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.connect(descriptor(self.home)["bus"])

    def close(self):
        self.socket.close()
        self.context.term()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def post(self, op, args):
        self.last_id += 1
        self.socket.send(msgpack.packb({"v": 1, "id": self.last_id, "op": op, "args": args}))
        return self.last_id

    def take(self, timeout_s=None):
        """The next reply, whole, or None after the time-out."""
        if not self.socket.poll(int(1000 * (self.timeout_s if timeout_s is None else timeout_s))):
            return None
        return msgpack.unpackb(self.socket.recv())

    def ask(self, op, **args):
        wanted = self.post(op, args)
        while True:
            reply = self.take()
            if reply is None:
                raise TimeoutError(op)
            if reply.get("id") == wanted:
                break
        if not reply["ok"]:
            raise BusError(reply["error"])
        return reply["result"]


class Follower:
    """Every event of a group once and in order, as the protocol's section on following says: subscribe, read, detect, repair."""

    def __init__(self, home, group_id, after_seq=0, hwm=10000):
        self.home, self.group_id, self.seq, self.hwm = home, group_id, after_seq, hwm
        self.prefix = f"e/{group_id}/".encode()
        self.bus, self.sub, self.ready = None, None, []
        self.repairs = 0
        self.gaps = []
        self.connect()

    def connect(self):
        self.close()
        self.bus = Bus(self.home, timeout_s=5)
        self.sub = self.bus.context.socket(zmq.SUB)
        self.sub.setsockopt(zmq.LINGER, 0)
        self.sub.setsockopt(zmq.RCVHWM, self.hwm)
        self.sub.subscribe(self.prefix)
        self.sub.subscribe(f"h/{self.group_id}/".encode())
        self.sub.connect(descriptor(self.home)["events"])
        self.repair()

    def close(self):
        if self.bus:
            self.sub.close()
            self.bus.close()
            self.bus = None

    def repair(self):
        while True:
            page = self.bus.ask("ledger_read", group_id=self.group_id, after_seq=self.seq, limit=1000)
            self.gaps += page["gaps"]
            for event in page["events"]:
                self.ready.append(event)
            self.seq = max(self.seq, page["checked_seq"])
            if not page["more"]:
                return

    def next(self, timeout_s):
        """The next event, or None. A daemon that went away is waited for."""
        deadline = time.monotonic() + timeout_s
        while not self.ready:
            left = deadline - time.monotonic()
            if left <= 0 or not self.sub.poll(int(1000 * min(left, 0.5))):
                if left <= 0:
                    return None
                continue
            topic, body = self.sub.recv_multipart()
            value = msgpack.unpackb(body)
            if topic.startswith(b"h/"):
                behind = value["head_seq"] > self.seq
            else:
                behind = value["seq"] > self.seq + 1
                if value["seq"] == self.seq + 1:
                    self.seq += 1
                    return value
            if behind:
                self.repairs += 1
                self.repair()
        return self.ready.pop(0)
