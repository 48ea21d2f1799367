"""Shopify's answers as the connector's own values. Pure: no request, no clock.

Fields: https://shopify.dev/docs/api/admin-graphql/2026-10/objects/AbandonedCheckout and …/Order (read 2026-11-22).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from connector.harmless import web_link
from connector.model import (
    Checkout,
    Consent,
    ConsentState,
    Customer,
    LineItem,
    Money,
    Order,
    Origin,
    Stage,
)

Node = Mapping[str, Any]

CONSENT = {
    "SUBSCRIBED": ConsentState.OPTED_IN,
    "PENDING": ConsentState.PENDING,
    "NOT_SUBSCRIBED": ConsentState.NOT_OPTED_IN,
    "UNSUBSCRIBED": ConsentState.UNSUBSCRIBED,
    # Not in the enum of 2026-10, but in that of older types: a customer who asked to be erased is never mailed.
    "REDACTED": ConsentState.UNSUBSCRIBED,
}
# `sourceName` is free text and changes without notice (subscription_contract_checkout_one came in October 2025):
# https://community.shopify.dev/t/order-paid-webhook-sourcename-property-changed-for-subscription/23868
RENEWALS = "subscription_contract"
POS = frozenset({"pos", "iphone", "android"})
STAFF = frozenset({"shopify_draft_order", "draft_order"})

# …/26371970/checkouts/ac/TOKEN/recover?key=…, and without the two letters in older links
PATH_TOKEN = re.compile(r"/checkouts/(?:[a-z]{2}/)?([^/?#]+)")


def checkout(node: Node, shop: str) -> Checkout:
    """One abandoned checkout, recovered or not. Raises KeyError, TypeError or ValueError where it cannot be read."""
    updated = moment(node["updatedAt"])
    completed = node.get("completedAt")
    lines = tuple(line(item) for item in node["lineItems"]["nodes"])
    link = node.get("abandonedCheckoutUrl") or ""
    return Checkout(
        id=node["id"],
        status="completed" if completed else "open",
        started_at=moment(node["createdAt"]),
        # The type has no other time. Staff cannot edit a checkout, and Shopify lists it only when the shopper has
        # been away for ten minutes, so this is the last thing that the shopper did.
        activity_at=updated,
        modified_at=updated,
        customer=_customer(node),
        total=money(node["totalPriceSet"]),
        lines=lines,
        url=web_link(link) or cart_link(shop, lines),
        completed_at=moment(completed) if completed else None,
        emptied=not lines and not completed,
        tokens=_tokens(*PATH_TOKEN.findall(link)),
        consent=_consent(node.get("customer") or {}),
        country=_country(node),
        locale=(node.get("customer") or {}).get("locale") or "",
        stage=Stage.ADDRESS if any(place.get("address1") for place in _places(node)) else Stage.CONTACT,
        coupons=tuple(node.get("discountCodes") or ()),
    )


def line(item: Node) -> LineItem:
    """One line of a checkout, at the prices after line discounts."""
    product, variant = item.get("product") or {}, item.get("variant") or {}
    return LineItem(
        title=item.get("title") or "",
        quantity=int(item["quantity"]),
        total=money(item["discountedTotalPriceSet"]),
        price=money(item["discountedUnitPriceSet"]),
        variant=item.get("variantTitle") or "",
        sku=item.get("sku") or "",
        product_id=number(product.get("id")),
        variant_id=number(variant.get("id")),
        image_url=(item.get("image") or {}).get("url") or "",
        product_url=product.get("onlineStoreUrl") or "",
    )


def order(node: Node) -> Order:
    """One order in whatever status. Raises KeyError, TypeError or ValueError where it cannot be read."""
    cancelled = node.get("cancelledAt")
    source = origin(node.get("sourceName") or "", at_checkout=bool(node.get("checkoutToken")))
    buyer = node.get("customer") or {}
    status = "cancelled" if cancelled else (node.get("displayFinancialStatus") or "unknown").lower()
    return Order(
        id=node["id"],
        status="test" if node["test"] else status,
        purchase=not cancelled and not node["test"] and source is not Origin.RENEWAL,
        created_at=moment(node["createdAt"]),
        modified_at=moment(node["updatedAt"]),
        customer=Customer(email=node.get("email") or _email(buyer), id=buyer.get("id") or ""),
        # Before returns: what came back is in `refunded`, and would be taken off twice otherwise.
        total=money(node["totalPriceSet"]),
        refunded=money(node["totalRefundedSet"]).amount,
        origin=source,
        placed_at=moment(node["processedAt"]),
        cancelled_at=moment(cancelled) if cancelled else None,
        tokens=_tokens(node.get("checkoutToken"), node.get("cartToken")),
    )


def origin(source: str, *, at_checkout: bool) -> Origin:
    """How an order came to be. `at_checkout`: it carries a checkout token, which orders made by apps do not."""
    name = source.lower()
    if name.startswith(RENEWALS):
        return Origin.RENEWAL
    if name in POS:
        return Origin.POS
    if name in STAFF:
        return Origin.STAFF
    # Other names are those of sales channels and apps, often just a number: the Shop app sells at Shopify's
    # checkout, a marketplace import does not.
    return Origin.CHECKOUT if name == "web" or at_checkout else Origin.IMPORT


def cart_link(shop: str, lines: tuple[LineItem, ...]) -> str:
    """A link that fills a new cart with the same things: https://shopify.dev/docs/apps/build/checkout/create-cart-permalinks"""
    parts = [f"{item.variant_id}:{item.quantity}" for item in lines if item.variant_id and item.quantity > 0]
    return f"https://{shop}/cart/{','.join(parts)}" if parts else ""


def moment(text: str) -> datetime:
    """A DateTime, which Shopify writes in UTC, as an aware datetime."""
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return value


def money(bag: Node) -> Money:
    """The amount in the shopper's own currency, not the shop's."""
    shown = bag["presentmentMoney"]
    amount = Decimal(shown["amount"])
    if not amount.is_finite():
        raise ValueError("an amount is not a number")
    return Money(amount, shown["currencyCode"])


def number(gid: str | None) -> str:
    """`gid://shopify/Product/123` as `123`, which is what the Shopify admin and its links show."""
    return (gid or "").rpartition("/")[2].partition("?")[0]


def _customer(node: Node) -> Customer:
    # Null if the checkout was made from a draft order or by an app; then nobody can be reached.
    known = node.get("customer") or {}
    places = _places(node)
    phone = (known.get("defaultPhoneNumber") or {}).get("phoneNumber")
    return Customer(
        email=_email(known),
        id=known.get("id") or "",
        first_name=known.get("firstName") or _first(places, "firstName"),
        last_name=known.get("lastName") or _first(places, "lastName"),
        phone=phone or _first(places, "phone"),
    )


def wish(customer: Node) -> tuple[Customer, Consent]:
    """What a customer wants now. Raises like `checkout`."""
    return Customer(email=_email(customer), id=customer["id"]), _consent(customer)


def _email(customer: Node) -> str:
    return (customer.get("defaultEmailAddress") or {}).get("emailAddress") or ""


def _consent(customer: Node) -> Consent:
    address = customer.get("defaultEmailAddress")
    if not address:
        return Consent()
    state = CONSENT.get(address.get("marketingState") or "", ConsentState.UNKNOWN)
    at = address.get("marketingUpdatedAt")
    return Consent(state, "shopify customer", moment(at) if at else None)


def _places(node: Node) -> list[Node]:
    return [place for place in (node.get("shippingAddress"), node.get("billingAddress")) if place]


def _first(places: list[Node], key: str) -> str:
    return next((str(place[key]) for place in places if place.get(key)), "")


def _country(node: Node) -> str:
    return _first(_places(node), "countryCodeV2")


def _tokens(*found: str | None) -> tuple[str, ...]:
    # A cart token can come with its key, `TOKEN?key=…`; only the token is the same in links and orders.
    return tuple(dict.fromkeys(token.partition("?")[0] for token in found if token))
