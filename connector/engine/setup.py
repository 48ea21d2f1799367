"""Brings the tables in line with the configuration: a row for every store and CRM; what vanished is paused and kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, select, update

from connector import tables
from connector.db import table
from connector.engine import clocks, sequences
from connector.engine.context import Context
from connector.engine.owed import note_times

STORES = table(tables.Store)
CRMS = table(tables.Crm)


def apply_configuration(ctx: Context) -> None:
    """Called at start and after every good change of the configuration: what was paused is tried again at once."""
    ensure_accounts(ctx)
    clocks.notice(ctx)
    sequences.settle_in(ctx)
    ctx.db.note_made(ctx.clock())
    with ctx.db.write() as connection:
        note_times(ctx, connection)
        fresh = {"next_poll_at": ctx.clock(), "paused": False, "coupons_retry_at": None}
        _mark(ctx, connection, STORES, _stores(ctx), fresh)
        _mark(ctx, connection, CRMS, _crms(ctx), {"retry_at": None, "paused": False})


def ensure_accounts(ctx: Context) -> None:
    """Adds a row for every store and CRM that has none yet; touches no other."""
    blank = {"name": "", "failures": 0, "error": "", "paused": False, "gone": False}
    store = {**blank, "clock_offset": 0.0, "surge": False, "time_zone": "", "locale": "", "coupons_error": ""}
    stores = [{"client": c, "id": i, **store} for c, i in sorted(_stores(ctx))]
    crms = [{"client": c, "id": i, **blank} for c, i in sorted(_crms(ctx))]
    with ctx.db.write() as connection:
        ctx.db.insert_new(connection, tables.Store, stores)
        ctx.db.insert_new(connection, tables.Crm, crms)


def _stores(ctx: Context) -> set[tuple[str, str]]:
    return {(client.id, store.id) for client in ctx.clients.values() for store in client.config.stores}


def _crms(ctx: Context) -> set[tuple[str, str]]:
    return {(client.id, crm.id) for client in ctx.clients.values() for crm in client.config.crms}


def _mark(
    ctx: Context, connection: Connection, rows: Table, present: set[tuple[str, str]], fresh: dict[str, Any]
) -> None:
    for client, id_, gone in connection.execute(select(rows.c.client, rows.c.id, rows.c.gone)).all():
        here = (rows.c.client == client, rows.c.id == id_)
        if (client, id_) in present:
            connection.execute(update(rows).where(*here).values(gone=False, **fresh))
        elif not gone and client not in ctx.beside:
            connection.execute(update(rows).where(*here).values(gone=True))
