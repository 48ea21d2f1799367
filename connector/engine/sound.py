"""A last look at what an adapter made of a store's answer: one record of the wrong shape must not stop its page.

Adapters refuse what they cannot read. What gets past them (a list where a name belongs, half a character, a NUL, which
PostgreSQL takes in no text) would otherwise fail in the database, and with it everything beside it, at every poll.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from connector.model import Checkout, Finding, Order, Page

_CHECKOUT: TypeAdapter[Checkout] = TypeAdapter(Checkout)
_ORDER: TypeAdapter[Order] = TypeAdapter(Order)
NUL = b"\\u0000"


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
    return NUL not in text


def _said(item: Any) -> str:
    what = "checkout" if isinstance(item, Checkout) else "order"
    return f"A {what} could not be read: it holds something else than the store's documentation says."
