"""What is measured: a ccccd of its own in a scratch home, and the peers, each in a scratch folder, started here and ended by their process."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGESIZE")


class Failed(Exception):
    """A measurement that could not be made."""


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.005)


def run_json(command, timeout=300, env=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)[:300]}: status {done.returncode}\n{done.stderr}{done.stdout}")
    return json.loads(done.stdout.splitlines()[-1])


def find_server(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def words(values):
    return [f"{name}={value}" for name, value in values.items() if value is not None]


class Process:
    """A process that is ended when the block is left."""

    def __init__(self, command, env=None, log=None):
        self.command = command
        self.log = log
        out = open(log, "ab") if log else subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=out, stderr=out, env=env)
        if log:
            out.close()

    @property
    def pid(self):
        return self.process.pid

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.command[0]} ended with status {self.process.returncode}; {self.log} says why")

    def stop(self, patience=60):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_mb(self):
        with open(f"/proc/{self.pid}/statm") as f:
            return int(f.read().split()[1]) * PAGE / 1e6

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Daemon(Process):
    """ccccd; serves when this is made."""

    def __init__(self, bench, home):
        self.bench, self.home = bench, home
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("CCCC_")} | {"CCCC_HOME": home}
        self.start()

    def start(self):
        """Returns how long it took until it served, in seconds."""
        path = os.path.join(self.home, "daemon", "ccccd.addr.json")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        began = time.monotonic()
        super().__init__([self.bench.binary("ccccd"), "--home", self.home], self.env, os.path.join(self.bench.scratch, "ccccd.log"))
        wait_for(lambda: self.check_alive() or os.path.exists(path), "ccccd", 120)
        with open(path) as f:
            self.address = json.load(f)
        took = time.monotonic() - began
        return took

    def ask(self, command, timeout=300, **values):
        return run_json([self.bench.binary("bench_load"), command, *words({"home": self.home} | values)], timeout)

    def groups(self, count=1, actors=1):
        return self.ask("groups", count=count, actors=actors, timeout=900)["ids"]

    def load(self, groups, **values):
        """A measured load; events are followed by libcccc unless followers says otherwise."""
        result = self.ask("run", groups=",".join(groups), disk=self.home, pid=self.pid, **(self.bench.times | values))
        self.rest()
        return result

    def rest(self):
        """Wait until it has done what it left for a quiet moment (a burst is sealed behind it), which would otherwise be taken from whoever is measured next. Not in a quick run, whose
        figures say nothing."""
        if self.bench.quick:
            return
        time.sleep(1.5)
        before = self.cpu_s()
        for _ in range(60):
            time.sleep(0.25)
            now = self.cpu_s()
            if now - before < 0.02:
                return
            before = now

    def load_gateway(self, group, **values):
        """The same through the gateway, by clients that connect for each message and close."""
        return run_json([self.bench.binary("bench_gateway"), *words({"socket": self.address["path"], "group": group, "disk": self.home, "pid": self.pid, "clients": 4}
                                                                   | self.bench.times | values)])

    def start_load(self, groups, **values):
        """The same beside something else; `.result()` waits for it."""
        values = {"home": self.home, "groups": ",".join(groups), "disk": self.home, "pid": self.pid} | self.bench.times | values
        return Background([self.bench.binary("bench_load"), "run", *words(values)])

    def sizes(self, group):
        """Bytes of the frames of a send: what raw exchanges."""
        found = self.ask("sizes", groups=group, bus=self.address["bus"], events=self.address["events"])
        return {k: found[k] for k in ("request", "reply", "topic", "event")}


class Background:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self):
        out, err = self.process.communicate(timeout=300)
        if self.process.returncode != 0:
            raise Failed(f"{err}{out}")
        return json.loads(out)


class Misfit:
    """Clients that do not behave; they are there when this is made."""

    def __init__(self, bench, kind, **values):
        self.process = subprocess.Popen([bench.binary("bench_misfit"), kind, *words(values)], stdout=subprocess.PIPE, text=True)
        if "ready" not in self.process.stdout.readline():
            raise Failed(f"bench_misfit {kind} did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Raw:
    """libzmq by itself: no server of its own, the program brings it."""

    name = "raw"

    def __init__(self, bench, sizes, **fixed):
        self.bench, self.sizes, self.fixed = bench, sizes, fixed

    def load(self, **values):
        command = [self.bench.binary("bench_raw"), *words({"dir": self.bench.sockets, "disk": self.bench.scratch} | self.sizes | self.fixed | self.bench.times | values)]
        return run_json(command)

    def stop(self):
        pass


class Redis:
    """redis-server on a Unix socket, with an append-only file."""

    def __init__(self, bench, fsync):
        self.bench, self.name = bench, f"redis-{fsync}"
        self.dir = bench.folder(self.name)
        self.socket = os.path.join(bench.sockets, self.name)
        self.server = Process([find_server("redis-server"), "--port", "0", "--unixsocket", self.socket, "--dir", self.dir, "--appendonly", "yes", "--appendfsync", fsync,
                               "--save", "", "--daemonize", "no"], log=os.path.join(self.dir, "log"))
        wait_for(lambda: self.server.check_alive() or os.path.exists(self.socket), "redis-server")

    def load(self, **values):
        return run_json([self.bench.binary("bench_redis"), *words({"socket": self.socket, "disk": self.dir, "pid": self.server.pid} | self.bench.times | values)])

    def stop(self):
        self.server.stop()


class Nats:
    """nats-server on loopback with JetStream in files. It acknowledges before it syncs (every two minutes)."""

    name = "jetstream"

    def __init__(self, bench):
        self.bench = bench
        self.dir = bench.folder(self.name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{port}"
        self.server = Process([find_server("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", self.dir], log=os.path.join(self.dir, "log"))
        wait_for(lambda: self.server.check_alive() or self.listens(port), "nats-server")
        done = subprocess.run([bench.binary("bench_nats"), "stream", f"url={self.url}"], capture_output=True, text=True)
        if done.returncode:
            raise Failed(done.stderr)

    @staticmethod
    def listens(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def load(self, **values):
        return run_json([self.bench.binary("bench_nats"), "run", *words({"url": self.url, "disk": self.dir, "pid": self.server.pid} | self.bench.times | values)])

    def stop(self):
        self.server.stop()


class Bench:
    """Where things are and how much is measured."""

    def __init__(self, options):
        self.options = options
        self.quick, self.long = options.quick, options.long
        self.binaries = os.path.join(os.path.abspath(options.build), "bin")
        self.scratch = tempfile.mkdtemp(prefix="cb-", dir=options.dir or os.path.abspath(options.build))
        self.sockets = tempfile.mkdtemp(prefix="cb-")  # socket paths have 107 bytes
        self.rounds = options.rounds or (1 if self.quick else 7)
        self.times = {"warmup": 0.1, "seconds": 0.3, "drain": 20} if self.quick else {"warmup": 0.4, "seconds": options.seconds, "drain": 60}
        self.made = 0

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

    def folder(self, name):
        self.made += 1
        path = os.path.join(self.scratch, f"{name}-{self.made}")
        os.mkdir(path, 0o700)
        return path

    @contextlib.contextmanager
    def daemon(self, where=None):
        """A daemon in a fresh home, which is gone afterwards. `where`: on another disk than the one that is measured."""
        home = tempfile.mkdtemp(prefix="cb-", dir=where) if where else self.folder("h")
        daemon = Daemon(self, home)
        try:
            yield daemon
        finally:
            daemon.stop()
            shutil.rmtree(home, ignore_errors=True)

    @contextlib.contextmanager
    def peers(self):
        """The peers that are installed, by name; and why the others are not there."""
        there, missing = {}, {}
        makers = {"redis-always": ("redis-server", "bench_redis", lambda: Redis(self, "always")),
                  "redis-everysec": ("redis-server", "bench_redis", lambda: Redis(self, "everysec")),
                  "jetstream": ("nats-server", "bench_nats", lambda: Nats(self))}
        try:
            for name, (server, program, make) in makers.items():
                if find_server(server) and os.path.exists(os.path.join(self.binaries, program)):
                    there[name] = make()
                else:
                    missing[name] = f"{server} or its library is not installed: ./bootstrap bench"
            yield there, missing
        finally:
            for peer in there.values():
                peer.stop()
                shutil.rmtree(peer.dir, ignore_errors=True)
