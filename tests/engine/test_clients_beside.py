"""`-c` names one file of a folder that shares a database: the clients in the files beside it have not left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from sqlalchemy import select
from world import World

from connector import tables
from connector.config import load
from connector.db import table
from connector.engine import clients, owed, view
from connector.errors import ConfigError
from connector.sandbox import Fault, Reply

ANN = "ann@example.com"
STORES, DELIVERIES = table(tables.Store), table(tables.Delivery)


@pytest.fixture
def acme(tmp_path: Path, clock: Clock) -> Iterator[World]:
    """Ann is a lead of acme's, has bought, and is still to be let go."""
    made = World(tmp_path, f"sqlite:///{tmp_path}/e.db", clock)
    made.restart(stores=made.config["stores"][:1])
    made.woo.abandon(ANN)
    made.after(hours=1)
    made.crm.server.fault = lambda _: Fault(Reply(503, {}))
    made.woo.buy(email=ANN)
    made.after(minutes=5)
    yield made
    made.close()


def another_file_only(acme: World) -> None:
    """As `winback sync -c other.yaml` does, acme's own file beside it."""
    (acme.folder / "first.yaml").write_text((acme.folder / "acme.yaml").read_text())
    acme.restart(client="other", stores=[{"id": "shop", **acme.shop.options()}], crms=[])


def absent(acme: World) -> list[str]:
    """The stores that are taken for gone."""
    with acme.ctx.db.read() as connection:
        return list(connection.execute(select(STORES.c.id).where(STORES.c.gone)).scalars())


def owed_to(acme: World) -> list[str | None]:
    """The addresses that a CRM is still to let go."""
    with acme.ctx.db.read() as connection:
        return list(connection.execute(select(DELIVERIES.c.email).where(DELIVERIES.c.kind == "withdraw")).scalars())


def test_nothing_of_theirs_is_touched(acme: World) -> None:
    another_file_only(acme)
    for days in (1, 89, 2, 1):
        acme.after(days=days)
    assert "woo" not in absent(acme)
    assert owed_to(acme) == [ANN]
    assert view.troubles(acme.ctx) == ["acme/mail: Klaviyo answered HTTP 503"]  # as it was left
    assert owed.sentences(acme.ctx) == {}
    assert [(row["client"], row["configured"]) for row in clients.known(acme.ctx)] == [("acme", True), ("other", True)]


def test_whose_file_is_gone_is_gone(acme: World) -> None:
    another_file_only(acme)
    (acme.folder / "first.yaml").unlink()
    acme.restart()
    assert "woo" in absent(acme)
    assert list(owed.sentences(acme.ctx)) == ["acme/mail"]


def test_they_are_not_removed_or_renamed_behind_their_file(acme: World) -> None:
    another_file_only(acme)
    with pytest.raises(ConfigError, match=r"^acme has a file of its own beside this one"):
        clients.remove(acme.ctx, acme.accounts, "acme", abandon=True)
    with pytest.raises(ConfigError, match=r"^acme is still in the configuration"):
        clients.rename(acme.ctx, "acme", "other")


def test_a_copied_file_with_another_name_mails_nobody_again(acme: World) -> None:
    acme.crm.server.fault = None
    (acme.folder / "first.yaml").write_text((acme.folder / "acme.yaml").read_text())
    acme.restart(client="europe")
    report = acme.after(hours=1)
    assert "is the store of the client acme too, whose file lies beside this one" in report.errors["europe/woo"]
    assert acme.effects() == [ANN]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("client: acme\n", {"acme"}),
        ("# ours\nclient:   'acme-2'  # the second\nstores: []\n", {"acme-2"}),
        ('client: "acme"\n', {"acme"}),
        ("\ufeffclient: acme\n", {"acme"}),
        ("stores:\n  - client: acme\n", set()),
        ("\0", set()),
    ],
)
def test_what_is_read_of_the_files_beside(acme: World, text: str, found: set[str]) -> None:
    (acme.folder / "beside.yaml").write_text(text)
    (acme.folder / "folder.yaml").mkdir()
    assert load(acme.folder / "acme.yaml", {}).beside == found
