"""A scratch home and its daemon, for tests. Refuses any home it did not make itself; ends only the processes it started."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import busclient

BIN = pathlib.Path(os.environ.get("CCCC_BIN") or pathlib.Path(__file__).resolve().parents[2] / "build/release/bin").resolve()


def until(condition, seconds=30, what=None):
    """What `condition()` gives once it is true; it is asked again and again, which is for things that announce themselves nowhere."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what or "it did not come to that"
        time.sleep(0.02)
    return found


class Home:
    """with Home() as home: home.start() ... home.kill() ... home.start()"""

    def __init__(self, keep=False):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="cccc-test-"))
        os.chmod(self.path, 0o700)
        self.process, self.keep = None, keep

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("CCCC_")}
        env["CCCC_HOME"] = str(self.path)
        return env

    def start(self, *prefix, wait=True, extra_env=None, program=BIN / "ccccd"):
        """Start ccccd in the foreground of its own process (behind `prefix`, e.g. strace ...) and wait until it serves."""
        assert self.process is None or self.process.poll() is not None
        before = self.stamp()
        env = self.environment()
        env.update(extra_env or {})
        self.process = subprocess.Popen([*prefix, str(program)], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30 * int(os.environ.get("CCCC_SLOW_BUILD", "1"))
        while wait and self.stamp() == before:
            if self.process.poll() is not None:
                raise AssertionError(f"ccccd ended with {self.process.returncode}: {self.process.stdout.read().decode()}")
            assert time.monotonic() < deadline, "ccccd does not serve"
            time.sleep(0.002)
        return self.process

    def stamp(self):
        """What tells one daemon's descriptor from the next one's."""
        try:
            found = busclient.descriptor(self.path)
            return (found["pid"], found["epoch"])
        except (OSError, ValueError, KeyError):  # none, or a damaged one
            return None

    def bus(self, **options):
        return busclient.Bus(self.path, **options)

    def cli(self, *args, check=True, text=None, env=None):
        """Run the command line; its CompletedProcess."""
        full = self.environment()
        full.update(env or {})
        done = subprocess.run([str(BIN / "cccc"), *args], env=full, input=text, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, (args, done.returncode, done.stdout, done.stderr)
        return done

    def kill(self, sig=signal.SIGKILL):
        """Send `sig` to the daemon we started and wait for its end; its exit status."""
        self.process.send_signal(sig)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        return status

    def stop(self):
        return self.kill(signal.SIGTERM)

    def ledger(self, group_id):
        """The ledger's lines, decoded: those of its segments, and behind them those of ledger.jsonl."""
        import json

        folder = self.path / "groups" / group_id
        segments = sorted(str(path) for path in (folder / "state/ledger").glob("*.jsonl.zst"))
        sealed = subprocess.run(["zstdcat", *segments], capture_output=True, check=True).stdout if segments else b""
        lines = [json.loads(line) for line in sealed.splitlines()]
        last = lines[-1]["seq"] if lines else 0
        active = [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]
        return lines + [line for line in active if line.get("seq", last + 1) > last]  # a seal that was interrupted leaves lines in both

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()  # an orderly end, so that what instruments the daemon can report
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=30)
        try:
            pid = busclient.descriptor(self.path)["pid"]
            if f"CCCC_HOME={self.path}".encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError, KeyError):
            pass
        if not self.keep:
            shutil.rmtree(self.path, ignore_errors=True)
