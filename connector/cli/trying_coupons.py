"""The real coupons of `winback test`: for a day at most, and deleted by `--remove`, or when they expire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import delete

from connector import registry, tables
from connector.config import Step
from connector.coupons import Offer, code_for
from connector.db import table
from connector.engine.context import Client, Context
from connector.engine.live_coupons import Live, coupons_of, maker
from connector.errors import ConfigError, RejectedError

COUPONS = table(tables.Coupon)
LONGEST = timedelta(hours=24)


def make_coupons(ctx: Context, client: Client, email: str) -> dict[int, Live]:
    """One for each step that promises one, in the first store that makes any. Raises the three errors."""
    return {index: _make(ctx, client, step, _code(ctx, client, email, index)) for index, step in _promising(client)}


def delete_coupons(ctx: Context, client: Client, email: str) -> int:
    """Deletes them again, but for those that were used. Returns how many. Raises the three errors."""
    deleted = 0
    for index, _ in _promising(client):
        code = _code(ctx, client, email, index)
        _, adapter = _store(ctx, client)
        found = coupons_of(adapter).find(code)
        if found is not None and not found.used:
            coupons_of(adapter).delete(found.id)
            deleted += 1
        with ctx.db.write() as connection:
            connection.execute(delete(COUPONS).where(COUPONS.c.client == client.id, COUPONS.c.code == code))
    return deleted


def _promising(client: Client) -> Iterator[tuple[int, Step]]:
    return ((index, step) for index, step in enumerate(client.config.sequence) if step.coupon)


def _code(ctx: Context, client: Client, email: str, index: int) -> str:
    shopper, _ = ctx.shopper(client.id, email)
    return code_for(ctx.db.hash_key, "test", client.id, shopper, str(index))


def _store(ctx: Context, client: Client) -> tuple[str, registry.Platform]:
    for options in client.config.stores:
        if maker(options) is not None:
            return options.id, registry.PLATFORMS[options.platform](options, ctx.http)
    raise ConfigError(f"{client.id}: a step promises a coupon, and no store here can make one; see `winback check`")


def _make(ctx: Context, client: Client, step: Step, code: str) -> Live:
    store, adapter = _store(ctx, client)
    coupons, now = coupons_of(adapter), ctx.clock()
    if step.coupon is None:
        raise ValueError("the step promises no coupon")
    life = min(step.coupon.expires_in, LONGEST)
    offer = Offer(code, step.coupon.discount, starts_at=now - timedelta(minutes=5), expires_at=now + life)
    _write_down(ctx, client, store, code, "making", offer.expires_at)
    made = coupons.make(offer)
    if made.used or made.expires_at is None or made.expires_at < now + life / 2:  # of an earlier test
        coupons.delete(made.id)
        made = coupons.make(offer)
    if made.expires_at is None:
        raise RejectedError(f"{store} makes coupons that never expire")
    _write_down(ctx, client, store, code, "made", made.expires_at)
    return Live(code, store, made.expires_at)


def _write_down(ctx: Context, client: Client, store: str, code: str, state: str, expires_at: datetime) -> None:
    """So that the daemon deletes it when it has expired, whether or not anybody says `--remove`.

    Before the store is asked, too: whatever becomes of this process, the coupon is found again.
    """
    row = {
        "client": client.id,
        "code": code,
        "store": store,
        "shopper": "",
        "generation": 0,
        "step": 0,
        "state": state,
        "expires_at": expires_at,
        "asked_at": ctx.clock(),
        "next_at": None,
        "attempts": 0,
        "error": "",
    }
    with ctx.db.write() as connection:
        ctx.db.upsert(connection, tables.Coupon, [row])
