"""What is wrong with a configuration: one line for each problem, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.errors import ConfigError

if TYPE_CHECKING:
    from connector.config.watch import Watch


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `file` is the file's name, or `environment`; `line` counts from 1 and is 0 where there is none."""

    file: str
    line: int
    key: str
    message: str

    def __post_init__(self) -> None:
        for name in ("file", "key", "message"):
            object.__setattr__(self, name, _printable(getattr(self, name)))

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


def _printable(text: str) -> str:
    # A file may hold escape sequences that a terminal obeys, and halves of characters that cannot be written at all.
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class ConfigProblems(ConfigError):  # noqa: N818 - many at once
    """The configuration cannot be used. Its text is one line per problem.

    `watch` tells when the files have changed since, so that nobody reads a broken file again every two seconds.
    """

    def __init__(self, problems: Iterable[Problem], watch: Watch | None = None) -> None:
        self.problems = tuple(problems)
        self.watch = watch
        super().__init__("\n".join(map(str, self.problems)))
