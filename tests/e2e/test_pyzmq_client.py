"""A client written with pyzmq and msgpack alone attaches, adds actors, sends, reads an inbox and follows."""

import busclient


def test_a_client_from_the_protocol_document_alone_does_the_whole_round(home):
    home.start()
    with home.bus() as bus:
        project = home.path / "project"
        project.mkdir()
        group_id = bus.ask("attach", path=str(project))["group_id"]
        for actor in ("lead", "rev"):
            assert bus.ask("actor_add", group_id=group_id, actor_id=actor, runtime="custom", runner="headless")["actor"]["id"] == actor
        follower = busclient.Follower(home.path, group_id)
        asked = bus.ask("send", group_id=group_id, text="please review", to=["rev"], reply_required=True)["event"]
        [unread] = bus.ask("inbox_list", group_id=group_id, actor_id="rev", by="rev")["messages"]
        assert unread == asked and unread["data"]["audience"] == ["rev"]
        answered = bus.ask("reply", group_id=group_id, reply_to=asked["id"], text="looks good", by="rev")["event"]
        assert answered["data"]["to"] == ["user"] and answered["data"]["quote_text"] == "please review"
        bus.ask("inbox_mark_read", group_id=group_id, actor_id="rev", event_id=asked["id"], by="rev")
        assert bus.ask("inbox_list", group_id=group_id, actor_id="rev")["messages"] == []
        seen = []
        while not seen or seen[-1]["kind"] != "chat.read":
            event = follower.next(5)
            assert event is not None, seen
            seen.append(event)
        assert [e["seq"] for e in seen] == list(range(1, len(seen) + 1))
        assert [e for e in seen if e["kind"] == "chat.message"] == [asked, answered]
        follower.close()
    assert home.stop() == 0
