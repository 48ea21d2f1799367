"""A WooCommerce sandbox read by the adapter, and short ways to see what it read, for the tests beside this file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from clock import START
from woocommerce_replay import HTTP

from connector.model import Checkout, Finding, Page
from connector.sandbox import Exchange, Server
from platforms.sandbox.woocommerce import WooCommerceSandbox
from platforms.woocommerce import WooCommerce, WooCommerceOptions

LONG_AGO = START - timedelta(days=365)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
JANE = "jane@example.com"
PLUGIN = "/wp-json/wc-winback/v1/"


def adapter(shop: WooCommerceSandbox, **changed: Any) -> WooCommerce:
    """A new adapter, as after a restart."""
    return WooCommerce(WooCommerceOptions(**({"id": "shop", **shop.options()} | changed)), HTTP)


def items(pages: list[Page[Checkout]]) -> list[Checkout]:
    """What was read."""
    return [one for page in pages for one in page.items]


def findings(pages: list[Page[Checkout]]) -> list[Finding]:
    """What was found on the way."""
    return [one for page in pages for one in page.findings]


def asked(shop: WooCommerceSandbox) -> list[str]:
    """The paths of the calls, in order."""
    return [exchange.request.path.removeprefix("/wp-json/") for exchange in shop.server.journal]


def read(shop: WooCommerceSandbox, cursor: str | None = None, **changed: Any) -> list[Page[Checkout]]:
    """The pages of checkouts that a new adapter reads."""
    return list(adapter(shop, **changed).checkouts(cursor, LONG_AGO))


def with_key(server: Server) -> list[Exchange]:
    """The exchanges but for WordPress' index, which anyone may read."""
    return [exchange for exchange in server.journal if exchange.request.path != "/wp-json/"]


def checkouts(shop: WooCommerceSandbox) -> list[Checkout]:
    """All that a new adapter reads."""
    return items(read(shop))
