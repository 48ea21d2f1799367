"""What the Shopify adapter reads from the pretend shop, and how it reads on."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from shopify_shop import HOUR_AGO, NOON, checkouts, orders, shop_with

from connector.model import ConsentState, Origin, Page, Stage
from connector.sandbox import Request
from platforms._shopify_records import checkout as read_checkout

# What is read


def test_a_checkout_is_listed_ten_minutes_after_the_last_move_with_all_that_a_lead_needs() -> None:
    with shop_with() as (shop, store, clock):
        known = shop.abandon("jane@example.com", consent=ConsentState.OPTED_IN, quantity=2)
        assert checkouts(store)[0] == []
        clock.tick(minutes=11)
        [found], _, findings = checkouts(store)
        assert findings == []
        assert (found.id, found.status, found.started_at, found.activity_at) == (known, "open", NOON, NOON)
        assert (found.customer.email, found.customer.first_name) == ("jane@example.com", "Jane")
        assert found.customer.phone == "+442071838750"
        assert (found.consent.state, found.consent.source) == (ConsentState.OPTED_IN, "shopify customer")
        assert found.consent.at == NOON
        assert (found.country, found.locale, found.stage) == ("GB", "en-GB", Stage.ADDRESS)
        assert (found.total.amount, found.total.currency) == (Decimal("98.00"), "USD")
        [line] = found.lines
        assert (line.title, line.quantity, line.total.amount) == ("Linen shirt", 2, Decimal("98.00"))
        assert line.price is not None
        assert line.price.amount == Decimal("49.00")
        assert (line.product_id, line.variant_id, line.sku) == ("1000", "10009", "SKU-1000")
        assert line.image_url.endswith(".jpg")
        assert line.product_url.endswith("/products/1000")
        assert "/checkouts/ac/" in found.url


def test_a_checkout_is_bought_and_its_order_carries_the_token_of_its_link() -> None:
    with shop_with() as (shop, store, clock):
        known = shop.abandon("jane@example.com")
        clock.tick(minutes=15)
        order_id = shop.buy(checkout_id=known)
        [checkout], _, _ = checkouts(store)
        [order], _ = orders(store)
        assert (checkout.status, checkout.completed_at) == ("completed", NOON + timedelta(minutes=15))
        assert (order.id, order.purchase, order.origin) == (order_id, True, Origin.CHECKOUT)
        assert (order.customer.email, order.customer.id) == ("jane@example.com", checkout.customer.id)
        assert order.placed_at == NOON + timedelta(minutes=15)
        assert set(checkout.tokens) & set(order.tokens)


@pytest.mark.parametrize(
    "path",
    [
        "/26371970/checkouts/ac/cart_token_k23sabns3/recover?key=secret_token_i23kd8f88&locale=en",
        "/26371970/checkouts/cart_token_k23sabns3/recover?key=x",
        "/checkouts/cn/cart_token_k23sabns3",
    ],
)
def test_the_token_is_found_in_every_form_of_the_link(path: str) -> None:
    bag = {"presentmentMoney": {"amount": "1.0", "currencyCode": "USD"}}
    node = {
        "id": "gid://shopify/AbandonedCheckout/1",
        "createdAt": "2026-11-22T12:00:00Z",
        "updatedAt": "2026-11-22T12:00:00Z",
        "abandonedCheckoutUrl": f"https://www.snowdevil.ca{path}",
        "totalPriceSet": bag,
        "lineItems": {"nodes": []},
    }
    found = read_checkout(node, "acme.myshopify.com")
    assert found.tokens == ("cart_token_k23sabns3",)
    assert found.emptied


def test_amounts_are_in_the_currency_that_the_shopper_saw() -> None:
    with shop_with(currency="USD") as (shop, store, clock):
        known = shop.abandon("jane@example.com", currency="EUR")
        clock.tick(minutes=11)
        [found], _, _ = checkouts(store)
        assert (str(found.total), str(found.lines[0].total)) == ("49.00 EUR", "49.00 EUR")
        shop.buy(checkout_id=known)
        assert str(orders(store)[0][0].total) == "49.00 EUR"


def test_a_checkout_without_a_customer_is_read_without_an_address() -> None:
    with shop_with() as (shop, store, clock):
        shop.abandon("", with_address=False)
        clock.tick(minutes=11)
        [found], _, findings = checkouts(store)
        assert (found.customer.email, found.consent.state) == ("", ConsentState.UNKNOWN)
        assert (found.country, found.stage, findings) == ("", Stage.CONTACT, [])


@pytest.mark.parametrize("state", list(ConsentState))
def test_consent_is_kept_as_the_shop_has_it(state: ConsentState) -> None:
    with shop_with() as (shop, store, clock):
        shop.abandon("jane@example.com", consent=state)
        clock.tick(minutes=11)
        assert checkouts(store)[0][0].consent.state is state


def test_a_corrected_address_and_an_emptied_cart_are_seen() -> None:
    with shop_with() as (shop, store, clock):
        known = shop.abandon("jane@exmaple.com")
        clock.tick(minutes=11)
        shop.touch(known, email="jane@example.com", quantity=0)
        [found], _, _ = checkouts(store)
        assert (found.customer.email, found.emptied, found.activity_at) == ("jane@example.com", True, clock.now)


def test_more_lines_than_fit_on_the_first_page_are_all_read() -> None:
    with shop_with() as (shop, store, clock):
        shop.abandon("jane@example.com", lines=73)
        clock.tick(minutes=11)
        [found], _, _ = checkouts(store)
        assert len(found.lines) == 73
        assert len({line.product_id for line in found.lines}) == 73
        assert sum(line.total.amount for line in found.lines) == found.total.amount


@pytest.mark.parametrize(
    ("source", "origin", "purchase"),
    [
        ("web", Origin.CHECKOUT, True),
        ("mobile_app", Origin.CHECKOUT, True),
        ("subscription_contract", Origin.RENEWAL, False),
        ("subscription_contract_checkout_one", Origin.RENEWAL, False),
        ("pos", Origin.POS, True),
        ("shopify_draft_order", Origin.STAFF, True),
        ("294517", Origin.IMPORT, True),
    ],
)
def test_the_origin_of_an_order_comes_from_its_source(source: str, origin: Origin, purchase: bool) -> None:
    with shop_with() as (shop, store, _):
        shop.buy(email="jane@example.com", source=source)
        [found], _ = orders(store)
        assert (found.origin, found.purchase) == (origin, purchase)


def test_a_test_order_and_a_cancelled_one_are_no_purchases() -> None:
    with shop_with() as (shop, store, clock):
        shop.buy(email="jane@example.com", test=True)
        cancelled = shop.buy(email="joe@example.com")
        refunded = shop.buy(email="ann@example.com")
        clock.tick(minutes=1)
        shop.cancel(cancelled)
        shop.refund(refunded, Decimal("9.00"))
        found = {order.customer.email: order for order in orders(store)[0]}
        assert not found["jane@example.com"].purchase
        assert not found["joe@example.com"].purchase
        assert found["joe@example.com"].cancelled_at == clock.now
        assert found["ann@example.com"].purchase
        assert (found["ann@example.com"].total.amount, found["ann@example.com"].refunded) == (Decimal(49), Decimal(9))
        assert found["ann@example.com"].status == "partially_refunded"


def test_a_record_that_cannot_be_read_is_a_finding_and_the_others_are_kept() -> None:
    with shop_with() as (shop, store, _):
        broken = shop.buy(email="jane@example.com")
        shop.buy(email="joe@example.com")
        shop.world._order(broken).shown["totalPriceSet"]["presentmentMoney"]["amount"] = "many"
        [page] = store.orders(None, HOUR_AGO)
        assert [order.customer.email for order in page.items] == ["joe@example.com"]
        assert [(finding.subject, finding.level) for finding in page.findings] == [(broken, "error")]


# Reading on


def test_a_read_goes_on_where_the_last_one_ended_and_repeats_only_the_newest() -> None:
    with shop_with() as (shop, store, clock):
        old = shop.abandon("old@example.com")
        clock.tick(minutes=45)
        new = shop.abandon("new@example.com")
        clock.tick(minutes=11)
        found, cursor, _ = checkouts(store)
        assert [item.id for item in found] == [old, new]
        found, again, _ = checkouts(store, cursor)
        assert ([item.id for item in found], again) == ([new], cursor)


def test_the_cursor_of_checkouts_moves_only_with_the_last_page() -> None:
    with shop_with() as (shop, store, clock):
        shop.seed(40, spread=timedelta(minutes=10))
        clock.tick(hours=2)
        pages = list(store.checkouts(None, HOUR_AGO))
        assert len(pages) > 2
        assert len({page.cursor for page in pages[:-1]}) == 1
        assert pages[-1].cursor != pages[0].cursor
        resumed = checkouts(store, pages[0].cursor)[0]
        assert len(resumed) == 40
        assert all(page.date == clock.now for page in pages)


def test_a_cursor_that_nobody_understands_starts_over() -> None:
    with shop_with() as (shop, store, clock):
        shop.abandon("jane@example.com")
        clock.tick(minutes=11)
        assert len(checkouts(store, "not ours")[0]) == 1


def test_long_lists_are_read_whole_without_paging_too_deep() -> None:
    with shop_with(keep_journal=False) as (shop, store, _):
        ids = shop.seed(5300, spread=timedelta(minutes=30))
        asked: list[dict[str, Any]] = []

        def watch(request: Request) -> None:
            if request.path.endswith("graphql.json"):
                asked.append(request.json()["variables"])

        shop.server.fault = watch
        assert [item.id for item in checkouts(store)[0]] == ids
        [again] = [sent for sent in asked[1:] if sent["after"] is None]
        assert any(again["query"].endswith(f"id:>{known.rpartition('/')[2]}") for known in ids[4999:5250])


def test_pages_are_of_the_kind_that_the_engine_stores() -> None:
    with shop_with() as (_, store, _clock):
        [page] = store.checkouts(None, HOUR_AGO)
        assert isinstance(page, Page)
        assert page.items == ()
        assert checkouts(store, page.cursor)[1] == page.cursor
