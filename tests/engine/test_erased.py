"""Who is erased is in no table any more, and nothing brings them back. What may stand in which column is said here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from pushed_world import pushed_world
from sqlalchemy import select
from sqlmodel import AutoString, SQLModel
from world import World, world

from connector.engine import hand, privacy, view
from connector.engine.backup import backup, restore
from connector.hooks import Asks, Hint
from connector.sandbox import Fault, Reply, Request

ANN, BOB = "ann.private@example.com", "bob@example.com"
STEPS = [
    {"after": "45m"},
    {"after": "24h", "coupon": {"percent": 10, "expires_in": "48h"}},
    {"after": "72h", "tags": ["refused"]},
]
# Every column that can hold text of or about a shopper. A new one must be answered for: what clears it at an erasure?
PLAIN = {  # holds the address, names or the cart's link while the shopper is under way; cleared with them
    "checkouts": {"id", "email", "payload", "token"},
    "leads": {"email", "checkout_id", "shown_checkout_id"},
    "deliveries": {"email", "exchange", "checkout_id", "applied"},
    "events": {"checkout_id"},
    "orders": {"checkout_id", "token", "cart_token"},
    "outcomes": {"checkout_id"},
    "recoveries": {"checkout_id"},
}
NEVER = {  # never holds any of that
    "settings": {"name", "value"},
    "stores": {"client", "id", "identity", "name", "checkouts_cursor", "orders_cursor", "error", "notes", "time_zone",
               "locale", "coupons_error"},
    "crms": {"client", "id", "identity", "name", "error"},
    "hours": {"client", "store"},
    "visits": {"client", "store", "source"},
    "checkouts": {"client", "store", "shopper", "customer_id", "order_id", "status", "digest", "consent",
                  "consent_source", "country", "total", "currency", "product_name", "stage", "source", "state", "rule",
                  "reason", "arm", "carry_sequence", "bought_by"},
    "orders": {"client", "store", "id", "shopper", "customer_id", "status", "origin", "total", "refunded", "currency"},
    "leads": {"client", "shopper", "store", "shown_store", "arm", "sequence"},
    "sequences": {"client", "id", "steps"},
    "windows": {"client", "shopper"},
    "deliveries": {"client", "crm", "shopper", "kind", "key", "store", "order_id", "reason", "state", "rule", "error",
                   "detail"},
    "coupons": {"client", "code", "store", "shopper", "state", "error"},
    "suppressions": {"client", "value", "why"},
    "recoveries": {"client", "store", "order_id", "shopper", "state", "origin", "amount", "currency", "checkout_store",
                   "arm", "product_name", "stage"},
    "outcomes": {"client", "store", "product_name", "stage", "arm", "bought"},
    "tallies": {"client", "store", "kind", "product_name", "stage", "arm", "state", "currency"},
    "templates": {"client", "crm", "name", "version", "digest"},
    "events": {"client", "shopper", "what", "rule", "store"},
}  # fmt: skip


def test_every_column_is_answered_for() -> None:
    for each in SQLModel.metadata.sorted_tables:
        texts = {column.name for column in each.c if isinstance(column.type, AutoString)}
        assert texts == PLAIN.get(each.name, set()) | NEVER[each.name], f"what may {each.name} hold of a shopper?"


def found(acme: World, private: set[str]) -> dict[str, set[str]]:
    """The columns in which any of it stands, by table."""
    columns: dict[str, set[str]] = {}
    with acme.ctx.db.read() as connection:
        for each in SQLModel.metadata.sorted_tables:
            for row in connection.execute(select(each)):
                for name, value in row._mapping.items():
                    if isinstance(value, str) and any(one.lower() in value.lower() for one in private):
                        columns.setdefault(each.name, set()).add(name)
    return columns


def in_bytes(acme: World, private: set[str]) -> set[str]:
    """What stands anywhere in an SQLite database: in its file, in free pages, in its log."""
    kept = b"".join(file.read_bytes() for file in acme.folder.glob("*.db*")).lower()
    return {one for one in private if one.lower().encode() in kept}


def private_of(acme: World, email: str) -> set[str]:
    """What the tables hold of a shopper now: the address, what can be made of it, names, phone, link and its secret."""
    checkouts = SQLModel.metadata.tables["checkouts"]
    said = {email, email.split("@")[0], email.replace("@", "%40")}
    said |= {getattr(hashlib, kind)(email.encode()).hexdigest() for kind in ("md5", "sha1", "sha256")}
    with acme.ctx.db.read() as connection:
        for text in connection.execute(select(checkouts.c.payload).where(checkouts.c.email == email)).scalars():
            payload = json.loads(text)
            customer = payload["customer"]
            said |= {customer["last_name"], customer["phone"], payload["url"], *payload["tokens"]}
    return {one for one in said if len(one) > 2}


@pytest.fixture
def acme(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[World]:
    """Ann is in every table: two stores, a coupon, a refused step, a purchase, a new lead."""
    more: dict[str, Any] = {"woo": {"plugin": True}, "sequence": STEPS}
    with world(tmp_path, database_url, clock, **more) as made:
        yield made


def refuse(request: Request) -> Fault | None:
    asked = request.body.decode()
    if request.method != "POST" or "event" not in request.path or "refused" not in asked:
        return None
    return Fault(Reply(400, {"errors": [{"detail": f"it is odd: {asked}"}]}))


def plant(acme: World, email: str = ANN) -> set[str]:
    """A shopper in every table that is about shoppers."""
    acme.crm.server.fault = refuse
    bought = acme.shop.abandon(email)
    acme.woo.abandon(BOB)
    acme.after(hours=1)
    private = private_of(acme, email)
    acme.shop.buy(checkout_id=bought)
    acme.after(minutes=5)
    acme.clock.advance(timedelta(days=8))
    acme.woo.abandon(email)
    acme.after(minutes=1)
    acme.shop.abandon(email)
    private |= private_of(acme, email)
    for hours in (1, 23.5, 48.5, 0.1):
        acme.after(hours=hours)
    private |= private_of(acme, email)
    failed = {row["email"] for row in view.deliveries(acme.ctx, acme.client) if row["state"] == "failed"}
    assert email in failed
    return private


def test_whoever_is_forgotten_is_in_no_table_and_in_no_page(acme: World) -> None:
    private = plant(acme)
    before = found(acme, private)
    for name, columns in before.items():
        assert columns <= PLAIN[name], f"{name}: where else does it stand?"
    assert {"checkouts", "leads", "deliveries", "events", "outcomes", "orders"} <= set(before)
    acme.crm.server.fault = None
    hand.forget(acme.ctx, acme.client, ANN, crms=True)
    assert found(acme, private).keys() <= {"deliveries"}, "the CRM is told: until then it is needed"
    for hours in (0.1, 1):
        acme.after(hours=hours)
    acme.ctx.db.compact()
    assert found(acme, private) == {}
    if acme.ctx.db.is_sqlite:
        assert in_bytes(acme, private) == set()
    assert acme.crm.tags(ANN) == set()
    said = view.explain(acme.ctx, acme.client, ANN)
    assert said is not None
    assert (said["state"], said["rule"]) == ("suppressed", "R10")
    for row in said["leads"]:  # the store lists one of them again: that it exists is all that is kept
        assert (row["email"], row["checkout_url"], row["steps"]) == (None, None, [])
    assert {event["what"] for event in said["events"]} <= {"taken out of mail", "erased in mail"}
    assert not any(one.lower() in json.dumps({**said, "email": ""}).lower() for one in private)
    assert view.leads(acme.ctx, acme.client, email=BOB), "and nobody else"


def test_nothing_brings_back_who_was_erased(acme: World, tmp_path: Path, database_url: str) -> None:
    private = plant(acme)
    backup(database_url, tmp_path / "old.copy")
    acme.crm.server.fault = None
    hand.forget(acme.ctx, acme.client, ANN, crms=True)
    acme.after(minutes=5)
    for store in (acme.woo, acme.shop):  # lists them again
        store.abandon(ANN)
        store.buy(email=ANN)
    acme.after(hours=1)
    again = found(acme, private - {each for each in private if "@" not in each and "%40" not in each})
    assert again == {}
    acme.ctx.db.close()
    restore(database_url, tmp_path / "old.copy", acme.clock(), overwrite=True)
    acme.restart()
    links = {one for one in private if one.startswith("http")}
    assert found(acme, {ANN, *links}).keys() <= {"deliveries"}, "what the CRM was owed then"
    for hours in (0.1, 1, 24):
        acme.after(hours=hours)
    assert found(acme, {ANN, *links}) == {}
    assert view.leads(acme.ctx, acme.client, email=ANN)[0]["email"] is None
    enrolled = acme.effects().count(ANN)
    acme.after(days=9)
    acme.woo.abandon(ANN)
    acme.after(hours=2)
    assert acme.effects().count(ANN) == enrolled


@pytest.mark.parametrize("refused", [False, True], ids=["taken", "refused"])
def test_who_is_erased_while_a_step_is_under_way(acme: World, refused: bool) -> None:
    """The answer comes when nobody is there any more."""
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=30)
    private = private_of(acme, ANN)
    asked: list[str] = []

    def meanwhile(request: Request) -> Fault | None:
        if request.method == "POST" and "event" in request.path and not asked:
            asked.append(request.path)
            hand.forget(acme.ctx, acme.client, ANN, crms=True)
            return Fault(Reply(400, {"errors": [{"detail": request.body.decode()}]})) if refused else None
        return None

    acme.crm.server.fault = meanwhile
    acme.after(minutes=20)
    assert asked
    for hours in (0.1, 24, 1):
        acme.after(hours=hours)
    acme.ctx.db.compact()
    assert found(acme, private | {checkout}) == {}
    assert acme.crm.tags(ANN) == set()
    assert acme.effects("withdrawn") == ([] if refused else [ANN])
    assert [row.exchange for row in rows_of(acme, "deliveries") if row.exchange] == []


def test_after_keep_for_it_is_the_same_without_anybody_asking(acme: World) -> None:
    private = plant(acme)
    for days in (89, 3, 1):
        acme.after(days=days)
    acme.ctx.db.compact()
    tokens = {one for one in private if "@" not in one and any(one in row.id for row in rows_of(acme, "checkouts"))}
    assert found(acme, private - tokens) == {}, "but for the store's numbers of checkouts"
    if acme.ctx.db.is_sqlite:
        assert in_bytes(acme, private - tokens) == set()


def test_a_customer_without_an_address_leaves_nothing_either(acme: World) -> None:
    acme.shop.abandon("")
    acme.after(minutes=15)
    (row,) = rows_of(acme, "checkouts")
    assert (row.shopper, row.payload) == ("", None), "nobody needs it before there is an address"


def rows_of(acme: World, name: str) -> list[Any]:
    with acme.ctx.db.read() as connection:
        return list(connection.execute(select(SQLModel.metadata.tables[name])).all())


def test_a_store_that_erases_a_customer_reaches_every_table(acme: World) -> None:
    private = plant(acme)
    acme.crm.server.fault = None
    number = next(row.customer_id for row in rows_of(acme, "orders") if row.customer_id)
    privacy.heed(acme.ctx, acme.client, "shop", Hint(Asks.ERASURE, ANN, number), set())
    for hours in (0.1, 1):
        acme.after(hours=hours)
    assert found(acme, {*private, number}) == {}


def test_a_site_that_tells_the_erased_again(tmp_path: Path, database_url: str, clock: Clock) -> None:
    with pushed_world(tmp_path, database_url, clock) as site:
        checkout = site.site.abandon(ANN)
        site.after(hours=1)
        assert site.effects() == [ANN]
        hand.forget(site.ctx, site.client, ANN, crms=True)
        site.after(minutes=1)
        site.site.touch(checkout, quantity=2)
        site.site.abandon(ANN)
        site.site.buy(email=ANN)
        site.after(hours=2)
        assert site.effects() == [ANN]
        assert found(site, {ANN}) == {}  # type: ignore[arg-type]
