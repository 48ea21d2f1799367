"""One pass: read every store, decide, deliver everything due. What `winback sync` does, and the tests' engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select

from connector import registry, tables
from connector.db import table
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.coupon_removal import due_removals, remove_coupons
from connector.engine.decide import decide_client
from connector.engine.deliver import WORKERS, Outbox, Round, work
from connector.engine.outbox import PENDING
from connector.engine.poll import Polled, poll_store
from connector.engine.retention import keep_times

DELIVERIES = table(tables.Delivery)
CRMS = table(tables.Crm)
PATIENCE = timedelta(seconds=60)  # what is due again within so short a time is waited for


@dataclass
class Report:
    """What a pass did. `errors` names each store and CRM that failed."""

    polled: dict[str, Polled] = field(default_factory=dict)
    leads: int = 0  # made by it
    delivered: int = 0
    refused: int = 0
    errors: dict[str, str] = field(default_factory=dict)


def sync(
    ctx: Context,
    accounts: Accounts,
    *,
    deliver: bool = True,
    sleep: Callable[[float], object] | None = time.sleep,
    stopping: threading.Event | None = None,
) -> Report:
    """One pass over every client. `sleep` None does not wait for a CRM that asks for a moment.

    Once `stopping` is set nothing more is begun, and the report tells of a part.
    """
    report, stopping = Report(), stopping or threading.Event()

    def poll(of: tuple[Client, str]) -> Polled:
        return Polled(of[1]) if stopping.is_set() else poll_store(ctx, accounts, *of)

    stores = [(client, store.id) for client in ctx.clients.values() for store in client.config.stores]
    with ThreadPoolExecutor(min(16, len(stores) or 1), "poll") as pool:
        for (client, store), polled in zip(stores, pool.map(poll, stores), strict=True):
            report.polled[f"{client.id}/{store}"] = polled
            if polled.error:
                report.errors[f"{client.id}/{store}"] = polled.error
    for client in ctx.clients.values():  # when all have spoken: the shopper may have bought in a sister store
        if stopping.is_set():
            return report
        report.leads += decide_client(ctx, client, ctx.clock())
    keep_times(ctx, ctx.clock())
    if deliver:
        crms = [(client, crm.id) for client in ctx.clients.values() for crm in client.config.crms]
        with ThreadPoolExecutor(min(16, len(crms) or 1), "crm") as pool:
            list(pool.map(lambda it: drain(ctx, accounts, it[0], it[1], report, sleep, stopping), crms))
        for client, store in [] if stopping.is_set() else due_removals(ctx):
            if said := remove_coupons(ctx, accounts, client, store):
                report.errors[f"{client.id}/{store}"] = said
        report.errors.update(_without_coupons(ctx))
    return report


def _without_coupons(ctx: Context) -> dict[str, str]:
    """The stores that make no coupons now, though a step promises one."""
    rows = table(tables.Store)
    with ctx.db.read() as connection:
        query = select(rows).where(rows.c.gone.is_(False), rows.c.coupons_retry_at > ctx.clock())
        return {f"{row.client}/{row.id}": row.coupons_error for row in connection.execute(query)}


def drain(
    ctx: Context,
    accounts: Accounts,
    client: Client,
    crm: str,
    report: Report,
    sleep: Callable[[float], object] | None,
    stopping: threading.Event | None = None,
) -> None:
    """Delivers everything that is due in one CRM, and adds it to the report."""
    options = client.crm(crm)
    if options is None:
        return
    adapter = registry.CRMS[options.adapter]
    workers = min(WORKERS, adapter.rate.connections) if adapter.batch == 1 else 1
    stopping = stopping or threading.Event()
    outbox = Outbox(stopping=stopping)
    last = Round()

    def rounds(_: int) -> Round:
        total = Round()
        while True:
            done = work(ctx, accounts, outbox, client, crm)
            total.done += done.done
            total.failed += done.failed
            total.error = done.error or total.error
            if not done.more or stopping.is_set():
                return total

    while not stopping.is_set():
        with ThreadPoolExecutor(workers, crm) as pool:
            for last in pool.map(rounds, range(workers)):
                report.delivered += last.done
                report.refused += last.failed
                if last.error:
                    report.errors[f"{client.id}/{crm}"] = last.error
        wait = _soon(ctx, client.id, crm)
        if sleep is None or wait is None:
            return
        sleep(wait)
        report.errors.pop(f"{client.id}/{crm}", None)


def _soon(ctx: Context, client: str, crm: str) -> float | None:
    """Seconds until a retry that is worth waiting for, or None."""
    now = ctx.clock()
    with ctx.db.read() as connection:
        account = connection.execute(select(CRMS).where(CRMS.c.client == client, CRMS.c.id == crm)).first()
        if account is None or account.paused:
            return None
        next_at = connection.execute(
            select(func.min(DELIVERIES.c.next_at)).where(
                DELIVERIES.c.client == client,
                DELIVERIES.c.crm == crm,
                PENDING,
                DELIVERIES.c.attempts.between(1, 3),
            )
        ).scalar()
    if next_at is None:
        return None
    at = max(next_at, account.retry_at or next_at)
    return max((at - now).total_seconds(), 0.05) if at - now <= PATIENCE else None
