"""What the pretend store says of itself: its index, its system status and its currency."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from platforms.sandbox._woocommerce_plugin import NAMESPACE
from platforms.sandbox._woocommerce_records import Setting


def index(store: Setting, name: str, *, captures: bool) -> dict[str, Any]:
    """What WordPress tells anyone. `captures`: whether the companion plugin is active."""
    home = store.home
    return {
        "name": name,
        "description": "",
        "url": home,
        "home": home,
        "gmt_offset": f"{store.offset / timedelta(hours=1):g}",
        "timezone_string": "",
        "namespaces": [
            *("oembed/1.0", *((NAMESPACE,) if captures else ())),
            *("wc/v3", "wc/v2", "wc/store", "wc/store/v1", "wp/v2"),
        ],
        "authentication": {
            "application-passwords": {
                "endpoints": {"authorization": f"{home}/wp-admin/authorize-application.php"},
            },
        },
    }


def system_status(store: Setting, classic: bool) -> dict[str, Any]:
    """`system_status`, as far as anybody asked for it."""
    home = store.home
    environment = {"home_url": home, "site_url": home, "version": store.version, "wp_version": "6.9.7"}
    environment["language"] = "en_US"
    settings = {"currency": store.currency, "currency_symbol": "&euro;", "HPOS_enabled": True}
    pages = [
        _page("Cart", "6", "[woocommerce_cart]", "woocommerce/cart", classic),
        _page("Checkout", "7", "[woocommerce_checkout]", "woocommerce/checkout", classic),
    ]
    return {"environment": environment, "settings": settings, "pages": pages}


def currency(store: Setting) -> dict[str, Any]:
    """`data/currencies/current`."""
    data = f"{store.home}/wp-json/wc/v3/data/currencies"
    own = {"href": f"{data}/{store.currency}", "targetHints": {"allow": ["GET"]}}
    links = {"self": [own], "collection": [{"href": data}]}
    return {"code": store.currency, "name": "Euro", "symbol": "&euro;", "_links": links}


def _page(name: str, page_id: str, shortcode: str, block: str, classic: bool) -> dict[str, Any]:
    return {
        "page_name": name,
        "page_id": page_id,
        "page_set": True,
        "page_exists": True,
        "page_visible": True,
        "shortcode": shortcode,
        "block": block,
        "shortcode_required": True,
        "shortcode_present": classic,
        "block_present": not classic,
        "block_required": True,
    }
