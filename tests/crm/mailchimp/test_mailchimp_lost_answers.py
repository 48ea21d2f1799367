"""Answers that never arrive: each call of an enrolment in turn, before and after its effect, and then another try."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from clock import START, Clock
from mailchimp_case import EMAIL, Case, Make, checkout, line, order, withdrawal

from connector.errors import TransientError
from connector.model import Enrolment, Outcome
from connector.sandbox import Fault, Reply, Request
from crm.sandbox.mailchimp import FLOW_TAG

PATHS = ("journey", "tag", "event", "native_cart")
# "Retry-After: 0" keeps the immediate repetitions from waiting.
FAULTS = {
    "before": Fault(Reply(502, headers={"Retry-After": "0"})),
    "after": Fault(Reply(502, headers={"Retry-After": "0"}), after_effect=True),
}
RESET = Fault(reset=True, after_effect=True)
STARTS = {"journey": "/trigger", "tag": "/tags", "event": "/events", "native_cart": "/carts"}
LATER = START + timedelta(days=8)


class FailOnce:
    """Breaks the n-th request, and its immediate repetitions, until told that the attempt is over."""

    def __init__(self, n: int, fault: Fault) -> None:
        self._n, self._fault, self._seen = n, fault, 0
        self.hit = ""

    def __call__(self, request: Request) -> Fault | None:
        name = f"{request.method} {request.path}"
        if self.hit:
            return self._fault if name == self.hit else None
        self._seen += 1
        if self._seen < self._n:
            return None
        self.hit = name
        return self._fault


def _second(at: Case) -> Enrolment:
    first = at.enrolment().lead
    return at.enrolment(generation=2, lead_at=LATER, at=LATER, key="acme/jane/c1/2/0", former=(first,))


def _interrupted(at: Case, enrolment: Enrolment, n: int, fault: Fault) -> str:
    """Enrols with the n-th request broken, then again as the queue would. Returns the request that broke."""
    breaking = FailOnce(n, fault)
    at.sandbox.server.fault = breaking
    try:
        at.crm.enrol(enrolment)
    except TransientError:
        at.sandbox.server.fault = None
        again = at.crm.enrol(Enrolment(**{**_values(enrolment), "repeated": True}))
        assert again.outcome is Outcome.ENROLLED
    at.sandbox.server.fault = None
    return breaking.hit


def _values(enrolment: Enrolment) -> dict[str, Any]:
    return {name: getattr(enrolment, name) for name in Enrolment.__slots__}


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("path", PATHS)
def test_a_lost_answer_repeats_at_most_the_journey(make: Make, path: str, fault: str) -> None:
    broken = []
    for n in range(1, 20):
        at = make(path)
        hit = _interrupted(at, at.enrolment(), n, FAULTS[fault])
        if not hit:
            break
        broken.append(hit)
        lost_trigger = hit.endswith("/trigger") and FAULTS[fault].after_effect
        assert at.count() == (2 if lost_trigger else 1), hit
        assert at.sandbox.tags(EMAIL) == {FLOW_TAG}
        assert at.sandbox.status(EMAIL) == "subscribed"
    assert len(broken) == {"journey": 5, "tag": 4, "event": 5, "native_cart": 9}[path]


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("path", PATHS)
def test_a_lost_answer_while_triggering_again(make: Make, path: str, fault: str) -> None:
    for n in range(1, 20):
        clock = Clock()
        at = make(path, clock=clock)
        at.crm.enrol(at.enrolment())
        clock.set(LATER)
        hit = _interrupted(at, _second(at), n, FAULTS[fault])
        if not hit:
            break
        lost_trigger = hit.endswith("/trigger") and FAULTS[fault].after_effect
        assert at.count() == (3 if lost_trigger else 2), hit
        assert at.sandbox.tags(EMAIL) == {FLOW_TAG}
        assert len(at.sandbox.carts(EMAIL)) == (path == "native_cart")
    assert n > 5


@pytest.mark.parametrize("path", PATHS)
def test_a_connection_that_breaks_after_the_effect(make: Make, path: str) -> None:
    at = make(path)
    at.sandbox.server.fault = lambda request: RESET if request.path.endswith(STARTS[path]) else None
    try:
        at.crm.enrol(at.enrolment())
    except TransientError:
        at.sandbox.server.fault = None
        at.crm.enrol(at.enrolment(repeated=True))
    assert at.count() == (2 if path == "journey" else 1)


@pytest.mark.parametrize("path", PATHS)
def test_a_repeat_after_everything_was_done(make: Make, path: str) -> None:
    """The daemon died between Mailchimp's answer and its own note of it."""
    at = make(path)
    at.crm.enrol(at.enrolment())
    at.crm.enrol(at.enrolment(repeated=True))
    assert at.count() == (2 if path == "journey" else 1)
    assert bool(at.crm.repeats)


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_lost_answer_while_withdrawing_ends_withdrawn(make: Make, fault: str) -> None:
    gone = withdrawal(order=order(), add_tags=("customer",))
    for n in range(1, 20):
        at = make("native_cart")
        at.crm.enrol(at.enrolment())
        breaking = FailOnce(n, FAULTS[fault])
        at.sandbox.server.fault = breaking
        try:
            at.crm.withdraw(gone)
        except TransientError:
            at.sandbox.server.fault = None
            at.crm.withdraw(gone)
        if not breaking.hit:
            break
        assert at.sandbox.tags(EMAIL) == {"customer"}
        assert at.sandbox.carts(EMAIL) == []
    assert n == 5


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_lost_answer_while_refreshing_triggers_nothing(make: Make, fault: str) -> None:
    for n in range(1, 20):
        at = make("native_cart")
        at.crm.enrol(at.enrolment())
        newer = at.enrolment(checkout=checkout(line("11", quantity=2), line("12")))
        breaking = FailOnce(n, FAULTS[fault])
        at.sandbox.server.fault = breaking
        try:
            at.crm.refresh(newer)
        except TransientError:
            at.sandbox.server.fault = None
            at.crm.refresh(newer)
        if not breaking.hit:
            break
        assert at.count() == 1
        (cart,) = at.sandbox.carts(EMAIL)
        assert [row["quantity"] for row in cart["lines"]] == [2, 1]
    assert n > 6


def test_what_was_done_is_found_among_many_tags_and_events(make: Make) -> None:
    """Mailchimp lists ten unless it is asked for more."""
    at = make("tag")
    at.sandbox.add(EMAIL)
    at.crm.enrol(at.enrolment(tags=(*(f"t{n}" for n in range(12)), FLOW_TAG)))
    at.sandbox.server.journal.clear()
    at.crm.enrol(at.enrolment(tags=(FLOW_TAG,), repeated=True))
    assert at.sent("POST") == []
    at = make("event")
    for n in range(12):
        at.crm.enrol(at.enrolment(key=f"k{n}"))
    at.crm.enrol(at.enrolment(key="k0", repeated=True))
    assert at.count() == 12
