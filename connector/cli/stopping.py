"""Ends a command in time that may be waiting for a dead server: what it was doing is in the outbox."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from connector.engine.context import log

T = TypeVar("T")
GRACE = 8.0  # seconds, as for the daemon


class StoppedError(Exception):
    """SIGINT or SIGTERM came. `code` is what a shell expects of a process that ended by it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def until_stopped(work: Callable[[threading.Event], T]) -> T:
    """What `work` returns, which is called in another thread. It should begin nothing more once the event is set.

    Raises StoppedError after SIGINT or SIGTERM, when it has ended or 8 s later: the process has to end then.
    """
    stop, woken = threading.Event(), threading.Event()
    with _heard(stop, woken) as numbers:
        future = ThreadPoolExecutor(1, "work").submit(work, stop)
        future.add_done_callback(lambda _: woken.set())
        woken.wait()
        if numbers and not future.done():
            name = signal.Signals(numbers[0]).name
            log.warning(
                "%s: stopping; what is still in flight in %.0f s is looked at again at the next start", name, GRACE
            )
            wait([future], timeout=GRACE)
        if numbers:
            raise StoppedError(numbers[0])
    return future.result()


@contextmanager
def _heard(stop: threading.Event, woken: threading.Event) -> Iterator[list[int]]:
    """The numbers of the signals that came."""
    numbers: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        numbers.append(number)
        stop.set()
        woken.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield numbers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
