"""Klaviyo: leaving, erasing, and the check."""

from __future__ import annotations

from datetime import timedelta

import pytest
from klaviyo_case import adapter
from samples import JANE, NOW, Trouble, calls, effects, enrolment, withdrawal

from connector.errors import ConfigError, TransientError
from crm.sandbox.klaviyo import LIST, KlaviyoSandbox, serve

READ = "GET /api/profiles"
EVENT = "POST /api/events"


def test_the_check_says_who_answered_and_what_to_set(sandbox: KlaviyoSandbox) -> None:
    klaviyo = adapter(sandbox)
    health = klaviyo.check()
    assert (health.identity.id, health.identity.name) == ("AbC123", "Acme")
    (finding,) = health.findings
    assert "Placed Order zero times since starting this flow" in finding.message


def test_the_check_names_a_missing_list_and_a_metric_to_come(sandbox: KlaviyoSandbox) -> None:
    health = adapter(sandbox, list="Gone1", campaign={"metric": "Cart Left"}).check()
    assert [(each.subject, each.level) for each in health.findings[1:]] == [("list", "error"), ("campaign", "info")]
    assert "no list Gone1" in health.findings[1].message


def test_the_check_turns_the_pages_of_metrics(sandbox: KlaviyoSandbox) -> None:
    health = adapter(sandbox, campaign={"metric": sandbox.metrics[-1]}).check()
    assert "campaign" not in {each.subject for each in health.findings}


@pytest.mark.parametrize("scope", ["accounts:read", "profiles:read", "lists:read", "metrics:read"])
def test_the_check_names_a_missing_scope(scope: str) -> None:
    sandbox = serve(lacking=[scope])
    with sandbox.server, pytest.raises(ConfigError, match=f"scope {scope}"):
        adapter(sandbox).check()


def test_a_wrong_key_is_for_the_owner(sandbox: KlaviyoSandbox) -> None:
    with pytest.raises(ConfigError, match="Check the key"):
        adapter(sandbox, api_key="pk_wrong").check()


def test_forgetting_for_ever_deletes_the_profile(either: KlaviyoSandbox) -> None:
    klaviyo = adapter(either)
    klaviyo.enrol(enrolment())
    klaviyo.forget(JANE, permanently=True)
    klaviyo.forget(JANE, permanently=True)
    assert either.status(JANE) == ""
    data = either.server.journal[-2].request.json()["data"]
    profile = {"data": {"type": "profile", "attributes": {"email": JANE}}}
    assert data == {"type": "data-privacy-deletion-job", "attributes": {"profile": profile}}
    klaviyo.withdraw(withdrawal())
    assert either.status(JANE) == ""


def test_forgetting_mildly_takes_back_what_winback_put_there(either: KlaviyoSandbox) -> None:
    klaviyo = adapter(either, fields={"PRODUCT": "{{ product_name }}"})
    klaviyo.enrol(enrolment())
    klaviyo.refresh(enrolment(fields={"PRODUCT": "Red mug", "Shoe size": "42"}))
    klaviyo.forget(JANE, permanently=False)
    assert either.status(JANE) == "NEVER_SUBSCRIBED"
    assert (either.fields(JANE), either.tags(JANE), either.members()) == ({"Shoe size": "42"}, set(), set())
    assert either._profiles[JANE].names == {"first_name": None, "last_name": None}


def test_forgetting_takes_back_what_single_steps_put_there(sandbox: KlaviyoSandbox) -> None:
    klaviyo = adapter(sandbox, fields={"PRODUCT": "{{ product_name }}"})
    klaviyo.prepare(["OFFER", "PRODUCT"], ["abandoned-cart"])
    klaviyo.enrol(enrolment(fields={"PRODUCT": "Blue mug", "OFFER": "for Jane"}))
    klaviyo.forget(JANE, permanently=False)
    assert (sandbox.fields(JANE), sandbox.tags(JANE)) == ({}, set())


def test_forgetting_a_stranger_is_done(sandbox: KlaviyoSandbox) -> None:
    for permanently in (False, True):
        adapter(sandbox).forget(JANE, permanently=permanently)
    assert calls(sandbox) == [READ, READ]


def test_a_withdrawal_ends_the_flow_and_swaps_the_tags(either: KlaviyoSandbox) -> None:
    klaviyo = adapter(either)
    klaviyo.enrol(enrolment())
    klaviyo.withdraw(withdrawal(add_tags=("customer",)))
    assert effects(either, "withdrawn") == [JANE]
    assert either.tags(JANE) == {"customer"}
    assert either.members() == set()
    _, metric, event = either.events[-1]
    assert (metric, event["unique_id"], event["value"]) == ("Placed Order", "acme-shop:1001", 49.9)
    # Later than the start of the flow that it must end, though the order itself was placed before.
    assert event["properties"]["PlacedAt"] < NOW.isoformat() < event["time"]


def test_a_withdrawal_may_be_repeated(either: KlaviyoSandbox) -> None:
    klaviyo = adapter(either)
    klaviyo.enrol(enrolment())
    for late in (True, False):
        either.server.fault = Trouble(EVENT, late=late)
        with pytest.raises(TransientError):
            klaviyo.withdraw(withdrawal())
    klaviyo.withdraw(withdrawal())
    klaviyo.withdraw(withdrawal())
    assert effects(either, "withdrawn") == [JANE]
    assert [metric for _, metric, _ in either.events].count("Placed Order") == 1


def test_orders_of_two_stores_may_have_the_same_number(sandbox: KlaviyoSandbox) -> None:
    klaviyo = adapter(sandbox)
    klaviyo.enrol(enrolment())
    klaviyo.withdraw(withdrawal())
    klaviyo.enrol(enrolment(key="acme/jane/2/0"))
    klaviyo.withdraw(withdrawal(store="acme-courses"))
    klaviyo.enrol(enrolment(key="acme/jane/3/0"))
    klaviyo.withdraw(withdrawal(order_store="acme-books"))
    assert effects(sandbox, "withdrawn") == [JANE, JANE, JANE]
    ordered = [event["unique_id"] for _, metric, event in sandbox.events if metric == "Placed Order"]
    assert ordered == ["acme-shop:1001", "acme-courses:1001", "acme-books:1001"]


def test_withdrawing_a_stranger_makes_no_profile(either: KlaviyoSandbox) -> None:
    adapter(either).withdraw(withdrawal())
    assert either.status(JANE) == ""
    assert calls(either) == [READ]


@pytest.mark.parametrize("reason", ["superseded", "deleted"])
def test_who_did_not_buy_leaves_the_flow_without_an_order(either: KlaviyoSandbox, reason: str) -> None:
    klaviyo = adapter(either)
    klaviyo.enrol(enrolment())
    klaviyo.withdraw(withdrawal(reason=reason))
    assert effects(either, "withdrawn") == [JANE]
    assert either.tags(JANE) == set()
    assert "Placed Order" not in [metric for _, metric, _ in either.events]


def test_an_old_lead_only_loses_its_tags(sandbox: KlaviyoSandbox) -> None:
    klaviyo = adapter(sandbox)
    klaviyo.enrol(enrolment())
    klaviyo.withdraw(withdrawal(reason="expired", order=None))
    assert sandbox.tags(JANE) == set()
    assert len(sandbox.events) == 1


def test_nobody_is_taken_off_the_newsletter(sandbox: KlaviyoSandbox) -> None:
    klaviyo = adapter(sandbox)
    klaviyo.enrol(enrolment(may_subscribe=True))
    klaviyo.withdraw(withdrawal())
    assert sandbox.members() == {JANE}


def test_the_lists_of_earlier_steps_are_left_too(by_list: KlaviyoSandbox) -> None:
    by_list.lists["Step2"] = type(by_list.lists[LIST])("Second step")
    klaviyo = adapter(by_list)
    klaviyo.enrol(enrolment())
    klaviyo.enrol(enrolment(key="acme/jane/1/1", campaign={"list": "Step2"}))
    klaviyo.withdraw(withdrawal(campaigns=({"list": "Step2"}, None)))
    assert by_list.members() | by_list.members("Step2") == set()


def test_a_buyer_still_in_the_queue_is_withdrawn_after_it() -> None:
    sandbox = serve(deferred=True)
    with sandbox.server:
        klaviyo = adapter(sandbox)
        klaviyo.enrol(enrolment())
        for at in (NOW + timedelta(minutes=1), NOW + timedelta(hours=23)):
            with pytest.raises(TransientError, match="not made this new contact yet") as caught:
                adapter(sandbox).withdraw(withdrawal(tried_at=NOW, at=at))
            assert caught.value.alone
        sandbox.work_off()
        klaviyo.withdraw(withdrawal(tried_at=NOW))
        sandbox.work_off()
        assert [effect.what for effect in sandbox.effects] == ["enrolled", "withdrawn"]


def test_a_profile_that_never_came_is_let_go(sandbox: KlaviyoSandbox) -> None:
    adapter(sandbox).withdraw(withdrawal(tried_at=NOW, at=NOW + timedelta(days=1)))
    adapter(sandbox).withdraw(withdrawal(tried_at=NOW, reason="expired", order=None))
    assert calls(sandbox) == [READ, READ]


def test_joining_a_list_leaves_nothing_in_the_queue(by_list: KlaviyoSandbox) -> None:
    adapter(by_list).withdraw(withdrawal(tried_at=NOW))
    by_list.server.journal.clear()
    with pytest.raises(TransientError):
        adapter(by_list).withdraw(withdrawal(tried_at=NOW, campaigns=({"metric": "Started Checkout"},)))
    assert calls(by_list) == [READ]
