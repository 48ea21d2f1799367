"""What is checked, file and environment together, and what of it may be shown in a message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from connector.config.places import Document
from connector.config.places import Path as Place
from connector.config.settings import PREFIX
from connector.config.shape import is_secret, step_into
from connector.config.substitute import Substitution
from connector.redact import redact


@dataclass(frozen=True, slots=True)
class Merged:
    """What is checked: the file's values, and over them those of the environment."""

    document: Document
    data: dict[str, Any]
    env: dict[str, Any]

    def in_env(self, place: Place) -> bool:
        """Whether the value there came from the environment."""
        value: Any = self.env
        for part in place:
            if not isinstance(value, dict) or part not in value:
                return False
            value = value[part]
        return bool(place) and (not isinstance(value, dict) or place not in self.document.lines)


class Cover:
    """Takes out of a message what must not be shown: secrets, and values that a reference brought."""

    def __init__(self, model: type[BaseModel], merged: Merged, substitution: Substitution) -> None:
        self._references = merged.document.references
        self._data, self._merged = merged.data, merged
        self._used = sorted(substitution.used.items(), key=lambda pair: -len(pair[0]))
        as_written = set(self._references.items())
        self._secrets = [
            value
            for place, value in leaves(merged.data)
            if (place, value) not in as_written and is_secret(model, merged.data, place)
        ]

    def __call__(self, text: str, place: Place) -> str:
        outside = place in self._references or self._merged.in_env(place)
        here = _at(self._data, place) if outside else None
        for value, reference in self._used:
            if len(value) >= 6 or (isinstance(here, str) and value in here):
                text = _replace(text, value, reference)
        for value in self._secrets:
            if len(value) >= 4:
                text = _replace(text, value, "***")
        return redact(" ".join(text.split()))


def _replace(text: str, value: str, shown: str) -> str:
    for form in {value, repr(value)[1:-1], value.strip().rstrip("/"), " ".join(value.split())}:
        # A short value may also stand in our own words, as 8484 does in 127.0.0.1:8484.
        pattern = re.escape(form) if len(form) >= 6 else rf"(?<![\w:.-]){re.escape(form)}(?!\w)"
        text = re.sub(pattern, lambda _: shown, text, flags=re.IGNORECASE) if form else text
    return text


def _at(data: Any, place: Place) -> Any:
    for part in place:
        data = step_into(data, part)
    return data


def leaves(data: Any, place: Place = ()) -> list[tuple[Place, str]]:
    """Every text and number with its place."""
    if isinstance(data, dict):
        return [leaf for key, value in data.items() for leaf in leaves(value, (*place, key))]
    if isinstance(data, list):
        return [leaf for index, value in enumerate(data) for leaf in leaves(value, (*place, index))]
    return [] if data is None or isinstance(data, bool) else [(place, str(data))]


def overlay(below: Any, above: Any) -> Any:
    """One tree of values with another over it."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: overlay(below.get(key), value) for key, value in above.items()}
    return above


def variable(place: Place) -> str:
    """The environment variable of a setting."""
    return PREFIX + "__".join(str(part).upper() for part in place)
