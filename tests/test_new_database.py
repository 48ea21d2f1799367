"""A new database gets its tables at once, without the migrations: they must leave the very same ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, inspect

import connector
from connector.db import Database


def schema(database: Database) -> dict[str, Any]:
    """Every table with its columns, keys and indexes, as the database itself describes them."""
    found = inspect(database.engine)
    return {
        name: {
            # By name: a migration can only put a new column behind the others.
            "columns": {column["name"]: {**column, "type": str(column["type"])} for column in found.get_columns(name)},
            "primary key": found.get_pk_constraint(name),
            "unique": found.get_unique_constraints(name),
            # In words: the condition of a partial index is an object that is like no other.
            "indexes": sorted(str({**index, "dialect_options": _words(index)}) for index in found.get_indexes(name)),
        }
        for name in found.get_table_names()
    }


def _words(index: Any) -> dict[str, str]:
    return {name: str(value) for name, value in index.get("dialect_options", {}).items()}


def version(database: Database) -> list[str]:
    with database.engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("select version_num from alembic_version")]


def migrate(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(connector.__file__).parent / "migrations"))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def test_a_new_database_is_what_the_migrations_make(database_url: str) -> None:
    database = Database(database_url).open()
    try:
        at_once, marked = schema(database), version(database)
        everything = MetaData()
        everything.reflect(database.engine)
        everything.drop_all(database.engine)
        assert inspect(database.engine).get_table_names() == []

        migrate(database)

        migrated = schema(database)
        assert at_once.keys() == migrated.keys()
        for name in migrated:
            assert at_once[name] == migrated[name]
        assert marked == version(database)
    finally:
        database.close()


def test_two_processes_that_open_a_new_database_at_once(database_url: str) -> None:
    first, second = Database(database_url), Database(database_url)
    try:
        first.open()
        second._create()  # it had looked before the first one was done
        assert second.open().hash_key == first.hash_key
    finally:
        first.close()
        second.close()
