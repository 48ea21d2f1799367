"""Odd records, and the links that bring their carts back."""

from __future__ import annotations

from typing import Any

import pytest
from clock import START

from connector.model import Consent, ConsentState
from platforms import _woocommerce_records as records

URL = "https://shop.example"


def line(product: int, variation: int = 0, **more: Any) -> dict[str, Any]:
    item = {"product_id": product, "variation_id": variation, "quantity": 1, "name": "Jacket", "total": "10.00"}
    return item | {"price": 10, "sku": None, "image": None, "parent_name": None, "meta_data": []} | more


def chosen(**values: str) -> list[dict[str, Any]]:
    return [{"key": key, "value": value, "display_key": key, "display_value": value} for key, value in values.items()]


def order(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    pay = "https://elsewhere.example/kasse/zahlen/7/?pay_for_order=true&key=wc_order_x"
    return {
        "id": 7,
        "status": "checkout-draft",
        "created_via": "store-api",
        "version": "10.5.0",
        "currency": "EUR",
        "total": "10.00",
        "customer_id": 0,
        "date_created_gmt": "2026-03-02T09:00:00",
        "date_modified_gmt": "2026-03-02T09:00:00",
        "billing": {"email": " jane@example.com "},
        "line_items": list(lines),
        "payment_url": pay,
    } | more


def link(record: dict[str, Any]) -> str:
    found = records.checkout(record, URL, ())
    assert found is not None
    return found.url


OPEN_COLOUR = line(
    13, 16, name="Jacket - S", parent_name="Jacket", total="99.00", meta_data=chosen(size="S", colour="Red")
)
FIXED = line(13, 14, name="Jacket - M, Red", parent_name="Jacket", meta_data=chosen(size="M", colour="Red"))


def test_a_variation_with_an_open_attribute_is_left_out_of_the_link() -> None:
    assert link(order(FIXED, OPEN_COLOUR, line(0))) == f"{URL}/checkout-link/?products=14:1"


def test_alone_it_is_put_into_the_cart_with_its_attributes() -> None:
    expected = "add-to-cart=13&quantity=1&variation_id=16&attribute_size=S&attribute_colour=Red"
    assert link(order(OPEN_COLOUR)) == f"{URL}/kasse/?{expected}"


def test_three_attributes_are_never_in_a_name_and_so_say_nothing() -> None:
    many = line(13, 15, parent_name="Jacket", meta_data=chosen(size="S", colour="Red", fit="slim"))
    assert link(order(many)) == f"{URL}/checkout-link/?products=15:1"


def test_before_10_0_a_draft_gets_its_most_valuable_line() -> None:
    old = order(line(11, quantity=2), line(12, total="50.00"), version="9.9.5")
    assert link(old) == f"{URL}/kasse/?add-to-cart=12&quantity=1"


def test_before_10_0_a_placed_order_gets_its_payment_page_on_the_stores_own_address() -> None:
    old = order(line(11), version="9.9.5", status="pending")
    assert link(old) == f"{URL}/kasse/zahlen/7/?pay_for_order=true&key=wc_order_x"


def test_lines_without_a_product_leave_the_payment_page() -> None:
    assert link(order(line(0))) == f"{URL}/kasse/zahlen/7/?pay_for_order=true&key=wc_order_x"
    assert link(order(line(0), payment_url="javascript:alert(1)")) == ""


def test_plain_page_addresses_lead_to_the_front_page() -> None:
    old = order(line(11), version="9.1", payment_url=f"{URL}/?page_id=7&order-pay=7&key=x")
    assert link(old) == f"{URL}/?add-to-cart=11&quantity=1"


def test_a_coupon_code_is_written_safely() -> None:
    assert link(order(line(11), coupon_lines=[{"code": "a b&c=1"}])).endswith("?products=11:1&coupon=a+b%26c%3D1")


def test_odd_values() -> None:
    meta = [{"key": "mailchimp_woocommerce_is_subscribed", "value": {"what": 1}}, {"key": "opt", "value": True}]
    record = order(line(11, quantity=1.5, name="A <b>B</b> &amp; C"), meta_data=meta, date_created_gmt=None)
    found = records.checkout(record, URL, ("mailchimp*", "opt"))
    assert found is not None
    assert (found.lines[0].title, found.lines[0].quantity, found.lines[0].sku) == ("A B & C", 1, "")
    assert found.customer.email == "jane@example.com"
    assert found.consent == Consent(ConsentState.OPTED_IN, "order field opt")
    assert found.started_at == START


def test_an_unsubscription_outweighs_an_opt_in() -> None:
    meta = [{"key": "a", "value": "1"}, {"key": "b", "value": "unsubscribed"}]
    assert records.consent(meta, ("a", "b")).state is ConsentState.UNSUBSCRIBED


def test_an_empty_order_counts_as_emptied() -> None:
    found = records.checkout(order(), URL, ())
    assert found is not None
    assert found.emptied


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "ten", None, ""])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        records.amount(amount)
