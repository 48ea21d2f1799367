"""Whatever is sent: nothing crashes, nothing is answered with 500, and one bad record never blocks a good one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clock import START, Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pushed_world import PushedWorld
from sqlalchemy import func, select

from connector import tables
from connector.db import table
from connector.inbound.records import CheckoutRecord, OrderRecord
from connector.inbound.signature import sign

SETTINGS = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
NOW = START.isoformat()
WORDS = ["", "a", "-1", "1e9", "NaN", "null", "\u0000", "\ud800", "é", "\u202e", "x" * 600, NOW, "0001-01-01T00:00:00Z"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**30, max_value=10**31),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from([*WORDS, "https://acme.example/cart", "https://[", "EUR", "jane@example.com"]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
CHECKOUT = {"id": "good", "started_at": NOW, "updated_at": NOW, "currency": "EUR", "total": "1"}
ORDER = {"id": "good", "status": "paid", "purchase": True, "created_at": NOW, "updated_at": NOW, "currency": "EUR"}
ORDER |= {"total": "1"}


def spoilt(good: dict[str, Any], model: type[CheckoutRecord] | type[OrderRecord]) -> st.SearchStrategy[Any]:
    """A record that is right but for a few values, or anything at all."""
    keys = st.sampled_from([*model.model_fields, "colour"])
    changes = st.dictionaries(keys, ANYTHING, max_size=3)
    lines = st.lists(st.dictionaries(st.sampled_from(["title", "price", "quantity", "sku"]), ANYTHING), max_size=2)
    return changes.map(lambda changed: {**good, **changed}) | lines.map(lambda some: {**good, "lines": some}) | ANYTHING


@pytest.fixture
def open_site(site: PushedWorld) -> PushedWorld:
    return unlimited(site)


@pytest.fixture
def each_site(world: PushedWorld) -> PushedWorld:
    return unlimited(world)


def unlimited(site: PushedWorld) -> PushedWorld:
    """Without a limit that a fuzzer would meet."""
    object.__setattr__(site.client.config.stores[0], "requests_per_second", 1e9)
    return site


def has(site: PushedWorld, model: Any, record_id: str) -> bool:
    rows = table(model)
    with site.ctx.db.read() as connection:
        return bool(
            connection.execute(select(func.count()).select_from(rows).where(rows.c.id == record_id)).scalar_one()
        )


@SETTINGS
@given(bad=st.lists(spoilt(CHECKOUT, CheckoutRecord), max_size=3), place=st.integers(0, 3))
def test_a_good_checkout_gets_through_beside_anything(each_site: PushedWorld, bad: list[Any], place: int) -> None:
    good = {**CHECKOUT, "id": f"good-{hash(str(bad))}"}
    said = each_site.site.post("checkouts", {"checkouts": [*bad[:place], good, *bad[place:]]})
    assert said.status in (200, 422), said
    assert has(each_site, tables.Checkout, good["id"])
    refused = {problem["path"].split(".")[1] for problem in said.body["refused"]}
    assert said.body["stored"] + said.body["known"] + said.body["older"] + len(refused) == len(bad) + 1


@SETTINGS
@given(bad=st.lists(spoilt(ORDER, OrderRecord), max_size=3), through=ANYTHING)
def test_a_good_order_gets_through_beside_anything(each_site: PushedWorld, bad: list[Any], through: Any) -> None:
    good: dict[str, Any] = {**ORDER, "id": f"good-{hash(str(bad))}"}
    said = each_site.site.post("orders", {"orders": [*bad, good], "complete_through": through})
    assert said.status in (200, 422), said
    assert has(each_site, tables.Order, good["id"])
    assert said.status == 200 or said.body["complete_through"] is None


@SETTINGS
@given(document=ANYTHING, what=st.sampled_from(["checkouts", "orders"]))
def test_any_document_is_answered(open_site: PushedWorld, document: Any, what: str) -> None:
    assert open_site.site.post(what, document).status in (200, 400, 422)


@SETTINGS
@given(body=st.binary(max_size=200), what=st.sampled_from(["checkouts", "orders"]))
def test_any_bytes_are_answered(open_site: PushedWorld, body: bytes, what: str) -> None:
    assert open_site.site.post(what, body).status in (400, 422)


@SETTINGS
@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80), body=st.binary(max_size=50))
def test_any_signature_is_answered(open_site: PushedWorld, header: str, body: bytes) -> None:
    headers = {"content-type": "application/json", "winback-signature": header}
    assert open_site.site.send("orders", body, headers).status == 401
    good = sign(open_site.site.signing_key.encode(), body, START)
    mixed = {**headers, "winback-signature": f"{good},{header}"}
    assert open_site.site.send("orders", body, mixed).status in (400, 401, 422)


TYPED = {"id": "0123456789abcdef", "email": "jane@example.com", "currency": "EUR", "total": "1"}


@SETTINGS
@given(
    record=st.dictionaries(st.sampled_from([*TYPED, "lines", "url", "consent", "completed"]), ANYTHING, max_size=3),
    key=st.booleans(),
    origin=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
)
def test_any_browser_is_answered(open_site: PushedWorld, record: dict[str, Any], key: bool, origin: str) -> None:
    own = open_site.site.server.url
    headers = {"content-type": "text/plain", "origin": own if key else origin}
    path = f"checkouts?key={open_site.site.snippet_key if key else origin.replace('#', '').replace('&', '')}"
    said = open_site.site.send(path, json.dumps({"checkouts": [{**TYPED, **record}]}).encode(), headers)
    assert said.status in ((200, 400, 422) if key else (403,)), said


@SETTINGS
@given(bad=st.lists(spoilt(CHECKOUT, CheckoutRecord), max_size=3))
def test_what_was_taken_can_be_decided(open_site: PushedWorld, bad: list[Any]) -> None:
    open_site.site.post("checkouts", {"checkouts": bad})
    report = open_site.sync()
    assert not [error for error in report.errors.values() if "has told no orders" not in error]
    assert isinstance(open_site.leads(), list)
    assert isinstance(open_site.clock, Clock)
