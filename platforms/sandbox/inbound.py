"""A pretend site that tells Winback of its checkouts and orders, signed, as docs/inbound.md says.

    site = serve()
    site.connect("http://127.0.0.1:8484/inbound/acme/site")

`options()` are the keys of its store in a client's file. Its own web server is its store front.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import secrets
import threading
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError

from connector.model import ConsentState
from connector.sandbox import Clock, Reply, Request, Server, utc_now

PRICE = Decimal("49.00")
PATIENCE = 30.0  # seconds


@dataclass(frozen=True)
class Said:
    """What Winback answered."""

    status: int
    body: Any
    headers: dict[str, str]


class InboundSandbox:
    """A running pretend site. What its shoppers do is told at once, and orders always with `complete_through`."""

    def __init__(self, clock: Clock = utc_now, port: int = 0, *, keep_journal: bool = True) -> None:
        self.signing_key, self.snippet_key = secrets.token_hex(32), f"pk_{secrets.token_hex(12)}"
        self.server = Server(self._page, clock=clock, port=port, keep_journal=keep_journal)
        self._clock = clock
        self._winback = ""
        self._checkouts: dict[str, dict[str, Any]] = {}
        self._orders: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1001)
        self._lock = threading.RLock()

    def options(self) -> dict[str, Any]:
        """The keys of a store in a client's file, but for `id`, that are this site's."""
        snippet = {"key": self.snippet_key, "origins": [self.server.url]}
        return {"platform": "inbound", "signing_key": self.signing_key, "snippet": snippet}

    def connect(self, url: str) -> None:
        """From now on it tells Winback at `…/inbound/CLIENT/STORE`."""
        self._winback = url

    def abandon(
        self,
        email: str,
        *,
        consent: ConsentState = ConsentState.NOT_OPTED_IN,
        title: str = "Linen shirt",
        quantity: int = 1,
    ) -> str:
        """A shopper fills a checkout and leaves. Returns its id."""
        with self._lock:
            number, now = f"c-{next(self._numbers)}", _iso(self._clock())
            line = {"title": title, "quantity": quantity, "price": str(PRICE), "sku": "LS-1", "product_id": "11"}
            self._checkouts[number] = {
                "id": number,
                "started_at": now,
                "updated_at": now,
                "email": email,
                "url": f"{self.server.url}/cart/{number}",
                "currency": "EUR",
                "total": str(PRICE * quantity),
                "lines": [line],
                "consent": {"state": consent, "source": "box at the checkout"},
                "token": f"cart-{number}",
            }
            self._tell_checkout(number)
            return number

    def touch(self, checkout_id: str, *, email: str | None = None, quantity: int | None = None) -> None:
        """The shopper is back at that checkout; quantity 0 empties it."""
        with self._lock:
            checkout = self._checkouts[checkout_id]
            checkout["updated_at"] = _iso(self._clock())
            if email is not None:
                checkout["email"] = email
            if quantity is not None:
                checkout["lines"] = [{**checkout["lines"][0], "quantity": quantity}] if quantity else []
                checkout |= {"total": str(PRICE * quantity), "emptied": not quantity}
            self._tell_checkout(checkout_id)

    def buy(self, *, checkout_id: str | None = None, email: str | None = None) -> str:
        """The shopper completes that checkout, or buys afresh under that address. Returns the order's id."""
        with self._lock:
            number, now = str(next(self._numbers)), _iso(self._clock())
            order = {"id": number, "status": "paid", "purchase": True, "created_at": now, "updated_at": now}
            order |= {"placed_at": now, "currency": "EUR", "total": str(PRICE), "email": email or ""}
            if checkout_id is not None:
                checkout = self._checkouts[checkout_id]
                checkout |= {"updated_at": now, "completed_at": now, "order_id": number}
                order |= {"email": checkout["email"], "total": checkout["total"], "checkout_id": checkout_id}
                order["token"] = checkout["token"]
            self._orders[number] = order
            self.tell_orders(number)
            if checkout_id is not None:
                self._tell_checkout(checkout_id)
            return number

    def cancel(self, order_id: str) -> None:
        """The shop cancels an order."""
        with self._lock:
            now = _iso(self._clock())
            self._orders[order_id] |= {"status": "cancelled", "purchase": False, "updated_at": now, "cancelled_at": now}
            self.tell_orders(order_id)

    def tell_orders(self, *order_ids: str) -> Said:
        """Tells these orders, or none at all, and that there is no other one up to now."""
        now = _iso(self._clock())
        orders = [self._orders[each] for each in order_ids]
        return self.post("orders", {"orders": orders, "complete_through": now})

    def _tell_checkout(self, checkout_id: str) -> None:
        said = self.post("checkouts", {"checkouts": [self._checkouts[checkout_id]]})
        if said.status != 200:
            raise RuntimeError(f"winback did not take the checkout: {said.status} {said.body}")

    def post(self, what: str, document: Any, *, key: str | None = None, at: datetime | None = None) -> Said:
        """A signed request, with any document or bytes, at any time."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        seconds = str(int((at or self._clock()).timestamp()))
        signed = hmac.new((key or self.signing_key).encode(), seconds.encode() + b"." + body, hashlib.sha256)
        headers = {"content-type": "application/json", "winback-signature": f"t={seconds},v1={signed.hexdigest()}"}
        return self.send(what, body, headers)

    def send(self, what: str, body: bytes, headers: dict[str, str], method: str = "POST") -> Said:
        """Any request to Winback."""
        if not self._winback:
            raise RuntimeError("connect() says where this site tells its checkouts and orders")
        request = urllib.request.Request(f"{self._winback}/{what}", body or None, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return _said(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            with error:
                return _said(error.code, error.headers, error.read())

    def _page(self, request: Request) -> Reply:
        page = f"<!DOCTYPE html><title>A pretend site</title><p>{'Your cart' if 'cart' in request.path else 'Welcome'}"
        return Reply(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})


def serve(clock: Clock = utc_now, port: int = 0, *, keep_journal: bool = True) -> InboundSandbox:
    """A pretend site on 127.0.0.1, which tells nobody anything before `connect`."""
    return InboundSandbox(clock, port, keep_journal=keep_journal)


def _said(status: int, headers: Any, body: bytes) -> Said:
    lower = {name.lower(): value for name, value in headers.items()}
    is_json = lower.get("content-type", "").startswith("application/json")
    return Said(status, json.loads(body) if is_json else body, lower)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
