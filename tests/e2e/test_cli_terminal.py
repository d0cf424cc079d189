"""On a terminal: aligned tables, headings, relative times, colours when wanted, and nothing an actor wrote that the terminal would obey."""

import re
import shutil
import subprocess
import time
import unicodedata

import pytest
from cliutil import CCCC, Terminal, answer, group_with, on_terminal

PLAIN = {"NO_COLOR": "1"}
# What our own styles are made of; everything else that begins with an escape came from a message.
STYLE = re.compile(r"\x1b\[[0-9]{1,2}m")


def obeyed(text):
    """The characters of `text` a terminal would obey, our styles and line ends apart."""
    hidden = set(range(0x00AD, 0x00AE)) | set(range(0x200B, 0x2010)) | set(range(0x2028, 0x202F)) | set(range(0x2060, 0x2070)) | {0xFEFF, 0x061C}
    return [c for c in STYLE.sub("", text).replace("\n", "") if ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F or ord(c) in hidden or 0xE0000 <= ord(c) <= 0xE0FFF]


@pytest.fixture
def group(home):
    return group_with(home, "lead", "peer-1", title="\u6f22\u5b57 wide")


def test_tables_are_aligned_with_headings_and_relative_times(home, group):
    status, text = on_terminal(home, "groups", env=PLAIN)
    assert status == 0
    heading, row = text.splitlines()
    assert heading == "GROUP           TITLE      STATE    UNREAD  OPEN  ACTIVE  UPDATED"
    assert re.fullmatch(rf"{group}  \u6f22\u5b57 wide  stopped  0       0     \*       (now|\d+s ago)", row)


def test_colours_only_where_they_are_wanted(home, group):
    assert "\x1b[" in on_terminal(home, "groups")[1]
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[" not in on_terminal(home, "groups", env=env)[1]
        assert "\x1b[" in on_terminal(home, "groups", "--color", "always", env=env)[1]
    assert "\x1b[" not in on_terminal(home, "groups", "--color", "never")[1]
    assert "\x1b[" not in home.cli("groups").stdout and "\x1b[" in home.cli("groups", "--color=always").stdout


def test_a_message_is_a_line_with_a_gutter_for_the_next(home, group):
    home.cli("send", "first\nsecond", "--to", "peer-1", "--by", "lead")
    lines = on_terminal(home, "tail", "-n", "1", env=PLAIN)[1].splitlines()
    assert re.fullmatch(r"--- \w+day \d{4}-\d\d-\d\d, times in UTC ---", lines[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d      4  lead -> peer-1             first", lines[1])
    assert lines[2] == " " * (lines[1].index("first") - 2) + "| second"


LONG = "Eine lange Nachricht with \u6f22\u5b57 in it that goes on and on, " * 4 + "x" * 150


@pytest.mark.parametrize("columns", [40, 80, 132])
@pytest.mark.parametrize("command", [["tail", "-n", "400"], ["inbox", "--actor-id", "lead"]], ids=" ".join)
def test_a_long_message_stays_in_its_column(home, group, command, columns):
    """Whatever the width: no line is wider than the terminal, only events begin at its edge, and nothing of the text is lost."""
    home.cli("send", LONG, "--to", "lead,user", "--reply-required")
    home.cli("send", "short", "--to", "lead")
    lines = on_terminal(home, *command, columns=columns, env=PLAIN)[1].splitlines()
    assert all(cells(line) <= columns for line in lines if not line.startswith("next: "))
    assert all(re.match(r"\d\d:\d\d:\d\d |--- |next: | {4}", line) for line in lines)
    assert LONG.replace(" ", "") in "".join(lines).replace(" ", "")
    assert [line for line in lines if line.endswith(" short") or line == "    short"]


def cells(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


@pytest.mark.parametrize("command", [["groups"], ["actor", "list"], ["group", "show"], ["group", "settings"], ["status"], ["doctor"], ["help"],
                                     ["help", "send"], ["ledger", "stat"]], ids=" ".join)
def test_tables_stay_readable_on_narrow_terminals(home, group, command):
    """Folded, stacked, or without the columns in which no row says anything: nothing else is lost; only words that are longer than their column go over the edge."""
    wide = on_terminal(home, *command, columns=250, env=PLAIN)[1]
    narrow = on_terminal(home, *command, columns=40, env=PLAIN)[1]
    words = [{re.sub(r"\d+", "", word) for word in text.split()} for text in (wide, narrow)]
    lost = {word for word in words[0] - words[1] if command[0] == "help" or not (word.isupper() or word in ("", "-"))}
    assert lost <= {"ms", "s", "now", "ago"}  # time passes between the two
    if command[0] != "help":
        assert all(cells(line) <= 40 or len(line.split()) <= 2 for line in narrow.splitlines())


def test_a_gap_is_loud(home, group):
    for n in range(6):
        home.cli("send", f"message {n}", "--to", "lead")
    home.cli("daemon", "stop")
    ledger = home.path / "groups" / group / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b"message", b"massage")
    ledger.write_bytes(b"".join(lines))
    home.cli("daemon", "start")
    text = on_terminal(home, "tail", columns=60)[1]
    assert "\x1b[1m\x1b[31m!!! events 6..6 are missing: damaged; `cccc doctor` says\n    more\x1b[0m\n" in text


@pytest.mark.parametrize("command", [["tail", "-n", "400"], ["inbox", "--actor-id", "lead", "--limit", "0"], ["tail", "--json", "-n", "400"],
                                     ["inbox", "--actor-id", "lead", "--json", "--limit", "0"]], ids=" ".join)
def test_no_byte_of_a_message_is_obeyed(home, group, command):
    bad = [chr(code) for code in [*range(1, 0x20), *range(0x7F, 0xA0)]] + list("\u00ad\u061c\u200b\u200d\u200e\u200f\u2028\u202a\u202b\u202d\u202e\u2060\u2066\u2069\ufeff\U000e0041")
    with home.bus() as bus:
        for c in bad:
            bus.ask("send", group_id=group, text=f"<{c}>", to=["lead"])
        for text in ("\x1b]52;c;ZXZpbA==\x07", "\x1b]0;title\x07", "\x1bP1$r\x1b\\", "\x1b[201~rm -rf\r"):
            bus.ask("send", group_id=group, text=text, to=["lead"])
    status, text = on_terminal(home, *command, columns=200)
    assert status == 0 and obeyed(text) == []
    if "--json" not in command:
        assert "<\\x1b>" in text and "<\\x9b>" in text and "<<U+202E>>" in text and "\\x1b]52;c;" in text
    else:
        assert "\\u202e" in text and "\\u009b" in text


@pytest.mark.parametrize("command", [["groups"], ["group", "show"], ["actor", "list"], ["status"]], ids=" ".join)
def test_titles_and_topics_are_escaped_too(home, command):
    group = group_with(home, "lead")
    with home.bus() as bus:
        bus.ask("group_update", group_id=group, patch={"title": "t\x1b[2J\u202e", "topic": "\x9b1m"})
        bus.ask("actor_update", group_id=group, actor_id="lead", patch={"title": "a\x1b[2J\u202e"})
    status, text = on_terminal(home, *command)
    assert status == 0 and obeyed(text) == [] and obeyed(home.cli(*command).stdout.replace("\t", "")) == []


def test_errors_that_quote_are_escaped(home, group):
    text = on_terminal(home, "send", "x", "--to", "\x1b[2Jnobody")[1]
    assert obeyed(text) == [] and "nobody" in text


def test_raw_and_blobs_never_go_to_a_terminal(home, group):
    status, text = on_terminal(home, "tail", "--raw")
    assert status == 2 and "control this terminal" in text
    status, text = on_terminal(home, "blob", "get", "state/blobs/" + "0" * 64 + "_x")
    assert status == 2 and "not written to a terminal" in text


def test_json_on_a_terminal_is_indented_and_the_same_value(home, group):
    import json

    text = on_terminal(home, "group", "show", "--json")[1]
    assert text.startswith('{\n  "ok": true,') and json.loads(text)["result"]["group"]["group_id"] == group


def test_an_interrupt_from_the_keyboard_ends_follow_at_once(home, group):
    terminal = Terminal(home, "tail", "-f", env=PLAIN)
    terminal.read_until(b"joined")
    start = time.monotonic()
    terminal.type(b"\x03")
    status, _ = terminal.finish()
    assert status == -2 and time.monotonic() - start < 1


def test_an_interrupted_shell_sees_130(home, group):
    terminal = Terminal(home, "-c", f"trap : INT; {CCCC} tail -f; echo status $?", program="/bin/bash")
    terminal.read_until(b"joined")
    terminal.type(b"\x03")
    assert "status 130" in terminal.finish()[1]


@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_in_tmux_the_screen_shows_the_escapes_and_keeps_its_title(home, group, tmp_path):
    home.cli("send", "-", "--to", "lead", text="\x1b]2;stolen\x07\x1b[2J\x1b[Hsecond line\nthird")
    tmux = ["tmux", "-S", str(tmp_path / "s"), "-f", "/dev/null"]
    command = f"{CCCC} tail -n 1 -f"
    subprocess.run([*tmux, "new-session", "-d", "-x", "120", "-y", "20", command], env=home.environment(), check=True)
    try:
        deadline = time.monotonic() + 20
        while "third" not in (screen := subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout):
            assert time.monotonic() < deadline, screen
        title = subprocess.run([*tmux, "display-message", "-p", "#{pane_title}"], capture_output=True, text=True, check=True).stdout
        assert "\\x1b]2;stolen\\x07\\x1b[2J\\x1b[Hsecond line" in screen and "| third" in screen and "stolen" not in title
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
