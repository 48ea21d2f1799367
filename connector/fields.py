"""Field values: what a store owner's `fields:` may say about a checkout, and how it is filled in.

A template is the owner's text with `{{ name }}` or `{{ name | default("there") }}` in it. Filling in is one pass of
one regular expression over that text, so shopper data is never read as a template.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache

from connector.harmless import clean_name, phone_number, plain
from connector.model import Checkout, LineItem, Money

NAMES: tuple[str, ...] = (
    *("email", "first_name", "last_name", "phone", "locale", "country"),
    *("product_name", "products", "variant", "sku", "quantity", "price", "total", "total_formatted", "currency"),
    *("item_count", "image_url", "product_url", "checkout_url", "coupon_code", "coupon_expires_at"),
    *("abandoned_at", "stage", "store", "client"),
)
COUPON_NAMES = frozenset({"coupon_code", "coupon_expires_at"})
LONGEST_TEXT = 1000  # characters of anything else; no CRM's text field takes more

_PLACE = re.compile(
    r"""\{\{\s*(?P<name>\w+)\s*(?:\|\s*default\(\s*(?:"(?P<double>[^"{}]*)"|'(?P<single>[^'{}]*)')\s*\)\s*)?\}\}"""
)


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template. `names` are the fields that it uses."""

    text: str
    names: frozenset[str]

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with every place filled in; an empty value takes the place's default."""
        return _PLACE.sub(lambda m: values.get(m["name"], "") or m["double"] or m["single"] or "", self.text)


@lru_cache(maxsize=4096)
def compile_template(text: str) -> Template:
    """Checks a template. Raises ValueError with a line for the owner: unknown name, or braces that make no place."""
    names = [match["name"] for match in _PLACE.finditer(text)]
    for name in names:
        if name not in NAMES:
            raise ValueError(_unknown(name))
    rest = _PLACE.sub("", text)
    if "{{" in rest or "}}" in rest:
        raise ValueError('a placeholder cannot be read; write {{ first_name }} or {{ first_name | default("there") }}')
    return Template(text, frozenset(names))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), NAMES, 1)
    if near:
        return f"there is no field {name}; did you mean {near[0]}?"
    return f"there is no field {name}; the fields are {', '.join(NAMES)}"


def single_name(text: str) -> str:
    """The name, where a template is one place and nothing else; else an empty text."""
    match = _PLACE.fullmatch(text.strip())
    return match["name"] if match else ""


def names_used(fields: Mapping[str, str]) -> frozenset[str]:
    """Every name that these templates use, to be handed to `values` as `wanted`."""
    return frozenset().union(*(compile_template(text).names for text in fields.values()))


def render(fields: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The CRM's field names with their values. Raises ValueError for a template that `compile_template` refuses."""
    return {field: compile_template(text).fill(values) for field, text in fields.items()}


def values(
    checkout: Checkout,
    *,
    store: str,
    client: str,
    abandoned_at: datetime,
    timezone: tzinfo = UTC,
    locale: str = "en",
    coupon_code: str = "",
    coupon_expires_at: datetime | None = None,
    wanted: Collection[str] = NAMES,
) -> dict[str, str]:
    """What each of the `wanted` NAMES stands for in one checkout.

    `locale` is the store's, for checkouts that have none of their own. `total_formatted` and `coupon_expires_at` are
    worked out only if they are wanted: the locale data that they need are large. Product fields are those of the line
    with the highest total.
    """
    customer, line = checkout.customer, _dearest(checkout.lines)
    found = {
        "email": customer.email,
        "first_name": clean_name(customer.first_name),
        "last_name": clean_name(customer.last_name),
        "phone": phone_number(customer.phone),
        "locale": checkout.locale or locale,
        "country": checkout.country,
        "products": ", ".join(item.title for item in checkout.lines),
        "total": amount(checkout.total),
        "currency": checkout.total.currency,
        "item_count": str(sum(item.quantity for item in checkout.lines)),
        "checkout_url": checkout.url,
        "coupon_code": coupon_code,
        "abandoned_at": abandoned_at.astimezone(timezone).isoformat(timespec="seconds"),
        "stage": str(checkout.stage),
        "store": store,
        "client": client,
        **_product(line),
    }
    if "total_formatted" in wanted:
        found["total_formatted"] = format_money(checkout.total, checkout.locale or locale)
    if "coupon_expires_at" in wanted:
        local = coupon_expires_at.astimezone(timezone) if coupon_expires_at else None
        found["coupon_expires_at"] = format_moment(local, checkout.locale or locale) if local else ""
    # A shortened link leads nowhere, so links keep their length.
    return {
        key: text if key.endswith("_url") else plain(text)[:LONGEST_TEXT]
        for key, text in found.items()
        if key in wanted
    }


def _dearest(lines: tuple[LineItem, ...]) -> LineItem | None:
    return max(lines, key=lambda line: line.total.amount, default=None)


def _product(line: LineItem | None) -> dict[str, str]:
    if line is None:
        return dict.fromkeys(("product_name", "variant", "sku", "quantity", "price", "image_url", "product_url"), "")
    return {
        "product_name": line.title,
        "variant": line.variant,
        "sku": line.sku,
        "quantity": str(line.quantity),
        "price": amount(line.price or _unit_price(line)),
        "image_url": line.image_url,
        "product_url": line.product_url,
    }


def _unit_price(line: LineItem) -> Money:
    each = line.total.amount / max(1, line.quantity)
    return Money(each.quantize(line.total.amount), line.total.currency)


def amount(money: Money) -> str:
    """The amount as a plain decimal string: no exponent, no grouping."""
    return f"{Decimal(money.amount):f}"


def format_money(money: Money, locale: str) -> str:
    """The amount as people of that locale write it, such as `1.234,50 €`; English where the locale is unknown."""
    from babel import UnknownLocaleError
    from babel.numbers import format_currency

    for name in _locales(locale):
        try:
            return str(format_currency(money.amount, money.currency, locale=name))
        except (ValueError, UnknownLocaleError):
            continue
    return f"{amount(money)} {money.currency}"


def format_moment(at: datetime, locale: str) -> str:
    """The moment in its own zone as people of that locale write it, such as `4. März 2026, 11:30`."""
    from babel import UnknownLocaleError
    from babel.dates import format_date, format_time

    for name in _locales(locale):
        try:
            return f"{format_date(at, 'long', locale=name)}, {format_time(at, 'short', locale=name)}"
        except (ValueError, UnknownLocaleError):
            continue
    return at.isoformat(" ", timespec="minutes")


def _locales(locale: str) -> list[str]:
    """The names under which a locale's data may be found, the best first, and English at last."""
    parts = [part for part in re.split(r"[-_.@]", locale) if part]
    return [name for name in ("_".join(parts), "_".join(parts[:2]), "".join(parts[:1]), "en") if name]
