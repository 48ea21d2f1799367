"""The report for people: tables, and sentences where something cannot be known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.cli.show import Column, as_table, count, say
from connector.durations import format_duration
from connector.engine.context import Context
from connector.proportions import SMALL

MOST = 30  # lines of a report by product: the others are in --csv
Rows = Sequence[Mapping[str, Any]]
COUNTS = (
    Column("leads", "leads", keep=True),
    Column("enrolled", "enrolled", keep=True),
    Column("holdout", "hold-out", keep=True),
    Column("recovered", "recovered", keep=True),
    Column("rate", "recovery rate (95 %)", keep=True),
    Column("revenue", "recovered revenue"),
    Column("self_recovered", "by themselves", keep=True),
    Column("bought_later", "later", keep=True),
)
CAPTURE = (
    Column("started", "started", keep=True),
    Column("contactable", "with address", keep=True),
    Column("capture", "captured", keep=True),
)
STEPS = (
    Column("step", "step", keep=True),
    Column("delivered", "delivered", keep=True),
    Column("recovered", "recovered next", keep=True),
    Column("rate", "rate (95 %)", keep=True),
    Column("revenue", "recovered revenue"),
    Column("each", "for each delivered"),
)
KEYS = {"product": "product", "week": "week from (Monday)", "stage": "got as far as"}


def show(ctx: Context, rows: Rows, by: str) -> None:
    """Prints the tables, and what there is to say about them."""
    if rows:
        say(f"from {rows[0]['since'][:10]} on, days in UTC; a lead counts on the day on which it was made")
    places = [*([Column("client", "client")] if len(ctx.clients) > 1 else []), Column("store", "store")]
    if by == "step":
        as_table([_step(row) for row in rows], [*places, *STEPS], "no step was delivered")
    elif by == "store":
        as_table([_line(row) for row in rows], [*places, *CAPTURE, *COUNTS], "no store")
        steps = [_step({**row, **step}) for row in rows for step in row["steps"] if row["leads"]]
        if steps:
            say("")
            as_table(steps, [*places, *STEPS], "")
    else:
        _by_key(rows, places, by)
    for sentence in _sentences(ctx, rows, by):
        say(sentence)


def _by_key(rows: Rows, places: list[Column], by: str) -> None:
    captured = [CAPTURE[1]] if by == "week" else []
    shown = rows[:MOST] if by == "product" else rows
    lines = [{**_line(row), by: row[by] or "(not known)"} for row in shown]
    as_table(lines, [*places, Column(by, KEYS[by]), *captured, *COUNTS], "no leads")
    if len(rows) > len(lines):
        say(f"and {count(len(rows) - len(lines), 'more product', 'more products')}: --csv has them all")


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    rate = row.get("capture_rate")
    return {
        **row,
        "started": "?" if row.get("started") is None else row["started"],
        "capture": "?" if rate is None else _percent(rate) if row["started"] >= SMALL else "",
        "rate": _rate(row["recovered"], row["enrolled"], row),
        "revenue": _money(row["recovered_revenue"]),
    }


def _step(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "step": row["index"] + 1,
        "rate": _rate(row["recovered"], row["delivered"], row),
        "revenue": _money(row["recovered_revenue"]),
        "each": _money(row["revenue_per_delivered"]),
    }


def _rate(some: int, of: int, row: Mapping[str, Any]) -> str:
    """A percent with its interval; of few cases the counts themselves, which promise no more than they are."""
    if not of:
        return ""
    if of < SMALL:
        return f"{some} of {of}"
    low, high = row["recovery_rate_interval"]
    return f"{_percent(row['recovery_rate'])} ({low * 100:.1f}-{high * 100:.1f})"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _money(amounts: Mapping[str, str]) -> str:
    return " + ".join(f"{amount} {currency}" for currency, amount in amounts.items())


def _sentences(ctx: Context, rows: Rows, by: str) -> Iterator[str]:
    if by == "store":
        for row in rows:
            yield from _of_store(row, f"{row['client']}/{row['store']}")
    longest = max((client.policy.attribution for client in ctx.clients.values()), default=None)
    if longest is not None and any(row.get("leads") or row.get("delivered") for row in rows):
        yield f"Leads of the last {format_duration(longest)} may still buy: the newest numbers grow."
        yield "How many e-mails went out and were opened, and who unsubscribed by them, the CRM's own report says."


def _seen(source: Mapping[str, Any]) -> str:
    if source["started"] is None:
        return f"{source['source']}: {source['contactable']} with an address, started unknown"
    return f"{source['source']}: {source['contactable']} with an address of {source['started']} started"


def _of_store(row: Mapping[str, Any], name: str) -> Iterator[str]:
    if row["started"] is None:
        yield f"{name}: how many checkouts were started is not known, because this source cannot count them."
    if row["sources"]:
        yield f"{name}: {'; '.join(_seen(source) for source in row['sources'])}."
    lift = row["lift"]
    if lift is None:
        if row["leads"]:
            yield f"{name}: no hold-out, so nobody can say how many would have bought anyway (leads.holdout)."
        return
    contacted, alone = lift["contacted"], lift["holdout"]
    bought = f"{contacted['bought']} of {contacted['leads']} leads bought"
    sides = f"{bought}; of the hold-out {alone['bought']} of {alone['leads']}"
    if lift["claim"] == "too_few":
        yield f"{name}: {sides}. That is too few to say anything: it takes {SMALL} leads on either side."
        return
    low, high = lift["interval"]
    found = f"{lift['difference'] * 100:+.1f} points (95 %: {low * 100:+.1f} to {high * 100:+.1f})"
    words = {"more": "more than chance", "fewer": "fewer, and not by chance"}
    yield f"{name}: {sides}: {found}, {words.get(lift['claim'], 'which may be chance')}."
