"""R10 for somebody who is known already: nobody else waits for it, and the checkout says it (R11)."""

from __future__ import annotations

from pathlib import Path

import pytest
from clock import Clock
from world import World, world

from connector.engine import hand

ANN, BOB = "ann@bad.example", "bob@example.com"
TWO_STEPS = [{"after": "45m"}, {"after": "24h", "tags": ["second"]}]


@pytest.mark.parametrize("excluded", ["@bad.example", ANN])
def test_an_excluded_lead_holds_nobody_up(tmp_path: Path, database_url: str, clock: Clock, excluded: str) -> None:
    with world(tmp_path, database_url, clock, sequence=TWO_STEPS) as acme:
        anns = acme.woo.abandon(ANN)
        acme.woo.abandon(BOB)
        acme.after(hours=1)
        assert sorted(acme.effects()) == [ANN, BOB]
        acme.restart(leads={"exclude": [excluded]})
        acme.woo.touch(anns, quantity=2)
        acme.after(minutes=1)
        acme.woo.buy(email=BOB)
        acme.after(minutes=5)
        assert acme.effects("withdrawn") == [BOB]
        acme.after(hours=24)
        assert sorted(acme.effects()) == [ANN, BOB]  # no second step
        assert acme.states(ANN) == [("suppressed", "R10")]


def test_a_first_step_that_is_still_to_come_does_not_go_out(tmp_path: Path, database_url: str, clock: Clock) -> None:
    with world(tmp_path, database_url, clock, sequence=[{"after": "2h"}]) as acme:
        anns = acme.woo.abandon(ANN)
        acme.woo.abandon(BOB)
        acme.after(hours=1)
        acme.woo.touch(anns, quantity=2)
        acme.restart(leads={"exclude": ["@bad.example"]})
        for _ in range(4):
            acme.after(minutes=31)
        assert acme.effects() == [BOB]


def test_a_lead_of_whose_checkout_nothing_is_kept(tmp_path: Path, sqlite_url: str, clock: Clock) -> None:
    """As after an exclusion that was taken back, where the store does not list the checkout again."""
    with world(tmp_path, sqlite_url, clock, sequence=TWO_STEPS) as acme:
        acme.woo.abandon(ANN)
        acme.after(hours=1)
        with acme.ctx.db.write() as connection:
            connection.exec_driver_sql("update checkouts set payload = null")
        acme.woo.abandon(BOB)
        acme.after(hours=25)
        assert acme.effects() == [ANN, BOB]


def test_an_address_that_is_cleared_again(tmp_path: Path, database_url: str, clock: Clock) -> None:
    with world(tmp_path, database_url, clock, leads={"exclude": ["@bad.example"]}) as acme:
        anns = acme.woo.abandon(ANN)
        acme.after(minutes=1)
        acme.woo.touch(anns, email="")
        acme.after(minutes=1)
        acme.woo.abandon(BOB)
        for _ in range(3):
            acme.after(minutes=20)
        assert acme.effects() == [BOB]
        assert sorted(acme.states()) == [("enrolled", ""), ("suppressed", "R10")]


def excluded(acme: World) -> None:
    """By the owner's file."""
    acme.restart(leads={"exclude": ["@bad.example"]})


def erased(acme: World) -> None:
    """Before the address was typed."""
    hand.forget(acme.ctx, acme.client, ANN)


def suppressed(acme: World) -> None:
    """With everybody there."""
    hand.suppress(acme.ctx, acme.client, "@bad.example")


@pytest.mark.parametrize("how", [excluded, erased, suppressed])
@pytest.mark.parametrize("first", ["", ANN])
def test_a_checkout_that_was_known_before_says_so(
    tmp_path: Path, sqlite_url: str, clock: Clock, how: object, first: str
) -> None:
    assert callable(how)
    with world(tmp_path, sqlite_url, clock) as acme:
        one = acme.woo.abandon(first)
        acme.after(minutes=1)
        how(acme)
        acme.woo.touch(one, email=ANN, quantity=2)
        for hours in (0, 1, 20, 20):
            acme.after(hours=hours, minutes=1)
        assert acme.states() == [("suppressed", "R10")]
        assert acme.effects() == []
