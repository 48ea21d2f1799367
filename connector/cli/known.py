"""What an existing database knows, read without making, upgrading or changing it: for `winback check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from connector import tables
from connector.cli.capturing import Seen, seen
from connector.cli.opening import clients_of, missing_file
from connector.config import Loaded
from connector.db import HEAD, Database, table, words_of
from connector.engine import sequences
from connector.errors import ConfigError


@dataclass(frozen=True)
class Known:
    """`pins` are account ids by (kind, client, id); `under_way` how many leads each client has now.

    `on_others` is how many of those have steps before them of a sequence that was edited since. `seen` is what was read
    of each store, by client and id.
    """

    name: str
    note: str = ""  # why nothing more is known
    error: str = ""
    pins: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    under_way: Mapping[str, int] = field(default_factory=dict)
    on_others: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[tuple[str, str], datetime] = field(default_factory=dict)  # R4: how far a store told its orders itself
    seen: Mapping[tuple[str, str], Seen] = field(default_factory=dict)


def known(loaded: Loaded) -> Known:
    """Looks into the database of a configuration."""
    db = None
    try:
        if (missing := missing_file(loaded)) is not None:
            return Known(str(missing), note="not there yet; `winback run` makes it")
        db = Database(loaded.settings.database_url.get_secret_value())
        return _read(db, loaded)
    except ConfigError as error:
        return Known(db.name if db else "", error=str(error))
    except SQLAlchemyError as error:
        return Known(db.name if db else "", error=f"cannot be used: {words_of(error)}")
    finally:
        if db is not None:
            db.close()


def _read(db: Database, loaded: Loaded) -> Known:
    with db.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return Known(db.name, note="empty; `winback run` makes its tables")
        if connection.execute(text("select version_num from alembic_version")).scalar() != HEAD:
            return Known(db.name, note="of another version of Winback; `winback run` brings it up to date")
        pins: dict[tuple[str, str, str], str] = {}
        for kind, model in (("store", tables.Store), ("crm", tables.Crm)):
            rows = table(model)
            found = select(rows.c.client, rows.c.id, rows.c.identity).where(rows.c.identity.is_not(None))
            pins |= {(kind, client, id_): identity for client, id_, identity in connection.execute(found)}
        leads = table(tables.Lead)
        counted = select(leads.c.client, func.count()).group_by(leads.c.client)
        under_way = {row[0]: row[1] for row in connection.execute(counted)}
        on_others = {
            client.id: connection.execute(sequences.on_others(client.id, sequences.sequence_id(client))).scalar_one()
            for client in clients_of(loaded).values()
        }
        stores = table(tables.Store)
        through = select(stores.c.client, stores.c.id, stores.c.orders_through)
        told = {(row[0], row[1]): row[2] for row in connection.execute(through) if row[2] is not None}
        return Known(db.name, pins=pins, under_way=under_way, on_others=on_others, told=told, seen=seen(connection))
