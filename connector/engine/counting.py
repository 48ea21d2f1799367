"""R1: asks a store now and then how many checkouts were started."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from connector import registry, tables
from connector.db import table
from connector.engine.context import Client, Context

STORES = table(tables.Store)
EVERY = timedelta(minutes=10)
AGAIN = timedelta(days=2)  # a checkout counts on the day it began, and its address may come later


def read_visits(ctx: Context, client: Client, store: str, adapter: registry.CountsStarts, _: Any) -> None:
    """Stores the days that may have changed, where it is time again. Raises the three errors."""
    here = (STORES.c.client == client.id, STORES.c.id == store)
    with ctx.db.read() as connection:
        read_at = connection.execute(select(STORES.c.visits_read_at).where(*here)).scalar()
    now = ctx.clock()
    if read_at is not None and now - read_at < EVERY:
        return
    since = read_at - AGAIN if read_at else now - client.policy.keep_for
    days = adapter.visits(since.date())
    rows = [
        {"client": client.id, "store": store, "source": one.source, "day": one.day}
        | {"started": one.started, "contactable": one.contactable}
        for one in days
    ]
    with ctx.db.write() as connection:
        ctx.db.upsert(connection, tables.Visits, rows)
        connection.execute(update(STORES).where(*here).values(visits_read_at=now))
