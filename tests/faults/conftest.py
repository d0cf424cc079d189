"""Fixtures: `stage` is a scratch home with a daemon whose file calls can be made to fail. A run in which everything was skipped is no pass."""

import pytest

from faults import Home, Stage


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
