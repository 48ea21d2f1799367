"""Every request of the adapter, and every answer of its sandbox, against Mailchimp's own contract."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from clock import START
from mailchimp_case import EMAIL, Case, case, checkout, line, order, withdrawal

from connector.merge import Mail
from connector.sandbox import Exchange
from crm.sandbox.mailchimp import FLOW_TAG

Schema = dict[str, Any]
PATHS = ("journey", "tag", "event", "native_cart")


@pytest.fixture(scope="module")
def contract(contracts_dir: Path) -> dict[str, Any]:
    """The paths of the Swagger 2.0 file."""
    paths: dict[str, Any] = json.loads((contracts_dir / "mailchimp.json").read_text())["paths"]
    return paths


def _operation(contract: dict[str, Any], exchange: Exchange) -> tuple[str, Schema]:
    path = exchange.request.path.removeprefix("/3.0")
    for template, operations in contract.items():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and exchange.request.method.lower() in operations:
            return template, operations[exchange.request.method.lower()]
    raise AssertionError(f"{exchange.request.method} {path} is not in the contract")


def _unknown_keys(value: Any, schema: Schema, where: str = "") -> Iterator[str]:
    """Keys that the schema does not name: Mailchimp's schemas let everything through."""
    if isinstance(value, list):
        for item in value:
            yield from _unknown_keys(item, schema.get("items", {}), f"{where}[]")
    elif isinstance(value, dict) and "properties" in schema:
        for key, inner in value.items():
            if key not in schema["properties"]:
                yield f"{where}.{key}"
            yield from _unknown_keys(inner, schema["properties"].get(key, {}), f"{where}.{key}")


def _check(value: Any, schema: Schema, what: str) -> None:
    jsonschema.Draft4Validator(schema).validate(value)
    assert list(_unknown_keys(value, schema)) == [], what


def _check_request(contract: dict[str, Any], exchange: Exchange) -> str:
    template, operation = _operation(contract, exchange)
    what = f"{exchange.request.method} {template}"
    allowed = {row["name"]: row for row in operation.get("parameters", [])}
    for name, value in exchange.request.query:
        assert allowed[name]["in"] == "query", what
        assert name != "count" or int(value) <= 1000
    bodies = [row["schema"] for row in allowed.values() if row["in"] == "body"]
    assert bool(exchange.request.body) == bool(bodies), what
    if bodies:
        _check(exchange.request.json(), bodies[0], what)
        assert exchange.request.headers["content-type"] == "application/json"
    assert exchange.request.headers["authorization"].startswith("Basic ")
    return what


def _repertoire(at: Case) -> None:
    at.crm.check()
    at.crm.prepare(["MEMBERSHIP", "CHECKOUT", "FNAME"], [FLOW_TAG])
    at.crm.check()
    two = checkout(line("11", sku="S", product_url="https://shop.example/11"), line("12", quantity=2))
    at.crm.enrol(at.enrolment())
    at.crm.enrol(at.enrolment(repeated=True))
    later = START + timedelta(days=8)
    again = {"generation": 2, "lead_at": later, "key": "acme/jane/c1/2/0", "former": (at.enrolment().lead,)}
    at.crm.enrol(at.enrolment(**again, checkout=two))
    at.crm.refresh(at.enrolment(**again))
    at.crm.refresh(at.enrolment(**again, checkout=two))
    at.crm.enrol(at.enrolment(email="new@example.com", may_subscribe=False))
    at.crm.withdraw(withdrawal(order=order(), add_tags=("customer",), generation=2))
    at.crm.forget("new@example.com", permanently=False)
    at.crm.forget(EMAIL, permanently=False)
    at.crm.forget(EMAIL, permanently=True)
    mail = Mail("Winback reminder (en)", "Your cart", "<p>Hello</p>", "Hello")
    at.crm.save_template(mail, at.crm.find_template(mail.name))
    at.crm.save_template(mail, at.crm.find_template(mail.name))


@pytest.mark.parametrize("path", PATHS)
def test_requests_and_answers_keep_the_contract(contract: dict[str, Any], path: str) -> None:
    at = case(path, prepared=False)
    with at.sandbox.server:
        _repertoire(at)
    journal = at.sandbox.server.journal
    for exchange in journal:
        what = _check_request(contract, exchange)
        assert exchange.reply is not None
        responses = _operation(contract, exchange)[1]["responses"]
        answer = responses.get(str(exchange.status), responses["default"])
        assert exchange.status in (200, 204, 400, 404), what
        if exchange.status in (200, 204):
            assert str(exchange.status) in responses, what
        if exchange.status != 204:
            _check(exchange.reply.body, answer["schema"], what)


def test_the_repertoire_uses_all_that_the_adapter_has(contract: dict[str, Any]) -> None:
    used: set[str] = set()
    for path in PATHS:
        at = case(path, prepared=False)
        with at.sandbox.server:
            _repertoire(at)
        used |= {f"{row.request.method} {_operation(contract, row)[0]}" for row in at.sandbox.server.journal}
    store, member = "/ecommerce/stores/{store_id}", "/lists/{list_id}/members/{subscriber_hash}"
    assert used == {
        *("GET /ping", "GET /", "GET /lists/{list_id}", "GET /lists/{list_id}/merge-fields"),
        *("POST /lists/{list_id}/merge-fields", f"POST {member}/actions/delete-permanent"),
        *(f"{method} {member}" for method in ("GET", "PUT", "PATCH", "DELETE")),
        *(f"{method} {member}/{part}" for method in ("GET", "POST") for part in ("tags", "events")),
        "POST /customer-journeys/journeys/{journey_id}/steps/{step_id}/actions/trigger",
        *("POST /ecommerce/stores", f"GET {store}", f"POST {store}/products", f"POST {store}/orders"),
        f"PUT {store}/products/{{product_id}}/variants/{{variant_id}}",
        *(f"{method} {store}/carts" for method in ("GET", "POST")),
        *(f"{method} {store}/carts/{{cart_id}}" for method in ("GET", "PATCH", "DELETE")),
        f"POST {store}/carts/{{cart_id}}/lines",
        *(f"{method} {store}/carts/{{cart_id}}/lines/{{line_id}}" for method in ("PATCH", "DELETE")),
        f"DELETE {store}/customers/{{customer_id}}",
        *("GET /templates", "POST /templates", "PATCH /templates/{template_id}"),
    }
