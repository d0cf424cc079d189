#!/usr/bin/env python3
"""run_vectors.py HOME - send proto/vectors/ to the daemon that serves HOME and compare its answers.

Every frame of requests.json, and every refused case of arguments.json as a request, gets exactly one reply with the expected error code, part of
the message, details and id. Accepted frames are pings and messages to a group that is not there, so a home is left as it was.
Needs pyzmq and msgpack (Debian: python3-zmq python3-msgpack). Exit status: 0 all as expected, 1 not, 2 usage.
"""
import json
import pathlib
import sys

import msgpack
import zmq

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "proto" / "vectors"
REPLY_MS = 10_000


def frame_bytes(text):
    """Hex words, each repeated when followed by *count."""
    out = b""
    for word in text.split():
        digits, _, count = word.partition("*")
        out += bytes.fromhex(digits) * (int(count) if count else 1)
    return out


def cases():
    """(name, frame, expected) for each request to send."""
    for case in json.loads((VECTORS / "requests.json").read_text("utf-8"))["cases"]:
        yield "request: " + case["name"], frame_bytes(case["frame"]), case
    for number, case in enumerate(json.loads((VECTORS / "arguments.json").read_text("utf-8"))["cases"]):
        if case["expect"] != "ok":
            frame = msgpack.packb({"v": 1, "id": number, "op": case["op"], "args": case["args"]})
            yield "argument: " + case["name"], frame, {**case, "id": number}


def differences(reply, expected):
    """What is not as it should be, in words."""
    error = reply.get("error") or {}
    details = error.get("details", {})
    code = "ok" if reply.get("ok") else error.get("code")
    wanted = expected.get("broker", expected["expect"])
    if list(reply) != [k for k in ("v", "id", "ok", "result", "error") if k in reply]:
        yield f"members {list(reply)}"
    if code != wanted:
        yield f"answered {code} ({error.get('message')}), expected {wanted}"
    if expected["expect"] == "ok":
        if code == "ok" and reply["result"].get("ignored") != expected.get("ignored"):
            yield f"ignored is {reply['result'].get('ignored')}"
    else:
        if expected.get("says", "") not in error.get("message", ""):
            yield f"\"{error.get('message')}\" does not say \"{expected['says']}\""
        for key in ("argument", "limit"):
            if key in expected and details.get(key) != expected[key]:
                yield f"details.{key} is {details.get(key)!r}"
    if reply.get("id") != expected.get("id") and ("id" in expected or expected["expect"] == "ok"):
        yield f"id is {reply.get('id')!r}"


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    descriptor = json.loads((pathlib.Path(sys.argv[1]) / "daemon" / "ccccd.addr.json").read_text("utf-8"))
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    socket.connect(descriptor["bus"])
    sent = wrong = 0
    for name, frame, expected in cases():
        sent += 1
        socket.send(frame)
        if not socket.poll(REPLY_MS):
            print(f"{name}: no reply")
            return 1
        found = list(differences(msgpack.unpackb(socket.recv(), strict_map_key=False), expected))
        wrong += bool(found)
        for words in found:
            print(f"{name}: {words}")
    print(f"{sent} vectors, {wrong} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
