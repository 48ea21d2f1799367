"""What the ActiveCampaign tests share: an adapter, a shopper, and what was asked of the sandbox account."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from clock import START

from connector.http import Http
from connector.model import Checkout, Customer, Enrolment, Money, Withdrawal
from connector.sandbox import Fault, Reply, Request
from crm.activecampaign import ActiveCampaign, ActiveCampaignOptions
from crm.sandbox.activecampaign import ActiveCampaignSandbox

JANE = "jane@example.com"
FIELDS = {"Product": "Blue chair", "CHECKOUT": "https://shop.example/checkout/1?key=" + "x" * 300}
TAGS = ("abandoned-cart",)


def adapter_for(sandbox: ActiveCampaignSandbox, **changes: Any) -> ActiveCampaign:
    """A new adapter, as after a restart."""
    options = ActiveCampaignOptions.model_validate({"id": "mail", **sandbox.options(), **changes})
    return ActiveCampaign(options, Http())


def enrolment_for(adapter: ActiveCampaign, email: str = JANE, **changes: Any) -> Enrolment:
    """A shopper who opted in, one minute after the lead was made at the tests' start."""
    checkout = Checkout("c1", "open", START, START, START, Customer(email), Money(Decimal("99.00"), "EUR"))
    first = Enrolment(
        key=f"acme:{email}:c1:1:0",
        email=email,
        checkout=checkout,
        client="acme",
        store="acme-shop",
        at=START + timedelta(minutes=1),
        lead_at=START,
        fields=FIELDS,
        tags=TAGS,
        campaign=adapter.options.campaign,
        may_subscribe=True,
    )
    return replace(first, **changes)


def withdrawal_for(adapter: ActiveCampaign, email: str = JANE, **changes: Any) -> Withdrawal:
    campaigns = (adapter.options.campaign,) if adapter.options.campaign else ()
    return replace(Withdrawal("w1", email, START, "acme-shop", "c1", TAGS, (), campaigns), **changes)


def effects(sandbox: ActiveCampaignSandbox) -> list[str]:
    return [effect.what for effect in sandbox.effects]


def calls(sandbox: ActiveCampaignSandbox) -> list[str]:
    """What was asked since the journal was last cleared."""
    return [f"{entry.request.method} {entry.request.path.removeprefix('/api/3')}" for entry in sandbox.server.journal]


def answer_with(status: int, body: Any, *, when: str, headers: dict[str, str] | None = None) -> Any:
    """A fault: this reply to every request whose method and path end so."""
    reply = Reply(status, body, headers or {})

    def fault(request: Request) -> Fault | None:
        return Fault(reply) if f"{request.method} {request.path}".endswith(when) else None

    return fault
