"""What is asked of a CRM: only what it can do, and only with names that nobody misused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from world import World

from connector import registry
from connector.engine.accounts import asked_in_vain
from connector.errors import ConfigError
from connector.harmless import presentable
from connector.model import Checkout, Customer, Money


@pytest.fixture
def bare() -> Iterator[None]:
    """The CRM of the world, as if it could do nothing but enrol."""
    registry.load()
    cls: Any = registry.CRMS["klaviyo"]
    registry.CRMS["klaviyo"] = type("Bare", (cls,), {"capabilities": frozenset()})
    yield
    registry.CRMS["klaviyo"] = cls


@pytest.mark.usefixtures("bare")
def test_a_missing_capability_is_refused_before_anything_is_sent(acme: World) -> None:
    said = asked_in_vain(acme.client, acme.client.config.crms[0])
    assert [word for line in said for word in ("tags", "fields", "campaign") if f"cannot do {word}" in line] == [
        "tags", "fields", "campaign",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="cannot do tags"):
        acme.accounts.crm(acme.client, acme.client.config.crms[0])
    assert acme.crm.server.journal == []


def test_nothing_is_refused_of_a_crm_that_can_do_it(acme: World) -> None:
    assert asked_in_vain(acme.client, acme.client.config.crms[0]) == []


def test_names_reach_the_crm_without_links_and_markup(clock: Any) -> None:
    now = clock()
    customer = Customer("ann@example.com", first_name="Ann <b>won</b> https://evil.example", last_name="O'Hara")
    checkout = Checkout("1", "open", now, now, now, customer, Money(Decimal(1), "EUR"))
    cleaned = presentable(checkout).customer
    assert "evil" not in cleaned.first_name
    assert "<" not in cleaned.first_name
    assert cleaned.last_name == "O'Hara"
    assert replace(cleaned, first_name="", last_name="") == replace(customer, first_name="", last_name="")
