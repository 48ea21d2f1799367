"""YAML that remembers its line numbers.

Read by the core schema of YAML 1.2 rather than 1.1: `NO` is Norway and not false, `1:30` is text, and a number is only
a number if it would be written back the same way, so that an audience id such as `0123` or `1.10` stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
DEEPEST = 20  # levels; the deepest key of a real file is at seven
MOST_VALUES = 20_000  # after aliases are expanded; a file of ten aliases of ten aliases is refused here

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KNOWN_TAGS = (None, "!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq")))
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SYNTAX = (
    ("'\\t'", "a tab is used here; indent with spaces"),
    ("mapping values", "a second colon, or wrong indentation; a value with a colon and a space in it needs quotes"),
    ("<stream end>", "a [ or { is not closed, or a value inside it needs quotes"),
    ("end of stream", "a quote is opened and never closed"),
    ("escape character", "a backslash inside double quotes; use single quotes"),
    ("expected ',' or", "a [ or { is not closed, or a value inside it needs quotes"),
    ("expected ':'", "this line is not of the form `key: value`"),
    ("<block end>", "the indentation does not fit the lines above"),
    ("entries are not allowed", "a list must start on a line of its own"),
)


class Broken(Exception):  # noqa: N818 - a control flow inside this package, not an error that is shown
    """The file cannot be read further. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


@dataclass(slots=True)
class Document:
    """Plain values, the line of every key and list item, and the text of values that came from outside."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    references: dict[Path, str] = field(default_factory=dict)  # as written, such as ${ACME_KEY}
    errors: list[tuple[Path, int, str]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of that key, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@dataclass(slots=True)
class _Node:
    line: int
    scalar: str | None = None
    plain: bool = False
    items: list[_Node] | None = None
    pairs: list[tuple[_Node, _Node]] | None = None


def read_yaml(text: str, fill: Callable[[str], str]) -> Document:
    """Reads one YAML document and passes its text values through `fill`. Raises Broken, and nothing else.

    What `fill` refuses with a ValueError is kept in `errors`, like a key that is there twice.
    """
    reader = _Reader(fill)
    root = _compose(text)
    reader.document.lines[()] = root.line
    reader.document.data = reader.build(root, ())
    return reader.document


def _compose(text: str) -> _Node:
    try:
        return _document(text, _Parser)
    except yaml.YAMLError as error:
        problem = error
    try:
        # The parser in Python is ten times slower and names the place better.
        _document(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        problem = error
    raise _syntax(text, problem) from None


def _document(text: str, parser: Any) -> _Node:
    events: Iterator[Any] = yaml.parse(text, Loader=parser)
    anchors: dict[str, _Node] = {}
    root = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if root is not None:
                raise Broken(_line(event), "a second document starts here; write one client per file, without ---")
            root = _node(next(events), events, anchors, 0)
    return root or _Node(1, "", plain=True)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _node(event: Any, events: Iterator[Any], anchors: dict[str, _Node], depth: int) -> _Node:
    line = _line(event)
    if depth > DEEPEST:
        raise Broken(line, f"nested more than {DEEPEST} levels deep")
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise Broken(line, "a value that starts with * refers to an anchor; put it in quotes if it is plain text")
        return anchors[event.anchor]
    if event.tag not in _KNOWN_TAGS:
        raise Broken(line, "a value that starts with ! is a YAML tag; put it in quotes if it is plain text")
    anchor, node = event.anchor, _Node(line)
    if isinstance(event, yaml.ScalarEvent):
        node.scalar, node.plain = event.value, bool(event.implicit[0])
    elif isinstance(event, yaml.SequenceStartEvent):
        node.items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            node.items.append(_node(event, events, anchors, depth + 1))
    else:
        node.pairs = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = _node(event, events, anchors, depth + 1)
            node.pairs.append((key, _node(next(events), events, anchors, depth + 1)))
    if anchor:
        anchors[anchor] = node
    return node


def _syntax(text: str, error: yaml.YAMLError) -> Broken:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    lines = text.count("\n", 0, len(text.rstrip())) + 1
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, max(0, int(error.position))) + 1
        return Broken(min(line, lines), "not valid YAML: a control character")
    line = min(int(mark.line) + 1, lines) if mark else 1
    words = next((words for part, words in _SYNTAX if part in problem), "check quotes and indentation")
    if odd := re.search(r"character '([^\w\s])' that cannot start", problem):
        words = f"a value that starts with {odd[1]} must be in quotes"
    elif "expected ',' or" in problem and "${" in text.splitlines()[line - 1]:
        words = 'inside { } or [ ], put quotes around "${NAME}"'
    return Broken(line, f"not valid YAML: {words}")


class _Reader:
    """Turns nodes into values."""

    def __init__(self, fill: Callable[[str], str]) -> None:
        self.document = Document()
        self._fill = fill
        self._count = 0

    def build(self, node: _Node, path: Path) -> Any:
        """The value of a node."""
        self._count += 1
        if self._count > MOST_VALUES:
            raise Broken(node.line, f"more than {MOST_VALUES} values; do aliases multiply?")
        if len(path) > DEEPEST:
            raise Broken(node.line, f"nested more than {DEEPEST} levels deep")
        if node.items is not None:
            return [self._child(item, (*path, index), item.line) for index, item in enumerate(node.items)]
        if node.pairs is not None:
            return self._mapping(node, path)
        return self._scalar(node, path)

    def _child(self, node: _Node, path: Path, line: int) -> Any:
        self.document.lines[path] = line
        return self.build(node, path)

    def _mapping(self, node: _Node, path: Path) -> dict[str, Any]:
        first: dict[str, int] = {}
        for key, _ in node.pairs or ():
            name = _key(key)
            if name in first:
                self.document.errors.append(((*path, name), key.line, f"this key is already on line {first[name]}"))
            first.setdefault(name, key.line)
        return {name: self._child(value, (*path, name), line) for name, (value, line) in self._pairs(node, 0).items()}

    def _pairs(self, node: _Node, depth: int) -> dict[str, tuple[_Node, int]]:
        """The pairs of a mapping by key, those that come through `<<` first, so that its own ones win."""
        self._count += len(node.pairs or ()) + 1
        if depth > DEEPEST or self._count > MOST_VALUES:
            raise Broken(node.line, f"more than {MOST_VALUES} keys, also those that come in through <<")
        merged: dict[str, tuple[_Node, int]] = {}
        own: dict[str, tuple[_Node, int]] = {}
        for key, value in node.pairs or ():
            if not (_key(key) == "<<" and key.plain):
                own[_key(key)] = (value, key.line)
                continue
            for source in value.items if value.items is not None else [value]:
                if source.pairs is None:
                    raise Broken(key.line, "after << comes the alias of a mapping, such as <<: *common")
                merged = {**self._pairs(source, depth + 1), **merged}
        return merged | own

    def _scalar(self, node: _Node, path: Path) -> Any:
        text = node.scalar or ""
        try:
            filled = self._fill(text)
        except ValueError as error:
            self.document.references[path] = text
            self.document.errors.append((path, self.document.line(path), str(error)))
            return text
        if filled != text:
            self.document.references[path] = text
            return filled
        return plain_value(text) if node.plain else text


def plain_value(text: str) -> str | int | float | bool | None:
    """What a value without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text) and repr(float(text)) == text:
        return float(text)
    return text


def _key(node: _Node) -> str:
    if node.scalar is None:
        raise Broken(node.line, 'a key must be plain text; a value with {{ }} in it needs quotes: "{{ first_name }}"')
    return node.scalar
