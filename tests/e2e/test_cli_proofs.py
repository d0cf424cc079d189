"""The commands that prove something: demo, smoke, doctor, ledger verify. They pass when all is well, and fail when it is not."""

import json
import os
import re
import signal
import subprocess

import pytest
from cliutil import CCCC, answer, group_with, on_terminal, rows, steady
from home import until


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
    assert {row[0] for row in rows(done.stdout)} == {"ok"} and len(rows(done.stdout)) == 14
    assert answer(home, "active")["active_group_id"] == group and home.ledger(group) == before
    assert [entry["group_id"] for entry in answer(home, "groups")["groups"]] == [group]
    assert leftovers(tmp_path) == [] and leftovers(home.path / "trash") == [], "its group is not kept in the trash either"
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


def test_smoke_removes_its_group_also_when_a_check_fails(home, tmp_path):
    """There is no program to start: the checks before it pass, it fails and says why, and nothing of the group is left."""
    home.start(extra_env={"PATH": str(tmp_path)})
    done = home.cli("smoke", check=False)
    assert done.returncode == 1 and "cat" in done.stderr
    assert [row[0] for row in rows(done.stdout)] == ["ok"] * 8 + ["failed", "ok"] and done.stdout.endswith("remove the group\n")
    assert answer(home, "groups")["groups"] == [] and list((home.path / "groups").iterdir()) == [] and leftovers(home.path / "trash") == []


# ---- bench ----

SMALL = ["--seconds", "1", "--runs", "1", "--clients", "2", "--window", "10", "--messages", "20000"]


def test_bench_measures_beside_the_disk_and_leaves_nothing(home, tmp_path):
    """Figures of a load that ran, and the disk's own beside them; neither this home nor anything else is touched."""
    done = home.cli("bench", *SMALL, "--dir", str(tmp_path))
    figures = {row[0]: float(row[1]) for row in rows(done.stdout)}
    assert figures["acknowledged messages"] > 0 and figures["the disk's own sync, half of them"] > 0
    assert figures["acknowledged after, half of them"] <= figures["acknowledged after, 99 %"] <= figures["acknowledged after, the last one"]
    assert figures["the disk's own sync, half of them"] <= figures["the disk's own sync, 99.9 %"] <= figures["the disk's own sync, the last one"]
    assert figures["text of these"] == pytest.approx(300 * figures["acknowledged messages"], rel=0.01)
    assert "2 clients with 10 requests in flight each; 300 bytes of text, 1 follower" in done.stderr and "before each acknowledgement" in done.stderr
    assert leftovers(tmp_path) == [] and daemons_below(tmp_path) == [] and leftovers(home.path) == []


def test_bench_answers_programs(home, tmp_path):
    done = home.cli("bench", *SMALL, "--rate", "200", "--batch", "4", "--json", env={"TMPDIR": str(tmp_path)})
    result = json.loads(done.stdout)["result"]
    assert result["load"]["batch"] == 4 and result["load"]["rate"] == 200 and "fdatasync" in result["load"]["sync"]
    rate = result["messages_per_second"]
    assert rate["min"] <= rate["median"] <= rate["max"] and 100 < rate["median"] < 300
    assert result["disk_p99_us"]["median"] > 0 and result["daemon_rss_bytes"] > 1000000
    assert result["load"]["filesystem"] == subprocess.check_output(["findmnt", "-no", "FSTYPE", "-T", tmp_path], text=True).strip()
    assert leftovers(tmp_path) == [] and done.stderr == ""


def test_a_bench_in_memory_says_before_it_measures_that_nothing_reaches_a_disk(home):
    """/dev/shm is a file system in memory: the words come before the figures, and the figures name it."""
    done = home.cli("bench", "--seconds", "1", "--runs", "1", "--clients", "1", "--window", "1", "--followers", "0", "--batch", "2", "--dir", "/dev/shm")
    first, last = done.stderr.splitlines()[0], done.stderr.splitlines()[-1]
    assert "is in memory (tmpfs): nothing here reaches a disk" in first and "next: `cccc bench --dir DIR`" in done.stderr
    assert last.startswith("1 client with 1 request of 2 messages in flight; 300 bytes of text, 0 followers; synced to tmpfs")


def test_a_batch_keeps_as_many_requests_open_as_the_group_takes(home, tmp_path):
    """Eight clients with the usual 125 batches of 100 would be refused as busy; unasked, it is what fits."""
    done = home.cli("bench", "--seconds", "1", "--runs", "1", "--messages", "20000", "--batch", "100", "--rate", "20000", "--dir", str(tmp_path))
    assert "8 clients, 20000 messages due per second in all, at most 20 requests of 100 messages in flight each" in done.stderr


def test_bench_of_this_home_leaves_its_groups_as_they_were(home):
    group = group_with(home, "lead")
    before = home.ledger(group)
    home.cli("bench", *SMALL, "--this-home")
    assert [entry["group_id"] for entry in answer(home, "groups")["groups"]] == [group] and home.ledger(group) == before
    assert leftovers(home.path / "trash") == [] and leftovers(home.path / "groups") == [group], "its group is not kept in the trash either"


def test_an_interrupted_bench_of_this_home_leaves_no_group(home):
    """As many events as a group takes are on their way to the disk when it is interrupted: the group is removed once they are there, also from the trash."""
    group = group_with(home, "lead")
    process = subprocess.Popen([CCCC, "bench", "--seconds", "60", "--clients", "8", "--window", "2048", "--this-home"], env=home.environment(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: any(path.stat().st_size > 1 << 20 for path in home.path.glob("groups/*/ledger.jsonl")))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130 and leftovers(home.path / "trash") == [] and leftovers(home.path / "groups") == [group]


def test_a_bench_of_this_home_starts_no_daemon(home):
    done = home.cli("bench", *SMALL, "--this-home", check=False)
    assert done.returncode != 0 and "no daemon serves" in done.stderr and "cccc daemon start" in done.stderr and leftovers(home.path) == []


def test_a_bench_that_fails_says_why_once(home, tmp_path):
    """One reason, however many processes failed of it, and nothing to look for in a home that is gone."""
    process = subprocess.Popen([CCCC, "bench", "--seconds", "60", "--dir", str(tmp_path)], env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    until(lambda: any(path.stat().st_size > 1 << 16 for path in tmp_path.glob("cccc-bench-*/groups/*/ledger.jsonl")))
    ledger = next(tmp_path.glob("cccc-bench-*/groups/*/ledger.jsonl"))
    ledger.rename(ledger.with_suffix(".gone"))
    _, words = process.communicate(timeout=60)
    assert process.returncode not in (0, 130) and words.startswith("cccc: run 1 of 5 failed: ") and len(words.splitlines()) == 2, words
    assert "fewer --clients" in words and "cccc doctor" not in words and leftovers(tmp_path) == [] and daemons_below(tmp_path) == []


def test_an_interrupted_bench_leaves_nothing(home, tmp_path):
    process = subprocess.Popen([CCCC, "bench", "--seconds", "60", "--dir", str(tmp_path)], env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: list(tmp_path.glob("cccc-bench-*/groups/*/ledger.jsonl")))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130 and leftovers(tmp_path) == [] and daemons_below(tmp_path) == []


@pytest.mark.parametrize("words", [["--clients", "0"], ["--runs", "1000"], ["--batch", "1001"], ["--dir", "/no/such/folder"], ["--this-home", "--dir", "/tmp"],
                                   ["--window", "8192"], ["--batch", "1000", "--text", "32000"], ["--batch", "100", "--window", "21"], ["--batch", "1000", "--clients", "64"],
                                   ["--home", "/tmp/x"]], ids=" ".join)
def test_bench_refuses_what_it_cannot_do(home, words):
    done = home.cli("bench", *words, check=False)
    assert done.returncode in (1, 2) and done.stdout == "" and leftovers(home.path) == []


def test_bench_names_the_folder_and_what_would_fit(home):
    assert "in /no/such/folder: No such file" in home.cli("bench", "--dir", "/no/such/folder", check=False).stderr
    assert "next: --window 2048 at most" in home.cli("bench", "--window", "8192", check=False).stderr


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


def test_a_registered_group_without_its_folder_is_named_until_it_is_forgotten(home):
    kept, gone = group_with(home, title="Kept"), group_with(home, title="Gone")
    home.cli("daemon", "stop")
    (home.path / "groups" / gone).rename(home.path / "elsewhere")
    done = home.cli("doctor", check=False)
    assert done.returncode == 9 and f"registry\tdamaged\tgroup {gone} (Gone) is registered, but " in done.stdout and "--forget-missing" in done.stdout
    home.cli("daemon", "start")
    for command in ("groups", "status"):
        done = home.cli(command)
        assert f"missing\t{gone} is registered, but {home.path}/groups/{gone} is gone\n" in done.stdout and "--forget-missing" in done.stderr
        assert answer(home, command)["registry_health"] == {"missing_group_ids": [gone], "corrupt_group_ids": []}
    assert home.cli("groups", "--forget-missing").stdout == f"forgotten\t{gone}\n"
    assert home.cli("doctor").returncode == 0 and "missing" not in home.cli("groups").stdout and kept in home.cli("groups").stdout
    assert "nothing was changed" in home.cli("groups", "--forget-missing").stderr


def test_an_unreadable_group_yaml_is_damage(home):
    group = group_with(home, "lead")
    home.cli("daemon", "stop")
    folder = home.path / "groups" / group
    for name in ("group.yaml", "group.yaml.prev"):
        (folder / name).write_text("{not yaml")
    done = home.cli("doctor", check=False)
    assert done.returncode == 9 and f"group {group}\tdamaged\t" in done.stdout


def test_an_edit_that_is_no_configuration_does_not_count_and_everybody_hears_of_it(home):
    group = group_with(home, "lead", "rev")
    home.cli("daemon", "stop")
    file = home.path / "groups" / group / "group.yaml"
    edit = re.sub(r"(?s)actors:\n.*?\nautomation:", "actors: hello\nautomation:", file.read_text())
    assert "actors: hello\n" in edit
    file.write_text(edit)
    line = 1 + edit[:edit.index("actors: hello")].count("\n")
    reason = f"group.yaml: line {line}: actors: must be a list"
    done = home.cli("doctor", check=False)
    assert done.returncode == 1 and f"group {group}\tfailed\t{reason}" in done.stdout
    home.cli("daemon", "start")
    assert [actor["id"] for actor in answer(home, "actor", "list")["actors"]] == ["lead", "rev"]
    [degraded] = answer(home, "daemon", "status")["groups_degraded"]
    assert degraded["group_id"] == group and degraded["reason"].startswith(reason) and "group.yaml.edited" in degraded["reason"]
    assert reason in home.cli("daemon", "logs").stdout and reason in home.cli("daemon", "status").stdout
    kept = file.with_name("group.yaml.edited")
    until(kept.exists)
    assert kept.read_text() == edit
    done = home.cli("doctor", check=False)
    assert done.returncode == 1 and f"daemon\tfailed\t{group}: {reason}" in done.stdout and "group.yaml.edited is an edit that was refused" in done.stdout
    home.cli("daemon", "restart")
    assert f"group {group}\tnote\tgroup.yaml.edited is an edit that was refused: line {line}: actors: must be a list" in home.cli("doctor").stdout
    kept.unlink()
    assert "note" not in [row[1] for row in rows(home.cli("doctor").stdout) if row[0] == f"group {group}"]


@pytest.mark.parametrize("cut, why", [
    (lambda text: re.sub(r"(?s)actors:\n.*?\nautomation:", "automation:", text), "the list actors is missing, so the file seems to be cut off"),
    (lambda text: text[:text.index("- v: 1\n  id: rev")], "ledger_seq, with which cccc ends the file, is missing"),
    (lambda text: text[:text.index("scopes:")], "the list scopes is missing"),
], ids=["dropped", "inside", "before"])
def test_an_edit_that_was_cut_off_takes_nothing_away(home, cut, why):
    group = group_with(home, "lead", "rev")
    home.cli("daemon", "stop")
    file = home.path / "groups" / group / "group.yaml"
    edit = cut(file.read_text().replace("title: Demo", "title: By hand"))
    file.write_text(edit)
    done = home.cli("doctor", check=False)
    assert done.returncode == 1 and f"group {group}\tfailed\tgroup.yaml: {why}" in done.stdout
    home.cli("daemon", "start")
    shown = answer(home, "group", "show")["group"]
    assert [actor["id"] for actor in shown["actors"]] == ["lead", "rev"] and shown["title"] == "Demo"
    [degraded] = answer(home, "daemon", "status")["groups_degraded"]
    assert why in degraded["reason"] and "group.yaml.edited" in degraded["reason"]
    assert "GROUP-EDIT-REFUSED" in home.cli("daemon", "logs").stdout
    kept = file.with_name("group.yaml.edited")
    until(kept.exists)
    assert kept.read_text() == edit and "group.edit" not in [row["kind"] for row in home.ledger(group)]
    home.cli("daemon", "restart")
    assert f"group.yaml.edited is an edit that was refused: {why}" in home.cli("doctor").stdout


def test_an_edit_with_entries_of_others_counts_and_they_are_named(home):
    group = group_with(home, "lead")
    home.cli("daemon", "stop")
    file = home.path / "groups" / group / "group.yaml"
    file.write_text(file.read_text().replace("title: Demo", "title: By hand\ncolour: green"))
    home.cli("daemon", "start")
    shown = answer(home, "group", "show")["group"]
    assert shown["title"] == "By hand" and shown["colour"] == "green"
    said = home.cli("doctor").stdout
    assert f"group {group}\tnote\tgroup.yaml: colour is unknown; kept as it is" in said and "next start" not in said, said
    assert "colour is unknown" in home.cli("daemon", "logs").stdout
    until(file.with_name("group.yaml.edited").exists)
    assert f"group {group}\tnote\tgroup.yaml.edited is an edit that was taken over" in home.cli("doctor").stdout


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
