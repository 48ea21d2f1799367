"""R4: nobody is enrolled without the word of an orders read."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rule_facts import (
    DAY,
    EARLIER,
    HOUR,
    LATER,
    MINUTE,
    PURCHASE_ORIGINS,
    SECOND,
    START,
    TICK,
    ZERO,
    Attempt,
    Case,
    anything,
    attempts,
    leads,
)

from connector.model import Origin
from connector.rules import BOUGHT, Facts, Go, Policy, Purchase, State, Word, unheard

PATIENCE = HOUR
BEFORE = st.sampled_from((TICK, SECOND, DAY))


def without_own(facts: Facts) -> tuple[Word, ...]:
    return tuple(word for word in facts.words if not word.own)


def heard_own(facts: Facts, since: datetime) -> bool:
    return any(word.own and word.read_at is not None and word.read_at >= since for word in facts.words)


@given(anything())
def test_no_lead_without_a_word_of_its_own_store_that_started_after_abandonment(case: Attempt) -> None:
    if case.decide().lead:
        assert heard_own(case.facts, case.due)


@given(leads(), st.none() | BEFORE)
def test_a_read_that_did_not_finish_or_started_before_abandonment_is_no_word(case: Case, by: timedelta | None) -> None:
    stale = Word(None if by is None else case.due - by)
    for paused in (False, True):
        decision = case.but(words=(*without_own(case.facts), replace(stale, paused=paused))).decide()
        assert (decision.state, decision.rule, decision.lead) == (State.HELD, "R4", False)


@given(leads())
def test_a_store_of_which_nothing_is_known_has_given_no_word(case: Case) -> None:
    for words in ((), without_own(case.facts)):
        decision = case.but(words=words).decide()
        assert (decision.state, decision.rule, decision.lead) == (State.HELD, "R4", False)


@given(leads(), LATER)
def test_if_orders_cannot_be_read_leads_wait_until_they_are_stale(case: Case, later: timedelta) -> None:
    stale = case.facts.activity_at + case.policy.stale_after
    decision = case.but(words=(Word(None, failing_since=case.due - DAY),)).at(case.now + later).decide()
    assert not decision.lead
    assert decision.state is (State.HELD if case.now + later <= stale or case.facts.lifted else State.TOO_LATE)


@given(leads(), st.none() | BEFORE)
def test_a_sister_store_that_was_not_read_yet_holds_leads(case: Case, by: timedelta | None) -> None:
    sister = Word(None if by is None else case.due - by, own=False)
    for words in ((sister, *case.facts.words), (*case.facts.words, sister)):
        decision = case.but(words=words).decide()
        assert (decision.state, decision.rule, decision.lead) == (State.HELD, "R4", False)


@given(leads(), st.booleans())
def test_a_paused_sister_store_holds_nobody(case: Case, failing: bool) -> None:
    sister = Word(None, own=False, paused=True, failing_since=case.now if failing else None)
    assert case.but(words=(sister, *case.facts.words)).decide().lead


@given(leads(), st.sampled_from((-DAY, -TICK, ZERO, TICK, 10 * MINUTE)))
def test_a_sister_store_that_cannot_be_read_holds_leads_for_an_hour_at_most(case: Case, fails: timedelta) -> None:
    failing = case.due + fails
    sister = Word(None, own=False, failing_since=failing)
    own = Word(case.due + DAY)
    held = case.but(words=(own, sister), seen_at=case.facts.activity_at)
    free = max(case.due, failing) + PATIENCE
    assume(free <= case.facts.activity_at + case.policy.stale_after)
    assert held.at(free).decide().lead
    for before in (free - TICK, free - SECOND, max(case.due, failing)):
        assert held.at(before).decide().state is State.HELD


@given(leads(), st.booleans())
def test_a_word_of_a_sister_store_is_no_word_of_the_own_store(case: Case, paused: bool) -> None:
    sister = Word(case.now, own=False)
    assert not case.but(words=(sister, sister, Word(None, paused=paused))).decide().lead


@given(anything(), st.integers(0, 2), LATER)
def test_a_newer_read_never_takes_a_lead_back(case: Attempt, which: int, later: timedelta) -> None:
    words = case.facts.words
    newer = tuple(replace(w, read_at=w.read_at and w.read_at + later) if i == which else w for i, w in enumerate(words))
    assert case.decide().lead <= case.but(words=newer).decide().lead


@given(anything(), PURCHASE_ORIGINS, LATER)
def test_no_shopper_who_bought_since_the_checkout_started_is_enrolled(
    case: Attempt, origin: Origin, later: timedelta
) -> None:
    purchase = Purchase(case.facts.started_at + later, "77", origin)
    for purchases in ((purchase, *case.facts.purchases), (*case.facts.purchases, purchase)):
        bought = case.but(purchases=purchases)
        assert bought.decide().state in BOUGHT
        assert not bought.decide().lead
        assert bought.gate().go is Go.END


@given(anything(), st.permutations(range(4)))
def test_it_does_not_matter_in_which_order_purchases_arrive(case: Attempt, order: list[int]) -> None:
    times = [purchase.placed_at for purchase in case.facts.purchases]
    assume(len(set(times)) == len(times))
    shuffled = tuple(case.facts.purchases[i] for i in order if i < len(times))
    assert case.but(purchases=shuffled).decide() == case.decide()


@given(leads())
def test_it_does_not_matter_in_which_order_stores_are_read(case: Case) -> None:
    assert case.but(words=tuple(reversed(case.facts.words))).decide() == case.decide()


@given(attempts(), st.none() | BEFORE)
def test_every_attempt_waits_for_a_word_from_after_the_step_was_due(case: Attempt, by: timedelta | None) -> None:
    since = max(case.due, case.due_at, case.now - case.word_age)
    words = (*without_own(case.facts), Word(None if by is None else since - by))
    verdict = replace(case, facts=replace(case.facts, words=words)).gate()
    assert (verdict.go, verdict.state, verdict.rule) == (Go.WAIT, State.HELD, "R4")
    assert verdict.reason
    assert verdict.again_at is not None
    assert ZERO < verdict.again_at - case.now <= MINUTE


@given(attempts(), EARLIER, st.sampled_from((ZERO, TICK, MINUTE)))
def test_a_read_from_while_the_shopper_was_back_at_the_checkout_is_no_word(
    case: Attempt, by: timedelta, after: timedelta
) -> None:
    overdue = replace(case, step=1, due_at=case.due - by, now=case.due + after)
    assert overdue.but(words=(Word(case.due - TICK),)).gate().state is State.HELD
    assert overdue.but(words=(Word(case.due),)).gate().go is Go.DELIVER


@given(anything())
def test_no_step_is_delivered_without_a_young_word_of_its_own_store(case: Attempt) -> None:
    if case.gate().go is Go.DELIVER:
        assert heard_own(case.facts, max(case.due, case.due_at, case.now - case.word_age))


@given(attempts(), st.sampled_from((-DAY, ZERO, TICK, 10 * MINUTE)))
def test_a_sister_store_that_cannot_be_read_holds_a_step_for_an_hour_at_most(case: Attempt, fails: timedelta) -> None:
    first = max(case.due, case.due_at)
    free = max(first, first + fails) + PATIENCE
    words = (Word(free + DAY), Word(None, own=False, failing_since=first + fails))
    held = replace(case, facts=replace(case.facts, words=words, lifted=True))
    assert replace(held, now=free).gate().go is Go.DELIVER
    waits = replace(held, now=free - TICK).gate()
    assert (waits.go, waits.state) == (Go.WAIT, State.HELD)


@pytest.mark.parametrize("own_first", [True, False])
def test_a_held_lead_says_whose_orders_it_waits_for(own_first: bool) -> None:
    now = START
    read, unread = Word(now), Word(None)
    sister = replace(unread, own=False)
    words = (read, sister) if own_first else (sister, read)
    assert "another store" in unheard(words, now, now, now, Policy())
    assert "the store's orders" in unheard((unread,), now, now, now, Policy())
    assert unheard((read, replace(read, own=False)), now, now, now, Policy()) == ""
