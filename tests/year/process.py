"""Starts the engine, asks it, and kills it in mid-flight."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Killed(Exception):  # noqa: N818 - not an error: it was asked for
    """The engine died before it answered."""


class Process:
    """The engine's process; `restarts` counts how often it was started anew."""

    def __init__(self, config: Path, folder: Path, now: datetime) -> None:
        self._config, self._folder = config, folder
        self._log = (folder / "engine.log").open("a")
        self.restarts = -1
        self.start(now)

    def start(self, now: datetime) -> None:
        """A new process over the same database."""
        url = f"sqlite:///{self._folder / 'winback.db'}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "year.engine", str(self._config), url, now.isoformat()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{HERE.parent}"},
        )  # fmt: skip
        self.restarts += 1

    def ask(self, do: str, at: datetime, **more: Any) -> dict[str, Any]:
        """What the engine answers. Raises Killed where it was killed, RuntimeError where it failed."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps({"do": do, "at": at.isoformat(), **more}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        if self._process.wait() == -signal.SIGKILL:
            raise Killed
        raise RuntimeError(f"the engine failed:\n{(self._folder / 'engine.log').read_text()[-4000:]}")

    def kill(self) -> None:
        """SIGKILL, from any thread."""
        self._process.kill()

    def stop(self) -> None:
        """In good order: its standard input ends."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def close(self) -> None:
        """Ends it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._log.close()
