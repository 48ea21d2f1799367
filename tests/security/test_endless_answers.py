"""A store or CRM that was broken into, or its proxy: it can neither fill the memory nor hold a thread for ever."""

from __future__ import annotations

import contextlib
import gzip
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.errors import TransientError, WinbackError
from connector.http import MAX_BODY, Http, Timeouts
from connector.registry import CRMS, PLATFORMS, load
from connector.sandbox import Reply, Request, Server
from platforms.sandbox import shopify

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT = Timeouts(connect=1, read=1, total=1.5)


@pytest.fixture
def http() -> Iterator[Http]:
    made = Http(timeouts=LIMIT)
    yield made
    made.close()


@contextlib.contextmanager
def for_ever(start: bytes, part: bytes) -> Iterator[str]:
    """A server that sends the start, and then the same part as long as anybody reads."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(65536)
            connection.sendall(start)
            while not over.is_set():
                connection.sendall(part)
                time.sleep(0.001)

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("start", "part"),
    [
        pytest.param(OK, b"X-Header: 1\r\n", id="headers"),
        pytest.param(OK + b"X: ", b"a" * 1000, id="one header"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="interim answers"),
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", id="early hints"),
        pytest.param(b"HTTP/1.1 ", b"2", id="status line"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", id="chunks"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x=y;", id="chunk extension"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"Trailer: x\r\n", id="trailers"),
        pytest.param(OK + b"\r\n", b"a" * 100, id="body"),
    ],
)
def test_an_answer_without_an_end_ends_with_its_time(http: Http, start: bytes, part: bytes) -> None:
    with for_ever(start, part) as url:
        began = time.monotonic()
        with pytest.raises(TransientError):
            http.door(url, name="the shop").request("POST", "/x").json()
        assert time.monotonic() - began < 10, "1.5 seconds, on a machine that has other things to do"


NOTHING = 192 * 1024**2  # bytes: twelve times what an answer may have
BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip.compress(bytes(NOTHING), 1),
    "gzip, gzip": lambda: gzip.compress(gzip.compress(bytes(NOTHING), 1), 9),
    "deflate": lambda: zlib.compress(bytes(NOTHING), 1),
}
ASK = r"""
import re, sys
from pathlib import Path
from connector.errors import TransientError
from connector.http import Http
door = Http().door(sys.argv[1], name="the shop")
try:
    print(len(door.request("POST", "/x").json()))
except TransientError as error:
    print(error)
# Not ru_maxrss, which begins with what the process that started this one had.
print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def asked(handler: Callable[[Request], Reply]) -> tuple[str, int]:
    """What a process of its own says of an answer (this one has had other things in its memory), and its peak in MB."""
    with Server(handler) as server:
        done = subprocess.run(
            [sys.executable, "-c", ASK, server.url], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
        )
    said, peak = done.stdout.splitlines()
    return said, int(peak)


@pytest.mark.parametrize("packed", BOMBS)
def test_a_small_answer_that_unpacks_to_very_much_costs_little_memory(packed: str) -> None:
    bomb = BOMBS[packed]()
    assert len(bomb) < NOTHING / 100
    said, peak = asked(lambda _: Reply(200, bomb, {"Content-Encoding": packed}))
    assert said == "the shop: the answer is larger than 16 MiB"
    assert peak < 150, f"{peak} MB"


def test_the_largest_answer_costs_half_a_gigabyte_at_worst() -> None:
    """Nothing in JSON takes more memory for each of its letters than an empty object does."""
    many = (MAX_BODY - 4) // 3
    said, peak = asked(lambda _: Reply(200, b"[" + b"{}," * many + b"{}]"))
    assert said == str(many + 1)
    assert peak < 550, f"{peak} MB"


ENDLESS_METRICS = {
    "data": [{"id": "x", "attributes": {"name": "nothing"}}],
    "links": {"next": "http://127.0.0.1/api/metrics?page%5Bcursor%5D=abc%3D"},
}


def adapter(kind: Any, name: str, url: str, http: Http, **keys: Any) -> Any:
    load()
    cls = kind[name]
    known = {"platform": name} if kind is PLATFORMS else {"adapter": name}
    options = cls.Options(id="x", base_url=url, requests_per_second=100000, **known, **keys)
    return cls(options, http)


@pytest.mark.parametrize("pages", ["metrics", "fields", "campaigns"])
def test_a_list_in_a_crm_that_goes_on_for_ever_is_given_up(pages: str) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        if pages == "metrics":
            return Reply(200, ENDLESS_METRICS)
        row = {"perstag": "X", "title": "X", "name": "X"}
        return Reply(200, {pages: [{**row, "id": str(100 * len(asked) + number)} for number in range(100)]})

    http = Http(timeouts=Timeouts(5, 30, 60))
    with Server(answer) as server:
        if pages == "metrics":
            crm = adapter(CRMS, "klaviyo", server.url, http, api_key="pk_0123456789abcdef")
            assert crm._api.has_metric("Started Checkout") is False
            assert dict(asked[1].query)["page[cursor]"] == "abc=", "decoded once, encoded once"
        else:
            crm = adapter(CRMS, "activecampaign", server.url, http, api_key="0123456789")
            with pytest.raises(WinbackError):
                crm.prepare(["CART"], []) if pages == "fields" else crm.find_template("none")
    assert 50 < len(asked) <= 101
    http.close()


@pytest.mark.parametrize("cursor", ["same", None])
def test_a_list_in_a_store_that_does_not_go_on_is_given_up(cursor: str | None) -> None:
    shop = shopify.serve()
    for number in range(3):
        shop.abandon(f"shopper{number}@example.com")
    handler = shop.server.handler
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        listed = b"abandonedCheckouts" in request.body
        if listed:
            asked.append(request)
        reply = handler(asked[0] if listed else request)
        body = reply.body
        found = body.get("data", {}).get("abandonedCheckouts") if isinstance(body, dict) else None
        if found:
            found["pageInfo"] = {"hasNextPage": True, "endCursor": cursor}
        return reply

    shop.server.handler = answer
    http = Http(timeouts=Timeouts(5, 10, 30))
    load()
    cls = PLATFORMS["shopify"]
    store = cls(cls.Options.model_validate({"id": "shop", **shop.options()}), http)
    with pytest.raises(TransientError, match="does not go on"):
        list(store.checkouts(None, datetime(2020, 1, 1, tzinfo=UTC)))  # type: ignore[attr-defined]
    assert len(asked) <= 2
    http.close()
    shop.server.close()
