"""What the database weighs, and what it may weigh: docs/operations.md tells owners the same rule."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, inspect, select, text
from sqlmodel import SQLModel

from connector.db import Database

MB = 1_000_000
EMPTY = 10 * MB  # PostgreSQL keeps that much of its own in every database
# Bytes for each checkout, with three steps in one CRM: as long as it is kept, and what is left of it for 400 days.
KEPT, LEFT, NUMBERS = 9_000, 700, 400
LOG = 40 * MB  # beside the file, while it works


def bound(per_day: float, days: float, keep_for: timedelta) -> float:
    """The most that the file of such a store may have after so many days, in bytes."""
    kept = min(days, keep_for / timedelta(days=1))
    return EMPTY + per_day * (kept * KEPT + min(days, NUMBERS) * LEFT)


def size(db: Database) -> tuple[int, int]:
    """The bytes of the database, and of its write-ahead log beside it (0 where it has none of its own)."""
    if not db.is_sqlite:
        with db.read() as connection:
            return int(connection.execute(text("select pg_database_size(current_database())")).scalar_one()), 0
    file = Path(str(db.url.database))
    log = Path(f"{file}-wal")
    return file.stat().st_size, log.stat().st_size if log.exists() else 0


def rows(db: Database) -> dict[str, int]:
    """How many rows each table has."""
    with db.read() as connection:
        every = SQLModel.metadata.sorted_tables
        return {each.name: connection.execute(select(func.count()).select_from(each)).scalar_one() for each in every}


def weights(db: Database) -> dict[str, int]:
    """The bytes of each table with its indexes."""
    with db.read() as connection:
        if db.is_sqlite:  # an automatic index is of the table in its name
            index = connection.exec_driver_sql("select name, tbl_name from sqlite_master")
            of = {str(name): str(table) for name, table in index}
            found: Counter[str] = Counter()
            for name, pages in connection.exec_driver_sql("select name, sum(pgsize) from dbstat group by name"):
                found[of.get(name, name)] += pages
            return dict(found)
        size_of = text("select pg_total_relation_size(cast(:name as regclass))")
        names = inspect(connection).get_table_names()
        return {name: connection.execute(size_of, {"name": name}).scalar_one() for name in names}
