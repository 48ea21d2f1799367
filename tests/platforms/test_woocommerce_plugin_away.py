"""The companion plugin lost and found again, and what `check` says of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from clock import START, Clock
from woocommerce_shop import JANE, LONG_AGO, MINUTE, PLUGIN, adapter, asked, findings, items, read

from connector.errors import ConfigError, TransientError
from connector.model import Source
from connector.sandbox import Fault, Reply
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve


@pytest.fixture
def shop(clock: Clock) -> Iterator[WooCommerceSandbox]:
    with serve(clock, plugin=True) as sandbox:
        yield sandbox


def test_a_plugin_that_is_switched_off_is_missed_and_orders_go_on(shop: WooCommerceSandbox, clock: Clock) -> None:
    store, left = adapter(shop), shop.abandon(JANE)
    clock.advance(MINUTE)
    cursor = list(store.checkouts(None, LONG_AGO))[-1].cursor
    shop.switch_plugin(False)
    draft = shop.abandon("draft@example.com")
    clock.advance(MINUTE)
    for reader in (store, adapter(shop)):  # before and after a restart
        pages = list(reader.checkouts(cursor, LONG_AGO))
        assert [one.id for one in items(pages) if one.customer.email == "draft@example.com"] == [draft]
        (finding,) = findings(pages)
        assert (finding.level, finding.subject) == ("error", "companion plugin")
        assert "Activate Winback for WooCommerce under Plugins" in finding.message
        assert reader.visits(START.date()) == ()
    shop.switch_plugin(True)
    later = shop.abandon("later@example.com")
    clock.advance(timedelta(minutes=10))
    list(store.orders(None, LONG_AGO))  # the store's answer says how late it is
    pages = list(store.checkouts(pages[-1].cursor, LONG_AGO))
    assert {one.id for one in items(pages)} >= {left, later}
    assert findings(pages) == []


def test_a_plugin_that_was_never_there_is_not_missed(clock: Clock) -> None:
    with serve(clock) as shop:
        assert findings(read(shop)) == []


def test_a_plugin_that_stays_away_is_forgotten_after_a_month(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.abandon(JANE)
    clock.advance(MINUTE)
    cursor = read(shop)[-1].cursor
    shop.switch_plugin(False)
    clock.advance(timedelta(days=29))
    assert len(findings(read(shop, cursor))) == 1
    clock.advance(timedelta(days=1))
    assert findings(read(shop, cursor)) == []


def test_an_order_whose_checkout_was_captured_keeps_that_id_while_the_plugin_is_off(
    shop: WooCommerceSandbox, clock: Clock
) -> None:
    left = shop.abandon(JANE)
    shop.place_order(left)
    clock.advance(MINUTE)
    (before,) = items(read(shop))
    shop.switch_plugin(False)
    (meanwhile,) = items(read(shop))
    assert (meanwhile.id, meanwhile.order_id, meanwhile.tokens) == (before.id, before.order_id, before.tokens)
    assert meanwhile.source is Source.ORDERS


def test_while_it_is_not_there_it_is_looked_for_every_ten_minutes(clock: Clock) -> None:
    with serve(clock) as shop:
        store = adapter(shop)
        for _ in range(30):
            list(store.checkouts(None, LONG_AGO))
            clock.advance(MINUTE)
        assert asked(shop).count("") == 3
        assert not [path for path in asked(shop) if path.startswith("wc-winback")]  # no 404s for a firewall to count
        shop.switch_plugin(True)
        left = shop.abandon(JANE)
        clock.advance(timedelta(minutes=10))
        list(store.orders(None, LONG_AGO))  # the store's answer says how late it is
        assert left in {one.id for one in items(list(store.checkouts(None, LONG_AGO)))}


def test_a_store_that_hides_its_index_is_asked_directly(shop: WooCommerceSandbox, clock: Clock) -> None:
    hidden = Fault(Reply(401, {"code": "rest_cannot_access", "message": "Only authenticated users."}))
    shop.server.fault = lambda request: hidden if request.path == "/wp-json/" else None
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    assert [one.id for one in items(read(shop))] == [left]
    shop.switch_plugin(False)
    assert left not in [one.id for one in items(read(shop))]


def test_a_plugin_that_is_out_of_order_is_tried_again_later(shop: WooCommerceSandbox) -> None:
    shop.server.fault = lambda request: Fault(Reply(500, b"")) if request.path.startswith(PLUGIN) else None
    with pytest.raises(TransientError):
        read(shop)
    with pytest.raises(TransientError):
        adapter(shop).visits(START.date())


# check


def test_check_says_what_the_plugin_sees(shop: WooCommerceSandbox) -> None:
    (finding,) = adapter(shop).check().findings[1:]
    assert (finding.subject, finding.level) == ("companion plugin", "info")
    assert "WooCommerce 10.5.0 found, with the companion plugin 1.0.0: shoppers are seen" in finding.message


def test_check_says_what_is_in_the_plugins_way(shop: WooCommerceSandbox) -> None:
    status = {
        "version": "1",
        "store_time": "2026-11-22T11:00:00Z",
        "plugin": "1.0.0",
        "blocked": ["no_table", "something_new"],
    }
    shop.server.fault = lambda request: Fault(Reply(200, status)) if request.path == PLUGIN + "status" else None
    told = [finding.message for finding in adapter(shop).check().findings]
    assert "switch it off and on again under Plugins" in told[-2]
    assert told[-1] == "The companion plugin says: something_new."


def test_check_fails_where_the_plugin_refuses_the_key(shop: WooCommerceSandbox) -> None:
    refusal = Reply(403, {"code": "wc_winback_cannot_view", "message": "Sorry", "data": {"status": 403}})
    shop.server.fault = lambda request: Fault(refusal) if request.path.startswith(PLUGIN) else None
    (finding,) = [one for one in adapter(shop).check().findings if one.level == "error"]
    assert "make the key for an administrator or a shop manager" in finding.message


@pytest.mark.parametrize("options", [{"version": "10.9.0"}, {"classic": True}, {}])
def test_check_names_the_command_where_the_plugin_is_not_there(clock: Clock, options: dict[str, Any]) -> None:
    with serve(clock, **options) as shop:
        told = adapter(shop).check().findings[-1].message
    assert "`winback woocommerce-plugin` writes the file to upload" in told
    assert "10." in told


def test_a_wrong_key_is_told_as_everywhere(shop: WooCommerceSandbox) -> None:
    with pytest.raises(ConfigError, match="The consumer secret is wrong"):
        read(shop, consumer_secret="cs_wrong")
