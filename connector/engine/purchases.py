"""R7: finds the purchases that belong to checkouts, ends those checkouts, and lets the shoppers go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, or_, select, text, update

from connector import tables
from connector.db import table
from connector.engine import revenue
from connector.engine.context import Client, Context
from connector.engine.outbox import cancel, withdraw
from connector.engine.places import places
from connector.engine.story import tell
from connector.engine.trust import from_browser
from connector.model import Origin
from connector.rules import BOUGHT, Decision, Facts, Purchase, State, bought

CHECKOUTS = table(tables.Checkout)
ORDERS = table(tables.Order)
LEADS = table(tables.Lead)
UNFINISHED = or_(CHECKOUTS.c.state.not_in(BOUGHT), CHECKOUTS.c.bought_by == "")
HAS_ORDER = text("order_id != ''")  # as it stands in the index


def purchases_of(
    connection: Connection, client: str, rows: Iterable[Row[Any]]
) -> dict[tuple[str, str], list[Purchase]]:
    """The purchases that match each checkout: by shopper everywhere; by customer, order or token within its store."""
    rows = list(rows)
    found: dict[tuple[str, str], list[Purchase]] = defaultdict(list)
    orders = _candidates(connection, client, rows)
    by_key: dict[tuple[str, ...], list[Row[Any]]] = defaultdict(list)
    for order in orders:
        for key in _order_keys(order):
            by_key[key].append(order)
    for row in rows:
        seen: dict[tuple[str, str], Purchase] = {}
        for key in _checkout_keys(row):
            for order in by_key.get(key, ()):
                same = (
                    key[0] in ("order", "checkout", "token") or seen.get((order.store, order.id), _NEVER).same_checkout
                )
                origin = Origin(order.origin)
                seen[order.store, order.id] = Purchase(order.placed_at, order.id, origin, same, order.store)
        found[row.store, row.id] = list(seen.values())
    _add_ended_elsewhere(connection, client, rows, found)
    return found


_NEVER = Purchase(datetime.min)  # noqa: DTZ901  (a stand-in, never compared)


def _candidates(connection: Connection, client: str, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    wheres: list[ColumnElement[bool]] = []
    if shoppers := {row.shopper for row in rows if row.shopper}:
        wheres.append(ORDERS.c.shopper.in_(shoppers))
    for store, own in _by_store(rows).items():
        ids, checkouts = {row.order_id for row in own if row.order_id}, {row.id for row in own}
        customers = {row.customer_id for row in own if row.customer_id}
        tokens = {row.token for row in own if row.token}
        wheres.append(and_(ORDERS.c.store == store, ORDERS.c.checkout_id.in_(checkouts)))
        if ids:
            wheres.append(and_(ORDERS.c.store == store, ORDERS.c.id.in_(ids)))
        if customers:
            wheres.append(and_(ORDERS.c.store == store, ORDERS.c.customer_id.in_(customers)))
        if tokens:
            wheres.append(and_(ORDERS.c.store == store, ORDERS.c.token.in_(tokens)))
            wheres.append(and_(ORDERS.c.store == store, ORDERS.c.cart_token.in_(tokens)))
    orders: dict[tuple[str, str], Row[Any]] = {}
    for where in wheres:  # one query an index, rather than one OR that no index serves
        query = select(ORDERS).where(ORDERS.c.client == client, ORDERS.c.purchase, where)
        orders.update({(order.store, order.id): order for order in connection.execute(query)})
    return list(orders.values())


def _add_ended_elsewhere(
    connection: Connection, client: str, rows: Sequence[Row[Any]], found: dict[tuple[str, str], list[Purchase]]
) -> None:
    """What the shopper's other checkouts ended with: an order may have another address than its checkout has."""
    ended = _ended(connection, client, {row.shopper for row in rows if row.shopper})
    for row in rows:
        known = found[row.store, row.id]
        orders = {(purchase.store, purchase.order_id) for purchase in known}
        for other, purchase in ended.get(row.shopper, ()):
            if other != (row.store, row.id) and (purchase.store, purchase.order_id) not in orders:
                known.append(purchase)


def _ended(
    connection: Connection, client: str, shoppers: set[str]
) -> dict[str, list[tuple[tuple[str, str], Purchase]]]:
    """For each shopper the checkouts that were completed or bought, each with its purchase."""
    over = or_(CHECKOUTS.c.completed_at.is_not(None), CHECKOUTS.c.bought_by != "")
    columns = (CHECKOUTS.c.store, CHECKOUTS.c.id, CHECKOUTS.c.shopper, CHECKOUTS.c.completed_at, CHECKOUTS.c.bought_by)
    query = select(*columns).where(CHECKOUTS.c.client == client, CHECKOUTS.c.shopper.in_(shoppers), over)
    rows = connection.execute(query).all() if shoppers else []
    orders = _orders(connection, client, {row.bought_by for row in rows if row.bought_by})
    found: dict[str, list[tuple[tuple[str, str], Purchase]]] = defaultdict(list)
    for row in rows:
        order = orders.get(row.bought_by)
        if order is not None:
            purchase = Purchase(order.placed_at, order.id, Origin(order.origin), store=order.store)
            found[row.shopper].append(((row.store, row.id), purchase))
        elif not row.bought_by and not from_browser(row.id):  # its order was not read yet, or the site tells none
            found[row.shopper].append(((row.store, row.id), Purchase(row.completed_at, store=row.store)))
    return found


def _orders(connection: Connection, client: str, names: set[str]) -> dict[str, Row[Any]]:
    """The purchases with these names, "store/id"."""
    pairs = ((store, id_) for store, _, id_ in (name.partition("/") for name in names))
    queries = [
        select(ORDERS).where(ORDERS.c.client == client, ORDERS.c.purchase, w) for w in places(ORDERS, "id", pairs)
    ]
    return {f"{row.store}/{row.id}": row for query in queries for row in connection.execute(query)}


def _by_store(rows: Sequence[Row[Any]]) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.store].append(row)
    return found


def _order_keys(order: Row[Any]) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = [("order", order.store, order.id)]
    if order.shopper:
        keys.append(("shopper", order.shopper))
    if order.customer_id:
        keys.append(("customer", order.store, order.customer_id))
    keys += [("token", order.store, token) for token in (order.token, order.cart_token) if token]
    if order.checkout_id:
        keys.append(("checkout", order.store, order.checkout_id))
    return keys


def _checkout_keys(row: Row[Any]) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = [("checkout", row.store, row.id)]
    if row.order_id:
        keys.append(("order", row.store, row.order_id))
    if row.token:
        keys.append(("token", row.store, row.token))
    if row.shopper:
        keys.append(("shopper", row.shopper))
    if row.customer_id:
        keys.append(("customer", row.store, row.customer_id))
    return keys


def purchase_facts(row: Row[Any], purchases: Sequence[Purchase]) -> Facts:
    """The part of the facts that `rules.bought` looks at."""
    return Facts(
        started_at=row.started_at,
        activity_at=row.activity_at,
        seen_at=row.seen_at,
        shopper=row.shopper,
        completed_at=row.completed_at,
        by_link=row.by_link,
        purchases=tuple(purchases),
        delivered_first_at=row.delivered_first_at,
        delivered_last_at=row.delivered_last_at,
    )


def end_bought(
    ctx: Context, connection: Connection, client: Client, orders: Sequence[dict[str, Any]], now: datetime
) -> None:
    """Ends every checkout that these purchases end. Called in the transaction that stores the orders."""
    if not orders:
        return
    closed = _close_bought(ctx, connection, client, _open_checkouts(connection, client.id, orders), now)
    end_others(ctx, connection, client, closed, now)


def end_others(ctx: Context, connection: Connection, client: Client, shoppers: set[str], now: datetime) -> None:
    """Ends what else these shoppers had begun before they bought."""
    if not shoppers:
        return
    query = select(CHECKOUTS).where(CHECKOUTS.c.client == client.id, CHECKOUTS.c.shopper.in_(shoppers), UNFINISHED)
    _close_bought(ctx, connection, client, connection.execute(query).all(), now)


def _close_bought(
    ctx: Context, connection: Connection, client: Client, rows: Sequence[Row[Any]], now: datetime
) -> set[str]:
    """Closes those that a purchase ends; returns whose they were."""
    matched = purchases_of(connection, client.id, rows)
    shoppers = set()
    for row in rows:
        purchases = matched[row.store, row.id]
        decision = bought(purchase_facts(row, purchases), client.policy)
        if decision and not (row.state in BOUGHT and not any(purchase.order_id for purchase in purchases)):
            close(ctx, connection, client, row, decision, purchases, now)
            shoppers.add(row.shopper)
    return shoppers - {""}


def _open_checkouts(connection: Connection, client: str, orders: Sequence[dict[str, Any]]) -> Sequence[Row[Any]]:
    shoppers = {order["shopper"] for order in orders if order["shopper"]}
    customers = {(order["store"], order["customer_id"]) for order in orders if order["customer_id"]}
    tokens = {(o["store"], token) for o in orders for token in (o["token"], o["cart_token"]) if token}
    ids = {(order["store"], id_) for order in orders for id_ in (order["id"], order["checkout_id"]) if id_}
    wheres: list[ColumnElement[bool]] = [CHECKOUTS.c.shopper.in_(shoppers)] if shoppers else []
    for column, pairs in (("customer_id", customers), ("token", tokens), ("id", ids)):
        wheres += places(CHECKOUTS, column, pairs)
    wheres += [and_(HAS_ORDER, where) for where in places(CHECKOUTS, "order_id", ids)]
    rows: dict[tuple[str, str], Row[Any]] = {}
    for where in wheres:
        query = select(CHECKOUTS).where(CHECKOUTS.c.client == client, UNFINISHED, where)
        rows.update({(row.store, row.id): row for row in connection.execute(query)})
    return list(rows.values())


def close(
    ctx: Context,
    connection: Connection,
    client: Client,
    row: Row[Any],
    decision: Decision,
    purchases: Sequence[Purchase],
    now: datetime,
) -> None:
    """Ends one checkout as bought: erases the address, records the recovery, lets the shopper go everywhere."""
    order = _order_of(connection, client.id, row, purchases)
    again = row.state in BOUGHT  # completed earlier, and now its order is known
    state = State(row.state) if again else decision.state
    connection.execute(
        update(CHECKOUTS)
        .where(CHECKOUTS.c.client == client.id, CHECKOUTS.c.store == row.store, CHECKOUTS.c.id == row.id)
        .values(
            state=state,
            rule=decision.rule,
            reason=decision.reason,
            email=None,
            payload=None,
            decide_at=None,
            bought_by=f"{order.store}/{order.id}" if order else "",
            updated_at=now,
        )
    )
    told = not row.by_link  # the checkout that it goes on with tells of the purchase, and has the revenue
    if told and not again:
        tell(connection, client.id, row.shopper, now, f"{state}: {decision.reason}", "R7", row.store, row.id)
    if told:
        revenue.record(ctx.db, connection, client.id, row, order, state, now)
    if not again:
        _release_leads(ctx, connection, client, row, order, now)


def _leads_of(connection: Connection, client: str, row: Row[Any]) -> list[Row[Any]]:
    """Those that a checkout made, or that show it now."""
    made = (LEADS.c.store == row.store, LEADS.c.checkout_id == row.id)
    shown = (LEADS.c.shown_store == row.store, LEADS.c.shown_checkout_id == row.id)
    queries = [select(LEADS).where(LEADS.c.client == client, *where) for where in (made, shown)]
    return list({lead.id: lead for query in queries for lead in connection.execute(query)}.values())


def _order_of(connection: Connection, client: str, row: Row[Any], purchases: Sequence[Purchase]) -> Row[Any] | None:
    ends = [p for p in purchases if p.order_id and (p.same_checkout or p.placed_at >= row.started_at)]
    if not ends:
        return None
    first = min(ends, key=lambda p: (not p.same_checkout, p.placed_at))
    here = (ORDERS.c.client == client, ORDERS.c.store == first.store, ORDERS.c.id == first.order_id, ORDERS.c.purchase)
    return connection.execute(select(ORDERS).where(*here)).first()


def _release_leads(
    ctx: Context, connection: Connection, client: Client, row: Row[Any], order: Row[Any] | None, now: datetime
) -> None:
    for lead in _leads_of(connection, client.id, row):
        cancel(connection, client.id, lead.shopper, "R7", "the shopper bought")
        withdraw(ctx.db, connection, lead, "bought", now, order_id=f"{order.store}/{order.id}" if order else "")
        connection.execute(delete(LEADS).where(LEADS.c.id == lead.id))
