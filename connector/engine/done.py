"""Deliveries that went well, and the steps that follow them: a whole round is written with a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, func, insert, null, or_, select, update

from connector import tables
from connector.config import Step
from connector.db import table
from connector.engine import outbox, outcomes, sequences
from connector.engine.context import Client, Context, steps_for
from connector.engine.facts import StoreClock, store_clocks
from connector.engine.places import places
from connector.engine.prepare import Job
from connector.engine.routing import wants
from connector.engine.story import EVENTS, line
from connector.model import Receipt
from connector.rules import BOUGHT, State, next_due

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
WHY_OUT = {"bought": "R7", "superseded": "R6", "expired": "R8", "suppressed": "R10"}  # by hand there is no rule

LETS_GO = or_(DELIVERIES.c.kind == "withdraw", DELIVERIES.c.kind == "forget")
# Made once: to build and look up a statement costs more than to run it.
MARK_DONE = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("b_id"))
    .values(
        state="done",
        rule="",
        error="",
        detail=bindparam("b_detail"),
        done_at=bindparam("b_now"),
        email=case((LETS_GO, null()), else_=DELIVERIES.c.email),
        applied=case((LETS_GO, ""), else_=DELIVERIES.c.applied),  # it names other carts of the shopper
    )
)
NOW = bindparam("b_now", type_=CHECKOUTS.c.delivered_last_at.type)
MARK_ENROLLED = (
    update(CHECKOUTS)
    .where(
        CHECKOUTS.c.client == bindparam("b_client"),
        CHECKOUTS.c.store == bindparam("b_store"),
        CHECKOUTS.c.id == bindparam("b_id"),
    )
    .values(
        state=case(
            (or_(*(CHECKOUTS.c.state == state.value for state in sorted(BOUGHT))), CHECKOUTS.c.state),
            else_=State.ENROLLED.value,
        ),
        rule="",
        reason=bindparam("b_reason"),
        delivered_first_at=func.coalesce(CHECKOUTS.c.delivered_first_at, NOW),
        delivered_last_at=NOW,
        delivered_step=bindparam("b_step"),
        updated_at=NOW,
    )
)


@dataclass
class Done:
    """What went well in one round, until it is written. `enrolled` holds deliveries whose lead is still there."""

    now: datetime
    ends: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    enrolled: list[tuple[Row[Any], Row[Any]]] = field(default_factory=list)

    def add(self, client: Client, job: Job, receipt: Receipt) -> None:
        """One delivery that the CRM took."""
        row = job.row
        self.ends.append({"b_id": row.id, "b_detail": receipt.detail, "b_now": self.now})
        words = {"enrol": f"step {row.step + 1} delivered to {row.crm}", "refresh": f"fields updated in {row.crm}"}
        said = words.get(row.kind, f"taken out of {row.crm}" if row.kind == "withdraw" else f"erased in {row.crm}")
        rule = {"refresh": "R6", "withdraw": WHY_OUT.get(row.reason, "")}.get(row.kind, "")
        if row.shopper:
            self.events.append(line(client.id, row.shopper, self.now, said, rule, row.store, row.checkout_id))

    def write(self, ctx: Context, connection: Connection, client: Client) -> None:
        """Writes all of it, and queues the steps that follow."""
        if self.ends:
            connection.execute(MARK_DONE, self.ends)
        if self.events:
            connection.execute(insert(EVENTS), self.events)
        if self.enrolled:
            clocks = store_clocks(connection, client)
            connection.execute(MARK_ENROLLED, [self._mark(client, row, clocks) for row, _ in self.enrolled])
            connection.execute(outcomes.MARK_STEP, [_step(client, row) for row, _ in self.enrolled])
            _end_lift(connection, [lead for _, lead in self.enrolled if lead.lifted])
            ctx.db.insert_new(connection, tables.Delivery, steps_after(connection, client, self.enrolled, self.now))

    def _mark(self, client: Client, row: Row[Any], clocks: Mapping[str, StoreClock]) -> dict[str, Any]:
        clock = clocks.get(row.store)
        return {
            "b_client": client.id,
            "b_store": row.store,
            "b_id": row.checkout_id,
            "b_reason": f"step {row.step + 1} delivered",
            "b_step": row.step,
            "b_now": self.now + clock.offset if clock else self.now,  # it is compared with the store's orders
        }


def _end_lift(connection: Connection, leads: Sequence[Row[Any]]) -> None:
    """R3 is lifted by hand for what was late then, in whatever CRM; not for steps that come later."""
    for lead in leads:
        late = select(DELIVERIES.c.id).where(
            *(DELIVERIES.c.client == lead.client, DELIVERIES.c.shopper == lead.shopper, DELIVERIES.c.kind == "enrol"),
            *(DELIVERIES.c.generation == lead.generation, DELIVERIES.c.state.in_(outbox.OUTSTANDING)),
        )
        if connection.execute(late.limit(1)).first() is None:
            connection.execute(update(LEADS).where(LEADS.c.id == lead.id).values(lifted=False))


def steps_after(
    connection: Connection, client: Client, ended: Sequence[tuple[Row[Any], Row[Any]]], now: datetime
) -> list[dict[str, Any]]:
    """The step that follows each of these deliveries in its CRM, at its configured distance from that one."""
    kept = sequences.load(connection, client, {lead.sequence for _, lead in ended})
    followed = [(row, lead, later) for row, lead in ended if (later := _later(kept[lead.sequence], row))]
    checkouts = _checkouts(connection, client.id, [lead for _, lead, _ in followed])
    rows = []
    for row, lead, later in followed:
        checkout = checkouts.get((lead.store, lead.checkout_id))
        for index, step in later:
            if checkout is None or not wants(step.when, checkout):
                continue
            due = next_due(row.due_at, now, kept[lead.sequence][row.step].after, step.after)
            rows.append(outbox.enrolment(dict(lead._mapping), row.crm, index, due))
            break
    return rows


def _step(client: Client, row: Row[Any]) -> dict[str, Any]:
    place = {"b_client": client.id, "b_store": row.store, "b_id": row.checkout_id}
    return {**place, "b_bit": outcomes.bit(row.step)}


def _later(sequence: sequences.Steps, row: Row[Any]) -> list[tuple[int, Step]]:
    return [(index, step) for index, step in steps_for(sequence, row.crm) if index > row.step]


def _checkouts(connection: Connection, client: str, leads: Sequence[Row[Any]]) -> dict[tuple[str, str], Row[Any]]:
    found = places(CHECKOUTS, "id", ((lead.store, lead.checkout_id) for lead in leads))
    queries = [select(CHECKOUTS).where(CHECKOUTS.c.client == client, where) for where in found]
    return {(row.store, row.id): row for query in queries for row in connection.execute(query)}
