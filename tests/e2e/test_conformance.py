"""Every operation, asked over both transports: each request of tests/conformance/ gets the answer written there, and the same one from the bus and from the gateway.

`code` is the error's; `has` are members of the result, by path; `event` is the kind of the newest event afterwards, which the request must have added; without it
none may be added; `keep` gives members names for later requests ("$A"). Two fresh homes take the cases in the same order, so that even seqs have to agree; ids, times and processes are named by their first appearance."""

import json
import pathlib
import re

import pytest

from gateway import Line
from home import Home

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "conformance"
CASES = [case for name in ("arguments.json", "operations.json") for case in json.loads((FOLDER / name).read_text())]
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
        reply = self.bus.take()
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
        return re.sub(r'"(pid|version|rss_bytes|fds|requests|acked|syncs|uptime_s|sync_\w+|gateway_\w+|events_published|started|subscriptions|epoch)": ("[^"]*"|\d+)', r'"\1": 0', text)

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


def test_there_are_cases_for_every_operation():
    table = (pathlib.Path(__file__).resolve().parents[2] / "proto/ops.def").read_text()
    known = set(re.findall(r"^CCCC_OP\((\w+)", table, re.M)) - {"shutdown", "hold_register", "hold_wait"}
    without_arguments = {"ping", "groups", "active_get", "observability_get"}
    assert len(CASES) >= 400
    assert known - without_arguments <= {case["op"] for case in CASES}


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
