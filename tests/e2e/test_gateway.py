"""The gateway speaks lines of JSON to clients of CCCC 0.4.0 and is no second way to anything: same operations, same answers, same rule of who speaks."""

import json
import os
import signal
import socket
import stat
import threading
import time

import msgpack
import pytest

import busclient
from gateway import Line, call, team


def test_the_descriptor_names_the_gateway_as_0_4_0_does(served):
    found = busclient.descriptor(served.path)
    assert [found[k] for k in ("v", "transport", "host", "port", "version")] == [1, "unix", "", 0, "0.4.0"]
    assert found["path"] == str(served.path / "daemon/ccccd.sock") and found["implementation"]["name"] == "cccc"
    mode = os.stat(found["path"]).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    served.stop()
    assert not os.path.exists(found["path"])


def test_ping_is_one_that_the_0_4_0_command_line_keeps(served):
    """It replaces a daemon of another version, or one that does not know two operations."""
    with Line(served) as line, served.bus() as bus:
        ours = bus.ask("ping")
        theirs = line.ask("ping")
        assert theirs["version"] == "0.4.0" and theirs["ipc_v"] == 1 and theirs["capabilities"]["events_stream"] is True
        assert theirs["implementation"] == ours["implementation"] == {"name": "cccc", "version": ours["version"]}
        assert line.ask("observability_get")["observability"]["developer_mode"] is False
        assert line.reply("debug_snapshot")["error"]["code"] == "developer_mode_required"


def test_a_reply_has_all_four_keys_and_a_refusal_an_error(served):
    with Line(served) as line:
        assert set(line.reply("ping")) == {"v", "ok", "result", "error"}
        reply = line.reply("nope")
        assert reply == {"v": 1, "ok": False, "result": {}, "error": {"code": "unknown_op", "message": "unknown op: nope", "details": {}}}


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"7", b"nonsense", b'{"op":1}', b'{"op":"ping","x":1}', b'{"op":"ping","args":null}',
                                  b"\xff\xfe", b'{"op":"ping"} x', b'{"v":2,"op":"ping"}', b'{"op":"ping","op":"ping"}'])
def test_a_line_that_is_no_request_is_refused_and_the_next_is_served(served, line):
    with Line(served) as connection:
        connection.raw(line + b"\n")
        reply = connection.take()
        if line != b'{"op":"ping","args":null}':  # null counts as absent
            assert reply["error"]["code"] == "invalid_request"
        assert connection.ask("ping")["ipc_v"] == 1


def test_both_transports_give_the_same_answer(served):
    """Requests, good and bad, are asked over both; what differs is the version and what differs by itself: times, ids, processes."""
    group = team(served)
    asked = [("group_show", {"group_id": group}), ("actor_list", {"group_id": group, "include_unread": "yes"}), ("groups", {}),
             ("inbox_list", {"group_id": group, "actor_id": "lead"}), ("send", {"group_id": "g_x", "text": "x"}), ("send", {"group_id": group}),
             ("send", {"group_id": group, "text": "x", "to": ["nobody"]}), ("send", {"group_id": group, "text": 5}), ("nope", {}),
             ("ledger_read", {"group_id": group, "after_seq": 0}), ("group_update", {"group_id": group, "patch": {"x": 1}})]
    with Line(served) as line, served.bus() as bus:
        for op, args in asked:
            wanted = bus.post(op, args)
            ours = bus.take()
            theirs = line.reply(op, **args)
            assert ours.pop("id") == wanted
            ours.setdefault("error", None)
            assert theirs == ours, op


def test_many_requests_on_one_connection_are_decided_in_order(served):
    group = team(served)
    with Line(served) as line:
        count = 500  # far more than may be unanswered
        line.raw(b"".join(json.dumps({"id": i, "op": "send", "args": {"group_id": group, "text": str(i)}}).encode() + b"\n" for i in range(count)))
        replies = {r["id"]: r for r in (line.take() for _ in range(count))}
    seqs = [replies[i]["result"]["event"]["seq"] for i in range(count)]
    assert seqs == sorted(seqs) and len(set(seqs)) == count


def test_the_last_line_needs_no_newline(served):
    with Line(served) as line:
        line.raw(b'{"op":"ping"}')
        line.socket.shutdown(socket.SHUT_WR)
        assert line.take()["ok"] and line.take() is None


def test_who_ends_without_a_word_is_told_and_who_has_spoken_is_not(served):
    with Line(served) as line:
        line.socket.shutdown(socket.SHUT_WR)
        assert line.take()["error"]["code"] == "invalid_request" and line.take() is None
    with Line(served) as line:
        line.ask("ping")
        line.socket.shutdown(socket.SHUT_WR)
        assert line.take() is None


def test_a_request_whose_client_leaves_at_once_is_done(served):
    """Fire and forget: what was written before the connection was closed counts."""
    group = team(served)
    with Line(served) as line:
        line.post("send", group_id=group, text="no answer needed")
    with served.bus() as bus:
        assert bus.ask("send", group_id=group, text="behind it")["event"]["seq"] > 0
        texts = [e["data"].get("text") for e in bus.ask("ledger_read", group_id=group, after_seq=0, limit=1000)["events"]]
    assert "no answer needed" in texts or wait_for_text(served, group, "no answer needed")


def wait_for_text(home, group, text):
    """The gateway may be behind the bus by a moment: follow until it comes."""
    with Line(home) as line:
        line.ask("events_stream", group_id=group, since_ts="2000-01-01T00:00:00Z")
        while True:
            row = line.take()
            if row["t"] == "event" and row["event"]["data"].get("text") == text:
                return True


def test_texts_survive_and_lines_are_ascii(served):
    group = team(served)
    text = "é 😀  \x7f ߿ 𐍈 \"\\\n\t\u0001"
    with Line(served) as line:
        line.post("send", group_id=group, text=text)
        raw = line.file.readline()
    assert raw.isascii() and json.loads(raw)["result"]["event"]["data"]["text"] == text


def test_a_blob_is_base64_text(served):
    import base64
    import hashlib

    group = team(served)
    data = bytes(range(256)) * 3
    digest = hashlib.sha256(data).hexdigest()
    with Line(served) as line:
        put = line.ask("blob_put", group_id=group, sha256=digest, name="b.bin", total_bytes=len(data), data=base64.b64encode(data).decode())
        assert base64.b64decode(line.ask("blob_get", group_id=group, path=put["path"])["data"]) == data


def test_a_line_over_the_limit_is_too_large_and_closes_the_connection(served):
    with Line(served) as line:
        def write():
            try:
                line.raw(b'{"op":"send","args":{"text":"' + b"x" * 2_100_000)
            except OSError:
                pass  # closed meanwhile
        writer = threading.Thread(target=write)
        writer.start()
        error = line.take()["error"]
        assert error["code"] == "too_large" and error["details"] == {"limit": 2_000_000}
        writer.join()
        try:
            assert line.take() is None
        except ConnectionError:
            pass
    assert call(served, "ping")["ipc_v"] == 1


def test_a_line_as_long_as_may_be_is_served(served):
    group = team(served)
    with Line(served) as line:
        request = json.dumps({"op": "send", "args": {"group_id": group, "text": "x" * 900_000}}).encode()
        line.raw(request + b" " * (2_000_000 - len(request)) + b"\n")
        assert line.take()["result"]["event"]["data"]["attachments"][0]["bytes"] == 900_000


def test_an_answer_that_clients_could_not_read_is_refused(served):
    """0.4.0's clients cut a line of 4,000,000 bytes. Each control character of a text takes six."""
    group = team(served)
    with Line(served) as line, served.bus() as bus:
        for _ in range(40):
            line.ask("send", group_id=group, text="\u0001" * 31_000)
        reply = line.reply("ledger_read", group_id=group, after_seq=0, limit=1000)
        assert reply["ok"] is False and reply["error"]["code"] == "too_large"
        assert len(line.ask("ledger_read", group_id=group, after_seq=0, limit=5)["events"]) == 5


def test_who_speaks_is_what_the_kernel_says(served):
    group = team(served)
    event = call(served, "send", group_id=group, text="x")["event"]
    assert event["by"] == "user" and event["attest"] == {"as": "operator", "uid": os.getuid(), "pid": os.getpid()}
    with Line(served) as line:
        assert line.reply("send", group_id=group, text="x", by="system")["error"]["code"] == "permission_denied"
        assert line.ask("send", group_id=group, text="x", to=["user"], by="lead")["event"]["by"] == "lead"


def test_tcp_serves_when_it_is_asked_for_and_knows_who_speaks(home):
    home.start(extra_env={"CCCC_DAEMON_TRANSPORT": "tcp"})
    found = busclient.descriptor(home.path)
    assert found["transport"] == "tcp" and found["host"] == "127.0.0.1" and found["port"] > 0 and found["path"] == ""
    group = team(home)
    event = call(home, "send", group_id=group, text="over TCP")["event"]
    assert event["attest"] == {"as": "operator", "uid": os.getuid(), "pid": os.getpid()}


def test_a_web_page_gets_nothing_done_over_tcp(home):
    """A page can make its reader's browser POST to a port of this machine: behind the first line of HTTP nothing is taken, and the connection is closed."""
    home.start(extra_env={"CCCC_DAEMON_TRANSPORT": "tcp"})
    body = b"".join(b'{"op":"group_create","args":{"title":"evil %d"}}\n' % i for i in range(2))
    with Line(home) as page:
        page.raw(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert page.take()["error"]["code"] == "invalid_request"
        assert page.take() is None
    assert call(home, "groups")["groups"] == []


def test_what_0_4_0_writes_into_group_yaml_itself_is_kept(served):
    """Its `im set` writes the file while the daemon serves the group: the next change keeps that section, and it is recorded, so that it outlives the file."""
    group = team(served)
    file = served.path / "groups" / group / "group.yaml"
    with Line(served) as line:
        file.write_text(file.read_text() + "im:\n  platform: telegram\n")
        line.ask("group_update", group_id=group, patch={"topic": "after"})
        assert "platform: telegram" in file.read_text() and "topic: after" in file.read_text()
        assert line.ask("group_show", group_id=group)["group"]["im"] == {"platform": "telegram"}
        deadline = time.monotonic() + 20
        while not line.ask("ledger_read", group_id=group, after_seq=0, limit=100, kinds=["group.edit"])["events"]:
            assert time.monotonic() < deadline
    served.kill()
    for name in ("group.yaml", "group.yaml.prev"):
        (file.parent / name).unlink()
    served.start()
    assert call(served, "group_show", group_id=group)["group"]["im"] == {"platform": "telegram"}


def test_observability_is_kept_and_gates_the_debug_operations(served):
    group = team(served)
    with Line(served) as line:
        assert line.reply("observability_update", by="lead", patch={"developer_mode": True})["error"]["code"] == "permission_denied"
        got = line.ask("observability_update", patch={"developer_mode": "yes", "log_level": "debug", "nope": 1, "terminal_ui": {"scrollback_lines": 5}})
        assert got["observability"]["developer_mode"] is True and got["observability"]["log_level"] == "DEBUG"
        assert got["observability"]["terminal_ui"]["scrollback_lines"] == 1000
        line.ask("send", group_id=group, text="waits", to=["lead"])
        shot = line.ask("debug_snapshot", group_id=group)
        assert shot["delivery"]["actors"]["lead"]["pending_kinds_preview"] == ["chat.message"]
        assert shot["daemon"]["version"] == "0.4.0" and [a["id"] for a in shot["actors"]] == ["lead"]
    served.stop()
    served.start()
    assert call(served, "observability_get")["observability"]["developer_mode"] is True


def test_a_stop_answers_what_was_asked_and_closes(served):
    group = team(served)
    with Line(served) as line:
        for i in range(50):
            line.post("send", group_id=group, text=str(i))
        served.process.send_signal(signal.SIGTERM)
        answered = 0
        while (reply := line.take()) is not None:
            answered += 1
            assert reply["ok"] or reply["error"]["code"] == "shutting_down"
    assert served.process.wait(10) == 0
    stored = sum(e["kind"] == "chat.message" for e in served.ledger(group))
    assert stored <= answered <= 50


def test_a_stale_socket_of_a_killed_daemon_is_replaced(served):
    served.kill()
    served.start()
    assert call(served, "ping")["ipc_v"] == 1
    assert msgpack  # the bus is there, too


@pytest.mark.parametrize("transport", ["bus", "gateway"])
def test_a_relative_path_is_the_callers(served, tmp_path, monkeypatch, transport):
    """As clients of CCCC 0.4.0 type it: `cccc attach .` is about where they are, not where the daemon is."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    bus = served.bus()
    ask = bus.ask if transport == "bus" else lambda op, **args: call(served, op, **args)
    group = ask("attach", path="./in/..")["group_id"]
    assert [s["url"] for s in ask("group_show", group_id=group)["group"]["scopes"]] == [str(tmp_path.resolve())]
    assert ask("group_use", group_id=group, path="in")["active_scope_key"]
    bus.close()
