"""The daemon's side of the conversation with a holder, by hand: what it gets is in the open, and what it answers is the test's choice."""

import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

import msgpack
import zmq

BIN = pathlib.Path(os.environ.get("CCCC_BIN", "build/release/bin")).resolve()
GROUP, ACTOR = "g_0123456789ab", "agent"


class FakeDaemon:
    """A ROUTER that registers one holder and gives it orders. Orders without a report are repeated after each registration, as the real one does."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="cccc-test-hold-"))
        (self.home / "daemon").mkdir()
        self.context = zmq.Context()
        self.orders, self.reports, self.facts, self.exited, self.registrations = {}, {}, {}, None, []
        self.superseded = False
        self.typed = 0
        self.changed = threading.Condition()
        self.process = None
        self.epoch = 0
        self.open_bus()

    def open_bus(self):
        self.epoch += 1
        endpoint = f"ipc://{self.home}/daemon/bus{self.epoch}.sock"
        self.stopping = False
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(endpoint)
        descriptor = {"v": 1, "pid": os.getpid(), "bus": endpoint, "events": endpoint, "epoch": self.epoch}
        (self.home / "daemon" / "ccccd.addr.json").write_text(json.dumps(descriptor))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close_bus(self):
        """As a daemon that dies: nobody listens any more."""
        self.stopping = True
        self.thread.join()
        self.socket.close()

    def close(self):
        self.close_bus()
        if self.process:
            shutil.rmtree(self.home, ignore_errors=True)  # nobody is left to hear of its end
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.context.term()
        shutil.rmtree(self.home, ignore_errors=True)

    # -- the conversation --

    def serve(self):
        parked, self.sent = {}, None
        while not self.stopping:
            if self.socket.poll(20):
                frames = self.socket.recv_multipart()
                request = msgpack.unpackb(frames[-1])
                self.take(frames[0], request, parked)
            self.answer_waiting(parked)

    def take(self, peer, request, parked):
        args = request["args"]
        with self.changed:
            for report in args.get("reports", []):
                self.reports[report["order_id"]] = report
            self.facts.update(args.get("facts", {}))
            if "exited" in args:
                self.exited = args["exited"]
            if request["op"] == "hold_register":
                self.registrations.append(args)
            self.changed.notify_all()
        if self.superseded:
            self.send(peer, request, error={"code": "superseded", "message": "", "details": {}})
        elif request["op"] == "hold_register":
            self.answer_empty(parked)
            self.sent = set()
            self.send(peer, request, {"wait_ms": 5000})
        elif self.sent is None:
            self.send(peer, request, error={"code": "busy", "message": "register first", "details": {}})
        else:
            self.answer_empty(parked)
            parked["it"] = (peer, request)
            if "exited" in args:
                self.send(*parked.pop("it"), {"orders": []})

    def answer_empty(self, parked):
        for earlier in parked.values():
            self.send(*earlier, {"orders": []})
        parked.clear()

    def answer_waiting(self, parked):
        with self.changed:
            due = [order for key, order in self.orders.items() if key not in self.reports and key not in self.sent] if parked else []
        if due:
            self.sent.update(order["order_id"] for order in due)
            self.send(*parked.pop("it"), {"orders": due})

    def send(self, peer, request, result=None, error=None):
        body = {"v": 1, "id": request["id"], "ok": error is None, "result": result or {}}
        if error:
            body["error"] = error
        self.socket.send_multipart([peer, msgpack.packb(body)])

    # -- what tests ask for --

    def start(self, *command, **options):
        launch_read, launch_write = os.pipe()
        lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "HOME": str(self.home), "LC_ALL": "C.UTF-8", "PS1": "$ "}
        environment.update(options.pop("environment", {}))
        document = {"v": 1, "home": str(self.home), "group_id": GROUP, "actor_id": ACTOR, "generation": 7, "socket": str(self.home / "t.sock"),
                    "command": list(command), "environment": environment, "directory": str(self.home)}
        uid = options.pop("uid", None)
        document.update(options)
        if uid is not None:
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, uid, uid)

        def place():
            os.dup2(launch_read, 13)
            os.dup2(lock, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)

        self.process = subprocess.Popen([BIN / "cccc-hold"], preexec_fn=place, close_fds=False)
        os.close(launch_read)
        os.close(lock)
        os.write(launch_write, msgpack.packb(document))
        os.close(launch_write)
        self.until(lambda: self.registrations)
        return self

    def until(self, condition, seconds=20):
        with self.changed:
            assert self.changed.wait_for(condition, seconds), (self.reports, self.facts, self.exited)

    def until_ready(self):
        self.until(lambda: self.facts.get("ready"))

    def order(self, what, **more):
        """Give an order and wait for its report."""
        order_id = f"o{len(self.orders) + 1}"
        with self.changed:
            self.orders[order_id] = {"order_id": order_id, "order": what, **more}
        return order_id

    def ask(self, what, **more):
        order_id = self.order(what, **more)
        self.until(lambda: order_id in self.reports)
        return self.reports[order_id]

    def type(self, text, submit="enter"):
        return self.ask("type", text=text, submit=submit)

    def screen(self):
        return self.ask("tail", max_chars=100000)["result"]["text"]

    def shows(self, text, seconds=10):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if text in self.screen():
                return True
        raise AssertionError(f"{text!r} is not on the screen:\n{self.screen()}")
