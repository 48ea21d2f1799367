"""What every store platform makes of trouble: stores that are unwell, refuse, or answer with rubbish."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import pytest
from clock import Clock
from conformance_case import (
    HTML,
    JANE,
    KINDS,
    PAGE,
    QUIET,
    THREE,
    TROUBLES,
    Store,
    Trouble,
    a_store,
    also_counting,
    at_once,
    calls_of,
    is_sentence,
    with_odd_secrets,
)

from connector.errors import ConfigError, TransientError
from connector.registry import PLATFORMS, Readable
from connector.sandbox import Fault, Reply, Request


@pytest.mark.parametrize("status", [429, 503])
def test_a_store_that_asks_for_time_gets_it(store: Store, status: int) -> None:
    busy = Fault(Reply(status, {"message": "Busy"}, {"Retry-After": "120"}))
    for call in calls_of(store.adapter()).values():
        store.sandbox.server.fault = lambda _: busy
        with pytest.raises(TransientError) as caught:
            call()
        assert caught.value.retry_after == 120
        store.sandbox.server.fault = None


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_on_any_request_is_one_of_our_errors(store: Store, trouble: str) -> None:
    def suffer(what: str, first: int) -> bool:
        with a_store(store.name, Clock(), store.http) as other:
            stock(other)
            fault = Trouble(other.sandbox.server, TROUBLES[trouble], first=first)
            adapter = other.adapter()
            call = also_counting(adapter)[what]
            try:
                with other.http.in_haste():
                    call()
            except (ConfigError, TransientError) as error:
                is_sentence(error, other.secrets())
            fault.heal(other.http.sent)
            return bool(call())

    stock(store)
    jobs = []
    for what, call in also_counting(store.adapter()).items():
        healthy = Trouble(store.sandbox.server, Fault(), first=1 << 30)
        call()
        jobs += [partial(suffer, what, first) for first in range(healthy.seen)]
    assert all(at_once(jobs)), "and all is well again"


def stock(store: Store) -> None:
    for number in range(3):
        store.leave("checkouts", f"left{number}@example.com")
        store.leave("orders", f"bought{number}@example.com")
    store.clock.advance(QUIET)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 422, 429, 451, 500])
def test_no_refusal_repeats_a_secret_or_an_address(store: Store, status: int, caplog: pytest.LogCaptureFixture) -> None:
    for logger in ("connector", "platforms"):
        caplog.set_level("DEBUG", logger=logger)
    words = f"No {JANE} with {' and '.join(store.secrets())}"
    bodies = [{"message": words, "code": "no", "errors": words}, {"errors": [{"message": words}]}, words]
    for body in [*(json.dumps(body).encode() for body in bodies), PAGE]:
        store.sandbox.server.fault = lambda _, body=body: Fault(Reply(status, body, {**HTML, "Retry-After": "60"}))
        for call in calls_of(store.adapter()).values():
            with pytest.raises(THREE) as caught:
                call()
            is_sentence(caught.value, store.secrets())
    for record in caplog.records:
        is_sentence(f"a line in the log: {record.getMessage()}", store.secrets())


@pytest.mark.parametrize("status", [400, 403, 500])
def test_no_refusal_repeats_a_secret_of_any_shape(store: Store, status: int) -> None:
    options = with_odd_secrets(store.options)
    words = {"message": f"No key {' or '.join(options.secrets())}", "code": "no"}
    refused = Fault(Reply(status, words, {"Retry-After": "60"}))
    store.sandbox.server.fault = lambda _: refused
    for call in calls_of(cast(Readable, PLATFORMS[store.name](options, store.http))).values():
        with pytest.raises(THREE) as caught:
            call()
        is_sentence(caught.value, options.secrets())


def paths(record: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything in a record."""
    pairs = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    for key, value in pairs:
        yield (*place, key)
        yield from paths(value, (*place, key))


def records_of(answer: Any, item_id: str) -> Iterator[dict[str, Any]]:
    """Every record in an answer that stands in a list and has this id, or this token."""
    if isinstance(answer, list):
        named = (each for each in answer if isinstance(each, dict))
        yield from (each for each in named if item_id in (str(each.get("id")), each.get("token")))
    for value in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
        yield from records_of(value, item_id)


class Spoiler:
    """Answers as the store does, but with `changes` made to one record. `found` is the record as it was."""

    def __init__(self, store: Store, item_id: str) -> None:
        self._handle, self._id = store.sandbox.server.handler, item_id
        self.found: dict[str, Any] = {}
        self.changes: dict[tuple[Any, ...], Any] = {}
        store.sandbox.server.fault = self

    def __call__(self, request: Request) -> Fault:
        reply = self._handle(request)
        answer = json.loads(reply.payload())
        for record in records_of(answer, self._id):
            self.found = copy.deepcopy(record)
            for place, value in self.changes.items():
                inside: Any = record
                for key in place[:-1]:
                    inside = inside[key]
                inside[place[-1]] = value
        return Fault(Reply(reply.status, answer, reply.headers))


@pytest.mark.parametrize("what", KINDS)
def test_a_record_that_cannot_be_read_does_not_block_the_others(store: Store, what: str) -> None:
    before = store.leave(what, "before@example.com")
    bad = store.leave(what, JANE)
    after = store.leave(what, "after@example.com")
    store.clock.advance(QUIET)
    spoiler = Spoiler(store, bad)
    assert store.read(what).ids == {before, bad, after}
    assert spoiler.found, "the sandbox's answers hold no such record"
    places = [place for place in paths(spoiler.found) if "pageInfo" not in place]
    for place in places:
        for value in (None, "<b>rubbish</b>"):
            spoiler.changes = {place: value}
            assert {before, after} <= store.read(what).ids, (place, value)
    spoiler.changes = {place: None for place in places if len(place) == 1 and place != ("id",)}
    ruined = store.read(what)
    assert ruined.ids == {before, after}
    assert ruined.findings
    spoiler.changes = {}
    late = store.leave(what, "late@example.com")
    store.clock.advance(QUIET)
    assert late in store.read(what, ruined.cursor).ids, "and the cursor is as good as any"
