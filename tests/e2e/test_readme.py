"""The README's example client runs as printed."""

import pathlib
import re
import subprocess
import sys


def test_the_example_client_of_the_readme_runs(home):
    home.start()
    readme = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", readme, re.S)
    done = subprocess.run([sys.executable, "-c", program], env=home.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "['hello']" in done.stdout
