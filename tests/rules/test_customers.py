"""R7: a purchase ends the lead, and what it is worth."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st
from rule_facts import (
    DAY,
    EARLIER,
    HOUR,
    LATER,
    NOT_CHECKOUT,
    PURCHASE_ORIGINS,
    START,
    TICK,
    ZERO,
    Attempt,
    Case,
    anything,
    attempts,
    leads,
    policies,
)

from connector.model import Origin
from connector.rules import BOUGHT, Decision, Facts, Go, Policy, Purchase, State, bought, bought_recently

STEPS = (None, ZERO, HOUR, 30 * DAY)


def after_steps(policy: Policy, *purchases: Purchase, first: datetime | None, last: datetime | None) -> Decision:
    facts = Facts(START, START, START, purchases=purchases, delivered_first_at=first, delivered_last_at=last)
    decision = bought(facts, policy)
    assert decision
    assert decision.rule == "R7"
    assert not decision.lead
    return decision


@given(leads(), LATER, PURCHASE_ORIGINS)
def test_a_purchase_at_or_after_the_start_of_the_checkout_ends_it(case: Case, by: timedelta, origin: Origin) -> None:
    decision = case.but(purchases=(Purchase(case.facts.started_at + by, "77", origin),)).decide()
    assert (decision.state, decision.rule, decision.lead) == (State.SELF_RECOVERED, "R7", False)
    assert "order 77" in decision.reason


@given(leads(), EARLIER, PURCHASE_ORIGINS)
def test_a_purchase_before_the_checkout_started_does_not_end_it(case: Case, by: timedelta, origin: Origin) -> None:
    earlier = case.but(purchases=(Purchase(case.facts.started_at - by, "77", origin),))
    assert bought(earlier.facts, earlier.policy) is None
    assert earlier.decide().state not in BOUGHT


@given(leads(), EARLIER)
def test_the_order_of_this_very_checkout_ends_it_whatever_the_times_say(case: Case, by: timedelta) -> None:
    own = Purchase(case.facts.started_at - by, "77", same_checkout=True)
    assert case.but(purchases=(own,)).decide().state is State.SELF_RECOVERED


@given(leads(), LATER)
def test_a_completed_checkout_is_bought_also_without_its_order(case: Case, by: timedelta) -> None:
    decision = case.but(completed_at=case.facts.started_at + by, purchases=()).decide()
    assert decision.state is State.SELF_RECOVERED
    assert "completed" in decision.reason


@given(anything(), anything())
def test_a_purchase_speaks_before_every_other_rule(one: Attempt, other: Attempt) -> None:
    kept = ("purchases", "completed_at", "delivered_first_at", "delivered_last_at", "started_at", "by_link")
    same = other.but(**{name: getattr(one.facts, name) for name in kept})
    decision = bought(one.facts, one.policy)
    if decision:
        assert Case(same.facts, one.policy, other.now).decide() == decision


@given(policies(), LATER, PURCHASE_ORIGINS, EARLIER)
def test_bought_before_any_step_is_self_recovered(
    policy: Policy, by: timedelta, origin: Origin, before: timedelta
) -> None:
    purchase = Purchase(START + by, "77", origin)
    first = purchase.placed_at + before
    for step in (None, first):
        assert after_steps(policy, purchase, first=step, last=step).state is State.SELF_RECOVERED


@given(policies(), st.sampled_from((ZERO, TICK, HOUR)), st.sampled_from(STEPS))
def test_bought_within_attribution_after_a_step_is_recovered(
    policy: Policy, by: timedelta, more: timedelta | None
) -> None:
    last = None if more is None else START + more
    latest = last or START
    for placed in (latest + by, latest + policy.attribution):
        assert after_steps(policy, Purchase(placed, "77"), first=START, last=last).state is State.RECOVERED


@given(policies(), st.sampled_from((TICK, HOUR, 30 * DAY)), st.sampled_from(STEPS))
def test_bought_later_than_attribution_is_bought_later(policy: Policy, by: timedelta, more: timedelta | None) -> None:
    last = None if more is None else START + more
    placed = (last or START) + policy.attribution + by
    assert after_steps(policy, Purchase(placed, "77"), first=START, last=last).state is State.BOUGHT_LATER


@given(policies(), st.sampled_from((ZERO, TICK)), EARLIER)
def test_a_step_that_went_out_after_the_purchase_did_not_bring_it(
    policy: Policy, by: timedelta, before: timedelta
) -> None:
    placed = START + policy.attribution + by
    state = after_steps(policy, Purchase(placed, "77"), first=START, last=placed + before).state
    assert state is (State.RECOVERED if by == ZERO else State.BOUGHT_LATER)


@given(anything())
def test_nothing_is_recovered_but_by_a_delivered_step_at_most_attribution_before(case: Attempt) -> None:
    decision = bought(case.facts, case.policy)
    if decision and decision.state is State.RECOVERED:
        steps = [at for at in (case.facts.delivered_first_at, case.facts.delivered_last_at) if at]
        times = [purchase.placed_at for purchase in case.facts.purchases] + [case.facts.completed_at]
        gaps = [placed - step for placed in times if placed for step in steps]
        assert any(ZERO <= gap <= case.policy.attribution for gap in gaps)


@given(policies(), LATER, NOT_CHECKOUT, st.sampled_from(STEPS))
def test_pos_staff_and_imported_orders_stop_the_steps_and_earn_no_recovered_revenue(
    policy: Policy, by: timedelta, origin: Origin, more: timedelta | None
) -> None:
    last = None if more is None else START + more
    decision = after_steps(policy, Purchase(START + by, "77", origin), first=START, last=last)
    assert decision.state is State.BOUGHT_LATER
    assert str(origin) in decision.reason


@given(policies(), LATER, PURCHASE_ORIGINS, EARLIER, st.booleans())
def test_the_first_purchase_counts(
    policy: Policy, by: timedelta, origin: Origin, more: timedelta, turned: bool
) -> None:
    first, second = Purchase(START + by, "77", origin), Purchase(START + by + more, "78", same_checkout=True)
    both = (second, first) if turned else (first, second)
    alone = after_steps(policy, first, first=START, last=None)
    assert after_steps(policy, *both, first=START, last=None) == alone
    assert "77" in alone.reason


@given(leads(), st.sampled_from((ZERO, TICK, HOUR, DAY)), PURCHASE_ORIGINS)
def test_a_checkout_started_within_24_hours_of_a_purchase_makes_no_lead(
    case: Case, by: timedelta, origin: Origin
) -> None:
    quiet = case.policy.quiet_after_purchase
    assume(quiet > ZERO)
    for placed in (case.facts.started_at - quiet, case.facts.started_at - max(TICK, min(by, quiet))):
        for lifted in (False, True):
            earlier = Purchase(placed, "77", origin)
            decision = case.but(purchases=(*case.facts.purchases, earlier), lifted=lifted).decide()
            assert (decision.state, decision.rule, decision.lead) == (State.BOUGHT_RECENTLY, "R7", False)


@given(leads(), EARLIER, PURCHASE_ORIGINS)
def test_a_purchase_longer_ago_than_the_quiet_time_hinders_nothing(case: Case, by: timedelta, origin: Origin) -> None:
    placed = case.facts.started_at - case.policy.quiet_after_purchase - by
    assert case.but(purchases=(Purchase(placed, "77", origin),)).decide().lead


@given(policies(), st.sampled_from((ZERO, TICK, HOUR)))
def test_the_quiet_time_is_counted_from_the_purchase_on(policy: Policy, by: timedelta) -> None:
    def asked(placed: datetime) -> bool:
        return bought_recently(Facts(START, START, START, purchases=(Purchase(placed),)), policy)

    assert asked(START)
    assert asked(START - min(by, policy.quiet_after_purchase))
    assert not asked(START + TICK + by)
    assert not asked(START - policy.quiet_after_purchase - TICK - by)


@given(anything(), st.sampled_from((TICK, HOUR, DAY)))
def test_no_shopper_who_bought_shortly_before_is_enrolled(case: Attempt, by: timedelta) -> None:
    quiet = case.policy.quiet_after_purchase
    earlier = Purchase(case.facts.started_at - min(by, quiet), "77")
    known = case.but(purchases=(*case.facts.purchases, earlier))
    assert not known.decide().lead
    assert known.gate().go is Go.END


@given(attempts(), st.sampled_from((TICK, HOUR, DAY)))
def test_an_attempt_ends_when_a_purchase_shortly_before_becomes_known(case: Attempt, by: timedelta) -> None:
    quiet = case.policy.quiet_after_purchase
    assume(quiet > ZERO)
    known = case.but(purchases=(Purchase(case.facts.started_at - min(by, quiet), "77"),))
    verdict = known.gate()
    assert (verdict.go, verdict.state, verdict.rule) == (Go.END, State.BOUGHT_RECENTLY, "R7")
