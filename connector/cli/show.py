"""Output: a table for people, or one JSON document on stdout and nothing else.

Shoppers choose their own names and carts are called what shops call them, so nothing of it reaches a terminal as it
is: no escape sequence, no markup, no letter that turns the direction of the line.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_JOINERS = "\u200c\u200d"  # they belong to the spelling of Persian, Hindi and some emoji
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # spreadsheets take the wide ones for the narrow
ONE_LINE = 10_000  # columns where nobody looks: a row is a line, so that grep finds it


@dataclass(frozen=True)
class Column:
    """A column of a table: the row's key, its heading, and whether its words stay on one line."""

    key: str
    title: str
    keep: bool = False


def plain(text: str) -> str:
    """The text on one line, with � for what a terminal would obey instead of showing."""
    return "".join(" " if char.isspace() else char if _shown(char) else "\ufffd" for char in text)


def brief(line: str) -> str:
    """The line without the middle of words that nobody reads to their end, such as a mistyped argument of 9 kB."""
    return re.sub(r"(\S{150})\S{100,}(\S{20})", r"\1…\2", line)


def _shown(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def as_json(value: Any) -> None:
    """One JSON document."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    sys.stdout.write(re.sub(r"[^\x20-\x7e\n]", _escaped, text) + "\n")


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    try:
        char.encode(sys.stdout.encoding or "utf-8")
        shown = _shown(char)
    except UnicodeEncodeError:
        shown = False
    return char if shown else json.dumps(char)[1:-1]


def as_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], empty: str) -> None:
    """A table of the given columns, or the sentence for none."""
    if not rows:
        say(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    seen = sys.stdout.isatty()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, overflow="fold", no_wrap=column.keep)
    for row in rows:  # Text, because shopper data must never be read as markup
        table.add_row(*(Text(plain(_cell(row.get(column.key)))) for column in columns))
    Console(width=None if seen else ONE_LINE, emoji=False, highlight=False).print(table)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def cell(value: Any) -> Any:
    """A value for CSV that no spreadsheet takes for a formula and no terminal obeys."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def say(text: str) -> None:
    """One plain line on stdout, whatever is in the text."""
    print(plain(text))


def count(number: int, one: str, many: str = "") -> str:
    """`1 lead`, `2 leads`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
