"""Commands that look: the lead table, a shopper's story, the outbox."""

from __future__ import annotations

import csv
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.address import contact
from connector.cli.opening import looking, some_clients
from connector.cli.show import Column, as_table, cell, say
from connector.cli.show import as_json as print_json
from connector.config.shape import nearest
from connector.engine import view
from connector.engine.context import Context
from connector.errors import ConfigError
from connector.rules import State

CLIENT, STORE = Column("client", "client"), Column("store", "store")
LEAD_COLUMNS = (
    Column("when", "left (UTC)", keep=True),
    Column("email", "e-mail"),
    Column("state", "state", keep=True),
    Column("rule", "rule", keep=True),
    Column("reason", "why"),
    Column("cart", "cart"),
)
DELIVERY_COLUMNS = (
    Column("id", "id", keep=True),
    Column("crm", "crm"),
    Column("what", "what", keep=True),
    Column("email", "e-mail"),
    Column("state", "state", keep=True),
    Column("reason", "why"),
    Column("attempts", "tries", keep=True),
    Column("when", "next try (UTC)", keep=True),
)
EXPORT_COLUMNS = (
    "client", "store", "email", "state", "rule", "reason", "created_at", "abandoned_at", "updated_at",
    "product_name", "checkout_url", "total", "currency", "consent",
)  # fmt: skip


def _rows(ctx: Context, client: str | None, filters: dict[str, Any]) -> list[dict[str, Any]]:
    clients = some_clients(ctx, client)
    state, email, store = filters["state"], filters["email"], filters["store"]
    if state is not None and state not in list(State):
        guess = nearest(state, list(State))
        raise ConfigError(f"there is no state {state}{guess or '; the states are: ' + ', '.join(State)}")
    if email is not None:
        _need_address(email)
    since = ctx.clock() - filters["since"] if filters["since"] else None
    found: list[dict[str, Any]] = []
    for one in clients:
        found += view.leads(ctx, one, store=store, state=state, email=email, since=since)
    if store is not None and not found:  # one that left the configuration may still have leads
        known = [each.id for one in clients for each in one.config.stores]
        if store not in known:
            raise ConfigError(f"there is no store {store}{nearest(store, known) or '; there are: ' + ', '.join(known)}")
    return found


def _need_address(email: str) -> None:
    if contact(email) is None:
        raise ConfigError(f"{email} is no e-mail address")


def list_leads(config: Path, *, client: str | None, filters: dict[str, Any], as_json: bool) -> None:
    """Prints the lead table."""
    with looking(config) as ctx:
        rows = _rows(ctx, client, filters)
        if as_json:
            print_json(rows)
            return
        shown = [{**row, "when": _left(ctx, row), "cart": _cart(row)} for row in rows]
        several = [CLIENT] if len(ctx.clients) > 1 else []
        several += [STORE] if len({row["store"] for row in rows}) > 1 else []
        as_table(shown, [*several, *LEAD_COLUMNS], "no leads")
        _troubles(ctx, client)


def _left(ctx: Context, row: dict[str, Any]) -> str:
    """The shopper's last activity, which counts as abandoned only some time later (R2)."""
    return _words(datetime.fromisoformat(row["abandoned_at"]) - ctx.clients[row["client"]].policy.abandoned_after)


def _short(moment: str | None) -> str:
    return _words(datetime.fromisoformat(moment)) if moment else ""


def _words(moment: datetime) -> str:
    """`02 Mar 09:30`: leads are at most some months old."""
    return moment.strftime("%d %b %H:%M")


def _cart(row: dict[str, Any]) -> str:
    return f"{row['product_name'] or 'a cart'}, {row['total']} {row['currency']}"


def _troubles(ctx: Context, client: str | None) -> None:
    for trouble in view.troubles(ctx):
        if client is None or trouble.startswith(f"{client}/"):
            say(f"! {trouble}")


def export_leads(config: Path, *, client: str | None, filters: dict[str, Any]) -> None:
    """Writes the lead table as CSV."""
    with looking(config) as ctx:
        writer = csv.DictWriter(sys.stdout, EXPORT_COLUMNS, extrasaction="ignore", lineterminator="\n")
        rows = _rows(ctx, client, filters)
        writer.writeheader()
        for row in rows:
            writer.writerow({key: cell(value) for key, value in row.items() if key in EXPORT_COLUMNS})


def explain_shopper(config: Path, email: str, client: str | None, *, as_json: bool) -> int:
    """Prints one shopper's story; 1 where nothing is known of them."""
    _need_address(email)
    with looking(config) as ctx:
        clients = some_clients(ctx, client)
        stories = [story for one in clients if (story := view.explain(ctx, one, email))]
    if len(stories) > 1:
        names = ", ".join(story["client"] for story in stories)
        raise ConfigError(f"several clients know this address; add --client with one of: {names}")
    if not stories:
        names = ", ".join(one.id for one in clients)
        if as_json:
            nothing = {"state": None, "reason": "nothing is known of this address", "rule": ""}
            print_json({"client": names, "email": email, **nothing, "leads": [], "events": []})
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
    say(f"{story['email']} in {story['client']}: {story['state'] or 'no lead'}{rule}: {story['reason']}")
    for event in story["events"]:
        number = event["rule"] if event["rule"].startswith("R") else ""  # what has another name says it itself
        say(f"  {event['at']}  {number:4} {event['what']}")
    for lead in story["leads"]:
        say(f"  {lead['store']}: {_cart(lead)}: {lead['state']}{_same_purchase(lead, story['leads'])}")
        for step in lead["steps"]:
            error = f": {step['error']}" if step["error"] else ""
            say(f"    step {step['index'] + 1} to {step['crm']}: {step['state']}, due {step['due_at']}{error}")


def _same_purchase(lead: dict[str, Any], leads: list[dict[str, Any]]) -> str:
    """Who comes back in another browser buys at a new checkout: one purchase, seen from two."""
    why = lead["reason"].partition(": ")[2]
    others = (one for one in leads if one is not lead and one["state"] == State.RECOVERED)
    if lead["state"] != State.SELF_RECOVERED or not any(one["reason"].partition(": ")[2] == why for one in others):
        return ""
    return " (the same purchase as the recovered one's: no step was sent for this checkout)"


def list_deliveries(config: Path, *, client: str | None, everything: bool, as_json: bool) -> None:
    """Prints the outbox."""
    with looking(config) as ctx:
        rows = [row for one in some_clients(ctx, client) for row in view.deliveries(ctx, one, everything=everything)]
        if as_json:
            print_json(rows)
            return
        shown = [{**row, "when": _short(row["next_at"]), "what": _what(row)} for row in rows]
        columns = DELIVERY_COLUMNS if len(ctx.clients) == 1 else (CLIENT, *DELIVERY_COLUMNS)
        as_table(shown, columns, "nothing is waiting and nothing was refused")
        _troubles(ctx, client)


def show_delivery(config: Path, number: int, client: str | None, *, as_json: bool) -> None:
    """Prints one delivery with everything that is known of it. Raises ConfigError where there is none."""
    with looking(config) as ctx:
        rows = [row for one in some_clients(ctx, client) if (row := view.delivery(ctx, one, number))]
    if not rows:
        raise ConfigError(f"there is no delivery {number}; see `winback deliveries list --all`")
    row = rows[0]
    if as_json:
        print_json(row)
        return
    say(f"{_what(row)} to {row['crm']} for {row['email'] or 'a shopper whose address is erased'}: {row['state']}")
    for name, key in (("why", "reason"), ("rule", "rule"), ("tries", "attempts"), ("what to do", "remedy")):
        if row[key]:
            say(f"  {name}: {row[key]}")
    if row["exchange"]:
        say("  what was sent, and what the CRM answered:")
        for line in row["exchange"].splitlines():
            say(f"    {line}")


def _what(row: dict[str, Any]) -> str:
    return f"step {row['step'] + 1}" if row["step"] is not None else str(row["kind"])
