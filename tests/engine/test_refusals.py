"""Every class of refusal that a CRM has: nothing is dropped, it shows why, and it goes out once that is mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from world import World

from connector.engine import hand, view
from connector.sandbox import Fault, Reply, Request
from crm.sandbox import activecampaign, klaviyo, mailchimp, omnisend

ANN = "ann.private@example.com"


@dataclass(frozen=True)
class Case:
    """What is said to which request. `ends`: failed, paused (the whole account) or no_consent."""

    serve: Callable[..., Any]
    method: str
    path: str
    status: int
    body: Any
    ends: str = "failed"


def problem(title: str, detail: str, status: int = 400, **more: Any) -> dict[str, Any]:
    return {"title": title, "detail": detail, "status": status, **more}


FIELDS = [{"field": "CART", "message": "too long for ann.private@example.com"}]
CASES = {
    "mailchimp: a field": Case(
        mailchimp.serve, "PUT", "/members/", 400, problem("Invalid Resource", "Your merge fields…", errors=FIELDS)
    ),
    "mailchimp: an address that looks fake": Case(
        mailchimp.serve,
        "PUT",
        "/members/",
        400,
        problem("Invalid Resource", "ann.private@example.com looks fake or invalid"),
    ),
    "mailchimp: many lists": Case(
        mailchimp.serve, "PUT", "/members/", 400, problem("Invalid Resource", "signed up to a lot of lists")
    ),
    "mailchimp: compliance": Case(
        mailchimp.serve,
        "PUT",
        "/members/",
        400,
        problem("Member In Compliance State", "is in a compliance state"),
        "no_consent",
    ),
    "mailchimp: no such journey": Case(
        mailchimp.serve, "POST", "/actions/trigger", 404, problem("Resource Not Found", "…", 404), "paused"
    ),
    "mailchimp: the plan": Case(
        mailchimp.serve, "PUT", "/members/", 403, problem("Forbidden", "Your plan does not allow this.", 403), "paused"
    ),
    "activecampaign: an address": Case(
        activecampaign.serve,
        "POST",
        "/contact/sync",
        422,
        {"errors": [{"title": "Contact Email Address is not valid.", "code": "email_invalid"}]},
    ),
    "activecampaign: not paid": Case(
        activecampaign.serve, "POST", "/contact/sync", 402, {"message": "Payment required"}, "paused"
    ),
    "activecampaign: no such automation": Case(
        activecampaign.serve,
        "POST",
        "/contactAutomations",
        422,
        {"errors": [{"title": "The automation does not exist"}]},
    ),
    "klaviyo: a value": Case(
        klaviyo.serve,
        "POST",
        "/api/events",
        400,
        {"errors": [{"detail": "'value' is not a valid number", "source": {"pointer": "/data/attributes/value"}}]},
    ),
    "klaviyo: an address": Case(
        klaviyo.serve,
        "GET",
        "/api/profiles?filter",
        400,
        {"errors": [{"detail": "Invalid email address", "source": {"parameter": "filter"}}]},
    ),
    "klaviyo: a scope": Case(klaviyo.serve, "POST", "/api/events", 403, {"errors": [{"detail": "no scope"}]}, "paused"),
    "omnisend: a field": Case(
        omnisend.serve, "POST", "/api/contacts", 400, problem("Validation", "invalid", errors=FIELDS)
    ),
    "omnisend: no permission": Case(
        omnisend.serve, "POST", "/api/events", 403, problem("Forbidden", "no", 403), "paused"
    ),
    "omnisend: not paid": Case(omnisend.serve, "POST", "/api/events", 402, problem("Payment", "no", 402), "paused"),
}


def seen(acme: World) -> dict[str, Any]:
    (row,) = [row for row in view.deliveries(acme.ctx, acme.client) if row["kind"] == "enrol"]
    found = view.delivery(acme.ctx, acme.client, row["id"])
    assert found is not None
    return found


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused_shows_and_goes_out_when_it_is_mended(
    tmp_path: Path, clock: Clock, sqlite_url: str, name: str
) -> None:
    case = CASES[name]
    account = case.serve(clock=clock)
    fields = {"CART": "{{ product_name }}"}
    crm = {"id": "mail", **account.options(), "tags": ["abandoned-cart"], "fields": fields, "subscribe": "eligible"}
    acme = World(tmp_path, sqlite_url, clock, crms=[crm])
    acme.woo.abandon(ANN)
    acme.after(minutes=1)

    def fault(request: Request) -> Fault | None:
        asked = request.method == case.method and case.path in request.target
        return Fault(Reply(case.status, case.body)) if asked else None

    account.server.fault = fault
    acme.after(hours=1)
    row = seen(acme)
    (said,) = view.leads(acme.ctx, acme.client, email=ANN)
    assert row["reason"]
    assert row["remedy"]
    assert "ann.private" not in json.dumps({**row, "email": ""})
    if case.ends == "failed":
        assert (row["state"], said["state"]) == ("failed", "failed")
        assert row["exchange"].startswith(f"{case.method} /")
        assert f"HTTP {case.status}" in row["exchange"]
        assert f"winback deliveries retry -c PATH {row['id']}" in row["remedy"]
        acme.after(hours=60)  # too late by R3, but for the owner's hand
        assert not account.effects
        account.server.fault = None
        assert "1 delivery put back" in hand.retry(acme.ctx, acme.client, row["id"])
        acme.after(minutes=1)
    elif case.ends == "paused":
        assert row["state"] == "pending"
        assert len([alert for alert in acme.alerts if alert.startswith("acme/mail: ")]) == 1
        account.server.fault = None
        acme.after(minutes=16)
    else:
        assert (row["state"], row["rule"], said["state"]) == ("no_consent", "R9", "no_consent")
    expected = [] if case.ends == "no_consent" else [ANN]
    assert [each.email for each in account.effects if each.what == "enrolled"] == expected
    acme.close()
    account.server.close()


def test_a_lead_that_no_crm_mails_is_not_counted_as_one(tmp_path: Path, clock: Clock, sqlite_url: str) -> None:
    from connector.engine.report import rows_of

    acme = World(tmp_path, sqlite_url, clock)
    acme.crm.unsubscribe(ANN)
    acme.woo.abandon(ANN)
    acme.woo.abandon("bob@example.com")
    acme.after(hours=1)
    assert acme.states(ANN) == [("no_consent", "R9")]
    counted = [row for row in rows_of(acme.ctx, acme.client, acme.clock().date(), "store") if row["store"] == "woo"]
    assert [row["leads"] for row in counted] == [1]
    acme.close()
