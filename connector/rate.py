"""What one account allows, and the bucket that keeps every request to it within that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """What one account allows: requests per second on average, at once in a burst, and connections in parallel."""

    per_second: float | None = None
    burst: int = 1
    connections: int = 4


class Bucket:
    """A token bucket with a place for each connection. One for each account, shared by every door to it."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._tokens, self._at = float(rate.burst), clock()
        self._busy = 0
        self._change = threading.Condition()

    def allow(self, rate: Rate) -> None:
        """From now on another rate: the owner changed it while we run."""
        with self._change:
            self._rate = rate
            self._tokens = min(self._tokens, float(rate.burst))
            self._change.notify_all()

    def take(self) -> None:
        """Waits for a connection and for the next token."""
        with self._change:
            self._change.wait_for(lambda: self._busy < max(1, self._rate.connections))
            self._busy += 1
            wait = self._book()
        if wait > 0:
            time.sleep(wait)

    def give_back(self) -> None:
        """Frees the connection."""
        with self._change:
            self._busy -= 1
            self._change.notify()

    def _book(self) -> float:
        """Takes a token, maybe one that is yet to come, and returns the seconds until it does."""
        per_second = self._rate.per_second
        if per_second is None:
            return 0.0
        now = self._clock()
        self._tokens = min(float(self._rate.burst), self._tokens + (now - self._at) * per_second) - 1
        self._at = now
        return -self._tokens / per_second
