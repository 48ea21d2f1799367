"""Section 2: what every attempt of a step re-checks, and when it is too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given
from hypothesis import strategies as st
from rule_facts import DAY, EARLIER, HOUR, LATER, START, TICK, ZERO, Attempt, anything, attempts

from connector.rules import BOUGHT, Go, Policy, Purchase, State, Word, gate

LATE = st.sampled_from((TICK, HOUR, 30 * DAY))


def last_moment(case: Attempt) -> object:
    """The latest moment at which the step may be delivered."""
    if case.step == 0:
        return case.facts.activity_at + case.policy.stale_after
    return max(case.due_at, case.due) + case.policy.late_within


@given(attempts())
def test_a_step_that_nothing_speaks_against_is_delivered(case: Attempt) -> None:
    verdict = case.gate()
    assert (verdict.go, verdict.state, verdict.again_at) == (Go.DELIVER, State.WAITING, None)


@given(attempts(), LATE)
def test_a_first_step_whose_checkout_has_become_stale_ends_too_late(case: Attempt, by: timedelta) -> None:
    stale = case.facts.activity_at + case.policy.stale_after
    verdict = replace(case, step=0, now=stale + by).gate()
    assert (verdict.go, verdict.state, verdict.rule) == (Go.END, State.TOO_LATE, "R3")
    assert replace(case, step=0, now=stale).gate().state is not State.TOO_LATE


@given(attempts(), st.sampled_from((1, 2, 9)), LATE)
def test_a_later_step_more_than_late_within_late_ends_too_late(case: Attempt, step: int, by: timedelta) -> None:
    last = max(case.due_at, case.due) + case.policy.late_within
    verdict = replace(case, step=step, now=last + by).gate()
    assert (verdict.go, verdict.state, verdict.rule) == (Go.END, State.TOO_LATE, "R3")
    assert replace(case, step=step, now=last).gate().state is not State.TOO_LATE


@given(attempts(), st.sampled_from((1, 2)), LATER)
def test_a_later_step_is_not_too_late_because_the_checkout_is_old(case: Attempt, step: int, by: timedelta) -> None:
    due_at = case.due + case.policy.stale_after + by
    read = replace(case, step=step, due_at=due_at, now=due_at).but(words=(Word(due_at),))
    assert read.gate().go is Go.DELIVER


@given(attempts(), LATE, st.sampled_from((None, ZERO, DAY)))
def test_it_is_too_late_at_whatever_attempt_and_whatever_was_heard(
    case: Attempt, by: timedelta, read: timedelta | None
) -> None:
    over = max(case.facts.activity_at + case.policy.stale_after, max(case.due_at, case.due) + case.policy.late_within)
    words = (Word(None if read is None else over + by - read),)
    assert replace(case.but(words=words), now=over + by).gate().state is State.TOO_LATE


@given(anything(), LATER)
def test_what_is_too_late_stays_too_late(case: Attempt, later: timedelta) -> None:
    if case.gate().state is State.TOO_LATE:
        assert case.at(case.now + later).gate() == case.gate()


@given(attempts(), LATE)
def test_a_late_step_is_retried_only_by_hand(case: Attempt, by: timedelta) -> None:
    over = max(case.facts.activity_at + case.policy.stale_after, max(case.due_at, case.due) + case.policy.late_within)
    late = replace(case, now=over + by).but(words=(Word(over + by),))
    assert late.but(lifted=False).gate().state is State.TOO_LATE
    assert late.but(lifted=True).gate().go is Go.DELIVER


@given(attempts(), st.sampled_from((TICK, HOUR, DAY)))
def test_a_step_waits_while_the_shopper_is_back_at_the_checkout(case: Attempt, by: timedelta) -> None:
    by = min(by, case.policy.abandoned_after)
    moved = case.now - case.policy.abandoned_after + by
    assume(moved > case.facts.activity_at)
    returned = case.but(activity_at=moved)
    verdict = returned.gate()
    assert (verdict.go, verdict.state, verdict.rule) == (Go.WAIT, State.WAITING, "R2")
    assert verdict.again_at == moved + case.policy.abandoned_after
    again = replace(returned, now=verdict.again_at).but(words=(Word(verdict.again_at),))
    assert again.gate().go is Go.DELIVER


@given(attempts(), LATER)
def test_a_step_that_waited_for_the_shopper_is_not_late_for_that(case: Attempt, by: timedelta) -> None:
    moved = case.now + by
    back = moved + case.policy.abandoned_after
    returned = replace(case, step=1, now=back + case.policy.late_within).but(
        activity_at=moved, words=(Word(back + DAY),)
    )
    assert returned.gate().state is not State.TOO_LATE
    assert replace(returned, now=returned.now + TICK).gate().state is State.TOO_LATE


@given(attempts(), LATER)
def test_every_attempt_re_checks_purchases(case: Attempt, by: timedelta) -> None:
    verdict = case.but(purchases=(Purchase(START + by, "77"),)).gate()
    assert verdict.go is Go.END
    assert verdict.state in BOUGHT
    assert verdict.rule == "R7"
    assert "77" in verdict.reason


@given(attempts())
def test_an_emptied_checkout_ends_its_steps(case: Attempt) -> None:
    verdict = case.but(emptied=True).gate()
    assert (verdict.go, verdict.state, verdict.rule) == (Go.END, State.EMPTIED, "R2")


@given(attempts(), EARLIER)
def test_a_word_older_than_word_age_is_asked_for_anew(case: Attempt, by: timedelta) -> None:
    since = max(case.due, case.due_at)
    assume(case.now - case.word_age > since)
    old = case.but(words=(Word(case.now - case.word_age - by),))
    assert old.gate().state is State.HELD
    assert case.but(words=(Word(case.now - case.word_age),)).gate().go is Go.DELIVER


@given(anything())
def test_nothing_is_delivered_when_it_is_early_late_or_the_shopper_is_back(case: Attempt) -> None:
    if case.gate().go is Go.DELIVER:
        assert case.now >= case.due
        assert case.facts.lifted or case.now <= last_moment(case)  # type: ignore[operator]


@given(anything())
def test_a_verdict_says_why_unless_it_delivers(case: Attempt) -> None:
    verdict = case.gate()
    assert bool(verdict.reason) == bool(verdict.rule) == (verdict.go is not Go.DELIVER)
    assert (verdict.again_at is not None) == (verdict.go is Go.WAIT)
    assert verdict.again_at is None or verdict.again_at > case.now
    assert verdict.go is Go.END or verdict.state in (State.WAITING, State.HELD)


@given(anything())
def test_the_end_of_a_step_that_waits_for_the_shopper_is_the_first_moment_at_which_the_answer_changes(
    case: Attempt,
) -> None:
    verdict = case.gate()
    if verdict.go is Go.WAIT and verdict.rule == "R2":
        assert verdict.again_at is not None
        assert case.at(verdict.again_at - TICK).gate() == verdict
        assert case.at(verdict.again_at).gate() != verdict


@given(anything(), anything())
def test_a_verdict_depends_on_nothing_but_its_arguments(case: Attempt, between: Attempt) -> None:
    first = case.gate()
    between.gate()
    again = gate(
        replace(case.facts), replace(case.policy), case.now, step=case.step, due_at=case.due_at, word_age=case.word_age
    )
    assert again == first


def test_the_default_lateness_is_twelve_hours() -> None:
    assert Policy().late_within == 12 * HOUR
