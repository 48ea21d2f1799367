"""What is told on the screen: one line for each thing that a shopper did, winback decided, or a CRM received."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Who(StrEnum):
    """Who did it."""

    SHOPPER = "shopper"
    WINBACK = "winback"
    CRM = "crm"
    OUTSIDE = "outside"  # what befalls a store or a CRM


@dataclass(frozen=True)
class Line:
    """One line. `kind` is a state of a lead or what a CRM's contact would notice; it gives the line its colour."""

    at: datetime
    who: Who
    email: str
    place: str
    what: str
    kind: str = ""
    rule: str = ""


Tell = Callable[[Line], None]


class Lines:
    """Takes lines from any thread, and gives them out once."""

    def __init__(self) -> None:
        self._waiting: list[Line] = []
        self._lock = threading.Lock()

    def tell(self, line: Line) -> None:
        """Adds a line."""
        with self._lock:
            self._waiting.append(line)

    def take(self) -> Sequence[Line]:
        """What came since the last call, in the order of time."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return sorted(taken, key=lambda line: line.at)
