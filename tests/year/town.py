"""Two stores and two CRMs on loopback, the engine in a process of its own, and the virtual clock of all of them."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from clock import START, Clock
from year.doors import Doors
from year.ledger import CLIENT, Edition, Ledger
from year.process import Killed, Process

from connector.sandbox import Fault, Reply, Request
from crm.sandbox import activecampaign, klaviyo
from platforms.sandbox import shopify, woocommerce

FAST = 100_000  # requests a second: the vendors' limits count real seconds
# With a time to wait, as servers under maintenance send it: without one, the same is asked again at once.
DOWN = Fault(reply=Reply(503, {"message": "down for maintenance"}, {"Retry-After": "600"}))
LISTED_AFTER = timedelta(minutes=10, seconds=1)  # Shopify
COUPON = {"percent": 10, "expires_in": "48h"}
FIRST = (timedelta(minutes=45), timedelta(hours=24), timedelta(hours=72))
STARTING = ("/event-bulk-create-jobs", "/events", "/contactAutomations", "/coupons")
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
        self.edition: Edition
        # by CRM, store, checkout and step, and then by the engine's count of the shopper's leads
        self.outcomes: dict[tuple[str, str, str, int], dict[int, dict[str, Any]]] = defaultdict(dict)
        self.down: list[tuple[str, datetime, datetime | None]] = []  # stores and CRMs, and from when until when
        self._agenda: list[tuple[datetime, int, Story]] = []
        self._order = itertools.count()
        self._wakes: list[datetime] = []
        for sandbox in (*self.stores.values(), *self.crms.values()):
            stack.callback(sandbox.server.close)
        for sandbox in self.stores.values():
            sandbox.allow_coupons()
        self.doors = Doors(self.clock, self.ledger, self.stores, self.crms)
        self._write(Edition(0, FIRST, tuple(self.crms), 0.1))
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
    ) -> None:
        """The owner edits the file, and the engine takes it up while it runs."""
        last = self.edition
        share = last.holdout if holdout is None else holdout
        self._write(Edition(last.version + 1, afters or last.afters, crms or last.crms, share))
        self.process.ask("configure", self.clock())

    def _write(self, edition: Edition) -> None:
        self.edition = self.editions[edition.version] = edition
        self._config.write_text(yaml.safe_dump(self._written(self.edition)))

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
        steps[-1] |= {"coupon": COUPON, "fields": {**steps[-1]["fields"], "CODE": "{{ coupon_code }}"}}
        return {
            "client": CLIENT,
            "stores": [{"id": name, **options} for name, options in stores.items()],
            "leads": {"holdout": f"{edition.holdout:.0%}"},
            "sequence": steps,
            "crms": [{"id": name, **self.crms[name].options(), **subscribing} for name in edition.crms],
        }

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
        self.doors.heard.clear()
        while True:
            try:
                told = self.process.ask("pass", now)
                break
            except Killed:
                self.kills += 1
                self.process.start(now)
        self.passes += 1
        self.doors.note_coupons()
        self.alerts += told["alerts"]
        self.ledger.passed(now, self.doors.heard, tuple(self.stores), self.edition)
        self.wake(datetime.fromisoformat(told["next"]))

    # Trouble

    def set_down(self, name: str, wanted: Callable[[Request], bool] | None) -> None:
        """Lets the requests of a kind fail in a store or a CRM, or none any more."""
        server = ({**self.stores, **self.crms})[name].server
        server.fault = (lambda request: DOWN if wanted(request) else None) if wanted else None
        if wanted:
            self.down.append((name, self.clock(), None))
        else:
            self.down = [
                (one, since, until or self.clock()) if one == name else (one, since, until)
                for one, since, until in self.down
            ]

    def once(self, name: str, trouble: Callable[[], Fault | None]) -> None:
        """At the next request that starts a campaign in a CRM, or makes a coupon in a store."""
        server, done = ({**self.stores, **self.crms})[name].server, False

        def fault(request: Request) -> Fault | None:
            nonlocal done
            if done or request.method != "POST" or not (request.path.endswith(STARTING) or b"Create(" in request.body):
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
            place = (row["crm"], row["store"], row["checkout_id"], row["step"])
            self.outcomes[place][row["generation"]] = row
