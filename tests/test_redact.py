"""No secret and no full address leaves the daemon, in whatever dress it comes."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from connector.address import contact
from connector.redact import beginning, impersonal, redact


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
    local=LOCAL,
    before=st.sampled_from([" ", "<", " email=", '"', ": ", " /list/", "/list?q=", "(", " '", " \\/list\\/"]),
    after=st.sampled_from([" ", ">", '"', "'", "&"]),
)
def test_no_local_part_survives(local: str, before: str, after: str) -> None:
    address = f"{local}@example.com"
    first = local[0] if local[0].isalnum() else ""
    assert redact(f"x{before}{address}{after}") == f"x{before}{first}***@example.com{after}"


SIGNS = "!#$%&'*+-/=?^_`{|}~"
DOMAINS = st.sampled_from(["example.com", "bücher.example", "a.b.example", "x．com", "ⅷ.com", "x.c"])


@given(
    local=st.lists(st.text(f"{SIGNS}{SIGNS}aZ09éß用", min_size=1, max_size=12), min_size=1, max_size=5).map(".".join),
    domain=DOMAINS,
    text=st.sampled_from(["Member {} is bad", "{}", "'{}'", '{{"email":"{}"}}', "at {}, and bob@example.com"]),
)
@example(local="first/last", domain="example.com", text="{}")
@example(local="ann%40bob", domain="example.com", text="{}")
def test_no_address_that_can_be_mailed_survives(local: str, domain: str, text: str) -> None:
    address = f"{local}@{domain}"
    assume(len(local) > 1 and contact(address))
    assume(not local.endswith("***") or len(local) > 4)  # it looks as if it were hidden already
    shown = redact(text.format(address))
    assert address not in shown
    assert f"{local}@" not in shown
    assert f"{local[-2:]}@" not in shown or local[-2:] == "**"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ann'@example.com", "a***@example.com"),
        ("o'brien@example.com", "o***@example.com"),
        ("first/last@example.com", "f***@example.com"),
        ("ann=bob@example.com", "a***@example.com"),
        ("'jane@example.com'", "'j***@example.com'"),
        ("b'email=jane%40example.com&x=1'", "b'email=j***%40example.com&x=1'"),
        ("/list/o%27brien%40example.com/tags", "/list/o***%40example.com/tags"),
        ("/a?x=ann'@example.com&y=bob@example.com", "/a?x=a***@example.com&y=b***@example.com"),
        (json.dumps({"email": "josé/x@example.com"}).replace("/", "\\/"), '{"email": "j***@example.com"}'),
        (json.dumps({"path": "/list/jane@example.com"}).replace("/", "\\/"), '{"path": "\\/list\\/j***@example.com"}'),
    ],
)
def test_every_sign_may_stand_in_an_address(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(before=st.integers(0, 400), longest=st.integers(1, 400), after=st.text(max_size=3), many=st.booleans())
def test_what_is_cut_was_redacted_before(before: int, longest: int, after: str, many: bool) -> None:
    key = "0123456789abcdef" * 2 + "-us21"
    text = f"{'x' * before} jane@example.com {key} {after}" * (40 if many else 1)
    shown = beginning(text, longest)
    assert len(shown) <= longest
    assert not re.search(r"ja|0123", shown)
    assert many or shown == impersonal(redact(text))[:longest]


@pytest.mark.parametrize("kept", [0, 1, 3000, 4299, 4300, 4301])
def test_nor_where_reading_ends(kept: int) -> None:
    shown = beginning("x" * (kept - 8) + " jane.doe@example.com " + "y" * 5000, 300)
    assert len(shown) == 300 or kept < 300
    assert "jane" not in shown


def test_the_rest_has_no_influence() -> None:
    assert len({beginning("x" * 10_000 + rest, 300) for rest in ("", "@example.com", "?y=1", "%40" * 9)}) == 1


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "unit", ["a", "a.", '"', "=a", "eyJ", "%2B", "://a:", "@", "password=", "x@y.", "eyJ-", "https://a", "%", "a/?"]
)
def test_a_long_text_takes_no_long_time(unit: str) -> None:
    text = unit * (50_000 // len(unit))
    started = time.process_time()
    impersonal(redact(text))
    assert time.process_time() - started < 2
