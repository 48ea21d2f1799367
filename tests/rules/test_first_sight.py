"""R3: what is too old, and what is too much at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from rule_facts import DAY, HOUR, START, TICK, Attempt, Case, anything, around, leads, policies

from connector.rules import Policy, State, expired_before, is_surge

BEYOND = st.sampled_from((TICK, HOUR, 30 * DAY))


@given(leads(), BEYOND)
def test_a_checkout_older_than_stale_after_when_first_seen_makes_no_lead(case: Case, by: timedelta) -> None:
    seen = case.facts.activity_at + case.policy.stale_after + by
    for now in (case.now, seen):
        decision = case.but(seen_at=seen).at(now).decide()
        assert (decision.state, decision.rule, decision.lead) == (State.STALE, "R3", False)


@given(anything())
def test_nothing_that_was_stale_when_first_seen_becomes_a_lead_unless_lifted(case: Attempt) -> None:
    seen = case.facts.activity_at + case.policy.stale_after + TICK
    assert not case.but(seen_at=seen, lifted=False).decide().lead


@given(leads(), BEYOND)
def test_a_checkout_that_became_stale_while_it_waited_ends_too_late(case: Case, by: timedelta) -> None:
    stale = case.facts.activity_at + case.policy.stale_after
    decision = case.at(stale + by).decide()
    assert (decision.state, decision.rule, decision.lead) == (State.TOO_LATE, "R3", False)
    assert case.at(stale).decide().state is not State.TOO_LATE


@given(leads(), BEYOND)
def test_a_stale_checkout_can_be_enrolled_by_hand(case: Case, by: timedelta) -> None:
    late = case.facts.activity_at + case.policy.stale_after + by
    assert case.but(seen_at=late, lifted=True).decide().lead
    assert case.but(seen_at=late, lifted=True).at(max(case.now, late)).decide().lead


@given(leads())
def test_a_store_with_a_surge_is_held_until_it_is_released(case: Case) -> None:
    decision = case.but(surge=True).decide()
    assert (decision.state, decision.rule, decision.lead) == (State.HELD, "R3", False)
    assert case.but(surge=False).decide().lead


@given(anything())
def test_nothing_of_a_held_store_becomes_a_lead_unless_lifted(case: Attempt) -> None:
    assert not case.but(surge=True, lifted=False).decide().lead


@given(leads())
def test_enrolling_by_hand_lifts_the_hold_of_a_surge(case: Case) -> None:
    assert case.but(surge=True, lifted=True).decide().lead


@given(st.integers(0, 40), st.integers(-2, 2))
def test_a_surge_is_more_than_ten_times_the_busiest_hour_and_over_100(busiest: int, by: int) -> None:
    count = max(0, 10 * busiest + by)
    assert is_surge(count, busiest, 7 * DAY) == (by > 0 and count > 100)


@given(st.integers(0, 5), st.integers(99, 103))
def test_a_hundred_at_once_is_no_surge(busiest: int, count: int) -> None:
    assert is_surge(count, busiest, 30 * DAY) == (count > 100)


@given(st.integers(0, 10**6), st.integers(0, 1000), st.sampled_from((0 * DAY, DAY, 7 * DAY - TICK, 7 * DAY, 8 * DAY)))
def test_without_a_week_of_history_nothing_is_a_surge(count: int, busiest: int, history: timedelta) -> None:
    assert is_surge(101 + 10 * busiest + count, busiest, history) == (history >= 7 * DAY)


@given(st.integers(0, 2000), st.integers(0, 200))
def test_more_leads_are_never_less_of_a_surge(count: int, busiest: int) -> None:
    assert is_surge(count, busiest, 8 * DAY) <= is_surge(count + 1, busiest, 8 * DAY)
    assert is_surge(count, busiest + 1, 8 * DAY) <= is_surge(count, busiest, 8 * DAY)


@given(policies(), around(START))
def test_a_lead_older_than_keep_for_from_creation_leaves_the_table(policy: Policy, created: datetime) -> None:
    last = created + policy.keep_for
    assert created < expired_before(policy, last + TICK)
    assert not created < expired_before(policy, last)
    assert not created < expired_before(policy, created)


def test_the_durations_that_the_page_gives_are_the_defaults() -> None:
    policy = Policy()
    assert policy.abandoned_after == timedelta(minutes=30)
    assert policy.stale_after == timedelta(hours=48)
    assert policy.sister_patience == timedelta(hours=1)
    assert policy.renew_after == timedelta(days=7)
    assert policy.quiet_after_purchase == timedelta(hours=24)
    assert policy.attribution == timedelta(days=7)
    assert policy.keep_for == timedelta(days=90)
    assert policy.late_within == timedelta(hours=12)
