"""What every store platform that makes coupons must do, against its own sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import cast

import pytest
from clock import Clock
from conformance_case import JANE, QUIET, Moody, Store, a_store, is_sentence

from connector.coupons import Coupons, Discount, Offer, code_for
from connector.engine.live_coupons import coupons_of
from connector.errors import ConfigError, TransientError
from connector.registry import PLATFORMS, Cap, load
from connector.sandbox import CouponStoreSandbox, Fault, Reply

load()
ABLE = sorted(name for name, cls in PLATFORMS.items() if Cap.COUPONS in cls.capabilities)
CODE = code_for(b"key", "jane")
DISCOUNTS = (Discount(percent=Decimal("12.5")), Discount(amount=Decimal("5.00")), Discount(free_shipping=True))
SECOND = timedelta(seconds=1)


@pytest.fixture(params=ABLE)
def able(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Store]:
    """A store whose owner lets Winback make coupons."""
    http = Moody()
    with a_store(request.param, clock, http) as made:
        shop(made).allow_coupons()
        yield made
    http.close()


def shop(store: Store) -> CouponStoreSandbox:
    """The store itself."""
    return cast(CouponStoreSandbox, store.sandbox)


def offer(store: Store, discount: Discount = DISCOUNTS[0], customer: str = "") -> Offer:
    """One for two days."""
    now = store.clock()
    return Offer(CODE, discount, now - timedelta(minutes=5), now + timedelta(hours=48), customer)


def coupons(store: Store) -> Coupons:
    """Those of a freshly opened adapter."""
    return coupons_of(store.adapter())


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_the_capability_and_the_methods_go_together(name: str) -> None:
    assert hasattr(PLATFORMS[name], "with_coupon") == (name in ABLE)


@pytest.mark.parametrize("discount", DISCOUNTS)
def test_a_coupon_is_made_found_and_deleted(able: Store, discount: Discount) -> None:
    desk, wanted = coupons(able), offer(able, discount)
    made = desk.make(wanted)
    assert made.expires_at is not None
    assert abs(made.expires_at - wanted.expires_at) <= SECOND
    assert made.code.upper() == CODE
    assert not made.used
    assert desk.find(CODE) is not None
    assert desk.find(CODE.lower()) is not None
    assert desk.find("BACK-NOSUCH") is None
    desk.delete(made.id)
    assert desk.find(CODE) is None


def test_the_same_code_gives_the_same_coupon_again(able: Store) -> None:
    first = coupons(able).make(offer(able))
    able.clock.advance(timedelta(hours=1))
    again = coupons(able).make(offer(able, DISCOUNTS[1]))
    assert (again.id, again.expires_at) == (first.id, first.expires_at)
    assert len(shop(able).coupons.made_ever) == 1


def test_a_code_is_free_again_when_its_coupon_was_deleted(able: Store) -> None:
    desk = coupons(able)
    desk.delete(desk.make(offer(able)).id)
    able.clock.advance(timedelta(hours=1))
    again = desk.make(offer(able))
    assert again.expires_at is not None
    assert again.expires_at - able.clock() > timedelta(hours=47)


def test_the_link_applies_it_once_and_until_it_expires(able: Store) -> None:
    left = able.sandbox.abandon(JANE)
    able.clock.advance(QUIET)
    checkout = able.checkouts().last(left)
    desk = coupons(able)
    desk.make(offer(able, customer=checkout.customer.id))
    link = PLATFORMS[able.name].with_coupon(checkout, CODE)  # type: ignore[attr-defined]
    assert shop(able).open_link(link) == CODE
    assert shop(able).open_link(checkout.url) == ""
    shop(able).buy(checkout_id=left, coupon=CODE)
    found = desk.find(CODE)
    assert found is not None
    assert found.used
    assert shop(able).open_link(link) == ""


def test_an_expired_one_applies_no_more(able: Store) -> None:
    left = able.sandbox.abandon(JANE)
    able.clock.advance(QUIET)
    checkout = able.checkouts().last(left)
    coupons(able).make(offer(able))
    able.clock.advance(timedelta(hours=48, seconds=2))
    link = PLATFORMS[able.name].with_coupon(checkout, CODE)  # type: ignore[attr-defined]
    assert shop(able).open_link(link) == ""
    with pytest.raises(ValueError, match="does not take"):
        shop(able).buy(checkout_id=left, coupon=CODE)


def test_another_code_takes_the_place_of_the_one_in_the_link(able: Store) -> None:
    left = able.sandbox.abandon(JANE)
    able.clock.advance(QUIET)
    with_coupon = PLATFORMS[able.name].with_coupon  # type: ignore[attr-defined]
    checkout = able.checkouts().last(left)
    link = with_coupon(checkout, CODE)
    assert link.count(CODE) == 1
    assert link.startswith(able.sandbox.server.url)


def test_a_missing_permission_is_for_the_owner_to_mend(able: Store, clock: Clock) -> None:
    http = Moody()
    with a_store(able.name, clock, http) as bare:
        desk = coupons(bare)
        with pytest.raises(ConfigError) as caught:
            desk.make(offer(bare))
        is_sentence(caught.value, bare.secrets())
        (finding,) = desk.check()
        is_sentence(finding.message, bare.secrets())
        assert finding.level == "error"
        assert not shop(bare).coupons.made_ever
    http.close()
    assert tuple(coupons(able).check()) == ()
    assert not shop(able).coupons.made_ever


@pytest.mark.parametrize("call", ["make", "find", "delete"])
def test_trouble_of_the_store_passes(able: Store, call: str) -> None:
    desk = coupons(able)
    made = None if call == "make" else desk.make(offer(able))
    calls: dict[str, Callable[[], object]] = {
        "make": lambda: desk.make(offer(able)),
        "find": lambda: desk.find(CODE),
        "delete": lambda: desk.delete(made.id if made else ""),
    }
    for fault in (
        Fault(Reply(500, {"message": "Internal error"})),
        Fault(Reply(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})),
        Fault(reset=True),
        Fault(truncate=3),
    ):
        able.sandbox.server.fault = lambda _, fault=fault: fault
        with pytest.raises(TransientError) as caught:
            calls[call]()
        is_sentence(caught.value, able.secrets())
    able.sandbox.server.fault = None
    assert len(shop(able).coupons.made_ever) <= 1


def test_deleting_twice_leaves_nothing(able: Store) -> None:
    desk = coupons(able)
    made = desk.make(offer(able))
    lost = Fault(reset=True, after_effect=True)
    able.sandbox.server.fault = lambda _: lost
    with pytest.raises(TransientError):
        desk.delete(made.id)
    able.sandbox.server.fault = None
    assert desk.find(CODE) is None
