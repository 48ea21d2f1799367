"""What the owner sees: the lead table, a shopper's story, and the outbox, as the commands print them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, literal_column, select

from connector import tables
from connector.address import contact
from connector.db import table
from connector.engine import owed
from connector.engine.context import Client, Context
from connector.engine.facts import Suppressions
from connector.engine.notes import read_notes
from connector.engine.outbox import PENDING
from connector.engine.payload import read_payload
from connector.rules import State, abandoned_at

CHECKOUTS = table(tables.Checkout)
CRMS = table(tables.Crm)
DELIVERIES = table(tables.Delivery)
EVENTS = table(tables.Event)
LEADS = table(tables.Lead)
STORES = table(tables.Store)
SUPPRESSIONS = table(tables.Suppression)
BATCH = 500


def leads(
    ctx: Context,
    client: Client,
    *,
    store: str | None = None,
    state: str | None = None,
    email: str | None = None,
    since: datetime | None = None,
    own_first: bool = False,
) -> list[dict[str, Any]]:
    """The lead table: every contactable checkout, newest activity first, as `leads list --json` has it.

    `own_first`: those that only go on with another one, by its recovery link, come last.
    """
    query = select(CHECKOUTS).where(CHECKOUTS.c.client == client.id, CHECKOUTS.c.shopper != "")
    if store:
        query = query.where(CHECKOUTS.c.store == store)
    if state:
        query = query.where(CHECKOUTS.c.state == state)
    if email:
        query = query.where(CHECKOUTS.c.shopper == ctx.shopper(client.id, email)[0])
    if since:
        query = query.where(CHECKOUTS.c.activity_at >= since)
    order = [CHECKOUTS.c.activity_at.desc(), CHECKOUTS.c.id]
    query = query.order_by(*([CHECKOUTS.c.by_link] if own_first else []), *order)
    found: list[dict[str, Any]] = []
    now = ctx.clock()
    with ctx.db.read() as connection:
        troubled = _troubled(connection, client.id)
        for rows in connection.execute(query.execution_options(yield_per=BATCH)).partitions():
            shoppers = {row.shopper for row in rows}
            made, steps = _leads(connection, client.id, shoppers), _steps(connection, client.id, shoppers)
            for row in rows:
                theirs = steps[row.store, row.id]
                waits = {step.id: why for step in theirs if (why := _hindrance(client, troubled, step, now))}
                found.append(_lead(client, row, made.get((row.store, row.id)), theirs, waits))
    return found


def _troubled(connection: Connection, client: str) -> dict[str, str]:
    """What is wrong with the client's CRMs, by their ids."""
    query = select(CRMS.c.id, CRMS.c.error).where(CRMS.c.client == client, CRMS.c.failures > 0)
    return {row.id: row.error for row in connection.execute(query)}


def _hindrance(client: Client, troubled: Mapping[str, str], step: Row[Any], now: datetime) -> str:
    """Why a step that is due cannot go out: for what its CRM is, not for the shopper."""
    if step.state != "pending" or step.due_at > now:
        return ""
    if client.crm(step.crm) is None:
        return _left(step.crm)
    return f"{step.crm}: {troubled[step.crm]}" if step.crm in troubled else ""


def _left(crm: str) -> str:
    return f"paused: {crm} is not in the configuration any more"


def _leads(connection: Connection, client: str, shoppers: set[str]) -> dict[tuple[str, str], Row[Any]]:
    query = select(LEADS).where(LEADS.c.client == client, LEADS.c.shopper.in_(shoppers))
    return {(row.store, row.checkout_id): row for row in connection.execute(query)}


def _steps(connection: Connection, client: str, shoppers: set[str]) -> dict[tuple[str, str], list[Row[Any]]]:
    steps: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    theirs = (DELIVERIES.c.client == client, DELIVERIES.c.shopper.in_(shoppers), DELIVERIES.c.kind == "enrol")
    query = select(DELIVERIES).where(*theirs)
    for row in connection.execute(query.order_by(DELIVERIES.c.generation, DELIVERIES.c.step, DELIVERIES.c.crm)):
        steps[row.store, row.checkout_id].append(row)
    return steps


def _lead(
    client: Client, row: Row[Any], lead: Row[Any] | None, steps: Sequence[Row[Any]], waits: Mapping[int, str]
) -> dict[str, Any]:
    url = read_payload(row.payload).url if row.payload else None
    hindered = next(iter(waits.values()), "") if row.state == State.WAITING else ""
    return {
        "client": row.client,
        "store": row.store,
        "email": row.email,
        "state": row.state,
        "reason": hindered or row.reason,
        "rule": "" if hindered else row.rule,
        "created_at": _time(lead.created_at if lead else row.triggered_at),
        "abandoned_at": _time(abandoned_at(row.activity_at, client.policy)),
        "updated_at": _time(row.updated_at),
        "product_name": row.product_name,
        "checkout_url": url,
        "total": row.total,
        "currency": row.currency,
        "consent": row.consent,
        "steps": [
            {
                "index": step.step,
                "crm": step.crm,
                "state": step.state,
                "due_at": _time(step.due_at),
                "done_at": _time(step.done_at),
                "attempts": step.attempts,
                "error": step.error or waits.get(step.id, step.detail if step.state not in ("done", "pending") else ""),
            }
            for step in steps
        ],
    }


def explain(ctx: Context, client: Client, email: str) -> dict[str, Any] | None:
    """The story of one shopper (R11), or None where nothing is known of them."""
    shopper, _ = ctx.shopper(client.id, email)
    known = leads(ctx, client, email=email, own_first=True) if shopper else []
    with ctx.db.read() as connection:
        query = select(EVENTS).where(EVENTS.c.client == client.id, EVENTS.c.shopper == shopper)
        # Sorted here: asked for the order, SQLite takes the index by time, and looks through every shopper's lines.
        events = sorted(connection.execute(query), key=lambda event: (event.at, event.id)) if shopper else []
        suppressed = _why_suppressed(ctx, connection, client, shopper, email)
    if not known and not events and not suppressed:
        return None
    newest: Mapping[str, Any] = {"state": None, "reason": "no checkout has this address any more", "rule": ""}
    if known:
        newest = known[0]
    elif suppressed:
        newest = {"state": "suppressed", "reason": suppressed, "rule": "R10"}
    return {
        "client": client.id,
        "email": email,
        "state": newest["state"],
        "reason": newest["reason"],
        "rule": newest["rule"],
        "leads": known,
        "events": [{"at": _time(event.at), "what": event.what, "rule": event.rule} for event in events],
    }


def _why_suppressed(ctx: Context, connection: Connection, client: Client, shopper: str, email: str) -> str:
    """R10, also by the domain and by the file; "" where nothing keeps the shopper from becoming a lead."""
    found = contact(email)
    if not shopper or found is None:
        return ""
    why = Suppressions.load(ctx, connection, client, [(shopper, found.address)]).why(shopper, found.address)
    here = (SUPPRESSIONS.c.client == client.id, SUPPRESSIONS.c.value.in_((shopper, f"@{found.domain}")))
    since = connection.execute(select(func.min(SUPPRESSIONS.c.at)).where(*here, SUPPRESSIONS.c.why == why)).scalar()
    return f"{why} on {_time(since)}" if since else why


def deliveries(
    ctx: Context, client: Client, *, everything: bool = False, number: int | None = None
) -> list[dict[str, Any]]:
    """What was refused or is waiting, and why; `everything` adds what is done or was taken back. Or only `number`."""
    theirs = and_(LEADS.c.client == DELIVERIES.c.client, LEADS.c.shopper == DELIVERIES.c.shopper)
    query = select(DELIVERIES, LEADS.c.email.label("lead_email")).join(LEADS, theirs, isouter=True)
    query = query.where(DELIVERIES.c.client == client.id)
    if number is not None:
        query = query.where(DELIVERIES.c.id == number)
    elif not everything:
        query = query.where(DELIVERIES.c.state.not_in(("done", "cancelled")))
    with ctx.db.read() as connection:
        rows = connection.execute(query.order_by(DELIVERIES.c.next_at, DELIVERIES.c.id)).all()
        troubled = _troubled(connection, client.id)
    return [
        {
            "id": row.id,
            "client": row.client,
            "crm": row.crm,
            "email": row.email or row.lead_email,
            "kind": row.kind,
            "step": row.step if row.kind == "enrol" else None,
            "state": row.state,
            "rule": row.rule,
            "reason": _reason(client, row) or (troubled.get(row.crm, "") if row.state == "pending" else ""),
            "attempts": row.attempts,
            "due_at": _time(row.due_at),
            "next_at": _time(row.next_at) if row.state == "pending" else None,
            "done_at": _time(row.done_at),
        }
        for row in rows
    ]


def delivery(ctx: Context, client: Client, number: int) -> dict[str, Any] | None:
    """All of one delivery: also what was sent and answered where it was refused, and what to do about it."""
    found = next(iter(deliveries(ctx, client, number=number)), None)
    if found is None:
        return None
    with ctx.db.read() as connection:
        exchange = connection.execute(select(DELIVERIES.c.exchange).where(DELIVERIES.c.id == number)).scalar_one()
    return {**found, "remedy": _remedy(client, found), "exchange": exchange}


def _remedy(client: Client, row: Mapping[str, Any]) -> str:
    again = f"`winback deliveries retry -c PATH {row['id']}`"
    crm = row["crm"]
    if client.crm(crm) is None and row["state"] == "pending":
        return f"put {crm} back into the configuration"
    known = {
        "failed": f"mend what {crm} says, then {again}",
        "pending": "nothing: it goes out by itself" + (f" once what {crm} says is mended" if row["reason"] else ""),
        State.TOO_LATE: f"if it should go out all the same: {again}",
        State.NO_CONSENT: "nothing: this shopper may not be mailed",
    }
    return known.get(row["state"], "nothing")


def _reason(client: Client, row: Row[Any]) -> str:
    if row.state == "pending" and client.crm(row.crm) is None:
        return _left(row.crm)
    return str(row.error or row.detail)


def would_enrol(ctx: Context, client: Client) -> list[dict[str, Any]]:
    """Who would be enrolled where, by what is due now: what `sync --dry-run` prints."""
    query = (
        select(DELIVERIES, LEADS.c.email.label("address"))
        .join(LEADS, (LEADS.c.client == DELIVERIES.c.client) & (LEADS.c.shopper == DELIVERIES.c.shopper))
        .where(DELIVERIES.c.client == client.id, DELIVERIES.c.kind == "enrol", PENDING)
        .where(DELIVERIES.c.next_at <= ctx.clock())
    )
    with ctx.db.read() as connection:
        return [
            {
                "client": row.client,
                "store": row.store,
                "email": row.address,
                "crm": row.crm,
                "step": row.step + 1,
                "due_at": _time(row.due_at),
            }
            for row in connection.execute(query.order_by(DELIVERIES.c.due_at))
        ]


def counts(ctx: Context) -> tuple[dict[tuple[str, str, str], int], dict[tuple[str, str], int]]:
    """Leads by client, store and state; deliveries that are due by client and CRM. For the metrics."""
    with ctx.db.read() as connection:
        states = connection.execute(
            select(CHECKOUTS.c.client, CHECKOUTS.c.store, CHECKOUTS.c.state, func.count())
            .where(CHECKOUTS.c.shopper != literal_column("''"))  # as ix_checkouts_state has it
            .group_by(CHECKOUTS.c.client, CHECKOUTS.c.store, CHECKOUTS.c.state)
        ).all()
        due = connection.execute(
            select(DELIVERIES.c.client, DELIVERIES.c.crm, func.count())
            .where(PENDING, DELIVERIES.c.next_at <= ctx.clock())
            .group_by(DELIVERIES.c.client, DELIVERIES.c.crm)
        ).all()
    return {(c, s, state): n for c, s, state, n in states}, {(c, crm): n for c, crm, n in due}


def troubles(ctx: Context) -> list[str]:
    """Sentences about the stores and CRMs that are in trouble now."""
    found = []
    with ctx.db.read() as connection:
        for model in (tables.Store, tables.Crm):
            rows = table(model)
            unwell = connection.execute(select(rows).where(rows.c.gone.is_(False), rows.c.error != ""))
            found += [f"{row.client}/{row.id}: {row.error}" for row in unwell]
        noted = connection.execute(select(STORES).where(STORES.c.gone.is_(False), STORES.c.notes != ""))
        for row in noted:
            found += [f"{row.client}/{row.id}: {one.message}" for one in read_notes(row.notes) if one.level == "error"]
        mute = connection.execute(select(STORES).where(STORES.c.gone.is_(False), STORES.c.coupons_error != ""))
        found += [f"{row.client}/{row.id}: no coupon can be made: {row.coupons_error}" for row in mute]
    return found + [f"{subject}: {said}" for subject, said in owed.sentences(ctx).items()]


def _time(value: datetime | None) -> str | None:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None
