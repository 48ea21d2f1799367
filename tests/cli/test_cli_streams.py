"""Streams that are closed, full or nobody's terminal: the work is done, and the exit code tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_case import ANN, ROOT, Owner

COMMANDS = ("--help", "woocommerce-plugin -o -", "leads export -c acme.yaml")


def shell(folder: Path, command: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """`winback COMMAND` with the redirections that a shell knows."""
    return subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m connector {command}'],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_said(owner: Owner, command: str) -> None:
    done = shell(owner.folder, f"{command} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == (
        "not everything could be written: No space left on device; make room and run it again"
    )
    assert b"Exception" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_listens(owner: Owner, command: str) -> None:
    done = shell(owner.folder, f"{command} <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_pass_without_any_stream_does_its_work(owner: Owner) -> None:
    """As from a cron job that closes them; the database must not get the number of one of them."""
    owner.leave(ANN)
    assert shell(owner.folder, "sync -c acme.yaml <&- >&- 2>&-").returncode == 0
    assert [effect.email for effect in owner.klaviyo.effects if effect.what == "enrolled"] == [ANN]
    assert (owner.folder / "data/winback.db").read_bytes().startswith(b"SQLite format 3")


def test_a_refusal_keeps_its_code_where_it_cannot_be_said(owner: Owner) -> None:
    for end in ("2> /dev/full", "2>&-"):
        assert shell(owner.folder, f"check -c nowhere.yaml {end}").returncode == 2


def test_no_room_for_a_file(owner: Owner) -> None:
    """A file system that is full: here, a limit on how long a file may be."""
    owner.leave(ANN)
    assert owner.winback("sync").code == 0
    for command in ("backup -c acme.yaml -o b.db", "woocommerce-plugin -o p.zip", "templates preview -c acme.yaml"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'ulimit -f 8; "{sys.executable}" -m connector {command}'],
            cwd=owner.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=60,
            check=False,
        )
        err = done.stderr.decode()
        assert done.returncode in (1, 2), err
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        assert "unexpected" not in err
    left = {file.name for file in owner.folder.iterdir()}
    assert left == {"acme.yaml", "data"}, "nothing half is left behind"
