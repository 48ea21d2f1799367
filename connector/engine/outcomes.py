"""What became of each lead, for the report: written as leads are made, steps delivered and orders placed.

An outcome belongs to a checkout and the day on which it made a lead. Later news of the checkout is about its latest
lead. A lead that goes on under a corrected address is the same one (R6).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, bindparam, delete, func, select, update

from connector import tables
from connector.db import table
from connector.rules import State

OUTCOMES = table(tables.Outcome)
MOST_STEPS = 62  # bits of a big integer


def made(client: str, row: Row[Any], at: datetime, arm: str) -> dict[str, Any]:
    """The outcome of a lead that this checkout makes now; none is bought and no step is delivered yet."""
    return {
        "client": client,
        "store": row.store,
        "checkout_id": row.id,
        "day": at.date(),
        "product_name": row.product_name,
        "stage": row.stage,
        "arm": arm,
        "steps": 0,
        "bought": "",
    }


def bit(step: int) -> int:
    """How a delivered step is noted."""
    return 1 << min(step, MOST_STEPS - 1)


def steps_in(noted: int) -> list[int]:
    """The steps that were noted."""
    return [step for step in range(MOST_STEPS) if noted & bit(step)]


def _latest(*, delivered: bool = False) -> tuple[ColumnElement[bool], ...]:
    """The lead that a checkout made last; of those that got a step, if asked so."""
    here, same = _of(OUTCOMES), OUTCOMES.alias()
    wanted = [same.c.steps != 0] if delivered else []
    newest = select(func.max(same.c.day)).where(*_of(same), *wanted).scalar_subquery()
    return (*here, OUTCOMES.c.day == newest)


def _of(rows: FromClause) -> tuple[ColumnElement[bool], ...]:
    return (
        rows.c.client == bindparam("b_client"),
        rows.c.store == bindparam("b_store"),
        rows.c.checkout_id == bindparam("b_id"),
    )


# Made once: to build a statement costs more than to run it. The first takes many parameters at once.
MARK_STEP = (
    update(OUTCOMES)
    .where(*_latest())
    .values(steps=OUTCOMES.c.steps.bitwise_or(bindparam("b_bit", type_=OUTCOMES.c.steps.type)))
)
MARK_BOUGHT = update(OUTCOMES).where(*_of(OUTCOMES), OUTCOMES.c.day == bindparam("b_day"))
MARK_BOUGHT = MARK_BOUGHT.values(bought=bindparam("b_state"))
UNMARK = update(OUTCOMES).where(*_of(OUTCOMES)).values(bought="")
LATEST = select(OUTCOMES).where(*_latest())
LATEST_DELIVERED = select(OUTCOMES).where(*_latest(delivered=True))


def bought(connection: Connection, client: str, lead: Row[Any], state: str) -> None:
    """A purchase ended this lead, and belongs to it."""
    place = {"b_client": client, "b_store": lead.store, "b_id": lead.checkout_id}
    connection.execute(MARK_BOUGHT, {**place, "b_day": lead.day, "b_state": state})


def not_bought(connection: Connection, client: str, store: str, checkout_id: str) -> None:
    """The purchase that ended this checkout belongs to another lead."""
    connection.execute(UNMARK, {"b_client": client, "b_store": store, "b_id": checkout_id})


def unmade(connection: Connection, client: str, lead: Row[Any]) -> None:
    """No CRM would mail this lead, so it was none (R5)."""
    here = (OUTCOMES.c.client == client, OUTCOMES.c.store == lead.store, OUTCOMES.c.checkout_id == lead.checkout_id)
    connection.execute(delete(OUTCOMES).where(*here, OUTCOMES.c.day == lead.created_at.date(), OUTCOMES.c.steps == 0))


def lead_of(connection: Connection, client: str, row: Row[Any], state: State) -> Row[Any] | None:
    """The outcome that a purchase belongs to among the leads that the checkout of this row made, if it made any.

    That is the latest one that got a step, where a step came before the purchase; else the latest one.
    """
    place = {"b_client": client, "b_store": row.store, "b_id": row.id}
    found = None
    if state is not State.SELF_RECOVERED:
        found = connection.execute(LATEST_DELIVERED, place).first()
    return found or connection.execute(LATEST, place).first()
