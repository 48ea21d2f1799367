"""Coupons: what a step promises, and what a store platform with Cap.COUPONS does for it. Plain values, no clock."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Protocol

from connector.model import Checkout, Finding

ONE_IN = timedelta(days=90)  # at most one for a shopper in this time, so that nobody learns to abandon for it
PREFIX = "BACK-"
LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"  # without vowels, which make words, and without what looks alike
LENGTH = 10  # 48 bits: nobody guesses one


@dataclass(frozen=True, slots=True)
class Discount:
    """What a coupon takes off: exactly one of the three. `amount` is in the store's own currency."""

    percent: Decimal | None = None  # 1 to 100
    amount: Decimal | None = None
    free_shipping: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A coupon to be made: for one use, by one shopper. Times are UTC on the store's clock.

    `customer_id` is the store's own customer, "" for a guest. No address is handed on: the coupon tells nobody's name.
    """

    code: str
    discount: Discount
    starts_at: datetime
    expires_at: datetime
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon as the store shows it. `expires_at` is None for one that never ends."""

    id: str
    code: str
    expires_at: datetime | None
    used: bool = False


class Coupons(Protocol):
    """The coupons of one store. All of it raises the three errors.

    ConfigError: nothing can be made until the owner acts. RejectedError: this one cannot be made.
    """

    def make(self, offer: Offer) -> Coupon:
        """Makes it; or, where its code is there already, gives that one, as after a lost answer."""
        ...

    def find(self, code: str) -> Coupon | None:
        """The coupon with this code as it is now, in whatever letter case."""
        ...

    def delete(self, coupon_id: str) -> None:
        """Deletes it for good. One that is not there (any more) is success."""
        ...

    def check(self) -> Sequence[Finding]:
        """What keeps this store from making coupons, without making one."""
        ...


class MakesCoupons(Protocol):
    """What a platform with Cap.COUPONS has besides."""

    coupons: Coupons
    with_coupon: ClassVar[Callable[[Checkout, str], str]]  # the checkout's URL, which applies this code where it can


def code_for(key: bytes, *parts: str) -> str:
    """The code for a lead's step: the same whenever it is asked for, and not to be guessed without the key."""
    digest = hmac.new(key, "\x1f".join(("coupon", *parts)).encode(), hashlib.sha256).digest()
    number, letters = int.from_bytes(digest, "big"), ""
    for _ in range(LENGTH):
        number, rest = divmod(number, len(LETTERS))
        letters += LETTERS[rest]
    return PREFIX + letters


def is_too_soon(last: datetime | None, now: datetime) -> bool:
    """Whether a shopper whose last coupon was asked for then may not have another one yet."""
    return last is not None and now - last < ONE_IN
