"""The shoppers: they fill carts, leave, come back and buy, by a plan that is the same in every run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.demo.clock import Clock
from connector.demo.lines import Line, Tell, Who
from connector.demo.witness import ABANDONED_AFTER, Doorway, Ledger, Start
from connector.model import ConsentState
from connector.sandbox import CrmSandbox, Fault, Reply, Server, StoreSandbox

PRODUCTS = ("Linen shirt", "Trail mug", "Wool socks", "Rain jacket", "Field notebook", "Camp stove")
NAMES = (
    "anna", "ben", "clara", "david", "emma", "finn", "grace", "hugo", "iris", "jonas", "kate", "leo", "mia", "noah",
    "olga", "paul", "quinn", "rosa", "sam", "tess", "uma", "victor", "wanda", "xavier", "yara", "zoe",
)  # fmt: skip
# With a time to wait, as servers under maintenance send it: without one, winback asks again at once, which takes hours.
DOWN = Fault(reply=Reply(503, {"message": "down for maintenance"}, {"Retry-After": "600"}))

Story = Iterator[timedelta]


@dataclass(frozen=True)
class Shop:
    """A sandbox store, with the witness at its door."""

    id: str
    title: str
    sandbox: StoreSandbox
    doorway: Doorway
    counts: bool = False  # the checkouts that are started, too


@dataclass(frozen=True)
class Service:
    """A sandbox CRM."""

    id: str
    title: str
    sandbox: CrmSandbox


@dataclass
class Town:
    """Everything that shoppers touch. `know` is told every new address."""

    clock: Clock
    shops: Sequence[Shop]
    services: Sequence[Service]
    ledger: Ledger
    tell: Tell
    know: Callable[[str], None] = lambda email: None

    def befalls(self, place: str, what: str) -> None:
        """Tells what happens to a store or a CRM."""
        self.tell(Line(self.clock(), Who.OUTSIDE, "", place, what, "note"))


@dataclass
class Shopper:
    """One person with one address. Each action happens now."""

    town: Town
    email: str
    shop: Shop
    title: str
    consent: ConsentState = ConsentState.OPTED_IN
    checkout: str = ""
    left_at: datetime = field(default=datetime.max, init=False)  # noqa: DTZ901  (a stand-in, never compared)

    def leaves(self, shop: Shop | None = None, why: str = "fills a cart and leaves") -> None:
        """Starts a checkout and walks away."""
        shop = shop or self.shop
        self.shop, self.left_at = shop, self.town.clock()
        self.town.know(self.email)
        self.town.ledger.starts.append(Start(self.email, self.left_at))
        self.checkout = shop.sandbox.abandon(self.email, consent=self.consent, title=self.title)
        self._tell(why)

    def only_looks(self) -> None:
        """Opens the checkout and types nothing: nobody knows who that was."""
        self.shop.sandbox.abandon("")
        self.town.befalls(self.shop.title, "somebody opens the checkout, types nothing and leaves")

    def follows_the_link(self) -> bool:
        """Opens the e-mail's link in another browser, where the store's own link can bring the cart back."""
        follow = getattr(self.shop.sandbox, "follow_link", None)
        if follow is not None:
            self.checkout = follow(self.checkout)
            self._tell("opens the e-mail's link in another browser")
        return follow is not None

    def wants(self, quantity: int) -> None:
        """Comes back to the checkout, changes it, and leaves again."""
        self.shop.sandbox.touch(self.checkout, quantity=quantity)
        self._tell(f"comes back, now wants {quantity}, leaves again")

    def buys(self, what: str = "comes back and buys", *, afresh: bool = False) -> None:
        """Completes the checkout; or, afresh, makes a new order under the same address."""
        store = self.shop.sandbox

        def buy() -> str:
            return store.buy(email=self.email) if afresh else store.buy(checkout_id=self.checkout)

        purchase = self.shop.doorway.sell(self.email, self.left_at + ABANDONED_AFTER, buy)
        self.town.ledger.purchases.append(purchase)
        self._tell(what)

    def unsubscribes(self) -> None:
        """Leaves the mailing lists, in every CRM."""
        self.town.know(self.email)
        for service in self.town.services:
            service.sandbox.unsubscribe(self.email)
        self._tell("unsubscribes from all e-mail", "the CRMs")

    def _tell(self, what: str, place: str = "") -> None:
        self.town.tell(Line(self.town.clock(), Who.SHOPPER, self.email, place or self.shop.title, what))


def hours(count: float) -> timedelta:
    """So many simulated hours."""
    return timedelta(hours=count)


def minutes(count: float) -> timedelta:
    """So many simulated minutes."""
    return timedelta(minutes=count)


def leaves_for_good(shopper: Shopper) -> Story:
    """The usual one."""
    shopper.leaves()
    yield hours(0)


def buys_at_once(shopper: Shopper) -> Story:
    """Back within the half hour: nothing may be sent."""
    shopper.leaves()
    yield minutes(20)
    shopper.buys("is back after 20 minutes and buys")


def is_recovered(shopper: Shopper) -> Story:
    """The e-mail brings them back to their checkout."""
    shopper.leaves()
    yield hours(8)
    shopper.buys()


def buys_elsewhere(shopper: Shopper) -> Story:
    """The e-mail brings them back, but on another device: a new order under the same address."""
    shopper.leaves()
    yield hours(9)
    shopper.buys("buys in another browser: a new order", afresh=True)


def returns_by_the_link(shopper: Shopper) -> Story:
    """The link of the e-mail brings the cart back in another browser: that visit is no lead, and its order ends one."""
    shopper.leaves()
    yield hours(9)
    followed = shopper.follows_the_link()
    yield hours(1)
    shopper.buys("buys there", afresh=not followed)


def only_looks(shopper: Shopper) -> Story:
    """Most who start a checkout leave no address. Where the store counts them, the capture rate shows it."""
    if shopper.shop.counts:
        shopper.only_looks()
    yield hours(0)


def changes_quantity(shopper: Shopper) -> Story:
    """Back at the checkout, without buying: newer fields, no second start. Half of them buy in the end."""
    shopper.leaves()
    yield hours(5)
    shopper.wants(3)
    yield hours(14)
    if len(shopper.email) % 2:
        shopper.buys()


def fills_second_cart(shopper: Shopper) -> Story:
    """Another cart in another store of the same owner within the week (R5): no second start."""
    shopper.leaves()
    yield hours(16)
    others = [shop for shop in shopper.town.shops if shop is not shopper.shop]
    shopper.leaves(others[0] if others else None, "fills a second cart within the week")


def comes_back_after_a_week(shopper: Shopper) -> Story:
    """A second cart within the week, and one more when the week is over: that one starts the campaign anew (R5)."""
    yield from fills_second_cart(shopper)
    yield hours(157)
    shopper.leaves(why="fills a cart again, a week later")


def has_unsubscribed(shopper: Shopper) -> Story:
    """Nobody who unsubscribed is mailed, whether the store knows of it or only the CRM (R9)."""
    told = getattr(shopper.shop.sandbox, "consents", frozenset(ConsentState))
    if shopper.consent is not ConsentState.UNSUBSCRIBED or shopper.consent not in told:
        shopper.unsubscribes()
        yield hours(0.5)
    shopper.leaves(why="(unsubscribed) fills a cart and leaves")
    yield hours(0)


def set_down(server: Server, down: bool) -> None:
    """Lets every request fail, or none."""
    server.fault = (lambda request: DOWN) if down else None


def store_fails(town: Town, shop: Shop, shoppers: Sequence[Shopper]) -> Story:
    """R4: the orders cannot be read, so leads wait. Two of the shoppers buy meanwhile, and must not be enrolled."""
    for shopper in shoppers:
        shopper.leaves(shop)
        yield minutes(5)
    yield minutes(26 - 5 * len(shoppers))
    set_down(shop.sandbox.server, True)
    town.befalls(shop.title, "its API is down for 9 hours: leads are held")
    yield minutes(2)
    shoppers[0].buys("buys while the API is down")
    yield hours(5)
    shoppers[1].buys("buys while the API is down")
    yield hours(4) - minutes(2)
    set_down(shop.sandbox.server, False)
    town.befalls(shop.title, "its API answers again")


def crm_fails(town: Town, service: Service, shoppers: Sequence[Shopper]) -> Story:
    """A CRM is down, and a shopper buys meanwhile: what is outstanding for them must be taken back."""
    set_down(service.sandbox.server, True)
    town.befalls(service.title, "its API is down for 12 hours: deliveries wait")
    for shopper in shoppers:
        shopper.leaves()
        yield minutes(40)
    yield hours(3)
    shoppers[0].buys("buys while the CRM is down")
    yield hours(8)
    set_down(service.sandbox.server, False)
    town.befalls(service.title, "its API answers again")


Kind = Callable[[Shopper], Story]
# The first day, in hours after the start: each kind of story once, early enough for a short look.
FIRST_DAY: tuple[tuple[float, Kind], ...] = (
    (0.5, comes_back_after_a_week),
    (2, has_unsubscribed),
    (3, is_recovered),
    (4.5, changes_quantity),
    (6, buys_elsewhere),
    (8, buys_at_once),
    (10, leaves_for_good),
    (11, returns_by_the_link),
    (12, buys_at_once),
)
FAILURES_EVERY = 66.0  # hours; from the first store's on, stores and CRMs in turn
FIRST_FAILURE = 14.0
LATER = (
    *(leaves_for_good,) * 5, *(is_recovered,) * 4, *(buys_at_once,) * 2, *(buys_elsewhere,) * 2,
    *(changes_quantity,) * 3, *(fills_second_cart,) * 2, has_unsubscribed, *(returns_by_the_link,) * 2,
    *(only_looks,) * 4,
)  # fmt: skip


class Casting:
    """Invents the shoppers and their stories, in an endless row of (hours after the start, story)."""

    def __init__(self, town: Town, seed: int) -> None:
        self._town, self._random = town, random.Random(seed)
        self._made = 0

    def stories(self) -> Iterator[tuple[timedelta, Story]]:
        """In the order of time."""
        for at, kind in FIRST_DAY:
            yield hours(at), kind(self.shopper(kind))
        at, failure, turn = FIRST_FAILURE, FIRST_FAILURE, 0
        while True:
            if at >= failure:
                yield hours(at), self._failure(turn)
                turn, failure = turn + 1, failure + FAILURES_EVERY / 2
            at += self._random.uniform(2, 4.5)
            kind = self._random.choice(LATER)
            yield hours(at), kind(self.shopper(kind))

    def stale(self) -> list[Shopper]:
        """Those who left days before winback was installed."""
        return [self.shopper(leaves_for_good) for _ in range(2)]

    def shopper(self, kind: Kind) -> Shopper:
        """Somebody new, at each store in turn."""
        name = NAMES[self._made % len(NAMES)]
        number = self._made // len(NAMES)
        shop = self._town.shops[self._made % len(self._town.shops)]
        self._made += 1
        unsubscribed = kind is has_unsubscribed and self._random.random() < 0.5
        consent = ConsentState.UNSUBSCRIBED if unsubscribed else ConsentState.OPTED_IN
        email = f"{name}{number or ''}@example.com"
        return Shopper(self._town, email, shop, self._random.choice(PRODUCTS), consent)

    def _failure(self, turn: int) -> Story:
        shoppers = [self.shopper(leaves_for_good) for _ in range(3)]
        town, nth = self._town, turn // 2
        if turn % 2 and town.services:
            return crm_fails(town, town.services[nth % len(town.services)], shoppers)
        return store_fails(town, town.shops[nth % len(town.shops)], shoppers)
