"""Turns winback's own story and the CRMs' effects into lines, and counts them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select

from connector import tables
from connector.db import table
from connector.demo.lines import Line, Tell, Who
from connector.engine.capture import capture_rate
from connector.engine.context import Context
from connector.log import clean
from connector.rules import State
from connector.sandbox import Clock, Effect

EVENTS = table(tables.Event)
# Every lead waits for the next read of the orders. Only where that takes long is it news.
LONG_HOLD = timedelta(hours=2)
STATES = frozenset(State)


class Watch:
    """Looks at the tables and at the CRMs whenever it is asked to, and tells what is new."""

    def __init__(
        self, ctx: Context, client: str, stores: Mapping[str, str], effects: Mapping[str, Sequence[Effect]], tell: Tell
    ) -> None:
        self._ctx, self._client, self._stores, self._effects, self._tell = ctx, client, stores, effects, tell
        self._last_event = 0
        self._told = dict.fromkeys(effects, 0)
        self._emails: dict[str, str] = {}
        self._holds: dict[tuple[str, str], Line] = {}
        self._enrolled: set[tuple[str, str]] = set()
        self.counts: Counter[str] = Counter()

    def know(self, email: str) -> None:
        """The tables hold no address in a story, so the demo has to know who is behind the hash."""
        self._emails[self._ctx.shopper(self._client, email)[0]] = email

    def look(self) -> None:
        """Tells what is new."""
        for row in self._new_events():
            self._event(row)
        now = self._ctx.clock()
        for checkout, hold in list(self._holds.items()):
            if now - hold.at >= LONG_HOLD:
                del self._holds[checkout]
                self._count_and_tell(replace(hold, at=now))
        for place, effects in self._effects.items():
            for effect in effects[self._told[place] :]:
                self._told[place] += 1
                self.counts[f"crm {effect.what}"] += 1
                self._tell(Line(effect.at, Who.CRM, effect.email, place, effect.what, effect.what))

    def capture_rates(self) -> list[str]:
        """How many checkouts were started in each store that counts them, and of how many the address is known."""
        since = self._ctx.clock() - timedelta(days=30)
        found = []
        with self._ctx.db.read() as connection:
            for store, title in self._stores.items():
                capture = capture_rate(connection, self._client, store, since)
                if capture.started is not None:
                    found.append(f"{title}: {capture.contactable} with an address of {capture.started} started")
        return found

    def _new_events(self) -> Sequence[Row[Any]]:
        with self._ctx.db.read() as connection:
            rows = connection.execute(select(EVENTS).where(EVENTS.c.id > self._last_event).order_by(EVENTS.c.id)).all()
        if rows:
            self._last_event = rows[-1].id
        return rows

    def _event(self, row: Row[Any]) -> None:
        here = (row.store, row.checkout_id)
        line = self._line(row)
        self._holds.pop(here, None)
        if line.kind == State.HELD:
            self._holds[here] = line
        elif line.kind == State.ENROLLED:
            if here not in self._enrolled:  # told once, however many CRMs there are
                self._enrolled.add(here)
                self._count_and_tell(line)
        elif line.kind:
            self._count_and_tell(line)

    def _count_and_tell(self, line: Line) -> None:
        self.counts[line.kind] += 1
        self._tell(line)

    def _line(self, row: Row[Any]) -> Line:
        kind, what, rule = _meaning(row.what)
        email, place = self._emails.get(row.shopper, ""), self._stores.get(row.store, row.store)
        return Line(row.at, Who.WINBACK, email, place, what, kind, rule or row.rule)


def _meaning(what: str) -> tuple[str, str, str]:
    """(kind, words, rule) of a line of winback's story; no kind for what the CRMs' own column says better."""
    head, _, reason = what.partition(": ")
    if head in STATES:
        return head, reason, ""
    if what == "lead made":
        return "lead", "abandoned, and nothing bought since", "R4"
    if what.startswith("lead updated"):
        return "refreshed", "newer activity: fields only, nothing is triggered", "R6"
    if "delivered to" in what:
        return State.ENROLLED, "the campaign has started", ""
    return "", what, ""


class Notes(logging.Handler):
    """Tells what the log would say: nothing may write across the screen. Errors are counted."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._clock, self._tell = clock, tell
        self.errors = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One line, with the exception's own words."""
        error = record.exc_info[1] if record.exc_info else None
        words = record.getMessage() + (f" ({type(error).__name__}: {error})" if error else "")
        is_error = record.levelno >= logging.ERROR
        self.errors += is_error
        self._tell(Line(self._clock(), Who.OUTSIDE, "", "log", clean(words), "error" if is_error else "note"))
