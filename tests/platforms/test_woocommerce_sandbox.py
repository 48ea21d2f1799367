"""The sandbox store answers as the recorded one did: the same fields, types, statuses and error codes."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import woocommerce.api
from clock import START, Clock
from woocommerce_replay import HTTP, STORE, exchanges

from connector.http import Door, Response
from connector.sandbox import StoreSandbox
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve

ANY = frozenset(range(100, 600))


@pytest.fixture
def shop(clock: Clock) -> Iterator[WooCommerceSandbox]:
    with serve(clock) as sandbox:
        yield sandbox


def door(shop: WooCommerceSandbox) -> Door:
    return HTTP.door(shop.server.url, name="shop")


def basic(shop: WooCommerceSandbox) -> dict[str, str]:
    pair = f"{shop.key.consumer_key}:{shop.key.consumer_secret}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}", "X-Forwarded-Proto": "https"}


def ask(
    shop: WooCommerceSandbox, path: str, query: list[tuple[str, str]] | None = None, *, method: str = "GET"
) -> Response:
    return door(shop).request(method, path, query=query or [], headers=basic(shop), allow=ANY)


def again(shop: WooCommerceSandbox, exchange: dict[str, Any], path: str = "") -> Response:
    sent = exchange["request"]
    query = [(name, value) for name, value in sent["query"]]
    return ask(shop, path or sent["path"], query, method=sent["method"])


def unlike(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Where two answers differ in shape. An empty list, and a null where the other has a value, say nothing."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = [f"{where}.{name}" for name in ours.keys() ^ theirs.keys()]
        return names + [one for name in ours.keys() & theirs.keys() for one in unlike(ours[name], theirs[name], name)]
    if isinstance(ours, list) and isinstance(theirs, list):
        return unlike(ours[0], theirs[0], where) if ours and theirs else []
    if ours is None or theirs is None:
        return []
    numbers = (int, float)
    alike = type(ours) is type(theirs) or (type(ours) in numbers and type(theirs) in numbers)
    return [] if alike else [f"{where}: {type(ours).__name__} for {type(theirs).__name__}"]


def first_line_only(order: dict[str, Any]) -> dict[str, Any]:
    return order | {"line_items": order["line_items"][:1]}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("draft_guest_email_only", 0),
        ("draft_guest_full", 0),
        ("draft_marketing_consent_meta", 0),
        ("pending_block_offsite_payment", 1),
        ("processing_cash_on_delivery", 0),
        ("refund_partial_then_full", 1),
        ("lifecycle_draft_processing_completed", 3),
    ],
)
def test_an_order_has_every_field_of_a_real_one_in_its_type(shop: WooCommerceSandbox, name: str, place: int) -> None:
    theirs = exchanges(name)[place]["response"]["body"]
    draft = shop.abandon("jane@example.com", has_address=True)
    if theirs["status"] != "checkout-draft":
        shop.set_status(draft, theirs["status"])
    ours = ask(shop, f"/wp-json/wc/v3/orders/{draft}").json()
    assert list(ours) == list(theirs)
    assert unlike(ours, first_line_only(theirs)) == []
    assert ours["status"] == theirs["status"]
    assert ours["needs_payment"] == theirs["needs_payment"]


@pytest.mark.parametrize(
    "name",
    [
        *("poll_recommended_full_fields", "poll_pages", "poll_nothing_new", "poll_conversions", "drafts_list"),
        *("orders_default_status_any", "orders_by_email_search", "store_head_orders", "repeated_status_last_wins"),
    ],
)
def test_lists_look_as_recorded(shop: WooCommerceSandbox, name: str) -> None:
    shop.seed(12, ["page1@example.com"])
    shop.place_order(shop.abandon("failed@example.com"), "failed")
    shop.buy(email="buyer@example.com")
    shop.add_order("buyer@example.com", created_via="store-api")
    for exchange in exchanges(name):
        ours, theirs = again(shop, exchange), exchange["response"]
        assert ours.status == theirs["status"]
        assert {"x-wp-total", "x-wp-totalpages"} <= ours.headers.keys()
        if theirs["body"] and ours.json():
            rows = [first_line_only(row) if "line_items" in row else row for row in theirs["body"]]
            assert unlike(ours.json(), rows[:1]) == []
            assert list(ours.json()[0]) == list(theirs["body"][0])


@pytest.mark.parametrize(
    "name", ["store_index", "store_system_status", "store_system_status_read_key", "store_currency"]
)
def test_what_the_store_says_of_itself(shop: WooCommerceSandbox, name: str) -> None:
    (exchange,) = exchanges(name)
    ours = again(shop, exchange)
    assert ours.status == 200
    assert unlike(ours.json(), exchange["response"]["body"]) == []


def test_the_checkout_page_as_recorded(shop: WooCommerceSandbox) -> None:
    theirs = exchanges("store_system_status")[0]["response"]["body"]["pages"][2]
    assert ask(shop, "/wp-json/wc/v3/system_status").json()["pages"][1] == theirs


@pytest.mark.parametrize(
    "name",
    [
        *("error_bad_date", "error_bad_status", "error_per_page_1000", "error_no_such_route"),
        "error_order_not_found",
    ],
)
def test_refusals_word_for_word(shop: WooCommerceSandbox, name: str) -> None:
    (exchange,) = exchanges(name)
    ours = again(shop, exchange)
    assert (ours.status, ours.json()) == (exchange["response"]["status"], exchange["response"]["body"])


def test_keys_word_for_word(clock: Clock) -> None:
    with serve(clock) as shop:
        good, plain = basic(shop), {"Authorization": basic(shop)["Authorization"]}
        wrong = {"X-Forwarded-Proto": "https", "Authorization": _pair(shop.key.consumer_key, "cs_wrong")}
        unknown = {"X-Forwarded-Proto": "https", "Authorization": _pair("ck_wrong", shop.key.consumer_secret)}
        cases = [
            ("error_basic_over_plain_http", plain),
            ("error_no_credentials", {"X-Forwarded-Proto": "https"}),
            ("error_key_unknown", unknown),
            ("error_secret_wrong", wrong),
        ]
        for name, headers in cases:
            expected = exchanges(name)[0]["response"]
            ours = door(shop).request("GET", "/wp-json/wc/v3/orders", headers=headers, allow=ANY)
            assert (name, ours.status, ours.json()) == (name, expected["status"], expected["body"])
        assert door(shop).request("GET", "/wp-json/wc/v3/orders", headers=good).status == 200
        expected = exchanges("error_read_only_key_post")[0]["response"]
        ours = door(shop).request("POST", "/wp-json/wc/v3/coupons", headers=good, json={}, allow=ANY)
        assert (ours.status, ours.json()) == (401, expected["body"])
    with serve(clock, permissions="write") as shop:
        expected = exchanges("error_write_only_key")[0]["response"]
        assert ask(shop, "/wp-json/wc/v3/orders").json() == expected["body"]


def test_the_key_in_the_query_over_https_only(shop: WooCommerceSandbox) -> None:
    pair = [("consumer_key", shop.key.consumer_key), ("consumer_secret", shop.key.consumer_secret)]
    encrypted = door(shop).request("GET", "/wp-json/wc/v3/orders", query=pair, headers={"X-Forwarded-Proto": "https"})
    assert encrypted.status == 200
    assert door(shop).request("GET", "/wp-json/wc/v3/orders", query=pair, allow=ANY).status == 401


def _pair(name: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"


def signed(shop: WooCommerceSandbox, **kwargs: Any) -> str:
    """A signed address, as the `woocommerce` package makes it."""
    api = woocommerce.api.API(shop.server.url, shop.key.consumer_key, shop.key.consumer_secret, version="wc/v3")
    made = woocommerce.api.API._API__get_oauth_url(
        api, f"{shop.server.url}/wp-json/wc/v3/orders?per_page=1&_fields=id%2Cstatus", "GET", **kwargs
    )
    return str(made)


def fetch(shop: WooCommerceSandbox, url: str) -> Response:
    return door(shop).send("GET", url, headers={}, allow=ANY, repeatable=False)


def test_a_signature_is_good_once(shop: WooCommerceSandbox) -> None:
    url = signed(shop)
    assert fetch(shop, url).status == 200
    replay = fetch(shop, url)
    expected = exchanges("error_oauth1_replay")[0]["response"]
    assert (replay.status, replay.json()) == (expected["status"], expected["body"])


def test_what_was_signed_may_not_be_changed(shop: WooCommerceSandbox) -> None:
    expected = exchanges("error_oauth1_old_timestamp")[0]["response"]
    changed = fetch(shop, signed(shop).replace("per_page=1", "per_page=100"))
    assert (changed.status, changed.json()) == (expected["status"], expected["body"])
    old = fetch(shop, signed(shop, oauth_timestamp=int(time.time()) - 16 * 60))
    assert (old.status, old.json()["message"]) == (401, "Invalid timestamp.")
    parted = fetch(shop, signed(shop).partition("&oauth_nonce")[0])
    assert parted.json()["code"] == "woocommerce_rest_authentication_missing_parameter"


def test_modified_after_is_exclusive_and_minds_the_zone_as_recorded(shop: WooCommerceSandbox, clock: Clock) -> None:
    clock.set(START.replace(microsecond=999))
    ids = []
    for _ in range(3):
        ids.append(int(shop.abandon("a@example.com")))
        clock.advance(timedelta(seconds=1))

    def found(text: str, *more: tuple[str, str]) -> list[int]:
        query = [("modified_after", text), ("orderby", "modified"), ("order", "asc"), *more]
        return [row["id"] for row in ask(shop, "/wp-json/wc/v3/orders", query).json()]

    flag = ("dates_are_gmt", "true")
    assert found("2026-03-02T09:00:00", flag) == ids[1:]  # exclusive
    assert found("2026-03-02T08:59:59", flag) == ids
    assert found("2026-03-02T09:00:00Z", flag) == []  # the trap
    assert found("2026-03-02T09:00:00") == ids  # taken for store time, two hours early
    assert found("2026-03-02T09:00:00Z") == ids[1:]
    assert found("2026-03-02T08:59:59", flag, ("modified_before", "2026-03-02T09:00:01"))[:1] == ids[:1]
    assert len(found("2026-03-02T08:59:59", flag, ("modified_before", "2026-03-02T09:00:01"))) == 1


def test_pages_offsets_and_counts(shop: WooCommerceSandbox) -> None:
    ids = [int(one) for one in shop.seed(25, ["a@example.com"], over=timedelta(hours=1))]
    order = [("orderby", "modified"), ("order", "asc"), ("per_page", "10")]
    second = ask(shop, "/wp-json/wc/v3/orders", [*order, ("page", "2"), ("_fields", "id")])
    assert [row["id"] for row in second.json()] == ids[10:20]
    assert (second.headers["x-wp-total"], second.headers["x-wp-totalpages"]) == ("25", "3")
    assert 'page=3>; rel="next"' in second.headers["link"]
    beyond = ask(shop, "/wp-json/wc/v3/orders", [*order, ("page", "9")])
    assert (beyond.status, beyond.json(), beyond.headers["x-wp-total"]) == (200, [], "0")
    offset = ask(shop, "/wp-json/wc/v3/orders", [*order, ("offset", "23"), ("_fields", "id")])
    assert offset.json() == [{"id": one} for one in ids[23:]]
    some = [("include", f"{ids[3]},{ids[7]}"), ("exclude", str(ids[3]))]
    assert [row["id"] for row in ask(shop, "/wp-json/wc/v3/orders", some).json()] == [ids[7]]


def test_the_links_point_at_this_store(shop: WooCommerceSandbox) -> None:
    draft = shop.abandon("jane@example.com")
    body = json.dumps(ask(shop, f"/wp-json/wc/v3/orders/{draft}").json())
    assert STORE not in body
    assert f"{shop.server.url}/checkout/order-pay/{draft}/?pay_for_order=true" in body


def test_it_is_a_store_sandbox(shop: WooCommerceSandbox) -> None:
    ordered: StoreSandbox = shop
    assert ordered.options()["platform"] == "woocommerce"
    with pytest.raises(ValueError, match="who buys"):
        ordered.buy()


def test_ten_thousand_orders_are_answered_at_once(clock: Clock) -> None:
    with serve(clock, keep_journal=False) as shop:
        shop.seed(10_000, ["a@example.com"], over=timedelta(hours=3))
        after = (START - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S")
        query = [("modified_after", after), ("dates_are_gmt", "true"), ("orderby", "modified"), ("order", "asc")]
        query += [("per_page", "100"), ("status", "checkout-draft,pending,failed")]
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            assert len(ask(shop, "/wp-json/wc/v3/orders", query).json()) == 100
            taken.append(time.perf_counter() - started)
    assert min(taken) < 0.1  # some 15 ms; a machine under load may take longer


def test_shoppers_and_readers_do_not_get_in_each_others_way(shop: WooCommerceSandbox) -> None:
    def shopper(number: int) -> None:
        for _ in range(20):
            shop.touch(shop.abandon(f"s{number}@example.com"), quantity=2)
            shop.buy(email=f"b{number}@example.com")

    threads = [threading.Thread(target=shopper, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert ask(shop, "/wp-json/wc/v3/orders", [("orderby", "modified")]).status == 200
    for thread in threads:
        thread.join()
    assert ask(shop, "/wp-json/wc/v3/orders").headers["x-wp-total"] == "160"
