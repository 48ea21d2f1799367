"""`winback templates list` and `show`: in the syntax of the owner's own fields, and what is missing in one line."""

from __future__ import annotations

import pytest
from cli_case import Owner
from templates_case import FIELDS

from connector.registry import CRMS
from crm.sandbox import omnisend


def test_list_needs_no_file(owner: Owner) -> None:
    said = owner.bare("templates")
    assert (said.code, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines()[:5]] == [
        *("reminder", "value", "incentive", "spot-saved", "last-call")
    ]
    assert said.out == owner.bare("templates", "list").out


@pytest.mark.parametrize(
    ("crm", "product", "link", "unsubscribe"),
    [
        ("mc", "*|MEMBERSHIP|*", 'href="*|CHECKOUT|*"', "*|UNSUB|*"),
        ("kl", "{{ person|lookup:'MEMBERSHIP' }}", "href=\"{{ person|lookup:'CHECKOUT' }}\"", "{% unsubscribe_link %}"),
        ("ac", "%MEMBERSHIP%", 'href="%CHECKOUT%"', "%UNSUBSCRIBELINK%"),
    ],
)
def test_show_writes_the_owners_own_fields(owner: Owner, crm: str, product: str, link: str, unsubscribe: str) -> None:
    said = owner.winback("templates", "show", "--crm", crm, "--lang", "de", "--part", "html")
    assert said.code == 0
    assert said.out.startswith("<!doctype html>")
    assert said.out.count(link) == 1
    assert product in said.out
    assert f'href="{unsubscribe}"' in said.out
    assert 'add IMAGE: "{{ image_url }}", TOTAL: "{{ total_formatted }}"' in said.err, "what is left out is said"
    subject = owner.winback("templates", "show", "--crm", crm, "--part", "subject").out
    assert subject.splitlines() == [
        *(f"{product} is still in your cart", "Your cart is saved, just as you left it", "Your checkout is still open")
    ]
    whole = owner.winback("templates", "show", "--crm", crm).out
    assert f"subject (product): {product}" in whole
    assert "----- text" in whole


@pytest.mark.parametrize("name", sorted(CRMS))
def test_show_without_a_file_uses_the_usual_names(owner: Owner, name: str) -> None:
    said = owner.bare("templates", "show", "--adapter", name, "--template", "incentive", "--part", "text")
    assert (said.code, said.err.strip()) == (0, CRMS[name].merge(None).note)  # type: ignore[attr-defined]
    assert "COUPON_END" in said.out
    assert "CHECKOUT" in said.out


def test_a_field_of_a_step_counts_too(owner: Owner) -> None:
    owner.write(sequence=[{"after": "45m", "fields": {"TOTAL": "{{ total_formatted }}"}}])
    assert "*|TOTAL|*" in owner.winback("templates", "show", "--crm", "mc", "--part", "text").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show",), "say with --crm which one of: mc, kl, ac"),
        (("show", "--crm", "mx"), "there is no CRM mx; there are: mc, kl, ac"),
        (("show", "--crm", "mc", "--template", "remind"), "there is no template remind; did you mean reminder?"),
        (("show", "--crm", "mc", "--lang", "it"), "there is no language it; there are: en, de, fr, es"),
        (("show", "--crm", "mc", "--part", "htm"), "there is no part htm; did you mean html?"),
        (("show", "--adapter", "mailchimpp"), "there is no adapter mailchimpp; did you mean mailchimp?"),
        (("push", "--crm", "mc", "--lang", "xx"), "there is no language xx; there are: en, de, fr, es"),
        (
            ("show", "--crm", "mc", "--template", "incentive"),
            "Winback incentive (en) needs coupon_code and coupon_expires_at, and no field of mc holds just that: add "
            'to its fields COUPON: "{{ coupon_code }}", COUPON_END: "{{ coupon_expires_at }}"',
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(owner: Owner, words: tuple[str, ...], said: str) -> None:
    assert owner.winback("templates", *words).refused() == said


def test_without_a_file_or_a_kind_there_is_nothing_to_show(owner: Owner) -> None:
    assert "say with -c which file, or with --adapter which kind of CRM" in owner.bare("templates", "show").refused()


def test_the_link_must_be_held_by_a_field(owner: Owner) -> None:
    owner.config["crms"][0]["fields"] = {"LINK": "Your cart: {{ checkout_url }}"}
    owner.write()
    refused = owner.winback("templates", "show", "--crm", "mc").refused()
    assert refused == (
        "Winback reminder (en) needs checkout_url, and no field of mc holds just that: "
        'add to its fields CHECKOUT: "{{ checkout_url }}"'
    )
    assert owner.winback("templates", "push", "--crm", "mc").refused() == refused


def test_an_event_brings_the_link_itself(owner: Owner) -> None:
    owner.config["crms"][1]["fields"] = {}
    owner.write()
    assert 'href="{{ event.CheckoutURL }}"' in owner.winback("templates", "show", "--crm", "kl", "--part", "html").out
    owner.config["crms"][1]["campaign"] = {"list": "XyZ1"}
    owner.write()
    assert "needs checkout_url" in owner.winback("templates", "show", "--crm", "kl").refused()


def test_a_crm_that_takes_none_says_so(owner: Owner) -> None:
    sandbox = omnisend.serve()
    with sandbox.server:
        owner.write(crms=[{"id": "om", **sandbox.options(), "fields": FIELDS}])
        assert owner.winback("templates", "push").refused() == (
            "Omnisend takes no templates that could be kept up to date: copy them from `winback templates show`"
        )
        said = owner.winback("templates", "show", "--part", "html")
        assert 'href="[[contact.custom_properties.CHECKOUT]]"' in said.out
        assert "type it where the e-mail says YOUR POSTAL ADDRESS" in said.err
        assert sandbox.server.journal == []
