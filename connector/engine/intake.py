"""Stores one page of checkouts or orders, with everything that follows at once, and the cursor, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from connector import rules, tables
from connector.db import table
from connector.engine import revenue, tallies
from connector.engine.context import Client, Context
from connector.engine.facts import ERASURES, NOBODYS, Suppressions
from connector.engine.followup import follow_page
from connector.engine.payload import write_payload
from connector.engine.purchases import end_bought
from connector.model import Checkout, Order, Page
from connector.rules import BOUGHT, State

CHECKOUTS = table(tables.Checkout)
ORDERS = table(tables.Order)
STORES = table(tables.Store)
LEADS = table(tables.Lead)
SUPPRESSIONS = table(tables.Suppression)
WINDOWS = table(tables.Window)

# Columns that belong to the decisions: a page that is read again never touches them.
DECIDED = (
    "state", "rule", "reason", "arm", "lifted", "carry_step", "carry_sequence", "triggered_at", "delivered_first_at",
    "delivered_last_at", "delivered_step", "bought_by",
)  # fmt: skip


def store_checkouts(
    ctx: Context, client: Client, store: str, page: Page[Checkout], now: datetime, store_now: datetime
) -> int:
    """Stores a page of checkouts; returns how many were new or changed. `now` is our clock, `store_now` the store's."""
    with ctx.db.write() as connection:
        before = known_checkouts(connection, client.id, store, [checkout.id for checkout in page.items])
        changed = put_checkouts(ctx, connection, client, store, page.items, before, now, store_now)
        _move_cursor(connection, client.id, store, {"checkouts_cursor": page.cursor})
    return changed


def put_checkouts(
    ctx: Context,
    connection: Connection,
    client: Client,
    store: str,
    checkouts: Iterable[Checkout],
    before: Mapping[str, Row[Any]],
    now: datetime,
    store_now: datetime,
) -> int:
    """Writes checkouts, the last of each id, and what follows at once; returns how many were new or changed."""
    offset = store_now - now
    latest = {checkout.id: checkout for checkout in checkouts}
    rows = []
    for checkout in latest.values():
        row = _row(ctx, client, store, checkout, before.get(checkout.id), store_now)
        if row:
            due = rules.abandoned_at(row["activity_at"], client.policy) - offset
            row["decide_at"] = _decide_at(row, due, now)
            rows.append(row)
    suppressions = Suppressions.load(ctx, connection, client, [(row["shopper"], row["email"]) for row in rows])
    for row in rows:
        _erase_suppressed(row, suppressions)
        if row["shopper"] and row["email"] is None:  # suppressed before, and the address was cleared since
            row.update(payload=None, digest="", decide_at=None)
    ctx.db.upsert(connection, tables.Checkout, rows, keep=DECIDED)
    for row in rows:
        if row["state"] == State.SUPPRESSED and row["id"] in before:
            _show_suppressed(connection, row)
    tallies.contactable(ctx.db, connection, client.id, store, _newly_contactable(rows, before))
    follow_page(ctx, connection, client, rows, before, now)
    return len(rows)


def _newly_contactable(rows: Sequence[dict[str, Any]], before: Mapping[str, Row[Any]]) -> list[date]:
    """R1: the days of the checkouts whose address was not known before.

    Not those that go on with another one, nor those that a store still lists of somebody who was counted and erased.
    """
    return [
        row["started_at"].date()
        for row in rows
        if row["shopper"] and not row["by_link"]
        if not (row["state"] == State.SUPPRESSED and row["reason"] in ERASURES)
        if row["id"] not in before or not before[row["id"]].shopper
    ]


def known_checkouts(connection: Connection, client: str, store: str, ids: list[str]) -> dict[str, Row[Any]]:
    """The rows that are there, by id."""
    if not ids:
        return {}
    query = select(CHECKOUTS).where(CHECKOUTS.c.client == client, CHECKOUTS.c.store == store, CHECKOUTS.c.id.in_(ids))
    return {row.id: row for row in connection.execute(query)}


def _row(
    ctx: Context, client: Client, store: str, checkout: Checkout, before: Row[Any] | None, store_now: datetime
) -> dict[str, Any] | None:
    """The row to write, or None where nothing changed."""
    payload = write_payload(checkout)
    digest = hashlib.blake2b(payload.encode(), digest_size=12).hexdigest()
    if before is not None and (before.digest == digest or before.state in BOUGHT):
        return None
    if before is None and checkout.activity_at < rules.expired_before(client.policy, store_now):
        return None  # R8: it has left the table, and does not come back because the store still lists it
    shopper, contact = ctx.shopper(client.id, checkout.customer.email)
    if before is not None and not shopper:  # an address that was typed and then cleared is still the shopper's
        shopper, email = before.shopper, before.email
    else:
        email = contact.address if contact else None
    activity_at = rules.activity(
        before.status if before else None,
        before.activity_at if before else None,
        checkout.status,
        checkout.activity_at,
        checkout.modified_at,
    )
    moved = before is None or activity_at > before.activity_at
    best = max(checkout.lines, key=lambda line: line.total.amount, default=None)
    return {
        "client": client.id,
        "store": store,
        "id": checkout.id,
        "shopper": shopper,
        "email": email,
        "payload": payload if shopper else None,  # nobody needs it before there is an address
        "customer_id": checkout.customer.id,
        "order_id": checkout.order_id,
        "token": checkout.tokens[0] if checkout.tokens else "",
        "status": checkout.status,
        "digest": digest,
        "started_at": checkout.started_at,
        "activity_at": activity_at,
        "seen_at": store_now if moved or before is None else before.seen_at,
        "completed_at": checkout.completed_at,
        "emptied": checkout.emptied,
        "consent": checkout.consent.state,
        "consent_source": checkout.consent.source,
        "consent_at": checkout.consent.at,
        "country": checkout.country,
        "total": str(checkout.total.amount),
        "currency": checkout.total.currency,
        "product_name": best.title if best else "",
        "stage": checkout.stage,
        "source": (before.source if before else "") or checkout.source,  # where it was seen first counts (R1)
        "by_link": checkout.by_link,
        "state": State.WAITING,
        "rule": "R2" if shopper else "R1",
        "reason": "the shopper may still be at the checkout" if shopper else "no e-mail address yet",
        "arm": "",
        "lifted": False,
        "carry_step": 0,
        "carry_sequence": "",
        "bought_by": "",
        "updated_at": store_now,
    }


def _show_suppressed(connection: Connection, row: Mapping[str, Any]) -> None:
    """R11, where the checkout was known before its shopper was suppressed."""
    here = (CHECKOUTS.c.client == row["client"], CHECKOUTS.c.store == row["store"], CHECKOUTS.c.id == row["id"])
    values = {name: row[name] for name in ("state", "rule", "reason")}
    connection.execute(update(CHECKOUTS).where(*here, CHECKOUTS.c.state.not_in(BOUGHT)).values(**values))


def _erase_suppressed(row: dict[str, Any], suppressions: Suppressions) -> None:
    """R10: of a shopper who is erased, suppressed or excluded nothing is kept but that the checkout exists."""
    why = suppressions.why(row["shopper"], row["email"]) if row["shopper"] else ""
    if why:
        nothing = {"email": None, "payload": None, "customer_id": "", "token": "", "digest": "", "decide_at": None}
        row.update(nothing, state=State.SUPPRESSED, rule="R10", reason=why)


def _decide_at(row: dict[str, Any], due: datetime, now: datetime) -> datetime | None:
    if row["completed_at"] is not None:
        return now
    if not row["shopper"]:
        return None
    return now if row["emptied"] else due


def store_orders(ctx: Context, client: Client, store: str, page: Page[Order], now: datetime) -> int:
    """Stores a page of orders, ends what they end, and returns how many there were."""
    with ctx.db.write() as connection:
        known = known_orders(connection, client.id, store, [order.id for order in page.items])
        put_orders(ctx, connection, client, store, page.items, known, now)
        _move_cursor(connection, client.id, store, {"orders_cursor": page.cursor})
    return len({order.id for order in page.items})


def put_orders(
    ctx: Context,
    connection: Connection,
    client: Client,
    store: str,
    orders: Iterable[Order],
    known: Mapping[str, Row[Any]],
    now: datetime,
) -> int:
    """Writes orders, the last of each id, and ends what they end; returns how many were new or changed."""
    latest = {order.id: order for order in orders}
    unplaced = _seen_as_checkout(connection, client.id, store, list(latest.values()))
    rows = [
        _order_row(ctx, client.id, store, order, known.get(order.id), order.id in unplaced) for order in latest.values()
    ]
    _erase_orders(connection, client.id, rows)
    changed = [row for row in rows if _differs(row, known.get(row["id"]))]
    ctx.db.upsert(connection, tables.Order, changed)
    revenue.follow(connection, client.id, store, changed)
    end_bought(ctx, connection, client, [row for row in changed if row["purchase"]], now)
    return len(changed)


def _erase_orders(connection: Connection, client: str, rows: Sequence[dict[str, Any]]) -> None:
    """R10: of an order of somebody who was erased, only the keyed hash says whose it is."""
    shoppers = {row["shopper"] for row in rows if row["shopper"]}
    here = (SUPPRESSIONS.c.client == client, SUPPRESSIONS.c.value.in_(shoppers), SUPPRESSIONS.c.why.in_(ERASURES))
    erased = set(connection.execute(select(SUPPRESSIONS.c.value).where(*here)).scalars()) if shoppers else set()
    for row in rows:
        if row["shopper"] in erased:
            row.update(NOBODYS)


def known_orders(connection: Connection, client: str, store: str, ids: list[str]) -> dict[str, Row[Any]]:
    """The rows that are there, by id."""
    if not ids:
        return {}
    query = select(ORDERS).where(ORDERS.c.client == client, ORDERS.c.store == store, ORDERS.c.id.in_(ids))
    return {row.id: row for row in connection.execute(query)}


def _seen_as_checkout(connection: Connection, client: str, store: str, orders: Sequence[Order]) -> set[str]:
    """Ids of orders that were seen as a checkout before: under the same id all the way, or by the checkout's token."""
    by_token = {order.tokens[0]: order.id for order in orders if order.tokens}
    here = (CHECKOUTS.c.client == client, CHECKOUTS.c.store == store)
    same = select(CHECKOUTS.c.id).where(
        *here, CHECKOUTS.c.id.in_([one.id for one in orders]), CHECKOUTS.c.order_id != ""
    )
    found = set(connection.execute(same).scalars()) if orders else set()
    if by_token:
        tokens = select(CHECKOUTS.c.token).where(*here, CHECKOUTS.c.token.in_(by_token))
        found |= {by_token[token] for token in connection.execute(tokens).scalars()}
    return found


def _differs(row: dict[str, Any], known: Row[Any] | None) -> bool:
    return known is None or any(getattr(known, name) != value for name, value in row.items())


def _order_row(
    ctx: Context, client: str, store: str, order: Order, known: Row[Any] | None, was_checkout: bool
) -> dict[str, Any]:
    shopper, _ = ctx.shopper(client, order.customer.email)
    tokens = (*order.tokens, "", "")
    seen_unplaced = was_checkout or (known is not None and not known.purchase)
    placed_at = order.placed_at or (known.placed_at if known else None)
    if placed_at is None and order.purchase:  # R7: the moment it was seen to become one, else its creation
        placed_at = order.modified_at if seen_unplaced else order.created_at
    return {
        "client": client,
        "store": store,
        "id": order.id,
        "shopper": shopper,
        "customer_id": order.customer.id,
        "checkout_id": order.checkout_id,
        "token": tokens[0],
        "cart_token": tokens[1],
        "status": order.status,
        "purchase": order.purchase,
        "origin": order.origin,
        "created_at": order.created_at,
        "modified_at": order.modified_at,
        "placed_at": placed_at,
        "cancelled_at": order.cancelled_at,
        "total": str(order.total.amount),
        "refunded": str(order.refunded),
        "currency": order.total.currency,
    }


def _move_cursor(connection: Connection, client: str, store: str, values: dict[str, Any]) -> None:
    connection.execute(update(STORES).where(STORES.c.client == client, STORES.c.id == store).values(**values))
