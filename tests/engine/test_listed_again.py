"""R11: a checkout that has had its turn keeps the state that it came to, however often the store lists it again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from clock import Clock
from pushed_world import pushed_world
from world import world

from connector.engine import hand

ANN = "ann@example.com"


def test_staff_save_the_order_after_days(tmp_path: Path, database_url: str, clock: Clock) -> None:
    with world(tmp_path, database_url, clock) as acme:
        one = acme.woo.abandon(ANN)
        acme.woo.place_order(one)
        for _ in range(2):
            acme.after(hours=1)
        assert acme.states() == [("enrolled", "")]
        clock.advance(timedelta(days=3))
        acme.woo.set_status(one, "pending")  # only the modified time moves
        for minutes in (0, 1):
            acme.after(minutes=minutes)
        assert acme.states() == [("enrolled", "")]
        assert acme.effects() == [ANN]


def test_one_that_was_enrolled_by_hand(tmp_path: Path, sqlite_url: str, clock: Clock) -> None:
    with world(tmp_path, sqlite_url, clock) as acme:
        one = acme.woo.abandon(ANN)
        acme.woo.place_order(one)
        clock.advance(timedelta(days=3))
        acme.sync()
        assert acme.states() == [("stale", "R3")]
        hand.enrol(acme.ctx, acme.client, ANN)
        for _ in range(2):
            acme.after(minutes=1)
        clock.advance(timedelta(hours=1))
        acme.woo.set_status(one, "pending")
        for minutes in (0, 1):
            acme.after(minutes=minutes)
        assert acme.states() == [("enrolled", "")]
        assert acme.effects() == [ANN]


def test_a_cart_that_was_emptied_and_filled_again(tmp_path: Path, database_url: str, clock: Clock) -> None:
    steps = [{"after": "45m"}, {"after": "24h", "tags": ["second"]}]
    with pushed_world(tmp_path, database_url, clock, sequence=steps) as acme:
        one = acme.site.abandon(ANN)
        acme.after(hours=1)
        lines = acme.site._checkouts[one]["lines"]
        acme.site.touch(one, quantity=0)
        acme.after(minutes=1)
        assert [row["state"] for row in acme.leads()] == ["emptied"]
        acme.site._checkouts[one]["lines"] = lines
        acme.site.touch(one, quantity=2)
        for hours in (0, 1):
            acme.after(hours=hours, minutes=1)
        (lead,) = acme.leads()
        assert (lead["state"], lead["reason"]) == ("enrolled", "step 1 delivered; the cart was filled again")
        acme.after(hours=24)
        assert acme.effects() == [ANN, ANN]
