"""A clock for tests that stands still until it is told to move."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Clock:
    """Called, it answers the time as aware UTC. Safe to share between threads."""

    def __init__(self, now: datetime = START) -> None:
        if now.tzinfo is None:
            raise ValueError("a clock needs an aware time")
        self._now = now.astimezone(UTC)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def advance(self, step: timedelta) -> datetime:
        """Moves the clock on by `step` and returns the new time."""
        if step < timedelta(0):
            raise ValueError("a clock does not run backwards; use set()")
        with self._lock:
            self._now += step
            return self._now

    def set(self, now: datetime) -> None:
        """Puts the clock to any time, also an earlier one."""
        if now.tzinfo is None:
            raise ValueError("a clock needs an aware time")
        with self._lock:
            self._now = now.astimezone(UTC)


class Machine:
    """The machine's clock: the true time, which the stores have, and by how much it is wrong."""

    def __init__(self, true: Clock) -> None:
        self.true, self.ahead = true, timedelta(0)

    def __call__(self) -> datetime:
        return self.true() + self.ahead
