"""One life of a client: a store, a CRM and the engine between them, from the first poll to the last tag taken off."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import yaml
from clock import Clock
from faults import HASTY, LASTS, Injector
from sqlalchemy import select

from connector import tables
from connector.config import load
from connector.db import Database, table
from connector.engine import hand, view
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.daemon import Daemon
from connector.engine.setup import apply_configuration
from connector.engine.sync import Report, sync
from connector.http import Http
from connector.model import ConsentState
from connector.options import CrmOptions, StoreOptions
from connector.rules import State
from crm.sandbox import activecampaign, klaviyo, mailchimp, omnisend
from platforms.sandbox import shopify, woocommerce

NEW, KNOWN, STAYS, BUYS = "nina@example.com", "kurt@example.com", "stan@example.com", "bea@example.com"
SHOPPERS = (NEW, KNOWN, STAYS, BUYS)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PASSES = (0, 12, 31)  # minutes after the beginning of a phase; more follow while something is not well
EVERY, LONGEST = 16, 720  # minutes: longer than any pause of an account, and how long a phase waits to be well again
IN_MEMORY = Path("/dev/shm")

STORES: dict[str, Callable[..., Any]] = {
    "Shopify": shopify.serve,
    "WooCommerce": woocommerce.serve,
    "WooCommerce, with the companion plugin": partial(woocommerce.serve, plugin=True),
}
# The same stores in lives whose only step carries a coupon.
COUPONS: dict[str, Callable[..., Any]] = {"Shopify, coupons": shopify.serve, "WooCommerce, coupons": woocommerce.serve}
WITH_COUPON = [{"after": "30m", "coupon": {"percent": 10, "expires_in": "72h"}}]
CRMS: dict[str, Callable[[Clock], Any]] = {
    "Klaviyo, by event": lambda clock: klaviyo.serve(clock=clock),
    "Klaviyo, by list": lambda clock: klaviyo.serve(clock=clock, by_list=True),
    "Mailchimp, by journey": lambda clock: mailchimp.serve(clock=clock),
    "Mailchimp, by tag": lambda clock: mailchimp.serve(clock=clock, path="tag"),
    "Mailchimp, by event": lambda clock: mailchimp.serve(clock=clock, path="event"),
    "Mailchimp, native cart": lambda clock: mailchimp.serve(clock=clock, path="native_cart"),
    "ActiveCampaign": lambda clock: activecampaign.serve(clock=clock),
    "Omnisend": lambda clock: omnisend.serve(clock=clock),
}


@cache
def _http() -> Http:
    """One TLS context for all lives: making it is slow."""
    return Http(timeouts=HASTY)


@cache
def _empty_database() -> Path:
    file = Path(tempfile.mkdtemp()) / "empty.db"
    Database(f"sqlite:///{file}").open().close()
    return file


class Lines(logging.Handler):
    """Every line that the engine logs, before any redaction."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        if record.exc_info:
            self.tracebacks.append(record.getMessage())


class Outage(Protocol):
    """Something that is out altogether, for two hours from the beginning of each phase."""

    def begin(self, life: Life) -> None: ...

    def end(self, life: Life) -> None: ...


@dataclass
class Watched:
    """What could be seen after one pass."""

    at: datetime
    errors: dict[str, str]
    paused: set[str]


@dataclass
class Life:
    """A running client `acme` with the store `shop` and the CRM `mail`."""

    folder: Path
    clock: Clock
    store: Any
    crm: Any
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    injector: Injector | None = None
    lines: Lines = field(default_factory=Lines)
    watched: list[Watched] = field(default_factory=list)
    alerted: set[str] = field(default_factory=set)
    before_erasure: dict[str, Any] = field(default_factory=dict)
    bought_at: dict[str, datetime] = field(default_factory=dict)
    http: Http = field(default_factory=_http)
    sequence: list[dict[str, Any]] = field(default_factory=list)
    outage: Outage | None = None
    daemon: Daemon | None = None
    _out: bool = False

    def __post_init__(self) -> None:
        self.url = f"sqlite:///{self.folder / 'winback.db'}"
        shutil.copy(_empty_database(), self.folder / "winback.db")
        self.open()

    def open(self) -> None:
        """Opens the engine over the database, as a start does."""
        quick = {"requests_per_second": 10_000}
        options = self.crm.options()
        fields = options.get("fields") or {"CART": "{{ product_name }}"}
        crm = {"id": "mail", **options, **quick, "tags": ["abandoned-cart"], "fields": fields}
        config = {
            "client": "acme",
            "stores": [{"id": "shop", **self.store.options(), **quick, **self.changes.get("shop", {})}],
            "crms": [{**crm, **self.changes.get("mail", {})}],
        }
        if self.sequence:
            config["sequence"] = self.sequence
        path = self.folder / "acme.yaml"
        path.write_text(yaml.safe_dump(config))
        loaded = load(path, {})
        clients = {each.client: Client.of(each) for each in loaded.clients}
        db = Database(self.url).open()
        self.ctx = Context(db, self.http, loaded.settings, self.clock, clients, alert=self._alerted)
        apply_configuration(self.ctx)
        self.accounts = Accounts(self.ctx)

    def _alerted(self, subject: str, message: str) -> None:
        self.alerted.add(subject.partition("/")[2])
        logging.getLogger("winback").error("%s: %s", subject, message)

    def reopen(self, **changes: dict[str, Any]) -> None:
        """Restarts the engine with other keys for `shop` or `mail`."""
        self.ctx.db.close()
        self.changes = changes
        self.open()

    def run_daemon(self) -> None:
        """From now on the real daemon does the passes, on the life's clock."""
        self.daemon = Daemon(self.ctx, tick=0.02)
        self.daemon.start()

    @property
    def client(self) -> Client:
        """Its configuration."""
        return self.ctx.clients["acme"]

    @property
    def options(self) -> tuple[StoreOptions, CrmOptions]:
        """Those of the store and of the CRM."""
        return self.client.config.stores[0], self.client.config.crms[0]

    def live(self) -> None:
        """All of it: enrolled, refreshed, bought, triggered again after seven days, erased, expired."""
        phases: tuple[tuple[str, timedelta, Callable[[], None]], ...] = (
            ("arrive", timedelta(0), self._arrive),
            ("return", timedelta(hours=30), self._return),
            ("buy", timedelta(hours=60), self._buy),
            ("revisit", timedelta(days=10), self._revisit),
            ("erase", timedelta(days=13), self._erase),
            ("expire", timedelta(days=95), lambda: None),
        )
        begun = self.clock()
        for name, at, act in phases:
            self.clock.set(begun + at)
            if self.injector:
                self.injector.phase = name
            for begin in (
                (act, self._break) if name == "erase" else (self._break, act)
            ):  # erasing says at once if it fails
                begin()
            self._settle()

    def _break(self) -> None:
        if self.outage:
            self._out = True
            self.outage.begin(self)

    def mend(self) -> None:
        """Ends the outage, if there is one."""
        if self._out and self.outage:
            self._out = False
            self.outage.end(self)

    def _arrive(self) -> None:
        self.checkouts = {email: self.store.abandon(email, consent=ConsentState.OPTED_IN) for email in SHOPPERS}
        self.look()
        self.clock.advance(timedelta(minutes=16))
        self._bought(BUYS)

    def _return(self) -> None:
        self.store.touch(self.checkouts[NEW], quantity=2)

    def _buy(self) -> None:
        self._bought(KNOWN)

    def _revisit(self) -> None:
        self.store.abandon(NEW, consent=ConsentState.OPTED_IN)

    def _erase(self) -> None:
        self.before_erasure = self.digest()
        hand.forget(self.ctx, self.client, NEW, crms=True)
        hand.forget(self.ctx, self.client, KNOWN, crms=True, permanently=True)

    def _bought(self, email: str) -> None:
        self.store.buy(checkout_id=self.checkouts[email])
        self.bought_at[email] = self.clock()

    def _settle(self) -> None:
        """Passes until nothing is outstanding and all is well, or until the phase's time is over."""
        begun = self.clock()
        for minutes in PASSES:
            self.clock.set(begun + minutes * MINUTE)
            report = self.look()
        while not self._well(report) and self.clock() - begun < LONGEST * MINUTE:
            self.clock.advance(EVERY * MINUTE)
            if self._out and self.clock() - begun >= LASTS:
                self.mend()
                self.look()  # what was under way when it ended may end with what it knew before
                self.clock.advance(EVERY * MINUTE)
            report = self.look()

    def look(self) -> Report:
        """One pass, and what could be seen after it."""
        if self.daemon is None:
            report = sync(self.ctx, self.accounts, sleep=None)
        else:
            report = Report()
            self._wait_for_daemon()
            if self._out:
                return report
        with self.ctx.db.read() as connection:
            rows = [connection.execute(select(table(each))).all() for each in (tables.Store, tables.Crm)]
        paused = {row.id for kind in rows for row in kind if row.paused} | self.alerted  # a store for its coupons only
        self.alerted = set()
        self.watched.append(Watched(self.clock(), dict(report.errors), paused))
        return report

    def _wait_for_daemon(self) -> None:
        """Until it has nothing left to do at this time of the clock; a moment only while the database is out."""
        begun = time.monotonic()
        while self.daemon and time.monotonic() - begun < (0.1 if self._out else 20):
            time.sleep(0.05)
            if not self._out and self.daemon.ran.get("poll", 0.0) > begun and not self._is_due():
                return

    def _is_due(self) -> bool:
        now, stores, deliveries = self.clock(), table(tables.Store), table(tables.Delivery)
        with self.ctx.db.read() as connection:
            polls = connection.execute(select(stores.c.next_poll_at)).scalars().all()
            crm = connection.execute(select(table(tables.Crm).c.retry_at)).scalar()
            rows = connection.execute(select(deliveries.c.state, deliveries.c.next_at)).all()
        if any(at is None or at <= now for at in polls) or any(state == "sending" for state, _ in rows):
            return True
        return (crm is None or crm <= now) and any(state == "pending" and at <= now for state, at in rows)

    def _well(self, report: Report) -> bool:
        if self._out:
            return False
        if report.errors or view.troubles(self.ctx) or (self.injector and self.injector.striking):
            return False
        unsettled = [state for state, _ in self.coupons() if state in ("making", "removing")]
        return not view.deliveries(self.ctx, self.client) and not unsettled

    def coupons(self) -> list[tuple[str, str]]:
        """The state of each coupon, and whose it is."""
        rows = table(tables.Coupon)
        with self.ctx.db.read() as connection:
            return sorted((row.state, row.shopper) for row in connection.execute(select(rows)))

    def digest(self) -> dict[str, Any]:
        """What the owner and the shoppers see now: it must not depend on any fault that has passed."""
        rows = view.leads(self.ctx, self.client)
        return {
            # A checkout that was bought before it was ever read never becomes a row.
            "leads": sorted(_told(row) for row in rows if row["state"] != State.SELF_RECOVERED),
            "outstanding": [f"{row['kind']}: {row['reason']}" for row in view.deliveries(self.ctx, self.client)],
            "troubles": view.troubles(self.ctx),
            "status": {each: self.crm.status(each) for each in SHOPPERS},
            "tags": {each: sorted(self.crm.tags(each)) for each in SHOPPERS},
            "fields": {each: self._fields(each) for each in SHOPPERS},
            "coupons": [state for state, _ in self.coupons()],
            "coupons in the store": len(self.store.coupons.all()),
            "coupons ever made": len(self.store.coupons.made_ever),
        }

    def _fields(self, email: str) -> dict[str, str]:
        """Without the port, which is another one in each life."""
        return {name: value.replace(self.store.server.url, "") for name, value in self.crm.fields(email).items()}


def _told(row: dict[str, Any]) -> tuple[str, ...]:
    # What comes after the colon names the order or the checkout, whichever was read first.
    return row["email"] or "", row["state"], row["rule"], row["reason"].partition(":")[0]


@contextmanager
def life(store: str, crm: str, *, store_clock: timedelta = timedelta(0), http: Http | None = None) -> Iterator[Life]:
    """A life that has not begun. `store_clock` is by how much the store's clock is fast."""
    clock = Clock()
    memory = str(IN_MEMORY) if IN_MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="winback-life-", dir=memory))
    servers = {**STORES, **COUPONS}[store](clock=lambda: clock() + store_clock), CRMS[crm](clock)
    if store in COUPONS:
        servers[0].allow_coupons()
    made = Life(folder, clock, *servers, http=http or _http(), sequence=WITH_COUPON if store in COUPONS else [])
    logger = logging.getLogger()
    logger.addHandler(made.lines)
    try:
        yield made
    finally:
        made.mend()
        logger.removeHandler(made.lines)
        if made.daemon:
            made.daemon.stop()
        made.ctx.db.close()
        made.http.close()  # the next sandbox may get the same port
        for each in servers:
            each.server.close()
        shutil.rmtree(folder, ignore_errors=True)
