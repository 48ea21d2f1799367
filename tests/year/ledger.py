"""What really happened, as the stores and the CRMs saw it, and who must be a lead by the rules (R2 to R7, R12).

Nothing here asks the engine. Of `connector` it uses only the hash that chooses the hold-out, which nobody could guess.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from connector.rules import in_holdout

ABANDONED, PATIENCE, STALE = timedelta(minutes=30), timedelta(hours=1), timedelta(hours=48)
WINDOW, QUIET, KEPT = timedelta(days=7), timedelta(hours=24), timedelta(days=90)
CLIENT = "acme"


@dataclass(eq=False)
class Lead:
    """One lead, under whatever address. `steps` is when each one started in each CRM."""

    cart: Cart
    email: str
    made: datetime
    holdout: bool
    version: int  # of the sequence
    crms: tuple[str, ...]
    product: str = ""
    steps: dict[int, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    starts: list[Start] = field(default_factory=list)
    moves: list[tuple[datetime, datetime]] = field(default_factory=list)  # when something was shown, and of when it was
    ended: datetime | None = None
    end: str = ""
    corrected: datetime | None = None  # when the address was

    def last_step(self, before: datetime) -> int | None:
        """The last step that had gone out by then."""
        done = [step for step, crms in self.steps.items() if min(crms.values()) <= before]
        return max(done, default=None)

    def last_delivered(self, before: datetime) -> datetime:
        """When the last delivery before then was made."""
        return max(at for crms in self.steps.values() for at in crms.values() if at <= before)


@dataclass(eq=False)
class Cart:
    """A checkout: as it is in its store, and as the store last showed it."""

    store: str
    id: str
    email: str
    product: str
    started: datetime
    active: datetime
    currency: str
    quantity: int
    subscribed: bool = True  # else the shopper has unsubscribed in the store
    shown: datetime | None = None  # the activity that was shown,
    shown_at: datetime | None = None  # when it was first shown,
    shown_email: str = ""  # and the address
    counted: bool = False
    triggered: datetime | None = None
    carries: Lead | None = None  # whose steps go on under a corrected address
    leads: list[Lead] = field(default_factory=list)  # that it made
    state: str = ""
    ended_by: Order | None = None


@dataclass(eq=False)
class Order:
    """A purchase. `known` is its place in the row of all events, once its store has shown it."""

    store: str
    id: str
    email: str
    placed: datetime
    amount: Decimal
    currency: str
    cart: Cart | None = None  # whose checkout was completed
    origin: str = "checkout"
    code: str = ""
    known: int | None = None
    paid_back: list[tuple[datetime, Decimal]] = field(default_factory=list)
    cancelled: datetime | None = None
    ends: list[tuple[Cart, Lead | None]] = field(default_factory=list)  # each checkout with each of its leads


@dataclass(frozen=True)
class Start:
    """A CRM's campaign starts for somebody."""

    place: int
    at: datetime
    crm: str
    email: str
    step: int
    code: str


class Ledger:
    """Told by the stores' and the CRMs' doors what they showed and did; after each pass it draws the conclusions."""

    def __init__(self) -> None:
        self.carts: dict[tuple[str, str], Cart] = {}
        self.orders: dict[tuple[str, str], Order] = {}
        self.leads: list[Lead] = []
        self.starts: list[Start] = []
        self.codes: dict[str, list[str]] = defaultdict(list)  # by the address that was told
        self.heard_of: dict[str, set[str]] = defaultdict(set)  # CRM: every address that it was ever told
        self.broken: list[str] = []  # promises that did not hold
        self.current: dict[str, Lead] = {}
        self._place = 0
        self._fresh: list[Start] = []
        self._of: dict[str, list[Cart]] = defaultdict(list)  # by the address shown
        self._known: dict[str, list[Order]] = defaultdict(list)
        self._waiting: dict[Cart, None] = {}
        self._window: dict[str, datetime] = {}
        self._word: dict[str, datetime] = {}
        self._failing: dict[str, datetime] = {}

    def place(self) -> int:
        """The next place in the row of all events."""
        self._place += 1
        return self._place

    # What the doors tell

    def shows_cart(self, store: str, number: str, now: datetime) -> None:
        """A store lists a checkout, as it is now."""
        cart = self.carts[store, number]
        if (cart.shown, cart.shown_email) == (cart.active, cart.email):
            return
        if cart.shown_email and cart.shown_email != cart.email:
            self._corrected(cart)
        if cart.shown_email != cart.email:
            self._of[cart.email].append(cart)
        if cart.shown != cart.active:
            cart.shown, cart.shown_at = cart.active, now
        cart.shown_email, cart.counted = cart.email, True
        lead = cart.carries or self.current.get(cart.email)
        if lead is not None and cart.active < lead.made + WINDOW:
            lead.moves.append((now, cart.active))
        if cart.ended_by is None:
            self._waiting[cart] = None

    def shows_order(self, store: str, number: str) -> None:
        """A store lists an order."""
        order = self.orders.get((store, number))
        if order is None or order.known is not None:
            return
        order.known = self.place()
        if order.cart is not None and store == "woo" and not order.cart.counted:
            order.placed = order.cart.started  # nobody saw it leave the draft: its creation counts (R7)
        self._known[order.email].append(order)
        for cart in (*self._of[order.email], order.cart):
            if cart is not None:
                self._buy(cart, order)

    def starts_step(self, at: datetime, crm: str, email: str, step: int, code: str) -> None:
        """A CRM's campaign starts."""
        self._fresh.append(Start(self.place(), at, crm, email, step, code))

    # What follows

    def passed(self, now: datetime, heard: Collection[str], stores: Iterable[str], world: Edition) -> None:
        """A pass of the engine has ended at `now`; `heard` are the stores whose orders could be read."""
        for store in stores:
            if store in heard:
                self._word[store] = now
                self._failing.pop(store, None)
            else:
                self._failing.setdefault(store, now)
        order = sorted(self._waiting, key=lambda cart: (cart.shown or now, cart.store))
        for cart in order:
            if self._decide(cart, now, stores, world):
                self._waiting.pop(cart, None)
        for start in self._fresh:
            self._attribute(start)
        self._fresh = []

    def _decide(self, cart: Cart, now: datetime, stores: Iterable[str], world: Edition) -> bool:
        """Whether that was the last word on this checkout, for the time being."""
        assert cart.shown
        assert cart.shown_at
        email, active, due = cart.shown_email, cart.shown, cart.shown + ABANDONED
        for order in self._known[email]:
            self._buy(cart, order)
        if cart.ended_by is not None:
            return True
        if any(timedelta(0) <= cart.started - order.placed <= QUIET for order in self._valid(email)):
            cart.state = "bought_recently"
        elif now < due:
            return False
        elif now - active > STALE or cart.shown_at - active > STALE:
            cart.state = "stale"
        elif not cart.subscribed:
            cart.state = "no_consent"
        elif any(at and active < at + WINDOW for at in (self._window.get(email), self._own(cart))):
            cart.state = "renewed_too_soon"
        elif not self._heard(cart.store, due, now, stores):
            return False
        else:
            self._make(cart, now, world)
        return True

    def _own(self, cart: Cart) -> datetime | None:
        return None if cart.carries else cart.triggered

    def _valid(self, email: str) -> list[Order]:
        return [order for order in self._known[email] if order.cancelled is None]

    def _heard(self, own: str, since: datetime, now: datetime, stores: Iterable[str]) -> bool:
        for store in stores:
            if store in self._word and self._word[store] >= since:
                continue
            failing = self._failing.get(store)
            if store == own or failing is None or now - max(failing, since) < PATIENCE:
                return False
        return True

    def _make(self, cart: Cart, now: datetime, world: Edition) -> None:
        email = cart.shown_email
        self._window[email] = cart.triggered = now
        cart.state = "lead"
        if cart.carries is not None:  # a corrected address: it goes on with the same lead
            self.current[email] = cart.carries
            cart.carries = None
            return
        if (before := self.current.get(email)) is not None:
            self._end(before, now, "replaced")
        lead = Lead(cart, email, now, in_holdout(CLIENT, email, world.holdout), world.version, world.crms, cart.product)
        lead.moves.append((now, cart.shown or now))
        self.current[email] = lead
        cart.leads.append(lead)
        self.leads.append(lead)

    def _corrected(self, cart: Cart) -> None:
        lead = self.current.get(cart.shown_email)
        if lead is not None and lead.cart is cart and lead.ended is None:
            del self.current[cart.shown_email]
            lead.email, lead.corrected, cart.carries = cart.email, cart.active, lead

    def _buy(self, cart: Cart, order: Order) -> None:
        if cart.ended_by is not None or not (order.cart is cart or order.placed >= cart.started):
            return
        if not cart.counted:
            return
        cart.ended_by, cart.state = order, "bought"
        order.ends += [(cart, lead) for lead in cart.leads] or [(cart, None)]
        for lead in cart.leads:
            if lead.ended is None:
                self._end(lead, order.placed, "bought")

    def _end(self, lead: Lead, at: datetime, why: str) -> None:
        lead.ended, lead.end = at, why
        if self.current.get(lead.email) is lead:
            del self.current[lead.email]

    def _attribute(self, start: Start) -> None:
        self.starts.append(start)
        if start.code:
            self.codes[start.email].append(start.code)
        words = f"{start.email}: step {start.step + 1} in {start.crm} at {start.at:%Y-%m-%d %H:%M}"
        lead = self.current.get(start.email)
        if lead is None:
            self.broken.append(f"{words} for somebody who is no lead (any more)")
            return
        if lead.holdout:
            self.broken.append(f"{words} for a hold-out")
        if start.crm in lead.steps[start.step]:
            self.broken.append(f"{words} a second time")
        lead.steps[start.step].setdefault(start.crm, start.at)
        lead.starts.append(start)


@dataclass(frozen=True)
class Edition:
    """What the configuration says at a time, as far as it matters here. `afters` are the distances of the steps."""

    version: int
    afters: tuple[timedelta, ...]
    crms: tuple[str, ...]
    holdout: float
