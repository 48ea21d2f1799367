"""The shoppers, checkouts and orders of the pretend Shopify shop, as the objects that its GraphQL API shows."""

from __future__ import annotations

import base64
import bisect
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.model import ConsentState
from connector.sandbox import Clock
from platforms.sandbox._shopify_discounts import Discounts

LISTED_AFTER = timedelta(minutes=10)
DEEPEST = 25000  # records that pages reach
SHOP_NUMBER = 26371970
PRICE = Decimal("49.00")
RATE = Decimal("1.10")  # shop money for one unit of any other currency
STATES = {
    ConsentState.OPTED_IN: "SUBSCRIBED",
    ConsentState.PENDING: "PENDING",
    ConsentState.NOT_OPTED_IN: "NOT_SUBSCRIBED",
    ConsentState.UNSUBSCRIBED: "UNSUBSCRIBED",
    ConsentState.UNKNOWN: "INVALID",
}
# which of the four protected fields a field belongs to
PROTECTED = {
    ("Customer", "firstName"): "name",
    ("Customer", "lastName"): "name",
    ("CustomerEmailAddress", "emailAddress"): "email",
    ("CustomerPhoneNumber", "phoneNumber"): "phone",
    ("MailingAddress", "firstName"): "name",
    ("MailingAddress", "lastName"): "name",
    ("MailingAddress", "phone"): "phone",
    ("MailingAddress", "address1"): "address",
    ("Order", "email"): "email",
}
Object = dict[str, Any]


@dataclass
class Held:
    """A checkout or an order: when it changed, and the object that shows it."""

    number: int
    updated: datetime
    shown: Object
    listed: bool = False
    token: str = ""
    email: str = ""
    currency: str = ""
    lines: list[tuple[str, int]] = field(default_factory=list)


class World:
    """Everything in the shop. Not safe for threads by itself."""

    def __init__(self, clock: Clock, url: str, currency: str) -> None:
        self._clock, self._url, self._currency = clock, url, currency
        self._customers: dict[str, Object] = {}
        self._checkouts: list[Held] = []
        self._orders: dict[int, Held] = {}
        self._by_change: list[tuple[datetime, int]] = []
        self._next = 36270641348780
        self.discounts = Discounts(clock, self._number)

    def root(self, scopes: Sequence[str]) -> Object:
        """The QueryRoot."""
        handles = [{"__typename": "AccessScope", "handle": scope} for scope in scopes]
        return {
            "__typename": "QueryRoot",
            "shop": {
                "__typename": "Shop",
                "id": f"gid://shopify/Shop/{SHOP_NUMBER}",
                "name": "Acme",
                "ianaTimezone": "America/New_York",
            },
            "currentAppInstallation": {"__typename": "AppInstallation", "accessScopes": handles},
            "abandonedCheckouts": self._list_checkouts,
            "orders": self._list_orders,
            "nodes": self._nodes,
            "node": lambda args: next((c.shown for c in self._checkouts if c.shown["id"] == args["id"]), None),
        }

    def _nodes(self, args: Mapping[str, Any]) -> list[Object | None]:
        known = {customer["id"]: customer for customer in self._customers.values()}
        return [known.get(id_) for id_ in args["ids"]]

    def abandon(
        self, email: str, consent: ConsentState, lines: list[tuple[str, int]], currency: str, with_address: bool
    ) -> str:
        """Makes a checkout now."""
        held = self._new_checkout(email, lines, currency or self._currency, self._clock())
        if email:
            self._consent(email, STATES[consent])
        if not with_address:
            held.shown["shippingAddress"] = None
        return str(held.shown["id"])

    def seed(self, count: int, spread: timedelta) -> list[str]:
        """Makes many checkouts of many shoppers, listed already."""
        newest = self._clock() - LISTED_AFTER
        found = []
        for index in range(count):
            at = newest - spread * (1 - (index + 1) / count)
            held = self._new_checkout(f"shopper{self._next}@example.com", [("Linen shirt", 1)], self._currency, at)
            found.append(str(held.shown["id"]))
        return found

    def touch(self, checkout_id: str, email: str | None, quantity: int | None) -> None:
        """Changes a checkout now."""
        held = self._checkout(checkout_id)
        self._move(held)
        if email is not None:
            held.email = email
            held.shown["customer"] = self._customer(email)
        if quantity is not None:
            held.lines = [(title, quantity) for title, _ in held.lines] if quantity else []
            self._fill(held)

    def buy(
        self, checkout_id: str | None, email: str | None, source: str, test: bool, total: Decimal, coupon: str = ""
    ) -> str:
        """Makes an order now, and completes the checkout."""
        held = self._checkout(checkout_id) if checkout_id else None
        if coupon:
            buyer = email or (held.email if held else "")
            self.discounts.use(coupon, self._customer(buyer)["id"] if buyer else "")
        if held:
            self._move(held)
            held.shown["completedAt"] = _text(self._clock())
            email = email or held.email
            total = sum((PRICE * quantity for _, quantity in held.lines), Decimal(0))
        at_checkout = source in ("web", "mobile_app")
        token = held.token if held else f"cart{self._next}"
        number = self._number()
        currency = held.currency if held else self._currency
        shown = {
            "__typename": "Order",
            "id": f"gid://shopify/Order/{number}",
            "createdAt": _text(self._clock()),
            "processedAt": _text(self._clock()),
            "cancelledAt": None,
            "test": test,
            "displayFinancialStatus": "PAID",
            "sourceName": source,
            "checkoutToken": f"chk{number}" if at_checkout else None,
            "cartToken": token if at_checkout else None,
            "email": email or None,
            "customer": self._customer(email) if email else None,
            "totalPriceSet": self._bag(total, currency),
            "totalRefundedSet": self._bag(Decimal(0), currency),
        }
        self._orders[number] = Held(number, self._clock(), shown, currency=currency)
        self._order_changed(self._orders[number], new=True)
        return str(shown["id"])

    def cancel(self, order_id: str) -> None:
        """Cancels an order now."""
        held = self._order(order_id)
        held.shown["cancelledAt"] = _text(self._clock())
        self.refund(order_id, Decimal(held.shown["totalPriceSet"]["presentmentMoney"]["amount"]))

    def refund(self, order_id: str, amount: Decimal) -> None:
        """Pays back now."""
        held = self._order(order_id)
        held.shown["totalRefundedSet"] = self._bag(amount, held.currency)
        whole = Decimal(held.shown["totalPriceSet"]["presentmentMoney"]["amount"]) <= amount
        held.shown["displayFinancialStatus"] = "REFUNDED" if whole else "PARTIALLY_REFUNDED"
        self._order_changed(held)

    def unsubscribe(self, email: str) -> None:
        """Changes a customer's consent now."""
        self._consent(email, "UNSUBSCRIBED")

    def shown(self, record_id: str) -> Object:
        """A checkout or an order as it is now."""
        return (self._order if "/Order/" in record_id else self._checkout)(record_id).shown

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _checkout(self, checkout_id: str) -> Held:
        number = int(checkout_id.rpartition("/")[2])
        return self._checkouts[bisect.bisect_left(self._checkouts, number, key=lambda held: held.number)]

    def _order(self, order_id: str) -> Held:
        return self._orders[int(order_id.rpartition("/")[2])]

    def _move(self, held: Held) -> None:
        """The shopper does something. Once listed, a checkout stays listed."""
        now = self._clock()
        held.listed = held.listed or now - held.updated >= LISTED_AFTER
        held.updated = now
        held.shown["updatedAt"] = _text(now)

    def _order_changed(self, held: Held, *, new: bool = False) -> None:
        if not new:
            del self._by_change[bisect.bisect_left(self._by_change, (held.updated, held.number))]
        held.updated = self._clock().replace(microsecond=0)
        held.shown["updatedAt"] = _text(held.updated)
        bisect.insort(self._by_change, (held.updated, held.number))

    def _new_checkout(self, email: str, lines: list[tuple[str, int]], currency: str, at: datetime) -> Held:
        number = self._number()
        token = f"hWN9BnOs{number}"
        link = f"{self._url}/{SHOP_NUMBER}/checkouts/ac/{token}/recover?key=8a0dccedfd237694&locale=en"
        shown: Object = {
            "__typename": "AbandonedCheckout",
            "id": f"gid://shopify/AbandonedCheckout/{number}",
            "createdAt": _text(at),
            "updatedAt": _text(at),
            "completedAt": None,
            "abandonedCheckoutUrl": link,
            "discountCodes": [],
            "customer": self._customer(email) if email else None,
            "shippingAddress": _address("Jane", "Doe"),
            "billingAddress": None,
        }
        held = Held(number, at, shown, token=token, email=email, currency=currency, lines=lines)
        self._fill(held)
        self._checkouts.append(held)
        return held

    def _fill(self, held: Held) -> None:
        total = sum((PRICE * quantity for _, quantity in held.lines), Decimal(0))
        held.shown["totalPriceSet"] = self._bag(total, held.currency)
        lines = [self._line(index, title, quantity, held) for index, (title, quantity) in enumerate(held.lines)]
        held.shown["lineItems"] = lambda args: _list_lines(lines, args)

    def _line(self, index: int, title: str, quantity: int, held: Held) -> Object:
        product = 1000 + index
        image = {"__typename": "Image", "url": f"{self._url}/files/{product}.jpg"}
        return {
            "__typename": "AbandonedCheckoutLineItem",
            "title": title,
            "variantTitle": "M",
            "sku": f"SKU-{product}",
            "quantity": quantity,
            "image": image,
            "product": {
                "__typename": "Product",
                "id": f"gid://shopify/Product/{product}",
                "onlineStoreUrl": f"{self._url}/products/{product}",
            },
            "variant": {"__typename": "ProductVariant", "id": f"gid://shopify/ProductVariant/{product}9"},
            "discountedUnitPriceSet": self._bag(PRICE, held.currency),
            "discountedTotalPriceSet": self._bag(PRICE * quantity, held.currency),
        }

    def _customer(self, email: str) -> Object:
        key = email.strip().casefold()
        if key not in self._customers:
            self._customers[key] = {
                "__typename": "Customer",
                "id": f"gid://shopify/Customer/{self._number()}",
                "firstName": "Jane",
                "lastName": "Doe",
                "locale": "en-GB",
                "defaultPhoneNumber": {"__typename": "CustomerPhoneNumber", "phoneNumber": "+442071838750"},
                "defaultEmailAddress": {
                    "__typename": "CustomerEmailAddress",
                    "emailAddress": email,
                    "marketingState": "NOT_SUBSCRIBED",
                    "marketingUpdatedAt": None,
                },
            }
        return self._customers[key]

    def _consent(self, email: str, state: str) -> None:
        address = self._customer(email)["defaultEmailAddress"]
        changed = state != address["marketingState"]
        address["marketingState"] = state
        address["marketingUpdatedAt"] = _text(self._clock()) if changed else address["marketingUpdatedAt"]

    def _bag(self, amount: Decimal, currency: str) -> Object:
        own = amount if currency == self._currency else (amount * RATE).quantize(Decimal("0.01"))
        return {
            "__typename": "MoneyBag",
            "presentmentMoney": {"__typename": "MoneyV2", "amount": str(amount), "currencyCode": currency},
            "shopMoney": {"__typename": "MoneyV2", "amount": str(own), "currencyCode": self._currency},
        }

    def _list_checkouts(self, args: Mapping[str, Any]) -> Object:
        since, beyond = _filters(args.get("query"))
        after, depth = _decode(args.get("after"), [beyond])
        start = bisect.bisect_right(self._checkouts, max(after[0], beyond), key=lambda held: held.number)
        now = self._clock()

        def listed(held: Held) -> bool:
            if since and held.updated.replace(microsecond=0) < since:
                return False
            return held.listed or (not held.shown["completedAt"] and now - held.updated >= LISTED_AFTER)

        rest = (self._checkouts[index] for index in range(start, len(self._checkouts)))
        found = list(itertools.islice(filter(listed, rest), args["first"] + 1))
        return _page([held.shown for held in found], [[held.number] for held in found], depth, args["first"])

    def _list_orders(self, args: Mapping[str, Any]) -> Object:
        since, _ = _filters(args.get("query"))
        from_start = [since.isoformat() if since else "0001-01-01T00:00:00+00:00", 0]
        after, depth = _decode(args.get("after"), from_start)
        start = bisect.bisect_right(self._by_change, (datetime.fromisoformat(after[0]), after[1]))
        found = self._by_change[start : start + args["first"] + 1]
        shown = [self._orders[number].shown for _, number in found]
        return _page(shown, [[changed.isoformat(), number] for changed, number in found], depth, args["first"])


def _list_lines(lines: list[Object], args: Mapping[str, Any]) -> Object:
    (after,), depth = _decode(args.get("after"), [-1])
    found = lines[after + 1 : after + 2 + args["first"]]
    return _page(found, [[after + 1 + index] for index in range(len(found))], depth, args["first"])


def _page(found: list[Object], places: list[list[Any]], depth: int, first: int) -> Object:
    """A page of what was found, which is one more than fits where there is more.

    The cursor holds the last one's place in the order, so that changes elsewhere do not move the next page.
    """
    nodes = found[:first]
    if depth + len(nodes) > DEEPEST:
        raise ValueError("pages end at 25,000 records")
    cursor = _encode([places[len(nodes) - 1], depth + len(nodes)]) if nodes else None
    info = {"__typename": "PageInfo", "hasNextPage": len(found) > first, "endCursor": cursor}
    return {"__typename": "Connection", "pageInfo": info, "nodes": nodes}


def _filters(query: str | None) -> tuple[datetime | None, int]:
    since = re.search(r"updated_at:>='([^']+)'", query or "")
    beyond = re.search(r"\bid:>(\d+)", query or "")
    rest = re.sub(r"updated_at:>='[^']+'|\bid:>\d+|AND|\s", "", query or "")
    if rest:
        raise ValueError(f"this sandbox does not know the filter {rest!r}")
    return (datetime.fromisoformat(since[1]) if since else None), int(beyond[1]) if beyond else 0


def _address(first: str, last: str) -> Object:
    return {
        "__typename": "MailingAddress",
        "firstName": first,
        "lastName": last,
        "phone": "+442071838750",
        "address1": "1 High Street",
        "countryCodeV2": "GB",
    }


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _encode(place: list[Any]) -> str:
    return base64.b64encode(json.dumps(place).encode()).decode()


def _decode(cursor: str | None, default: list[Any]) -> tuple[list[Any], int]:
    place, depth = json.loads(base64.b64decode(cursor)) if cursor else (default, 0)
    return place, depth
