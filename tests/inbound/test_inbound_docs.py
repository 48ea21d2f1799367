"""The page, the schema and the example are held against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pushed_world import PushedWorld

from connector.inbound.schema import schema

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/inbound.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/inbound.schema.json").read_text(encoding="utf-8"))


def test_the_schema_in_the_repository_is_current() -> None:
    assert schema() == SCHEMA, "run: python -m connector.inbound.schema > docs/inbound.schema.json"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_the_sandbox_sends_fits_the_schema(site: PushedWorld) -> None:
    fits = jsonschema.Draft202012Validator(SCHEMA)
    made = site.site.abandon("jane@example.com")
    bought = site.site.buy(checkout_id=made)
    fits.validate({"checkouts": list(site.site._checkouts.values())})
    fits.validate({"orders": [site.site._orders[bought]], "complete_through": "2026-03-02T09:00:00Z"})
    with pytest.raises(jsonschema.ValidationError):
        fits.validate({"checkouts": [{"id": "1"}]})


def test_every_answer_is_told() -> None:
    told = set(re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE))
    sources = "".join(path.read_text() for path in (ROOT / "connector/inbound").glob("*.py"))
    given = set(re.findall(r"(?:RefusedError\(\s*|status, message, headers = |else )(\d{3})\b", sources))
    assert given - {"403"} <= told, "403 is for browsers, which show it to nobody"
    assert told <= given | {"200"}


def test_the_page_shows_the_pages_of_the_example() -> None:
    example = (ROOT / "docs/examples/inbound/checkout.html").read_text() + (
        ROOT / "docs/examples/inbound/thanks.html"
    ).read_text()
    tag = '<script src="https://winback.acme.example/inbound/acme/site/snippet.js" async></script>'
    assert PAGE.count(tag) == example.count(tag) == 2
