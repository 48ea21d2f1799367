"""Steps, routing, hold-out and several clients, through the real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from clock import Clock
from world import World, world

from connector.config import load
from connector.engine import hand, view
from connector.engine.context import Client
from connector.engine.setup import apply_configuration
from connector.rules import in_holdout
from connector.sandbox import Fault, Reply
from crm.sandbox import klaviyo

ANN = "ann@example.com"
THREE = [{"after": "45m"}, {"after": "24h"}, {"after": "72h"}]
Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path, sqlite_url: str, clock: Clock) -> Iterator[Make]:
    """Makes a world with the given keys in the client's file."""
    opened = []

    def build(**client: Any) -> World:
        opened.append(world(tmp_path, sqlite_url, clock, **client))
        return opened[-1].__enter__()

    yield build
    for each in opened:
        each.__exit__(None, None, None)


def done(acme: World) -> list[int]:
    """The steps that were delivered."""
    rows = view.leads(acme.ctx, acme.client, email=ANN)
    return [step["index"] for row in rows for step in row["steps"] if step["state"] == "done"]


def test_three_steps_at_their_distances(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=44)
    assert done(acme) == []
    acme.after(minutes=2)
    assert done(acme) == [0]
    acme.after(hours=23)
    assert done(acme) == [0]
    acme.after(minutes=20)
    assert done(acme) == [0, 1]
    acme.after(hours=48)
    assert done(acme) == [0, 1, 2]


def test_when_one_step_runs_late_those_after_it_move_by_as_much(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.sync()
    acme.clock.advance(timedelta(hours=10))
    acme.sync()  # nobody looked for ten hours
    assert done(acme) == [0]
    acme.after(hours=23)
    assert done(acme) == [0]
    acme.after(minutes=20)
    assert done(acme) == [0, 1]


def test_a_later_step_waits_while_the_shopper_is_back(make: Make) -> None:
    acme = make(sequence=THREE)
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.after(hours=23)
    acme.woo.touch(checkout, quantity=2)
    acme.after(minutes=20)
    assert done(acme) == [0]
    acme.after(minutes=20)
    assert done(acme) == [0, 1]


def test_a_later_step_that_is_more_than_twelve_hours_late_is_not_sent(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.after(hours=37)
    assert done(acme) == [0]
    states = {s["state"] for row in view.leads(acme.ctx, acme.client) for s in row["steps"]}
    assert states == {"done", "too_late"}


def test_a_purchase_cancels_the_steps_that_remain(make: Make) -> None:
    acme = make(sequence=THREE)
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.clock.advance(timedelta(hours=1))
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    acme.after(days=4)
    assert done(acme) == [0]
    assert acme.states(ANN) == [("recovered", "R7")]


def test_the_remaining_steps_go_to_a_corrected_address(make: Make) -> None:
    acme = make(sequence=THREE)
    checkout = acme.woo.abandon("ann@exmaple.com")
    acme.after(minutes=46)
    acme.woo.touch(checkout, email=ANN)
    acme.after(minutes=46)
    assert acme.effects() == ["ann@exmaple.com"]
    acme.after(hours=24)
    assert acme.effects() == ["ann@exmaple.com", ANN]
    assert acme.effects("withdrawn") == ["ann@exmaple.com"]


def test_every_attempt_asks_for_the_orders_again(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.woo.server.fault = lambda r: Fault(reply=Reply(500, b"")) if r.param("status", "any") == "any" else None
    acme.after(hours=24)
    assert done(acme) == [0]
    acme.woo.buy(email=ANN)
    acme.woo.server.fault = None
    acme.after(minutes=20)
    assert done(acme) == [0]


def test_a_crm_and_a_step_take_only_what_they_want(make: Make, clock: Clock) -> None:
    acme = make()
    crm = {**acme.config["crms"][0], "when": {"stores": ["shop"]}}
    acme.restart(crms=[crm])
    acme.woo.abandon(ANN)
    acme.shop.abandon("bob@example.com")
    acme.after(minutes=31)
    assert acme.effects() == ["bob@example.com"]
    assert acme.states(ANN) == [("filtered", "when")]
    acme.restart(crms=[{**crm, "when": {"min_total": "1000000"}}])
    acme.shop.abandon("carl@example.com")
    acme.after(minutes=31)
    assert acme.states("carl@example.com") == [("filtered", "when")]


def test_the_hold_out_is_left_alone_but_measured(make: Make) -> None:
    acme = make(leads={"holdout": "99%"})
    people = [f"shopper{n}@example.com" for n in range(30)]
    ids = acme.woo.seed(30, people)
    acme.after(minutes=31)
    held_out = [row for row in view.leads(acme.ctx, acme.client) if row["state"] == "holdout"]
    assert len(held_out) + len(acme.effects()) == 30
    assert len(held_out) >= 27
    email = held_out[0]["email"]
    acme.clock.advance(timedelta(hours=2))
    acme.woo.buy(checkout_id=ids[people.index(email)])
    acme.after(minutes=1)
    assert acme.states(email) == [("self_recovered", "R7")]
    assert acme.effects("withdrawn") == []


def test_a_corrected_address_stays_on_its_side_of_the_hold_out(make: Make) -> None:
    acme = make(leads={"holdout": "50%"}, sequence=THREE)
    people = [f"shopper{n}@example.com" for n in range(40)]
    alone = [email for email in people if in_holdout("acme", email, 0.5)]
    others = [email for email in people if email not in alone]
    corrected = dict(zip((*alone[:4], *others[:4]), (*others[4:8], *alone[4:8]), strict=True))
    checkouts = {email: acme.woo.abandon(email) for email in corrected}
    acme.after(minutes=46)
    for email, right in corrected.items():
        acme.woo.touch(checkouts[email], email=right)
    acme.after(minutes=46)
    acme.after(hours=24)
    assert sorted(acme.effects()) == sorted([*others[:4], *alone[4:8]])


def test_two_clients_never_see_each_other(make: Make, clock: Clock, tmp_path: Path) -> None:
    acme = make()
    mail = klaviyo.serve(clock=clock)
    store = {**acme.config["stores"][0]}
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump({"client": "other", "stores": [store], "crms": [{"id": "mail", **mail.options()}]}))
    other = load(path, {}).clients[0]
    acme.ctx.clients = {**acme.ctx.clients, "other": Client.of(other)}
    apply_configuration(acme.ctx)
    acme.shop.buy(email=ANN)  # a purchase at a store that only the first client has
    acme.clock.advance(timedelta(hours=1))
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    assert acme.states(ANN) == [("bought_recently", "R7")]
    assert acme.effects() == []
    assert [effect.email for effect in mail.effects] == [ANN]
    mail.server.close()


def test_a_checkout_that_no_step_wants_is_filtered(make: Make) -> None:
    acme = make(sequence=[{"after": "45m", "when": {"stores": ["shop"]}}])
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    assert acme.states(ANN) == [("filtered", "when")]


def test_enrolled_by_hand_goes_out_with_the_next_pass(make: Make) -> None:
    acme = make()
    acme.woo.abandon(ANN)
    acme.after(hours=49)
    assert acme.states(ANN) == [("stale", "R3")]
    hand.enrol(acme.ctx, acme.client, ANN)
    acme.sync()
    assert acme.effects() == [ANN]


def test_an_excluded_or_suppressed_address_is_not_even_kept(make: Make) -> None:
    acme = make(leads={"exclude": ["@münchen.example"]})
    acme.woo.abandon("ann@xn--mnchen-3ya.example")
    acme.woo.abandon("bob@example.com")
    acme.sync()
    hand.suppress(acme.ctx, acme.client, "bob@example.com")
    rows = view.leads(acme.ctx, acme.client)
    assert [(row["state"], row["email"]) for row in rows] == [("suppressed", None)] * 2
