"""Whatever is typed: an exit code that means something, a line that helps, no secret, and no change by a refusal."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_tree import calls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leaks import addresses_in, secrets_in

from connector.cli import main
from connector.cli.show import plain
from connector.model import ConsentState
from crm.sandbox import klaviyo
from platforms.sandbox import woocommerce

KNOWN = "a.shopper.in.the.database@example.com"
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "ascii", "latin-1", "cp1252"])
SURROUNDINGS = st.fixed_dictionaries(
    {},
    optional={
        "COLUMNS": st.sampled_from(["1", "0", "-5", "x", "99999"]),
        "NO_COLOR": st.just("1"),
        "TERM": st.sampled_from(["dumb", "", "nonsense"]),
        "LANG": st.sampled_from(["C", "POSIX", "xx_XX.nonsense"]),
        "WINBACK_LOG__FORMAT": st.sampled_from(["text", "json"]),
    },
)


class Folder:
    """An owner's folder: one client with a lead, and beside it everything that is not what it should be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.woo, self.klaviyo = woocommerce.serve(), klaviyo.serve()
        self.config: dict[str, Any] = {
            "client": "acme",
            "stores": [{"id": "woo", **self.woo.options()}],
            "crms": [
                {"id": "mail", **self.klaviyo.options(), "tags": ["abandoned-cart"], "fields": {"CART": "{{ email }}"}}
            ],
        }
        self.kept = path.with_name("kept")
        path.mkdir()
        (path / "acme.yaml").write_text(yaml.safe_dump(self.config))
        self.woo.abandon(KNOWN, consent=ConsentState.OPTED_IN)
        assert self.winback(["sync", "-c", "acme.yaml"], "utf-8", {})[0] == 0
        assert self.winback(["backup", "-c", "acme.yaml", "-o", "good.db"], "utf-8", {})[0] == 0
        for folder in ("clients", "empty"):
            (path / folder).mkdir()
        (path / "clients/acme.yaml").write_text(yaml.safe_dump(self.config))
        (path / "clients/other.yaml").write_text(yaml.safe_dump({**self.config, "client": "other"}))
        (path / "broken.yaml").write_text(yaml.safe_dump(self.config) + "  stray: [\x00")
        (path / "loop.yaml").symlink_to("loop.yaml")
        os.mkfifo(path / "pipe")
        shutil.copytree(path, self.kept, symlinks=True, copy_function=_copy, ignore=shutil.ignore_patterns("pipe"))

    def winback(self, args: list[str], encoding: str, env: dict[str, str]) -> tuple[int, str, str]:
        """Runs a command here, within this process."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2))
        stdin, before = sys.stdin, dict(os.environ)
        os.environ |= env
        sys.stdin = None  # as when it is closed
        try:
            with chdir(self.path), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
                main(args)
        finally:
            sys.stdin = stdin
            os.environ.clear()
            os.environ |= before
        code = end.value.code
        said = [one.buffer.getvalue().decode(encoding) for one in (out, err)]
        return code if isinstance(code, int) else int(code is not None), said[0], said[1]

    def content(self) -> frozenset[tuple[str, str]]:
        """Everything in the folder: the files' bytes, the database's rows."""
        found: set[tuple[str, str]] = set()
        for file in sorted(self.path.rglob("*")):
            name = str(file.relative_to(self.path))
            if file.is_symlink() or not file.is_file() or name.endswith(("-wal", "-shm", ".lock")):
                continue
            lines = _rows(file) if name == "data/winback.db" else [file.read_bytes().hex()]
            found |= {(name, line) for line in lines}
        return frozenset(found)

    def restore(self) -> None:
        """As it was at the beginning."""
        for file in self.path.iterdir():
            if file.name == "pipe":
                continue
            shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()
        shutil.copytree(self.kept, self.path, symlinks=True, copy_function=_copy, dirs_exist_ok=True)

    def close(self) -> None:
        """Stops the servers."""
        self.woo.server.close()
        self.klaviyo.server.close()


def _copy(source: str, target: str) -> str:
    return shutil.copyfile(source, target, follow_symlinks=False)


def _rows(file: Path) -> list[str]:
    with sqlite3.connect(file) as connection:
        rows = list(connection.iterdump())
    connection.close()
    return rows


def refused(before: frozenset[tuple[str, str]], after: frozenset[tuple[str, str]]) -> bool:
    """Whether nothing is gone, and nothing new but that a store or CRM of another file was met for the first time."""
    met = ('INSERT INTO "stores"', 'INSERT INTO "crms"')
    return not before - after and all(line.startswith(met) for _, line in after - before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    made = Folder(tmp_path_factory.mktemp("typed") / "owner")
    yield made
    made.close()


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(args=calls(), encoding=ENCODINGS, env=SURROUNDINGS)
def test_whatever_is_typed(folder: Folder, args: list[str], encoding: str, env: dict[str, str]) -> None:
    before = folder.content()
    code, out, err = folder.winback(args, encoding, env)
    after = folder.content()
    try:
        judge(folder, args, code, out, err)
        assert code != 2 or refused(before, after), "it refused, and changed something all the same"
    finally:
        if after != before:
            folder.restore()


def judge(folder: Folder, args: list[str], code: int, out: str, err: str) -> None:
    said = f"winback {args} → {code}\n{out[-2000:]}\n{err[-2000:]}"
    assert code in (0, 1, 2), said
    assert "Traceback" not in out + err, said
    assert not err.startswith("unexpected "), said
    assert code == 0 or (err + out).strip(), said
    if code == 2 and "--json" not in args:
        assert not out, said
        assert err.strip(), said
    assert len(err) < 4000, said
    assert all(len(line) < 1000 for line in err.splitlines()), said
    assert all(plain(line) == line for line in err.split("\n")), said
    assert not secrets_in(out + err, folder.config), said
    assert KNOWN not in [*addresses_in(err)] or any(KNOWN in arg for arg in args), said
