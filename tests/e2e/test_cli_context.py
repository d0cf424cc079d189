"""What a group works on, and its template, as the command line has them, against a real daemon."""

import json

import pytest

from cliutil import answer, group_with, rows


@pytest.fixture
def group(home):
    return group_with(home, "lead", "peer-1")


def test_a_context_is_written_shown_and_forgotten(home, group):
    for words in [("vision", "A parser"), ("sketch", "-"), ("milestone", "First", "--status", "active"), ("note", "In English"),
                  ("reference", "docs/x.md", "--note", "the grammar"), ("presence", "Reading", "--actor-id", "peer-1")]:
        done = home.cli("context", *words, text="by hand\n")
        assert done.stdout.startswith("done\t"), words
    home.cli("context", "note", "--id", "N001", "In German")
    home.cli("context", "milestone", "--id", "M1", "--outcomes", "Out")
    shown = [line[:2] for line in rows(home.cli("context", "show").stdout)]
    assert shown[:7] == [["vision", "A parser"], ["sketch", "by hand\\n"], ["milestone", "M1  First (done)"], ["tasks", "0: 0 active, 0 planned, 0 done"],
                         ["note", "N001  In German"], ["reference", "R001  docs/x.md (the grammar)"], ["presence", "peer-1  Reading"]], shown
    home.cli("context", "forget", "N001")
    home.cli("context", "forget", "R001")
    seen = answer(home, "context", "show")
    assert seen["notes"] == [] and seen["references"] == [] and seen["vision"] == "A parser"
    assert answer(home, "context", "forget", "X1", status=2)["code"] == "usage"
    assert answer(home, "context", "forget", "N009", status=2)["code"] == "context_sync_error"


@pytest.mark.parametrize("words, kept", [(("vision",), "vision"), (("sketch",), "sketch"), (("note", "--id", "N001"), "notes")])
def test_empty_standard_input_erases_nothing_and_an_empty_text_does(home, group, words, kept):
    home.cli("context", "note", "kept")
    home.cli("context", words[0], *words[1:], "kept")
    before = answer(home, "context", "show")[kept]
    for nothing in ("", " \n"):
        refused = answer(home, "context", *words, "-", status=2, text=nothing)
        assert refused["code"] == "usage" and "nothing was changed" in refused["message"]
    assert answer(home, "context", "show")[kept] == before
    if kept != "notes":
        home.cli("context", *words, "")
        assert answer(home, "context", "show")[kept] == ""


def test_a_list_of_changes_is_all_or_nothing(home, group):
    good, bad = {"op": "note.add", "content": "a"}, {"op": "note.remove", "note_id": "N009"}
    assert home.cli("context", "sync", "--dry-run", text=json.dumps([good])).stdout == "would be\tAdded N001\n"
    home.cli("context", "sync", "-", text=json.dumps([good, bad]), check=False)
    assert answer(home, "context", "show")["notes"] == []
    home.cli("context", "sync", text=json.dumps([good, good]))
    assert [n["id"] for n in answer(home, "context", "show")["notes"]] == ["N001", "N002"]
    assert answer(home, "context", "sync", status=2, text="[")["code"] == "usage"


def test_a_task_from_its_beginning_to_its_end(home, group):
    home.cli("task", "add", "Parser", "--goal", "reads all", "--step", "write :: tests pass", "--step", "review", "--assignee", "peer-1")
    assert rows(home.cli("task", "list").stdout) == [["T001", "planned", "0/2", "peer-1", "-", "Parser"]]
    home.cli("task", "update", "T001", "--status", "active")
    home.cli("task", "step", "T001", "S1", "done")
    assert rows(home.cli("task", "list", "--status", "active").stdout) == [["T001", "active", "1/2", "peer-1", "-", "Parser"]]
    assert home.cli("task", "list", "--status", "done").stdout == ""
    assert ["step", "S1  done  write :: tests pass"] in rows(home.cli("task", "show", "T001").stdout)
    home.cli("task", "update", "T001", "--status", "archived", "--assignee", "")
    home.cli("task", "update", "T001", "--restore")
    assert answer(home, "task", "show", "T001")["task"]["status"] == "active"
    missing = answer(home, "task", "show", "T009", status=3)
    assert missing["code"] == "task_not_found" and "task list" in missing["hint"]
    assert answer(home, "task", "update", "T001", status=2)["code"] == "usage"


def test_a_template_goes_from_group_to_group(home, group, tmp_path):
    file, place = tmp_path / "team.yaml", tmp_path / "proj"
    place.mkdir()
    home.cli("template", "export", "-o", str(file))
    assert file.read_text().startswith("kind: cccc.group_template\n")
    made = rows(home.cli("template", "create", str(file), str(place), "--title", "Copy").stdout)[0][1]
    assert [a["id"] for a in answer(home, "actor", "list", "--group", made)["actors"]] == ["lead", "peer-1"]
    home.cli("actor", "remove", "lead", "--group", group)
    told = home.cli("template", "import", str(file), "--group", group)
    assert ["add", "lead"] in rows(told.stdout) and "--yes" in told.stderr
    assert home.cli("template", "preview", str(file), "--group", group).stdout == told.stdout
    assert answer(home, "template", "preview", str(file), "--group", group)["diff"]["actors_add"] == ["lead"]
    assert [a["id"] for a in answer(home, "actor", "list", "--group", group)["actors"]] == ["peer-1"]
    assert ["added", "lead"] in rows(home.cli("template", "import", str(file), "--group", group, "--yes").stdout)
    assert [a["id"] for a in answer(home, "actor", "list", "--group", group)["actors"]] == ["lead", "peer-1"]
    assert home.cli("template", "export", "--group", group).stdout.splitlines()[0] == "kind: cccc.group_template"
    assert answer(home, "template", "create", str(file), str(place), status=6)["code"] == "scope_already_attached"
    assert answer(home, "template", "preview", "-", status=2, text="")["message"] == "the template is empty"
    file.write_text("actors: 7\n")
    assert answer(home, "template", "import", str(file), "--yes", status=2)["code"] == "invalid_template"


def test_an_actors_prompt_is_shown(home, group):
    shown = home.cli("actor", "prompt", "peer-1").stdout
    assert "peer-1" in shown and shown == answer(home, "actor", "prompt", "peer-1")["prompt"].rstrip("\n") + "\n"
    words = home.path / "groups" / group / "prompts"
    words.mkdir()
    (words / "CCCC_PREAMBLE.md").write_text("Words of our own.\n")
    assert "Words of our own." in home.cli("actor", "prompt", "peer-1").stdout
    assert answer(home, "actor", "prompt", "nobody", status=3)["code"] == "actor_not_found"
