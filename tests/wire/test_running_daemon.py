"""What proto/ promises, asked of a running daemon: the vectors, and the example PROTOCOL.md begins with."""

import json
import pathlib
import re
import subprocess
import sys

from home import Home

HERE = pathlib.Path(__file__).resolve().parent
PROTOCOL = HERE.parents[1] / "proto" / "PROTOCOL.md"


def test_every_vector_is_answered_as_it_says():
    with Home() as home:
        home.start()
        done = subprocess.run([sys.executable, HERE / "run_vectors.py", home.path], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout


def test_the_first_example_of_the_document_works():
    """Run as printed, but for the group's id."""
    example = re.search(r"```python\n(.*?)```", PROTOCOL.read_text("utf-8"), re.S).group(1)
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group_id = bus.ask("group_create", title="t")["group_id"]
            bus.ask("actor_add", group_id=group_id, actor_id="lead")
        example = re.sub(r"g_[0-9a-f]{12}", group_id, example)
        done = subprocess.run([sys.executable, "-c", example], env=home.environment(), capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, "3\n"), done


def test_the_example_of_send_is_what_a_daemon_answers():
    """The document's request, in a group with its group's actors: every member of the event that does not depend on when and where is as printed, the digest too."""
    text = PROTOCOL.read_text("utf-8")
    [example] = [block for block in text.split("```")[1::2] if block.startswith("\n>") and '"op": "send",' in block and "client_digest" in block]
    asked, answered = (json.loads(part) for part in re.fullmatch(r"\n> (.*)\n< (.*)\n", example, re.S).groups())
    shown = answered["result"]["event"]
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group_id = bus.ask("group_create", title="t")["group_id"]
            for actor in ("lead", *shown["data"]["audience"]):
                bus.ask("actor_add", group_id=group_id, actor_id=actor, runner="headless", runtime="custom")
            event = bus.ask("send", **{**asked["args"], "group_id": group_id})["event"]
    assert list(event) == list(shown) and list(event["data"]) == list(shown["data"])
    assert event["data"] == shown["data"], "proto/PROTOCOL.md, the example of send"
