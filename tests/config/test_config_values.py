"""What the values of a right file become."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from config_case import ENV, GOOD, SECRETS, lines_of, loaded, with_change, write
from pydantic import BaseModel, ConfigDict

from connector.config import ClientConfig, describe, load


def client(folder: Path, text: str = GOOD) -> ClientConfig:
    """The client of a file with that text."""
    return loaded(folder, text).clients[0]


def test_the_defaults_are_those_of_the_rules(tmp_path: Path) -> None:
    text = with_change("leads:\n  abandoned_after: 30m\n  consent: not_unsubscribed\n", "")
    leads = client(tmp_path, text).leads
    minute, hour, day = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
    assert (leads.abandoned_after, leads.stale_after, leads.renew_after) == (30 * minute, 48 * hour, 7 * day)
    assert (leads.keep_for, leads.quiet_after_purchase, leads.attribution) == (90 * day, 24 * hour, 7 * day)
    assert (leads.late_within, leads.holdout, leads.exclude) == (12 * hour, 0.0, ())
    assert leads.consent == {"default": "not_unsubscribed"}


def test_without_a_sequence_there_is_one_step_at_abandoned_after(tmp_path: Path) -> None:
    start, end = GOOD.index("sequence:"), GOOD.index("crms:")
    config = client(tmp_path, (GOOD[:start] + GOOD[end:]).replace("abandoned_after: 30m", "abandoned_after: 50m"))
    (step,) = config.sequence
    assert step.after == timedelta(minutes=50)
    assert config.crms_of(step) == config.crms


def test_a_step_adds_to_its_crm_and_wins_over_it(tmp_path: Path) -> None:
    text = with_change("    tags: [abandoned-cart-1]\n", "    crm: mail\n    tags: [second, abandoned-cart]\n")
    text = text.replace("step: 35}\n", 'step: 35}\n    fields: {product: "{{ sku }}", STAGE: "{{ stage }}"}\n')
    config = client(tmp_path, text)
    first, second = config.sequence
    crm = config.crm("mail")
    assert config.tags_for(first, crm) == ("abandoned-cart", "second")
    assert (config.campaign_for(first, crm).journey, config.campaign_for(second, crm).journey) == (12, 13)
    assert type(config.campaign_for(second, crm)) is type(crm.campaign)
    assert config.fields_for(first, crm) == {"PRODUCT": "{{ product_name }}"}
    assert config.fields_for(second, crm) == {"PRODUCT": "{{ sku }}", "STAGE": "{{ stage }}"}, "by the adapter's names"


def test_a_campaign_must_fit_every_crm_that_its_step_is_for(tmp_path: Path) -> None:
    text = GOOD + "  - id: flows\n    adapter: klaviyo\n    api_key: pk_1\n"
    assert lines_of(write(tmp_path, text)) == [
        "acme.yaml:21: sequence.1.campaign: does not fit flows (klaviyo); say with crm: which CRMs this step is for"
    ]
    assert lines_of(write(tmp_path, text.replace("  - after: 24h\n", "  - after: 24h\n    crm: [mail]\n"))) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [("NO", "NO"), ("0123", "0123"), ("1.10", "1.10"), ("1e5", "1e5"), ("1:30", "1:30"), ("7", "7"), ("on", "on")],
)
def test_text_without_quotes_stays_what_was_written(written: str, meant: str, tmp_path: Path) -> None:
    assert client(tmp_path, with_change("[abandoned-cart-1]", f"[{written}]")).sequence[0].tags == (meant,)


def test_norway_is_a_country(tmp_path: Path) -> None:
    text = with_change("consent: not_unsubscribed", "consent: {NO: opted_in, eu: opted_in}")
    consent = client(tmp_path, text).leads.consent
    assert consent == {"default": "not_unsubscribed", "NO": "opted_in", "EU": "opted_in"}


@pytest.mark.parametrize("yes", ["true", "True", "yes", '"on"', "1"])
def test_yes_is_true_where_true_or_false_is_meant(yes: str, tmp_path: Path) -> None:
    text = with_change("    audience:", f"    allow_insecure: {yes}\n    audience:")
    assert client(tmp_path, text).crms[0].allow_insecure is True


@pytest.mark.parametrize(("written", "share"), [("0%", 0), ("10%", 0.1), ("12.5 %", 0.125), ("99%", 0.99)])
def test_a_share_is_a_fraction(written: str, share: float, tmp_path: Path) -> None:
    assert client(tmp_path, with_change("consent: not_unsubscribed", f"holdout: {written}")).leads.holdout == share


def test_a_description_says_everything_but_the_secrets(tmp_path: Path) -> None:
    found = loaded(tmp_path, with_change("consent: not_unsubscribed", "exclude: [ann@acme.example, '@acme.example']"))
    text = str(describe(found.clients[0])) + str(describe(found.settings)) + repr(found)
    assert not [secret for secret in SECRETS[1:] if secret in text]
    assert "ann@acme.example" not in str(describe(found.clients[0]))
    described = describe(found.clients[0])
    assert described["leads"]["abandoned_after"] == "30m"
    assert described["stores"][1]["url"] == "https://courses.acme.example"
    assert described["crms"][0]["campaign"] == {"journey": 12, "step": 34}


def test_a_configuration_cannot_be_changed_in_place(tmp_path: Path) -> None:
    config = client(tmp_path)
    for model in (config, config.leads, config.sequence[0]):
        assert isinstance(model, BaseModel)
        assert model.model_config == {**ConfigDict(frozen=True, extra="forbid"), **model.model_config}
        assert model.model_config["frozen"]


def test_a_folder_holds_a_client_per_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, with_change("client: acme", "client: zeta"), "a.yml")
    write(tmp_path, GOOD, "b.yaml")
    found = load(tmp_path, ENV)
    assert [each.client for each in found.clients] == ["zeta", "acme"]
    assert found.files == {"zeta": tmp_path / "a.yml", "acme": tmp_path / "b.yaml"}
    assert found.client("acme").store("acme-courses").id == "acme-courses"


def test_the_last_step_must_come_while_the_lead_is_kept(tmp_path: Path) -> None:
    text = with_change("consent: not_unsubscribed", "renew_after: 1d\n  keep_for: 2d").replace("24h", "48h")
    words = "must be less than leads.keep_for, which is 2d"
    assert lines_of(write(tmp_path, text)) == [f"acme.yaml:21: sequence.1.after: {words}"]
