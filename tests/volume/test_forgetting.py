"""R8 for the disk: every table has an age after which it holds nothing of a shopper, and forgetting blocks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from sqlmodel import SQLModel
from volume.shop import Shop, shop
from volume.weight import rows

from connector import tables
from connector.db import table
from connector.engine import view
from connector.engine.coupons import COUPONS
from connector.engine.retention import BATCH, purge

DAY = timedelta(days=1)
KEEP = 5  # days: `keep_for` in these tests
# Days after the last news of a shopper, when no row of it may be left. A lead leaves after `keep_for`; what is told of
# that (its state, a line of its story) stays as long again, and the withdrawal 40 days longer.
AGES = {
    "leads": KEEP,
    "sequences": KEEP,
    "orders": KEEP,
    "checkouts": 2 * KEEP,
    "outcomes": 2 * KEEP,
    "events": 2 * KEEP,
    "deliveries": 2 * KEEP + 40,
    "coupons": 90,
    "hours": 400,
    "visits": 400,
    "windows": 400,
    "recoveries": 400,
    "tallies": 400,
}
# What does not come with shoppers, or must not be forgotten: as many rows as the owner makes of them.
STAY = {
    "settings": "the database's own key, and the first name of a renamed client",
    "stores": "one for each store of the configuration",
    "crms": "one for each CRM of the configuration",
    "suppressions": "R10: never again, until the owner lifts it",
    "templates": "one for each e-mail that was pushed into a CRM",
}


@pytest.fixture
def small(tmp_path: Path, database_url: str) -> Iterator[Shop]:
    """A store with 15 checkouts a day, and a short memory."""
    with shop(tmp_path, database_url, 15, keep_for=f"{KEEP}d", renew_after="2d") as made:
        yield made


def test_every_table_forgets(small: Shop) -> None:
    assert set(AGES) | set(STAY) == set(SQLModel.metadata.tables), "a new table: after what age is a row of it gone?"
    small.go_on(9 * DAY, timedelta(hours=8))
    before = rows(small.db)
    assert not [name for name in AGES if not before[name]], "nothing is tried of these"
    few = {name: before[name] for name in STAY}
    small.world.traffic.stop()
    last = small.world.traffic.last()
    small.go_on(last - small.clock(), 4 * DAY)
    for name, age in sorted(AGES.items(), key=lambda each: each[1]):
        if (until := last + (age + 1) * DAY - small.clock()) > timedelta(0):
            small.go_on(until, until)
            small.go_on(DAY, DAY)
        assert rows(small.db)[name] == 0, f"{name}, {age} days after the last news"
    assert {name: rows(small.db)[name] for name in STAY} == few
    assert not small.errors


def test_a_long_memory_that_is_cut_short_is_forgotten_a_little_at_a_time(database_url: str, tmp_path: Path) -> None:
    with shop(tmp_path, database_url, 1) as made:
        old = made.clock() - 100 * DAY
        line = {"client": "acme", "shopper": "s", "at": old, "what": "", "rule": "", "store": "", "checkout_id": ""}
        with made.db.write() as connection:
            connection.execute(insert(table(tables.Event)), [line] * (2 * BATCH + 10))
        deleted: list[int] = []
        event.listen(made.db.engine, "after_cursor_execute", lambda *said: deleted.append(_deleted(*said)))
        purge(made.ctx, made.client, made.clock())
        assert rows(made.db)["events"] == 0
        assert max(deleted) == BATCH


def _deleted(_: Any, cursor: Any, statement: str, *__: Any) -> int:
    return int(cursor.rowcount) if statement.startswith("DELETE") else 0


def test_coupons_of_a_store_that_never_came_back_are_forgotten(tmp_path: Path, database_url: str) -> None:
    with shop(tmp_path, database_url, 1) as made:
        row = {"client": "acme", "store": "closed", "shopper": "s", "generation": 1, "step": 0, "attempts": 0}
        ages = {"A": 401, "B": 399}
        coupons = [{**row, "code": c, "asked_at": made.clock() - age * DAY, "error": ""} for c, age in ages.items()]
        with made.db.write() as connection:
            connection.execute(insert(COUPONS), [{**coupon, "state": "made"} for coupon in coupons])
        purge(made.ctx, made.client, made.clock())
        with made.db.read() as connection:
            assert connection.execute(select(COUPONS.c.code)).scalars().all() == ["B"]


def test_a_page_of_numbers_counts_what_is_there(small: Shop) -> None:
    small.go_on(2 * DAY, timedelta(hours=8))
    leads, waiting = view.counts(small.ctx)
    assert sum(leads.values()) == len(view.leads(small.ctx, small.client))
    assert set(waiting) <= {("acme", "mail")}
