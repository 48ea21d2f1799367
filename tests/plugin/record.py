"""Records real answers of the plugin's endpoint into tests/recorded/woocommerce_plugin.

PYTHONPATH=tests/plugin python tests/plugin/record.py

The WordPress, the plugin, the database and HTTP are real; WooCommerce and its keys are the tests' thin stand-in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from browser import Answer, Browser
from wordpress import WordPress, wordpress

FOLDER = Path(__file__).parents[1] / "recorded" / "woocommerce_plugin"
STORE = "https://127.0.0.1:8088"
KEPT = ("date", "content-type", "link", "allow", "cache-control", "location", "x-robots-tag")


def shoppers(site: WordPress) -> Browser:
    """One of each kind; returns the browser that came by a recovery link."""
    ann = site.shopper(11, 11)
    ann.type("ann@example.com")
    jose = site.browser()
    jose.act("add", product=13, variation_id=16, variation={"attribute_size": "S", "attribute_colour": "Red"})
    jose.act("add", product=12)
    jose.act("coupon", code="welcome5")
    jose.get("/checkout/")
    jose.act("tick", field="acme/marketing-consent", value="yes")
    jose.type("jose@example.com", first_name="José", last_name="Nuñez & Søn", phone="+49 30 5550100", address_1="Weg 1")
    for name, then in (("cleo", "processing"), ("bianca", "on-hold"), ("eve", "failed"), ("finn", "")):
        shopper = site.shopper(11)
        shopper.get("/checkout/")
        shopper.type(f"{name}@example.com", first_name=name.title())
        shopper.act("order", email=f"{name}@example.com", then=then)
    dan = site.shopper(11)
    dan.type("dan@example.com")
    dan.act("empty")
    anna = site.shopper(12)
    anna.log_in(2)
    anna.get("/checkout/")
    site.shopper(11).get("/checkout/")
    again = site.browser()
    again.follow(f"/?wc-winback={token(site, 'jose@example.com')}&utm_source=mail")
    again.type("jose@example.com", first_name="José")
    return again


def token(site: WordPress, email: str) -> str:
    """The token of somebody's first checkout."""
    return site.sql(f"SELECT token FROM wp_winback_checkouts WHERE email = '{email}' ORDER BY id LIMIT 1")[0][0]


def exchange(site: WordPress, name: str, what: str, path: str, answer: Answer, **query: Any) -> dict[str, Any]:
    """One request and its answer in the form of the other recordings."""
    text = answer.text.replace(site.url.replace("/", "\\/"), STORE.replace("/", "\\/")).replace(site.url, STORE)
    headers = {
        key.title(): value.replace(site.url, STORE) for key, value in answer.headers.items() if key.lower() in KEPT
    }
    full = path + (f"?{urlencode(query)}" if query else "")
    sent: dict[str, str] = {} if name in ("error_no_key", "namespaces") else {"Authorization": "Basic <redacted>"}
    return {
        "name": name,
        "what": what,
        "request": {
            "method": "GET",
            "url": STORE + full,
            "path": urlsplit(full).path,
            "query": [[key, str(value)] for key, value in query.items()],
            "headers": sent,
            "body": None,
        },
        "response": {"status": answer.status, "headers": headers, "body": json.loads(text)},
    }


def main() -> None:
    """Writes every recording."""
    with wordpress() as site:
        shoppers(site)
        for row in range(1, 10):  # each at a time of its own
            site.age((10 - row) * 300, f"id = {row}")
        records = list(pulls(site)) + list(refusals(site))
        anna = site.shopper(12)
        anna.log_in(2)
        anna.act("order", email="anna@example.com", then="processing")
        site.age(5)
        records.append(
            single(site, "pull_rev_raised", "The same checkout again, completed: rev is higher", "checkouts")
        )
    FOLDER.mkdir(exist_ok=True)
    for record in records:
        (FOLDER / f"{record['name']}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def single(site: WordPress, name: str, what: str, route: str, **query: Any) -> dict[str, Any]:
    """A recording of one request."""
    return exchange(site, name, what, f"/wp-json/wc-winback/v1/{route}", site.api(route, **query), **query)


def pulls(site: WordPress) -> list[dict[str, Any]]:
    """What a good key reads."""
    everything = (
        "Open, completed (paid, on hold), failed payment (open + order_id), off-site payment (ordered), emptied, of an "
        "account, and the row of somebody who came by the recovery link of another (parent_id)"
    )
    one = single(site, "pull_one_page", everything, "checkouts", per_page=100)
    pages: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = single(site, "pull_pages", "Three a page", "checkouts", per_page=3, **cursor)
        pages.append({key: page[key] for key in ("request", "response")})
        if not page["response"]["body"]["has_more"]:
            break
        cursor = page["response"]["body"]["next"]
    last = one["response"]["body"]["next"]
    return [
        one,
        {"name": "pull_pages", "what": "The same, three a page", "exchanges": pages},
        single(site, "pull_nothing_new", "Poll with the last cursor: next is null", "checkouts", per_page=100, **last),
        single(
            site,
            "pull_inclusive",
            "modified_after alone is inclusive",
            "checkouts",
            modified_after=last["modified_after"],
        ),
        single(site, "pull_status_open", "Open ones only", "checkouts", status="open"),
        single(site, "visits", "Checkouts begun, per day", "visits", since="2026-01-01"),
        single(site, "status", "What runs in the store", "status"),
    ]


def refusals(site: WordPress) -> list[dict[str, Any]]:
    """What is refused, and what anyone may see."""
    namespaces = site.browser().get("/wp-json/?_fields=namespaces")
    return [
        exchange(site, "namespaces", "Whether the plugin is there", "/wp-json/", namespaces, _fields="namespaces"),
        exchange(site, "error_no_key", "No key", "/wp-json/wc-winback/v1/checkouts", site.api_without_key("checkouts")),
        single(site, "error_bad_date", "modified_after=yesterday", "checkouts", modified_after="yesterday"),
        single(site, "error_per_page", "per_page=500", "checkouts", per_page=500),
        single(site, "error_bad_status", "status=lost", "checkouts", status="lost"),
        single(site, "error_after_id_alone", "after_id without modified_after", "checkouts", after_id=7),
        single(site, "error_bad_day", "since=2026-02-30", "visits", since="2026-02-30"),
    ]


if __name__ == "__main__":
    main()
