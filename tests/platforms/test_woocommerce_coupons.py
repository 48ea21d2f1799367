"""Coupons of a real store (10.5.0), as it was recorded: what it answered, and what must be sent to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from clock import START, Clock
from woocommerce_replay import STORE, exchanges, order_bodies, reply, store

from connector.coupons import Discount, Offer
from connector.errors import ConfigError, TransientError
from connector.model import Checkout, Customer, LineItem, Money
from connector.sandbox import Reply, Request
from platforms.sandbox import woocommerce
from platforms.woocommerce import WooCommerce

CODE = "BACK-7Q4X9"
MIDNIGHT = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)  # of 1 December, two hours further east
OFFER = Offer(CODE, Discount(percent=Decimal(10)), MIDNIGHT - timedelta(days=2), MIDNIGHT)


def recorded(name: str, place: int = 0) -> Reply:
    return reply(exchanges(name)[place])


def recorded_body(name: str, place: int = 0) -> Any:
    return exchanges(name)[place]["response"]["body"]


def answering(*replies: Reply, seen: list[Request] | None = None) -> Callable[[Request], Reply]:
    """These, one after the other."""
    left = list(replies)

    def answer(request: Request) -> Reply:
        if seen is not None:
            seen.append(request)
        return left.pop(0)

    return answer


def test_a_coupon_is_made_with_what_the_recorded_store_understood() -> None:
    seen: list[Request] = []
    with store(answering(recorded("coupon_create"), seen=seen)) as adapter:
        made = adapter.coupons.make(OFFER)
    assert (made.id, made.code, made.expires_at, made.used) == ("2368", "back-7q4x9", MIDNIGHT, False)
    (request,) = seen
    sent, understood = request.json(), exchanges("coupon_create")[0]["request"]["body"]
    assert (request.method, request.path) == ("POST", "/wp-json/wc/v3/coupons")
    assert sent.keys() - {"free_shipping"} == understood.keys() - {"meta_data"}
    same = ("code", "discount_type", "amount", "usage_limit", "usage_limit_per_user", "individual_use")
    assert {key: sent[key] for key in same} == {key: understood[key] for key in same}


def test_what_php_prints_before_the_new_coupon_does_not_hide_it() -> None:
    created = recorded("coupon_create")
    printed = Reply(
        created.status, b"\xef\xbb\xbf<br />\n<b>Warning</b>: something in x.php<br />\n" + created.payload()
    )
    with store(answering(printed)) as adapter:
        assert adapter.coupons.make(OFFER).id == "2368"


def test_the_end_is_sent_with_its_zone_and_never_as_the_field_that_is_ignored() -> None:
    trap = recorded_body("coupon_create_expires_gmt_ignored")
    assert trap["date_expires"] is None
    seen: list[Request] = []
    with store(answering(recorded("coupon_create_expires_with_offset"), seen=seen)) as adapter:
        made = adapter.coupons.make(replace(OFFER, expires_at=datetime(2026, 11, 30, tzinfo=UTC)))
    assert "date_expires_gmt" not in seen[0].json()
    understood = exchanges("coupon_create_expires_with_offset")[0]["request"]["body"]
    assert seen[0].json()["date_expires"] == understood["date_expires"]
    assert made.expires_at == datetime(2026, 11, 30, tzinfo=UTC)  # as the store answered


def test_a_coupon_that_would_never_expire_is_not_kept() -> None:
    seen: list[Request] = []
    replies = (recorded("coupon_create_expires_gmt_ignored"), recorded("coupon_delete"))
    with store(answering(*replies, seen=seen)) as adapter, pytest.raises(ConfigError, match="never expires"):
        adapter.coupons.make(OFFER)
    assert (seen[1].method, seen[1].path) == ("DELETE", "/wp-json/wc/v3/coupons/2369")


def test_one_that_is_there_already_is_found_by_its_code() -> None:
    seen: list[Request] = []
    replies = (recorded("coupon_create_duplicate"), recorded("coupon_lookup_by_code"))
    with store(answering(*replies, seen=seen)) as adapter:
        found = adapter.coupons.make(OFFER)
    assert (found.id, found.expires_at) == ("2368", MIDNIGHT)
    assert (seen[1].method, seen[1].path, seen[1].param("code")) == ("GET", "/wp-json/wc/v3/coupons", CODE)
    replies = (recorded("coupon_create_duplicate"), recorded("coupon_lookup_by_code", 1))
    with store(answering(*replies)) as adapter, pytest.raises(TransientError):
        adapter.coupons.make(OFFER)


def test_a_used_one_is_told_from_an_unused_one() -> None:
    used = recorded_body("coupon_used")
    assert used["usage_count"] == 1
    for body, is_used in ((used, True), (recorded_body("coupon_lookup_by_code")[0], False)):
        with store(answering(Reply(200, [body]))) as adapter:
            found = adapter.coupons.find(CODE)
        assert found is not None
        assert found.used is is_used
    order = order_bodies("coupon_used")[0][0]
    assert [line["code"] for line in order["coupon_lines"]] == ["back-7q4x9"]


def test_a_coupon_is_deleted_for_good() -> None:
    seen: list[Request] = []
    with store(answering(recorded("coupon_delete"), seen=seen)) as adapter:
        adapter.coupons.delete("2368")
    asked = exchanges("coupon_delete")[0]["request"]
    assert (seen[0].method, seen[0].path, seen[0].param("force")) == (asked["method"], asked["path"], "true")
    gone = {"code": "woocommerce_rest_shop_coupon_invalid_id", "message": "Invalid ID.", "data": {"status": 404}}
    with store(lambda _: Reply(404, gone)) as adapter:
        adapter.coupons.delete("2368")


def test_no_coupon_is_bound_to_an_address_because_a_link_would_drop_it() -> None:
    refused, taken = exchanges("coupon_email_restricted")
    assert (refused["response"]["status"], taken["response"]["status"]) == (400, 200)
    seen: list[Request] = []
    with store(answering(recorded("coupon_create"), seen=seen)) as adapter:
        adapter.coupons.make(OFFER)
    assert "email_restrictions" not in seen[0].json()


def test_a_key_that_may_only_read_is_found_out_with_an_empty_batch() -> None:
    seen: list[Request] = []
    with store(answering(recorded("error_read_only_key_post"), seen=seen)) as adapter:
        (finding,) = adapter.coupons.check()
    assert (finding.level, "Read/Write" in finding.message) == ("error", True)
    assert (seen[0].path, seen[0].json()) == (exchanges("coupon_batch_partial_error")[0]["request"]["path"], {})


def checkout(url: str, *lines: LineItem) -> Checkout:
    price = Money(Decimal("10"), "EUR")
    return Checkout("1", "pending", START, START, START, Customer("ann@example.com"), price, lines, url)


def item(product: str, total: str, variant: str = "") -> LineItem:
    return LineItem("Mug", 2, Money(Decimal(total), "EUR"), product_id=product, variant_id=variant)


def test_the_checkout_link_is_the_recorded_one() -> None:
    asked = exchanges("checkout_link_with_coupon")[0]["request"]["url"].partition("&utm_source")[0]
    plain = f"{STORE}/checkout-link/?products=11:2,14:1"
    assert (
        WooCommerce.with_coupon(checkout(plain), CODE).partition("/checkout-link/")[2]
        == asked.partition("/checkout-link/")[2]
    )
    assert WooCommerce.with_coupon(checkout(f"{plain}&coupon=welcome5"), CODE) == f"{plain}&coupon={CODE}"
    cart = recorded_body("checkout_link_with_coupon", 1)
    assert [coupon["code"] for coupon in cart["coupons"]] == [CODE.lower()]


@pytest.mark.parametrize(
    ("url", "with_code"),
    [
        (f"{STORE}/?wc-winback=TOKEN", f"{STORE}/?wc-winback=TOKEN&coupon={CODE}"),
        (f"{STORE}/kasse/?add-to-cart=11&quantity=1", f"{STORE}/kasse/?add-to-cart=11&quantity=1"),
        (
            f"{STORE}/kasse/bezahlen/2337/?pay_for_order=true&key=wc_order_x",
            f"{STORE}/kasse/?add-to-cart=13&quantity=2&variation_id=14",
        ),
        ("", ""),
    ],
)
def test_other_links(url: str, with_code: str) -> None:
    found = WooCommerce.with_coupon(checkout(url, item("11", "5"), item("13", "99", "14")), CODE)
    assert found == with_code


def test_the_sandbox_answers_as_the_recorded_store_did(clock: Clock) -> None:
    with woocommerce.serve(clock) as shop:

        def answer(name: str) -> Reply:
            sent = exchanges(name)[0]["request"]
            endpoint = sent["path"].removeprefix("/wp-json/wc/v3/")
            body = json.dumps(sent["body"]).encode()
            return shop.coupons.answer(endpoint, Request(sent["method"], sent["path"], (), {}, body))

        for name in ("coupon_create", "coupon_create_expires_gmt_ignored", "coupon_create_expires_with_offset"):
            ours, theirs = answer(name), recorded(name)
            assert ours.status == theirs.status
            assert ours.body.keys() == theirs.body.keys()
            for key in ("code", "amount", "discount_type", "date_expires", "date_expires_gmt", "usage_limit"):
                assert ours.body[key] == theirs.body[key], key
        assert answer("coupon_create_duplicate").status == 400
        assert answer("coupon_create_duplicate").body == recorded_body("coupon_create_duplicate")
        batch = answer("coupon_batch_partial_error")
        assert batch.status == 200
        assert batch.body["create"][1] == recorded_body("coupon_batch_partial_error")["create"][1]
