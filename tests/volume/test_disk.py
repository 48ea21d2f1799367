"""The database stays inside what owners are told, and so does its log.

`python bench/disk.py` shows the same over a simulated year of a big store.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, select
from volume.shop import shop
from volume.weight import EMPTY, LOG, bound, rows, size

from connector import tables
from connector.db import LOG_LIMIT, Database, table

DAY = timedelta(days=1)
KEEP = 5  # days: `keep_for` in these tests


def test_the_file_stays_inside_its_bound_and_its_tables_stop_growing(tmp_path: Path, sqlite_url: str) -> None:
    with shop(tmp_path, sqlite_url, 20, keep_for=f"{KEEP}d", renew_after="2d") as made:
        made.go_on(12 * DAY, timedelta(hours=12))
        before = rows(made.db)
        for days in (15, 18):
            made.go_on(3 * DAY, timedelta(hours=12))
            file, log = size(made.db)
            assert file < bound(20, days, made.client.policy.keep_for)
            assert log < LOG
        after = rows(made.db)
        for name in ("checkouts", "orders", "leads", "events", "outcomes"):
            assert after[name] < 1.15 * before[name], name


def test_the_log_is_cut_back_when_a_long_reader_is_done(sqlite_url: str) -> None:
    db = Database(sqlite_url).open()
    with db.read() as reading:
        reading.execute(select(table(tables.Event))).all()
        for _ in range(12):
            _write(db, 4_000)
        assert size(db)[1] > 1.5 * LOG_LIMIT  # a backup, say: what it still reads cannot be overwritten
    _write(db, 1)
    _write(db, 1)
    assert size(db)[1] <= LOG_LIMIT
    db.close()


def _write(db: Database, lines: int) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"client": "a", "shopper": "s", "at": at, "what": "x" * 450, "rule": "", "store": "", "checkout_id": ""}
    with db.write() as connection:
        connection.execute(insert(table(tables.Event)), [row] * lines)


def test_the_owner_is_told_the_same_bound() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    month = math.ceil((bound(1000 / 30, 400, 90 * DAY) - EMPTY) / 1e6)
    year = bound(1_000_000 / 365, 400, 90 * DAY) / 1e9
    assert f"{month} MB for every 1,000 checkouts a month" in text
    assert f"{year:.1f} GB for a million a year" in text
