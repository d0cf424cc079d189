"""Nothing that a client of the gateway does, or leaves undone, is noticed by another client, ends the daemon, or stays behind in it (T35, T44, T45)."""

import contextlib
import json
import os
import random
import signal
import socket
import threading
import time

import pytest

from gateway import Line, call, path_of, team

SEED = int(os.environ.get("CCCC_SEED", random.randrange(1 << 30)))


# What a sanitizer keeps of freed memory says nothing about ours.
MEASURES_MEMORY = not os.environ.get("CCCC_SLOW_BUILD")


def grew_little(before, now, most):
    return not MEASURES_MEMORY or now - before < most


class Watch:
    """A client of the bus that goes on asking: the longest it had to wait for an answer, and the daemon's memory and descriptors."""

    def __init__(self, home):
        self.home, self.worst, self.asked = home, 0.0, 0
        self.bus = home.bus(timeout_s=60)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with self.home.bus(timeout_s=60) as bus:
            while not self.stop.is_set():
                began = time.monotonic()
                bus.ask("ping")
                self.worst = max(self.worst, time.monotonic() - began)
                self.asked += 1

    def figures(self):
        """As of a tick from now on."""
        before = self.bus.ask("ping")["ts"][:19]
        while True:
            status = self.bus.ask("status")
            found = status["fds"], status["rss_bytes"]
            if self.bus.ask("ping")["ts"][:19] > before:
                before, again = self.bus.ask("ping")["ts"][:19], found
                if getattr(self, "last", None) == again[0]:
                    return again
                self.last = again[0]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.bus.close()


def settled_fds(watch, most, timeout_s=30):
    """Wait until the daemon has at most so many descriptors; how many it has."""
    deadline = time.monotonic() + timeout_s
    while (fds := watch.bus.ask("status")["fds"]) > most and time.monotonic() < deadline:
        time.sleep(0.1)  # the figure is taken once a second
    return fds


def open_raw(path):
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(path)  # waits for a place in the backlog
    raw.settimeout(20)
    return raw


@contextlib.contextmanager
def crowd(path, connections, first=b"", per_process=400):
    """So many connections from other processes, which each have written `first`, and do nothing more."""
    children = []
    ready_read, ready_write = os.pipe()
    while connections > 0:
        count = min(connections, per_process)
        connections -= count
        pid = os.fork()
        if pid == 0:
            kept = []
            for _ in range(count):
                try:
                    kept.append(open_raw(path))
                    kept[-1].sendall(first)
                except OSError:
                    pass  # shed
            os.write(ready_write, b"x")
            signal.pause()
            os._exit(0)
        children.append(pid)
    for _ in children:
        os.read(ready_read, 1)
    try:
        yield
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(ready_read)
        os.close(ready_write)


def test_clients_that_leave_at_any_byte_do_no_harm(served):
    """0.4.0's daemon ends when a client closes before it reads. Each prefix of a request, then gone: nothing is done for those that were not complete."""
    group = team(served)
    request = json.dumps({"op": "send", "args": {"group_id": group, "text": "cut"}}).encode() + b"\n"
    with Watch(served) as watch:
        before = watch.figures()[0]
        for length in range(len(request)):
            with contextlib.closing(open_raw(path_of(served))) as raw:
                raw.sendall(request[:length])
                if length % 3 == 0:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert settled_fds(watch, before) <= before
    assert sum(e["kind"] == "chat.message" for e in served.ledger(group)) <= 1  # whole but for its newline, at the end of its client


def test_garbage_is_refused_line_by_line(served):
    print("seed", SEED)
    chance = random.Random(SEED)
    call(served, "ping")  # the gateway holds a process that called by a pidfd as long as it lives: ours is counted before
    with Watch(served) as watch:
        before = watch.figures()[0]
        for _ in range(200):
            with contextlib.closing(open_raw(path_of(served))) as raw:
                garbage = chance.randbytes(chance.randrange(1, 5000))
                try:
                    raw.sendall(garbage + b"\n" + b'{"op":"ping"}\n')
                    answers = b""
                    while answers.count(b"\n") < garbage.count(b"\n") + 2:
                        answers += raw.recv(1 << 16)
                    assert b'"ipc_v":1' in answers.splitlines()[-1]
                except ConnectionError:
                    pytest.fail("the connection was closed")
        assert settled_fds(watch, before) <= before


def test_thousands_of_half_open_connections_are_not_noticed(served):
    """2,000 connections say nothing and 2,000 half a line; others are served at once, and the crowd is gone when its time is over."""
    group = team(served)
    with Watch(served) as watch:
        fds, rss = watch.figures()
        with crowd(path_of(served), 2000), crowd(path_of(served), 2000, b'{"op":"send","args":{"gr'):
            for i in range(200):
                began = time.monotonic()
                assert call(served, "send", group_id=group, text=str(i))["event"]["seq"]
                assert time.monotonic() - began < 5
            assert grew_little(rss, watch.bus.ask("status")["rss_bytes"], 32 << 20)
            # Half lines are refused after five seconds.
            deadline = time.monotonic() + 40
            while watch.bus.ask("status")["fds"] > fds + 2100 and time.monotonic() < deadline:
                time.sleep(0.2)
            assert watch.bus.ask("status")["fds"] <= fds + 2100
        assert settled_fds(watch, fds) <= fds
        assert watch.worst < 5, watch.worst


def test_one_byte_a_second_does_not_keep_a_line_open(served):
    """Slowloris: the deadline is the line's, not the byte's."""
    with contextlib.closing(open_raw(path_of(served))) as raw:
        raw.setblocking(False)
        began, answer = time.monotonic(), b""
        while time.monotonic() - began < 20:
            try:
                raw.send(b" ")
                answer += raw.recv(4096)
                break
            except BlockingIOError:
                time.sleep(0.5)  # this is the client's pace, not a wait for the daemon
            except ConnectionError:
                break
    assert time.monotonic() - began < 15
    assert b"invalid_request" in answer or answer == b""


def test_ten_thousand_connections_are_served_or_shed(served):
    """10,000 connections that have each asked something and are answered: all are there or were closed, memory stays small, and everybody else is served."""
    group = team(served)
    with Watch(served) as watch:
        fds, rss = watch.figures()
        with crowd(path_of(served), 10_000, b'{"op":"ping"}\n'):
            status = watch.bus.ask("status")
            for i in range(50):
                assert call(served, "send", group_id=group, text=str(i))["event"]["seq"]
            grown = watch.figures()
            assert grew_little(rss, grown[1], 100 << 20), grown
            assert grown[0] - fds > 9_000 or status["shed_connections"] > 0
        assert settled_fds(watch, fds) <= fds
        assert watch.worst < 10, watch.worst


def test_beyond_the_last_place_the_longest_silent_loses_its_own(served):
    """12,000 connections want 10,240 places; new clients are served all the same."""
    group = team(served)
    with crowd(path_of(served), 12_000):
        for i in range(100):
            assert call(served, "send", group_id=group, text=str(i))["event"]["seq"]


def test_one_process_may_not_have_all_places(served):
    kept = []
    for _ in range(600):
        raw = open_raw(path_of(served))
        kept.append(raw)
    closed = 0
    for raw in kept:
        try:
            raw.sendall(b'{"op":"ping"}\n')
            closed += raw.recv(4096) == b""
        except ConnectionError:
            closed += 1
    assert closed == 600 - 512
    for raw in kept:
        raw.close()


def test_a_client_that_never_reads_costs_only_itself(served):
    """It asks for a megabyte again and again and reads nothing: the daemon holds little for it, and another client does not notice (T35)."""
    group = team(served)
    with Line(served) as line:
        for _ in range(40):
            line.ask("send", group_id=group, text="x" * 30_000)
    with Watch(served) as watch, contextlib.closing(open_raw(path_of(served))) as raw:
        _, rss = watch.figures()
        raw.settimeout(1)
        request = json.dumps({"op": "ledger_read", "args": {"group_id": group, "after_seq": 0, "limit": 1000}}).encode() + b"\n"
        sent = 0
        try:
            for _ in range(5000):
                raw.sendall(request)
                sent += 1
        except (TimeoutError, ConnectionError):
            pass
        for i in range(100):
            assert call(served, "send", group_id=group, text=str(i))["event"]["seq"]
        assert grew_little(rss, watch.bus.ask("status")["rss_bytes"], 64 << 20)
        assert watch.worst < 5, watch.worst


def test_hundred_clients_that_never_read_are_bounded_together(served):
    group = team(served)
    with Line(served) as line:
        for _ in range(40):
            line.ask("send", group_id=group, text="x" * 30_000)
    request = json.dumps({"op": "ledger_read", "args": {"group_id": group, "after_seq": 0, "limit": 1000}}).encode() + b"\n"
    with Watch(served) as watch:
        fds, rss = watch.figures()
        with crowd(path_of(served), 200 if MEASURES_MEMORY else 50, request * 20):
            for i in range(50):
                assert call(served, "send", group_id=group, text=str(i))["event"]["seq"]
            assert grew_little(rss, watch.figures()[1], 256 << 20)
        assert settled_fds(watch, fds) <= fds


def test_large_lines_that_are_never_finished_are_bounded_together(served):
    """100 connections with 1.9 MB of a line each want 190 MB; 64 MiB is all there is, and the oldest go."""
    group = team(served)
    with Watch(served) as watch:
        fds, rss = watch.figures()
        with crowd(path_of(served), 100, b'{"op":"' + b"x" * 1_900_000, per_process=25):
            assert call(served, "send", group_id=group, text="x")["event"]["seq"]
            assert grew_little(rss, watch.bus.ask("status")["rss_bytes"], 160 << 20)
        assert settled_fds(watch, fds) <= fds


def test_a_burst_of_clients_that_connect_ask_and_leave_is_served(served):
    """Sixteen threads, each with a new connection per message: every message is there once."""
    group = team(served)
    seqs, lock = [], threading.Lock()

    def work(name):
        for i in range(100):
            event = call(served, "send", group_id=group, text=f"{name} {i}")["event"]
            with lock:
                seqs.append(event["seq"])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seqs)) == 1600
    texts = [e["data"]["text"] for e in served.ledger(group) if e["kind"] == "chat.message"]
    assert len(texts) == len(set(texts)) == 1600


def test_lines_another_program_appends_are_kept_and_not_served(served):
    """0.4.0's command line writes into ledger.jsonl itself when it is refused. Its line is set aside and reported; the gateway's clients go on."""
    group = team(served)
    ledger = served.path / "groups" / group / "ledger.jsonl"
    with Line(served) as stream, Line(served) as line:
        stream.ask("events_stream", group_id=group)
        line.ask("send", group_id=group, text="before")
        foreign = {"v": 1, "id": "f" * 32, "ts": "2026-11-23T16:15:06Z", "kind": "chat.message", "group_id": group, "scope_key": "", "by": "user",
                   "data": {"text": "behind the daemon's back", "to": []}}
        with open(ledger, "a") as f:
            f.write(json.dumps(foreign) + "\n")
        after, deadline = None, time.monotonic() + 20
        while not after and time.monotonic() < deadline:  # the group is read again first
            reply = line.reply("send", group_id=group, text="after")
            if reply["ok"]:
                after = reply["result"]["event"]
                break
            time.sleep(0.02)
            assert reply["error"]["details"].get("outcome") == "not_stored" or reply["error"]["code"] in ("busy", "storage_failed")
        assert after
        rows = [stream.take()["event"]]
        while rows[-1]["id"] != after["id"]:
            rows.append(stream.take()["event"])
        assert [r["data"]["text"] for r in rows] == ["before", "after"]
        assert rows[1]["seq"] == rows[0]["seq"] + 1
    kept = [p for p in (served.path / "groups" / group / "state" / "ledger").rglob("*") if p.is_file() and b"behind the daemon" in p.read_bytes()]
    assert kept
    assert b"behind the daemon" not in ledger.read_bytes()
