"""Deletes the coupons that nobody used: expired, or of a lead that bought without, was taken out, or got no step.

What counts is what the tables say now, so no way in which a lead or a delivery can end needs to know of coupons.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, update

from connector import tables
from connector.coupons import ONE_IN, Coupons
from connector.db import is_out, table
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context, log
from connector.engine.coupons import CONFIG_PAUSE, RULE, STORE_PAUSE
from connector.engine.facts import store_clocks
from connector.engine.live_coupons import coupons_of, maker, on_clock
from connector.engine.settle import backoff
from connector.engine.story import tell
from connector.engine.tallies import NUMBERS
from connector.errors import ConfigError, TransientError, WinbackError

COUPONS = table(tables.Coupon)
DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
# Shops count uses a little late, an order may be on its way at this moment, and so may a request of ours whose answer
# was lost: only then is looked whether the coupon was used.
SETTLED = timedelta(minutes=10)
AT_ONCE = 50


def due_removals(ctx: Context) -> list[tuple[Client, str]]:
    """Marks the coupons that nobody can use any more. Returns the stores in which some are to be deleted now."""
    now = ctx.clock()
    with ctx.db.write() as connection:
        stores = connection.execute(
            select(COUPONS.c.client, COUPONS.c.store)
            .where(COUPONS.c.state.in_(("making", "made", "removing")))
            .distinct()
        ).all()
        here = [(client, store) for id_, store in stores if (client := ctx.clients.get(id_)) and client.store(store)]
        for client, store in here:
            _mark(connection, client, store, now)
        query = select(COUPONS.c.client, COUPONS.c.store).where(*_removable(now)).distinct()
        due = {(row.client, row.store) for row in connection.execute(query)}
    return [(client, store) for client, store in here if (client.id, store) in due and maker(client.store(store))]


def _removable(now: datetime) -> tuple[Any, ...]:
    return COUPONS.c.state == "removing", COUPONS.c.next_at <= now


def _mark(connection: Connection, client: Client, store: str, now: datetime) -> None:
    same = (LEADS.c.client == COUPONS.c.client, LEADS.c.shopper == COUPONS.c.shopper)
    lead = select(LEADS.c.id).where(*same, LEADS.c.generation == COUPONS.c.generation)
    step = select(DELIVERIES.c.id).where(
        DELIVERIES.c.client == COUPONS.c.client,
        DELIVERIES.c.shopper == COUPONS.c.shopper,
        DELIVERIES.c.generation == COUPONS.c.generation,
        DELIVERIES.c.step == COUPONS.c.step,
        DELIVERIES.c.kind == "enrol",
        DELIVERIES.c.state.in_(("pending", "sending", "done")),
    )
    store_now = on_clock(store_clocks(connection, client), store, now)
    nobodys = and_(COUPONS.c.shopper != "", or_(~lead.exists(), ~step.exists()))
    here = (COUPONS.c.client == client.id, COUPONS.c.store == store, COUPONS.c.state.in_(("making", "made")))
    connection.execute(
        update(COUPONS)
        .where(*here, or_(nobodys, COUPONS.c.expires_at <= store_now))
        .values(state="removing", next_at=now + SETTLED, attempts=0, error="")
    )
    forgotten = (COUPONS.c.client == client.id, COUPONS.c.store == store, COUPONS.c.state == "removing")
    connection.execute(update(COUPONS).where(*forgotten, COUPONS.c.next_at.is_(None)).values(next_at=now + SETTLED))


def remove_coupons(ctx: Context, accounts: Accounts, client: Client, store: str) -> str:
    """Deletes what is due in one store. Returns the sentence for the owner where that did not work."""
    options = client.store(store)
    if options is None:
        return ""
    with ctx.db.read() as connection:
        here = (COUPONS.c.client == client.id, COUPONS.c.store == store)
        rows = connection.execute(select(COUPONS).where(*here, *_removable(ctx.clock())).limit(AT_ONCE)).all()
    for row in rows:
        try:
            coupons = coupons_of(accounts.store(client, options))
            with ctx.coupon_locks[client.id, store]:
                _remove(ctx, coupons, row)
        except Exception as error:
            return _later(ctx, accounts, client, row, _trouble(error))
    return ""


def _trouble(error: Exception) -> WinbackError:
    if isinstance(error, WinbackError):
        return error
    if is_out(error):
        raise error
    log.exception("unexpected error while deleting a coupon")
    return TransientError(f"unexpected {type(error).__name__} while deleting a coupon; see the log")


def _remove(ctx: Context, coupons: Coupons, row: Row[Any]) -> None:
    """Looks whether it was used, and deletes it if not. A used one stays: the store's figures need it."""
    here = (COUPONS.c.client == row.client, COUPONS.c.code == row.code, COUPONS.c.state == "removing")
    with ctx.db.read() as connection:
        if connection.execute(select(COUPONS.c.code).where(*here)).first() is None:
            return  # its step was put back into the outbox meanwhile
    found = coupons.find(row.code)
    if found is not None and not found.used:
        coupons.delete(found.id)
    with ctx.db.write() as connection:
        never_made = found is None and row.expires_at is None
        if never_made or not row.shopper:  # it counts for nobody
            connection.execute(delete(COUPONS).where(*here))
            return
        state = "used" if found and found.used else "gone"
        connection.execute(update(COUPONS).where(*here).values(state=state, next_at=None, error=""))
        said = f"coupon {row.code} was used" if state == "used" else f"unused coupon {row.code} deleted in {row.store}"
        tell(connection, row.client, row.shopper, ctx.clock(), said, RULE)


def _later(ctx: Context, accounts: Accounts, client: Client, row: Row[Any], error: WinbackError) -> str:
    now, paused = ctx.clock(), isinstance(error, ConfigError)
    asked = error.retry_after if isinstance(error, TransientError) else None
    wait = CONFIG_PAUSE if paused else max(STORE_PAUSE, timedelta(seconds=asked or 0), backoff(row.attempts + 1))
    text = f"an unused coupon could not be deleted: {error}"
    with ctx.db.write() as connection:
        here = (COUPONS.c.client == row.client, COUPONS.c.store == row.store)
        values = {"next_at": now + wait, "error": str(error), "attempts": COUPONS.c.attempts + 1}
        connection.execute(update(COUPONS).where(*here, *_removable(now)).values(**values))
    if paused:
        accounts.close("store", client.id, row.store)
    if row.error != str(error):
        if paused:
            ctx.alert(f"{client.id}/{row.store}", text)
        else:
            ctx.trouble(f"{client.id}/{row.store}", text, wait)
    return text


def remove_all_coupons(ctx: Context, accounts: Accounts, client: Client) -> str:
    """Deletes every unused coupon of a client, now. Returns the sentence for the owner where some are left."""
    now, said = ctx.clock(), ""
    with ctx.db.write() as connection:
        there = (COUPONS.c.client == client.id, COUPONS.c.state.in_(("making", "made", "removing")))
        connection.execute(update(COUPONS).where(*there).values(state="removing", next_at=now))
    for store in client.config.stores:
        while not said and _count(ctx, client.id, store.id, now):
            said = remove_coupons(ctx, accounts, client, store.id)
    return said


def _count(ctx: Context, client: str, store: str, now: datetime) -> int:
    here = (COUPONS.c.client == client, COUPONS.c.store == store)
    with ctx.db.read() as connection:
        query = select(func.count()).select_from(COUPONS).where(*here, *_removable(now))
        return int(connection.execute(query).scalar_one())


def forget_coupons(connection: Connection, client: str, shopper: str) -> None:
    """Erases who the coupons were for. Those in use are deleted in their stores at the next look."""
    mine = (COUPONS.c.client == client, COUPONS.c.shopper == shopper)
    over = COUPONS.c.state.in_(("used", "gone"))
    connection.execute(delete(COUPONS).where(*mine, over))
    values = {"shopper": "", "state": "removing", "next_at": None}
    connection.execute(update(COUPONS).where(*mine).values(**values))


def uncounted(now: datetime) -> ColumnElement[bool]:
    """Those that are over and count no more; and whatever is left of a store that never came back."""
    over = COUPONS.c.state.in_(("used", "gone"))
    return or_(and_(over, COUPONS.c.asked_at < now - ONE_IN), COUPONS.c.asked_at < now - NUMBERS)
