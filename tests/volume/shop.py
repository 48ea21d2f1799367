"""The real engine over that traffic: the same passes as `winback sync`, on a clock that jumps from look to look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from clock import START, Clock
from volume.adapters import NAME, World, adapters
from volume.lives import Traffic

from connector.config import load
from connector.db import Database
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.daemon import Daemon
from connector.engine.setup import apply_configuration
from connector.engine.sync import sync
from connector.http import Http, Timeouts

STEPS: list[dict[str, Any]] = [
    {"after": "45m"},
    {"after": "24h"},
    {"after": "72h"},
    {"after": "96h", "when": {"min_total": 240}, "coupon": {"percent": 10, "expires_in": "48h"}},
]
FIELDS = {"CART": "{{ product_name }}", "CHECKOUT": "{{ checkout_url }}", "TOTAL": "{{ total }}"}


class Shop:
    """One client with one store and one CRM over a database that grows."""

    def __init__(self, folder: Path, url: str, per_day: int, **leads: Any) -> None:
        self.clock = Clock(START)
        self.world = World(Traffic(START, per_day), self.clock)
        self._http = Http(timeouts=Timeouts(10, 10, 30))
        path = folder / "acme.yaml"
        path.write_text(yaml.safe_dump(_configuration(leads)))
        with adapters(self.world):
            loaded = load(path, {})
        clients = {one.client: Client.of(one) for one in loaded.clients}
        self.alerts: list[str] = []
        self.db = Database(url).open()
        self.ctx = Context(self.db, self._http, loaded.settings, self.clock, clients, alert=self._alerted)
        apply_configuration(self.ctx)
        self._accounts = Accounts(self.ctx)
        self.errors: dict[str, str] = {}

    def _alerted(self, subject: str, message: str) -> None:
        self.alerts.append(f"{subject}: {message}")

    @property
    def client(self) -> Client:
        """The only one."""
        return self.ctx.clients["acme"]

    def go_on(self, length: timedelta, beat: timedelta) -> None:
        """Simulated time passes: a look every `beat`."""
        end = self.clock() + length
        with adapters(self.world):
            while self.clock() < end:
                self.clock.advance(beat)
                self.errors.update(sync(self.ctx, self._accounts, sleep=None).errors)

    def tick(self) -> None:
        """What the daemon does in a second in which nothing is due."""
        daemon = Daemon(self.ctx)
        with adapters(self.world):
            daemon._start_polls()
            daemon._start_deliveries()
            daemon._start_removals()
        for pool in (daemon._polls, daemon._deliveries):
            pool.shutdown()

    def close(self) -> None:
        """Ends it."""
        self.db.close()
        self._http.close()


def _configuration(leads: dict[str, Any]) -> dict[str, Any]:
    return {
        "client": "acme",
        "stores": [{"id": "shop", "platform": NAME}],
        "leads": {"holdout": "5%", **leads},
        "sequence": STEPS,
        "crms": [{"id": "mail", "adapter": NAME, "tags": ["abandoned-cart"], "fields": FIELDS}],
    }


@contextmanager
def shop(folder: Path, url: str, per_day: int, **leads: Any) -> Iterator[Shop]:
    """A Shop, closed at the end."""
    made = Shop(folder, url, per_day, **leads)
    try:
        yield made
    finally:
        made.close()
