"""Wrong input gets an error that says what, why and what next, changes nothing, and ends with the documented status."""

import json
import os
import re
import subprocess

import pytest
from cliutil import CCCC, answer, group_with
from home import BIN, Home

HELP = subprocess.run([str(BIN / "cccc"), "help", "--man"], capture_output=True, text=True, check=True).stdout if (BIN / "cccc").exists() else ""
COMMANDS = [line[7:].split() for line in HELP.splitlines() if line.startswith(".It Cm ")]
NOUNS = {words[0] for words in COMMANDS if len(words) == 2}
RUNNABLE = [words for words in COMMANDS if words[0] not in NOUNS or len(words) == 2]


def refused(done, status):
    """Words on stderr only: what is wrong, then what is next."""
    assert done.returncode == status, (done.args, done.returncode, done.stdout, done.stderr)
    assert done.stdout == "" and re.match(r"cccc: .+\n  next: .+\n$", done.stderr), (done.stdout, done.stderr)
    return done.stderr


def test_the_table_of_commands_was_found():
    assert len(RUNNABLE) > 35


@pytest.mark.parametrize("words", RUNNABLE, ids=" ".join)
def test_every_command_refuses_an_unknown_option_and_starts_nothing(home, words):
    error = refused(home.cli(*words, "--no-such-option", check=False), 2)
    assert f"cccc {' '.join(words)} has no option --no-such-option" in error
    envelope = json.loads(home.cli(*words, "--no-such-option", "--json", check=False).stdout)
    assert envelope["ok"] is False and envelope["error"]["code"] == "usage" and envelope["error"]["hint"]
    assert not (home.path / "daemon").exists()


@pytest.mark.parametrize("words", [words for words in RUNNABLE if words[-1] not in ("help", "settings")], ids=" ".join)
def test_every_command_refuses_superfluous_arguments_and_starts_nothing(home, words):
    refused(home.cli(*words, "a", "b", "c", "d", check=False), 2)
    assert not (home.path / "daemon").exists()


@pytest.mark.parametrize("words", RUNNABLE, ids=" ".join)
def test_every_option_with_a_value_refuses_to_be_without_one(home, words):
    page = subprocess.run([CCCC, "help", "--man", words[0]], capture_output=True, text=True, check=True).stdout
    synopsis = page.split(f".Cm {' '.join(words)}\n", 1)[1].split(".Nm", 1)[0]
    for option in re.findall(r"\.Op Fl Fl (\S+) Ar", synopsis):
        error = refused(home.cli(*words, f"--{option}", check=False), 2)
        assert f"--{option} needs a value" in error
    for flag in re.findall(r"\.Op Fl Fl (\S+)\n", synopsis):
        assert f"--{flag} takes no value" in refused(home.cli(*words, f"--{flag}=1", check=False), 2)


# Arguments, exit status, and what the error must mention. None needs a daemon.
OFFLINE = [
    (["sned"], 2, "did you mean `cccc send`?"),
    (["group", "crate"], 2, "did you mean `cccc group create`?"),
    (["group"], 2, "needs a verb"),
    (["help", "nothing"], 2, "no command"),
    (["help", "group", "nothing"], 2, "no command"),
    (["completion", "tcsh"], 2, "bash, zsh, fish"),
    (["reply"], 2, "needs EVENT"),
    (["use"], 2, "needs GROUP"),
    (["read", "--actor-id", "a"], 2, "neither an event nor --all"),
    (["read", "5", "--all", "--actor-id", "a"], 2, "an event and --all"),
    (["read", "5", "--actor-id", "a", "--kind-filter", "chat"], 2, "--all only"),
    (["inbox"], 2, "CCCC_ACTOR_ID"),
    (["inbox", "--limit", "x"], 2, "whole number"),
    (["tail", "--since", "sometime"], 2, "for example 90s"),
    (["tail", "--from", "x"], 2, "takes a number"),
    (["tail", "-n", "-1"], 2, "whole number"),
    (["tail", "--lines", "abc"], 2, "for example --lines 100"),
    (["tail", "--kind", "chat.mesage"], 2, "did you mean chat.message?"),
    (["tail", "--kind", "chat.message,nonsense"], 2, "there are group.create, "),
    (["--timeout", "0", "status"], 2, "from 1"),
    (["send", "x", "--to", ""], 2, "--to is empty"),
    (["send", "x", "--to", ","], 2, "--to is empty"),
    (["send", "x", "--to", " "], 2, "--to is empty"),
    (["send", "x", "--to", "lead", "--to", "@"], 2, "--to is empty"),
    (["tail", "--kind", ","], 2, "--kind is empty"),
    (["actor", "add", " "], 2, "ACTOR is empty"),
    (["send", "x", "--by", " "], 2, "--by is empty"),
    (["inbox", "--limit", "9" * 20], 2, "is too large"),
    (["send", "\udcff"], 2, "texts are UTF-8"),
    (["send", "x", "--client-id="], 2, "--client-id is empty"),
    (["reply", "", "x"], 2, "EVENT is empty"),
    (["group", "show", ""], 2, "GROUP is empty"),
    (["inbox", "--actor-id", ""], 2, "--actor-id is empty"),
    (["tail", "--raw", "--json"], 2, "both given"),
    (["send", "x", "--priority", "urgent"], 2, "normal, attention"),
    (["group", "set-state", "asleep"], 2, "active, idle, paused, stopped"),
    (["group", "create", "a", "--title", "b"], 2, "given twice"),
    (["group", "show", "a", "--group", "b"], 2, "named twice"),
    (["group", "update"], 2, "nothing to change"),
    (["attach", "/no/such/folder"], 2, "No such file"),
    (["attach", "/etc/passwd"], 2, "Not a directory"),
    (["--color", "maybe", "status"], 2, "auto, always, never"),
    (["ledger", "verify", "--all", "--group", "x"], 2, "both given"),
    (["ledger", "verify"], 3, "none is active"),
    (["ledger", "stat", "--group", "nothing"], 3, "no group has"),
    (["demo", "--json"], 2, "no --json"),
]


@pytest.mark.parametrize("words, status, mention", OFFLINE, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_is_wrong_without_a_daemon_starts_none(home, words, status, mention):
    done = home.cli(*words, check=False)
    if "--json" not in words:
        assert mention in refused(done, status)
    else:
        assert done.returncode == status and mention in json.loads(done.stdout)["error"]["message"]
    assert not (home.path / "daemon").exists()


# Arguments, code of the error, exit status; in a group with lead and peer-1.
REFUSED = [
    (["send"], "usage", 2),
    (["send", "", "--to", "lead"], "empty_message", 2),
    (["send", "x", "--to", "nobody"], "invalid_recipient", 2),
    (["send", "x", "--to", "lead", "--by", "ghost"], None, None),
    (["send", "x", "--to", "lead", "--file", "/no/such/file"], None, None),
    (["send", "x", "--to", "lead", "--client-id", "c" * 129], "too_large", 2),
    (["send", "x", "--to", "lead", "--path", "/"], "scope_not_attached", 6),
    (["send", "x", "--group", "g_000000000000"], "group_not_found", 3),
    (["send", "x", "--group", "No such title"], "group_not_found", 3),
    (["send", "x", "--group", "../groups/g_000000000000"], "group_not_found", 3),
    (["reply", "99", "x"], "event_not_found", 3),
    (["reply", "0", "x"], "event_not_found", 3),
    (["reply", "abcdef0123", "x"], "event_not_found", 3),
    (["reply", "f" * 32, "x"], "event_not_found", 3),
    (["reply", "not-an-id", "x"], "event_not_found", 3),
    (["read", "1", "--actor-id", "lead"], "invalid_event_kind", 2),
    (["read", "99", "--actor-id", "lead"], "event_not_found", 3),
    (["use", "g_000000000000"], "group_not_found", 3),
    (["use", "nothing"], "group_not_found", 3),
    (["actor", "add", "a b"], "actor_add_failed", 2),
    (["actor", "add", "lead"], "actor_add_failed", 6),
    (["actor", "add", "x", "--by", "peer-1"], "actor_add_failed", 4),
    (["actor", "update", "lead", "--title", "x", "--by", "lead"], "actor_update_failed", 4),
    (["actor", "remove", "lead", "--by", "peer-1"], "actor_remove_failed", 4),
    (["group", "update", "--title", "x", "--by", "peer-1"], "group_update_failed", 4),
    (["group", "settings", "nudge_after_seconds=1", "--by", "peer-1"], "group_settings_update_failed", 4),
    (["actor", "add", "../x"], "actor_add_failed", 2),
    (["actor", "add", "user"], "actor_add_failed", 2),
    (["actor", "add", "x", "--runtime", "nothing"], "actor_add_failed", 2),
    (["actor", "add", "x", "--env", "NOVALUE"], "usage", 2),
    (["actor", "add", "x", "--env", "A=1", "--env", "A=2"], "usage", 2),
    (["actor", "add", "x", "--command", "'open"], "usage", 2),
    (["actor", "add", "x", "--scope", "/"], "scope_not_attached", 6),
    (["actor", "show", "nobody"], "actor_not_found", 3),
    (["actor", "update", "lead"], "usage", 2),
    (["actor", "update", "nobody", "--title", "x"], "actor_not_found", 3),
    (["actor", "remove", "nobody"], "actor_not_found", 3),
    (["group", "settings", "nothing=1"], "invalid_patch", 2),
    (["group", "settings", "default_send_to"], "usage", 2),
    (["group", "settings", "default_send_to=nobody"], "invalid_patch", 2),
    (["group", "settings", "a=1", "a=2"], "usage", 2),
    (["group", "use", "Demo", "/"], "scope_not_attached", 6),
    (["group", "settings", "nudge_after_seconds=soon"], "invalid_patch", 2),
    (["group", "settings", "nudge_after_seconds=-5"], "group_settings_update_failed", 2),
    (["group", "settings", "min_interval_seconds=9999999999999999999"], "invalid_patch", 2),
    (["send", "x", "--to", "lead", "--file", "-"], "usage", 2),
    (["group", "detach-scope", "nothing"], "not_found", 3),
    (["group", "detach-scope", "s_000000000000"], "not_found", 3),
    (["blob", "put", "/no/such/file"], "invalid_path", 2),
    (["blob", "get", "state/blobs/" + "0" * 64 + "_x", "-o", "/dev/null"], "blob_not_found", 3),
    (["blob", "stat", "/etc/passwd"], "invalid_blob_path", 2),
    (["tail", "--kind", "k" * 300, "-n", "1"], None, None),
]


@pytest.mark.parametrize("words, code, status", REFUSED, ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "")
def test_what_the_daemon_refuses_changes_nothing(home, words, code, status):
    group = group_with(home, "lead", "peer-1")
    before, config = home.ledger(group), (home.path / "groups" / group / "group.yaml").read_bytes()
    done = home.cli(*words, "--json", check=False)
    if words[0] != "tail":
        error = json.loads(done.stdout)["error"]
        assert done.returncode != 0 and len(error["message"]) > 10 and len(error["hint"]) > 10, error
        assert code is None or error["code"] == code, error
        assert status is None or done.returncode == status, (done.returncode, error)
        text = home.cli(*words, check=False)
        assert text.stdout == "" and error["message"] in text.stderr
    assert home.ledger(group) == before
    assert (home.path / "groups" / group / "group.yaml").read_bytes() == config


# Arguments, and what the error must mention; in a group with lead and peer-1 and the scope /usr.
ADVICE = [
    (["reply", "2"], 'cccc reply EVENT "text"'),
    (["send", ""], "- for standard input"),
    (["send", "x", "--file", "/no/such/file"], "give a path that is there"),
    (["send", "x", "--to", "@ALL"], "unknown recipient: @ALL"),
    (["send", "x", "--path", "/var"], "(its scopes: /usr)\n  next: name a path in one of them, or attach it: cccc attach /var --group g_"),
    (["group", "use", "Demo", "/var"], "(its scopes: /usr)"),
    (["actor", "add", "x", "--scope", "/var"], "(its scopes: /usr)"),
    (["actor", "remove", "peer-2"], "did you mean peer-1?"),
    (["read", "2", "--actor-id", "lead"], "is of kind actor.add; only messages"),
    (["group", "settings", "default_send_too=foreman"], "did you mean default_send_to?"),
    (["group", "settings", "nudge_after_seconds=soon"], "it is 300 now"),
    (["group", "settings", "min_interval_seconds=9999999999999999999"], "a whole number from 0 to 2147483647"),
    (["group", "settings", "ledger_keep_tail_lines=0"], "a whole number from 1 to 1000000"),
    (["actor", "add", "x", "--by", "peer-1"], "`cccc actor list` shows who is foreman"),
    (["group", "detach-scope", "nothing"], "lists the scopes with their keys"),
]


@pytest.fixture(scope="module")
def team():
    with Home() as home:
        group_with(home, "lead", "peer-1")
        home.cli("attach", "/usr", "--group", "Demo")
        yield home


@pytest.mark.parametrize("words, mention", ADVICE, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_errors_say_what_to_do_next(team, words, mention):
    done = team.cli(*words, check=False)
    assert done.returncode != 0 and mention in done.stderr and "\n  next: " in done.stderr


def test_an_actor_nobody_knows_is_said_and_shown_all_the_same(home):
    """The ledger may have events of one who left, and a follower may wait for one who is to come."""
    group_with(home, "lead", "peer-1")
    home.cli("send", "bye", "--by", "peer-1", "--to", "lead")
    home.cli("actor", "remove", "peer-1")
    done = home.cli("tail", "--actor", "peer-1")
    assert "bye" in done.stdout and 'has no actor "peer-1" now' in done.stderr
    assert "did you mean lead?" in home.cli("tail", "--actor", "leed").stderr
    for known in ("lead", "user", "system", "svc:cron"):
        assert home.cli("tail", "--actor", known).stderr == ""


def test_kinds_of_older_ledgers_are_kinds(home):
    group_with(home, "lead")
    assert home.cli("tail", "--kind", "actor.start,group.create").stdout.count("\n") == 1


def test_standard_input_over_the_limit_is_refused(home):
    group = group_with(home, "lead")
    error = answer(home, "send", "-", "--to", "lead", status=2, text="x" * 1_000_001)
    assert error["code"] == "too_large" and "--file" in error["hint"]
    assert len(home.ledger(group)) == 2


def test_text_that_is_not_utf8_is_refused(home):
    group = group_with(home, "lead")
    for words, given in ((["send", "-", "--to", "lead"], b"\xff\xfe"), (["send", b"\xff\xfe", "--to", "lead"], b""), (["use", b"\xc3("], b"")):
        done = subprocess.run([CCCC, *words, "--json"], env=home.environment(), input=given, capture_output=True, timeout=60)
        assert done.returncode == 2 and "UTF-8" in json.loads(done.stdout)["error"]["message"]
    done = subprocess.run([CCCC, "group", "show", "--json"], env={**os.environb, b"CCCC_HOME": bytes(home.path), b"CCCC_GROUP_ID": b"\xff"}, capture_output=True,
                          timeout=60)
    assert done.returncode == 2 and "UTF-8" in json.loads(done.stdout)["error"]["message"]
    folder = bytes(home.path) + b"-\xff"
    os.mkdir(folder)
    try:
        done = subprocess.run([CCCC, "attach", "--json"], env=home.environment(), cwd=folder, capture_output=True, timeout=60)
        assert done.returncode == 2 and "UTF-8" in json.loads(done.stdout)["error"]["message"]
    finally:
        os.rmdir(folder)
    assert len(home.ledger(group)) == 2


def test_output_that_cannot_be_written_is_a_failure(home):
    with open("/dev/full", "w") as full:
        done = subprocess.run([CCCC, "help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "No space left" in done.stderr
