"""clients/python against a real daemon: requests, safe repetition, and a follower that misses nothing, sees nothing twice and says what is gone."""

import asyncio
import pathlib
import subprocess
import sys
import threading

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "clients/python"
sys.path.insert(0, str(PACKAGE / "src"))

import cccc  # noqa: E402
import cccc.aio  # noqa: E402


def group_of(bus):
    group = bus.request("group_create", title="py")["group_id"]
    bus.request("actor_add", group_id=group, actor_id="lead", runtime="custom", runner="headless", command=["cat"])
    return group


def test_a_request_gives_a_result_or_an_error(served):
    with cccc.open(served.path) as bus:
        assert bus.ping()["protocol"] == 1
        with pytest.raises(cccc.Error) as caught:
            bus.request("group_show", group_id="g_ffffffffffff")
        assert caught.value.code == "group_not_found" and "g_ffffffffffff" in caught.value.message


def test_no_daemon_is_said(home):
    with pytest.raises(cccc.NotRunning):
        cccc.open(home.path)


def test_a_copy_of_a_home_does_not_lead_to_the_original(served, tmp_path):
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon/ccccd.addr.json").write_bytes((served.path / "daemon/ccccd.addr.json").read_bytes())
    with pytest.raises(cccc.NotRunning, match="copy"):
        cccc.open(tmp_path)


def test_what_is_closed_says_so(served):
    """A request, a follower of a closed client and a closed follower raise the client's own error, also when the daemon has gone."""
    with cccc.open(served.path) as bus:
        group = group_of(bus)
        closed, orphan = bus.follow(group), bus.follow(group)
        closed.close()
        with pytest.raises(cccc.Closed, match="follower"):
            next(closed)
    served.stop()
    for call in (bus.ping, lambda: bus.follow(group, after_seq=0), lambda: next(orphan)):
        with pytest.raises(cccc.Closed) as caught:
            call()
        assert isinstance(caught.value, cccc.Error) and caught.value.code == "closed"


def test_what_is_closed_says_so_to_who_awaits(served):
    """The same of the asynchronous client, and of a request that is under way while it is closed."""

    async def scenario():
        async with cccc.aio.open(served.path) as bus:
            group = (await bus.request("group_create", title="aio"))["group_id"]
            follow = bus.follow(group, after_seq=0)
            under_way = asyncio.ensure_future(bus.request("group_stop", group_id=group))
            await asyncio.sleep(0)  # it has begun
        for call in (under_way, bus.ping(), follow.__anext__()):
            with pytest.raises(cccc.Closed):
                await call
        await bus.close()

    asyncio.run(scenario())


def test_who_waits_while_it_is_closed_is_told(served):
    """A follower that another task waits for, of a client that is closed: Closed, and not a cancellation nobody asked for."""

    async def scenario():
        async with cccc.aio.open(served.path) as bus:
            group = (await bus.request("group_create", title="aio"))["group_id"]
            follow = bus.follow(group, after_seq=0)
            await follow.__anext__()
            waiting = asyncio.ensure_future(follow.__anext__())
            await asyncio.wait([waiting], timeout=0.1)
        with pytest.raises(cccc.Closed):
            await asyncio.wait_for(waiting, 20)

    asyncio.run(scenario())


def test_now_is_when_following_began(served):
    """What is sent behind follow, and before the first item is asked for, comes."""

    async def scenario():
        async with cccc.aio.open(served.path) as bus:
            group = (await bus.request("group_create", title="aio"))["group_id"]
            follow = bus.follow(group)
            await bus.ping()  # one behind the other: the daemon has taken what follow asked
            sent = (await bus.send(group_id=group, text="x", to=["user"]))["event"]["id"]
            assert (await asyncio.wait_for(follow.__anext__(), 20)).id == sent

    asyncio.run(scenario())


def test_a_deleted_group_ends_its_followers(served):
    async def waits(bus, group):
        follow = bus.follow(group)
        waiting = asyncio.ensure_future(follow.__anext__())
        await bus.ping()
        await bus.request("group_delete", group_id=group)
        await asyncio.wait_for(waiting, 20)

    async def scenario(group):
        async with cccc.aio.open(served.path) as bus:
            await waits(bus, group)

    with cccc.open(served.path) as bus:
        group, other = group_of(bus), group_of(bus)
        follow = bus.follow(group)
        assert follow.next(0) is None
        bus.request("group_delete", group_id=group)
        for wait in (lambda: follow.next(20), lambda: asyncio.run(scenario(other))):
            with pytest.raises(cccc.Error) as caught:
                wait()
            assert caught.value.code == "group_not_found"


@pytest.mark.parametrize("value", ["\ud800", object(), 1 << 70])
def test_what_cannot_be_sent_is_the_clients_own_error(served, value):
    with cccc.open(served.path) as bus:
        with pytest.raises(cccc.Error) as caught:
            bus.request("group_create", title=value)
        assert caught.value.code == "invalid_request"
        assert bus.request("groups")["groups"] == []


def test_a_send_is_stored_once_across_a_kill(served):
    """The daemon is killed while sends are under way: each is repeated with its client_id until it is answered, and is there once."""
    with cccc.open(served.path, timeout_s=60) as bus:
        group = group_of(bus)
        done = []

        def work():
            for i in range(300):
                done.append(bus.send(group_id=group, text=str(i))["event"]["seq"])

        thread = threading.Thread(target=work)
        thread.start()
        while len(done) < 100:
            pass
        served.kill()
        served.start()
        thread.join()
        assert len(set(done)) == 300
    texts = [e["data"]["text"] for e in served.ledger(group) if e["kind"] == "chat.message"]
    assert sorted(texts, key=int) == [str(i) for i in range(300)]


def test_a_follower_has_every_event_once_and_in_order(served):
    with cccc.open(served.path) as bus, cccc.open(served.path) as other:
        group = group_of(bus)
        history = [bus.send(group_id=group, text=str(i))["event"]["id"] for i in range(5)]
        follow = other.follow(group, after_seq=0, kinds=["chat.message"])
        assert [next(follow).id for _ in range(5)] == history
        sent = []
        for _ in range(30):
            sent += [r["event_id"] for r in bus.request("send_batch", group_id=group, messages=[{"text": "x"}] * 1000)["results"]]
        assert [next(follow).id for _ in range(30_000)] == sent
        assert follow.next(0.2) is None
        follow.close()


def test_a_follower_goes_on_across_a_restart(served):
    with cccc.open(served.path, timeout_s=60) as bus, cccc.open(served.path, timeout_s=60) as other:
        group = group_of(bus)
        follow = other.follow(group)
        one = bus.send(group_id=group, text="1")["event"]["id"]
        assert next(follow).id == one
        served.kill()
        served.start()
        two = bus.send(group_id=group, text="2")["event"]["id"]
        assert follow.next(30).id == two
        follow.close()


def test_an_inbox_is_followed_by_recipient(served):
    with cccc.open(served.path) as bus, cccc.open(served.path) as other:
        group = group_of(bus)
        follow = other.follow(group, recipient="lead")
        bus.send(group_id=group, text="not for lead", to=["user"], by="lead")
        mine = bus.send(group_id=group, text="for lead", to=["lead"])["event"]["id"]
        assert next(follow).id == mine
        follow.close()


def test_a_restored_ledger_is_a_gap(served):
    with cccc.open(served.path) as bus:
        group = group_of(bus)
        head = bus.send(group_id=group, text="x")["event"]["seq"]
        follow = bus.follow(group, after_seq=head, after_id="0" * 32)
        gap = next(follow)
        assert isinstance(gap, cccc.Gap) and gap.reason == "lineage_changed"
        follow.close()


def test_the_asynchronous_client_pipelines_and_follows(served):
    async def scenario():
        async with cccc.aio.open(served.path) as bus, cccc.aio.open(served.path) as other:
            group = (await bus.request("group_create", title="aio"))["group_id"]
            await bus.request("actor_add", group_id=group, actor_id="lead", runtime="custom", runner="headless", command=["cat"])
            follow = other.follow(group, after_seq=0, kinds=["chat.message"])
            replies = await asyncio.gather(*(bus.send(group_id=group, text=str(i)) for i in range(500)))
            wanted = [r["event"]["id"] for r in sorted(replies, key=lambda r: r["event"]["seq"])]
            got = [(await asyncio.wait_for(follow.__anext__(), 20)).id for _ in range(500)]
            await follow.close()
            assert got == wanted and [r["event"]["data"]["text"] for r in replies] == [str(i) for i in range(500)]
            with pytest.raises(cccc.Error):
                await bus.request("nope")

    asyncio.run(scenario())


def test_it_installs_from_the_tree(tmp_path):
    if subprocess.run([sys.executable, "-c", "import setuptools, wheel, pip"], capture_output=True).returncode != 0:
        pytest.skip("pip, setuptools and wheel are not installed")
    source = tmp_path / "source"
    subprocess.run(["cp", "-r", str(PACKAGE), str(source)], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--target", str(tmp_path / "site"), str(source)],
                   check=True, capture_output=True)
    assert (tmp_path / "site/cccc/py.typed").exists() and (tmp_path / "site/cccc/aio.py").exists()
