"""R11: every checkout is in exactly one visible state with a reason."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta

import pytest
from hypothesis import given
from rule_facts import LATER, START, TICK, Attempt, anything, said

from connector.model import ConsentState
from connector.rules import BOUGHT, UNDECIDED, Decision, Facts, Go, Policy, Purchase, State, Verdict, Word, decide

VISIBLE = (
    "waiting held enrolled recovered self_recovered bought_later bought_recently renewed_too_soon superseded stale "
    "emptied no_consent suppressed filtered holdout expired too_late failed"
)
RULES = {
    State.WAITING: {"R1", "R2"},
    State.HELD: {"R3", "R4"},
    State.STALE: {"R3"},
    State.TOO_LATE: {"R3"},
    State.EMPTIED: {"R2"},
    State.RENEWED_TOO_SOON: {"R5"},
    State.NO_CONSENT: {"R9"},
    State.SUPPRESSED: {"R10"},
    State.FILTERED: {"when"},
    State.HOLDOUT: {"R12"},
    State.BOUGHT_RECENTLY: {"R7"},
    **{state: {"R7"} for state in BOUGHT},
}


def test_the_visible_states_are_those_of_the_page() -> None:
    assert " ".join(State) == VISIBLE
    assert {State.RECOVERED, State.SELF_RECOVERED, State.BOUGHT_LATER} == BOUGHT
    assert {State.WAITING, State.HELD} == UNDECIDED


@given(anything())
def test_every_decision_is_in_exactly_one_state_with_a_rule_and_a_reason(case: Attempt) -> None:
    decision = case.decide()
    assert isinstance(decision.state, State)
    assert decision.rule in RULES[decision.state]
    assert decision.reason
    assert not decision.lead or (decision.state, decision.rule) in ((State.WAITING, "R2"), (State.HOLDOUT, "R12"))
    assert not decision.lead or decision.again_at is None
    assert decision.state is not State.HOLDOUT or decision.lead


@given(anything(), anything())
def test_a_decision_depends_on_nothing_but_its_arguments(case: Attempt, between: Attempt) -> None:
    first = case.decide()
    between.decide()
    assert decide(copy.deepcopy(case.facts), copy.deepcopy(case.policy), case.now) == first


@given(anything(), LATER)
def test_the_rules_know_no_calendar(case: Attempt, later: timedelta) -> None:
    words = tuple(
        type(word)(
            word.read_at and word.read_at + later,
            word.own,
            word.paused,
            word.failing_since and word.failing_since + later,
        )
        for word in case.facts.words
    )
    names = (
        "started_at", "activity_at", "seen_at", "completed_at", "window_at", "triggered_at", "delivered_first_at",
        "delivered_last_at",
    )  # fmt: skip
    times = {name: getattr(case.facts, name) for name in names}
    moved = {name: at and at + later for name, at in times.items()}
    purchases = tuple(type(p)(p.placed_at + later, p.order_id, p.origin, p.same_checkout) for p in case.facts.purchases)
    shifted = case.but(words=words, purchases=purchases, **moved).at(case.now + later)
    assert said(shifted.decide()) == said(case.decide())


@given(anything())
def test_a_waiting_decision_says_the_first_moment_at_which_the_answer_changes(case: Attempt) -> None:
    decision = case.decide()
    if decision.again_at is None:
        return
    assert decision.again_at > case.now
    assert case.at(decision.again_at - TICK).decide() == decision
    assert case.at(decision.again_at).decide() != decision


@given(anything(), LATER)
def test_an_end_does_not_change_because_time_passes(case: Attempt, later: timedelta) -> None:
    before, after = case.decide(), case.at(case.now + later).decide()
    if before.state not in UNDECIDED and not before.lead:
        assert after == before or after.state is State.TOO_LATE
    if before.state is State.WAITING and not before.lead and before.again_at is None:
        assert after == before


@given(anything(), LATER)
def test_a_lead_that_was_not_made_in_time_becomes_too_late_or_is_still_to_be_made(
    case: Attempt, later: timedelta
) -> None:
    if case.decide().lead:
        after = case.at(case.now + later).decide()
        assert after.lead != (after.state is State.TOO_LATE)
        assert after.lead or not case.facts.lifted


def test_of_a_checkout_of_which_little_is_known_nothing_is_assumed() -> None:
    little = Facts(START, START, START)
    due = START + Policy().abandoned_after
    assert said(decide(little, Policy(), due)) == (State.WAITING, "R1", False)
    reachable = replace(little, shopper="shopper")
    assert said(decide(reachable, Policy(), due)) == (State.HELD, "R4", False)
    heard = replace(reachable, words=(Word(due),))
    assert said(decide(heard, Policy(), due)) == (State.WAITING, "R2", True)
    asked = replace(heard, consent_policy="opted_in")
    assert said(decide(asked, Policy(), due)) == (State.NO_CONSENT, "R9", False)
    left = replace(heard, consent=ConsentState.UNSUBSCRIBED)
    assert decide(left, Policy(), due).reason.startswith("not_unsubscribed")


@pytest.mark.parametrize(
    "value",
    [
        Policy(),
        Purchase(START),
        Word(START),
        Facts(START, START, START),
        Decision(State.HELD, "", ""),
        Verdict(Go.WAIT),
    ],
)
def test_what_the_rules_are_told_and_what_they_say_cannot_be_changed(value: object) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, next(iter(vars(value))), None)
