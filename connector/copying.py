"""The whole content of one database put into another, of either kind: for backups, restores and dry runs."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Integer, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import SQLModel

from connector.db import HEAD, Database, parse_url, version_of, words_of
from connector.errors import ConfigError


def copy_into(source_url: str, target_url: str) -> bool:
    """Copies every table into a fresh SQLite database, without changing the source. Returns whether there was one."""
    url = parse_url(source_url)
    target = Database(target_url).open()
    try:
        if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
            return False
        source = Database(source_url)
        try:
            return replace_content(source, target)
        finally:
            source.close()
    finally:
        target.compact()
        target.close()


def replace_content(source: Database, target: Database) -> bool:
    """Puts every row of one database in the place of the other's, in one transaction; False where there is none."""
    try:
        with source.read() as reading, target.write() as writing:
            version = version_of(reading)
            if version is None:  # empty: nothing was ever stored
                return False
            if version != HEAD:
                raise ConfigError(
                    f"the database {source.name} is of another version; start the daemon once to upgrade it"
                )
            for each in reversed(SQLModel.metadata.sorted_tables):
                writing.execute(each.delete())
            for each in SQLModel.metadata.sorted_tables:
                for rows in reading.execute(select(each)).partitions(1000):
                    writing.execute(each.insert(), [dict(row._mapping) for row in rows])
            _count_on(writing, target)
            return True
    except SQLAlchemyError as error:
        raise ConfigError(f"the database {source.name} cannot be used: {words_of(error)}") from None


def _count_on(connection: Connection, target: Database) -> None:
    """PostgreSQL counts ids on from where it was, whatever ids were written."""
    if target.is_sqlite:
        return
    for each in SQLModel.metadata.sorted_tables:
        if "id" in each.c and each.c.id.autoincrement and isinstance(each.c.id.type, Integer):
            newest = select(func.coalesce(func.max(each.c.id), 0) + 1).scalar_subquery()
            connection.execute(select(func.setval(func.pg_get_serial_sequence(each.name, "id"), newest, False)))
