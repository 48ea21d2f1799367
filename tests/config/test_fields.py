"""Field values: every name, and that nothing a shopper types is more than text."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.fields import (
    NAMES,
    compile_template,
    format_money,
    names_used,
    render,
    values,
)
from connector.harmless import LONGEST_NAME, clean_name
from connector.model import Checkout, Customer, LineItem, Money, Stage
from connector.zones import zone_of

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def euros(amount: str) -> Money:
    """An amount in EUR."""
    return Money(Decimal(amount), "EUR")


CHECKOUT = Checkout(
    id="c1",
    status="open",
    started_at=AT,
    activity_at=AT,
    modified_at=AT,
    customer=Customer("ann@example.com", "7", "Ann", "O'Neil", "+49 (30) 123"),
    total=euros("1234.50"),
    lines=(
        LineItem("Gift card", 3, euros("30.00")),
        LineItem(
            *("Course", 2, euros("1204.50"), euros("602.25"), "Evening", "SKU-1"),
            image_url="https://acme.example/i.png",
            product_url="https://acme.example/course",
        ),
    ),
    url="https://acme.example/checkout?key=" + "x" * 2000,
    country="DE",
    locale="de-DE",
    stage=Stage.PAYMENT_FAILED,
)


def filled(checkout: Checkout = CHECKOUT, **more: Any) -> dict[str, str]:
    """The values of a checkout."""
    return values(checkout, store="acme-shop", client="acme", abandoned_at=AT, **more)


def test_every_name_has_its_value() -> None:
    assert filled() == {
        "email": "ann@example.com",
        "first_name": "Ann",
        "last_name": "O'Neil",
        "phone": "+49 (30) 123",
        "locale": "de-DE",
        "country": "DE",
        "product_name": "Course",
        "products": "Gift card, Course",
        "variant": "Evening",
        "sku": "SKU-1",
        "quantity": "2",
        "price": "602.25",
        "total": "1234.50",
        "total_formatted": "1.234,50\xa0€",
        "currency": "EUR",
        "item_count": "5",
        "image_url": "https://acme.example/i.png",
        "product_url": "https://acme.example/course",
        "checkout_url": CHECKOUT.url,
        "coupon_code": "",
        "coupon_expires_at": "",
        "abandoned_at": "2026-03-01T09:30:00+00:00",
        "stage": "payment_failed",
        "store": "acme-shop",
        "client": "acme",
    }
    assert set(filled()) == set(NAMES)


def test_a_checkout_without_lines_or_names_has_empty_values() -> None:
    found = filled(replace(CHECKOUT, lines=(), customer=Customer("a@b.example"), locale=""), locale="fr")
    assert (found["product_name"], found["price"], found["first_name"], found["item_count"]) == ("", "", "", "0")
    assert found["locale"] == "fr"
    assert found["total_formatted"].endswith("€")


def test_a_price_that_the_store_does_not_give_is_the_share_of_the_total() -> None:
    line = LineItem("Tea", 3, euros("10.00"))
    assert filled(replace(CHECKOUT, lines=(line,)))["price"] == "3.33"


def test_the_moment_is_told_in_the_time_zone_of_the_store() -> None:
    assert filled(timezone=timezone(timedelta(hours=2)))["abandoned_at"] == "2026-03-01T11:30:00+02:00"


@pytest.mark.parametrize(
    ("locale", "zone", "text"),
    [
        ("de-DE", "+02:00", "1. März 2026, 11:30"),
        ("", "America/New_York", "March 1, 2026, 4:30\u202fAM"),
        ("en_GB", "", "1 March 2026, 09:30"),
        ("tlh", "Nowhere/Land", "March 1, 2026, 9:30\u202fAM"),
    ],
)
def test_the_end_of_a_coupon_is_told_as_the_shopper_reads_it(locale: str, zone: str, text: str) -> None:
    checkout = replace(CHECKOUT, locale=locale)
    found = filled(checkout, coupon_code="BACK-1", coupon_expires_at=AT, timezone=zone_of(zone))
    assert (found["coupon_code"], found["coupon_expires_at"]) == ("BACK-1", text)


def test_amounts_have_no_exponent() -> None:
    assert filled(replace(CHECKOUT, total=Money(Decimal("1E+3"), "JPY")))["total"] == "1000"


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("de-DE", "1.234,50\xa0€"),
        ("de_DE_formal", "1.234,50\xa0€"),
        ("en_US.UTF-8", "€1,234.50"),
        ("sv-SE", "1\xa0234,50\xa0€"),
        ("tlh", "€1,234.50"),
        ("", "€1,234.50"),
        ("../../etc", "€1,234.50"),
    ],
)
def test_money_is_written_as_the_locale_does(locale: str, text: str) -> None:
    assert format_money(euros("1234.50"), locale) == text


def test_the_locale_data_is_loaded_only_where_a_template_wants_it() -> None:
    code = (
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_fields import filled\n"
        "had = 'babel.numbers' in sys.modules\n"
        "filled(wanted=frozenset({'total'}))\n"
        "assert not had and 'babel.numbers' not in sys.modules\n"
        "filled(wanted=frozenset({'total_formatted'}))\n"
        "assert 'babel.numbers' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_template_is_filled_in() -> None:
    fields = {"A": "Hi {{first_name}}, {{ product_name }}!", "B": "plain { } text", "C": ""}
    assert render(fields, filled()) == {"A": "Hi Ann, Course!", "B": "plain { } text", "C": ""}
    assert names_used(fields) == {"first_name", "product_name"}


@pytest.mark.parametrize("text", ['{{ first_name | default("there") }}', "{{first_name|default('there')}}"])
def test_a_default_stands_for_an_empty_value_only(text: str) -> None:
    assert compile_template(text).fill({"first_name": ""}) == "there"
    assert compile_template(text).fill({"first_name": "Ann"}) == "Ann"


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_docs_can_be_used(name: str) -> None:
    assert compile_template(f"{{{{ {name} }}}}").fill(filled()) == filled()[name]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ firstname }}", "there is no field firstname; did you mean first_name?"),
        ("{{ horoscope }}", "there is no field horoscope; the fields are "),
        ("{{ first_name", "a placeholder cannot be read"),
        ("first_name }}", "a placeholder cannot be read"),
        ("{{ }}", "a placeholder cannot be read"),
        ("{{ first_name | upper }}", "a placeholder cannot be read"),
        ("{{ first_name.__class__ }}", "a placeholder cannot be read"),
        ("{{ first_name | default({{ email }}) }}", "a placeholder cannot be read"),
        ("{{ __class__ }}", "there is no field __class__"),
    ],
)
def test_a_wrong_template_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="^" + words.replace("?", r"\?")):
        compile_template(text)


@given(st.text())
def test_what_a_shopper_typed_is_never_a_template(typed: str) -> None:
    for text in (typed, "{{ email }}" + typed, '{{ client | default("x") }}', "\\1\\g<name>" + typed):
        found = compile_template("<{{ product_name }}>").fill({"product_name": text, "email": "LEAK", "client": "LEAK"})
        assert found == f"<{text}>"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ann", "Ann"),
        ("  Anne   Marie\n", "Anne Marie"),
        ("O'Neil-Šmíd", "O'Neil-Šmíd"),
        ("J.R.R.", "J.R.R."),
        ("Ma.Teresa", "Ma. Teresa"),
        ("St.John Smith", "St. John Smith"),
        ("王小明", "王小明"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("Win at https://evil.example/x now", "Win at now"),
        ("evil.com", ""),
        ("(evil.com)", ""),
        ("evil.com/x?y", ""),
        ("www.evil", ""),
        ("Www.Evil", ""),
        ("evil。com", ""),
        ("evil\u200d.com", ""),
        ("x@evil.com", ""),
        ("javascript:alert(1)", ""),
        ("10.0.0.1", ""),
        ("//evil", ""),
        ("ht<b>tp://evil.com", ""),
        ("<<b>script>Ann</script>", "Ann"),
        ("<img src=x onerror=y", "img src=x onerror=y"),
        ("A\x00n\x1bn\u202e", "Ann"),
        ("x" * 500, "x" * LONGEST_NAME),
    ],
)
def test_a_name_is_cleaned(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept
    assert filled(replace(CHECKOUT, customer=Customer("a@b.example", first_name=typed)))["first_name"] == kept


LINKS = st.sampled_from(
    ["http://", "https://", "www.", "evil.com", "<a>", "<", ">", "//", " ", "A", "ht", "tp", ":", "."]
)


@given(st.lists(LINKS | st.text(max_size=3), max_size=12).map("".join))
def test_no_name_is_a_link_or_markup_and_cleaning_twice_changes_nothing(typed: str) -> None:
    found = clean_name(typed)
    assert not any(part in found for part in ("://", "//", "<", ">", "evil.com"))
    assert not re.search(r"\bwww\.", found, re.IGNORECASE)
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs") or char in "\u200c\u200d" for char in found)
    assert len(found) <= LONGEST_NAME
    assert clean_name(found) == found


def test_titles_and_links_of_the_store_keep_what_they_are() -> None:
    line = LineItem("Cable <3 m, acme.example", 1, euros("1"), product_url="https://acme.example/a?b=c")
    found = filled(replace(CHECKOUT, lines=(line,)))
    assert found["product_name"] == "Cable <3 m, acme.example"
    assert found["product_url"] == "https://acme.example/a?b=c"


def test_a_phone_number_holds_no_words() -> None:
    found = filled(replace(CHECKOUT, customer=Customer("a@b.example", phone="call evil.com 0900")))
    assert found["phone"] == "0900"
