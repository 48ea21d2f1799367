"""`when:` of a CRM or a step: which leads pass."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_facts import START

from connector.engine.payload import write_payload
from connector.engine.routing import wanted_steps, wants
from connector.model import Checkout, Customer, LineItem, Money
from connector.options import When

STORES = st.sampled_from(("woo", "shop"))
COUNTRIES = st.sampled_from(("DE", "GB", "NO", "US", ""))
LOCALES = st.sampled_from(("de", "de-AT", "de_CH", "den", "en-GB", ""))
TOTALS = st.sampled_from(("0", "49.99", "50", "50.00", "50.01", "9"))
PRODUCTS = (("7", "71", "MUG-1", "Blue Mug"), ("8", "", "", "Tea"))
PASSING = {
    "stores": (("woo",), ("shop", "woo")),
    "countries": (("DE",), ("EU",), ("EEA", "US")),
    "min_total": (Decimal(0), Decimal(50)),
    "products": (("7",), ("71",), ("mug-1",), ("BLUE MUG",), ("tea", "none")),
    "locales": (("de",), ("de-AT",), ("DE_at",), ("fr", "de")),
}
FAILING = {
    "stores": ("shop",),
    "countries": ("US", "UK"),
    "min_total": Decimal("50.01"),
    "products": ("Mug", "72"),
    "locales": ("de-DE", "d", "at"),
}


def row(**given: Any) -> Any:
    """A checkout's row, with as many of its columns as `wants` looks at."""
    euros = Money(Decimal(given.get("total", "50.00")), "EUR")
    lines = tuple(
        LineItem(title, 1, euros, product_id=product, variant_id=variant, sku=sku)
        for product, variant, sku, title in given.get("products", PRODUCTS)
    )
    checkout = Checkout(
        "ch-1", "open", START, START, START, Customer(), euros, lines, locale=given.get("locale", "de-AT")
    )
    return SimpleNamespace(
        store=given.get("store", "woo"),
        total=given.get("total", "50.00"),
        country=given.get("country", "DE"),
        payload=write_payload(checkout),
    )


@given(STORES, COUNTRIES, LOCALES, TOTALS)
def test_where_nothing_is_asked_for_every_lead_passes(store: str, country: str, locale: str, total: str) -> None:
    assert wants(When(), row(store=store, country=country, locale=locale, total=total, products=()))


@given(st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in PASSING.items()}))
def test_a_lead_passes_when_every_given_line_matches(lines: dict[str, Any]) -> None:
    assert wants(When(**lines), row())


@given(
    st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in PASSING.items()}),
    st.sampled_from(sorted(FAILING)),
)
def test_one_line_that_does_not_match_is_enough(lines: dict[str, Any], wrong: str) -> None:
    assert not wants(When(**{**lines, wrong: FAILING[wrong]}), row())


@given(STORES, st.sets(STORES, min_size=1))
def test_stores_are_matched_by_id(store: str, asked: set[str]) -> None:
    assert wants(When(stores=tuple(asked)), row(store=store)) == (store in asked)


@given(TOTALS, TOTALS)
def test_min_total_is_the_least_that_passes(total: str, least: str) -> None:
    assert wants(When(min_total=Decimal(least)), row(total=total)) == (Decimal(total) >= Decimal(least))


@pytest.mark.parametrize(
    ("country", "asked", "passes"),
    [("DE", "EU", True), ("GB", "EU", False), ("GB", "UK", True), ("NO", "EU", False), ("NO", "EEA", True)],
)
def test_groups_of_countries_are_matched(country: str, asked: str, passes: bool) -> None:
    assert wants(When(countries=(asked,)), row(country=country)) == passes


@given(st.sampled_from(("EU", "EEA", "UK", "DE")))
def test_an_unknown_country_is_in_none(asked: str) -> None:
    assert not wants(When(countries=(asked,)), row(country=""))


@given(LOCALES, st.sampled_from(("de", "de-AT", "de-ch", "en", "DEN")))
def test_a_language_takes_in_its_regions_but_not_the_other_way(locale: str, asked: str) -> None:
    have, want = locale.replace("_", "-").lower().split("-"), asked.lower().split("-")
    assert wants(When(locales=(asked,)), row(locale=locale)) == (have[: len(want)] == want)


@given(st.sampled_from(("7", "8", "71", "mug-1", "MUG-1", "blue mug", "Tea", "", "mug", "1")))
def test_products_are_matched_by_id_sku_or_whole_title_in_any_letter_case(asked: str) -> None:
    known = {name.casefold() for product in PRODUCTS for name in product if name}
    assert wants(When(products=(asked,)), row()) == (asked.casefold() in known)


@pytest.mark.parametrize("asked", [When(products=("7",)), When(locales=("de",)), When()])
def test_a_checkout_that_was_erased_can_still_be_asked_about(asked: When) -> None:
    erased = SimpleNamespace(**{**vars(row()), "payload": None})
    assert wants(asked, erased) in (True, False)  # type: ignore[arg-type]


@given(st.booleans(), st.booleans(), st.integers(0, 3))
def test_a_step_goes_to_a_crm_when_both_want_the_checkout(crm_wants: bool, step_wants: bool, carried: int) -> None:
    here, elsewhere = When(stores=("woo",)), When(stores=("shop",))
    first = SimpleNamespace(crm=(), when=here if step_wants else elsewhere)
    steps: Any = (first, SimpleNamespace(crm=("other",), when=When()), SimpleNamespace(crm=("mail",), when=When()))
    crm = SimpleNamespace(id="mail", when=here if crm_wants else elsewhere)
    client: Any = SimpleNamespace(config=SimpleNamespace(crms=(crm,)))
    known: Any = SimpleNamespace(**vars(row()), carry_step=carried)
    expected = [index for index in (0, 2) if index >= carried and crm_wants and (index or step_wants)]
    assert [index for _, index, _ in wanted_steps(client, steps, known)] == expected
