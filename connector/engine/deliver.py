"""Empties the outbox of one CRM: claims what is due, re-checks the rules, acts, and writes down what became of it.

A delivery is marked `sending` before anything is sent. If the process dies then, the next one finds the mark and
tells the adapter that the effect may be there already (`repeated`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from connector import registry, tables
from connector.db import is_out, table
from connector.engine import crm_health
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context, log
from connector.engine.coupons import provide
from connector.engine.crm_health import Result
from connector.engine.outbox import PENDING
from connector.engine.owed import account_of
from connector.engine.payload import Applied
from connector.engine.prepare import Job, prepare_jobs
from connector.engine.settle import settle
from connector.errors import TransientError, WinbackError
from connector.model import Enrolment, Receipt, Withdrawal
from connector.options import CrmOptions

DELIVERIES = table(tables.Delivery)
MARK_SENDING = (  # with what it may put on: the withdrawal must know it also where the answer is lost
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("b_id"))
    .values(
        state="sending",
        attempts=DELIVERIES.c.attempts + 1,
        attempted_at=bindparam("b_now", type_=DELIVERIES.c.attempted_at.type),
        applied=bindparam("b_applied"),
    )
)
CLAIM = 10  # by one worker at once: few enough that a crash leaves few open questions
TOGETHER = 100  # at most, for a CRM that takes many in one request: what is claimed is held in memory
WORKERS = 4  # at most for one CRM account; its own limit on connections may be lower


@dataclass
class Round:
    """What one round of one worker did."""

    claimed: int = 0
    done: int = 0
    failed: int = 0
    error: str = ""
    more: bool = False


@dataclass
class Outbox:
    """Which shoppers are being worked on: never two things at once for one shopper in one CRM."""

    busy: set[tuple[str, str, str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)  # what was not begun is given back


def recover(ctx: Context, outbox: Outbox | None = None) -> int:
    """What nobody is sending any more goes back into the queue. Returns how many there were.

    At start that is whatever a killed process left; with `outbox`, what this one could not write down.
    """
    with outbox.lock if outbox else nullcontext(), ctx.db.write() as connection:
        rows = connection.execute(select(DELIVERIES).where(DELIVERIES.c.state == "sending")).all()
        busy = outbox.busy if outbox else set()
        ids = [row.id for row in rows if (row.client, row.crm, row.shopper) not in busy]
        for some in (ids[start : start + 500] for start in range(0, len(ids), 500)):
            again = {"state": "pending", "next_at": ctx.clock()}
            connection.execute(update(DELIVERIES).where(DELIVERIES.c.id.in_(some)).values(**again))
        return len(ids)


def work(ctx: Context, accounts: Accounts, outbox: Outbox, client: Client, crm_id: str) -> Round:
    """One round for one CRM: claim, act, settle. Never raises for the CRM's trouble."""
    options, now = client.crm(crm_id), ctx.clock()
    account = crm_health.health(ctx, client.id, crm_id)
    if options is None or (account is not None and account.retry_at is not None and account.retry_at > now):
        return Round()
    if not _has_due(ctx, client.id, crm_id, now):
        return _look_again(ctx, accounts, outbox, client, options) if account and account.failures else Round()
    adapter = _open(ctx, accounts, client, options)
    if isinstance(adapter, Round):
        return adapter
    size = max(CLAIM, min(adapter.batch, TOGETHER))
    with outbox.lock:  # two workers of one account must not choose the same shoppers
        jobs, claimed = _claim(ctx, outbox, client, options, size)
    if not jobs:
        return Round(claimed=claimed, more=claimed > 0)
    results: list[Result] = []
    # One by one, where the CRM takes them so: a process that dies must not forget nine answers with the tenth.
    parts = [jobs] if adapter.batch > 1 else [[job] for job in jobs]
    try:
        for begun, part in enumerate(parts):
            if outbox.stopping.is_set():
                _give_back(ctx, [job for rest in parts[begun:] for job in rest])
                break
            done = _act(ctx, adapter, provide(ctx, accounts, client, part))
            settle(ctx, client, done)
            results += done
    finally:
        with outbox.lock:
            outbox.busy -= {(client.id, crm_id, job.row.shopper) for job in jobs}
    return _account_after(ctx, accounts, client.id, crm_id, results, claimed)


def _open(ctx: Context, accounts: Accounts, client: Client, options: CrmOptions) -> registry.Crm | Round:
    """The CRM's adapter, or the round that ends because it cannot be opened."""
    try:
        return accounts.crm(client, options)
    except WinbackError as error:
        trouble = error
    except Exception as error:
        if is_out(error):  # our own database: not the CRM's trouble
            raise
        log.exception("CRM %s: unexpected error while opening it", options.id)
        trouble = TransientError(f"unexpected {type(error).__name__} while opening {options.id}; see the log")
    crm_health.failed(ctx, accounts, client.id, options.id, trouble)
    return Round(error=str(trouble))


def _look_again(ctx: Context, accounts: Accounts, outbox: Outbox, client: Client, options: CrmOptions) -> Round:
    """Asks an account in trouble that nothing is due for: else it would be called ill for as long as nothing is."""
    mark = (client.id, options.id, "")
    with outbox.lock:
        if mark in outbox.busy:
            return Round()
        outbox.busy.add(mark)
    try:
        accounts.close("crm", client.id, options.id)
        opened = _open(ctx, accounts, client, options)
        if isinstance(opened, Round):
            return opened
        crm_health.is_well(ctx, client.id, options.id)
        return Round()
    finally:
        with outbox.lock:
            outbox.busy.discard(mark)


def _has_due(ctx: Context, client: str, crm: str, now: datetime) -> bool:
    with ctx.db.read() as connection:
        return connection.execute(_due(client, crm, now).limit(1)).first() is not None


def _due(client: str, crm: str, now: datetime) -> Any:
    return (
        select(DELIVERIES.c.id, DELIVERIES.c.shopper, DELIVERIES.c.kind)
        .where(
            DELIVERIES.c.client == client,
            DELIVERIES.c.crm == crm,
            PENDING,
            DELIVERIES.c.next_at <= now,
        )
        .order_by(DELIVERIES.c.priority, DELIVERIES.c.next_at, DELIVERIES.c.id)
    )


def _claim(ctx: Context, outbox: Outbox, client: Client, options: CrmOptions, size: int) -> tuple[list[Job], int]:
    """Marks what is due as being sent. Returns the jobs, and how many rows were touched (some end or wait)."""
    now = ctx.clock()
    with ctx.db.write() as connection:
        rows = connection.execute(_due(client.id, options.id, now).limit(size * 3)).all()
        leaving = _leaving(connection, client.id, options.id, rows)
        chosen: dict[str, int] = {}
        for row in rows:
            taken = (client.id, options.id, row.shopper) in outbox.busy or row.shopper in chosen
            if taken or (row.kind in ("enrol", "refresh") and row.shopper in leaving):
                continue
            chosen[row.shopper] = row.id
            if len(chosen) == size:
                break
        jobs = prepare_jobs(ctx, connection, client, options, _rows(connection, chosen.values()), now)
        if jobs:
            begun = [{"b_id": job.row.id, "b_applied": job.applied or job.row.applied, "b_now": now} for job in jobs]
            connection.execute(MARK_SENDING, begun)
    outbox.busy |= {(client.id, options.id, job.row.shopper) for job in jobs}
    return jobs, len(chosen)


def _rows(connection: Connection, ids: Iterable[int]) -> list[Row[Any]]:
    """The deliveries with these ids, in this order."""
    wanted = list(ids)
    found = {row.id: row for row in connection.execute(select(DELIVERIES).where(DELIVERIES.c.id.in_(wanted)))}
    return [found[each] for each in wanted]


def _leaving(connection: Connection, client: str, crm: str, rows: Sequence[Row[Any]]) -> set[str]:
    """Shoppers whose withdrawal is still outstanding: nothing is put on before it is taken off."""
    shoppers = {row.shopper for row in rows}
    query = select(DELIVERIES.c.shopper, DELIVERIES.c.applied).where(
        DELIVERIES.c.client == client,
        DELIVERIES.c.crm == crm,
        DELIVERIES.c.shopper.in_(shoppers),
        DELIVERIES.c.kind.in_(("withdraw", "forget")),
        DELIVERIES.c.state.in_(("pending", "sending")),
        DELIVERIES.c.exchange == "",  # one that was refused may be so for ever: a later lead does not wait for it
    )
    found = connection.execute(query).all() if shoppers else []
    account = account_of(connection, client, crm)
    return {row.shopper for row in found if not Applied.read(row.applied).is_owed_to_another(account)}


def _give_back(ctx: Context, jobs: Sequence[Job]) -> None:
    """Into the queue as if they had never been claimed."""
    with ctx.db.write() as connection:
        connection.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.id.in_([job.row.id for job in jobs]), DELIVERIES.c.state == "sending")
            .values(state="pending", attempts=DELIVERIES.c.attempts - 1)
        )


def _act(ctx: Context, adapter: registry.Crm, jobs: Sequence[Job]) -> list[Result]:
    """Carries out the jobs. A shopper who bought since the claim is left alone."""
    results: list[Result] = []
    together: list[Job] = []
    for job in jobs:
        if job.kind == "enrol" and adapter.batch > 1:
            together.append(job)
        elif _still_wanted(ctx, [job]):
            results.append((job, _one(adapter, job)))
        else:
            results.append((job, None))
    if together:
        wanted = _still_wanted(ctx, together)
        results += [(job, None) for job in together if job.row.id not in wanted]
        batch = [job for job in together if job.row.id in wanted]
        results += zip(batch, _many(adapter, batch), strict=True)
    return results


def _still_wanted(ctx: Context, jobs: Sequence[Job]) -> set[int]:
    """The deliveries that no purchase has taken back since they were claimed."""
    leads = table(tables.Lead)
    same_shopper = (leads.c.client == DELIVERIES.c.client) & (leads.c.shopper == DELIVERIES.c.shopper)
    ids = [job.row.id for job in jobs]
    with ctx.db.read() as connection:
        query = (
            select(DELIVERIES.c.id)
            .join(leads, same_shopper, isouter=True)
            .where(DELIVERIES.c.id.in_(ids))
            .where(DELIVERIES.c.kind.not_in(("enrol", "refresh")) | (leads.c.generation == DELIVERIES.c.generation))
        )
        return set(connection.execute(query).scalars())


def _one(adapter: registry.Crm, job: Job) -> Receipt | WinbackError:
    try:
        what = job.what
        if isinstance(what, Withdrawal):
            adapter.withdraw(what)
            return Receipt(detail="taken out")
        if isinstance(what, Enrolment):
            return adapter.enrol(what) if job.kind == "enrol" else adapter.refresh(what)
        adapter.forget(what.email, permanently=what.permanently)
        return Receipt(detail="erased")
    except WinbackError as error:
        return error
    except Exception as error:
        return _unexpected(error)


def _many(adapter: registry.Crm, jobs: Sequence[Job]) -> Sequence[Receipt | WinbackError]:
    if not jobs:
        return []
    try:
        return adapter.enrol_many([job.what for job in jobs if isinstance(job.what, Enrolment)])
    except WinbackError as error:
        return [error] * len(jobs)
    except Exception as error:
        return [_unexpected(error)] * len(jobs)


def _unexpected(error: Exception) -> TransientError:
    log.exception("unexpected error while delivering")
    return TransientError(f"unexpected {type(error).__name__}; see the log")


def _account_after(
    ctx: Context, accounts: Accounts, client: str, crm: str, results: Sequence[Result], claimed: int
) -> Round:
    for job, result in results:
        outcome = str(result.outcome) if isinstance(result, Receipt) else type(result).__name__
        ctx.numbers.delivered(client, crm, job.kind, outcome)
    errors, waiting = crm_health.troubles(results)
    if trouble := crm_health.judge(ctx, accounts, client, crm, results):
        return Round(error=trouble)
    fine = sum(isinstance(result, Receipt) for _, result in results)
    return Round(claimed, fine, len(results) - fine - waiting, str(errors[0]) if errors else "", more=True)
