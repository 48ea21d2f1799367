"""ActiveCampaign when answers are lost, limits are hit, and the account says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from activecampaign_case import (
    FIELDS,
    JANE,
    TAGS,
    adapter_for,
    answer_with,
    calls,
    effects,
    enrolment_for,
    withdrawal_for,
)
from clock import Clock

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.model import Enrolment, Outcome
from connector.sandbox import Fault, Reply, Request
from crm.activecampaign import ActiveCampaign
from crm.sandbox.activecampaign import ActiveCampaignSandbox, serve

NEVER_REPEATED_AT_ONCE = ("POST /contactLists", "POST /contactAutomations")


def lose(call: str) -> Callable[[Request], Fault | None]:
    """Every answer to `call` is lost after it had its effect: cut off, or eaten by a gateway that asks to wait long."""
    method, path = call.split(" ")
    eaten = Fault(Reply(503, None, {"Retry-After": "60"}), after_effect=True)
    cut_off = Fault(after_effect=True, reset=True)

    def fault(request: Request) -> Fault | None:
        if request.method != method or not request.path.startswith(f"/api/3{path}"):
            return None
        return cut_off if call in NEVER_REPEATED_AT_ONCE else eaten

    return fault


def enrol_until_answered(sandbox: ActiveCampaignSandbox, adapters: list[ActiveCampaign], enrolment: Enrolment) -> None:
    """The first adapter loses its answer, the second repeats it."""
    first, second = adapters
    with pytest.raises(TransientError):
        first.enrol(enrolment)
    sandbox.server.fault = None
    assert second.enrol(replace(enrolment, repeated=True)).outcome is Outcome.ENROLLED


ENROLLING = [
    "GET /contacts",
    "POST /contact/sync",
    "POST /contactLists",
    "POST /contactTags",
    "POST /contactAutomations",
]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("call", ENROLLING)
def test_a_lost_answer_repeats_nothing_for_a_new_shopper(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, clock: Clock, call: str, restarted: bool
) -> None:
    adapters = [adapter, adapter_for(sandbox) if restarted else adapter]
    sandbox.server.fault = lose(call)
    clock.advance(timedelta(minutes=1))
    enrol_until_answered(sandbox, adapters, enrolment_for(adapter))
    assert (effects(sandbox), sandbox.running(JANE)) == (["enrolled"], 1)
    assert (sandbox.status(JANE), sandbox.tags(JANE), sandbox.fields(JANE)) == ("active", set(TAGS), FIELDS)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("call", ["POST /contactTags", "POST /contactAutomations", "DELETE /contactTags"])
def test_a_lost_answer_repeats_nothing_for_a_revisit(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, clock: Clock, call: str, restarted: bool
) -> None:
    adapter.enrol(enrolment_for(adapter))
    lead = clock.advance(timedelta(days=8))
    adapters = [adapter, adapter_for(sandbox) if restarted else adapter]
    sandbox.server.fault = lose(call)
    enrol_until_answered(sandbox, adapters, enrolment_for(adapter, key="again", generation=2, lead_at=lead))
    assert effects(sandbox).count("enrolled") == 2
    assert (sandbox.running(JANE), sandbox.tags(JANE)) == (1, set(TAGS))


@pytest.mark.parametrize("restarted", [False, True])
def test_a_tag_started_automation_starts_once_in_spite_of_a_lost_answer(clock: Clock, restarted: bool) -> None:
    account = serve(clock, tag_trigger="abandoned-cart")
    with account.server:
        adapter = adapter_for(account)
        adapter.enrol(enrolment_for(adapter))
        lead = clock.advance(timedelta(days=8))
        account.server.fault = lose("POST /contactTags")
        adapters = [adapter, adapter_for(account) if restarted else adapter]
        enrol_until_answered(account, adapters, enrolment_for(adapter, key="again", generation=2, lead_at=lead))
        assert effects(account) == ["enrolled", "withdrawn", "enrolled"]


def test_a_later_step_in_the_same_automation_is_not_taken_for_done(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, clock: Clock
) -> None:
    adapter.enrol(enrolment_for(adapter))
    clock.advance(timedelta(days=1))
    wait = {"Retry-After": "60"}
    sandbox.server.fault = answer_with(503, {}, when="POST /api/3/contactAutomations", headers=wait)
    enrol_until_answered(sandbox, [adapter, adapter], enrolment_for(adapter, key="second step", step=1))
    assert effects(sandbox).count("enrolled") == 2


def test_a_later_step_is_not_taken_for_done_by_another_process_either(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, clock: Clock
) -> None:
    adapter.enrol(enrolment_for(adapter))
    due = clock.advance(timedelta(days=1))
    second = enrolment_for(adapter, key="second step", step=1, step_at=due, repeated=True)
    adapter_for(sandbox).enrol(second)  # a process died before it had sent anything
    assert effects(sandbox).count("enrolled") == 2
    clock.advance(timedelta(minutes=1))
    adapter_for(sandbox).enrol(second)  # and another one after that
    assert effects(sandbox).count("enrolled") == 2


def test_a_known_contact_without_a_list_is_not_taken_for_our_own_making(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.add_contact(JANE)
    sandbox.server.fault = answer_with(503, {}, when="GET /api/3/contacts", headers={"Retry-After": "60"})
    with pytest.raises(TransientError):
        adapter.enrol(enrolment_for(adapter))
    sandbox.server.fault = None
    assert adapter.enrol(enrolment_for(adapter, repeated=True)).outcome is Outcome.NO_CONSENT
    assert sandbox.status(JANE) == "not subscribed"


def test_a_shopper_refused_as_new_who_became_a_contact_since_is_a_known_contact(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    assert adapter.enrol(enrolment_for(adapter, may_subscribe=False)).outcome is Outcome.NO_CONSENT
    sandbox.add_contact(JANE)
    assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.NO_CONSENT
    assert sandbox.status(JANE) == "not subscribed"


def test_somebody_who_unsubscribed_while_an_answer_was_lost_stays_so_and_loses_our_tags(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.server.fault = lose("POST /contactTags")
    with pytest.raises(TransientError):
        adapter.enrol(enrolment_for(adapter))
    sandbox.server.fault = None
    sandbox.unsubscribe(JANE)
    assert adapter.enrol(enrolment_for(adapter, repeated=True)).outcome is Outcome.NO_CONSENT
    assert (sandbox.status(JANE), sandbox.tags(JANE), effects(sandbox)) == ("unsubscribed", set(), [])


@pytest.mark.parametrize("call", ["GET /contacts", "DELETE /contactAutomations", "DELETE /contactTags"])
def test_a_lost_answer_to_a_withdrawal_is_made_good(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, call: str
) -> None:
    adapter.enrol(enrolment_for(adapter))
    left = [1]  # one answer only: the door itself asks again

    def fault(request: Request) -> Fault | None:
        trouble = lose(call)(request)
        return Fault(after_effect=True, reset=True) if trouble and left and left.pop() else None

    sandbox.server.fault = fault
    adapter.withdraw(withdrawal_for(adapter))
    assert not left
    assert (sandbox.tags(JANE), sandbox.running(JANE), effects(sandbox)) == (set(), 0, ["enrolled", "withdrawn"])


def test_a_short_limit_is_waited_for_and_a_long_one_goes_back_to_the_queue(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    left = [{"Retry-After": "0"}]

    def fault(request: Request) -> Fault | None:
        return Fault(Reply(429, {"message": "slow down"}, left.pop())) if left else None

    sandbox.server.fault = fault
    adapter.enrol(enrolment_for(adapter))
    assert effects(sandbox) == ["enrolled"]

    sandbox.server.fault = answer_with(429, {}, when="/contacts", headers={"Retry-After": "60"})
    with pytest.raises(TransientError) as caught:
        adapter.enrol(enrolment_for(adapter, key="other"))
    assert caught.value.retry_after == 60


def test_the_account_allows_five_requests_a_second(clock: Clock) -> None:
    account = serve(clock, limited=True)
    with account.server:
        adapter = adapter_for(account)
        for _ in range(6):
            adapter.withdraw(withdrawal_for(adapter))
        assert [entry.status for entry in account.server.journal] == [200] * 5 + [429, 200]
        refused = account.server.journal[5].reply
        assert refused is not None
        assert refused.headers == {"Retry-After": "1", "RateLimit-Limit": "5", "RateLimit-Remaining": "0"}


def test_an_automation_switched_off_is_the_owners_to_mend(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.switch(active=False)
    with pytest.raises(ConfigError, match="automation 7 is not active"):
        adapter.enrol(enrolment_for(adapter))
    sandbox.switch(active=True)
    adapter.enrol(enrolment_for(adapter, repeated=True))
    assert effects(sandbox) == ["enrolled"]


def test_an_automation_that_does_not_exist_is_the_owners_to_mend(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    with pytest.raises(ConfigError, match="no automation 99"):
        adapter.enrol(enrolment_for(adapter, campaign={"automation": 99}))


def test_a_shopper_who_is_in_the_automation_already_counts_as_enrolled(clock: Clock) -> None:
    account = serve(clock, multientry="0")
    with account.server:
        adapter = adapter_for(account)
        adapter.enrol(enrolment_for(adapter))
        assert adapter.enrol(enrolment_for(adapter, key="second step", step=1)).outcome is Outcome.ENROLLED
        account.finish(JANE)
        with pytest.raises(RejectedError, match="any number of times"):
            adapter.enrol(enrolment_for(adapter, key="third step", step=2))
        assert effects(account) == ["enrolled"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, {"message": "Forbidden"}, ConfigError, "Forbidden"),
        (422, {"errors": [{"title": "Contact Email Address is not valid."}]}, RejectedError, "is not valid"),
        (400, {"message": "Bad request"}, RejectedError, "Bad request"),
        (500, {}, TransientError, "500"),
        (200, {"unexpected": []}, TransientError, "lacks contacts"),
    ],
)
def test_each_refusal_means_one_of_three_things(
    sandbox: ActiveCampaignSandbox,
    adapter: ActiveCampaign,
    status: int,
    body: object,
    kind: type[WinbackError],
    words: str,
) -> None:
    sandbox.server.fault = answer_with(status, body, when="GET /api/3/contacts")
    with pytest.raises(kind, match=words):
        adapter.enrol(enrolment_for(adapter))


def test_a_refused_start_without_a_known_meaning_pauses_the_account(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.server.fault = answer_with(403, {"message": "Forbidden"}, when="POST /api/3/contactAutomations")
    with pytest.raises(ConfigError, match="Forbidden"):
        adapter.enrol(enrolment_for(adapter))


def test_neither_the_key_nor_the_address_is_in_a_message(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    key = sandbox.options()["api_key"]
    sandbox.server.fault = answer_with(422, {"errors": [{"title": f"{JANE} and {key}"}]}, when="/contact/sync")
    with pytest.raises(RejectedError) as caught:
        adapter.enrol(enrolment_for(adapter))
    assert JANE not in str(caught.value)
    assert key not in str(caught.value)
    assert key not in repr(adapter.options)


def test_prepared_names_are_asked_for_once(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    adapter.prepare(list(FIELDS), TAGS)
    assert calls(sandbox) == []
