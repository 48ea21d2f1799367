"""Shopify's webhooks: what they ask for, and our subscriptions in a pretend shop."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shopify_shop import adapter, shop_with

from connector.errors import ConfigError, TransientError
from connector.hooks import Asks, Hint, SignatureError, signature
from connector.http import Http
from connector.sandbox import Fault, Reply, Request
from platforms.sandbox.shopify import SHOP, ShopifySandbox
from platforms.shopify import Shopify

URL = "https://winback.example/hooks/acme/acme-shop"
OLD = "https://old.example/hooks/acme/acme-shop"
TOPICS = ["checkouts/update", "orders/create", "orders/updated"]
JANE = "jane@example.com"
REDACT = {
    "shop_id": 954889,
    "shop_domain": SHOP,
    "customer": {"id": 191167, "email": JANE, "phone": "555-625-1199"},
    "orders_to_redact": [299938],
}
REQUEST = {
    **{key: REDACT[key] for key in ("shop_id", "shop_domain", "customer")},
    "orders_requested": [299938],
    "data_request": {"id": 9999},
}


def subscriptions(store: Shopify) -> list[tuple[str, str]]:
    return sorted((one.topic, one.url) for one in store.hooks(URL))


def signed(shop: ShopifySandbox, topic: str, body: Any) -> tuple[dict[str, str], bytes]:
    text = json.dumps(body).encode()
    return {"x-shopify-topic": topic, "x-shopify-hmac-sha256": signature(shop.client_secret, text)}, text


def read(topic: str, body: Any) -> Hint | None:
    with shop_with() as (shop, store, _):
        return store.read_hook(*signed(shop, topic, body))


def test_they_are_installed_once_and_removed_again() -> None:
    with shop_with() as (_, store, _):
        assert list(store.install_hooks(URL)) == [f"{topic}: installed" for topic in TOPICS]
        assert list(store.install_hooks(URL)) == []
        assert subscriptions(store) == [(topic, URL) for topic in TOPICS]
        assert len(store.remove_hooks("/hooks/acme/acme-shop")) == 3
        assert subscriptions(store) == []


def test_a_changed_address_replaces_ours_and_nobody_elses() -> None:
    with shop_with() as (shop, store, _):
        others = [OLD.replace("acme-shop", "other"), "https://queue.example/shopify", "pubsub://project:topic"]
        for url in others:
            shop.hooks.subscribe("ORDERS_CREATE", url)
        store.install_hooks(OLD)
        assert len(store.install_hooks(URL)) == 6
        assert subscriptions(store) == [(topic, URL) for topic in TOPICS]
        store.remove_hooks(URL)
        assert sorted(shop.hooks.urls()) == sorted(others)


def test_ours_are_found_among_many() -> None:
    with shop_with() as (shop, store, _):
        for number in range(230):
            shop.hooks.subscribe("ORDERS_CREATE", f"https://queue.example/{number}")
        store.install_hooks(URL)
        assert list(store.install_hooks(URL)) == []


@pytest.mark.parametrize("what", ["webhookSubscriptionCreate", "webhookSubscriptionDelete"])
def test_a_lost_answer_makes_no_trouble(what: str) -> None:
    with shop_with() as (shop, store, _):
        left = [1]

        def fault(request: Request) -> Fault | None:
            return (
                Fault(reset=True, after_effect=True) if what.encode() in request.body and left and left.pop() else None
            )

        shop.server.fault = fault
        store.install_hooks(URL)
        assert subscriptions(store) == [(topic, URL) for topic in TOPICS]
        store.remove_hooks(URL)
        assert subscriptions(store) == []
        assert not left


def test_what_shopify_refuses_is_told() -> None:
    with shop_with() as (_, store, _), pytest.raises(ConfigError, match="protocol http:// is not supported"):
        store.install_hooks("http://winback.example/hooks/acme/acme-shop")


def test_a_shop_that_does_not_answer_is_asked_again_later() -> None:
    with shop_with() as (shop, store, _):
        shop.server.fault = lambda _: Fault(reply=Reply(503))
        with pytest.raises(TransientError):
            store.install_hooks(URL)


def test_without_the_secret_of_an_admin_app_nothing_is_installed_or_believed() -> None:
    with shop_with(access_token="shpat_0123456789") as (shop, store, _):
        with pytest.raises(ConfigError, match="API secret key"):
            store.install_hooks(URL)
        with pytest.raises(SignatureError):
            store.read_hook({"x-shopify-topic": "orders/create", "x-shopify-hmac-sha256": signature("", b"{}")}, b"{}")
        known = adapter(shop, Http(), webhook_secret=shop.client_secret)
        known.install_hooks(URL)
        assert known.read_hook(*signed(shop, "orders/create", {"id": 1})) == Hint()


def test_nothing_of_a_shopper_is_sent_by_our_own_subscriptions() -> None:
    with shop_with() as (shop, store, _):
        store.install_hooks(URL.replace("https://winback.example", "http://127.0.0.1:9"))
        checkout = shop.abandon(JANE)
        shop.touch(checkout)
        shop.cancel(shop.buy(checkout_id=checkout))
        shop.hooks.courier.wait()
        sent = shop.hooks.courier.journal
        assert [one.headers["X-Shopify-Topic"] for one in sent] == [
            "checkouts/update",
            "orders/create",
            "orders/updated",
        ]
        assert all(json.loads(one.body).keys() == {"id", "updated_at"} for one in sent)


@pytest.mark.parametrize(
    ("topic", "hint"),
    [
        *((topic, Hint()) for topic in ("checkouts/create", "checkouts/update", "orders/paid", "orders/updated")),
        *((topic, None) for topic in ("products/update", "app/uninstalled", "", "order", "customers/update")),
    ],
)
def test_the_topic_says_whether_there_is_news(topic: str, hint: Hint | None) -> None:
    assert read(topic, {"id": 1}) == hint


def test_a_shopper_who_is_to_be_erased() -> None:
    hint = read("customers/redact", REDACT)
    assert hint == Hint(Asks.ERASURE, email=JANE, customer_id="gid://shopify/Customer/191167")
    assert JANE not in repr(hint)
    assert "191167" not in repr(hint)


def test_a_shopper_who_asks_what_is_kept() -> None:
    hint = read("customers/data_request", REQUEST)
    assert hint is not None
    assert (hint.asks, hint.number) == (Asks.ACCOUNT, "9999")


def test_a_shop_that_let_the_app_go() -> None:
    assert read("shop/redact", {"shop_id": 954889, "shop_domain": SHOP}) == Hint(Asks.CLOSURE)


def test_a_request_about_another_shop_says_so() -> None:
    hint = read("customers/redact", {**REDACT, "shop_domain": "other.myshopify.com"})
    assert hint is not None
    assert hint.other_store == "other.myshopify.com"


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("customers/redact", {"id": 1, "email": JANE, "customer": {"id": 2, "email": JANE}}),  # an order's body
        ("customers/redact", REQUEST),
        ("customers/data_request", REDACT),
        ("shop/redact", REDACT),
        ("customers/redact", {**REDACT, "shop_domain": None}),
        ("customers/redact", [REDACT]),
        ("customers/redact", "redact"),
    ],
)
def test_a_signed_body_cannot_be_passed_off_as_another_request(topic: str, body: Any) -> None:
    assert read(topic, body) is None


@pytest.mark.parametrize("customer", [None, "jane", [], {}, {"id": "1", "email": 5}, {"id": True, "email": None}])
def test_a_request_without_a_name_names_nobody(customer: Any) -> None:
    assert read("customers/redact", {**REDACT, "customer": customer}) == Hint(Asks.ERASURE)
