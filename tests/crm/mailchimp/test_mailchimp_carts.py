"""Which native cart is whose in Mailchimp: one for each lead, the same whatever it shows, and gone with it."""

from __future__ import annotations

from dataclasses import replace

from mailchimp_case import EMAIL, URL, Make, checkout, line, order, withdrawal

from connector.model import LeadId
from connector.sandbox import Fault
from crm.sandbox._mailchimp_wire import problem
from crm.sandbox.mailchimp import AUDIENCE

BOB = "bob@example.com"
OWN, SHOWN = checkout().id, "gid://shopify/AbandonedCheckout/2"


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


def test_another_checkout_changes_the_leads_cart_and_makes_no_second_one(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    newer = checkout(line("12", quantity=2), id=SHOWN, url=URL + "&n=2")
    for deliver in (at.crm.refresh, at.crm.enrol):
        deliver(at.enrolment(checkout=newer, made_by=OWN))
        (cart,) = at.sandbox.carts(EMAIL)
        assert (cart["checkout_url"], cart["order_total"]) == (URL + "&n=2", 98.0)
    assert at.count() == 1
    at.crm.withdraw(withdrawal(order=order()))
    assert at.sandbox.carts(EMAIL) == []


def test_a_step_that_was_repeated_brings_the_cart_up_to_date(make: Make) -> None:
    """Its answer was lost, and the shopper went on meanwhile."""
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    at.crm.enrol(at.enrolment(checkout=checkout(line("11", quantity=3)), repeated=True))
    (cart,) = at.sandbox.carts(EMAIL)
    assert ([row["quantity"] for row in cart["lines"]], at.count()) == ([3], 1)


def test_a_new_lead_takes_the_carts_of_the_former_ones_away(make: Make) -> None:
    at = make("native_cart")
    first = at.enrolment()
    second = at.enrolment(checkout=checkout(id="b"), generation=2)
    for each in (first, second):  # the second while nobody told of the first
        at.crm.enrol(each)
    at.crm.enrol(at.enrolment(checkout=checkout(id="c"), generation=3, former=(second.lead, first.lead)))
    assert (at.count(), at.count("withdrawn"), len(at.sandbox.carts(EMAIL))) == (3, 2, 1)


def test_a_withdrawal_deletes_the_carts_of_all_its_leads(make: Make) -> None:
    """The latest lead never came to Mailchimp: the order is told with what the earlier one's cart holds."""
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    at.crm.withdraw(withdrawal(checkout_id="b", generation=2, former=(at.enrolment().lead,), order=order()))
    shop = at.sandbox.commerce.shops[f"winback-{AUDIENCE}"]
    assert (at.sandbox.carts(EMAIL), len(shop.orders)) == ([], 1)


def test_a_cart_that_an_earlier_winback_named_after_what_it_showed_is_the_leads(make: Make) -> None:
    at = make("native_cart")
    shown = checkout(id=SHOWN)
    at.crm.enrol(at.enrolment(checkout=shown))  # as it did: whatever the lead's own checkout was
    newer = replace(shown, url=URL + "&n=2")
    for deliver in (at.crm.enrol, at.crm.refresh):
        deliver(at.enrolment(checkout=newer, made_by=OWN))
    (cart,) = at.sandbox.carts(EMAIL)
    assert (cart["checkout_url"], at.count()) == (URL + "&n=2", 1)
    at.crm.withdraw(withdrawal(former=(LeadId("acme-shop", SHOWN, 1),)))
    assert at.sandbox.carts(EMAIL) == []


def test_a_refresh_after_the_withdrawal_makes_no_cart(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    at.crm.withdraw(withdrawal(order=order()))
    at.crm.refresh(at.enrolment(checkout=checkout(id=SHOWN), made_by=OWN))
    assert (at.sandbox.carts(EMAIL), at.count()) == ([], 1)


def test_a_sister_stores_product_with_the_same_id_is_another_product(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    course = checkout(replace(line("11"), title="Course"), id=SHOWN)
    at.crm.refresh(at.enrolment(checkout=course, made_by=OWN, shown_store="acme-courses"))
    products = at.sandbox.commerce.shops[f"winback-{AUDIENCE}"].products
    titles = [variant["title"] for variants in products.values() for variant in variants.values()]
    assert titles == ["Yearly", "Course"]
    (cart,) = at.sandbox.carts(EMAIL)
    assert [row["product_id"] for row in cart["lines"]] == ["acme-courses_11"]


def test_a_line_that_mailchimp_does_not_delete_holds_nothing_up(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment(checkout=checkout(line("11"), line("12"))))
    said = problem(400, "Bad Request", "In order to delete this line item, delete the parent resource.")
    at.sandbox.server.fault = lambda r: Fault(said) if r.method == "DELETE" and "/lines/" in r.path else None
    for deliver in (at.crm.refresh, at.crm.enrol):
        deliver(at.enrolment(checkout=checkout(line("13"), url=URL + "&n=2")))
    (cart,) = at.sandbox.carts(EMAIL)
    rows = [row["product_id"] for row in cart["lines"]]
    assert (rows, cart["checkout_url"], at.count()) == (["acme-shop_13", "acme-shop_12"], URL + "&n=2", 1)
