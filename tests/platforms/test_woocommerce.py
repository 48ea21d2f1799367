"""The adapter before a sandbox store: lifecycles, and `check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from clock import START, Clock
from pydantic import ValidationError
from woocommerce_replay import HTTP, KEYS
from woocommerce_shop import LONG_AGO, adapter, checkouts, with_key

from connector import registry
from connector.errors import ConfigError
from connector.model import ConsentState, Origin, Stage
from connector.sandbox import Fault, Reply, Request
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve
from platforms.woocommerce import WooCommerce, WooCommerceOptions

URL = "https://shop.example"


@pytest.fixture
def shop(clock: Clock) -> Iterator[WooCommerceSandbox]:
    with serve(clock) as sandbox:
        yield sandbox


def messages(shop: WooCommerceSandbox, **changed: Any) -> list[str]:
    return [finding.message for finding in adapter(shop, **changed).check().findings]


# Options and registration


def test_it_is_on_the_list_of_platforms() -> None:
    registry.load()
    assert registry.PLATFORMS["woocommerce"] is WooCommerce


def test_the_defaults() -> None:
    options = WooCommerceOptions(id="shop", platform="woocommerce", url=f"{URL}/", **KEYS)
    assert options.url == URL
    assert options.purchase_statuses == ("processing", "completed", "on-hold", "refunded")
    assert {*KEYS.values()} == {*options.secrets()}
    assert not [secret for secret in KEYS.values() if secret in repr(options) + repr(WooCommerce(options, HTTP))]


def test_plain_http_to_the_world_is_refused() -> None:
    with pytest.raises(ValidationError, match="plain http"):
        WooCommerceOptions(id="shop", platform="woocommerce", url="http://shop.example", **KEYS)


# Lifecycles


def test_a_draft_becomes_an_order_under_the_same_id(shop: WooCommerceSandbox, clock: Clock) -> None:
    draft = shop.abandon("jane@example.com", title="Socks &amp; Co", quantity=2)
    (before,) = checkouts(shop)
    assert (before.id, before.stage, before.customer.email) == (draft, Stage.CONTACT, "jane@example.com")
    assert (before.lines[0].title, str(before.lines[0].total)) == ("Socks & Co", "29.00 EUR")
    clock.advance(timedelta(minutes=5))
    assert shop.buy(checkout_id=draft) == draft
    assert checkouts(shop) == []
    (order,) = [one for page in adapter(shop).orders(None, LONG_AGO) for one in page.items]
    assert (order.id, order.purchase, order.created_at) == (draft, True, START)
    assert order.modified_at == START + timedelta(minutes=5)


def test_a_purchase_by_link_has_a_new_id_and_leaves_the_draft(shop: WooCommerceSandbox) -> None:
    draft = shop.abandon("jane@example.com")
    bought = shop.buy(email="jane@example.com")
    assert bought != draft
    assert [one.id for one in checkouts(shop)] == [draft]


def test_a_declined_card_keeps_its_first_time_as_activity(shop: WooCommerceSandbox, clock: Clock) -> None:
    draft = shop.abandon("jane@example.com")
    clock.advance(timedelta(minutes=10))
    shop.place_order(draft, "failed")
    (found,) = checkouts(shop)
    assert (found.status, found.stage, found.activity_at) == ("failed", Stage.PAYMENT_FAILED, START)
    assert found.modified_at == START + timedelta(minutes=10)


def test_a_corrected_address_and_a_cleaned_up_draft(shop: WooCommerceSandbox, clock: Clock) -> None:
    draft = shop.abandon("jane@exampel.com")
    shop.touch(draft, email="jane@example.com", quantity=3)
    (found,) = checkouts(shop)
    assert (found.customer.email, found.lines[0].quantity) == ("jane@example.com", 3)
    clock.advance(timedelta(hours=25))
    shop.clean_up()
    assert checkouts(shop) == []


@pytest.mark.parametrize("options", [{"version": "10.9.0"}, {"classic": True}])
def test_without_drafts_only_those_who_pressed_place_order_are_seen(clock: Clock, options: dict[str, Any]) -> None:
    with serve(clock, **options) as shop:
        left, placed = shop.abandon("left@example.com"), shop.abandon("placed@example.com")
        clock.advance(timedelta(minutes=1))
        assert shop.place_order(placed) == placed
        (found,) = checkouts(shop)
        assert (found.id, found.stage, found.started_at) == (placed, Stage.PAYMENT, clock())
        assert shop.buy(checkout_id=left) == left


@pytest.mark.parametrize(
    ("created_via", "origin", "purchase"),
    [
        ("admin", Origin.STAFF, True),
        ("rest-api", Origin.IMPORT, True),
        ("", Origin.IMPORT, True),
        ("pos-rest-api", Origin.POS, True),
        ("subscription", Origin.RENEWAL, False),
    ],
)
def test_orders_that_no_shopper_made(
    shop: WooCommerceSandbox, created_via: str, origin: Origin, purchase: bool
) -> None:
    shop.add_order("jane@example.com", created_via=created_via)
    shop.add_order("jane@example.com", created_via=created_via, status="pending")
    found = [one for page in adapter(shop).orders(None, LONG_AGO) for one in page.items]
    assert [(one.origin, one.purchase) for one in found] == [(origin, purchase), (origin, False)]
    assert checkouts(shop) == []


def test_refunds_and_cancellations(shop: WooCommerceSandbox) -> None:
    bought, cancelled = shop.buy(email="a@example.com"), shop.buy(email="b@example.com")
    shop.refund(bought, Decimal("5.00"))
    shop.cancel(cancelled)
    found = {one.id: one for page in adapter(shop).orders(None, LONG_AGO) for one in page.items}
    assert (found[bought].refunded, found[bought].cancelled_at) == (Decimal("5.00"), None)
    assert (found[cancelled].purchase, found[cancelled].cancelled_at) == (False, START)


def test_an_unknown_status_is_a_finding_and_the_read_goes_on(clock: Clock) -> None:
    with serve(clock, statuses=("shipped",)) as shop:
        shipped, other = shop.buy(email="a@example.com", status="shipped"), shop.buy(email="b@example.com")
        shop.buy(email="c@example.com", status="shipped")
        (page,) = adapter(shop).orders(None, LONG_AGO)
        (told,) = adapter(shop, purchase_statuses=("shipped",)).orders(None, LONG_AGO)
    assert {one.id: one.purchase for one in page.items if one.id in (shipped, other)} == {shipped: False, other: True}
    assert [finding.subject for finding in page.findings] == ["shipped"]
    assert "add it to purchase_statuses" in page.findings[0].message
    assert not told.findings
    assert {one.id: one.purchase for one in told.items if one.id in (shipped, other)} == {shipped: True, other: False}


def test_a_store_that_knows_no_drafts_is_still_read(shop: WooCommerceSandbox) -> None:
    shop.statuses.remove("checkout-draft")
    placed = shop.place_order(shop.abandon("jane@example.com"))
    store = adapter(shop)
    assert [one.id for page in store.checkouts(None, LONG_AGO) for one in page.items] == [placed]
    list(store.checkouts(None, LONG_AGO))
    assert [exchange.status for exchange in with_key(shop.server)] == [400, 200, 200]  # asked about drafts once


@pytest.mark.parametrize("state", [*ConsentState])
def test_consent(shop: WooCommerceSandbox, state: ConsentState) -> None:
    shop.abandon("jane@example.com", consent=state)
    assert checkouts(shop)[0].consent.state is state


# check


def test_check_pins_the_home_address_without_its_scheme(shop: WooCommerceSandbox) -> None:
    identity = adapter(shop).check().identity
    assert (identity.id, identity.name) == (shop.server.url.removeprefix("http://"), "Sandbox Outfitters")


def test_check_on_10_5_says_that_it_will_end(shop: WooCommerceSandbox) -> None:
    http, version = messages(shop)
    assert "plain http" in http
    assert version.startswith("WooCommerce 10.5.0 found: shoppers are seen from the moment that they type an e-mail")


def test_check_on_10_9_says_who_is_seen(clock: Clock) -> None:
    with serve(clock, version="10.9.0") as shop:
        version = messages(shop)[-1]
    assert version.startswith(
        "WooCommerce 10.9.0 found: from 10.9 on, its API shows only shoppers who pressed Place order"
    )
    assert "is not seen" in version


def test_check_on_a_classic_checkout(clock: Clock) -> None:
    with serve(clock, classic=True) as shop:
        version = messages(shop)[-1]
    assert "classic (shortcode) checkout page: there, its API shows only shoppers who pressed Place order" in version


def test_check_on_a_version_that_is_too_old(clock: Clock) -> None:
    with serve(clock, version="5.7.1") as shop:
        finding = adapter(shop).check().findings[-1]
    assert (finding.level, "Update it to 5.8 or later" in finding.message) == ("error", True)


def test_check_names_the_purchase_statuses_that_the_store_does_not_know(shop: WooCommerceSandbox) -> None:
    health = adapter(shop, purchase_statuses=("processing", "shipped", "completed", "posted")).check()
    wrong = [finding for finding in health.findings if finding.level == "error"]
    assert [finding.subject for finding in wrong] == ["shipped", "posted"]
    assert "this store does not know" in wrong[0].message


def test_check_does_without_the_version(shop: WooCommerceSandbox) -> None:
    body = {"code": "woocommerce_rest_cannot_view", "message": "Sorry, you cannot list resources."}
    shop.server.fault = lambda request: Fault(Reply(403, body)) if "system_status" in request.path else None
    finding = adapter(shop).check().findings[-1]
    assert (finding.subject, finding.level) == ("system_status", "info")


def test_check_does_without_the_index_where_a_plugin_hides_it(shop: WooCommerceSandbox) -> None:
    hidden = Reply(401, {"code": "rest_not_logged_in", "message": "You are not currently logged in."})
    shop.server.fault = lambda request: Fault(hidden) if request.path == "/wp-json/" else None
    assert adapter(shop).check().identity.id == shop.server.url.removeprefix("http://")


def test_check_where_woocommerce_is_switched_off(shop: WooCommerceSandbox) -> None:
    body = {"name": "Blog", "home": shop.server.url, "namespaces": ["wp/v2"]}
    shop.server.fault = lambda request: Fault(Reply(200, body)) if request.path == "/wp-json/" else None
    with pytest.raises(ConfigError, match="Activate WooCommerce under Plugins"):
        adapter(shop).check()


def test_check_where_there_is_no_wordpress(shop: WooCommerceSandbox) -> None:
    shop.server.fault = lambda _: Fault(Reply(404, b"<html>Not found</html>", {"Content-Type": "text/html"}))
    with pytest.raises(ConfigError, match="there is no WordPress API under"):
        adapter(shop).check()


def test_messages_about_a_record_hold_no_address(shop: WooCommerceSandbox) -> None:
    draft = shop.abandon("jane@example.com")
    (bad,) = json.loads(shop._list(Request("GET", "", (("include", draft),), {}, b"")).payload())
    bad["total"] = "jane@example.com"
    shop.server.fault = lambda _: Fault(Reply(200, json.dumps([bad]).encode()))
    (page,) = adapter(shop).checkouts(None, LONG_AGO)
    assert "jane@" not in page.findings[0].message
