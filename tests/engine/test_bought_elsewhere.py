"""R7: whatever tells that a shopper bought ends all that they had begun before, in the other checkouts too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from pushed_world import PushedWorld, pushed_world

ANN = "ann@example.com"
TWO_STEPS = [{"after": "45m"}, {"after": "24h", "tags": ["second"]}]
NO_ORDERS = {"orders": "none", "i_accept": "Winback cannot see purchases of this site"}


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[PushedWorld]:
    with pushed_world(tmp_path, database_url, clock, sequence=TWO_STEPS) as made:
        yield made


def begins_another(acme: PushedWorld, *, told: bool) -> str:
    """Ann's second checkout, which the site tells at once or not yet."""
    tell = acme.site._tell_checkout
    if not told:
        acme.site._tell_checkout = lambda _: None
    made: str = acme.site.abandon(ANN)
    acme.site._tell_checkout = tell
    return made


def completes(acme: PushedWorld, checkout: str) -> None:
    """The site tells that a checkout was completed."""
    acme.site._checkouts[checkout].update(updated_at=stamp(acme), completed_at=stamp(acme))
    acme.site._tell_checkout(checkout)


def orders(acme: PushedWorld, **keys: Any) -> None:
    """The site tells an order with another address."""
    at = stamp(acme)
    order = {"id": "77", "status": "paid", "purchase": True, "created_at": at, "updated_at": at, "placed_at": at}
    order |= {"currency": "EUR", "total": "49.00", "email": "ann.work@example.com", **keys}
    assert acme.site.post("orders", {"orders": [order], "complete_through": at}).status == 200


def stamp(acme: PushedWorld) -> str:
    return acme.clock().strftime("%Y-%m-%dT%H:%M:%SZ")


def is_let_go(acme: PushedWorld) -> bool:
    """A day later: one step only, and then taken out."""
    for hours in (0, 25, 1):
        acme.after(hours=hours, minutes=1)
    return acme.effects() == acme.effects("withdrawn") == [ANN]


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("back", [False, True], ids=["", "back in the first"])
def test_bought_in_another_checkout_with_another_address(
    acme: PushedWorld, clock: Clock, told: bool, back: bool
) -> None:
    first = acme.site.abandon(ANN)
    acme.after(hours=1)
    second = begins_another(acme, told=told)
    clock.advance(timedelta(minutes=5))
    if back:
        acme.site.touch(first, quantity=3)
    orders(acme, checkout_id=second)
    completes(acme, second)
    assert is_let_go(acme)
    assert sorted(row["state"] for row in acme.leads()) == ["recovered", "self_recovered"]


@pytest.mark.parametrize("told", [False, True])
def test_a_site_without_orders_tells_that_another_checkout_was_completed(
    tmp_path: Path, sqlite_url: str, clock: Clock, told: bool
) -> None:
    with pushed_world(tmp_path, sqlite_url, clock, keys=NO_ORDERS, sequence=TWO_STEPS) as acme:
        acme.site.abandon(ANN)
        acme.after(hours=1)
        second = begins_another(acme, told=told)
        clock.advance(timedelta(minutes=5))
        completes(acme, second)
        assert is_let_go(acme)


def test_what_was_left_before_the_purchase_makes_no_lead_after_it(acme: PushedWorld, clock: Clock) -> None:
    second = begins_another(acme, told=False)
    clock.advance(timedelta(minutes=5))
    acme.site.abandon(ANN)
    clock.advance(timedelta(minutes=5))
    orders(acme, checkout_id=second)
    completes(acme, second)
    for hours in (0, 1, 25):
        acme.after(hours=hours, minutes=1)
    assert acme.effects() == []
    assert {row["state"] for row in acme.leads()} == {"self_recovered"}


def test_a_cancelled_order_of_another_checkout_ends_nothing(acme: PushedWorld, clock: Clock) -> None:
    second = begins_another(acme, told=False)
    clock.advance(timedelta(minutes=5))
    orders(acme, checkout_id=second, status="cancelled", purchase=False)
    acme.site.abandon(ANN)
    for hours in (0, 1, 25):
        acme.after(hours=hours, minutes=1)
    assert acme.effects() == [ANN, ANN]


def test_the_checkout_said_which_order_it_is(acme: PushedWorld) -> None:
    one = acme.site.abandon(ANN)
    acme.site._checkouts[one]["order_id"] = "77"
    acme.site._tell_checkout(one)
    acme.after(hours=1)
    orders(acme)
    assert is_let_go(acme)
    assert [row["state"] for row in acme.leads()] == ["recovered"]
