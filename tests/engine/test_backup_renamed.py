"""A backup from before a client got its new name: it is put back under the new one, and who was erased stays erased."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from clock import Clock
from sqlalchemy import func, select
from sqlmodel import SQLModel
from world import World

from connector.engine import clients, hand
from connector.engine.backup import backup, restore

ANN, BOB, EVE = "ann@example.com", "bob@example.com", "eve@example.com"


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[World]:
    """A world on either database."""
    made = World(tmp_path, database_url, clock)
    yield made
    made.close()


def rename(acme: World, old: str, new: str) -> None:
    """As an owner does it: in the file, and in the database."""
    acme.restart(client=new)
    clients.rename(acme.ctx, old, new)
    acme.restart()


def put_back(acme: World, database_url: str, file: Path) -> None:
    """The daemon is stopped, and the backup takes the database's place."""
    acme.ctx.db.close()
    restore(database_url, file, acme.clock(), overwrite=True)
    acme.restart()


def names(acme: World) -> set[str]:
    """The clients of whom anything is stored."""
    found: set[str] = set()
    with acme.ctx.db.read() as connection:
        for each in SQLModel.metadata.sorted_tables:
            if "client" in each.c:
                found.update(connection.execute(select(each.c.client).distinct()).scalars())
    return found


def checkouts(acme: World, email: str) -> int:
    """How many of a shopper's checkouts are stored."""
    table = SQLModel.metadata.tables["checkouts"]
    (client,) = acme.ctx.clients
    shopper, _ = acme.ctx.shopper(client, email)
    with acme.ctx.db.read() as connection:
        query = select(func.count()).select_from(table).where(table.c.shopper == shopper)
        return int(connection.execute(query).scalar_one())


@pytest.mark.parametrize("way", [("acme", "europe"), ("acme", "europe", "world"), ("acme", "europe", "acme")])
def test_it_has_the_new_name(acme: World, tmp_path: Path, database_url: str, way: tuple[str, ...]) -> None:
    for email in (ANN, BOB, EVE):
        acme.woo.abandon(email)
    acme.after(hours=1)
    backup(database_url, tmp_path / "old.copy")
    for old, new in pairwise(way):
        rename(acme, old, new)
    hand.forget(acme.ctx, acme.ctx.clients[way[-1]], ANN)
    hand.suppress(acme.ctx, acme.ctx.clients[way[-1]], EVE)
    put_back(acme, database_url, tmp_path / "old.copy")
    assert names(acme) == {way[-1]}
    assert (checkouts(acme, ANN), checkouts(acme, BOB)) == (0, 1)
    report = acme.after(days=8)
    assert not report.errors
    for email in (ANN, BOB, EVE):
        acme.woo.abandon(email)
    acme.after(hours=1)
    assert sorted(acme.effects()) == [ANN, BOB, BOB, EVE]  # Bob once more, after his seven days


def test_a_backup_from_after_it_keeps_its_name_whatever_came_later(
    acme: World, tmp_path: Path, database_url: str
) -> None:
    acme.woo.abandon(BOB)
    acme.after(hours=1)
    rename(acme, "acme", "europe")
    backup(database_url, tmp_path / "old.copy")
    rename(acme, "europe", "world")
    put_back(acme, database_url, tmp_path / "old.copy")
    assert names(acme) == {"world"}
    rename(acme, "world", "acme")
    put_back(acme, database_url, tmp_path / "old.copy")
    assert names(acme) == {"acme"}
    acme.woo.abandon(BOB)
    acme.after(hours=1)
    assert acme.effects() == [BOB]
