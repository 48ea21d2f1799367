"""Who was erased or suppressed after a backup was made stays so when it is restored, here and in the CRMs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clock import Clock
from world import World

from connector.engine import hand, view
from connector.engine.backup import backup, restore
from connector.sandbox import Fault, Reply

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[World]:
    """Ann and Bob are leads with a step to come, and there is a backup of it."""
    made = World(tmp_path, database_url, clock, sequence=[{"after": "45m"}, {"after": "24h"}])
    for email in (ANN, BOB):
        made.woo.abandon(email)
    made.after(hours=1)
    backup(database_url, tmp_path / "backup.db")
    yield made
    made.close()


def put_back(acme: World) -> None:
    """The daemon is stopped, and the backup takes the database's place."""
    acme.ctx.db.close()
    restore(acme.url, acme.folder / "backup.db", acme.clock(), overwrite=True)
    acme.restart()


def refuse(acme: World) -> None:
    acme.crm.server.fault = lambda _: Fault(Reply(503, {}))


def suppress(acme: World) -> None:
    hand.suppress(acme.ctx, acme.client, ANN)


def suppress_domain(acme: World) -> None:
    hand.suppress(acme.ctx, acme.client, "@example.com")
    hand.suppress(acme.ctx, acme.client, "@example.org")


def forget(acme: World) -> None:
    hand.forget(acme.ctx, acme.client, ANN)


def forget_everywhere(acme: World) -> None:
    hand.forget(acme.ctx, acme.client, ANN, crms=True)


@pytest.mark.parametrize("deed", [suppress, suppress_domain, forget, forget_everywhere])
@pytest.mark.parametrize("told", [True, False], ids=["the CRM was told", "the CRM was away"])
def test_it_stays_so(acme: World, deed: Callable[[World], None], told: bool) -> None:
    if not told:
        refuse(acme)
    deed(acme)
    acme.after(minutes=1)
    put_back(acme)
    acme.crm.server.fault = None
    for minutes in (30, 61):  # the CRM is given time to work off what it was sent
        acme.after(minutes=minutes)
    assert acme.crm.tags(ANN) == set()
    assert acme.crm.fields(ANN) == {} or deed is not forget_everywhere
    assert [step["state"] for lead in view.leads(acme.ctx, acme.client, email=ANN) for step in lead["steps"]] in (
        [],
        ["done", "cancelled"],
    )
    said = view.explain(acme.ctx, acme.client, ANN)
    assert said is not None
    assert (said["state"], said["rule"]) == ("suppressed", "R10")
    waiting = view.deliveries(acme.ctx, acme.client)
    assert [row for row in waiting if row["email"] != BOB] == []
    acme.after(hours=24)
    assert acme.effects().count(ANN) == 1
    assert acme.effects().count(BOB) == (1 if deed is suppress_domain else 2)


def test_a_step_that_went_out_after_the_backup_is_let_go_too(acme: World) -> None:
    carl = "carl@example.com"
    acme.woo.abandon(carl)
    acme.after(hours=1)
    refuse(acme)
    hand.forget(acme.ctx, acme.client, carl)
    acme.after(minutes=1)
    put_back(acme)
    acme.crm.server.fault = None
    acme.after(minutes=30)
    assert acme.crm.tags(carl) == set()
    assert acme.effects("withdrawn") == [carl]
    assert [row for row in view.deliveries(acme.ctx, acme.client) if row["email"] == carl] == []
