"""Random lives of shoppers with coupons, on both databases: what must hold of coupons, whatever happens and when."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from clock import Clock
from coupon_case import BROKEN, LOST, STORES, Failing, ends_of, ever, rows, shop_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, func, select, update
from world import World

from connector import tables
from connector.db import table
from connector.engine import hand
from connector.engine.coupon_removal import SETTLED
from connector.errors import ConfigError
from connector.sandbox import Fault, Reply
from crm.sandbox import klaviyo

LONG = os.environ.get("LONG_TESTS") == "1"
ANN, BOB = "ann@example.com", "bob@example.com"
SECOND = {"after": "20h", "coupon": {"percent": 10, "expires_in": "30h"}, "fields": {"CODE": "{{ coupon_code }}"}}
LAST = {"after": "40h", "coupon": {"free_shipping": True, "expires_in": "24h"}, "fields": {"CODE": "{{ coupon_code }}"}}
SEQUENCE = [{"after": "45m"}, SECOND, LAST]
JUMPS = [timedelta(minutes=31), timedelta(hours=8), timedelta(hours=19), timedelta(hours=31), timedelta(days=9)]
FAULTS = [("make", LOST), ("make", BROKEN), ("find", BROKEN), ("delete", LOST), ("delete", BROKEN)]
AWAY = Fault(reply=Reply(503, b""))

events = st.lists(
    st.one_of(
        st.tuples(st.just("abandon"), st.sampled_from(STORES), st.sampled_from([ANN, BOB])),
        st.tuples(st.just("pass"), st.sampled_from(JUMPS), st.none()),
        st.tuples(st.just("pass"), st.sampled_from(JUMPS), st.none()),
        st.tuples(st.just("buy"), st.sampled_from(STORES), st.booleans()),
        st.tuples(st.just("trouble"), st.sampled_from(STORES), st.sampled_from(FAULTS)),
        st.tuples(st.just("away"), st.sampled_from(["mail", "second"]), st.booleans()),
        st.tuples(st.just("delete"), st.sampled_from([ANN, BOB]), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    min_size=6,
    max_size=25,
)


class Lives:
    """One world in which the events happen; after each pass everything is looked at."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = Clock()
        self.second = klaviyo.serve(clock=self.clock)
        self.world = World(folder, url, self.clock, sequence=SEQUENCE)
        self.world.restart(crms=[*self.world.config["crms"], {"id": "second", **self.second.options()}])
        self.carts: dict[str, list[tuple[str, str]]] = {store: [] for store in STORES}

    def close(self) -> None:
        """Stops everything."""
        self.world.close()
        self.second.server.close()

    def happen(self, what: str, which: Any, more: Any) -> None:
        """One event."""
        if what == "abandon":
            self.carts[which].append((shop_of(self.world, which).abandon(more), more))
        elif what == "pass":
            self.go(which)
        elif what == "buy" and self.carts[which]:
            self.buy(which, *self.carts[which].pop(), with_code=more)
        elif what == "trouble":
            kind, fault = more
            shop_of(self.world, which).server.fault = Failing(fault, kind, times=3)
        elif what == "away":
            crm = self.world.crm if which == "mail" else self.second
            crm.server.fault = (lambda _: AWAY) if more else None
        elif what == "delete":
            with suppress(ConfigError):  # there may be nothing to delete
                hand.remove(self.world.ctx, self.world.client, which)
        elif what == "restart":
            self.world.restart()

    def buy(self, store: str, checkout: str, email: str, *, with_code: bool) -> None:
        """With the code that was mailed, if there is one that the store takes."""
        shop = shop_of(self.world, store)
        code = self.world.crm.fields(email).get("CODE", "")
        try:
            shop.buy(checkout_id=checkout, coupon=code if with_code else "")
        except ValueError:
            shop.buy(checkout_id=checkout)

    def go(self, jump: timedelta) -> None:
        """Time goes by in a few passes; pauses after trouble run out."""
        end = self.clock() + jump
        while self.clock() < end:
            self.clock.set(min(end, self.clock() + max(timedelta(minutes=45), jump / 4)))
            crms, stores, deliveries = (table(each) for each in (tables.Crm, tables.Store, tables.Delivery))
            with self.world.ctx.db.write() as connection:
                connection.execute(update(crms).values(retry_at=None))
                connection.execute(update(stores).values(coupons_retry_at=None))
                tried = update(deliveries).where(deliveries.c.state == "pending", deliveries.c.error != "")
                connection.execute(tried.values(next_at=self.clock()))
            self.world.sync()
            self.look()

    def look(self) -> None:
        """The invariants."""
        made = rows(self.world)
        per_step = Counter((row.shopper, row.generation, row.step) for row in made)
        assert max(per_step.values(), default=0) <= 1, "two for one lead and step"
        asked = sorted((row.shopper, row.asked_at) for row in made)
        for (shopper, at), (same, later) in pairwise(asked):
            assert shopper != same or later - at >= timedelta(days=90), "two for one shopper in 90 days"
        assert not [row.code for row in made if row.asked_at < self.due(row)], "one before its step was due"
        known = {row.code for row in made}
        codes = Counter(one.code.upper() for one in ever(self.world))
        assert set(codes) <= known, "one that nobody wrote down"
        for email in (ANN, BOB):
            shown = {crm.fields(email).get("CODE", "") for crm in (self.world.crm, self.second)} - {""}
            assert shown <= known

    def due(self, row: Row[Any]) -> datetime:
        """When the step of a coupon was due first."""
        steps = table(tables.Delivery)
        here = (steps.c.shopper == row.shopper, steps.c.generation == row.generation, steps.c.step == row.step)
        with self.world.ctx.db.read() as connection:
            found: datetime = connection.execute(select(func.min(steps.c.due_at)).where(*here)).scalar_one()
        return found

    def end(self) -> None:
        """All is well again, and ninety days go by: nothing unused is left."""
        for server in (self.world.woo, self.world.shop, self.world.crm, self.second):
            server.server.fault = None
        self.go(timedelta(hours=6))
        self.look_at_ends()
        self.go(timedelta(days=5))
        left = [one for store in STORES for one in shop_of(self.world, store).coupons.all()]
        assert all(one.used_by for one in left), "an expired one is left"
        assert {row.state for row in rows(self.world)} <= {"gone", "used"}

    def look_at_ends(self) -> None:
        """What is expired is gone as soon as the store had time to count its uses."""
        for store in STORES:
            for one in shop_of(self.world, store).coupons.all():
                assert one.used_by or ends_of(one) + SETTLED + timedelta(hours=2) > self.clock()


def live(url: str, folder: Path, told: list[tuple[str, Any, Any]]) -> None:
    """One life."""
    lives = Lives(folder, url)
    try:
        for event in told:
            lives.happen(*event)
            if event[0] != "pass":
                lives.look()
        lives.end()
    finally:
        lives.close()


slow: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=100 if LONG else 4, phases=[Phase.explicit, Phase.generate], **slow)
@given(told=events)
def test_random_lives(told: list[tuple[str, Any, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live(f"sqlite:///{folder}/{uuid.uuid4().hex}.db", Path(folder), told)


FULL: list[tuple[str, Any, Any]] = [
    ("abandon", "woo", ANN),
    ("abandon", "shop", BOB),
    ("trouble", "woo", ("make", LOST)),
    ("pass", timedelta(hours=19), None),
    ("away", "second", True),
    ("pass", timedelta(hours=8), None),
    ("away", "second", False),
    ("pass", timedelta(hours=8), None),
    ("buy", "woo", True),
    ("trouble", "shop", ("delete", LOST)),
    ("pass", timedelta(hours=31), None),
    ("restart", None, None),
    ("pass", timedelta(days=9), None),
    ("abandon", "woo", BOB),
    ("pass", timedelta(hours=31), None),
]


def test_a_full_life_on_each_database(tmp_path: Path, database_url: str) -> None:
    live(database_url, tmp_path, FULL)
