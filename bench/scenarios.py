"""The figures demanded of the bus, and how each is measured. One function per scenario; it returns rows.

What a row measures is a list of values, one per round, each from runs right next to each other; a ratio is that of neighbours. Unless a scenario says otherwise:
8 clients with 125 sends in flight each, 300 bytes of text, one follower, over ipc, acknowledged after fdatasync."""

import json
import os
import statistics
import subprocess
import time

from servers import Failed, Misfit, Raw


class Row:
    """One figure: what was measured, what is demanded of it, and whether that was reached."""

    def __init__(self, what, values, unit, least=None, most=None, note=""):
        self.what, self.values, self.unit, self.least, self.most, self.note = what, values, unit, least, most, note

    @property
    def median(self):
        return statistics.median(self.values) if self.values else None

    @property
    def reached(self):
        if self.median is None or (self.least is None and self.most is None):
            return None
        return (self.least is None or self.median >= self.least) and (self.most is None or self.median <= self.most)

    def demanded(self):
        if self.least is None and self.most is None:
            return ""
        return f">= {show(self.least, self.unit)}" if self.least is not None else f"<= {show(self.most, self.unit)}"

    def as_dict(self):
        return {"what": self.what, "values": self.values, "median": self.median, "unit": self.unit, "least": self.least, "most": self.most,
                "reached": self.reached, "note": self.note}


def show(value, unit):
    if value is None:
        return "-"
    if unit == "x":
        return f"{value:.2f} x"
    if unit == "/s":
        return f"{value:,.0f}/s"
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:,.2g} {unit}" if abs(value) < 1 else f"{value:,.1f} {unit}"


def us(values):
    """What it was beside the disk of the same run."""
    return f"ack p50 {statistics.median(r['ack']['p50_us'] for r in values):,.0f} us, p99 {statistics.median(r['ack']['p99_us'] for r in values):,.0f} us; " \
           f"disk p50 {statistics.median(r['disk']['p50_us'] for r in values):,.0f} us, p99 {statistics.median(r['disk']['p99_us'] for r in values):,.0f} us"


def rates(runs):
    return [r["per_second"] for r in runs]


def ratios(runs, others):
    return [a["per_second"] / b["per_second"] for a, b in zip(runs, others)]


def beyond_disk(runs, quantile):
    """How much longer acknowledgements took than the disk did in the same run, in microseconds."""
    return [r["ack"][quantile] - r["disk"][quantile] for r in runs]


def check(run):
    """A run counts only when nothing failed and everything was followed."""
    if not run["ok"] or run["failed"] or run["missed"] or (run["name"] == "cccc" and run["ack"]["count"] == 0):
        raise Failed(f"a run went wrong: {run}")
    return run


def all_followed(run, followers=1):
    check(run)
    if run["followed"] < run["sent"] * followers:
        raise Failed(f"{run['sent']} sent, {run['followed']} followed by {followers}")
    return run


# ---- throughput ----


def single_sends(bench):
    """The rate of single sends, beside libzmq without storage and beside others that store."""
    runs = {}
    with bench.daemon() as daemon, bench.peers() as (peers, missing):
        group = daemon.groups()
        everybody = {"cccc": lambda: all_followed(daemon.load(group)), "raw": Raw(bench, daemon.sizes(group[0])).load}
        everybody |= {name: peer.load for name, peer in peers.items()}
        for _ in range(bench.rounds):
            for name, load in everybody.items():
                runs.setdefault(name, []).append(load())
    cccc = runs["cccc"]
    rows = [Row("single sends, acknowledged", rates(cccc), "/s", note=us(cccc))]
    for name, least in (("raw", 0.75), ("redis-always", 3), ("redis-everysec", 1.3), ("jetstream", 3)):
        what = f"single sends / {'raw libzmq' if name == 'raw' else name}"
        if name in runs:
            rows.append(Row(what, ratios(cccc, runs[name]), "x", least=least, note=f"{name} {show(statistics.median(rates(runs[name])), '/s')}"))
        else:
            rows.append(Row(what, [], "x", least=least, note=missing[name]))
    parts = ", ".join(f"{part} {statistics.median(r['cpu_us'][part] for r in cccc):.1f}" for part in ("loop", "io", "commit", "seal", "senders", "followers"))
    rows.append(Row("broker processor time per message", [r["cpu_us"]["server"] for r in cccc], "us", most=3.0,
                    note=f"{parts}; raw {statistics.median(r['cpu_us']['server'] for r in runs['raw']):.1f}, senders "
                         f"{statistics.median(r['cpu_us']['senders'] for r in runs['raw']):.1f}"))
    return rows


def batches(bench):
    """send_batch of 100 messages, 10 in flight, beside libzmq's single messages."""
    cccc, raw = [], []
    with bench.daemon() as daemon:
        group = daemon.groups()
        other = Raw(bench, daemon.sizes(group[0]))
        for _ in range(bench.rounds):
            cccc.append(check(daemon.load(group, batch=100, window=10)))
            raw.append(other.load())
    return [Row("send_batch of 100, 10 in flight / raw single messages", ratios(cccc, raw), "x", least=2,
                note=f"{show(statistics.median(rates(cccc)), '/s')}; broker {statistics.median(r['cpu_us']['server'] for r in cccc):.1f} us/message")]


# ---- latency ----


def one_client(bench):
    """One client that waits for each acknowledgement."""
    with bench.daemon() as daemon:
        group = daemon.groups()
        runs = [all_followed(daemon.load(group, clients=1, window=1)) for _ in range(bench.rounds)]
    return [Row("one closed-loop client: ack p50 beyond the disk's", beyond_disk(runs, "p50_us"), "us", most=250, note=us(runs)),
            Row("one closed-loop client: ack p99 beyond the disk's", beyond_disk(runs, "p99_us"), "us", most=1000)]


def many_clients(bench):
    """64 clients that wait for each acknowledgement, beside the same on raw libzmq."""
    clients = bench.size(64, 8)
    cccc, raw = [], []
    with bench.daemon() as daemon:
        group = daemon.groups()
        other = Raw(bench, daemon.sizes(group[0]))
        for _ in range(bench.rounds):
            cccc.append(all_followed(daemon.load(group, clients=clients, window=1)))
            raw.append(other.load(clients=clients, window=1))
    beyond = [c["ack"]["p99_us"] - r["ack"]["p99_us"] - 4 * c["disk"]["p99_us"] for c, r in zip(cccc, raw)]
    return [Row(f"{clients} clients, one in flight each / raw", ratios(cccc, raw), "x", least=0.5, note=us(cccc)),
            Row(f"{clients} clients: ack p99 beyond raw's p99 + 4 x disk p99", beyond, "us", most=0,
                note=f"raw p99 {statistics.median(r['ack']['p99_us'] for r in raw):,.0f} us")]


def open_loop(bench):
    """10,000 messages a second, due at fixed times."""
    rate = bench.size(10000, 1000)
    with bench.daemon() as daemon:
        group = daemon.groups()
        runs = [all_followed(daemon.load(group, rate=rate, window=1000)) for _ in range(bench.rounds)]
    return [Row(f"open loop {rate:,}/s: p99 beyond the disk's", beyond_disk(runs, "p99_us"), "us", most=3000, note=us(runs)),
            Row(f"open loop {rate:,}/s: p99.9 beyond the disk's", beyond_disk(runs, "p999_us"), "us", most=10000),
            Row(f"open loop {rate:,}/s: sent", rates(runs), "/s", least=0.99 * rate)]


# ---- many groups ----


def many_groups(bench):
    """Groups written evenly, beside one group with as many sends in flight."""
    rows = []
    for count, each, least in ((bench.size(100, 10), 20, 0.6), (bench.size(1000, 30), 10, 0.4)):
        window = count * each // 8
        many, one = [], []
        with bench.daemon() as daemon:
            groups = daemon.groups(count)
            for _ in range(min(bench.rounds, 5)):
                # Followers of libcccc follow one group: nobody follows in either case.
                many.append(check(daemon.load(groups, window=window, followers=0)))
                one.append(check(daemon.load(groups[:1], window=window, followers=0)))
        rows.append(Row(f"{count:,} groups, {each} in flight each / one group", ratios(many, one), "x", least=least,
                        note=f"{show(statistics.median(rates(many)), '/s')}; {us(many)}"))
    return rows


def quiet_group(bench):
    """A group with one message now and then beside 999 that are written as fast as possible."""
    count = bench.size(1000, 30)
    runs = []
    with bench.daemon() as daemon:
        groups = daemon.groups(count)
        for _ in range(min(bench.rounds, 5)):
            busy = daemon.start_load(groups[1:], window=count * 10 // 8, followers=0, warmup=0, seconds=bench.size(7, 3))
            time.sleep(1)
            runs.append(check(daemon.load(groups[:1], clients=1, window=1000, rate=5, followers=0, seconds=bench.size(5, 1))))
            check(busy.result())
    return [Row(f"one quiet group beside {count - 1} busy ones: ack p99", [r["ack"]["p99_us"] / 1000 for r in runs], "ms", most=50, note=us(runs))]


# ---- followers ----


def fan_out(bench):
    """One sender, 100 followers: when the last one has everything, beside raw XPUB to 100 SUBs."""
    followers = bench.size(100, 8)
    cccc, raw = [], []
    with bench.daemon() as daemon:
        group = daemon.groups()
        other = Raw(bench, daemon.sizes(group[0]))
        for _ in range(min(bench.rounds, 5)):
            cccc.append(all_followed(daemon.load(group, clients=1, followers=followers), followers))
            raw.append(other.load(clients=1, followers=followers))
    values = [c["delivered_per_second"] / r["delivered_per_second"] for c, r in zip(cccc, raw)]
    return [Row(f"fan-out to {followers} followers: the last one has all / raw", values, "x", least=0.6,
                note=f"{show(statistics.median(c['delivered_per_second'] for c in cccc), '/s')} sends; repaired {sum(c['repaired'] for c in cccc):,}")]


def slow_follower(bench):
    """A follower that sleeps 200 us per event costs the publisher nothing, and misses nothing."""
    quick, slow = [], []
    with bench.daemon() as daemon:
        group = daemon.groups()
        for _ in range(min(bench.rounds, 5)):
            quick.append(check(daemon.load(group)))
            slow.append(check(daemon.load(group, sleep_us=200, drain=bench.size(15, 5))))
    return [Row("one follower that sleeps 200 us per event: publisher's rate / with a quick one", ratios(slow, quick), "x", least=0.95),
            Row("the slow follower: events missed or out of order", [r["missed"] for r in slow], "", most=0),
            Row("the slow follower: events repaired from the ledger", [r["repaired"] for r in slow], "", least=1)]


def gateway(bench):
    """Lines of JSON: 64 clients that connect, send, wait for the acknowledgement and close; a follower on events_stream misses nothing."""
    clients = bench.size(64, 8)
    with bench.daemon() as daemon:
        group = daemon.groups()[0]
        runs = [all_followed(daemon.load_gateway(group, connections=clients)) for _ in range(bench.rounds)]
    return [Row(f"gateway: {clients} clients that connect, send and close", rates(runs), "/s", least=10000)]


# ---- clients that do not behave ----


def misfits(bench):
    """Seven clients beside one that does not behave, and beside one that does."""
    rows = []
    half = bench.size(1000, 50)
    with bench.daemon() as daemon:
        group = daemon.groups()
        bus = daemon.address["bus"]
        kinds = {"a client that never reads": ("deaf", {"groups": group[0]}), "a client that floods": ("flood", {"groups": group[0]}),
                 f"{half:,} half-open ones": ("half", {"count": half})}
        for what, (kind, values) in kinds.items():
            good, bad = [], []
            for _ in range(min(bench.rounds, 3)):
                good.append(check(daemon.load(group, clients=8)))
                with Misfit(bench, kind, bus=bus, **values):
                    bad.append(check(daemon.load(group, clients=7)))
            share = [b["per_second"] / (g["per_second"] * 7 / 8) for g, b in zip(good, bad)]
            slower = [b["ack"]["p99_us"] / g["ack"]["p99_us"] for g, b in zip(good, bad)]
            rows.append(Row(f"{what}: the others' share of what is theirs", share, "x", least=0.8))
            rows.append(Row(f"{what}: ack p99 / with one that behaves", slower, "x", most=2))
    return rows


# ---- large ledgers ----


def stop_and_start(daemon):
    daemon.stop()
    return daemon.start()


def without_index(daemon):
    """What can be made anew from the ledger is taken away."""
    daemon.stop()
    for folder, _, files in os.walk(os.path.join(daemon.home, "groups")):
        for name in files:
            if name == "snapshot":
                os.unlink(os.path.join(folder, name))
    return daemon.start()


def ledger_bytes(daemon, group):
    return sum(os.path.getsize(os.path.join(folder, f)) for folder, _, files in os.walk(os.path.join(daemon.home, "groups", group)) for f in files)


def verified(bench, daemon, group):
    """Megabytes of lines that `cccc ledger verify` judges in a second, from start to exit."""
    began = time.perf_counter()
    done = subprocess.run([bench.binary("cccc"), "ledger", "verify", "--group", group, "--json"], env=daemon.env, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)["result"]["ledgers"][0]["bytes"] / (time.perf_counter() - began) / 1e6


def large_ledger(bench):
    """Questions, following, judging and restarts while a ledger grows."""
    sizes = [1000, 5000, 20000] if bench.quick else [20000, 200000, 2000000] + ([10000000] if bench.long else [])
    rows = {what: [] for what in ("inbox_list", "ledger_read", "event")}
    more = []
    there = 2  # the group and its actor
    with bench.daemon() as daemon:
        group = daemon.groups()[0]
        for size in sizes:
            daemon.ask("send", groups=group, count=size - there, batch=500, window=8, text=250, timeout=600)
            there = size
            for what in rows:
                found = daemon.ask("ask", groups=group, what=what, count=bench.size(500, 50))
                rows[what].append(Row(f"{what}, {size:,} events: p50", [found["p50_us"] / 1000], "ms", most=1.0, note=f"p99 {found['p99_us'] / 1000:.2f} ms"))
            if size == sizes[min(2, len(sizes) - 1)]:
                followed = [daemon.ask("follow", groups=group) for _ in range(bench.size(3, 1))]
                more.append(Row(f"follow {size:,} events from the beginning", [f["per_second"] for f in followed], "/s", least=250000))
                judged = [verified(bench, daemon, group) for _ in range(bench.size(3, 1))]
                more.append(Row(f"verify {size:,} events, sealed or not, from the cache", judged, "MB/s", least=500))
                stored = f"{ledger_bytes(daemon, group) / 1e6:,.0f} MB on disk"
                more.append(Row(f"restart with {size:,} events, valid index", [stop_and_start(daemon) for _ in range(bench.size(3, 1))], "s", most=1, note=stored))
                more.append(Row(f"restart with {size:,} events, without index", [without_index(daemon)], "s", most=10))
    return [row for rows_of in rows.values() for row in rows_of] + more


# ---- what stands around ----


def idle_clients(bench):
    """Clients that are connected and do nothing."""
    count = bench.size(10000, 200)
    with bench.daemon() as daemon:
        with Misfit(bench, "idle", bus=daemon.address["bus"], count=count):
            time.sleep(1)  # what connecting has left to do
            cpu, began = daemon.cpu_s(), time.monotonic()
            time.sleep(bench.size(5, 0.5))
            used = (daemon.cpu_s() - cpu) / (time.monotonic() - began) * 100
            rss = daemon.rss_mb()
    return [Row(f"{count:,} idle clients: memory", [rss], "MB", most=350), Row(f"{count:,} idle clients: processor", [used], "%", most=1)]


def memory(bench):
    """Groups with actors and events, all of them served. What the daemon needs of memory does not depend on the disk, but making all of it would take long there."""
    count, actors, events = (20, 5, 100) if bench.quick else (1000, 20, 2000)
    with bench.daemon("/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as daemon:
        groups = daemon.groups(count, actors)
        daemon.ask("send", groups=",".join(groups), count=count * events, batch=100, window=100, text=300, timeout=900)
        busy = daemon.rss_mb()
        time.sleep(3)  # buffers of ledgers that are quiet are given back
        rss = daemon.rss_mb()
        restarted = stop_and_start(daemon)
        again = daemon.rss_mb()
    return [Row(f"{count:,} groups x {actors} actors x {events:,} events: memory", [rss], "MB", most=200, note=f"{busy:,.0f} MB while they were written; {again:,.0f} MB after a restart of {restarted:.1f} s")]


# ---- commands ----


def commands(bench):
    """Commands as a person starts them, from start to exit."""
    rows = []
    with bench.daemon() as daemon:
        group = daemon.groups()[0]
        check(daemon.load([group], clients=1, window=20))
        disk_ms = check(daemon.load([group], clients=1, window=1, rate=20))["disk"]["p50_us"] / 1000
        for line, limit in ((["status"], 15), (["send", "hello", "--to", "peer-1", "--group", group], 20 + disk_ms), (["inbox", "--actor-id", "peer-1", "--group", group], 20)):
            took = []
            for _ in range(bench.size(41, 5)):
                began = time.perf_counter()
                subprocess.run([bench.binary("cccc"), *line], env=daemon.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                took.append((time.perf_counter() - began) * 1000)
            rows.append(Row(f"cccc {line[0]}, start to exit", took, "ms", most=limit, note=f"disk p50 {disk_ms:.1f} ms" if line[0] == "send" else ""))
    return rows


SCENARIOS = {f.__name__.replace("_", "-"): f for f in (single_sends, batches, one_client, many_clients, open_loop, many_groups, quiet_group, fan_out, slow_follower,
                                                        gateway, misfits, large_ledger, idle_clients, memory, commands)}
