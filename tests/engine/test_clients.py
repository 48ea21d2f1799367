"""A client is renamed or removed: nobody is mailed twice, and nobody is left in a campaign."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from sqlalchemy import func, select
from sqlmodel import SQLModel
from world import World

from connector.db import Database
from connector.engine import clients, hand
from connector.engine.links import resolve, short_url
from connector.errors import ConfigError, TransientError
from connector.sandbox import Fault, Reply

ANN, BOB, EVE = "ann@example.com", "bob@example.com", "eve@example.com"


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[World]:
    """A world on either database."""
    made = World(tmp_path, database_url, clock)
    yield made
    made.close()


def unlocked(acme: World) -> None:
    """The command has ended: its lock is free again."""
    acme.restart()


def rows(acme: World, client: str) -> int:
    """How many rows anywhere belong to a client."""
    with acme.ctx.db.read() as connection:
        return sum(
            connection.execute(select(func.count()).select_from(each).where(each.c.client == client)).scalar_one()
            for each in SQLModel.metadata.sorted_tables
            if "client" in each.c
        )


def test_a_renamed_client_goes_on_as_it_was(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.woo.abandon(BOB)
    acme.after(hours=1)
    hand.suppress(acme.ctx, acme.client, EVE)
    acme.restart(client="acme-europe")
    assert clients.rename(acme.ctx, "acme", "acme-europe").startswith("acme is acme-europe now")
    unlocked(acme)
    assert rows(acme, "acme") == 0
    europe = acme.ctx.clients["acme-europe"]
    for email in (ANN, BOB, EVE):
        acme.woo.abandon(email)
    acme.after(hours=1)
    assert acme.effects() == [ANN, BOB]  # within their seven days, and Eve never
    acme.woo.buy(email=ANN)
    acme.after(minutes=5)
    assert acme.effects("withdrawn") == [ANN]
    hand.forget(acme.ctx, europe, BOB)
    acme.restart(client="acme-world")
    clients.rename(acme.ctx, "acme-europe", "acme-world")
    unlocked(acme)
    acme.woo.abandon(EVE)
    acme.after(hours=1)
    assert acme.effects() == [ANN, BOB]


def test_short_links_in_mails_that_are_out_still_lead_to_the_cart(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    acme.ctx.settings = acme.ctx.settings.model_copy(update={"public_url": "https://go.acme.example"})
    shopper, _ = acme.ctx.shopper("acme", ANN)
    link = short_url(acme.ctx, "acme", shopper, "https://acme.example/cart")
    before = resolve(acme.ctx, link.rpartition("/")[2])
    acme.restart(client="acme-europe")
    clients.rename(acme.ctx, "acme", "acme-europe")
    assert before
    assert resolve(acme.ctx, link.rpartition("/")[2]) == before


def test_a_new_name_in_the_file_alone_mails_nobody_again(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    acme.restart(client="acme-europe")
    report = acme.after(hours=1)
    assert "winback client rename -c PATH acme acme-europe" in report.errors["acme-europe/woo"]
    assert acme.effects() == [ANN]
    clients.rename(acme.ctx, "acme", "acme-europe")
    unlocked(acme)
    assert not acme.after(minutes=20).errors
    assert acme.effects() == [ANN]


def test_a_removed_client_lets_everyone_go_and_leaves_nothing(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.woo.abandon(BOB)
    acme.after(hours=1)
    clients.remove(acme.ctx, acme.accounts, "acme")
    assert sorted(acme.effects("withdrawn")) == [ANN, BOB]
    assert rows(acme, "acme") == 0


def test_a_client_stays_while_a_crm_does_not_acknowledge(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    acme.crm.server.fault = lambda request: Fault(Reply(503, {"errors": []}))
    with pytest.raises(TransientError, match=r"1 withdrawal is not acknowledged yet .* Nothing is deleted"):
        clients.remove(acme.ctx, acme.accounts, "acme")
    unlocked(acme)
    assert rows(acme, "acme") > 0
    acme.crm.server.fault = None
    clients.remove(acme.ctx, acme.accounts, "acme")
    assert acme.effects("withdrawn") == [ANN]
    assert rows(acme, "acme") == 0


def test_a_client_stays_while_shoppers_are_in_a_crm_that_left_its_file(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    (crm,) = (one.id for one in acme.ctx.clients["acme"].config.crms)
    acme.restart(crms=[])
    with pytest.raises(ConfigError, match=f"^shoppers are still in {crm}, which is not in the configuration any more"):
        clients.remove(acme.ctx, acme.accounts, "acme")
    unlocked(acme)
    assert rows(acme, "acme") > 0
    clients.remove(acme.ctx, acme.accounts, "acme", abandon=True)
    assert rows(acme, "acme") == 0


def test_a_client_that_left_the_configuration(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    acme.restart(client="other", stores=[{"id": "shop", **acme.shop.options()}])
    acme.sync()
    assert [(row["client"], row["configured"], row["leads"]) for row in clients.known(acme.ctx)] == [
        ("acme", False, 1),
        ("other", True, 0),
    ]
    with pytest.raises(ConfigError, match=r"its CRMs cannot be told .* add --abandon"):
        clients.remove(acme.ctx, acme.accounts, "acme")
    unlocked(acme)
    clients.remove(acme.ctx, acme.accounts, "acme", abandon=True)
    assert rows(acme, "acme") == 0
    assert not acme.effects("withdrawn")


def test_what_cannot_be_renamed(acme: World) -> None:
    acme.restart(stores=[{"id": "woo", **acme.woo.options()}])
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    with pytest.raises(ConfigError, match="nothing is known of a client acmee; did you mean acme"):
        clients.rename(acme.ctx, "acmee", "other")
    with pytest.raises(ConfigError, match="acme is its name already"):
        clients.rename(acme.ctx, "acme", "acme")
    with pytest.raises(ConfigError, match="acme is still in the configuration"):
        clients.rename(acme.ctx, "acme", "other")
    acme.restart(client="other", stores=[{"id": "shop", **acme.shop.options()}])
    acme.shop.abandon(BOB)
    acme.after(hours=1)
    with pytest.raises(ConfigError, match="is not in the configuration"):
        clients.rename(acme.ctx, "acme", "another")
    with pytest.raises(ConfigError, match="two clients cannot become one"):
        clients.rename(acme.ctx, "acme", "other")


def test_not_beside_a_running_daemon(acme: World, database_url: str) -> None:
    acme.sync()
    daemon = Database(database_url).open()
    daemon.lock()
    with pytest.raises(ConfigError, match="another winback already works"):
        clients.remove(acme.ctx, acme.accounts, "acme")
    daemon.close()
