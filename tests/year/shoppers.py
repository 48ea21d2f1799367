"""The shoppers and what befalls them: stories that are told in simulated time, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from year.ledger import CLIENT, Cart, Order
from year.town import Town

from connector.model import ConsentState
from connector.rules import in_holdout

PRODUCTS = ("Linen shirt", "Trail mug", "Wool socks", "Rain jacket", "Field notebook")
PRICES = {"woo": (Decimal("14.50"), Decimal("4.90")), "shop": (Decimal("49.00"), Decimal(0))}
CURRENCIES = {"woo": "EUR", "shop": "USD"}
Story = Iterator[timedelta]


@dataclass
class Shopper:
    """Somebody with an address of their own. Every action happens now."""

    town: Town
    chance: random.Random
    email: str
    store: str

    @property
    def _now(self) -> datetime:
        return self.town.clock()

    def wait(self, least: float, most: float) -> timedelta:
        """Some time, in hours."""
        return timedelta(seconds=round(self.chance.uniform(least, most) * 3600))

    def maybe(self, share: float) -> bool:
        """Whether this one belongs to that share."""
        return self.chance.random() < share

    def leaves(self, store: str = "", *, unsubscribed: bool = False) -> Cart:
        """Fills a checkout and walks away."""
        store = store or self.store
        product, quantity = self.chance.choice(PRODUCTS), self.chance.randint(1, 4)
        consent = ConsentState.UNSUBSCRIBED if unsubscribed else ConsentState.NOT_OPTED_IN
        more: dict[str, Any] = {}
        currency = CURRENCIES[store]
        if store == "shop" and self.maybe(0.2):
            currency = more["currency"] = "JPY"
        number = self.town.stores[store].abandon(self.email, consent=consent, title=product, quantity=quantity, **more)
        cart = Cart(store, number, self.email, product, self._now, self._now, currency, quantity, not unsubscribed)
        self.town.ledger.carts[store, number] = cart
        return cart

    def returns(self, cart: Cart, email: str = "") -> None:
        """Is back at a checkout, and leaves again."""
        cart.quantity = self.chance.randint(1, 4)
        self.town.stores[cart.store].touch(cart.id, quantity=cart.quantity, email=email or None)
        cart.active = self._now
        if email:
            cart.email = self.email = email

    def buys(self, cart: Cart, email: str = "", code: str = "") -> Order:
        """Completes a checkout, it may be under another address."""
        store = self.town.stores[cart.store]
        price, shipping = PRICES[cart.store]
        amount = price * cart.quantity
        if cart.store == "shop":
            number = store.buy(checkout_id=cart.id, email=email or None, coupon=code)
        else:
            if email:
                store.touch(cart.id, email=email)
            number = store.buy(checkout_id=cart.id, coupon=code)
            amount -= (amount / 10).quantize(Decimal("0.01")) if code else 0
        cart.active = self._now
        return self._ordered(cart.store, number, email or cart.email, amount + shipping, cart)

    def code(self, cart: Cart) -> str:
        """The code that an e-mail brought, if the store of this checkout takes it now."""
        taken = self.town.stores[cart.store].coupons.applies
        return next((code for code in self.town.ledger.codes[self.email] if taken(code)), "")

    def buys_afresh(self, store: str = "") -> Order:
        """Buys without any of these checkouts: in another browser, say."""
        store = store or self.store
        number = self.town.stores[store].buy(email=self.email)
        amount = Decimal("49.00") if store == "shop" else Decimal("19.40")
        return self._ordered(store, number, self.email, amount, None)

    def buys_at_the_till(self) -> Order:
        """In the shop in town, or by telephone."""
        if self.store == "shop":
            number, amount = self.town.shop.buy(email=self.email, source="pos"), Decimal("49.00")
        else:
            number, amount = self.town.woo.add_order(self.email, created_via="admin"), Decimal("19.40")
        order = self._ordered(self.store, number, self.email, amount, None)
        order.origin = "till"
        return order

    def _ordered(self, store: str, number: str, email: str, amount: Decimal, cart: Cart | None) -> Order:
        currency = cart.currency if cart else CURRENCIES[store]
        order = Order(store, number, email, self._now, amount, currency, cart)
        self.town.ledger.orders[store, number] = order
        if self.maybe(0.15):
            self.town.plan(self._now + self.wait(50, 24 * 70), self._sends_back(order))
        return order

    def _sends_back(self, order: Order) -> Story:
        store = self.town.stores[order.store]
        if self.maybe(0.3):
            store.cancel(order.id)
            order.cancelled = self._now
        elif self.maybe(0.5):
            part = Decimal("5.00")
            store.refund(order.id, part)
            order.paid_back.append((self._now, part))
        else:
            store.refund(order.id, order.amount)
            order.paid_back.append((self._now, order.amount))
        yield timedelta(0)


def leaves_for_good(one: Shopper) -> Story:
    """The usual one."""
    one.leaves()
    yield timedelta(0)


def buys_at_once(one: Shopper) -> Story:
    """Before the checkout is abandoned."""
    cart = one.leaves()
    yield one.wait(0.02, 0.45)
    one.buys(cart)


def hesitates(one: Shopper) -> Story:
    """Buys when the lead is made, and no step is out yet."""
    cart = one.leaves()
    yield one.wait(0.5, 0.8)
    one.buys(cart)


def is_recovered(one: Shopper) -> Story:
    """Back some time in the sequence, or soon after it."""
    cart = one.leaves()
    yield one.wait(0.8, 200)
    one.buys(cart)


def waits_for_the_coupon(one: Shopper) -> Story:
    """Buys with it, or too late for it."""
    cart = one.leaves()
    yield one.wait(74, 140)
    one.buys(cart, code=one.code(cart))


def buys_elsewhere(one: Shopper) -> Story:
    """With a new order, it may be in the other store."""
    one.leaves()
    yield one.wait(0.3, 150)
    one.buys_afresh(one.chance.choice(("woo", "shop")))


def buys_under_another_address(one: Shopper) -> Story:
    """In the checkout itself."""
    cart = one.leaves()
    yield one.wait(0.8, 100)
    one.buys(cart, email=f"other.{one.email}")


def buys_much_later(one: Shopper) -> Story:
    """Later than anybody would ascribe it to an e-mail."""
    cart = one.leaves()
    yield one.wait(24 * 11, 24 * 40)
    if one.maybe(0.5):
        one.buys(cart)
    else:
        one.buys_afresh()


def buys_at_the_till(one: Shopper) -> Story:
    """Nothing that the e-mails could boast of."""
    one.leaves()
    yield one.wait(1, 100)
    one.buys_at_the_till()


def comes_back(one: Shopper) -> Story:
    """Looks at the checkout again, once or twice, and buys in the end or not."""
    cart = one.leaves()
    for _ in range(one.chance.randint(1, 2)):
        yield one.wait(0.2, 60)
        one.returns(cart)
    yield one.wait(0.2, 60)
    if one.maybe(0.5):
        one.buys(cart)


def fills_second_cart(one: Shopper) -> Story:
    """In the other store, or the same one, within the week."""
    cart = one.leaves()
    yield one.wait(0.3, 100)
    second = one.leaves(one.chance.choice(("woo", "shop")))
    yield one.wait(0.3, 100)
    if one.maybe(0.5):
        one.buys(one.chance.choice((cart, second)))


def comes_again(one: Shopper) -> Story:
    """After the seven days: a new lead."""
    cart = one.leaves()
    yield one.wait(24 * 8, 24 * 30)
    if one.maybe(0.5):
        one.returns(cart)
    else:
        cart = one.leaves()
    yield one.wait(0.3, 150)
    if one.maybe(0.6):
        one.buys(cart)


def buys_and_comes_again(one: Shopper) -> Story:
    """A customer fills another cart: within a day, or later."""
    cart = one.leaves()
    yield one.wait(0.2, 90)
    one.buys(cart)
    yield one.wait(1, 60) if one.maybe(0.5) else one.wait(24 * 9, 24 * 30)
    second = one.leaves()
    yield one.wait(1, 100)
    if one.maybe(0.4):
        one.buys(second)


def corrects_the_address(one: Shopper) -> Story:
    """In the same checkout: the steps that remain go to the new one."""
    cart = one.leaves()
    yield one.wait(0.1, 60)
    name, number = one.email, 0
    while in_holdout(CLIENT, f"right{number}.{name}", 0.3) != in_holdout(CLIENT, name, 0.3):
        number += 1
    one.returns(cart, email=f"right{number}.{name}")
    yield one.wait(0.2, 100)
    if one.maybe(0.5):
        one.buys(cart)


def has_unsubscribed(one: Shopper) -> Story:
    """In the store."""
    cart = one.leaves(unsubscribed=True)
    yield one.wait(1, 50)
    if one.maybe(0.3):
        one.buys(cart)


def unsubscribes(one: Shopper) -> Story:
    """In one of the CRMs, after the first step."""
    cart = one.leaves()
    yield one.wait(2, 60)
    one.town.crms[one.chance.choice(tuple(one.town.crms))].unsubscribe(one.email)
    yield one.wait(1, 100)
    if one.maybe(0.3):
        one.buys(cart)


STORIES: dict[Callable[[Shopper], Story], int] = {
    leaves_for_good: 20, buys_at_once: 6, hesitates: 4, is_recovered: 16, buys_elsewhere: 6,
    buys_under_another_address: 3, buys_much_later: 4, buys_at_the_till: 3, comes_back: 8, fills_second_cart: 6,
    comes_again: 6, waits_for_the_coupon: 10, buys_and_comes_again: 5,
    corrects_the_address: 4, has_unsubscribed: 2, unsubscribes: 3,
}  # fmt: skip


def plan_shoppers(town: Town, seed: int, checkouts: int, start: datetime, length: timedelta) -> None:
    """So many shoppers that about so many checkouts are started, spread over the time, with quiet nights."""
    chance = random.Random(seed)
    kinds, weights = list(STORIES), list(STORIES.values())
    for number in range(round(checkouts / 1.13)):
        seconds = chance.uniform(0, length.total_seconds())
        at = start + timedelta(seconds=round(seconds))
        if at.hour < 6 and chance.random() < 0.7:
            at += timedelta(hours=8)
        at = at.replace(second=chance.randint(1, 59), microsecond=0)
        story = chance.choices(kinds, weights)[0]
        shopper = Shopper(
            town, random.Random(chance.random()), f"s{number}@example.com", chance.choice(("woo", "shop"))
        )
        town.plan(at, story(shopper))
