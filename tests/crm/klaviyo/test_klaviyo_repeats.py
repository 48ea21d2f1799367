"""Klaviyo: what becomes of refusals, lost answers and repeats."""

from __future__ import annotations

from dataclasses import replace

import pytest
from klaviyo_case import adapter
from samples import JANE, Trouble, calls, effects, enrolment

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.model import Receipt
from connector.sandbox import Fault, Reply, Request
from crm.sandbox.klaviyo import API_KEY, LIST, KlaviyoSandbox

READ = "GET /api/profiles"
EVENT = "POST /api/events"
BULK = "POST /api/event-bulk-create-jobs"
IMPORT = "POST /api/profile-import"
SUBSCRIBE = "POST /api/profile-subscription-bulk-create-jobs"
JOIN = f"POST /api/lists/{LIST}/relationships/profiles"
LEAVE = f"DELETE /api/lists/{LIST}/relationships/profiles"


def test_a_refused_subscriber_keeps_the_others(sandbox: KlaviyoSandbox) -> None:
    wanted = [enrolment(f"{name}@shop.example", may_subscribe=True) for name in ("a", "b")]
    bad = enrolment("c@shop.x", may_subscribe=True)
    answers = adapter(sandbox).enrol_many([wanted[0], bad, wanted[1]])
    assert sandbox.members() == {"a@shop.example", "b@shop.example"}
    assert isinstance(answers[1], RejectedError)


def test_one_bad_address_in_fifty_is_alone(sandbox: KlaviyoSandbox) -> None:
    batch = [enrolment(f"s{number}@shop.example") for number in range(50)]
    batch[17] = enrolment("nobody@shop.x")
    answers = adapter(sandbox).enrol_many(batch)
    assert [index for index, answer in enumerate(answers) if isinstance(answer, WinbackError)] == [17]
    assert isinstance(answers[17], RejectedError)
    assert "Invalid email address" in str(answers[17])
    assert len(effects(sandbox)) == 49
    assert calls(sandbox) == [READ, BULK, BULK, EVENT]


def test_by_list_a_bad_address_is_alone_too(by_list: KlaviyoSandbox) -> None:
    answers = adapter(by_list).enrol_many([enrolment(), enrolment("nobody@shop.x"), enrolment("joe@shop.example")])
    assert [isinstance(answer, RejectedError) for answer in answers] == [False, True, False]
    assert effects(by_list) == [JANE, "joe@shop.example"]


def test_an_address_that_spoils_the_question_is_found_by_halving(sandbox: KlaviyoSandbox) -> None:
    def refuse(request: Request) -> Fault | None:
        bad = "s3@shop.example" in request.param("filter")
        return Fault(Reply(400, {"errors": [{"detail": "Invalid filter."}]})) if bad else None

    sandbox.server.fault = refuse
    answers = adapter(sandbox).enrol_many([enrolment(f"s{number}@shop.example") for number in range(8)])
    assert [index for index, answer in enumerate(answers) if isinstance(answer, RejectedError)] == [3]
    assert len(effects(sandbox)) == 7


@pytest.mark.parametrize("reply", [Reply(400, {"errors": [{"detail": "No."}]}), Reply(413, b"<html>"), Reply(400, [])])
def test_a_bulk_refusal_without_a_reason_sends_each_alone(sandbox: KlaviyoSandbox, reply: Reply) -> None:
    sandbox.server.fault = Trouble(BULK, reply)
    adapter(sandbox).enrol_many([enrolment(f"s{number}@shop.example") for number in range(4)])
    assert calls(sandbox) == [READ, BULK, *[EVENT] * 4]
    assert len(effects(sandbox)) == 4


def test_bulk_refusals_one_at_a_time_end_after_the_third(sandbox: KlaviyoSandbox) -> None:
    pointer = {"pointer": "/data/attributes/events-bulk-create/data/0/attributes/profile"}
    sandbox.server.fault = Trouble(BULK, Reply(400, {"errors": [{"detail": "No.", "source": pointer}]}), times=99)
    adapter(sandbox).enrol_many([enrolment(f"s{number}@shop.example") for number in range(9)])
    assert calls(sandbox) == [READ, *[BULK] * 3, *[EVENT] * 9]
    assert len(effects(sandbox)) == 9


STAGES_BY_METRIC = [READ, SUBSCRIBE, BULK, EVENT]
STAGES_BY_LIST = [READ, SUBSCRIBE, LEAVE, IMPORT, JOIN]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", STAGES_BY_METRIC)
def test_a_lost_answer_starts_the_flow_once(sandbox: KlaviyoSandbox, call: str, late: bool) -> None:
    sandbox.server.fault = Trouble(call, late=late)
    batch = [enrolment(f"s{number}@shop.example", may_subscribe=True) for number in range(1 if call == EVENT else 3)]
    klaviyo = adapter(sandbox)
    first = klaviyo.enrol_many(batch)
    assert {type(answer) for answer in first} == {TransientError}
    second = klaviyo.enrol_many([replace(each, repeated=True) for each in batch])
    assert {type(answer) for answer in second} == {Receipt}
    assert sorted(effects(sandbox)) == sorted(each.email for each in batch)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", STAGES_BY_LIST)
def test_by_list_a_lost_answer_starts_the_flow_once(by_list: KlaviyoSandbox, call: str, late: bool) -> None:
    klaviyo = adapter(by_list, list=LIST if call == SUBSCRIBE else None, campaign={"list": LIST})
    batch = [enrolment("new@shop.example", may_subscribe=True)]
    if call != SUBSCRIBE:  # Jane comes back after an earlier lead, and is still on the list
        klaviyo.enrol(enrolment())
        batch.append(enrolment(JANE, "generation 2"))
    before = len(by_list.effects)
    by_list.server.fault = Trouble(call, late=late)
    first = klaviyo.enrol_many(batch)
    assert TransientError in {type(answer) for answer in first}
    lost = [each for each, answer in zip(batch, first, strict=True) if isinstance(answer, TransientError)]
    second = klaviyo.enrol_many([replace(each, repeated=True) for each in lost])
    assert {type(answer) for answer in second} == {Receipt}
    started = [effect.email for effect in by_list.effects[before:] if effect.what == "enrolled"]
    assert sorted(started) == sorted(each.email for each in batch)


def test_a_reset_connection_is_repeated_at_once_with_one_effect(sandbox: KlaviyoSandbox) -> None:
    lost = iter([Fault(reset=True, after_effect=True)])
    sandbox.server.fault = lambda request: next(lost, None) if request.path.endswith("bulk-create-jobs") else None
    answers = adapter(sandbox).enrol_many([enrolment(), enrolment("joe@shop.example")])
    assert {type(answer) for answer in answers} == {Receipt}
    assert effects(sandbox) == [JANE, "joe@shop.example"]


def test_a_lost_volume_repeats_nothing_and_holds_up_nobody(sandbox: KlaviyoSandbox) -> None:
    klaviyo = adapter(sandbox)
    klaviyo.enrol_many([enrolment(), enrolment("joe@shop.example")])
    answers = klaviyo.enrol_many([enrolment(), enrolment("joe@shop.example"), enrolment("new@shop.example")])
    assert {type(answer) for answer in answers} == {Receipt}
    assert effects(sandbox) == [JANE, "joe@shop.example", "new@shop.example"]


def test_a_new_lead_of_the_same_shopper_starts_the_flow_anew(either: KlaviyoSandbox) -> None:
    klaviyo = adapter(either)
    klaviyo.enrol(enrolment())
    klaviyo.enrol(enrolment(key="acme/jane/2/0", generation=2))
    assert effects(either) == [JANE, JANE]


def test_a_duplicate_profile_is_written_under_its_own_id(by_list: KlaviyoSandbox) -> None:
    klaviyo = adapter(by_list)
    twin = klaviyo.enrol(enrolment()).contact_id
    error = {"code": "duplicate_profile", "meta": {"duplicate_profile_id": twin}}
    by_list.server.fault = Trouble(IMPORT, Reply(409, {"errors": [error]}))
    receipt = klaviyo.refresh(enrolment(fields={"PRODUCT": "Red mug"}))
    assert receipt.contact_id == twin
    assert by_list.fields(JANE) == {"PRODUCT": "Red mug"}
    by_list.server.fault = Trouble(IMPORT, Reply(409, {"errors": [{"detail": "Duplicate."}]}))
    with pytest.raises(RejectedError, match="Duplicate"):
        klaviyo.refresh(enrolment())


def test_too_many_requests_wait_for_as_long_as_klaviyo_says(sandbox: KlaviyoSandbox) -> None:
    sandbox.server.fault = Trouble(BULK, Reply(429, None, {"Retry-After": "30"}))
    answers = adapter(sandbox).enrol_many([enrolment(), enrolment("joe@shop.example")])
    assert [getattr(answer, "retry_after", None) for answer in answers] == [30, 30]
    assert sandbox.effects == []


def test_a_short_wait_is_waited_for(sandbox: KlaviyoSandbox) -> None:
    sandbox.server.fault = Trouble(EVENT, Reply(429, None, {"Retry-After": "0"}))
    adapter(sandbox).enrol(enrolment())
    assert effects(sandbox) == [JANE]


def test_repeats_keep_out_of_the_bulk_call(sandbox: KlaviyoSandbox) -> None:
    klaviyo = adapter(sandbox)
    klaviyo.enrol_many([enrolment(), enrolment("joe@shop.example")])
    sandbox.server.journal.clear()
    again = [replace(enrolment(email), repeated=True) for email in (JANE, "joe@shop.example")]
    klaviyo.enrol_many([*again, enrolment("ann@shop.example"), enrolment("bob@shop.example")])
    assert calls(sandbox) == [READ, BULK, EVENT, EVENT]
    assert len(effects(sandbox)) == 4


def test_errors_hold_neither_key_nor_address(sandbox: KlaviyoSandbox) -> None:
    words = f"{API_KEY} may not write to someone@shop.example"
    for status in (400, 401, 403, 500):
        sandbox.server.fault = Trouble(EVENT, Reply(status, {"errors": [{"detail": words}]}, {"Retry-After": "60"}))
        with pytest.raises(WinbackError) as caught:
            adapter(sandbox).enrol(enrolment())
        assert "may not write" in str(caught.value)
        assert API_KEY not in str(caught.value)
        assert "someone@" not in str(caught.value)
    sandbox.server.fault = Trouble(READ, Reply(403, {"errors": [{"detail": "Bad key: my own words"}]}))
    with pytest.raises(ConfigError, match=r"Bad key: \*\*\*"):
        adapter(sandbox, api_key="my own words").enrol(enrolment())
    assert API_KEY not in repr(adapter(sandbox)._options)
