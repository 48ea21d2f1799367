"""What every platform must do that tells by itself. Its sandbox tells the real API, over the real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from clock import START, Clock
from conformance_case import JANE, PUSHED, Moody, is_sentence, serve
from pushed_world import PushedWorld, pushed_world
from sqlalchemy import Row, select

from connector import tables
from connector.db import table
from connector.engine.payload import read_payload
from connector.errors import TransientError
from connector.model import Checkout, ConsentState
from connector.registry import PLATFORMS, Cap

CHECKOUTS, ORDERS = table(tables.Checkout), table(tables.Order)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(params=sorted(PUSHED))
def site(request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str, clock: Clock) -> Iterator[PushedWorld]:
    with pushed_world(tmp_path, sqlite_url, clock, platform=request.param) as made:
        yield made


def checkout(site: PushedWorld, checkout_id: str) -> Checkout:
    """That checkout as it is kept."""
    with site.ctx.db.read() as connection:
        return read_payload(
            connection.execute(select(CHECKOUTS.c.payload).where(CHECKOUTS.c.id == checkout_id)).scalar_one()
        )


def orders(site: PushedWorld) -> list[Row[tuple[object, ...]]]:
    with site.ctx.db.read() as connection:
        return list(connection.execute(select(ORDERS).order_by(ORDERS.c.created_at)).all())


@pytest.mark.parametrize("name", sorted(PUSHED))
def test_its_sandbox_is_a_store(name: str, clock: Clock) -> None:
    sandbox = serve("platforms", name, clock)
    assert sandbox.options()["platform"] == name
    assert PLATFORMS[name].Options.pushed
    sandbox.server.close()


def test_check_asks_nobody_and_names_the_same_account_every_time(site: PushedWorld, http: Moody) -> None:
    options = site.client.config.stores[0]
    adapter = PLATFORMS[options.platform](options, http)
    before = len(site.site.server.journal)
    assert adapter.check().identity == adapter.check().identity
    assert len(site.site.server.journal) == before
    assert not [secret for secret in options.secrets() if secret in f"{options!r} {adapter!r}"]
    assert options.secrets()


def test_an_abandoned_checkout_is_told_in_full(site: PushedWorld) -> None:
    made = site.site.abandon(JANE, title="Süßes Hemd 🧵", quantity=2)
    found = checkout(site, made)
    assert (found.customer.email, found.completed_at, found.emptied) == (JANE, None, False)
    assert [(line.title, line.quantity, line.total) for line in found.lines] == [("Süßes Hemd 🧵", 2, found.total)]
    assert found.total.amount > 0
    assert {found.started_at, found.activity_at, found.modified_at} == {START}
    if Cap.RECOVERY_URL in PLATFORMS[site.client.config.stores[0].platform].capabilities:
        assert found.url.startswith(site.site.server.url)


@pytest.mark.parametrize("consent", list(ConsentState))
def test_consent_is_read_as_it_was_given(site: PushedWorld, consent: ConsentState) -> None:
    assert checkout(site, site.site.abandon(JANE, consent=consent)).consent.state is consent


def test_a_shopper_who_comes_back_moves_the_activity_of_the_same_checkout(site: PushedWorld, clock: Clock) -> None:
    made = site.site.abandon(JANE)
    before = checkout(site, made)
    clock.advance(HOUR)
    site.site.touch(made, quantity=3, email="corrected@example.com")
    after = checkout(site, made)
    assert (after.activity_at - before.activity_at, after.started_at) == (HOUR, before.started_at)
    assert (after.lines[0].quantity, after.customer.email) == (3, "corrected@example.com")


def test_a_purchase_ends_its_checkout_and_a_cancelled_order_is_none(site: PushedWorld, clock: Clock) -> None:
    made = site.site.abandon(JANE)
    clock.advance(MINUTE)
    bought = site.site.buy(checkout_id=made)
    assert [(row.id, row.purchase, row.checkout_id, row.placed_at) for row in orders(site)] == [
        (bought, True, made, START + MINUTE)
    ]
    assert site.leads()[0]["state"] == "self_recovered"
    site.site.cancel(bought)
    assert [row.purchase for row in orders(site)] == [False]


def test_its_word_on_orders_is_what_leads_wait_for(site: PushedWorld, clock: Clock) -> None:
    site.site.abandon(JANE)
    clock.advance(timedelta(minutes=31))
    is_sentence(TransientError(site.sync().errors["acme/site"]))
    assert site.effects() == []
    site.site.buy(email="someone.else@example.com")
    assert not site.sync().errors
    assert site.effects() == [JANE]


def test_nothing_that_it_tells_is_in_the_log(site: PushedWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    made = site.site.abandon(JANE)
    site.site.buy(checkout_id=made)
    site.sync()
    said = json.dumps([record.getMessage() for record in caplog.records if record.name.startswith("winback")])
    assert JANE not in said
