"""Omnisend: what becomes of refusals, lost answers and repeats."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from clock import Clock
from omnisend_case import CHANGE, CREATE, EVENT, READ, UNTAG, account, adapter
from samples import JANE, Trouble, calls, effects, enrolment, withdrawal

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.model import Outcome
from connector.sandbox import Fault, Reply
from crm.sandbox.omnisend import API_KEY, OmnisendSandbox


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", [READ, CREATE, EVENT])
def test_a_lost_answer_starts_the_automation_once(
    sandbox: OmnisendSandbox, call: str, late: bool, restarted: bool
) -> None:
    sandbox.server.fault = Trouble(call, late=late)
    omnisend = adapter(sandbox)
    with pytest.raises(TransientError):
        omnisend.enrol(enrolment(may_subscribe=True))
    omnisend = adapter(sandbox) if restarted else omnisend
    assert omnisend.enrol(enrolment(may_subscribe=True, repeated=True)).outcome is Outcome.ENROLLED
    assert effects(sandbox) == [JANE]
    assert sandbox.status(JANE) == "subscribed", "as the first attempt was to do"


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", [READ, CHANGE, EVENT])
def test_a_lost_answer_starts_the_next_leads_automation_once(sandbox: OmnisendSandbox, call: str, late: bool) -> None:
    omnisend, second = adapter(sandbox), enrolment(key="acme/jane/2/0", generation=2)
    omnisend.enrol(enrolment())
    sandbox.server.fault = Trouble(call, late=late)
    with pytest.raises(TransientError):
        omnisend.enrol(second)
    omnisend.enrol(replace(second, repeated=True))
    omnisend.enrol(replace(second, repeated=True))
    assert effects(sandbox) == [JANE, JANE]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", [READ, EVENT, UNTAG])
def test_a_lost_answer_reports_an_order_once(sandbox: OmnisendSandbox, call: str, late: bool) -> None:
    omnisend = adapter(sandbox)
    omnisend.enrol(enrolment())
    sandbox.server.fault = Trouble(call, late=late)
    with pytest.raises(TransientError):
        omnisend.withdraw(withdrawal())
    omnisend.withdraw(withdrawal())
    assert [event["eventName"] for event in sandbox.events] == ["started checkout", "placed order"]
    assert sandbox.tags(JANE) == set()


def test_every_step_of_a_sequence_is_remembered_and_no_more_than_a_few(sandbox: OmnisendSandbox) -> None:
    """After a lost database all of them are asked for again, in order."""
    omnisend = adapter(sandbox)
    steps = [enrolment(key=f"acme/jane/1/{step}", step=step) for step in range(5)]
    for each in steps:
        omnisend.enrol(each)
    omnisend.withdraw(withdrawal())
    for each in steps:
        assert omnisend.enrol(replace(each, repeated=True)).detail == "Omnisend already had this event"
    omnisend.enrol(enrolment(key="acme/jane/2/0"))
    omnisend.enrol(replace(steps[0], repeated=True))
    assert len(effects(sandbox)) == 7, "one more for the one that was forgotten"


def test_an_event_is_not_repeated_at_once(sandbox: OmnisendSandbox) -> None:
    lost = iter([Fault(reset=True, after_effect=True)])
    sandbox.server.fault = lambda request: next(lost, None) if request.path == "/api/events" else None
    with pytest.raises(TransientError):
        adapter(sandbox).enrol(enrolment())
    assert calls(sandbox).count(EVENT) == 1


@pytest.mark.parametrize("call", [READ, CREATE])
def test_what_repeats_harmlessly_is_repeated_at_once(sandbox: OmnisendSandbox, call: str) -> None:
    lost = iter([Fault(reset=True, after_effect=True)])
    sandbox.server.fault = lambda request: next(lost, None) if f"{request.method} {request.path}" == call else None
    adapter(sandbox).enrol(enrolment())
    assert effects(sandbox) == [JANE]


@pytest.mark.parametrize(("frequency", "entries"), [(None, 2), (1.0, 1)])
def test_a_slow_queue_can_repeat_an_event_and_the_frequency_setting_keeps_it_out(
    clock: Clock, frequency: float | None, entries: int
) -> None:
    with account(clock, deferred=True) as sandbox:
        sandbox.automations[0].frequency = frequency
        sandbox.server.fault = Trouble(EVENT, late=True)
        omnisend = adapter(sandbox)
        with pytest.raises(TransientError):
            omnisend.enrol(enrolment())
        clock.advance(timedelta(seconds=20))
        omnisend.enrol(enrolment(repeated=True))
        sandbox.work_off()
        assert len(sandbox.events) == 2
        assert len(effects(sandbox)) == entries
    assert "Frequency" in omnisend.repeats


def test_who_unsubscribed_between_two_attempts_is_not_enrolled(sandbox: OmnisendSandbox) -> None:
    sandbox.server.fault = Trouble(EVENT, late=False)
    omnisend = adapter(sandbox)
    with pytest.raises(TransientError):
        omnisend.enrol(enrolment())
    sandbox.unsubscribe(JANE)
    assert omnisend.enrol(enrolment(repeated=True)).outcome is Outcome.NO_CONSENT
    assert sandbox.events == []


def test_who_unsubscribed_after_a_lost_answer_is_known_to_be_enrolled(sandbox: OmnisendSandbox) -> None:
    """So that they are taken out when they buy."""
    sandbox.server.fault = Trouble(EVENT, late=True)
    omnisend = adapter(sandbox)
    with pytest.raises(TransientError):
        omnisend.enrol(enrolment())
    sandbox.unsubscribe(JANE)
    assert omnisend.enrol(enrolment(repeated=True)).outcome is Outcome.ENROLLED
    assert effects(sandbox) == [JANE]


def test_a_contact_that_vanishes_in_between_is_tried_again(sandbox: OmnisendSandbox) -> None:
    omnisend = adapter(sandbox)
    omnisend.enrol(enrolment())
    sandbox.server.fault = Trouble(CHANGE, Reply(404, {"title": "Problem", "detail": "Contact not found"}))
    with pytest.raises(TransientError, match="lost this contact"):
        omnisend.enrol(enrolment(key="again"))
    sandbox.delete(JANE)
    omnisend.enrol(enrolment(key="again", repeated=True))
    assert effects(sandbox) == [JANE, JANE]


@pytest.mark.parametrize(
    ("body", "header", "seconds"),
    [
        ({"retryAfter": 37}, {}, 37),
        ({"retryAfter": 37}, {"Retry-After": "5"}, 37),
        ({"retryAfter": "soon"}, {"Retry-After": "90"}, 90),
        ({"retryAfter": -3}, {}, 0),
        ({"retryAfter": 10**9}, {}, 86400),
        ({"retryAfter": True}, {}, None),
        ([], {}, None),
        (None, {"Retry-After": "90"}, 90),
    ],
)
def test_too_many_requests_wait_for_as_long_as_omnisend_says(
    sandbox: OmnisendSandbox, body: Any, header: dict[str, str], seconds: float | None
) -> None:
    sandbox.server.fault = Trouble(EVENT, Reply(429, body, header))
    with pytest.raises(TransientError) as caught:
        adapter(sandbox).enrol(enrolment())
    assert caught.value.retry_after == seconds
    assert sandbox.effects == []


def test_the_sandboxs_own_limit_is_understood(clock: Clock) -> None:
    with account(clock, limits=True) as sandbox:
        omnisend = adapter(sandbox)
        for number in range(200):
            omnisend.refresh(enrolment(f"s{number}@shop.example"))
            omnisend.refresh(enrolment(f"s{number}@shop.example"))
        clock.advance(timedelta(seconds=45))
        with pytest.raises(TransientError, match="Rate limit exceeded") as caught:
            omnisend.refresh(enrolment())
        assert caught.value.retry_after == 15


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("contacts.read", "permission contacts.read"),
        ("contacts.write", "permission contacts.write"),
        ("events.write", "permission events.write"),
    ],
)
def test_a_permission_that_the_key_lacks_is_named(lacking: str, words: str) -> None:
    with account(lacking={lacking}) as sandbox, pytest.raises(ConfigError, match=words):
        adapter(sandbox).enrol(enrolment())


def test_a_retired_version_is_for_the_owner_and_rejects_nobody(sandbox: OmnisendSandbox) -> None:
    sandbox.server.fault = Trouble(READ, Reply(410, {"title": "Gone", "detail": "This API version is retired."}))
    with pytest.raises(ConfigError, match="Update Winback"):
        adapter(sandbox).enrol(enrolment())


def test_a_value_that_omnisend_refuses_is_named(sandbox: OmnisendSandbox) -> None:
    with pytest.raises(RejectedError, match=r"did not accept these values: customProperties\.Größe"):
        adapter(sandbox).enrol(enrolment(fields={"Größe": "XL"}))
    assert sandbox.events == []


@pytest.mark.parametrize("body", [b"<p>No.</p>", [], {"errors": "x"}, {"errors": [7]}, {"errors": [{}]}, None])
def test_a_refusal_of_another_shape_is_one_too(sandbox: OmnisendSandbox, body: Any) -> None:
    sandbox.server.fault = Trouble(EVENT, Reply(400, body))
    with pytest.raises(RejectedError, match="Omnisend"):
        adapter(sandbox).enrol(enrolment())


def test_errors_hold_neither_key_nor_address(sandbox: OmnisendSandbox) -> None:
    words = f"{API_KEY} may not write to someone@shop.example"
    bodies: list[Any] = [{"detail": words}, {"detail": "No.", "errors": [{"field": "f", "message": words}]}]
    for status in (400, 401, 403, 409, 429, 500):
        for body in bodies:
            sandbox.server.fault = Trouble(EVENT, Reply(status, body, {"Retry-After": "60"}))
            with pytest.raises(WinbackError) as caught:
                adapter(sandbox).enrol(enrolment())
            assert API_KEY not in str(caught.value)
            assert "someone@" not in str(caught.value)
    assert API_KEY not in repr(adapter(sandbox)._options)
