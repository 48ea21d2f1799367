"""`winback templates` for a store owner: show in the syntax of their own fields, and push without losing their work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_case import Owner

from connector.registry import CRMS, load
from crm.sandbox import omnisend

load()

FIELDS = {"MEMBERSHIP": "{{ product_name }}", "CHECKOUT": "{{ checkout_url }}"}
REMINDER = ("--template", "reminder")
NAME = "Winback reminder (en)"


@pytest.fixture
def owner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Owner]:
    made = Owner(tmp_path, capsys)
    accounts = {"mc": made.mailchimp, "kl": made.klaviyo, "ac": made.activecampaign}
    made.write(crms=[{"id": name, **account.options(), "fields": FIELDS} for name, account in accounts.items()])
    yield made
    made.close()


def push(owner: Owner, crm: str, *words: str) -> list[str]:
    """What a push that worked said."""
    said = owner.winback("templates", "push", "--crm", crm, *words)
    assert said.code == 0, said
    return said.out.splitlines()


def html_in(owner: Owner, crm: str, name: str = NAME) -> str:
    """What the account holds under that name."""
    if crm == "ac":
        return str(owner.activecampaign.mail(name)["html"])
    rows = (owner.mailchimp if crm == "mc" else owner.klaviyo).templates.rows.values()
    (row,) = (row for row in rows if row["name"] == name)
    return str(row["html"])


def edit(owner: Owner, crm: str, html: str) -> None:
    """The owner edits it there."""
    if crm == "ac":
        owner.activecampaign.mail(NAME)["html"] = html
    else:
        (owner.mailchimp if crm == "mc" else owner.klaviyo).templates.edit(NAME, html)


def made_there(owner: Owner, crm: str, html: str = "") -> None:
    """The owner makes one of that name there."""
    if crm == "ac":
        owner.activecampaign.add_mail(NAME, html)
    elif crm == "mc":
        owner.mailchimp.templates.add(NAME, html)
    else:
        owner.klaviyo.templates.rows["Own"] = {"name": NAME, "html": html, "editor_type": "CODE"}


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


@pytest.mark.parametrize("crm", ["mc", "kl", "ac"])
def test_a_push_makes_then_changes_nothing_then_brings_up_to_date(owner: Owner, crm: str) -> None:
    if crm == "ac":
        made_there(owner, crm)
    first = push(owner, crm, *REMINDER)
    assert first[0] == f"{NAME}: {'filled' if crm == 'ac' else 'made'}"
    assert first[-1].startswith("  subjects to choose from: ")
    html = html_in(owner, crm)
    assert html.rstrip() == owner.winback("templates", "show", "--crm", crm, "--part", "html").out.rstrip()
    assert push(owner, crm, *REMINDER)[0] == f"{NAME}: unchanged"
    (account,) = (each for each in owner.config["crms"] if each["id"] == crm)
    account["fields"] = {"NEWNAME": "{{ product_name }}", "CHECKOUT": "{{ checkout_url }}"}
    owner.write()
    assert push(owner, crm, *REMINDER)[0] == f"{NAME}: updated"
    assert "NEWNAME" in html_in(owner, crm)
    assert push(owner, crm, *REMINDER)[0] == f"{NAME}: unchanged"


@pytest.mark.parametrize("crm", ["mc", "kl", "ac"])
def test_what_the_owner_changed_there_stays_unless_forced(owner: Owner, crm: str) -> None:
    if crm == "ac":
        made_there(owner, crm)
    push(owner, crm, *REMINDER)
    edit(owner, crm, "<p>mine</p>")
    left = f"{NAME}: left alone: it was changed there after the last push; --force writes over it"
    assert push(owner, crm, *REMINDER)[0] == left
    assert html_in(owner, crm) == "<p>mine</p>"
    assert push(owner, crm, *REMINDER, "--force")[0] == f"{NAME}: updated"
    assert "<p>mine</p>" not in html_in(owner, crm)
    assert push(owner, crm, *REMINDER)[0] == f"{NAME}: unchanged"


@pytest.mark.parametrize("crm", ["mc", "kl", "ac"])
def test_one_of_that_name_that_is_not_ours_is_left_alone(owner: Owner, crm: str) -> None:
    made_there(owner, crm, "<p>mine</p>")
    assert push(owner, crm, *REMINDER)[0].startswith(f"{NAME}: left alone: there is one of this name")
    assert html_in(owner, crm) == "<p>mine</p>"


def test_several_languages_and_what_cannot_be_pushed(owner: Owner) -> None:
    said = push(owner, "kl", "--lang", "de", "--lang", "es")
    made = [line for line in said if line.endswith(": made")]
    assert len(made) == 8
    missing = [line for line in said if "not pushed" in line]
    assert missing == [
        f"Winback incentive ({language}): not pushed: it needs "
        'COUPON: "{{ coupon_code }}", COUPON_END: "{{ coupon_expires_at }}" among the fields of kl'
        for language in ("de", "es")
    ]
    assert len(owner.klaviyo.templates.rows) == 8
    assert all(row["text"] and row["editor_type"] == "CODE" for row in owner.klaviyo.templates.rows.values())


def test_the_fields_are_there_before_the_e_mails_name_them(owner: Owner) -> None:
    push(owner, "mc", *REMINDER)
    assert owner.mailchimp.merge_fields["MEMBERSHIP"] == "text"


def test_an_e_mail_that_the_automation_lacks_is_said(owner: Owner) -> None:
    said = owner.winback("templates", "push", "--crm", "ac", *REMINDER)
    assert said.code == 1
    assert said.out.startswith(f"{NAME}: FAILED: ActiveCampaign has no e-mail of that name. In the automation add")


def test_a_key_without_the_scope_is_told_which(owner: Owner) -> None:
    for scope in ("templates:read", "templates:write"):
        owner.klaviyo.lacking = {scope}
        said = owner.winback("templates", "push", "--crm", "kl", *REMINDER)
        assert f"Make a private key that has the scope {scope}" in said.refused()


def test_what_was_pushed_is_remembered_in_either_database(owner: Owner, database_url: str) -> None:
    (owner.folder / "winback.yaml").write_text(f"database_url: {database_url}\n")
    assert push(owner, "mc", *REMINDER)[0] == f"{NAME}: made"
    assert push(owner, "mc", *REMINDER)[0] == f"{NAME}: unchanged"
    edit(owner, "mc", "<p>mine</p>")
    assert push(owner, "mc", *REMINDER)[0].startswith(f"{NAME}: left alone: it was changed")
    assert push(owner, "mc", *REMINDER, "--force")[0] == f"{NAME}: updated"
    assert push(owner, "mc", *REMINDER)[0] == f"{NAME}: unchanged"


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


def test_another_account_gets_nothing(owner: Owner) -> None:
    push(owner, "kl", *REMINDER)
    owner.config["crms"][1] = {**owner.config["crms"][0], "id": "kl"}
    owner.write()
    said = owner.winback("templates", "push", "--crm", "kl", *REMINDER)
    assert "now answers as the account" in said.refused()
    assert owner.mailchimp.templates.rows == {}
