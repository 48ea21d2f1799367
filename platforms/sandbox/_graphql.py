"""As much of GraphQL as a sandbox needs: one query with variables, aliases, @include and inline fragments.

Objects are dicts with a `__typename`; a field that takes arguments is a function of them. Answers hold exactly what
was asked for, and a refused field that must not be null takes its parents with it, as the specification says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\.\.\.|[A-Za-z_]\w*|-?\d+(?:\.\d+)?|[!$():=@\[\]{}]')
Path = tuple[str | int, ...]
# type and field → the error that refuses it, or None
Deny = Callable[[str, str], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Var:
    """A variable in the place of a value."""

    name: str


@dataclass
class Field:
    """One selected field; `on` is the type of the inline fragment that it stands in."""

    name: str
    key: str
    args: dict[str, Any] = field(default_factory=dict)
    include: Any = True
    on: str = ""
    children: list[Field] = field(default_factory=list)


class QueryError(Exception):
    """The document cannot be read, or asks for a field that is not there."""


def is_mutation(document: str) -> bool:
    """Whether the document's only operation changes something."""
    return TOKEN.findall(document)[:1] == ["mutation"]


@lru_cache(maxsize=64)
def parse(document: str) -> tuple[Field, ...]:
    """The selection of a document's only operation."""
    tokens = TOKEN.findall(document)
    parser = _Parser(tokens)
    if tokens[:1] != ["{"]:
        parser.skip_to_selection()
    return tuple(parser.selection())


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at = tokens, 0

    def skip_to_selection(self) -> None:
        while self._peek() != "{":
            self._next()

    def selection(self, on: str = "") -> list[Field]:
        self._expect("{")
        fields: list[Field] = []
        while self._peek() != "}":
            if self._peek() == "...":
                self._expect("...", "on")
                fields += self.selection(self._next())
            else:
                fields.append(self._field(on))
        self._expect("}")
        return fields

    def _field(self, on: str) -> Field:
        # Colons are tokens only inside brackets and after an alias.
        name = key = self._next()
        if self._peek() == ":":
            self._expect(":")
            name = self._next()
        found = Field(name, key, on=on)
        if self._peek() == "(":
            found.args = self._arguments()
        if self._peek() == "@":
            self._expect("@", "include")
            found.include = self._arguments()["if"]
        if self._peek() == "{":
            found.children = self.selection()
        return found

    def _arguments(self) -> dict[str, Any]:
        self._expect("(")
        found = {}
        while self._peek() != ")":
            name = self._next()
            self._expect(":")
            found[name] = self._value()
        self._expect(")")
        return found

    def _value(self) -> Any:
        token = self._next()
        if token == "$":  # noqa: S105
            return Var(self._next())
        if token[0] in '"-0123456789' or token in ("true", "false", "null"):
            return json.loads(token)
        return token  # an enum

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            raise QueryError("the document ends too early")
        return self._tokens[self._at]

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, *tokens: str) -> None:
        for wanted in tokens:
            if (found := self._next()) != wanted:
                raise QueryError(f"expected {wanted}, found {found}")


class _Null(Exception):  # noqa: N818
    """A field that must not be null is: its parent becomes null."""


class Evaluation:
    """One run of a query. `errors` and `objects`, the number of objects in the answer, are complete after `run`."""

    def __init__(self, variables: Mapping[str, Any], deny: Deny, nullable: frozenset[str]) -> None:
        self.errors: list[dict[str, Any]] = []
        self.objects = 0
        self._variables, self._deny, self._nullable = variables, deny, nullable

    def run(self, selection: tuple[Field, ...], root: Mapping[str, Any]) -> dict[str, Any] | None:
        """The `data` of the answer. Raises QueryError."""
        try:
            return self._object(list(selection), root, ())
        except _Null:
            return None

    def _object(self, selection: list[Field], value: Mapping[str, Any], path: Path) -> dict[str, Any]:
        self.objects += 1
        kind = value["__typename"]
        answer = {}
        for wanted in selection:
            if self._resolve(wanted.include) and wanted.on in ("", kind):
                answer[wanted.key] = self._field(wanted, kind, value, (*path, wanted.key))
        return answer

    def _field(self, wanted: Field, kind: str, value: Mapping[str, Any], path: Path) -> Any:
        if wanted.name not in value:
            raise QueryError(f"Field '{wanted.name}' doesn't exist on type '{kind}'")
        try:
            refusal = self._deny(kind, wanted.name)
            if refusal:
                self.errors.append({**refusal, "locations": [{"line": 1, "column": 1}], "path": list(path)})
                raise _Null
            found = value[wanted.name]
            if callable(found):
                found = found({name: self._resolve(given) for name, given in wanted.args.items()})
            return self._value(wanted, found, path)
        except _Null:
            if wanted.name in self._nullable:
                return None
            raise

    def _value(self, wanted: Field, found: Any, path: Path) -> Any:
        if isinstance(found, list):
            return [self._value(wanted, item, (*path, index)) for index, item in enumerate(found)]
        return self._object(wanted.children, found, path) if isinstance(found, dict) else found

    def _resolve(self, given: Any) -> Any:
        return self._variables.get(given.name) if isinstance(given, Var) else given


def cost(selection: list[Field] | tuple[Field, ...], variables: Mapping[str, Any]) -> int:
    """The points that a query asks for: 1 for an object, 2 and the nodes for a connection."""
    total = 0
    for wanted in selection:
        include = variables.get(wanted.include.name) if isinstance(wanted.include, Var) else wanted.include
        if not wanted.children or not include:
            continue
        first = wanted.args.get("first")
        size = variables.get(first.name) if isinstance(first, Var) else first
        if isinstance(ids := wanted.args.get("ids"), Var):  # a list of objects: no connection, and each of them costs
            total += len(variables[ids.name]) * (1 + cost(wanted.children, variables))
            continue
        inner = cost(wanted.children, variables)
        # The list of nodes and the page info are no objects of their own.
        own = 0 if wanted.name == "pageInfo" else 1
        total += 2 + int(size) * inner if size is not None else own + inner
    return total
