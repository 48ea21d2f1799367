"""From records to the plain values of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from connector.engine.trust import FROM_BROWSER
from connector.harmless import clean_name
from connector.inbound.options import Snippet, origin_of
from connector.inbound.reading import Problem
from connector.inbound.records import (
    CartRecord,
    CheckoutRecord,
    CompletedRecord,
    ConsentRecord,
    LineRecord,
    OrderRecord,
    TypedRecord,
)
from connector.model import Checkout, Consent, ConsentState, Customer, LineItem, Money, Order, Origin, Source

LONGEST_TITLE = 200
Make = Callable[[Checkout | None, datetime], Checkout | None]


def checkout_of(record: CheckoutRecord) -> Checkout:
    """A checkout as a site's server told of it."""
    activity_at = min(record.activity_at or record.updated_at, record.updated_at)
    return Checkout(
        id=record.id,
        status=_status(record, record.completed_at),
        started_at=min(record.started_at, activity_at),
        activity_at=activity_at,
        modified_at=record.updated_at,
        customer=_customer(record, record.customer_id),
        total=Money(record.total, record.currency),
        lines=tuple(_line(line, record.currency) for line in record.lines),
        url=record.url,
        completed_at=record.completed_at,
        emptied=record.emptied,
        order_id=record.order_id,
        tokens=(record.token,) if record.token else (),
        consent=_consent(record.consent),
        country=record.country,
        locale=record.locale,
        stage=record.stage,
        coupons=record.coupons,
        source=Source.INBOUND,
    )


def order_of(record: OrderRecord) -> Order:
    """An order as a site's server told of it. A cancelled one, or a renewal, is no purchase, whatever it says."""
    return Order(
        id=record.id,
        status=record.status,
        purchase=record.purchase and record.cancelled_at is None and record.origin is not Origin.RENEWAL,
        created_at=record.created_at,
        modified_at=record.updated_at,
        customer=Customer(record.email.strip(), record.customer_id),
        total=Money(record.total, record.currency),
        refunded=record.refunded,
        origin=record.origin,
        placed_at=record.placed_at,
        cancelled_at=record.cancelled_at,
        checkout_id=record.checkout_id,
        tokens=(record.token,) if record.token else (),
    )


def stored_id(record: TypedRecord | CompletedRecord) -> str:
    """The id under which a browser's checkout is kept: none that a server could have."""
    return FROM_BROWSER + record.id


def misplaced(record: TypedRecord | CompletedRecord, snippet: Snippet) -> list[Problem]:
    """A link to another site would go out in the store owner's e-mail."""
    if isinstance(record, CompletedRecord) or not record.url or origin_of(record.url) in snippet.origins:
        return []
    return [Problem("checkouts.0.url", "is not on one of the origins of this snippet")]


def typed(record: TypedRecord | CompletedRecord, snippet: Snippet) -> Make:
    """What a browser's word makes of the checkout that is known so far, at the store's time; what is over stays so."""

    def make(earlier: Checkout | None, at: datetime) -> Checkout | None:
        if earlier is not None and earlier.completed_at is not None:
            return None
        if isinstance(record, TypedRecord):
            return _typed(record, snippet, earlier, at)
        return replace(earlier, status="completed", completed_at=at, modified_at=at) if earlier else None

    return make


def _typed(record: TypedRecord, snippet: Snippet, earlier: Checkout | None, at: datetime) -> Checkout:
    """Its texts are cleaned, and links in it lead to the owner's own sites: anyone can type anything there."""
    consent = _consent(record.consent)
    if consent.state is ConsentState.OPTED_IN and not snippet.believe_opt_in:
        consent = Consent()
    return Checkout(
        id=stored_id(record),
        status=_status(record, None),
        started_at=earlier.started_at if earlier else at,
        activity_at=at,
        modified_at=at,
        customer=_customer(record, ""),
        total=Money(record.total, record.currency),
        lines=tuple(_own_line(_line(line, record.currency), snippet) for line in record.lines),
        url=record.url.partition("#")[0],
        emptied=record.emptied,
        consent=replace(consent, source=f"browser: {consent.source}".rstrip(": ")) if consent.source else consent,
        country=record.country,
        locale=record.locale,
        stage=record.stage,
        source=Source.SNIPPET,
    )


def _own_line(line: LineItem, snippet: Snippet) -> LineItem:
    def own(url: str) -> str:
        return url if origin_of(url) in snippet.origins else ""

    return replace(
        line,
        title=clean_name(line.title, LONGEST_TITLE),
        variant=clean_name(line.variant, LONGEST_TITLE),
        sku=clean_name(line.sku),
        image_url=own(line.image_url),
        product_url=own(line.product_url),
    )


def _status(record: CartRecord, completed_at: datetime | None) -> str:
    if completed_at is not None:
        return "completed"
    return "emptied" if record.emptied else "open"


def _customer(record: CartRecord, customer_id: str) -> Customer:
    names = (clean_name(record.first_name), clean_name(record.last_name))
    return Customer(record.email.strip(), customer_id, *names, record.phone)


def _line(line: LineRecord, currency: str) -> LineItem:
    price = None if line.price is None else Money(line.price, currency)
    total = line.total if line.total is not None else (line.price or Decimal(0)) * line.quantity
    return LineItem(
        title=line.title,
        quantity=line.quantity,
        total=Money(total, currency),
        price=price,
        variant=line.variant,
        sku=line.sku,
        product_id=line.product_id,
        variant_id=line.variant_id,
        image_url=line.image_url,
        product_url=line.product_url,
    )


def _consent(record: ConsentRecord) -> Consent:
    source = record.source or ("told by the site" if record.state is not ConsentState.UNKNOWN else "")
    return Consent(record.state, source, record.at)
