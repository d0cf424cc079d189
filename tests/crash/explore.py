#!/usr/bin/env python3
"""Rebuild folders that a power cut could leave of a recorded home, start the real daemon on each, and judge it.

    explore.py --states 1000                    record workloads and judge that many different folders
    explore.py --recording KEPT --state 512.7   one of them again: the folder that seed 7 leaves of the first 512 records

A failure keeps its recording and its folder and prints the command that repeats it. Exit 1 when a promise was broken.
"""

import argparse
import concurrent.futures
import itertools
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

import disk
import oracle
import recording
import workload

MEMORY_MIN = 256 * 1024 * 1024
RECOVERIES = 2  # recorded for each recording of the usual workload
FEWER = {"sealing": workload.sealing, "retiring": workload.retiring}  # of a recording of these, a quarter of the states
LOG_FULL = 10 * 1024 * 1024 - 10  # LOG_FILE_BYTES_MAX, and no room for another record

HERE = pathlib.Path(__file__).resolve().parent


def options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=1000, help="how many different folders")
    parser.add_argument("--per-recording", type=int, default=500, help="how many of them of one recording")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no new recording after that long")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--jobs", type=int, default=2)
    add_programs(parser)
    parser.add_argument("--work", choices=["usual", *FEWER], help="record only this (default: all)")
    parser.add_argument("--recording", help="use this one instead of new ones")
    parser.add_argument("--state", help="only this state of it: RECORDS.SEED")
    return with_programs(parser.parse_args(arguments))


def add_programs(parser):
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build/release", help="where the programs were built")
    parser.add_argument("--daemon", help="another ccccd, recorded and judged")
    parser.add_argument("--keep", default=tempfile.gettempdir(), help="where failures are kept")


def with_programs(asked):
    asked.cli, asked.recorder = asked.build / "bin/cccc", asked.build / "tests/crash/libcrash_record.so"
    asked.daemon = asked.daemon or asked.build / "bin/ccccd"
    return asked


def scratch(prefix="cccc-crash-"):
    """A folder in memory where there is room: what is certain is decided here, not by a disk."""
    memory = os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > MEMORY_MIN
    return pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if memory else None))


# ---- the states of a recording ----


class States:
    """The different folders that power cuts during a recording could leave, as (records, seed, tree)."""

    def __init__(self, taken):
        self.taken = taken
        self.seen = set()

    def new(self, told, cut, seed, tree):
        key = (disk.digest(tree), told)
        if key in self.seen:
            return []
        self.seen.add(key)
        return [(cut, seed, tree)]

    def walk(self, wanted, chance):
        """Where there are states enough, one per sync: the most that can be lost, as late as that holds, when the most has been told. The rest at
        random; with fewer, a part of either, from all over the recording."""
        model = self.taken.model()
        told_at = [fact[0] for fact in self.taken.facts if fact[1] != "deleting"]
        syncs = sum(record.op == "SYNC_END" for record in self.taken.records)
        share = 1 if wanted > syncs else wanted / (2 * syncs)
        worst, made, told = None, 0, 0
        for cut, record in enumerate(self.taken.records, 1):
            model.replay(record)
            while told < len(told_at) and told_at[told] < cut:
                told += 1
            if record.op in ("CLOSE", "START", "SYNC_BEGIN"):
                continue
            tree = model.crash(0)
            if worst and disk.digest(tree) != disk.digest(worst[2]) and chance.random() < share:
                for state in self.new(*worst_told, *worst):
                    made += 1
                    yield state
            worst, worst_told = (cut, 0, tree), (told,)
            left = len(self.taken.records) - cut + 1
            while record.op != "SEND" and chance.random() < (wanted - made) / left:
                seed = chance.choice([1, 2, 3, chance.randrange(4, 1 << 20)])
                for state in self.new(told, cut, seed, model.crash(seed)):
                    made += 1
                    yield state
                if chance.random() < 0.5:
                    break


def rebuild(taken, cut, seed):
    model = taken.model()
    for record in taken.records[:cut]:
        model.replay(record)
    return model.crash(seed)


# ---- judging ----


def judge_state(task):
    """None, or what is wrong with it. In a process of its own."""
    folder, cut, seed, tree, program, cli = task
    place = scratch()
    try:
        disk.write_tree(tree, place / "home")
        oracle.judge(place / "home", program, cli, judge_state.taken(folder).expected(cut))
        return None
    except oracle.Violation as violation:
        return f"{cut}.{seed}: {violation}"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def last_recording(folder):
    """Each worker reads a recording once. (A folder's name is never used again.)"""
    if last_recording.folder != folder:
        last_recording.folder, last_recording.taken = folder, recording.Recording(folder)
    return last_recording.taken


last_recording.folder = None
judge_state.taken = last_recording


def check_complete(taken):
    """The replayed log must be the home, byte for byte, or the recorder misses calls."""
    replayed = disk.digest(rebuild(taken, len(taken.records), 1), skip=())
    if replayed != disk.digest(disk.Disk.from_folder(taken.folder / "home").now(), skip=()):
        raise SystemExit(f"the recording in {taken.folder} is not complete: replaying it does not give its home")


def torn(tree):
    """Does a ledger end within a line? Then a recovery has something to cut."""
    return any(path.endswith("/ledger.jsonl") and leaf.content and not leaf.content.endswith(b"\n") for path, leaf in disk.leaves(tree))


def record_recovery(folder, taken, chance, asked):
    """Record what a start makes of a folder that a power cut left of another recording, most often one with a torn ledger, and with a full log."""
    for _ in range(100):
        cut, seed = chance.randrange(len(taken.records)), chance.randrange(1 << 20)
        tree = rebuild(taken, cut, seed)
        if torn(tree):
            break
    if "daemon" in tree and chance.random() < 0.3:
        tree["daemon"]["ccccd.log"] = disk.Leaf(bytes(LOG_FULL), disk.File(0))
    workload.record(folder, asked.daemon, asked.recorder, chance.random(), workload.recovery, tree, taken.expected(cut))
    return recording.Recording(folder)


def explore(taken, wanted, chance, asked, workers):
    """Judge `wanted` states of a recording: how many there were, and what is wrong with some."""
    check_complete(taken)
    tasks, failures, count = set(), [], 0
    for cut, seed, tree in States(taken).walk(wanted, chance):
        tasks.add(workers.submit(judge_state, (taken.folder, cut, seed, tree, asked.daemon, asked.cli)))
        count += 1
        if len(tasks) >= 4 * asked.jobs or count >= wanted:
            done, tasks = concurrent.futures.wait(tasks, return_when=concurrent.futures.FIRST_COMPLETED)
            failures += [task.result() for task in done if task.result()]
        if count >= wanted or failures:
            break
    failures += [task.result() for task in concurrent.futures.wait(tasks).done if task.result()]
    return count, failures


def report(taken, failures, asked):
    """Keep what is needed to look at it again."""
    kept = pathlib.Path(tempfile.mkdtemp(prefix="cccc-crash-kept-", dir=asked.keep)) / "recording"
    shutil.copytree(taken.folder, kept, ignore=disk.SOCKETS)
    for failure in failures:
        print("BROKEN", failure)
    state = failures[0].partition(":")[0]
    print(f"again: tests/crash/explore.py --build {asked.build} --daemon {asked.daemon} --recording {kept} --state {state}")


def one_state(asked):
    """Judge one state and leave its folder, as the power cut left it, beside the recording."""
    cut, seed = (int(part) for part in asked.state.split("."))
    tree = rebuild(recording.Recording(asked.recording), cut, seed)
    place = pathlib.Path(asked.recording).resolve().parent / f"state-{asked.state}"
    shutil.rmtree(place, ignore_errors=True)
    disk.write_tree(tree, place)
    failure = judge_state((asked.recording, cut, seed, tree, asked.daemon, asked.cli))
    print("BROKEN " + failure if failure else f"{asked.state} holds", f"\nthe folder as it was left: {place}")
    return 1 if failure else 0


def recordings(asked, chance, place):
    """Recordings of the usual workload, of recoveries from what power cuts left of each, of sealing and of retiring. (a recording, how many of its states)"""
    if asked.recording:
        yield recording.Recording(asked.recording), asked.states
        return
    for number in itertools.count():
        if asked.work not in FEWER:
            workload.record(place / f"{number}", asked.daemon, asked.recorder, chance.random())
            usual = recording.Recording(place / f"{number}")
            yield usual, asked.per_recording
            for again in range(RECOVERIES):
                yield record_recovery(place / f"{number}.{again}", usual, chance, asked), asked.per_recording // 10
                shutil.rmtree(place / f"{number}.{again}")
            shutil.rmtree(usual.folder)
        for name, work in FEWER.items():
            if asked.work in (None, name):
                workload.record(place / f"{number}.{name}", asked.daemon, asked.recorder, chance.random(), work)
                yield recording.Recording(place / f"{number}.{name}"), asked.per_recording // 4
                shutil.rmtree(place / f"{number}.{name}")


def main(arguments=None):
    asked = options(arguments)
    if asked.state:
        return one_state(asked)
    chance, begin, total, count_of_recordings, place = random.Random(asked.seed), time.monotonic(), 0, 0, scratch()
    print(f"seed {asked.seed} (--seed)", flush=True)
    try:
        with concurrent.futures.ProcessPoolExecutor(asked.jobs) as workers:
            for taken, wanted in recordings(asked, chance, place):
                count, failures = explore(taken, min(wanted, asked.states - total), chance, asked, workers)
                total, count_of_recordings = total + count, count_of_recordings + 1
                if failures:
                    report(taken, failures, asked)
                    return 1
                if total >= asked.states or time.monotonic() - begin > asked.seconds:
                    break
    finally:
        shutil.rmtree(place, ignore_errors=True)
    spent = time.monotonic() - begin
    print(f"{total} folders that power cuts could leave, of {count_of_recordings} recordings, in {spent:.0f} s ({total / spent:.1f} a second): all sound")
    return 0


if __name__ == "__main__":
    sys.exit(main())
