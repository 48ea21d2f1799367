"""R1, who can be reached, and R2, what is abandoned."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_facts import DAY, EARLIER, SECOND, START, TICK, Attempt, Case, anything, around, leads, policies

from connector.address import contact, keyed_hash
from connector.rules import BOUGHT, Policy, State, abandoned_at, activity

LOCALS = st.text("abcXYZ019.+_-äß", min_size=1, max_size=20)
DOMAINS = st.sampled_from(("acme.example", "ACME.Example", "bücher.example", "xn--bcher-kva.example", "Mail.Acme.Test"))
STATUSES = st.sampled_from((None, "pending", "failed", "checkout-draft"))


@given(anything())
def test_only_a_checkout_with_an_address_is_contactable(case: Attempt) -> None:
    decision = case.but(shopper="").decide()
    assert not decision.lead
    assert decision.state in BOUGHT or (decision.state, decision.rule) == (State.WAITING, "R1")


@given(leads())
def test_a_checkout_that_is_abandoned_eligible_and_confirmed_becomes_a_lead(case: Case) -> None:
    decision = case.decide()
    assert decision.lead
    assert decision.state is (State.HOLDOUT if case.facts.holdout else State.WAITING)
    assert decision.again_at is None


@given(leads(), EARLIER)
def test_a_checkout_is_abandoned_when_its_last_activity_is_at_least_abandoned_after_old(
    case: Case, by: timedelta
) -> None:
    early = case.at(case.due - min(by, case.policy.abandoned_after)).decide()
    assert (early.state, early.rule, early.lead, early.again_at) == (State.WAITING, "R2", False, case.due)
    assert case.at(case.due).decide().again_at is None


@given(leads(), st.sampled_from((TICK, SECOND, DAY)))
def test_new_activity_restarts_the_clock(case: Case, by: timedelta) -> None:
    moved = case.now - case.policy.abandoned_after + min(by, case.policy.abandoned_after)
    again = case.but(activity_at=moved, seen_at=moved).decide()
    assert (again.state, again.lead, again.again_at) == (State.WAITING, False, moved + case.policy.abandoned_after)


@given(anything())
def test_an_emptied_checkout_is_not_abandoned(case: Attempt) -> None:
    assert not case.but(emptied=True).decide().lead


@given(leads(), st.booleans())
def test_an_emptied_checkout_is_shown_as_such_at_once(case: Case, early: bool) -> None:
    decision = case.but(emptied=True).at(case.facts.activity_at if early else case.now).decide()
    assert (decision.state, decision.rule) == (State.EMPTIED, "R2")


@given(anything(), around(START, START + DAY))
def test_a_completed_checkout_is_not_abandoned(case: Attempt, completed: datetime) -> None:
    assert case.but(completed_at=completed).decide().state in BOUGHT


@given(policies(), around(START))
def test_it_is_abandoned_from_its_activity_on_by_the_configured_time(policy: Policy, at: datetime) -> None:
    assert abandoned_at(at, policy) - at == policy.abandoned_after


@given(st.none() | around(START), around(START), around(START, START + DAY), STATUSES)
def test_a_modified_time_that_others_move_is_not_activity(
    before: datetime | None, at: datetime, moved: datetime, was: str | None
) -> None:
    status = was or "pending"
    assert activity(was, before, status, at, moved) == max(before or at, at)


@given(st.none() | around(START), around(START), around(START, START + DAY))
def test_a_status_change_that_was_seen_is_activity(before: datetime | None, at: datetime, moved: datetime) -> None:
    seen = activity("pending", before, "failed", at, moved)
    assert seen == max(before or at, at, moved)


@given(around(START), around(START, START + DAY), st.sampled_from(("pending", "failed")))
def test_a_status_that_is_seen_for_the_first_time_is_no_change(at: datetime, moved: datetime, status: str) -> None:
    assert activity(None, None, status, at, moved) == at


@given(LOCALS, DOMAINS, st.sampled_from(("", " ", "\t", "\r\n", "\u00a0")))
def test_an_address_is_trimmed_and_case_folded(local: str, domain: str, space: str) -> None:
    plain, loud = contact(f"{local}@{domain}"), contact(f"{space}{local.upper()}@{domain.upper()}{space}")
    assert (plain is None) == (loud is None)
    if plain and loud:
        assert plain.identity == loud.identity
        assert plain.domain == plain.identity.split("@")[1] == plain.domain.lower()


@given(LOCALS, DOMAINS)
def test_normalising_an_address_twice_changes_nothing(local: str, domain: str) -> None:
    first = contact(f"{local}@{domain}")
    if first:
        again = contact(first.identity)
        assert again
        assert again.identity == first.identity
        assert contact(first.address) == first


@pytest.mark.parametrize(
    ("one", "other"),
    [("a.b@acme.example", "ab@acme.example"), ("a+shop@acme.example", "a@acme.example"), ("a@b.test", "a@c.test")],
)
def test_dots_and_plus_tags_are_kept(one: str, other: str) -> None:
    first, second = contact(one), contact(other)
    assert first
    assert second
    assert first.identity != second.identity
    assert first.identity == one


def test_a_domain_in_other_letters_is_the_same_domain() -> None:
    found = contact("Jo@BÜCHER.example")
    assert found
    assert (found.address, found.identity) == ("Jo@xn--bcher-kva.example", "jo@xn--bcher-kva.example")


@pytest.mark.parametrize(
    "text", ["", " ", "jo", "jo@", "@acme.example", "jo@acme", "jo@@acme.example", "a b@acme.example", "jo@a..example"]
)
def test_what_is_no_address_is_no_contact(text: str) -> None:
    assert contact(text) is None


@given(st.binary(min_size=1, max_size=32), st.sampled_from(("acme", "acme2")), st.emails())
def test_two_clients_never_see_each_other(key: bytes, client: str, identity: str) -> None:
    name = keyed_hash(key, client, identity)
    assert name == keyed_hash(key, client, identity)
    assert len(name) == 32
    assert identity not in name
    others = [(key, client + "x", identity), (key, client, "x" + identity), (key + b"x", client, identity)]
    assert name not in [keyed_hash(*other) for other in others]


def test_the_name_of_a_shopper_does_not_change_from_one_version_to_the_next() -> None:
    assert keyed_hash(b"secret", "acme", "jo@acme.example") == "e434b60a5a9f9848f5609ebe8ea9cb38"


def test_a_contact_cannot_be_changed() -> None:
    found = contact("jo@acme.example")
    assert found
    with pytest.raises(FrozenInstanceError):
        found.identity = "another"  # type: ignore[misc]
