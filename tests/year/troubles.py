"""What befalls stores, CRMs, the engine and its configuration in the course of the year."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from year.town import FIRST, Town

from connector.sandbox import Fault, Request

Story = Iterator[timedelta]
HOUR = timedelta(hours=1)


def fails(town: Town, name: str, length: timedelta, wanted: Callable[[Request], bool] = lambda request: True) -> Story:
    """A store or a CRM is down; its other requests go on."""
    town.set_down(name, wanted)
    yield length
    town.set_down(name, None)


def _is_orders(request: Request) -> bool:
    return b"rders(" in request.body or request.param("status") == "any"


def loses_an_answer(town: Town, name: str) -> Story:
    """The CRM did it, and nobody heard."""
    town.once(name, lambda: Fault(reset=True, after_effect=True))
    yield timedelta(0)


def dies(town: Town, name: str, after_effect: bool) -> Story:
    """The engine is killed while a CRM takes a step, or a store makes a coupon."""
    town.once(name, lambda: town.kill(after_effect=after_effect))
    yield timedelta(0)


def restarts(town: Town) -> Story:
    """An update, say."""
    town.restart()
    yield timedelta(0)


def edits(town: Town) -> Story:
    """The sequence, the hold-out and the CRMs change, and change back."""
    town.edit((FIRST[0], timedelta(hours=20), timedelta(hours=60)))
    yield 40 * HOUR
    town.edit(FIRST)
    yield 5 * HOUR
    town.edit(holdout=0.3)
    yield 60 * HOUR
    town.edit(holdout=0.1)
    yield 9 * HOUR
    town.edit(crms=("mail",))
    yield 30 * HOUR
    town.edit(crms=("mail", "crm"))


def plan_troubles(town: Town, seed: int, start: datetime, length: timedelta, every: timedelta) -> None:
    """One trouble after the other, in turn, each some time after the one before."""
    chance, at, turn = random.Random(seed), start, 0
    kinds: list[Callable[[], Story]] = [
        lambda: fails(town, "woo", 7 * HOUR),
        lambda: loses_an_answer(town, "crm"),
        lambda: edits(town),
        lambda: dies(town, "mail", after_effect=True),
        lambda: fails(town, "shop", 5 * HOUR, _is_orders),
        lambda: fails(town, "mail", 9 * HOUR),
        lambda: dies(town, "crm", after_effect=True),
        lambda: dies(town, "woo", after_effect=True),
        lambda: restarts(town),
        lambda: fails(town, "crm", 30 * HOUR),
        lambda: dies(town, "crm", after_effect=False),
        lambda: fails(town, "woo", 3 * HOUR, _is_orders),
        lambda: loses_an_answer(town, "mail"),
        lambda: dies(town, "shop", after_effect=True),
        lambda: fails(town, "shop", 50 * HOUR),
        lambda: dies(town, "mail", after_effect=False),
    ]  # fmt: skip
    while (at := at + every * chance.uniform(0.7, 1.3)) < start + length:
        town.plan(at.replace(second=31, microsecond=0), kinds[turn % len(kinds)]())
        turn += 1
