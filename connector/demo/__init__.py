"""`winback demo`: sandbox stores and CRMs on loopback, shoppers, and the real daemon against them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.demo.screen import Screen
    from connector.demo.stage import Stage

REFRESH = 0.2  # real seconds
# Real seconds that a delivery may be under way: it has a handful of requests to make, each a few milliseconds.
IN_FLIGHT = 2.0


def run_demo(length: timedelta) -> int:
    """Runs for `length` (zero: until Ctrl-C), then prints the summary.

    Returns 0 where every check holds, 1 where one does not, and 128 plus the signal's number where a signal ended it.
    """
    from rich.console import Console

    from connector.demo.screen import open_screen, print_summary
    from connector.demo.stage import stage
    from connector.demo.summary import checks

    console = Console(highlight=False)
    with _until_signal() as stop, stage() as running:
        title = f"winback demo, {len(running.town.shops)} stores and {len(running.town.services)} CRMs"
        with open_screen(running.clock, title, console) as screen:
            _watch(running, screen, length, stop)
        rates = running.watch.capture_rates()
    effects = {each.title: each.sandbox.effects for each in running.town.services}
    in_flight = timedelta(seconds=IN_FLIGHT * running.clock.speed)
    found = checks(effects, running.town.ledger, in_flight, _troubles(running))
    print_summary(console, running.watch.counts, found, rates)
    if not all(check.holds for check in found):
        return 1
    return 128 + stop.number if stop.number else 0


class _Stop(threading.Event):
    """Set by SIGINT or SIGTERM."""

    number = 0


@contextmanager
def _until_signal() -> Iterator[_Stop]:
    """The first signal ends the demo in good order, the next one at once, and even then its folder goes."""
    stop = _Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, _: FrameType | None) -> None:
        stop.number = number
        stop.set()
        for each in before:
            signal.signal(each, signal.default_int_handler)  # SIGTERM's own leaves everything as it lies

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(running: Stage, screen: Screen, length: timedelta, stop: _Stop) -> None:
    ends = time.monotonic() + length.total_seconds() if length else float("inf")
    while not stop.is_set() and time.monotonic() < ends and running.players.error is None:
        stop.wait(max(0.0, min(REFRESH, ends - time.monotonic())))
        _forget_journals(running)
        running.watch.look()
        screen.show(running.lines.take(), running.watch.counts)


def _forget_journals(running: Stage) -> None:
    """Nobody reads them here, and a demo may run for days."""
    town = running.town
    for server in [*(shop.sandbox.server for shop in town.shops), *(crm.sandbox.server for crm in town.services)]:
        server.journal.clear()


def _troubles(running: Stage) -> Iterator[str]:
    if running.players.error is not None:
        error = running.players.error
        yield f"the shoppers stopped: {type(error).__name__}: {error}"
    if running.notes.errors:
        yield f"winback's log holds {running.notes.errors} errors"
