"""The harness bites: a daemon with a deliberate mistake (broker/mutants.def) is found out, each time by what it left behind."""

import os

import pytest

import explore
import kill_points

ASKED = explore.options(["--build", os.environ["CCCC_BUILD"]] if "CCCC_BUILD" in os.environ else [])
PROGRAMS = ["--build", str(ASKED.build), "--daemon", str(ASKED.build / "tests/crash/ccccd_mutable")]

POWER_CUTS = ["NO_SYNC", "NO_DIR_SYNC", "NO_REPLACE_DIR_SYNC", "NO_ASIDE", "ACK_BEFORE_COMMIT", "PUBLISH_BEFORE_COMMIT", "DEDUPE_FORGOTTEN",
              "NO_REPLACE_SYNC", "NO_TRASH_SYNC", "NO_BLOB_SYNC", "NO_TEXT_SYNC"]
SEALING = ["SEGMENT_NO_SYNC", "SWITCH_NO_SYNC", "SWITCH_NO_DIR_SYNC"]
RETIRING = ["BASE_NO_SYNC", "RETIRE_FILES_FIRST"]


@pytest.mark.parametrize("work, mistake", [("usual", mistake) for mistake in POWER_CUTS] + [("sealing", mistake) for mistake in SEALING] +
                         [("retiring", mistake) for mistake in RETIRING])
def test_power_cuts_find(work, mistake, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CCCC_MUTANT", mistake)
    status = explore.main(["--work", work, "--states", "3000", *PROGRAMS, "--keep", str(tmp_path)])
    assert status == 1 and "BROKEN" in capsys.readouterr().out


@pytest.mark.parametrize("mistake, points", [("SUM_AFTER_FILE", "settings/ccccd-store"), ("NO_ASIDE", "recovery/all/listen"),
                                             ("BASE_FORGOTTEN", "retire/ccccd-seal")])
@pytest.mark.skipif(kill_points.may_trace() is not None and "CI" not in os.environ, reason="strace is missing or may not trace")
def test_kills_find(mistake, points, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CCCC_MUTANT", mistake)
    status = kill_points.main(["--points", points, *PROGRAMS, "--keep", str(tmp_path)])
    assert status == 1 and "BROKEN" in capsys.readouterr().out


def test_without_a_mistake_the_same_daemon_passes(monkeypatch):
    """Or failing would mean nothing."""
    monkeypatch.setenv("CCCC_MUTANT", "NONE")
    assert explore.main(["--states", "100", *PROGRAMS]) == 0
