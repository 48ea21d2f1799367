"""The decision pass: gives every checkout that is due its state, and makes the leads. A batch is a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, insert, literal, select, tuple_, update

from connector import rules, tables
from connector.db import table
from connector.engine import outbox, outcomes, sequences
from connector.engine.context import Client, Context
from connector.engine.facts import StoreClock, gather, store_clocks
from connector.engine.followup import follow_activity
from connector.engine.purchases import close, end_others, purchases_of
from connector.engine.routing import wanted_steps
from connector.engine.story import EVENTS, line
from connector.engine.trust import may_show
from connector.rules import Decision, Facts, State

CHECKOUTS = table(tables.Checkout)
STORES = table(tables.Store)
HOURS = table(tables.Hour)
LEADS = table(tables.Lead)
WINDOWS = table(tables.Window)
BATCH = 100


def decide_client(ctx: Context, client: Client, now: datetime) -> int:
    """Decides every checkout of a client that is due; returns how many leads were made."""
    made = 0
    with ctx.client_locks[client.id]:
        _guard_surge(ctx, client, now)
        last: Row[Any] | None = None
        while True:
            with ctx.db.write() as connection:
                rows = _due(connection, client.id, now, last)
                made += _decide_batch(ctx, connection, client, rows, now)
            if len(rows) < BATCH:
                return made
            last = rows[-1]


def _due(connection: Connection, client: str, now: datetime, last: Row[Any] | None) -> Sequence[Row[Any]]:
    """The next batch in order of time: one that stays due (held) is passed once, and met again by the next pass."""
    query = select(CHECKOUTS).where(CHECKOUTS.c.client == client, CHECKOUTS.c.decide_at <= now)
    if last is not None:
        place = tuple_(CHECKOUTS.c.decide_at, CHECKOUTS.c.store, CHECKOUTS.c.id)
        query = query.where(place > tuple_(literal(last.decide_at), literal(last.store), literal(last.id)))
    return connection.execute(
        query.order_by(CHECKOUTS.c.decide_at, CHECKOUTS.c.store, CHECKOUTS.c.id).limit(BATCH)
    ).all()


@dataclass
class _Batch:
    """What one transaction of the pass will write. `kept` are the sequences that its leads may go on with."""

    kept: Mapping[str, sequences.Steps]
    sequence: str  # the id of the configuration's
    changes: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)
    windows: dict[str, dict[str, Any]] = field(default_factory=dict)
    leads: dict[str, dict[str, Any]] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)  # shoppers whose old lead gives way (R5)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    per_store: Counter[str] = field(default_factory=Counter)


def _decide_batch(ctx: Context, connection: Connection, client: Client, rows: Sequence[Row[Any]], now: datetime) -> int:
    if not rows:
        return 0
    clocks = store_clocks(connection, client)
    facts = gather(ctx, connection, client, rows, clocks)
    windows = _windows(connection, client.id, {row.shopper for row in rows if row.shopper})
    kept = sequences.load(connection, client, {row.carry_sequence for row in rows})
    batch = _Batch(kept, sequences.sequence_id(client))
    closed = set()
    for row in rows:
        clock = clocks.get(row.store)
        offset = clock.offset if clock else timedelta(0)
        known = facts[row.store, row.id]
        if row.shopper in batch.windows:  # a lead made a moment ago, in this very batch
            known = replace(known, window_at=batch.windows[row.shopper]["opened_at"])
        decision = _decide(client, kept, row, known, now + offset)
        if decision.state in rules.BOUGHT:
            purchases = purchases_of(connection, client.id, [row])[row.store, row.id]
            close(ctx, connection, client, row, decision, purchases, now)
            closed.add(row.shopper)
            continue
        if decision.lead:
            _make_lead(client, row, decision, batch, windows, now, offset)
        elif decision.state is State.RENEWED_TOO_SOON and row.shopper in batch.leads:
            _show_newer(batch.leads[row.shopper], row)
        elif decision.state is State.RENEWED_TOO_SOON:
            follow_activity(ctx, connection, client, row, now)
        _note(client, batch, row, decision, now, offset)
    _write(ctx, connection, client, batch, now)
    end_others(ctx, connection, client, closed - {""}, now)
    return len(batch.leads)


def _decide(
    client: Client, kept: Mapping[str, sequences.Steps], row: Row[Any], facts: Facts, store_now: datetime
) -> Decision:
    decision = rules.decide(facts, client.policy, store_now)
    ended = row.carry_step >= len(kept[row.carry_sequence])
    if ended and (decision.lead or decision.state is State.FILTERED):
        return Decision(
            State.SUPERSEDED, "R6", "the address was corrected after the last step had gone out, or may have"
        )
    own_trigger = row.triggered_at is not None and not row.carry_step
    aged = decision.state in (State.STALE, State.TOO_LATE) and rules.in_window(facts, client.policy)
    if (decision.state is State.RENEWED_TOO_SOON or aged) and own_trigger:
        if row.state == State.EMPTIED and row.delivered_step is not None:
            return Decision(State.ENROLLED, "", f"step {row.delivered_step + 1} delivered; the cart was filled again")
        return Decision(State(row.state), row.rule, row.reason)  # it has had its turn: newer fields are all it gets
    return decision


def _make_lead(
    client: Client,
    row: Row[Any],
    decision: Decision,
    batch: _Batch,
    windows: dict[str, int],
    now: datetime,
    offset: timedelta,
) -> None:
    generation = windows.get(row.shopper, 0) + 1
    created = now + offset
    windows[row.shopper] = generation
    batch.windows[row.shopper] = {
        "client": client.id,
        "shopper": row.shopper,
        "opened_at": created,
        "generation": generation,
    }
    holdout = decision.state is State.HOLDOUT
    lead = {
        "client": client.id,
        "shopper": row.shopper,
        "email": row.email,
        "generation": generation,
        "store": row.store,
        "checkout_id": row.id,
        "shown_store": row.store,
        "shown_checkout_id": row.id,
        "activity_at": row.activity_at,
        "created_at": created,
        "arm": "holdout" if holdout else "",
        "lifted": row.lifted,
        "sequence": row.carry_sequence or batch.sequence,
    }
    batch.leads[row.shopper] = lead
    if not row.carry_sequence:
        batch.outcomes.append(outcomes.made(client.id, row, created, lead["arm"]))
    batch.per_store[row.store] += 1
    if generation > 1:
        batch.replaced.append(row.shopper)
    if not holdout:
        batch.deliveries += _first_steps(client, batch.kept[row.carry_sequence], row, lead, offset)


def _first_steps(
    client: Client, sequence: sequences.Steps, row: Row[Any], lead: dict[str, Any], offset: timedelta
) -> list[dict[str, Any]]:
    """The first step that each CRM wants; the ones after it are queued as it is delivered."""
    rows: list[dict[str, Any]] = []
    for crm, index, step in wanted_steps(client, sequence, row):
        if crm.id not in {delivery["crm"] for delivery in rows}:
            rows.append(outbox.enrolment(lead, crm.id, index, row.activity_at + step.after - offset))
    return rows


def _show_newer(lead: dict[str, Any], row: Row[Any]) -> None:
    """R6 within one batch: the lead shows the shopper's latest checkout."""
    if row.activity_at >= lead["activity_at"] and may_show(lead["shown_checkout_id"], row.id):
        lead.update(shown_store=row.store, shown_checkout_id=row.id, activity_at=row.activity_at)


def _note(client: Client, batch: _Batch, row: Row[Any], decision: Decision, now: datetime, offset: timedelta) -> None:
    again = decision.again_at - offset if decision.again_at else None
    if decision.state is State.HELD:
        again = row.decide_at
    settled = decision.lead or decision.state is State.SUPERSEDED
    batch.changes.append(
        {
            "b_store": row.store,
            "b_id": row.id,
            "state": decision.state,
            "rule": decision.rule,
            "reason": decision.reason,
            "decide_at": again,
            "triggered_at": now + offset if decision.lead else row.triggered_at,
            "arm": "holdout" if decision.state is State.HOLDOUT else row.arm,
            "lifted": row.lifted and not decision.lead,
            "carry_step": 0 if settled else row.carry_step,
            "carry_sequence": "" if settled else row.carry_sequence,
            "updated_at": now,
        }
    )
    if (decision.state, decision.reason) != (row.state, row.reason):
        what = _made(client, row.store) if decision.lead else f"{decision.state}: {decision.reason}"
        batch.events.append(line(client.id, row.shopper, now, what, decision.rule, row.store, row.id))


def _made(client: Client, store_id: str) -> str:
    store = client.store(store_id)
    told = store is None or store.tells_orders
    return "lead made" if told else "lead made, without R4's word: this site tells no orders, as its owner accepted"


def _write(ctx: Context, connection: Connection, client: Client, batch: _Batch, now: datetime) -> None:
    if batch.changes:
        here = (
            CHECKOUTS.c.client == client.id,
            CHECKOUTS.c.store == bindparam("b_store"),
            CHECKOUTS.c.id == bindparam("b_id"),
        )
        columns = [name for name in batch.changes[0] if not name.startswith("b_")]
        values: dict[str, Any] = {name: bindparam(name) for name in columns}
        connection.execute(update(CHECKOUTS).where(*here).values(values), batch.changes)
    for shopper in batch.replaced:
        outbox.cancel(connection, client.id, shopper, "R5", "a new lead took its place")
    ctx.db.upsert(connection, tables.Window, list(batch.windows.values()))
    _upsert_leads(ctx, connection, client, batch)
    ctx.db.insert_new(connection, tables.Outcome, batch.outcomes)
    ctx.db.insert_new(connection, tables.Delivery, [row for row in batch.deliveries if _is_current(row, batch)])
    if batch.events:
        connection.execute(insert(EVENTS), batch.events)
    hour = now.replace(minute=0, second=0, microsecond=0)
    for store, count in batch.per_store.items():
        _count_hour(ctx, connection, client.id, store, hour, count)


def _is_current(delivery: dict[str, Any], batch: _Batch) -> bool:
    return bool(batch.leads[delivery["shopper"]]["generation"] == delivery["generation"])


def _upsert_leads(ctx: Context, connection: Connection, client: Client, batch: _Batch) -> None:
    if batch.replaced:
        connection.execute(LEADS.delete().where(LEADS.c.client == client.id, LEADS.c.shopper.in_(batch.replaced)))
    if batch.leads:
        sequences.keep(ctx, connection, client)
        connection.execute(insert(LEADS), list(batch.leads.values()))


def _windows(connection: Connection, client: str, shoppers: set[str]) -> dict[str, int]:
    query = select(WINDOWS.c.shopper, WINDOWS.c.generation)
    found = connection.execute(query.where(WINDOWS.c.client == client, WINDOWS.c.shopper.in_(shoppers)))
    return {row.shopper: row.generation for row in found}


def _count_hour(ctx: Context, connection: Connection, client: str, store: str, hour: datetime, count: int) -> None:
    here = (HOURS.c.client == client, HOURS.c.store == store, HOURS.c.hour == hour)
    before = connection.execute(select(HOURS.c.leads).where(*here)).scalar() or 0
    ctx.db.upsert(connection, tables.Hour, [{"client": client, "store": store, "hour": hour, "leads": before + count}])


def _guard_surge(ctx: Context, client: Client, now: datetime) -> None:
    """R3: holds a store whose pass would bring far more leads than it ever did, until `leads release`."""
    with ctx.db.write() as connection:
        query = select(STORES).where(STORES.c.client == client.id, STORES.c.surge.is_(False))
        for store in connection.execute(query).all():
            history = now - (store.first_poll_at or now)
            busiest = connection.execute(
                select(func.max(HOURS.c.leads)).where(HOURS.c.client == client.id, HOURS.c.store == store.id)
            ).scalar()
            released = store.surge_released_at is not None and now - store.surge_released_at < timedelta(hours=24)
            if released or not rules.is_surge(_count_due(connection, client.id, store.id, now), busiest or 0, history):
                continue
            candidates = _count_leads(ctx, connection, client, store.id, now)
            if rules.is_surge(candidates, busiest or 0, history):
                here = (STORES.c.client == client.id, STORES.c.id == store.id)
                connection.execute(update(STORES).where(*here).values(surge=True))
                ctx.alert(
                    f"{client.id}/{store.id}",
                    f"{candidates} leads at once, at most {busiest or 0} in any hour before: held. "
                    f"Look at them with `winback leads list --state held`, then `winback leads release`",
                )


def _count_due(connection: Connection, client: str, store: str, now: datetime) -> int:
    where = (CHECKOUTS.c.client == client, CHECKOUTS.c.store == store, CHECKOUTS.c.decide_at <= now)
    return int(connection.execute(select(func.count()).select_from(CHECKOUTS).where(*where)).scalar_one())


def _count_leads(ctx: Context, connection: Connection, client: Client, store: str, now: datetime) -> int:
    """How many of the due checkouts would really become leads: only worked out where it could matter."""
    clocks: dict[str, StoreClock] = store_clocks(connection, client)
    offset = clocks[store].offset if store in clocks else timedelta(0)
    where = (CHECKOUTS.c.client == client.id, CHECKOUTS.c.store == store, CHECKOUTS.c.decide_at <= now)
    kept = sequences.load(connection, client, _carried(connection, *where))
    shoppers: set[str] = set()
    result = connection.execute(select(CHECKOUTS).where(*where).execution_options(yield_per=BATCH))
    for rows in result.partitions(BATCH):
        facts = gather(ctx, connection, client, rows, clocks)
        for row in rows:
            if _decide(client, kept, row, facts[row.store, row.id], now + offset).lead:
                shoppers.add(row.shopper)
    return len(shoppers)


def _carried(connection: Connection, *where: ColumnElement[bool]) -> set[str]:
    query = select(CHECKOUTS.c.carry_sequence).where(*where, CHECKOUTS.c.carry_sequence != "").distinct()
    return set(connection.execute(query).scalars())
