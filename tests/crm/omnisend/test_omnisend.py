"""Omnisend: who is enrolled, with what, and at what cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from clock import Clock
from omnisend_case import CHANGE, CREATE, EVENT, FIRST, READ, TAG, account, adapter, bodies
from pydantic import ValidationError
from samples import JANE, NOW, Trouble, calls, effects, enrolment

from connector.errors import ConfigError, RejectedError
from connector.model import Consent, ConsentState, Customer, Enrolment, LineItem, Money, Outcome, Receipt
from connector.sandbox import Reply
from crm.omnisend import Omnisend
from crm.sandbox.omnisend import OmnisendSandbox


def with_checkout(made: Enrolment, **changes: Any) -> Enrolment:
    return replace(made, checkout=replace(made.checkout, **changes))


def test_a_new_contact_is_made_and_enters_the_automation(sandbox: OmnisendSandbox) -> None:
    receipt = adapter(sandbox).enrol(enrolment())
    assert (receipt.outcome, receipt.contact_id) == (Outcome.ENROLLED, FIRST)
    assert effects(sandbox) == [JANE]
    assert sandbox.fields(JANE) == {"PRODUCT": "Blue mug"}
    assert sandbox.tags(JANE) == {"abandoned-cart"}
    assert calls(sandbox) == [READ, CREATE, EVENT]


def test_a_checkout_without_a_link_is_refused_before_anything_is_written(sandbox: OmnisendSandbox) -> None:
    """Omnisend would take its own event without one, and start nothing."""
    with pytest.raises(RejectedError, match="only with a link back to the checkout"):
        adapter(sandbox).enrol(with_checkout(enrolment(), url=""))
    assert calls(sandbox) == [READ]


def test_a_known_contact_is_changed_and_enters_it(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    omnisend.enrol(enrolment())
    sandbox.server.journal.clear()
    omnisend.enrol(enrolment(key="again", fields={"PRODUCT": "Red mug"}))
    assert calls(sandbox) == [READ, CHANGE, EVENT]
    assert sandbox.fields(JANE) == {"PRODUCT": "Red mug"}
    assert effects(sandbox) == [JANE, JANE]


def test_the_event_is_omnisends_own_with_all_that_its_emails_show(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox).enrol(enrolment())
    (event,) = sandbox.events
    assert (event["eventName"], event["origin"], event["eventVersion"]) == ("started checkout", "api", "")
    assert "eventTime" not in event, "or it might count as history"
    assert event["contact"]["email"] == JANE
    assert event["properties"] == {
        "PRODUCT": "Blue mug",
        "store": "acme-shop",
        "step": 1,
        "cartID": f"c-{JANE}",
        "abandonedCheckoutURL": "https://shop.example/recover/abc",
        "value": 49.9,
        "currency": "EUR",
        "lineItems": [
            {
                "productID": "77",
                "productTitle": "Blue mug",
                "productSKU": "MUG-B",
                "productVariantTitle": "large",
                "productPrice": 24.95,
                "productQuantity": 2,
            }
        ],
    }


def test_no_phone_number_is_sent(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    omnisend.enrol_many([enrolment(), enrolment(key="again")])
    assert not any(b"+436641234567" in each.request.body for each in sandbox.server.journal)


@pytest.mark.parametrize(("may", "status"), [(True, "subscribed"), (False, "nonSubscribed")])
def test_a_new_contact_is_subscribed_only_if_it_may_be(sandbox: OmnisendSandbox, may: bool, status: str) -> None:
    adapter(sandbox).enrol(enrolment(may_subscribe=may))
    assert sandbox.status(JANE) == status
    assert [effect.what for effect in sandbox.effects] == ["enrolled"], "and is not welcomed"


def test_the_evidence_of_an_opt_in_goes_along(sandbox: OmnisendSandbox) -> None:
    at = NOW - timedelta(hours=2)
    consent = Consent(ConsentState.OPTED_IN, "checkout checkbox", at)
    adapter(sandbox).enrol(with_checkout(enrolment(may_subscribe=True), consent=consent))
    (body,) = bodies(sandbox, CREATE)
    (identifier,) = body["identifiers"]
    assert identifier["consent"] == {"source": "checkout checkbox", "createdAt": "2026-03-02T07:45:00+00:00"}
    assert identifier["channels"]["email"]["statusChangedAt"] == "2026-03-02T07:45:00+00:00"


@pytest.mark.parametrize("may", [True, False])
def test_nobody_is_said_to_have_consented_who_did_not(sandbox: OmnisendSandbox, may: bool) -> None:
    adapter(sandbox).enrol(enrolment(may_subscribe=may))
    assert "consent" not in bodies(sandbox, CREATE)[0]["identifiers"][0]


def test_the_status_of_a_known_contact_is_in_no_request(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    omnisend.enrol(enrolment())
    omnisend.enrol(enrolment(key="again", may_subscribe=True))
    omnisend.refresh(enrolment(may_subscribe=True))
    assert sandbox.status(JANE) == "nonSubscribed"
    assert [set(body) for body in bodies(sandbox, CHANGE)] == [{"firstName", "lastName", "customProperties"}] * 2


@pytest.mark.parametrize("event", ["started checkout", "checkout left"])
def test_who_unsubscribed_gets_no_event_and_no_change(event: str) -> None:
    """Omnisend itself would mail them by an automation on an event of the owner's."""
    with account(event=event) as sandbox:
        sandbox.unsubscribe(JANE)
        receipt = adapter(sandbox).enrol(enrolment(may_subscribe=True))
        assert receipt.outcome is Outcome.NO_CONSENT
        assert receipt.detail == "Omnisend will not mail this contact: they unsubscribed"
        assert (sandbox.status(JANE), sandbox.tags(JANE), sandbox.effects) == ("unsubscribed", set(), [])
        assert calls(sandbox) == [READ]


def test_who_unsubscribes_while_their_contact_is_made_stays_so(sandbox: OmnisendSandbox) -> None:
    sandbox.unsubscribe(JANE)
    sandbox.server.fault = Trouble(READ, Reply(200, {"contacts": []}))
    assert adapter(sandbox).enrol(enrolment(may_subscribe=True)).outcome is Outcome.NO_CONSENT
    assert sandbox.status(JANE) == "unsubscribed"
    assert sandbox.events == []


@pytest.mark.parametrize(
    "contact",
    [
        {"status": ""},
        {"status": "blocked"},
        {"status": "subscribed", "identifiers": [{"type": "email", "id": JANE.upper(), "channels": {"email": {}}}]},
        {},
    ],
)
def test_only_what_omnisend_allows_in_so_many_words_is_done(sandbox: OmnisendSandbox, contact: dict[str, Any]) -> None:
    known = {"id": FIRST, "email": JANE, **contact}
    sandbox.server.fault = Trouble(READ, Reply(200, {"contacts": [known]}))
    said = contact.get("status") == "subscribed"
    sandbox.unsubscribe("somebody@shop.example")  # who has the id
    receipt = adapter(sandbox).enrol(enrolment())
    assert receipt.outcome is (Outcome.ENROLLED if said else Outcome.NO_CONSENT)
    assert len(sandbox.events) == said


def test_the_email_channel_counts_and_not_the_summary(sandbox: OmnisendSandbox) -> None:
    channels = {"email": {"status": "unsubscribed"}}
    known = {
        "id": FIRST,
        "status": "subscribed",
        "identifiers": [{"type": "email", "id": JANE.upper(), "channels": channels}],
    }
    sandbox.server.fault = Trouble(READ, Reply(200, {"contacts": [known]}))
    assert adapter(sandbox).enrol(enrolment()).outcome is Outcome.NO_CONSENT


def test_tags_that_were_there_stay(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    omnisend.enrol(enrolment(tags=("VIP",)))
    omnisend.enrol(enrolment(key="again", tags=("abandoned-cart", "vip")))
    assert sandbox.tags(JANE) == {"VIP", "abandoned-cart"}
    omnisend.enrol(enrolment(key="and again", tags=("Abandoned-Cart",)))
    assert "tags" not in bodies(sandbox, CHANGE)[-1], "Omnisend tells no letter case apart"


def test_more_tags_than_one_request_may_hold_are_put_on_by_themselves(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    omnisend.enrol(enrolment(tags=tuple(f"t{number}" for number in range(100))))
    omnisend.enrol(enrolment(key="again"))
    assert len(sandbox.tags(JANE)) == 101
    assert bodies(sandbox, TAG) == [{"emails": [JANE], "tags": ["abandoned-cart"]}]


def test_the_next_lead_starts_the_automation_anew(clock: Clock) -> None:
    with account(clock) as sandbox:
        sandbox.automations[0].frequency = 1.0
        omnisend = adapter(sandbox)
        omnisend.enrol(enrolment())
        clock.advance(timedelta(days=8))
        omnisend.enrol(enrolment(key="acme/jane/2/0", generation=2))
        assert effects(sandbox) == [JANE, JANE]


def test_an_event_of_the_owners_starts_their_automation() -> None:
    with account(event="checkout left") as sandbox:
        omnisend = adapter(sandbox)
        omnisend.enrol(enrolment())
        omnisend.enrol(enrolment(key="step 2", step=1, campaign={"event": "started checkout"}))
        assert [event["eventName"] for event in sandbox.events] == ["checkout left", "started checkout"]
        assert effects(sandbox) == [JANE]
        assert sandbox.events[1]["properties"]["step"] == 2


def test_without_a_campaign_it_is_started_checkout(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox, campaign=None).enrol(enrolment())
    assert effects(sandbox) == [JANE]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"campaign": {}}, "event"),
        ({"campaign": {"event": ""}}, "at least 1"),
        ({"campaign": {"metric": "started checkout"}}, "metric"),
        ({"campaign": {"event": "Started Checkout"}}, "is written started checkout"),
        ({"campaign": {"event": "Placed Order"}}, "means something else"),
        ({"campaign": {"event": "checkout withdrawn"}}, "means something else"),
        ({"fields": {"PRODUCT NAME": "x"}}, "'PRODUCT NAME' cannot be a property"),
        ({"fields": {"winback_event": "x"}}, "for itself"),
        ({"api_key": None}, "api_key"),
    ],
)
def test_wrong_options_are_refused(sandbox: OmnisendSandbox, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        adapter(sandbox, **changes)


def test_a_steps_own_mistakes_are_for_the_owner(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    with pytest.raises(ConfigError, match="A campaign for Omnisend is wrong"):
        omnisend.enrol(enrolment(campaign={"journey": 7}))
    with pytest.raises(ConfigError, match="'Größe' cannot be a property"):
        omnisend.prepare(["PRODUCT", "Größe"], [])
    assert calls(sandbox) == []


def test_a_refresh_changes_properties_and_starts_nothing(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    omnisend.enrol(enrolment())
    omnisend.refresh(enrolment(fields={"PRODUCT": "Red mug"}))
    assert sandbox.fields(JANE) == {"PRODUCT": "Red mug"}
    assert [effect.what for effect in sandbox.effects] == ["enrolled", "refreshed"]
    assert len(sandbox.events) == 1


def test_a_refresh_makes_nobody(sandbox: OmnisendSandbox) -> None:
    assert adapter(sandbox).refresh(enrolment()).detail == "Omnisend has no such contact any more"
    assert sandbox.status(JANE) == ""


def test_one_who_is_refused_holds_up_nobody(sandbox: OmnisendSandbox) -> None:
    answers = adapter(sandbox).enrol_many([enrolment("nobody@shop"), enrolment()])
    assert isinstance(answers[0], RejectedError)
    assert "identifiers.0.id: Must be a valid email address" in str(answers[0])
    assert isinstance(answers[1], Receipt)
    assert effects(sandbox) == [JANE]


def line(total: str, currency: str, quantity: int, **more: Any) -> LineItem:
    return LineItem("王小明 🧵", quantity, Money(Decimal(total), currency), **more)


@pytest.mark.parametrize(
    ("amount", "currency", "quantity", "price"),
    [
        ("5400", "JPY", 3, 1800.0),
        ("12.345", "KWD", 1, 12.345),
        ("0.00", "USD", 0, 0.0),
        ("99999999.99", "VND", 1, 99999999.99),
    ],
)
def test_amounts_are_numbers_in_whole_units_of_any_currency(
    sandbox: OmnisendSandbox, amount: str, currency: str, quantity: int, price: float
) -> None:
    total = Money(Decimal(amount), currency)
    adapter(sandbox).enrol(with_checkout(enrolment(), total=total, lines=(line(amount, currency, quantity),)))
    properties = sandbox.events[0]["properties"]
    assert (properties["value"], properties["currency"]) == (float(amount), currency)
    assert properties["lineItems"] == [
        {"productTitle": "王小明 🧵", "productPrice": price, "productQuantity": quantity}
    ]
    assert effects(sandbox) == [JANE]


def test_a_shopper_without_a_name_and_a_product_without_a_picture(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox).enrol(with_checkout(enrolment(fields={}, tags=()), customer=Customer(JANE)))
    assert set(bodies(sandbox, CREATE)[0]) == {"identifiers"}
    assert effects(sandbox) == [JANE]


def test_long_names_are_cut_to_what_omnisend_takes(sandbox: OmnisendSandbox) -> None:
    shopper = Customer(JANE, first_name="é" * 80, last_name="王" * 51)
    adapter(sandbox).enrol(with_checkout(enrolment(), customer=shopper))
    (body,) = bodies(sandbox, CREATE)
    assert (body["firstName"], body["lastName"]) == ("é" * 50, "王" * 50)


def test_a_thousand_shoppers_stay_below_the_vendors_limit() -> None:
    rate = Omnisend.rate
    assert rate.per_second is not None
    assert rate.burst + 60 * rate.per_second < 400
