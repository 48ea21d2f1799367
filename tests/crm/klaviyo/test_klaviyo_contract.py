"""Klaviyo: every request fits the official contract, and the sandbox is as strict as the vendor."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from klaviyo_case import adapter
from openapi import Contract
from samples import JANE, effects, enrolment, withdrawal

from connector.http import Http
from connector.merge import Mail
from connector.sandbox import CrmSandbox, Exchange, Request
from crm.sandbox.klaviyo import API_KEY, LIST, KlaviyoSandbox, serve

MEDIA = "application/vnd.api+json"
HEADERS = {"authorization": f"Klaviyo-API-Key {API_KEY}", "revision": "2026-07-15", "content-type": MEDIA}
NOT_IN_THE_CONTRACT = {"/api/data-privacy-deletion-jobs"}


def check(contract: Contract, request: Request) -> str:
    """Raises AssertionError if the request does not fit; returns its operation's name."""
    assert request.headers["revision"] == contract.document["info"]["version"]
    operation = contract.check(request)
    parameters = {each["name"]: each for each in operation["parameters"]}
    for name, value in request.query:
        items = parameters[name]["schema"].get("items", {})
        if "enum" in items:
            assert set(value.split(",")) <= set(items["enum"]), value
        if name == "filter":
            operator, subject = re.split(r"[(,]", value)[:2]
            line = next(each for each in parameters[name]["description"].split("<br>") if f"`{subject}`" in each)
            assert f"`{operator}`" in line, value
    return str(operation["operationId"])


@pytest.fixture(scope="module")
def contract(contracts_dir: Path) -> Contract:
    """The official contract, read once."""
    return Contract(contracts_dir / "klaviyo.json", media=MEDIA)


def exercise(sandbox: KlaviyoSandbox) -> list[Exchange]:
    """Makes the adapter send every kind of request that it knows."""
    klaviyo = adapter(sandbox, fields={"PRODUCT": "{{ product_name }}"})
    klaviyo.check()
    batch = [enrolment(f"s{number}@shop.example", may_subscribe=True) for number in range(3)]
    klaviyo.enrol_many(batch)
    klaviyo.enrol_many([replace(each, key=f"{each.key}/2") for each in batch])
    klaviyo.enrol(replace(batch[0], repeated=True))
    klaviyo.refresh(batch[0])
    klaviyo.withdraw(withdrawal("s0@shop.example", add_tags=("customer",)))
    klaviyo.withdraw(withdrawal("s1@shop.example", reason="superseded"))
    klaviyo.withdraw(withdrawal("s2@shop.example", reason="expired"))
    klaviyo.forget("s1@shop.example", permanently=False)
    klaviyo.forget("s1@shop.example", permanently=True)
    mail = Mail("Winback reminder (en)", "Your cart", "<p>Hello</p>", "Hello")
    klaviyo.save_template(mail, klaviyo.find_template(mail.name))
    klaviyo.save_template(mail, klaviyo.find_template(mail.name))
    return sandbox.server.journal


@pytest.mark.parametrize("by_list", [False, True])
def test_every_request_fits_the_contract(contract: Contract, by_list: bool) -> None:
    sandbox = serve(by_list=by_list)
    with sandbox.server:
        journal = exercise(sandbox)
    assert {each.status for each in journal} <= {200, 201, 202, 204}
    sent = {check(contract, each.request) for each in journal if each.request.path not in NOT_IN_THE_CONTRACT}
    both = {"get_accounts", "get_list", "get_profiles", "create_event", "create_or_update_profile", "update_profile"}
    own = {"add_profiles_to_list", "remove_profiles_from_list"} if by_list else {"bulk_create_events", "get_metrics"}
    mails = {"get_templates", "create_template", "update_template"}
    assert sent == both | own | mails | {"bulk_subscribe_profiles"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/events", {"data": {"type": "event", "attributes": {}}}),
        ("/api/lists/L1/relationships/profiles", {"data": [{"type": "profile", "id": "1", "email": "x"}]}),
        ("/api/nothing", {}),
    ],
)
def test_the_check_of_the_contract_can_fail(contract: Contract, path: str, body: Any) -> None:
    request = Request("POST", path, (), {"revision": "2026-07-15", "content-type": MEDIA}, json.dumps(body).encode())
    with pytest.raises(AssertionError):
        check(contract, request)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"revision": ""}, 400),
        ({"authorization": "Klaviyo-API-Key pk_other"}, 401),
        ({"content-type": "application/json"}, 415),
    ],
)
def test_the_sandbox_wants_the_vendors_headers(headers: dict[str, str], status: int) -> None:
    sandbox = serve()
    with sandbox.server:
        door = Http().door(sandbox.server.url, name="test", headers={**HEADERS, **headers})
        data = {"data": {"type": "profile", "attributes": {"email": JANE}}}
        first = door.request("POST", "/api/profile-import", json=data, allow={400, 401, 415})
        assert first.status == (201 if status == 200 else status)


def test_the_sandbox_is_one_of_ours() -> None:
    sandbox: CrmSandbox = serve()
    with sandbox.server:
        assert sandbox.options()["base_url"] == sandbox.server.url
        assert (sandbox.status(JANE), sandbox.fields(JANE), sandbox.tags(JANE)) == ("", {}, set())


def test_the_sandbox_holds_the_vendors_limits(clock: Clock) -> None:
    sandbox = serve(clock, limits=True)
    with sandbox.server:
        door = Http().door(sandbox.server.url, name="test", headers=HEADERS)
        statuses = [door.request("GET", "/api/accounts", allow={429}).status for _ in range(2)]
        assert statuses == [200, 429]


def test_the_sandbox_lifts_suppressions_when_asked_to_subscribe() -> None:
    sandbox = serve()
    with sandbox.server:
        sandbox.unsubscribe(JANE)
        consent = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
        profile = {"type": "profile", "attributes": {"email": JANE, "subscriptions": consent}}
        data = {"type": "profile-subscription-bulk-create-job", "attributes": {"profiles": {"data": [profile]}}}
        door = Http().door(sandbox.server.url, name="test", headers=HEADERS)
        door.request("POST", "/api/profile-subscription-bulk-create-jobs", json={"data": data})
        assert sandbox.status(JANE) == "SUBSCRIBED"


def test_the_sandbox_starts_no_flow_for_a_backfilled_event() -> None:
    sandbox = serve()
    with sandbox.server:
        metric = {"data": {"type": "metric", "attributes": {"name": "Started Checkout"}}}
        profile = {"data": {"type": "profile", "attributes": {"email": JANE}}}
        event = {"properties": {}, "metric": metric, "profile": profile, "unique_id": "1", "backfill": True}
        door = Http().door(sandbox.server.url, name="test", headers=HEADERS)
        door.request("POST", "/api/events", json={"data": {"type": "event", "attributes": event}})
        assert effects(sandbox) == []
        assert sandbox.members(LIST) == set()
