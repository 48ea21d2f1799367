"""Output: a table for people, or one JSON document on stdout and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def as_json(value: Any) -> None:
    """One JSON document."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def as_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """A table of the given columns, or the sentence for none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not rows:
        console.print(empty, markup=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:  # Text, because shopper data must never be read as markup
        table.add_row(*(Text("" if row.get(column) is None else str(row[column])) for column in columns))
    console.print(table)


def say(text: str) -> None:
    """One plain line on stdout."""
    print(text)
