"""Sites that tell by themselves, a sandbox CRM, and the real engine behind the real web server, on one clock."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from clock import Clock

from connector import web
from connector.config import load
from connector.db import Database
from connector.engine import view
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.setup import apply_configuration
from connector.engine.sync import Report, sync
from connector.http import Http, Timeouts
from connector.inbound.routes import routes
from connector.metrics import Metrics
from crm.sandbox import klaviyo


class PushedWorld:
    """One site, and more stores if they are given; the rules pass only when `sync` is called."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        clock: Callable[[], datetime],
        *,
        platform: str = "inbound",
        site_clock: Callable[[], datetime] | None = None,
        keys: dict[str, Any] | None = None,
        stores: list[dict[str, Any]] | None = None,
        **client: Any,
    ) -> None:
        self.clock = clock
        self.site = importlib.import_module(f"platforms.sandbox.{platform}").serve(clock=site_clock or clock)
        self.crm = klaviyo.serve(clock=clock)
        store = {"id": "site", **self.site.options(), **(keys or {})}
        crm = {"id": "mail", **self.crm.options(), "tags": ["abandoned-cart"], "fields": {"CART": "{{ product_name }}"}}
        config = {"client": "acme", "stores": [store, *(stores or [])], "crms": [crm], **client}
        path = folder / "acme.yaml"
        path.write_text(yaml.safe_dump(config))
        loaded = load(path, {})
        self.ctx = Context(
            Database(database_url).open(),
            Http(timeouts=Timeouts(10, 10, 30)),
            loaded.settings,
            clock,
            {config.client: Client.of(config) for config in loaded.clients},
        )
        apply_configuration(self.ctx)
        self.accounts = Accounts(self.ctx)
        state = web.State(dict, Metrics().registry, signed=routes(self.ctx))
        self.web = web.serve(web.create_app(state), "127.0.0.1:0")
        self.site.connect(self.url)

    @property
    def url(self) -> str:
        """Where the site tells."""
        return f"{self.web.url}/inbound/acme/site"

    @property
    def client(self) -> Client:
        """The only client."""
        return self.ctx.clients["acme"]

    def sync(self) -> Report:
        """One pass; never waits."""
        return sync(self.ctx, self.accounts, sleep=None)

    def after(self, **step: float) -> Report:
        """Moves the clock on, lets the site tell that there was no order, and makes a pass."""
        assert isinstance(self.clock, Clock)
        self.clock.advance(timedelta(**step))
        self.site.tell_orders()
        return self.sync()

    def leads(self) -> list[dict[str, Any]]:
        """The lead table."""
        return view.leads(self.ctx, self.client)

    def state(self, email: str) -> tuple[str, str]:
        """State and rule of a shopper's newest checkout."""
        return next((row["state"], row["rule"]) for row in view.leads(self.ctx, self.client, email=email))

    def effects(self, what: str = "enrolled") -> list[str]:
        """The addresses for whom something happened in the CRM, in order."""
        return [effect.email for effect in self.crm.effects if effect.what == what]

    def close(self) -> None:
        """Stops everything."""
        self.web.close()
        self.ctx.db.close()
        self.ctx.http.close()
        for sandbox in (self.site, self.crm):
            sandbox.server.close()


@contextmanager
def pushed_world(folder: Path, database_url: str, clock: Callable[[], datetime], **more: Any) -> Iterator[PushedWorld]:
    """A PushedWorld, closed at the end."""
    made = PushedWorld(folder, database_url, clock, **more)
    try:
        yield made
    finally:
        made.close()
