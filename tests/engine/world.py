"""A whole world for engine tests: sandbox stores and CRMs, and the real engine on one virtual clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from clock import Clock

from connector.config import load
from connector.db import Database
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.setup import apply_configuration
from connector.engine.sync import Report, sync
from connector.engine.view import leads
from connector.http import Http, Timeouts
from crm.sandbox import klaviyo
from platforms.sandbox import shopify, woocommerce


class World:
    """Two sandbox stores, one sandbox CRM, and an engine that can be restarted over the same database."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        clock: Clock,
        skew: timedelta = timedelta(0),
        woo: Mapping[str, Any] | None = None,
        **client: Any,
    ) -> None:
        self.folder, self.url, self.clock = folder, database_url, clock
        self.woo = woocommerce.serve(clock=lambda: clock() + skew, **(woo or {}))
        self.shop = shopify.serve(clock=lambda: clock() + skew)
        for store in (self.woo, self.shop):
            store.allow_coupons()
        self.crm = klaviyo.serve(clock=clock)
        self.config: dict[str, Any] = {
            "client": "acme",
            "stores": [{"id": "woo", **self.woo.options()}, {"id": "shop", **self.shop.options()}],
            "crms": [
                {
                    "id": "mail",
                    **self.crm.options(),
                    "tags": ["abandoned-cart"],
                    "fields": {"CART": "{{ product_name }}"},
                }
            ],
            **client,
        }
        self.ctx = self._open()

    def _open(self) -> Context:
        path = self.folder / "acme.yaml"
        path.write_text(yaml.safe_dump(self.config))
        loaded = load(path, {})
        clients = {config.client: Client.of(config) for config in loaded.clients}
        db = Database(self.url).open()
        http = Http(timeouts=Timeouts(10, 10, 30))
        ctx = Context(db, http, loaded.settings, self.clock, clients, loaded.beside, self._alerted)
        apply_configuration(ctx)
        self.accounts = Accounts(ctx)
        self.alerts: list[str] = getattr(self, "alerts", [])
        return ctx

    def _alerted(self, subject: str, message: str) -> None:
        self.alerts.append(f"{subject}: {message}")

    def restart(self, **client: Any) -> None:
        """Closes the engine and opens it again over the same database, with a changed configuration if given."""
        self.ctx.db.close()
        self.config.update(client)
        self.ctx = self._open()

    @property
    def client(self) -> Client:
        """The only client."""
        return self.ctx.clients["acme"]

    def sync(self) -> Report:
        """One pass; never waits."""
        return sync(self.ctx, self.accounts, sleep=None)

    def after(self, **step: float) -> Report:
        """Moves the clock on, and makes a pass."""
        self.clock.advance(timedelta(**step))
        return self.sync()

    def states(self, email: str | None = None) -> list[tuple[str, str]]:
        """(state, rule) of each checkout, the newest activity first."""
        return [(row["state"], row["rule"]) for row in leads(self.ctx, self.client, email=email)]

    def effects(self, what: str = "enrolled") -> list[str]:
        """The addresses for whom something happened in the CRM, in order."""
        return [effect.email for effect in self.crm.effects if effect.what == what]

    def close(self) -> None:
        """Stops everything."""
        self.ctx.db.close()
        self.ctx.http.close()
        for sandbox in (self.woo, self.shop, self.crm):
            sandbox.server.close()


@contextmanager
def world(folder: Path, database_url: str, clock: Clock, **client: Any) -> Iterator[World]:
    """A World, closed at the end."""
    made = World(folder, database_url, clock, **client)
    try:
        yield made
    finally:
        made.close()
