"""Real processes of the program, quickly: one process imports it, and forks a child for each that a test wants.

Everything but the imports is as after `python -m connector …`: a process of its own, with its own database
connections, threads and files, which `kill -9` ends as any other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
KILLED = -9
Point = tuple[str, str, int]  # name, moment, and which passage of it


@dataclass
class Order:
    """What is to be started, and how."""

    arguments: Sequence[str]
    folder: str
    env: Mapping[str, str]
    number: int
    die_at: Point | None = None
    ahead: float = 0.0  # seconds


@dataclass
class Child:
    """A process under way; `end` waits for it."""

    nursery: Nursery
    pid: int
    base: Path
    code: int | None = None

    def end(self) -> int:
        """Its exit code, negative for a signal. Raises AssertionError where its point was never reached."""
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(int(self.nursery.answer()))
        assert self.code != 97, self.said
        return self.code

    def terminate(self) -> int:
        """SIGTERM, and its end."""
        os.kill(self.pid, signal.SIGTERM)
        return self.end()

    @property
    def said(self) -> str:
        """Its stderr so far."""
        written = self.base.with_suffix(".err")
        return written.read_text() if written.exists() else ""

    @property
    def passed(self) -> Counter[tuple[str, str]]:
        """How often it passed each moment of each point; known where it ended by itself."""
        rows = json.loads(self.base.with_suffix(".passed").read_text())
        return Counter({(name, moment): count for name, moment, count in rows})


@dataclass
class Nursery:
    """One child at a time."""

    popen: subprocess.Popen[str] = field(init=False)
    started: int = 0

    def __post_init__(self) -> None:
        env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
        pipe = subprocess.PIPE
        self.popen = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True, env=env)

    def start(
        self, folder: Path, *arguments: str, env: Mapping[str, str], die_at: Point | None = None, ahead: float = 0.0
    ) -> Child:
        """`winback ARGUMENTS` in that folder."""
        self.started += 1
        order = Order(arguments, str(folder), env, self.started, die_at, ahead)
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(asdict(order)) + "\n")
        self.popen.stdin.flush()
        return Child(self, int(self.answer()), folder / f"{self.started}.life")

    def answer(self) -> str:
        """The nursery's next line."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, "the nursery is gone"
        return line

    def close(self) -> None:
        """Ends it; no child may be under way."""
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.close()
        self.popen.wait()
        self.popen.stdout.close()


def _serve() -> None:
    """Forks a child for each line on stdin; says its pid, and how it ended."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _live(json.loads(line))
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


def _live(order: dict[str, Any]) -> None:
    import dying

    from connector.cli import main

    base = Path(order["folder"]) / f"{order['number']}.life"
    for number, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(base.with_suffix(suffix), os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    watched = dying.watch(tuple(order["die_at"]) if order["die_at"] else None, order["ahead"])
    try:
        main(order["arguments"])
    except SystemExit as end:
        missed = watched.end(base.with_suffix(".passed"))
        raise SystemExit(end.code if missed is None else missed) from None


def _import_everything() -> None:
    import importlib
    import pkgutil

    import dying  # noqa: F401
    import psycopg  # noqa: F401
    import uvicorn  # noqa: F401

    for package in ("connector.cli", "connector.engine", "connector.inbound", "crm", "platforms"):
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("sandbox"):
                importlib.import_module(module.name)


if __name__ == "__main__":
    _import_everything()
    _serve()
