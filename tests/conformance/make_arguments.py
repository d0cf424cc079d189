#!/usr/bin/env python3
"""Write arguments.json anew: for every operation of proto/ops.def, each argument missing, blank, and of a type it is not, with the error code that the tables
give it. Run it after a change of the table, and look at the difference: what it shows is a change for clients."""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[1] / "proto"
LEFT_OUT = {"shutdown", "hold_register", "hold_wait"}  # one ends the daemon, two are for cccc-hold alone
GOOD = {"STR": "x", "TEXT": "x", "GROUP_ID": "$G", "ACTOR_ID": "lead", "EVENT_ID": "$E", "BOOL": True, "UINT": 1, "INT": 1, "STRS": ["lead"],
        "MAP": {"title": "x"}, "MAPS": [{"text": "x"}], "BIN": "eA==", "ANY": [], "PRIORITY": "normal", "WORDS": ["cat"]}
GOOD_BY_NAME = {"path": "/src/proj", "sha256": "0" * 64, "state": "active", "status": "idle", "component": "daemon", "confirm": "$G"}
BAD = {"STR": [{}], "TEXT": [7], "GROUP_ID": ["nope", "../g_0123456789ab", []], "ACTOR_ID": ["a/b", {}], "EVENT_ID": ["a b"], "BOOL": ["maybe", []],
       "UINT": [-1, "x"], "INT": [1.5, {}], "STRS": [{}, [{}]], "WORDS": [{}, [{}], "cat 'x"], "MAP": [[]], "MAPS": [{}, [7]], "BIN": ["?"], "ANY": [], "PRIORITY": ["urgent"]}
CODES = {"GROUP_ID": "invalid_group_id", "ACTOR_ID": "invalid_actor_id", "PRIORITY": "invalid_priority"}
BLANK_IS_MISSING = {"STR", "GROUP_ID", "ACTOR_ID", "EVENT_ID"}


def rows(macro, text):
    for found in re.finditer(rf"^{macro}\((.*)\)$", text, re.M):
        yield [part.strip() for part in re.split(r',\s*(?=(?:[^"]*"[^"]*")*[^"]*$)', found.group(1))]


def cases():
    table, errors = (PROTO / "ops.def").read_text(), (PROTO / "errors.def").read_text()
    codes = {row[0]: row[1].strip('"') for row in rows("CCCC_ERROR", errors)}
    arguments = list(rows("CCCC_ARG", table))
    for op, *_ in rows("CCCC_OP", table):
        mine = [a for a in arguments if a[0] == op and op not in LEFT_OUT]
        needed = {a[1]: GOOD_BY_NAME.get(a[1], GOOD[a[2]]) for a in mine if a[3] == "REQUIRED"}
        for _, name, kind, need, _, missing, *_ in mine:
            if need == "REQUIRED":
                yield op, {k: v for k, v in needed.items() if k != name}, codes[missing]
            if need == "REQUIRED" and kind in BLANK_IS_MISSING:
                yield op, needed | {name: "  "}, codes[missing]
            for bad in BAD[kind]:
                yield op, needed | {name: bad}, CODES.get(kind, "invalid_request")


if __name__ == "__main__":
    lines = [json.dumps({"op": op, "args": args, "code": code}) for op, args, code in cases()]
    (HERE / "arguments.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
