"""Webhooks over real sockets: from the pretend stores, and from whoever else knocks."""

from __future__ import annotations

import http.client
import logging
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from hook_door import Door, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from world import world

from connector.hook_route import LARGEST
from connector.hooks import signature

ANN = "ann@example.com"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One web server for the whole file: what knocks at it leaves nothing behind."""
    folder: Path = tmp_path_factory.mktemp("door")
    with world(folder, f"sqlite:///{folder / 'winback.db'}", Clock()) as acme, opened(acme) as made:
        yield made


@pytest.fixture
def door(shared: Door) -> Iterator[Door]:
    """The web server, with no hint waiting."""
    clients = shared.acme.ctx.clients
    yield shared
    shared.hooks.hints.clear()
    shared.acme.ctx.clients = clients


def test_a_signed_webhook_is_a_hint_and_needs_no_password(door: Door) -> None:
    assert door.signed(b'{"id": 1}') == 200
    assert door.hooks.hints == {("acme", "shop")}
    assert door.count("poll") == 1


def test_both_stores_tell_of_what_happens_in_them(door: Door) -> None:
    acme = door.acme
    acme.woo.key.permissions = "read_write"
    for store in ("woo", "shop"):
        options = acme.client.store(store)
        assert options is not None
        adapter: Any = acme.accounts.store(acme.client, options)
        adapter.install_hooks(door.url(store))
    acme.woo.hooks.courier.wait()
    assert [one.status for one in acme.woo.hooks.courier.journal] == [200, 200], "the pings"
    assert door.hooks.hints == set(), "which ask for nothing"
    for sandbox in (acme.woo, acme.shop):
        courier = sandbox.hooks.courier
        courier.copies = 3
        courier.hold()
        sandbox.cancel(sandbox.buy(checkout_id=sandbox.abandon(ANN)))
        courier.release()  # in disorder, and each three times
        courier.wait()
        assert {one.status for one in courier.journal} == {200}
        courier.copies = 1
    assert door.hooks.hints == {("acme", "woo"), ("acme", "shop")}
    door.acme.shop.hooks.clear()


def test_a_forged_webhook_changes_nothing_and_is_told_once(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hooks = door.acme.shop.hooks
    hooks.courier.journal.clear()
    hooks.subscribe("ORDERS_CREATE", door.url())
    hooks.courier.forged, hooks.courier.copies = True, 5
    door.acme.shop.buy(email=ANN)
    hooks.courier.wait()
    hooks.courier.forged, hooks.courier.copies = False, 1
    hooks.clear()
    assert {one.status for one in hooks.courier.journal} == {401}
    assert door.hooks.hints == set()
    assert door.count("refused") == 5
    assert len([line for line in caplog.messages if "wrong signature" in line]) == 1
    assert ANN not in caplog.text


@pytest.mark.parametrize(
    "path", ["/hooks/acme/nowhere", "/hooks/nobody/shop", "/hooks/ACME/shop", "/hooks/acme/%2e%2e"]
)
def test_where_there_is_no_such_store_there_is_nothing_to_learn(door: Door, path: str) -> None:
    assert door.signed(b"{}", path=path) == 404
    assert door.hooks.hints == set()


@pytest.mark.parametrize("path", ["/hooks", "/hooks/acme", "/hooks//shop", "/hooks/acme/shop/x", "/hooks/acme/shop/"])
def test_what_is_no_hook_route_wants_the_password(door: Door, path: str) -> None:
    connection = http.client.HTTPConnection(door.web.host, door.web.port, timeout=10)
    connection.request("POST", path, b"{}", {"X-Shopify-Hmac-SHA256": signature(door.acme.shop.client_secret, b"{}")})
    answer = connection.getresponse()
    connection.close()
    assert (answer.status, "WWW-Authenticate" in answer.headers) == (401, True)


def test_one_stores_signature_is_no_good_for_another(door: Door) -> None:
    assert door.signed(b"{}", path="/hooks/acme/woo") == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_taken(door: Door, method: str) -> None:
    assert door.post("/hooks/acme/shop", b"", method=method) == 405


def test_a_large_body_is_refused_before_it_is_read(door: Door) -> None:
    assert door.signed(b"x" * LARGEST) == 200
    with socket.create_connection((door.web.host, door.web.port), timeout=10) as line:
        line.sendall(b"POST /hooks/acme/shop HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 1))
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_that_grows_too_large_is_refused(door: Door) -> None:
    with socket.create_connection((door.web.host, door.web.port), timeout=10) as line:
        line.sendall(b"POST /hooks/acme/shop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for _ in range(LARGEST // 0x10000 + 1):
            line.sendall(chunk)
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_thousand_webhooks_are_one_hint(door: Door) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: door.signed(b'{"id": %d}' % number), range(1000)))
    assert set(statuses) == {200}
    assert door.hooks.hints == {("acme", "shop")}


def test_a_client_that_goes_on_is_read_from_the_new_configuration(door: Door) -> None:
    assert door.signed(b"{}") == 200
    door.acme.ctx.clients = {}
    assert door.signed(b"{}") == 404


def test_a_changed_secret_holds_at_once(door: Door) -> None:
    assert door.signed(b"{}") == 200
    client = door.acme.client
    stores = tuple(
        one.model_copy(update={"webhook_secret": SecretStr("another")}) if one.id == "shop" else one
        for one in client.config.stores
    )
    fresh = type(client).of(client.config.model_copy(update={"stores": stores}))
    door.acme.ctx.clients = {"acme": fresh}
    assert door.signed(b"{}") == 401


TOKEN = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
NAMES = st.sampled_from(
    ["X-Shopify-Topic", "X-Shopify-Hmac-SHA256", "X-WC-Webhook-Topic", "X-WC-Webhook-Signature", "Content-Type", "X-A"]
)


@given(
    store=st.sampled_from(["woo", "shop"]),
    headers=st.dictionaries(NAMES, TOKEN, max_size=4),
    body=st.one_of(st.binary(max_size=300), st.sampled_from([b"null", b"[" * 5000, b"{}", b'{"a":', b"\xff\xfe"])),
)
@settings(max_examples=60)
def test_whatever_comes_without_a_signature_is_refused(
    shared: Door, store: str, headers: dict[str, str], body: bytes
) -> None:
    assert shared.post(f"/hooks/acme/{store}", body, headers) == 401
    assert shared.hooks.hints == set()


@given(
    topic=st.one_of(TOKEN, st.sampled_from(["customers/redact", "customers/data_request", "shop/redact"])),
    body=st.one_of(
        st.binary(max_size=300), st.sampled_from([b"null", b"[" * 5000, b"{}", b'{"customer":[]}', b"1e999"])
    ),
)
@settings(max_examples=60)
def test_whatever_is_signed_is_taken(shared: Door, topic: str, body: bytes) -> None:
    assert shared.signed(body, {"X-Shopify-Topic": topic}) == 200
    shared.hooks.hints.clear()
