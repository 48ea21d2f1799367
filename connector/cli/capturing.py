"""R1 for `winback check`: how many checkouts were started, and of how many the address is known, by source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from connector import tables
from connector.db import table
from connector.engine.capture import Capture, Captured, capture_rate
from connector.engine.notes import read_notes
from connector.model import Finding

STORES = table(tables.Store)
DAYS = (7, 30)


@dataclass(frozen=True)
class Seen:
    """What the daemon has of one store: its numbers by days back, and what the last reads found wrong."""

    capture: Mapping[int, Capture]
    notes: tuple[Finding, ...] = ()


def seen(connection: Connection) -> dict[tuple[str, str], Seen]:
    """By client and store."""
    now = datetime.now(UTC)
    found = {}
    for row in connection.execute(select(STORES.c.client, STORES.c.id, STORES.c.notes)):
        numbers = {days: capture_rate(connection, row.client, row.id, now - timedelta(days=days)) for days in DAYS}
        notes = tuple(one for one in read_notes(row.notes) if one.level == "error")
        found[row.client, row.id] = Seen(numbers, notes)
    return found


def lines(store: Seen) -> Iterator[str]:
    """What `check` prints of a store's numbers; nothing while there are none."""
    for days, capture in store.capture.items():
        if capture.sources:
            yield f"checkouts of the last {days} days: {'; '.join(_words(one) for one in capture.sources)}"


def _words(one: Captured) -> str:
    if one.started is None:
        return f"{one.source}: {one.contactable} with an address, how many were started is unknown"
    share = "" if one.rate is None else f" ({one.rate:.0%})"
    return f"{one.source}: {one.contactable} with an address of {one.started} started{share}"


def document(store: Seen) -> dict[str, Any]:
    """The same for --json: by days back, with null for what is unknown."""
    return {
        f"{days}d": {**_numbers(capture), "sources": {one.source: _numbers(one) for one in capture.sources}}
        for days, capture in store.capture.items()
    }


def _numbers(one: Capture | Captured) -> dict[str, Any]:
    rate = None if one.rate is None else round(one.rate, 4)
    return {"started": one.started, "contactable": one.contactable, "rate": rate}
