"""R7: whoever may be in a campaign is let go, whatever became of the lead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from world import World, world

from connector.engine import hand
from connector.sandbox import Fault, Reply, Request

ANN = "ann@example.com"


@pytest.fixture
def acme(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[World]:
    with world(tmp_path, database_url, clock) as made:
        yield made


def lose(request: Request) -> Fault | None:
    """The CRM acts, and its answer is lost."""
    is_step = request.method == "POST" and "event" in request.path
    return Fault(reset=True, after_effect=True) if is_step else None


@pytest.mark.parametrize("where", ["store", "crm"])
def test_an_answer_was_lost_and_then_the_shopper_unsubscribed(acme: World, where: str) -> None:
    acme.crm.server.fault = lose
    one = acme.shop.abandon(ANN)
    acme.after(hours=1)
    assert acme.effects() == [ANN]
    acme.crm.server.fault = None
    if where == "store":
        acme.shop.unsubscribe(ANN)
        acme.shop.touch(one)
        acme.after(minutes=20)
    else:
        acme.crm.unsubscribe(ANN)
    for _ in range(2):
        acme.after(hours=1)
    assert acme.states() == [("no_consent", "R9")]
    acme.shop.buy(checkout_id=one)
    acme.after(hours=1)
    assert acme.effects("withdrawn") == [ANN]


def test_nobody_had_it_so_there_is_nobody_to_let_go(acme: World) -> None:
    one = acme.shop.abandon(ANN)
    acme.crm.unsubscribe(ANN)
    acme.after(hours=1)
    assert acme.states() == [("no_consent", "R9")]
    acme.shop.buy(checkout_id=one)
    acme.after(hours=1)
    assert acme.effects("withdrawn") == []


def test_a_refused_exit_is_not_given_up_for_a_lead_that_the_crm_did_not_take(acme: World) -> None:
    def refuse(request: Request) -> Fault | None:
        no = Reply(400, {"errors": [{"detail": "not so"}]})
        return Fault(no) if "Placed Order" in request.body.decode() else None

    acme.woo.abandon(ANN)
    acme.after(hours=1)
    acme.crm.server.fault = refuse
    acme.woo.buy(email=ANN)
    acme.after(minutes=5)
    acme.after(days=9)
    acme.crm.unsubscribe(ANN)
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    assert acme.states()[0] == ("no_consent", "R9")
    acme.crm.server.fault = None
    acme.after(hours=7)
    assert acme.effects("withdrawn") == [ANN]


@pytest.mark.parametrize("again", [False, True])
def test_a_crm_is_adopted_while_it_works(acme: World, again: bool) -> None:
    """By a command beside the daemon, which has the account open."""
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    for account in ("mail", "woo") * (2 if again else 1):
        hand.adopt(acme.ctx, acme.client, account)
        acme.after(minutes=1)
    acme.woo.buy(email=ANN)
    acme.after(minutes=5)
    assert acme.effects("withdrawn") == [ANN]
