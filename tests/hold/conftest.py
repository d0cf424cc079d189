import pytest
from fakedaemon import FakeDaemon


@pytest.fixture
def daemon():
    made = FakeDaemon()
    yield made
    made.close()
