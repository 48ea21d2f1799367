"""Coupons in steps: made when due and only then, shown as the store has them, and never twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from clock import Clock
from coupon_case import (
    ANN,
    BROKEN,
    FIELDS,
    LOST,
    STEPS,
    STORES,
    TEN,
    Failing,
    Make,
    ends_of,
    ever,
    rows,
    shop_of,
    steps,
    story,
    to_the_coupon,
)

from connector.engine import links, view
from connector.engine.deliver import recover
from connector.engine.live_coupons import coupons_of
from connector.registry import PLATFORMS
from connector.sandbox import Fault, Reply
from crm.sandbox import klaviyo


@pytest.mark.parametrize("store", STORES)
def test_a_coupon_is_made_when_its_step_is_due_and_shown_as_the_store_has_it(promising: Make, store: str) -> None:
    acme = promising()
    shop_of(acme, store).abandon(ANN)
    acme.after(minutes=46)
    acme.after(hours=22)
    assert ever(acme) == []
    acme.after(hours=1, minutes=16)
    (coupon,) = ever(acme)
    fields = acme.crm.fields(ANN)
    assert fields["CODE"] == coupon.code.upper()
    assert abs(ends_of(coupon) - acme.clock() - timedelta(hours=48)) < timedelta(seconds=2)
    # the store's own words, in its own zone: UTC+2, and New York
    assert fields["ENDS"] == {"woo": "March 5, 2026, 11:02\u202fAM", "shop": "5 March 2026, 04:02"}[store]
    assert shop_of(acme, store).open_link(fields["URL"]).upper() == fields["CODE"]
    assert steps(acme)[:2] == [(0, "done"), (1, "done")]
    assert f"coupon {fields['CODE']} made in {store}" in story(acme)


def test_the_coupon_is_for_one_use_and_tells_nobody_s_name(promising: Make) -> None:
    acme = promising()
    to_the_coupon(acme, "woo")
    (coupon,) = acme.woo.coupons.all()
    assert (coupon.kind, str(coupon.amount), coupon.limit, coupon.alone) == ("percent", "10", 1, True)
    assert coupon.emails == ()  # a link would drop it without a word
    assert "ann" not in f"{coupon.code} {coupon.description}".lower()


def test_shopify_binds_the_coupon_to_the_customer(promising: Make) -> None:
    acme = promising()
    checkout = to_the_coupon(acme, "shop")
    (coupon,) = acme.shop.coupons.all()
    assert len(coupon.customers) == 1
    with pytest.raises(ValueError, match="does not take the code"):
        acme.shop.buy(email="someone@example.com", coupon=coupon.code)
    acme.shop.buy(checkout_id=checkout, coupon=coupon.code)


@pytest.mark.parametrize(
    ("terms", "kind", "amount", "free"),
    [({"amount": "5.00"}, "fixed_cart", Decimal(5), False), ({"free_shipping": True}, "fixed_cart", Decimal(0), True)],
)
def test_an_amount_and_free_shipping(
    promising: Make, terms: dict[str, Any], kind: str, amount: Decimal, free: bool
) -> None:
    acme = promising(sequence=[{"after": "45m", "coupon": {**terms, "expires_in": "24h"}}])
    acme.woo.abandon(ANN)
    acme.shop.abandon("bob@example.com")
    acme.after(minutes=46)
    (ours,), (theirs,) = acme.woo.coupons.all(), acme.shop.coupons.all()
    assert (ours.kind, ours.amount, ours.free_shipping) == (kind, amount, free)
    assert theirs.kind == ("DiscountCodeFreeShipping" if free else "DiscountCodeBasic")
    if not free:
        assert theirs.sent["customerGets"]["value"] == {
            "discountAmount": {"amount": "5.00", "appliesOnEachItem": False}
        }


@pytest.mark.parametrize("store", STORES)
def test_several_crms_share_one_coupon(promising: Make, clock: Clock, store: str) -> None:
    other = klaviyo.serve(clock=clock)
    try:
        acme = promising()
        crms = [*acme.config["crms"], {"id": "second", **other.options()}]
        acme.restart(crms=crms)
        to_the_coupon(acme, store)
        (coupon,) = ever(acme)
        assert [each.fields(ANN)["CODE"] for each in (acme.crm, other)] == [coupon.code.upper()] * 2
    finally:
        other.server.close()


@pytest.mark.parametrize("store", STORES)
def test_a_coupon_whose_answer_was_lost_is_found_again(promising: Make, store: str) -> None:
    acme = promising()
    failing = shop_of(acme, store).server.fault = Failing(LOST, "make", times=9)
    to_the_coupon(acme, store)
    assert failing.hits
    assert steps(acme) == [(0, "done"), (1, "pending")]
    assert "waiting" not in str(acme.states(ANN))  # it was enrolled by its first step
    assert view.deliveries(acme.ctx, acme.client)[0]["reason"].startswith("coupon: ")
    shop_of(acme, store).server.fault = None
    acme.after(minutes=2)
    (coupon,) = ever(acme)
    assert acme.crm.fields(ANN)["CODE"] == coupon.code.upper()
    assert steps(acme)[1] == (1, "done")


@pytest.mark.parametrize("store", STORES)
def test_while_the_store_makes_none_only_the_steps_with_a_coupon_wait(promising: Make, store: str) -> None:
    acme = promising()
    shop_of(acme, store).server.fault = Failing(BROKEN, "make", times=99)
    to_the_coupon(acme, store)
    shop_of(acme, store).abandon("eve@example.com")
    report = acme.after(minutes=46)
    assert steps(acme, "eve@example.com")[0] == (0, "done")
    assert steps(acme)[1] == (1, "pending")
    assert "HTTP 500" in report.errors[f"acme/{store}"]
    for _ in range(14):
        acme.after(hours=1)
    assert steps(acme)[1] == (1, "too_late")
    shop_of(acme, store).server.fault = None
    acme.after(minutes=30)
    acme.after(minutes=11)
    assert (ever(acme), rows(acme)) == ([], [])


def test_a_crm_that_heard_of_nothing_is_told_of_no_purchase(promising: Make) -> None:
    acme = promising(sequence=[{"after": "45m", "coupon": TEN}])
    acme.woo.server.fault = Failing(BROKEN, "make", times=99)
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=46)
    (step,) = view.leads(acme.ctx, acme.client, email=ANN)[0]["steps"]
    assert (step["state"], step["attempts"]) == ("pending", 0)
    assert acme.states(ANN) == [("waiting", "coupon")]
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=2)
    assert [row["kind"] for row in view.deliveries(acme.ctx, acme.client, everything=True)] == ["enrol"]
    assert acme.states(ANN) == [("self_recovered", "R7")]


@pytest.mark.parametrize("store", STORES)
def test_a_missing_permission_pauses_the_steps_with_coupons_and_says_what_to_do(promising: Make, store: str) -> None:
    acme = promising()
    acme.woo.key.permissions = "read"
    acme.shop.scopes.discard("write_discounts")
    to_the_coupon(acme, store)
    assert steps(acme) == [(0, "done"), (1, "pending")]
    (alert,) = acme.alerts
    assert alert.startswith(f"acme/{store}: ")
    assert ("Read/Write" if store == "woo" else "lacks the scope write_discounts") in alert
    assert "the others go on" in alert
    for each in (acme.woo, acme.shop):
        each.allow_coupons()
    acme.after(minutes=16)
    assert steps(acme)[1] == (1, "done")
    assert len(ever(acme)) == 1
    assert len(acme.alerts) == 1


def test_no_second_coupon_in_ninety_days_and_the_step_after_it_keeps_its_distance(promising: Make) -> None:
    acme = promising()
    to_the_coupon(acme, "woo")
    acme.after(days=8)
    to_the_coupon(acme, "shop")
    assert len(ever(acme)) == 1
    found = view.leads(acme.ctx, acme.client, email=ANN)[0]["steps"]
    assert [(one["index"], one["state"]) for one in found] == [(0, "done"), (1, "filtered"), (2, "pending")]
    assert found[1]["error"] == "this step promises a coupon, and the shopper had one within 90 days"
    acme.after(hours=47)
    acme.after(hours=2)
    assert [one["state"] for one in view.leads(acme.ctx, acme.client, email=ANN)[0]["steps"]][2] == "done"
    acme.after(days=81)
    to_the_coupon(acme, "woo")
    assert len(ever(acme)) == 2


def test_a_lead_whose_only_step_is_left_out_is_filtered(promising: Make) -> None:
    acme = promising(sequence=[{"after": "45m", "coupon": TEN}])
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.after(days=8)
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    assert acme.states(ANN)[0] == ("filtered", "coupon")
    assert acme.effects() == [ANN]


@pytest.mark.parametrize("store", STORES)
def test_a_crm_that_is_away_long_gets_a_coupon_that_is_still_good(promising: Make, store: str) -> None:
    acme = promising(sequence=[{"after": "45m"}, {**STEPS[1], "coupon": {"percent": 10, "expires_in": "2h"}}])
    shop_of(acme, store).abandon(ANN)
    acme.after(minutes=46)
    acme.crm.server.fault = lambda _: Fault(reply=Reply(503, b""))
    acme.after(hours=23, minutes=16)
    acme.after(hours=7)
    acme.crm.server.fault = None
    acme.after(minutes=20)
    assert steps(acme)[1] == (1, "done")
    (coupon,) = shop_of(acme, store).coupons.all()
    assert ends_of(coupon) - acme.clock() > timedelta(hours=1)
    assert acme.crm.fields(ANN)["CODE"] == coupon.code.upper()


def test_the_links_and_the_later_fields_keep_the_coupon_while_it_is_good(promising: Make) -> None:
    acme = promising(crms=[])
    acme.restart(crms=[{"id": "mail", **acme.crm.options(), "fields": FIELDS}])
    acme.ctx.settings = acme.ctx.settings.model_copy(update={"public_url": "https://mail.example"})
    checkout = to_the_coupon(acme, "woo")
    code = acme.crm.fields(ANN)["CODE"]
    (row,) = rows(acme)
    token = links.short_url(acme.ctx, "acme", row.shopper, "x").rpartition("/")[2]
    assert acme.woo.open_link(str(links.resolve(acme.ctx, token))) == code
    acme.woo.touch(checkout, quantity=3)
    acme.after(minutes=1)  # the refresh (R6)
    fields = acme.crm.fields(ANN)
    assert fields["CODE"] == code
    assert acme.woo.open_link(fields["URL"]) == code
    acme.after(hours=49)
    assert acme.woo.open_link(str(links.resolve(acme.ctx, token))) == ""
    assert "coupon" not in str(links.resolve(acme.ctx, token))


def test_what_was_under_way_when_the_process_died_uses_the_coupon_that_is_there(promising: Make) -> None:
    acme = promising()
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.crm.server.fault = lambda request: Fault(reset=True) if request.method == "POST" else None
    acme.after(hours=23, minutes=16)
    acme.crm.server.fault = None
    acme.restart()
    recover(acme.ctx)
    acme.after(minutes=16)
    assert steps(acme)[1] == (1, "done")
    assert len(ever(acme)) == 1


@pytest.mark.parametrize("store", STORES)
def test_check_asks_without_making_any(promising: Make, store: str) -> None:
    acme = promising()
    options = acme.client.config.store(store)
    coupons = coupons_of(PLATFORMS[options.platform](options, acme.ctx.http))
    assert coupons.check() == ()
    acme.woo.key.permissions = "read"
    acme.shop.scopes.discard("write_discounts")
    (finding,) = coupons.check()
    assert finding.level == "error"
    assert ("Read/Write" if store == "woo" else "write_discounts") in finding.message
    acme.woo.key.permissions, acme.woo.coupons.switched_on = "read_write", False
    if store == "woo":
        assert "switched off" in coupons.check()[0].message
    assert ever(acme) == []
