"""A pretend Shopify shop with its adapter, and short ways to read from it, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.http import Http
from connector.model import Checkout, Finding, Order
from platforms.sandbox.shopify import ShopifySandbox, serve
from platforms.shopify import Shopify, ShopifyOptions

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR_AGO = NOON - timedelta(hours=1)


class Clock:
    """The shop's clock, which stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **by: float) -> None:
        self.now += timedelta(**by)


@contextmanager
def shop_with(clock: Clock | None = None, **options: Any) -> Iterator[tuple[ShopifySandbox, Shopify, Clock]]:
    clock = clock or Clock()
    shop, http = serve(clock, **options), Http()
    try:
        yield shop, adapter(shop, http), clock
    finally:
        http.close()
        shop.server.close()


def adapter(shop: ShopifySandbox, http: Http, **changes: Any) -> Shopify:
    return Shopify(ShopifyOptions(id="acme-shop", **{**shop.options(), **changes}), http)


def checkouts(store: Shopify, cursor: str | None = None) -> tuple[list[Checkout], str, list[Finding]]:
    pages = list(store.checkouts(cursor, HOUR_AGO))
    return (
        [item for page in pages for item in page.items],
        pages[-1].cursor,
        [f for page in pages for f in page.findings],
    )


def orders(store: Shopify, cursor: str | None = None) -> tuple[list[Order], str]:
    pages = list(store.orders(cursor, HOUR_AGO))
    return [item for page in pages for item in page.items], pages[-1].cursor


def graphql_calls(shop: ShopifySandbox) -> list[dict[str, Any]]:
    found = [entry.request for entry in shop.server.journal if entry.request.path.endswith("graphql.json")]
    return [request.json()["variables"] for request in found]
