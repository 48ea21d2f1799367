"""ActiveCampaign: what the owner deletes there, or makes anew, while the daemon goes on with the numbers it knows."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

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

from connector.errors import ConfigError, RejectedError, TransientError
from connector.model import Outcome
from connector.sandbox import Reply, Request
from crm.activecampaign import ActiveCampaign
from crm.sandbox.activecampaign import ActiveCampaignSandbox

BOB = "bob@example.com"


@pytest.mark.parametrize("known", [True, False])
def test_a_deleted_list_is_the_owners_to_mend_and_refuses_nobody(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, known: bool
) -> None:
    adapter.enrol(enrolment_for(adapter, BOB))
    if known:
        sandbox.add_contact(JANE, "1")
    sandbox.delete_list()
    for _ in range(2):
        with pytest.raises(ConfigError, match="there is no list 3 in ActiveCampaign: correct `list`"):
            adapter.enrol(enrolment_for(adapter))
    assert effects(sandbox) == ["enrolled"]

    sandbox.add_list("3")
    if known:
        sandbox.add_contact(JANE, "1")
    assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.ENROLLED
    assert (sandbox.status(JANE), sandbox.running(JANE)) == ("active", 1)


def test_a_list_made_anew_under_its_name_is_joined(sandbox: ActiveCampaignSandbox) -> None:
    adapter = adapter_for(sandbox, list="newsletter")
    adapter.enrol(enrolment_for(adapter, BOB))
    sandbox.delete_list()
    sandbox.add_list("8")
    sandbox.add_contact("known@example.com", "1", list_id="8")
    with pytest.raises(TransientError, match="list newsletter was made anew"):
        adapter.enrol(enrolment_for(adapter))
    assert adapter.enrol(enrolment_for(adapter, repeated=True)).outcome is Outcome.ENROLLED
    assert adapter.enrol(enrolment_for(adapter, "known@example.com")).outcome is Outcome.ENROLLED


def test_a_known_contact_on_a_list_made_anew_is_not_refused(sandbox: ActiveCampaignSandbox) -> None:
    adapter = adapter_for(sandbox, list="newsletter")
    adapter.enrol(enrolment_for(adapter, BOB))
    sandbox.delete_list()
    sandbox.add_list("8")
    sandbox.add_contact(JANE, "1", list_id="8")
    assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.ENROLLED


def test_a_contact_whom_a_list_that_is_there_does_not_take_is_refused(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.server.fault = answer_with(400, {"message": "Blocked"}, when="POST /api/3/contactLists")
    with pytest.raises(RejectedError, match="Blocked"):
        adapter.enrol(enrolment_for(adapter))


@pytest.mark.parametrize("known", [True, False])
def test_a_deleted_field_is_made_anew_and_filled(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign, known: bool
) -> None:
    adapter.enrol(enrolment_for(adapter, BOB))
    if known:
        sandbox.add_contact(JANE, "1")
    sandbox.delete_field("CHECKOUT")
    sandbox.server.journal.clear()

    assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.ENROLLED

    assert (sandbox.fields(JANE), sandbox.running(JANE)) == (FIELDS, 1)
    made = [call for call in calls(sandbox) if call in ("POST /fields", "POST /fieldRels", "POST /contact/sync")]
    assert made == ["POST /contact/sync", "POST /fields", "POST /fieldRels", "POST /contact/sync"]
    sandbox.server.journal.clear()
    adapter.enrol(enrolment_for(adapter, BOB, key="second step", step=1))
    assert sandbox.fields(BOB) == FIELDS
    assert calls(sandbox) == ["GET /contacts", "POST /contact/sync", "POST /contactAutomations"]


def test_a_field_deleted_before_a_refresh_is_made_anew_and_filled(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    adapter.enrol(enrolment_for(adapter))
    sandbox.delete_field("Product")
    adapter.refresh(enrolment_for(adapter, fields={**FIELDS, "Product": "Red chair"}))
    assert sandbox.fields(JANE) == {**FIELDS, "Product": "Red chair"}
    assert effects(sandbox)[0] == "enrolled"
    assert sandbox.running(JANE) == 1


def test_shoppers_at_the_same_time_all_get_the_field_that_is_made_anew_once(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    adapter.enrol(enrolment_for(adapter, BOB))
    sandbox.delete_field("CHECKOUT")
    emails = [f"shopper{number}@example.com" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda email: adapter.enrol(enrolment_for(adapter, email)), emails))
    assert all(sandbox.fields(email) == FIELDS for email in emails)
    assert calls(sandbox).count("POST /fields") == 1


def test_an_answer_without_values_is_believed_where_the_fields_are_there(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    handler = sandbox.server.handler

    def without_values(request: Request) -> Reply:
        reply = handler(request)
        if not request.path.endswith("/contact/sync"):
            return reply
        return Reply(reply.status, {"contact": json.loads(reply.payload())["contact"]})

    sandbox.server.handler = without_values
    assert adapter.enrol(enrolment_for(adapter)).outcome is Outcome.ENROLLED
    assert sandbox.fields(JANE) == FIELDS
    assert calls(sandbox).count("GET /fields") == 1


def test_an_empty_value_for_a_deleted_field_makes_none(sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign) -> None:
    sandbox.delete_field("CHECKOUT")
    adapter.enrol(enrolment_for(adapter, fields={**FIELDS, "CHECKOUT": ""}))
    assert "POST /fields" not in calls(sandbox)


def test_a_field_that_is_deleted_time_and_again_is_tried_later(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    handler = sandbox.server.handler

    def without_field(request: Request) -> Reply:
        if request.path.endswith("/contact/sync"):
            sandbox.delete_field("CHECKOUT")
        return handler(request)

    sandbox.server.handler = without_field
    with pytest.raises(TransientError, match="has not stored"):
        adapter.enrol(enrolment_for(adapter))
    assert effects(sandbox) == []


def test_a_tag_made_anew_by_somebody_else_is_taken_off_too(
    sandbox: ActiveCampaignSandbox, adapter: ActiveCampaign
) -> None:
    sandbox.add_history(JANE, 2)
    sandbox.add_contact(JANE, "1")
    adapter.enrol(enrolment_for(adapter))
    sandbox.delete_tag(TAGS[0])
    another = adapter_for(sandbox)  # another machine's
    another.enrol(enrolment_for(another, key="second step", step=1))
    assert TAGS[0] in sandbox.tags(JANE)

    adapter.withdraw(withdrawal_for(adapter))

    assert len(sandbox.tags(JANE)) == 2
    assert TAGS[0] not in sandbox.tags(JANE)
