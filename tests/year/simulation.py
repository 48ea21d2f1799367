"""One year, or less of it: sets everything up, plays it, and judges it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from clock import START
from year.shoppers import plan_shoppers
from year.town import Town
from year.troubles import plan_troubles
from year.verdict import Promise, counts, judge

AFTERWARDS = timedelta(days=12)  # until the last step, and the last coupon, is over
Story = Iterator[timedelta]


@dataclass
class Year:
    """What came of it."""

    promises: list[Promise]
    counts: Counter[str]


def simulate(seed: int, checkouts: int, length: timedelta, beat: timedelta, trouble_every: timedelta) -> Year:
    """Plays so many checkouts in so much simulated time. The same numbers give the same year."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="winback-year-")))
        town = Town(folder, beat, stack)
        end = START + length + AFTERWARDS
        plan_shoppers(town, seed, checkouts, START + beat, length - timedelta(days=1))
        plan_troubles(town, seed, START, length, trouble_every)
        town.plan(START + timedelta(days=29, seconds=11), _keep_outcomes(town))
        town.play(end)
        town.clock.set(end)
        town.look()
        town.keep_outcomes()
        return Year(judge(town, START.date()), counts(town))


def _keep_outcomes(town: Town) -> Story:
    while True:
        town.keep_outcomes()
        yield timedelta(days=29)
