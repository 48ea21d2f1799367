"""What a site tells by itself goes through the same rules as what a store is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from pushed_world import PushedWorld

from connector.engine.view import explain
from connector.inbound.options import ACCEPTED
from platforms.sandbox import woocommerce

JANE = "jane@example.com"
BLIND = {"orders": "none", "i_accept": ACCEPTED}


@pytest.fixture
def small(tmp_path: Path, sqlite_url: str, clock: Clock) -> Iterator[Any]:
    """Worlds with other keys, where the database does not matter."""
    made: list[PushedWorld] = []

    def make(**more: Any) -> PushedWorld:
        made.append(PushedWorld(tmp_path, sqlite_url, clock, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


def iso(moment: Any) -> str:
    return str(moment.isoformat())


def order(number: str, moment: Any, **more: Any) -> dict[str, Any]:
    times = dict.fromkeys(("created_at", "updated_at"), iso(moment))
    return {"id": number, "status": "paid", "purchase": True, "currency": "EUR", "total": "49.00", **times, **more}


def test_left_enrolled_bought_withdrawn(world: PushedWorld) -> None:
    checkout = world.site.abandon(JANE)
    world.after(minutes=1)
    assert world.state(JANE) == ("waiting", "R2")
    world.after(minutes=30)
    assert world.effects() == [JANE]
    assert world.crm.fields(JANE)["CART"] == "Linen shirt"
    world.site.buy(checkout_id=checkout)
    world.sync()
    assert world.effects("withdrawn") == [JANE]
    assert world.leads()[0]["state"] == "recovered"


def test_leads_wait_until_every_order_up_to_the_abandonment_is_told(world: PushedWorld, clock: Clock) -> None:
    world.site.abandon(JANE)
    abandoned = clock() + timedelta(minutes=30)
    clock.advance(timedelta(minutes=40))
    report = world.sync()
    assert world.state(JANE) == ("held", "R4")
    assert world.leads()[0]["reason"] == "waiting for the site to tell its orders (complete_through)"
    assert "has told no orders yet" in report.errors["acme/site"]
    for through, enrolled in ((abandoned - timedelta(seconds=1), []), (abandoned, [JANE])):
        said = world.site.post("orders", {"orders": [], "complete_through": iso(through)})
        assert (said.status, said.body["complete_through"]) == (200, iso(through).replace("+00:00", "Z"))
        report = world.sync()
        assert world.effects() == enrolled
    assert not report.errors


def test_an_order_told_with_the_word_stops_the_lead(world: PushedWorld, clock: Clock) -> None:
    world.site.abandon(JANE)
    clock.advance(timedelta(minutes=40))
    bought = order("7", clock() - timedelta(minutes=20), email=JANE.upper())
    world.site.post("orders", {"orders": [bought], "complete_through": iso(clock())})
    world.sync()
    assert (world.effects(), world.leads()[0]["state"]) == ([], "self_recovered")


def test_an_order_may_come_before_its_checkout(world: PushedWorld, clock: Clock) -> None:
    started = clock()
    clock.advance(timedelta(minutes=1))
    world.site.post("orders", {"orders": [order("7", clock(), checkout_id="late")]})
    times = dict.fromkeys(("started_at", "updated_at"), iso(started))
    late = {"id": "late", "email": JANE, "currency": "EUR", "total": 49, **times}
    assert world.site.post("checkouts", {"checkouts": [late]}).body["stored"] == 1
    world.after(minutes=45)
    assert (world.effects(), world.leads()[0]["state"]) == ([], "self_recovered")


def test_the_word_is_not_taken_with_an_order_that_was_refused(world: PushedWorld, clock: Clock) -> None:
    world.site.abandon(JANE)
    clock.advance(timedelta(minutes=40))
    good, bad = order("1", clock(), email="bob@example.com"), order("2", clock(), email=JANE, total="much")
    said = world.site.post("orders", {"orders": [good, bad], "complete_through": iso(clock())})
    assert (said.status, said.body["stored"], said.body["complete_through"]) == (422, 1, None)
    assert [problem["path"] for problem in said.body["refused"]] == ["orders.1.total", "complete_through"]
    world.sync()
    assert world.effects() == []


def test_the_word_never_goes_back(world: PushedWorld, clock: Clock) -> None:
    world.site.abandon(JANE)
    clock.advance(timedelta(minutes=40))
    earlier = clock() - timedelta(hours=1)
    for through in (clock(), earlier):
        world.site.post("orders", {"orders": [], "complete_through": iso(through)})
    world.sync()
    assert world.effects() == [JANE]


def test_a_step_wants_a_word_that_is_not_older_than_it_should_be(small: Any, clock: Clock) -> None:
    world = small(sequence=[{"after": "30m"}, {"after": "2h"}])
    world.site.abandon(JANE)
    world.after(minutes=31)
    clock.advance(timedelta(hours=2))
    report = world.sync()
    assert world.effects() == [JANE]
    assert "has told no orders since 2026-03-02 09:31 UTC" in report.errors["acme/site"]
    world.after(minutes=1)
    assert world.effects() == [JANE, JANE]


def test_a_site_that_cannot_tell_orders_is_believed_where_its_owner_accepted_that(small: Any, clock: Clock) -> None:
    world = small(keys=BLIND)
    world.site.abandon(JANE)
    clock.advance(timedelta(minutes=31))
    report = world.sync()
    assert (world.effects(), report.errors) == ([JANE], {})
    told = explain(world.ctx, world.client, JANE)
    assert told is not None
    assert next(event["what"] for event in told["events"]) == (
        "lead made, without R4's word: this site tells no orders, as its owner accepted"
    )
    world.site.post("orders", {"orders": [order("1", clock(), email=JANE)]})
    world.sync()
    assert world.effects("withdrawn") == [JANE], "what it tells all the same counts"


def test_a_silent_site_holds_its_sisters_for_an_hour_at_most(small: Any, clock: Clock) -> None:
    shop = woocommerce.serve(clock=clock)
    world = small(stores=[{"id": "shop", **shop.options()}])
    shop.abandon(JANE)
    clock.advance(timedelta(minutes=35))
    world.sync()
    assert world.state(JANE) == ("held", "R4")
    clock.advance(timedelta(minutes=61))
    world.sync()
    assert world.effects() == [JANE]
    shop.server.close()


@pytest.mark.parametrize("minutes", [-4, 4])
def test_ages_are_taken_on_the_clock_of_the_site(small: Any, clock: Clock, minutes: int) -> None:
    world = small(site_clock=lambda: clock() + timedelta(minutes=minutes))
    world.site.abandon(JANE)
    world.after(minutes=29)
    assert world.effects() == []
    world.after(minutes=1)
    assert world.effects() == [JANE]


def test_a_request_that_was_long_on_its_way_does_not_stretch_the_word(small: Any, clock: Clock) -> None:
    world = small()
    world.site.abandon(JANE)
    sent = clock() + timedelta(minutes=29, seconds=58)
    clock.advance(timedelta(minutes=34))
    world.site.post("orders", {"orders": [], "complete_through": iso(sent)}, at=sent)
    world.sync()
    world.site.post("checkouts", {"checkouts": []})  # and now one that was quick: the offset is another again
    clock.advance(timedelta(minutes=5))
    world.sync()
    assert world.state(JANE) == ("held", "R4")


def test_repeats_and_disorder_change_nothing(world: PushedWorld, clock: Clock) -> None:
    checkout = world.site.abandon(JANE)
    old = {"checkouts": [world.site._checkouts[checkout].copy()]}
    clock.advance(timedelta(minutes=5))
    world.site.touch(checkout, email="jane.doe@example.com", quantity=3)
    assert world.site.post("checkouts", old).body == {"stored": 0, "known": 0, "older": 1, "refused": []}
    new = {"checkouts": [world.site._checkouts[checkout]]}
    assert world.site.post("checkouts", new).body == {"stored": 0, "known": 1, "older": 0, "refused": []}
    assert (world.leads()[0]["email"], world.leads()[0]["total"]) == ("jane.doe@example.com", "147.00")
    bought = world.site.buy(email="bob@example.com")
    before = {"orders": [world.site._orders[bought].copy()]}
    clock.advance(timedelta(minutes=1))
    world.site.cancel(bought)
    assert world.site.post("orders", before).body["older"] == 1


def test_the_newest_of_an_id_counts_wherever_it_stands_in_the_request(world: PushedWorld, clock: Clock) -> None:
    checkout = world.site.abandon(JANE)
    newer = {**world.site._checkouts[checkout], "updated_at": iso(clock() + timedelta(minutes=1)), "total": "99.00"}
    older = {**world.site._checkouts[checkout], "updated_at": iso(clock() + timedelta(seconds=1)), "total": "1.00"}
    world.site.post("checkouts", {"checkouts": [newer, older]})
    assert world.leads()[0]["total"] == "99.00"


def test_a_checkout_that_is_completed_ends_without_its_order(world: PushedWorld, clock: Clock) -> None:
    checkout = world.site.abandon(JANE)
    world.after(minutes=31)
    done = {**world.site._checkouts[checkout], "updated_at": iso(clock()), "completed_at": iso(clock())}
    world.site.post("checkouts", {"checkouts": [done]})
    world.sync()
    assert (world.effects("withdrawn"), world.leads()[0]["state"]) == ([JANE], "recovered")


def test_an_emptied_cart_and_a_renewal(world: PushedWorld, clock: Clock) -> None:
    emptied = world.site.abandon("eve@example.com")
    world.site.touch(emptied, quantity=0)
    world.site.abandon(JANE)
    renewal = order("5", clock(), email=JANE, origin="renewal")
    world.site.post("orders", {"orders": [renewal]})
    world.after(minutes=31)
    assert world.effects() == [JANE]
    assert world.state("eve@example.com") == ("emptied", "R2")
