"""What an account allows is kept to: its pace, and how many connections it takes at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from connector.errors import TransientError
from connector.http import Http, Rate
from connector.sandbox import Fault, Reply, Request, Server


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http()
    yield http
    http.close()


@pytest.fixture
def store() -> Iterator[Server]:
    with Server(lambda request: Reply(200, {"path": request.path})) as server:
        yield server


def test_requests_of_two_doors_to_one_account_keep_its_pace(http: Http, store: Server) -> None:
    rate = Rate(per_second=20, burst=2, connections=8)
    doors = [http.door(store.url, name=name, account=f"{store.url} one", rate=rate) for name in ("a", "b")]
    started = time.monotonic()
    in_threads([partial(door.request, "GET", "/x") for door in doors for _ in range(5)])
    assert time.monotonic() - started >= 8 / 20  # 10 requests: 2 at once, then one every 50 ms
    arrivals = sorted(exchange.at for exchange in store.journal)
    assert (arrivals[-1] - arrivals[1]).total_seconds() >= 8 / 20 - 0.1


def test_another_account_is_not_slowed(http: Http, store: Server) -> None:
    slow = http.door(store.url, name="a", account=f"{store.url} one", rate=Rate(per_second=0.5))
    slow.request("GET", "/x")
    started = time.monotonic()
    http.door(store.url, name="b", account=f"{store.url} two", rate=Rate(per_second=0.5)).request("GET", "/x")
    assert time.monotonic() - started < 0.5


def test_a_changed_rate_holds_for_the_doors_there_are(http: Http, store: Server) -> None:
    old = http.door(store.url, name="a", account=f"{store.url} one", rate=Rate(per_second=0.1))
    old.request("GET", "/x")
    http.door(store.url, name="a", account=f"{store.url} one", rate=Rate(per_second=50))
    started = time.monotonic()
    old.request("GET", "/x")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("connections", [1, 3])
def test_no_more_connections_than_the_account_allows(http: Http, connections: int) -> None:
    busy, most = 0, 0
    lock = threading.Lock()

    def handle(_: Request) -> Reply:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.05)
        with lock:
            busy -= 1
        return Reply(200, {})

    with Server(handle) as server:
        rate = Rate(connections=connections)
        doors = [http.door(server.url, name=name, account=f"{server.url} one", rate=rate) for name in ("a", "b")]
        in_threads([partial(door.request, "GET", "/x") for door in doors for _ in range(4)])
    assert most == connections


def test_a_failed_request_gives_its_connection_back(http: Http, store: Server) -> None:
    door = http.door(store.url, name="the shop", rate=Rate(connections=1))
    store.fault = lambda _: Fault(reset=True)
    for _ in range(4):
        with pytest.raises(TransientError):
            door.request("POST", "/x")
    store.fault = None
    assert door.request("POST", "/x").status == 200


def in_threads(calls: list[Callable[[], Any]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
