"""A store with the companion plugin, through the real engine and the real daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from clock import START, Clock
from sqlalchemy import select
from world import World, world

from connector import tables
from connector.db import table
from connector.engine import view
from connector.engine.capture import Captured, capture_rate
from connector.engine.daemon import Daemon
from connector.engine.notes import read_notes

ANN, BOB, CLEO = "ann@example.com", "bob@example.com", "cleo@example.com"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def acme(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[World]:
    """The world's WooCommerce store, of a version that keeps no drafts, with the plugin."""
    with world(tmp_path, database_url, clock, woo={"plugin": True, "version": "10.9.0"}) as made:
        yield made


def capture(acme: World) -> tuple[Captured, ...]:
    with acme.ctx.db.read() as connection:
        return capture_rate(connection, "acme", "woo", START - timedelta(days=7)).sources


def test_an_address_that_was_typed_becomes_a_lead_and_a_purchase_ends_it(acme: World) -> None:
    left = acme.woo.abandon(ANN, title="Linen shirt")
    acme.after(minutes=1)
    assert acme.states(ANN) == [("waiting", "R2")]
    acme.after(minutes=30)
    assert acme.effects() == [ANN]
    assert acme.crm.fields(ANN)["CART"] == "Linen shirt"
    acme.woo.buy(checkout_id=left)
    acme.after(minutes=1)
    assert acme.effects("withdrawn") == [ANN]
    assert acme.states() == [("recovered", "R7")]


def test_an_order_that_began_as_a_draft_was_bought_when_it_was_paid(tmp_path: Path, clock: Clock) -> None:
    with world(tmp_path, f"sqlite:///{tmp_path}/acme.db", clock, woo={"plugin": True, "version": "10.5.0"}) as acme:
        left = acme.woo.abandon(ANN)  # the draft is as old as the checkout, and keeps its number to the end
        acme.after(minutes=31)
        acme.clock.advance(timedelta(hours=3))
        acme.woo.buy(checkout_id=left)
        acme.after(minutes=1)
        assert acme.states(ANN) == [("recovered", "R7")]


def test_a_purchase_by_the_link_under_another_address_ends_the_lead(acme: World) -> None:
    left = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    assert acme.effects() == [ANN]
    back = acme.woo.follow_link(left, BOB)
    acme.after(minutes=1)
    assert acme.states(BOB) == [("waiting", "R2")]
    acme.woo.buy(checkout_id=back)
    acme.after(minutes=1)
    assert acme.effects("withdrawn") == [ANN]
    assert acme.states() == [("self_recovered", "R7"), ("recovered", "R7")]
    with acme.ctx.db.read() as connection:
        (recovery,) = connection.execute(select(table(tables.Recovery))).all()
    assert (recovery.state, recovery.checkout_id) == ("recovered", left)
    told = view.explain(acme.ctx, acme.client, ANN)
    assert told is not None
    assert (told["state"], told["reason"].partition(":")[0]) == ("recovered", "bought after a step")


def test_who_buys_by_the_own_link_is_told_as_recovered(acme: World) -> None:
    left = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.woo.buy(checkout_id=acme.woo.follow_link(left))
    acme.after(minutes=1)
    told = view.explain(acme.ctx, acme.client, ANN)
    assert told is not None
    assert told["state"] == "recovered"
    assert [lead["state"] for lead in told["leads"]] == ["recovered", "self_recovered"]
    assert "by the link of an e-mail" in told["leads"][1]["reason"]
    assert [event["what"].partition(":")[0] for event in told["events"]].count("self_recovered") == 0


def test_who_comes_by_a_link_never_becomes_a_lead(acme: World) -> None:
    left = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(days=8))  # long after the shopper's window
    acme.woo.follow_link(left)
    acme.woo.follow_link(left, BOB)
    acme.after(minutes=1)
    acme.after(minutes=40)
    assert acme.effects() == [ANN]
    assert acme.states(BOB) == [("renewed_too_soon", "R5")]
    assert acme.states(ANN) == [("renewed_too_soon", "R5"), ("enrolled", "")]


def test_a_shopper_who_is_back_by_the_link_holds_the_next_step_up(tmp_path: Path, clock: Clock) -> None:
    steps = [{"after": "30m"}, {"after": "24h"}]
    options = {"woo": {"plugin": True}, "sequence": steps}
    with world(tmp_path, f"sqlite:///{tmp_path}/acme.db", clock, **options) as acme:
        left = acme.woo.abandon(ANN)
        acme.after(minutes=31)
        acme.after(hours=23, minutes=20)
        acme.woo.follow_link(left)
        acme.after(minutes=15)
        assert acme.effects() == [ANN]  # 24 h are over, and the shopper is at the checkout
        acme.after(minutes=20)
        acme.after(minutes=1)
        assert acme.effects() == [ANN, ANN]


def test_placed_and_not_paid_is_one_lead_however_often_it_is_seen(acme: World) -> None:
    left = acme.woo.abandon(ANN)
    acme.after(minutes=1)
    order = acme.woo.place_order(left)
    acme.after(minutes=31)
    acme.woo.switch_plugin(False)
    acme.after(minutes=31)
    acme.woo.switch_plugin(True)
    acme.after(minutes=31)
    acme.after(minutes=31)
    assert acme.effects() == [ANN]
    assert [row["state"] for row in view.leads(acme.ctx, acme.client, email=ANN)] == ["enrolled"]
    assert order == left


def test_a_plugin_that_is_switched_off_is_alerted_once_and_orders_go_on(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(minutes=1)
    acme.woo.switch_plugin(False)
    acme.woo.abandon(BOB)  # only typed: not seen now
    placed = acme.woo.abandon(CLEO)
    acme.woo.place_order(placed)
    for _ in range(8):
        acme.after(minutes=5)
    assert len(acme.alerts) == 1
    assert acme.alerts[0].startswith("acme/woo: The companion plugin is not there any more")
    assert view.troubles(acme.ctx) == [acme.alerts[0]]
    assert acme.effects() == [ANN, CLEO]
    acme.restart()
    acme.after(minutes=5)
    assert len(acme.alerts) == 1  # it was said
    acme.woo.switch_plugin(True)
    acme.woo.abandon("dan@example.com")
    for _ in range(8):
        acme.after(minutes=6)
    assert view.troubles(acme.ctx) == []
    assert acme.effects() == [ANN, CLEO, "dan@example.com"]
    assert acme.states(ANN) == [("enrolled", "")]


def test_a_plugin_that_comes_later_is_used_and_mails_nobody_twice(tmp_path: Path, clock: Clock) -> None:
    with world(tmp_path, f"sqlite:///{tmp_path}/acme.db", clock, woo={"version": "10.5.0"}) as acme:
        draft = acme.woo.abandon(ANN)
        acme.after(minutes=31)
        assert acme.effects() == [ANN]
        acme.woo.switch_plugin(True)
        acme.woo.abandon(ANN)
        acme.woo.abandon(BOB)
        for _ in range(8):
            acme.after(minutes=6)
        assert acme.effects() == [ANN, BOB]
        acme.woo.buy(checkout_id=draft)
        acme.after(minutes=1)
        assert acme.effects("withdrawn") == [ANN]


def test_starts_are_counted_by_day_and_the_rest_is_unknown(acme: World) -> None:
    acme.woo.abandon("")
    acme.woo.abandon(ANN)
    acme.after(minutes=1)
    assert capture(acme) == (Captured("companion plugin", 2, 1),)
    acme.woo.abandon("")
    for _ in range(4):
        acme.after(minutes=5)
    assert capture(acme) == (Captured("companion plugin", 3, 1),)
    acme.woo.switch_plugin(False)
    acme.woo.place_order(acme.woo.abandon(CLEO))
    for _ in range(4):
        acme.after(minutes=5)
    assert capture(acme) == (Captured("companion plugin", 3, 1), Captured("placed orders", None, 1))


def test_days_are_asked_for_now_and_then(acme: World) -> None:
    for _ in range(30):
        acme.after(minutes=1)
    asked = [x for x in acme.woo.server.journal if x.request.path.endswith("/visits")]
    assert len(asked) == 3
    assert asked[0].request.param("since") == "2025-12-02"  # as far back as leads are kept
    assert asked[-1].request.param("since") == "2026-02-28"


def eventually(acme: World, holds: Callable[[], bool]) -> None:
    """The daemon turns on the world's clock, which goes on a minute at a time."""
    for _ in range(200):
        if holds():
            return
        acme.clock.advance(MINUTE)
        time.sleep(0.05)
    raise AssertionError("it never came about")


def test_the_daemon_lives_through_a_plugin_that_comes_and_goes(acme: World) -> None:
    daemon = Daemon(acme.ctx, tick=0.02)
    daemon.start()
    try:
        first = acme.woo.abandon(ANN)
        eventually(acme, lambda: acme.effects() == [ANN])
        acme.woo.buy(checkout_id=first)
        eventually(acme, lambda: acme.effects("withdrawn") == [ANN])
        waiting = acme.woo.abandon(BOB)
        eventually(acme, lambda: acme.states(BOB) == [("waiting", "R2")])
        acme.woo.switch_plugin(False)
        acme.woo.place_order(acme.woo.abandon(CLEO))
        eventually(acme, lambda: set(acme.effects()) == {ANN, BOB, CLEO})
        assert [alert for alert in acme.alerts if "companion plugin" in alert] == acme.alerts[:1]
        acme.woo.switch_plugin(True)
        acme.woo.abandon("dan@example.com")
        acme.woo.buy(checkout_id=waiting)
        eventually(acme, lambda: "dan@example.com" in acme.effects() and BOB in acme.effects("withdrawn"))
        eventually(acme, lambda: view.troubles(acme.ctx) == [])
        assert sorted(acme.effects()) == [ANN, BOB, CLEO, "dan@example.com"]
        assert len(acme.alerts) == 1
    finally:
        assert daemon.stop()


def test_what_the_store_said_is_kept_for_the_owner(acme: World) -> None:
    acme.after(minutes=1)
    acme.woo.switch_plugin(False)
    acme.after(minutes=1)
    stores = table(tables.Store)
    with acme.ctx.db.read() as connection:
        kept = connection.execute(select(stores.c.notes).where(stores.c.id == "woo")).scalar()
    (note,) = read_notes(kept or "")
    assert (note.level, note.subject) == ("error", "companion plugin")
