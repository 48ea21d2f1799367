"""How SQLite looks rows up: every statement that the engine says, with its plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from connector.db import Database

WORDS = ("SELECT", "UPDATE", "DELETE", "INSERT")
ALL_OF_A_CLIENT = re.compile(r"\(client=\?\)$")


@contextmanager
def plans(db: Database) -> Iterator[dict[str, list[str]]]:
    """The plan of each statement that is said meanwhile."""
    found: dict[str, list[str]] = {}

    def note(_: Any, cursor: Any, statement: str, parameters: Any, __: Any, many: bool) -> None:
        if statement in found or not statement.lstrip().startswith(WORDS):
            return
        values = parameters[0] if many else parameters
        rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        found[statement] = [str(row[3]) for row in rows]

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def long_looks(found: dict[str, list[str]], tables: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Each look through a whole table, or through all that a client has in it, with its statement."""
    for statement, lines in found.items():
        for line in lines:
            words = line.split()
            everything = words[0] == "SCAN" or (words[0] == "SEARCH" and ALL_OF_A_CLIENT.search(line))
            if everything and words[1] in tables:
                yield line, statement
