"""Reading orders while they change: nothing is missed, and nothing is given twice within a read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from clock import START, Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from woocommerce_replay import HTTP

from connector.errors import ConfigError, TransientError
from connector.model import Checkout, Page
from connector.sandbox import Fault, Reply, Request
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve
from platforms.woocommerce import WooCommerce, WooCommerceOptions

MINUTE = timedelta(minutes=1)
LONG_AGO = START - timedelta(days=365)


@pytest.fixture
def shop(clock: Clock) -> Iterator[WooCommerceSandbox]:
    with serve(clock) as sandbox:
        yield sandbox


def adapter(shop: WooCommerceSandbox) -> WooCommerce:
    return WooCommerce(WooCommerceOptions(id="shop", **shop.options()), HTTP)


def ids(pages: list[Page[Checkout]]) -> list[str]:
    return [one.id for page in pages for one in page.items]


def queries(shop: WooCommerceSandbox) -> list[dict[str, str]]:
    targets = [one.request.target for one in shop.server.journal if one.request.path.endswith("/orders")]
    return [{name: values[-1] for name, values in parse_qs(urlsplit(one).query).items()} for one in targets]


def test_pages_follow_one_another_without_gap_or_repeat(shop: WooCommerceSandbox) -> None:
    made = shop.seed(250, ["a@example.com", "b@example.com"], over=timedelta(hours=1))
    pages = list(adapter(shop).checkouts(None, LONG_AGO))
    assert ids(pages) == made
    assert len(pages[0].items) == 100
    assert not [query for query in queries(shop) if "page" in query or "offset" in query]


def test_the_query_is_naive_utc_with_its_flag_and_asks_for_no_address_of_the_browser(shop: WooCommerceSandbox) -> None:
    list(adapter(shop).checkouts(None, START))
    (query,) = queries(shop)
    assert query["modified_after"] == (START - timedelta(seconds=121)).strftime("%Y-%m-%dT%H:%M:%S")
    assert (query["dates_are_gmt"], query["orderby"], query["order"]) == ("true", "modified", "asc")
    assert query["status"] == "checkout-draft,pending,failed"
    assert "customer" not in query["_fields"].replace("customer_id", "")


def test_orders_touched_between_two_pages_are_not_missed(shop: WooCommerceSandbox, clock: Clock) -> None:
    made = shop.seed(230, ["a@example.com"], over=timedelta(hours=1))
    pages = adapter(shop).checkouts(None, LONG_AGO)
    first = next(pages)
    clock.advance(MINUTE)
    for one in [*made[:3], *made[120:123], *made[-3:]]:  # given already, still to come, at the very end
        shop.touch(one)
    given_later = ids(list(pages))
    assert {*ids([first]), *given_later} == {*made}
    assert {*made[:3], *made[120:123], *made[-3:]} <= {*given_later}


def test_a_later_read_begins_120_seconds_behind_the_cursor(shop: WooCommerceSandbox, clock: Clock) -> None:
    early = shop.abandon("early@example.com")
    clock.advance(timedelta(seconds=121))
    inside = shop.abandon("inside@example.com")
    clock.advance(timedelta(seconds=120))
    last = shop.abandon("last@example.com")
    store = adapter(shop)
    (page,) = store.checkouts(None, LONG_AGO)
    assert ids([page]) == [early, inside, last]
    clock.advance(timedelta(hours=5))
    (again,) = store.checkouts(page.cursor, LONG_AGO)
    assert ids([again]) == [inside, last]
    assert again.cursor == page.cursor
    assert again.date == clock()


def test_the_boundary_second_is_read_again(shop: WooCommerceSandbox) -> None:
    first = shop.abandon("first@example.com")
    store = adapter(shop)
    (page,) = store.checkouts(None, LONG_AGO)
    second = shop.abandon("second@example.com")  # in the very second that the cursor names
    (again,) = store.checkouts(page.cursor, LONG_AGO)
    assert ids([again]) == [first, second]


@pytest.mark.parametrize("crowd", [99, 100, 101, 130, 350])
def test_a_crowd_within_one_second(shop: WooCommerceSandbox, clock: Clock, crowd: int) -> None:
    before = shop.seed(30, ["a@example.com"], over=timedelta(minutes=30))
    clock.advance(MINUTE)
    same = shop.seed(crowd, ["b@example.com"])
    clock.advance(MINUTE)
    after = shop.seed(120, ["c@example.com"], over=timedelta(seconds=30))
    pages = list(adapter(shop).checkouts(None, LONG_AGO))
    assert sorted(ids(pages)) == sorted([*before, *same, *after])
    assert len(queries(shop)) < 12


def test_an_order_that_leaves_a_crowded_second_hides_none(shop: WooCommerceSandbox, clock: Clock) -> None:
    same = shop.seed(330, ["a@example.com"])
    shop.seed(1, ["z@example.com"])
    clock.advance(MINUTE)
    pages = adapter(shop).checkouts(None, LONG_AGO)
    seen: list[str] = []
    for count, page in enumerate(pages):
        seen += ids([page])
        if count == 2:
            for one in same[:40]:  # read already: the rest moves up by forty places
                shop.touch(one)
    assert {*seen} >= {*same}


def test_orders_that_never_stand_still_are_read_later(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.seed(330, ["a@example.com"])
    clock.advance(MINUTE)
    waiting = [order_id for _, order_id in shop._index]

    def restless(request: Request) -> Fault | None:
        if int(request.param("offset") or 0) > 0:
            shop.touch(str(waiting.pop(0)))
        return None

    shop.server.fault = restless
    with pytest.raises(TransientError, match="changes many orders"):
        list(adapter(shop).checkouts(None, LONG_AGO))


def test_a_modified_time_in_the_future_does_not_carry_the_cursor_away(shop: WooCommerceSandbox, clock: Clock) -> None:
    clock.advance(timedelta(days=400))
    strange = shop.abandon("future@example.com")
    clock.set(START)
    store = adapter(shop)
    (page,) = store.checkouts(None, LONG_AGO)
    assert json.loads(page.cursor) == {"checkouts": START.isoformat()}
    clock.advance(timedelta(hours=1))
    now = shop.abandon("now@example.com")
    (again,) = store.checkouts(page.cursor, LONG_AGO)
    assert ids([again]) == [now, strange]


def test_a_store_that_sorts_by_local_time_is_read_whole(shop: WooCommerceSandbox) -> None:
    made = shop.seed(260, ["a@example.com"], over=timedelta(hours=2))

    def autumn(request: Request) -> Fault | None:
        """The hour that runs twice: two hours of changes, interleaved."""
        if request.param("orderby") != "modified":
            return None
        body = json.loads(shop._list(request).payload())
        half = len(body) // 2
        mixed = [one for pair in zip(body[:half], body[half:], strict=False) for one in pair]
        return Fault(Reply(200, mixed + body[2 * half :]))

    shop.server.fault = autumn
    pages = list(adapter(shop).checkouts(None, LONG_AGO))
    assert sorted(ids(pages)) == made
    assert json.loads(pages[-1].cursor) == {"checkouts": START.isoformat()}


def test_a_store_that_cannot_tell_changes_is_refused_and_not_read_for_ever(shop: WooCommerceSandbox) -> None:
    made = shop.seed(150, ["a@example.com"])
    row = {"id": int(made[0]), "date_modified_gmt": "2020-01-01T00:00:00", "status": "pending"}
    shop.server.fault = lambda _: Fault(Reply(200, [row] * 100))
    with pytest.raises(ConfigError, match=r"shop does not answer .* Update WooCommerce: it can from 5\.8 on"):
        list(adapter(shop).checkouts(None, START))


def test_orders_and_checkouts_share_nothing_but_leave_other_cursors_alone(shop: WooCommerceSandbox) -> None:
    shop.buy(email="a@example.com")
    (page,) = adapter(shop).orders('{"capture": "x"}', LONG_AGO)
    assert json.loads(page.cursor) == {"capture": "x", "orders": START.isoformat()}


def test_drafts_are_not_orders_before_and_after_10_8(clock: Clock) -> None:
    for version in ("10.5.0", "10.8.0"):
        with serve(clock, version=version) as shop:
            shop.abandon("draft@example.com")
            bought = shop.buy(email="a@example.com")
            assert [one.id for page in adapter(shop).orders(None, LONG_AGO) for one in page.items] == [bought]


Step = tuple[str, int]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    crowds=st.lists(st.integers(1, 140), min_size=1, max_size=4),
    steps=st.lists(st.tuples(st.sampled_from(["touch", "buy", "new", "wait"]), st.integers(0, 500)), max_size=25),
    stride=st.integers(1, 3),
)
def test_whatever_happens_between_pages_the_last_state_is_known(
    crowds: list[int], steps: list[Step], stride: int
) -> None:
    clock = Clock()
    with serve(clock, keep_journal=False) as shop:
        for crowd in crowds:
            shop.seed(crowd, ["a@example.com"])
            clock.advance(timedelta(seconds=1))
        store, known, orders, todo = adapter(shop), {}, set(), list(steps)
        cursor: str | None = None
        while True:
            for page in store.checkouts(cursor, LONG_AGO):
                cursor = page.cursor
                known.update({one.id: one.modified_at for one in page.items})
                for what, which in todo[:stride]:
                    act(shop, clock, what, which)
                todo = todo[stride:]
            if not todo:
                break
        for page in store.checkouts(cursor, LONG_AGO):
            known.update({one.id: one.modified_at for one in page.items})
        orders = {one.id for last in store.orders(None, LONG_AGO) for one in last.items if one.purchase}
        truth = {str(one.id): one for one in shop._orders.values()}
    assert {one for one in truth if truth[one].status == "processing"} == orders
    open_ones: dict[str, datetime] = {key: one.modified for key, one in truth.items() if one.status != "processing"}
    assert {key: known.get(key) for key in open_ones} == open_ones


def act(shop: WooCommerceSandbox, clock: Clock, what: str, which: int) -> None:
    choices = [one.id for one in shop._orders.values() if one.status == "checkout-draft"]
    if what == "wait":
        clock.advance(timedelta(seconds=which % 90))
    elif what == "new":
        shop.abandon("n@example.com")
    elif choices and what == "touch":
        shop.touch(str(choices[which % len(choices)]))
    elif choices:
        shop.buy(checkout_id=str(choices[which % len(choices)]))
