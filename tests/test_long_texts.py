"""However long and however odd a text is: what is far behind is not looked at, and no pattern takes for ever."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from connector.address import contact
from connector.harmless import FAR, LONGEST_NAME, LONGEST_TEXT, clean_name, plain
from connector.http import Http, Response
from platforms._woocommerce_records import amount, line

KEY = "0123456789abcdef" * 2 + "-us21"
REST = ("", "Ann", "1" * 1000, "<a" * 500 + ">" * 500, "\u0315\u0300" * 500, " evil.example")

# In a process of its own: a pattern that takes for ever cannot be stopped from within.
ENDS = """
from connector.address import contact
from connector.harmless import clean_name, country_code, language_tag, phone_number, plain, web_link
from connector.redact import beginning, impersonal, redact
from connector.wire_words import detail

UNITS = (
    "1", "1.", "a", "A.", "<a", "&lt;", "*|", "{", "%", "%40", "a@", "@b.c", "/", "://a:", "https://a", "https://a/",
    "?", "+1 ", "eyJ-", "a-", "pat-na1-", "password=", "secret'", "Bearer ", "a-API-Key ", "Ma.", "\\u3002", '"', " ",
    "e\\u0315\\u0300",
)
for start in ("", "https://", "a@", '"'):
    for unit in UNITS:
        text = start + unit * (200_000 // len(unit))
        for ends in (clean_name, plain, web_link, phone_number, country_code, language_tag, contact, impersonal):
            ends(text)
        beginning(text, 2000)
        redact(text[:10_000])
        detail(text.encode())
print("ended")
"""


def test_every_look_at_a_text_comes_to_an_end() -> None:
    root = Path(__file__).resolve().parent.parent
    ran = subprocess.run(
        [sys.executable, "-c", ENDS], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.stdout, ran.stderr) == ("ended\n", "")


@pytest.mark.parametrize("longest", [LONGEST_NAME, 200])
def test_what_is_far_behind_in_a_name_has_no_influence(longest: int) -> None:
    for filled in ("1", "x ", "<b>", "\u200b", "é"):
        start = (filled * FAR * longest)[: FAR * longest]
        assert len({clean_name(start + rest, longest) for rest in REST}) == 1
    start = "x" * LONGEST_TEXT
    assert {plain(start + rest) for rest in REST} == {start}


def test_a_name_behind_much_markup_is_still_found() -> None:
    assert clean_name('<span style="color: red; font-weight: bold">' * 10 + "Ann" + "</span>" * 10) == "Ann"


def test_an_address_of_a_page_is_none_and_spaces_around_one_do_not_matter() -> None:
    assert contact("a" * 100_000 + "@example.com") is None
    found = contact(" " * 100_000 + "Ann@Example.com\n")
    assert found is not None
    assert found.identity == "ann@example.com"


@pytest.mark.parametrize("typed", ["1e9999999", "-1e9999999", "1e16", "1e999999999999999999", "0e99", float("inf")])
def test_a_number_of_a_million_digits_is_no_amount(typed: object) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        amount(typed)
    with pytest.raises(ValueError, match="is not an amount"):
        line({"total": "1", "quantity": typed}, "EUR", "https://acme.example")


def test_an_amount_keeps_what_money_has() -> None:
    for typed in ("0", "12.345", "-5.00", "999999999999999", "0.000000001", 1500):
        assert str(amount(typed)) == str(Decimal(str(typed)))
    assert amount("15.200000000000001") == Decimal("15.2")
    assert amount("1e-9999999") == 0


@pytest.mark.parametrize("size", range(230, 310))
def test_no_error_shows_half_an_address_or_half_a_key(size: int) -> None:
    door = Http().door("https://api.example", name="mail", secrets=("my own secret",))
    for told in ("jane.doe@example.com looks fake", f"{KEY} is unknown", "of my own secret, no"):
        body = f'{{"detail": "{"x" * size} {told}"}}'.encode()
        shown = str(door.error(Response(400, {}, body, "https://api.example/3.0", "POST")))
        assert not any(part in shown for part in ("jan", "0123", "my "))


@pytest.mark.parametrize("size", [1900, 1950, 1980, 1990, 2000])
def test_no_exchange_that_is_shown_does(size: int) -> None:
    door = Http().door("https://api.example", name="mail")
    body = f'{{"a": "{"x" * size}", "e": "jane.doe@example.com", "b": "{"y" * 9000}"}}'.encode()
    shown = door.refusal(Response(400, {}, body, "https://api.example/3.0", "POST", body), "no").exchange
    assert "jan" not in shown
    assert 4000 <= len(shown) < 4100
