"""The API over real sockets: what is let in, what is refused, and with which words."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from pushed_world import PushedWorld

from connector.http import Rate
from connector.inbound.limits import MOST, Limiter
from connector.inbound.signature import sign, signed_at

JANE = "jane@example.com"
JSON = {"content-type": "application/json"}


def checkout(clock: Clock, **more: Any) -> dict[str, Any]:
    times = dict.fromkeys(("started_at", "updated_at"), clock().isoformat())
    return {"id": "c1", "email": JANE, "currency": "EUR", "total": "49.00", **times, **more}


def test_several_at_once_with_a_bad_one_among_them(world: PushedWorld, clock: Clock) -> None:
    records = [checkout(clock, id=f"c{n}", email=f"shopper{n}@example.com") for n in range(4)]
    records[2] |= {"total": -1, "lines": [{"title": "Shirt", "quantity": 0, "price": 1}], "emial": JANE}
    del records[2]["currency"]
    said = world.site.post("checkouts", {"checkouts": records})
    assert said.status == 422
    assert said.body == {
        "stored": 3,
        "known": 0,
        "older": 0,
        "refused": [
            {"path": "checkouts.2.currency", "message": "is required"},
            {"path": "checkouts.2.total", "message": "Input should be greater than or equal to 0"},
            {"path": "checkouts.2.lines.0.quantity", "message": "Input should be greater than or equal to 1"},
            {"path": "checkouts.2.emial", "message": "is not known; did you mean email?"},
        ],
    }
    assert {row["email"] for row in world.leads()} == {f"shopper{n}@example.com" for n in (0, 1, 3)}


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        (
            {"updated_at": "2026-03-02 09:00"},
            "updated_at",
            "must be a time with its zone, such as 2026-03-02T09:30:00Z",
        ),
        ({"updated_at": 1772442000}, "updated_at", "must be a time with its zone, such as 2026-03-02T09:30:00Z"),
        ({"updated_at": "2026-13-02T09:00:00Z"}, "updated_at", "Input should be a valid datetime"),
        ({"updated_at": "0001-01-01T00:00:00+14:00"}, "updated_at", "must be a time of this century"),
        ({"updated_at": "9999-12-31T23:59:59-14:00"}, "updated_at", "must be a time of this century"),
        ({"updated_at": "2026-03-02T10:00:00Z"}, "updated_at", "lies in the future"),
        ({"id": "browser:0123456789abcdef"}, "id", "ids that begin with browser: belong to the browser snippet"),
        ({"id": "a\u0000b"}, "id", "must hold no line break and not begin or end with a space"),
        ({"id": ""}, "id", "String should have at least 1 character"),
        ({"url": "javascript:alert(1)"}, "url", "must be a web address that starts with https://"),
        ({"url": "https://[::1"}, "url", "must be a web address that starts with https://"),
        ({"total": "1e400"}, "total", "no more than 12 digits"),
        ({"total": "NaN"}, "total", "Input should be a finite number"),
        ({"total": 10**200}, "total", "no more than 12 digits"),
        ({"currency": "eur"}, "currency", "String should match pattern"),
        ({"lines": [{"title": "Shirt"}]}, "lines.0", "needs a price or a total"),
        ({"lines": [{"title": "Shirt", "price": 1, "quantity": 1.5}]}, "lines.0.quantity", "valid integer"),
        ({"token": "\ud800"}, "token", "is no text: it holds half a character"),
        ({"consent": {"state": "yes"}}, "consent.state", "'opted_in', 'pending', 'not_opted_in', 'unsubscribed'"),
    ],
    ids=str,
)
def test_a_record_is_refused_in_words(
    site: PushedWorld, clock: Clock, changes: dict[str, Any], path: str, message: str
) -> None:
    said = site.site.post("checkouts", {"checkouts": [checkout(clock, **changes)]})
    assert (said.status, said.body["stored"]) == (422, 0)
    (problem,) = said.body["refused"]
    assert problem["path"] == f"checkouts.0.{path}"
    assert message in problem["message"]
    assert JANE not in str(said.body)


def test_odd_but_good_values(world: PushedWorld, clock: Clock) -> None:
    odd = {
        "id": 17,
        "total": 49.10,
        "first_name": "Zoë\u0000\u202e",
        "updated_at": "2026-03-02T10:30:00.123456789+02:00",
        "started_at": "2026-03-02T09:00:00+01:00",
        "lines": [{"title": "Süßes\nHemd 🧵", "quantity": "2", "price": 24.55}],
    }
    assert world.site.post("checkouts", {"checkouts": [checkout(clock, **odd)]}).body["stored"] == 1
    (row,) = world.leads()
    assert (row["total"], row["product_name"]) == ("49.1", "Süßes Hemd 🧵")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe{}", 400, "not JSON"),
        (b"", 400, "not JSON"),
        (b"[" * 200_000, 400, "not JSON"),
        (b'{"checkouts":' + b"[" * 900 + b"]" * 900 + b"}", 422, None),
        (b'{"checkouts": [NaN]}', 400, "not JSON"),
        (b'{"checkouts": [{"total": ' + b"9" * 100_000 + b"}]}", 400, "not JSON"),
        (b"[]", 400, "a JSON object"),
        (b"{}", 422, "checkouts must be a list"),
        (b'{"checkouts": {}}', 422, "checkouts must be a list"),
        (json.dumps({"checkouts": [{}] * 501}).encode(), 422, "501 records; at most 500"),
        (b'{"checkouts": [], "orders": []}', 422, None),
        (b'{"checkouts": [], "\\ud800": []}', 422, None),
        (b'{"checkouts": [{"\\ud800": []}]}', 422, None),
        (b'{"checkouts": [[], 1, null, "a"]}', 422, None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_that_cannot_be_read(site: PushedWorld, body: bytes, status: int, words: str | None) -> None:
    said = site.site.post("checkouts", body)
    assert said.status == status
    if words is None:
        assert said.body["refused"]
    else:
        assert words in said.body["error"]


def test_what_is_too_large_is_not_read(site: PushedWorld) -> None:
    said = site.site.post("orders", b" " * (1024 * 1024 + 1))
    assert (said.status, said.body) == (413, {"error": "the body is larger than 1024 KB; send it in parts"})


def test_a_chunked_body_has_the_same_limit(site: PushedWorld) -> None:
    connection = http.client.HTTPConnection(site.web.host, site.web.port, timeout=10)
    chunks: Iterator[bytes] = iter([b" " * 65536] * 20)
    connection.request("POST", "/inbound/acme/site/orders", chunks, JSON, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_that_does_not_end_is_refused(site: PushedWorld) -> None:
    head = b"POST /inbound/acme/site/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection((site.web.host, site.web.port), timeout=20) as line:
        line.sendall(head + b"Content-Length: 9\r\n\r\n{")
        said = line.makefile("rb").read()  # to its end: the connection is closed
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"the body took longer than 10 seconds" in said


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("acme/site/checkouts", "POST", {"content-type": "text/plain"}, 415),
        ("acme/site/checkouts", "POST", {}, 415),
        ("acme/site/checkouts", "POST", {**JSON, "content-encoding": "gzip"}, 415),
        ("acme/site/checkouts", "POST", JSON, 401),
        ("acme/site/checkouts", "GET", {}, 405),
        ("acme/site/carts", "POST", JSON, 404),
        ("acme/shop/checkouts", "POST", JSON, 404),
        ("umbrella/site/orders", "POST", JSON, 404),
        ("acme/%2e%2e/orders", "POST", JSON, 404),
    ],
)
def test_who_is_not_let_in(site: PushedWorld, path: str, method: str, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection(site.web.host, site.web.port, timeout=10)
    connection.request(method, f"/inbound/{path}", b"{}" if method == "POST" else None, headers)
    answer = connection.getresponse()
    assert answer.status == status
    answer.read()
    connection.close()


@contextmanager
def signed(site: PushedWorld, header: str) -> Iterator[int]:
    yield site.site.send("orders", b'{"orders": []}', {**JSON, "winback-signature": header}).status


def test_a_signature_that_is_not_right_is_told_nothing_more(site: PushedWorld, clock: Clock) -> None:
    body, key = b'{"orders": []}', site.site.signing_key.encode()
    good = sign(key, body, clock())
    now = int(clock().timestamp())
    assert site.site.send("orders", body, {**JSON, "winback-signature": good}).status == 200
    bad = [
        "",
        "rubbish",
        good.replace("v1=", "v0="),
        good.removeprefix(f"t={now},"),
        f"t={now},{good}",
        good[:-1],
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.upper(),
        f"t={now + 1}," + good.partition(",")[2],
        f"t=-{now}," + good.partition(",")[2],
        f"t={'9' * 5000}," + good.partition(",")[2],
        "t=²²²²²²²²²²," + good.partition(",")[2],
        sign(b"another", body, clock()),
        sign(key, b"{}", clock()),
        sign(key, body, clock() - timedelta(minutes=5, seconds=1)),
        sign(key, body, clock() + timedelta(minutes=5, seconds=1)),
    ]
    for header in bad:
        said = site.site.send("orders", body, {**JSON, "winback-signature": header.encode().decode("latin-1")})
        assert (said.status, said.body) == (401, {"error": "the signature, or its time, is not right"}), header


def test_two_keys_are_valid_while_one_takes_the_place_of_the_other(
    tmp_path: Path, sqlite_url: str, clock: Clock
) -> None:
    from pushed_world import pushed_world

    with pushed_world(tmp_path, sqlite_url, clock, keys={"old_signing_key": "o" * 32}) as site:
        body = b'{"orders": []}'
        for key in (site.site.signing_key, "o" * 32):
            assert site.site.post("orders", body, key=key).status == 200
        assert site.site.post("orders", body, key="p" * 32).status == 401
        both = sign(b"p" * 32, body, clock()) + "," + sign(b"o" * 32, body, clock()).partition(",")[2]
        assert site.site.send("orders", body, {**JSON, "winback-signature": both}).status == 200


def test_the_signature_is_what_the_page_says(clock: Clock) -> None:
    digest = hmac.new(b"secret", b'1772442000.{"orders":[]}', hashlib.sha256).hexdigest()
    assert signed_at(f"t=1772442000,v1={digest}", b'{"orders":[]}', [b"secret"], clock()) == clock()


def test_a_request_that_is_sent_again_changes_nothing(world: PushedWorld, clock: Clock) -> None:
    body = json.dumps({"checkouts": [checkout(clock)]}).encode()
    headers = {**JSON, "winback-signature": sign(world.site.signing_key.encode(), body, clock())}
    assert world.site.send("checkouts", body, headers).body["stored"] == 1
    assert world.site.send("checkouts", body, headers).body == {"stored": 0, "known": 1, "older": 0, "refused": []}
    assert world.site.send("orders", body, headers).status == 422


def test_complete_through_cannot_be_promised(site: PushedWorld, clock: Clock) -> None:
    ahead = (clock() + timedelta(seconds=2)).isoformat()
    said = site.site.post("orders", {"orders": [], "complete_through": ahead})
    assert (said.status, said.body["complete_through"]) == (422, None)
    assert said.body["refused"] == [{"path": "complete_through", "message": "lies after the time t of the signature"}]
    assert site.site.post("orders", {"orders": [], "complete_through": 17}).status == 422
    assert site.site.post("checkouts", {"checkouts": [], "complete_through": ahead}).status == 422


def test_a_key_that_sends_too_much_is_told_when_to_come_back(tmp_path: Path, sqlite_url: str, clock: Clock) -> None:
    from pushed_world import pushed_world

    with pushed_world(tmp_path, sqlite_url, clock, keys={"requests_per_second": 2}) as site:
        said = [site.site.post("orders", {"orders": []}) for _ in range(6)]
        refused = [one for one in said if one.status == 429]
        assert [one.status for one in said[:2]] == [200, 200]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        stranger = site.site.send("orders", b"{}", JSON)
        assert stranger.status == 401, "who has no key does not use it up"


def test_a_limit_refills() -> None:
    now = [0.0]
    limiter, rate = Limiter(lambda: now[0]), Rate(per_second=0.5, burst=2)
    assert [limiter.wait("a", rate) for _ in range(3)] == [0, 0, 2]
    assert limiter.wait("b", rate) == 0
    now[0] = 1.0
    assert limiter.wait("a", rate) == 1
    now[0] = 2.0
    assert [limiter.wait("a", rate) for _ in range(2)] == [0, 2]
    for number in range(MOST + 5):
        limiter.wait(number, rate)
    assert len(limiter._buckets) == MOST


def test_without_the_database_nothing_is_acknowledged(world: PushedWorld, clock: Clock) -> None:
    body = {"checkouts": [checkout(clock)]}
    with world.ctx.db.engine.begin() as connection:
        connection.exec_driver_sql("alter table stores rename to away")
    said = world.site.post("checkouts", body)
    with world.ctx.db.engine.begin() as connection:
        connection.exec_driver_sql("alter table away rename to stores")
    assert said.status in (500, 503)
    assert world.site.post("checkouts", body).body["stored"] == 1
