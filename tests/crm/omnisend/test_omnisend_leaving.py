"""Omnisend: how buyers and others leave, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from clock import Clock
from omnisend_case import CHANGE, EVENT, READ, TAG, UNTAG, account, adapter, bodies
from samples import JANE, NOW, Trouble, calls, effects, enrolment, withdrawal

from connector.errors import RejectedError
from connector.sandbox import Reply
from crm.omnisend import CANNOT_DELETE
from crm.sandbox.omnisend import OmnisendSandbox


@pytest.fixture
def sandbox() -> Iterator[OmnisendSandbox]:
    """An account in which Jane was enrolled."""
    with account() as made:
        adapter(made).enrol(enrolment())
        made.server.journal.clear()
        made.events.clear()
        yield made


def last_event(sandbox: OmnisendSandbox) -> tuple[str, str, dict[str, Any]]:
    event = sandbox.events[-1]
    return event["eventName"], event["eventVersion"], event["properties"]


def test_a_buyer_leaves_by_omnisends_own_event(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox).withdraw(withdrawal())
    assert effects(sandbox, "withdrawn") == [JANE]
    assert last_event(sandbox) == (
        "placed order",
        "v2",
        {
            "orderID": "1001",
            "cartID": "c1",
            "totalPrice": 49.9,
            "currency": "EUR",
            "createdAt": "2026-03-02T09:44:30+00:00",
            "fulfillmentStatus": "unfulfilled",
            "store": "acme-shop",
        },
    )
    assert "eventTime" not in sandbox.events[-1], "an order seconds older than the enrolment ends it, too"
    assert sandbox.tags(JANE) == set()
    assert calls(sandbox) == [READ, EVENT, UNTAG]


def test_a_step_and_the_purchase_name_one_cart_whatever_checkout_the_lead_shows(sandbox: OmnisendSandbox) -> None:
    newer = replace(enrolment().checkout, id="c2")
    adapter(sandbox).enrol(enrolment(key="step-2", step=1, checkout=newer, made_by="c1"))
    adapter(sandbox).withdraw(withdrawal())
    assert [event["properties"]["cartID"] for event in sandbox.events] == ["c1", "c1"]


def test_the_time_of_an_order_is_when_it_was_placed(sandbox: OmnisendSandbox) -> None:
    out = withdrawal()
    assert out.order is not None
    placed = replace(out.order, placed_at=NOW - timedelta(hours=1))
    adapter(sandbox).withdraw(replace(out, order=placed))
    assert sandbox.events[-1]["properties"]["createdAt"] == "2026-03-02T08:45:00+00:00"


def test_a_buyer_leaves_by_our_event_where_the_shops_app_reports_the_orders(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox, send_orders=False).withdraw(withdrawal())
    assert effects(sandbox, "withdrawn") == [JANE]
    properties = {"store": "acme-shop", "cartID": "c1", "reason": "bought"}
    assert last_event(sandbox) == ("checkout withdrawn", "", properties)


@pytest.mark.parametrize("reason", ["superseded", "deleted", "bought"])
def test_who_did_not_buy_or_whose_order_is_unknown_leaves_by_our_event(sandbox: OmnisendSandbox, reason: str) -> None:
    order = withdrawal().order if reason != "bought" else None
    adapter(sandbox).withdraw(withdrawal(reason=reason, order=order))
    assert last_event(sandbox)[0] == "checkout withdrawn"
    assert effects(sandbox, "withdrawn") == [JANE]


def test_after_ninety_days_only_the_tags_go(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox).withdraw(withdrawal(reason="expired", order=None))
    assert calls(sandbox) == [READ, UNTAG]
    assert sandbox.tags(JANE) == set()


def test_a_withdrawal_without_tags_costs_two_requests(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox).withdraw(withdrawal(tags=("another",)))
    assert calls(sandbox) == [READ, EVENT]
    assert sandbox.tags(JANE) == {"abandoned-cart"}


def test_only_our_tags_go_in_whatever_letter_case_they_are(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox).enrol(enrolment(key="again", tags=("VIP",)))
    adapter(sandbox).withdraw(withdrawal(tags=("Abandoned-Cart",), add_tags=("customer",)))
    assert sandbox.tags(JANE) == {"VIP", "customer"}
    assert bodies(sandbox, TAG) == [{"emails": [JANE], "tags": ["customer"]}]


def test_an_order_is_reported_once_however_often_its_buyer_is_withdrawn(sandbox: OmnisendSandbox) -> None:
    for key in ("w1", "w1", "w2"):
        adapter(sandbox).withdraw(withdrawal(key=key))
    assert [event["eventName"] for event in sandbox.events] == ["placed order"]


def test_the_same_order_number_in_another_store_is_another_order(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox).withdraw(withdrawal())
    adapter(sandbox).withdraw(withdrawal(store="acme-courses"))
    adapter(sandbox).withdraw(withdrawal(order_store="acme-books"))
    assert len({event["eventID"] for event in sandbox.events}) == 3


def test_who_bought_can_enter_again_later(clock: Clock) -> None:
    with account(clock) as made:
        omnisend = adapter(made)
        omnisend.enrol(enrolment())
        omnisend.withdraw(withdrawal())
        clock.advance(timedelta(days=8))
        omnisend.enrol(enrolment(key="acme/jane/2/0", generation=2))
        assert effects(made) == [JANE, JANE]
        assert made.tags(JANE) == {"abandoned-cart"}


def test_nobody_is_made_to_be_withdrawn(sandbox: OmnisendSandbox) -> None:
    adapter(sandbox).withdraw(withdrawal("joe@shop.example"))
    assert calls(sandbox) == [READ]
    assert sandbox.status("joe@shop.example") == ""


def test_forgetting_takes_back_what_winback_put_there(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox, fields={"PRODUCT": "{{ product_name }}"}, tags=["abandoned-cart"])
    omnisend.forget(JANE, permanently=False)
    assert (sandbox.fields(JANE), sandbox.tags(JANE)) == ({}, set())
    properties = {"customProperties": {"PRODUCT": "", "winback_event": ""}}
    assert bodies(sandbox, CHANGE) == [properties, {"firstName": "", "lastName": ""}]


def test_forgetting_takes_back_what_single_steps_put_there(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    omnisend.prepare(["PRODUCT"], ["abandoned-cart"])
    omnisend.forget(JANE, permanently=False)
    assert (sandbox.fields(JANE), sandbox.tags(JANE)) == ({}, set())


def test_for_ever_is_said_to_be_for_the_owner_to_do(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox, fields={"PRODUCT": "{{ product_name }}"})
    with pytest.raises(RejectedError) as caught:
        omnisend.forget(JANE, permanently=True)
    assert str(caught.value) == CANNOT_DELETE
    assert sandbox.fields(JANE) == {}
    sandbox.delete(JANE)
    omnisend.forget(JANE, permanently=True)


def test_who_vanishes_while_they_are_forgotten_is_gone(sandbox: OmnisendSandbox) -> None:
    sandbox.server.fault = Trouble(CHANGE, Reply(404, {"detail": "Contact not found"}))
    adapter(sandbox).forget(JANE, permanently=True)


def test_forgetting_an_unsubscribed_contact_leaves_them_unsubscribed(sandbox: OmnisendSandbox) -> None:
    sandbox.unsubscribe(JANE)
    adapter(sandbox).forget(JANE, permanently=False)
    assert sandbox.status(JANE) == "unsubscribed"
