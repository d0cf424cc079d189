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
    began = time.monotonic()
    served.start()
    to_read = time.monotonic() - began  # nearly all of a start is reading the large ledger
    folder, elsewhere = served.path / "groups" / large, served.path / "elsewhere"
    with served.bus() as bus:
        folder.rename(elsewhere)
        while bus.ask("groups")["registry_health"]["missing_group_ids"] != [large]:
            time.sleep(0.02)
        elsewhere.rename(folder)
        longest, deadline = 0, time.monotonic() + 60
        while not is_back(bus, large, head_seq):
            began = time.monotonic()
            bus.ask("send", group_id=other, text="meanwhile", to=["lead"])
            longest = max(longest, time.monotonic() - began)
            assert time.monotonic() < deadline
        assert longest < to_read / 2, f"{longest:.3f} s; reading takes {to_read:.3f} s"
        # What was read is what was there: the next event follows, repeats are found, the ledger is whole.
        assert bus.ask("send", group_id=large, text="after", to=["lead"])["event"]["seq"] == head_seq + 1
        assert bus.ask("inbox_list", group_id=large, actor_id="lead", limit=1)["unread_total"] == EVENTS + 1
