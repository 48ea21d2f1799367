"""Another account answers behind a CRM's id: nobody is mailed twice, and nobody is left in a campaign."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from world import World

from connector.engine import hand, view
from connector.sandbox import Fault, Reply
from crm.sandbox import activecampaign

ANN, BOB = "ann@example.com", "bob@example.com"
SEQUENCE = [{"after": "45m"}, {"after": "24h", "tags": ["second"]}]


class Swap:
    """One client with two accounts of one CRM, of which the file names one at a time."""

    def __init__(self, folder: Path, database_url: str, clock: Clock) -> None:
        self.former, self.latter = (activecampaign.serve(clock=clock) for _ in range(2))
        self.acme = World(folder, database_url, clock, crms=[self.entry(self.former)], sequence=SEQUENCE)

    def entry(self, account: Any) -> dict[str, Any]:
        return {"id": "mail", **account.options(), "tags": ["abandoned-cart"], "subscribe": "eligible"}

    def to(self, account: Any) -> None:
        """The owner puts another key and address into the file."""
        self.acme.restart(crms=[self.entry(account)])

    def adopt(self, **how: Any) -> str:
        return hand.adopt(self.acme.ctx, self.acme.client, "mail", **how)

    def done(self, account: Any, what: str = "enrolled") -> list[str]:
        return [each.email for each in account.effects if each.what == what]

    def waiting(self) -> list[tuple[str, str, str]]:
        rows = view.deliveries(self.acme.ctx, self.acme.client)
        return [(row["email"], row["kind"], row["reason"]) for row in rows if row["kind"] == "withdraw"]

    def close(self) -> None:
        self.acme.close()
        for account in (self.former, self.latter):
            account.server.close()


@pytest.fixture
def swap(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Swap]:
    """Ann is enrolled in the former account."""
    made = Swap(tmp_path, database_url, clock)
    made.acme.woo.abandon(ANN)
    made.acme.after(hours=1)
    assert made.done(made.former) == [ANN]
    yield made
    made.close()


def test_a_wrong_key_sends_nothing_anywhere_and_the_right_one_goes_on(swap: Swap) -> None:
    swap.acme.woo.abandon(BOB)
    swap.to(swap.latter)
    swap.acme.after(hours=1)
    assert swap.latter.effects == []
    assert any("winback adopt -c PATH mail" in alert for alert in swap.acme.alerts)
    swap.acme.woo.buy(email=ANN)
    swap.acme.after(minutes=5)
    swap.to(swap.former)
    swap.acme.after(minutes=1)
    assert swap.done(swap.former) == [ANN, BOB]
    assert swap.done(swap.former, "withdrawn") == [ANN]
    assert swap.latter.effects == []


def test_who_buys_after_an_adoption_waits_for_the_account_that_enrolled_them(swap: Swap) -> None:
    swap.to(swap.latter)
    assert "1 shopper" in swap.adopt()
    swap.acme.woo.abandon(BOB)
    swap.acme.woo.buy(email=ANN)
    swap.acme.after(hours=1)
    assert swap.done(swap.latter) == [BOB]
    ((email, _, reason),) = swap.waiting()
    assert email == ANN
    assert f"waits for the account '{swap.former.server.url[7:]}'" in reason
    swap.acme.woo.buy(email=BOB)
    swap.acme.after(hours=24)
    assert swap.done(swap.latter, "withdrawn") == [BOB], "Ann was never in there"
    swap.to(swap.former)
    swap.adopt()
    swap.acme.after(minutes=1)
    assert swap.done(swap.former, "withdrawn") == [ANN]
    assert swap.waiting() == []


def test_a_withdrawal_that_is_owed_already_is_not_told_to_the_account_that_follows(swap: Swap) -> None:
    swap.former.server.fault = lambda _: Fault(Reply(403, {"message": "no"}))
    swap.acme.woo.buy(email=ANN)
    swap.acme.after(minutes=30)
    swap.to(swap.latter)
    swap.adopt()
    swap.acme.after(days=8)
    swap.acme.woo.abandon(ANN)
    swap.acme.after(hours=1)
    assert swap.done(swap.latter) == [ANN], "her new lead does not wait for the old account"
    assert [email for email, _, _ in swap.waiting()] == [ANN]
    swap.former.server.fault = None
    swap.to(swap.former)
    swap.adopt()
    swap.acme.after(minutes=1)
    assert swap.done(swap.former, "withdrawn") == [ANN]


def test_later_steps_go_to_the_account_that_was_adopted_and_both_let_go(swap: Swap) -> None:
    swap.to(swap.latter)
    swap.adopt()
    swap.acme.after(hours=23, minutes=30)
    assert swap.done(swap.latter) == [ANN]
    swap.acme.woo.buy(email=ANN)
    swap.acme.after(minutes=5)
    assert swap.done(swap.latter, "withdrawn") == [ANN]
    assert [email for email, _, _ in swap.waiting()] == [ANN]
    swap.to(swap.former)
    swap.adopt()
    swap.acme.after(minutes=1)
    assert swap.done(swap.former, "withdrawn") == [ANN]


def test_the_same_account_under_another_name_lets_go_of_everybody(swap: Swap) -> None:
    port = swap.former.server.port
    swap.acme.restart(crms=[{**swap.entry(swap.former), "base_url": f"http://localhost:{port}"}])
    swap.acme.woo.buy(email=ANN)
    swap.acme.after(minutes=5)
    swap.adopt(same=True)
    swap.acme.after(minutes=1)
    assert swap.done(swap.former, "withdrawn") == [ANN]
