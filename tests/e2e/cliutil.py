"""What the tests of the command line share: a terminal of our own, JSON answers, a group to talk in, output without what changes from run to run."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios

from home import BIN

CCCC = str(BIN / "cccc")
SILENT_S = 60


def answer(home, *args, status=0, **options):
    """Run with --json and decode the envelope: the result, or the error when a status other than 0 is expected."""
    done = home.cli(*args, "--json", check=False, **options)
    assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
    envelope = json.loads(done.stdout)
    assert envelope["ok"] == (status == 0) and done.stdout.count("\n") == 1, done.stdout
    if status:
        assert set(envelope["error"]) == {"code", "message", "details", "hint"}
    return envelope["result"] if status == 0 else envelope["error"]


def group_with(home, *actors, title="Demo"):
    """A group with these actors, headless; the active one. Its id."""
    group = answer(home, "group", "create", title)["group_id"]
    for actor in actors:
        home.cli("actor", "add", actor, "--runtime", "custom", "--runner", "headless")
    return group


def rows(text):
    """Tab-separated output as lists of columns."""
    return [line.split("\t") for line in text.splitlines()]


def steady(text):
    """The text with ids, times and paths that differ from run to run replaced by words."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "EVENT", text)
    text = re.sub(r"\bg_[0-9a-f]{12}\b", "GROUP", text)
    text = re.sub(r"\bpid \d+", "pid N", text)
    return re.sub(r"/\S*cccc-test-\w+", "HOME", text)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, home, *args, columns=100, env=None, program=CCCC):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        full = home.environment()
        full.update({"TERM": "xterm-256color", "TZ": "UTC", "NO_COLOR": ""})
        full.update(env or {})
        self.process = subprocess.Popen([program, *args], env=full, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)
        self.fd = ours
        self.bytes = b""

    def read(self):
        """The next piece of its output. One that says nothing any more fails the test with what it has said."""
        ready, _, _ = select.select([self.fd], [], [], SILENT_S)
        assert ready, self.bytes
        return os.read(self.fd, 65536)

    def read_until(self, wanted):
        """Read until the output holds `wanted`."""
        while wanted not in self.bytes:
            self.bytes += self.read()

    def type(self, keys):
        os.write(self.fd, keys)

    def finish(self):
        """Everything it said, and its exit status."""
        while True:
            try:
                piece = self.read()
            except OSError:
                break
            if not piece:
                break
            self.bytes += piece
        os.close(self.fd)
        return self.process.wait(timeout=30), self.bytes.replace(b"\r\n", b"\n").decode()


def on_terminal(home, *args, **options):
    return Terminal(home, *args, **options).finish()
