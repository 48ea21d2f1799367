"""The database: SQLite beside the daemon, or PostgreSQL. Opening it upgrades it; one daemon at a time works on it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, Table, create_engine, delete, event, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    DatabaseError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlmodel import SQLModel

from connector import tables
from connector.database_url import file_of, name_of, parse_url
from connector.durable import make_folder
from connector.errors import ConfigError
from connector.log import clean

HEAD = "0004"  # the newest migration; compared before Alembic is imported at all
VERSION_TABLE = (  # as Alembic makes it
    "create table alembic_version (version_num varchar(32) not null, "
    "constraint alembic_version_pkc primary key (version_num))"
)
# The write-ahead log is as long as it ever had to be, such as while a backup reads: then it is cut back to this.
LOG_LIMIT = 16_777_216  # bytes
ADVISORY_LOCK = 7_146_230_317  # any number that no other program takes


def table(model: type[SQLModel]) -> Table:
    """The SQLAlchemy table behind a model."""
    found: Table = model.__table__  # type: ignore[attr-defined]
    return found


class Database:
    """Connections to one database. `write` is serialised, so that nobody reads what another one is erasing: SQLite has
    one writer anyway, and PostgreSQL has one here, whatever commands run beside the daemon."""

    def __init__(self, url: str | URL) -> None:
        self.url = parse_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._file = file_of(self.url)
        if self._file is not None:
            _prepare_folder(self._file)
        self.engine = _engine(self.url, self.is_sqlite)
        self._writing = threading.RLock()
        self._lock_file: IO[str] | None = None
        self._lock_connection: Connection | None = None
        self.hash_key = b""
        self.made_at: datetime | None = None
        self._first_names: dict[str, str] = {}

    def open(self) -> Database:
        """Creates or upgrades the tables. Raises ConfigError where the database cannot be used."""
        try:
            with self.engine.connect() as connection:
                version = version_of(connection)
            if version is None:
                self._create()
            elif version != HEAD:
                self._upgrade()
            self.hash_key = self._hash_key()
            with self.read() as connection:
                self.read_first_names(connection)
        except SQLAlchemyError as error:
            raise ConfigError(f"the database {self.name} cannot be used: {words_of(error)}") from None
        return self

    def note_made(self, now: datetime) -> None:
        """Remembers when this database was first worked on: what is older may have been done with one that was lost."""
        settings = table(tables.Setting)
        with self.write() as connection:
            self.insert_new(connection, tables.Setting, [{"name": "made_at", "value": now.isoformat()}])
            value = connection.execute(select(settings.c.value).where(settings.c.name == "made_at")).scalar_one()
        self.made_at = datetime.fromisoformat(str(value))

    def begin_anew(self, connection: Connection, now: datetime) -> None:
        """The database is another one from now on: an older one took its place."""
        self.upsert(connection, tables.Setting, [{"name": "made_at", "value": now.isoformat()}])

    def first_name(self, client: str) -> str:
        """What a client was called when it was first met: its shoppers' hashes and keys were made with that."""
        return self._first_names.get(client, client)

    def keep_first_name(self, connection: Connection, old: str, new: str) -> None:
        """A client called `old` is called `new` from now on."""
        settings = table(tables.Setting)
        first = self.first_name(old)
        connection.execute(delete(settings).where(settings.c.name == f"first_name:{old}"))
        self.upsert(connection, tables.Setting, [{"name": f"first_name:{new}", "value": first}])
        self._first_names = {name: was for name, was in self._first_names.items() if name != old} | {new: first}

    def first_names(self) -> dict[str, str]:
        """Of the clients that were renamed: what each was called at first."""
        return dict(self._first_names)

    def read_first_names(self, connection: Connection) -> None:
        """Learns them; anew where another database's content took the place of this one's."""
        settings = table(tables.Setting)
        found = connection.execute(select(settings).where(settings.c.name.startswith("first_name:")))
        self._first_names = {row.name.removeprefix("first_name:"): row.value for row in found}

    @property
    def name(self) -> str:
        """The database as messages call it: without its password."""
        return name_of(self.url)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes. Committed at the end, rolled back by any exception."""
        with self._writing, self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with connection.begin() if not self.is_sqlite else _sqlite_transaction(connection):
                if not self.is_sqlite:
                    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK + 2})
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read with: one consistent snapshot."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    def upsert(
        self,
        connection: Connection,
        model: type[SQLModel],
        rows: Sequence[Mapping[str, Any]],
        *,
        keep: Sequence[str] = (),
    ) -> None:
        """`insert … on conflict` by primary key; columns in `keep` stay as they are on rows that exist."""
        if not rows:
            return
        statement = _upsert(self.is_sqlite, model, tuple(rows[0]), tuple(keep))
        connection.execute(statement, list(rows))

    def insert_new(self, connection: Connection, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
        """Inserts what is not there yet, by any unique key."""
        if rows:
            connection.execute(_insert(self.is_sqlite, table(model)).on_conflict_do_nothing(), list(rows))

    def insert(self, target: Table) -> Any:
        """An insert in this database's own words, which know `on_conflict_do_update`."""
        return _insert(self.is_sqlite, target)

    def lock(self) -> None:
        """Makes this process the only one that polls and delivers. Raises ConfigError where another one does.

        The lock goes with the process, also after `kill -9`: a file lock beside SQLite, an advisory lock in PostgreSQL.
        """
        taken = f"another winback already works on {self.name}; stop it first, or give this one another database_url"
        if not self.is_sqlite:
            self._lock_connection = self._advisory_lock()
            if self._lock_connection is None:
                raise ConfigError(taken)
        elif self._file is not None:
            path = f"{self._file}.lock"
            try:
                self._lock_file = open(path, "a", encoding="ascii", opener=_owners_own)  # noqa: SIM115
            except OSError as error:
                raise ConfigError(f"the file {path} cannot be written: {error.strerror}") from None
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._lock_file.close()
                raise ConfigError(taken) from None

    def keeps_lock(self) -> bool:
        """Whether `lock` still holds. PostgreSQL forgets it when it is restarted; then it is taken again if it is free.

        Raises SQLAlchemyError while the database cannot be reached.
        """
        if self.is_sqlite:
            return True
        if self._lock_connection is not None:
            try:
                self._lock_connection.execute(text("select 1"))
                self._lock_connection.commit()
                return True
            except SQLAlchemyError:
                self._lock_connection.close()
                self._lock_connection = None
        self._lock_connection = self._advisory_lock(patience=0)
        return self._lock_connection is not None

    def try_write(self) -> None:
        """Writes something that changes nothing. Raises SQLAlchemyError where the database takes no writes."""
        settings = table(tables.Setting)
        with self.write() as connection:  # to set a value that is there already, SQLite writes nothing
            self.insert_new(connection, tables.Setting, [{"name": "try_write", "value": ""}])
            connection.execute(delete(settings).where(settings.c.name == "try_write"))

    def _advisory_lock(self, patience: float = 2.0) -> Connection | None:
        """The connection that holds the lock, or None. PostgreSQL may take a moment to notice that a process died."""
        connection, end = self.engine.connect(), time.monotonic() + patience
        while not connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}).scalar():
            connection.rollback()
            if time.monotonic() >= end:
                connection.close()
                return None
            time.sleep(0.1)
        connection.commit()
        return connection

    def compact(self) -> None:
        """After an erasure: moves the write-ahead log into the database, so that no old page keeps what was erased.

        While somebody reads for longer than that, it is left to the next time: every hour has one.
        """
        if self.is_sqlite:
            with self._writing, self.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout=3000")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.exec_driver_sql("PRAGMA busy_timeout=30000")

    def close(self) -> None:
        """Releases the lock and closes every connection."""
        if self._lock_connection is not None:
            self._lock_connection.close()
        if self._lock_file is not None:
            self._lock_file.close()
        self.engine.dispose()

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction that changes the tables themselves: one process at a time."""
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK + 1})
            yield connection

    def _create(self) -> None:
        """The newest tables in an empty database, as the migrations would leave them, but without Alembic's 15 MB."""
        with self._changing() as connection:
            if version_of(connection) is None:  # still: another process may have been faster
                SQLModel.metadata.create_all(connection, checkfirst=False)
                connection.exec_driver_sql(VERSION_TABLE)
                connection.execute(text("insert into alembic_version values (:head)"), {"head": HEAD})

    def _upgrade(self) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._changing() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError:  # it knows no such version
                raise ConfigError(
                    f"the database {self.name} was made by a later version of winback; run that one again, or newer"
                ) from None

    def _hash_key(self) -> bytes:
        with self.write() as connection:
            self.insert_new(connection, tables.Setting, [{"name": "hash_key", "value": secrets.token_hex(32)}])
            settings = table(tables.Setting)
            value = connection.execute(select(settings.c.value).where(settings.c.name == "hash_key")).scalar_one()
        return bytes.fromhex(str(value))


@cache
def _upsert(is_sqlite: bool, model: type[SQLModel], names: tuple[str, ...], keep: tuple[str, ...]) -> Any:
    """Kept: to build the statement for a wide table costs as much as to run it."""
    insert = _insert(is_sqlite, table(model))
    primary = [column.name for column in table(model).primary_key]
    changed = {name: insert.excluded[name] for name in names if name not in primary and name not in keep}
    if not changed:
        return insert.on_conflict_do_nothing(index_elements=primary)
    return insert.on_conflict_do_update(index_elements=primary, set_=changed)


def _insert(is_sqlite: bool, target: Table) -> Any:
    if is_sqlite:
        from sqlalchemy.dialects.sqlite import insert
    else:  # 2 MB that SQLite's users do without
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(target)


def _prepare_folder(path: Path) -> None:
    try:
        make_folder(path.parent)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT, 0o600))  # addresses are in it: the owner's eyes only
        if not os.access(path.parent, os.W_OK):  # SQLite keeps its log beside the file, also for readers
            number = errno.EROFS if os.statvfs(path.parent).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(number, os.strerror(number))
    except OSError as error:
        raise ConfigError(f"the database folder {path.parent} cannot be written: {error.strerror}") from None


def _owners_own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _engine(url: URL, is_sqlite: bool) -> Engine:
    # Hidden: shoppers are among the parameters of a statement, and an error shows them.
    alike: dict[str, Any] = {"pool_size": 8, "max_overflow": 56, "hide_parameters": True}
    try:
        if not is_sqlite:
            reached = {"connect_timeout": 10}  # seconds; for ever by default
            engine = create_engine(url, connect_args=reached, pool_pre_ping=True, **alike)
            event.listen(engine, "handle_error", _first_line_only)
            return engine
        used = {"timeout": 30, "check_same_thread": False, "cached_statements": 16}
        engine = create_engine(url, connect_args=used, **alike)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise ConfigError("PostgreSQL needs the extra package: pip install 'winback[postgres]'") from None
    event.listen(engine, "connect", _sqlite_pragmas)
    return engine


def _first_line_only(context: Any) -> None:
    """What PostgreSQL adds to it is the row that it refused: "Failing row contains (…)"."""
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    said, *more = str(error).split("\n", 1)
    if more and wrapped is not None:
        wrapped.args = tuple(str(each).replace(f"\n{more[0]}", "") for each in wrapped.args)
        error.args = (said,)


def _sqlite_pragmas(connection: Any, _: Any) -> None:
    connection.isolation_level = (
        None  # we begin transactions ourselves: https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
    )
    connection.execute("PRAGMA journal_mode=WAL")
    # FULL: a commit is on the disk before anything is sent on its strength, also when the power fails.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-512")  # KiB for each connection; the system keeps the file in memory anyway
    connection.execute("PRAGMA journal_size_limit=16777216")  # LOG_LIMIT: a pragma takes no parameters
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # erased means erased, in free pages too


@contextmanager
def _sqlite_transaction(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def version_of(connection: Connection) -> str | None:
    """The newest migration that a database has seen; None where it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    value = connection.exec_driver_sql("select version_num from alembic_version").scalar()
    return None if value is None else str(value)


def is_out(error: BaseException) -> bool:
    """Whether the database cannot be reached, read or written at this moment, rather than being asked wrongly."""
    if str(getattr(getattr(error, "orig", None), "sqlstate", None)).startswith("54"):
        return False  # a value beyond PostgreSQL's limits: it will not take it later either
    return isinstance(error, (OperationalError, InterfaceError, InternalError)) or type(error) is DatabaseError


def words_of(error: BaseException) -> str:
    """What the database itself said, without the statement and its values, and without the password."""
    cause = getattr(error, "orig", None) or error
    return clean(" ".join(str(cause).split()))[:200]
