"""Ids, titles and numbers that no table takes: they stop nobody else, on either database, and are said."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clock import START, Clock
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from test_odd_answers import through
from test_odd_records import records_in
from world import World

from connector import tables
from connector.db import Database, is_out, table
from connector.engine.sound import sound
from connector.model import Checkout, Customer, LineItem, Money, Order, Page, Visits

GOOD = "good@example.com"
NOISE = random.Random(1).randbytes(20_000).hex()  # no database can press it together
EUR = Money(Decimal(1), "EUR")
CHECKOUT = Checkout("1", "open", START, START, START, Customer("ann@example.com"), EUR, (LineItem("Mug", 1, EUR),))
ORDER = Order("1", "paid", True, START, START, Customer("ann@example.com"), EUR)


def with_long_customer(node: dict[str, Any]) -> None:
    node["customer"]["id"] = f"gid://shopify/Customer/{NOISE}"


def with_long_id(node: dict[str, Any]) -> None:
    node["id"] = f"gid://shopify/AbandonedCheckout/{NOISE}"


def with_long_token(node: dict[str, Any]) -> None:
    node["abandonedCheckoutUrl"] = f"https://acme.example/1/checkouts/ac/{NOISE}/recover"


ODD = {
    "ann@example.com": with_long_customer,
    "bob@example.com": with_long_id,
    "cleo@example.com": with_long_token,
}


def spoil_the_odd(data: Any) -> None:
    for record in records_in(data):
        for email, change in ODD.items():
            if email in str(record):
                change(record)


def test_an_id_of_40_kb_stops_nobody_else(tmp_path: Path, database_url: str, clock: Clock) -> None:
    acme = World(tmp_path, database_url, clock)
    through(acme.shop.server, spoil_the_odd)
    for email in (*ODD, GOOD):
        acme.shop.abandon(email)
    report = acme.after(minutes=45)
    assert not report.errors
    assert acme.effects() == [GOOD]
    findings = report.polled["acme/shop"].findings
    assert len(findings) == 3
    assert all("could not be read" in finding.message for finding in findings)
    acme.close()


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "7" * 501},
        {"order_id": "7" * 501},
        {"checkout_id": "7" * 501},
        {"tokens": ("a", "7" * 501)},
        {"customer": Customer(id="7" * 501)},
        {"customer": Customer("a" * 500 + "@example.com")},
        {"total": Money(Decimal(1), "E" * 501)},
        {"total": Money(Decimal("1e1000000"), "EUR")},
        {"total": Money(Decimal("-1e1000000"), "EUR")},
        {"total": Money(Decimal("1e15"), "EUR")},
    ],
)
@pytest.mark.parametrize("item", [CHECKOUT, ORDER])
def test_what_is_too_long_for_a_key_or_too_large_is_left_out_and_said(item: Any, odd: dict[str, Any]) -> None:
    (name,) = odd
    if not hasattr(item, name):
        return
    spoiled = replace(item, **odd)
    kept = sound(Page((item, spoiled), "x"))
    by_address = isinstance(item, Order) and len(spoiled.customer.email) > 500
    assert kept.items == ((item, spoiled) if by_address else (item,)), "a purchase counts, whosever it is"
    assert len(kept.findings) == 2 - len(kept.items)


def test_what_just_fits_stays_and_titles_are_cut() -> None:
    order = Order("7" * 500, "paid", True, START, START, Customer(id="7" * 500), Money(Decimal("9e14"), "EUR"))
    assert sound(Page((order,), "x")).items == (order,)
    long = Checkout("1", "open", START, START, START, Customer(), EUR, (LineItem(NOISE, 1, EUR),))
    (kept,) = sound(Page((long,), "x")).items
    assert kept.lines == (LineItem(NOISE[:500], 1, EUR),)


def test_a_value_beyond_the_databases_limits_is_no_outage(postgres_database_url: str) -> None:
    db = Database(postgres_database_url).open()
    row = {"name": NOISE, "value": ""}
    with pytest.raises(OperationalError) as refused, db.write() as connection:
        db.insert_new(connection, tables.Setting, [row])
    assert not is_out(refused.value)
    db.close()
    with pytest.raises(OperationalError) as away:
        Database(postgres_database_url.replace("/test_", "/nowhere_")).engine.connect()
    assert is_out(away.value)


ODD_DAYS = [
    {"day": "2026-03-01", "started": 10**30, "contactable": 1},
    {"day": "2026-03-01", "started": 10**9, "contactable": 1},
    {"day": "2026-03-01", "started": -5, "contactable": 1},
    {"day": "2026-03-01", "started": 5, "contactable": -1},
    {"day": "2026-03-01", "started": 5, "contactable": 10**18},
    {"day": "0001-01-01", "started": 5, "contactable": 1},
    {"day": "9999-12-31", "started": 5, "contactable": 1},
]


def test_an_odd_number_of_visits_spoils_no_other_day(tmp_path: Path, database_url: str, clock: Clock) -> None:
    acme = World(tmp_path, database_url, clock, woo={"plugin": True, "version": "10.9.0"})
    acme.woo.abandon(GOOD)

    def spoil(data: Any) -> None:
        if isinstance(data, dict) and "days" in data:
            data["days"] += ODD_DAYS

    through(acme.woo.server, spoil)
    report = acme.after(minutes=45)
    assert not report.errors
    assert acme.effects() == [GOOD]
    assert [alert for alert in acme.alerts if "checkouts begun" in alert]
    visits = table(tables.Visits)
    with acme.ctx.db.read() as connection:
        kept = [Visits(row.day, row.started, row.contactable) for row in connection.execute(select(visits))]
    assert kept == [Visits(START.date(), 1, 1)]
    for minutes in (1, 12, 1):
        assert not acme.after(minutes=minutes).errors
    assert len([alert for alert in acme.alerts if "checkouts begun" in alert]) == 1
    acme.close()
