"""What follows when a clock jumps: the machine's own, or a store's against it.

Everything that waits for a time waits for the machine's. When that is set back, nothing may wait until the old time is
reached again: what lies further ahead than it could have been set is due.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, null, or_, select, update

from connector import tables
from connector.db import table
from connector.durations import format_duration
from connector.engine import sequences
from connector.engine.context import Context, log, seconds
from connector.engine.outbox import PENDING

CHECKOUTS = table(tables.Checkout)
COUPONS = table(tables.Coupon)
CRMS = table(tables.Crm)
DELIVERIES = table(tables.Delivery)
STORES = table(tables.Store)
SLACK = timedelta(seconds=5)  # a clock that is kept right moves by less, and nothing waits for longer because of it
NOISE = 1.5  # seconds: `Date` has whole ones, and a request is under way for a while
JUMP = 60.0  # seconds: what was planned by the former difference is looked at again
REMOVAL = timedelta(minutes=10)  # before an unused coupon is looked at


def notice(ctx: Context, seen: datetime | None = None) -> bool:
    """Whether the machine's clock shows less than `seen`, or than the database knows of; it is said, and made good."""
    now = ctx.clock()
    seen = seen or _newest(ctx)
    if seen is None or seen - now <= SLACK:
        return False
    with ctx.db.write() as connection:
        _catch_up(ctx, connection, now)
    log.warning(
        "the clock of this machine was set back by about %s: what waited for the old time is looked at now",
        _about((seen - now).total_seconds()),
    )
    return True


def _about(length: float) -> str:
    unit = next((size for size in (86400, 3600, 60) if length >= 2 * size), 1)
    return format_duration(seconds(round(length / unit) * unit))


def keep_offset(
    connection: Connection, client: str, store: str, known: float, now: datetime, store_now: datetime
) -> float:
    """Keeps by how many seconds the store's clock is ahead of ours, and returns them."""
    measured = (store_now - now).total_seconds()
    if abs(measured - known) <= NOISE:
        return known
    here = (STORES.c.client == client, STORES.c.id == store)
    connection.execute(update(STORES).where(*here).values(clock_offset=measured))
    if abs(measured - known) > JUMP:
        _decide_anew(connection, client, store, now)
    if measured - known > JUMP:
        _doubt_word(connection, *here)
    return measured


def _decide_anew(connection: Connection, client: str, store: str, now: datetime) -> None:
    here = (CHECKOUTS.c.client == client, CHECKOUTS.c.store == store, CHECKOUTS.c.decide_at > now)
    connection.execute(update(CHECKOUTS).where(*here).values(decide_at=now))
    _put_off_no_more(connection, now, DELIVERIES.c.client == client, DELIVERIES.c.store == store)


def _put_off_no_more(connection: Connection, now: datetime, *where: Any) -> None:
    """A delivery that waits for longer than until its time is tried again: it is checked anew at each attempt."""
    waits = (PENDING, DELIVERIES.c.next_at > now, DELIVERIES.c.next_at > DELIVERIES.c.due_at)
    again = case((DELIVERIES.c.due_at > now, DELIVERIES.c.due_at), else_=now)
    connection.execute(update(DELIVERIES).where(*waits, *where).values(next_at=again))


def _doubt_word(connection: Connection, *where: Any) -> None:
    """R4: by which clock the last read of orders began is not known, so only the next one counts."""
    told_itself = STORES.c.orders_through.is_not(None)
    connection.execute(update(STORES).where(*where, ~told_itself).values(orders_read_at=None))


def _newest(ctx: Context) -> datetime | None:
    """The latest time at which anything is known to have happened."""
    with ctx.db.read() as connection:
        known = connection.execute(select(func.max(STORES.c.polled_at), func.max(STORES.c.failing_since))).one()
    return max(filter(None, known), default=None)


def _catch_up(ctx: Context, connection: Connection, now: datetime) -> None:
    anew = {"checkouts_cursor": None, "orders_cursor": None}  # the first read began where the old time had put it
    connection.execute(update(STORES).where(STORES.c.first_poll_at > now).values(**anew))
    for column in (STORES.c.next_poll_at, STORES.c.first_poll_at, STORES.c.polled_at, STORES.c.failing_since,
                   STORES.c.visits_read_at, STORES.c.surge_released_at, STORES.c.orders_read_at,
                   COUPONS.c.asked_at):  # fmt: skip
        connection.execute(update(column.table).where(column > now).values({column: now}))
    for column in (STORES.c.coupons_retry_at, CRMS.c.retry_at):
        connection.execute(update(column.table).where(column > now).values({column: null()}))
    soon = now + REMOVAL
    connection.execute(update(COUPONS).where(COUPONS.c.next_at > soon).values(next_at=soon))
    _doubt_word(connection)
    _put_off_no_more(connection, now)
    _bring_forward(ctx, connection, now)


def _bring_forward(ctx: Context, connection: Connection, now: datetime) -> None:
    """No step is due later than at its distance from now; what was tried already, or is no step, is due at once."""
    no_step = or_(DELIVERIES.c.kind != "enrol", DELIVERIES.c.attempts > 0)
    others = (PENDING, no_step, DELIVERIES.c.due_at > now)
    connection.execute(update(DELIVERIES).where(*others).values(due_at=now, next_at=now))
    for client in ctx.clients.values():
        for step, after in enumerate(sequences.distances(connection, client)):
            theirs = (DELIVERIES.c.client == client.id, DELIVERIES.c.kind == "enrol", DELIVERIES.c.step == step)
            late = (PENDING, DELIVERIES.c.due_at > now + after)
            connection.execute(update(DELIVERIES).where(*theirs, *late).values(due_at=now + after, next_at=now + after))
