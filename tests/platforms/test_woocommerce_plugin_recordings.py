"""What the companion plugin really answered in a WordPress: read by the adapter, and the sandbox held against it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from woocommerce_replay import HTTP, STORE, reply, store

from connector.errors import ConfigError
from connector.http import Response
from connector.model import Checkout, Consent, ConsentState, Source, Stage, Visits
from connector.sandbox import Reply, Request
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve

RECORDED = Path(__file__).parents[1] / "recorded"
OURS, BEFORE = RECORDED / "woocommerce_plugin", RECORDED / "woocommerce-capture"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
ANY = frozenset(range(100, 600))
NAMESPACES = {"namespaces": ["wc/v3", "wc-winback/v1"], "home": STORE}
PULLS = ["pull_inclusive", "pull_one_page", "pull_pages", "pull_rev_raised", "pull_status_open"]
REFUSALS = [
    *("error_after_id_alone", "error_bad_date", "error_bad_day", "error_bad_status", "error_no_key", "error_per_page"),
    *("pull_nothing_new",),
]
TOLD = {
    "error_bad_key": "for an administrator or a shop manager",
    "error_basic_over_plain_http": "for an administrator or a shop manager",
    "error_plugin_inactive": "Activate WooCommerce under Plugins",
    "error_plugin_inactive_no_key": "Activate WooCommerce under Plugins",
    "error_rest_route": "for an administrator or a shop manager",
    "error_write_only_key": "give it the permission Read",
    "error_wrong_secret": "the consumer secret is wrong",
}


def exchanges(name: str, folder: Path = OURS) -> list[dict[str, Any]]:
    recorded = json.loads((folder / f"{name}.json").read_text())
    found: list[dict[str, Any]] = recorded.get("exchanges") or [recorded]
    return found


def answering(*answers: dict[str, Any]) -> Any:
    """The adapter before a store that gives these answers for the plugin's checkouts, one after the other."""
    rest = iter(answers)

    def answer(request: Request) -> Reply:
        if request.path == "/wp-json/":
            return Reply(200, NAMESPACES)
        return reply(next(rest)) if request.path.startswith("/wp-json/wc-winback/") else Reply(200, [])

    return store(answer)


def read(name: str) -> list[Checkout]:
    with answering(*exchanges(name)) as adapter:
        pages = list(adapter.checkouts(None, SINCE))
    assert not [page.findings for page in pages if page.findings]
    return [one for page in pages for one in page.items]


def test_every_recording_is_used() -> None:
    assert {path.stem for path in OURS.glob("*.json")} == {*PULLS, *REFUSALS, "namespaces", "status", "visits"}
    assert {path.stem for path in BEFORE.glob("*.json")} == {*TOLD, "namespaces", "pull_one_page"}


@pytest.mark.parametrize("name", PULLS)
def test_every_row_is_read(name: str) -> None:
    rows = [row for one in exchanges(name) for row in one["response"]["body"]["checkouts"]]
    found = read(name)
    assert [one.id for one in found] == [row["token"] for row in rows]
    assert [one.customer.email for one in found] == [row["email"] for row in rows]
    for one, row in zip(found, rows, strict=True):
        assert one.source is Source.CAPTURE
        assert one.url == f"{STORE}/?wc-winback={row['token']}"
        assert one.by_link == bool(row["parent_id"])
        assert one.emptied == (row["status"] == "emptied")
        assert (one.completed_at is not None) == (row["status"] == "completed")
        assert one.started_at <= one.activity_at


def test_a_row_in_full() -> None:
    found = read("pull_one_page")[1]
    assert (found.customer.first_name, found.customer.last_name) == ("José", "Nuñez & Søn")
    ticked = exchanges("pull_one_page")[0]["response"]["body"]["checkouts"][1]["consent"]
    at = datetime.fromisoformat(ticked["at"])
    assert found.consent == Consent(ConsentState.OPTED_IN, f"checkout field {ticked['source']}", at)
    assert (found.stage, found.coupons, str(found.total)) == (Stage.ADDRESS, ("welcome5",), "134.10 EUR")
    jacket, socks = found.lines
    assert (jacket.title, jacket.variant, jacket.variant_id) == ("Ridge Jacket", "S, Red", "16")
    assert (socks.title, str(socks.price)) == ("Merino Socks & Co", "15.20 EUR")


def test_pages_are_followed_as_they_were_recorded() -> None:
    asked: list[dict[str, str]] = []
    recorded = iter(exchanges("pull_pages"))

    def answer(request: Request) -> Reply:
        if request.path == "/wp-json/":
            return Reply(200, NAMESPACES)
        if not request.path.startswith("/wp-json/wc-winback/"):
            return Reply(200, [])
        asked.append({name: value for name, value in request.query if not name.startswith("oauth")})
        return reply(next(recorded))

    with store(answer) as adapter:
        list(adapter.checkouts(None, SINCE))
    wanted = [dict(one["request"]["query"]) for one in exchanges("pull_pages")]
    for ours, theirs in zip(asked[1:], wanted[1:], strict=True):
        assert ours["modified_after"] == theirs["modified_after"]
        assert ours["after_id"] == theirs["after_id"]


def test_days_and_status_are_read() -> None:
    with answering(exchanges("visits")[0]) as adapter:
        (day,) = exchanges("visits")[0]["response"]["body"]["days"]
        wanted = Visits(date.fromisoformat(day["day"]), day["started"], day["contactable"])
        assert adapter.visits(SINCE.date()) == [wanted]


@pytest.mark.parametrize("folder", [OURS, BEFORE])
def test_it_is_found_in_the_index(folder: Path) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/wp-json/":
            return reply(exchanges("namespaces", folder)[0])
        plugin = request.path.startswith("/wp-json/wc-winback/")
        return reply(exchanges("pull_one_page")[0]) if plugin else Reply(200, [])

    with store(answer) as adapter:
        found = [one for page in adapter.checkouts(None, SINCE) for one in page.items]
    assert len(found) == len(exchanges("pull_one_page")[0]["response"]["body"]["checkouts"])


@pytest.mark.parametrize("name", sorted(TOLD))
def test_every_recorded_error_says_what_to_do(name: str) -> None:
    with store(lambda _: reply(exchanges(name, BEFORE)[0])) as adapter, pytest.raises(ConfigError) as caught:
        list(adapter.orders(None, SINCE))
    assert TOLD[name] in str(caught.value)


def test_rows_of_another_version_are_refused_in_words() -> None:
    with answering(exchanges("pull_one_page", BEFORE)[0]) as adapter:
        (page,) = adapter.checkouts(None, SINCE)
    assert "this Winback does not know version 2" in page.findings[0].message


# The sandbox


@pytest.fixture
def shop(clock: Clock) -> Iterator[WooCommerceSandbox]:
    with serve(clock, plugin=True) as sandbox:
        yield sandbox


def ask(shop: WooCommerceSandbox, exchange: dict[str, Any]) -> Response:
    pair = base64.b64encode(f"{shop.key.consumer_key}:{shop.key.consumer_secret}".encode()).decode()
    headers = {"X-Forwarded-Proto": "https"}
    if "Authorization" in exchange["request"]["headers"]:
        headers["Authorization"] = f"Basic {pair}"
    query = [(name, value) for name, value in exchange["request"]["query"]]
    door = HTTP.door(shop.server.url, name="shop")
    return door.request("GET", exchange["request"]["path"], query=query, headers=headers, allow=ANY)


@pytest.mark.parametrize("name", REFUSALS)
def test_the_sandbox_refuses_word_for_word(shop: WooCommerceSandbox, name: str) -> None:
    (exchange,) = exchanges(name)
    ours = ask(shop, exchange)
    theirs = exchange["response"]
    assert ours.status == theirs["status"]
    assert {**ours.json(), "store_time": ""} == {**theirs["body"], "store_time": ""}


@pytest.mark.parametrize("name", ["pull_one_page", "pull_status_open", "status", "visits"])
def test_the_sandbox_answers_in_the_same_shape(shop: WooCommerceSandbox, clock: Clock, name: str) -> None:
    shop.abandon("jane@example.com", consent=ConsentState.OPTED_IN, has_address=True)
    clock.advance(timedelta(minutes=1))
    (exchange,) = exchanges(name)
    ours, theirs = ask(shop, exchange).json(), exchange["response"]["body"]
    assert shape(ours) == shape(theirs)


def shape(answer: Any) -> Any:
    """Names in their order and types; of a list of checkouts, that of the second, which has everything."""
    if isinstance(answer, dict):
        return [(name, shape(value)) for name, value in answer.items() if name not in ("variation", "checkout", "next")]
    if isinstance(answer, list):
        rows = [row for row in answer if not isinstance(row, dict) or row.get("consent", True)]
        return [shape(rows[0])] if rows and isinstance(rows[0], dict) else []
    return type(answer).__name__
