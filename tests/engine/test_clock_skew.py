"""Ages are taken on the store's clock: a store whose clock is ten minutes off behaves like any other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from clock import Clock
from world import World, world

ANN = "ann@example.com"


@pytest.fixture(params=[-10, 10])
def skewed(request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str, clock: Clock) -> Iterator[World]:
    """A world whose stores' clocks are ten minutes behind, or ahead."""
    with world(tmp_path, sqlite_url, clock, skew=timedelta(minutes=request.param)) as made:
        yield made


def test_abandoned_after_thirty_minutes_on_the_store_clock(skewed: World) -> None:
    skewed.woo.abandon(ANN)
    skewed.after(minutes=29)
    assert skewed.effects() == []
    skewed.after(minutes=2)
    assert skewed.effects() == [ANN]


def test_a_purchase_a_minute_after_the_step_is_recovered(skewed: World) -> None:
    checkout = skewed.woo.abandon(ANN)
    skewed.after(minutes=31)
    skewed.clock.advance(timedelta(minutes=1))
    skewed.woo.buy(checkout_id=checkout)
    skewed.after(minutes=1)
    assert skewed.states(ANN) == [("recovered", "R7")]
    assert skewed.effects("withdrawn") == [ANN]


def test_a_purchase_a_minute_before_the_step_is_not(skewed: World) -> None:
    checkout = skewed.woo.abandon(ANN)
    skewed.after(minutes=5)
    skewed.clock.advance(timedelta(minutes=25))
    skewed.woo.buy(checkout_id=checkout)
    skewed.after(minutes=1)
    assert skewed.states(ANN) == [("self_recovered", "R7")]
    assert skewed.effects() == []


def test_the_seven_days_end_on_the_store_clock(skewed: World) -> None:
    skewed.woo.abandon(ANN)
    skewed.after(minutes=31)
    skewed.clock.advance(timedelta(days=7) - timedelta(minutes=2))
    skewed.woo.abandon(ANN)
    skewed.after(minutes=31)
    assert skewed.effects() == [ANN]
    skewed.clock.advance(timedelta(minutes=2))
    skewed.woo.abandon(ANN)
    skewed.after(minutes=31)
    assert skewed.effects() == [ANN, ANN]
