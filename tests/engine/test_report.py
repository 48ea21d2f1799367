"""The numbers of the report, through real lives of shoppers, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from sqlalchemy import select
from sqlmodel import SQLModel
from world import World, world

from connector.engine import hand
from connector.engine.report import rows_of
from connector.sandbox import Fault, Reply
from crm.sandbox import klaviyo

ANN, BOB, CARL, DAN = (f"{name}@example.com" for name in ("ann", "bob", "carl", "dan"))
THREE = [{"after": "45m"}, {"after": "24h"}, {"after": "72h"}]
Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Make]:
    """Makes a world with the given keys in the client's file."""
    opened = []

    def build(**client: Any) -> World:
        opened.append(world(tmp_path, database_url, clock, **client))
        return opened[-1].__enter__()

    yield build
    for each in opened:
        each.__exit__(None, None, None)


def lines(acme: World, by: str = "store", days: int = 365) -> list[dict[str, Any]]:
    """The report of so many days."""
    first = (acme.clock() - timedelta(days=days)).date()
    return list(rows_of(acme.ctx, acme.client, first, by))


def woo(acme: World) -> dict[str, Any]:
    """The report of the WooCommerce store."""
    return next(line for line in lines(acme) if line["store"] == "woo")


def picked(line: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """Some of a line's numbers."""
    return tuple(line[name] for name in names)


def everything(acme: World) -> str:
    """All that is in the database, but for the suppressions (R10)."""
    with acme.ctx.db.read() as connection:
        return str(
            [
                connection.execute(select(each)).all()
                for each in SQLModel.metadata.sorted_tables
                if each.name != "suppressions"
            ]
        )


def test_every_number_of_a_few_lives(make: Make) -> None:
    acme = make(sequence=THREE)
    ann, _bob = acme.woo.abandon(ANN), acme.woo.abandon(BOB)
    carl = acme.woo.abandon(CARL)
    acme.after(minutes=10)
    acme.woo.buy(checkout_id=carl)  # before any step
    acme.after(minutes=36)
    acme.after(hours=24)
    acme.clock.advance(timedelta(hours=1))
    acme.woo.buy(checkout_id=ann)  # after the second step
    acme.after(minutes=1)
    line, other = lines(acme)
    assert other["store"] == "shop"
    assert picked(line, "client", "store", "since") == ("acme", "woo", "2025-03-03T00:00:00Z")
    assert picked(line, "contactable", "leads", "enrolled", "holdout") == (3, 2, 2, 0)
    assert picked(line, "recovered", "self_recovered", "bought_later") == (1, 1, 0)
    assert line["recovery_rate"] == 0.5
    assert line["recovery_rate_interval"] == [0.0945, 0.9055]
    assert line["recovered_revenue"] == {"EUR": "19.40"}
    assert line["lift"] is None
    assert [picked(step, "index", "delivered", "recovered", "recovered_revenue") for step in line["steps"]] == [
        (0, 2, 0, {}),
        (1, 2, 1, {"EUR": "19.40"}),
        (2, 0, 0, {}),
    ]
    assert line["steps"][1]["revenue_per_delivered"] == {"EUR": "9.70"}
    assert picked(other, "contactable", "leads", "recovery_rate", "recovered_revenue") == (0, 0, None, {})


def test_an_order_is_followed_for_sixty_days(make: Make) -> None:
    acme = make()
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(hours=1))
    order = acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    acme.woo.refund(order, Decimal("5.00"))
    acme.after(days=10)
    assert woo(acme)["recovered_revenue"] == {"EUR": "14.40"}
    acme.woo.cancel(order)
    acme.after(days=10)
    assert picked(woo(acme), "recovered", "recovered_revenue") == (1, {"EUR": "0.00"})
    acme.woo.set_status(order, "completed")
    acme.after(days=10)
    assert woo(acme)["recovered_revenue"] == {"EUR": "14.40"}
    acme.clock.advance(timedelta(days=31))
    acme.woo.refund(order, Decimal("5.00"))
    acme.after(minutes=1)
    assert woo(acme)["recovered_revenue"] == {"EUR": "14.40"}


def test_the_report_of_a_year_is_the_same_when_the_shoppers_are_long_gone(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(BOB)
    acme.shop.abandon(DAN)
    ann = acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.clock.advance(timedelta(hours=1))
    acme.woo.buy(checkout_id=ann)
    acme.after(minutes=1)
    acme.after(hours=24)
    acme.after(hours=48)
    before = lines(acme)
    for _ in range(5):
        acme.after(days=61)
        now = lines(acme)
        assert [{**line, "since": ""} for line in now] == [{**line, "since": ""} for line in before]
    kept = everything(acme)
    assert not [shopper for shopper in (ANN, BOB, DAN) if shopper in kept]
    with acme.ctx.db.read() as connection:
        for name in ("checkouts", "outcomes", "leads", "deliveries"):
            assert connection.execute(select(SQLModel.metadata.tables[name])).all() == [], name
    acme.after(days=100)
    assert everything(acme).count("Trail Mug") == 0, "numbers are kept for 400 days"


def test_a_shopper_who_is_erased_still_counts_and_nothing_personal_is_kept(make: Make) -> None:
    acme = make(sequence=THREE)
    ann, bob = acme.woo.abandon(ANN), acme.woo.abandon(BOB)
    acme.after(minutes=46)
    acme.clock.advance(timedelta(hours=1))
    order = acme.woo.buy(checkout_id=ann)
    acme.after(minutes=1)
    before = lines(acme)
    hand.forget(acme.ctx, acme.client, ANN)
    hand.forget(acme.ctx, acme.client, BOB)
    acme.after(minutes=1)
    assert lines(acme) == before
    acme.woo.touch(bob, quantity=2)
    acme.woo.refund(order, Decimal("1.00"))
    acme.after(minutes=1)
    assert lines(acme) == before
    with acme.ctx.db.read() as connection:
        for name in ("recoveries", "outcomes"):
            assert connection.execute(select(SQLModel.metadata.tables[name])).all() == [], name


def test_a_shopper_who_comes_back_after_seven_days_is_a_second_lead_and_buys_once(make: Make) -> None:
    acme = make()
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(days=8))
    acme.woo.touch(checkout, quantity=2)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(hours=1))
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    weeks = lines(acme, "week")
    assert [picked(week, "week", "leads", "recovered", "contactable") for week in weeks] == [
        ("2026-03-02", 1, 0, 1),
        ("2026-03-09", 1, 1, 0),
    ]
    assert picked(woo(acme), "leads", "enrolled", "recovered", "bought_later") == (2, 2, 1, 0)


def who_bought(acme: World) -> list[str]:
    """What a purchase made of each lead, in the order in which they were made."""
    rows = SQLModel.metadata.tables["outcomes"]
    with acme.ctx.db.read() as connection:
        return list(connection.execute(select(rows.c.bought).order_by(rows.c.day)).scalars())


def test_an_order_belongs_to_the_lead_that_a_step_brought_back(make: Make) -> None:
    acme = make(sequence=THREE)
    checkout = acme.woo.abandon(ANN)
    for hours in (1, 24, 48, 97):
        acme.after(hours=hours)
    acme.woo.touch(checkout, quantity=2)  # after seven days: a second lead, and no step of its own yet
    acme.after(minutes=31)
    acme.clock.advance(timedelta(minutes=2))
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    assert picked(woo(acme), "leads", "enrolled", "recovered", "recovered_revenue") == (2, 1, 1, {"EUR": "33.90"})
    assert [step["recovered"] for step in woo(acme)["steps"]] == [0, 0, 1]
    assert who_bought(acme) == ["recovered", ""]


def test_an_order_belongs_to_the_newest_of_two_leads(make: Make) -> None:
    acme = make()
    for _ in range(2):
        acme.clock.advance(timedelta(days=20))
        checkout = acme.woo.abandon(ANN)
        acme.after(minutes=31)
    acme.clock.advance(timedelta(hours=1))
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    assert who_bought(acme) == ["", "recovered"]


def test_a_corrected_address_is_the_same_lead(make: Make) -> None:
    acme = make(sequence=THREE)
    checkout = acme.woo.abandon("ann@exmaple.com")
    acme.after(minutes=46)
    acme.after(hours=15)  # the next day
    acme.woo.touch(checkout, email=ANN)
    acme.after(minutes=46)
    acme.after(hours=24)
    acme.clock.advance(timedelta(hours=1))
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    line = woo(acme)
    assert picked(line, "contactable", "leads", "enrolled", "recovered") == (1, 1, 1, 1)
    assert [step["delivered"] for step in line["steps"]] == [1, 1, 0]


def test_one_order_that_ends_several_checkouts_counts_once(make: Make) -> None:
    acme = make()
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(hours=5))
    acme.woo.abandon(ANN)
    acme.after(minutes=5)
    second = acme.shop.abandon(ANN)
    acme.after(minutes=5)
    acme.shop.buy(checkout_id=second)
    acme.after(minutes=1)
    assert sorted(acme.states(ANN)) == [("recovered", "R7"), ("self_recovered", "R7")]
    line, other = lines(acme)
    assert picked(line, "recovered", "self_recovered", "recovered_revenue") == (1, 0, {"USD": "49.00"})
    assert picked(other, "recovered", "self_recovered", "recovered_revenue") == (0, 0, {})


def test_a_checkout_that_is_completed_before_its_order_is_read_counts_once(make: Make) -> None:
    acme = make()
    checkout = acme.shop.abandon(ANN)
    acme.after(minutes=45)
    acme.clock.advance(timedelta(hours=1))
    acme.shop.buy(checkout_id=checkout)
    acme.shop.server.fault = outage
    acme.after(minutes=16)
    shop = lines(acme)[1]
    assert picked(shop, "enrolled", "recovered", "recovered_revenue") == (1, 1, {"USD": "0.00"})
    acme.shop.server.fault = None
    acme.after(minutes=16)
    acme.after(minutes=16)
    shop = lines(acme)[1]
    assert picked(shop, "enrolled", "recovered", "self_recovered") == (1, 1, 0)
    assert shop["recovered_revenue"] == {"USD": "49.00"}


def outage(request: Any) -> Any:
    """Orders cannot be read."""
    from connector.sandbox import Fault, Reply

    return Fault(reply=Reply(500, b"")) if b"orders(" in request.body else None


def test_what_is_bought_at_the_till_earns_nothing(make: Make) -> None:
    acme = make()
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(hours=1))
    acme.woo.add_order(ANN, created_via="pos-rest-api")
    acme.after(minutes=1)
    assert picked(woo(acme), "recovered", "bought_later", "recovered_revenue") == (0, 1, {})


def test_a_step_to_two_crms_is_one_delivered_step(make: Make) -> None:
    acme = make()
    mail = acme.config["crms"][0]
    acme.restart(crms=[mail, {**mail, "id": "again"}], sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    assert acme.effects() == [ANN, ANN] or acme.effects() == [ANN]  # the sandbox may take them for one
    line = woo(acme)
    assert picked(line, "enrolled", "leads") == (1, 1)
    assert [step["delivered"] for step in line["steps"]] == [1, 0, 0]


@pytest.mark.parametrize("corrected", [False, True])
def test_an_order_comes_after_the_furthest_step_though_a_crm_that_was_away_got_an_earlier_one_since(
    make: Make, clock: Clock, corrected: bool
) -> None:
    acme = make()
    with klaviyo.serve(clock=clock).server as late:
        other = {**acme.config["crms"][0], "id": "other", "base_url": late.url}
        acme.restart(crms=[acme.config["crms"][0], other], sequence=THREE)
        late.fault = lambda request: Fault(reply=Reply(503, b"", {"Retry-After": "600"}))
        checkout = acme.woo.abandon(ANN)
        acme.after(minutes=46)
        acme.after(hours=24)
        late.fault = None
        acme.after(hours=6, minutes=1)
        acme.after(minutes=1)
        if corrected:
            acme.woo.touch(checkout, email=BOB)
            acme.after(minutes=31)
        acme.clock.advance(timedelta(hours=1))
        acme.woo.buy(checkout_id=checkout)
        acme.after(minutes=1)
        assert [effect.email for effect in acme.crm.effects if effect.what == "enrolled"] == [ANN, ANN]
        assert [step["delivered"] for step in woo(acme)["steps"]] == [1, 1, 0]
        assert [step["recovered"] for step in woo(acme)["steps"]] == [0, 1, 0]


def test_the_parts_make_the_whole(make: Make) -> None:
    acme = make(sequence=THREE, leads={"holdout": "40%"})
    for number in range(12):
        acme.woo.abandon(f"shopper{number}@example.com", title=("Mug", "Tent", "=cmd")[number % 3])
        acme.after(hours=30)
    for number in range(0, 12, 2):
        acme.woo.buy(email=f"shopper{number}@example.com")
    acme.after(hours=1)
    whole = woo(acme)
    assert whole["holdout"] > 1
    names = ("leads", "enrolled", "holdout", "recovered", "self_recovered", "bought_later")
    for by in ("product", "week", "stage"):
        parts = lines(acme, by)
        assert [sum(part[name] for part in parts) for name in names] == [whole[name] for name in names], by
        revenue = sum(Decimal(part["recovered_revenue"].get("EUR", 0)) for part in parts)
        assert revenue == Decimal(whole["recovered_revenue"].get("EUR", 0)), by
    assert {part["product"] for part in lines(acme, "product")} == {"Mug", "Tent", "=cmd"}
    steps = [step for step in lines(acme, "step") if step["store"] == "woo"]
    assert [step["delivered"] for step in steps] == [step["delivered"] for step in whole["steps"]]
    assert sum(step["recovered"] for step in steps) == whole["recovered"]


def test_no_crm_ever_hears_of_the_hold_out_and_it_is_measured_like_the_others(make: Make) -> None:
    acme = make(sequence=THREE, leads={"holdout": "50%"})
    people = [f"shopper{number}@example.com" for number in range(40)]
    ids = acme.woo.seed(40, people)
    acme.after(minutes=46)
    line = woo(acme)
    assert line["leads"] == 40
    assert line["enrolled"] + line["holdout"] == 40
    alone = set(people) - set(acme.effects())
    assert len(alone) == line["holdout"] > 5
    acme.woo.touch(ids[people.index(min(alone))], quantity=3)
    acme.after(hours=1)
    for email in sorted(alone)[:3]:
        acme.woo.buy(checkout_id=ids[people.index(email)])
    acme.after(hours=24)
    acme.after(hours=48)
    acme.after(days=91)
    heard = "".join(f"{each.request.path}{each.request.query}{each.request.body!r}" for each in acme.crm.server.journal)
    assert next(iter(set(people) - alone)) in heard
    assert not [email for email in alone if email in heard]
    lift = woo(acme)["lift"]
    assert lift["holdout"] == {"leads": len(alone), "bought": 3}
    assert lift["contacted"] == {"leads": 40 - len(alone), "bought": 0}
    assert (lift["difference"], lift["interval"], lift["claim"]) == (None, None, "too_few")
    assert woo(acme)["recovered"] == 0


def test_an_address_counts_once_however_often_its_checkout_is_read(make: Make) -> None:
    acme = make()
    checkout = acme.shop.abandon("")
    acme.after(minutes=15)
    assert lines(acme)[1]["contactable"] == 0
    acme.shop.touch(checkout, email=ANN)
    acme.after(minutes=15)
    acme.shop.touch(checkout, email=BOB)
    acme.after(minutes=15)
    assert lines(acme)[1]["contactable"] == 1
    assert picked(lines(acme)[1], "started", "capture_rate") == (None, None)
    assert picked(next(iter(lines(acme, days=1))), "started", "capture_rate") == (None, None)


def test_starts_are_known_as_far_back_as_what_counts_them(make: Make) -> None:
    acme = make()
    acme.woo.abandon(ANN)
    acme.woo.abandon("")
    acme.after(minutes=1)
    assert picked(lines(acme, days=30)[0], "started", "contactable", "capture_rate") == (2, 1, 0.5)
    assert lines(acme, days=30)[0]["sources"] == [
        {"source": "drafts", "started": 2, "contactable": 1, "capture_rate": 0.5}
    ]
    assert lines(acme, days=365)[0]["sources"] == []
    assert picked(lines(acme, days=365)[0], "started", "contactable", "capture_rate") == (None, 1, None)
