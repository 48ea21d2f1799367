"""What must hold when the year is over: each promise with what speaks against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from year import numbers
from year.ledger import ABANDONED, STALE, Lead, Ledger, Order
from year.town import Town

LATE = timedelta(hours=12)
SETTLED, LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=6)


@dataclass
class Promise:
    """`against` is empty where it holds; `tried` is how often it could have failed."""

    text: str
    tried: int
    against: list[str]


def judge(town: Town, since: date) -> list[Promise]:
    """Every promise."""
    ledger, coupons = town.ledger, len(town.doors.coupons)
    return [
        Promise("no step to anybody but a lead, no step twice, none to a hold-out", len(ledger.starts), ledger.broken),
        Promise("no step after a purchase that the store had shown", len(ledger.orders), list(_after_purchase(ledger))),
        Promise("no CRM ever heard of a hold-out", _count_holdouts(ledger), list(_heard_of_holdouts(ledger))),
        _windows(town),
        Promise("every code used once at most, and gone when it is over", coupons, list(_coupons(town))),
        Promise("one coupon for a shopper in 90 days, none before its step", coupons, list(_shares(town))),
        _report(town, since),
    ]


def _after_purchase(ledger: Ledger) -> Iterator[str]:
    orders: dict[str, list[Order]] = {}
    for order in ledger.orders.values():
        for email in {order.email, order.cart.email if order.cart else order.email}:
            orders.setdefault(email, []).append(order)
    for lead in ledger.leads:
        for start in lead.starts:
            for order in orders.get(start.email, ()):
                since = order.placed >= lead.cart.started or order.cart is lead.cart
                if order.known is not None and order.known < start.place and since:
                    yield f"{start.email}: step {start.step + 1} at {start.at} after order {order.id}"


def _count_holdouts(ledger: Ledger) -> int:
    return sum(lead.holdout for lead in ledger.leads)


def _heard_of_holdouts(ledger: Ledger) -> Iterator[str]:
    """Somebody who was in the hold-out at first and not after the share was changed has been heard of since."""
    contacted = {lead.email for lead in ledger.leads if not lead.holdout}
    for lead in ledger.leads:
        for crm, emails in ledger.heard_of.items():
            if lead.holdout and lead.email in emails and lead.email not in contacted:
                yield f"{lead.email} in {crm}"


def _windows(town: Town) -> Promise:
    """Every step inside its window, or not at all and with a reason that the owner sees."""
    against: list[str] = []
    tried = 0
    for lead in town.ledger.leads:
        if lead.holdout:
            continue
        for crm in lead.crms:
            tried += 1
            against += _steps_in_window(town, lead, crm)
    return Promise("every step inside its window, or left out with a reason that shows", tried, against)


def _steps_in_window(town: Town, lead: Lead, crm: str) -> Iterator[str]:
    afters, now = town.editions[lead.version].afters, town.clock()
    before: datetime | None = None
    for step, after in enumerate(afters):
        at = lead.steps[step].get(crm) if step in lead.steps else None
        gap = after - afters[step - 1]
        due = max(lead.made, _activity(lead, lead.made) + after) if before is None else before + gap
        if lead.corrected and (before is None or before < lead.corrected) and (at is None or at > lead.corrected):
            due = lead.corrected + after  # the new address gets what remains, counted anew
        latest = max(due, _activity(lead, at or now) + ABANDONED) + (LATE if step else STALE - after)
        if at is None:
            yield from _unsent(town, lead, crm, step, latest)
            return
        early = max(due, _activity(lead, at) + ABANDONED)
        if not early <= at <= latest + town.beat:
            yield f"{lead.email}: step {step + 1} in {crm} at {at:%m-%d %H:%M}, due {early:%m-%d %H:%M}"
        before = at


def _activity(lead: Lead, until: datetime) -> datetime:
    """The shopper's last move, at any checkout, that a store had shown by then."""
    return max(moved for shown, moved in lead.moves if shown <= until)


def _unsent(town: Town, lead: Lead, crm: str, step: int, latest: datetime) -> Iterator[str]:
    if min(lead.ended or town.clock(), town.clock() - town.beat) <= latest:
        return
    rows = town.outcomes.get((crm, lead.cart.store, lead.cart.id, step), {}).values()
    shown = [row for row in rows if datetime.fromisoformat(row["due"]) > lead.made - STALE]
    if not any(row["why"] for row in shown if row["state"] not in ("pending", "sending", "done")):
        yield f"{lead.email}: step {step + 1} in {crm} never came ({shown}); lead of {lead.made:%m-%d %H:%M}"


def _coupons(town: Town) -> Iterator[str]:
    for code, made in town.doors.coupons.items():
        if len(made.used_by) > 1:
            yield f"{code} was used {len(made.used_by)} times"
        if made.used_by:
            continue
        latest = made.expires + SETTLED + 2 * town.beat
        for name, since, until in town.down:
            if name == made.store and since <= latest:
                latest = max(latest, (until or town.clock()) + LONGEST_PAUSE + 2 * town.beat)
        if (made.gone or town.clock()) > latest:
            yield f"{code} of {made.store} ended {made.expires:%m-%d %H:%M}, and was there until {made.gone}"


def _shares(town: Town) -> Iterator[str]:
    codes: dict[str, dict[str, datetime]] = {}
    for start in town.ledger.starts:
        if start.code:
            codes.setdefault(start.email, {})[start.code] = town.doors.coupons[start.code].at
    for email, made in codes.items():
        for before, after in pairwise(sorted(made.values())):
            if after - before < timedelta(days=90):
                yield f"{email} had coupons at {before:%m-%d %H:%M} and {after:%m-%d %H:%M}"
    for lead in town.ledger.leads:
        afters = town.editions[lead.version].afters
        earlier, last = lead.steps.get(len(afters) - 2), lead.steps.get(len(afters) - 1)
        given = codes.get(lead.email, {}).values()
        if earlier and last and not lead.corrected:
            due = min(earlier.values()) + afters[-1] - afters[-2]
            if any(lead.made < at < due for at in given):
                yield f"{lead.email} had a coupon before {due:%m-%d %H:%M}"


def _report(town: Town, since: date) -> Promise:
    """Every number of the report is that of the ledger."""
    told = town.process.ask("report", town.clock(), first=since.isoformat())
    count = max(len(edition.afters) for edition in town.editions.values())
    expected = numbers.report(town.ledger, since, town.clock().date(), count)
    against: list[str] = []
    tried = 0
    for by, rows in expected.items():
        wanted = {_name(row, by): row for row in rows}
        found = {_name(row, by): row for row in told[by]}
        for name in sorted({*wanted, *found}):
            here = list(_differences(f"by {by}, {name}", wanted.get(name), found.get(name)))
            tried += len(wanted.get(name) or {})
            against += here
    return Promise("every number of the report is the ledger's", tried, against)


def _name(row: dict[str, Any], by: str) -> str:
    return f"{row['store']} {row.get('index' if by == 'step' else by, '') if by != 'store' else ''}".strip()


def _differences(place: str, wanted: Any, found: Any) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in wanted:
            yield from _differences(f"{place}: {name}", wanted[name], found.get(name, "nothing"))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, pair in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(f"{place} {number}", *pair)
    elif isinstance(wanted, float) and isinstance(found, float):
        if abs(wanted - found) > 1e-9:
            yield f"{place} is {found}, the ledger says {wanted}"
    elif wanted != found:
        yield f"{place} is {found}, the ledger says {wanted}"


def counts(town: Town) -> Counter[str]:
    """What happened, in numbers."""
    ledger = town.ledger
    found = Counter(
        {
            "checkouts": len(ledger.carts),
            "orders": len(ledger.orders),
            "leads": len(ledger.leads),
            "hold-outs": _count_holdouts(ledger),
            "steps": len(ledger.starts),
            "passes": town.passes,
            "kills": town.kills,
            "coupons": len(town.doors.coupons),
            "coupons used": sum(bool(made.used_by) for made in town.doors.coupons.values()),
            "restarts": town.process.restarts,
        }
    )
    found.update(f"leads: {lead.end or 'open'}" for lead in ledger.leads)
    found.update(f"checkouts: {cart.state or 'waiting'}" for cart in ledger.carts.values())
    found.update(f"deliveries: {row['state']}" for rows in town.outcomes.values() for row in rows.values())
    return found
