"""The daemon of a scene, and who comes to it: a site that tells, browsers, webhooks, and somebody who stops it."""

from __future__ import annotations

import json
import select
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from acme import ANN, BOB, KURT, NINA, OLD, Acme
from nursery import Child, Point

from connector.sandbox import Fault

SLOW = Fault(delay=0.3)


def _alive(child: Child) -> bool:
    stdout = child.nursery.popen.stdout
    assert stdout is not None
    if child.code is None and select.select([stdout], [], [], 0)[0]:
        child.end()
    return child.code is None


def _when(child: Child, happened: Callable[[], Any]) -> bool:
    """Waits until it has happened; False where the daemon died before."""
    end = time.monotonic() + 60
    while _alive(child):
        if happened():
            return True
        assert time.monotonic() < end, child.said
        time.sleep(0.01)
    return False


def daemon(visit: Callable[[Acme, Child], None], acme: Acme, die_at: Point | None) -> Child:
    """The daemon, somebody who does something to it, and its end by SIGTERM if it lives to see it."""
    child = acme.start("run", "-c", str(acme.site.file), die_at=die_at)
    if _when(child, lambda: "winback is running" in child.said):
        visit(acme, child)
    if _alive(child):
        child.terminate()
    return child


def tell(acme: Acme, child: Child) -> None:
    """A site posts again what it got no 200 for: here the next time that the daemon is there."""
    base = f"http://{acme.listen}/inbound/acme/site"
    acme.told.connect(base)
    origin = {"content-type": "text/plain", "origin": acme.told.server.url}
    key = f"checkouts?key={acme.told.snippet_key}"
    with suppress(OSError, HTTPException):
        acme.told.post("checkouts", acme.documents["checkouts"])
        acme.told.send(key, acme.documents["typed"], origin)
        acme.told.send(key, acme.documents["started"], origin)
        acme.told.post("orders", {**acme.documents["orders"], "complete_through": _iso(acme)})


def documents(acme: Acme) -> None:
    """Ann's checkout and Bob's order, as the site writes them down once, and what two browsers send."""
    url, at = f"{acme.told.server.url}/cart", _iso(acme)
    line = {"title": "Linen shirt", "quantity": 1, "price": "49.00"}
    money = {"currency": "EUR", "total": "49.00"}
    checkout = {"id": "c-1", "started_at": at, "updated_at": at, "email": ANN, "url": url, "lines": [line], **money}
    order = {"id": "7", "status": "paid", "purchase": True, "created_at": at, "updated_at": at, "email": BOB, **money}
    typed = {"id": "0123456789abcdef0123", "email": OLD, "url": url, **money}
    acme.documents = {
        "checkouts": {"checkouts": [checkout]},
        "orders": {"orders": [order]},
        "typed": json.dumps({"checkouts": [typed]}).encode(),
        "started": json.dumps({"checkouts": [{"started": True}]}).encode(),
    }
    acme.run("sync")


def _iso(acme: Acme) -> str:
    return acme.now().isoformat().replace("+00:00", "Z")


def _tell_orders(acme: Acme, child: Child) -> None:
    acme.told.connect(f"http://{acme.listen}/inbound/acme/site")
    acme.told.post("orders", {**acme.documents["orders"], "complete_through": _iso(acme)})


def tell_late(acme: Acme) -> None:
    """What was told is due, and the site has told its orders again."""
    acme.pass_by(minutes=45)
    daemon(_tell_orders, acme, None)
    acme.well("sync")


def with_webhooks(acme: Acme) -> None:
    documents(acme)
    acme.shop.abandon(KURT)
    acme.documents["bought"] = acme.shop.abandon(NINA)
    acme.pass_by(minutes=45)
    daemon(tell, acme, None)
    acme.well("sync")
    acme.pass_by(seconds=5)
    acme.shop.hooks.subscribe("ORDERS_CREATE", f"http://{acme.listen}/hooks/acme/shop")


def webhooks(acme: Acme, child: Child) -> None:
    """Nina buys, and Shopify asks to erase Kurt: again and again until it gets its 200."""
    if checkout := acme.documents.pop("bought", None):
        acme.shop.buy(checkout_id=checkout)
    acme.shop.ask_privacy(f"http://{acme.listen}/hooks/acme/shop", "customers/redact", KURT)
    acme.shop.hooks.courier.wait()
    _when(child, lambda: all(acme.effects()[crm, NINA, "withdrawn"] for crm in acme.crms))


def slow(acme: Acme) -> None:
    acme.crms["contacts"].server.fault = lambda request: SLOW


def begun(acme: Acme, child: Child) -> None:
    """Stopped when the first of three is on the way."""
    _when(child, lambda: acme.crms["contacts"].effects)
