"""A client whose program is killed: stores, CRMs and the time, and all that one can see of what became of everybody."""

from __future__ import annotations

import os
import re
import socket
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nursery import Child, Nursery, Point
from processes import Site, client
from sqlalchemy import Row, select

from connector import tables
from connector.address import identity, keyed_hash
from connector.db import Database, table
from connector.model import ConsentState
from crm.sandbox import activecampaign, klaviyo, mailchimp
from platforms.sandbox import inbound, shopify, woocommerce

NINA, KURT, STAN, LATE, OLD = (f"{name}@example.com" for name in ("nina", "kurt", "stan", "late", "old"))
CORRECTED, ANN, BOB = (f"{name}@example.com" for name in ("stanley", "ann", "bob"))
EVERYBODY = (NINA, KURT, STAN, LATE, OLD, CORRECTED, ANN, BOB)
FAST_STORE = timedelta(seconds=30)  # by which its clock is wrong
STEPS = [
    {"after": "30m", "crm": "contacts", "coupon": {"percent": 10, "expires_in": "48h"}, "tags": ["first"]},
    {"after": "40m", "crm": ["bulk", "journey"]},
]


class Acme:
    """Nina's, Kurt's and Stan's checkouts are due, and nothing has run yet."""

    def __init__(self, nursery: Nursery, folder: Path, database_url: str, *, told: bool = False) -> None:
        self._nursery, self._ahead = nursery, timedelta(0)
        self.wrong = timedelta(0)  # by which the program's clock is ahead of all others
        self.folder, self.url = folder, database_url
        self.crms: dict[str, Any] = {
            "contacts": activecampaign.serve(clock=self.now),
            "bulk": klaviyo.serve(clock=self.now),
            "journey": mailchimp.serve(clock=self.now),
        }
        self.documents: dict[str, Any] = {}  # what a site has yet to tell
        self.stores = self._telling() if told else self._polled()
        self.config = client(self.stores, self.crms, sequence=STEPS)
        self.site = Site(folder, database_url, self.config)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.listen = f"127.0.0.1:{free.getsockname()[1]}"
        web = {"http": {"listen": self.listen}, "public_url": f"http://{self.listen}"}
        self.site.settings({"database_url": database_url, **web})

    def _polled(self) -> dict[str, Any]:
        self.woo = woocommerce.serve(clock=lambda: self.now() + FAST_STORE, plugin=True, statuses=("odd",))
        self.woo.allow_coupons()
        self.checkouts = {email: self.woo.abandon(email, consent=ConsentState.OPTED_IN) for email in (NINA, KURT, STAN)}
        self.pass_by(minutes=45)
        return {"woo": self.woo}

    def _telling(self) -> dict[str, Any]:
        self.shop, self.told = shopify.serve(clock=self.now), inbound.serve(clock=self.now)
        self.shop.allow_coupons()
        return {"shop": self.shop, "site": self.told}

    def now(self) -> datetime:
        """What every clock shows but the store's."""
        return datetime.now(UTC) + self._ahead

    def pass_by(self, **time: float) -> None:
        """Time goes by."""
        self._ahead += timedelta(**time)

    def start(self, *arguments: str, die_at: Point | None = None) -> Child:
        """`winback ARGUMENTS`, in the background."""
        env = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
        ahead = self._ahead + self.wrong
        return self._nursery.start(self.folder, *arguments, env=env, die_at=die_at, ahead=ahead.total_seconds())

    def run(self, *arguments: str, die_at: Point | None = None) -> Child:
        """`winback ARGUMENTS -c FILE`, to its end."""
        child = self.start(*arguments, "-c", str(self.site.file), die_at=die_at)
        child.end()
        return child

    def well(self, *arguments: str) -> None:
        """Likewise, and it goes well."""
        child = self.run(*arguments)
        assert child.code == 0, child.said

    def close(self) -> None:
        """Ends all of it; nothing that was printed or logged may tell a secret."""
        self.site.close()
        for each in (*self.stores.values(), *self.crms.values()):
            each.server.close()

    def effects(self) -> Counter[tuple[str, str, str]]:
        """What shoppers noticed: CRM, address, and `enrolled` or `withdrawn`. Newer fields are no news to them."""
        return Counter(
            (id_, one.email, one.what)
            for id_, crm in self.crms.items()
            for one in crm.effects
            if one.what != "refreshed"
        )

    def digest(self) -> dict[str, Any]:
        """Everything that must be the same whether or not the program died on the way, but for how often it tried."""
        contacts = {
            (id_, email): (crm.status(email), sorted(crm.tags(email)))
            for id_, crm in self.crms.items()
            for email in EVERYBODY
        }
        return {**self._rows(), "contacts": contacts, "in the store": self._coupons()}

    def _coupons(self) -> list[int]:
        return [len(store.coupons.all()) for store in self.stores.values() if hasattr(store, "coupons")]

    def _rows(self) -> dict[str, Any]:
        database = Database(self.url).open()
        names = {
            keyed_hash(database.hash_key, database.first_name(client), identity(email)): email
            for client in ("acme", "apex")
            for email in EVERYBODY
        }
        try:
            with database.read() as connection:
                found = {
                    name: _counted(connection.execute(select(table(model))).all(), columns, names)
                    for name, (model, columns) in SEEN.items()
                }
        finally:
            database.close()
        return found


SEEN: dict[str, tuple[Any, str]] = {
    "checkouts": (tables.Checkout, "client store email state rule arm total"),
    "leads": (tables.Lead, "client shopper generation store sequence"),
    "deliveries": (tables.Delivery, "client shopper crm kind step generation state reason withdrawn"),
    "windows": (tables.Window, "client shopper generation"),
    "outcomes": (tables.Outcome, "store product_name steps bought"),
    "recoveries": (tables.Recovery, "store state net"),
    "tallies": (tables.Tally, "store kind steps state number net"),
    "visits": (tables.Visits, "store source started contactable"),
    "coupons": (tables.Coupon, "shopper store state step"),
    "suppressions": (tables.Suppression, "client value why"),
    "stores": (tables.Store, "client id identity error paused surge gone"),
    "crms": (tables.Crm, "client id identity error paused gone"),
    "events": (tables.Event, "client shopper what"),
    "orders": (tables.Order, "client store shopper purchase"),
}
VARIES = re.compile(r"BACK-\w+|\d{4}-\d\d-\d\d \d\d:\d\d|\d{6,}|127\.0\.0\.1:\d+")


def _counted(rows: Iterable[Row[Any]], columns: str, names: dict[str, str]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(_said(getattr(row, name), names) for name in columns.split()) for row in rows)


def _said(value: Any, names: dict[str, str]) -> Any:
    return names.get(value) or VARIES.sub("…", value) if isinstance(value, str) else value
