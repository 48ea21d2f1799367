"""A pretend Shopify shop: the GraphQL Admin API 2026-10 as far as the adapter asks, with its budget and its refusals.

    with serve().server: ...

Checkouts are listed ten minutes after the shopper's last move and stay listed when they are recovered, as in Shopify.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connector.model import ConsentState
from connector.sandbox import Clock, Reply, Request, Server, utc_now
from platforms.sandbox import _graphql
from platforms.sandbox._shopify_discounts import Discounts
from platforms.sandbox._shopify_hooks import Subscriptions
from platforms.sandbox._shopify_world import PROTECTED, World

VERSION = "2026-10"
SHOP = "acme.myshopify.com"
SCOPES = frozenset({"read_orders", "read_customers", "read_products"})
NULLABLE = frozenset(
    {"customer", "defaultEmailAddress", "defaultPhoneNumber", "firstName", "lastName", "phone", "email", "node"}
    | {"address1", "countryCodeV2", "shippingAddress", "billingAddress", "product", "variant", "image"}
    | {"onlineStoreUrl", "discountCodeBasicCreate", "discountCodeFreeShippingCreate", "discountCodeDelete"}
    | {"codeDiscountNodeByCode", "codeDiscountNode", "endsAt", "deletedCodeDiscountId", "field", "code"}
)
NEEDS = {
    ("QueryRoot", "abandonedCheckouts"): "read_orders",
    ("QueryRoot", "orders"): "read_orders",
    ("QueryRoot", "nodes"): "read_customers",  # of customers only
    ("AbandonedCheckout", "customer"): "read_customers",
    ("Order", "customer"): "read_customers",
    ("AbandonedCheckoutLineItem", "product"): "read_products",
    ("AbandonedCheckoutLineItem", "variant"): "read_products",
    ("QueryRoot", "codeDiscountNodeByCode"): "read_discounts",
    ("QueryRoot", "discountCodeBasicCreate"): "write_discounts",
    ("QueryRoot", "discountCodeFreeShippingCreate"): "write_discounts",
    ("QueryRoot", "discountCodeDelete"): "write_discounts",
}
MAX_COST, MUTATION_COST = 1000, 10


@dataclass
class Bucket:
    """The query budget of one app in one shop, in points."""

    maximum: float
    per_second: float
    available: float
    at: float

    def fill(self) -> None:
        """Adds what has come back since the last look."""
        now = time.monotonic()
        self.available = min(self.maximum, self.available + (now - self.at) * self.per_second)
        self.at = now


class ShopifySandbox:
    """A running pretend shop. `scopes`, `protected`, `gate_url` and `bucket` may be changed at any time.

    `protected` holds which of name, email, phone and address the app may read; with `gate_url` the recovery link needs
    all four. With `access_token` the app is one of the old kind, else it logs in with client id and secret.
    The budget is larger than any plan's, so that nobody waits; the Standard plan has 2,000 points, 100 a second.
    """

    def __init__(
        self,
        clock: Clock = utc_now,
        port: int = 0,
        *,
        access_token: str = "",
        scopes: Collection[str] = SCOPES,
        protected: Collection[str] = ("name", "email", "phone", "address"),
        gate_url: bool = True,
        grant_error: str = "",
        token_life: timedelta = timedelta(seconds=86399),
        budget: float = 1e6,
        budget_per_second: float = 1e6,
        version: str = VERSION,
        currency: str = "USD",
        keep_journal: bool = True,
    ) -> None:
        self.scopes, self.protected, self.gate_url = set(scopes), set(protected), gate_url
        self.grant_error, self.version = grant_error, version
        self.bucket = Bucket(budget, budget_per_second, budget, time.monotonic())
        self.client_id, self.client_secret = "sandbox-client", secrets.token_hex(16)
        self._fixed, self._life, self._clock = access_token, token_life, clock
        self._tokens: dict[str, datetime] = {}
        self._lock = threading.RLock()
        self.server = Server(self._handle, clock=clock, port=port, keep_journal=keep_journal)
        self.world = World(clock, self.server.url, currency)
        self.hooks = Subscriptions(SHOP, clock, lambda: self.client_secret)

    def options(self) -> dict[str, Any]:
        """The keys of a store in a client's file, but for `id`, that reach this shop."""
        keys = {"platform": "shopify", "shop": SHOP, "base_url": self.server.url}
        if self._fixed:
            return {**keys, "access_token": self._fixed}
        return {**keys, "client_id": self.client_id, "client_secret": self.client_secret}

    def abandon(
        self,
        email: str,
        *,
        consent: ConsentState = ConsentState.NOT_OPTED_IN,
        title: str = "Linen shirt",
        quantity: int = 1,
        lines: int = 1,
        currency: str = "",
        with_address: bool = True,
    ) -> str:
        """A shopper fills a checkout and leaves; "" for one that no customer belongs to. Returns its id."""
        with self._lock:
            made = self.world.abandon(email, consent, [(title, quantity)] * lines, currency, with_address)
            self.hooks.fire("checkouts/create", self.world.shown(made))
            return made

    def touch(self, checkout_id: str, *, email: str | None = None, quantity: int | None = None) -> None:
        """The shopper is back at that checkout; quantity 0 empties it."""
        with self._lock:
            self.world.touch(checkout_id, email, quantity)
            self.hooks.fire("checkouts/update", self.world.shown(checkout_id))

    def buy(
        self,
        *,
        checkout_id: str | None = None,
        email: str | None = None,
        source: str = "web",
        test: bool = False,
        total: Decimal = Decimal("49.00"),
        coupon: str = "",
    ) -> str:
        """The shopper completes that checkout, or buys afresh; the order's id is returned.

        Raises ValueError for a coupon that the shop does not take from this shopper now.
        """
        with self._lock:
            order = self.world.buy(checkout_id, email, source, test, total, coupon)
            self.hooks.fire("orders/create", self.world.shown(order))
            return order

    @property
    def coupons(self) -> Discounts:
        """The discount codes."""
        return self.world.discounts

    def allow_coupons(self) -> None:
        """The owner gives the app the scope write_discounts."""
        self.scopes.add("write_discounts")

    def open_link(self, url: str) -> str:
        """The code that is applied for a shopper who follows this link in a fresh browser, or ""."""
        codes = parse_qs(urlsplit(url).query).get("discount", [])
        with self._lock:
            return next((code for code in codes[:1] if self.coupons.applies(code)), "")

    def cancel(self, order_id: str) -> None:
        """The shop cancels an order and pays everything back."""
        with self._lock:
            self.world.cancel(order_id)
            self.hooks.fire("orders/updated", self.world.shown(order_id))

    def refund(self, order_id: str, amount: Decimal) -> None:
        """The shop pays part of an order back."""
        with self._lock:
            self.world.refund(order_id, amount)
            self.hooks.fire("orders/updated", self.world.shown(order_id))

    def unsubscribe(self, email: str) -> None:
        """The customer unsubscribes from marketing in the shop."""
        with self._lock:
            self.world.unsubscribe(email)

    def ask_privacy(self, url: str, topic: str, email: str = "", customer: int = 0, *, shop: str = SHOP) -> None:
        """Shopify sends a privacy request: customers/redact, customers/data_request or shop/redact."""
        body: dict[str, Any] = {"shop_id": 954889, "shop_domain": shop}
        if topic != "shop/redact":
            body["customer"] = {"id": customer or 191167, "email": email, "phone": "555-625-1199"}
        if topic == "customers/redact":
            body["orders_to_redact"] = [299938, 280263, 220458]
        if topic == "customers/data_request":
            body |= {"orders_requested": [299938], "data_request": {"id": 9999}}
        self.hooks.send(url, topic, body)

    def seed(self, count: int, *, spread: timedelta = timedelta(hours=1)) -> list[str]:
        """Many abandoned checkouts, the newest just listed, the oldest `spread` before it."""
        with self._lock:
            return self.world.seed(count, spread)

    def revoke_tokens(self) -> None:
        """No token given out so far is taken any more."""
        with self._lock:
            self._tokens.clear()

    def _handle(self, request: Request) -> Reply:
        with self._lock:
            if request.path == "/admin/oauth/access_token" and request.method == "POST":
                return self._grant(request)
            if request.path.startswith("/admin/api/") and request.path.endswith("/graphql.json"):
                return self._api(request)
        if "/checkouts/" in request.path or request.path.startswith("/cart/"):
            return Reply(200, b"<h1>Your cart is back</h1>", {"Content-Type": "text/html"})
        return Reply(404, {"errors": "Not Found"})

    def _grant(self, request: Request) -> Reply:
        form = {key: values[-1] for key, values in parse_qs(request.body.decode()).items()}
        error = self.grant_error
        if form.get("client_id") != self.client_id:
            error = error or "application_cannot_be_found"
        elif form.get("client_secret") != self.client_secret:
            error = error or "invalid_client"
        if error:
            page = f"<!DOCTYPE html><html><head><title>400 - Oauth error {error}</title></head></html>"
            return Reply(400, page.encode(), {"Content-Type": "text/html"})
        token = f"shpat_{secrets.token_hex(16)}"
        self._tokens[token] = self._clock() + self._life
        life = int(self._life.total_seconds())
        return Reply(200, {"access_token": token, "scope": ",".join(sorted(self.scopes)), "expires_in": life})

    def _api(self, request: Request) -> Reply:
        token = request.headers.get("x-shopify-access-token", "")
        ends = self._tokens.get(token)
        if not (token and token == self._fixed) and not (ends and self._clock() < ends):
            words = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return Reply(401, {"errors": words})
        sent = request.json()
        headers = {"X-Shopify-API-Version": self.version}
        try:
            return Reply(200, self._run(sent["query"], sent.get("variables") or {}), headers)
        except _graphql.QueryError as error:
            problem = {"message": str(error), "extensions": {"code": "undefinedField"}}
            return Reply(200, {"errors": [problem]}, headers)

    def _run(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        selection = _graphql.parse(document)
        asked = _graphql.cost(selection, variables) + (MUTATION_COST if _graphql.is_mutation(document) else 0)
        self.bucket.fill()
        if asked > MAX_COST:
            message = f"Query cost is {asked}, which exceeds the single query max cost limit ({MAX_COST})."
            return _failed(message, "MAX_COST_EXCEEDED", cost=asked, maxCost=MAX_COST)
        if asked > self.bucket.available:
            return {**_failed("Throttled", "THROTTLED"), "extensions": self._cost(asked, None)}
        run = _graphql.Evaluation(variables, self._deny(), NULLABLE)
        root = {**self.world.root(sorted(self.scopes)), **self.hooks.roots(), **self.coupons.roots()}
        data = run.run(selection, root)
        spent = min(asked, run.objects)
        self.bucket.available -= spent
        answer: dict[str, Any] = {"data": data, "extensions": self._cost(asked, spent)}
        return {**answer, "errors": run.errors} if run.errors else answer

    def _cost(self, asked: int, spent: int | None) -> dict[str, Any]:
        status = {
            "maximumAvailable": self.bucket.maximum,
            "currentlyAvailable": int(self.bucket.available),
            "restoreRate": self.bucket.per_second,
        }
        return {"cost": {"requestedQueryCost": asked, "actualQueryCost": spent, "throttleStatus": status}}

    def _deny(self) -> _graphql.Deny:
        refused: dict[tuple[str, str], dict[str, Any]] = {}
        for (kind, name), scope in NEEDS.items():
            if not self.scopes & {scope, scope.replace("read_", "write_")}:
                refused[kind, name] = _no_scope(name, scope)
        for (kind, name), need in PROTECTED.items():
            if need not in self.protected:
                refused[kind, name] = _unapproved(f"use the {name} field")
        if not self.protected:
            whole = _unapproved("access the Customer object")
            refused |= {("AbandonedCheckout", "customer"): whole, ("Order", "customer"): whole}
        if self.gate_url and len(self.protected) < 4:
            refused["AbandonedCheckout", "abandonedCheckoutUrl"] = _unapproved("use the abandonedCheckoutUrl field")
        return lambda kind, name: refused.get((kind, name))


def serve(clock: Clock = utc_now, port: int = 0, **options: Any) -> ShopifySandbox:
    """Starts a pretend shop on loopback. `options` are those of `ShopifySandbox`."""
    return ShopifySandbox(clock, port, **options)


def _no_scope(name: str, scope: str) -> dict[str, Any]:
    need = f"`{scope}` access scope."
    return {
        "message": f"Access denied for {name} field. Required access: {need}",
        "extensions": {
            "code": "ACCESS_DENIED",
            "documentation": "https://shopify.dev/api/usage/access-scopes",
            "requiredAccess": need,
        },
    }


def _unapproved(what: str) -> dict[str, Any]:
    return {
        "message": f"This app is not approved to {what}. See "
        "https://partners.shopify.com/123/apps/456/customer_data for more details."
    }


def _failed(message: str, code: str, **more: Any) -> dict[str, Any]:
    documentation = "https://shopify.dev/api/usage/rate-limits"
    return {"errors": [{"message": message, "extensions": {"code": code, "documentation": documentation, **more}}]}
