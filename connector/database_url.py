"""The database's address: what it may be, what of it may be shown, and the file behind it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url

from connector.errors import ConfigError

KINDS = ("sqlite:///", "postgresql://", "postgresql+psycopg://")


def parse_url(url: str | URL) -> URL:
    """A database_url as SQLAlchemy has it. Raises ConfigError, which shows nothing of it: it may be the password."""
    if isinstance(url, URL):
        return url
    if not url.startswith(KINDS) or url in KINDS:
        raise ConfigError("write sqlite:///data/winback.db, or an address that starts with postgresql://")
    _refuse_unclear(url)
    try:
        parsed = make_url(url)
    except ValueError:  # the port is all that it takes for a number
        raise _no_port() from None
    if parsed.port is not None and not 1 <= parsed.port <= 65535:
        raise _no_port()
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def sqlite_url(file: Path) -> URL:
    """The address of a file, whatever its name: written as text, a ? or % in it would mean something else."""
    return URL.create("sqlite", database=str(file))


def name_of(url: URL) -> str:
    """The database as messages call it: nobody's name and no option, as both may hold a password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return URL.create("postgresql", host=url.host, port=url.port, database=url.database).render_as_string()


def passwords(url: URL) -> tuple[str, ...]:
    """Every password in it, before the host or among the options."""
    options = [value for name, values in url.normalized_query.items() if "password" in name.lower() for value in values]
    return tuple(str(each) for each in (url.password, *options) if each)


def file_of(url: URL) -> Path | None:
    """SQLite's file; None for PostgreSQL, and in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def is_there(file: Path) -> bool:
    """Whether there is such a file. Raises ConfigError where there can be none, or nobody may look."""
    try:
        file.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"the database {file} cannot be used: {error.strerror or error}") from None
    return True


def _refuse_unclear(url: str) -> None:
    """SQLAlchemy ends a password at the first @, and takes what follows for the host, which messages show."""
    scheme, _, rest = url.partition("://")
    user, at, place = rest.partition("@")
    if scheme != "sqlite" and ("@" in place or (at and "?" in user)):
        raise ConfigError("an @ or ? inside a user, a password or an option is written as %40 or %3F")
    if re.search("[\0\ud800-\udfff]", unquote(url)):
        raise ConfigError("no file and no server can have such a name")


def _no_port() -> ConfigError:
    return ConfigError("the port is no number from 1 to 65535; write it as in postgresql://HOST:5432/NAME")
