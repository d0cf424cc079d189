"""What the tests of actors share: a served home with a group that has a directory, the stand-in agent, and what can be seen of processes from outside."""

import json
import os
import pathlib
import signal
import sys
import time

AGENT = pathlib.Path(__file__).with_name("standin.py")
SLOW_BUILD = int(os.environ.get("CCCC_SLOW_BUILD", "1"))


class Team:
    """A served home with one group that has a directory."""

    def __init__(self, home, project):
        self.home = home
        self.bus = home.bus()
        self.group = self.bus.ask("attach", path=str(project))["group_id"]

    def ask(self, op, **args):
        return self.bus.ask(op, group_id=self.group, **args)

    def add(self, actor_id, *command, **more):
        self.ask("actor_add", **{"actor_id": actor_id, "runtime": "custom", "command": list(command), **more})

    def start(self, actor_id, *command, **more):
        self.add(actor_id, *command, **more)
        return self.ask("actor_start", actor_id=actor_id)

    def actor(self, actor_id):
        return next(a for a in self.ask("actor_list")["actors"] if a["id"] == actor_id)

    def until(self, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, (self.ask("actor_list"), self.events("runtime."))
            time.sleep(0.02)
        return found

    def screen(self, actor_id):
        return self.ask("terminal_tail", actor_id=actor_id, max_chars=100000)["text"]

    def events(self, beginning=""):
        return [e for e in self.home.ledger(self.group) if e["kind"].startswith(beginning)]

    def deliveries(self, actor_id, state):
        return [e for e in self.events("runtime.delivery") if e["data"]["actor_id"] == actor_id and e["data"]["state"] == state]

    def record(self, actor_id):
        """What the daemon wrote down of its holder."""
        return json.loads((self.home.path / "groups" / self.group / f"state/runners/pty/{actor_id}.json").read_text())

    def kill_daemon(self):
        os.kill(self.home.process.pid, signal.SIGKILL)
        self.home.process.wait()
        self.home.process.stdout.close()
        self.home.start()
        self.again()

    def ready(self, *actor_ids):
        self.until(lambda: all(self.actor(a).get("ready") for a in actor_ids))

    def told(self, actor_id, text, seconds=30):
        """Send it, and wait until it is accepted."""
        seq = self.ask("send", text=text, to=[actor_id])["event"]["seq"]
        self.until(lambda: any(seq in d["data"]["seqs"] and self.outcome(d) == "accepted" for d in self.deliveries(actor_id, "claimed")), seconds)

    def outcome(self, claim):
        """What became of a claim; None: nothing is known yet."""
        return next((e["data"]["state"] for e in self.events("runtime.delivery") if e["data"].get("delivery_id") == claim["id"]), None)

    def end(self):
        """Whatever it started is stopped."""
        if self.home.process and self.home.process.poll() is not None:
            self.home.start()
        self.again()
        self.ask("group_stop")
        self.bus.close()

    def again(self):
        """The daemon was restarted."""
        self.bus.close()
        self.bus = self.home.bus()


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def standin(*options):
    return [sys.executable, "-B", str(AGENT), *options]


def ticks(pid):
    """Processor time it has used, in clock ticks."""
    return sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))


def memory_kib(pid, what="Private_Dirty"):
    return sum(int(line.split()[1]) for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith(what + ":"))
