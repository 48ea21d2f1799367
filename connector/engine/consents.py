"""R9: asks a store whether those whose e-mail is due still want it: to unsubscribe there changes no checkout."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select, update

from connector import registry, tables
from connector.db import table
from connector.engine.context import Client, Context
from connector.engine.outbox import PENDING
from connector.engine.sound import sound_consents
from connector.model import Consent, Customer

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
AT_ONCE = 100
MOST = 500  # at each poll, the newest first: while a CRM is away for long, everybody is due, and most will be too late


def read_consents(ctx: Context, client: Client, store: str, adapter: registry.TellsConsent) -> None:
    """Stores what changed of those whose turn it is. Raises the three errors."""
    turn = _whose_turn(ctx, client, store, ctx.clock())
    for start in range(0, len(turn), AT_ONCE):
        found = sound_consents(adapter.consents(turn[start : start + AT_ONCE]))
        with ctx.db.write() as connection:
            _keep(ctx, connection, client.id, store, found)


def _whose_turn(ctx: Context, client: Client, store: str, now: datetime) -> list[str]:
    """The customers of checkouts that are to be decided, and of leads with a step that is due."""
    here = (CHECKOUTS.c.client == client.id, CHECKOUTS.c.store == store, CHECKOUTS.c.customer_id != "")
    deciding = select(CHECKOUTS.c.customer_id, CHECKOUTS.c.decide_at).where(*here, CHECKOUTS.c.decide_at <= now)
    crms = [crm.id for crm in client.config.crms]
    due = (DELIVERIES.c.client == client.id, DELIVERIES.c.crm.in_(crms), PENDING, DELIVERIES.c.kind == "enrol")
    same = (CHECKOUTS.c.client == DELIVERIES.c.client) & (CHECKOUTS.c.shopper == DELIVERIES.c.shopper)
    sending = select(CHECKOUTS.c.customer_id, DELIVERIES.c.due_at).join(DELIVERIES, same)
    turn: dict[str, datetime] = {}
    with ctx.db.read() as connection:
        for query in (deciding, sending.where(*here, *due, DELIVERIES.c.due_at <= now)):
            for customer, at in connection.execute(query):
                turn[customer] = max(at, turn.get(customer, at))
    return sorted(turn, key=lambda customer: turn[customer], reverse=True)[:MOST]


def _keep(
    ctx: Context, connection: Connection, client: str, store: str, found: Iterable[tuple[Customer, Consent]]
) -> None:
    for customer, consent in found:
        shopper, _ = ctx.shopper(client, customer.email)  # it is the consent of that address, and of no former one
        theirs = (CHECKOUTS.c.client == client, CHECKOUTS.c.store == store, CHECKOUTS.c.customer_id == customer.id)
        values = {"consent": consent.state, "consent_source": consent.source, "consent_at": consent.at}
        changed = (CHECKOUTS.c.shopper == shopper, CHECKOUTS.c.consent != consent.state)
        if shopper:
            connection.execute(update(CHECKOUTS).where(*theirs, *changed).values(**values))
