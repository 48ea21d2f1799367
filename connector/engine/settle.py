"""Writes down what became of a round of deliveries, in one transaction, and queues the steps that follow."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from connector import tables
from connector.db import table
from connector.engine import endings
from connector.engine.context import Client, Context, log
from connector.engine.done import Done
from connector.engine.prepare import Job
from connector.engine.story import tell
from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.model import Outcome, Receipt
from connector.rules import State

DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=6)
LONGEST_ALONE = timedelta(minutes=10)  # where all is well but for this one shopper, who must not miss the moment


def backoff(attempts: int, jitter: Callable[[], float] = random.random) -> timedelta:
    """The pause after so many attempts: from 10 s, doubling, with jitter, at most 6 h."""
    longest: timedelta = min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)
    return longest * (0.5 + jitter() / 2)


def settle(ctx: Context, client: Client, results: Sequence[tuple[Job, Receipt | WinbackError | None]]) -> None:
    """Writes the results down. None means that the delivery was taken back before it was sent."""
    now = ctx.clock()
    with ctx.db.write() as connection:
        leads = _leads(connection, client.id, [job.row.shopper for job, _ in results])
        done = Done(now)
        for job, result in results:
            lead = leads.get(job.row.shopper)
            lead = lead if lead is not None and lead.generation == job.row.generation else None
            if result is None:
                _end(connection, job.row, "cancelled", "R7", "taken back before it was sent", now, attempts=-1)
            elif isinstance(result, Receipt):
                _receipt(connection, client, job, result, lead, done)
            elif isinstance(result, RejectedError):
                _rejected(ctx, connection, client, job, result, lead, now)
            else:
                _again(connection, client, job, result, lead, now)
        done.write(ctx, connection, client)
        endings.leave_no_trace(connection, client.id, {job.row.shopper for job, _ in results})
    if any(isinstance(result, Receipt) and _kept_for_it(job.row) for job, result in results):
        ctx.db.compact()


def _kept_for_it(row: Row[Any]) -> bool:
    """Whether of somebody erased, or deleted by hand, the address was kept only till the CRM had been told."""
    return bool(row.kind == "forget" or (row.kind == "withdraw" and row.reason == "deleted"))


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
    connection: Connection, client: Client, job: Job, receipt: Receipt, lead: Row[Any] | None, done: Done
) -> None:
    row = job.row
    if row.kind == "enrol" and receipt.outcome is Outcome.NO_CONSENT:
        _end(connection, row, State.NO_CONSENT, "R9", receipt.detail, done.now)
        if lead is not None:
            endings.conclude(connection, client, lead, done.now)
        return
    done.add(client, job, receipt)
    if row.kind == "enrol" and lead is not None:
        done.enrolled.append((row, lead))
    elif row.kind == "enrol":
        # the shopper bought while it was on its way: the withdrawal is queued already and comes next
        log.info("%s: a step was delivered while the shopper bought; it is being taken back", row.crm)


def _rejected(
    ctx: Context,
    connection: Connection,
    client: Client,
    job: Job,
    error: RejectedError,
    lead: Row[Any] | None,
    now: datetime,
) -> None:
    row = job.row
    if row.kind in ("enrol", "refresh") and lead is None:  # bought or erased meanwhile: nothing of it is kept
        _end(connection, row, "cancelled", "R7", "refused, and the lead is gone", now)
        return
    values: dict[str, Any] = {"error": str(error), "detail": str(error), "exchange": error.exchange}
    if row.kind == "withdraw":  # R7: it has no deadline, whatever the CRM says
        values |= {"state": "pending", "next_at": now + LONGEST_PAUSE}
    else:
        values |= {"state": "failed", "done_at": now}
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(**values))
    if row.error == str(error):
        return
    if row.kind == "withdraw":
        again = f"Winback tries again every {LONGEST_PAUSE.seconds // 3600} h; `winback deliveries` shows it"
        ctx.alert(f"{client.id}/{row.crm}", f"a shopper was not let go: {str(error).rstrip('.')}. {again}")
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
    if isinstance(error, TransientError) and error.alone:
        wait = min(wait, LONGEST_ALONE)
    state = "cancelled" if lead is None and row.kind in ("enrol", "refresh") else "pending"
    connection.execute(
        update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(state=state, next_at=now + wait, error=str(error))
    )
    if row.kind == "enrol" and lead is not None:
        endings.show(connection, client.id, lead, State.WAITING, "", f"{row.crm}: {error}", now)
