"""R5: the earlier leads of a shopper of which a CRM may still have something, when a new one begins there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from connector import tables
from connector.db import table
from connector.model import LeadId

DELIVERIES = table(tables.Delivery)


def former_leads(
    connection: Connection, client: str, crm: str, rows: Sequence[Row[Any]]
) -> dict[str, tuple[LeadId, ...]]:
    """For the shoppers of these deliveries: their leads back to the last one delivered, which ended those before it.

    Also one whose withdrawal went out: it may have been refused.
    """
    now = {row.shopper: row.generation for row in rows if row.kind == "enrol" and row.generation > 1}
    if not now:
        return {}
    query = select(DELIVERIES).where(
        DELIVERIES.c.client == client,
        DELIVERIES.c.crm == crm,
        DELIVERIES.c.shopper.in_(now),
        DELIVERIES.c.kind == "enrol",
        DELIVERIES.c.attempts > 0,
        DELIVERIES.c.checkout_id != "",  # of an erased shopper none is known
    )
    tried: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query.order_by(DELIVERIES.c.generation.desc())):
        if row.generation < now[row.shopper]:
            tried[row.shopper].append(row)
    return {shopper: _back_to_delivered(theirs) for shopper, theirs in tried.items()}


def _back_to_delivered(rows: Sequence[Row[Any]]) -> tuple[LeadId, ...]:
    last = max((row.generation for row in rows if row.state == "done"), default=0)
    return tuple({LeadId(row.store, row.checkout_id, row.generation): None for row in rows if row.generation >= last})
