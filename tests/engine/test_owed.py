"""Withdrawals always go out (R7): after days, refused, to a CRM or of a client that left the configuration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from sqlalchemy import select
from world import World

from connector import tables
from connector.db import Database, table
from connector.engine import hand, view
from connector.engine.daemon import Daemon
from connector.sandbox import Fault, Reply, Request

ANN, BOB, EVE = "ann@example.com", "bob@example.com", "eve@example.com"
WRONG = "pk_wrong_wrong_wrong_wrong_wrong_wro"


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[World]:
    """Ann and Bob are enrolled, on either database."""
    made = World(tmp_path, database_url, clock, sequence=[{"after": "45m"}, {"after": "24h", "tags": ["second"]}])
    for email in (ANN, BOB):
        made.woo.abandon(email)
    made.after(hours=1)
    assert made.effects() == [ANN, BOB]
    yield made
    made.close()


def rows(acme: World) -> list[dict[str, object]]:
    return [row for row in view.deliveries(acme.ctx, acme.client) if row["kind"] == "withdraw"]


def told_by_daemon(acme: World) -> list[str]:
    """What a daemon alerts of at its start."""
    said = len(acme.alerts)
    daemon = Daemon(acme.ctx, tick=0.05)
    daemon.start()
    end = time.monotonic() + 10
    while len(acme.alerts) == said and time.monotonic() < end:
        time.sleep(0.05)
    daemon.stop()
    return acme.alerts[said:]


def test_a_key_that_is_wrong_for_days_costs_nobody_their_exit(acme: World) -> None:
    right = acme.config["crms"][0]
    acme.restart(crms=[{**right, "api_key": WRONG}])
    acme.woo.buy(email=ANN)
    acme.after(minutes=5)
    assert all("key" in str(row["reason"]) for row in rows(acme)), "it shows why"
    hand.forget(acme.ctx, acme.client, BOB, crms=True)
    for days in (1, 4, 100):
        acme.after(days=days)
    assert acme.effects("withdrawn") == []
    assert {row["email"] for row in rows(acme)} == {ANN, BOB}
    acme.restart(crms=[right])
    acme.after(minutes=1)
    assert sorted(acme.effects("withdrawn")) == [ANN, BOB]
    assert acme.effects() == [ANN, BOB], "no step that was too late by then"
    assert rows(acme) == []


def test_one_that_the_crm_refuses_is_tried_again_and_told_once(acme: World) -> None:
    def refuse(request: Request) -> Fault | None:
        is_write = request.method in ("POST", "PATCH") and ANN in request.body.decode()
        return Fault(Reply(400, {"errors": [{"detail": "not so"}]})) if is_write else None

    acme.crm.server.fault = refuse
    acme.woo.buy(email=ANN)
    for hours in (0.1, 7, 7):
        acme.after(hours=hours)
    (row,) = rows(acme)
    assert (row["state"], row["attempts"], row["email"]) == ("pending", 3, ANN)
    assert [alert for alert in acme.alerts if "was not let go" in alert] == acme.alerts
    assert len(acme.alerts) == 1
    acme.crm.server.fault = None
    acme.after(hours=7)
    assert acme.effects("withdrawn") == [ANN]


def test_a_later_lead_neither_waits_for_a_refused_one_nor_is_undone_by_it(acme: World) -> None:
    def refuse(request: Request) -> Fault | None:
        asked = request.body.decode()
        is_exit = "Placed Order" in asked
        return Fault(Reply(400, {"errors": [{"detail": "not so"}]})) if is_exit else None

    acme.crm.server.fault = refuse
    acme.woo.buy(email=ANN)
    acme.after(days=9)
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    assert acme.effects().count(ANN) == 2
    acme.crm.server.fault = None
    acme.after(hours=7)
    assert acme.effects("withdrawn") == []
    assert acme.crm.tags(ANN) == {"abandoned-cart"}
    assert rows(acme) == []


def test_what_a_removed_crm_is_owed_shows_and_goes_out_when_it_is_back(acme: World) -> None:
    right = acme.config["crms"]
    acme.woo.buy(email=ANN)
    acme.restart(crms=[])
    acme.after(minutes=5)
    said = "1 shopper is still to be taken out of mail, which is not in the configuration any more"
    assert any(said in trouble for trouble in view.troubles(acme.ctx))
    assert [alert.split(". Put")[0] for alert in told_by_daemon(acme)] == [f"acme/mail: {said}"]
    acme.restart(crms=right)
    acme.after(days=3)
    assert acme.effects("withdrawn") == [ANN]
    assert view.troubles(acme.ctx) == []


def test_a_client_whose_file_is_gone_is_told_of_and_not_kept_for_ever(acme: World) -> None:
    acme.crm.server.fault = lambda _: Fault(Reply(503, {}))
    acme.woo.buy(email=ANN)
    acme.after(minutes=5)
    acme.restart(client="other", stores=[{"id": "shop", **acme.shop.options()}], crms=[])
    (alert,) = [alert for alert in told_by_daemon(acme) if "still to be taken out of mail" in alert]
    assert "winback client remove -c PATH acme --abandon" in alert
    acme.restart()
    for days in (89, 2, 1):
        acme.after(days=days)
    for model in (tables.Lead, tables.Delivery, tables.Checkout):
        rows = table(model)
        with acme.ctx.db.read() as connection:
            kept = select(rows.c.email).where(rows.c.client == "acme", rows.c.email.is_not(None))
            assert connection.execute(kept).all() == [], model.__tablename__


def test_nobody_reads_what_a_command_beside_the_daemon_is_erasing(database_url: str) -> None:
    """Else a decision that was begun before an erasure would make a lead of the shopper after it."""
    from threading import Thread

    daemon, command = Database(database_url).open(), Database(database_url).open()
    order: list[str] = []

    def erase() -> None:
        with command.write():
            order.append("command")

    with daemon.write():
        beside = Thread(target=erase)
        beside.start()
        beside.join(0.3)
        order.append("daemon")
    beside.join(30)
    assert order == ["daemon", "command"]
    for each in (daemon, command):
        each.close()
