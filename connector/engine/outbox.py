"""Puts things into the outbox, and takes back what is not needed any more. Emptying it is `deliver`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, literal_column, select, update

from connector import tables
from connector.db import Database, table
from connector.engine.context import Context
from connector.engine.payload import Applied
from connector.model import LeadId
from connector.rules import delivery_key

DELIVERIES = table(tables.Delivery)
OUTSTANDING = ("pending", "sending")
NOT_YET = "waits until {} has worked off what it was sent before"
# Written out, not as a parameter: only so the databases know that ix_deliveries_pending holds all of these.
PENDING = DELIVERIES.c.state == literal_column("'pending'")


def enrolment(lead: dict[str, Any], crm: str, step: int, due_at: datetime) -> dict[str, Any]:
    """The row that delivers one step of a lead to one CRM."""
    key = delivery_key(
        lead["client"], lead["shopper"], lead["store"], lead["checkout_id"], lead["generation"], step, crm
    )
    return _row(lead, crm, "enrol", key, due_at, step=step)


def refresh(ctx: Context, connection: Connection, lead: Row[Any], now: datetime) -> None:
    """R6: queues newer fields for every CRM that has the lead already. One that waits is enough."""
    enrolled = select(DELIVERIES.c.crm).where(
        DELIVERIES.c.client == lead.client,
        DELIVERIES.c.shopper == lead.shopper,
        DELIVERIES.c.generation == lead.generation,
        DELIVERIES.c.kind == "enrol",
        DELIVERIES.c.state.in_(("done", "sending")),
    )
    waiting = select(DELIVERIES.c.crm).where(
        DELIVERIES.c.client == lead.client,
        DELIVERIES.c.shopper == lead.shopper,
        DELIVERIES.c.kind == "refresh",
        DELIVERIES.c.state == "pending",
    )
    crms = set(connection.execute(enrolled).scalars()) - set(connection.execute(waiting).scalars())
    rows = []
    for crm in sorted(crms):
        key = f"refresh:{lead.client}:{lead.shopper}:{crm}:{lead.generation}:{now.timestamp()}"
        rows.append(_row(dict(lead._mapping), crm, "refresh", key, now))
    ctx.db.insert_new(connection, tables.Delivery, rows)


def cancel(connection: Connection, client: str, shopper: str, rule: str, why: str) -> None:
    """Takes back everything for a shopper that has not gone out yet (but no withdrawal), and erases what was shown."""
    connection.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.client == client,
            DELIVERIES.c.shopper == shopper,
            DELIVERIES.c.kind.in_(("enrol", "refresh")),
            DELIVERIES.c.state == "pending",
        )
        .values(state="cancelled", rule=rule, detail=why)
    )
    lead = DELIVERIES.c.kind.in_(("enrol", "refresh"))
    shown = (DELIVERIES.c.client == client, DELIVERIES.c.shopper == shopper, DELIVERIES.c.exchange != "", lead)
    refused = "refused; what the CRM said is erased with the lead"
    connection.execute(update(DELIVERIES).where(*shown).values(exchange="", error="", detail=refused))


def withdraw(
    db: Database, connection: Connection, lead: Row[Any], reason: str, now: datetime, *, order_id: str = ""
) -> None:
    """Queues a withdrawal for every CRM in which an enrolment of this shopper was so much as tried."""
    tried = (
        DELIVERIES.c.client == lead.client,
        DELIVERIES.c.shopper == lead.shopper,
        DELIVERIES.c.kind == "enrol",
        DELIVERIES.c.attempts > 0,
        DELIVERIES.c.withdrawn.is_(False),
    )
    put_on: dict[str, list[str]] = defaultdict(list)
    last: dict[str, datetime] = {}
    for each in connection.execute(select(DELIVERIES).where(*tried)):
        put_on[each.crm].append(Applied.read(each.applied).put_on_for(*_leads_of(each, lead)).write())
        if each.attempted_at is not None and each.state != "failed":  # what was refused is not on its way
            last[each.crm] = max(each.attempted_at, last.get(each.crm, each.attempted_at))
    rows = []
    for crm in sorted(put_on):
        for account, known in Applied.by_account(put_on[crm]).items():
            applied = replace(known, tried_at=last.get(crm))
            key = f"withdraw:{lead.client}:{lead.shopper}:{crm}:{lead.generation}:{reason}:{order_id}:{account}"
            row = _row(dict(lead._mapping), crm, "withdraw", key, now, reason=reason, order_id=order_id, priority=1)
            rows.append({**row, "email": lead.email, "applied": applied.write()})
    connection.execute(update(DELIVERIES).where(*tried).values(withdrawn=True))
    db.insert_new(connection, tables.Delivery, rows)


def _leads_of(row: Row[Any], lead: Row[Any]) -> Iterator[LeadId]:
    """Whose delivery it was. An earlier version named what it made after the checkout that the lead showed (R6)."""
    yield LeadId(row.store, row.checkout_id, row.generation)
    if row.generation == lead.generation and lead.shown_checkout_id != row.checkout_id:
        yield LeadId(row.store, lead.shown_checkout_id, row.generation)


def _row(
    lead: dict[str, Any],
    crm: str,
    kind: str,
    key: str,
    due_at: datetime,
    *,
    step: int = 0,
    reason: str = "",
    order_id: str = "",
    priority: int = 5,
) -> dict[str, Any]:
    return {
        "client": lead["client"],
        "crm": crm,
        "shopper": lead["shopper"],
        "email": None,
        "kind": kind,
        "key": key,
        "step": step,
        "generation": lead["generation"],
        "store": lead["store"],
        "checkout_id": lead["checkout_id"],
        "order_id": order_id,
        "reason": reason,
        "state": "pending",
        "priority": priority,
        "due_at": due_at,
        "next_at": due_at,
        "attempts": 0,
        "rule": "",
        "error": "",
        "detail": "",
        "exchange": "",
        "applied": "",
        "withdrawn": False,
    }


def next_step(connection: Connection, lead: Row[Any]) -> int:
    """The first step of the lead that no CRM may have had yet."""
    query = select(DELIVERIES.c.step, DELIVERIES.c.attempts, DELIVERIES.c.state).where(
        DELIVERIES.c.client == lead.client,
        DELIVERIES.c.shopper == lead.shopper,
        DELIVERIES.c.generation == lead.generation,
        DELIVERIES.c.kind == "enrol",
    )
    rows = connection.execute(query).all()
    had = [row.step for row in rows if row.attempts > 0 and row.state != "failed"]
    return max(had) + 1 if had else min((row.step for row in rows), default=0)


def erase(
    ctx: Context,
    connection: Connection,
    client: str,
    shopper: str,
    email: str,
    crm: str,
    permanently: bool,
    now: datetime,
    at: datetime,
) -> None:
    """Queues the erasure of a contact in one CRM, for `at`. The address is kept until the CRM has acknowledged it."""
    lead = {"client": client, "shopper": shopper, "generation": 0, "store": "", "checkout_id": ""}
    reason = "permanently" if permanently else ""
    row = _row(
        lead, crm, "forget", f"forget:{client}:{shopper}:{crm}:{now.timestamp()}", now, reason=reason, priority=2
    )
    waits = {"next_at": at, "detail": NOT_YET.format(crm)} if at > now else {}
    ctx.db.insert_new(connection, tables.Delivery, [{**row, "email": email, **waits}])
