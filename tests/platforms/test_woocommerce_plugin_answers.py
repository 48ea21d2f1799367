"""What the companion plugin may answer: a row in full, odd rows, and answers that are none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from woocommerce_replay import STORE, store
from woocommerce_shop import JANE, LONG_AGO, MINUTE, PLUGIN, findings, items

from connector.errors import TransientError
from connector.model import Consent, Stage
from connector.sandbox import Reply, Request


class Answering:
    """An adapter before a store whose plugin gives this answer, and whose orders are none."""

    def __init__(self, body: Any, status: int = 200, since: datetime = LONG_AGO) -> None:
        self.body, self.status, self.since = body, status, since
        self._stack = store(self._answer)

    def _answer(self, request: Request) -> Reply:
        if request.path == "/wp-json/":
            return Reply(200, {"namespaces": ["wc/v3", "wc-winback/v1"], "home": STORE})
        if request.path.startswith(PLUGIN):
            good = {"version": "1", "store_time": "2026-11-22T11:00:00Z"}
            body = {**good, **self.body} if isinstance(self.body, dict) and self.status == 200 else self.body
            return Reply(self.status, body)
        return Reply(200, [])

    def __enter__(self) -> Any:
        adapter = self._stack.__enter__()
        return lambda: list(adapter.checkouts(None, self.since))

    def __exit__(self, *_: object) -> None:
        self._stack.__exit__(None, None, None)


answering = Answering
ROW: dict[str, Any] = {
    "id": 2, "rev": 1, "token": "9ebf31d73319902c4a73606b2f526c1e", "status": "open", "email": JANE, "customer_id": 5,
    "order_id": 0, "order_status": "", "parent_id": 0, "consent": None, "created_at": "2026-11-22T10:00:00Z",
    "updated_at": "2026-11-22T10:05:00Z", "activity_at": "2026-11-22T10:04:00Z", "completed_at": None,
    "stage": "address", "recovery_url": "https://elsewhere.example/shop/?wc-winback=9ebf", "first_name": "Jos&eacute;",
    "last_name": "Nuñez &amp; Søn", "phone": " +49 ", "country": "DE", "locale": "de_DE", "currency": "EUR",
    "subtotal": "1.00", "discount": "0.00", "total": "139.10", "coupons": ["welcome5"], "lines": [],
}  # fmt: skip


def listed(*rows: Any) -> dict[str, Any]:
    return {"has_more": False, "next": {"modified_after": "2026-11-22T10:05:00Z", "after_id": 2}, "checkouts": [*rows]}


def test_a_row_in_full() -> None:
    with answering(listed(ROW)) as pages:
        (found,) = items(pages())
    shopper = found.customer
    assert (shopper.first_name, shopper.last_name, shopper.phone, shopper.id) == ("José", "Nuñez & Søn", "+49", "5")
    assert (found.country, found.locale, found.coupons, found.stage) == ("DE", "de_DE", ("welcome5",), Stage.ADDRESS)
    assert found.url == f"{STORE}/shop/?wc-winback=9ebf"  # never leads elsewhere
    assert found.activity_at == found.modified_at == datetime(2026, 11, 22, 10, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "title", "variant"),
    [
        ({"name": "Ridge Jacket - S", "variation": {"attribute_size": "S"}, "attributes": ""}, "Ridge Jacket", "S"),
        (
            {
                "name": "Ridge Jacket - S",
                "variation": {"attribute_size": "S", "attribute_colour": "Red"},
                "attributes": "Colour: Red",
            },
            "Ridge Jacket",
            "S, Red",
        ),
        (
            {"name": "Coat - Dark Red, L", "variation": {"a": "dark-red", "b": "L"}, "attributes": ""},
            "Coat",
            "Dark Red, L",
        ),
        ({"name": "Mug - large", "variation": [], "attributes": ""}, "Mug - large", ""),
        ({"name": "Mug - large", "variation": {"colour": "red"}, "attributes": "Colour: Red"}, "Mug - large", "Red"),
        ({"name": "Ring", "variation": {}, "attributes": "Engraving: for ever, Size: 52"}, "Ring", "for ever, 52"),
    ],
)
def test_a_product_and_its_variant(line: dict[str, Any], title: str, variant: str) -> None:
    whole = {"product_id": 13, "variation_id": 16, "quantity": 2, "price": "9.50", "total": "19.00", **line}
    with answering(listed(ROW | {"lines": [whole]})) as pages:
        (found,) = items(pages())[0].lines
    assert (found.title, found.variant, found.product_id, found.variant_id) == (title, variant, "13", "16")
    assert (str(found.price), str(found.total)) == ("9.50 EUR", "19.00 EUR")


@pytest.mark.parametrize(
    "change",
    [
        {"token": ""},
        {"token": None},
        {"token": "../../wp-admin"},
        {"activity_at": "2026-11-22T10:00:00"},
        {"activity_at": None},
        {"total": "NaN"},
        {"currency": ...},
        {"email": ...},
        {"lines": [{"name": "x"}]},
        {"lines": "none"},
    ],
)
def test_one_row_that_cannot_be_read_is_a_finding_and_the_others_are_read(change: dict[str, Any]) -> None:
    bad = {name: value for name, value in (ROW | change).items() if value is not ...}
    good = ROW | {"id": 3, "token": "a" * 32}
    with answering(listed(bad, "no row", good)) as pages:
        found = pages()
    assert [one.id for one in items(found)] == ["a" * 32]
    assert "Checkout 2 of the companion plugin could not be read" in findings(found)[0].message
    assert len(findings(found)) == 2
    assert JANE not in str(findings(found))


@pytest.mark.parametrize(
    "consent", [None, [], "yes", {}, {"state": "granted"}, {"state": "unknown", "source": "", "at": None}]
)
def test_a_consent_that_says_nothing_is_unknown(consent: Any) -> None:
    with answering(listed(ROW | {"consent": consent})) as pages:
        assert items(pages())[0].consent == Consent()


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {"has_more": False},
        {"checkouts": [], "store_time": "now"},
        {"checkouts": 5},
        {"next": [], "checkouts": None},
    ],
)
def test_an_answer_that_is_none_is_tried_again_later(body: Any) -> None:
    with answering(body) as pages, pytest.raises(TransientError, match="companion plugin answered"):
        pages()


def test_a_list_that_does_not_go_on_is_not_read_for_ever() -> None:
    with answering({**listed(ROW), "has_more": True}) as pages, pytest.raises(TransientError, match="does not go on"):
        pages()
    with (
        answering({"has_more": True, "next": None, "checkouts": []}) as pages,
        pytest.raises(TransientError, match="does not go on"),
    ):
        pages()


def test_a_plugin_of_a_later_age_is_named_and_orders_are_read() -> None:
    with answering({**listed(ROW), "version": "2"}) as pages:
        found = pages()
    assert items(found) == []
    (finding,) = findings(found)
    assert finding.level == "error"
    assert "Update Winback" in finding.message


def test_a_plugin_that_refuses_the_key_is_named_and_orders_are_read() -> None:
    with answering({"code": "wc_winback_cannot_view", "message": "Sorry", "data": {"status": 403}}, 403) as pages:
        found = pages()
    (finding,) = findings(found)
    assert (finding.level, len(found)) == ("error", 1)
    assert "for an administrator or a shop manager" in finding.message


@pytest.mark.parametrize(
    ("clock", "newest", "reached"),
    [
        ("2031-01-01T00:00:00Z", "2031-01-01T00:00:00Z", None),  # ahead of the web server: does not carry it away
        ("2026-01-22T11:00:00Z", "2031-01-01T00:00:00Z", "2026-01-22T11:00:00+00:00"),
        ("2026-01-22T11:00:00Z", "2026-01-22T10:00:00Z", "2026-01-22T11:00:00+00:00"),
    ],
)
def test_the_cursor_is_on_the_clock_of_the_database(clock: str, newest: str, reached: str | None) -> None:
    body = {"has_more": False, "next": {"modified_after": newest, "after_id": 1}, "checkouts": [], "store_time": clock}
    with answering(body, since=datetime(2025, 12, 1, tzinfo=UTC)) as pages:
        found = json.loads(pages()[0].cursor)["plugin"]
    assert found == reached or (reached is None and datetime.fromisoformat(found) < datetime.now(UTC) + MINUTE)
