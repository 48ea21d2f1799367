"""How many requests are taken, for each key and each address: a bucket that refuses, and says when to come back."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from connector.http import Rate

MOST = 20_000  # buckets that are kept; the ones not used for the longest time go


class Limiter:
    """Buckets by any name. Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait(self, name: Hashable, rate: Rate) -> float:
        """Takes one from the bucket; 0 where there was one, else the seconds until there is."""
        if rate.per_second is None:
            return 0.0
        with self._lock:
            now = self._clock()
            tokens, at = self._buckets.pop(name, (float(rate.burst), now))
            tokens = min(float(rate.burst), tokens + (now - at) * rate.per_second)
            short = 1 - tokens
            self._buckets[name] = (tokens if short > 0 else tokens - 1, now)
            while len(self._buckets) > MOST:
                self._buckets.popitem(last=False)
        return short / rate.per_second if short > 0 else 0.0
