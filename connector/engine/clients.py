"""A client gets another name, or leaves. Both want the database for themselves: the daemon is stopped meanwhile."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select, update

from connector import tables
from connector.config.shape import nearest
from connector.db import table
from connector.engine import outbox, trials
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.coupon_removal import remove_all_coupons
from connector.engine.names import give_name, tables_of_clients
from connector.engine.owed import KEEP_FOR
from connector.engine.sync import Report, drain
from connector.errors import ConfigError, TransientError

DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
STORES = table(tables.Store)
CRMS = table(tables.Crm)
SETTINGS = table(tables.Setting)


def known(ctx: Context) -> list[dict[str, Any]]:
    """Every client of the configuration and of the database: its stores, its leads, and whether it is configured."""
    with ctx.db.read() as connection:
        stores: dict[str, list[str]] = {client: [] for client in ctx.clients}
        for client, store in connection.execute(select(STORES.c.client, STORES.c.id).order_by(STORES.c.id)):
            stores.setdefault(client, []).append(store)
        counted = connection.execute(select(LEADS.c.client, func.count()).group_by(LEADS.c.client))
        leads: dict[str, int] = {row[0]: row[1] for row in counted}
    return [
        {
            "client": client,
            "configured": client in ctx.clients or client in ctx.beside,
            "leads": leads.get(client, 0),
            "stores": ", ".join(found),
        }
        for client, found in sorted(stores.items())
    ]


def rename(ctx: Context, old: str, new: str) -> str:
    """Gives everything that is known of a client to its new name. The file has the new name already."""
    _must_be_known(ctx, old)
    if old == new:
        raise ConfigError(f"{old} is its name already; say OLD and NEW, such as {old} {old}-2")
    if old in ctx.clients or old in ctx.beside:
        raise ConfigError(f"{old} is still in the configuration: write `client: {new}` in its file first")
    if new not in ctx.clients:
        raise ConfigError(
            f"{new} is not in the configuration{nearest(new, sorted(ctx.clients))}: rename it there first"
        )
    ctx.db.lock()
    with ctx.db.write() as connection:
        give_name(ctx.db, connection, old, new)
    return f"{old} is {new} now; leads, windows and the seven days go on as they were"


def remove(ctx: Context, accounts: Accounts, name: str, *, abandon: bool = False) -> str:
    """Takes every lead of a client out of its CRMs, and then deletes all that is stored of the client.

    Raises TransientError where a CRM did not acknowledge: nothing is deleted then. `abandon` does not tell the CRMs.
    """
    _must_be_known(ctx, name)
    if name in ctx.beside:
        raise ConfigError(f"{name} has a file of its own beside this one: name that one, or the folder, with -c")
    ctx.db.lock()
    client = ctx.clients.get(name)
    if client is None and not abandon:
        raise ConfigError(
            f"{name} is not in the configuration any more, so its CRMs cannot be told to let its shoppers go. Put its "
            "file back and run this again, or add --abandon to leave them where they are"
        )
    if client is not None and not abandon:
        _withdraw_everyone(ctx, accounts, client)
        if said := remove_all_coupons(ctx, accounts, client):
            raise TransientError(f"{said}. Nothing is deleted here; run it again")
    with ctx.db.write() as connection:
        for rows in tables_of_clients():
            connection.execute(delete(rows).where(rows.c.client == name))
        own = (f"first_name:{name}", KEEP_FOR + name, trials.setting(ctx.db, name))
        connection.execute(delete(SETTINGS).where(SETTINGS.c.name.in_(own)))
    ctx.db.compact()
    still = "; take its file out of the configuration before you start the daemon" if client else ""
    return f"everything that was stored of {name} is deleted{still}"


def _withdraw_everyone(ctx: Context, accounts: Accounts, client: Client) -> None:
    now = ctx.clock()
    with ctx.db.write() as connection:
        for lead in connection.execute(select(LEADS).where(LEADS.c.client == client.id)).all():
            outbox.cancel(connection, client.id, lead.shopper, "", "the client is removed")
            outbox.withdraw(ctx.db, connection, lead, "deleted", now)
            connection.execute(delete(LEADS).where(LEADS.c.id == lead.id))
        leaving = (DELIVERIES.c.client == client.id, DELIVERIES.c.kind.in_(("withdraw", "forget")))
        waiting = (*leaving, DELIVERIES.c.state.in_(outbox.OUTSTANDING))
        connection.execute(update(DELIVERIES).where(*waiting).values(next_at=now, state="pending"))
        connection.execute(update(CRMS).where(CRMS.c.client == client.id).values(retry_at=None))
    report = Report()
    for crm in client.config.crms:
        drain(ctx, accounts, client, crm.id, report, None)
    with ctx.db.read() as connection:
        columns = (DELIVERIES.c.crm, DELIVERIES.c.error, DELIVERIES.c.detail)
        left = connection.execute(select(*columns).where(*waiting)).all()
    if gone := sorted({row.crm for row in left if client.crm(row.crm) is None}):
        raise ConfigError(
            f"shoppers are still in {', '.join(gone)}, which is not in the configuration any more. Nothing is deleted. "
            "Put it back into the file and run this again, or add --abandon to leave them there"
        )
    if left:
        said = {f"{client.id}/{row.crm}": row.error or row.detail for row in left} | report.errors
        why = "; ".join(f"{name}: {error}" for name, error in sorted(said.items()))
        waits = "1 withdrawal is" if len(left) == 1 else f"{len(left)} withdrawals are"
        raise TransientError(f"{waits} not acknowledged yet ({why}). Nothing is deleted; run it again")


def _must_be_known(ctx: Context, name: str) -> None:
    clients = [row["client"] for row in known(ctx)]
    if name not in clients:
        guess = nearest(name, clients) or f"; there are: {', '.join(clients) or 'none'}"
        raise ConfigError(f"nothing is known of a client {name}{guess}")
