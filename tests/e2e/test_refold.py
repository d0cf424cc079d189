"""Reading a large ledger again, because a write failed or because its folder came back, keeps no other group waiting."""

import time

EVENTS = 200_000


def fill(bus, group_id):
    batch = [{"text": "x", "to": ["lead"]}] * 1000
    waiting = 0
    for number in range(EVENTS // 1000):
        bus.post("send_batch", {"group_id": group_id, "messages": batch})
        waiting += 1
        while waiting == 8 or (waiting and number == EVENTS // 1000 - 1):
            assert bus.take(60)["ok"]
            waiting -= 1


def is_back(bus, group_id, head_seq):
    group = bus.ask("status", group_id=group_id)["group"]
    return "offline" not in group and group["head_seq"] == head_seq


def test_other_groups_are_answered_while_a_large_one_is_read_again(served):
    with served.bus() as bus:
        large, other = (bus.ask("group_create", title=title)["group_id"] for title in ("large", "other"))
        for group_id in large, other:
            bus.ask("actor_add", group_id=group_id, actor_id="lead")
        fill(bus, large)
        head_seq = bus.ask("status", group_id=large)["as_of_seq"]
    assert served.stop() == 0
    saved = served.path / "groups" / large / "state/ledger/snapshot"
    saved.unlink()  # with the saved state there is next to nothing to read
    began = time.monotonic()
    served.start()
    to_read = time.monotonic() - began  # nearly all of a start is reading the large ledger
    folder, elsewhere = served.path / "groups" / large, served.path / "elsewhere"
    with served.bus() as bus:
        folder.rename(elsewhere)
        while bus.ask("groups")["registry_health"]["missing_group_ids"] != [large]:
            time.sleep(0.02)
        (elsewhere / "state/ledger/snapshot").unlink(missing_ok=True)
        elsewhere.rename(folder)
        longest, deadline = 0, time.monotonic() + 60
        while not is_back(bus, large, head_seq):
            began = time.monotonic()
            bus.ask("send", group_id=other, text="meanwhile", to=["lead"])
            longest = max(longest, time.monotonic() - began)
            assert time.monotonic() < deadline
        assert longest < to_read * 0.8, f"{longest:.3f} s; reading takes {to_read:.3f} s"
        # What was read is what was there: the next event follows, repeats are found, the ledger is whole.
        assert bus.ask("send", group_id=large, text="after", to=["lead"])["event"]["seq"] == head_seq + 1
        assert bus.ask("inbox_list", group_id=large, actor_id="lead", limit=1)["unread_total"] == EVENTS + 1


def test_a_start_with_the_saved_state_reads_only_what_is_behind_it(served):
    """After an orderly stop, and after kill -9 behind one, the state is what a fold from the beginning gives; a damaged one is not used, and the log says so."""
    with served.bus() as bus:
        group_id = bus.ask("group_create", title="saved")["group_id"]
        for actor in "lead", "rev":
            bus.ask("actor_add", group_id=group_id, actor_id=actor, runner="headless", runtime="custom")
        first = bus.ask("send", group_id=group_id, text="m", to=["lead", "rev"], client_id="c0")["event"]["id"]
        for _ in range(3):
            bus.ask("send_batch", group_id=group_id, messages=[{"text": "x", "to": ["lead", "rev"]}] * 100)
        bus.ask("inbox_mark_read", group_id=group_id, actor_id="rev", event_id=first)
    served.stop()
    saved = served.path / "groups" / group_id / "state/ledger/snapshot"
    head, _, rest = saved.read_bytes().partition(b"\n")
    assert head.startswith(f"cccc-snapshot 1 group={group_id} seq=305 ".encode())

    def look(sends):
        with served.bus() as bus:
            for number in range(sends):
                bus.ask("send", group_id=group_id, text=f"later {number}", to=["rev"])
            unread = {a: [m["seq"] for m in bus.ask("inbox_list", group_id=group_id, actor_id=a, limit=1000)["messages"]] for a in ("lead", "rev", "user")}
            assert bus.ask("send", group_id=group_id, text="m", to=["lead", "rev"], client_id="c0")["event"]["id"] == first
            return unread, bus.ask("inbox_list", group_id=group_id, actor_id="rev", limit=1)["cursor"]

    def log():
        return (served.path / "daemon/ccccd.log").read_text()

    served.start()
    with_saved = look(3)
    assert "SNAPSHOT-NOT-USED" not in log()
    served.kill()
    served.start()
    assert look(0) == with_saved and "SNAPSHOT-NOT-USED" not in log()
    served.kill()
    saved.write_bytes(head + b"\n" + rest.replace(b"saved", b"saver", 1))
    served.start()
    assert look(0) == with_saved and log().count("SNAPSHOT-NOT-USED") == 1
    served.kill()
    saved.unlink()
    served.start()
    assert look(0) == with_saved and log().count("SNAPSHOT-NOT-USED") == 1
