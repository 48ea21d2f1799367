"""The demo's clock: it runs many times faster than the wall's, so that a week passes in a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta


class Clock:
    """Called, it answers the simulated time as aware UTC. It stands still until `run`. Safe to share between threads.

    `speed` is how many simulated seconds pass in a real one; `elapsed` counts real seconds and never runs backwards.
    """

    def __init__(self, speed: float, now: datetime, elapsed: Callable[[], float] = time.monotonic) -> None:
        if now.tzinfo is None:
            raise ValueError("a clock needs an aware time")
        if speed <= 0:
            raise ValueError("a clock does not run backwards")
        self.speed = speed
        self.started_at = now
        self._elapsed = elapsed
        self._began: float | None = None

    def __call__(self) -> datetime:
        if self._began is None:
            return self.started_at
        return self.started_at + timedelta(seconds=(self._elapsed() - self._began) * self.speed)

    def jump(self, span: timedelta) -> None:
        """Moves a clock on that does not run yet."""
        if self._began is not None or span < timedelta(0):
            raise ValueError("a clock is put forward only before it runs")
        self.started_at += span

    def run(self) -> None:
        """Starts it, from the time that it shows."""
        self._began = self._elapsed()

    def real(self, span: timedelta) -> float:
        """The real seconds that a simulated span takes."""
        return span.total_seconds() / self.speed

    def day(self, at: datetime) -> str:
        """A simulated moment as the screen has it: `day 3 04:05`, counted from the start of the run."""
        minutes = int((at - self.started_at).total_seconds() // 60)
        return f"day {minutes // 1440 + 1} {minutes // 60 % 24:02d}:{minutes % 60:02d}"

    def in_words(self) -> str:
        """`1 second here is 3 hours`."""
        hours = self.speed / 3600
        return f"1 second here is {hours:g} {'hour' if hours == 1 else 'hours'}"
