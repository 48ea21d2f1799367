"""R9: whoever unsubscribes in the shop gets no further step, though no checkout of theirs changes by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from world import World

from connector.engine import view
from connector.model import ConsentState
from connector.sandbox import Fault, Reply, Request

ANN, BOB = "ann@example.com", "bob@example.com"
ID = "gid://shopify/Customer/1"
UNSUBSCRIBED = {"emailAddress": ANN, "marketingState": "UNSUBSCRIBED", "marketingUpdatedAt": "2026-11-01T00:00:00Z"}


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[World]:
    """A Shopify shop with so much to do that nothing old is read again."""
    made = World(tmp_path, database_url, clock, sequence=[{"after": "2h"}, {"after": "24h"}])
    yield made
    made.close()


def go_on(acme: World, hours: float, every: float = 1.0) -> None:
    """Somebody else comes again and again, so that what is read of the shop moves on."""
    for _ in range(round(hours / every)):
        acme.shop.abandon("")
        acme.after(hours=every)


def steps(acme: World, email: str) -> list[tuple[str, str]]:
    """(state, error) of a shopper's steps."""
    (lead,) = view.leads(acme.ctx, acme.client, email=email)
    return [(step["state"], step["error"]) for step in lead["steps"]]


def customers_asked(acme: World) -> int:
    """How often the shop was asked for customers."""
    return sum(b"query Customers(" in exchange.request.body for exchange in acme.shop.server.journal)


def test_between_two_steps(acme: World) -> None:
    acme.shop.abandon(ANN, consent=ConsentState.OPTED_IN)
    acme.shop.abandon(BOB, consent=ConsentState.OPTED_IN)
    go_on(acme, 4)
    acme.shop.unsubscribe(ANN)
    go_on(acme, 24)
    assert sorted(acme.effects()) == [ANN, BOB, BOB]
    assert [state for state, _ in steps(acme, ANN)] == ["done", "no_consent"]


def test_before_the_first_step(acme: World) -> None:
    acme.shop.abandon(ANN, consent=ConsentState.OPTED_IN)
    go_on(acme, 1.5, 0.25)
    acme.shop.unsubscribe(ANN)
    go_on(acme, 2, 0.25)
    assert acme.effects() == []
    assert acme.states(ANN) == [("no_consent", "R9")]


def test_nothing_goes_out_while_it_cannot_be_asked_and_buyers_are_seen_all_the_same(acme: World) -> None:
    def refuse(request: Request) -> Fault | None:
        return Fault(Reply(503, {})) if b"query Customers(" in request.body else None

    acme.shop.abandon(ANN, consent=ConsentState.OPTED_IN)
    acme.shop.abandon(BOB, consent=ConsentState.OPTED_IN)
    go_on(acme, 4)
    acme.shop.server.fault = refuse
    acme.shop.unsubscribe(ANN)
    go_on(acme, 22)
    acme.shop.buy(email=BOB)
    go_on(acme, 1)
    assert acme.states(BOB) == [("recovered", "R7")]
    assert acme.effects("withdrawn") == [BOB]
    assert acme.effects().count(ANN) == 1
    acme.shop.server.fault = None
    go_on(acme, 2)
    assert acme.effects().count(ANN) == 1
    assert [state for state, _ in steps(acme, ANN)] == ["done", "no_consent"]


@pytest.mark.parametrize(
    "node",
    [
        pytest.param(None, id="deleted"),
        pytest.param({"id": ID, "defaultEmailAddress": {**UNSUBSCRIBED, "emailAddress": BOB}}, id="another address"),
        pytest.param({"id": ID, "defaultEmailAddress": None}, id="no address"),
        pytest.param({"id": ID, "defaultEmailAddress": {**UNSUBSCRIBED, "marketingUpdatedAt": "soon"}}, id="odd"),
        pytest.param({"defaultEmailAddress": UNSUBSCRIBED}, id="no id"),
    ],
)
def test_what_says_nothing_of_the_address_changes_nothing(acme: World, node: Any) -> None:
    def answer(request: Request) -> Fault | None:
        if b"query Customers(" not in request.body:
            return None
        (asked,) = json.loads(request.body)["variables"]["ids"]
        return Fault(Reply(200, {"data": {"nodes": [{**node, "id": asked} if node and "id" in node else node]}}))

    acme.shop.abandon(ANN, consent=ConsentState.OPTED_IN)
    go_on(acme, 4)
    acme.shop.server.fault = answer
    go_on(acme, 24)
    assert acme.effects() == [ANN, ANN]


def test_only_those_whose_turn_it_is_are_asked_about(acme: World) -> None:
    for number in range(150):
        acme.shop.abandon(f"shopper{number}@example.com", consent=ConsentState.OPTED_IN)
    go_on(acme, 2.25, 0.25)
    assert len(acme.effects()) == 150
    asked = customers_asked(acme)
    assert asked >= 2, "a hundred at once"
    go_on(acme, 8)
    assert customers_asked(acme) == asked
