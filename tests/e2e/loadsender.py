"""A process that sends `count` messages and does not give up: 200 in flight, each with a client_id, sent again after a daemon went away.

Run as: loadsender.py HOME GROUP NAME COUNT. Prints one JSON object when all are acknowledged: {"event_id": text} of every one."""

import json
import sys
import time

import zmq

import busclient

WINDOW = 200


def send_all(home, group_id, name, count):
    todo = [f"{name} {i}" for i in range(count)]
    acked = {}
    deadline = time.monotonic() + 300
    while len(acked) < count:
        assert time.monotonic() < deadline, f"{name}: {len(acked)} of {count} acknowledged"
        try:
            serving = busclient.descriptor(home)["epoch"]
            with busclient.Bus(home) as bus:
                run(bus, home, serving, group_id, [text for text in todo if text not in acked], acked)
        except (OSError, ValueError, zmq.ZMQError):
            time.sleep(0.01)  # no daemon now
    return acked


def run(bus, home, serving, group_id, todo, acked):
    """Send `todo` over one connection until all are acknowledged or another daemon serves."""
    open_, todo = {}, iter(todo)
    while True:
        while len(open_) < WINDOW and (text := next(todo, None)) is not None:
            open_[bus.post("send", {"group_id": group_id, "text": text, "to": ["lead"], "client_id": text})] = text
        if not open_:
            return
        reply = bus.take(0.2)
        if reply is None:
            if busclient.descriptor(home)["epoch"] != serving:
                return
            continue
        text = open_.pop(reply["id"])
        if reply["ok"]:
            acked[text] = reply["result"]["event"]["id"]


if __name__ == "__main__":
    home_, group_, name_, count_ = sys.argv[1:]
    json.dump(send_all(home_, group_, name_, int(count_)), sys.stdout)
