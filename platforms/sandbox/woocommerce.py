"""A pretend WooCommerce store with shoppers, for `winback demo` and the tests. It answers as a 10.5.0 store did.

Up to 10.8 with a block checkout, a shopper who types an address leaves a draft. From 10.9 on, and with `classic`, an
order comes to be only with `place_order` or `buy`. With `plugin`, the companion plugin keeps every checkout whose
address was typed, in all of them.
"""

from __future__ import annotations

import itertools
import json
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connector.model import ConsentState
from connector.sandbox import Clock, Reply, Request, Server, utc_now
from platforms.sandbox import _woocommerce_about as about
from platforms.sandbox import _woocommerce_query as query
from platforms.sandbox._woocommerce_auth import Key, authenticate, error
from platforms.sandbox._woocommerce_coupons import CouponBook
from platforms.sandbox._woocommerce_hooks import Webhooks
from platforms.sandbox._woocommerce_plugin import CONSENTS, NAMESPACE, Captures, refusal
from platforms.sandbox._woocommerce_records import Refund, SandboxOrder, Setting, pick, render

DRAFT = "checkout-draft"
TOKEN, PARENT = "_wc_winback_checkout", "_wc_winback_parent"
STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", DRAFT)
CONSENT_META = {
    ConsentState.OPTED_IN: ("_wc_other/sandbox/marketing-opt-in", "1"),
    ConsentState.NOT_OPTED_IN: ("_wc_other/sandbox/marketing-opt-in", "0"),
    ConsentState.PENDING: ("mailchimp_woocommerce_is_subscribed", "pending"),
    ConsentState.UNSUBSCRIBED: ("mailchimp_woocommerce_is_subscribed", "unsubscribed"),
}
VARIANTS = {"with the companion plugin": {"plugin": True}}
DEMO = {"plugin": True, "version": "10.9.0"}  # how `winback demo` runs it: a store of today
CHECKOUT_LINK = "/checkout-link/"
PAID = ("processing", "completed", "refunded")
NO_STORE = {"Cache-Control": "no-cache, must-revalidate, max-age=0, no-store, private", "Allow": "GET, POST"}


def serve(clock: Clock = utc_now, port: int = 0, **options: Any) -> WooCommerceSandbox:
    """A running store; `options` are those of WooCommerceSandbox. Close its `server` when done."""
    return WooCommerceSandbox(clock, port, **options)


class WooCommerceSandbox:
    """The store. Ids are its order numbers; those of checkouts that the plugin saw are the plugin's tokens.

    All methods may be called from any thread, while it answers.
    """

    def __init__(
        self,
        clock: Clock = utc_now,
        port: int = 0,
        *,
        version: str = "10.5.0",
        classic: bool = False,
        name: str = "Sandbox Outfitters",
        currency: str = "EUR",
        gmt_offset: float = 2,
        permissions: str = "read",
        statuses: tuple[str, ...] = (),
        plugin: bool = False,
        keep_journal: bool = True,
    ) -> None:
        self._clock, self.name, self.classic = clock, name, classic
        self.statuses = [*STATUSES, *statuses]  # a plugin's own come last
        self.key = Key(f"ck_{'5a' * 20}", f"cs_{'c3' * 20}", permissions)
        self._number = tuple(int(part) for part in version.split(".")[:2])
        self._orders: dict[int, SandboxOrder] = {}
        self._index: list[tuple[datetime, int]] = []  # by (modified, id); carts without an order are not in it
        self._products: dict[str, int] = {}
        self._ids, self._lock = itertools.count(2335), threading.RLock()
        self._captures = Captures(self._now, plugin)
        self.coupons = CouponBook(self._now, lambda: self.setting, self._ids)
        self.server = Server(self._answer, clock=clock, port=port, keep_journal=keep_journal)
        self.setting = Setting(self.server.url, version, currency, timedelta(hours=gmt_offset))
        self.hooks = Webhooks(clock, lambda: self.setting.home, self.setting.offset)

    def __enter__(self) -> WooCommerceSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    @property
    def keeps_drafts(self) -> bool:
        """Whether the store keeps what shoppers typed before they press Place order."""
        return self._number < (10, 9) and not self.classic

    @property
    def consents(self) -> frozenset[ConsentState]:
        """What the store can say of a shopper's consent: the plugin knows its checkbox, and no more."""
        return frozenset(CONSENTS if self._captures.on else ConsentState)

    def options(self) -> dict[str, Any]:
        """The keys of a store in a client's file, but for `id`, that reach this sandbox."""
        return {
            "platform": "woocommerce",
            "url": self.server.url,
            "consumer_key": self.key.consumer_key,
            "consumer_secret": self.key.consumer_secret,
        }

    # What shoppers do

    def abandon(
        self,
        email: str,
        *,
        consent: ConsentState = ConsentState.UNKNOWN,
        title: str = "Trail Mug",
        quantity: int = 1,
        has_address: bool = False,
        customer_id: int = 0,
    ) -> str:
        """A shopper fills a checkout and leaves. Its id is the order's, already given where no draft is kept."""
        meta = (CONSENT_META[consent],) if consent in CONSENT_META else ()
        with self._lock:
            order = self._new(DRAFT if self.keeps_drafts else "", email, title, quantity)
            order.has_address, order.customer_id, order.meta = has_address, customer_id, meta
            self._put(order)
            return self._captures.begins(order, consent).token if self._captures.on else str(order.id)

    def touch(self, checkout_id: str, *, email: str | None = None, quantity: int | None = None) -> None:
        """The shopper is back at that checkout."""
        with self._lock:
            order = self._order(checkout_id)
            order.email = order.email if email is None else email
            order.quantity = order.quantity if quantity is None else quantity
            self._put(order, order.status)
            if self._captures.on and (row := self._captures.rows.get(checkout_id)):
                self._captures.touched(row)

    def place_order(self, checkout_id: str, status: str = "pending") -> str:
        """The shopper presses Place order and does not pay: `pending`, or `failed` when the card is declined."""
        with self._lock:
            self._place(self._order(checkout_id), status)
        return checkout_id

    def empty(self, checkout_id: str) -> None:
        """The shopper takes everything out of the cart, which only the plugin notices."""
        with self._lock:
            self._captures.emptied(self._captures.rows[checkout_id])

    def follow_link(self, checkout_id: str, email: str | None = None) -> str:
        """Somebody opens the plugin's recovery link in a fresh browser and goes on there; returns the new checkout."""
        with self._lock:
            parent = self._captures.rows[checkout_id]
            old = parent.order
            order = self._new("", old.email if email is None else email, old.title, old.quantity)
            self._put(order)
            return self._captures.begins(order, ConsentState.UNKNOWN, parent).token

    def switch_plugin(self, on: bool) -> None:
        """Somebody switches the companion plugin on or off. What it kept it keeps."""
        with self._lock:
            self._captures.on = on

    def buy(
        self,
        *,
        checkout_id: str | None = None,
        email: str | None = None,
        status: str = "processing",
        coupon: str = "",
    ) -> str:
        """The shopper completes that checkout: the same id. Or buys afresh, as by a link: a new id, the draft stays.

        Raises ValueError for a coupon that the store does not take now.
        """
        with self._lock:
            if checkout_id is None:
                if email is None:
                    raise ValueError("say which checkout is bought, or who buys")
                order = self._new("", email, "Trail Mug", 1)
                if self._captures.on:
                    self._captures.begins(order, ConsentState.UNKNOWN)
            else:
                order = self._order(checkout_id)
            if coupon:
                order.coupon = self.coupons.use(coupon, order.email)
            self._place(order, status)
        return str(order.id)

    def allow_coupons(self) -> None:
        """The owner gives the key Read/Write."""
        self.key.permissions = "read_write"

    def open_link(self, url: str) -> str:
        """The code that is applied for a guest in a fresh browser who follows this link, or ""."""
        parts, query = urlsplit(url), parse_qs(urlsplit(url).query)
        codes = query.get("coupon", []) if parts.path == CHECKOUT_LINK or "wc-winback" in query else []
        with self._lock:
            return next((code for code in codes[:1] if self.coupons.applies(code)), "")

    # What the shop does

    def add_order(self, email: str, *, created_via: str, status: str = "completed") -> str:
        """An order that no shopper made at the checkout: `admin`, `rest-api`, `subscription`, `pos-rest-api`."""
        with self._lock:
            order = self._new("", email, "Trail Mug", 1)
            order.created_via = created_via
            self._put(order, status)
        return str(order.id)

    def set_status(self, order_id: str, status: str) -> None:
        """The shop moves an order to another status."""
        with self._lock:
            self._put(self._orders[int(order_id)], status)

    def cancel(self, order_id: str) -> None:
        """The shop cancels an order."""
        self.set_status(order_id, "cancelled")

    def refund(self, order_id: str, amount: Decimal) -> None:
        """The shop pays money back; with all of it paid back the order is `refunded`."""
        with self._lock:
            order = self._orders[int(order_id)]
            order.refunds.append(Refund(next(self._ids), amount))
            all_of_it = sum(one.amount for one in order.refunds) >= order.total
            self._put(order, "refunded" if all_of_it else order.status)

    def clean_up(self) -> None:
        """WooCommerce's daily job: drafts untouched for a day are deleted for good."""
        limit = self._now() - timedelta(days=1)
        with self._lock:
            for order in [one for one in self._orders.values() if one.status == DRAFT and one.modified < limit]:
                self._drop(order)
                del self._orders[order.id]

    def seed(self, n: int, emails: Iterable[str], *, status: str = DRAFT, over: timedelta = timedelta(0)) -> list[str]:
        """`n` orders at once, last modified evenly over the time `over` until now; addresses are used in turn."""
        now, addresses = self._now(), itertools.cycle(emails)
        with self._lock:
            made = []
            for place in range(n):
                order = self._new(status, next(addresses), "Trail Mug", 1)
                order.created = order.modified = (now - over * (n - 1 - place) / max(1, n - 1)).replace(microsecond=0)
                self._orders[order.id] = order
                made.append((order.modified, order.id))
            self._index = sorted([*self._index, *made])
        return [str(order_id) for _, order_id in made]

    # The store's memory

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)

    def _new(self, status: str, email: str, title: str, quantity: int) -> SandboxOrder:
        now, product = self._now(), self._products.setdefault(title, 11 + len(self._products))
        via = "checkout" if self.classic else "store-api"
        return SandboxOrder(next(self._ids), status, email, now, now, product, title, quantity, via)

    def _order(self, checkout_id: str) -> SandboxOrder:
        row = self._captures.rows.get(checkout_id)
        return row.order if row else self._orders[int(checkout_id)]

    def _place(self, order: SandboxOrder, status: str) -> None:
        """As the plugin sees it: placed first, and then in whatever status the payment gives it."""
        if not order.status:
            order.created = self._now()
        order.has_address = True
        row = next((row for row in self._captures.rows.values() if row.order is order), None)
        if row and self._captures.on:
            order.meta = (*(one for one in order.meta if one[0] not in (TOKEN, PARENT)), (TOKEN, row.token))
            order.meta += ((PARENT, row.parent.token),) if row.parent else ()
            self._captures.ordered(row)
            row.order_status = "pending"
        self._put(order, status)

    def _put(self, order: SandboxOrder, status: str | None = None) -> None:
        """Saves the order as modified now, in a new status if one is given."""
        self._drop(order)
        now, was_placed = self._now(), order.status not in ("", DRAFT)
        changed = status is not None and status != order.status
        if status is not None:
            order.status = status
        order.modified = now
        if changed and self._captures.on and any(name == TOKEN for name, _ in order.meta):
            self._captures.order_changed(order, order.status)
        if order.status in PAID:
            order.paid = order.paid or now
        if order.status == "completed":
            order.completed = order.completed or now
        self._orders[order.id] = order
        if order.status:
            insort(self._index, (order.modified, order.id))
            self._tell(order, is_new=not was_placed and order.status != DRAFT)

    def _tell(self, order: SandboxOrder, *, is_new: bool) -> None:
        """Sends the webhooks of a change, with the order as it is when they leave."""

        def now() -> dict[str, Any]:
            with self._lock:
                return render(order, self.setting)

        self.hooks.fire("order.updated", now)
        if is_new:
            self.hooks.fire("order.created", now)

    def _drop(self, order: SandboxOrder) -> None:
        place = bisect_left(self._index, (order.modified, order.id))
        if self._index[place : place + 1] == [(order.modified, order.id)]:
            del self._index[place]

    # The API

    def _answer(self, request: Request) -> Reply:
        path = request.path.rstrip("/")
        if path == "/wp-json":
            return self._picked(about.index(self.setting, self.name, captures=self._captures.on), request)
        if f"{path}/" == CHECKOUT_LINK:
            return Reply(302, b"", {"Location": f"{self.setting.home}/checkout/?session=cart"})
        if not path.startswith("/wp-json/"):
            return Reply(404, b"<!DOCTYPE html><title>Page not found</title>", {"Content-Type": "text/html"})
        known = authenticate(request, self.setting.home, self.key)
        if isinstance(known, Reply):
            return known
        if path.startswith(f"/wp-json/{NAMESPACE}/") and self._captures.on:
            return self._answer_captures(path.removeprefix(f"/wp-json/{NAMESPACE}/"), request, known)
        endpoint = path.removeprefix("/wp-json/wc/v3/")
        own: dict[str, Callable[[str, Request], Reply]] = {
            "webhooks": self.hooks.answer,
            "coupons": self.coupons.answer,
        }
        if known and (answer := own.get(endpoint.partition("/")[0])):
            with self._lock:
                return answer(endpoint, request)
        try:
            reply = self._route(endpoint, request)
        except query.RefusalError as refusal:
            return refusal.reply()
        if reply is None or request.method not in ("GET", "HEAD"):
            return error(404, "rest_no_route", "No route was found matching the URL and request method.")
        if not known:
            word = "view this resource" if endpoint.startswith("orders/") else "list resources"
            return error(401, "woocommerce_rest_cannot_view", f"Sorry, you cannot {word}.")
        return reply

    def _answer_captures(self, endpoint: str, request: Request, known: bool) -> Reply:
        if not known:
            return refusal()
        try:
            with self._lock:
                reply = self._captures.answer(endpoint, request, self.setting, self.classic)
        except query.RefusalError as refused:
            return refused.reply()
        return reply or error(404, "rest_no_route", "No route was found matching the URL and request method.")

    def _route(self, endpoint: str, request: Request) -> Reply | None:
        if endpoint == "orders":
            return self._list(request)
        if endpoint.startswith("orders/") and endpoint.removeprefix("orders/").isdigit():
            return self._single(int(endpoint.removeprefix("orders/")), request)
        if endpoint == "system_status":
            return self._picked(about.system_status(self.setting, self.classic), request)
        if endpoint == "coupons":  # of a stranger, who is refused
            return Reply(200, [])
        if endpoint == "settings/general/woocommerce_enable_coupons":
            value = "yes" if self.coupons.switched_on else "no"
            return self._picked({"id": "woocommerce_enable_coupons", "value": value}, request)
        if endpoint == "data/currencies/current":
            return self._picked(about.currency(self.setting), request)
        return None

    def _picked(self, record: dict[str, Any], request: Request) -> Reply:
        return Reply(200, pick(record, request.param("_fields")), NO_STORE | {"Allow": "GET"})

    def _list(self, request: Request) -> Reply:
        wish = query.read(request, self.statuses, self.setting.offset)
        hidden = {"trash", DRAFT} if self._number >= (10, 8) else {"trash"}
        fields = request.param("_fields")
        with self._lock:
            found = query.select(wish, self._orders, self._index, hidden)
            part = found[wish.offset : wish.offset + wish.size]
            rows = [pick(render(self._orders[one], self.setting), fields) for one in part]
        # Past the last page both counts are 0, as WordPress has it.
        total = len(found) if part else 0
        headers = {**NO_STORE, "X-WP-Total": str(total), "X-WP-TotalPages": str(-(-total // wish.size))}
        if wish.offset + wish.size < total:
            page = wish.offset // wish.size + 2
            headers["Link"] = f'<{self.setting.home}{request.path}?per_page={wish.size}&page={page}>; rel="next"'
        return Reply(200, json.dumps(rows).encode(), headers)

    def _single(self, order_id: int, request: Request) -> Reply:
        with self._lock:
            order = self._orders.get(order_id)
            if order is None or not order.status:
                return error(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
            record = render(order, self.setting)
        fields = request.param("_fields")
        # One order keeps its links whatever was asked for; in a list they go.
        return Reply(200, pick(record, fields and f"{fields},_links"), NO_STORE)
