"""Opens what a command works with: the configuration, the database and the engine's context."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from connector import log
from connector.config import Loaded, load
from connector.db import Database
from connector.engine.context import Client, Context
from connector.errors import ConfigError
from connector.http import Http


def read_configuration(path: Path) -> Loaded:
    """The configuration behind `-c`. Raises ConfigError with every problem in it."""
    loaded = load(path, os.environ)
    log.setup(loaded.settings.log.level, loaded.settings.log.format, sys.stderr)
    for client in loaded.clients:
        for account in (*client.stores, *client.crms):
            log.hide(account.secrets())
    return loaded


def clients_of(loaded: Loaded) -> dict[str, Client]:
    """The clients of a configuration, by id."""
    return {config.client: Client.of(config) for config in loaded.clients}


@contextmanager
def engine(
    path: Path, *, database_url: str | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Iterator[tuple[Context, Loaded]]:
    """The engine's context for a configuration; the database is upgraded if it is older."""
    loaded = read_configuration(path)
    db = Database(database_url or loaded.settings.database_url.get_secret_value()).open()
    http = Http()
    try:
        yield Context(db, http, loaded.settings, clock, clients_of(loaded)), loaded
    finally:
        http.close()
        db.close()


def one_client(ctx: Context, name: str | None) -> Client:
    """The client that a command is about: the only one, or the one named with --client."""
    if name is not None:
        if name not in ctx.clients:
            raise ConfigError(f"there is no client {name!r} here; there are: {', '.join(sorted(ctx.clients))}")
        return ctx.clients[name]
    if len(ctx.clients) == 1:
        return next(iter(ctx.clients.values()))
    raise ConfigError(
        f"several clients are configured here; add --client with one of: {', '.join(sorted(ctx.clients))}"
    )


def some_clients(ctx: Context, name: str | None) -> list[Client]:
    """All clients, or the one named with --client."""
    return [one_client(ctx, name)] if name is not None else list(ctx.clients.values())
