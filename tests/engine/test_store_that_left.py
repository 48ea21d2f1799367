"""A lead of a store that left the configuration waits, and costs the other stores nothing."""

from __future__ import annotations

from pathlib import Path

from clock import Clock
from sqlalchemy import select
from world import world

from connector import tables
from connector.db import table

ANN = "ann@example.com"
STORES = table(tables.Store)


def test_nobody_else_is_asked_at_every_turn(tmp_path: Path, database_url: str, clock: Clock) -> None:
    with world(tmp_path, database_url, clock, sequence=[{"after": "45m"}, {"after": "24h"}]) as acme:
        both = acme.config["stores"]
        acme.shop.abandon(ANN)
        acme.after(hours=1)
        acme.restart(stores=[store for store in both if store["id"] == "woo"])
        acme.after(hours=24)
        with acme.ctx.db.read() as connection:
            next_at = connection.execute(select(STORES.c.next_poll_at).where(STORES.c.id == "woo")).scalar_one()
        assert next_at > clock()
        acme.restart(stores=both)
        acme.after(minutes=1)
        assert acme.effects() == [ANN, ANN]  # it is back in time
