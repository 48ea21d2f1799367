"""R1: asks a store now and then how many checkouts were started."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from connector import registry, tables
from connector.db import table
from connector.engine.context import Client, Context
from connector.engine.notes import read_notes
from connector.engine.sound import VISITS, sound_visits

STORES = table(tables.Store)
EVERY = timedelta(minutes=10)
AGAIN = timedelta(days=2)  # a checkout counts on the day it began, and its address may come later


def read_visits(ctx: Context, client: Client, store: str, adapter: registry.CountsStarts, polled: Any) -> None:
    """Stores the days that may have changed, where it is time again. Raises the three errors."""
    here = (STORES.c.client == client.id, STORES.c.id == store)
    with ctx.db.read() as connection:
        read_at, notes = connection.execute(select(STORES.c.visits_read_at, STORES.c.notes).where(*here)).one()
    now = ctx.clock()
    if read_at is not None and now - read_at < EVERY:
        polled.findings += [one for one in read_notes(notes) if one.subject == VISITS]  # it holds till the next read
        return
    since = read_at - AGAIN if read_at else now - client.policy.keep_for
    days, findings = sound_visits(adapter.visits(since.date()))
    polled.findings += findings
    rows = [
        {"client": client.id, "store": store, "source": one.source, "day": one.day}
        | {"started": one.started, "contactable": one.contactable}
        for one in days
    ]
    with ctx.db.write() as connection:
        ctx.db.upsert(connection, tables.Visits, rows)
        connection.execute(update(STORES).where(*here).values(visits_read_at=now))
