"""Every command does what it says, in a pipe: golden output with tabs, and the JSON envelope."""

import hashlib
import os
import subprocess
import time

import pytest
from cliutil import CCCC, answer, group_with, rows, steady
from home import BIN


@pytest.fixture
def group(home):
    return group_with(home, "lead", "peer-1", "peer-2")


# ---- groups ----


def test_a_new_group_is_the_active_one(home):
    group = answer(home, "group", "create", "--title", "One", "--topic", "about it")["group_id"]
    assert answer(home, "active")["active_group_id"] == group
    other = answer(home, "group", "create", "Two")["group_id"]
    assert home.cli("active").stdout == f"active\t{other}\n"
    assert home.cli("use", "One").stdout == f"active\t{group}\n"
    assert answer(home, "active")["active_group_id"] == group


def test_groups_are_rows(home):
    assert home.cli("groups").stdout == ""
    group_with(home)
    assert steady(home.cli("groups").stdout) == "GROUP\tDemo\tstopped\t0\t0\t*\tTIME\n"
    assert home.cli("group", "list").stdout == home.cli("groups").stdout
    assert answer(home, "groups")["groups"][0]["title"] == "Demo"


def test_group_show_update_and_states(home, group):
    assert steady(home.cli("group", "show").stdout) == "group\tGROUP\ntitle\tDemo\ntopic\t\nstate\tstopped\nactors\t3\n"
    assert home.cli("group", "update", "--title", "New", "--topic", "t").stdout == f"group\t{group} updated\n"
    shown = answer(home, "group", "show", "New")["group"]
    assert (shown["title"], shown["topic"]) == ("New", "t")
    for state in ("idle", "paused", "active"):
        assert home.cli("group", "set-state", state).stdout == f"group\t{group} is {state}\n"
        assert answer(home, "group", "show")["group"]["state"] == state


def test_scopes_are_attached_used_and_detached(home, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    result = answer(home, "attach", str(one))
    group = result["group_id"]
    assert answer(home, "active")["active_group_id"] == group
    assert answer(home, "attach", str(two), "--group", group)["group_id"] == group
    home.cli("group", "use", group, str(one))
    shown = home.cli("group", "show").stdout
    assert f"{result['scope_key']}\tone\t*\t{one}\n" in shown
    assert home.cli("group", "detach-scope", result["scope_key"]).returncode == 0
    assert str(one) not in home.cli("group", "show").stdout
    assert answer(home, "group", "detach-scope", "s_000000000000", status=3)
    home.cli("group", "detach-scope", str(two))
    assert str(two) not in home.cli("group", "show").stdout


def test_a_relative_path_is_the_callers(home, tmp_path):
    (tmp_path / "here").mkdir()
    done = subprocess.run([CCCC, "attach", "here"], env=home.environment(), cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"\t{tmp_path}/here\n" in home.cli("group", "show").stdout


def test_attach_says_which_directory_the_scope_is(home, tmp_path):
    (tmp_path / "work/sub").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path / "work")], check=True)
    assert home.cli("attach", str(tmp_path / "work/sub")).stdout.splitlines()[-1].endswith(f" {tmp_path}/work")


def test_group_start_and_stop_need_a_scope(home, group, tmp_path):
    assert answer(home, "group", "start", status=6)["code"] == "missing_project_root"
    home.cli("attach", str(tmp_path), "--group", group)
    home.cli("group", "start")
    assert answer(home, "group", "show")["group"]["running"] is True
    home.cli("group", "set-state", "stopped")
    home.cli("group", "start")
    home.cli("group", "stop")
    assert answer(home, "group", "show")["group"]["running"] is False


def test_settings_are_shown_and_changed(home, group):
    home.cli("group", "settings", "default_send_to=broadcast", "nudge_after_seconds=60")
    shown = [row for row in rows(home.cli("group", "settings").stdout)]
    assert ["default_send_to", "broadcast", "set"] in shown and ["nudge_after_seconds", "60", "set"] in shown
    assert ["reply_required_nudge_after_seconds", "60", "default"] in shown, "defaults are shown as they are in effect"
    assert len(shown) == 28 and [row[2] for row in shown].count("set") == 2
    result = answer(home, "group", "settings")
    assert result["settings"]["default_send_to"] == "broadcast" and result["settings_set"] == ["default_send_to", "nudge_after_seconds"]
    home.cli("group", "settings", "nudge_after_seconds=2147483647")
    assert home.cli("group", "settings", "nudge_after_seconds=2147483648", check=False).returncode == 2
    assert answer(home, "group", "settings")["settings"]["nudge_after_seconds"] == 2147483647


def test_delete_wants_the_id_again_and_keeps_the_folder_in_the_trash(home, group):
    assert answer(home, "group", "delete", group, status=2)["code"] == "confirmation_required"
    assert answer(home, "group", "delete", group, "--confirm", "Demo", status=2)["code"] == "confirmation_required"
    assert (home.path / "groups" / group).exists()
    home.cli("group", "delete", group, "--confirm", group)
    assert not (home.path / "groups" / group).exists()
    assert any(entry.name.startswith(group) for entry in (home.path / "trash").iterdir())
    assert answer(home, "active")["active_group_id"] == "" and home.cli("active").stdout == "active\t-\n"


@pytest.mark.parametrize("name", ["whole", "prefix", "title", "environment"])
def test_a_group_is_named_by_id_prefix_title_or_environment(home, group, name):
    word = {"whole": group, "prefix": group[:8], "title": "Demo", "environment": group}[name]
    other = answer(home, "group", "create", "Other")["group_id"]
    if name == "environment":
        result = answer(home, "group", "show", env={"CCCC_GROUP_ID": word})
        assert answer(home, "group", "show", "--group", other, env={"CCCC_GROUP_ID": word})["group"]["group_id"] == other
    else:
        result = answer(home, "group", "show", "--group", word)
    assert result["group"]["group_id"] == group


def test_an_ambiguous_group_is_refused_with_the_candidates(home):
    one = answer(home, "group", "create", "Same")["group_id"]
    two = answer(home, "group", "create", "Same")["group_id"]
    error = answer(home, "group", "show", "Same", status=2)
    assert one in error["message"] and two in error["message"]


# ---- actors ----


def test_actors_are_rows(home, group):
    assert rows(home.cli("actor", "list").stdout) == [["lead", "foreman", "enabled", "0", "0", *["-"] * 6],
                                                      ["peer-1", "peer", "enabled", "0", "0", *["-"] * 6],
                                                      ["peer-2", "peer", "enabled", "0", "0", *["-"] * 6]]


def test_actors_are_added_shown_updated_and_removed(home, group, tmp_path):
    home.cli("attach", str(tmp_path), "--group", group)
    home.cli("actor", "add", "dev", "--title", "Developer", "--runtime", "custom", "--runner", "pty", "--command", "sh -c 'cat -u'", "--env", "A=1,2",
             "--env", "B=", "--scope", str(tmp_path), "--submit", "newline")
    actor = answer(home, "actor", "show", "dev")["actor"]
    assert actor["command"] == ["sh", "-c", "cat -u"] and actor["env"] == {"A": "1,2", "B": ""} and actor["submit"] == "newline"
    assert actor["default_scope_key"].startswith("s_") and actor["title"] == "Developer"
    home.cli("actor", "update", "dev", "--title", "Tester", "--enabled", "0")
    assert "title\tTester\n" in home.cli("actor", "show", "dev").stdout
    assert ["dev", "peer", "never started, disabled"] == rows(home.cli("actor", "list").stdout)[3][:3]
    assert home.cli("actor", "remove", "dev").stdout == "actor\tdev removed\n"
    assert answer(home, "actor", "show", "dev", status=3)["code"] == "actor_not_found"


def test_an_actor_without_a_name_gets_one(home, group):
    assert answer(home, "actor", "add", "--runtime", "claude", "--runner", "headless")["actor"]["id"] == "claude-1"


# ---- messages ----


def test_send_prints_one_row_and_stores_what_was_said(home, group):
    out = home.cli("send", "Review src/api", "--to", "peer-1,peer-2", "--to", "user", "--reply-required", "--priority", "attention", "--by", "lead").stdout
    assert steady(out) == "stored\t5\tEVENT\tpeer-1,peer-2,user\n"
    data = home.ledger(group)[-1]["data"]
    assert (data["text"], data["to"], data["reply_required"], data["priority"]) == ("Review src/api", ["peer-1", "peer-2", "user"], True, "attention")
    assert home.ledger(group)[-1]["by"] == "lead"


def test_text_comes_from_standard_input_byte_for_byte(home, group):
    text = "line one\n\tline two \u20ac\n"
    home.cli("send", "-", "--to", "lead", text=text)
    assert home.ledger(group)[-1]["data"]["text"] == text


def test_text_that_begins_with_a_dash_stands_behind_two(home, group):
    home.cli("send", "--to", "lead", "--", "--to be or not")
    assert home.ledger(group)[-1]["data"]["text"] == "--to be or not"


def test_long_text_is_sent_whole(home, group):
    text = "x" * 200_000
    home.cli("send", "-", "--to", "lead", text=text)
    event = home.ledger(group)[-1]["data"]
    stored = [a["path"] for a in event["attachments"]]
    assert len(stored) == 1
    fetched = subprocess.run([CCCC, "blob", "get", stored[0]], env=home.environment(), capture_output=True, timeout=60)
    assert fetched.stdout.decode().rstrip("\n") == text


def test_the_same_client_id_stores_once(home, group):
    first = answer(home, "send", "x", "--to", "lead", "--client-id", "once")
    again = answer(home, "send", "x", "--to", "lead", "--client-id", "once")
    assert again["event"]["id"] == first["event"]["id"] and again["duplicate"] is True
    assert answer(home, "send", "y", "--to", "lead", "--client-id", "once", status=6)["code"] == "client_id_conflict"
    assert len(home.ledger(group)) == 5


def test_files_go_along_as_blobs(home, group, tmp_path):
    content = os.urandom(1_500_000)
    file = tmp_path / "some, file.bin"
    file.write_bytes(content)
    home.cli("send", "--to", "lead", "--file", str(file))
    [attachment] = home.ledger(group)[-1]["data"]["attachments"]
    assert attachment["bytes"] == len(content) and hashlib.sha256(content).hexdigest() in attachment["path"]
    home.cli("blob", "get", attachment["path"], "-o", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content


def test_blobs_are_put_described_and_fetched(home, group, tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"hello")
    path = rows(home.cli("blob", "put", str(file)).stdout)[0][1]
    assert path == f"state/blobs/{hashlib.sha256(b'hello').hexdigest()}_a.txt"
    assert "bytes\t5 (5 B)\n" in home.cli("blob", "stat", path).stdout
    assert home.cli("blob", "get", path).stdout == "hello"
    assert answer(home, "blob", "stat", "state/blobs/" + "0" * 64 + "_x", status=3)["code"] == "blob_not_found"
    assert answer(home, "blob", "stat", "../group.yaml", status=2)["code"] == "invalid_blob_path"


@pytest.mark.parametrize("form", ["seq", "hash", "id", "prefix"])
def test_reply_names_the_event_in_any_form(home, group, form):
    event = answer(home, "send", "ready?", "--to", "peer-1", "--by", "lead")["event"]
    word = {"seq": str(event["seq"]), "hash": f"#{event['seq']}", "id": event["id"], "prefix": event["id"][:24]}[form]
    assert steady(home.cli("reply", word, "yes", "--by", "peer-1").stdout) == "stored\t6\tEVENT\tlead\n"
    data = home.ledger(group)[-1]["data"]
    assert data["reply_to"] == event["id"] and data["to"] == ["lead"]


def test_a_message_to_another_group_is_in_both(home, group):
    other = answer(home, "group", "create", "Other")["group_id"]
    home.cli("actor", "add", "there", "--runtime", "custom", "--runner", "headless")
    answer(home, "send", "across", "--group", group, "--dst-group", "Other", "--to", "there")
    assert any(line["data"].get("src_group_id") == group for line in home.ledger(other))
    assert any(line["data"].get("dst_group_id") == other for line in home.ledger(group))


# ---- inbox ----


def test_inbox_shows_unread_and_marks_only_when_told(home, group):
    home.cli("send", "one", "--to", "peer-1", "--by", "lead")
    home.cli("send", "two", "--to", "@all", "--by", "lead")
    golden = "TIME\t5\tchat.message\tlead\tpeer-1\tone\nTIME\t6\tchat.message\tlead\t@all\ttwo\n"
    for _ in range(2):
        assert steady(home.cli("inbox", "--actor-id", "peer-1").stdout) == golden
    assert steady(home.cli("inbox", env={"CCCC_ACTOR_ID": ""}, check=False).stderr).startswith("cccc: no actor was named")
    assert steady(home.cli("inbox", "-a", "peer-1", "-n", "1").stdout) == golden.splitlines(keepends=True)[0]
    assert [m["data"]["text"] for m in answer(home, "inbox", "-a", "peer-2")["messages"]] == ["two"]
    assert steady(home.cli("inbox", "-a", "peer-1", "-m").stdout) == golden
    done = home.cli("inbox", "-a", "peer-1")
    assert done.stdout == "" and "no unread messages" in done.stderr


def test_mark_read_in_json_names_what_was_marked(home, group):
    sent = answer(home, "send", "one", "--to", "peer-1", "--by", "lead")["event"]["id"]
    result = answer(home, "inbox", "--actor-id", "peer-1", "--mark-read")
    assert result["marked"]["cursor"]["event_id"] == sent
    assert "marked" not in answer(home, "inbox", "--actor-id", "peer-1", "--mark-read")


def test_read_all_of_nothing_says_so(home, group):
    assert home.cli("read", "--all", "--actor-id", "user").stdout == "read\tuser has had nothing to read\n"


def test_read_moves_the_cursor_to_an_event_or_to_the_end(home, group):
    for text in ("one", "two", "three"):
        home.cli("send", text, "--to", "peer-1", "--by", "lead")
    home.cli("read", "6", "--actor-id", "peer-1")
    assert [m["data"]["text"] for m in answer(home, "inbox", "-a", "peer-1")["messages"]] == ["three"]
    home.cli("read", "--all", "--actor-id", "peer-1")
    assert answer(home, "inbox", "-a", "peer-1")["messages"] == []


def test_kind_filter_chooses_the_lane(home, group):
    home.cli("send", "one", "--to", "peer-1", "--by", "lead")
    assert answer(home, "inbox", "-a", "peer-1", "--kind-filter", "notify")["messages"] == []
    assert len(answer(home, "inbox", "-a", "peer-1", "--kind-filter", "chat")["messages"]) == 1


# ---- words about itself ----


def test_version_help_and_completion(home):
    assert home.cli("version").stdout == "cccc 0.1.0\n"
    assert answer(home, "version") == {"version": "0.1.0", "daemon_version": None}
    assert home.cli("--version").stdout == home.cli("send", "--version").stdout == "cccc 0.1.0\n"
    assert home.cli("help").stdout == home.cli("--help").stdout
    assert home.cli("help", "group", "create").stdout == home.cli("group", "create", "--help").stdout
    assert home.cli("send", "--help").stdout.startswith('  cccc send "Review src/api" --to peer-1,peer-2')
    assert home.cli("help", "--man", "tail").stdout.splitlines()[2] == ".Dt CCCC-TAIL 1"
    assert "    9  stored data is damaged\n" in home.cli("help", "exit-codes").stdout
    assert [line.split()[0] for line in home.cli("help", "exit-codes").stdout.splitlines()][-2:] == ["130", "143"]
    for shell in ("bash", "zsh", "fish"):
        script = home.cli("completion", shell).stdout
        assert "chat.message" in script and "default_send_to" in script, shell
    assert home.cli("help", "topics").stdout.count("cccc help ") == 3
    assert not (home.path / "daemon").exists(), "words start nothing"


def test_status_takes_under_20_ms(home, group):
    best = 1.0
    for _ in range(20):
        start = time.monotonic()
        home.cli("status")
        best = min(best, time.monotonic() - start)
    sanitized = b"__asan_init" in (BIN / "cccc").read_bytes() or b"__tsan_init" in (BIN / "cccc").read_bytes()
    assert best < (0.200 if sanitized else 0.020), f"{best * 1000:.1f} ms"
