"""One ccccd on one home, as quickly as can be: ready when its first line says so."""

import os
import select
import signal
import subprocess
import time


class Refused(Exception):
    """The daemon did not come to serve; the text is what it said."""


class Daemon:
    def __init__(self, home, program, preload=None):
        self.home, self.program, self.process = home, program, None
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("CCCC_") or key == "CCCC_MUTANT"}
        self.environment.update({"CCCC_HOME": str(home), **(preload or {})})

    def start(self, *prefix, timeout_s=30):
        """Returns once it serves."""
        self.process = subprocess.Popen([*prefix, str(self.program)], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        line = said = b""
        while not (line.startswith(b"ccccd ") and b" serves " in line):
            if not select.select([self.process.stdout], [], [], timeout_s)[0]:
                self.end()
                raise Refused(f"not ready after {timeout_s} s")
            line = self.process.stdout.readline()
            if not line:
                status = self.process.wait()
                self.process.stdout.close()
                raise Refused(f"ended with status {status}: {said.decode(errors='replace').strip()}")
            said += line
        return self

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        return status

    def stop(self):
        """Its exit status; 0 also when it gave up after its two seconds, which a busy machine can make too short."""
        begin = time.monotonic()
        status = self.kill(signal.SIGTERM)
        return 0 if status == 1 and time.monotonic() - begin >= 2 else status

    def end(self):
        """However it is, it is gone afterwards."""
        if self.process and self.process.poll() is None:
            self.kill()
