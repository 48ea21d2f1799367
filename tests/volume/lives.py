"""What shoppers do with their checkouts, worked out from the checkout's number alone: any number of them, in order."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from connector.model import Checkout, Consent, ConsentState, Customer, LineItem, Money, Order, Stage

HOST = "https://shop.acme-example.com"
PRODUCTS = 400
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Visit:
    """A moment at which a checkout changes: the shopper is there, or an order is placed or paid back."""

    number: int
    what: str  # visit | order | refund
    placed: datetime | None = None


class Traffic:
    """`per_day` checkouts a day from `start` on, and what becomes of each of them."""

    def __init__(self, start: datetime, per_day: int) -> None:
        self.start, self.per_day, self.started, self.orders = start, per_day, 0, 0
        self._every = DAY / per_day
        self._agenda: list[tuple[datetime, int, Visit]] = []
        self._order = itertools.count()
        self.stopped = False

    def until(self, now: datetime) -> Iterator[tuple[datetime, Visit]]:
        """Everything that has happened since the last call, in order."""
        while not self.stopped and self.start + self.started * self._every <= now:
            number, at = self.started, self.start + self.started * self._every
            self.started += 1
            self._plan(at, Visit(number, "visit"))
            self._live(number, at)
        while self._agenda and self._agenda[0][0] <= now:
            at, _, visit = heapq.heappop(self._agenda)
            yield at, visit

    def stop(self) -> None:
        """Nobody else comes. Who was there goes on."""
        self.stopped = True

    def last(self) -> datetime:
        """When the last thing happens that is to come."""
        return max(at for at, _, _ in self._agenda)

    def _plan(self, at: datetime, visit: Visit) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), visit))

    def _live(self, number: int, at: datetime) -> None:
        chance = random.Random(number)
        kind = chance.random()
        if kind < 0.30:  # at once
            self._buy(number, at + chance.uniform(3, 20) * MINUTE, chance)
        elif kind < 0.38:  # after a step
            self._buy(number, at + chance.uniform(2, 90) * HOUR, chance)
        elif kind < 0.41:  # later than any step brought it
            self._buy(number, at + chance.uniform(11, 40) * DAY, chance)
        elif kind < 0.49:  # comes back for another look
            self._plan(at + chance.uniform(1, 6) * DAY, Visit(number, "visit"))
        elif kind < 0.52:  # comes back when the seven days are over
            self._plan(at + chance.uniform(8, 20) * DAY, Visit(number, "visit"))

    def _buy(self, number: int, at: datetime, chance: random.Random) -> None:
        self.orders += 1
        self._plan(at, Visit(number, "order", at))
        if chance.random() < 0.08:
            self._plan(at + chance.uniform(3, 30) * DAY, Visit(number, "refund", at))

    def began(self, number: int) -> datetime:
        """When a checkout was started."""
        return self.start + number * self._every

    def email(self, number: int) -> str:
        """Whose it is: every twelfth one is nobody's, some are the second checkout of somebody who came before."""
        chance = random.Random(-number)
        kind, earlier = chance.random(), number
        if kind < 0.08:
            return ""
        if kind < 0.11:
            earlier = number - int(self.per_day * 0.4)  # of the same day
        elif kind < 0.14:
            earlier = number - self.per_day * 12
        return f"shopper.{max(earlier, 0)}@mail-{number % 9}.example.com" if earlier == number else self._of(earlier)

    def _of(self, earlier: int) -> str:
        return f"shopper.{max(earlier, 0)}@mail-{max(earlier, 0) % 9}.example.com"

    def checkout(self, number: int, at: datetime) -> Checkout:
        """The checkout as the store shows it at that time."""
        chance = random.Random(number * 7 + 1)
        lines = tuple(_line(chance) for _ in range(chance.choice((1, 1, 1, 2, 2, 3))))
        email = self.email(number)
        state = ConsentState.OPTED_IN if chance.random() < 0.6 else ConsentState.NOT_OPTED_IN
        began = self.began(number)
        return Checkout(
            id=f"gid://shop/Checkout/{36270641000000 + number}",
            status="open",
            started_at=began,
            activity_at=at,
            modified_at=at,
            customer=Customer(
                email=email,
                id=f"gid://shop/Customer/{7270641000000 + number}" if email else "",
                first_name="Johanna" if email else "",
                last_name="Musterfrau" if email else "",
                phone="+4930901820" if number % 3 == 0 else "",
            ),
            total=Money(sum((line.total.amount for line in lines), Decimal(0)), "EUR"),
            lines=lines,
            url=f"{HOST}/26371970/checkouts/ac/{_token(number)}/recover?key={_token(number + 1)}&locale=de",
            tokens=(_token(number),),
            consent=Consent(state, "shop customer", began),
            country="DE",
            locale="de-DE",
            stage=chance.choice((Stage.CONTACT, Stage.ADDRESS, Stage.PAYMENT)) if email else Stage.CONTACT,
        )

    def order(self, number: int, at: datetime, placed: datetime, refunded: bool) -> Order:
        """The order of a checkout, as the store shows it at that time."""
        checkout = self.checkout(number, placed)
        return Order(
            id=f"gid://shop/Order/{5270641000000 + number}",
            status="refunded" if refunded else "paid",
            purchase=True,
            created_at=placed,
            modified_at=at,
            customer=checkout.customer,
            total=checkout.total,
            refunded=checkout.total.amount if refunded else Decimal(0),
            placed_at=placed,
            tokens=checkout.tokens,
        )


def _line(chance: random.Random) -> LineItem:
    product = min(chance.randrange(PRODUCTS), chance.randrange(PRODUCTS))  # some sell better
    price = Money(Decimal(1000 + product * 37 % 9000) / 100, "EUR")
    quantity = chance.choice((1, 1, 1, 2))
    return LineItem(
        title=f"Leinenhemd mit Stehkragen No. {product}",
        quantity=quantity,
        total=Money(price.amount * quantity, "EUR"),
        price=price,
        variant="M / weiß",
        sku=f"SKU-{10000 + product}",
        product_id=f"{8000000000 + product}",
        variant_id=f"{45000000000 + product}",
        image_url=f"{HOST}/cdn/shop/files/leinenhemd-{product}_800x.jpg?v=1700000000",
        product_url=f"{HOST}/products/leinenhemd-mit-stehkragen-{product}",
    )


def _token(number: int) -> str:
    return f"{number * 2654435761 % 2**64:016x}{number:016x}"
