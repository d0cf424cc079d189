"""One flipped bit or one cut in a file of a real home: `doctor` and `ledger verify` name it, the daemon serves all the rest, and no byte goes without a copy.

A sample of what tests/damage does on a simulated disk, with the daemon's own files too. CCCC_DAMAGE_CASES chooses how many (200), CCCC_SEED which;
CCCC_DAMAGE_CASE runs a single one."""

import os
import random
import re
import time

import pytest

import busclient
from home import Home

CASES = int(os.environ.get("CCCC_DAMAGE_CASES", "200"))
SEED = int(os.environ.get("CCCC_SEED", str(time.time_ns() % 1_000_000)))
ONLY = os.environ.get("CCCC_DAMAGE_CASE")

NOT_DATA = re.compile(r"daemon/(ccccd\.log.*|ccccd\.lock|ccccd\.pid|ccccd\.addr\.json|epoch)$|/state/ledger/(mark|ledger\.lock)$|\.prev$|/scope\.yaml$|/read_cursors\.json$"
                      r"|/group\.sum$")


def build(home):
    """Three groups with messages, cursors, a scope and a blob; the daemon ends by kill -9 after its marks are written. Their ids."""
    home.start()
    groups = []
    with home.bus() as bus:
        for number in range(3):
            group = bus.ask("group_create", title=f"team {number}")["group_id"]
            groups.append(group)
            for actor in ("lead", "peer"):
                bus.ask("actor_add", group_id=group, actor_id=actor, runner="headless", runtime="custom")
            bus.ask("attach", group_id=group, path="/tmp")
            for i in range(12):
                sent = bus.ask("send", group_id=group, text=f"message {i} " + "x" * (i * 17 % 200), to=["lead"])
            bus.ask("inbox_mark_read", group_id=group, actor_id="lead", event_id=sent["event"]["id"])
            bus.ask("send", group_id=group, text="long " * 8000, to=["peer"])
    home.stop()
    home.start()
    home.kill()
    return groups


def snapshot(home):
    return {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file() and not path.is_symlink()}


def put_back(home, files):
    """The home as it was, each file with the inode it has: the mark is about one."""
    for path in list(home.path.rglob("*")):
        if path.is_file() and path not in files:
            path.unlink()
    for path, data in files.items():
        if not path.exists() or path.read_bytes() != data:
            write(path, data)


def write(path, data):
    with open(path, "r+b" if path.exists() else "wb") as file:
        file.write(data)
        file.truncate()


def served(home, groups):
    """What clients are told of each group."""
    out = {}
    with home.bus() as bus:
        for group in groups:
            told = []
            for op, args in (("group_show", {}), ("actor_list", {}), ("ledger_read", {"after_seq": 0, "limit": 1000}), ("inbox_list", {"actor_id": "lead"})):
                try:
                    told.append(bus.ask(op, group_id=group, **args))
                except busclient.BusError as error:
                    told.append(error.code)
            out[group] = told
    return out


@pytest.fixture(scope="module")
def prepared():
    with Home() as home:
        groups = build(home)
        files = snapshot(home)
        home.start()
        sound = served(home, groups)
        home.stop()
        put_back(home, files)
        yield home, groups, files, sound


def choose(number, files):
    """The damage of a case: path, bytes as damaged, place, and whether it is a cut."""
    dice = random.Random(f"{SEED}/{number}")
    ledgers = sorted(path for path in files if path.name == "ledger.jsonl")
    every = sorted(path for path, data in files.items() if data and not path.name.startswith("ccccd.log"))
    path = dice.choice(ledgers if dice.random() < 0.5 else every)
    data = bytearray(files[path])
    at = dice.randrange(len(data))
    if dice.random() < 0.1:
        return path, bytes(data[:at]), at, True
    data[at] ^= 1 << dice.randrange(8)
    return path, bytes(data), at, False


def covering(found, path, at):
    """Does doctor name the ledger's line in which the byte lies?"""
    places = re.findall(re.escape(str(path)) + r" line (\d+) offset (\d+): ", found)
    return any(int(line) > 0 and int(offset) <= at for line, offset in places)


def is_kept(home, path, damaged):
    now = path.read_bytes() if path.exists() else b""
    others = [other.read_bytes() for other in home.path.rglob("*") if other.is_file()]
    if now.startswith(damaged) or any(other == damaged for other in others):
        return True
    same = next((i for i, (a, b) in enumerate(zip(now, damaged)) if a != b), min(len(now), len(damaged)))
    return any(other and len(damaged) - len(other) <= same and damaged.endswith(other) for other in others)


def judge(home, groups, sound, path, damaged, at):
    """The verdict; asserts what must hold whatever it is."""
    doctor = home.cli("doctor", check=False)
    verify = home.cli("ledger", "verify", "--all", check=False)
    is_ledger, is_blob, is_registry = path.name == "ledger.jsonl", path.parent.name == "blobs", path.name == "registry.json"  # which may name another group then
    assert doctor.returncode in (0, 1) or (doctor.returncode == 9 and (is_ledger or is_blob or is_registry)), doctor.stdout
    assert (verify.returncode == 9) == ((is_ledger or is_registry) and doctor.returncode == 9), verify.stdout
    home.start()
    now = served(home, groups)
    mine = next((group for group in groups if group in str(path)), None)
    for group in groups:
        assert group == mine or now[group] == sound[group], f"{group} is served otherwise"
    home.stop()
    assert NOT_DATA.search(str(path)) or is_kept(home, path, damaged), "bytes went without a copy"
    if is_ledger and doctor.returncode == 9:
        assert covering(doctor.stdout, path, at), doctor.stdout
        assert covering(verify.stdout + verify.stderr, path, at), verify.stdout
    if doctor.returncode == 9:
        return "detected"
    if "changed since" in doctor.stdout or "without a checksum" in doctor.stdout or "anew" in doctor.stdout or "group.yaml" in doctor.stdout:
        return "changed"
    assert mine is None or now[mine] == sound[mine], "neither named nor harmless:\n" + doctor.stdout
    return "harmless"


# Every case is detected, reported, or harmless; a failure prints the seed and the case.
def test_no_damage_is_hidden(prepared):
    home, groups, files, sound = prepared
    table = {}
    for number in [int(ONLY)] if ONLY else range(CASES):
        path, damaged, at, cut = choose(number, files)
        write(path, damaged)
        try:
            verdict = judge(home, groups, sound, path, damaged, at)
        except AssertionError as error:
            raise AssertionError(f"CCCC_SEED={SEED} CCCC_DAMAGE_CASE={number}: {'cut' if cut else 'flip'} at {at} of {path}: {error}") from error
        kind = path.name if path.parent.name != "blobs" else "blob"
        table[(kind, verdict)] = table.get((kind, verdict), 0) + 1
        if home.process.poll() is None:
            home.kill()
        put_back(home, files)
    print("seed", SEED)
    for (kind, verdict), count in sorted(table.items()):
        print(f"{kind:24} {verdict:10} {count}")
