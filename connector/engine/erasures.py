"""Erasures wait for a CRM that answers before it acts: what it works off afterwards would write the contact anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from connector import registry, tables
from connector.db import table
from connector.engine.outbox import NOT_YET, OUTSTANDING
from connector.engine.payload import Applied
from connector.options import CrmOptions

DELIVERIES = table(tables.Delivery)
PATIENCE = timedelta(days=2)  # with a withdrawal that does not come to an end


def earliest(connection: Connection, client: str, shopper: str, crm: CrmOptions, now: datetime) -> datetime:
    """When the CRM has worked off what it was sent of this shopper so far; `now` where it acts at once."""
    takes_in = registry.habits(crm).takes_in
    if not takes_in:
        return now
    theirs = (DELIVERIES.c.client == client, DELIVERIES.c.shopper == shopper, DELIVERIES.c.crm == crm.id)
    query = select(func.max(DELIVERIES.c.attempted_at)).where(*theirs, DELIVERIES.c.kind != "forget")
    last = connection.execute(query).scalar()
    return max(now, last + takes_in) if last else now


def may_erase(connection: Connection, row: Row[Any], crm: CrmOptions, account: str, now: datetime) -> bool:
    """Whether this erasure goes out now. Else it is written down why not."""
    at = earliest(connection, row.client, row.shopper, crm, now)
    takes_in = registry.habits(crm).takes_in
    if takes_in and now < row.due_at + PATIENCE and _is_being_let_go(connection, row, account):
        at = max(at, now + takes_in)
    if at <= now:
        return True
    values = {"next_at": at, "detail": NOT_YET.format(crm.id), "error": ""}
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(**values))
    return False


def _is_being_let_go(connection: Connection, row: Row[Any], account: str) -> bool:
    query = select(DELIVERIES.c.applied).where(
        DELIVERIES.c.client == row.client,
        DELIVERIES.c.shopper == row.shopper,
        DELIVERIES.c.crm == row.crm,
        DELIVERIES.c.kind == "withdraw",
        DELIVERIES.c.state.in_(OUTSTANDING),
        DELIVERIES.c.exchange == "",  # one that was refused may be so for ever
    )
    return any(not Applied.read(text).is_owed_to_another(account) for text in connection.execute(query).scalars())
