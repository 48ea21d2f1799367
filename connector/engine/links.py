"""Short links (`/r/TOKEN`) to checkout URLs, for CRMs whose fields are shorter than such URLs."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from sqlalchemy import Connection, Row, select

from connector import tables
from connector.db import table
from connector.engine.context import Context
from connector.engine.facts import store_clocks
from connector.engine.live_coupons import live_coupons, with_live
from connector.engine.payload import read_payload
from connector.model import Checkout

LEADS = table(tables.Lead)
CHECKOUTS = table(tables.Checkout)


def short_url(ctx: Context, client: str, shopper: str, url: str) -> str:
    """The short link for a shopper's lead, or "" where the daemon has no public address. It cannot be guessed."""
    base = ctx.settings.public_url
    if not base or not url:
        return ""
    return f"{str(base).rstrip('/')}/r/{_token(ctx, client, shopper)}"


def resolve(ctx: Context, token: str) -> str | None:
    """The checkout URL behind a token: always of the checkout that the lead shows now; None where there is no lead."""
    shopper, _, proof = token.partition("-")
    with ctx.db.read() as connection:
        for lead in connection.execute(select(LEADS).where(LEADS.c.shopper == shopper)):
            if not hmac.compare_digest(_token(ctx, lead.client, shopper), f"{shopper}-{proof}"):
                continue
            here = (CHECKOUTS.c.client == lead.client, CHECKOUTS.c.store == lead.shown_store)
            query = select(CHECKOUTS.c.payload).where(*here, CHECKOUTS.c.id == lead.shown_checkout_id)
            payload = connection.execute(query).scalar()
            return _with_coupon(ctx, connection, lead, read_payload(payload)).url if payload else None
    return None


def _with_coupon(ctx: Context, connection: Connection, lead: Row[Any], checkout: Checkout) -> Checkout:
    client = ctx.clients.get(lead.client)
    if client is None:
        return checkout
    live = live_coupons(connection, client.id, [lead], store_clocks(connection, client), ctx.clock())
    return with_live(client, lead.shown_store, checkout, live.get(lead.shopper))


def front(ctx: Context) -> str | None:
    """The store front that an unknown link leads to: that of the only store, if there is just one with an address."""
    stores = [store for client in ctx.clients.values() for store in client.config.stores]
    url = getattr(stores[0], "url", None) if len(stores) == 1 else None
    return str(url) if url else None


def _token(ctx: Context, client: str, shopper: str) -> str:
    proof = hmac.new(
        ctx.db.hash_key, f"link\x1f{ctx.db.first_name(client)}\x1f{shopper}".encode(), hashlib.sha256
    ).hexdigest()[:16]
    return f"{shopper}-{proof}"
