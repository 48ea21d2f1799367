"""What is kept of a purchase (R7): one recovery an order, with its amount as refunds and cancellations change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from connector import tables
from connector.db import Database, table
from connector.engine import outcomes
from connector.engine.tallies import units
from connector.model import Origin
from connector.rules import State

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
RECOVERIES = table(tables.Recovery)
STORES = table(tables.Store)
FOLLOWED = timedelta(days=60)  # from the order on
RANK = {State.RECOVERED: 2, State.BOUGHT_LATER: 1, State.SELF_RECOVERED: 0}
UNSEEN = "completed "  # in place of the id of an order that was not read (yet)


def net(total: str, refunded: str, purchase: bool) -> int:
    """What an order is worth now, in ten-thousandths: nothing where it is no purchase any more."""
    return max(0, units(Decimal(total) - Decimal(refunded))) if purchase else 0


def record(
    db: Database,
    connection: Connection,
    client: str,
    row: Row[Any],
    order: Row[Any] | None,
    state: State,
    now: datetime,
) -> None:
    """One recovery an order, however many checkouts and leads it ends: the one that a step brought back wins.

    A checkout that was completed before its order was read has one of unknown amount until then.
    """
    lead = outcomes.lead_of(connection, client, row, state)
    if order is not None:
        connection.execute(delete(RECOVERIES).where(*_here(client, row.store, UNSEEN + row.id)))
        known = connection.execute(select(RECOVERIES).where(*_here(client, order.store, order.id))).first()
        if known is not None and _weight_of(connection, client, known) >= _weight(row, state, lead):
            outcomes.not_bought(connection, client, row.store, row.id)
            return
        if known is not None:
            outcomes.not_bought(connection, client, known.checkout_store, known.checkout_id)
    if lead is not None:
        outcomes.bought(connection, client, lead, state)
    told = _of_order(order) if order is not None else _unseen(row, now)
    recovery = {
        "client": client,
        **told,
        "shopper": row.shopper,
        "state": state,
        "seen_at": now,
        "checkout_store": row.store,
        "checkout_id": row.id,
        "last_step": _last_step(connection, client, row, lead, told["placed_at"], state),
        "last_delivered_at": row.delivered_last_at,
        "arm": row.arm,
        **_cohort(lead, row),
    }
    db.upsert(connection, tables.Recovery, [recovery])


def _weight(row: Row[Any], state: State, lead: Row[Any] | None) -> tuple[Any, ...]:
    """Of several leads the one that a step brought back, then the newest, and any before a checkout that made none."""
    day = lead.day if lead is not None else row.started_at.date()
    return RANK[state], lead is not None, day, row.started_at, row.store, row.id


def _weight_of(connection: Connection, client: str, known: Row[Any]) -> tuple[Any, ...]:
    here = (CHECKOUTS.c.store == known.checkout_store, CHECKOUTS.c.id == known.checkout_id)
    row = connection.execute(select(CHECKOUTS).where(CHECKOUTS.c.client == client, *here)).first()
    if row is None:
        return ()
    state = State(known.state)
    return _weight(row, state, outcomes.lead_of(connection, client, row, state))


def _here(client: str, store: str, order_id: str) -> tuple[ColumnElement[bool], ...]:
    return (RECOVERIES.c.client == client, RECOVERIES.c.store == store, RECOVERIES.c.order_id == order_id)


def _cohort(lead: Row[Any] | None, row: Row[Any]) -> dict[str, Any]:
    """A purchase counts where its lead does; without one, on the day on which the checkout was started."""
    if lead is not None:
        return {"day": lead.day, "product_name": lead.product_name, "stage": lead.stage}
    return {"day": row.started_at.date(), "product_name": row.product_name, "stage": row.stage}


def _of_order(order: Row[Any]) -> dict[str, Any]:
    return {
        "store": order.store,
        "order_id": order.id,
        "origin": order.origin,
        "amount": order.total,
        "currency": order.currency,
        "placed_at": order.placed_at,
        "net": net(order.total, order.refunded, order.purchase),
    }


def _unseen(row: Row[Any], now: datetime) -> dict[str, Any]:
    return {
        "store": row.store,
        "order_id": UNSEEN + row.id,
        "origin": Origin.CHECKOUT,
        "amount": "0",
        "currency": row.currency,
        "placed_at": row.completed_at or now,
        "net": 0,
    }


def _last_step(
    connection: Connection, client: str, row: Row[Any], lead: Row[Any] | None, placed_at: datetime, state: State
) -> int | None:
    """The furthest step of the last lead before the order: one that went out after it did not bring it.

    With several CRMs that is not the last delivery: one that was away gets the steps before it later.
    """
    if state is State.SELF_RECOVERED or row.delivered_step is None:
        return None
    if row.delivered_last_at <= placed_at and lead is not None and lead.steps:
        return max(outcomes.steps_in(lead.steps))
    query = select(DELIVERIES.c.step).where(
        DELIVERIES.c.client == client,
        DELIVERIES.c.shopper == row.shopper,
        DELIVERIES.c.store == row.store,
        DELIVERIES.c.checkout_id == row.id,
        DELIVERIES.c.kind == "enrol",
        DELIVERIES.c.state == "done",
        DELIVERIES.c.done_at <= placed_at - _ahead(connection, client, row.store),
    )
    furthest = query.order_by(DELIVERIES.c.generation.desc(), DELIVERIES.c.step.desc()).limit(1)
    return int(connection.execute(furthest).scalar() or 0)


def _ahead(connection: Connection, client: str, store: str) -> timedelta:
    """How far a store's clock is ahead of ours, on which deliveries are dated."""
    here = (STORES.c.client == client, STORES.c.id == store)
    return timedelta(seconds=connection.execute(select(STORES.c.clock_offset).where(*here)).scalar() or 0.0)


def follow(connection: Connection, client: str, store: str, orders: Sequence[Mapping[str, Any]]) -> None:
    """Brings the amounts of recoveries in line with their orders, for 60 days from the order on."""
    here = (RECOVERIES.c.client == client, RECOVERIES.c.store == store)
    ids = [order["id"] for order in orders]
    query = select(RECOVERIES.c.order_id, RECOVERIES.c.net, RECOVERIES.c.placed_at)
    known = {row.order_id: row for row in connection.execute(query.where(*here, RECOVERIES.c.order_id.in_(ids)))}
    for order in orders:
        row, worth = known.get(order["id"]), net(order["total"], order["refunded"], order["purchase"])
        if row is not None and row.net != worth and order["modified_at"] <= row.placed_at + FOLLOWED:
            connection.execute(update(RECOVERIES).where(*here, RECOVERIES.c.order_id == order["id"]).values(net=worth))
