"""A CRM answers before it acts: who was enrolled minutes ago may not be there yet when they are to be let go (R7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from sqlalchemy import select
from world import World

from connector import tables
from connector.db import table
from connector.engine import view
from connector.sandbox import Fault, Reply

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, sqlite_url: str) -> Iterator[World]:
    """Ann is enrolled, and the CRM has not worked it off yet."""
    made = World(tmp_path, sqlite_url, clock)
    made.crm.deferred = True
    made.woo.abandon(ANN)
    made.after(minutes=20)
    made.after(minutes=11)
    assert [state for state, _ in made.states(ANN)] == ["enrolled"]
    assert made.effects() == []
    yield made
    made.close()


def withdrawals(acme: World) -> list[dict[str, Any]]:
    return [row for row in view.deliveries(acme.ctx, acme.client) if row["kind"] == "withdraw"]


@pytest.mark.parametrize("meanwhile", ["nothing", "a restart", "a wrong key"])
def test_who_buys_before_they_are_there_is_let_go_then(acme: World, meanwhile: str) -> None:
    right = acme.config["crms"]
    if meanwhile != "nothing":
        acme.restart(crms=[{**right[0], "api_key": "pk_wrong"}] if meanwhile == "a wrong key" else right)
    acme.woo.buy(email=ANN)
    acme.after(minutes=2)
    acme.restart(crms=right)
    for _ in range(2):
        acme.after(minutes=10)
    assert [row["state"] for row in withdrawals(acme)] == ["pending"]
    acme.crm.work_off()
    acme.crm.deferred = False
    acme.after(minutes=10)
    assert (acme.effects(), acme.effects("withdrawn")) == ([ANN], [ANN])
    assert acme.crm.tags(ANN) == set()
    assert withdrawals(acme) == []


def test_nobody_else_waits_with_them(acme: World) -> None:
    acme.woo.buy(email=ANN)
    acme.crm.deferred = False
    acme.crm._waiting.clear()  # never made
    acme.woo.abandon(BOB)
    for _ in range(4):
        acme.after(minutes=10)
        with acme.ctx.db.read() as connection:
            account = connection.execute(select(table(tables.Crm))).one()
        assert (account.failures, account.error, account.retry_at) == (0, "", None)
    assert acme.effects() == [BOB]
    (waiting,) = withdrawals(acme)
    assert "has not made this new contact yet" in waiting["reason"]
    assert acme.alerts == []


def test_who_never_comes_is_not_waited_for_longer_than_a_day(acme: World) -> None:
    acme.crm._waiting.clear()
    acme.woo.buy(email=ANN)
    for _ in range(3):
        acme.after(hours=7, minutes=50)
    assert len(withdrawals(acme)) == 1
    acme.after(hours=1)
    assert withdrawals(acme) == []
    assert acme.crm.status(ANN) == "", "and nobody was made"


def test_who_was_refused_is_not_waited_for(tmp_path: Path, clock: Clock, sqlite_url: str) -> None:
    acme = World(tmp_path, sqlite_url, clock)
    refused = Fault(Reply(400, {"errors": [{"detail": "Invalid email address"}]}))
    acme.crm.server.fault = lambda request: refused if request.path == "/api/events" else None
    acme.woo.abandon(ANN)
    acme.after(minutes=20)
    acme.after(minutes=11)
    acme.crm.server.fault = None
    assert [state for state, _ in acme.states(ANN)] == ["failed"]
    acme.woo.buy(email=ANN)
    acme.after(minutes=2)
    assert withdrawals(acme) == []
    acme.close()
