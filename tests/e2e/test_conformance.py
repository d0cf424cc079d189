"""Every operation, asked over both transports: each request of tests/conformance/ gets the answer written there, and the same one from the bus and from the gateway.

`code` is the error's, `details` are members of its details; `has` are members of the result, by path; `event` is the kind of the newest event afterwards, which the request must have added; without it
none may be added; `keep` gives members names for later requests ("$A"). Two fresh homes take the cases in the same order, so that even seqs have to agree; ids, times and processes are named by their first appearance."""

import base64
import json
import pathlib
import re

import pytest

from gateway import Line
from home import Home

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "conformance"
CASES = [case for name in ("arguments.json", "operations.json") for case in json.loads((FOLDER / name).read_text())]
# What no case here gives, and why: the rest of tests/ has most of it.
CODES_WITHOUT_A_CASE = {
    "bad_json bad_line bad_yaml damaged group_offline group_read_only": "a home that was damaged: tests/damage, test_damage.py",
    "exists locked": "of the command line and of starting a second daemon",
    "no_space storage_failed observability_update_failed template_export_failed internal_error": "a disk that fails: tests/sim, test_daemon_faults.py",
    "busy shutting_down": "load and a stop: tests/sim, test_gateway.py",
    "sender_unknown superseded": "callers that are not this one: tests/core/test_runtime.c, test_actor_identity.py",
    "storm_held": "65 held messages: tests/core/test_guards.c",
    "daemon_not_running daemon_unreachable no_active_group timeout usage": "said by clients, never by the daemon",
}
OPERATIONS_WITHOUT_SUCCESS = {
    "shutdown": "it ends the daemon: test_gateway.py",
    "hold_register hold_wait": "for cccc-hold alone: test_actors.py",
    "hold_release": "needs a storm: tests/core/test_guards.c",
    "events_stream term_attach": "they make something else of a connection: test_gateway_streams.py",
}
ADDS_BY_ITSELF = {"runtime.started", "runtime.exited", "chat.relayed"}  # written when they happen, not when they are asked for


class Side:
    """A home, and requests to it over one transport."""

    def __init__(self, transport):
        self.transport, self.names = transport, {}
        self.home = Home()
        self.home.start()
        self.bus, self.line = self.home.bus(), Line(self.home)
        group = self.ask("group_create", title="Conformance")["group_id"]
        other = self.ask("group_create", title="Other")["group_id"]
        self.ask("attach", path="/src/proj", group_id=group)
        for actor in ("lead", "peer-1"):
            self.ask("actor_add", group_id=group, actor_id=actor, runtime="custom", runner="headless", command=["cat"])
        event = self.ask("send", group_id=group, text="first", to=["peer-1"])["event"]["id"]
        self.known = {"$G": group, "$G2": other, "$E": event}

    def ask(self, op, **args):
        reply = self.reply(op, args)
        assert reply["ok"], reply
        return reply["result"]

    def reply(self, op, args):
        if self.transport == "gateway":
            self.line.post(op, **args)
            return self.line.take()
        wanted = self.bus.post(op, args)
        reply = json.loads(json.dumps(self.bus.take(), default=lambda binary: base64.b64encode(binary).decode()))
        assert reply.pop("id") == wanted
        reply.setdefault("error", None)
        return reply

    def filled(self, value):
        text = json.dumps(value)
        for name in sorted(self.known, key=len, reverse=True):
            text = text.replace(f'"{name}"', json.dumps(self.known[name]))
        return json.loads(text)

    def head(self):
        """The last event of the group that requests cause: its seq and kind."""
        if not any(row["group_id"] == self.known["$G"] for row in self.bus.ask("groups")["groups"]):
            return None
        page = self.bus.ask("ledger_read", group_id=self.known["$G"], before_seq=0, limit=20)
        events = [e for e in page["events"] if e["kind"] not in ADDS_BY_ITSELF]
        return events[-1]["seq"], events[-1]["kind"]

    def neutral(self, reply):
        """The reply without what differs by itself."""
        text = json.dumps(reply, sort_keys=True).replace(str(self.home.path), "HOME")
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", "TIME", text)
        for pattern in (r"[gs]_[0-9a-f]{12}", r"\b[0-9a-f]{32}\b", r"\b[0-9a-f]{12}\b"):
            text = re.sub(pattern, lambda m: self.names.setdefault(m.group(), f"NAME{len(self.names)}"), text)
        return re.sub(r'"(pid|version|size_bytes|client_digest|rss_bytes|fds|requests|acked|syncs|uptime_s|sync_\w+|gateway_\w+|events_published|started|subscriptions|epoch)": ("[^"]*"|\d+)', r'"\1": 0', text)

    def end(self):
        self.bus.close()
        self.line.close()
        self.home.end()


@pytest.fixture(scope="module")
def sides():
    both = Side("bus"), Side("gateway")
    yield both
    for side in both:
        side.end()


def member(value, path):
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def check(side, case, reply, before):
    where = (side.transport, case, reply)
    if "code" in case:
        assert not reply["ok"] and reply["error"]["code"] == case["code"], where
        assert reply["result"] == {} and reply["error"]["message"] and isinstance(reply["error"]["details"], dict), where
        for path, wanted in case.get("details", {}).items():
            assert member(reply["error"]["details"], path) == wanted, (path, where)
    else:
        assert reply["ok"] and reply["error"] is None, where
        for path, wanted in side.filled(case["has"]).items():
            assert member(reply["result"], path) == wanted, (path, where)
        side.known.update({name: member(reply["result"], path) for name, path in case.get("keep", {}).items()})
    after = side.head()
    if "event" in case:
        assert after[0] > before[0] and after[1] == case["event"], (before, after, where)
    elif after is not None:
        assert after == before, (before, after, where)


def names(table):
    return {name for group in table for name in group.split()}


def test_there_are_cases_for_every_operation():
    """Each is asked, and each but those named above also succeeds; one that is named and has a case is no longer to be named."""
    table = (pathlib.Path(__file__).resolve().parents[2] / "proto/ops.def").read_text()
    known = set(re.findall(r"^CCCC_OP\((\w+)", table, re.M))
    assert len(CASES) >= 400
    assert known - {case["op"] for case in CASES} == {"shutdown", "hold_register", "hold_wait"}
    assert known - {case["op"] for case in CASES if "has" in case} == names(OPERATIONS_WITHOUT_SUCCESS)


def test_there_are_cases_for_every_error_code():
    """The same of codes, which may also be the cause that details give."""
    table = (pathlib.Path(__file__).resolve().parents[2] / "proto/errors.def").read_text()
    known = set(re.findall(r'^CCCC_ERROR\(\w+, "(\w+)"', table, re.M))
    had = {case.get("code") for case in CASES} | {case.get("details", {}).get("cause") for case in CASES}
    assert known - had == names(CODES_WITHOUT_A_CASE)


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda i: f"{i}-{CASES[i]['op']}-{CASES[i].get('code', 'ok')}")
def test_case(sides, index):
    case = CASES[index]
    neutral = []
    for side in sides:
        before = side.head()
        reply = side.reply(case["op"], side.filled(case["args"]))
        check(side, case, reply, before)
        neutral.append(side.neutral(reply))
    assert neutral[0] == neutral[1]
