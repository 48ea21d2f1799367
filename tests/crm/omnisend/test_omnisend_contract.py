"""Omnisend: requests and answers fit the official contract, and the sandbox is as strict as the vendor."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from omnisend_case import account, adapter
from openapi import Contract
from samples import JANE, effects, enrolment, withdrawal

from connector.errors import RejectedError
from connector.http import Door, Http
from connector.model import Consent, ConsentState
from connector.sandbox import CrmSandbox, Exchange, Reply, Request
from crm.sandbox.omnisend import API_KEY, OmnisendSandbox, serve

VERSION = "2026-03-15"
HEADERS = {"authorization": f"Omnisend-API-Key {API_KEY}", "omnisend-version": VERSION}
NOT_IN_THE_CONTRACT = {"/api/brands/current", "/api/automations"}  # described in documents of their own


@pytest.fixture(scope="module")
def contract(contracts_dir: Path) -> Contract:
    """The official contract, read once."""
    return Contract(contracts_dir / "omnisend.json", prefix="/api")


def exercise(sandbox: OmnisendSandbox) -> list[Exchange]:
    """Makes the adapter send every kind of request that it knows."""
    omnisend = adapter(sandbox, fields={"PRODUCT": "{{ product_name }}"}, tags=["abandoned-cart"])
    omnisend.check()
    opted_in = enrolment(may_subscribe=True)
    consent = Consent(ConsentState.OPTED_IN, "checkout", opted_in.lead_at)
    omnisend.enrol(replace(opted_in, checkout=replace(opted_in.checkout, consent=consent)))
    omnisend.enrol(replace(opted_in, key="again", tags=tuple(f"t{number}" for number in range(100))))
    omnisend.enrol_many([enrolment("joe@shop.example"), enrolment("ann@shop.example")])
    omnisend.refresh(opted_in)
    omnisend.withdraw(withdrawal(add_tags=("customer",)))
    omnisend.withdraw(withdrawal("joe@shop.example", reason="superseded", order=None))
    omnisend.forget("joe@shop.example", permanently=False)
    with pytest.raises(RejectedError):
        omnisend.forget("ann@shop.example", permanently=True)
    return sandbox.server.journal


def test_every_request_and_every_answer_fits_the_contract(contract: Contract) -> None:
    with account() as sandbox:
        journal = exercise(sandbox)
    assert {each.status for each in journal} == {200, 201, 202}
    for exchange in journal:
        headers = exchange.request.headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
        if exchange.request.path not in NOT_IN_THE_CONTRACT:
            contract.check(exchange.request)
            contract.check_reply(exchange)
    sent = {f"{each.request.method} {each.request.path.rstrip('0123456789abcdef')}" for each in journal}
    assert sent == {
        "GET /api/brands/current",
        "GET /api/automations",
        "GET /api/contacts",
        "POST /api/contacts",
        "PATCH /api/contacts/",
        "POST /api/contacts/tags",
        "DELETE /api/contacts/tags",
        "POST /api/events",
    }


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/contacts", {"identifiers": [{"type": "email"}]}),
        ("POST", "/api/contacts", {"identifiers": [{"type": "mail", "id": JANE}]}),
        ("POST", "/api/contacts", {"identifiers": [], "statuses": []}),
        ("POST", "/api/contacts", {"identifiers": [{"type": "email", "id": JANE, "status": "subscribed"}]}),
        ("DELETE", "/api/contacts/tags", {"emails": [JANE]}),
        ("DELETE", "/api/contacts/1", {}),
        ("POST", "/api/events", {"eventName": "x", "contact": {"email": JANE, "firstName": "x" * 51}}),
        ("POST", "/api/events", {"name": "x"}),
        ("POST", "/api/nothing", {}),
    ],
)
def test_the_check_of_the_contract_can_fail(contract: Contract, method: str, path: str, body: Any) -> None:
    request = Request(method, path, (), {"content-type": "application/json"}, json.dumps(body).encode())
    with pytest.raises(AssertionError):
        contract.check(request)


@pytest.mark.parametrize(
    "reply",
    [Reply(204), Reply(200, {"contacts": [{"contactID": "1"}]}), Reply(200, {"contacts": [{"status": "gone"}]})],
)
def test_the_check_of_the_answers_can_fail(contract: Contract, clock: Clock, reply: Reply) -> None:
    request = Request("GET", "/api/contacts", (), {}, b"")
    with pytest.raises(AssertionError):
        contract.check_reply(Exchange(clock(), request, reply.status, reply))


def door(sandbox: OmnisendSandbox, **headers: str) -> Door:
    return Http().door(sandbox.server.url, name="test", headers={**HEADERS, **headers})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"omnisend-version": ""}, 400),
        ({"omnisend-version": "2025-01-15"}, 410),
        ({"authorization": "Omnisend-API-Key other"}, 401),
        ({"authorization": "", "x-api-key": API_KEY}, 401),
    ],
)
def test_the_sandbox_wants_the_vendors_headers(headers: dict[str, str], status: int) -> None:
    with account() as sandbox:
        allowed = {400, 401, 410}
        assert door(sandbox, **headers).request("GET", "/api/brands/current", allow=allowed).status == status


def test_the_refusals_of_the_sandbox_fit_the_contract(contract: Contract, clock: Clock) -> None:
    with account(clock, limits=True, lacking={"events.write"}) as sandbox:
        asked = door(sandbox)
        for _ in range(60):
            asked.request("POST", "/api/contacts/tags", json={"emails": [JANE], "tags": ["x"]})
        asked.request("POST", "/api/contacts/tags", json={"emails": [JANE], "tags": ["x"]}, allow={429})
        asked.request("GET", "/api/contacts", query={"limit": "0"}, allow={400})
        asked.request("PATCH", f"/api/contacts/{'0' * 24}", json={}, allow={404})
        asked.request("POST", "/api/contacts", json={"identifiers": []}, allow={400})
        refused = [each for each in sandbox.server.journal if each.status >= 400]
        assert [each.status for each in refused] == [429, 400, 404, 400]
        for exchange in refused:
            contract.check_reply(exchange)
        assert asked.request("POST", "/api/events", json={}, allow={403}).status == 403


def test_the_sandbox_is_one_of_ours() -> None:
    sandbox: CrmSandbox = serve()
    with sandbox.server:
        assert sandbox.options()["base_url"] == sandbox.server.url
        assert (sandbox.status(JANE), sandbox.fields(JANE), sandbox.tags(JANE)) == ("", {}, set())


def event(name: str = "started checkout", **changes: Any) -> dict[str, Any]:
    """One that starts the sample automation."""
    properties = {"abandonedCheckoutURL": "https://shop.example", "cartID": "1", "value": 1, "currency": "EUR"}
    return {"eventName": name, "origin": "api", "contact": {"email": JANE}, "properties": properties, **changes}


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        ({}, 2),
        ({"eventID": "3f0e8a52-8f0c-4f5e-9d59-4a3f7c1c9a11"}, 2),  # real-time events are not told apart
        ({"eventTime": "2026-01-01T00:00:00Z"}, 0),  # history starts nothing
        ({"properties": {"cartID": "1"}}, 0),  # without what its emails show
    ],
)
def test_the_sandbox_starts_its_automation_as_omnisend_would(changes: dict[str, Any], starts: int) -> None:
    with account() as sandbox:
        for _ in range(2):
            door(sandbox).request("POST", "/api/events", json=event(**changes))
        assert len(effects(sandbox)) == starts


@pytest.mark.parametrize(("name", "starts"), [("started checkout", 0), ("checkout left", 1)])
def test_the_sandbox_mails_unsubscribed_contacts_by_events_of_the_owners(name: str, starts: int) -> None:
    with account(event=name) as sandbox:
        sandbox.unsubscribe(JANE)
        door(sandbox).request("POST", "/api/events", json=event(name))
        assert len(effects(sandbox)) == starts


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (event(origin=""), "origin"),
        (event(eventVersion="v2"), "eventVersion"),
        (event("placed order"), "eventVersion"),
        (event(eventID="7"), "eventID"),
        (event(contact={"email": "jane"}), "contact.email"),
        (
            event(contact={"email": JANE, "customProperties": {"my product": "x"}}),
            "contact.customProperties.my product",
        ),
        ({**event(), "name": "x"}, "name"),
    ],
)
def test_the_sandbox_refuses_what_is_no_event(body: dict[str, Any], field: str) -> None:
    with account() as sandbox:
        answer = door(sandbox).request("POST", "/api/events", json=body, allow={400}).json()
        assert [error["field"] for error in answer["errors"]] == [field]
        assert sandbox.events == []


def test_the_sandbox_welcomes_whom_it_is_not_told_not_to() -> None:
    with account() as sandbox:
        identifier = {"type": "email", "id": JANE, "channels": {"email": {"status": "subscribed"}}}
        door(sandbox).request("POST", "/api/contacts", json={"identifiers": [identifier]})
        assert effects(sandbox, "welcomed") == [JANE]


def test_in_the_sandbox_tags_written_to_a_contact_replace_the_others() -> None:
    with account() as sandbox:
        for tag in ("a", "b"):
            body = {"identifiers": [{"type": "email", "id": JANE}], "tags": [tag]}
            door(sandbox).request("POST", "/api/contacts", json=body)
        assert sandbox.tags(JANE) == {"b"}
