"""The whole content of one database put into another, of either kind: for backups, restores and dry runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Integer, Table, func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import SQLModel

from connector.database_url import file_of, is_there, parse_url
from connector.db import HEAD, Database, version_of, words_of
from connector.errors import ConfigError


def copy_into(source_url: str, target_url: URL) -> bool:
    """Copies every table into a fresh SQLite database, without changing the source. Returns whether there was one."""
    file = file_of(parse_url(source_url))
    target = Database(target_url).open()
    try:
        if file is not None and not is_there(file):
            return False
        source = Database(source_url)
        try:
            return replace_content(source, target)
        finally:
            source.close()
    finally:
        target.compact()
        target.close()


def replace_content(
    source: Database, target: Database, besides: Callable[[Connection], None] = lambda connection: None
) -> bool:
    """Puts every row of one database in the place of the other's; False where there is none.

    `besides` has its say in the same transaction: a process that dies leaves all of it, or nothing.
    """
    with _named(source), source.read() as reading:
        version = version_of(reading)
        if version is None:  # empty: nothing was ever stored
            return False
        if version != HEAD:
            raise ConfigError(f"the database {source.name} is of another version; start the daemon once to upgrade it")
        with _named(target), target.write() as writing:
            for each in reversed(SQLModel.metadata.sorted_tables):
                writing.execute(each.delete())
            for each in SQLModel.metadata.sorted_tables:
                for rows in _rows(source, reading, each):
                    writing.execute(each.insert(), rows)
            besides(writing)
            _count_on(writing, target)
    return True


def _rows(source: Database, reading: Connection, each: Table) -> Iterator[list[dict[str, Any]]]:
    with _named(source):
        for rows in reading.execute(select(each).execution_options(yield_per=1000)).partitions():
            yield [dict(row._mapping) for row in rows]


@contextmanager
def _named(database: Database) -> Iterator[None]:
    """What goes wrong here is that database's trouble."""
    try:
        yield
    except SQLAlchemyError as error:
        raise ConfigError(f"the database {database.name} cannot be used: {words_of(error)}") from None


def _count_on(connection: Connection, target: Database) -> None:
    """PostgreSQL counts ids on from where it was, whatever ids were written."""
    if target.is_sqlite:
        return
    for each in SQLModel.metadata.sorted_tables:
        if "id" in each.c and each.c.id.autoincrement and isinstance(each.c.id.type, Integer):
            newest = select(func.coalesce(func.max(each.c.id), 0) + 1).scalar_subquery()
            connection.execute(select(func.setval(func.pg_get_serial_sequence(each.name, "id"), newest, False)))
