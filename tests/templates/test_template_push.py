"""`winback templates push`: made, kept up to date, and never over the owner's work."""

from __future__ import annotations

import pytest
from cli_case import Owner

REMINDER = ("--template", "reminder")
NAME = "Winback reminder (en)"


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


def test_another_account_gets_nothing(owner: Owner) -> None:
    push(owner, "kl", *REMINDER)
    owner.config["crms"][1] = {**owner.config["crms"][0], "id": "kl"}
    owner.write()
    said = owner.winback("templates", "push", "--crm", "kl", *REMINDER)
    assert "now answers as the account" in said.refused()
    assert owner.mailchimp.templates.rows == {}
