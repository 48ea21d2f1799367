"""A last look at what an adapter made of a store's answer: one record of the wrong shape must not stop its page.

Adapters refuse what they cannot read. What gets past them (a list where a name belongs, half a character, a NUL, which
PostgreSQL takes in no text, the year 9999, which has no half hour after it, an amount of a million digits) would
otherwise fail in the rules or in the database, and with it everything beside it, at every poll.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from connector.model import Checkout, Finding, Order, Page

_CHECKOUT: TypeAdapter[Checkout] = TypeAdapter(Checkout)
_ORDER: TypeAdapter[Order] = TypeAdapter(Order)
NUL = b"\\u0000"
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
LARGEST, FINEST = Decimal(10) ** 15, -9  # of an amount: its value, and the place of its last digit
MOST_PIECES = 10**9


def sound(page: Page[Any]) -> Page[Any]:
    """The page without what cannot be stored, and with a finding for each."""
    odd = [item for item in page.items if not _is_sound(item)]
    if not odd:
        return page
    findings = (Finding(_said(item), str(item.id)[:60], "error") for item in odd)
    return replace(
        page, items=tuple(item for item in page.items if item not in odd), findings=(*page.findings, *findings)
    )


def _is_sound(item: Any) -> bool:
    kind: TypeAdapter[Any] = _CHECKOUT if isinstance(item, Checkout) else _ORDER
    try:
        text = kind.dump_json(item, warnings=False)
        kind.validate_json(text)
    except (PydanticSerializationError, ValueError):
        return False
    plausible = all(map(_is_time, _times(item))) and all(map(_is_amount, _amounts(item))) and _is_countable(item)
    return NUL not in text and plausible


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
    return isinstance(item, Order) or all(abs(line.quantity) < MOST_PIECES for line in item.lines)


def _is_amount(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= FINEST and abs(value) < LARGEST


def _said(item: Any) -> str:
    what = "checkout" if isinstance(item, Checkout) else "order"
    return f"A {what} could not be read: it holds something else than the store's documentation says."
