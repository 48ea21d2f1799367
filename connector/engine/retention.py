"""R8: leads leave after `keep_for`, and nothing else is kept for longer than it is needed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, delete, or_, select, update

from connector import rules, tables
from connector.db import table
from connector.engine import endings, outbox, owed, sequences, tallies
from connector.engine.context import Client, Context
from connector.engine.coupon_removal import purge_coupons
from connector.engine.story import tell
from connector.engine.tallies import NUMBERS
from connector.rules import State

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
EVENTS = table(tables.Event)
HOURS = table(tables.Hour)
LEADS = table(tables.Lead)
ORDERS = table(tables.Order)
RECOVERIES = table(tables.Recovery)
WINDOWS = table(tables.Window)
BATCH = 500


def expire_leads(ctx: Context, client: Client, now: datetime) -> int:
    """Takes leads older than `keep_for` off the table and our tags off the contacts. Returns how many."""
    expired = 0
    while True:
        with ctx.db.write() as connection:
            old = (LEADS.c.client == client.id, LEADS.c.created_at < rules.expired_before(client.policy, now))
            leads = connection.execute(select(LEADS).where(*old).limit(BATCH)).all()
            for lead in leads:
                outbox.cancel(connection, client.id, lead.shopper, "R8", "the lead is too old")
                outbox.withdraw(ctx, connection, lead, "expired", now)
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
    late = or_(
        DELIVERIES.c.due_at < now - max(client.policy.late_within, client.policy.stale_after),
        and_(DELIVERIES.c.step > 0, DELIVERIES.c.due_at < now - client.policy.late_within),
    )
    waiting = (DELIVERIES.c.client == client.id, DELIVERIES.c.kind == "enrol", DELIVERIES.c.state == "pending")
    with ctx.db.write() as connection:
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
    """Deletes what no rule can need any more."""
    old = rules.expired_before(client.policy, now)
    with ctx.db.write() as connection:
        alive = select(LEADS.c.id).where(
            LEADS.c.client == CHECKOUTS.c.client,
            ((LEADS.c.store == CHECKOUTS.c.store) & (LEADS.c.checkout_id == CHECKOUTS.c.id))
            | ((LEADS.c.shown_store == CHECKOUTS.c.store) & (LEADS.c.shown_checkout_id == CHECKOUTS.c.id)),
        )
        connection.execute(
            delete(CHECKOUTS).where(
                CHECKOUTS.c.client == client.id,
                CHECKOUTS.c.updated_at < old,
                CHECKOUTS.c.activity_at < old,
                ~alive.exists(),
            )
        )
        connection.execute(delete(ORDERS).where(ORDERS.c.client == client.id, ORDERS.c.modified_at < old))
        connection.execute(delete(EVENTS).where(EVENTS.c.client == client.id, EVENTS.c.at < old))
        ended = DELIVERIES.c.state.not_in(outbox.OUTSTANDING)
        shown = or_(DELIVERIES.c.email.is_not(None), DELIVERIES.c.exchange != "")
        over = (DELIVERIES.c.client == client.id, ended, DELIVERIES.c.due_at < old, shown)
        connection.execute(update(DELIVERIES).where(*over).values(email=None, exchange=""))
        connection.execute(
            delete(DELIVERIES).where(DELIVERIES.c.client == client.id, ended, DELIVERIES.c.due_at < old - NUMBERS / 10)
        )
        purge_coupons(connection, client.id, now)
        for rows, at in ((WINDOWS, WINDOWS.c.opened_at), (RECOVERIES, RECOVERIES.c.seen_at), (HOURS, HOURS.c.hour)):
            connection.execute(delete(rows).where(rows.c.client == client.id, at < now - NUMBERS))
        sequences.purge(connection, client)
        tallies.purge(ctx.db, connection, client.id, old, now)
