"""R8 by the stores' clocks: a machine whose own clock is months wrong deletes nothing too soon or too late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from clock import Clock, Machine
from sqlalchemy import func, select
from world import World

from connector import tables
from connector.db import table
from connector.engine.daemon import Daemon
from connector.engine.retention import keep_times
from connector.engine.view import deliveries, explain
from connector.sandbox import Fault, Reply

ANN = "ann@example.com"
KEPT = (tables.Lead, tables.Checkout, tables.Order, tables.Event, tables.Delivery, tables.Window)


@pytest.fixture
def machine(clock: Clock) -> Machine:
    """It is right at first."""
    return Machine(clock)


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, machine: Machine, sqlite_url: str) -> Iterator[World]:
    """Ann is enrolled; Bob has bought."""
    made = World(tmp_path, sqlite_url, clock)
    made.ctx.clock = machine
    made.woo.abandon(ANN)
    made.woo.buy(email="bob@example.com")
    made.after(minutes=31)
    assert made.effects() == [ANN]
    yield made
    made.close()


def kept(acme: World) -> list[int]:
    """How many rows there are of each kind."""
    with acme.ctx.db.read() as connection:
        return [connection.execute(select(func.count()).select_from(table(model))).scalar_one() for model in KEPT]


def test_a_machine_that_is_ahead_ends_nothing(acme: World, machine: Machine) -> None:
    before = kept(acme)
    machine.ahead = timedelta(days=200)
    acme.after(minutes=1)
    assert kept(acme) == before
    assert acme.states(ANN) == [("enrolled", "")]
    assert explain(acme.ctx, acme.client, ANN)
    assert acme.effects("withdrawn") == []


def test_nor_before_any_store_was_asked_again(acme: World, machine: Machine) -> None:
    before = kept(acme)
    machine.ahead = timedelta(days=200)
    keep_times(acme.ctx, machine())
    assert kept(acme) == before


def test_nor_while_no_store_can_be_read(acme: World, machine: Machine) -> None:
    """As by a clock that is so far ahead that every certificate has expired."""
    before = kept(acme)
    machine.ahead = timedelta(days=200)
    for store in (acme.woo, acme.shop):
        store.server.fault = lambda _: Fault(reset=True)
    daemon = Daemon(acme.ctx, tick=0.05)
    daemon.start()
    time.sleep(0.5)
    daemon.stop()
    acme.after(minutes=5)
    assert kept(acme) == before


@pytest.mark.parametrize("ahead", [-200, 0, 200])
def test_whatever_the_machine_says_ninety_days_are_ninety(acme: World, machine: Machine, ahead: int) -> None:
    acme.after(minutes=1)
    machine.ahead = timedelta(days=ahead)
    acme.after(days=89)
    assert acme.states(ANN) == [("enrolled", "")]
    acme.after(days=2)
    assert acme.states(ANN) == [("expired", "R8")]
    assert kept(acme)[0] == 0
    acme.after(minutes=1)
    rows = deliveries(acme.ctx, acme.client, everything=True)
    assert [row["state"] for row in rows if row["kind"] == "withdraw"] == ["done"]


def test_a_store_that_cannot_be_read_for_long_keeps_nobody(acme: World) -> None:
    for store in (acme.woo, acme.shop):
        store.server.fault = lambda _: Fault(Reply(401, {}))
    acme.after(days=80)
    acme.after(days=11)
    assert kept(acme)[0] == 0


def test_nor_does_one_that_has_left(acme: World, machine: Machine) -> None:
    acme.restart(stores=[acme.config["stores"][1]])
    acme.after(days=91)
    assert kept(acme)[0] == 0


def test_after_a_long_time_off_a_daemon_lets_go_as_soon_as_the_stores_were_read(acme: World) -> None:
    acme.clock.advance(timedelta(days=95))
    daemon = Daemon(acme.ctx, tick=0.05)
    daemon.start()
    end = time.monotonic() + 20
    while acme.states(ANN) != [("expired", "R8")] and time.monotonic() < end:
        time.sleep(0.05)
    daemon.stop()
    assert acme.states(ANN) == [("expired", "R8")]
