"""Which models and keys a place in a file may hold: for messages, and to know what is secret."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from connector import registry
from connector.options import CrmOptions, StoreOptions

Path = tuple[str | int, ...]


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str:
    """`; did you mean X?`, or nothing where no word is near. A higher `cutoff` (to 1) wants them nearer."""
    by_lower = {other.lower(): other for other in words}
    near = difflib.get_close_matches(word.lower(), by_lower, 1, cutoff)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def kinds_at(root: type[BaseModel], data: Any, path: Path) -> list[Any]:
    """The types that a place may hold, unions taken apart. `data` tells which adapter an entry names."""
    kinds = [root]
    for part in path:
        inner = (kind for each in kinds for kind in _inside(each, part))
        data = step_into(data, part)
        kinds = [_adapter(kind, data) for kind in inner]
    return kinds


def keys_at(root: type[BaseModel], data: Any, path: Path) -> list[str]:
    """The keys that a block at that place may have."""
    models = [kind for kind in kinds_at(root, data, path) if is_model(kind)]
    return list(dict.fromkeys(field.alias or name for model in models for name, field in model.model_fields.items()))


def is_secret(root: type[BaseModel], data: Any, path: Path) -> bool:
    """Whether the value at that place is a secret, by its type or, where the model is not known, by its name."""
    if any(isinstance(kind, type) and issubclass(kind, SecretStr) for kind in kinds_at(root, data, path)):
        return True
    words = ("secret", "token", "password", "key")
    return bool(path) and isinstance(path[-1], str) and any(word in path[-1].lower() for word in words)


def step_into(data: Any, part: str | int) -> Any:
    """The value under a key or index, or None."""
    if isinstance(data, Mapping):
        return data.get(part)
    if isinstance(data, Sequence) and not isinstance(data, str) and isinstance(part, int) and 0 <= part < len(data):
        return data[part]
    return None


def is_model(kind: Any) -> bool:
    """Whether a type is a block of keys."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _adapter(kind: Any, data: Any) -> Any:
    stores, crms = registry.options_by_name()
    for base, key, known in ((StoreOptions, "platform", stores), (CrmOptions, "adapter", crms)):
        if kind is base:
            name = step_into(data, key)
            return known.get(name, kind) if isinstance(name, str) else kind
    return kind


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    if is_model(kind):
        for name, field in kind.model_fields.items():
            if part == (field.alias or name):
                yield from _leaves(field.annotation)
        return
    args = [arg for arg in get_args(kind) if arg is not Ellipsis]
    if get_origin(kind) in (tuple, list, set, frozenset, Sequence) and isinstance(part, int) and args:
        yield from _leaves(args[0])
    elif get_origin(kind) in (dict, Mapping) and len(args) == 2:
        yield from _leaves(args[1])


def _leaves(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _leaves(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for arg in get_args(annotation):
            yield from _leaves(arg)
    else:
        yield annotation
