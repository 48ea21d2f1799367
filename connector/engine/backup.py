"""A copy of the whole database in one SQLite file, made while the daemon runs, and the way back.

The file is the same for SQLite and PostgreSQL, so it also moves an installation from the one to the other. What was
erased or suppressed after the copy was made stays so: a restore must not bring a shopper back who asked to be
forgotten. A client that was renamed since keeps its new name. What was delivered after the copy is asked for in the
CRM before it is delivered once more (`Database.made_at`).
"""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select

from connector import tables
from connector.copying import copy_into, replace_content
from connector.database_url import file_of, parse_url, sqlite_url
from connector.db import Database, table
from connector.engine.names import rename_again
from connector.engine.restored import Since
from connector.errors import ConfigError
from connector.scratch import temporary
from connector.writing import new_file

CHECKOUTS = table(tables.Checkout)


def backup(database_url: str, file: Path, *, overwrite: bool = False) -> int:
    """Writes the database to `file`, which is the owner's own to read; returns its size in bytes.

    It is complete or not there at all. Raises ConfigError.
    """
    if _is_own(database_url, file):
        raise ConfigError(f"{file} belongs to the database itself; name another file with -o")
    with new_file(file, overwrite=overwrite) as copy:
        if not copy_into(database_url, sqlite_url(copy)):
            raise ConfigError("there is no database yet, so there is nothing to copy; `winback run` makes it")
        return copy.stat().st_size


def restore(database_url: str, file: Path, now: datetime, *, overwrite: bool = False) -> int:
    """Puts a backup in the place of everything in the database; returns how many checkouts it holds.

    Raises ConfigError where the file is no backup, a daemon is at work, or the database is in use without `overwrite`.
    """
    _must_be_readable(file)
    if _is_own(database_url, file):
        raise ConfigError(f"{file} belongs to the database itself; name what `winback backup` wrote")
    with temporary() as folder:
        source = _open_copy(file, folder / "copy.db")
        target = Database(database_url)
        try:
            target.open()
            target.lock()
            return _put_back(source, target, now, overwrite=overwrite)
        finally:
            source.close()
            target.close()


def _is_own(database_url: str, file: Path) -> bool:
    """Whether a file is the database, or what SQLite and the lock keep beside it."""
    own = file_of(parse_url(database_url))
    if own is None:
        return False
    return os.path.realpath(file) in [os.path.realpath(own) + end for end in ("", "-wal", "-shm", ".lock")]


def _must_be_readable(file: Path) -> None:
    try:
        if not file.is_file():
            raise ConfigError(f"there is no file {file}")
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from None


def _open_copy(file: Path, copy: Path) -> Database:
    """The backup, brought up to date if it is of an older version, without changing the file."""
    try:
        shutil.copyfile(file, copy)
    except OSError as error:
        raise ConfigError(f"{file} cannot be copied to {copy.parent}: {error.strerror or error}") from None
    found = Database(sqlite_url(copy))
    try:
        with found.read() as connection:
            is_ours = inspect(connection).has_table("alembic_version") and inspect(connection).has_table("leads")
    except Exception:
        is_ours = False
    if not is_ours:
        found.close()
        raise ConfigError(f"{file} is no backup of Winback")
    return found.open()


def _put_back(source: Database, target: Database, now: datetime, *, overwrite: bool) -> int:
    with target.read() as connection:
        present = connection.execute(select(func.count()).select_from(CHECKOUTS)).scalar_one()
        since = Since.read(connection)
    if present and not overwrite:
        raise ConfigError(
            f"the database {target.name} holds {present} checkouts; add --force to put the backup in their place"
        )
    same_key = source.hash_key == target.hash_key
    if since.suppressed and not same_key:
        raise ConfigError(
            f"{len(since.suppressed)} shoppers were suppressed or erased in {target.name} since it was begun anew, and "
            "the backup cannot know them. Write their addresses down, restore over an empty database, and do it again"
        )

    now_called = {first: name for name, first in target.first_names().items()} if same_key else {}

    def go_on(connection: Connection) -> None:
        target.read_first_names(connection)
        rename_again(target, connection, now_called)
        since.keep(target, connection, now)
        target.begin_anew(connection, now)

    replace_content(source, target, go_on)
    target.compact()
    with target.read() as connection:
        return int(connection.execute(select(func.count()).select_from(CHECKOUTS)).scalar_one())
