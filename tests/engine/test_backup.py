"""A backup made while the daemon works, restored: nothing is mailed twice, and who was erased stays erased."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from sqlalchemy import func, select
from world import World

from connector import tables
from connector.db import Database, table
from connector.engine import hand
from connector.engine.backup import backup, restore
from connector.errors import ConfigError
from crm.sandbox import activecampaign

ANN, BOB, EVE = "ann@example.com", "bob@example.com", "eve@example.com"
CHECKOUTS = table(tables.Checkout)


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[World]:
    """A world on either database."""
    made = World(tmp_path, database_url, clock)
    yield made
    made.close()


def stop(acme: World) -> None:
    """The daemon is stopped: a restore wants the database for itself."""
    acme.ctx.db.close()


def test_a_restored_backup_goes_on_where_it_was_and_repeats_nothing(
    acme: World, clock: Clock, tmp_path: Path, database_url: str
) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    file = tmp_path / "backup.db"
    acme.woo.abandon(BOB)
    acme.after(minutes=5)
    assert backup(database_url, file) == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600
    acme.after(hours=1)
    assert acme.effects() == [ANN, BOB]
    stop(acme)
    assert restore(database_url, file, clock(), overwrite=True) == 2
    acme.restart()
    assert acme.states(BOB) == [("waiting", "R2")]  # as it was when the backup was made
    acme.after(minutes=1)
    assert acme.states(BOB) == [("enrolled", "")]
    assert acme.effects() == [ANN, BOB]  # the CRM was asked
    acme.woo.abandon(EVE)
    acme.after(hours=1)
    assert acme.effects() == [ANN, BOB, EVE]  # PostgreSQL counts its ids on


def test_a_crm_that_must_be_asked_is_asked_for_what_came_after_the_backup(
    tmp_path: Path, clock: Clock, database_url: str
) -> None:
    """An automation is not told twice by a key: only the question keeps a shopper from going through it again."""
    account = activecampaign.serve(clock=clock)
    crm = {"id": "crm", **account.options(), "subscribe": "eligible"}
    acme = World(tmp_path, database_url, clock, crms=[crm])
    acme.woo.abandon(BOB)
    acme.after(minutes=5)
    backup(database_url, tmp_path / "backup.db")
    acme.after(hours=1)
    stop(acme)
    restore(database_url, tmp_path / "backup.db", clock(), overwrite=True)
    acme.restart()
    acme.after(minutes=1)
    assert acme.states(BOB) == [("enrolled", "")]
    assert [each.email for each in account.effects if each.what == "enrolled"] == [BOB]
    acme.close()
    account.server.close()


def test_who_was_erased_or_suppressed_since_the_backup_stays_so(
    acme: World, clock: Clock, tmp_path: Path, database_url: str
) -> None:
    acme.woo.abandon(ANN)
    acme.woo.abandon(BOB)
    acme.after(hours=1)
    backup(database_url, tmp_path / "backup.db")
    hand.forget(acme.ctx, acme.client, ANN)
    hand.suppress(acme.ctx, acme.client, BOB)
    stop(acme)
    restore(database_url, tmp_path / "backup.db", clock(), overwrite=True)
    acme.restart()
    with acme.ctx.db.read() as connection:
        kept = connection.execute(select(CHECKOUTS.c.email, CHECKOUTS.c.state)).all()
    assert kept == [(None, "suppressed")], "Bob's, without his address: he was suppressed, and nothing of Ann's"
    acme.clock.advance(acme.client.policy.renew_after)
    for email in (ANN, BOB):
        acme.woo.abandon(email)
    acme.after(hours=1)
    assert acme.states(ANN)[0] == acme.states(BOB)[0] == ("suppressed", "R10")
    assert acme.effects() == [ANN, BOB]  # both from before


def test_a_backup_under_load_is_one_moment_of_the_database(acme: World, tmp_path: Path, database_url: str) -> None:
    """Every page of checkouts is stored with its cursor: a copy that tore them apart would lose shoppers for ever."""
    done = threading.Event()

    def shop() -> None:
        for number in range(12):
            for shopper in range(5):
                acme.woo.abandon(f"s{number}-{shopper}@example.com")
            acme.after(minutes=1)
        done.set()

    shopping = threading.Thread(target=shop)
    shopping.start()
    files: list[Path] = []
    while not done.is_set() or not files:
        files.append(tmp_path / f"{len(files)}.db")
        backup(database_url, files[-1])
    shopping.join()
    assert len(files) > 1
    for file in files:
        copy = Database(f"sqlite:///{file}").open()
        with copy.read() as connection:
            assert connection.execute(select(func.count()).select_from(CHECKOUTS)).scalar_one() % 5 == 0
            assert connection.exec_driver_sql("pragma integrity_check").scalar() == "ok"
        copy.close()


def test_what_is_in_the_way_is_said(acme: World, clock: Clock, tmp_path: Path, database_url: str) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    file = tmp_path / "backup.db"
    backup(database_url, file)
    with pytest.raises(ConfigError, match="is there already; name another file with -o, or add --force"):
        backup(database_url, file)
    with pytest.raises(ConfigError, match="holds 1 checkouts; add --force"):
        restore(database_url, file, clock())
    with pytest.raises(ConfigError, match="there is no file"):
        restore(database_url, tmp_path / "none.db", clock())
    other = tmp_path / "other.db"
    other.write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match="is no backup of Winback"):
        restore(database_url, other, clock(), overwrite=True)
    with pytest.raises(ConfigError, match="cannot be written"):
        backup(database_url, tmp_path / "nowhere" / "backup.db")
    assert acme.states(ANN) == [("enrolled", "")]


def test_a_restore_names_the_database_that_is_in_trouble(
    acme: World, clock: Clock, tmp_path: Path, database_url: str
) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    backup(database_url, tmp_path / "backup.db")
    acme.ctx.db.close()
    target = Database(database_url)
    with target.write() as connection:
        connection.exec_driver_sql("drop table events")
    with pytest.raises(ConfigError, match=rf"the database {re.escape(target.name)} cannot be used: .*events"):
        restore(database_url, tmp_path / "backup.db", clock(), overwrite=True)
    target.close()


def test_no_restore_beside_a_running_daemon(acme: World, clock: Clock, tmp_path: Path, database_url: str) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    backup(database_url, tmp_path / "backup.db")
    acme.ctx.db.lock()
    with pytest.raises(ConfigError, match="another winback already works"):
        restore(database_url, tmp_path / "backup.db", clock(), overwrite=True)


def test_a_backup_moves_an_installation_to_the_other_database(
    acme: World, clock: Clock, tmp_path: Path, postgres_database_url: str
) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    backup(acme.url, tmp_path / "backup.db")
    other = f"sqlite:///{tmp_path}/moved.db" if "postgres" in acme.url else postgres_database_url
    assert restore(other, tmp_path / "backup.db", clock()) == 1
    stop(acme)
    acme.url = other
    acme.restart()
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    assert [state for state, _ in acme.states(ANN)] == ["renewed_too_soon", "enrolled"]
    assert acme.effects() == [ANN]


def test_nothing_to_copy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no database yet"):
        backup(f"sqlite:///{tmp_path}/never.db", tmp_path / "backup.db")
    assert not list(tmp_path.iterdir())
