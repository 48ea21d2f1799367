"""What a real store (10.5.0) answered, read by the adapter over a real socket."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from test_woocommerce_hooks import DELIVERIES
from woocommerce_replay import KEYS, STORE, exchanges, listing, names, order_bodies, reply, store

from connector.errors import ConfigError, TransientError, WinbackError
from connector.model import Checkout, Consent, ConsentState, Money, Order, Origin, Stage
from connector.sandbox import Reply, Request

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
# Enough for a whole order. Shorter rows were recorded to show paging.
WHOLE = {"id", "status", "created_via", "currency", "total", "billing", "date_created_gmt", "date_modified_gmt"}

ERRORS: dict[str, list[tuple[type[WinbackError], str]]] = {
    "error_bad_date": [(ConfigError, "Invalid parameter(s): modified_after")],
    "error_bad_status": [(ConfigError, "Invalid parameter(s): status")],
    "error_basic_over_plain_http": [(ConfigError, "give the store's https address as url")],
    "error_key_unknown": [(ConfigError, "compare the consumer key")],
    "error_maintenance_mode": [(TransientError, "HTTP 503")],
    "error_no_credentials": [(ConfigError, "compare the consumer key")],
    "error_no_such_route": [(ConfigError, "Activate WooCommerce under Plugins")],
    "error_oauth1_old_timestamp": [(ConfigError, "The consumer secret is wrong, or the url is not the address")],
    "error_oauth1_replay": [(TransientError, "has seen this signed request before")],
    "error_order_not_found": [(ConfigError, "Invalid ID")],
    "error_over_refund_data_is_int": [(TransientError, "Invalid refund amount")],
    "error_per_page_1000": [(ConfigError, "Invalid parameter(s): per_page")],
    "error_php_fatal": [(TransientError, "HTTP 500"), (TransientError, "critical error on this website")],
    "error_plain_permalinks": [(ConfigError, "Settings > Permalinks"), (ConfigError, "compare the consumer key")],
    "error_read_only_key_post": [(ConfigError, "the key may only read")],
    "error_rest_route_query_form": [(ConfigError, "compare the consumer key")],
    "error_secret_wrong": [(ConfigError, "the consumer secret is wrong. Make a new key")],
    "error_woocommerce_deactivated": [(ConfigError, "Activate WooCommerce under Plugins")],
    "error_write_only_key": [(ConfigError, "give it the permission Read")],
}
CHECK = ["store_index", "store_system_status", "store_system_status_read_key", "store_head_orders", "store_currency"]
HOOKS = [*DELIVERIES, "webhook_create", "webhook_disabled_after_failures", "webhook_ping"]  # test_woocommerce_hooks.py
# Nothing reads these yet.
WAITING = {
    "shoppers' own requests, for the plugin and the demo": [
        *("shopper_storeapi_flow", "checkout_link_product_gone", "payment_url_older_than_10_minutes"),
    ],
    "product pages and accounts": ["product_simple", "product_variable", "product_variation", "customer_by_email"],
    "the hold-stock time": ["store_settings_timezone_hold_stock"],
}
COUPONS = [  # test_woocommerce_coupons.py
    *("coupon_batch_partial_error", "coupon_create", "coupon_create_duplicate", "coupon_create_expires_gmt_ignored"),
    *("coupon_create_expires_with_offset", "coupon_delete", "coupon_email_restricted", "coupon_lookup_by_code"),
    "checkout_link_with_coupon",
]
BODIES = {name: bodies for name in names() if (bodies := order_bodies(name))}
EMPTY = ["draft_gone_after_cleanup", "poll_nothing_new"]
ODD = ["error_php_warning_before_json", "order_created_by_rest_api"]


def read_checkouts(orders: list[dict[str, Any]], **options: Any) -> list[Checkout]:
    with listing(orders, **options) as adapter:
        return [one for page in adapter.checkouts(None, SINCE) for one in page.items]


def read_orders(orders: list[dict[str, Any]], **options: Any) -> list[Order]:
    with listing(orders, **options) as adapter:
        return [one for page in adapter.orders(None, SINCE) for one in page.items]


def recorded_checkout(name: str, place: int = 0, row: int = 0, **options: Any) -> Checkout:
    (found,) = read_checkouts([BODIES[name][place][row]], **options)
    return found


def recorded_order(name: str, place: int = 0, row: int = 0) -> Order:
    (found,) = read_orders([BODIES[name][place][row]])
    return found


def test_every_recording_is_read_by_a_test_or_waits_for_a_named_feature() -> None:
    waiting = [name for group in WAITING.values() for name in group]
    used = [*BODIES, *ERRORS, *CHECK, *EMPTY, *ODD, *HOOKS, *COUPONS]
    assert sorted({*used, *waiting}) == names()
    assert not {*used} & {*waiting}


@pytest.mark.parametrize("name", sorted(one for group in WAITING.values() for one in group))
def test_a_waiting_recording_holds_whole_exchanges(name: str) -> None:
    for exchange in exchanges(name):
        assert exchange["request"]["method"] in ("GET", "POST", "DELETE", "PUT")
        assert 200 <= exchange["response"]["status"] < 500


@pytest.mark.parametrize("name", sorted(BODIES))
def test_every_recorded_order_is_read(name: str) -> None:
    for body in BODIES[name]:
        whole = [one for one in body if one.keys() >= WHOLE]
        with listing(body) as adapter:
            checkouts, orders = list(adapter.checkouts(None, SINCE)), list(adapter.orders(None, SINCE))
        made_at_checkout = [one for one in whole if one["created_via"] in ("checkout", "store-api")]
        assert len([one for page in checkouts for one in page.items]) >= len(made_at_checkout)
        placed = [one for one in whole if one["status"] != "checkout-draft"]
        assert len([one for page in orders for one in page.items]) >= len(placed)
        if len(whole) == len(body):
            assert not [page.findings for page in checkouts if page.findings]
            assert not [page.findings for page in orders if page.findings]


def test_a_full_draft() -> None:
    found = recorded_checkout("draft_guest_full")
    at = datetime(2026, 11, 22, 1, 47, 41, tzinfo=UTC)
    assert (found.id, found.order_id, found.status) == ("2337", "2337", "checkout-draft")
    assert found.started_at == found.activity_at == found.modified_at == at
    assert found.customer.email == "gus.guest@example.com"
    assert (found.customer.id, found.customer.first_name, found.customer.last_name) == ("", "Gus", "Guest")
    assert (found.customer.phone, found.country, found.locale) == ("+49 30 5550100", "DE", "")
    assert (found.stage, found.emptied, found.completed_at, found.tokens) == (Stage.ADDRESS, False, None, ())
    assert found.total == Money(Decimal("208.50"), "EUR")
    mug, jacket, socks = found.lines
    assert (mug.title, mug.variant, mug.quantity, mug.sku) == ("Trail Mug", "", 2, "MUG-01")
    assert (mug.total, mug.price) == (Money(Decimal("29.00"), "EUR"), Money(Decimal("14.50"), "EUR"))
    assert (mug.product_id, mug.variant_id) == ("11", "")
    assert mug.image_url == f"{STORE}/wp-content/uploads/2026/11/mug.png"
    assert mug.product_url == f"{STORE}/?p=11"
    assert (jacket.title, jacket.variant) == ("Ridge Jacket", "M, Red")
    assert (jacket.product_id, jacket.variant_id) == ("13", "14")
    assert (socks.title, socks.price, socks.image_url) == ("Merino Socks & Co", Money(Decimal("15.20"), "EUR"), "")
    assert str(socks.price) == "15.20 EUR"  # not 15.200000000000001
    assert found.url == f"{STORE}/checkout-link/?products=11:2,14:1,12:3"


def test_a_draft_with_an_address_only_typed() -> None:
    found = recorded_checkout("draft_guest_email_only")
    assert found.stage is Stage.CONTACT
    assert found.customer.email.endswith("@example.com")
    assert found.country == "DE"  # the shop's preset


def test_a_draft_of_somebody_who_typed_nothing_counts_as_started() -> None:
    found = recorded_checkout("draft_no_email_page_load")
    assert found.customer.email == ""


def test_a_registered_shopper() -> None:
    found = recorded_checkout("draft_registered_customer")
    assert (found.customer.email, found.customer.id) == ("rita.registered@example.com", "2")


def test_consent_is_read_from_the_checkout_field() -> None:
    found = recorded_checkout("draft_marketing_consent_meta")
    assert found.consent == Consent(ConsentState.OPTED_IN, "order field _wc_other/lab/marketing-opt-in")
    assert recorded_checkout("draft_marketing_consent_meta", consent_keys=("other",)).consent == Consent()
    assert recorded_checkout("draft_guest_full").consent == Consent()


def test_a_coupon_goes_into_the_link() -> None:
    found = recorded_checkout("draft_with_coupon")
    assert found.coupons == ("welcome5",)
    assert found.url == f"{STORE}/checkout-link/?products=14:1&coupon=welcome5"
    assert found.lines[0].total == Money(Decimal("124.00"), "EUR")


def test_names_in_any_script() -> None:
    found = recorded_checkout("draft_unicode_names")
    assert (found.customer.first_name, found.customer.last_name) == ("Zoë 🎿", "Grüßner-Łódź")


def test_a_changed_cart_is_the_same_checkout_with_later_activity() -> None:
    before, after = (recorded_checkout("draft_cart_changed", place) for place in (0, 1))
    assert before.id == after.id
    assert before.started_at == after.started_at
    assert before.activity_at < after.activity_at
    assert before.total != after.total


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("pending_classic", Stage.PAYMENT),
        ("pending_block_offsite_payment", Stage.PAYMENT),
        ("failed_classic", Stage.PAYMENT_FAILED),
    ],
)
def test_an_unpaid_order_was_last_touched_by_its_shopper_when_it_was_placed(name: str, stage: Stage) -> None:
    found = recorded_checkout(name)
    body = BODIES[name][0][0]
    assert found.stage is stage
    assert found.activity_at == found.started_at == datetime.fromisoformat(body["date_created_gmt"] + "+00:00")
    assert found.modified_at == datetime.fromisoformat(body["date_modified_gmt"] + "+00:00")


@pytest.mark.parametrize(
    ("name", "place", "status", "purchase"),
    [
        ("on_hold_bank_transfer", 0, "on-hold", True),
        ("processing_cash_on_delivery", 0, "processing", True),
        ("lifecycle_draft_failed_retry_processing", 1, "failed", False),
        ("lifecycle_draft_failed_retry_processing", 2, "processing", True),
        ("lifecycle_draft_processing_completed", 2, "completed", True),
        ("pending_classic", 0, "pending", False),
        ("cancelled_after_hold_stock", 0, "cancelled", False),
    ],
)
def test_orders_by_status(name: str, place: int, status: str, purchase: bool) -> None:
    found = recorded_order(name, place)
    assert (found.status, found.purchase, found.origin, found.placed_at) == (status, purchase, Origin.CHECKOUT, None)
    assert found.checkout_id == found.id
    assert (found.cancelled_at is None) is (status != "cancelled")


def test_one_id_from_draft_to_completed_and_a_new_one_by_link() -> None:
    bodies = BODIES["lifecycle_draft_processing_completed"]
    assert {row["id"] for body in bodies for row in body} == {2344}
    draft = recorded_checkout("lifecycle_draft_processing_completed")
    assert draft.order_id == recorded_order("lifecycle_draft_processing_completed", 1).id
    bought, abandoned = BODIES["recovered_by_checkout_link_new_order_id"][1]
    (order,), (checkout, _) = read_orders([bought, abandoned]), read_checkouts([abandoned, bought])
    assert order.id != checkout.order_id
    assert order.customer.email == checkout.customer.email


def test_refunds_add_up() -> None:
    partly, wholly = (recorded_order("refund_partial_then_full", place) for place in (0, 1))
    assert (partly.status, partly.refunded, partly.total.amount) == ("processing", Decimal("5.00"), Decimal("19.40"))
    assert (wholly.status, wholly.refunded, wholly.purchase) == ("refunded", Decimal("19.40"), True)


def test_an_order_of_another_program_is_no_checkout_and_an_import() -> None:
    body = exchanges("order_created_by_rest_api")[0]["response"]["body"]
    assert read_checkouts([body]) == []
    (found,) = read_orders([body])
    assert (found.origin, found.purchase, found.checkout_id) == (Origin.IMPORT, True, "")


def test_nothing_is_read_out_of_an_empty_list() -> None:
    with store(lambda _: reply(exchanges("poll_nothing_new")[0])) as adapter:
        pages = list(adapter.checkouts('{"checkouts": "2026-11-22T01:48:37+00:00"}', SINCE))
    assert [(page.items, page.cursor) for page in pages] == [((), '{"checkouts": "2026-11-22T01:48:37+00:00"}')]
    assert pages[0].date == datetime(2026, 11, 22, 1, 48, 39, tzinfo=UTC)
    assert exchanges("draft_gone_after_cleanup")[1]["response"]["body"] == []


def at(request: Request, recorded: Reply) -> Reply:
    """The recorded answer. A redirect was recorded of the orders only: the index is a store's without plugins."""
    if recorded.status == 301 and request.path == "/wp-json/":
        return Reply(200, {"namespaces": ["wc/v3"]})
    return recorded


CASES = [(name, place, *expected) for name, list_ in ERRORS.items() for place, expected in enumerate(list_)]


@pytest.mark.parametrize(("name", "place", "kind", "words"), CASES)
def test_every_recorded_error_says_what_to_do(name: str, place: int, kind: type[WinbackError], words: str) -> None:
    exchange = exchanges(name)[place]
    with store(lambda request: at(request, reply(exchange))) as adapter, pytest.raises(kind) as caught:
        list(adapter.checkouts(None, SINCE))
    message = str(caught.value)
    assert words in message
    assert message.startswith("shop")
    assert "<" not in message
    assert not [secret for secret in KEYS.values() if secret in message]
    if isinstance(caught.value, TransientError):
        assert caught.value.retry_after == (600 if name == "error_maintenance_mode" else None)


def test_php_messages_before_the_json_are_found_and_passed_over() -> None:
    exchange = exchanges("error_php_warning_before_json")[0]
    with store(lambda _: reply(exchange)) as adapter:
        (page,) = adapter.orders(None, SINCE)
    said, left_out = page.findings
    assert "Undefined variable $lab_undefined" in said.message
    assert "display_errors" in said.message
    assert left_out.subject == "2367"  # recorded without its modified time


BROKEN = '<b>Warning</b>: foo<br />\n[{"id":7,"line_items":[{"id":1}]'


@pytest.mark.parametrize("body", [BROKEN, "", "<b>Fatal error</b>: out of memory", "[] and more", '{"orders": []}'])
def test_an_answer_that_is_not_whole_is_never_taken_for_an_empty_list(body: str) -> None:
    with store(lambda _: Reply(200, body.encode())) as adapter, pytest.raises(TransientError):
        list(adapter.orders(None, SINCE))


def test_a_notice_behind_an_empty_list_does_no_harm() -> None:
    with store(lambda _: Reply(200, b"[]<br />\n<b>Notice</b>: late")) as adapter:
        (page,) = adapter.orders(None, SINCE)
    assert page.items == ()
    assert "Notice : late" in page.findings[0].message


def test_a_web_page_in_place_of_the_api() -> None:
    page = b"<!DOCTYPE html><html><body>Coming soon</body></html>"
    with store(lambda _: Reply(200, page)) as adapter, pytest.raises(ConfigError, match="Settings > Permalinks"):
        list(adapter.orders(None, SINCE))


def test_one_bad_record_does_not_keep_the_others_back() -> None:
    good = BODIES["draft_guest_full"][0][0]
    bad: list[Any] = [
        good | {"id": 1, "total": "free"},
        good | {"id": 2, "line_items": [{"name": "gone"}]},
        good | {"id": 3, "date_modified_gmt": None},
        "what",
        good | {"id": 4, "currency": None, "billing": "nobody"},
    ]
    with listing([*bad, good]) as adapter:
        (page,) = adapter.checkouts(None, SINCE)
    assert [one.id for one in page.items] == ["2337"]
    assert sorted(finding.subject for finding in page.findings) == ["", "1", "2", "3", "4"]


def test_a_foreign_redirect_names_the_address_to_use() -> None:
    there = {"Location": "https://www.shop.example/wp-json/wc/v3/orders"}
    with (
        store(lambda _: Reply(301, b"", there)) as adapter,
        pytest.raises(ConfigError, match=r"to https://www\.shop\.example\."),
    ):
        list(adapter.orders(None, SINCE))


def test_check_reads_the_recorded_store() -> None:
    paths = {exchange["request"]["path"]: exchange for name in CHECK[:2] for exchange in exchanges(name)}

    def answer(request: Request) -> Reply:
        return reply(paths[request.path]) if request.path in paths else Reply(200, [])

    with store(answer) as adapter:
        health = adapter.check()
    assert (health.identity.id, health.identity.name) == ("127.0.0.1:8088", "Lab Outfitters")
    assert "WooCommerce 10.5.0 found" in health.findings[-1].message


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b" []," * 1_000_000, id="lists"),
        pytest.param(b" [" * 900 + b"1," * 2_000_000, id="lists in lists"),  # each would be read to the end
        pytest.param(b" [[[" * 20_000, id="brackets"),
        pytest.param(b' {"a": [' + b"1," * 2_000_000, id="one long list"),
    ],
)
def test_brackets_without_end_are_given_up_soon(junk: bytes) -> None:
    with store(lambda _: Reply(200, b"x" + junk)) as adapter:
        began = time.process_time()
        with pytest.raises(TransientError, match="not whole JSON"):
            list(adapter.orders(None, SINCE))
    assert time.process_time() - began < 20  # s; whether it ends at all
