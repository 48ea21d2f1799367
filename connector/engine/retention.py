"""R8: leads leave after `keep_for`, and nothing else is kept for longer than it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Table, and_, delete, or_, select, tuple_, update

from connector import rules, tables
from connector.db import table
from connector.engine import endings, outbox, owed, sequences, tallies
from connector.engine.ages import Present, present
from connector.engine.context import Client, Context
from connector.engine.coupon_removal import uncounted
from connector.engine.places import places
from connector.engine.story import tell
from connector.engine.tallies import NUMBERS
from connector.rules import State

CHECKOUTS = table(tables.Checkout)
COUPONS = table(tables.Coupon)
DELIVERIES = table(tables.Delivery)
EVENTS = table(tables.Event)
HOURS = table(tables.Hour)
LEADS = table(tables.Lead)
ORDERS = table(tables.Order)
OUTCOMES = table(tables.Outcome)
RECOVERIES = table(tables.Recovery)
VISITS = table(tables.Visits)
WINDOWS = table(tables.Window)
BATCH = 500
Condition = tuple[ColumnElement[bool], ...]


def expire_leads(ctx: Context, client: Client, now: datetime) -> int:
    """Takes leads older than `keep_for` off the table and our tags off the contacts. Returns how many."""
    expired = 0
    while True:
        with ctx.db.write() as connection:
            ended = rules.expired_before(client.policy, present(connection, client.id, now).stores)
            old = (LEADS.c.client == client.id, LEADS.c.created_at < ended)
            leads = connection.execute(select(LEADS).where(*old).limit(BATCH)).all()
            for lead in leads:
                outbox.cancel(connection, client.id, lead.shopper, "R8", "the lead is too old")
                outbox.withdraw(ctx.db, connection, lead, "expired", now)
                connection.execute(delete(LEADS).where(LEADS.c.id == lead.id))
                days = client.policy.keep_for.days
                connection.execute(
                    update(CHECKOUTS)
                    .where(CHECKOUTS.c.client == client.id, CHECKOUTS.c.store == lead.store)
                    .where(CHECKOUTS.c.id == lead.checkout_id)
                    .values(
                        state=State.EXPIRED, rule="R8", reason=f"older than {days} days", decide_at=None,
                        email=None, payload=None, updated_at=now,
                    )
                )  # fmt: skip
                tell(connection, client.id, lead.shopper, now, "lead expired", "R8", lead.store, lead.checkout_id)
        expired += len(leads)
        if len(leads) < BATCH:
            return expired


def keep_times(ctx: Context, now: datetime) -> None:
    """Ends and deletes all that is over its time, also of clients that left the configuration."""
    for client in [*ctx.clients.values(), *owed.departed_clients(ctx)]:
        expire_leads(ctx, client, now)
        end_unreachable(ctx, client, now)
        purge(ctx, client, now)
    owed.give_up(ctx, now)


def end_unreachable(ctx: Context, client: Client, now: datetime) -> int:
    """Ends, where it shows, the steps for a CRM that left the configuration and has not come back in time.

    Until then they are paused, and go out if it comes back. Returns how many ended.
    """
    crms = [crm.id for crm in client.config.crms]
    waiting = (DELIVERIES.c.client == client.id, DELIVERIES.c.kind == "enrol", outbox.PENDING)
    with ctx.db.write() as connection:
        at = present(connection, client.id, now).ours
        late = or_(
            DELIVERIES.c.due_at < at - max(client.policy.late_within, client.policy.stale_after),
            and_(DELIVERIES.c.step > 0, DELIVERIES.c.due_at < at - client.policy.late_within),
        )
        query = select(DELIVERIES).where(*waiting, DELIVERIES.c.crm.not_in(crms), late).limit(BATCH)
        rows = connection.execute(query).all()
        for row in rows:
            reason = f"{row.crm} left the configuration, and did not come back in time"
            endings.finish(connection, row, State.TOO_LATE, "R3", reason)
            here = (LEADS.c.client == client.id, LEADS.c.shopper == row.shopper, LEADS.c.generation == row.generation)
            if (lead := connection.execute(select(LEADS).where(*here)).first()) is not None:
                endings.conclude(connection, client, lead, now)
    return len(rows)


def purge(ctx: Context, client: Client, now: datetime) -> None:
    """Deletes what no rule can need any more: a little in each transaction, so that nothing has to wait for all of it.

    With everything at once, a shorter `keep_for` or a month without the daemon would lock the database for minutes, and
    would write most of it into the log once more.
    """
    with ctx.db.read() as connection:
        at = present(connection, client.id, now)
    stores_old, old = (rules.expired_before(client.policy, each) for each in (at.stores, at.ours))
    while _purge_checkouts(ctx, client, stores_old, old) == BATCH:
        pass
    for rows, where in _past(stores_old, old, at):
        while _delete_some(ctx, rows, rows.c.client == client.id, *where) == BATCH:
            pass
    with ctx.db.write() as connection:
        ended = DELIVERIES.c.state.not_in(outbox.OUTSTANDING)
        shown = or_(DELIVERIES.c.email.is_not(None), DELIVERIES.c.exchange != "")
        over = (DELIVERIES.c.client == client.id, ended, DELIVERIES.c.due_at < old, shown)
        connection.execute(update(DELIVERIES).where(*over).values(email=None, exchange=""))
        sequences.purge(connection, client)
        tallies.purge(connection, client.id, at.ours)


def _past(stores_old: datetime, old: datetime, at: Present) -> Iterator[tuple[Table, Condition]]:
    """What leaves each table by its age alone; NUMBERS / 10 are for a withdrawal that follows the end of a lead."""
    numbers = at.ours - NUMBERS
    ended = DELIVERIES.c.state.not_in(outbox.OUTSTANDING)
    yield ORDERS, (ORDERS.c.modified_at < stores_old,)
    yield EVENTS, (EVENTS.c.at < old,)
    yield DELIVERIES, (ended, DELIVERIES.c.due_at < old - NUMBERS / 10)
    yield COUPONS, (uncounted(at.ours),)
    yield WINDOWS, (WINDOWS.c.opened_at < numbers,)
    yield WINDOWS, (WINDOWS.c.opened_at.is_(None), *_unknown())
    yield RECOVERIES, (RECOVERIES.c.seen_at < numbers,)
    yield HOURS, (HOURS.c.hour < numbers,)
    yield VISITS, (VISITS.c.day < numbers.date(),)


def _purge_checkouts(ctx: Context, client: Client, stores_old: datetime, old: datetime) -> int:
    """The oldest of them, unless a lead is still made of them or shows them. Their outcomes go into the tallies."""
    here = (LEADS.c.client == CHECKOUTS.c.client, LEADS.c.store == CHECKOUTS.c.store)
    made = select(LEADS.c.id).where(*here, LEADS.c.checkout_id == CHECKOUTS.c.id)
    there = (LEADS.c.client == CHECKOUTS.c.client, LEADS.c.shown_store == CHECKOUTS.c.store)
    shown = select(LEADS.c.id).where(*there, LEADS.c.shown_checkout_id == CHECKOUTS.c.id)
    past = (CHECKOUTS.c.client == client.id, CHECKOUTS.c.updated_at < old, CHECKOUTS.c.activity_at < stores_old)
    query = select(CHECKOUTS.c.store, CHECKOUTS.c.id).where(*past, ~made.exists(), ~shown.exists()).limit(BATCH)
    with ctx.db.write() as connection:
        found = [(row.store, row.id) for row in connection.execute(query)]
        for theirs in places(OUTCOMES, "checkout_id", found):
            tallies.fold_leads(ctx.db, connection, OUTCOMES.c.client == client.id, theirs)
        for gone in places(CHECKOUTS, "id", found):
            connection.execute(delete(CHECKOUTS).where(CHECKOUTS.c.client == client.id, gone))
    return len(found)


def _delete_some(ctx: Context, rows: Table, *where: ColumnElement[bool]) -> int:
    key = list(rows.primary_key)
    some = select(*key).where(*where).limit(BATCH)
    with ctx.db.write() as connection:
        return int(connection.execute(delete(rows).where(tuple_(*key).in_(some))).rowcount)


def _unknown() -> Condition:
    """Nothing else is left of the shopper. Until then it counts their leads, so that no delivery's key repeats."""
    checkouts = (CHECKOUTS.c.client == WINDOWS.c.client, CHECKOUTS.c.shopper == WINDOWS.c.shopper)
    deliveries = (DELIVERIES.c.client == WINDOWS.c.client, DELIVERIES.c.shopper == WINDOWS.c.shopper)
    return ~select(CHECKOUTS.c.id).where(*checkouts).exists(), ~select(DELIVERIES.c.id).where(*deliveries).exists()
