"""Random carts, purchases, outages and jumps of the clock through the real engine, compared with the reference."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path

from clock import Clock
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from reference import Cart, Reference
from sqlalchemy import select, update
from world import World

from connector import tables
from connector.db import table
from connector.sandbox import Fault, Reply

EMAILS = st.sampled_from(["ann@example.com", "bob@example.com"])
STORES = st.sampled_from(["woo", "shop"])
JUMPS = [timedelta(minutes=4), timedelta(minutes=11), timedelta(minutes=32), timedelta(minutes=65)]
LEAPS = [timedelta(hours=7), timedelta(hours=26), timedelta(hours=50), timedelta(days=8)]
SAME = {"on its way": "waiting", "recovered": "bought", "self_recovered": "bought", "bought_later": "bought"}
UNAVAILABLE = Fault(reply=Reply(503, b"", {"Retry-After": "60"}))


class Life(RuleBasedStateMachine):
    """What shoppers, stores and the CRM may do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name)
        self.clock = Clock()
        self.world = World(path, f"sqlite:///{path / 'winback.db'}", self.clock)
        self.reference = Reference()
        self.ids: dict[int, str] = {}
        self.down: set[str] = set()

    def teardown(self) -> None:
        self.world.close()
        self.folder.cleanup()

    def _sync(self) -> None:
        for name, sandbox in (("woo", self.world.woo), ("shop", self.world.shop), ("mail", self.world.crm)):
            sandbox.server.fault = (lambda _: UNAVAILABLE) if name in self.down else None
        crms, deliveries = table(tables.Crm), table(tables.Delivery)
        with self.world.ctx.db.write() as connection:  # as if every pause after a failure had just run out
            connection.execute(update(crms).values(retry_at=None))
            tried = update(deliveries).where(deliveries.c.attempts > 0).values(next_at=self.clock())
            connection.execute(tried.where(deliveries.c.state == "pending"))
        self.world.sync()
        self.reference.sync(self.clock(), self.down)

    @rule(store=STORES, email=EMAILS)
    def abandon(self, store: str, email: str) -> None:
        """A shopper fills a cart and leaves."""
        sandbox = self.world.woo if store == "woo" else self.world.shop
        cart = Cart(store, email, self.clock(), self.clock())
        self.reference.carts.append(cart)
        self.ids[id(cart)] = sandbox.abandon(email)

    @precondition(lambda self: self._open_carts())
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        """A shopper comes back to a cart."""
        cart = data.draw(st.sampled_from(self._open_carts()))
        sandbox = self.world.woo if cart.store == "woo" else self.world.shop
        if cart.active != self.clock():
            sandbox.touch(self.ids[id(cart)], quantity=data.draw(st.integers(1, 9)))
            cart.move(self.clock())

    @precondition(lambda self: self._open_carts())
    @rule(data=st.data())
    def buy(self, data: st.DataObject) -> None:
        """A shopper completes a cart."""
        cart = data.draw(st.sampled_from(self._open_carts()))
        sandbox = self.world.woo if cart.store == "woo" else self.world.shop
        sandbox.buy(checkout_id=self.ids[id(cart)])
        cart.move(self.clock())
        cart.sold = True
        self.reference.orders.append((cart.store, cart.email, self.clock(), cart))

    @rule(store=STORES, email=EMAILS)
    def buy_elsewhere(self, store: str, email: str) -> None:
        """A shopper buys in another browser, or by a link."""
        (self.world.woo if store == "woo" else self.world.shop).buy(email=email)
        self.reference.orders.append((store, email, self.clock(), None))

    @rule(down=st.sets(st.sampled_from(["woo", "shop", "mail"]), max_size=2))
    def outage(self, down: set[str]) -> None:
        """Something fails, or comes back."""
        self.down = down

    @rule(jump=st.sampled_from(JUMPS * 3 + LEAPS))
    def pass_time(self, jump: timedelta) -> None:
        """Time goes by, and the engine makes a pass."""
        self.clock.advance(jump)
        self._sync()

    @rule()
    def restart(self) -> None:
        """The process ends and another one starts."""
        for sandbox in (self.world.woo, self.world.shop, self.world.crm):
            sandbox.server.fault = None
        self.world.restart()

    @invariant()
    def the_same_people_are_enrolled(self) -> None:
        """Who was enrolled, and how often, is what the reference says."""
        assert sorted(self.world.effects()) == sorted(self.reference.enrolled)

    def _open_carts(self) -> list[Cart]:
        return [cart for cart in self.reference.carts if not cart.sold]


class LifeWithAnEnd(Life):
    """Heals everything at the end, and compares every state and every withdrawal."""

    def teardown(self) -> None:
        try:
            self.down = set()
            for _ in range(2):
                self.clock.advance(timedelta(minutes=47))
                self._sync()
            self.the_same_people_are_enrolled()
            assert sorted(self.world.effects("withdrawn")) == sorted(self.reference.withdrawn)
            wanted = {self.ids[id(c)]: SAME.get(c.state, c.state) for c in self.reference.carts if c.state != "unread"}
            assert self._states() == wanted
        finally:
            super().teardown()

    def _states(self) -> dict[str, str]:
        rows = table(tables.Checkout)
        with self.world.ctx.db.read() as connection:
            found = connection.execute(select(rows.c.id, rows.c.state)).all()
        return {row.id: SAME.get(row.state, row.state) for row in found}


LONG = os.environ.get("LONG_TESTS") == "1"
TestLife = LifeWithAnEnd.TestCase
TestLife.settings = settings(
    max_examples=200 if LONG else 10,
    stateful_step_count=60 if LONG else 25,
    deadline=None,
    phases=[
        Phase.explicit,
        Phase.generate,
        *([Phase.shrink] if LONG else []),
    ],  # a step is real HTTP: shrinking is slow
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
