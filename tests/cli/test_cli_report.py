"""`winback report`: what an owner reads, and what machines get."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from cli_case import ANN, BOB, Owner
from jsonschema import Draft202012Validator

NUMBER, RATE = {"type": "integer", "minimum": 0}, {"type": ["number", "null"], "minimum": 0, "maximum": 1}
MONEY = {
    "type": "object",
    "propertyNames": {"pattern": "^[A-Z]{3}$"},
    "additionalProperties": {"type": "string", "pattern": r"^\d+(\.\d+)?$"},
}
INTERVAL = {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
STEP = {
    "index": NUMBER,
    "delivered": NUMBER,
    "recovered": NUMBER,
    "recovery_rate": RATE,
    "recovery_rate_interval": INTERVAL,
    "recovered_revenue": MONEY,
    "revenue_per_delivered": MONEY,
}
COUNTS = ("leads", "enrolled", "holdout", "recovered", "self_recovered", "bought_later")
LINE: dict[str, Any] = {
    **{name: {"type": "string"} for name in ("client", "store", "since")},
    **dict.fromkeys(COUNTS, NUMBER),
    "started": {"type": ["integer", "null"]},
    "contactable": NUMBER,
    "capture_rate": RATE,
    "sources": {
        "type": "array",
        "items": {"type": "object", "required": ["source", "started", "contactable", "capture_rate"]},
    },
    "recovery_rate": RATE,
    "recovery_rate_interval": INTERVAL,
    "recovered_revenue": MONEY,
    "lift": {"type": ["object", "null"]},
    "steps": {
        "type": "array",
        "items": {"type": "object", "required": list(STEP), "properties": STEP, "additionalProperties": False},
    },
}
REPORT = {
    "type": "array",
    "items": {"type": "object", "required": list(LINE), "properties": LINE, "additionalProperties": False},
}


@pytest.fixture
def lived(owner: Owner) -> Owner:
    """Ann was mailed and bought a product that is a formula; Bob was mailed."""
    owner.write(sequence=[{"after": "45m"}, {"after": "24h"}])
    checkout = owner.leave(hours=1, title='=HYPERLINK("x")')
    owner.leave(BOB, hours=2, shop=True)
    owner.winback("sync")
    owner.ahead = timedelta(minutes=1)
    owner.woo.buy(checkout_id=checkout)
    owner.winback("sync")
    return owner


def test_json_is_one_document_with_a_row_for_each_store(lived: Owner) -> None:
    said = lived.winback("report", "--json")
    Draft202012Validator(REPORT).validate(said.json)
    assert (said.code, said.err) == (0, "")
    first, second = said.json
    assert (first["store"], first["leads"], first["recovered"], first["recovery_rate"]) == ("woo", 1, 1, 1.0)
    assert Decimal(first["recovered_revenue"]["EUR"]) > 0
    assert (second["store"], second["leads"], second["recovered"], second["recovered_revenue"]) == ("shop", 1, 0, {})
    assert second["started"] is None


def test_the_table_says_no_more_than_can_be_known(lived: Owner) -> None:
    said = lived.winback("report")
    assert (said.code, said.err) == (0, "")
    assert "1 of 1" in said.out, "of few cases there is no percent"
    assert "%" not in said.out.replace("(95 %)", "")
    assert "acme/shop: how many checkouts were started is not known" in said.out
    assert "acme/woo: no hold-out, so nobody can say how many would have bought anyway" in said.out
    assert "Leads of the last 7d may still buy" in said.out
    assert "the CRM's own report says" in said.out


def test_an_empty_report(owner: Owner) -> None:
    said = owner.winback("report", "--json")
    assert [line["leads"] for line in said.json] == [0, 0]
    assert "there is no database" in said.err
    assert owner.winback("report", "--csv", "--by", "product").out.splitlines()[0] == "client,store,since,product"
    assert "no leads" in owner.winback("report", "--by", "week").out


@pytest.mark.parametrize("by", ["store", "step", "product", "week", "stage"])
def test_csv_has_a_line_for_each_and_nothing_that_a_spreadsheet_would_run(lived: Owner, by: str) -> None:
    said = lived.winback("report", "--by", by, "--csv")
    lines = list(csv.DictReader(io.StringIO(said.out)))
    rows = lived.winback("report", "--by", by, "--json").json
    assert len(lines) == len(rows) > 0
    assert all(None not in line.values() for line in lines)
    assert {line["store"] for line in lines} == {"woo", "shop"}
    recovered = "recovered_revenue_EUR"
    assert sum(Decimal(line[recovered] or 0) for line in lines) > 0
    assert "\n=" not in said.out
    assert ",=" not in said.out
    if by != "store":
        assert {line[by] for line in lines}
        assert lived.winback("report", "--by", by).code == 0


def test_a_folder_of_clients_is_one_report(lived: Owner) -> None:
    lived.other_client("beta")
    said = lived.winback("report", "--json", path=".")
    assert [(line["client"], line["store"]) for line in said.json] == [
        ("acme", "woo"),
        ("acme", "shop"),
        ("beta", "beta-woo"),
    ]
    assert [line["client"] for line in lived.winback("report", "--json", "--client", "beta", path=".").json] == ["beta"]
    assert "beta-woo" in lived.winback("report", path=".").out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--by", "weekday"), "there is no report by weekday; there are: store, step, product, week, stage"),
        (("--since", "500d"), "the numbers go back 400 days; say --since 400d or less"),
        (("--since", "yesterday"), "is not a duration"),
        (("--json", "--csv"), "say either --json or --csv"),
        (("--client", "nobody"), "there is no client nobody here"),
    ],
)
def test_what_cannot_be_asked_is_one_line(owner: Owner, args: tuple[str, ...], words: str) -> None:
    assert words in owner.winback("report", *args).refused()


def test_a_hold_out_that_is_large_enough_gets_an_interval_and_no_more_than_it_says(owner: Owner) -> None:
    owner.write(leads={"holdout": "50%"})
    people = [f"shopper{number}@example.com" for number in range(90)]
    ids = {email: owner.leave(email, hours=1) for email in people}
    owner.winback("sync")
    alone = set(people) - {effect.email for effect in owner.klaviyo.effects}
    assert 30 <= len(alone) <= 60
    bought = sorted(set(people) - alone)[:12]
    for email in (*bought, sorted(alone)[0]):
        owner.woo.buy(checkout_id=ids[email])
    owner.winback("sync")
    lift = owner.winback("report", "--json").json[0]["lift"]
    assert lift["contacted"] == {"leads": 90 - len(alone), "bought": 12}
    assert lift["holdout"] == {"leads": len(alone), "bought": 1}
    assert lift["interval"][0] < lift["difference"] < lift["interval"][1]
    assert lift["claim"] == "more"
    out = owner.winback("report").out
    assert f"12 of {90 - len(alone)} leads bought; of the hold-out 1 of {len(alone)}: +" in out
    assert "more than chance" in out


def test_addresses_are_in_none_of_it(lived: Owner) -> None:
    for args in (("--json",), ("--csv", "--by", "product"), ("--by", "product"), ()):
        out = lived.winback("report", *args).out
        assert ANN not in out
        assert "@" not in out
