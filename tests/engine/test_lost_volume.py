"""The data volume is lost, or was never mounted: what was done is not done again, wherever the CRM can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from world import World

from connector.db import Database
from crm.sandbox import activecampaign, klaviyo, mailchimp, omnisend

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def crms(clock: Clock) -> Iterator[dict[str, Any]]:
    """One account for each way in which a shopper can be enrolled."""
    made: dict[str, Any] = {
        "bulk": klaviyo.serve(clock=clock),
        "list": klaviyo.serve(clock=clock, by_list=True),
        "automation": activecampaign.serve(clock=clock),
        "tag": mailchimp.serve(clock=clock, path="tag"),
        "event": mailchimp.serve(clock=clock, path="event"),
        "cart": mailchimp.serve(clock=clock, path="native_cart"),
        "journey": mailchimp.serve(clock=clock, path="journey"),
        "omnisend": omnisend.serve(clock=clock),
    }
    yield made
    for each in made.values():
        each.server.close()


def accounts(crms: dict[str, Any]) -> list[dict[str, Any]]:
    """Their entries in the client's file."""
    return [{"id": id_, **crm.options(), "subscribe": "eligible"} for id_, crm in crms.items()]


def enrolled(crms: dict[str, Any], email: str) -> dict[str, int]:
    """How often each CRM started something for a shopper."""
    count = {id_: Counter(each.email for each in crm.effects if each.what == "enrolled") for id_, crm in crms.items()}
    return {id_: found[email] for id_, found in count.items()}


def lose_the_volume(world: World, url: str) -> None:
    """Goes on over an empty database."""
    world.url = url
    world.restart()


@pytest.mark.parametrize("steps", [1, 2])
def test_a_lost_volume_repeats_nothing_where_the_crm_can_tell(
    tmp_path: Path, clock: Clock, crms: dict[str, Any], steps: int
) -> None:
    sequence = [{"after": "30m"}, {"after": "14h", "tags": ["second"]}][:steps]
    acme = World(tmp_path, f"sqlite:///{tmp_path}/first.db", clock, crms=accounts(crms), sequence=sequence)
    acme.woo.abandon(ANN)
    for hours in (1.0, 14.0):
        acme.after(hours=hours)
    before = enrolled(crms, ANN)
    assert all(before.values()), before
    lose_the_volume(acme, f"sqlite:///{tmp_path}/second.db")
    acme.woo.abandon(BOB)
    for hours in (0.1, 0.6, 14, 14):
        acme.after(hours=hours)
    after = enrolled(crms, ANN)
    assert after.pop("journey") <= 2 * steps  # it can neither be asked nor told
    assert after == {id_: before[id_] for id_ in after}
    assert enrolled(crms, BOB)["tag"] == before["tag"]
    acme.close()


def test_the_hold_out_arm_is_the_same_in_every_database(tmp_path: Path, clock: Clock) -> None:
    acme = World(tmp_path, f"sqlite:///{tmp_path}/first.db", clock, leads={"holdout": "50%"})
    everyone = [f"shopper{n}@example.com" for n in range(24)]
    for email in everyone:
        acme.woo.abandon(email)
    acme.after(hours=1)
    first = {email: acme.states(email)[0][0] for email in everyone}
    assert set(first.values()) == {"enrolled", "holdout"}
    lose_the_volume(acme, f"sqlite:///{tmp_path}/second.db")
    acme.after(minutes=5)
    assert {email: acme.states(email)[0][0] for email in everyone} == first
    acme.close()
    one, other = (Database(f"sqlite:///{tmp_path}/{name}.db").open() for name in ("first", "second"))
    assert one.hash_key != other.hash_key
    for each in (one, other):
        each.close()
