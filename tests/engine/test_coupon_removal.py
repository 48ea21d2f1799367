"""Coupons that nobody used are deleted, whatever ended their lead; a used one stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from coupon_case import (
    ANN,
    BROKEN,
    LOST,
    STORES,
    Failing,
    Make,
    codes,
    ever,
    rows,
    shop_of,
    steps,
    story,
    to_the_coupon,
)
from world import World

from connector.engine import hand
from connector.sandbox import Fault, Reply


@pytest.mark.parametrize("store", STORES)
def test_an_unused_coupon_is_deleted_when_it_expired_and_a_used_one_stays(promising: Make, store: str) -> None:
    acme = promising()
    checkout = to_the_coupon(acme, store)
    to_the_coupon(acme, store, "eve@example.com")
    (first, second) = codes(acme, store)
    shop_of(acme, store).buy(checkout_id=checkout, coupon=first)
    acme.after(minutes=1)
    acme.after(minutes=11)
    assert codes(acme, store) == [first, second]
    acme.after(hours=48)
    acme.after(minutes=11)
    assert codes(acme, store) == [first]
    assert f"coupon {first} was used" in story(acme)
    assert f"unused coupon {second} deleted" in story(acme, "eve@example.com")


def bought_without(acme: World, checkout: str, store: str) -> None:
    shop_of(acme, store).buy(checkout_id=checkout)


def deleted_by_hand(acme: World, checkout: str, store: str) -> None:
    hand.remove(acme.ctx, acme.client, ANN)


def suppressed(acme: World, checkout: str, store: str) -> None:
    hand.suppress(acme.ctx, acme.client, ANN)


def forgotten(acme: World, checkout: str, store: str) -> None:
    hand.forget(acme.ctx, acme.client, ANN)


def corrected(acme: World, checkout: str, store: str) -> None:
    shop_of(acme, store).touch(checkout, email="anne@example.com")


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("end", [bought_without, deleted_by_hand, suppressed, forgotten, corrected])
def test_the_coupon_goes_with_its_lead(promising: Make, store: str, end: Callable[[World, str, str], None]) -> None:
    acme = promising()
    checkout = to_the_coupon(acme, store)
    acme.clock.advance(timedelta(minutes=5))
    end(acme, checkout, store)
    acme.clock.advance(timedelta(minutes=11))  # when a checkout is listed
    acme.sync()
    acme.after(minutes=11)
    assert codes(acme, store) == []
    kept = [row.shopper for row in rows(acme)]
    assert kept == [] or end is not forgotten
    assert len(ever(acme)) == 1


@pytest.mark.parametrize("store", STORES)
def test_deleting_is_tried_until_it_worked(promising: Make, store: str) -> None:
    acme = promising()
    checkout = to_the_coupon(acme, store)
    bought_without(acme, checkout, store)
    acme.after(minutes=1)
    shop_of(acme, store).server.fault = Failing(BROKEN, "delete", times=99)
    assert "could not be deleted" in acme.after(minutes=11).errors[f"acme/{store}"]
    acme.after(hours=3)
    shop_of(acme, store).server.fault = Failing(LOST, "delete", times=2)
    acme.after(minutes=10)
    acme.after(hours=7)
    shop_of(acme, store).server.fault = None
    acme.after(hours=7)
    assert codes(acme, store) == []
    assert [row.state for row in rows(acme)] == ["gone"]


@pytest.mark.parametrize("store", STORES)
def test_a_step_that_the_crm_refuses_for_good_leaves_no_coupon(promising: Make, store: str) -> None:
    acme = promising()
    shop_of(acme, store).abandon(ANN)
    acme.after(minutes=46)
    refuse = Fault(reply=Reply(400, {"errors": [{"detail": "No.", "code": "invalid"}]}))
    acme.crm.server.fault = lambda request: refuse if request.method == "POST" else None
    acme.after(hours=23, minutes=16)
    assert len(ever(acme)) == 1
    assert steps(acme)[1] == (1, "failed")
    acme.after(minutes=1)
    acme.after(minutes=11)
    assert codes(acme, store) == []
    acme.crm.server.fault = None
    hand.retry(acme.ctx, acme.client)
    acme.after(minutes=1)
    assert steps(acme)[1] == (1, "done")
    assert codes(acme, store) == [acme.crm.fields(ANN)["CODE"]]


@pytest.mark.parametrize("store", STORES)
def test_a_purchase_before_the_crm_hears_of_it_takes_the_coupon_back(promising: Make, store: str) -> None:
    acme = promising()
    checkout = shop_of(acme, store).abandon(ANN)
    acme.after(minutes=46)
    acme.crm.server.fault = lambda _: Fault(reply=Reply(503, b""))
    acme.after(hours=23, minutes=16)
    assert len(codes(acme, store)) == 1
    shop_of(acme, store).buy(checkout_id=checkout)
    acme.crm.server.fault = None
    acme.after(minutes=16)
    acme.after(minutes=11)
    assert steps(acme) == [(0, "done"), (1, "cancelled")]
    assert codes(acme, store) == []
    assert "CODE" not in acme.crm.fields(ANN)
