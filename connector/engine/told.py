"""Stores what a site tells by itself, in one transaction: what is acknowledged is on the disk.

A pushed store is polled in name only: `listen` says whether it has been silent for too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from connector import tables
from connector.db import table
from connector.engine.clocks import keep_offset
from connector.engine.context import Client, Context, seconds
from connector.engine.intake import known_checkouts, known_orders, put_checkouts, put_orders
from connector.engine.payload import read_payload
from connector.errors import TransientError
from connector.model import Checkout, Order, Source
from connector.options import StoreOptions

STORES = table(tables.Store)
VISITS = table(tables.Visits)
YOUNGEST_WORD = timedelta(minutes=10)


@dataclass(frozen=True)
class Told:
    """What became of the records of one request: stored, known already, or older than what is known."""

    stored: int = 0
    known: int = 0
    older: int = 0


class NotReadyError(Exception):
    """The store is new in the configuration, and its row is only being made."""


def word_age(poll_every: timedelta) -> timedelta:
    """R4: how old a store's word on its orders may be when a step runs."""
    return max(YOUNGEST_WORD, 3 * poll_every)


def take_checkouts(ctx: Context, client: Client, store: str, checkouts: Sequence[Checkout], sent_at: datetime) -> Told:
    """Stores what a site's server told of checkouts at `sent_at`, on its own clock."""
    now = ctx.clock()
    with ctx.db.write() as connection:
        _keep_offset(connection, client.id, store, sent_at, now)
        before = known_checkouts(connection, client.id, store, [checkout.id for checkout in checkouts])
        fresh = [one for one in _in_order(checkouts) if not _is_older(one, before.get(one.id))]
        stored = put_checkouts(ctx, connection, client, store, fresh, before, now, sent_at)
        if any(one.completed_at for one in fresh):
            _mark(connection, client.id, store, next_poll_at=now)
    return Told(stored, len(fresh) - stored, len(checkouts) - len(fresh))


def take_orders(
    ctx: Context,
    client: Client,
    store: str,
    orders: Sequence[Order],
    complete_through: datetime | None,
    sent_at: datetime,
) -> Told:
    """Stores orders. `complete_through` (R4's word) says that the site has told every order up to then."""
    now = ctx.clock()
    with ctx.db.write() as connection:
        row = _keep_offset(connection, client.id, store, sent_at, now)
        known = known_orders(connection, client.id, store, [order.id for order in orders])
        fresh = [one for one in _in_order(orders) if not _is_older_order(one, known.get(one.id))]
        stored = put_orders(ctx, connection, client, store, fresh, known, now)
        if complete_through is not None:
            through = max(complete_through, row.orders_through or complete_through)
            _mark(connection, client.id, store, orders_through=through, orders_read_at=now, next_poll_at=now)
    return Told(stored, len(fresh) - stored, len(orders) - len(fresh))


def take_typed(
    ctx: Context,
    client: Client,
    store: str,
    checkout_id: str,
    make: Callable[[Checkout | None, datetime], Checkout | None],
) -> Told:
    """Stores what a browser told of its own checkout: what `make` makes of the earlier one and the store's time."""
    now = ctx.clock()
    with ctx.db.write() as connection:
        store_now = now + seconds(_store(connection, client.id, store).clock_offset)
        before = known_checkouts(connection, client.id, store, [checkout_id])
        earlier = before.get(checkout_id)
        checkout = make(_payload(earlier), store_now)
        if checkout is None:
            return Told(known=1)
        stored = put_checkouts(ctx, connection, client, store, [checkout], before, now, store_now)
        if checkout.completed_at:
            _mark(connection, client.id, store, next_poll_at=now)
        if earlier is None:
            _count(ctx, connection, client.id, store, store_now.date(), contactable=1)
    return Told(stored, 1 - stored)


def count_start(ctx: Context, client: Client, store: str) -> None:
    """R1: one more checkout was started today, by nobody in particular."""
    with ctx.db.write() as connection:
        store_now = ctx.clock() + seconds(_store(connection, client.id, store).clock_offset)
        _count(ctx, connection, client.id, store, store_now.date(), started=1)


def _count(
    ctx: Context, connection: Connection, client: str, store: str, day: date, *, started: int = 0, contactable: int = 0
) -> None:
    key = {"client": client, "store": store, "source": Source.SNIPPET, "day": day}
    here = [VISITS.c[name] == value for name, value in key.items()]
    known = connection.execute(select(VISITS.c.started, VISITS.c.contactable).where(*here)).first() or (0, 0)
    counted = {"started": known[0] + started, "contactable": known[1] + contactable}
    ctx.db.upsert(connection, tables.Visits, [{**key, **counted}])


def listen(ctx: Context, options: StoreOptions, row: Row[Any]) -> None:
    """In place of a poll. Raises TransientError where a site has told no orders for so long that leads must wait."""
    if not options.tells_orders:
        return
    if row.orders_read_at is None:
        raise TransientError(
            f"{options.id} has told no orders yet, so its leads wait (R4); it must post orders with complete_through"
        )
    if ctx.clock() - row.orders_read_at > word_age(options.poll_every):
        since = row.orders_read_at.strftime("%Y-%m-%d %H:%M UTC")
        raise TransientError(f"{options.id} has told no orders since {since}, so its leads wait (R4)")


def _keep_offset(connection: Connection, client: str, store: str, sent_at: datetime, now: datetime) -> Row[Any]:
    row = _store(connection, client, store)
    keep_offset(connection, client, store, row.clock_offset, now, sent_at)
    return row


def _store(connection: Connection, client: str, store: str) -> Row[Any]:
    row = connection.execute(select(STORES).where(STORES.c.client == client, STORES.c.id == store)).first()
    if row is None:
        raise NotReadyError
    return row


def _mark(connection: Connection, client: str, store: str, **values: Any) -> None:
    connection.execute(update(STORES).where(STORES.c.client == client, STORES.c.id == store).values(**values))


def _in_order(records: Sequence[Any]) -> list[Any]:
    """The newest of each id last, because the last one counts."""
    return sorted(records, key=lambda record: record.modified_at)


def _payload(row: Row[Any] | None) -> Checkout | None:
    return read_payload(row.payload) if row is not None and row.payload else None


def _is_older(checkout: Checkout, row: Row[Any] | None) -> bool:
    known = _payload(row)
    return known is not None and checkout.modified_at < known.modified_at


def _is_older_order(order: Order, row: Row[Any] | None) -> bool:
    return row is not None and order.modified_at < row.modified_at
