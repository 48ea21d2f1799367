"""What shoppers typed and stores answered: no placeholder of any CRM, no link in a name, and no link but to the web."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.engine.payload import read_payload, write_payload
from connector.fields import NAMES, values
from connector.harmless import clean_name, country_code, language_tag, phone_number, presentable, web_link
from connector.model import Checkout, Customer, LineItem, Money

AT = datetime(2026, 3, 1, tzinfo=UTC)
SYNTAX = re.compile(r"\*\||\|\*|\{\{|\}\}|\{%|%\}|\{#|#\}|\[\[|\]\]|\[%|%\]|%[A-Za-z/$]|\$\{")
PLACEHOLDERS = (
    "*|UNSUB|*", "*|IF:FNAME|*x*|END:IF|*", "{{ person.email }}", "{{{x}}}", "{% unsubscribe %}", "{#x#}",
    "{%% raw %%}", "%UNSUBSCRIBELINK%", "%IF $EMAIL != ''%x%/IF%", "[[contact.email]]", "[[[x]]]", "[% if x %]",
    "${7*7}", "|*|*|*|",
)  # fmt: skip
PARTS = st.sampled_from([*"*|{}%#[]$/<> ", "UNSUB", "x", "http://", "evil.com", "\u200d", "é"])


@pytest.mark.parametrize("typed", PLACEHOLDERS)
def test_no_crm_reads_a_name_as_its_own_placeholder(typed: str) -> None:
    assert SYNTAX.search(typed)
    kept = clean_name(f"Ann {typed}")
    assert not SYNTAX.search(kept)
    assert kept.startswith("Ann")


@given(st.lists(PARTS, max_size=14).map("".join))
def test_whatever_is_put_together_holds_none_and_cleaning_twice_changes_nothing(typed: str) -> None:
    kept = clean_name(typed)
    assert not SYNTAX.search(kept)
    assert clean_name(kept) == kept


def test_what_only_looks_a_little_like_it_stays() -> None:
    for name in ("50 % wool", "100%", "[M] / {L}", "5*", "A|B", "Size #4"):
        assert clean_name(name) == name


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.example/checkout?key=a%20b&x=ä#top",
        "http://127.0.0.1:8080/?p=7",
        "https://xn--bcher-kva.example/cart",
        "https://bücher.example:8443/kasse/",
        "HTTPS://ACME.EXAMPLE",
        "http://[2001:db8::1]/x",
        "https://acme.example/checkout-link/?products=1:2,3:4&coupon=X",
        "https://acme.example/a*(b)!~$;@c",
    ],
)
def test_links_to_web_pages_stay_as_they_are(url: str) -> None:
    assert web_link(url) == url
    assert web_link(f"  {url}\n") == url


@pytest.mark.parametrize(
    "url",
    [
        "", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "\x01javascript:alert(1)",
        "data:text/html,<script>1</script>", "vbscript:x", "file:///etc/passwd", "ftp://acme.example/",
        "mailto:a@b.example", "blob:https://acme.example/1", "view-source:https://acme.example/", "intent://x#Intent;end",
        "gopher://127.0.0.1/",
        "https://[::1", "https://[evil.example]/", "https://acme.example\u2100evil.example/", "https://acme.example:x/",
        "//evil.example/", "/checkout", "acme.example", "https:/acme.example", "https:acme.example", "https://",
        "https:///evil.example", "http:\\\\evil.example", "https://acme.example@evil.example/", "https://a:b@evil.example/",
        "https://evil.example\\@acme.example/", "https://acme.example%40evil.example/", "https://ac me.example/",
        "https://acme.example/\r\nLocation: x", "https://acme.example/\x00", "https://acme.example/\ud800",
        "https://\"onerror=x/", "https://<b>/", "https://{{host}}/", "https:// acme.example/", "https://acme.example/\u2028x",
    ],
)  # fmt: skip
def test_anything_else_is_no_link(url: str) -> None:
    assert web_link(url) == ""


class Tags(HTMLParser):
    """The attributes of the elements in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(dict(attrs))


@pytest.mark.parametrize(
    "tail", ['"onerror="x', "'onerror='x", "><script>x</script>", "`x", "\\x", "a b", *PLACEHOLDERS]
)
def test_a_link_ends_no_attribute_and_opens_no_placeholder(tail: str) -> None:
    link = web_link(f"https://acme.example/?x={tail}")
    assert link.startswith("https://acme.example/?x=")
    assert not SYNTAX.search(re.sub("%[0-9A-F]{2}", "", link))
    for quote in "\"'":  # a CRM puts it into the owner's HTML as it is
        assert Tags(f"<a href={quote}{link}{quote}>").found == [{"href": link}]
    assert web_link(link) == link


@given(st.text(max_size=20), st.sampled_from(["https://acme.example", "http://127.0.0.1:80", "https://a.b/c?d", ""]))
def test_a_link_leads_where_it_says_and_is_the_same_again(tail: str, start: str) -> None:
    link = web_link(start + tail)
    if link:
        assert web_link(link) == link
        parts = urlsplit(link)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert parts.username is None
        assert not set("\"'<>`{}|\\\n\r\t ") & set(link)


def test_what_was_stored_is_read_harmless() -> None:
    """Everything that is shown or sent on comes out of the database by this one door."""
    evil = "javascript:alert(1)"
    line = LineItem(
        "Mug {{ x }}", 1, Money(Decimal(1), "EUR"), variant="Engraved: *|UNSUB|* see evil.example", image_url=evil,
        product_url=evil,
    )  # fmt: skip
    customer = Customer("ann@example.com", "7", "Ann {{ x }}", "http://evil.example O'Hara", "+49 30")
    checkout = Checkout("1", "open", AT, AT, AT, customer, Money(Decimal(1), "EUR"), (line,), evil)
    kept = read_payload(write_payload(checkout))
    assert (kept.url, kept.lines[0].image_url, kept.lines[0].product_url) == ("", "", "")
    assert (kept.customer.first_name, kept.customer.last_name) == ("Ann { { x } }", "O'Hara")
    assert kept.lines[0].variant == "Engraved: * |UNSUB| * see"
    assert kept.lines[0].title == "Mug {{ x }}", "what the store calls its products is the store's"
    rest = replace(kept, customer=customer, lines=(line,), url=evil)
    assert rest == checkout
    assert presentable(kept) == kept


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("DE", "DE"), (" de ", "DE"), ("", ""), ("DEU", ""), ("Win at https://evil.example/x", ""), ("D<", ""), ("ß", "")],
)
def test_a_country_is_two_letters(typed: str, kept: str) -> None:
    assert country_code(typed) == kept


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        *[(tag, tag) for tag in ("de", "de-AT", "en_US", "de_DE_formal", "pt_PT_ao90", "zh-Hant-TW", "es-419", "fil")],
        *[("de_DE.UTF-8", "de_DE"), ("sr_RS@latin", "sr_RS"), (" en ", "en")],
        *[
            (odd, "")
            for odd in ("", "C", "www.evil.example", "evil.example", "https://evil.example", "de DE", "{{ x }}")
        ],
    ],
)
def test_a_locale_is_a_language(told: str, kept: str) -> None:
    assert language_tag(told) == kept


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+49 (30) 123", "+49 (30) 123"),
        ("0171/555-12", "0171 555-12"),
        ("01.23.45.67.89", "01 23 45 67 89"),
        ("8.8.8.8/1", "8 8 8 8 1"),
        ("call //evil.com 0900", "0900"),
        ("1" * 50, "1" * 30),
    ],
)
def test_a_phone_number_is_no_link(typed: str, kept: str) -> None:
    assert phone_number(typed) == kept


def test_no_template_shows_a_link_that_a_shopper_chose() -> None:
    """Whatever field it was typed into: the store's own titles, numbers and links are all that is left."""
    evil = "https://8.8.8.8/x <b>www.evil.example</b>"
    one = Money(Decimal(1), "EUR")
    line = LineItem("Mug", 1, one, variant=evil, sku="MUG-1")
    customer = Customer("ann@example.com", "7", evil, evil, evil)
    checkout = Checkout("1", "open", AT, AT, AT, customer, one, (line,), country=evil, locale=evil, coupons=(evil,))
    kept = read_payload(write_payload(checkout))
    shown = values(kept, store="Acme", client="acme", abandoned_at=AT)
    assert set(shown) == set(NAMES)
    assert [name for name, text in shown.items() if re.search(r"evil|//|8\.8|<", text)] == []
