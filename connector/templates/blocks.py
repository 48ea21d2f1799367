"""What an e-mail's body is made of, one below the other, as its file lists it.

A text is a paragraph; `cart` shows what was left; `{button: …}` is the one call to action; `code` is the coupon's; and
`{if: coupon_code, then: […], else: […]}` has texts and `code` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from connector.templates.words import Parts, known, names_of, parse

CART = ("image_url", "product_name", "total_formatted")


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    parts: Parts


@dataclass(frozen=True)
class Cart:
    """Picture, name and total of what was left."""


@dataclass(frozen=True)
class Button:
    """The link back to the checkout."""

    label: str


@dataclass(frozen=True)
class Code:
    """The coupon's code, to be seen and copied."""


@dataclass(frozen=True)
class Fork:
    """What stands there with a value, and without."""

    name: str
    yes: tuple[Text | Code, ...]
    no: tuple[Text | Code, ...]


Block = Text | Cart | Button | Code | Fork


def blocks_of(items: Sequence[Any]) -> tuple[Block, ...]:
    """Reads a body. Raises ValueError for anything else than blocks, and for more or less than one button."""
    found = tuple(_block(item) for item in items)
    if sum(isinstance(block, Button) for block in found) != 1:
        raise ValueError("an e-mail has one button, outside of any if")
    return found


def _block(item: Any) -> Block:
    if isinstance(item, dict) and set(item) == {"button"}:
        return Button(str(item["button"]))
    if isinstance(item, dict) and set(item) == {"if", "then", "else"}:
        return Fork(known(item["if"]), tuple(map(_plain, item["then"])), tuple(map(_plain, item["else"])))
    return Cart() if item == "cart" else _plain(item)


def _plain(item: Any) -> Text | Code:
    if not isinstance(item, str) or item == "cart":
        raise ValueError(f"{item!r} is no block that may stand here")
    return Code() if item == "code" else Text(parse(item))


def names_in(blocks: Iterable[Block], texts: Iterable[Parts] = ()) -> frozenset[str]:
    """Every value that these blocks and texts can show."""
    found = frozenset().union(*(names_of(text) for text in texts))
    for block in blocks:
        if isinstance(block, Fork):
            found |= {block.name} | names_in((*block.yes, *block.no))
        elif isinstance(block, Text):
            found |= names_of(block.parts)
        elif isinstance(block, Cart):
            found |= frozenset(CART)
        elif isinstance(block, Code):
            found |= {"coupon_code"}
    return found
