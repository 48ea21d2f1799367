"""The daemon's web server over real sockets."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from connector.errors import ConfigError
from connector.metrics import Metrics
from connector.web import Loop, Running, State, create_app, parse_listen, serve

LINKS = {"abc": "https://shop.example/recover?x=1&y=ä", "bad": "javascript:alert(1)"}
STATE = State(lambda: {"polls": Loop(1, 60)}, Metrics().registry, resolve=LINKS.get)


@contextmanager
def running(state: State, listen: str = "127.0.0.1:0") -> Iterator[Running]:
    server = serve(create_app(state), listen, password=state.login()[1])
    try:
        yield server
    finally:
        server.close()


def get(
    server: Running, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read().decode()
    finally:
        connection.close()


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("loops", "status", "late"),
    [
        ({"polls": Loop(59.9, 60), "deliveries": Loop(0, 10)}, 200, []),
        ({"polls": Loop(60.1, 60), "deliveries": Loop(0, 10)}, 503, ["polls"]),
        ({"polls": Loop(70, 60), "deliveries": Loop(11, 10)}, 503, ["deliveries", "polls"]),
        ({}, 503, []),
    ],
)
def test_health_names_the_loops_that_are_late(loops: dict[str, Loop], status: int, late: list[str]) -> None:
    with running(replace(STATE, health=lambda: loops)) as server:
        code, headers, body = get(server, "/healthz")
    assert (code, json.loads(body)["late"]) == (status, late)
    assert headers["cache-control"] == "no-store"


def test_health_that_cannot_be_told_is_not_well() -> None:
    def broken() -> dict[str, Loop]:
        raise OSError("the database is gone")

    with running(replace(STATE, health=broken)) as server:
        assert get(server, "/healthz")[0] == 500


def test_metrics_are_in_the_usual_form() -> None:
    metrics = Metrics()
    metrics.polled("acme", "shop", "orders", 1_700_000_000)
    metrics.poll_failed("acme", "shop", "orders", ConfigError("for jane@example.com"))
    metrics.leads({("acme", "shop", "enrolled"): 3})
    metrics.leads({("acme", "shop", "recovered"): 1})
    metrics.delivered("acme", "mail", "enrol", "enrolled")
    metrics.waiting({("acme", "mail"): 2})
    metrics.observe("mail", "POST", 200, 0.2)
    metrics.clicked(True)
    with running(replace(STATE, registry=metrics.registry)) as server:
        status, headers, body = get(server, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    for line in (
        'winback_polls_total{client="acme",store="shop",what="orders"} 1.0',
        'winback_poll_failures_total{client="acme",error="ConfigError",store="shop",what="orders"} 1.0',
        'winback_leads{client="acme",state="recovered",store="shop"} 1.0',
        'winback_deliveries_total{client="acme",crm="mail",kind="enrol",outcome="enrolled"} 1.0',
        'winback_deliveries_waiting{client="acme",crm="mail"} 2.0',
        'winback_http_requests_total{account="mail",method="POST",status="200"} 1.0',
        'winback_http_request_seconds_count{account="mail"} 1.0',
        'winback_short_link_clicks_total{known="yes"} 1.0',
    ):
        assert line in body
    assert 'state="enrolled"' not in body
    assert "jane" not in body


def test_a_short_link_leads_to_the_checkout_and_is_kept_nowhere() -> None:
    with running(STATE) as server:
        status, headers, _ = get(server, "/r/abc")
    assert status == 302
    assert headers["location"] == "https://shop.example/recover?x=1&y=%C3%A4"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("token", ["unknown", "bad", "%2e%2e", "abc%0d%0aX-Evil:1"])
def test_an_unknown_short_link_leads_to_the_store_front(token: str) -> None:
    with running(replace(STATE, front=lambda: "https://shop.example/")) as server:
        status, headers, _ = get(server, f"/r/{token}")
    assert (status, headers["location"]) == (302, "https://shop.example/")
    assert "x-evil" not in headers


@pytest.mark.parametrize("token", ["unknown", "bad"])
def test_without_a_store_front_it_says_so(token: str) -> None:
    with running(STATE) as server:
        status, headers, body = get(server, f"/r/{token}")
    assert status == 404
    assert headers["content-type"].startswith("text/plain")
    assert "not known" in body


async def _hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


GUARDED = replace(
    STATE,
    login=lambda: ("owner", "pässword:1"),
    routes=[Route("/", _hello), Route("/pages/{rest:path}", _hello)],
    signed=[Route("/hooks/{client}", _hello, methods=["POST"])],
)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/healthz", {}, 200),
        ("/r/abc", {}, 302),
        ("/metrics", {}, 401),
        ("/", {}, 401),
        ("/nowhere", {}, 401),
        ("/healthz/../metrics", {}, 401),
        ("//healthz", {}, 401),
        ("/pages/r/abc", {}, 401),
        ("/metrics", basic("owner", "pässword:1"), 200),
        ("/", basic("owner", "pässword:1"), 200),
        ("/metrics", basic("owner", "wrong"), 401),
        ("/metrics", basic("other", "pässword:1"), 401),
        ("/metrics", basic("owner", ""), 401),
        ("/metrics", {"Authorization": "Basic !!!"}, 401),
        ("/metrics", {"Authorization": "Basic"}, 401),
        ("/metrics", {"Authorization": "Bearer " + basic("owner", "pässword:1")["Authorization"].split()[1]}, 401),
    ],
)
def test_the_password_guards_everything_else(path: str, headers: dict[str, str], status: int) -> None:
    with running(GUARDED) as server:
        code, answer, _ = get(server, path, headers)
    assert code == status
    assert ("www-authenticate" in answer) == (status == 401)


def test_a_signed_route_checks_for_itself() -> None:
    with running(GUARDED) as server:
        assert get(server, "/hooks/acme", method="POST")[0] == 200


def test_without_a_password_only_this_machine_is_answered() -> None:
    for listen in ("0.0.0.0:0", ":0", "[::]:0"):
        with pytest.raises(ConfigError, match="no password"):
            serve(create_app(STATE), listen)
    with running(GUARDED, "0.0.0.0:0") as server:
        assert get(server, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8484", 200),
        ("localhost:8484", 200),
        ("[::1]:8484", 200),
        ("winback.localhost", 200),
        ("evil.example:8484", 403),  # a page whose own name leads to 127.0.0.1
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1@evil.example", 403),
        ("2130706433x", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_without_a_password_it_wants_to_be_called_by_this_machines_name(host: str, status: int) -> None:
    with running(replace(STATE, routes=[Route("/", _hello)])) as server:
        for path in ("/metrics", "/"):
            code, _, said = get(server, path, {"Host": host})
            assert code == status
            assert status == 200 or "winback" not in said
        assert get(server, "/healthz", {"Host": host})[0] == 200
        assert get(server, "/r/abc", {"Host": host})[0] == 302, "short links come through the owner's proxy"
    with running(GUARDED) as server:
        assert get(server, "/metrics", {"Host": host, **basic("owner", "pässword:1")})[0] == 200


def test_a_taken_port_is_the_owners_to_change() -> None:
    with running(STATE) as server, pytest.raises(ConfigError) as refused:
        serve(create_app(STATE), f"127.0.0.1:{server.port}")
    assert str(refused.value) == (
        f"http.listen: 127.0.0.1:{server.port} cannot be used: Address already in use. "
        "Stop what uses it, or set another one in winback.yaml"
    )


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:8484", ("127.0.0.1", 8484)),
        ("[::1]:8484", ("::1", 8484)),
        (":8484", ("0.0.0.0", 8484)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_listen_is_read(listen: str, expected: tuple[str, int]) -> None:
    assert parse_listen(listen) == expected


@pytest.mark.parametrize("listen", ["", "8484", "127.0.0.1", "127.0.0.1:port", "127.0.0.1:99999", "http://x:1", "[::1"])
def test_a_listen_that_cannot_be_read_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"write 127\.0\.0\.1:8484"):
        parse_listen(listen)


def test_closed_it_answers_no_more_and_leaves_no_thread() -> None:
    with running(STATE) as server:
        idle = socket.create_connection((server.host, server.port))
        assert get(server, "/healthz")[0] == 200
    with idle, pytest.raises(OSError, match="refused"):
        socket.create_connection((server.host, server.port), timeout=1)
    assert "winback-web" not in {thread.name for thread in threading.enumerate()}


def test_a_request_under_way_may_end() -> None:
    arrived, go = threading.Event(), threading.Event()

    def slow(token: str) -> str | None:
        arrived.set()
        go.wait(5)
        return LINKS["abc"]

    answers: list[int] = []
    with running(replace(STATE, resolve=slow)) as server:
        asking = threading.Thread(target=lambda: answers.append(get(server, "/r/abc")[0]))
        asking.start()
        assert arrived.wait(5)
        closing = threading.Thread(target=server.close)
        closing.start()
        time.sleep(0.2)
        go.set()
        asking.join(5)
        closing.join(5)
    assert answers == [302]


def test_no_password_and_no_link_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), running(GUARDED) as server:
        get(server, "/r/abc")
        get(server, "/metrics", basic("owner", "pässword:1"))
    text = caplog.text + repr(GUARDED)
    assert "/r/abc" not in text
    assert "pässword" not in text


def test_the_core_does_not_load_the_web() -> None:
    code = (
        "import sys, connector.http, connector.registry, connector.log, connector.options, connector.sandbox\n"
        "print(sorted({'starlette', 'uvicorn', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
