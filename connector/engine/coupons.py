"""Has the store make the coupon that a step promises, when the rules have let the step go and just before it goes.

What cannot have its coupon is not delivered: it waits, or gives way to the step after it, with a reason to be seen.
Steps without a coupon never wait for any of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, Row, func, insert, select, update

from connector import tables
from connector.coupons import Coupon, Offer, is_too_soon
from connector.db import is_out, table
from connector.engine import endings
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context, log
from connector.engine.done import steps_after
from connector.engine.facts import store_clocks
from connector.engine.live_coupons import Live, Promise, coupons_of, maker, on_clock
from connector.engine.prepare import Job
from connector.engine.settle import backoff
from connector.engine.story import tell
from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.rules import State

COUPONS = table(tables.Coupon)
DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
STORES = table(tables.Store)
RULE = "coupon"
CONFIG_PAUSE = timedelta(minutes=15)
STORE_PAUSE = timedelta(seconds=30)  # after trouble that passes; a delivery's own pause grows
LONGEST_PAUSE = timedelta(minutes=15)
CLOCK_ERROR = timedelta(minutes=5)  # a coupon is good from a little earlier on, in case the store's clock jumps


def provide(ctx: Context, accounts: Accounts, client: Client, jobs: Sequence[Job]) -> list[Job]:
    """The jobs that may be delivered now, each with the coupon that it promises. The others are written down."""
    return [ready for job in jobs if (ready := _provided(ctx, accounts, client, job) if job.promise else job)]


def _provided(ctx: Context, accounts: Accounts, client: Client, job: Job) -> Job | None:
    promise = cast("Promise", job.promise)
    with ctx.coupon_locks[client.id, promise.store]:
        row = _reserve(ctx, client, job, promise)
        if not isinstance(row, Row):
            return row
        try:
            live = _have(ctx, accounts, client, job, promise, row)
        except RejectedError as error:
            _refused(ctx, client, job, error)
            return None
        except WinbackError as error:
            _wait(ctx, accounts, client, job, row, error)
            return None
        except Exception as error:
            if is_out(error):  # our own database: not the store's trouble
                raise
            log.exception("unexpected error while making a coupon")
            unexpected = TransientError(f"unexpected {type(error).__name__} while making a coupon; see the log")
            _wait(ctx, accounts, client, job, row, unexpected)
            return None
    return replace(job, what=promise.build(live), promise=None)


def _reserve(ctx: Context, client: Client, job: Job, promise: Promise) -> Row[Any] | Job | None:
    """The coupon's row; or the job as it is, where its lead has just gone; or None, where there can be no coupon."""
    now = ctx.clock()
    with ctx.client_locks[client.id], ctx.db.write() as connection:
        lead = _lead(connection, client.id, job)
        if lead is None:
            return job  # taken back before it is sent
        if why := _never(connection, client, job, promise, now):
            _skip(ctx, connection, client, job, lead, why, now)
            return None
        if (paused := _paused(connection, client.id, promise.store, now)) is not None:
            _put_back(connection, client, job, lead, paused.coupons_error, paused.coupons_retry_at, now)
            return None
        _write_down(connection, client, job, promise, now)
        return _row(connection, client.id, job)


def _lead(connection: Connection, client: str, job: Job) -> Row[Any] | None:
    here = (LEADS.c.client == client, LEADS.c.shopper == job.row.shopper, LEADS.c.generation == job.row.generation)
    return connection.execute(select(LEADS).where(*here)).first()


def _row(connection: Connection, client: str, job: Job) -> Row[Any] | None:
    """Of this lead and step, whatever code it has: another key of the store would make other codes."""
    mine = (COUPONS.c.client == client, COUPONS.c.shopper == job.row.shopper)
    step = (COUPONS.c.generation == job.row.generation, COUPONS.c.step == job.row.step)
    return connection.execute(select(COUPONS).where(*mine, *step)).first()


def _never(connection: Connection, client: Client, job: Job, promise: Promise, now: datetime) -> str:
    """Why this step cannot have a coupon at all, or ""."""
    if maker(client.store(promise.store)) is None:
        return f"this step promises a coupon, and {promise.store} makes none"
    known = _row(connection, client.id, job)
    if known is not None:
        return "this step's coupon was used already" if known.state == "used" else ""
    mine = (COUPONS.c.client == client.id, COUPONS.c.shopper == job.row.shopper)
    last = connection.execute(select(func.max(COUPONS.c.asked_at)).where(*mine)).scalar()
    return "this step promises a coupon, and the shopper had one within 90 days" if is_too_soon(last, now) else ""


def _paused(connection: Connection, client: str, store: str, now: datetime) -> Row[Any] | None:
    here = (STORES.c.client == client, STORES.c.id == store, STORES.c.coupons_retry_at > now)
    return connection.execute(select(STORES).where(*here)).first()


def _write_down(connection: Connection, client: Client, job: Job, promise: Promise, now: datetime) -> None:
    """Before the store is asked, so that whatever comes of it is found again, and there is never a second one."""
    known = _row(connection, client.id, job)
    if known is None:
        row = {
            "client": client.id,
            "code": promise.code,
            "store": promise.store,
            "shopper": job.row.shopper,
            "generation": job.row.generation,
            "step": job.row.step,
            "state": "making",
            "asked_at": now,
            "attempts": 0,
            "error": "",
        }
        connection.execute(insert(COUPONS).values(**row))
    elif known.state in ("removing", "gone"):  # its delivery had ended, and was put back by hand
        here = (COUPONS.c.client == client.id, COUPONS.c.code == known.code)
        connection.execute(update(COUPONS).where(*here).values(state="making", next_at=None, attempts=0, error=""))


def _have(ctx: Context, accounts: Accounts, client: Client, job: Job, promise: Promise, row: Row[Any]) -> Live:
    """The coupon as the store has it: the one that was made before, or a new one."""
    with ctx.db.read() as connection:
        now = on_clock(store_clocks(connection, client), row.store, ctx.clock())
    fresh = now + promise.terms.expires_in / 2  # one that would end sooner is made anew
    if row.state == "made" and row.expires_at > fresh:
        return Live(row.code, row.store, row.expires_at)
    options = client.store(row.store)
    if options is None:
        raise ConfigError(f"{row.store} is not in the configuration any more")
    coupons = coupons_of(accounts.store(client, options))
    offer = Offer(
        row.code,
        promise.terms.discount,
        starts_at=now - CLOCK_ERROR,
        expires_at=now + promise.terms.expires_in,
        customer_id=promise.customer_id if row.store == promise.store else "",
    )
    made = coupons.make(offer)
    if not made.used and (made.expires_at is None or made.expires_at <= fresh):
        coupons.delete(made.id)
        made = coupons.make(offer)
    return _made(ctx, client, job, row, made)


def _made(ctx: Context, client: Client, job: Job, row: Row[Any], made: Coupon) -> Live:
    if made.used:
        raise RejectedError("the coupon of this step was used already")
    if made.expires_at is None:
        raise ConfigError(f"{row.store} makes coupons that never expire. Check what in the store changes them")
    with ctx.db.write() as connection:
        here = (COUPONS.c.client == client.id, COUPONS.c.code == row.code, COUPONS.c.state.in_(("making", "made")))
        values = {"state": "made", "expires_at": made.expires_at, "attempts": 0, "error": ""}
        connection.execute(update(COUPONS).where(*here).values(**values))
        store = (STORES.c.client == client.id, STORES.c.id == row.store, STORES.c.coupons_error != "")
        connection.execute(update(STORES).where(*store).values(coupons_error="", coupons_retry_at=None))
        until = f"{made.expires_at:%Y-%m-%d %H:%M} UTC"
        said = f"coupon {row.code} made in {row.store}, good until {until}"
        tell(connection, client.id, row.shopper, ctx.clock(), said, RULE, job.row.store, job.row.checkout_id)
    return Live(row.code, row.store, made.expires_at)


def _skip(
    ctx: Context, connection: Connection, client: Client, job: Job, lead: Row[Any], why: str, now: datetime
) -> None:
    """Leaves a step out, rather than send its promise without a code. The step after it keeps its distance."""
    row = job.row
    endings.finish(connection, row, State.FILTERED, RULE, why)
    _take_attempt_back(connection, row)
    said = f"step {row.step + 1} left out: {why}"
    tell(connection, client.id, row.shopper, now, said, RULE, row.store, row.checkout_id)
    ctx.db.insert_new(connection, tables.Delivery, steps_after(connection, client, [(row, lead)], now))
    endings.conclude(connection, client, lead, now)


def _take_attempt_back(connection: Connection, row: Row[Any]) -> None:
    """The CRM heard nothing of this attempt."""
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(attempts=row.attempts))


def _put_back(
    connection: Connection, client: Client, job: Job, lead: Row[Any] | None, why: str, again: datetime, now: datetime
) -> None:
    """Into the outbox, as if it had never been claimed; the reason is to be seen."""
    row = job.row
    _take_attempt_back(connection, row)
    values = {"state": "pending", "next_at": again, "error": f"coupon: {why}"}
    connection.execute(
        update(DELIVERIES).where(DELIVERIES.c.id == row.id, DELIVERIES.c.state == "sending").values(**values)
    )
    if lead is not None:
        endings.show(connection, client.id, lead, State.WAITING, RULE, f"waiting for its coupon: {why}", now)


def _wait(ctx: Context, accounts: Accounts, client: Client, job: Job, row: Row[Any], error: WinbackError) -> None:
    """The store makes no coupon now: every step that promises one of this store waits."""
    now, store, paused = ctx.clock(), row.store, isinstance(error, ConfigError)
    asked = error.retry_after if isinstance(error, TransientError) else None
    pause = CONFIG_PAUSE if paused else max(STORE_PAUSE, timedelta(seconds=asked or 0))
    again = now + max(pause, min(backoff(row.attempts + 1), LONGEST_PAUSE))
    if paused:
        accounts.close("store", client.id, store)
    with ctx.db.write() as connection:
        here = (STORES.c.client == client.id, STORES.c.id == store)
        before = connection.execute(select(STORES.c.coupons_error).where(*here)).scalar()
        connection.execute(update(STORES).where(*here).values(coupons_error=str(error), coupons_retry_at=now + pause))
        coupon = (COUPONS.c.client == client.id, COUPONS.c.code == row.code)
        connection.execute(update(COUPONS).where(*coupon).values(attempts=row.attempts + 1, error=str(error)))
        _put_back(connection, client, job, _lead(connection, client.id, job), str(error), again, now)
    if before == str(error):
        return
    if paused:
        ctx.alert(f"{client.id}/{store}", f"{error}. Until then, steps that promise a coupon wait; the others go on")
    else:
        ctx.trouble(f"{client.id}/{store}", f"no coupon could be made: {error}", again - now)


def _refused(ctx: Context, client: Client, job: Job, error: RejectedError) -> None:
    """This one coupon cannot be made: its step ends, to be seen among the deliveries."""
    now, row = ctx.clock(), job.row
    with ctx.db.write() as connection:
        values = {"state": "failed", "rule": RULE, "error": str(error), "detail": str(error), "done_at": now}
        connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(**values))
        _take_attempt_back(connection, row)
        said = f"step {row.step + 1} not sent: {error}"
        tell(connection, client.id, row.shopper, now, said, RULE, row.store, row.checkout_id)
        if (lead := _lead(connection, client.id, job)) is not None:
            endings.conclude(connection, client, lead, now)
