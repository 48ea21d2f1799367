"""R9 consent, R10 never again, and leads that no CRM wants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_facts import UNWILLING, WILLING, Attempt, Case, anything, attempts, leads

from connector.model import ConsentState
from connector.rules import BOUGHT, Go, State, consents

REFUSED = st.sampled_from(UNWILLING)
GRANTED = st.sampled_from(WILLING)
POLICY = st.sampled_from(("not_unsubscribed", "opted_in"))


@pytest.mark.parametrize("state", ConsentState)
def test_not_unsubscribed_lets_everyone_pass_who_has_not_unsubscribed(state: ConsentState) -> None:
    assert consents(state, "not_unsubscribed") == (state is not ConsentState.UNSUBSCRIBED)


@pytest.mark.parametrize("state", ConsentState)
def test_opted_in_needs_a_recorded_marketing_opt_in(state: ConsentState) -> None:
    assert consents(state, "opted_in") == (state is ConsentState.OPTED_IN)


@given(anything(), POLICY)
def test_someone_who_unsubscribed_is_never_enrolled(case: Attempt, policy: str) -> None:
    gone = case.but(consent=ConsentState.UNSUBSCRIBED, consent_policy=policy)
    assert not gone.decide().lead
    assert gone.gate().go is not Go.DELIVER


@given(anything(), REFUSED)
def test_nobody_without_the_consent_asked_for_is_enrolled(case: Attempt, refused: tuple[ConsentState, str]) -> None:
    without = case.but(consent=refused[0], consent_policy=refused[1])
    assert not without.decide().lead
    assert without.gate().go is not Go.DELIVER


@given(leads(), REFUSED)
def test_a_lead_without_consent_ends_no_consent(case: Case, refused: tuple[ConsentState, str]) -> None:
    decision = case.but(consent=refused[0], consent_policy=refused[1]).decide()
    assert (decision.state, decision.rule, decision.lead) == (State.NO_CONSENT, "R9", False)
    assert str(refused[0]) in decision.reason


@given(leads(), GRANTED)
def test_with_the_consent_asked_for_it_is_a_lead(case: Case, granted: tuple[ConsentState, str]) -> None:
    assert case.but(consent=granted[0], consent_policy=granted[1]).decide().lead


@given(attempts(), REFUSED)
def test_every_attempt_re_checks_consent(case: Attempt, refused: tuple[ConsentState, str]) -> None:
    verdict = case.but(consent=refused[0], consent_policy=refused[1]).gate()
    assert (verdict.go, verdict.state, verdict.rule) == (Go.END, State.NO_CONSENT, "R9")
    assert str(refused[0]) in verdict.reason


@given(anything())
def test_a_suppressed_address_never_becomes_a_lead(case: Attempt) -> None:
    suppressed = case.but(suppressed="suppressed by hand", shopper="shopper")
    decision, verdict = suppressed.decide(), suppressed.gate()
    assert not decision.lead
    assert (decision.state, decision.rule) == (State.SUPPRESSED, "R10") or decision.state in BOUGHT
    assert verdict.go is Go.END
    assert verdict.state is State.SUPPRESSED or verdict.state in BOUGHT


@given(attempts())
def test_every_attempt_re_checks_suppression(case: Attempt) -> None:
    verdict = case.but(suppressed="erased").gate()
    assert (verdict.go, verdict.state, verdict.rule, verdict.reason) == (Go.END, State.SUPPRESSED, "R10", "erased")


@given(leads())
def test_a_lead_that_no_crm_wants_is_filtered(case: Case) -> None:
    decision = case.but(wanted=False).decide()
    assert (decision.state, decision.rule, decision.lead) == (State.FILTERED, "when", False)


@given(anything())
def test_what_no_crm_wants_never_becomes_a_lead(case: Attempt) -> None:
    assert not case.but(wanted=False).decide().lead


@given(leads(), REFUSED)
def test_enrolling_by_hand_lifts_neither_consent_nor_suppression_nor_filters(
    case: Case, refused: tuple[ConsentState, str]
) -> None:
    by_hand = case.but(lifted=True)
    assert by_hand.but(consent=refused[0], consent_policy=refused[1]).decide().state is State.NO_CONSENT
    assert by_hand.but(suppressed="erased").decide().state is State.SUPPRESSED
    assert by_hand.but(wanted=False).decide().state is State.FILTERED
    assert by_hand.but(words=()).decide().state is State.HELD
    assert by_hand.but(emptied=True).decide().state is State.EMPTIED
