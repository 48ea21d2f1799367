"""ActiveCampaign: what the owner deletes there, or makes anew, while the daemon goes on with the numbers it knows."""

from __future__ import annotations

import pytest
from activecampaign_case import JANE, TAGS, adapter_for, answer_with, effects, enrolment_for, withdrawal_for

from connector.errors import ConfigError, RejectedError, TransientError
from connector.model import Outcome
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
