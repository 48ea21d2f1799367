"""ActiveCampaign: every request is one that the vendor's reference describes; and what `check` and `prepare` say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonpatch
import jsonschema
import pytest
from activecampaign_case import FIELDS, JANE, TAGS, adapter_for, answer_with, calls, enrolment_for, withdrawal_for
from clock import Clock

from connector.errors import ConfigError, RejectedError, TransientError
from connector.http import Http
from connector.merge import Mail
from connector.sandbox import Fault, Reply, Request
from crm.activecampaign import ActiveCampaign, ActiveCampaignOptions
from crm.sandbox.activecampaign import ActiveCampaignSandbox, serve

# What the reference describes elsewhere than at the path: https://developers.activecampaign.com/reference/pagination,
# and related records that come along (shown for single contacts).
ELSEWHERE = {"include", "limit", "offset"}
# Paths that the reference only links to, from a contact (`links.contactTags`) and from a campaign.
LINKED = {("get", "/contacts/{id}/contactTags"), ("get", "/campaigns/{id}/campaignMessages")}


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[ActiveCampaignSandbox]:
    account = serve(clock)
    with account.server:
        yield account


@pytest.fixture(scope="session")
def reference(contracts_dir: Path) -> dict[str, Any]:
    document = json.loads((contracts_dir / "activecampaign.json").read_text())
    patch = json.loads((contracts_dir / "activecampaign.patch.json").read_text())
    patched: dict[str, Any] = jsonpatch.apply_patch(document, patch)
    return patched


def described(reference: dict[str, Any], request: Request) -> tuple[str, dict[str, Any] | None]:
    """The path and the operation that the reference has for a request."""
    path = request.path.removeprefix("/api/3")
    for template, operations in reference["paths"].items():
        if request.method.lower() in operations and re.fullmatch(re.sub(r"\{\w+\}", r"\\d+", template), path):
            return template, operations[request.method.lower()]
    return re.sub(r"\d+", "{id}", path), None


def complain(reference: dict[str, Any], request: Request) -> list[str]:
    """What is wrong with a request by the reference."""
    template, operation = described(reference, request)
    if operation is None:
        known = (request.method.lower(), template) in LINKED and {name for name, _ in request.query} <= ELSEWHERE
        return [] if known and not request.body else [f"{request.method} {template} is unknown"]
    allowed = {parameter["name"] for parameter in operation.get("parameters", [])} | ELSEWHERE
    found = [f"{template}: query {name}" for name, _ in request.query if name not in allowed]
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return found + ([f"{template}: a body"] if request.body else [])
    schema = content["application/json"]["schema"]
    found += [
        f"{template}: {error.message}" for error in jsonschema.Draft202012Validator(schema).iter_errors(request.json())
    ]
    return found + [f"{template}: key {key}" for key in unknown_keys(schema, request.json())]


def unknown_keys(schema: dict[str, Any], body: dict[str, Any]) -> set[str]:
    """The schemas allow any key; only those that they name are right."""
    wrong = set(body) - set(schema["properties"])
    for key, part in body.items():
        wrong |= set(part) - set(schema["properties"].get(key, {}).get("properties", {}))
    for value in body.get("contact", {}).get("fieldValues", []):
        wrong |= set(value) - {"field", "value"}
    return wrong


def test_every_request_is_one_that_the_reference_describes(
    sandbox: ActiveCampaignSandbox, clock: Clock, reference: dict[str, Any]
) -> None:
    adapter = adapter_for(sandbox, fields=dict.fromkeys(FIELDS, "x"), tags=TAGS)
    adapter.check()
    adapter.prepare([*FIELDS, "FIRSTNAME"], TAGS)
    adapter.enrol(enrolment_for(adapter, fields={**FIELDS, "FIRSTNAME": "Jane"}))
    lead = clock.advance(timedelta(days=8))
    adapter.enrol(enrolment_for(adapter, key="again", generation=2, lead_at=lead))
    adapter.refresh(enrolment_for(adapter))
    sandbox.switch(active=False)
    with pytest.raises(ConfigError):
        adapter.enrol(enrolment_for(adapter, key="off"))
    adapter.withdraw(withdrawal_for(adapter, add_tags=("customer",)))
    adapter.forget(JANE, permanently=True)
    sandbox.add_mail("Winback reminder (en)")
    mail = Mail("Winback reminder (en)", "Your cart", "<p>Hello</p>", "Hello")
    adapter.save_template(mail, adapter.find_template(mail.name))
    with pytest.raises(RejectedError, match="no e-mail of that name"):
        adapter.find_template("Winback value (en)")
    adapter_for(sandbox, list="newsletter").check()

    requests = [entry.request for entry in sandbox.server.journal]
    assert len({f"{request.method} {re.sub(r'[0-9]+', 'N', request.path)}" for request in requests}) >= 21
    assert [complaint for request in requests for complaint in complain(reference, request)] == []
    assert {request.headers["api-token"] for request in requests} == {sandbox.options()["api_key"]}


def test_requests_without_related_records_are_described_too(clock: Clock, reference: dict[str, Any]) -> None:
    account = serve(clock, related=False)
    with account.server:
        adapter = adapter_for(account)
        account.add_contact(JANE, "1")
        adapter.enrol(enrolment_for(adapter))
        adapter.withdraw(withdrawal_for(adapter))
        wrong = [text for entry in account.server.journal for text in complain(reference, entry.request)]
        assert wrong == []


def test_the_reference_check_notices_a_wrong_key_query_and_type(reference: dict[str, Any]) -> None:
    def request(method: str, path: str, body: Any = None, query: tuple[tuple[str, str], ...] = ()) -> Request:
        return Request(method, f"/api/3{path}", query, {}, json.dumps(body).encode() if body else b"")

    good = {"contactTag": {"contact": 1, "tag": 2}}
    assert complain(reference, request("POST", "/contactTags", good)) == []
    assert complain(reference, request("POST", "/contactTags", {"contactTag": {"contact": 1, "label": 2}}))
    assert complain(
        reference, request("POST", "/contactLists", {"contactList": {"list": [], "contact": 1, "status": 1}})
    )
    assert complain(reference, request("GET", "/contacts", query=(("mail", JANE),)))
    assert complain(reference, request("GET", "/people"))


def findings(adapter: ActiveCampaign, level: str) -> list[str]:
    return [finding.message for finding in adapter.check().findings if finding.level == level]


def test_a_sound_account_is_named_by_its_host(sandbox: ActiveCampaignSandbox) -> None:
    adapter = adapter_for(sandbox)
    health = adapter.check()
    assert health.identity.id == sandbox.server.url.removeprefix("http://")
    assert [finding.message for finding in health.findings] == [adapter.exit_condition]


def test_a_url_copied_with_its_api_path_works_too(sandbox: ActiveCampaignSandbox) -> None:
    adapter = adapter_for(sandbox, base_url=f"{sandbox.server.url}/api/3")
    assert adapter.check().identity.id == sandbox.server.url.removeprefix("http://")


def test_a_wrong_key_says_where_to_find_the_right_one(sandbox: ActiveCampaignSandbox) -> None:
    with pytest.raises(ConfigError, match=r"refuses the key \(HTTP 403\).*Settings → Developer") as caught:
        adapter_for(sandbox, api_key="wrong-key-0123456789").check()
    assert "wrong-key" not in str(caught.value)


@pytest.mark.parametrize(("status", "body"), [(404, {}), (200, {"hello": "world"})])
def test_a_wrong_url_says_so(sandbox: ActiveCampaignSandbox, status: int, body: Any) -> None:
    sandbox.server.fault = answer_with(status, body, when="/users/me")
    with pytest.raises(ConfigError, match="is no ActiveCampaign account"):
        adapter_for(sandbox).check()


def test_a_list_and_an_automation_that_do_not_exist_are_errors(sandbox: ActiveCampaignSandbox) -> None:
    errors = findings(adapter_for(sandbox, list=99, campaign={"automation": 98}), "error")
    assert [message.split(" in ")[0] for message in errors] == ["there is no list 99", "there is no automation 98"]


def test_a_list_that_does_not_exist_stops_enrolments_rather_than_refusing_shoppers(
    sandbox: ActiveCampaignSandbox,
) -> None:
    sandbox.add_contact(JANE, "1")
    adapter = adapter_for(sandbox, list="Nwesletter")
    with pytest.raises(ConfigError, match="no list Nwesletter"):
        adapter.enrol(enrolment_for(adapter))


def test_a_list_may_be_named(sandbox: ActiveCampaignSandbox) -> None:
    adapter = adapter_for(sandbox, list="newsletter")
    adapter.enrol(enrolment_for(adapter))
    assert sandbox.status(JANE) == "active"


def test_an_automation_switched_off_is_an_error_and_one_entered_once_a_warning(clock: Clock) -> None:
    account = serve(clock, multientry="0")
    with account.server:
        assert "takes a contact only once" in findings(adapter_for(account), "warning")[0]
        account.switch(active=False)
        assert "not active" in findings(adapter_for(account), "error")[0]


def test_without_a_list_the_owner_is_told_what_that_means(sandbox: ActiveCampaignSandbox) -> None:
    assert "nobody new joins" in findings(adapter_for(sandbox, list=None), "warning")[0]


def test_missing_fields_are_announced_and_then_made_for_all_lists(sandbox: ActiveCampaignSandbox) -> None:
    adapter = adapter_for(sandbox, fields={"Checkout link": "x", "FIRSTNAME": "y"})
    announced = [message for message in findings(adapter, "info") if "will be made" in message]
    assert announced == ["the field Checkout link will be made; e-mails show it as %CHECKOUT_LINK%"]
    sandbox.server.journal.clear()

    adapter.prepare(["Checkout link"], [])

    posted = [entry.request.json() for entry in sandbox.server.journal if entry.request.method == "POST"]
    assert posted[0]["field"]["perstag"] == "CHECKOUT_LINK"
    assert posted[1]["fieldRel"]["relid"] == 0
    assert not [message for message in findings(adapter, "info") if "will be made" in message]


@pytest.mark.parametrize("name", ["Checkout link", "checkout LINK", "CHECKOUT_LINK", "%checkout_link%"])
def test_a_field_is_known_by_title_and_by_personalisation_tag(sandbox: ActiveCampaignSandbox, name: str) -> None:
    adapter_for(sandbox).prepare(["Checkout link"], [])
    sandbox.server.journal.clear()
    adapter = adapter_for(sandbox)
    adapter.enrol(enrolment_for(adapter, fields={name: "https://shop.example"}, tags=()))
    assert sandbox.fields(JANE) == {"Checkout link": "https://shop.example"}
    assert "POST /fields" not in calls(sandbox)


def test_fields_and_tags_are_found_beyond_the_first_page(sandbox: ActiveCampaignSandbox) -> None:
    many = [f"Field {number}" for number in range(101)]
    tags = ["abandoned-cart", *(f"abandoned-cart-{number}" for number in range(30))]
    adapter_for(sandbox).prepare(many, [*reversed(tags)])
    sandbox.server.journal.clear()
    adapter_for(sandbox).prepare([many[-1]], ["Abandoned-Cart"])
    assert calls(sandbox) == ["GET /fields", "GET /fields", "GET /tags"]


def test_a_field_made_while_its_answer_was_lost_is_still_shown_on_all_lists(sandbox: ActiveCampaignSandbox) -> None:
    adapter = adapter_for(sandbox)

    def fault(request: Request) -> Fault | None:
        lost = request.method == "POST" and request.path.endswith("/fields")
        return Fault(after_effect=True, reset=True) if lost else None

    sandbox.server.fault = fault
    with pytest.raises(TransientError):
        adapter.prepare(["Product"], [])
    sandbox.server.fault = None
    adapter.prepare(["Product"], [])
    assert (calls(sandbox).count("POST /fields"), calls(sandbox).count("POST /fieldRels")) == (1, 1)


def test_only_a_contact_tag_of_the_very_name_is_the_tag(sandbox: ActiveCampaignSandbox) -> None:
    sandbox.add_tag("abandoned-cart", "template")
    sandbox.add_tag("abandoned-cart-2019")
    adapter = adapter_for(sandbox)
    adapter.enrol(enrolment_for(adapter))
    made = [
        entry.request.json()["tag"]["tag"]
        for entry in sandbox.server.journal
        if entry.request.path.endswith("/tags") and entry.request.method == "POST"
    ]
    assert made == ["abandoned-cart"]
    assert sandbox.tags(JANE) == {"abandoned-cart"}


def test_a_field_that_is_refused_says_why(sandbox: ActiveCampaignSandbox) -> None:
    refused = {"errors": [{"title": "The field title is too long.", "detail": "", "code": "field_invalid"}]}
    sandbox.server.fault = answer_with(422, refused, when="POST /api/3/fields")
    with pytest.raises(RejectedError, match=r"HTTP 422: The field title is too long\."):
        adapter_for(sandbox).prepare(["Product"], [])


def test_a_tag_that_somebody_else_made_meanwhile_is_used(sandbox: ActiveCampaignSandbox) -> None:
    adapter_for(sandbox).prepare([], ["abandoned-cart"])
    left = [{"tags": [], "meta": {"total": "0"}}]

    def fault(request: Request) -> Fault | None:
        if not left or request.path != "/api/3/tags":
            return None
        return Fault(Reply(200, left.pop()))

    sandbox.server.fault = fault
    adapter = adapter_for(sandbox)
    adapter.enrol(enrolment_for(adapter))
    assert sandbox.tags(JANE) == {"abandoned-cart"}


def test_options_refuse_unknown_keys_and_a_missing_url(sandbox: ActiveCampaignSandbox) -> None:
    good = {"id": "mail", **sandbox.options()}
    with pytest.raises(ValueError, match="automatoin"):
        ActiveCampaignOptions.model_validate({**good, "campaign": {"automatoin": 7}})
    with pytest.raises(ValueError, match="base_url"):
        ActiveCampaignOptions.model_validate({key: value for key, value in good.items() if key != "base_url"})
    assert good["api_key"] not in repr(ActiveCampaign(ActiveCampaignOptions.model_validate(good), Http()).options)
