"""Withdrawals that cannot go out now: the CRM's id is another account, or in the configuration no more.

Nobody but the account that enrolled a shopper can let them go. So a withdrawal waits for that account, as long as it
takes and where it shows, and is never told to the account that took its place, which would say yes to anything.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update

from connector import tables
from connector.config import ClientConfig
from connector.config.model import LeadPolicy
from connector.db import table
from connector.engine import endings
from connector.engine.ages import present
from connector.engine.context import Client, Context
from connector.engine.payload import Applied

CRMS = table(tables.Crm)
DELIVERIES = table(tables.Delivery)
SETTINGS = table(tables.Setting)
STORES = table(tables.Store)
KEEP_FOR = "keep_for:"
BATCH = 500
OTHER_ACCOUNT_PAUSE = timedelta(hours=6)
OUTSTANDING = (DELIVERIES.c.kind.in_(("withdraw", "forget")), DELIVERIES.c.state.in_(("pending", "sending")))


def account_of(connection: Connection, client: str, crm: str) -> str:
    """The account that a CRM's id is pinned to; "" before it has answered."""
    query = select(CRMS.c.identity).where(CRMS.c.client == client, CRMS.c.id == crm)
    return str(connection.execute(query).scalar() or "")


def may_leave(connection: Connection, row: Row[Any], account: str, now: datetime) -> bool:
    """Whether this withdrawal goes out now. Else it is written down why not."""
    applied = Applied.read(row.applied)
    if applied.is_owed_to_another(account):
        said = f"waits for the account {applied.accounts[0]!r}: {row.crm} answers as {account!r} now"
        values = {"next_at": now + OTHER_ACCOUNT_PAUSE, "detail": said, "error": ""}
        connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(**values))
        return False
    if _has_begun_anew(connection, row, account):  # it would take off what the later lead has put on
        endings.finish(connection, row, "cancelled", "R5", "a later lead of the shopper is under way there")
        return False
    return True


def _has_begun_anew(connection: Connection, row: Row[Any], account: str) -> bool:
    later = select(DELIVERIES.c.applied).where(
        DELIVERIES.c.client == row.client,
        DELIVERIES.c.shopper == row.shopper,
        DELIVERIES.c.crm == row.crm,
        DELIVERIES.c.kind == "enrol",
        DELIVERIES.c.generation > row.generation,
        DELIVERIES.c.attempts > 0,
        DELIVERIES.c.state.in_(("pending", "sending", "done")),
        DELIVERIES.c.withdrawn.is_(False),
    )
    return any(not Applied.read(text).is_owed_to_another(account) for text in connection.execute(later).scalars())


def sentences(ctx: Context) -> dict[str, str]:
    """What the owner should know of withdrawals that wait for nobody in the configuration, by CRM."""
    with ctx.db.read() as connection:
        query = select(DELIVERIES.c.client, DELIVERIES.c.crm, func.count()).where(*OUTSTANDING)
        found = connection.execute(query.group_by(DELIVERIES.c.client, DELIVERIES.c.crm)).all()
    return {
        f"{client}/{crm}": _sentence(client, crm, number, has_left=client not in ctx.clients)
        for client, crm, number in sorted(found)
        if client not in ctx.beside and (client not in ctx.clients or ctx.clients[client].crm(crm) is None)
    }


def _sentence(client: str, crm: str, number: int, *, has_left: bool) -> str:
    shoppers = "1 shopper is" if number == 1 else f"{number} shoppers are"
    remove = f", or run `winback client remove -c PATH {client} --abandon`" if has_left else ""
    return (
        f"{shoppers} still to be taken out of {crm}, which is not in the configuration any more. Put it back until "
        f"they are out{remove}"
    )


def tell(ctx: Context, told: set[str]) -> None:
    """Alerts once, for as long as it holds, of each CRM that is owed something and is gone."""
    now = sentences(ctx)
    for subject in sorted(set(now) - told):
        ctx.alert(subject, now[subject])
    told.intersection_update(now)
    told.update(now)


def give_up(ctx: Context, now: datetime) -> int:
    """R8: whoever could be told of them was not there, or refused, for `keep_for`, so the addresses go. Returns how
    many. An account that is only paused is owed them without a deadline."""
    with ctx.db.write() as connection:
        rows = connection.execute(select(DELIVERIES).where(*OUTSTANDING, DELIVERIES.c.state == "pending")).all()
        ended = [row.id for row in rows if _is_in_vain(ctx, connection, row, now)]
        for some in (ended[start : start + BATCH] for start in range(0, len(ended), BATCH)):
            said = "nobody could be told within keep_for"
            values: dict[str, Any] = {"state": "failed", "rule": "R8", "error": said, "detail": said, "done_at": now}
            values |= {"email": None, "exchange": "", "applied": ""}
            connection.execute(update(DELIVERIES).where(DELIVERIES.c.id.in_(some)).values(**values))
    return len(ended)


def _is_in_vain(ctx: Context, connection: Connection, row: Row[Any], now: datetime) -> bool:
    if row.client in ctx.beside:
        return False
    client = ctx.clients.get(row.client) or departed(connection, row.client)
    is_another = Applied.read(row.applied).is_owed_to_another(account_of(connection, row.client, row.crm))
    if client.crm(row.crm) is not None and not is_another and not row.exchange:
        return False
    ended = present(connection, row.client, now).ours - client.policy.keep_for
    return row.reason == "expired" or bool(row.due_at < ended)


def note_times(ctx: Context, connection: Connection) -> None:
    """Keeps `keep_for` of every client, for when it has left the configuration."""
    rows = [
        {"name": KEEP_FOR + client.id, "value": str(client.policy.keep_for.total_seconds())}
        for client in ctx.clients.values()
    ]
    ctx.db.upsert(connection, tables.Setting, rows)


def departed(connection: Connection, client: str) -> Client:
    """A client that left the configuration: nothing but its name and its `keep_for`, by which R8 still ends it all."""
    said = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == KEEP_FOR + client)).scalar()
    leads = LeadPolicy(keep_for=timedelta(seconds=float(said))) if said else LeadPolicy()
    nothing: dict[str, Any] = {"stores": (), "crms": (), "sequence": ()}
    return Client.of(ClientConfig.model_construct(client=client, leads=leads, **nothing))


def departed_clients(ctx: Context) -> list[Client]:
    """Those of whom something is still stored."""
    with ctx.db.read() as connection:
        known = connection.execute(select(STORES.c.client).distinct()).scalars()
        return [departed(connection, client) for client in sorted(set(known) - set(ctx.clients) - ctx.beside)]


def adopted(connection: Connection, client: str, crm: str, now: datetime, *, same: bool) -> int:
    """A CRM's id is to be another account: its withdrawals ask anew which. Returns for how many shoppers the former
    account keeps something; `same` says that it is none other, whatever it calls itself."""
    here = (DELIVERIES.c.client == client, DELIVERIES.c.crm == crm)
    connection.execute(update(DELIVERIES).where(*here, *OUTSTANDING).values(next_at=now))
    enrolled = (DELIVERIES.c.kind == "enrol", DELIVERIES.c.attempts > 0, DELIVERIES.c.withdrawn.is_(False))
    query = select(DELIVERIES.c.id, DELIVERIES.c.shopper, DELIVERIES.c.applied).where(*here)
    rows = connection.execute(query.where(or_(and_(*enrolled), and_(*OUTSTANDING)), DELIVERIES.c.applied != "")).all()
    if not same:
        return len({row.shopper for row in rows})
    for row in rows:
        anyones = replace(Applied.read(row.applied), accounts=())
        connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(applied=anyones.write()))
    return 0
