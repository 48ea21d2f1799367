"""Two stores and two CRMs on loopback, the engine in a process of its own, and the virtual clock of all of them."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from clock import START, Clock
from year.ledger import CLIENT, Edition, Ledger
from year.process import Killed, Process

from connector.sandbox import Fault, Reply, Request, Server
from crm.sandbox import activecampaign, klaviyo
from platforms.sandbox import shopify, woocommerce

FAST = 100_000  # requests a second: the vendors' limits count real seconds
# With a time to wait, as servers under maintenance send it: without one, the same is asked again at once.
DOWN = Fault(reply=Reply(503, {"message": "down for maintenance"}, {"Retry-After": "600"}))
LISTED_AFTER = timedelta(minutes=10, seconds=1)  # Shopify
FIRST = (timedelta(minutes=45), timedelta(hours=24), timedelta(hours=72))
Story = Iterator[timedelta]


class Town:
    """Everything there is. `beat` is how often the engine looks, while there is anything to be seen."""

    def __init__(self, folder: Path, beat: timedelta, stack: ExitStack) -> None:
        self.folder, self.beat = folder, beat
        self.clock, self.ledger = Clock(START), Ledger()
        self.woo = woocommerce.serve(clock=self.clock, keep_journal=False)
        self.shop = shopify.serve(clock=self.clock, keep_journal=False)
        self.stores: dict[str, Any] = {"woo": self.woo, "shop": self.shop}
        self.crms: dict[str, Any] = {
            "mail": klaviyo.serve(clock=self.clock, keep_journal=False),
            "crm": activecampaign.serve(clock=self.clock),
        }
        self.passes, self.kills, self.alerts = 0, 0, list[str]()
        self.editions: dict[int, Edition] = {}
        self.outcomes: dict[tuple[str, str, str, int], dict[str, Any]] = {}  # by CRM, store, checkout and step
        self._heard: set[str] = set()
        self._agenda: list[tuple[datetime, int, Story]] = []
        self._order = itertools.count()
        self._wakes: list[datetime] = []
        for sandbox in (*self.stores.values(), *self.crms.values()):
            stack.callback(sandbox.server.close)
        for name, sandbox in self.stores.items():
            self._watch_store(name, sandbox.server)
        for name, sandbox in self.crms.items():
            self._watch_crm(name, sandbox)
        self.edit(FIRST, tuple(self.crms), 0.1, running=False)
        self.process = Process(self._config, folder, START)
        stack.callback(self.process.close)

    # The owner

    @property
    def _config(self) -> Path:
        return self.folder / "acme.yaml"

    def edit(
        self,
        afters: tuple[timedelta, ...] | None = None,
        crms: tuple[str, ...] | None = None,
        holdout: float | None = None,
        *,
        running: bool = True,
    ) -> None:
        """The owner edits the file, and the engine takes it up while it runs."""
        if self.editions:
            last = self.edition
            afters, crms = afters or last.afters, crms or last.crms
            holdout = last.holdout if holdout is None else holdout
        assert afters
        assert crms
        assert holdout is not None
        self.edition = Edition(len(self.editions), afters, crms, holdout)
        self.editions[self.edition.version] = self.edition
        self._config.write_text(yaml.safe_dump(self._written(self.edition)))
        if running:
            self.process.ask("configure", self.clock())

    def _written(self, edition: Edition) -> dict[str, Any]:
        stores = {
            "woo": {**self.woo.options(), "requests_per_second": FAST},
            "shop": {**self.shop.options(), "requests_per_second": FAST},
        }
        subscribing = {"requests_per_second": FAST, "subscribe": "eligible"}
        steps: list[dict[str, Any]] = [
            {"after": f"{int(after.total_seconds())}s", "fields": {"STEP": f"{number}"}}
            for number, after in enumerate(edition.afters)
        ]
        return {
            "client": CLIENT,
            "stores": [{"id": name, **options} for name, options in stores.items()],
            "leads": {"holdout": f"{edition.holdout:.0%}"},
            "sequence": steps,
            "crms": [{"id": name, **self.crms[name].options(), **subscribing} for name in edition.crms],
        }

    # What the doors see

    def _watch_store(self, name: str, server: Server) -> None:
        inner, lock = server.handler, threading.Lock()
        see = self._see_shopify if name == "shop" else self._see_woocommerce

        def handle(request: Request) -> Reply:
            reply = inner(request)
            if reply.status == 200:
                with lock:
                    see(request, json.loads(reply.payload() or b"null"))
            return reply

        server.handler = handle

    def _see_woocommerce(self, request: Request, body: Any) -> None:
        if not request.path.rstrip("/").endswith("/wc/v3/orders"):
            return
        asked = request.param("status")
        if not request.param("modified_after"):
            return  # a look whether the key works
        for row in body:
            if asked == "any" and row["status"] != "checkout-draft":
                self.ledger.shows_order("woo", str(row["id"]))
            elif "checkout-draft" in asked:
                self.ledger.shows_cart("woo", str(row["id"]), self.clock())
        if asked == "any":
            self._heard.add("woo")

    def _see_shopify(self, _: Request, body: Any) -> None:
        data = body.get("data") or {}
        for node in (data.get("abandonedCheckouts") or {}).get("nodes") or ():
            self.ledger.shows_cart("shop", node["id"], self.clock())
        for node in (data.get("orders") or {}).get("nodes") or ():
            self.ledger.shows_order("shop", node["id"])
        if "orders" in data:
            self._heard.add("shop")

    def _watch_crm(self, name: str, sandbox: Any) -> None:
        inner, lock, seen = sandbox.server.handler, threading.Lock(), 0

        def handle(request: Request) -> Reply:
            nonlocal seen
            reply: Reply = inner(request)
            with lock:
                if request.method != "GET" and b"@" in request.body:
                    self._note_addresses(name, request.body.decode())
                fresh, seen = sandbox.effects[seen:], len(sandbox.effects)
                for effect in fresh:
                    if effect.what == "enrolled":
                        known = sandbox.fields(effect.email)
                        step, code = int(known["STEP"]), known.get("CODE", "")
                        self.ledger.starts_step(effect.at, name, effect.email, step, code)
            return reply

        sandbox.server.handler = handle

    def _note_addresses(self, crm: str, text: str) -> None:
        self.ledger.heard_of[crm].update(word for word in text.replace("\\", '"').split('"') if "@" in word)

    # Time

    def plan(self, at: datetime, story: Story) -> None:
        """A story goes on at that time."""
        heapq.heappush(self._agenda, (at, next(self._order), story))

    def wake(self, at: datetime) -> None:
        """There is something to be seen from then on."""
        heapq.heappush(self._wakes, at)

    def play(self, until: datetime) -> None:
        """Jumps from event to event: to what shoppers and the world do, and to what the engine has to look at."""
        while True:
            story_at = self._agenda[0][0] if self._agenda else until
            wake_at = self._on_beat(self._wakes[0]) if self._wakes else until
            if min(story_at, wake_at) >= until:
                return
            if story_at < wake_at:
                self._go_on()
            else:
                while self._wakes and self._wakes[0] <= wake_at:
                    heapq.heappop(self._wakes)
                self.clock.set(wake_at)
                self.look()

    def _on_beat(self, at: datetime) -> datetime:
        beats = -((START - max(at, self.clock())) // self.beat)
        found = START + beats * self.beat
        return found if found > self.clock() else found + self.beat

    def _go_on(self) -> None:
        at, _, story = heapq.heappop(self._agenda)
        self.clock.set(at)
        pause = next(story, None)
        self.wake(at)
        self.wake(at + LISTED_AFTER)
        if pause is not None:
            self.plan(at + pause, story)

    def look(self) -> None:
        """A pass of the engine. One that is killed is followed by another process's."""
        now = self.clock()
        self._heard.clear()
        while True:
            try:
                told = self.process.ask("pass", now)
                break
            except Killed:
                self.kills += 1
                self.process.start(now)
        self.passes += 1
        self.alerts += told["alerts"]
        self.ledger.passed(now, self._heard, tuple(self.stores), self.edition)
        if told["next"] is not None:
            self.wake(datetime.fromisoformat(told["next"]))

    # Trouble

    def set_down(self, name: str, wanted: Callable[[Request], bool] | None) -> None:
        """Lets the requests of a kind fail in a store or a CRM, or none any more."""
        server = ({**self.stores, **self.crms})[name].server
        server.fault = (lambda request: DOWN if wanted(request) else None) if wanted else None

    def once(self, name: str, trouble: Callable[[], Fault | None]) -> None:
        """At the next write to a CRM that is to have an effect."""
        server, done = self.crms[name].server, False

        def fault(request: Request) -> Fault | None:
            nonlocal done
            if done or request.method != "POST" or ("event" not in request.path and "Automation" not in request.path):
                return None
            done = True
            server.fault = None
            return trouble()

        server.fault = fault

    def kill(self, *, after_effect: bool) -> Fault:
        """The engine dies in the middle of a request."""
        self.process.kill()
        return Fault(reset=True, after_effect=after_effect)

    def restart(self) -> None:
        """In good order."""
        self.process.stop()
        self.process.start(self.clock())

    def keep_outcomes(self) -> None:
        """Notes what the engine shows of each delivery, before it forgets the old ones."""
        for row in self.process.ask("deliveries", self.clock())["rows"]:
            self.outcomes[row["crm"], row["store"], row["checkout_id"], row["step"]] = row
