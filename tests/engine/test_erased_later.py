"""`forget --crms` at a CRM that answers before it acts: nothing that is still on its way brings the shopper back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from sqlalchemy import update
from world import World

from connector import tables
from connector.db import table
from connector.engine import clients, hand, view
from connector.errors import TransientError
from crm.sandbox import klaviyo, omnisend

ANN = "ann@example.com"
CRMS = {"klaviyo": klaviyo, "omnisend": omnisend}


class Acme:
    """A client with one CRM that is slow to act. Ann was enrolled minutes ago."""

    def __init__(self, world: World, crm: str, clock: Clock) -> None:
        self.world, self.mail = world, CRMS[crm].serve(clock=clock)
        fields = {"CART": "{{ product_name }}"}
        keys = {"id": "mail", **self.mail.options(), "tags": ["abandoned-cart"], "fields": fields}
        world.restart(crms=[keys])
        self.mail.deferred = True

    def enrol(self) -> None:
        self.world.woo.abandon(ANN)
        self.world.after(minutes=20)
        self.world.after(minutes=11)
        assert [state for state, _ in self.world.states(ANN)] == ["enrolled"]

    def forget(self, *, permanently: bool = False) -> None:
        hand.forget(self.world.ctx, self.world.client, ANN, crms=True, permanently=permanently)

    def after(self, minutes: int) -> None:
        for start in range(0, minutes, 15):
            self.world.after(minutes=min(15, minutes - start))

    def work_off(self) -> None:
        self.mail.work_off()
        self.mail.deferred = False

    @property
    def effects(self) -> list[str]:
        return [effect.what for effect in self.mail.effects if effect.what in ("enrolled", "withdrawn")]

    @property
    def contact(self) -> Any:
        """As the CRM has it, made if need be."""
        return self.mail._profile(ANN) if isinstance(self.mail, klaviyo.KlaviyoSandbox) else self.mail._contact(ANN)

    @property
    def left(self) -> dict[str, Any]:
        """What Winback put there, also for itself."""
        tags = self.mail.tags(ANN)
        named = self.contact.names if isinstance(self.mail, klaviyo.KlaviyoSandbox) else self.contact.plain
        every = {**self.contact.properties, **named, "tags": tags}
        return {name: value for name, value in every.items() if value}

    @property
    def waiting(self) -> list[dict[str, Any]]:
        return view.deliveries(self.world.ctx, self.world.client)


@pytest.fixture
def acme(tmp_path: Path, sqlite_url: str, clock: Clock, request: pytest.FixtureRequest) -> Iterator[Acme]:
    world = World(tmp_path, sqlite_url, clock)
    made = Acme(world, getattr(request, "param", "klaviyo"), clock)
    yield made
    world.close()
    made.mail.server.close()


both = pytest.mark.parametrize("acme", CRMS, indirect=True)


@both
@pytest.mark.parametrize("slow", [5, 30], ids=["minutes", "half an hour"])
def test_who_is_forgotten_minutes_after_they_were_enrolled(acme: Acme, slow: int) -> None:
    acme.enrol()
    acme.forget()
    acme.after(minutes=slow)
    acme.work_off()
    acme.after(minutes=75)
    assert acme.effects in (["enrolled", "withdrawn"], [])
    assert acme.left == {}
    assert acme.waiting == []


def test_for_ever_is_for_ever(acme: Acme) -> None:
    acme.enrol()
    acme.forget(permanently=True)
    acme.after(minutes=30)
    acme.work_off()
    acme.after(minutes=75)
    assert acme.effects == ["enrolled", "withdrawn"]
    assert acme.mail.status(ANN) == ""
    assert acme.waiting == []


@both
def test_who_the_crm_knew_before(acme: Acme) -> None:
    assert acme.contact
    acme.enrol()
    acme.forget()
    acme.after(minutes=5)
    acme.work_off()
    acme.after(minutes=75)
    assert acme.left == {}
    assert acme.waiting == []


@both
def test_who_bought_a_minute_before(acme: Acme) -> None:
    acme.enrol()
    acme.world.woo.buy(email=ANN)
    acme.world.after(minutes=1)
    acme.forget()
    acme.after(minutes=5)
    acme.work_off()
    acme.after(minutes=75)
    assert acme.left == {}
    assert acme.waiting == []


def test_a_withdrawal_without_an_end_does_not_keep_them_for_ever(acme: Acme) -> None:
    acme.enrol()
    acme.forget()
    acme.work_off()
    deliveries, now = table(tables.Delivery), acme.world.clock()
    with acme.world.ctx.db.write() as connection:  # as after many failures
        stuck = update(deliveries).where(deliveries.c.kind == "withdraw")
        connection.execute(stuck.values(next_at=now + timedelta(days=9), attempts=20, attempted_at=now))
    for _ in range(6):
        acme.world.after(hours=7)
    assert acme.left, "it is not erased before they are let go"
    assert "worked off" in {row["kind"]: row["reason"] for row in acme.waiting}["forget"]
    acme.world.after(hours=7)
    assert acme.left == {}
    assert [row["kind"] for row in acme.waiting] == ["withdraw"]


def test_a_client_is_not_removed_before_its_shoppers_are(acme: Acme) -> None:
    acme.enrol()
    with pytest.raises(TransientError, match=r"not acknowledged yet .*not made this new contact yet"):
        clients.remove(acme.world.ctx, acme.world.accounts, "acme")
