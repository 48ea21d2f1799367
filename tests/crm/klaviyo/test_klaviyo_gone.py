"""Klaviyo: a profile or a list that is deleted while Winback works with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from klaviyo_case import adapter
from samples import Trouble, calls, effects, enrolment, withdrawal

from connector.errors import ConfigError, RejectedError, TransientError
from connector.model import Enrolment, Receipt
from connector.sandbox import Reply, Request
from crm.sandbox.klaviyo import LIST, KlaviyoSandbox

PEOPLE = [f"{name}@shop.example" for name in ("ann", "bob", "cid", "dan", "eve")]
GONE = "cid@shop.example"
RELATIONS = f"/api/lists/{LIST}/relationships/profiles"
SUBSCRIBE = "POST /api/profile-subscription-bulk-create-jobs"


def second_leads(sandbox: KlaviyoSandbox) -> list[Enrolment]:
    """The next leads of people who are on the list already."""
    adapter(sandbox).enrol_many([enrolment(each, f"one/{each}") for each in PEOPLE])
    assert effects(sandbox) == PEOPLE
    return [enrolment(each, f"two/{each}", generation=2) for each in PEOPLE]


def deletes_at(sandbox: KlaviyoSandbox, method: str) -> None:
    """Somebody deletes that profile just before the call on the list."""

    def meddle(request: Request) -> None:
        if (request.method, request.path) == (method, RELATIONS):
            sandbox.delete(GONE)

    sandbox.server.fault = meddle


def test_who_is_deleted_before_they_leave_keeps_nobody_on_the_list(by_list: KlaviyoSandbox) -> None:
    leads = second_leads(by_list)
    deletes_at(by_list, "DELETE")
    answers = adapter(by_list).enrol_many(leads)
    assert {type(answer) for answer in answers} == {Receipt}
    assert sorted(effects(by_list)) == sorted(PEOPLE * 2)


def test_who_is_deleted_before_they_join_is_alone_with_it(by_list: KlaviyoSandbox) -> None:
    leads = second_leads(by_list)
    deletes_at(by_list, "POST")
    answers = adapter(by_list).enrol_many(leads)
    lost = answers[PEOPLE.index(GONE)]
    assert isinstance(lost, TransientError)
    assert lost.alone
    assert sum(isinstance(answer, Receipt) for answer in answers) == len(PEOPLE) - 1
    by_list.server.fault = None
    adapter(by_list).enrol_many([replace(leads[PEOPLE.index(GONE)], repeated=True)])
    assert sorted(effects(by_list)) == sorted(PEOPLE * 2)


def test_one_who_is_deleted_is_withdrawn(by_list: KlaviyoSandbox) -> None:
    second_leads(by_list)
    deletes_at(by_list, "DELETE")
    adapter(by_list).withdraw(withdrawal(GONE))
    assert GONE not in by_list.members()


def test_a_list_that_is_gone_is_the_owners(by_list: KlaviyoSandbox) -> None:
    leads = second_leads(by_list)
    kept = by_list.lists.pop(LIST)
    for batch in (leads, leads[:1], [enrolment()]):
        answers = adapter(by_list).enrol_many(batch)
        assert {type(answer) for answer in answers} == {ConfigError}
        assert f"no list {LIST}" in str(answers[0])
    adapter(by_list).withdraw(withdrawal(GONE))  # nobody is on it
    by_list.lists[LIST] = kept
    adapter(by_list).enrol_many([replace(each, repeated=True) for each in leads])
    assert sorted(effects(by_list)) == sorted(PEOPLE * 2)


POINTER = {"pointer": "/data/relationships/list/data/id"}


@pytest.mark.parametrize("reply", [None, Reply(400, {"errors": [{"detail": "No such list.", "source": POINTER}]})])
def test_so_is_the_list_of_new_subscribers(sandbox: KlaviyoSandbox, reply: Reply | None) -> None:
    kept = sandbox.lists.pop(LIST)
    if reply is not None:
        sandbox.server.fault = Trouble(SUBSCRIBE, reply)
    new = [enrolment(each, may_subscribe=True) for each in PEOPLE]
    answers = adapter(sandbox).enrol_many(new)
    assert {type(answer) for answer in answers} == {ConfigError}
    assert sandbox.effects == []
    sandbox.lists[LIST], sandbox.server.fault = kept, None
    adapter(sandbox).enrol_many(new)
    assert sandbox.members() == set(PEOPLE) == set(effects(sandbox))


def test_another_404_for_a_subscriber_is_no_missing_list(sandbox: KlaviyoSandbox) -> None:
    sandbox.server.fault = Trouble(SUBSCRIBE, Reply(404, {"errors": [{"detail": "What?"}]}))
    with pytest.raises(RejectedError, match="HTTP 404: What"):
        adapter(sandbox).enrol(enrolment(may_subscribe=True))
    assert calls(sandbox)[-1] == f"GET /api/lists/{LIST}"
    assert effects(sandbox) == []
