"""The end of the demo: what happened, counted, and whether anybody was mailed who should not have been.

The verdict is computed from what the sandbox CRMs did and the sandbox stores showed. Winback's tables have no say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.demo.witness import ABANDONED_AFTER, Ledger, Purchase
from connector.sandbox import Effect

RENEW_AFTER = timedelta(days=7)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and what speaks against it."""

    claim: str
    against: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.against


def enrolled_after_purchase(
    effects: Mapping[str, Sequence[Effect]], ledger: Ledger, in_flight: timedelta
) -> tuple[str, ...]:
    """Enrolments of shoppers who had bought, and whose purchase the store had shown or would have shown.

    A purchase counts against an enrolment until the shopper starts another checkout. Where winback had not asked the
    store since the checkout was abandoned, no enrolment can be right. Where it had, and then learnt of the purchase, a
    delivery that was under way at that moment may still arrive, but not later than `in_flight`.
    """
    bought = defaultdict(list)
    for purchase in ledger.purchases:
        bought[purchase.email].append(purchase)
    return tuple(
        f"{effect.email} was enrolled in {place} after order {_number(purchase)}"
        for place, effect in _enrolments(effects)
        for purchase in bought[effect.email]
        if not _is_over(purchase, effect, ledger) and _was_wrong(purchase, effect.at, in_flight)
    )


def enrolled_twice(effects: Mapping[str, Sequence[Effect]], ledger: Ledger) -> tuple[str, ...]:
    """Shoppers whom one CRM enrolled twice within seven days.

    The seven days count from the lead, not from the moment at which a CRM that was down took it. So a shorter distance
    is right where the shopper came back by a new checkout seven days after the first one was abandoned.
    """
    times: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for place, effect in _enrolments(effects):
        times[effect.email, place].append(effect.at)
    return tuple(
        f"{email} was enrolled twice in {place}, {timedelta(seconds=int((second - first).total_seconds()))} apart"
        for (email, place), found in times.items()
        for before, first, second in _triples(sorted(found))
        if second - first < RENEW_AFTER and not _came_back(email, before, first, second, ledger)
    )


def _triples(times: Sequence[datetime]) -> Iterable[tuple[datetime, datetime, datetime]]:
    """Each pair of neighbours, with the one before it."""
    return zip([LONG_AGO, *times], times, times[1:], strict=False)


def _came_back(email: str, before: datetime, first: datetime, second: datetime, ledger: Ledger) -> bool:
    starts = [start.at for start in ledger.starts if start.email == email]
    began = min((at for at in starts if before < at <= first), default=first)
    return any(began + ABANDONED_AFTER + RENEW_AFTER <= at <= second for at in starts)


def checks(
    effects: Mapping[str, Sequence[Effect]], ledger: Ledger, in_flight: timedelta, troubles: Iterable[str]
) -> list[Check]:
    """Everything that must hold at the end."""
    some = any(True for _ in _enrolments(effects))
    return [
        Check(
            "nobody was enrolled after a purchase that the store had already shown",
            enrolled_after_purchase(effects, ledger, in_flight),
        ),
        Check("nobody was enrolled twice within seven days", enrolled_twice(effects, ledger)),
        Check("shoppers were enrolled at all", () if some else ("no CRM has enrolled anybody",)),
        Check("nothing went wrong inside", tuple(troubles)),
    ]


def _enrolments(effects: Mapping[str, Sequence[Effect]]) -> Iterable[tuple[str, Effect]]:
    return ((place, effect) for place, found in effects.items() for effect in found if effect.what == "enrolled")


def _is_over(purchase: Purchase, effect: Effect, ledger: Ledger) -> bool:
    """Whether the enrolment came first, or is for a checkout that was started after the purchase."""
    if effect.at <= purchase.at:
        return True
    return any(start.email == effect.email and purchase.at < start.at <= effect.at for start in ledger.starts)


def _was_wrong(purchase: Purchase, enrolled_at: datetime, in_flight: timedelta) -> bool:
    if not purchase.heard:
        return True
    return purchase.known_at is not None and enrolled_at > purchase.known_at + in_flight


def _number(purchase: Purchase) -> str:
    return purchase.order_id.rpartition("/")[2]
