"""Fixtures of the end-to-end tests: `home` is a scratch home without a daemon, `served` one with a daemon running."""

import pytest

from home import Home


@pytest.fixture
def home():
    with Home() as scratch:
        yield scratch


@pytest.fixture
def served(home):
    home.start()
    return home
