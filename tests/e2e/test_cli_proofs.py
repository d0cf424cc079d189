"""The commands that prove something: demo, smoke, doctor, ledger verify. They pass when all is well, and fail when it is not."""

import json
import os
import signal
import subprocess

import pytest
from cliutil import CCCC, answer, group_with, on_terminal, rows, steady


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def daemons_below(folder):
    """Processes whose home is below `folder`."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"CCCC_HOME={folder}".encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


# ---- demo ----


def test_demo_shows_real_commands_and_leaves_nothing(home, tmp_path):
    done = home.cli("demo", env={"TMPDIR": str(tmp_path)})
    assert leftovers(tmp_path) == [] and daemons_below(tmp_path) == []
    assert leftovers(home.path) == [], "the demo has a home of its own"
    shown = [line for line in done.stdout.splitlines() if line.startswith("$ cccc ")]
    assert len(shown) == 16 and '$ cccc send "Please review src/api before noon" --to peer-1 --reply-required --by lead' in shown
    assert done.stdout.count("Stand-up in five minutes") == 4, "sent, in two inboxes, in the tail"
    assert "\t7\tchat.message\tpeer-1\tlead\t[re 5] Reviewed" in done.stdout


def test_demo_on_a_terminal_shows_what_people_see(home, tmp_path):
    status, text = on_terminal(home, "demo", env={"TMPDIR": str(tmp_path)})
    assert status == 0 and "ROLE" in text and " -> " in text and leftovers(tmp_path) == []


def test_an_interrupted_demo_leaves_nothing(home, tmp_path):
    process = subprocess.Popen([CCCC, "demo"], env={**home.environment(), "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "peer-1 added" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130 and leftovers(tmp_path) == [] and daemons_below(tmp_path) == []


def test_demo_without_a_folder_to_work_in_says_so(home):
    done = home.cli("demo", env={"TMPDIR": "/no/such/folder"}, check=False)
    assert done.returncode == 1 and "TMPDIR" in done.stderr


# ---- smoke ----


def test_smoke_checks_a_home_and_leaves_it_as_it_was(home, tmp_path):
    group = group_with(home, "lead")
    before = home.ledger(group)
    done = home.cli("smoke", env={"TMPDIR": str(tmp_path)})
    assert {row[0] for row in rows(done.stdout)} == {"ok"} and len(rows(done.stdout)) == 11
    assert answer(home, "active")["active_group_id"] == group and home.ledger(group) == before
    assert [entry["group_id"] for entry in answer(home, "groups")["groups"]] == [group]
    assert leftovers(tmp_path) == []
    result = answer(home, "smoke")
    assert result["passed"] is True and all(check["ok"] for check in result["checks"])


def test_smoke_fails_where_messages_cannot_be_stored(home):
    home.cli("daemon", "start")
    os.chmod(home.path / "groups", 0o500)
    if os.geteuid() == 0:
        os.rename(home.path / "groups", home.path / "gone")
        (home.path / "groups").write_text("not a folder")
    done = home.cli("smoke", check=False)
    assert done.returncode == 1 and done.stdout.splitlines()[-1].startswith("failed\t") and "cccc doctor" in done.stderr


# ---- doctor and ledger ----


def damage(home, group):
    path = home.path / "groups" / group / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"lead", b"laed")
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("running", [True, False], ids=["with a daemon", "without"])
def test_doctor_finds_all_well(home, running):
    group = group_with(home, "lead")
    if not running:
        home.cli("daemon", "stop")
    done = home.cli("doctor")
    states = {row[0]: row[1] for row in rows(done.stdout)}
    assert states[f"group {group}"] == states[f"ledger {group}"] == states["home"] == "ok"
    assert states["daemon"] == ("ok" if running else "note")
    result = answer(home, "doctor")
    assert result["state"] in ("ok", "note") and {"name", "state", "text"} == set(result["checks"][0])


def test_doctor_starts_nothing_and_makes_nothing(tmp_path, home):
    absent = tmp_path / "absent"
    done = home.cli("doctor", "--home", str(absent))
    assert "home\tnote\t" in done.stdout and not absent.exists()
    home.cli("doctor")
    assert leftovers(home.path) == []


def test_damage_is_found_and_exits_9(home):
    group = group_with(home, "lead", "peer-1")
    home.cli("daemon", "stop")
    home.cli("ledger", "verify")
    damage(home, group)
    done = home.cli("doctor", check=False)
    assert done.returncode == 9 and f"ledger {group}\tdamaged\t" in done.stdout and "ledger.jsonl line 2 " in done.stdout
    done = home.cli("ledger", "verify", check=False)
    assert done.returncode == 9 and "ledger.jsonl line 2 " in done.stdout and rows(done.stdout)[-1][:2] == [group, "damaged"]
    assert home.cli("ledger", "stat").returncode == 0
    done = home.cli("ledger", "verify", "--all", "--json", check=False)
    [ledger] = json.loads(done.stdout)["result"]["ledgers"]
    assert done.returncode == 9 and ledger["state"] == "damaged" and ledger["findings"][0]["line"] == 2


def test_an_unreadable_group_yaml_is_damage(home):
    group = group_with(home, "lead")
    home.cli("daemon", "stop")
    folder = home.path / "groups" / group
    for name in ("group.yaml", "group.yaml.prev"):
        (folder / name).write_text("{not yaml")
    done = home.cli("doctor", check=False)
    assert done.returncode == 9 and f"group {group}\tdamaged\t" in done.stdout


def test_a_torn_tail_is_no_damage(home):
    group = group_with(home, "lead")
    home.cli("daemon", "stop")
    with (home.path / "groups" / group / "ledger.jsonl").open("ab") as file:
        file.write(b'{"v":1,"id":"')
    done = home.cli("doctor")
    assert f"ledger {group}\tnote\t13 bytes" in done.stdout
    assert home.cli("ledger", "verify").returncode == 0
    [ledger] = answer(home, "ledger", "verify")["ledgers"]
    assert ledger["torn_bytes"] == 13 and ledger["state"] == "sound"


def test_ledger_commands_work_without_a_daemon_and_change_nothing(home):
    group = group_with(home, "lead")
    home.cli("daemon", "stop")
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    golden = "GROUP\tsound\t2\t1\t2\t"
    assert steady(home.cli("ledger", "stat").stdout).startswith(golden)
    for words in ([group[:6]], ["Demo"], [group]):
        assert steady(home.cli("ledger", "verify", "--group", *words).stdout).startswith(golden)
    assert {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()} == before


def test_doctor_names_a_home_others_may_write(home):
    os.chmod(home.path, 0o770)
    done = home.cli("doctor", check=False)
    assert done.returncode == 1 and "chmod 700" in done.stdout
    os.chmod(home.path, 0o700)
