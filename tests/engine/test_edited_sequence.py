"""A lead keeps the sequence that it started with, whatever the owner does to the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from sqlalchemy import func, select, update
from world import World, world

from connector import tables
from connector.db import table
from connector.engine import hand, sequences, view
from connector.engine.setup import apply_configuration
from crm.sandbox import activecampaign

ANN, BOB = "ann@example.com", "bob@example.com"
THREE = [{"after": "45m", "tags": ["one"]}, {"after": "24h", "tags": ["two"]}, {"after": "72h", "tags": ["three"]}]
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


def steps(acme: World, email: str = ANN) -> list[tuple[int, str]]:
    """(index, state) of each delivery, in order."""
    rows = view.leads(acme.ctx, acme.client, email=email)
    return [(step["index"], step["state"]) for row in rows for step in row["steps"]]


def kept(acme: World) -> int:
    """How many sequences are stored."""
    with acme.ctx.db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table(tables.KeptSequence))).scalar_one())


def on_others(acme: World) -> int:
    """What `check` says."""
    with acme.ctx.db.read() as connection:
        query = sequences.on_others("acme", sequences.sequence_id(acme.client))
        return int(connection.execute(query).scalar_one())


def test_a_lead_under_way_goes_on_as_it_started_and_a_new_one_takes_the_new_sequence(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.restart(sequence=[{"after": "30m", "tags": ["new"]}])
    assert on_others(acme) == 1
    acme.after(hours=1)
    acme.woo.abandon(BOB)
    acme.after(minutes=31)
    assert acme.crm.tags(BOB) == {"abandoned-cart", "new"}
    acme.after(hours=22)
    assert steps(acme) == [(0, "done"), (1, "done"), (2, "pending")]
    acme.after(hours=48)
    assert steps(acme) == [(0, "done"), (1, "done"), (2, "done")]
    assert acme.crm.tags(ANN) == {"abandoned-cart", "one", "two", "three"}
    assert steps(acme, BOB) == [(0, "done")]
    assert on_others(acme) == 0


def test_a_step_taken_out_of_the_file_before_the_first_was_due_is_still_delivered(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=31)  # the lead is made; its first step is due at 45 minutes
    acme.restart(sequence=[{"after": "24h", "tags": ["late"]}])
    acme.after(minutes=15)
    assert steps(acme) == [(0, "done"), (1, "pending")]
    assert acme.crm.tags(ANN) == {"abandoned-cart", "one"}


def test_the_distances_are_those_that_the_lead_started_with(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.restart(sequence=[{"after": "45m"}, {"after": "1h"}])
    acme.after(hours=22)
    assert steps(acme) == [(0, "done"), (1, "pending")]
    acme.after(hours=2)
    assert steps(acme) == [(0, "done"), (1, "done"), (2, "pending")]


def test_a_buyer_is_taken_out_of_what_the_lead_was_put_into(make: Make) -> None:
    acme = make(sequence=THREE)
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.after(hours=24)
    assert acme.crm.tags(ANN) == {"abandoned-cart", "one", "two"}
    acme.restart(sequence=[{"after": "45m", "tags": ["other"]}])
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    assert acme.crm.tags(ANN) == set()


@pytest.fixture
def automation(clock: Clock) -> Iterator[Any]:
    """A CRM in which leaving an automation shows."""
    made = activecampaign.serve(clock)
    yield made
    made.server.close()


@pytest.mark.parametrize("how", ["bought", "forgotten"])
def test_the_campaign_of_a_step_that_is_gone_is_left_too(make: Make, automation: Any, how: str) -> None:
    options = {key: value for key, value in automation.options().items() if key != "campaign"}
    crm = {"id": "mail", **options, "subscribe": "eligible"}
    acme = make(crms=[crm], sequence=[{"after": "45m", "campaign": {"automation": 7}, "tags": ["one"]}])
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=46)
    assert automation.running(ANN) == 1
    acme.restart(sequence=[{"after": "45m", "tags": ["other"]}])
    if how == "bought":
        acme.woo.buy(checkout_id=checkout)
    else:
        hand.forget(acme.ctx, acme.client, ANN)
    acme.after(minutes=1)
    assert automation.running(ANN) == 0
    assert automation.tags(ANN) == set()


def test_the_remaining_steps_of_a_corrected_address_are_those_of_the_same_sequence(make: Make) -> None:
    acme = make(sequence=THREE)
    checkout = acme.woo.abandon(BOB)
    acme.after(minutes=46)
    acme.woo.touch(checkout, email=ANN)
    acme.after(minutes=1)
    acme.restart(sequence=[{"after": "45m", "tags": ["other"]}])
    acme.after(minutes=46)
    acme.after(hours=24)
    assert set(steps(acme)) >= {(1, "done"), (2, "pending")}
    assert acme.crm.tags(ANN) == {"abandoned-cart", "two"}


def test_a_crm_that_left_the_file_is_waited_for_and_then_given_up_where_it_shows(make: Make) -> None:
    acme = make(sequence=THREE)
    mail = acme.config["crms"]
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.restart(crms=[])
    acme.after(hours=25)
    (waiting,) = view.deliveries(acme.ctx, acme.client)
    assert (waiting["state"], waiting["reason"]) == ("pending", "paused: mail is not in the configuration any more")
    acme.restart(crms=mail)
    acme.after(minutes=1)
    assert steps(acme) == [(0, "done"), (1, "done"), (2, "pending")]
    acme.restart(crms=[])
    acme.after(hours=61)
    (ended,) = view.deliveries(acme.ctx, acme.client)
    assert (ended["state"], ended["rule"]) == ("too_late", "R3")
    assert ended["reason"] == "mail left the configuration, and did not come back in time"


def test_a_lead_whose_only_crm_left_before_the_first_step_says_so(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.restart(crms=[])
    acme.after(hours=50)
    assert acme.states(ANN) == [("too_late", "R3")]


def test_a_step_that_does_not_fit_the_crm_any_more_ends_where_it_shows(make: Make, automation: Any) -> None:
    acme = make(sequence=[{"after": "45m"}, {"after": "24h", "campaign": {"metric": "Second"}}])
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.restart(crms=[{"id": "mail", **automation.options()}], sequence=[{"after": "45m"}])
    hand.adopt(acme.ctx, acme.client, "mail")
    acme.after(hours=24)
    (refused,) = view.deliveries(acme.ctx, acme.client)
    assert refused["state"] == "failed"
    assert refused["reason"] == "the step that the lead started with does not fit mail, which is activecampaign now"


def test_sequences_that_nobody_goes_on_with_are_not_kept(make: Make) -> None:
    acme = make(sequence=THREE)
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=46)
    acme.restart(sequence=[{"after": "45m"}])
    acme.after(minutes=1)
    assert kept(acme) == 1
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    acme.sync()
    assert kept(acme) == 0


def test_a_lead_of_a_version_that_kept_no_sequence_gets_the_one_of_the_file(make: Make) -> None:
    acme = make(sequence=THREE)
    acme.woo.abandon(ANN)
    acme.after(minutes=46)
    with acme.ctx.db.write() as connection:
        connection.execute(update(table(tables.Lead)).values(sequence=""))
    apply_configuration(acme.ctx)
    acme.restart(sequence=[{"after": "45m"}])
    acme.after(hours=24)
    assert steps(acme) == [(0, "done"), (1, "done"), (2, "pending")]


def test_what_is_written_is_read_again_and_equal_steps_are_one_sequence(make: Make) -> None:
    when = {"min_total": "19.90", "countries": ["DE"]}
    acme = make(
        sequence=[
            {"after": "90m", "crm": "mail", "fields": {"A": "{{ total }}"}, "when": when, "coupon": {"percent": 10}}
        ]
    )
    written = acme.client.config.sequence
    assert sequences.read_steps(sequences.write_steps(written)) == written
    before = sequences.sequence_id(acme.client)
    acme.restart(
        sequence=[
            {"after": "1.5h", "crm": ["mail"], "fields": {"A": "{{ total }}"}, "when": when, "coupon": {"percent": 10}}
        ]
    )
    assert sequences.sequence_id(acme.client) == before
