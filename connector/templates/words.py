"""The little language of the e-mails' texts: `{{ product_name }}`, and `{{ if first_name }}…{{ else }}…{{ end }}`.

A choice stands in no other one, because not every CRM can nest its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from connector.fields import NAMES

CHOICE = re.compile(r"\{\{\s*if\s+(\w+)\s*\}\}(.*?)(?:\{\{\s*else\s*\}\}(.*?))?\{\{\s*end\s*\}\}", re.DOTALL)
VALUE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class Value:
    """Where a value goes."""

    name: str


@dataclass(frozen=True)
class Choice:
    """What stands there with a value, and without."""

    name: str
    yes: tuple[str | Value, ...]
    no: tuple[str | Value, ...] = ()


Parts = tuple[str | Value | Choice, ...]


class Writer(Protocol):
    """Says what stands for a value: a CRM's syntax, or the value itself."""

    @property
    def unsubscribe(self) -> str:
        """The address of the unsubscribe link."""
        ...

    @property
    def sender(self) -> str:
        """The sender's name and postal address."""
        ...

    def value(self, name: str) -> str:
        """The value as text."""
        ...

    def link(self, name: str) -> str:
        """The value as the address of a link or picture."""
        ...

    def choice(self, name: str, yes: str, no: str) -> str:
        """One of the two, or both with the CRM's condition around them."""
        ...


def parse(text: str) -> Parts:
    """Reads a text. Raises ValueError for an unknown name, a choice in a choice, and braces that make no sense."""
    return tuple(_parts(text))


def _parts(text: str) -> Iterator[str | Value | Choice]:
    at = 0
    for match in CHOICE.finditer(text):
        yield from _values(text[at : match.start()])
        yield Choice(known(match[1]), tuple(_values(match[2])), tuple(_values(match[3] or "")))
        at = match.end()
    yield from _values(text[at:])


def _values(text: str) -> Iterator[str | Value]:
    for index, piece in enumerate(VALUE.split(text)):
        if index % 2:
            yield Value(known(piece))
        elif "{{" in piece or "}}" in piece:
            raise ValueError(f"a placeholder cannot be read: {piece}")
        elif piece:
            yield piece


def known(name: str) -> str:
    """The name. Raises ValueError where there is no such field."""
    if name not in NAMES:
        raise ValueError(f"there is no field {name}")
    return name


def write(parts: Parts, writer: Writer, escape: Callable[[str], str] = str) -> str:
    """The text with what the writer puts in place of values; `escape` is for our own words."""
    return "".join(_write(part, writer, escape) for part in parts)


def _write(part: str | Value | Choice, writer: Writer, escape: Callable[[str], str]) -> str:
    if isinstance(part, Choice):
        return writer.choice(part.name, write(part.yes, writer, escape), write(part.no, writer, escape))
    return writer.value(part.name) if isinstance(part, Value) else escape(part)


def names_of(parts: Parts) -> frozenset[str]:
    """Every name in a text."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part, Choice):
            found |= {part.name} | names_of(part.yes) | names_of(part.no)
        elif isinstance(part, Value):
            found.add(part.name)
    return frozenset(found)


@dataclass(frozen=True)
class Filled:
    """Writes the values themselves; `escape` makes them harmless where they go."""

    values: Mapping[str, str]
    escape: Callable[[str], str]
    unsubscribe: str
    sender: str

    def value(self, name: str) -> str:
        """The value, harmless."""
        return self.escape(self.values.get(name, ""))

    def link(self, name: str) -> str:
        """The value if it is a web address, else nothing: a shop's data may hold any scheme."""
        value = self.values.get(name, "")
        return self.escape(value) if re.match(r"https?://", value, re.IGNORECASE) else ""

    def choice(self, name: str, yes: str, no: str) -> str:
        """By the value."""
        return yes if self.values.get(name) else no
