"""The adapter before a sandbox store: keys and signatures, over plain http and TLS."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.request import Request as Ask
from urllib.request import urlopen

import pytest
import trustme
from clock import Clock
from woocommerce_shop import LONG_AGO, adapter, checkouts, with_key

from connector.errors import ConfigError, TransientError
from connector.http import Http
from connector.sandbox import Fault, Reply, Request, Server
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve
from platforms.woocommerce import WooCommerce, WooCommerceOptions


@pytest.fixture
def shop(clock: Clock) -> Iterator[WooCommerceSandbox]:
    with serve(clock) as sandbox:
        yield sandbox


def test_over_plain_http_every_request_is_signed_anew(shop: WooCommerceSandbox) -> None:
    shop.seed(250, ["a@example.com"], over=timedelta(hours=1))
    assert len(list(adapter(shop).checkouts(None, LONG_AGO))) == 3
    nonces = [exchange.request.param("oauth_nonce") for exchange in with_key(shop.server)]
    assert len(set(nonces)) == len(nonces) == 3
    assert not [exchange for exchange in shop.server.journal if "authorization" in exchange.request.headers]
    assert "consumer_secret" not in "".join(exchange.request.target for exchange in shop.server.journal)


def test_a_lost_answer_is_asked_for_again_with_a_new_signature(shop: WooCommerceSandbox) -> None:
    bought = shop.buy(email="jane@example.com")
    losses = iter([True, True])
    shop.server.fault = lambda _: Fault(reset=True, after_effect=True) if next(losses, False) else None
    assert [one.id for page in adapter(shop).orders(None, LONG_AGO) for one in page.items] == [bought]
    assert [exchange.status for exchange in shop.server.journal] == [0, 0, 200]


def test_a_store_that_stays_silent_is_a_passing_trouble(shop: WooCommerceSandbox) -> None:
    shop.server.fault = lambda _: Fault(reset=True, after_effect=True)
    with pytest.raises(TransientError):
        checkouts(shop)
    assert len(shop.server.journal) == 3


def test_a_long_retry_after_is_passed_on_at_once(shop: WooCommerceSandbox) -> None:
    shop.server.fault = lambda _: Fault(Reply(503, b"<html>Briefly unavailable</html>", {"Retry-After": "600"}))
    with pytest.raises(TransientError) as caught:
        checkouts(shop)
    assert caught.value.retry_after == 600
    assert len(shop.server.journal) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"consumer_secret": "cs_wrong"}, "The consumer secret is wrong, or the url is not the address"),
        ({"consumer_key": "ck_wrong"}, "the store does not know the consumer key"),
    ],
)
def test_a_wrong_key_over_plain_http(shop: WooCommerceSandbox, changed: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        adapter(shop, **changed).check()


def test_a_key_that_may_only_write(clock: Clock) -> None:
    with serve(clock, permissions="write") as shop, pytest.raises(ConfigError, match="give it the permission Read"):
        adapter(shop).check()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Invalid timestamp.", "clock and the store's are more than 15 minutes apart"),
        ("Der angegebene API-Schlüssel hat keine Leserechte.", "Check the consumer key, its secret and its permission"),
    ],
)
def test_other_refusals_also_from_a_store_in_another_language(
    shop: WooCommerceSandbox, message: str, words: str
) -> None:
    body = {"code": "woocommerce_rest_authentication_error", "message": message, "data": {"status": 401}}
    shop.server.fault = lambda _: Fault(Reply(401, body))
    with pytest.raises(ConfigError, match=words):
        checkouts(shop)


def test_a_firewall_is_not_taken_for_woocommerce(shop: WooCommerceSandbox) -> None:
    shop.server.fault = lambda _: Fault(Reply(403, b"<html>Sorry, you have been blocked</html>"))
    with pytest.raises(ConfigError, match=r"a firewall, .* Make an exception there for /wp-json/"):
        checkouts(shop)


@pytest.fixture
def https_shop(shop: WooCommerceSandbox, tmp_path: Path) -> Iterator[tuple[str, Http, Server]]:
    """The sandbox behind a proxy that ends TLS and says so, as most stores stand."""

    def forward(request: Request) -> Reply:
        headers = {key: value for key, value in request.headers.items() if key in ("authorization", "accept")}
        ask = Ask(shop.server.url + request.target, headers=headers | {"X-Forwarded-Proto": "https"})
        try:
            with urlopen(ask) as answer:
                return Reply(answer.status, answer.read(), dict(answer.headers))
        except OSError as refused:
            return Reply(refused.code, refused.read())  # type: ignore[attr-defined]

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    http = Http(ca_file=str(tmp_path / "ca.pem"))
    with Server(forward) as server:
        server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
        yield server.url.replace("http://", "https://"), http, server
    http.close()


def test_over_https_the_key_goes_by_basic(shop: WooCommerceSandbox, https_shop: tuple[str, Http, Server]) -> None:
    url, http, server = https_shop
    draft = shop.abandon("jane@example.com")
    store = WooCommerce(WooCommerceOptions(**{"id": "shop", **shop.options(), "url": url}), http)
    (found,) = [one for page in store.checkouts(None, LONG_AGO) for one in page.items]
    assert (found.id, found.url) == (draft, f"{url}/checkout-link/?products=11:1")
    (sent,) = [exchange.request for exchange in with_key(server)]
    name, _, secret = base64.b64decode(sent.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (name, secret) == (shop.key.consumer_key, shop.key.consumer_secret)
    assert "oauth" not in sent.target
    assert "consumer" not in sent.target
    assert [finding.subject for finding in store.check().findings] == ["version"]


def test_over_https_the_key_may_go_in_the_query(shop: WooCommerceSandbox, https_shop: tuple[str, Http, Server]) -> None:
    url, http, server = https_shop
    given = {"id": "shop", **shop.options(), "url": url, "key_in_query": True}
    list(WooCommerce(WooCommerceOptions(**given), http).orders(None, LONG_AGO))
    (sent,) = [exchange.request for exchange in with_key(server)]
    assert sent.param("consumer_key") == shop.key.consumer_key
    assert "authorization" not in sent.headers


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"consumer_secret": "cs_wrong"}, "the consumer secret is wrong"),
        (
            {"consumer_key": "ck_wrong"},
            r"the web server drops the Authorization header \(then set key_in_query: true\)",
        ),
    ],
)
def test_a_wrong_key_over_https(
    shop: WooCommerceSandbox, https_shop: tuple[str, Http, Server], changed: dict[str, str], words: str
) -> None:
    url, http, _ = https_shop
    store = WooCommerce(WooCommerceOptions(**({"id": "shop", **shop.options(), "url": url} | changed)), http)
    with pytest.raises(ConfigError, match=words):
        list(store.orders(None, LONG_AGO))
