"""Records so large that a whole page of them is more than is read at once: they are asked for in smaller pages."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from clock import Clock
from woocommerce_shop import JANE, LONG_AGO, MINUTE, PLUGIN, adapter, items, read

from connector.errors import TransientError
from connector.http import MAX_BODY
from connector.sandbox import Reply, Request
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve

ORDERS = "/wp-json/wc/v3/orders"
TOO_LARGE = b"[" + b" " * MAX_BODY + b"]"


def holding(shop: WooCommerceSandbox, most: int, path: str) -> list[int]:
    """From here on more than `most` records of a list are too large; the sizes that are asked for."""
    handler, sizes = shop.server.handler, list[int]()

    def answer(request: Request) -> Reply:
        if request.path != path:
            return handler(request)
        sizes.append(int(parse_qs(urlsplit(request.target).query)["per_page"][0]))
        return Reply(200, TOO_LARGE) if sizes[-1] > most else handler(request)

    shop.server.handler = answer
    return sizes


@pytest.mark.parametrize(("most", "tried"), [(30, [100, 25]), (2, [100, 25, 6, 2])])
def test_orders_are_all_read_also_those_of_one_second(clock: Clock, most: int, tried: list[int]) -> None:
    with serve(clock) as shop:
        made = shop.seed(31, [JANE], over=timedelta(minutes=5))
        clock.advance(MINUTE)
        made += shop.seed(9, [JANE])
        sizes = holding(shop, most, ORDERS)
        found = items(read(shop))
    assert sorted({one.id for one in found}) == sorted(made)
    assert sizes[: len(tried)] == tried
    assert set(sizes[len(tried) :]) == {tried[-1]}, "what was too large once is not tried again and again"


def test_the_plugins_checkouts_are_all_read(clock: Clock) -> None:
    with serve(clock, plugin=True) as shop:
        made = []
        for number in range(7):
            made.append(shop.abandon(f"a{number}@example.com"))
        clock.advance(MINUTE)
        sizes = holding(shop, 1, f"{PLUGIN}checkouts")
        found = items(read(shop))
    assert [one.id for one in found] == made
    assert sizes[:6] == [200, 50, 12, 3, 1, 1]


def test_records_that_are_too_large_by_themselves_are_the_owners_to_look_at(clock: Clock) -> None:
    with serve(clock) as shop:
        shop.abandon(JANE)
        holding(shop, 0, ORDERS)
        with pytest.raises(TransientError) as caught:
            list(adapter(shop).orders(None, LONG_AGO))
    assert str(caught.value) == (
        "shop: the answer is larger than 16 MiB, for 2 at once. Look for an order or cart with very much in it (tens "
        "of thousands of lines, large custom fields), and delete or shorten it"
    )
