"""WooCommerce's webhooks: what a real store sent, ours in a pretend one, and other people's that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from woocommerce_replay import exchanges, reply, store

from connector.errors import ConfigError
from connector.hooks import Hint, Installed, SignatureError, findings
from connector.http import Http
from connector.sandbox import Reply, Request, Server
from platforms.sandbox.woocommerce import WooCommerceSandbox
from platforms.woocommerce import WooCommerce, WooCommerceOptions

LAB = "lab-hook-secret"  # that the recorded webhooks were made with
DELIVERIES = [
    *("webhook_delivery_draft", "webhook_delivery_order_placed", "webhook_delivery_completed"),
    "webhook_delivery_deleted",
]
URL = "https://winback.example/hooks/acme/shop"
OLD = "https://old.example/some/where/hooks/acme/shop"
HTTP = Http()


def nothing(_: Request) -> Reply:
    raise AssertionError("nothing is to be asked")


def sent(name: str) -> list[tuple[dict[str, str], bytes]]:
    """The headers and body of each recorded delivery."""
    found = [exchange["request"] for exchange in exchanges(name)]
    return [({k.lower(): v for k, v in one["headers"].items()}, one["raw_body"].encode()) for one in found]


@pytest.mark.parametrize("name", DELIVERIES)
def test_what_a_real_store_signed_is_a_hint(name: str) -> None:
    with store(nothing, webhook_secret=LAB) as adapter:
        for headers, body in sent(name):
            assert adapter.read_hook(headers, body) == Hint()


@pytest.mark.parametrize("name", DELIVERIES)
def test_with_another_secret_it_is_not(name: str) -> None:
    with store(nothing) as adapter:
        for headers, body in sent(name):
            with pytest.raises(SignatureError):
                adapter.read_hook(headers, body)


def test_the_ping_of_a_real_store_is_welcome_and_asks_for_nothing() -> None:
    with store(nothing) as adapter:
        assert [adapter.read_hook(headers, body) for headers, body in sent("webhook_ping")] == [None] * 3


@pytest.mark.parametrize("body", [b"webhook_id=", b"webhook_id=1&x=2", b"webhook_id=1\n", b"", b"{}", b" webhook_id=1"])
def test_nothing_else_is_welcome_without_a_signature(body: bytes) -> None:
    with store(nothing) as adapter, pytest.raises(SignatureError):
        adapter.read_hook({"x-wc-webhook-topic": "order.updated"}, body)


def test_the_webhook_that_a_real_store_switched_off_is_told_with_what_to_do() -> None:
    (exchange,) = exchanges("webhook_disabled_after_failures")
    row = {**exchange["response"]["body"], "delivery_url": URL, "name": "Winback 12345678"}
    with store(lambda _: Reply(200, [row])) as adapter:
        (found,) = adapter.hooks(URL)
    assert (found.id, found.topic, found.ours) == ("4", "order.updated", True)
    assert "switched it off" in found.problem
    assert "winback hooks install" in found.problem


def test_a_webhook_is_made_as_a_real_store_took_it() -> None:
    made: list[Any] = []
    recorded = exchanges("webhook_create")

    def answer(request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, [])
        made.append(request.json())
        return reply(next(one for one in recorded if one["request"]["body"]["topic"] == made[-1]["topic"]))

    with store(answer, webhook_secret=LAB) as adapter:
        assert list(adapter.install_hooks(URL)) == ["order.created: installed", "order.updated: installed"]
    for one in made:
        (like,) = [e["request"]["body"] for e in recorded if e["request"]["body"]["topic"] == one["topic"]]
        assert one.keys() == like.keys()
        assert one["secret"] == LAB
        assert one["delivery_url"] == URL


@contextmanager
def sandbox(permissions: str = "read_write", **options: Any) -> Iterator[tuple[WooCommerceSandbox, WooCommerce]]:
    with WooCommerceSandbox(permissions=permissions) as made:
        yield made, WooCommerce(WooCommerceOptions(id="shop", **{**made.options(), **options}), HTTP)


def listed(woo: WooCommerceSandbox) -> list[tuple[str, str, str]]:
    return sorted((one.name.split(" ")[0], one.topic, one.delivery_url) for one in woo.hooks.all.values())


OURS = [("Winback", "order.created", URL), ("Winback", "order.updated", URL)]


def test_they_are_installed_once_and_removed_again() -> None:
    with sandbox() as (woo, adapter):
        assert len(adapter.install_hooks(URL)) == 2
        assert list(adapter.install_hooks(URL)) == []
        assert listed(woo) == OURS
        assert [(one.topic, one.url, one.problem) for one in adapter.hooks(URL)] == [
            ("order.created", URL, ""),
            ("order.updated", URL, ""),
        ]
        assert len(adapter.remove_hooks("/hooks/acme/shop")) == 2
        assert listed(woo) == []
        assert list(adapter.remove_hooks(URL)) == []


def test_a_changed_address_replaces_ours() -> None:
    with sandbox() as (woo, adapter):
        adapter.install_hooks(OLD)
        said = adapter.install_hooks(URL)
        assert sorted(said) == [
            "order.created: installed",
            f"order.created: removed from {OLD}",
            "order.updated: installed",
            f"order.updated: removed from {OLD}",
        ]
        assert listed(woo) == OURS


def test_other_peoples_webhooks_are_never_touched() -> None:
    others = [
        ("Zapier", "order.updated", "https://hooks.zapier.example/1"),
        ("ERP", "order.updated", URL),
        ("Winback", "order.updated", "https://winback.example/hooks/acme/other"),
        ("Winback", "order.updated", "https://winback.example/hooks/acme/shop/more"),
        ("Winbackup", "order.updated", OLD),
    ]
    with sandbox() as (woo, adapter):
        for name, topic, url in others:
            woo.hooks.make(name, topic, url)
        adapter.install_hooks(URL)
        assert listed(woo) == sorted([*others, *OURS])
        adapter.remove_hooks(URL)
        assert listed(woo) == sorted(others)
        assert {one.ours for one in adapter.hooks(URL)} == {False}


def test_ours_are_found_among_many() -> None:
    with sandbox() as (woo, adapter):
        for number in range(150):
            woo.hooks.make(f"other {number}", "order.updated", f"https://other.example/{number}")
        adapter.install_hooks(URL)
        assert list(adapter.install_hooks(URL)) == []


@pytest.mark.parametrize("status", ["disabled", "paused"])
def test_one_that_brings_nothing_is_told_and_replaced(status: str) -> None:
    with sandbox() as (woo, adapter):
        adapter.install_hooks(URL)
        woo.hooks.all[1].status = status
        (told,) = [one for one in findings(adapter.hook_topics, adapter.hooks(URL), URL) if one.level == "warning"]
        assert "order.created" in told.message
        assert list(adapter.install_hooks(URL)) == ["order.created: installed", f"order.created: removed from {URL}"]
        assert {one.status for one in woo.hooks.all.values()} == {"active"}


def test_another_key_makes_another_secret_so_they_are_made_anew() -> None:
    with sandbox() as (woo, adapter):
        adapter.install_hooks(URL)
        woo.key.consumer_secret = "cs_" + "d4" * 20
        fresh = WooCommerce(WooCommerceOptions(id="shop", **woo.options()), HTTP)
        assert all("another key" in one.problem for one in fresh.hooks(URL))
        assert len(fresh.install_hooks(URL)) == 4
        assert [one.problem for one in fresh.hooks(URL)] == ["", ""]


def test_the_secret_is_the_same_after_a_restart_and_shown_nowhere() -> None:
    with sandbox() as (woo, adapter):
        adapter.install_hooks(URL)
        again = WooCommerce(WooCommerceOptions(id="shop", **woo.options()), HTTP)
        assert [one.problem for one in again.hooks(URL)] == ["", ""]
        (secret,) = {one.secret for one in woo.hooks.all.values()}
        assert len(secret) == 64
        assert secret not in repr(again) + repr(again.hooks(URL)) + "".join(one.name for one in woo.hooks.all.values())
        assert woo.key.consumer_secret not in secret


def test_a_key_that_may_only_read_is_told_what_it_lacks() -> None:
    with sandbox("read") as (woo, adapter):
        assert list(adapter.hooks(URL)) == [], "looking is allowed"
        with pytest.raises(ConfigError, match=r"the key may only read.*Read/Write"):
            adapter.install_hooks(URL)
        assert listed(woo) == []


@pytest.mark.parametrize("url", ["https://winback.example:8484/hooks/acme/shop", "https://x.example:8443/hooks/a/b"])
def test_a_port_that_wordpress_does_not_send_to_is_refused(url: str) -> None:
    with sandbox() as (woo, adapter), pytest.raises(ConfigError, match="80, 443 and 8080 only"):
        adapter.install_hooks(url)
    assert listed(woo) == []


def test_over_plain_http_behind_a_proxy_they_are_signed_and_over_https_sent_with_the_key() -> None:
    with sandbox() as (woo, adapter):
        adapter.install_hooks(URL)
        adapter.remove_hooks(URL)
        seen = [(e.request.method, e.status, "oauth_signature" in e.request.target) for e in woo.server.journal]
        assert {method for method, _, _ in seen} == {"GET", "POST", "DELETE"}
        assert all(status in (200, 201) and signed for _, status, signed in seen)


def test_a_store_that_delivers_to_nobody_switches_its_webhook_off() -> None:
    with Server(lambda _: Reply(500)) as nobody, sandbox() as (woo, adapter):
        url = f"{nobody.url}/hooks/acme/shop"
        adapter.install_hooks(url)
        for _ in range(8):
            woo.abandon("ann@example.com")
        woo.hooks.courier.wait()
        assert [one.status for one in woo.hooks.all.values()] == ["active", "disabled"], "drafts are never created"
        assert ["switched it off" in one.problem for one in adapter.hooks(url)] == [False, True]


def test_the_findings_say_what_is_wrong_in_one_line_each() -> None:
    topics = ("order.created", "order.updated")
    good = [Installed("1", topics[0], URL), Installed("2", topics[1], URL)]
    assert [one.level for one in findings(topics, good, URL)] == ["info"]
    (none,) = findings(topics, [], URL)
    assert none.level == "info"
    assert "winback hooks install" in none.message
    (missing,) = findings(topics, good[:1], URL)
    assert "order.updated" in missing.message
    (astray,) = findings(topics, [Installed("1", one, OLD) for one in topics], URL)
    assert f"lead to {OLD} instead of {URL}" in astray.message
