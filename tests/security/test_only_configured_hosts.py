"""Winback talks to nobody but the configured stores and CRMs, whatever stands in their data and in the environment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import LINKS, addresses, by_shopper, inner_server, place_of, reached, rewriting, watched
from processes import LateClock, Site, client, due_store, until

from connector.sandbox import Fault, Reply, Request, Server
from crm.sandbox import activecampaign, klaviyo, mailchimp, omnisend
from platforms.sandbox import shopify

MakeSite = Callable[[dict[str, Any]], Site]
NO_WEB = re.compile(
    r"javascript:|data:text|file:/|gopher:|acme\.example@|\\\\@acme|\"(?:https?:)?//?127[^\"]*@", re.IGNORECASE
)


@pytest.fixture
def crms() -> Any:
    made: dict[str, Any] = {
        "automation": activecampaign.serve(), "bulk": klaviyo.serve(), "journey": mailchimp.serve(path="journey"),
        "cart": mailchimp.serve(path="native_cart"), "flow": omnisend.serve(),
    }  # fmt: skip
    yield made
    for each in made.values():
        each.server.close()


def with_links(config: dict[str, Any]) -> dict[str, Any]:
    """Every CRM gets every link of the cart."""
    places = {"LINK": "{{ checkout_url }}", "IMAGE": "{{ image_url }}", "PRODUCT": "{{ product_url }}"}
    for crm in config["crms"]:
        crm["fields"] = {**crm.get("fields", {}), **places}
    return config


def test_no_address_in_the_data_is_ever_asked(site: MakeSite, crms: dict[str, Any], tmp_path: Path) -> None:
    """Not a picture, not a link to the cart, not a next page, not a header; and no link but to the web is passed on."""
    clock = LateClock()
    with inner_server() as (port, seen):
        evil = addresses(port)
        woo, shop = due_store(clock, 4), shopify.serve(clock=clock)
        with clock.ago(minutes=40):
            for number in range(len(evil)):
                shop.abandon(f"shopper{number}@shop.example")
        inner = evil[0]
        headers = {
            "Link": f'<{inner}>; rel="next"', "Location": inner, "Content-Location": inner,
            "Refresh": f"0; url={inner}",
            "Alt-Svc": f'h2="127.0.0.1:{port}"', "Set-Cookie": "a=b; Domain=127.0.0.1", "X-WP-TotalPages": "7",
        }  # fmt: skip

        def pages(body: Any, _: Request) -> None:
            if isinstance(body, dict):
                body.setdefault("links", {"next": inner, "self": inner})
                body.setdefault("_links", [{"rel": "next", "href": inner}])
                body["next"] = inner

        for store in (woo, shop):
            rewriting(store.server, by_shopper(LINKS, evil), headers)
        for crm in crms.values():
            rewriting(crm.server, pages, headers)
        acme = site(with_links(client({"woo": woo, "shop": shop}, crms)))
        env, log = watched(tmp_path)
        check = acme.run("check", extra_env=env)
        assert "woo: ok" in check.out, check
        daemon = acme.start("run", extra_env=env)
        everyone = {f"shopper{number}@shop.example" for number in range(len(evil))}
        everyone |= {f"shopper{number}@example.com" for number in range(4)}
        for crm in crms.values():
            until(lambda crm=crm: everyone <= {effect.email for effect in crm.effects}, f"all at {crm}")  # type: ignore[misc]
        ended = daemon.terminate()
        assert ended.code == 0, ended.err
        allowed = place_of(woo.server, shop.server, *(crm.server for crm in crms.values()))
        asked = reached(log)
        assert asked - allowed <= {("127.0.0.1", 0)}, "but for its own listener, which it looks up"
        assert allowed <= asked, "the watch does see what is asked"
        assert seen == []
        for crm in crms.values():
            bodies = [one.request.body.decode("utf-8", "replace") for one in crm.server.journal]
            assert [body for body in bodies if NO_WEB.search(body)] == []
            assert any("http" in body for body in bodies)
        assert acme.json("deliveries", "list") == [], "who has no good link gets a good one"
        for each in (woo, shop):
            each.server.close()


@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_is_followed_and_no_key_goes_with_it(
    site: MakeSite, crms: dict[str, Any], tmp_path: Path, status: int
) -> None:
    """To another host, to the inner network, to itself, in a chain."""
    clock = LateClock()
    woo, shop = due_store(clock, 2), shopify.serve(clock=clock)
    with clock.ago(minutes=40):
        shop.abandon("shopper0@shop.example")
    everybody = [woo, shop, *crms.values()]
    with inner_server() as (port, seen), Server(lambda _: Reply(200, {})) as elsewhere:
        acme = site(client({"woo": woo, "shop": shop}, crms))
        places = iter([*addresses(port), elsewhere.url, "/", "/again", woo.server.url] * 50)

        def redirect(_: Request) -> Fault:
            return Fault(Reply(status, None, {"Location": next(places)}))

        for each in everybody:
            each.server.fault = redirect
        env, log = watched(tmp_path)
        checked = acme.run("check", extra_env=env)
        synced = acme.run("sync", extra_env=env)
        assert (checked.code, synced.code) == (1, 1), (checked, synced)
        assert "redirects" in checked.out
        assert reached(log) <= place_of(*(each.server for each in everybody)) | {("127.0.0.1", 0)}
        assert (seen, elsewhere.journal) == ([], [])
    for each in (woo, shop):
        each.server.close()


def test_proxies_passwords_and_cookies_of_the_environment_are_nobodys(site: MakeSite, tmp_path: Path) -> None:
    """Another HTTP library would send the requests, keys and all, to whatever http_proxy says, or take ~/.netrc."""
    clock = LateClock()
    woo, crm = due_store(clock, 3), klaviyo.serve()
    rewriting(woo.server, lambda *_: None, {"Set-Cookie": "session=of-the-store; Path=/"})
    rewriting(crm.server, lambda *_: None, {"Set-Cookie": "session=of-the-crm; Path=/"})
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login netrc-user password netrc-password\n")
    (tmp_path / ".netrc").chmod(0o600)
    with inner_server() as (port, seen):
        acme = site(client({"woo": woo}, {"bulk": crm}))
        env, log = watched(tmp_path)
        proxy = f"http://proxy-user:proxy-password@127.0.0.1:{port}"
        env |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            env |= {name: proxy, name.upper(): proxy}
        assert acme.run("check", extra_env=env).code == 0
        assert acme.run("sync", extra_env=env).code == 0
        assert len(crm.effects) == 3
        assert seen == []
        assert reached(log) <= place_of(woo.server, crm.server)
    for exchange in (*woo.server.journal, *crm.server.journal):
        headers = exchange.request.headers
        assert "cookie" not in headers
        assert "proxy-authorization" not in headers
        assert "netrc" not in json.dumps(dict(headers))
    for each in (woo, crm):
        each.server.close()
