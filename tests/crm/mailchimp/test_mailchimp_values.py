"""What the Mailchimp adapter writes, what it tells the owner, and what it makes of refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from mailchimp_case import EMAIL, URL, Make, checkout
from pydantic import ValidationError

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.model import Outcome
from connector.sandbox import Fault, Reply, Request
from crm._mailchimp_options import MailchimpOptions, origin_of
from crm.sandbox._mailchimp_wire import problem
from crm.sandbox.mailchimp import ACCOUNT, AUDIENCE, KEY

LONG_URL = "https://shop.example/checkouts/" + "k" * 300
SHORT = "https://leads.acme.example/r/tok"


def _reply(status: int, title: str = "", detail: str = "") -> Callable[[Request], Fault | None]:
    reply = problem(status, title, detail) if title else Reply(status)
    return lambda request: Fault(reply) if request.method != "GET" else None


def _options(**keys: Any) -> MailchimpOptions:
    return MailchimpOptions.model_validate(
        {"id": "mail", "adapter": "mailchimp", "api_key": KEY, "audience": AUDIENCE, **keys}
    )


def test_text_is_cut_at_255_bytes_between_characters(make: Make) -> None:
    at = make()
    at.crm.enrol(at.enrolment(fields={"MEMBERSHIP": "a" + "é" * 200, "CHECKOUT": "😀" * 64}))
    sent = json.loads(at.sent("PUT")[0].request.body)["merge_fields"]
    assert sent == {"MEMBERSHIP": "a" + "é" * 127, "CHECKOUT": "😀" * 63}
    assert at.sandbox.fields(EMAIL) == sent


def test_a_long_checkout_link_becomes_the_short_one(make: Make) -> None:
    at = make()
    fields = {"CHECKOUT": LONG_URL, "MEMBERSHIP": f"Back to {LONG_URL} now"}
    at.crm.enrol(at.enrolment(checkout=checkout(url=LONG_URL), fields=fields, short_url=SHORT))
    assert at.sandbox.fields(EMAIL) == {"CHECKOUT": SHORT, "MEMBERSHIP": f"Back to {SHORT} now"}


def test_a_link_that_fits_stays_the_stores_own(make: Make) -> None:
    at = make()
    at.crm.enrol(at.enrolment(short_url=SHORT))
    assert at.sandbox.fields(EMAIL)["CHECKOUT"] == URL


@pytest.mark.parametrize(
    ("value", "short"), [(LONG_URL, ""), ("ö" * 130 + LONG_URL, SHORT), ("x" * 240 + LONG_URL, SHORT)]
)
def test_a_link_that_would_be_lost_is_refused_before_anything_is_written(make: Make, value: str, short: str) -> None:
    at = make()
    with pytest.raises(RejectedError, match="public_url"):
        at.crm.enrol(at.enrolment(checkout=checkout(url=LONG_URL), fields={"CHECKOUT": value}, short_url=short))
    assert at.sandbox.status(EMAIL) == ""


def test_no_url_is_ever_cut(make: Make) -> None:
    at = make()
    image = "https://cdn.example/" + "i" * 300
    at.crm.enrol(at.enrolment(fields={"MEMBERSHIP": image, "CHECKOUT": "See " + "x" * 220 + " " + image}))
    assert at.sandbox.fields(EMAIL) == {"MEMBERSHIP": "", "CHECKOUT": "See " + "x" * 220}


def test_the_native_cart_carries_a_long_link_whole(make: Make) -> None:
    at = make("native_cart")
    at.crm.enrol(at.enrolment(checkout=checkout(url=LONG_URL), fields={"CHECKOUT": LONG_URL}, may_subscribe=False))
    (cart,) = at.sandbox.carts(EMAIL)
    assert cart["checkout_url"] == LONG_URL
    assert at.sandbox.fields(EMAIL)["CHECKOUT"] == ""
    assert at.count() == 1


def test_an_empty_name_does_not_wipe_what_a_form_has_filled(make: Make) -> None:
    at = make()
    at.sandbox.add(EMAIL)
    at.crm.enrol(at.enrolment(fields={"FNAME": "Jane", "MEMBERSHIP": "Gold"}))
    at.crm.refresh(at.enrolment(fields={"FNAME": "", "MEMBERSHIP": ""}))
    assert at.sandbox.fields(EMAIL) == {"FNAME": "Jane", "MEMBERSHIP": ""}


def test_prepare_makes_the_missing_fields_once(make: Make) -> None:
    at = make(prepared=False)
    for _ in range(2):
        at.crm.prepare(["MEMBERSHIP", "fname", "EMAIL"], [])
    assert at.sandbox.merge_fields["MEMBERSHIP"] == "text"
    assert len(at.sent("POST")) == 1


def test_prepare_sees_fields_beyond_the_first_ten(make: Make) -> None:
    at = make(prepared=False)
    names = [f"FIELD{n}" for n in range(12)]
    at.crm.prepare(names, [])
    at.sandbox.server.journal.clear()
    at.crm.prepare(names, [])
    assert at.sent("POST") == []


def test_the_limit_of_fields_is_explained(make: Make) -> None:
    at = make(prepared=False)
    with pytest.raises(ConfigError, match="30 fields"):
        at.crm.prepare([f"FIELD{n}" for n in range(27)], [])


def test_merge_tags_are_checked_and_written_in_capitals() -> None:
    assert list(_options(fields={"membership": "x"}).fields) == ["MEMBERSHIP"]
    with pytest.raises(ValidationError, match="at most 10"):
        _options(fields={"MEMBERSHIPS": "x"})


def test_a_wrong_field_or_campaign_of_a_step_is_the_owners(make: Make) -> None:
    at = make()
    for wrong in ({"fields": {"NOT A TAG": "x"}}, {"campaign": {"journey": 1}}, {"campaign": {"event": "x"}}):
        with pytest.raises(ConfigError):
            at.crm.enrol(at.enrolment(**wrong))
    with pytest.raises(ConfigError):
        at.crm.prepare(["NOT A TAG"], [])


@pytest.mark.parametrize(
    ("key", "origin"),
    [
        ("0123456789abcdef0123456789abcdef-us21", "https://us21.api.mailchimp.com"),
        ("0123456789abcdef0123456789abcdef", "https://api.mailchimp.com"),
        ("0123456789abcdef-evil.example/x", "https://api.mailchimp.com"),
    ],
)
def test_the_data_centre_is_part_of_the_key(key: str, origin: str) -> None:
    assert origin_of(_options(api_key=key)) == origin
    assert origin_of(_options(api_key=key, base_url="https://proxy.example")) == "https://proxy.example"


def test_check_names_the_account_and_what_to_set(make: Make) -> None:
    at = make(double_optin=True, role="viewer", prepared=False)
    health = at.crm.check()
    assert health.identity.id == f"{ACCOUNT}:{AUDIENCE}"
    assert health.identity.name == "Acme Ltd, Customers"
    words = "\n".join(finding.message for finding in health.findings)
    for part in ("Manager", "confirm", "MEMBERSHIP", "winback test", at.crm.exit_condition):
        assert part in words
    assert at.sent("POST") == []


def test_check_of_the_native_cart(make: Make) -> None:
    at = make("native_cart", prepared=False)
    assert any("makes it" in finding.message for finding in at.crm.check().findings)
    at.crm.prepare([], [])
    assert not any(finding.subject == "native_cart" for finding in at.crm.check().findings)
    row = at.sandbox.commerce.shops[f"winback-{AUDIENCE}"].row
    row["automations"]["abandoned_cart"]["status"] = "paused"
    assert any(finding.subject == "native_cart" for finding in at.crm.check().findings)
    row["list_id"] = "another"
    with pytest.raises(ConfigError, match="store_id"):
        at.crm.check()


def test_check_says_that_nothing_starts(make: Make) -> None:
    at = make("tag", options={"tags": []})
    assert any("Nothing starts" in finding.message for finding in at.crm.check().findings)


def test_a_wrong_key_and_a_wrong_audience_are_explained(make: Make) -> None:
    at = make(options={"api_key": "f" * 32 + "-us9"}, prepared=False)
    with pytest.raises(ConfigError, match="API keys"):
        at.crm.check()
    at = make(options={"audience": "ffffffffff"}, prepared=False)
    for call in (at.crm.check, lambda: at.crm.enrol(at.enrolment(may_subscribe=False))):
        with pytest.raises(ConfigError, match="no such audience"):
            call()


def test_an_unknown_journey_is_the_owners(make: Make) -> None:
    at = make()
    with pytest.raises(ConfigError, match="journey 99"):
        at.crm.enrol(at.enrolment(campaign={"journey": 99, "step": 1}))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (_reply(403), TransientError),
        (_reply(429), TransientError),
        (_reply(500), TransientError),
        (_reply(403, "Forbidden", "No access."), ConfigError),
        (_reply(403, "User Disabled", f"The account of {EMAIL} is off."), ConfigError),
        (_reply(401, "API Key Invalid", f"Your key {KEY} is disabled."), ConfigError),
        (_reply(400, "Invalid Resource", f"{EMAIL} looks fake or invalid, please enter a real one."), RejectedError),
        (_reply(400, "Bad Request", f"{EMAIL} has signed up to a lot of lists very recently."), RejectedError),
        (_reply(400, "Bad Request", f"Something about {EMAIL} and {KEY}."), RejectedError),
        (_reply(400), RejectedError),
    ],
)
def test_every_refusal_is_one_of_three_errors_and_tells_no_secret(
    make: Make, fault: Callable[[Request], Fault | None], error: type[WinbackError]
) -> None:
    at = make()
    at.sandbox.server.fault = fault
    with pytest.raises(error) as caught:
        at.crm.enrol(at.enrolment())
    assert type(caught.value) in (error, *error.__subclasses__())
    for secret in (KEY, KEY[:32], EMAIL):
        assert secret not in str(caught.value)


def test_a_compliance_state_is_no_consent(make: Make) -> None:
    at = make()
    at.sandbox.server.fault = _reply(400, "Member In Compliance State", f"{EMAIL} is in a compliance state.")
    receipt = at.crm.enrol(at.enrolment())
    assert receipt.outcome is Outcome.NO_CONSENT
    assert EMAIL not in receipt.detail


def test_the_real_refusal_of_example_addresses(make: Make) -> None:
    at = make(strict_example=True)
    with pytest.raises(RejectedError, match="fake"):
        at.crm.enrol(at.enrolment())


def test_a_refused_value_names_its_field(make: Make) -> None:
    at = make()
    with pytest.raises(RejectedError, match="ADDRESS: Please enter a complete address"):
        at.crm.enrol(at.enrolment(fields={"ADDRESS": "Main Street 1"}))
