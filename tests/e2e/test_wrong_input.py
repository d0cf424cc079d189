"""Wrong input to any operation gets an error that says what, why and what next, and changes nothing on disk."""

import hashlib
import pathlib
import re

import msgpack
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPS = re.findall(r"^CCCC_OP\((\w+),", (ROOT / "proto/ops.def").read_text(), re.M)
ARGS = re.findall(r"^CCCC_ARG\((\w+), (\w+), (\w+), (\w+), ([\w ]+), (\w+),", (ROOT / "proto/ops.def").read_text(), re.M)
LIMITS = {
    name: eval(value)  # noqa: S307 - arithmetic of our own table
    for name, value in re.findall(r"^CCCC_LIMIT\((\w+), ([\d *]+),", (ROOT / "proto/limits.def").read_text(), re.M)
}
ERRORS = dict(re.findall(r'^CCCC_ERROR\((\w+), "(\w+)"', (ROOT / "proto/errors.def").read_text(), re.M))
# What each type refuses although it is well-formed msgpack.
MISTYPED = {
    "STR": [["x"], {"a": 1}, 1.5, b"\x00"],
    "TEXT": [["x"], {"a": 1}],
    "GROUP_ID": [["x"], {"a": 1}, "../groups/g_0123456789ab", "g_0123456789AB", "g_", "g_0123456789abc"],
    "ACTOR_ID": [["x"], {"a": 1}, "../x", "a/b", ".."],
    "EVENT_ID": [["x"], {"a": 1}, "x" * 65, "a\nb"],
    "PRIORITY": [["x"], {"a": 1}, "loud"],
    "BOOL": ["perhaps"],
    "UINT": [-1, "x", 1.5, ["x"]],
    "INT": ["x", 1.5, ["x"]],
    "STRS": [{"a": 1}, [1.5], [["x"]]],
    "WORDS": [{"a": 1}, [1.5], "cat 'x"],
    "MAP": ["x", ["x"], 3],
    "MAPS": ["x", ["x"], {"a": 1}],
    "BIN": [{"a": 1}, 5],
    "ANY": ["x", 3, {"a": 1}],  # context_sync's ops: the op itself says what it takes
}


def fingerprint(home):
    """Every file of the home but the log and sockets, by content."""
    digest = {}
    for path in sorted(home.path.rglob("*")):
        if path.is_file() and path.name not in ("ccccd.log",) and "mark" not in path.name:
            digest[str(path.relative_to(home.path))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digest


@pytest.fixture
def bench(served):
    with served.bus() as bus:
        group_id = bus.ask("group_create", title="t")["group_id"]
        bus.ask("actor_add", group_id=group_id, actor_id="lead")
        event_id = bus.ask("send", group_id=group_id, text="x", to=["lead"])["event"]["id"]
        yield served, bus, group_id, event_id


def good_args(op, group_id, event_id):
    """Arguments that satisfy every required one, so that only the tested one is wrong."""
    values = {"group_id": group_id, "actor_id": "lead", "event_id": event_id, "notify_event_id": event_id, "reply_to": event_id, "dst_group_id": "g_ffffffffffff",
              "path": "/", "scope_key": "s_000000000000", "state": "idle", "patch": {"title": "n"}, "messages": [{"text": "m"}],
              "sha256": "0" * 64, "total_bytes": 4, "cols": 80, "rows": 24, "generation": 1, "status": "idle", "message_id": event_id, "component": "daemon", "seconds": 1}
    usual = {"STR": "x", "TEXT": "x", "STRS": ["lead", "user"], "MAP": {"title": "x"}, "MAPS": [{"type": "x"}]}
    return {name: values.get(name, usual.get(type_)) for o, name, type_, need, _, _ in ARGS if o == op and need == "REQUIRED"}


def check_error(reply, op, name):
    assert not reply["ok"], (op, name, reply)
    error = reply["error"]
    assert error["code"] in ERRORS.values(), error
    assert len(error["message"]) > 10, error
    return error


def test_every_missing_mistyped_and_oversized_argument_is_refused_by_name_and_changes_nothing(bench):
    home, bus, group_id, event_id = bench
    before = fingerprint(home)
    tried = 0
    for op, name, type_, need, max_, missing in ARGS:
        if op == "shutdown":
            continue
        base = good_args(op, group_id, event_id)
        cases = [(value, None) for value in MISTYPED[type_]]
        if need == "REQUIRED":
            without = {k: v for k, v in base.items() if k != name}
            bus.post(op, without)
            assert check_error(bus.take(), op, name)["code"] == ERRORS[missing], (op, name)
            tried += 1
        limit = LIMITS.get(max_.removeprefix("CCCC_"), int(max_) if max_.isdigit() else 0)
        if type_ in ("STR", "TEXT") and 0 < limit <= 1_000_000:
            cases.append(("x" * (limit + 1), "too_large"))
        if type_ in ("STRS", "WORDS", "MAPS") and limit:
            cases.append(([{} if type_ == "MAPS" else "x"] * (limit + 1), "too_large"))
        for value, code in cases:
            bus.post(op, {**base, name: value})
            error = check_error(bus.take(), op, name)
            assert code is None or error["code"] == code, (op, name, error)
            assert name in error["message"] or name in str(error["details"]) or error["code"].startswith("invalid_"), (op, name, value, error)
            tried += 1
    assert tried > 300
    assert fingerprint(home) == before


def test_unknown_arguments_are_ignored_and_named(bench):
    home, bus, group_id, _ = bench
    result = bus.ask("group_show", group_id=group_id, colour="red")
    assert result["ignored"] == ["colour"]


def test_a_group_that_is_not_there_is_said_so_by_every_group_operation(bench):
    home, bus, _, event_id = bench
    for op in OPS:
        if any(o == op and n == "group_id" and need == "REQUIRED" for o, n, _, need, _, _ in ARGS):
            bus.post(op, good_args(op, "g_000000000000", event_id))
            assert check_error(bus.take(), op, "group_id")["code"] == "group_not_found", op


@pytest.mark.parametrize(
    "frame, code",
    [
        (b"", "invalid_request"),
        (b"\xc1", "invalid_request"),
        (b"\x80", "invalid_request"),
        (msgpack.packb({"v": 1, "op": "nope"}), "unknown_op"),
        (msgpack.packb({"v": 1, "op": "ping", "args": []}), "invalid_request"),
        (msgpack.packb({"v": 1, "op": "ping", "args": {}, "by": "x"}), "invalid_request"),
        (msgpack.packb({"v": 1, "op": "ping"}) + b"\x00", "invalid_request"),
        (b"\xdd\xff\xff\xff\xff", "invalid_request"),
        (b"\x91" * 100, "invalid_request"),
    ],
)
def test_frames_that_are_no_request_are_answered_with_an_error(served, frame, code):
    with served.bus() as bus:
        bus.socket.send(frame)
        assert check_error(bus.take(), "raw", "frame")["code"] == code
        assert bus.ask("ping")["pid"] == served.process.pid
