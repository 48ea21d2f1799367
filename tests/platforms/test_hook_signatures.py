"""Only what the store has signed, byte for byte, is believed."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import SecretStr

from connector.hooks import Hint, SignatureError, address, check_signature, same_place, signature
from connector.http import Http
from platforms.shopify import Shopify, ShopifyOptions
from platforms.woocommerce import WooCommerce, WooCommerceOptions

SECRET = "a secret, äöü"
HTTP = Http()
SHOPIFY = Shopify(
    ShopifyOptions(
        id="a", platform="shopify", shop="acme.myshopify.com", client_id="c", client_secret=SecretStr(SECRET)
    ),
    HTTP,
)
WOO = WooCommerce(
    WooCommerceOptions(
        id="b",
        platform="woocommerce",
        url="https://acme.example",
        consumer_key=SecretStr("ck_1"),
        consumer_secret=SecretStr("cs_1"),
        webhook_secret=SecretStr(SECRET),
    ),
    HTTP,
)
Read = Callable[[str, bytes], Hint | None]


def by_shopify(given: str, body: bytes) -> Hint | None:
    return SHOPIFY.read_hook({"x-shopify-topic": "orders/create", "x-shopify-hmac-sha256": given}, body)


def by_woocommerce(given: str, body: bytes) -> Hint | None:
    return WOO.read_hook({"x-wc-webhook-topic": "order.updated", "x-wc-webhook-signature": given}, body)


READERS = pytest.mark.parametrize("read", [by_shopify, by_woocommerce])


@READERS
@given(body=st.binary(max_size=200))
def test_what_is_signed_is_believed(read: Read, body: bytes) -> None:
    assert read(signature(SECRET, body), body) == Hint()


@READERS
@given(body=st.binary(min_size=1, max_size=200), at=st.integers(0, 199), by=st.integers(1, 255))
def test_a_flipped_byte_in_the_body_is_not(read: Read, body: bytes, at: int, by: int) -> None:
    forged = bytearray(body)
    forged[at % len(body)] ^= by
    with pytest.raises(SignatureError):
        read(signature(SECRET, body), bytes(forged))


@READERS
@given(body=st.binary(max_size=50), at=st.integers(0, 43), letter=st.sampled_from(string.printable + "äß€"))
def test_a_changed_letter_in_the_signature_is_not(read: Read, body: bytes, at: int, letter: str) -> None:
    right = signature(SECRET, body)
    assume(right[at] != letter)
    with pytest.raises(SignatureError):
        read(right[:at] + letter + right[at + 1 :], body)


@READERS
@pytest.mark.parametrize(
    "change", [str.lower, lambda it: it[:-1], lambda it: it + "=", lambda it: f" {it}", lambda it: ""]
)
def test_nor_one_that_only_looks_like_it(read: Read, change: Any) -> None:
    with pytest.raises(SignatureError):
        read(change(signature(SECRET, b"{}")), b"{}")


@READERS
@given(secret=st.text(st.characters(exclude_categories=["Cs"])), body=st.binary(max_size=50))
def test_nor_one_with_another_secret(read: Read, secret: str, body: bytes) -> None:
    assume(secret != SECRET)
    with pytest.raises(SignatureError):
        read(signature(secret, body), body)


def test_without_a_secret_nothing_is_believed() -> None:
    with pytest.raises(SignatureError):
        check_signature("", b"{}", signature("", b"{}"))


@pytest.mark.parametrize(
    "base", ["https://a.example", "https://a.example/", "http://127.0.0.1:8484", "https://b.example/x", ""]
)
def test_the_place_of_a_store_is_known_at_any_host(base: str) -> None:
    assert same_place(address(base, "acme", "shop"), "https://winback.example/hooks/acme/shop")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://a.example/hooks/acme/other",
            "https://a.example/hooks/other/shop",
            "https://a.example/hooks/acme/shop/",
        ),
        *("https://a.example/hooks/acme/shop/x", "https://a.example/acme/shop", "pubsub://project:topic", "", "/hooks"),
        *("https://a.example/?to=/hooks/acme/shop", "https://a.example/webhooks/acme/shop", "https://[hooks/acme/shop"),
    ],
)
def test_another_place_is_not(url: str) -> None:
    assert not same_place(url, "https://winback.example/hooks/acme/shop")
