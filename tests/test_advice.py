"""Each piece of advice: said where it is due, and not otherwise."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector import registry
from connector.advice import advise, early_coupons
from connector.config import ClientConfig, load
from connector.model import Finding

ROOT = Path(__file__).resolve().parents[1]
registry.load()
STORE = {"id": "shop", "platform": "woocommerce", "url": "https://acme.example", "consumer_key": "k"}
GOOD: list[dict[str, Any]] = [
    {"after": "45m"},
    {"after": "24h", "tags": ["two"]},
    {"after": "72h", "tags": ["three"]},
    {"after": "7d", "tags": ["four"]},
]
PLAIN = {"id": "mail", "adapter": "mailchimp", "api_key": "k-us1", "audience": "a1"}
FLOWS = {"id": "flows", "adapter": "klaviyo", "api_key": "pk_1"}
SERIES = {"id": "series", "adapter": "activecampaign", "base_url": "https://a.api-us1.com", "api_key": "k", "list": 3}


def found(
    *crms: dict[str, Any], short_links: bool = False, sequence: list[dict[str, Any]] | None = None
) -> list[Finding]:
    """The advice for a file."""
    config = {"client": "acme", "stores": [{**STORE, "consumer_secret": "s"}], "crms": list(crms)}
    if sequence is not None:
        config["sequence"] = sequence
    return advise(ClientConfig.model_validate(config), short_links=short_links)


def said(*crms: dict[str, Any], **more: Any) -> list[str]:
    """Its words."""
    return [finding.message for finding in found(*crms, **more)]


@pytest.mark.parametrize("crms", [[], [PLAIN], [FLOWS], [SERIES], [PLAIN, FLOWS, SERIES]])
def test_the_default_sequence_needs_no_advice(crms: list[dict[str, Any]]) -> None:
    assert said(*crms) == []


def test_a_good_sequence_needs_no_advice() -> None:
    assert said(PLAIN, sequence=GOOD) == []
    assert said(sequence=GOOD) == []


def test_a_coupon_before_the_last_step() -> None:
    plain, coupon = SimpleNamespace(coupon=None), SimpleNamespace(coupon={"percent": 10})
    early: Any = SimpleNamespace(sequence=(plain, coupon, plain))
    (finding,) = early_coupons(early)
    assert finding.subject == "sequence step 2"
    assert "step 2 gives a coupon before the last step" in finding.message
    late: Any = SimpleNamespace(sequence=(plain, coupon))
    assert list(early_coupons(late)) == []


def test_the_example_needs_no_advice() -> None:
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    env = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", text), "0" * 32 + "-us1")
    (client,) = load(ROOT / "config.example.yaml", env).clients
    assert advise(client, short_links=False) == []


def test_a_first_step_later_than_an_hour() -> None:
    assert said(PLAIN, sequence=[{"after": "60m"}]) == []
    (words,) = said(PLAIN, sequence=[{"after": "61m"}])
    assert "the first step comes 61m after the shopper left" in words


def test_steps_closer_than_twelve_hours() -> None:
    steps = [{"after": "30m"}, {"after": "750m", "tags": ["two"]}]
    assert said(PLAIN, sequence=steps) == []
    (words,) = said(PLAIN, sequence=[steps[0], {"after": "749m", "tags": ["two"]}])
    assert "steps 1 and 2 are only 719m apart in mail" in words


def test_steps_for_different_crms_may_be_close() -> None:
    assert said(PLAIN, FLOWS, sequence=[{"after": "30m", "crm": "mail"}, {"after": "45m", "crm": "flows"}]) == []


def test_a_fourth_step_within_seven_days() -> None:
    (words,) = said(PLAIN, sequence=[*GOOD[:3], {"after": "6d", "tags": ["four"]}])
    assert "step 4 is the fourth to mail, 6d after the shopper left" in words
    others = [*GOOD[:3], {"after": "6d", "crm": "flows"}]
    assert [words for words in said(PLAIN, FLOWS, sequence=others) if "fourth" in words and "mail," in words] == []


def test_an_automation_that_does_the_timing_is_started_once() -> None:
    series = {**SERIES, "campaign": {"automation": 7}}
    (words,) = said(series, sequence=GOOD[:3])
    assert "steps 1, 2 and 3 each start the same automation in series, which does its own timing" in words
    assert said(series, sequence=GOOD[:1]) == []
    own = [GOOD[0], *({**step, "campaign": {"automation": 8 + n}} for n, step in enumerate(GOOD[1:3]))]
    assert said(series, sequence=own) == []
    assert said(SERIES, sequence=GOOD) == [], "steps by tags alone"


def test_a_crm_that_starts_something_without_a_campaign_too() -> None:
    (words,) = said(FLOWS, sequence=GOOD[:2])
    assert "steps 1 and 2 each start the same flow in flows" in words


def test_a_step_that_does_nothing_new() -> None:
    (words,) = said(PLAIN, sequence=[{"after": "45m"}, {"after": "24h"}])
    assert "step 2 does nothing new in mail" in words
    assert said(PLAIN, sequence=[{"after": "45m"}, {"after": "24h", "fields": {"STAGE": "2"}}]) == []


def test_a_link_that_a_short_field_cannot_hold() -> None:
    crm = {**PLAIN, "fields": {"CHECKOUT": "{{ checkout_url }}"}}
    (words,) = said(crm)
    assert "the field CHECKOUT of mail holds 255 bytes" in words
    assert "set public_url" in words
    assert said(crm, short_links=True) == []
    assert said({**FLOWS, "fields": crm["fields"]}) == [], "its fields are long enough"


def test_a_text_that_is_too_long_already_also_in_a_step() -> None:
    (words,) = said(PLAIN, sequence=[{"after": "45m", "fields": {"NOTE": "ä" * 128 + "{{ first_name }}"}}])
    assert "holds 255 bytes, and its own text has 256 already" in words
    assert said({**PLAIN, "fields": {"NOTE": "ä" * 127}}) == []


def test_a_value_that_may_be_cut_is_no_warning() -> None:
    (finding,) = found({**PLAIN, "fields": {"ITEMS": "{{ products }}"}})
    assert (finding.level, finding.subject) == ("info", "mail")
    assert "a longer products is cut" in finding.message


def test_what_is_said_of_two_crms_is_said_once() -> None:
    assert len(said(PLAIN, {**PLAIN, "id": "other"}, sequence=[{"after": "2h"}])) == 1
