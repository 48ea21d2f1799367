"""Sums for the report that outlive what they were made of, without anything that points to a person.

What is still in its own table is counted there; what leaves that table is added here in the same transaction. So
everything is counted once, whatever becomes of it, and the report is right for longer than shoppers are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    Table,
    delete,
    func,
    literal,
    literal_column,
    select,
)

from connector import tables
from connector.db import Database, table
from connector.engine.places import places

CHECKOUTS = table(tables.Checkout)
OUTCOMES = table(tables.Outcome)
RECOVERIES = table(tables.Recovery)
TALLIES = table(tables.Tally)
NUMBERS = timedelta(days=400)  # how long numbers are kept: a year, and some
CONTACTABLE, LEAD, ORDER = "contactable", "lead", "order"
_SCALE = 10_000  # the currencies with the smallest parts have four decimals (ISO 4217)
_KEY = tuple(column.name for column in TALLIES.primary_key)


def units(amount: str | Decimal) -> int:
    """An amount of money in ten-thousandths of its currency, which every database adds exactly."""
    return int((Decimal(amount) * _SCALE).to_integral_value())


def money(found: int) -> Decimal:
    """The amount that `units` was made of."""
    return Decimal(found) / _SCALE


def contactable(db: Database, connection: Connection, client: str, store: str, days: Sequence[date]) -> None:
    """Counts checkouts whose address has just become known, by the day on which each was started (R1)."""
    rows = [_contactable(client, store, day, days.count(day)) for day in sorted(set(days))]
    if rows:
        connection.execute(_adding(db.insert(TALLIES)), rows)


def _contactable(client: str, store: str, day: date, number: int) -> dict[str, Any]:
    blank = {"product_name": "", "stage": "", "arm": "", "steps": 0, "state": "", "last_step": -1, "currency": ""}
    return {"client": client, "store": store, "day": day, "kind": CONTACTABLE, **blank, "number": number, "net": 0}


def fold_leads(db: Database, connection: Connection, *where: ColumnElement[bool]) -> None:
    """Moves outcomes into the tallies."""
    dimensions: dict[str, Any] = {
        **{name: OUTCOMES.c[name] for name in ("client", "day", "store", "product_name", "stage", "arm", "steps")},
        "kind": literal(LEAD),
        "state": OUTCOMES.c.bought,
        "last_step": literal(-1),
        "currency": literal(""),
    }
    _fold(db, connection, OUTCOMES, dimensions, literal(0), *where)


def fold_orders(db: Database, connection: Connection, *where: ColumnElement[bool]) -> None:
    """Moves recoveries into the tallies. What is refunded afterwards is not followed any more."""
    dimensions: dict[str, Any] = {
        **{name: RECOVERIES.c[name] for name in ("client", "day", "product_name", "stage", "arm", "state", "currency")},
        "store": RECOVERIES.c.checkout_store,
        "kind": literal(ORDER),
        "steps": literal(0),
        "last_step": func.coalesce(RECOVERIES.c.last_step, literal_column("-1")),
    }
    _fold(db, connection, RECOVERIES, dimensions, func.sum(RECOVERIES.c.net), *where, RECOVERIES.c.day.is_not(None))


def _fold(
    db: Database,
    connection: Connection,
    source: Table,
    dimensions: dict[str, Any],
    net: ColumnElement[int],
    *where: ColumnElement[bool],
) -> None:
    keys = [dimensions[name].label(name) for name in _KEY]
    grouped: Select[Any] = select(*keys, func.count().label("number"), net.label("net")).where(*where)
    grouped = grouped.group_by(*(key for key in keys if not isinstance(key.element, BindParameter)))
    connection.execute(_adding(db.insert(TALLIES).from_select([*_KEY, "number", "net"], grouped)))
    connection.execute(delete(source).where(*where))


def _adding(insert: Any) -> Any:
    """The insert, with numbers added to those that are there."""
    sums = {name: TALLIES.c[name] + insert.excluded[name] for name in ("number", "net")}
    return insert.on_conflict_do_update(index_elements=_KEY, set_=sums)


def purge(connection: Connection, client: str, now: datetime) -> None:
    """Deletes what is older than any report."""
    connection.execute(delete(TALLIES).where(TALLIES.c.client == client, TALLIES.c.day < (now - NUMBERS).date()))


def fold_shopper(db: Database, connection: Connection, client: str, shopper: str) -> None:
    """Before a shopper is erased: keeps the numbers, and nothing that points to the shopper."""
    mine = select(CHECKOUTS.c.store, CHECKOUTS.c.id).where(CHECKOUTS.c.client == client, CHECKOUTS.c.shopper == shopper)
    checkouts = [(row.store, row.id) for row in connection.execute(mine)]
    for theirs in places(OUTCOMES, "checkout_id", checkouts):
        fold_leads(db, connection, OUTCOMES.c.client == client, theirs)
    fold_orders(db, connection, RECOVERIES.c.client == client, RECOVERIES.c.shopper == shopper)
