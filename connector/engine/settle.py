"""Writes down what became of a round of deliveries, in one transaction, and queues the steps that follow."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, select, update

from connector import tables
from connector.db import table
from connector.engine import endings, outbox
from connector.engine.context import Client, Context, log
from connector.engine.prepare import Job
from connector.engine.routing import wants
from connector.engine.story import tell
from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.model import Outcome, Receipt
from connector.rules import BOUGHT, State

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=6)


def backoff(attempts: int, jitter: Callable[[], float] = random.random) -> timedelta:
    """The pause after so many attempts: from 10 s, doubling, with jitter, at most 6 h."""
    longest: timedelta = min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)
    return longest * (0.5 + jitter() / 2)


def settle(ctx: Context, client: Client, results: Sequence[tuple[Job, Receipt | WinbackError | None]]) -> None:
    """Writes the results down. None means that the delivery was taken back before it was sent."""
    now = ctx.clock()
    with ctx.db.write() as connection:
        leads = _leads(connection, client.id, [job.row.shopper for job, _ in results])
        for job, result in results:
            lead = leads.get(job.row.shopper)
            lead = lead if lead is not None and lead.generation == job.row.generation else None
            if result is None:
                _end(connection, job.row, "cancelled", "R7", "taken back before it was sent", now, attempts=-1)
            elif isinstance(result, Receipt):
                _receipt(ctx, connection, client, job, result, lead, now)
            elif isinstance(result, RejectedError):
                _rejected(connection, client, job, result, lead, now)
            else:
                _again(connection, client, job, result, lead, now)


def _leads(connection: Connection, client: str, shoppers: Sequence[str]) -> dict[str, Row[Any]]:
    query = select(LEADS).where(LEADS.c.client == client, LEADS.c.shopper.in_(set(shoppers)))
    return {lead.shopper: lead for lead in connection.execute(query)}


def _end(
    connection: Connection, row: Row[Any], state: str, rule: str, detail: str, now: datetime, *, attempts: int = 0
) -> None:
    connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.id == row.id)
        .values(
            state=state,
            rule=rule,
            detail=detail,
            error="",
            done_at=now,
            attempts=DELIVERIES.c.attempts + attempts,
            email=None if row.kind in ("withdraw", "forget") else DELIVERIES.c.email,
        )
    )


def _receipt(
    ctx: Context,
    connection: Connection,
    client: Client,
    job: Job,
    receipt: Receipt,
    lead: Row[Any] | None,
    now: datetime,
) -> None:
    row = job.row
    if row.kind == "enrol" and receipt.outcome is Outcome.NO_CONSENT:
        _end(connection, row, State.NO_CONSENT, "R9", receipt.detail, now)
        if lead is not None:
            endings.conclude(connection, client, lead, now)
        return
    _end(connection, row, "done", "", receipt.detail, now)
    words = {"enrol": f"step {row.step + 1} delivered to {row.crm}", "refresh": f"fields updated in {row.crm}"}
    said = words.get(row.kind, f"taken out of {row.crm}" if row.kind == "withdraw" else f"erased in {row.crm}")
    rule = {"refresh": "R6", "withdraw": "R7"}.get(row.kind, "")
    tell(connection, client.id, row.shopper, now, said, rule, row.store, row.checkout_id)
    if row.kind == "enrol":
        connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(applied=job.applied))
        if lead is not None:
            _enrolled(connection, client, row, now)
            _next_step(ctx, connection, client, row, lead, now)
        else:
            # the shopper bought while it was on its way: the withdrawal is queued already and comes next
            log.info("%s: a step was delivered while the shopper bought; it is being taken back", row.crm)


def _enrolled(connection: Connection, client: Client, row: Row[Any], now: datetime) -> None:
    connection.execute(
        update(CHECKOUTS)
        .where(CHECKOUTS.c.client == client.id, CHECKOUTS.c.store == row.store, CHECKOUTS.c.id == row.checkout_id)
        .values(
            state=case((CHECKOUTS.c.state.in_(BOUGHT), CHECKOUTS.c.state), else_=State.ENROLLED.value),
            rule="",
            reason=f"step {row.step + 1} delivered",
            delivered_first_at=case(
                (CHECKOUTS.c.delivered_first_at.is_(None), now), else_=CHECKOUTS.c.delivered_first_at
            ),
            delivered_last_at=now,
            delivered_step=row.step,
            updated_at=now,
        )
    )


def _next_step(
    ctx: Context, connection: Connection, client: Client, row: Row[Any], lead: Row[Any], now: datetime
) -> None:
    """Queues the step that follows in this CRM, at its configured distance from the one just delivered."""
    sequence = client.config.sequence
    here = (CHECKOUTS.c.client == client.id, CHECKOUTS.c.store == lead.store, CHECKOUTS.c.id == lead.checkout_id)
    later = [(i, step) for i, step in client.steps_for(row.crm) if i > row.step]
    if not later or row.step >= len(sequence):
        return
    checkout = connection.execute(select(CHECKOUTS).where(*here)).first()
    for index, step in later:
        if checkout is None or not wants(step.when, checkout):
            continue
        due = max(row.due_at, now) + (step.after - sequence[row.step].after)
        ctx.db.insert_new(connection, tables.Delivery, [outbox.enrolment(dict(lead._mapping), row.crm, index, due)])
        return


def _rejected(
    connection: Connection, client: Client, job: Job, error: RejectedError, lead: Row[Any] | None, now: datetime
) -> None:
    row = job.row
    connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.id == row.id)
        .values(state="failed", error=str(error), detail=str(error), done_at=now)
    )
    said = f"{row.crm} refused it: {error}"
    tell(connection, client.id, row.shopper, now, said, "", row.store, row.checkout_id)
    if row.kind == "enrol" and lead is not None:
        endings.conclude(connection, client, lead, now)


def _again(
    connection: Connection,
    client: Client,
    job: Job,
    error: WinbackError,
    lead: Row[Any] | None,
    now: datetime,
) -> None:
    """Back into the queue. An owner's mistake (ConfigError) costs no waiting time once it is mended."""
    row = job.row
    wait = timedelta(0) if isinstance(error, ConfigError) else backoff(row.attempts + 1)
    if isinstance(error, TransientError) and error.retry_after:
        wait = max(wait, timedelta(seconds=error.retry_after))
    state = "cancelled" if lead is None and row.kind in ("enrol", "refresh") else "pending"
    connection.execute(
        update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(state=state, next_at=now + wait, error=str(error))
    )
    if row.kind == "enrol" and lead is not None:
        endings.show(connection, client.id, lead, State.WAITING, "", f"{row.crm}: {error}", now)
