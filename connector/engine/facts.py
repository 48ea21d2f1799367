"""Gathers from the tables what the rules want to know of many checkouts at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, Row, select

from connector import rules, tables
from connector.address import contact, identity
from connector.config.countries import policy_for
from connector.db import table
from connector.engine import sequences
from connector.engine.context import Client, Context, seconds
from connector.engine.purchases import purchases_of
from connector.engine.routing import wanted_steps
from connector.model import ConsentState
from connector.rules import Facts, Word
from connector.zones import zone_of

CHECKOUTS = table(tables.Checkout)
STORES = table(tables.Store)
WINDOWS = table(tables.Window)
SUPPRESSIONS = table(tables.Suppression)


READ = "waiting for the store's orders to be read"
TOLD = "waiting for the site to tell its orders (complete_through)"


@dataclass(frozen=True)
class StoreClock:
    """A store's clock against ours, how it writes times, and its word on orders (`read_at` on our clock)."""

    offset: timedelta
    read_at: datetime | None
    paused: bool
    surge: bool
    failing_since: datetime | None
    waived: bool = False
    missing: str = READ
    zone: tzinfo = UTC
    locale: str = ""


def store_clocks(connection: Connection, client: Client) -> dict[str, StoreClock]:
    """Every store of the client that is in the configuration."""
    query = select(STORES).where(STORES.c.client == client.id, STORES.c.gone.is_(False))
    return {row.id: _clock(client, row) for row in connection.execute(query)}


def _clock(client: Client, row: Row[Any]) -> StoreClock:
    offset, read_at, options = seconds(row.clock_offset), row.orders_read_at, client.store(row.id)
    if row.orders_through is not None:  # the store's own time stays as exact as it was told, whatever the offset does
        read_at = row.orders_through - offset
    pushed = options is not None and options.pushed
    waived = options is not None and not options.tells_orders
    missing, zone = TOLD if pushed else READ, zone_of(row.time_zone)
    return StoreClock(
        offset, read_at, row.paused, row.surge, row.failing_since, waived, missing, zone=zone, locale=row.locale
    )


def words(clocks: dict[str, StoreClock], own: str) -> tuple[Word, ...]:
    """R4's words as the rules take them, all on the clock of the store `own`."""
    shift = clocks[own].offset if own in clocks else timedelta(0)
    found = [
        Word(
            clock.read_at + shift if clock.read_at else None,
            own=store == own,
            paused=clock.paused,
            failing_since=clock.failing_since + shift if clock.failing_since else None,
            waived=clock.waived,
            missing=clock.missing,
        )
        for store, clock in clocks.items()
    ]
    return tuple(found) if own in clocks else (*found, Word(None))


def gather(
    ctx: Context, connection: Connection, client: Client, rows: Sequence[Row[Any]], clocks: dict[str, StoreClock]
) -> dict[tuple[str, str], Facts]:
    """The facts of each checkout, by store and id."""
    bought = purchases_of(connection, client.id, rows)
    windows = _windows(connection, client.id, {row.shopper for row in rows if row.shopper})
    suppressed = Suppressions.load(ctx, connection, client, [(row.shopper, row.email) for row in rows])
    kept = sequences.load(connection, client, {row.carry_sequence for row in rows})
    heard = {store: words(clocks, store) for store in {row.store for row in rows}}
    facts = {}
    for row in rows:
        facts[row.store, row.id] = Facts(
            started_at=row.started_at,
            activity_at=row.activity_at,
            seen_at=row.seen_at,
            shopper=row.shopper,
            completed_at=row.completed_at,
            emptied=row.emptied,
            purchases=tuple(bought[row.store, row.id]),
            suppressed=suppressed.why(row.shopper, row.email),
            consent=ConsentState(row.consent),
            consent_policy=policy_for(row.country, client.config.leads.consent),
            wanted=any(True for _ in wanted_steps(client, kept[row.carry_sequence], row)),
            window_at=windows.get(row.shopper),
            by_link=row.by_link,
            triggered_at=None if row.carry_step else row.triggered_at,
            words=heard[row.store],
            lifted=row.lifted,
            surge=clocks[row.store].surge if row.store in clocks else False,
            holdout=_is_held_out(ctx, client, row),
            delivered_first_at=row.delivered_first_at,
            delivered_last_at=row.delivered_last_at,
        )
    return facts


def _is_held_out(ctx: Context, client: Client, row: Row[Any]) -> bool:
    """R12: by the address; but a lead that goes on under a corrected one stays where it was."""
    if row.carry_sequence:
        return bool(row.arm == "holdout")
    share = float(client.config.leads.holdout)
    return rules.in_holdout(ctx.db.first_name(client.id), identity(row.email or ""), share)


def _windows(connection: Connection, client: str, shoppers: set[str]) -> dict[str, datetime | None]:
    if not shoppers:
        return {}
    query = select(WINDOWS.c.shopper, WINDOWS.c.opened_at).where(
        WINDOWS.c.client == client, WINDOWS.c.shopper.in_(shoppers)
    )
    return {row.shopper: row.opened_at for row in connection.execute(query)}


ERASED = "erased"
ERASED_BY_STORE = "erased at the store's request"
ERASURES = (ERASED, ERASED_BY_STORE)  # reasons for which somebody is suppressed of whom nothing else is kept
NOBODYS = {"customer_id": "", "checkout_id": "", "token": "", "cart_token": ""}  # an order of somebody who was erased


@dataclass(frozen=True)
class Suppressions:
    """R10 for some shoppers of one client: those and their domains from the table, and from `exclude:`."""

    shoppers: dict[str, str]
    domains: dict[str, str]

    @classmethod
    def load(
        cls, ctx: Context, connection: Connection, client: Client, whom: Iterable[tuple[str, str | None]]
    ) -> Suppressions:
        """Reads the configuration, and of the table what concerns these shoppers (hash and address)."""
        shoppers: dict[str, str] = {}
        domains: dict[str, str] = {}
        values = {value for shopper, email in whom if shopper for value in (shopper, _domain(email))}
        query = select(SUPPRESSIONS).where(SUPPRESSIONS.c.client == client.id, SUPPRESSIONS.c.value.in_(values))
        for row in connection.execute(query):
            (domains if row.value.startswith("@") else shoppers)[row.value] = row.why
        for excluded in client.config.leads.exclude:
            if excluded.startswith("@"):
                found = contact(f"someone{excluded}")  # IDNA, as the shoppers' addresses have it
                domains[f"@{found.domain}" if found else excluded] = "excluded in the configuration"
            else:
                shoppers[ctx.shopper(client.id, excluded)[0]] = "excluded in the configuration"
        return cls(shoppers, domains)

    def why(self, shopper: str, email: str | None) -> str:
        """Why this shopper is suppressed, or ""."""
        return self.shoppers.get(shopper, "") or self.domains.get(_domain(email), "")


def _domain(email: str | None) -> str:
    return "@" + (email or "").rpartition("@")[2].lower()
