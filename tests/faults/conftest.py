"""Fixtures: `stage` is a scratch home with a daemon whose file calls can be made to fail. A run in which everything was skipped is no pass."""

import os
import tempfile

import pytest

from faults import FailingFiles, Home

# Where a sync costs nothing, unless told otherwise: what fails here fails by our hand. test_real_disk.py makes its own places.
if "TMPDIR" not in os.environ and os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = "/dev/shm"


class Stage(Home):
    """A home, and the rules of its daemon in `files`."""

    def __init__(self):
        super().__init__()
        self.files = FailingFiles()

    def start(self, *prefix, extra_env=None, **options):
        return super().start(*prefix, extra_env={**self.files.environment(), **(extra_env or {})}, **options)

    def end(self):
        super().end()
        self.files.close()


@pytest.fixture
def stage():
    with Stage() as home:
        home.start()
        yield home


@pytest.fixture
def home():
    with Home() as scratch:
        yield scratch


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter and reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = 77
