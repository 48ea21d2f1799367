"""What the Mailchimp tests are made of: a sandbox, an adapter over it, and values with sensible defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from clock import START

from connector.http import Http
from connector.model import Checkout, Customer, Enrolment, LineItem, Money, Order, Withdrawal
from connector.sandbox import Exchange
from crm._mailchimp_options import MailchimpOptions
from crm.mailchimp import Mailchimp
from crm.sandbox.mailchimp import EVENT, FLOW_TAG, JOURNEY, STEP, MailchimpSandbox, serve

EMAIL = "jane@example.com"
URL = "https://shop.example/checkouts/c1?key=abc"
CAMPAIGNS: dict[str, Any] = {"journey": {"journey": JOURNEY, "step": STEP}, "event": {"event": EVENT}}
HTTP = Http()


@dataclass
class Case:
    """One sandbox account and the adapter that talks to it."""

    sandbox: MailchimpSandbox
    crm: Mailchimp

    def enrolment(self, **changes: Any) -> Enrolment:
        """A first step for Jane, whom the store lets subscribe."""
        values: dict[str, Any] = {
            "key": "acme/jane/c1/1/0",
            "email": EMAIL,
            "checkout": checkout(),
            "client": "acme",
            "store": "acme-shop",
            "at": START,
            "lead_at": START,
            "fields": {"MEMBERSHIP": "Gold", "CHECKOUT": URL},
            "tags": (FLOW_TAG,),
            "campaign": CAMPAIGNS.get(self.sandbox.path),
            "may_subscribe": True,
        }
        return Enrolment(**{**values, **changes})

    def count(self, what: str = "enrolled", email: str = EMAIL) -> int:
        """How often the shopper would have noticed that."""
        return sum(effect.what == what and effect.email == email for effect in self.sandbox.effects)

    def sent(self, method: str, ending: str = "") -> list[Exchange]:
        """The exchanges of that method whose path ends so."""
        journal = self.sandbox.server.journal
        return [row for row in journal if row.request.method == method and row.request.path.endswith(ending)]


Make = Callable[..., Case]


def case(
    path: str = "journey", *, options: dict[str, Any] | None = None, prepared: bool = True, **serving: Any
) -> Case:
    """A fresh account. Its journal starts after `prepare`."""
    sandbox = serve(path=path, **serving)
    crm = adapter(sandbox, **(options or {}))
    if prepared:
        crm.prepare(["MEMBERSHIP", "CHECKOUT"], [FLOW_TAG])
        sandbox.server.journal.clear()
    return Case(sandbox, crm)


@contextmanager
def cases() -> Iterator[Make]:
    """Makes cases like `case`, and closes their servers in the end."""
    made: list[Case] = []

    def start(*args: Any, **kwargs: Any) -> Case:
        made.append(case(*args, **kwargs))
        return made[-1]

    yield start
    for each in made:
        each.sandbox.server.close()


def adapter(sandbox: MailchimpSandbox, **options: Any) -> Mailchimp:
    """The adapter as a client's file would configure it."""
    keys = {"id": "mail", **sandbox.options(), "requests_per_second": 10_000, **options}
    return Mailchimp(MailchimpOptions.model_validate(keys), HTTP)


def line(product: str = "11", *, quantity: int = 1, price: str = "49.00", **more: Any) -> LineItem:
    """A line of that product."""
    amount = Decimal(price)
    return LineItem(
        title=f"Product {product}",
        quantity=quantity,
        total=Money(amount * quantity, "EUR"),
        price=Money(amount, "EUR"),
        product_id=product,
        **more,
    )


def checkout(*lines: LineItem, **changes: Any) -> Checkout:
    """Jane's checkout."""
    lines = lines or (line(sku="GOLD", variant="Yearly", variant_id="111", image_url="https://shop.example/g.png"),)
    total = Money(sum((each.total.amount for each in lines), Decimal(0)), "EUR")
    values: dict[str, Any] = {
        "id": "gid://shopify/AbandonedCheckout/1",
        "status": "open",
        "started_at": START - timedelta(hours=1),
        "activity_at": START - timedelta(minutes=31),
        "modified_at": START - timedelta(minutes=31),
        "customer": Customer(EMAIL, first_name="Jane", last_name="Doe"),
        "total": total,
        "lines": lines,
        "url": URL,
    }
    return Checkout(**{**values, **changes})


def withdrawal(**changes: Any) -> Withdrawal:
    """Jane is let go."""
    values = Withdrawal("w1", EMAIL, START, "acme-shop", checkout().id, (FLOW_TAG,), campaigns=())
    return replace(values, **changes)


def order(total: str = "49.00") -> Order:
    """Jane bought."""
    placed = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    return Order(
        id="gid://shopify/Order/9",
        status="paid",
        purchase=True,
        created_at=placed,
        modified_at=placed,
        customer=Customer(EMAIL),
        total=Money(Decimal(total), "EUR"),
        placed_at=placed,
    )
