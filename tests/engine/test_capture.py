"""R1: the capture rate by source, and unknown where a source cannot count what was started."""

from __future__ import annotations

from datetime import date, timedelta

from clock import START
from sqlalchemy import insert
from world import World

from connector import tables
from connector.db import table
from connector.engine.capture import Capture, Captured, capture_rate


def rate(acme: World, store: str, since: timedelta = timedelta(days=7)) -> Capture:
    with acme.ctx.db.read() as connection:
        return capture_rate(connection, "acme", store, acme.clock() - since)


def test_drafts_count_who_opened_the_checkout_and_who_left_an_address(acme: World) -> None:
    acme.woo.abandon("")
    late = acme.woo.abandon("")
    acme.woo.abandon("ann@example.com")
    acme.sync()
    acme.woo.touch(late, email="bob@example.com")
    paid = acme.woo.buy(email="cleo@example.com")  # never seen before it was paid
    acme.woo.abandon("dan@example.com")
    acme.after(minutes=1)
    acme.woo.buy(checkout_id=late)
    acme.after(minutes=1)
    assert rate(acme, "woo").sources == (Captured("drafts", 5, 4),)
    assert rate(acme, "woo").rate == 0.8
    assert paid


def test_a_list_of_abandoned_checkouts_cannot_count_starts(acme: World) -> None:
    acme.shop.abandon("ann@example.com")
    acme.after(minutes=31)
    assert rate(acme, "shop").sources == (Captured("abandoned checkouts", None, 1),)
    assert (rate(acme, "shop").started, rate(acme, "shop").contactable, rate(acme, "shop").rate) == (None, 1, None)


def test_days_that_the_store_counted_are_summed_beside_what_it_cannot_count(acme: World) -> None:
    acme.shop.abandon("ann@example.com")
    acme.after(minutes=31)
    days = [(0, 100, 40), (6, 50, 30), (8, 1000, 1)]
    rows = [
        {"client": "acme", "store": "shop", "source": "companion plugin", "day": START.date() - timedelta(days=ago)}
        | {"started": started, "contactable": contactable}
        for ago, started, contactable in days
    ]
    with acme.ctx.db.write() as connection:
        connection.execute(insert(table(tables.Visits)), rows)
    found = rate(acme, "shop")
    assert found.sources == (Captured("abandoned checkouts", None, 1), Captured("companion plugin", 150, 70))
    assert (found.started, found.contactable) == (150, 70)
    assert rate(acme, "shop", timedelta(days=30)).started == 1150
    assert rows[0]["day"] == date(2026, 3, 2)


def test_a_store_without_checkouts_has_no_rate(acme: World) -> None:
    acme.sync()
    assert rate(acme, "woo") == Capture(())
    assert rate(acme, "woo").rate is None
