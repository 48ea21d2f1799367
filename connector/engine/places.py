"""Conditions that an index serves.

SQLite looks through all of a client's rows for `(store, id) IN (VALUES …)`, and for an OR of two indexes beside
`client = …`: with 250,000 checkouts that is a second, at every page that is read and every round of deliveries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, Table, and_


def places(rows: Table, column: str, found: Iterable[tuple[str, str]]) -> Iterator[ColumnElement[bool]]:
    """For the rows with these values of a column in these stores: one condition, and so one query, for each store."""
    by_store: dict[str, set[str]] = defaultdict(set)
    for store, value in found:
        by_store[store].add(value)
    for store, values in by_store.items():
        yield and_(rows.c.store == store, rows.c[column].in_(values))
