"""What the crash tests found once, each as a small test of its own."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from busclient import BusError  # noqa: E402
from home import Home  # noqa: E402


def test_doctor_does_not_take_an_interrupted_creation_for_damage():
    """A power cut between a new group's folders and its first event leaves an empty ledger and no group.yaml: nothing was acknowledged."""
    with Home() as home:
        folder = home.path / "groups/g_0123456789ab"
        (folder / "state/ledger").mkdir(parents=True, mode=0o700)
        (folder / "ledger.jsonl").touch(mode=0o600)
        done = home.cli("doctor", check=False)
        assert done.returncode == 0 and "it was never made, and nothing was stored" in done.stdout


def test_doctor_says_that_a_missing_group_yaml_is_written_from_the_ledger():
    """A power cut between a group's first event and its first group.yaml; the advice was to restore a backup."""
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group_id = bus.ask("group_create", title="kept")["group_id"]
        home.kill()
        for name in ("group.yaml", "group.yaml.prev"):
            (home.path / "groups" / group_id / name).unlink(missing_ok=True)
        done = home.cli("doctor", check=False)
        assert done.returncode == 0 and "the daemon writes it from the ledger" in done.stdout
        home.start()
        with home.bus() as bus:
            assert bus.ask("group_show", group_id=group_id)["group"]["title"] == "kept"
        assert "kept" in home.cli("doctor").stdout




def test_half_a_long_text_is_not_taken_for_a_damaged_file():
    """A power cut while a long text was written left its draft, <sha256>_chat.txt.tmp, and that is also the name of a blob: doctor told people to restore a
    backup. Drafts begin with a point."""
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group_id = bus.ask("group_create", title="long")["group_id"]
            bus.ask("actor_add", group_id=group_id, actor_id="lead")
            blobs = home.path / "groups" / group_id / "state/blobs"
            event = bus.ask("send", group_id=group_id, text="x" * 100_000, to=["lead"])["event"]
            draft = blobs / (".text-" + event["data"]["attachments"][0]["path"].rpartition("/")[2])
            draft.mkdir()
            with pytest.raises(BusError, match="storage_failed"):
                bus.ask("send", group_id=group_id, text="x" * 100_000, to=["lead"])
            draft.rmdir()
        draft.write_bytes(b"x" * 512)
        assert "damaged" not in home.cli("doctor").stdout


def test_a_deletion_that_was_interrupted_is_finished():
    """A power cut between the move of a group to trash/ and the registry without it: the group counted as lost for ever, and doctor wanted a backup."""
    with Home() as home:
        home.start()
        with home.bus() as bus:
            group_id = bus.ask("group_create", title="gone")["group_id"]
        home.kill()
        (home.path / "groups" / group_id).rename(home.path / "trash" / f"{group_id}.20260101T000000Z")
        done = home.cli("doctor", check=False)
        assert done.returncode == 0 and "in the trash but still registered" in done.stdout
        home.start()
        with home.bus() as bus:
            assert bus.ask("groups")["registry_health"]["missing_group_ids"] == []
        assert home.stop() == 0
        assert group_id not in (home.path / "registry.json").read_text()
        assert group_id not in home.cli("doctor").stdout
