"""What Shopify may refuse, limit or want proved, and what the adapter does about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from shopify_shop import checkouts, graphql_calls, orders, shop_with

from connector.errors import ConfigError, TransientError
from connector.sandbox import Fault, Reply, Request
from platforms.shopify import ShopifyOptions

# Refusals


def test_without_the_scope_the_owner_is_told_which_one() -> None:
    with shop_with(scopes={"read_customers"}) as (_, store, _clock), pytest.raises(ConfigError, match="read_orders"):
        checkouts(store)


def test_customers_that_may_not_be_read_stop_the_store() -> None:
    for scopes, protected, words in (
        ({"read_orders", "read_products"}, {"name", "email", "phone", "address"}, "scope read_customers"),
        ({"read_orders", "read_customers"}, set(), "Protected customer data"),
        ({"read_orders", "read_customers"}, {"name", "phone", "address"}, "Protected customer data"),
    ):
        with shop_with(scopes=scopes, protected=protected) as (shop, store, clock):
            shop.abandon("jane@example.com")
            shop.buy(email="joe@example.com")
            clock.tick(minutes=11)
            with pytest.raises(ConfigError, match=words):
                checkouts(store)
            with pytest.raises(ConfigError, match=words):
                orders(store)


def test_a_withheld_link_is_left_out_and_a_link_that_refills_the_cart_stands_in() -> None:
    with shop_with(protected={"name", "email", "address"}) as (shop, store, clock):
        shop.abandon("jane@example.com", quantity=3)
        clock.tick(minutes=11)
        [found], _, findings = checkouts(store)
        assert found.url == "https://acme.myshopify.com/cart/10009:3"
        assert found.tokens == ()
        assert [finding.subject for finding in findings] == ["abandonedCheckoutUrl", "protected customer data"]
        assert "name, email, phone and address" in findings[0].message
        assert "Dev Dashboard" in findings[0].message
        shop.protected.add("phone")
        assert "/recover" in checkouts(store)[0][0].url


def test_an_answer_that_is_refused_whole_for_several_links_is_asked_for_without_them() -> None:
    refusals = [
        {"message": "Access denied", "path": ["abandonedCheckouts", "nodes", index, "abandonedCheckoutUrl"]}
        for index in range(2)
    ]
    for message in ("Access denied", "This app is not approved to use the abandonedCheckoutUrl field."):
        errors = [{**refusal, "message": message} for refusal in refusals]
        with shop_with() as (shop, store, clock):
            shop.abandon("jane@example.com")
            clock.tick(minutes=11)

            def refuse(request: Request, errors: list[Any] = errors) -> Fault | None:
                asked = "graphql" in request.path and request.json()["variables"].get("withUrl")
                return Fault(Reply(200, {"data": None, "errors": errors})) if asked else None

            shop.server.fault = refuse
            [found], _, [finding] = checkouts(store)
            assert found.url.startswith("https://acme.myshopify.com/cart/")
            assert finding.subject == "abandonedCheckoutUrl"


def test_without_read_products_everything_else_is_read() -> None:
    with shop_with(scopes={"read_orders", "read_customers"}) as (shop, store, clock):
        shop.seed(30, spread=timedelta(minutes=5))
        clock.tick(minutes=1)
        found, _, findings = checkouts(store)
        assert len(found) == 30
        assert (found[0].lines[0].title, found[0].lines[0].product_id) == ("Linen shirt", "")
        assert [finding.subject for finding in findings] == ["read_products"]
        assert [sent["withProducts"] for sent in graphql_calls(shop)][:2] == [True, False]


def test_withheld_names_and_phones_are_a_finding_and_no_more() -> None:
    with shop_with(protected={"email"}, gate_url=False) as (shop, store, clock):
        shop.abandon("jane@example.com")
        clock.tick(minutes=11)
        [found], _, [finding] = checkouts(store)
        assert (found.customer.email, found.customer.first_name, found.customer.phone) == ("jane@example.com", "", "")
        assert found.country == "GB"
        assert "firstName" in finding.message


def test_check_names_the_shop_and_everything_that_is_missing() -> None:
    with shop_with() as (shop, store, clock):
        health = store.check()
        assert (health.identity.id, health.identity.name) == ("gid://shopify/Shop/26371970", "Acme")
        assert {finding.level for finding in health.findings} == {"info"}
        shop.abandon("jane@example.com")
        clock.tick(minutes=11)
        shop.scopes -= {"read_products"}
        shop.protected -= {"phone"}
        shop.version = "2027-01"
        subjects = [finding.subject for finding in store.check().findings]
        assert subjects.count("read_products") == 1
        assert {"read_all_orders", "abandonedCheckoutUrl", "API version"} <= set(subjects)
        shop.protected.clear()
        assert [f.subject for f in store.check().findings if f.level == "error"] == ["protected customer data"]
        shop.scopes = {"write_orders"}
        assert [f.subject for f in store.check().findings if f.level == "error"] == ["read_customers"]


# The budget


def test_the_page_grows_and_shrinks_with_what_shopify_says_that_it_costs() -> None:
    with shop_with() as (shop, store, clock):
        shop.seed(30, spread=timedelta(minutes=5))
        clock.tick(minutes=1)
        for _ in range(80):
            shop.buy(email="jane@example.com")
        assert len(checkouts(store)[0]) == 30
        assert len(orders(store)[0]) == 80
        costs = [
            entry.reply.body["extensions"]["cost"]["requestedQueryCost"]
            for entry in shop.server.journal
            if entry.reply and entry.request.path.endswith("graphql.json")
        ]
        assert max(costs) <= 1000
        sizes = [sent["first"] for sent in graphql_calls(shop)]
        assert sizes[0] == 10
        assert sizes[-1] > 50


def test_a_query_that_costs_too_much_is_asked_again_at_half_the_size() -> None:
    with shop_with() as (shop, store, clock):
        shop.seed(12, spread=timedelta(minutes=5))
        clock.tick(minutes=1)
        shop.server.fault = refuse_above(3)
        assert len(checkouts(store)[0]) == 12
        assert [sent["first"] for sent in graphql_calls(shop)][:3] == [10, 5, 2]
        shop.server.fault = refuse_above(0)
        with pytest.raises(TransientError, match="too costly"):
            checkouts(store)


def refuse_above(size: int) -> Callable[[Request], Fault | None]:
    error = {
        "message": "Query cost is 2427",
        "extensions": {"code": "MAX_COST_EXCEEDED", "cost": 2427, "maxCost": 1000},
    }

    def fault(request: Request) -> Fault | None:
        large = request.path.endswith("graphql.json") and request.json()["variables"]["first"] > size
        return Fault(Reply(200, {"errors": [error]})) if large else None

    return fault


def test_an_empty_budget_is_waited_for_when_it_fills_soon() -> None:
    with shop_with(budget=1000, budget_per_second=4000) as (shop, store, clock):
        shop.seed(12, spread=timedelta(minutes=5))
        clock.tick(minutes=1)
        store.check()
        shop.bucket.available = 0
        assert len(checkouts(store)[0]) == 12
        assert any("errors" in entry.reply.body for entry in shop.server.journal if entry.reply)


def test_a_budget_that_fills_slowly_goes_back_to_the_queue_with_the_time_to_wait() -> None:
    with shop_with(budget=1000, budget_per_second=10) as (shop, store, _):
        shop.bucket.available = 0
        with pytest.raises(TransientError, match="budget") as caught:
            checkouts(store)
        assert caught.value.retry_after == pytest.approx(95, abs=10)


# The token


def test_both_ways_in_work() -> None:
    ways: tuple[dict[str, Any], ...] = ({}, {"access_token": "shpat_0123456789abcdef"})
    for options in ways:
        with shop_with(**options) as (shop, store, clock):
            shop.abandon("jane@example.com")
            clock.tick(minutes=11)
            assert len(checkouts(store)[0]) == 1
            logins = [entry for entry in shop.server.journal if entry.request.path == "/admin/oauth/access_token"]
            assert len(logins) == (0 if options else 1)


def test_a_token_is_renewed_before_it_ends() -> None:
    with shop_with(token_life=timedelta(seconds=1)) as (shop, store, _):
        shop.buy(email="jane@example.com")
        clock = datetime.now(UTC)
        while datetime.now(UTC) - clock < timedelta(seconds=0.7):
            assert len(orders(store)[0]) == 1
        assert {entry.status for entry in shop.server.journal} == {200}
        logins = [entry for entry in shop.server.journal if entry.request.path == "/admin/oauth/access_token"]
        assert len(logins) == 2


def test_a_revoked_token_is_renewed_once() -> None:
    with shop_with() as (shop, store, _):
        orders(store)
        shop.revoke_tokens()
        orders(store)
        assert [entry.status for entry in shop.server.journal] == [200, 200, 401, 200, 200]
        shop.server.fault = lambda request: (
            Fault(Reply(401, {"errors": "[API] Invalid API key"})) if "graphql" in request.path else None
        )
        shop.server.journal.clear()
        with pytest.raises(ConfigError, match="access token"):
            orders(store)
        assert [entry.status for entry in shop.server.journal] == [401, 200, 401]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("shop_not_permitted", "not in the same Shopify organisation"),
        ("app_not_installed", "not installed in this shop"),
        ("application_cannot_be_found", "no app with this client_id"),
        ("invalid_client", "do not belong together"),
        ("something_new", "something_new"),
    ],
)
def test_a_refused_login_is_explained(error: str, words: str) -> None:
    with shop_with(grant_error=error) as (_, store, _clock), pytest.raises(ConfigError, match=words):
        store.check()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, ConfigError, "access token"),
        (402, ConfigError, "bill"),
        (403, ConfigError, "403"),
        (404, ConfigError, "no shop under this name"),
        (423, ConfigError, "locked"),
        (430, TransientError, "security"),
    ],
)
def test_a_refused_request_is_explained(status: int, kind: type[Exception], words: str) -> None:
    with shop_with(access_token="shpat_0123456789abcdef") as (shop, store, _):
        shop.server.fault = lambda request: Fault(Reply(status, {"errors": "no"}))
        with pytest.raises(kind, match=words):
            orders(store)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}, TransientError),
        ({"message": "Shop is not active", "extensions": {"code": "SHOP_INACTIVE"}}, ConfigError),
        ({"message": "Field 'x' doesn't exist on type 'Order'", "extensions": {"code": "undefinedField"}}, ConfigError),
        ("Throttled by something new", TransientError),
    ],
)
def test_errors_in_a_good_answer_are_the_right_kind(error: Any, kind: type[Exception]) -> None:
    with shop_with() as (shop, store, _):
        shop.server.fault = lambda request: (
            Fault(Reply(200, {"errors": [error]})) if "graphql" in request.path else None
        )
        with pytest.raises(kind):
            orders(store)


def test_no_secret_and_no_address_is_in_an_error_or_a_repr() -> None:
    with shop_with() as (shop, store, _):
        orders(store)
        [token] = shop._tokens
        leak = f"bad {token} {shop.client_secret} of jane@example.com"
        for reply in (Reply(403, {"errors": leak}), Reply(200, {"errors": [{"message": leak}]})):
            shop.server.fault = lambda request, reply=reply: Fault(reply)
            with pytest.raises((ConfigError, TransientError)) as caught:
                orders(store)
            for secret in (token, shop.client_secret, "jane@"):
                assert secret not in str(caught.value)
        options = ShopifyOptions(id="acme-shop", **shop.options())
        for thing in (options, store, vars(store), vars(store._api)):
            assert shop.client_secret not in repr(thing)
            assert token not in repr(thing)


# The options


@pytest.mark.parametrize("written", ["acme", "ACME.myshopify.com", "https://acme.myshopify.com/admin", " acme "])
def test_the_shop_may_be_written_in_any_usual_way(written: str) -> None:
    options = ShopifyOptions(id="a", platform="shopify", shop=written, access_token="shpat_x")
    assert options.shop == "acme.myshopify.com"


@pytest.mark.parametrize("written", ["www.acme.com", "acme.myshopify.com.evil.example", "", "a b"])
def test_another_domain_than_the_shops_own_is_refused_with_help(written: str) -> None:
    with pytest.raises(ValidationError, match=r"write it as acme\.myshopify\.com"):
        ShopifyOptions(id="a", platform="shopify", shop=written, access_token="shpat_x")


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"client_id": "x"},
        {"client_secret": "y"},
        {"access_token": "t", "client_id": "x"},
        {"access_token": "t", "client_id": "x", "client_secret": "y"},
    ],
)
def test_exactly_one_way_in_is_asked_for_and_both_are_named(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"client_id and client_secret.*access_token"):
        ShopifyOptions(id="a", platform="shopify", shop="acme", **keys)
