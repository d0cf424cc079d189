"""A follower that stands still costs the daemon a bounded amount of memory and the other followers nothing they cannot read again."""

import json
import os
import signal
import subprocess
import sys
import time

import busclient
from cliutil import CCCC
from test_daemon_limits import is_instrumented, wait_for

STILL = """
import sys, zmq
sub = zmq.Context().socket(zmq.SUB)
sub.setsockopt(zmq.RCVHWM, 1)
sub.subscribe("e/")
sub.connect(sys.argv[1])
sub.recv_multipart()
print("here", flush=True)
while b"you are back" not in sub.recv_multipart()[1]:
    pass
"""
EVENTS, TEXT = 4000, "x" * 31900


def stopped_follower(home, bus, group_id):
    """A SUB of another process that has heard something, then stopped by signal."""
    process = subprocess.Popen([sys.executable, "-c", STILL, busclient.descriptor(home.path)["events"]], stdout=subprocess.PIPE)
    os.set_blocking(process.stdout.fileno(), False)
    deadline = time.monotonic() + 60
    while not process.stdout.read():
        bus.ask("send", group_id=group_id, text="are you there", to=["lead"])
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGSTOP)
    return process


def memory(pid, what):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(what))


def send_all(bus, group_id):
    """4,000 events of 32 KB, a few at a time."""
    open_ = 0
    for number in range(EVENTS):
        bus.post("send", {"group_id": group_id, "text": f"{number} {TEXT}", "to": ["lead"]})
        open_ += 1
        while open_ == 50 or (open_ and number == EVENTS - 1):
            assert bus.take()["ok"]
            open_ -= 1


def test_stopped_follower_costs_little_memory_and_others_miss_nothing(served, tmp_path):
    with served.bus() as bus, (tmp_path / "tail").open("wb") as out:
        group_id = bus.ask("group_create", title="large")["group_id"]
        bus.ask("actor_add", group_id=group_id, actor_id="lead", runtime="custom", runner="headless")
        tail = subprocess.Popen([CCCC, "tail", "--group", group_id, "-n", "100", "-f", "--json"], env=served.environment(), stdout=out)
        deadline = time.monotonic() + 60
        while (tmp_path / "tail").stat().st_size == 0:  # it follows once it shows what there is
            assert tail.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        still = stopped_follower(served, bus, group_id)
        try:
            send_all(bus, group_id)
            wait_for(bus, lambda now: now["dropped_followers"] > 0 and now["withheld_publications"] > 0 and now["publication_bytes"] < 1 << 20)
            last = bus.ask("send", group_id=group_id, text="the end", to=["lead"])["event"]
            deadline = time.monotonic() + 120
            while last["id"].encode() not in (tmp_path / "tail").read_bytes()[-4096:]:
                assert tail.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
            # Who was disconnected connects again by itself.
            still.send_signal(signal.SIGCONT)
            while still.poll() is None:
                bus.ask("send", group_id=group_id, text="you are back", to=["lead"])
                assert time.monotonic() < deadline
            assert still.returncode == 0
        finally:
            for process in tail, still:
                process.kill()
                process.wait()
            still.stdout.close()
        seqs = [json.loads(line)["seq"] for line in (tmp_path / "tail").read_bytes().split(b"\n")[:-1]]
        assert seqs == list(range(seqs[0], seqs[-1] + 1)) and seqs[0] < 110 and seqs[-1] >= last["seq"]
        if not is_instrumented(served.process.pid):
            assert memory(served.process.pid, "VmHWM:") < 100 << 20
            assert memory(served.process.pid, "VmRSS:") < 64 << 20
