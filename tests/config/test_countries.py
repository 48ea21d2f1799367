"""R9's policy by country, and which countries a `when` means."""

from __future__ import annotations

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from connector.config.countries import COUNTRIES, EU, GROUPS, STRICTNESS, country_in, is_place, policy_for

OPEN, STRICT = STRICTNESS


@pytest.mark.parametrize(
    ("country", "consent", "policy"),
    [
        ("DE", {"default": OPEN, "EU": STRICT}, STRICT),
        ("de", {"default": OPEN, "EU": STRICT}, STRICT),
        ("US", {"default": OPEN, "EU": STRICT}, OPEN),
        ("NO", {"default": OPEN, "EU": STRICT}, OPEN),
        ("NO", {"default": OPEN, "EEA": STRICT}, STRICT),
        ("CH", {"default": OPEN, "EEA": STRICT}, OPEN),
        ("GB", {"default": OPEN, "UK": STRICT}, STRICT),
        ("UK", {"default": OPEN, "UK": STRICT}, STRICT),
        ("GB", {"default": OPEN, "EU": STRICT}, OPEN),
        ("DE", {"default": STRICT, "EU": STRICT, "DE": OPEN}, OPEN),
        ("DE", {"default": STRICT, "EU": OPEN, "EEA": STRICT}, OPEN),
        ("RE", {"default": OPEN, "EU": STRICT}, STRICT),
        ("EL", {"default": OPEN, "GR": STRICT}, STRICT),
        ("", {"default": OPEN, "EU": STRICT}, STRICT),
        ("ZZ", {"default": OPEN, "US": STRICT}, STRICT),
        ("Germany", {"default": OPEN, "EU": STRICT}, STRICT),
        ("", {"default": OPEN}, OPEN),
        ("US", {}, OPEN),
    ],
)
def test_the_smallest_place_decides_and_an_unknown_one_is_strict(
    country: str, consent: dict[str, str], policy: str
) -> None:
    assert policy_for(country, consent) == policy


@given(
    st.text(max_size=3) | st.sampled_from(sorted(COUNTRIES)),
    st.dictionaries(
        st.sampled_from(["default", "EU", "EEA", "UK", "DE", "US"]), st.sampled_from(STRICTNESS), min_size=1
    ),
)
def test_any_country_gets_a_policy_that_was_configured_or_the_default(country: str, consent: dict[str, str]) -> None:
    assert policy_for(country, consent) in {*consent.values(), OPEN}
    if set(consent.values()) == {STRICT} and "default" in consent:
        assert policy_for(country, consent) == STRICT


def test_the_lists_are_those_of_iso_and_the_treaties() -> None:
    known = {code for code in map(str, Locale("en").territories) if len(code) == 2 and code.isalpha()}
    # CLDR adds groups, pseudo-countries and reserved codes to the ISO list.
    not_iso = {"CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "UN", "XA", "XB", "ZZ"}
    assert known - not_iso == COUNTRIES
    members = EU - {"AX", "GF", "GP", "MF", "MQ", "RE", "YT"}
    assert len(members) == 27
    assert GROUPS["EEA"] - EU == {"IS", "LI", "NO"}
    assert all(group <= COUNTRIES for group in GROUPS.values())


def test_a_country_is_in_its_groups_and_an_unknown_one_in_none() -> None:
    assert country_in("DE", ["EU"])
    assert country_in("at", ["CH", "AT"])
    assert country_in("GB", ["UK"])
    assert not country_in("GB", ["EU", "EEA"])
    assert not country_in("", ["EU", "UK"])
    assert not country_in("DE", [])
    assert is_place("EEA")
    assert not is_place("XY")
