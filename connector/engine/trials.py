"""The made-up leads of `winback test`: each begins anew in a CRM, and takes away what the earlier ones left there."""

from __future__ import annotations

import json

from sqlalchemy import Connection, delete, select

from connector import tables
from connector.db import Database, table
from connector.engine.context import Client, Context
from connector.model import LeadId

SETTINGS = table(tables.Setting)
GENERATION = 2  # so that a CRM triggers anew, however often the owner tests
UNNUMBERED = "winback-test"  # the checkout of every test, before each had one of its own
MOST = 20  # the tests before those were taken away by each one since

Trial = tuple[str, str, str]  # shopper, store, checkout


def begin(ctx: Context, client: Client, email: str) -> tuple[LeadId, ...]:
    """A new test's lead, and after it the earlier ones of that address. Written down before any CRM hears of it."""
    shopper, _ = ctx.shopper(client.id, email)
    new = (shopper, client.config.stores[0].id, f"{UNNUMBERED}-{ctx.clock():%Y%m%d%H%M%S%f}")
    with ctx.db.write() as connection:
        _keep(ctx.db, connection, client, [new, *_read(ctx.db, connection, client)][:MOST])
    return open_trials(ctx, client, email)


def open_trials(ctx: Context, client: Client, email: str) -> tuple[LeadId, ...]:
    """The tests of an address that may still have something in a CRM, the latest first."""
    shopper, _ = ctx.shopper(client.id, email)
    with ctx.db.read() as connection:
        found = [trial for trial in _read(ctx.db, connection, client) if trial[0] == shopper]
    unnumbered = (shopper, client.config.stores[0].id, UNNUMBERED)
    return tuple(LeadId(store, checkout, GENERATION) for _, store, checkout in (*found, unnumbered))


def taken_out(ctx: Context, client: Client, email: str) -> None:
    """Nothing of that address's tests is left in any CRM."""
    shopper, _ = ctx.shopper(client.id, email)
    with ctx.db.write() as connection:
        _keep(ctx.db, connection, client, [each for each in _read(ctx.db, connection, client) if each[0] != shopper])


def setting(db: Database, client: str) -> str:
    """The name under which a client's tests are kept: its first one, so that a rename loses none."""
    return f"tests:{db.first_name(client)}"


def _read(db: Database, connection: Connection, client: Client) -> list[Trial]:
    kept = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == setting(db, client.id))).scalar()
    return [(shopper, store, checkout) for shopper, store, checkout in json.loads(kept or "[]")]


def _keep(db: Database, connection: Connection, client: Client, trials: list[Trial]) -> None:
    name = setting(db, client.id)
    if trials:
        db.upsert(connection, tables.Setting, [{"name": name, "value": json.dumps(trials)}])
    else:
        connection.execute(delete(SETTINGS).where(SETTINGS.c.name == name))
