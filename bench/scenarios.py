"""The figures demanded of the bus, and how each is measured. One function per scenario; it returns rows.

What a row measures is a list of values, one per round, each from runs right next to each other; a ratio is that of neighbours. Where a measurement is dear, there are fewer values than
rounds, and the table says how many. Unless a row says otherwise: 8 clients with 125 sends in flight each, 300 bytes of text, one follower that has to get every message, over ipc,
acknowledged after fdatasync."""

import fnmatch
import json
import os
import re
import signal
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


def middle(runs, get):
    return statistics.median(get(r) for r in runs)


def us(runs):
    """What it was beside the disk of the same run."""
    ack, disk = ({q: middle(runs, lambda r: r[of][q]) for q in ("p50_us", "p99_us", "count")} for of in ("ack", "disk"))
    return f"ack p50 {ack['p50_us']:,.0f} us, p99 {ack['p99_us']:,.0f} us of {ack['count']:,.0f}; disk p50 {disk['p50_us']:,.0f} us, p99 {disk['p99_us']:,.0f} us of {disk['count']:,.0f}"


def rates(runs):
    return [r["per_second"] for r in runs]


def ratios(runs, others):
    return [a["per_second"] / b["per_second"] for a, b in zip(runs, others)]


def beyond_disk(runs, quantile):
    """How much longer acknowledgements took than the disk did in the same run, in microseconds."""
    return [r["ack"][quantile] - r["disk"][quantile] for r in runs]


def check(run):
    """A run counts only when nothing failed, and what was followed came in order and without a gap."""
    if not run["ok"] or run["failed"] or run["missed"] or not run["sent"] or (run["name"] == "cccc" and run["ack"]["count"] == 0):
        raise Failed(f"a run went wrong: {run}")
    return run


def all_followed(run, followers=1):
    """Nor does it count where a follower has not got everything that was acknowledged."""
    check(run)
    if run["followed"] < run["sent"] * followers:
        raise Failed(f"{run['sent']} sent, {run['followed']} followed by {followers}")
    return run


def pairs(bench, ours, others, followers=1):
    """One run of each, in turns."""
    made = [(all_followed(ours(), followers), all_followed(others(), followers)) for _ in range(bench.pairs)]
    return [a for a, _ in made], [b for _, b in made]


# ---- throughput ----


def whole(run):
    return sum(run["whole_us"].values())


def processor_row(what, runs, raw):
    """Of the whole daemon, with what a burst leaves to be sealed; the parts add up to it."""
    parts = " + ".join(f"{part} {middle(runs, lambda r: r['whole_us'].get(part, 0)):.1f}" for part in ("loop", "io", "commit", "seal", "other"))
    return Row(what, [whole(r) for r in runs], "us", most=3.0,
               note=f"{parts}; clients: senders {middle(runs, lambda r: r['cpu_us']['senders']):.1f}, follower {middle(runs, lambda r: r['cpu_us']['followers']):.1f}; "
                    f"raw {middle(raw, lambda r: r['cpu_us']['server']):.1f}, its senders {middle(raw, lambda r: r['cpu_us']['senders']):.1f}")


def single_sends(bench):
    """The rate of single sends, beside libzmq without storage and beside others that store."""
    with bench.daemon() as daemon:
        group = daemon.groups()
        raw = Raw(bench, daemon.sizes(group[0]))
        ours, theirs = pairs(bench, lambda: daemon.load(group), raw.load)
        rows = [Row("single sends, acknowledged", rates(ours), "/s", note=us(ours)),
                Row("single sends / raw libzmq", ratios(ours, theirs), "x", least=0.75, note=f"raw {show(middle(theirs, lambda r: r['per_second']), '/s')}"),
                processor_row("broker processor time per message", ours, theirs)]
        for name, least in (("redis-always", 3), ("redis-everysec", 1.3), ("jetstream", 3)):
            rows.append(beside_peer(bench, daemon, group, name, least))
    return rows


def beside_peer(bench, daemon, group, name, least):
    what = f"single sends / {name}"
    with bench.peer(name) as peer:
        if not peer:
            return Row(what, [], "x", least=least, note="not installed: ./bootstrap bench-packages")
        ours, theirs = pairs(bench, lambda: daemon.load(group), peer.load)
    return Row(what, ratios(ours, theirs), "x", least=least,
               note=f"{name} {show(middle(theirs, lambda r: r['per_second']), '/s')}, {middle(theirs, whole):.1f} us of its processor time per message; {peer.sync}")


def sustained(bench):
    """Single sends for half a minute, in which ledgers are sealed beside the sends. One run of each: it is as long as twenty."""
    seconds = bench.size(30, bench.times["seconds"])
    with bench.daemon() as daemon:
        group = daemon.groups()
        ours = [all_followed(daemon.load(group, seconds=seconds))]
        raw = [all_followed(Raw(bench, daemon.sizes(group[0])).load(seconds=seconds))]
    return [Row(f"single sends for {seconds:g} s / raw libzmq", ratios(ours, raw), "x", least=0.75, note=f"{show(ours[0]['per_second'], '/s')}; {us(ours)}"),
            processor_row(f"broker processor time per message, {seconds:g} s", ours, raw)]


def batches(bench):
    """send_batch of 100 messages, 10 in flight, beside libzmq's single messages."""
    with bench.daemon() as daemon:
        group = daemon.groups()
        raw = Raw(bench, daemon.sizes(group[0]))
        ours, theirs = pairs(bench, lambda: daemon.load(group, batch=100, window=10), raw.load)
    return [Row("send_batch of 100, 10 in flight / raw single messages", ratios(ours, theirs), "x", least=2,
                note=f"{show(middle(ours, lambda r: r['per_second']), '/s')}; broker {middle(ours, whole):.1f} us/message")]


# ---- latency ----


def long_enough(bench):
    """For the highest percentiles of a disk that is asked a hundred times a second."""
    return bench.size(4, 1) * bench.times["seconds"]


def one_client(bench):
    """One client that waits for each acknowledgement."""
    with bench.daemon() as daemon:
        group = daemon.groups()
        runs = [all_followed(daemon.load(group, clients=1, window=1, seconds=long_enough(bench))) for _ in range(bench.rounds)]
    return [Row("one closed-loop client: ack p50 beyond the disk's", beyond_disk(runs, "p50_us"), "us", most=250, note=us(runs)),
            Row("one closed-loop client: ack p99 beyond the disk's", beyond_disk(runs, "p99_us"), "us", most=1000)]


def many_clients(bench):
    """64 clients that wait for each acknowledgement, beside the same on raw libzmq."""
    clients = bench.size(64, 8)
    with bench.daemon() as daemon:
        group = daemon.groups()
        raw = Raw(bench, daemon.sizes(group[0]))
        ours, theirs = pairs(bench, lambda: daemon.load(group, clients=clients, window=1), lambda: raw.load(clients=clients, window=1))
    beyond = [c["ack"]["p99_us"] - r["ack"]["p99_us"] - 4 * c["disk"]["p99_us"] for c, r in zip(ours, theirs)]
    return [Row(f"{clients} clients, one in flight each / raw", ratios(ours, theirs), "x", least=0.5, note=us(ours)),
            Row(f"{clients} clients: ack p99 beyond raw's p99 + 4 x disk p99", beyond, "us", most=0, note=f"raw p99 {middle(theirs, lambda r: r['ack']['p99_us']):,.0f} us")]


def open_loop(bench):
    """10,000 messages a second, due at fixed times."""
    rate = bench.size(10000, 1000)
    with bench.daemon() as daemon:
        group = daemon.groups()
        runs = [all_followed(daemon.load(group, rate=rate, window=1000, seconds=long_enough(bench))) for _ in range(bench.rounds)]
    return [Row(f"open loop {rate:,}/s: p99 beyond the disk's", beyond_disk(runs, "p99_us"), "us", most=3000, note=us(runs)),
            Row(f"open loop {rate:,}/s: p99.9 beyond the disk's", beyond_disk(runs, "p999_us"), "us", most=10000,
                note=f"disk p99.9 {middle(runs, lambda r: r['disk']['p999_us']):,.0f} us of {middle(runs, lambda r: r['disk']['count']):,.0f}"),
            Row(f"open loop {rate:,}/s: sent", rates(runs), "/s", least=0.99 * rate)]


# ---- many groups ----


def many_groups(bench):
    """Groups written evenly, beside one group with as many sends in flight. A follower of libcccc follows one group: nobody follows in either case."""
    rows = []
    for count, each, least in ((bench.size(100, 5), 20, 0.6), (bench.size(1000, 15), 10, 0.4)):
        with bench.daemon() as daemon:
            groups = daemon.groups(count)
            many, one = pairs(bench, *(lambda to=to: daemon.load(to, window=count * each // 8, followers=0) for to in (groups, groups[:1])), followers=0)
        rows.append(Row(f"{count:,} groups, {each} in flight each / one group (no follower)", ratios(many, one), "x", least=least,
                        note=f"{show(middle(many, lambda r: r['per_second']), '/s')}; {us(many)}"))
    return rows


def quiet_group(bench):
    """A group with a message now and then beside others that are written as fast as possible; and, for comparison, one that is written about as much as each of those, which is no quiet one."""
    count, rates_of, seconds = bench.size(1000, 15), (8, 50), bench.size(20, 0.5)
    runs = {rate: [] for rate in rates_of}
    with bench.daemon() as daemon:
        groups = daemon.groups(count)
        for _ in range(bench.rounds):
            with daemon.start_load(groups[2:], window=count * 10 // 8, followers=0, warmup=0, seconds=seconds + bench.size(2, 0.5)) as others:
                time.sleep(bench.size(1, 0.2))
                quiet = [daemon.start_load([group], clients=1, window=1000, rate=rate, followers=0, seconds=seconds) for group, rate in zip(groups, rates_of)]
                for rate, load in zip(rates_of, quiet):
                    with load:
                        runs[rate].append(check(load.result()))
                check(others.result())
    quiet, busy = rates_of
    beside = f"beside {count - 2} busy ones: ack p99 (no follower)"
    return [Row(f"one quiet group, {quiet}/s, {beside}", [r["ack"]["p99_us"] / 1000 for r in runs[quiet]], "ms", most=50, note=us(runs[quiet])),
            Row(f"one that gets as much as each of them, {busy}/s, {beside}", [r["ack"]["p99_us"] / 1000 for r in runs[busy]], "ms", note=us(runs[busy]))]


# ---- followers ----


def fan_out(bench):
    """One sender, 100 followers: when the last one has everything, beside raw XPUB to 100 SUBs."""
    followers = bench.size(100, 8)
    with bench.daemon() as daemon:
        group = daemon.groups()
        raw = Raw(bench, daemon.sizes(group[0]))
        ours, theirs = pairs(bench, lambda: daemon.load(group, clients=1, followers=followers), lambda: raw.load(clients=1, followers=followers), followers)
    values = [c["delivered_per_second"] / r["delivered_per_second"] for c, r in zip(ours, theirs)]
    return [Row(f"fan-out to {followers} followers: the last one has all / raw", values, "x", least=0.6,
                note=f"{show(middle(ours, lambda r: r['delivered_per_second']), '/s')} sends; repaired {sum(c['repaired'] for c in ours):,}")]


def slow_follower(bench):
    """A follower that sleeps 200 us per event costs the publisher nothing, and misses nothing. What is published in a second takes it a minute: when the rate is measured, nobody waits for
    it; of a burst it gets everything, which may take as long as it takes."""
    burst = bench.size(30000, 3000)
    quick, slow, bursts = [], [], []
    with bench.daemon() as daemon:
        group = daemon.groups()
        for _ in range(bench.rounds):
            quick.append(all_followed(daemon.load(group)))
            slow.append(check(daemon.load(group, sleep_us=200, drain=0)))
            bursts.append(all_followed(daemon.load(group, sleep_us=200, warmup=0, messages=burst)))
    return [Row("one follower that sleeps 200 us per event: publisher's rate / with a quick one", ratios(slow, quick), "x", least=0.95, note="the slow one is not waited for"),
            Row("the slow follower, after a burst: events missed or out of order", [r["sent"] - r["followed"] + r["missed"] for r in bursts], "", most=0,
                note=f"{middle(bursts, lambda r: r['sent']):,.0f} sent, {middle(bursts, lambda r: r['followed']):,.0f} followed"),
            Row("the slow follower: events repaired from the ledger", [r["repaired"] for r in bursts], "", least=1)]


def gateway(bench):
    """Lines of JSON: 64 clients that connect, send, wait for the acknowledgement and close; a follower on events_stream misses nothing."""
    clients = bench.size(64, 8)
    with bench.daemon() as daemon:
        group = daemon.groups()[0]
        runs = [all_followed(daemon.load_gateway(group, connections=clients)) for _ in range(bench.rounds)]
    return [Row(f"gateway: {clients} clients that connect, send and close", rates(runs), "/s", least=10000, note=f"broker {middle(runs, whole):.0f} us/message")]


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
            for _ in range(bench.pairs):
                good.append(all_followed(daemon.load(group, clients=8)))
                with Misfit(bench, kind, bus=bus, **values):
                    bad.append(all_followed(daemon.load(group, clients=7)))
            share = [b["per_second"] / (g["per_second"] * 7 / 8) for g, b in zip(good, bad)]
            slower = [b["ack"]["p99_us"] / g["ack"]["p99_us"] for g, b in zip(good, bad)]
            rows.append(Row(f"{what}: the others' share of what is theirs", share, "x", least=0.8))
            rows.append(Row(f"{what}: ack p99 / with one that behaves", slower, "x", most=2))
    return rows


# ---- large ledgers ----


QUESTIONS = ("inbox_list", "ledger_read", "event")
CACHES = ("snapshot", "mark", "*.ids")  # what can be made anew from a ledger


def files_of(daemon, group):
    return [os.path.join(folder, f) for folder, _, files in os.walk(os.path.join(daemon.home, "groups", group)) for f in files]


def sizes_of(daemon, group):
    """Bytes of the ledger's lines, and of all the group's files."""
    files = {os.path.basename(path): path for path in files_of(daemon, group)}
    lines = os.path.getsize(files["ledger.jsonl"])
    if "manifest" in files:
        with open(files["manifest"]) as f:
            lines += sum(int(raw) for raw in re.findall(r"^segment .* raw=(\d+)", f.read(), re.MULTILINE))
    return f"{lines / 1e6:,.0f} MB of lines, {sum(map(os.path.getsize, files.values())) / 1e6:,.0f} MB on disk"


def follow_rows(bench, daemon, group, size):
    """Events as libcccc hands them over, in packed form, and with each one unpacked by who follows."""
    rows = []
    for what, unpack in (("", 0), (", each unpacked", 1)):
        runs = [daemon.ask("follow", groups=group, unpack=unpack) for _ in range(bench.rounds)]
        rows.append(Row(f"follow {size:,} events from the beginning{what}", rates(runs), "/s", least=250000))
    return rows


def stop(daemon, group):
    daemon.stop()


def kill_behind_sends(daemon, group):
    """What was sent last is not in the saved state."""
    daemon.ask("send", groups=group, count=5000, batch=500, window=8, text=250)
    daemon.stop(signal.SIGKILL)


def stop_and_remove_caches(daemon, group):
    daemon.stop()
    for path in files_of(daemon, group):
        if any(fnmatch.fnmatch(os.path.basename(path), name) for name in CACHES):
            os.unlink(path)


def restart(daemon, group, end):
    """Seconds from the process's start until it has answered a question about the group, and its processor time until then."""
    end(daemon, group)
    began = time.monotonic()
    daemon.start()
    daemon.ask("ask", groups=group, what="inbox_list", count=1)
    return time.monotonic() - began, daemon.cpu_s()


def restart_rows(bench, daemon, group, size):
    rows = []
    stored = sizes_of(daemon, group)
    for what, end, times, most in (("valid index", stop, bench.rounds, 1), ("after kill -9", kill_behind_sends, bench.rounds, 1),
                                   ("without " + ", ".join(CACHES), stop_and_remove_caches, min(bench.rounds, 3), 10)):
        took = [restart(daemon, group, end) for _ in range(times)]
        rows.append(Row(f"restart with {size:,} events, {what}", [s for s, _ in took], "s", most=most,
                        note=f"{stored}; {statistics.median(cpu for _, cpu in took):.2f} s of processor time, {daemon.rss_mb():.0f} MB resident"))
    return rows


def verified(bench, daemon, group):
    """Megabytes of lines that `cccc ledger verify` judges in a second, from start to exit."""
    began = time.perf_counter()
    done = subprocess.run([bench.binary("cccc"), "ledger", "verify", "--group", group, "--json"], env=daemon.env, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)["result"]["ledgers"][0]["bytes"] / (time.perf_counter() - began) / 1e6


def verify_row(bench, daemon, group, size):
    judged = [verified(bench, daemon, group) for _ in range(bench.rounds)]
    return Row(f"verify {size:,} events, sealed or not, from the cache", judged, "MB/s", least=500)


def large_ledger(bench):
    """Questions, following, judging and restarts while a ledger grows."""
    sizes = [1000, 5000, 20000] if bench.quick else [20000, 200000, 2000000] + ([10000000] if bench.long else [])
    rows = {what: [] for what in QUESTIONS}
    more = []
    there = 2  # the group and its actor
    with bench.daemon() as daemon:
        group = daemon.groups()[0]
        for size in sizes:
            daemon.ask("send", groups=group, count=size - there, batch=500, window=8, text=250, timeout=600)
            daemon.rest(bench.quick)
            there = size
            for what in QUESTIONS:
                found = [daemon.ask("ask", groups=group, what=what, count=bench.size(500, 50)) for _ in range(bench.rounds)]
                rows[what].append(Row(f"{what}, {size:,} events: p50", [f["p50_us"] / 1000 for f in found], "ms", most=1.0, note=f"p99 {middle(found, lambda f: f['p99_us']) / 1000:.2f} ms"))
            if size == sizes[2]:
                more = follow_rows(bench, daemon, group, size) + [verify_row(bench, daemon, group, size)] + restart_rows(bench, daemon, group, size)
    return [row for rows_of in rows.values() for row in rows_of] + more


# ---- what stands around ----


def idle_clients(bench):
    """Clients that are connected and do nothing."""
    count = bench.size(10000, 200)
    with bench.daemon() as daemon:
        with Misfit(bench, "idle", bus=daemon.address["bus"], count=count):
            time.sleep(bench.size(1, 0.1))  # what connecting has left to do
            cpu, began = daemon.cpu_s(), time.monotonic()
            time.sleep(bench.size(30, 0.5))
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
        time.sleep(bench.size(3, 0.1))  # buffers of ledgers that are quiet are given back
        rss = daemon.rss_mb()
        daemon.stop()
        began = time.monotonic()
        daemon.start()
        restarted, again = time.monotonic() - began, daemon.rss_mb()
    return [Row(f"{count:,} groups x {actors} actors x {events:,} events: memory", [rss], "MB", most=200, note=f"{busy:,.0f} MB while they were written; {again:,.0f} MB after a restart of {restarted:.1f} s")]


# ---- commands ----


def commands(bench):
    """Commands as a person starts them, from start to exit."""
    rows = []
    with bench.daemon() as daemon:
        group = daemon.groups()[0]
        all_followed(daemon.load([group], clients=1, window=20))
        disk_ms = check(daemon.load([group], clients=1, window=1, rate=20))["disk"]["p50_us"] / 1000
        for line, limit in ((["status"], 15), (["send", "hello", "--to", "peer-1", "--group", group], 20 + disk_ms), (["inbox", "--actor-id", "peer-1", "--group", group], 20)):
            took = []
            for _ in range(bench.size(41, 5)):
                began = time.perf_counter()
                subprocess.run([bench.binary("cccc"), *line], env=daemon.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                took.append((time.perf_counter() - began) * 1000)
            rows.append(Row(f"cccc {line[0]}, start to exit", took, "ms", most=limit, note=f"disk p50 {disk_ms:.1f} ms" if line[0] == "send" else ""))
    return rows


SCENARIOS = {f.__name__.replace("_", "-"): f for f in (single_sends, sustained, batches, one_client, many_clients, open_loop, many_groups, quiet_group, fan_out, slow_follower,
                                                        gateway, misfits, large_ledger, idle_clients, memory, commands)}
