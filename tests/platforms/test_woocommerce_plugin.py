"""The companion plugin read over a real socket: what is found, and followed through its pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from clock import START, Clock
from woocommerce_shop import JANE, LONG_AGO, MINUTE, PLUGIN, SECOND, adapter, asked, items, read

from connector.model import Consent, ConsentState, Source, Stage, Visits
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve


@pytest.fixture
def shop(clock: Clock) -> Iterator[WooCommerceSandbox]:
    with serve(clock, plugin=True) as sandbox:
        yield sandbox


# What is read


@pytest.mark.parametrize("options", [{}, {"version": "10.9.0"}, {"classic": True}])
def test_an_address_that_was_only_typed_is_seen_in_every_store(clock: Clock, options: dict[str, Any]) -> None:
    with serve(clock, plugin=True, **options) as shop:
        left = shop.abandon(JANE, consent=ConsentState.OPTED_IN, title="Linen shirt", quantity=2)
        clock.advance(MINUTE)
        (found,) = items(read(shop))
    assert (found.id, found.tokens, found.customer.email, found.source) == (left, (left,), JANE, Source.CAPTURE)
    assert (found.status, found.stage, found.order_id, found.by_link) == ("open", Stage.CONTACT, "", False)
    assert found.started_at == found.activity_at == found.modified_at == START
    assert found.consent == Consent(ConsentState.OPTED_IN, "checkout field sandbox/marketing-opt-in", START)
    assert found.url == f"{shop.server.url}/?wc-winback={left}"
    (line,) = found.lines
    assert (line.title, line.quantity, str(line.total)) == ("Linen shirt", 2, "29.00 EUR")


def test_who_typed_nothing_is_counted_and_not_listed(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.abandon("")
    shop.abandon(JANE)
    clock.advance(MINUTE)
    store = adapter(shop)
    assert len(items(list(store.checkouts(None, LONG_AGO)))) == 1
    assert store.visits(START.date()) == [Visits(date(2026, 3, 2), 2, 1)]
    assert store.visits(START.date() + timedelta(days=1)) == []


def test_an_address_typed_later_counts_on_the_day_the_checkout_began(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon("")
    clock.advance(timedelta(days=1))
    shop.touch(left, email=JANE)
    assert adapter(shop).visits(START.date()) == [Visits(date(2026, 3, 2), 1, 1)]


def test_placed_and_never_paid_is_one_open_checkout_told_by_the_plugin(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    shop.place_order(left)
    clock.advance(MINUTE)
    (found,) = items(read(shop))
    assert (found.id, found.status, found.stage) == (left, "ordered", Stage.PAYMENT)
    assert found.completed_at is None
    assert found.activity_at == START + MINUTE
    assert found.order_id.isdigit()


def test_a_declined_card_is_activity_and_the_gateways_later_word_is_not(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    shop.place_order(left)
    clock.advance(MINUTE)
    (before,) = items(read(shop))
    clock.advance(timedelta(hours=5))
    shop.set_status(before.order_id, "failed")
    clock.advance(MINUTE)
    (found,) = items(read(shop))
    assert (found.status, found.stage) == ("open", Stage.PAYMENT_FAILED)
    assert found.activity_at == found.modified_at == before.activity_at


def test_a_bought_checkout_is_completed_and_its_order_carries_the_token(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    number = shop.buy(checkout_id=left)
    clock.advance(MINUTE)
    (found,) = items(read(shop))
    (order,) = [one for page in adapter(shop).orders(None, LONG_AGO) for one in page.items]
    assert (found.completed_at, found.order_id) == (START + MINUTE, number)
    assert (order.id, order.tokens, order.purchase) == (number, (left,), True)


def test_on_hold_is_bought_unless_the_owner_says_otherwise(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.buy(checkout_id=shop.abandon(JANE), status="on-hold")
    clock.advance(MINUTE)
    assert items(read(shop))[0].completed_at == START
    assert items(read(shop, purchase_statuses=("processing", "completed")))[0].completed_at is None


def test_a_paid_order_that_is_cancelled_stays_bought(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.cancel(shop.buy(checkout_id=shop.abandon(JANE)))
    clock.advance(MINUTE)
    assert items(read(shop))[0].completed_at == START


def test_an_emptied_cart_is_told_and_goes_on_when_it_is_filled_again(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    shop.empty(left)
    clock.advance(MINUTE)
    assert items(read(shop))[0].emptied
    shop.touch(left, quantity=2)
    clock.advance(MINUTE)
    (found,) = items(read(shop))
    assert (found.id, found.emptied, found.lines[0].quantity) == (left, False, 2)


def test_a_visitor_of_a_link_has_a_checkout_that_goes_on_with_the_first(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    back = shop.follow_link(left)
    again = shop.follow_link(back)
    clock.advance(MINUTE)
    assert [(one.id, one.by_link) for one in items(read(shop))] == [(left, False), (back, True), (again, True)]
    shop.buy(checkout_id=again)
    (order,) = [one for page in adapter(shop).orders(None, LONG_AGO) for one in page.items]
    assert order.tokens == (again, left)
    clock.advance(MINUTE)
    assert {one.id for one in items(read(shop)) if one.completed_at} == {left, again}
    assert adapter(shop).visits(START.date()) == [Visits(date(2026, 3, 2), 1, 1)]  # it is no new start


def test_unpaid_orders_that_the_plugin_knows_nothing_of_are_read_too(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.switch_plugin(False)
    before = shop.place_order(shop.abandon("before@example.com"))
    draft = shop.abandon("draft@example.com")
    shop.switch_plugin(True)
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    assert {one.id for one in items(read(shop))} == {before, left}
    assert draft not in {one.id for one in items(read(shop))}  # a draft's checkout would be the plugin's to tell


# Pages


def captured(shop: WooCommerceSandbox, count: int) -> list[str]:
    return [shop.abandon(f"s{number}@example.com") for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 400, 401])
@pytest.mark.parametrize("apart", [timedelta(0), SECOND])
def test_every_page_edge(shop: WooCommerceSandbox, clock: Clock, count: int, apart: timedelta) -> None:
    made = []
    for _ in range(count):
        made += captured(shop, 1)
        clock.advance(apart)
    clock.advance(MINUTE)
    shop.server.journal.clear()
    pages = read(shop)
    assert [one.id for one in items(pages)] == made
    assert asked(shop).count("wc-winback/v1/checkouts") == max(1, -(-count // 200))
    assert json.loads(pages[-1].cursor).keys() == {"plugin", "checkouts"}


def test_rows_of_the_last_two_seconds_come_with_the_next_read(shop: WooCommerceSandbox, clock: Clock) -> None:
    captured(shop, 1)
    clock.advance(SECOND)
    pages = read(shop)
    assert items(pages) == []
    clock.advance(SECOND)
    assert len(items(read(shop, pages[-1].cursor))) == 1


def test_a_later_read_begins_60_seconds_behind_the_end_of_the_last(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.abandon("early@example.com")
    clock.advance(30 * SECOND)
    late = shop.abandon("late@example.com")
    clock.advance(MINUTE)
    cursor = read(shop)[-1].cursor
    assert [one.id for one in items(read(shop, cursor))] == [late]
    sent = [x.request for x in shop.server.journal if x.request.path == PLUGIN + "checkouts"]
    assert sent[-1].param("modified_after") == "2026-03-02T09:00:30Z"
    assert not sent[-1].param("after_id")
    clock.advance(MINUTE)
    assert items(read(shop, read(shop, cursor)[-1].cursor)) == []


def test_rows_changed_between_two_pages_are_not_missed(shop: WooCommerceSandbox, clock: Clock) -> None:
    made = captured(shop, 450)
    clock.advance(MINUTE)
    pages = adapter(shop).checkouts(None, LONG_AGO)
    first = next(pages)
    for one in (made[0], made[200], made[-1]):
        shop.touch(one, quantity=3)
    clock.advance(MINUTE)
    rest = items(list(pages))
    assert {one.id for one in (*first.items, *rest)} == set(made)
    assert {one.id for one in rest if one.lines[0].quantity == 3} == {made[0], made[200], made[-1]}


def test_a_read_that_is_cut_off_goes_on_after_its_last_page(shop: WooCommerceSandbox, clock: Clock) -> None:
    made = []
    for _ in range(3):
        made += captured(shop, 150)
        clock.advance(2 * MINUTE)
    first = next(adapter(shop).checkouts(None, LONG_AGO))
    rest = items(read(shop, first.cursor))
    assert {one.id for one in (*first.items, *rest)} == set(made)
    assert len(rest) < len(made)
