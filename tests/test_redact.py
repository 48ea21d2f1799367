"""No secret and no full address leaves the daemon, in whatever dress it comes."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no contact jane@example.com here", "no contact j***@example.com here"),
        ("ask jane@example.com.", "ask j***@example.com."),
        ("<jane.doe+cart@shop.example.co.uk>", "<j***@shop.example.co.uk>"),
        ("/contacts?email=jane@example.com&x=1", "/contacts?email=j***@example.com&x=1"),
        ("/contacts?email=jane%40example.com&x=1", "/contacts?email=j***%40example.com&x=1"),
        ("/contacts?email=jane%2Bcart%40example.com", "/contacts?email=j***%40example.com"),
        ('{"email":"jane@example.com"}', '{"email":"j***@example.com"}'),
        ('to "jane doe"@example.com', "to j***@example.com"),
        ("jane@[192.0.2.1] and jörg@bücher.example", "j***@[192.0.2.1] and j***@bücher.example"),
        ("a@b.example,c@d.example", "a***@b.example,c***@d.example"),
        ("/list/jane@example.com/tags", "/list/j***@example.com/tags"),
    ],
)
def test_addresses_lose_their_local_part(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    ["2 items @ 3.50 each", "user@localhost", "@media print", "at 12:30@noon", "R7: bought_later", "100% of a.b.c"],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "crms[0].api_key: the key is missing",
        "mail answered HTTP 401: the access token is wrong",
        "stores.0.client_secret: unknown key",
        "password: at least 8 characters",
    ],
)
def test_the_names_of_settings_stay_readable(text: str) -> None:
    assert redact(text) == text


SECRET = "Zq9x8Kp3" * 4


@pytest.mark.parametrize(
    "text",
    [
        "shpat_" + "0123456789abcdef" * 2,
        "ck_" + "0123456789abcdef" * 2,
        "pk_live_" + SECRET,
        "xkeysib-" + "0123456789abcdef" * 4 + "-AbCdEf0123456789",
        "pat-na1-01234567-89ab-cdef-0123-456789abcdef",
        "0123456789abcdef" * 2 + "-us21",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    ],
)
def test_known_kinds_of_keys_go_wherever_they_stand(text: str) -> None:
    assert redact(f"the key {text} was refused") == "the key *** was refused"


@pytest.mark.parametrize(
    "text",
    [
        f"/orders?consumer_key={SECRET}&page=2",
        f"Authorization: Basic {SECRET}",
        f"authorization: bearer {SECRET}",
        f"Klaviyo-API-Key {SECRET}",
        f"X-Shopify-Access-Token: {SECRET}",
        f"Api-Token: {SECRET}",
        f'{{"access_token": "{SECRET}", "scope": "read_orders"}}',
        f"{{'client_secret': '{SECRET}'}}",
        json.dumps({"body": json.dumps({"access_token": SECRET})}),
        f"postgresql://winback:{SECRET}@db/winback",
        f"https://user:{SECRET}@example.com/",
        f"https://user:x@{SECRET}@example.com/",
    ],
)
def test_whatever_calls_itself_a_secret_goes(text: str) -> None:
    assert SECRET not in redact(text)


def test_the_rest_of_a_document_stays() -> None:
    text = f'{{"access_token": "{SECRET}", "scope": "read_orders"}}'
    assert redact(text) == '{"access_token": "***", "scope": "read_orders"}'
    assert redact("postgresql://winback:s3cret@db:5432/winback") == "postgresql://winback:***@db:5432/winback"


def test_given_secrets_go_also_as_a_url_holds_them() -> None:
    text = "key a+b/c=d e in ?key=a%2Bb%2Fc%3Dd%20e and ?key=a%2Bb%2Fc%3Dd+e"
    assert redact(text, ["a+b/c=d e"]) == "key *** in ?key=*** and ?key=***"


def test_of_two_secrets_the_longer_goes_first() -> None:
    assert redact("got abcd1234-secret", ["abcd1234", "abcd1234-secret"]) == "got ***"


def test_an_empty_or_tiny_secret_does_not_blank_the_text() -> None:
    assert redact("all is well", ["", "l", "is"]) == "all is well"


LOCAL = st.from_regex(re.compile(r"[a-zA-Z0-9!#$*+^_`{|}~.-]{2,64}", re.ASCII), fullmatch=True)


@given(
    local=LOCAL, before=st.sampled_from([" ", "<", "=", '"', ": ", "/", "("]), after=st.sampled_from([" ", ">", '"'])
)
def test_no_local_part_survives(local: str, before: str, after: str) -> None:
    address = f"{local}@example.com"
    assert redact(f"x{before}{address}{after}") == f"x{before}{local[0]}***@example.com{after}"


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("unit", ["a", "a.", '"', "=a", "eyJ", "%2B", "://a:", "@", "password=", "x@y."])
def test_a_long_text_takes_no_long_time(unit: str) -> None:
    text = unit * (50_000 // len(unit))
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 2
