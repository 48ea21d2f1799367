"""pydantic's errors in plain English, each with the path of its key."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from connector.config.shape import Path, is_model, keys_at, kinds_at, nearest, step_into
from connector.options import IDENTIFIER_HINT

_SILENT = ("default_factory_not_called",)
_TYPES = {
    "string": "text is needed here",
    "int": "a whole number is needed here",
    "float": "a number is needed here",
    "decimal": "a number is needed here",
    "finite": "a number is needed here",
    "bool": "true or false is needed here",
    "tuple": "a list is needed here, such as [one, two]",
    "list": "a list is needed here, such as [one, two]",
    "dict": "a block of keys is needed here, such as {NAME: value}",
    "mapping": "a block of keys is needed here, such as {NAME: value}",
    "model": "a block of keys is needed here",
    "none": "nothing may stand here",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
}
_MISSING = object()


class _Error(NamedTuple):
    path: Path  # as far as the file has it
    branch: str  # which branch of a union complained, "" outside unions
    at_root: bool  # the branch refused the value as a whole
    raw: dict[str, Any]


def translate(error: ValidationError, root: type[BaseModel], data: Any) -> list[tuple[Path, str]]:
    """Every error as a path and one sentence. Of a union's branches only the one that came nearest speaks."""
    found = [_placed(raw, data) for raw in error.errors(include_url=False) if raw["type"] not in _SILENT]
    found = [each for each in found if not _is_echo(each, found)]
    unions = dict.fromkeys(_union_path(each) for each in found if each.branch)
    strange = {path: text for path in unions if (text := _forms(root, data, path))}
    known = [each for each in found if not (each.branch and _union_path(each) in strange)]
    lines = [*strange.items(), *((each.path, _words(each, root, data)) for each in _nearest_branches(known))]
    return list(dict.fromkeys(lines))


def _is_echo(error: _Error, found: list[_Error]) -> bool:
    """A list is said to be too short when the only entry in it is wrong."""
    inside = (each.path for each in found if len(each.path) > len(error.path))
    return error.raw["type"] == "too_short" and any(path[: len(error.path)] == error.path for path in inside)


def _placed(raw: Any, data: Any) -> _Error:
    """Takes out of pydantic's location what is no key of the file: the names of union branches."""
    path: Path = ()
    branch, loc, value = "", raw["loc"], data
    for index, part in enumerate(loc):
        inner = _get(value, part)
        last = index == len(loc) - 1
        if inner is _MISSING and last and isinstance(value, dict) and raw["type"] in ("missing", "winback"):
            return _Error((*path, part), branch, False, raw)
        if inner is _MISSING:
            branch = branch or str(part)
            continue
        path, value = (*path, part), inner
    return _Error(path, branch, bool(branch) and branch == str(loc[-1]), raw)


def _get(value: Any, part: Any) -> Any:
    if isinstance(value, dict):
        return value.get(part, _MISSING)
    inside = isinstance(value, list | tuple) and isinstance(part, int) and 0 <= part < len(value)
    return value[part] if inside else _MISSING


def _nearest_branches(errors: list[_Error]) -> list[_Error]:
    unions: dict[Path, dict[str, list[_Error]]] = defaultdict(lambda: defaultdict(list))
    for each in errors:
        if each.branch:
            unions[_union_path(each)][each.branch].append(each)
    kept = [each for each in errors if not each.branch]
    for branches in unions.values():
        kept += sorted(branches.values(), key=_distance)[0]
    order = {id(each): index for index, each in enumerate(errors)}
    return sorted(kept, key=lambda each: order[id(each)])


def _forms(root: type[BaseModel], data: Any, path: Path) -> str:
    """What a union may hold, where the block given has not one key of any of its models."""
    value, models = data, [kind for kind in kinds_at(root, data, path) if is_model(kind)]
    for part in path:
        value = step_into(value, part)
    if not isinstance(value, dict) or len(models) < 2 or any(key in m.model_fields for m in models for key in value):
        return ""
    needed = (", ".join([k for k, f in m.model_fields.items() if f.is_required()] or m.model_fields) for m in models)
    return f"one of these is needed here: {' or '.join('{' + keys + '}' for keys in needed)}"


def _union_path(error: _Error) -> Path:
    return tuple(error.raw["loc"][: [str(part) for part in error.raw["loc"]].index(error.branch)])


def _distance(errors: list[_Error]) -> tuple[bool, int, int]:
    kinds = [each.raw["type"] for each in errors]
    return any(each.at_root for each in errors), kinds.count("extra_forbidden"), len(kinds)


def _words(error: _Error, root: type[BaseModel], data: Any) -> str:
    raw, kind, context = error.raw, error.raw["type"], error.raw.get("ctx", {})
    if kind == "winback":
        return str(context["message"])
    if raw.get("input") is None and kind not in ("missing", "extra_forbidden"):
        return _empty(kind)
    if kind in ("value_error", "assertion_error"):
        said = str(context.get("error", raw["msg"])).strip() or "this value is not allowed here"
        return _without_long(said, raw.get("input"))
    if kind == "missing":
        return "this key is required"
    if kind == "extra_forbidden":
        return _unknown_key(error, root, data)
    if kind in ("literal_error", "enum"):
        return _choice(str(context.get("expected", "")), raw.get("input"))
    if kind in ("too_short", "too_long"):
        return f"{'at least' if kind == 'too_short' else 'at most'} {_number(context, kind)} needed here"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        if kind == "string_too_short" and context.get(key) == 1:
            return "must not be empty"
        unit = " characters" if kind.startswith("string") else ""
        return f"must be {words} {context.get(key)}{unit}"
    if kind == "string_pattern_mismatch":
        return _pattern(str(context.get("pattern", "")))
    return _wrong_type(kind, raw.get("input"), str(raw["msg"]))


def _without_long(said: str, value: Any) -> str:
    """A lost line break can put a secret behind another key's value: what has a blank in it is not repeated."""
    if not isinstance(value, str) or not any(letter.isspace() for letter in value.strip()):
        return said
    return said.replace(repr(value), "this value").replace(value, "this value")


def _unknown_key(error: _Error, root: type[BaseModel], data: Any) -> str:
    keys = keys_at(root, data, error.path[:-1])
    word = str(error.path[-1]) if error.path else ""
    free = [key for key in keys if key not in (_holder(data, error.path) or {})]
    guess = nearest(word, free) or nearest(word, keys)
    return "unknown key" + (guess or (f"; the keys here are {', '.join(keys)}" if keys else ""))


def _holder(data: Any, path: Path) -> Any:
    for part in path[:-1]:
        data = step_into(data, part)
    return data


def _choice(expected: str, given: Any) -> str:
    choices = re.findall(r"'([^']*)'", expected)
    if not choices:
        return f"must be {expected.lower() if expected in ('True', 'False') else expected}"
    guess = nearest(given, choices) if isinstance(given, str) else ""
    listed = choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    return f"must be {listed}{guess}"


def _number(context: dict[str, Any], kind: str) -> str:
    count = context.get("min_length" if kind == "too_short" else "max_length")
    return f"{count} {'entry is' if count == 1 else 'entries are'}"


def _pattern(pattern: str) -> str:
    if pattern.startswith("^[A-Za-z0-9][A-Za-z0-9-]"):
        return f"only {IDENTIFIER_HINT} may stand here, at most 63, and no - at the beginning"
    return "this does not have the right form"


def _empty(kind: str) -> str:
    needed = _TYPES.get(kind.split("_")[0])
    return f"the value is missing: {needed}" if needed else "the value is missing"


def _wrong_type(kind: str, given: Any, message: str) -> str:
    needed = _TYPES.get(kind.split("_")[0])
    if needed is None:
        return message[:1].lower() + message[1:]
    if kind == "string_type" and isinstance(given, bool):
        return f'text is needed here; put it in quotes: "{str(given).lower()}"'
    return needed
