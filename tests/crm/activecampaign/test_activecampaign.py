"""ActiveCampaign: what shoppers and owners notice, over real sockets against the sandbox account."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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

from connector.errors import ConfigError, RejectedError, TransientError
from connector.model import Outcome, Receipt
from connector.registry import CRMS
from connector.sandbox import Fault, Reply, Request
from crm.activecampaign import ActiveCampaign
from crm.sandbox.activecampaign import ActiveCampaignSandbox, serve


def test_it_is_on_the_list_of_crms() -> None:
    assert CRMS["activecampaign"] is ActiveCampaign


def test_a_new_shopper_who_opted_in_is_enrolled_with_everything(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    receipt = adapter.enrol(enrolment_for(adapter))

    contact = sandbox.contact(JANE)
    assert contact is not None
    assert receipt == Receipt(Outcome.ENROLLED, contact_id=contact["id"])
    assert (sandbox.fields(JANE), sandbox.tags(JANE)) == (FIELDS, set(TAGS))
    assert sandbox.status(JANE) == "active"
    assert effects(sandbox) == ["enrolled"]


def test_a_new_shopper_costs_five_requests(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    adapter.enrol(enrolment_for(adapter, "first@example.com"))  # looks the list up once
    sandbox.server.journal.clear()

    adapter.enrol(enrolment_for(adapter))

    assert calls(sandbox) == [
        "GET /contacts",
        "POST /contact/sync",
        "POST /contactLists",
        "POST /contactTags",
        "POST /contactAutomations",
    ]


def test_a_known_shopper_costs_four_requests(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    adapter.enrol(enrolment_for(adapter, "first@example.com"))
    sandbox.add_contact(JANE, "1")
    sandbox.server.journal.clear()

    adapter.enrol(enrolment_for(adapter))

    assert calls(sandbox) == ["GET /contacts", "POST /contact/sync", "POST /contactTags", "POST /contactAutomations"]


@pytest.mark.parametrize(
    ("status", "bounced", "words"),
    [
        ("2", False, "unsubscribed from list 3"),
        ("3", False, "bounced"),
        ("1", True, "bounced"),
        ("0", False, "not confirmed"),
        ("91", False, "not subscribed to list 3"),
        ("", False, "not subscribed to list 3"),
    ],
)
def test_a_known_contact_who_would_not_be_mailed_is_left_alone(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, status: str, bounced: bool, words: str
) -> None:
    sandbox.add_contact(JANE, status, bounced=bounced)
    was = sandbox.status(JANE)

    receipt = adapter.enrol(enrolment_for(adapter))

    assert receipt.outcome is Outcome.NO_CONSENT
    assert receipt.detail.startswith("ActiveCampaign will not mail this contact: ")
    assert words in receipt.detail
    assert (sandbox.status(JANE), sandbox.tags(JANE), sandbox.fields(JANE)) == (was, set(), {})
    assert not [call for call in calls(sandbox) if not call.startswith("GET")]


def test_a_new_shopper_who_did_not_opt_in_is_not_even_stored(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    receipt = adapter.enrol(enrolment_for(adapter, may_subscribe=False))

    assert receipt.outcome is Outcome.NO_CONSENT
    assert sandbox.contact(JANE) is None


def test_a_known_contact_keeps_their_status_whatever_may_subscribe_says(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.add_contact(JANE, "1")
    receipt = adapter.enrol(enrolment_for(adapter, may_subscribe=False))
    assert receipt.outcome is Outcome.ENROLLED
    assert "POST /contactLists" not in calls(sandbox)


def test_without_a_list_being_subscribed_somewhere_counts_and_an_unsubscribe_anywhere(
    sandbox: ActiveCampaignSandbox,
) -> None:
    adapter = adapter_for(sandbox, list=None)
    sandbox.add_contact("subscribed@example.com", "1", list_id="9")
    sandbox.add_contact("left@example.com", "1", list_id="9")
    sandbox.add_contact("left@example.com", "2", list_id="8")
    outcomes = {
        email: adapter.enrol(enrolment_for(adapter, email)).outcome
        for email in ("subscribed@example.com", "left@example.com", "new@example.com")
    }
    assert outcomes == {
        "subscribed@example.com": Outcome.ENROLLED,
        "left@example.com": Outcome.NO_CONSENT,
        "new@example.com": Outcome.NO_CONSENT,
    }


def test_a_contact_subscribed_to_another_list_only_is_not_mailed(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.add_contact(JANE, "1", list_id="9")
    assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.NO_CONSENT


def test_a_deleted_contact_who_comes_back_unsubscribed_is_not_resubscribed(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, clock: Clock
) -> None:
    sandbox.unsubscribe(JANE)
    clock.advance(timedelta(minutes=1))
    # The search does not show deleted contacts, and sync revives them.
    nobody = {"contacts": [], "meta": {"total": "0"}}
    sandbox.server.fault = answer_with(200, nobody, when="GET /api/3/contacts")

    assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.NO_CONSENT
    assert sandbox.status(JANE) == "unsubscribed"
    assert "POST /contactLists" not in calls(sandbox)


def test_a_shopper_who_unsubscribed_between_two_steps_loses_our_tags(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    adapter.enrol(enrolment_for(adapter))
    sandbox.unsubscribe(JANE)
    assert adapter.enrol(enrolment_for(adapter, key="second step", step=1)).outcome is Outcome.NO_CONSENT
    assert (sandbox.tags(JANE), sandbox.status(JANE)) == (set(), "unsubscribed")


def test_it_makes_do_where_related_records_do_not_come_along(clock: Clock) -> None:
    account = serve(clock, related=False)
    with account.server:
        adapter = adapter_for(account)
        account.unsubscribe("left@example.com")
        account.add_contact(JANE, "1")
        assert adapter.enrol(enrolment_for(adapter, "left@example.com")).outcome is Outcome.NO_CONSENT
        assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.ENROLLED
        adapter.withdraw(withdrawal_for(adapter))
        assert (account.tags(JANE), account.running(JANE)) == (set(), 0)


def test_a_revisit_takes_tag_and_automation_off_and_puts_them_on_anew(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, clock: Clock
) -> None:
    adapter.enrol(enrolment_for(adapter))
    later = clock.advance(timedelta(days=8))
    sandbox.server.journal.clear()

    adapter.enrol(enrolment_for(adapter, key="second lead", generation=2, lead_at=later))

    made = Counter(call.rpartition("/")[0] or call for call in calls(sandbox) if call.startswith("DELETE"))
    assert made == {"DELETE /contactTags": 1, "DELETE /contactAutomations": 1}
    assert (sandbox.tags(JANE), sandbox.running(JANE)) == (set(TAGS), 1)
    assert effects(sandbox).count("enrolled") == 2


def test_a_later_step_of_a_revisit_keeps_what_the_first_step_put_on(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, clock: Clock
) -> None:
    adapter.enrol(enrolment_for(adapter))
    lead = clock.advance(timedelta(days=8))
    again = enrolment_for(adapter, key="second lead", generation=2, lead_at=lead)
    adapter.enrol(again)
    clock.advance(timedelta(days=1))
    sandbox.server.journal.clear()

    adapter.enrol(replace(again, key="second lead, second step", step=1))

    assert not [call for call in calls(sandbox) if call.startswith("DELETE")]
    assert sandbox.running(JANE) == 2


def test_a_revisit_triggers_a_tag_started_automation_again(clock: Clock) -> None:
    account = serve(clock, tag_trigger="abandoned-cart")
    with account.server:
        adapter = adapter_for(account)
        adapter.enrol(enrolment_for(adapter))
        later = clock.advance(timedelta(days=8))
        adapter.enrol(enrolment_for(adapter, key="second lead", generation=2, lead_at=later))
        assert effects(account) == ["enrolled", "withdrawn", "enrolled"]
        adapter.withdraw(withdrawal_for(adapter))
        assert effects(account)[3:] == ["withdrawn"]


def test_withdrawing_takes_out_at_once_and_may_be_repeated(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.add_contact(JANE, "1")
    adapter.prepare([], ["owner's tag"])
    adapter.enrol(enrolment_for(adapter, tags=(*TAGS, "owner's tag")))
    withdrawal = withdrawal_for(adapter, add_tags=("customer",))

    adapter.withdraw(withdrawal)
    adapter.withdraw(withdrawal)

    assert effects(sandbox) == ["enrolled", "withdrawn"]
    assert (sandbox.running(JANE), sandbox.tags(JANE)) == (0, {"owner's tag", "customer"})
    assert sandbox.status(JANE) == "active"


def test_withdrawing_somebody_unknown_writes_nothing(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    adapter.withdraw(withdrawal_for(adapter, add_tags=("customer",)))
    assert calls(sandbox) == ["GET /contacts"]


def test_a_finished_run_is_left_in_the_history(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    adapter.enrol(enrolment_for(adapter))
    sandbox.finish(JANE)
    sandbox.server.journal.clear()
    adapter.withdraw(withdrawal_for(adapter))
    assert not [call for call in calls(sandbox) if "contactAutomations" in call]


@pytest.mark.parametrize("status", [403, 404])
def test_what_somebody_else_removed_meanwhile_counts_as_removed(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, status: int
) -> None:
    adapter.enrol(enrolment_for(adapter))
    gone = {"message": "No Result found for SubscriberSeries with id 3"}

    def fault(request: Request) -> Fault | None:
        return Fault(Reply(status, gone)) if request.method == "DELETE" else None

    sandbox.server.fault = fault
    adapter.withdraw(withdrawal_for(adapter))


def test_a_forbidden_withdrawal_is_no_success(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    adapter.enrol(enrolment_for(adapter))

    def fault(request: Request) -> Fault | None:
        return Fault(Reply(403, {"message": "Forbidden"})) if request.method == "DELETE" else None

    sandbox.server.fault = fault
    with pytest.raises(ConfigError, match="Forbidden"):
        adapter.withdraw(withdrawal_for(adapter))


def test_refreshing_changes_fields_and_triggers_nothing(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    adapter.enrol(enrolment_for(adapter))
    adapter.refresh(enrolment_for(adapter, fields={"Product": "Red chair"}))
    assert sandbox.fields(JANE) == {**FIELDS, "Product": "Red chair"}
    assert (effects(sandbox), sandbox.running(JANE)) == (["enrolled", "refreshed"], 1)


def test_refreshing_somebody_deleted_does_not_bring_them_back(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    with pytest.raises(RejectedError, match="no longer in ActiveCampaign"):
        adapter.refresh(enrolment_for(adapter))
    assert sandbox.contact(JANE) is None


def test_forgetting_deletes_and_may_be_repeated(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    adapter.enrol(enrolment_for(adapter))
    adapter.forget("JANE@example.com", permanently=False)
    adapter.forget(JANE, permanently=True)
    assert sandbox.contact(JANE) is None


def test_another_address_in_the_answer_is_never_touched(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    stranger = sandbox.add_contact("stranger@example.com", "1")
    answer = {"contacts": [sandbox.contact("stranger@example.com")], "meta": {"total": "1"}}
    sandbox.server.fault = answer_with(200, answer, when="GET /api/3/contacts")
    adapter.forget(JANE, permanently=True)
    adapter.withdraw(withdrawal_for(adapter))
    assert sandbox.contact("stranger@example.com")
    assert stranger not in " ".join(calls(sandbox))


def test_names_and_phone_go_to_the_contacts_own_attributes_and_are_never_blanked(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    adapter.enrol(enrolment_for(adapter, fields={"FIRSTNAME": "Jane", "%LastName%": "Doe"}))
    adapter.refresh(enrolment_for(adapter, fields={"FIRSTNAME": "", "phone": "1"}))
    contact = sandbox.contact(JANE) or {}
    assert (contact["firstName"], contact["lastName"], contact["phone"]) == ("Jane", "Doe", "1")
    assert not [call for call in calls(sandbox) if call == "POST /fields"]


def test_an_empty_value_clears_a_custom_field(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    adapter.enrol(enrolment_for(adapter))
    adapter.refresh(enrolment_for(adapter, fields={"Product": ""}))
    assert sandbox.fields(JANE)["Product"] == ""


def test_a_deleted_tag_is_made_anew(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    sandbox.delete_tag("abandoned-cart")
    with pytest.raises(TransientError, match="abandoned-cart"):
        adapter.enrol(enrolment_for(adapter))
    adapter.enrol(enrolment_for(adapter, repeated=True))
    assert (sandbox.tags(JANE), effects(sandbox)) == (set(TAGS), ["enrolled"])


def test_many_are_answered_in_order_and_one_by_one(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    sandbox.unsubscribe("left@example.com")
    wanted = [enrolment_for(adapter, email) for email in ("left@example.com", "not an address", JANE)]
    left, wrong, jane = adapter.enrol_many(wanted)
    assert isinstance(left, Receipt)
    assert isinstance(jane, Receipt)
    assert isinstance(wrong, RejectedError)
    assert (left.outcome, jane.outcome) == (Outcome.NO_CONSENT, Outcome.ENROLLED)


def test_shoppers_in_parallel_share_one_tag_and_one_set_of_fields(sandbox: ActiveCampaignSandbox) -> None:
    adapter = adapter_for(sandbox)
    emails = [f"shopper{number}@example.com" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda email: adapter.enrol(enrolment_for(adapter, email)), emails))
    made = Counter(calls(sandbox))
    assert (made["POST /tags"], made["POST /fields"], made["GET /lists/3"]) == (1, 2, 1)
    assert all(sandbox.running(email) == 1 and sandbox.tags(email) == set(TAGS) for email in emails)
