"""Whole facts for the rules: every time lies on, a tick before or a tick after a moment that some rule asks about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

from hypothesis import strategies as st

from connector.model import ConsentState, Origin
from connector.rules import Decision, Facts, Policy, Purchase, State, Verdict, Word, decide, gate

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ZERO, TICK, SECOND = timedelta(0), timedelta(microseconds=1), timedelta(seconds=1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AROUND = (-SECOND, -TICK, ZERO, TICK, SECOND)
EARLIER = st.sampled_from((TICK, SECOND, 5 * MINUTE, 3 * DAY))
LATER = st.sampled_from((ZERO, TICK, SECOND, 5 * MINUTE, 3 * DAY, 400 * DAY))
NOT_CHECKOUT = st.sampled_from((Origin.POS, Origin.STAFF, Origin.IMPORT))
ORIGINS = (Origin.CHECKOUT, Origin.POS, Origin.STAFF, Origin.IMPORT)
PURCHASE_ORIGINS = st.sampled_from(ORIGINS)
WILLING = [(state, "not_unsubscribed") for state in ConsentState if state is not ConsentState.UNSUBSCRIBED]
WILLING.append((ConsentState.OPTED_IN, "opted_in"))
UNWILLING = [(state, "opted_in") for state in ConsentState if state is not ConsentState.OPTED_IN]
UNWILLING.append((ConsentState.UNSUBSCRIBED, "not_unsubscribed"))


@dataclass(frozen=True)
class Case:
    """One question to the rules."""

    facts: Facts
    policy: Policy
    now: datetime

    def but(self, **changes: Any) -> Self:
        """The same with other facts."""
        return replace(self, facts=replace(self.facts, **changes))

    def at(self, now: datetime) -> Self:
        """The same at another time."""
        return replace(self, now=now)

    @property
    def due(self) -> datetime:
        """R2 in the words of the page: activity + `abandoned_after`."""
        return self.facts.activity_at + self.policy.abandoned_after

    def decide(self) -> Decision:
        """What the rules say."""
        return decide(self.facts, self.policy, self.now)


@dataclass(frozen=True)
class Attempt(Case):
    """One attempt of a step."""

    step: int = 0
    due_at: datetime = START
    word_age: timedelta = 5 * MINUTE

    def gate(self) -> Verdict:
        """What the rules say."""
        return gate(self.facts, self.policy, self.now, step=self.step, due_at=self.due_at, word_age=self.word_age)


def around(*moments: datetime) -> st.SearchStrategy[datetime]:
    """On one of the moments, or just before or after it."""
    return st.sampled_from([moment + by for moment in moments for by in AROUND])


T = TypeVar("T")


def made_by(make: Callable[[Iterator[int]], T]) -> st.SearchStrategy[T]:
    """A strategy that draws all its choices at once, as bytes: some ten times as fast as one draw for each."""
    return st.binary(min_size=80, max_size=80).map(lambda drawn: make(iter(drawn)))


def pick(draw: Iterator[int], *options: T) -> T:
    """One of the options; a failing example shrinks towards the first."""
    return options[next(draw) % len(options)]


def near(draw: Iterator[int], *moments: datetime) -> datetime:
    """`around`, inside a strategy."""
    return pick(draw, *moments) + pick(draw, ZERO, *AROUND)


POLICIES = tuple(
    Policy(
        abandoned_after=abandoned_after,
        renew_after=renew_after,
        stale_after=stale_after,
        quiet_after_purchase=quiet,
        attribution=attribution,
        late_within=late_within,
        keep_for=keep_for,
    )
    for abandoned_after, renew_after, stale_after, quiet, attribution, late_within, keep_for in (
        (30 * MINUTE, 7 * DAY, 2 * DAY, DAY, 7 * DAY, 12 * HOUR, 90 * DAY),
        (10 * MINUTE, DAY, 25 * HOUR, ZERO, HOUR, 10 * MINUTE, 2 * DAY),
        (DAY, 90 * DAY, 30 * DAY, 3 * DAY, 90 * DAY, 7 * DAY, 365 * DAY),
        (DAY, 9 * DAY, DAY + SECOND, HOUR, 30 * DAY, HOUR, 91 * DAY),
        (45 * MINUTE, 30 * DAY, HOUR, 90 * DAY, DAY, DAY, 730 * DAY),
    )
)


def policies() -> st.SearchStrategy[Policy]:
    """The default, and others that the configuration allows."""
    return st.sampled_from(POLICIES)


def quiet_purchases(draw: Iterator[int], policy: Policy) -> tuple[Purchase, ...]:
    """Purchases so long ago that they mean nothing for this checkout."""
    long_ago = START - policy.quiet_after_purchase
    return tuple(
        Purchase(long_ago - pick(draw, TICK, SECOND, 3 * DAY), "41", pick(draw, *ORIGINS))
        for _ in range(pick(draw, 0, 0, 1, 2))
    )


def good_words(
    draw: Iterator[int], since: datetime, held_from: datetime, now: datetime, policy: Policy
) -> tuple[Word, ...]:
    """The own store has read its orders since; every sister has too, or it is paused, or was failing long enough."""
    sisters = []
    for _ in range(pick(draw, 0, 1, 2)):
        unread = Word(pick(draw, None, since - TICK, since - 3 * DAY), own=False)
        kinds = [Word(pick(draw, since, now), own=False), replace(unread, paused=True, failing_since=now)]
        kinds.append(replace(unread, paused=True))
        patience = policy.sister_patience
        if now - held_from >= patience:
            kinds.append(replace(unread, failing_since=pick(draw, held_from - DAY, held_from, now - patience)))
        sisters.append(pick(draw, *kinds))
    own = Word(pick(draw, since, now), paused=pick(draw, False, True))
    place = pick(draw, 0, 2)
    return (*sisters[:place], own, *sisters[place:])


def leads() -> st.SearchStrategy[Case]:
    """Due, eligible and confirmed: a lead is to be made of it now."""
    return made_by(_lead)


def _lead(draw: Iterator[int]) -> Case:
    policy = pick(draw, *POLICIES)
    activity = START + pick(draw, ZERO, SECOND, 5 * MINUTE, 3 * DAY)
    due, last = activity + policy.abandoned_after, activity + policy.stale_after
    now = min(due + pick(draw, ZERO, TICK, MINUTE, HOUR - TICK, HOUR, policy.stale_after), last)
    consent, consent_policy = pick(draw, *WILLING)
    before = (None, activity - policy.renew_after, activity - policy.renew_after - DAY)
    facts = Facts(
        started_at=START,
        activity_at=activity,
        seen_at=pick(draw, activity, due, last),
        shopper="shopper",
        purchases=quiet_purchases(draw, policy),
        consent=consent,
        consent_policy=consent_policy,
        window_at=pick(draw, *before),
        triggered_at=pick(draw, *before),
        words=good_words(draw, due, due, now, policy),
        holdout=pick(draw, False, True),
    )
    return Case(facts, policy, now)


def attempts() -> st.SearchStrategy[Attempt]:
    """A step that may be delivered now."""
    return made_by(_attempt)


def _attempt(draw: Iterator[int]) -> Attempt:
    policy = pick(draw, *POLICIES)
    activity = START + pick(draw, ZERO, 5 * MINUTE, 3 * DAY)
    back = activity + policy.abandoned_after
    step = pick(draw, 0, 1, 2)
    stale = activity + policy.stale_after
    due_at = min(back + pick(draw, ZERO, -TICK, TICK, -3 * DAY, 15 * MINUTE), stale)
    first = max(back, due_at)
    last = stale if step == 0 else first + policy.late_within
    now = min(first + pick(draw, ZERO, TICK, MINUTE, HOUR - TICK, HOUR, 400 * DAY), last)
    word_age = pick(draw, 5 * MINUTE, 2 * HOUR)
    consent, consent_policy = pick(draw, *WILLING)
    delivered = pick(draw, None, START + TICK)
    facts = Facts(
        started_at=START,
        activity_at=activity,
        seen_at=pick(draw, activity, now),
        shopper="shopper",
        purchases=quiet_purchases(draw, policy),
        consent=consent,
        consent_policy=consent_policy,
        window_at=now,
        triggered_at=now,
        words=good_words(draw, max(first, now - word_age), first, now, policy),
        delivered_first_at=delivered,
        delivered_last_at=delivered,
    )
    return Attempt(facts, policy, now, step, due_at, word_age)


def anything() -> st.SearchStrategy[Attempt]:
    """Whatever may be true of a checkout, at any time, together with any attempt."""
    return made_by(_whatever)


def _whatever(draw: Iterator[int]) -> Attempt:
    policy = pick(draw, *POLICIES)
    activity = START + pick(draw, ZERO, 5 * MINUTE, 3 * DAY)
    due, stale = activity + policy.abandoned_after, activity + policy.stale_after
    now = near(draw, due, stale, due + HOUR, due + policy.late_within, activity + policy.renew_after, activity)
    first = pick(draw, None, due, stale)
    last = None if first is None else first + pick(draw, ZERO, TICK, DAY)
    start = START - policy.quiet_after_purchase
    bought = (START, start, start - DAY, due, (last or due) + policy.attribution, (first or due))
    unsure = pick(draw, None, None, "shopper", "completed_at", "emptied", "suppressed", "wanted", "surge")
    facts = Facts(
        started_at=START,
        activity_at=activity,
        seen_at=near(draw, activity, stale),
        shopper="" if unsure == "shopper" else "shopper",
        completed_at=pick(draw, activity, due) if unsure == "completed_at" else None,
        emptied=unsure == "emptied",
        purchases=tuple(
            Purchase(near(draw, *bought), pick(draw, "41", "42", ""), pick(draw, *ORIGINS), pick(draw, False, True))
            for _ in range(pick(draw, 0, 0, 1, 3))
        ),
        suppressed="erased" if unsure == "suppressed" else "",
        consent=pick(draw, *ConsentState),
        consent_policy=pick(draw, "not_unsubscribed", "opted_in"),
        wanted=unsure != "wanted",
        window_at=pick(draw, None, now, activity - policy.renew_after, activity - policy.renew_after + TICK),
        triggered_at=pick(draw, None, None, now, activity - policy.renew_after),
        by_link=pick(draw, False, False, True),
        words=tuple(
            Word(
                pick(draw, now, None, due, due - TICK, due + TICK),
                own=pick(draw, True, False),
                paused=pick(draw, False, True),
                failing_since=pick(draw, None, due, now - HOUR, now),
            )
            for _ in range(pick(draw, 1, 2, 0))
        ),
        lifted=pick(draw, False, True),
        surge=unsure == "surge",
        holdout=pick(draw, False, True),
        delivered_first_at=first,
        delivered_last_at=pick(draw, last, last, None),
    )
    due_at = near(draw, due, now, stale)
    return Attempt(facts, policy, now, pick(draw, 0, 1, 2), due_at, pick(draw, 5 * MINUTE, 2 * HOUR))


def said(decision: Decision) -> tuple[State, str, bool]:
    """A decision in short: state, rule, and whether it makes a lead."""
    return decision.state, decision.rule, decision.lead
