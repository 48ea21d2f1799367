"""The little language of the e-mails' texts and bodies: what it reads, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from connector.templates.blocks import Button, Cart, Code, Fork, Text, blocks_of
from connector.templates.words import Choice, Filled, Value, parse, write


def test_values_and_choices() -> None:
    assert parse("a {{ first_name }}!") == ("a ", Value("first_name"), "!")
    assert parse("{{if total}}x {{total}}{{else}}y{{end}}") == (Choice("total", ("x ", Value("total")), ("y",)),)
    assert parse("{{ if sku }}x{{ end }} {{ if sku }}y{{ end }}") == (Choice("sku", ("x",)), " ", Choice("sku", ("y",)))


@pytest.mark.parametrize(
    "text",
    [
        "{{ firstname }}",
        "{{ if nothing }}a{{ end }}",
        "{{ if sku }}a{{ if total }}b{{ end }}c{{ end }}",
        "{{ if sku }}a",
        "a{{ end }}",
        "a{{ else }}b",
        "{{ first name }}",
        "a }} b",
        "{{ }}",
    ],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"placeholder|there is no field"):
        parse(text)


def test_blocks() -> None:
    fork = {"if": "coupon_code", "then": ["take", "code"], "else": ["or not"]}
    body = blocks_of(["hello", "cart", {"button": "Go"}, fork])
    assert body[:3] == (Text(("hello",)), Cart(), Button("Go"))
    assert body[3] == Fork("coupon_code", (Text(("take",)), Code()), (Text(("or not",)),))


@pytest.mark.parametrize(
    "body",
    [
        ["no button"],
        [{"button": "one"}, {"button": "two"}],
        [{"button": "Go"}, {"link": "x"}],
        [{"button": "Go"}, {"if": "nothing", "then": [], "else": []}],
        [{"button": "Go"}, {"if": "sku", "then": ["cart"], "else": []}],
        [{"button": "Go"}, {"if": "sku", "then": [{"button": "two"}], "else": []}],
        [{"button": "Go"}, 7],
    ],
)
def test_bodies_that_are_wrong(body: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"block|one button|no field"):
        blocks_of(body)


def test_values_are_never_read_as_the_language() -> None:
    filled = Filled({"first_name": "{{ total }}", "total": "9"}, str, "", "")
    assert write(parse("Hi {{ first_name }}"), filled) == "Hi {{ total }}"


@pytest.mark.parametrize("scheme", ["javascript:alert(1)", "data:text/html,x", "", " https://x.example", "//x.example"])
def test_only_web_addresses_become_links(scheme: str) -> None:
    assert Filled({"checkout_url": scheme}, str, "", "").link("checkout_url") == ""
