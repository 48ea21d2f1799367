"""The faults of the matrix: what goes wrong with one call, how often, and what the daemon must make of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.http import Timeouts
from connector.sandbox import Fault, Reply, Request, Server

HASTY = Timeouts(connect=2, read=0.5, total=1.2, again=0.01)
TOO_LATE = 0.8  # seconds: longer than HASTY waits between two reads
DRIP = 0.2  # seconds between two bytes: each comes in time, and all of them together do not
LASTS = timedelta(hours=2)
PAGE = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body>ann@example.com</body></html>"
HTML = {"Content-Type": "text/html"}
# A path's parts that name one thing of many: numbers, hashes, Klaviyo's profile ids.
ID = re.compile(r"^(\d+|[0-9a-f]{16,}|[0-9A-Z]{16,}|winback-.+)$")
TELLING = ("status", "filter")  # query parameters that make another call of the same path


@dataclass(frozen=True)
class Trouble:
    """One kind of fault: a column of the table.

    `lost`: the call has its effect, but its answer does not arrive. `owner`: only they can act; None where an adapter
    may know so. `lasts`: it strikes for two hours of each phase, not only once. `quick`: it stands for its class in the
    quick form.
    """

    name: str
    fault: Fault
    lost: bool = False
    owner: bool | None = False
    lasts: bool = False
    quick: bool = False


TROUBLES = (
    Trouble("time-out before the effect", Fault(delay=TOO_LATE, reset=True)),
    Trouble("time-out after the effect", Fault(delay=TOO_LATE, reset=True, after_effect=True), lost=True),
    Trouble("reset before the effect", Fault(reset=True)),
    Trouble("reset after the effect", Fault(reset=True, after_effect=True), lost=True, quick=True),
    Trouble("truncated JSON", Fault(truncate=5), lost=True),
    Trouble("slow drip", Fault(drip=DRIP), lost=True),
    Trouble("every answer lost, 2 h", Fault(reset=True, after_effect=True), lost=True, lasts=True),
    Trouble("500, 2 h", Fault(Reply(500, {"message": "Internal error"})), lasts=True),
    Trouble("502 as HTML, 2 h", Fault(Reply(502, PAGE, HTML)), lasts=True),
    Trouble("503 with Retry-After, 2 h", Fault(Reply(503, b"", {"Retry-After": "120"})), lasts=True, quick=True),
    Trouble("429 storm, 2 h", Fault(Reply(429, {"message": "Too many requests"})), lasts=True),
    Trouble("HTML with 200, 2 h", Fault(Reply(200, PAGE, HTML)), owner=None, lasts=True, quick=True),
    Trouble("redirect loop, 2 h", Fault(Reply(302, b"", {"Location": "/"})), owner=True, lasts=True),
    Trouble("401, 2 h", Fault(Reply(401, {"message": "No."})), owner=True, lasts=True, quick=True),
)


def call_of(request: Request) -> str:
    """The name of a call: method and path without ids, or the GraphQL operation."""
    if operation := re.match(rb'\{"query":".{0,9}?(query|mutation) (\w+)', request.body):
        return f"{operation[1].decode()} {operation[2].decode()}"
    api, version, rest = re.match(r"(/api)?(/[\d.]+)?(.*)", request.path).groups("")  # type: ignore[union-attr]
    path = api + version + "/".join("…" if ID.match(part) else part for part in rest.split("/"))
    told = [f"{name}={value.partition('(')[0]}" for name, value in request.query if name in TELLING]
    return f"{request.method} {path}" + (f"?{'&'.join(told)}" if told else "")


@dataclass
class Injector:
    """A server's fault: strikes each of the calls, in each phase of a life.

    It strikes a call's first request of the phase only, or, if it is `lasting`, all of them within two hours of it.
    """

    server: Server
    clock: Callable[[], datetime]
    trouble: Trouble
    calls: frozenset[str]
    lasting: bool = False
    phase: str = ""
    hits: list[tuple[str, str]] = field(default_factory=list)  # phase and call
    _since: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request) -> Fault | None:
        call, now = call_of(request), self.clock()
        if call not in self.calls:
            return None
        with self._lock:
            first = (self.phase, call) not in self._since
            since = self._since.setdefault((self.phase, call), now)
            if not (first or (self.lasting and now - since < LASTS)):
                return None
            self.hits.append((self.phase, call))
            return self.trouble.fault

    @property
    def striking(self) -> bool:
        """Whether it still goes on at this moment."""
        with self._lock:
            return self.lasting and any(self.clock() - since < LASTS for since in self._since.values())
