"""The visible ends of deliveries, and what they make of the checkout that the lead came from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, or_, select, true, update

from connector import tables
from connector.db import table
from connector.engine import outcomes
from connector.engine.context import Client
from connector.engine.facts import ERASURES
from connector.engine.outbox import OUTSTANDING
from connector.engine.story import EVENTS, tell
from connector.rules import BOUGHT, State

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
WINDOWS = table(tables.Window)
SUPPRESSIONS = table(tables.Suppression)

# Where several CRMs ended differently, the checkout shows the end that asks most of the owner.
GRAVITY = (
    *(State.FAILED, State.TOO_LATE, State.EMPTIED, State.SUPPRESSED, State.BOUGHT_RECENTLY, State.NO_CONSENT),
    State.FILTERED,
)


def finish(connection: Connection, row: Row[Any], state: str, rule: str, reason: str) -> None:
    """Ends a delivery without sending it (any more)."""
    connection.execute(
        update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(state=state, rule=rule, detail=reason)
    )


def show(
    connection: Connection, client: str, lead: Row[Any], state: State, rule: str, reason: str, now: datetime
) -> None:
    """Puts a lead's checkout into a state, unless a step was delivered already or a purchase has ended it."""
    here = and_(CHECKOUTS.c.client == client, CHECKOUTS.c.store == lead.store, CHECKOUTS.c.id == lead.checkout_id)
    changed = connection.execute(
        update(CHECKOUTS)
        .where(here, CHECKOUTS.c.state.not_in((*BOUGHT, State.ENROLLED)))
        .where(or_(CHECKOUTS.c.state != state, CHECKOUTS.c.reason != reason))
        .values(state=state, rule=rule, reason=reason, updated_at=now)
    )
    if changed.rowcount:
        tell(connection, client, lead.shopper, now, f"{state}: {reason}", rule, lead.store, lead.checkout_id)


def conclude(connection: Connection, client: Client, lead: Row[Any], now: datetime) -> None:
    """When nothing of a lead is outstanding and nothing was delivered, its checkout gets the end that it came to."""
    rows = _enrolments(connection, lead)
    if any(row.state in ("pending", "sending", "done") for row in rows):
        return
    ends = [row for row in rows if row.state in GRAVITY]
    if not ends:
        return
    worst = min(ends, key=lambda row: GRAVITY.index(State(row.state)))
    show(connection, client.id, lead, State(worst.state), worst.rule, worst.detail or worst.error, now)
    if all(row.state == State.NO_CONSENT for row in ends) and not any(map(_may_have_begun, rows)):
        _close_window(connection, client.id, lead)


def _may_have_begun(row: Row[Any]) -> bool:
    """Whether a CRM had it before, and its answer was lost: then the shopper is one who must be let go."""
    return bool(row.attempts > (1 if row.done_at else 0))


def _enrolments(connection: Connection, lead: Row[Any]) -> Sequence[Row[Any]]:
    query = select(DELIVERIES).where(
        DELIVERIES.c.client == lead.client,
        DELIVERIES.c.shopper == lead.shopper,
        DELIVERIES.c.generation == lead.generation,
        DELIVERIES.c.kind == "enrol",
    )
    return connection.execute(query).all()


def _close_window(connection: Connection, client: str, lead: Row[Any]) -> None:
    """R5: a lead that nobody will mail opens no window, and is none."""
    shopper = (WINDOWS.c.client == client, WINDOWS.c.shopper == lead.shopper)
    connection.execute(update(WINDOWS).where(*shopper).values(opened_at=None))
    here = (CHECKOUTS.c.client == client, CHECKOUTS.c.store == lead.store, CHECKOUTS.c.id == lead.checkout_id)
    connection.execute(update(CHECKOUTS).where(*here).values(triggered_at=None))
    outcomes.unmade(connection, client, lead)
    connection.execute(delete(LEADS).where(LEADS.c.id == lead.id))


def leave_no_trace(connection: Connection, client: str, shoppers: set[str]) -> None:
    """R10: of somebody who was erased meanwhile, no checkout: with some stores its id is the link to the cart."""
    here = (SUPPRESSIONS.c.client == client, SUPPRESSIONS.c.value.in_(shoppers), SUPPRESSIONS.c.why.in_(ERASURES))
    erased = connection.execute(select(SUPPRESSIONS.c.value).where(*here)).scalars().all()
    if not erased:
        return
    ended = DELIVERIES.c.state.not_in(OUTSTANDING)
    for rows, where in ((DELIVERIES, ended), (EVENTS, true())):
        theirs = (rows.c.client == client, rows.c.shopper.in_(erased), where)
        connection.execute(update(rows).where(*theirs).values(store="", checkout_id=""))
