"""`cccc evidence`: one file that says what somebody else has to know, without what nobody else may know."""

import base64
import hashlib
import json
import stat
import subprocess

import pytest

from actorutil import Team
from cliutil import CCCC, answer, group_with, rows
from home import until


def unpack(path):
    """The files of a bundle by name, without its folder; its own format is GNU tar's to judge."""
    tar = subprocess.run(["zstdcat", str(path)], capture_output=True, check=True).stdout
    names = subprocess.run(["tar", "-t"], input=tar, capture_output=True, check=True).stdout.decode().splitlines()
    assert len({name.split("/")[0] for name in names}) == 1
    content = {name: subprocess.run(["tar", "-xO", name], input=tar, capture_output=True, check=True).stdout for name in names}
    return {name.split("/", 1)[1]: data for name, data in content.items()}


def tree(path):
    """Every file below, and what would change when it is written."""
    return {str(file): (file.lstat().st_mtime_ns, file.lstat().st_size) for file in path.rglob("*")}


def evidence(home, folder, *options, status=0):
    """Its files; json decoded."""
    path = folder / f"evidence-{len(list(folder.iterdir()))}.tar.zst"
    done = home.cli("evidence", "--output", str(path), *options, check=False, env={"CCCC_WEB_TOKEN": SECRETS["environment of who asks"]})
    assert done.returncode == status, (done.stdout, done.stderr)
    files = unpack(path)
    return {name: json.loads(data) if name.endswith(".json") else data for name, data in files.items()}, done


@pytest.fixture
def folder(tmp_path):
    """Where bundles go."""
    path = tmp_path / "bundles"
    path.mkdir()
    return path


# What is planted, by where it is put; each has to be found nowhere. The forms are made up.
SECRETS = {
    "private environment": "hunter2-private",
    "private environment, short": "q7Zk",
    "private environment, two lines": "first line of it\nsecond line of it",
    "private environment with quotes": 'say "friend" and enter',
    "public environment": "visible-but-not-here",
    "argument of a command": "argument-s3cret",
    "argument behind a flag": "flag-s3cret-value",
    "authorization header": "dXNlcjpob3J0b24taGVhcnM=",
    "bearer token": "mF-9.B5f-4.1JqM",
    "api key header": "x-key-9981-aa",
    "cookie": "session-cookie-31d4",
    "password in a URL": "pa55word-in-url",
    "user in a URL": "tok3nuser",
    "user in a URL, with a word": "tok3n0ther",
    "sk token": "sk-test-0123456789abcdefghij",
    "github token": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "aws key id": "AKIAIOSFODNN7EXAMPLE",
    "aws secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY",
    "slack token": "xoxb-1234567890-abcdefghij",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N",
    "private key": "MIIEowIBAAKCAQEAplantedplantedplanted",
    "named password": "swordfish-77",
    "named json key": "k3y-in-json",
    "random hex": "8f14e45fceea167a5a36dedd4bea2543b2c0a1f9e4d7",
    "environment of who asks": "web-token-of-the-caller",
}

# What people called their work: a text as any other.
TITLES = {"task": "Divide the acquired parcel", "step": "Survey the northern edge", "milestone": "Ownership is settled"}

# What somebody called a file that went with a message.
FILE_NAME = "secret-plan-Zebra.txt"

BODY = """Authorization: Basic {authorization header}
curl -H 'Authorization: Bearer {bearer token}' -H 'X-Api-Key: {api key header}' --cookie-jar x
Cookie: {cookie}
postgres://app:{password in a URL}@db:5432/x and https://{user in a URL}@github.com/x and https://{user in a URL, with a word}:x-oauth-basic@github.com/x and {sk token} and {github token}
{aws key id} {aws secret} {slack token} {jwt}
-----BEGIN RSA PRIVATE KEY-----
{private key}
-----END RSA PRIVATE KEY-----
the password is {named password}, "api_key": "{named json key}", {random hex}
{private environment} {private environment, short} {private environment with quotes}
{private environment, two lines}
{environment of who asks}
run it with --access-token {argument behind a flag}"""


def planted(home, project):
    """A group with every secret where it could be: environments, commands, messages, notices, titles, a cancel's reason, an agent's screen, the log."""
    team = Team(home, project)
    home.cli("use", team.group)
    home.cli("task", "add", TITLES["task"], "--step", TITLES["step"])
    home.cli("context", "milestone", TITLES["milestone"])
    team.add("dev", "sh", "-c", f"echo {SECRETS['argument of a command']}; exit 3", "--token", SECRETS["argument behind a flag"],
             env={"SHOWN": SECRETS["public environment"], "API_TOKEN": SECRETS["named password"]})
    team.add("rev", runner="headless")
    for number, name in enumerate(name for name in SECRETS if name.startswith("private environment")):
        team.ask("actor_env_private_update", actor_id="dev", set={f"VARIABLE_{number}": SECRETS[name]})
    team.bus.ask("group_start", group_id=team.group)
    team.until(lambda: team.events("runtime.exited"))
    body = BODY.format(**SECRETS)
    blob = team.ask("blob_put", name=FILE_NAME, sha256=hashlib.sha256(b"content").hexdigest(), total_bytes=7, data=b"content")["path"]
    sent = team.ask("send", text=body, to=["rev"], reply_required=True, client_id=SECRETS["sk token"], attachments=[{"path": blob}])["event"]
    team.ask("reply", reply_to=sent["id"], text=body, by="rev")
    team.ask("system_notify", kind="info", title=SECRETS["named password"], message=body, target_actor_id="rev")
    team.ask("reply_cancel", event_id=team.ask("send", text="x", to=["rev"], reply_required=True)["event"]["id"], reason=body)
    team.ask("group_update", patch={"topic": body})
    with (home.path / "daemon/ccccd.log").open("a") as log:
        log.write(json.dumps({"ts": "2026-01-01T00:00:00Z", "level": "info", "id": "PLANTED", "msg": body}) + "\n" + body + "\n")
    home_holds = "".join(path.read_text() for path in home.path.rglob("*") if path.is_file() and path.suffix in (".jsonl", ".log", ".yaml"))
    assert all(line in home_holds for secret in SECRETS.values() for line in secret.splitlines()), "they are where they can be found"
    return team, sent


def assert_clean(files):
    for file, data in files.items():
        data = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
        for name, secret in SECRETS.items():
            lines = [line for line in secret.splitlines() if len(line) >= 4]
            for form in [*lines, *(json.dumps(line)[1:-1] for line in lines), base64.b64encode(secret.encode()).decode()]:
                assert form.encode() not in data, f"{name} is in {file}"


def test_no_planted_secret_is_in_the_bundle(served, tmp_path, folder):
    """More than twenty kinds, each in several places: none is in the bundle, with and without bodies, with and without a daemon. Without bodies none of
    the words are, and the manifest counts what was cut."""
    team, sent = planted(served, tmp_path)
    without, _ = evidence(served, folder, "--event", str(sent["seq"]))
    assert_clean(without)
    assert "curl" not in without["events.jsonl"].decode() + json.dumps(without["event.json"]) + json.dumps(without["group.json"])
    for file, data in without.items():
        assert not [title for title in [*TITLES.values(), FILE_NAME] if title in (data.decode() if isinstance(data, bytes) else json.dumps(data))], file
    attached = without["event.json"]["events"][0]["data"]["attachments"][0]
    assert attached["path"] == f"state/blobs/{attached['sha256']}_[{len(FILE_NAME)} bytes left out]" and attached["bytes"] == 7
    left_out = {row["what"]: row["count"] for row in without["manifest.json"]["left_out"]}
    assert left_out["private environments of actors"] == 1 and left_out["texts that people and agents wrote"] > 5
    assert left_out["values of environment variables that stood in texts"] > 0 and "values of private environments that stood in texts" not in left_out
    assert left_out["values of environment variables"] >= 2 and left_out["arguments of actors' commands"] >= 2
    with_bodies, _ = evidence(served, folder, "--bodies", "--event", str(sent["seq"]))
    assert_clean(with_bodies)
    assert FILE_NAME in with_bodies["events.jsonl"].decode() and TITLES["task"] in with_bodies["events.jsonl"].decode(), "they were there to be cut"
    assert "curl -H" in with_bodies["events.jsonl"].decode() and with_bodies["manifest.json"]["bodies"] is True
    team.end()
    served.kill()
    dead, _ = evidence(served, folder, "--bodies", status=8)
    assert_clean(dead)


def test_what_is_in_it(home, folder):
    """Versions, triage, status, the group, actors, events, what became of messages, the log; each named in the manifest with its size."""
    group = group_with(home, "lead", "rev")
    sent = answer(home, "send", "Frozen?", "--to", "rev", "--reply-required", "--due", "1h")["event"]
    files, done = evidence(home, folder)
    listed = {file["name"]: file["bytes"] for file in files["manifest.json"]["files"]}
    assert set(listed) | {"manifest.json"} == set(files) and all(listed.values())
    assert files["manifest.json"]["group_id"] == group and files["manifest.json"]["missing"] == []
    assert files["versions.json"]["daemon_answers"] is True and files["versions.json"]["version"] == files["versions.json"]["daemon"]
    assert [check["name"] for check in files["triage.json"]["checks"]] == ["daemon", "group", "actors", "obligations", "delivery"]
    assert files["status.json"]["pid"] > 0 and files["group.json"]["group"]["state"] == "active"
    assert [actor["id"] for actor in files["actors.json"]] == ["lead", "rev"]
    assert files["obligations.json"]["obligations"][0]["event_id"] == sent["id"] and files["ledger.json"]["state"] == "sound"
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert [event["seq"] for event in events] == list(range(1, sent["seq"] + 1)) and events[-1]["data"]["text"] == "[7 bytes left out]"
    assert files["deliveries.json"][0]["recipients"][0]["actor_id"] == "rev" and b'"id":"' in files["daemon.log"]
    assert [row[0] for row in rows(done.stdout)[:3]] == ["evidence", "size", "left out"]


@pytest.mark.parametrize("bodies", [[], ["--bodies"]])
def test_what_other_programs_keep_in_a_group_stays_there(served, folder, bodies):
    """Their members of group.yaml, in the file, in the event that took them over, and in that event when it is named: nobody here knows what of them is secret."""
    group = group_with(served, "lead", "rev")
    served.stop()
    with (served.path / "groups" / group / "group.yaml").open("a") as file:
        file.write("x_tool: {code: foreign-01, at: foreign-02, url: 'https://h/foreign-03', why: foreign-04, level: [foreign-05], note: foreign-06}\n")
    served.start()
    with served.bus() as bus:
        edit = until(lambda: bus.ask("ledger_read", group_id=group, after_seq=0, limit=100, kinds=["group.edit"])["events"])[-1]
    assert edit["data"]["document"]["x_tool"]["code"] == "foreign-01", "it is where it can be found"
    for stop in False, True:
        if stop:
            served.stop()
        files, _ = evidence(served, folder, *bodies, "--event", str(edit["seq"]), status=8 if stop else 0)
        assert not [name for name, data in files.items() if b"foreign-0" in (data if isinstance(data, bytes) else json.dumps(data).encode())]
        assert "members of group.yaml that other programs keep there" in {row["what"] for row in files["manifest.json"]["left_out"]}


def test_facts_stay(served, tmp_path, folder):
    """Which actors were started and stopped, and where the group works: also when it is run there, where the shell's own variables name that directory."""
    team = Team(served, tmp_path)
    team.add("dev", "sleep", "1000")
    team.ask("group_start")
    team.ask("group_stop")
    for bodies in [], ["--bodies"]:
        path = folder / f"facts{len(bodies)}.tar.zst"
        served.cli("evidence", "--group", team.group, "--output", str(path), *bodies, env={"PWD": str(tmp_path), "OLDPWD": str(tmp_path)})
        events = [json.loads(line) for line in unpack(path)["events.jsonl"].splitlines()]
        data = {event["kind"]: event["data"] for event in events}
        assert data["group.start"]["started"] == ["dev"] and data["group.stop"]["stopped"] == ["dev"]
        assert data["group.attach"]["url"] == str(tmp_path)
    team.bus.close()


def test_client_ids_stay(home, folder):
    """Which message is which send is asked for often: the ids that clients made stay, of whichever form, and those of ours. What is a secret is none of them (above)."""
    group = group_with(home, "lead", "rev")
    home.cli("send", "ours", "--to", "rev")
    given = ["retry-42", "cli-0123456789abcdef0123456789abcdef", "6f1c2d3e-8a4b-4c5d-9e6f-7a8b9c0d1e2f", "Build 17 of today"]
    with home.bus() as bus:
        for client_id in given:
            bus.ask("send", group_id=group, text="x", to=["rev"], client_id=client_id)
    files, _ = evidence(home, folder)
    data = [event["data"] for event in map(json.loads, files["events.jsonl"].splitlines()) if event["kind"] == "chat.message"]
    assert [row["client_id"] for row in data[1:]] == given
    assert data[0]["client_id"].startswith("cli-") and all(row["client_digest"] for row in data)


def test_the_last_100_events_and_only_an_actors(home, folder):
    """100 events, the newest; with --actor those that concern it; the manifest says how many are older. --event adds that one, wherever it is."""
    group_with(home, "lead", "rev", "dev")
    first = answer(home, "send", "first", "--to", "rev")["event"]
    with home.bus() as bus:
        group = answer(home, "active")["active_group_id"]
        bus.ask("send_batch", group_id=group, messages=[{"text": str(n), "to": ["dev" if n % 2 else "rev"]} for n in range(150)])
    files, _ = evidence(home, folder, "--event", str(first["seq"]))
    seqs = [json.loads(line)["seq"] for line in files["events.jsonl"].splitlines()]
    assert seqs == list(range(first["seq"] + 51, first["seq"] + 151))
    assert {row["what"]: row["count"] for row in files["manifest.json"]["left_out"]}["older events"] == seqs[0] - 1
    assert files["event.json"]["events"][0]["seq"] == first["seq"] and files["event.json"]["why"]["recipients"][0]["state"] == "stored"
    files, _ = evidence(home, folder, "--actor", "dev")
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert {tuple(event["data"]["to"]) for event in events if event["kind"] == "chat.message"} == {("dev",)} and len(events) > 70
    assert [actor["id"] for actor in files["actors.json"]] == ["dev"]


def test_with_a_dead_daemon_it_takes_what_the_files_have(served, folder):
    """Exit 8, and each file that is missing is named; events, configuration and log are there."""
    group_with(served, "lead", "rev")
    sent = answer(served, "send", "hello", "--to", "rev")["event"]
    served.kill()
    before = tree(served.path)
    files, done = evidence(served, folder, "--event", str(sent["seq"]), status=8)
    assert served.cli("triage", check=False).returncode == 1 and tree(served.path) == before, "both only read"
    assert "is dead" in files["triage.json"]["cause"]["found"] and files["event.json"]["event"]["id"] == sent["id"]
    assert len(files["events.jsonl"].splitlines()) == sent["seq"] and files["ledger.json"]["head_seq"] == sent["seq"]
    missing = [text.split(":")[0] for text in files["manifest.json"]["missing"]]
    assert missing == ["status.json", "group_status.json", "actors.json", "obligations.json", "deliveries.json"]
    assert [row[1].split(":")[0] for row in rows(done.stdout) if row[0] == "missing"] == missing


def test_a_line_that_cannot_be_read_is_told_and_not_copied(served, folder):
    group = group_with(served, "lead")
    with (served.path / "groups" / group / "ledger.jsonl").open("ab") as ledger:
        ledger.write(b"not json, but a secret perhaps\n")
    files, _ = evidence(served, folder)
    assert json.loads(files["events.jsonl"].splitlines()[-1]) == {"unreadable_bytes": 30}


def test_a_file_that_is_there_is_not_written_over(home, folder, tmp_path):
    """By default the file is made where one stands, for its owner alone; what is there already stays."""
    group = group_with(home, "lead")
    done = subprocess.run([CCCC, "evidence", "--json"], env=home.environment(), cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    result = json.loads(done.stdout)["result"]
    made = tmp_path / result["path"]
    assert result["path"].startswith(f"cccc-evidence-{group}-") and made.stat().st_size == result["bytes"]
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    before = made.read_bytes()
    assert answer(home, "evidence", "--output", str(made), status=6)["code"] == "exists" and made.read_bytes() == before
    assert home.cli("evidence", "--actor", "nobody", check=False).returncode == 3
    assert home.cli("evidence", "--event", "9999", check=False).returncode == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["bundles", made.name])
