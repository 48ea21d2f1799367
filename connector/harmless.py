"""What shoppers typed and stores answered, made harmless for where it goes: a CRM, an e-mail, a page, a redirect.

Anyone can type a stranger's address into a checkout, and an advertisement where the name goes. And a store that was
broken into can call anything the link back to the cart.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from urllib.parse import quote, urlsplit

from connector.model import Checkout, LineItem

LONGEST_NAME = 60  # characters of a first or last name that are kept
LONGEST_VARIANT = 200
LONGEST_PHONE = 30
FAR = 10  # times as much of a name is looked at as is kept: what is taken out may be long
LONGEST_TEXT = 4000  # characters of any text that are looked at

_TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")
_DOT = r"[.\u3002\uff0e\uff61]"  # browsers read the ideographic full stops as dots, too
_LINK = re.compile(
    rf"://|//|\\\\|\bwww{_DOT}|\b(?:mailto|javascript|data|tel|sms):|\d{_DOT}\d+{_DOT}\d+{_DOT}\d"
    rf"|[^\W_]{_DOT}(?:xn--|[^\W\d_]{{2,}})",
    re.IGNORECASE,
)
_NO_BREAK = "\u00a0\u202f"  # stand between an amount and its currency
_JOINERS = {0x200C: None, 0x200D: None}
_INITIAL = re.compile(
    r"(?!(?i:www)\.)(?:[A-ZÀ-ÖØ-Þ][^\W\d_]{0,11}\.)+[A-ZÀ-ÖØ-Þ][^\W\d_]+(?:-[^\W\d_]*)?"
)  # Ma.Teresa, St.John
# Between the letters that open or close a placeholder in some CRM: *|X|*  {{ x }}  {% x %}  [[x]]  [% x %]  %X%
_SYNTAX = re.compile(
    r"(?<=\*)(?=\|)|(?<=\|)(?=\*)|(?<=\{)(?=[{%#])|(?<=[}%#])(?=\})|(?<=\[)(?=[\[%])|(?<=[\]%])(?=\])"
    r"|(?<=%)(?=[A-Za-z/$])|(?<=\$)(?=\{)"
)
# No user before the host: https://acme.example@evil.example leads to evil.example. Nor a backslash, which is a slash.
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\\%\"'<>`{}|^\[\]\x00-\x20\x7f]{1,253})(?::\d{1,5})?"
_WEB = re.compile(rf"(https?://{_HOST})((?:[/?#].*)?)", re.IGNORECASE | re.DOTALL)
_PLAIN_LINK = re.compile(r"https?://[\w.-]+(?::\d+)?(?:[/?#](?:[\w./?#&=:;,+@!~()$*-]|%[0-9A-Fa-f]{2})*)?", re.ASCII)
_COUNTRY = re.compile(r"[A-Za-z]{2}")
# Language, script, region and one variant, with either hyphen: zh-Hant-TW, de_DE_formal, es-419.
_LANGUAGE = re.compile(
    r"([A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?(?:[-_](?:[A-Za-z]{2}|[0-9]{3}))?(?:[-_][A-Za-z0-9]{4,8})?)"
    r"(?:\.[A-Za-z0-9-]+)?(?:@[a-z]+)?"  # POSIX: de_DE.UTF-8@euro
)
_ODD_IN_LINK = re.compile(r"[\s\"'<>`{}|^\\\[\]\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|%(?![0-9A-Fa-f]{2})")


def presentable(checkout: Checkout) -> Checkout:
    """The checkout with nothing in it that a shopper could say to a stranger: no text where a code belongs, no link.

    What the store itself calls its products stays.
    """
    shopper = checkout.customer
    return replace(
        checkout,
        customer=replace(
            shopper,
            first_name=clean_name(shopper.first_name),
            last_name=clean_name(shopper.last_name),
            phone=phone_number(shopper.phone),
        ),
        url=web_link(checkout.url),
        lines=tuple(_presentable_line(line) for line in checkout.lines),
        country=country_code(checkout.country),
        locale=language_tag(checkout.locale),
    )


def _presentable_line(line: LineItem) -> LineItem:
    # A variant can be the shopper's own words: an engraving, a greeting card.
    return replace(
        line,
        variant=clean_name(line.variant, LONGEST_VARIANT),
        image_url=web_link(line.image_url),
        product_url=web_link(line.product_url),
    )


def clean_name(text: str, longest: int = LONGEST_NAME) -> str:
    """A person's name without markup, control characters and anything that a mail program would make a link of.

    What some CRM would read as a placeholder is parted by a space. `longest` is in characters.
    """
    text, before = plain(text[: FAR * longest]), ""
    while text != before:
        before, text = text, _TAG.sub("", text)
    text = text.replace("<", "").replace(">", "")
    words = (_without_links(word) for word in text.split())
    return " ".join(_SYNTAX.sub(" ", " ".join(words)).split())[:longest].rstrip()


def phone_number(text: str) -> str:
    """The digits and what stands between them; dots and slashes become spaces, because 8.8.8.8/x is a link."""
    return " ".join(re.sub(r"[^0-9+() -]", "", re.sub(r"[./]", " ", text)).split())[:LONGEST_PHONE].rstrip()


def country_code(text: str) -> str:
    """ISO 3166-1 alpha-2 in capitals, or "" for anything that cannot be one."""
    code = text.strip()
    return code.upper() if _COUNTRY.fullmatch(code) else ""


def language_tag(text: str) -> str:
    """The locale without its encoding and modifier, or "" for anything that names no language."""
    found = _LANGUAGE.fullmatch(text.strip())
    return found[1] if found else ""


def web_link(url: str) -> str:
    """The link if it is one to a web page, in letters that end no attribute and open no placeholder; else ""."""
    url = url.strip()
    if _PLAIN_LINK.fullmatch(url):
        return url
    found = _WEB.fullmatch(url)
    if not found or any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in url):
        return ""
    try:
        urlsplit(url)
    except ValueError:  # a host with letters that stand for a slash or a colon
        return ""
    return found[1] + _ODD_IN_LINK.sub(lambda odd: quote(odd[0], safe=""), found[2])


def plain(text: str) -> str:
    """Without control, invisible and direction-changing characters; line breaks become spaces.

    No more than LONGEST_TEXT: to put a heap of accents into their order takes Python the square of their number.
    """
    text = text[:LONGEST_TEXT]
    if text.isascii() and text.isprintable():
        return text.strip()
    kept = (" " if char.isspace() and char not in _NO_BREAK else char for char in text if _visible(char))
    return unicodedata.normalize("NFC", "".join(kept)).strip()


def _visible(char: str) -> bool:
    # The two joiners belong to the spelling of Persian, Hindi and some emoji.
    return char.isspace() or ord(char) in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")


def _without_links(word: str) -> str:
    if not _LINK.search(word.translate(_JOINERS)):
        return word
    # Ma.Teresa is a name: parted, it is no link any more.
    return word.replace(".", ". ") if _INITIAL.fullmatch(word) else ""
