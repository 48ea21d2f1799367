"""What `check` tells the owner of a WooCommerce store: which shoppers can be seen there, and which cannot. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from connector.model import Finding
from platforms._woocommerce_records import Record, version_of

NO_DRAFTS_SINCE = (10, 9)  # https://github.com/woocommerce/woocommerce/pull/64155
OLDEST = (5, 8)  # modified_after and dates_are_gmt
ONLY_PLACED = (
    "its API shows only shoppers who pressed Place order and did not pay. Who leaves earlier, with an e-mail address "
    "typed, is not seen"
)
INSTALL = "The companion plugin sees them: `winback woocommerce-plugin` writes the file to upload"
OBSTACLES = {
    "no_checkout_page": "The store has no checkout page: choose one under WooCommerce > Settings > Advanced.",
    "no_table": "The companion plugin has no table in the store's database: switch it off and on again under Plugins.",
}


def sight(status: Record, plugin: Record | None) -> list[Finding]:
    """What is seen, by the store's `system_status` and by the plugin's `status` (None where it cannot be read)."""
    version = str((status.get("environment") or {}).get("version") or "")
    found, number = f"WooCommerce {version or 'of an unknown version'} found", version_of(version)
    if (0, 0) < number < OLDEST:
        return [Finding(f"{found}: it cannot say what changed. Update it to 5.8 or later.", "version", "error")]
    if plugin is not None:
        return with_plugin(found, plugin)
    if number >= NO_DRAFTS_SINCE:
        return [Finding(f"{found}: from 10.9 on, {ONLY_PLACED}. {INSTALL}.", "version")]
    if _is_classic(status.get("pages")):
        where = f"{found} with a classic (shortcode) checkout page: there"
        return [Finding(f"{where}, {ONLY_PLACED}. {INSTALL}.", "checkout page")]
    message = (
        f"{found}: shoppers are seen from the moment that they type an e-mail address into the block checkout. From "
        f"10.9 on that ends: then {ONLY_PLACED}. {INSTALL}."
    )
    return [Finding(message, "version", "info")]


def with_plugin(found: str, plugin: Record) -> list[Finding]:
    """What the plugin sees, and what it says stands in its way."""
    message = (
        f"{found}, with the companion plugin {plugin.get('plugin') or ''}".rstrip()
        + ": shoppers are seen from the moment that they type an e-mail address, and checkouts started are counted."
    )
    blocked = plugin.get("blocked")
    obstacles = [str(one) for one in blocked] if isinstance(blocked, list) else []
    return [
        Finding(message, "companion plugin", "info"),
        *(Finding(OBSTACLES.get(one, f"The companion plugin says: {one}."), "companion plugin") for one in obstacles),
    ]


def without_scheme(url: str) -> str:
    """The home URL to pin: WordPress gives it with http or https, as it was asked."""
    parts = urlsplit(url)
    return f"{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _is_classic(pages: Any) -> bool:
    """Whether the checkout page is the classic one. Page names are translated, its block is not."""
    for page in pages if isinstance(pages, list) else ():
        if page.get("block") == "woocommerce/checkout":
            return bool(page.get("shortcode_present")) and not page.get("block_present")
    return False


def time_zone(about: Record) -> str:
    """A name such as Europe/Berlin, or the bare offset that some stores have instead."""
    try:
        minutes = round(float(about.get("gmt_offset") or 0) * 60)
    except (TypeError, ValueError):
        minutes = 0
    sign = "-" if minutes < 0 else "+"
    return str(about.get("timezone_string") or f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}")
