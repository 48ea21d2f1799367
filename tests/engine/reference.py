"""The lead rules once more, in fifty lines and the plainest way, for the stateful test to compare the engine with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class Cart:
    """A checkout: as it is in its store, and as the engine last read it."""

    store: str
    email: str
    started: datetime
    active: datetime
    read: datetime | None = None  # the activity that was read, and when
    read_at: datetime = NEVER
    state: str = "unread"
    sold: bool = False  # completed itself: WooCommerce lists it among the orders only
    triggered: datetime | None = None
    listed: bool = False

    def move(self, now: datetime) -> None:
        """The shopper does something."""
        self.listed, self.active = self.listed or now - self.active >= 10 * MINUTE, now

    def is_listed(self, now: datetime) -> bool:
        """WooCommerce lists drafts at once; Shopify after ten quiet minutes, and from then on."""
        return (
            not self.sold
            if self.store == "woo"
            else self.listed or (not self.sold and now - self.active >= 10 * MINUTE)
        )


@dataclass
class Reference:
    """What must become of everything. `due` holds leads that wait for the CRM: email to (cart, due)."""

    carts: list[Cart] = field(default_factory=list)
    orders: list[tuple[str, str, datetime, Cart | None]] = field(default_factory=list)
    seen: list[tuple[str, str, datetime, Cart | None]] = field(default_factory=list)
    window: dict[str, datetime] = field(default_factory=dict)
    lead: dict[str, tuple[Cart, datetime]] = field(default_factory=dict)  # who is under way, and their last activity
    due: dict[str, tuple[Cart, datetime]] = field(default_factory=dict)
    word: dict[str, datetime] = field(default_factory=dict)
    failing: dict[str, datetime] = field(default_factory=dict)
    enrolled: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)

    def sync(self, now: datetime, down: set[str]) -> None:
        """One pass at `now`. `down` may name `woo`, `shop` (nothing of that store can be read) and `mail`."""
        for store in ("woo", "shop"):
            if store in down:
                self.failing.setdefault(store, now)
                continue
            self.failing.pop(store, None)
            for cart in self.carts:
                if cart.store == store and cart.is_listed(now) and cart.read != cart.active:
                    self._read(cart, now)
            self.seen += [order for order in self.orders if order[0] == store and order not in self.seen]
            self.word[store] = now
        for cart in self.carts:
            if cart.read and any(
                cart is of or (cart.email == email and at >= cart.started) for _, email, at, of in self.seen
            ):
                self._buy(cart)
        for cart in sorted(self.carts, key=lambda cart: (cart.read or now, cart.store)):
            if cart.state in ("waiting", "held"):
                self._decide(cart, now)
        for email, (cart, due) in list(self.due.items()):
            self._deliver(email, cart, due, now, "mail" in down)

    def _read(self, cart: Cart, now: datetime) -> None:
        cart.read, cart.read_at = cart.active, now
        if cart.state == "bought":
            return
        email = cart.email
        if email in self.lead and self.lead[email][1] <= cart.active < self.window[email] + 7 * DAY:
            self.lead[email] = (self.lead[email][0], cart.active)
        in_turn = cart.triggered and cart.active < cart.triggered + 7 * DAY
        cart.state = cart.state if in_turn else "waiting"

    def _buy(self, cart: Cart) -> None:
        cart.state = "bought"
        if cart.email in self.lead and self.lead[cart.email][0] is cart:
            if cart.email not in self.due:
                self.withdrawn.append(cart.email)
            self.due.pop(cart.email, None)
            del self.lead[cart.email]

    def _bought_recently(self, cart: Cart) -> bool:
        return any(timedelta(0) <= cart.started - at <= 24 * HOUR for _, who, at, _ in self.seen if who == cart.email)

    def _decide(self, cart: Cart, now: datetime) -> None:
        email, active, due = cart.email, cart.read or now, (cart.read or now) + 30 * MINUTE
        if self._bought_recently(cart):
            cart.state = "bought_recently"
        elif now < due:
            cart.state = "waiting"
        elif cart.read_at - active > 48 * HOUR or now - active > 48 * HOUR:
            cart.state = "stale" if cart.read_at - active > 48 * HOUR else "too_late"
        elif any(at and active < at + 7 * DAY for at in (self.window.get(email), cart.triggered)):
            cart.state = "renewed_too_soon"
            if email in self.lead and self.lead[email][1] <= active:
                self.lead[email] = (self.lead[email][0], active)
        elif self._unheard(cart.store, due, due, now):
            cart.state = "held"
        else:
            self.window[email] = cart.triggered = now
            cart.state = "on its way"
            self.lead[email], self.due[email] = (cart, active), (cart, due)

    def _unheard(self, own: str, since: datetime, held_from: datetime, now: datetime) -> bool:
        for store in ("woo", "shop"):
            if self.word.get(store, NEVER) < since:
                failing = self.failing.get(store)
                if store == own or failing is None or now - max(failing, held_from) < 1 * HOUR:
                    return True
        return False

    def _deliver(self, email: str, cart: Cart, due: datetime, now: datetime, crm_down: bool) -> None:
        active = self.lead[email][1]
        ready = max(active + 30 * MINUTE, due)
        if self._bought_recently(cart):
            cart.state = "bought_recently"
        elif now - active > 48 * HOUR:
            cart.state = "too_late"
        elif now < ready or self._unheard(cart.store, max(ready, now - 10 * MINUTE), ready, now) or crm_down:
            return
        else:
            cart.state = "enrolled"
            self.enrolled.append(email)
        del self.due[email]
