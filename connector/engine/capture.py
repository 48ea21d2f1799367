"""R1: how many checkouts were started, and of how many the address is known, by where they were seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, select

from connector import tables
from connector.db import table
from connector.model import Origin, Source

CHECKOUTS = table(tables.Checkout)
ORDERS = table(tables.Order)
VISITS = table(tables.Visits)
UNSAID = "read by an earlier version"


@dataclass(frozen=True)
class Captured:
    """One source's numbers. `started` is None where it cannot count starts: then the rate is unknown."""

    source: str
    started: int | None
    contactable: int

    @property
    def rate(self) -> float | None:
        """Contactable ÷ started, 0 to 1; None where that is unknown."""
        return min(1.0, self.contactable / self.started) if self.started else None


@dataclass(frozen=True)
class Capture:
    """A store's numbers. Where any source counts starts, the totals are of those that do; else starts are unknown."""

    sources: tuple[Captured, ...]

    @property
    def started(self) -> int | None:
        """Checkouts started, or None where no source can count them."""
        return sum(one.started or 0 for one in self._counted) if self._counted else None

    @property
    def contactable(self) -> int:
        """Checkouts with an address: of the sources that count starts, or of all where none does."""
        return sum(one.contactable for one in self._counted or self.sources)

    @property
    def rate(self) -> float | None:
        """The capture rate, 0 to 1; None where it is unknown."""
        return Captured("", self.started, self.contactable).rate

    @property
    def _counted(self) -> tuple[Captured, ...]:
        return tuple(one for one in self.sources if one.started is not None)


def capture_rate(connection: Connection, client: str, store: str, since: datetime) -> Capture:
    """The numbers of one store from the UTC day of `since` on, by source."""
    first = datetime.combine(since.astimezone(UTC).date(), time(), UTC)
    counted = {
        row.source: Captured(row.source, row.started, row.contactable)
        for row in _visits(connection, client, store, first)
    }
    seen = {row.source: row for row in _seen(connection, client, store, first)}
    for source, row in seen.items():
        if source in counted:
            continue
        at_once = _bought_at_once(connection, client, store, row) if source == Source.DRAFTS else 0
        started = row.started + at_once if source == Source.DRAFTS else None
        counted[source] = Captured(source, started, row.contactable + at_once)
    return Capture(tuple(counted[source] for source in sorted(counted)))


def _visits(connection: Connection, client: str, store: str, first: datetime) -> list[Row[Any]]:
    query = (
        select(
            VISITS.c.source,
            func.sum(VISITS.c.started).label("started"),
            func.sum(VISITS.c.contactable).label("contactable"),
        )
        .where(VISITS.c.client == client, VISITS.c.store == store, VISITS.c.day >= first.date())
        .group_by(VISITS.c.source)
    )
    return list(connection.execute(query))


def _seen(connection: Connection, client: str, store: str, first: datetime) -> list[Row[Any]]:
    """The checkouts in the table, but for those that go on with another one."""
    query = (
        select(
            case((CHECKOUTS.c.source == "", UNSAID), else_=CHECKOUTS.c.source).label("source"),
            func.count().label("started"),
            func.sum(case((CHECKOUTS.c.shopper != "", 1), else_=0)).label("contactable"),
            func.min(CHECKOUTS.c.started_at).label("first"),
            func.max(CHECKOUTS.c.started_at).label("last"),
        )
        .where(_here(CHECKOUTS, client, store), CHECKOUTS.c.started_at >= first, CHECKOUTS.c.by_link.is_(False))
        .group_by(CHECKOUTS.c.source)
    )
    return list(connection.execute(query))


def _bought_at_once(connection: Connection, client: str, store: str, drafts: Row[Any]) -> int:
    """Orders of the same days that were paid before their draft was ever read."""
    known = select(CHECKOUTS.c.id).where(_here(CHECKOUTS, client, store), CHECKOUTS.c.id == ORDERS.c.id)
    query = select(func.count()).where(
        _here(ORDERS, client, store),
        ORDERS.c.origin == Origin.CHECKOUT,
        ORDERS.c.purchase,
        ORDERS.c.created_at.between(drafts.first, drafts.last),
        ~known.exists(),
    )
    return int(connection.execute(query).scalar_one())


def _here(rows: Any, client: str, store: str) -> ColumnElement[bool]:
    return and_(rows.c.client == client, rows.c.store == store)
