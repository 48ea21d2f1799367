"""What the stores show and the CRMs do, seen from between them and the engine. Nothing is changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from year.ledger import Ledger

from connector.sandbox import Clock, Effect, Reply, Request, Server

LAST = 2  # the step that promises a coupon


@dataclass
class Made:
    """A coupon. `used_by` is the store's own list."""

    store: str
    at: datetime
    expires: datetime
    used_by: list[str]
    gone: datetime | None = None


class Doors:
    """`heard` holds the stores whose orders were read since it was last emptied, `coupons` every one that was made."""

    def __init__(self, clock: Clock, ledger: Ledger, stores: Mapping[str, Any], crms: Mapping[str, Any]) -> None:
        self.heard: set[str] = set()
        self.coupons: dict[str, Made] = {}
        self._clock, self._ledger, self._stores = clock, ledger, stores
        self._open: dict[str, Made] = {}
        self._seen_coupons = dict.fromkeys(stores, 0)
        for name, store in stores.items():
            self._watch_store(name, store.server)
        for name, crm in crms.items():
            self._watch_crm(name, crm)

    def _watch_store(self, name: str, server: Server) -> None:
        inner, lock = server.handler, threading.Lock()
        see = self._see_shopify if name == "shop" else self._see_woocommerce

        def handle(request: Request) -> Reply:
            reply = inner(request)
            if reply.status == 200:
                with lock:
                    see(request, json.loads(reply.payload() or b"null"))
            return reply

        server.handler = handle

    def _see_woocommerce(self, request: Request, body: Any) -> None:
        if not request.path.rstrip("/").endswith("/wc/v3/orders"):
            return
        asked = request.param("status")
        if not request.param("modified_after"):
            return  # a look whether the key works
        for row in body:
            if asked == "any" and row["status"] != "checkout-draft":
                self._ledger.shows_order("woo", str(row["id"]))
            elif "checkout-draft" in asked:
                self._ledger.shows_cart("woo", str(row["id"]), self._clock())
        if asked == "any":
            self.heard.add("woo")

    def _see_shopify(self, _: Request, body: Any) -> None:
        data = body.get("data") or {}
        for node in (data.get("abandonedCheckouts") or {}).get("nodes") or ():
            self._ledger.shows_cart("shop", node["id"], self._clock())
        for node in (data.get("orders") or {}).get("nodes") or ():
            self._ledger.shows_order("shop", node["id"])
        if "orders" in data:
            self.heard.add("shop")

    def _watch_crm(self, name: str, sandbox: Any) -> None:
        inner, lock, seen = sandbox.server.handler, threading.Lock(), 0

        def handle(request: Request) -> Reply:
            nonlocal seen
            reply: Reply = inner(request)
            with lock:
                sandbox.server.journal.clear()  # nobody reads it here
                if request.method != "GET" and b"@" in request.body:
                    self._note_addresses(name, request.body.decode())
                fresh, seen = sandbox.effects[seen:], len(sandbox.effects)
                for effect in fresh:
                    if effect.what == "enrolled":
                        known = sandbox.fields(effect.email)
                        self._note_start(name, effect, int(known["STEP"]), known.get("CODE", ""))
            return reply

        sandbox.server.handler = handle

    def _note_start(self, crm: str, effect: Effect, step: int, code: str) -> None:
        is_last = step == LAST
        self._ledger.starts_step(effect.at, crm, effect.email, step, code if is_last else "")
        if is_last and not any(store.coupons.applies(code) for store in self._stores.values()):
            self._ledger.broken.append(f"{effect.email}: {crm} promises the code {code!r}, which no store takes")

    def note_coupons(self) -> None:
        """Which were made and which are gone since the last look."""
        now = self._clock()
        for name, store in self._stores.items():
            ever, seen = store.coupons.made_ever, self._seen_coupons[name]
            for one in ever[seen:]:
                expires = one.expires if name == "woo" else one.ends
                self.coupons[one.code.upper()] = self._open[one.code.upper()] = Made(name, now, expires, one.used_by)
            self._seen_coupons[name] = len(ever)
        there = {one.code.upper() for store in self._stores.values() for one in store.coupons.all()}
        for code in set(self._open) - there:
            self._open.pop(code).gone = now

    def _note_addresses(self, crm: str, text: str) -> None:
        self._ledger.heard_of[crm].update(word for word in text.replace("\\", '"').split('"') if "@" in word)
