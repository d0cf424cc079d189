"""A wall clock that jumps by hours and years, back and forth, also over restarts: order is seq, ids differ, time that passes is measured by the other
clock, and nothing waits for a time that is gone."""

import os
import re
import signal
import struct
import time

import pytest

import busclient
from faults import Home, Page, preload

HOUR, YEAR = 3600, 365 * 86400
# From year to year, seconds off the true time. Years before 1970 and after 9999 cannot be written down as a time of four digits.
JUMPS = [HOUR, -HOUR, 26 * HOUR, 10 * YEAR, -10 * YEAR, 0, -(int(time.time()) - 1), 7900 * YEAR, 0]
TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class TurnedClock:
    def __init__(self):
        self.page = Page("FAULT_CLOCK", 16)

    def environment(self):
        return {**preload("turn_clock"), **self.page.environment()}

    def turn(self, seconds):
        struct.pack_into("=q", self.page.map, 0, seconds)

    @property
    def asked(self):
        return struct.unpack_from("=Q", self.page.map, 8)[0]


@pytest.fixture
def clock():
    turned = TurnedClock()
    yield turned
    turned.page.close()


def make_group(bus, title="clock"):
    group = bus.ask("group_create", title=title)["group_id"]
    bus.ask("actor_add", group_id=group, actor_id="lead")
    return group


def check_ledger(home, group):
    events = home.ledger(group)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events)
    assert all(TS.fullmatch(event["ts"]) for event in events)
    epochs = [event["epoch"] for event in events]
    assert epochs == sorted(epochs)
    assert home.cli("ledger", "verify", "--group", group).returncode == 0


def test_jumps_while_it_serves(home, clock):
    home.start(extra_env=clock.environment())
    with home.bus() as bus:
        group = make_group(bus)
        follower = busclient.Follower(home.path, group)
        heard = []
        for turn, jump in enumerate(JUMPS):
            clock.turn(jump)
            for number in range(3):
                text = f"{turn} {number}"
                event = bus.ask("send", group_id=group, text=text, to=["lead"], client_id=text)["event"]
                again = bus.ask("send", group_id=group, text=text, to=["lead"], client_id=text)
                assert again["event"]["id"] == event["id"]
            status = bus.ask("status")
            assert 0 <= status["uptime_s"] < 600 and TS.fullmatch(status["ts"])
            bus.ask("group_update", group_id=group, patch={"title": f"title {turn}"})
            listed = bus.ask("inbox_list", group_id=group, actor_id="lead")["messages"]
            assert [message["data"]["text"] for message in listed] == [f"{turn} {number}" for number in range(3)]
            bus.ask("inbox_mark_read", group_id=group, actor_id="lead", event_id=listed[-1]["id"])
        head = bus.ask("status", group_id=group)["as_of_seq"]
        while not heard or heard[-1] < head:
            event = follower.next(20)
            assert event, "following stopped"
            heard.append(event["seq"])
        assert heard == list(range(1, head + 1))
        follower.close()
        asked = clock.asked
        assert asked > len(JUMPS)
    assert home.stop() == 0
    check_ledger(home, group)


def test_what_happens_every_so_often_does_not_stop_when_the_clock_goes_back(home, clock):
    """Marks, exports and the registry's activity are written by the monotonic clock."""
    home.start(extra_env=clock.environment())
    with home.bus() as bus:
        group = make_group(bus)
        event = bus.ask("send", group_id=group, text="x", to=["lead"])["event"]
        clock.turn(-10 * YEAR)
        bus.ask("inbox_mark_read", group_id=group, actor_id="lead", event_id=event["id"])
        wanted = f"seq={bus.ask('status', group_id=group)['as_of_seq']} "
        mark, cursors = (home.path / "groups" / group / "state" / name for name in ("ledger/mark", "read_cursors.json"))
        deadline = time.monotonic() + 30
        while not (mark.exists() and wanted in mark.read_text() and cursors.exists() and event["id"] in cursors.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert home.stop() == 0


def test_jumps_between_starts(home, clock):
    """The epoch rises with every start, also after its file was lost and the clock, which then took over, went back. (Lost and back at once: then
    a number may come again, which costs nothing but that clients notice the start later.)"""
    group, epochs = None, []
    for number, jump in enumerate(JUMPS):
        clock.turn(jump)
        if number == 3:
            (home.path / "daemon/epoch").unlink()
        home.start(extra_env=clock.environment())
        epochs.append(busclient.descriptor(home.path)["epoch"])
        with home.bus() as bus:
            group = group or make_group(bus)
            bus.ask("send", group_id=group, text=f"{jump}", to=["lead"])
        assert home.kill(signal.SIGKILL if number % 2 else signal.SIGTERM) in (0, -signal.SIGKILL)
    assert epochs == sorted(set(epochs)), epochs
    check_ledger(home, group)


def test_trash_of_two_groups_deleted_at_the_same_wrong_second(home, clock):
    clock.turn(-10 * YEAR)
    home.start(extra_env=clock.environment())
    with home.bus() as bus:
        for _ in range(2):
            group = bus.ask("group_create", title="again", client_id="again")["group_id"]
            bus.ask("group_delete", group_id=group)
            clock.turn(-10 * YEAR - 1)
    assert len(os.listdir(home.path / "trash")) == 2
    assert home.stop() == 0
