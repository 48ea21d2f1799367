"""Fills the tables up: every row once more for other shoppers, so that a table of a million is there in minutes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, case, insert, literal, select
from sqlmodel import SQLModel

from connector import tables
from connector.db import Database, table

# What tells one shopper's rows from another's.
NAMES = frozenset({"shopper", "checkout_id", "shown_checkout_id", "order_id", "customer_id", "token", "key", "code"})
THEIRS: tuple[type[SQLModel], ...] = (
    tables.Checkout, tables.Order, tables.Lead, tables.Window, tables.Delivery, tables.Recovery, tables.Outcome,
    tables.Event, tables.Coupon,
)  # fmt: skip


def copy_rows(db: Database, times: int) -> None:
    """Makes `times` of each row. The tallies, which name nobody, stay as they are."""
    for model in THEIRS:
        rows = table(model)
        for number in range(1, times):
            columns = [column for column in rows.columns if column is not rows.autoincrement_column]
            values = [_other(rows, column, f"{number}.") for column in columns]
            originals = select(*values).where(_is_original(rows))
            with db.write() as connection:
                connection.execute(insert(rows).from_select([column.name for column in columns], originals))


def _other(rows: Table, column: Any, mark: str) -> ColumnElement[Any]:
    is_name = column.name in NAMES or (column.name == "id" and rows.name in ("checkouts", "orders"))
    if not is_name:
        return column  # type: ignore[no-any-return]
    return case((column == "", ""), else_=literal(mark).concat(column)).label(column.name)


def _is_original(rows: Table) -> ColumnElement[bool]:
    name = {"checkouts": "id", "orders": "id", "recoveries": "order_id", "outcomes": "checkout_id", "coupons": "code"}
    column = rows.c[name.get(rows.name, "shopper")]
    return ~column.like("_.%") & ~column.like("__.%")
