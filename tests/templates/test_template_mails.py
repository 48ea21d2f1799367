"""Every e-mail, in every language and every CRM's syntax: what holds for all of them."""

from __future__ import annotations

import re

import pytest
from templates_case import ALL, MERGING, VALUES, Page, merged, syntax, templates, words

from connector.registry import CRMS
from connector.templates import EMAILS, LANGUAGES, VARIANTS, Template, load
from connector.templates.page import html_of, text_of
from connector.templates.preview import inert
from connector.templates.syntax import lacking, mail_of, subjects_of, syntax_of
from connector.templates.words import Filled, names_of, write

EVERYONE = VALUES
NOBODY = {"checkout_url": VALUES["checkout_url"]}
READERS = [EVERYONE, NOBODY, {**EVERYONE, "coupon_code": "", "first_name": ""}]
DISCOUNT = re.compile(
    r"discount|coupon|\bcodes?\b|voucher|\boff\b|rabatt|gutschein|günstiger|remise|réduction|promo|descuento|cupón|código",
    re.IGNORECASE,
)
RUSH = re.compile(
    r"hurry|act now|only \d+ left|last chance|expires soon|schnell|nur noch heute|letzte chance|beeil|vite|dépêchez"
    r"|dernière chance|date prisa|últimas? (?:unidades|plazas)|!!",
    re.IGNORECASE,
)
SIGNS = ("*|", "|*", "{{", "}}", "{%", "%}", "[[", "]]", "[%", "%]", "%")


def by_id(template: Template) -> str:
    return template.name


@pytest.mark.parametrize("crm", MERGING)
@pytest.mark.parametrize(("email", "language"), ALL)
def test_a_crm_makes_of_it_what_we_mean(crm: str, email: str, language: str) -> None:
    template, written = load(email, language), syntax(crm)
    for values in READERS:
        meant = Filled(values, str, written.unsubscribe, written.sender)
        for part in (html_of, text_of):
            assert merged(part(template, written), written, values) == part(template, meant)


@pytest.mark.parametrize("crm", MERGING)
@pytest.mark.parametrize(("email", "language"), ALL)
def test_no_sign_of_syntax_is_left_when_it_is_sent(crm: str, email: str, language: str) -> None:
    template, written = load(email, language), syntax(crm)
    for part in (html_of, text_of):
        sent = merged(part(template, written), written, EVERYONE)
        for known in (written.unsubscribe, written.sender):
            assert known
            assert known in sent, "the unsubscribe link and the postal address are in both parts"
            sent = sent.replace(known, "")
        assert [sign for sign in SIGNS if sign in sent] == []
    for subject in subjects_of(template, written).values():
        assert [sign for sign in SIGNS if sign in merged(subject, written, EVERYONE)] == []


@pytest.mark.parametrize("crm", MERGING)
@pytest.mark.parametrize(("email", "language"), ALL)
def test_no_two_tags_touch(crm: str, email: str, language: str) -> None:
    """In a syntax of percent signs only a reader's luck would tell two neighbours apart."""
    written = syntax(crm)
    if written.merge.end.startswith("%"):
        for part in (html_of, text_of):
            assert "%%" not in part(load(email, language), written)


@pytest.mark.parametrize("template", templates(), ids=by_id)
@pytest.mark.parametrize("values", READERS)
def test_the_html_is_whole_and_accessible(template: Template, values: dict[str, str]) -> None:
    page = Page(html_of(template, Filled(values, inert, "https://crm.example/unsubscribe", "Acme Ltd, 1 High St")))
    (html,) = page.all("html")
    assert (html["lang"], html["dir"]) == (template.language, "ltr")
    assert [tag for tag, _ in page.tags].count("title") == 1
    assert all(table["role"] == "presentation" for table in page.all("table"))
    assert all(image["alt"] for image in page.all("img"))
    assert [attrs["href"] for attrs in page.all("a")] == [VALUES["checkout_url"], "https://crm.example/unsubscribe"]
    assert not {"script", "link", "iframe", "form", "object"} & {tag for tag, _ in page.tags}
    (article,) = (attrs for _, attrs in page.tags if attrs.get("role") == "article")
    assert article["lang"] == template.language, "mail programs take the html element away"
    assert article["aria-label"] == template.title


@pytest.mark.parametrize("template", templates(), ids=by_id)
@pytest.mark.parametrize("values", READERS)
def test_both_parts_say_the_same(template: Template, values: dict[str, str]) -> None:
    writer = Filled(values, str, "https://crm.example/unsubscribe", "Acme Ltd, 1 High St")
    assert words("".join(Page(html_of(template, writer)).seen)) == words(text_of(template, writer))


@pytest.mark.parametrize("template", templates(), ids=by_id)
def test_nothing_is_loaded_but_the_products_picture(template: Template) -> None:
    html = html_of(template, Filled(EVERYONE, str, "#", ""))
    addresses = set(re.findall(r"https?://[^\"' )<]+", html))
    assert addresses == {VALUES["checkout_url"], VALUES["image_url"]}
    assert not re.search(r"@import|url\(|background=", html)


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-relative-luminance"""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_read_in_light_and_in_dark() -> None:
    html = html_of(load("incentive", "en"), Filled(EVERYONE, str, "#", ""))
    light, dark = html.split("<style>")[1].split("</style>")[1], html.split("<style>")[1].split("</style>")[0]
    assert contrast(*re.findall(r"background:(#\w{6});color:(#\w{6})", light)[0]) > 7
    (button,) = re.findall(r"<a [^>]*background:(#\w{6});color:(#\w{6})", light)
    assert contrast(*button) > 7
    (quiet,) = set(re.findall(r"font-size:13px[^>]*color:(#\w{6})", light))
    assert contrast("#ffffff", quiet) > 7
    pairs = re.findall(r"background: (#\w{6}) !important; color: (#\w{6})", dark)
    assert len(pairs) == 2
    assert all(contrast(*pair) > 7 for pair in pairs)
    (quiet_in_dark,) = re.findall(r"\.quiet[^}]*color: (#\w{6})", dark)
    assert contrast(pairs[0][0], quiet_in_dark) > 7


@pytest.mark.parametrize("template", templates(), ids=by_id)
def test_subjects_are_short_three_and_without_a_choice(template: Template) -> None:
    assert list(template.subjects) == list(VARIANTS)
    filled = Filled({"product_name": "Enamel trail mug"}, str, "", "")
    said = {variant: write(parts, filled) for variant, parts in template.subjects.items()}
    assert len(set(said.values())) == 3
    for variant, parts in template.subjects.items():
        assert 15 <= len(said[variant]) <= 60, said[variant]
        assert not any(hasattr(part, "yes") for part in parts), "not every CRM has conditions in a subject"
        assert names_of(parts) == ({"product_name"} if variant == "product" else set())
    preheader = write(template.preheader, filled)
    assert 25 <= len(preheader) <= 90, preheader


@pytest.mark.parametrize("template", templates(), ids=by_id)
def test_only_the_incentive_speaks_of_a_discount_and_only_with_a_code(template: Template) -> None:
    def everything(values: dict[str, str]) -> str:
        filled = Filled(values, str, "", "")
        subjects = [write(parts, filled) for parts in template.subjects.values()]
        return "\n".join([*subjects, write(template.preheader, filled), text_of(template, filled)])

    assert bool(DISCOUNT.search(everything(EVERYONE))) == (template.email == "incentive")
    assert not DISCOUNT.search(everything({**EVERYONE, "coupon_code": "", "coupon_expires_at": ""}))
    assert not RUSH.search(everything(EVERYONE)), "no false urgency"


# As the vendors write them: the syntax itself, in words that no code of ours made.
AS_WRITTEN = {
    "mailchimp": (
        "*|IF:FNAME|*Hi *|FNAME|*,*|ELSE:|*Hello,*|END:IF|*",
        "Return to my checkout:\n*|CHECKOUT|*\n",
        "Unsubscribe: *|UNSUB|*\n*|LIST:COMPANY|*, *|LIST:ADDRESSLINE|*\n",
    ),
    "klaviyo": (
        "{% if first_name %}Hi {{ first_name }},{% else %}Hello,{% endif %}",
        "Return to my checkout:\n{{ person|lookup:'CHECKOUT' }}\n",
        "Unsubscribe: {% unsubscribe_link %}\n{{ organization.name }}, {{ organization.full_address }}\n",
    ),
    "omnisend": (
        "[% if contact.first_name and contact.first_name != '' %]Hi [[contact.first_name]],[% else %]Hello,[% endif %]",
        "Return to my checkout:\n[[contact.custom_properties.CHECKOUT]]\n",
        "Unsubscribe: [[unsubscribe_link]]\n[[account.name]], YOUR POSTAL ADDRESS\n",
    ),
    "activecampaign": (
        "%IF $FIRSTNAME != ''%Hi %FIRSTNAME%,%ELSE%Hello,%/IF%",
        "Return to my checkout:\n%CHECKOUT%\n",
        "Unsubscribe: %UNSUBSCRIBELINK%\n%SENDER-INFO-SINGLELINE%\n",
    ),
}


@pytest.mark.parametrize("crm", MERGING)
def test_the_syntax_is_that_of_the_vendor(crm: str) -> None:
    text = text_of(load("reminder", "en"), syntax(crm))
    greeting, link, foot = AS_WRITTEN[crm]
    assert text.startswith(f"{greeting}\n\n")
    assert link in text
    assert text.endswith(foot)


def test_german_says_neither_du_nor_sie() -> None:
    for template in templates():
        if template.language == "de":
            filled = Filled(EVERYONE, str, "", "")
            subjects = (write(parts, filled) for parts in (*template.subjects.values(), template.preheader))
            text = "\n".join((*subjects, text_of(template, filled)))
            assert not re.search(r"\b(?:du|dir|dich|dein\w*|Sie|Ihnen|Ihr\w*)\b", text), template.name


def test_french_signs_do_not_stand_alone_at_the_start_of_a_line() -> None:
    for template in templates():
        if template.language == "fr":
            text = text_of(template, Filled(EVERYONE, str, "", ""))
            assert not re.search(r" [:;?!]", text), template.name


def test_the_languages_have_the_same_shape() -> None:
    for email in EMAILS:
        shapes = {tuple(type(block).__name__ for block in load(email, language).body) for language in LANGUAGES}
        assert len(shapes) == 1, email
        assert len({load(email, language).needs for language in LANGUAGES}) == 1


def test_a_value_that_the_crm_has_not_got_is_left_out() -> None:
    merge = CRMS[MERGING[0]].merge(None)  # type: ignore[attr-defined]
    bare = syntax_of(merge, [("LINK", "{{ checkout_url }}"), ("MIXED", "{{ product_name }} for {{ total }}")])
    template = load("reminder", "en")
    needed, optional = lacking(template, bare)
    assert (needed, optional) == ([], ["image_url", "product_name", "total_formatted"])
    assert set(subjects_of(template, bare)) == {"benefit", "urgency"}
    mail = mail_of(template, bare)
    assert mail.subject == "Your cart is saved, just as you left it"
    assert "<img" not in mail.html
    assert "Total" not in mail.html + mail.text
    assert lacking(load("incentive", "en"), bare)[0] == ["coupon_code", "coupon_expires_at"]


def test_the_owners_field_wins_over_what_the_crm_knows() -> None:
    merge = CRMS[MERGING[0]].merge(None)  # type: ignore[attr-defined]
    own = syntax_of(merge, [("CALLED", '{{ first_name | default("friend") }}')])
    assert own.references["first_name"] == merge.reference("CALLED") != merge.known["first_name"]
