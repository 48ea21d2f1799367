"""A store and a CRM without a network: the store shows what its traffic did, the CRM takes nearly everything.

They stand on the registry's lists only while they are needed, so no other test meets them.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar

from volume.lives import Traffic, Visit

from connector import registry
from connector.coupons import Coupon, Offer
from connector.errors import RejectedError, WinbackError
from connector.http import Http, Rate
from connector.model import (
    Checkout,
    Enrolment,
    Finding,
    Health,
    Identity,
    Order,
    Outcome,
    Page,
    Receipt,
    Source,
    Visits,
    Withdrawal,
)
from connector.options import CrmOptions, StoreOptions
from connector.registry import Cap

NAME = "volume"
PAGE = 100


@dataclass
class World:
    """What the two adapters share."""

    traffic: Traffic
    clock: Callable[[], datetime]
    did: Counter[str] = field(default_factory=Counter)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    orders: list[tuple[datetime, Visit]] = field(default_factory=list)


class Shelf:
    """The store's coupons."""

    def __init__(self, world: World) -> None:
        self._world = world

    def make(self, offer: Offer) -> Coupon:
        """One more."""
        self._world.did["coupons"] += 1
        made = Coupon(offer.code, offer.code, offer.expires_at)
        return self._world.coupons.setdefault(offer.code, made)

    def find(self, code: str) -> Coupon | None:
        """As it was made: nobody uses them."""
        return self._world.coupons.get(code)

    def delete(self, coupon_id: str) -> None:
        """One less."""
        self._world.coupons.pop(coupon_id, None)

    def check(self) -> Sequence[Finding]:
        """Nothing keeps it."""
        return ()


def _platform(world: World) -> type[registry.Platform]:
    class Shop:
        name: ClassVar[str] = NAME
        title: ClassVar[str] = "a store without a network"
        capabilities: ClassVar[frozenset[Cap]] = frozenset(
            {Cap.CHECKOUTS, Cap.ORDERS, Cap.CONSENT, Cap.COUPONS, Cap.STARTS}
        )
        rate: ClassVar[Rate] = Rate(per_second=100_000)
        Options: ClassVar[type[StoreOptions]] = StoreOptions

        def __init__(self, options: Any, http: Http) -> None:
            self.coupons = Shelf(world)

        @staticmethod
        def with_coupon(checkout: Checkout, code: str) -> str:
            return f"{checkout.url}&discount={code}"

        def check(self) -> Health:
            return Health(Identity("volume-shop"), time_zone="Europe/Berlin", locale="de-DE")

        def checkouts(self, cursor: str | None, since: datetime) -> Iterator[Page[Checkout]]:
            now, found = world.clock(), list[Checkout]()
            for at, visit in world.traffic.until(now):
                if visit.what == "visit":
                    found.append(world.traffic.checkout(visit.number, at))
                else:
                    world.orders.append((at, visit))
                if len(found) == PAGE:
                    yield Page(tuple(found), now.isoformat(), now)
                    found = []
            yield Page(tuple(found), now.isoformat(), now)

        def orders(self, cursor: str | None, since: datetime) -> Iterator[Page[Order]]:
            now, waiting = world.clock(), world.orders
            while waiting:
                some, waiting[:] = waiting[:PAGE], waiting[PAGE:]
                yield Page(tuple(_order(world, at, visit) for at, visit in some), now.isoformat(), now)
            yield Page((), now.isoformat(), now)

        def visits(self, since: date) -> Sequence[Visits]:
            if world.traffic.stopped:
                return []
            return [Visits(world.clock().date(), world.traffic.per_day * 2, world.traffic.per_day, Source.LIST)]

    return Shop


def _order(world: World, at: datetime, visit: Visit) -> Order:
    return world.traffic.order(visit.number, at, visit.placed or at, visit.what == "refund")


def _crm(world: World) -> type[registry.Crm]:
    class Mail:
        name: ClassVar[str] = NAME
        title: ClassVar[str] = "a CRM without a network"
        capabilities: ClassVar[frozenset[Cap]] = frozenset({Cap.TAGS, Cap.FIELDS, Cap.CAMPAIGN, Cap.EXIT, Cap.BULK})
        rate: ClassVar[Rate] = Rate(per_second=100_000)
        batch: ClassVar[int] = 100
        exit_condition: ClassVar[str] = ""
        repeats: ClassVar[str] = ""
        Options: ClassVar[type[CrmOptions]] = CrmOptions

        def __init__(self, options: Any, http: Http) -> None:
            pass

        def check(self) -> Health:
            return Health(Identity("volume-mail"))

        def prepare(self, fields: Sequence[str], tags: Sequence[str]) -> None:
            pass

        def enrol(self, enrolment: Enrolment) -> Receipt:
            world.did["steps"] += 1
            if _is_one_in(12, enrolment.email):
                return Receipt(Outcome.NO_CONSENT, "this contact is not mailed")
            if _is_one_in(200, enrolment.key):
                raise _refusal(enrolment)
            return Receipt(detail="enrolled in the flow Abandoned cart", contact_id=enrolment.key)

        def enrol_many(self, enrolments: Sequence[Enrolment]) -> Sequence[Receipt | WinbackError]:
            return [self._answer(one) for one in enrolments]

        def _answer(self, enrolment: Enrolment) -> Receipt | WinbackError:
            try:
                return self.enrol(enrolment)
            except RejectedError as error:
                return error

        def refresh(self, enrolment: Enrolment) -> Receipt:
            world.did["refreshes"] += 1
            return Receipt()

        def withdraw(self, withdrawal: Withdrawal) -> None:
            world.did["withdrawals"] += 1

        def forget(self, email: str, *, permanently: bool) -> None:
            world.did["erasures"] += 1

    return Mail


def _is_one_in(many: int, text: str) -> bool:
    return zlib.crc32(text.encode()) % many == 0


def _refusal(enrolment: Enrolment) -> RejectedError:
    error = RejectedError("the CRM answered HTTP 422: a field is too long")
    error.exchange = f"POST /profiles\n{enrolment.fields}\n\nHTTP 422\n" + "it does not fit; " * 120
    return error


@contextmanager
def adapters(world: World) -> Iterator[None]:
    """Puts both on the registry's lists for a while."""
    registry.load()
    registry.PLATFORMS[NAME], registry.CRMS[NAME] = _platform(world), _crm(world)
    try:
        yield
    finally:
        del registry.PLATFORMS[NAME], registry.CRMS[NAME]
