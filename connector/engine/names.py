"""What a client is called in the database: a rename reaches every row, and a backup from before it is renamed, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Table, delete, select, update
from sqlmodel import SQLModel

from connector import tables
from connector.db import Database, table
from connector.engine.owed import KEEP_FOR
from connector.errors import ConfigError

STORES = table(tables.Store)
CRMS = table(tables.Crm)
SETTINGS = table(tables.Setting)


def tables_of_clients() -> Iterator[Table]:
    """Those whose rows belong to a client."""
    return (each for each in SQLModel.metadata.sorted_tables if "client" in each.c)


def give_name(db: Database, connection: Connection, old: str, new: str) -> None:
    """Every row of `old` is `new`'s from now on. Raises ConfigError where something is stored of `new` already."""
    for rows in tables_of_clients():
        if rows in (STORES, CRMS):  # made when the new name was first met
            connection.execute(delete(rows).where(rows.c.client == new, rows.c.identity.is_(None)))
        if connection.execute(select(rows.c.client).where(rows.c.client == new).limit(1)).first():
            raise ConfigError(f"there are {rows.name} of {new} already: two clients cannot become one")
        connection.execute(update(rows).where(rows.c.client == old).values(client=new))
    connection.execute(delete(SETTINGS).where(SETTINGS.c.name == KEEP_FOR + old))  # the next start notes the new one's
    db.keep_first_name(connection, old, new)


def rename_again(db: Database, connection: Connection, now_called: Mapping[str, str]) -> None:
    """The rows of a backup get the names that their clients have now, by their first names."""
    stored = set(connection.execute(select(STORES.c.client).distinct()).scalars())
    for client in sorted(stored):
        name = now_called.get(db.first_name(client), client)
        if name not in stored:
            give_name(db, connection, client, name)
