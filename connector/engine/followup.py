"""R6: what a checkout's newer activity means for a lead under way: newer fields, or a corrected address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from connector import tables
from connector.db import table
from connector.engine import outbox
from connector.engine.context import Client, Context
from connector.engine.story import tell
from connector.engine.trust import may_show

CHECKOUTS = table(tables.Checkout)
LEADS = table(tables.Lead)
WINDOWS = table(tables.Window)


def follow_page(
    ctx: Context,
    connection: Connection,
    client: Client,
    rows: Sequence[dict[str, Any]],
    before: Mapping[str, Row[Any]],
    now: datetime,
) -> None:
    """R6: what changed activity means for leads under way: newer fields, or a corrected address."""
    shoppers = {row["shopper"] for row in rows} | {before[row["id"]].shopper for row in rows if row["id"] in before}
    leads = _leads(connection, client.id, shoppers - {""})
    if not leads:
        return
    for row in rows:
        old = before.get(row["id"])
        if old is not None and old.shopper and old.shopper != row["shopper"] and old.shopper in leads:
            _supersede(ctx, connection, client, leads[old.shopper], row, now)
        elif row["shopper"] in leads:
            _refresh(ctx, connection, client, leads[row["shopper"]], row, now)


def _leads(connection: Connection, client: str, shoppers: set[str]) -> dict[str, Row[Any]]:
    if not shoppers:
        return {}
    query = (
        select(LEADS, WINDOWS.c.opened_at)
        .join(WINDOWS, (WINDOWS.c.client == LEADS.c.client) & (WINDOWS.c.shopper == LEADS.c.shopper), isouter=True)
        .where(LEADS.c.client == client, LEADS.c.shopper.in_(shoppers))
    )
    return {row.shopper: row for row in connection.execute(query)}


def _refresh(
    ctx: Context, connection: Connection, client: Client, lead: Row[Any], row: dict[str, Any], now: datetime
) -> None:
    revisit = lead.opened_at is not None and row["activity_at"] >= lead.opened_at + client.policy.renew_after
    if not may_show(lead.shown_checkout_id, row["id"]):
        return
    if revisit or row["emptied"] or row["completed_at"] is not None or row["activity_at"] < lead.activity_at:
        return
    connection.execute(
        update(LEADS)
        .where(LEADS.c.id == lead.id)
        .values(shown_store=row["store"], shown_checkout_id=row["id"], activity_at=row["activity_at"])
    )
    if not lead.arm:
        outbox.refresh(ctx, connection, lead, now)
    tell(connection, client.id, lead.shopper, now, "lead updated: newer activity", "R6", row["store"], row["id"])


def _supersede(
    ctx: Context, connection: Connection, client: Client, lead: Row[Any], row: dict[str, Any], now: datetime
) -> None:
    """The shopper corrected the address within one checkout: the old lead goes, its remaining steps move over."""
    if (lead.store, lead.checkout_id) != (row["store"], row["id"]):
        return
    next_step = outbox.next_step(connection, lead)
    outbox.cancel(connection, client.id, lead.shopper, "R6", "the shopper corrected the address")
    outbox.withdraw(ctx.db, connection, lead, "superseded", now)
    connection.execute(delete(LEADS).where(LEADS.c.id == lead.id))
    values: dict[str, Any] = {"carry_step": next_step, "carry_sequence": lead.sequence, "lifted": lead.lifted}
    if next_step == 0:  # nothing may have gone out under any address
        values["triggered_at"] = None
    here = (CHECKOUTS.c.client == client.id, CHECKOUTS.c.store == row["store"], CHECKOUTS.c.id == row["id"])
    connection.execute(update(CHECKOUTS).where(*here).values(**values))
    for shopper in (lead.shopper, row["shopper"]):
        tell(connection, client.id, shopper, now, "address corrected: lead superseded", "R6", row["store"], row["id"])


def follow_activity(ctx: Context, connection: Connection, client: Client, row: Row[Any], now: datetime) -> None:
    """Shows a checkout that was decided only after the lead was made, in the lead (R6)."""
    lead = _leads(connection, client.id, {row.shopper}).get(row.shopper)
    if lead is not None and (lead.shown_store, lead.shown_checkout_id) != (row.store, row.id):
        _refresh(ctx, connection, client, lead, dict(row._mapping), now)
