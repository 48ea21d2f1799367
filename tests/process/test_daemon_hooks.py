"""The daemon with webhooks: the stores are polled every ten minutes, and buyers are let go within seconds."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from processes import LateClock, Process, Site, client, until

from crm.sandbox import mailchimp
from platforms.sandbox import shopify, woocommerce

MakeSite = Callable[[dict[str, Any]], Site]
ANN = "ann@example.com"
SOON = 30.0  # seconds; a machine with nothing else to do takes two or three


@pytest.fixture
def clock() -> LateClock:
    """The machine's clock, that can be set back for a while."""
    return LateClock()


@pytest.fixture
def crm() -> Iterator[Any]:
    """A CRM."""
    made = mailchimp.serve(path="journey")
    yield made
    made.server.close()


@pytest.fixture(params=["woocommerce", "shopify"])
def store(request: pytest.FixtureRequest, clock: LateClock) -> Iterator[Any]:
    """A store where Ann's checkout is due."""
    if request.param == "woocommerce":
        made: Any = woocommerce.serve(clock=clock, permissions="read_write")
    else:
        made = shopify.serve(clock=clock)
    with clock.ago(minutes=40):
        made.checkout = made.abandon(ANN)
    yield made
    made.server.close()


def started(site: MakeSite, store: Any, crm: Any) -> tuple[Process, str]:
    """The daemon, with webhooks installed, and where they lead."""
    config = client({"shop": store}, {"mail": crm})
    config["stores"][0]["poll_every"] = "10m"
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    place = site(config)
    place.settings({"database_url": place.url, "http": {"listen": listen}, "public_url": f"http://{listen}"})
    daemon = place.daemon()
    installed = place.run("hooks", "install")
    assert installed.code == 0, installed
    store.hooks.courier.wait()
    return daemon, f"http://{listen}/hooks/acme/shop"


def polls(store: Any) -> int:
    """How often the store's orders were asked for."""
    asked = [e.request for e in store.server.journal if e.request.method in ("GET", "POST")]
    return sum("status=any" in one.target or b"query Orders" in one.body for one in asked)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_buyer_is_let_go_within_seconds(site: MakeSite, store: Any, crm: Any) -> None:
    daemon, _ = started(site, store, crm)
    until(lambda: any(effect.what == "enrolled" for effect in crm.effects), daemon.err)
    before = polls(store)
    store.buy(checkout_id=store.checkout)
    bought = time.monotonic()
    until(lambda: any((e.what, e.email) == ("withdrawn", ANN) for e in crm.effects), daemon.err)
    assert time.monotonic() - bought < SOON
    assert {one.status for one in store.hooks.courier.journal} == {200}
    assert polls(store) > before
    assert ANN not in daemon.err
    assert daemon.terminate().code == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_storm_of_webhooks_is_a_handful_of_polls(site: MakeSite, clock: LateClock, crm: Any) -> None:
    store = shopify.serve(clock=clock)
    try:
        daemon, url = started(site, store, crm)
        until(lambda: polls(store) >= 1, daemon.err)
        before, began = polls(store), time.monotonic()
        store.hooks.courier.copies = 1000
        store.hooks.send(url, "orders/updated", {"id": 1, "updated_at": "now"})
        store.hooks.courier.wait()
        seconds = time.monotonic() - began
        assert [one.status for one in store.hooks.courier.journal] == [200] * 1000
        until(lambda: polls(store) > before, daemon.err)
        time.sleep(1.5)  # a further one would begin with the next tick
        assert polls(store) - before <= 2 + seconds / 5
        assert daemon.terminate().code == 0
    finally:
        store.server.close()
