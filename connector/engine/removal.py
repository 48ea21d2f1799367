"""Takes a shopper out: of the steps that are to come, of the CRMs, and, where they are erased, of every table."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from connector import tables
from connector.db import Database, table
from connector.engine import outbox, tallies
from connector.engine.coupon_removal import forget_coupons
from connector.engine.facts import NOBODYS
from connector.engine.places import places
from connector.rules import BOUGHT, State

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
EVENTS = table(tables.Event)
LEADS = table(tables.Lead)
ORDERS = table(tables.Order)
WINDOWS = table(tables.Window)
AHEAD = timedelta(days=1)  # at most, of a store's clock before ours


def let_go(db: Database, connection: Connection, client: str, shopper: str, reason: str, now: datetime) -> bool:
    """Takes back every step, and has the CRMs let go. Returns whether the shopper was a lead."""
    here = (LEADS.c.client == client, LEADS.c.shopper == shopper)
    lead: Row[Any] | None = connection.execute(select(LEADS).where(*here)).first()
    outbox.cancel(connection, client, shopper, "", reason)
    if lead is not None:
        outbox.withdraw(db, connection, lead, reason, now)
        connection.execute(delete(LEADS).where(*here))
    return lead is not None


def end_checkouts(
    connection: Connection, client: str, shopper: str, state: State, rule: str, reason: str, now: datetime
) -> int:
    """Ends every checkout of a shopper that was not bought; returns how many."""
    open_ones = (CHECKOUTS.c.client == client, CHECKOUTS.c.shopper == shopper, CHECKOUTS.c.state.not_in(BOUGHT))
    values: dict[str, Any] = {"state": state, "rule": rule, "reason": reason, "decide_at": None, "updated_at": now}
    if state is State.SUPPRESSED:  # the address is not kept of those who must never be a lead
        values |= {"email": None, "payload": None}
    return int(connection.execute(update(CHECKOUTS).where(*open_ones).values(**values)).rowcount)


def of_domain(connection: Connection, client: str, domain: str) -> list[str]:
    """The leads with an address there."""
    query = select(LEADS.c.shopper, LEADS.c.email).where(LEADS.c.client == client)
    return [row.shopper for row in connection.execute(query) if row.email.lower().endswith(domain)]


def erase_rows(db: Database, connection: Connection, client: str, shopper: str) -> None:
    """Deletes what is stored of a shopper, but for what a CRM is still to be told, and the numbers of the report.

    Of orders, a day and an amount under the keyed hash stay.
    """
    orders = (ORDERS.c.client == client, ORDERS.c.shopper == shopper)
    connection.execute(update(ORDERS).where(*orders).values(**NOBODYS))
    tallies.fold_shopper(db, connection, client, shopper)
    mine = (WINDOWS.c.client == client, WINDOWS.c.shopper == shopper)
    connection.execute(update(WINDOWS).where(*mine).values(opened_at=None))  # its count stays: no key is used twice
    _unname_carts(connection, client, shopper)
    for rows in (CHECKOUTS, EVENTS, LEADS):
        connection.execute(delete(rows).where(rows.c.client == client, rows.c.shopper == shopper))
    ended = (DELIVERIES.c.client == client, DELIVERIES.c.shopper == shopper)
    connection.execute(delete(DELIVERIES).where(*ended, DELIVERIES.c.state.not_in(outbox.OUTSTANDING)))
    forget_coupons(connection, client, shopper)


def _unname_carts(connection: Connection, client: str, shopper: str) -> None:
    """The same cart may stand under an address that was corrected, and its id can be the link to it."""
    query = select(CHECKOUTS.c.store, CHECKOUTS.c.id, CHECKOUTS.c.started_at)
    carts = connection.execute(query.where(CHECKOUTS.c.client == client, CHECKOUTS.c.shopper == shopper)).all()
    if not carts:
        return
    since = min(cart.started_at for cart in carts) - AHEAD
    ended = DELIVERIES.c.state.not_in(outbox.OUTSTANDING)
    for rows, those in ((EVENTS, (EVENTS.c.at > since,)), (DELIVERIES, (DELIVERIES.c.due_at > since, ended))):
        for theirs in places(rows, "checkout_id", ((cart.store, cart.id) for cart in carts)):
            named = update(rows).where(rows.c.client == client, *those, theirs)
            connection.execute(named.values(store="", checkout_id=""))
