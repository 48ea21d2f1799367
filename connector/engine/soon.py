"""Polls before their time: the store sent a webhook, or somebody changed something by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update

from connector import tables
from connector.db import table
from connector.engine.context import Context

STORES = table(tables.Store)
GAP = timedelta(seconds=5)  # between two polls of a store, however many webhooks come


def ask(ctx: Context, client: str, store: str) -> None:
    """Brings the next poll of a store forward. A store that fails keeps its pause: it may have asked for that."""
    now = ctx.clock()
    here = (STORES.c.client == client, STORES.c.id == store, STORES.c.failures == 0)
    with ctx.db.write() as connection:
        query = select(STORES.c.next_poll_at, STORES.c.polled_at).where(*here)
        row = connection.execute(query.with_for_update()).first()
        if row is None:
            return
        soon = max(now, row.polled_at + GAP) if row.polled_at else now
        if row.next_poll_at is not None and now < row.next_poll_at <= soon:
            return
        # Also where it is due already: a poll may be under way, and tells by this that another must follow.
        connection.execute(update(STORES).where(*here).values(next_poll_at=soon))


def after_poll(row: Row[Any], planned: datetime | None, now: datetime, wait: timedelta) -> datetime:
    """When a store is polled next: after `wait`, or sooner where that was asked for while this poll ran.

    `planned` is when this poll was due, `row` the store as it is now. That the two differ is how asking is noticed.
    """
    if row.next_poll_at == planned:
        return now + wait
    return min(now + wait, max(row.next_poll_at or now, now + GAP))
