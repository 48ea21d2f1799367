"""Whatever stands in one record of a store, the poll goes on, the rest of the page is read, and nobody is lost."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from world import World

from connector.sandbox import Reply, Request

GOOD, ODD = "good@example.com", "odd@example.com"
ODD_TEXTS = (
    "", " ", "\x00", "\ud800", "💥" * 300, "\u202eevil", "-1", "1e999", "NaN", "0", "9" * 400, "2026-13-45T99:00:00",
    "0000-00-00T00:00:00", "<script>alert(1)</script>", "{{ 7*7 }}", "*|FNAME|*", "'; drop table leads; --", "a@b",
    "odd@example.com, eve@example.com", "http://[::1", "gid://shopify/", "JPY", "KWD", "€", "null",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 10**30, 1e308, [], {}, [None], [[]], {"": None}, *ODD_TEXTS]),
    st.text(max_size=30),
    st.recursive(st.none() | st.integers(), lambda inner: st.lists(inner, max_size=2), max_leaves=5),
)
PLACES = st.lists(st.integers(0, 10_000), min_size=1, max_size=4)
MANY = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything in a JSON document, but for the document itself."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*before, key)
        yield from paths(inner, (*before, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    """Puts a value at a place, where that place is still there."""
    *way, last = path
    for key in way:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(document, dict) or (isinstance(document, list) and isinstance(last, int) and last < len(document)):
        document[last] = value


def spoil(record: Any, places: list[int], values: list[Any], kept: set[str]) -> None:
    """Changes some values anywhere in a record, but not what it is sorted by."""
    every = [path for path in paths(record) if path[-1] not in kept and path[0] not in kept]
    for place, value in zip(places, values, strict=False):
        put(record, every[place % len(every)], copy.deepcopy(value))


def spoiled_woo(places: list[int], values: list[Any]) -> Callable[[Any], None]:
    """Spoils the odd shopper's order in a page of orders."""

    def change(data: Any) -> None:
        for order in data if isinstance(data, list) else ():
            if isinstance(order, dict) and (order.get("billing") or {}).get("email") == ODD:
                spoil(order, places, values, {"id", "date_modified_gmt"})

    return change


def spoiled_shopify(places: list[int], values: list[Any]) -> Callable[[Any], None]:
    """Spoils the odd shopper's checkout in a page of abandoned checkouts."""

    def change(data: Any) -> None:
        found = ((data.get("data") or {}).get("abandonedCheckouts") or {}) if isinstance(data, dict) else {}
        for node in found.get("nodes") or [edge["node"] for edge in found.get("edges") or []]:
            if ODD in json.dumps(node):
                spoil(node, places, values, {"id", "updatedAt"})

    return change


def through(server: Any, change: Callable[[Any], None]) -> None:
    """From now on the server's JSON answers are changed on their way."""
    handler = server.handler

    def answer(request: Request) -> Reply:
        reply: Reply = handler(request)
        if reply.status != 200 or not reply.payload():
            return reply
        body = json.loads(reply.payload())
        change(body)
        return Reply(reply.status, json.dumps(body, default=str).encode("utf-8", "replace"), reply.headers)

    server.handler = answer


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("store", ["woo", "shop"])
@MANY
@example(places=[408], values=[None] * 4)  # a currency that is null
@given(places=PLACES, values=st.lists(VALUES, min_size=4, max_size=4))
def test_one_odd_record_blocks_nobody(
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    store: str,
    database: str,
    places: list[int],
    values: list[Any],
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    url = f"sqlite:///{folder}/acme.db" if database == "sqlite" else request.getfixturevalue("fresh_postgres")()
    acme = World(folder, url, Clock())
    try:
        sandbox = getattr(acme, store)
        spoiled = spoiled_woo if store == "woo" else spoiled_shopify
        through(sandbox.server, spoiled(places, values))
        sandbox.abandon(ODD)
        sandbox.abandon(GOOD)
        report = acme.after(minutes=45)
        assert not report.errors, report.errors
        assert GOOD in acme.effects()
        sandbox.buy(email=GOOD)
        acme.clock.advance(timedelta(minutes=5))
        assert not acme.sync().errors
        assert GOOD in acme.effects("withdrawn")
    finally:
        acme.close()
        for left in Path(folder).glob("*"):
            left.unlink()


@pytest.mark.parametrize("store", ["woo", "shop"])
def test_what_could_not_be_read_is_said(tmp_path: Path, clock: Clock, store: str) -> None:
    """The spoiling does reach the record: here, where every value of it is nonsense."""
    acme = World(tmp_path, f"sqlite:///{tmp_path}/acme.db", clock)
    spoiled = spoiled_woo if store == "woo" else spoiled_shopify
    through(getattr(acme, store).server, spoiled(list(range(500)), [[None]] * 500))
    for email in (ODD, GOOD):
        getattr(acme, store).abandon(email)
    report = acme.after(minutes=45)
    assert acme.effects() == [GOOD]
    (finding,) = report.polled[f"acme/{store}"].findings
    assert "could not be read" in finding.message
    assert ODD not in finding.message
    acme.close()
