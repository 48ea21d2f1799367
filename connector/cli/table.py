"""Commands that look: the lead table, a shopper's story, the outbox."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from connector.cli.opening import engine, one_client, some_clients
from connector.cli.show import as_json as print_json
from connector.cli.show import as_table, say
from connector.engine import view
from connector.engine.context import Context
from connector.errors import ConfigError
from connector.rules import State

LEAD_COLUMNS = ("store", "email", "state", "rule", "reason", "product_name", "total", "currency", "abandoned_at")
DELIVERY_COLUMNS = ("id", "crm", "kind", "email", "state", "rule", "reason", "attempts", "next_at")
EXPORT_COLUMNS = (
    "client", "store", "email", "state", "rule", "reason", "created_at", "abandoned_at", "updated_at",
    "product_name", "checkout_url", "total", "currency", "consent",
)  # fmt: skip


def _rows(ctx: Context, client: str | None, filters: dict[str, Any]) -> list[dict[str, Any]]:
    state = filters.get("state")
    if state is not None and state not in list(State):
        raise ConfigError(f"there is no state {state!r}; the states are: {', '.join(State)}")
    within = filters.get("since")
    since = ctx.clock() - within if within else None
    found: list[dict[str, Any]] = []
    for one in some_clients(ctx, client):
        found += view.leads(ctx, one, store=filters.get("store"), state=state, email=filters.get("email"), since=since)
    return found


def list_leads(config: Path, *, client: str | None, filters: dict[str, Any], as_json: bool) -> None:
    """Prints the lead table."""
    with engine(config) as (ctx, _):
        rows = _rows(ctx, client, filters)
        if as_json:
            print_json(rows)
            return
        columns = LEAD_COLUMNS if len(ctx.clients) == 1 else ("client", *LEAD_COLUMNS)
        as_table(rows, columns, "no leads")
        for trouble in view.troubles(ctx):
            say(f"! {trouble}")


def export_leads(config: Path, *, client: str | None, filters: dict[str, Any]) -> None:
    """Writes the lead table as CSV."""
    with engine(config) as (ctx, _):
        writer = csv.DictWriter(sys.stdout, EXPORT_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in _rows(ctx, client, filters):
            writer.writerow({key: _safe(value) for key, value in row.items() if key in EXPORT_COLUMNS})


def _safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: shoppers choose their own names."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def explain_shopper(config: Path, email: str, client: str | None, *, as_json: bool) -> int:
    """Prints one shopper's story; 1 where nothing is known of them."""
    with engine(config) as (ctx, _):
        stories = [story for one in some_clients(ctx, client) if (story := view.explain(ctx, one, email))]
        if len(stories) > 1:
            one_client(ctx, client)  # raises, and says to name one
        if not stories:
            names = ", ".join(one.id for one in some_clients(ctx, client))
            story = {"client": names, "email": email, "state": None, "reason": "nothing is known", "rule": ""}
            if as_json:
                print_json({**story, "leads": [], "events": []})
            else:
                say(f"{email}: nothing is known of this address in {names}")
            return 1
        if as_json:
            print_json(stories[0])
        else:
            _tell(stories[0])
    return 0


def _tell(story: dict[str, Any]) -> None:
    rule = f" ({story['rule']})" if story["rule"] else ""
    say(f"{story['email']} in {story['client']}: {story['state']}{rule}: {story['reason']}")
    for event in story["events"]:
        say(f"  {event['at']}  {event['rule']:4} {event['what']}")
    for lead in story["leads"]:
        what = f"{lead['product_name'] or 'a cart'}, {lead['total']} {lead['currency']}"
        say(f"  {lead['store']}: {what}: {lead['state']}")
        for step in lead["steps"]:
            error = f": {step['error']}" if step["error"] else ""
            say(f"    step {step['index'] + 1} to {step['crm']}: {step['state']}, due {step['due_at']}{error}")


def list_deliveries(config: Path, *, client: str | None, everything: bool, as_json: bool) -> None:
    """Prints the outbox."""
    with engine(config) as (ctx, _):
        rows = [row for one in some_clients(ctx, client) for row in view.deliveries(ctx, one, everything=everything)]
        if as_json:
            print_json(rows)
            return
        columns = DELIVERY_COLUMNS if len(ctx.clients) == 1 else ("client", *DELIVERY_COLUMNS)
        as_table(rows, columns, "nothing is waiting and nothing was refused")
        for trouble in view.troubles(ctx):
            say(f"! {trouble}")
