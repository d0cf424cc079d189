"""tail and inbox --follow: what is selected, in order, once; gaps as rows; restarts waited out; pipes and interrupts left quietly."""

import json
import os
import signal
import subprocess
import time

import pytest
from cliutil import CCCC, answer, group_with, rows, steady


@pytest.fixture
def group(home):
    group = group_with(home, "lead", "peer-1", "peer-2")
    for i in range(6):
        home.cli("send", f"m{i}", "--to", f"peer-{1 + i % 2}", "--by", "lead")
    return group


class Follower:
    """A command that goes on, read line by line."""

    def __init__(self, home, *args):
        self.process = subprocess.Popen([CCCC, *args], env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def line(self):
        return self.process.stdout.readline()

    def end(self, sig=signal.SIGINT):
        self.process.send_signal(sig)
        return self.process.wait(timeout=10)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def seqs(home, *args):
    return [int(row[1]) for row in rows(home.cli("tail", *args).stdout)]


def test_columns_are_time_seq_kind_by_to_text(home, group):
    assert steady(home.cli("tail", "-n", "2").stdout) == "TIME\t9\tchat.message\tlead\tpeer-1\tm4\nTIME\t10\tchat.message\tlead\tpeer-2\tm5\n"


def test_json_lines_are_bare_events(home, group):
    lines = [json.loads(line) for line in home.cli("tail", "--json", "-n", "3").stdout.splitlines()]
    ledger = home.ledger(group)[-3:]
    assert [line["seq"] for line in lines] == [8, 9, 10]
    assert all(line == {key: value for key, value in stored.items() if key not in ("epoch", "dur", "prev", "crc")} for line, stored in zip(lines, ledger))


@pytest.mark.parametrize("options, expected", [
    ([], list(range(1, 11))),
    (["-n", "3"], [8, 9, 10]),
    (["-n", "0"], []),
    (["-n", "100"], list(range(1, 11))),
    (["--from", "8"], [8, 9, 10]),
    (["--from", "#8"], [8, 9, 10]),
    (["--from", "3", "-n", "2"], [9, 10]),
    (["--from", "99"], []),
    (["--since", "1h"], list(range(1, 11))),
    (["--since", "0s"], []),
    (["--kind", "chat.message"], [5, 6, 7, 8, 9, 10]),
    (["--kind", "actor.add,group.create"], [1, 2, 3, 4]),
    (["--kind", "actor.add", "--kind", "group.create", "-n", "2"], [3, 4]),
    (["--actor", "peer-1"], [3, 5, 7, 9]),
    (["--actor", "peer-1", "-n", "2"], [7, 9]),
    (["--actor", "peer-2", "--kind", "chat.message", "-n", "2"], [8, 10]),
    (["--actor", "nobody"], []),
], ids=lambda value: " ".join(value) if value and isinstance(value[0], str) else "")
def test_selection(home, group, options, expected):
    assert seqs(home, *options) == expected


def test_since_counts_by_the_events_own_time(home, group):
    moment = home.ledger(group)[7]["ts"]
    assert seqs(home, "--since", moment) == [8, 9, 10]


def test_follow_shows_the_last_ones_then_goes_on(home, group):
    with Follower(home, "tail", "-n", "1", "-f") as follower:
        assert follower.line().endswith("m5\n")
        home.cli("send", "live", "--to", "peer-1", "--by", "lead")
        assert follower.line().endswith("\t11\tchat.message\tlead\tpeer-1\tlive\n")
        assert follower.end() == -signal.SIGINT
        assert follower.process.stderr.read() == ""


def test_follow_selects_too(home, group):
    with Follower(home, "tail", "-n", "0", "-f", "--actor", "peer-2") as follower:
        home.cli("send", "not this", "--to", "peer-1", "--by", "lead")
        home.cli("send", "this", "--to", "peer-2", "--by", "lead")
        assert follower.line().endswith("\t12\tchat.message\tlead\tpeer-2\tthis\n")


@pytest.mark.parametrize("end", ["restart", "kill -9"])
def test_follow_goes_on_across_a_restart_without_loss_or_repeat(home, group, end):
    with Follower(home, "tail", "-n", "2", "-f", "--json") as follower:
        got = [json.loads(follower.line())["seq"] for _ in range(2)]
        home.cli("send", "before", "--to", "peer-1", "--by", "lead")
        got.append(json.loads(follower.line())["seq"])
        if end == "restart":
            home.cli("daemon", "restart")
        else:
            os.kill(answer(home, "daemon", "status")["pid"], signal.SIGKILL)
            while home.cli("daemon", "status", check=False).returncode != 3:
                time.sleep(0.01)
        for i in range(3):
            home.cli("send", f"after {i}", "--to", "peer-1", "--by", "lead")
        got += [json.loads(follower.line())["seq"] for _ in range(3)]
        assert got == [9, 10, 11, 12, 13, 14]


def test_damage_is_a_row_between_its_neighbours(home, group):
    home.cli("daemon", "stop")
    path = home.path / "groups" / group / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b"m1", b"mX")
    lines[6] = lines[6].replace(b"m2", b"mX")
    path.write_bytes(b"".join(lines))
    home.cli("daemon", "start")
    out = home.cli("tail").stdout.splitlines()
    assert out[5] == "--- events 6..7 missing: damaged ---" and "\t5\t" in out[4] and "\t8\t" in out[6]
    lines = home.cli("tail", "--json").stdout.splitlines()
    assert json.loads(lines[5]) == {"gap": {"from_seq": 6, "to_seq": 7, "reason": "damaged"}}
    assert home.cli("ledger", "verify", check=False).returncode == 9
    assert home.cli("doctor", check=False).returncode == 9


def test_text_is_escaped_to_one_line_unless_raw(home, group):
    nasty = "a\tb\nc\x1b[31m\u202e\x7f\u009b\u200bz"
    home.cli("send", "-", "--to", "lead", text=nasty)
    assert rows(home.cli("tail", "-n", "1").stdout)[0][5] == "a\\tb\\nc\\x1b[31m<U+202E>\\x7f\\x9b<U+200B>z"
    assert home.cli("tail", "-n", "1", "--raw").stdout.endswith(f"\t{nasty}\n")


def test_a_closed_pipe_ends_it_silently(home, group):
    with Follower(home, "tail", "-f", "-n", "1") as follower:
        follower.line()
        follower.process.stdout.close()
        home.cli("send", "x", "--to", "lead")
        assert follower.process.wait(timeout=10) == -signal.SIGPIPE
        assert follower.process.stderr.read() == ""


def test_a_deleted_group_ends_the_follower_with_words(home, group):
    with Follower(home, "tail", "-f", "-n", "1") as follower:
        follower.line()
        home.cli("group", "delete", group, "--confirm", group)
        assert follower.process.wait(timeout=30) == 3
        assert "cccc: " in follower.process.stderr.read()


# ---- inbox --follow ----


def test_inbox_follow_shows_unread_then_what_arrives_and_only_that(home, group):
    with Follower(home, "inbox", "--actor-id", "peer-2", "--follow") as follower:
        assert [follower.line().split("\t")[1] for _ in range(3)] == ["6", "8", "10"]
        home.cli("send", "not for you", "--to", "peer-1", "--by", "lead")
        home.cli("send", "own", "--to", "@all", "--by", "peer-2")
        home.cli("send", "for you", "--to", "peer-2", "--by", "lead")
        assert follower.line().endswith("for you\n")
        assert follower.end() == -signal.SIGINT
    assert len(answer(home, "inbox", "-a", "peer-2")["messages"]) == 4


def test_inbox_follow_marks_what_it_showed(home, group):
    with Follower(home, "inbox", "--actor-id", "peer-2", "--follow", "--mark-read") as follower:
        [follower.line() for _ in range(3)]
        home.cli("send", "for you", "--to", "peer-2", "--by", "lead")
        assert follower.line().endswith("for you\n")
        deadline = time.monotonic() + 10
        while answer(home, "inbox", "-a", "peer-2")["messages"]:
            assert time.monotonic() < deadline
        follower.end()


def test_inbox_follow_goes_on_across_a_restart(home, group):
    with Follower(home, "inbox", "--actor-id", "peer-2", "--follow", "--json") as follower:
        [follower.line() for _ in range(3)]
        home.cli("daemon", "restart")
        home.cli("send", "again", "--to", "peer-2", "--by", "lead")
        assert json.loads(follower.line())["data"]["text"] == "again"


# A reader that has gone ends the stream, also when nothing more is ever written to it.
@pytest.mark.parametrize("words", [["tail", "-f", "-n", "1"], ["inbox", "--actor-id", "lead", "--follow"], ["daemon", "logs", "-f", "-n", "1"]], ids=" ".join)
def test_a_stream_ends_with_its_reader(home, words):
    group_with(home, "lead")
    home.cli("send", "hello", "--to", "lead")
    stream = subprocess.Popen([CCCC, *words], env=home.environment(), stdout=subprocess.PIPE)
    assert stream.stdout.readline()
    stream.stdout.close()
    assert stream.wait(20) in (0, -signal.SIGPIPE)
