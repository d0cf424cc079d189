"""I3, seen from the kernel: no reply and no publication leaves before the fdatasync of its line has returned. A daemon that leaves
that sync out (CCCC_NO_SYNC names it) does not pass."""

import os
import re
import shutil
import signal

import pytest
import zmq

import busclient
from home import BIN

CALLS = "write,pwrite64,fdatasync,sendto,sendmsg,openat,close"
LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>)?(.*)$")


def daemon_pid(home):
    return busclient.descriptor(home.path)["pid"]


def parse(trace):
    """(call, rest, returned) in the order strace saw entry or return: an unfinished call appears at its return again."""
    started = {}
    for line in trace:
        match = LINE.match(line)
        if not match:
            continue
        pid, call, rest = match.groups()
        if rest.endswith("<unfinished ...>"):
            started[pid] = rest.removesuffix("<unfinished ...>")
            yield call, started[pid], False
        elif "resumed>" in line:
            yield call, started.pop(pid, "") + rest, True
        else:
            yield call, rest, None


pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def check_order(home, tmp_path, program, extra_env=None):
    trace = tmp_path / "trace"
    # A sanitized daemon cannot look for leaks while it is traced: both would be its debugger.
    extra_env = {"ASAN_OPTIONS": "detect_leaks=0", **(extra_env or {})}
    home.start("strace", "-f", "-y", "-s", "2000000", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(trace), program=program, extra_env=extra_env)
    pid = daemon_pid(home)
    markers = []
    with home.bus() as bus:
        group_id = bus.ask("group_create", title="traced")["group_id"]
        bus.ask("actor_add", group_id=group_id, actor_id="lead")
        sub = bus.context.socket(zmq.SUB)
        sub.setsockopt(zmq.LINGER, 0)
        sub.subscribe(f"e/{group_id}/")
        sub.connect(busclient.descriptor(home.path)["events"])
        while bus.ask("status")["subscriptions"] == 0:
            pass
        for number in range(300):
            markers.append(f"marker-{number:06}-")
            bus.post("send", {"group_id": group_id, "text": markers[-1], "to": ["lead"]})
        heard = set()
        for _ in range(300):
            assert bus.take()["ok"]
        while len(heard) < 300:
            assert sub.poll(20000)
            heard.update(re.findall(rb"marker-\d{6}-", sub.recv_multipart()[1]))
        sub.close()
    os.kill(pid, signal.SIGTERM)
    assert home.process.wait(30) == 0
    home.process.stdout.close()

    written, synced, sent = set(), set(), {}
    for call, rest, returned in parse(trace.read_text(errors="replace").splitlines()):
        ledger = "ledger.jsonl>" in rest.split(",", 1)[0]
        found = re.findall(r"marker-\d{6}-", rest)
        if ledger and call in ("write", "pwrite64") and returned is not False:
            written.update(found)
        elif ledger and call == "fdatasync" and returned is not False:
            assert re.search(r"= 0$", rest)
            synced |= written
        elif not ledger and call in ("sendto", "sendmsg", "write") and returned is not True:
            for marker in found:
                assert marker in synced, f"{marker} was sent before its line was synced"
                sent[marker] = sent.get(marker, 0) + 1
    assert synced >= set(markers)
    # Each at least twice: in its reply and in its publication (a message cut between two writes is seen in one of them).
    assert sum(count >= 2 for count in sent.values()) >= 290


def test_nothing_is_sent_before_its_sync_returned(home, tmp_path):
    check_order(home, tmp_path, BIN / "ccccd")


@pytest.mark.skipif("CCCC_NO_SYNC" not in os.environ, reason="CCCC_NO_SYNC names no daemon that can leave the sync out")
def test_a_daemon_that_leaves_the_sync_out_is_found_out(home, tmp_path):
    with pytest.raises(AssertionError, match="was sent before its line was synced"):
        check_order(home, tmp_path, os.environ["CCCC_NO_SYNC"], {"CCCC_MUTANT": "NO_SYNC"})
