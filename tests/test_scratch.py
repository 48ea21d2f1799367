"""What a killed command leaves of shoppers' data goes with the next one, and nothing else does."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

from connector.scratch import PREFIX, scratch

HOLDS = """
import pathlib, sys
from connector.scratch import scratch
with scratch(pathlib.Path(sys.argv[1])) as folder:
    (folder / "copy.db").write_text("ann@example.com")
    print("made", flush=True)
    sys.stdin.read()
"""


def holder(where: Path) -> subprocess.Popen[str]:
    """A process that holds a folder with an address in it."""
    held = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(where)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "made\n"
    return held


def test_it_is_the_owners_own_and_gone_at_the_end(tmp_path: Path) -> None:
    with scratch(tmp_path) as folder:
        (folder / "copy.db").write_text("ann@example.com")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_command_left_goes_with_the_next_one(tmp_path: Path) -> None:
    killed = holder(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert [each.name for each in tmp_path.glob("*/*")] == ["copy.db"]
    with scratch(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_a_command_that_is_still_at_work_keeps_its_folder(tmp_path: Path) -> None:
    at_work = holder(tmp_path)
    with scratch(tmp_path) as folder:
        assert len(list(tmp_path.iterdir())) == 2
        assert list(folder.iterdir()) == []
    assert [each.name for each in tmp_path.glob("*/*")] == ["copy.db"]
    at_work.communicate()
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_taken_away(tmp_path: Path) -> None:
    beside, elsewhere = tmp_path / "beside", tmp_path / "elsewhere"
    for kept in (beside / ".winback-notes", elsewhere):
        kept.mkdir(parents=True)
        (kept / "mine").touch()
    (beside / f"{PREFIX}file").touch()
    (beside / f"{PREFIX}link").symlink_to(elsewhere)
    before = set(beside.rglob("*"))
    with scratch(beside):
        pass
    assert set(beside.rglob("*")) == before
    assert (elsewhere / "mine").exists()
