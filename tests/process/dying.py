"""In a process that tests start: counts where it passes a point of the pipeline, and kills it with -9 at one of them.

A point is a transaction (before and after its commit), a request to a store or CRM (before it is sent, and after its
effect, when the answer is here but nobody has read it; a question where it only reads), or a file that takes its place.
It is named after its kind and the function of the engine that wants it, so every one has a name, whether or not anybody
thought of it (see points.py).
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Connection

from connector.cli import opening
from connector.db import Database
from connector.http import Http, Response

BEFORE, AFTER = "before", "after"
OURS = ("connector.engine.", "connector.cli.", "connector.templates.", "connector.copying", "connector.db")
ON_BEHALF = {"write", "_changing", "_update", "_dated"}  # these do it for the function that called them
GRAPHQL_QUERY = re.compile(rb'\{"query": ?"(?:\\n)*query ')
NEVER_REACHED = 97  # the exit code


class Watch:
    """What was passed so far, and where to die: `name`, `moment`, and at which passage of it, from 1."""

    def __init__(self, die_at: tuple[str, str, int] | None) -> None:
        self._die_at, self._lock = die_at, threading.Lock()
        self._passed: Counter[tuple[str, str]] = Counter()

    def passes(self, name: str, moment: str) -> None:
        """The process is at this moment of this point."""
        with self._lock:
            self._passed[name, moment] += 1
            if self._die_at == (name, moment, self._passed[name, moment]):
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # the signal has a moment's delay; nothing may happen in it

    def end(self, record: Path) -> int | None:
        """Writes down what was passed. Where it was to die and did not, that is said, with an exit code of its own."""
        record.write_text(json.dumps([[*point, count] for point, count in sorted(self._passed.items())]))
        if self._die_at is None:
            return None
        print(f"{self._die_at} was never reached; passed: {sorted(self._passed)}", file=sys.stderr)
        return NEVER_REACHED


def watch(die_at: tuple[str, str, int] | None, ahead: float) -> Watch:
    """From now on in this process. `ahead` are seconds by which its clock is put forward."""
    watched = Watch(die_at)
    _watch_commits(watched)
    _watch_requests(watched)
    _watch_files(watched)
    vars(opening)["datetime"] = _clock_put_forward(timedelta(seconds=ahead))
    return watched


def _watch_commits(watched: Watch) -> None:
    write = Database.write

    @contextmanager
    def watched_write(self: Database) -> Iterator[Connection]:
        name = f"commit {_whose(sys._getframe(1))}"
        with write(self) as connection:
            yield connection
            watched.passes(name, BEFORE)
        watched.passes(name, AFTER)

    Database.write = watched_write  # type: ignore[method-assign]


def _watch_requests(watched: Watch) -> None:
    exchange = Http.exchange

    def watched_exchange(self: Http, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        name = f"{'question' if _only_asks(method, url, body) else 'request'} {_whose(sys._getframe(1))}"
        watched.passes(name, BEFORE)
        response = exchange(self, method, url, headers, body)
        watched.passes(name, AFTER)
        return response

    Http.exchange = watched_exchange  # type: ignore[method-assign]


def _only_asks(method: str, url: str, body: bytes | None) -> bool:
    """Also a GraphQL query, and a login."""
    return method == "GET" or bool(body and GRAPHQL_QUERY.match(body)) or url.endswith("/oauth/access_token")


def _watch_files(watched: Watch) -> None:
    replace = os.replace

    def watched_replace(source: Any, target: Any, **options: Any) -> None:
        name = f"file {_whose(sys._getframe(1))}"
        watched.passes(name, BEFORE)
        replace(source, target, **options)
        watched.passes(name, AFTER)

    os.replace = watched_replace  # type: ignore[assignment]


def _whose(frame: FrameType | None) -> str:
    """The innermost function of the engine or of a command, as `module.function`; a delivery's with what goes where."""
    while frame is not None:
        module, function = str(frame.f_globals.get("__name__")), frame.f_code.co_name
        if module.startswith(OURS) and function not in ON_BEHALF and not function.startswith("<"):
            job = frame.f_locals["job"] if (module, function) == ("connector.engine.deliver", "_one") else None
            what = f" {job.kind} {job.row.crm}" if job else ""
            return f"{module.rpartition('.')[2]}.{function}{what}"
        frame = frame.f_back
    raise AssertionError("something was changed that no function of the engine had asked for")


def _clock_put_forward(ahead: timedelta) -> type[datetime]:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + ahead

    return Ahead
