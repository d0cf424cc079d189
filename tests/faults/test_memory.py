"""Memory that runs out: an allocation of the daemon's that fails, at each place where it makes one, in service and while it starts; a limit on its
address space; floods. It may die of it, with one line that says why: what it acknowledged is there, and the next start serves."""

import os
import random
import resource
import struct
import time

import pytest
import zmq

import busclient
from faults import FailingFiles, Home, Page, is_instrumented, preload

pytestmark = pytest.mark.skipif(is_instrumented(), reason="NOT PROVEN HERE: a sanitizer brings its own allocator")

ORDER = struct.Struct("=iiiiQQQ")
SEED = int(os.environ.get("CCCC_SEED", str(random.SystemRandom().randrange(1 << 32))))
LIBRARY_ROUNDS = int(os.environ.get("CCCC_LIBRARY_ROUNDS", "12"))
PATIENCE_S = 30


class Dead(Exception):
    """The daemon is gone."""


class FailingMemory:
    """Which allocation of the daemon fails."""

    def __init__(self):
        self.page = Page("FAULT_MALLOC", ORDER.size)

    def environment(self):
        return {**preload("fail_malloc"), **self.page.environment()}

    def arm(self, first, for_ever=False, of_libraries=False):
        ORDER.pack_into(self.page.map, 0, 0, of_libraries, for_ever, not of_libraries, first, 0, 0)
        struct.pack_into("=i", self.page.map, 0, 1)

    def disarm(self):
        struct.pack_into("=i", self.page.map, 0, 0)

    @property
    def counted(self):
        return ORDER.unpack_from(self.page.map)[5]

    @property
    def failed(self):
        return ORDER.unpack_from(self.page.map)[6]


class Client:
    """Asks until the daemon dies; remembers what was acknowledged."""

    def __init__(self, home, bus, group):
        self.home, self.bus, self.group, self.acked = home, bus, group, {}

    def ask(self, op, **args):
        """The reply, whole, or Dead."""
        wanted, deadline = self.bus.post(op, args), time.monotonic() + PATIENCE_S
        while True:
            reply = self.bus.take(0.02)
            if reply and reply.get("id") == wanted:
                return reply
            if reply is None and self.home.process.poll() is not None:
                raise Dead
            assert time.monotonic() < deadline, f"{op} is not answered, and the daemon lives"

    def send(self, text, **args):
        reply = self.ask("send", group_id=self.group, text=text, to=["lead"], client_id=text[:100], **args)
        if reply["ok"]:
            self.acked[reply["result"]["event"]["id"]] = text


def everything(client, name):
    """One of each kind of work."""
    made = client.ask("group_create", title=name, client_id=name)
    for number in range(3):
        client.send(f"{name} {number}")
    client.send(f"{name} long " + "x" * 40000)
    client.ask("group_update", group_id=client.group, patch={"title": name})
    client.ask("attach", group_id=client.group, path=f"/nowhere/{name}")
    client.ask("inbox_list", group_id=client.group, actor_id="lead")
    client.ask("inbox_mark_all_read", group_id=client.group, actor_id="lead")
    client.ask("ledger_read", group_id=client.group, after_seq=0, limit=50)
    client.ask("blob_put", group_id=client.group, sha256="0" * 64, name="b", total_bytes=9, data=b"1234")
    messages = [{"text": f"{name} batch {n}", "to": ["lead"], "client_id": f"{name} batch {n}"} for n in range(5)]
    client.ask("send_batch", group_id=client.group, messages=messages)
    if made["ok"]:
        client.ask("send_cross_group", group_id=client.group, dst_group_id=made["result"]["group_id"], text=name, to=["user"], client_id=f"{name} cross")
        client.ask("group_delete", group_id=made["result"]["group_id"])
    for op in "status", "groups", "registry_reconcile", "nonsense":
        client.ask(op)


def subscribe(client):
    sub = client.bus.context.socket(zmq.SUB)
    sub.setsockopt(zmq.LINGER, 0)
    sub.subscribe(f"e/{client.group}/")
    sub.connect(busclient.descriptor(client.home.path)["events"])
    return sub


def prepare(home):
    """A home with a group of some history; the group."""
    home.start()
    with home.bus() as bus:
        group = bus.ask("group_create", title="memory")["group_id"]
        bus.ask("actor_add", group_id=group, actor_id="lead")
        for number in range(5):
            bus.ask("send", group_id=group, text=f"before {number}", to=["lead"])
    home.stop()
    return group


def check_last_words(home):
    """A process that ended says why in one line; libzmq's and the C++ library's own say it in theirs."""
    status = home.process.wait(30)
    said = home.process.stdout.read().decode()
    home.process.stdout.close()
    lines = [line for line in said.splitlines() if not line.startswith("ccccd ")]
    assert status in (-6, 1), (status, said)
    assert len(lines) == 1 or "terminate called" in said, said
    return lines[0] if lines else ""


def check_acknowledged(home, group, acked):
    """The next start serves, with everything that was acknowledged, once."""
    home.start()
    with home.bus() as bus:
        page, events = {"more": True, "checked_seq": 0}, []
        while page["more"]:
            page = bus.ask("ledger_read", group_id=group, after_seq=page["checked_seq"], limit=1000)
            assert page["gaps"] == []
            events += page["events"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        stored = {event["id"] for event in events}
        assert set(acked) <= stored
        named = [event["data"]["client_id"] for event in events if event["data"].get("client_id")]
        assert len(set(named)) == len(named)
        assert bus.ask("send", group_id=group, text="goes on", to=["lead"])
    assert home.stop() == 0


def one_failure(home, memory, group, acked, number, **how):
    """Everything, with the `number`-th allocation failing. True when there were so many."""
    memory.disarm()
    home.start(extra_env=memory.environment())
    with home.bus() as bus:
        client = Client(home, bus, group)
        client.acked = acked
        sub = subscribe(client)
        memory.arm(number, **how)
        try:
            everything(client, f"n{number}")
        except Dead:
            pass
        sub.close()
    met = memory.failed > 0
    if home.process.poll() is not None:
        words = check_last_words(home)
        assert how or "memory" in words or "uthash" in words, words
    else:
        home.kill()
    return met


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
def test_each_allocation_in_service(for_ever):
    if for_ever and "CCCC_MEMORY_ALL" not in os.environ:
        pytest.skip("CCCC_MEMORY_ALL is not set: an allocation that fails once ends the daemon nearly everywhere, so for ever adds little")
    memory, acked, number, step = FailingMemory(), {}, 0, 1 if "CCCC_MEMORY_ALL" in os.environ else 5
    with Home() as home:
        group = prepare(home)
        number = 1 + random.Random(SEED).randrange(step)
        print("seed", SEED, "(CCCC_SEED)")
        while one_failure(home, memory, group, acked, number, **({"for_ever": True} if for_ever else {})):
            number += step
        print(f"{number} places, {len(acked)} messages acknowledged")
        assert number > 40 and acked
        check_acknowledged(home, group, acked)


def test_each_allocation_while_starting():
    memory, number = FailingMemory(), 1
    with Home() as home:
        group = prepare(home)
        while True:
            memory.arm(number)
            try:
                home.start(extra_env=memory.environment())
            except AssertionError as refused:
                assert "ccccd ended with" in str(refused), refused
            met = memory.failed > 0
            if home.process.poll() is None:
                home.kill()
            if not met:
                break
            number += 1 if "CCCC_MEMORY_ALL" in os.environ else 3
        assert number > 15
        check_acknowledged(home, group, {})


def test_allocations_of_the_libraries():
    """libzmq aborts when it has no memory: then what is acknowledged must be there, that is all."""
    chance, memory, acked = random.Random(SEED), FailingMemory(), {}
    print("seed", SEED, "(CCCC_SEED)")
    with Home() as home:
        group = prepare(home)
        one_failure(home, memory, group, acked, 1 << 60, of_libraries=True)
        total = memory.counted
        for _ in range(LIBRARY_ROUNDS):
            one_failure(home, memory, group, acked, 1 + chance.randrange(total), of_libraries=True, for_ever=chance.random() < 0.3)
        assert acked
        check_acknowledged(home, group, acked)


def virtual_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def flood(home, group, connections, messages, size):
    """That many messages at once from each connection; the ids of what was acknowledged, and the codes of the refusals. Dead: all that came before."""
    buses = [home.bus(timeout_s=60) for _ in range(connections)]
    acked, refused, highest = {}, set(), 0
    try:
        for number in range(messages):
            for index, bus in enumerate(buses):
                text = f"c{index} {number} " + "x" * size
                bus.post("send", {"group_id": group, "text": text, "to": ["lead"], "client_id": text[:20]})
        open_ = {bus: messages for bus in buses}
        while any(open_.values()):
            if home.process.poll() is not None:
                break
            highest = max(highest, resident_bytes(home.process.pid))
            for bus in buses:
                while open_[bus] and (reply := bus.take(0.001)):
                    open_[bus] -= 1
                    if reply["ok"]:
                        acked[reply["result"]["event"]["id"]] = True
                    else:
                        refused.add(reply["error"]["code"])
    finally:
        for bus in buses:
            bus.close()
    return acked, refused, highest


def test_flood_on_a_slow_disk_is_bounded():
    """PENDING_BYTES_MAX: what waits for the disk is at most 64 MiB; the rest is told to try again, and the daemon stays small."""
    files = FailingFiles()
    with Home() as home:
        home.start(extra_env=files.environment())
        with home.bus() as bus:
            group = bus.ask("group_create", title="flood")["group_id"]
            bus.ask("actor_add", group_id=group, actor_id="lead")
        with files.on("sync", f"{home.path}/groups/{group}/ledger.jsonl", delay_s=1.0, count=2):
            acked, refused, highest = flood(home, group, 8, 500, 30000)
        assert refused == {"busy"} and acked
        assert highest < 400 << 20, highest
        assert home.process.poll() is None
        home.kill()
        check_acknowledged(home, group, acked)


def test_limit_on_memory_ends_the_daemon_at_worst():
    """RLIMIT_AS a little above what it needs idle, and the same flood: it dies or it lives, and nothing acknowledged is lost."""
    files = FailingFiles()
    with Home() as home:
        home.start(extra_env=files.environment())
        with home.bus() as bus:
            group = bus.ask("group_create", title="limit")["group_id"]
            bus.ask("actor_add", group_id=group, actor_id="lead")
        most = virtual_bytes(home.process.pid) + (24 << 20)
        resource.prlimit(home.process.pid, resource.RLIMIT_AS, (most, most))
        with files.on("sync", f"{home.path}/groups/{group}/ledger.jsonl", delay_s=0.3, count=5):
            acked, _, _ = flood(home, group, 4, 400, 30000)
        if home.process.poll() is not None:
            check_last_words(home)
        else:
            home.kill()
        check_acknowledged(home, group, acked)
