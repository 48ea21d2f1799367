"""What an owner does by hand: enrol, delete, release, suppress, forget, retry, adopt. Safe while the daemon runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from connector import tables
from connector.address import contact
from connector.config.shape import nearest
from connector.db import table
from connector.engine import erasures, outbox, owed
from connector.engine.context import Client, Context
from connector.engine.facts import ERASED
from connector.engine.removal import end_checkouts, erase_rows, let_go, of_domain
from connector.engine.story import tell
from connector.errors import ConfigError
from connector.rules import BOUGHT, State

CHECKOUTS = table(tables.Checkout)
CRMS = table(tables.Crm)
DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
STORES = table(tables.Store)
SUPPRESSIONS = table(tables.Suppression)


def enrol(ctx: Context, client: Client, email: str) -> str:
    """Lifts R3 and R5 (and only these) for the shopper's latest checkout; every other rule still speaks."""
    shopper = _shopper(ctx, client, email)
    now = ctx.clock()
    with ctx.db.write() as connection:
        here = (CHECKOUTS.c.client == client.id, CHECKOUTS.c.shopper == shopper, CHECKOUTS.c.state.not_in(BOUGHT))
        query = select(CHECKOUTS).where(*here, CHECKOUTS.c.payload.is_not(None))
        row = connection.execute(query.order_by(CHECKOUTS.c.activity_at.desc()).limit(1)).first()
        if row is None:
            raise ConfigError(_none_unfinished(client))
        connection.execute(
            update(CHECKOUTS)
            .where(CHECKOUTS.c.client == client.id, CHECKOUTS.c.store == row.store, CHECKOUTS.c.id == row.id)
            .values(lifted=True, decide_at=now, state=State.WAITING, rule="", reason="enrolled by hand")
        )
        _poll_soon(connection, client.id, now)
        tell(connection, client.id, shopper, now, "enrolled by hand", "", row.store, row.id)
    return f"{row.store}: checkout {row.id} {_what_enrol_does(row)}"


def _what_enrol_does(row: Row[Any]) -> str:
    after = "after the next read of the store's orders"
    if row.rule not in ("", "R2", "R3", "R4", "R5"):
        was = f"{row.state} so far ({row.rule}: {row.reason})"
        return f"is looked at again {after}. It is {was}, and only R3 and R5 are lifted"
    if row.state == State.ENROLLED:
        return f"was enrolled already, and goes through its steps once more {after}"
    return f"will be enrolled {after}"


def remove(ctx: Context, client: Client, email: str) -> str:
    """Withdraws a lead and keeps its window: no new one for seven days."""
    shopper = _shopper(ctx, client, email)
    now = ctx.clock()
    with ctx.db.write() as connection:
        was_lead = let_go(ctx.db, connection, client.id, shopper, "deleted", now)
        ended = end_checkouts(connection, client.id, shopper, State.EXPIRED, "", "deleted by hand", now)
        if not (ended or was_lead):
            raise ConfigError(_none_unfinished(client))
        tell(connection, client.id, shopper, now, "deleted by hand")
    return f"{_count(ended, 'checkout')} ended; the CRMs that enrolled the shopper are told to let go"


def release(ctx: Context, client: Client, store: str | None = None) -> str:
    """R3: lets the leads of a held store go."""
    now = ctx.clock()
    if store and client.store(store) is None:
        known = [each.id for each in client.config.stores]
        raise ConfigError(f"{client.id} has no store {store}{_choose(store, known)}")
    with ctx.db.write() as connection:
        stores = [STORES.c.client == client.id, STORES.c.surge.is_(True)]
        held = [CHECKOUTS.c.client == client.id, CHECKOUTS.c.state == State.HELD]
        if store:
            stores.append(STORES.c.id == store)
            held.append(CHECKOUTS.c.store == store)
        released = connection.execute(update(STORES).where(*stores).values(surge=False, surge_released_at=now)).rowcount
        waiting = connection.execute(update(CHECKOUTS).where(*held).values(decide_at=now)).rowcount
        _poll_soon(connection, client.id, now)
    return f"{_count(released, 'store')} released; {_count(waiting, 'held checkout')} to be decided at the next pass"


def suppress(ctx: Context, client: Client, value: str, *, lift: bool = False) -> str:
    """R10: an address or `@domain` that never becomes a lead, or no longer so."""
    now = ctx.clock()
    is_domain = value.strip().startswith("@")
    key = _domain(value.strip()) if is_domain else _shopper(ctx, client, value)
    with ctx.db.write() as connection:
        here = (SUPPRESSIONS.c.client == client.id, SUPPRESSIONS.c.value == key)
        if lift:
            lifted = connection.execute(delete(SUPPRESSIONS).where(*here)).rowcount
            return "lifted" if lifted else "it was not suppressed"
        row = {"client": client.id, "value": key, "why": "suppressed by hand", "at": now}
        ctx.db.upsert(connection, tables.Suppression, [row], keep=("why", "at"))
        for shopper in of_domain(connection, client.id, key) if is_domain else [key]:
            let_go(ctx.db, connection, client.id, shopper, "suppressed", now)
            end_checkouts(connection, client.id, shopper, State.SUPPRESSED, "R10", "suppressed by hand", now)
            tell(connection, client.id, shopper, now, "suppressed by hand", "R10")
    return "suppressed; it becomes no lead any more"


def forget(ctx: Context, client: Client, email: str, *, crms: bool = False, permanently: bool = False) -> str:
    """Erases a shopper here, for good, and in the CRMs where asked. What stays is a keyed hash (R10)."""
    shopper, found = ctx.shopper(client.id, email)
    if found is None:
        raise ConfigError(_no_address(email))
    with ctx.db.write() as connection:
        erase(ctx, connection, client, shopper, ctx.clock(), address=found.address, crms=crms, permanently=permanently)
        left = not_told(connection, client) if crms else ""
        owing = _still_owing(connection, client, shopper)
    ctx.db.compact()
    where = "here and, at the next delivery, in the CRMs" if crms else "here"
    said = f"erased {where}; a keyed hash stays, so that the address never becomes a lead again"
    return ". ".join(filter(None, (said, left, owing)))


def not_told(connection: Connection, client: Client) -> str:
    """Which CRMs may know a shopper and cannot be told of an erasure; "" where all can."""
    ever = select(CRMS.c.id).where(CRMS.c.client == client.id, CRMS.c.identity.is_not(None)).order_by(CRMS.c.id)
    gone = [crm for crm in connection.execute(ever).scalars() if client.crm(crm) is None]
    if not gone:
        return ""
    are = "is" if len(gone) == 1 else "are"
    return f"{' and '.join(gone)} {are} not in the file any more and not told: erase the contact there by hand"


def _still_owing(connection: Connection, client: Client, shopper: str) -> str:
    here = (DELIVERIES.c.client == client.id, DELIVERIES.c.shopper == shopper, DELIVERIES.c.email.is_not(None))
    waiting = select(DELIVERIES.c.crm).where(*here, DELIVERIES.c.state.in_(outbox.OUTSTANDING)).distinct()
    gone = sorted(crm for crm in connection.execute(waiting).scalars() if client.crm(crm) is None)
    if not gone:
        return ""
    return (
        f"The address is kept, at most for keep_for, till {' and '.join(gone)} can be told to let the shopper go: put "
        "that back into the file, or take the shopper out there by hand"
    )


def erase(
    ctx: Context,
    connection: Connection,
    client: Client,
    shopper: str,
    now: datetime,
    *,
    address: str,
    crms: bool,
    permanently: bool = False,
    why: str = ERASED,
) -> None:
    """Erases a shopper here, and queues it for the CRMs, which takes the address: "" where it is not known."""
    let_go(ctx.db, connection, client.id, shopper, "deleted", now)
    for crm in client.config.crms if crms and address else ():
        at = erasures.earliest(connection, client.id, shopper, crm, now)  # after erase_rows nobody knows
        outbox.erase(ctx, connection, client.id, shopper, address, crm.id, permanently, now, at)
    erase_rows(ctx.db, connection, client.id, shopper)
    row = {"client": client.id, "value": shopper, "why": why, "at": now}
    ctx.db.upsert(connection, tables.Suppression, [row])


def retry(ctx: Context, client: Client, delivery: int | None = None) -> str:
    """Puts one refused or late delivery, or all of them, back into the outbox."""
    now = ctx.clock()
    with ctx.db.write() as connection:
        ended = (DELIVERIES.c.client == client.id, DELIVERIES.c.state.not_in(("done", "cancelled", "sending")))
        which = DELIVERIES.c.due_at <= now if delivery is None else DELIVERIES.c.id == delivery
        rows = connection.execute(select(DELIVERIES).where(*ended, which)).all()
        if delivery is not None and not rows:
            raise ConfigError(f"{client.id}: no delivery {delivery} waits or was refused; see `winback deliveries`")
        able = [row for row in rows if _can_be_retried(connection, row)]
        for row in able:
            _put_back(connection, row, now)
        connection.execute(update(CRMS).where(CRMS.c.client == client.id).values(retry_at=None))
    gone = len(rows) - len(able)
    said = f"{_count(len(able), 'delivery', 'deliveries')} put back into the outbox"
    return f"{said}; {gone} cannot be tried again, because the lead has ended" if gone else said


def _can_be_retried(connection: Connection, row: Row[Any]) -> bool:
    if row.kind in ("withdraw", "forget"):
        return row.email is not None  # R8 gave it up: nobody knows any more whom to let go
    here = (LEADS.c.client == row.client, LEADS.c.shopper == row.shopper, LEADS.c.generation == row.generation)
    return connection.execute(select(LEADS.c.id).where(*here)).first() is not None


def _put_back(connection: Connection, row: Row[Any], now: datetime) -> None:
    values = {
        "state": "pending",
        "next_at": max(now, row.due_at),
        "error": "",
        "detail": "retried by hand",
        "exchange": "",
        "done_at": None,
    }
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(**values))
    if row.state in (State.TOO_LATE, "failed"):  # by hand means that R3's lateness is lifted
        lead = (LEADS.c.client == row.client, LEADS.c.shopper == row.shopper)
        connection.execute(update(LEADS).where(*lead).values(lifted=True))


def adopt(ctx: Context, client: Client, account: str, *, same: bool = False) -> str:
    """Pins a store or CRM anew, to the account that answers next. `same` is for one that has only another name now."""
    known = [store.id for store in client.config.stores] + [crm.id for crm in client.config.crms]
    if account not in known:
        raise ConfigError(f"{client.id} has no store or CRM {account}{_choose(account, known)}")
    now = ctx.clock()
    with ctx.db.write() as connection:
        for rows, fresh in ((STORES, {"next_poll_at": now}), (CRMS, {"retry_at": None})):
            here = (rows.c.client == client.id, rows.c.id == account)
            values: dict[str, Any] = {"identity": None, "paused": False, "error": "", **fresh}
            connection.execute(update(rows).where(*here).values(**values))
        left = owed.adopted(connection, client.id, account, now, same=same)
    said = f"{account}: the account that answers next is adopted"
    if not left:
        return said
    return (
        f"{said}. {_count(left, 'shopper')} enrolled in the former one can be let go in that one only: adopt it once "
        "more for that, or take them out there by hand. If it is the same account under another name, add --same"
    )


def _shopper(ctx: Context, client: Client, email: str) -> str:
    shopper, _ = ctx.shopper(client.id, email)
    if not shopper:
        raise ConfigError(_no_address(email))
    return shopper


def _none_unfinished(client: Client) -> str:
    return f"{client.id}: no unfinished checkout of that address is known; see `winback explain`"


def _no_address(text: str) -> str:
    return f"{text} is no e-mail address" if text.strip() else "an e-mail address is needed"


def _domain(text: str) -> str:
    """`@acme.example` as the addresses of shoppers have it: lower case, and IDNA where it has other letters."""
    found = contact(f"someone{text}")
    if found is None:
        raise ConfigError(f"{text} is no domain; write it as @acme.example")
    return f"@{found.domain}"


def _choose(wrong: str, known: list[str]) -> str:
    return nearest(wrong, known) or f"; there are: {', '.join(known) or 'none'}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _poll_soon(connection: Connection, client: str, now: datetime) -> None:
    connection.execute(update(STORES).where(STORES.c.client == client, STORES.c.failures == 0).values(next_poll_at=now))
