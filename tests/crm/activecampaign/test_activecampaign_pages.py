"""ActiveCampaign: contacts with more tags, lists and automations than one answer holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from activecampaign_case import JANE, TAGS, adapter_for, calls, effects, enrolment_for, withdrawal_for
from clock import Clock

from connector.errors import RejectedError
from connector.model import Outcome
from connector.sandbox import Fault, Reply, Request
from crm.activecampaign import ActiveCampaign
from crm.sandbox.activecampaign import ActiveCampaignSandbox, serve


@pytest.fixture(params=[True, False], ids=["come along", "are asked for"])
def sandbox(request: pytest.FixtureRequest, clock: Clock) -> Iterator[ActiveCampaignSandbox]:
    account = serve(clock, related=request.param)
    with account.server:
        yield account


@pytest.mark.parametrize("count", [19, 20, 25, 99, 100, 250])
def test_a_buyer_with_many_tags_and_automations_loses_ours(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, count: int
) -> None:
    sandbox.add_history(JANE, count)
    sandbox.add_contact(JANE, "1")
    assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.ENROLLED
    assert (TAGS[0] in sandbox.tags(JANE), sandbox.running(JANE)) == (True, 1)

    adapter.withdraw(withdrawal_for(adapter))

    assert (TAGS[0] in sandbox.tags(JANE), sandbox.running(JANE), len(sandbox.tags(JANE))) == (False, 0, count)
    assert effects(sandbox) == ["enrolled", "withdrawn"]


@pytest.mark.parametrize("chosen", [3, None])
def test_who_unsubscribed_from_one_of_many_lists_is_not_enrolled(
    sandbox: ActiveCampaignSandbox, chosen: int | None
) -> None:
    adapter = adapter_for(sandbox, list=chosen)
    sandbox.add_history(JANE, 25)
    sandbox.add_contact(JANE, "2")
    receipt = adapter.enrol(enrolment_for(adapter))
    assert (receipt.outcome, "unsubscribed" in receipt.detail) == (Outcome.NO_CONSENT, True)


@pytest.mark.parametrize(("status", "outcome"), [("1", Outcome.ENROLLED), ("2", Outcome.NO_CONSENT)])
def test_a_deleted_contact_with_many_lists_comes_back_as_they_were(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, status: str, outcome: Outcome
) -> None:
    sandbox.add_history(JANE, 25)
    sandbox.add_contact(JANE, status)
    nobody = Reply(200, {"contacts": [], "meta": {"total": "0"}})
    sandbox.server.fault = lambda request: Fault(nobody) if request.path == "/api/3/contacts" else None
    assert adapter.enrol(enrolment_for(adapter)).outcome is outcome
    assert "POST /contactLists" not in calls(sandbox)


def test_whoever_is_in_the_automation_after_many_others_counts_as_enrolled(clock: Clock) -> None:
    account = serve(clock, multientry="0")
    with account.server:
        adapter = adapter_for(account)
        account.add_history(JANE, 25)
        account.add_contact(JANE, "1")
        adapter.enrol(enrolment_for(adapter))
        assert adapter.enrol(enrolment_for(adapter, key="second step", step=1)).outcome is Outcome.ENROLLED
        account.finish(JANE)
        with pytest.raises(RejectedError, match="any number of times"):
            adapter.enrol(enrolment_for(adapter, key="third step", step=2))


def test_only_long_lists_cost_a_request_more(clock: Clock) -> None:
    account = serve(clock)
    with account.server:
        adapter = adapter_for(account)
        account.add_history(JANE, 19)
        adapter.withdraw(withdrawal_for(adapter, tags=()))
        assert calls(account) == ["GET /contacts"]
        account.server.journal.clear()
        account.add_history(JANE, 20)
        adapter.withdraw(withdrawal_for(adapter, tags=()))
        assert [call.rpartition("/")[2] for call in calls(account)] == [
            *("contacts", "contactLists", "contactTags", "contactAutomations")
        ]


def test_an_account_that_knows_no_offset_is_not_read_for_ever(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.add_history(JANE, 100)
    sandbox.add_contact(JANE, "1")
    handler = sandbox.server.handler

    def without_offset(request: Request) -> Reply:
        query = tuple(pair for pair in request.query if pair[0] != "offset")
        return handler(Request(request.method, request.path, query, request.headers, request.body))

    sandbox.server.handler = without_offset
    sandbox.server.journal.clear()
    adapter.withdraw(withdrawal_for(adapter))
    asked = calls(sandbox)
    assert max(asked.count(call) for call in asked) == 2
