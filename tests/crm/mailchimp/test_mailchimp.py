"""The Mailchimp adapter over real sockets: who is mailed, who is left alone, and what is written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clock import Clock
from mailchimp_case import EMAIL, URL, Make, checkout, line, order, withdrawal

from connector.errors import ConfigError, RejectedError, TransientError
from connector.model import Outcome
from connector.registry import CRMS, Crm
from connector.sandbox import CrmSandbox, Fault, Reply
from crm.sandbox._mailchimp_wire import problem
from crm.sandbox.mailchimp import AUDIENCE, FLOW_TAG

LONG_URL = "https://shop.example/checkouts/" + "k" * 300
SHORT = "https://leads.acme.example/r/tok"


def test_adapter_and_sandbox_are_what_the_registry_expects(make: Make) -> None:
    at = make()
    crm: Crm = at.crm
    sandbox: CrmSandbox = at.sandbox
    assert CRMS["mailchimp"] is type(crm)
    assert sandbox.options()["adapter"] == crm.name


@pytest.mark.parametrize("path", ["journey", "tag", "event", "native_cart"])
def test_a_new_opted_in_shopper_is_subscribed_and_mailed_once(make: Make, path: str) -> None:
    at = make(path)
    receipt = at.crm.enrol(at.enrolment())
    assert receipt.outcome is Outcome.ENROLLED
    assert receipt.contact_id
    assert at.sandbox.status(EMAIL) == "subscribed"
    assert at.count() == 1
    assert at.sandbox.tags(EMAIL) == {FLOW_TAG}
    assert at.sandbox.fields(EMAIL) == {"MEMBERSHIP": "Gold", "CHECKOUT": URL}


@pytest.mark.parametrize("path", ["journey", "tag", "event"])
def test_a_new_shopper_who_did_not_opt_in_is_not_even_written(make: Make, path: str) -> None:
    at = make(path)
    receipt = at.crm.enrol(at.enrolment(may_subscribe=False))
    assert receipt.outcome is Outcome.NO_CONSENT
    assert "Mailchimp will not mail this contact" in receipt.detail
    assert at.sandbox.status(EMAIL) == ""
    assert [row.request.method for row in at.sandbox.server.journal] == ["GET", "GET"]


def test_the_native_cart_mails_who_did_not_opt_in_without_subscribing_them(make: Make) -> None:
    at = make("native_cart")
    assert at.crm.enrol(at.enrolment(may_subscribe=False)).outcome is Outcome.ENROLLED
    assert at.sandbox.status(EMAIL) == "transactional"
    assert at.count() == 1


def test_the_native_cart_never_subscribes_a_transactional_contact(make: Make) -> None:
    at = make("native_cart")
    at.sandbox.add(EMAIL, "transactional")
    at.crm.enrol(at.enrolment(may_subscribe=True))
    assert at.sandbox.status(EMAIL) == "transactional"


@pytest.mark.parametrize("path", ["journey", "tag", "event", "native_cart"])
@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "archived", "pending"])
def test_existing_contacts_keep_their_status_and_get_nothing(make: Make, path: str, status: str) -> None:
    at = make(path)
    at.sandbox.add(EMAIL, status)
    assert at.crm.enrol(at.enrolment()).outcome is Outcome.NO_CONSENT
    assert at.crm.refresh(at.enrolment()).outcome is Outcome.NO_CONSENT
    assert at.sandbox.status(EMAIL) == status
    assert at.sandbox.tags(EMAIL) == set()
    assert {row.request.method for row in at.sandbox.server.journal} == {"GET"}
    assert at.sandbox.effects == []


@pytest.mark.parametrize("path", ["journey", "tag", "event"])
def test_an_existing_non_subscriber_gets_no_tags_and_no_journey(make: Make, path: str) -> None:
    at = make(path)
    at.sandbox.add(EMAIL, "transactional")
    receipt = at.crm.enrol(at.enrolment())
    assert (receipt.outcome, at.sandbox.tags(EMAIL)) == (Outcome.NO_CONSENT, set())


def test_no_request_ever_holds_a_status_but_for_new_contacts(make: Make) -> None:
    at = make("native_cart")
    for known in ("", "subscribed", "transactional"):
        if known:
            at.sandbox.add(EMAIL, known)
        at.crm.enrol(at.enrolment())
        at.crm.refresh(at.enrolment())
    bodies = [row.request.json() for row in at.sandbox.server.journal if row.request.body]
    members = [body for body in bodies if "merge_fields" in body]
    assert len(members) >= 5
    assert not any("status" in body for body in members)
    assert not any(body.get("customer", {}).get("opt_in_status") for body in bodies)


def test_double_opt_in_asks_the_shopper_first(make: Make) -> None:
    at = make("journey", double_optin=True)
    receipt = at.crm.enrol(at.enrolment())
    assert (receipt.outcome, at.sandbox.status(EMAIL)) == (Outcome.NO_CONSENT, "pending")
    assert "confirmed" in receipt.detail
    assert (at.count(), at.sandbox.tags(EMAIL)) == (0, set())


def test_double_opt_in_sends_no_second_mail_beside_the_native_cart(make: Make) -> None:
    at = make("native_cart", double_optin=True)
    at.crm.enrol(at.enrolment())
    assert (at.sandbox.status(EMAIL), at.count()) == ("transactional", 1)


@pytest.mark.parametrize("path", ["journey", "tag", "event", "native_cart"])
def test_a_revisit_triggers_again_once(make: Make, path: str) -> None:
    clock = Clock()
    at = make(path, clock=clock)
    at.crm.enrol(at.enrolment())
    now = clock.advance(timedelta(days=8))
    again = {"generation": 2, "lead_at": now, "at": now, "key": "acme/jane/c1/2/0", "former": (at.enrolment().lead,)}
    at.crm.enrol(at.enrolment(**again))
    assert at.count() == 2
    assert at.sandbox.tags(EMAIL) == {FLOW_TAG}
    assert len(at.sandbox.carts(EMAIL)) == (1 if path == "native_cart" else 0)


def test_a_later_step_of_a_revisit_does_not_start_the_shared_tag_again(make: Make) -> None:
    clock = Clock()
    at = make("tag", clock=clock)
    at.crm.enrol(at.enrolment())
    now = clock.advance(timedelta(days=8))
    at.crm.enrol(at.enrolment(generation=2, lead_at=now))
    clock.advance(timedelta(days=1))
    at.crm.enrol(at.enrolment(generation=2, lead_at=now, step=1, tags=(FLOW_TAG, "second-mail")))
    assert at.count() == 2
    assert at.sandbox.tags(EMAIL) == {FLOW_TAG, "second-mail"}


def test_refresh_writes_fields_and_starts_nothing(make: Make) -> None:
    at = make("tag")
    at.crm.enrol(at.enrolment())
    assert at.crm.refresh(at.enrolment(fields={"MEMBERSHIP": "Silver"})).outcome is Outcome.ENROLLED
    assert at.sandbox.fields(EMAIL)["MEMBERSHIP"] == "Silver"
    assert [effect.what for effect in at.sandbox.effects] == ["enrolled", "refreshed"]


def test_refresh_of_nobody_writes_nothing(make: Make) -> None:
    at = make("native_cart")
    at.crm.refresh(at.enrolment())
    assert (at.sandbox.status(EMAIL), at.sandbox.effects) == ("", [])


def test_refresh_brings_the_cart_up_to_date(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment(checkout=checkout(line("11"), line("12"))))
    for lines in ((line("11", quantity=3),), (line("13"), line("11"), line("14", price="5.50"))):
        at.crm.refresh(at.enrolment(checkout=checkout(*lines, url=URL + "&n=2")))
        (cart,) = at.sandbox.carts(EMAIL)
        rows = [(row["product_id"], row["quantity"], row["price"]) for row in cart["lines"]]
        assert rows == [
            (f"acme-shop_{each.product_id}", each.quantity, float(each.price.amount)) for each in lines if each.price
        ]
    assert (cart["checkout_url"], cart["order_total"]) == (URL + "&n=2", 103.5)
    assert at.count() == 1


def test_withdraw_takes_tags_off_and_adds_others(make: Make) -> None:
    at = make("tag")
    at.crm.enrol(at.enrolment(tags=(FLOW_TAG, "gold")))
    gone = withdrawal(tags=(FLOW_TAG, "gold"), add_tags=("customer",), order=order())
    for _ in range(2):
        at.crm.withdraw(gone)
        assert at.sandbox.tags(EMAIL) == {"customer"}
    assert at.count("withdrawn") == 2  # one for each tag, in the first round


@pytest.mark.parametrize("reason", ["bought", "expired", "superseded", "deleted"])
def test_withdraw_deletes_the_cart_for_every_reason(make: Make, reason: str) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    for _ in range(2):
        at.crm.withdraw(withdrawal(reason=reason, order=order() if reason == "bought" else None))
        assert at.sandbox.carts(EMAIL) == []
    shop = at.sandbox.commerce.shops[f"winback-{AUDIENCE}"]
    (*orders,) = shop.orders.values()
    assert [row["order_total"] for row in orders] == ([49.0] if reason == "bought" else [])
    assert all("financial_status" not in row for row in orders)


def test_orders_of_two_stores_may_have_the_same_number(make: Make) -> None:
    at = make("native_cart")
    for generation, store in ((1, "acme-books"), (2, "")):
        at.crm.enrol(at.enrolment(generation=generation))
        at.crm.withdraw(withdrawal(order=order(), order_store=store, generation=generation))
    (shop,) = at.sandbox.commerce.shops.values()
    assert len(shop.orders) == 2


def test_an_order_that_mailchimp_refuses_does_not_keep_the_cart(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    at.sandbox.server.fault = lambda r: (
        Fault(Reply(503, headers={"Retry-After": "0"})) if r.path.endswith("/orders") else None
    )
    with pytest.raises(TransientError):
        at.crm.withdraw(withdrawal(order=order()))
    assert at.sandbox.carts(EMAIL) == []
    at.sandbox.server.fault = lambda r: Fault(problem(400, "Bad Request", "no")) if r.path.endswith("/orders") else None
    at.crm.withdraw(withdrawal(order=order()))


def test_tags_that_cannot_be_taken_off_do_not_keep_the_cart(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    at.sandbox.server.fault = lambda r: (
        Fault(Reply(503, headers={"Retry-After": "0"})) if r.path.endswith("/tags") else None
    )
    with pytest.raises(TransientError):
        at.crm.withdraw(withdrawal())
    assert at.sandbox.carts(EMAIL) == []


@pytest.mark.parametrize("path", ["journey", "native_cart"])
def test_withdraw_and_forget_of_nobody_succeed(make: Make, path: str) -> None:
    at = make(path)
    at.crm.withdraw(withdrawal(order=order(), add_tags=("customer",)))
    at.crm.forget(EMAIL, permanently=False)
    at.crm.forget(EMAIL, permanently=True)
    assert at.sandbox.effects == []


def test_removed_subscribers_is_never_used(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    at.crm.withdraw(withdrawal(order=order()))
    assert at.sent("POST", "removed-subscribers") == []


def test_a_corrected_address_keeps_its_own_cart(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    at.crm.enrol(at.enrolment(email="jane.doe@example.com"))
    at.crm.withdraw(withdrawal(reason="superseded"))
    assert at.sandbox.carts(EMAIL) == []
    assert len(at.sandbox.carts("jane.doe@example.com")) == 1


def test_forget_archives_and_permanently_deletes(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment())
    for _ in range(2):
        at.crm.forget(EMAIL, permanently=False)
        assert at.sandbox.status(EMAIL) == "archived"
    assert at.sandbox.carts(EMAIL) == []
    for _ in range(2):
        at.crm.forget(EMAIL.upper(), permanently=True)
        assert at.sandbox.status(EMAIL) == ""
    receipt = at.crm.enrol(at.enrolment())
    assert receipt.outcome is Outcome.NO_CONSENT
    assert "permanently deleted" in receipt.detail


def test_a_cart_without_items_or_link_is_refused_before_tags_are_put_on(make: Make) -> None:
    at = make("native_cart")
    for wrong in (checkout(url=""), checkout(line(), lines=())):
        with pytest.raises(RejectedError, match="items and a link"):
            at.crm.enrol(at.enrolment(checkout=wrong))
    assert at.sandbox.tags(EMAIL) == set()


def test_products_are_made_once_and_then_updated(make: Make) -> None:
    at = make("native_cart")
    for email, price in (("a@example.com", "10.00"), ("b@example.com", "12.00")):
        at.crm.enrol(at.enrolment(email=email, checkout=checkout(line("a/b ü", price=price))))
    (product,) = at.sandbox.commerce.shops[f"winback-{AUDIENCE}"].products.values()
    assert [variant["price"] for variant in product.values()] == [12.0]
    assert len(at.sent("POST", "/products")) == 1


def test_a_store_that_was_deleted_in_mailchimp_is_made_again(make: Make) -> None:
    at = make("native_cart")
    at.sandbox.commerce.shops.clear()
    at.crm.enrol(at.enrolment())
    assert at.count() == 1


def test_enrol_many_answers_in_order_with_errors_in_place(make: Make) -> None:
    at = make()
    bad = at.enrolment(fields={"NOT A TAG": "x"}, email="b@example.com")
    first, second, third = at.crm.enrol_many([at.enrolment(), bad, at.enrolment(email="c@example.com")])
    assert isinstance(second, ConfigError)
    assert [getattr(each, "outcome", None) for each in (first, third)] == [Outcome.ENROLLED] * 2
