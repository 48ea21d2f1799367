"""What the sandboxes themselves saw: who started a checkout, who bought, and when a store had shown the purchase.

Nothing here asks winback: it is what winback is judged by.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.sandbox import Clock, Reply, Request, Server

ABANDONED_AFTER = timedelta(minutes=30)  # the default, which the demo keeps
TRUNCATED = timedelta(seconds=1)  # stores give times in whole seconds


@dataclass
class Purchase:
    """A purchase. `known_at` is when winback came back to the store after it had been shown the order.

    `heard` says whether winback had asked that store anything between the end of the abandonment time and the purchase:
    where it had not, no read of the orders can have allowed an enrolment.
    """

    email: str
    at: datetime
    order_id: str
    heard: bool
    known_at: datetime | None = None


@dataclass(frozen=True)
class Start:
    """A shopper starts a checkout."""

    email: str
    at: datetime


@dataclass
class Ledger:
    """What really happened, in order."""

    starts: list[Start] = field(default_factory=list)
    purchases: list[Purchase] = field(default_factory=list)


class Doorway:
    """Stands between winback and one sandbox store, and changes nothing."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self._clock, self._answer = clock, server.handler
        self._asked_at: datetime | None = None
        self._unseen: list[Purchase] = []
        self._shown: list[Purchase] = []
        self._lock = threading.Lock()
        server.handler = self._watch

    def sell(self, email: str, due: datetime, buy: Callable[[], str]) -> Purchase:
        """Lets a shopper buy. `due` is when the checkout is abandoned at the earliest."""
        with self._lock:
            at = self._clock()
            order_id = buy()
            heard = self._asked_at is not None and self._asked_at >= due - TRUNCATED
            purchase = Purchase(email, at, order_id, heard)
            self._unseen.append(purchase)
        return purchase

    def _watch(self, request: Request) -> Reply:
        asked_at = self._clock()
        with self._lock:
            self._asked_at = asked_at
            for purchase in self._shown:  # one request after the other: what was shown before is stored by now
                purchase.known_at = asked_at
            self._shown = []
        reply = self._answer(request)
        with self._lock:
            self._note(asked_at, reply)
        return reply

    def _note(self, asked_at: datetime, reply: Reply) -> None:
        if not self._unseen or reply.status != 200:
            return
        text = reply.payload().decode("utf-8", "replace")
        for purchase in list(self._unseen):
            if purchase.at <= asked_at and re.search(rf"(?<!\d){re.escape(purchase.order_id)}(?!\d)", text):
                self._unseen.remove(purchase)
                self._shown.append(purchase)
