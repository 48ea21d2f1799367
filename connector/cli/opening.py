"""Opens what a command works with: the configuration, the database and the engine's context."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from connector import log
from connector.config import Loaded, load
from connector.config.shape import nearest
from connector.database_url import file_of, is_there, parse_url, sqlite_url
from connector.db import Database, is_out, words_of
from connector.engine.context import Client, Context
from connector.errors import ConfigError, TransientError
from connector.http import Http
from connector.scratch import temporary


def read_configuration(path: Path) -> Loaded:
    """The configuration behind `-c`. Raises ConfigError with every problem in it."""
    loaded = load(path, os.environ)
    log.setup(loaded.settings.log.level, loaded.settings.log.format, sys.stderr)
    hide_secrets(loaded)
    return loaded


def hide_secrets(loaded: Loaded) -> None:
    """Keeps every secret of the configuration out of the log."""
    log.hide(loaded.settings.secrets())
    for client in loaded.clients:
        for account in (*client.stores, *client.crms):
            log.hide(account.secrets())


def clients_of(loaded: Loaded) -> dict[str, Client]:
    """The clients of a configuration, by id."""
    return {config.client: Client.of(config) for config in loaded.clients}


@contextmanager
def engine(path: Path, *, database_url: URL | None = None) -> Iterator[tuple[Context, Loaded]]:
    """The engine's context for a configuration; the database is upgraded if it is older."""
    loaded = read_configuration(path)
    with _opened(loaded, database_url or loaded.settings.database_url.get_secret_value()) as ctx:
        yield ctx, loaded


@contextmanager
def looking(path: Path) -> Iterator[Context]:
    """The context for a command that only looks. A database that is not there yet is not made, and stays empty."""
    loaded = read_configuration(path)
    missing = missing_file(loaded)
    if missing is None:
        with _opened(loaded, loaded.settings.database_url.get_secret_value()) as ctx:
            yield ctx
        return
    with temporary() as folder, _opened(loaded, sqlite_url(folder / "e.db")) as ctx:
        yield ctx
    counted = "" if missing.is_absolute() else f" (the path is counted from {Path.cwd()})"
    print(f"there is no database {missing} yet; `winback run` makes it{counted}", file=sys.stderr)


@contextmanager
def _opened(loaded: Loaded, database_url: str | URL) -> Iterator[Context]:
    db = Database(database_url).open()
    http = Http()
    try:
        yield Context(db, http, loaded.settings, lambda: datetime.now(UTC), clients_of(loaded), loaded.beside)
    except SQLAlchemyError as error:
        if not is_out(error):
            raise
        kind = ConfigError if db.is_sqlite else TransientError  # a full disk or a broken file waits for its owner
        raise kind(f"the database {db.name} cannot be used: {words_of(error)}") from None
    finally:
        http.close()
        db.close()


def missing_file(loaded: Loaded) -> Path | None:
    """The database's file, where it is SQLite and is not there. Raises ConfigError where it cannot be."""
    file = file_of(parse_url(loaded.settings.database_url.get_secret_value()))
    return None if file is None or is_there(file) else file


def one_client(ctx: Context, name: str | None) -> Client:
    """The client that a command is about: the only one, or the one named with --client."""
    return pick_client(ctx.clients, name)


def pick_client(clients: Mapping[str, Client], name: str | None) -> Client:
    """The only client, or the one of that name. Raises ConfigError."""
    names = ", ".join(sorted(clients))
    if name is not None:
        if name not in clients:
            guess = nearest(name, sorted(clients))
            raise ConfigError(f"there is no client {name} here{guess}{'' if guess else f'; there are: {names}'}")
        return clients[name]
    if len(clients) == 1:
        return next(iter(clients.values()))
    raise ConfigError(f"several clients are configured here; add --client with one of: {names}")


def some_clients(ctx: Context, name: str | None) -> list[Client]:
    """All clients, or the one named with --client."""
    return [one_client(ctx, name)] if name is not None else list(ctx.clients.values())
