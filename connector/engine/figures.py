"""The numbers (docs/report.md says what each one means): summed in the database, per store and whatever is asked for.

A lead counts on the UTC day on which it was made, and all that becomes of it counts there too: its steps, its purchase
and the revenue. So a rate always compares the same shoppers. A purchase without a lead counts on the day on which its
checkout was started, and so does a checkout whose address became known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, func, literal_column, select

from connector import tables
from connector.db import table
from connector.engine.outcomes import steps_in
from connector.engine.tallies import CONTACTABLE, LEAD, ORDER
from connector.proportions import Share
from connector.rules import State

OUTCOMES = table(tables.Outcome)
RECOVERIES = table(tables.Recovery)
TALLIES = table(tables.Tally)
BY = ("store", "step", "product", "week", "stage")
COLUMNS = {"product": "product_name", "week": "day", "stage": "stage"}
HOLDOUT = "holdout"


@dataclass
class StepFigures:
    """One step of the sequence. `revenue` in ten-thousandths, by currency."""

    delivered: int = 0
    recovered: int = 0  # orders that came next after it
    revenue: Counter[str] = field(default_factory=Counter)


@dataclass
class Figures:
    """One line of the report. Leads, but for what says otherwise; `revenue` in ten-thousandths, by currency."""

    contactable: int = 0  # checkouts
    leads: int = 0
    holdout: int = 0
    enrolled: int = 0  # at least one step was delivered
    recovered: int = 0
    self_recovered: int = 0  # orders
    bought_later: int = 0  # orders
    holdout_bought: int = 0
    others_bought: int = 0
    revenue: Counter[str] = field(default_factory=Counter)
    steps: defaultdict[int, StepFigures] = field(default_factory=lambda: defaultdict(StepFigures))

    @property
    def recovery(self) -> Share:
        """Of the leads that got a step, those that were recovered."""
        return Share(self.recovered, self.enrolled)

    @property
    def contacted(self) -> Share:
        """Of the leads outside the hold-out, delivered or not, those whose shopper bought at all."""
        return Share(self.others_bought, self.leads - self.holdout)

    @property
    def left_alone(self) -> Share:
        """The same of the hold-out."""
        return Share(self.holdout_bought, self.holdout)


Lines = dict[tuple[str, Any], Figures]  # by store and key


def figures(connection: Connection, client: str, first: date, by: str) -> Lines:
    """The lines of one client from the UTC day `first` on: one for each store and product, Monday or stage.

    By store or step there is one line a store, with the key "".
    """
    lines: Lines = defaultdict(Figures)
    for row in _leads(connection, client, first, by):
        _add_leads(lines[_key(row, by)], row)
    for row in _orders(connection, client, first, by):
        _add_orders(lines[_key(row, by)], row)
    if by not in ("product", "stage"):
        for row in _contactable(connection, client, first, by):
            lines[_key(row, by)].contactable += row.number
    return lines


def _key(row: Row[Any], by: str) -> tuple[str, Any]:
    """Days become weeks here: no two databases agree on how to ask for a Monday, and there are few days."""
    if by == "week":
        return row.store, row.key - timedelta(days=row.key.weekday())
    return row.store, row.key if by in COLUMNS else ""


def _column(rows: Table, by: str) -> list[ColumnElement[Any]]:
    return [rows.c[COLUMNS[by]].label("key")] if by in COLUMNS else []


def _leads(connection: Connection, client: str, first: date, by: str) -> Iterator[Any]:
    for rows, state, number, where in (
        (OUTCOMES, OUTCOMES.c.bought, func.count(), OUTCOMES.c.client == client),
        (TALLIES, TALLIES.c.state, func.sum(TALLIES.c.number), _of_kind(client, LEAD)),
    ):
        keys = [rows.c.store, *_column(rows, by), rows.c.arm, rows.c.steps, state.label("state")]
        query = select(*keys, number.label("number")).where(where, rows.c.day >= first)
        yield from connection.execute(query.group_by(*keys))


def _orders(connection: Connection, client: str, first: date, by: str) -> Iterator[Any]:
    step = func.coalesce(RECOVERIES.c.last_step, literal_column("-1"))
    for rows, store, last_step, number, where in (
        (RECOVERIES, RECOVERIES.c.checkout_store, step, func.count(), RECOVERIES.c.client == client),
        (TALLIES, TALLIES.c.store, TALLIES.c.last_step, func.sum(TALLIES.c.number), _of_kind(client, ORDER)),
    ):
        keys = [store.label("store"), *_column(rows, by), rows.c.state, rows.c.currency]
        keys.append(last_step.label("last_step"))
        query = select(*keys, number.label("number"), func.sum(rows.c.net).label("net"))
        yield from connection.execute(query.where(where, rows.c.day >= first).group_by(*keys))


def _contactable(connection: Connection, client: str, first: date, by: str) -> Iterator[Any]:
    keys = [TALLIES.c.store, *_column(TALLIES, by)]
    query = select(*keys, func.sum(TALLIES.c.number).label("number"))
    yield from connection.execute(query.where(_of_kind(client, CONTACTABLE), TALLIES.c.day >= first).group_by(*keys))


def _of_kind(client: str, kind: str) -> ColumnElement[bool]:
    return (TALLIES.c.client == client) & (TALLIES.c.kind == kind)


def _add_leads(line: Figures, row: Row[Any]) -> None:
    number, bought = int(row.number), row.state != ""
    line.leads += number
    if row.arm == HOLDOUT:
        line.holdout += number
        line.holdout_bought += number * bought
        return
    line.others_bought += number * bought
    if row.steps:
        line.enrolled += number
        line.recovered += number * (row.state == State.RECOVERED)
    for step in steps_in(row.steps):
        line.steps[step].delivered += number


def _add_orders(line: Figures, row: Row[Any]) -> None:
    number, net = int(row.number), int(row.net)
    line.self_recovered += number * (row.state == State.SELF_RECOVERED)
    line.bought_later += number * (row.state == State.BOUGHT_LATER)
    if row.state != State.RECOVERED:
        return
    step = line.steps[max(0, row.last_step)]
    step.recovered += number
    for revenue in (line.revenue, step.revenue):
        revenue[row.currency] += net
