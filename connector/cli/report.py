"""`winback report`: what came of the leads. What each number means is in docs/report.md."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from connector.cli import report_table
from connector.cli.opening import looking, some_clients
from connector.cli.show import as_json as print_json
from connector.cli.show import cell
from connector.engine.figures import BY
from connector.engine.report import rows_of
from connector.engine.tallies import NUMBERS
from connector.errors import ConfigError

FIRST = ("client", "store", "since")


def run_report(config: Path, *, client: str | None, since: timedelta, by: str, as_json: bool, as_csv: bool) -> None:
    """Prints the report as a table, as JSON or as CSV."""
    if by not in BY:
        raise ConfigError(f"there is no report by {by}; there are: {', '.join(BY)}")
    if since > NUMBERS:
        raise ConfigError(f"the numbers go back {NUMBERS.days} days; say --since {NUMBERS.days}d or less")
    with looking(config) as ctx:
        first = (ctx.clock() - since).date()
        rows = [row for one in some_clients(ctx, client) for row in rows_of(ctx, one, first, by)]
        if as_json:
            print_json(rows)
        elif as_csv:
            _print_csv(rows, by)
        else:
            report_table.show(ctx, rows, by)


def _print_csv(rows: Sequence[Mapping[str, Any]], by: str) -> None:
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    money_last = [*(n for n in names if "revenue" not in n), *sorted(n for n in names if "revenue" in n)]
    writer = csv.DictWriter(sys.stdout, money_last or [*FIRST, *([by] if by != "store" else [])], lineterminator="\n")
    writer.writeheader()
    for row in flat:
        writer.writerow({name: cell(value) for name, value in row.items()})


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line: money in a column for each currency, an interval in two, and no lists."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name == "index":
            found["step"] = value + 1
        elif name == "recovery_rate_interval":
            low, high = value or (None, None)
            found |= {"recovery_rate_low": low, "recovery_rate_high": high}
        elif name in ("recovered_revenue", "revenue_per_delivered"):
            found |= {f"{name}_{currency}": amount for currency, amount in value.items()}
        elif name == "lift":
            found |= _flat_lift(value)
        elif name not in ("steps", "sources"):
            found[name] = value
    return found


def _flat_lift(lift: Mapping[str, Any] | None) -> dict[str, Any]:
    low, high = (lift["interval"] if lift else None) or (None, None)
    return {"lift": lift["difference"] if lift else None, "lift_low": low, "lift_high": high}
