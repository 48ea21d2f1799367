"""Those who knock and say nothing, or not all, over real sockets: nobody else waits for them."""

from __future__ import annotations

import http.client
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from test_web import LINKS, STATE, get, running

from connector.request_body import PATIENCE as FOR_A_BODY
from connector.request_body import TooLargeError, body_of
from connector.web import Running
from connector.web_crowd import MOST_AT_ONCE, MOST_WAITING, PATIENCE

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"


async def taken(request: Request) -> PlainTextResponse:
    try:
        return PlainTextResponse(f"{len(await body_of(request, 100))}")
    except TooLargeError:
        return PlainTextResponse("", 413)
    except TimeoutError:
        return PlainTextResponse("", 408)
    except ClientDisconnect:
        return PlainTextResponse("", 400)


OPEN = replace(STATE, signed=[Route("/taken", taken, methods=["POST"])])


@pytest.fixture
def server() -> Iterator[Running]:
    with running(OPEN) as made:
        yield made


@pytest.fixture
def lines(server: Running) -> Iterator[list[socket.socket]]:
    """More connections than the server keeps waiting; what a test does with them is its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
        yield [stack.enter_context(line(server)) for _ in range(MOST_WAITING + 100)]


def line(server: Running, said: bytes = b"") -> socket.socket:
    made = socket.create_connection((server.host, server.port), timeout=2 * PATIENCE)
    made.sendall(said)
    return made


def is_over(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1000) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_crowd_that_says_nothing_keeps_nobody_out(server: Running, lines: list[socket.socket]) -> None:
    assert [get(server, path)[0] for path in ("/healthz", "/r/abc")] == [200, 302]
    left = [number for number, one in enumerate(lines) if not is_over(one)]
    assert len(left) <= MOST_WAITING
    assert min(left) >= len(lines) - MOST_WAITING - 5, "the one that waited longest goes first"


def test_a_crowd_of_requests_is_told_to_come_back_and_health_is_told_all_the_same() -> None:
    go, arrived = threading.Event(), threading.Event()

    def slow(_: str) -> str:
        arrived.set()
        go.wait(20)
        return LINKS["abc"]

    with running(replace(OPEN, resolve=slow)) as server, ExitStack() as stack:
        stack.callback(go.set)
        for _ in range(MOST_AT_ONCE):
            stack.enter_context(line(server, HALF))
        assert [get(server, path)[0] for path in ("/healthz", "/r/abc")] == [200, 503]
        assert not arrived.is_set()


def test_whoever_does_not_come_to_the_point_is_let_go(server: Running) -> None:
    """Neither words that drip, nor one good request before, buy more time; who asks something keeps the connection."""
    began = time.monotonic()
    silent, dripping, after, half = line(server), line(server, b"GET /r/abc"), line(server, HEALTH), line(server, HALF)
    answered = line(server, HALF.replace(b"/taken", b"/nothing"))
    good = http.client.HTTPConnection(server.host, server.port, timeout=5)
    for one, status in ((after, b"200"), (answered, b"401" if STATE.login()[1] else b"403")):
        assert one.recv(4000).split()[1] == status
    over: dict[str, float] = {}
    named = {"silent": silent, "dripping": dripping, "after": after, "answered": answered}
    while len(over) < len(named) and time.monotonic() - began < 2 * PATIENCE:
        good.request("GET", "/healthz")
        assert good.getresponse().read()
        for name, one in named.items():
            if name not in over and is_over(one):
                over[name] = time.monotonic() - began
        for one in (dripping, after, answered):
            try:
                one.send(b"x")
            except OSError:
                continue
        time.sleep(0.25)
    good.close()
    assert set(over) == set(named)
    assert all(0.9 * PATIENCE < seconds < 1.6 * PATIENCE for seconds in over.values()), over
    assert half.recv(1000).split()[1] == b"408"
    assert time.monotonic() - began > 0.9 * FOR_A_BODY
    for one in (silent, dripping, after, answered, half):
        one.close()


@pytest.mark.parametrize(
    ("length", "status"), [(100, 200), (101, 413), ("1" * 19, 413), ("٣", 400), ("-1", 400), ("+5", 400), ("5, 6", 400)]
)
def test_a_body_has_the_length_that_it_may_have(server: Running, length: object, status: int) -> None:
    body = b"x" * int(str(length)) if length in (100, 101) else b""
    with line(server, f"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode() + body) as one:
        assert one.recv(1000).split()[1] == str(status).encode()
