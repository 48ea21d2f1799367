"""The lead rules R1-R12 as pure functions over plain values: no clock, no network, no database.

Every time here is on the *store's* clock, and `now` is handed in. `decide` says in which one state a checkout is
(R11), `gate` whether a step may be delivered at this very attempt.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from connector.model import ConsentState, Origin


class State(StrEnum):
    """R11: every checkout is in exactly one of these."""

    WAITING = "waiting"
    HELD = "held"
    ENROLLED = "enrolled"
    RECOVERED = "recovered"
    SELF_RECOVERED = "self_recovered"
    BOUGHT_LATER = "bought_later"
    BOUGHT_RECENTLY = "bought_recently"
    RENEWED_TOO_SOON = "renewed_too_soon"
    SUPERSEDED = "superseded"
    STALE = "stale"
    EMPTIED = "emptied"
    NO_CONSENT = "no_consent"
    SUPPRESSED = "suppressed"
    FILTERED = "filtered"
    HOLDOUT = "holdout"
    EXPIRED = "expired"
    TOO_LATE = "too_late"
    FAILED = "failed"


BOUGHT = frozenset({State.RECOVERED, State.SELF_RECOVERED, State.BOUGHT_LATER})
UNDECIDED = frozenset({State.WAITING, State.HELD})


@dataclass(frozen=True)
class Policy:
    """The durations of a client's `leads:` block."""

    abandoned_after: timedelta = timedelta(minutes=30)
    renew_after: timedelta = timedelta(days=7)
    keep_for: timedelta = timedelta(days=90)
    stale_after: timedelta = timedelta(hours=48)
    quiet_after_purchase: timedelta = timedelta(hours=24)
    attribution: timedelta = timedelta(days=7)
    late_within: timedelta = timedelta(hours=12)
    sister_patience: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Purchase:
    """A purchase in the sense of R7 that was matched to the shopper or to the checkout."""

    placed_at: datetime
    order_id: str = ""
    origin: Origin = Origin.CHECKOUT
    same_checkout: bool = False  # by order id, checkout id or token: it ends this checkout whatever the times say
    store: str = ""  # whose order it is


@dataclass(frozen=True)
class Word:
    """What one store of the client last said about its orders (R4): when its last *finished* read started.

    `failing_since` is set while the store cannot be read; a store that is merely not asked yet is not failing.
    """

    read_at: datetime | None
    own: bool = True
    paused: bool = False
    failing_since: datetime | None = None
    waived: bool = False  # it can tell no orders, and its owner accepted that in words
    missing: str = "waiting for the store's orders to be read"


@dataclass(frozen=True)
class Facts:
    """All that is known of one checkout when it is decided."""

    started_at: datetime
    activity_at: datetime
    seen_at: datetime  # when that activity was first read
    shopper: str = ""  # empty: not contactable
    completed_at: datetime | None = None
    emptied: bool = False
    purchases: tuple[Purchase, ...] = ()
    suppressed: str = ""  # why, if the address or its domain is (R10)
    consent: ConsentState = ConsentState.UNKNOWN
    consent_policy: str = "not_unsubscribed"
    wanted: bool = True  # by at least one CRM
    window_at: datetime | None = None  # when the shopper's window opened (R5)
    by_link: bool = False  # begun by another checkout's recovery link
    triggered_at: datetime | None = None  # when this very checkout triggered, under whatever address
    words: tuple[Word, ...] = ()
    lifted: bool = False  # enrolled by hand: R3 and R5 are lifted
    surge: bool = False  # R3: the store is held until `leads release`
    holdout: bool = False
    delivered_first_at: datetime | None = None
    delivered_last_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """A state with its reason. `lead` says that a lead is to be made now; `again_at` when to look once more."""

    state: State
    rule: str
    reason: str
    lead: bool = False
    again_at: datetime | None = None


def activity(
    before_status: str | None, before_at: datetime | None, status: str, at: datetime, moved: datetime
) -> datetime:
    """R2: the last shopper activity. A status change that was seen counts as activity; a moved time alone does not."""
    known = max(before_at, at) if before_at else at
    if before_status is not None and before_status != status:
        return max(known, moved)
    return known


def abandoned_at(activity_at: datetime, policy: Policy) -> datetime:
    """R2: the moment from which the checkout counts as abandoned."""
    return activity_at + policy.abandoned_after


def bought(facts: Facts, policy: Policy) -> Decision | None:
    """R7: what a purchase makes of a checkout, or None where there was none since it started."""
    ends = [p for p in facts.purchases if p.same_checkout or p.placed_at >= facts.started_at]
    if facts.completed_at is not None:
        ends.append(Purchase(facts.completed_at, same_checkout=True))
    if not ends:
        return None
    first = min(ends, key=lambda p: (p.placed_at, p.order_id))
    order = f"order {first.order_id}" if first.order_id else "the checkout was completed"
    if facts.delivered_first_at is None or first.placed_at < facts.delivered_first_at:
        how = "by the link of an e-mail" if facts.by_link else "before any step"
        return Decision(State.SELF_RECOVERED, "R7", f"bought {how}: {order}")
    last = facts.delivered_last_at
    if last is None or last > first.placed_at:  # a step that went out after the purchase did not bring it
        last = facts.delivered_first_at
    if first.origin is not Origin.CHECKOUT:
        return Decision(State.BOUGHT_LATER, "R7", f"bought elsewhere ({first.origin}): {order}")
    if first.placed_at - last <= policy.attribution:
        return Decision(State.RECOVERED, "R7", f"bought after a step: {order}")
    return Decision(State.BOUGHT_LATER, "R7", f"bought later than the attribution time: {order}")


def bought_recently(facts: Facts, policy: Policy) -> bool:
    """R7: the checkout was started within the quiet time after a purchase."""
    quiet = policy.quiet_after_purchase
    return any(timedelta(0) <= facts.started_at - p.placed_at <= quiet for p in facts.purchases)


def consents(state: ConsentState, consent_policy: str) -> bool:
    """R9, the store's half: whether this shopper may be enrolled at all."""
    if state is ConsentState.UNSUBSCRIBED:
        return False
    return consent_policy != "opted_in" or state is ConsentState.OPTED_IN


def in_window(facts: Facts, policy: Policy) -> bool:
    """R5: whether the checkout's activity falls within seven days of the shopper's, or of its own, last lead."""
    opened = [at for at in (facts.window_at, facts.triggered_at) if at is not None]
    return any(facts.activity_at < at + policy.renew_after for at in opened)


def unheard(words: Iterable[Word], since: datetime, held_from: datetime, now: datetime, policy: Policy) -> str:
    """R4: why the orders word is not there yet, or "" where every store has given it since `since`.

    Where no word of the own store is among them, it is missing.

    The patience with a sister store that cannot be read counts from `held_from`, the moment at which the step could
    first have run, or from when the sister began to fail, if that was later.
    """
    own_heard = False
    for word in words:
        if word.waived or (word.read_at is not None and word.read_at >= since):
            own_heard = own_heard or word.own
            continue
        if word.own:
            return word.missing
        failing = word.failing_since is not None and now - max(held_from, word.failing_since) >= policy.sister_patience
        if not word.paused and not failing:
            return "waiting for the orders of another store of this client"
    return "" if own_heard else "waiting for the store's orders to be read"


def decide(facts: Facts, policy: Policy, now: datetime) -> Decision:
    """The state of a checkout that has no lead of its own yet, by the first rule that speaks."""
    ended = bought(facts, policy)
    if ended:
        return ended
    if not facts.shopper:
        return Decision(State.WAITING, "R1", "no e-mail address yet")
    if facts.suppressed:
        return Decision(State.SUPPRESSED, "R10", facts.suppressed)
    if bought_recently(facts, policy):
        return Decision(State.BOUGHT_RECENTLY, "R7", "started within the quiet time after a purchase")
    if facts.emptied:
        return Decision(State.EMPTIED, "R2", "the shopper emptied the cart")
    due = abandoned_at(facts.activity_at, policy)
    if now < due:
        return Decision(State.WAITING, "R2", "the shopper may still be at the checkout", again_at=due)
    if not facts.lifted and facts.seen_at - facts.activity_at > policy.stale_after:
        return Decision(State.STALE, "R3", "already old when it was first seen")
    if not facts.lifted and now - facts.activity_at > policy.stale_after:
        return Decision(State.TOO_LATE, "R3", "could not be confirmed before it went stale")
    return _eligible(facts, policy, now, due)


def _eligible(facts: Facts, policy: Policy, now: datetime, due: datetime) -> Decision:
    if not consents(facts.consent, facts.consent_policy):
        return Decision(State.NO_CONSENT, "R9", f"{facts.consent_policy} is asked for, the store says {facts.consent}")
    if not facts.wanted:
        return Decision(State.FILTERED, "when", "no CRM of this client wants it")
    if not facts.lifted and facts.by_link:
        return Decision(State.RENEWED_TOO_SOON, "R5", "begun by a recovery link: it goes on with that checkout")
    if not facts.lifted and in_window(facts, policy):
        return Decision(State.RENEWED_TOO_SOON, "R5", "within seven days of the shopper's last lead")
    if facts.surge and not facts.lifted:
        return Decision(State.HELD, "R3", "far more than usual at once: held until `winback leads release`")
    missing = unheard(facts.words, due, due, now, policy)
    if missing:
        return Decision(State.HELD, "R4", missing)
    if facts.holdout:
        return Decision(State.HOLDOUT, "R12", "left untouched, for comparison", lead=True)
    return Decision(State.WAITING, "R2", "abandoned; on its way to the CRM", lead=True)


class Go(StrEnum):
    """What `gate` says of an attempt."""

    DELIVER = "deliver"
    WAIT = "wait"
    END = "end"


@dataclass(frozen=True)
class Verdict:
    """DELIVER now; WAIT until `again_at` (with a reason); or END in `state` for ever."""

    go: Go
    state: State = State.WAITING
    rule: str = ""
    reason: str = ""
    again_at: datetime | None = None


RECHECK = timedelta(seconds=15)


def gate(facts: Facts, policy: Policy, now: datetime, *, step: int, due_at: datetime, word_age: timedelta) -> Verdict:
    """Every attempt of a step re-checks R7, R10, R9, R2, the lateness of the step, and R4."""
    ended = bought(facts, policy)
    if ended:
        return Verdict(Go.END, ended.state, ended.rule, ended.reason)
    if facts.suppressed:
        return Verdict(Go.END, State.SUPPRESSED, "R10", facts.suppressed)
    if bought_recently(facts, policy):
        return Verdict(Go.END, State.BOUGHT_RECENTLY, "R7", "started within the quiet time after a purchase")
    if not consents(facts.consent, facts.consent_policy):
        return Verdict(Go.END, State.NO_CONSENT, "R9", f"the store says {facts.consent}")
    if facts.emptied:
        return Verdict(Go.END, State.EMPTIED, "R2", "the shopper emptied the cart")
    if _too_late(facts, policy, now, step, due_at):
        return Verdict(Go.END, State.TOO_LATE, "R3", "could not be delivered in time")
    back = abandoned_at(facts.activity_at, policy)
    if now < back:
        return Verdict(Go.WAIT, State.WAITING, "R2", "the shopper is back at the checkout", back)
    since = max(back, due_at, now - word_age)
    missing = unheard(facts.words, since, max(back, due_at), now, policy)
    if missing:
        return Verdict(Go.WAIT, State.HELD, "R4", missing, now + RECHECK)
    return Verdict(Go.DELIVER)


def _too_late(facts: Facts, policy: Policy, now: datetime, step: int, due_at: datetime) -> bool:
    if facts.lifted:
        return False
    if step == 0:
        return now - facts.activity_at > policy.stale_after
    return now - max(due_at, abandoned_at(facts.activity_at, policy)) > policy.late_within


def next_due(due_at: datetime, delivered_at: datetime, after: timedelta, later: timedelta) -> datetime:
    """When the step `later` is due that follows the step `after`: at its configured distance, counted from when that
    one went out, if it ran late."""
    return max(due_at, delivered_at) + (later - after)


def is_surge(candidates: int, busiest_hour: int, history: timedelta) -> bool:
    """R3: with a week's history, more than ten times the busiest hour, and over 100."""
    return history >= timedelta(days=7) and candidates > 100 and candidates > 10 * busiest_hour


def expired_before(policy: Policy, now: datetime) -> datetime:
    """R8: what was made before this moment is older than `keep_for`."""
    return now - policy.keep_for


def in_holdout(client: str, identity: str, share: float) -> bool:
    """R12: by a hash of the address, keyed with the client's id, so that restarts and other machines agree."""
    if share <= 0:
        return False
    digest = hmac.new(f"winback-holdout:{client}".encode(), identity.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def delivery_key(client: str, shopper: str, store: str, checkout_id: str, generation: int, step: int, crm: str) -> str:
    """The idempotency key of a step. No database id is in it.

    With the database's hash for `shopper` it is the row's own; a CRM is given the one with the address, which is the
    same after a lost volume, and is stored nowhere here: without that address nobody can tell whose it is.
    """
    parts = "\x1f".join((client, shopper, store, checkout_id, str(generation), str(step), crm))
    return hashlib.sha256(parts.encode()).hexdigest()[:40]
