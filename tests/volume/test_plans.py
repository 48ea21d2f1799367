"""What runs often reads no whole table, and holds none in memory: a store with 250,000 checkouts is served as well."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from pathlib import Path

from volume.copies import copy_rows
from volume.looks import looks
from volume.plans import long_looks, plans
from volume.shop import shop
from volume.weight import rows

DAY = timedelta(days=1)
BIG = frozenset(
    {"checkouts", "orders", "leads", "windows", "deliveries", "recoveries", "outcomes", "events", "suppressions"}
)
SELDOM = ("report", "leads list", "deliveries list")  # commands that print or add up everything
# Each of these looks through an index that holds a few rows, or nothing but what it counts.
FINE = (
    "ix_deliveries_pending",
    "COVERING INDEX ix_checkouts_state",
    "DELETE FROM sequences",  # stops at the first lead that has it
)
MOST = 3  # MB


def test_no_pass_and_no_page_looks_through_a_table(tmp_path: Path, sqlite_url: str) -> None:
    with shop(tmp_path, sqlite_url, 150) as made:
        made.go_on(3 * DAY, timedelta(hours=12))
        with plans(made.db) as found:
            made.go_on(DAY, timedelta(hours=6))
            for name, do in looks(made):
                if not name.startswith(SELDOM):
                    do()
        assert len(found) > 150
        long = [f"{line}: {said}" for line, said in long_looks(found, BIG)]
        assert [each for each in long if not any(fine in each for fine in FINE)] == []


def test_memory_does_not_grow_with_the_tables(tmp_path: Path, sqlite_url: str) -> None:
    with shop(tmp_path, sqlite_url, 100) as made:
        made.go_on(4 * DAY, timedelta(hours=12))
        made.go_on(timedelta(minutes=1), timedelta(minutes=1))
        copy_rows(made.db, 20)
        assert rows(made.db)["checkouts"] > 7_000
        tracemalloc.start()
        try:
            for name, do in looks(made):
                if not name.startswith((*SELDOM, "a pass with a day")):
                    tracemalloc.reset_peak()
                    before = tracemalloc.get_traced_memory()[0]
                    do()
                    assert tracemalloc.get_traced_memory()[1] - before < MOST * 1e6, name
        finally:
            tracemalloc.stop()
