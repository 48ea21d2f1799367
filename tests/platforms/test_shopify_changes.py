"""Whatever shoppers do between two pages is seen by this read or by the next one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connector.http import Http
from platforms.sandbox.shopify import ShopifySandbox, serve
from platforms.shopify import Shopify, ShopifyOptions

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MOVES = st.lists(
    st.tuples(st.sampled_from(["touch", "buy", "abandon", "cancel", "wait"]), st.integers(0, 60)), max_size=8
)


class Shop:
    """A shop with forty checkouts and sixty orders, some of which change when `move` is called."""

    def __init__(self) -> None:
        self.now = NOON
        self.sandbox: ShopifySandbox = serve(lambda: self.now, keep_journal=False)
        self.http = Http()
        self.store = Shopify(ShopifyOptions(id="acme-shop", **self.sandbox.options()), self.http)
        self.checkouts = self.sandbox.seed(40, spread=timedelta(minutes=40))
        self.orders = [self.sandbox.buy(email=f"buyer{index}@example.com") for index in range(60)]

    def move(self, what: str, number: int) -> None:
        self.now += timedelta(seconds=number * 20)
        if what == "touch":
            self.sandbox.touch(self.checkouts[number % len(self.checkouts)], quantity=number % 3 + 1)
        elif what == "buy":
            self.orders.append(self.sandbox.buy(checkout_id=self.checkouts[number % len(self.checkouts)]))
        elif what == "abandon":
            self.checkouts.append(self.sandbox.abandon(f"new{number}@example.com"))
        elif what == "cancel":
            self.sandbox.cancel(self.orders[number % len(self.orders)])

    def read(self, kind: str, cursor: str | None, moves: list[tuple[str, int]], seen: dict[str, Any]) -> str:
        pages = self.store.checkouts if kind == "checkouts" else self.store.orders
        for page in pages(cursor, NOON - timedelta(days=1)):
            for item in page.items:
                seen[item.id] = item.modified_at
            cursor = page.cursor
            for move in moves[:2]:
                self.move(*move)
            del moves[:2]
        assert cursor is not None
        return cursor

    def truth(self, kind: str) -> dict[str, Any]:
        world = self.sandbox.world
        if kind == "orders":
            return {held.shown["id"]: held.updated for held in world._orders.values()}
        settled = self.now - timedelta(minutes=10)
        return {
            held.shown["id"]: held.updated.replace(microsecond=0)
            for held in world._checkouts
            if held.listed or (held.updated <= settled and not held.shown["completedAt"])
        }

    def close(self) -> None:
        self.http.close()
        self.sandbox.server.close()


@pytest.mark.parametrize("kind", ["checkouts", "orders"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=MOVES, second=MOVES, third=MOVES)
# One that is not listed yet is overtaken by a newer change of one that is.
@example(first=[("abandon", 1), ("touch", 5)], second=[], third=[])
# A read takes over an hour: its first page is out of date long before its last one is read.
@example(first=[("touch", 0), ("wait", 60), ("wait", 60), ("wait", 60), ("touch", 39)], second=[], third=[])
# The same for orders, which move to the end.
@example(first=[("cancel", 0), ("wait", 60), ("wait", 60), ("cancel", 59)], second=[("cancel", 1)], third=[])
def test_no_change_is_missed(
    kind: str, first: list[tuple[str, int]], second: list[tuple[str, int]], third: list[tuple[str, int]]
) -> None:
    shop = Shop()
    try:
        seen: dict[str, Any] = {}
        cursor = None
        for moves in (list(first), list(second), list(third), []):
            cursor = shop.read(kind, cursor, moves, seen)
            for move in moves:
                shop.move(*move)
        shop.now += timedelta(minutes=11)
        shop.read(kind, cursor, [], seen)
        assert seen == shop.truth(kind)
    finally:
        shop.close()
