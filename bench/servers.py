"""What is measured: a ccccd of its own in a scratch home, and the peers, each in a scratch folder, started here and ended by their process."""

import collections
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PAGE = os.sysconf("SC_PAGESIZE")
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A measurement that could not be made."""


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.005)


def check_build(parser, folder):
    if not os.path.isdir(os.path.join(folder, "bin")):
        parser.error(f"nothing is built in {folder}: cmake --preset release && cmake --build --preset release")


def end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **how):
    """A process that does not outlive this one, however this one ends."""
    return subprocess.Popen(command, preexec_fn=end_with_parent, **how)


def run_json(command, timeout=300):
    """The last line that a program prints."""
    what = f"{os.path.basename(command[0])} {' '.join(command[1:])[:200]}"
    with spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{what}: not within {timeout} s") from None
        finally:
            process.kill()
    if process.returncode != 0:
        raise Failed(f"{what}: status {process.returncode}\n{err}{out}")
    return json.loads(out.splitlines()[-1])


def find_server(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def words(values):
    return [f"{name}={value}" for name, value in values.items() if value is not None]


class Process:
    """A process that is ended when the block is left."""

    parts = {}  # what threads are called in figures, by what their names contain

    def __init__(self, command, log, env=None):
        self.name, self.log = os.path.basename(command[0]), log
        with open(log, "ab") as out:
            self.process = spawn(command, stdout=out, stderr=out, env=env)

    @property
    def pid(self):
        return self.process.pid

    def check_alive(self):
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as f:
                last = f.read().strip().splitlines()[-3:]
            raise Failed("\n".join([f"{self.name} ended with status {self.process.returncode}:", *last]))

    def wait_until(self, serves, seconds=30):
        """It serves when this returns; else it has been ended."""
        try:
            wait_for(lambda: self.check_alive() or serves(), f"start of {self.name}", seconds)
        except BaseException:
            self.stop()
            raise

    def stop(self, how=signal.SIGTERM, patience=60):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_parts(self):
        """Seconds of processor time so far, by part."""
        parts = collections.Counter()
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{self.pid}/task/{task}/comm") as comm, \
                    open(f"/proc/{self.pid}/task/{task}/schedstat") as account:
                name = comm.read()
                part = "loop" if int(task) == self.pid else next((p for word, p in self.parts.items() if word in name), "other")
                parts[part] += int(account.read().split()[0]) / 1e9
        return parts

    def cpu_s(self):
        return sum(self.cpu_parts().values())

    def rss_mb(self):
        with open(f"/proc/{self.pid}/statm") as f:
            return int(f.read().split()[1]) * PAGE / 1e6

    def rest(self, quick):
        """Wait until it has done what it left for a quiet moment (a burst is sealed behind it), which would otherwise be taken from whoever is measured next. Not in a quick run, whose
        figures say nothing."""
        if quick:
            return
        time.sleep(1.5)
        before = self.cpu_s()
        for _ in range(60):
            time.sleep(0.25)
            now = self.cpu_s()
            if now - before < 0.02:
                return
            before = now

    def account(self, bench, run):
        """What `run` answers, with all processor time per message by part: from the beginning of the run until what it left to be done is done."""
        before = self.cpu_parts()
        result = run()
        self.rest(bench.quick)
        if result["sent"]:
            result["whole_us"] = {part: round((s - before[part]) / result["sent"] * 1e6, 3) for part, s in self.cpu_parts().items()}
        return result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Daemon(Process):
    """ccccd; serves when this is made."""

    sync = "acknowledged after fdatasync"
    parts = {"IO": "io", "commit": "commit", "seal": "seal"}

    def __init__(self, bench, home):
        self.bench, self.home = bench, home
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("CCCC_")} | {"CCCC_HOME": home}
        self.start()

    def start(self):
        path = os.path.join(self.home, "daemon", "ccccd.addr.json")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        super().__init__([self.bench.binary("ccccd"), "--home", self.home], os.path.join(self.bench.scratch, "ccccd.log"), self.env)
        self.wait_until(lambda: os.path.exists(path), 120)
        with open(path) as f:
            self.address = json.load(f)

    def ask(self, command, timeout=300, **values):
        return run_json([self.bench.binary("bench_load"), command, *words({"home": self.home} | values)], timeout)

    def groups(self, count=1, actors=1):
        return self.ask("groups", count=count, actors=actors, timeout=900)["ids"]

    def plan(self, groups, values):
        return {"home": self.home, "groups": ",".join(groups), "disk": self.home, "pid": self.pid} | self.bench.times | values

    def load(self, groups, **values):
        """A measured load; events are followed by libcccc unless followers says otherwise."""
        return self.account(self.bench, lambda: self.bench.run(self, "bench_load", "run", **self.plan(groups, values)))

    def load_gateway(self, group, **values):
        """The same through the gateway, by clients that connect for each message and close."""
        plan = {"socket": self.address["path"], "group": group, "disk": self.home, "pid": self.pid, "clients": 4} | self.bench.times | values
        return self.account(self.bench, lambda: self.bench.run(self, "bench_gateway", **plan))

    def start_load(self, groups, **values):
        """The same beside something else; `.result()` waits for it."""
        return Background([self.bench.binary("bench_load"), "run", *words(self.plan(groups, values))], lambda result: self.bench.note(self, result))

    def sizes(self, group):
        """Bytes of the frames of a send: what raw exchanges."""
        found = self.ask("sizes", groups=group, bus=self.address["bus"], events=self.address["events"])
        return {k: found[k] for k in ("request", "reply", "topic", "event")}


class Background:
    """A program that runs beside what is measured; ended when the block is left."""

    def __init__(self, command, note=None):
        self.what, self.note = " ".join(command)[:200], note
        self.process = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self):
        out, err = self.process.communicate(timeout=300)
        if self.process.returncode != 0:
            raise Failed(f"{self.what}: status {self.process.returncode}\n{err}{out}")
        return self.note(json.loads(out))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class Misfit(Background):
    """Clients that do not behave; they are there when this is made."""

    def __init__(self, bench, kind, **values):
        super().__init__([bench.binary("bench_misfit"), kind, *words(values)])
        if "ready" not in self.process.stdout.readline():
            self.process.kill()
            raise Failed(f"{self.what} did not start\n{self.process.communicate()[1]}")


class Raw:
    """libzmq by itself: no server of its own, the program brings it."""

    name, sync = "raw libzmq", "nothing is stored"

    def __init__(self, bench, sizes):
        self.bench, self.sizes = bench, sizes

    def load(self, **values):
        return self.bench.run(self, "bench_raw", **{"dir": self.bench.sockets, "disk": self.bench.scratch} | self.sizes | self.bench.times | values)


class Redis(Process):
    """redis-server on a Unix socket, with an append-only file. Which it does not write anew as it grows: that is as much work again, and there is nothing yet to leave out."""

    def __init__(self, bench, fsync):
        self.bench, self.sync = bench, f"appendfsync {fsync}"
        self.dir = bench.folder("redis")
        self.socket = os.path.join(bench.sockets, os.path.basename(self.dir))
        super().__init__([find_server("redis-server"), "--port", "0", "--unixsocket", self.socket, "--dir", self.dir, "--appendonly", "yes", "--appendfsync", fsync,
                          "--auto-aof-rewrite-percentage", "0", "--save", "", "--daemonize", "no"], os.path.join(self.dir, "log"))
        self.wait_until(lambda: os.path.exists(self.socket))

    def load(self, **values):
        plan = {"socket": self.socket, "disk": self.dir, "pid": self.pid} | self.bench.times | values
        return self.account(self.bench, lambda: self.bench.run(self, "bench_redis", **plan))


class Nats(Process):
    """nats-server on loopback with JetStream in files. It acknowledges before it syncs (every two minutes)."""

    sync = "acknowledged before it is synced"

    def __init__(self, bench):
        self.bench = bench
        self.dir = bench.folder("jetstream")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        super().__init__([find_server("nats-server"), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self.dir], os.path.join(self.dir, "log"))
        self.wait_until(self.has_stream)

    def has_stream(self):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        done = subprocess.run([self.bench.binary("bench_nats"), "stream", f"url={self.url}"], capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"bench_nats stream: {done.stderr}")
        return True

    def load(self, **values):
        plan = {"url": self.url, "disk": self.dir, "pid": self.pid} | self.bench.times | values
        return self.account(self.bench, lambda: self.bench.run(self, "bench_nats", "run", **plan))


# What is measured beside the bus: its server, the program that loads it, and how it is started.
PEERS = {"redis-always": ("redis-server", "bench_redis", lambda bench: Redis(bench, "always")),
         "redis-everysec": ("redis-server", "bench_redis", lambda bench: Redis(bench, "everysec")),
         "jetstream": ("nats-server", "bench_nats", Nats)}


class Bench:
    """Where things are, how much is measured, and every run that was made."""

    def __init__(self, options):
        self.quick, self.long, self.rounds, self.pairs = options.quick, options.long, options.rounds, options.pairs
        self.binaries = os.path.join(os.path.abspath(options.build), "bin")
        self.scratch = tempfile.mkdtemp(prefix="cb-", dir=options.dir)
        self.sockets = tempfile.mkdtemp(prefix="cb-")  # socket paths have 107 bytes
        self.times = {"warmup": 0.1 if self.quick else 0.4, "seconds": options.seconds, "drain": 20 if self.quick else 60}
        self.made = 0
        self.runs = []

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def size(self, full, quick):
        return quick if self.quick else full

    def binary(self, name):
        path = os.path.join(self.binaries, name)
        if not os.path.exists(path):
            raise Failed(f"{path} is missing; build first: cmake --preset release && cmake --build --preset release")
        return path

    def run(self, server, program, *command, **values):
        """A measured run of a program on a server."""
        return self.note(server, run_json([self.binary(program), *command, *words(values)]))

    def note(self, server, result):
        """A run is kept, with its parameters."""
        result["parameters"].pop("pid", None)
        result["sync"] = server.sync
        result["bytes_per_second"] = round(result["per_second"] * result["parameters"].get("text", result["parameters"].get("event", 0)))
        self.runs.append(result)
        return result

    def folder(self, name):
        self.made += 1
        path = os.path.join(self.scratch, f"{name}-{self.made}")
        os.mkdir(path, 0o700)
        return path

    @contextlib.contextmanager
    def daemon(self, where=None):
        """A daemon in a fresh home, which is gone afterwards. `where`: on another disk than the one that is measured."""
        home = tempfile.mkdtemp(prefix="cb-", dir=where or self.scratch)
        try:
            with Daemon(self, home) as daemon:
                yield daemon
        finally:
            shutil.rmtree(home, ignore_errors=True)

    @contextlib.contextmanager
    def peer(self, name):
        """A peer with nothing stored, or None where it is not installed."""
        server, program, make = PEERS[name]
        if not find_server(server) or not os.path.exists(os.path.join(self.binaries, program)):
            yield None
            return
        with make(self) as peer:
            yield peer
        shutil.rmtree(peer.dir, ignore_errors=True)
