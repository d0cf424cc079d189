"""kill -9 at system calls of the real daemon: a sample of the points. More: kill_points.py."""

import os

import pytest

import kill_points

ASKED = kill_points.options(["--build", os.environ["CCCC_BUILD"]] if "CCCC_BUILD" in os.environ else [])
SECONDS = os.environ.get("CCCC_KILL_SECONDS", "15")


def test_a_sample_of_kills_breaks_no_promise():
    status = kill_points.main(["--seconds", SECONDS, "--build", str(ASKED.build)])
    if status == kill_points.NO_PTRACE and "CI" not in os.environ:
        pytest.skip("NOT RUN: strace is missing or may not trace")
    assert status == 0
