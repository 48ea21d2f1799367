"""The report as `--json` prints it: a row for each client and store, and each product, week or stage where asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from connector import rules
from connector.engine.capture import Capture, Captured, capture_rate
from connector.engine.context import Client, Context
from connector.engine.figures import Figures, StepFigures, figures
from connector.engine.tallies import money
from connector.model import Source
from connector.proportions import Share, difference


def rows_of(ctx: Context, client: Client, first: date, by: str) -> Iterator[dict[str, Any]]:
    """The report of one client from a UTC day on, as `--json` prints it: a row for each store, and product, week, …"""
    start = f"{first.isoformat()}T00:00:00Z"
    stores = [store.id for store in client.config.stores]
    with ctx.db.read() as connection:
        found = figures(connection, client.id, first, by)
        if by in ("store", "step"):
            stores += sorted({store for store, _ in found} - set(stores))  # one that left the file keeps its numbers
            found = {(store, ""): found.get((store, ""), Figures()) for store in stores}
        for (store, key), line in sorted(found.items(), key=lambda item: _order(item, stores, by)):
            place = {"client": client.id, "store": store, "since": start}
            if by == "step":
                yield from ({**place, **step} for step in _steps(client, line))
            elif by == "store":
                capture = capture_rate(connection, client.id, store, datetime.combine(first, time(), UTC))
                live_only = first < rules.expired_before(client.policy, ctx.clock()).date()
                sums = {**_captured(capture, line, live_only=live_only), **_line(line), "lift": _lift(line)}
                yield {**place, **sums, "steps": _steps(client, line)}
            else:
                started = {"contactable": line.contactable} if by == "week" else {}
                yield {**place, by: str(key), **started, **_line(line), "steps": _steps(client, line)}


def _order(item: tuple[tuple[str, Any], Figures], stores: Sequence[str], by: str) -> tuple[Any, ...]:
    (store, key), line = item
    place = stores.index(store) if store in stores else len(stores)
    return (place, store, -line.leads, str(key)) if by == "product" else (place, store, str(key))


def _captured(capture: Capture, line: Figures, *, live_only: bool) -> dict[str, Any]:
    """Where starts are counted, both numbers are of what counts them, so that the rate is theirs.

    Starts that are counted from drafts are known as far back as checkouts are kept: `live_only` asks for more.
    """
    from_drafts = any(one.source == Source.DRAFTS and one.started is not None for one in capture.sources)
    lasting = [one for one in capture.sources if one.started is not None and one.source != Source.DRAFTS]
    sources = [_source(one) for one in (lasting if live_only else capture.sources)]
    if capture.started is None or (live_only and from_drafts):
        return {"started": None, "contactable": line.contactable, "capture_rate": None, "sources": sources}
    totals = {"started": capture.started, "contactable": capture.contactable, "capture_rate": capture.rate}
    return {**totals, "sources": sources}


def _source(one: Captured) -> dict[str, Any]:
    """R1 by where checkouts were seen: a store may be seen through its plugin and through its placed orders."""
    return {"source": one.source, "started": one.started, "contactable": one.contactable, "capture_rate": one.rate}


def _line(line: Figures) -> dict[str, Any]:
    return {
        "leads": line.leads,
        "enrolled": line.enrolled,
        "holdout": line.holdout,
        "recovered": line.recovered,
        "self_recovered": line.self_recovered,
        "bought_later": line.bought_later,
        "recovery_rate": line.recovery.rate,
        "recovery_rate_interval": _interval(line.recovery.interval),
        "recovered_revenue": _revenue(line.revenue),
    }


def _steps(client: Client, line: Figures) -> list[dict[str, Any]]:
    count = max([len(client.config.sequence), *(step + 1 for step in line.steps)])
    return [_step(index, line.steps.get(index, StepFigures())) for index in range(count)]


def _step(index: int, step: StepFigures) -> dict[str, Any]:
    # An edit of the database by hand, or a lost one, may leave an order without its delivery.
    share = Share(min(step.recovered, step.delivered), step.delivered)
    return {
        "index": index,
        "delivered": step.delivered,
        "recovered": step.recovered,
        "recovery_rate": share.rate,
        "recovery_rate_interval": _interval(share.interval),
        "recovered_revenue": _revenue(step.revenue),
        "revenue_per_delivered": {
            currency: _money(money(net) / step.delivered, currency) for currency, net in _sorted(step.revenue)
        }
        if step.delivered
        else {},
    }


def _lift(line: Figures) -> dict[str, Any] | None:
    """What the hold-out says; None where there is none. No number and no claim where either side is too small."""
    contacted, left_alone = line.contacted, line.left_alone
    if not left_alone.of:
        return None
    sides = {
        "contacted": {"leads": contacted.of, "bought": contacted.count},
        "holdout": {"leads": left_alone.of, "bought": left_alone.count},
    }
    if contacted.is_small or left_alone.is_small:
        return {**sides, "difference": None, "interval": None, "claim": "too_few"}
    found, lower, upper = difference(contacted, left_alone)
    claim = "more" if lower > 0 else "fewer" if upper < 0 else "uncertain"
    return {**sides, "difference": found, "interval": _interval((lower, upper)), "claim": claim}


def _interval(found: tuple[float, float] | None) -> list[float] | None:
    return [round(end, 4) for end in found] if found else None


def _sorted(revenue: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(revenue.items())


def _revenue(revenue: Mapping[str, int]) -> dict[str, str]:
    """Side by side, never added: one currency is no other."""
    return {currency: _money(money(net), currency) for currency, net in _sorted(revenue)}


def _money(amount: Decimal, currency: str) -> str:
    from babel.numbers import get_currency_precision

    return str(round(amount, get_currency_precision(currency)))
