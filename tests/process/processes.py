"""The real program as real processes: `python -m connector …` on a folder of its own, against sandboxes in this one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from leaks import addresses_in, secrets_in

from connector.sandbox import Fault, Request, Server
from platforms.sandbox import woocommerce

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0  # seconds for what should take one or two: the machine may have other things to do


class LateClock:
    """The machine's clock, set back by `behind`: what shoppers do meanwhile lies that long ago."""

    def __init__(self) -> None:
        self.behind = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.behind

    @contextmanager
    def ago(self, **time: float) -> Iterator[None]:
        """For the time of the block."""
        self.behind = timedelta(**time)
        try:
            yield
        finally:
            self.behind = timedelta(0)


@dataclass(frozen=True)
class Ended:
    """A process that came to its end."""

    code: int
    out: str
    err: str

    @property
    def log(self) -> list[str]:
        """What it logged, without the JSON around it; other lines as they are."""
        return [_message(line) for line in self.err.splitlines()]


class Process:
    """A process under way; its output goes to files, so that it never waits for a reader."""

    def __init__(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], **options: Any) -> None:
        number = sum(path.suffix == ".err" for path in folder.iterdir())
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.popen = subprocess.Popen(arguments, cwd=folder, env=env, stdout=out, stderr=err, **options)

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return self._err.read_text()

    def wait_for(self, text: str, patience: float = PATIENCE) -> None:
        """Until its stderr holds this text."""
        until(lambda: text in self.err or self.popen.poll() is not None, f"{text!r} in {self.err}", patience)
        assert text in self.err, f"it ended with {self.popen.returncode} before it said {text!r}: {self.err}"

    def kill(self) -> None:
        """kill -9."""
        self.popen.kill()
        self.popen.wait()

    def terminate(self, patience: float = PATIENCE) -> Ended:
        """SIGTERM, and its end."""
        self.popen.send_signal(signal.SIGTERM)
        return self.end(patience)

    def end(self, patience: float = PATIENCE) -> Ended:
        """Waits for its end."""
        try:
            code = self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end within {patience:.0f} s: {self.err}") from None
        return Ended(code, self._out.read_text(), self.err)


class Site:
    """A folder with a client's file and the daemon's settings, as an owner has it."""

    def __init__(self, folder: Path, database_url: str, config: dict[str, Any]) -> None:
        self.folder, self.url, self.config = folder, database_url, config
        self.file = folder / "acme.yaml"
        self._started: list[Process] = []
        self.settings({"database_url": database_url, "http": {"listen": "127.0.0.1:0"}})
        self.write()

    def settings(self, values: dict[str, Any]) -> None:
        """Writes winback.yaml."""
        (self.folder / "winback.yaml").write_text(yaml.safe_dump(values))

    def write(self, text: str | None = None) -> None:
        """Puts the client's file in place at once, as an editor does; the configuration, or any other text."""
        fresh = self.folder / ".acme.new"
        fresh.write_text(yaml.safe_dump(self.config, sort_keys=False) if text is None else text)
        fresh.replace(self.file)

    def start(
        self,
        *arguments: str,
        under: Sequence[str] = (),
        extra_env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Process:
        """`winback ARGUMENTS -c FILE`, in the background; `under` another command that watches it."""
        command = [*under, sys.executable, "-m", "connector", *arguments, "-c", str(self.file)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("WINBACK_")}
        env |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200", **(extra_env or {})}
        process = Process(command, self.folder, env, **options)
        self._started.append(process)
        return process

    def run(self, *arguments: str, patience: float = PATIENCE, **options: Any) -> Ended:
        """`winback ARGUMENTS -c FILE`, to its end."""
        return self.start(*arguments, **options).end(patience)

    def json(self, *arguments: str) -> Any:
        """What `winback ARGUMENTS --json` prints."""
        ended = self.run(*arguments, "--json")
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    def daemon(self) -> Process:
        """`winback run`, from the moment that it is at work."""
        process = self.start("run")
        process.wait_for("winback is running")
        return process

    def close(self) -> None:
        """Ends what is still running. Whatever was run here, it has told nobody a secret, nor logged an address."""
        for process in self._started:
            if process.popen.poll() is None:
                process.kill()
        for file in (*self.folder.glob("*.err"), *self.folder.glob("*.out")):
            assert not secrets_in(file.read_text(), self.config), file
            assert file.suffix == ".out" or not addresses_in(file.read_text()), file.read_text()


class Trap:
    """Kills a process at one moment of its dealings with some servers: at a request, or shortly after its answer.

    What it was doing at the others goes on there: their effects stand, and nobody hears of them.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._left = 0
        self._pause = 0.0
        for server in servers:
            server.fault = self._seen

    def set(self, process: Process, requests: int, pause: float) -> None:
        """From now on: so many requests, then a pause in seconds, then kill -9."""
        with self._lock:
            self._process, self._left, self._pause = process, requests, pause

    def _seen(self, request: Request) -> Fault | None:
        with self._lock:
            self._left -= 1
            process = self._process if self._left <= 0 else None
            if process is not None:
                self._process = None
        if process is not None and self._pause:
            threading.Timer(self._pause, process.popen.kill).start()
        elif process is not None:
            process.popen.kill()
        return None


def until(happened: Callable[[], Any], what: str = "", patience: float = PATIENCE) -> None:
    """Waits until something has happened."""
    end = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < end, f"it did not happen within {patience:.0f} s: {what}"
        time.sleep(0.05)


def due_store(clock: LateClock, count: int, *, hours: float = 0.0, name: str = "shopper") -> Any:
    """A WooCommerce store with so many shoppers whose checkouts are due, the last one 40 min ago."""
    store = woocommerce.serve(clock=clock, keep_journal=False)
    with clock.ago(minutes=40):
        store.seed(count, [f"{name}{n}@example.com" for n in range(count)], over=timedelta(hours=hours))
    return store


def client(stores: Mapping[str, Any], crms: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A client's file over sandboxes, by their ids; every contact may be subscribed, and no limit slows it down."""
    fast = {"requests_per_second": 1000}
    return {
        "client": "acme",
        "stores": [{"id": id_, **store.options(), **fast} for id_, store in stores.items()],
        "crms": [{"id": id_, **crm.options(), **fast, "subscribe": "eligible"} for id_, crm in crms.items()],
        **more,
    }


def moments(seed: str, count: int, requests: int) -> list[tuple[int, float]]:
    """Random moments for a Trap: after how many requests, and how long after that one's answer."""
    dice = random.Random(seed)
    return [(dice.randint(1, requests), dice.choice((0.0, dice.uniform(0.001, 0.02)))) for _ in range(count)]


def _message(line: str) -> str:
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError, TypeError):
        return line
