"""The database as its owner names it: in any folder, with a password that nobody shows, or one that cannot be."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cli_case import ANN, ROOT, Owner

SESAME = "SuperSecret99"
ADDRESSES = (
    f"postgresql://winback:{SESAME}@db.invalid/winback",
    f"postgresql://db.invalid/winback?user=winback&password={SESAME}",
    f"postgresql://winback:Sup@{SESAME}@db.invalid/winback",
    f"postgresql://winback:Sup@{SESAME}/x@db.invalid/winback",
)


def settings(owner: Owner, url: str) -> None:
    """Another database."""
    (owner.folder / "winback.yaml").write_text(f"database_url: '{url}'\nhttp: {{listen: '127.0.0.1:0'}}\n")


@pytest.mark.parametrize("url", ADDRESSES)
def test_the_password_is_shown_nowhere(owner: Owner, url: str) -> None:
    settings(owner, url)
    for args in (("leads",), ("sync",), ("sync", "--dry-run"), ("backup",), ("check",), ("check", "--json"), ("run",)):
        said = owner.winback(*args, path=".")
        assert said.code in (1, 2), said
        assert SESAME not in said.out + said.err, said
    if "Sup@" in url:
        for args in (("leads",), ("check", "--offline")):
            line = owner.winback(*args, path=".").refused()
            assert line.startswith("winback.yaml:1: database_url: an @ or ? inside a user, a password"), line
            assert "%40" in line


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@h:port/db", "postgresql://u:p@[::1/db", "postgresql://u:p@h:65536/db"]
)
def test_a_port_that_is_none_is_one_line(owner: Owner, url: str) -> None:
    settings(owner, url)
    for args in (("leads",), ("check", "--offline"), ("check",)):
        assert owner.winback(*args, path=".").refused().endswith("write it as in postgresql://HOST:5432/NAME")


@pytest.mark.parametrize("name", ["q?x", "Kunde%20A", "p%41"])
def test_copies_stay_in_a_folder_of_any_name(owner: Owner, name: str) -> None:
    """In a URL, a ? or % in its name would mean another folder, whose database may be another client's."""
    other = owner.folder / {"q?x": "q", "Kunde%20A": "Kunde A", "p%41": "pA"}[name]
    other.mkdir()
    folder = owner.folder / name
    folder.mkdir()
    owner.folder.joinpath("acme.yaml").rename(folder / "acme.yaml")
    owner.folder = folder
    owner.leave(ANN)
    assert owner.winback("sync").code == 0
    assert owner.winback("backup", "-o", folder / "copy.db").code == 0
    assert owner.winback("sync", "--dry-run").code == 0
    assert owner.winback("restore", folder / "copy.db", "--force").code == 0
    assert sorted(each.name for each in folder.iterdir()) == ["acme.yaml", "copy.db", "data"]
    assert list(other.iterdir()) == []
    with sqlite3.connect(folder / "copy.db") as connection:
        assert connection.execute("select count(*) from checkouts").fetchone() == (1,)
    connection.close()


def test_a_database_url_means_what_an_address_means(owner: Owner) -> None:
    settings(owner, "sqlite:///Kunde%20A/w.db?timeout=5")
    assert "there is no database Kunde A/w.db yet" in owner.winback("leads", path=".").err
    owner.leave(ANN)
    assert owner.winback("sync", path=".").code == 0
    assert (owner.folder / "Kunde A/w.db").is_file()
    said = owner.winback("leads", path=".")
    assert (ANN in said.out, said.err) == (True, "")
    assert "good" in owner.winback("check", path=".").out


def test_a_name_that_no_file_can_have_is_one_line(owner: Owner) -> None:
    settings(owner, f"sqlite:///data/{'a' * 300}.db")
    (owner.folder / "data").mkdir()
    for args in (("leads",), ("backup",), ("sync",), ("run",), ("explain", ANN)):
        assert owner.winback(*args, path=".").refused().endswith(": File name too long"), args
    said = owner.winback("check", path=".")
    assert (said.code, "cannot be used: File name too long" in said.out, said.err) == (1, True, "")


@pytest.mark.parametrize("command", ["leads", "restore copy.db"])
def test_no_place_for_a_temporary_folder_is_one_line(owner: Owner, command: str) -> None:
    (owner.folder / "copy.db").touch()
    done = subprocess.run(
        ["/bin/sh", "-c", f'ulimit -f 0; "{sys.executable}" -m connector {command} -c acme.yaml'],
        cwd=owner.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    assert done.stderr.startswith("no temporary folder can be made: "), done.stderr
    assert "set TMPDIR" in done.stderr
    assert sorted(each.name for each in Path(owner.folder).iterdir()) == ["acme.yaml", "copy.db"]
