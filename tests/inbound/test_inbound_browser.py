"""The browser's half: who may use the key, and how much its word weighs."""

from __future__ import annotations

import gzip
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from clock import Clock
from pushed_world import PushedWorld
from sqlalchemy import select
from starlette.requests import Request

from connector import tables
from connector.db import table
from connector.engine.payload import read_payload
from connector.inbound.browser import SOURCE, address_of
from connector.model import Checkout, ConsentState
from platforms.sandbox.inbound import Said

JANE = "jane@example.com"
ID = "0123456789abcdef0123"
PLAIN = {"content-type": "text/plain;charset=UTF-8"}
CHECKOUTS = table(tables.Checkout)


def typed(site: PushedWorld, **more: Any) -> dict[str, Any]:
    url = f"{site.site.server.url}/checkout#pay"
    return {"id": ID, "email": JANE, "currency": "EUR", "total": "49.00", "url": url, **more}


def tell(site: PushedWorld, record: dict[str, Any], origin: str | None = None, **headers: str) -> Said:
    headers = {**PLAIN, "origin": site.site.server.url if origin is None else origin, **headers}
    body = json.dumps({"checkouts": [record]}).encode()
    said: Said = site.site.send(f"checkouts?key={site.site.snippet_key}", body, headers)
    return said


def kept(site: PushedWorld) -> Checkout:
    with site.ctx.db.read() as connection:
        payload = connection.execute(select(CHECKOUTS.c.payload).where(CHECKOUTS.c.id == f"browser:{ID}")).scalar_one()
    return read_payload(payload)


def test_typed_left_enrolled_completed_withdrawn(world: PushedWorld, clock: Clock) -> None:
    said = tell(world, typed(world))
    assert (said.status, said.body) == (200, {"stored": 1, "refused": []})
    assert said.headers["access-control-allow-origin"] == world.site.server.url
    world.after(minutes=31)
    assert world.effects() == [JANE]
    assert world.leads()[0]["checkout_url"] == f"{world.site.server.url}/checkout"
    assert tell(world, {"id": ID, "completed": True}).body["stored"] == 1
    world.sync()
    assert world.effects("withdrawn") == [JANE]


def test_an_order_of_the_server_names_it(world: PushedWorld, clock: Clock) -> None:
    tell(world, typed(world))
    world.after(minutes=31)
    times = dict.fromkeys(("created_at", "updated_at"), clock().isoformat())
    bought = {"id": "7", "status": "paid", "purchase": True, "currency": "EUR", "total": 49, **times}
    world.site.post("orders", {"orders": [{**bought, "checkout_id": f"browser:{ID}"}]})
    world.sync()
    assert world.effects("withdrawn") == [JANE]


def test_activity_is_when_it_came(site: PushedWorld, clock: Clock) -> None:
    tell(site, typed(site))
    started = clock()
    clock.advance(timedelta(minutes=20))
    tell(site, typed(site, email="jane.doe@example.com"))
    found = kept(site)
    assert (found.started_at, found.activity_at) == (started, clock())
    site.after(minutes=29)
    assert site.effects() == []
    site.after(minutes=1)
    assert site.effects() == ["jane.doe@example.com"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "HTTP://127.0.0.1", "http://127.0.0.1.evil.example"]
)
def test_no_other_page_may_use_the_key(site: PushedWorld, origin: str) -> None:
    said = tell(site, typed(site), origin)
    assert (said.status, said.body) == (403, {"error": "this key is not for this page"})
    assert "access-control-allow-origin" not in said.headers
    assert said.headers["vary"] == "Origin"
    assert site.leads() == []


def test_preflight_is_answered_to_the_listed_origins_only(site: PushedWorld) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    said = site.site.send("checkouts", b"", {**asked, "origin": site.site.server.url}, "OPTIONS")
    assert said.status == 204
    assert {name: said.headers[name] for name in said.headers if name.startswith("access") or name == "vary"} == {
        "access-control-allow-origin": site.site.server.url,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type",
        "access-control-max-age": "7200",
        "vary": "Origin",
    }
    assert site.site.send("checkouts", b"", {**asked, "origin": "https://evil.example"}, "OPTIONS").status == 403
    assert site.site.send("orders", b"", {**asked, "origin": site.site.server.url}, "OPTIONS").status == 405


def test_a_wrong_key_and_a_wrong_kind(site: PushedWorld) -> None:
    headers = {**PLAIN, "origin": site.site.server.url}
    said = site.site.send("checkouts?key=pk_something_else", b"{}", headers)
    assert (said.status, said.headers["access-control-allow-origin"]) == (401, site.site.server.url)
    assert tell(site, typed(site), **{"content-type": "application/x-www-form-urlencoded"}).status == 415
    assert site.site.send(f"orders?key={site.site.snippet_key}", b'{"orders": []}', headers).status == 415
    assert (
        site.site.send(
            f"orders?key={site.site.snippet_key}", b"{}", {**headers, "content-type": "application/json"}
        ).status
        == 401
    )


def test_it_can_only_tell_of_its_own(site: PushedWorld, clock: Clock) -> None:
    site.site.abandon(JANE)
    before = site.leads()
    number = "c-1001-0123456789abcdef"
    times = {"started_at": clock().isoformat(), "updated_at": clock().isoformat(), "id": number}
    told = {**times, "email": JANE, "currency": "EUR", "total": "49.00"}
    site.site.post("checkouts", {"checkouts": [told]})
    assert tell(site, typed(site, id=number, email="thief@example.com")).body["stored"] == 1
    by_email = {row["email"]: row for row in site.leads()}
    assert set(by_email) == {JANE, "thief@example.com"}
    assert before[0] in site.leads()
    for extra in ({"customer_id": "7"}, {"updated_at": clock().isoformat()}, {"order_id": "7"}, {"id": "c-1001"}):
        assert tell(site, typed(site, **extra)).status == 422


def test_a_browser_does_not_change_what_a_server_told(site: PushedWorld, clock: Clock) -> None:
    site.site.abandon(JANE)
    site.after(minutes=31)
    clock.advance(timedelta(minutes=1))
    tell(site, typed(site, lines=[{"title": "Something else", "price": "999"}]))
    site.after(minutes=31)
    assert site.effects("refreshed") == []
    tell(site, {"id": ID, "completed": True})
    site.sync()
    assert (site.effects(), site.effects("withdrawn")) == ([JANE], [])


def test_a_server_does_change_what_a_browser_told(site: PushedWorld, clock: Clock) -> None:
    tell(site, typed(site))
    site.after(minutes=31)
    site.site.abandon(JANE, title="Rain jacket")
    site.sync()
    assert site.effects("refreshed") == [JANE]
    assert site.crm.fields(JANE)["CART"] == "Rain jacket"


def test_what_anyone_may_have_typed_is_cleaned(site: PushedWorld) -> None:
    own = site.site.server.url
    shirt = {
        "title": "You won <b>a car</b> at www.evil.example today",
        "price": "1",
        "image_url": "https://evil.example/x.png",
    }
    cap = {"title": "Cap", "total": "2", "image_url": f"{own}/cap.png", "product_url": f"{own}/cap"}
    jane = typed(site, first_name="Jane http://evil.example", phone="0900 8.8.8.8/x", locale="www.evil.example")
    tell(site, {**jane, "lines": [shirt, cap]})
    found = kept(site)
    assert (found.customer.first_name, found.customer.phone, found.locale) == ("Jane", "0900 8 8 8 8", "")
    assert [(line.title, line.image_url, line.product_url) for line in found.lines] == [
        ("You won a car at today", "", ""),
        ("Cap", f"{own}/cap.png", f"{own}/cap"),
    ]


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "{own}.evil.example/", "{own}@evil.example/", "//evil.example"]
)
def test_the_link_leads_to_the_owners_own_site(site: PushedWorld, url: str) -> None:
    said = tell(site, typed(site, url=url.replace("{own}", site.site.server.url)))
    assert said.status == 422
    assert site.leads() == []


@pytest.mark.parametrize(
    ("state", "kept_as"), [("opted_in", ConsentState.UNKNOWN), ("unsubscribed", ConsentState.UNSUBSCRIBED)]
)
def test_a_permission_is_not_believed_but_a_refusal_is(site: PushedWorld, state: str, kept_as: ConsentState) -> None:
    tell(site, typed(site, consent={"state": state}))
    assert kept(site).consent.state is kept_as


def test_an_opt_in_is_believed_where_the_owner_says_so(tmp_path: Any, sqlite_url: str, clock: Clock) -> None:
    from pushed_world import pushed_world

    keys = {"snippet": {"key": "pk_0123456789abcdef", "origins": ["https://acme.example"], "believe_opt_in": True}}
    with pushed_world(tmp_path, sqlite_url, clock, keys=keys) as site:
        site.site.snippet_key = "pk_0123456789abcdef"
        record = typed(site, url="https://acme.example/", consent={"state": "opted_in", "source": "newsletter box"})
        assert tell(site, record, "https://acme.example").status == 200
        assert (kept(site).consent.state, kept(site).consent.source) == (
            ConsentState.OPTED_IN,
            "browser: newsletter box",
        )


def test_a_word_that_was_not_said_is_refused(site: PushedWorld) -> None:
    tell(site, typed(site))
    assert tell(site, {"id": ID, "completed": False}).status == 422
    assert tell(site, {"started": False}).status == 422
    assert tell(site, {"started": True}).status == 200
    assert kept(site).completed_at is None


def test_completed_says_nothing_of_what_is_not_known(site: PushedWorld) -> None:
    assert tell(site, {"id": ID, "completed": True}).body == {"stored": 0, "refused": []}
    tell(site, typed(site))
    for _ in range(2):
        tell(site, {"id": ID, "completed": True})
    tell(site, typed(site))
    site.sync()
    assert [row["state"] for row in site.leads()] == ["self_recovered"]


def test_one_address_cannot_send_without_end(site: PushedWorld) -> None:
    def sent(passed: str) -> list[int]:
        return [tell(site, typed(site), **{"x-forwarded-for": passed}).status for _ in range(31)]

    assert sent("9.9.9.9, 8.8.8.8, 10.0.0.1") == [200] * 30 + [429]
    refused = tell(site, typed(site), **{"x-forwarded-for": "8.8.8.8"})
    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    assert refused.headers["access-control-allow-origin"] == site.site.server.url
    assert tell(site, typed(site), **{"x-forwarded-for": "9.9.9.9"}).status == 200, "what the shopper wrote is not it"
    assert sent("2606:4700::1")[-1] == 429
    assert tell(site, typed(site), **{"x-forwarded-for": "2606:4700::2"}).status == 429, "one household"
    assert sent("::ffff:8.8.4.4")[-1] == 429
    assert tell(site, typed(site), **{"x-forwarded-for": "::ffff:9.9.4.4"}).status == 200, "not one household"
    assert tell(site, typed(site), **{"x-forwarded-for": "8.8.4.4"}).status == 429, "the same, written otherwise"


def address(*passed: str) -> str | None:
    headers = [(b"x-forwarded-for", line.encode()) for line in passed]
    return address_of(Request({"type": "http", "headers": headers, "client": ("127.0.0.1", 1)}))


def test_a_proxy_that_adds_a_line_of_its_own_is_read_too() -> None:
    """HAProxy's `option forwardfor` leaves the shopper's line as it is."""
    assert address("9.9.9.9", "8.8.8.8") == "8.8.8.8"
    assert address("9.9.9.9, 8.8.4.4", "8.8.8.8, 10.0.0.1") == "8.8.8.8"
    assert address("2606:4700::1", "::ffff:8.8.8.8") == "8.8.8.8"
    assert address("9.9.9.9", "") is None
    assert address() is None


def test_a_browser_sends_little(site: PushedWorld) -> None:
    said = tell(site, typed(site, first_name="x" * 17_000))
    assert (said.status, said.body) == (413, {"error": "the body is larger than 16 KB; send it in parts"})
    two = json.dumps({"checkouts": [typed(site), typed(site)]}).encode()
    headers = {**PLAIN, "origin": site.site.server.url}
    assert site.site.send(f"checkouts?key={site.site.snippet_key}", two, headers).status == 422


def test_the_script_is_small_and_cached(site: PushedWorld) -> None:
    said = site.site.send("snippet.js", b"", {}, "GET")
    assert said.status == 200
    assert len(said.body) < 2000
    assert len(gzip.compress(said.body)) < 1000
    assert said.headers["content-type"] == "text/javascript; charset=utf-8"
    assert said.headers["cache-control"] == "public, max-age=3600"
    assert site.site.snippet_key in said.body.decode()
    assert site.site.signing_key not in said.body.decode()
    again = site.site.send("snippet.js", b"", {"if-none-match": f"W/{said.headers['etag']}"}, "GET")
    assert (again.status, again.body) == (304, b"")
    assert site.site.send("snippet.js", b"", {"if-none-match": '"other"'}, "GET").status == 200


def test_the_script_keeps_no_cookie_and_no_address() -> None:
    source = re.sub(r"^\s*//.*$", "", SOURCE.read_text(), flags=re.MULTILINE)
    assert not re.search(r"cookie|localStorage|indexedDB|XMLHttpRequest|eval|innerHTML", source)
    assert re.findall(r"sessionStorage\.(\w+)", source) == ["winback", "winback"]
