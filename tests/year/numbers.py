"""The report's numbers once more, from the ledger and the definitions in docs/report.md, and the plainest way."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from math import sqrt
from typing import Any

from year.ledger import CLIENT, KEPT, Cart, Lead, Ledger, Order

ATTRIBUTION, FOLLOWED = timedelta(days=7), timedelta(days=60)
Z = 1.959963984540054
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0}


@dataclass
class Step:
    """One step of one line."""

    delivered: int = 0
    recovered: int = 0
    revenue: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


@dataclass
class Line:
    """One line of the report."""

    contactable: int = 0
    leads: int = 0
    holdout: int = 0
    enrolled: int = 0
    recovered: int = 0
    self_recovered: int = 0
    bought_later: int = 0
    bought: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})  # by whether they are hold-outs
    revenue: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    steps: dict[int, Step] = field(default_factory=lambda: defaultdict(Step))


def lines(ledger: Ledger, by: str, first: date) -> dict[tuple[str, str], Line]:
    """The lines by store and by what is asked for, from a day on."""
    found: dict[tuple[str, str], Line] = defaultdict(Line)

    def key(store: str, product: str, day: date) -> tuple[str, str]:
        week = (day - timedelta(days=day.weekday())).isoformat()
        return store, {"product": product, "week": week}.get(by, "")

    for cart in ledger.carts.values():
        if cart.counted and by != "product" and cart.started.date() >= first:
            found[key(cart.store, "", cart.started.date())].contactable += 1
    belongs = {order: _belongs_to(order) for order in ledger.orders.values() if order.ends}
    bought = {lead for _, lead in belongs.values() if lead}
    for lead in ledger.leads:
        if lead.made.date() >= first:
            line = found[key(lead.cart.store, lead.product, lead.made.date())]
            _add_lead(line, lead)
            line.bought[lead.holdout] += lead in bought
    for order, (cart, made) in belongs.items():
        day = (made.made if made else cart.started).date()
        if day >= first:
            _add_order(found[key(cart.store, cart.product, day)], order, made)
    return found


def _belongs_to(order: Order) -> tuple[Cart, Lead | None]:
    """To the lead that a step brought back, else to the newest, else to a checkout that made none."""

    def weight(pair: tuple[Cart, Lead | None]) -> tuple[Any, ...]:
        cart, lead = pair
        rank = ("self_recovered", "bought_later", "recovered").index(outcome(order, lead))
        return rank, lead is not None, (lead.made if lead else cart.started).date(), cart.started, cart.store, cart.id

    return max(order.ends, key=weight)


def outcome(order: Order, lead: Lead | None) -> str:
    """recovered, bought_later or self_recovered."""
    if lead is None or lead.last_step(order.placed) is None:
        return "self_recovered"
    late = order.placed - lead.last_delivered(order.placed) > ATTRIBUTION
    return "bought_later" if late or order.origin != "checkout" else "recovered"


def net(order: Order) -> Decimal:
    """What it is worth 60 days after it was placed."""
    final = order.placed + FOLLOWED
    if order.cancelled is not None and order.cancelled <= final:
        return Decimal(0)
    return max(Decimal(0), order.amount - sum(part for at, part in order.paid_back if at <= final))


def _add_lead(line: Line, lead: Lead) -> None:
    line.leads += 1
    line.holdout += lead.holdout
    line.enrolled += bool(lead.steps)
    for step in lead.steps:
        line.steps[step].delivered += 1


def _add_order(line: Line, order: Order, lead: Lead | None) -> None:
    what = outcome(order, lead)
    setattr(line, what, getattr(line, what) + 1)
    if what == "recovered" and lead is not None:
        step = line.steps[lead.last_step(order.placed) or 0]
        step.recovered += 1
        line.revenue[order.currency] += net(order)
        step.revenue[order.currency] += net(order)


def shown(line: Line, steps: int) -> dict[str, Any]:
    """A line with the names and the roundings of `--json`."""
    return {
        "leads": line.leads,
        "enrolled": line.enrolled,
        "holdout": line.holdout,
        "recovered": line.recovered,
        "self_recovered": line.self_recovered,
        "bought_later": line.bought_later,
        **_rate(line.recovered, line.enrolled),
        "recovered_revenue": _money(line.revenue),
        "steps": [_step(number, line.steps[number]) for number in range(steps)],
    }


def _step(number: int, step: Step) -> dict[str, Any]:
    per = {currency: amount / step.delivered for currency, amount in step.revenue.items()} if step.delivered else {}
    return {
        "index": number,
        "delivered": step.delivered,
        "recovered": step.recovered,
        **_rate(step.recovered, step.delivered),
        "recovered_revenue": _money(step.revenue),
        "revenue_per_delivered": _money(per),
    }


def _money(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {currency: str(round(amount, DECIMALS[currency])) for currency, amount in sorted(amounts.items())}


def _rate(count: int, of: int) -> dict[str, Any]:
    if not of:
        return {"recovery_rate": None, "recovery_rate_interval": None}
    return {"recovery_rate": count / of, "recovery_rate_interval": [round(end, 4) for end in _wilson(count, of)]}


def _wilson(count: int, of: int) -> tuple[float, float]:
    """The two shares p for which (count/of - p)² = z² p (1 - p) / of."""
    share = count / of
    a, b, c = 1 + Z * Z / of, -(2 * share + Z * Z / of), share * share
    root = sqrt(max(0.0, b * b - 4 * a * c))
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))


def lift(line: Line) -> dict[str, Any] | None:
    """What the hold-out says."""
    if not line.holdout:
        return None
    (bought, of), (bought_alone, alone) = (
        (line.bought[False], line.leads - line.holdout),
        (line.bought[True], line.holdout),
    )
    sides = {"contacted": {"leads": of, "bought": bought}, "holdout": {"leads": alone, "bought": bought_alone}}
    if min(of, alone) < 30:
        return {**sides, "difference": None, "interval": None, "claim": "too_few"}
    one, two = bought / of, bought_alone / alone
    (low1, high1), (low2, high2) = _wilson(bought, of), _wilson(bought_alone, alone)
    low = one - two - sqrt((one - low1) ** 2 + (high2 - two) ** 2)
    high = one - two + sqrt((high1 - one) ** 2 + (two - low2) ** 2)
    claim = "more" if low > 0 else "fewer" if high < 0 else "uncertain"
    return {**sides, "difference": one - two, "interval": [round(low, 4), round(high, 4)], "claim": claim}


def captured(ledger: Ledger, store: str, line: Line, first: date, today: date) -> dict[str, Any]:
    """Starts are counted from WooCommerce's drafts only, and known for 90 days; orders at once were started, too."""
    if store != "woo" or first < today - KEPT:
        return {"started": None, "contactable": line.contactable, "capture_rate": None}
    drafts = [cart for cart in ledger.carts.values() if (cart.store, cart.counted) == (store, True)]
    drafts = [cart for cart in drafts if cart.started.date() >= first]
    began = [cart.started for cart in drafts]
    at_once = [
        order
        for order in ledger.orders.values()
        if order.store == store and order.origin == "checkout" and order.cancelled is None
        if order.cart is None or not order.cart.counted
        if min(began) <= (order.cart.started if order.cart else order.placed) <= max(began)
    ]
    started = len(drafts) + len(at_once)
    return {"started": started, "contactable": started, "capture_rate": 1.0}


def report(ledger: Ledger, first: date, today: date, steps: int) -> dict[str, list[dict[str, Any]]]:
    """What `winback report --json` must say, by store, step, product and week; each list in no certain order."""
    since = f"{first.isoformat()}T00:00:00Z"
    found: dict[str, list[dict[str, Any]]] = {"store": [], "step": [], "product": [], "week": []}
    for by in ("store", "product", "week"):
        for (store, key), line in lines(ledger, by, first).items():
            place = {"client": CLIENT, "store": store, "since": since}
            row = {**place, **shown(line, steps)}
            if by == "store":
                found["step"] += [{**place, **step} for step in row["steps"]]
                row |= {**captured(ledger, store, line, first, today), "lift": lift(line)}
            else:
                row[by] = key
                row |= {"contactable": line.contactable} if by == "week" else {}
            found[by].append(row)
    return found
