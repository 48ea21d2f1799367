"""Two stores of one client each have an order of the same number: either one ends what the CRM mails."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from clock import Clock
from world import World

from crm.sandbox import klaviyo, omnisend
from platforms.sandbox import woocommerce

ANN = "ann@example.com"


@pytest.mark.parametrize("vendor", [klaviyo, omnisend], ids=["klaviyo", "omnisend"])
def test_an_order_ends_the_mails_though_a_sister_store_had_its_number_before(
    tmp_path: Path, sqlite_url: str, clock: Clock, vendor: ModuleType
) -> None:
    sister, mail = woocommerce.serve(clock=clock), vendor.serve(clock=clock)
    acme = World(tmp_path, sqlite_url, clock)
    stores = [{"id": "woo", **acme.woo.options()}, {"id": "sister", **sister.options()}]
    acme.restart(stores=stores, crms=[{"id": "mail", **mail.options()}])

    def happened(what: str) -> int:
        return sum(effect.what == what for effect in mail.effects)

    def abandon() -> str:
        checkout = acme.woo.abandon(ANN)
        for _ in range(2):
            acme.after(minutes=20)
        return checkout

    abandon()
    sister.buy(email="bob@example.com")
    first = sister.buy(email=ANN)
    acme.after(minutes=5)
    assert (happened("enrolled"), happened("withdrawn")) == (1, 1)
    for _ in range(3):
        acme.after(days=3)
    checkout = abandon()
    assert happened("enrolled") == 2
    assert acme.woo.buy(checkout_id=checkout) == first
    acme.after(minutes=5)
    assert happened("withdrawn") == 2
    for sandbox in (sister, mail):
        sandbox.server.close()
    acme.close()
