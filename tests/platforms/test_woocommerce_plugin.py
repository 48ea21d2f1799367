"""The companion plugin read over a real socket: found, followed through its pages, lost and found again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from clock import START, Clock
from woocommerce_replay import HTTP, STORE, store

from connector.errors import ConfigError, TransientError
from connector.model import Checkout, Consent, ConsentState, Finding, Page, Source, Stage, Visits
from connector.sandbox import Fault, Reply, Request
from platforms.sandbox.woocommerce import WooCommerceSandbox, serve
from platforms.woocommerce import WooCommerce, WooCommerceOptions

LONG_AGO = START - timedelta(days=30)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
JANE = "jane@example.com"
PLUGIN = "/wp-json/wc-winback/v1/"


@pytest.fixture
def shop(clock: Clock) -> Iterator[WooCommerceSandbox]:
    with serve(clock, plugin=True) as sandbox:
        yield sandbox


def adapter(shop: WooCommerceSandbox, **changed: Any) -> WooCommerce:
    return WooCommerce(WooCommerceOptions(**({"id": "shop", **shop.options()} | changed)), HTTP)


def items(pages: list[Page[Checkout]]) -> list[Checkout]:
    return [one for page in pages for one in page.items]


def findings(pages: list[Page[Checkout]]) -> list[Finding]:
    return [one for page in pages for one in page.findings]


def asked(shop: WooCommerceSandbox) -> list[str]:
    return [exchange.request.path.removeprefix("/wp-json/") for exchange in shop.server.journal]


def read(shop: WooCommerceSandbox, cursor: str | None = None, **changed: Any) -> list[Page[Checkout]]:
    return list(adapter(shop, **changed).checkouts(cursor, LONG_AGO))


# What is read


@pytest.mark.parametrize("options", [{}, {"version": "10.9.0"}, {"classic": True}])
def test_an_address_that_was_only_typed_is_seen_in_every_store(clock: Clock, options: dict[str, Any]) -> None:
    with serve(clock, plugin=True, **options) as shop:
        left = shop.abandon(JANE, consent=ConsentState.OPTED_IN, title="Linen shirt", quantity=2)
        clock.advance(MINUTE)
        (found,) = items(read(shop))
    assert (found.id, found.tokens, found.customer.email, found.source) == (left, (left,), JANE, Source.CAPTURE)
    assert (found.status, found.stage, found.order_id, found.by_link) == ("open", Stage.CONTACT, "", False)
    assert found.started_at == found.activity_at == found.modified_at == START
    assert found.consent == Consent(ConsentState.OPTED_IN, "checkout field sandbox/marketing-opt-in", START)
    assert found.url == f"{shop.server.url}/?wc-winback={left}"
    (line,) = found.lines
    assert (line.title, line.quantity, str(line.total)) == ("Linen shirt", 2, "29.00 EUR")


def test_who_typed_nothing_is_counted_and_not_listed(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.abandon("")
    shop.abandon(JANE)
    clock.advance(MINUTE)
    store = adapter(shop)
    assert len(items(list(store.checkouts(None, LONG_AGO)))) == 1
    assert store.visits(START.date()) == [Visits(date(2026, 3, 2), 2, 1)]
    assert store.visits(START.date() + timedelta(days=1)) == []


def test_an_address_typed_later_counts_on_the_day_the_checkout_began(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon("")
    clock.advance(timedelta(days=1))
    shop.touch(left, email=JANE)
    assert adapter(shop).visits(START.date()) == [Visits(date(2026, 3, 2), 1, 1)]


def test_placed_and_never_paid_is_one_open_checkout_told_by_the_plugin(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    shop.place_order(left)
    clock.advance(MINUTE)
    (found,) = items(read(shop))
    assert (found.id, found.status, found.stage) == (left, "ordered", Stage.PAYMENT)
    assert found.completed_at is None
    assert found.activity_at == START + MINUTE
    assert found.order_id.isdigit()


def test_a_declined_card_is_activity_and_the_gateways_later_word_is_not(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    shop.place_order(left)
    clock.advance(MINUTE)
    (before,) = items(read(shop))
    clock.advance(timedelta(hours=5))
    shop.set_status(before.order_id, "failed")
    clock.advance(MINUTE)
    (found,) = items(read(shop))
    assert (found.status, found.stage) == ("open", Stage.PAYMENT_FAILED)
    assert found.activity_at == found.modified_at == before.activity_at


def test_a_bought_checkout_is_completed_and_its_order_carries_the_token(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    number = shop.buy(checkout_id=left)
    clock.advance(MINUTE)
    (found,) = items(read(shop))
    (order,) = [one for page in adapter(shop).orders(None, LONG_AGO) for one in page.items]
    assert (found.completed_at, found.order_id) == (START + MINUTE, number)
    assert (order.id, order.tokens, order.purchase) == (number, (left,), True)


def test_on_hold_is_bought_unless_the_owner_says_otherwise(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.buy(checkout_id=shop.abandon(JANE), status="on-hold")
    clock.advance(MINUTE)
    assert items(read(shop))[0].completed_at == START
    assert items(read(shop, purchase_statuses=("processing", "completed")))[0].completed_at is None


def test_a_paid_order_that_is_cancelled_stays_bought(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.cancel(shop.buy(checkout_id=shop.abandon(JANE)))
    clock.advance(MINUTE)
    assert items(read(shop))[0].completed_at == START


def test_an_emptied_cart_is_told_and_goes_on_when_it_is_filled_again(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    shop.empty(left)
    clock.advance(MINUTE)
    assert items(read(shop))[0].emptied
    shop.touch(left, quantity=2)
    clock.advance(MINUTE)
    (found,) = items(read(shop))
    assert (found.id, found.emptied, found.lines[0].quantity) == (left, False, 2)


def test_a_visitor_of_a_link_has_a_checkout_that_goes_on_with_the_first(shop: WooCommerceSandbox, clock: Clock) -> None:
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    back = shop.follow_link(left)
    again = shop.follow_link(back)
    clock.advance(MINUTE)
    assert [(one.id, one.by_link) for one in items(read(shop))] == [(left, False), (back, True), (again, True)]
    shop.buy(checkout_id=again)
    (order,) = [one for page in adapter(shop).orders(None, LONG_AGO) for one in page.items]
    assert order.tokens == (again, left)
    clock.advance(MINUTE)
    assert {one.id for one in items(read(shop)) if one.completed_at} == {left, again}
    assert adapter(shop).visits(START.date()) == [Visits(date(2026, 3, 2), 1, 1)]  # it is no new start


def test_unpaid_orders_that_the_plugin_knows_nothing_of_are_read_too(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.switch_plugin(False)
    before = shop.place_order(shop.abandon("before@example.com"))
    draft = shop.abandon("draft@example.com")
    shop.switch_plugin(True)
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    assert {one.id for one in items(read(shop))} == {before, left}
    assert draft not in {one.id for one in items(read(shop))}  # a draft's checkout would be the plugin's to tell


# Pages


def captured(shop: WooCommerceSandbox, count: int) -> list[str]:
    return [shop.abandon(f"s{number}@example.com") for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 400, 401])
@pytest.mark.parametrize("apart", [timedelta(0), SECOND])
def test_every_page_edge(shop: WooCommerceSandbox, clock: Clock, count: int, apart: timedelta) -> None:
    made = []
    for _ in range(count):
        made += captured(shop, 1)
        clock.advance(apart)
    clock.advance(MINUTE)
    shop.server.journal.clear()
    pages = read(shop)
    assert [one.id for one in items(pages)] == made
    assert asked(shop).count("wc-winback/v1/checkouts") == max(1, -(-count // 200))
    assert json.loads(pages[-1].cursor).keys() == {"plugin", "checkouts"}


def test_rows_of_the_last_two_seconds_come_with_the_next_read(shop: WooCommerceSandbox, clock: Clock) -> None:
    captured(shop, 1)
    clock.advance(SECOND)
    pages = read(shop)
    assert items(pages) == []
    clock.advance(SECOND)
    assert len(items(read(shop, pages[-1].cursor))) == 1


def test_a_later_read_begins_60_seconds_behind_the_end_of_the_last(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.abandon("early@example.com")
    clock.advance(30 * SECOND)
    late = shop.abandon("late@example.com")
    clock.advance(MINUTE)
    cursor = read(shop)[-1].cursor
    assert [one.id for one in items(read(shop, cursor))] == [late]
    sent = [x.request for x in shop.server.journal if x.request.path == PLUGIN + "checkouts"]
    assert sent[-1].param("modified_after") == "2026-03-02T09:00:30Z"
    assert not sent[-1].param("after_id")
    clock.advance(MINUTE)
    assert items(read(shop, read(shop, cursor)[-1].cursor)) == []


def test_rows_changed_between_two_pages_are_not_missed(shop: WooCommerceSandbox, clock: Clock) -> None:
    made = captured(shop, 450)
    clock.advance(MINUTE)
    pages = adapter(shop).checkouts(None, LONG_AGO)
    first = next(pages)
    for one in (made[0], made[200], made[-1]):
        shop.touch(one, quantity=3)
    clock.advance(MINUTE)
    rest = items(list(pages))
    assert {one.id for one in (*first.items, *rest)} == set(made)
    assert {one.id for one in rest if one.lines[0].quantity == 3} == {made[0], made[200], made[-1]}


def test_a_read_that_is_cut_off_goes_on_after_its_last_page(shop: WooCommerceSandbox, clock: Clock) -> None:
    made = []
    for _ in range(3):
        made += captured(shop, 150)
        clock.advance(2 * MINUTE)
    first = next(adapter(shop).checkouts(None, LONG_AGO))
    rest = items(read(shop, first.cursor))
    assert {one.id for one in (*first.items, *rest)} == set(made)
    assert len(rest) < len(made)


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


# Trouble


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


def test_a_plugin_that_is_out_of_order_is_tried_again_later(shop: WooCommerceSandbox) -> None:
    shop.server.fault = lambda request: Fault(Reply(500, b"")) if request.path.startswith(PLUGIN) else None
    with pytest.raises(TransientError):
        read(shop)
    with pytest.raises(TransientError):
        adapter(shop).visits(START.date())


# Off and on


def test_a_plugin_that_is_switched_off_is_missed_and_orders_go_on(shop: WooCommerceSandbox, clock: Clock) -> None:
    store, left = adapter(shop), shop.abandon(JANE)
    clock.advance(MINUTE)
    cursor = list(store.checkouts(None, LONG_AGO))[-1].cursor
    shop.switch_plugin(False)
    draft = shop.abandon("draft@example.com")
    clock.advance(MINUTE)
    for reader in (store, adapter(shop)):  # before and after a restart
        pages = list(reader.checkouts(cursor, LONG_AGO))
        assert [one.id for one in items(pages) if one.customer.email == "draft@example.com"] == [draft]
        (finding,) = findings(pages)
        assert (finding.level, finding.subject) == ("error", "companion plugin")
        assert "Activate Winback for WooCommerce under Plugins" in finding.message
        assert reader.visits(START.date()) == ()
    shop.switch_plugin(True)
    later = shop.abandon("later@example.com")
    clock.advance(timedelta(minutes=10))
    list(store.orders(None, LONG_AGO))  # the store's answer says how late it is
    pages = list(store.checkouts(pages[-1].cursor, LONG_AGO))
    assert {one.id for one in items(pages)} >= {left, later}
    assert findings(pages) == []


def test_a_plugin_that_was_never_there_is_not_missed(clock: Clock) -> None:
    with serve(clock) as shop:
        assert findings(read(shop)) == []


def test_a_plugin_that_stays_away_is_forgotten_after_a_month(shop: WooCommerceSandbox, clock: Clock) -> None:
    shop.abandon(JANE)
    clock.advance(MINUTE)
    cursor = read(shop)[-1].cursor
    shop.switch_plugin(False)
    clock.advance(timedelta(days=29))
    assert len(findings(read(shop, cursor))) == 1
    clock.advance(timedelta(days=1))
    assert findings(read(shop, cursor)) == []


def test_an_order_whose_checkout_was_captured_keeps_that_id_while_the_plugin_is_off(
    shop: WooCommerceSandbox, clock: Clock
) -> None:
    left = shop.abandon(JANE)
    shop.place_order(left)
    clock.advance(MINUTE)
    (before,) = items(read(shop))
    shop.switch_plugin(False)
    (meanwhile,) = items(read(shop))
    assert (meanwhile.id, meanwhile.order_id, meanwhile.tokens) == (before.id, before.order_id, before.tokens)
    assert meanwhile.source is Source.ORDERS


def test_while_it_is_not_there_it_is_looked_for_every_ten_minutes(clock: Clock) -> None:
    with serve(clock) as shop:
        store = adapter(shop)
        for _ in range(30):
            list(store.checkouts(None, LONG_AGO))
            clock.advance(MINUTE)
        assert asked(shop).count("") == 3
        assert not [path for path in asked(shop) if path.startswith("wc-winback")]  # no 404s for a firewall to count
        shop.switch_plugin(True)
        left = shop.abandon(JANE)
        clock.advance(timedelta(minutes=10))
        list(store.orders(None, LONG_AGO))  # the store's answer says how late it is
        assert left in {one.id for one in items(list(store.checkouts(None, LONG_AGO)))}


def test_a_store_that_hides_its_index_is_asked_directly(shop: WooCommerceSandbox, clock: Clock) -> None:
    hidden = Fault(Reply(401, {"code": "rest_cannot_access", "message": "Only authenticated users."}))
    shop.server.fault = lambda request: hidden if request.path == "/wp-json/" else None
    left = shop.abandon(JANE)
    clock.advance(MINUTE)
    assert [one.id for one in items(read(shop))] == [left]
    shop.switch_plugin(False)
    assert left not in [one.id for one in items(read(shop))]


# check


def test_check_says_what_the_plugin_sees(shop: WooCommerceSandbox) -> None:
    (finding,) = adapter(shop).check().findings[1:]
    assert (finding.subject, finding.level) == ("companion plugin", "info")
    assert "WooCommerce 10.5.0 found, with the companion plugin 1.0.0: shoppers are seen" in finding.message


def test_check_says_what_is_in_the_plugins_way(shop: WooCommerceSandbox) -> None:
    status = {
        "version": "1",
        "store_time": "2026-11-22T11:00:00Z",
        "plugin": "1.0.0",
        "blocked": ["no_table", "something_new"],
    }
    shop.server.fault = lambda request: Fault(Reply(200, status)) if request.path == PLUGIN + "status" else None
    told = [finding.message for finding in adapter(shop).check().findings]
    assert "switch it off and on again under Plugins" in told[-2]
    assert told[-1] == "The companion plugin says: something_new."


def test_check_fails_where_the_plugin_refuses_the_key(shop: WooCommerceSandbox) -> None:
    refusal = Reply(403, {"code": "wc_winback_cannot_view", "message": "Sorry", "data": {"status": 403}})
    shop.server.fault = lambda request: Fault(refusal) if request.path.startswith(PLUGIN) else None
    (finding,) = [one for one in adapter(shop).check().findings if one.level == "error"]
    assert "make the key for an administrator or a shop manager" in finding.message


@pytest.mark.parametrize("options", [{"version": "10.9.0"}, {"classic": True}, {}])
def test_check_names_the_command_where_the_plugin_is_not_there(clock: Clock, options: dict[str, Any]) -> None:
    with serve(clock, **options) as shop:
        told = adapter(shop).check().findings[-1].message
    assert "`winback woocommerce-plugin` writes the file to upload" in told
    assert "10." in told


def test_a_wrong_key_is_told_as_everywhere(shop: WooCommerceSandbox) -> None:
    with pytest.raises(ConfigError, match="The consumer secret is wrong"):
        read(shop, consumer_secret="cs_wrong")
