"""Bounds: what a client can do wrong costs that client, is answered or counted, and leaves the others alone."""

import os
import resource
import shutil
import time

import msgpack
import pytest
import zmq

import busclient
import rawclient
from test_daemon_faults import Fault, ledger_file, make_group


def counters(bus):
    return {key: value for key, value in bus.ask("status").items() if isinstance(value, int)}


def wait_for(bus, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        now = counters(bus)
        if condition(now):
            return now
        assert time.monotonic() < deadline, now
        time.sleep(0.02)


def ask_raw(bus, *frames):
    bus.socket.send_multipart(frames)
    assert bus.socket.poll(20000)
    return msgpack.unpackb(bus.socket.recv_multipart()[-1])


def test_what_is_no_request_is_refused_with_a_reason(served):
    ping = msgpack.packb({"v": 1, "id": 7, "op": "ping"})
    with served.bus() as bus:
        for frames in [b""], [b"\xc1"], [b"hello"], [msgpack.packb([1, 2])], [b"", b"", ping], [b"x", ping], [ping, ping, ping], [b"\xdf\xff\xff\xff\xff"]:
            reply = ask_raw(bus, *frames)
            assert reply["ok"] is False and reply["error"]["code"] == "invalid_request" and reply["error"]["message"]
        assert ask_raw(bus, msgpack.packb({"v": 1, "id": 8, "op": "nonsense"}))["error"]["code"] == "unknown_op"
        assert ask_raw(bus, ping)["ok"] is True
        large = ask_raw(bus, msgpack.packb({"v": 1, "id": 9, "op": "ping", "args": {"x": b"x" * (2 << 20)}}))
        assert large["error"]["code"] == "too_large" and large["error"]["details"]["limit"] == 2 << 20
        assert ask_raw(bus, ping)["id"] == 7


def test_frame_over_the_limit_ends_its_connection_only(served):
    with served.bus() as good, served.bus() as bad:
        good.ask("ping")
        bad.socket.send(bytes((4 << 20) + 1))
        assert bad.take(0.5) is None
        assert good.ask("ping")["pid"] == served.process.pid


def test_req_client_gets_its_delimiter_back(served):
    context = zmq.Context()
    req = context.socket(zmq.REQ)
    req.setsockopt(zmq.LINGER, 0)
    req.connect(busclient.descriptor(served.path)["bus"])
    for number in range(3):
        req.send(msgpack.packb({"v": 1, "id": number, "op": "ping"}))
        assert req.poll(20000)
        assert msgpack.unpackb(req.recv())["id"] == number
    req.close()
    context.term()


def test_sender_is_what_the_kernel_says(served):
    with served.bus() as bus:
        event = bus.ask("group_create", title="mine")["event"]
    assert (event["attest"]["pid"], event["attest"]["uid"]) == (os.getpid(), os.getuid())


def test_too_few_descriptors_shed_newcomers_and_nobody_else(home):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (220, 220))

    import subprocess

    from home import BIN

    process = subprocess.Popen([str(BIN / "ccccd")], env=home.environment(), preexec_fn=few, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        endpoint = busclient.descriptor(home.path)["bus"]
        with home.bus() as early:
            early.ask("ping")
            crowd = [rawclient.connect(endpoint) for _ in range(400)]
            assert rawclient.ended(crowd[-1])
            seen = wait_for(early, lambda now: now["shed_connections"] > 0)
            assert seen["fds"] < 220
            # A new group needs descriptors of its own: they were kept back.
            early.ask("group_create", title="room for work")
            for raw in crowd:
                raw.close()
            with home.bus() as late:
                late.ask("ping")
        assert process.poll() is None
        process.terminate()
        assert process.wait(10) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


def test_client_that_never_reads_is_dropped_and_counted(served):
    endpoint = busclient.descriptor(served.path)["bus"]
    request = rawclient.frame(msgpack.packb({"v": 1, "op": "status", "id": "x" * 60}))
    with served.bus() as other:
        before = counters(other)
        stuck = rawclient.dealer(endpoint)
        stuck.settimeout(0.2)
        seen, pieces = before, 0
        while seen["dropped_peers"] == before["dropped_peers"] and pieces < 400:
            try:
                stuck.sendall(request * 500)
            except (TimeoutError, ConnectionError):
                pass
            pieces += 1
            seen = counters(other)
        assert seen["dropped_peers"] == before["dropped_peers"] + 1
        assert seen["rss_bytes"] < 200 << 20
        assert wait_for(other, lambda now: now["queued_replies"] == 0)
        stuck.close()


def test_every_counter_moves(served):
    """Each figure by the amount it must move; those of queues and refusals are in the tests of these."""
    descriptors = f"/proc/{served.process.pid}/fd"
    with served.bus() as bus:
        before = counters(bus)
        group_id = bus.ask("group_create", title="counted")["group_id"]
        sub = bus.context.socket(zmq.SUB)
        sub.setsockopt(zmq.LINGER, 0)
        sub.subscribe(f"e/{group_id}/")
        sub.connect(busclient.descriptor(served.path)["events"])
        wait_for(bus, lambda now: now["subscriptions"] == before["subscriptions"] + 1)
        published = counters(bus)
        bus.ask("actor_add", group_id=group_id, actor_id="lead")
        assert sub.poll(20000)
        after = counters(bus)
        assert after["events_published"] == published["events_published"] + 1
        assert after["group_count"] == before["group_count"] + 1
        assert after["acked"] == before["acked"] + 2 and after["durable"] == before["durable"] + 2
        other = bus.ask("group_create", title="other")["group_id"]
        bus.ask("actor_add", group_id=other, actor_id="lead")
        before_relay = counters(bus)
        bus.ask("send_cross_group", group_id=group_id, dst_group_id=other, to=["lead"], text="over there")
        relayed = wait_for(bus, lambda now: now["durable"] == before_relay["durable"] + 3)
        assert relayed["acked"] < before_relay["acked"] + 3, "chat.relayed is on the disk, and nobody had asked for it"
        assert after["requests"] >= before["requests"] + 5
        assert before["syncs"] + 1 <= after["syncs"] <= before["syncs"] + 2
        sub.close()
        wait_for(bus, lambda now: now["subscriptions"] == before["subscriptions"])
        # Figures of the process are taken once a second; the kernel has the same ones.
        quiet = wait_for(bus, lambda now: now["fds"] == len(os.listdir(descriptors)) and now["uptime_s"] > before["uptime_s"])
        crowd = [rawclient.connect(busclient.descriptor(served.path)["bus"]) for _ in range(20)]
        wait_for(bus, lambda now: now["fds"] == len(os.listdir(descriptors)) >= quiet["fds"] + 20)
        for raw in crowd:
            raw.close()
        wait_for(bus, lambda now: now["fds"] == len(os.listdir(descriptors)) < quiet["fds"] + 20)
        wait_for(bus, lambda now: abs(now["rss_bytes"] - resident(served.process.pid)) < 1 << 20)
        for each in group_id, other:
            bus.ask("group_delete", group_id=each)
        assert counters(bus)["group_count"] == before["group_count"]


def resident(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_pending_events_are_counted_until_the_disk_has_them(served):
    delay_us = 1000000
    group_id = make_group(served)
    with served.bus() as bus, served.bus() as watch:
        before = counters(watch)
        assert before["pending_events"] == before["pending_bytes"] == 0
        with Fault(served, ledger_file(served, group_id), f"fdatasync:delay_enter={delay_us}"):
            for number in range(10):
                bus.post("send", {"group_id": group_id, "text": f"{number} " + "x" * 1000, "to": ["lead"]})
            seen = wait_for(watch, lambda now: now["pending_events"] == 10)
            assert 10 * 1000 < seen["pending_bytes"] < 20 * 1000
            assert watch.ask("status", group_id=group_id)["group"]["pending"] == 10
            for _ in range(10):
                assert bus.take()["ok"]
        after = counters(watch)
        assert after["pending_events"] == after["pending_bytes"] == 0
        assert after["acked"] == before["acked"] + 10
        assert after["sync_max_us"] >= max(delay_us, before["sync_max_us"])
        # Percentiles are of some seconds; they are shown by the next tick.
        now = wait_for(watch, lambda now: now["sync_p99_us"] >= delay_us)
        assert now["sync_p50_us"] <= now["sync_p99_us"]


def test_publications_nobody_asked_for_are_not_sent(served):
    with served.bus() as bus:
        group_id = bus.ask("group_create", title="quiet")["group_id"]
        for number in range(20):
            bus.ask("actor_add", group_id=group_id, actor_id=f"a{number}")
        assert counters(bus)["events_published"] == 0


def test_removed_socket_file_is_reported(served):
    with served.bus() as bus:
        assert bus.ask("status")["degraded"] == ""
        (served.path / "daemon/ccccd.events").unlink()
        deadline = time.monotonic() + 20
        while "socket file" not in bus.ask("status")["degraded"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert served.stop() == 0


def switches(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as status:
            total += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
    return total


def is_instrumented(pid):
    with open(f"/proc/{pid}/maps") as maps:
        text = maps.read()
    return any(word in text for word in ("libasan", "libtsan", "libubsan"))


def test_idle_daemon_is_small_and_sleeps(served):
    with served.bus() as bus:
        group_id = bus.ask("group_create", title="idle")["group_id"]
        assert group_id
        wait_for(bus, lambda now: now["uptime_s"] >= 3)
    time.sleep(0.2)
    began = switches(served.process.pid)
    time.sleep(3)
    assert switches(served.process.pid) - began <= 12
    if is_instrumented(served.process.pid):
        return
    with served.bus() as bus:
        assert counters(bus)["rss_bytes"] <= 12 << 20
