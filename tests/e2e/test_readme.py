"""The README's example client and its actor in a terminal run as printed."""

import pathlib
import re
import subprocess
import sys
import time

from cliutil import Terminal
from home import BIN


def test_the_example_client_of_the_readme_runs(home):
    home.start()
    readme = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", readme, re.S)
    done = subprocess.run([sys.executable, "-c", program], env=home.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "['hello']" in done.stdout


def test_the_actor_in_a_terminal_of_the_readme_runs(served, tmp_path):
    readme = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    [lines] = [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", readme, re.S) if "cccc actor attach dev" in block]
    served.cli("attach", str(tmp_path))
    env = {**served.environment(), "PATH": f"{BIN}:/usr/bin:/bin"}
    try:
        for line in lines[:2]:
            subprocess.run(["sh", "-c", line], env=env, check=True, timeout=60, capture_output=True)
        deadline = time.monotonic() + 30
        while "dev: hello" not in served.cli("actor", "tail", "dev").stdout:
            assert time.monotonic() < deadline, served.cli("actor", "tail", "dev").stdout
            time.sleep(0.02)
        terminal = Terminal(served, "-c", lines[2], program="/bin/sh", env={"PATH": env["PATH"]})
        terminal.read_until(b"dev: hello")
        terminal.type(b"\x1d")
        status, text = terminal.finish()
        assert status == 0 and "detached from dev; it goes on running" in text
    finally:
        served.cli("group", "stop")
