"""Privacy requests that a store sends by webhook: the one exception to webhooks being only hints."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hook_door import Door, opened
from sqlalchemy import select
from world import World

from connector import tables
from connector.db import table
from connector.engine import hand, view
from connector.engine.backup import backup, restore
from connector.engine.report import rows_of

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def door(acme: World) -> Iterator[Door]:
    """The web server of a world."""
    with opened(acme) as made:
        yield made


def erase(door: Door, email: str, **more: Any) -> None:
    door.acme.shop.ask_privacy(door.url(), "customers/redact", email, **more)
    door.acme.shop.hooks.courier.wait()


def rows(acme: World, kind: Any) -> list[Any]:
    with acme.ctx.db.read() as connection:
        return list(connection.execute(select(table(kind))).all())


def state_of(acme: World, email: str) -> str:
    """What `explain` says."""
    told = view.explain(acme.ctx, acme.client, email)
    assert told is not None
    return str(told["state"])


def abandoned(acme: World, *emails: str) -> None:
    for email in emails:
        acme.shop.abandon(email)
    acme.after(minutes=45)
    assert sorted(acme.effects()) == sorted(emails)


def test_a_shopper_whom_the_store_erases_is_erased_here_and_in_the_crm(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "winback")
    acme = door.acme
    abandoned(acme, ANN, BOB)
    erase(door, ANN)
    assert [one.status for one in acme.shop.hooks.courier.journal] == [200]
    assert [row.email for row in rows(acme, tables.Lead)] == [BOB], "before the answer"
    assert ANN not in {row.email for row in rows(acme, tables.Checkout)}
    for minutes in (1, 61):
        acme.after(minutes=minutes)
    assert (acme.crm.tags(ANN), acme.crm.fields(ANN)) == (set(), {})
    assert acme.crm.tags(BOB) == {"abandoned-cart"}
    assert state_of(acme, ANN) == "suppressed"
    assert acme.states(BOB) == [("enrolled", "")]
    assert door.hooks.hints == set(), "it is no news"
    assert ANN not in caplog.text
    acme.shop.abandon(ANN)
    acme.after(hours=2)
    assert ANN not in acme.effects()[2:]


def test_the_same_request_again_erases_nobody_twice(door: Door) -> None:
    acme = door.acme
    abandoned(acme, ANN)
    acme.shop.hooks.courier.copies = 3
    erase(door, ANN)
    acme.after(minutes=1)
    assert [one.status for one in acme.shop.hooks.courier.journal] == [200] * 3
    assert len([row for row in rows(acme, tables.Delivery) if row.kind == "forget"]) == 1
    erase(door, ANN)
    assert len([row for row in rows(acme, tables.Delivery) if row.kind == "forget"]) == 1, "a replay, long after"


def test_one_who_was_forgotten_by_hand_is_erased_in_the_crm_too(door: Door) -> None:
    abandoned(door.acme, ANN)
    hand.forget(door.acme.ctx, door.acme.client, ANN)
    erase(door, ANN)
    assert len([row for row in rows(door.acme, tables.Delivery) if row.kind == "forget"]) == 1


def test_a_backup_does_not_bring_back_whom_the_store_erased(door: Door, tmp_path: Path, database_url: str) -> None:
    acme = door.acme
    abandoned(acme, ANN, BOB)
    backup(database_url, tmp_path / "backup.db")
    erase(door, ANN)
    acme.ctx.db.close()
    restore(database_url, tmp_path / "backup.db", acme.clock(), overwrite=True)
    acme.restart()
    assert {row.email for row in rows(acme, tables.Checkout)} == {BOB}


def test_one_whom_the_store_erased_and_still_lists_is_not_counted_again(door: Door) -> None:
    acme = door.acme
    checkout = acme.shop.abandon(ANN)
    acme.after(minutes=45)
    before = list(rows_of(acme.ctx, acme.client, acme.clock().date(), "store"))
    erase(door, ANN)
    acme.shop.touch(checkout, quantity=2)
    acme.after(minutes=11)
    assert [row.state for row in rows(acme, tables.Checkout)] == ["suppressed"], "it is listed again"
    assert list(rows_of(acme.ctx, acme.client, acme.clock().date(), "store")) == before


def test_a_request_with_a_customer_and_no_address_finds_what_that_customer_left(door: Door) -> None:
    acme = door.acme
    abandoned(acme, ANN, BOB)
    customer = next(row.customer_id for row in rows(acme, tables.Checkout) if row.email == ANN)
    erase(door, "", customer=int(customer.rpartition("/")[2]))
    acme.after(minutes=1)
    assert [row.email for row in rows(acme, tables.Lead)] == [BOB]
    assert acme.crm.tags(ANN) == set()


def test_a_crm_that_left_the_file_is_the_owners_to_tell(acme: World) -> None:
    abandoned(acme, ANN)
    (mail,) = acme.config["crms"]
    acme.restart(crms=[{**mail, "id": "letters"}])
    said = "mail is not in the file any more and not told: erase the contact there by hand"
    assert hand.forget(acme.ctx, acme.client, BOB, crms=True).endswith(f"lead again. {said}")
    assert hand.forget(acme.ctx, acme.client, BOB).endswith("lead again")
    told = len(acme.alerts)
    with opened(acme) as door:
        erase(door, ANN)
    assert [alert.endswith(f"the store asked to erase a shopper. {said}") for alert in acme.alerts[told:]] == [True]


def test_nobody_known_is_suppressed_all_the_same(door: Door) -> None:
    erase(door, "carol@example.com")
    assert state_of(door.acme, "carol@example.com") == "suppressed"
    erase(door, "no address")
    assert [one.status for one in door.acme.shop.hooks.courier.journal] == [200, 200]


@pytest.mark.parametrize("topic", ["customers/data_request", "shop/redact"])
def test_what_only_the_owner_can_do_is_an_alert_without_the_address(door: Door, topic: str) -> None:
    abandoned(door.acme, ANN)
    door.acme.shop.hooks.courier.copies = 2
    door.acme.shop.ask_privacy(door.url(), topic, ANN)
    door.acme.shop.hooks.courier.wait()
    (alert,) = door.acme.alerts
    assert alert.startswith("acme/shop: ")
    assert ANN not in alert
    assert ("request 9999" in alert) == (topic == "customers/data_request")
    assert len(rows(door.acme, tables.Lead)) == 1, "nothing was erased"


def test_a_request_about_another_shop_is_an_alert_and_nothing_else(door: Door) -> None:
    abandoned(door.acme, ANN)
    erase(door, ANN, shop="other.myshopify.com")
    (alert,) = door.acme.alerts
    assert "other.myshopify.com" in alert
    assert len(rows(door.acme, tables.Lead)) == 1


def test_an_erasure_that_cannot_be_written_down_is_asked_for_again(door: Door) -> None:
    abandoned(door.acme, ANN)
    with door.acme.ctx.db.write() as connection:
        connection.exec_driver_sql("ALTER TABLE suppressions RENAME TO elsewhere")
    erase(door, ANN)
    with door.acme.ctx.db.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO suppressions")
    assert [one.status for one in door.acme.shop.hooks.courier.journal] == [503]
    assert len(rows(door.acme, tables.Lead)) == 1, "all of it or nothing"
    erase(door, ANN)
    assert rows(door.acme, tables.Lead) == []
