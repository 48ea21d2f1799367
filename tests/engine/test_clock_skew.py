"""Ages are taken on the store's clock: a store whose clock is ten minutes off behaves like any other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from clock import Clock
from sqlalchemy import select
from world import World, world

from connector import tables
from connector.db import table
from connector.sandbox import Fault, Request
from crm.sandbox import activecampaign, mailchimp

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


@pytest.mark.parametrize("ahead", [-10, 10])
def test_a_lost_answer_repeats_no_automation_whatever_the_stores_clock_says(
    tmp_path: Path, sqlite_url: str, clock: Clock, ahead: int
) -> None:
    """ActiveCampaign is asked what is younger than the lead: by its clock and ours, not by the store's."""
    account = activecampaign.serve(clock=clock)
    crm = {"id": "crm", **account.options(), "subscribe": "eligible"}
    with world(tmp_path, sqlite_url, clock, skew=timedelta(minutes=ahead), crms=[crm]) as acme:
        acme.woo.abandon(ANN)
        lost: list[str] = []

        def lose(request: Request) -> Fault | None:
            if request.method == "POST" and "contactAutomations" in request.path and not lost:
                lost.append(request.path)
                return Fault(reset=True, after_effect=True)
            return None

        account.server.fault = lose
        acme.after(minutes=31)
        account.finish(ANN)
        acme.restart()
        acme.after(minutes=10)
        assert lost
        assert [each.what for each in account.effects] == ["enrolled"]
    account.server.close()


@pytest.mark.parametrize("ahead", [-10, 10])
def test_a_later_step_starts_no_flow_of_the_first_steps_tag_again(
    tmp_path: Path, sqlite_url: str, clock: Clock, ahead: int
) -> None:
    account = mailchimp.serve(clock=clock, path="tag")
    crm = {"id": "crm", **account.options(), "tags": ["abandoned-cart"], "subscribe": "eligible"}
    steps = [{"after": "30m"}, {"after": "60m"}]
    more = {"crms": [crm], "sequence": steps}
    with world(tmp_path, sqlite_url, clock, skew=timedelta(minutes=ahead), **more) as acme:
        for _ in range(2):
            acme.woo.abandon(ANN)
            for minutes in (31, 31):
                acme.after(minutes=minutes)
            acme.clock.advance(timedelta(days=8))
        assert [each.what for each in account.effects] == ["enrolled"] * 2
    account.server.close()


def test_a_step_that_went_out_after_the_order_did_not_bring_it(tmp_path: Path, sqlite_url: str, clock: Clock) -> None:
    steps = [{"after": "30m"}, {"after": "24h"}]
    with world(tmp_path, sqlite_url, clock, skew=timedelta(minutes=10), sequence=steps) as acme:
        checkout = acme.woo.abandon(ANN)
        acme.after(minutes=31)

        def buy(request: Request) -> Fault | None:
            if request.method == "POST" and "event" in request.path and not bought:
                bought.append(acme.woo.buy(checkout_id=checkout))
                acme.clock.advance(timedelta(minutes=2))
            return None

        bought: list[str] = []
        acme.crm.server.fault = buy
        acme.after(hours=23, minutes=45)
        acme.after(minutes=5)
        rows = table(tables.Recovery)
        with acme.ctx.db.read() as connection:
            assert connection.execute(select(rows.c.state, rows.c.last_step)).all() == [("recovered", 0)]
