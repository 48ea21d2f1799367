"""What can be out altogether: the way to an account, its clock, and the daemon's own database."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import trustme
import verdict
from faults import HASTY
from life import STORES, Life, Outage, life
from matrix import Cell, healthy, pair
from sqlalchemy import event

from connector.http import Http

HOLD = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('begin immediate'); print(flush=True); input()"
SAYS_SO = "does not answer"
PHASES = 6  # of a life: so many outages


@dataclass
class Elsewhere:
    """The account is asked at an address where it cannot be reached."""

    account: str
    base_url: str

    def begin(self, life: Life) -> None:
        life.reopen(**{self.account: {"base_url": self.base_url, "allow_insecure": True}})

    def end(self, life: Life) -> None:
        life.reopen()


@contextmanager
def _unknown_host() -> Iterator[str]:
    yield "http://account.invalid"  # never a name: RFC 6761


@contextmanager
def _closed_port() -> Iterator[str]:
    with socket.socket() as bound:  # taken, but nobody listens
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@cache
def _authority() -> tuple[trustme.CA, str]:
    authority, file = trustme.CA(), Path(tempfile.mkdtemp()) / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return authority, str(file)


@contextmanager
def _expired_certificate() -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate = _authority()[0].issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))
    certificate.configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = listener.accept()[0]
                with contextlib.suppress(OSError), connection:
                    context.wrap_socket(connection, server_side=True)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


WAYS: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    "the name cannot be resolved": _unknown_host,
    "the connection is refused": _closed_port,
    "the TLS certificate expired": _expired_certificate,
}
CLOCKS = {"its clock is 10 min fast": timedelta(minutes=10), "its clock is 10 min slow": timedelta(minutes=-10)}


def try_way(account: str, way: str) -> Cell:
    """A life in which the account cannot be reached for two hours of each phase."""
    here = "shop" if account in STORES else "mail"
    http = Http(timeouts=HASTY, ca_file=_authority()[1]) if "TLS" in way else None
    with WAYS[way]() as base_url, life(*pair(account), http=http) as lived:
        lived.outage = Elsewhere(here, base_url)
        lived.live()
        wrong = list(verdict.findings(lived, healthy(*pair(account)).digests))
        wrong += verdict.waiting_findings(lived, here)
        return Cell("✗" if wrong else "w", tuple(wrong))


def try_clock(account: str, which: str) -> Cell:
    """A life in which the store's clock is wrong all the time."""
    with life(*pair(account), store_clock=CLOCKS[which]) as lived:
        lived.live()
        wrong = list(verdict.findings(lived, healthy(*pair(account)).digests))
        return Cell("✗" if wrong or lived.lines.said else "o", (*wrong, *lived.lines.said))


class DiskFull:
    """No file of this process may grow."""

    def __init__(self, _: Life) -> None:
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def begin(self, life: Life) -> None:
        smallest = min(file.stat().st_size for file in life.folder.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (smallest, self._limits[1]))

    def end(self, life: Life) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)


class ReadOnly:
    """SQLite refuses every write, with the error that it has for a file system that became read-only."""

    def __init__(self, life: Life) -> None:
        self._refuses = False
        event.listen(life.ctx.db.engine, "checkout", self._set)

    def _set(self, connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA query_only={'ON' if self._refuses else 'OFF'}")

    def begin(self, life: Life) -> None:
        self._refuses = True

    def end(self, life: Life) -> None:
        self._refuses = False


class Locked:
    """Another process holds a write transaction for a second, in which the daemon waits."""

    def __init__(self, _: Life) -> None:
        self._holder = threading.Thread()

    def begin(self, life: Life) -> None:
        file = str(life.folder / "winback.db")
        other = subprocess.Popen([sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert other.stdout
        other.stdout.readline()

        def let_go() -> None:
            time.sleep(1)
            other.communicate(b"\n")

        self._holder = threading.Thread(target=let_go)
        self._holder.start()

    def end(self, life: Life) -> None:
        self._holder.join()


DATABASE: dict[str, Callable[[Life], Outage]] = {
    "the disk is full": DiskFull,
    "the file system is read-only": ReadOnly,
    "another process writes": Locked,
}


def try_database(crm: str, what: str) -> Cell:
    """A life of the real daemon, whose database cannot be written for two hours of each phase."""
    store = "WooCommerce"
    with life(store, crm) as lived:
        lived.outage = DATABASE[what](lived)
        lived.run_daemon()
        lived.live()
        wrong = list(verdict.findings(lived, healthy(store, crm).digests))
        said = [line for line in lived.lines.said if SAYS_SO in line]
        wrong += [f"a line is not for an owner: {line}" for line in lived.lines.said if line not in said]
        if not said and what != "another process writes":
            wrong.append("no line in the log")
        if len(said) > PHASES:
            wrong.append(f"the same outage was told {len(said)} times in {PHASES} outages")
        return Cell("✗" if wrong else "w" if said else "r", tuple(wrong))
