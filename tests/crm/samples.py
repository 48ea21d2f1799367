"""Shoppers who are enrolled and let go, what became of them, and trouble on the way: for the tests of any CRM."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.model import Checkout, Customer, Enrolment, LineItem, Money, Order, Withdrawal
from connector.sandbox import CrmSandbox, Fault, Reply, Request

NOW = datetime(2026, 3, 2, 9, 45, tzinfo=UTC)
JANE = "jane@shop.example"


def enrolment(email: str = JANE, key: str = "", **changes: Any) -> Enrolment:
    """One step for one lead with one line in the cart."""
    total = Money(Decimal("49.90"), "EUR")
    line = LineItem("Blue mug", 2, total, Money(Decimal("24.95"), "EUR"), variant="large", sku="MUG-B", product_id="77")
    started = NOW - timedelta(minutes=45)
    checkout = Checkout(
        id=f"c-{email}",
        status="open",
        started_at=started,
        activity_at=started,
        modified_at=started,
        customer=Customer(email, first_name="Jane", last_name="Doe", phone="+436641234567"),
        total=total,
        lines=(line,),
        url="https://shop.example/recover/abc",
    )
    made = Enrolment(
        key=key or f"acme/{email}/1/0",
        email=email,
        checkout=checkout,
        client="acme",
        store="acme-shop",
        at=NOW,
        lead_at=NOW,
        fields={"PRODUCT": "Blue mug"},
        tags=("abandoned-cart",),
    )
    return replace(made, **changes)


def withdrawal(email: str = JANE, **changes: Any) -> Withdrawal:
    """The shopper bought, a minute after they were enrolled."""
    at = NOW + timedelta(minutes=1)
    order = Order(
        id="1001",
        status="processing",
        purchase=True,
        created_at=at - timedelta(seconds=90),
        modified_at=at,
        customer=Customer(email),
        total=Money(Decimal("49.90"), "EUR"),
    )
    made = Withdrawal(
        key=f"w/{email}/1001", email=email, at=at, store="acme-shop", checkout_id="c1", tags=("abandoned-cart",)
    )
    return replace(made, **{"order": order, **changes})


def effects(sandbox: CrmSandbox, what: str = "enrolled") -> list[str]:
    """The addresses of those who noticed something, in order."""
    return [effect.email for effect in sandbox.effects if effect.what == what]


def calls(sandbox: CrmSandbox) -> list[str]:
    """What was asked of the sandbox, as `POST /api/events`."""
    return [f"{each.request.method} {each.request.path}" for each in sandbox.server.journal]


class Trouble:
    """Answers the calls that match with an error of its own, so many times. `late` does what was asked first."""

    def __init__(self, call: str, reply: Reply | None = None, *, late: bool = False, times: int = 1) -> None:
        # A long Retry-After goes straight back to the queue.
        self.reply = reply or Reply(503, None, {"Retry-After": "60"})
        self.call, self.late, self.times = call, late, times

    def __call__(self, request: Request) -> Fault | None:
        if self.call != f"{request.method} {request.path}" or not self.times:
            return None
        self.times -= 1
        return Fault(self.reply, after_effect=self.late)
