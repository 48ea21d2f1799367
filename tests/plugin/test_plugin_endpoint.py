"""The pull endpoint: keys, paging without loss, and what it refuses."""

from __future__ import annotations

from datetime import datetime

import pytest
from browser import Json
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from wordpress import WordPress

COLUMNS = "token, email, created_at, updated_at, activity_at, contact, cart"
CONTACT = '{"first_name":"","last_name":"","phone":"","country":"","locale":"en_US"}'
CART = '{"currency":"EUR","subtotal":"1.00","discount":"0.00","total":"1.00","coupons":[],"lines":[]}'


def fill(site: WordPress, rows: int) -> None:
    """Many rows, five of which share each second."""
    when = "UTC_TIMESTAMP() - INTERVAL 1 HOUR + INTERVAL {} SECOND"
    values = ", ".join(
        f"('{row:032x}', '{row}@example.com', {', '.join([when.format(row // 5)] * 3)}, '{CONTACT}', '{CART}')"
        for row in range(rows)
    )
    site.sql(f"INSERT INTO wp_winback_checkouts ({COLUMNS}) VALUES {values}")


def walk(site: WordPress, per_page: int, cursor: Json | None = None) -> list[Json]:
    """Every checkout, page by page."""
    found: list[Json] = []
    while True:
        page = site.api("checkouts", per_page=per_page, **(cursor or {})).json
        found += page["checkouts"]
        if not page["has_more"]:
            return found
        assert len(page["checkouts"]) == per_page
        cursor = page["next"]


def test_paging_loses_and_repeats_nothing(site: WordPress) -> None:
    fill(site, 507)
    for per_page in (200, 7 * 13):
        tokens = [row["token"] for row in walk(site, per_page)]
        assert tokens == [f"{row:032x}" for row in range(507)]


def test_a_change_while_paging_comes_again_and_nothing_is_lost(site: WordPress) -> None:
    fill(site, 250)
    first = site.api("checkouts", per_page=200).json
    site.sql(
        "UPDATE wp_winback_checkouts SET rev = 2, updated_at = UTC_TIMESTAMP() - INTERVAL 3 SECOND WHERE id % 2 = 0"
    )
    rest = walk(site, 200, first["next"])
    seen = {(row["token"], row["rev"]) for row in first["checkouts"] + rest}
    assert {token for token, _ in seen} == {f"{row:032x}" for row in range(250)}
    assert len({token for token, rev in seen if rev == 2}) == 125


def test_the_cursor(site: WordPress) -> None:
    assert site.api("checkouts").json["next"] is None
    fill(site, 10)
    page = site.api("checkouts").json
    assert (page["has_more"], page["next"]["after_id"]) == (False, page["checkouts"][-1]["id"])
    assert site.api("checkouts", **page["next"]).json["checkouts"] == []
    assert site.api("checkouts", **page["next"]).json["next"] is None
    inclusive = site.api("checkouts", modified_after=page["next"]["modified_after"]).json["checkouts"]
    assert [row["token"] for row in inclusive] == [f"{row:032x}" for row in range(5, 10)]


def test_rows_younger_than_two_seconds_wait(site: WordPress) -> None:
    site.shopper(11).type("ann@example.com")
    assert site.api("checkouts").json["checkouts"] == []
    assert len(site.checkouts()) == 1


def test_statuses(site: WordPress) -> None:
    fill(site, 8)
    for row, status in enumerate(("ordered", "completed", "emptied"), 1):
        site.sql(f"UPDATE wp_winback_checkouts SET status = '{status}' WHERE email = '{row}@example.com'")
    assert len(site.checkouts(status="open")) == 5
    assert {row["status"] for row in site.checkouts(status="ordered,emptied")} == {"ordered", "emptied"}


def test_who_may_read(site: WordPress) -> None:
    for path in ("checkouts", "visits", "status"):
        assert site.api(path).status == 200
        refused = site.api_without_key(path)
        assert (refused.status, refused.json["code"]) == (401, "wc_winback_cannot_view")
    customer = site.browser()
    customer.log_in(2)
    assert customer.get("/wp-json/wc-winback/v1/checkouts").status == 401  # a cookie without a nonce is nobody
    assert site.api("checkouts").headers["cache-control"].startswith("no-cache")


def test_presence_needs_no_key(site: WordPress) -> None:
    assert "wc-winback/v1" in site.browser().get("/wp-json/?_fields=namespaces").json["namespaces"]


def test_status_says_what_runs(site: WordPress) -> None:
    said = site.api("status").json
    assert said["oldest"] is None
    assert (said["plugin"], said["woocommerce"], said["checkout"], said["blocked"]) == (
        "1.0.0",
        "10.5.0",
        "classic",
        [],
    )
    at = datetime.fromisoformat(said["store_time"])
    assert abs((datetime.now(at.tzinfo) - at).total_seconds()) < 60
    page = "SELECT ID FROM wp_posts WHERE post_name = 'checkout'"
    site.sql(f"UPDATE wp_posts p JOIN ({page}) c ON p.ID = c.ID SET post_status = 'draft', post_name = 'hidden'")
    try:
        assert ["no checkout page" in line for line in site.api("status").json["blocked"]] == [True]
    finally:
        site.sql("UPDATE wp_posts SET post_status = 'publish', post_name = 'checkout' WHERE post_name = 'hidden'")


def test_visits(site: WordPress) -> None:
    site.sql("INSERT INTO wp_winback_days VALUES ('2026-11-01', 120, 44), ('2026-11-02', 3, 3)")
    assert site.api("visits", since="2026-11-02").json["days"] == [
        {"day": "2026-11-02", "started": 3, "contactable": 3}
    ]
    assert len(site.api("visits", since="2026-01-01").json["days"]) == 2


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("checkouts", {"modified_after": "yesterday"}, "rest_invalid_param"),
        ("checkouts", {"per_page": 201}, "rest_invalid_param"),
        ("checkouts", {"per_page": 0}, "rest_invalid_param"),
        ("checkouts", {"status": "lost"}, "rest_invalid_param"),
        ("checkouts", {"after_id": 3}, "rest_missing_callback_param"),
        ("visits", {"since": "2026-02-30"}, "rest_invalid_param"),
    ],
)
def test_what_is_refused(site: WordPress, path: str, query: dict[str, str], code: str) -> None:
    refused = site.api(path, **query)
    assert (refused.status, refused.json["code"]) == (400, code)


def test_a_database_that_does_not_answer_is_no_empty_page(site: WordPress) -> None:
    site.sql("RENAME TABLE wp_winback_checkouts TO gone")
    try:
        refused = site.api("checkouts")
        assert (refused.status, refused.json["code"]) == (503, "wc_winback_database")
        assert "table" in site.api("status").json["blocked"][0]
    finally:
        site.sql("RENAME TABLE gone TO wp_winback_checkouts")
    site.forget_log()


dates = st.sampled_from(["2026-11-22T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59+99:99", "2026-11-22"])
anything = st.one_of(st.text(max_size=30), st.integers(), dates)
parameters = st.sampled_from(
    ["modified_after", "after_id", "per_page", "status", "since", "status[]", "per_page[]", "_fields"]
)


@example(path="checkouts", query={"modified_after": "0000-00-00T00:00:00Z", "after_id": "99999999999999999999999"})
@example(path="checkouts", query={"status": "open' OR 1=1 -- "})
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["checkouts", "visits", "status"]), query=st.dictionaries(parameters, anything, max_size=4))
def test_no_parameter_breaks_it(site: WordPress, path: str, query: dict[str, str | int]) -> None:
    answer = site.api(path, **query)
    assert answer.status in (200, 400)
    assert isinstance(answer.json, dict | list)
    assert site.log() == ""
