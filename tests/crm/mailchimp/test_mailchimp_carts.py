"""Which native cart is whose in Mailchimp: one for each lead, the same whatever it shows, and gone with it."""

from __future__ import annotations

from mailchimp_case import EMAIL, Make, checkout, order, withdrawal

from crm.sandbox.mailchimp import AUDIENCE

BOB = "bob@example.com"


def test_forget_deletes_every_cart_of_the_address_among_thousands(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment(email=BOB))
    shop = at.sandbox.commerce.shops[f"winback-{AUDIENCE}"]
    (cart,) = shop.carts.values()
    shop.carts.update({f"of-bob-{n}": {**cart, "id": f"of-bob-{n}"} for n in range(1500)})
    for n in ("1", "2"):
        at.crm.enrol(at.enrolment(checkout=checkout(id=n)))
    at.crm.forget(EMAIL, permanently=False)
    assert (at.sandbox.carts(EMAIL), at.count("withdrawn")) == ([], 2)
    assert len(at.sandbox.carts(BOB)) == 1501
    assert len(at.sent("GET", "/carts")) == 2


def test_a_withdrawal_after_an_erasure_brings_nothing_back(make: Make) -> None:
    """It was refused or late, and the erasure overtook it."""
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    at.crm.forget(EMAIL, permanently=False)
    at.crm.withdraw(withdrawal(order=order()))
    shop = at.sandbox.commerce.shops[f"winback-{AUDIENCE}"]
    assert (shop.carts, shop.orders, shop.customers) == ({}, {}, {})
    assert at.sandbox.status(EMAIL) == "archived"
