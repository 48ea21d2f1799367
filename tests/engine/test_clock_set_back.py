"""The machine's clock is set back: nothing waits for the old time, and R4 believes no word of then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock, Machine
from sqlalchemy import select
from world import World

from connector import tables
from connector.db import table
from connector.engine.daemon import Daemon
from connector.engine.setup import apply_configuration
from connector.sandbox import Fault, Reply, Request

ANN, BOB = "ann@example.com", "bob@example.com"
STORES, CRMS = table(tables.Store), table(tables.Crm)
SAID = "the clock of this machine was set back"


@pytest.fixture
def machine(clock: Clock) -> Machine:
    """It is right until it is put forward."""
    return Machine(clock)


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, machine: Machine, database_url: str) -> Iterator[World]:
    """Two steps, on either database."""
    made = World(tmp_path, database_url, clock, sequence=[{"after": "45m"}, {"after": "24h"}])
    made.ctx.clock = machine
    yield made
    made.close()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if SAID in record.getMessage()]


def values(acme: World, column: Any) -> Sequence[Any]:
    with acme.ctx.db.read() as connection:
        return connection.execute(select(column)).scalars().all()


def soon(happened: Callable[[], Any]) -> None:
    """Waits until a daemon has done it."""
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=200)])
def test_the_daemon_goes_on_at_once_and_says_it_once(
    acme: World, machine: Machine, caplog: pytest.LogCaptureFixture, back: timedelta
) -> None:
    machine.ahead = back
    apply_configuration(acme.ctx)
    daemon = Daemon(acme.ctx, tick=0.05)
    daemon.start()
    try:
        soon(lambda: all(values(acme, STORES.c.polled_at)))
        acme.woo.abandon(ANN)
        machine.true.advance(timedelta(minutes=46))
        machine.ahead = timedelta(0)
        soon(lambda: acme.effects() == [ANN])
        machine.true.advance(timedelta(minutes=2))
        acme.woo.buy(email=ANN)
        machine.true.advance(timedelta(minutes=2))
        soon(lambda: acme.effects("withdrawn") == [ANN])
    finally:
        daemon.stop()
    assert len(said(caplog)) == 1


def test_a_start_finds_it_in_the_database_and_says_it_once(
    acme: World, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.ahead = timedelta(hours=3)
    acme.sync()
    machine.ahead = timedelta(0)
    for _ in range(2):
        apply_configuration(acme.ctx)
    (line,) = said(caplog)
    assert "about 3h" in line


def test_a_clock_that_is_kept_right_is_no_jump(acme: World, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.ahead = timedelta(seconds=3)
    acme.sync()
    machine.ahead = timedelta(0)
    apply_configuration(acme.ctx)
    assert said(caplog) == []


def test_the_next_step_keeps_its_distance_at_most(acme: World, machine: Machine) -> None:
    machine.ahead = timedelta(days=200)
    acme.woo.abandon(ANN)
    acme.after(minutes=50)
    acme.after(minutes=1)
    assert acme.effects() == [ANN]
    machine.ahead = timedelta(0)
    apply_configuration(acme.ctx)
    acme.after(hours=23)
    assert acme.effects() == [ANN], "not before its time"
    acme.after(hours=1, minutes=1)
    assert acme.effects() == [ANN, ANN]


def test_a_pause_and_a_back_off_end_now(acme: World, machine: Machine) -> None:
    machine.ahead = timedelta(days=2)
    acme.woo.abandon(ANN)
    acme.after(minutes=50)
    assert acme.effects() == [ANN]
    acme.woo.abandon(BOB)
    acme.crm.server.fault = lambda _: Fault(Reply(503, {}))
    acme.after(minutes=50)
    assert values(acme, CRMS.c.retry_at)[0] > machine()
    acme.crm.server.fault = None
    machine.ahead = timedelta(0)
    apply_configuration(acme.ctx)
    acme.after(seconds=5)
    assert acme.effects() == [ANN, BOB]


def test_a_shopper_who_is_still_at_the_checkout_is_looked_at_in_time(acme: World, machine: Machine) -> None:
    machine.ahead = timedelta(days=2)
    acme.sync()
    acme.woo.abandon(ANN)
    acme.after(minutes=10)
    machine.ahead = timedelta(0)
    apply_configuration(acme.ctx)
    acme.sync()
    acme.after(minutes=36)
    assert acme.effects() == [ANN]


def test_a_read_of_orders_by_the_old_time_is_no_word_for_the_new(acme: World, machine: Machine) -> None:
    """R4: Ann buys after that read. By the old time it began when her checkout was abandoned long since."""
    machine.ahead = timedelta(hours=3)
    acme.woo.abandon(ANN)
    acme.after(minutes=10)
    machine.ahead = timedelta(0)
    apply_configuration(acme.ctx)

    def without_orders(request: Request) -> Fault | None:
        return Fault(Reply(503, {})) if request.param("status") == "any" else None

    acme.woo.buy(email=ANN)
    acme.woo.server.fault = without_orders
    acme.after(minutes=40)
    assert acme.effects() == []
