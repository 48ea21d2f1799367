"""Who was erased leaves no cart behind: not after a kill, a restore or a corrected address; and is let go each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from sqlmodel import SQLModel
from world import World, world

from connector.engine import hand
from connector.engine.backup import backup, restore
from connector.engine.deliver import recover

TYPO, ANN = "ann@example.con", "ann@example.com"


@pytest.fixture
def acme(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[World]:
    """With the plugin, where a cart's id is the link to it."""
    steps = [{"after": "45m"}, {"after": "24h"}]
    with world(tmp_path, database_url, clock, woo={"plugin": True}, sequence=steps) as made:
        yield made


def naming(acme: World, cart: str) -> set[str]:
    """The tables in which a cart stands."""
    with acme.ctx.db.read() as connection:
        every = {each.name: connection.execute(each.select()).all() for each in SQLModel.metadata.sorted_tables}
    return {name for name, rows in every.items() if any(cart in str(row) for row in rows)}


def test_killed_while_a_step_was_under_way(acme: World) -> None:
    cart = acme.woo.abandon(ANN)
    acme.after(minutes=35)
    with acme.ctx.db.write() as connection:  # as a killed process leaves it
        connection.exec_driver_sql("update deliveries set state = 'sending', attempts = 1")
    hand.forget(acme.ctx, acme.client, ANN)
    acme.restart()
    assert recover(acme.ctx) == 1
    for minutes in (0, 60):
        acme.after(minutes=minutes)
    assert naming(acme, cart) <= {"checkouts"}  # the store lists it again: that it exists is all that is kept


def test_an_old_backup_with_a_step_that_was_due(acme: World, tmp_path: Path, database_url: str) -> None:
    cart = acme.woo.abandon(ANN)
    acme.after(hours=1)
    backup(database_url, tmp_path / "old.copy")
    hand.forget(acme.ctx, acme.client, ANN)
    acme.after(minutes=1)
    acme.ctx.db.close()
    restore(database_url, tmp_path / "old.copy", acme.clock(), overwrite=True)
    acme.restart()
    for _ in range(5):
        acme.after(hours=12)
    assert naming(acme, cart) <= {"checkouts"}


def test_suppressed_by_hand_after_it_was_erased(acme: World, tmp_path: Path, database_url: str) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    backup(database_url, tmp_path / "old.copy")
    hand.forget(acme.ctx, acme.client, ANN)
    acme.after(minutes=1)
    hand.suppress(acme.ctx, acme.client, ANN)
    acme.ctx.db.close()
    restore(database_url, tmp_path / "old.copy", acme.clock(), overwrite=True)
    acme.restart()
    acme.after(minutes=1)
    assert naming(acme, ANN) <= {"deliveries"}, "what the CRM was owed then"
    acme.after(hours=1)
    assert naming(acme, ANN) == set()


def test_the_address_was_corrected_before(acme: World) -> None:
    cart = acme.woo.abandon(TYPO)
    acme.after(hours=1)
    acme.woo.touch(cart, email=ANN)
    for hours in (0, 1):
        acme.after(hours=hours, minutes=1)
    hand.forget(acme.ctx, acme.client, ANN)
    for _ in range(3):
        acme.after(hours=12)
    assert naming(acme, cart) <= {"checkouts"}


@pytest.mark.parametrize("how", [hand.forget, hand.remove])
def test_a_second_lead_after_the_suppression_was_lifted_is_let_go_too(acme: World, how: object) -> None:
    assert callable(how)
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    hand.forget(acme.ctx, acme.client, ANN)
    acme.after(minutes=1)
    assert acme.effects("withdrawn") == [ANN]
    hand.suppress(acme.ctx, acme.client, ANN, lift=True)
    acme.after(days=8)
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    assert acme.effects() == [ANN, ANN]
    how(acme.ctx, acme.client, ANN)
    acme.after(minutes=5)
    assert acme.effects("withdrawn") == [ANN, ANN]
