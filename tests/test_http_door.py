"""The HTTP door over real sockets: what it repeats, what it never repeats, and what it says when it gives up."""

from __future__ import annotations

import gzip
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime

import pytest
from clock import Clock

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.http import MAX_BODY, Door, Http, Rate, Timeouts, TooLargeError
from connector.sandbox import Fault, Reply, Request, Server

KEY = "k3y-that-nobody-may-see"
FREE = Rate(connections=16)


@pytest.fixture(scope="module")  # one for all, as in the daemon
def http() -> Iterator[Http]:
    http = Http(timeouts=Timeouts(connect=1, read=0.3, total=0.5))
    yield http
    http.close()


@pytest.fixture
def store() -> Iterator[Server]:
    with Server(lambda request: Reply(200, {"path": request.path})) as server:
        yield server


@pytest.fixture
def door(http: Http, store: Server) -> Door:
    return http.door(store.url, name="the shop", rate=FREE, headers={"Authorization": f"Bearer {KEY}"}, secrets=[KEY])


def methods(server: Server, count: int) -> list[str]:
    """What the server was asked. It writes down a delayed request only after the delay."""
    until = time.monotonic() + 3
    while len(server.journal) < count and time.monotonic() < until:
        time.sleep(0.01)
    return [exchange.request.method for exchange in server.journal]


def first(fault: Fault) -> Callable[[Request], Fault | None]:
    """That trouble for the first request only."""
    left = iter([fault])
    return lambda request: next(left, None)


def always(fault: Fault) -> Callable[[Request], Fault | None]:
    return lambda request: fault


# What may be repeated at once, and what may not

LOST = [
    pytest.param(Fault(reset=True), id="reset before the effect"),
    pytest.param(Fault(reset=True, after_effect=True), id="reset after the effect"),
    pytest.param(Fault(truncate=3), id="truncated"),
    pytest.param(Fault(delay=0.5), id="too late"),
    pytest.param(Fault(drip=0.2), id="drips beyond the whole time"),
    pytest.param(Fault(Reply(200, b"{}", {"Content-Encoding": "gzip"})), id="no gzip"),
]


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_lost_answer_is_asked_for_again(door: Door, store: Server, fault: Fault, method: str) -> None:
    store.fault = first(fault)
    assert door.request(method, "/x").status == 200
    assert methods(store, 2) == [method, method]


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_have_had_its_effect_is_not_repeated(door: Door, store: Server, fault: Fault, method: str) -> None:
    store.fault = first(fault)
    with pytest.raises(TransientError, match="the shop: the answer was lost: "):
        door.request(method, "/x", json={})
    assert methods(store, 1) == [method]


def test_the_caller_knows_better_than_the_method(door: Door, store: Server) -> None:
    store.fault = first(Fault(reset=True, after_effect=True))
    assert door.request("POST", "/x", repeatable=True).status == 200
    store.fault = first(Fault(reset=True, after_effect=True))
    with pytest.raises(TransientError):
        door.request("DELETE", "/x", repeatable=False)
    assert methods(store, 3) == ["POST", "POST", "DELETE"]


@pytest.mark.parametrize("status", [408, 500, 502, 503, 529])
def test_a_server_that_is_unwell_is_asked_three_times(door: Door, store: Server, status: int) -> None:
    store.fault = always(Fault(Reply(status, b"<html>Bad</html>", {"Content-Type": "text/html"})))
    with pytest.raises(TransientError, match=f"^the shop answered HTTP {status}$"):
        door.request("GET", "/x")
    assert len(store.journal) == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_post_to_a_server_that_is_unwell_is_not_repeated(door: Door, store: Server, status: int) -> None:
    store.fault = first(Fault(Reply(status)))
    with pytest.raises(TransientError):
        door.request("POST", "/x")
    assert len(store.journal) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_short_retry_after_is_waited_for(door: Door, store: Server, status: int, method: str) -> None:
    store.fault = first(Fault(Reply(status, None, {"Retry-After": "0.3"})))
    started = time.monotonic()
    assert door.request(method, "/x").status == 200
    assert 0.3 <= time.monotonic() - started < 0.8


def test_a_retry_after_beside_a_500_does_not_make_a_post_repeatable(door: Door, store: Server) -> None:
    store.fault = first(Fault(Reply(500, None, {"Retry-After": "0"})))
    with pytest.raises(TransientError):
        door.request("POST", "/x")
    assert len(store.journal) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_long_retry_after_goes_back_to_the_queue(door: Door, store: Server, method: str) -> None:
    store.fault = always(Fault(Reply(429, {"detail": "slow down"}, {"Retry-After": "120"})))
    with pytest.raises(TransientError, match="slow down") as caught:
        door.request(method, "/x")
    assert caught.value.retry_after == 120
    assert len(store.journal) == 1


def test_a_retry_after_may_be_a_date_on_the_servers_own_clock(http: Http, clock: Clock) -> None:
    until = format_datetime(clock() + timedelta(minutes=10), usegmt=True)
    with Server(lambda _: Reply(503, None, {"Retry-After": until}), clock=clock) as server:
        door = http.door(server.url, name="the shop")
        with pytest.raises(TransientError) as caught:
            door.request("GET", "/x")
    assert caught.value.retry_after == 600


# What an answer means


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RejectedError), (401, ConfigError), (403, ConfigError), (404, RejectedError), (422, RejectedError)],
)
def test_a_refusal_is_not_repeated(door: Door, store: Server, status: int, kind: type[WinbackError]) -> None:
    store.fault = always(Fault(Reply(status, {"errors": [{"detail": f"jane@example.com with {KEY} is\n unknown."}]})))
    with pytest.raises(kind) as caught:
        door.request("GET", "/x")
    words = f"the shop answered HTTP {status}: j***@example.com with *** is  unknown."
    expected = f"{words[:-1]}. Check the key and what it may do" if kind is ConfigError else words
    assert str(caught.value) == expected
    assert len(store.journal) == 1


def test_an_allowed_status_is_an_answer(door: Door, store: Server) -> None:
    store.fault = always(Fault(Reply(404, {"detail": "unknown"})))
    response = door.request("GET", "/x", allow=[404])
    assert (response.status, response.json()) == (404, {"detail": "unknown"})
    assert isinstance(door.error(response, "no such list"), RejectedError)


@pytest.mark.parametrize("depth", [900, 1900])
def test_an_error_body_cannot_dig_too_deep(door: Door, store: Server, depth: int) -> None:
    store.fault = always(Fault(Reply(400, b"[" * depth + b"]" * depth)))
    with pytest.raises(RejectedError):
        door.request("GET", "/x")


def test_a_long_error_body_is_understood_to_its_end(door: Door, store: Server) -> None:
    store.fault = always(Fault(Reply(400, {"trace": "x" * 9000, "message": "the list is closed"})))
    with pytest.raises(RejectedError, match=r"^the shop answered HTTP 400: the list is closed$"):
        door.request("GET", "/x")


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://www.shop.example/x?key=1", "https://www.shop.example"),
        (f"https://user:{KEY}@other.example/", "another page"),
        ("/elsewhere", "another page"),
        ("http://[", "another page"),
        ("", "another page"),
    ],
)
def test_a_redirect_is_refused_and_says_where_to(door: Door, store: Server, location: str, where: str) -> None:
    store.fault = always(Fault(Reply(301, None, {"Location": location})))
    with pytest.raises(ConfigError, match=f"^the shop redirects to {where}. Put the final address") as caught:
        door.request("GET", "/x")
    assert KEY not in str(caught.value)
    assert len(store.journal) == 1


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"", b'{"a":', b"\xff\xfe\x00", b"[" * 100_000])
def test_an_answer_that_is_not_json_is_worth_another_try(door: Door, store: Server, body: bytes) -> None:
    store.handler = lambda _: Reply(200, body, {"Content-Type": "text/html"})
    with pytest.raises(TransientError, match="is not JSON"):
        door.request("GET", "/x").json()


def test_json_is_read_whatever_type_it_claims_and_with_a_mark_before_it(door: Door, store: Server) -> None:
    store.handler = lambda _: Reply(200, b'\xef\xbb\xbf{"a": 1}', {"Content-Type": "text/html"})
    assert door.request("GET", "/x").json() == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>",
        b"\xef\xbb\xbf<!DOCTYPE html><html>",
        b" \n<!-- gateway --><html>",
        b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html>',
        b"<head><title>Please wait</title></head>",
        b"<br />\n<b>Warning</b>: something",
        b"default backend - 404",
        b"404 page not found",
        b"OK",
        b" " * 1_000_000 + b"x",
    ],
    ids=lambda body: body[:40].decode("utf-8", "replace").strip(),
)
def test_what_something_in_between_says_is_neither_success_nor_absence(door: Door, store: Server, body: bytes) -> None:
    store.handler = lambda request: Reply(int(request.path[1:]), body)
    for status, method in ((200, "DELETE"), (201, "POST"), (202, "POST"), (404, "DELETE")):
        with pytest.raises(TransientError, match=rf"^the shop answered HTTP {status} with a web page or other text"):
            door.request(method, f"/{status}", allow=[404], repeatable=False)
        assert door.request(method, f"/{status}", allow=[404], pages=True).body == body


@pytest.mark.parametrize(
    "body", [b"", b" \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}", b" []", b'"OK"', b"true\n", b"null", b"-1.5"]
)
def test_json_and_nothing_at_all_are_the_apis_own_word(door: Door, store: Server, body: bytes) -> None:
    store.handler = lambda request: Reply(int(request.path[1:]), body, {"Content-Type": "text/html"})
    for status in (200, 202, 404):
        assert door.request("DELETE", f"/{status}", allow=[404]).body == body


# What goes over the wire


def test_gzip_is_unpacked_also_when_it_drips(http: Http, store: Server) -> None:
    packed = gzip.compress(b'{"a": 1}')
    store.handler = lambda _: Reply(200, packed, {"Content-Encoding": "gzip"})
    store.fault = first(Fault(drip=0.005))
    door = http.door(store.url, name="the shop")
    assert [door.request("GET", "/x").json() for _ in range(2)] == [{"a": 1}] * 2
    assert store.journal[0].request.headers["accept-encoding"] == "gzip"
    assert store.journal[0].request.headers["user-agent"].startswith("winback/")


def test_an_answer_that_is_too_large_is_dropped_whether_packed_or_not(store: Server) -> None:
    http = Http(timeouts=Timeouts(total=20))
    packed, at_most = gzip.compress(bytes(MAX_BODY + 1), compresslevel=1), gzip.compress(b" " * MAX_BODY, 1)
    store.handler = lambda _: Reply(200, packed, {"Content-Encoding": "gzip"})
    with pytest.raises(TooLargeError, match=r"^the shop: the answer is larger than 16 MiB$"):
        http.door(store.url, name="the shop").request("GET", "/x")
    assert len(store.journal) == 1, "it would be as large the next time"
    store.handler = lambda _: Reply(200, at_most, {"Content-Encoding": "gzip"})
    assert len(http.door(store.url, name="the shop").request("GET", "/x").body) == MAX_BODY
    http.close()


def test_bodies_queries_and_headers_are_encoded(door: Door, store: Server) -> None:
    door.request("POST", "/a b/ü", query={"q": "a&b=ü"}, json={"name": "Zoë \ud83d"}, headers={"AUTHORIZATION": "x"})
    door.request("POST", "/f?x=1", query=[("y", "1"), ("y", "2")], form={"name": "Zoë & \ud83d"})
    door.request("GET", "/n")
    json_sent, form_sent, nothing_sent = (exchange.request for exchange in store.journal)
    assert (json_sent.path, json_sent.query) == ("/a b/ü", (("q", "a&b=ü"),))
    assert json_sent.body == '{"name":"Zoë ?"}'.encode()
    assert json_sent.headers["content-type"] == "application/json"
    assert json_sent.headers["authorization"] == "x"
    assert form_sent.query == (("x", "1"), ("y", "1"), ("y", "2"))
    assert form_sent.body == b"name=Zo%C3%AB+%26+%3F"
    assert form_sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form_sent.headers["authorization"] == f"Bearer {KEY}"
    assert "content-type" not in nothing_sent.headers
    assert nothing_sent.headers["accept"] == "application/json"


@pytest.mark.parametrize("path", ["/x\r\nX-Evil: 1", "/x y", "/\x00", "/%0d%0aX-Evil:1"])
def test_a_path_cannot_smuggle_a_header(door: Door, store: Server, path: str) -> None:
    door.request("GET", path)
    assert "x-evil" not in store.journal[0].request.headers
    assert len(store.journal) == 1


@pytest.mark.parametrize("value", ["abc\n", "a\r\nb", "ключ", "a\x00", "\ud83d"])
def test_a_key_that_cannot_be_sent_is_the_owners_to_mend(http: Http, store: Server, value: str) -> None:
    door = http.door(store.url, name="the shop", headers={"x-key": value}, secrets=[value])
    with pytest.raises(ConfigError, match=r"^the shop: a key holds a line break or another odd character") as caught:
        door.request("GET", "/x")
    assert value not in str(caught.value)
    assert store.journal == []


def test_connections_are_kept_and_used_again(http: Http) -> None:
    ports: set[str] = set()
    with Server(lambda request: Reply(200, {"n": len(request.path)})) as server:
        door = http.door(server.url, name="the shop")
        before = threading.active_count()
        for n in range(5):
            door.request("GET", f"/{n}")
            ports.add(str(threading.active_count() - before))
    assert len(server.journal) == 5
    assert max(int(count) for count in ports) <= 1  # the sandbox has a thread for each connection


# Where it goes


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}/x",
        "http://127.0.0.1/x",
        "http://localhost:{port}/x",
        "http://127.0.0.1:{port}.evil.example/x",
        "http://127.0.0.1:{port}@evil.example/x",
        "http://evil.example\\@127.0.0.1:{port}/x",
        "http://evil.example#@127.0.0.1:{port}/x",
        "http://user@127.0.0.1:{port}/x",
        "http://[",
        "http://[::1/x",
        "//127.0.0.1:{port}/x",
        "/x",
        "",
    ],
)
def test_a_request_to_another_origin_is_refused(door: Door, store: Server, url: str) -> None:
    with pytest.raises(ConfigError, match="another host than the configured one"):
        door.send("GET", url.format(port=store.port), headers={"authorization": KEY})
    assert store.journal == []


def test_a_door_whose_own_address_is_none_opens_to_nobody(http: Http, store: Server) -> None:
    door = http.door("http://user@127.0.0.1:9", name="the shop", rate=FREE)
    with pytest.raises(ConfigError, match="another host"):
        door.send("GET", store.url.replace("://", "://user@") + "/x", headers={})
    assert store.journal == []


def test_the_same_origin_may_be_written_otherwise(door: Door, store: Server) -> None:
    assert door.send("GET", store.url.upper() + "/x?page=2", headers={}).status == 200


def test_a_path_that_would_change_the_host_is_refused(door: Door, store: Server) -> None:
    for path in (".evil.example/x", "@evil.example/x", "0/x"):
        with pytest.raises(ConfigError, match="another host"):
            door.request("GET", path)
    assert store.journal == []


# What is shown


def test_nothing_that_is_shown_holds_a_secret(http: Http, door: Door, store: Server) -> None:
    store.handler = lambda _: Reply(200, {"key": KEY}, {"X-Key": KEY})
    response = door.request("GET", "/x", query={"api_key": KEY})
    assert KEY not in repr((http, door, response))
    for fault in (Fault(Reply(400, KEY.encode())), Fault(Reply(401, {"message": f"bad {KEY}"})), Fault(reset=True)):
        store.fault = always(fault)
        with pytest.raises(WinbackError) as caught:
            door.request("POST", f"/{KEY}", query={"api_key": KEY})
        assert KEY not in f"{caught.value}{caught.value!r}"
        assert KEY not in "".join(traceback.format_exception(caught.value))


def test_observers_see_every_exchange(http: Http, door: Door, store: Server) -> None:
    seen: list[tuple[str, str, int]] = []
    http.observers.append(lambda name, method, status, seconds: seen.append((name, method, status)))
    store.fault = first(Fault(reset=True))
    door.request("GET", "/x")
    http.observers.clear()
    assert seen == [("the shop", "GET", 0), ("the shop", "GET", 200)]
