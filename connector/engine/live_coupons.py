"""The coupons that can be used now: what a lead's fields and links show of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, Row, select

from connector import registry, rules, tables
from connector.address import identity
from connector.config import StepCoupon
from connector.coupons import Coupons, MakesCoupons, code_for
from connector.db import table
from connector.engine.context import Client, Context
from connector.engine.facts import StoreClock
from connector.model import Checkout, Enrolment
from connector.options import StoreOptions

COUPONS = table(tables.Coupon)
Build = Callable[["Live | None"], Enrolment]  # makes an enrolment with that coupon in its fields and links


@dataclass(frozen=True)
class Live:
    """A coupon of a lead. `expires_at` is the store's own word."""

    code: str
    store: str
    expires_at: datetime


@dataclass(frozen=True)
class Promise:
    """A coupon that the store must have made before the step goes out."""

    code: str
    store: str
    customer_id: str
    terms: StepCoupon
    build: Build


def promise_of(
    ctx: Context, client: Client, terms: StepCoupon, row: Row[Any], lead: Row[Any], shown: Row[Any], build: Build
) -> Promise:
    """What a delivery promises. The CRM is not in its code's key: the CRMs of one step share its coupon.

    The key's secret is the store's own, so that a lost database makes no second coupon, and nobody else can tell codes.
    """
    parts = (ctx.db.first_name(client.id), identity(lead.email), lead.store, lead.checkout_id)
    key = rules.delivery_key(*parts, row.generation, row.step, "")
    options = client.store(shown.store)
    secret = "\x1f".join(options.secrets() if options else ())
    return Promise(code_for(secret.encode(), key), shown.store, shown.customer_id, terms, build)


def maker(options: StoreOptions | None) -> type[MakesCoupons] | None:
    """The store's platform, if it makes coupons."""
    platform = registry.PLATFORMS.get(options.platform) if options else None
    if platform is None or registry.Cap.COUPONS not in platform.capabilities:
        return None
    return cast("type[MakesCoupons]", platform)


def coupons_of(adapter: object) -> Coupons:
    """The coupons of an opened store whose platform has Cap.COUPONS."""
    return cast("MakesCoupons", adapter).coupons


def live_coupons(
    connection: Connection,
    client: str,
    leads: Collection[Row[Any]],
    clocks: Mapping[str, StoreClock],
    now: datetime,
) -> dict[str, Live]:
    """For each of these leads' shoppers the coupon that they were given last, unless it has expired."""
    generations = {lead.shopper: lead.generation for lead in leads}
    if not generations:
        return {}
    query = (
        select(COUPONS)
        .where(COUPONS.c.client == client, COUPONS.c.shopper.in_(generations), COUPONS.c.state == "made")
        .order_by(COUPONS.c.step)
    )
    return {
        row.shopper: Live(row.code, row.store, row.expires_at)
        for row in connection.execute(query)
        if row.generation == generations[row.shopper] and row.expires_at > on_clock(clocks, row.store, now)
    }


def on_clock(clocks: Mapping[str, StoreClock], store: str, now: datetime) -> datetime:
    """Our time on the store's clock."""
    return now + (clocks[store].offset if store in clocks else timedelta(0))


def with_live(client: Client, store: str, checkout: Checkout, live: Live | None) -> Checkout:
    """The checkout with a URL that applies its shopper's coupon, if that is one of the checkout's own store."""
    platform = maker(client.store(store))
    if live is None or live.store != store or platform is None or not checkout.url:
        return checkout
    return replace(checkout, url=platform.with_coupon(checkout, live.code))
