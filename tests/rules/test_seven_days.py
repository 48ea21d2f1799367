"""R5: one lead in seven days, and then really a new one."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from rule_facts import DAY, LATER, SECOND, TICK, ZERO, Attempt, Case, anything, leads

from connector.rules import State, in_window

SINCE = st.sampled_from((ZERO, TICK, SECOND, DAY))
WHOSE = st.sampled_from(("window_at", "triggered_at"))


@given(anything(), SINCE, WHOSE)
def test_within_seven_days_of_a_lead_nothing_becomes_a_lead_unless_lifted(
    case: Attempt, since: timedelta, whose: str
) -> None:
    made = case.now - min(since, case.policy.renew_after - TICK)
    assert not case.but(**{whose: made, "lifted": False}).decide().lead


@given(leads(), SINCE, WHOSE)
def test_activity_inside_the_window_is_renewed_too_soon(case: Case, since: timedelta, whose: str) -> None:
    opened = case.facts.activity_at - min(since, case.policy.renew_after - TICK)
    decision = case.but(**{whose: opened}).decide()
    assert (decision.state, decision.rule, decision.lead) == (State.RENEWED_TOO_SOON, "R5", False)


@given(leads(), LATER, WHOSE)
def test_activity_before_the_lead_was_made_is_inside_its_window_too(case: Case, by: timedelta, whose: str) -> None:
    decision = case.but(**{whose: case.facts.activity_at + by}).decide()
    assert decision.state is State.RENEWED_TOO_SOON


@given(leads(), LATER, WHOSE)
def test_a_revisit_seven_days_after_creation_or_later_makes_a_new_lead(case: Case, by: timedelta, whose: str) -> None:
    opened = case.facts.activity_at - case.policy.renew_after - by
    assert case.but(**{whose: opened}).decide().lead


@given(leads(), st.sampled_from((DAY, 400 * DAY)))
def test_a_checkout_triggers_once_in_that_window_whatever_address_it_carries(case: Case, ago: timedelta) -> None:
    triggered = case.facts.activity_at - case.policy.renew_after + TICK
    for other in (None, triggered - ago):
        corrected = case.but(triggered_at=triggered, shopper="another", window_at=other)
        assert corrected.decide().state is State.RENEWED_TOO_SOON


@given(anything(), LATER)
def test_a_checkout_suppressed_inside_the_window_is_no_lead_because_time_passes(
    case: Attempt, later: timedelta
) -> None:
    if case.decide().state is State.RENEWED_TOO_SOON:
        after = case.at(case.now + later).decide()
        assert after.state in (State.RENEWED_TOO_SOON, State.TOO_LATE)
        assert not after.lead


@given(leads(), LATER)
def test_the_end_of_the_window_alone_makes_no_lead(case: Case, later: timedelta) -> None:
    opened = case.facts.activity_at - case.policy.renew_after + TICK
    closed = opened + case.policy.renew_after
    assert not case.but(window_at=opened).at(max(closed, case.due) + later).decide().lead


@given(leads(), SINCE, WHOSE)
def test_enrolling_by_hand_lifts_the_window(case: Case, since: timedelta, whose: str) -> None:
    assert case.but(**{whose: case.facts.activity_at - since, "lifted": True}).decide().lead


@given(leads())
def test_a_shopper_without_a_window_is_in_none(case: Case) -> None:
    assert not in_window(case.but(window_at=None, triggered_at=None).facts, case.policy)


@given(leads())
def test_who_came_by_a_link_makes_no_lead_unless_by_hand(case: Case) -> None:
    decision = case.but(by_link=True).decide()
    assert (decision.state, decision.rule, decision.lead) == (State.RENEWED_TOO_SOON, "R5", False)
    assert case.but(by_link=True, lifted=True).decide().lead == case.but(lifted=True).decide().lead


@given(anything())
def test_who_came_by_a_link_never_makes_a_lead(case: Attempt) -> None:
    assert not case.but(by_link=True, lifted=False).decide().lead
