"""Polls before their time: asked for by hand or by a webhook, also while a poll is under way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from world import World

from connector import tables
from connector.db import table
from connector.engine import hand
from connector.engine.poll import poll_store
from connector.engine.soon import GAP, ask
from connector.sandbox import Fault, Reply, Request

STORES = table(tables.Store)
ANN = "ann@example.com"
MINUTE = timedelta(minutes=1)


def next_poll(acme: World, store: str = "woo") -> timedelta:
    """How long until the store's next poll."""
    with acme.ctx.db.read() as connection:
        at: datetime = connection.execute(select(STORES.c.next_poll_at).where(STORES.c.id == store)).scalar_one()
    return at - acme.clock()


def during(acme: World, happens: Callable[[], Any], reply: Reply | None = None) -> None:
    """Polls the store; while it answers its first request for orders, something happens here."""
    left = [happens]

    def fault(request: Request) -> Fault | None:
        if "/orders" in request.path and left:
            left.pop()()
        return Fault(reply=reply) if reply and "/orders" in request.path else None

    acme.woo.server.fault = fault
    poll_store(acme.ctx, acme.accounts, acme.client, "woo")
    acme.woo.server.fault = None
    assert not left


def test_a_poll_is_followed_by_the_next_when_it_is_due(acme: World) -> None:
    acme.sync()
    acme.after(seconds=61)
    assert next_poll(acme) == MINUTE


def test_what_asks_for_a_poll_while_one_is_under_way_gets_another(acme: World) -> None:
    acme.sync()
    acme.clock.advance(timedelta(seconds=61))
    during(acme, lambda: ask(acme.ctx, "acme", "woo"))
    assert next_poll(acme) == GAP
    acme.clock.advance(GAP)
    during(acme, lambda: None)
    assert next_poll(acme) == MINUTE, "and no third"


def test_an_enrolment_by_hand_during_a_poll_is_not_forgotten_by_its_end(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=49)
    acme.clock.advance(timedelta(seconds=61))
    during(acme, lambda: hand.enrol(acme.ctx, acme.client, ANN))
    assert next_poll(acme) == GAP


def test_an_adoption_during_a_poll_that_fails_is_not_forgotten_either(acme: World) -> None:
    acme.sync()
    acme.clock.advance(timedelta(seconds=61))
    during(acme, lambda: hand.adopt(acme.ctx, acme.client, "woo"), Reply(401, {"code": "woocommerce_rest_cannot_view"}))
    assert next_poll(acme) == GAP


def test_a_store_that_said_when_to_come_again_is_left_alone_until_then(acme: World) -> None:
    acme.sync()
    acme.clock.advance(timedelta(seconds=61))
    busy = Reply(503, {}, {"Retry-After": "600"})
    during(acme, lambda: ask(acme.ctx, "acme", "woo"), busy)
    assert next_poll(acme) == timedelta(seconds=600)
    ask(acme.ctx, "acme", "woo")
    assert next_poll(acme) == timedelta(seconds=600), "nor by what comes later"


@pytest.mark.parametrize(("since", "wait"), [(0, 5), (3, 2), (5, 0), (40, 0)])
def test_a_hint_brings_the_poll_forward_but_never_close_to_the_last_one(acme: World, since: int, wait: int) -> None:
    acme.sync()
    acme.clock.advance(timedelta(seconds=since))
    for _ in range(3):
        ask(acme.ctx, "acme", "woo")
    assert next_poll(acme) == timedelta(seconds=wait)
    assert next_poll(acme, "shop") == timedelta(seconds=60 - since), "the other store is left alone"


def test_a_hint_never_puts_a_poll_off(acme: World) -> None:
    acme.sync()
    acme.clock.advance(timedelta(seconds=58))
    ask(acme.ctx, "acme", "woo")
    acme.clock.advance(timedelta(seconds=1))
    ask(acme.ctx, "acme", "woo")
    assert next_poll(acme) <= timedelta(0)


def test_a_store_that_is_not_there_is_no_error(acme: World) -> None:
    ask(acme.ctx, "acme", "nowhere")
    ask(acme.ctx, "nobody", "woo")
