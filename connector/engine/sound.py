"""A last look at what an adapter made of a store's answer: one record of the wrong shape must not stop its page.

Adapters refuse what they cannot read. What gets past them (a list where a name belongs, half a character, a NUL, which
PostgreSQL takes in no text, the year 9999, which has no half hour after it, an amount of a million digits, an id of a
whole page) would otherwise fail in the rules or in the database, and with it everything beside it, at every poll.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from connector.model import Checkout, Consent, Customer, Finding, Order, Page, Visits

_CHECKOUT: TypeAdapter[Checkout] = TypeAdapter(Checkout)
_ORDER: TypeAdapter[Order] = TypeAdapter(Order)
_CONSENT: TypeAdapter[Consent] = TypeAdapter(Consent)
NUL = b"\\u0000"
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MOST_DIGITS, FINEST = 15, -9  # of an amount: before the point, and the place of its last one
MOST = 10**9  # of pieces in a line, of checkouts in a day
VISITS = "visits"  # what a finding about them is about
LONGEST_KEY = 500  # characters of what tables are sorted by: PostgreSQL takes no more than 2,704 bytes of it together


def sound(page: Page[Any]) -> Page[Any]:
    """The page without what cannot be stored, and with a finding for each."""
    good: list[Any] = []
    odd: list[Any] = []
    for item in page.items:
        (good if _is_sound(item) else odd).append(item)
    findings = (Finding(_said(item), str(item.id)[:60], "error") for item in odd)
    return replace(page, items=tuple(map(_with_short_titles, good)), findings=(*page.findings, *findings))


def sound_visits(days: Sequence[Visits]) -> tuple[list[Visits], list[Finding]]:
    """The days that can be stored, and what to say of the others."""
    good = [one for one in days if _is_sound_day(one)]
    said = "The numbers of checkouts begun could not be read for some days, which are left out of the report."
    return good, [Finding(said, VISITS, "error")] if len(good) < len(days) else []


def sound_consents(found: Sequence[tuple[Customer, Consent]]) -> list[tuple[Customer, Consent]]:
    """Those that can be stored. What is odd about the others is told of where their checkouts are read."""
    return [
        (customer, consent) for customer, consent in found if _is_storable(_CONSENT, consent) and _is_time(consent.at)
    ]


def _is_sound_day(one: Visits) -> bool:
    return EARLIEST.date() <= one.day < LATEST.date() and 0 <= one.started < MOST and 0 <= one.contactable < MOST


def _is_sound(item: Any) -> bool:
    if not _is_storable(_CHECKOUT if isinstance(item, Checkout) else _ORDER, item):
        return False
    plausible = all(map(_is_time, _times(item))) and all(map(_is_amount, _amounts(item))) and _is_countable(item)
    return plausible and all(len(key) <= LONGEST_KEY for key in _keys(item))


def _is_storable(kind: TypeAdapter[Any], item: Any) -> bool:
    try:
        text = kind.dump_json(item, warnings=False)
        kind.validate_json(text)
    except (PydanticSerializationError, ValueError):
        return False
    return NUL not in text


def _keys(item: Checkout | Order) -> Iterator[str]:
    """What the tables are sorted by. And a checkout's address: the longest real one has 254 letters."""
    yield from (item.id, item.customer.id, item.total.currency, *item.tokens)
    if isinstance(item, Checkout):
        yield from (item.order_id, item.customer.email)
    else:
        yield item.checkout_id


def _with_short_titles(item: Any) -> Any:
    """The report's table is sorted by products' titles."""
    if isinstance(item, Order) or all(len(line.title) <= LONGEST_KEY for line in item.lines):
        return item
    return replace(item, lines=tuple(replace(line, title=line.title[:LONGEST_KEY]) for line in item.lines))


def _times(item: Checkout | Order) -> Iterator[datetime | None]:
    if isinstance(item, Checkout):
        yield from (item.started_at, item.activity_at, item.modified_at, item.completed_at, item.consent.at)
    else:
        yield from (item.created_at, item.modified_at, item.placed_at, item.cancelled_at)


def _is_time(value: datetime | None) -> bool:
    return value is None or EARLIEST <= value < LATEST


def _amounts(item: Checkout | Order) -> Iterator[Decimal]:
    yield item.total.amount
    if isinstance(item, Order):
        yield item.refunded
        return
    for line in item.lines:
        yield line.total.amount
        yield line.price.amount if line.price else Decimal(0)


def _is_countable(item: Checkout | Order) -> bool:
    return isinstance(item, Order) or all(abs(line.quantity) < MOST for line in item.lines)


def _is_amount(value: Decimal) -> bool:
    # Not by a comparison with abs(value): that overflows.
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= FINEST and value.adjusted() < MOST_DIGITS


def _said(item: Any) -> str:
    what = "checkout" if isinstance(item, Checkout) else "order"
    return f"A {what} could not be read: it holds something else than the store's documentation says."
