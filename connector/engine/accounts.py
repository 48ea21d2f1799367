"""Opened adapters. An account is checked once when it is opened, and must be the one that its id is pinned to."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, or_, select, update

from connector import registry, tables
from connector.db import table
from connector.engine.context import Client, Context
from connector.errors import ConfigError
from connector.model import Health
from connector.options import CrmOptions, StoreOptions

STORES = table(tables.Store)
CRMS = table(tables.Crm)
ROWS = {"store": STORES, "crm": CRMS}


class Accounts:
    """The adapters of the running configuration, opened when they are first needed."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._open: dict[tuple[str, str, str], tuple[Any, Any]] = {}
        self._locks: dict[tuple[str, str, str], threading.Lock] = defaultdict(threading.Lock)

    def store(self, client: Client, options: StoreOptions) -> registry.Platform:
        """The store's adapter. Raises ConfigError or TransientError where it cannot be opened."""
        key = ("store", client.id, options.id)
        with self._locks[key]:
            known = self._open.get(key)
            if known and known[0] == options and self._is_pinned(*key):
                return known[1]  # type: ignore[no-any-return]
            adapter = registry.PLATFORMS[options.platform](options, self._ctx.http)
            self._pin("store", client.id, options.id, adapter.check())
            self._open[key] = (options, adapter)
            return adapter

    def crm(self, client: Client, options: CrmOptions) -> registry.Crm:
        """The CRM's adapter, with its fields and tags made. Raises like `store`."""
        key = ("crm", client.id, options.id)
        with self._locks[key]:
            known = self._open.get(key)
            if known and known[0] == options and self._is_pinned(*key):
                return known[1]  # type: ignore[no-any-return]
            if in_vain := asked_in_vain(client, options):
                raise ConfigError("; ".join(in_vain))
            adapter = registry.CRMS[options.adapter](options, self._ctx.http)
            self._pin("crm", client.id, options.id, adapter.check())
            adapter.prepare(sorted(fields_of(client, options)), sorted(tags_of(client, options)))
            self._open[key] = (options, adapter)
            return adapter

    def close(self, kind: str, client: str, account: str) -> None:
        """Forgets an adapter, so that its account is checked again."""
        self._open.pop((kind, client, account), None)

    def _is_pinned(self, kind: str, client: str, account: str) -> bool:
        """Not since `winback adopt`, which another process may have done: whoever answers next is the one."""
        rows = ROWS[kind]
        query = select(rows.c.identity).where(rows.c.client == client, rows.c.id == account)
        with self._ctx.db.read() as connection:
            return connection.execute(query).scalar() is not None

    def _pin(self, kind: str, client: str, account: str, health: Health) -> None:
        rows = ROWS[kind]
        here = (rows.c.client == client, rows.c.id == account)
        with self._ctx.db.write() as connection:
            pinned = connection.execute(select(rows.c.identity).where(*here)).scalar()
            if (swapped := another_account(kind, account, pinned, health.identity.id)) is not None:
                raise swapped
            if kind == "store" and pinned is None:
                self._refuse_unknown_twin(connection, client, account, health.identity.id)
            values = {"identity": health.identity.id, "name": health.identity.name}
            if kind == "store":
                values |= {"time_zone": health.time_zone, "locale": health.locale}
            connection.execute(update(rows).where(*here).values(**values))

    def _refuse_unknown_twin(self, connection: Connection, client: str, store: str, identity: str) -> None:
        """A client that was renamed in its file only would mail everybody once more, as if it were new."""
        absent = or_(STORES.c.gone.is_(True), STORES.c.client.in_(self._ctx.beside))
        query = select(STORES.c.client).where(STORES.c.identity == identity, absent, STORES.c.client != client)
        former = connection.execute(query.limit(1)).scalar()
        if former in self._ctx.beside:
            raise ConfigError(
                f"{client}/{store} is the store of the client {former} too, whose file lies beside this one. If "
                f"{client} is its new name, take the old file away; else name the folder of both with -c"
            )
        if former is not None:
            raise ConfigError(
                f"{client}/{store} is the store of the client {former}, which is not in the configuration any more. If "
                f"{client} is its new name, stop the daemon and run `winback client rename -c PATH {former} {client}`; "
                f"if {former} has left, `winback client remove -c PATH {former} --abandon`"
            )


def another_account(kind: str, account: str, pinned: str | None, answered: str) -> ConfigError | None:
    """The error for a "store" or "crm" that is not the account any more that its id is pinned to."""
    if pinned is None or pinned == answered:
        return None
    meant = "if you mean the change" if kind == "crm" else "give another store an id of its own; if it only moved"
    return ConfigError(
        f"{account} now answers as the account {answered!r}, but it has been {pinned!r} so far. "
        f"Put the former key or address back; {meant}, run `winback adopt -c PATH {account}`"
    )


def asked_in_vain(client: Client, crm: CrmOptions) -> list[str]:
    """What the configuration asks of a CRM that its adapter cannot do: refused in `check`, not met at night."""
    cls = registry.CRMS[crm.adapter]
    campaigns = [client.config.campaign_for(step, crm) for _, step in client.steps_for(crm.id)]
    asked = {
        registry.Cap.TAGS: tags_of(client, crm),
        registry.Cap.FIELDS: fields_of(client, crm),
        registry.Cap.CAMPAIGN: [campaign for campaign in campaigns if campaign is not None],
        registry.Cap.NATIVE_CART: getattr(crm, "native_cart", False),
    }
    return [
        f"{cls.title} cannot do {cap.replace('_', ' ')}: take it out of {crm.id}"
        for cap, want in asked.items()
        if want and cap not in cls.capabilities
    ]


def fields_of(client: Client, crm: CrmOptions) -> set[str]:
    """Every field that any step sets in this CRM."""
    return set(crm.fields).union(*(step.fields for _, step in client.steps_for(crm.id)))


def tags_of(client: Client, crm: CrmOptions) -> set[str]:
    """Every tag that any step puts on in this CRM."""
    return set(crm.tags).union(*(step.tags for _, step in client.steps_for(crm.id)), crm.on_recovered.add_tags)
