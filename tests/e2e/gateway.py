"""A client of the gateway: lines of JSON over ccccd.sock, one connection or many. Written from proto/PROTOCOL.md."""

import json
import socket

import busclient


def path_of(home):
    return busclient.descriptor(home.path)["path"]


class Line:
    """One connection. `ask` waits for the reply; `post` and `take` pipeline; `call` opens one for a single request, as clients of CCCC 0.4.0 do."""

    def __init__(self, home, timeout_s=20.0):
        found = busclient.descriptor(home.path)
        if found["transport"] == "tcp":
            self.socket = socket.create_connection((found["host"], found["port"]))
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(found["path"])
        self.socket.settimeout(timeout_s)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def post(self, op, **args):
        self.raw(json.dumps({"v": 1, "op": op, "args": args}).encode() + b"\n")

    def raw(self, data):
        self.socket.sendall(data)

    def take(self):
        """The next line, decoded; None at the end."""
        line = self.file.readline()
        return json.loads(line) if line else None

    def reply(self, op, **args):
        self.post(op, **args)
        return self.take()

    def ask(self, op, **args):
        reply = self.reply(op, **args)
        if not reply["ok"]:
            raise busclient.BusError(reply["error"])
        return reply["result"]


def call(home, op, **args):
    with Line(home) as line:
        return line.ask(op, **args)


def team(home, *actors):
    """A group with headless actors; its id."""
    group = call(home, "group_create", title="team")["group_id"]
    for actor in actors or ("lead",):
        call(home, "actor_add", group_id=group, actor_id=actor, runtime="custom", runner="headless", command=["cat"])
    return group
