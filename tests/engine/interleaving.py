"""Every order in which the events of one shopper can come, played through the real engine.

A poll and a delivery are two threads that stop at named points, so that everything else may happen in between: a poll
before the orders are asked for (Q) and before their page is stored (p), a delivery between its last look at the rules
and the effect in the CRM (d). The store and the CRM are adapters over plain lists: what is tried here is the order of
events, not the wire.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Literal

from clock import START, Clock
from sqlalchemy import delete
from sqlmodel import SQLModel

from connector.config.model import ClientConfig
from connector.config.settings import Settings
from connector.db import Database
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.decide import decide_client
from connector.engine.deliver import Outbox, work
from connector.engine.poll import poll_store
from connector.engine.setup import apply_configuration
from connector.http import Http, Rate
from connector.model import Checkout, Customer, Enrolment, Health, Identity, Money, Order, Page, Receipt, Withdrawal
from connector.registry import CRMS, PLATFORMS, Cap, CrmOptions, StoreOptions

ANN = "ann@example.com"
LATER = timedelta(minutes=12)  # T: long enough for a checkout to become abandoned
MOMENT = timedelta(seconds=1)  # every other event
EVENTS = ("C1", "O1", "X1", "C2", "O2", "T", "P", "Q", "p", "D", "d")  # in the order in which equal ones are listed
AT_THE_STORE = ("C1", "O1", "X1", "C2", "O2")
Stop = Callable[[str], None]


@dataclass
class Shop:
    """The truth: what the store has, and what the CRM did, with the number of the event."""

    clock: Clock
    checkouts: dict[str, Checkout] = field(default_factory=dict)
    started: dict[str, datetime] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)  # checkouts that a poll was told of
    orders: dict[str, Order] = field(default_factory=dict)
    effects: list[tuple[int, str, str]] = field(default_factory=list)  # when, what, of which checkout

    def begin(self, number: str) -> None:
        """C: a checkout with Ann's address."""
        now = self.clock()
        who = Customer(ANN)
        self.started[f"c{number}"] = now
        self.checkouts[number] = Checkout(
            f"c{number}", "open", now, now, now, who, Money(Decimal(10), "EUR"), tokens=(f"t{number}",)
        )

    def order(self, number: str) -> None:
        """O: the first is matched by its token only, the second by the address only."""
        now = self.clock()
        who, tokens = (Customer("b@example.com"), ("t1",)) if number == "1" else (Customer(ANN), ())
        total = Money(Decimal(10), "EUR")
        self.orders[number] = Order(f"o{number}", "paid", True, now, now, who, total, placed_at=now, tokens=tokens)
        if number == "1":
            self.checkouts.pop(number, None)

    def cancel(self, number: str) -> None:
        """X: the order is no purchase any more."""
        now = self.clock()
        order = self.orders[number]
        self.orders[number] = replace(order, status="cancelled", purchase=False, modified_at=now, cancelled_at=now)


@dataclass
class Poll:
    """A read of the orders: the event at which it asked, what it was told, and the event at which that was stored."""

    asked: int
    orders: dict[str, Order]
    stored: int = 10**9


class Ground:
    """What lives use one after the other: the database, emptied in between, and the HTTP door, which is never used."""

    def __init__(self, url: str) -> None:
        self.db, self.http = Database(url).open(), Http()

    def clear(self) -> None:
        """Leaves the tables as they are in a new database."""
        with self.db.write() as connection:
            for each in SQLModel.metadata.sorted_tables:
                if each.name != "settings":
                    connection.execute(delete(each))

    def close(self) -> None:
        """Frees both."""
        self.db.close()
        self.http.close()


class ShopOptions(StoreOptions):
    platform: Literal["rehearsal-shop"]


class PostOptions(CrmOptions):
    adapter: Literal["rehearsal-post"]


class Rehearsal:
    """One life of the engine, driven event by event."""

    def __init__(self, ground: Ground) -> None:
        self.clock = Clock(START)
        self.shop = Shop(self.clock)
        self.played = 0
        self.times: list[datetime] = [START]  # of each event played
        self.polls: list[Poll] = []
        self.claimed: list[int] = []
        self._threads: dict[str, _Halting] = {}
        with _adapters(self):
            self.client = Client.of(ClientConfig.model_validate(CONFIG))
            self.ctx = Context(ground.db, ground.http, Settings(), self.clock, {"acme": self.client})
            self.accounts, self.outbox = Accounts(self.ctx), Outbox()
            apply_configuration(self.ctx)
            self.accounts.store(self.client, self.client.config.stores[0])
            self.accounts.crm(self.client, self.client.config.crms[0])

    def play(self, events: Sequence[str]) -> None:
        """Plays the events, and then lets the daemon go on for a while in peace."""
        self._halts = ("Q", "p") if "Q" in events else ("p",)
        poll = ("P", *self._halts)
        for event in (*events, *poll, "D", "d", "T", *poll, "D", "d", "D", "d"):
            self.played += 1
            self._one(event)
            self.times.append(self.clock())

    def _one(self, event: str) -> None:
        self.clock.advance(LATER if event == "T" else MOMENT)
        if event in AT_THE_STORE:
            {"C": self.shop.begin, "O": self.shop.order, "X": self.shop.cancel}[event[0]](event[1])
        elif event == "P":
            self._threads["P"] = _Halting(self._poll, self._halts)
        elif event == "D":
            self.claimed.append(self.played)
            self._threads["D"] = _Halting(self._deliver, ("d",))
        elif event in ("Q", "p"):
            self._threads["P"].go_to(event)
        elif event == "d":
            self._threads["D"].go_to(event)

    def _poll(self, stop: Stop) -> None:
        _AT.stop = stop
        polled = poll_store(self.ctx, self.accounts, self.client, "shop")
        assert not polled.error, polled.error
        decide_client(self.ctx, self.client, self.ctx.clock())
        self.polls[-1].stored = self.played

    def _deliver(self, stop: Stop) -> None:
        _AT.stop = stop
        done = work(self.ctx, self.accounts, self.outbox, self.client, "post")
        assert not done.error, done.error


class _At(threading.local):
    stop: Stop


_AT = _At()


class _Halting:
    """A thread that stops at named points until it is told to go past them."""

    def __init__(self, job: Callable[[Stop], None], points: Sequence[str]) -> None:
        self._gates = {point: threading.Event() for point in points}
        self._quiet = threading.Event()
        self._error: BaseException | None = None
        self._last = points[-1]
        self._thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()
        self._wait()

    def _run(self, job: Callable[[Stop], None]) -> None:
        try:
            job(self._halt)
        except BaseException as error:
            self._error = error
        self._quiet.set()

    def _halt(self, point: str) -> None:
        if point in self._gates:
            self._quiet.set()
            assert self._gates[point].wait(20)

    def go_to(self, point: str) -> None:
        """Opens a gate, and returns when the thread stands at the next one or has ended."""
        self._quiet.clear()
        self._gates[point].set()
        if point == self._last:
            self._thread.join(20)
            assert not self._thread.is_alive()
        elif self._thread.is_alive():
            self._wait()
        if self._error:
            raise self._error

    def _wait(self) -> None:
        while not self._quiet.wait(0.05):
            assert self._thread.is_alive() or self._quiet.is_set()
        if self._error:
            raise self._error


CONFIG: dict[str, Any] = {
    "client": "acme",
    "stores": [{"id": "shop", "platform": "rehearsal-shop", "poll_every": "10m"}],
    "crms": [{"id": "post", "adapter": "rehearsal-post", "tags": ["cart"]}],
    "leads": {"abandoned_after": "10m"},
}


@contextmanager
def _adapters(life: Rehearsal) -> Iterator[None]:
    """The store and the CRM of one life, on the registry's lists until it has opened them."""

    class RehearsalShop:
        name: ClassVar[str] = "rehearsal-shop"
        title: ClassVar[str] = "Rehearsal shop"
        capabilities: ClassVar[frozenset[Cap]] = frozenset({Cap.CHECKOUTS, Cap.ORDERS})
        rate: ClassVar[Rate] = Rate()
        Options: ClassVar[type[StoreOptions]] = ShopOptions

        def __init__(self, options: ShopOptions, http: Http) -> None: ...

        def check(self) -> Health:
            return Health(Identity("shop"))

        def checkouts(self, cursor: str | None, since: datetime) -> Iterator[Page[Checkout]]:
            life.shop.seen |= {each.id for each in life.shop.checkouts.values()}
            yield Page(tuple(life.shop.checkouts.values()), "", life.clock())

        def orders(self, cursor: str | None, since: datetime) -> Iterator[Page[Order]]:
            _AT.stop("Q")
            found = dict(life.shop.orders)
            life.polls.append(Poll(life.played, found))
            _AT.stop("p")
            yield Page(tuple(found.values()), "", life.clock())

    class RehearsalPost:
        name: ClassVar[str] = "rehearsal-post"
        title: ClassVar[str] = "Rehearsal post"
        capabilities: ClassVar[frozenset[Cap]] = frozenset({Cap.TAGS, Cap.FIELDS})
        rate: ClassVar[Rate] = Rate()
        batch: ClassVar[int] = 1
        exit_condition: ClassVar[str] = "Nothing"
        repeats: ClassVar[str] = ""
        Options: ClassVar[type[CrmOptions]] = PostOptions

        def __init__(self, options: PostOptions, http: Http) -> None: ...

        def check(self) -> Health:
            return Health(Identity("post"))

        def prepare(self, fields: Sequence[str], tags: Sequence[str]) -> None: ...

        def enrol(self, enrolment: Enrolment) -> Receipt:
            _AT.stop("d")
            life.shop.effects.append((life.played, "enrolled", enrolment.checkout.id))
            return Receipt()

        def enrol_many(self, enrolments: Sequence[Enrolment]) -> Sequence[Receipt]:
            return [self.enrol(each) for each in enrolments]

        def refresh(self, enrolment: Enrolment) -> Receipt:
            return Receipt()

        def withdraw(self, withdrawal: Withdrawal) -> None:
            life.shop.effects.append((life.played, "withdrawn", withdrawal.checkout_id))

        def forget(self, email: str, *, permanently: bool) -> None: ...

    PLATFORMS["rehearsal-shop"], CRMS["rehearsal-post"] = RehearsalShop, RehearsalPost
    try:
        yield
    finally:
        del PLATFORMS["rehearsal-shop"], CRMS["rehearsal-post"]


def orders_of(chains: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Every interleaving of the chains; of those that differ only by two neighbours that cannot meet, one."""
    places = [0] * len(chains)
    row: list[str] = []

    def go_on() -> Iterator[tuple[str, ...]]:
        if len(row) == sum(map(len, chains)):
            yield tuple(row)
        for number, chain in enumerate(chains):
            if places[number] < len(chain) and not _has_a_twin(row, chain[places[number]]):
                row.append(chain[places[number]])
                places[number] += 1
                yield from go_on()
                places[number] -= 1
                row.pop()

    return go_on()


def _has_a_twin(row: Sequence[str], event: str) -> bool:
    for before in reversed(row):
        if not _strangers(before, event):
            return False
        if EVENTS.index(before) > EVENTS.index(event):
            return True
    return False


def _strangers(one: str, other: str) -> bool:
    """Whether two neighbours may change places without anybody noticing."""
    at_store = one in AT_THE_STORE, other in AT_THE_STORE
    if "T" in (one, other) or not any(at_store):
        return False
    if all(at_store):
        return one[1] != other[1]
    return (other if at_store[0] else one) in ("p", "D", "d")  # the store is looked at in P and Q only


def play(ground: Ground, events: Sequence[str]) -> Rehearsal:
    """One life, ended."""
    ground.clear()
    life = Rehearsal(ground)
    life.play(events)
    return life
