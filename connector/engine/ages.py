"""How old a thing is before it may be deleted for its age (R8): by the stores' clocks, and never by a doubtful one.

What is deleted cannot be had back. A machine whose own clock is months ahead still deletes nothing too soon, because
time passes here only as far as the stores have said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from connector import tables
from connector.db import table
from connector.engine.context import seconds

STORES = table(tables.Store)
# A store that cannot be read says no time either, and by a wrong clock of ours its certificate is none: after this
# long our own clock counts again, because what was promised to be deleted has to be.
PATIENCE = timedelta(days=7)
LATELY = timedelta(hours=1)


@dataclass(frozen=True)
class Present:
    """Now: `stores` by the stores' clocks, for times that are on them, and `ours` for those on ours, never later."""

    stores: datetime
    ours: datetime


def present(connection: Connection, client: str, now: datetime) -> Present:
    """The most cautious of what the client's stores say. One that left the configuration counts if no other does."""
    rows = connection.execute(select(STORES).where(STORES.c.client == client)).all()
    heard = [_heard(row, now) for row in rows if not row.gone] or [_heard(row, now) for row in rows] or [now]
    stores = min(heard)
    return Present(stores, min(stores, now))


def heard_lately(connection: Connection, now: datetime) -> bool:
    """Whether the stores' word is fresh enough to go by; one that was given up is not waited for."""
    silent = (STORES.c.gone.is_(False), STORES.c.polled_at < now - LATELY)
    waited_for = or_(STORES.c.failing_since.is_(None), STORES.c.failing_since >= now - PATIENCE)
    return connection.execute(select(STORES.c.id).where(*silent, waited_for).limit(1)).first() is None


def _heard(row: Row[Any], now: datetime) -> datetime:
    """The store's own time when it was last read, or what it should be now where it is not read any more."""
    given_up = row.failing_since is not None and row.failing_since < now - PATIENCE
    at = now if row.gone or row.polled_at is None or given_up else min(row.polled_at, now)
    return at + seconds(row.clock_offset)
