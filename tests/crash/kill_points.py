#!/usr/bin/env python3
"""kill -9 at every system call on files and sockets of the things a daemon does, and judge what it left.

    kill_points.py --seconds 60          a sample, in an order that --seed decides
    kill_points.py                       every point
    kill_points.py --points short_send/ccccd-commit/fdatasync/1

A point is SCENARIO/THREAD/CALL/N (--points takes also the beginning of such names): strace kills the daemon as that thread enters its N-th such call. Which calls there are is found by running
each scenario once to its end. Exit 1 when a promise was broken, 77 when strace may not trace.
"""

import argparse
import collections
import concurrent.futures
import functools
import hashlib
import os
import pathlib
import random
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

import disk
import oracle
import recording
from daemon import Daemon, Refused
from explore import add_programs, scratch, with_programs

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import busclient  # noqa: E402
import zmq  # noqa: E402

CALLS = ("openat,close,read,pread64,write,writev,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,symlink,chmod,"
         "fchmod,fchmodat,flock,statx,newfstatat,fstat,getdents64,fadvise64,lseek,socket,bind,listen,accept4,connect,shutdown,sendto,sendmsg,recvfrom,recvmsg")
WHOLE = "all"  # the thread of a scenario that is traced from its first call on
NO_PTRACE = 77
LOG_FULL = 10 * 1024 * 1024 - 10  # LOG_FILE_BYTES_MAX, and no room for another record

Point = collections.namedtuple("Point", "scenario thread call number")
# What a scenario left: the `content` of the home when it began, the `names` of its threads by id, and whether it was `killed` on the way.
Run = collections.namedtuple("Run", "home expected content names killed")


class Witness(busclient.Bus):
    """A client that remembers everything it was told, also by publications."""

    def __init__(self, home, expected):
        super().__init__(home, timeout_s=0.02)
        self.expected = expected
        self.sub = self.context.socket(zmq.SUB)
        self.sub.setsockopt(zmq.LINGER, 0)
        self.sub.subscribe(b"e/")
        self.sub.connect(busclient.descriptor(home)["events"])

    def note(self, frames):
        for what, value in recording.told_by(frames):
            self.expected.add(what, value)

    def heard(self):
        while self.sub.poll(0):
            self.note(self.sub.recv_multipart())

    def close(self):
        self.heard()
        self.sub.close()
        super().close()

    def ask_while(self, daemon, op, **args):
        """The result; None when the daemon is gone without an answer."""
        wanted, over = self.post(op, args), False
        while True:
            self.heard()
            if self.socket.poll(20):
                raw = self.socket.recv()
                self.note([raw])
                reply = busclient.msgpack.unpackb(raw)
                if reply["id"] == wanted:
                    return reply["result"]
            elif over:
                return None
            over = daemon.process.poll() is not None


def asking(bus, daemon):
    """What scenarios ask with."""
    ask = functools.partial(bus.ask_while, daemon)
    ask.home, ask.expected, ask.is_over = daemon.home, bus.expected, lambda: daemon.process.poll() is not None
    return ask


# ---- what is killed: one request each, prepared up to the yield; strace looks on from there ----


def wait_while(ask, is_so, timeout_s=20):
    """Without asking the daemon, since every question makes points of its own."""
    until = time.monotonic() + timeout_s
    while is_so() and not ask.is_over() and time.monotonic() < until:
        time.sleep(0.001)


def short_send(ask, group_id):
    yield
    ask("send", group_id=group_id, text="short", to=["lead"], client_id="short")


def long_send(ask, group_id):
    yield
    ask("send", group_id=group_id, text="long " * 10000, to=["lead"], client_id="long")


def batch(ask, group_id):
    yield
    ask("send_batch", group_id=group_id, messages=[{"text": f"item {number} " * 100, "to": ["lead"], "client_id": f"item {number}"} for number in range(20)])


def reply(ask, group_id):
    sent = ask("send", group_id=group_id, text="a question", to=["lead"])
    yield
    ask("reply", group_id=group_id, reply_to=sent["event"]["id"], text="an answer", to=["user"])


def mark_read(ask, group_id):
    sent = ask("send", group_id=group_id, text="news", to=["lead"], priority="attention")
    yield
    ask("inbox_mark_read", group_id=group_id, actor_id="lead", event_id=sent["event"]["id"])


def create(ask, _):
    yield
    ask("group_create", title="another", client_id="create")


def add_actor(ask, group_id):
    yield
    ask("actor_add", group_id=group_id, actor_id="peer")


def attach_scope(ask, group_id):
    yield
    ask("attach", group_id=group_id, path="/tmp")


def settings(ask, group_id):
    yield
    ask("group_settings_update", group_id=group_id, patch={"default_send_to": "broadcast"})


def upload(ask, group_id):
    data = b"0123456789abcdef" * 500
    yield
    ask("blob_put", group_id=group_id, sha256=hashlib.sha256(data).hexdigest(), name="n.txt", total_bytes=len(data), data=data)


def send_file(ask, group_id):
    data = b"fedcba9876543210" * 500
    put = ask("blob_put", group_id=group_id, sha256=hashlib.sha256(data).hexdigest(), name="m.txt", total_bytes=len(data), data=data)
    yield
    ask("send", group_id=group_id, text="see file", to=["lead"], attachments=[{"path": put["path"]}])


def cross(ask, group_id):
    other = ask("group_create", title="other")["group_id"]
    ask("actor_add", group_id=other, actor_id="lead")
    yield
    ask("send_cross_group", group_id=group_id, dst_group_id=other, text="over there", to=["lead"], client_id="cross")


def seal(ask, group_id):
    ask("group_settings_update", group_id=group_id, patch={"ledger_max_active_bytes": 1 << 20, "ledger_keep_tail_lines": 5})
    messages = [{"text": f"{number} " * 4000, "to": ["lead"]} for number in range(20)]
    ledger = ask.home / "groups" / group_id / "ledger.jsonl"
    while ledger.stat().st_size < 800_000:
        ask("send_batch", group_id=group_id, messages=messages)
    yield
    while ledger.stat().st_size < 1 << 20 and ask("send_batch", group_id=group_id, messages=messages):
        pass
    wait_while(ask, lambda: ledger.stat().st_size > 1 << 20)


def make_retirable(ask, group_id):
    """All there is has been read and is sealed but for the last event; the cursor has to outlive what goes."""
    last = ask("ledger_read", group_id=group_id, before_seq=0, limit=1)["events"][-1]
    read = ask("inbox_mark_read", group_id=group_id, actor_id="lead", event_id=last["id"])
    ask.expected.cursors = {group_id: {"lead": [[read["event"]["id"], last["seq"]]]}}
    ask.expected.may_retire = {group_id: [[read["event"]["id"], read["event"]["seq"]]]}
    ask("group_settings_update", group_id=group_id, patch={"ledger_keep_tail_lines": 1})
    ask("ledger_compact", group_id=group_id, force=True)


def segments(ask, group_id):
    return list((ask.home / "groups" / group_id / "state/ledger").glob("[0-9]*.jsonl.zst"))


def retire_all(ask, group_id):
    """Set the rule and have it looked at until the segments are gone, or the daemon is."""
    ask("group_settings_update", group_id=group_id, patch={"retention_max_bytes": 1})
    while segments(ask, group_id) and not ask.is_over():
        ask("ledger_compact", group_id=group_id)
        wait_while(ask, lambda: segments(ask, group_id), timeout_s=1)


def retire(ask, group_id):
    make_retirable(ask, group_id)
    yield
    retire_all(ask, group_id)


def delete(ask, group_id):
    yield
    ask("group_delete", group_id=group_id, confirm=group_id)


ACTIONS = {action.__name__: action for action in
           (short_send, long_send, batch, reply, mark_read, create, add_actor, attach_scope, settings, upload, send_file, cross, seal, retire, delete)}
THREADS = ("loop", "ccccd-commit", "ccccd-store", "ccccd-read", "ccccd-seal", "ZMQbg.IO.0")
# Starts, traced from the first call on: after a kill with a torn tail to cut and a log to rotate; after a kill; and with files that a retirement has left.
STARTS = ("recovery", "start", "leftovers")


class Base:
    """A home that was killed in the midst of its life, and what was told of it; each run gets a copy."""

    def __init__(self, place, asked):
        self.home, self.asked = place / "base", asked
        self.home.mkdir(mode=0o700)
        self.expected = recording.Expected(recording.NOTHING)
        daemon = Daemon(self.home, asked.daemon).start()
        with Witness(self.home, self.expected) as bus:
            self.group_id = bus.ask_while(daemon, "group_create", title="base", client_id="base")["group_id"]
            bus.ask_while(daemon, "actor_add", group_id=self.group_id, actor_id="lead")
            for number in range(5):
                bus.ask_while(daemon, "send", group_id=self.group_id, text=f"text {number} " * 50, to=["lead"])
        daemon.kill()

    def copy(self, place):
        home = place / "home"
        shutil.copytree(self.home, home, ignore=disk.SOCKETS)
        expected = recording.Expected(recording.NOTHING)
        expected.events, expected.ids = dict(self.expected.events), set(self.expected.ids)
        return home, expected

    def prepare(self, name, home, expected):
        """What the start of that name finds."""
        if name == "recovery":
            self.tear(home)
        elif name == "leftovers":
            self.retire_but_keep(home, expected)

    def tear(self, home):
        ledger = home / "groups" / self.group_id / "ledger.jsonl"
        lines = ledger.read_bytes().splitlines(keepends=True)
        ledger.write_bytes(b"".join(lines) + lines[-1][: len(lines[-1]) // 2])
        with open(home / "daemon/ccccd.log", "r+b") as log:
            log.truncate(LOG_FULL)

    def retire_but_keep(self, home, expected):
        """A retirement that a kill stopped before it removed anything."""
        daemon = Daemon(home, self.asked.daemon).start()
        with Witness(home, expected) as bus:
            ask = asking(bus, daemon)
            make_retirable(ask, self.group_id)
            kept = {path: path.read_bytes() for path in segments(ask, self.group_id)}
            retire_all(ask, self.group_id)
        daemon.kill()
        for path, data in kept.items():
            path.write_bytes(data)


# ---- killing ----


def threads(pid):
    """{thread id: name} of a process. A thread names itself a moment after its start."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = {task.name: (task / "comm").read_text().strip().replace("/", ".") for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}
        found[str(pid)] = "loop"
        if set(THREADS) <= set(found.values()):
            return found
    raise TimeoutError(f"a daemon has {THREADS}, this one has {sorted(found.values())}")


def strace(output, call=CALLS, number=None):
    """Its command line: note all calls, or kill at one of them."""
    command = ["strace", "-f", "-o", str(output), "-e", f"trace={call}", "-e", "signal=none"]
    return command if number is None else [*command, "-e", f"inject={call}:signal=SIGKILL:when={number}"]


def attached(command, tasks):
    """strace on these threads alone, once it has them."""
    command = [word for word in command if word != "-f"] + [word for task in tasks for word in ("-p", task)]
    tracer, said = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE), b""
    while said.count(b" attached\n") < len(tasks):
        more = select.select([tracer.stderr], [], [], 20)[0] and os.read(tracer.stderr.fileno(), 4096)
        if not more:
            tracer.kill()
            tracer.wait()
            raise PermissionError(f"strace cannot attach: {said.decode()}")
        said += more
    return tracer


def run_action(name, thread, base, place, command):
    """Do it while strace is on the threads of that name; the daemon is gone afterwards, either way."""
    home, expected = base.copy(place)
    content = oracle.content(home)
    if name == "delete":
        expected.add("deleting", base.group_id)
    daemon, tracer = Daemon(home, base.asked.daemon).start(), None
    try:
        with Witness(home, expected) as bus:
            steps = ACTIONS[name](asking(bus, daemon), base.group_id)
            next(steps)
            names = threads(daemon.process.pid)
            tracer = attached(command, [task for task in names if thread in (WHOLE, names[task])])
            next(steps, None)
            killed = daemon.process.poll() is not None
    finally:
        daemon.end()
        if tracer:
            tracer.wait(20)
            tracer.stderr.close()
    return Run(home, expected, content, names, killed)


def run_start(name, base, place, command):
    home, expected = base.copy(place)
    base.prepare(name, home, expected)
    content = oracle.content(home)
    daemon, killed = Daemon(home, base.asked.daemon), False
    try:
        daemon.start(*command)
        pid = busclient.descriptor(home)["pid"]
        os.kill(pid, 9)
        daemon.process.wait(20)
        daemon.process.stdout.close()
    except Refused:
        killed = True
    finally:
        daemon.end()
    return Run(home, expected, content, {}, killed)


def run(scenario, thread, base, place, command):
    if scenario in STARTS:
        return run_start(scenario, base, place, command)
    return run_action(scenario, thread, base, place, command)


def points_of(scenario, base):
    """Every call of one run that came to its end."""
    place = scratch("cccc-kill-")
    try:
        names = run(scenario, WHOLE, base, place, strace(place / "trace")).names
        counts, points = collections.Counter(), {}  # a dictionary, to keep their order
        in_home = scenario in ACTIONS  # what a start does before it looks at the home leaves nothing
        for line in (place / "trace").read_text(errors="replace").splitlines():
            in_home = in_home or str(place) in line
            match = re.match(r"(\d+) +(\w+)\(", line)
            if match:
                counts[match.groups()] += 1
                # strace counts the calls of each thread by itself, and kills when the first of that name gets there.
                points.setdefault(Point(scenario, names.get(match[1], WHOLE), match[2], counts[match.groups()]), in_home)
        return [point for point, wanted in points.items() if wanted]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def name_of(point):
    return "/".join(map(str, point))


def all_points(base, beginning):
    wanted = beginning.split("/")
    scenarios = [scenario for scenario in [*STARTS, *ACTIONS] if wanted[0] in ("", scenario)]
    points = [point for scenario in scenarios for point in points_of(scenario, base)]
    return [point for point in points if name_of(point).split("/")[: len(wanted)] == wanted or not beginning]


def kill_at(point, base):
    """(was it killed, None or what is wrong afterwards)."""
    place = scratch("cccc-kill-")
    try:
        done = run(point.scenario, point.thread, base, place, strace(os.devnull, point.call, point.number))
        oracle.judge(done.home, base.asked.daemon, base.asked.cli, done.expected, done.content)
        return done.killed, None
    except oracle.Violation as violation:
        kept = pathlib.Path(tempfile.mkdtemp(prefix="cccc-kill-kept-", dir=base.asked.keep))
        shutil.copytree(place / "home", kept / "home", ignore=disk.SOCKETS)
        return done.killed, f"{name_of(point)}: {violation} (the home, as it is now: {kept})"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def may_trace():
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"strace may not trace: {tried.stderr.strip()}"


def options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no further point after that long")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--points", default="", help="only those whose name begins so")
    parser.add_argument("--jobs", type=int, default=2)
    add_programs(parser)
    return with_programs(parser.parse_args(arguments))


def kill_all(points, base, asked, until):
    """Two at a time, until one breaks a promise. (how many, how many were killed, what is wrong)"""
    done, killed, failures, tasks = 0, 0, [], set()
    with concurrent.futures.ProcessPoolExecutor(asked.jobs) as workers:
        points = iter(points)
        while True:
            while len(tasks) < asked.jobs and not failures and time.monotonic() < until and (point := next(points, None)):
                tasks.add(workers.submit(kill_at, point, base))
            if not tasks:
                return done, killed, failures
            ended, tasks = concurrent.futures.wait(tasks, return_when=concurrent.futures.FIRST_COMPLETED)
            for task in ended:
                was_killed, failure = task.result()
                done, killed, failures = done + 1, killed + was_killed, failures + [failure] * bool(failure)


def main(arguments=None):
    asked, begin = options(arguments), time.monotonic()
    refusal = may_trace()
    if refusal:
        print(f"NOT RUN: {refusal}; kill points are not tested")
        return NO_PTRACE
    place = scratch("cccc-kill-")
    try:
        base = Base(place, asked)
        total = all_points(base, asked.points)
        points = random.Random(asked.seed).sample(total, len(total))
        print(f"seed {asked.seed} (--seed); {len(total)} points", flush=True)
        done, killed, failures = kill_all(points, base, asked, begin + asked.seconds)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    for failure in failures:
        print("BROKEN", failure)
    print(f"{done} of {len(total)} points in {time.monotonic() - begin:.0f} s, {killed} killed before the scenario was through: "
          f"{'a promise was broken' if failures else 'all sound'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
