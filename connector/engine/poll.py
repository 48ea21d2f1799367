"""One poll of one store: checkouts first, then orders (R4: that read starts after them).

A store that tells by itself is not asked: its poll says whether it has been silent for too long.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update

from connector import registry, tables
from connector.db import is_out, table
from connector.engine.accounts import Accounts
from connector.engine.clocks import JUMP, NOISE, keep_offset
from connector.engine.consents import read_consents
from connector.engine.context import Client, Context, log
from connector.engine.counting import read_visits
from connector.engine.intake import store_checkouts, store_orders
from connector.engine.notes import note
from connector.engine.soon import after_poll
from connector.engine.sound import sound
from connector.engine.told import listen
from connector.errors import ConfigError, TransientError, WinbackError
from connector.model import Finding, Page

STORES = table(tables.Store)
Read = Callable[[Context, Client, str, Any, "Polled"], None]
LONGEST_PAUSE = timedelta(minutes=15)
DECIDE_EVERY = timedelta(minutes=1)


@dataclass
class Polled:
    """What a poll brought. `error` is the sentence for the owner where it did not work."""

    store: str
    checkouts: int = 0
    orders: int = 0
    error: str = ""
    findings: list[Finding] = field(default_factory=list)


def poll_store(ctx: Context, accounts: Accounts, client: Client, store_id: str) -> Polled:
    """Reads what changed in a store, and stores it. Never raises for the store's trouble."""
    options = client.store(store_id)
    if options is None:
        return Polled(store_id, error="not in the configuration")
    polled = Polled(store_id)
    planned = _store_row(ctx, client.id, store_id).next_poll_at
    errors: list[WinbackError] = []
    try:
        adapter = accounts.store(client, options)
    except Exception as error:
        errors.append(_trouble(store_id, error))
        ctx.numbers.poll_failed(client.id, store_id, "check", errors[-1])
    else:
        for what, read in _reads(adapter):
            try:
                read(ctx, client, store_id, adapter, polled)
                ctx.numbers.polled(client.id, store_id, what, ctx.clock().timestamp())
            except Exception as error:
                errors.append(_trouble(store_id, error))
                ctx.numbers.poll_failed(client.id, store_id, what, errors[-1])
    note(ctx, client, store_id, polled.findings, finished=not errors)
    polled.error = "; ".join(dict.fromkeys(str(error) for error in errors))
    every = min(options.poll_every, DECIDE_EVERY) if options.pushed else options.poll_every
    _finish(ctx, client, store_id, errors, every, planned)
    if any(isinstance(error, ConfigError) for error in errors):
        accounts.close("store", client.id, store_id)
    return polled


def _reads(adapter: registry.Platform) -> Iterator[tuple[str, Read]]:
    if registry.Cap.PUSHED in adapter.capabilities:
        yield "orders", _listen
        return
    yield "checkouts", _read_checkouts
    yield "orders", _read_orders
    if isinstance(adapter, registry.CountsStarts):
        yield "visits", read_visits


def _trouble(store_id: str, error: Exception) -> WinbackError:
    """The store's trouble as one of the three errors. That of our own database is not the store's: it is raised."""
    if isinstance(error, WinbackError):
        return error
    if is_out(error):
        raise error
    log.exception("store %s: unexpected error while polling", store_id)
    return TransientError(f"unexpected {type(error).__name__} while reading {store_id}; see the log")


def _read_checkouts(ctx: Context, client: Client, store: str, adapter: registry.Readable, polled: Polled) -> None:
    row = _store_row(ctx, client.id, store)
    pages = adapter.checkouts(row.checkouts_cursor, _since(client, row, ctx.clock()))
    for page, now, store_now in _dated(ctx, client, store, pages, row):
        polled.checkouts += store_checkouts(ctx, client, store, page, now, store_now)
        polled.findings += page.findings


def _read_orders(ctx: Context, client: Client, store: str, adapter: registry.Readable, polled: Polled) -> None:
    row = _store_row(ctx, client.id, store)
    started = ctx.clock()
    pages = adapter.orders(row.orders_cursor, _since(client, row, started))
    for page, now, _ in _dated(ctx, client, store, pages, row):
        polled.orders += store_orders(ctx, client, store, page, now)
        polled.findings += page.findings
    if isinstance(adapter, registry.TellsConsent):  # before R4's word: no step goes out that has not waited for both
        read_consents(ctx, client, store, adapter)
    if ctx.clock() >= started:  # else the clock was set back meanwhile, and when it began is not known
        _update(ctx, client.id, store, orders_read_at=started)


def _since(client: Client, row: Row[Any], now: datetime) -> datetime:
    """Where the first read of a store begins: on its own clock."""
    return now + timedelta(seconds=row.clock_offset) - client.policy.keep_for


def _listen(ctx: Context, client: Client, store: str, _: registry.Platform, __: Polled) -> None:
    options = client.store(store)
    if options is not None:
        listen(ctx, options, _store_row(ctx, client.id, store))


def _dated(
    ctx: Context, client: Client, store: str, pages: Iterator[Page[Any]], row: Row[Any]
) -> Iterator[tuple[Page[Any], datetime, datetime]]:
    """Each page with our time and the store's (its `Date` header), whose difference is kept."""
    offset = row.clock_offset
    for page in pages:
        now = ctx.clock()
        if page.date is not None and abs((page.date - now).total_seconds() - offset) > NOISE:
            with ctx.db.write() as connection:
                offset = keep_offset(connection, client.id, store, offset, now, page.date)
        yield sound(page), now, now + timedelta(seconds=offset)


def _store_row(ctx: Context, client: str, store: str) -> Row[Any]:
    with ctx.db.read() as connection:
        return connection.execute(select(STORES).where(STORES.c.client == client, STORES.c.id == store)).one()


def _update(ctx: Context, client: str, store: str, **values: Any) -> None:
    with ctx.db.write() as connection:
        connection.execute(update(STORES).where(STORES.c.client == client, STORES.c.id == store).values(**values))


def _finish(
    ctx: Context,
    client: Client,
    store: str,
    errors: list[WinbackError],
    poll_every: timedelta,
    planned: datetime | None,
) -> None:
    now = ctx.clock()
    here = (STORES.c.client == client.id, STORES.c.id == store)
    with ctx.db.write() as connection:
        row = connection.execute(select(STORES).where(*here).with_for_update()).one()
        if not errors:
            values: dict[str, Any] = {"first_poll_at": row.first_poll_at or now, "polled_at": now, "failures": 0}
            values |= {"failing_since": None, "error": "", "paused": False}
            values["next_poll_at"] = after_poll(row, planned, now, poll_every)
            if row.first_poll_at is None and abs(row.clock_offset) > JUMP:  # it began before its clock was known
                values |= {"checkouts_cursor": None, "orders_cursor": None}
        else:
            values = _failed(row, errors, now, poll_every, planned)
        connection.execute(update(STORES).where(*here).values(**values))
    if errors and values["error"] != row.error:
        if values["paused"]:
            ctx.alert(f"{client.id}/{store}", values["error"])
        else:
            ctx.trouble(f"{client.id}/{store}", values["error"], values["next_poll_at"] - now)


def _failed(
    row: Row[Any], errors: list[WinbackError], now: datetime, poll_every: timedelta, planned: datetime | None
) -> dict[str, Any]:
    told = max((error.retry_after or 0 for error in errors if isinstance(error, TransientError)), default=0)
    wait = max(timedelta(seconds=told), pause(row.failures, poll_every))
    return {
        "failing_since": row.failing_since or now,
        "failures": row.failures + 1,
        "error": "; ".join(dict.fromkeys(str(error) for error in errors)),
        "paused": any(isinstance(error, ConfigError) for error in errors),
        "next_poll_at": now + wait if told else after_poll(row, planned, now, wait),
    }


def pause(failures: int, poll_every: timedelta, jitter: Callable[[], float] = random.random) -> timedelta:
    """How long to leave a store alone that fails: from `poll_every`, doubling, at most 15 min (or `poll_every`)."""
    longest = max(LONGEST_PAUSE, poll_every)
    wait: timedelta = min(longest, poll_every * 2 ** min(failures, 10))
    return wait * (0.75 + jitter() / 4)
