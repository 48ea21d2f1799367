"""How orders end a checkout, whatever the gateway."""

from __future__ import annotations

import pytest
from wordpress import WordPress


@pytest.mark.parametrize("checkout", ["block", "classic"])
@pytest.mark.parametrize(
    ("then", "status", "stage"),
    [
        ("processing", "completed", "payment"),
        ("completed", "completed", "payment"),
        ("on-hold", "completed", "payment"),
        ("awaiting-shipment", "completed", "payment"),
        ("failed", "open", "payment_failed"),
        ("", "ordered", "payment"),
    ],
)
def test_every_kind_of_gateway(site: WordPress, checkout: str, then: str, status: str, stage: str) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    order = shopper.act("order", email="ann@example.com", then=then, checkout=checkout)
    found = site.one()
    assert (found["status"], found["stage"], found["order_id"]) == (status, stage, order["id"])
    assert found["order_status"] == (then or "pending")
    assert (found["completed_at"] is not None) == (status == "completed")
    assert order["meta"] == {"_wc_winback_checkout": found["token"]}


def test_an_order_without_a_captured_checkout_makes_one(site: WordPress) -> None:
    site.shopper(11).act("order", email="quick@example.com", then="failed")
    assert (site.one()["email"], site.one()["stage"]) == ("quick@example.com", "payment_failed")


def test_a_failed_payment_tried_again(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    order = shopper.act("order", email="ann@example.com", then="failed")["id"]
    shopper.act("order", email="ann@example.com", retry=order)
    assert (site.one()["status"], site.one()["stage"]) == ("ordered", "payment")
    shopper.act("status", order=order, to="processing")
    assert (site.one()["status"], site.one()["order_id"]) == ("completed", order)


def test_an_off_site_payment_that_the_gateway_reports_later(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    order = shopper.act("order", email="ann@example.com")["id"]
    site.browser().act("status", order=order, to="processing")
    assert site.one()["status"] == "completed"
    shopper.type("ann@example.com", first_name="Ann")  # not on the thank-you page yet: the cart is still full
    shopper.act("add", product=12)
    assert site.one()["status"] == "completed"


def test_a_shopper_back_from_the_gateway_who_changes_the_cart_is_open_again(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    shopper.act("order", email="ann@example.com")
    shopper.get("/checkout/")
    assert site.one()["status"] == "ordered"
    shopper.act("add", product=12)
    assert site.one()["status"] == "open"


def test_an_unpaid_order_that_is_cancelled_is_abandoned(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    order = shopper.act("order", email="ann@example.com")["id"]
    site.browser().act("status", order=order, to="cancelled")
    assert (site.one()["status"], site.one()["order_status"]) == ("open", "cancelled")


@pytest.mark.parametrize("to", ["cancelled", "refunded", "pending"])
def test_a_buyer_is_never_open_again_by_staff(site: WordPress, to: str) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    order = shopper.act("order", email="ann@example.com", then="processing")["id"]
    site.browser().act("status", order=order, to=to)
    assert (site.one()["status"], site.one()["order_status"]) == ("completed", to)


def test_a_direct_debit_that_bounces_is_open_again(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    order = shopper.act("order", email="ann@example.com", then="on-hold")["id"]
    site.browser().act("status", order=order, to="failed")
    found = site.one()
    assert (found["status"], found["stage"], found["completed_at"]) == ("open", "payment_failed", None)


def test_orders_of_others_change_nothing(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    other = site.shopper(12).act("order", email="bob@example.com", then="processing")["id"]
    site.browser().act("status", order=other, to="completed")
    assert {found["email"]: found["status"] for found in site.checkouts()} == {
        "ann@example.com": "open",
        "bob@example.com": "completed",
    }
